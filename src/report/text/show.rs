//! What was read of one generation, as text.

use super::super::Options;
use super::super::select::programs;
use super::page::{Page, Tone, plain, span};
use super::{direction, heading, items, list, location, scripts, warning, words};
use crate::model::{Direction, Generation, Migration, Program, Service, Setting, UnitName, Version};

/// How far the lines of a migration are in.
const MIGRATION: usize = 4;

/// How far in the column of programs is at most.
const PROGRAM: usize = 48;

/// Draws a generation.
pub(in crate::report) fn show(generation: &Generation, options: Options) -> String {
    let mut page = Page::new(options.width);
    heading(&mut page, "", generation);
    for service in generation.services.values() {
        page.gap();
        self::service(&mut page, service, options);
    }
    if programs(generation).next().is_some() {
        page.gap();
        page.line(0, 0, &[span(Tone::Strong, "programs")]);
    }
    let widest = programs(generation).map(|(unit, _)| unit.as_str().len()).max();
    let column = widest.unwrap_or_default().min(PROGRAM);
    for (unit, program) in programs(generation) {
        let program = match program {
            Setting::Unset => span(Tone::Faint, "no program found"),
            Setting::Set(program) => plain(program.display()),
            Setting::Unknown(unknown) => span(Tone::Note, format!("unknown: {}", words::unknown(unknown))),
        };
        page.line(2, 4, &[plain(format!("{:<column$}  ", unit.as_str())), program]);
    }
    if !generation.unread.is_empty() {
        page.gap();
        page.line(
            0,
            0,
            &[span(Tone::Strong, "could not be read, and may declare more")],
        );
    }
    for unknown in &generation.unread {
        page.prose(2, span(Tone::Note, "-"), &words::unknown(unknown));
    }
    page.gap();
    page.line(
        0,
        2,
        &[span(Tone::Strong, words::holdings(generation, options.chosen))],
    );
    page.finish()
}

fn service(page: &mut Page, service: &Service, options: Options) {
    let history = &service.history;
    let mut line = vec![
        span(Tone::Strong, &service.name),
        plain("  "),
        plain(words::history(service)),
    ];
    if service.masked.is_set() {
        line.push(span(Tone::Refused, "  masked: its gate never runs"));
    }
    page.line(0, 2, &line);
    setting(page, "package:", &service.package, Program::display);
    setting(page, "gates:", &service.units, |units| {
        words::names(units.iter().map(UnitName::as_str))
    });
    setting(page, "requires:", &service.requires, |units| {
        words::names(units.iter().map(UnitName::as_str))
    });
    setting(page, "state in:", &service.state_directories, |directories| {
        words::names(directories.iter().map(String::as_str))
    });
    setting(page, "oldest:", &service.oldest, Version::to_string);
    setting(page, "detect:", &service.detect, |_| {
        "there is a script".to_owned()
    });
    if options.scripts
        && let Setting::Set(text) = &service.detect
        && let Some(text) = &text.text
    {
        page.verbatim(MIGRATION, text);
    }
    let acknowledged: Vec<_> = service.acknowledge.iter().map(Version::to_string).collect();
    list(page, 2, "acknowledged:", acknowledged.iter().map(String::as_str));
    for migration in history.iter() {
        self::migration(page, migration, options);
    }
    for unknown in &history.unread {
        page.prose(2, span(Tone::Note, "may have more:"), &words::unknown(unknown));
    }
}

/// Draws one option of a service, unless it is not set.
fn setting<T>(page: &mut Page, lead: &str, setting: &Setting<T>, value: impl Fn(&T) -> String) {
    match setting {
        Setting::Unset => {}
        Setting::Set(set) => page.prose(2, span(Tone::Faint, lead), &value(set)),
        Setting::Unknown(unknown) => page.line(
            2,
            4,
            &[
                span(Tone::Faint, lead),
                span(Tone::Note, format!(" unknown: {}", words::unknown(unknown))),
            ],
        ),
    }
}

fn migration(page: &mut Page, migration: &Migration, options: Options) {
    let mut line = vec![span(Tone::Strong, migration.version)];
    if let Some(reason) = words::opaque(migration) {
        line.push(span(Tone::Note, format!("  unknown: {}", words::unknown(reason))));
        return page.line(2, MIGRATION, &line);
    }
    let facts = words::facts(migration).join(", ");
    line.push(plain(format!("  {facts}")));
    page.line(2, MIGRATION, &line);
    for way in [Direction::Up, Direction::Down] {
        let action = migration.action(way);
        let mut line = vec![span(direction(way), format!("{:<4} ", way.name()))];
        match action.is_empty() {
            true => line.push(span(Tone::Faint, "nothing")),
            false => line.extend(items(&words::parts(action))),
        }
        page.line(MIGRATION, MIGRATION + 2, &line);
        warning(page, MIGRATION + 5, action);
        if options.scripts {
            scripts(page, MIGRATION + 5, action);
        }
    }
    if let Some(origin) = &migration.origin {
        location(page, MIGRATION, "defined at ", origin);
    }
    for condition in &migration.conditions {
        page.prose(
            MIGRATION,
            span(Tone::Note, "if it is there:"),
            &words::unknown(condition),
        );
    }
}
