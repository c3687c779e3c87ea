//! State directories whose owner means ill, or whose files are of no good kind.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rustix::fs::{AtFlags, IFlags, OFlags, RenameFlags};

use super::*;

fn open(path: &Path) -> OwnedFd {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

fn try_take(room: &Room, state: &Path) -> Result<Manifest, BackupError> {
    let directories = [state.to_owned()];
    let spot = room.spot(&directories, "try");
    let result = take(&spot, &directories, &Watch::quiet());
    if result.is_err() {
        assert!(matches!(check(&spot), Err(BackupError::Incomplete { .. })));
        assert!(restore(&spot, &Watch::quiet()).is_err());
    }
    remove(&spot).unwrap();
    result
}

#[test]
fn depth_needs_neither_stack_nor_descriptors_nor_a_path() {
    const DEPTH: usize = 2000;
    let room = Room::new();
    let state = room.path("state");
    fs::create_dir(&state).unwrap();
    let mut here = open(&state);
    for _ in 0..DEPTH {
        rustix::fs::mkdirat(&here, "deeper", Mode::RWXU).unwrap();
        here = rustix::fs::openat(&here, "deeper", OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    rustix::fs::mkdirat(&here, "end", Mode::RWXU).unwrap();
    let directories = [state.clone()];
    let spot = room.spot(&directories, "deep");
    assert_eq!(
        space(&spot, &directories, &Watch::quiet()).unwrap().files,
        DEPTH as u64 + 2
    );
    take(&spot, &directories, &Watch::quiet()).unwrap();
    rustix::fs::unlinkat(&here, "end", AtFlags::REMOVEDIR).unwrap();
    restore(&spot, &Watch::quiet()).unwrap();
    let mut here = open(&state);
    for _ in 0..DEPTH {
        here = rustix::fs::openat(&here, "deeper", OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    rustix::fs::openat(&here, "end", OFlags::DIRECTORY, Mode::empty()).unwrap();
    remove(&spot).unwrap();
    // What removes the room goes by paths.
    let parent = open(&room.path(""));
    super::super::remove::remove(parent, &CString::new("state").unwrap(), &state).unwrap();
}

#[test]
fn a_directory_that_becomes_a_link_leads_nowhere() {
    let room = Room::new();
    let (state, outside) = (room.path("state"), room.path("outside"));
    fs::create_dir_all(state.join("a")).unwrap();
    fs::write(state.join("a/file"), "inside").unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "secret").unwrap();
    fs::write(outside.join("canary"), "secret").unwrap();
    symlink(&outside, state.join("b")).unwrap();
    let over = AtomicBool::new(false);
    let complete = AtomicU32::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let directory = open(&state);
            while !over.load(Ordering::Relaxed) {
                rustix::fs::renameat_with(&directory, "a", &directory, "b", RenameFlags::EXCHANGE).unwrap();
            }
        });
        for _ in 0..200 {
            let directories = [state.clone()];
            let spot = room.spot(&directories, "race");
            let taken = take(&spot, &directories, &Watch::quiet());
            for name in ["a", "b"] {
                let copy = spot.directory().join("0").join(name);
                let Ok(seen) = fs::symlink_metadata(&copy) else {
                    continue;
                };
                assert!(seen.is_symlink() || !copy.join("canary").exists());
                assert!(
                    seen.is_symlink()
                        || fs::read(copy.join("file")).is_ok_and(|text| text == b"inside" || text.is_empty())
                        || taken.is_err()
                );
            }
            complete.fetch_add(u32::from(taken.is_ok()), Ordering::Relaxed);
            remove(&spot).unwrap();
        }
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(fs::read(outside.join("canary")).unwrap(), b"secret");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 2);
    println!("{} of 200 complete", complete.into_inner());
}

#[test]
fn a_file_that_becomes_a_fifo_keeps_nobody_waiting() {
    let room = Room::new();
    let state = room.path("state");
    fs::create_dir(&state).unwrap();
    fs::write(state.join("a"), "data").unwrap();
    rustix::fs::mknodat(CWD, state.join("b"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let directory = open(&state);
            while !over.load(Ordering::Relaxed) {
                rustix::fs::renameat_with(&directory, "a", &directory, "b", RenameFlags::EXCHANGE).unwrap();
            }
        });
        for _ in 0..100 {
            let _ = try_take(&room, &state);
        }
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn what_is_written_meanwhile_is_noticed() {
    let room = Room::new();
    let state = room.path("state");
    fs::create_dir(&state).unwrap();
    fs::write(state.join("log"), vec![0; 40 << 20]).unwrap();
    let appended = std::cell::Cell::new(false);
    let progress = |_| {
        if !appended.replace(true) {
            use std::io::Write;
            let mut log = fs::OpenOptions::new()
                .append(true)
                .open(state.join("log"))
                .unwrap();
            log.write_all(b"more").unwrap();
        }
    };
    let watch = Watch {
        progress: &progress,
        stop: &|| false,
    };
    let directories = [state.clone()];
    let spot = room.spot(&directories, "written");
    let error = take(&spot, &directories, &watch).unwrap_err();
    assert!(
        matches!(&error, BackupError::Changed { path } if *path == state.join("log")),
        "{error}"
    );
}

#[test]
fn a_stop_leaves_the_state_as_it_was() {
    let room = Room::new();
    let state = room.path("state");
    populate(&state);
    let before = facts(&state);
    let directories = [state.clone()];
    for after in [0, 1, 5] {
        let count = std::cell::Cell::new(0);
        let stop = || {
            count.set(count.get() + 1);
            count.get() > after
        };
        let watch = Watch {
            progress: &|_| {},
            stop: &stop,
        };
        let spot = room.spot(&directories, "stopped");
        assert!(matches!(
            take(&spot, &directories, &watch),
            Err(BackupError::Stopped)
        ));
        remove(&spot).unwrap();
        let spot = room.spot(&directories, "stopped");
        take(&spot, &directories, &Watch::quiet()).unwrap();
        count.set(0);
        assert!(matches!(restore(&spot, &watch), Err(BackupError::Stopped)));
        assert_same(&before, &facts(&state));
        remove(&spot).unwrap();
        assert_eq!(
            fs::read_dir(room.path("")).unwrap().count(),
            2,
            "nothing is left beside it"
        );
    }
}

#[test]
fn what_could_not_come_back_is_refused() {
    if !is_root() {
        return;
    }
    let room = Room::new();
    let state = room.path("state");
    fs::create_dir(&state).unwrap();
    fs::write(state.join("file"), "data").unwrap();
    for flag in [IFlags::IMMUTABLE, IFlags::APPEND] {
        let file = open(&state.join("file"));
        let before = rustix::fs::ioctl_getflags(&file).unwrap();
        rustix::fs::ioctl_setflags(&file, before | flag).unwrap();
        let directories = [state.clone()];
        let spot = room.spot(&directories, "space");
        let looked = space(&spot, &directories, &Watch::quiet());
        remove(&spot).unwrap();
        let taken = try_take(&room, &state);
        rustix::fs::ioctl_setflags(&file, before).unwrap();
        assert!(matches!(looked, Err(BackupError::Refused { .. })), "{looked:?}");
        assert!(matches!(taken, Err(BackupError::Refused { .. })), "{taken:?}");
    }
    try_take(&room, &state).unwrap();
}

#[test]
fn what_a_script_sealed_goes_all_the_same() {
    if !is_root() {
        return;
    }
    let room = Room::new();
    let state = room.path("state");
    populate(&state);
    let before = facts(&state);
    let directories = [state.clone()];
    let spot = room.spot(&directories, "sealed");
    take(&spot, &directories, &Watch::quiet()).unwrap();
    for sealed in ["a/b/large", "a/b", "a", ""] {
        let file = open(&state.join(sealed));
        let flags = rustix::fs::ioctl_getflags(&file).unwrap();
        rustix::fs::ioctl_setflags(&file, flags | IFlags::IMMUTABLE).unwrap();
    }
    restore(&spot, &Watch::quiet()).unwrap();
    assert_same(&before, &facts(&state));
    assert_eq!(
        fs::read_dir(room.path("")).unwrap().count(),
        2,
        "nothing is left beside it"
    );
}

#[test]
fn lists_of_the_directory_above_are_not_handed_on() {
    let room = Room::new();
    let state = room.path("above/state");
    populate(&state);
    let before = facts(&state);
    // For user 4711 besides, in all that is made here: version 2, owner, that user, group, mask, others.
    let list = [
        &[2, 0, 0, 0][..],
        &[1, 0, 7, 0, 255, 255, 255, 255],
        &[2, 0, 7, 0, 0x67, 0x12, 0, 0],
        &[4, 0, 5, 0, 255, 255, 255, 255],
        &[16, 0, 7, 0, 255, 255, 255, 255],
        &[32, 0, 5, 0, 255, 255, 255, 255],
    ]
    .concat();
    for above in [room.path("above"), room.path("nixmig/backups")] {
        rustix::fs::setxattr(above, "system.posix_acl_default", &list, XattrFlags::empty()).unwrap();
    }
    let directories = [state.clone()];
    let spot = room.spot(&directories, "lists");
    take(&spot, &directories, &Watch::quiet()).unwrap();
    assert_same(&before, &facts(&spot.directory().join("0")));
    wreck(&state);
    restore(&spot, &Watch::quiet()).unwrap();
    assert_same(&before, &facts(&state));
}

#[test]
fn a_link_that_the_owner_made_is_not_followed() {
    if !is_root() {
        return;
    }
    let room = Room::new();
    let (own, victim) = (room.path("own"), room.path("victim"));
    fs::create_dir_all(victim.join("state")).unwrap();
    fs::create_dir(&own).unwrap();
    symlink(&victim, own.join("link")).unwrap();
    let declared = [own.join("link/state")];
    let backups = room.path("nixmig/backups");
    place(&backups, &declared, "root-made").unwrap();
    std::os::unix::fs::lchown(own.join("link"), Some(1000), Some(1000)).unwrap();
    for declared in [own.join("link/state"), own.join("link")] {
        let error = place(&backups, &[declared], "planted").unwrap_err();
        assert!(
            error.to_string().contains("is a link that root did not make"),
            "{error}"
        );
    }
}

#[test]
fn a_backup_that_others_could_write_to_is_none() {
    if !is_root() {
        return;
    }
    let room = Room::new();
    let state = room.path("state");
    populate(&state);
    let directories = [state.clone()];
    let spot = room.spot(&directories, "theirs");
    take(&spot, &directories, &Watch::quiet()).unwrap();
    let manifest = spot.directory().join("manifest.json");
    for (path, owner) in [(spot.directory(), 1000), (&manifest, 1000)] {
        std::os::unix::fs::chown(path, Some(owner), None).unwrap();
        assert!(matches!(
            restore(&spot, &Watch::quiet()),
            Err(BackupError::Incomplete { .. })
        ));
        std::os::unix::fs::chown(path, Some(0), None).unwrap();
    }
    fs::set_permissions(spot.directory(), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(check(&spot), Err(BackupError::Incomplete { .. })));
}

#[test]
fn state_does_not_hold_its_own_backup() {
    let room = Room::new();
    for inner in [room.path(""), room.path("nixmig"), room.path("nixmig/backups")] {
        let error = place(&room.path("nixmig/backups"), &[inner], "inside").unwrap_err();
        assert!(
            error.to_string().contains("has nixmig's own state in it"),
            "{error}"
        );
    }
    for declared in ["/", "relative", "/var/../etc"] {
        let placed = place(&room.path("nixmig/backups"), &[PathBuf::from(declared)], "bad");
        assert!(matches!(placed, Err(BackupError::Refused { .. })), "{placed:?}");
    }
}
