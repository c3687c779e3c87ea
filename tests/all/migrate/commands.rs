//! What each command says, as snapshots, and where it leads.

use std::fs;

use super::calls::said;
use super::world::{Kind, Service, V, World};

#[test]
fn a_service_is_met_with_no_state() {
    let world = World::new();
    world.generation(1, &[Service::new("db", 2)]);
    insta::assert_snapshot!("fresh", world.seen(&["migrate", "1"]));
    assert_eq!(world.applied("db"), V[..2].join(" "));
    let before = world.record();
    insta::assert_snapshot!("nothing_to_do", world.seen(&["migrate", "1"]));
    assert!(
        before == world.record(),
        "nothing was to be done, and the record was written"
    );
}

#[test]
fn up_and_down() {
    let world = World::of(&[Kind::Plain, Kind::Own]);
    insta::assert_snapshot!("up", world.seen(&["migrate", "3", "--from", "1"]));
    assert_eq!(world.log("db"), format!("data {} {} ", V[0], V[1]));
    insta::assert_snapshot!("down", world.seen(&["migrate", "2"]));
    assert_eq!(world.log("db"), format!("data {} ", V[0]));
    assert_eq!(world.applied("db"), V[0]);
    assert!(world.backups().is_empty());
}

#[test]
fn state_that_nobody_knows_is_not_touched() {
    let world = World::of(&[Kind::Plain]);
    insta::assert_snapshot!("unknown", world.seen(&["migrate", "2"]));
    assert_eq!(world.log("db"), "data ");
    let refused = world.ends(4, &["migrate", "2"]);
    let output = world.types(&refused, "nixmig stamp db", &[("VERSION", "none")]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    world.ends(0, &["migrate", "2"]);
    assert_eq!(world.log("db"), format!("data {} ", V[0]));
}

#[test]
fn what_destroys_is_accepted_first() {
    let world = World::of(&[Kind::Plain, Kind::Lossy]);
    world.arrive(2, "1");
    insta::assert_snapshot!("unacknowledged", world.seen(&["migrate", "3"]));
    assert_eq!(world.log("db"), format!("data {} ", V[0]));
    let refused = world.ends(4, &["migrate", "3"]);
    let output = world.types(&refused, "nixmig migrate 3 --acknowledge", &[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(world.log("db"), format!("data {} {} ", V[0], V[1]));
    // There is no way back, and nothing is touched.
    insta::assert_snapshot!("no_way_down", world.seen(&["migrate", "2"]));
    assert_eq!(world.applied("db"), V[..2].join(" "));
}

#[test]
fn a_script_that_fails_is_brought_back_and_stays_blocked_until_somebody_says() {
    let world = World::usual();
    world.at(
        "up-2024-02-01-script-end",
        "echo half >> $STATE_DIRECTORIES/log; echo 'row 17: no'; exit 1\n",
    );
    insta::assert_snapshot!("failed", world.seen(&["migrate", "3"]));
    assert_eq!(world.log("db"), format!("data {} ", V[0]));
    world.calm();
    insta::assert_snapshot!("blocked", world.seen(&["migrate", "3"]));
    insta::assert_snapshot!("resume_restored", world.seen(&["resume", "db"]));
    // What it is on passes.
    world.ends(0, &["migrate", "2"]);
    let blocked = world.ends(4, &["migrate", "3"]);
    let output = world.types(&blocked, "nixmig resume db --retry", &[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    world.ends(0, &["migrate", "3"]);
    assert_eq!(world.log("db"), format!("data {} {} ", V[0], V[1]));
    insta::assert_snapshot!("resume_nothing", world.seen(&["resume", "db"]));
}

#[test]
fn an_edited_definition_needs_no_resume() {
    let world = World::usual();
    world.at("up-2024-02-01-script", "exit 1\n");
    world.ends(5, &["migrate", "3"]);
    world.calm();
    world.generation(4, &[Service::new("db", 2).edited()]);
    world.ends(0, &["migrate", "4"]);
    assert_eq!(world.applied("db"), V[..2].join(" "));
}

#[test]
fn a_restore_that_fails_leaves_all_to_somebody() {
    let stuck = || {
        let world = World::of(&[Kind::Plain, Kind::Own]);
        world.arrive(2, "1");
        world.at(
            "up-2024-02-01-script-end",
            "echo half >> $STATE_DIRECTORIES/log; exit 1\n",
        );
        world.at("up-2024-02-01-restore", "echo 'the disk is gone'; exit 7\n");
        world
    };
    let world = stuck();
    insta::assert_snapshot!("unrestored", world.seen(&["migrate", "3"]));
    let half = format!("data {} {} half ", V[0], V[1]);
    assert_eq!(world.log("db"), half);
    let [backup] = &world.backups()[..] else {
        panic!("one backup is kept: {:?}", world.backups());
    };
    let kept = fs::read_to_string(backup.join("log")).unwrap();
    assert_eq!(kept, format!("data\n{}\n", V[0]));
    // Nothing more is touched, wherever it is to go.
    for number in ["1", "2", "3"] {
        let said = world.ends(4, &["migrate", number]);
        assert!(said.contains(&backup.display().to_string()), "{said}");
    }
    assert_eq!(world.log("db"), half);
    insta::assert_snapshot!("resume_unrestored", world.seen(&["resume", "db"]));
    // It fails again, and that changes nothing.
    insta::assert_snapshot!("resume_restore_fails", world.seen(&["resume", "db", "--restore"]));
    assert!(world.log("db") == half && backup.exists());
    world.calm();
    let choices = world.ends(5, &["resume", "db"]);
    let output = world.types(&choices, "nixmig resume db --restore", &[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(
        (world.log("db"), world.applied("db")),
        (format!("data {} ", V[0]), V[0].to_owned())
    );

    let world = stuck();
    world.ends(5, &["migrate", "3"]);
    world.calm();
    insta::assert_snapshot!(
        "accept_elsewhere",
        world.seen(&["resume", "db", "--accept", V[3]])
    );
    insta::assert_snapshot!("accept_head", world.seen(&["resume", "db", "--accept", "head"]));
    let choices = world.ends(5, &["resume", "db"]);
    let output = world.types(&choices, "nixmig resume db --accept", &[("VERSION", V[1])]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(world.applied("db"), V[..2].join(" "));
    assert_eq!(world.backups().len(), 1, "it is for whoever decided to remove");
    world.ends(0, &["migrate", "3"]);
}

#[test]
fn all_of_a_path_is_undone_when_its_end_fails_also_what_has_no_way_down() {
    let world = World::of(&[Kind::Plain, Kind::Lossy, Kind::Own]);
    world.arrive(2, "1");
    world.at("up-2024-03-01-verify", "echo 'not what it should be'; exit 1\n");
    let accepted = format!("db@{}", V[1]);
    insta::assert_snapshot!(
        "second_fails",
        world.seen(&["migrate", "4", "--acknowledge", &accepted])
    );
    assert_eq!(
        (world.log("db"), world.applied("db")),
        (format!("data {} ", V[0]), V[0].to_owned())
    );
    assert!(world.backups().is_empty());
}

#[test]
fn generations_that_cannot_be_migrated_to() {
    let world = World::usual();
    let before = world.record();
    let drv = world.path("store/0123456789abcdfghijklmnpqrsvwxyz-x.drv");
    fs::write(&drv, "Derive([],[],[],\"\",\"\",[],[])").unwrap();
    let drv = drv.display().to_string();
    for (name, arguments) in [
        ("not_built_flake", &["migrate", ".#atlas"][..]),
        ("not_built_drv", &["migrate", &drv]),
        ("no_such_generation", &["migrate", "77"]),
        ("no_such_service", &["migrate", "3", "--service", "web"]),
        ("other_root", &["migrate", "3", "--root", "/mnt"]),
        ("stamp_other_root", &["stamp", "db", "head", "--root", "/mnt"]),
    ] {
        insta::assert_snapshot!(name, world.seen(arguments));
    }
    assert!(before == world.record());
}

#[test]
fn stamps() {
    let world = World::of(&[Kind::Plain, Kind::Plain]);
    for (name, version) in [
        ("stamp_version", V[0]),
        ("stamp_none", "none"),
        ("stamp_head", "head"),
        ("stamp_unknown", "2020-01-01"),
        ("stamp_no_version", "17"),
    ] {
        insta::assert_snapshot!(name, world.seen(&["stamp", "db", version]));
    }
    assert_eq!(
        (world.log("db"), world.applied("db")),
        ("data ".to_owned(), V[..2].join(" "))
    );
    insta::assert_snapshot!("stamp_stranger", world.seen(&["stamp", "web", "head"]));
    insta::assert_snapshot!(
        "stamp_generation",
        world.seen(&["stamp", "db", "head", "--generation", "2"])
    );
    assert_eq!(world.applied("db"), V[0]);
}

#[test]
fn what_is_forgotten_is_met_anew() {
    let world = World::usual();
    insta::assert_snapshot!("forget", world.seen(&["forget", "db"]));
    assert!(world.roots().is_empty(), "{:?}", world.roots());
    assert_eq!(world.log("db"), format!("data {} ", V[0]));
    insta::assert_snapshot!("forget_again", world.seen(&["forget", "db"]));
    insta::assert_snapshot!("forgotten_status", world.seen(&["status"]));
    world.arrive(3, "2");
    assert_eq!(world.log("db"), format!("data {} {} ", V[0], V[1]));
}

#[test]
fn a_record_is_rebuilt() {
    let world = World::usual();
    insta::assert_snapshot!("rebuild_sound", world.seen(&["record", "rebuild"]));
    let record = world.state_dir.join("record.sqlite");
    let bytes = world.record();
    fs::write(&record, &bytes[..bytes.len() / 2]).unwrap();
    insta::assert_snapshot!("broken", world.seen(&["migrate", "3"]));
    let broken = world.ends(1, &["migrate", "3"]);
    let output = world.types(&broken, "nixmig record rebuild", &[]);
    let rebuilt = said(&output);
    assert!(matches!(output.status.code(), Some(0 | 5)), "{rebuilt}");
    if output.status.code() == Some(5) {
        let output = world.types(&rebuilt, "nixmig stamp db", &[("VERSION", V[0])]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }
    world.ends(0, &["migrate", "3"]);
    assert_eq!(
        (world.log("db"), world.applied("db")),
        (format!("data {} {} ", V[0], V[1]), V[..2].join(" "))
    );
}

#[test]
fn what_a_lost_record_knew_can_be_forgotten() {
    let world = World::usual();
    let bytes = world.record();
    fs::write(world.state_dir.join("record.sqlite"), &bytes[..bytes.len() / 2]).unwrap();
    world.ends(5, &["record", "rebuild"]);
    world.ends(4, &["migrate", "3"]);
    insta::assert_snapshot!("forget_lost", world.seen(&["forget", "db"]));
    assert!(world.roots().is_empty(), "{:?}", world.roots());
    world.arrive(3, "2");
    assert_eq!(world.log("db"), format!("data {} {} ", V[0], V[1]));
}

#[test]
fn documents_are_as_the_schema_has_it() {
    let schema = include_str!("../../../docs/schema/migrate.schema.json");
    let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    let schema = jsonschema::draft202012::new(&schema).unwrap();
    let world = World::of(&[Kind::Plain, Kind::Own]);
    let mut outcomes = Vec::new();
    let mut run = |world: &World, arguments: &[&str]| {
        let mut command = world.command(&["migrate"]);
        command.args(arguments).args(["--format", "json"]);
        let output = command.output().unwrap();
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        if let Err(error) = schema.validate(&document) {
            panic!("{arguments:?}: {}: {error}", error.instance_path());
        }
        let services = document["services"].as_array().unwrap();
        outcomes.push(services.first().map_or("nothing".to_owned(), |service| {
            service["outcome"].as_str().unwrap().to_owned()
        }));
    };
    run(&world, &["3"]);
    run(&world, &["2", "--from", "1"]);
    run(&world, &["2"]);
    world.at("up-2024-02-01-script", "exit 1\n");
    run(&world, &["3"]);
    insta::assert_snapshot!("json", world.seen(&["migrate", "3", "--format", "json"]));
    assert_eq!(outcomes, ["refused", "arrived", "nothing", "failed"]);
}
