//! Tests of the order over services.

use super::notation::{codes, only, order};
use crate::model::{Action, Generation, Service, Setting};
use crate::plan::testing::{generation, history, service, version};
use crate::plan::{Code, Plan, Severity, diff};

/// Services with what they require, as `web:db,cache`.
fn side(services: &str, migrations: impl Fn(&str) -> &'static str) -> Generation {
    let services = services.split(' ').map(|word| {
        let (name, requires) = word.split_once(':').unwrap_or((word, ""));
        let requires = requires.split(',').filter(|name| !name.is_empty());
        let units = requires.map(|name| format!("{name}.service").parse().unwrap());
        Service {
            requires: Setting::Set(units.collect()),
            ..service(name, migrations(name))
        }
    });
    generation("x", services)
}

fn up(services: &str) -> Plan {
    diff(&side(services, |_| "1"), &side(services, |_| "1 2"))
}

fn down(services: &str) -> Plan {
    diff(&side(services, |_| "1 2"), &side(services, |_| "1"))
}

#[test]
fn ups_follow_requires_and_downs_go_against_it() {
    assert_eq!(order(&up("a:z b z:m m")), "b+2 m+2 z+2 a+2");
    assert_eq!(order(&down("a:z b z:m m")), "a-2 b-2 z-2 m-2");
    assert_eq!(order(&up("c b a")), "a+2 b+2 c+2");
}

#[test]
fn all_downs_come_before_all_ups() {
    let services = "web:db db";
    let old = side(services, |name| if name == "db" { "1 2" } else { "1" });
    let new = side(services, |name| if name == "db" { "1" } else { "1 2" });
    assert_eq!(order(&diff(&old, &new)), "db-2 web+2");
    assert_eq!(order(&diff(&new, &old)), "web-2 db+2");
}

#[test]
fn a_unit_may_be_gated_by_several() {
    let with = |migrations| {
        let mut generation = side("a:z m z", |_| migrations);
        let shared = Setting::Set(
            ["m.service", "z.service"]
                .map(|unit| unit.parse().unwrap())
                .into(),
        );
        generation.services.get_mut("m").unwrap().units = shared;
        generation
    };
    assert_eq!(order(&diff(&with("1"), &with("1 2"))), "m+2 z+2 a+2");
}

#[test]
fn cycles_are_named_and_broken_by_name() {
    let plan = up("d:c c:b b:c a:d e:e f");
    assert_eq!(order(&plan), "f+2 b+2 c+2 d+2 a+2 e+2");
    let refused: Vec<_> = plan
        .services
        .iter()
        .filter(|service| service.is_refused())
        .map(|service| {
            assert_eq!(
                codes(&service.findings),
                [(Code::DependencyOrder, Severity::Refused)]
            );
            (service.name.as_str(), service.findings[0].message.as_str())
        })
        .collect();
    let each_other = "b and c require each other";
    assert_eq!(
        refused,
        [
            ("b", each_other),
            ("c", each_other),
            ("e", "e requires a unit that its own gate holds back")
        ]
    );
    // Who is not of the circle waits for it.
    let waiting = [0, 3].map(|index: usize| plan.services[index].findings[0].message.as_str());
    let told =
        ["a", "d"].map(|name| format!("{name} will not start either: it requires c, whose path is refused"));
    assert_eq!(waiting, told);
    assert_eq!(down("d:c c:b b:c a:d e:e f").order.len(), 6);
}

#[test]
fn going_down_with_what_one_requires_is_against_the_gates() {
    // Through a service that has no steps, too.
    let services = "web:middle middle:db db";
    let history = |full: &'static str| move |name: &str| if name == "middle" { "1" } else { full };
    let (short, long) = (side(services, history("1")), side(services, history("1 2")));
    let plan = diff(&long, &short);
    let found: Vec<_> = plan
        .services
        .iter()
        .filter(|service| !service.findings.is_empty())
        .map(|service| service.name.as_str())
        .collect();
    assert_eq!(found, ["web"]);
    let finding = only(&plan.services[2].findings, Code::DependencyOrder);
    assert_eq!(finding.severity, Severity::Warning);
    assert!(finding.help.contains("nixmig migrate"), "{}", finding.help);
    assert_eq!(diff(&short, &long).findings().count(), 0);
}

#[test]
fn who_requires_a_refused_service_is_told() {
    let services = "web:middle middle:db db other";
    let (old, mut new) = (side(services, |_| "1 2"), side(services, |_| "1 2"));
    new.services.get_mut("db").unwrap().history = history("1");
    let mut stuck = old.clone();
    let migrations = &mut stuck.services.get_mut("db").unwrap().history;
    migrations.get_mut(version("2")).unwrap().down = Action::default();
    let plan = diff(&stuck, &new);
    let told: Vec<_> = plan
        .services
        .iter()
        .filter(|service| service.name.as_str() != "db")
        .map(|service| (service.name.as_str(), codes(&service.findings)))
        .collect();
    let held = vec![(Code::DependencyOrder, Severity::Warning)];
    assert_eq!(told, [("middle", held.clone()), ("other", vec![]), ("web", held)]);
    let message = &only(&plan.services[1].findings, Code::DependencyOrder).message;
    assert_eq!(
        message,
        "middle will not start either: it requires db, whose path is refused"
    );
    assert_eq!(diff(&old, &new).findings().count(), 0);
    // A service that is gone waits for nobody.
    new.services.remove("web");
    new.units.remove("web.service");
    assert!(diff(&stuck, &new).services.iter().all(|service| {
        service.name.as_str() != "web" || service.findings.iter().all(|finding| finding.code == Code::Lost)
    }));
}
