//! Owns the hand-over: which program goes on where the record is of a format that this one does not know.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Place, RecordError};

/// Set for a program that was handed over to, so that it does not hand over again.
pub const HANDED_OVER: &str = "NIXMIG_HANDED_OVER";

/// The name of the link to the directory of the newest nixmig that ran here.
pub(super) const BIN: &str = "bin";

/// The program that goes on where this one cannot: the newest nixmig that ran on this machine, where the record is newer than
/// this one, and where this one was not handed over to itself. `environment` reads a variable of this process.
pub fn handover(error: &RecordError, environment: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    match error {
        RecordError::Newer { program, .. } if environment(HANDED_OVER).is_none() => program.clone(),
        _ => None,
    }
}

/// The newest nixmig that was kept, where it is what it must be: a program in a store that nobody but root writes to.
pub(super) fn kept(place: &Place) -> Option<PathBuf> {
    let program = fs::canonicalize(place.state_dir.join(BIN).join("nixmig")).ok()?;
    let object = store_object(&program)?;
    let below = program.ancestors().take_while(|path| path.starts_with(&object));
    let trusted = |path: &Path| {
        let metadata = fs::symlink_metadata(path);
        metadata.is_ok_and(|metadata| {
            let own = rustix::process::geteuid().as_raw();
            (metadata.uid() == 0 || metadata.uid() == own) && metadata.mode() & 0o022 == 0
        })
    };
    let runs =
        fs::metadata(&program).is_ok_and(|metadata| metadata.is_file() && metadata.mode() & 0o100 != 0);
    (runs && below.into_iter().all(trusted)).then_some(program)
}

/// The object of a store that a path is in: `/nix/store/HASH-NAME` of `/nix/store/HASH-NAME/bin/x`.
pub(super) fn store_object(path: &Path) -> Option<PathBuf> {
    let hashed = |name: &str| {
        let hash = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        name.len() > 33 && name.as_bytes()[32] == b'-' && name.bytes().take(32).all(hash)
    };
    let object = path.ancestors().find(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        let parent = path.parent().and_then(Path::file_name);
        name.is_some_and(hashed) && parent.is_some_and(|parent| parent == "store")
    })?;
    path.is_absolute().then(|| object.to_owned())
}
