//! Owns the way from a generation to a machine whose state it may start on: look, lock, settle, plan, walk. Whoever brings it
//! about, a command or a gate, comes through here.
//!
//! Decides no order and no path, which are the plan's, and touches no state, which is the engine's.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::execute::chain::Chain;
use crate::execute::units::Units;
use crate::execute::{
    Arrival, Assumption, Engine, Executor, Guarding, Known, Left, Problem, Progress, Walk, WalkError,
};
use crate::generation::ReadOptions;
use crate::generation::closure::{ClosureError, Definitions, definitions};
use crate::generation::gate::GateError;
use crate::generation::reference::Closure;
use crate::machine::{Host, MachineError, Planned};
use crate::model::{Block, Generation, Kind, Recorded, RunId, ServiceName, Version};
use crate::plan::{BaselineSource, Plan, ServicePlan, Step, program_of};
use crate::record::{Event, Place, Record, RecordError, ServiceLock, View, Wait, roots};

mod accept;
mod attempt;
mod hold;
mod need;
mod order;
mod tidy;
mod wait;
mod way;

pub use accept::Asked;
pub use hold::{Behalf, Fate, keep_back, release};
pub use need::{Need, need};
pub use tidy::{guard, guard_anyhow, tidy, unaware};
pub use wait::{TakeError, take};

/// What is to be brought about, and by what means.
pub struct Request<'a> {
    /// Looks at the machine, afresh at every call.
    pub look: &'a dyn Fn() -> Result<Host<'a>, MachineError>,
    /// The generation that is to start.
    pub target: &'a Generation,
    /// Its definitions.
    pub definitions: &'a Definitions,
    /// How closures are read.
    pub read: &'a ReadOptions,
    /// The services that are to be brought there; none for all.
    pub services: Option<&'a BTreeSet<ServiceName>>,
    /// The program that runs: kept for as long as the record may need one that knows its format.
    pub program: &'a Path,
    /// Runs the scripts.
    pub executor: &'a dyn Executor,
    /// Hears what happens.
    pub progress: &'a dyn Progress,
    /// Runs steps as processes of their own; none runs them in this one.
    pub chain: Option<&'a dyn Chain>,
    /// Where control groups are.
    pub cgroups: &'a Path,
    /// The units of the machine; none where no systemd runs.
    pub units: Option<&'a dyn Units>,
    /// On whose behalf it is.
    pub behalf: Behalf,
    /// Whether it is accepted that no guard can be where one is needed.
    pub unguarded: bool,
    /// How long another that holds a lock is waited for.
    pub wait: Wait,
    /// What is accepted now, besides what was before.
    pub acknowledge: &'a BTreeSet<(ServiceName, Version)>,
    /// Asks whether the steps of a service that need it are accepted.
    pub confirm: &'a dyn Fn(&ServicePlan, &[&Step]) -> bool,
    /// Is shown the plan before anything of it runs. It is the plan that runs.
    pub show: &'a dyn Fn(&Host<'_>, &Planned),
}

/// How it went.
#[derive(Debug)]
pub struct Outcome {
    /// The plan that ran.
    pub planned: Planned,
    /// How each service went that there was something to do for, in the order in which it was done.
    pub services: Vec<(ServiceName, Ended)>,
    /// What became of units, of those services where something did.
    pub units: Vec<(ServiceName, Fate)>,
}

/// How one service went.
#[derive(Debug)]
pub enum Ended {
    /// Its state is what the generation expects.
    Arrived(Arrival),
    /// Its path may not be walked: see its findings in the plan.
    Refused,
    /// It goes with this one, which did not arrive.
    Waits(ServiceName),
    /// Its state was left as the error says.
    Failed(WalkError),
}

/// Why nothing was walked. What had been settled stays settled.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The machine could not be looked at.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// The record cannot be used.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Another is at it.
    #[error(transparent)]
    Lock(#[from] TakeError),
    /// nixmig was told to end, by this signal, while somebody was asked.
    #[error("it was interrupted by signal {0}")]
    Stopped(i32),
    /// A gate was asked for a generation that is not active any more.
    #[error("another generation was activated meanwhile")]
    Overtaken,
    /// A generation cannot be read any more.
    #[error(transparent)]
    Closure(#[from] ClosureError),
    /// A definition cannot be understood.
    #[error(transparent)]
    Gate(#[from] Box<GateError>),
}

/// Brings the state of this machine to what a generation expects. Where nothing is to be done, nothing is written.
///
/// # Errors
///
/// Fails where nothing could be walked at all. How each service went is in the outcome.
pub fn migrate(request: &Request<'_>) -> Result<Outcome, MigrateError> {
    wait::until_settled(request, attempt::attempt)
}

impl Request<'_> {
    fn wants(&self, name: &ServiceName) -> bool {
        self.services.is_none_or(|services| services.contains(name))
    }

    /// The services that something may have to be written for.
    fn busy(&self, plan: &Plan, view: Option<&View>, active: bool) -> BTreeSet<ServiceName> {
        let busy = |service: &&ServicePlan| {
            let recorded = recorded(view, &service.name);
            let open = recorded.is_some_and(|recorded| recorded.open_run.is_some() && !is_stuck(recorded));
            let held = self.releases(active) && view.is_some_and(|view| hold::is_held(view, &service.name));
            open || !service.is_refused() && (held || need(service, recorded) != Need::Nothing)
        };
        let services = plan.services.iter().filter(|service| self.wants(&service.name));
        services
            .filter(busy)
            .map(|service| service.name.clone())
            .collect()
    }

    fn refusals(&self, plan: &Plan) -> Vec<(ServiceName, Ended)> {
        let services = plan.services.iter().filter(|service| self.wants(&service.name));
        services
            .filter(|service| service.is_refused())
            .map(|service| (service.name.clone(), Ended::Refused))
            .collect()
    }

    fn engine<'e>(
        &'e self,
        place: &'e Place,
        record: &'e mut Record,
        lock: &'e mut ServiceLock,
        service: &'e ServiceName,
    ) -> Engine<'e> {
        Engine {
            place,
            record,
            lock,
            service,
            executor: self.executor,
            progress: self.progress,
            cgroups: self.cgroups,
        }
    }
}

/// A walk over the services of a plan.
struct Journey<'a, 'r> {
    request: &'a Request<'r>,
    /// The machine as it was when the plan was made.
    host: &'a Host<'r>,
    place: &'a Place,
    record: &'a mut Record,
    planned: &'a Planned,
    /// The generation that is active.
    running: Option<&'a Path>,
    ended: Vec<(ServiceName, Ended)>,
    units: Vec<(ServiceName, Fate)>,
}

impl Journey<'_, '_> {
    /// Brings one service forward.
    fn go(
        &mut self,
        plan: &ServicePlan,
        held: &mut Option<ServiceLock>,
    ) -> Result<Option<Ended>, MigrateError> {
        let name = &plan.name;
        // Without a lock there is nothing to do for it.
        let Some(lock) = held.as_mut() else {
            return Ok(None);
        };
        let view = self.record.view()?;
        if is_on(recorded(Some(&view), name)) != is_on(recorded(self.host.view(), name)) {
            // The lock was free since it was planned: another was at it.
            return Ok(Some(untouched(name, Problem::Changed)));
        }
        let need = need(plan, recorded(Some(&view), name));
        if need == Need::Nothing {
            return Ok(None);
        }
        if let Some(problem) = self.in_the_way(plan, &view)? {
            return Ok(Some(untouched(name, problem)));
        }
        let definition = self.request.definitions.services.get(name).cloned();
        let target = definition
            .map(|definition| Known::read(name, definition))
            .transpose()?;
        let past = self.past(name, need)?;
        // State that needs nothing runs with this generation's from now on, where nobody knows with which it did before.
        let own = target.as_ref().filter(|_| plan.steps.is_empty());
        let package = self.planned.package_before(name).or(own.and_then(Known::package));
        let new_package = match &target {
            Some(_) => None,
            None => self.package_without(name, past.as_ref(), recorded(Some(&view), name))?,
        };
        let undoes = [target.as_ref(), past.as_ref()];
        let undoes = undoes
            .into_iter()
            .flatten()
            .find(|known| known.has_all(&plan.applied));
        let is = Assumption {
            applied: &plan.applied,
            definition: undoes,
            package,
        };
        if let (Need::Walk, Some(past)) = (need, &past) {
            roots::keep(self.place, name, &past.definition)?;
            self.record.append(&[Event::Defined {
                service: name.clone(),
                definition: past.definition.clone(),
                current: true,
            }])?;
        }
        let unaware = unaware(self.host, Some(&view), plan, target.as_ref())?;
        let mut engine = self.request.engine(self.place, self.record, lock, name);
        let begun = match need {
            Need::Nothing | Need::Walk => Ok(()),
            Need::Meet => {
                let sources = plan.baseline.iter().flat_map(|baseline| &baseline.sources);
                let sources: Vec<_> = sources.map(BaselineSource::to_string).collect();
                let generation = &self.request.definitions.toplevel;
                let met = engine.meet(&is, &sources, generation).map(drop);
                if let (Ok(()), Some(past), false) = (&met, &past, plan.steps.is_empty()) {
                    // Its state directories count while the run goes on.
                    roots::keep(self.place, name, &past.definition)?;
                    engine.record.append(&[Event::Defined {
                        service: name.clone(),
                        definition: past.definition.clone(),
                        current: false,
                    }])?;
                }
                met
            }
            Need::Correct => engine.stamp(&is, "its data says so").map(drop),
        };
        if begun.is_ok()
            && !plan.steps.is_empty()
            && let Err(problem) = self.request.clear(name, self.record, self.running)?
        {
            return Ok(Some(untouched(name, problem)));
        }
        let walk = Walk {
            generation: &self.request.definitions.toplevel,
            target: target.as_ref(),
            applied: &plan.applied,
            steps: &plan.steps,
            previous_package: package,
            new_package: new_package.as_deref(),
            guarding: Guarding {
                unaware: &unaware,
                anyhow: self.request.unguarded,
                program: self.request.program,
                units: self.request.units,
            },
        };
        let walked = match (begun, self.request.chain) {
            (Err(error), _) => Err(error),
            (Ok(()), None) => {
                let mut engine = self.request.engine(self.place, self.record, lock, name);
                engine.walk(&walk)
            }
            (Ok(()), Some(chain)) => {
                let (place, record) = (self.place, &mut *self.record);
                self.request.walk_apart(chain, place, record, held, &walk, name)
            }
        };
        Ok(Some(match walked {
            Ok(arrival) => Ended::Arrived(arrival),
            Err(error) => Ended::Failed(error),
        }))
    }

    /// The definition that undoes what is applied, where the record has none; of state that is met, that of the generation that
    /// ran last.
    fn past(&self, name: &ServiceName, need: Need) -> Result<Option<Known>, MigrateError> {
        let before = self.planned.previous.as_ref().filter(|before| {
            need == Need::Meet && before.kind == Kind::Closure && before.services.contains_key(name)
        });
        let before = before
            .and_then(|before| before.identity.as_ref())
            .map(PathBuf::from);
        let Some(toplevel) = self.planned.undoing.get(name).or(before.as_ref()) else {
            return Ok(None);
        };
        let closure = Closure::at(toplevel);
        let definition = definitions(&closure, self.request.read)?.services.remove(name);
        Ok(definition
            .map(|definition| Known::read(name, definition))
            .transpose()?)
    }

    /// The package that runs the state in a generation that does not declare its service, as its units tell.
    fn package_without(
        &self,
        name: &ServiceName,
        past: Option<&Known>,
        recorded: Option<&Recorded>,
    ) -> Result<Option<String>, MigrateError> {
        let service = match (past, recorded.and_then(|recorded| recorded.definition.clone())) {
            (Some(past), _) => past.gate.service.clone(),
            (None, Some(kept)) => Known::read(name, kept)?.gate.service,
            (None, None) => return Ok(None),
        };
        let program = program_of(&service, &self.planned.target);
        Ok(program.and_then(|program| program.path.clone()))
    }

    /// The service that did not arrive and that this one waits for.
    fn waits_for(&self, plan: &ServicePlan) -> Option<&ServiceName> {
        let stayed = self
            .ended
            .iter()
            .filter(|(_, ended)| !matches!(ended, Ended::Arrived(_)))
            .map(|(name, _)| name);
        order::waits_for(plan, &self.planned.target, stayed)
    }
}

/// A service that nothing was done to.
fn untouched(name: &ServiceName, problem: Problem) -> Ended {
    Ended::Failed(WalkError {
        service: name.clone(),
        what: Box::new(problem),
        left: Left::Untouched,
    })
}

/// What a path is planned from.
fn is_on(recorded: Option<&Recorded>) -> Option<(Vec<Version>, Option<&RunId>, Option<&Block>)> {
    recorded.map(|recorded| {
        let run = recorded.open_run.as_ref().map(|run| &run.id);
        (recorded.versions(), run, recorded.block.as_ref())
    })
}

fn recorded<'v>(view: Option<&'v View>, name: &ServiceName) -> Option<&'v Recorded> {
    view?.services.get(name)
}

/// Whether nothing is settled until somebody decides.
fn is_stuck(recorded: &Recorded) -> bool {
    matches!(recorded.block, Some(Block::Unrestored { .. }))
}
