//! Owns the events that the record consists of, and the text that each is kept as. docs/record.md lists them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::text;
use crate::model::{Backup, Definition, Digest, Direction, RunId, ServiceName, UnitName, Version};

/// The identity of a record, which the stamps on state directories carry: 32 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId(String);

/// A text is not the identity of a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the id of a record: it must be 32 of the digits 0-9 and a-f")]
pub struct RecordIdError(String);

impl RecordId {
    /// The id of sixteen random bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(format!("{:032x}", u128::from_be_bytes(bytes)))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RecordId {
    type Err = RecordIdError;

    fn from_str(text: &str) -> Result<Self, RecordIdError> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        match text.len() == 32 && text.bytes().all(digit) {
            true => Ok(Self(text.to_owned())),
            false => Err(RecordIdError(text.chars().take(60).collect())),
        }
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One change of what is remembered. The record is the sequence of these; everything else in it follows from them.
///
/// A run's steps are counted from 0 (`n`). Wherever an event changes what is applied, it says so whole: `applied` is all that is
/// applied from then on, in the order of application, and `sequence` the number that the stamps carry from then on
/// (`View::next_sequence`). `stamped` are the state directories that carry it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[serde(deny_unknown_fields)]
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
        /// Of which service; the record need not know it.
        #[serde(with = "text")]
        service: ServiceName,
        /// The units.
        #[serde(with = "text::list")]
        units: Vec<UnitName>,
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

/// One step of a run, as it was planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StepRecord {
    /// Which way.
    pub direction: Way,
    /// The version that it brings the state to, or back from.
    #[serde(with = "text")]
    pub version: Version,
    /// The older versions that it takes with it, ascending.
    #[serde(with = "text::list")]
    pub swallowed: Vec<Version>,
    /// The digest of its action.
    #[serde(with = "text::optional")]
    pub digest: Option<Digest>,
    /// The unit file whose scripts it runs.
    pub unit: String,
}

/// A direction, as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Forward.
    Up,
    /// Back.
    Down,
}

impl From<Direction> for Way {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Up => Self::Up,
            Direction::Down => Self::Down,
        }
    }
}

impl From<Way> for Direction {
    fn from(way: Way) -> Self {
        match way {
            Way::Up => Self::Up,
            Way::Down => Self::Down,
        }
    }
}

/// What a step consists of when it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepPart {
    /// Before anything: units in the way, space, places.
    Prepare,
    /// Saving the state.
    Backup,
    /// The work.
    Script,
    /// Checking the state after it.
    Verify,
    /// Having what was written on disk.
    Flush,
    /// Bringing the state back.
    Restore,
}

impl StepPart {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Backup => "backup",
            Self::Script => "script",
            Self::Verify => "verify",
            Self::Flush => "flush",
            Self::Restore => "restore",
        }
    }

    /// Whether it comes before the script, so that its failure left the state as it was.
    pub fn before_script(self) -> bool {
        matches!(self, Self::Prepare | Self::Backup)
    }
}

/// How something ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A process exited with this code; 0 is well.
    Exited(i32),
    /// A signal of this number ended a process.
    Signalled(i32),
    /// It did not come to its end: why, in words.
    Error(String),
    /// It was well, and no process was there to say so.
    Done,
    /// nixmig was told to stop, or was gone.
    Interrupted,
}

impl Outcome {
    /// Whether it ended well.
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Exited(0) | Self::Done)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit code {code}"),
            Self::Signalled(signal) => write!(f, "ended by signal {signal}"),
            Self::Error(words) => f.write_str(words),
            Self::Done => f.write_str("done"),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcome {
    /// All its steps are finished. The run is closed, and nothing blocks the service.
    Arrived,
    /// Step `n` failed, and the state was brought back. The run is closed; that path is blocked with that definition.
    Restored {
        /// The step that failed.
        n: u32,
    },
    /// It was given up though no step failed: what it did was brought back as far as it could be, and another path is taken.
    /// The run is closed, and nothing is blocked.
    Abandoned,
    /// Step `n` failed, and the state was not brought back. The run stays open and all is blocked until somebody decides.
    Failed {
        /// The step that failed, or whose restore did.
        n: u32,
    },
}

/// How it goes on after a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// The path that failed may be tried again.
    Retry,
    /// The restore that failed is tried again, from the backup that was kept. Lifts nothing: that is up to its end.
    Restore,
    /// The state is on this, whatever the run did: the run is closed and nothing is blocked.
    #[serde(rename_all = "kebab-case")]
    Accept {
        /// What is applied.
        #[serde(with = "text::list")]
        applied: Vec<Version>,
        /// Counts the changes of what is applied.
        sequence: u64,
        /// The state directories that were stamped.
        stamped: Vec<String>,
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
