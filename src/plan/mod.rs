//! From histories to a path: pure, total, deterministic (design §5). The same functions serve `diff`, where what is applied
//! is the old generation's history, and the machine, where it is the record's.
//!
//! Does no I/O of any kind, prints nothing, and never asks how a generation was read.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod blocked;
mod contact;
mod dangers;
mod diff;
mod finding;
mod lost;
mod machine;
mod order;
mod path;
mod programs;
mod service;
mod shared;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod trouble;
mod types;
mod unknown;
mod unmigrated;
mod words;

pub use contact::{Contact, Evidence, first_contact};
pub use diff::diff;
pub use finding::{Code, Finding, Severity};
pub use machine::{Acknowledged, Known, Machine, machine};
pub use path::{Move, Moves, path};
pub use programs::program_of;
pub use service::{Premise, plan_service};
pub use trouble::Trouble;
pub use types::{Baseline, BaselineSource, Plan, Presence, ServicePlan, Step, StepId};
