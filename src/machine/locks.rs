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
    has(
        &locks,
        (rustix::fs::major(device), rustix::fs::minor(device)),
        about.ino(),
    )
}

/// Whether proc_locks(5) lists a flock(2) on a file, `MAJOR:MINOR:INODE`; one that is waited for is not held by who waits.
///
/// A file system without a device has its numbers from the kernel, and a subvolume of btrfs others than the whole of it, which
/// is what is listed: there the inode has to do.
fn has(locks: &str, (major, minor): (u32, u32), inode: u64) -> bool {
    let is_it = |file: &str| {
        let mut parts = file.splitn(3, ':');
        let mut number = |radix| u64::from_str_radix(parts.next()?, radix).ok();
        let found = (number(16), number(16), number(10));
        found.0 == Some(major.into())
            && found.2 == Some(inode)
            && (major == 0 || found.1 == Some(minor.into()))
    };
    let mut lines = locks
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.any(|words| words.get(1) == Some(&"FLOCK") && words.get(5).is_some_and(|file| is_it(file)))
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
            [11, 12, 13, 1].map(|inode| has(locks, (0xfe, 1), inode)),
            [false, true, false, false]
        );
        assert!(!has(locks, (0xfe, 2), 12));
        let btrfs = "1: FLOCK  ADVISORY  WRITE 4243 00:1f:257 0 EOF\n";
        assert!(has(btrfs, (0, 0x2a), 257) && !has(btrfs, (0, 0x2a), 258));
    }

    #[test]
    fn a_lock_that_is_held_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place {
            state_dir: directory.path().to_owned(),
            gc_roots: directory.path().to_owned(),
            guards: directory.path().to_owned(),
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
