//! Owns waiting: for locks, for steps of a run that are processes of their own, and for those that this one handed over. Whoever
//! waits for a run holds no lock meanwhile, so that two who wait never wait for each other; and decides by the record what
//! became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Ended, MigrateError, Outcome, Request};
use crate::execute::chain::{Chain, prefix};
use crate::execute::follow::{Follow, over};
use crate::execute::units::UnitsError;
use crate::execute::{
    Arrival, Begun, Happening, Left, Problem, Progress, ProgressEvent, Walk, WalkError, lock,
};
use crate::model::{RunId, ServiceName};
use crate::record::{self, LockError, Place, Record, ServiceLock, Wait};

/// How often what steps tell is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// How often it is asked whether steps live, where nothing says that they do not: every so many looks.
const ASK: u32 = 5;

/// How often a path is planned afresh that others took from under it.
const TRIES: usize = 8;

/// A service's lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// As a lock is not had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Nobody says whether steps are at work.
    #[error("it cannot be told whether steps of {service} are at work: {problem}")]
    Units {
        /// Whose.
        service: ServiceName,
        /// Why.
        problem: UnitsError,
    },
}

/// Takes the lock of a service when no step of its open run is queued or at work: between two of them, the lock is free. What
/// they tell meanwhile is told.
///
/// # Errors
///
/// Fails where the lock is not had, where the wait was broken off, and where nobody says whether steps are at work.
pub fn take(
    place: &Place,
    service: &ServiceName,
    wait: Wait,
    chain: Option<&dyn Chain>,
    progress: &dyn Progress,
    stopped: &dyn Fn() -> bool,
) -> Result<ServiceLock, TakeError> {
    loop {
        let lock = lock(place, service, wait, progress, stopped)?;
        let Some(chain) = chain else { return Ok(lock) };
        let units = |problem| TakeError::Units {
            service: service.clone(),
            problem,
        };
        let view = record::look(place).map_err(LockError::from)?;
        let recorded = view.as_ref().and_then(|view| view.services.get(service));
        let open = recorded.and_then(|recorded| recorded.open_run.as_ref());
        let Some(open) = open else { return Ok(lock) };
        if !chain.lives(service, &open.id).map_err(units)? {
            return Ok(lock);
        }
        drop(lock);
        let held = || LockError::Held {
            what: service.to_string(),
            holder: None,
        };
        if wait == Wait::Not {
            return Err(held().into());
        }
        let text = format!(
            "Waiting for run {}, whose steps are units of their own: {}*.",
            open.id,
            prefix(service, &open.id)
        );
        progress.event(&ProgressEvent {
            service,
            step: None,
            happening: Happening::Note { text: &text },
        });
        if !until_over(chain, service, &open.id, progress, stopped).map_err(units)? {
            return Err(LockError::Stopped(service.to_string()).into());
        }
    }
}

/// Waits until no step of a run is queued or at work, and tells what they tell. False where the wait was broken off.
fn until_over(
    chain: &dyn Chain,
    service: &ServiceName,
    run: &RunId,
    progress: &dyn Progress,
    stopped: &dyn Fn() -> bool,
) -> Result<bool, UnitsError> {
    let mut follow = Follow::new(chain.told_in(), run);
    let mut looks = 0;
    loop {
        if stopped() {
            return Ok(false);
        }
        let seems_over = chain.sleep(service, run, LOOK);
        follow.tell(service, progress);
        looks += 1;
        if (seems_over || looks % ASK == 0) && !chain.lives(service, run)? {
            follow.tell(service, progress);
            return Ok(true);
        }
    }
}

/// The locks of services that there is something to do for.
pub(super) struct Locks {
    held: BTreeMap<ServiceName, ServiceLock>,
    wanted: BTreeSet<ServiceName>,
}

impl Locks {
    /// Those that are held. Where steps are handed over, all are let go: each is taken again in its turn, alone.
    pub(super) fn new(held: BTreeMap<ServiceName, ServiceLock>, request: &Request<'_>) -> Self {
        Self {
            wanted: held.keys().cloned().collect(),
            held: match request.chain {
                None => held,
                Some(_) => BTreeMap::new(),
            },
        }
    }

    /// That of a service; none where there is nothing to do for it.
    pub(super) fn of(
        &mut self,
        request: &Request<'_>,
        place: &Place,
        name: &ServiceName,
    ) -> Result<Option<ServiceLock>, TakeError> {
        match self.held.remove(name) {
            Some(lock) => Ok(Some(lock)),
            None if request.chain.is_some() && self.wanted.contains(name) => {
                request.lock(place, name).map(Some)
            }
            None => Ok(None),
        }
    }
}

impl Request<'_> {
    /// Takes the locks of services, and holds none while it waits for one: whoever has that may need what another lock keeps from
    /// starting.
    pub(super) fn locks(
        &self,
        place: &Place,
        wanted: &BTreeSet<ServiceName>,
    ) -> Result<BTreeMap<ServiceName, ServiceLock>, TakeError> {
        'afresh: loop {
            let mut locks = BTreeMap::new();
            for name in wanted {
                let stopped = || self.executor.stopped().is_some();
                let lock = match locks.is_empty() {
                    true => self.lock(place, name)?,
                    false => match take(place, name, Wait::Not, self.chain, self.progress, &stopped) {
                        Err(TakeError::Lock(LockError::Held { .. })) if self.wait != Wait::Not => {
                            locks.clear();
                            drop(self.lock(place, name)?);
                            continue 'afresh;
                        }
                        lock => lock?,
                    },
                };
                locks.insert(name.clone(), lock);
            }
            return Ok(locks);
        }
    }

    /// Takes the lock of a service, of which nothing is at work then.
    pub(super) fn lock(&self, place: &Place, name: &ServiceName) -> Result<ServiceLock, TakeError> {
        let stopped = || self.executor.stopped().is_some();
        take(place, name, self.wait, self.chain, self.progress, &stopped)
    }

    /// Walks a path by handing its steps over, and waits for them without the lock.
    pub(super) fn walk_apart(
        &self,
        chain: &dyn Chain,
        place: &Place,
        record: &mut Record,
        held: &mut Option<ServiceLock>,
        walk: &Walk<'_>,
        name: &ServiceName,
    ) -> Result<Arrival, WalkError> {
        let failed = |what: Problem| WalkError {
            service: name.clone(),
            what: Box::new(what),
            left: Left::Running,
        };
        let stopped = || self.executor.stopped().is_some();
        let lock = match held {
            Some(lock) => lock,
            None => {
                let lock = self.lock(place, name);
                held.insert(lock.map_err(|error| failed(Problem::Told(error.to_string())))?)
            }
        };
        let mut engine = self.engine(place, record, lock, name);
        let opened = match engine.begin(walk)? {
            Begun::Nothing(arrival) => return Ok(arrival),
            Begun::Open(opened) => opened,
        };
        let run = opened.id().clone();
        let links = engine.links(&opened)?;
        if links.steps.is_empty() {
            return engine.ended(&run);
        }
        if let Err(error) = chain.submit(&links) {
            return Err(engine.not_handed_over(Problem::Units(error)));
        }
        *held = None;
        match until_over(chain, name, &run, self.progress, &stopped) {
            Ok(true) => {}
            Ok(false) => return Err(failed(Problem::Detached(run))),
            Err(error) => return Err(failed(Problem::Units(error))),
        }
        // It is over: whoever has the lock now has it to look, or for a run of its own.
        let lock = take(place, name, Wait::Forever, Some(chain), self.progress, &stopped);
        let lock = match lock {
            Ok(lock) => held.insert(lock),
            Err(TakeError::Units { problem, .. }) => return Err(failed(Problem::Units(problem))),
            Err(TakeError::Lock(LockError::Record(error))) => return Err(failed(Problem::Record(error))),
            Err(TakeError::Lock(_)) => return Err(failed(Problem::Detached(run))),
        };
        let ended = self.engine(place, record, lock, name).ended(&run);
        over(chain.told_in(), &run);
        ended
    }
}

/// Brings about what `attempt` tries to, afresh where others took the path from under it.
pub(super) fn until_settled(
    request: &Request<'_>,
    attempt: impl Fn(&Request<'_>) -> Result<Outcome, MigrateError>,
) -> Result<Outcome, MigrateError> {
    let mut arrived: Vec<(ServiceName, Ended)> = Vec::new();
    let mut tries = 1;
    loop {
        let mut outcome = attempt(request)?;
        if request.chain.is_some() && tries < TRIES && was_overtaken(&outcome) {
            tries += 1;
            let there = outcome.services.into_iter();
            arrived.extend(there.filter(|(_, ended)| matches!(ended, Ended::Arrived(_))));
            continue;
        }
        arrived.retain(|(name, _)| outcome.services.iter().all(|(other, _)| other != name));
        outcome.services.splice(0..0, arrived);
        return Ok(outcome);
    }
}

/// Whether all that failed did so since others were at the same services: planned afresh, it may go well.
fn was_overtaken(outcome: &Outcome) -> bool {
    let mut failed = outcome.services.iter().filter_map(|(_, ended)| match ended {
        Ended::Failed(error) => Some(matches!(
            *error.what,
            Problem::Changed | Problem::Open(_) | Problem::Overtaken(_)
        )),
        _ => None,
    });
    failed.next() == Some(true) && failed.all(|overtaken| overtaken)
}
