//! Backup and restore on real file systems, in every place that a state directory can have, and killed at every step.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use nixmig::execute::backup::{BackupError, Method, Spot, Watch, check, place, remove, restore, space, take};

use crate::facts::{Fact, assert_same, facts};
use crate::images::{Fs, Image, SIZE, apart};

#[cfg(feature = "faults")]
mod power;

/// What the other process of a test does, one a line: `take`, `restore` or `remove`, the spot, the state directories.
const TASK: &str = "NIXMIG_TEST_BACKUP";

/// Where nixmig's own state is: never on the file system of the services' state.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::create_dir(home.path().join("backups")).unwrap();
        Self(home)
    }

    fn spot(&self, directories: &[PathBuf], name: &str) -> Spot {
        let backups = fs::canonicalize(self.0.path()).unwrap().join("backups");
        let spot = place(&backups, directories, name).unwrap();
        spot.make().unwrap();
        spot
    }
}

/// A small database of several kinds of files.
fn populate(at: &Path) {
    fs::create_dir_all(at.join("base/1")).unwrap();
    fs::create_dir_all(at.join("deep/er")).unwrap();
    fs::write(at.join("PG_VERSION"), "15\n").unwrap();
    fs::write(at.join("base/1/table"), vec![1; 300_000]).unwrap();
    fs::write(at.join("base/1/index"), vec![2; 5000]).unwrap();
    fs::hard_link(at.join("base/1/index"), at.join("base/again")).unwrap();
    symlink("base/1", at.join("current")).unwrap();
    std::os::unix::fs::chown(at.join("base/1/table"), Some(71), Some(72)).unwrap();
    fs::create_dir_all(at.join("empty")).unwrap();
}

/// What a script does that fails.
fn wreck(at: &Path) {
    fs::remove_dir_all(at.join("base")).unwrap();
    fs::write(at.join("PG_VERSION"), "17\n").unwrap();
    fs::create_dir_all(at.join("new/one")).unwrap();
    fs::write(at.join("new/one/table"), "new").unwrap();
    std::os::unix::fs::chown(at, Some(5), Some(5)).unwrap();
}

type Facts = std::collections::BTreeMap<PathBuf, Fact>;

fn all(directories: &[PathBuf]) -> Vec<Facts> {
    let facts = |directory: &PathBuf| match directory.exists() {
        true => facts(directory),
        false => Facts::new(),
    };
    directories.iter().map(facts).collect()
}

fn same(before: &[Facts], directories: &[PathBuf]) {
    for (before, after) in before.iter().zip(all(directories)) {
        assert_same(before, &after);
    }
}

/// Backs up, wrecks, restores, compares.
fn there_and_back(home: &Home, directories: &[PathBuf], wreck: impl Fn()) -> (Spot, Method) {
    let before = all(directories);
    let spot = home.spot(directories, "there-and-back");
    space(&spot, directories, &Watch::quiet()).unwrap();
    let manifest = take(&spot, directories, &Watch::quiet()).unwrap();
    same(&before, directories);
    wreck();
    restore(&spot, &Watch::quiet()).unwrap();
    same(&before, directories);
    assert_eq!(check(&spot).unwrap(), manifest);
    (spot, manifest.method)
}

#[test]
fn a_directory_of_a_mount() {
    apart("backup::a_directory_of_a_mount", || {
        for fs in Fs::ALL {
            let (image, home) = (Image::make(fs, SIZE), Home::new());
            let state = image.path().join("state");
            populate(&state);
            let (spot, method) = there_and_back(&home, std::slice::from_ref(&state), || wreck(&state));
            assert!(
                spot.directory().starts_with(image.path().join(".nixmig/backups")),
                "{spot:?}"
            );
            assert_eq!(
                method,
                if fs == Fs::Ext4 {
                    Method::Copy
                } else {
                    Method::Reflink
                }
            );
            remove(&spot).unwrap();
            assert!(!image.path().join(".nixmig").exists());
        }
    });
}

#[test]
fn the_root_of_a_mount() {
    apart("backup::the_root_of_a_mount", || {
        for fs in Fs::ALL {
            let (image, home) = (Image::make(fs, SIZE), Home::new());
            let state = image.path();
            populate(&state);
            let (spot, method) = there_and_back(&home, std::slice::from_ref(&state), || wreck(&state));
            let expected = [Method::Copy, Method::Reflink, Method::Snapshot];
            assert_eq!(
                method,
                expected[Fs::ALL.iter().position(|&one| one == fs).unwrap()]
            );
            assert!(spot.directory().starts_with(state.join(".nixmig")), "{spot:?}");
            remove(&spot).unwrap();
            assert!(!state.join(".nixmig").exists());
        }
    });
}

#[test]
fn a_mount_in_a_state_directory() {
    apart("backup::a_mount_in_a_state_directory", || {
        let (image, home) = (Image::make(Fs::Xfs, SIZE), Home::new());
        let (inner, memory) = (image.path().join("state/deep/er"), image.path().join("state/run"));
        let state = image.path().join("state");
        populate(&state);
        fs::create_dir(&memory).unwrap();
        let other = Image::make(Fs::Ext4, SIZE);
        mount(&["--bind"], &other.path(), &inner);
        mount(&["-t", "tmpfs"], Path::new("none"), &memory);
        populate(&inner);
        let before = facts(&memory);
        let wreck_all = || {
            wreck(&state);
            wreck(&inner);
            fs::write(memory.join("volatile"), "stays").unwrap();
        };
        // What is in memory is no state: it is neither restored nor touched.
        let directories = [inner.clone(), state.clone()];
        let states = all(&[inner.clone(), state.join("base")]);
        let spot = home.spot(&directories, "mounted");
        take(&spot, &directories, &Watch::quiet()).unwrap();
        wreck_all();
        restore(&spot, &Watch::quiet()).unwrap();
        same(&states, &[inner.clone(), state.join("base")]);
        assert!(memory.join("volatile").exists());
        assert_eq!(before.len() + 1, facts(&memory).len());
        assert!(!state.join("new").exists());
        assert_eq!(
            fs::read_dir(image.path()).unwrap().count(),
            2,
            "state and .nixmig"
        );

        // Without the mount, nothing is put where it was.
        run(Command::new("umount").arg(&inner));
        let error = restore(&spot, &Watch::quiet()).unwrap_err();
        assert!(error.to_string().contains("is not mounted"), "{error}");
        assert_eq!(fs::read_dir(&inner).unwrap().count(), 0);
    });
}

#[test]
fn a_subvolume_stays_one() {
    apart("backup::a_subvolume_stays_one", || {
        let (image, home) = (Image::make(Fs::Btrfs, SIZE), Home::new());
        let state = image.path().join("state");
        let inner = state.join("inner");
        for subvolume in [&state, &inner] {
            run(Command::new("btrfs")
                .args(["-q", "subvolume", "create"])
                .arg(subvolume));
            populate(subvolume);
        }
        let inodes =
            || [&state, &inner].map(|path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap()));
        assert_eq!(inodes(), [256, 256]);
        let wreck_one = wreck;
        let wreck = || {
            wreck(&state);
            wreck(&inner);
        };
        let (spot, method) = there_and_back(&home, std::slice::from_ref(&state), wreck);
        assert_eq!(
            method,
            Method::Reflink,
            "a snapshot would not have what is in `inner`"
        );
        assert_eq!(inodes(), [256, 256]);
        remove(&spot).unwrap();

        let (spot, method) = there_and_back(&home, std::slice::from_ref(&inner), || wreck_one(&inner));
        assert_eq!(method, Method::Snapshot);
        assert_eq!(inodes(), [256, 256]);
        remove(&spot).unwrap();
        assert!(!image.path().join(".nixmig").exists());
    });
}

#[test]
fn several_directories_links_and_none() {
    apart("backup::several_directories_links_and_none", || {
        let (image, home) = (Image::make(Fs::Ext4, SIZE), Home::new());
        let at = |name: &str| image.path().join(name);
        populate(&at("one"));
        populate(&at("private/two"));
        fs::hard_link(at("one/PG_VERSION"), at("private/two/same")).unwrap();
        symlink("private/two", at("two")).unwrap();
        symlink("private/none", at("dangling")).unwrap();
        let directories = ["one", "two", "absent", "dangling"].map(at);
        let there = ["one", "two/.", "private/two"].map(at);
        let before = all(&there);
        let spot = home.spot(&directories, "several");
        take(&spot, &directories, &Watch::quiet()).unwrap();
        for _ in 0..2 {
            wreck(&at("one"));
            fs::remove_file(at("two")).unwrap();
            populate(&at("two"));
            wreck(&at("private/two"));
            populate(&at("absent"));
            populate(&at("private/none"));
            restore(&spot, &Watch::quiet()).unwrap();
            same(&before, &there);
            assert_eq!(fs::read_link(at("two")).unwrap(), Path::new("private/two"));
            assert!(!at("absent").exists() && !at("private/none").exists());
            assert_eq!(fs::read_link(at("dangling")).unwrap(), Path::new("private/none"));
            let inode = |name| std::os::unix::fs::MetadataExt::ino(&fs::metadata(at(name)).unwrap());
            assert_eq!(
                inode("one/PG_VERSION"),
                inode("private/two/same"),
                "one file with names in two directories"
            );
        }
    });
}

#[test]
fn holes_of_eight_gigabytes() {
    apart("backup::holes_of_eight_gigabytes", || {
        for fs in [Fs::Ext4, Fs::Xfs] {
            let (image, home) = (Image::make(fs, SIZE), Home::new());
            let state = image.path().join("state");
            std::fs::create_dir(&state).unwrap();
            let file = fs::File::create(state.join("sparse")).unwrap();
            let written = [0, 1 << 30, (8 << 30) - 5];
            file.set_len(8 << 30).unwrap();
            for at in written {
                std::os::unix::fs::FileExt::write_all_at(&file, b"there", at).unwrap();
            }
            let directories = [state.clone()];
            let spot = home.spot(&directories, "sparse");
            space(&spot, &directories, &Watch::quiet()).unwrap();
            let manifest = take(&spot, &directories, &Watch::quiet()).unwrap();
            assert!(fs != Fs::Ext4 || manifest.bytes < 1 << 20, "{manifest:?}");
            fs::write(state.join("sparse"), "gone").unwrap();
            restore(&spot, &Watch::quiet()).unwrap();
            let file = fs::File::open(state.join("sparse")).unwrap();
            let seen = file.metadata().unwrap();
            assert_eq!(seen.len(), 8 << 30);
            assert!(std::os::unix::fs::MetadataExt::blocks(&seen) * 512 < 1 << 20);
            for at in written {
                let mut text = [0; 5];
                std::os::unix::fs::FileExt::read_exact_at(&file, &mut text, at).unwrap();
                assert_eq!(&text, b"there");
            }
        }
    });
}

#[test]
fn a_full_disk() {
    apart("backup::a_full_disk", || {
        let (image, home) = (Image::make(Fs::Ext4, 64 << 20), Home::new());
        let state = image.path().join("state");
        populate(&state);
        fs::write(state.join("large"), vec![3; 20 << 20]).unwrap();
        let directories = [state.clone()];
        let before = all(&directories);
        let spot = home.spot(&directories, "full");
        // It would do for the backup, and not for the way back.
        let error = space(&spot, &directories, &Watch::quiet()).unwrap_err();
        assert!(matches!(error, BackupError::Space { .. }), "{error}");
        let error = take(&spot, &directories, &Watch::quiet()).unwrap_err();
        assert!(matches!(error, BackupError::Full { .. }), "{error}");
        remove(&spot).unwrap();
        same(&before, &directories);

        fs::write(state.join("large"), vec![3; 10 << 20]).unwrap();
        let before = all(&directories);
        let spot = home.spot(&directories, "full");
        take(&spot, &directories, &Watch::quiet()).unwrap();
        // The room for the way back is kept, once.
        let [filler, another] = ["filler", "another"].map(|name| image.path().join(name));
        fs::write(&filler, vec![4; 20 << 20]).unwrap();
        restore(&spot, &Watch::quiet()).unwrap();
        same(&before, &directories);
        fs::write(&another, vec![4; 12 << 20]).unwrap();
        let error = restore(&spot, &Watch::quiet()).unwrap_err();
        assert!(matches!(error, BackupError::Full { .. }), "{error}");
        same(&before, &directories);
        fs::remove_file(&another).unwrap();
        fs::remove_file(&filler).unwrap();
        wreck(&state);
        fs::remove_file(state.join("large")).unwrap();
        restore(&spot, &Watch::quiet()).unwrap();
        same(&before, &directories);
        remove(&spot).unwrap();

        fs::write(&filler, vec![4; 36 << 20]).unwrap();
        let spot = home.spot(&directories, "full");
        let error = take(&spot, &directories, &Watch::quiet()).unwrap_err();
        assert!(matches!(error, BackupError::Full { .. }), "{error}");
        remove(&spot).unwrap();
        same(&before, &directories);
        assert!(!image.path().join(".nixmig").exists());
    });
}

/// Not a test by itself: what the others run to kill it.
#[test]
fn task() {
    let Some(task) = std::env::var_os(TASK) else {
        return;
    };
    let mut words = task
        .as_bytes()
        .split(|&byte| byte == b'\n')
        .map(std::ffi::OsStr::from_bytes);
    let what = words.next().unwrap();
    let spot = Spot::at(words.next().unwrap());
    let directories: Vec<PathBuf> = words.map(PathBuf::from).collect();
    match what.to_str() {
        Some("take") => take(&spot, &directories, &Watch::quiet()).map(drop).unwrap(),
        Some("restore") => restore(&spot, &Watch::quiet()).unwrap(),
        _ => remove(&spot).unwrap(),
    }
}

/// Runs that in another process, which is killed on entering the nth of the calls that change something. Says whether it
/// came to its end.
fn killed(what: &str, spot: &Spot, directories: &[PathBuf], nth: u32) -> bool {
    const CALLS: &str =
        "renameat,renameat2,unlinkat,mkdirat,linkat,symlinkat,mknodat,fsync,syncfs,fchown,fchmod,utimensat";
    let status = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e"])
        .arg(format!("trace={CALLS}"))
        .args(["-e", &format!("inject={CALLS}:signal=KILL:when={nth}")])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "backup::task", "--test-threads", "1"])
        .env(TASK, task_of(what, spot, directories))
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    let is_killed = std::os::unix::process::ExitStatusExt::signal(&status) == Some(9);
    assert!(is_killed || status.success(), "{status}");
    !is_killed
}

/// Kills a backup and a restore at every call that changes something: the state is the one or, after another try, the other.
fn survive(home: &Home, directories: &[PathBuf], wreck: impl Fn()) {
    let before = all(directories);
    let mut nth = 1;
    let spot = loop {
        let spot = home.spot(directories, "survives");
        if killed("take", &spot, directories, nth) {
            break spot;
        }
        same(&before, directories);
        remove(&spot).unwrap();
        nth += 1;
    };
    assert!(nth > 10, "{nth} calls");
    let mut nth = 1;
    loop {
        wreck();
        if killed("restore", &spot, directories, nth) {
            break;
        }
        // Once more it is killed, in what comes after.
        killed("restore", &spot, directories, nth);
        restore(&spot, &Watch::quiet()).unwrap();
        same(&before, directories);
        nth += 1;
    }
    assert!(nth > 10, "{nth} calls");
    same(&before, directories);
    // A backup of which anything was removed is none any more.
    let whole = all(&[spot.directory().to_owned()]);
    let mut nth = 1;
    while !killed("remove", &spot, directories, nth) {
        assert!(check(&spot).is_err() || all(&[spot.directory().to_owned()]) == whole);
        nth += 1;
    }
    assert!(!spot.directory().exists());
}

#[test]
fn killed_anywhere_in_a_directory() {
    apart("backup::killed_anywhere_in_a_directory", || {
        let home = Home::new();
        let at = |name: &str| home.0.path().join(name);
        populate(&at("state"));
        survive(&home, &[at("state"), at("absent")], || {
            wreck(&at("state"));
            fs::create_dir_all(at("absent/new")).unwrap();
            fs::write(at("absent/new/file"), "new").unwrap();
        });
    });
}

#[test]
fn killed_anywhere_in_mounts() {
    apart("backup::killed_anywhere_in_mounts", || {
        let (image, other, home) = (
            Image::make(Fs::Xfs, SIZE),
            Image::make(Fs::Ext4, SIZE),
            Home::new(),
        );
        let (state, inner) = (image.path(), image.path().join("deep/er"));
        populate(&state);
        mount(&["--bind"], &other.path(), &inner);
        fs::write(inner.join("file"), "old").unwrap();
        survive(&home, std::slice::from_ref(&state), || {
            wreck(&state);
            fs::write(inner.join("file"), "new").unwrap();
            fs::write(inner.join("other"), "new").unwrap();
        });
    });
}

fn mount(options: &[&str], what: &Path, at: &Path) {
    run(Command::new("mount").args(options).arg(what).arg(at));
}

fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

fn task_of(what: &str, spot: &Spot, directories: &[PathBuf]) -> String {
    let directories = directories
        .iter()
        .map(|directory| format!("\n{}", directory.display()));
    format!(
        "{what}\n{}{}",
        spot.directory().display(),
        directories.collect::<String>()
    )
}
