//! Owns where source text comes from: a directory tree on disk. Lists and reads; knows nothing of Nix.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::generation::file::{self, FileError};

/// The longest file that is read, in bytes. The longest of nixpkgs has half of it.
pub(super) const LONGEST: u64 = 32 << 20;

/// Files by their paths.
pub(super) trait Tree: Sync {
    /// What a path is.
    ///
    /// # Errors
    ///
    /// Fails where the path is there and cannot be looked at.
    fn kind(&self, path: &Path) -> io::Result<Option<Kind>>;

    /// The `.nix` files below a directory, in a stable order.
    ///
    /// # Errors
    ///
    /// Fails where a directory cannot be listed.
    fn nix_files(&self, directory: &Path) -> io::Result<Vec<PathBuf>>;

    /// The bytes of a file.
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be read, and where it is longer than [`LONGEST`].
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// What a file is called in messages.
    fn name(&self, path: &Path) -> String;
}

/// What is read of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
}

/// The file system.
pub(super) struct Disk;

impl Tree for Disk {
    fn kind(&self, path: &Path) -> io::Result<Option<Kind>> {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Ok(Some(Kind::Directory)),
            Ok(metadata) if metadata.is_file() => Ok(Some(Kind::File)),
            Ok(_) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is neither a file nor a directory",
            )),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn nix_files(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        walk(directory, &mut files)?;
        Ok(files)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        file::read(path, LONGEST).map_err(|error| match error {
            FileError::Io(error) => error,
            FileError::NotAFile => io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"),
            FileError::TooLarge { size } => too_long(size),
        })
    }

    fn name(&self, path: &Path) -> String {
        path.display().to_string()
    }
}

/// Adds the files below a directory in the order of their paths. Linked directories are not entered, so there is no way round
/// in circles.
fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if !is_skipped(&name) {
            entries.push((name, entry.file_type()?));
        }
    }
    entries.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    for (name, kind) in entries {
        let path = directory.join(name);
        if kind.is_dir() {
            walk(&path, files)?;
        } else if is_nix(&path) && (kind.is_file() || kind.is_symlink() && path.is_file()) {
            files.push(path);
        }
    }
    Ok(())
}

/// No files at all.
pub(super) struct Nothing;

impl Tree for Nothing {
    fn kind(&self, _: &Path) -> io::Result<Option<Kind>> {
        Ok(None)
    }

    fn nix_files(&self, _: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }

    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn name(&self, path: &Path) -> String {
        path.display().to_string()
    }
}

/// # Errors
///
/// Fails where a file of so many bytes is not read.
pub(super) fn check_length(length: u64) -> io::Result<()> {
    match length > LONGEST {
        true => Err(too_long(length)),
        false => Ok(()),
    }
}

fn too_long(length: u64) -> io::Error {
    let message = format!("it has {length} bytes, and no more than {LONGEST} are read");
    io::Error::new(io::ErrorKind::FileTooLarge, message)
}

/// Whether a directory's entry is passed over: hidden, or named as the links are that `nix build` leaves.
pub(super) fn is_skipped(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    let is_result = bytes == b"result" || bytes.starts_with(b"result-");
    bytes.starts_with(b".") || is_result && !is_nix(Path::new(name))
}

pub(super) fn is_nix(path: &Path) -> bool {
    path.extension() == Some(OsStr::new("nix"))
}

/// A path from the directory of another, with `.` and `..` resolved by their letters, as Nix does.
pub(super) fn resolve(directory: &Path, path: &str) -> PathBuf {
    let mut resolved = if path.starts_with('/') {
        PathBuf::from("/")
    } else {
        directory.to_owned()
    };
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => resolved.push(name),
            Component::ParentDir => match resolved.components().next_back() {
                Some(Component::Normal(_)) => {
                    resolved.pop();
                }
                Some(Component::RootDir) => {}
                _ => resolved.push(".."),
            },
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    resolved
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn paths_are_resolved_by_their_letters() {
        for (directory, path, resolved) in [
            ("hosts/a", "./b.nix", "hosts/a/b.nix"),
            ("hosts/a", "../b.nix", "hosts/b.nix"),
            ("hosts/a", "../../../b.nix", "../b.nix"),
            ("", "./b.nix", "b.nix"),
            ("..", "../b.nix", "../../b.nix"),
            ("/a", "../../b.nix", "/b.nix"),
            ("a", "/b/./c.nix", "/b/c.nix"),
        ] {
            assert_eq!(
                resolve(Path::new(directory), path),
                Path::new(resolved),
                "{directory} {path}"
            );
        }
    }

    #[test]
    fn a_walk_takes_nix_files_and_never_goes_in_circles() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["a", "a/.git", "result-1"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        for name in [
            "b.nix",
            "a/c.nix",
            "a/.git/d.nix",
            "result-1/e.nix",
            "f.txt",
            ".g.nix",
        ] {
            fs::write(at(name), "{ }").unwrap();
        }
        symlink(directory.path(), at("a/loop")).unwrap();
        symlink(at("nowhere"), at("dangling.nix")).unwrap();
        symlink("b.nix", at("linked.nix")).unwrap();
        symlink("me.nix", at("me.nix")).unwrap();
        fs::create_dir(at("directory.nix")).unwrap();
        let found = Disk.nix_files(directory.path()).unwrap();
        assert_eq!(found, ["a/c.nix", "b.nix", "linked.nix"].map(at));
    }

    #[test]
    fn a_file_that_is_too_long_is_not_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(LONGEST + 1).unwrap();
        let error = Disk.read(file.path()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert!(Disk.read(Path::new("/")).is_err());
        assert!(Disk.kind(Path::new("/dev/null")).is_err());
    }
}
