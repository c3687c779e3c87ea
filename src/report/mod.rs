//! Says what was read and derived: as text for an operator, as JSON for programs, as Markdown for a pull request's comment.
//!
//! Turns values into strings. Knows neither the command line nor a terminal nor files, and never reads what was printed.
//! Text carries ANSI colours always; whoever writes it out strips them where they are not wanted.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod escape;
mod json;
mod markdown;
mod select;
mod summary;
mod text;
mod words;

pub use escape::{escape, lines};
pub use select::{names, only_generation, only_plan};
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

/// What lies between two generations, to be reported.
#[derive(Clone, Copy, Debug)]
pub struct Diff<'a> {
    /// What the plan starts from.
    pub old: &'a Generation,
    /// What the plan comes to.
    pub new: &'a Generation,
    /// The plan.
    pub plan: &'a Plan,
}

impl Diff<'_> {
    /// Writes it down; ends in a line feed.
    pub fn write(&self, format: Format, options: Options) -> String {
        match format {
            Format::Text => text::diff(self, options),
            Format::Json => json::diff(self, options),
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
