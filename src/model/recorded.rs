//! Owns what a machine remembers of a service: what is applied, the run that is open, what blocks it. Values only; the record
//! reads and writes them, planning and execution decide by them.

use std::collections::BTreeSet;

use super::{Digest, Direction, RunId, UnitName, Version};

/// All that is remembered of one service.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Recorded {
    /// What its state has been brought through, in the order of application.
    pub applied: Vec<Applied>,
    /// Counts the changes of `applied`. The stamps on its state directories carry it too.
    pub sequence: u64,
    /// The store path of the package that last ran the state.
    pub package: Option<String>,
    /// That of the newest generation whose history has all that is applied: its downs undo it.
    pub definition: Option<Definition>,
    /// The run that has begun and not ended.
    pub open_run: Option<OpenRun>,
    /// Why nothing, or not everything, may run.
    pub block: Option<Block>,
    /// Units that were kept from starting.
    pub held: BTreeSet<UnitName>,
    /// The toplevel of the generation that its state was brought to ahead of its start: until that is active, no other has its
    /// gate change the state.
    pub held_for: Option<String>,
    /// State directories that carry a stamp.
    pub stamped: Vec<String>,
}

impl Recorded {
    /// The versions of `applied`, in the same order.
    pub fn versions(&self) -> Vec<Version> {
        self.applied.iter().map(|applied| applied.version).collect()
    }
}

/// One version that is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The version.
    pub version: Version,
    /// How it came to be so.
    pub how: How,
}

/// How a version came to be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum How {
    /// Its up ran, or a cumulative one swallowed it.
    Ran,
    /// First contact assumed it. It is never walked down unasked.
    Assumed,
    /// Somebody said so.
    Stamped,
}

impl How {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ran => "ran",
            Self::Assumed => "assumed",
            Self::Stamped => "stamped",
        }
    }
}

/// A service as one generation declares it, whole: its gate's unit file, which is what runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The store path of the unit file. Whatever keeps it keeps its scripts, their `path` and the package.
    pub unit: String,
    /// The text of the unit file (docs/formats.md).
    pub text: String,
    /// The toplevel of the generation.
    pub generation: String,
}

/// A run that has begun and not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRun {
    /// Its id.
    pub id: RunId,
    /// What was applied before it, in the order of application.
    pub before: Vec<Applied>,
    /// The toplevel that it goes to.
    pub generation: String,
    /// The store path of the package that runs the state there, where that is known.
    pub package: Option<String>,
    /// Its steps, in order.
    pub steps: Vec<RunStep>,
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunStep {
    /// Which way.
    pub direction: Direction,
    /// The version that it brings the state to, or back from.
    pub version: Version,
    /// The older versions that it takes with it, ascending.
    pub swallowed: Vec<Version>,
    /// The digest of its action.
    pub digest: Option<Digest>,
    /// The unit file whose scripts it runs.
    pub unit: String,
    /// How far it came.
    pub phase: Phase,
    /// How often it was begun. All but the last time it was interrupted.
    pub begun: u32,
    /// Whether it ended badly the last time that it was begun; where not and it is not finished, it was interrupted.
    pub failed: bool,
    /// Where its backup is, from the moment on at which it may be there until it has been dropped.
    pub backup: Option<Backup>,
}

/// How far a step came, as far as the record knows: the next thing may have been done as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Nothing was done.
    Planned,
    /// Its backup may have been begun.
    Begun,
    /// Its backup is complete and on disk.
    BackedUp,
    /// Its script may have been begun.
    Running,
    /// It is done: its script ended well, was verified, and the state is on disk.
    Finished,
    /// Its script ended badly, or its verification did.
    Failed,
    /// Its restore may have been begun.
    Restoring,
    /// The state is as it was before the step.
    Restored,
    /// Its restore ended badly.
    RestoreFailed,
}

impl Phase {
    /// All phases.
    pub const ALL: [Self; 9] = [
        Self::Planned,
        Self::Begun,
        Self::BackedUp,
        Self::Running,
        Self::Finished,
        Self::Failed,
        Self::Restoring,
        Self::Restored,
        Self::RestoreFailed,
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Begun => "begun",
            Self::BackedUp => "backed-up",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Restoring => "restoring",
            Self::Restored => "restored",
            Self::RestoreFailed => "restore-failed",
        }
    }
}

/// A backup of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Its directory: `$BACKUP`.
    pub directory: String,
    /// Who made it, and brings it back.
    pub by: BackupBy,
}

/// Who makes a backup and brings it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BackupBy {
    /// The step's own `backup` and `restore`.
    Script,
    /// nixmig, of the state directories.
    Nixmig,
}

/// Why a service does not migrate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A step failed and its state was brought back: that path is not tried again with that definition.
    Restored {
        /// The step that failed.
        direction: Direction,
        /// Its version.
        version: Version,
        /// The digest of its action.
        digest: Option<Digest>,
        /// In which run.
        run: RunId,
    },
    /// A step failed and its state was not brought back, for want of a backup or because that failed: nothing runs.
    Unrestored {
        /// The step that failed.
        direction: Direction,
        /// Its version.
        version: Version,
        /// In which run.
        run: RunId,
        /// Its backup, where there is one.
        backup: Option<Backup>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_runs() {
        let id = RunId::from_bytes([0, 1, 2, 3, 4, 5, 6, 255]);
        assert_eq!(id.as_str(), "00010203040506ff");
        assert_eq!(id.as_str().parse(), Ok(id));
        for text in ["", "00010203040506f", "00010203040506FF", "../0010203040506"] {
            assert!(text.parse::<RunId>().is_err(), "{text:?}");
        }
    }
}
