//! Tests of backup and restore on whatever file system the temporary directory is on. Those on others are in `tests/all/backup.rs`.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, XattrFlags};

use super::*;
use facts::{assert_same, facts};

#[path = "../../../../tests/common/facts.rs"]
mod facts;

/// A place with a state directory of nixmig and room for services'.
struct Room {
    directory: tempfile::TempDir,
}

impl Room {
    fn new() -> Self {
        // Beside the tests, wherever they are built: `/tmp` may be in memory.
        let tests = std::env::current_exe().unwrap();
        let directory = tempfile::tempdir_in(tests.parent().unwrap()).unwrap();
        fs::create_dir_all(directory.path().join("nixmig/backups")).unwrap();
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        fs::canonicalize(self.directory.path()).unwrap().join(name)
    }

    fn spot(&self, directories: &[PathBuf], name: &str) -> Spot {
        let spot = place(&self.path("nixmig/backups"), directories, name).unwrap();
        spot.make().unwrap();
        spot
    }
}

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    assert!(
        root || std::env::var_os("CI").is_none(),
        "with CI set no test is skipped for want of root"
    );
    if !root {
        println!("skipped in part: only root makes files of others and devices");
    }
    root
}

/// One of everything.
fn populate(at: &Path) {
    fs::create_dir_all(at.join("a/b/c")).unwrap();
    fs::create_dir(at.join("empty")).unwrap();
    fs::write(at.join("a/plain"), b"some data").unwrap();
    fs::write(at.join("a/nothing"), b"").unwrap();
    fs::write(at.join("a/b/large"), vec![7; 3 << 20]).unwrap();
    let sparse = fs::File::create(at.join("sparse")).unwrap();
    sparse.set_len(64 << 20).unwrap();
    rustix::io::pwrite(&sparse, b"in the middle", 20 << 20).unwrap();
    fs::hard_link(at.join("a/plain"), at.join("a/b/again")).unwrap();
    fs::hard_link(at.join("a/plain"), at.join("third")).unwrap();
    symlink("/etc/passwd", at.join("link")).unwrap();
    symlink("nowhere", at.join("a/dangling")).unwrap();
    for name in [&b"-rf"[..], b"new\nline", b"\xff\xfe", b" ", b"*", &[b'x'; 255]] {
        fs::write(at.join(std::ffi::OsStr::from_bytes(name)), name).unwrap();
    }
    fs::set_permissions(at.join("a/plain"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::set_permissions(at.join("a/b"), fs::Permissions::from_mode(0o3711)).unwrap();
    rustix::fs::mknodat(CWD, at.join("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    rustix::fs::mknodat(CWD, at.join("socket"), FileType::Socket, Mode::RWXU, 0).unwrap();
    for (name, key) in [("a/plain", "user.one"), ("empty", "user.two")] {
        rustix::fs::lsetxattr(at.join(name), key, b"v\0lue", XattrFlags::empty()).unwrap();
    }
    if is_root() {
        rustix::fs::mknodat(
            CWD,
            at.join("device"),
            FileType::CharacterDevice,
            Mode::RUSR,
            rustix::fs::makedev(1, 3),
        )
        .unwrap();
        std::os::unix::fs::chown(at.join("a/b/large"), Some(1234), Some(4321)).unwrap();
        std::os::unix::fs::lchown(at.join("link"), Some(99), Some(98)).unwrap();
        for name in ["link", "fifo", "a/b/large"] {
            rustix::fs::lsetxattr(at.join(name), "trusted.nixmig-test", b"x", XattrFlags::empty()).unwrap();
        }
        // Read and write for user 4711 besides: version 2, owner, that user, group, mask, others.
        let list = [
            &[2, 0, 0, 0][..],
            &[1, 0, 7, 0, 255, 255, 255, 255],
            &[2, 0, 6, 0, 0x67, 0x12, 0, 0],
            &[4, 0, 5, 0, 255, 255, 255, 255],
            &[16, 0, 7, 0, 255, 255, 255, 255],
            &[32, 0, 5, 0, 255, 255, 255, 255],
        ]
        .concat();
        for (name, key) in [("a/b/large", "access"), ("empty", "access"), ("empty", "default")] {
            let key = format!("system.posix_acl_{key}");
            rustix::fs::lsetxattr(at.join(name), key, &list, XattrFlags::empty()).unwrap();
        }
    }
}

/// What a script might do to it.
fn wreck(at: &Path) {
    fs::remove_dir_all(at.join("a")).unwrap();
    fs::write(at.join("new"), b"from the script").unwrap();
    fs::write(at.join("third"), b"changed").unwrap();
    fs::set_permissions(at, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn one_of_everything_comes_back() {
    let room = Room::new();
    let state = room.path("state");
    populate(&state);
    let before = facts(&state);
    let directories = [state.clone()];
    let spot = room.spot(&directories, "one");
    space(&spot, &directories, &Watch::quiet()).unwrap();
    let manifest = take(&spot, &directories, &Watch::quiet()).unwrap();
    assert_eq!(check(&spot).unwrap(), manifest);
    assert_eq!(manifest.files, before.len() as u64);
    assert_same(&before, &facts(&state));
    assert_same(&before, &facts(&spot.directory().join("0")));

    wreck(&state);
    for _ in 0..2 {
        restore(&spot, &Watch::quiet()).unwrap();
        assert_same(&before, &facts(&state));
        assert_eq!(check(&spot).unwrap(), manifest);
        assert_eq!(
            fs::read_dir(room.path("")).unwrap().count(),
            2,
            "nothing is left beside it"
        );
    }
    remove(&spot).unwrap();
    remove(&spot).unwrap();
    assert!(!spot.directory().exists());
    assert_same(&before, &facts(&state));
}

mod hostile;
mod random;

#[test]
fn nothing_is_restored_beneath_a_mount_that_is_missing() {
    let room = Room::new();
    let state = room.path("state");
    fs::create_dir(&state).unwrap();
    fs::write(state.join("file"), "before").unwrap();
    let spot = room.spot(std::slice::from_ref(&state), "b");
    take(&spot, std::slice::from_ref(&state), &Watch::quiet()).unwrap();
    fs::write(state.join("file"), "half done").unwrap();
    // It was taken when something was mounted right above.
    let manifest = spot.directory().join("manifest.json");
    let mut text: serde_json::Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    let now = text["directories"][0]["mount"].take();
    text["directories"][0]["mount"] = state.parent().unwrap().to_str().unwrap().into();
    fs::write(&manifest, text.to_string()).unwrap();
    let error = restore(&spot, &Watch::quiet()).unwrap_err();
    assert!(matches!(error, BackupError::Refused { .. }), "{error}");
    assert_eq!(fs::read(state.join("file")).unwrap(), b"half done");
    text["directories"][0]["mount"] = now;
    fs::write(&manifest, text.to_string()).unwrap();
    restore(&spot, &Watch::quiet()).unwrap();
    assert_eq!(fs::read(state.join("file")).unwrap(), b"before");
}
