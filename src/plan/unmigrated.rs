//! Owns the comparison of programs: a data format that may have moved with no migration that goes with it.

use std::cmp::Ordering;

use super::contact::program_of;
use super::finding::{Code, Finding, Severity};
use super::{Plan, ServicePlan};
use crate::model::{
    Direction, Generation, KnownService, Program, Service, ServiceName, UnitName, compare_versions,
    known_services,
};

/// Compares the programs of well-known services that declare nothing, and of all services that do.
pub(super) fn find(old: &Generation, new: &Generation, plan: &mut Plan) {
    for service in &mut plan.services {
        let (past, target) = (old.services.get(&service.name), new.services.get(&service.name));
        let finding = match (past, target) {
            (_, Some(target)) => declared(service, past, target, old),
            (Some(past), None) => dropped(service, past, new),
            (None, None) => None,
        };
        service.findings.extend(finding);
    }
    let undeclared = known_services()
        .iter()
        .flat_map(|known| well_known(known, old, new));
    plan.findings.extend(undeclared);
}

/// A well-known service that neither side declares: one finding a unit whose program moved.
fn well_known<'a>(
    known: &'static KnownService,
    old: &'a Generation,
    new: &'a Generation,
) -> impl Iterator<Item = Finding> + 'a {
    let declared = |generation: &Generation, unit: &UnitName| {
        generation.services.contains_key(known.name)
            || generation.services.values().any(|service| {
                let units = service.units.value();
                units.is_some_and(|units| units.contains(unit))
            })
    };
    new.units.iter().filter_map(move |(unit, program)| {
        if !known.units.iter().any(|pattern| matches(pattern, unit.as_str())) {
            return None;
        }
        let before = old.units.get(unit)?.value()?;
        let now = program.value()?;
        let alike = before.name == now.name
            || [before, now]
                .iter()
                .all(|program| known.programs.contains(&program.name.as_str()));
        if !alike {
            return None;
        }
        let moved = moved(before, now, known.components)?;
        if declared(old, unit) || declared(new, unit) {
            return None;
        }
        let instance = match known.units.first() == Some(&unit.as_str()) {
            true => String::new(),
            false => format!(" in {unit}"),
        };
        let message = format!("{}: unmigrated{instance}", arrow(before, now));
        let way = match moved {
            Direction::Up => "Carry the data over before or after the switch",
            Direction::Down => "Bring back the data from before",
        };
        let help = format!(
            "{} {way}, or declare `migrations.{}`; read on at {}",
            known.format, known.name, known.link
        );
        let name = known.name.parse::<ServiceName>();
        Some(Finding {
            code: Code::Unmigrated,
            severity: Severity::Warning,
            service: name.ok(),
            versions: Vec::new(),
            direction: Some(moved),
            message,
            help,
            at: None,
        })
    })
}

/// A service that the new side declares: its package moved, and no step goes that way.
fn declared(
    plan: &ServicePlan,
    past: Option<&Service>,
    target: &Service,
    old: &Generation,
) -> Option<Finding> {
    let before = match past {
        Some(past) => past.package.value()?,
        None => program_of(target, old)?,
    };
    let now = target.package.value()?;
    stepless(plan, before, now)
}

/// A service that only the old side declares.
fn dropped(plan: &ServicePlan, past: &Service, new: &Generation) -> Option<Finding> {
    stepless(plan, past.package.value()?, program_of(past, new)?)
}

fn stepless(plan: &ServicePlan, before: &Program, now: &Program) -> Option<Finding> {
    let known = known_services()
        .iter()
        .find(|known| known.name == plan.name.as_str() || known.programs.contains(&now.name.as_str()));
    let moved = moved(before, now, known.map_or(1, |known| known.components))?;
    if plan.is_refused() || plan.steps.iter().any(|step| step.direction == moved) {
        return None;
    }
    let message = format!(
        "{}: unmigrated, for no step of {} goes {} with it",
        arrow(before, now),
        plan.name,
        moved.name()
    );
    let help = match known {
        Some(known) => format!(
            "{} See whether its module lacks a step; read on at {}",
            known.format, known.link
        ),
        None => {
            "See in its release notes whether its data format moved, and whether its module lacks a step."
                .to_owned()
        }
    };
    Some(Finding {
        direction: Some(moved),
        ..Finding::new(&plan.name, Code::Unmigrated, Severity::Warning, message, help)
    })
}

/// Which way a data format may have moved: the first `components` components of the versions differ.
fn moved(before: &Program, now: &Program, components: usize) -> Option<Direction> {
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

/// `postgresql 15.10 → 17.2`, with both names where they differ.
fn arrow(before: &Program, now: &Program) -> String {
    match &now.version {
        Some(version) if before.name == now.name => format!("{} → {version}", before.display()),
        _ => format!("{} → {}", before.display(), now.display()),
    }
}

/// Whether a unit goes by a pattern with at most one `*`.
fn matches(pattern: &str, unit: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == unit,
        Some((head, tail)) => {
            unit.len() >= head.len() + tail.len() && unit.starts_with(head) && unit.ends_with(tail)
        }
    }
}
