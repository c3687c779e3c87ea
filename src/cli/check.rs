//! `nixmig check`: says before a switch whether the state of this machine may follow, as `system.preSwitchChecks` of NixOS asks.
//!
//! Takes no lock but to store what is accepted, and changes nothing besides. What it refuses the gates refuse, too; it is there so
//! that nobody learns that from a service that stays down.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nixmig::execute::{lock, named};
use nixmig::generation::closure::definitions;
use nixmig::generation::reference::Closure;
use nixmig::generation::{ReadOptions, Reference};
use nixmig::machine::{Host, Planned, size};
use nixmig::migrate::{Asked, tidy, unaware};
use nixmig::model::{Direction, Generation, Recorded, ServiceName, UnitName, Version};
use nixmig::plan::{Plan, ServicePlan, Severity, Step};
use nixmig::record::{self, Event, Holder, Place, Wait, guards, lock_service, roots};
use nixmig::report::{self, Diff as Report, Format, Origin, escape};

use super::args::{Action, Check, Memory};
use super::change::{self, direct};
use super::diagnostic::{self, Failure};
use super::exit::Exit;
use super::progress::Follower;
use super::{confirm, machine, migrate as by_hand, output, read};

/// How long somebody who works on a service is waited for, where what is accepted is to be stored.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn run(args: &Check) -> Result<Exit, Failure> {
    let options = args.machine.below.options();
    let word = args.generation.as_os_str();
    let closure = read::built(word, &options)?;
    let target = read::known(&Reference::Closure(closure), word, &options)?;
    let place = args.machine.memory.place(&args.machine.below);
    let look = || {
        let host = machine::look(options.clone(), place.clone(), &args.machine.memory, None)?;
        Ok::<_, Failure>(host.before_switch())
    };

    let mut host = look()?;
    let mut planned = host.plan(target.clone()).map_err(Failure::machine)?;
    let action = args.action.unwrap_or(Action::Nothing);
    let here = options.root == Path::new("/");
    if action != Action::Nothing && here {
        let accepted = accepted(args, &planned.plan);
        if !accepted.is_empty() {
            store(&place, &planned.plan, &accepted)?;
            host = look()?;
            planned = host.plan(target).map_err(Failure::machine)?;
        }
    }
    let Planned {
        target,
        plan,
        notes,
        undoing,
        ..
    } = planned;
    let heading = machine::heading(&host, &notes);
    let report = Report {
        old: Origin::Machine(&heading),
        new: &target,
        plan: &plan,
    };
    let mut refusals = refusals(args, &plan);
    refusals.extend(unguarded(args, &host, &plan)?);
    let mut text = match is_noteworthy(&plan) || !notes.is_empty() {
        true => report.write(Format::Text, output::options()),
        false if plan.services.is_empty() => String::new(),
        false => format!("nixmig: {}\n", report.summary(output::options())),
    };
    if refusals.is_empty() {
        text.push_str(&ahead(action, here.then_some(&target), &plan));
    }
    output::print(&text).map_err(Failure::Output)?;
    if action != Action::Nothing && here && refusals.is_empty() {
        look_after(&args.machine.memory, &host, &plan, &undoing, &options);
    }
    for refusal in &refusals {
        output::complain(&format!("nixmig: {refusal}\n"));
    }
    Ok(match refusals.is_empty() {
        true => Exit::Fine,
        false => Exit::Refused,
    })
}

/// Whether there is more to say than that all is well.
fn is_noteworthy(plan: &Plan) -> bool {
    let services = plan.services.iter();
    let mut met = services.filter(|service| service.baseline.is_some() || !service.steps.is_empty());
    met.next().is_some() || plan.findings().any(|finding| finding.severity > Severity::Note)
}

/// What is accepted now, by a word of the command or at the terminal.
fn accepted(args: &Check, plan: &Plan) -> Vec<Event> {
    let given = args.acknowledge.iter();
    let acknowledge: BTreeSet<(ServiceName, Version)> =
        given.map(|one| (one.service.clone(), one.version)).collect();
    let asked = Asked {
        of: &|_| true,
        acknowledge: &acknowledge,
        // Nobody has taken over the signals yet, and they end it by themselves.
        confirm: &|service, steps| confirm::at_terminal(service, steps, &|| false),
    };
    asked.accepted(plan)
}

/// Stores what is accepted, for the gates.
fn store(place: &Place, plan: &Plan, accepted: &[Event]) -> Result<(), Failure> {
    let executor = direct()?;
    let progress = Follower::new();
    let asked = plan.services.iter().filter(|service| wants(service));
    // By name, so that two who want several never wait for each other.
    let locks = asked.map(|service| {
        let stopped = || nixmig::execute::Executor::stopped(&executor).is_some();
        lock(place, &service.name, Wait::Until(PATIENCE), &progress, &stopped)
    });
    let _locks: Vec<_> = locks.collect::<Result<_, _>>().map_err(Failure::lock)?;
    let mut record = change::record(place)?;
    record.append(accepted).map_err(Failure::record)
}

/// Keeps the way down that the generation is going to need, and lets go of what no generation needs any more. Whoever works on a
/// service sees to that by itself; where it cannot be, nothing is worse than before.
fn look_after(
    memory: &Memory,
    host: &Host<'_>,
    plan: &Plan,
    undoing: &BTreeMap<ServiceName, PathBuf>,
    options: &ReadOptions,
) {
    let place = host.place();
    for (name, recorded) in host.view().into_iter().flat_map(|view| &view.services) {
        let mut waiting = |_: Option<&Holder>| ControlFlow::Break(());
        let Ok(_lock) = lock_service(place, name, Wait::Not, &mut waiting) else {
            continue;
        };
        // What it was planned from may have changed before it was locked.
        let Ok(Some(view)) = record::look(place) else {
            continue;
        };
        if view.services.get(name) != Some(recorded) {
            continue;
        }
        let service = plan.services.iter().find(|service| service.name == *name);
        let goes_down = service.is_some_and(|service| {
            let mut steps = service.steps.iter();
            steps.any(|step| step.direction == Direction::Down)
        });
        let done = match goes_down {
            true => keep(place, name, recorded, undoing.get(name), options),
            false => tidy(host, &view, name)
                .map_err(by_hand::failure)
                .and_then(|()| change::guard(memory, host, &view, name)),
        };
        if let Err(failure) = done {
            output::complain(&diagnostic::render(&failure));
        }
    }
}

/// Keeps the definition that undoes what is applied from the garbage collector.
fn keep(
    place: &Place,
    name: &ServiceName,
    recorded: &Recorded,
    toplevel: Option<&PathBuf>,
    options: &ReadOptions,
) -> Result<(), Failure> {
    let definition = match toplevel {
        None => recorded.definition.clone(),
        Some(toplevel) => definitions(&Closure::at(toplevel), options)
            .map_err(|error| Failure::closure(toplevel.as_os_str(), error))?
            .services
            .remove(name),
    };
    match definition {
        Some(definition) => roots::keep(place, name, &definition).map_err(Failure::record),
        None => Ok(()),
    }
}

/// Whether somebody has yet to accept what the path of a service destroys.
fn wants(service: &ServicePlan) -> bool {
    service.steps.iter().any(|step| step.needs_acknowledgement)
}

/// Why the generation should not be switched to, and what to do, a sentence or two each.
fn refusals(args: &Check, plan: &Plan) -> Vec<String> {
    let mut refusals = Vec::new();
    let refused = plan.findings().filter(|one| one.severity == Severity::Refused);
    if refused.count() > 0 {
        refusals.push(
            "Refused: with this generation services would stay down. Nothing was changed; what to do stands above.".to_owned(),
        );
    }
    let services = plan.services.iter().filter(|service| !service.is_refused());
    let steps: Vec<_> = services
        .flat_map(|service| {
            let steps = service.steps.iter().filter(|step| step.needs_acknowledgement);
            steps.map(move |step| (&service.name, step))
        })
        .collect();
    if !steps.is_empty() {
        let word = |(name, step): &(&ServiceName, &Step)| format!("--acknowledge {name}@{}", step.version());
        let words: Vec<_> = steps.iter().map(word).collect();
        refusals.push(format!(
            "Refused: nobody has accepted what this destroys. Nothing was changed. To accept it, read the warnings above, run \
             `nixmig check {} switch {}`, then switch again.",
            shown(&args.generation),
            words.join(" ")
        ));
    }
    refusals
}

/// Services that no guard could keep from starting in a generation that knows nothing of what they are migrated to.
fn unguarded(args: &Check, host: &Host<'_>, plan: &Plan) -> Result<Vec<String>, Failure> {
    let Err(why) = guards::lasting(&host.place().guards) else {
        return Ok(Vec::new());
    };
    let goes_up = |service: &&ServicePlan| {
        let mut steps = service.steps.iter();
        !service.is_refused() && steps.any(|step| step.direction == Direction::Up)
    };
    let mut refusals = Vec::new();
    for service in plan.services.iter().filter(goes_up) {
        let name = &service.name;
        let unaware = unaware(host, host.view(), service, None).map_err(by_hand::failure)?;
        if !unaware.is_empty() {
            refusals.push(format!(
                "Refused: no guard is possible. Once {name} is migrated, {} could start it on state that it was not made for, and \
                 {why}. Nothing was changed. Remove what could be started so; or accept that, and migrate before the switch: \
                 `nixmig migrate {} --service {name} --stop --unguarded`.",
                named(&unaware),
                shown(&args.generation),
            ));
        }
    }
    Ok(refusals)
}

fn shown(word: &OsString) -> String {
    escape(&word.display().to_string()).into_owned()
}

/// What the gates will do, and for how long which units are down.
fn ahead(action: Action, target: Option<&Generation>, plan: &Plan) -> String {
    let walking: Vec<_> = plan.services.iter().filter(|one| !one.steps.is_empty()).collect();
    if walking.is_empty() {
        return String::new();
    }
    let mut text = match action {
        Action::Switch | Action::Test => {
            "The gates do this when the services start again, right after the switch:\n"
        }
        Action::Boot => "The gates do this at the next boot, before the services start:\n",
        Action::Nothing => "The gates would do this before the services start:\n",
    }
    .to_owned();
    for service in walking {
        let units: Vec<_> = service.units.iter().map(UnitName::as_str).collect();
        let (are, units) = match units.as_slice() {
            [] => ("is", service.name.as_str().to_owned()),
            [one] => ("is", (*one).to_owned()),
            all => ("are", all.join(", ")),
        };
        let runs = service
            .steps
            .iter()
            .filter(|step| step.action().script.is_set())
            .count();
        let scripts = match runs {
            1 => "the script of 1 step has run".to_owned(),
            runs => format!("the scripts of {runs} steps have run"),
        };
        let copied = service
            .steps
            .iter()
            .filter(|step| step.built_in_backup == Some(true));
        let copies = copied.count();
        let copy = match (copies, target.and_then(|target| bytes(target, service))) {
            (0, _) => String::new(),
            (1, Some(bytes)) => format!("its state is copied ({}) and ", report::size(bytes)),
            (many, Some(bytes)) => format!(
                "its state is copied {many} times ({} each) and ",
                report::size(bytes)
            ),
            (_, None) => "its state is copied and ".to_owned(),
        };
        text.push_str(&format!("  {units} {are} down until {copy}{scripts}\n"));
    }
    text
}

/// How much a copy of the state of a service takes; none where that cannot be told.
fn bytes(target: &Generation, service: &ServicePlan) -> Option<u64> {
    let declared = target.services.get(&service.name)?;
    let directories = declared.state_directories.value()?;
    directories
        .iter()
        .map(|directory| size(Path::new(directory)))
        .sum()
}
