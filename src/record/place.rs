//! Owns the state directory: that it is what it should be, and the way into it, which never follows a link.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::RecordError;
use super::lasting::memory;

/// Where the machine's memory is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The state directory: `/var/lib/nixmig`.
    pub state_dir: PathBuf,
    /// The directory of its GC roots: `/nix/var/nix/gcroots/nixmig`.
    pub gc_roots: PathBuf,
    /// The directory of its guards: `/etc/systemd/system.control`, which systemd reads before the units of any generation.
    pub guards: PathBuf,
}

impl Place {
    /// The database.
    pub fn record(&self) -> PathBuf {
        self.state_dir.join(RECORD)
    }

    /// Where backups go that cannot be beside the state.
    pub fn backups(&self) -> PathBuf {
        self.state_dir.join("backups")
    }
}

/// The name of the database in the state directory.
pub(super) const RECORD: &str = "record.sqlite";

/// The name of its journal, by which SQLite undoes what a writer that died left in the middle.
pub(super) const JOURNAL: &str = "record.sqlite-journal";

/// The mode of the state directory and of `backups`: scripts of other users go through to their own backup.
const PASSABLE: Mode = Mode::from_raw_mode(0o711);

/// The mode of directories for root alone.
const PRIVATE: Mode = Mode::from_raw_mode(0o700);

/// How every directory is opened.
const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// The state directory, opened and found to be what it should be.
#[derive(Debug)]
pub(super) struct StateDir {
    fd: OwnedFd,
    /// Its path, of which no part is a link.
    pub(super) path: PathBuf,
}

impl AsFd for StateDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl StateDir {
    /// Opens it where it is there, and changes nothing.
    pub(super) fn look(path: &Path) -> Result<Option<Self>, RecordError> {
        // Without what makes the kernel follow a link at the end: `link/`, `link/.`.
        let path: PathBuf = path.components().collect();
        let fd = match rustix::fs::open(&path, DIRECTORY, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::NOTDIR) => return Err(in_the_way(&path)),
            Err(error) => return Err(RecordError::io("opened", &path, error)),
        };
        let stat = rustix::fs::fstat(&fd).map_err(|error| RecordError::io("read", &path, error))?;
        trusted(&path, &stat)?;
        let memory = memory(&fd).map_err(|error| RecordError::io("read", &path, error))?;
        if let Some(filesystem) = memory {
            return Err(RecordError::Memory { path, filesystem });
        }
        let canonical = match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => {
                let parent = if parent.as_os_str().is_empty() {
                    Path::new(".")
                } else {
                    parent
                };
                fs::canonicalize(parent).map(|parent| parent.join(name))
            }
            _ => fs::canonicalize(&path),
        };
        let canonical = canonical.map_err(|error| RecordError::io("read", &path, error))?;
        let same = rustix::fs::lstat(&canonical)
            .is_ok_and(|other| (other.st_dev, other.st_ino) == (stat.st_dev, stat.st_ino));
        match same {
            true => Ok(Some(Self { fd, path: canonical })),
            false => Err(RecordError::Symlink(path)),
        }
    }

    /// Opens it, and makes it and what is always in it where it is missing.
    pub(super) fn make(path: &Path) -> Result<Self, RecordError> {
        let dir = match Self::look(path)? {
            Some(dir) => dir,
            None => {
                match rustix::fs::mkdir(path, PRIVATE) {
                    // Somebody else may make it at the same time.
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(Errno::NOENT) => return Err(RecordError::NoParent(path.to_owned())),
                    Err(error) => return Err(RecordError::io("made", path, error)),
                }
                let missing = || RecordError::Absent(path.to_owned());
                let dir = Self::look(path)?.ok_or_else(missing)?;
                let parent = dir.path.parent().unwrap_or(Path::new("/"));
                flush(&open_directory(parent)?, parent)?;
                dir
            }
        };
        let writable = rustix::fs::fstatvfs(&dir.fd).map_err(|error| dir.io("read", "", error))?;
        if writable.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
            return Err(RecordError::ReadOnly(dir.path));
        }
        let mode = |stat: &Stat| Mode::from_raw_mode(stat.st_mode);
        let stat = rustix::fs::fstat(&dir.fd).map_err(|error| dir.io("read", "", error))?;
        if mode(&stat) != PASSABLE {
            rustix::fs::fchmod(&dir.fd, PASSABLE).map_err(|error| dir.io("opened up", "", error))?;
        }
        dir.subdirectory("locks", PRIVATE)?;
        dir.subdirectory("backups", PASSABLE)?;
        Ok(dir)
    }

    /// A directory in it, which is made where it is missing.
    pub(super) fn subdirectory(&self, name: &str, mode: Mode) -> Result<OwnedFd, RecordError> {
        let path = self.path.join(name);
        let made = match rustix::fs::mkdirat(&self.fd, name, PRIVATE) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(self.io("made", name, error)),
        };
        let fd = match rustix::fs::openat(&self.fd, name, DIRECTORY, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::LOOP | Errno::NOTDIR) => return Err(in_the_way(&path)),
            Err(error) => return Err(self.io("opened", name, error)),
        };
        let stat = rustix::fs::fstat(&fd).map_err(|error| self.io("read", name, error))?;
        trusted(&path, &stat)?;
        if made && mode != PRIVATE {
            // The mode that is asked for when a directory is made goes through the umask.
            rustix::fs::fchmod(&fd, mode).map_err(|error| self.io("opened up", name, error))?;
        }
        if made {
            flush(&self.fd, &self.path)?;
        }
        Ok(fd)
    }

    /// The directory of the locks.
    pub(super) fn locks(&self) -> Result<OwnedFd, RecordError> {
        self.subdirectory("locks", PRIVATE)
    }

    /// Waits until nobody else makes, replaces or removes names here or among the GC roots. That ends with what is returned.
    pub(super) fn alone(&self) -> Result<OwnedFd, RecordError> {
        // A description of its own: two threads are as good as two processes.
        let own = rustix::fs::openat(&self.fd, ".", DIRECTORY, Mode::empty());
        let own = own.map_err(|error| self.io("opened", "", error))?;
        loop {
            match rustix::fs::flock(&own, FlockOperation::LockExclusive) {
                Ok(()) => return Ok(own),
                Err(Errno::INTR) => {}
                Err(error) => return Err(self.io("locked", "", error)),
            }
        }
    }

    /// What a file in it is, where it is there: a plain file of its own that only its owner writes to.
    pub(super) fn file(&self, name: &str) -> Result<Option<Stat>, RecordError> {
        let path = self.path.join(name);
        let stat = match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(self.io("read", name, error)),
        };
        plain(&path, &stat)?;
        Ok(Some(stat))
    }

    /// Makes sure that a file is there, and its name on disk, before anything in it counts.
    pub(super) fn keep(&self, name: &str) -> Result<(), RecordError> {
        match self.file(name)? {
            // Whoever wrote to it has been here before.
            Some(stat) if stat.st_size > 0 => return Ok(()),
            Some(_) => {}
            None => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let made = rustix::fs::openat(&self.fd, name, flags, Mode::from_raw_mode(0o600));
                drop(made.map_err(|error| self.io("made", name, error))?);
            }
        }
        flush(self, &self.path)
    }

    /// An error of the system with something in it.
    pub(super) fn io(
        &self,
        doing: &'static str,
        name: &str,
        error: impl Into<std::io::Error>,
    ) -> RecordError {
        let path = if name.is_empty() {
            self.path.clone()
        } else {
            self.path.join(name)
        };
        RecordError::io(doing, &path, error)
    }
}

/// Opens a directory that need not be nixmig's.
pub(super) fn open_directory(path: &Path) -> Result<OwnedFd, RecordError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map_err(|error| RecordError::io("opened", path, error))
}

/// Has what was made, renamed or removed in a directory on disk.
pub(super) fn flush(directory: &impl AsFd, path: &Path) -> Result<(), RecordError> {
    if !crate::fault::flushes() {
        return Ok(());
    }
    rustix::fs::fsync(directory).map_err(|error| RecordError::io("flushed", path, error))
}

/// A plain file with one name, of somebody who may be trusted.
pub(super) fn plain(path: &Path, stat: &Stat) -> Result<(), RecordError> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile if stat.st_nlink == 1 => trusted(path, stat),
        FileType::Symlink => Err(RecordError::Symlink(path.to_owned())),
        _ => Err(RecordError::Kind {
            path: path.to_owned(),
            what: "plain file of its own",
        }),
    }
}

/// Of root or of this user, and nobody else may write to it.
pub(super) fn trusted(path: &Path, stat: &Stat) -> Result<(), RecordError> {
    let path = || path.to_owned();
    if stat.st_uid != 0 && stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(RecordError::Owner {
            path: path(),
            uid: stat.st_uid,
        });
    }
    match stat.st_mode & 0o022 {
        0 => Ok(()),
        _ => Err(RecordError::Mode {
            path: path(),
            mode: stat.st_mode & 0o7777,
        }),
    }
}

/// Why no directory could be opened where something is.
pub(super) fn in_the_way(path: &Path) -> RecordError {
    let link = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
    match link {
        true => RecordError::Symlink(path.to_owned()),
        false => RecordError::Kind {
            path: path.to_owned(),
            what: "directory",
        },
    }
}
