//! Owns the way through one directory with all that is in it, of any depth, by descriptors, of which it keeps a bounded number
//! open: what is renamed or replaced meanwhile leads nowhere else.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::vec;

use rustix::fs::Statx;
use rustix::io::Errno;

use super::at::{self, Entry, Identity};
use super::data::Fault;

/// How many directories of the way down are held open.
pub(super) const HELD: usize = 64;

/// One side of it, open or found again from below.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) held: Option<OwnedFd>,
    pub(super) identity: Identity,
}

impl Side {
    pub(super) fn new(held: OwnedFd, seen: &Statx) -> Self {
        Self {
            held: Some(held),
            identity: at::identity(seen),
        }
    }

    pub(super) fn get(&self) -> Result<&OwnedFd, Errno> {
        self.held.as_ref().ok_or(Errno::BADF)
    }

    /// Opens it again, as what is above a directory that was reached through it.
    pub(super) fn regain(&mut self, below: &Side) -> Result<(), Fault> {
        if self.held.is_none() {
            let above = at::open_directory(below.get()?, c"..")?;
            if at::identity(&at::look(&above)?) != self.identity {
                return Err(Fault::Changed);
            }
            self.held = Some(above);
        }
        Ok(())
    }
}

/// A walk. Whoever walks decides which directories it enters.
#[derive(Debug)]
pub(super) struct Walk {
    levels: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    name: CString,
    side: Side,
    left: vec::IntoIter<Entry>,
}

/// What comes next on a walk.
#[derive(Debug)]
pub(super) enum Step {
    /// An entry of the directory where the walk is.
    Entry(Entry),
    /// The walk came back from the directory of that name.
    Back(CString),
}

impl Walk {
    /// Begins in a directory.
    pub(super) fn new(root: OwnedFd) -> Result<Self, Errno> {
        let mut walk = Self { levels: Vec::new() };
        let seen = at::look(&root)?;
        walk.push(root, &seen, c"")?;
        Ok(walk)
    }

    /// The directory where it is.
    pub(super) fn here(&self) -> Result<&OwnedFd, Errno> {
        self.levels.last().ok_or(Errno::BADF)?.side.get()
    }

    /// Goes on; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Step>, Fault> {
        let Some(level) = self.levels.last_mut() else {
            return Ok(None);
        };
        if let Some(entry) = level.left.next() {
            return Ok(Some(Step::Entry(entry)));
        }
        let done = self.levels.pop();
        let (Some(done), Some(above)) = (done, self.levels.last_mut()) else {
            return Ok(None);
        };
        above.side.regain(&done.side)?;
        Ok(Some(Step::Back(done.name)))
    }

    /// Enters a directory of the one where it is, opened and looked at before.
    pub(super) fn enter(&mut self, name: &CStr, opened: OwnedFd, seen: &Statx) -> Result<(), Errno> {
        self.push(opened, seen, name)?;
        if let Some(far) = self.levels.len().checked_sub(HELD + 1) {
            self.levels[far].side.held = None;
        }
        Ok(())
    }

    fn push(&mut self, opened: OwnedFd, seen: &Statx, name: &CStr) -> Result<(), Errno> {
        let left = at::entries(&opened).map_err(|error| errno(&error))?.into_iter();
        self.levels.push(Level {
            name: name.to_owned(),
            side: Side::new(opened, seen),
            left,
        });
        Ok(())
    }

    /// How many names an entry of the directory has where it is, counted from where the walk began.
    pub(super) fn depth(&self) -> usize {
        self.levels.len()
    }

    /// Where it is, relative to where it began.
    pub(super) fn path(&self) -> PathBuf {
        let names = self.levels.iter().skip(1).map(|level| level.name.as_c_str());
        names.map(|name| OsStr::from_bytes(name.to_bytes())).collect()
    }
}

/// The system's number of an error.
pub(super) fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
