//! Tests of what the data and the clock have against a path.

use std::collections::{BTreeMap, BTreeSet};

use super::machine::{of, recorded};
use super::notation::{only, steps};
use crate::plan::testing::{generation, service, version};
use crate::plan::{Code, Known, Machine, Severity, Trouble};

#[test]
fn each_kind_of_drift_has_words_of_its_own_and_a_way_out() {
    let directory = || "/var/lib/db".to_owned();
    let recorded = recorded("1");
    let mut said = BTreeSet::new();
    for (trouble, way_out) in [
        (
            Trouble::OtherRecord {
                directory: directory(),
                found: "0123456789abcdef".to_owned(),
            },
            "`nixmig stamp db VERSION`",
        ),
        (
            Trouble::Older {
                directory: directory(),
                found: 4,
            },
            "`nixmig stamp db VERSION`",
        ),
        (
            Trouble::Newer {
                directory: directory(),
                found: 6,
            },
            "`nixmig stamp db VERSION`",
        ),
        (
            Trouble::Unstamped {
                directory: directory(),
            },
            "`nixmig stamp db VERSION`",
        ),
        (
            Trouble::Gone {
                directory: directory(),
            },
            "`nixmig stamp db head --generation GEN`",
        ),
        (
            Trouble::Empty {
                directory: directory(),
            },
            "`nixmig stamp db head --generation GEN`",
        ),
        (
            Trouble::Unmounted {
                directory: directory(),
                mount: "/var".to_owned(),
            },
            "`mount /var`",
        ),
        (
            Trouble::HalfDone {
                backup: "/var/lib/nixmig/backups/0123456789abcdef-1".to_owned(),
            },
            "`nixmig stamp db VERSION`",
        ),
    ] {
        let known = |detected| Known {
            recorded: Some(&recorded),
            detected,
            troubles: vec![trouble.clone()],
            ..Known::default()
        };
        let target = generation("2", [service("db", "1 2")]);
        let plan = of(&target, known(None));
        let finding = only(&plan.findings, Code::Drift);
        assert_eq!(finding.severity, Severity::Refused);
        assert!(finding.help.contains(way_out), "{}", finding.help);
        assert!(said.insert(finding.message.clone()), "{}", finding.message);
        assert_eq!(steps(&plan), "", "{trouble:?}");
        // A detect script's answer settles what the data is on, and not whose it is or where.
        let plan = of(&target, known(Some(version("1"))));
        let doubts = matches!(
            trouble,
            Trouble::Older { .. } | Trouble::Newer { .. } | Trouble::Unstamped { .. }
        );
        assert_eq!(plan.is_refused(), !doubts, "{trouble:?}");
    }
}

#[test]
fn state_that_nobody_can_look_at_is_not_started_on() {
    let recorded = recorded("1");
    let of = |trouble: &Trouble, history: &str| {
        let known = Known {
            recorded: Some(&recorded),
            troubles: vec![trouble.clone()],
            ..Known::default()
        };
        of(&generation("2", [service("db", history)]), known)
    };
    let reason = || "Input/output error".to_owned();
    let unread = Trouble::Unread {
        directory: "/var/lib/db".to_owned(),
        reason: reason(),
    };
    for history in ["1", "1 2", ""] {
        let plan = of(&unread, history);
        assert_eq!(only(&plan.findings, Code::Unknown).severity, Severity::Refused);
        assert_eq!(steps(&plan), "");
    }
    // The state is known, and only its way down is not.
    let misread = Trouble::Misread {
        unit: "/nix/store/x/migrate-db.service".to_owned(),
        reason: reason(),
    };
    for (history, refused) in [("1", false), ("1 2", false), ("", true)] {
        let plan = of(&misread, history);
        assert_eq!(plan.is_refused(), refused, "{history}");
        let finding = plan.findings.iter().find(|finding| finding.code == Code::Unknown);
        assert!(finding.unwrap().help.contains("`nixmig stamp db VERSION`"));
    }
}

#[test]
fn a_detect_script_that_fails_matters_where_nothing_else_tells() {
    let target = generation("2", [service("db", "1")]);
    let recorded = recorded("1");
    for (recorded, fresh, refused) in [
        (None, None, true),
        (None, Some(false), true),
        (None, Some(true), false),
        (Some(&recorded), None, false),
    ] {
        let known = Known {
            recorded,
            fresh,
            troubles: vec![Trouble::Undetected {
                reason: "ended with exit code 1".to_owned(),
            }],
            ..Known::default()
        };
        assert_eq!(of(&target, known).is_refused(), refused, "{recorded:?} {fresh:?}");
    }
}

#[test]
fn a_clock_that_is_behind_stops_what_would_be_written() {
    let recorded = recorded("1");
    let plan = |history: &str, clock: Option<&str>| {
        let known = Known {
            recorded: Some(&recorded),
            ..Known::default()
        };
        let machine = Machine {
            services: BTreeMap::from([("db".parse().unwrap(), known)]),
            clock: clock.map(str::to_owned),
            ..Machine::default()
        };
        crate::plan::machine(&generation("2", [service("db", history)]), &machine)
    };
    let behind = Some("it is 2025, and the last event is of 2026");
    assert!(!plan("1", behind).services[0].is_refused());
    assert!(!plan("1 2", None).services[0].is_refused());
    let plan = plan("1 2", behind);
    let finding = only(&plan.services[0].findings, Code::Drift);
    assert!(finding.help.contains("`--clock-is-right`"), "{}", finding.help);
}
