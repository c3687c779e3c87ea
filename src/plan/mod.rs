//! From histories to a path: pure, total, deterministic (design §5). The same functions serve `diff`, where what is applied
//! is the old generation's history, and the machine, where it is the record's.
//!
//! Does no I/O of any kind, prints nothing, and never asks how a generation was read.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod finding;
mod types;

pub use finding::{Code, Finding, Severity};
pub use types::{Baseline, BaselineSource, Plan, Presence, ServicePlan, Step, StepId};
