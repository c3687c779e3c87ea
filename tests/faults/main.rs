//! The promise under fire: every named point of a step × what can go wrong there × both directions × the file systems that
//! back up in different ways. After each the state is on what the record says, whole, and the next call finishes.
//!
//! Needs the feature `faults`, root, loop devices, and the tools of ext4, XFS and btrfs; what cannot run says so, and with
//! `CI` set fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "what helps a test may fail as a test does"
)]

#[cfg(feature = "faults")]
mod cases;
#[cfg(feature = "faults")]
mod disks;
#[cfg(feature = "faults")]
#[path = "../common/images.rs"]
mod images;
#[cfg(feature = "faults")]
mod matrix;
#[cfg(feature = "faults")]
mod world;

#[cfg(not(feature = "faults"))]
#[test]
fn faults() {
    let ci = std::env::var_os("CI").is_some();
    assert!(
        !ci,
        "with CI set no test is skipped: run `make test`, which turns the feature `faults` on"
    );
    println!("skipped: the fault matrix needs `--features faults`: `make test` has it");
}
