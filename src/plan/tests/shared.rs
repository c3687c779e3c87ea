//! Tests of services that keep their state in one place.

use std::collections::BTreeMap;

use super::machine::recorded;
use super::notation::{codes, only, steps};
use crate::model::{Generation, Service, Setting};
use crate::plan::testing::{generation, service};
use crate::plan::{Code, Known, Machine, Plan, Severity, diff, machine};

/// Services with their directories, as `web:/a,/b`, all with the same history.
fn side(services: &str, migrations: &str) -> Generation {
    let services = services.split_whitespace().map(|word| {
        let (name, directories) = word.split_once(':').unwrap();
        Service {
            state_directories: Setting::Set(directories.split(',').map(str::to_owned).collect()),
            ..service(name, migrations)
        }
    });
    generation("x", services)
}

/// Who is refused for it, and in which words.
fn told(plan: &Plan) -> Vec<(&str, &str)> {
    let findings = plan.services.iter().flat_map(|service| {
        let of_this = service.findings.iter();
        let of_this = of_this.filter(|finding| finding.code == Code::SharedState);
        of_this.map(|finding| (service.name.as_str(), finding.message.as_str()))
    });
    findings.collect()
}

fn among(services: &str) -> Plan {
    diff(&side(services, "1"), &side(services, "1 2"))
}

#[test]
fn one_directory_for_two_is_refused_for_both() {
    let plan = among("a:/x b:/x,/y c:/z");
    let words = "a and b keep their state in one directory, /x";
    assert_eq!(told(&plan), [("a", words), ("b", words)]);
    let paths: Vec<_> = plan.services.iter().map(steps).collect();
    assert_eq!(paths, ["", "", "+2"]);
    let finding = only(&plan.services[0].findings, Code::SharedState);
    assert_eq!(finding.severity, Severity::Refused);
}

#[test]
fn so_is_one_in_the_other() {
    let plan = among("a:/x/y/z b:/x c:/xy d:/x-y");
    let words = "the state of a in /x/y/z lies in that of b in /x";
    assert_eq!(told(&plan), [("a", words), ("b", words)]);
    // Each pair is told once, and what a service has in its own directories is its own matter.
    let plan = among("a:/x,/x/y,/z b:/x,/x/y/z,/z");
    assert_eq!(told(&plan).len(), 2);
    assert_eq!(told(&among("a:/x b:/x/1 c:/x/1/2")).len(), 6);
}

#[test]
fn what_only_the_old_side_has_is_in_the_way_too() {
    let (old, new) = (side("a:/x b:/y", "1"), side("c:/x/z b:/y", "1 2"));
    let plan = diff(&old, &new);
    assert_eq!(
        told(&plan),
        [("c", "the state of c in /x/z lies in that of a in /x")]
    );
    let help = &only(&plan.services[2].findings, Code::SharedState).help;
    assert!(help.contains("`nixmig forget a`"), "{help}");
    // Two that are both gone start no more.
    assert_eq!(told(&diff(&side("a:/x b:/x", "1"), &side("c:/y", "1"))), []);
}

#[test]
fn the_machine_tells_where_links_lead() {
    let target = side("a:/x b:/y", "1 2");
    let record = recorded("1");
    let past = side("gone:/old", "1").services.remove("gone").unwrap();
    let places = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        let pairs = pairs.iter().map(|&(from, to)| (from.to_owned(), to.to_owned()));
        pairs.collect()
    };
    let plan = |a: &[(&str, &str)], gone: &[(&str, &str)]| {
        let known = |links| Known {
            recorded: Some(&record),
            places: places(links),
            ..Known::default()
        };
        let gone = Known {
            past: Some(&past),
            ..known(gone)
        };
        let services = [("a", known(a)), ("b", known(&[])), ("gone", gone)];
        let services = services.map(|(name, known)| (name.parse().unwrap(), known));
        machine(
            &target,
            &Machine {
                services: services.into(),
                ..Machine::default()
            },
        )
    };
    assert_eq!(told(&plan(&[], &[])), []);
    let same = plan(&[("/x", "/y")], &[]);
    let words = "a and b keep their state in one directory, /x (which is /y) and /y";
    assert_eq!(told(&same), [("a", words), ("b", words)]);
    assert_eq!(
        codes(&same.services[0].findings),
        [(Code::SharedState, Severity::Refused)]
    );
    assert_eq!(steps(&same.services[0]), "");
    let recorded = plan(&[], &[("/old", "/y/sub")]);
    let words = "the state of gone in /old (which is /y/sub) lies in that of b in /y";
    assert_eq!(told(&recorded), [("b", words)]);
}
