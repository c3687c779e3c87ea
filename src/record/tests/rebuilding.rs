//! Making a record anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::super::testing::{begun, met, recorded, service, step_begun, step_done, version};
use super::super::*;

fn rebuilt(place: &Place, directories: &[(&str, &Path)]) -> Result<Rebuilding, RecordError> {
    let lock = lock_record(place, Wait::Not, &mut |_| ControlFlow::Break(())).unwrap();
    let mut all: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (name, directory) in directories {
        all.entry(service(name))
            .or_default()
            .insert(directory.to_path_buf());
    }
    rebuild(place, &lock, &all)
}

/// A service brought to a version, and another in the middle of a run.
fn filled() -> (tempfile::TempDir, Place) {
    let (root, place, mut record) = recorded(&[met("wiki", &[version(9)], 1)]);
    record.append(&begun(2)).unwrap();
    record.append(&step_done(0, 1)).unwrap();
    record.append(&[step_begun(1)]).unwrap();
    (root, place)
}

fn execute(place: &Place, sql: &str) {
    rusqlite::Connection::open(place.record())
        .unwrap()
        .execute_batch(sql)
        .unwrap();
}

#[test]
fn a_sound_or_newer_or_absent_record_is_left_alone() {
    let (_root, place) = filled();
    let before = fs::read(place.record()).unwrap();
    assert!(matches!(rebuilt(&place, &[]), Err(RecordError::Sound(_))));
    execute(&place, "PRAGMA user_version = 2");
    assert!(matches!(rebuilt(&place, &[]), Err(RecordError::Newer { .. })));
    execute(&place, "PRAGMA user_version = 1");
    assert_eq!(fs::read(place.record()).unwrap().len(), before.len());
    let (_root, place) = testing::place();
    assert!(matches!(rebuilt(&place, &[]), Err(RecordError::Absent(_))));
    assert!(!place.record().exists());
}

#[test]
fn a_whole_log_brings_all_back() {
    let (_root, place) = filled();
    let whole = look(&place).unwrap().unwrap();
    execute(&place, "UPDATE service SET sequence = 77");
    let broken = fs::read(place.record()).unwrap();
    let done = rebuilt(&place, &[]).unwrap();
    assert_eq!((done.salvaged, &done.lost), (whole.events, &vec![]));
    assert_eq!(done.known, [service("db"), service("wiki")]);
    assert_eq!(done.why.as_deref(), Some("its tables are not what was written"));
    let aside = done.kept_aside.unwrap();
    assert!(aside.ends_with("record.sqlite.broken-1"));
    assert_eq!(fs::read(aside).unwrap(), broken);
    let view = look(&place).unwrap().unwrap();
    assert_eq!((view.id, view.services), (whole.id, whole.services));
    let logged = history(&place, &Filter::default()).unwrap();
    assert!(matches!(
        &logged.last().unwrap().event,
        Event::Rebuilt { complete: true, .. }
    ));
}

#[test]
fn of_a_log_with_a_hole_nothing_is_believed_to_be_applied() {
    let (_root, place) = filled();
    let whole = look(&place).unwrap().unwrap();
    let [backup, stray] = ["0000000000000001-1", "other"].map(|name| place.backups().join(name));
    fs::create_dir(&backup).unwrap();
    fs::create_dir(&stray).unwrap();
    execute(
        &place,
        &format!("UPDATE event SET body = '?' WHERE seq = {}", whole.events),
    );
    let done = rebuilt(&place, &[]).unwrap();
    assert_eq!((done.salvaged, &done.known), (whole.events - 1, &vec![]));
    assert_eq!(done.lost, [service("db"), service("wiki")]);
    assert_eq!(done.backups, std::slice::from_ref(&stray));
    let view = look(&place).unwrap().unwrap();
    assert!(view.services.is_empty());
    assert_eq!(view.id, whole.id);
    let db = &view.unmet[&service("db")];
    assert_eq!((db.sequence, db.lost), (2, true));
    assert!(db.backups.contains(&backup.display().to_string()));
    assert_eq!(view.definitions[&service("db")].len(), 1);
    // It is known again by being stamped, and goes on counting.
    let stamped = Event::Stamped {
        service: service("db"),
        applied: vec![version(1)],
        was: None,
        reason: "looked".to_owned(),
        sequence: view.next_sequence(&service("db")),
        stamped: vec![],
    };
    Record::open(&place).unwrap().append(&[stamped]).unwrap();
    assert_eq!(
        look(&place).unwrap().unwrap().services[&service("db")].sequence,
        3
    );
    execute(&place, "DELETE FROM event WHERE seq = 1");
    let again = rebuilt(&place, &[]).unwrap();
    assert!(again.kept_aside.unwrap().ends_with("record.sqlite.broken-2"));
    assert_eq!(again.salvaged, 0);
}

#[test]
fn what_was_lost_can_be_forgotten() {
    let (_root, place) = filled();
    let events = look(&place).unwrap().unwrap().events;
    execute(
        &place,
        &format!("UPDATE event SET body = '?' WHERE seq = {events}"),
    );
    rebuilt(&place, &[]).unwrap();
    let db = service("db");
    let lost = look(&place).unwrap().unwrap().unmet[&db].clone();
    assert!(lost.lost);
    let forgotten = || Event::Forgotten { service: db.clone() };
    Record::open(&place).unwrap().append(&[forgotten()]).unwrap();
    let view = look(&place).unwrap().unwrap();
    let rest = Unmet {
        sequence: lost.sequence.max(1),
        ..Unmet::default()
    };
    assert_eq!((&view.unmet[&db], view.definitions.get(&db)), (&rest, None));
    // Once is enough.
    assert!(Record::open(&place).unwrap().append(&[forgotten()]).is_err());
}

#[test]
fn a_log_without_its_end_is_not_whole() {
    let (_root, place) = filled();
    let whole = look(&place).unwrap().unwrap();
    execute(&place, &format!("DELETE FROM event WHERE seq = {}", whole.events));
    let done = rebuilt(&place, &[]).unwrap();
    assert_eq!((done.salvaged, done.known), (whole.events - 1, vec![]));
}

#[test]
fn the_traces_of_a_lost_record_are_taken_over() {
    let (root, place) = filled();
    let id = look(&place).unwrap().unwrap().id;
    fs::remove_file(place.record()).unwrap();
    let data: PathBuf = root.path().join("data");
    fs::create_dir(&data).unwrap();
    let mark = Stamp {
        record: id.clone(),
        sequence: 7,
    };
    if !stamp::write(stamp::open(&data).unwrap(), &mark).unwrap() {
        assert!(std::env::var_os("CI").is_none(), "stamps need root and a disk");
        eprintln!("skipped: no extended attributes can be here");
        return;
    }
    let unit = root
        .path()
        .join("store/0123456789abcdfghijklmnpqrsvwxyz-unit/migrate-wiki.service");
    fs::create_dir_all(unit.parent().unwrap()).unwrap();
    fs::write(&unit, "[Unit]\n").unwrap();
    fs::create_dir(root.path().join("gcroots")).unwrap();
    let kept = crate::model::Definition {
        unit: unit.display().to_string(),
        text: "[Unit]\n".to_owned(),
        generation: String::new(),
    };
    roots::keep(&place, &service("wiki"), &kept).unwrap();

    let done = rebuilt(&place, &[("db", &data), ("db", root.path())]).unwrap();
    assert_eq!((done.kept_aside, done.salvaged, done.known), (None, 0, vec![]));
    assert_eq!(done.lost, [service("db"), service("wiki")]);
    let view = look(&place).unwrap().unwrap();
    assert_eq!(view.id, id, "the stamps tell whose state it is");
    assert_eq!(view.unmet[&service("db")].stamped, [data.display().to_string()]);
    assert_eq!(view.next_sequence(&service("db")), 8);
    assert_eq!(view.definition(&service("wiki"), &kept.unit), Some(&kept));
}

#[test]
fn rubbish_is_kept_aside() {
    let (_root, place) = filled();
    for rubbish in [&b""[..], b"rubbish", &[0; 8192]] {
        fs::write(place.record(), rubbish).unwrap();
        let done = rebuilt(&place, &[]).unwrap();
        assert_eq!(fs::read(done.kept_aside.unwrap()).unwrap(), rubbish);
        assert_eq!(look(&place).unwrap().unwrap().events, 2);
    }
}
