//! What is read of small texts, a construct at a time.

mod constructs;
mod faults;
mod hostile;
mod places;
mod priorities;
mod settings;
mod unknowns;

use std::path::{Path, PathBuf};

use miette::Diagnostic as _;

use super::{Fault, Generation, Known, SourceError, SourceReference, TextError, read, read_text};
use crate::model::{Direction, Migration, Part, Service, Setting};

/// What a text declares, which must be right.
fn good(text: &str) -> Generation {
    read_text("a.nix", text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn bad(text: &str) -> Box<TextError> {
    match read_text("a.nix", text) {
        Err(SourceError::Text(error)) => error,
        other => panic!("{other:?}\n{text}"),
    }
}

/// The one service of a text.
fn service(text: &str) -> Service {
    let generation = good(text);
    assert_eq!(generation.services.len(), 1, "{text}\n{generation:?}");
    generation.services.into_values().next().unwrap()
}

/// The one service of a text of which nothing is unknown.
fn known(text: &str) -> Service {
    let generation = good(text);
    assert_eq!(Known::count(&generation).unknown, 0, "{text}\n{generation:#?}");
    service(text)
}

/// The one migration of a service.
fn only(service: &Service) -> &Migration {
    assert_eq!(service.history.len(), 1, "{service:?}");
    service.history.iter().next().unwrap()
}

fn versions(service: &Service) -> Vec<String> {
    service
        .history
        .versions()
        .map(|version| version.to_string())
        .collect()
}

/// A part in a word: its text, `…` where the text is not known, `-` unset, `?` unknown.
fn part(migration: &Migration, direction: Direction, part: Part) -> String {
    match migration.action(direction).part(part) {
        Setting::Unset => "-".to_owned(),
        Setting::Unknown(_) => "?".to_owned(),
        Setting::Set(text) => text.text.clone().unwrap_or_else(|| "…".to_owned()),
    }
}

fn up(migration: &Migration) -> String {
    part(migration, Direction::Up, Part::Script)
}

fn reasons(migration: &Migration) -> Vec<&str> {
    migration
        .conditions
        .iter()
        .map(|unknown| &*unknown.reason)
        .collect()
}

/// A directory of files.
pub(super) fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    directory
}

fn read_path(path: &Path) -> Result<Generation, SourceError> {
    let options = crate::generation::ReadOptions {
        scripts: true,
        ..Default::default()
    };
    read(&SourceReference::Path(path.to_owned()), "x", &options)
}
