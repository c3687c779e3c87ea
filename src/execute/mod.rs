//! Owns what changes state: the step engine, settling, backups, the scripts of steps (design §7, docs/execution.md).
//!
//! Walks the path that it is given and decides no order; knows no command line.

mod apart;
pub mod backup;
pub mod chain;
mod definition;
mod detect;
mod direct;
mod engine;
mod environment;
mod error;
pub mod follow;
mod guard;
mod lock;
pub mod occupancy;
pub mod privileges;
mod progress;
mod resume;
mod run;
mod script;
mod settle;
mod step;
mod undo;
pub mod units;

pub use apart::{Begun, Opened, Turn};
pub use definition::Known;
pub use detect::{Answer, detect};
pub use direct::DirectExecutor;
pub use engine::{Arrival, Engine, Walk};
pub use environment::{Told, environment};
pub use error::{Left, Named, Problem, WalkError};
pub use guard::{Guarding, Spoken, named};
pub use lock::{lock, lock_for_step};
pub use progress::{Happening, Progress, ProgressEvent, Silent, StepAt};
pub use resume::{Accepted, Assumption, BroughtBack, Said};
pub use script::{Ended, ExecuteError, Executor, ScriptError, ScriptJob, check};
pub use settle::{ATTEMPTS, Settled};

#[cfg(test)]
mod tests;
