//! Disks that are full or cannot be written to, for real: nothing is lost, and the words say which disk it is.

use std::fs;
use std::process::Command;

use super::calls::said;
use super::world::{Kind, V, World};
use crate::images::{Fs, Image, apart};

/// Small enough to be filled at once.
const SMALL: u64 = 64 << 20;

/// The state of `db` on one small disk and the record on another, with a migration done.
fn small() -> (World, Image, Image) {
    let (state, record) = (Image::make(Fs::Ext4, SMALL), Image::make(Fs::Ext4, SMALL));
    let world = World::on(&state.path(), &record.path());
    world.generations(&[Kind::Plain, Kind::Plain]);
    world.data("db");
    world.arrive(2, "1");
    (world, state, record)
}

fn remount(image: &Image, how: &str) {
    let options = format!("remount,{how}");
    let output = Command::new("mount")
        .args(["-o", &options])
        .arg(image.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

/// Shell words that leave no byte free where a file is.
fn fill(file: &std::path::Path) -> String {
    // What was just removed is free once that is on disk, and large writes leave a rest.
    let by = |size: &str| {
        format!(
            "sync; dd if=/dev/zero bs={size} oflag=append conv=notrunc of={} 2> /dev/null || true\n",
            file.display()
        )
    };
    ["1M", "4k", "512", "512"].map(by).concat()
}

fn sh(words: &str) {
    assert!(Command::new("sh").args(["-c", words]).status().unwrap().success());
}

fn on_first(world: &World) {
    assert_eq!(
        (world.log("db"), world.applied("db")),
        (format!("data {} ", V[0]), V[0].to_owned())
    );
}

fn finishes(world: &World) {
    world.calm();
    let _ = world.command(&["resume", "db", "--retry"]).output().unwrap();
    world.ends(0, &["migrate", "3"]);
    assert_eq!(
        (world.log("db"), world.applied("db")),
        (format!("data {} {} ", V[0], V[1]), V[..2].join(" "))
    );
}

#[test]
fn a_read_only_state_directory() {
    apart("migrate::disks::a_read_only_state_directory", || {
        let (world, state, _record) = small();
        remount(&state, "ro");
        let words = world.ends(4, &["migrate", "3"]);
        assert!(words.contains("mounted read-only"), "{words}");
        on_first(&world);
        remount(&state, "rw");
        // Nothing is blocked.
        world.ends(0, &["migrate", "3"]);
    });
}

#[test]
fn a_read_only_record() {
    apart("migrate::disks::a_read_only_record", || {
        let (world, _state, record) = small();
        let before = world.record();
        remount(&record, "ro");
        // What there is nothing to do for starts.
        world.ends(0, &["migrate", "2"]);
        on_first(&world);
        let words = world.ends(1, &["migrate", "3"]);
        assert!(
            words.contains("is read-only") && words.contains("Mount it so that it can be"),
            "{words}"
        );
        assert!(world.record() == before);
        on_first(&world);
        remount(&record, "rw");
        finishes(&world);
    });
}

#[test]
fn no_room_for_the_backup() {
    apart("migrate::disks::no_room_for_the_backup", || {
        let (world, state, _record) = small();
        let large = world.state.join("db/large");
        fs::write(&large, vec![7; 30 << 20]).unwrap();
        let words = world.ends(5, &["migrate", "3"]);
        assert!(words.contains("MiB") || words.contains("free"), "{words}");
        on_first(&world);
        assert_eq!(fs::read(&large).unwrap(), vec![7; 30 << 20]);
        fs::remove_file(&large).unwrap();
        world.ends(0, &["migrate", "3"]);
        drop(state);
    });
}

#[test]
fn the_script_fills_the_disk() {
    apart("migrate::disks::the_script_fills_the_disk", || {
        let (world, _state, _record) = small();
        fs::write(world.state.join("db/rows"), vec![7; 4 << 20]).unwrap();
        let words = format!("{}echo full; exit 28\n", fill(&world.state.join("db/dump")));
        world.at("up-2024-02-01-script-end", &words);
        let words = world.ends(5, &["migrate", "3"]);
        assert!(
            words.contains("The state was brought back to what it was before."),
            "{words}"
        );
        assert!(!world.state.join("db/dump").exists());
        assert_eq!(fs::read(world.state.join("db/rows")).unwrap(), vec![7; 4 << 20]);
        on_first(&world);
        finishes(&world);
    });
}

#[test]
fn somebody_else_fills_the_disk_meanwhile() {
    apart("migrate::disks::somebody_else_fills_the_disk_meanwhile", || {
        let (world, state, _record) = small();
        fs::write(world.state.join("db/rows"), vec![7; 4 << 20]).unwrap();
        let other = state.path().join("other");
        let words = format!("rm $STATE_DIRECTORIES/rows\n{}exit 1\n", fill(&other));
        world.at("up-2024-02-01-script-end", &words);
        let words = world.ends(5, &["migrate", "3"]);
        assert!(
            words.contains("The state was brought back to what it was before."),
            "{words}"
        );
        assert_eq!(fs::read(world.state.join("db/rows")).unwrap(), vec![7; 4 << 20]);
        on_first(&world);
        fs::remove_file(other).unwrap();
        finishes(&world);
    });
}

#[test]
fn the_disk_of_the_record_is_full() {
    apart("migrate::disks::the_disk_of_the_record_is_full", || {
        let (world, _state, record) = small();
        let other = record.path().join("other");
        // Before anything began.
        sh(&fill(&other));
        let words = world.command(&["migrate", "3"]).output().unwrap();
        assert!(matches!(words.status.code(), Some(1 | 5)), "{}", said(&words));
        assert!(said(&words).contains("no space left"), "{}", said(&words));
        assert_eq!(world.log("db"), format!("data {} ", V[0]));
        fs::remove_file(&other).unwrap();
        on_first(&world);
        // While a script ran: what it did cannot be recorded, so it is brought back.
        // It says so much that there is no room for that in the record as it is.
        let much = "for n in $(seq 64); do printf '%0200d\\n' \"$n\"; done\n";
        world.at("up-2024-02-01-script-end", &(fill(&other) + much));
        let words = world.ends(5, &["migrate", "3"]);
        assert!(words.contains("no space left"), "{words}");
        assert_eq!(world.log("db"), format!("data {} ", V[0]), "{words}");
        fs::remove_file(&other).unwrap();
        finishes(&world);
    });
}
