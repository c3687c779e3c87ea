//! Owns what a record comes to: the values that events are folded into, and that its tables hold.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::RecordId;
use crate::model::{Definition, Digest, Direction, RunId, RunStep, ServiceName, UnitName, Version};
use crate::model::{OpenRun, Recorded};

/// All that is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The identity of the record.
    pub id: RecordId,
    /// What is remembered of each service that it knows. One that is not here is met for the first time.
    pub services: BTreeMap<ServiceName, Recorded>,
    /// What it remembers of services that it does not know: what they are on is not among it.
    pub unmet: BTreeMap<ServiceName, Unmet>,
    /// All definitions that are kept, of each service by the store path of the unit file: those that undo what is applied, and
    /// those of the steps of open runs.
    pub definitions: BTreeMap<ServiceName, BTreeMap<String, Definition>>,
    /// The destructive actions that somebody accepted.
    pub acknowledged: BTreeSet<Acknowledgement>,
    /// How many events there are.
    pub events: u64,
    /// When the newest of them was. A clock that says less than this went back.
    pub last_event: Timestamp,
    /// What is to be said of how it was read, in words.
    pub notes: Vec<String>,
}

/// What is remembered of a service that the record does not know.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Unmet {
    /// The highest number that its stamps may carry: what it was forgotten at, or what rebuilding found.
    pub sequence: u64,
    /// Units that were kept from starting.
    pub held: BTreeSet<UnitName>,
    /// State directories on which rebuilding found stamps of this record.
    pub stamped: Vec<String>,
    /// Backups that rebuilding found.
    pub backups: Vec<String>,
    /// Whether rebuilding found traces of it: a record was lost that knew it.
    pub lost: bool,
}

/// A destructive action that somebody accepted: of which service and version, in which direction, and what it was then, as
/// another text is another action.
pub type Acknowledgement = (ServiceName, Version, Direction, Option<Digest>);

impl View {
    /// What an empty record comes to, before its first event.
    pub(super) fn new(id: RecordId, made: Timestamp) -> Self {
        Self {
            id,
            services: BTreeMap::new(),
            unmet: BTreeMap::new(),
            definitions: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            events: 0,
            last_event: made,
            notes: Vec::new(),
        }
    }

    /// The number that the next change of what is applied to a service gets, which its stamps carry from then on.
    pub fn next_sequence(&self, service: &ServiceName) -> u64 {
        self.sequence(service).saturating_add(1)
    }

    /// The number of the last change of what is applied to a service; 0 where there was none.
    pub(super) fn sequence(&self, service: &ServiceName) -> u64 {
        let known = self.services.get(service).map(|recorded| recorded.sequence);
        let unmet = || self.unmet.get(service).map(|unmet| unmet.sequence);
        known.or_else(unmet).unwrap_or_default()
    }

    /// A definition that is kept, by the store path of its unit file.
    pub fn definition(&self, service: &ServiceName, unit: &str) -> Option<&Definition> {
        self.definitions.get(service)?.get(unit)
    }

    /// The service whose run is open, and the run.
    pub fn open_run(&self, run: &RunId) -> Option<(&ServiceName, &OpenRun)> {
        self.services.iter().find_map(|(service, recorded)| {
            let open = recorded.open_run.as_ref()?;
            (open.id == *run).then_some((service, open))
        })
    }

    /// A step of an open run.
    pub(super) fn step(&self, run: &RunId, n: u32) -> Option<&RunStep> {
        let (_, open) = self.open_run(run)?;
        open.steps.get(usize::try_from(n).ok()?)
    }
}
