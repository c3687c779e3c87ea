//! `nixmig resume`: goes on after a step that failed or was interrupted.

use nixmig::execute::{Accepted, Left};
use nixmig::model::{Block, ServiceName};
use nixmig::record::View;

use super::args::{Resume, Stamped};
use super::change::{place, start_held, tell, with_engine};
use super::diagnostic::Failure;
use super::exit::Exit;
use super::{machine, output};

#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the method is of an engine of one lifetime"
)]
pub(super) fn run(args: &Resume) -> Result<Exit, Failure> {
    let service = &args.service;
    let choice = &args.choice;
    if choice.retry {
        with_engine(&args.machine, service, "resumed", |engine| engine.retry())?;
        let text = format!(
            "The path of {service} may be tried again: `nixmig migrate` does, and so does its gate at the next start.\n"
        );
        output::print(&text).map_err(Failure::Output)?;
        start_held(&args.machine, service)?;
        return Ok(Exit::Fine);
    }
    if choice.restore {
        let back = with_engine(&args.machine, service, "resumed", |engine| engine.restore_again())?;
        let text = match back.kept.is_empty() {
            true => format!("The state of {service} is as it was before run {}.\n", back.run),
            false => format!("{}\n", Left::Partly(back.kept)),
        };
        output::print(&text).map_err(Failure::Output)?;
        start_held(&args.machine, service)?;
        return Ok(Exit::Fine);
    }
    if let Some(accepted) = choice.accept {
        let version = match accepted {
            Stamped::None => None,
            Stamped::On(version) => Some(version),
            Stamped::Head => return Err(Failure::AcceptedHead),
        };
        return accept(args, &Accepted::On(version));
    }
    if !choice.applied.is_empty() {
        return accept(args, &Accepted::Exactly(choice.applied.clone()));
    }
    choices(args)
}

/// Takes the state for what somebody put it right to.
fn accept(args: &Resume, accepted: &Accepted) -> Result<Exit, Failure> {
    let service = &args.service;
    let said = with_engine(&args.machine, service, "resumed", |engine| {
        engine.accept(accepted)
    })?;
    tell(service, &said)?;
    start_held(&args.machine, service)?;
    Ok(Exit::Fine)
}

fn is_held(view: Option<&View>, service: &ServiceName) -> bool {
    let known = view.and_then(|view| view.services.get(service));
    let unmet = view.and_then(|view| view.unmet.get(service));
    known.is_some_and(|known| !known.held.is_empty() || known.held_for.is_some())
        || unmet.is_some_and(|unmet| !unmet.held.is_empty())
}

/// Says what there is to choose from.
fn choices(args: &Resume) -> Result<Exit, Failure> {
    let service = &args.service;
    let options = args.machine.below.options();
    let host = machine::look(options, place(&args.machine)?, &args.machine.memory, None)?;
    let view = host.view();
    let recorded = view.and_then(|view| view.services.get(service));
    let block = recorded.and_then(|recorded| recorded.block.as_ref());
    let is_open = recorded.is_some_and(|recorded| recorded.open_run.is_some());
    let (text, exit) = match block {
        None if is_open && host.is_at_work(service) => (
            format!("A run of {service} is under way. `nixmig status` shows how far it is.\n"),
            Exit::Fine,
        ),
        None if is_open => (
            format!(
                "A run of {service} was interrupted. Nothing has to be decided: `nixmig migrate` settles it and goes on, and \
                 so does its gate at the next start.\n"
            ),
            Exit::Resume,
        ),
        None if is_held(view, service) => {
            start_held(&args.machine, service)?;
            return Ok(Exit::Fine);
        }
        None => (format!("Nothing of {service} waits to be resumed.\n"), Exit::Fine),
        Some(Block::Restored {
            direction, version, ..
        }) => (
            format!(
                "The {} of {version} of {service} failed, and the state was brought back: it is whole. That path is not \
                 tried again by itself.\n\n  nixmig resume {service} --retry   let it be tried again as it is\n\nA generation \
                 that defines it otherwise, or does without it, needs no resume.\n",
                direction.name()
            ),
            Exit::Resume,
        ),
        Some(Block::Unrestored {
            direction,
            version,
            backup,
            ..
        }) => {
            let mut text = format!(
                "The {} of {version} of {service} failed, and the state was not brought back. Nothing touches it until you \
                 decide.\n\n",
                direction.name()
            );
            if let Some(backup) = backup {
                text.push_str(&format!(
                    "The backup is kept in {}.\n\n  nixmig resume {service} --restore          bring it back from there\n",
                    backup.directory
                ));
            }
            text.push_str(&format!(
                "  nixmig resume {service} --accept VERSION   you put it right by hand: it is on VERSION now, or on `none`\n"
            ));
            (text, Exit::Resume)
        }
    };
    output::print(&text).map_err(Failure::Output)?;
    Ok(exit)
}
