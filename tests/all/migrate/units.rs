//! What becomes of units around a walk, with a service manager that only writes down what it is asked for.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nixmig::execute::units::{UnitState, Units, UnitsError};
use nixmig::execute::{DirectExecutor, Left, Problem, Silent, WalkError, detect};
use nixmig::generation::closure::definitions;
use nixmig::generation::reference::Closure;
use nixmig::generation::{ReadOptions, read_closure};
use nixmig::machine::{Host, Options};
use nixmig::migrate::{Behalf, Ended, Fate, Outcome, Request, migrate};
use nixmig::model::{Definition, Recorded, ServiceName, UnitName};
use nixmig::record::{Place, Wait, look};

use super::world::{Kind, Service, V, World};

const STOPS: Behalf = Behalf::Somebody { stops: true };
const ASKS: Behalf = Behalf::Somebody { stops: false };

/// A service manager without services.
#[derive(Default)]
struct Manager {
    states: RefCell<BTreeMap<UnitName, UnitState>>,
    asked: RefCell<Vec<String>>,
}

impl Manager {
    fn set(&self, unit: &str, active: &str, sub: &str, job: bool) {
        let mut states = self.states.borrow_mut();
        let state = states.entry(unit.parse().unwrap()).or_default();
        state.load = "loaded".to_owned();
        state.active = active.to_owned();
        state.sub = sub.to_owned();
        state.job = job;
    }

    fn runs(&self, unit: &str) {
        self.set(unit, "active", "running", false);
    }

    /// Its start waits for its gate.
    fn waits(&self, unit: &str) {
        self.set(unit, "inactive", "dead", true);
    }

    fn rests(&self, unit: &str) {
        self.set(unit, "inactive", "dead", false);
    }

    /// The one is stopped along with the other.
    fn needs(&self, unit: &str, other: &str) {
        let mut states = self.states.borrow_mut();
        let other = states.get_mut(&other.parse::<UnitName>().unwrap()).unwrap();
        other.needed_by.insert(unit.parse().unwrap());
    }

    /// What it was asked for since the last time.
    fn asked(&self) -> Vec<String> {
        self.asked.take()
    }

    fn note(&self, what: &str, units: &BTreeSet<UnitName>) {
        let names: Vec<_> = units.iter().map(UnitName::as_str).collect();
        self.asked
            .borrow_mut()
            .push(format!("{what} {}", names.join(" ")));
    }
}

impl Units for Manager {
    fn state(&self, unit: &UnitName) -> Result<UnitState, UnitsError> {
        Ok(self.states.borrow().get(unit).cloned().unwrap_or_default())
    }

    fn instances(&self, template: &UnitName) -> Result<Vec<UnitName>, UnitsError> {
        let states = self.states.borrow();
        let of_it = |unit: &&UnitName| unit.template().as_ref() == Some(template);
        Ok(states.keys().filter(of_it).cloned().collect())
    }

    fn stop(&self, units: &BTreeSet<UnitName>) -> Result<(), UnitsError> {
        self.note("stop", units);
        units.iter().for_each(|unit| self.rests(unit.as_str()));
        Ok(())
    }

    fn start(&self, units: &BTreeSet<UnitName>) -> Result<(), UnitsError> {
        self.note("start", units);
        Ok(())
    }

    fn reload(&self) -> Result<(), UnitsError> {
        Ok(())
    }
}

/// Migrates one service, or all, to a generation.
fn bring(world: &World, number: usize, manager: &Manager, behalf: Behalf, service: Option<&str>) -> Outcome {
    bring_by(world, number, manager, behalf, service, None)
}

fn bring_by(
    world: &World,
    number: usize,
    manager: &Manager,
    behalf: Behalf,
    service: Option<&str>,
    chain: Option<&dyn nixmig::execute::chain::Chain>,
) -> Outcome {
    bring_seen(world, number, manager, behalf, service, chain, &|| {})
}

/// The same; `looks` hears of every look at the machine.
fn bring_seen(
    world: &World,
    number: usize,
    manager: &Manager,
    behalf: Behalf,
    service: Option<&str>,
    chain: Option<&dyn nixmig::execute::chain::Chain>,
    looks: &dyn Fn(),
) -> Outcome {
    let read = ReadOptions {
        profile: world.path("profiles/system"),
        ..ReadOptions::default()
    };
    let toplevel = world.toplevel(number);
    let target = read_closure(&toplevel, "target", &read).unwrap();
    let definitions = definitions(&Closure::at(&toplevel), &read).unwrap();
    let executor = DirectExecutor::new().unwrap();
    let ask = |service: &ServiceName, definition: &Definition, package: Option<&str>| {
        detect(&executor, service, definition, package)
    };
    let look = || {
        looks();
        Host::look(Options {
            read: read.clone(),
            place: place(world),
            from: None,
            now: Timestamp::now(),
            clock_is_right: false,
            ask: &ask,
            alive: &|_, _| false,
        })
    };
    let services = service.map(|name| BTreeSet::from([name.parse().unwrap()]));
    migrate(&Request {
        chain,
        look: &look,
        target: &target,
        definitions: &definitions,
        read: &read,
        services: services.as_ref(),
        program: Path::new("/bin/true"),
        executor: &executor,
        progress: &Silent,
        cgroups: &world.path("no-cgroups"),
        units: Some(manager),
        behalf,
        unguarded: false,
        wait: Wait::Forever,
        acknowledge: &BTreeSet::new(),
        confirm: &|_, _| false,
        show: &|_, _| {},
    })
    .unwrap()
}

fn place(world: &World) -> Place {
    Place {
        state_dir: world.state_dir.clone(),
        gc_roots: world.path("gcroots/nixmig"),
        guards: world.path("guards"),
    }
}

fn recorded(world: &World, service: &str) -> Recorded {
    let view = look(&place(world)).unwrap().unwrap();
    view.services[&service.parse::<ServiceName>().unwrap()].clone()
}

fn units(names: &[&str]) -> BTreeSet<UnitName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// How the only service went that something was done for.
fn only(outcome: &Outcome) -> &Ended {
    match outcome.services.as_slice() {
        [(_, ended)] => ended,
        all => panic!("{all:?}"),
    }
}

fn refusal(ended: &Ended) -> &Problem {
    match ended {
        Ended::Failed(error) => {
            assert!(error.is_refusal(), "{error:?}");
            &error.what
        }
        ended => panic!("{ended:?}"),
    }
}

fn fate(outcome: &Outcome) -> Option<&Fate> {
    outcome.units.first().map(|(_, fate)| fate)
}

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
    super::world::ended(&mut world.active(active, &mut command), code)
}

#[test]
fn a_gate_with_nothing_to_do_writes_nothing_and_says_nothing() {
    if !super::world::is_root() {
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
    if !super::world::is_root() {
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
    if !super::world::is_root() {
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
    if !super::world::is_root() {
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

type Meanwhile<'a> = &'a dyn Fn(&ServiceName);

/// Runs steps while it is slept, as units of their own would.
struct Apart<'a> {
    world: &'a World,
    steps: RefCell<Vec<(ServiceName, nixmig::model::RunId, usize)>>,
    /// What others do before the steps of a service, and after them.
    before: Meanwhile<'a>,
    after: Meanwhile<'a>,
}

impl nixmig::execute::chain::Chain for Apart<'_> {
    fn submit(&self, links: &nixmig::execute::chain::Links) -> Result<(), UnitsError> {
        let steps = links.steps.iter();
        let steps = steps.map(|step| (links.service.clone(), links.run.clone(), step.number));
        self.steps.borrow_mut().extend(steps);
        Ok(())
    }

    fn lives(&self, service: &ServiceName, _: &nixmig::model::RunId) -> Result<bool, UnitsError> {
        Ok(self.steps.borrow().iter().any(|(other, ..)| other == service))
    }

    fn sleep(&self, service: &ServiceName, _: &nixmig::model::RunId, _: std::time::Duration) -> bool {
        (self.before)(service);
        let place = place(self.world);
        let executor = DirectExecutor::new().unwrap();
        for (service, run, number) in self.steps.take() {
            let stopped = || false;
            let mut lock = nixmig::execute::lock(&place, &service, Wait::Forever, &Silent, &stopped).unwrap();
            let mut record = nixmig::record::Record::open(&place).unwrap();
            let mut engine = nixmig::execute::Engine {
                place: &place,
                record: &mut record,
                lock: &mut lock,
                service: &service,
                executor: &executor,
                progress: &Silent,
                cgroups: &self.world.path("no-cgroups"),
            };
            engine.step_of(&run, u32::try_from(number).unwrap() - 1).unwrap();
        }
        (self.after)(service);
        true
    }

    fn told_in(&self) -> &Path {
        Path::new("/nonexistent")
    }
}

/// Between two services a command holds no lock: another may bring the second one there.
#[test]
fn what_another_did_meanwhile_is_not_done_again() {
    for behalf in [STOPS, ASKS] {
        let world = two_to_go();
        let manager = Manager::default();
        let meanwhile = |service: &ServiceName| {
            if service.as_str() == "a" {
                let outcome = bring(&world, 3, &Manager::default(), Behalf::Gate, Some("db"));
                assert!(matches!(only(&outcome), Ended::Arrived(_)), "{outcome:?}");
                if behalf == ASKS {
                    manager.runs("db.service");
                }
            }
        };
        let chain = Apart {
            world: &world,
            steps: RefCell::default(),
            before: &|_| {},
            after: &meanwhile,
        };
        let outcome = bring_by(&world, 3, &manager, behalf, None, Some(&chain));
        assert_eq!(world.log("db"), format!("data {} {} ", V[0], V[1]), "{outcome:?}");
        assert_eq!(recorded(&world, "db").versions().len(), 2, "{outcome:?}");
    }
}

/// Between two steps, nobody has the lock.
#[test]
fn a_run_whose_steps_are_queued_goes_on() {
    let world = World::usual();
    let said = |alive: bool| {
        let read = ReadOptions {
            profile: world.path("profiles/system"),
            ..ReadOptions::default()
        };
        let ours = |service: &ServiceName, _: &nixmig::model::RunId| alive && service.as_str() == "db";
        let host = Host::look(Options {
            read: read.clone(),
            place: place(&world),
            from: None,
            now: Timestamp::now(),
            clock_is_right: false,
            ask: &|_, _, _| unreachable!("it has no script"),
            alive: &ours,
        });
        let host = host.unwrap();
        let target = read_closure(&world.toplevel(3), "target", &read).unwrap();
        let plan = host.plan(target).unwrap().plan;
        let finding = plan
            .findings()
            .find(|one| one.code == nixmig::plan::Code::Interrupted);
        let is_at_work = host.is_at_work(&"db".parse().unwrap());
        (finding.map(|one| one.message.clone()), is_at_work)
    };
    let looked = std::cell::Cell::new(false);
    let look = |_: &ServiceName| {
        let (message, is_at_work) = said(true);
        assert!(message.unwrap().contains("goes on right now"));
        assert!(is_at_work);
        // A lock that this process let go is seen until what other tests started has become a program of its own.
        let left = (0..100).map(|_| said(false)).find(|(_, is_at_work)| !is_at_work);
        let (message, _) = left.unwrap();
        assert!(message.unwrap().contains("never reported its end"));
        looked.set(true);
    };
    let chain = Apart {
        world: &world,
        steps: RefCell::default(),
        before: &look,
        after: &|_| {},
    };
    bring_by(&world, 3, &Manager::default(), STOPS, None, Some(&chain));
    assert!(looked.get());
    let (message, _) = said(true);
    assert_eq!(message, None);
}

/// `a` and `db`, each with a step to go.
fn two_to_go() -> World {
    let world = World::new();
    for number in 1..=3 {
        world.generation(
            number,
            &[Service::new("a", number - 1), Service::new("db", number - 1)],
        );
    }
    world.data("a");
    world.data("db");
    world.arrive(2, "1");
    world
}

/// Whether nobody has the lock of a service.
fn is_free(world: &World, service: &str) -> bool {
    let lock = fs::File::open(world.state_dir.join(format!("locks/{service}.lock"))).unwrap();
    lock.try_lock().is_ok()
}

/// The same, some time soon: a lock that this process let go is held until what other tests started has become a program of its own.
fn gets_free(world: &World, service: &str) -> bool {
    (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        is_free(world, service)
    })
}

#[test]
fn who_waits_for_a_run_holds_no_lock() {
    let world = two_to_go();
    let waits = RefCell::new(Vec::new());
    let before = |service: &ServiceName| {
        for other in ["a", "db"] {
            assert!(gets_free(&world, other), "{other} while {service} is waited for");
        }
        waits.borrow_mut().push(service.to_string());
    };
    let chain = Apart {
        world: &world,
        steps: RefCell::default(),
        before: &before,
        after: &|_| {},
    };
    bring_by(&world, 3, &Manager::default(), STOPS, None, Some(&chain));
    assert_eq!(*waits.borrow(), ["a", "db"]);
}

#[test]
fn who_waits_for_a_lock_holds_no_other() {
    // Whichever comes first in the order of whoever wants both.
    for (held, other) in [("db", "a"), ("a", "db")] {
        let world = two_to_go();
        let lock = fs::File::open(world.state_dir.join(format!("locks/{held}.lock"))).unwrap();
        lock.lock().unwrap();
        let child = world.begin(&["migrate", "3"]);
        std::thread::sleep(std::time::Duration::from_millis(500));
        assert!(gets_free(&world, other), "{other} while {held} is waited for");
        drop(lock);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", super::world::said(&output));
        for service in ["a", "db"] {
            assert_eq!(world.log(service), format!("data {} {} ", V[0], V[1]));
        }
    }
}

#[test]
fn what_is_kept_is_tidied_up_under_the_lock() {
    let world = World::usual();
    let chain = Apart {
        world: &world,
        steps: RefCell::default(),
        before: &|_| {},
        after: &|_| {},
    };
    let chain: &dyn nixmig::execute::chain::Chain = &chain;
    for (number, chain) in [(3, None), (2, Some(chain))] {
        let (looks, last_free) = (std::cell::Cell::new(0), std::cell::Cell::new(true));
        let look = || {
            looks.set(looks.get() + 1);
            last_free.set(is_free(&world, "db"));
        };
        let outcome = bring_seen(&world, number, &Manager::default(), STOPS, None, chain, &look);
        assert!(matches!(only(&outcome), Ended::Arrived(_)), "{outcome:?}");
        // Before the lock, with it, and before it is tidied up.
        assert_eq!((looks.get(), last_free.get()), (3, false));
    }
}
