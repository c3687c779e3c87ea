//! Owns the words of scripts: text files below a store's directory, and nothing else.

use std::path::Path;

use crate::generation::programs::store_paths;
use crate::generation::units::note;
use crate::model::{Direction, Generation, Part, Setting, Text};

use super::file;
use super::root::Root;

/// The largest script that is read, in bytes.
const LIMIT: u64 = 1 << 20;

/// Puts the words of all scripts of gates beside their paths; where they cannot be had, a note says why.
pub(super) fn fill(root: &Root, generation: &mut Generation) {
    let mut notes = Vec::new();
    let mut add = |script: &mut Setting<Text>| {
        if let Setting::Set(Text {
            text: text @ None,
            path: Some(path),
        }) = script
        {
            match words(root, path) {
                Ok(words) => *text = Some(words),
                Err(reason) => notes.push(format!("the words of {path} are not shown: {reason}")),
            }
        }
    };
    for service in generation.services.values_mut() {
        add(&mut service.detect);
        for version in service.history.versions().collect::<Vec<_>>() {
            let Some(migration) = service.history.get_mut(version) else {
                continue;
            };
            for direction in [Direction::Up, Direction::Down] {
                for part in Part::ALL {
                    add(migration.action_mut(direction).part_mut(part));
                }
            }
        }
    }
    notes.into_iter().for_each(|text| note(generation, text));
}

/// The words of a script, or why they cannot be had.
pub(super) fn words(root: &Root, path: &str) -> Result<String, String> {
    let place = root
        .locate(Path::new(path))
        .and_then(|place| root.resolve(&place))
        .map_err(|error| error.to_string())?;
    let inner = root.inner(&place);
    let in_store = inner.to_str().is_some_and(|inner| {
        let found = store_paths(inner).next();
        found.is_some_and(|found| inner.starts_with(found.path))
    });
    if !in_store {
        return Err("it is not in a store".to_owned());
    }
    let bytes = file::read(&place, LIMIT).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}
