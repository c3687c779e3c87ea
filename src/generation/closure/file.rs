//! Owns how what is wrong with a file of a closure is said; how it is read is [`crate::generation::file`]'s.

use std::fs::File;
use std::path::Path;

use crate::generation::file::{self, FileError};

use super::error::ClosureError;

/// Reads a file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ClosureError> {
    file::read(path, limit).map_err(|error| said(path, limit, error))
}

/// Reads an open file of at most `limit` bytes.
pub(super) fn read_open(path: &Path, open: File, limit: u64) -> Result<Vec<u8>, ClosureError> {
    file::read_open(open, limit).map_err(|error| said(path, limit, error))
}

fn said(path: &Path, limit: u64, error: FileError) -> ClosureError {
    let file = path.to_owned();
    match error {
        FileError::Io(problem) => ClosureError::Io { file, problem },
        FileError::NotAFile => ClosureError::NotAFile { file },
        FileError::TooLarge { size } => ClosureError::TooLarge { file, size, limit },
    }
}
