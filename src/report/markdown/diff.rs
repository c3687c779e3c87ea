//! What lies between two generations, as Markdown.

use std::collections::BTreeMap;

use super::super::words::{self, Weight};
use super::super::{Diff, Movement, Options, Origin};
use super::quote::{cell, code, html, prose};
use super::{Page, heading, list, on_machine, scripts, warning};
use crate::plan::{Finding, ServicePlan, Step, StepId};

/// Writes a plan.
pub(in crate::report) fn diff(diff: &Diff<'_>, options: Options) -> String {
    let plan = diff.plan;
    let mut page = Page::default();
    let from = match diff.old {
        Origin::Generation(old) => code(&old.label),
        Origin::Machine(_) => "this machine".to_owned(),
    };
    page.line(format!("### Migrations from {from} to {}", code(&diff.new.label)));
    page.block(format!("**{}**", diff.summary(options)));
    if !plan.services.is_empty() {
        page.block("| Service | Direction | From → to | Steps | Findings |");
        page.line("|---|---|---|--:|---|");
    }
    for service in &plan.services {
        page.line(row(service, diff.old));
    }
    let places = words::places(plan);
    for (index, service) in plan.services.iter().enumerate() {
        if !service.steps.is_empty() || service.baseline.is_some() || service.is_refused() {
            let summary = format!(
                "<code>{}</code>: {}",
                html(service.name.as_str()),
                words::length(service)
            );
            page.folded(&summary, |page| {
                self::service(page, &places, index, service, options);
            });
        }
    }
    let findings = words::findings(plan);
    if !findings.is_empty() {
        page.block("#### Findings");
        page.gap();
    }
    for finding in findings {
        self::finding(&mut page, finding);
    }
    page.folded("What was compared", |page| {
        page.gap();
        match diff.old {
            Origin::Generation(old) => heading(page, "from ", old),
            Origin::Machine(machine) => on_machine(page, "from ", machine),
        }
        heading(page, "to ", diff.new);
    });
    page.text
}

fn row(service: &ServicePlan, origin: Origin<'_>) -> String {
    let presence = words::presence(service, origin).map(|presence| format!(", {presence}"));
    let mut codes: Vec<_> = service.findings.iter().map(|finding| finding.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let refused = if service.is_refused() { "**refused** " } else { "" };
    let waiting = match service.is_refused() && !service.steps.is_empty() {
        true => ", not run",
        false => "",
    };
    let cells = [
        code(service.name.as_str()),
        format!("{}{}", Movement::of(service).name(), presence.unwrap_or_default()),
        words::way(service),
        format!("{}{waiting}", service.steps.len()),
        format!("{refused}{}", list(codes)),
    ];
    let cells: Vec<_> = cells.iter().map(|text| cell(text)).collect();
    format!("| {} |", cells.join(" | "))
}

fn service(
    page: &mut Page,
    places: &BTreeMap<StepId, usize>,
    index: usize,
    service: &ServicePlan,
    options: Options,
) {
    for sentence in service.baseline.iter().flat_map(words::baseline) {
        page.block(format!("First contact: {}", prose(&sentence)));
    }
    let refused = service.is_refused();
    if refused && !service.steps.is_empty() {
        page.block("**Would run if it were not refused:**");
    }
    for (number, step) in service.steps.iter().enumerate() {
        let id = StepId {
            service: index,
            step: number,
        };
        self::step(page, places.get(&id).copied(), step, options);
    }
    let lead = match refused {
        true => "Held back until that is decided",
        false => "Held back meanwhile",
    };
    if (refused || !service.steps.is_empty()) && !service.units.is_empty() {
        page.block(format!("{lead}: {}", list(&service.units)));
    }
}

/// Writes one step. `place` is its number among the steps that run, if it does.
fn step(page: &mut Page, place: Option<usize>, step: &Step, options: Options) {
    let place = place.map_or_else(String::new, |place| format!("step {place}, "));
    let items: Vec<_> = words::step(step)
        .into_iter()
        .map(|(weight, text)| match weight {
            Weight::Fine => prose(&text),
            Weight::Missing | Weight::Unknown => format!("**{}**", prose(&text)),
        })
        .collect();
    page.block(format!(
        "- {place}{} {}: {}",
        step.direction.name(),
        code(&step.version().to_string()),
        items.join(", ")
    ));
    page.indent = 2;
    if !step.swallowed.is_empty() {
        page.block(format!(
            "Stands for {}, cumulative: not run by themselves",
            list(&step.swallowed)
        ));
    }
    warning(page, step.action());
    if options.scripts {
        if let Some(origin) = step.origin() {
            page.block(format!("Defined at {}", code(&origin.to_string())));
        }
        scripts(page, step.action());
    }
    page.indent = 0;
}

fn finding(page: &mut Page, finding: &Finding) {
    let subject = words::subject(finding)
        .map(|service| format!("{}: ", code(service.as_str())))
        .unwrap_or_default();
    let mut line = format!(
        "- **{}** {} {subject}{}",
        finding.severity.name(),
        code(finding.code.name()),
        prose(&finding.message)
    );
    if let Some(at) = &finding.at {
        line.push_str(&format!(" ({})", code(&at.to_string())));
    }
    page.line(line);
    if !finding.help.is_empty() {
        page.line(format!("  <br>{}", prose(&finding.help)));
    }
}
