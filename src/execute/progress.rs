//! Owns what is told of a run while it runs. Whoever shows it decides how; nothing here knows a terminal.

use std::time::Duration;

use crate::model::{Direction, RunId, ServiceName, Version};

/// Takes what is told of a run.
pub trait Progress {
    /// Something happened.
    fn event(&self, event: &ProgressEvent<'_>);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: &ProgressEvent<'_>) {}
}

/// What happened, and to what.
#[derive(Clone, Debug)]
pub struct ProgressEvent<'a> {
    /// Whose state it is about.
    pub service: &'a ServiceName,
    /// The step, where it is about one.
    pub step: Option<StepAt>,
    /// What happened.
    pub happening: Happening<'a>,
}

/// One step among those of its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepAt {
    /// Counted from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// Which way.
    pub direction: Direction,
    /// The version that it brings the state to, or back from.
    pub version: Version,
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum Happening<'a> {
    /// A run begins, or goes on.
    Run {
        /// Its id.
        run: &'a RunId,
        /// Whether it was begun before and interrupted.
        again: bool,
    },
    /// A part of a step begins: `backup`, `script`, `verify`, `flush`, `restore`.
    Begun {
        /// Its name.
        part: &'static str,
    },
    /// So much is copied.
    Copied {
        /// Bytes so far.
        bytes: u64,
        /// Bytes in all, where that is known.
        of: Option<u64>,
    },
    /// A script wrote a line. It may hold any character.
    Line {
        /// Without its line feed.
        text: &'a str,
    },
    /// A part of a step has ended.
    Ended {
        /// Its name.
        part: &'static str,
        /// How, in words.
        outcome: &'a str,
        /// Whether that is well.
        good: bool,
        /// How long it took.
        elapsed: Duration,
    },
    /// A step is done and on disk.
    Finished,
    /// The state is as it was before a step.
    Restored,
    /// Something that one should know, as a sentence.
    Note {
        /// The sentence.
        text: &'a str,
    },
}
