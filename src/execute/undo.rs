//! Owns the way back: what a step that ended badly did, and the steps of its run before it, newest first, until the state is as
//! it was before the run or nothing more can be brought back.

use std::time::{Duration, Instant};

use super::backup::{self, Spot, Watch};
use super::engine::Engine;
use super::error::{Left, Problem, WalkError};
use super::progress::Happening;
use super::run::{Run, Scene};
use super::script::ExecuteError;
use super::step::Trouble;
use crate::model::{Backup, BackupBy, Part, Phase, Version};
use crate::record::{Event, Outcome, RecordError, RunOutcome, StepPart};

/// Why the way back came to a stop.
#[derive(Debug)]
pub(super) enum Stuck {
    /// A step's state could not be brought back.
    Unrestored {
        n: u32,
        backup: Option<String>,
        /// How that ended, and the last lines; none where there is no backup.
        restore: Option<(Outcome, String)>,
    },
    /// Something that the restore started goes on.
    StillRunning(ExecuteError),
    /// The record, or what it needs, does not let it.
    Problem(Problem),
}

impl From<RecordError> for Stuck {
    fn from(error: RecordError) -> Self {
        Self::Problem(error.into())
    }
}

impl From<Problem> for Stuck {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl Engine<'_> {
    /// Undoes a run whose step came into trouble, and says how that left the state.
    pub(super) fn undo(&mut self, run: &Run, step: &Scene, trouble: Trouble) -> WalkError {
        let (problem, outcome) = match trouble {
            Trouble::Record(error) => return self.salvage(run, step, error),
            Trouble::StillRunning(error) => return self.error(Problem::StillRunning(error), Left::Open),
            // What is there is not what this run knows of: it is not its to touch.
            Trouble::NotBegun(problem @ (Problem::NotMet | Problem::Changed | Problem::Overtaken(_))) => {
                return self.error(problem, Left::Open);
            }
            Trouble::NotBegun(problem) => {
                self.note_end(run, step, Outcome::Error(problem.to_string()));
                (problem, RunOutcome::Abandoned)
            }
            Trouble::Interrupted(signal) => {
                self.note_end(run, step, Outcome::Interrupted);
                (Problem::Interrupted(signal), RunOutcome::Abandoned)
            }
            Trouble::Failed {
                part,
                outcome,
                output,
            } => {
                let failed = Event::StepFailed {
                    run: run.id.clone(),
                    n: step.n,
                    part,
                    outcome: outcome.clone(),
                    output: output.clone(),
                };
                let noted = self.record.append(&[failed]).map_err(Problem::from);
                if let Err(error) = noted.and_then(|()| self.reached("step-failed")) {
                    return match error {
                        Problem::Record(error) => self.salvage(run, step, error),
                        error => self.error(error, Left::Open),
                    };
                }
                let ended = match part.before_script() {
                    true => RunOutcome::Abandoned,
                    false => RunOutcome::Restored { n: step.n },
                };
                let problem = Problem::Failed {
                    step: step.named(),
                    part,
                    outcome,
                    output,
                    restore: None,
                };
                (problem, ended)
            }
        };
        let touched = run
            .steps
            .iter()
            .take_while(|other| other.n < step.n)
            .any(Scene::touches);
        let began = self
            .phase(&run.id, step.n)
            .is_ok_and(|phase| matches!(phase, Phase::Running | Phase::Failed | Phase::Finished));
        let vacant = match touched || began {
            true => self.vacant(run.known.values().map(|known| &**known)),
            false => Ok(()),
        };
        // Nothing is brought back beneath a unit that works on it: the run is settled when that has ended.
        let back = vacant.map_err(Stuck::from).and_then(|()| {
            let kept = self.bring_back(run)?;
            self.close(run, outcome)?;
            Ok(kept)
        });
        match back {
            Ok(kept) if !kept.is_empty() => self.error(problem, Left::Partly(kept)),
            Ok(_) if touched || began => self.error(problem, Left::Restored),
            Ok(_) => self.error(problem, Left::Untouched),
            Err(stuck) => self.stuck(run, stuck, Some(problem)),
        }
    }

    /// Writes down why a step was not begun, or that it was interrupted. Where that fails, the record is no worse for it.
    fn note_end(&mut self, run: &Run, step: &Scene, outcome: Outcome) {
        let _ = self.record.append(&[Event::PartEnded {
            run: run.id.clone(),
            n: step.n,
            part: StepPart::Prepare,
            outcome,
            milliseconds: 0,
            output: String::new(),
        }]);
    }

    /// Brings all steps of an open run back that did something, newest first. Steps without a backup stay applied: these.
    pub(super) fn bring_back(&mut self, run: &Run) -> Result<Vec<Version>, Stuck> {
        for step in run.steps.iter().rev() {
            if !self.bring_back_one(run, step)? {
                let kept = run.steps.iter().rev().skip_while(|other| other.n > step.n);
                return Ok(kept.map(|step| step.at.version).collect());
            }
        }
        Ok(Vec::new())
    }

    /// Brings one step back, as far as it came. False where it is done and has no backup.
    pub(super) fn bring_back_one(&mut self, run: &Run, step: &Scene) -> Result<bool, Stuck> {
        let recorded = self.recorded_step(&run.id, step.n)?;
        match recorded.phase {
            Phase::Planned | Phase::Restored => return Ok(true),
            Phase::Begun | Phase::BackedUp => {
                if let Some(backup) = &recorded.backup {
                    self.remove(backup);
                    self.record.append(&[Event::BackupDropped {
                        run: run.id.clone(),
                        n: step.n,
                    }])?;
                }
                return Ok(true);
            }
            Phase::Running | Phase::Finished | Phase::Failed | Phase::Restoring | Phase::RestoreFailed => {}
        }
        let unrestored = |restore| Stuck::Unrestored {
            n: step.n,
            backup: recorded.backup.as_ref().map(|backup| backup.directory.clone()),
            restore,
        };
        let begun = Event::RestoreBegun {
            run: run.id.clone(),
            n: step.n,
        };
        match (&recorded.backup, step.touches()) {
            (_, false) => self.record.append(&[begun])?,
            (None, true) if recorded.phase == Phase::Finished => return Ok(false),
            (None, true) => {
                // Whoever reads the record must find a step that failed, not one that may still run.
                if recorded.phase == Phase::Running {
                    self.record.append(&[Event::StepFailed {
                        run: run.id.clone(),
                        n: step.n,
                        part: StepPart::Script,
                        outcome: Outcome::Interrupted,
                        output: String::new(),
                    }])?;
                }
                self.close(run, RunOutcome::Failed { n: step.n })?;
                return Err(unrestored(None));
            }
            (Some(backup), true) => {
                self.record.append(&[begun])?;
                self.reached("restore-begun")?;
                if let Err((outcome, output)) = self.restore(run, step, backup)? {
                    let failed = Event::RestoreFailed {
                        run: run.id.clone(),
                        n: step.n,
                        outcome: outcome.clone(),
                        output: output.clone(),
                    };
                    let ended = Event::RunEnded {
                        run: run.id.clone(),
                        outcome: RunOutcome::Failed { n: step.n },
                    };
                    self.record.append(&[failed, ended])?;
                    return Err(unrestored(Some((outcome, output))));
                }
            }
        }
        let restored = |applied, sequence, stamped| Event::Restored {
            run: run.id.clone(),
            n: step.n,
            applied,
            sequence,
            stamped,
        };
        self.is_on(run, step, run.before(step.n), restored)?;
        self.reached("restored")?;
        self.tell(Some(step.at), Happening::Restored);
        Ok(true)
    }

    /// Brings the state back from a backup. The inner error is how that ended.
    fn restore(
        &mut self,
        run: &Run,
        step: &Scene,
        backup: &Backup,
    ) -> Result<Result<(), (Outcome, String)>, Stuck> {
        let part = StepPart::Restore;
        let begun = Instant::now();
        let (outcome, output, elapsed) = match (backup.by, step.script(Part::Restore)) {
            (BackupBy::Nixmig, _) => {
                self.tell(Some(step.at), Happening::Begun { part: part.name() });
                let outcome = self.restore_built_in(step, backup);
                (outcome, String::new(), begun.elapsed())
            }
            (BackupBy::Script, None) => {
                let words = "its definition has no restore any more".to_owned();
                (Outcome::Error(words), String::new(), Duration::ZERO)
            }
            (BackupBy::Script, Some(_)) if !std::path::Path::new(&backup.directory).is_dir() => {
                let words = format!("its backup {} is not there any more", backup.directory);
                (Outcome::Error(words), String::new(), Duration::ZERO)
            }
            (BackupBy::Script, Some(script)) => {
                match self.run_script(run, step, (script, part), Some(&backup.directory), true) {
                    Ok(ended) => (ended.outcome, ended.output, ended.elapsed),
                    Err(error @ ExecuteError::StillRunning { .. }) => return Err(Stuck::StillRunning(error)),
                    Err(error) => (Outcome::Error(error.to_string()), String::new(), begun.elapsed()),
                }
            }
        };
        self.part_ended(run, step, part, &outcome, elapsed, &output);
        Ok(match outcome.is_good() {
            true => Ok(()),
            false => Err((outcome, output)),
        })
    }

    /// Nothing stops it: a state that is half there helps nobody.
    fn restore_built_in(&self, step: &Scene, backup: &Backup) -> Outcome {
        let progress = |done: backup::Done| {
            let happening = Happening::Copied {
                bytes: done.bytes,
                of: None,
            };
            self.tell(Some(step.at), happening);
        };
        let watch = Watch {
            progress: &progress,
            stop: &|| false,
        };
        match backup::restore(&Spot::at(&backup.directory), &watch) {
            Ok(()) => Outcome::Done,
            Err(error) => Outcome::Error(error.to_string()),
        }
    }

    /// Ends a run. One that failed keeps its backups.
    pub(super) fn close(&mut self, run: &Run, outcome: RunOutcome) -> Result<(), Stuck> {
        let mut events = match outcome {
            RunOutcome::Failed { .. } => Vec::new(),
            _ => self.drop_backups(run)?,
        };
        events.push(Event::RunEnded {
            run: run.id.clone(),
            outcome,
        });
        self.record.append(&events)?;
        self.reached("run-ended")?;
        if !matches!(outcome, RunOutcome::Failed { .. }) {
            self.prune();
        }
        Ok(())
    }

    /// Removes all backups of a run, and says so. They are removed first: a run that is open names what is left of them.
    pub(super) fn drop_backups(&mut self, run: &Run) -> Result<Vec<Event>, Problem> {
        let mut events = Vec::new();
        let recorded = self.recorded_steps(&run.id)?;
        for (step, recorded) in run.steps.iter().zip(recorded) {
            if let Some(backup) = recorded.backup {
                self.remove(&backup);
                events.push(Event::BackupDropped {
                    run: run.id.clone(),
                    n: step.n,
                });
                self.reached("backup-dropped")?;
            }
        }
        Ok(events)
    }

    /// Removes a backup. One that stays costs space and nothing else.
    pub(super) fn remove(&self, backup: &Backup) {
        if let Err(error) = backup::remove(&Spot::at(&backup.directory)) {
            let text = format!("The backup {} could not be removed: {error}.", backup.directory);
            self.tell(None, Happening::Note { text: &text });
        }
    }

    /// How it is told that the way back came to a stop.
    pub(super) fn stuck(&self, run: &Run, stuck: Stuck, problem: Option<Problem>) -> WalkError {
        match stuck {
            Stuck::StillRunning(error) => self.error(Problem::StillRunning(error), Left::Open),
            Stuck::Problem(error) => self.error(error, Left::Open),
            Stuck::Unrestored { n, backup, restore } => {
                let step = run.steps.iter().find(|step| step.n == n);
                let problem = match (problem, step) {
                    (
                        Some(Problem::Failed {
                            step,
                            part,
                            outcome,
                            output,
                            ..
                        }),
                        _,
                    ) => Problem::Failed {
                        step,
                        part,
                        outcome,
                        output,
                        restore,
                    },
                    (_, Some(step)) => match restore {
                        Some((outcome, output)) => Problem::Failed {
                            step: step.named(),
                            part: StepPart::Restore,
                            outcome,
                            output,
                            restore: None,
                        },
                        None => Problem::Unrestored(step.named()),
                    },
                    (problem, None) => problem.unwrap_or(Problem::Overtaken(run.id.clone())),
                };
                self.error(problem, Left::Unrestored { backup })
            }
        }
    }

    /// Where the record cannot be written in the middle of a step: the state is brought back all the same, as settling would and
    /// will once more, for nobody may find it half done meanwhile.
    fn salvage(&mut self, run: &Run, step: &Scene, error: RecordError) -> WalkError {
        let open = |engine: &Self, error| engine.error(Problem::Record(error), Left::Open);
        let Ok(recorded) = self.recorded_step(&run.id, step.n) else {
            return open(self, error);
        };
        let again = match recorded.phase {
            Phase::Running | Phase::Failed | Phase::Restoring => recorded.backup,
            _ => None,
        };
        if let Some(backup) = again {
            let done = match (backup.by, step.script(Part::Restore)) {
                (BackupBy::Nixmig, _) => self.restore_built_in(step, &backup).is_good(),
                (BackupBy::Script, Some(script)) => {
                    let restore = (script, StepPart::Restore);
                    let ended = self.run_script(run, step, restore, Some(&backup.directory), true);
                    ended.is_ok_and(|ended| ended.outcome.is_good())
                }
                (BackupBy::Script, None) => false,
            };
            // The record does not know of it; settling does it once more, and has it on disk.
            if done {
                self.tell(Some(step.at), Happening::Restored);
            }
        }
        open(self, error)
    }
}
