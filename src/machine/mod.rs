//! Looks at this machine: what it can start, what its record says, what its data bears witness of. What it saw goes to
//! [`plan::machine`](crate::plan::machine()), which decides.
//!
//! Writes nothing and runs nothing: whoever wants the `detect` scripts asked hands in who asks them.

mod backups;
mod bootable;
mod error;
mod facts;
mod guards;
mod host;
mod mounts;
mod runs;
mod state;
mod witness;

pub use backups::size;
pub use bootable::{Bootable, Bootables};
pub use error::MachineError;
pub use guards::{Starting, keeps};
pub use host::{Alive, Ask, Host, Options, Planned, Readable};
