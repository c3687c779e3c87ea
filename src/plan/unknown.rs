//! Owns what becomes of things that a reader could not tell: one finding a service and one a side, never a flood, and never
//! silence.

use std::collections::BTreeSet;

use super::finding::{Code, Finding, Severity};
use super::words::READ_OTHERWISE;
use super::{Plan, ServicePlan, Step};
use crate::model::{Generation, Part, Service, ServiceName, Setting, Unknown};

/// That nobody knows which package last ran the state, where steps move it from one to another.
pub(super) fn package(plan: &ServicePlan) -> Option<Finding> {
    let moves = |step: &&Step| step.migration.program.is_set() && step.action().script.is_set();
    let versions: Vec<_> = plan.steps.iter().filter(moves).map(Step::version).collect();
    if versions.is_empty() {
        return None;
    }
    let name = &plan.name;
    let message = format!(
        "which package last ran the state of {name} is not known, so its scripts get no `OLD_PACKAGE`"
    );
    let help = "A script that goes by it is refused. Name a generation that ran the state, or any that has that package, with \
                `--from OLD`."
        .to_owned();
    Some(Finding {
        versions,
        ..Finding::new(name, Code::Unknown, Severity::Warning, message, help)
    })
}

/// What could not be told of one service, on either side.
pub(super) fn service(
    name: &ServiceName,
    past: Option<&Service>,
    target: Option<&Service>,
    steps: &[Step],
    findings: &mut Vec<Finding>,
) {
    let mut gaps = Gaps::default();
    // Of a masked gate nothing is known but its versions, which its own finding says.
    let sides = [target, past].into_iter().flatten();
    for side in sides.filter(|side| !side.masked.is_set()) {
        for unread in &side.history.unread {
            gaps.add(true, || "more migrations".to_owned(), unread);
        }
        let shared = shared_conditions(side);
        for &condition in &shared {
            gaps.add(false, || "whether any of it is there".to_owned(), condition);
        }
        for migration in side.history.iter() {
            let own = migration.conditions.iter();
            for condition in own.filter(|own| shared.iter().all(|shared| shared.reason != own.reason)) {
                gaps.add(
                    true,
                    || format!("whether {} is there", migration.version),
                    condition,
                );
            }
            let version = migration.version;
            gaps.setting(true, || format!("the program of {version}"), &migration.program);
            gaps.setting(
                true,
                || format!("whether {version} is cumulative"),
                &migration.cumulative,
            );
        }
        gaps.setting(true, || "the oldest state".to_owned(), &side.oldest);
        gaps.setting(false, || "the units".to_owned(), &side.units);
        gaps.setting(false, || "what it requires".to_owned(), &side.requires);
        gaps.setting(
            false,
            || "the state directories".to_owned(),
            &side.state_directories,
        );
        gaps.setting(false, || "the package".to_owned(), &side.package);
        gaps.setting(false, || "the detect script".to_owned(), &side.detect);
    }
    for step in steps {
        for part in Part::ALL {
            let what = || format!("the {} of {}", part.name(), step.version());
            gaps.setting(false, what, step.action().part(part));
        }
    }
    let Some(first) = &gaps.first else { return };
    let more = match gaps.seen.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let message = format!(
        "not all of {name} could be read: {} ({}){more}",
        first.what, first.unknown.reason
    );
    let severity = match gaps.matter {
        true => Severity::Warning,
        false => Severity::Note,
    };
    findings.push(Finding {
        at: first.unknown.at.clone(),
        ..Finding::new(name, Code::Unknown, severity, message, READ_OTHERWISE.to_owned())
    });
}

/// What every migration of a service hangs on: all of them are there or none.
fn shared_conditions(service: &Service) -> Vec<&Unknown> {
    let mut migrations = service.history.iter();
    let first = migrations.next();
    let conditions = first.into_iter().flat_map(|migration| &migration.conditions);
    let others: Vec<_> = migrations.map(|migration| &migration.conditions).collect();
    let is_shared = |condition: &&Unknown| {
        let has = |other: &&Vec<Unknown>| other.iter().any(|own| own.reason == condition.reason);
        others.iter().all(has)
    };
    conditions.filter(is_shared).collect()
}

/// Places of a side that may declare services and could not be read.
pub(super) fn side(generation: &Generation, plan: &mut Plan) {
    let Some(first) = generation.unread.first() else {
        return;
    };
    let places = match generation.unread.len() {
        1 => "a place".to_owned(),
        more => format!("{more} places"),
    };
    let message = format!(
        "`{}` may declare more services in {places} that could not be read: {}",
        generation.label, first.reason
    );
    plan.findings.push(Finding {
        code: Code::Unknown,
        severity: Severity::Warning,
        service: None,
        versions: Vec::new(),
        direction: None,
        message,
        help: READ_OTHERWISE.to_owned(),
        at: first.at.clone(),
    });
}

#[derive(Default)]
struct Gaps<'a> {
    first: Option<Gap<'a>>,
    // What could not be told, and why.
    seen: BTreeSet<(String, &'a str)>,
    // Whether one of them may change the path.
    matter: bool,
}

struct Gap<'a> {
    what: String,
    unknown: &'a Unknown,
}

impl<'a> Gaps<'a> {
    fn setting<T>(&mut self, matters: bool, what: impl FnOnce() -> String, setting: &'a Setting<T>) {
        if let Some(unknown) = setting.unknown() {
            self.add(matters, what, unknown);
        }
    }

    /// Adds one, unless the other side has the same, wherever that stands.
    fn add(&mut self, matters: bool, what: impl FnOnce() -> String, unknown: &'a Unknown) {
        let what = what();
        self.matter |= matters;
        if self.first.is_none() {
            let what = what.clone();
            self.first = Some(Gap { what, unknown });
        }
        self.seen.insert((what, &unknown.reason));
    }
}
