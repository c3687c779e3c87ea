//! `nixmig man`: manual pages, made from the command line's own texts.

use std::io;

use clap::Command;
use clap_mangen::Man as Page;

use super::args::{Cli, Man};
use super::diagnostic::Failure;
use super::exit::Exit;
use super::output;

pub(super) fn run(args: &Man) -> Result<Exit, Failure> {
    let mut command = Cli::described();
    // Gives every command the name of its page.
    command.build();
    let Some(directory) = &args.directory else {
        let page = render(&Page::new(command)).map_err(Failure::Output)?;
        output::print(&page).map_err(Failure::Output)?;
        return Ok(Exit::Fine);
    };
    for (number, command) in below(&command).into_iter().chain([&command]).enumerate() {
        let page = Page::new(command.clone());
        let path = directory.join(page.get_filename());
        render(&page)
            .and_then(|page| std::fs::write(&path, page))
            .map_err(|error| Failure::Write {
                path,
                error,
                after_others: number > 0,
            })?;
    }
    Ok(Exit::Fine)
}

/// The commands of a command and theirs, but for those that are no interface.
fn below(command: &Command) -> Vec<&Command> {
    let commands = command.get_subcommands().filter(|command| !command.is_hide_set());
    commands
        .flat_map(|command| std::iter::once(command).chain(below(command)))
        .collect()
}

fn render(page: &Page) -> io::Result<String> {
    let mut text = Vec::new();
    page.render(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
