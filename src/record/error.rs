//! Owns why the record cannot be read or written. Every message says what is wrong; what was left as it was follows from the
//! kind: nothing is changed by any of them, but for [`RecordError::Io`] in the middle of making something new.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::fold::EventError;
use super::tables::TableError;

/// The record cannot be read or written. Nothing of it was changed.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A link is where the record or something of it should be.
    #[error("`{}` is a symbolic link", .0.display())]
    Symlink(PathBuf),
    /// Something else is where a directory or a file should be.
    #[error("`{}` is no {what}", path.display())]
    Kind {
        /// Where.
        path: PathBuf,
        /// What should be there: `directory`, `plain file of its own`.
        what: &'static str,
    },
    /// It belongs to somebody else.
    #[error("`{}` belongs to user {uid}", path.display())]
    Owner {
        /// Where.
        path: PathBuf,
        /// Whose it is.
        uid: u32,
    },
    /// Others may write to it.
    #[error("others may write to `{}`: its mode is {mode:04o}", path.display())]
    Mode {
        /// Where.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It would be gone after the next boot.
    #[error("`{}` is on {filesystem}, which the next boot empties", path.display())]
    Memory {
        /// Where.
        path: PathBuf,
        /// `tmpfs` or `ramfs`.
        filesystem: &'static str,
    },
    /// The directory that it should be made in is not there.
    #[error("there is no directory to make `{}` in", .0.display())]
    NoParent(PathBuf),
    /// Other systems of the machine need not see it.
    #[error("`{}` is on an overlay that not every generation mounts", .0.display())]
    Overlaid(PathBuf),
    /// The file system is read-only.
    #[error("`{}` is on a file system that is read-only", .0.display())]
    ReadOnly(PathBuf),
    /// This user may not.
    #[error("`{}` is for root alone", .0.display())]
    Denied(PathBuf),
    /// The disk is full.
    #[error("there is no space left for `{}`", .0.display())]
    Full(PathBuf),
    /// Somebody else was writing all the time.
    #[error("`{}` is in use, and was all the time that was waited", .0.display())]
    Busy(PathBuf),
    /// What is there cannot be trusted.
    #[error("the record `{}` is broken: {why}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// It is a database of another program.
    #[error("`{}` is a database of something other than nixmig", .0.display())]
    Foreign(PathBuf),
    /// A newer nixmig wrote it.
    #[error("the record `{}` has format {format}, and this nixmig knows up to {known}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: i64,
        /// The newest that this program knows.
        known: i64,
        /// The newest nixmig that ran on this machine, where it was kept and may be trusted.
        program: Option<PathBuf>,
    },
    /// There is no record, where one is needed.
    #[error("there is no record `{}`", .0.display())]
    Absent(PathBuf),
    /// There is nothing to rebuild.
    #[error("the record `{}` is sound", .0.display())]
    Sound(PathBuf),
    /// There is no Nix store whose garbage collector could be told what to keep.
    #[error("there is no directory `{}`, in which Nix would look for what to keep", .0.display())]
    NoGcRoots(PathBuf),
    /// A path that should be kept is not in a store, or not there.
    #[error("`{0}` is not there to be kept from the garbage collector")]
    NotInStore(String),
    /// An event makes no sense where it stands.
    #[error("what happened cannot be recorded: {0}")]
    Event(#[from] EventError),
    /// The system says no.
    #[error("`{}` could not be {doing}", path.display())]
    Io {
        /// What was tried, as a participle: `opened`.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// SQLite says no.
    #[error("the record `{}` could not be used", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: rusqlite::Error,
    },
}

impl RecordError {
    /// An error of the system, by its kind.
    pub(super) fn io(doing: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly(path),
            io::ErrorKind::PermissionDenied => Self::Denied(path),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(path),
            _ => Self::Io { doing, path, source },
        }
    }

    /// An error of SQLite, by its kind.
    pub(super) fn sqlite(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match &source {
            rusqlite::Error::SqliteFailure(failure, message) => match failure.code {
                ErrorCode::DiskFull => Self::Full(path),
                ErrorCode::ReadOnly => Self::ReadOnly(path),
                ErrorCode::PermissionDenied => Self::Denied(path),
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy(path),
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
                    let why = message.clone().unwrap_or_else(|| failure.to_string());
                    Self::Corrupt { path, why }
                }
                // What this program asks for is sound, so the tables are not.
                _ if failure.extended_code == rusqlite::ffi::SQLITE_ERROR => {
                    let why = message.clone().unwrap_or_else(|| failure.to_string());
                    Self::Corrupt { path, why }
                }
                _ => Self::Sqlite { path, source },
            },
            // A row or a table that is not what this format has.
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::SqlInputError { .. } => Self::Corrupt {
                path,
                why: source.to_string(),
            },
            _ => Self::Sqlite { path, source },
        }
    }

    /// What is wrong with tables.
    pub(super) fn table(path: &Path, error: TableError) -> Self {
        match error {
            TableError::Sqlite(error) => Self::sqlite(path, error),
            TableError::Row(why) => Self::Corrupt {
                path: path.to_owned(),
                why,
            },
        }
    }
}
