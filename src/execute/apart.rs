//! Owns runs whose steps are processes of their own: the beginning that hands them over, one step of a recorded run, and how a
//! run went that others walked. All of it is decided from the record, under the service's lock.

use std::sync::Arc;

use super::chain::Links;
use super::definition::units;
use super::engine::{Arrival, Engine};
use super::error::{Left, Named, Problem, WalkError};
use super::run::Run;
use super::settle::Settled;
use crate::model::{Block, Phase, RunId, Version};
use crate::record::{Event, Outcome, RunOutcome, StepPart};

/// What there is to walk.
#[derive(Debug)]
pub enum Begun {
    /// Nothing.
    Nothing(Arrival),
    /// A run, which is recorded and open.
    Open(Opened),
}

/// An open run.
#[derive(Debug)]
pub struct Opened {
    pub(super) run: Run,
}

impl Opened {
    /// Its id.
    pub fn id(&self) -> &RunId {
        &self.run.id
    }
}

/// The right to run a step: under the service's lock, its run is open and it is the next of it.
#[derive(Debug)]
pub struct Turn {
    run: Run,
    position: usize,
}

impl Engine<'_> {
    /// What is to be handed over of an open run: the steps that are not finished, and what they need of the machine.
    ///
    /// # Errors
    ///
    /// Fails where the record cannot be read, or the run is not open any more.
    pub fn links(&self, opened: &Opened) -> Result<Links, WalkError> {
        let run = &opened.run;
        let mut links = Links {
            service: self.service.clone(),
            run: run.id.clone(),
            steps: Vec::new(),
            after: Vec::new(),
            mounts: vec![self.place.state_dir.clone(), self.place.backups()],
        };
        let steps = self
            .recorded_steps(&run.id)
            .map_err(|problem| self.error(problem, Left::Open))?;
        let unfinished = run.steps.iter().zip(&steps);
        let unfinished = unfinished.filter(|(_, step)| step.phase != Phase::Finished);
        links.steps.extend(unfinished.map(|(scene, _)| scene.at));
        for known in run.known.values() {
            let required = known.gate.service.requires.value();
            links.after.extend(required.into_iter().flatten().cloned());
            links.mounts.extend(known.places());
        }
        // A gated unit waits for whoever waits for the step: of another generation, it may be required.
        let gated = units(run.known.values().chain(&run.target).map(Arc::as_ref));
        links.after.retain(|unit| !unit.is_of(&gated));
        links.after.sort();
        links.after.dedup();
        links.mounts.sort();
        links.mounts.dedup();
        Ok(links)
    }

    /// Settles a run whose steps could not be handed over, and says so. Those of them that are under way all the same will find
    /// that it is not open any more.
    pub fn not_handed_over(&mut self, problem: Problem) -> WalkError {
        let left = match self.settle(None) {
            Ok(settled) => left(settled),
            Err(error) => error.left,
        };
        self.error(problem, left)
    }

    /// Makes sure that it is the turn of a step of a recorded run, counted from 0. Touches nothing.
    ///
    /// # Errors
    ///
    /// Fails where the run is not open any more, where it is not that step's turn, and where the record cannot be read.
    pub fn turn(&mut self, run: &RunId, n: u32) -> Result<Turn, WalkError> {
        let open = self
            .open_run()
            .map_err(|problem| self.error(problem, Left::Open))?;
        let Some(open) = open.filter(|open| open.id == *run) else {
            return Err(self.error(Problem::Overtaken(run.clone()), Left::Untouched));
        };
        let mut scenes = open.steps.iter().enumerate();
        let Some((position, scene)) = scenes.find(|(_, scene)| scene.n == n) else {
            return Err(self.error(Problem::Overtaken(run.clone()), Left::Untouched));
        };
        let steps = self
            .recorded_steps(run)
            .map_err(|problem| self.error(problem, Left::Open))?;
        let mut steps = steps.iter().enumerate();
        let next = steps.find(|(_, step)| step.phase != Phase::Finished);
        let next = next.filter(|(_, step)| {
            let fresh = matches!(step.phase, Phase::Planned | Phase::Restored) && step.backup.is_none();
            fresh && !step.failed
        });
        if next.is_none_or(|(next, _)| next != position) {
            // Whoever brought it there, or settles it, decides: it is not this step's to touch.
            return Err(self.error(Problem::Turn(scene.named()), Left::Open));
        }
        self.name_run(run);
        Ok(Turn { run: open, position })
    }

    /// Runs a step whose turn it is; after the last one the run has arrived. None where others follow.
    ///
    /// # Errors
    ///
    /// Fails as [`walk`](Self::walk) does: then what the run did is brought back.
    pub fn step_of(&mut self, turn: &Turn) -> Result<Option<Arrival>, WalkError> {
        let open = &turn.run;
        if let Some(scene) = open.steps.get(turn.position)
            && let Err(trouble) = self.step(open, scene)
        {
            return Err(self.undo(open, scene, trouble));
        }
        match turn.position + 1 == open.steps.len() {
            true => self.arrive(open).map(Some),
            false => Ok(None),
        }
    }

    /// How a run went whose steps were handed over, from the record alone. One that is still open, of which nothing lives any more,
    /// is settled.
    ///
    /// # Errors
    ///
    /// The same that an in-process walk of it would have ended with, as far as the record tells.
    pub fn ended(&mut self, run: &RunId) -> Result<Arrival, WalkError> {
        let open = |engine: &Self, problem: Problem| engine.error(problem, Left::Open);
        let view = self.record.view().map_err(|error| open(self, error.into()))?;
        let recorded = view.services.get(self.service);
        let still = recorded.and_then(|recorded| recorded.open_run.as_ref());
        let stuck = recorded.is_some_and(|recorded| matches!(recorded.block, Some(Block::Unrestored { .. })));
        if let Some(still) = still.filter(|still| still.id == *run && !stuck) {
            let next = still.steps.iter().find(|step| step.phase != Phase::Finished);
            let problem = next.map(|step| {
                let named = Named {
                    direction: step.direction,
                    version: step.version,
                };
                match step.phase {
                    Phase::Planned => Problem::NotRun(named),
                    _ => Problem::Died(named),
                }
            });
            return match self.settle(None)? {
                Settled::Arrived(arrival) => Ok(arrival),
                settled => {
                    let problem = problem.unwrap_or_else(|| Problem::Overtaken(run.clone()));
                    Err(self.error(problem, left(settled)))
                }
            };
        }
        let events = self
            .record
            .of_run(run)
            .map_err(|error| open(self, error.into()))?;
        let log = Log(&events);
        log.outcome(run).map_err(|problem| {
            let left = match log.ended() {
                Some(RunOutcome::Failed { .. }) => self.unrestored(),
                Some(_) => log.left(),
                None => Left::Open,
            };
            self.error(problem, left)
        })
    }
}

/// How settling left the state.
fn left(settled: Settled) -> Left {
    match settled {
        Settled::Abandoned { kept, .. } if !kept.is_empty() => Left::Partly(kept),
        Settled::Abandoned { .. } | Settled::Failed { .. } => Left::Restored,
        Settled::Nothing | Settled::Arrived(_) => Left::Untouched,
        Settled::GoesOn(_) | Settled::Blocked => Left::Open,
    }
}

/// What is recorded of one run.
struct Log<'e>(&'e [Event]);

impl Log<'_> {
    /// How it ended, the last time; none where it is open.
    fn ended(&self) -> Option<RunOutcome> {
        self.0.iter().rev().find_map(|event| match event {
            Event::RunEnded { outcome, .. } => Some(*outcome),
            _ => None,
        })
    }

    fn named(&self, n: u32) -> Option<Named> {
        let steps = self.0.iter().find_map(|event| match event {
            Event::RunBegun { steps, .. } => Some(steps),
            _ => None,
        });
        let step = steps?.get(usize::try_from(n).ok()?)?;
        Some(Named {
            direction: step.direction.into(),
            version: step.version,
        })
    }

    fn outcome(&self, run: &RunId) -> Result<Arrival, Problem> {
        let gone = || Problem::Overtaken(run.clone());
        match self.ended().ok_or_else(gone)? {
            RunOutcome::Arrived => Ok(Arrival {
                run: Some(run.clone()),
                applied: self.applied().unwrap_or_default(),
            }),
            RunOutcome::Abandoned => Err(self.given_up().unwrap_or_else(gone)),
            RunOutcome::Restored { .. } | RunOutcome::Failed { .. } => {
                Err(self.failed().unwrap_or_else(gone))
            }
        }
    }

    /// What is applied since its last change.
    fn applied(&self) -> Option<Vec<Version>> {
        self.0.iter().rev().find_map(|event| match event {
            Event::StepFinished { applied, .. } | Event::Restored { applied, .. } => Some(applied.clone()),
            _ => None,
        })
    }

    /// The step that failed, and how; also how its restore did.
    fn failed(&self) -> Option<Problem> {
        let restore = self.0.iter().rev().find_map(|event| match event {
            Event::RestoreFailed { outcome, output, .. } => Some((outcome.clone(), output.clone())),
            _ => None,
        });
        self.0.iter().rev().find_map(|event| match event {
            Event::StepFailed {
                n,
                part,
                outcome,
                output,
                ..
            } => Some(Problem::Failed {
                step: self.named(*n)?,
                part: *part,
                outcome: outcome.clone(),
                output: output.clone(),
                restore: restore.clone(),
            }),
            _ => None,
        })
    }

    /// Why it was given up though no script of it failed.
    fn given_up(&self) -> Option<Problem> {
        self.0.iter().rev().find_map(|event| match event {
            Event::PartEnded {
                part: StepPart::Prepare,
                outcome: Outcome::Error(words),
                ..
            } => Some(Problem::Told(words.clone())),
            Event::PartEnded {
                outcome: Outcome::Interrupted,
                ..
            } => Some(Problem::Interrupted(rustix::process::Signal::TERM.as_raw())),
            Event::StepFailed { .. } => self.failed(),
            _ => None,
        })
    }

    /// How far it was brought back.
    fn left(&self) -> Left {
        let mut done = Vec::new();
        let mut touched = false;
        for event in self.0 {
            match event {
                Event::StepFinished { n, .. } => done.push(*n),
                Event::Restored { n, .. } => done.retain(|other| other != n),
                Event::ScriptBegun { .. } => touched = true,
                _ => {}
            }
        }
        let kept = done.iter().rev().filter_map(|n| Some(self.named(*n)?.version));
        match (done.is_empty(), touched) {
            (false, _) => Left::Partly(kept.collect()),
            (true, true) => Left::Restored,
            (true, false) => Left::Untouched,
        }
    }
}
