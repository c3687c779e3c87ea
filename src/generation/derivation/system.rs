//! Owns the way through a system's derivations: from the build command of `config.system.build.toplevel` to the texts of the
//! units that matter, as nixpkgs' own build commands link them (nixos/modules/system/activation/top-level.nix,
//! nixos/modules/system/etc/etc.nix, nixos/lib/systemd-lib.nix; 22.05 and later).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::generation::evaluation::Inside;
use crate::generation::gate;
use crate::generation::programs;
use crate::generation::unit_file::{self, UnitFile};
use crate::model::{
    Direction, Generation, Kind, Part, Release, Service, ServiceName, Setting, Text, UnitName, Unknown,
};

use super::DerivationError;
use super::shell::{self, Strategy};
use super::store::{Derivation, Source, Store, object_name};

/// What a system links its `/etc` as.
const ETC: &str = "$out/etc";

/// What a system links its specialisations below.
const SPECIALISATIONS: &str = "$out/specialisation/";

/// Where a container's file is below `/etc`: the second one since 22.05.
const CONTAINERS: [&str; 2] = ["nixos-containers/", "containers/"];

/// Reads a system from its derivation.
pub(super) fn read(
    label: &str,
    store: &Store,
    system: &Derivation<'_>,
    scripts: bool,
) -> Result<Generation, DerivationError> {
    let mut generation = Generation::new(label, Kind::Derivation);
    generation.identity = Some(system.path().to_owned());
    let etc = etc(store, system)?;
    generation.release = release(system).into();
    let etc = etc.derivation()?;
    let entries = command(&etc)?;
    let units = shell::etc_entry(&entries, "systemd/system")
        .ok_or_else(|| not_a_system(&etc, "its `etc` has no `systemd/system`"))?;
    let units = etc.needs(store, &units)?;
    Units::new(store, &units.derivation()?)?.read(&mut generation, scripts)?;
    // Gated units have a text of their own in every generation, for that is where they get what makes them wait; and the
    // modules of well-known services write theirs. So a package cannot bring one that is not seen here.
    generation.units_complete = true;
    Ok(generation)
}

/// The derivation of a system inside a system.
pub(super) fn inside(
    store: &Store,
    system: &Derivation<'_>,
    inner: &Inside,
) -> Result<Source, DerivationError> {
    let missing = |kind, name: &str, known: Vec<String>| DerivationError::NotInside {
        path: system.path().to_owned(),
        kind,
        name: name.to_owned(),
        known,
    };
    match inner {
        Inside::Specialisation(name) => {
            let command = command(system)?;
            let all: BTreeMap<_, _> = shell::links(&command)
                .filter_map(|(source, target)| {
                    Some((target.strip_prefix(SPECIALISATIONS)?.to_owned(), source))
                })
                .collect();
            match all.get(name) {
                Some(path) => system.needs(store, path),
                None => Err(missing("specialisation", name, all.into_keys().collect())),
            }
        }
        Inside::Container(name) => {
            let etc = etc(store, system)?;
            let etc = etc.derivation()?;
            let command = command(&etc)?;
            let all: BTreeMap<_, _> = shell::etc_entries(&command)
                .filter_map(|(source, target)| {
                    let file = CONTAINERS
                        .iter()
                        .find_map(|directory| target.strip_prefix(directory))?;
                    Some((file.strip_suffix(".conf")?.to_owned(), source))
                })
                .collect();
            let Some(path) = all.get(name) else {
                return Err(missing("container", name, all.into_keys().collect()));
            };
            let settings = etc.needs(store, path)?;
            let settings = settings.derivation()?;
            let text = settings.text("text").unwrap_or_default();
            let system = text
                .lines()
                .find_map(|line| line.strip_prefix("SYSTEM_PATH="))
                .ok_or_else(|| not_a_system(&settings, "it names no `SYSTEM_PATH=`"))?;
            settings.needs(store, system)
        }
    }
}

fn etc(store: &Store, system: &Derivation<'_>) -> Result<Source, DerivationError> {
    let command = command(system)?;
    let linked = shell::linked(&command, ETC)
        .ok_or_else(|| not_a_system(system, "its build command links no `$out/etc`"))?;
    let etc = linked
        .strip_suffix("/etc")
        .ok_or_else(|| not_a_system(system, "its `$out/etc` is not the `etc` of a derivation"))?;
    system.needs(store, etc)
}

fn command<'a>(derivation: &'a Derivation<'_>) -> Result<Cow<'a, str>, DerivationError> {
    derivation
        .text("buildCommand")
        .ok_or_else(|| not_a_system(derivation, "it has no build command"))
}

fn not_a_system(derivation: &Derivation<'_>, why: &'static str) -> DerivationError {
    DerivationError::NotASystem {
        path: derivation.path().to_owned(),
        why,
    }
}

/// The release: what the label begins with, or what follows one of its dashes, for tags stand before it.
fn release(system: &Derivation<'_>) -> Option<Release> {
    let label = system
        .text("nixosLabel")
        .or_else(|| system.text("name"))?
        .into_owned();
    std::iter::once(&*label)
        .chain(label.match_indices('-').map(|(at, _)| &label[at + 1..]))
        .find_map(|text| text.parse().ok())
}

/// The directory of units, and what is in it.
struct Units<'s> {
    store: &'s Store,
    directory: &'s Derivation<'s>,
    /// The paths of the units' own derivations by the units' names, as far as the store can hold those.
    paths: BTreeMap<String, Vec<(String, Strategy)>>,
}

/// The text of a unit.
struct Unit {
    name: UnitName,
    source: Source,
    /// A link to `/dev/null`.
    masked: bool,
}

impl<'s> Units<'s> {
    fn new(store: &'s Store, directory: &'s Derivation<'s>) -> Result<Self, DerivationError> {
        let command = command(directory)?;
        let mut paths: BTreeMap<String, Vec<(String, Strategy)>> = BTreeMap::new();
        for (path, strategy) in shell::units(&command) {
            let Some(name) = object_name(path).and_then(|name| name.strip_prefix("unit-")) else {
                continue;
            };
            let name = name.strip_suffix("-disabled").unwrap_or(name);
            paths
                .entry(name.to_owned())
                .or_default()
                .push((path.to_owned(), strategy));
        }
        Ok(Self {
            store,
            directory,
            paths,
        })
    }

    fn read(&self, generation: &mut Generation, scripts: bool) -> Result<(), DerivationError> {
        let mut gated: BTreeMap<UnitName, Vec<String>> = BTreeMap::new();
        for stored in self.paths.keys().filter(|name| name.starts_with("migrate-")) {
            for unit in self.units(stored)? {
                let Some(service) = unit.name.gated_service() else {
                    continue;
                };
                let Some(service) = self.service(&unit, service, scripts)? else {
                    continue;
                };
                for name in service.units.value().into_iter().flatten() {
                    let packages = gated.entry(name.clone()).or_default();
                    packages.extend(service.package.value().map(|package| package.name.clone()));
                }
                generation.services.insert(service.name.clone(), service);
            }
        }
        let names: BTreeSet<String> = gated.keys().map(|name| stored_name(name.as_str())).collect();
        for stored in self.paths.keys() {
            // What the store's name hides is in no name of a well-known service's units.
            let known = stored
                .parse()
                .is_ok_and(|name| programs::known_by_unit(&name).next().is_some());
            if !known && !names.contains(stored) {
                continue;
            }
            for unit in self.units(stored)? {
                let wanted = gated.get(&unit.name);
                if !unit.masked && (known || wanted.is_some()) {
                    let program = program(&unit, wanted.map_or(&[], Vec::as_slice))?;
                    generation.units.insert(unit.name, program);
                }
            }
        }
        Ok(())
    }

    /// The units of a name, as far as the store can hold that.
    fn units(&self, stored: &str) -> Result<Vec<Unit>, DerivationError> {
        let mut units = Vec::new();
        for (path, strategy) in self.paths.get(stored).into_iter().flatten() {
            let source = self.directory.needs(self.store, path)?;
            let masked = object_name(path).is_some_and(|name| name.ends_with("-disabled"));
            let name = {
                let derivation = source.derivation()?;
                let command = derivation.text("buildCommand").unwrap_or_default();
                let name = shell::unit_name(&command).unwrap_or_else(|| stored.to_owned());
                name.parse()
            };
            // A drop-in that is empty changes nothing.
            if let (Ok(name), false) = (name, masked && *strategy == Strategy::DropIn) {
                units.push(Unit { name, source, masked });
            }
        }
        Ok(units)
    }

    fn service(
        &self,
        unit: &Unit,
        name: ServiceName,
        scripts: bool,
    ) -> Result<Option<Service>, DerivationError> {
        if unit.masked {
            let mut service = Service::new(name);
            service.masked = true;
            return Ok(Some(service));
        }
        let derivation = unit.source.derivation()?;
        let text = derivation.attribute("text").unwrap_or_default();
        let Some(gate) = gate::read(&name, derivation.path(), &text)? else {
            return Ok(None);
        };
        let mut service = gate.service;
        if scripts {
            self.fill(&derivation, &mut service)?;
        }
        Ok(Some(service))
    }

    /// Adds the words of a service's scripts.
    fn fill(&self, gate: &Derivation<'_>, service: &mut Service) -> Result<(), DerivationError> {
        self.words(gate, &mut service.detect)?;
        for version in service.history.versions().collect::<Vec<_>>() {
            let Some(migration) = service.history.get_mut(version) else {
                continue;
            };
            for direction in [Direction::Up, Direction::Down] {
                for part in Part::ALL {
                    self.words(gate, migration.action_mut(direction).part_mut(part))?;
                }
            }
        }
        Ok(())
    }

    /// Adds the words of a script, where its derivation has them.
    fn words(&self, gate: &Derivation<'_>, script: &mut Setting<Text>) -> Result<(), DerivationError> {
        let Setting::Set(Text {
            text: text @ None,
            path: Some(path),
        }) = script
        else {
            return Ok(());
        };
        let Some(object) = programs::store_paths(path).next() else {
            return Ok(());
        };
        if let Some(source) = gate.input_making(self.store, object.path)? {
            *text = source.derivation()?.text("text").map(Cow::into_owned);
        }
        Ok(())
    }
}

/// A unit's name as the store can hold it: `mkPathSafeName` of nixos/lib/systemd-lib.nix.
fn stored_name(unit: &str) -> String {
    unit.chars()
        .filter(|c| !matches!(c, '[' | ']'))
        .map(|c| if matches!(c, '@' | ':' | '\\') { '-' } else { c })
        .collect()
}

fn program(unit: &Unit, wanted: &[String]) -> Result<Setting<crate::model::Program>, DerivationError> {
    let derivation = unit.source.derivation()?;
    let text = derivation.attribute("text").unwrap_or_default();
    let file = UnitFile::parse(&text).map_err(|problem| DerivationError::Unit {
        path: derivation.path().to_owned(),
        problem: Box::new(problem),
    })?;
    let files = [file];
    let program = programs::program_of(&unit.name, &files, wanted);
    let elsewhere = program.is_none() && unit_file::list(&files, "Service", "ExecStart").is_empty();
    Ok(match elsewhere {
        true => Setting::Unknown(Unknown {
            reason: "its `ExecStart=` is in a package, which a derivation does not show".to_owned(),
            at: None,
        }),
        false => program.into(),
    })
}
