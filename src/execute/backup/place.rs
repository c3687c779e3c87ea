//! Owns where a backup goes: on disk, on the state's own file system where it can be, in directories that are root's.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{self, Access, AtFlags, Mode, OFlags, Statx};
use rustix::io::Errno;

use super::attributes::{bare, times};
use super::error::BackupError;
use super::{OWN, Spot, at, chase, mounts, state};

/// Where backups are, below nixmig's own entry at the root of a mount.
const BACKUPS: &str = "backups";

/// Their users reach their backups through it, and read nothing.
pub(super) const REACHED: u32 = 0o711;

/// What statfs(2) says of file systems in memory.
const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58f6;

/// What it says of btrfs.
const BTRFS: u64 = 0x9123_683e;

/// Decides where a backup goes and makes the directories above it, not the backup's own.
pub(super) fn place(backups: &Path, directories: &[PathBuf], name: &str) -> Result<Spot, BackupError> {
    if name.is_empty() || name.len() > 128 || name.contains('/') || name.starts_with('.') {
        return Err(BackupError::refused(name, "is no name for a backup"));
    }
    let near = own_path(backups)?;
    let states = state::look(directories)?;
    let home = chase::follow(backups)?.path;
    if let Some(outer) = states.iter().find(|state| home.starts_with(&state.found.path)) {
        return Err(BackupError::refused(
            &outer.found.path,
            "has nixmig's own state in it",
        ));
    }
    let there = states
        .iter()
        .find_map(|state| Some((state.directory.as_ref()?, &state.found.path)));
    let at_home = backups.join(name);
    let Some((state, path)) = there else {
        on_disk(&near, backups)?;
        return Ok(Spot::at(at_home));
    };
    if same_file_system(state, &near) && on_disk(&near, backups).is_ok() {
        return Ok(Spot::at(at_home));
    }
    // Whatever is in the way there, the state directory's own file system is only better, not needed.
    let seen = at::look(state).map_err(BackupError::io("look at", path))?;
    if let Some(directory) = beside(path, &seen)? {
        return Ok(Spot::at(directory.join(name)));
    }
    on_disk(&near, backups)?;
    Ok(Spot::at(at_home))
}

/// A directory of nixmig's own on the mount of a state directory, where it can be made.
fn beside(path: &Path, seen: &Statx) -> Result<Option<PathBuf>, BackupError> {
    let mounts = mounts::all()?;
    let Some(mount) = mounts.iter().find(|mount| mount.id == seen.stx_mnt_id) else {
        return Ok(None);
    };
    if !mount.is_state() {
        return Ok(None);
    }
    let own = mount.at.join(OWN);
    if path == mount.at {
        return Ok(own_path(&own).is_ok().then_some(own));
    }
    // Who may write there could put another directory in its place.
    let is_safe = |seen: &Statx| at::is_own(seen) && seen.stx_mode & 0o022 == 0;
    let usable = match mount.at == Path::new("/") {
        true => true,
        false => chase::follow(&mount.at)?
            .seen
            .is_some_and(|seen| is_safe(&seen) && seen.stx_mnt_id == mount.id),
    };
    let directory = own.join(BACKUPS);
    let made = usable && own_path(&own).and_then(|_| own_path(&directory)).is_ok();
    Ok(made.then_some(directory))
}

/// Makes a directory of nixmig's own, or finds it there.
pub(super) fn own_path(path: &Path) -> Result<OwnedFd, BackupError> {
    let found = chase::follow_to_name(path)?;
    let parent = found.parent.ok_or(Errno::NOENT);
    let parent = parent.map_err(BackupError::io("make", path))?;
    let directory = own_directory(&parent, &found.name, path, REACHED)?;
    fs::accessat(&directory, c".", Access::WRITE_OK, AtFlags::empty())
        .map_err(BackupError::io("write to", path))?;
    Ok(directory)
}

/// Makes a directory that is nixmig's own in another, or finds it there; durable.
pub(super) fn own_directory(
    parent: impl AsFd,
    name: &CStr,
    path: &Path,
    permissions: u32,
) -> Result<OwnedFd, BackupError> {
    let make = || fs::mkdirat(&parent, name, Mode::RWXU);
    let made = match name.to_bytes() == OWN.as_bytes() {
        true => keeping_times(&parent, make),
        false => make(),
    };
    match made {
        Ok(()) => {
            let made = at::open_directory(&parent, name).and_then(|made| {
                bare(&made, Mode::from_raw_mode(permissions))?;
                at::flush(&made)?;
                at::flush(at::open_directory(&parent, c".")?)?;
                Ok(made)
            });
            made.map_err(BackupError::io("make", path))
        }
        Err(Errno::EXIST) => {
            let opened = at::open_directory(&parent, name).map_err(BackupError::io("open", path))?;
            let seen = at::look(&opened).map_err(BackupError::io("look at", path))?;
            match at::is_own(&seen) && seen.stx_mode & 0o022 == 0 {
                true => Ok(opened),
                false => Err(BackupError::refused(
                    path,
                    "is there, and others than root may write to it",
                )),
            }
        }
        Err(error) => Err(BackupError::io("make", path)(error)),
    }
}

/// Changes a directory that may be a state directory, and has its times stay as they were.
fn keeping_times<T>(directory: impl AsFd, change: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    let before = at::look(&directory)?;
    let changed = change()?;
    fs::utimensat(directory, c".", &times(&before), AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(changed)
}

/// Fails where nothing would outlive a reboot.
fn on_disk(directory: impl AsFd, path: &Path) -> Result<(), BackupError> {
    let kind = file_system(directory).map_err(BackupError::io("look at", path))?;
    match kind {
        TMPFS | RAMFS => Err(BackupError::refused(
            path,
            "is in memory: a backup must outlive a reboot",
        )),
        _ => Ok(()),
    }
}

/// Whether a directory is the root of a subvolume of btrfs.
pub(super) fn is_subvolume(directory: impl AsFd, seen: &Statx) -> Result<bool, Errno> {
    // Every subvolume's root has this number, and nothing else there has.
    const ROOT: u64 = 256;
    Ok(seen.stx_ino == ROOT && file_system(directory)? == BTRFS)
}

fn file_system(directory: impl AsFd) -> Result<u64, Errno> {
    let magic = fs::fstatfs(directory)?.f_type;
    // It is of another width elsewhere; the numbers have 32 bits.
    #[allow(
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        clippy::unnecessary_cast
    )]
    Ok(u64::from(magic as u32))
}

/// Whether two directories are on one file system. The subvolumes of one have different numbers, and share data all the same.
pub(super) fn same_file_system(one: impl AsFd, other: impl AsFd) -> bool {
    let device = |file: &dyn Fn() -> Result<Statx, Errno>| file().map(|seen| at::identity(&seen).device);
    let (first, second) = (device(&|| at::look(&one)), device(&|| at::look(&other)));
    match (first, second) {
        (Ok(first), Ok(second)) if first == second => true,
        _ => shares_data(one, other),
    }
}

/// Whether files in two directories can share data, which only trying tells. It leaves nothing behind.
pub(super) fn shares_data(one: impl AsFd, other: impl AsFd) -> bool {
    let file = |directory| {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        fs::openat(directory, c".", flags, Mode::RUSR | Mode::WUSR)
    };
    let shared = file(one.as_fd()).and_then(|from| {
        let to = file(other.as_fd())?;
        rustix::io::pwrite(&from, &[1; 4096], 0)?;
        fs::ioctl_ficlone(to, from)
    });
    shared.is_ok()
}

/// Removes nixmig's own directories above a backup where they are empty.
pub(super) fn leave(spot: &Path) -> Result<(), BackupError> {
    let mut above = spot.parent();
    // Never `backups` of the state directory, which is not below one of that name.
    while let Some(directory) = above.filter(|path| path.components().any(|name| name.as_os_str() == OWN)) {
        let found = chase::follow_to_name(directory)?;
        let removed = found.parent.ok_or(Errno::NOENT);
        let removed = removed.and_then(|parent| {
            keeping_times(&parent, || fs::unlinkat(&parent, &found.name, AtFlags::REMOVEDIR))
        });
        match removed {
            Err(Errno::NOTEMPTY | Errno::EXIST) => return Ok(()),
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(BackupError::io("remove", directory)(error)),
        }
        above = directory.parent();
    }
    Ok(())
}
