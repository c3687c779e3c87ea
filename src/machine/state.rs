//! Owns the look at state directories: whether they are there, and whether they hold a file.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::execute::backup::OWN;
use crate::generation::closure::PathError;
use crate::generation::closure::root::Root;
use crate::generation::programs::store_paths;

/// What is at a state directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contents {
    /// Nothing.
    Missing,
    /// Directories without a regular file.
    NoFile,
    /// A regular file somewhere.
    Files,
}

/// Where a state directory really is, its links followed below the root; none where it is not there.
///
/// # Errors
///
/// Fails where it cannot be looked at.
pub(super) fn place(root: &Root, directory: &Path) -> Result<Option<PathBuf>, PathError> {
    match root.resolve(&root.locate(directory)?) {
        Ok(place) => Ok(Some(place)),
        Err(PathError::Absent { .. } | PathError::Dangling { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where a state directory is, or would be made: links are followed as far as there are any.
///
/// # Errors
///
/// Fails where it cannot be looked at, and where links lead in a circle.
pub(super) fn whereabouts(root: &Root, directory: &Path) -> Result<PathBuf, PathError> {
    let place = root.locate(directory)?;
    match root.resolve(&place) {
        Err(PathError::Absent { .. } | PathError::Dangling { .. }) => {}
        found => return found,
    }
    let (Some(parent), Some(name)) = (directory.parent(), directory.file_name()) else {
        return Ok(place);
    };
    let place = whereabouts(root, parent)?.join(name);
    match root.link(&place) {
        // It leads to what is not there: not in a circle, which is told above.
        Ok(Some(target)) => whereabouts(root, &root.inner(&place).with_file_name("").join(target)),
        Ok(None) | Err(_) => Ok(place),
    }
}

/// Looks for a regular file at a state directory. Links on the way are followed, but for those into the store: what lies
/// there is no state. Ends at the first file that is found.
///
/// # Errors
///
/// Fails where a directory cannot be listed before a file was found.
pub(super) fn contents(root: &Root, directory: &Path) -> Result<Contents, PathError> {
    let Some(top) = place(root, directory)? else {
        return Ok(Contents::Missing);
    };
    let io = |path: &Path| {
        let path = path.to_owned();
        move |problem| PathError::Io { path, problem }
    };
    if !top.is_dir() {
        let kind = std::fs::symlink_metadata(&top).map_err(io(&top))?;
        return Ok(match kind.is_file() {
            true => Contents::Files,
            false => Contents::NoFile,
        });
    }
    let mut seen = BTreeSet::new();
    let mut open = vec![top];
    while let Some(directory) = open.pop() {
        let about = match std::fs::symlink_metadata(&directory) {
            // It went away meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            about => about.map_err(io(&directory))?,
        };
        if !seen.insert((about.dev(), about.ino())) {
            continue;
        }
        let entries = match std::fs::read_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.map_err(io(&directory))?,
        };
        for entry in entries {
            let entry = entry.map_err(io(&directory))?;
            // Backups of nixmig's own, beside the state on its mount.
            if entry.file_name() == OWN {
                continue;
            }
            let kind = match entry.file_type() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                kind => kind.map_err(io(&entry.path()))?,
            };
            if kind.is_file() {
                return Ok(Contents::Files);
            }
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_symlink() {
                // A link that leads nowhere holds nothing.
                let Ok(there) = root.resolve(&entry.path()) else {
                    continue;
                };
                if store_paths(&there.to_string_lossy()).next().is_some() {
                    continue;
                }
                if there.is_file() {
                    return Ok(Contents::Files);
                }
                if there.is_dir() {
                    open.push(there);
                }
            }
        }
    }
    Ok(Contents::NoFile)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_to_what_is_not_there_yet() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::new(directory.path()).unwrap();
        let at = |path: &str| directory.path().join(path);
        let of = |path: &str| root.inner(&whereabouts(&root, Path::new(path)).unwrap());
        fs::create_dir_all(at("var/lib/private")).unwrap();
        fs::create_dir_all(at("disk")).unwrap();
        symlink("private/web", at("var/lib/web")).unwrap();
        symlink("/disk/gone", at("srv")).unwrap();
        symlink("/srv/../deep", at("var/lib/deep")).unwrap();
        symlink("b", at("a")).unwrap();
        symlink("a", at("b")).unwrap();
        for (path, place) in [
            ("/var/lib/web", "/var/lib/private/web"),
            ("/var/lib/web/sub/x", "/var/lib/private/web/sub/x"),
            ("/var/lib/none/x", "/var/lib/none/x"),
            ("/srv/db", "/disk/gone/db"),
            ("/disk", "/disk"),
            ("/", "/"),
        ] {
            assert_eq!(of(path), Path::new(place), "{path}");
        }
        assert!(whereabouts(&root, Path::new("/a/x")).is_err());
        fs::create_dir_all(at("disk/gone")).unwrap();
        assert_eq!(of("/var/lib/deep"), Path::new("/disk/deep"));
    }

    #[test]
    fn a_file_is_found_wherever_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::new(directory.path()).unwrap();
        let at = |path: &str| directory.path().join(path);
        let look = |path: &str| contents(&root, Path::new(path)).unwrap();
        assert_eq!(look("/db"), Contents::Missing);
        fs::create_dir_all(at("db/a/b")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("db/fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
        symlink("..", at("db/a/loop")).unwrap();
        symlink("/gone", at("db/dangling")).unwrap();
        let config = format!("nix/store/{}-config", "a".repeat(32));
        fs::create_dir_all(at("db/.nixmig/backups")).unwrap();
        fs::write(at("db/.nixmig/backups/x"), "").unwrap();
        fs::create_dir_all(at("nix/store")).unwrap();
        fs::write(at(&config), "").unwrap();
        symlink(format!("/{config}"), at("db/config")).unwrap();
        assert_eq!(look("/db"), Contents::NoFile);
        // DynamicUser's directories are links to `private/`.
        symlink("private/web", at("web")).unwrap();
        assert_eq!(look("/web"), Contents::Missing);
        fs::create_dir_all(at("private/web")).unwrap();
        assert_eq!(look("/web"), Contents::NoFile);
        fs::write(at("private/web/x"), "").unwrap();
        assert_eq!(look("/web"), Contents::Files);
        symlink("/private", at("db/out")).unwrap();
        assert_eq!(look("/db"), Contents::Files);
        assert_eq!(look("/private/web/x"), Contents::Files);
    }
}
