//! Reads a generation from its built closure, without any Nix process: `etc/systemd/system` and what it links to (design §4).
//!
//! Lists one directory and opens the units that matter: gates, what they gate, and those of well-known services.

mod definitions;
mod error;
pub(crate) mod file;
mod list;
pub(crate) mod root;
mod scripts;
mod toplevel;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use crate::model::{Generation, Kind, Program, Release, Setting, UnitName, UnitNames};

use super::ReadOptions;
use super::programs::Sought;
use super::reference::Closure;
use super::release;
use super::scripts::fill;
use super::unit_file;
use super::units::{self, Entry, UnitText, Units, Wanted};

pub use definitions::{Definitions, definitions, gates};
pub use error::ClosureError;
pub use root::{Link, PathError};

use root::Root;

/// Where a system has its units, from its top.
pub(crate) const UNITS: &str = "etc/systemd/system";

/// Reads the generation that `closure` names below `root`, which is that of `options`; `label` is what the user called it.
///
/// # Errors
///
/// Fails where a link leads nowhere, what is there is no NixOS system, or a gate is not as docs/formats.md says.
pub(crate) fn read(
    root: &Root,
    closure: &Closure,
    label: &str,
    options: &ReadOptions,
) -> Result<Generation, ClosureError> {
    let system = toplevel::find(root, closure, options)?;
    let mut generation = Generation::new(label, Kind::Closure);
    generation.identity = Some(root.inner(&system).to_string_lossy().into_owned());
    let directory = Directory::open(root, &system)?;
    generation.release = release(root, &system);
    let others = units::services(&directory, &mut generation)?;
    others.add(directory.names, &mut generation);
    if options.scripts {
        fill(&mut generation, |_, path| scripts::words(root, path));
    }
    Ok(generation)
}

/// Reads the programs of further units into a generation that [`read`] gave for the same `closure`.
///
/// # Errors
///
/// Fails where the closure is not any more as it was.
pub(crate) fn look_into(
    generation: &mut Generation,
    closure: &Closure,
    wanted: &Wanted,
    options: &ReadOptions,
) -> Result<(), ClosureError> {
    let root = Root::new(&options.root)?;
    let system = toplevel::find(&root, closure, options)?;
    units::look_into(&Directory::open(&root, &system)?, wanted, generation);
    Ok(())
}

/// Of these units those that nobody but an administrator stops, as the generation that `closure` names has them.
///
/// # Errors
///
/// Fails where the closure, or one of the units, cannot be read.
pub fn never_stopped(
    closure: &Closure,
    units: &BTreeSet<UnitName>,
    options: &ReadOptions,
) -> Result<BTreeSet<UnitName>, ClosureError> {
    let root = Root::new(&options.root)?;
    let system = toplevel::find(&root, closure, options)?;
    units::never_stopped(&Directory::open(&root, &system)?, units)
}

/// Whether a place is a directory with a system's units.
pub(crate) fn is_system(root: &Root, place: &Path) -> bool {
    root.resolve(&place.join(UNITS)).is_ok_and(|units| units.is_dir())
}

/// The release of the system at a place: of `etc/os-release`, and of `nixos-version` only where there is no such file.
pub(crate) fn release(root: &Root, system: &Path) -> Setting<Release> {
    type Of = fn(&str) -> Setting<Release>;
    const FILES: [(&str, Of); 2] = [
        ("etc/os-release", release::of_os_release),
        ("nixos-version", release::of_label),
    ];
    const LIMIT: u64 = 1 << 16;
    for (name, of) in FILES {
        let file = match root.resolve(&system.join(name)) {
            Ok(file) => file,
            Err(PathError::Absent { .. }) => continue,
            Err(error) => return release::unknown(error.to_string()),
        };
        return match file::read(&file, LIMIT) {
            Ok(bytes) => of(&String::from_utf8_lossy(&bytes)),
            Err(error) => release::unknown(error.to_string()),
        };
    }
    Setting::Unset
}

/// The directory of a system's units.
struct Directory<'r> {
    root: &'r Root,
    place: PathBuf,
    open: OwnedFd,
    /// Those of `.service` units, and of [`Self::instances`].
    names: UnitNames,
    /// Instances of templates that are there, which have drop-ins and no file of their own.
    instances: BTreeSet<UnitName>,
    /// The names before the `.d` of directories of drop-ins.
    drop_ins: BTreeSet<String>,
    /// The targets of those units that were looked at, where they are links: each is looked at more than once.
    links: RefCell<HashMap<UnitName, Option<PathBuf>>>,
}

impl<'r> Directory<'r> {
    fn open(root: &'r Root, system: &Path) -> Result<Self, ClosureError> {
        let not_a_closure = || ClosureError::NotAClosure {
            path: root.inner(system),
        };
        let place = match root.resolve(&system.join(UNITS)) {
            Err(PathError::Absent { .. }) => return Err(not_a_closure()),
            place => place?,
        };
        let io = |problem: io::Error| match problem.kind() {
            io::ErrorKind::NotADirectory => not_a_closure(),
            _ => ClosureError::Io {
                file: place.clone(),
                problem,
            },
        };
        let open = list::open(&place).map_err(io)?;
        let mut names = UnitNames::default();
        let mut drop_ins = BTreeSet::new();
        list::names(&open, &place, |name| {
            let drop_in = name.strip_suffix(".d");
            if let Some(unit) = drop_in.filter(|unit| unit.ends_with(".service") || *unit == "service") {
                drop_ins.insert(unit.to_owned());
            } else if name.ends_with(".service") {
                names.push(name);
            }
        })
        .map_err(io)?;
        let instances = drop_ins.iter().filter_map(|unit| {
            let unit: UnitName = unit.parse().ok()?;
            let template = unit.template()?;
            (names.contains(template.as_str()) && !names.contains(unit.as_str())).then_some(unit)
        });
        let instances: BTreeSet<_> = instances.collect();
        for unit in &instances {
            names.push(unit.as_str());
        }
        Ok(Self {
            root,
            place,
            open,
            names,
            instances,
            drop_ins,
            links: RefCell::default(),
        })
    }

    /// The target of a unit that is a link, as it stands there; none of what is there and no link. The system is asked once.
    fn link(&self, unit: &UnitName) -> io::Result<Option<PathBuf>> {
        if let Some(target) = self.links.borrow().get(unit) {
            return Ok(target.clone());
        }
        let target = list::target(&self.open, unit.as_str())?;
        self.links.borrow_mut().insert(unit.clone(), target.clone());
        Ok(target)
    }

    fn read(&self, place: &Path, target: Option<&Path>) -> Result<UnitText, ClosureError> {
        let (file, bytes) = match target.and_then(|target| self.root.open_straight(target)) {
            Some((file, open)) => {
                let bytes = file::read_open(&file, open, unit_file::MAX_FILE)?;
                (file, bytes)
            }
            None => {
                let file = self.root.resolve(place)?;
                let bytes = match self.root.is_null(&file) {
                    // Another root need not have it.
                    true => Vec::new(),
                    false => file::read(&file, unit_file::MAX_FILE)?,
                };
                (file, bytes)
            }
        };
        let file = self.root.inner(&file).into_os_string().into_string();
        Ok(UnitText {
            file: file.unwrap_or_else(|file| file.to_string_lossy().into_owned()),
            bytes,
        })
    }
}

impl Units for Directory<'_> {
    type Error = ClosureError;

    fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter()
    }

    /// By its link: NixOS links a disabled unit to `/dev/null` through a store path of its own, `…-disabled`, and writes an
    /// alias as a link to a name beside it (nixos/lib/systemd-lib.nix).
    fn entry(&self, unit: &UnitName) -> Option<Entry> {
        if self.instances.contains(unit) {
            return Some(Entry::Instance);
        }
        if !unit.as_str().ends_with(".service") {
            return None;
        }
        let target = match self.link(unit) {
            Ok(Some(target)) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            // What is no link, or cannot be looked at, says so when it is read.
            Ok(None) | Err(_) => return Some(Entry::Unit),
        };
        let other = target.to_str().filter(|&target| target != unit.as_str());
        if let Some(other) = other.filter(|other| !other.contains('/') && self.names.contains(other))
            && let Ok(other) = other.parse()
        {
            return Some(Entry::Alias(other));
        }
        let parent = target.parent().unwrap_or(Path::new(""));
        let disabled = || {
            let place = self.root.resolve(&self.place.join(unit.as_str()));
            place.is_ok_and(|place| self.root.is_null(&place))
        };
        let masked =
            target == Path::new("/dev/null") || parent.to_string_lossy().ends_with("-disabled") && disabled();
        Some(match masked {
            true => Entry::Masked,
            false => Entry::Unit,
        })
    }

    fn text(&self, unit: &UnitName) -> Result<UnitText, ClosureError> {
        // What cannot be looked at says why when it is resolved.
        let target = self.link(unit).ok().flatten();
        self.read(&self.place.join(unit.as_str()), target.as_deref())
    }

    fn drop_ins(&self, name: &str) -> Result<BTreeMap<String, UnitText>, ClosureError> {
        if !self.drop_ins.contains(name) {
            return Ok(BTreeMap::new());
        }
        let place = self.root.resolve(&self.place.join(format!("{name}.d")))?;
        let io = |problem| ClosureError::Io {
            file: place.clone(),
            problem,
        };
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(&place).map_err(io)? {
            let entry = entry.map_err(io)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".conf") {
                let place = entry.path();
                let target = std::fs::read_link(&place).ok();
                files.insert(name, self.read(&place, target.as_deref())?);
            }
        }
        Ok(files)
    }

    /// A closure has all texts.
    fn program_elsewhere(&self, _: &Sought) -> Setting<Program> {
        Setting::Unset
    }

    fn script(&self, _: &UnitName, path: &str) -> Option<String> {
        let words = scripts::words(self.root, path).ok()?;
        words.starts_with("#!").then_some(words)
    }
}

#[cfg(test)]
mod tests;
