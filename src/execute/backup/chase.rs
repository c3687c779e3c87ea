//! Owns the way to a state directory: from the path that a service declares to the directory itself, by descriptors. Only links
//! that root made are followed, so that nobody else chooses what is backed up and swapped.

use std::collections::VecDeque;
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{self, CWD, FileType, Mode, OFlags, Statx};
use rustix::io::Errno;

use super::at;
use super::error::BackupError;

/// How many links one path may go through, as in the kernel.
const LINKS: u32 = 40;

/// Where a path leads.
#[derive(Debug)]
pub(super) struct Found {
    /// The path without any link in it.
    pub(super) path: PathBuf,
    /// The directory that has it, and its name there; none where that directory is not there either.
    pub(super) parent: Option<OwnedFd>,
    pub(super) name: CString,
    /// What the name stands for, if anything.
    pub(super) seen: Option<Statx>,
}

impl Found {
    /// Opens what was found, which is a directory and still the same.
    pub(super) fn open(&self) -> Result<OwnedFd, BackupError> {
        self.reopen().map_err(BackupError::io("open", &self.path))
    }

    /// Opens the directory that has the name now.
    pub(super) fn reopen(&self) -> Result<OwnedFd, Errno> {
        at::open_directory(self.parent.as_ref().ok_or(Errno::NOENT)?, &self.name)
    }
}

/// Follows a path to its end, its last link too.
pub(super) fn follow(path: &Path) -> Result<Found, BackupError> {
    walk(path, true)
}

/// Follows a path up to its last name, which may be that of a link.
pub(super) fn follow_to_name(path: &Path) -> Result<Found, BackupError> {
    walk(path, false)
}

fn walk(declared: &Path, last_link: bool) -> Result<Found, BackupError> {
    if !declared.is_absolute() {
        return Err(BackupError::refused(declared, "is not an absolute path"));
    }
    let root = open_root().map_err(BackupError::io("open", "/"))?;
    // From the root down: where we are, and what is left to go.
    let mut path = PathBuf::from("/");
    let mut here = Some(root);
    let mut left = VecDeque::new();
    push_front(&mut left, declared, declared)?;
    let mut links = 0;
    while let Some(name) = left.pop_front() {
        let full = path.join(&name);
        let c_name = at::c_name(&name).map_err(BackupError::io("open", &full))?;
        let seen = match &here {
            Some(here) => at::look_for(here, &c_name).map_err(BackupError::io("look at", &full))?,
            None => None,
        };
        let is_last = left.is_empty();
        match &seen {
            Some(link) if at::kind(link) == FileType::Symlink && (last_link || !is_last) => {
                links += 1;
                if links > LINKS {
                    return Err(BackupError::refused(declared, "goes through too many links"));
                }
                if !at::is_own(link) && link.stx_uid != 0 {
                    return Err(BackupError::refused(
                        full,
                        "is a link that root did not make: what it points to is not touched",
                    ));
                }
                // It was found in a directory, so there is one.
                let Some(directory) = &here else { continue };
                let target = fs::readlinkat(directory, &c_name, Vec::new())
                    .map_err(BackupError::io("read the link", &full))?;
                let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                push_front(&mut left, &joined(path, &target), &full)?;
                path = PathBuf::from("/");
                here = Some(open_root().map_err(BackupError::io("open", "/"))?);
            }
            _ if is_last => {
                return Ok(Found {
                    path: full,
                    parent: here,
                    name: c_name,
                    seen,
                });
            }
            Some(_) => {
                if let Some(directory) = here {
                    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    let next = fs::openat(directory, &c_name, flags, Mode::empty());
                    here = Some(next.map_err(BackupError::io("open", &full))?);
                }
                path = full;
            }
            None => {
                here = None;
                path = full;
            }
        }
    }
    Err(BackupError::refused(declared, "is the root directory"))
}

fn open_root() -> Result<OwnedFd, Errno> {
    fs::openat(
        CWD,
        c"/",
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

/// Puts the names of a path before what is left to go.
fn push_front(left: &mut VecDeque<OsString>, path: &Path, of: &Path) -> Result<(), BackupError> {
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => left.push_front(name.to_owned()),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(BackupError::refused(of, "has `..` in its path"));
            }
        }
    }
    Ok(())
}

/// The path that a link in a directory means. Only its first names may be `..`: what they leave has no links in it.
fn joined(directory: PathBuf, target: &Path) -> PathBuf {
    let mut path = directory;
    let mut rest = target;
    while let Ok(shorter) = rest.strip_prefix("..") {
        path.pop();
        rest = shorter;
    }
    path.join(rest)
}

/// The text of a link, where a name stands for one.
pub(super) fn link_text(found: &Found) -> Result<Option<String>, BackupError> {
    let (Some(parent), Some(seen)) = (&found.parent, &found.seen) else {
        return Ok(None);
    };
    if at::kind(seen) != FileType::Symlink {
        return Ok(None);
    }
    let target = fs::readlinkat(parent, &found.name, Vec::new())
        .map_err(BackupError::io("read the link", &found.path))?;
    utf8(OsStr::from_bytes(target.to_bytes()), &found.path).map(Some)
}

/// A path as the manifest writes it.
pub(super) fn utf8(text: &OsStr, of: &Path) -> Result<String, BackupError> {
    let text = text.to_str().map(str::to_owned);
    text.ok_or_else(|| BackupError::refused(of, "leads through a name that is not UTF-8"))
}
