//! `nixmig generations`: what this machine can start, and whether its state may go there.

use nixmig::execute::Spoken;
use nixmig::machine::{Bootable, Host, keeps};
use nixmig::model::Generation;
use nixmig::plan::Plan;
use nixmig::record::guards;
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
        found.push(startable(&host, bootable, generation, &mut notes)?);
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
) -> Result<Startable, Failure> {
    let release = generation
        .as_ref()
        .ok()
        .and_then(|generation| generation.release.value())
        .map(ToString::to_string);
    let read = generation.as_ref().ok().copied();
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
    let (guarded, unguarded) = guarding(host, read, plan.as_ref().ok())?;
    Ok(Startable {
        guarded,
        unguarded,
        names: bootable.names.clone(),
        toplevel: bootable.toplevel.display().to_string(),
        release,
        current: bootable.current,
        booted: bootable.booted,
        next: bootable.next,
        plan,
    })
}

/// The services that a generation starts without a gate of its own: those whose guards are asked before, and those that have none and
/// for which something would have to be done first.
fn guarding(
    host: &Host<'_>,
    generation: Option<&Generation>,
    plan: Option<&Plan>,
) -> Result<(Vec<String>, Vec<String>), Failure> {
    let guards = guards::list(host.place()).map_err(Failure::record)?;
    let (mut guarded, mut unguarded) = (Vec::new(), Vec::new());
    for name in host.view().into_iter().flat_map(|view| view.services.keys()) {
        let mut units = Spoken::of(host.view(), name, None)
            .map_err(|error| Failure::Definition(Box::new(error.into())))?
            .units;
        let guard = guards.get(name);
        units.extend(guard.into_iter().flat_map(|guard| guard.units.iter().cloned()));
        if generation.is_some_and(|generation| keeps(generation, name, &units)) {
            continue;
        }
        let moves = |plan: &Plan| {
            let mut services = plan.services.iter();
            services
                .any(|service| service.name == *name && (service.is_refused() || !service.steps.is_empty()))
        };
        match guard {
            Some(_) => guarded.push(name.to_string()),
            None if plan.is_some_and(moves) => unguarded.push(name.to_string()),
            None => {}
        }
    }
    Ok((guarded, unguarded))
}

/// An error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
