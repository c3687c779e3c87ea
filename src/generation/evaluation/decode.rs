//! Owns the reading of what `projection.nix` gives: bytes to values, nothing else. docs/formats.md states the format.
//!
//! The projection is part of this program, so whatever it does not say is an error here and not overlooked.

mod place;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use self::place::{Fields, Place};
use crate::model::{
    Action, Direction, Generation, Location, Migration, Part, Program, Release, Service, ServiceName,
    Setting, Text, UnitName, Unknown, Version, known_services,
};

/// The format that is read here.
const FORMAT: u64 = 1;

/// What Nix answered of one system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is there, and this is what it says.
    System(Projection),
    /// It is not there.
    Missing(Missing),
}

/// What an evaluated system says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projection {
    /// The NixOS release.
    pub release: Setting<Release>,
    /// The services that declare migrations.
    pub services: BTreeMap<ServiceName, Service>,
    /// The services' units that the configuration speaks of and does not switch off; none where that cannot be told.
    pub units: Option<BTreeSet<UnitName>>,
    /// The units of well-known services that are on, with the programs that they stand for, as far as these are known.
    pub programs: BTreeMap<UnitName, Setting<Program>>,
}

/// A system that was asked for and is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What is missing.
    pub kind: MissingKind,
    /// Its name.
    pub name: String,
    /// What is there in its place.
    pub there: Vec<String>,
}

/// What a system that is not there was to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingKind {
    /// An entry of `nixosConfigurations`.
    Host,
    /// A specialisation of the system.
    Specialisation,
    /// A container of the system.
    Container,
    /// There is a value, and it is no evaluated NixOS configuration.
    Configuration,
}

/// What Nix gave is not a projection.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It is not JSON.
    #[error("what Nix wrote is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It is of a format that this program does not know.
    #[error("`{place}` is format {found}, and this nixmig reads format {FORMAT}: a newer one is needed")]
    Format {
        /// Where in the JSON.
        place: String,
        /// The number found.
        found: u64,
    },
    /// It answers for more or fewer systems than were asked for.
    #[error("it speaks of {found} systems, and {expected} were asked for")]
    Count {
        /// How many were asked for.
        expected: usize,
        /// How many answers there are.
        found: usize,
    },
    /// A value is not what it must be.
    #[error("`{place}` {problem}")]
    Value {
        /// Where in the JSON: `[0].services.postgresql.oldest`.
        place: String,
        /// What is the matter with it.
        problem: String,
    },
}

/// Reads what Nix wrote: a list with an answer for each system that was asked for.
///
/// # Errors
///
/// Fails where it is not JSON, or not a projection of the format that is read here; the error names the place.
pub fn decode(json: &[u8]) -> Result<Vec<Answer>, DecodeError> {
    let value: Value = serde_json::from_slice(json)?;
    Place::root(&value).each(answer)
}

impl Projection {
    /// Puts what was read into a generation.
    pub(super) fn fill(self, generation: &mut Generation) {
        generation.release = self.release;
        generation.units_complete = self.units.is_some();
        let mut programs = self.programs;
        if let Some(units) = &self.units {
            programs.retain(|unit, _| units.contains(unit));
        }
        let services = self.services.values();
        let gated = services.flat_map(|service| service.units.value().into_iter().flatten().cloned());
        // What is gated and switched off is not there.
        let units = self.units.unwrap_or_else(|| gated.collect());
        for unit in units {
            let unknown = Unknown {
                reason: "an evaluation does not look into units".into(),
                at: None,
            };
            generation.units.insert(unit, Setting::Unknown(unknown));
        }
        for (unit, program) in programs {
            generation.units.insert(unit, program);
        }
        generation.services = self.services;
    }
}

fn answer(place: &Place<'_>) -> Result<Answer, DecodeError> {
    let mut fields = place.fields()?;
    if let Some(kind) = fields.optional("missing") {
        let missing = Missing {
            kind: match kind.string()? {
                "host" => MissingKind::Host,
                "specialisation" => MissingKind::Specialisation,
                "container" => MissingKind::Container,
                "configuration" => MissingKind::Configuration,
                _ => return Err(kind.error("is not a kind of system")),
            },
            name: fields.required("name")?.string()?.to_owned(),
            there: fields
                .required("there")?
                .each(|name| name.string().map(str::to_owned))?,
        };
        fields.end()?;
        return Ok(Answer::Missing(missing));
    }
    let format = fields.required("format")?;
    match format.value.as_u64() {
        Some(FORMAT) => {}
        Some(found) => {
            return Err(DecodeError::Format {
                place: format.to_string(),
                found,
            });
        }
        None => return Err(format.error("is not the number of a format")),
    }
    let release = fields
        .optional("release")
        .as_ref()
        .map_or(Ok(Setting::Unset), release)?;
    let mut services = BTreeMap::new();
    for (name, place) in fields.required("services")?.entries()? {
        let name: ServiceName = place.parse_key(name)?;
        services.insert(name.clone(), service(name, &place)?);
    }
    let units = fields.optional("units").map(|place| declared_units(&place));
    let mut programs = BTreeMap::new();
    for (name, place) in fields.required("programs")?.entries()? {
        well_known(name, &place, &mut programs)?;
    }
    fields.end()?;
    Ok(Answer::System(Projection {
        release,
        services,
        units: units.transpose()?,
        programs,
    }))
}

/// Names that systemd would not take for a unit's are nobody's unit.
fn declared_units(place: &Place<'_>) -> Result<BTreeSet<UnitName>, DecodeError> {
    let names = place.each(Place::string)?;
    Ok(names.into_iter().filter_map(|name| name.parse().ok()).collect())
}

fn release(place: &Place<'_>) -> Result<Setting<Release>, DecodeError> {
    // A fork of NixOS may count its releases otherwise.
    Ok(place.string()?.parse().map_or_else(
        |error: crate::model::ReleaseError| {
            Setting::Unknown(Unknown {
                reason: error.to_string().into(),
                at: None,
            })
        },
        Setting::Set,
    ))
}

fn service(name: ServiceName, place: &Place<'_>) -> Result<Service, DecodeError> {
    let mut fields = place.fields()?;
    let mut service = Service::new(name);
    let units = |place: &Place<'_>| place.each(Place::parse);
    service.masked = match fields.required("masked")?.boolean()? {
        true => Setting::Set(()),
        false => Setting::Unset,
    };
    service.units = Setting::Set(units(&fields.required("units")?)?.into_iter().collect());
    service.requires = Setting::Set(units(&fields.required("requires")?)?.into_iter().collect());
    service.package = fields
        .optional("package")
        .as_ref()
        .map(package)
        .transpose()?
        .into();
    let directories = fields.required("stateDirectories")?;
    service.state_directories = Setting::Set(directories.each(|path| path.string().map(str::to_owned))?);
    service.detect = fields
        .optional("detect")
        .as_ref()
        .map_or(Ok(Setting::Unset), text)?;
    service.oldest = fields
        .optional("oldest")
        .map(|place| place.parse())
        .transpose()?
        .into();
    let acknowledge: Vec<Version> = fields.required("acknowledge")?.each(Place::parse)?;
    service.acknowledge = acknowledge.into_iter().collect();
    for (version, place) in fields.required("steps")?.entries()? {
        let version = place.parse_key(version)?;
        let duplicate = service.history.insert(step(version, &place)?);
        duplicate.map_err(|error| place.error(&error.to_string()))?;
    }
    fields.end()?;
    Ok(service)
}

fn step(version: Version, place: &Place<'_>) -> Result<Migration, DecodeError> {
    let mut fields = place.fields()?;
    let mut migration = Migration::new(version);
    migration.program = fields
        .optional("program")
        .map(|program| program.string().map(str::to_owned))
        .transpose()?
        .into();
    migration.cumulative = fields.required("cumulative")?.boolean()?.then_some(()).into();
    migration.origin = match fields.optional("origin") {
        Some(origin) => location(origin.string()?),
        None => None,
    };
    for direction in [Direction::Up, Direction::Down] {
        *migration.action_mut(direction) = action(&fields.required(direction.name())?)?;
    }
    fields.end()?;
    Ok(migration)
}

fn action(place: &Place<'_>) -> Result<Action, DecodeError> {
    let mut fields = place.fields()?;
    let mut action = Action::default();
    for part in Part::ALL {
        if let Some(place) = fields.optional(part.name()) {
            *action.part_mut(part) = match part {
                Part::Warn => Setting::Set(Text {
                    text: Some(place.string()?.to_owned()),
                    path: None,
                }),
                _ => text(&place)?,
            };
        }
    }
    action.digest = fields
        .optional("digest")
        .map(|digest| digest.parse())
        .transpose()?;
    fields.end()?;
    Ok(action)
}

/// `true`, or `{ "text": "…" }`.
fn text(place: &Place<'_>) -> Result<Setting<Text>, DecodeError> {
    if place.value == &Value::Bool(true) {
        return Ok(Setting::Set(Text::default()));
    }
    let mut fields = place.fields()?;
    let text = fields.required("text")?.string()?.to_owned();
    fields.end()?;
    Ok(Setting::Set(Text {
        text: Some(text),
        path: None,
    }))
}

fn program(fields: &mut Fields<'_>) -> Result<Program, DecodeError> {
    let version = fields.required("version")?.string()?;
    Ok(Program {
        name: fields.required("name")?.string()?.to_owned(),
        version: (!version.is_empty()).then(|| version.to_owned()),
        path: None,
    })
}

fn package(place: &Place<'_>) -> Result<Program, DecodeError> {
    let mut fields = place.fields()?;
    let program = program(&mut fields)?;
    fields.end()?;
    Ok(program)
}

/// The program of a well-known service, for its main unit, or for those of its instances that are on.
fn well_known(
    name: &str,
    place: &Place<'_>,
    programs: &mut BTreeMap<UnitName, Setting<Program>>,
) -> Result<(), DecodeError> {
    let mut fields = place.fields()?;
    let program = match fields.optional("unknown") {
        None => Setting::Set(program(&mut fields)?),
        Some(unknown) if unknown.boolean()? => Setting::Unknown(Unknown {
            reason: format!("the package of the service `{name}` does not evaluate").into(),
            at: None,
        }),
        Some(unknown) => return Err(unknown.error("must be true where it is there")),
    };
    let instances = fields
        .optional("instances")
        .map(|place| place.each(Place::string));
    fields.end()?;
    let known = known_services().iter().find(|known| known.name == name);
    let units = known
        .ok_or_else(|| place.error("is not a well-known service"))?
        .units;
    let pattern = units.iter().find(|unit| unit.contains('*'));
    let names: Vec<String> = match instances.transpose()? {
        None => units.iter().take(1).map(|&unit| unit.to_owned()).collect(),
        Some(instances) => {
            let unit = |instance: &&str| match pattern {
                Some(pattern) if !instance.is_empty() => Some(pattern.replacen('*', instance, 1)),
                _ => units.first().map(|&unit| unit.to_owned()),
            };
            instances.iter().filter_map(unit).collect()
        }
    };
    for name in names {
        // An instance may have a name that its unit writes otherwise; of that unit nothing is said.
        if let Ok(unit) = name.parse() {
            programs.insert(unit, program.clone());
        }
    }
    Ok(())
}

/// `FILE:LINE:COLUMN`; a file alone is no place.
fn location(text: &str) -> Option<Location> {
    let mut parts = text.rsplitn(3, ':');
    let column = parts.next()?.parse().ok()?;
    let line = parts.next()?.parse().ok()?;
    Some(Location {
        file: parts.next()?.to_owned(),
        line,
        column,
    })
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
