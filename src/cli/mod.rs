//! The command line: words in, an exit code out. Every command has a file of its own; none decides anything about migrations.

mod advice;
mod args;
mod change;
mod check;
mod completions;
mod confirm;
mod diagnostic;
mod diff;
mod exit;
mod forget;
mod gate;
mod generations;
mod guard;
mod history;
mod journal;
mod live;
mod machine;
mod man;
mod migrate;
mod output;
mod plan;
mod progress;
mod read;
mod rebuild;
mod resume;
mod run_as;
mod show;
mod stamp;
mod status;
mod step;

use std::env;
use std::ffi::{OsStr, OsString};

use clap::FromArgMatches as _;
use nixmig::report::escape;
use nixmig::{process, record};

use args::{Cli, Command, RecordCommand};
use exit::Exit;

/// Runs nixmig.
pub(crate) fn run(words: impl IntoIterator<Item = OsString>) -> Exit {
    let words: Vec<_> = words.into_iter().collect();
    if let Some(exit) = run_as::run(&words) {
        return exit;
    }
    let plain = gate::is_plain(&words);
    if plain == Some(true) {
        return Exit::Fine;
    }
    // clap writes its own errors before it could say what was asked for.
    if words
        .iter()
        .take_while(|word| *word != "--")
        .any(|word| word == "--no-color")
    {
        output::without_colours();
    }
    let cli = Cli::described()
        .try_get_matches_from(&words)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match cli {
        Ok(cli) => cli,
        Err(error) => {
            // Where neither stdout nor stderr can be written to, nobody could be told.
            drop(error.print());
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Fine
            };
        }
    };
    let result = match &cli.command {
        Command::Diff(args) => diff::run(args),
        Command::Show(args) => show::run(args),
        Command::Plan(args) => plan::run(args),
        Command::Status(args) => status::run(args),
        Command::History(args) => history::run(args),
        Command::Generations(args) => generations::run(args),
        Command::Check(args) => check::run(args),
        Command::Guard(args) => guard::run(args),
        Command::Migrate(args) => migrate::run(args),
        Command::Gate(args) => gate::run(args, plain.is_some()),
        Command::Step(args) => step::run(args),
        Command::Stamp(args) => stamp::run(args),
        Command::Resume(args) => resume::run(args),
        Command::Forget(args) => forget::run(args),
        Command::Record(RecordCommand::Rebuild(args)) => rebuild::run(args),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
    };
    result.unwrap_or_else(|failure| {
        if let Some(signal) = failure.signal() {
            process::die_of(signal);
        }
        if let Some(program) = failure
            .of_record()
            .and_then(|error| record::handover(error, |name| env::var_os(name)))
        {
            let arguments = words.into_iter().skip(1);
            let error = process::replace(&program, arguments, (record::HANDED_OVER, OsStr::new("1")));
            let name = program.display().to_string();
            output::complain(&format!("{} could not be started: {error}\n", escape(&name)));
        }
        output::complain(&diagnostic::render(&failure));
        match failure.needs_resume() {
            true => Exit::Resume,
            false => Exit::Error,
        }
    })
}
