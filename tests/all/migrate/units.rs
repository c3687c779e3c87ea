//! What becomes of units around a walk.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nixmig::execute::{Left, Problem, WalkError};
use nixmig::migrate::{Behalf, Ended, Fate};
use nixmig::record::look;

use super::calls::{ended, is_root};
use super::manager::{ASKS, Manager, STOPS, bring, fate, only, place, recorded, refusal, units};
use super::world::{Kind, Service, V, World};

/// The usual world, whose `db` has two units.
fn two_units() -> World {
    let world = World::of(&[Kind::Plain, Kind::Plain]);
    for number in 1..=3 {
        let line = "X-Migration-Units=db.service";
        world.rewrite(number, "db", line, &format!("{line} db-web.service"));
    }
    world.arrive(2, "1");
    world
}

#[test]
fn a_gate_stops_what_runs_beneath_it_and_starts_it_again() {
    let world = two_units();
    let manager = Manager::default();
    manager.waits("db.service");
    manager.runs("db-web.service");
    world.at("up-2024-02-01-script", "echo held > $STATE_DIRECTORIES/../seen\n");
    let outcome = bring(&world, 3, &manager, Behalf::Gate, Some("db"));
    assert!(matches!(only(&outcome), Ended::Arrived(_)), "{outcome:?}");
    // What waits is held meanwhile, too: were the gate killed, nobody else would start it.
    assert_eq!(
        manager.asked(),
        ["stop db-web.service", "start db-web.service db.service"]
    );
    let both = units(&["db-web.service", "db.service"]);
    assert_eq!(fate(&outcome), Some(&Fate::Started(both)));
    assert!(recorded(&world, "db").held.is_empty());
    assert_eq!(world.log("db"), format!("data {} {} ", V[0], V[1]));
}

#[test]
fn what_a_switch_leaves_running_is_never_stopped() {
    let world = two_units();
    world.unit(
        3,
        "db-web.service",
        "[Service]\nExecStart=/bin/true\nX-RestartIfChanged=false\n",
    );
    let manager = Manager::default();
    manager.waits("db.service");
    manager.runs("db-web.service");
    for behalf in [Behalf::Gate, STOPS] {
        let outcome = bring(&world, 3, &manager, behalf, Some("db"));
        let problem = refusal(only(&outcome));
        assert!(
            matches!(problem, Problem::NeverStopped { units, .. } if units.iter().any(|unit| unit.as_str() == "db-web.service")),
            "{problem:?}"
        );
        assert!(manager.asked().is_empty());
        assert_eq!(world.log("db"), format!("data {} ", V[0]));
    }
    assert_eq!(recorded(&world, "db").held, units(&["db.service"]));
}

#[test]
fn what_waited_for_a_failure_is_held_until_a_generation_fits() {
    let world = World::usual();
    world.at("up-2024-02-01-script-end", "exit 1\n");
    let manager = Manager::default();
    manager.waits("db.service");
    let outcome = bring(&world, 3, &manager, Behalf::Gate, Some("db"));
    assert!(
        matches!(
            only(&outcome),
            Ended::Failed(WalkError {
                left: Left::Restored,
                ..
            })
        ),
        "{outcome:?}"
    );
    assert_eq!(fate(&outcome), Some(&Fate::Held(units(&["db.service"]))));
    manager.rests("db.service");
    // The same path is refused, and nothing is written twice.
    let before = world.record();
    let outcome = bring(&world, 3, &manager, Behalf::Gate, Some("db"));
    assert!(matches!(only(&outcome), Ended::Refused), "{outcome:?}");
    assert!(before == world.record());
    assert!(manager.asked().is_empty());
    // Back where it was, another unit's start brings the held one along.
    let outcome = bring(&world, 2, &manager, Behalf::Gate, Some("db"));
    assert!(outcome.services.is_empty(), "{outcome:?}");
    assert_eq!(manager.asked(), ["start db.service"]);
    assert!(recorded(&world, "db").held.is_empty());
}

#[test]
fn by_hand_units_are_stopped_only_where_somebody_says_so_and_held_for_that_generation() {
    let world = World::usual();
    let manager = Manager::default();
    manager.runs("db.service");
    let outcome = bring(&world, 3, &manager, ASKS, None);
    assert!(matches!(refusal(only(&outcome)), Problem::Up(_)), "{outcome:?}");
    // A unit that is about to start counts, too.
    manager.waits("db.service");
    let outcome = bring(&world, 3, &manager, ASKS, None);
    assert!(matches!(refusal(only(&outcome)), Problem::Up(_)), "{outcome:?}");
    assert!(manager.asked().is_empty());

    manager.runs("db.service");
    let outcome = bring(&world, 3, &manager, STOPS, None);
    assert!(matches!(only(&outcome), Ended::Arrived(_)), "{outcome:?}");
    assert_eq!(manager.asked(), ["stop db.service"]);
    let held = recorded(&world, "db");
    assert_eq!(held.held, units(&["db.service"]));
    assert_eq!(held.held_for.as_deref(), world.toplevel(3).to_str());

    // The gate of the generation that still is active does not take it back.
    manager.waits("db.service");
    let outcome = bring(&world, 2, &manager, Behalf::Gate, Some("db"));
    assert!(
        matches!(refusal(only(&outcome)), Problem::HeldFor(_)),
        "{outcome:?}"
    );
    assert!(manager.asked().is_empty());
    // That of the other lets it start.
    let outcome = bring(&world, 3, &manager, Behalf::Gate, Some("db"));
    assert!(outcome.services.is_empty(), "{outcome:?}");
    assert_eq!(manager.asked(), ["start db.service"]);
    let released = recorded(&world, "db");
    assert_eq!((released.held.len(), released.held_for), (0, None));
}

#[test]
fn units_that_were_stopped_by_hand_start_again_where_the_walk_was_brought_back() {
    let world = World::usual();
    world.at("up-2024-02-01-script-end", "exit 1\n");
    let manager = Manager::default();
    manager.runs("db.service");
    bring(&world, 3, &manager, STOPS, None);
    assert_eq!(manager.asked(), ["stop db.service", "start db.service"]);
    assert_eq!(recorded(&world, "db").held_for, None);
}

/// Two services of which one needs the other, in a generation without steps and in one with a step each.
fn needing() -> World {
    let world = World::new();
    for number in 1..=2 {
        let web = Service::new("web", number - 1).key("X-Migration-Requires=db.service");
        world.generation(number, &[Service::new("db", number - 1), web]);
    }
    for name in ["db", "web"] {
        world.data(name);
    }
    world.arrive(1, "1");
    world.arrive(2, "1");
    assert_eq!(world.log("web"), format!("data {} ", V[0]));
    world
}

#[test]
fn a_way_down_against_the_order_of_gates_is_refused_and_walked_by_hand() {
    let world = needing();
    let manager = Manager::default();
    manager.waits("db.service");
    let outcome = bring(&world, 1, &manager, Behalf::Gate, Some("db"));
    let problem = refusal(only(&outcome));
    assert!(
        matches!(problem, Problem::DownFirst { service, from, .. }
            if service.as_str() == "web" && Path::new(from) == world.toplevel(2)),
        "{problem:?}"
    );
    assert_eq!(world.log("db"), format!("data {} ", V[0]));
    assert!(manager.asked().is_empty());

    for unit in ["db.service", "web.service"] {
        manager.runs(unit);
    }
    bring(&world, 1, &manager, STOPS, None);
    assert_eq!(manager.asked(), ["stop web.service", "stop db.service"]);
    for name in ["db", "web"] {
        assert_eq!(world.log(name), "data ");
        bring(&world, 1, &manager, Behalf::Gate, Some(name));
        assert_eq!(manager.asked(), [format!("start {name}.service")]);
    }
}

#[test]
fn a_way_up_waits_where_what_it_requires_is_held_for_another_generation() {
    let world = needing();
    let manager = Manager::default();
    for unit in ["db.service", "web.service"] {
        manager.runs(unit);
    }
    bring(&world, 1, &manager, STOPS, None);
    manager.asked();
    let outcome = bring(&world, 2, &manager, STOPS, None);
    let web = outcome
        .services
        .iter()
        .find(|(name, _)| name.as_str() == "web")
        .unwrap();
    assert!(
        matches!(refusal(&web.1), Problem::RequiredHeld { unit, .. } if unit.as_str() == "db.service"),
        "{outcome:?}"
    );
    assert_eq!(world.log("web"), "data ");
}

#[test]
fn instances_of_a_template_are_stopped_one_by_one() {
    let world = World::of(&[Kind::Plain, Kind::Plain]);
    for number in 1..=3 {
        let line = "X-Migration-Units=db.service";
        world.rewrite(number, "db", line, "X-Migration-Units=db@.service");
    }
    world.arrive(2, "1");
    let manager = Manager::default();
    manager.runs("db@a.service");
    manager.waits("db@b.service");
    manager.set("db@c.service", "activating", "auto-restart", false);
    world.at("up-2024-02-01-script-end", "exit 1\n");
    let outcome = bring(&world, 3, &manager, Behalf::Gate, Some("db"));
    assert_eq!(manager.asked(), ["stop db@a.service"]);
    let all = units(&["db@a.service", "db@b.service", "db@c.service"]);
    assert_eq!(fate(&outcome), Some(&Fate::Held(all)));
    // One whose time to try again is over takes no start.
    bring(&world, 2, &manager, Behalf::Gate, Some("db"));
    assert_eq!(
        manager.asked(),
        [
            "stop db@c.service",
            "start db@a.service db@b.service db@c.service"
        ]
    );
}

/// A gate on a machine whose active generation is this one, and that no systemd runs.
fn gate(world: &World, active: usize, words: &[&str], code: i32) -> String {
    let mut command = world.command(&[&["gate"], words].concat());
    ended(&mut world.active(active, &mut command), code)
}

#[test]
fn a_gate_with_nothing_to_do_writes_nothing_and_says_nothing() {
    if !is_root() {
        return;
    }
    let world = World::usual();
    let before = snapshot(&world.state_dir);
    assert_eq!(gate(&world, 2, &["db", V[0]], 0), "");
    assert_eq!(snapshot(&world.state_dir), before);
}

/// The attribute that state directories are stamped with.
const STAMP: &str = "trusted.nixmig";

/// Whether a gate finds nothing to do without a look at the whole generation, which cannot be read here.
fn is_plain(world: &World, words: &[&str]) -> bool {
    let mut command = world.command(&[&["gate"], words].concat());
    let output = world.active(2, &mut command).output().unwrap();
    output.status.success()
}

#[test]
fn only_what_is_plain_passes_without_a_plan() {
    if !is_root() {
        return;
    }
    let calm = || {
        let world = World::new();
        for number in 1..=3 {
            world.generation(
                number,
                &[Service::new("db", number - 1), Service::new("other", 0)],
            );
        }
        world.data("db");
        world.arrive(2, "1");
        world
    };
    let broken = |world: World| {
        world.rewrite(
            2,
            "other",
            "X-Migration-Format=1",
            "X-Migration-Format=1\nX-Migration-Broken=1",
        );
        world
    };
    assert!(is_plain(&broken(calm()), &["db", V[0]]));
    assert!(!is_plain(&broken(calm()), &["db"]));
    assert!(!is_plain(&broken(calm()), &["db", V[0], V[1]]));
    assert!(
        !is_plain(&broken(calm()), &["other"]),
        "it was met, and has no state that is stamped"
    );

    type Spoil<'a> = (&'a str, &'a dyn Fn(&World));
    let spoils: [Spoil<'_>; 12] = [
        ("another's state in its place", &|world| {
            symlink("db", world.state.join("other")).unwrap();
        }),
        ("another's state to be within its own", &|world| {
            symlink("db/inner", world.state.join("other")).unwrap();
        }),
        ("its own state within another's", &|world| {
            fs::rename(world.state.join("db"), world.state.join("moved")).unwrap();
            fs::create_dir(world.state.join("other")).unwrap();
            fs::rename(world.state.join("moved"), world.state.join("other/db")).unwrap();
            symlink("other/db", world.state.join("db")).unwrap();
        }),
        ("an older stamp", &|world| {
            let view = look(&place(world)).unwrap().unwrap();
            let stamp = format!("1 {} 0", view.id);
            let flags = rustix::fs::XattrFlags::empty();
            rustix::fs::setxattr(world.state.join("db"), STAMP, stamp.as_bytes(), flags).unwrap();
        }),
        ("no stamp", &|world| {
            rustix::fs::removexattr(world.state.join("db"), STAMP).unwrap();
        }),
        ("no state", &|world| {
            fs::remove_dir_all(world.state.join("db")).unwrap();
        }),
        ("no mount", &|world| world.mounts(2, &world.state.join("db"))),
        ("no mount of the record", &|world| {
            world.mounts(2, &world.state_dir);
        }),
        ("another definition", &|world| {
            world.rewrite(2, "db", "Before=db.service", "Before=db.service more.service");
        }),
        ("a drop-in", &|world| {
            let units = world.toplevel(2).join("etc/systemd/system");
            fs::create_dir(units.join("migrate-db.service.d")).unwrap();
        }),
        ("a failure", &|world| {
            world.at("up-2024-02-01-script-end", "exit 1\n");
            bring(world, 3, &Manager::default(), Behalf::Gate, Some("db"));
        }),
        ("held units", &|world| {
            world.at("up-2024-02-01-script-end", "exit 1\n");
            let manager = Manager::default();
            manager.runs("db.service");
            bring(world, 3, &manager, Behalf::Gate, Some("db"));
        }),
    ];
    for (what, spoil) in spoils {
        let world = calm();
        spoil(&world);
        assert!(!is_plain(&broken(world), &["db", V[0]]), "{what}");
    }
    let world = broken(calm());
    let mut early = world.at_time("2 years ago", &["gate", "db", V[0]]);
    let early = world.active(2, &mut early).output().unwrap();
    assert!(!early.status.success(), "a clock that went back");
    let lock = fs::File::open(world.state_dir.join("locks/db.lock")).unwrap();
    lock.lock().unwrap();
    assert!(!is_plain(&world, &["db", V[0]]), "somebody is at it");
    drop(lock);
    assert!(is_plain(&world, &["db", V[0]]));
}

fn snapshot(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(snapshot(&path)),
            false => found.push((path.clone(), fs::read(&path).unwrap())),
        }
    }
    found.sort();
    found
}

#[test]
fn a_gate_says_what_happened_and_what_to_type() {
    if !is_root() {
        return;
    }
    let world = World::usual();
    let seen = |active, words: &[&str]| {
        let mut command = world.command(&[&["gate"], words].concat());
        world.seen_of(&mut world.active(active, &mut command))
    };
    insta::assert_snapshot!("gate_of_another_generation", seen(3, &["db", V[0]]));
    assert_eq!(world.log("db"), format!("data {} ", V[0]));
    insta::assert_snapshot!("gate_up", seen(3, &["db", V[0], V[1]]));
    insta::assert_snapshot!("gate_down", seen(2, &["db", V[0]]));
    world.at("up-2024-02-01-script-end", "echo 'row 17: no'; exit 1\n");
    insta::assert_snapshot!("gate_failed", seen(3, &["db", V[0], V[1]]));
    insta::assert_snapshot!("gate_blocked", seen(3, &["db", V[0], V[1]]));
    assert_eq!(gate(&world, 2, &["db", V[0]], 0), "");
}

#[test]
fn status_and_resume_say_how_what_is_held_starts_again() {
    if !is_root() {
        return;
    }
    let world = World::usual();
    let manager = Manager::default();
    let seen = |active, words: &[&str]| world.seen_of(&mut world.active(active, &mut world.command(words)));
    manager.runs("db.service");
    bring(&world, 3, &manager, STOPS, None);
    // A lock that this process let go is seen until what other tests started has become a program of its own.
    let statuses = (0..100).map(|_| seen(2, &["status"]));
    let settled = |status: &String| !status.contains("db  running");
    insta::assert_snapshot!("held_for_another", statuses.into_iter().find(settled).unwrap());
    insta::assert_snapshot!("resume_held_for_another", seen(2, &["resume", "db"]));
    insta::assert_snapshot!("gate_held_for_another", seen(2, &["gate", "db", V[0]]));
    let history = world.ends(0, &["history"]);
    assert!(history.contains("kept from starting until"), "{history}");
    insta::assert_snapshot!("resume_held", seen(3, &["resume", "db"]));

    bring(&world, 3, &manager, Behalf::Gate, None);
    bring(&world, 2, &manager, Behalf::Gate, None);
    world.at("up-2024-02-01-script-end", "exit 1\n");
    manager.waits("db.service");
    bring(&world, 3, &manager, Behalf::Gate, None);
    insta::assert_snapshot!("held_after_failure", seen(3, &["status"]));
    insta::assert_snapshot!("held_where_it_fits", seen(2, &["status"]));
    insta::assert_snapshot!("resume_still_held", seen(3, &["resume", "db"]));
}
