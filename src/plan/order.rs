//! Owns the order over services: all downs against `requires`, then all ups along it, and what goes wrong with it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::finding::{Code, Finding, Severity};
use super::words::names;
use super::{Plan, StepId};
use crate::model::{Direction, Service, UnitName};

/// Who needs whom, as indices of [`Plan::services`]: for each service those whose gates hold back a unit that it requires,
/// ascending.
struct Needs(Vec<Vec<usize>>);

impl Needs {
    fn of(services: &[Option<&Service>]) -> Self {
        let mut gated: BTreeMap<&UnitName, Vec<usize>> = BTreeMap::new();
        for (index, service) in services.iter().enumerate() {
            let units = service.and_then(|service| service.units.value());
            for unit in units.into_iter().flatten() {
                gated.entry(unit).or_default().push(index);
            }
        }
        let needs = services.iter().map(|service| {
            let required = service.and_then(|service| service.requires.value());
            let required = required.into_iter().flatten();
            let mut needs: Vec<_> = required
                .filter_map(|unit| gated.get(unit))
                .flatten()
                .copied()
                .collect();
            needs.sort_unstable();
            needs.dedup();
            needs
        });
        Self(needs.collect())
    }

    fn reversed(&self) -> Self {
        let mut reversed = vec![Vec::new(); self.0.len()];
        for (index, needs) in self.0.iter().enumerate() {
            for &needed in needs {
                reversed[needed].push(index);
            }
        }
        Self(reversed)
    }

    /// Everybody after whom they need, by name where that leaves a choice; and the cycles that had to be broken for it, each
    /// at its first name.
    fn sorted(&self) -> (Vec<usize>, Vec<Vec<usize>>) {
        let needed_by = self.reversed();
        let mut open: Vec<_> = self.0.iter().map(Vec::len).collect();
        let mut done = vec![false; open.len()];
        let mut ready: BinaryHeap<_> = (0..open.len())
            .filter(|&index| open[index] == 0)
            .map(Reverse)
            .collect();
        let mut order = Vec::with_capacity(open.len());
        let mut cycles = Vec::new();
        // The first index that may still be waiting.
        let mut waiting = 0;
        while order.len() < open.len() {
            let index = match ready.pop() {
                Some(Reverse(index)) => index,
                None => {
                    while done[waiting] {
                        waiting += 1;
                    }
                    let cycle = self.cycle(waiting, &done);
                    let first = cycle[0];
                    cycles.push(cycle);
                    first
                }
            };
            if std::mem::replace(&mut done[index], true) {
                continue;
            }
            order.push(index);
            for &next in &needed_by.0[index] {
                open[next] -= 1;
                if open[next] == 0 {
                    ready.push(Reverse(next));
                }
            }
        }
        (order, cycles)
    }

    /// A cycle among those that are not done, reached from `start`, ascending. There is one: each of them waits for another.
    fn cycle(&self, start: usize, done: &[bool]) -> Vec<usize> {
        let mut walked: Vec<usize> = Vec::new();
        let mut seen = vec![None; done.len()];
        let mut at = start;
        loop {
            if let Some(begin) = seen[at] {
                walked.drain(..begin);
                walked.sort_unstable();
                return walked;
            }
            seen[at] = Some(walked.len());
            walked.push(at);
            match self.0[at].iter().find(|&&needed| !done[needed]) {
                Some(&needed) => at = needed,
                None => return vec![at],
            }
        }
    }
}

/// Puts the steps of all services in order. `old` and `new` are the services of [`Plan::services`] on either side.
pub(super) fn order(plan: &mut Plan, old: &[Option<&Service>], new: &[Option<&Service>]) {
    let either = |first: &[Option<_>], second: &[Option<_>]| {
        let pairs = first.iter().zip(second);
        pairs
            .map(|(&first, &second)| first.or(second))
            .collect::<Vec<_>>()
    };
    // Downs are the old side's definitions, ups the new side's.
    let backwards = Needs::of(&either(old, new));
    let forwards = Needs::of(&either(new, old));

    let (along, mut cycles) = backwards.sorted();
    let (downs, _) = backwards.reversed().sorted();
    let (ups, more) = forwards.sorted();
    for (services, direction) in [(&downs, Direction::Down), (&ups, Direction::Up)] {
        for &service in services {
            let steps = plan.services[service].steps.iter().enumerate();
            let wanted = steps.filter(|(_, step)| step.direction == direction);
            plan.order
                .extend(wanted.map(|(step, _)| StepId { service, step }));
        }
    }

    cycles.extend(more);
    cycles.sort_unstable();
    cycles.dedup();
    for cycle in cycles {
        cyclic(plan, &cycle);
    }
    against(plan, &backwards, &along);
    held_back(plan, &forwards, &ups, new);
}

/// A service whose path is refused stays down, and so does everything whose gate requires a unit of it.
fn held_back(plan: &mut Plan, needs: &Needs, along: &[usize], new: &[Option<&Service>]) {
    // For each service, one that is refused and that it needs, directly or not.
    let mut refused: Vec<Option<usize>> = vec![None; plan.services.len()];
    for &index in along {
        let mut found = needs.0[index].iter().filter(|&&needed| needed != index);
        refused[index] = found.find_map(|&needed| match plan.services[needed].is_refused() {
            true => Some(needed),
            false => refused[needed],
        });
    }
    for (index, needed) in refused.into_iter().enumerate() {
        // What is refused for a reason of its own says so already.
        let is_told = new[index].is_none() || plan.services[index].is_refused();
        let Some(needed) = needed.filter(|_| !is_told) else {
            continue;
        };
        let needed = plan.services[needed].name.clone();
        let service = &mut plan.services[index];
        let message = format!(
            "{} will not start either: it requires {needed}, whose path is refused",
            service.name
        );
        let help = format!("Decide about {needed} first; nothing of this service is touched before.");
        service.findings.push(Finding::new(
            &service.name,
            Code::DependencyOrder,
            Severity::Warning,
            message,
            help,
        ));
    }
}

fn cyclic(plan: &mut Plan, cycle: &[usize]) {
    let names = names(cycle.iter().map(|&index| plan.services[index].name.as_str()));
    let message = match cycle.len() {
        1 => format!("{names} requires a unit that its own gate holds back"),
        _ => format!("{names} require each other"),
    };
    let help = "Their gates wait for each other, so none of them starts. Take one of the units out of `migrations.*.requires`.";
    // Each of them is refused, so each has the finding.
    for &index in cycle {
        let service = &mut plan.services[index];
        service.findings.push(Finding::new(
            &service.name,
            Code::DependencyOrder,
            Severity::Refused,
            message.clone(),
            help.to_owned(),
        ));
    }
}

/// Gates start along `requires`, so a service that goes down would do so after the ones it needs have moved on.
fn against(plan: &mut Plan, needs: &Needs, along: &[usize]) {
    // For each service, one that it needs, directly or not, and that has steps.
    let mut moved: Vec<Option<usize>> = vec![None; plan.services.len()];
    for &index in along {
        let mut found = needs.0[index].iter().filter(|&&needed| needed != index);
        moved[index] = found.find_map(|&needed| match plan.services[needed].steps.is_empty() {
            true => moved[needed],
            false => Some(needed),
        });
    }
    for (index, needed) in moved.into_iter().enumerate() {
        let goes_down = plan.services[index]
            .steps
            .iter()
            .any(|step| step.direction == Direction::Down);
        let Some(needed) = needed.filter(|&needed| goes_down && needed != index) else {
            continue;
        };
        let needed = plan.services[needed].name.clone();
        let service = &mut plan.services[index];
        let message = format!(
            "{} goes down before {needed}, which it requires, but gates start in the other order",
            service.name
        );
        let help = "Walk the plan with `nixmig migrate` before the switch: it keeps this order, and the gates then find nothing \
                    to do."
            .to_owned();
        let finding = Finding {
            direction: Some(Direction::Down),
            ..Finding::new(
                &service.name,
                Code::DependencyOrder,
                Severity::Warning,
                message,
                help,
            )
        };
        service.findings.push(finding);
    }
}
