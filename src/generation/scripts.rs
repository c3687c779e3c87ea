//! Owns which scripts of a generation's gates get their words put beside their paths. Where the words are, readers know.

use crate::model::{Direction, Generation, Part, Setting, Text, UnitName};

use super::units::note;

/// Puts the words of all scripts of gates beside their paths. `words` is asked by gate and path; why it cannot tell is noted.
pub(super) fn fill(generation: &mut Generation, words: impl Fn(&UnitName, &str) -> Result<String, String>) {
    let mut notes = Vec::new();
    for service in generation.services.values_mut() {
        let gate = service.name.gate();
        let mut add = |script: &mut Setting<Text>| {
            if let Setting::Set(Text {
                text: text @ None,
                path: Some(path),
            }) = script
            {
                match words(&gate, path) {
                    Ok(words) => *text = Some(words),
                    Err(reason) => notes.push(format!("the words of {path} are not shown: {reason}")),
                }
            }
        };
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
