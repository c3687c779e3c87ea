//! Owns how a file is opened and read: regular, of a bounded size, never waiting. Knows nothing of what is in it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// Why a file was not read. Whoever asked knows its name.
#[derive(Debug)]
pub(super) enum FileError {
    /// It could not be opened or read.
    Io(io::Error),
    /// A directory, a device or the like.
    NotAFile,
    /// It has more bytes than are read.
    TooLarge {
        /// How many it has, or how many were seen of one that grew.
        size: u64,
    },
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// How a file is opened to be read: opening a pipe would wait for its writer.
pub(super) const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// Reads a file of at most `limit` bytes.
pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let file = rustix::fs::open(path, FLAGS, Mode::empty()).map_err(io::Error::from)?;
    read_open(file.into(), limit)
}

/// Reads a file that was opened with [`FLAGS`], of at most `limit` bytes.
pub(super) fn read_open(file: File, limit: u64) -> Result<Vec<u8>, FileError> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(FileError::NotAFile);
    }
    if metadata.len() > limit {
        return Err(FileError::TooLarge { size: metadata.len() });
    }
    // One byte more than it should have, so that the end is seen without another allocation.
    let mut bytes = Vec::with_capacity(metadata.len() as usize + 1);
    file.take(limit + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 {
        size if size > limit => Err(FileError::TooLarge { size }),
        _ => Ok(bytes),
    }
}
