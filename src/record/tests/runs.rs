//! What events come to, and which are refused.

use super::super::testing::{begun, definition, met, recorded, run, service, step_begun, step_done, version};
use super::super::*;
use crate::model::{Block, How, Phase};

#[test]
fn all_or_nothing_is_appended() {
    let (_root, place, mut record) = recorded(&begun(2));
    let before = look(&place).unwrap();
    let wrong = [step_begun(0), step_begun(1)];
    assert!(matches!(
        record.append(&wrong),
        Err(RecordError::Event(EventError::Turn { n: 1, .. }))
    ));
    assert_eq!(look(&place).unwrap(), before);
}

#[test]
fn what_is_noted_is_told_with_what_is_remembered_next() {
    let (_root, place, mut record) = recorded(&begun(1));
    let before = look(&place).unwrap();
    let ended = |run, part| Event::PartEnded {
        run,
        n: 0,
        part,
        outcome: Outcome::Done,
        milliseconds: 1,
        output: String::new(),
    };
    record.note(ended(run(1), StepPart::Backup));
    // Of a run that is not: others are remembered all the same.
    record.note(ended(run(2), StepPart::Backup));
    assert_eq!(look(&place).unwrap(), before);
    // What cannot be remembered takes nothing of it away.
    record.append(&[step_begun(7)]).unwrap_err();
    assert_eq!(look(&place).unwrap(), before);
    record.append(&[step_begun(0)]).unwrap();
    record.append(&[]).unwrap();
    drop(record);
    let told = history(&place, &Filter::default()).unwrap();
    let told: Vec<_> = told.iter().rev().take(2).map(|logged| &logged.event).collect();
    assert_eq!(told, [&step_begun(0), &ended(run(1), StepPart::Backup)]);
    assert!(Record::open(&place).is_ok());
}

#[test]
fn what_another_remembered_meanwhile_is_seen() {
    let (_root, place, mut record) = recorded(&begun(1));
    let mut other = Record::open_again(&place).unwrap();
    assert_eq!(other.view().unwrap(), record.view().unwrap());
    record.append(&[step_begun(0)]).unwrap();
    assert_eq!(other.view().unwrap(), record.view().unwrap());
    other.append(&[met("wiki", &[], 1)]).unwrap();
    assert_eq!(other.view().unwrap(), record.view().unwrap());
    assert_eq!(Some(&*other.view().unwrap()), look(&place).unwrap().as_ref());
}

#[test]
fn a_unit_file_that_is_kept_again_is_of_the_generation_that_has_it_now() {
    let (_root, place, mut record) = recorded(&begun(1)[..2]);
    let mut again = definition(1);
    again.generation = definition(2).generation;
    let defined = Event::Defined {
        service: service("db"),
        definition: again.clone(),
        current: false,
    };
    record.append(&[defined]).unwrap();
    let view = look(&place).unwrap().unwrap();
    assert_eq!(view.services[&service("db")].definition, Some(again));
}

#[test]
fn a_run_up_and_its_end() {
    let (_root, place, mut record) = recorded(&begun(2));
    record.append(&step_done(0, 1)).unwrap();
    record.append(&step_done(1, 2)).unwrap();
    let early = record.append(&[Event::RunEnded {
        run: run(2),
        outcome: RunOutcome::Arrived,
    }]);
    assert!(matches!(early, Err(RecordError::Event(EventError::NotOpen(_)))));
    let end = [
        Event::BackupDropped { run: run(1), n: 0 },
        Event::BackupDropped { run: run(1), n: 1 },
        Event::RunEnded {
            run: run(1),
            outcome: RunOutcome::Arrived,
        },
        Event::PackageRan {
            service: service("db"),
            package: "/nix/store/x-db-17".to_owned(),
        },
    ];
    record.append(&end).unwrap();
    let view = look(&place).unwrap().unwrap();
    let db = &view.services[&service("db")];
    assert_eq!(db.versions(), [version(1), version(2)]);
    assert!(db.applied.iter().all(|applied| applied.how == How::Ran));
    assert_eq!((db.sequence, &db.open_run, &db.block), (3, &None, &None));
    assert_eq!(db.definition, Some(definition(1)));
    assert_eq!(db.package.as_deref(), Some("/nix/store/x-db-17"));
    assert_eq!(view.next_sequence(&service("db")), 4);

    let of = |filter: &Filter| history(&place, filter).unwrap().len();
    assert_eq!(
        of(&Filter {
            services: vec![service("db")],
            ..Filter::default()
        }),
        15
    );
    assert_eq!(
        of(&Filter {
            services: vec![service("wiki")],
            ..Filter::default()
        }),
        0
    );
    assert_eq!(
        of(&Filter {
            run: Some(run(1)),
            ..Filter::default()
        }),
        12
    );
    let last = history(
        &place,
        &Filter {
            last: Some(1),
            ..Filter::default()
        },
    )
    .unwrap();
    assert_eq!(last[0].event.kind(), "package-ran");
    assert_eq!(last[0].nixmig, env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_failure_that_was_restored_blocks_its_path() {
    let (_root, place, mut record) = recorded(&begun(2));
    record.append(&step_done(0, 1)).unwrap();
    record
        .append(&[
            step_begun(1),
            Event::BackupMade { run: run(1), n: 1 },
            Event::ScriptBegun { run: run(1), n: 1 },
        ])
        .unwrap();
    // The backup of a script that may have begun is not dropped.
    assert!(
        record
            .append(&[Event::BackupDropped { run: run(1), n: 1 }])
            .is_err()
    );
    let failed = Event::StepFailed {
        run: run(1),
        n: 1,
        part: StepPart::Verify,
        outcome: Outcome::Exited(3),
        output: "no\n".to_owned(),
    };
    let restored = |n: u32, applied: &[_], sequence| {
        let restored = Event::Restored {
            run: run(1),
            n,
            applied: applied.to_vec(),
            sequence,
            stamped: vec![],
        };
        [Event::RestoreBegun { run: run(1), n }, restored]
    };
    // Newest first.
    assert!(record.append(&restored(0, &[], 3)).is_err());
    record.append(&[failed]).unwrap();
    record.append(&restored(1, &[version(1)], 3)).unwrap();
    record.append(&restored(0, &[], 4)).unwrap();
    record
        .append(&[Event::RunEnded {
            run: run(1),
            outcome: RunOutcome::Restored { n: 1 },
        }])
        .unwrap();
    let db = &look(&place).unwrap().unwrap().services[&service("db")];
    assert_eq!((db.versions(), db.sequence), (vec![], 4));
    assert!(matches!(db.block, Some(Block::Restored { version: blocked, .. }) if blocked == version(2)));
    record
        .append(&[Event::Resumed {
            service: service("db"),
            choice: Choice::Retry,
        }])
        .unwrap();
    assert_eq!(record.view().unwrap().services[&service("db")].block, None);
}

#[test]
fn a_failure_that_was_not_restored_blocks_all() {
    let (_root, _place, mut record) = recorded(&begun(1));
    let begin = [
        step_begun(0),
        Event::BackupMade { run: run(1), n: 0 },
        Event::ScriptBegun { run: run(1), n: 0 },
    ];
    record.append(&begin).unwrap();
    let ended = |outcome| Event::RunEnded { run: run(1), outcome };
    assert!(record.append(&[ended(RunOutcome::Failed { n: 0 })]).is_err());
    assert!(record.append(&[ended(RunOutcome::Abandoned)]).is_err());
    let failed = Event::RestoreFailed {
        run: run(1),
        n: 0,
        outcome: Outcome::Signalled(9),
        output: String::new(),
    };
    record
        .append(&[
            Event::RestoreBegun { run: run(1), n: 0 },
            failed,
            ended(RunOutcome::Failed { n: 0 }),
        ])
        .unwrap();
    let db = record.view().unwrap().services[&service("db")].clone();
    assert!(matches!(
        &db.block,
        Some(Block::Unrestored { backup: Some(_), .. })
    ));
    assert_eq!(db.open_run.unwrap().steps[0].phase, Phase::RestoreFailed);
    assert!(record.append(&[step_begun(0)]).is_err());
    let stamp = Event::Stamped {
        service: service("db"),
        applied: vec![],
        was: Some(vec![]),
        reason: "I say so".to_owned(),
        sequence: 2,
        stamped: vec![],
    };
    assert!(matches!(
        record.append(&[stamp]),
        Err(RecordError::Event(EventError::Open { .. }))
    ));
    let accept = Choice::Accept {
        applied: vec![version(1)],
        sequence: 2,
        stamped: vec![],
    };
    record
        .append(&[Event::Resumed {
            service: service("db"),
            choice: accept,
        }])
        .unwrap();
    let db = record.view().unwrap().services[&service("db")].clone();
    assert_eq!((db.block, db.open_run, db.sequence), (None, None, 2));
    assert_eq!(db.applied[0].how, How::Stamped);
}

#[test]
fn a_package_that_ran_other_state_is_not_what_ran_this() {
    for (said, known) in [(vec![version(1)], true), (vec![], false)] {
        let (_root, place, mut record) = recorded(&[met("db", &[version(1)], 1)]);
        let ran = Event::PackageRan {
            service: service("db"),
            package: "/nix/store/x-db-17".to_owned(),
        };
        let stamped = Event::Stamped {
            service: service("db"),
            applied: said,
            was: Some(vec![version(1)]),
            reason: "an older snapshot was restored".to_owned(),
            sequence: 2,
            stamped: vec![],
        };
        record.append(&[ran, stamped]).unwrap();
        let view = look(&place).unwrap().unwrap();
        assert_eq!(view.services[&service("db")].package.is_some(), known);
    }
}

#[test]
fn an_interrupted_step_is_begun_again_and_counted() {
    let (_root, _place, mut record) = recorded(&begun(1));
    for n in 0..3 {
        record
            .append(&[step_begun(0), Event::BackupDropped { run: run(1), n: 0 }])
            .unwrap();
        let step = record.view().unwrap().services[&service("db")]
            .open_run
            .clone()
            .unwrap()
            .steps[0]
            .clone();
        assert_eq!(
            (step.begun, step.phase, step.failed, step.backup),
            (n + 1, Phase::Planned, false, None)
        );
    }
    let failed = Event::StepFailed {
        run: run(1),
        n: 0,
        part: StepPart::Backup,
        outcome: Outcome::Error("no space left".to_owned()),
        output: String::new(),
    };
    record.append(&[step_begun(0), failed]).unwrap();
    assert!(record.append(&[step_begun(0)]).is_err());
    record
        .append(&[Event::RunEnded {
            run: run(1),
            outcome: RunOutcome::Restored { n: 0 },
        }])
        .unwrap();
}

#[test]
fn what_is_held_of_an_unknown_service_makes_it_no_more_known() {
    let (_root, place, mut record) = recorded(&[]);
    let units = vec!["db.service".parse().unwrap()];
    record
        .append(&[Event::Held {
            service: service("db"),
            units,
            generation: None,
        }])
        .unwrap();
    let view = look(&place).unwrap().unwrap();
    assert!(view.services.is_empty());
    assert_eq!(view.unmet[&service("db")].held.len(), 1);
    record.append(&[met("db", &[], 1)]).unwrap();
    let view = look(&place).unwrap().unwrap();
    assert_eq!(view.services[&service("db")].held.len(), 1);
    assert!(view.unmet.is_empty());
}

#[test]
fn what_is_held_for_a_generation_is_so_until_it_is_released() {
    let (_root, place, mut record) = recorded(&[met("db", &[], 1)]);
    let held = |unit: &str, generation: Option<&str>| Event::Held {
        service: service("db"),
        units: vec![unit.parse().unwrap()],
        generation: generation.map(str::to_owned),
    };
    let unknown = Event::Held {
        service: service("other"),
        units: Vec::new(),
        generation: Some("/nix/store/x".to_owned()),
    };
    assert!(record.append(&[unknown]).is_err());
    record
        .append(&[
            held("db.service", Some("/nix/store/x")),
            held("db-setup.service", None),
        ])
        .unwrap();
    let seen = || look(&place).unwrap().unwrap().services[&service("db")].clone();
    assert_eq!(seen().held.len(), 2);
    assert_eq!(seen().held_for.as_deref(), Some("/nix/store/x"));
    record
        .append(&[Event::Released {
            service: service("db"),
        }])
        .unwrap();
    assert_eq!((seen().held.len(), seen().held_for), (0, None));
}

#[test]
fn the_sequence_outlives_what_is_forgotten() {
    let (_root, _place, mut record) = recorded(&[met("db", &[version(1)], 5)]);
    record
        .append(&[Event::Forgotten {
            service: service("db"),
        }])
        .unwrap();
    let view = record.view().unwrap();
    assert!(view.services.is_empty());
    assert_eq!(view.next_sequence(&service("db")), 6);
    assert!(record.append(&[met("db", &[], 5)]).is_err());
    record.append(&[met("db", &[], 6)]).unwrap();
}
