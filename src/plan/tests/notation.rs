//! Owns how the tests write down what a plan came to.

use crate::model::{Direction, Generation, Version};
use crate::plan::{Code, Finding, Plan, ServicePlan, Severity, Step, diff};

/// The plan of the only service of two generations.
pub(super) fn one(old: &Generation, new: &Generation) -> ServicePlan {
    let mut plan = diff(old, new);
    assert_eq!(plan.services.len(), 1);
    plan.services.remove(0)
}

/// The day of a version.
pub(super) fn day(version: Version) -> String {
    version.date().day().to_string()
}

/// `+3` for an up, `-3` for a down, `+1,2,3` for a cumulative step with what it swallows.
pub(super) fn step(step: &Step) -> String {
    let sign = match step.direction {
        Direction::Up => '+',
        Direction::Down => '-',
    };
    format!("{sign}{}", step.versions().map(day).collect::<Vec<_>>().join(","))
}

/// All steps, a space between.
pub(super) fn steps(plan: &ServicePlan) -> String {
    plan.steps.iter().map(step).collect::<Vec<_>>().join(" ")
}

/// All steps of all services in the order in which they run: `db-3 web+1`.
pub(super) fn order(plan: &Plan) -> String {
    let steps = plan.steps();
    steps
        .map(|(service, of)| format!("{}{}", service.name, step(of)))
        .collect::<Vec<_>>()
        .join(" ")
}

/// What kinds of findings there are, and how bad.
pub(super) fn codes(findings: &[Finding]) -> Vec<(Code, Severity)> {
    findings
        .iter()
        .map(|finding| (finding.code, finding.severity))
        .collect()
}

/// The only finding of a kind.
pub(super) fn only(findings: &[Finding], code: Code) -> &Finding {
    let mut found = findings.iter().filter(|finding| finding.code == code);
    let first = found
        .next()
        .unwrap_or_else(|| panic!("no {code} in {findings:#?}"));
    assert!(found.next().is_none(), "more than one {code}");
    first
}
