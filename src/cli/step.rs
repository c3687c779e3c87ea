//! `nixmig step`: what a step's unit runs. What it says is read in the unit's journal.

use std::path::Path;

use nixmig::execute::chain::prefix;
use nixmig::execute::follow::{DIRECTORY, Told};
use nixmig::execute::{Engine, Executor as _, Problem, WalkError, lock_for_step, occupancy};
use nixmig::record::{LockError, Record};
use nixmig::report::StepFailed;
use nixmig::systemd::SystemdExecutor;
use sd_notify::NotifyState;

use super::args::Step;
use super::change::{executor, place};
use super::diagnostic::Failure;
use super::exit::Exit;
use super::output;
use super::progress::Follower;

pub(super) fn run(args: &Step) -> Result<Exit, Failure> {
    let place = place(&args.machine)?;
    let unit = format!("{}{}.service", prefix(&args.service, &args.run), args.number);
    let executor = executor(&args.machine.memory)?.bound_to(unit.parse().ok());
    let follower = Follower::new();
    let stopped = || executor.stopped().is_some();
    // Whoever waits for the run is to hear whom this waits for.
    let progress = Told::new(Path::new(DIRECTORY), &args.run, &follower);
    let had = lock_for_step(&place, &args.service, &args.run, &progress, &stopped);
    let mut lock = match had {
        // As if systemd had not started it yet.
        Err(LockError::Stopped(_)) => {
            not_begun(args, "it was told to end before its turn came");
            return Ok(Exit::Fine);
        }
        had => had.map_err(Failure::lock)?,
    };
    let mut record = Record::open_again(&place).map_err(Failure::record)?;
    let mut engine = Engine {
        place: &place,
        record: &mut record,
        lock: &mut lock,
        service: &args.service,
        executor: &executor,
        progress: &progress,
        cgroups: Path::new(occupancy::CGROUPS),
    };
    let turn = match engine.turn(&args.run, args.number.get() - 1) {
        Ok(turn) => turn,
        Err(error) => return Ok(out_of_turn(args, &error, &executor)),
    };
    // The unit of the next step starts, and waits for the lock: starting it takes longer than a step that has little to do.
    // A step that systemd is not told of fails in its eyes, however it ends, and would be brought back.
    if let Err(error) = sd_notify::notify(&[NotifyState::Ready]) {
        not_begun(
            args,
            &format!("systemd cannot be told that its turn has come: {error}"),
        );
        return Ok(Exit::Resume);
    }
    Ok(match engine.step_of(&turn) {
        Ok(_) => Exit::Fine,
        Err(error) => failed(args, &error),
    })
}

/// The step before this one is the one to look at: it failed, and this one would look as if it had, too.
fn out_of_turn(args: &Step, error: &WalkError, executor: &SystemdExecutor) -> Exit {
    if !matches!(*error.what, Problem::Overtaken(_) | Problem::Turn(_)) {
        return failed(args, error);
    }
    not_begun(args, &error.to_string());
    match executor.withdraw() {
        Ok(true) => Exit::Fine,
        Ok(false) => Exit::Resume,
        Err(error) => {
            output::complain(&format!("{}: {error}\n", args.service));
            Exit::Resume
        }
    }
}

fn not_begun(args: &Step, why: &str) {
    output::complain(&format!(
        "{}: step {} was not begun: {why}.\n",
        args.service, args.number
    ));
}

fn failed(args: &Step, error: &WalkError) -> Exit {
    let failed = StepFailed {
        service: args.service.to_string(),
        reason: error.to_string(),
        left: error.left.to_string(),
        help: error.next(),
    };
    output::complain(&failed.write());
    Exit::Resume
}
