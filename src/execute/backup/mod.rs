//! Owns nixmig's own backup of a service's state directories, and its way back: where it goes, whether there is room, the copy,
//! the swap. It keeps all that a file system knows of a file, follows nothing that others planted, and may be killed anywhere.
//! It decides neither when a backup is made nor which; the record says that. docs/backup.md tells what is kept and how.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::io::Errno;

use crate::fault;

mod at;
mod attributes;
mod chase;
mod data;
mod error;
mod manifest;
mod mounts;
mod place;
mod remove;
mod reserve;
mod restore;
mod snapshot;
mod space;
mod state;
mod take;
mod tree;
mod walk;

#[cfg(test)]
mod tests;

pub use error::BackupError;
pub use manifest::{Manifest, Method, Root, Stored, Was};
pub use space::Need;

/// The name of nixmig's own entry at the root of a mount. It is never state: neither backed up nor restored.
pub const OWN: &str = ".nixmig";

/// A directory for a backup, `$BACKUP` of scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot(PathBuf);

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Done {
    /// Files of every kind, directories too.
    pub files: u64,
    /// Bytes of data, without holes.
    pub bytes: u64,
}

/// Who watches a backup or a restore. Both are called for every file, and every few megabytes of a large one.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Hears how far it is.
    pub progress: &'a dyn Fn(Done),
    /// Says whether to stop.
    pub stop: &'a dyn Fn() -> bool,
}

impl Watch<'static> {
    /// Nobody watches.
    pub fn quiet() -> Self {
        Self {
            progress: &|_| {},
            stop: &|| false,
        }
    }
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

impl Spot {
    /// The one of that directory, which the record names.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self(directory.into())
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        &self.0
    }

    /// Makes its directory, for its owner alone and durable.
    ///
    /// # Errors
    ///
    /// Fails where it cannot be made, and where it is there already.
    pub fn make(&self) -> Result<(), BackupError> {
        let found = chase::follow_to_name(&self.0)?;
        let parent = found.parent.ok_or(Errno::NOENT);
        parent
            .and_then(|parent| {
                let made = at::make_directory(&parent, &found.name)?;
                attributes::bare(&made, Mode::RWXU)?;
                at::flush(&made)?;
                at::flush(at::open_directory(&parent, c".")?)
            })
            .map_err(BackupError::io("make", &self.0))?;
        fault::point("backup-dir-made").map_err(BackupError::io("make", &self.0))
    }

    /// Opens it; it must be nobody else's.
    fn open(&self) -> Result<OwnedFd, BackupError> {
        let incomplete = |why: &str| BackupError::Incomplete {
            path: self.0.clone(),
            why: why.to_owned(),
        };
        let found = chase::follow_to_name(&self.0)?;
        match found.seen {
            None => Err(incomplete("it is not there")),
            Some(seen) if !at::kind(&seen).is_dir() => Err(incomplete("it is not a directory")),
            Some(seen) if !at::is_own(&seen) || seen.stx_mode & 0o077 != 0 => {
                Err(incomplete("it is not nixmig's alone"))
            }
            Some(_) => found.open(),
        }
    }
}

/// Decides where the backup of these state directories goes: on disk, and on the file system of the first of them that is
/// there, where that can be. Makes what is above the backup's own directory and no more, so that the record can name the
/// directory before it is there ([`Spot::make`]).
///
/// `backups` is the directory of backups in nixmig's state directory, `name` that of the backup, which nobody can guess.
///
/// # Errors
///
/// Fails where there is no place on disk, and where a state directory is reached through a link that root did not make.
pub fn place(backups: &Path, directories: &[PathBuf], name: &str) -> Result<Spot, BackupError> {
    place::place(backups, directories, name)
}

/// Looks through the state directories, and at how much room there is to back them up into a spot and to restore them.
///
/// # Errors
///
/// Fails with [`BackupError::Space`] where there is too little, and with [`BackupError::Refused`] for what cannot be backed up.
pub fn space(spot: &Spot, directories: &[PathBuf], watch: &Watch<'_>) -> Result<Need, BackupError> {
    space::space(spot, directories, watch)
}

/// Backs up state directories into a spot that was just made. When it returns, all of it is on disk.
///
/// # Errors
///
/// See [`BackupError`]. The state is as it was; what is in the spot is of no use.
pub fn take(spot: &Spot, directories: &[PathBuf], watch: &Watch<'_>) -> Result<Manifest, BackupError> {
    take::take(spot, directories, watch)
}

/// Says what is in a complete backup.
///
/// # Errors
///
/// Fails with [`BackupError::Incomplete`] where it is not there, not complete, or others than nixmig may have written to it.
pub fn check(spot: &Spot) -> Result<Manifest, BackupError> {
    Manifest::read(spot.open()?, spot.directory())
}

/// Brings the state directories back to what they were when the backup was made, by swapping them. It may be killed anywhere and
/// called again, and ends in the same state; the backup stays as it is.
///
/// # Errors
///
/// See [`BackupError`]. Until all of the backup is copied and on disk the state is not touched.
pub fn restore(spot: &Spot, watch: &Watch<'_>) -> Result<(), BackupError> {
    restore::restore(spot, watch)
}

/// The directories beside the state in which a restore that did not end left something: what it was to bring, or what it took
/// away. None where there is none, or where nobody can tell.
pub fn left_by_restore(spot: &Spot) -> Vec<PathBuf> {
    restore::left(spot)
}

/// Removes a backup, complete or not, nixmig's or a script's, and what a restore left beside the state directories. One that is
/// not there is fine.
///
/// # Errors
///
/// Fails where something is mounted in it, and where a restore from it was begun and not ended.
pub fn remove(spot: &Spot) -> Result<(), BackupError> {
    restore::clear(spot)?;
    let path = spot.directory();
    let found = chase::follow_to_name(path)?;
    let Some(parent) = found.parent else { return Ok(()) };
    if let Ok(spot) = at::open_directory(&parent, &found.name) {
        manifest::forget(&spot, path)?;
        for entry in at::entries(&spot).map_err(BackupError::io("read", path))? {
            snapshot::remove(&spot, &entry.name)?;
        }
    }
    remove::remove(&parent, &found.name, path)?;
    at::open_directory(&parent, c".")
        .and_then(at::flush)
        .map_err(BackupError::io("flush", path))?;
    place::leave(path)
}

/// Opens a state directory, following no link that others than root made; none where it is not there.
///
/// # Errors
///
/// Fails where somebody else chose where it leads, and where it cannot be opened.
pub fn open(directory: &Path) -> Result<Option<OwnedFd>, BackupError> {
    let found = chase::follow(directory)?;
    match &found.seen {
        Some(_) => found.open().map(Some),
        None => Ok(None),
    }
}

/// Has all that is in the state directories on disk.
///
/// # Errors
///
/// Fails where the disk does. A directory that is not there is fine.
pub fn flush(directories: &[PathBuf]) -> Result<(), BackupError> {
    for state in state::look(directories)? {
        state.flush()?;
    }
    Ok(())
}

/// Runs a named point of tests.
fn point(name: &'static str, path: &Path) -> Result<(), BackupError> {
    fault::point(name).map_err(BackupError::io("go on with", path))
}
