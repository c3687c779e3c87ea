//! The record on a file system of its own: when the power goes, the disk is full, nothing may be written, or its writer is killed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nixmig::model::{Definition, ServiceName};
use nixmig::record::{Event, Filter, Place, Record, RecordError, history, look, roots};

use crate::images::{Fs, Image, SIZE, apart};

/// Where the other process of a test appends until it is killed.
const TASK: &str = "NIXMIG_TEST_RECORD";

fn place(root: &Path) -> Place {
    Place {
        state_dir: root.join("state"),
        gc_roots: root.join("roots"),
        guards: root.join("guards"),
    }
}

fn db() -> ServiceName {
    "db".parse().unwrap()
}

fn met() -> Event {
    Event::Met {
        service: db(),
        applied: vec!["2024-01-01".parse().unwrap()],
        sources: vec!["a test".to_owned()],
        generation: "/nix/store/x".to_owned(),
        sequence: 1,
        stamped: vec![],
    }
}

/// An event of about this many bytes.
fn ran(bytes: usize) -> Event {
    Event::PackageRan {
        service: db(),
        package: "x".repeat(bytes),
    }
}

#[test]
fn what_was_appended_survives_a_power_loss() {
    apart("record::what_was_appended_survives_a_power_loss", || {
        for fs in Fs::ALL {
            let mut image = Image::make(fs, SIZE);
            let place = place(&image.path());
            let mut record = Record::open(&place).unwrap();
            let made = image.copy_image();
            record.append(&[met()]).unwrap();
            let once = image.copy_image();
            record.append(&[ran(10), ran(50_000)]).unwrap();
            let store = image.path().join("store/0123456789abcdfghijklmnpqrsvwxyz-unit");
            fs::create_dir_all(&store).unwrap();
            fs::write(store.join("migrate-db.service"), "[Unit]\n").unwrap();
            rustix::fs::syncfs(fs::File::open(&store).unwrap()).unwrap();
            let definition = Definition {
                unit: store.join("migrate-db.service").display().to_string(),
                text: "[Unit]\n".to_owned(),
                generation: String::new(),
            };
            roots::keep(&place, &db(), &definition).unwrap();
            let kept = image.copy_image();
            drop(record);
            for (copy, events, roots) in [(made, 1, 0), (once, 2, 0), (kept, 4, 1)] {
                image.after_power_loss(copy);
                let view = look(&place).unwrap().unwrap();
                assert_eq!((view.events, view.notes.len()), (events, 0), "{fs:?}");
                assert_eq!(roots::list(&place).unwrap().len(), roots, "{fs:?}");
            }
        }
    });
}

#[test]
fn a_full_disk_changes_nothing() {
    apart("record::a_full_disk_changes_nothing", || {
        let image = Image::make(Fs::Ext4, 8 << 20);
        let place = place(&image.path());
        let mut record = Record::open(&place).unwrap();
        record.append(&[met()]).unwrap();
        let before = look(&place).unwrap();
        let filler = image.path().join("filler");
        let full = Command::new("dd")
            .args(["if=/dev/zero", "bs=1k", &format!("of={}", filler.display())])
            .output();
        assert!(!full.unwrap().status.success());
        assert!(matches!(
            record.append(&[ran(400_000)]),
            Err(RecordError::Full(_))
        ));
        assert_eq!(look(&place).unwrap(), before);
        let other = Place {
            state_dir: image.path().join("other"),
            ..place.clone()
        };
        assert!(matches!(Record::open(&other), Err(RecordError::Full(_))));
        assert_eq!(look(&other).unwrap(), None);
        fs::remove_file(filler).unwrap();
        record.append(&[ran(400_000)]).unwrap();
        assert_eq!(Record::open(&other).unwrap().view().unwrap().events, 1);
    });
}

#[test]
fn what_is_read_only_is_read() {
    apart("record::what_is_read_only_is_read", || {
        let image = Image::make(Fs::Ext4, 8 << 20);
        let place = place(&image.path());
        let mut record = Record::open(&place).unwrap();
        record.append(&[met()]).unwrap();
        let before = look(&place).unwrap();
        drop(record);
        let remounted = Command::new("mount")
            .args(["-o", "remount,ro"])
            .arg(image.path())
            .status();
        assert!(remounted.unwrap().success());
        assert_eq!(look(&place).unwrap(), before);
        assert_eq!(history(&place, &Filter::default()).unwrap().len(), 2);
        assert!(matches!(Record::open(&place), Err(RecordError::ReadOnly(_))));
        let other = Place {
            state_dir: image.path().join("other"),
            ..place
        };
        assert_eq!(look(&other).unwrap(), None);
        assert!(matches!(Record::open(&other), Err(RecordError::ReadOnly(_))));
    });
}

/// Appends until it is killed, and says each time that it did.
#[test]
fn appends_for_another_test() {
    if let Some(root) = std::env::var_os(TASK) {
        let mut record = Record::open(&place(Path::new(&root))).unwrap();
        loop {
            record.append(&[ran(20_000)]).unwrap();
            println!("appended {}", record.view().unwrap().events);
        }
    }
}

#[test]
fn a_writer_that_is_killed_leaves_what_it_had_written() {
    let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let place = place(root.path());
    Record::open(&place).unwrap().append(&[met()]).unwrap();
    for round in 0..25_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "record::appends_for_another_test", "--nocapture"])
            .env(TASK, root.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let reader = thread::spawn(move || {
            let appended = lines
                .map_while(Result::ok)
                .filter_map(|line| line.strip_prefix("appended ")?.parse().ok());
            appended.last().unwrap_or(0_u64)
        });
        thread::sleep(Duration::from_millis(40 + round * 7 % 60));
        child.kill().unwrap();
        child.wait().unwrap();
        let said = reader.join().unwrap();
        let seen = look(&place).unwrap().unwrap();
        // The last one may have been on disk before it could be said.
        assert!(
            seen.events == said || seen.events == said + 1 || said == 0,
            "{} and {said}",
            seen.events
        );
        let opened = Record::open(&place).unwrap().view().unwrap();
        assert_eq!((opened.events, &opened.services), (seen.events, &seen.services));
    }
}

#[test]
fn a_state_directory_below_a_link_is_fine_and_one_that_is_a_link_is_not() {
    let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::create_dir(root.path().join("var")).unwrap();
    symlink("var", root.path().join("link")).unwrap();
    let below = place(&root.path().join("link"));
    Record::open(&below).unwrap().append(&[met()]).unwrap();
    assert_eq!(look(&place(&root.path().join("var"))).unwrap().unwrap().events, 2);
    symlink("var/state", root.path().join("state")).unwrap();
    assert!(matches!(look(&place(root.path())), Err(RecordError::Symlink(_))));
}

#[test]
fn a_newer_record_is_handed_to_the_newer_program() {
    let root = tempfile::tempdir_in("/var/tmp").unwrap();
    let place = place(root.path());
    drop(Record::open(&place).unwrap());
    let newer = root
        .path()
        .join("store/0123456789abcdfghijklmnpqrsvwxyz-nixmig-99/bin");
    fs::create_dir_all(&newer).unwrap();
    let script = "#!/bin/sh\necho newer: $NIXMIG_HANDED_OVER \"$@\"\nexit 5\n";
    fs::write(newer.join("nixmig"), script).unwrap();
    fs::set_permissions(newer.join("nixmig"), fs::Permissions::from_mode(0o555)).unwrap();
    symlink(&newer, place.state_dir.join("bin")).unwrap();
    let mut header = fs::read(place.record()).unwrap();
    // The four bytes of `user_version` (SQLite's file format, 1.3).
    header[60..64].copy_from_slice(&2_u32.to_be_bytes());
    fs::write(place.record(), header).unwrap();

    let history = |variable: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nixmig"));
        let command = command
            .arg("history")
            .arg("--state-dir")
            .arg(&place.state_dir)
            .env(variable, "1");
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let words = format!("newer: 1 history --state-dir {}\n", place.state_dir.display());
    assert_eq!(history("UNRELATED"), (Some(5), words, String::new()));
    let (code, _, said) = history("NIXMIG_HANDED_OVER");
    assert_eq!(code, Some(1));
    assert!(said.contains("has format 2"), "{said}");
}
