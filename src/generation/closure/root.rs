//! Owns how paths are followed below a root directory: absolute links lead below it, and nothing leads out.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

#[cfg(target_os = "linux")]
use rustix::fs::{Mode, ResolveFlags};

#[cfg(target_os = "linux")]
use crate::generation::file;

/// How many links are followed, as Linux does.
const MAX_LINKS: usize = 40;

/// A root directory.
#[derive(Debug)]
pub(crate) struct Root {
    directory: PathBuf,
    /// What was looked at, and its target where it is a link: the store's directory is met with every unit, and a unit more
    /// than once. Hashed as bytes, not by components.
    seen: RefCell<HashMap<OsString, Option<PathBuf>>>,
}

/// A link and what it points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The link.
    pub from: PathBuf,
    /// Its target, as it stands there.
    pub to: PathBuf,
}

/// Why a path leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    /// Nothing is there.
    #[error("{} is not there", path.display())]
    Absent {
        /// The path.
        path: PathBuf,
    },
    /// A link, or the last of several, points to what is not there.
    #[error("{} is a dangling link: {}", path.display(), chain(links, missing))]
    Dangling {
        /// The path.
        path: PathBuf,
        /// The links that were followed, in order.
        links: Vec<Link>,
        /// What is not there.
        missing: PathBuf,
    },
    /// Links that lead back to themselves, or too many.
    #[error("{} leads in a circle of links: {}", path.display(), circle(links))]
    Loop {
        /// The path.
        path: PathBuf,
        /// The links, each once, in order.
        links: Vec<Link>,
    },
    /// The system's own words.
    #[error("cannot look at {}: {problem}", path.display())]
    Io {
        /// Where it happened.
        path: PathBuf,
        /// The words.
        problem: io::Error,
    },
}

fn chain(links: &[Link], missing: &Path) -> String {
    format!("{}, and {} is not there", circle(links), missing.display())
}

fn circle(links: &[Link]) -> String {
    let links: Vec<_> = links
        .iter()
        .map(|link| format!("{} -> {}", link.from.display(), link.to.display()))
        .collect();
    links.join(", ")
}

impl Root {
    /// The root at `directory`, whose own links are followed as everywhere.
    pub(crate) fn new(directory: &Path) -> Result<Self, PathError> {
        match std::fs::canonicalize(directory) {
            Ok(directory) => Ok(Self {
                directory,
                seen: RefCell::default(),
            }),
            Err(problem) => Err(PathError::Io {
                path: directory.to_owned(),
                problem,
            }),
        }
    }

    /// Whether this is `/`, so that links lead where they lead for every program.
    pub(crate) fn is_whole(&self) -> bool {
        self.directory.as_os_str() == "/"
    }

    /// Where a path is that the user named: below the root where it is absolute, else below the current directory.
    pub(crate) fn locate(&self, path: &Path) -> Result<PathBuf, PathError> {
        match path.strip_prefix("/") {
            Ok(below) => Ok(self.directory.join(below)),
            Err(_) => std::path::absolute(path).map_err(|problem| PathError::Io {
                path: path.to_owned(),
                problem,
            }),
        }
    }

    /// What a place below the root is called from inside.
    pub(crate) fn inner(&self, place: &Path) -> PathBuf {
        if self.is_whole() {
            return place.to_owned();
        }
        match place.strip_prefix(&self.directory) {
            Ok(below) => Path::new("/").join(below),
            Err(_) => place.to_owned(),
        }
    }

    /// Whether a resolved place is the root's `/dev/null`; it need not exist.
    pub(crate) fn is_null(&self, place: &Path) -> bool {
        place
            .strip_prefix(&self.directory)
            .is_ok_and(|below| below == Path::new("dev/null"))
    }

    /// The target of a link as it stands there; none of what is there and no link. The system is asked once.
    pub(crate) fn link(&self, place: &Path) -> io::Result<Option<PathBuf>> {
        if let Some(seen) = self.seen.borrow().get(place.as_os_str()) {
            return Ok(seen.clone());
        }
        let target = match std::fs::read_link(place) {
            Ok(target) => Some(target),
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INVAL.raw_os_error()) => None,
            Err(error) => return Err(error),
        };
        self.seen.borrow_mut().insert(place.into(), target.clone());
        Ok(target)
    }

    /// Follows all links of a place that [`Self::locate`] gave, and says what it really is: it exists, and no part of it
    /// is a link.
    pub(crate) fn resolve(&self, place: &Path) -> Result<PathBuf, PathError> {
        let mut ahead = Vec::new();
        let mut at = self.enter(place, &mut ahead);
        // The links whose targets are being followed, and how many steps will be ahead once they have been.
        let mut links: Vec<Link> = Vec::new();
        let mut beyond = 0;
        let mut hops = 0;
        while let Some(step) = ahead.pop() {
            if ahead.len() < beyond {
                links.clear();
            }
            if step == ".." {
                if at != self.directory {
                    at.pop();
                }
                continue;
            }
            let next = at.join(step);
            match self.link(&next) {
                Ok(None) => at = next,
                Ok(Some(target)) => {
                    let link = Link {
                        from: next,
                        to: target,
                    };
                    if hops == MAX_LINKS {
                        return Err(PathError::Loop {
                            path: place.to_owned(),
                            links,
                        });
                    }
                    hops += 1;
                    if links.is_empty() {
                        beyond = ahead.len();
                    }
                    if ahead.is_empty() && link.to == Path::new("/dev/null") {
                        return Ok(self.directory.join("dev/null"));
                    }
                    match link.to.strip_prefix("/") {
                        Ok(below) => at = self.enter(&self.directory.join(below), &mut ahead),
                        Err(_) => push(&mut ahead, &link.to),
                    }
                    if !links.contains(&link) {
                        links.push(link);
                    }
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                    ) =>
                {
                    let path = place.to_owned();
                    return Err(match links.is_empty() {
                        true => PathError::Absent { path },
                        false => PathError::Dangling {
                            path,
                            links,
                            missing: next,
                        },
                    });
                }
                Err(problem) => return Err(PathError::Io { path: next, problem }),
            }
        }
        Ok(at)
    }

    /// Opens what a link's `target` names, where the system can tell at once that no other link is on the way, and says what
    /// it really is, as [`Self::resolve`] would: so it is with what Nix makes.
    #[cfg(target_os = "linux")]
    pub(crate) fn open_straight(&self, target: &Path) -> Option<(PathBuf, File)> {
        let below = target.strip_prefix("/").ok()?;
        let unusual = |pair: &[u8]| matches!(pair, b"//" | b"/.");
        if target == Path::new("/dev/null") || target.as_os_str().as_bytes().windows(2).any(unusual) {
            return None;
        }
        let place = self.directory.join(below);
        let straight = ResolveFlags::NO_SYMLINKS;
        let file = rustix::fs::openat2(rustix::fs::CWD, &place, file::FLAGS, Mode::empty(), straight).ok()?;
        Some((place, file.into()))
    }

    /// Elsewhere no system can tell.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn open_straight(&self, _target: &Path) -> Option<(PathBuf, File)> {
        None
    }

    /// How far a place is known to go without links; the steps from there are put ahead.
    fn enter(&self, place: &Path, ahead: &mut Vec<OsString>) -> PathBuf {
        let seen = self.seen.borrow();
        let root = match place.starts_with(&self.directory) {
            true => self.directory.as_path(),
            false => Path::new("/"),
        };
        let plain = |place: &Path| matches!(seen.get(place.as_os_str()), Some(None));
        let mut known = place.ancestors().skip(1);
        let Some(known) = known.find(|&known| plain(known) || known.as_os_str() == root.as_os_str()) else {
            push(ahead, place.strip_prefix(root).unwrap_or(Path::new("")));
            return root.to_owned();
        };
        // The text of a place begins with that of what it is in.
        let below = &place.as_os_str().as_bytes()[known.as_os_str().len()..];
        push(ahead, Path::new(OsStr::from_bytes(below)));
        known.to_owned()
    }
}

/// Puts a path's steps before those that are ahead.
fn push(ahead: &mut Vec<OsString>, path: &Path) {
    ahead.extend(path.components().rev().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    }));
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree() -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::new(directory.path()).unwrap();
        (directory, root)
    }

    fn resolve(root: &Root, path: &str) -> Result<PathBuf, PathError> {
        let resolved = root.resolve(&root.locate(Path::new(path))?)?;
        Ok(root.inner(&resolved))
    }

    #[test]
    fn absolute_links_stay_below_the_root() {
        let (directory, root) = tree();
        let at = |path: &str| directory.path().join(path);
        fs::create_dir_all(at("store/a/etc")).unwrap();
        fs::create_dir_all(at("run")).unwrap();
        symlink("/store/a", at("run/system")).unwrap();
        symlink("../../../../run/system", at("store/up")).unwrap();
        symlink("/dev/null", at("store/a/masked")).unwrap();
        for path in [
            "/run/system/etc",
            "/store/up/etc",
            "/../../store/./up/etc/",
            "/run/system/etc/../etc",
        ] {
            assert_eq!(resolve(&root, path).unwrap(), Path::new("/store/a/etc"), "{path}");
        }
        let null = root.resolve(&at("run/system/masked")).unwrap();
        assert!(root.is_null(&null) && !null.exists());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn only_a_target_without_links_on_the_way_is_opened_at_once() {
        let (_directory, root) = tree();
        let at = |path: &str| root.directory.join(path);
        fs::create_dir_all(at("store/a")).unwrap();
        fs::create_dir_all(at("dev")).unwrap();
        fs::write(at("store/a/unit"), "words").unwrap();
        fs::write(at("dev/null"), "").unwrap();
        symlink("/store/a", at("b")).unwrap();
        symlink("/store/a/unit", at("straight")).unwrap();
        let (place, file) = root.open_straight(Path::new("/store/a/unit")).unwrap();
        assert_eq!(place, root.resolve(&at("straight")).unwrap());
        assert_eq!(std::io::read_to_string(file).unwrap(), "words");
        let outside = tempfile::NamedTempFile::new().unwrap();
        for target in [
            "/straight",
            "/b/unit",
            "/store/../store/a/unit",
            "/store/./a/unit",
            "/store//a/unit",
            "store/a/unit",
            "/dev/null",
            "/gone",
            outside.path().to_str().unwrap(),
        ] {
            assert!(root.open_straight(Path::new(target)).is_none(), "{target}");
        }
    }

    #[test]
    fn dangling_links_and_circles_name_each_link() {
        let (directory, root) = tree();
        let at = |path: &str| directory.path().join(path);
        symlink("b", at("a")).unwrap();
        symlink("/gone/x", at("b")).unwrap();
        symlink("two", at("one")).unwrap();
        symlink("/one", at("two")).unwrap();
        fs::write(at("file"), "").unwrap();
        let words = |path: &str| {
            let words = resolve(&root, path).unwrap_err().to_string();
            words.replace(root.directory.to_str().unwrap(), "R")
        };
        assert_eq!(
            words("/a/c"),
            "R/a/c is a dangling link: R/a -> b, R/b -> /gone/x, and R/gone is not there"
        );
        assert_eq!(
            words("/one"),
            "R/one leads in a circle of links: R/one -> two, R/two -> /one"
        );
        symlink("file", at("whole")).unwrap();
        assert_eq!(words("/whole/x"), "R/whole/x is not there");
        assert_eq!(words("/file/x"), "R/file/x is not there");
        assert_eq!(words("/none"), "R/none is not there");
    }

    #[test]
    fn a_long_chain_of_links_is_followed_as_far_as_linux_does() {
        let (directory, root) = tree();
        let at = |number: usize| directory.path().join(format!("{number}"));
        fs::write(at(0), "").unwrap();
        for number in 1..=41 {
            symlink(at(number - 1).file_name().unwrap(), at(number)).unwrap();
        }
        assert_eq!(resolve(&root, "/40").unwrap(), Path::new("/0"));
        assert!(matches!(resolve(&root, "/41"), Err(PathError::Loop { .. })));
    }

    #[test]
    fn names_are_bytes() {
        let (directory, root) = tree();
        let name = "a b\n\"$(touch x)'\\";
        symlink("target", directory.path().join(name)).unwrap();
        fs::write(directory.path().join("target"), "").unwrap();
        assert_eq!(resolve(&root, &format!("/{name}")).unwrap(), Path::new("/target"));
    }
}
