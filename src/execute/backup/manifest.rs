//! Owns what a backup says of itself: `manifest.json`, written when everything else is on disk, so that one that is there means a
//! backup that is whole. Format 1.

use std::ffi::CStr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::at;
use super::error::BackupError;

/// The file's name.
const NAME: &CStr = c"manifest.json";

/// The format that this nixmig writes and reads.
const FORMAT: u32 = 1;

/// Larger than any manifest: a few lines for every state directory and mount.
const LIMIT: u64 = 1 << 20;

/// What is in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Manifest {
    pub(super) format: u32,
    /// Files of every kind, directories too, that were copied one by one: none of a snapshot.
    pub files: u64,
    /// Bytes of data in them, without holes.
    pub bytes: u64,
    /// How it was made.
    pub method: Method,
    /// The state directories, in the order in which they are stored.
    pub directories: Vec<Stored>,
}

/// How data came into a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Shared with the state until either changes.
    Reflink,
    /// As a snapshot of a btrfs subvolume.
    Snapshot,
    /// Copied, all of it or some.
    Copy,
}

/// One state directory in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Stored {
    /// As the service declares it.
    pub declared: String,
    /// Where it is, without links.
    pub path: String,
    /// What is mounted that has its name: where.
    pub mount: String,
    /// What the declared path said, where it is a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// What was there.
    pub was: Was,
}

/// What a state directory was when it was backed up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum Was {
    /// It was not there.
    Absent,
    /// It was a directory.
    #[serde(rename_all = "kebab-case")]
    Directory {
        /// Its name in the backup.
        stored: String,
        /// Whether it is the root of a mount or of a subvolume, which cannot be swapped as a whole.
        root: Root,
        /// Mounts in it whose files are in the backup, relative.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        mounts: Vec<String>,
        /// Subvolumes in it, relative.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        subvolumes: Vec<String>,
        /// Mounts in it that hold no state, read-only or in memory, relative. They are not in the backup.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left_out: Vec<String>,
    },
}

/// What a directory is to its file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Root {
    /// A directory like any other.
    No,
    /// Where a mount is.
    Mount,
    /// A subvolume of btrfs.
    Subvolume,
}

impl Manifest {
    pub(super) fn new(directories: Vec<Stored>, method: Method, files: u64, bytes: u64) -> Self {
        Self {
            format: FORMAT,
            files,
            bytes,
            method,
            directories,
        }
    }

    /// Writes it into a backup whose data are on disk.
    pub(super) fn write(&self, spot: impl AsFd, path: &Path) -> Result<(), BackupError> {
        write(spot, path, NAME, self)
    }

    /// Reads it from a backup.
    pub(super) fn read(spot: impl AsFd, path: &Path) -> Result<Self, BackupError> {
        let incomplete = |why: &str| BackupError::Incomplete {
            path: path.to_owned(),
            why: why.to_owned(),
        };
        let manifest: Self = read(spot, path, NAME)?.ok_or_else(|| incomplete("it has no manifest"))?;
        match manifest.format {
            FORMAT => Ok(manifest),
            _ => Err(incomplete(
                "its manifest is of another format, made by a newer nixmig",
            )),
        }
    }
}

/// Takes the manifest away, durably: what is left is no backup, whatever else of it is removed.
pub(super) fn forget(spot: impl AsFd, path: &Path) -> Result<(), BackupError> {
    match fs::unlinkat(&spot, NAME, fs::AtFlags::empty()) {
        Ok(()) => at::flush(spot),
        Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(error),
    }
    .map_err(BackupError::io("remove", full(path, NAME)))
}

/// Writes a small file whole or not at all, and has it on disk.
pub(super) fn write(
    directory: impl AsFd,
    path: &Path,
    name: &CStr,
    value: &impl Serialize,
) -> Result<(), BackupError> {
    let full = full(path, name);
    let mut text = serde_json::to_vec_pretty(value).map_err(BackupError::io("write", &full))?;
    text.push(b'\n');
    let new = [name.to_bytes(), b".new\0"].concat();
    let new = CStr::from_bytes_with_nul(&new).map_err(|_| rustix::io::Errno::INVAL);
    let new = new.map_err(BackupError::io("write", &full))?;
    let made = match fs::unlinkat(&directory, new, fs::AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => at::make_file(&directory, new),
        Err(error) => Err(error),
    };
    let file = made.map_err(BackupError::io("make", &full))?;
    let mut left = text.as_slice();
    while !left.is_empty() {
        let count = rustix::io::write(&file, left).map_err(BackupError::io("write", &full))?;
        left = &left[count..];
    }
    at::flush(&file)
        .and_then(|()| fs::renameat(&directory, new, &directory, name))
        .and_then(|()| at::flush(&directory))
        .map_err(BackupError::io("write", &full))
}

/// Reads a small file, if it is there.
pub(super) fn read<T: DeserializeOwned>(
    directory: impl AsFd,
    path: &Path,
    name: &CStr,
) -> Result<Option<T>, BackupError> {
    let full = full(path, name);
    let incomplete = |why: String| BackupError::Incomplete {
        path: path.to_owned(),
        why,
    };
    let file = match at::open_file(&directory, name) {
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        opened => opened.map_err(BackupError::io("open", &full))?,
    };
    let seen = at::look(&file).map_err(BackupError::io("look at", &full))?;
    let name = name.to_string_lossy();
    if !at::kind(&seen).is_file() || !at::is_own(&seen) || seen.stx_size > LIMIT {
        return Err(incomplete(format!("nixmig did not write its {name}")));
    }
    let text = std::io::read_to_string(std::fs::File::from(file)).map_err(BackupError::io("read", &full))?;
    let value = serde_json::from_str(&text).map_err(|error| incomplete(format!("its {name}: {error}")))?;
    Ok(Some(value))
}

fn full(path: &Path, name: &CStr) -> PathBuf {
    path.join(name.to_string_lossy().as_ref())
}
