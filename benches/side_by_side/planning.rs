//! Owns the comparison of planning with itself: how the time grows with services and with migrations.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use nixmig::model::{Action, Generation, Kind, Migration, Program, Service, Setting, Text, Version};
use nixmig::plan;

use crate::measure::{Contender, Job, in_turns};
use crate::report::{Comparison, Line, number};
use crate::{Outcome, itself};

/// The flag by which the program plans once and ends, so that its memory can be measured.
pub(crate) const FLAG: &str = "--plan";

/// Which migrations, by their index, a history has.
type Has = fn(usize) -> bool;

/// Between which parts of the histories a plan is made.
const DIRECTIONS: [(&str, Has, Has); 5] = [
    ("all up", |_| false, |_| true),
    ("all down", |_| true, |_| false),
    ("the newer half up", |index| index < MOST / 2, |_| true),
    (
        "every other one up, out of order",
        |index| index.is_multiple_of(2),
        |_| true,
    ),
    ("nothing to do", |_| true, |_| true),
];

const MOST: usize = 1000;
const ROUNDS: usize = 7;
const TARGET: Duration = Duration::from_millis(500);

/// All directions in full size, and the first of them in smaller sizes.
///
/// # Errors
///
/// When a generation cannot be made, or this program not started again.
pub(crate) fn compare(scratch: &Path) -> Outcome<Vec<Comparison>> {
    let mut comparisons = Vec::new();
    for (name, old, new) in DIRECTIONS {
        let (old, new) = (
            generation("1", MOST, MOST, old)?,
            generation("2", MOST, MOST, new)?,
        );
        let [times] = in_turns(ROUNDS, [planner(&old, &new)])?;
        let peak = Job::new([itself()?, FLAG.into(), name.into()]).peak(scratch)?;
        comparisons.push(Comparison {
            what: format!("plan {n} services × {n} migrations, {name}", n = number(MOST)),
            lines: vec![Line::of("nixmig", &times).peak(peak).time_target(&times, TARGET)],
        });
    }
    comparisons.push(growth("services", |part| (part, MOST))?);
    comparisons.push(growth("migrations", |part| (MOST, part))?);
    Ok(comparisons)
}

/// Plans in one direction, in full size.
///
/// # Errors
///
/// When there is no such direction.
pub(crate) fn once(direction: &Path) -> Outcome<()> {
    let (_, old, new) = DIRECTIONS
        .into_iter()
        .find(|(name, ..)| Path::new(name) == direction)
        .ok_or_else(|| format!("no such direction: {}", direction.display()))?;
    let (old, new) = (
        generation("1", MOST, MOST, old)?,
        generation("2", MOST, MOST, new)?,
    );
    black_box(plan::diff(&old, &new));
    Ok(())
}

/// A quarter, a half and all of one size, by turns.
fn growth(what: &str, size: fn(usize) -> (usize, usize)) -> Outcome<Comparison> {
    let (_, old, new) = DIRECTIONS[0];
    let sizes = [MOST, MOST / 2, MOST / 4];
    let mut pairs = Vec::new();
    for part in sizes {
        let (services, migrations) = size(part);
        pairs.push((
            generation("1", services, migrations, old)?,
            generation("2", services, migrations, new)?,
        ));
    }
    let times = in_turns(
        ROUNDS,
        [0, 1, 2].map(|index| planner(&pairs[index].0, &pairs[index].1)),
    )?;
    let line = |index: usize| Line::of(format!("{} {what}", number(sizes[index])), &times[index]);
    // A fifth of freedom, for the sort and the maps in it and for caches that the larger size misses.
    let compared = |index: usize, times_more: f64| {
        let ratio = times[0].ratio(&times[index]);
        line(index).ratio_target(ratio, times_more * 1.2)
    };
    Ok(Comparison {
        what: format!("growth of planning with the {what}"),
        lines: vec![line(0), compared(1, 2.0), compared(2, 4.0)],
    })
}

fn planner<'a>(old: &'a Generation, new: &'a Generation) -> Contender<'a> {
    Box::new(|| {
        let begin = Instant::now();
        let plan = plan::diff(black_box(old), black_box(new));
        let time = begin.elapsed();
        drop(black_box(plan));
        Ok(time)
    })
}

/// A generation as a closure would be read, of whose histories those parts are there that `has` wants.
fn generation(label: &str, services: usize, migrations: usize, has: Has) -> Outcome<Generation> {
    let mut generation = Generation {
        units_complete: true,
        ..Generation::new(label, Kind::Closure)
    };
    for index in 0..services {
        let name = format!("service{index}");
        let mut service = Service::new(name.parse()?);
        let unit: nixmig::model::UnitName = format!("{name}.service").parse()?;
        service.units = Setting::Set(BTreeSet::from([unit.clone()]));
        // Chains of ten, so that there is an order to find.
        if !index.is_multiple_of(10) {
            let before = format!("service{}.service", index - 1).parse()?;
            service.requires = Setting::Set(BTreeSet::from([before]));
        }
        service.state_directories = Setting::Set(vec![format!("/var/lib/{name}")]);
        let program = Program::parse("server-1.2");
        service.package = Setting::Set(program.clone());
        for step in (0..migrations).filter(|&step| has(step)) {
            service.history.insert(migration(step)?)?;
        }
        generation.units.insert(unit, Setting::Set(program));
        generation.services.insert(service.name.clone(), service);
    }
    Ok(generation)
}

/// One migration with scripts for both ways; of ten, one has a warning.
fn migration(index: usize) -> Outcome<Migration> {
    let (year, month, day) = (2000 + index / 336, index / 28 % 12 + 1, index % 28 + 1);
    let version: Version = format!("{year}-{month:02}-{day:02}").parse()?;
    let mut migration = Migration::new(version);
    let script = |direction: &str| {
        Setting::Set(Text {
            text: None,
            path: Some(format!("/nix/store/{index:032}-migrate-{version}-{direction}")),
        })
    };
    migration.up = Action {
        script: script("up"),
        digest: Some(DIGEST.parse()?),
        ..Action::default()
    };
    if index.is_multiple_of(10) {
        migration.up.warn = Setting::Set(Text {
            text: Some("Indexes on text are rebuilt.".to_owned()),
            path: None,
        });
    }
    migration.down = Action {
        script: script("down"),
        digest: Some(DIGEST.parse()?),
        ..Action::default()
    };
    Ok(migration)
}

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
