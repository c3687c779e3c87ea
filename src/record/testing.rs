//! Owns what the tests of this room share: a place on a disk, and events that nobody wrote.

use std::collections::BTreeSet;

use jiff::Timestamp;
use proptest::prelude::*;

use super::RecordId;
use super::event::Event;
use super::fold;
use super::parts::{Choice, Outcome, RunOutcome, StepPart, StepRecord, Way};
use super::view::View;
use super::{Place, Record};
use crate::model::{Backup, BackupBy, Definition, Digester, Part, RunId, ServiceName, Version};

/// A place that is gone with its guard. Not where temporary files usually are: that may be a tmpfs.
pub(super) fn place() -> (tempfile::TempDir, Place) {
    let root = tempfile::Builder::new()
        .prefix("nixmig-record-")
        .tempdir_in("/var/tmp")
        .unwrap();
    let place = Place {
        state_dir: root.path().join("state"),
        gc_roots: root.path().join("gcroots/nixmig"),
        guards: root.path().join("guards"),
    };
    (root, place)
}

pub(super) fn service(name: &str) -> ServiceName {
    name.parse().unwrap()
}

pub(super) fn version(number: u8) -> Version {
    format!("2024-01-{number:02}").parse().unwrap()
}

pub(super) fn run(number: u8) -> RunId {
    RunId::from_bytes([0, 0, 0, 0, 0, 0, 0, number])
}

pub(super) fn definition(number: u8) -> Definition {
    Definition {
        unit: format!("/nix/store/{number:032}-unit-migrate-db.service/migrate-db.service"),
        text: format!("[Unit]\nDescription=Nr. {number}\n"),
        generation: format!("/nix/store/{number:032}-nixos-system-host"),
    }
}

/// A service that is met, with a definition and an open run of as many steps up.
pub(super) fn begun(steps: u8) -> Vec<Event> {
    let db = service("db");
    let step = |n| StepRecord {
        direction: Way::Up,
        version: version(n + 1),
        swallowed: vec![],
        digest: None,
        unit: definition(1).unit,
    };
    vec![
        met("db", &[], 1),
        Event::Defined {
            service: db.clone(),
            definition: definition(1),
            current: true,
        },
        Event::RunBegun {
            run: run(1),
            service: db,
            generation: definition(1).generation,
            package: None,
            applied: vec![],
            steps: (0..steps).map(step).collect(),
        },
    ]
}

pub(super) fn met(name: &str, applied: &[Version], sequence: u64) -> Event {
    Event::Met {
        service: service(name),
        applied: applied.to_vec(),
        sources: vec!["a test".to_owned()],
        generation: definition(1).generation,
        sequence,
        stamped: vec!["/var/lib/db".to_owned()],
    }
}

pub(super) fn step_begun(n: u32) -> Event {
    let backup = Backup {
        directory: format!("/var/lib/nixmig/backups/{n}"),
        by: BackupBy::Nixmig,
    };
    Event::StepBegun {
        run: run(1),
        n,
        backup: Some(backup),
    }
}

/// The events of a step up that goes well, `sequence` being the one before it.
pub(super) fn step_done(n: u32, sequence: u64) -> Vec<Event> {
    let applied = (0..=n).map(|n| version(u8::try_from(n).unwrap() + 1)).collect();
    vec![
        step_begun(n),
        Event::BackupMade { run: run(1), n },
        Event::ScriptBegun { run: run(1), n },
        Event::StepFinished {
            run: run(1),
            n,
            applied,
            sequence: sequence + 1,
            stamped: vec!["/var/lib/db".to_owned()],
        },
    ]
}

pub(super) fn recorded(events: &[Event]) -> (tempfile::TempDir, Place, Record) {
    let (root, place) = place();
    let mut record = Record::open(&place).unwrap();
    record.append(events).unwrap();
    (root, place, record)
}

/// Some event about a few services, mostly one that fits, as the numbers say.
fn candidate(view: &View, [kind, a, b, c]: [u8; 4]) -> Event {
    let service = service(["db", "wiki", "mail"][usize::from(a % 3)]);
    let known = view.services.get(&service);
    let applied = known.map(crate::model::Recorded::versions).unwrap_or_default();
    let open = known.and_then(|known| known.open_run.as_ref());
    let run = open.map_or_else(|| run(a), |open| open.id.clone());
    let steps = open.map_or(1, |open| open.steps.len());
    let n = u32::from(b) % u32::try_from(steps).unwrap();
    let at = open.and_then(|open| open.steps.get(usize::try_from(n).unwrap()));
    let sequence = view.next_sequence(&service).saturating_sub(u64::from(c % 7 == 0));
    let stamped = vec![format!("/var/lib/{service}"); usize::from(c % 2)];
    let some = |c: u8| {
        (0..c % 4)
            .map(|i| version(1 + b.wrapping_add(i.wrapping_mul(c)) % 5))
            .collect::<BTreeSet<_>>()
    };
    let toggled = |on: bool| {
        let mut applied = applied.clone();
        if let Some(at) = at {
            applied.retain(|&version| version != at.version);
            if on {
                applied.push(at.version);
            }
        }
        applied
    };
    let outcome = [
        Outcome::Exited(1),
        Outcome::Signalled(9),
        Outcome::Interrupted,
        Outcome::Done,
    ][usize::from(c % 4)]
    .clone();
    let output = "said \u{1f} \"so\"\n".to_owned();
    let part = [
        StepPart::Backup,
        StepPart::Script,
        StepPart::Prepare,
        StepPart::Verify,
    ][usize::from(c % 4)];
    let up = at.is_none_or(|at| at.direction == crate::model::Direction::Up);
    let digest = |c: u8| {
        let mut digester = Digester::default();
        digester.add(Part::Script, &c.to_string());
        digester.finish().filter(|_| !c.is_multiple_of(3))
    };
    match kind % 26 {
        0 => Event::Made {
            id: RecordId::from_bytes([a; 16]),
        },
        1 => Event::Met {
            service,
            applied: some(c).into_iter().collect(),
            sources: vec!["fresh".to_owned()],
            generation: definition(a).generation,
            sequence,
            stamped,
        },
        2 => Event::Stamped {
            service,
            applied: some(c).into_iter().collect(),
            was: known.map(|_| applied),
            reason: "said so".to_owned(),
            sequence,
            stamped,
        },
        3 | 4 => Event::Defined {
            service,
            definition: definition(b % 3),
            current: c % 2 == 0,
        },
        5..=7 => {
            let mut applied = applied;
            let unit = |c: u8| {
                let kept = view.definitions.get(&service);
                let kept = kept.and_then(|kept| kept.keys().nth(usize::from(c) % kept.len().max(1)));
                kept.cloned().unwrap_or_default()
            };
            let step = |version: Version| StepRecord {
                direction: if applied.contains(&version) {
                    Way::Down
                } else {
                    Way::Up
                },
                version,
                swallowed: some(c).into_iter().filter(|&other| other < version).collect(),
                digest: digest(c),
                unit: unit(c),
            };
            let steps = some(c).into_iter().map(step).collect();
            if c == 255 {
                applied.reverse();
            }
            Event::RunBegun {
                run,
                service,
                generation: definition(b % 3).generation,
                package: (b % 2 == 0).then(|| format!("/nix/store/{b}-db")),
                applied,
                steps,
            }
        }
        8 | 9 => Event::StepBegun {
            run,
            n,
            backup: (!c.is_multiple_of(3)).then(|| Backup {
                directory: format!("/var/lib/nixmig/backups/{c}"),
                by: if c % 2 == 0 {
                    BackupBy::Script
                } else {
                    BackupBy::Nixmig
                },
            }),
        },
        10 | 11 => Event::BackupMade { run, n },
        12 | 13 => Event::ScriptBegun { run, n },
        14 => Event::StepFinished {
            run,
            n,
            applied: toggled(up == (c % 11 > 0)),
            sequence,
            stamped,
        },
        15 => Event::StepFailed {
            run,
            n,
            part,
            outcome,
            output,
        },
        16 => Event::RestoreBegun { run, n },
        17 => Event::Restored {
            run,
            n,
            applied: toggled(up != (c % 11 > 0)),
            sequence,
            stamped,
        },
        18 => Event::RestoreFailed {
            run,
            n,
            outcome,
            output,
        },
        19 => Event::RunEnded {
            run,
            outcome: [
                RunOutcome::Arrived,
                RunOutcome::Restored { n },
                RunOutcome::Abandoned,
                RunOutcome::Failed { n },
            ][usize::from(c % 4)],
        },
        20 => Event::BackupDropped { run, n },
        21 => Event::PartEnded {
            run,
            n,
            part,
            outcome,
            milliseconds: u64::from(c),
            output,
        },
        22 => Event::Acknowledged {
            service,
            version: version(1 + b % 5),
            direction: if c % 2 == 0 { Way::Up } else { Way::Down },
            digest: digest(c),
            by: "--acknowledge".to_owned(),
        },
        23 => match c % 4 {
            0 => Event::Released { service },
            1 => Event::PackageRan {
                service,
                package: format!("/nix/store/{b:032}-db-17.{b}"),
            },
            _ => Event::Held {
                service,
                units: vec![format!("db{}.service", b % 3).parse().unwrap()],
                generation: (c % 8 < 4).then(|| definition(b).generation),
            },
        },
        24 => Event::Resumed {
            service,
            choice: match c % 3 {
                0 => Choice::Retry,
                1 => Choice::Restore,
                _ => Choice::Accept {
                    applied: some(b).into_iter().collect(),
                    sequence,
                    stamped,
                },
            },
        },
        _ => match c % 8 {
            0 => Event::Forgotten { service },
            1 => Event::Rebuilt {
                from: None,
                salvaged: u64::from(b),
                complete: b % 2 == 0,
            },
            _ => Event::Found {
                service,
                definitions: (0..b % 3).map(definition).collect(),
                sequence: u64::from(c),
                stamped,
                backups: vec![format!("/var/lib/nixmig/backups/{b}")],
            },
        },
    }
}

/// Numbers to make events of.
pub(super) fn seeds() -> impl Strategy<Value = Vec<[u8; 4]>> {
    prop::collection::vec(any::<[u8; 4]>(), 0..160)
}

/// Events that make sense one after the other, and what they come to. Those that do not are left out, and changed nothing.
pub(super) fn sensible(seeds: &[[u8; 4]]) -> (Vec<Event>, View) {
    let mut view = View::new(RecordId::from_bytes([7; 16]), Timestamp::UNIX_EPOCH);
    let mut events = Vec::new();
    for &seed in seeds {
        let event = candidate(&view, seed);
        let before = view.clone();
        match fold::apply(&mut view, &event) {
            Ok(_) => events.push(event),
            Err(error) => assert_eq!(view, before, "{error}"),
        }
    }
    (events, view)
}
