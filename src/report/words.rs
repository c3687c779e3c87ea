//! Owns the phrases that text and Markdown share: one way of saying a thing, whoever draws it.

use std::collections::{BTreeMap, BTreeSet};

use super::select::programs;
use super::summary::count;
use super::{Machine, Movement, Origin};
use crate::model::{
    Action, Direction, Generation, Migration, Part, Service, ServiceName, Setting, Text, Unknown, Version,
};
use crate::plan::{Baseline, Finding, Plan, Presence, ServicePlan, Step, StepId};

/// How an item of a list of what a step has is to be taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// As it should be.
    Fine,
    /// To be looked at.
    Missing,
    /// It could not be told.
    Unknown,
}

/// What an action has besides its warning: `script`, `backup`, `restore unknown`.
pub(super) fn parts(action: &Action) -> Vec<(Weight, String)> {
    let mut parts = Vec::new();
    for part in Part::ALL {
        match (action.part(part), part) {
            (Setting::Unset, Part::Script) => parts.push((Weight::Missing, "no script".to_owned())),
            (Setting::Unset, _) | (_, Part::Warn) => {}
            (Setting::Set(_), _) => parts.push((Weight::Fine, part.name().to_owned())),
            (Setting::Unknown(_), _) => parts.push((Weight::Unknown, format!("{} unknown", part.name()))),
        }
    }
    parts
}

/// What a step has: the parts of its action, whether nixmig backs up for it, whether it can be undone, whether somebody has
/// to acknowledge it.
pub(super) fn step(step: &Step) -> Vec<(Weight, String)> {
    let mut items = parts(step.action());
    let mut add = |weight, text: &str| items.push((weight, text.to_owned()));
    match step.built_in_backup {
        Some(true) => add(Weight::Fine, "state directories backed up"),
        Some(false) => {}
        None => add(Weight::Unknown, "backup of state directories unknown"),
    }
    match (step.direction, step.undoable) {
        (Direction::Up, Some(true)) => add(Weight::Fine, "down"),
        (Direction::Up, Some(false)) => add(Weight::Missing, "no down"),
        (Direction::Up, None) => add(Weight::Unknown, "down unknown"),
        (Direction::Down, _) => {}
    }
    if step.needs_acknowledgement {
        add(Weight::Missing, "to be acknowledged");
    }
    items
}

/// The words of an action's warning, or why there are none to show.
pub(super) fn warning(action: &Action) -> Option<String> {
    match &action.warn {
        Setting::Unset => None,
        Setting::Set(text) => Some(
            text.text
                .clone()
                .unwrap_or_else(|| "(there is one; its words were not read)".to_owned()),
        ),
        Setting::Unknown(reason) => Some(format!("(not known: {})", unknown(reason))),
    }
}

/// What is to be said of a script's words: the words, or a phrase in place of them.
pub(super) enum Words<'a> {
    Text(&'a str),
    Phrase(String),
}

/// The scripts of an action in the order in which they run, with their words.
pub(super) fn scripts(action: &Action) -> Vec<(Part, Words<'_>)> {
    [Part::Backup, Part::Script, Part::Verify, Part::Restore]
        .into_iter()
        .filter_map(|part| Some((part, words(action.part(part))?)))
        .collect()
}

fn words(setting: &Setting<Text>) -> Option<Words<'_>> {
    Some(match setting {
        Setting::Unset => return None,
        Setting::Set(Text { text: Some(text), .. }) => Words::Text(text),
        Setting::Set(Text { path: Some(path), .. }) => {
            Words::Phrase(format!("its words were not read: {path}"))
        }
        Setting::Set(_) => Words::Phrase("its words were not read".to_owned()),
        Setting::Unknown(reason) => Words::Phrase(format!("not known: {}", unknown(reason))),
    })
}

/// Why something is not known, and where.
pub(super) fn unknown(unknown: &Unknown) -> String {
    match &unknown.at {
        Some(at) => format!("{} ({at})", unknown.reason),
        None => unknown.reason.to_string(),
    }
}

/// Where a generation was read from, and its release: `closure, NixOS 25.05`.
pub(super) fn kind(generation: &Generation) -> String {
    let kind = generation.kind.name();
    match &generation.release {
        Setting::Unset => kind.to_owned(),
        Setting::Set(release) => format!("{kind}, NixOS {release}"),
        Setting::Unknown(_) => format!("{kind}, release unknown"),
    }
}

/// Where the memory of a machine is, and how long it is: `record 0123…, 42 events`.
pub(super) fn record(machine: &Machine) -> String {
    match &machine.record {
        Some(record) => format!("record {}, {}", record.id, count_u64(record.events, "event")),
        None => "no record yet".to_owned(),
    }
}

fn count_u64(number: u64, singular: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), singular)
}

/// On which side a service is declared, if that is to be said.
pub(super) fn presence(service: &ServicePlan, origin: Origin<'_>) -> Option<&'static str> {
    Some(match (service.presence, origin) {
        (Presence::Both, _) => return None,
        (Presence::Lost, _) => "no longer declared",
        (Presence::Gained, Origin::Generation(_)) => "newly declared",
        (Presence::Gained, Origin::Machine(_)) => "met for the first time",
    })
}

/// Versions between commas.
pub(super) fn versions(versions: &[Version]) -> String {
    let texts: Vec<_> = versions.iter().map(Version::to_string).collect();
    texts.join(", ")
}

/// The version on one end of a path.
fn end(version: Option<Version>) -> String {
    version.map_or_else(|| "none".to_owned(), |version| version.to_string())
}

/// From where to where a service goes: `2023-09-14 → 2024-10-01`, or where it stays and what changes below that.
pub(super) fn way(service: &ServicePlan) -> String {
    let (from, to) = (service.from(), service.to());
    match Movement::of(service) {
        Movement::Unchanged => end(from),
        Movement::Undecided => format!("unknown → {}", end(service.target)),
        Movement::Refused if from == service.target => end(from),
        Movement::Refused => format!("{} → {}", end(from), end(service.target)),
        Movement::Up | Movement::Down | Movement::Both if from != to => {
            format!("{} → {}", end(from), end(to))
        }
        Movement::Up | Movement::Down | Movement::Both => {
            let mut way = format!("stays at {}", end(to));
            for (word, direction) in [("without", Direction::Down), ("with", Direction::Up)] {
                let mut moved = moved(service, direction);
                moved.sort_unstable();
                if !moved.is_empty() {
                    way.push_str(&format!(", {word} {}", versions(&moved)));
                }
            }
            way
        }
    }
}

/// The versions that the steps of one direction bring the state through or back from, those that do not run by themselves
/// included.
fn moved(service: &ServicePlan, direction: Direction) -> Vec<Version> {
    let steps = service.steps.iter();
    steps
        .filter(|step| step.direction == direction)
        .flat_map(|step| step.swallowed.iter().copied().chain([step.version()]))
        .collect()
}

/// The steps that run, each with its number in the order of all: those of services that are not refused.
pub(super) fn places(plan: &Plan) -> BTreeMap<StepId, usize> {
    let runs = |id: &&StepId| {
        plan.services
            .get(id.service)
            .is_some_and(|service| !service.is_refused())
    };
    plan.order.iter().filter(runs).copied().zip(1..).collect()
}

/// How many steps a service takes: `3 steps`, `3 steps, not run`.
pub(super) fn length(service: &ServicePlan) -> String {
    let steps = count(service.steps.len(), "step");
    match service.is_refused() && !service.steps.is_empty() {
        true => format!("{steps}, not run"),
        false => steps,
    }
}

/// What first contact assumed, as sentences.
pub(super) fn baseline(baseline: &Baseline) -> Vec<String> {
    let told: Vec<_> = baseline.sources.iter().map(ToString::to_string).collect();
    let told = match told.is_empty() {
        true => String::new(),
        false => format!(", judged by {}", told.join(" and ")),
    };
    let mut sentences = Vec::new();
    match (baseline.assumed.as_slice(), baseline.undecided.is_empty()) {
        ([], false) => {}
        ([], true) => sentences.push(format!("nothing is taken as applied{told}")),
        (assumed, _) => sentences.push(format!("{} taken as applied{told}", versions(assumed))),
    }
    if !baseline.undecided.is_empty() {
        sentences.push(format!(
            "whether {} is applied cannot be told: nothing runs until `nixmig stamp` decides",
            versions(&baseline.undecided)
        ));
    }
    sentences
}

/// The findings of a plan: the worst first, else in the plan's order. What several services have in common is said once.
pub(super) fn findings(plan: &Plan) -> Vec<&Finding> {
    let mut said = BTreeSet::new();
    let mut findings: Vec<_> = plan
        .findings()
        .filter(|finding| {
            let at = finding.at.as_ref().map(ToString::to_string);
            subject(finding).is_some() || said.insert((finding.code, &finding.message, at))
        })
        .collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// The service that a finding is of, unless its message names it.
pub(super) fn subject(finding: &Finding) -> Option<&ServiceName> {
    let service = finding.service.as_ref()?;
    (!finding.message.contains(service.as_str())).then_some(service)
}

/// Names between commas, or `none`.
pub(super) fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}

/// How long a service's history is: `3 migrations, head 2025-04-01`.
pub(super) fn history(service: &Service) -> String {
    let length = count(service.history.len(), "migration");
    match service.history.head() {
        Some(head) => format!("{length}, head {head}"),
        None => length,
    }
}

/// Why nothing but its version is known of a migration, where one reason is that of all.
pub(super) fn opaque(migration: &Migration) -> Option<&Unknown> {
    let reason = migration.program.unknown()?;
    let is_opaque = |action: &Action| {
        let parts = Part::ALL.iter();
        parts
            .map(|&part| action.part(part).unknown())
            .all(|unknown| unknown == Some(reason))
    };
    let all = migration.cumulative.unknown() == Some(reason)
        && is_opaque(&migration.up)
        && is_opaque(&migration.down);
    all.then_some(reason)
}

/// What is set of a migration besides its actions.
pub(super) fn facts(migration: &Migration) -> Vec<String> {
    let program = match &migration.program {
        Setting::Unset => None,
        Setting::Set(program) => Some(format!("program {program}")),
        Setting::Unknown(reason) => Some(format!("program unknown: {}", unknown(reason))),
    };
    let cumulative = match &migration.cumulative {
        Setting::Unset => None,
        Setting::Set(()) => Some("cumulative".to_owned()),
        Setting::Unknown(reason) => Some(format!("cumulative unknown: {}", unknown(reason))),
    };
    program.into_iter().chain(cumulative).collect()
}

/// What a generation holds, in one line: `2 services, 12 migrations; 3 unknown`. `chosen` says that it was cut down to some
/// services.
pub(super) fn holdings(generation: &Generation, chosen: bool) -> String {
    let migrations: usize = generation
        .services
        .values()
        .map(|service| service.history.len())
        .sum();
    let unknown = unknowns(generation);
    let mut line = match generation.services.len() {
        0 if !generation.unread.is_empty() => "No migrations were found".to_owned(),
        0 if chosen => "No chosen service declares migrations".to_owned(),
        0 => "No service declares migrations".to_owned(),
        services => format!(
            "{}, {}",
            count(services, "service"),
            count(migrations, "migration")
        ),
    };
    if unknown > 0 {
        line.push_str(&format!("; {unknown} unknown"));
    }
    line
}

/// How many things could not be told of a generation.
pub(super) fn unknowns(generation: &Generation) -> usize {
    let of = |unknown: Option<&Unknown>| usize::from(unknown.is_some());
    let action = |action: &Action| {
        Part::ALL
            .iter()
            .map(|&part| of(action.part(part).unknown()))
            .sum::<usize>()
    };
    let migration = |migration: &Migration| {
        of(migration.program.unknown())
            + of(migration.cumulative.unknown())
            + action(&migration.up)
            + action(&migration.down)
            + migration.conditions.len()
    };
    let service = |service: &Service| {
        of(service.units.unknown())
            + of(service.requires.unknown())
            + of(service.state_directories.unknown())
            + of(service.package.unknown())
            + of(service.detect.unknown())
            + of(service.oldest.unknown())
            + service.history.unread.len()
            + service.history.iter().map(migration).sum::<usize>()
    };
    of(generation.release.unknown())
        + generation.unread.len()
        + programs(generation)
            .map(|(_, program)| of(program.unknown()))
            .sum::<usize>()
        + generation.services.values().map(service).sum::<usize>()
}
