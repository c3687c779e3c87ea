//! Owns what may be done to units while state is migrated: looked at, stopped, started again. How a service manager is asked for
//! it is its implementors' business; which units, and when, that of whoever asks.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::model::UnitName;

/// The units of a service manager.
pub trait Units {
    /// How a unit is. One that the manager has no file of is [not there](UnitState::is_there), and no error.
    ///
    /// # Errors
    ///
    /// Fails where the manager does not answer.
    fn state(&self, unit: &UnitName) -> Result<UnitState, UnitsError>;

    /// The instances of a template that the manager knows, ascending.
    ///
    /// # Errors
    ///
    /// Fails where the manager does not answer.
    fn instances(&self, template: &UnitName) -> Result<Vec<UnitName>, UnitsError>;

    /// Stops units, whatever else is queued, and waits until they are stopped and their processes are gone.
    ///
    /// # Errors
    ///
    /// Fails where the manager does not answer, or refuses.
    fn stop(&self, units: &BTreeSet<UnitName>) -> Result<(), UnitsError>;

    /// Queues units to start, and does not wait for them. That they failed before is forgotten, also of the sockets, timers and
    /// paths that trigger them; those that had failed are started, too.
    ///
    /// # Errors
    ///
    /// Fails where the manager does not answer, or refuses.
    fn start(&self, units: &BTreeSet<UnitName>) -> Result<(), UnitsError>;

    /// Has the manager read its units again.
    ///
    /// # Errors
    ///
    /// Fails where the manager does not answer, or refuses.
    fn reload(&self) -> Result<(), UnitsError>;
}

/// How a unit is, in systemd's own words.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct UnitState {
    /// `loaded`, `not-found`, `masked`, `bad-setting` …
    pub load: String,
    /// `active`, `activating`, `deactivating`, `inactive`, `failed` …
    pub active: String,
    /// What that means for its type: `running`, `dead`, `auto-restart` …
    pub sub: String,
    /// How it ended the last time: `success`, `exit-code`, `dependency` …; also `success` where it never ran.
    pub result: String,
    /// The signal that its main process ended by the last time, where one did.
    pub signal: Option<i32>,
    /// Whether a job of it is queued or at work.
    pub job: bool,
    /// Its file, where it has one.
    pub fragment: Option<PathBuf>,
    /// The first command of a service, as the manager has read it: not what runs now, where that was read before.
    pub command: Vec<String>,
    /// The sockets, timers and paths that start it.
    pub triggered_by: BTreeSet<UnitName>,
    /// Those that are stopped along with it: they require it, are bound to it or part of it.
    pub needed_by: BTreeSet<UnitName>,
}

impl UnitState {
    /// Whether the manager has a file of it that it can use.
    pub fn is_there(&self) -> bool {
        self.load == "loaded"
    }

    /// Whether it runs, or is on its way to, or from there.
    pub fn is_up(&self) -> bool {
        !matches!(self.active.as_str(), "inactive" | "failed" | "")
    }
}

/// What a service manager was asked for was not done.
#[derive(Debug, thiserror::Error)]
pub enum UnitsError {
    /// It does not answer.
    #[error("systemd does not answer: {0}")]
    Silent(#[source] std::io::Error),
    /// It says no.
    #[error("systemd refuses to {doing}: {message} ({name})")]
    Refused {
        /// What, as a clause: `stop postgresql.service`.
        doing: String,
        /// The name of its error.
        name: String,
        /// Its own words.
        message: String,
    },
    /// What it says cannot be understood.
    #[error("systemd answers what nobody asked for: {0}")]
    Garbled(String),
    /// A unit is not in the state that was asked for.
    #[error("{unit} did not stop: it is {active}, {sub}")]
    StillUp {
        /// The unit.
        unit: UnitName,
        /// Its state.
        active: String,
        /// What that means for its type.
        sub: String,
    },
}
