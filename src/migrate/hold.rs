//! Owns what becomes of a service's units around a walk: which of them run and are stopped, which wait and are held, which are
//! started again. Decides nothing about state.
//!
//! A gate runs inside the start of its units: those wait for it, and start by themselves when it lets them. What is done here is
//! for the others: units that run beneath, and units that nobody would start any more.

use std::collections::BTreeSet;
use std::path::Path;

use super::{MigrateError, Request};
use crate::execute::units::{UnitState, Units, UnitsError};
use crate::execute::{Known, Problem};
use crate::generation::closure::{Definitions, never_stopped};
use crate::generation::reference::Closure;
use crate::model::{Recorded, ServiceName, UnitName};
use crate::record::{Event, Place, Record, View, guards};

/// On whose behalf state is migrated. That decides what becomes of units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behalf {
    /// A gate's: units that run are stopped and started again; those that wait are held where it refuses.
    Gate,
    /// Somebody's who typed it: units that run are stopped only where they said so.
    Somebody {
        /// Whether they did. The units are held then until the generation is active.
        stops: bool,
    },
}

/// What became of a service's units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They are kept from starting.
    Held(BTreeSet<UnitName>),
    /// They are queued to start.
    Started(BTreeSet<UnitName>),
    /// They should be started, and could not: why.
    Stay(BTreeSet<UnitName>, String),
}

/// Units, as they are.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    /// They run, or are on the way to or from there.
    up: BTreeSet<UnitName>,
    /// Their start is queued, or will be by itself.
    waiting: BTreeSet<UnitName>,
}

impl Seen {
    /// Takes a unit in. Whether it runs or waits.
    fn take(&mut self, name: UnitName, state: &UnitState) -> bool {
        // It has no process, and comes through its gate when its time is over.
        let retries = state.sub.starts_with("auto-restart");
        if state.is_up() && !retries {
            self.up.insert(name);
        } else if state.job || retries {
            self.waiting.insert(name);
        } else {
            return false;
        }
        true
    }

    fn all(&self) -> BTreeSet<UnitName> {
        self.up.union(&self.waiting).cloned().collect()
    }
}

/// Looks at units and at the instances of templates among them; and at those of others that need one that runs or waits, by
/// themselves or by another, as far as they can be stopped and started again: services, and what triggers them.
fn look(units: &dyn Units, names: &BTreeSet<UnitName>) -> Result<(Seen, Seen), UnitsError> {
    let (mut own, mut others) = (Seen::default(), Seen::default());
    let mut needing = BTreeSet::new();
    for name in names {
        let names = match name.is_template() {
            true => units.instances(name)?,
            false => vec![name.clone()],
        };
        for name in names {
            let state = units.state(&name)?;
            if own.take(name, &state) {
                needing.extend(state.needed_by);
            }
        }
    }
    let mut known = BTreeSet::new();
    while let Some(name) = needing.pop_first() {
        let kinds = [".service", ".socket", ".timer", ".path"];
        let meant = kinds.iter().any(|kind| name.as_str().ends_with(kind)) && !name.is_of(names);
        if !meant || !known.insert(name.clone()) {
            continue;
        }
        let state = units.state(&name)?;
        // What waits for a gate that waits here waits, too.
        let counts = is_nixmigs(&name) || others.take(name, &state);
        if counts {
            needing.extend(state.needed_by);
        }
    }
    Ok((own, others))
}

/// Whether a unit is a gate, a step or a guard.
fn is_nixmigs(name: &UnitName) -> bool {
    name.gated_service().is_some() || name.as_str().starts_with(guards::PREFIX)
}

/// Holds the units of a service that wait for its gate, and changes nothing else. All that are held of it.
///
/// # Errors
///
/// Fails where the record cannot be written, or a definition not be read.
pub fn keep_back(
    place: &Place,
    name: &ServiceName,
    definitions: &Definitions,
    units: Option<&dyn Units>,
) -> Result<BTreeSet<UnitName>, MigrateError> {
    hold(&mut Record::open(place)?, name, definitions, units)
}

/// Holds the units of a service that wait. What is held already is not written again.
fn hold(
    record: &mut Record,
    name: &ServiceName,
    definitions: &Definitions,
    units: Option<&dyn Units>,
) -> Result<BTreeSet<UnitName>, MigrateError> {
    let view = record.view()?;
    let mut held = held(&view, name);
    let Some(units) = units else {
        return Ok(held);
    };
    let names = units_of(definitions, name, &view)?;
    // Where systemd does not say who waits, those that are held are all that is known of.
    let waiting = look(units, &names).map(|(own, others)| [own.waiting, others.waiting]);
    let waiting = waiting.unwrap_or_default().into_iter().flatten();
    let more: Vec<_> = waiting.filter(|unit| !held.contains(unit)).collect();
    if !more.is_empty() {
        record.append(&[Event::Held {
            service: name.clone(),
            units: more.clone(),
            generation: None,
        }])?;
        held.extend(more);
    }
    Ok(held)
}

/// The units of a service, of all definitions that are kept and of a generation's.
pub(super) fn units_of(
    definitions: &Definitions,
    name: &ServiceName,
    view: &View,
) -> Result<BTreeSet<UnitName>, MigrateError> {
    let kept = view.definitions.get(name).into_iter().flatten();
    let kept = kept.map(|(_, definition)| definition);
    let wanted = definitions.services.get(name);
    let mut units = BTreeSet::new();
    for definition in kept.chain(wanted) {
        let known = Known::read(name, definition.clone())?;
        units.extend(known.units().cloned());
    }
    Ok(units)
}

impl Request<'_> {
    /// Sees to it that no unit of a service runs, nor one that needs it, and that those that did are remembered before they are
    /// stopped.
    ///
    /// Where a unit of the service may not be stopped, none is.
    pub(super) fn clear(
        &self,
        name: &ServiceName,
        record: &mut Record,
        running: Option<&Path>,
    ) -> Result<Result<(), Problem>, MigrateError> {
        let active = self.is_active(running);
        let Some(units) = self.units else {
            return Ok(Ok(()));
        };
        let view = record.view()?;
        let names = units_of(self.definitions, name, &view)?;
        let (own, others) = match look(units, &names) {
            Ok(seen) => seen,
            Err(error) => return Ok(Err(Problem::Stop(error))),
        };
        let generation = &self.definitions.toplevel;
        let (up, along, held_for) = match self.behalf {
            Behalf::Gate => (own.up.clone(), others.up.clone(), None),
            // What waits would start in the middle of it.
            Behalf::Somebody { .. } => (own.all(), others.all(), (!active).then(|| generation.clone())),
        };
        if self.behalf == (Behalf::Somebody { stops: false }) {
            return Ok(match up.is_empty() {
                true => Ok(()),
                false => Err(Problem::Up(up)),
            });
        }
        // Nothing is taken from under the others where nothing runs.
        let along = match up.is_empty() {
            true => BTreeSet::new(),
            false => along,
        };
        let stopped = up.union(&along).cloned().collect();
        let closures: BTreeSet<_> = running.into_iter().chain([Path::new(generation)]).collect();
        let mut never = BTreeSet::new();
        for toplevel in closures.into_iter().filter(|_| !up.is_empty()) {
            never.extend(never_stopped(&Closure::at(toplevel), &stopped, self.read)?);
        }
        let of_it: BTreeSet<_> = never.intersection(&up).cloned().collect();
        if !of_it.is_empty() {
            return Ok(Err(Problem::NeverStopped { units: of_it, active }));
        }
        // Those that wait, too: nobody starts them any more where a gate dies before its steps do.
        let mut all = own.all();
        all.extend(along.iter().chain(&others.waiting).cloned());
        if !all.is_empty() || held_for.is_some() && view.services.contains_key(name) {
            record.append(&[Event::Held {
                service: name.clone(),
                units: all.into_iter().collect(),
                generation: held_for,
            }])?;
        }
        // Those first that need the others. One that is never stopped may go down with them all the same.
        let along = along.difference(&never).cloned().collect();
        let mut sets = [along, up].into_iter().filter(|some| !some.is_empty());
        Ok(sets.try_for_each(|some| units.stop(&some)).map_err(Problem::Stop))
    }

    /// Holds the units that wait for a gate that does not let them start.
    pub(super) fn hold(&self, name: &ServiceName, record: &mut Record) -> Result<Fate, MigrateError> {
        hold(record, name, self.definitions, self.units).map(Fate::Held)
    }

    /// Starts the units of a service that are held, and has nobody remember them any more.
    pub(super) fn release(
        &self,
        name: &ServiceName,
        record: &mut Record,
    ) -> Result<Option<Fate>, MigrateError> {
        released(record, name, self.units)
    }
}

/// Starts the units of a service that are held, through its gate, and has nobody remember them any more. None where none are.
///
/// # Errors
///
/// Fails where the record cannot be read or written.
pub fn release(
    place: &Place,
    name: &ServiceName,
    units: Option<&dyn Units>,
) -> Result<Option<Fate>, MigrateError> {
    released(&mut Record::open(place)?, name, units)
}

/// Starting comes first: units that are started twice are started once, and those that are forgotten, never.
fn released(
    record: &mut Record,
    name: &ServiceName,
    units: Option<&dyn Units>,
) -> Result<Option<Fate>, MigrateError> {
    let view = record.view()?;
    if !is_held(&view, name) {
        return Ok(None);
    }
    let held = held(&view, name);
    let started = match units {
        Some(units) => start(units, &held).map_err(|error| error.to_string()),
        None if held.is_empty() => Ok(BTreeSet::new()),
        None => Err("no systemd runs here".to_owned()),
    };
    Ok(match started {
        Ok(started) => {
            record.append(&[Event::Released {
                service: name.clone(),
            }])?;
            (!started.is_empty()).then_some(Fate::Started(started))
        }
        Err(why) => Some(Fate::Stay(held, why)),
    })
}

/// Starts those of these units that are there. A start that is queued already is one with this.
fn start(units: &dyn Units, held: &BTreeSet<UnitName>) -> Result<BTreeSet<UnitName>, UnitsError> {
    let mut there = BTreeSet::new();
    let mut stuck = BTreeSet::new();
    for unit in held {
        let state: UnitState = units.state(unit)?;
        if state.is_there() {
            there.insert(unit.clone());
        }
        // It waits for a time that is over, and takes no start.
        if state.sub.starts_with("auto-restart") && !state.job {
            stuck.insert(unit.clone());
        }
    }
    if !stuck.is_empty() {
        units.stop(&stuck)?;
    }
    if !there.is_empty() {
        units.start(&there)?;
    }
    Ok(there)
}

/// Whether anything of a service is held.
pub(super) fn is_held(view: &View, name: &ServiceName) -> bool {
    let recorded = view.services.get(name);
    recorded.is_some_and(|recorded| recorded.held_for.is_some()) || !held(view, name).is_empty()
}

fn held(view: &View, name: &ServiceName) -> BTreeSet<UnitName> {
    let known = view.services.get(name).map(|recorded: &Recorded| &recorded.held);
    let unmet = || view.unmet.get(name).map(|unmet| &unmet.held);
    known.or_else(unmet).cloned().unwrap_or_default()
}
