//! Owns settling: what an earlier run left behind, by a power loss, a kill, or a disk that was full, is brought to an end before
//! a path is planned (docs/execution.md).

use super::engine::{Arrival, Engine};
use super::error::{Left, WalkError};
use super::progress::Happening;
use super::run::{Run, Scene};
use super::undo::Stuck;
use crate::model::{Block, Phase, RunId, RunStep, Version};
use crate::record::{Event, Outcome, RunOutcome, StepPart};

/// How often a step may be begun and not end before that counts as a failure.
pub const ATTEMPTS: u32 = 3;

/// What an earlier run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// There was none.
    Nothing,
    /// Its steps were all done: it only had to be said.
    Arrived(Arrival),
    /// It goes where the next path goes. What it finished counts, what it was in the middle of was brought back.
    GoesOn(RunId),
    /// It goes elsewhere, so it was brought back; but for these steps, newest first, which have no backup.
    Abandoned {
        /// The run.
        run: RunId,
        /// The steps that stay.
        kept: Vec<Version>,
    },
    /// One of its steps had failed, or been interrupted too often: it was brought back, and that path is blocked with that
    /// definition.
    Failed {
        /// The run.
        run: RunId,
    },
    /// A step had failed before and was not brought back: nothing runs until somebody decides.
    Blocked,
}

impl Engine<'_> {
    /// Settles what an earlier run left. `goal` is the toplevel of the generation that will be planned for; none where only the
    /// end of what was begun matters.
    ///
    /// # Errors
    ///
    /// Fails where units have processes, where the state cannot be brought back, and where the record cannot be written.
    pub fn settle(&mut self, goal: Option<&str>) -> Result<Settled, WalkError> {
        let view = self
            .record
            .view()
            .map_err(|error| self.error(error.into(), Left::Open))?;
        let Some(recorded) = view.services.get(self.service) else {
            return Ok(Settled::Nothing);
        };
        let Some(open) = &recorded.open_run else {
            return Ok(Settled::Nothing);
        };
        if matches!(recorded.block, Some(Block::Unrestored { .. })) {
            return Ok(Settled::Blocked);
        }
        let run = Run::load(self.service, &view, recorded, open);
        let run = run.map_err(|problem| self.error(problem, Left::Open))?;
        let text = format!("Run {} never reported its end: settling it.", run.id);
        self.tell(None, Happening::Note { text: &text });
        if open.steps.iter().all(|step| step.phase == Phase::Finished) {
            return self.arrive(&run).map(Settled::Arrived);
        }
        self.vacant(run.known.values().map(|known| &**known))
            .map_err(|problem| self.error(problem, Left::Open))?;
        let mut steps = open.steps.iter().zip(&run.steps);
        let last = steps.rfind(|(step, _)| step.phase != Phase::Planned);
        self.settle_run(&run, last, goal, &open.steps)
            .map_err(|stuck| self.stuck(&run, stuck, None))
    }

    fn settle_run(
        &mut self,
        run: &Run,
        last: Option<(&RunStep, &Scene)>,
        goal: Option<&str>,
        steps: &[RunStep],
    ) -> Result<Settled, Stuck> {
        let mut failed = run
            .steps
            .iter()
            .zip(steps)
            .find(|(_, step)| step.failed)
            .map(|(scene, _)| scene.n);
        if let Some((step, scene)) = last {
            self.log_interruption(run, scene, step.phase);
            if failed.is_none() && self.gave_up(run, scene, step)? {
                failed = Some(scene.n);
            }
        }
        if let Some(n) = failed {
            self.bring_back(run)?;
            self.close(run, RunOutcome::Restored { n })?;
            return Ok(Settled::Failed { run: run.id.clone() });
        }
        if goal == Some(run.generation.as_str()) {
            // The newest first: an earlier one may have been in the middle of being brought back, too.
            let undone = |step: &RunStep| !matches!(step.phase, Phase::Planned | Phase::Finished);
            let scenes = run.steps.iter().zip(steps);
            for (scene, _) in scenes.rev().filter(|(_, step)| undone(step)) {
                self.bring_back_one(run, scene)?;
                self.forget_backup(run, scene)?;
            }
            return Ok(Settled::GoesOn(run.id.clone()));
        }
        let kept = self.bring_back(run)?;
        self.close(run, RunOutcome::Abandoned)?;
        Ok(Settled::Abandoned {
            run: run.id.clone(),
            kept,
        })
    }

    /// Drops the backup of a step that was brought back and will be begun again.
    fn forget_backup(&mut self, run: &Run, scene: &Scene) -> Result<(), Stuck> {
        let recorded = self.recorded_step(&run.id, scene.n)?;
        if let Some(backup) = recorded.backup {
            self.remove(&backup);
            self.record.append(&[Event::BackupDropped {
                run: run.id.clone(),
                n: scene.n,
            }])?;
        }
        Ok(())
    }

    /// Counts an interruption as a failure where it is one too many.
    fn gave_up(&mut self, run: &Run, scene: &Scene, step: &RunStep) -> Result<bool, Stuck> {
        let part = match step.phase {
            Phase::Begun | Phase::BackedUp => StepPart::Backup,
            Phase::Running => StepPart::Script,
            _ => return Ok(false),
        };
        if step.begun < ATTEMPTS {
            return Ok(false);
        }
        self.record.append(&[Event::StepFailed {
            run: run.id.clone(),
            n: scene.n,
            part,
            outcome: Outcome::Error(format!("it was interrupted {} times", step.begun)),
            output: String::new(),
        }])?;
        Ok(true)
    }

    fn log_interruption(&mut self, run: &Run, scene: &Scene, phase: Phase) {
        let part = match phase {
            Phase::Begun => StepPart::Backup,
            Phase::BackedUp | Phase::Running => StepPart::Script,
            Phase::Restoring => StepPart::Restore,
            Phase::Planned | Phase::Finished | Phase::Failed | Phase::Restored | Phase::RestoreFailed => {
                return;
            }
        };
        self.record.note(Event::PartEnded {
            run: run.id.clone(),
            n: scene.n,
            part,
            outcome: Outcome::Interrupted,
            milliseconds: 0,
            output: String::new(),
        });
    }
}
