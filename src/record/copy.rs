//! Owns private copies of the database, for reading what a writer that died left in the middle.

use std::fs;
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::place::{JOURNAL, RECORD, StateDir};
use super::{RecordError, RecordId, random};

/// Where private copies are made: the first of these that can be written to.
const SCRATCH: [&str; 2] = ["/run", "/tmp"];

/// A directory that is removed with all that is in it.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Where the copy of the database is.
    pub(super) fn record(&self) -> PathBuf {
        self.0.join(RECORD)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is in a directory for root alone.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Copies the database with its journal to a private directory, where the journal can be rolled back.
///
/// Whoever rolls the original back at the same time only ever writes what the journal holds, and removes the journal at the
/// end. So the two are of one moment as long as the journal is the same before and after.
pub(super) fn copy(dir: &StateDir) -> Result<Scratch, RecordError> {
    let scratch = scratch()?;
    for _ in 0..10 {
        let before = contents(dir, JOURNAL)?;
        let database = contents(dir, RECORD)?;
        let after = contents(dir, JOURNAL)?;
        if before != after {
            continue;
        }
        for (name, bytes) in [(RECORD, database), (JOURNAL, before)] {
            let path = scratch.0.join(name);
            if let Some(bytes) = bytes {
                fs::write(&path, bytes).map_err(|error| RecordError::io("written", &path, error))?;
            }
        }
        return Ok(scratch);
    }
    Err(RecordError::Busy(dir.path.join(RECORD)))
}

pub(super) fn contents(dir: &StateDir, name: &str) -> Result<Option<Vec<u8>>, RecordError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mut file = match rustix::fs::openat(dir, name, flags, Mode::empty()) {
        Ok(file) => fs::File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(dir.io("opened", name, error)),
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)
        .map_err(|error| dir.io("read", name, error))?;
    Ok(Some(bytes))
}

fn scratch() -> Result<Scratch, RecordError> {
    let name = || {
        let bytes = random::<16>()?;
        Ok(format!("nixmig-{}", RecordId::from_bytes(bytes)))
    };
    let mut failed = None;
    for parent in SCRATCH {
        let parent = Path::new(parent);
        let made = name().and_then(|name| {
            let path = parent.join(name);
            fs::DirBuilder::new().mode(0o700).create(&path).map(|()| path)
        });
        match made {
            Ok(path) => return Ok(Scratch(path)),
            Err(error) => failed = Some(RecordError::io("written to", parent, error)),
        }
    }
    Err(failed.unwrap_or_else(|| RecordError::Denied(PathBuf::from(SCRATCH[0]))))
}
