//! Tests of services that the new side no longer declares.

use super::notation::{codes, one, only, steps};
use crate::model::{Generation, Kind, Program, Service, Setting, Unknown};
use crate::plan::testing::{generation, running, service, versions, words};
use crate::plan::{Code, Presence, Severity};

fn old(migrations: &str, release: &str) -> Generation {
    let service = Service {
        package: Setting::Set(Program::parse("db-17.2")),
        ..service("db", migrations)
    };
    Generation {
        release: release.parse().ok().into(),
        ..generation("2", [service])
    }
}

fn new(program: &str, release: &str) -> Generation {
    Generation {
        release: release.parse().ok().into(),
        ..running(generation("1", []), "db.service", program)
    }
}

#[test]
fn units_that_are_gone_leave_the_state_as_it_is() {
    let plan = one(&old("1 2", "25.05"), &generation("1", []));
    assert_eq!((plan.presence, plan.target), (Presence::Lost, None));
    assert_eq!(steps(&plan), "");
    assert_eq!(plan.to(), plan.from());
    assert_eq!(codes(&plan.findings), [(Code::Lost, Severity::Note)]);
}

#[test]
fn an_older_program_walks_its_steps_down() {
    let plan = one(&old("1=15 2=16 3=17", "25.05"), &new("db-15.10", "24.05"));
    assert_eq!(steps(&plan), "-3 -2");
    assert_eq!(plan.to(), Some(versions("1")[0]));
    assert_eq!(codes(&plan.findings), [(Code::Lost, Severity::Warning)]);
    assert_eq!(plan.findings[0].versions, versions("2 3"));
}

#[test]
fn the_dangers_of_that_path_are_found() {
    let mut old = old("1=15 2=16", "25.05");
    let service = old.services.values_mut().next().unwrap();
    let migration = service.history.get_mut(versions("2")[0]).unwrap();
    migration.down.warn = words("careful");
    let plan = one(&old, &new("db-15.10", "24.05"));
    assert!(plan.steps[0].needs_acknowledgement);
    only(&plan.findings, Code::Destructive);
}

#[test]
fn a_program_that_is_as_new_changes_nothing() {
    for (history, program, release) in [
        ("1=15 2=17", "db-17.2", "25.05"),
        // The last step is later than any release: who is newer than the old side has it all the same.
        ("1=15 2=17 2025-12-01", "db-17.4", "25.11"),
        ("1=15 2=17 2025-12-01", "db-18.1", "25.11"),
    ] {
        let plan = one(&old(history, "25.05"), &new(program, release));
        assert_eq!(steps(&plan), "");
        only(&plan.findings, Code::Lost);
        assert!(!plan.is_refused());
    }
    // A format that moved on is still said to.
    let plan = one(&old("1=15", "25.05"), &new("db-18.1", "25.11"));
    only(&plan.findings, Code::Unmigrated);
}

#[test]
fn who_is_not_newer_may_lack_a_step() {
    // The same release, an unstable system of it, and a program that went back on a newer one.
    for (program, release) in [
        ("db-17.2", "25.05"),
        ("db-17.2", "25.05pre"),
        ("db-17.1", "25.11"),
    ] {
        let plan = one(&old("1=15 2=17 2025-12-01", "25.05"), &new(program, release));
        assert_eq!(steps(&plan), "");
        let finding = only(&plan.findings, Code::Unknown);
        assert_eq!(finding.severity, Severity::Refused, "{program} {release}");
        assert_eq!(finding.versions, versions("2025-12-01"));
    }
}

#[test]
fn what_an_older_release_expects_may_be_unknown() {
    for release in ["24.05", ""] {
        let plan = one(&old("1=15 2=16 2024-08-01", "25.05"), &new("db-17.2", release));
        assert_eq!(steps(&plan), "");
        let finding = only(&plan.findings, Code::Unknown);
        assert_eq!(finding.severity, Severity::Refused);
        assert_eq!(finding.versions, versions("2024-08-01"));
        assert!(
            finding.help.contains("`nixmig stamp db VERSION`"),
            "{}",
            finding.help
        );
    }
}

#[test]
fn a_side_that_may_still_declare_or_run_it_walks_nothing() {
    let mut unread = generation("1", []);
    unread.unread.push(Unknown {
        reason: "an import".into(),
        at: None,
    });
    for new in [unread, Generation::new("1", Kind::Source)] {
        let plan = one(&old("1 2", "25.05"), &new);
        assert_eq!(steps(&plan), "");
        assert_eq!(codes(&plan.findings), [(Code::Unknown, Severity::Warning)]);
    }
}
