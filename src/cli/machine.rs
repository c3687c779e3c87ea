//! Owns how commands look at the machine that they run on.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use nixmig::execute::chain::Chain as _;
use nixmig::execute::{Answer, DirectExecutor, Executor as _, detect};
use nixmig::generation::ReadOptions;
use nixmig::machine::{Alive, Ask, Host, Options};
use nixmig::model::{Definition, Generation, RunId, ServiceName, UnitName};
use nixmig::record::{Place, View};
use nixmig::report;
use nixmig::systemd::{Manager, SystemdExecutor};

use super::args::Memory;
use super::diagnostic::Failure;

/// Looks at the machine, and asks its `detect` scripts.
///
/// # Errors
///
/// Fails where its record cannot be read.
pub(super) fn look<'a>(
    read: ReadOptions,
    place: Place,
    memory: &Memory,
    from: Option<Generation>,
) -> Result<Host<'a>, Failure> {
    let ask: &Ask<'_> = match read.root == Path::new("/") {
        true => &ask,
        false => &unasked,
    };
    let alive: &Alive<'_> = match memory.is_own() && read.root == Path::new("/") {
        true => &alive,
        false => &nobody,
    };
    let options = options(read, place, memory, from, ask);
    Host::look(Options { alive, ..options }).map_err(Failure::machine)
}

/// How the machine is looked at now, by somebody who waits for runs that go on before anything is done.
pub(super) fn options<'a>(
    read: ReadOptions,
    place: Place,
    memory: &Memory,
    from: Option<Generation>,
    ask: &'a Ask<'a>,
) -> Options<'a> {
    Options {
        read,
        place,
        from,
        now: Timestamp::now(),
        clock_is_right: memory.clock_is_right,
        ask,
        alive: &nobody,
    }
}

/// Asks systemd whether steps of a run are queued or at work. Where it does not say, none are.
fn alive(service: &ServiceName, run: &RunId) -> bool {
    let systemd = Manager::new(Path::new(""));
    systemd.is_some_and(|systemd| systemd.lives(service, run).unwrap_or(false))
}

/// Asks nobody.
fn nobody(_: &ServiceName, _: &RunId) -> bool {
    false
}

/// Asks a `detect` script, which is a child of nixmig; a signal that ends nixmig meanwhile ends both.
fn ask(service: &ServiceName, definition: &Definition, package: Option<&str>) -> Answer {
    let executor = match DirectExecutor::new() {
        Ok(direct) => SystemdExecutor::new(direct, Manager::new(Path::new(""))),
        Err(error) => return Answer::Unasked(error.to_string()),
    };
    let answer = detect(&executor, service, definition, package);
    if let Some(signal) = executor.stopped() {
        nixmig::process::die_of(signal);
    }
    answer
}

/// What is below another root is not of this machine, and is not run on it.
fn unasked(_: &ServiceName, _: &Definition, _: Option<&str>) -> Answer {
    Answer::Unasked("it is of another root, and is not run here".to_owned())
}

/// What is held of a service: its units, and the generation that they are held for.
pub(super) fn held(host: &Host<'_>, name: &ServiceName) -> (BTreeSet<UnitName>, Option<String>) {
    let recorded = host.view().and_then(|view| view.services.get(name));
    let unmet = host.view().and_then(|view| view.unmet.get(name));
    match (recorded, unmet) {
        (Some(recorded), _) => (recorded.held.clone(), recorded.held_for.clone()),
        (None, Some(unmet)) => (unmet.held.clone(), None),
        (None, None) => (BTreeSet::new(), None),
    }
}

/// The machine for a report, with what else is to be said of it.
pub(super) fn heading(host: &Host<'_>, notes: &[String]) -> report::Machine {
    let view = host.view();
    report::Machine {
        state_dir: host.place().state_dir.display().to_string(),
        record: view.map(record),
        notes: view
            .into_iter()
            .flat_map(|view| &view.notes)
            .chain(notes)
            .cloned()
            .collect(),
    }
}

fn record(view: &View) -> report::Record {
    report::Record {
        id: view.id.to_string(),
        events: view.events,
        last_event: view.last_event.to_string(),
    }
}
