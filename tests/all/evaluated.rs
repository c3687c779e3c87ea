//! Bad input that Nix evaluates, and Nix that does not end: whose side it was, in Nix's own words, and no process is left.
//!
//! Nix's words differ from release to release, so that they are looked for in what is said, which is no snapshot.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::cli::{nixmig, nixmig_in};
use crate::fixtures::{Fixtures, fixtures};
use crate::input::seen;

/// Systems of the miniature NixOS, one for each module: the module's name is its attribute.
struct Systems {
    directory: tempfile::TempDir,
}

impl Systems {
    fn new(fixtures: &Fixtures, modules: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let base = fixtures.root().join("flake");
        let mut text = format!(
            "let\n  inherit (import {base}/test-fixtures {{ }}) lib;\n  system = module: import {base}/test-fixtures/nixos {{\n    \
             inherit lib;\n    release = \"25.05\";\n    modules = [ {base}/nixpkgs-patches/nixos/modules/system/migrations \
             {{ services.nixmig.enable = true; systemd.services.db.serviceConfig.ExecStart = \"/bin/true\"; }} module ];\n  }};\nin\n{{\n",
            base = base.display()
        );
        for (name, module) in modules {
            fs::write(directory.path().join(format!("{name}.nix")), module).unwrap();
            text.push_str(&format!("  {name} = system ./{name}.nix;\n"));
        }
        text.push_str("}\n");
        fs::write(directory.path().join("systems.nix"), text).unwrap();
        Self { directory }
    }

    fn diff(&self, fixtures: &Fixtures, old: &str, new: &str) -> (Option<i32>, String, String) {
        let output = nixmig_in(fixtures, &["diff", "--file", "systems.nix", old, new])
            .current_dir(self.directory.path())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }
}

#[test]
fn what_nix_refuses_is_said_in_its_own_words() {
    let Some(fixtures) = fixtures() else { return };
    let step = |version: &str, rest: &str| {
        format!("{{ migrations.db.steps.\"{version}\" = {{ up.script = \"true\"; {rest} }}; }}")
    };
    let (no_day, no_dashes) = (step("2023-02-30", ""), step("20230407", ""));
    let (no_version, wrong) = (step("", ""), step("2023-04-07", "down.script = 5;"));
    let modules = [
        (
            "good",
            "{ migrations.db.steps.\"2023-04-07\".up.script = \"true\"; }",
        ),
        ("throws", "{ migrations.db = throw \"line one\\nline two\"; }"),
        ("parses", "{ migrations.db = "),
        ("noday", &no_day),
        ("nodashes", &no_dashes),
        ("noversion", &no_version),
        ("wrong", &wrong),
        (
            "twice",
            "{ migrations.db = [ { version = \"2023-04-07\"; up.script = \"a\"; } { version = \"2023-04-07\"; up.script = \"b\"; } ]; }",
        ),
    ];
    let systems = Systems::new(fixtures, &modules);
    let (code, _, words) = systems.diff(fixtures, "good", "good");
    assert_eq!(code, Some(0), "{words}");
    for (name, expected) in [
        ("throws", "line two"),
        ("parses", "syntax error"),
        ("noday", "2023-02-30"),
        ("nodashes", "20230407"),
        ("noversion", "migrations.db"),
        ("wrong", "down.script"),
        ("twice", "systems.nix"),
        ("nobody", "nobody"),
    ] {
        for (side, old, new) in [("old", name, "good"), ("new", "good", name)] {
            let (code, report, words) = systems.diff(fixtures, old, new);
            assert_eq!((code, report.as_str()), (Some(1), ""), "{name}: {words}");
            let first = format!("  × the {side} generation, `{name}`, cannot be read\n");
            assert!(words.starts_with(&first), "{name}: {words}");
            if name != "twice" {
                assert!(words.contains(expected), "{name}: {words}");
            }
            // Nix's traces are of no use to whoever reads this.
            assert!(!words.contains("while evaluating"), "{name}: {words}");
        }
    }
    let (_, _, words) = systems.diff(fixtures, "good", "twice");
    let places = words.matches("twice.nix:1:").count();
    assert!(places >= 2, "both places are named: {words}");
}

#[test]
fn hosts_that_are_not_there() {
    let Some(fixtures) = fixtures() else { return };
    let flake = fixtures.flake();
    let root = fixtures.root().to_str().unwrap();
    for (name, old, new) in [
        ("no_host", "atlas-1", "atlsa"),
        ("no_host_but_attribute", "nixosConfigurations.nobody", "atlas-1"),
        ("no_specialisation", "hermes-3/specialisation/lean", "hermes-3"),
        ("no_container", "hermes-3", "hermes-3/containers/nobody"),
    ] {
        let (old, new) = (format!("{flake}#{old}"), format!("{flake}#{new}"));
        let mut command = nixmig_in(fixtures, &["diff", &old, &new]);
        insta::assert_snapshot!(name, seen(&mut command, &[(root, "")]));
    }
}

/// A directory with a `nix` that starts another process, writes down both, and never ends.
fn sleeper() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("nix");
    // Both ignore what they are asked: they must be killed.
    let text =
        "#!/bin/sh\ntrap '' INT TERM HUP\nsleep 300 &\necho $$ $! >> \"$0.pids\"\nwait\nwait\nsleep 300\n";
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

fn asleep(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = nixmig(arguments);
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
    command
        .env("PATH", path)
        .current_dir(directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The processes that were written down, once there are so many.
fn pids(directory: &Path, count: usize) -> Vec<Pid> {
    let file = directory.join("nix.pids");
    let start = Instant::now();
    loop {
        let text = fs::read_to_string(&file).unwrap_or_default();
        let pids: Vec<_> = text
            .split_whitespace()
            .filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
            .collect();
        if pids.len() >= count && text.ends_with('\n') {
            return pids;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{text}");
        sleep(Duration::from_millis(10));
    }
}

/// Nobody but the machine's first process may be left to reap them, so that a zombie counts as gone.
fn is_gone(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    match status {
        Ok(status) => status.rsplit(')').next().unwrap().trim_start().starts_with('Z'),
        Err(_) => test_kill_process(pid).is_err(),
    }
}

fn assert_gone(pids: &[Pid]) {
    let start = Instant::now();
    for &pid in pids {
        while !is_gone(pid) {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "{pid:?} is left behind"
            );
            sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn a_timeout_leaves_no_process_behind() {
    let directory = sleeper();
    let output = asleep(directory.path(), &["diff", "./a#x", "./b#y", "--timeout", "0.5"])
        .output()
        .unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("Nix was ended after 0.5 s"), "{words}");
    assert_gone(&pids(directory.path(), 2));
}

#[test]
fn a_signal_leaves_no_process_behind() {
    use std::os::unix::process::ExitStatusExt as _;

    for signal in [Signal::INT, Signal::TERM] {
        let directory = sleeper();
        let child = asleep(directory.path(), &["diff", "./a#x", "./b#y"])
            .spawn()
            .unwrap();
        // Two evaluations at once, with two processes each.
        let pids = pids(directory.path(), 4);
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.signal(), Some(signal.as_raw()), "{output:?}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
        assert_gone(&pids);
    }
}
