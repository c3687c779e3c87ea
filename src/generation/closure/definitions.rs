//! Owns the definitions of a closure: the unit files of its gates, verbatim, as a machine keeps them and runs them.

use std::collections::BTreeMap;

use crate::generation::ReadOptions;
use crate::generation::gate;
use crate::generation::reference::Closure;
use crate::generation::units::{Entry, Units as _};
use crate::model::{Definition, ServiceName};

use super::root::Root;
use super::{ClosureError, Directory, toplevel};

/// What a closure declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definitions {
    /// Its toplevel, as a store path.
    pub toplevel: String,
    /// The definition of every service whose gate is there and not masked.
    pub services: BTreeMap<ServiceName, Definition>,
}

/// Reads the definitions of the generation that `closure` names.
///
/// # Errors
///
/// Fails as reading the generation does: where a link leads nowhere, what is there is no NixOS system, or a gate is not as
/// docs/formats.md says.
pub fn definitions(closure: &Closure, options: &ReadOptions) -> Result<Definitions, ClosureError> {
    let root = Root::new(&options.root)?;
    let system = toplevel::find(&root, closure, options)?;
    let directory = Directory::open(&root, &system)?;
    let toplevel = root.inner(&system).to_string_lossy().into_owned();
    let mut services = BTreeMap::new();
    for unit in directory.names() {
        let (Some(service), Some(Entry::Unit)) = (unit.gated_service(), directory.entry(unit)) else {
            continue;
        };
        let file = directory.text(unit)?;
        // An empty file is as good as a link to /dev/null, and a unit without our keys is somebody else's.
        if file.bytes.is_empty() || gate::read(&service, &file.file, &file.bytes)?.is_none() {
            continue;
        }
        let definition = Definition {
            unit: file.file,
            // What could be read as a gate is UTF-8.
            text: String::from_utf8_lossy(&file.bytes).into_owned(),
            generation: toplevel.clone(),
        };
        services.insert(service, definition);
    }
    Ok(Definitions { toplevel, services })
}
