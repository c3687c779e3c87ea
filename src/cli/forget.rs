//! `nixmig forget`: drops what is remembered of a service.

use super::args::Forget;
use super::change::with_engine;
use super::diagnostic::Failure;
use super::exit::Exit;
use super::output;

#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the method is of an engine of one lifetime"
)]
pub(super) fn run(args: &Forget) -> Result<Exit, Failure> {
    let service = &args.service;
    let backups = with_engine(&args.machine, service, "forgotten", |engine| engine.forget())?;
    let mut text = format!(
        "{service} is forgotten: what is applied, its way back, and what kept that from the garbage collector. Its state is as \
         it was. The next generation that declares it meets it as for the first time.\n"
    );
    for backup in &backups {
        text.push_str(&format!(
            "The backup {backup} is kept. Remove it when you are sure.\n"
        ));
    }
    output::print(&text).map_err(Failure::Output)?;
    Ok(Exit::Fine)
}
