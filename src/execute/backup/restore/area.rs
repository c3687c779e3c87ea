//! Owns the directories beside the state in which copies wait to be swapped in, and what they replaced waits to be removed. They
//! are nixmig's alone, so nobody reaches either before or after.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{self, Mode};
use rustix::io::Errno;

use super::super::error::BackupError;
use super::super::remove::remove;
use super::super::tree::{Copier, LINKS};
use super::super::{OWN, Watch, at, place};
use super::Site;

/// All areas of one restore.
#[derive(Debug)]
pub(super) struct Areas {
    name: String,
    areas: Vec<Area>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Area {
    parent: OwnedFd,
    name: CString,
    pub(super) path: PathBuf,
    pub(super) directory: OwnedFd,
    volume: at::Volume,
}

/// Which of the areas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Index(usize);

/// The copiers of one restore: one for all areas on one mount, so that the names of one file stay together.
#[derive(Debug)]
pub(super) struct Copiers<'a> {
    watch: &'a Watch<'a>,
    never: at::Identity,
    copiers: Vec<(at::Volume, Copier<'a>)>,
}

impl Areas {
    pub(super) fn new(site: &Site<'_>) -> Self {
        Self {
            name: site.name.clone(),
            areas: Vec::new(),
        }
    }

    pub(super) fn get(&self, index: Index) -> &Area {
        &self.areas[index.0]
    }

    /// The area in a directory that is not swapped itself.
    pub(super) fn beside(
        &mut self,
        parent: &OwnedFd,
        path: &Path,
        make: bool,
    ) -> Result<Option<Index>, BackupError> {
        let name = format!("{OWN}-{}", self.name);
        self.find(parent, &name, path.join(&name), make)
    }

    /// The area in a directory that is the root of a mount or subvolume: within nixmig's own there.
    pub(super) fn within(
        &mut self,
        root: &OwnedFd,
        path: &Path,
        make: bool,
    ) -> Result<Option<Index>, BackupError> {
        let own_path = path.join(OWN);
        let own_name = CString::new(OWN).unwrap_or_default();
        let own = match make {
            true => place::own_directory(root, &own_name, &own_path, place::REACHED)?,
            false => match at::open_directory(root, &own_name) {
                Err(Errno::NOENT) => return Ok(None),
                opened => opened.map_err(BackupError::io("open", &own_path))?,
            },
        };
        let name = format!("restore-{}", self.name);
        self.find(&own, &name, own_path.join(&name), make)
    }

    fn find(
        &mut self,
        parent: &OwnedFd,
        name: &str,
        path: PathBuf,
        make: bool,
    ) -> Result<Option<Index>, BackupError> {
        if let Some(index) = self.areas.iter().position(|area| area.path == path) {
            return Ok(Some(Index(index)));
        }
        let name = CString::new(name).map_err(BackupError::io("make", &path))?;
        let parent = at::open_directory(parent, c".").map_err(BackupError::io("open", &path))?;
        let directory = match make {
            true => place::own_directory(&parent, &name, &path, Mode::RWXU.as_raw_mode())?,
            false => match at::look_for(&parent, &name).map_err(BackupError::io("look at", &path))? {
                None => return Ok(None),
                Some(_) => at::open_directory(&parent, &name).map_err(BackupError::io("open", &path))?,
            },
        };
        let seen = at::look(&directory).map_err(BackupError::io("look at", &path))?;
        if !at::is_own(&seen) || seen.stx_mode & 0o077 != 0 {
            return Err(BackupError::refused(
                path,
                "has a name of nixmig's and is not nixmig's",
            ));
        }
        self.areas.push(Area {
            parent,
            name,
            path,
            directory,
            volume: at::volume(&seen),
        });
        Ok(Some(Index(self.areas.len() - 1)))
    }

    /// Has all that is in the areas, and on their file systems, on disk: what was swapped is on the same ones.
    pub(super) fn flush(&self) -> Result<(), BackupError> {
        for area in &self.areas {
            at::flush_all(&area.directory).map_err(BackupError::io("flush", &area.path))?;
        }
        Ok(())
    }

    /// Where they are.
    pub(super) fn paths(self) -> impl Iterator<Item = PathBuf> {
        self.areas.into_iter().map(|area| area.path)
    }

    /// Removes them, and forgets them.
    pub(super) fn remove(&mut self) -> Result<(), BackupError> {
        for area in self.areas.drain(..) {
            remove(&area.parent, &area.name, &area.path)?;
            at::flush(&area.parent).map_err(BackupError::io("flush", &area.path))?;
            place::leave(&area.path)?;
        }
        Ok(())
    }
}

impl<'a> Copiers<'a> {
    pub(super) fn new(watch: &'a Watch<'a>, never: at::Identity) -> Self {
        Self {
            watch,
            never,
            copiers: Vec::new(),
        }
    }

    /// The one that copies into an area.
    pub(super) fn of(&mut self, area: &Area) -> Result<&mut Copier<'a>, BackupError> {
        let index = match self.copiers.iter().position(|(volume, _)| *volume == area.volume) {
            Some(index) => index,
            None => {
                let pool = at::make_directory(&area.directory, LINKS);
                let pool = pool.map_err(BackupError::io("make", &area.path))?;
                self.copiers
                    .push((area.volume, Copier::new(self.watch, pool, self.never)));
                self.copiers.len() - 1
            }
        };
        Ok(&mut self.copiers[index].1)
    }
}

/// Gives an entry another name, which nothing has yet.
pub(super) fn rename_new(from: &OwnedFd, name: &CStr, to: &OwnedFd, new: &CStr) -> Result<(), Errno> {
    match fs::renameat_with(from, name, to, new, fs::RenameFlags::NOREPLACE) {
        // A file system that cannot tell.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => match at::look_for(to, new)? {
            Some(_) => Err(Errno::EXIST),
            None => fs::renameat(from, name, to, new),
        },
        result => result,
    }
}
