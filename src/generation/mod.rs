//! Reads a reference into a [`Generation`](crate::model::Generation), whichever of the four sources it names (design §4).
//!
//! Reads only: no command of nixmig's that goes through here creates or changes anything. Never plans.

pub mod closure;
pub mod derivation;
mod dispatch;
mod error;
pub mod evaluation;
mod file;
pub mod gate;
mod look;
pub mod programs;
pub mod reference;
mod release;
mod scripts;
pub mod source;
pub mod unit_file;
pub mod units;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use dispatch::{look_for, read, read_closure, read_pair};
pub use error::{PairError, ReadError, Side};
pub use reference::{Reference, ReferenceError};

/// What a reader is asked for, besides the reference.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// Another root directory: `current`, profiles, store paths and absolute symlinks are read below it.
    pub root: PathBuf,
    /// The profile whose generations numbers name.
    pub profile: PathBuf,
    /// Whether the words of scripts are wanted.
    pub scripts: bool,
    /// How long an evaluation may take; none is as long as it likes.
    pub timeout: Option<Duration>,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            root: PathBuf::from("/"),
            profile: PathBuf::from("/nix/var/nix/profiles/system"),
            scripts: false,
            timeout: Some(Duration::from_secs(600)),
        }
    }
}

/// Understands what the user calls a generation (see [`reference`]); `file` is that of `--file`.
///
/// # Errors
///
/// Fails where the word has no reading, or more than one, and where the root is not there.
pub fn understand(text: &OsStr, file: Option<&Path>, options: &ReadOptions) -> Result<Reference, ReadError> {
    let disk = look::Disk::new(&options.root)?;
    Ok(Reference::parse(text, file, &disk)?)
}
