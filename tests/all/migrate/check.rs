//! `nixmig check`, as NixOS calls it before it does anything: what it says and ends with under each action, and what it leaves.

use std::fs;

use super::world::{Kind, Service, V, World};

/// What is seen of a check, whatever blocks the file system is made of.
fn seen(world: &World, words: &[&str]) -> String {
    let words: Vec<_> = [&["check"], words].concat();
    world
        .seen(&words)
        .replace("8.0 KiB", "SIZE")
        .replace("4.0 KiB", "SIZE")
}

/// The toplevel of a generation, as a word.
fn toplevel(world: &World, number: usize) -> String {
    world.toplevel(number).display().to_string()
}

const ACTIONS: [&str; 5] = ["switch", "boot", "test", "dry-activate", "check"];

#[test]
fn each_action_says_when() {
    let world = World::usual();
    let before = world.record();
    let mut all = String::new();
    for action in ACTIONS {
        let seen = seen(&world, &[&toplevel(&world, 3), action]);
        all.push_str(&format!("# {action}\n{seen}\n"));
    }
    insta::assert_snapshot!("check_actions", all);
    assert!(before == world.record(), "a check wrote to the record");
    assert_eq!(world.log("db"), format!("data {} ", V[0]));
}

#[test]
fn older_systems_name_no_action_and_later_ones_may_name_others() {
    let world = World::usual();
    for words in [
        &["check", &toplevel(&world, 3)][..],
        &["check", &toplevel(&world, 3), "levitate"],
    ] {
        let said = world.ends(0, words);
        assert!(said.contains("would do this"), "{said}");
    }
}

#[test]
fn where_nothing_is_to_be_done_little_is_said() {
    let world = World::usual();
    insta::assert_snapshot!("check_nothing", seen(&world, &[&toplevel(&world, 2), "switch"]));
    let world = World::new();
    world.generation(1, &[]);
    insta::assert_snapshot!(
        "check_undeclared",
        seen(&world, &[&toplevel(&world, 1), "switch"])
    );
    assert!(!world.state_dir.exists());
}

#[test]
fn what_destroys_is_accepted_before_the_switch_and_stays_so() {
    let world = World::of(&[Kind::Plain, Kind::Lossy]);
    world.arrive(2, "1");
    let three = toplevel(&world, 3);
    insta::assert_snapshot!("check_unacknowledged", seen(&world, &[&three, "switch"]));
    let accept = format!("db@{}", V[1]);
    // Where nothing is switched to, nothing is stored.
    let before = world.record();
    for action in ["dry-activate", "check"] {
        world.ends(4, &["check", &three, action, "--acknowledge", &accept]);
    }
    assert!(before == world.record());
    let refused = world.ends(4, &["check", &three, "boot"]);
    let output = world.types(&refused, "nixmig check", &[]);
    assert_eq!(output.status.code(), Some(0), "{refused}");
    insta::assert_snapshot!("check_acknowledged", seen(&world, &[&three, "boot"]));
    // The gate asks no more.
    world.ends(0, &["migrate", "3"]);
    assert_eq!(world.log("db"), format!("data {} {} ", V[0], V[1]));
}

#[test]
fn whatever_the_gates_would_refuse_is_refused_before() {
    // Nobody knows what its state is on.
    let world = World::of(&[Kind::Plain]);
    insta::assert_snapshot!("check_unknown", seen(&world, &[&toplevel(&world, 2), "switch"]));
    assert!(!world.state_dir.exists());
    // There is no way down.
    let world = World::of(&[Kind::Plain, Kind::Lossy]);
    world.arrive(2, "1");
    world.ends(0, &["migrate", "3", "--acknowledge", &format!("db@{}", V[1])]);
    insta::assert_snapshot!("check_stranded", seen(&world, &[&toplevel(&world, 2), "switch"]));
    // A step failed.
    let world = World::usual();
    world.at("up-2024-02-01-script", "exit 1\n");
    world.ends(5, &["migrate", "3"]);
    insta::assert_snapshot!("check_blocked", seen(&world, &[&toplevel(&world, 3), "switch"]));
    // It was not brought back.
    let world = World::of(&[Kind::Plain, Kind::Own]);
    world.arrive(2, "1");
    world.at("up-2024-02-01-script", "exit 1\n");
    world.at("up-2024-02-01-restore", "exit 1\n");
    world.ends(5, &["migrate", "3"]);
    insta::assert_snapshot!("check_stuck", seen(&world, &[&toplevel(&world, 2), "switch"]));
}

#[test]
fn an_installer_has_no_system_yet() {
    // No record, no profile, no state, and no directory that one could be in.
    let world = World::new();
    world.generation(1, &[Service::new("db", 2)]);
    fs::remove_dir_all(&world.state).unwrap();
    fs::remove_dir_all(world.path("profiles")).unwrap();
    insta::assert_snapshot!("check_installer", seen(&world, &[&toplevel(&world, 1), "boot"]));
    assert!(!world.state.exists());
}

#[test]
fn a_disk_that_the_new_generation_mounts_is_not_there_yet() {
    let world = World::usual();
    world.mounts(3, &world.state.join("db"));
    world.ends(0, &["check", &toplevel(&world, 3), "switch"]);
    // Its gate has to have it.
    world.ends(4, &["migrate", "3"]);
    assert_eq!(world.log("db"), format!("data {} ", V[0]));
}

#[test]
fn who_works_on_it_is_not_waited_for() {
    let world = World::usual();
    let lock = fs::File::open(world.state_dir.join("locks/db.lock")).unwrap();
    lock.lock().unwrap();
    let said = world.ends(0, &["check", &toplevel(&world, 3), "switch"]);
    assert!(said.contains("db  up"), "{said}");
}
