//! Owns what an earlier run has against a path: a run that never ended, a step that failed.

use super::ServicePlan;
use super::finding::{Code, Finding, Severity};
use crate::model::{Block, OpenRun, Phase, Recorded, ServiceName};

/// What is said of a service whatever its path is.
pub(super) fn service(name: &ServiceName, recorded: &Recorded, running: bool) -> Vec<Finding> {
    let failed = recorded.block.as_ref().and_then(|block| unrestored(name, block));
    // A run that failed stays open too, but it did report its end.
    let open = recorded.open_run.as_ref().filter(|_| failed.is_none());
    let open = open.map(|run| interrupted(name, run, running));
    open.into_iter().chain(failed).collect()
}

/// A step that failed and was undone, and that the path would try again just as it was.
pub(super) fn path(plan: &ServicePlan, recorded: &Recorded) -> Option<Finding> {
    let Some(Block::Restored {
        direction,
        version,
        digest,
        ..
    }) = &recorded.block
    else {
        return None;
    };
    let same = |step: &&super::Step| {
        (step.direction, step.version(), step.action().digest) == (*direction, *version, *digest)
    };
    let step = plan.steps.iter().find(same)?;
    let name = &plan.name;
    let message = format!(
        "the {} of {version} failed on this machine, and the state of {name} was brought back",
        direction.name()
    );
    let help = format!(
        "`nixmig history {name} --output` has its last words. Try it again as it is with `nixmig resume {name} --retry`, or \
         start a generation that defines it otherwise or does without it."
    );
    Some(Finding {
        versions: vec![*version],
        direction: Some(*direction),
        at: step.origin().cloned(),
        ..Finding::new(name, Code::Failed, Severity::Refused, message, help)
    })
}

fn interrupted(name: &ServiceName, run: &OpenRun, running: bool) -> Finding {
    let at = run
        .steps
        .iter()
        .find(|step| !matches!(step.phase, Phase::Planned | Phase::Finished));
    let place = match at {
        Some(step) => format!("in the {} of {}", step.direction.name(), step.version),
        None => "between two steps".to_owned(),
    };
    let (severity, message, help) = match running {
        true => (
            Severity::Note,
            format!("a run of {name} goes on right now: it is {place}"),
            format!(
                "Wait for its end; `nixmig history {name}` shows how far it is. What is planned here may change with it."
            ),
        ),
        false => (
            Severity::Warning,
            format!("a run of {name} never reported its end: it came to a stop {place}"),
            format!(
                "Whatever migrates next settles it first, be it the gate or `nixmig migrate`: what was begun is brought back from \
                 its backup. `nixmig history {name}` shows how far it came; what is planned here starts from where the record is."
            ),
        ),
    };
    Finding {
        versions: at.map(|step| step.version).into_iter().collect(),
        direction: at.map(|step| step.direction),
        ..Finding::new(name, Code::Interrupted, severity, message, help)
    }
}

fn unrestored(name: &ServiceName, block: &Block) -> Option<Finding> {
    let Block::Unrestored {
        direction,
        version,
        backup,
        ..
    } = block
    else {
        return None;
    };
    let message = format!(
        "the {} of {version} failed, and the state of {name} was not brought back",
        direction.name()
    );
    let accept = format!(
        "say what the state is on with `nixmig resume {name} --accept VERSION`, or `none` where nothing is applied"
    );
    let help = match backup {
        Some(backup) => format!(
            "Its backup is kept in {}. Bring it back with `nixmig resume {name} --restore`, or put the state right by hand and \
             {accept}.",
            backup.directory
        ),
        None => format!("It had no backup. Put the state right by hand and {accept}."),
    };
    Some(Finding {
        versions: vec![*version],
        direction: Some(*direction),
        ..Finding::new(name, Code::Failed, Severity::Refused, message, help)
    })
}
