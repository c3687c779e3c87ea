//! File systems of their own for tests, each in an image behind a loop device: ext4, XFS and btrfs, mounted where only the test
//! sees them, and what is left of one when the power goes.
//!
//! Owns images, their mounts and the mount namespace; knows nothing of what is on them.

#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests use a part each, and a test without its file system can only stop, aloud"
)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Large enough for all three: XFS wants 300 MiB. The image is sparse.
pub(crate) const SIZE: u64 = 512 << 20;

/// Says that a test is in its own mount namespace already.
pub(crate) const APART: &str = "NIXMIG_TEST_APART";

/// A kind of file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fs {
    /// Which cannot share data between files.
    Ext4,
    /// Which can.
    Xfs,
    /// Which can, and has subvolumes.
    Btrfs,
}

impl Fs {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Ext4, Self::Xfs, Self::Btrfs];

    /// What makes one.
    fn mkfs(self) -> &'static [&'static str] {
        match self {
            Self::Ext4 => &["mkfs.ext4", "-q", "-F"],
            Self::Xfs => &["mkfs.xfs", "-q", "-f"],
            Self::Btrfs => &["mkfs.btrfs", "-q", "-f"],
        }
    }
}

/// Runs a test in a mount namespace of its own, which takes every mount with it when the test ends, however it ends.
///
/// `test` is the full name of the test that calls this, as libtest prints it. Without root, loop devices or the programs that
/// make file systems it says so and does nothing; with `CI` set it fails then, so that nothing is skipped there unseen.
///
/// # Panics
///
/// When the test fails.
pub(crate) fn apart(test: &str, body: impl FnOnce()) {
    if std::env::var_os(APART).is_some() {
        body();
        return;
    }
    if let Some(missing) = missing() {
        assert!(
            std::env::var_os("CI").is_none(),
            "{missing}, and with CI set no test is skipped"
        );
        println!("skipped: {missing}");
        return;
    }
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env(APART, "1")
        .status()
        .unwrap();
    assert!(
        status.success(),
        "{test}, in a mount namespace of its own: {status}"
    );
}

/// Why no image can be mounted here.
pub(crate) fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root mounts images".to_owned());
    }
    if !Path::new("/dev/loop-control").exists() {
        return Some("there are no loop devices".to_owned());
    }
    let programs = [
        "unshare",
        "mount",
        "umount",
        "mkfs.ext4",
        "mkfs.xfs",
        "mkfs.btrfs",
        "btrfs",
        "strace",
    ];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        |program: &str| std::env::split_paths(&path).any(|directory| directory.join(program).is_file());
    let missing = programs.into_iter().find(|program| !found(program))?;
    Some(format!("{missing} is not in PATH"))
}

/// Where images are kept: in memory where there is room for what tests write, since each flush goes to the disk below else.
fn below() -> &'static str {
    const MEMORY: &str = "/dev/shm";
    let free = rustix::fs::statvfs(MEMORY).map_or(0, |stat| stat.f_bavail * stat.f_frsize);
    match free > 4 << 30 {
        true => MEMORY,
        false => env!("CARGO_TARGET_TMPDIR"),
    }
}

/// A file system that is mounted until it goes out of scope.
#[derive(Debug)]
pub(crate) struct Image {
    fs: Fs,
    directory: tempfile::TempDir,
    file: PathBuf,
    copies: u32,
}

impl Image {
    /// Makes one and mounts it.
    ///
    /// # Panics
    ///
    /// Outside of [`apart`], and where that cannot be done.
    pub(crate) fn make(fs: Fs, size: u64) -> Self {
        assert!(
            std::env::var_os(APART).is_some(),
            "images are mounted in `apart` alone"
        );
        let below = below();
        let directory = tempfile::Builder::new()
            .prefix("image-")
            .tempdir_in(below)
            .unwrap();
        let file = directory.path().join("0.img");
        File::create_new(&file).unwrap().set_len(size).unwrap();
        let mkfs = fs.mkfs();
        run(Command::new(mkfs[0]).args(&mkfs[1..]).arg(&file));
        fs::create_dir(directory.path().join("mounted")).unwrap();
        let image = Self {
            fs,
            directory,
            file,
            copies: 0,
        };
        image.mount();
        image
    }

    /// Where it is mounted: always the same place.
    pub(crate) fn path(&self) -> PathBuf {
        fs::canonicalize(self.directory.path()).unwrap().join("mounted")
    }

    /// Its kind.
    pub(crate) fn fs(&self) -> Fs {
        self.fs
    }

    /// Copies the image as it is at this moment, which is what the disk would have if the power went now: what was written and
    /// not flushed is not in it. [`Image::after_power_loss`] mounts it.
    pub(crate) fn copy_image(&mut self) -> PathBuf {
        self.copies += 1;
        let copy = self.directory.path().join(format!("{}.img", self.copies));
        run(Command::new("cp")
            .args(["--sparse=always", "--"])
            .args([&self.file, &copy]));
        copy
    }

    /// Takes the mounted file system away and mounts a copy in its place, as after the power came back. Whoever has files
    /// open on it must have ended.
    pub(crate) fn after_power_loss(&mut self, copy: PathBuf) {
        self.unmount();
        fs::remove_file(&self.file).unwrap();
        self.file = copy;
        self.mount();
    }

    /// Takes the mounted file system away and mounts a copy of a copy in its place, so that this can be done again.
    pub(crate) fn insert(&mut self, copy: &Path) {
        self.copies += 1;
        let again = self.directory.path().join(format!("{}.img", self.copies));
        run(Command::new("cp")
            .args(["--sparse=always", "--"])
            .arg(copy)
            .arg(&again));
        self.after_power_loss(again);
    }

    /// Unmounts it and mounts it again.
    pub(crate) fn remount(&self) {
        self.unmount();
        self.mount();
    }

    /// Takes the mount away.
    ///
    /// # Panics
    ///
    /// Where somebody has files open on it, and goes on to.
    pub(crate) fn unmount(&self) {
        let unmount = || Command::new("umount").arg(self.path()).output().unwrap();
        // Who was killed may still be on the way out.
        for _ in 0..40 {
            if unmount().status.success() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        run(Command::new("umount").arg(self.path()));
    }

    /// Mounts what [`Image::unmount`] unmounted.
    pub(crate) fn mount(&self) {
        run(Command::new("mount")
            .args(["-o", "loop", "--"])
            .arg(&self.file)
            .arg(self.path()));
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // Also what a test mounted in it, and what is open still; the namespace ends with the test in any case.
        let _ = Command::new("umount")
            .args(["--recursive", "--lazy", "--quiet", "--"])
            .arg(self.path())
            .status();
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("what `missing` looked for is there");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
