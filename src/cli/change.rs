//! Owns what the commands have in common that change what is remembered: where, under which lock, and as whom.

use std::path::{Path, PathBuf};

use nixmig::execute::{DirectExecutor, Engine, Executor as _, Said, WalkError, lock, occupancy};
use nixmig::model::ServiceName;
use nixmig::record::{Place, Record, Wait, roots};

use super::args::Machine;
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

/// Runs scripts in this process.
///
/// # Errors
///
/// Fails where signals cannot be taken over.
pub(super) fn executor() -> Result<DirectExecutor, Failure> {
    DirectExecutor::new()
        .and_then(DirectExecutor::adopting)
        .map_err(Failure::Signals)
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
    let executor = executor()?;
    let progress = Follower::new();
    // A record that is too new must not even get a lock's file.
    nixmig::record::look(&place).map_err(Failure::record)?;
    let mut lock = lock(&place, service, Wait::Forever, &progress, &|| {
        executor.stopped().is_some()
    })
    .map_err(Failure::lock)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daemons_of_scripts_become_children_of_this_process() {
        let _executor = executor().unwrap();
        assert!(rustix::process::child_subreaper().unwrap().is_some());
    }
}
