//! Owns the removal of directories with all that is in them: it follows nothing and leaves nothing that is mounted.

use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{self, AtFlags, FileType, StatxAttributes};
use rustix::io::Errno;

use super::at;
use super::attributes::{unseal, unsealing};
use super::data::Fault;
use super::error::BackupError;
use super::walk::{Step, Walk};

/// Removes an entry of a directory, whatever it is; one that is not there is fine. `path` is its name for messages.
pub(super) fn remove(directory: impl AsFd, name: &CStr, path: &Path) -> Result<(), BackupError> {
    let opened = match at::open_directory(&directory, name) {
        Ok(opened) => opened,
        Err(Errno::NOENT) => return Ok(()),
        Err(Errno::NOTDIR | Errno::LOOP) => {
            let unlink = || fs::unlinkat(&directory, name, AtFlags::empty());
            return unsealing(&directory, name, unlink).map_err(BackupError::io("remove", path));
        }
        Err(error) => return Err(BackupError::io("open", path)(error)),
    };
    unseal(&directory, name).map_err(BackupError::io("remove", path))?;
    empty(opened, path)?;
    fs::unlinkat(directory, name, AtFlags::REMOVEDIR).map_err(BackupError::io("remove", path))
}

/// Removes all that is in a directory.
fn empty(directory: OwnedFd, path: &Path) -> Result<(), BackupError> {
    let root = at::look(&directory).map_err(BackupError::io("look at", path))?;
    let mut walk = Walk::new(directory).map_err(BackupError::io("read", path))?;
    loop {
        let step = walk.next().map_err(|fault| match fault {
            Fault::Call(error) => BackupError::io("read", path.join(walk.path()))(error),
            Fault::Changed | Fault::Stopped => BackupError::Changed {
                path: path.join(walk.path()),
            },
        })?;
        let (name, result) = match step {
            None => return Ok(()),
            Some(Step::Back(name)) => {
                let result = walk
                    .here()
                    .and_then(|here| fs::unlinkat(here, &name, AtFlags::REMOVEDIR));
                (name, result)
            }
            Some(Step::Entry(entry)) => {
                let result = match entry.kind {
                    FileType::Directory | FileType::Unknown => {
                        enter(&mut walk, &entry.name, at::volume(&root).mount)
                    }
                    _ => walk.here().and_then(|here| unlink(here, &entry.name)),
                };
                (entry.name, result)
            }
        };
        result.map_err(|error| {
            let full = path.join(walk.path()).join(OsStr::from_bytes(name.to_bytes()));
            match error {
                Errno::XDEV => BackupError::refused(full, "is mounted there, so it was not removed"),
                error => BackupError::io("remove", full)(error),
            }
        })?;
    }
}

fn enter(walk: &mut Walk, name: &CStr, mount: u64) -> Result<(), Errno> {
    let here = walk.here()?;
    match at::open_directory(here, name) {
        Ok(opened) => {
            let seen = at::look(&opened)?;
            if at::volume(&seen).mount != mount {
                return Err(Errno::XDEV);
            }
            if seen
                .stx_attributes
                .intersects(StatxAttributes::IMMUTABLE | StatxAttributes::APPEND)
            {
                unseal(here, name)?;
            }
            walk.enter(name, opened, &seen)
        }
        Err(Errno::NOENT) => Ok(()),
        Err(Errno::NOTDIR | Errno::LOOP) => unlink(here, name),
        Err(error) => Err(error),
    }
}

fn unlink(directory: &OwnedFd, name: &CStr) -> Result<(), Errno> {
    match unsealing(directory, name, || {
        fs::unlinkat(directory, name, AtFlags::empty())
    }) {
        Err(Errno::NOENT) => Ok(()),
        result => result,
    }
}
