//! Owns the events that the record consists of, and the text that each is kept as. docs/record.md lists them.

use serde::{Deserialize, Serialize};

use super::RecordId;
use super::parts::{Choice, Outcome, RunOutcome, StepPart, StepRecord, Way};
use super::text;
use crate::model::{Backup, Definition, Digest, RunId, ServiceName, UnitName, Version};

/// One change of what is remembered. The record is the sequence of these; everything else in it follows from them.
///
/// A run's steps are counted from 0 (`n`). Wherever an event changes what is applied, it says so whole: `applied` is all that is
/// applied from then on, in the order of application, and `sequence` the number that the stamps carry from then on
/// (`View::next_sequence`). `stamped` are the state directories that carry it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case",
    deny_unknown_fields
)]
pub enum Event {
    /// The record was made. The first event, and never another.
    Made {
        /// Its identity.
        #[serde(with = "text")]
        id: RecordId,
    },
    /// First contact: state was met that the record did not know.
    Met {
        /// Whose state.
        #[serde(with = "text")]
        service: ServiceName,
        /// What is taken as applied.
        #[serde(with = "text::list")]
        applied: Vec<Version>,
        /// What that rests on, in words.
        sources: Vec<String>,
        /// The toplevel of the generation that met it.
        generation: String,
        /// Counts the changes of what is applied.
        sequence: u64,
        /// The state directories that were stamped.
        stamped: Vec<String>,
    },
    /// Somebody said what is applied: `stamp`, or drift that was accepted. Lifts a block, but never ends a run.
    Stamped {
        /// To whose state.
        #[serde(with = "text")]
        service: ServiceName,
        /// What is applied.
        #[serde(with = "text::list")]
        applied: Vec<Version>,
        /// What was until then; none where the record did not know the service.
        #[serde(with = "text::optional_list")]
        was: Option<Vec<Version>>,
        /// Why, in words.
        reason: String,
        /// Counts the changes of what is applied.
        sequence: u64,
        /// The state directories that were stamped.
        stamped: Vec<String>,
    },
    /// A definition is kept, before it can be needed. Its GC root is there already.
    Defined {
        /// Whose.
        #[serde(with = "text")]
        service: ServiceName,
        /// The definition.
        #[serde(with = "text::definition")]
        definition: Definition,
        /// Whether its history has all that is applied and it is the newest such, so that its downs undo it from now on.
        /// Otherwise it is kept as long as a run is open, or until another takes its place.
        current: bool,
    },
    /// A run was begun: its path is fixed, and nothing of it has been done.
    RunBegun {
        /// The run.
        #[serde(with = "text")]
        run: RunId,
        /// The service whose path it walks.
        #[serde(with = "text")]
        service: ServiceName,
        /// The toplevel that it goes to.
        generation: String,
        /// The store path of the package that runs the state there, where that is known.
        package: Option<String>,
        /// What its plan assumed to be applied. It is refused where something else is.
        #[serde(with = "text::list")]
        applied: Vec<Version>,
        /// Its steps in order, at least one.
        steps: Vec<StepRecord>,
    },
    /// A step was begun, or begun again after what was left of it was undone. Durable before its backup is.
    StepBegun {
        /// In which run.
        #[serde(with = "text")]
        run: RunId,
        /// Which step.
        n: u32,
        /// Where its backup will be; none where there is none.
        #[serde(with = "text::backup")]
        backup: Option<Backup>,
    },
    /// A step's backup is complete and on disk.
    BackupMade {
        /// In which run.
        #[serde(with = "text")]
        run: RunId,
        /// Which step.
        n: u32,
    },
    /// A step's script begins. Durable before it does.
    ScriptBegun {
        /// In which run.
        #[serde(with = "text")]
        run: RunId,
        /// Which step.
        n: u32,
    },
    /// A step is done, was verified, and its state is on disk.
    StepFinished {
        /// In which run.
        #[serde(with = "text")]
        run: RunId,
        /// Which step.
        n: u32,
        /// What is applied now.
        #[serde(with = "text::list")]
        applied: Vec<Version>,
        /// Counts the changes of what is applied.
        sequence: u64,
        /// The state directories that were stamped.
        stamped: Vec<String>,
    },
    /// A step ended badly. Before its script began that left the state as it was.
    StepFailed {
        /// In which run.
        #[serde(with = "text")]
        run: RunId,
        /// Which step.
        n: u32,
        /// What of it.
        part: StepPart,
        /// How it ended.
        outcome: Outcome,
        /// The last lines that it wrote.
        output: String,
    },
    /// A step's state is being brought back. Durable before it is touched.
    RestoreBegun {
        /// In which run.
        #[serde(with = "text")]
        run: RunId,
        /// Which step.
        n: u32,
    },
    /// A step's state is as it was before the step, and on disk.
    Restored {
        /// In which run.
        #[serde(with = "text")]
        run: RunId,
        /// Which step.
        n: u32,
        /// What is applied now.
        #[serde(with = "text::list")]
        applied: Vec<Version>,
        /// Counts the changes of what is applied.
        sequence: u64,
        /// The state directories that were stamped.
        stamped: Vec<String>,
    },
    /// A step's state could not be brought back.
    RestoreFailed {
        /// In which run.
        #[serde(with = "text")]
        run: RunId,
        /// Which step.
        n: u32,
        /// How that ended.
        outcome: Outcome,
        /// The last lines that it wrote.
        output: String,
    },
    /// A run is over, or stuck.
    RunEnded {
        /// The run.
        #[serde(with = "text")]
        run: RunId,
        /// How.
        outcome: RunOutcome,
    },
    /// A step's backup was removed: that of a step that is done or undone, or whose script was never begun. Removing can be
    /// repeated, so this comes after it.
    BackupDropped {
        /// In which run.
        #[serde(with = "text")]
        run: RunId,
        /// Which step.
        n: u32,
    },
    /// One part of a step has ended. Changes nothing; `history` shows it.
    PartEnded {
        /// In which run.
        #[serde(with = "text")]
        run: RunId,
        /// Which step.
        n: u32,
        /// What of it.
        part: StepPart,
        /// How it ended.
        outcome: Outcome,
        /// How long it took, in milliseconds.
        milliseconds: u64,
        /// The last lines that it wrote.
        output: String,
    },
    /// Somebody accepted a destructive action.
    Acknowledged {
        /// Of which service.
        #[serde(with = "text")]
        service: ServiceName,
        /// Of which version.
        #[serde(with = "text")]
        version: Version,
        /// In which direction.
        direction: Way,
        /// What the action was then.
        #[serde(with = "text::optional")]
        digest: Option<Digest>,
        /// How it was said, in words: `--acknowledge`, `typed at the terminal`.
        by: String,
    },
    /// Units are kept from starting. They are added to those that are already.
    Held {
        /// Of which service; the record need not know it, unless a generation is named.
        #[serde(with = "text")]
        service: ServiceName,
        /// The units.
        #[serde(with = "text::list")]
        units: Vec<UnitName>,
        /// The toplevel of the generation that its state was brought to ahead of its start; none where they are held for
        /// another reason.
        generation: Option<String>,
    },
    /// The units of a service may start again.
    Released {
        /// Of which.
        #[serde(with = "text")]
        service: ServiceName,
    },
    /// Somebody decided how it goes on after a failure.
    Resumed {
        /// With which service.
        #[serde(with = "text")]
        service: ServiceName,
        /// How.
        choice: Choice,
    },
    /// All that was remembered of a service is to be forgotten, but for these events.
    Forgotten {
        /// Which.
        #[serde(with = "text")]
        service: ServiceName,
    },
    /// A package runs the state. Its GC root is there already.
    PackageRan {
        /// Whose state.
        #[serde(with = "text")]
        service: ServiceName,
        /// The store path of the package.
        package: String,
    },
    /// The record was made in place of one that was lost or broken.
    Rebuilt {
        /// The name that the broken file has now, in the state directory; none where there was none.
        from: Option<String>,
        /// How many events of it are taken over: all that come before this one but, where there were none, the making.
        salvaged: u64,
        /// Whether these are all that there were. Otherwise what was applied last is not known: no service is, from then on,
        /// until it is met or stamped.
        complete: bool,
    },
    /// Rebuilding found what only a record that was lost leaves behind. Until the service is met or stamped, nothing is known
    /// to be applied.
    Found {
        /// Of which service.
        #[serde(with = "text")]
        service: ServiceName,
        /// Definitions that GC roots keep.
        #[serde(with = "text::definitions")]
        definitions: Vec<Definition>,
        /// The highest number that a stamp of this record carries, or 0.
        sequence: u64,
        /// The state directories that carry one.
        stamped: Vec<String>,
        /// Backups that are there.
        backups: Vec<String>,
    },
}

impl Event {
    /// The word for what happened, as the record keeps it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Made { .. } => "made",
            Self::Met { .. } => "met",
            Self::Stamped { .. } => "stamped",
            Self::Defined { .. } => "defined",
            Self::RunBegun { .. } => "run-begun",
            Self::StepBegun { .. } => "step-begun",
            Self::BackupMade { .. } => "backup-made",
            Self::ScriptBegun { .. } => "script-begun",
            Self::StepFinished { .. } => "step-finished",
            Self::StepFailed { .. } => "step-failed",
            Self::RestoreBegun { .. } => "restore-begun",
            Self::Restored { .. } => "restored",
            Self::RestoreFailed { .. } => "restore-failed",
            Self::RunEnded { .. } => "run-ended",
            Self::BackupDropped { .. } => "backup-dropped",
            Self::PartEnded { .. } => "part-ended",
            Self::Acknowledged { .. } => "acknowledged",
            Self::Held { .. } => "held",
            Self::Released { .. } => "released",
            Self::Resumed { .. } => "resumed",
            Self::Forgotten { .. } => "forgotten",
            Self::PackageRan { .. } => "package-ran",
            Self::Rebuilt { .. } => "rebuilt",
            Self::Found { .. } => "found",
        }
    }

    /// The service that it names; that of a run's event follows from the run.
    pub fn service(&self) -> Option<&ServiceName> {
        match self {
            Self::Met { service, .. }
            | Self::Stamped { service, .. }
            | Self::Defined { service, .. }
            | Self::RunBegun { service, .. }
            | Self::Acknowledged { service, .. }
            | Self::Held { service, .. }
            | Self::Released { service }
            | Self::Resumed { service, .. }
            | Self::Forgotten { service }
            | Self::PackageRan { service, .. }
            | Self::Found { service, .. } => Some(service),
            _ => None,
        }
    }

    /// The run that it belongs to.
    pub fn run(&self) -> Option<&RunId> {
        match self {
            Self::RunBegun { run, .. }
            | Self::StepBegun { run, .. }
            | Self::BackupMade { run, .. }
            | Self::ScriptBegun { run, .. }
            | Self::StepFinished { run, .. }
            | Self::StepFailed { run, .. }
            | Self::RestoreBegun { run, .. }
            | Self::Restored { run, .. }
            | Self::RestoreFailed { run, .. }
            | Self::RunEnded { run, .. }
            | Self::BackupDropped { run, .. }
            | Self::PartEnded { run, .. } => Some(run),
            _ => None,
        }
    }
}
