mod guards;
mod locks;
mod rebuilding;
mod roots;
mod runs;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use jiff::Timestamp;
use proptest::prelude::*;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};

use super::testing::{begun, met, place, recorded, seeds, sensible, service};
use super::*;

/// All names, sizes, modes and contents below a directory.
fn snapshot(root: &Path) -> Vec<(String, u32, Vec<u8>)> {
    let mut found = Vec::new();
    let mut left = vec![root.to_owned()];
    while let Some(path) = left.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let mut bytes = Vec::new();
        if metadata.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if metadata.is_file() {
            bytes = fs::read(&path).unwrap();
        }
        found.push((path.display().to_string(), metadata.mode(), bytes));
    }
    found.sort();
    found
}

/// All rows of all tables but the log's.
fn rows(connection: &Connection) -> Vec<String> {
    let mut names = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN ('event', 'sqlite_sequence')")
        .unwrap();
    let names: Vec<String> = names
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let mut all = Vec::new();
    for name in names {
        let mut statement = connection.prepare(&format!("SELECT * FROM {name}")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values: Vec<Value> = (0..columns).map(|at| row.get(at).unwrap()).collect();
            all.push(format!("{name} {values:?}"));
        }
    }
    all.sort();
    all
}

fn database(place: &Place) -> Connection {
    Connection::open_with_flags(place.record(), OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn tables_are_what_the_events_come_to(seeds in seeds(), batch in 1_usize..40) {
        let (events, mut folded) = sensible(&seeds);
        let (_root, place) = place();
        let mut record = Record::open(&place).unwrap();
        for events in events.chunks(batch) {
            record.append(events).unwrap();
        }
        let view = look(&place).unwrap().unwrap();
        prop_assert_eq!(&view, &*record.view().unwrap());
        folded.id = view.id.clone();
        folded.events = view.events;
        folded.last_event = view.last_event;
        prop_assert_eq!(&view, &folded);
        prop_assert_eq!(view.events, events.len() as u64 + 1);

        let logged = history(&place, &Filter::default()).unwrap();
        let (_other, empty) = testing::place();
        let log: Vec<_> = logged.iter().map(|logged| (logged.event.clone(), logged.at, logged.nixmig.clone())).collect();
        making::make(&place::StateDir::make(&empty.state_dir).unwrap(), &log).unwrap();
        prop_assert_eq!(rows(&database(&empty)), rows(&database(&place)));
        prop_assert_eq!(look(&empty).unwrap().unwrap(), view);
    }

    #[test]
    fn events_are_read_as_they_were_written(seeds in seeds()) {
        for event in sensible(&seeds).0 {
            let text = serde_json::to_string(&event).unwrap();
            let tag = format!("{{\"{}\":", event.kind());
            prop_assert!(text.starts_with(&tag), "{}", text);
            prop_assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
        }
    }

    #[test]
    fn broken_files_are_errors(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let (_root, place, record) = recorded(&begun(2));
        drop(record);
        let mut bytes = fs::read(place.record()).unwrap();
        let at = at.index(bytes.len());
        match cut {
            true => bytes.truncate(at),
            false => bytes[at] = byte,
        }
        fs::write(place.record(), &bytes).unwrap();
        let before = snapshot(&place.state_dir);
        // Free space may be anything, so not every change is noticed; but none is repaired or followed blindly.
        let _ = look(&place);
        prop_assert_eq!(snapshot(&place.state_dir), before);
        if cut {
            prop_assert!(look(&place).is_err());
        }
        let _ = Record::open(&place).and_then(|mut record| record.append(&[met("wiki", &[], 1)]));
    }
}

#[test]
fn looking_makes_nothing() {
    let (root, place) = place();
    assert_eq!(look(&place).unwrap(), None);
    assert_eq!(history(&place, &Filter::default()).unwrap(), []);
    fs::create_dir(&place.state_dir).unwrap();
    assert_eq!(look(&place).unwrap(), None);
    let (_root, place, record) = recorded(&begun(1));
    let before = snapshot(&place.state_dir);
    assert!(look(&place).unwrap().is_some());
    drop(record);
    assert!(look(&place).unwrap().is_some());
    assert_eq!(snapshot(&place.state_dir), before);
    drop(root);
}

#[test]
fn what_is_made_is_for_root_alone() {
    let (_root, place, _record) = recorded(&begun(1));
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(&place.state_dir), 0o711);
    assert_eq!(mode(&place.record()), 0o600);
    assert_eq!(mode(&place.backups()), 0o711);
    assert_eq!(mode(&place.state_dir.join("locks")), 0o700);
    let lock = lock_service(&place, &service("db"), Wait::Not, &mut |_| unreachable!()).unwrap();
    for entry in fs::read_dir(place.state_dir.join("locks")).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
    drop(lock);
}

#[test]
fn untrusted_places_are_refused() {
    let (root, place, record) = recorded(&begun(1));
    drop(record);
    let link = Place {
        state_dir: root.path().join("link"),
        ..place.clone()
    };
    symlink(&place.state_dir, &link.state_dir).unwrap();
    for state_dir in [
        link.state_dir.clone(),
        link.state_dir.join("."),
        link.state_dir.join(""),
    ] {
        let link = Place {
            state_dir,
            ..place.clone()
        };
        assert!(matches!(look(&link), Err(RecordError::Symlink(_))));
        assert!(matches!(Record::open(&link), Err(RecordError::Symlink(_))));
    }
    let file = Place {
        state_dir: place.record(),
        ..place.clone()
    };
    assert!(matches!(look(&file), Err(RecordError::Kind { .. })));

    let chmod = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    chmod(&place.state_dir, 0o777);
    assert!(matches!(look(&place), Err(RecordError::Mode { mode: 0o777, .. })));
    assert!(matches!(Record::open(&place), Err(RecordError::Mode { .. })));
    chmod(&place.state_dir, 0o711);
    chmod(&place.record(), 0o660);
    assert!(matches!(look(&place), Err(RecordError::Mode { mode: 0o660, .. })));
    chmod(&place.record(), 0o644);
    Record::open(&place).unwrap();
    assert_eq!(fs::metadata(place.record()).unwrap().mode() & 0o777, 0o600);

    fs::hard_link(place.record(), root.path().join("other")).unwrap();
    assert!(matches!(look(&place), Err(RecordError::Kind { .. })));
    fs::remove_file(place.record()).unwrap();
    symlink(root.path().join("other"), place.record()).unwrap();
    assert!(matches!(look(&place), Err(RecordError::Symlink(_))));
    assert!(matches!(Record::open(&place), Err(RecordError::Symlink(_))));

    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&place.state_dir, Some(1), None).unwrap();
        assert!(matches!(look(&place), Err(RecordError::Owner { uid: 1, .. })));
    }
}

#[test]
fn memory_is_no_place() {
    let root = tempfile::Builder::new()
        .prefix("nixmig-record-")
        .tempdir_in("/dev/shm")
        .unwrap();
    let place = Place {
        state_dir: root.path().to_owned(),
        gc_roots: root.path().join("gcroots"),
        guards: root.path().join("guards"),
    };
    assert!(matches!(
        Record::open(&place),
        Err(RecordError::Memory {
            filesystem: "tmpfs",
            ..
        })
    ));
    assert_eq!(snapshot(root.path()).len(), 1);
}

#[test]
fn what_is_not_a_record_is_told() {
    let (_root, place, record) = recorded(&begun(1));
    drop(record);
    let sound = fs::read(place.record()).unwrap();
    let change = |sql: &str| {
        fs::write(place.record(), &sound).unwrap();
        database(&place).execute_batch(sql).unwrap();
    };
    let with = |sql: &str| {
        change(sql);
        let before = snapshot(&place.state_dir);
        let looked = look(&place).unwrap_err();
        assert_eq!(snapshot(&place.state_dir), before, "{sql}");
        assert!(Record::open(&place).is_err(), "{sql}");
        assert_eq!(snapshot(&place.state_dir), before, "{sql}");
        looked
    };
    // What only the log knows.
    let logged = |sql: &str| {
        change(sql);
        let before = snapshot(&place.state_dir);
        look(&place).unwrap();
        let opened = Record::open(&place).unwrap_err();
        assert_eq!(snapshot(&place.state_dir), before, "{sql}");
        opened
    };
    let why = |error| match error {
        RecordError::Corrupt { why, .. } => why,
        error => panic!("{error:?}"),
    };
    assert!(matches!(
        with("PRAGMA application_id = 1"),
        RecordError::Foreign(_)
    ));
    assert!(matches!(
        with("PRAGMA user_version = 2"),
        RecordError::Newer {
            format: 2,
            known: 1,
            program: None,
            ..
        }
    ));
    assert!(matches!(Record::open(&place), Err(RecordError::Newer { .. })));
    assert_eq!(why(with("PRAGMA user_version = 0")), "there is no format 0");
    assert_eq!(
        why(with("UPDATE service SET sequence = 9")),
        "its tables are not what was written"
    );
    assert_eq!(
        why(with("DELETE FROM event WHERE seq = (SELECT max(seq) FROM event)")),
        "its tables are not what was written"
    );
    assert_eq!(
        why(logged("DELETE FROM event WHERE seq = 2")),
        "event 2 is missing"
    );
    assert_eq!(
        why(with("DELETE FROM event; DELETE FROM record")),
        "it has no first event"
    );
    assert!(
        why(logged(
            "UPDATE event SET body = '{\"later\":{}}', kind = 'later' WHERE seq = 3"
        ))
        .contains("later")
    );
    assert!(why(logged("UPDATE event SET service = 'wiki' WHERE seq = 3")).contains("another service"));
    assert!(why(logged("UPDATE event SET at = 'noon' WHERE seq = 3")).contains("event 3"));
    change("UPDATE service SET sequence = 9");
    seal::set(&database(&place)).unwrap();
    assert_eq!(look(&place).unwrap().unwrap().next_sequence(&service("db")), 10);
    assert_eq!(
        why(Record::open(&place).unwrap_err()),
        "its tables are not what its events come to"
    );
    assert!(why(with("DROP TABLE held")).contains("held"));
    assert!(why(with("PRAGMA journal_mode = WAL")).contains("journal"));
    fs::write(place.record(), "").unwrap();
    assert_eq!(why(look(&place).unwrap_err()), "it is empty");
    assert_eq!(why(Record::open(&place).unwrap_err()), "it is empty");
    fs::write(place.record(), [0; 4096]).unwrap();
    assert_eq!(why(look(&place).unwrap_err()), "it is no database");
}

#[test]
fn a_writer_that_died_is_read_past_and_cleaned_up_after() {
    let (_root, place, mut record) = recorded(&begun(1));
    let whole = look(&place).unwrap().unwrap();
    // What a power loss in the middle of a commit leaves: pages of the new, and the journal of the old.
    let mut writer = database(&place);
    writer.pragma_update(None, "cache_size", 1).unwrap();
    writer.pragma_update(None, "cache_spill", 1).unwrap();
    let transaction = writer.transaction().unwrap();
    transaction
        .execute("UPDATE event SET body = body || hex(zeroblob(20000))", [])
        .unwrap();
    let journal = place.state_dir.join("record.sqlite-journal");
    let (torn, hot) = (fs::read(place.record()).unwrap(), fs::read(&journal).unwrap());
    transaction.rollback().unwrap();
    drop(writer);
    fs::write(place.record(), &torn).unwrap();
    fs::write(&journal, &hot).unwrap();

    let before = snapshot(&place.state_dir);
    let seen = look(&place).unwrap().unwrap();
    assert_eq!(snapshot(&place.state_dir), before);
    assert_eq!(seen.notes.len(), 1);
    assert_eq!(
        (seen.services, seen.events),
        (whole.services.clone(), whole.events)
    );

    record.append(&[met("wiki", &[], 1)]).unwrap();
    // What is left of the journal is undone by nobody.
    assert!(fs::read(&journal).unwrap().starts_with(&[0; 8]));
    let seen = look(&place).unwrap().unwrap();
    assert_eq!(seen.notes.len(), 0);
    assert_eq!(seen.events, whole.events + 1);
}

#[test]
fn makers_at_the_same_time_agree() {
    let (_root, place) = place();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| Record::open(&place).unwrap().append(&[]).unwrap());
        }
    });
    assert_eq!(look(&place).unwrap().unwrap().events, 1);
    let mut names: Vec<_> = fs::read_dir(&place.state_dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["backups", "locks", "record.sqlite"]);
}

#[test]
fn a_journal_that_somebody_removed_is_made_again_and_stays() {
    let (_root, place, mut record) = recorded(&[]);
    let journal = place.state_dir.join("record.sqlite-journal");
    for n in 1..3 {
        record.append(&[met(&format!("s{n}"), &[], n)]).unwrap();
        let metadata = fs::metadata(&journal).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
        assert!(metadata.len() > 0);
        fs::remove_file(&journal).unwrap();
    }
    // Nothing that leads elsewhere is written to.
    let elsewhere = place.state_dir.join("elsewhere");
    fs::write(&elsewhere, "").unwrap();
    symlink(&elsewhere, &journal).unwrap();
    assert!(record.append(&[met("s3", &[], 3)]).is_err());
    fs::remove_file(&journal).unwrap();
    record.append(&[met("s3", &[], 3)]).unwrap();
    assert_eq!(fs::read(&elsewhere).unwrap(), b"");
    assert_eq!(look(&place).unwrap().unwrap().services.len(), 3);
}

#[test]
fn a_maker_that_died_is_cleaned_up_after() {
    let (_root, place) = place();
    fs::create_dir(&place.state_dir).unwrap();
    fs::write(place.state_dir.join("record.sqlite.new"), "half").unwrap();
    fs::write(place.state_dir.join("record.sqlite.new-journal"), "half").unwrap();
    assert_eq!(look(&place).unwrap(), None);
    Record::open(&place).unwrap();
    assert!(look(&place).unwrap().unwrap().last_event <= Timestamp::now());
}
