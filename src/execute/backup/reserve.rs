//! Owns the room that a restore will need: it is kept from the moment of the backup on, so that a script that fills the disk
//! cannot take it.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{self, AtFlags, FallocateFlags, Mode, OFlags};
use rustix::io::Errno;

use super::at;
use super::error::BackupError;

/// Its name, in the backup.
const RESERVE: &CStr = c"reserve";

/// Keeps that many bytes. A file system that cannot keep any has none kept.
pub(super) fn keep(spot: &OwnedFd, path: &Path, bytes: u64) -> Result<(), BackupError> {
    if bytes == 0 {
        return Ok(());
    }
    let failed = || BackupError::io("write", path.join("reserve"));
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = fs::openat(spot, RESERVE, flags, Mode::RUSR | Mode::WUSR).map_err(failed())?;
    match fs::fallocate(&file, FallocateFlags::KEEP_SIZE, 0, bytes) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => drop_it(spot).map_err(failed()),
        Err(error) => Err(failed()(error)),
    }
}

/// Lets the room go, and has that on disk: it is free only then.
pub(super) fn release(spot: &OwnedFd, path: &Path) -> Result<(), BackupError> {
    let released = match drop_it(spot) {
        Err(Errno::NOENT) => return Ok(()),
        released => released.and_then(|()| at::flush(spot)),
    };
    released.map_err(BackupError::io("remove", path.join("reserve")))
}

fn drop_it(spot: &OwnedFd) -> Result<(), Errno> {
    fs::unlinkat(spot, RESERVE, AtFlags::empty())
}
