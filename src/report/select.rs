//! Owns the choice of services: a plan or a generation of only those that somebody named.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Generation, Program, ServiceName, Setting, UnitName, UnitNames, known_by_unit, known_services,
};
use crate::plan::{Finding, Plan, StepId};

/// The services that can be named: those that declare migrations, and the well-known ones whose units are there with their
/// program, or with one that is not known.
pub fn names<'a>(generations: impl IntoIterator<Item = &'a Generation>) -> BTreeSet<ServiceName> {
    let mut names = BTreeSet::new();
    for generation in generations {
        names.extend(generation.services.keys().cloned());
        let known = known_services().iter().filter(|known| {
            generation.units.iter().any(|(unit, program)| {
                known.has_unit(unit.as_str()) && program.value().is_none_or(|program| known.runs(program))
            })
        });
        names.extend(known.filter_map(|known| known.name.parse().ok()));
    }
    names
}

/// The part of a plan that is of some services, or of none in particular.
pub fn only_plan(plan: &Plan, services: &BTreeSet<ServiceName>) -> Plan {
    let kept: Vec<usize> = (0..plan.services.len())
        .filter(|&index| services.contains(&plan.services[index].name))
        .collect();
    let step = |id: &StepId| {
        let service = kept.iter().position(|&index| index == id.service)?;
        Some(StepId { service, ..*id })
    };
    let wanted = |finding: &&Finding| {
        finding
            .service
            .as_ref()
            .is_none_or(|service| services.contains(service))
    };
    Plan {
        services: kept.iter().map(|&index| plan.services[index].clone()).collect(),
        order: plan.order.iter().filter_map(step).collect(),
        findings: plan.findings.iter().filter(wanted).cloned().collect(),
    }
}

/// The part of a generation that is of some services, or of none in particular.
pub fn only_generation(generation: &Generation, services: &BTreeSet<ServiceName>) -> Generation {
    let mut only = generation.clone();
    only.services.retain(|name, _| services.contains(name));
    let units: BTreeMap<_, _> = programs(&only)
        .filter(|(unit, _)| {
            is_gated(&only, unit) || known_by_unit(unit.as_str()).any(|known| services.contains(known.name))
        })
        .map(|(unit, program)| (unit.clone(), program.clone()))
        .collect();
    only.units = units;
    only.others = UnitNames::default();
    only
}

/// The units whose programs matter, with them: gated ones and those of well-known services. A reader lists more.
pub(super) fn programs(generation: &Generation) -> impl Iterator<Item = (&UnitName, &Setting<Program>)> {
    generation
        .units
        .iter()
        .filter(|(unit, _)| is_gated(generation, unit) || known_by_unit(unit.as_str()).next().is_some())
}

fn is_gated(generation: &Generation, unit: &UnitName) -> bool {
    generation
        .services
        .values()
        .filter_map(|service| service.units.value())
        .any(|units| units.contains(unit))
}
