//! Owns a definition that is understood: the gate's unit file as it is kept, and what it says.

use std::collections::BTreeSet;
use std::path::Path;

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
