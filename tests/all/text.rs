//! What an operator reads before a switch, of pairs of generations that each have something to tell.

use crate::cli::{nixmig_in, seen};
use crate::fixtures::{Fixtures, fixtures};

/// The length of the hash in the name of a store path.
const HASH: usize = 32;

/// What nixmig says of generations of a host's profile.
fn said(fixtures: &Fixtures, host: &str, arguments: &[&str]) -> String {
    let mut command = nixmig_in(fixtures, arguments);
    command.arg("--profile").arg(fixtures.profile(host));
    let root = fixtures.root().to_str().unwrap();
    without_hashes(&seen(&mut command, &[(root, "")]))
}

/// `/store/HASH-name` as `/store/…-name`.
fn without_hashes(text: &str) -> String {
    let mut parts = text.split("/store/");
    let mut shown = parts.next().unwrap().to_owned();
    for part in parts {
        let name = part.get(HASH..).filter(|name| name.starts_with('-'));
        shown.push_str("/store/");
        shown.push_str(&name.map_or_else(|| part.to_owned(), |name| format!("…{name}")));
    }
    shown
}

/// A name, the host, and the generations that are compared.
const PAIRS: [(&str, &str, &str, &str); 12] = [
    ("up", "atlas", "3", "4"),
    ("cumulative", "hermes", "2", "3"),
    ("stranded", "hermes", "3", "4"),
    ("diverged", "atlas", "4", "5"),
    ("out_of_order_and_edited", "atlas", "5", "6"),
    ("gained_and_lost", "atlas", "6", "7"),
    ("masked", "atlas", "7", "8"),
    ("unmigrated", "iris", "1", "2"),
    ("late_adoption", "atlas", "1", "2"),
    ("emptied", "hermes", "5", "6"),
    ("container", "hermes", "2/containers/wiki", "3/containers/wiki"),
    ("specialisation", "hermes", "3", "3/specialisation/maintenance"),
];

#[test]
fn pairs_that_tell_something() {
    let Some(fixtures) = fixtures() else { return };
    for (name, host, old, new) in PAIRS {
        insta::assert_snapshot!(name, said(fixtures, host, &["diff", old, new]));
    }
}

#[test]
fn one_service_with_its_scripts() {
    let Some(fixtures) = fixtures() else { return };
    let arguments = ["diff", "5", "6", "--scripts", "--service", "inventory"];
    insta::assert_snapshot!("scripts", said(fixtures, "atlas", &arguments));
}

#[test]
fn a_generation_by_itself() {
    let Some(fixtures) = fixtures() else { return };
    for (name, host, generation) in [
        ("show_masked", "atlas", "8"),
        ("show_rich", "hermes", "5"),
        ("show_undeclared", "iris", "4"),
    ] {
        insta::assert_snapshot!(name, said(fixtures, host, &["show", generation]));
    }
}

#[test]
fn a_comment_on_a_pull_request() {
    let Some(fixtures) = fixtures() else { return };
    let arguments = ["diff", "4", "5", "--format", "markdown"];
    insta::assert_snapshot!("markdown", said(fixtures, "atlas", &arguments));
}

#[test]
fn steps_and_refusals_are_exit_codes_when_asked_for() {
    let Some(fixtures) = fixtures() else { return };
    for (old, new, code) in [("3", "4", 3), ("7", "8", 4), ("1", "2", 0)] {
        let mut command = nixmig_in(fixtures, &["diff", old, new, "--exit-code"]);
        let output = command
            .arg("--profile")
            .arg(fixtures.profile("atlas"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{old} {new}");
    }
}
