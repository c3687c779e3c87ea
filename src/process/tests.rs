use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use super::*;

fn shell(script: &str) -> Request {
    Request {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        directory: None,
        timeout: Some(Duration::from_secs(60)),
        stdout_limit: 1 << 20,
    }
}

fn run(request: &Request) -> Result<Output, ProcessError> {
    Supervisor::new().unwrap().run(request)
}

/// Whether a process is no more, or dead and not yet reaped by whoever inherited it.
pub(crate) fn is_gone(pid: &str) -> bool {
    let pid = pid.trim();
    assert!(
        !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit()),
        "{pid:?}"
    );
    let state = || {
        let output = Command::new("ps")
            .args(["-o", "stat=", "-p", pid])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    (0..100).any(|_| {
        let gone = state().is_empty() || state().starts_with('Z');
        if !gone {
            thread::sleep(Duration::from_millis(20));
        }
        gone
    })
}

/// A child that ignores SIGTERM, and the file that it writes its number to.
fn stubborn(directory: &Path) -> (String, PathBuf) {
    let file = directory.join("pid");
    let script = format!(
        "(trap '' TERM; echo $(exec sh -c 'echo $PPID') > {0}.new; mv {0}.new {0}; sleep 600 & wait; sleep 600) &\n\
         while ! test -e {0}; do sleep 0.01; done\n",
        file.display()
    );
    (script, file)
}

#[test]
fn gives_what_was_written_and_how_it_ended() {
    let output = run(&shell("printf out; printf err >&2; exit 3")).unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!((&*output.stdout, &*output.stderr), (&b"out"[..], &b"err"[..]));
    let output = run(&shell("kill -9 $$")).unwrap();
    assert_eq!(output.status.signal(), Some(9));
}

#[test]
fn arguments_are_not_read_by_a_shell() {
    let odd = "$(exit 9) `x` 'a' \"b\" \\ * \n ; ${IFS}";
    let request = Request {
        program: "printf".into(),
        arguments: vec!["%s".into(), odd.into()],
        ..shell("")
    };
    assert_eq!(run(&request).unwrap().stdout, odd.as_bytes());
    assert_eq!(
        request.display(),
        "printf %s '$(exit 9) `x` '\\''a'\\'' \"b\" \\ * \n ; ${IFS}'"
    );
}

#[test]
fn reads_both_streams_at_once_and_keeps_the_end_of_errors() {
    let script =
        "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); printf '%0200d' $i >&2; printf '%0100d' $i; done";
    let output = run(&shell(script)).unwrap();
    assert_eq!(output.stdout.len(), 300_000);
    assert_eq!(output.stderr.len(), STDERR_KEPT);
    assert!(output.stderr.ends_with(b"03000"));
}

#[test]
fn missing_programs_and_directories_are_told_apart() {
    let request = Request {
        program: "no-such-program-anywhere".into(),
        ..shell("")
    };
    assert!(matches!(run(&request), Err(ProcessError::NotFound)));
    let request = Request {
        directory: Some("/no/such/directory".into()),
        ..shell("")
    };
    assert!(matches!(run(&request), Err(ProcessError::Io(_))));
}

#[test]
fn a_timeout_ends_the_whole_group() {
    let directory = tempfile::tempdir().unwrap();
    let (script, file) = stubborn(directory.path());
    let begun = Instant::now();
    let request = Request {
        timeout: Some(Duration::from_millis(500)),
        ..shell(&format!("{script} sleep 600"))
    };
    let error = run(&request).unwrap_err();
    assert!(matches!(error, ProcessError::TimedOut(_)), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert!(is_gone(&std::fs::read_to_string(file).unwrap()));
}

#[test]
fn a_process_left_behind_is_ended_and_said() {
    let directory = tempfile::tempdir().unwrap();
    let (script, file) = stubborn(directory.path());
    let error = run(&shell(&script)).unwrap_err();
    assert!(matches!(error, ProcessError::LeftBehind), "{error:?}");
    assert!(is_gone(&std::fs::read_to_string(file).unwrap()));
}

#[test]
fn too_much_output_ends_it() {
    let request = Request {
        stdout_limit: 10_000,
        ..shell("while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyy; done")
    };
    assert!(matches!(run(&request), Err(ProcessError::TooMuch(10_000))));
    let request = Request {
        stdout_limit: 3,
        ..shell("printf abc")
    };
    assert_eq!(run(&request).unwrap().stdout, b"abc");
}

#[test]
fn what_fails_ends_what_runs_beside_it() {
    let supervisor = Supervisor::new().unwrap();
    thread::scope(|scope| {
        let other = scope.spawn(|| supervisor.run(&shell("exec sleep 600")));
        thread::sleep(Duration::from_millis(50));
        supervisor.cancel();
        assert!(matches!(other.join().unwrap(), Err(ProcessError::Cancelled)));
    });
    assert!(matches!(
        supervisor.run(&shell("true")),
        Err(ProcessError::Cancelled)
    ));
}

#[test]
fn what_wants_the_terminal_is_ended() {
    // As the terminal does to whoever reads from it in the background.
    let error = run(&shell("kill -TTIN 0; exec sleep 600")).unwrap_err();
    assert!(matches!(error, ProcessError::WantedTerminal), "{error:?}");
    // Whoever else stops it may let it go on.
    let output = run(&shell(
        "(sleep 0.2; kill -CONT $$) & kill -STOP $$; wait; printf on",
    ))
    .unwrap();
    assert_eq!(output.stdout, b"on");
}

/// Is run by the next test, in a process of its own.
#[test]
#[ignore = "is a part of another test"]
fn runs_until_a_signal() {
    let script = std::env::var("NIXMIG_TEST_SCRIPT").unwrap();
    match run(&shell(&script)) {
        Err(ProcessError::Interrupted(signal)) => die_of(signal),
        Ok(_) => thread::sleep(Duration::from_secs(600)),
        Err(error) => panic!("{error:?}"),
    }
}

/// Runs a script in another nixmig and, when the script has made the file, sends that a signal. Gives what it died of.
fn signalled(script: &str, file: &Path, signal: Signal) -> Option<i32> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "process::tests::runs_until_a_signal",
            "--ignored",
            "--nocapture",
        ])
        .env("NIXMIG_TEST_SCRIPT", script)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = (0..1000).any(|_| {
        thread::sleep(Duration::from_millis(20));
        file.exists()
    });
    assert!(begun, "the script did not begin");
    rustix::process::kill_process(Pid::from_child(&child), signal).unwrap();
    child.wait().unwrap().signal()
}

#[test]
fn a_signal_ends_the_group_and_then_nixmig() {
    let check = |signal: Signal| {
        let directory = tempfile::tempdir().unwrap();
        let (script, file) = stubborn(directory.path());
        let died = signalled(&format!("{script} sleep 600"), &file, signal);
        assert_eq!(died, Some(signal.as_raw()));
        assert!(is_gone(&std::fs::read_to_string(file).unwrap()));
    };
    thread::scope(|scope| {
        for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
            scope.spawn(move || check(signal));
        }
    });
}

#[test]
fn a_signal_does_what_it_always_does_when_nothing_runs() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("over");
    let died = signalled(&format!("touch {}", file.display()), &file, Signal::INT);
    assert_eq!(died, Some(Signal::INT.as_raw()));
}
