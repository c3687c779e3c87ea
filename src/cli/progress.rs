//! Owns how a run is followed: one live line at a terminal, plain lines elsewhere, what scripts write in both. On stderr, so
//! that a report on stdout stays a report.

use std::io::{self, IsTerminal as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nixmig::execute::{Happening, Progress, ProgressEvent};
use nixmig::report::{escape, size};

use super::live::Live;
use super::output;

/// Follows runs on stderr.
pub(super) struct Follower {
    live: Option<Mutex<Live>>,
}

impl Follower {
    /// Live where stderr is a terminal.
    pub(super) fn new() -> Self {
        Self {
            live: io::stderr().is_terminal().then(Mutex::default),
        }
    }

    fn live(&self) -> Option<MutexGuard<'_, Live>> {
        let live = self.live.as_ref()?;
        Some(live.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes a line that stays.
    fn line(&self, line: &str) {
        let print = || output::complain(&format!("{line}\n"));
        match self.live() {
            Some(live) => live.above(print),
            None => print(),
        }
    }

    /// Has the live line say what is being done.
    fn doing(&self, what: String) {
        if let Some(mut live) = self.live() {
            live.doing(what);
        }
    }

    fn copied(&self, bytes: u64, of: Option<u64>) {
        if let Some(live) = self.live() {
            let of = of.map_or_else(String::new, |of| format!(" of {}", size(of)));
            live.far(format!("{}{of}", size(bytes)));
        }
    }

    fn still(&self) {
        if let Some(mut live) = self.live() {
            live.end();
        }
    }
}

impl Progress for Follower {
    fn event(&self, event: &ProgressEvent<'_>) {
        let service = event.service;
        let place = event.step.map_or_else(
            || service.to_string(),
            |step| {
                let (direction, version) = (step.direction.name(), step.version);
                format!("{service} {}/{} {direction} {version}", step.number, step.of)
            },
        );
        match &event.happening {
            Happening::Run { run, again: false } => self.line(&format!("{place}: run {run} begins")),
            Happening::Run { run, again: true } => self.line(&format!("{place}: run {run} goes on")),
            Happening::Begun { part } => self.doing(format!("{place}: {part}")),
            Happening::Copied { bytes, of } => self.copied(*bytes, *of),
            Happening::Line { text } => self.line(&format!("{place} │ {}", escape(text))),
            Happening::Ended {
                part,
                outcome,
                good,
                elapsed,
            } => {
                self.still();
                let seconds = elapsed.as_secs_f64();
                match good {
                    true => self.line(&format!("{place}: {part} done in {seconds:.1} s")),
                    false => self.line(&format!(
                        "{place}: {part} failed after {seconds:.1} s: {}",
                        escape(outcome)
                    )),
                }
            }
            Happening::Finished => self.line(&format!("{place}: finished")),
            Happening::Restored => self.line(&format!(
                "{place}: restored, the state is as it was before this step"
            )),
            Happening::Note { text } => self.line(&format!("{place}: {}", escape(text))),
        }
    }
}
