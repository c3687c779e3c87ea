//! Text for an operator, on a page of a given width.

mod diff;
mod lists;
mod migrated;
mod page;
mod show;

pub(super) use diff::diff;
pub(super) use lists::{generations, history, status};
pub(super) use migrated::migrated;
pub(super) use show::show;

use page::{Page, Span, Tone, plain, span, whole};

use super::Machine;
use super::words::{self, Weight, Words};
use crate::model::{Action, Direction, Generation, Location};

/// The tone of a direction.
fn direction(direction: Direction) -> Tone {
    match direction {
        Direction::Up => Tone::Up,
        Direction::Down => Tone::Down,
    }
}

/// Draws what a generation is behind a lead: what it was called, where it was read from, what the reader did besides.
fn heading(page: &mut Page, lead: &str, generation: &Generation) {
    let indent = lead.len();
    page.line(
        0,
        indent,
        &[
            span(Tone::Faint, lead),
            span(Tone::Strong, &generation.label),
            plain("  "),
            whole(words::kind(generation)),
        ],
    );
    if let Some(identity) = generation
        .identity
        .as_ref()
        .filter(|text| **text != generation.label)
    {
        page.line(indent, indent, &[span(Tone::Faint, identity)]);
    }
    for note in &generation.notes {
        page.prose(indent, span(Tone::Note, "note:"), note);
    }
}

/// Draws what a machine is behind a lead: its record, and where that is.
fn on_machine(page: &mut Page, lead: &str, machine: &Machine) {
    let indent = lead.len();
    page.line(
        0,
        indent,
        &[
            span(Tone::Faint, lead),
            span(Tone::Strong, "this machine"),
            plain("  "),
            plain(words::record(machine)),
        ],
    );
    page.line(indent, indent, &[span(Tone::Faint, &machine.state_dir)]);
    for note in &machine.notes {
        page.prose(indent, span(Tone::Note, "note:"), note);
    }
}

/// The items of a list with commas between, in their tones.
fn items(items: &[(Weight, String)]) -> Vec<Span> {
    let mut spans = Vec::new();
    for (index, (weight, text)) in items.iter().enumerate() {
        let tone = match weight {
            Weight::Fine => Tone::Plain,
            Weight::Missing => Tone::Warning,
            Weight::Unknown => Tone::Note,
        };
        if index > 0 {
            spans.push(plain(", "));
        }
        spans.push(span(tone, text));
    }
    spans
}

/// Draws the warning of an action in full.
fn warning(page: &mut Page, indent: usize, action: &Action) {
    if let Some(text) = words::warning(action) {
        page.prose(indent, span(Tone::Warning, "warning:"), &text);
    }
}

/// Draws the scripts of an action in full.
fn scripts(page: &mut Page, indent: usize, action: &Action) {
    for (part, text) in words::scripts(action) {
        let name = span(Tone::Strong, format!("{}:", part.name()));
        match text {
            Words::Text(text) => {
                page.line(indent, indent, &[name]);
                page.verbatim(indent, text);
            }
            Words::Phrase(phrase) => page.prose(indent, name, &phrase),
        }
    }
}

/// Draws a list of names behind a lead, if there are any.
fn list<'a>(page: &mut Page, indent: usize, lead: &str, names: impl IntoIterator<Item = &'a str>) {
    let names: Vec<_> = names.into_iter().collect();
    if !names.is_empty() {
        page.prose(indent, span(Tone::Faint, lead), &names.join(", "));
    }
}

/// Draws a place in a source text.
fn location(page: &mut Page, indent: usize, lead: &str, at: &Location) {
    page.long_line(indent, &[span(Tone::Faint, lead), plain(at)]);
}
