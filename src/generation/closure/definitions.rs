//! Owns the definitions of a closure: the unit files of its gates, verbatim, as a machine keeps them and runs them.

use std::collections::{BTreeMap, BTreeSet};

use crate::generation::ReadOptions;
use crate::generation::gate;
use crate::generation::reference::Closure;
use crate::generation::units::{Entry, Units as _};
use crate::model::{Definition, ServiceName, UnitName};

use super::root::Root;
use super::{ClosureError, Directory, toplevel};

/// What a closure declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definitions {
    /// Its toplevel, as a store path.
    pub toplevel: String,
    /// The definition of every service whose gate is there and not masked.
    pub services: BTreeMap<ServiceName, Definition>,
}

/// Reads the definitions of the generation that `closure` names.
///
/// # Errors
///
/// Fails as reading the generation does: where a link leads nowhere, what is there is no NixOS system, or a gate is not as
/// docs/formats.md says.
pub fn definitions(closure: &Closure, options: &ReadOptions) -> Result<Definitions, ClosureError> {
    let root = Root::new(&options.root)?;
    let system = toplevel::find(&root, closure, options)?;
    let directory = Directory::open(&root, &system)?;
    let toplevel = root.inner(&system).to_string_lossy().into_owned();
    let mut services = BTreeMap::new();
    let gates: BTreeSet<_> = directory.names().filter_map(ServiceName::of_gate).collect();
    for service in gates {
        let unit = service.gate();
        let Some(Entry::Unit) = directory.entry(&unit) else {
            continue;
        };
        let file = directory.text(&unit)?;
        // An empty file is as good as a link to /dev/null, and a unit without our keys is somebody else's.
        if file.bytes.is_empty() || gate::read(&service, &file.file, &file.bytes)?.is_none() {
            continue;
        }
        let definition = Definition {
            unit: file.file,
            // What could be read as a gate is UTF-8.
            text: String::from_utf8_lossy(&file.bytes).into_owned(),
            generation: toplevel.clone(),
        };
        services.insert(service, definition);
    }
    Ok(Definitions { toplevel, services })
}

/// Whether a generation starts none of these units but behind its own gate of a service, in this nixmig's format.
///
/// # Errors
///
/// Fails where the generation cannot be read.
pub fn gates(
    closure: &Closure,
    service: &ServiceName,
    units: &BTreeSet<UnitName>,
    options: &ReadOptions,
) -> Result<bool, ClosureError> {
    let root = Root::new(&options.root)?;
    let system = toplevel::find(&root, closure, options)?;
    let directory = Directory::open(&root, &system)?;
    let own = service.gate();
    let Some(Entry::Unit) = directory.entry(&own) else {
        return Ok(false);
    };
    let file = directory.text(&own)?;
    let Some(gate) = gate::read(service, &file.file, &file.bytes)? else {
        return Ok(false);
    };
    let gated = gate.service.units.value();
    let mut names = units.iter().map(|unit| (unit, unit.template()));
    Ok(names.all(|(unit, template)| {
        let behind = |unit: &UnitName| gated.is_some_and(|gated| gated.contains(unit));
        let starts = |unit: &UnitName| !matches!(directory.entry(unit), None | Some(Entry::Masked));
        behind(unit)
            || template.as_ref().is_some_and(behind)
            || !starts(unit) && !template.as_ref().is_some_and(starts)
    }))
}
