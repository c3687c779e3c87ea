//! `nixmig status`: what every service's state is on, and what needs a hand.

use std::path::Path;

use nixmig::execute::{Spoken, named};
use nixmig::generation::read_closure;
use nixmig::machine::{Host, size};
use nixmig::model::{Generation, Kind, Recorded, ServiceName};
use nixmig::plan::{Plan, ServicePlan};
use nixmig::record::guards;
use nixmig::report::{KeptBackup, ServiceStatus, Status as Report};

use super::args::Status;
use super::diagnostic::Failure;
use super::exit::Exit;
use super::{machine, output};

pub(super) fn run(args: &Status) -> Result<Exit, Failure> {
    let read = args.machine.below.options();
    let place = args.machine.memory.place(&args.machine.below);
    let host = machine::look(read.clone(), place, &args.machine.memory, None)?;
    let running = host.running();
    let target = match &running {
        Some(toplevel) => read_closure(toplevel, "current", &read).map_err(|error| Failure::Read {
            subject: "the generation that runs".to_owned(),
            error: Box::new(error),
        })?,
        // Where nothing runs, nothing is declared, and the record is all there is to tell.
        None => Generation {
            units_complete: true,
            ..Generation::new("none", Kind::Closure)
        },
    };
    let mut planned = host.plan(target).map_err(Failure::machine)?;
    planned.notes.extend(lost(&host, &planned.plan));
    planned.notes.extend(unguarded(&host)?);
    let services: Vec<_> = planned
        .plan
        .services
        .iter()
        .map(|plan| status(&host, plan))
        .collect();
    let heading = machine::heading(&host, &planned.notes);
    let generation = running
        .as_ref()
        .map(|toplevel| match planned.target.release.value() {
            Some(release) => format!("{} (NixOS {release})", toplevel.display()),
            None => toplevel.display().to_string(),
        });
    let report = Report {
        machine: &heading,
        generation: generation.as_deref(),
        services: &services,
    };
    let text = report.write(args.list.format(), output::options());
    output::print(&text).map_err(Failure::Output)?;
    Ok(match report.needs_resume() {
        true => Exit::Resume,
        false => Exit::Fine,
    })
}

fn status(host: &Host<'_>, plan: &ServicePlan) -> ServiceStatus {
    let recorded = host.view().and_then(|view| view.services.get(&plan.name));
    let (held, held_for) = machine::held(host, &plan.name);
    let active = host.running();
    ServiceStatus {
        plan: plan.clone(),
        running: host.is_at_work(&plan.name),
        held,
        held_for: held_for.filter(|generation| active.as_deref() != Some(Path::new(generation))),
        backups: recorded.map(backups).unwrap_or_default(),
    }
}

/// What rebuilding found of services that are not in the plan.
fn lost(host: &Host<'_>, plan: &Plan) -> Vec<String> {
    let unmet = host.view().into_iter().flat_map(|view| &view.unmet);
    let is_told = |name: &ServiceName| plan.services.iter().any(|service| service.name == *name);
    unmet
        .filter(|(name, unmet)| unmet.lost && !is_told(name))
        .map(|(name, _)| {
            format!(
                "a record was lost that knew {name}, which is not declared here: `nixmig stamp {name} VERSION` says what its state \
                 is on, and `nixmig forget {name}` gives that up"
            )
        })
        .collect()
}

/// Services that would need a guard before their next step, where there can be none.
fn unguarded(host: &Host<'_>) -> Result<Vec<String>, Failure> {
    let Err(why) = guards::lasting(&host.place().guards) else {
        return Ok(Vec::new());
    };
    let mut notes = Vec::new();
    for name in host.view().into_iter().flat_map(|view| view.services.keys()) {
        let spoken = Spoken::of(host.view(), name, None);
        let units = spoken
            .map_err(|error| Failure::Definition(Box::new(error.into())))?
            .units;
        let unaware = host.starting(name, &units).map_err(Failure::machine)?.unaware;
        if !unaware.is_empty() {
            notes.push(format!(
                "no guard is possible: {} could start {name} on state that it was not made for, and {why}",
                named(&unaware)
            ));
        }
    }
    Ok(notes)
}

/// The backups of the run that is open, which are kept until it ends well.
fn backups(recorded: &Recorded) -> Vec<KeptBackup> {
    let steps = recorded.open_run.iter().flat_map(|run| &run.steps);
    let kept = steps.filter_map(|step| {
        let backup = step.backup.as_ref()?;
        Some(KeptBackup {
            direction: step.direction,
            version: step.version,
            directory: backup.directory.clone(),
            bytes: size(Path::new(&backup.directory)),
        })
    });
    kept.collect()
}
