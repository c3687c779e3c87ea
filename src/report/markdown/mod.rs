//! GitHub's Markdown, for a comment on a pull request: the table at a glance, the rest folded away.
//!
//! Whatever comes from elsewhere goes through `quote`: it cannot open markup, mention people or close a block.

mod diff;
mod quote;
mod show;

pub(super) use diff::diff;
pub(super) use show::show;

use std::fmt::Display;

use super::Machine;
use super::words::{self, Words};
use crate::model::{Action, Generation};
use quote::{block, code, prose};

/// Markdown in the making: lines, each in as far as the list item around it asks.
#[derive(Default)]
struct Page {
    text: String,
    indent: usize,
}

impl Page {
    fn line(&mut self, line: impl Display) {
        let line = line.to_string();
        for line in line.split('\n') {
            if !line.is_empty() {
                self.text.extend(std::iter::repeat_n(' ', self.indent));
                self.text.push_str(line);
            }
            self.text.push('\n');
        }
    }

    /// A paragraph, list item or block of its own.
    fn block(&mut self, block: impl Display) {
        self.gap();
        self.line(block);
    }

    /// An empty line, unless there is one.
    fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// A part that is folded away behind a summary, which is HTML.
    fn folded(&mut self, summary: &str, draw: impl FnOnce(&mut Self)) {
        self.block(format!("<details>\n<summary>{summary}</summary>"));
        draw(self);
        self.block("</details>");
    }
}

/// `` `label` (closure, NixOS 25.05) ``, and what the reader did besides.
fn heading(page: &mut Page, lead: &str, generation: &Generation) {
    let mut line = format!(
        "- {lead}{} ({})",
        code(&generation.label),
        prose(&words::kind(generation))
    );
    if let Some(identity) = &generation.identity {
        line.push_str(&format!(": {}", code(identity)));
    }
    page.line(line);
    for note in &generation.notes {
        page.line(format!("  - {}", prose(note)));
    }
}

/// The record of a machine, and where it is.
fn on_machine(page: &mut Page, lead: &str, machine: &Machine) {
    page.line(format!(
        "- {lead}this machine ({}): {}",
        prose(&words::record(machine)),
        code(&machine.state_dir)
    ));
    for note in &machine.notes {
        page.line(format!("  - {}", prose(note)));
    }
}

/// The warning of an action in full.
fn warning(page: &mut Page, action: &Action) {
    if let Some(text) = words::warning(action) {
        page.block("**Warning:**");
        page.block(block("text", &text));
    }
}

/// The scripts of an action in full.
fn scripts(page: &mut Page, action: &Action) {
    for (part, text) in words::scripts(action) {
        match text {
            Words::Text(text) => {
                page.block(format!("{}:", part.name()));
                page.block(block("sh", text));
            }
            Words::Phrase(phrase) => page.block(format!("{}: {}", part.name(), prose(&phrase))),
        }
    }
}

/// Names as code between commas.
fn list<T: Display>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| code(&name.to_string())).collect();
    names.join(", ")
}
