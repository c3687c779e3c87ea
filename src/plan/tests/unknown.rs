//! Tests of what could not be read: said once a service and once a side.

use super::notation::{codes, one, only, steps};
use crate::model::{Location, Setting, Unknown};
use crate::plan::testing::{generation, service, version};
use crate::plan::{Code, Severity, diff};

fn because(reason: &str, line: u32) -> Unknown {
    Unknown {
        reason: reason.to_owned().into(),
        at: Some(Location {
            file: "db.nix".to_owned(),
            line,
            column: 1,
        }),
    }
}

#[test]
fn one_finding_a_service_counts_what_both_sides_lack() {
    let mut service = service("db", "1 2");
    service.history.unread.push(because("an import", 1));
    service.units = Setting::Unknown(because("a function", 2));
    let conditional = service.history.get_mut(version("2")).unwrap();
    conditional.conditions.push(because("depends on `cfg.x`", 3));
    let both = generation("x", [service]);
    let plan = one(&both, &both);
    let finding = only(&plan.findings, Code::Unknown);
    assert_eq!(finding.severity, Severity::Warning);
    assert_eq!(
        finding.message,
        "not all of db could be read: more migrations (an import), and 2 more"
    );
    assert_eq!(finding.at.as_ref().map(|at| at.line), Some(1));
}

#[test]
fn what_cannot_change_the_path_is_only_noted() {
    let mut service = service("db", "1");
    service.package = Setting::Unknown(because("an overlay", 1));
    let both = generation("x", [service]);
    assert_eq!(
        codes(&one(&both, &both).findings),
        [(Code::Unknown, Severity::Note)]
    );
}

#[test]
fn what_every_migration_hangs_on_is_said_once_and_only_noted() {
    let conditional = |line: u32| {
        let mut service = service("db", "1 2");
        for day in ["1", "2"] {
            let migration = service.history.get_mut(version(day)).unwrap();
            migration
                .conditions
                .push(because("depends on `cfg.enable`", line));
        }
        service
    };
    // The two sides have it in different places.
    let (mut old, new) = (conditional(1), conditional(2));
    let plan = one(&generation("1", [old.clone()]), &generation("2", [new.clone()]));
    let finding = only(&plan.findings, Code::Unknown);
    assert_eq!(finding.severity, Severity::Note);
    assert_eq!(
        finding.message,
        "not all of db could be read: whether any of it is there (depends on `cfg.enable`)"
    );

    let own = old.history.get_mut(version("2")).unwrap();
    own.conditions.push(because("depends on `cfg.new`", 3));
    let plan = one(&generation("1", [old]), &generation("2", [new]));
    let finding = only(&plan.findings, Code::Unknown);
    assert_eq!(finding.severity, Severity::Warning);
    assert!(finding.message.ends_with("and 1 more"), "{}", finding.message);
}

#[test]
fn a_step_of_which_nobody_knows_whether_it_is_cumulative_runs_alone() {
    let old = generation("1", [service("db", "1")]);
    let mut service = service("db", "1 2 3");
    service.history.get_mut(version("3")).unwrap().cumulative = Setting::Unknown(because("a call", 1));
    let plan = one(&old, &generation("2", [service]));
    assert_eq!(steps(&plan), "+2 +3");
    assert_eq!(codes(&plan.findings), [(Code::Unknown, Severity::Warning)]);
}

#[test]
fn one_finding_a_side_counts_unread_places() {
    let mut old = generation("1", []);
    old.unread = vec![because("an import", 1), because("a call", 2)];
    let plan = diff(&old, &generation("2", []));
    assert_eq!(
        only(&plan.findings, Code::Unknown).message,
        "`1` may declare more services in 2 places that could not be read: an import"
    );
}
