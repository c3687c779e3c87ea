//! Owns the making of a backup.

use std::ffi::CString;
use std::path::PathBuf;

use rustix::fs::{self, AtFlags};

use super::error::BackupError;
use super::manifest::{Manifest, Method, Was};
use super::tree::{Copier, LINKS, Tree};
use super::{Spot, Watch, at, chase, point, state};

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
    let pool = at::make_directory(&into, LINKS).map_err(BackupError::io("make", path.join("links")))?;
    let mut copier = Copier::new(watch, pool, at::identity(&seen));
    let mut kept = Vec::new();
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
    let method = match copier.has_copied() {
        true => Method::Copy,
        false => Method::Reflink,
    };
    let done = copier.done();
    let manifest = Manifest::new(kept, method, done.files, done.bytes);
    at::flush_all(&into).map_err(failed())?;
    manifest.write(&into, path)?;
    point("backup-written", path)?;
    Ok(manifest)
}
