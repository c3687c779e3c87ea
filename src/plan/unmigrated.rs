//! Owns the comparison of programs: a data format that may have moved with no migration that goes with it.

use super::finding::{Code, Finding, Severity};
use super::programs::{moved, package, program_of};
use super::words::{READ_OTHERWISE, names};
use super::{Plan, ServicePlan};
use crate::model::{
    Direction, Generation, KnownService, Program, Service, UnitName, known_by_unit, known_services,
};

/// Compares the programs of well-known services that declare nothing, and of all services that do.
pub(super) fn find(old: &Generation, new: &Generation, plan: &mut Plan) {
    for service in &mut plan.services {
        let (past, target) = (old.services.get(&service.name), new.services.get(&service.name));
        let finding = match (past, target) {
            (_, Some(target)) => declared(service, past, target, old, new),
            (Some(past), None) => dropped(service, past, old, new),
            (None, None) => None,
        };
        service.findings.extend(finding);
    }
    let mut untold = Vec::new();
    for (unit, now) in &new.units {
        let rows: Vec<_> = known_by_unit(unit.as_str()).collect();
        if rows.is_empty() || declares(old, &rows, unit) || declares(new, &rows, unit) {
            continue;
        }
        let Some(before) = old.units.get(unit) else {
            continue;
        };
        match well_known(&rows, before.value(), now.value()) {
            Some(Told::Moved {
                known,
                what,
                direction,
            }) => {
                plan.findings.push(moved_on(unit, known, &what, direction));
            }
            Some(Told::Stayed) => {}
            None => untold.push(unit.as_str()),
        }
    }
    plan.findings.extend(without_units(old, new));
    if !untold.is_empty() {
        plan.findings.push(Finding {
            code: Code::Unknown,
            severity: Severity::Note,
            service: None,
            versions: Vec::new(),
            direction: None,
            message: format!(
                "whether data formats moved cannot be told of {}: no program with a version was found on both sides",
                names(untold.into_iter())
            ),
            help: "See which versions their packages have on either side; `nixmig show` lists what was found.".to_owned(),
            at: None,
        });
    }
}

/// Where a side does not show its units, nothing is compared, and that is said.
fn without_units(old: &Generation, new: &Generation) -> Option<Finding> {
    let mut sides = [old, new].into_iter().filter(|side| !side.units_complete);
    let side = sides.next()?;
    let also = sides.next().map(|side| format!(" and `{}`", side.label));
    let show = if also.is_some() {
        "do not show"
    } else {
        "does not show"
    };
    Some(Finding {
        code: Code::Unknown,
        severity: Severity::Warning,
        service: None,
        versions: Vec::new(),
        direction: None,
        message: format!(
            "whether data formats of well-known services moved cannot be told: `{}`{} {show} all units",
            side.label,
            also.unwrap_or_default()
        ),
        help: READ_OTHERWISE.to_owned(),
        at: None,
    })
}

/// What two programs of a unit tell.
enum Told {
    /// The data format may have moved.
    Moved {
        /// What is known of the one it moved to.
        known: &'static KnownService,
        /// From what to what.
        what: String,
        /// Whether that is forwards.
        direction: Direction,
    },
    /// It has not.
    Stayed,
}

/// Compares the programs of a unit of well-known services; `None` where they, or their versions, could not be told.
fn well_known(
    rows: &[&'static KnownService],
    before: Option<&Program>,
    now: Option<&Program>,
) -> Option<Told> {
    let (before, now) = (before?, now?);
    let row = |program: &Program| rows.iter().copied().find(|known| known.runs(program));
    let (was, known) = match (row(before), row(now)) {
        (Some(was), Some(known)) => (was, known),
        // One that the table does not name, but the same on both sides.
        (None, None) if before.name == now.name => (rows.first().copied()?, rows.first().copied()?),
        _ => return None,
    };
    let direction = match was.name == known.name {
        true if before.version.is_none() || now.version.is_none() => return None,
        true => moved(before, now, known.components),
        // Another program took its place.
        false => Some(Direction::Up),
    };
    Some(match direction {
        Some(direction) => Told::Moved {
            known,
            what: arrow((was.name, before), (known.name, now)),
            direction,
        },
        None => Told::Stayed,
    })
}

fn moved_on(unit: &UnitName, known: &KnownService, what: &str, moved: Direction) -> Finding {
    let place = match known.units.first() == Some(&unit.as_str()) {
        true => String::new(),
        false => format!(" in {unit}"),
    };
    let way = match moved {
        Direction::Up => "Carry the data over, keeping a backup from before",
        Direction::Down => "Bring back data from before",
    };
    Finding {
        code: Code::Unmigrated,
        severity: Severity::Warning,
        service: known.name.parse().ok(),
        versions: Vec::new(),
        direction: Some(moved),
        message: format!("{what}: unmigrated{place}"),
        help: format!(
            "{} {way}, or declare `migrations.{}`; read on at {}",
            known.format, known.name, known.link
        ),
        at: None,
    }
}

/// Whether a service covers a unit: one that gates it, or where it is not known what it gates one of that name.
fn declares(generation: &Generation, rows: &[&KnownService], unit: &UnitName) -> bool {
    let covers = |service: &Service| match service.units.value() {
        Some(units) => units.contains(unit),
        None => rows.iter().any(|known| known.name == service.name.as_str()),
    };
    generation.services.values().any(covers)
}

/// A service that the new side declares: its package moved, and no step goes that way.
fn declared(
    plan: &ServicePlan,
    past: Option<&Service>,
    target: &Service,
    old: &Generation,
    new: &Generation,
) -> Option<Finding> {
    let before = match past {
        Some(past) => package(past, old),
        None => program_of(target, old),
    };
    stepless(plan, target, before?, package(target, new)?)
}

/// A service whose state a package ran last, as a machine remembers it.
pub(super) fn since(
    plan: &ServicePlan,
    service: &Service,
    before: &Program,
    new: &Generation,
) -> Option<Finding> {
    stepless(plan, service, before, package(service, new)?)
}

/// A service that only the old side declares.
fn dropped(plan: &ServicePlan, past: &Service, old: &Generation, new: &Generation) -> Option<Finding> {
    stepless(plan, past, package(past, old)?, program_of(past, new)?)
}

fn stepless(plan: &ServicePlan, service: &Service, before: &Program, now: &Program) -> Option<Finding> {
    let known = known_services()
        .iter()
        .find(|known| known.name == plan.name.as_str() || known.runs(now));
    let way = moved(before, now, known.map_or(1, |known| known.components))?;
    // Where some steps say which program they are for, only those can go with a program.
    let mut migrations = service.history.iter();
    let by_program = migrations.any(|migration| migration.program.is_set());
    let goes_along = plan
        .steps
        .iter()
        .any(|step| step.direction == way && (step.migration.program.is_set() || !by_program));
    let undecided = plan
        .baseline
        .as_ref()
        .is_some_and(|baseline| !baseline.undecided.is_empty());
    // Where nothing can be said of the path, there is nothing to say of what it lacks.
    if plan.is_refused() || undecided || goes_along {
        return None;
    }
    let name = |program: &'_ Program| match known {
        Some(known) if known.runs(program) => known.name.to_owned(),
        _ => program.name.clone(),
    };
    let message = format!(
        "{}: unmigrated, for no step of {} goes {} with it",
        arrow((&name(before), before), (&name(now), now)),
        plan.name,
        way.name()
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
    // That a minor version needs no step is for its module's author to know; nothing promises it of a way back.
    let minor = way == Direction::Up && moved(before, now, 1).is_none();
    let severity = match minor {
        true => Severity::Note,
        false => Severity::Warning,
    };
    Some(Finding {
        direction: Some(way),
        ..Finding::new(&plan.name, Code::Unmigrated, severity, message, help)
    })
}

/// `postgresql 15.10 → 17.2`, with both names where they differ.
fn arrow((name, before): (&str, &Program), (new_name, now): (&str, &Program)) -> String {
    let version = |program: &Program| program.version.clone().unwrap_or_else(|| "?".to_owned());
    let (before, now) = (version(before), version(now));
    match name == new_name {
        true => format!("{name} {before} → {now}"),
        false => format!("{name} {before} → {new_name} {now}"),
    }
}
