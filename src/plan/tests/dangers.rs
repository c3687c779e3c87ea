//! Tests of the dangers of one service's path: each is found where it is, and only there.

use super::notation::{codes, one, only, steps};
use crate::model::{Action, Digester, Direction, Generation, Migration, Part, Service, Setting, Unknown};
use crate::plan::testing::{generation, script, service, version, versions, words};
use crate::plan::{Code, ServicePlan, Severity};

/// The path from one history to another, after a change to the services of both sides.
fn plan(old: &str, new: &str, change: impl Fn(&mut Service)) -> ServicePlan {
    let side = |label, migrations| {
        let mut service = service("db", migrations);
        change(&mut service);
        generation(label, [service])
    };
    one(&side("1", old), &side("2", new))
}

/// Changes one migration of a service, where it has it.
fn on(day: &str, change: impl Fn(&mut Migration)) -> impl Fn(&mut Service) {
    let version = version(day);
    move |service| {
        if let Some(migration) = service.history.get_mut(version) {
            change(migration);
        }
    }
}

#[test]
fn a_plain_path_has_no_findings() {
    assert_eq!(plan("1 2", "1 2 3", |_| ()).findings, []);
    assert_eq!(plan("1 2 3", "1 2", |_| ()).findings, []);
}

#[test]
fn out_of_order() {
    let late = plan("1 3", "1 2 3", |_| ());
    let finding = only(&late.findings, Code::OutOfOrder);
    assert_eq!(
        (finding.severity, &finding.versions),
        (Severity::Warning, &versions("2"))
    );
    // It was held back by the program, and not merged late.
    let held_back = plan("1 3", "1 2=16 3", |_| ());
    assert_eq!(codes(&held_back.findings), [(Code::OutOfOrder, Severity::Note)]);
    // A swallowed version does not run.
    assert_eq!(plan("1 3", "1 2 3 4*", |_| ()).findings, []);
    for (old, new, undone, severity) in [
        ("1 2 3", "1 3", "2", Severity::Warning),
        ("1 2 3 4", "3", "1 2", Severity::Warning),
        ("1 2=16 3", "1 3", "2", Severity::Note),
    ] {
        let gap = plan(old, new, |_| ());
        let finding = only(&gap.findings, Code::OutOfOrder);
        assert_eq!(
            (finding.severity, &finding.versions),
            (severity, &versions(undone))
        );
        assert_eq!(finding.direction, Some(Direction::Down));
        assert_eq!((gap.findings.len(), gap.to()), (1, Some(version("3"))));
    }
    assert_eq!(plan("1", "1 2", |_| ()).findings, []);
}

#[test]
fn diverged() {
    let apart = plan("1 2", "1 3", |_| ());
    let finding = only(&apart.findings, Code::Diverged);
    assert_eq!(
        (finding.severity, &finding.versions),
        (Severity::Warning, &versions("2 3"))
    );
    // 3 is undone before 2 runs, so that 2 is in order.
    assert_eq!(
        codes(&plan("1 3", "1 2", |_| ()).findings),
        [(Code::Diverged, Severity::Warning)]
    );
    assert_eq!(
        codes(&plan("1 3 4", "1 2 3", |_| ()).findings),
        [
            (Code::OutOfOrder, Severity::Warning),
            (Code::Diverged, Severity::Warning)
        ]
    );
}

#[test]
fn edited() {
    let digest = |words: &str| {
        let mut digester = Digester::default();
        digester.add(Part::Script, words);
        digester.finish()
    };
    let with = |words: Option<&str>| {
        let mut service = service("db", "1 2");
        let migration = service.history.get_mut(version("2")).unwrap();
        migration.down.digest = words.and_then(digest);
        generation("x", [service])
    };
    let plan = one(&with(Some("a")), &with(Some("b")));
    let finding = only(&plan.findings, Code::Edited);
    assert_eq!(
        (finding.severity, &finding.versions),
        (Severity::Warning, &versions("2"))
    );
    assert!(finding.message.ends_with("in the down"), "{}", finding.message);
    assert_eq!(one(&with(Some("a")), &with(Some("a"))).findings, []);
    // Nobody read the words of one side.
    assert_eq!(one(&with(Some("a")), &with(None)).findings, []);
}

#[test]
fn another_program_or_reach_is_an_edit_too() {
    let unknown = |service: &mut Service| {
        let migration = service.history.get_mut(version("2")).unwrap();
        migration.program = Setting::Unknown(Unknown {
            reason: "a call".into(),
            at: None,
        });
        migration.cumulative = Setting::Set(());
    };
    for (old, new, what) in [
        ("1 2=16", "1 2=17", "the program"),
        ("1 2", "1 2=17", "the program"),
        ("1 2*", "1 2", "whether it is cumulative"),
        ("1 2*=16", "1 2", "the program and whether it is cumulative"),
    ] {
        let found = plan(old, new, |_| ()).findings;
        assert_eq!(codes(&found), [(Code::Edited, Severity::Warning)]);
        assert_eq!((&found[0].versions, found[0].direction), (&versions("2"), None));
        assert!(
            found[0].message.ends_with(&format!(", in {what}")),
            "{}",
            found[0].message
        );
    }
    assert_eq!(
        codes(&plan("1 2=16", "1 2=17", unknown).findings),
        [(Code::Unknown, Severity::Warning)]
    );
}

#[test]
fn destructive_ups_need_acknowledgement() {
    let warned = on("2", |migration| migration.up.warn = words("careful"));
    let no_way_back = on("2", |migration| {
        migration.down = Action {
            warn: words("restore by hand"),
            ..Action::default()
        };
    });
    let changes: [&dyn Fn(&mut Service); 2] = [&warned, &no_way_back];
    for change in changes {
        let asked = plan("1", "1 2", change);
        assert_eq!(codes(&asked.findings), [(Code::Destructive, Severity::Warning)]);
        assert!(asked.steps[0].needs_acknowledgement);
        let help = &asked.findings[0].help;
        assert!(help.contains("--acknowledge db@2024-01-02"), "{help}");

        let accepted = plan("1", "1 2", |service| {
            change(service);
            service.acknowledge.insert(version("2"));
        });
        assert_eq!(codes(&accepted.findings), [(Code::Destructive, Severity::Note)]);
        assert!(!accepted.steps[0].needs_acknowledgement);
    }
}

#[test]
fn a_down_that_warns_is_never_acknowledged_by_the_module() {
    let down = plan("1 2", "1", |service| {
        on("2", |migration| migration.down.warn = words("careful"))(service);
        service.acknowledge.insert(version("2"));
    });
    assert_eq!(codes(&down.findings), [(Code::Destructive, Severity::Warning)]);
    assert!(down.steps[0].needs_acknowledgement);
}

#[test]
fn whether_it_can_be_undone_may_be_unknown() {
    let unknown = || {
        Setting::Unknown(Unknown {
            reason: "depends on `cfg.x`".into(),
            at: None,
        })
    };
    let up = plan("1", "1 2", on("2", |migration| migration.down.script = unknown()));
    assert_eq!(
        (up.steps[0].undoable, up.steps[0].needs_acknowledgement),
        (None, false)
    );
    assert_eq!(up.findings, []);
    let down = plan("1 2", "1", on("2", |migration| migration.down.script = unknown()));
    assert_eq!(codes(&down.findings), [(Code::Unknown, Severity::Note)]);
}

#[test]
fn unprotected() {
    let bare = |service: &mut Service| service.state_directories = Setting::Unset;
    for (old, new, direction) in [("1", "1 2", "up"), ("1 2", "1", "down")] {
        let without = plan(old, new, bare);
        let finding = only(&without.findings, Code::Unprotected);
        assert_eq!(finding.severity, Severity::Warning);
        assert_eq!(finding.direction.map(Direction::name), Some(direction));
        assert_eq!(without.steps[0].built_in_backup, Some(false));

        let own = plan(old, new, |service| {
            bare(service);
            on("2", |migration| {
                for action in [&mut migration.up, &mut migration.down] {
                    (action.backup, action.restore) = (words("b"), words("r"));
                }
            })(service);
        });
        assert_eq!(own.findings, []);
        assert_eq!(own.steps[0].built_in_backup, Some(false));
        assert_eq!(plan(old, new, |_| ()).steps[0].built_in_backup, Some(true));
        let untold = plan(old, new, |service| {
            service.state_directories = Setting::Unknown(Unknown {
                reason: "depends on `cfg.dataDir`".into(),
                at: None,
            });
        });
        assert_eq!(untold.steps[0].built_in_backup, None);
    }
    // A backup that nothing restores protects nothing.
    let half = plan("1", "1 2", |service| {
        bare(service);
        on("2", |migration| migration.up.backup = words("b"))(service);
    });
    assert_eq!(codes(&half.findings), [(Code::Unprotected, Severity::Warning)]);
    // There is nothing to protect from.
    let marker = plan("1", "1 2", |service| {
        bare(service);
        on("2", |migration| migration.up = Action::default())(service);
    });
    assert_eq!(marker.findings, []);
}

#[test]
fn missing_down() {
    let silent = plan(
        "1",
        "1 2",
        on("2", |migration| migration.down = Action::default()),
    );
    assert_eq!(
        codes(&silent.findings),
        [
            (Code::Destructive, Severity::Warning),
            (Code::MissingDown, Severity::Note)
        ]
    );
}

#[test]
fn stranded() {
    let stuck = plan(
        "1 2 3",
        "1",
        on("2", |migration| migration.down = Action::default()),
    );
    assert_eq!(steps(&stuck), "-3 -2");
    let finding = only(&stuck.findings, Code::Stranded);
    assert_eq!(
        (finding.severity, &finding.versions),
        (Severity::Refused, &versions("2"))
    );
    assert!(
        finding.help.contains("`nixmig stamp db VERSION`"),
        "{}",
        finding.help
    );
    // A warning without a script runs nothing: it is stranded, and nothing that one could acknowledge.
    let told = plan(
        "1 2",
        "1",
        on("2", |migration| {
            migration.down = Action {
                warn: words("by hand"),
                ..Action::default()
            };
        }),
    );
    assert_eq!(codes(&told.findings), [(Code::Stranded, Severity::Refused)]);
    assert!(
        told.findings[0].help.contains("author"),
        "{}",
        told.findings[0].help
    );
}

#[test]
fn only_what_runs_is_judged() {
    let bare = on("2", |migration| {
        migration.down = Action {
            warn: words("by hand"),
            ..Action::default()
        };
    });
    let down = plan("1 2 3*", "1", &bare);
    assert_eq!(
        (steps(&down).as_str(), down.findings.as_slice()),
        ("-2,3", [].as_slice())
    );
    assert_eq!(down.to(), Some(version("1")));
    let up = plan("1", "1 2 3*", &bare);
    assert_eq!(
        (steps(&up).as_str(), up.findings.as_slice()),
        ("+2,3", [].as_slice())
    );
    // It is the cumulative one that has to have a way down.
    let stuck = plan("1 2 3*", "1", |service| {
        on("3", |migration| migration.down = Action::default())(service);
    });
    assert_eq!(steps(&stuck), "-2,3");
    assert_eq!(only(&stuck.findings, Code::Stranded).versions, versions("3"));
}

#[test]
fn masked() {
    let side = |masked| {
        let service = Service {
            masked: if masked { Setting::Set(()) } else { Setting::Unset },
            ..service("db", if masked { "" } else { "1 2" })
        };
        generation("x", [service])
    };
    for (old, new, severity) in [
        (side(false), side(true), Severity::Refused),
        (side(true), side(false), Severity::Warning),
    ] {
        let plan = one(&old, &new);
        assert_eq!(steps(&plan), "");
        assert_eq!(codes(&plan.findings), [(Code::Masked, severity)]);
    }
    let lost: Generation = generation("2", []);
    let plan = one(&side(true), &lost);
    assert_eq!(codes(&plan.findings), [(Code::Masked, Severity::Warning)]);
}

#[test]
fn the_worst_comes_first() {
    let plan = plan("1 2 5", "1 3", |service| {
        on("2", |migration| migration.down = Action::default())(service);
        on("3", |migration| {
            migration.up = script("up");
            migration.up.warn = words("careful");
        })(service);
        service.acknowledge.insert(version("3"));
    });
    let severities: Vec<_> = plan.findings.iter().map(|finding| finding.severity).collect();
    assert!(severities.is_sorted_by(|a, b| a >= b), "{severities:?}");
    assert_eq!(
        codes(&plan.findings),
        [
            (Code::Stranded, Severity::Refused),
            (Code::Diverged, Severity::Warning),
            (Code::Destructive, Severity::Note)
        ]
    );
}
