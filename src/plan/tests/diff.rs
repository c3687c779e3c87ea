//! Tests of the way from two generations to a plan.

use super::notation::{codes, one, steps};
use crate::model::{Generation, Program, Setting};
use crate::plan::testing::{generation, running, service, version, versions, words};
use crate::plan::{Code, Presence, Severity, Step, diff};

fn with(migrations: &str) -> Generation {
    generation("x", [service("db", migrations)])
}

#[test]
fn up_and_down_between_two_histories() {
    let (old, new) = (with("1 2"), with("1 2 3 4"));
    let up = one(&old, &new);
    assert_eq!((up.presence, steps(&up).as_str()), (Presence::Both, "+3 +4"));
    assert_eq!((up.from(), up.to()), (Some(version("2")), Some(version("4"))));
    assert_eq!(up.target, Some(version("4")));
    let down = one(&new, &old);
    assert_eq!(steps(&down), "-4 -3");
    assert_eq!((down.from(), down.to()), (Some(version("4")), Some(version("2"))));
    assert_eq!(diff(&old, &old).order, []);
}

#[test]
fn down_to_an_empty_history() {
    let plan = one(&with("1 2"), &with(""));
    assert_eq!(steps(&plan), "-2 -1");
    assert_eq!((plan.to(), plan.target), (None, None));
}

#[test]
fn an_up_is_the_targets_and_a_down_the_old_sides() {
    let side = |migrations, of: &str| {
        let mut generation = with(migrations);
        let service = generation.services.values_mut().next().unwrap();
        for day in versions(migrations) {
            let migration = service.history.get_mut(day).unwrap();
            (migration.up.script, migration.down.script) = (words(of), words(of));
        }
        generation
    };
    let plan = one(&side("1 2", "old"), &side("1 3", "new"));
    let text = |step: &Step| step.action().script.value()?.text.clone();
    let texts: Vec<_> = plan.steps.iter().filter_map(text).collect();
    assert_eq!(
        (steps(&plan).as_str(), texts),
        ("-2 +3", vec!["old".to_owned(), "new".to_owned()])
    );
    assert_eq!(codes(&plan.findings), [(Code::Diverged, Severity::Warning)]);
}

#[test]
fn a_gained_service_starts_from_its_old_program() {
    let old = running(generation("1", []), "db.service", "db-15.10");
    let mut target = service("db", "1=14 2=15 3=16 4=17");
    target.package = Setting::Set(Program::parse("db-17.2"));
    let plan = one(&old, &generation("2", [target]));
    assert_eq!(
        (plan.presence, plan.applied.clone()),
        (Presence::Gained, versions("1 2"))
    );
    assert_eq!(steps(&plan), "+3 +4");
}

#[test]
fn services_of_both_sides_come_by_name() {
    let old = generation("1", ["c", "a"].map(|name| service(name, "1")));
    let new = generation("2", ["d", "b", "a"].map(|name| service(name, "1")));
    let plan = diff(&old, &new);
    let names: Vec<_> = plan
        .services
        .iter()
        .map(|service| (service.name.as_str(), service.presence))
        .collect();
    let expected = [
        ("a", Presence::Both),
        ("b", Presence::Gained),
        ("c", Presence::Lost),
        ("d", Presence::Gained),
    ];
    assert_eq!(names, expected);
}
