//! Owns how the file system answers the one question that reading a reference asks.

use std::path::Path;

use super::closure::{self, ClosureError, PathError, UNITS, root::Root};
use super::reference::{Found, Look};

/// The file system. Closures and derivations are looked for below the root, all else where Nix would.
pub(super) struct Disk {
    root: Root,
}

impl Disk {
    pub(super) fn new(root: &Path) -> Result<Self, ClosureError> {
        Ok(Self {
            root: Root::new(root)?,
        })
    }

    /// What is below the root.
    fn below(&self, path: &Path) -> Found {
        // Below no other root the system itself follows links, and faster.
        if self.root.is_whole() && path.join(UNITS).is_dir() {
            return Found::Directory {
                system: true,
                flake: false,
                modules: false,
            };
        }
        let place = match self.root.locate(path).and_then(|place| self.root.resolve(&place)) {
            Ok(place) => place,
            Err(PathError::Absent { .. }) => return Found::Nothing,
            Err(_) => return Found::Broken,
        };
        if !place.is_dir() {
            return Found::File;
        }
        Found::Directory {
            system: closure::is_system(&self.root, &place),
            flake: false,
            modules: false,
        }
    }
}

impl Look for Disk {
    fn look(&self, path: &Path) -> Found {
        let below = self.below(path);
        let system = matches!(below, Found::Directory { system: true, .. });
        if !path.is_dir() {
            return match below {
                Found::Nothing if path.exists() => Found::File,
                below => below,
            };
        }
        Found::Directory {
            system,
            flake: path.join("flake.nix").exists(),
            modules: !system && has_modules(path),
        }
    }
}

fn has_modules(directory: &Path) -> bool {
    let names = std::fs::read_dir(directory).into_iter().flatten().flatten();
    names.into_iter().any(|entry| {
        Path::new(&entry.file_name())
            .extension()
            .is_some_and(|end| end == "nix")
    })
}
