//! What was read of one generation, as Markdown.

use super::super::Options;
use super::super::select::programs;
use super::super::words;
use super::quote::{cell, code, html, prose};
use super::{Page, heading, list, scripts, warning};
use crate::model::{Direction, Generation, Migration, Service, Setting, UnitName};

/// Writes a generation.
pub(in crate::report) fn show(generation: &Generation, options: Options) -> String {
    let mut page = Page::default();
    page.line(format!("### Migrations of {}", code(&generation.label)));
    page.block(format!("**{}**", words::holdings(generation, options.chosen)));
    page.gap();
    heading(&mut page, "", generation);
    for unknown in &generation.unread {
        page.line(format!(
            "  - could not be read, and may declare more: {}",
            prose(&words::unknown(unknown))
        ));
    }
    for service in generation.services.values() {
        let summary = format!(
            "<code>{}</code>: {}",
            html(service.name.as_str()),
            words::history(service)
        );
        page.folded(&summary, |page| self::service(page, service, options));
    }
    if programs(generation).next().is_some() {
        page.block("| Unit | Program |");
        page.line("|---|---|");
    }
    for (unit, program) in programs(generation) {
        let program = match program {
            Setting::Unset => "no program found".to_owned(),
            Setting::Set(program) => code(&program.display()),
            Setting::Unknown(unknown) => format!("unknown: {}", prose(&words::unknown(unknown))),
        };
        page.line(format!("| {} | {} |", code(unit.as_str()), cell(&program)));
    }
    page.text
}

fn service(page: &mut Page, service: &Service, options: Options) {
    page.gap();
    if service.masked.is_set() {
        page.line("- **masked**: its gate never runs");
    }
    let units = |units: &std::collections::BTreeSet<UnitName>| list(units);
    setting(page, "package", &service.package, |package| {
        code(&package.display())
    });
    setting(page, "gates", &service.units, units);
    setting(page, "requires", &service.requires, units);
    setting(page, "state in", &service.state_directories, list);
    setting(page, "oldest", &service.oldest, ToString::to_string);
    setting(page, "detect", &service.detect, |_| {
        "there is a script".to_owned()
    });
    if !service.acknowledge.is_empty() {
        page.line(format!("- acknowledged: {}", list(&service.acknowledge)));
    }
    for unknown in &service.history.unread {
        page.line(format!("- may have more: {}", prose(&words::unknown(unknown))));
    }
    for migration in service.history.iter() {
        self::migration(page, migration, options);
    }
}

/// Writes one option of a service, unless it is not set.
fn setting<'a, T>(page: &mut Page, lead: &str, setting: &'a Setting<T>, value: impl Fn(&'a T) -> String) {
    match setting {
        Setting::Unset => {}
        Setting::Set(set) => page.line(format!("- {lead}: {}", value(set))),
        Setting::Unknown(unknown) => {
            page.line(format!(
                "- {lead}: **unknown**, {}",
                prose(&words::unknown(unknown))
            ));
        }
    }
}

fn migration(page: &mut Page, migration: &Migration, options: Options) {
    if let Some(reason) = words::opaque(migration) {
        let version = code(&migration.version.to_string());
        let reason = prose(&words::unknown(reason));
        return page.block(format!("- {version}, **unknown**: {reason}"));
    }
    let facts: String = words::facts(migration)
        .iter()
        .map(|fact| format!(", {}", prose(fact)))
        .collect();
    page.block(format!("- {}{facts}", code(&migration.version.to_string())));
    page.indent = 2;
    for way in [Direction::Up, Direction::Down] {
        let action = migration.action(way);
        let parts: Vec<_> = words::parts(action)
            .into_iter()
            .map(|(_, text)| prose(&text))
            .collect();
        let parts = match action.is_empty() {
            true => "nothing".to_owned(),
            false => parts.join(", "),
        };
        page.block(format!("{}: {parts}", way.name()));
        warning(page, action);
        if options.scripts {
            scripts(page, action);
        }
    }
    if let Some(origin) = &migration.origin {
        page.block(format!("Defined at {}", code(&origin.to_string())));
    }
    for condition in &migration.conditions {
        page.block(format!("If it is there: {}", prose(&words::unknown(condition))));
    }
    page.indent = 0;
}
