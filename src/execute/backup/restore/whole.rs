//! Owns the swap of one entry of a directory as a whole: a state directory that can be renamed, the link that leads to one, or
//! the name of one that was not there.

use std::ffi::CString;
use std::path::Path;

use rustix::fs::{self, RenameFlags};
use rustix::io::Errno;

use super::super::attributes::{times, unsealing};
use super::super::chase::{self, Found};
use super::super::error::BackupError;
use super::super::manifest::{Stored, Was};
use super::super::tree::Tree;
use super::super::{at, chase::follow_to_name};
use super::area::{Area, Areas, Copiers, Index, rename_new};
use super::{Journal, Site};

/// What goes where.
#[derive(Debug)]
pub(super) struct Whole {
    found: Found,
    /// Its name in the area.
    label: String,
    what: What,
}

#[derive(Debug)]
enum What {
    /// Nothing: what is there goes.
    Nothing,
    /// A directory of the backup.
    Directory(String),
    /// A link.
    Link(String),
}

impl Whole {
    /// A state directory that was not there.
    pub(super) fn absent(stored: &Stored, index: usize) -> Result<Self, BackupError> {
        let found = at_its_place(stored)?;
        if found.seen.as_ref().is_some_and(at::is_mount_root) {
            return Err(BackupError::refused(
                found.path,
                "was mounted since the backup was made",
            ));
        }
        Ok(Self {
            found,
            label: index.to_string(),
            what: What::Nothing,
        })
    }

    /// A state directory.
    pub(super) fn directory(stored: &Stored, index: usize) -> Result<Self, BackupError> {
        let Was::Directory { stored: name, .. } = &stored.was else {
            return Self::absent(stored, index);
        };
        let found = at_its_place(stored)?;
        if found.parent.is_none() {
            return Err(BackupError::refused(
                found.path,
                "has no directory to be restored to",
            ));
        }
        Ok(Self {
            found,
            label: index.to_string(),
            what: What::Directory(name.clone()),
        })
    }

    /// The link that led to a state directory, where it is another now.
    pub(super) fn link(stored: &Stored, index: usize) -> Result<Option<Self>, BackupError> {
        let Some(text) = &stored.link else { return Ok(None) };
        let found = follow_to_name(Path::new(&stored.declared))?;
        if chase::link_text(&found)?.as_ref() == Some(text) {
            return Ok(None);
        }
        if found.seen.as_ref().is_some_and(at::is_mount_root) {
            return Err(BackupError::refused(
                found.path,
                "was a link, and something is mounted there",
            ));
        }
        Ok(Some(Self {
            found,
            label: format!("{index}-link"),
            what: What::Link(text.clone()),
        }))
    }

    /// The area for it, which it does not need where nothing was there and nothing is.
    pub(super) fn area(&self, areas: &mut Areas, make: bool) -> Result<Option<Index>, BackupError> {
        let Some(parent) = &self.found.parent else {
            return Ok(None);
        };
        let is_needed = !matches!(self.what, What::Nothing) || self.found.seen.is_some();
        let above = self.found.path.parent().unwrap_or(Path::new("/"));
        areas.beside(parent, above, make && is_needed)
    }

    /// Makes what will be swapped in, and tells its name and inode.
    pub(super) fn stage(
        &self,
        site: &Site<'_>,
        areas: &mut Areas,
        copiers: &mut Copiers<'_>,
    ) -> Result<Option<(String, u64)>, BackupError> {
        let Some(index) = self.area(areas, true)? else {
            return Ok(None);
        };
        let area = areas.get(index);
        let label = self.label();
        match &self.what {
            What::Nothing => return Ok(None),
            What::Directory(stored) => {
                let path = site.path.join(stored);
                let from =
                    at::open_below(site.spot, Path::new(stored)).map_err(BackupError::io("open", &path))?;
                let copied = copiers
                    .of(area)?
                    .copy(&Tree::all(&from, &path, &area.directory, &label));
                copied?;
            }
            What::Link(text) => fs::symlinkat(text.as_str(), &area.directory, &label)
                .map_err(BackupError::io("make", &self.found.path))?,
        }
        let seen = at::look_at(&area.directory, &label).map_err(BackupError::io("look at", &area.path))?;
        Ok(Some((self.label.clone(), seen.stx_ino)))
    }

    /// Whether the copy that a journal speaks of is in its area, or swapped in already.
    pub(super) fn is_staged(&self, areas: &mut Areas, journal: &Journal) -> Result<bool, BackupError> {
        if matches!(self.what, What::Nothing) {
            return Ok(true);
        }
        let Some(expected) = journal.inode(&self.label) else {
            return Ok(false);
        };
        if self.inode()? == Some(expected) {
            return Ok(true);
        }
        let Some(index) = self.area(areas, false)? else {
            return Ok(false);
        };
        let area = areas.get(index);
        let seen =
            at::look_for(&area.directory, &self.label()).map_err(BackupError::io("look at", &area.path))?;
        Ok(seen.is_some_and(|seen| seen.stx_ino == expected))
    }

    /// Swaps it, if that is not done.
    pub(super) fn swap(
        &self,
        site: &Site<'_>,
        areas: &mut Areas,
        journal: &Journal,
    ) -> Result<(), BackupError> {
        self.exchange(areas, journal)?;
        let What::Directory(stored) = &self.what else {
            return Ok(());
        };
        // To XFS, another `..` in a directory is a modification.
        let from = at::open_below(site.spot, Path::new(stored)).and_then(at::look);
        from.and_then(|seen| fs::futimens(self.found.reopen()?, &times(&seen)))
            .map_err(BackupError::io("give its time to", &self.found.path))
    }

    fn exchange(&self, areas: &mut Areas, journal: &Journal) -> Result<(), BackupError> {
        let failed = || BackupError::io("swap", &self.found.path);
        let now = self.inode()?;
        let is_done = match self.what {
            What::Nothing => now.is_none(),
            _ => now == journal.inode(&self.label),
        };
        if is_done {
            return Ok(());
        }
        // Something is to be moved, so it has a directory.
        let index = self.area(areas, true)?;
        let (Some(index), Some(parent)) = (index, &self.found.parent) else {
            return Err(failed()(Errno::NOENT));
        };
        let area = areas.get(index);
        let (name, label) = (&self.found.name, self.label());
        unsealing(parent, name, || match (&self.what, now) {
            (What::Nothing, _) => rename_new(parent, name, &area.directory, &label),
            (_, None) => rename_new(&area.directory, &label, parent, name),
            (_, Some(_)) => {
                let both = RenameFlags::EXCHANGE;
                match fs::renameat_with(&area.directory, &label, parent, name, both) {
                    Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => self.swap_in_two(area),
                    result => result,
                }
            }
        })
        .map_err(failed())
    }

    /// Where a file system cannot exchange two names: whoever comes after a kill in the middle finds nothing and goes on.
    fn swap_in_two(&self, area: &Area) -> Result<(), Errno> {
        let parent = self.found.parent.as_ref().ok_or(Errno::NOENT)?;
        let old = at::c_name(format!("{}-old", self.label).as_ref())?;
        rename_new(parent, &self.found.name, &area.directory, &old)?;
        at::flush_all(&area.directory)?;
        rename_new(&area.directory, &self.label(), parent, &self.found.name)
    }

    /// The inode of what is there now.
    fn inode(&self) -> Result<Option<u64>, BackupError> {
        let Some(parent) = &self.found.parent else {
            return Ok(None);
        };
        let seen = at::look_for(parent, &self.found.name);
        let seen = seen.map_err(BackupError::io("look at", &self.found.path))?;
        Ok(seen.map(|seen| seen.stx_ino))
    }

    fn label(&self) -> CString {
        // Digits and letters.
        CString::new(self.label.as_str()).unwrap_or_default()
    }
}

/// Where a state directory was, which no link may lead away from now.
pub(super) fn at_its_place(stored: &Stored) -> Result<Found, BackupError> {
    let found = follow_to_name(Path::new(&stored.path))?;
    match found.path == Path::new(&stored.path) {
        true => Ok(found),
        false => Err(BackupError::refused(
            &stored.path,
            "is reached through a link that was not there",
        )),
    }
}
