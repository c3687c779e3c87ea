//! What nixmig says and ends with, whatever it is asked: stdout, stderr and exit code are snapshots.

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use crate::fixtures::Fixtures;

/// nixmig with nothing of the environment but what tests need: a width, and a home that is not there.
pub(crate) fn nixmig(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nixmig"));
    command
        .args(arguments)
        .env_clear()
        .env("COLUMNS", "100")
        .env("HOME", "/homeless-shelter")
        .env("LANG", "C.UTF-8")
        .stdin(Stdio::null());
    command
}

/// nixmig with what else Nix needs to work on the fixtures' store.
pub(crate) fn nixmig_in(fixtures: &Fixtures, arguments: &[&str]) -> Command {
    let mut command = nixmig(arguments);
    command.envs(fixtures.environment());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// Runs it, and writes down all that can be seen of it; `hidden` texts differ from run to run.
pub(crate) fn seen(command: &mut Command, hidden: &[(&str, &str)]) -> String {
    let output = command.output().unwrap();
    let mut seen = String::new();
    for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        let mut text = String::from_utf8(bytes.clone()).unwrap().replace('\x1b', "␛");
        for (hide, show) in hidden {
            text = text.replace(hide, show);
        }
        if !text.is_empty() {
            writeln!(seen, "── {name}\n{}", text.trim_end()).unwrap();
        }
    }
    match output.status.code() {
        Some(code) => writeln!(seen, "── exit {code}").unwrap(),
        None => writeln!(seen, "── {}", output.status).unwrap(),
    }
    seen
}

#[test]
fn help() {
    for (name, arguments) in [
        ("help", &["--help"][..]),
        ("help_short", &["-h"]),
        ("help_diff", &["diff", "--help"]),
        ("help_show_short", &["show", "-h"]),
        ("help_plan", &["plan", "--help"]),
        ("help_status_short", &["status", "-h"]),
        ("help_history", &["history", "--help"]),
        ("help_nothing", &[]),
        ("help_diff_nothing", &["diff"]),
    ] {
        insta::assert_snapshot!(name, seen(&mut nixmig(arguments), &[]));
    }
}

#[test]
fn usage() {
    for (name, arguments) in [
        ("usage_command", &["differ"][..]),
        ("usage_one_side", &["diff", "current"]),
        ("usage_format", &["diff", "a", "b", "--format", "xml"]),
        ("usage_service", &["diff", "a", "b", "--service", "a b"]),
        ("usage_timeout", &["show", "a", "--timeout", "soon"]),
    ] {
        insta::assert_snapshot!(name, seen(&mut nixmig(arguments), &[]));
    }
}

#[test]
fn version() {
    let seen = seen(&mut nixmig(&["--version"]), &[]);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(seen, format!("── stdout\nnixmig {version}\n── exit 0\n"));
}

#[test]
fn colours_are_where_they_are_wanted() {
    let coloured = |arguments: &[&str], variables: &[(&str, &str)]| {
        let output = nixmig(arguments)
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        output.stdout.contains(&0x1b) || output.stderr.contains(&0x1b)
    };
    let force = ("CLICOLOR_FORCE", "1");
    for arguments in [&["--help"][..], &["differ"], &["show", "/not-there"]] {
        assert!(!coloured(arguments, &[]), "not a terminal: {arguments:?}");
        assert!(coloured(arguments, &[force]), "forced: {arguments:?}");
        assert!(!coloured(arguments, &[("NO_COLOR", "1")]), "{arguments:?}");
        let without: Vec<_> = arguments.iter().copied().chain(["--no-color"]).collect();
        assert!(
            !coloured(&without, &[force]),
            "the option is stronger: {without:?}"
        );
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = nixmig(&["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap().as_str()
        ),
        (Some(0), "")
    );
}

#[test]
fn a_full_disk_is_an_error() {
    let full = match std::fs::OpenOptions::new().write(true).open("/dev/full") {
        Ok(full) => full,
        Err(error) => return println!("skipped: /dev/full: {error}"),
    };
    let seen = seen(nixmig(&["completions", "bash"]).stdout(full), &[]);
    insta::assert_snapshot!("full", seen);
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = nixmig(&["completions", shell]).output().unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success() && script.contains("exit-code"),
            "{shell}: {script}"
        );
    }
}

#[test]
fn manual_pages() {
    let directory = tempfile::tempdir().unwrap();
    let output = nixmig(&["man"]).arg(directory.path()).output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty());
    let mut pages: Vec<_> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|page| page.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();
    assert_eq!(
        pages,
        [
            "nixmig-check.1",
            "nixmig-completions.1",
            "nixmig-diff.1",
            "nixmig-forget.1",
            "nixmig-generations.1",
            "nixmig-history.1",
            "nixmig-man.1",
            "nixmig-migrate.1",
            "nixmig-plan.1",
            "nixmig-record-rebuild.1",
            "nixmig-record.1",
            "nixmig-resume.1",
            "nixmig-show.1",
            "nixmig-stamp.1",
            "nixmig-status.1",
            "nixmig.1"
        ]
    );
    let page = std::fs::read_to_string(directory.path().join("nixmig-diff.1")).unwrap();
    let rebuild = std::fs::read_to_string(directory.path().join("nixmig-record-rebuild.1")).unwrap();
    assert!(rebuild.contains(".TH nixmig-record-rebuild 1"), "{rebuild}");
    for words in [".TH nixmig-diff 1", "exit\\-code", "References to generations"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let printed = nixmig(&["man"]).output().unwrap().stdout;
    assert_eq!(printed, std::fs::read(directory.path().join("nixmig.1")).unwrap());
}

#[test]
fn a_directory_that_is_not_there() {
    insta::assert_snapshot!("man_nowhere", seen(&mut nixmig(&["man", "/not-there"]), &[]));
}

/// A machine made by hand: a profile of two systems, of which the first was booted and the second runs.
pub(crate) struct Machine {
    pub(crate) directory: tempfile::TempDir,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self::in_directory(&std::env::temp_dir())
    }

    /// The same, below a directory.
    pub(crate) fn in_directory(directory: &std::path::Path) -> Self {
        let machine = Self {
            directory: tempfile::tempdir_in(directory).unwrap(),
        };
        for (number, release) in [(1, "24.11"), (2, "25.05")] {
            machine.write(number, "nixos-version", release);
        }
        machine.link("run/booted-system", 1);
        machine.link("run/current-system", 2);
        for number in [1, 2] {
            machine.link(&format!("nix/var/nix/profiles/system-{number}-link"), number);
        }
        machine
    }

    /// A machine whose `db` goes up by two steps, one of them destructive, and whose `web` stays.
    fn with_steps() -> Self {
        let machine = Self::new();
        let step = |version: &str, keys: &str| format!("\n[X-Migration {version}]\n{keys}");
        let digest = format!("sha256:{}", "0".repeat(64));
        let script = |name: &str| format!("/nix/store/{}-{name}", "s".repeat(32));
        for (name, words) in [("up", "echo up\n"), ("down", "\x1b[8mecho down\n")] {
            machine.file(&script(name), words);
        }
        let up = format!("UpDigest={digest}\nUpScript={}\n", script("up"));
        let both = format!("{up}DownDigest={digest}\nDownScript={}\n", script("down"));
        let lost = r#"UpWarn="Rows are \u001b[2Jlost.\nReally.""#;
        let (first, second) = (step("2023-09-14", &both), step("2024-10-01", &both));
        let third = step("2025-04-01", &format!("{up}{lost}\n"));
        machine.service(1, "db", &first);
        machine.service(2, "db", &format!("{first}{second}{third}"));
        machine.service(1, "web", &first);
        machine.service(2, "web", &first);
        machine
    }

    pub(crate) fn system(number: u32) -> String {
        format!("nix/store/{}-nixos-system-atlas", number.to_string().repeat(32))
    }

    pub(crate) fn write(&self, number: u32, file: &str, text: &str) {
        self.file(&format!("{}/{file}", Self::system(number)), text);
    }

    pub(crate) fn file(&self, file: &str, text: &str) {
        let path = self.directory.path().join(file.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn link(&self, from: &str, number: u32) {
        let from = self.directory.path().join(from);
        std::fs::create_dir_all(from.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(format!("/{}", Self::system(number)), from).unwrap();
    }

    /// Adds a gate and the unit behind it.
    pub(crate) fn service(&self, number: u32, name: &str, sections: &str) {
        let gate = format!(
            "[Unit]\nX-Migration-Format=1\nX-Migration-Service={name}\nX-Migration-Units={name}.service\n\
             X-Migration-StateDirectories=[\"/var/lib/{name}\"]\n{sections}\n[Service]\nType=oneshot\nExecStart=/bin/true\n"
        );
        self.write(
            number,
            &format!("etc/systemd/system/migrate-{name}.service"),
            &gate,
        );
        let versions: Vec<_> = sections
            .lines()
            .filter_map(|line| line.strip_prefix("[X-Migration ")?.strip_suffix(']'))
            .collect();
        let unit = format!(
            "[Unit]\nRequires=migrate-{name}.service\nAfter=migrate-{name}.service\n\
             X-Migration-Versions={name} {}\n[Service]\nExecStart=/bin/true\n",
            versions.join(" ")
        );
        self.write(number, &format!("etc/systemd/system/{name}.service"), &unit);
    }

    pub(crate) fn nixmig(&self, arguments: &[&str]) -> Command {
        let mut command = nixmig(arguments);
        command.arg("--root").arg(self.directory.path());
        command
    }

    pub(crate) fn seen(&self, arguments: &[&str]) -> String {
        let root = self.directory.path().to_str().unwrap();
        seen(&mut self.nixmig(arguments), &[(root, "ROOT")])
    }
}

#[test]
fn diff_of_closures() {
    let machine = Machine::with_steps();
    for (name, arguments) in [
        ("diff_up", &["diff", "booted", "current"][..]),
        ("diff_down", &["diff", "2", "1", "--exit-code"]),
        ("diff_same", &["diff", "2", "2", "--exit-code"]),
        (
            "diff_scripts",
            &["diff", "2", "1", "--scripts", "--service", "db"],
        ),
        (
            "diff_service",
            &["diff", "1", "2", "--exit-code", "--service", "web"],
        ),
        ("diff_markdown", &["diff", "1", "2", "--format", "markdown"]),
        (
            "diff_json",
            &["diff", "1", "2", "--format", "json", "--exit-code"],
        ),
    ] {
        insta::assert_snapshot!(name, machine.seen(arguments));
    }
}

/// What programs read is the document alone, and as its schema has it.
#[test]
fn documents_are_as_their_schemas_have_it() {
    let machine = Machine::with_steps();
    let diff = include_str!("../../docs/schema/diff.schema.json");
    let show = include_str!("../../docs/schema/show.schema.json");
    for (schema, arguments) in [
        (diff, &["diff", "1", "2", "--format", "json"][..]),
        (diff, &["diff", "2", "1", "--format", "json", "--scripts"]),
        (show, &["show", "2", "--format", "json", "--scripts"]),
    ] {
        let schema = jsonschema::draft202012::new(&serde_json::from_str(schema).unwrap()).unwrap();
        let output = machine.nixmig(arguments).output().unwrap();
        let document = serde_json::from_slice(&output.stdout).unwrap();
        if let Err(error) = schema.validate(&document) {
            panic!("{arguments:?}: {}: {error}", error.instance_path());
        }
    }
}

#[test]
fn show_of_a_closure() {
    let machine = Machine::with_steps();
    for (name, arguments) in [
        ("show", &["show", "2"][..]),
        ("show_service", &["show", "2", "--service", "web"]),
        ("show_json", &["show", "1", "--format", "json"]),
    ] {
        insta::assert_snapshot!(name, machine.seen(arguments));
    }
}

#[test]
fn machines_without_migrations_have_nothing_to_do() {
    let machine = Machine::new();
    for number in [1, 2] {
        machine.write(number, "etc/systemd/system/x.service", "[Service]\n");
    }
    insta::assert_snapshot!("diff_nothing", machine.seen(&["diff", "1", "2"]));
}

#[test]
fn errors_say_what_failed_and_what_to_do() {
    let machine = Machine::with_steps();
    machine.write(
        1,
        "etc/systemd/system/migrate-db.service",
        "[Unit]\nX-Migration-Format=1\nX-Migration-Service=db\n\n[X-Migration 2023-02-30]\nUpScript=/x\n",
    );
    for (name, arguments) in [
        ("error_number", &["diff", "2", "7"][..]),
        ("error_nothing", &["diff", "nowhere", "2"]),
        ("error_hostile", &["show", "\x1b[2J\n$(x)"]),
        ("error_gate", &["diff", "2", "1"]),
        (
            "error_service",
            &["diff", "2", "2", "--service", "web", "--service", "dbs"],
        ),
    ] {
        insta::assert_snapshot!(name, machine.seen(arguments));
    }
}

/// The whole report is written or none: a reader that takes the first line ends nothing in noise.
#[test]
fn a_report_to_a_closed_pipe_keeps_its_exit_code() {
    let machine = Machine::with_steps();
    let mut child = machine
        .nixmig(&["diff", "1", "2", "--exit-code"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(3), &b""[..])
    );
}

#[test]
fn a_narrow_terminal() {
    let machine = Machine::with_steps();
    let mut command = machine.nixmig(&["diff", "1", "2"]);
    let root = machine.directory.path().to_str().unwrap();
    insta::assert_snapshot!(
        "diff_narrow",
        seen(command.env("COLUMNS", "60"), &[(root, "ROOT")])
    );
}

/// Ctrl-C while an evaluation runs: nixmig dies of it without a word, and nothing that it started stays.
#[test]
fn an_interrupt_leaves_no_child_behind() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::ExitStatusExt as _;
    use std::time::Duration;

    let directory = tempfile::tempdir().unwrap();
    let (nix, pids) = (directory.path().join("nix"), directory.path().join("pids"));
    let script = format!(
        "#!/bin/sh\nsleep 600 &\necho $$ $! > {0}.new\nmv {0}.new {0}\nwait\n",
        pids.display()
    );
    std::fs::write(&nix, script).unwrap();
    std::fs::set_permissions(&nix, std::fs::Permissions::from_mode(0o755)).unwrap();

    let child = nixmig(&["diff", ".#atlas", ".#atlas"])
        .env("PATH", format!("{}:/usr/bin:/bin", directory.path().display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let wait = |done: &dyn Fn() -> bool| {
        (0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            done()
        })
    };
    assert!(wait(&|| pids.exists()), "no evaluation began");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.signal(), output.stdout, output.stderr),
        (Some(2), Vec::new(), Vec::new())
    );
    for pid in std::fs::read_to_string(&pids).unwrap().split_whitespace() {
        let gone = || {
            let ps = Command::new("ps")
                .args(["-o", "stat=", "-p", pid])
                .output()
                .unwrap();
            // One that is dead may not have been reaped yet by whoever inherited it.
            ps.stdout.is_empty() || ps.stdout.starts_with(b"Z")
        };
        assert!(wait(&gone), "{pid} is left behind");
    }
}
