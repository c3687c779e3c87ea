//! Owns the look at who works on a service right now, without a lock of its own: one that is held for a moment only would make
//! somebody else's fail.

use std::os::unix::fs::MetadataExt as _;

use crate::model::ServiceName;
use crate::record::Place;

/// Whether somebody holds the lock of a service; where that cannot be told, nobody does.
pub(super) fn is_held(place: &Place, service: &ServiceName) -> bool {
    let lock = place.state_dir.join("locks").join(format!("{service}.lock"));
    let (Ok(about), Ok(locks)) = (
        std::fs::symlink_metadata(lock),
        std::fs::read_to_string("/proc/locks"),
    ) else {
        return false;
    };
    let device = about.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    has(&locks, &format!("{major:02x}:{minor:02x}:{}", about.ino()))
}

/// Whether proc_locks(5) lists a flock(2) on a file, `MAJOR:MINOR:INODE`; one that is waited for is not held by who waits.
fn has(locks: &str, file: &str) -> bool {
    let mut lines = locks
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.any(|words| words.get(1) == Some(&"FLOCK") && words.get(5) == Some(&file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_holds_nothing() {
        let locks = "1: POSIX  ADVISORY  WRITE 4242 fe:01:11 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 4243 fe:01:12 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 4244 fe:01:13 0 EOF\n";
        assert_eq!(
            ["fe:01:11", "fe:01:12", "fe:01:13", "fe:01:1"].map(|file| has(locks, file)),
            [false, true, false, false]
        );
    }

    #[test]
    fn a_lock_that_is_held_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place {
            state_dir: directory.path().to_owned(),
            gc_roots: directory.path().to_owned(),
        };
        let db = "db".parse().unwrap();
        assert!(!is_held(&place, &db));
        std::fs::create_dir(directory.path().join("locks")).unwrap();
        let lock = std::fs::File::create(directory.path().join("locks/db.lock")).unwrap();
        assert!(!is_held(&place, &db));
        lock.lock().unwrap();
        assert!(is_held(&place, &db));
    }
}
