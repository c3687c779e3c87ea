//! Owns what a generation's units make of its [`Generation`]: services from gates, programs from gated and well-known units.
//!
//! Works on any set of unit texts, so that a closure and its derivation cannot be read differently. Opens nothing itself.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Action, Generation, Migration, Part, Service, ServiceName, Setting, UnitName, Unknown, Version,
};

use super::gate::{self, GateError};
use super::programs::{known_by_unit, package_of, program_of};
use super::unit_file::UnitFile;

/// What stands under a unit's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The unit itself.
    Unit,
    /// Another name of a unit that is there.
    Alias,
    /// A link to `/dev/null`: the unit never starts.
    Masked,
}

/// The text of a unit or of a drop-in.
#[derive(Clone, Debug)]
pub struct UnitText {
    /// Its file, for messages.
    pub file: String,
    /// What it says.
    pub bytes: Vec<u8>,
}

/// The units of one generation.
pub trait Units {
    /// Why a unit's text cannot be had.
    type Error: std::error::Error + From<Box<GateError>>;

    /// The names of all `.service` units, ascending.
    fn names(&self) -> impl Iterator<Item = &UnitName>;

    /// What stands under a name; none where there is no such name. Asked only of the few that matter, for a closure has
    /// to follow a link to tell.
    fn entry(&self, unit: &UnitName) -> Option<Entry>;

    /// The text of a unit that is an [`Entry::Unit`] or [`Entry::Alias`].
    fn text(&self, unit: &UnitName) -> Result<UnitText, Self::Error>;

    /// The texts of its `<unit>.d/*.conf`, in the order in which systemd reads them; they may be there without the unit.
    fn drop_ins(&self, unit: &UnitName) -> Result<Vec<UnitText>, Self::Error>;

    /// The words of a script that a unit starts, by the script's path; none where it is no script, or cannot be had.
    fn script(&self, unit: &UnitName, path: &str) -> Option<String>;
}

/// Units whose programs are wanted, with the names of the programs that are looked for in each, besides the well-known.
pub type Wanted = BTreeMap<UnitName, BTreeSet<String>>;

/// Reads every service and unit into `generation`.
///
/// # Errors
///
/// Fails where a gate cannot be read. Any other unit that cannot be read has an unknown program.
pub fn collect<U: Units>(units: &U, generation: &mut Generation) -> Result<(), U::Error> {
    let not_read = || {
        Setting::Unknown(Unknown {
            reason: "the unit was not looked into".to_owned(),
            at: None,
        })
    };
    let mut wanted = Wanted::new();
    let mut masked = BTreeSet::new();
    for unit in units.names() {
        let service = unit.gated_service();
        let known = known_by_unit(unit).next().is_some();
        let entry = match service.is_some() || known {
            true => units.entry(unit),
            false => Some(Entry::Unit),
        };
        match (entry, service) {
            (Some(Entry::Unit), None) => {}
            (Some(Entry::Unit), Some(service)) => {
                let text = units.text(unit)?;
                // As good as a link to /dev/null (systemd.unit(5)).
                if text.bytes.is_empty() {
                    masked.insert(service);
                } else if let Some(gate) = gate::read(&service, &text.file, &text.bytes)? {
                    generation.services.insert(service, gate.service);
                }
            }
            (Some(Entry::Masked), Some(service)) => {
                masked.insert(service);
                continue;
            }
            (Some(Entry::Alias | Entry::Masked) | None, _) => continue,
        }
        generation.units.insert(unit.clone(), not_read());
        if known {
            wanted.insert(unit.clone(), BTreeSet::new());
        }
    }
    generation.units_complete = true;
    if !masked.is_empty() {
        let found = masked_services(units, &masked);
        generation.services.extend(found);
    }
    for (unit, names) in gated(generation) {
        wanted.entry(unit).or_default().extend(names);
    }
    look_into(units, &wanted, generation);
    Ok(())
}

/// The units that a generation's services gate, with the names of those services' packages.
pub fn gated(generation: &Generation) -> Wanted {
    let mut wanted = Wanted::new();
    for service in generation.services.values() {
        for unit in service.units.value().into_iter().flatten() {
            let names = wanted.entry(unit.clone()).or_default();
            names.extend(service.package.value().map(|package| package.name.clone()));
        }
    }
    wanted
}

/// Reads the programs of units into `generation`, and notes where a unit and its gates disagree. What turns out to be masked
/// is not in the generation.
pub fn look_into<U: Units>(units: &U, wanted: &Wanted, generation: &mut Generation) {
    for (unit, names) in wanted {
        let Some(file) = file_of(units, unit) else {
            generation.units.remove(unit);
            continue;
        };
        let program = match texts(units, &file) {
            Ok(texts) => match parse(&texts) {
                Ok(files) => {
                    cross_check(unit, &files, generation);
                    program_of(unit, &files, names, |path| units.script(&file, path))
                        .or_else(|| package_of(unit, &texts[0].file, names))
                        .into()
                }
                Err(reason) => Setting::Unknown(Unknown { reason, at: None }),
            },
            Err(error) => Setting::Unknown(Unknown {
                reason: error.to_string(),
                at: None,
            }),
        };
        generation.units.insert(unit.clone(), program);
    }
}

/// The template of an instance.
pub fn template(unit: &UnitName) -> Option<UnitName> {
    let (prefix, _) = unit.as_str().split_once('@')?;
    format!("{prefix}@.service").parse().ok()
}

/// The unit file that a name is read from: its own, or that of its template.
fn file_of<'u>(units: &impl Units, unit: &'u UnitName) -> Option<Cow<'u, UnitName>> {
    let (file, entry) = match units.entry(unit) {
        Some(entry) => (Cow::Borrowed(unit), entry),
        None => {
            let template = template(unit)?;
            let entry = units.entry(&template)?;
            (Cow::Owned(template), entry)
        }
    };
    (entry != Entry::Masked).then_some(file)
}

fn texts<U: Units>(units: &U, unit: &UnitName) -> Result<Vec<UnitText>, U::Error> {
    let mut texts = vec![units.text(unit)?];
    texts.extend(units.drop_ins(unit)?);
    Ok(texts)
}

fn parse(texts: &[UnitText]) -> Result<Vec<UnitFile<'_>>, String> {
    texts
        .iter()
        .map(|text| UnitFile::parse(&text.bytes).map_err(|error| format!("{}, {error}", text.file)))
        .collect()
}

/// Notes where the versions that a unit carries are not those of its gates.
fn cross_check(unit: &UnitName, files: &[UnitFile<'_>], generation: &mut Generation) {
    let mut notes = Vec::new();
    match gate::versions(files) {
        Ok(carried) => {
            for service in generation.services.values().filter(|service| !service.masked) {
                let gates = service.units.value().is_some_and(|units| units.contains(unit));
                let history: BTreeSet<_> = service.history.versions().collect();
                match carried.get(&service.name) {
                    None if gates => notes.push(format!(
                        "{unit} carries no versions of {}, whose gate names it: the gate counts",
                        service.name
                    )),
                    Some(versions) if *versions != history => notes.push(format!(
                        "{unit} carries the versions {} of {}, its gate {}: the gate counts",
                        words(versions),
                        service.name,
                        words(&history)
                    )),
                    _ => {}
                }
            }
            for service in carried.keys() {
                if !generation.services.contains_key(service) {
                    notes.push(format!(
                        "{unit} carries versions of {service}, which has no gate here"
                    ));
                }
            }
        }
        Err(problem) => notes.push(format!("{unit} carries versions that cannot be read: {problem}")),
    }
    for note in notes {
        if !generation.notes.contains(&note) {
            generation.notes.push(note);
        }
    }
}

fn words(versions: &BTreeSet<Version>) -> String {
    if versions.is_empty() {
        return "(none)".to_owned();
    }
    let words: Vec<_> = versions.iter().map(Version::to_string).collect();
    words.join(" ")
}

/// Services whose gates are linked to `/dev/null`: their versions are in the units that they gate. A masked unit whose
/// service no unit names was no gate.
fn masked_services<U: Units>(units: &U, masked: &BTreeSet<ServiceName>) -> BTreeMap<ServiceName, Service> {
    let mut services = BTreeMap::<ServiceName, Service>::new();
    let mut unread = Vec::new();
    for unit in units.names() {
        let Some(file) = file_of(units, unit) else {
            continue;
        };
        let carried = texts(units, &file)
            .map_err(|error| error.to_string())
            .and_then(|texts| {
                let files = parse(&texts)?;
                gate::versions(&files).map_err(|problem| format!("{unit}: {problem}"))
            });
        match carried {
            Ok(carried) => {
                for (name, versions) in carried.into_iter().filter(|(name, _)| masked.contains(name)) {
                    let service = services
                        .entry(name.clone())
                        .or_insert_with(|| masked_service(name));
                    if let Setting::Set(units) = &mut service.units {
                        units.insert(unit.clone());
                    }
                    for version in versions {
                        // Two units of a service carry the same versions.
                        let _ = service.history.insert(masked_migration(version));
                    }
                }
            }
            Err(reason) => unread.push(Unknown { reason, at: None }),
        }
    }
    for service in services.values_mut() {
        service.history.unread.clone_from(&unread);
    }
    services
}

fn because_masked() -> Unknown {
    Unknown {
        reason: "its gate is linked to /dev/null".to_owned(),
        at: None,
    }
}

fn masked_service(name: ServiceName) -> Service {
    Service {
        units: Setting::Set(BTreeSet::new()),
        requires: Setting::Unknown(because_masked()),
        state_directories: Setting::Unknown(because_masked()),
        package: Setting::Unknown(because_masked()),
        detect: Setting::Unknown(because_masked()),
        oldest: Setting::Unknown(because_masked()),
        masked: true,
        ..Service::new(name)
    }
}

fn masked_migration(version: Version) -> Migration {
    let action = || {
        let mut action = Action::default();
        for part in Part::ALL {
            *action.part_mut(part) = Setting::Unknown(because_masked());
        }
        action
    };
    Migration {
        program: Setting::Unknown(because_masked()),
        cumulative: Setting::Unknown(because_masked()),
        up: action(),
        down: action(),
        ..Migration::new(version)
    }
}

#[cfg(test)]
mod tests;
