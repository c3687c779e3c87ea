//! Owns the short notation of the rules' tests: days of January 2024 stand for versions.

use std::collections::BTreeSet;

use crate::model::{Action, Generation, History, Kind, Migration, Program, Service, Setting, Text, Version};

/// `3` is 2024-01-03, anything longer is itself.
pub(crate) fn version(text: &str) -> Version {
    match text.len() {
        1 | 2 => format!("2024-01-{text:0>2}"),
        _ => text.to_owned(),
    }
    .parse()
    .unwrap()
}

/// Several of them, a space between.
pub(crate) fn versions(text: &str) -> Vec<Version> {
    text.split_whitespace().map(version).collect()
}

/// A part that is there.
pub(crate) fn words(text: &str) -> Setting<Text> {
    Setting::Set(Text {
        text: Some(text.to_owned()),
        path: None,
    })
}

/// An action of a script.
pub(crate) fn script(text: &str) -> Action {
    Action {
        script: words(text),
        ..Action::default()
    }
}

/// A migration whose both ways have a script. `3*` is cumulative, `3=16` has a program.
pub(crate) fn migration(text: &str) -> Migration {
    let (text, program) = match text.split_once('=') {
        Some((text, program)) => (text, Setting::Set(program.to_owned())),
        None => (text, Setting::Unset),
    };
    let (text, cumulative) = match text.strip_suffix('*') {
        Some(text) => (text, Setting::Set(())),
        None => (text, Setting::Unset),
    };
    Migration {
        program,
        cumulative,
        up: script("up"),
        down: script("down"),
        ..Migration::new(version(text))
    }
}

/// Migrations, a space between.
pub(crate) fn history(text: &str) -> History {
    let mut history = History::default();
    for word in text.split_whitespace() {
        history.insert(migration(word)).unwrap();
    }
    history
}

/// A service that gates `<name>.service` and has a state directory.
pub(crate) fn service(name: &str, migrations: &str) -> Service {
    Service {
        history: history(migrations),
        units: Setting::Set(BTreeSet::from([format!("{name}.service").parse().unwrap()])),
        state_directories: Setting::Set(vec![format!("/var/lib/{name}")]),
        ..Service::new(name.parse().unwrap())
    }
}

/// A closure that declares services and runs their units.
pub(crate) fn generation(label: &str, services: impl IntoIterator<Item = Service>) -> Generation {
    let mut generation = Generation {
        units_complete: true,
        ..Generation::new(label, Kind::Closure)
    };
    for service in services {
        for unit in service.units.value().into_iter().flatten() {
            generation
                .units
                .insert(unit.clone(), service.package.value().cloned().into());
        }
        generation.services.insert(service.name.clone(), service);
    }
    generation
}

/// Adds a unit and its program.
pub(crate) fn running(mut generation: Generation, unit: &str, program: &str) -> Generation {
    generation
        .units
        .insert(unit.parse().unwrap(), Setting::Set(Program::parse(program)));
    generation
}
