//! What was read of one generation, as one JSON document.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    ActionDocument, FORMAT, GenerationDocument, Known, LocationDocument, ProgramDocument, TextDocument,
    UnknownDocument, known, print, text, texts,
};
use crate::model::{Generation, Migration, Service, Setting};
use crate::report::Options;
use crate::report::select::programs;

/// Writes a generation.
pub(in crate::report) fn show(generation: &Generation, options: Options) -> String {
    print(&ShowDocument {
        format: FORMAT,
        generation: generation.into(),
        services: generation
            .services
            .iter()
            .map(|(name, service)| (name.to_string(), ServiceDocument::new(service, options)))
            .collect(),
        programs: programs(generation)
            .map(|(unit, program)| (unit.to_string(), known(program, ProgramDocument::from)))
            .collect(),
        units_complete: generation.units_complete,
    })
}

#[derive(Serialize)]
struct ShowDocument {
    format: u32,
    generation: GenerationDocument,
    services: BTreeMap<String, ServiceDocument>,
    programs: BTreeMap<String, Known<ProgramDocument>>,
    units_complete: bool,
}

#[derive(Serialize)]
struct ServiceDocument {
    head: Option<String>,
    masked: Known<bool>,
    package: Known<ProgramDocument>,
    units: Known<Vec<String>>,
    requires: Known<Vec<String>>,
    state_directories: Known<Vec<String>>,
    detect: Known<TextDocument>,
    oldest: Known<String>,
    acknowledge: Vec<String>,
    migrations: Vec<MigrationDocument>,
    unread: Vec<UnknownDocument>,
}

impl ServiceDocument {
    fn new(service: &Service, options: Options) -> Self {
        Self {
            head: service.history.head().map(|head| head.to_string()),
            masked: match &service.masked {
                Setting::Unset => Known::Value(Some(false)),
                masked => known(masked, |()| true),
            },
            package: known(&service.package, ProgramDocument::from),
            units: known(&service.units, texts),
            requires: known(&service.requires, texts),
            state_directories: known(&service.state_directories, Vec::clone),
            detect: text(&service.detect, options.scripts),
            oldest: known(&service.oldest, ToString::to_string),
            acknowledge: texts(&service.acknowledge),
            migrations: service
                .history
                .iter()
                .map(|migration| MigrationDocument::new(migration, options))
                .collect(),
            unread: service.history.unread.iter().map(UnknownDocument::from).collect(),
        }
    }
}

#[derive(Serialize)]
struct MigrationDocument {
    version: String,
    program: Known<String>,
    cumulative: Known<bool>,
    up: ActionDocument,
    down: ActionDocument,
    origin: Option<LocationDocument>,
    conditions: Vec<UnknownDocument>,
}

impl MigrationDocument {
    fn new(migration: &Migration, options: Options) -> Self {
        let cumulative = match &migration.cumulative {
            Setting::Unset => Known::Value(Some(false)),
            set => known(set, |()| true),
        };
        Self {
            version: migration.version.to_string(),
            program: known(&migration.program, String::clone),
            cumulative,
            up: ActionDocument::new(&migration.up, options),
            down: ActionDocument::new(&migration.down, options),
            origin: migration.origin.as_ref().map(LocationDocument::from),
            conditions: migration.conditions.iter().map(UnknownDocument::from).collect(),
        }
    }
}
