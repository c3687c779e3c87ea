//! nixmig does for the state of NixOS services what Nix does for their programs (NixOS RFC 0155).
//!
//! Data flows one way: a reference is read into a [`model::Generation`], two of them give a [`plan::Plan`], and the plan is
//! reported or executed. docs/ARCHITECTURE.md has the map and the invariants.

pub mod execute;
pub mod fault;
pub mod generation;
pub mod machine;
pub mod migrate;
pub mod model;
pub mod plan;
pub mod process;
pub mod record;
pub mod report;
pub mod systemd;

#[cfg(test)]
mod fuzzing;
