//! Owns walking a path: what is checked before a run begins, its beginning and its end. One step is next door.

use std::path::Path;
use std::sync::Arc;

use super::apart::{Begun, Opened};
use super::definition::{Known, units};
use super::error::{Left, Named, Problem, WalkError};
use super::guard::Guarding;
use super::occupancy::{self, Occupancy};
use super::progress::{Happening, Progress, ProgressEvent, StepAt};
use super::run::{Planned, Run, Scene};
use super::script::Executor;
use super::settle::Settled;
use crate::fault;
use crate::model::{Block, Direction, OpenRun, Phase, Recorded, RunId, ServiceName, Version};
use crate::plan::Step;
use crate::record::{
    Acknowledgement, Event, Place, Record, RecordError, RunOutcome, ServiceLock, StepRecord, View, new_run,
    roots,
};

/// Runs the path of one service, settles what an earlier run left, and resumes. Holds the service's lock for as long as it lives,
/// and lends it to scripts.
pub struct Engine<'a> {
    /// Where the machine's memory is.
    pub place: &'a Place,
    /// The record.
    pub record: &'a mut Record,
    /// The lock of the service.
    pub lock: &'a mut ServiceLock,
    /// The service.
    pub service: &'a ServiceName,
    /// Runs the scripts.
    pub executor: &'a dyn Executor,
    /// Hears what happens.
    pub progress: &'a dyn Progress,
    /// Where control groups are: [`occupancy::CGROUPS`].
    pub cgroups: &'a Path,
}

/// A path to walk.
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    /// The toplevel of the generation that starts.
    pub generation: &'a str,
    /// Its definition of the service; none where it has none.
    pub target: Option<&'a Known>,
    /// What the path was planned from, in the order of application.
    pub applied: &'a [Version],
    /// The path.
    pub steps: &'a [Step],
    /// The package of the generation that ran last, for where the record knows of none.
    pub previous_package: Option<&'a str>,
    /// The package of the generation that starts, for where it has no definition that says so.
    pub new_package: Option<&'a str>,
    /// How the service is guarded meanwhile, and from then on.
    pub guarding: Guarding<'a>,
}

/// The end of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The run that went there; none where there was nothing to do.
    pub run: Option<RunId>,
    /// What is applied now, in the order of application.
    pub applied: Vec<Version>,
}

/// The steps of a path that have to be acknowledged and are not, by the module or on this machine.
fn unacknowledged<'p>(
    steps: &'p [Step],
    service: &ServiceName,
    view: &View,
) -> impl Iterator<Item = &'p Step> {
    steps.iter().filter(move |step| {
        let acknowledgement: Acknowledgement = (
            service.clone(),
            step.version(),
            step.direction,
            step.action().digest,
        );
        step.needs_acknowledgement && !view.acknowledged.contains(&acknowledgement)
    })
}

impl Engine<'_> {
    /// Walks a path to its end, or brings back what it did. An open run that goes the same way goes on; any other is brought back,
    /// which changes what there is to plan: [settling](Self::settle) before planning is better.
    ///
    /// # Errors
    ///
    /// See [`WalkError`], which says how the state was left.
    pub fn walk(&mut self, walk: &Walk<'_>) -> Result<Arrival, WalkError> {
        let run = match self.begin(walk)? {
            Begun::Nothing(arrival) => return Ok(arrival),
            Begun::Open(opened) => opened.run,
        };
        for scene in &run.steps {
            let phase = self
                .phase(&run.id, scene.n)
                .map_err(|problem| self.error(problem, Left::Open))?;
            if phase == Phase::Finished {
                continue;
            }
            if let Err(trouble) = self.step(&run, scene) {
                return Err(self.undo(&run, scene, trouble));
            }
        }
        self.arrive(&run)
    }

    /// Makes sure that a path can be walked and records its run, which is open from then on; or finds the open one that goes there.
    /// An open run that goes elsewhere is brought back, which changes what there is to plan.
    ///
    /// # Errors
    ///
    /// See [`WalkError`]: nothing of the path was begun.
    pub fn begin(&mut self, walk: &Walk<'_>) -> Result<Begun, WalkError> {
        match self.open(walk) {
            Ok(Some(run)) => Ok(Begun::Open(Opened { run })),
            Ok(None) => Ok(Begun::Nothing(Arrival {
                run: None,
                applied: walk.applied.to_vec(),
            })),
            Err(problem @ Problem::Open(_)) => {
                let left = match self.settle(None)? {
                    Settled::Abandoned { kept, .. } if !kept.is_empty() => Left::Partly(kept),
                    Settled::Abandoned { .. } | Settled::Failed { .. } => Left::Restored,
                    Settled::Nothing | Settled::Arrived(_) | Settled::GoesOn(_) | Settled::Blocked => {
                        Left::Untouched
                    }
                };
                Err(self.error(problem, left))
            }
            Err(problem) => {
                let left = match &problem {
                    Problem::Unrestored(_) => self.unrestored(),
                    _ => Left::Untouched,
                };
                Err(self.error(problem, left))
            }
        }
    }

    /// How a step that was not brought back left the state.
    pub(super) fn unrestored(&self) -> Left {
        let view = self.record.view().ok();
        let recorded = view.as_ref().and_then(|view| view.services.get(self.service));
        match recorded.and_then(|recorded| recorded.block.as_ref()) {
            Some(Block::Unrestored { backup, .. }) => Left::Unrestored {
                backup: backup.as_ref().map(|backup| backup.directory.clone()),
            },
            _ => Left::Untouched,
        }
    }

    /// Makes sure that the path can be walked, and begins the run, or finds the open one that goes there. None where there is
    /// nothing to do.
    fn open(&mut self, walk: &Walk<'_>) -> Result<Option<Run>, Problem> {
        let view = self.record.view()?;
        let recorded = view.services.get(self.service).ok_or(Problem::NotMet)?;
        if recorded.versions() != walk.applied {
            return Err(Problem::Changed);
        }
        passes(recorded, walk.steps)?;
        if let Some(open) = &recorded.open_run {
            return self.go_on(walk, &view, recorded, open).map(Some);
        }
        if walk.steps.is_empty() {
            return Ok(None);
        }
        if let Some(step) = walk.steps.iter().find(|step| is_stranded(step)) {
            return Err(Problem::NoWay(step.version()));
        }
        let missing = unacknowledged(walk.steps, self.service, &view);
        let missing: Vec<_> = missing.map(|step| Planned::of(step).named()).collect();
        if !missing.is_empty() {
            return Err(Problem::Unacknowledged {
                steps: missing,
                generation: walk.generation.to_owned(),
            });
        }
        self.check_steps(walk, &view, recorded)?;

        let run = new_run().map_err(|problem| Problem::Io {
            doing: "no id could be made for the run".to_owned(),
            problem,
        })?;
        let mut events = self.keep(walk, recorded)?;
        let package = walk.target.and_then(Known::package).or(walk.new_package);
        events.push(Event::RunBegun {
            run: run.clone(),
            service: self.service.clone(),
            generation: walk.generation.to_owned(),
            package: package.map(str::to_owned),
            applied: walk.applied.to_vec(),
            steps: records(walk, recorded),
        });
        // Only now, when the run keeps the definition that undid it until here: its state directories and units count, too.
        events.extend(
            walk.target
                .filter(|target| target.has_all(walk.applied))
                .map(|target| self.defined(target, true)),
        );
        self.guard(walk, &view)?;
        self.reached("guarded")?;
        self.record.append(&events)?;
        self.reached("run-begun")?;
        let run = self.open_run()?.ok_or(Problem::Overtaken(run))?;
        self.tell(
            None,
            Happening::Run {
                run: &run.id,
                again: false,
            },
        );
        self.name_run(&run.id);
        Ok(Some(run))
    }

    /// Roots what the run and its undoing need, and what is to be recorded of it.
    fn keep(&self, walk: &Walk<'_>, recorded: &Recorded) -> Result<Vec<Event>, Problem> {
        let mut events = Vec::new();
        if let (None, Some(package)) = (&recorded.package, walk.previous_package) {
            roots::keep_package(self.place, self.service, package)?;
            events.push(Event::PackageRan {
                service: self.service.clone(),
                package: package.to_owned(),
            });
        }
        if let Some(target) = walk.target {
            roots::keep(self.place, self.service, &target.definition)?;
            events.push(self.defined(target, false));
        }
        Ok(events)
    }

    fn defined(&self, known: &Known, current: bool) -> Event {
        Event::Defined {
            service: self.service.clone(),
            definition: known.definition.clone(),
            current,
        }
    }

    /// Whether an open run goes where a path does. Its finished steps are the part of the path that is behind.
    fn go_on(
        &mut self,
        walk: &Walk<'_>,
        view: &View,
        recorded: &Recorded,
        open: &OpenRun,
    ) -> Result<Run, Problem> {
        let ahead = open.steps.iter().skip_while(|step| step.phase == Phase::Finished);
        let same = open.generation == walk.generation
            && ahead
                .map(|step| (step.direction, step.version, &step.swallowed, step.digest))
                .eq(walk.steps.iter().map(|step| {
                    (
                        step.direction,
                        step.version(),
                        &step.swallowed,
                        step.action().digest,
                    )
                }));
        if !same {
            return Err(Problem::Open(open.id.clone()));
        }
        let run = Run::load(self.service, view, recorded, open)?;
        for step in &run.steps {
            step.check_scripts(self.executor)?;
        }
        self.tell(
            None,
            Happening::Run {
                run: &run.id,
                again: true,
            },
        );
        self.name_run(&run.id);
        Ok(run)
    }

    /// Whether all scripts of a path can be run, now.
    fn check_steps(&self, walk: &Walk<'_>, view: &View, recorded: &Recorded) -> Result<(), Problem> {
        let past = recorded.definition.clone();
        let past = past
            .map(|past| Known::read(self.service, past))
            .transpose()?
            .map(Arc::new);
        let target = walk.target.cloned().map(Arc::new);
        let ran = recorded.package.as_deref().or(walk.previous_package);
        for (n, step) in walk.steps.iter().enumerate() {
            let planned = Planned::of(step);
            let known = match step.direction {
                Direction::Up => &target,
                Direction::Down => &past,
            };
            let known = known.clone().ok_or_else(|| Problem::NoDefinition {
                step: planned.named(),
                unit: "no generation that has all that is applied is known".to_owned(),
            })?;
            let scene = Scene::new(&planned, (n, walk.steps.len()), known)?;
            scene.check_scripts(self.executor)?;
            if ran.is_none() && scene.goes_by_old_package() {
                return Err(Problem::NoOldPackage(planned.named()));
            }
            writable(scene.known.directories())?;
        }
        let kept = view.definitions.get(self.service).into_iter().flatten();
        let kept = kept.map(|(_, kept)| Known::read(self.service, kept.clone()));
        let kept: Vec<_> = kept.collect::<Result<_, _>>()?;
        self.vacant(kept.iter().chain(walk.target))
    }

    /// Whether no unit of these definitions has processes. Where that cannot be told, that is said.
    pub(super) fn vacant<'k>(&self, known: impl IntoIterator<Item = &'k Known>) -> Result<(), Problem> {
        if let Some(why) = self.occupancy(known)? {
            let text = format!(
                "Whether units of {} still run was not looked at: {why}.",
                self.service
            );
            self.tell(None, Happening::Note { text: &text });
        }
        Ok(())
    }

    /// The same once more: where it cannot be told, that was said before.
    pub(super) fn still_vacant<'k>(&self, known: impl IntoIterator<Item = &'k Known>) -> Result<(), Problem> {
        self.occupancy(known).map(drop)
    }

    /// Why it cannot be told whether units of these definitions have processes.
    fn occupancy<'k>(
        &self,
        known: impl IntoIterator<Item = &'k Known>,
    ) -> Result<Option<&'static str>, Problem> {
        match occupancy::look(self.cgroups, &units(known)).map_err(Problem::Occupancy)? {
            Occupancy::Known(occupied) if occupied.is_empty() => Ok(None),
            Occupancy::Known(occupied) => Err(Problem::Occupied(occupied)),
            Occupancy::Unknown(why) => Ok(Some(why)),
        }
    }

    /// Closes a run whose steps are all done, and lets go of what it kept.
    pub(super) fn arrive(&mut self, run: &Run) -> Result<Arrival, WalkError> {
        let open = |engine: &Self, problem: Problem| engine.error(problem, Left::Open);
        let mut events = self.drop_backups(run).map_err(|problem| open(self, problem))?;
        if let Some(package) = &run.new_package {
            roots::keep_package(self.place, self.service, package)
                .map_err(|error| open(self, error.into()))?;
            events.push(Event::PackageRan {
                service: self.service.clone(),
                package: package.clone(),
            });
        }
        events.push(Event::RunEnded {
            run: run.id.clone(),
            outcome: RunOutcome::Arrived,
        });
        self.record
            .append(&events)
            .map_err(|error| open(self, error.into()))?;
        self.reached("run-ended").map_err(|problem| open(self, problem))?;
        self.prune();
        let applied = run.steps.last().map(|last| last.after(&run.before(last.n)));
        Ok(Arrival {
            run: Some(run.id.clone()),
            applied: applied.unwrap_or_else(|| run.before.clone()),
        })
    }

    /// Drops the roots that nothing needs any more. One that stays costs space and nothing else.
    pub(super) fn prune(&self) {
        let pruned = || -> Result<(), RecordError> {
            let view = self.record.view()?;
            roots::prune(self.place, &view, self.service)
        };
        if let Err(error) = pruned() {
            let text = format!("What is kept from the garbage collector could not be tidied up: {error}.");
            self.tell(None, Happening::Note { text: &text });
        }
    }

    /// The open run of the service, as the record has it.
    pub(super) fn open_run(&self) -> Result<Option<Run>, Problem> {
        let view = self.record.view()?;
        let Some(recorded) = view.services.get(self.service) else {
            return Ok(None);
        };
        let open = recorded.open_run.as_ref();
        open.map(|open| Run::load(self.service, &view, recorded, open))
            .transpose()
    }

    /// How far a step of an open run came.
    pub(super) fn phase(&self, run: &RunId, n: u32) -> Result<Phase, Problem> {
        Ok(self.recorded_step(run, n)?.phase)
    }

    /// A step of an open run, as the record has it.
    pub(super) fn recorded_step(&self, run: &RunId, n: u32) -> Result<crate::model::RunStep, Problem> {
        let steps = self.recorded_steps(run)?;
        let step = usize::try_from(n).ok().and_then(|n| steps.into_iter().nth(n));
        step.ok_or_else(|| Problem::Overtaken(run.clone()))
    }

    /// All steps of an open run, as the record has them.
    pub(super) fn recorded_steps(&self, run: &RunId) -> Result<Vec<crate::model::RunStep>, Problem> {
        let view = self.record.view()?;
        let open = view.open_run(run).filter(|(service, _)| *service == self.service);
        let (_, open) = open.ok_or_else(|| Problem::Overtaken(run.clone()))?;
        Ok(open.steps.clone())
    }

    pub(super) fn tell(&self, step: Option<StepAt>, happening: Happening<'_>) {
        self.progress.event(&ProgressEvent {
            service: self.service,
            step,
            happening,
        });
    }

    /// Tells those who wait for the lock what it is held for. Whether they hear it changes nothing.
    pub(super) fn name_run(&mut self, run: &RunId) {
        let _ = self.lock.name_run(run);
    }

    /// A named point at which tests make it fail.
    pub(super) fn reached(&self, point: &str) -> Result<(), Problem> {
        fault::point(point).map_err(|problem| Problem::Io {
            doing: point.to_owned(),
            problem,
        })
    }

    pub(super) fn error(&self, problem: Problem, left: Left) -> WalkError {
        WalkError {
            service: self.service.clone(),
            what: Box::new(problem),
            left,
        }
    }
}

/// Whether what failed before stands in the way of a path.
fn passes(recorded: &Recorded, steps: &[Step]) -> Result<(), Problem> {
    match &recorded.block {
        None => Ok(()),
        Some(Block::Unrestored {
            direction, version, ..
        }) => Err(Problem::Unrestored(Named {
            direction: *direction,
            version: *version,
        })),
        Some(Block::Restored {
            direction,
            version,
            digest,
            ..
        }) => {
            let failed = |step: &Step| {
                (step.direction, step.version(), step.action().digest) == (*direction, *version, *digest)
            };
            match steps.iter().any(failed) {
                false => Ok(()),
                true => Err(Problem::Blocked(Named {
                    direction: *direction,
                    version: *version,
                })),
            }
        }
    }
}

fn is_stranded(step: &Step) -> bool {
    step.direction == Direction::Down && !step.action().script.is_set()
}

/// The steps as they are recorded.
fn records(walk: &Walk<'_>, recorded: &Recorded) -> Vec<StepRecord> {
    let target = walk.target.map(|target| &target.definition);
    let record = |step: &Step| {
        let definition = match step.direction {
            Direction::Up => target,
            Direction::Down => recorded.definition.as_ref(),
        };
        StepRecord {
            direction: step.direction.into(),
            version: step.version(),
            swallowed: step.swallowed.clone(),
            digest: step.action().digest,
            unit: definition
                .map(|definition| definition.unit.clone())
                .unwrap_or_default(),
        }
    };
    walk.steps.iter().map(record).collect()
}

/// Whether the state directories that are there can be written to: else neither a script nor a restore could.
fn writable(directories: &[String]) -> Result<(), Problem> {
    let is_read_only = |directory: &&String| {
        rustix::fs::statvfs(directory.as_str())
            .is_ok_and(|stat| stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
    };
    match directories.iter().find(is_read_only) {
        Some(directory) => Err(Problem::ReadOnly(directory.clone())),
        None => Ok(()),
    }
}
