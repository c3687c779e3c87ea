//! Owns what a run is made of while it is walked, settled or resumed: its steps with the scripts and accounts that they need.
//! Values of the record and of definitions; runs nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::definition::Known;
use super::environment::{OLD_PACKAGE, Told, environment, goes_by};
use super::error::{Named, Problem};
use super::progress::StepAt;
use super::script::{Executor, check};
use crate::model::{
    Action, BackupBy, Digest, Direction, OpenRun, Part, Recorded, RunId, RunStep, ServiceName, Setting,
    Version,
};
use crate::record::View;

/// A run, with all that its steps need.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) id: RunId,
    /// The toplevel that it goes to.
    pub(super) generation: String,
    /// What was applied before it.
    pub(super) before: Vec<Version>,
    pub(super) steps: Vec<Scene>,
    /// The definition of the generation that it goes to, where that has one.
    pub(super) target: Option<Arc<Known>>,
    /// All definitions that are kept.
    pub(super) known: BTreeMap<String, Arc<Known>>,
    pub(super) old_package: Option<String>,
    pub(super) new_package: Option<String>,
}

/// One step, with all that it needs.
#[derive(Debug)]
pub(super) struct Scene {
    /// Counted from 0, as the record does.
    pub(super) n: u32,
    pub(super) at: StepAt,
    pub(super) swallowed: Vec<Version>,
    pub(super) known: Arc<Known>,
    pub(super) action: Action,
    /// Who backs it up; none where nothing does.
    pub(super) backup_by: Option<BackupBy>,
}

impl Scene {
    /// A step with the definition that it runs.
    pub(super) fn new(
        step: &Planned<'_>,
        (n, of): (usize, usize),
        known: Arc<Known>,
    ) -> Result<Self, Problem> {
        let migration = known.gate.service.history.get(step.version);
        let action = migration.map(|migration| migration.action(step.direction).clone());
        let missing = || Problem::NoDefinition {
            step: step.named(),
            unit: known.definition.unit.clone(),
        };
        let action = action
            .filter(|action| action.digest == step.digest)
            .ok_or_else(missing)?;
        let own = action.backup.is_set() && action.restore.is_set();
        let backup_by = match (action.script.is_set(), own) {
            (false, _) => None,
            (true, true) => Some(BackupBy::Script),
            (true, false) => (!known.directories().is_empty()).then_some(BackupBy::Nixmig),
        };
        Ok(Self {
            // A run has far fewer steps.
            n: u32::try_from(n).unwrap_or(u32::MAX),
            at: StepAt {
                number: n + 1,
                of,
                direction: step.direction,
                version: step.version,
            },
            swallowed: step.swallowed.to_vec(),
            known,
            action,
            backup_by,
        })
    }

    pub(super) fn named(&self) -> Named {
        Named {
            direction: self.at.direction,
            version: self.at.version,
        }
    }

    /// Whether it does anything to the state. One that does not only changes the record.
    pub(super) fn touches(&self) -> bool {
        self.action.script.is_set()
    }

    /// The path of one of its scripts.
    pub(super) fn script(&self, part: Part) -> Option<&str> {
        match self.action.part(part) {
            Setting::Set(text) => text.path.as_deref(),
            Setting::Unset | Setting::Unknown(_) => None,
        }
    }

    /// Whether the scripts that it may run can be, and as whom they want to be. What brings the state back without them is had
    /// all the same.
    pub(super) fn check_scripts(&self, executor: &dyn Executor) -> Result<(), Problem> {
        executor.account(&self.known.gate)?;
        for script in self.scripts() {
            check(script, self.known.store().unwrap_or("".as_ref()))?;
        }
        Ok(())
    }

    /// Whether it fails where nobody knows which package last ran the state.
    pub(super) fn goes_by_old_package(&self) -> bool {
        self.scripts().any(|script| {
            let text = std::fs::read(script);
            text.is_ok_and(|text| goes_by(&text, OLD_PACKAGE))
        })
    }

    /// The scripts that it may run.
    fn scripts(&self) -> impl Iterator<Item = &str> {
        let own = self.backup_by == Some(BackupBy::Script);
        let parts = [Part::Script, Part::Verify, Part::Backup, Part::Restore];
        let runs = move |part: &Part| own || matches!(part, Part::Script | Part::Verify);
        parts
            .into_iter()
            .filter(runs)
            .filter_map(|part| self.script(part))
    }

    /// What is applied once it is done.
    pub(super) fn after(&self, before: &[Version]) -> Vec<Version> {
        let mine = |version: &Version| *version == self.at.version || self.swallowed.contains(version);
        let others = before.iter().filter(|version| !mine(version)).copied();
        match self.at.direction {
            Direction::Down => others.collect(),
            Direction::Up => others
                .chain(self.swallowed.iter().copied())
                .chain([self.at.version])
                .collect(),
        }
    }
}

/// A step as it is planned or recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Planned<'a> {
    pub(super) direction: Direction,
    pub(super) version: Version,
    pub(super) swallowed: &'a [Version],
    pub(super) digest: Option<Digest>,
}

impl<'a> Planned<'a> {
    fn recorded(step: &'a RunStep) -> Self {
        Self {
            direction: step.direction,
            version: step.version,
            swallowed: &step.swallowed,
            digest: step.digest,
        }
    }

    pub(super) fn of(step: &'a crate::plan::Step) -> Self {
        Self {
            direction: step.direction,
            version: step.version(),
            swallowed: &step.swallowed,
            digest: step.action().digest,
        }
    }

    pub(super) fn named(&self) -> Named {
        Named {
            direction: self.direction,
            version: self.version,
        }
    }
}

impl Run {
    /// The open run of a service, from the record alone.
    pub(super) fn load(
        service: &ServiceName,
        view: &View,
        recorded: &Recorded,
        open: &OpenRun,
    ) -> Result<Self, Problem> {
        let kept = view.definitions.get(service);
        let mut known = BTreeMap::new();
        for (unit, definition) in kept.into_iter().flatten() {
            known.insert(unit.clone(), Arc::new(Known::read(service, definition.clone())?));
        }
        let of = open.steps.len();
        let scene = |(n, step): (usize, &RunStep)| {
            let planned = Planned::recorded(step);
            let definition = known.get(&step.unit).ok_or_else(|| Problem::NoDefinition {
                step: planned.named(),
                unit: step.unit.clone(),
            })?;
            Scene::new(&planned, (n, of), Arc::clone(definition))
        };
        let steps = open
            .steps
            .iter()
            .enumerate()
            .map(scene)
            .collect::<Result<_, _>>()?;
        let target = known
            .values()
            .find(|known| known.definition.generation == open.generation);
        let target = target.cloned();
        Ok(Self {
            id: open.id.clone(),
            generation: open.generation.clone(),
            before: open.before.iter().map(|applied| applied.version).collect(),
            steps,
            new_package: open.package.clone(),
            old_package: recorded.package.clone(),
            target,
            known,
        })
    }

    /// The state directories of a step, and then those that the other definitions have: state that a step moves from one to the
    /// other is to be brought back from there.
    pub(super) fn directories(&self, step: &Scene) -> Vec<String> {
        let own = step.known.directories();
        let mut all = own.to_vec();
        let others = self.known.values().flat_map(|known| known.directories());
        for other in others.filter(|_| !own.is_empty()) {
            if !all.contains(other) {
                all.push(other.clone());
            }
        }
        all
    }

    /// The same as paths.
    pub(super) fn paths(&self, step: &Scene) -> Vec<PathBuf> {
        self.directories(step).into_iter().map(PathBuf::from).collect()
    }

    /// What is applied before a step, where all before it are done.
    pub(super) fn before(&self, n: u32) -> Vec<Version> {
        let earlier = self.steps.iter().take_while(|step| step.n < n);
        earlier.fold(self.before.clone(), |applied, step| step.after(&applied))
    }

    /// The definition whose downs undo what is applied: that of the target where it knows all of it.
    pub(super) fn undoing(&self, applied: &[Version]) -> Option<&Known> {
        let all = self.target.iter().chain(self.known.values());
        let mut all = all.map(|known| &**known);
        all.find(|known| known.has_all(applied))
    }

    /// The environment of a step's scripts.
    pub(super) fn environment(
        &self,
        service: &ServiceName,
        step: &Scene,
        backup: Option<&str>,
    ) -> BTreeMap<String, String> {
        let told = Told {
            service,
            version: step.at.version,
            direction: step.at.direction,
            backup,
            old_package: self.old_package.as_deref(),
            new_package: self.new_package.as_deref(),
        };
        environment(&step.known.gate, &told)
    }
}
