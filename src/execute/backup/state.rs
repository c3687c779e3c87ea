//! Owns what the state directories of a service are on this machine: where they lead, what is mounted in them.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::chase::{self, Found};
use super::error::BackupError;
use super::manifest::{Root, Stored, Was};
use super::mounts::{self, Mount};
use super::{OWN, at, place};

/// One state directory.
#[derive(Debug)]
pub(super) struct State {
    /// What the manifest says of it.
    pub(super) stored: Stored,
    /// Where it is.
    pub(super) found: Found,
    /// Itself, where it is there.
    pub(super) directory: Option<OwnedFd>,
}

/// What is where in a state directory. Paths are relative to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Volumes {
    /// Mounts that hold state.
    pub(super) mounts: BTreeSet<PathBuf>,
    /// Mounts that hold none.
    pub(super) left_out: BTreeSet<PathBuf>,
}

/// Looks at the state directories, each of which is one of its own: what is below another is part of that.
pub(super) fn look(directories: &[PathBuf]) -> Result<Vec<State>, BackupError> {
    let mounts = mounts::all()?;
    let mut states: Vec<State> = Vec::new();
    for (index, declared) in directories.iter().enumerate() {
        let state = look_at(declared, index, &mounts)?;
        // The same directory twice, if not by a link that is to be kept.
        let is_same = |other: &State| other.found.path == state.found.path;
        if !states
            .iter()
            .any(|other| is_same(other) && other.stored.link == state.stored.link)
        {
            states.push(state);
        }
    }
    let paths: Vec<PathBuf> = states.iter().map(|state| state.found.path.clone()).collect();
    let is_part = |state: &State| {
        let path = &state.found.path;
        paths.iter().any(|outer| path != outer && path.starts_with(outer))
    };
    if let Some(state) = states
        .iter()
        .find(|state| is_part(state) && state.stored.link.is_some())
    {
        return Err(BackupError::refused(
            &state.stored.declared,
            "is a link into another state directory of the service",
        ));
    }
    states.retain(|state| !is_part(state));
    Ok(states)
}

fn look_at(declared: &Path, index: usize, mounts: &[Mount]) -> Result<State, BackupError> {
    let link = chase::link_text(&chase::follow_to_name(declared)?)?;
    let found = chase::follow(declared)?;
    let mut directory = None;
    let was = match &found.seen {
        None => Was::Absent,
        Some(seen) if !at::kind(seen).is_dir() => {
            return Err(BackupError::refused(declared, "is not a directory"));
        }
        Some(_) => {
            let opened = found.open()?;
            let seen = at::look(&opened).map_err(BackupError::io("look at", &found.path))?;
            let root = root(&opened, &seen).map_err(BackupError::io("look at", &found.path))?;
            let volumes = volumes(mounts, &found.path);
            let texts = |paths: &BTreeSet<PathBuf>| {
                let texts = paths
                    .iter()
                    .map(|path| chase::utf8(path.as_os_str(), &found.path));
                texts.collect::<Result<Vec<_>, _>>()
            };
            let was = Was::Directory {
                stored: index.to_string(),
                root,
                mounts: texts(&volumes.mounts)?,
                subvolumes: Vec::new(),
                left_out: texts(&volumes.left_out)?,
            };
            no_strangers(&opened, &found.path, &volumes)?;
            directory = Some(opened);
            was
        }
    };
    Ok(State {
        stored: Stored {
            declared: chase::utf8(declared.as_os_str(), declared)?,
            path: chase::utf8(found.path.as_os_str(), declared)?,
            mount: chase::utf8(mounts::above(mounts, &found.path).as_os_str(), declared)?,
            link,
            was,
        },
        found,
        directory,
    })
}

/// What a directory is to its file system.
pub(super) fn root(directory: &OwnedFd, seen: &rustix::fs::Statx) -> Result<Root, rustix::io::Errno> {
    Ok(match seen {
        seen if at::is_mount_root(seen) => Root::Mount,
        seen if place::is_subvolume(directory, seen)? => Root::Subvolume,
        _ => Root::No,
    })
}

/// What is mounted below a directory.
pub(super) fn volumes(mounts: &[Mount], directory: &Path) -> Volumes {
    let mut volumes = Volumes::default();
    for mount in mounts::below(mounts, directory) {
        let Ok(relative) = mount.at.strip_prefix(directory) else {
            continue;
        };
        let relative = relative.to_owned();
        // What is below a mount that holds no state is none either.
        if volumes.left_out.iter().any(|outer| relative.starts_with(outer)) {
            continue;
        }
        match mount.is_state() {
            true => volumes.mounts.insert(relative),
            false => volumes.left_out.insert(relative),
        };
    }
    volumes
}

/// Nixmig's own name at the root of a mount must be nixmig's.
fn no_strangers(directory: &OwnedFd, path: &Path, volumes: &Volumes) -> Result<(), BackupError> {
    let own = CString::new(OWN).unwrap_or_default();
    for root in volumes.mounts.iter().map(PathBuf::as_path).chain([Path::new("")]) {
        let full = path.join(root).join(OWN);
        // A file that is mounted is told of by the copy.
        let Ok(root) = at::open_below(directory, root) else {
            continue;
        };
        let seen = at::look_for(root, &own).map_err(BackupError::io("look at", &full))?;
        if seen.is_some_and(|seen| !at::kind(&seen).is_dir() || !at::is_own(&seen)) {
            return Err(BackupError::refused(
                full,
                "has the name of nixmig's own directory and is not nixmig's",
            ));
        }
    }
    Ok(())
}

/// Relative paths that are no state: nixmig's own directories, what file systems keep at their roots, mounts that hold none.
pub(super) fn without(root: Root, volumes: &Volumes) -> BTreeSet<PathBuf> {
    let mut without = volumes.left_out.clone();
    without.insert(PathBuf::from(OWN));
    if root == Root::Mount {
        without.insert(PathBuf::from(LOST));
    }
    for mount in &volumes.mounts {
        without.extend([mount.join(OWN), mount.join(LOST)]);
    }
    without
}

/// What ext4 keeps at the root of a file system.
pub(super) const LOST: &str = "lost+found";

impl State {
    /// The mounts in it.
    pub(super) fn volumes(&self) -> Volumes {
        match &self.stored.was {
            Was::Absent => Volumes::default(),
            Was::Directory { mounts, left_out, .. } => Volumes {
                mounts: mounts.iter().map(PathBuf::from).collect(),
                left_out: left_out.iter().map(PathBuf::from).collect(),
            },
        }
    }

    /// What it is to its file system.
    pub(super) fn root(&self) -> Root {
        match self.stored.was {
            Was::Absent => Root::No,
            Was::Directory { root, .. } => root,
        }
    }

    /// Has all that is in it on disk, and its name.
    pub(super) fn flush(&self) -> Result<(), BackupError> {
        let failed = || BackupError::io("flush", &self.found.path);
        if let Some(parent) = &self.found.parent {
            at::open_directory(parent, c".")
                .and_then(at::flush)
                .map_err(failed())?;
        }
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        at::flush_all(directory).map_err(failed())?;
        for mount in self.volumes().mounts {
            at::open_below(directory, &mount)
                .and_then(at::flush_all)
                .map_err(failed())?;
        }
        Ok(())
    }
}
