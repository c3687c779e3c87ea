//! Owns the talk with systemd: the one place that speaks D-Bus, and what nixmig is there: steps as transient units, units that are
//! stopped and started. Decides nothing: what systemd says is a hint to those who do.

mod connection;
mod executor;
mod manager;
mod message;
mod transient;
mod value;
mod wire;

pub use executor::SystemdExecutor;
pub use manager::{Manager, booted};
