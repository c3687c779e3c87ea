//! Says what was read and derived: as text for an operator, as JSON for programs, as Markdown for a pull request's comment.
//!
//! Turns values into strings. Knows neither the command line nor a terminal nor files, and never reads what was printed.
//! Text carries ANSI colours always; whoever writes it out strips them where they are not wanted.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod escape;
mod gate;
mod json;
mod lists;
mod markdown;
mod migrated;
mod select;
mod size;
mod summary;
mod text;
mod words;

pub use escape::{escape, lines};
pub use gate::{Gated, StepFailed};
pub use lists::{
    Generations, Happened, History, KeptBackup, ServiceStatus, Startable, State, Status, Verdict,
};
pub use migrated::{Migrated, Went};
pub use select::{names, only_generation, only_plan};
pub use size::size;
pub use summary::{Movement, Summary};

use crate::model::Generation;
use crate::plan::Plan;

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people, with ANSI colours.
    Text,
    /// One JSON document as docs/schema has it.
    Json,
    /// GitHub's Markdown.
    Markdown,
}

/// What a report takes besides what it reports.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many columns text may take; what cannot be broken may take more.
    pub width: usize,
    /// Whether the words of scripts are shown, where they were read.
    pub scripts: bool,
    /// Whether what is reported was cut down to services that somebody chose.
    pub chosen: bool,
}

/// What a plan starts from.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    /// Another generation.
    Generation(&'a Generation),
    /// A machine, as it is.
    Machine(&'a Machine),
}

/// A machine and its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The directory of its record.
    pub state_dir: String,
    /// The record, where there is one.
    pub record: Option<Record>,
    /// What is to be said of how it was looked at, as sentences.
    pub notes: Vec<String>,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its identity.
    pub id: String,
    /// How many events there are.
    pub events: u64,
    /// When the last one was, as RFC 3339 has it.
    pub last_event: String,
}

/// What lies between a generation or a machine and a generation, to be reported.
#[derive(Clone, Copy, Debug)]
pub struct Diff<'a> {
    /// What the plan starts from.
    pub old: Origin<'a>,
    /// What the plan comes to.
    pub new: &'a Generation,
    /// The plan.
    pub plan: &'a Plan,
}

impl Diff<'_> {
    /// What the plan comes to, in a line.
    pub fn summary(&self, options: Options) -> Summary {
        let summary = Summary::of(self.plan, options.chosen);
        Summary {
            machine: matches!(self.old, Origin::Machine(_)),
            ..summary
        }
    }

    /// Writes it down; ends in a line feed.
    pub fn write(&self, format: Format, options: Options) -> String {
        match format {
            Format::Text => text::diff(self, options),
            Format::Json => json::plan(self, options),
            Format::Markdown => markdown::diff(self, options),
        }
    }
}

/// Writes down what was read of one generation; ends in a line feed.
pub fn show(generation: &Generation, format: Format, options: Options) -> String {
    match format {
        Format::Text => text::show(generation, options),
        Format::Json => json::show(generation, options),
        Format::Markdown => markdown::show(generation, options),
    }
}

#[cfg(test)]
mod tests;
