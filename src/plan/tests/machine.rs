//! Tests of what a machine knows besides two generations: the record, the data, the clock, and what an earlier run left.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::notation::{codes, day, only, order, steps};
use crate::model::{
    Applied, Backup, BackupBy, Block, Digest, Direction, Generation, How, OpenRun, Phase, Program, Recorded,
    RunId, RunStep, Service, Setting, Version,
};
use crate::plan::testing::{generation, running, service, version, versions, words};
use crate::plan::{Code, Known, Machine, Plan, Presence, ServicePlan, Severity, machine};

/// A record of what ran.
pub(super) fn recorded(applied: &str) -> Recorded {
    Recorded {
        applied: versions(applied)
            .into_iter()
            .map(|version| Applied {
                version,
                how: How::Ran,
            })
            .collect(),
        sequence: 5,
        ..Recorded::default()
    }
}

/// The plan of a service that is known so.
pub(super) fn of(target: &Generation, known: Known<'_>) -> ServicePlan {
    let mut plan = whole(target, known);
    assert_eq!(plan.services.len(), 1);
    plan.services.remove(0)
}

fn whole(target: &Generation, known: Known<'_>) -> Plan {
    let name = "db".parse().unwrap();
    machine(
        target,
        &Machine {
            services: BTreeMap::from([(name, known)]),
            ..Machine::default()
        },
    )
}

fn digest(of: char) -> Digest {
    format!("sha256:{}", String::from(of).repeat(64)).parse().unwrap()
}

#[test]
fn the_record_tells_what_is_applied_and_its_definition_undoes_it() {
    let recorded = recorded("1 3 2");
    let past = service("db", "1 2 3 4");
    let known = Known {
        recorded: Some(&recorded),
        past: Some(&past),
        ..Known::default()
    };
    let plan = of(&generation("2", [service("db", "1 5")]), known.clone());
    assert_eq!(
        (plan.presence, steps(&plan).as_str()),
        (Presence::Both, "-2 -3 +5")
    );
    assert_eq!(plan.baseline, None);
    let plan = of(&generation("2", [service("db", "1 2 3")]), known);
    assert_eq!((steps(&plan).as_str(), plan.findings.as_slice()), ("", &[][..]));
}

#[test]
fn what_nobody_knows_is_met_for_the_first_time() {
    let target = generation("2", [service("db", "1 2")]);
    let fresh = Known {
        fresh: Some(true),
        ..Known::default()
    };
    let plan = of(&target, fresh);
    assert_eq!((plan.presence, steps(&plan).as_str()), (Presence::Gained, ""));
    assert_eq!(plan.applied, versions("1 2"));
    let traced = Known {
        trace: Some("a backup, /var/lib/nixmig/backups/x"),
        fresh: Some(true),
        ..Known::default()
    };
    let plan = of(&target, traced.clone());
    assert_eq!(codes(&plan.findings), [(Code::Unknown, Severity::Refused)]);
    // The data has the last word.
    let detected = Known {
        detected: Some(version("1")),
        ..traced
    };
    assert_eq!(steps(&of(&target, detected)), "+2");
}

#[test]
fn what_was_assumed_once_is_never_undone_unasked() {
    let mut recorded = recorded("1 2");
    for how in [How::Assumed, How::Stamped, How::Ran] {
        recorded.applied[1].how = how;
        let past = service("db", "1 2");
        let known = Known {
            recorded: Some(&recorded),
            past: Some(&past),
            ..Known::default()
        };
        let plan = of(&generation("2", [service("db", "1")]), known);
        let expected = if how == How::Assumed { "" } else { "-2" };
        assert_eq!(steps(&plan), expected, "{how:?}");
        assert_eq!(plan.is_refused(), how == How::Assumed, "{how:?}");
    }
}

#[test]
fn a_service_that_is_no_longer_declared_is_left_or_walked_down() {
    let recorded = recorded("1 2");
    let past = Service {
        package: Setting::Set(Program::parse("db-17.2")),
        ..service("db", "1=15 2=17 3=18")
    };
    let known = Known {
        recorded: Some(&recorded),
        past: Some(&past),
        ..Known::default()
    };
    let plan = of(&generation("1", []), known.clone());
    assert_eq!((plan.presence, steps(&plan).as_str()), (Presence::Lost, ""));
    assert_eq!(codes(&plan.findings), [(Code::Lost, Severity::Note)]);
    let older = running(generation("1", []), "db.service", "db-15.10");
    let plan = of(&older, known.clone());
    // What is not applied is not brought, whatever the definition has.
    assert_eq!(steps(&plan), "-2");
    let newer = running(generation("1", []), "db.service", "db-18.1");
    assert_eq!(steps(&of(&newer, known)), "");
    // Without its definition nothing is known of its units.
    let bare = Known {
        recorded: Some(&recorded),
        ..Known::default()
    };
    let plan = of(&older, bare);
    assert_eq!(steps(&plan), "");
    only(&plan.findings, Code::Unknown);
    // Of one with nothing left there is nothing to say.
    let forgotten = Recorded::default();
    let known = Known {
        recorded: Some(&forgotten),
        ..Known::default()
    };
    assert!(whole(&older, known).services.is_empty());
}

#[test]
fn a_step_that_failed_blocks_that_definition_alone() {
    let mut recorded = recorded("1");
    recorded.block = Some(Block::Restored {
        direction: Direction::Up,
        version: version("2"),
        digest: Some(digest('a')),
        run: RunId::from_bytes([1; 8]),
    });
    let known = Known {
        recorded: Some(&recorded),
        ..Known::default()
    };
    let plan = |of: char, history: &str| {
        let mut service = service("db", history);
        if let Some(migration) = service.history.get_mut(version("2")) {
            migration.up.digest = Some(digest(of));
        }
        self::of(&generation("2", [service]), known.clone())
    };
    let blocked = plan('a', "1 2 3");
    assert_eq!(steps(&blocked), "+2 +3");
    assert_eq!(only(&blocked.findings, Code::Failed).severity, Severity::Refused);
    assert!(blocked.findings[0].help.contains("`nixmig resume db --retry`"));
    for (digest, history) in [('b', "1 2"), ('a', "1"), ('a', "1 3")] {
        assert!(!plan(digest, history).is_refused(), "{digest} {history}");
    }
}

#[test]
fn a_step_that_was_not_brought_back_blocks_everything() {
    let mut recorded = recorded("1");
    for backup in [None, Some("/var/lib/nixmig/backups/x")] {
        recorded.block = Some(Block::Unrestored {
            direction: Direction::Up,
            version: version("2"),
            run: RunId::from_bytes([1; 8]),
            backup: backup.map(|directory| Backup {
                directory: directory.to_owned(),
                by: BackupBy::Nixmig,
            }),
        });
        for history in ["1", "1 2", "1 3", ""] {
            let known = Known {
                recorded: Some(&recorded),
                ..Known::default()
            };
            let plan = of(&generation("2", [service("db", history)]), known);
            assert_eq!(steps(&plan), "");
            let help = &only(&plan.findings, Code::Failed).help;
            assert!(
                plan.is_refused() && help.contains("--accept"),
                "{history}: {help}"
            );
            assert_eq!(help.contains("--restore"), backup.is_some());
        }
    }
}

#[test]
fn an_open_run_is_said() {
    let mut recorded = recorded("1");
    let step = |version: &str, phase| RunStep {
        direction: Direction::Up,
        version: self::version(version),
        swallowed: Vec::new(),
        digest: None,
        unit: String::new(),
        phase,
        begun: u32::from(phase > Phase::Planned),
        failed: false,
        backup: None,
    };
    recorded.open_run = Some(OpenRun {
        id: RunId::from_bytes([1; 8]),
        before: Vec::new(),
        generation: String::new(),
        package: None,
        steps: vec![step("1", Phase::Finished), step("2", Phase::Running)],
    });
    let known = Known {
        recorded: Some(&recorded),
        ..Known::default()
    };
    let plan = of(&generation("2", [service("db", "1 2")]), known);
    let finding = only(&plan.findings, Code::Interrupted);
    assert!(
        finding.message.ends_with("in the up of 2024-01-02"),
        "{}",
        finding.message
    );
    assert_eq!((steps(&plan).as_str(), plan.is_refused()), ("+2", false));
    assert_eq!(finding.severity, Severity::Warning);
    let known = Known {
        recorded: Some(&recorded),
        running: true,
        ..Known::default()
    };
    let plan = of(&generation("2", [service("db", "1 2")]), known);
    assert_eq!(only(&plan.findings, Code::Interrupted).severity, Severity::Note);
}

#[test]
fn what_was_acknowledged_on_the_machine_is_not_asked_again() {
    let mut wanted = service("db", "1 2");
    let migration = wanted.history.get_mut(version("2")).unwrap();
    migration.up.warn = words("careful");
    migration.up.digest = Some(digest('a'));
    let target = generation("2", [wanted]);
    let recorded = recorded("1");
    for (of, direction, asked) in [
        ('a', Direction::Up, false),
        ('b', Direction::Up, true),
        ('a', Direction::Down, true),
    ] {
        let known = Known {
            recorded: Some(&recorded),
            ..Known::default()
        };
        let name: crate::model::ServiceName = "db".parse().unwrap();
        let machine = Machine {
            services: BTreeMap::from([(name.clone(), known)]),
            acknowledged: [(name, version("2"), direction, Some(digest(of)))].into(),
            ..Machine::default()
        };
        let plan = super::super::machine(&target, &machine);
        assert_eq!(
            plan.services[0].steps[0].needs_acknowledgement, asked,
            "{of} {direction:?}"
        );
    }
}

#[test]
fn a_package_that_moved_since_it_last_ran_is_said() {
    let wanted = Service {
        package: Setting::Set(Program::parse("db-17.2")),
        ..service("db", "1")
    };
    let recorded = recorded("1");
    for (package, said) in [("db-15.10", true), ("db-17.1", false)] {
        let known = Known {
            recorded: Some(&recorded),
            package: Some(Program::parse(package)),
            ..Known::default()
        };
        let plan = of(&generation("2", [wanted.clone()]), known);
        let found = plan
            .findings
            .iter()
            .any(|finding| finding.code == Code::Unmigrated && finding.severity == Severity::Warning);
        assert_eq!(found, said, "{package}");
    }
}

#[test]
fn services_go_in_the_order_of_what_they_require() {
    let mut web = service("web", "1");
    web.requires = Setting::Set(["db.service".parse().unwrap()].into());
    let target = generation("2", [web, service("db", "1")]);
    let recorded = recorded("");
    let known = || Known {
        recorded: Some(&recorded),
        ..Known::default()
    };
    let services = ["db", "web"].map(|name| (name.parse().unwrap(), known()));
    let plan = machine(
        &target,
        &Machine {
            services: services.into(),
            ..Machine::default()
        },
    );
    assert_eq!(order(&plan), "db+1 web+1");
}

/// A history of some of nine days; bits choose the days, and which of them are cumulative.
fn some(days: u16, cumulative: u16) -> Service {
    let words: Vec<_> = (0..9)
        .filter(|day| days & (1 << day) != 0)
        .map(|day| match cumulative & (1 << day) != 0 {
            true => format!("{}*", day + 1),
            false => (day + 1).to_string(),
        })
        .collect();
    service("db", &words.join(" "))
}

/// Walks a plan as the engine does: what is applied, and the definition that is kept for the way back.
fn walk(plan: &ServicePlan, recorded: &mut Recorded, stop: usize) -> bool {
    for (at, step) in plan.steps.iter().enumerate() {
        if at == stop {
            return false;
        }
        let moved: Vec<Version> = step.versions().collect();
        recorded
            .applied
            .retain(|applied| !moved.contains(&applied.version));
        if step.direction == Direction::Up {
            recorded.applied.extend(moved.into_iter().map(|version| Applied {
                version,
                how: How::Ran,
            }));
        }
        recorded.sequence += 1;
    }
    true
}

proptest! {
    /// Whatever generations are visited, and wherever a path is cut short, the record alone leads on: the last visit that is
    /// walked to its end leaves exactly its history applied.
    #[test]
    fn to_and_fro_by_the_record(
        visits in prop::collection::vec((0u16..512, 0u16..512, 0usize..6), 1..12),
    ) {
        let mut recorded = Recorded::default();
        let mut past = service("db", "");
        for (days, cumulative, stop) in visits {
            let wanted = some(days, cumulative);
            let target = generation("x", [wanted.clone()]);
            let plan = |recorded: &Recorded, past: &Service| of(&target, Known {
                recorded: Some(recorded),
                past: Some(past),
                ..Known::default()
            });
            let first = plan(&recorded, &past);
            prop_assert!(!first.is_refused(), "{:?}", first.findings);
            let has_all = |service: &Service, recorded: &Recorded| {
                recorded.versions().iter().all(|&version| service.history.contains(version))
            };
            walk(&first, &mut recorded, stop);
            // The definition is that of a generation which has all that is applied: there always is one of the two.
            let keeps = has_all(&past, &recorded);
            prop_assert!(keeps || has_all(&wanted, &recorded));
            if has_all(&wanted, &recorded) {
                past = wanted.clone();
            }
            let rest = plan(&recorded, &past);
            prop_assert!(walk(&rest, &mut recorded, usize::MAX));
            let mut applied = recorded.versions();
            applied.sort_unstable();
            prop_assert_eq!(applied, wanted.history.versions().collect::<Vec<_>>());
            past = wanted;
            let nothing = plan(&recorded, &past);
            prop_assert!(nothing.steps.is_empty() && nothing.findings.is_empty());
        }
    }

    /// With a record that says what the old generation declares, a machine plans as diff does.
    #[test]
    fn a_record_of_a_history_is_as_good_as_the_history(from in 0u16..512, to in 0u16..512, cumulative in 0u16..512) {
        let (old, new) = (some(from, cumulative), some(to, cumulative));
        let days: Vec<_> = old.history.versions().map(day).collect();
        let recorded = recorded(&days.join(" "));
        let target = generation("2", [new]);
        let known = Known { recorded: Some(&recorded), past: Some(&old), ..Known::default() };
        let by_record = of(&target, known);
        let by_diff = crate::plan::diff(&generation("1", [old.clone()]), &target).services.remove(0);
        prop_assert_eq!(by_record, by_diff);
    }
}

#[test]
fn a_step_between_packages_says_where_nobody_knows_the_old_one() {
    let target = generation("2", [service("db", "1=15 2=17")]);
    let recorded = recorded("1");
    let path = |name: &str| Program {
        path: Some(format!("/nix/store/x-{name}")),
        ..Program::parse(name)
    };
    let known = |package: Option<Program>| Known {
        recorded: Some(&recorded),
        package,
        ..Known::default()
    };
    let plan = of(&target, known(None));
    let finding = only(&plan.findings, Code::Unknown);
    assert_eq!(
        (finding.severity, finding.versions.as_slice()),
        (Severity::Warning, &versions("2")[..])
    );
    assert!(finding.help.contains("`--from OLD`"), "{}", finding.help);
    let told = |plan: &ServicePlan| plan.findings.iter().any(|finding| finding.code == Code::Unknown);
    assert!(!told(&of(&target, known(Some(path("db-15.1"))))));
    // Nor where no step moves it.
    let target = generation("2", [service("db", "1=15 2")]);
    assert!(!told(&of(&target, known(None))));
}
