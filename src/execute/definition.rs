//! Owns a definition that is understood: the gate's unit file as it is kept, and what it says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::generation::gate::{self, Gate, GateError, GateProblem};
use crate::model::{Definition, ServiceName, UnitName, Version};

/// A definition with what its text says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// As it is kept.
    pub definition: Definition,
    /// What it says.
    pub gate: Gate,
}

impl Known {
    /// Understands a definition.
    ///
    /// # Errors
    ///
    /// Fails where its text is no gate's, as docs/formats.md has it.
    pub fn read(service: &ServiceName, definition: Definition) -> Result<Self, Box<GateError>> {
        match gate::read(service, &definition.unit, definition.text.as_bytes())? {
            Some(gate) => Ok(Self { definition, gate }),
            None => Err(Box::new(GateError {
                file: definition.unit,
                line: 1,
                span: 0..0,
                section: None,
                text: None,
                problem: GateProblem::Missing("X-Migration-Format"),
            })),
        }
    }

    /// The store directory of its generation: scripts are run from nowhere else.
    pub fn store(&self) -> Option<&Path> {
        Path::new(&self.definition.generation).parent()
    }

    /// The state directories, as they are declared.
    pub fn directories(&self) -> &[String] {
        let directories = self.gate.service.state_directories.value();
        directories.map_or(&[], Vec::as_slice)
    }

    /// The state directories, as they are declared and where links lead from there, as far as that is there.
    pub fn places(&self) -> impl Iterator<Item = PathBuf> {
        let declared = self.directories().iter().map(PathBuf::from);
        declared.flat_map(|path| [resolved(&path), path])
    }

    /// The units that wait for the gate.
    pub fn units(&self) -> impl Iterator<Item = &UnitName> {
        self.gate.service.units.value().into_iter().flatten()
    }

    /// The store path of the package whose data the state is.
    pub fn package(&self) -> Option<&str> {
        self.gate.service.package.value()?.path.as_deref()
    }

    /// Whether its history has all of these versions, so that its downs undo them.
    pub fn has_all(&self, versions: &[Version]) -> bool {
        self.gate.service.history.contains_all(versions)
    }
}

/// The units of several definitions.
pub(super) fn units<'k>(known: impl IntoIterator<Item = &'k Known>) -> BTreeSet<UnitName> {
    known.into_iter().flat_map(Known::units).cloned().collect()
}

/// Where the links of a path lead; names that are not there stay as they are.
fn resolved(path: &Path) -> PathBuf {
    let mut above = path.ancestors();
    let there = above.find_map(|above| Some((above, above.canonicalize().ok()?)));
    match there.and_then(|(above, place)| Some(place.join(path.strip_prefix(above).ok()?))) {
        // Joining nothing leaves a slash at the end.
        Some(place) => place.components().collect(),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_as_far_as_they_lead() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("disk")).unwrap();
        symlink("disk", root.join("link")).unwrap();
        for (path, place) in [
            ("link", "disk"),
            ("link/new/one", "disk/new/one"),
            ("disk", "disk"),
        ] {
            assert_eq!(
                resolved(&root.join(path)).as_os_str(),
                root.join(place).as_os_str()
            );
        }
    }
}
