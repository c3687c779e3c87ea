//! Owns the way through a system's derivations: from the build command of `config.system.build.toplevel` to the directory of
//! units, as nixpkgs' build commands link them (nixos/modules/system/activation/top-level.nix,
//! nixos/modules/system/etc/etc.nix; 22.05 and later), and to the systems inside.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::generation::evaluation::Inside;
use crate::generation::release;
use crate::generation::units::{self, Wanted};
use crate::model::{Generation, Kind, Release, Setting};

use super::DerivationError;
use super::shell;
use super::store::{Derivation, Source, Store};
use super::units::SystemUnits;

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
    generation.release = release(store, system);
    with_units(store, system, |units| {
        units::collect(units, &mut generation)?;
        generation.units_complete = units.complete;
        if scripts {
            units.add_scripts(&mut generation);
        }
        Ok(generation)
    })
}

/// Reads the programs of further units.
pub(super) fn look_into(
    store: &Store,
    system: &Derivation<'_>,
    wanted: &Wanted,
    generation: &mut Generation,
) -> Result<(), DerivationError> {
    with_units(store, system, |units| {
        units::look_into(units, wanted, generation);
        Ok(())
    })
}

fn with_units<T>(
    store: &Store,
    system: &Derivation<'_>,
    then: impl FnOnce(&SystemUnits<'_>) -> Result<T, DerivationError>,
) -> Result<T, DerivationError> {
    let etc = etc(store, system)?;
    let etc = etc.derivation()?;
    let entries = command(&etc)?;
    let directory = shell::etc_entry(&entries, "systemd/system")
        .ok_or_else(|| not_a_system(&etc, "its `etc` has no `systemd/system`"))?;
    let directory = etc.needs(store, &directory)?;
    let directory = directory.derivation()?;
    then(&SystemUnits::new(store, &directory, &command(&directory)?)?)
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

/// Of `etc/os-release`, and of the system's label only where there is no such entry.
fn release(store: &Store, system: &Derivation<'_>) -> Setting<Release> {
    let text = || -> Result<Option<String>, DerivationError> {
        let etc = etc(store, system)?;
        let etc = etc.derivation()?;
        let Some(path) = shell::etc_entry(&command(&etc)?, "os-release").map(Cow::into_owned) else {
            return Ok(None);
        };
        let file = etc.needs(store, &path)?;
        Ok(Some(
            file.derivation()?.text("text").unwrap_or_default().into_owned(),
        ))
    };
    match text() {
        Ok(Some(text)) => release::of_os_release(&text),
        Ok(None) => system
            .text("nixosLabel")
            .map_or(Setting::Unset, |label| release::of_label(&label)),
        Err(error) => release::unknown(error.to_string()),
    }
}
