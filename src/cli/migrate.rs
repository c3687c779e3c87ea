//! `nixmig migrate`: brings the state of this machine to what a generation expects.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

use nixmig::execute::{Executor as _, detect, occupancy};
use nixmig::generation::closure::definitions;
use nixmig::generation::reference::Reference;
use nixmig::machine::{Host, Planned};
use nixmig::migrate::{Behalf, Ended, Fate, MigrateError, Outcome, Request, migrate};
use nixmig::model::{ServiceName, UnitName, Version};
use nixmig::plan::{Plan, Severity};
use nixmig::record::Wait;
use nixmig::report::{self, Diff as Report, Format, Migrated, Origin, Went, names};

use super::args::Migrate;
use super::change::{as_chain, as_units, executor, place, program, systemd};
use super::diagnostic::{self, Failure};
use super::exit::Exit;
use super::progress::Follower;
use super::{confirm, machine, output, read};

pub(super) fn run(args: &Migrate) -> Result<Exit, Failure> {
    let place = place(&args.machine)?;
    let options = args.machine.below.options();
    let word = args.generation.as_deref().unwrap_or(OsStr::new("current"));
    let closure = read::built(word, &options)?;
    let target = read::known(&Reference::Closure(closure.clone()), word, &options)?;
    let from = args.from.as_deref();
    let from = from
        .map(|from| read::known(&Reference::Closure(read::built(from, &options)?), from, &options))
        .transpose()?;
    let definitions = definitions(&closure, &options).map_err(|error| Failure::closure(word, error))?;
    let executor = executor(&args.machine.memory)?;
    let progress = Follower::new();
    let ask = |service: &ServiceName, definition: &_, package: Option<&str>| {
        detect(&executor, service, definition, package)
    };
    let look = || {
        Host::look(machine::options(
            options.clone(),
            place.clone(),
            &args.machine.memory,
            from.clone(),
            &ask,
        ))
    };
    let wanted = wanted(args, &target, &look)?;
    let acknowledge: BTreeSet<(ServiceName, Version)> = args
        .acknowledge
        .iter()
        .map(|accepted| (accepted.service.clone(), accepted.version))
        .collect();
    let format = args.list.format();
    let program = program()?;
    let systemd = systemd(&args.machine.memory)?;
    let request = Request {
        look: &look,
        target: &target,
        definitions: &definitions,
        read: &options,
        services: wanted.as_ref(),
        program: &program,
        executor: &executor,
        progress: &progress,
        chain: as_chain(systemd.as_ref()),
        cgroups: Path::new(occupancy::CGROUPS),
        units: as_units(systemd.as_ref()),
        behalf: Behalf::Somebody { stops: args.stop },
        unguarded: args.unguarded,
        wait: if args.no_wait { Wait::Not } else { Wait::Forever },
        acknowledge: &acknowledge,
        confirm: &|service, steps| confirm::at_terminal(service, steps, &|| executor.stopped().is_some()),
        show: &|host, planned| show(host, planned, wanted.as_ref(), format),
    };
    let outcome = migrate(&request).map_err(failure)?;
    drop(progress);
    let report = Migrated {
        services: outcome
            .services
            .iter()
            .map(|(name, ended)| went(name, ended, &outcome.planned.plan))
            .collect(),
    };
    output::print(&report.write(format, output::options())).map_err(Failure::Output)?;
    if format == Format::Text {
        for (_, ended) in &outcome.services {
            if let Ended::Failed(error) = ended {
                output::complain(&diagnostic::render_walk(error));
            }
        }
        for (name, fate) in &outcome.units {
            output::complain(&became(name, fate, &definitions.toplevel));
        }
    }
    // Whoever told nixmig to end sees that it did so for that.
    let signal = executor.stopped();
    drop(executor);
    match signal {
        Some(signal) => nixmig::process::die_of(signal),
        None => Ok(exit(&outcome)),
    }
}

/// What became of a service's units, and what has those start that are held.
fn became(name: &ServiceName, fate: &Fate, toplevel: &str) -> String {
    let words = |units: &BTreeSet<UnitName>, between| {
        let names: Vec<_> = units.iter().map(UnitName::as_str).collect();
        match names.as_slice() {
            [] => "its units".to_owned(),
            names => names.join(between),
        }
    };
    match fate {
        Fate::Held(units) => format!(
            "{name}: held until the generation is active: {}. Next: `{toplevel}/bin/switch-to-configuration switch`, or `nixmig \
             migrate`, which brings the state back to the one that is active.\n",
            words(units, ", ")
        ),
        Fate::Started(units) => format!("{name}: started again: {}.\n", words(units, ", ")),
        Fate::Stay(units, why) => format!(
            "{name}: `systemctl start {}` starts what was held: {why}.\n",
            words(units, " ")
        ),
    }
}

/// How a service went, for the report.
fn went(name: &ServiceName, ended: &Ended, plan: &Plan) -> Went {
    let blank = Went {
        name: name.to_string(),
        outcome: "refused",
        run: None,
        applied: None,
        message: None,
        left: None,
        help: None,
    };
    match ended {
        Ended::Arrived(arrival) => Went {
            outcome: "arrived",
            run: arrival.run.as_ref().map(ToString::to_string),
            applied: Some(arrival.applied.iter().map(ToString::to_string).collect()),
            ..blank
        },
        Ended::Refused => {
            let refusals = plan.services.iter().filter(|service| service.name == *name);
            let mut refusals = refusals
                .flat_map(|service| &service.findings)
                .filter(|finding| finding.severity == Severity::Refused);
            let first = refusals.next();
            Went {
                message: first.map(|finding| finding.message.clone()),
                help: first.map(|finding| finding.help.clone()),
                ..blank
            }
        }
        Ended::Waits(first) => Went {
            outcome: "waits",
            message: Some(format!("it goes with {first}, which did not arrive")),
            help: Some(format!("Bring {first} there first: `nixmig status`.")),
            ..blank
        },
        Ended::Failed(error) => Went {
            outcome: if error.is_refusal() { "refused" } else { "failed" },
            message: Some(error.what.to_string()),
            left: Some(error.left.to_string()),
            help: Some(error.next()),
            ..blank
        },
    }
}

fn exit(outcome: &Outcome) -> Exit {
    let has = |of: fn(&Ended) -> bool| outcome.services.iter().any(|(_, ended)| of(ended));
    if has(|ended| matches!(ended, Ended::Failed(error) if !error.is_refusal())) {
        Exit::Resume
    } else if has(|ended| !matches!(ended, Ended::Arrived(_))) {
        Exit::Refused
    } else {
        Exit::Fine
    }
}

/// The services that are wanted; none for all.
fn wanted<'h>(
    args: &Migrate,
    target: &nixmig::model::Generation,
    look: &dyn Fn() -> Result<Host<'h>, nixmig::machine::MachineError>,
) -> Result<Option<BTreeSet<ServiceName>>, Failure> {
    if args.services.is_empty() {
        return Ok(None);
    }
    let host = look().map_err(Failure::machine)?;
    let mut there = names([target]);
    there.extend(
        host.view()
            .into_iter()
            .flat_map(|view| view.services.keys().cloned()),
    );
    read::among(&args.services, there)
}

/// Shows the plan that runs, where people read.
fn show(host: &Host<'_>, planned: &Planned, wanted: Option<&BTreeSet<ServiceName>>, format: Format) {
    if format != Format::Text {
        return;
    }
    let plan = match wanted {
        Some(wanted) => report::only_plan(&planned.plan, wanted),
        None => planned.plan.clone(),
    };
    let report = Report {
        old: Origin::Machine(&machine::heading(host, &planned.notes)),
        new: &planned.target,
        plan: &plan,
    };
    let options = report::Options {
        chosen: wanted.is_some(),
        ..output::options()
    };
    // What cannot be shown now cannot be shown at the end either, and is said then.
    let _ = output::print(&report.write(format, options));
}

pub(super) fn failure(error: MigrateError) -> Failure {
    match error {
        MigrateError::Machine(error) => Failure::machine(error),
        MigrateError::Record(error) => Failure::record(error),
        MigrateError::Lock(error) => Failure::take(error),
        MigrateError::Stopped(signal) => nixmig::process::die_of(signal),
        error @ (MigrateError::Overtaken | MigrateError::Closure(_) | MigrateError::Gate(_)) => {
            Failure::Definition(Box::new(error))
        }
    }
}
