//! `nixmig step`: what a step's unit runs. What it says is read in the unit's journal.

use std::path::Path;

use nixmig::execute::chain::prefix;
use nixmig::execute::follow::{DIRECTORY, Told};
use nixmig::execute::{Engine, Executor as _, lock, occupancy};
use nixmig::record::{Record, Wait};
use nixmig::report::StepFailed;

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
    let mut lock = lock(&place, &args.service, Wait::Forever, &follower, &stopped).map_err(Failure::lock)?;
    let mut record = Record::open_again(&place).map_err(Failure::record)?;
    let progress = Told::new(Path::new(DIRECTORY), &args.run, &follower);
    let mut engine = Engine {
        place: &place,
        record: &mut record,
        lock: &mut lock,
        service: &args.service,
        executor: &executor,
        progress: &progress,
        cgroups: Path::new(occupancy::CGROUPS),
    };
    Ok(match engine.step_of(&args.run, args.number.get() - 1) {
        Ok(_) => Exit::Fine,
        Err(error) => {
            let failed = StepFailed {
                service: args.service.to_string(),
                reason: error.to_string(),
                left: error.left.to_string(),
                help: error.next(),
            };
            output::complain(&failed.write());
            Exit::Resume
        }
    })
}
