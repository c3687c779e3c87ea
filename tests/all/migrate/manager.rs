//! Owns a service manager that only writes down what it is asked for, and the way to migrate with it inside this process.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;
use nixmig::execute::units::{UnitState, Units, UnitsError};
use nixmig::execute::{DirectExecutor, Problem, Silent, detect};
use nixmig::generation::closure::definitions;
use nixmig::generation::reference::Closure;
use nixmig::generation::{ReadOptions, read_closure};
use nixmig::machine::{Host, Options};
use nixmig::migrate::{Behalf, Ended, Fate, Outcome, Request, migrate};
use nixmig::model::{Definition, Recorded, ServiceName, UnitName};
use nixmig::record::{Place, Wait, look};

use super::world::World;

pub(super) const STOPS: Behalf = Behalf::Somebody { stops: true };
pub(super) const ASKS: Behalf = Behalf::Somebody { stops: false };

/// A service manager without services.
#[derive(Default)]
pub(super) struct Manager {
    states: RefCell<BTreeMap<UnitName, UnitState>>,
    asked: RefCell<Vec<String>>,
}

impl Manager {
    pub(super) fn set(&self, unit: &str, active: &str, sub: &str, job: bool) {
        let mut states = self.states.borrow_mut();
        let state = states.entry(unit.parse().unwrap()).or_default();
        state.load = "loaded".to_owned();
        state.active = active.to_owned();
        state.sub = sub.to_owned();
        state.job = job;
    }

    pub(super) fn runs(&self, unit: &str) {
        self.set(unit, "active", "running", false);
    }

    /// Its start waits for its gate.
    pub(super) fn waits(&self, unit: &str) {
        self.set(unit, "inactive", "dead", true);
    }

    pub(super) fn rests(&self, unit: &str) {
        self.set(unit, "inactive", "dead", false);
    }

    /// The one is stopped along with the other.
    pub(super) fn needs(&self, unit: &str, other: &str) {
        let mut states = self.states.borrow_mut();
        let other = states.get_mut(&other.parse::<UnitName>().unwrap()).unwrap();
        other.needed_by.insert(unit.parse().unwrap());
    }

    /// What it was asked for since the last time.
    pub(super) fn asked(&self) -> Vec<String> {
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
pub(super) fn bring(
    world: &World,
    number: usize,
    manager: &Manager,
    behalf: Behalf,
    service: Option<&str>,
) -> Outcome {
    bring_by(world, number, manager, behalf, service, None)
}

pub(super) fn bring_by(
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
pub(super) fn bring_seen(
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

pub(super) fn place(world: &World) -> Place {
    Place {
        state_dir: world.state_dir.clone(),
        gc_roots: world.path("gcroots/nixmig"),
        guards: world.path("guards"),
    }
}

pub(super) fn recorded(world: &World, service: &str) -> Recorded {
    let view = look(&place(world)).unwrap().unwrap();
    view.services[&service.parse::<ServiceName>().unwrap()].clone()
}

pub(super) fn units(names: &[&str]) -> BTreeSet<UnitName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// How the only service went that something was done for.
pub(super) fn only(outcome: &Outcome) -> &Ended {
    match outcome.services.as_slice() {
        [(_, ended)] => ended,
        all => panic!("{all:?}"),
    }
}

pub(super) fn refusal(ended: &Ended) -> &Problem {
    match ended {
        Ended::Failed(error) => {
            assert!(error.is_refusal(), "{error:?}");
            &error.what
        }
        ended => panic!("{ended:?}"),
    }
}

pub(super) fn fate(outcome: &Outcome) -> Option<&Fate> {
    outcome.units.first().map(|(_, fate)| fate)
}
