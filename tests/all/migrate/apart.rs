//! Runs whose steps are processes of their own: who waits for them, and what others see and do meanwhile.

use std::cell::RefCell;
use std::fs;
use std::path::Path;

use jiff::Timestamp;
use nixmig::execute::units::UnitsError;
use nixmig::execute::{DirectExecutor, Silent};
use nixmig::generation::{ReadOptions, read_closure};
use nixmig::machine::{Host, Options};
use nixmig::migrate::{Behalf, Ended};
use nixmig::model::ServiceName;
use nixmig::record::Wait;

use super::calls::said;
use super::manager::{ASKS, Manager, STOPS, bring, bring_by, bring_seen, only, place, recorded};
use super::world::{Service, V, World};

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
            let turn = engine.turn(&run, u32::try_from(number).unwrap() - 1).unwrap();
            engine.step_of(&turn).unwrap();
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
        assert!(output.status.success(), "{}", said(&output));
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
