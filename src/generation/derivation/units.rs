//! Owns what a system's derivations say of its units: their names, their texts, and the packages that bring some of them
//! (`makeUnit` and `generateUnits` of nixos/lib/systemd-lib.nix; 22.05 and later).
//!
//! A unit that the configuration says nothing of, which a package alone brings, is not seen. NixOS does not look at what
//! its `[Install]` says, so nothing starts it with the system; but where such a package is that of a well-known service
//! of which no unit is seen, the units that are seen do not count as all.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::generation::programs::{Sought, StorePath, store_paths};
use crate::generation::scripts;
use crate::generation::units::{Entry, UnitText, Units};
use crate::model::{Generation, Program, Setting, UnitName, Unknown, known_services};

use super::DerivationError;
use super::shell::{self, Strategy};
use super::store::{Derivation, Source, Store, object_name};

/// What the derivations of units are called, before the unit's name, and after it where the unit is switched off.
const UNIT: &str = "unit-";
const DISABLED: &str = "-disabled";

/// The units of a system that is not built.
pub(super) struct SystemUnits<'s> {
    store: &'s Store,
    directory: &'s Derivation<'s>,
    entries: BTreeMap<UnitName, Entry>,
    /// Where the texts of a unit's own derivations come from; a name without any is an alias, or upstream's.
    texts: BTreeMap<UnitName, Vec<(String, Strategy)>>,
    /// All that the directory is made from, besides units: the packages that bring units are among it.
    packages: Vec<Program>,
    /// Whether no unit that matters is there besides those that are seen.
    pub(super) complete: bool,
}

impl<'s> SystemUnits<'s> {
    /// Reads the build command of the directory of units. Opens only those units whose names the store cannot hold.
    pub(super) fn new(
        store: &'s Store,
        directory: &'s Derivation<'s>,
        command: &str,
    ) -> Result<Self, DerivationError> {
        let mut units = Self {
            store,
            directory,
            entries: BTreeMap::new(),
            texts: BTreeMap::new(),
            packages: Vec::new(),
            complete: true,
        };
        for unit in shell::upstream_units(command).filter_map(service) {
            units.entries.insert(unit, Entry::Unit);
        }
        let mut stored: BTreeMap<&str, Vec<(&str, Strategy)>> = BTreeMap::new();
        for (path, strategy) in shell::units(command) {
            if let Some(name) = object_name(path).and_then(|name| name.strip_prefix(UNIT)) {
                let name = name.strip_suffix(DISABLED).unwrap_or(name);
                // A switch-off that is a drop-in is an empty one.
                let empty = strategy == Strategy::DropIn && path.ends_with(DISABLED);
                if name.ends_with(".service") && !empty {
                    stored.entry(name).or_default().push((path, strategy));
                }
            }
        }
        let named: BTreeMap<String, &str> = shell::linked_units(command)
            .map(|(unit, _)| (stored_name(unit), unit))
            .collect();
        for (name, paths) in stored {
            for &(path, strategy) in &paths {
                let unit = match named.get(name) {
                    Some(&unit) if paths.len() == 1 => Some(Cow::Borrowed(unit)),
                    _ if !name.contains('-') => Some(Cow::Borrowed(name)),
                    _ => units.name(path)?.map(Cow::Owned),
                };
                if let Some(unit) = service(unit.as_deref().unwrap_or(name)) {
                    let entry = match path.ends_with(DISABLED) {
                        true => Entry::Masked,
                        false => Entry::Unit,
                    };
                    units.entries.insert(unit.clone(), entry);
                    let text = (path.to_owned(), strategy);
                    units.texts.entry(unit).or_default().push(text);
                }
            }
        }
        for (unit, alias) in shell::linked_units(command) {
            if let (Some(unit), Some(alias)) = (service(unit), alias.and_then(service)) {
                units.entries.insert(alias, Entry::Alias(unit));
            }
        }
        let instances: Vec<_> = units
            .texts
            .iter()
            .filter_map(|(unit, texts)| {
                let no_file = texts.iter().all(|&(_, strategy)| strategy == Strategy::DropIn);
                let template = units.entries.get(&unit.template()?)?;
                no_file.then_some((unit.clone(), template == &Entry::Masked))
            })
            .collect();
        for (unit, masked) in instances {
            let entry = if masked { Entry::Masked } else { Entry::Instance };
            units.entries.insert(unit, entry);
        }
        let brought: Vec<_> = shell::packages(command)
            .flat_map(store_paths)
            .map(StorePath::program)
            .collect();
        units.complete = known_services().iter().all(|known| {
            !brought.iter().any(|package| known.runs(package))
                || units.entries.keys().any(|unit| known.has_unit(unit.as_str()))
        });
        units.packages = store_paths(command)
            .filter(|path| !path.name.starts_with(UNIT))
            .map(StorePath::program)
            .collect();
        Ok(units)
    }

    /// The name of a unit, as its own derivation has it.
    fn name(&self, path: &str) -> Result<Option<String>, DerivationError> {
        let source = self.directory.needs(self.store, path)?;
        let derivation = source.derivation()?;
        Ok(derivation
            .text("buildCommand")
            .and_then(|command| shell::unit_name(&command)))
    }

    /// The derivations of a unit's own texts, of one strategy.
    fn sources(&self, unit: &UnitName, strategy: Strategy) -> Result<Vec<Source>, DerivationError> {
        let texts = self.texts.get(unit).into_iter().flatten();
        texts
            .filter(|(_, found)| *found == strategy)
            .map(|(path, _)| self.directory.needs(self.store, path))
            .collect()
    }

    /// Adds the words of all scripts of gates.
    pub(super) fn add_scripts(&self, generation: &mut Generation) {
        scripts::fill(generation, |gate, path| {
            let words = self.script(gate, path);
            words.ok_or_else(|| "no derivation has them".to_owned())
        });
    }
}

impl Units for SystemUnits<'_> {
    type Error = DerivationError;

    fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(UnitName::as_str)
    }

    fn entry(&self, unit: &UnitName) -> Option<Entry> {
        self.entries.get(unit).cloned()
    }

    /// The unit's own text; an empty one where a package brings the unit, which says nothing of the configuration.
    fn text(&self, unit: &UnitName) -> Result<UnitText, DerivationError> {
        match self.sources(unit, Strategy::Unit)?.pop() {
            Some(source) => text(&source),
            None => Ok(UnitText {
                file: self.directory.path().to_owned(),
                bytes: Vec::new(),
            }),
        }
    }

    /// `generateUnits` gives all of them one name.
    fn drop_ins(&self, name: &str) -> Result<BTreeMap<String, UnitText>, DerivationError> {
        let Ok(unit) = name.parse() else {
            return Ok(BTreeMap::new());
        };
        let source = self.sources(&unit, Strategy::DropIn)?.pop();
        let text = source.as_ref().map(text).transpose()?;
        let named = text.map(|text| ("overrides.conf".to_owned(), text));
        Ok(named.into_iter().collect())
    }

    /// Of the packages that bring units, the one that is looked for; otherwise it is not known.
    fn program_elsewhere(&self, sought: &Sought) -> Setting<Program> {
        let mut found = self.packages.iter().filter(|&package| sought.has(package));
        match (found.next(), found.next()) {
            (Some(package), None) => Setting::Set(package.clone()),
            _ => Setting::Unknown(Unknown {
                reason: "its command is in a package, and derivations do not show those".into(),
                at: None,
            }),
        }
    }

    fn script(&self, unit: &UnitName, path: &str) -> Option<String> {
        let object = store_paths(path).next()?;
        let template = unit.template();
        let units = std::iter::once(unit).chain(template.as_ref());
        for (unit, strategy) in units.flat_map(|unit| [(unit, Strategy::Unit), (unit, Strategy::DropIn)]) {
            for source in self.sources(unit, strategy).ok()? {
                let script = source.derivation().ok()?.input_making(self.store, object.path);
                if let Some(script) = script.ok()? {
                    return script.derivation().ok()?.text("text").map(Cow::into_owned);
                }
            }
        }
        None
    }
}

fn text(source: &Source) -> Result<UnitText, DerivationError> {
    let derivation = source.derivation()?;
    Ok(UnitText {
        file: derivation.path().to_owned(),
        bytes: derivation.attribute("text").unwrap_or_default().into_owned(),
    })
}

fn service(name: &str) -> Option<UnitName> {
    name.ends_with(".service").then(|| name.parse().ok()).flatten()
}

/// A unit's name as the store can hold it: `mkPathSafeName` of nixos/lib/systemd-lib.nix.
fn stored_name(unit: &str) -> String {
    unit.chars()
        .filter(|c| !matches!(c, '[' | ']'))
        .map(|c| if matches!(c, '@' | ':' | '\\') { '-' } else { c })
        .collect()
}
