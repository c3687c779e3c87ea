//! Guards: where they are needed, what they let start and what not, and when they go.

use std::fs;
use std::os::unix::fs::symlink;

use super::calls::{ended, is_root};
use super::world::{Service, V, World};

const DB: [&str; 2] = ["db.service.d/50-nixmig-db.conf", "nixmig-guard-db.service"];

/// `db` is of version 1 in generation 1, which knows nothing of migrations; it needs one step in 2 and two in 3.
fn world() -> World {
    let world = World::new();
    world.unaware(1, &[("db.service", "db-1.0")]);
    for (number, programs) in [(2, &["2"][..]), (3, &["2", "3"])] {
        world.generation(number, &[Service::new("db", number - 1)]);
        world.programs(number, programs);
    }
    world.data("db");
    world
}

/// Asks the guard of `db` with a generation active, which has to end so; all that is seen.
fn asks(world: &World, number: usize) -> String {
    let seen = world.seen_of(&mut world.active(number, &mut world.command(&["guard", "db"])));
    seen.replace(env!("CARGO_BIN_EXE_nixmig"), "NIXMIG")
}

fn passes(world: &World, number: usize) {
    ended(&mut world.active(number, &mut world.command(&["guard", "db"])), 0);
}

#[test]
fn a_generation_that_knows_nothing_is_guarded_before_the_first_step() {
    let world = world();
    world.arrive(2, "1");
    assert_eq!(world.guards(), DB);
    let unit = fs::read_to_string(world.path("guards/nixmig-guard-db.service")).unwrap();
    assert!(unit.contains(" guard db --state-dir "), "{unit}");
    // It stays as long as the generation can be booted, and goes with the next walk after.
    world.ends(0, &["migrate", "3"]);
    assert_eq!(world.guards(), DB);
    world.delete(1);
    world.ends(0, &["migrate", "2"]);
    assert_eq!(world.guards(), [""; 0]);
    // Where all generations have a gate of their own, none is made.
    world.ends(0, &["migrate", "3"]);
    assert_eq!(world.guards(), [""; 0]);
}

#[test]
fn a_generation_that_comes_when_the_guard_has_gone_is_guarded_when_somebody_looks() {
    let world = world();
    world.delete(1);
    world.arrive(2, "2");
    let sees_to_it = || world.ends(0, &["guard"]);
    assert_eq!((sees_to_it(), world.guards()), (String::new(), Vec::new()));
    world.unaware(4, &[("db.service", "db-1.0")]);
    assert_eq!(
        (sees_to_it(), world.guards()),
        (String::new(), DB.map(str::to_owned).into())
    );
    let keeps_the_way_down = || {
        let mut roots = world.roots().into_iter();
        roots.any(|kept| kept.ends_with("migrate-db.service"))
    };
    assert!(keeps_the_way_down());
    // It goes with it.
    world.delete(4);
    world.ends(0, &["migrate", "3"]);
    assert_eq!(world.guards(), [""; 0]);
    // Whoever leaves does not know what comes.
    fs::remove_dir_all(world.path("gcroots/nixmig/db")).unwrap();
    world.ends(0, &["guard", "--leaving"]);
    assert_eq!(world.guards(), DB);
    assert!(keeps_the_way_down());
    world.ends(2, &["guard", "db", "--leaving"]);
}

#[test]
fn what_nothing_is_applied_to_needs_no_guard() {
    let world = World::usual();
    world.arrive(1, "2");
    world.ends(0, &["guard", "--leaving"]);
    assert_eq!(world.guards(), [""; 0]);
}

#[test]
fn the_guard_walks_the_way_back_that_was_kept() {
    if !is_root() {
        return;
    }
    let world = world();
    world.arrive(2, "1");
    // The generation that has a gate is its gate's.
    let before = world.record();
    passes(&world, 2);
    assert!(before == world.record());
    // The boot menu's choice.
    insta::assert_snapshot!("guard_walks", asks(&world, 1));
    assert_eq!(world.log("db"), "data ");
    assert_eq!(world.guards(), DB);
    let before = world.record();
    passes(&world, 1);
    assert!(before == world.record());
    // Also where the newer generations are gone.
    world.ends(0, &["migrate", "3"]);
    world.delete(3);
    world.delete(2);
    passes(&world, 1);
    assert_eq!(world.log("db"), "data ");
}

#[test]
fn where_there_is_no_way_back_the_guard_keeps_the_service_down() {
    if !is_root() {
        return;
    }
    let world = world();
    world.rewrite(2, "db", "DownScript", "DownBackup");
    world.ends(
        0,
        &[
            "migrate",
            "2",
            "--from",
            "1",
            "--acknowledge",
            &format!("db@{}", V[0]),
        ],
    );
    insta::assert_snapshot!("guard_refuses", asks(&world, 1));
    assert_eq!(world.log("db"), format!("data {} ", V[0]));
    passes(&world, 2);
}

#[test]
fn a_gate_of_another_format_is_none() {
    if !is_root() {
        return;
    }
    let world = World::usual();
    // A nixmig of before.
    world.rewrite(1, "db", "X-Migration-Format=1", "X-Migration-Format=0");
    world.ends(0, &["migrate", "3"]);
    assert_eq!(world.guards(), DB);
    insta::assert_snapshot!("guard_other_format", asks(&world, 1));
    assert_eq!(world.log("db"), format!("data {} {} ", V[0], V[1]));
    passes(&world, 3);
}

#[test]
fn a_unit_that_no_gate_holds_is_guarded() {
    if !is_root() {
        return;
    }
    // Generation 3 gates a second unit, which 2 starts without.
    let world = World::usual();
    world.rewrite(
        3,
        "db",
        "X-Migration-Units=db.service",
        "X-Migration-Units=db.service db-worker@.service",
    );
    for number in [2, 3] {
        world.unit(number, "db-worker@.service", "[Service]\nExecStart=/bin/true\n");
    }
    world.ends(0, &["migrate", "3"]);
    let drop_in = "db-worker@.service.d/50-nixmig-db.conf";
    assert_eq!(world.guards(), [drop_in, DB[0], DB[1]]);
    passes(&world, 2);
    assert_eq!(world.log("db"), format!("data {} ", V[0]));
}

#[test]
fn nothing_is_migrated_where_no_guard_can_be() {
    let world = world();
    // As on a system whose /etc is made anew at every boot.
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    symlink(memory.path(), world.path("etc")).unwrap();
    let guards = world.path("etc/system.control").display().to_string();
    let call = |words: &[&str]| {
        let mut command = crate::cli::nixmig(words);
        command.args(["--guards", &guards, "--state-dir"]);
        command.arg(&world.state_dir).arg("--gc-roots");
        command.arg(world.path("gcroots/nixmig")).arg("--profile");
        command.arg(world.path("profiles/system"));
        world.seen_of(&mut command)
    };
    insta::assert_snapshot!("guard_impossible", call(&["migrate", "2", "--from", "1"]));
    assert_eq!(world.log("db"), "data ");
    insta::assert_snapshot!(
        "guard_impossible_accepted",
        call(&["migrate", "2", "--from", "1", "--unguarded"])
    );
    assert_eq!(world.log("db"), format!("data {} ", V[0]));
}

#[test]
fn a_guard_whose_record_is_lost_keeps_the_service_down_until_somebody_says() {
    if !is_root() {
        return;
    }
    let world = world();
    world.arrive(2, "1");
    fs::remove_file(world.state_dir.join("record.sqlite")).unwrap();
    fs::remove_dir_all(world.path("gcroots/nixmig/db")).unwrap();
    insta::assert_snapshot!("guard_lost", asks(&world, 1));
    // It is a trace of that record, where nothing else is.
    fs::remove_dir_all(world.state.join("db")).unwrap();
    let said = world.ends(4, &["migrate", "2", "--from", "1"]);
    assert!(said.contains("the guard "), "{said}");
    let rebuilt = world.ends(5, &["record", "rebuild"]);
    assert!(
        rebuilt.contains("What db is on is not known any more"),
        "{rebuilt}"
    );
    world.ends(0, &["forget", "db"]);
    assert_eq!(world.guards(), [""; 0]);
    // systemd may not have read that yet.
    passes(&world, 1);
}

#[test]
fn what_is_forgotten_is_not_guarded() {
    let world = world();
    world.arrive(2, "1");
    world.ends(0, &["forget", "db"]);
    assert_eq!(world.guards(), [""; 0]);
}

#[test]
fn reports_tell_of_guards() {
    let world = world();
    world.arrive(2, "1");
    insta::assert_snapshot!("guard_generations", world.seen(&["generations"]));
    let json = world
        .command(&["generations", "--format", "json"])
        .output()
        .unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let schema = include_str!("../../../docs/schema/generations.schema.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    assert!(schema.is_valid(&json), "{json:#}");
    let of = |number: &str| {
        let mut all = json["generations"].as_array().unwrap().iter();
        all.find(|one| one["names"][0] == number).unwrap()["guarded"].clone()
    };
    assert_eq!(
        (of("1"), of("2")),
        (serde_json::json!(["db"]), serde_json::json!([]))
    );
    // Somebody removed it by hand.
    fs::remove_dir_all(world.path("guards")).unwrap();
    insta::assert_snapshot!("guard_gone", world.seen(&["generations"]));
    // The next switch puts it back.
    let toplevel = world.toplevel(2).display().to_string();
    world.ends(0, &["check", &toplevel, "dry-activate"]);
    assert_eq!(world.guards(), [""; 0]);
    world.ends(0, &["check", &toplevel, "switch"]);
    assert_eq!(world.guards(), DB);
}

#[test]
fn where_no_guard_can_be_it_is_said_before() {
    let world = world();
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    symlink(memory.path(), world.path("guards")).unwrap();
    world.ends(0, &["stamp", "db", "none", "--generation", "2"]);
    let toplevel = world.toplevel(2).display().to_string();
    let check = world.seen(&["check", &toplevel, "switch"]);
    insta::assert_snapshot!("guard_impossible_check", check);
    insta::assert_snapshot!("guard_impossible_status", world.seen(&["status"]));
    // Somebody accepts it.
    let output = world.types(
        &check,
        "nixmig migrate",
        &[("BASE", &world.path("").display().to_string())],
    );
    assert_eq!(output.status.code(), Some(0), "{}", super::calls::said(&output));
    assert_eq!(world.log("db"), format!("data {} ", V[0]));
    // The way back goes nearer to what the other knows.
    world.generation(4, &[Service::new("db", 0)]);
    world.ends(0, &["migrate", "4"]);
    assert_eq!(world.log("db"), "data ");
}

#[test]
fn what_no_generation_needs_is_let_go_and_kept_again_when_one_does() {
    let definitions = |world: &World| {
        let roots = world.roots().into_iter();
        roots.filter(|root| root.ends_with("migrate-db.service")).count()
    };
    let world = World::usual();
    world.ends(0, &["migrate", "3"]);
    assert_eq!(definitions(&world), 1);
    world.delete(1);
    world.delete(2);
    let check = |number: usize| {
        world.ends(
            0,
            &["check", &world.toplevel(number).display().to_string(), "boot"],
        )
    };
    // Reading lets nothing go.
    world.ends(0, &["check", &world.toplevel(3).display().to_string(), "check"]);
    assert_eq!(definitions(&world), 1);
    check(3);
    assert_eq!(definitions(&world), 0);
    // An older configuration is built anew, and the newer generation is collected before it starts.
    world.generation(4, &[Service::new("db", 1)]);
    check(4);
    assert_eq!(definitions(&world), 1);
    world.delete(3);
    world.ends(0, &["migrate", "4"]);
    assert_eq!(world.log("db"), format!("data {} ", V[0]));
}

#[test]
fn the_way_down_is_found_in_another_generation_where_its_own_was_collected() {
    let world = World::usual();
    world.ends(0, &["migrate", "3"]);
    // The same history, of another build.
    world.generation(4, &[Service::new("db", 2)]);
    world.ends(0, &["migrate", "4"]);
    for number in [1, 2] {
        world.delete(number);
    }
    world.ends(0, &["check", &world.toplevel(4).display().to_string(), "switch"]);
    world.delete(3);
    world.generation(5, &[Service::new("db", 1)]);
    world.ends(0, &["migrate", "5"]);
    assert_eq!(world.log("db"), format!("data {} ", V[0]));
}

#[test]
fn a_generation_that_runs_and_cannot_be_read_is_left_by_a_switch() {
    if !is_root() {
        return;
    }
    let world = World::usual();
    world.rewrite(1, "db", "X-Migration-Format=1", "X-Migration-Format=9");
    let toplevel = world.toplevel(3).display().to_string();
    let mut check = world.command(&["check", &toplevel, "switch"]);
    insta::assert_snapshot!(
        "guard_leaves",
        world
            .seen_of(&mut world.active(1, &mut check))
            .replace("8.0 KiB", "SIZE")
    );
}

#[test]
fn what_is_stamped_is_guarded() {
    let world = world();
    // Nothing is to be undone for the generation that knows nothing.
    world.ends(0, &["stamp", "db", "none", "--generation", "2"]);
    assert_eq!(world.guards(), [""; 0]);
    // Somebody migrated it by hand.
    world.ends(0, &["stamp", "db", V[0], "--generation", "2"]);
    assert_eq!(world.guards(), DB);
}
