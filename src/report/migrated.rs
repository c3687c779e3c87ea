//! Owns what is said of a migration when it is over: how each service went, and what to do where it did not arrive. Values,
//! made by whoever ran it.

use serde::Serialize;

use super::{Format, Options, json, text};

/// How a migration went.
#[derive(Clone, Debug)]
pub struct Migrated {
    /// The services that there was something to do for, in the order in which it was done.
    pub services: Vec<Went>,
}

/// How one service went.
#[derive(Clone, Debug, Serialize)]
pub struct Went {
    /// The service.
    pub name: String,
    /// `arrived`, `refused`, `waits` or `failed`.
    pub outcome: &'static str,
    /// The run; none where no step ran.
    pub run: Option<String>,
    /// What is applied now, in the order of application; none where that is not said.
    pub applied: Option<Vec<String>>,
    /// What went wrong, as a sentence; none where it arrived.
    pub message: Option<String>,
    /// How its state was left, as a sentence; none where it arrived.
    pub left: Option<String>,
    /// What to do next; none where it arrived.
    pub help: Option<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    services: &'a [Went],
}

impl Migrated {
    /// Writes it. What went wrong is told on stderr to people, so their report has only that it did.
    pub fn write(&self, format: Format, options: Options) -> String {
        match format {
            Format::Json => json::print(&Document {
                format: json::FORMAT,
                services: &self.services,
            }),
            Format::Text | Format::Markdown => text::migrated(self, options),
        }
    }
}
