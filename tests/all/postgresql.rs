//! PostgreSQL goes up by `pg_upgrade` and down by dumping and loading, through `nixmig migrate`, and loses nothing: roles,
//! rights, large objects, sequences, partitions, collations, rows of every type, whatever is killed on the way.

use std::fs;
#[cfg(feature = "faults")]
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;

use crate::demeter::Demeter;
#[cfg(feature = "faults")]
use crate::demeter::told;

#[test]
fn a_closure_holds_one_postgresql_whatever_it_may_come_from() {
    let Some(demeter) = Demeter::new("closure") else {
        return;
    };
    for major in [13, 15, 17] {
        let generation = demeter.with(major);
        let closure = demeter.closure(generation);
        let is_server =
            |path: &&PathBuf| path.file_name().unwrap().to_str().unwrap()[33..].starts_with("postgresql-");
        let servers: Vec<_> = closure.iter().filter(is_server).collect();
        assert_eq!(servers, [&generation.package]);

        let gate = generation
            .toplevel
            .join("etc/systemd/system/migrate-postgresql.service");
        let scripts = fs::read_to_string(gate).unwrap();
        let scripts = scripts.lines().filter_map(|line| line.split_once("Script=/"));
        let mut checked = 0;
        for (_, script) in scripts {
            let text = fs::read_to_string(format!("/{script}")).unwrap();
            assert!(!text.contains("-postgresql-"), "/{script}");
            checked += 1;
        }
        assert!(checked >= 2);
    }
}

#[test]
fn nothing_is_lost_from_15_to_17_and_back() {
    let Some(demeter) = Demeter::new("back") else {
        return;
    };
    demeter.cluster(15, &["make"]);
    demeter.cluster(15, &["seed"]);
    let before = demeter.cluster(15, &["content"]);
    assert!(before.contains("rows of sales.customer|800|"), "{before}");
    assert!(before.contains("object|90001|"), "{before}");

    demeter.arrive(15);
    demeter.arrive(17);
    assert_eq!(demeter.cluster(17, &["content"]), before);

    demeter.cluster(17, &["write", "later"]);
    let written = demeter.cluster(17, &["content"]);
    assert_ne!(written, before);

    demeter.arrive(15);
    assert_eq!(demeter.cluster(15, &["content"]), written);
    demeter.cluster(15, &["written", "later"]);
}

#[test]
fn nothing_is_lost_from_13_to_17_by_way_of_15_or_at_once() {
    let Some(demeter) = Demeter::new("stages") else {
        return;
    };
    for stages in [&[13, 15, 17][..], &[13, 17]] {
        demeter.clear();
        demeter.cluster(13, &["make"]);
        demeter.cluster(13, &["seed"]);
        let before = demeter.cluster(13, &["content"]);
        for &major in stages {
            demeter.arrive(major);
            assert_eq!(
                demeter.cluster(major, &["content"]),
                before,
                "at {major} of {stages:?}"
            );
        }
    }
}

/// Killed at a point of the way to a version; gone on from there to another, or back.
#[cfg(feature = "faults")]
#[test]
fn a_kill_in_mid_step_leaves_rows_as_they_were_or_as_they_shall_be() {
    let Some(demeter) = Demeter::new("killed") else {
        return;
    };
    demeter.cluster(15, &["make"]);
    demeter.cluster(15, &["seed"]);
    demeter.arrive(15);
    let content = demeter.cluster(15, &["content"]);
    for (point, target, then) in [
        ("backup-written", 17, 15),
        ("script-begun", 17, 15),
        ("script-ended", 17, 15),
        ("verified", 17, 17),
        ("script-ended", 15, 17),
        ("step-finished", 15, 15),
    ] {
        let killed = demeter
            .migrate(target)
            .env("NIXMIG_FAULT", format!("{point}:kill"))
            .output()
            .unwrap();
        assert_eq!(killed.status.signal(), Some(9), "{point}: {}", told(&killed));

        demeter.arrive(then);
        let after = demeter.cluster(then, &["content"]);
        assert_eq!(
            after, content,
            "killed at {point} on the way to {target}, then to {then}"
        );
    }
}
