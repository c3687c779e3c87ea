//! Owns the making of a backup.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{self, AtFlags};

use super::error::BackupError;
use super::manifest::{Manifest, Method, Was};
use super::state::Volumes;
use super::tree::{Copier, LINKS, Tree};
use super::{Spot, Watch, at, chase, place, point, reserve, snapshot, space, state};

/// Backs up state directories into an empty spot.
pub(super) fn take(spot: &Spot, directories: &[PathBuf], watch: &Watch<'_>) -> Result<Manifest, BackupError> {
    let path = spot.directory();
    let into = spot.open()?;
    let seen = at::look(&into).map_err(BackupError::io("look at", path))?;
    if !at::entries(&into)
        .map_err(BackupError::io("read", path))?
        .is_empty()
    {
        return Err(BackupError::refused(
            path,
            "is not empty: a backup was begun there before",
        ));
    }
    let states = state::look(directories)?;
    // Where the copy will lie that a restore swaps in.
    let first = states.iter().find_map(|state| state.directory.as_ref());
    let first = first.map(OwnedFd::try_clone).transpose();
    let first = first.map_err(BackupError::io("open", path))?;
    let pool = at::make_directory(&into, LINKS).map_err(BackupError::io("make", path.join("links")))?;
    let mut copier = Copier::new(watch, pool, at::identity(&seen));
    let mut kept = Vec::new();
    let mut snapshots = 0;
    for state in states {
        let (root, volumes) = (state.root(), state.volumes());
        let mut stored = state.stored;
        if let (
            Was::Directory {
                stored: name,
                subvolumes,
                ..
            },
            Some(directory),
        ) = (&mut stored.was, &state.directory)
        {
            let name = CString::new(name.as_str()).map_err(BackupError::io("make", path))?;
            let is_whole = volumes == Volumes::default();
            if is_whole && snapshot::make(directory, &into, &name, &state.found.path)? {
                snapshots += 1;
                point("backup-half", path)?;
                kept.push(stored);
                continue;
            }
            let met = copier.copy(&Tree {
                from: directory,
                path: &state.found.path,
                into: &into,
                name: &name,
                without: &state::without(root, &volumes),
                mounts: &volumes.mounts,
            })?;
            for subvolume in met.subvolumes {
                subvolumes.push(chase::utf8(subvolume.as_os_str(), &state.found.path)?);
            }
        }
        kept.push(stored);
    }
    let failed = || BackupError::io("write", path);
    copier.forget_links().map_err(failed())?;
    fs::unlinkat(&into, LINKS, AtFlags::REMOVEDIR).map_err(failed())?;
    let method = match (copier.has_copied(), copier.has_shared() || snapshots == 0) {
        (true, _) => Method::Copy,
        (false, true) => Method::Reflink,
        (false, false) => Method::Snapshot,
    };
    let done = copier.done();
    let beside = first.is_some_and(|first| place::same_file_system(&into, &first));
    if beside {
        reserve::keep(&into, path, space::of_copy(done, copier.has_copied()))?;
    }
    let manifest = Manifest::new(kept, method, done.files, done.bytes);
    at::flush_all(&into).map_err(failed())?;
    manifest.write(&into, path)?;
    point("backup-written", path)?;
    Ok(manifest)
}
