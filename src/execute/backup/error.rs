//! Owns what can go wrong with a backup, in words: what was being done, to which file, and what was left as it was.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// Why a backup was not made, not restored or not removed.
///
/// Whatever goes wrong while a backup is made leaves the state as it was; the unfinished backup can be removed. A restore that
/// stopped is finished by restoring again.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A system call failed.
    #[error("could not {doing} `{}`: {source}", shown(path))]
    Io {
        /// What was to be done, as a verb.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The disk filled up while something was written.
    #[error("no space is left where `{}` was to be written", shown(path))]
    Full {
        /// What was being written.
        path: PathBuf,
    },
    /// There is not enough space, found before anything was written.
    #[error(
        "the file system of `{}` has too little space: backup and restore need {} and {need_files} files, {} and {have_files} files are left",
        shown(at),
        size(*need), size(*have)
    )]
    Space {
        /// A directory of the file system.
        at: PathBuf,
        /// Bytes that are needed.
        need: u64,
        /// Bytes that are free.
        have: u64,
        /// Files that will be made.
        need_files: u64,
        /// Files that may be made.
        have_files: u64,
    },
    /// Somebody asked nixmig to stop.
    #[error("it was asked to stop")]
    Stopped,
    /// Something writes to the state while it is read.
    #[error("`{}` changed while it was read: something still writes to it", shown(path))]
    Changed {
        /// What changed.
        path: PathBuf,
    },
    /// There is something that cannot be backed up and brought back.
    #[error("`{}` {why}", shown(path))]
    Refused {
        /// What it is.
        path: PathBuf,
        /// What is wrong with it, to be read after its name.
        why: &'static str,
    },
    /// The backup is not there, not complete or not nixmig's.
    #[error("`{}` is not a complete backup: {why}", shown(path))]
    Incomplete {
        /// Where it was looked for.
        path: PathBuf,
        /// What is missing.
        why: String,
    },
}

impl BackupError {
    /// Makes an error of a failed call. For `map_err`.
    pub(super) fn io<E: Into<io::Error>>(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(E) -> Self {
        let path = path.into();
        move |error| Self::of(doing, path, error.into())
    }

    fn of(doing: &'static str, path: PathBuf, source: io::Error) -> Self {
        match Errno::from_io_error(&source) {
            Some(Errno::NOSPC | Errno::DQUOT) => Self::Full { path },
            _ => Self::Io { doing, path, source },
        }
    }

    pub(super) fn refused(path: impl Into<PathBuf>, why: &'static str) -> Self {
        Self::Refused {
            path: path.into(),
            why,
        }
    }
}

/// A path as a message shows it: nothing in it moves the cursor.
pub(super) fn shown(path: &Path) -> String {
    let mut text = String::new();
    for character in path.to_string_lossy().chars() {
        match character.is_control() {
            true => text.extend(character.escape_debug()),
            false => text.push(character),
        }
    }
    text
}

/// A number of bytes as people read it.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    // What is lost above 2^53 is far below the digit that is shown.
    #[allow(clippy::cast_precision_loss)]
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size(12), "12 bytes");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(8 << 30), "8.0 GiB");
    }

    #[test]
    fn a_path_does_not_move_the_cursor() {
        assert_eq!(shown(Path::new("/a\n\x1b[2J")), "/a\\n\\u{1b}[2J");
    }

    #[test]
    fn a_full_disk_is_told_apart() {
        let full = BackupError::io("write", "/a")(Errno::DQUOT);
        assert!(matches!(full, BackupError::Full { .. }), "{full}");
    }
}
