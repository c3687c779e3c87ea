//! Owns what events are made of: planned steps, how things ended, what was decided.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::text;
use crate::model::{Digest, Direction, Version};

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
