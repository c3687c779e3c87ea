//! Owns the meaning of a gate's unit file: text in, [`Service`] out (docs/formats.md).
//!
//! Strict, since the gate runs from the very same keys: a key that is not understood could change what runs, so it is
//! refused, and so is whatever systemd would skip.

use std::collections::{BTreeMap, BTreeSet};

use crate::generation::programs::{StorePath, store_paths};
use crate::generation::unit_file::{self, Entry, Place, Section, UnitFile};
use crate::model::{Migration, Part, Program, Service, ServiceName, Setting, Text, UnitName, Version};

mod error;

pub use error::{GateError, GateProblem};

/// The format that this reader knows.
const FORMAT: &str = "1";

/// What a gate's unit file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The service and its history.
    pub service: Service,
    /// Store paths whose `bin` the scripts find in their `PATH`.
    pub path: Vec<String>,
    /// Variables of the scripts.
    pub environment: BTreeMap<String, String>,
    /// Settings of the units that the scripts run in, by their names in systemd.exec(5).
    pub service_config: serde_json::Map<String, serde_json::Value>,
}

const STATE_DIRECTORIES: &str = "X-Migration-StateDirectories";

/// The state directories of a gate, without a look at its migrations. None where only [the whole](read) tells.
pub(crate) fn state_directories(text: &str) -> Option<Vec<String>> {
    let (unit, migrations) = text.split_at(text.find("\n[X-Migration ").unwrap_or(text.len()));
    if migrations.contains(STATE_DIRECTORIES) {
        return None;
    }
    let unit = UnitFile::parse(unit.as_bytes()).ok()?;
    let mut found = unit.entries("Unit", STATE_DIRECTORIES);
    match (found.next(), found.next()) {
        (None, _) => Some(Vec::new()),
        (Some(entry), None) => directories(&entry.value).ok(),
        (Some(_), Some(_)) => None,
    }
}

/// Reads the text of the unit `migrate-<service>.service`; `file` is its name in errors.
///
/// A unit of that name without a single `X-Migration` key or section is somebody else's: `None`.
///
/// # Errors
///
/// Fails at the first thing that is not as docs/formats.md says.
pub fn read(service: &ServiceName, file: &str, bytes: &[u8]) -> Result<Option<Gate>, Box<GateError>> {
    let at = |place: &Place, section: Option<&Section<'_>>, problem| {
        Box::new(GateError {
            file: file.to_owned(),
            line: place.line,
            span: place.span.clone(),
            section: section.map(|section| section.name.to_string()),
            text: showable(bytes),
            problem,
        })
    };
    let unit =
        UnitFile::parse(bytes).map_err(|error| at(&error.place.clone(), None, GateProblem::Syntax(error)))?;
    let ours = |section: &Section<'_>| {
        let mut keys = section.entries.iter().map(|entry| &entry.key);
        section.name.starts_with("X-Migration") || keys.any(|key| key.starts_with("X-Migration"))
    };
    if !unit.sections.iter().any(ours) {
        return Ok(None);
    }
    let in_section = |place: &Place, problem| {
        let begun = |section: &&Section<'_>| section.place.span.start <= place.span.start;
        at(place, unit.sections.iter().rfind(begun), problem)
    };
    if let Some(line) = unit.ignored.first() {
        return Err(in_section(&line.place, GateProblem::Ignored(line.reason)));
    }
    let mut head = Head::default();
    for section in &unit.sections {
        for entry in &section.entries {
            head.take(section, entry)
                .map_err(|problem| in_section(&entry.place, problem))?;
        }
    }
    // The format first: whatever else a later one says is not this reader's to judge.
    let mut gate = head.gate(service).map_err(|(place, problem)| match place {
        Some(place) => in_section(place, problem),
        None => {
            let header = unit.sections.iter().find(|section| section.name == "Unit");
            let start = Place { line: 1, span: 0..0 };
            at(header.map_or(&start, |section| &section.place), header, problem)
        }
    })?;
    for section in &unit.sections {
        let Some(version) = section.name.strip_prefix("X-Migration") else {
            continue;
        };
        let version: Version = version
            .strip_prefix(' ')
            .ok_or_else(|| GateProblem::Section(section.name.to_string()))
            .and_then(|version| Ok(version.parse()?))
            .map_err(|problem| at(&section.place, Some(section), problem))?;
        let migration =
            migration(version, section).map_err(|(place, problem)| at(place, Some(section), problem))?;
        gate.service
            .history
            .insert(migration)
            .map_err(|twice| at(&section.place, Some(section), twice.into()))?;
    }
    Ok(Some(gate))
}

/// What a drop-in of a gate has that may keep it from running as it reads: a command, a condition, or what cannot be read.
/// None where there is nothing of the kind.
///
/// # Errors
///
/// Fails where it speaks of migrations: nixmig runs a gate from its unit file.
pub fn hindrance(file: &str, bytes: &[u8]) -> Result<Option<String>, Box<GateError>> {
    let Ok(unit) = UnitFile::parse(bytes) else {
        return Ok(Some("what is no text of a unit".to_owned()));
    };
    for section in &unit.sections {
        let ours = section.name.starts_with("X-Migration").then_some(&section.place);
        let mut entries = section.entries.iter();
        let key = entries.find(|entry| entry.key.starts_with("X-Migration"));
        if let Some(place) = ours.or(key.map(|entry| &entry.place)) {
            return Err(Box::new(GateError {
                file: file.to_owned(),
                line: place.line,
                span: place.span.clone(),
                section: Some(section.name.to_string()),
                text: showable(bytes),
                problem: GateProblem::DropIn,
            }));
        }
    }
    let hinders = |key: &str| {
        let prefixes = ["Exec", "Condition", "Assert"];
        prefixes.iter().any(|prefix| key.starts_with(prefix))
            || [
                "Type",
                "RemainAfterExit",
                "SuccessExitStatus",
                "RefuseManualStart",
            ]
            .contains(&key)
    };
    let mut entries = unit.sections.iter().flat_map(|section| &section.entries);
    let found = entries.find(|entry| hinders(&entry.key));
    Ok(found.map(|entry| format!("`{}=`", entry.key)))
}

/// The versions that a unit and its drop-ins carry for every service that gates it.
///
/// # Errors
///
/// Fails where a line is not a service and its versions.
pub fn versions(files: &[UnitFile<'_>]) -> Result<BTreeMap<ServiceName, BTreeSet<Version>>, GateProblem> {
    let mut versions = BTreeMap::new();
    for line in unit_file::list(files, "Unit", "X-Migration-Versions") {
        let mut words = split(line);
        let service: ServiceName = words.next().unwrap_or_default().parse()?;
        versions.insert(service, words.map(str::parse).collect::<Result<_, _>>()?);
    }
    Ok(versions)
}

/// A file whose text helps in an error: of UTF-8, and its lines fit a screen.
fn showable(bytes: &[u8]) -> Option<String> {
    const LONGEST: usize = 2000;
    let short = bytes.len() < 1 << 20
        && !bytes.contains(&0)
        && bytes
            .split(|&byte| byte == b'\n')
            .all(|line| line.len() <= LONGEST);
    short
        .then(|| std::str::from_utf8(bytes).ok().map(str::to_owned))
        .flatten()
}

/// The keys of `[Unit]`, as they stand there.
#[derive(Default)]
struct Head<'u, 'a> {
    entries: BTreeMap<&'static str, &'u Entry<'a>>,
    /// The first thing that is not known: told only once the format is known to be ours.
    refused: Option<(&'u Place, GateProblem)>,
}

const KEYS: [&str; 12] = [
    "X-Migration-Format",
    "X-Migration-Service",
    "X-Migration-Units",
    "X-Migration-Requires",
    "X-Migration-Package",
    STATE_DIRECTORIES,
    "X-Migration-Detect",
    "X-Migration-Oldest",
    "X-Migration-Acknowledge",
    "X-Migration-Path",
    "X-Migration-Environment",
    "X-Migration-ServiceConfig",
];

type Placed<'u, T> = Result<T, (Option<&'u Place>, GateProblem)>;

impl<'u, 'a> Head<'u, 'a> {
    fn take(&mut self, section: &Section<'a>, entry: &'u Entry<'a>) -> Result<(), GateProblem> {
        if !entry.key.starts_with("X-Migration") {
            return Ok(());
        }
        let known = KEYS.into_iter().find(|&key| key == entry.key);
        let problem = match known {
            Some(key) if section.name == "Unit" => match self.entries.insert(key, entry) {
                None => return Ok(()),
                // Two formats would make everything that follows a guess.
                Some(_) if key == KEYS[0] => return Err(GateProblem::Twice(key.to_owned())),
                Some(_) => GateProblem::Twice(key.to_owned()),
            },
            Some(key) => GateProblem::Misplaced(key.to_owned()),
            None => GateProblem::UnknownKey(entry.key.to_string()),
        };
        self.refused.get_or_insert((&entry.place, problem));
        Ok(())
    }

    fn value(&self, key: &'static str) -> Option<(&'u Place, &'u str)> {
        let entry = self.entries.get(key)?;
        Some((&entry.place, &entry.value))
    }

    /// Reads a value that may be left out; what is there must not be empty.
    fn optional<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&'u str) -> Result<T, GateProblem>,
    ) -> Placed<'u, Option<T>> {
        self.value(key)
            .map(|(place, value)| {
                nonempty(key, value)
                    .and_then(read)
                    .map_err(|problem| (Some(place), problem))
            })
            .transpose()
    }

    fn words<T: std::str::FromStr + Ord>(&self, key: &'static str) -> Placed<'u, Option<BTreeSet<T>>>
    where
        GateProblem: From<T::Err>,
    {
        self.optional(key, |value| {
            let words = split(value).map(str::parse);
            Ok(words.collect::<Result<BTreeSet<T>, _>>()?)
        })
    }

    fn gate(self, service: &ServiceName) -> Placed<'u, Gate> {
        let format = self.optional(KEYS[0], |format| match format.parse::<u32>() {
            Ok(_) if format == FORMAT => Ok(()),
            Ok(number) if number > 1 => Err(GateProblem::Newer(format.to_owned())),
            _ => Err(GateProblem::Format(format.to_owned())),
        })?;
        format.ok_or((None, GateProblem::Missing("X-Migration-Format")))?;
        if let Some((place, problem)) = self.refused {
            return Err((Some(place), problem));
        }
        self.optional("X-Migration-Service", |found| {
            if found == service.as_str() {
                return Ok(());
            }
            Err(GateProblem::OtherService {
                expected: service.clone(),
                found: found.to_owned(),
            })
        })?
        .ok_or((None, GateProblem::Missing("X-Migration-Service")))?;

        let mut read = Service::new(service.clone());
        let units: Option<BTreeSet<UnitName>> = self.words("X-Migration-Units")?;
        if let Some(other) = units
            .iter()
            .flatten()
            .find(|unit| !unit.as_str().ends_with(".service"))
        {
            let place = self.value("X-Migration-Units").map(|(place, _)| place);
            return Err((place, GateProblem::NotAService(other.clone())));
        }
        read.units = units.into();
        read.requires = self.words("X-Migration-Requires")?.into();
        read.package = self.optional("X-Migration-Package", package)?.into();
        read.state_directories = self.optional(STATE_DIRECTORIES, directories)?.into();
        read.detect = self.optional("X-Migration-Detect", script)?.into();
        read.oldest = self
            .optional("X-Migration-Oldest", |value| Ok(value.parse()?))?
            .into();
        read.acknowledge = self.words("X-Migration-Acknowledge")?.unwrap_or_default();
        let path = self.optional("X-Migration-Path", |value| {
            json("X-Migration-Path", "a list of strings", value)
        })?;
        let environment = self.optional("X-Migration-Environment", |value| {
            json("X-Migration-Environment", "an object of strings", value)
        })?;
        let service_config = self.optional("X-Migration-ServiceConfig", |value| {
            json("X-Migration-ServiceConfig", "an object", value)
        })?;
        Ok(Gate {
            service: read,
            path: path.unwrap_or_default(),
            environment: environment.unwrap_or_default(),
            service_config: service_config.unwrap_or_default(),
        })
    }
}

fn migration<'u>(version: Version, section: &'u Section<'_>) -> Result<Migration, (&'u Place, GateProblem)> {
    let mut migration = Migration::new(version);
    let mut seen = BTreeSet::new();
    for entry in &section.entries {
        nonempty(&entry.key, &entry.value)
            .and_then(|value| match seen.insert(&*entry.key) {
                true => assign(&mut migration, &entry.key, value),
                false => Err(GateProblem::Twice(entry.key.to_string())),
            })
            .map_err(|problem| (&entry.place, problem))?;
    }
    for (action, key) in [(&migration.up, "UpDigest"), (&migration.down, "DownDigest")] {
        if !action.is_empty() && action.digest.is_none() {
            return Err((&section.place, GateProblem::MissingDigest(key)));
        }
    }
    Ok(migration)
}

fn assign(migration: &mut Migration, key: &str, value: &str) -> Result<(), GateProblem> {
    match key {
        "Program" => {
            migration.program = Setting::Set(value.to_owned());
            return Ok(());
        }
        "Cumulative" => {
            migration.cumulative = match value {
                "yes" => Setting::Set(()),
                "no" => Setting::Unset,
                _ => return Err(GateProblem::Switch(value.to_owned())),
            };
            return Ok(());
        }
        _ => {}
    }
    let unknown = || GateProblem::UnknownKey(key.to_owned());
    let (action, what) = match (key.strip_prefix("Up"), key.strip_prefix("Down")) {
        (Some(what), _) => (&mut migration.up, what),
        (_, Some(what)) => (&mut migration.down, what),
        _ => return Err(unknown()),
    };
    let part = match what {
        "Digest" => {
            action.digest = Some(value.parse()?);
            return Ok(());
        }
        "Warn" => {
            let text = json(key, "a string", value)?;
            action.warn = Setting::Set(Text {
                text: Some(text),
                path: None,
            });
            return Ok(());
        }
        "Script" => Part::Script,
        "Backup" => Part::Backup,
        "Restore" => Part::Restore,
        "Verify" => Part::Verify,
        _ => return Err(unknown()),
    };
    *action.part_mut(part) = Setting::Set(script(value)?);
    Ok(())
}

fn nonempty<'v>(key: &str, value: &'v str) -> Result<&'v str, GateProblem> {
    match value {
        "" => Err(GateProblem::Empty(key.to_owned())),
        value => Ok(value),
    }
}

/// The words of a list, as systemd splits them: a form feed is part of a word, and so makes it a wrong one.
fn split(value: &str) -> impl Iterator<Item = &str> {
    value.split([' ', '\t']).filter(|word| !word.is_empty())
}

fn absolute(path: &str) -> Result<&str, GateProblem> {
    match path.starts_with('/') {
        true => Ok(path),
        false => Err(GateProblem::RelativePath(path.to_owned())),
    }
}

fn directories(value: &str) -> Result<Vec<String>, GateProblem> {
    let directories: Vec<String> = json(STATE_DIRECTORIES, "a list of strings", value)?;
    for directory in &directories {
        absolute(directory)?;
    }
    Ok(directories)
}

fn script(value: &str) -> Result<Text, GateProblem> {
    Ok(Text {
        text: None,
        path: Some(absolute(value)?.to_owned()),
    })
}

fn package(value: &str) -> Result<Program, GateProblem> {
    store_paths(absolute(value)?)
        .next()
        .map(StorePath::program)
        .ok_or_else(|| GateProblem::NoStorePath(value.to_owned()))
}

fn json<T: serde::de::DeserializeOwned>(
    key: &str,
    expected: &'static str,
    value: &str,
) -> Result<T, GateProblem> {
    serde_json::from_str(value).map_err(|error| GateProblem::Json {
        key: key.to_owned(),
        expected,
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
