//! What belongs to root alone, and what others plant in their state: it leads nowhere outside. What is no script of a store is
//! not run, and what is nobody's business is not written down.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::process::Command;

use super::calls::{is_root, said};
use super::world::{Kind, Service, V, World};
use crate::images::{Fs, Image, SIZE, apart};

const NOBODY: u32 = 65534;

fn mode(path: &Path) -> (u32, u32) {
    let meta = fs::symlink_metadata(path).unwrap();
    (meta.permissions().mode() & 0o7777, meta.uid())
}

#[test]
fn the_record_and_backups_are_for_root_alone() {
    if !is_root() {
        return;
    }
    let world = World::usual();
    let seen = world.path("seen").display().to_string();
    world.at(
        "up-2024-02-01-script",
        &format!(
            "stat -c '%a %u %F' {0}/backups/* {0}/backups {0}/locks/* > {seen}\n",
            world.state_dir.display()
        ),
    );
    world.ends(0, &["migrate", "3"]);
    let seen = fs::read_to_string(seen).unwrap();
    assert!(
        seen.starts_with("700 0 directory\n711 0 directory\n600 0 "),
        "{seen}"
    );
    let files = [
        "record.sqlite",
        "locks",
        "locks/db.lock",
        "locks/record",
        "backups",
        ".",
    ];
    let modes: Vec<_> = files
        .iter()
        .map(|file| mode(&world.state_dir.join(file)))
        .collect();
    let expected = [0o600, 0o700, 0o600, 0o600, 0o711, 0o711].map(|mode| (mode, 0));
    assert_eq!(modes, expected, "of {files:?}");
}

#[test]
fn a_user_reaches_its_backup_and_not_the_record() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let db = |steps: usize| {
        Service::with("db", &[Kind::Own, Kind::Own][..steps])
            .key(r#"X-Migration-ServiceConfig={"User":"nobody"}"#)
    };
    for head in 0..=2 {
        world.generation(head + 1, &[db(head)]);
    }
    world.data("db");
    for path in ["lib/db", "lib/db/log", "control"] {
        chown(world.path(path), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    world.at(
        "up-2024-01-01-script",
        &format!(
            "id -un; stat -c '%a %U' $BACKUP; ls $BACKUP\n\
             for file in record.sqlite locks locks/db.lock; do ! cat {0}/$file > /dev/null 2>&1 || echo read $file; done\n\
             ! ls {0} {0}/backups > /dev/null 2>&1 || echo listed\n",
            world.state_dir.display()
        ),
    );
    let said = world.ends(0, &["migrate", "2", "--from", "1"]);
    let lines: Vec<_> = said
        .lines()
        .filter_map(|line| line.split_once("│ ").map(|(_, line)| line))
        .collect();
    assert_eq!(lines, ["nobody", "700 nobody", "log"], "{said}");
    // Its own restore finds its backup as well.
    world.at("up-2024-02-01-script-end", "exit 1\n");
    world.ends(5, &["migrate", "3"]);
    assert_eq!(world.log("db"), format!("data {} ", V[0]));
    assert!(world.backups().is_empty());
}

/// Something of root's, and a state directory of somebody who has planted ways to it.
fn planted() -> (World, std::path::PathBuf) {
    let world = World::usual();
    let outside = world.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "of root\n").unwrap();
    fs::set_permissions(outside.join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    let db = world.state.join("db");
    symlink(outside.join("secret"), db.join("file")).unwrap();
    symlink(&outside, db.join("directory")).unwrap();
    symlink("../../outside/secret", db.join("up")).unwrap();
    fs::hard_link(outside.join("secret"), db.join("hard")).unwrap();
    let fifo = db.join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for entry in [&db, &db.join("log"), &fifo] {
        chown(entry, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    (world, outside)
}

fn untouched(outside: &Path) {
    let secret = outside.join("secret");
    assert_eq!(fs::read_to_string(&secret).unwrap(), "of root\n");
    assert_eq!(mode(&secret), (0o600, 0));
    assert_eq!(
        fs::read_dir(outside).unwrap().count(),
        1,
        "something came to lie outside"
    );
}

#[test]
fn what_is_planted_in_the_state_leads_nowhere() {
    if !is_root() {
        return;
    }
    let (world, outside) = planted();
    let db = world.state.join("db").display().to_string();
    // And while the state is migrated the rest of it is replaced by ways out.
    world.at(
        "up-2024-02-01-script-end",
        &format!(
            "rm -f {db}/fifo {db}/hard; mkdir {db}/new; ln -s {} {db}/new/way; exit 1\n",
            outside.display()
        ),
    );
    world.ends(5, &["migrate", "3"]);
    untouched(&outside);
    let db = world.state.join("db");
    assert_eq!(world.log("db"), format!("data {} ", V[0]));
    assert!(
        fs::symlink_metadata(db.join("fifo"))
            .unwrap()
            .file_type()
            .is_fifo()
    );
    assert_eq!(fs::read_link(db.join("directory")).unwrap(), outside);
    assert!(!db.join("new").exists());
    // The bond to a name outside is not brought back: what is restored is a file of its own.
    let [inside, of_root] =
        [db.join("hard"), outside.join("secret")].map(|path| fs::metadata(path).unwrap().ino());
    assert_ne!(inside, of_root);
}

#[test]
fn what_is_exchanged_for_a_link_meanwhile_leads_nowhere() {
    if !is_root() {
        return;
    }
    let (world, outside) = planted();
    let sub = world.state.join("db/sub");
    fs::create_dir(&sub).unwrap();
    fs::write(sub.join("secret"), "of somebody\n").unwrap();
    world.at("up-2024-02-01-script-end", "exit 1\n");
    let exchange = format!(
        "cd {}; while :; do mv sub aside; ln -s {} sub; rm sub; mv aside sub; done",
        world.state.join("db").display(),
        outside.display()
    );
    let mut racer = Command::new("sh")
        .args(["-c", &exchange])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..15 {
        let output = world.command(&["migrate", "3"]).output().unwrap();
        // Refused since somebody writes there, or failed and brought back: both leave all else alone.
        assert!(matches!(output.status.code(), Some(4 | 5)), "{}", said(&output));
        world.command(&["resume", "db", "--retry"]).output().unwrap();
        untouched(&outside);
    }
    racer.kill().unwrap();
    racer.wait().unwrap();
}

#[test]
fn what_is_planted_beside_backups_leads_nowhere() {
    apart(
        "migrate::security::what_is_planted_beside_backups_leads_nowhere",
        || {
            for plant in ["backups", ".nixmig"] {
                let (state, record) = (Image::make(Fs::Ext4, SIZE), Image::make(Fs::Ext4, SIZE));
                let world = World::on(&state.path(), &record.path());
                world.generations(&[Kind::Plain]);
                world.data("db");
                let outside = world.path("outside");
                fs::create_dir(&outside).unwrap();
                fs::write(outside.join("secret"), "of root\n").unwrap();
                fs::set_permissions(outside.join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
                world.ends(0, &["stamp", "db", "none"]);
                if plant == "backups" {
                    let _ = fs::remove_dir(world.state_dir.join("backups"));
                    symlink(&outside, world.state_dir.join("backups")).unwrap();
                }
                symlink(&outside, state.path().join(".nixmig")).unwrap();
                world.at("up-2024-01-01-script-end", "exit 1\n");
                let output = world.command(&["migrate", "2"]).output().unwrap();
                assert!(
                    matches!(output.status.code(), Some(1 | 4 | 5)),
                    "{}",
                    said(&output)
                );
                untouched(&outside);
                assert_eq!(world.log("db"), "data ", "{}", said(&output));
            }
        },
    );
}

#[test]
fn only_scripts_of_the_store_are_run() {
    let world = World::usual();
    let script = world.script_of(3, "up-2024-02-01-script");
    let evil = world.path("control/evil");
    fs::write(
        &evil,
        format!("#!/bin/sh\necho evil > {}\n", world.path("evil").display()),
    )
    .unwrap();
    fs::set_permissions(&evil, fs::Permissions::from_mode(0o755)).unwrap();
    let refused = |what: &str| {
        let said = world.ends(4, &["migrate", "3"]);
        assert!(!world.path("evil").exists(), "{what} was run");
        assert_eq!(world.log("db"), format!("data {} ", V[0]), "{what}");
        assert!(world.backups().is_empty(), "{what}");
        said
    };
    world.rewrite(
        3,
        "db",
        &script.display().to_string(),
        &evil.display().to_string(),
    );
    insta::assert_snapshot!("outside_the_store", world.seen(&["migrate", "3"]));
    refused("a script outside");
    let dotted = format!("{}/../control/evil", world.path("store").display());
    world.rewrite(3, "db", &evil.display().to_string(), &dotted);
    refused("a way out of the store");
    world.rewrite(3, "db", &dotted, &script.display().to_string());
    fs::remove_file(&script).unwrap();
    symlink(&evil, &script).unwrap();
    let words = refused("a link out of the store");
    assert!(words.contains(&script.display().to_string()), "{words}");
    // With the script itself all is well.
    fs::remove_file(&script).unwrap();
    fs::copy(world.script_of(2, "up-2024-01-01-script"), &script).unwrap();
    let words = fs::read_to_string(&script).unwrap().replace(V[0], V[1]);
    fs::write(&script, words).unwrap();
    world.ends(0, &["migrate", "3"]);
}

#[test]
fn secrets_are_not_written_down() {
    const OWN: &str = "hunter2-of-nixmig";
    const DECLARED: &str = "hunter2-of-the-unit";
    let world = World::new();
    for head in 0..=2 {
        let environment = format!(r#"X-Migration-Environment={{"TOKEN":"{DECLARED}"}}"#);
        world.generation(head + 1, &[Service::new("db", head).key(&environment)]);
    }
    world.data("db");
    let log = world.state.join("db/log").display().to_string();
    world.at(
        "up-2024-01-01-script",
        &format!("[ -z \"${{SECRET-}}\" ]; [ \"$TOKEN\" = {DECLARED} ]; [ -w {log} ]\n"),
    );
    world.at("up-2024-02-01-script", "exit 1\n");
    let mut said = String::new();
    for arguments in [
        &["migrate", "2", "--from", "1"][..],
        &["migrate", "3"],
        &["migrate", "3", "--format", "json"],
        &["resume", "db"],
        &["status"],
        &["history", "--output"],
        &["history", "--format", "json"],
        &["plan", "3", "--scripts"],
        &["stamp", "db", "head"],
    ] {
        let output = world.command(arguments).env("SECRET", OWN).output().unwrap();
        said.push_str(&super::calls::said(&output));
    }
    assert!(said.contains("exit code 1"), "{said}");
    let record = String::from_utf8_lossy(&world.record()).into_owned();
    assert!(!said.contains(OWN) && !record.contains(OWN));
    // The record has the unit file, which everybody may read in the store, and no event beside it.
    assert!(!said.contains(DECLARED), "{said}");
}
