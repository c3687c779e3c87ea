//! Owns how what is wrong with a file of a closure is said; how it is read is [`crate::generation::file`]'s.

use std::path::Path;

use crate::generation::file::{self, FileError};

use super::error::ClosureError;

/// Reads a file of at most `limit` bytes.
pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ClosureError> {
    file::read(path, limit).map_err(|error| {
        let file = path.to_owned();
        match error {
            FileError::Io(problem) => ClosureError::Io { file, problem },
            FileError::NotAFile => ClosureError::NotAFile { file },
            FileError::TooLarge { size } => ClosureError::TooLarge { file, size, limit },
        }
    })
}
