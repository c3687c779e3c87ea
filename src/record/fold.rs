//! Owns what events mean: how each changes what is remembered, and when it makes no sense. Pure; the tables hold what comes out.

use std::collections::BTreeSet;

use super::event::{Choice, Event, RunOutcome, StepPart, StepRecord};
use super::view::{Unmet, View};
use crate::model::{Applied, Block, How, OpenRun, Phase, Recorded, RunId, RunStep, ServiceName, Version};

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

/// What an event changed, so that only that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Touched {
    /// Nothing, though it may belong to a service.
    Nothing(Option<ServiceName>),
    /// What is remembered of one service.
    Service(ServiceName),
    /// What is remembered of all.
    All,
}

/// Changes what is remembered by one event that is not `Made`.
///
/// # Errors
///
/// Fails where the event makes no sense. Nothing is changed then.
pub(super) fn apply(view: &mut View, event: &Event) -> Result<Touched, EventError> {
    match event {
        Event::Made { .. } => Err(EventError::Made),
        Event::Rebuilt { complete: true, .. } => Ok(Touched::Nothing(None)),
        Event::Rebuilt { complete: false, .. } => {
            lose(view);
            Ok(Touched::All)
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
            let touched = set(view, service, applied, *sequence, stamped, How::Stamped)?;
            recorded(view, service)?.block = None;
            Ok(touched)
        }
        Event::Defined {
            service,
            definition,
            current,
        } => {
            let recorded = recorded(view, service)?;
            if *current {
                recorded.definition = Some(definition.clone());
            }
            let settled = *current && recorded.open_run.is_none();
            let kept = view.definitions.entry(service.clone()).or_default();
            kept.insert(definition.unit.clone(), definition.clone());
            if settled {
                keep_current(view, service);
            }
            Ok(Touched::Service(service.clone()))
        }
        Event::RunBegun {
            run,
            service,
            generation,
            applied,
            steps,
        } => begin(view, run, service, generation, applied, steps),
        Event::Acknowledged {
            service,
            version,
            direction,
            digest,
            ..
        } => {
            let accepted = (service.clone(), *version, (*direction).into(), *digest);
            view.acknowledged.insert(accepted);
            Ok(Touched::Service(service.clone()))
        }
        Event::Held { service, units } => {
            held(view, service).extend(units.iter().cloned());
            Ok(Touched::Service(service.clone()))
        }
        Event::Released { service } => {
            held(view, service).clear();
            Ok(Touched::Service(service.clone()))
        }
        Event::Resumed { service, choice } => resume(view, service, choice),
        Event::Forgotten { service } => {
            recorded(view, service)?;
            let sequence = view.sequence(service);
            view.services.remove(service);
            view.definitions.remove(service);
            view.acknowledged.retain(|(accepted, ..)| accepted != service);
            let unmet = Unmet {
                sequence,
                ..Unmet::default()
            };
            view.unmet.insert(service.clone(), unmet);
            Ok(Touched::Service(service.clone()))
        }
        Event::PackageRan { service, package } => {
            recorded(view, service)?.package = Some(package.clone());
            Ok(Touched::Service(service.clone()))
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
            Ok(Touched::Service(service.clone()))
        }
        Event::RunEnded { run, outcome } => end(view, run, *outcome),
        Event::StepBegun { run, n, .. }
        | Event::BackupMade { run, n }
        | Event::ScriptBegun { run, n }
        | Event::StepFinished { run, n, .. }
        | Event::StepFailed { run, n, .. }
        | Event::RestoreBegun { run, n }
        | Event::Restored { run, n, .. }
        | Event::RestoreFailed { run, n, .. }
        | Event::BackupDropped { run, n }
        | Event::PartEnded { run, n, .. } => step(view, run, *n, event),
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
) -> Result<Touched, EventError> {
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
        let known = known.iter().find(|known| known.version == version);
        known.cloned().unwrap_or(Applied { version, how })
    });
    recorded.applied = applied.collect();
    recorded.sequence = sequence;
    recorded.stamped = stamped.to_vec();
    Ok(Touched::Service(service.clone()))
}

fn begin(
    view: &mut View,
    run: &RunId,
    service: &ServiceName,
    generation: &str,
    applied: &[Version],
    steps: &[StepRecord],
) -> Result<Touched, EventError> {
    if let Some((service, open)) = view.open_run(run) {
        return Err(open_error(service, open));
    }
    let known = recorded(view, service)?;
    if let Some(open) = &known.open_run {
        return Err(open_error(service, open));
    }
    if matches!(known.block, Some(Block::Unrestored { .. })) {
        return Err(EventError::Blocked(service.clone()));
    }
    if known.versions() != applied {
        return Err(EventError::Changed(service.clone()));
    }
    if steps.is_empty() {
        return Err(EventError::NoSteps(run.clone()));
    }
    let undefined = |step: &&StepRecord| view.definition(service, &step.unit).is_none();
    if let Some(step) = steps.iter().find(undefined) {
        return Err(EventError::NotDefined(step.unit.clone()));
    }
    let planned = |step: &StepRecord| RunStep {
        direction: step.direction.into(),
        version: step.version,
        swallowed: step.swallowed.clone(),
        digest: step.digest,
        unit: step.unit.clone(),
        phase: Phase::Planned,
        begun: 0,
        failed: false,
        backup: None,
    };
    let known = recorded(view, service)?;
    known.open_run = Some(OpenRun {
        id: run.clone(),
        before: known.applied.clone(),
        generation: generation.to_owned(),
        steps: steps.iter().map(planned).collect(),
    });
    Ok(Touched::Service(service.clone()))
}

fn resume(view: &mut View, service: &ServiceName, choice: &Choice) -> Result<Touched, EventError> {
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
    Ok(Touched::Service(service.clone()))
}

fn end(view: &mut View, run: &RunId, outcome: RunOutcome) -> Result<Touched, EventError> {
    let not_open = || EventError::NotOpen(run.clone());
    let (service, open) = view.open_run(run).ok_or_else(not_open)?;
    let service = service.clone();
    let settled = |step: &RunStep| match step.phase {
        Phase::Planned | Phase::Restored | Phase::Finished => true,
        // Its script was not begun.
        Phase::Begun => step.backup.is_none(),
        _ => false,
    };
    let wrong = |unfit: Option<usize>| match unfit {
        None => Ok(()),
        Some(at) => Err(EventError::Phase {
            run: run.clone(),
            // A run has as many steps as its event, whose texts are in memory.
            n: u32::try_from(at).unwrap_or(u32::MAX),
            phase: open.steps[at].phase,
            event: "run-ended",
        }),
    };
    let failed = |n: u32| {
        let no_step = || EventError::NoStep { run: run.clone(), n };
        view.step(run, n).ok_or_else(no_step)
    };
    let block = match outcome {
        RunOutcome::Arrived => {
            wrong(open.steps.iter().position(|step| step.phase != Phase::Finished))?;
            None
        }
        RunOutcome::Abandoned => {
            wrong(open.steps.iter().position(|step| !settled(step)))?;
            None
        }
        RunOutcome::Restored { n } => {
            wrong(open.steps.iter().position(|step| !settled(step)))?;
            let step = failed(n)?;
            if !step.failed {
                return Err(phase_error(run, n, step.phase, "run-ended"));
            }
            Some(Block::Restored {
                direction: step.direction,
                version: step.version,
                digest: step.digest,
                run: run.clone(),
            })
        }
        RunOutcome::Failed { n } => {
            let step = failed(n)?;
            if !matches!(step.phase, Phase::Failed | Phase::RestoreFailed) {
                return Err(phase_error(run, n, step.phase, "run-ended"));
            }
            Some(Block::Unrestored {
                direction: step.direction,
                version: step.version,
                run: run.clone(),
                backup: step.backup.clone(),
            })
        }
    };
    let known = recorded(view, &service)?;
    match outcome {
        RunOutcome::Failed { .. } => known.block = block,
        RunOutcome::Abandoned => {
            if matches!(known.block, Some(Block::Unrestored { .. })) {
                known.block = None;
            }
            known.open_run = None;
        }
        RunOutcome::Arrived | RunOutcome::Restored { .. } => {
            known.block = block;
            known.open_run = None;
        }
    }
    if known.open_run.is_none() {
        keep_current(view, &service);
    }
    Ok(Touched::Service(service))
}

fn phase_error(run: &RunId, n: u32, phase: Phase, event: &'static str) -> EventError {
    EventError::Phase {
        run: run.clone(),
        n,
        phase,
        event,
    }
}

/// Changes one step of an open run.
fn step(view: &mut View, run: &RunId, n: u32, event: &Event) -> Result<Touched, EventError> {
    let no_step = || EventError::NoStep { run: run.clone(), n };
    let step = view.step(run, n).ok_or_else(no_step)?;
    let (service, open) = view.open_run(run).ok_or_else(no_step)?;
    let service = service.clone();
    let at = usize::try_from(n).map_err(|_| no_step())?;
    let unblocked = !matches!(
        view.services.get(&service).and_then(|known| known.block.as_ref()),
        Some(Block::Unrestored { .. })
    );
    let undone = |step: &RunStep| matches!(step.phase, Phase::Planned | Phase::Restored);
    let later_undone = open.steps[at + 1..].iter().all(undone);
    let earlier_finished = open.steps[..at].iter().all(|step| step.phase == Phase::Finished);
    let out_of_turn = || EventError::Turn { run: run.clone(), n };
    let phase = step.phase;
    let to = match (event, phase) {
        (Event::PartEnded { .. }, _) => return Ok(Touched::Nothing(Some(service))),
        (Event::StepBegun { .. }, Phase::Planned | Phase::Restored | Phase::Begun)
            if !step.failed && (phase != Phase::Begun || step.backup.is_none()) =>
        {
            if !unblocked {
                return Err(EventError::Blocked(service));
            }
            if !(earlier_finished && later_undone) {
                return Err(out_of_turn());
            }
            Phase::Begun
        }
        (Event::BackupMade { .. }, Phase::Begun) if step.backup.is_some() => Phase::BackedUp,
        (Event::ScriptBegun { .. }, Phase::BackedUp) => Phase::Running,
        (Event::ScriptBegun { .. }, Phase::Begun) if step.backup.is_none() => Phase::Running,
        (Event::StepFinished { .. }, Phase::Running) => Phase::Finished,
        (Event::StepFailed { part, .. }, Phase::Begun | Phase::BackedUp) if part.before_script() => {
            Phase::Restored
        }
        (Event::StepFailed { part, .. }, Phase::Running)
            if !part.before_script() && *part != StepPart::Restore =>
        {
            Phase::Failed
        }
        (
            Event::RestoreBegun { .. },
            Phase::Running | Phase::Finished | Phase::Failed | Phase::Restoring | Phase::RestoreFailed,
        ) => {
            if !later_undone {
                return Err(out_of_turn());
            }
            Phase::Restoring
        }
        (Event::Restored { .. }, Phase::Restoring) => Phase::Restored,
        (Event::RestoreFailed { .. }, Phase::Restoring) => Phase::RestoreFailed,
        (Event::BackupDropped { .. }, Phase::Begun | Phase::BackedUp) if step.backup.is_some() => {
            Phase::Planned
        }
        (Event::BackupDropped { .. }, Phase::Finished | Phase::Restored) if step.backup.is_some() => phase,
        _ => return Err(phase_error(run, n, phase, event.kind())),
    };
    if let Event::StepFinished {
        applied,
        sequence,
        stamped,
        ..
    }
    | Event::Restored {
        applied,
        sequence,
        stamped,
        ..
    } = event
    {
        let forward = step.direction == crate::model::Direction::Up;
        let done = matches!(event, Event::StepFinished { .. });
        let version = step.version;
        if applied.contains(&version) != (forward == done) {
            return Err(EventError::Applied(version));
        }
        set(view, &service, applied, *sequence, stamped, How::Ran)?;
    }
    let known = recorded(view, &service)?;
    let step = known.open_run.as_mut().and_then(|open| open.steps.get_mut(at));
    let step = step.ok_or_else(no_step)?;
    step.phase = to;
    match event {
        Event::StepBegun { backup, .. } => {
            step.backup.clone_from(backup);
            step.begun = step.begun.saturating_add(1);
        }
        Event::StepFailed { .. } => step.failed = true,
        Event::BackupDropped { .. } => step.backup = None,
        _ => {}
    }
    Ok(Touched::Service(service))
}
