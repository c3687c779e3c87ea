//! Owns when what was kept for older generations goes: guards, and the definitions that undo what is applied. Both go together,
//! when no generation is left that this machine could start and that would need them.

use crate::execute::Spoken;
use crate::machine::Host;
use crate::model::ServiceName;
use crate::record::{View, guards, roots};

use super::MigrateError;

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
    if starting.unaware.is_empty() && guard.is_some() {
        guards::remove(place, name)?;
    }
    if kept && starting.all_have(&recorded.versions()) {
        roots::let_go(place, name)?;
    }
    Ok(())
}
