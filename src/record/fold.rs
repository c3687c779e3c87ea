//! Owns what events mean: how each changes what is remembered, and when it makes no sense. Pure; the tables hold what comes out.

mod run;

use std::collections::BTreeSet;

use super::event::Event;
use super::parts::Choice;
use super::view::{Unmet, View};
use crate::model::{Applied, Block, Definition, How, OpenRun, Phase, Recorded, RunId, ServiceName, Version};

/// Why an event makes no sense where it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// `Made` is the first event and none but the first.
    #[error("a record is made once, before anything else")]
    Made,
    /// The record knows the service already.
    #[error("{0} is known already")]
    Known(ServiceName),
    /// The record does not know the service.
    #[error("{0} is not known")]
    Unknown(ServiceName),
    /// What an event says was applied before it is not what is.
    #[error("what is applied to {0} changed in the meantime")]
    Changed(ServiceName),
    /// The number that the stamps carry does not grow.
    #[error("the sequence of {service} is {is} and cannot become {to}")]
    Sequence {
        /// Of which service.
        service: ServiceName,
        /// What it is.
        is: u64,
        /// What it would be.
        to: u64,
    },
    /// What is applied is not what the step leads to.
    #[error("{0} cannot be applied twice, or by a step that does not lead there")]
    Applied(Version),
    /// A run of the service is open.
    #[error("run {run} of {service} is open")]
    Open {
        /// Which.
        run: RunId,
        /// Of which service.
        service: ServiceName,
    },
    /// A failure of the service has to be decided on before.
    #[error("{0} is blocked until its failure has been resumed")]
    Blocked(ServiceName),
    /// There is nothing to be decided.
    #[error("nothing of {0} has to be resumed that way")]
    NotBlocked(ServiceName),
    /// A run has no steps, or two of one.
    #[error("run {0} has no steps")]
    NoSteps(RunId),
    /// A step names a definition that is not kept.
    #[error("the definition `{0}` is not kept")]
    NotDefined(String),
    /// There is no such open run, or no such step in it.
    #[error("there is no step {n} in an open run {run}")]
    NoStep {
        /// The run.
        run: RunId,
        /// The step.
        n: u32,
    },
    /// There is no such open run.
    #[error("run {0} is not open")]
    NotOpen(RunId),
    /// The step did not come to where the event belongs.
    #[error("step {n} of run {run} is {}, which {event} does not follow", phase.name())]
    Phase {
        /// The run.
        run: RunId,
        /// The step.
        n: u32,
        /// How far it came.
        phase: Phase,
        /// The kind of the event.
        event: &'static str,
    },
    /// Steps are begun in order, and brought back newest first.
    #[error("step {n} of run {run} is out of turn")]
    Turn {
        /// The run.
        run: RunId,
        /// The step.
        n: u32,
    },
}

/// Changes what is remembered by one event that is not `Made`. The service that the event belongs to; none where it is of all.
///
/// # Errors
///
/// Fails where the event makes no sense. Nothing is changed then.
pub(super) fn apply(view: &mut View, event: &Event) -> Result<Option<ServiceName>, EventError> {
    match event {
        Event::Made { .. } => Err(EventError::Made),
        Event::Rebuilt { complete: true, .. } => Ok(None),
        Event::Rebuilt { complete: false, .. } => {
            lose(view);
            Ok(None)
        }
        Event::Met {
            service,
            applied,
            sequence,
            stamped,
            ..
        } => {
            if view.services.contains_key(service) {
                return Err(EventError::Known(service.clone()));
            }
            set(view, service, applied, *sequence, stamped, How::Assumed)
        }
        Event::Stamped {
            service,
            applied,
            was,
            sequence,
            stamped,
            ..
        } => {
            let known = view.services.get(service);
            if known.map(Recorded::versions) != *was {
                return Err(EventError::Changed(service.clone()));
            }
            if let Some(open) = known.and_then(|known| known.open_run.as_ref()) {
                return Err(open_error(service, open));
            }
            let changes = *was != Some(applied.clone());
            let touched = set(view, service, applied, *sequence, stamped, How::Stamped)?;
            let recorded = recorded(view, service)?;
            recorded.block = None;
            if changes {
                // It ran other state than this.
                recorded.package = None;
            }
            Ok(touched)
        }
        Event::Defined {
            service,
            definition,
            current,
        } => {
            let recorded = recorded(view, service)?;
            // What is kept of one unit file is kept once.
            let is_same = |now: &Definition| now.unit == definition.unit;
            if *current || recorded.definition.as_ref().is_some_and(is_same) {
                recorded.definition = Some(definition.clone());
            }
            let settled = *current && recorded.open_run.is_none();
            let kept = view.definitions.entry(service.clone()).or_default();
            kept.insert(definition.unit.clone(), definition.clone());
            if settled {
                keep_current(view, service);
            }
            Ok(Some(service.clone()))
        }
        Event::RunBegun {
            run,
            service,
            generation,
            package,
            applied,
            steps,
        } => run::begin(
            view,
            run,
            service,
            (generation, package.as_deref()),
            applied,
            steps,
        ),
        Event::Acknowledged {
            service,
            version,
            direction,
            digest,
            ..
        } => {
            let accepted = (service.clone(), *version, (*direction).into(), *digest);
            view.acknowledged.insert(accepted);
            Ok(Some(service.clone()))
        }
        Event::Held {
            service,
            units,
            generation,
        } => {
            if let Some(generation) = generation {
                recorded(view, service)?.held_for = Some(generation.clone());
            }
            held(view, service).extend(units.iter().cloned());
            Ok(Some(service.clone()))
        }
        Event::Released { service } => {
            held(view, service).clear();
            if let Some(recorded) = view.services.get_mut(service) {
                recorded.held_for = None;
            }
            Ok(Some(service.clone()))
        }
        Event::Resumed { service, choice } => resume(view, service, choice),
        Event::Forgotten { service } => {
            let is_lost = view.unmet.get(service).is_some_and(|unmet| unmet.lost);
            if !is_lost {
                recorded(view, service)?;
            }
            // Not that of a service of which nothing was ever remembered.
            let sequence = view.sequence(service).max(1);
            view.services.remove(service);
            view.definitions.remove(service);
            view.acknowledged.retain(|(accepted, ..)| accepted != service);
            let unmet = Unmet {
                sequence,
                ..Unmet::default()
            };
            view.unmet.insert(service.clone(), unmet);
            Ok(Some(service.clone()))
        }
        Event::PackageRan { service, package } => {
            recorded(view, service)?.package = Some(package.clone());
            Ok(Some(service.clone()))
        }
        Event::Found {
            service,
            definitions,
            sequence,
            stamped,
            backups,
        } => {
            if view.services.contains_key(service) {
                return Err(EventError::Known(service.clone()));
            }
            let unmet = view.unmet.entry(service.clone()).or_default();
            unmet.sequence = unmet.sequence.max(*sequence);
            extend(&mut unmet.stamped, stamped);
            extend(&mut unmet.backups, backups);
            unmet.lost = true;
            for definition in definitions {
                let kept = view.definitions.entry(service.clone()).or_default();
                kept.insert(definition.unit.clone(), definition.clone());
            }
            Ok(Some(service.clone()))
        }
        Event::RunEnded { run, outcome } => run::end(view, run, *outcome),
        Event::StepBegun { run, n, .. }
        | Event::BackupMade { run, n }
        | Event::ScriptBegun { run, n }
        | Event::StepFinished { run, n, .. }
        | Event::StepFailed { run, n, .. }
        | Event::RestoreBegun { run, n }
        | Event::Restored { run, n, .. }
        | Event::RestoreFailed { run, n, .. }
        | Event::BackupDropped { run, n }
        | Event::PartEnded { run, n, .. } => run::step(view, run, *n, event),
    }
}

/// What is remembered of a service that has to be known.
fn recorded<'a>(view: &'a mut View, service: &ServiceName) -> Result<&'a mut Recorded, EventError> {
    let unknown = || EventError::Unknown(service.clone());
    view.services.get_mut(service).ok_or_else(unknown)
}

fn open_error(service: &ServiceName, open: &OpenRun) -> EventError {
    EventError::Open {
        run: open.id.clone(),
        service: service.clone(),
    }
}

/// Adds what is not there yet.
fn extend(list: &mut Vec<String>, more: &[String]) {
    for one in more {
        if !list.contains(one) {
            list.push(one.clone());
        }
    }
}

/// Has no service be known any more, but keeps what helps to know it again.
fn lose(view: &mut View) {
    for (service, recorded) in std::mem::take(&mut view.services) {
        let steps = recorded.open_run.into_iter().flat_map(|open| open.steps);
        let unmet = Unmet {
            sequence: recorded.sequence,
            held: recorded.held,
            stamped: recorded.stamped,
            backups: steps
                .filter_map(|step| step.backup)
                .map(|backup| backup.directory)
                .collect(),
            lost: true,
        };
        view.unmet.insert(service, unmet);
    }
}

/// The units of a service, known or not, that are kept from starting.
fn held<'a>(view: &'a mut View, service: &ServiceName) -> &'a mut BTreeSet<crate::model::UnitName> {
    match view.services.get_mut(service) {
        Some(recorded) => &mut recorded.held,
        None => &mut view.unmet.entry(service.clone()).or_default().held,
    }
}

/// Drops what no down and no open run of a service needs any more.
fn keep_current(view: &mut View, service: &ServiceName) {
    let current = view
        .services
        .get(service)
        .and_then(|known| known.definition.as_ref());
    if let Some(kept) = view.definitions.get_mut(service) {
        kept.retain(|unit, _| current.is_some_and(|current| current.unit == *unit));
        if kept.is_empty() {
            view.definitions.remove(service);
        }
    }
}

/// Sets what is applied. What was so before keeps how it came to be so; what was before the open run, too.
fn set(
    view: &mut View,
    service: &ServiceName,
    applied: &[Version],
    sequence: u64,
    stamped: &[String],
    how: How,
) -> Result<Option<ServiceName>, EventError> {
    let is = view.sequence(service);
    if sequence <= is || i64::try_from(sequence).is_err() {
        return Err(EventError::Sequence {
            service: service.clone(),
            is,
            to: sequence,
        });
    }
    let mut seen = BTreeSet::new();
    if let Some(&twice) = applied.iter().find(|&&version| !seen.insert(version)) {
        return Err(EventError::Applied(twice));
    }
    let unmet = view.unmet.remove(service);
    let recorded = view.services.entry(service.clone()).or_default();
    if let Some(unmet) = unmet {
        recorded.held = unmet.held;
    }
    let before = recorded.open_run.iter().flat_map(|open| &open.before);
    let known: Vec<_> = recorded.applied.iter().chain(before).cloned().collect();
    let applied = applied.iter().map(|&version| {
        // What somebody says stands for itself, whatever was assumed or ran before.
        let known = known.iter().filter(|_| how != How::Stamped);
        let known = known.into_iter().find(|known| known.version == version);
        known.cloned().unwrap_or(Applied { version, how })
    });
    recorded.applied = applied.collect();
    recorded.sequence = sequence;
    recorded.stamped = stamped.to_vec();
    Ok(Some(service.clone()))
}

fn resume(
    view: &mut View,
    service: &ServiceName,
    choice: &Choice,
) -> Result<Option<ServiceName>, EventError> {
    let known = recorded(view, service)?;
    let not_blocked = || EventError::NotBlocked(service.clone());
    match (choice, &known.block) {
        (Choice::Retry, Some(Block::Restored { .. })) => known.block = None,
        (Choice::Restore, Some(Block::Unrestored { .. })) => {}
        (
            Choice::Accept {
                applied,
                sequence,
                stamped,
            },
            _,
        ) if known.block.is_some() || known.open_run.is_some() => {
            set(view, service, applied, *sequence, stamped, How::Stamped)?;
            let known = recorded(view, service)?;
            known.block = None;
            known.open_run = None;
            keep_current(view, service);
        }
        _ => return Err(not_blocked()),
    }
    Ok(Some(service.clone()))
}
