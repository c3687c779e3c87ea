//! Owns the way from two generations to a plan: which services there are, and what each is planned from.

use std::collections::BTreeSet;

use super::contact::{Contact, Evidence, first_contact};
use super::programs::package;
use super::service::{Premise, plan_service};
use super::shared::{self, Claim};
use super::{Finding, Plan, Presence, ServicePlan, finding, lost, order, unknown, unmigrated};
use crate::model::{Generation, Service};

/// Who compares two generations may name them otherwise than the machine that starts one.
const ANY: &str = "GEN";

/// What would happen to the state of a machine that ran `old` and starts `new`, as far as the two of them tell.
pub fn diff(old: &Generation, new: &Generation) -> Plan {
    let names: BTreeSet<_> = old.services.keys().chain(new.services.keys()).collect();
    let gone = old.services.values();
    let gone = gone.filter(|service| !new.services.contains_key(&service.name));
    let starting = new
        .services
        .values()
        .map(|service| Claim::new(service, true, None));
    let claims: Vec<_> = starting
        .chain(gone.map(|service| Claim::new(service, false, None)))
        .collect();
    let mut shared = shared::find(&claims);
    let mut plan = Plan::default();
    let mut before = Vec::new();
    let mut after = Vec::new();
    for name in names {
        let (past, target) = (old.services.get(name), new.services.get(name));
        before.push(past);
        after.push(target);
        let shared = shared.remove(name).unwrap_or_default();
        plan.services.extend(service(old, new, past, target, shared));
    }
    unmigrated::find(old, new, &mut plan);
    order::order(&mut plan, &before, &after);
    for service in &mut plan.services {
        finding::sort(&mut service.findings);
    }
    unknown::side(old, &mut plan);
    unknown::side(new, &mut plan);
    finding::sort(&mut plan.findings);
    plan
}

fn service(
    old: &Generation,
    new: &Generation,
    past: Option<&Service>,
    target: Option<&Service>,
    shared: Vec<Finding>,
) -> Option<ServicePlan> {
    let premise = match (past, target) {
        (Some(past), Some(target)) => Premise {
            name: &target.name,
            generation: ANY,
            presence: Presence::Both,
            applied: past.history.versions().collect(),
            baseline: None,
            past: Some(past),
            target: Some(target),
            expected: &target.history,
            assumed: Vec::new(),
            acknowledged: BTreeSet::new(),
            findings: shared,
        },
        (None, Some(target)) => {
            let evidence = Evidence {
                previous: Some(old),
                ..Evidence::default()
            };
            // State that is another's, too, is not met: what there is of it says nothing of this one's.
            let contact = match shared.is_empty() {
                true => first_contact(target, &evidence),
                false => Contact::default(),
            };
            Premise {
                name: &target.name,
                generation: ANY,
                presence: Presence::Gained,
                assumed: contact.assumed(),
                applied: contact.applied,
                baseline: contact.baseline,
                past: None,
                target: Some(target),
                expected: &target.history,
                acknowledged: BTreeSet::new(),
                findings: contact.findings.into_iter().chain(shared).collect(),
            }
        }
        (Some(past), None) => {
            let before = lost::Before {
                package: package(past, old),
                release: old.release.value().copied(),
            };
            let (expected, finding) = lost::expected(past, before, new);
            return Some(plan_service(Premise {
                name: &past.name,
                generation: ANY,
                presence: Presence::Lost,
                applied: past.history.versions().collect(),
                baseline: None,
                past: Some(past),
                target: None,
                expected: &expected,
                assumed: Vec::new(),
                acknowledged: BTreeSet::new(),
                findings: finding.into_iter().collect(),
            }));
        }
        (None, None) => return None,
    };
    Some(plan_service(premise))
}
