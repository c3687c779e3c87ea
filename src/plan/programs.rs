//! Owns what a generation tells of a service's program: whether it runs, which one it is, and whether its data format may
//! have moved.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::model::{
    Direction, Generation, KnownService, Program, Service, Setting, UnitName, UnitState, compare_versions,
    known_services,
};

/// Whether a generation runs any of these units; `None` where that cannot be told.
pub(super) fn runs(generation: &Generation, units: &Setting<BTreeSet<UnitName>>) -> Option<bool> {
    let units = units.value().filter(|units| !units.is_empty())?;
    let mut unknown = false;
    for unit in units {
        match generation.unit(unit) {
            UnitState::Present(_) => return Some(true),
            UnitState::Unknown => unknown = true,
            UnitState::Absent => {}
        }
    }
    (!unknown).then_some(false)
}

/// The package whose data a service's state is in a generation that declares it.
pub(super) fn package<'a>(service: &'a Service, generation: &'a Generation) -> Option<&'a Program> {
    let declared = service.package.value();
    declared.or_else(|| program_of(service, generation))
}

/// The well-known service that one declares, by its name or its package.
pub(super) fn known_of(service: &Service) -> Option<&'static KnownService> {
    let package = service.package.value();
    known_services().iter().find(|known| {
        known.name == service.name.as_str() || package.is_some_and(|package| known.runs(package))
    })
}

/// The program that works on a service's state in a generation that need not declare it.
///
/// Of the programs of the service's units it is the one that goes by the name of the service's package, or by a name that
/// the table of well-known services has for it; where the package is not known either, the only one there is.
pub fn program_of<'a>(service: &Service, generation: &'a Generation) -> Option<&'a Program> {
    let units = service.units.value()?;
    let programs = || {
        units.iter().filter_map(|unit| match generation.unit(unit) {
            UnitState::Present(program) => program,
            UnitState::Absent | UnitState::Unknown => None,
        })
    };
    let package = service.package.value();
    let known = known_of(service);
    let named = programs().find(|program| package.is_some_and(|package| package.name == program.name));
    let kindred = || programs().find(|program| known.is_some_and(|known| known.runs(program)));
    let only = || {
        let first = programs().next()?;
        let alone =
            programs().all(|program| (&program.name, &program.version) == (&first.name, &first.version));
        (package.is_none() && alone).then_some(first)
    };
    named.or_else(kindred).or_else(only)
}

/// Which way a data format may have moved: the first `components` components of the versions differ.
pub(super) fn moved(before: &Program, now: &Program, components: usize) -> Option<Direction> {
    let leading = |version: &str| {
        let end = version
            .match_indices(['.', '-', '+'])
            .nth(components.saturating_sub(1))
            .map_or(version.len(), |(end, _)| end);
        version[..end].to_owned()
    };
    let (before, now) = (before.version.as_deref()?, now.version.as_deref()?);
    match compare_versions(&leading(before), &leading(now)) {
        Ordering::Less => Some(Direction::Up),
        Ordering::Equal => None,
        Ordering::Greater => Some(Direction::Down),
    }
}
