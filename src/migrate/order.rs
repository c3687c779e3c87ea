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

/// Of the services that did not arrive, the first that one has to wait for: it requires its units; or it comes down alone, and
/// would take away what the other still requires.
pub(super) fn waits_for<'n>(
    plan: &ServicePlan,
    target: &Generation,
    mut stayed: impl Iterator<Item = &'n ServiceName>,
) -> Option<&'n ServiceName> {
    let descends = plan.steps.iter().all(|step| step.direction == Direction::Down);
    stayed
        .find(|other| requires(target, &plan.name, other) || descends && requires(target, other, &plan.name))
}

/// Whether one service requires units of another.
fn requires(target: &Generation, one: &ServiceName, other: &ServiceName) -> bool {
    let of = |name| target.services.get(name);
    let required = of(one).and_then(|service| service.requires.value());
    let units = of(other).and_then(|service| service.units.value());
    match (required, units) {
        (Some(required), Some(units)) => units.iter().any(|unit| required.contains(unit)),
        _ => false,
    }
}
