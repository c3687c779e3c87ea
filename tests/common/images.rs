//! File systems of every kind that matters, each in a file: made, mounted, copied as a power loss would leave it.
//!
//! Owns the mounts of a test: they are made in a mount namespace of its own, so that nothing stays mounted however the
//! test ends. Knows nothing of what is on them.

#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests use a part each, and a test without its disks can only stop, aloud"
)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Set in a test that runs in a mount namespace of its own.
const INSIDE: &str = "NIXMIG_TEST_MOUNTS";

/// A kind of file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Has no reflinks.
    Ext4,
    /// Has reflinks.
    Xfs,
    /// Has reflinks, subvolumes and snapshots.
    Btrfs,
}

impl Kind {
    /// Its name, as mount(8) knows it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
        }
    }

    /// The smallest size that its tools make without a word, in MiB.
    pub(crate) fn smallest(self) -> u64 {
        match self {
            Self::Ext4 => 48,
            Self::Xfs => 300,
            Self::Btrfs => 128,
        }
    }

    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Ext4 => &["-q", "-F"],
            Self::Xfs => &["-q", "-f", "-m", "reflink=1"],
            Self::Btrfs => &["-q", "-f"],
        }
    }
}

/// Whether the body of a test is to run here: in a mount namespace of its own, as root. Elsewhere this runs the test of
/// that name there, and says how it went; or says aloud why it cannot.
///
/// # Panics
///
/// Where the test failed there, and with `CI` set also where it cannot run.
pub(crate) fn inside(test: &str, kinds: &[Kind]) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let mkfs = kinds.iter().map(|kind| format!("mkfs.{}", kind.name()));
    let mut lacks: Vec<_> = mkfs
        .chain(["unshare".to_owned(), "mount".to_owned()])
        .filter(|tool| !is_in_path(tool))
        .collect();
    if !rustix::process::geteuid().is_root() {
        lacks.push("to be root".to_owned());
    }
    if !Path::new("/dev/loop-control").exists() {
        lacks.push("loop devices".to_owned());
    }
    if !lacks.is_empty() {
        let lacks = lacks.join(", ");
        let ci = std::env::var_os("CI").is_some();
        assert!(!ci, "{test} needs {lacks}, and with CI set no test is skipped");
        println!("skipped: {test} needs {lacks}");
        return false;
    }
    let exe = std::env::current_exe().expect("a test knows its own binary");
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--"])
        .arg(exe)
        .args(["--exact", test, "--nocapture", "--include-ignored"])
        .env(INSIDE, "1")
        .status()
        .expect("unshare is there");
    assert!(
        status.success(),
        "{test} failed in its mount namespace: see above"
    );
    false
}

fn is_in_path(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|directory| directory.join(tool).is_file())
}

/// A file with a file system in it.
#[derive(Debug)]
pub(crate) struct Image {
    /// Its kind.
    pub(crate) kind: Kind,
    /// The file.
    pub(crate) file: PathBuf,
}

impl Image {
    /// Makes one of at least so many MiB; it takes only what is written to it.
    pub(crate) fn make(kind: Kind, file: &Path, mib: u64) -> Self {
        let image = std::fs::File::create(file).expect("an image can be made");
        image
            .set_len(mib.max(kind.smallest()) << 20)
            .expect("an image can be as large");
        run(Command::new(format!("mkfs.{}", kind.name()))
            .args(kind.options())
            .arg(file));
        Self {
            kind,
            file: file.to_owned(),
        }
    }

    /// Copies the file as it is: what has not been flushed to it is not in the copy.
    pub(crate) fn copy(&self, to: &Path) -> Self {
        run(Command::new("cp")
            .args(["--sparse=always", "--reflink=auto", "--"])
            .arg(&self.file)
            .arg(to));
        Self {
            kind: self.kind,
            file: to.to_owned(),
        }
    }

    /// Mounts it.
    pub(crate) fn mount(&self, at: &Path) -> Mount {
        std::fs::create_dir_all(at).expect("a place to mount at can be made");
        // A copy of an XFS image has the identity of the original, which may still be mounted.
        let options = match self.kind {
            Kind::Xfs => "loop,nouuid",
            Kind::Ext4 | Kind::Btrfs => "loop",
        };
        run(Command::new("mount")
            .args(["-t", self.kind.name(), "-o", options])
            .arg(&self.file)
            .arg(at));
        Mount { at: at.to_owned() }
    }
}

/// A mounted image; unmounted when it is dropped.
#[derive(Debug)]
pub(crate) struct Mount {
    /// Where.
    pub(crate) at: PathBuf,
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Somebody may still be on the way out of it. What stays busy goes with the namespace.
        for _ in 0..40 {
            let umount = Command::new("umount")
                .arg(&self.at)
                .stderr(Stdio::null())
                .status();
            if umount.is_ok_and(|status| status.success()) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        println!("{} stays busy", self.at.display());
        let _ = Command::new("umount")
            .args([OsStr::new("-l"), self.at.as_os_str()])
            .status();
    }
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
