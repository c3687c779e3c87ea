//! Owns for which generations a service is guarded, and when what was kept for older ones goes: its guard, and the definitions that
//! undo what is applied.

use crate::execute::{Known, Spoken};
use crate::machine::Host;
use crate::model::ServiceName;
use crate::plan::ServicePlan;
use crate::record::{View, guards, roots};

use super::MigrateError;

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
    let units = spoken.units.union(&plan.units).cloned().collect();
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
