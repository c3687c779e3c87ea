//! Owns what stands in the way of a service's path besides itself: the order in which gates start, and units that are held for
//! another generation.

use std::path::Path;

use super::{Behalf, Ended, Fate, Journey, MigrateError, Request, hold, recorded};
use crate::execute::{Happening, Known, Left, Problem, ProgressEvent, WalkError};
use crate::model::{Direction, ServiceName, UnitName};
use crate::plan::ServicePlan;
use crate::record::{Place, Record, View};

impl Request<'_> {
    /// Whether the generation is the one that is active.
    pub(super) fn is_active(&self, running: Option<&Path>) -> bool {
        running == Some(Path::new(&self.definitions.toplevel))
    }

    /// Whether units that are held start again once their state is what the generation expects.
    pub(super) fn releases(&self, active: bool) -> bool {
        self.behalf == Behalf::Gate || active
    }

    /// Holds the units of services that were refused before anything was done.
    pub(super) fn hold_refused(
        &self,
        place: &Place,
        services: &[(ServiceName, Ended)],
    ) -> Result<Vec<(ServiceName, Fate)>, MigrateError> {
        if self.behalf != Behalf::Gate || services.is_empty() {
            return Ok(Vec::new());
        }
        let mut record = match Record::open(place) {
            Ok(record) => record,
            Err(error) => {
                for (service, _) in services {
                    let text = format!("That its units are held is not remembered: {error}.");
                    self.progress.event(&ProgressEvent {
                        service,
                        step: None,
                        happening: Happening::Note { text: &text },
                    });
                }
                return Ok(Vec::new());
            }
        };
        let mut hold = |(name, _): &(ServiceName, Ended)| Ok((name.clone(), self.hold(name, &mut record)?));
        services.iter().map(&mut hold).collect()
    }

    /// Sees to it that no unit of a service runs whose open run is to be settled. Why that cannot be.
    pub(super) fn clear_open(
        &self,
        name: &ServiceName,
        record: &mut Record,
        running: Option<&Path>,
    ) -> Result<Option<WalkError>, MigrateError> {
        let view = record.view()?;
        let open = recorded(Some(&view), name).is_some_and(|recorded| {
            // What is blocked is not touched.
            recorded.open_run.is_some() && !super::is_stuck(recorded)
        });
        // Beneath units that run nothing is settled: the engine says so.
        if !open || self.behalf == (Behalf::Somebody { stops: false }) {
            return Ok(None);
        }
        let cleared = self.clear(name, record, running)?;
        Ok(cleared.err().map(|problem| WalkError {
            service: name.clone(),
            what: Box::new(problem),
            left: Left::Open,
        }))
    }
}

impl Journey<'_, '_> {
    /// Starts the units of a service that is done, or holds those that wait for it. Nothing ended where nothing was to be done.
    pub(super) fn settle_units(
        &mut self,
        name: &ServiceName,
        ended: Option<&Ended>,
    ) -> Result<(), MigrateError> {
        let arrived = matches!(ended, None | Some(Ended::Arrived(_)));
        let view = self.record.view()?;
        let held_here = recorded(Some(&view), name).is_some_and(|recorded| {
            recorded.held_for.as_deref() == Some(self.request.definitions.toplevel.as_str())
        });
        // What another did meanwhile is not as it was before.
        let as_before = matches!(
            ended,
            Some(Ended::Failed(WalkError {
                left: Left::Untouched | Left::Restored,
                what,
                ..
            })) if !matches!(**what, Problem::Changed | Problem::Open(_) | Problem::Overtaken(_))
        );
        let fate = if arrived && self.request.releases(self.request.is_active(self.running))
            || as_before && held_here
        {
            self.request.release(name, self.record)?
        } else if self.request.behalf == Behalf::Gate || held_here {
            Some(self.request.hold(name, self.record)?)
        } else {
            None
        };
        self.units.extend(fate.map(|fate| (name.clone(), fate)));
        Ok(())
    }

    /// What stands in the way of a path besides the service itself.
    pub(super) fn in_the_way(
        &self,
        plan: &ServicePlan,
        view: &View,
    ) -> Result<Option<Problem>, MigrateError> {
        if plan.steps.is_empty() {
            return Ok(None);
        }
        let held_for = recorded(Some(view), &plan.name).and_then(|recorded| recorded.held_for.clone());
        match self.request.behalf {
            Behalf::Gate => match held_for.filter(|held| *held != self.request.definitions.toplevel) {
                Some(generation) => Ok(Some(Problem::HeldFor(generation))),
                None => self.down_first(plan, view),
            },
            Behalf::Somebody { .. } => self.required_held(&plan.name, view),
        }
    }

    /// A service that has to come down before this one does: its way down needs units of this one as they were, and its own gate
    /// starts only after them.
    fn down_first(&self, plan: &ServicePlan, view: &View) -> Result<Option<Problem>, MigrateError> {
        let descends = |plan: &ServicePlan| plan.steps.iter().any(|step| step.direction == Direction::Down);
        if !descends(plan) {
            return Ok(None);
        }
        let own = hold::units_of(self.request.definitions, &plan.name, view)?;
        let others = self.planned.plan.services.iter();
        for other in others.filter(|other| other.name != plan.name && descends(other)) {
            let kept = recorded(Some(view), &other.name).and_then(|recorded| recorded.definition.clone());
            let Some(kept) = kept else { continue };
            let from = kept.generation.clone();
            if let Some(unit) = required(&other.name, kept, |unit| own.contains(unit))? {
                return Ok(Some(Problem::DownFirst {
                    service: other.name.clone(),
                    unit,
                    from,
                    to: self.request.definitions.toplevel.clone(),
                }));
            }
        }
        Ok(None)
    }

    /// A unit that has to be up while this service is migrated, and is held for a generation that is not active yet.
    fn required_held(&self, name: &ServiceName, view: &View) -> Result<Option<Problem>, MigrateError> {
        let held: Vec<_> = view
            .services
            .iter()
            .filter(|(other, _)| *other != name)
            .filter_map(|(_, other)| Some((other.held_for.as_ref()?, &other.held)))
            .collect();
        let wanted = self.request.definitions.services.get(name).cloned();
        let kept = recorded(Some(view), name).and_then(|recorded| recorded.definition.clone());
        for definition in wanted.into_iter().chain(kept).filter(|_| !held.is_empty()) {
            let is_held = |unit: &UnitName| held.iter().any(|(_, units)| units.contains(unit));
            if let Some(unit) = required(name, definition, is_held)? {
                let generation = held.iter().find(|(_, units)| units.contains(&unit));
                let generation = generation.map(|(generation, _)| (*generation).clone());
                return Ok(generation.map(|generation| Problem::RequiredHeld { unit, generation }));
            }
        }
        Ok(None)
    }
}

/// The first unit that a definition requires and that is meant.
fn required(
    name: &ServiceName,
    definition: crate::model::Definition,
    is_meant: impl Fn(&UnitName) -> bool,
) -> Result<Option<UnitName>, MigrateError> {
    let known = Known::read(name, definition)?;
    let mut required = known.gate.service.requires.value().into_iter().flatten();
    Ok(required.find(|unit| is_meant(unit)).cloned())
}
