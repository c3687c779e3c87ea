//! Owns what is found out of one service, before the rules judge it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::state;
use crate::execute::Answer;
use crate::generation::closure;
use crate::generation::closure::root::Root as Below;
use crate::generation::gate;
use crate::generation::programs::{StorePath, store_paths};
use crate::model::{
    Block, Definition, Generation, Program, Recorded, Release, Service, ServiceName, UnitState, Version,
};
use crate::plan::{Known, Trouble};
use crate::record::Unmet;
use crate::record::guards::Found;
use crate::record::roots::Root;

/// What was found out of one service.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) past: Option<Service>,
    /// The toplevel that `past` is of, where the record has no such definition.
    pub(super) past_in: Option<PathBuf>,
    pub(super) release: Option<Release>,
    pub(super) package: Option<Program>,
    pub(super) detected: Option<Version>,
    pub(super) trace: Option<String>,
    pub(super) fresh: Option<bool>,
    pub(super) running: bool,
    pub(super) places: BTreeMap<String, String>,
    pub(super) troubles: Vec<Trouble>,
}

impl Facts {
    /// The same for the rules.
    pub(super) fn known<'a>(&'a self, recorded: Option<&'a Recorded>) -> Known<'a> {
        Known {
            recorded,
            past: self.past.as_ref(),
            package: self.package.clone(),
            release: self.release,
            detected: self.detected,
            trace: self.trace.as_deref(),
            fresh: self.fresh,
            running: self.running,
            places: self.places.clone(),
            troubles: self.troubles.clone(),
        }
    }

    /// Takes the service as the record keeps it. `read` is what the generation declares, and the text of its gate.
    pub(super) fn recall(
        &mut self,
        root: &Below,
        name: &ServiceName,
        recorded: &Recorded,
        read: Option<(&Service, &[u8])>,
    ) {
        self.package = recorded.package.as_deref().and_then(program);
        let Some(definition) = &recorded.definition else {
            return;
        };
        // Most often it is the same, and understood already; but for drop-ins, which are no part of what is kept.
        let is_same = |(service, text): &(&Service, &[u8])| {
            *text == definition.text.as_bytes() && service.history.unread.is_empty()
        };
        if let Some((service, _)) = read.filter(is_same) {
            self.past = Some(service.clone());
            return;
        }
        match gate::read(name, &definition.unit, definition.text.as_bytes()) {
            Ok(gate) => self.past = gate.map(|gate| gate.service),
            Err(error) => self.troubles.push(Trouble::Misread {
                unit: definition.unit.clone(),
                reason: error.to_string(),
            }),
        }
        if read.is_none() {
            // Of a service that is not declared any more, its release tells what the state may be on.
            self.release = release(root, definition);
        }
    }

    /// Takes where links lead from the state directories of its definitions.
    pub(super) fn follow(&mut self, root: &Below, wanted: Option<&Service>) {
        let services = self.past.iter().chain(wanted);
        let directories = services.flat_map(|service| service.state_directories.value());
        for directory in directories.flatten() {
            // What cannot be looked at is a trouble of its own.
            if let Ok(place) = state::whereabouts(root, Path::new(directory)) {
                let place = root.inner(&place).to_string_lossy().into_owned();
                if place != *directory {
                    self.places.insert(directory.clone(), place);
                }
            }
        }
    }

    /// Takes the answer of its `detect` script.
    pub(super) fn answer(&mut self, answer: Answer) {
        let undetected = |reason| Trouble::Undetected { reason };
        match answer {
            Answer::Said(words) => match words.trim() {
                "" => {}
                word => match word.parse() {
                    Ok(version) => self.detected = Some(version),
                    Err(_) => {
                        let shown: String = word.chars().take(60).collect();
                        let reason = format!("printed `{shown}`, which is no version");
                        self.troubles.push(undetected(reason));
                    }
                },
            },
            Answer::Failed(reason) => self.troubles.push(undetected(reason)),
            Answer::Unasked(reason) => self.troubles.push(Trouble::Unasked { reason }),
        }
    }
}

/// Whether a definition has all that is applied: then its downs undo it.
pub(super) fn undoes(past: Option<&Service>, recorded: &Recorded) -> bool {
    past.is_some_and(|past| past.history.contains_all(&recorded.versions()))
}

/// Whether the definition that the record has is not in the store any more: nothing kept it, since none of the generations that
/// there were needed its downs.
pub(super) fn is_gone(root: &Below, recorded: &Recorded) -> bool {
    let unit = recorded
        .definition
        .as_ref()
        .map(|definition| Path::new(&definition.unit));
    unit.is_some_and(|unit| root.locate(unit).is_ok_and(|place| !place.exists()))
}

/// Whether the stamps say that the data is what the record knows: every state directory carries its own, as it should be.
pub(super) fn vouched(directories: &[String], recorded: &Recorded, troubles: &[Trouble]) -> bool {
    let mut all = directories.iter();
    !directories.is_empty()
        && troubles.is_empty()
        && all.all(|directory| recorded.stamped.contains(directory))
}

/// Whether the state is not in the middle of something, as far as the record knows.
pub(super) fn is_settled(recorded: &Recorded) -> bool {
    recorded.open_run.is_none() && !matches!(recorded.block, Some(Block::Unrestored { .. }))
}

/// Whether something has to be done or undone for a generation that declares a service.
pub(super) fn moves(recorded: &Recorded, wanted: &Service) -> bool {
    let applied: BTreeSet<_> = recorded.versions().into_iter().collect();
    !wanted.history.versions().eq(applied)
}

/// Whether something of a service would have to be undone for a generation.
pub(super) fn goes_down(recorded: &Recorded, wanted: Option<&Service>) -> bool {
    let versions = recorded.versions();
    let kept = wanted.is_some_and(|wanted| wanted.history.contains_all(&versions));
    !versions.is_empty() && !kept
}

/// Whether a generation runs one of a service's units.
pub(super) fn runs(generation: &Generation, service: &Service) -> bool {
    let mut units = service.units.value().into_iter().flatten();
    units.any(|unit| matches!(generation.unit(unit), UnitState::Present(_)))
}

/// Something that only a record that was lost leaves behind: a GC root of a service, its guard, or what rebuilding found.
pub(super) fn trace(roots: &[Root], guard: Option<&Found>, unmet: Option<&Unmet>) -> Option<String> {
    if let Some(root) = roots.first() {
        return Some(format!("the GC root {}", root.link.display()));
    }
    if let Some(guard) = guard {
        return Some(match &guard.unit {
            Some(unit) => format!("the guard {}", unit.display()),
            None => "what is left of its guard".to_owned(),
        });
    }
    let unmet = unmet?;
    match unmet.backups.first() {
        Some(backup) => Some(format!("the backup {backup}")),
        None => unmet
            .lost
            .then(|| "what `nixmig record rebuild` found of it".to_owned()),
    }
}

/// The program that a store path's name tells.
fn program(path: &str) -> Option<Program> {
    store_paths(path).next().map(StorePath::program)
}

/// The release of the generation that a definition is of, where that is still there.
fn release(root: &Below, definition: &Definition) -> Option<Release> {
    let place = root.locate(Path::new(&definition.generation)).ok()?;
    let system = root.resolve(&place).ok()?;
    closure::release(root, &system).value().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Setting, Unknown};

    #[test]
    fn what_is_kept_is_understood_once_where_the_generation_has_the_very_same() {
        let directory = tempfile::tempdir().unwrap();
        let root = Below::new(directory.path()).unwrap();
        let name: ServiceName = "db".parse().unwrap();
        let text = "[Unit]\nX-Migration-Format=1\nX-Migration-Service=db\n\n[X-Migration 2024-01-01]\n";
        let recorded = Recorded {
            definition: Some(Definition {
                unit: "/nix/store/x-unit/migrate-db.service".to_owned(),
                text: text.to_owned(),
                generation: "/nix/store/x-system".to_owned(),
            }),
            ..Recorded::default()
        };
        let past = |read: Option<(&Service, &[u8])>| {
            let mut facts = Facts::default();
            facts.recall(&root, &name, &recorded, read);
            assert_eq!(facts.troubles, []);
            facts.past.unwrap()
        };
        let kept = past(None);
        assert_eq!(kept.history.versions().count(), 1);
        // Another than the text says, so that it shows which of them was taken.
        let mut read = Service {
            package: Setting::Set(Program::parse("db-17.2")),
            ..kept.clone()
        };
        assert_eq!(past(Some((&read, text.as_bytes()))), read);
        assert_eq!(past(Some((&read, b"[Unit]\n"))), kept);
        // A drop-in leaves it in doubt, and is no part of what is kept.
        read.history.unread.push(Unknown {
            reason: "a drop-in".into(),
            at: None,
        });
        assert_eq!(past(Some((&read, text.as_bytes()))), kept);
    }
}
