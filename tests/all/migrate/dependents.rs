//! What becomes of units without a gate that need one with one.

use nixmig::migrate::{Behalf, Fate};

use super::manager::{Manager, STOPS, bring, fate, recorded, units};
use super::world::World;

/// `app` needs `web`, which needs `db`; so does `cache`, which rests, `multi-user.target`, and the gate of `shop`, which `shop` needs.
fn with_others(db: &dyn Fn(&Manager, &str), others: &dyn Fn(&Manager, &str)) -> Manager {
    let manager = Manager::default();
    db(&manager, "db.service");
    for unit in ["web.service", "app.service", "app.socket", "shop.service"] {
        others(&manager, unit);
    }
    manager.rests("cache.service");
    manager.waits("migrate-shop.service");
    manager.runs("multi-user.target");
    manager.runs("far.service");
    for (unit, other) in [
        ("web.service", "db.service"),
        ("app.service", "web.service"),
        ("app.socket", "web.service"),
        ("web.service", "app.service"),
        ("db.service", "web.service"),
        ("cache.service", "db.service"),
        ("multi-user.target", "db.service"),
        ("far.service", "multi-user.target"),
        ("far.service", "cache.service"),
        ("migrate-shop.service", "db.service"),
        ("shop.service", "migrate-shop.service"),
    ] {
        manager.needs(unit, other);
    }
    manager
}

const OTHERS: [&str; 4] = ["app.service", "app.socket", "shop.service", "web.service"];
const ALL: [&str; 5] = [
    "app.service",
    "app.socket",
    "db.service",
    "shop.service",
    "web.service",
];

#[test]
fn what_needs_a_unit_that_is_stopped_goes_and_comes_with_it() {
    let (stop, start) = (
        format!("stop {}", OTHERS.join(" ")),
        format!("start {}", ALL.join(" ")),
    );
    // Stopped by hand, and held until the generation is active.
    let world = World::usual();
    let manager = with_others(&Manager::runs, &Manager::runs);
    bring(&world, 3, &manager, STOPS, None);
    assert_eq!(manager.asked(), [stop.as_str(), "stop db.service"]);
    assert_eq!(recorded(&world, "db").held, units(&ALL));
    bring(&world, 3, &manager, Behalf::Gate, Some("db"));
    assert_eq!(manager.asked(), [start.as_str()]);

    // What runs beneath a gate.
    let manager = with_others(&Manager::runs, &Manager::runs);
    bring(&world, 2, &manager, Behalf::Gate, Some("db"));
    assert_eq!(
        manager.asked(),
        [stop.as_str(), "stop db.service", start.as_str()]
    );

    // What a switch leaves running is not stopped. It may go down with the others, so it is started, too.
    world.unit(
        3,
        "web.service",
        "[Service]\nExecStart=/bin/true\nX-RestartIfChanged=false\n",
    );
    let manager = with_others(&Manager::runs, &Manager::runs);
    bring(&world, 3, &manager, Behalf::Gate, Some("db"));
    assert_eq!(
        manager.asked(),
        [
            "stop app.service app.socket shop.service",
            "stop db.service",
            start.as_str()
        ]
    );
}

#[test]
fn what_waits_for_a_unit_that_waits_for_a_gate_is_held_with_it() {
    let world = World::usual();
    world.at("up-2024-02-01-script-end", "exit 1\n");
    let manager = with_others(&Manager::waits, &Manager::waits);
    for _ in ["failed", "refused"] {
        let outcome = bring(&world, 3, &manager, Behalf::Gate, Some("db"));
        assert_eq!(fate(&outcome), Some(&Fate::Held(units(&ALL))));
        assert!(manager.asked().is_empty());
    }
    bring(&world, 2, &manager, Behalf::Gate, Some("db"));
    assert_eq!(manager.asked(), [format!("start {}", ALL.join(" "))]);

    // What runs although the unit that it needs does not is left alone.
    let manager = with_others(&Manager::waits, &Manager::runs);
    world.calm();
    world.ends(0, &["resume", "db", "--retry"]);
    bring(&world, 3, &manager, Behalf::Gate, Some("db"));
    assert_eq!(manager.asked(), ["start db.service"]);
}
