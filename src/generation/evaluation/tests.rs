//! Against a stand-in for Nix that says what a test wants it to say.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use super::*;

mod real;

/// A program in a directory of its own, which logs each of its calls as the line of its arguments.
pub(super) struct Program {
    pub(super) directory: tempfile::TempDir,
    path: PathBuf,
}

impl Program {
    /// `script` is what it does, in sh.
    pub(super) fn new(script: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("nix");
        let log = directory.path().join("calls");
        let text = format!(
            "#!/bin/sh\necho \"$*\" | tr '\\n' ' ' >> '{0}'\necho >> '{0}'\n{script}\n",
            log.display()
        );
        // Written elsewhere and moved: a file that another thread's child still has open for writing cannot be run.
        let written = std::process::Command::new("/bin/sh")
            .args(["-c", "printf %s \"$1\" > \"$2\"", "sh", &text])
            .arg(&path)
            .status();
        assert!(written.unwrap().success());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self { directory, path }
    }

    pub(super) fn reader<'a>(&'a self, options: &'a ReadOptions) -> Reader<'a> {
        Reader::new(&self.path, "x", options).unwrap()
    }

    pub(super) fn calls(&self) -> Vec<String> {
        let log = fs::read_to_string(self.directory.path().join("calls")).unwrap();
        log.lines().map(str::to_owned).collect()
    }
}

pub(super) fn host(reference: &str, attribute: &str) -> Evaluation {
    Evaluation {
        what: What::Flake {
            reference: reference.to_owned(),
            attribute: attribute.to_owned(),
        },
        inside: Vec::new(),
    }
}

pub(super) fn side<'a>(evaluation: &'a Evaluation, label: &'a str) -> Side<'a> {
    Side { evaluation, label }
}

const EMPTY: &str = r#"{"format":1,"release":"26.05","services":{},"programs":{}}"#;

#[test]
fn an_answer_becomes_a_generation() {
    let nix = Program::new(&format!("echo 'warning: dirty' >&2; echo '[{EMPTY}]'"));
    let options = ReadOptions::default();
    let evaluation = Evaluation {
        inside: vec![Inside::Container("web".to_owned())],
        ..host(".", "nixosConfigurations.atlas")
    };
    let generation = nix.reader(&options).read(side(&evaluation, ".#atlas")).unwrap();
    assert_eq!(generation.label, ".#atlas");
    assert_eq!(generation.kind, Kind::Evaluation);
    assert_eq!(
        generation.identity.as_deref(),
        Some(".#nixosConfigurations.\"atlas\"/containers/web")
    );
    assert_eq!(generation.release.value().unwrap().to_string(), "26.05");
    assert!(generation.notes.is_empty() && !generation.units_complete);
    assert_eq!(nix.calls().len(), 1);
}

#[test]
fn hosts_of_one_flake_share_a_process_and_others_do_not() {
    let options = ReadOptions::default();
    let nix = Program::new(&format!("echo '[{EMPTY},{EMPTY}]'"));
    let (old, new) = (host(".", "old"), host(".", "new"));
    let [old, new] = nix
        .reader(&options)
        .read_two(side(&old, "a"), side(&new, "b"))
        .unwrap();
    assert_eq!((old.label.as_str(), new.label.as_str()), ("a", "b"));
    assert_eq!(nix.calls().len(), 1);

    let nix = Program::new(&format!("echo '[{EMPTY}]'"));
    let (old, new) = (host("/old", "x"), host("/new", "x"));
    nix.reader(&options)
        .read_two(side(&old, "a"), side(&new, "b"))
        .unwrap();
    assert_eq!(nix.calls().len(), 2);
}

#[test]
fn the_status_counts_before_what_was_written() {
    let nix = Program::new(&format!("echo '[{EMPTY}]'; echo 'error: no' >&2; exit 1"));
    let evaluation = host(".", "atlas");
    let error = nix
        .reader(&ReadOptions::default())
        .read(side(&evaluation, ".#atlas"))
        .unwrap_err();
    assert_eq!(error.to_string(), "Nix could not evaluate `.#atlas`:\nerror: no");
    let help = miette::Diagnostic::help(&error).unwrap().to_string();
    assert!(
        help.contains("eval --json --read-only --apply … --no-write-lock-file -- .#nix"),
        "{help}"
    );
    assert_eq!(nix.calls().len(), 1);
}

#[test]
fn what_must_be_written_is_let_to_be_written_once_and_said() {
    let refuse = "echo \"error: path '/nix/store/x' is not valid\" >&2; exit 1";
    let nix = Program::new(&format!(
        "case $* in *--read-only*) {refuse} ;; esac; echo '[{EMPTY}]'"
    ));
    let evaluation = host(".", "atlas");
    let options = ReadOptions::default();
    let generation = nix.reader(&options).read(side(&evaluation, "x")).unwrap();
    assert_eq!(generation.notes.len(), 1);
    assert!(generation.notes[0].contains("store"));

    let nix = Program::new(refuse);
    let error = nix.reader(&options).read(side(&evaluation, "x")).unwrap_err();
    assert!(matches!(error, EvaluationError::Failed { .. }));
    assert_eq!(nix.calls().len(), 2);
}

#[test]
fn the_side_that_failed_is_named_also_in_a_shared_process() {
    let nix = Program::new(&format!(
        "case $* in *'\"bad\"'*) echo 'error: it is bad' >&2; exit 1 ;; esac; echo '[{EMPTY}]'"
    ));
    let options = ReadOptions::default();
    for reference in [".", "/elsewhere"] {
        let (good, bad) = (host(".", "good"), host(reference, "bad"));
        for (old, new) in [
            (side(&good, "good"), side(&bad, "bad")),
            (side(&bad, "bad"), side(&good, "good")),
        ] {
            let error = nix.reader(&options).read_two(old, new).unwrap_err();
            assert_eq!(
                error.to_string(),
                "Nix could not evaluate `bad`:\nerror: it is bad"
            );
        }
    }
}

#[test]
fn a_side_that_fails_does_not_wait_for_the_other() {
    let nix = Program::new("case $* in *'\"bad\"'*) exit 1 ;; esac; exec sleep 600");
    let (slow, bad) = (host("/a", "slow"), host("/b", "bad"));
    let options = ReadOptions::default();
    let begun = Instant::now();
    let error = nix
        .reader(&options)
        .read_two(side(&slow, "slow"), side(&bad, "bad"))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Nix could not evaluate `bad`:\nit said nothing and ended with exit status: 1"
    );
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[test]
fn it_is_said_where_there_is_no_nix() {
    let options = ReadOptions::default();
    let evaluation = host(".", "atlas");
    let reader = Reader::new(Path::new("no-such-nix-anywhere"), "x", &options).unwrap();
    let error = reader.read(side(&evaluation, ".#atlas")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`.#atlas` must be evaluated, and there is no `nix` in PATH"
    );
    let help = miette::Diagnostic::help(&error).unwrap().to_string();
    assert!(help.contains("nix-bin") && help.contains("closure"), "{help}");
}

#[test]
fn a_timeout_names_the_side_and_how_long() {
    let nix = Program::new("sleep 600");
    let options = ReadOptions {
        timeout: Some(Duration::from_millis(300)),
        ..ReadOptions::default()
    };
    let evaluation = host(".", "atlas");
    let error = nix
        .reader(&options)
        .read(side(&evaluation, ".#atlas"))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Nix was ended after 0.3 s while it evaluated `.#atlas`"
    );
}

/// Is run by the next test, in a process of its own.
#[test]
#[ignore = "is a part of another test"]
fn reads_two_until_a_signal() {
    let program = PathBuf::from(std::env::var_os("NIXMIG_TEST_NIX").unwrap());
    let options = ReadOptions::default();
    let reader = Reader::new(&program, "x", &options).unwrap();
    let (old, new) = (host("/a", "x"), host("/b", "x"));
    let error = reader.read_two(side(&old, "a"), side(&new, "b")).unwrap_err();
    crate::process::die_of(error.signal().unwrap());
}

#[test]
fn a_signal_ends_both_sides_and_then_nixmig() {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    let nix = Program::new("sleep 600 & echo \"$$ $!\" >> \"$0.begun\"; wait");
    let begun = nix.directory.path().join("nix.begun");
    let begun = || fs::read_to_string(&begun).unwrap_or_default();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "generation::evaluation::tests::reads_two_until_a_signal",
            "--ignored",
        ])
        .env("NIXMIG_TEST_NIX", &nix.path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let both = (0..1000).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        begun().lines().count() == 2
    });
    assert!(both, "the sides did not begin");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(2));
    assert!(begun().split_whitespace().all(crate::process::tests::is_gone));
}

#[test]
fn what_is_no_projection_is_said_with_its_side() {
    let options = ReadOptions::default();
    let evaluation = host(".", "atlas");
    for (written, problem) in [
        ("", "not JSON"),
        ("[]", "it speaks of 0 systems, and 1 were asked for"),
        (r#"[{"format":9}]"#, "`[0].format` is format 9"),
        (
            r#"[{"missing":"host","name":"atlas","there":["hermes","iris"]}]"#,
            "`.#atlas` is not there: the flake has no nixosConfigurations.\"atlas\"",
        ),
    ] {
        let nix = Program::new(&format!("echo '{written}'"));
        let error = nix
            .reader(&options)
            .read(side(&evaluation, ".#atlas"))
            .unwrap_err();
        let text = error.to_string();
        assert!(text.contains(".#atlas") && text.contains(problem), "{text}");
    }
}

#[test]
fn what_is_there_in_place_of_what_is_missing_is_listed() {
    let there = (0..30).map(|n| format!("h{n}")).collect();
    let error = EvaluationError::Missing {
        label: "x".to_owned(),
        missing: Missing {
            kind: MissingKind::Host,
            name: "y".to_owned(),
            there,
        },
    };
    let help = miette::Diagnostic::help(&error).unwrap().to_string();
    assert!(
        help.starts_with("There is `h0`, `h1`") && help.ends_with("`h19` and 10 more."),
        "{help}"
    );
}
