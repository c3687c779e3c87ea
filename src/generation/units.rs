//! Owns what a generation's units make of its [`Generation`]: services from gates, programs from gated and well-known units.
//!
//! Works on any set of unit texts, so that a closure and its derivation cannot be read differently. Opens nothing itself.

mod masked;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Generation, Program, Service, ServiceName, Setting, UnitName, UnitNames, Unknown, Version, known_by_unit,
};

use super::gate::{self, GateError};
use super::programs::{Sought, package_of, program_of};
use super::unit_file::{self, UnitFile};

/// What stands under a unit's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The unit itself.
    Unit,
    /// An instance of a template that is there, which has drop-ins and no file of its own.
    Instance,
    /// Another name of this unit, which is there.
    Alias(UnitName),
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

    /// The names of all `.service` units, each once, in any order.
    fn names(&self) -> impl Iterator<Item = &str>;

    /// What stands under a name; none where there is no such name. Asked only of the few that matter, for a closure has
    /// to follow a link to tell.
    fn entry(&self, unit: &UnitName) -> Option<Entry>;

    /// The text of a unit that is an [`Entry::Unit`].
    fn text(&self, unit: &UnitName) -> Result<UnitText, Self::Error>;

    /// The texts of `<name>.d/*.conf`, by the names of the files; there need not be a unit of that name.
    fn drop_ins(&self, name: &str) -> Result<BTreeMap<String, UnitText>, Self::Error>;

    /// The program of a unit whose command is not in its texts.
    fn program_elsewhere(&self, sought: &Sought) -> Setting<Program>;

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
    let others = services(units, generation)?;
    others.add(units.names().collect(), generation);
    Ok(())
}

/// What becomes of the units that were not looked into: there are hundreds of them, and a reader may give their names away.
#[must_use]
pub struct Others {
    /// Those that are in the generation already, or not to be.
    settled: BTreeSet<UnitName>,
}

impl Others {
    /// Adds the units that were not looked into, of the names of all units.
    pub fn add(self, mut names: UnitNames, generation: &mut Generation) {
        for unit in &self.settled {
            names.remove(unit.as_str());
        }
        generation.others = names;
        generation.units_complete = true;
    }
}

/// Reads every service into `generation`, and every unit whose program matters.
///
/// # Errors
///
/// Fails where a gate cannot be read. Any other unit that cannot be read has an unknown program.
pub fn services<U: Units>(units: &U, generation: &mut Generation) -> Result<Others, U::Error> {
    let mut wanted = Wanted::new();
    let mut masked = BTreeSet::new();
    // Names of which nothing is said: other names of units, and what never starts.
    let mut settled = BTreeSet::new();
    let matters = |name: &&str| ServiceName::of_gate(name).is_some() || known_by_unit(name).next().is_some();
    let names: BTreeSet<UnitName> = parsed(units.names().filter(matters)).collect();
    for unit in &names {
        let service = unit.gated_service();
        match (units.entry(unit), service) {
            (Some(Entry::Unit | Entry::Instance | Entry::Alias(_)), None) => {}
            (Some(Entry::Unit), Some(service)) => {
                let text = units.text(unit)?;
                // As good as a link to /dev/null (systemd.unit(5)).
                if text.bytes.is_empty() {
                    masked.insert(service);
                } else if let Some(gate) = gate::read(&service, &text.file, &text.bytes)? {
                    let mut read = gate.service;
                    changes(units, unit, &mut read, generation)?;
                    generation.gates.insert(service.clone(), text.bytes);
                    generation.services.insert(service, read);
                }
            }
            (Some(Entry::Masked), Some(service)) => {
                masked.insert(service);
                settled.insert(unit.clone());
                continue;
            }
            (Some(Entry::Instance | Entry::Alias(_) | Entry::Masked) | None, _) => {
                settled.insert(unit.clone());
                continue;
            }
        }
        if known_by_unit(unit.as_str()).next().is_some() {
            wanted.insert(unit.clone(), BTreeSet::new());
        }
    }
    if !masked.is_empty() {
        let found = masked::services(units, &masked);
        generation.services.extend(found);
    }
    for (unit, names) in gated(generation) {
        wanted.entry(unit).or_default().extend(names);
    }
    look_into(units, &wanted, generation);
    settled.extend(wanted.into_keys());
    Ok(Others { settled })
}

/// The names that systemd would take for units.
fn parsed<'n>(names: impl Iterator<Item = &'n str>) -> impl Iterator<Item = UnitName> {
    names.filter_map(|name| name.parse().ok())
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

/// Units that are one, by the name of that which the others are aliases of.
struct Group {
    unit: Found,
    asked: BTreeSet<UnitName>,
    programs: BTreeSet<String>,
}

/// Reads the programs of units into `generation`, and notes where a unit and its gates disagree. An alias has the program
/// of its unit; what turns out to be masked is not in the generation.
pub fn look_into<U: Units>(units: &U, wanted: &Wanted, generation: &mut Generation) {
    for unit in wanted.keys() {
        generation.others.remove(unit.as_str());
    }
    let own = gated(generation);
    let mut groups = BTreeMap::<UnitName, Group>::new();
    for (unit, programs) in wanted {
        let Some(found) = find(units, unit) else {
            generation.units.remove(unit);
            continue;
        };
        let group = groups.entry(found.unit.clone()).or_insert_with(|| Group {
            asked: BTreeSet::new(),
            programs: own.get(&found.unit).cloned().unwrap_or_default(),
            unit: found,
        });
        group.asked.insert(unit.clone());
        group.programs.extend(programs.iter().cloned());
        group
            .programs
            .extend(own.get(unit).into_iter().flatten().cloned());
    }
    for (name, group) in groups {
        let Group {
            unit,
            mut asked,
            programs,
        } = group;
        asked.insert(name.clone());
        let sought = Sought::new(&asked, programs);
        let program = match texts(units, &unit) {
            Ok(texts) => match parse(&texts) {
                Ok(files) => {
                    cross_check(&asked, &name, &files, generation);
                    program(units, &unit, &texts[0], &files, &sought)
                }
                Err(reason) => Setting::Unknown(Unknown {
                    reason: reason.into(),
                    at: None,
                }),
            },
            Err(error) => Setting::Unknown(Unknown {
                reason: error.to_string().into(),
                at: None,
            }),
        };
        for unit in asked {
            generation.units.insert(unit, program.clone());
        }
    }
}

fn program<U: Units>(
    units: &U,
    unit: &Found,
    text: &UnitText,
    files: &[UnitFile<'_>],
    sought: &Sought,
) -> Setting<Program> {
    let found = program_of(files, sought, |path| units.script(&unit.unit, path));
    if !found.is_unset() {
        return found;
    }
    if let Some(package) = package_of(&text.file, sought) {
        return Setting::Set(package);
    }
    match unit_file::list(files, "Service", "ExecStart").is_empty() {
        true => units.program_elsewhere(sought),
        false => Setting::Unset,
    }
}

/// Of these units those that nobody but an administrator stops: a switch neither restarts nor stops them, or only has them reload
/// (`restartIfChanged`, `reloadIfChanged` of NixOS), or systemd itself is told so. Units that are not there are none of them.
///
/// # Errors
///
/// Fails where one that is there cannot be read.
pub fn never_stopped<U: Units>(
    units: &U,
    wanted: &BTreeSet<UnitName>,
) -> Result<BTreeSet<UnitName>, U::Error> {
    const SAY_SO: [(&str, &str, bool); 3] = [
        ("Service", "X-RestartIfChanged", false),
        ("Service", "X-ReloadIfChanged", true),
        ("Unit", "RefuseManualStop", true),
    ];
    let mut never = BTreeSet::new();
    for unit in wanted {
        let Some(found) = find(units, unit) else {
            continue;
        };
        let texts = texts(units, &found)?;
        // What systemd cannot read it does not run either.
        let Ok(files) = parse(&texts) else { continue };
        let says = |&(section, key, value): &(&str, &str, bool)| {
            let entries = files.iter().flat_map(|file| file.entries(section, key));
            entries.last().and_then(|entry| boolean(&entry.value)) == Some(value)
        };
        if SAY_SO.iter().any(says) {
            never.insert(unit.clone());
        }
    }
    Ok(never)
}

/// A boolean as systemd.syntax(7) has it.
fn boolean(value: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(value));
    match (
        is(&["1", "yes", "y", "true", "t", "on"]),
        is(&["0", "no", "n", "false", "f", "off"]),
    ) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// A unit that is there.
struct Found {
    /// Its name, which is no alias.
    unit: UnitName,
    /// The unit whose file it has: itself, or its template.
    file: UnitName,
}

/// Follows aliases to a unit, and an instance to its template; none where there is no such unit, or it is masked.
fn find(units: &impl Units, unit: &UnitName) -> Option<Found> {
    // systemd follows no more links either: none leads to an alias of an alias in what NixOS makes.
    const MAX_ALIASES: usize = 8;
    let mut unit = unit.clone();
    for _ in 0..MAX_ALIASES {
        let (file, entry) = match units.entry(&unit) {
            None | Some(Entry::Instance) => {
                let template = unit.template()?;
                let entry = units.entry(&template)?;
                (template, entry)
            }
            Some(entry) => (unit.clone(), entry),
        };
        match entry {
            Entry::Unit => return Some(Found { unit, file }),
            Entry::Alias(target) => unit = target.instance_like(&unit).unwrap_or(target),
            Entry::Instance | Entry::Masked => return None,
        }
    }
    None
}

/// A unit's text and its drop-ins, in the order in which systemd reads them.
fn texts<U: Units>(units: &U, unit: &Found) -> Result<Vec<UnitText>, U::Error> {
    let mut texts = vec![units.text(&unit.file)?];
    texts.extend(drop_ins(units, &unit.unit)?.into_values().map(|(_, text)| text));
    Ok(texts)
}

/// The drop-ins of a unit by the names of their files, which are their order whatever directory they are in; of those with
/// one name the one in the nearest directory counts (systemd.unit(5)). Each comes with its directory's name.
fn drop_ins<U: Units>(units: &U, unit: &UnitName) -> Result<BTreeMap<String, (String, UnitText)>, U::Error> {
    let mut found = BTreeMap::new();
    for name in unit.drop_in_names() {
        for (file, text) in units.drop_ins(&name)? {
            found.entry(file).or_insert_with(|| (format!("{name}.d"), text));
        }
    }
    Ok(found)
}

/// What drop-ins make of a gate. nixmig runs a gate from its unit file, so what is said of migrations elsewhere is an error;
/// what may keep the gate from running as it reads leaves its history in doubt, and anything else is noted.
fn changes<U: Units>(
    units: &U,
    unit: &UnitName,
    gate: &mut Service,
    generation: &mut Generation,
) -> Result<(), U::Error> {
    for (file, (directory, text)) in drop_ins(units, unit)? {
        if text.bytes.is_empty() {
            continue;
        }
        let place = format!("{directory}/{file}");
        match gate::hindrance(&text.file, &text.bytes)? {
            // What is said of all services alike is not said of gates.
            None if directory == "service.d" => {}
            None => note(generation, format!("{unit} is changed by {place}")),
            Some(key) => {
                let reason =
                    format!("{place} has {key}, so {unit} may not run as it reads, and guard nothing");
                note(generation, reason.clone());
                gate.history.unread.push(Unknown {
                    reason: reason.into(),
                    at: None,
                });
            }
        }
    }
    Ok(())
}

/// Adds a note, once.
pub(super) fn note(generation: &mut Generation, note: String) {
    if !generation.notes.contains(&note) {
        generation.notes.push(note);
    }
}

fn parse(texts: &[UnitText]) -> Result<Vec<UnitFile<'_>>, String> {
    texts
        .iter()
        .map(|text| UnitFile::parse(&text.bytes).map_err(|error| format!("{}, {error}", text.file)))
        .collect()
}

/// Notes where the versions that a unit carries are not those of its gates.
fn cross_check(
    names: &BTreeSet<UnitName>,
    unit: &UnitName,
    files: &[UnitFile<'_>],
    generation: &mut Generation,
) {
    let mut notes = Vec::new();
    match gate::versions(files) {
        Ok(carried) => {
            for service in generation
                .services
                .values()
                .filter(|service| !service.masked.is_set())
            {
                let gates = service
                    .units
                    .value()
                    .is_some_and(|units| !units.is_disjoint(names));
                let history = || service.history.versions();
                match carried.get(&service.name) {
                    None if gates => notes.push(format!(
                        "{unit} carries no versions of {}, whose gate names it: the gate counts",
                        service.name
                    )),
                    Some(versions) if !history().eq(versions.iter().copied()) => notes.push(format!(
                        "{unit} carries the versions {} of {}, its gate {}: the gate counts",
                        words(versions),
                        service.name,
                        words(&history().collect())
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
    for text in notes {
        note(generation, text);
    }
}

fn words(versions: &BTreeSet<Version>) -> String {
    if versions.is_empty() {
        return "(none)".to_owned();
    }
    let words: Vec<_> = versions.iter().map(Version::to_string).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests;
