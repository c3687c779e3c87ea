//! One JSON document a report, as docs/schema has it. The types here are the format: nothing else is ever serialised.
//!
//! What is not set is `null`, and what could not be told is `{"unknown": {…}}`.

pub(super) mod lists;
mod show;

pub(super) use show::show;

use serde::Serialize;

use super::{Diff, Machine, Movement, Options, Origin, Summary};
use crate::model::{
    Action, Direction, Generation, Kind, Location, Program, ServiceName, Setting, Text, Unknown,
};
use crate::plan::{Baseline, BaselineSource, Finding, Presence, ServicePlan, Step};

/// The number of the format; a change that breaks a reader raises it.
pub(super) const FORMAT: u32 = 1;

/// Writes a plan.
pub(super) fn plan(diff: &Diff<'_>, options: Options) -> String {
    let plan = diff.plan;
    let body = BodyDocument {
        summary: diff.summary(options).into(),
        services: plan
            .services
            .iter()
            .map(|service| PlanDocument::new(service, options))
            .collect(),
        order: plan
            .steps()
            .filter(|(service, _)| !service.is_refused())
            .map(|(service, step)| Place {
                service: service.name.to_string(),
                direction: step.direction.name(),
                version: step.version().to_string(),
            })
            .collect(),
        findings: plan.findings.iter().map(FindingDocument::from).collect(),
    };
    match diff.old {
        Origin::Generation(old) => print(&DiffDocument {
            format: FORMAT,
            old: old.into(),
            new: diff.new.into(),
            body,
        }),
        Origin::Machine(machine) => print(&MachinePlanDocument {
            format: FORMAT,
            machine: machine.into(),
            target: diff.new.into(),
            body,
        }),
    }
}

#[expect(clippy::expect_used, reason = "an empty document would be worse than none")]
pub(super) fn print(document: &impl Serialize) -> String {
    // serde_json refuses maps whose keys are no strings, and these documents have none.
    let mut text = serde_json::to_string_pretty(document).expect("a document of plain values");
    text.push('\n');
    text
}

/// What may be set, and may not be known.
#[derive(Serialize)]
#[serde(untagged)]
enum Known<T> {
    Value(Option<T>),
    Unknown { unknown: UnknownDocument },
}

fn known<'a, T, U>(setting: &'a Setting<T>, value: impl Fn(&'a T) -> U) -> Known<U> {
    match setting {
        Setting::Unset => Known::Value(None),
        Setting::Set(set) => Known::Value(Some(value(set))),
        Setting::Unknown(unknown) => Known::Unknown {
            unknown: unknown.into(),
        },
    }
}

#[derive(Serialize)]
struct UnknownDocument {
    reason: String,
    at: Option<LocationDocument>,
}

impl From<&Unknown> for UnknownDocument {
    fn from(unknown: &Unknown) -> Self {
        Self {
            reason: unknown.reason.to_string(),
            at: unknown.at.as_ref().map(LocationDocument::from),
        }
    }
}

#[derive(Serialize)]
struct LocationDocument {
    file: String,
    line: u32,
    column: u32,
}

impl From<&Location> for LocationDocument {
    fn from(location: &Location) -> Self {
        Self {
            file: location.file.clone(),
            line: location.line,
            column: location.column,
        }
    }
}

#[derive(Serialize)]
struct ProgramDocument {
    name: String,
    version: Option<String>,
    path: Option<String>,
}

impl From<&Program> for ProgramDocument {
    fn from(program: &Program) -> Self {
        Self {
            name: program.name.clone(),
            version: program.version.clone(),
            path: program.path.clone(),
        }
    }
}

#[derive(Serialize)]
struct TextDocument {
    text: Option<String>,
    path: Option<String>,
}

/// A part of an action; its words only where they are asked for.
fn text(setting: &Setting<Text>, words: bool) -> Known<TextDocument> {
    known(setting, |text| TextDocument {
        text: text.text.clone().filter(|_| words),
        path: text.path.clone(),
    })
}

#[derive(Serialize)]
struct ActionDocument {
    script: Known<TextDocument>,
    warn: Known<TextDocument>,
    backup: Known<TextDocument>,
    restore: Known<TextDocument>,
    verify: Known<TextDocument>,
    digest: Option<String>,
}

impl ActionDocument {
    fn new(action: &Action, options: Options) -> Self {
        Self {
            script: text(&action.script, options.scripts),
            warn: text(&action.warn, true),
            backup: text(&action.backup, options.scripts),
            restore: text(&action.restore, options.scripts),
            verify: text(&action.verify, options.scripts),
            digest: action.digest.map(|digest| digest.to_string()),
        }
    }
}

/// What a generation is.
#[derive(Serialize)]
struct GenerationDocument {
    label: String,
    kind: &'static str,
    identity: Option<String>,
    release: Known<String>,
    notes: Vec<String>,
    unread: Vec<UnknownDocument>,
}

impl From<&Generation> for GenerationDocument {
    fn from(generation: &Generation) -> Self {
        Self {
            label: generation.label.clone(),
            kind: Kind::name(generation.kind),
            identity: generation.identity.clone(),
            release: known(&generation.release, ToString::to_string),
            notes: generation.notes.clone(),
            unread: generation.unread.iter().map(UnknownDocument::from).collect(),
        }
    }
}

/// What a machine is.
#[derive(Serialize)]
pub(super) struct MachineDocument {
    state_dir: String,
    record: Option<RecordDocument>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct RecordDocument {
    id: String,
    events: u64,
    last_event: String,
}

impl From<&Machine> for MachineDocument {
    fn from(machine: &Machine) -> Self {
        let record = machine.record.as_ref();
        Self {
            state_dir: machine.state_dir.clone(),
            record: record.map(|record| RecordDocument {
                id: record.id.clone(),
                events: record.events,
                last_event: record.last_event.clone(),
            }),
            notes: machine.notes.clone(),
        }
    }
}

#[derive(Serialize)]
struct DiffDocument {
    format: u32,
    old: GenerationDocument,
    new: GenerationDocument,
    #[serde(flatten)]
    body: BodyDocument,
}

#[derive(Serialize)]
struct MachinePlanDocument {
    format: u32,
    machine: MachineDocument,
    target: GenerationDocument,
    #[serde(flatten)]
    body: BodyDocument,
}

#[derive(Serialize)]
struct BodyDocument {
    summary: SummaryDocument,
    services: Vec<PlanDocument>,
    order: Vec<Place>,
    findings: Vec<FindingDocument>,
}

#[derive(Serialize)]
struct SummaryDocument {
    text: String,
    steps: usize,
    up: usize,
    down: usize,
    down_and_up: usize,
    refused: usize,
    refused_steps: usize,
    undecided: usize,
    unchanged: usize,
    unmigrated: usize,
    refusals: usize,
    warnings: usize,
    notes: usize,
}

impl From<Summary> for SummaryDocument {
    fn from(summary: Summary) -> Self {
        Self {
            text: summary.to_string(),
            steps: summary.steps(),
            up: summary.up.services,
            down: summary.down.services,
            down_and_up: summary.both.services,
            refused: summary.refused.services,
            refused_steps: summary.refused.steps,
            undecided: summary.undecided,
            unchanged: summary.unchanged,
            unmigrated: summary.unmigrated,
            refusals: summary.refusals,
            warnings: summary.warnings,
            notes: summary.notes,
        }
    }
}

#[derive(Serialize)]
struct Place {
    service: String,
    direction: &'static str,
    version: String,
}

#[derive(Serialize)]
struct PlanDocument {
    name: String,
    presence: &'static str,
    movement: &'static str,
    refused: bool,
    from: Option<String>,
    to: Option<String>,
    applied: Vec<String>,
    target: Option<String>,
    units: Vec<String>,
    baseline: Option<BaselineDocument>,
    steps: Vec<StepDocument>,
    findings: Vec<FindingDocument>,
}

impl PlanDocument {
    fn new(plan: &ServicePlan, options: Options) -> Self {
        Self {
            name: plan.name.to_string(),
            presence: match plan.presence {
                Presence::Both => "both",
                Presence::Lost => "lost",
                Presence::Gained => "gained",
            },
            movement: match Movement::of(plan) {
                Movement::Up => "up",
                Movement::Down => "down",
                Movement::Both => "down-and-up",
                Movement::Undecided => "undecided",
                Movement::Refused => "refused",
                Movement::Unchanged => "unchanged",
            },
            refused: plan.is_refused(),
            from: plan.from().map(|version| version.to_string()),
            to: plan.to().map(|version| version.to_string()),
            applied: texts(&plan.applied),
            target: plan.target.map(|version| version.to_string()),
            units: texts(&plan.units),
            baseline: plan.baseline.as_ref().map(BaselineDocument::from),
            steps: plan
                .steps
                .iter()
                .map(|step| StepDocument::new(step, options))
                .collect(),
            findings: plan.findings.iter().map(FindingDocument::from).collect(),
        }
    }
}

fn texts<T: ToString>(values: impl IntoIterator<Item = T>) -> Vec<String> {
    values.into_iter().map(|value| value.to_string()).collect()
}

#[derive(Serialize)]
struct BaselineDocument {
    sources: Vec<SourceDocument>,
    assumed: Vec<String>,
    undecided: Vec<String>,
}

#[derive(Serialize)]
struct SourceDocument {
    kind: &'static str,
    value: Option<String>,
}

impl From<&Baseline> for BaselineDocument {
    fn from(baseline: &Baseline) -> Self {
        let source = |source: &BaselineSource| {
            let (kind, value) = match source {
                BaselineSource::Detect => ("detect", None),
                BaselineSource::Fresh => ("fresh", None),
                BaselineSource::History(label) => ("history", Some(label.clone())),
                BaselineSource::Absent => ("absent", None),
                BaselineSource::Program(program) => ("program", Some(program.clone())),
                BaselineSource::Release(release) => ("release", Some(release.clone())),
            };
            SourceDocument { kind, value }
        };
        Self {
            sources: baseline.sources.iter().map(source).collect(),
            assumed: texts(&baseline.assumed),
            undecided: texts(&baseline.undecided),
        }
    }
}

#[derive(Serialize)]
struct StepDocument {
    direction: &'static str,
    version: String,
    swallowed: Vec<String>,
    action: ActionDocument,
    undoable: Option<bool>,
    needs_acknowledgement: bool,
    built_in_backup: Option<bool>,
    origin: Option<LocationDocument>,
}

impl StepDocument {
    fn new(step: &Step, options: Options) -> Self {
        Self {
            direction: step.direction.name(),
            version: step.version().to_string(),
            swallowed: texts(&step.swallowed),
            action: ActionDocument::new(step.action(), options),
            undoable: step.undoable,
            needs_acknowledgement: step.needs_acknowledgement,
            built_in_backup: step.built_in_backup,
            origin: step.origin().map(LocationDocument::from),
        }
    }
}

#[derive(Serialize)]
struct FindingDocument {
    code: &'static str,
    severity: &'static str,
    service: Option<String>,
    versions: Vec<String>,
    direction: Option<&'static str>,
    message: String,
    help: String,
    at: Option<LocationDocument>,
}

impl From<&Finding> for FindingDocument {
    fn from(finding: &Finding) -> Self {
        Self {
            code: finding.code.name(),
            severity: finding.severity.name(),
            service: finding.service.as_ref().map(ServiceName::to_string),
            versions: texts(&finding.versions),
            direction: finding.direction.map(Direction::name),
            message: finding.message.clone(),
            help: finding.help.clone(),
            at: finding.at.as_ref().map(LocationDocument::from),
        }
    }
}
