//! Who may run what at the same time.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::super::testing::{place, run, service};
use super::super::*;

/// A wait that is not to happen.
fn never(_: Option<&Holder>) -> ControlFlow<()> {
    panic!("waited")
}

#[test]
fn one_run_a_service() {
    let (_root, place) = place();
    let mut db = lock_service(&place, &service("db"), Wait::Not, &mut never).unwrap();
    let _wiki = lock_service(&place, &service("wiki"), Wait::Not, &mut never).unwrap();
    // The lock that all share has a name that a service may have, too.
    let _record = lock_service(&place, &service("record"), Wait::Not, &mut never).unwrap();
    db.name_run(&run(7)).unwrap();
    let error = lock_service(&place, &service("db"), Wait::Not, &mut never).unwrap_err();
    let words = format!(
        "another run of db goes on (process {}, run {})",
        std::process::id(),
        run(7)
    );
    assert_eq!(error.to_string(), words);

    let mut heard = 0;
    let mut twice = |holder: Option<&Holder>| {
        assert_eq!(holder.unwrap().run, Some(run(7)));
        heard += 1;
        if heard == 2 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let stopped = lock_service(&place, &service("db"), Wait::Forever, &mut twice);
    assert!(matches!(stopped, Err(LockError::Stopped(_))));
    let late = lock_service(
        &place,
        &service("db"),
        Wait::Until(Duration::from_millis(10)),
        &mut |_| ControlFlow::Continue(()),
    );
    assert!(matches!(late, Err(LockError::Held { .. })));
    drop(db);
    lock_service(&place, &service("db"), Wait::Not, &mut never).unwrap();
}

#[test]
fn who_looks_sees_it_and_is_in_nobodys_way() {
    let (_root, place) = place();
    let db = service("db");
    assert!(!is_held(&place, &db));
    let looks = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            while looks.load(std::sync::atomic::Ordering::Relaxed) {
                is_held(&place, &db);
            }
        });
        for _ in 0..100 {
            let lock = lock_service(&place, &db, Wait::Not, &mut never).unwrap();
            assert!(is_held(&place, &db));
            drop(lock);
        }
        looks.store(false, std::sync::atomic::Ordering::Relaxed);
    });
    assert!(!is_held(&place, &db));
    assert!(!is_held(&place, &service("wiki")));
}

#[test]
fn rebuilding_is_alone() {
    let (_root, place) = place();
    let db = lock_service(&place, &service("db"), Wait::Not, &mut never).unwrap();
    assert!(matches!(
        lock_record(&place, Wait::Not, &mut never),
        Err(LockError::Held { .. })
    ));
    drop(db);
    let record = lock_record(&place, Wait::Not, &mut never).unwrap();
    assert!(matches!(
        lock_service(&place, &service("db"), Wait::Not, &mut never),
        Err(LockError::Held { .. })
    ));
    drop(record);
    lock_service(&place, &service("db"), Wait::Not, &mut never).unwrap();
}

#[test]
fn whoever_inherits_a_lock_keeps_it() {
    let (_root, place) = place();
    let lock = lock_service(&place, &service("db"), Wait::Not, &mut never).unwrap();
    // As a script gets it, only that this one gets it as its input.
    let inherited = lock.as_fds()[1].try_clone_to_owned().unwrap();
    let mut child = Command::new("sleep")
        .arg("600")
        .stdin(Stdio::from(inherited))
        .spawn()
        .unwrap();
    drop(lock);
    let orphaned = lock_service(&place, &service("db"), Wait::Not, &mut never);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(matches!(orphaned, Err(LockError::Held { .. })));
    lock_service(&place, &service("db"), Wait::Not, &mut never).unwrap();
}

#[test]
fn planted_files_are_not_followed() {
    let (root, place) = place();
    Record::open(&place).unwrap();
    let victim = root.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let lock = place.state_dir.join("locks/db.lock");
    let refused = || match lock_service(&place, &service("db"), Wait::Not, &mut never) {
        Err(LockError::Record(error)) => error,
        other => panic!("{other:?}"),
    };
    symlink(&victim, &lock).unwrap();
    assert!(matches!(refused(), RecordError::Symlink(_)));
    fs::remove_file(&lock).unwrap();
    fs::hard_link(&victim, &lock).unwrap();
    assert!(matches!(refused(), RecordError::Kind { .. }));
    fs::remove_file(&lock).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &lock, rustix::fs::Mode::RWXU).unwrap();
    assert!(matches!(refused(), RecordError::Kind { .. }));
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    let locks = place.state_dir.join("locks");
    fs::remove_dir_all(&locks).unwrap();
    symlink(root.path(), &locks).unwrap();
    assert!(matches!(refused(), RecordError::Symlink(_)));
}

#[test]
fn whatever_is_in_a_lock_is_no_more_than_words() {
    let (_root, place) = place();
    let _lock = lock_service(&place, &service("db"), Wait::Not, &mut never).unwrap();
    for text in ["", "x", "-1", "12 zz", "99999999999999999999"] {
        fs::write(place.state_dir.join("locks/db.lock"), text).unwrap();
        let error = lock_service(&place, &service("db"), Wait::Not, &mut never).unwrap_err();
        assert!(
            error.to_string().starts_with("another run of db goes on"),
            "{error}"
        );
    }
}

#[test]
fn who_waits_has_it_as_soon_as_it_is_let_go() {
    let (_root, place) = place();
    let db = service("db");
    let first = lock_service(&place, &db, Wait::Not, &mut never).unwrap();
    let (told, hears) = std::sync::mpsc::channel();
    std::thread::scope(|threads| {
        let waits = threads.spawn(|| {
            let mut waiting = |_: Option<&Holder>| {
                let _ = told.send(());
                ControlFlow::Continue(())
            };
            lock_service(&place, &db, Wait::Forever, &mut waiting).unwrap();
        });
        hears.recv().unwrap();
        drop(first);
        waits.join().unwrap();
    });
    lock_service(&place, &db, Wait::Not, &mut never).unwrap();
}

#[test]
fn who_gave_up_waiting_keeps_it_from_nobody() {
    let (_root, place) = place();
    let db = service("db");
    let first = lock_service(&place, &db, Wait::Not, &mut never).unwrap();
    for _ in 0..3 {
        let mut at_once = |_: Option<&Holder>| ControlFlow::Break(());
        let stopped = lock_service(&place, &db, Wait::Forever, &mut at_once);
        assert!(matches!(stopped, Err(LockError::Stopped(_))));
    }
    drop(first);
    // They stand in the queue, and each lets go as soon as it has the lock.
    let wait = Wait::Until(Duration::from_secs(60));
    let had = lock_service(&place, &db, wait, &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(is_held(&place, &db));
    drop(had);
    lock_service(&place, &db, Wait::Not, &mut never).unwrap();
}
