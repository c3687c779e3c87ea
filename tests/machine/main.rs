//! Real machines: every scenario of `nixpkgs-patches/nixos/tests/migrations`, a NixOS test, and of `scenarios`, on a guest with its
//! own systemd, of each of the releases that count (252 and 257).
//!
//! Owns which scenarios are run and what they need; what happens in one is its own business, and how a guest is run that of
//! `tests/machine/driver`. Needs root and its tools; what cannot run says so, and with `CI` set fails.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail as a test does, and one that cannot run says so"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a scenario needs to run, by the names that `scripts/need` knows.
const TOOLS: [&str; 8] = [
    "nix",
    "systemd-nspawn",
    "debootstrap",
    "python3",
    "unshare",
    "nsenter",
    "mount",
    "mkfs.ext4",
];

/// One test for each scenario and each systemd, `SCENARIO::on_252` and `SCENARIO::on_257`.
macro_rules! scenarios {
    ($($name:ident)*) => {
        const LISTED: &[&str] = &[$(stringify!($name)),*];

        $(
            mod $name {
                #[test]
                fn on_252() {
                    super::run(stringify!($name), "252");
                }

                #[test]
                fn on_257() {
                    super::run(stringify!($name), "257");
                }
            }
        )*
    };
}

scenarios! {
    chain
    check
    container
    destructive
    executor
    failing
    first_contact
    gates
    guard
    kills
    order
    postgresql
    power
    read_only_etc
    rollback
    settings
    switch
    triggers
    unguarded
    waiting
    words
}

#[test]
fn every_scenario_is_listed() {
    let directories = [
        "nixpkgs-patches/nixos/tests/migrations",
        "tests/machine/scenarios",
    ];
    let mut there: Vec<String> = directories
        .into_iter()
        .map(|directory| Path::new(env!("CARGO_MANIFEST_DIR")).join(directory))
        .flat_map(|directory| directory.read_dir().expect("the directory of scenarios is there"))
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "nix"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.replace('-', "_")))
        .collect();
    there.sort();
    let mut listed = LISTED.to_vec();
    listed.sort_unstable();
    assert_eq!(
        listed, there,
        "`scenarios!` has one word for each file, in this order"
    );
}

fn run(scenario: &str, systemd: &str) {
    if let Some(missing) = missing(scenario) {
        assert!(
            std::env::var_os("CI").is_none(),
            "{missing}, and with CI set no test is skipped"
        );
        println!("skipped: {missing}");
        return;
    }

    // Nix refuses a store that is reached through a symbolic link.
    let target = std::fs::canonicalize(Path::new(env!("CARGO_TARGET_TMPDIR")).join(".."))
        .expect("cargo has made its target directory");
    let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machine/driver");
    let mut command = Command::new(driver);
    if scenario == "executor" {
        command.arg("--suite").arg(suite(&target));
    }
    let output = command
        .arg(scenario.replace('_', "-"))
        .args(["--systemd", systemd, "--nixmig", env!("CARGO_BIN_EXE_nixmig")])
        .arg("--target")
        .arg(target)
        .stdin(Stdio::null())
        .output()
        .expect("the driver can be run");
    assert!(
        output.status.success(),
        "{scenario} on systemd {systemd}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The library's own tests, as they were built along with this one.
fn suite(target: &Path) -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args([
            "test",
            "--locked",
            "--quiet",
            "--lib",
            "--no-run",
            "--message-format=json",
        ])
        .arg("--target-dir")
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if cfg!(feature = "faults") {
        cargo.args(["--features", "faults"]);
    }
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo.output().expect("cargo can be run");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said = String::from_utf8_lossy(&output.stdout);
    let program = said.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    program.expect("cargo says where the tests of the library are")
}

/// Why a scenario cannot be run here, if it cannot.
fn missing(scenario: &str) -> Option<String> {
    if ["kills", "power"].contains(&scenario) && !cfg!(feature = "faults") {
        return Some(
            "only a nixmig with the feature `faults` fails where it is told to: `make test` has it"
                .to_owned(),
        );
    }
    if !rustix::process::geteuid().is_root() {
        return Some("guests need root".to_owned());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    TOOLS
        .into_iter()
        .find(|tool| !places.iter().any(|place| place.join(tool).is_file()))
        .map(|tool| format!("guests need {tool}, which is not in PATH"))
}
