//! Owns the order in which services are brought forward, as the plan's order of steps has it.

use std::collections::BTreeSet;

use crate::model::{Direction, Generation, ServiceName};
use crate::plan::{Plan, ServicePlan, StepId};

/// The services of a plan in the order of their first steps that count: those that only come down first, against `requires`;
/// then the others by their first up, along it. Those without steps come last, by name.
pub(super) fn services(plan: &Plan) -> Vec<&ServicePlan> {
    let has_up = |index: usize| {
        let steps = &plan.services[index].steps;
        steps.iter().any(|step| step.direction == Direction::Up)
    };
    let counts = |id: &&StepId| {
        let step = &plan.services[id.service].steps[id.step];
        step.direction == Direction::Up || !has_up(id.service)
    };
    let stepping = plan.order.iter().filter(counts).map(|id| id.service);
    let mut seen = BTreeSet::new();
    stepping
        .chain(0..plan.services.len())
        .filter(|&index| seen.insert(index))
        .map(|index| &plan.services[index])
        .collect()
}

/// Of these services, the first whose units another requires: that one waits for it.
pub(super) fn required<'n>(
    name: &ServiceName,
    by: &Generation,
    among: impl Iterator<Item = &'n ServiceName>,
) -> Option<&'n ServiceName> {
    let requires = by.services.get(name)?.requires.value()?;
    let mut among = among;
    among.find(|other| {
        let service = by.services.get(*other);
        let units = service.and_then(|service| service.units.value());
        units.is_some_and(|units| units.iter().any(|unit| requires.contains(unit)))
    })
}
