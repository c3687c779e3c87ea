//! Scripts that run as another user: nixmig runs itself to drop its privileges, so the program is needed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use nixmig::execute::privileges::Account;
use nixmig::execute::{DirectExecutor, Ended, Executor as _, ScriptJob};
use nixmig::record::Outcome;

const HASH: &str = "0123456789abcdfghijklmnpqrsvwxyz";

/// Runs a script with this `serviceConfig`, in a directory that is its user's; what it said.
fn run(config: &str, body: &str) -> Option<(Ended, Vec<String>)> {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root can run scripts as others");
        assert!(std::env::var_os("CI").is_none(), "CI runs as root");
        return None;
    }
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let store = root.path().join("store");
    fs::create_dir(&store).unwrap();
    let script = store.join(format!("{HASH}-script"));
    fs::write(&script, format!("#!/bin/sh\nset -eu\n{body}\n")).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o555)).unwrap();
    let account = Account::of(&serde_json::from_str(config).unwrap()).unwrap();
    let own = root.path().join("own");
    fs::create_dir(&own).unwrap();
    if let Some((user, group)) = account.owner() {
        chown(&own, Some(user), Some(group)).unwrap();
    }
    let environment = BTreeMap::from([
        ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
        ("OWN".to_owned(), own.display().to_string()),
    ]);
    let executor = DirectExecutor::new()
        .unwrap()
        .with_nixmig(env!("CARGO_BIN_EXE_nixmig"));
    let job = ScriptJob {
        script: script.to_str().unwrap(),
        store: &store,
        environment: &environment,
        account: &account,
        locks: &[],
        shielded: false,
        unit: None,
        answers: false,
    };
    let mut lines = Vec::new();
    let ended = executor
        .run(&job, &mut |line| lines.push(line.to_owned()))
        .unwrap();
    if let Some((user, group)) = account.owner() {
        for file in fs::read_dir(Path::new(&own)).unwrap() {
            let metadata = file.unwrap().metadata().unwrap();
            assert_eq!((metadata.uid(), metadata.gid()), (user, group));
        }
    }
    Some((ended, lines))
}

#[test]
fn a_user_with_its_groups_and_nothing_of_root() {
    let body = "id -un; id -rn -u; id -G; grep CapEff /proc/self/status; umask; env; echo x > $OWN/file; cat /etc/shadow || echo no";
    let Some((ended, lines)) = run(r#"{"User":"nobody"}"#, body) else {
        return;
    };
    assert_eq!(ended.outcome, Outcome::Exited(0), "{lines:#?}");
    assert_eq!(lines[..2], ["nobody", "nobody"]);
    assert_eq!(lines[2], "65534");
    assert_eq!(lines[3], "CapEff:\t0000000000000000");
    assert_eq!(lines[4], "0022");
    assert!(lines.contains(&"no".to_owned()));
    let foreign = |line: &&String| {
        line.contains('=')
            && !["PATH=", "OWN=", "PWD=", "_=", "SHLVL=", "OLDPWD="]
                .iter()
                .any(|name| line.starts_with(name))
    };
    assert_eq!(lines.iter().find(foreign), None);
}

#[test]
fn numbers_and_a_group_of_its_own() {
    let Some((ended, lines)) = run(
        r#"{"User":12345,"Group":"daemon"}"#,
        "id -u; id -g; id -G; exit 4",
    ) else {
        return;
    };
    assert_eq!(ended.outcome, Outcome::Exited(4));
    assert_eq!(lines, ["12345", "1", "1"]);
}

#[test]
fn a_script_that_its_user_cannot_run_says_so() {
    let Some((ended, lines)) = run(r#"{"User":"nobody"}"#, "exec /no/such/program") else {
        return;
    };
    assert!(matches!(ended.outcome, Outcome::Exited(127)), "{lines:?}");
}
