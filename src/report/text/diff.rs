//! What lies between two generations, as text.

use std::collections::BTreeMap;

use super::super::summary::count;
use super::super::{Diff, Movement, Options, Origin};
use super::page::{Page, Tone, plain, span};
use super::{direction, heading, items, list, location, on_machine, scripts, warning, words};
use crate::model::UnitName;
use crate::plan::{Finding, Presence, ServicePlan, Severity, Step, StepId};

/// How far the lines of a step are in.
const STEP: usize = 6;

/// Draws a plan.
pub(in crate::report) fn diff(diff: &Diff<'_>, options: Options) -> String {
    let mut page = Page::new(options.width);
    match diff.old {
        Origin::Generation(old) => heading(&mut page, "from  ", old),
        Origin::Machine(machine) => on_machine(&mut page, "from  ", machine),
    }
    heading(&mut page, "to    ", diff.new);
    let places = words::places(diff.plan);
    for (index, plan) in diff.plan.services.iter().enumerate() {
        if noteworthy(plan) {
            page.gap();
            service(&mut page, &places, index, (plan, diff.old), options);
        }
    }
    let quiet: Vec<_> = diff
        .plan
        .services
        .iter()
        .filter(|service| !noteworthy(service))
        .map(|service| service.name.as_str())
        .collect();
    if !quiet.is_empty() {
        page.gap();
        list(&mut page, 0, "unchanged:", quiet);
    }
    for finding in words::findings(diff.plan) {
        page.gap();
        self::finding(&mut page, 0, finding);
    }
    page.gap();
    page.line(0, 2, &[span(Tone::Strong, diff.summary(options))]);
    page.finish()
}

/// Whether there is more to say of a service than that it is there.
fn noteworthy(service: &ServicePlan) -> bool {
    !service.steps.is_empty()
        || service.presence != Presence::Both
        || service.baseline.is_some()
        || service.is_refused()
}

fn service(
    page: &mut Page,
    places: &BTreeMap<StepId, usize>,
    index: usize,
    (service, origin): (&ServicePlan, Origin<'_>),
    options: Options,
) {
    let refused = service.is_refused();
    let movement = Movement::of(service);
    let tone = match movement {
        Movement::Up => Tone::Up,
        Movement::Down | Movement::Both => Tone::Down,
        Movement::Undecided | Movement::Refused => Tone::Refused,
        Movement::Unchanged => Tone::Faint,
    };
    let presence = words::presence(service, origin).map(|presence| format!("  ({presence})"));
    let mark = match refused && movement != Movement::Refused {
        true => "  refused",
        false => "",
    };
    page.line(
        0,
        2,
        &[
            span(Tone::Strong, &service.name),
            plain("  "),
            span(tone, movement.name()),
            plain("  "),
            plain(words::way(service)),
            span(Tone::Faint, presence.unwrap_or_default()),
            span(Tone::Refused, mark),
        ],
    );
    for sentence in service.baseline.iter().flat_map(words::baseline) {
        page.prose(2, span(Tone::Note, "first contact:"), &sentence);
    }
    if refused && !service.steps.is_empty() {
        page.line(2, 4, &[span(Tone::Refused, "would run if it were not refused:")]);
    }
    for (number, step) in service.steps.iter().enumerate() {
        let id = StepId {
            service: index,
            step: number,
        };
        self::step(page, places.get(&id).copied(), step, options);
    }
    let lead = match refused {
        true => "held back until that is decided:",
        false => "held back meanwhile:",
    };
    if refused || !service.steps.is_empty() {
        list(page, 2, lead, service.units.iter().map(UnitName::as_str));
    }
}

/// Draws one step. `place` is its number among the steps that run, if it does.
fn step(page: &mut Page, place: Option<usize>, step: &Step, options: Options) {
    let place = place.map_or_else(|| "-".to_owned(), |place| format!("{place}."));
    let mut line = vec![
        span(Tone::Faint, format!("{place:>5} ")),
        span(
            direction(step.direction),
            format!("{:<4} ", step.direction.name()),
        ),
        span(Tone::Strong, step.version()),
        plain("  "),
    ];
    line.extend(items(&words::step(step)));
    page.line(0, STEP, &line);
    if !step.swallowed.is_empty() {
        let number = count(step.swallowed.len(), "older step");
        let text = format!(
            "{} (cumulative: not run by themselves)",
            words::versions(&step.swallowed)
        );
        page.prose(STEP, span(Tone::Faint, format!("stands for {number}:")), &text);
    }
    warning(page, STEP, step.action());
    if options.scripts {
        if let Some(origin) = step.origin() {
            location(page, STEP, "defined at ", origin);
        }
        scripts(page, STEP, step.action());
    }
}

/// Draws a finding.
pub(super) fn finding(page: &mut Page, indent: usize, finding: &Finding) {
    let tone = match finding.severity {
        Severity::Note => Tone::Note,
        Severity::Warning => Tone::Warning,
        Severity::Refused => Tone::Refused,
    };
    let subject = words::subject(finding).map_or_else(String::new, |service| format!("{service}: "));
    page.line(
        indent,
        indent + 2,
        &[
            span(tone, finding.severity.name()),
            plain("["),
            plain(finding.code),
            plain("]: "),
            span(Tone::Strong, subject),
            plain(&finding.message),
        ],
    );
    if !finding.help.is_empty() {
        page.prose(indent + 2, span(Tone::Faint, "help:"), &finding.help);
    }
    if let Some(at) = &finding.at {
        location(page, indent + 2, "at ", at);
    }
}
