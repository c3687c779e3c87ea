//! Owns one attempt at a migration: when the machine is looked at, which locks are taken before that counts, what is settled, and in
//! which order the services have their turn. How one of them is brought forward is the journey's.

use std::collections::BTreeMap;

use super::wait::Locks;
use super::{Asked, Behalf, Ended, Journey, MigrateError, Outcome, Request, order, untouched};
use crate::execute::Problem;
use crate::record::{Record, roots};

/// Looks, locks, settles, plans and walks, once.
pub(super) fn attempt(request: &Request<'_>) -> Result<Outcome, MigrateError> {
    let host = (request.look)()?;
    let running = host.running();
    let running = running.as_deref();
    let active = request.is_active(running);
    if request.behalf == Behalf::Gate && running.is_some() && !active {
        return Err(MigrateError::Overtaken);
    }
    let planned = host.plan(request.target.clone())?;
    let place = host.place().clone();
    let busy = request.busy(&planned.plan, host.view(), active);
    if busy.is_empty() {
        let services = request.refusals(&planned.plan);
        (request.show)(&host, &planned);
        drop(host);
        let units = request.hold_refused(&place, &services)?;
        return Ok(Outcome {
            planned,
            services,
            units,
        });
    }
    drop(host);

    let mut wanted = busy;
    let (locks, mut record, mut stuck, mut host, mut planned) = loop {
        let mut locks = request.locks(&place, &wanted)?;
        // Whoever held them may have been at it for long.
        if request.behalf == Behalf::Gate && (request.look)()?.running().as_deref() != running {
            return Err(MigrateError::Overtaken);
        }
        let mut record = Record::open(&place)?;
        roots::keep_program(&place, request.program)?;
        let mut stuck = BTreeMap::new();
        for (name, lock) in &mut locks {
            if let Some(problem) = request.clear_open(name, &mut record, running)? {
                stuck.insert(name.clone(), problem);
                continue;
            }
            let mut engine = request.engine(&place, &mut record, lock, name);
            if let Err(error) = engine.settle(Some(&request.definitions.toplevel)) {
                stuck.insert(name.clone(), error);
            }
        }
        let host = (request.look)()?;
        let planned = host.plan(request.target.clone())?;
        let more = request.busy(&planned.plan, host.view(), active);
        if more.is_subset(&wanted) {
            break (locks, record, stuck, host, planned);
        }
        // Somebody came between the two looks.
        wanted.extend(more);
    };
    let asked = Asked {
        of: &|name| request.wants(name) && !stuck.contains_key(name),
        acknowledge: request.acknowledge,
        confirm: request.confirm,
    };
    let accepted = asked.accepted(&planned.plan);
    if let Some(signal) = request.executor.stopped() {
        return Err(MigrateError::Stopped(signal));
    }
    if !accepted.is_empty() {
        record.append(&accepted)?;
        host = (request.look)()?;
        planned = host.plan(request.target.clone())?;
    }
    (request.show)(&host, &planned);
    let mut journey = Journey {
        request,
        host: &host,
        place: &place,
        record: &mut record,
        planned: &planned,
        running,
        ended: Vec::new(),
        units: Vec::new(),
    };
    // Others may wait for these, so they come first.
    for plan in planned
        .plan
        .services
        .iter()
        .filter(|plan| request.wants(&plan.name))
    {
        let ended = match stuck.remove(&plan.name) {
            Some(error) => Ended::Failed(error),
            None if plan.is_refused() => Ended::Refused,
            None => continue,
        };
        journey.settle_units(&plan.name, Some(&ended))?;
        journey.ended.push((plan.name.clone(), ended));
    }
    let mut locks = Locks::new(locks, request);
    for plan in order::services(&planned.plan) {
        let name = &plan.name;
        if !request.wants(name) || journey.ended.iter().any(|(ended, _)| ended == name) {
            continue;
        }
        // Held until the service's units are seen to.
        let mut lock = None;
        let ended = if let Some(first) = journey.waits_for(plan) {
            Some(Ended::Waits(first.clone()))
        } else {
            lock = match locks.of(request, &place, name) {
                Ok(lock) => lock,
                Err(error) => {
                    let ended = untouched(name, Problem::Told(error.to_string()));
                    journey.ended.push((name.clone(), ended));
                    continue;
                }
            };
            match journey.go(plan, &mut lock) {
                Ok(ended) => ended,
                // What became of the others is to be told, too.
                Err(MigrateError::Record(error)) => Some(untouched(name, error.into())),
                Err(MigrateError::Gate(error)) => Some(untouched(name, error.into())),
                Err(error) => return Err(error),
            }
        };
        journey.settle_units(name, ended.as_ref())?;
        if matches!(ended, Some(Ended::Arrived(_))) {
            request.tidy(journey.record, name);
        }
        drop(lock);
        journey.ended.extend(ended.map(|ended| (name.clone(), ended)));
    }
    let (services, units) = (journey.ended, journey.units);
    Ok(Outcome {
        planned,
        services,
        units,
    })
}
