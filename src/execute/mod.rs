//! Owns what changes state: the step engine, settling, backups, the scripts of steps (design §7, docs/execution.md).
//!
//! Walks the path that it is given and decides no order; knows no command line.

pub mod backup;
mod environment;
pub mod occupancy;
mod progress;

pub use environment::{Told, environment};
pub use progress::{Happening, Progress, ProgressEvent, Silent, StepAt};
