//! The machine's memory: the state directory, its database, locks and backups' home, GC roots, and the stamps on state
//! directories. The only writer of the state directory, but for what is in `backups/`. docs/record.md fixes the formats.
//!
//! Plans nothing and runs nothing.

mod copy;
mod database;
mod error;
mod event;
mod fold;
pub mod guards;
mod handover;
pub(crate) mod lasting;
mod lock;
mod log;
mod making;
mod parts;
mod place;
mod rebuild;
pub mod roots;
mod rows;
mod seal;
pub mod stamp;
mod tables;
mod text;
mod view;

pub use crate::model::RecordId;
pub use database::{Record, history, look};
pub use error::RecordError;
pub use event::Event;
pub use fold::EventError;
pub use handover::{HANDED_OVER, handover};
pub use lock::{Holder, LockError, RecordLock, ServiceLock, Wait, is_held, lock_record, lock_service};
pub use log::{Filter, Logged};
pub use parts::{Choice, Outcome, RunOutcome, StepPart, StepRecord, Way};
pub use place::Place;
pub use rebuild::{Rebuilding, rebuild};
pub use stamp::{Stamp, StampError};
pub use view::{Acknowledgement, Unmet, View};

/// A fresh id for a run.
///
/// # Errors
///
/// Fails where the kernel gives no random bytes.
pub fn new_run() -> Result<crate::model::RunId, std::io::Error> {
    Ok(crate::model::RunId::from_bytes(random()?))
}

/// Random bytes.
fn random<const N: usize>() -> Result<[u8; N], std::io::Error> {
    let mut bytes = [0; N];
    // Up to 256 bytes come whole.
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(bytes)
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
