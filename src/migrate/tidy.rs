//! Owns for which generations a service is guarded, and when what was kept for older ones goes: its guard, and the definitions that
//! undo what is applied.

use std::path::Path;

use crate::execute::{Happening, Known, ProgressEvent, Spoken};
use crate::machine::{Host, keeps};
use crate::model::ServiceName;
use crate::plan::ServicePlan;
use crate::record::{Record, View, guards, roots};

use super::{MigrateError, Request};

/// The generations that would start units of a service on state that they know nothing of, once its path is walked; `target` is what
/// the generation that it leads to says of it, besides what the plan has.
///
/// # Errors
///
/// Fails where the generations cannot be listed, or a definition that is kept cannot be read.
pub fn unaware(
    host: &Host<'_>,
    view: Option<&View>,
    plan: &ServicePlan,
    target: Option<&Known>,
) -> Result<Vec<String>, MigrateError> {
    if plan.steps.is_empty() {
        return Ok(Vec::new());
    }
    let spoken = Spoken::of(view, &plan.name, target)?;
    // Where they cannot be looked for, there can be none, and whoever wants to make one is told.
    let mut guarded = guards::list(host.place()).unwrap_or_default();
    let guarded = guarded.remove(&plan.name).unwrap_or_default();
    let units = spoken.units.into_iter().chain(plan.units.iter().cloned());
    let units = units.chain(guarded.units).collect();
    Ok(host.starting(&plan.name, &units)?.unaware)
}

/// Drops what no generation needs any more of a service whose state is where it is to be. Whoever calls this holds its lock.
///
/// # Errors
///
/// Fails where that cannot be told, or done. What stays costs space, and a moment at each start.
pub fn tidy(host: &Host<'_>, view: &View, name: &ServiceName) -> Result<(), MigrateError> {
    let place = host.place();
    let Some(recorded) = view
        .services
        .get(name)
        .filter(|recorded| recorded.open_run.is_none())
    else {
        return Ok(());
    };
    if recorded.block.is_some() {
        return Ok(());
    }
    let guard = guards::list(place)?.remove(name);
    let mut roots = roots::list(place)?.into_iter();
    let kept = roots.any(|root| root.service == *name && root.kind == roots::RootKind::Definition);
    if guard.is_none() && !kept {
        return Ok(());
    }
    let mut units = Spoken::of(Some(view), name, None)?.units;
    units.extend(guard.iter().flat_map(|guard| guard.units.iter().cloned()));
    let starting = host.starting(name, &units)?;
    if starting.unaware.is_empty() && !starting.elsewhere && guard.is_some() {
        guards::remove(place, name)?;
    }
    if kept && starting.all_have(&recorded.versions()) {
        roots::let_go(place, name)?;
    }
    Ok(())
}

/// Guards a service where a generation can be started now that would have to undo something, or cannot be read, and has no gate of it:
/// what somebody stamped no run has guarded, and a guard may have been removed by hand. What undoes it is kept with the guard. Whoever calls this holds its lock. Whether
/// systemd has to read its units again for that.
///
/// # Errors
///
/// Fails where that cannot be told, or the guard cannot be made for now. Where none is possible, it is not needed any less, and
/// whoever reports says so.
pub fn guard(host: &Host<'_>, view: &View, name: &ServiceName, program: &Path) -> Result<bool, MigrateError> {
    let spoken = Spoken::of(Some(view), name, None)?;
    let mut needed = false;
    for (_, generation) in host.generations()? {
        needed |= match generation {
            Ok(generation) if keeps(generation, name, &spoken.units) => false,
            Ok(generation) => {
                let plan = host.plan(generation.clone())?.plan;
                let mut services = plan.services.iter().filter(|service| service.name == *name);
                services.any(|service| service.is_refused() || !service.steps.is_empty())
            }
            Err(_) => true,
        };
    }
    if !needed || guards::lasting(&host.place().guards).is_err() {
        return Ok(false);
    }
    put(host, view, name, spoken, program)
}

/// Guards a service of which something is applied, whatever can be started now: a generation may come that nobody here knows of.
/// Whoever calls this holds its lock. Whether systemd has to read its units again for that.
///
/// # Errors
///
/// As [`guard`] does.
pub fn guard_anyhow(
    host: &Host<'_>,
    view: &View,
    name: &ServiceName,
    program: &Path,
) -> Result<bool, MigrateError> {
    let recorded = view.services.get(name);
    let matters =
        recorded.is_some_and(|recorded| !recorded.applied.is_empty() || recorded.open_run.is_some());
    if !matters || guards::lasting(&host.place().guards).is_err() {
        return Ok(false);
    }
    let spoken = Spoken::of(Some(view), name, None)?;
    put(host, view, name, spoken, program)
}

/// Puts a guard in place, and keeps the way down that it would walk, where that is still there.
fn put(
    host: &Host<'_>,
    view: &View,
    name: &ServiceName,
    spoken: Spoken,
    program: &Path,
) -> Result<bool, MigrateError> {
    let changed = guards::put(host.place(), &spoken.guard(name, program))?;
    let recorded = view.services.get(name);
    let definition = recorded.and_then(|recorded| recorded.definition.as_ref());
    if let Some(definition) = definition.filter(|definition| Path::new(&definition.unit).exists()) {
        roots::keep(host.place(), name, definition)?;
    }
    Ok(changed)
}

impl Request<'_> {
    /// Drops what was kept of a service that arrived for generations that are not there any more, under its lock. Where that cannot
    /// be, it is said, and nothing is worse.
    pub(super) fn tidy(&self, record: &Record, name: &ServiceName) {
        let tidied = || -> Result<(), MigrateError> {
            let host = (self.look)()?;
            tidy(&host, &*record.view()?, name)
        };
        if let Err(error) = tidied() {
            let text = format!("What is kept for older generations could not be tidied up: {error}.");
            self.progress.event(&ProgressEvent {
                service: name,
                step: None,
                happening: Happening::Note { text: &text },
            });
        }
    }
}
