//! The reports of a machine besides plans, each one JSON document.

use serde::Serialize;

use super::{BaselineDocument, FORMAT, FindingDocument, MachineDocument, Place, print, texts};
use crate::model::ServiceName;
use crate::plan::{Plan, Severity};
use crate::report::lists::{
    Generations, Happened, History, KeptBackup, ServiceStatus, Startable, State, Status, Verdict,
};

#[derive(Serialize)]
struct StatusDocument<'a> {
    format: u32,
    machine: MachineDocument,
    generation: Option<&'a str>,
    needs_resume: bool,
    services: Vec<ServiceDocument<'a>>,
}

#[derive(Serialize)]
struct ServiceDocument<'a> {
    name: &'a str,
    state: &'static str,
    applied: Vec<String>,
    head: Option<String>,
    target: Option<String>,
    baseline: Option<BaselineDocument>,
    steps: Vec<Place>,
    held: Vec<String>,
    held_for: Option<&'a str>,
    backups: Vec<BackupDocument<'a>>,
    findings: Vec<FindingDocument>,
}

#[derive(Serialize)]
struct BackupDocument<'a> {
    direction: &'static str,
    version: String,
    directory: &'a str,
    bytes: Option<u64>,
}

/// Writes where each service is.
pub(in crate::report) fn status(status: &Status<'_>) -> String {
    print(&StatusDocument {
        format: FORMAT,
        machine: status.machine.into(),
        generation: status.generation,
        needs_resume: status.needs_resume(),
        services: status.services.iter().map(service).collect(),
    })
}

fn service(service: &ServiceStatus) -> ServiceDocument<'_> {
    let plan = &service.plan;
    let steps = plan.steps.iter().map(|step| Place {
        service: plan.name.to_string(),
        direction: step.direction.name(),
        version: step.version().to_string(),
    });
    ServiceDocument {
        name: plan.name.as_str(),
        state: match service.state() {
            State::UpToDate => "up-to-date",
            State::Met => "met",
            State::Pending => "pending",
            State::Refused => "refused",
            State::Running => "running",
            State::Interrupted => "interrupted",
            State::Failed => "failed",
            State::Left => "left",
        },
        applied: texts(&plan.applied),
        head: plan.from().map(|version| version.to_string()),
        target: plan.target.map(|version| version.to_string()),
        baseline: plan.baseline.as_ref().map(BaselineDocument::from),
        steps: steps.collect(),
        held: texts(&service.held),
        held_for: service.held_for.as_deref(),
        backups: service.backups.iter().map(backup).collect(),
        findings: plan.findings.iter().map(FindingDocument::from).collect(),
    }
}

fn backup(backup: &KeptBackup) -> BackupDocument<'_> {
    BackupDocument {
        direction: backup.direction.name(),
        version: backup.version.to_string(),
        directory: &backup.directory,
        bytes: backup.bytes,
    }
}

#[derive(Serialize)]
struct HistoryDocument<'a> {
    format: u32,
    machine: MachineDocument,
    events: Vec<EventDocument<'a>>,
}

#[derive(Serialize)]
struct EventDocument<'a> {
    seq: u64,
    at: &'a str,
    service: Option<&'a str>,
    run: Option<&'a str>,
    words: &'a str,
    good: bool,
    nixmig: &'a str,
    event: &'a serde_json::Value,
}

/// Writes what happened.
pub(in crate::report) fn history(history: &History<'_>) -> String {
    print(&HistoryDocument {
        format: FORMAT,
        machine: history.machine.into(),
        events: history.events.iter().map(event).collect(),
    })
}

fn event(event: &Happened) -> EventDocument<'_> {
    EventDocument {
        seq: event.seq,
        at: &event.at,
        service: event.service.as_ref().map(ServiceName::as_str),
        run: event.run.as_deref(),
        words: &event.words,
        good: event.good,
        nixmig: &event.nixmig,
        event: &event.event,
    }
}

#[derive(Serialize)]
struct GenerationsDocument<'a> {
    format: u32,
    machine: MachineDocument,
    generations: Vec<StartableDocument<'a>>,
}

#[derive(Serialize)]
struct StartableDocument<'a> {
    names: &'a [String],
    toplevel: &'a str,
    release: Option<&'a str>,
    current: bool,
    booted: bool,
    next: bool,
    verdict: &'static str,
    steps: Vec<Place>,
    refusals: Vec<FindingDocument>,
    guarded: &'a [String],
    unguarded: &'a [String],
    error: Option<&'a str>,
}

/// Writes what can be started.
pub(in crate::report) fn generations(generations: &Generations<'_>) -> String {
    print(&GenerationsDocument {
        format: FORMAT,
        machine: generations.machine.into(),
        generations: generations.generations.iter().map(startable).collect(),
    })
}

fn startable(one: &Startable) -> StartableDocument<'_> {
    let plan = one.plan.as_ref().ok();
    let steps = plan
        .into_iter()
        .flat_map(Plan::steps)
        .map(|(service, step)| Place {
            service: service.name.to_string(),
            direction: step.direction.name(),
            version: step.version().to_string(),
        });
    let refusals = plan
        .into_iter()
        .flat_map(Plan::findings)
        .filter(|finding| finding.severity == Severity::Refused);
    StartableDocument {
        names: &one.names,
        toplevel: &one.toplevel,
        release: one.release.as_deref(),
        current: one.current,
        booted: one.booted,
        next: one.next,
        verdict: match one.verdict() {
            Verdict::Safe => "safe",
            Verdict::Down => "down",
            Verdict::Refused => "refused",
            Verdict::Unknown => "unknown",
        },
        steps: steps.collect(),
        refusals: refusals.map(FindingDocument::from).collect(),
        guarded: &one.guarded,
        unguarded: &one.unguarded,
        error: one.plan.as_ref().err().map(String::as_str),
    }
}
