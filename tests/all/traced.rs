//! Commands that read write nothing: every system call is looked at, of nixmig and of all that it starts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::cli::nixmig_in;
use crate::fixtures::{Fixtures, fixtures};

/// The calls that make, change or remove something by its name.
const WRITING: &str = "trace=open,openat,openat2,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,\
                       unlink,unlinkat,rmdir,truncate,chmod,fchmodat,chown,lchown,fchownat,mknod,mknodat,utimensat,utime,utimes,\
                       setxattr,lsetxattr,removexattr,lremovexattr,\
                       execve,clone,clone3,fork,vfork";

/// One process or thread: its calls, by its number.
type Calls = BTreeMap<u32, String>;

/// Runs a command under strace.
fn trace(command: &Command) -> Calls {
    let directory = tempfile::tempdir().unwrap();
    let mut strace = Command::new("strace");
    strace
        .args([
            "-ff",
            "-qq",
            "-s",
            "4096",
            "-e",
            "signal=none",
            "-e",
            WRITING,
            "-o",
        ])
        .arg(directory.path().join("trace"))
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    for (name, value) in command.get_envs() {
        strace.envs(value.map(|value| (name, value)));
    }
    if let Some(directory) = command.get_current_dir() {
        strace.current_dir(directory);
    }
    let output = strace.output().unwrap();
    assert!(
        output.status.code().is_some_and(|code| [0, 5].contains(&code)),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let files = fs::read_dir(directory.path()).unwrap();
    files
        .map(|file| {
            let path = file.unwrap().path();
            let number = path.extension().unwrap().to_str().unwrap().parse().unwrap();
            (number, fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// What a call names, if it succeeded and may change what is there.
fn written(call: &str) -> Option<&str> {
    let failed = call.contains(" = -1 E");
    let opens = call.starts_with("open")
        && !["O_WRONLY", "O_RDWR", "O_CREAT"]
            .iter()
            .any(|flag| call.contains(flag));
    // A thread that the end of its process killed on the way into a call is gone before strace can read which call it is, and
    // the kernel then does not make it.
    let makes = ["+", "???(", "execve", "clone", "fork", "vfork"]
        .iter()
        .any(|name| call.starts_with(name));
    // The file, which is the last name in every call that has two.
    (!failed && !opens && !makes).then(|| call.rsplit('"').nth(1).unwrap_or(call))
}

/// Whether strace is there; without it nothing can be shown, which is said.
fn can_trace() -> bool {
    let found = Command::new("strace").arg("--version").output().is_ok();
    assert!(
        found || std::env::var_os("CI").is_none(),
        "strace is not in PATH, and with CI set no test is skipped"
    );
    if !found {
        println!("skipped: strace is not in PATH");
    }
    found
}

/// The files that were written to, by nixmig itself and by what it started.
fn writes(command: &Command) -> (Vec<String>, Vec<String>) {
    let calls = trace(command);
    let mut parents = BTreeMap::new();
    for (&parent, calls) in &calls {
        for call in calls.lines().filter(|call| {
            ["clone", "fork", "vfork"]
                .iter()
                .any(|name| call.starts_with(name))
        }) {
            let child = call
                .rsplit("= ")
                .next()
                .and_then(|child| child.parse::<u32>().ok());
            parents.extend(child.map(|child| (child, parent)));
        }
    }
    // Whoever runs another program is somebody else from there on, and so is all that it starts; threads are not.
    let is_other = |mut process: u32| {
        while let Some(&parent) = parents.get(&process) {
            if calls.get(&process).is_some_and(|calls| calls.contains("execve(")) {
                return true;
            }
            process = parent;
        }
        false
    };
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for (&process, calls) in &calls {
        let files = calls.lines().filter_map(written).map(str::to_owned);
        match is_other(process) {
            true => others.extend(files),
            false => own.extend(files),
        }
    }
    (own, others)
}

/// What nobody keeps: neither files nor anything on a disk.
fn is_device(file: &str) -> bool {
    ["/dev/null", "/dev/tty"].contains(&file)
}

fn references(fixtures: &Fixtures) -> Vec<(&'static str, [String; 2], bool)> {
    let of = |number| fixtures.generation("atlas", number);
    let path = |path: &Path| path.display().to_string();
    let numbers = [3, 4];
    vec![
        ("closure", numbers.map(|number| path(&of(number).toplevel)), false),
        (
            "derivation",
            numbers.map(|number| path(&of(number).derivation)),
            false,
        ),
        (
            "source",
            numbers.map(|number| format!("source:{}", path(&fixtures.source("atlas", number)))),
            false,
        ),
        (
            "commit",
            numbers.map(|number| format!("source:generation-{number}:.")),
            true,
        ),
        (
            "evaluation",
            numbers.map(|number| format!("{}#{}", fixtures.flake(), of(number).name())),
            true,
        ),
    ]
}

#[test]
fn reading_writes_nothing() {
    let Some(fixtures) = fixtures() else { return };
    if !can_trace() {
        return;
    }
    for (name, [old, new], starts_others) in references(fixtures) {
        for arguments in [
            &["diff", &old, &new, "--scripts"][..],
            &["show", &old, "--format", "json"],
        ] {
            let mut command = nixmig_in(fixtures, arguments);
            command.current_dir(fixtures.repository("atlas"));
            if starts_others {
                // What Nix has not fetched yet it unpacks in a temporary directory first.
                assert!(command.output().unwrap().status.code().is_some());
            }
            let (own, others) = writes(&command);
            let own: Vec<_> = own.iter().filter(|file| !is_device(file)).collect();
            assert!(own.is_empty(), "{name}: {own:?}");
            // Nix keeps to its own directories, and git to nothing at all.
            let allowed = ["store", "var", "log", "cache"].map(|part| fixtures.root().join(part));
            let strays: Vec<_> = others
                .iter()
                .filter(|file| {
                    !is_device(file) && !allowed.iter().any(|part| Path::new(file).starts_with(part))
                })
                .collect();
            assert!(strays.is_empty(), "{name}: {strays:?}");
            assert!(starts_others || others.is_empty(), "{name}: {others:?}");
        }
    }
}

/// Nor do the commands that look at the machine, whatever its record says.
#[test]
fn looking_at_a_machine_writes_nothing() {
    if !can_trace() {
        return;
    }
    for machine in crate::host::machines() {
        for arguments in [
            &["plan"][..],
            &["plan", "1"],
            &["status"],
            &["history"],
            &["generations"],
        ] {
            let (own, others) = writes(&machine.command(arguments));
            let own: Vec<_> = own.iter().filter(|file| !is_device(file)).collect();
            assert!(
                own.is_empty() && others.is_empty(),
                "{arguments:?}: {own:?} {others:?}"
            );
        }
    }
}

/// The test above can fail: what a traced program writes is seen.
#[test]
fn a_write_is_seen() {
    if !can_trace() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", "echo x > own; (mkdir other)"])
        .env("PATH", std::env::var_os("PATH").unwrap())
        .current_dir(directory.path());
    let (own, others) = writes(&command);
    assert_eq!((own, others), (vec!["own".to_owned()], vec!["other".to_owned()]));
}
