//! Tests of first contact: each rule answers where those before it have nothing to say.

use std::collections::BTreeSet;

use super::notation::{codes, one, only, steps};
use crate::model::{Generation, Kind, Program, Service, Setting, Unknown, Version};
use crate::plan::testing::{generation, running, service, version, versions, words};
use crate::plan::{Baseline, BaselineSource, Code, Contact, Evidence, Premise, Presence, Severity};
use crate::plan::{first_contact, plan_service};

/// A history that a program and a release each tell something of.
fn target() -> Service {
    Service {
        package: Setting::Set(Program::parse("db-17.2")),
        ..service("db", "1=15 2=16 2023-01-01 2025-01-01")
    }
}

fn ran(program: &str, release: &str) -> Generation {
    Generation {
        release: release.parse().ok().into(),
        ..running(generation("1", []), "db.service", program)
    }
}

fn sources(contact: &Contact) -> Vec<BaselineSource> {
    contact
        .baseline
        .clone()
        .map(|baseline| baseline.sources)
        .unwrap_or_default()
}

fn undecided(contact: &Contact) -> Vec<Version> {
    let baseline = contact.baseline.clone();
    baseline.map(|baseline| baseline.undecided).unwrap_or_default()
}

#[test]
fn a_what_the_data_says_is_asked_first() {
    let (target, previous) = (target(), ran("db-15.1", "24.05"));
    let evidence = Evidence {
        detected: Some(version("1")),
        trace: Some("a backup"),
        fresh: Some(true),
        previous: Some(&previous),
        ..Evidence::default()
    };
    let contact = first_contact(&target, &evidence);
    assert_eq!(contact.applied, versions("2023-01-01 1"));
    assert_eq!(sources(&contact), [BaselineSource::Detect]);
    assert_eq!(codes(&contact.findings), [(Code::Baselined, Severity::Note)]);
}

#[test]
fn a_data_that_agrees_with_the_record_keeps_its_order() {
    let recorded = versions("2 1");
    let evidence = Evidence {
        detected: Some(version("1")),
        recorded: Some(&recorded),
        ..Evidence::default()
    };
    let contact = first_contact(&target(), &evidence);
    assert_eq!((contact.applied, contact.baseline), (recorded.clone(), None));
    assert_eq!(contact.findings, []);
}

#[test]
fn a_data_that_disagrees_with_the_record_has_drifted() {
    let recorded = versions("2023-01-01 1 2");
    for (detected, applied) in [("1", "2023-01-01 1"), ("2025-01-01", "2023-01-01 1 2 2025-01-01")] {
        let evidence = Evidence {
            detected: Some(version(detected)),
            recorded: Some(&recorded),
            ..Evidence::default()
        };
        let contact = first_contact(&target(), &evidence);
        assert_eq!((contact.applied, contact.baseline), (versions(applied), None));
        assert_eq!(codes(&contact.findings), [(Code::Drift, Severity::Warning)]);
    }
}

#[test]
fn a_data_of_a_version_that_nobody_knows_is_refused() {
    for recorded in [None, Some(versions("1"))] {
        let evidence = Evidence {
            detected: Some(version("9")),
            recorded: recorded.as_deref(),
            ..Evidence::default()
        };
        let contact = first_contact(&target(), &evidence);
        assert_eq!(undecided(&contact).len(), 4);
        assert_eq!(codes(&contact.findings), [(Code::Unknown, Severity::Refused)]);
    }
}

#[test]
fn b_then_the_record() {
    let recorded = versions("2 1");
    let evidence = Evidence {
        recorded: Some(&recorded),
        trace: Some("a backup"),
        fresh: Some(true),
        ..Evidence::default()
    };
    let contact = first_contact(&target(), &evidence);
    let expected = Contact {
        applied: recorded.clone(),
        ..Contact::default()
    };
    assert_eq!(contact, expected);
}

#[test]
fn a_trace_without_a_record_is_refused() {
    let evidence = Evidence {
        trace: Some("a backup of it"),
        fresh: Some(true),
        ..Evidence::default()
    };
    let contact = first_contact(&target(), &evidence);
    assert_eq!(undecided(&contact).len(), 4);
    let finding = only(&contact.findings, Code::Unknown);
    assert_eq!(finding.severity, Severity::Refused);
    assert!(finding.message.contains("a backup of it"), "{}", finding.message);
    assert!(
        finding.help.contains("nixmig stamp db VERSION"),
        "{}",
        finding.help
    );
}

#[test]
fn c_no_state_is_stamped() {
    let previous = ran("db-15.1", "24.05");
    let evidence = Evidence {
        fresh: Some(true),
        previous: Some(&previous),
        ..Evidence::default()
    };
    let contact = first_contact(&target(), &evidence);
    assert_eq!(contact.applied, versions("2023-01-01 1 2 2025-01-01"));
    assert_eq!(sources(&contact), [BaselineSource::Fresh]);
}

#[test]
fn c_two_generations_tell_fresh_by_absent_units() {
    let old = generation("1", []);
    let plan = one(&old, &generation("2", [target()]));
    let baseline = plan.baseline.clone().unwrap();
    assert_eq!(baseline.sources, [BaselineSource::Absent]);
    assert_eq!(steps(&plan), "");
    let finding = only(&plan.findings, Code::Baselined);
    assert_eq!(finding.severity, Severity::Note);
    assert!(finding.help.contains("state directories"), "{}", finding.help);
}

#[test]
fn c_state_that_no_generation_ran_is_refused() {
    let previous = generation("1", []);
    let evidence = Evidence {
        fresh: Some(false),
        previous: Some(&previous),
        ..Evidence::default()
    };
    let contact = first_contact(&target(), &evidence);
    assert_eq!(undecided(&contact).len(), 4);
    assert_eq!(codes(&contact.findings), [(Code::Unknown, Severity::Refused)]);
}

#[test]
fn d_then_the_history_of_the_generation_that_ran_last() {
    let previous = generation("1", [service("db", "1 7")]);
    for fresh in [None, Some(false)] {
        let evidence = Evidence {
            fresh,
            previous: Some(&previous),
            ..Evidence::default()
        };
        let contact = first_contact(&target(), &evidence);
        assert_eq!(contact.applied, versions("1 7"));
        assert_eq!(sources(&contact), [BaselineSource::History("1".to_owned())]);
    }
}

#[test]
fn d_a_masked_gate_has_no_history() {
    let previous = generation(
        "1",
        [Service {
            masked: Setting::Set(()),
            ..service("db", "")
        }],
    );
    let evidence = Evidence {
        previous: Some(&previous),
        ..Evidence::default()
    };
    let contact = first_contact(&target(), &evidence);
    assert_eq!(codes(&contact.findings), [(Code::Unknown, Severity::Refused)]);
}

#[test]
fn e_and_f_judge_each_step_by_what_it_hangs_on() {
    for (program, release, applied, path, sources) in [
        (
            "db-15.10",
            "25.05",
            "2023-01-01 1 2025-01-01",
            "+2",
            "program release",
        ),
        (
            "db-17.2",
            "25.05",
            "2023-01-01 1 2 2025-01-01",
            "",
            "program release",
        ),
        (
            "db-14.1",
            "25.05",
            "2023-01-01 2025-01-01",
            "+1 +2",
            "program release",
        ),
        // The day of the release's month itself is in.
        (
            "db-17.2",
            "25.01",
            "2023-01-01 1 2 2025-01-01",
            "",
            "program release",
        ),
    ] {
        let plan = one(&ran(program, release), &generation("2", [target()]));
        assert_eq!(plan.applied, versions(applied), "{program} {release}");
        assert_eq!(steps(&plan), path, "{program} {release}");
        let baseline = plan.baseline.unwrap();
        let kinds = baseline.sources.iter().map(|source| match source {
            BaselineSource::Program(_) => "program",
            BaselineSource::Release(_) => "release",
            _ => "another",
        });
        assert_eq!(kinds.collect::<Vec<_>>().join(" "), sources);
    }
}

#[test]
fn e_goes_by_the_newest_step_that_the_program_reaches() {
    // The older step names the newer program; state of the newer step has been through it.
    let plan = one(
        &ran("db-14.5", "25.05"),
        &generation("2", [service("db", "1=15 2=14 3=16")]),
    );
    assert_eq!(plan.applied, versions("1 2"));
}

#[test]
fn g_what_is_later_than_the_release_is_refused() {
    for (program, release, unknown, reason) in [
        (
            "db-15.10",
            "24.11",
            "2025-01-01",
            "`1` is NixOS 24.11, which may be from before it",
        ),
        (
            "db-15.10",
            "",
            "2023-01-01 2025-01-01",
            "`1` does not show its release",
        ),
        (
            "other-15.10",
            "25.05",
            "1 2",
            "`1` shows no version of its program",
        ),
        ("db", "25.05", "1 2", "`1` shows no version of its program"),
        (
            "db",
            "24.11",
            "1 2 2025-01-01",
            "`1` shows no version of its program, and `1` is NixOS 24.11, which may be from before it",
        ),
    ] {
        let plan = one(&ran(program, release), &generation("2", [target()]));
        assert_eq!(plan.baseline.as_ref().unwrap().undecided, versions(unknown));
        assert_eq!(steps(&plan), "");
        assert!(plan.is_refused());
        let finding = only(&plan.findings, Code::Unknown);
        assert_eq!(finding.versions, versions(unknown));
        assert!(finding.message.ends_with(reason), "{}", finding.message);
        assert!(finding.help.contains("`nixmig stamp db VERSION`"));
    }
}

#[test]
fn state_of_a_program_beyond_the_package_is_stranded() {
    // By the leading components that count for a known service, else by the first.
    for (name, program, package, beyond) in [
        ("db", "db-18.1", "db-17.2", true),
        ("db", "db-17.4", "db-17.2", false),
        ("db", "other-18", "db-17.2", false),
        ("mysql", "mariadb-server-10.11.2", "mariadb-server-10.6.1", true),
        ("mysql", "mariadb-server-10.6.9", "mariadb-server-10.6.1", false),
        (
            "postgresql",
            "postgresql-and-plugins-17.2",
            "postgresql-15.10",
            true,
        ),
    ] {
        // Whether or not its steps name programs: the history ends at the package.
        for migrations in ["1", "1=1"] {
            let target = Service {
                package: Setting::Set(Program::parse(package)),
                ..service(name, migrations)
            };
            let old = running(generation("1", []), &format!("{name}.service"), program);
            let old = Generation {
                release: "25.05".parse().ok().into(),
                ..old
            };
            let plan = one(&old, &generation("2", [target]));
            let stranded = codes(&plan.findings).contains(&(Code::Stranded, Severity::Refused));
            assert_eq!(stranded, beyond, "{program} → {package}: {:?}", plan.findings);
            assert!(plan.steps.is_empty());
            if beyond {
                assert_eq!(plan.baseline.unwrap().undecided, versions("1"));
            }
        }
    }
}

#[test]
fn what_a_diff_assumes_is_provisional_where_the_data_can_be_asked() {
    let mut target = target();
    let old = ran("db-15.10", "25.05");
    let asks = |target: &Service, fresh| {
        let evidence = Evidence {
            fresh,
            previous: Some(&old),
            ..Evidence::default()
        };
        let contact = first_contact(target, &evidence);
        contact.findings[0].help.contains("`detect` script of db")
    };
    assert!(!asks(&target, None));
    target.detect = words("echo");
    assert!(asks(&target, None));
    // Where the machine has looked, the data had nothing to say.
    assert!(!asks(&target, Some(false)));
}

#[test]
fn g_a_program_that_could_not_be_read_tells_nothing() {
    let mut target = service("db", "1=15 2=16");
    let migration = target.history.get_mut(version("2")).unwrap();
    migration.program = Setting::Unknown(Unknown {
        reason: "a call".into(),
        at: None,
    });
    let plan = one(&ran("db-17.2", "25.05"), &generation("2", [target]));
    assert_eq!(plan.baseline.as_ref().unwrap().undecided, versions("2"));
    let message = &plan.findings[0].message;
    let reason = "the program that 2024-01-02 is made for could not be read";
    assert!(message.ends_with(reason), "{message}");
}

#[test]
fn g_is_not_asked_where_a_pending_cumulative_step_covers_it() {
    // Nobody can tell 2025-01-01, but 2025-06-01 starts from any older version and is known to be pending.
    let target = Service {
        package: Setting::Set(Program::parse("db-17.2")),
        ..service("db", "2025-01-01 2025-06-01*=17 2025-07-01=17")
    };
    let plan = one(&ran("db-15.10", "24.11"), &generation("2", [target]));
    let days: Vec<_> = plan.steps.iter().map(|step| step.version().to_string()).collect();
    assert_eq!(days, ["2025-06-01", "2025-07-01"]);
    assert_eq!(plan.steps[0].swallowed, versions("2025-01-01"));
}

#[test]
fn units_that_cannot_be_told_leave_only_the_release() {
    let old = Generation {
        release: "25.05".parse().ok().into(),
        ..Generation::new("1", Kind::Source)
    };
    let plan = one(&old, &generation("2", [service("db", "1 2")]));
    assert_eq!(plan.applied, versions("1 2"));
    let plan = one(&old, &generation("2", [service("db", "1 2025-06-01")]));
    assert_eq!(plan.baseline.unwrap().undecided, versions("2025-06-01"));
}

#[test]
fn a_side_that_was_not_read_in_full_may_declare_it() {
    let mut old = ran("db-15.1", "25.05");
    old.unread.push(Unknown {
        reason: "an import".into(),
        at: None,
    });
    let plan = one(&old, &generation("2", [target()]));
    assert_eq!(plan.baseline.as_ref().unwrap().undecided.len(), 4);
    assert_eq!(codes(&plan.findings), [(Code::Unknown, Severity::Warning)]);
}

#[test]
fn an_empty_history_assumes_nothing() {
    let plan = one(&ran("db-15.1", "25.05"), &generation("2", [service("db", "")]));
    assert_eq!((plan.baseline, plan.findings), (None, vec![]));
}

#[test]
fn what_was_only_assumed_is_never_undone_unasked() {
    let target = service("db", "1");
    let previous = generation("1", [service("db", "1 2")]);
    let evidence = Evidence {
        previous: Some(&previous),
        ..Evidence::default()
    };
    let contact = first_contact(&target, &evidence);
    let plan = plan_service(Premise {
        generation: "2",
        name: &target.name,
        presence: Presence::Both,
        assumed: contact.assumed(),
        applied: contact.applied,
        baseline: contact.baseline,
        past: previous.services.get(&target.name),
        target: Some(&target),
        expected: &target.history,
        acknowledged: BTreeSet::new(),
        findings: Vec::new(),
    });
    assert_eq!(steps(&plan), "");
    assert_eq!(codes(&plan.findings), [(Code::Baselined, Severity::Refused)]);
    assert_eq!(plan.findings[0].versions, versions("2"));
}

#[test]
fn the_program_is_the_one_that_the_package_names() {
    let mut old = ran("db-15.10", "25.05");
    let helper = running(old.clone(), "a-helper.service", "exporter-99");
    old.units = helper.units;
    let mut target = service("db", "1=15 2=16");
    let units = ["a-helper.service", "db.service"].map(|unit| unit.parse().unwrap());
    target.units = Setting::Set(units.into());
    // Two programs, and nothing that says whose data it is.
    let plan = one(&old, &generation("2", [target.clone()]));
    assert_eq!(plan.baseline.unwrap().undecided, versions("1 2"));
    target.package = Setting::Set(Program::parse("db-17"));
    let plan = one(&old, &generation("2", [target]));
    assert_eq!(
        plan.baseline,
        Some(Baseline {
            sources: vec![BaselineSource::Program("db 15.10".to_owned())],
            assumed: versions("1"),
            undecided: vec![],
        })
    );
}
