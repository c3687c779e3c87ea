//! Tests of the comparison of programs.

use super::notation::{codes, one, only};
use crate::model::{Direction, Generation, Program, Service, ServiceName, Setting};
use crate::plan::testing::{generation, running, service};
use crate::plan::{Code, Finding, Severity, diff};

fn with(unit: &str, program: &str) -> Generation {
    running(generation("x", []), unit, program)
}

fn undeclared(unit: &str, old: &str, new: &str) -> Vec<Finding> {
    let plan = diff(&with(unit, old), &with(unit, new));
    assert_eq!(plan.services, []);
    plan.findings
}

#[test]
fn a_major_that_moved_is_named_with_what_is_known_of_it() {
    let found = undeclared(
        "postgresql.service",
        "postgresql-15.10",
        "postgresql-and-plugins-17.2",
    );
    assert_eq!(codes(&found), [(Code::Unmigrated, Severity::Warning)]);
    assert_eq!(found[0].message, "postgresql 15.10 → 17.2: unmigrated");
    assert_eq!(
        found[0].service.as_ref().map(ServiceName::as_str),
        Some("postgresql")
    );
    assert!(
        found[0].help.contains("https://www.postgresql.org/"),
        "{}",
        found[0].help
    );
    let found = undeclared("postgresql.service", "postgresql-15.10", "postgresql-17.2");
    assert_eq!(found[0].message, "postgresql 15.10 → 17.2: unmigrated");
    let back = undeclared("postgresql.service", "postgresql-17.2", "postgresql-15.10");
    assert_eq!(back[0].direction, Some(Direction::Down));
}

#[test]
fn only_the_leading_components_count() {
    assert_eq!(
        undeclared("postgresql.service", "postgresql-15.9", "postgresql-15.10"),
        []
    );
    let mysql = |old, new| undeclared("mysql.service", old, new).len();
    assert_eq!(mysql("mariadb-server-10.6.1", "mariadb-server-10.11.2"), 1);
    assert_eq!(mysql("mariadb-server-10.11.1", "mariadb-server-10.11.2"), 0);
}

#[test]
fn another_program_in_its_place_has_moved() {
    let found = undeclared("mysql.service", "mysql-8.0.36", "mariadb-server-10.11.2");
    assert_eq!(found[0].message, "mysql 8.0.36 → mariadb 10.11.2: unmigrated");
}

#[test]
fn an_instance_is_named_by_its_unit() {
    let found = undeclared("redis-cache.service", "redis-7.2.4", "redis-8.0.1");
    assert_eq!(
        found[0].message,
        "redis 7.2.4 → 8.0.1: unmigrated in redis-cache.service"
    );
}

#[test]
fn what_nobody_knows_is_left_alone() {
    assert_eq!(undeclared("my-app.service", "my-app-1", "my-app-2"), []);
    let gone = diff(
        &with("postgresql.service", "postgresql-15.10"),
        &generation("x", []),
    );
    assert_eq!(gone.findings, []);
}

#[test]
fn what_nobody_can_tell_is_said_once() {
    let (mut old, mut new) = (generation("1", []), generation("2", []));
    for (unit, before, now) in [
        ("consul.service", "consul", "consul-1.15.3"),
        ("grafana.service", "grafana-11.1", "grafana-11.1"),
        ("mysql.service", "wrapper-1", "mysql-8.0.36"),
    ] {
        old = running(old, unit, before);
        new = running(new, unit, now);
    }
    for side in [&mut old, &mut new] {
        side.units
            .insert("openldap.service".parse().unwrap(), Setting::Unset);
    }
    let found = diff(&old, &new).findings;
    assert_eq!(codes(&found), [(Code::Unknown, Severity::Note)]);
    let units = "of consul.service, mysql.service and openldap.service:";
    assert!(found[0].message.contains(units), "{}", found[0].message);
}

/// A service named `main` that gates PostgreSQL's unit.
fn declared(package: &str, migrations: &str) -> Generation {
    let service = Service {
        units: Setting::Set(["postgresql.service".parse().unwrap()].into()),
        package: Setting::Set(Program::parse(package)),
        ..service("main", migrations)
    };
    generation("x", [service])
}

#[test]
fn a_declared_service_moves_with_a_step_that_goes_its_way() {
    let old = declared("postgresql-15.10", "1");
    let new = declared("postgresql-17.2", "1 2");
    for (from, to) in [(&old, &new), (&new, &old)] {
        assert_eq!(one(from, to).findings, []);
        assert_eq!(diff(from, to).findings, []);
    }
    let unmoved = declared("postgresql-17.2", "1");
    for (from, to, direction) in [(&old, &unmoved, Direction::Up), (&unmoved, &old, Direction::Down)] {
        let plan = one(from, to);
        let finding = only(&plan.findings, Code::Unmigrated);
        assert_eq!(finding.direction, Some(direction));
        assert_eq!(diff(from, to).findings, []);
    }
}

#[test]
fn a_minor_version_of_a_declared_service_is_its_authors_to_judge() {
    let at = |package: &str| {
        let service = Service {
            package: Setting::Set(Program::parse(package)),
            ..service("mysql", "1")
        };
        generation("x", [service])
    };
    for (from, to, severity) in [
        ("mariadb-server-10.6.1", "mariadb-server-10.11.2", Severity::Note),
        (
            "mariadb-server-10.11.2",
            "mariadb-server-10.6.1",
            Severity::Warning,
        ),
        (
            "mariadb-server-10.11.2",
            "mariadb-server-11.4.5",
            Severity::Warning,
        ),
    ] {
        let plan = one(&at(from), &at(to));
        assert_eq!(
            codes(&plan.findings),
            [(Code::Unmigrated, severity)],
            "{from} → {to}"
        );
    }
}

#[test]
fn a_declared_service_covers_the_units_that_it_gates() {
    let side = |version: &str, known: bool| {
        let mut service = service("redis", "1");
        service.units = match known {
            true => Setting::Set(["redis-a.service".parse().unwrap()].into()),
            false => Setting::Unset,
        };
        let mut generation = generation("x", [service]);
        for unit in ["redis-a.service", "redis-b.service"] {
            generation = running(generation, unit, &format!("redis-{version}"));
        }
        generation
    };
    let found = diff(&side("7.2.4", true), &side("8.0.1", true)).findings;
    let messages: Vec<_> = found.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(messages, ["redis 7.2.4 → 8.0.1: unmigrated in redis-b.service"]);
    // Where it is not known what it gates, its name speaks for all of them.
    assert_eq!(diff(&side("7.2.4", false), &side("8.0.1", false)).findings, []);
}

#[test]
fn where_steps_name_programs_another_step_does_not_count() {
    let old = declared("postgresql-15.10", "1=15");
    let plan = one(&old, &declared("postgresql-17.2", "1=15 2"));
    only(&plan.findings, Code::Unmigrated);
    let plan = one(&old, &declared("postgresql-17.2", "1=15 2=16"));
    assert_eq!(plan.findings, []);
}

#[test]
fn a_service_that_is_met_for_the_first_time_moves_with_its_steps() {
    let old = with("postgresql.service", "postgresql-15.10");
    let plan = one(&old, &declared("postgresql-17.2", "1=15 2=16"));
    assert_eq!(codes(&plan.findings), [(Code::Baselined, Severity::Warning)]);
    let plan = one(&old, &declared("postgresql-17.2", "1=15"));
    only(&plan.findings, Code::Unmigrated);
}
