//! `nixmig generations`: what this machine can start, and whether its state may go there.

use nixmig::machine::{Bootable, Host};
use nixmig::model::Generation;
use nixmig::report::{Generations as Report, Startable};

use super::args::Generations;
use super::diagnostic::Failure;
use super::exit::Exit;
use super::{machine, output};

pub(super) fn run(args: &Generations) -> Result<Exit, Failure> {
    let read = args.machine.below.options();
    let place = args.machine.memory.place(&args.machine.below);
    let host = machine::look(read, place, &args.machine.memory, None)?;
    let mut notes = host.bootables().map_err(Failure::machine)?.notes.clone();
    let mut found = Vec::new();
    for (bootable, generation) in host.generations().map_err(Failure::machine)? {
        let generation = generation.as_ref().map_err(|error| chain(error));
        found.push(startable(&host, bootable, generation, &mut notes));
    }
    notes.dedup();
    let report = Report {
        machine: &machine::heading(&host, &notes),
        generations: &found,
    };
    let text = report.write(args.list.format(), output::options());
    output::print(&text).map_err(Failure::Output)?;
    Ok(Exit::Fine)
}

fn startable(
    host: &Host<'_>,
    bootable: &Bootable,
    generation: Result<&Generation, String>,
    notes: &mut Vec<String>,
) -> Startable {
    let release = generation
        .as_ref()
        .ok()
        .and_then(|generation| generation.release.value())
        .map(ToString::to_string);
    let plan = match generation {
        Ok(generation) => match host.plan(generation.clone()) {
            Ok(planned) => {
                notes.extend(planned.notes);
                Ok(planned.plan)
            }
            Err(error) => Err(chain(&error)),
        },
        Err(error) => Err(error),
    };
    Startable {
        names: bootable.names.clone(),
        toplevel: bootable.toplevel.display().to_string(),
        release,
        current: bootable.current,
        booted: bootable.booted,
        next: bootable.next,
        plan,
    }
}

/// An error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
