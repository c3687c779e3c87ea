//! `nixmig completions`: what shells complete from.

use super::args::{Cli, Completions};
use super::diagnostic::Failure;
use super::exit::Exit;
use super::output;

pub(super) fn run(args: &Completions) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::described(), "nixmig", &mut script);
    output::print(&String::from_utf8_lossy(&script)).map_err(Failure::Output)?;
    Ok(Exit::Fine)
}
