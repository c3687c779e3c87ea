//! How a migration went, as text.

use super::super::migrated::{Migrated, Went};
use super::super::{Options, escape};
use super::page::{Page, Tone, plain, span};

/// Draws how a migration went.
pub(in crate::report) fn migrated(migrated: &Migrated, options: Options) -> String {
    let mut page = Page::new(options.width);
    for went in &migrated.services {
        page.line(0, 2, &line(went));
    }
    page.finish()
}

fn line(went: &Went) -> Vec<super::page::Span> {
    let name = span(Tone::Strong, went.name.clone());
    let (tone, word) = match went.outcome {
        "arrived" => (Tone::Up, "arrived"),
        "refused" => (Tone::Refused, "refused, nothing was touched"),
        "waits" => (Tone::Refused, "left as it was"),
        _ => (Tone::Refused, "failed"),
    };
    let mut line = vec![name, plain(": "), span(tone, word)];
    if let Some(applied) = &went.applied {
        let on = applied
            .last()
            .map_or("nothing is applied".to_owned(), |version| format!("on {version}"));
        line.push(plain(format!(", {on}")));
    }
    if let (Some(message), "waits") = (&went.message, went.outcome) {
        line.push(plain(format!(": {}", escape(message))));
    }
    line
}
