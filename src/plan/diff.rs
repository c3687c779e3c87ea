//! Owns the way from two generations to a plan: which services there are, and what each is planned from.

use std::collections::BTreeSet;

use super::contact::{Evidence, first_contact};
use super::service::{Premise, plan_service};
use super::{Plan, Presence, ServicePlan, finding, lost, order, unknown, unmigrated};
use crate::model::{Generation, Service};

/// What would happen to the state of a machine that ran `old` and starts `new`, as far as the two of them tell.
pub fn diff(old: &Generation, new: &Generation) -> Plan {
    let names: BTreeSet<_> = old.services.keys().chain(new.services.keys()).collect();
    let mut plan = Plan::default();
    let mut before = Vec::new();
    let mut after = Vec::new();
    for name in names {
        let (past, target) = (old.services.get(name), new.services.get(name));
        before.push(past);
        after.push(target);
        plan.services.extend(service(old, new, past, target));
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
) -> Option<ServicePlan> {
    let premise = match (past, target) {
        (Some(past), Some(target)) => Premise {
            name: &target.name,
            presence: Presence::Both,
            applied: past.history.versions().collect(),
            baseline: None,
            past: Some(past),
            target: Some(target),
            expected: &target.history,
            findings: Vec::new(),
        },
        (None, Some(target)) => {
            let evidence = Evidence {
                previous: Some(old),
                ..Evidence::default()
            };
            let contact = first_contact(target, &evidence);
            Premise {
                name: &target.name,
                presence: Presence::Gained,
                applied: contact.applied,
                baseline: contact.baseline,
                past: None,
                target: Some(target),
                expected: &target.history,
                findings: contact.findings,
            }
        }
        (Some(past), None) => {
            let (expected, finding) = lost::expected(past, old, new);
            return Some(plan_service(Premise {
                name: &past.name,
                presence: Presence::Lost,
                applied: past.history.versions().collect(),
                baseline: None,
                past: Some(past),
                target: None,
                expected: &expected,
                findings: finding.into_iter().collect(),
            }));
        }
        (None, None) => return None,
    };
    Some(plan_service(premise))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Program, Setting};
    use crate::plan::testing::{generation, running, service, versions, words};
    use crate::plan::{Code, Severity, Step};

    fn one(old: &Generation, new: &Generation) -> ServicePlan {
        let mut plan = diff(old, new);
        assert_eq!(plan.services.len(), 1);
        plan.services.remove(0)
    }

    /// `+3` for an up, `-3` for a down.
    fn steps(plan: &ServicePlan) -> String {
        let word = |step: &Step| {
            let sign = match step.direction {
                crate::model::Direction::Up => '+',
                crate::model::Direction::Down => '-',
            };
            format!("{sign}{}", step.version().date().day())
        };
        plan.steps.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    fn codes(plan: &ServicePlan) -> Vec<(Code, Severity)> {
        let codes = plan.findings.iter();
        codes.map(|finding| (finding.code, finding.severity)).collect()
    }

    fn pair(old: &str, new: &str) -> (Generation, Generation) {
        (
            generation("1", [service("db", old)]),
            generation("2", [service("db", new)]),
        )
    }

    #[test]
    fn up_and_down_between_two_histories() {
        let (old, new) = pair("1 2", "1 2 3 4");
        let up = one(&old, &new);
        assert_eq!(steps(&up), "+3 +4");
        assert_eq!(up.presence, Presence::Both);
        assert_eq!(codes(&up), []);
        assert_eq!((up.from(), up.to()), (old_head(&old), old_head(&new)));
        let down = one(&new, &old);
        assert_eq!(steps(&down), "-4 -3");
        assert_eq!(codes(&down), []);
        assert_eq!((down.from(), down.to()), (old_head(&new), old_head(&old)));
        assert_eq!(diff(&old, &old).order, []);
    }

    fn old_head(generation: &Generation) -> Option<crate::model::Version> {
        generation.services.values().next()?.history.head()
    }

    #[test]
    fn an_up_is_the_targets_and_a_down_the_old_sides() {
        let (mut old, mut new) = pair("1 2", "1 3");
        let of = |generation: &mut Generation, words_: &str, day: &str| {
            let service = generation.services.values_mut().next().unwrap();
            let migration = service.history.get_mut(versions(day)[0]).unwrap();
            migration.up.script = words(words_);
            migration.down.script = words(words_);
        };
        of(&mut old, "old", "2");
        of(&mut new, "new", "3");
        let plan = one(&old, &new);
        let text = |step: &Step| step.action().script.value()?.text.clone();
        assert_eq!(text(&plan.steps[0]).as_deref(), Some("old"));
        assert_eq!(text(&plan.steps[1]).as_deref(), Some("new"));
        assert_eq!(codes(&plan), [(Code::Diverged, Severity::Warning)]);
    }

    #[test]
    fn a_gained_service_without_units_before_is_fresh() {
        let old = generation("1", []);
        let new = generation("2", [service("db", "1 2")]);
        let plan = one(&old, &new);
        assert_eq!(plan.presence, Presence::Gained);
        assert_eq!(steps(&plan), "");
        assert_eq!(plan.applied, versions("1 2"));
        assert_eq!(codes(&plan), [(Code::Baselined, Severity::Note)]);
    }

    #[test]
    fn a_gained_service_starts_from_its_old_program() {
        let old = running(generation("1", []), "db.service", "db-15.10");
        let mut target = service("db", "1=14 2=15 3=16 4=17");
        target.package = Setting::Set(Program::parse("db-17.2"));
        let plan = one(&old, &generation("2", [target]));
        assert_eq!(plan.applied, versions("1 2"));
        assert_eq!(steps(&plan), "+3 +4");
        assert_eq!(codes(&plan), [(Code::Baselined, Severity::Warning)]);
    }
}
