//! Owns one step: backup, script, verification, and that all of it is on disk and recorded before the next thing is done.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::backup::{self, BackupError, Spot, Watch};
use super::chain;
use super::engine::Engine;
use super::error::Problem;
use super::progress::Happening;
use super::run::{Run, Scene};
use super::script::{Ended, ExecuteError, ScriptJob};
use crate::fault;
use crate::model::{Backup, BackupBy, Part, Version};
use crate::process::ProcessError;
use crate::record::stamp::{self, Stamp};
use crate::record::{Event, Outcome, RecordError, StepPart};

/// Why a step did not come to its end.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It was not begun.
    NotBegun(Problem),
    /// A part of it ended badly.
    Failed {
        part: StepPart,
        outcome: Outcome,
        output: String,
    },
    /// nixmig was told to end.
    Interrupted(i32),
    /// Something of its script may still write.
    StillRunning(ExecuteError),
    /// The record could not be written or read.
    Record(RecordError),
}

impl From<RecordError> for Trouble {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl Trouble {
    pub(super) fn failed(part: StepPart, words: &dyn ToString) -> Self {
        Self::Failed {
            part,
            outcome: Outcome::Error(words.to_string()),
            output: String::new(),
        }
    }
}

impl Engine<'_> {
    /// Runs one step of an open run.
    pub(super) fn step(&mut self, run: &Run, step: &Scene) -> Result<(), Trouble> {
        let backup = self.prepare(run, step)?;
        let mut events = vec![Event::StepBegun {
            run: run.id.clone(),
            n: step.n,
            backup: backup.clone(),
        }];
        if let Some(backup) = &backup {
            self.record.append(&events)?;
            self.at("step-begun", StepPart::Backup)?;
            self.back_up(run, step, backup)?;
            self.at("backup-made", StepPart::Backup)?;
            events = vec![Event::BackupMade {
                run: run.id.clone(),
                n: step.n,
            }];
        }
        events.push(Event::ScriptBegun {
            run: run.id.clone(),
            n: step.n,
        });
        self.record.append(&events)?;
        self.at("script-begun", StepPart::Script)?;
        let directory = backup.as_ref().map(|backup| backup.directory.as_str());
        self.part(run, step, Part::Script, StepPart::Script, directory)?;
        self.at("script-ended", StepPart::Script)?;
        self.part(run, step, Part::Verify, StepPart::Verify, directory)?;
        self.at("verified", StepPart::Verify)?;
        let applied = step.after(&run.before(step.n));
        let finished = |applied, sequence, stamped| Event::StepFinished {
            run: run.id.clone(),
            n: step.n,
            applied,
            sequence,
            stamped,
        };
        self.is_on(run, step, applied, finished)
            .map_err(|error| match error {
                Problem::Record(error) => Trouble::Record(error),
                error => Trouble::failed(StepPart::Flush, &error),
            })?;
        self.tell(Some(step.at), Happening::Finished);
        self.reached("step-finished").map_err(Trouble::NotBegun)
    }

    /// Makes sure that it is this step's turn and nothing is in its way, and decides where its backup goes.
    fn prepare(&mut self, run: &Run, step: &Scene) -> Result<Option<Backup>, Trouble> {
        if let Some(signal) = self.executor.stopped() {
            return Err(Trouble::Interrupted(signal));
        }
        let not_begun = Trouble::NotBegun;
        let view = self.record.view()?;
        let recorded = view.services.get(self.service);
        let recorded = recorded.ok_or(Problem::NotMet).map_err(not_begun)?;
        let open = recorded.open_run.as_ref().is_some_and(|open| open.id == run.id);
        if !open {
            return Err(not_begun(Problem::Overtaken(run.id.clone())));
        }
        if recorded.versions() != run.before(step.n) {
            return Err(not_begun(Problem::Changed));
        }
        self.still_vacant(run.known.values().map(|known| &**known))
            .map_err(not_begun)?;
        let Some(by) = step.backup_by else {
            return Ok(None);
        };
        let no_room = |problem| {
            not_begun(Problem::Backup {
                step: step.named(),
                problem,
            })
        };
        let directories = run.paths(step);
        let name = format!("{}-{}", run.id, step.n);
        let spot = backup::place(&self.place.backups(), &directories, &name).map_err(no_room)?;
        let directory = spot.directory().to_str().map(str::to_owned);
        let directory = directory.ok_or_else(|| {
            not_begun(Problem::Io {
                doing: format!("`{}` cannot be the place of a backup", spot.directory().display()),
                problem: std::io::Error::other("its name is not UTF-8"),
            })
        })?;
        Ok(Some(Backup { directory, by }))
    }

    /// Saves the state. When this returns, the backup is on disk.
    fn back_up(&mut self, run: &Run, step: &Scene, backup: &Backup) -> Result<(), Trouble> {
        let spot = Spot::at(&backup.directory);
        spot.make()
            .map_err(|error| Trouble::failed(StepPart::Backup, &error))?;
        match backup.by {
            BackupBy::Script => {
                let directory = Path::new(&backup.directory);
                let own = |problem: std::io::Error| Trouble::failed(StepPart::Backup, &problem);
                let account = self.executor.account(&step.known.gate);
                let account = account.map_err(|error| Trouble::failed(StepPart::Backup, &error))?;
                if let Some((user, group)) = account.owner() {
                    chown(directory, Some(user), Some(group)).map_err(own)?;
                }
                self.part(run, step, Part::Backup, StepPart::Backup, Some(&backup.directory))?;
                backup::flush(&[directory.to_owned()])
                    .map_err(|error| Trouble::failed(StepPart::Backup, &error))
            }
            BackupBy::Nixmig => {
                self.tell(Some(step.at), Happening::Begun { part: "backup" });
                let begun = Instant::now();
                let taken = self.take(run, step, &spot);
                let outcome = match &taken {
                    Ok(()) => Outcome::Done,
                    Err(BackupError::Stopped) => Outcome::Interrupted,
                    Err(error) => Outcome::Error(error.to_string()),
                };
                self.part_ended(run, step, StepPart::Backup, &outcome, begun.elapsed(), "");
                match outcome {
                    Outcome::Done => Ok(()),
                    Outcome::Interrupted => Err(Trouble::Interrupted(self.signal())),
                    outcome => Err(Trouble::Failed {
                        part: StepPart::Backup,
                        outcome,
                        output: String::new(),
                    }),
                }
            }
        }
    }

    /// Copies the state directories, where there is room for that and for the way back.
    fn take(&self, run: &Run, step: &Scene, spot: &Spot) -> Result<(), BackupError> {
        let directories = run.paths(step);
        let stop = || self.executor.stopped().is_some();
        let looking = Watch {
            progress: &|_| {},
            stop: &stop,
        };
        let need = backup::space(spot, &directories, &looking)?;
        let progress = |done: backup::Done| {
            let happening = Happening::Copied {
                bytes: done.bytes,
                of: Some(need.bytes),
            };
            self.tell(Some(step.at), happening);
        };
        let watch = Watch {
            progress: &progress,
            stop: &stop,
        };
        backup::take(spot, &directories, &watch).map(drop)
    }

    /// Runs one of the step's scripts, where it has it, to a good end.
    fn part(
        &mut self,
        run: &Run,
        step: &Scene,
        part: Part,
        of: StepPart,
        backup: Option<&str>,
    ) -> Result<(), Trouble> {
        let Some(script) = step.script(part) else {
            return Ok(());
        };
        let ended = match self.run_script(run, step, (script, of), backup, false) {
            Ok(ended) => ended,
            Err(error @ ExecuteError::StillRunning { .. }) => return Err(Trouble::StillRunning(error)),
            Err(ExecuteError::NotRun {
                problem: ProcessError::Interrupted(signal),
                ..
            }) => return Err(Trouble::Interrupted(signal)),
            Err(error) => return Err(Trouble::failed(of, &error)),
        };
        self.part_ended(run, step, of, &ended.outcome, ended.elapsed, &ended.output);
        match ended.outcome {
            outcome if outcome.is_good() => Ok(()),
            Outcome::Interrupted => Err(Trouble::Interrupted(self.signal())),
            outcome => Err(Trouble::Failed {
                part: of,
                outcome,
                output: ended.output,
            }),
        }
    }

    /// Runs a script of a step.
    pub(super) fn run_script(
        &self,
        run: &Run,
        step: &Scene,
        (script, of): (&str, StepPart),
        backup: Option<&str>,
        shielded: bool,
    ) -> Result<Ended, ExecuteError> {
        self.tell(Some(step.at), Happening::Begun { part: of.name() });
        let account = self.executor.account(&step.known.gate)?;
        let environment = run.environment(self.service, step, backup);
        let locks = self.lock.as_fds();
        let unit = format!("{}{}", chain::prefix(self.service, &run.id), step.at.number);
        let job = ScriptJob {
            script,
            store: step.known.store().unwrap_or("".as_ref()),
            environment: &environment,
            account: &account,
            locks: &locks,
            shielded,
            unit: Some(&unit),
            answers: false,
        };
        let ended = self.executor.run(&job, &mut |text| {
            self.tell(Some(step.at), Happening::Line { text });
        })?;
        if ended.left_behind > 0 {
            let text = format!(
                "{} processes that {script} left behind were ended.",
                ended.left_behind
            );
            self.tell(Some(step.at), Happening::Note { text: &text });
        }
        Ok(ended)
    }

    /// Tells that a part of a step ended, and notes it for the log.
    pub(super) fn part_ended(
        &mut self,
        run: &Run,
        step: &Scene,
        part: StepPart,
        outcome: &Outcome,
        elapsed: Duration,
        output: &str,
    ) {
        let words = outcome.to_string();
        let happening = Happening::Ended {
            part: part.name(),
            outcome: &words,
            good: outcome.is_good(),
            elapsed,
        };
        self.tell(Some(step.at), happening);
        self.record.note(Event::PartEnded {
            run: run.id.clone(),
            n: step.n,
            part,
            outcome: outcome.clone(),
            milliseconds: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            output: output.to_owned(),
        });
    }

    /// Has the state on disk, and records what is applied to it now: by this event, which is made of that, of the number of its
    /// stamps and of the directories that carry them. So it does which definition undoes it from now on.
    pub(super) fn is_on(
        &mut self,
        run: &Run,
        step: &Scene,
        applied: Vec<Version>,
        event: impl FnOnce(Vec<Version>, u64, Vec<String>) -> Event,
    ) -> Result<(), Problem> {
        let (sequence, stamped) = self.have_on_disk(run, step)?;
        let redefined = self.redefined(run, &applied)?;
        let mut events = vec![event(applied, sequence, stamped)];
        events.extend(redefined);
        Ok(self.record.append(&events)?)
    }

    /// Stamps the state with the next number, and has it on disk: the number, and the directories that carry it.
    fn have_on_disk(&mut self, run: &Run, step: &Scene) -> Result<(u64, Vec<String>), Problem> {
        let view = self.record.view()?;
        let sequence = view.next_sequence(self.service);
        let stamp = Stamp {
            record: view.id.clone(),
            sequence,
        };
        let stamped = stamp_all(&run.directories(step), &stamp, &|text: &str| {
            self.tell(Some(step.at), Happening::Note { text });
        });
        self.reached("stamp-written")?;
        self.flush(&run.paths(step))?;
        self.reached("state-flushed")?;
        Ok((sequence, stamped))
    }

    /// Has the state on disk; where nobody knows where it is, everything.
    pub(super) fn flush(&self, directories: &[PathBuf]) -> Result<(), Problem> {
        if directories.is_empty() {
            if fault::flushes() {
                rustix::fs::sync();
            }
            return Ok(());
        }
        backup::flush(directories).map_err(|problem| Problem::Io {
            doing: "the state cannot be had on disk".to_owned(),
            problem: std::io::Error::other(problem),
        })
    }

    /// That another definition undoes what is applied from now on, where that is so.
    fn redefined(&self, run: &Run, applied: &[Version]) -> Result<Option<Event>, RecordError> {
        let view = self.record.view()?;
        let now = view.services.get(self.service);
        let now = now.and_then(|recorded| recorded.definition.as_ref());
        let undoing = run.undoing(applied).map(|known| &known.definition);
        Ok(undoing
            .filter(|undoing| now != Some(undoing))
            .map(|undoing| Event::Defined {
                service: self.service.clone(),
                definition: undoing.clone(),
                current: true,
            }))
    }

    /// The signal that told nixmig to end. It is asked for only after one did.
    pub(super) fn signal(&self) -> i32 {
        self.executor
            .stopped()
            .unwrap_or(rustix::process::Signal::TERM.as_raw())
    }

    fn at(&self, point: &str, part: StepPart) -> Result<(), Trouble> {
        self.reached(point).map_err(|error| Trouble::failed(part, &error))
    }
}

/// Writes a stamp on every state directory that is there and can carry one. No link is followed that others than root made.
pub(super) fn stamp_all(directories: &[String], mark: &Stamp, note: &dyn Fn(&str)) -> Vec<String> {
    let mut stamped = Vec::new();
    let put = |directory: &str| -> Result<bool, Box<dyn std::error::Error>> {
        match backup::open(Path::new(directory))? {
            Some(directory) => Ok(stamp::write(directory, mark)?),
            None => Ok(false),
        }
    };
    for directory in directories {
        match put(directory) {
            Ok(true) => stamped.push(directory.clone()),
            Ok(false) => {}
            // State that is not there yet gets its stamp when something ran on it.
            Err(_) if !Path::new(directory).exists() => {}
            Err(error) => note(&format!(
                "{directory} carries no stamp, so that drift will not be noticed there: {error}."
            )),
        }
    }
    stamped
}
