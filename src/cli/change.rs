//! Owns what the commands have in common that change what is remembered: where, under which lock, and as whom.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use nixmig::execute::chain::Chain;
use nixmig::execute::units::Units;
use nixmig::execute::{DirectExecutor, Engine, Executor as _, Said, WalkError, occupancy};
use nixmig::generation::read_closure;
use nixmig::machine::Host;
use nixmig::migrate::{Fate, release, take};
use nixmig::model::{ServiceName, UnitName};
use nixmig::plan::Severity;
use nixmig::record::{Place, Record, View, Wait, roots};
use nixmig::systemd::{Manager, SystemdExecutor};

use super::args::{Machine, Memory};
use super::diagnostic::Failure;
use super::output;
use super::progress::Follower;

/// Where the memory of the machine is.
///
/// # Errors
///
/// Fails where another root is named: state is not changed from outside of its machine.
pub(super) fn place(machine: &Machine) -> Result<Place, Failure> {
    match machine.below.options().root == Path::new("/") {
        true => Ok(machine.memory.place(&machine.below)),
        false => Err(Failure::OtherRoot),
    }
}

/// Runs scripts: as children of this process, or as units where their settings need that.
///
/// # Errors
///
/// Fails where signals cannot be taken over.
pub(super) fn executor(memory: &Memory) -> Result<SystemdExecutor, Failure> {
    Ok(SystemdExecutor::new(direct()?, systemd(memory)?))
}

/// Runs scripts in this process alone, and has its signals.
///
/// # Errors
///
/// Fails where signals cannot be taken over.
pub(super) fn direct() -> Result<DirectExecutor, Failure> {
    DirectExecutor::new()
        .and_then(DirectExecutor::adopting)
        .map_err(Failure::Signals)
}

/// The systemd that runs steps and units: that of this machine, for its own record. None where steps run in this process.
///
/// # Errors
///
/// Fails where it cannot be told which program this is.
pub(super) fn systemd(memory: &Memory) -> Result<Option<Manager>, Failure> {
    match memory.is_own() {
        true => Ok(Manager::new(&program()?)),
        false => Ok(None),
    }
}

/// The same, as what may be done to its units.
pub(super) fn as_units(systemd: Option<&Manager>) -> Option<&dyn Units> {
    systemd.map(|systemd| systemd as &dyn Units)
}

/// The same, as what runs steps.
pub(super) fn as_chain(systemd: Option<&Manager>) -> Option<&dyn Chain> {
    systemd.map(|systemd| systemd as &dyn Chain)
}

/// Guards a service where a generation needs it that can be started, and has systemd know.
///
/// # Errors
///
/// Fails where that cannot be for now.
pub(super) fn guard(
    memory: &Memory,
    host: &Host<'_>,
    view: &View,
    service: &ServiceName,
) -> Result<(), Failure> {
    if !nixmig::migrate::guard(host, view, service, &program()?).map_err(super::migrate::failure)? {
        return Ok(());
    }
    match systemd(memory)? {
        Some(systemd) => systemd.reload().map_err(Failure::Reload),
        None => Ok(()),
    }
}

/// Opens the record, and keeps this program as long as the record may need it.
///
/// # Errors
///
/// Fails where the record cannot be used.
pub(super) fn record(place: &Place) -> Result<Record, Failure> {
    let record = Record::open(place).map_err(Failure::record)?;
    roots::keep_program(place, &program()?).map_err(Failure::record)?;
    Ok(record)
}

/// The program that runs.
///
/// # Errors
///
/// Fails where `/proc` does not tell.
pub(super) fn program() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(Failure::Program)
}

/// Does something with one service that the machine has a record of, under its lock; `done` names it in failures: `stamped`.
///
/// # Errors
///
/// Fails where the record cannot be used, another is at the service, or the deed fails.
pub(super) fn with_engine<T>(
    machine: &Machine,
    service: &ServiceName,
    done: &'static str,
    deed: impl FnOnce(&mut Engine<'_>) -> Result<T, WalkError>,
) -> Result<T, Failure> {
    let place = place(machine)?;
    let executor = executor(&machine.memory)?;
    let progress = Follower::new();
    // A record that is too new must not even get a lock's file.
    nixmig::record::look(&place).map_err(Failure::record)?;
    let systemd = systemd(&machine.memory)?;
    let chain = as_chain(systemd.as_ref());
    let stopped = || executor.stopped().is_some();
    let mut lock = take(&place, service, Wait::Forever, chain, &progress, &stopped).map_err(Failure::take)?;
    let mut record = record(&place)?;
    let mut engine = Engine {
        place: &place,
        record: &mut record,
        lock: &mut lock,
        service,
        executor: &executor,
        progress: &progress,
        cgroups: Path::new(occupancy::CGROUPS),
    };
    deed(&mut engine).map_err(|error| Failure::walk(done, error))
}

/// Says what is applied now, and which backups are somebody's to remove.
///
/// # Errors
///
/// Fails where stdout cannot be written to.
pub(super) fn tell(service: &ServiceName, said: &Said) -> Result<(), Failure> {
    let mut text = match said.applied.last() {
        Some(version) => format!("{service} is on {version}.\n"),
        None => format!("Nothing is applied to {service}.\n"),
    };
    for backup in &said.backups {
        text.push_str(&format!(
            "The backup {backup} is kept. Remove it when you are sure.\n"
        ));
    }
    for area in &said.areas {
        text.push_str(&format!(
            "A restore from it did not end: parts of the state may be in {}. Look at it before you remove it.\n",
            area.display()
        ));
    }
    output::print(&text).map_err(Failure::Output)
}

/// Starts what is held of a service, where the generation that is active may start on its state now, and says so; or says why it
/// may not.
///
/// # Errors
///
/// Fails where the machine cannot be looked at, or the record not be written.
pub(super) fn start_held(machine: &Machine, service: &ServiceName) -> Result<(), Failure> {
    let place = place(machine)?;
    let options = machine.below.options();
    let host = super::machine::look(options.clone(), place.clone(), &machine.memory, None)?;
    let (held, held_for) = super::machine::held(&host, service);
    let (Some(active), false) = (host.running(), held.is_empty() && held_for.is_none()) else {
        return Ok(());
    };
    let listed = match held.is_empty() {
        true => "its units".to_owned(),
        false => words(&held, ", "),
    };
    if let Some(generation) = held_for.filter(|generation| Path::new(generation) != active) {
        let text = format!(
            "Held until {generation} is active: {listed}. Start it with `{generation}/bin/switch-to-configuration switch`, or \
             bring the state back to the generation that is active with `nixmig migrate`.\n"
        );
        return output::print(&text).map_err(Failure::Output);
    }
    let target = read_closure(&active, "current", &options).map_err(|error| Failure::Read {
        subject: "the generation that is active".to_owned(),
        error: Box::new(error),
    })?;
    let planned = host.plan(target).map_err(Failure::machine)?;
    let plan = planned.plan.services.iter().find(|plan| plan.name == *service);
    let findings = plan.into_iter().flat_map(|plan| &plan.findings);
    let refusal = findings.into_iter().find(|one| one.severity == Severity::Refused);
    let text = match refusal {
        Some(refusal) => format!(
            "Still held: {listed}, for {}. {}\n",
            refusal.message, refusal.help
        ),
        None => {
            drop(host);
            let systemd = systemd(&machine.memory)?;
            match release(&place, service, as_units(systemd.as_ref())).map_err(super::migrate::failure)? {
                Some(Fate::Started(units)) => {
                    format!("Started, through the gate: {}.\n", words(&units, ", "))
                }
                Some(Fate::Stay(units, why)) => format!(
                    "`systemctl start {}` starts what is held: {why}.\n",
                    words(&units, " ")
                ),
                Some(Fate::Held(_)) | None => return Ok(()),
            }
        }
    };
    output::print(&text).map_err(Failure::Output)
}

fn words(units: &BTreeSet<UnitName>, between: &str) -> String {
    let names: Vec<_> = units.iter().map(UnitName::as_str).collect();
    names.join(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daemons_of_scripts_become_children_of_this_process() {
        let _executor = direct().unwrap();
        assert!(rustix::process::child_subreaper().unwrap().is_some());
    }
}
