//! The tests of several rooms at once, and of the command line as a whole, in one binary: it links once, and what is
//! expensive to make is shared.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "what helps a test may fail as a test does"
)]

mod backup;
mod built;
mod cli;
mod closure;
mod demeter;
mod derivation;
mod evaluated;
mod executor;
#[path = "../common/facts.rs"]
mod facts;
#[path = "../common/fixtures.rs"]
mod fixtures;
mod flake;
mod host;
#[path = "../common/images.rs"]
mod images;
mod input;
mod machine;
mod migrate;
mod postgresql;
mod record;
mod soak;
mod source;
mod text;
mod traced;
mod ways;
