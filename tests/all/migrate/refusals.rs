//! State that is not what the record has: each refused in its own words, and with a way out that works when it is walked.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::calls::{ended, is_root, said};
use super::world::{Kind, Service, V, World};
use crate::cli::nixmig;
use crate::images::apart;

/// The `db` of a usual machine goes to generation 3, and there its state is on both versions.
fn finishes(world: &World) {
    world.ends(0, &["migrate", "3"]);
    let on_both = format!("data {} {} ", V[0], V[1]);
    assert_eq!(
        (world.log("db"), world.applied("db")),
        (on_both, V[..2].join(" "))
    );
}

/// Says what the state is on, in the words of a refusal.
fn stamp(world: &World, refusal: &str, version: &str) {
    let output = world.types(refusal, "nixmig stamp db", &[("VERSION", version)]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

fn copy(from: &Path, to: &Path) {
    let output = Command::new("cp").arg("-a").arg(from).arg(to).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn the_record_was_deleted() {
    let world = World::usual();
    let before = world.log("db");
    fs::remove_dir_all(&world.state_dir).unwrap();
    insta::assert_snapshot!("record_deleted", world.seen(&["migrate", "3"]));
    assert!(!world.state_dir.exists(), "a refusal made a record");
    assert_eq!(world.log("db"), before);
    let refusal = world.ends(4, &["migrate", "3"]);
    stamp(&world, &refusal, V[0]);
    finishes(&world);
}

#[test]
fn an_older_backup_was_restored() {
    if !is_root() {
        return;
    }
    let world = World::usual();
    let (data, aside) = (world.state.join("db"), world.path("aside"));
    copy(&data, &aside);
    world.ends(0, &["migrate", "3"]);
    let newer = world.path("newer");
    fs::rename(&data, &newer).unwrap();
    fs::rename(&aside, &data).unwrap();
    // Wherever it is to go.
    insta::assert_snapshot!("older_backup", world.seen(&["migrate", "3"]));
    let refusal = world.ends(4, &["migrate", "2"]);
    assert_eq!(world.log("db"), format!("data {} ", V[0]));
    stamp(&world, &refusal, V[0]);
    finishes(&world);
    // The other way out: to bring back what is newer.
    let (data, aside) = (world.state.join("db"), world.path("aside"));
    copy(&data, &aside);
    world.ends(0, &["migrate", "2"]);
    let newer = world.path("newest");
    fs::rename(&data, &newer).unwrap();
    fs::rename(&aside, &data).unwrap();
    world.ends(4, &["migrate", "3"]);
    fs::rename(&data, &aside).unwrap();
    fs::rename(&newer, &data).unwrap();
    finishes(&world);
}

#[test]
fn the_state_is_of_another_host() {
    if !is_root() {
        return;
    }
    let (world, other) = (World::usual(), World::usual());
    let data = world.state.join("db");
    fs::remove_dir_all(&data).unwrap();
    copy(&other.state.join("db"), &data);
    insta::assert_snapshot!("other_host", world.seen(&["migrate", "3"]));
    assert_eq!(world.log("db"), format!("data {} ", V[0]));
    let refusal = world.ends(4, &["migrate", "3"]);
    stamp(&world, &refusal, V[0]);
    finishes(&world);
}

#[test]
fn the_state_is_gone() {
    let world = World::usual();
    fs::remove_dir_all(world.state.join("db")).unwrap();
    insta::assert_snapshot!("gone", world.seen(&["migrate", "3"]));
    let refusal = world.ends(4, &["migrate", "3"]);
    let to = [("GEN", "3")];
    let output = world.types(&refusal, "nixmig stamp db head", &to);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    world.ends(0, &["migrate", "3"]);
    assert_eq!(world.applied("db"), V[..2].join(" "));
}

#[test]
fn the_state_is_not_mounted() {
    apart("migrate::refusals::the_state_is_not_mounted", || {
        let world = World::new();
        world.generations(&[Kind::Plain, Kind::Plain]);
        let (point, disk) = (world.state.join("db"), world.path("disk"));
        for directory in [&point, &disk] {
            fs::create_dir(directory).unwrap();
        }
        fs::write(disk.join("log"), "data\n").unwrap();
        for number in 1..=3 {
            world.mounts(number, &point);
        }
        let mount = |arguments: &[&Path]| {
            let program = if arguments.len() > 1 { "mount" } else { "umount" };
            let output = Command::new(program).args(arguments).output().unwrap();
            assert!(output.status.success(), "{}", said(&output));
        };
        // Not even for the first time.
        insta::assert_snapshot!("not_mounted_and_not_met", world.seen(&["migrate", "2"]));
        assert!(!world.state_dir.exists());
        mount(&[Path::new("--bind"), &disk, &point]);
        world.arrive(2, "1");
        mount(&[&point]);
        insta::assert_snapshot!("not_mounted", world.seen(&["migrate", "3"]));
        assert_eq!(
            fs::read_dir(&point).unwrap().count(),
            0,
            "what is beneath was touched"
        );
        mount(&[Path::new("--bind"), &disk, &point]);
        finishes(&world);
        mount(&[&point]);
    });
}

#[test]
fn the_clock_is_a_year_behind() {
    if Command::new("faketime").arg("--version").output().is_err() {
        assert!(
            std::env::var_os("CI").is_none(),
            "with CI set no test is skipped: faketime is not in PATH"
        );
        return println!("skipped: faketime is not in PATH");
    }
    let world = World::usual();
    let before = world.record();
    let behind = |arguments: &[&str]| world.at_time("1 year ago", arguments);
    let words = ended(&mut behind(&["migrate", "3"]), 4);
    assert!(
        words.contains("the clock is wrong, or the record is of another time"),
        "{words}"
    );
    assert!(words.contains("--clock-is-right"), "{words}");
    assert!(world.record() == before && world.log("db") == format!("data {} ", V[0]));
    // What is up to date starts whatever the clock says.
    ended(&mut behind(&["migrate", "2"]), 0);
    ended(&mut behind(&["migrate", "3", "--clock-is-right"]), 0);
    assert_eq!(world.log("db"), format!("data {} {} ", V[0], V[1]));
    // The other way out is to set it.
    let world = World::usual();
    ended(&mut world.at_time("1 year ago", &["migrate", "3"]), 4);
    finishes(&world);
}

#[test]
fn a_definition_whose_generation_is_gone_still_undoes() {
    let world = World::usual();
    world.ends(0, &["migrate", "3"]);
    world.delete(3);
    assert!(!world.toplevel(3).exists());
    world.ends(0, &["migrate", "2"]);
    assert_eq!(world.log("db"), format!("data {} ", V[0]));
    world.delete(2);
    world.ends(0, &["migrate", "1"]);
    // With nothing applied, and no generation that runs, there is nothing to say of it.
    assert_eq!(
        (world.log("db"), world.applied("db")),
        ("data ".to_owned(), "unknown".to_owned())
    );
}

#[test]
fn what_was_only_assumed_is_undone_when_somebody_vouches_for_it() {
    let world = World::new();
    world.generation(2, &[Service::new("db", 1)]);
    world.ends(0, &["migrate", "2"]);
    // The service made its state in the meantime.
    world.data("db");
    fs::write(world.state.join("db/log"), format!("data\n{}\n", V[0])).unwrap();
    world.generation(1, &[Service::new("db", 0)]);
    insta::assert_snapshot!("only_assumed", world.seen(&["migrate", "1"]));
    let refusal = world.ends(4, &["migrate", "1"]);
    stamp(&world, &refusal, V[0]);
    world.ends(0, &["migrate", "1"]);
    assert_eq!(world.log("db"), "data ");
}

#[test]
fn a_record_that_is_not_mounted_is_not_made_anew() {
    let world = World::usual();
    let before = world.record();
    world.mounts(3, &world.state_dir);
    let refused = world.ends(1, &["migrate", "3"]);
    assert!(
        refused.contains("is not mounted, and the record is below it"),
        "{refused}"
    );
    assert!(before == world.record());
    assert_eq!(world.log("db"), format!("data {} ", V[0]));
}

#[test]
fn state_that_is_met_and_moved_comes_back_to_where_it_was() {
    let world = World::of(&[Kind::Plain, Kind::Plain]);
    fs::write(world.state.join("db/log"), format!("data\n{}\n", V[0])).unwrap();
    world.rewrite(3, "db", "/db\"]", "/moved\"]");
    let (from, to) = (world.state.join("db"), world.state.join("moved"));
    let script = format!("up-{}-script-end", V[1]);
    world.at(
        &script,
        &format!("mv {} {}; exit 1", from.display(), to.display()),
    );
    world.ends(5, &["migrate", "3", "--from", "2"]);
    assert_eq!(world.log("db"), format!("data {} ", V[0]));
    assert_eq!(world.applied("db"), V[0]);
    assert!(!to.exists());
}

#[test]
fn two_services_have_one_state() {
    let world = World::usual();
    world.generation(4, &[Service::new("db", 2), Service::new("web", 1)]);
    symlink("db", world.state.join("web")).unwrap();
    insta::assert_snapshot!("shared_by_a_link", world.seen(&["migrate", "4"]));
    let planned = world.ends(0, &["plan", "4"]);
    assert!(planned.contains("shared-state"), "{planned}");
    assert_eq!(
        (world.log("db"), world.applied("web")),
        (format!("data {} ", V[0]), "unknown".to_owned())
    );
    // The way out: a directory of its own.
    fs::remove_file(world.state.join("web")).unwrap();
    world.ends(0, &["migrate", "4"]);
    // Where paths tell, the generations alone do.
    world.generation(5, &[Service::new("db", 2), Service::new("web", 1)]);
    world.rewrite(5, "web", "/web\"]", "/db/web\"]");
    let sides = [4, 5].map(|number| world.toplevel(number).display().to_string());
    let mut diff = nixmig(&["diff", &sides[0], &sides[1]]);
    insta::assert_snapshot!("shared_by_generations", world.seen_of(&mut diff));
}

#[test]
fn a_service_got_another_name() {
    let world = World::usual();
    world.generation(4, &[Service::new("base", 2)]);
    world.rewrite(4, "base", "/base\"]", "/db\"]");
    insta::assert_snapshot!("renamed", world.seen(&["migrate", "4"]));
    let refusal = world.ends(4, &["migrate", "4"]);
    assert_eq!(world.log("db"), format!("data {} ", V[0]));
    for (begins, fill) in [
        ("nixmig forget db", &[][..]),
        ("nixmig stamp base", &[("VERSION", V[0])]),
    ] {
        let output = world.types(&refusal, begins, fill);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }
    let planned = world.ends(0, &["plan", "4"]);
    assert!(!planned.contains("refused"), "{planned}");
}

#[test]
fn nobody_knows_which_package_ran_the_state() {
    let world = World::new();
    world.data("db");
    let package = world.package("db-15.1");
    let key = format!("X-Migration-Package={}", package.display());
    let service = Service::new("db", 1).key(&key);
    world.generation(2, std::slice::from_ref(&service));
    let script = world.script_of(2, &format!("up-{}-script", V[0]));
    let text = fs::read_to_string(&script).unwrap();
    fs::write(
        &script,
        format!("{text}echo \"$OLD_PACKAGE\" >> {}\n", world.path("ran").display()),
    )
    .unwrap();
    world.ends(0, &["stamp", "db", "none"]);
    let before = world.log("db");
    insta::assert_snapshot!("no_old_package", world.seen(&["migrate", "2"]));
    let refusal = world.ends(4, &["migrate", "2"]);
    assert_eq!(world.log("db"), before);
    // Any generation that runs it will do.
    world.generation(1, &[service.runs(&package)]);
    let output = world.types(&refusal, "nixmig migrate", &[("GEN", "2"), ("OLD", "1")]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let ran = fs::read_to_string(world.path("ran")).unwrap();
    assert_eq!(ran, format!("{}\n", package.display()));
}
