//! Owns how a run is followed: one live line at a terminal, plain lines elsewhere, what scripts write in both. On stderr, so
//! that a report on stdout stays a report.

use std::io::{self, IsTerminal as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use nixmig::execute::{Happening, Progress, ProgressEvent};
use nixmig::report::escape;

use super::output;

/// How often the live line moves while nothing happens.
const TICK: Duration = Duration::from_millis(100);

/// Follows runs on stderr.
pub(super) struct Follower {
    live: Option<Mutex<ProgressBar>>,
}

impl Follower {
    /// Live where stderr is a terminal.
    pub(super) fn new() -> Self {
        Self {
            live: io::stderr()
                .is_terminal()
                .then(|| Mutex::new(ProgressBar::hidden())),
        }
    }

    /// Writes a line that stays.
    fn line(&self, line: &str) {
        let print = || output::complain(&format!("{line}\n"));
        match &self.live {
            Some(live) => live.lock().unwrap_or_else(PoisonError::into_inner).suspend(print),
            None => print(),
        }
    }

    /// Has the live line say what is being done.
    fn doing(&self, what: String) {
        let Some(live) = &self.live else { return };
        let mut live = live.lock().unwrap_or_else(PoisonError::into_inner);
        if live.is_hidden() || live.is_finished() {
            let bar = ProgressBar::new_spinner().with_style(ProgressStyle::default_spinner());
            bar.set_draw_target(ProgressDrawTarget::stderr());
            bar.enable_steady_tick(TICK);
            *live = bar;
        }
        live.reset_elapsed();
        live.set_message(what);
    }

    fn copied(&self, bytes: u64, of: Option<u64>) {
        let Some(live) = &self.live else { return };
        let live = live.lock().unwrap_or_else(PoisonError::into_inner);
        let of = of.map_or_else(String::new, |of| format!(" of {}", HumanBytes(of)));
        live.set_prefix(format!("{}{of}", HumanBytes(bytes)));
    }

    fn still(&self) {
        if let Some(live) = &self.live {
            live.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .finish_and_clear();
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

impl Drop for Follower {
    fn drop(&mut self) {
        self.still();
    }
}
