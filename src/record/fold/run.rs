//! Owns what the events of runs mean, and of their steps.

use super::super::event::Event;
use super::super::parts::{RunOutcome, StepPart, StepRecord};
use super::super::view::View;
use super::{EventError, keep_current, open_error, recorded, set};
use crate::model::{Block, Direction, How, OpenRun, Phase, RunId, RunStep, ServiceName, Version};

pub(super) fn begin(
    view: &mut View,
    run: &RunId,
    service: &ServiceName,
    (generation, package): (&str, Option<&str>),
    applied: &[Version],
    steps: &[StepRecord],
) -> Result<Option<ServiceName>, EventError> {
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
        package: package.map(str::to_owned),
        steps: steps.iter().map(planned).collect(),
    });
    Ok(Some(service.clone()))
}

pub(super) fn end(
    view: &mut View,
    run: &RunId,
    outcome: RunOutcome,
) -> Result<Option<ServiceName>, EventError> {
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
    Ok(Some(service))
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
pub(super) fn step(
    view: &mut View,
    run: &RunId,
    n: u32,
    event: &Event,
) -> Result<Option<ServiceName>, EventError> {
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
        (Event::PartEnded { .. }, _) => return Ok(Some(service)),
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
        let forward = step.direction == Direction::Up;
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
    Ok(Some(service))
}
