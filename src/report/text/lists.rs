//! The reports of a machine besides plans, as text.

use super::super::lists::{
    Generations, Happened, History, KeptBackup, ServiceStatus, Startable, State, Status, Verdict,
};
use super::super::{Movement, Options, size};
use super::diff::finding;
use super::page::{Page, Tone, plain, span};
use super::{list, on_machine, words};
use crate::model::UnitName;
use crate::plan::{ServicePlan, Severity};

/// Draws where each service is.
pub(in crate::report) fn status(status: &Status<'_>, options: Options) -> String {
    let mut page = Page::new(options.width);
    on_machine(&mut page, "", status.machine);
    page.line(
        0,
        2,
        &[match status.generation {
            Some(generation) => plain(format!("running {generation}")),
            None => span(Tone::Note, "no generation runs here"),
        }],
    );
    for one in status.services {
        page.gap();
        service(&mut page, one);
    }
    page.gap();
    if status.machine.record.is_none() {
        page.line(
            0,
            0,
            &[plain(
                "Nothing was migrated on this machine yet. `nixmig plan` says what would be done, and changes nothing.",
            )],
        );
    } else if status.services.is_empty() {
        page.line(
            0,
            0,
            &[plain("No service declares migrations, and nothing is applied.")],
        );
    }
    page.finish()
}

fn service(page: &mut Page, status: &ServiceStatus) {
    let plan = &status.plan;
    let state = status.state();
    let tone = match state {
        State::UpToDate | State::Met => Tone::Up,
        State::Pending | State::Running => Tone::Note,
        State::Refused | State::Interrupted | State::Failed => Tone::Refused,
        State::Left => Tone::Faint,
    };
    let mut line = vec![
        span(Tone::Strong, &plan.name),
        plain("  "),
        span(tone, state.name()),
        plain("  "),
        plain(words::way(plan)),
    ];
    if !plan.steps.is_empty() {
        line.push(span(Tone::Faint, format!("  ({})", words::length(plan))));
    }
    page.line(0, 2, &line);
    for sentence in plan.baseline.iter().flat_map(words::baseline) {
        page.prose(2, span(Tone::Note, "first contact:"), &sentence);
    }
    list(page, 2, "held back:", status.held.iter().map(UnitName::as_str));
    if let Some(help) = self::held(status, state) {
        page.prose(2, span(Tone::Faint, "help:"), &help);
    }
    for backup in &status.backups {
        self::backup(page, backup);
    }
    let worth = |one: &&crate::plan::Finding| one.severity > Severity::Note;
    for one in plan.findings.iter().filter(worth) {
        finding(page, 2, one);
    }
}

/// What has units start again that are held. Of a service that has something to be decided first, that is said there.
fn held(status: &ServiceStatus, state: State) -> Option<String> {
    let name = &status.plan.name;
    if let Some(generation) = &status.held_for {
        return Some(format!(
            "its state was brought to {generation}: `{generation}/bin/switch-to-configuration switch` starts that and its units, \
             and `nixmig migrate` brings the state back to the generation that is active"
        ));
    }
    let settled = match state {
        State::UpToDate | State::Met | State::Left => true,
        State::Pending => !status.plan.steps.iter().any(|step| step.needs_acknowledgement),
        State::Running | State::Refused | State::Interrupted | State::Failed => false,
    };
    (settled && !status.held.is_empty()).then(|| format!("`nixmig resume {name}` starts them again."))
}

fn backup(page: &mut Page, backup: &KeptBackup) {
    let size = match backup.bytes {
        Some(bytes) => size(bytes),
        None => "its size cannot be told".to_owned(),
    };
    page.long_line(
        2,
        &[
            span(Tone::Faint, "backup "),
            plain(format!(
                "from before the {} of {}, {size}: {}",
                backup.direction.name(),
                backup.version,
                backup.directory
            )),
        ],
    );
}

/// Draws what happened.
pub(in crate::report) fn history(history: &History<'_>, options: Options) -> String {
    let mut page = Page::new(options.width);
    if history.machine.record.is_none() {
        page.line(
            0,
            0,
            &[plain(format!(
                "Nothing happened yet: there is no record in {}.",
                history.machine.state_dir
            ))],
        );
    }
    for note in &history.machine.notes {
        page.prose(0, span(Tone::Note, "note:"), note);
    }
    if history.machine.record.is_some() && history.events.is_empty() {
        page.line(0, 0, &[plain("Nothing of the kind is recorded.")]);
    }
    for event in history.events {
        self::event(&mut page, event, history.output);
    }
    page.finish()
}

fn event(page: &mut Page, event: &Happened, output: bool) {
    let mut line = vec![span(Tone::Faint, &event.time), plain("  ")];
    if let Some(service) = &event.service {
        line.extend([span(Tone::Strong, service), plain("  ")]);
    }
    line.push(span(
        if event.good { Tone::Plain } else { Tone::Refused },
        &event.words,
    ));
    page.line(0, event.time.len() + 2, &line);
    if output && !event.output.is_empty() {
        page.verbatim(event.time.len() + 2, &event.output);
    }
}

/// Draws what can be started.
pub(in crate::report) fn generations(generations: &Generations<'_>, options: Options) -> String {
    let mut page = Page::new(options.width);
    on_machine(&mut page, "", generations.machine);
    page.gap();
    for one in generations.generations {
        startable(&mut page, one);
    }
    if generations.generations.is_empty() {
        page.line(
            0,
            0,
            &[plain("There is no generation that this machine could start.")],
        );
    }
    page.finish()
}

fn startable(page: &mut Page, one: &Startable) {
    let verdict = one.verdict();
    let tone = match verdict {
        Verdict::Safe => Tone::Up,
        Verdict::Down => Tone::Down,
        Verdict::Refused | Verdict::Unknown => Tone::Refused,
    };
    let mut line = vec![span(Tone::Strong, one.names.join(", ")), plain("  ")];
    if let Some(release) = &one.release {
        line.push(plain(format!("NixOS {release}  ")));
    }
    let marks = [(one.current, "runs"), (one.booted, "booted"), (one.next, "next")];
    let marks: Vec<_> = marks
        .into_iter()
        .filter_map(|(is, mark)| is.then_some(mark))
        .collect();
    if !marks.is_empty() {
        line.push(span(Tone::Faint, format!("({})  ", marks.join(", "))));
    }
    line.push(span(tone, verdict.name()));
    page.line(0, 2, &line);
    match &one.plan {
        Err(error) => page.prose(4, span(Tone::Faint, "-"), error),
        Ok(plan) => {
            for service in plan.services.iter().filter(|service| moves(service)) {
                let text = format!(
                    "{}: {}, {}",
                    service.name,
                    Movement::of(service).name(),
                    words::length(service)
                );
                page.prose(4, span(Tone::Faint, "-"), &text);
            }
            for refusal in plan
                .findings()
                .filter(|finding| finding.severity == Severity::Refused)
            {
                page.prose(4, span(Tone::Refused, "-"), &refusal.message);
            }
        }
    }
    for name in &one.guarded {
        let text = format!("{name}: no gate of its own, so its guard is asked before it starts");
        page.prose(4, span(Tone::Faint, "-"), &text);
    }
    for name in &one.unguarded {
        let text =
            format!("{name}: no gate of its own, and no guard: nothing keeps it from starting as it is");
        page.prose(4, span(Tone::Refused, "-"), &text);
    }
}

fn moves(service: &ServicePlan) -> bool {
    !service.steps.is_empty()
}
