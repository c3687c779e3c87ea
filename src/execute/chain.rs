//! Owns what it means to walk a recorded run outside of nixmig's own process: its steps are handed over as a chain, and each is
//! then a process of its own that runs one step and reports to the record.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::progress::StepAt;
use super::units::UnitsError;
use crate::model::{RunId, ServiceName, UnitName};

/// Runs the steps of recorded runs one after the other, each by `nixmig step`, whatever becomes of whoever handed them over.
///
/// What it says of a run is a hint: the record alone tells how a run went, and the service's lock whether a step is at work.
pub trait Chain {
    /// Hands over the steps of a run. When this returns, all of them are queued, or none is.
    ///
    /// # Errors
    ///
    /// Fails where that cannot be: nothing of the run is queued then, unless the answer was lost.
    fn submit(&self, links: &Links) -> Result<(), UnitsError>;

    /// Whether steps of a run are queued or at work.
    ///
    /// # Errors
    ///
    /// Fails where that cannot be told.
    fn lives(&self, service: &ServiceName, run: &RunId) -> Result<bool, UnitsError>;

    /// Sleeps until the run may be over, and no longer than that. Whether it seems to be.
    fn sleep(&self, service: &ServiceName, run: &RunId, longest: Duration) -> bool;

    /// Where steps tell of their progress ([`follow`](super::follow)).
    fn told_in(&self) -> &Path;
}

/// The steps of a run that are to be run, and what they need of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    /// Whose run it is.
    pub service: ServiceName,
    /// The run.
    pub run: RunId,
    /// Its unfinished steps, in order.
    pub steps: Vec<StepAt>,
    /// The units that must not be stopped before a step is, whatever it is doing.
    pub after: Vec<UnitName>,
    /// The directories whose file systems must be there as long as a step is.
    pub mounts: Vec<PathBuf>,
}

impl Links {
    /// The unit that a step of a run is.
    pub fn unit(&self, step: &StepAt) -> String {
        format!("{}{}.service", prefix(&self.service, &self.run), step.number)
    }
}

/// What the names of all units of a run begin with.
pub fn prefix(service: &ServiceName, run: &RunId) -> String {
    format!("migrate-{service}-{run}-")
}
