//! What nixmig talks about: versions, migrations, histories, generations. Types, parsing and validation of single values.
//!
//! Does no I/O of any kind and knows nothing of where a generation was read from or what is printed of it.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod digest;
mod generation;
mod history;
mod id;
mod known;
mod migration;
mod name;
mod program;
mod recorded;
mod unit_names;
mod version;

pub use digest::{Digest, DigestError, Digester};
pub use generation::{Generation, Kind, Release, ReleaseError, Service, UnitState};
pub use history::{DuplicateVersion, History};
pub use id::{Id, IdError, RecordId, RunId};
pub use known::{KnownService, known_by_unit, known_services};
pub use migration::{Action, Direction, Location, Migration, Part, Setting, Text, Unknown};
pub use name::{NameError, ServiceName, UnitName};
pub use program::{Program, compare_versions};
pub use recorded::{Applied, Backup, BackupBy, Block, Definition, How, OpenRun, Phase, Recorded, RunStep};
pub use unit_names::UnitNames;
pub use version::{Version, VersionError};
