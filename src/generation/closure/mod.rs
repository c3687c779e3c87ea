//! Reads a generation from its built closure, without any Nix process: `etc/systemd/system` and what it links to (design §4).
//!
//! Lists one directory and opens the units that matter: gates, what they gate, and those of well-known services.

mod error;
mod file;
pub(crate) mod root;
mod scripts;
mod toplevel;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, Mode, OFlags, readlinkat};
use rustix::io::Errno;

use crate::model::{Generation, Kind, Setting, UnitName, Unknown};

use super::ReadOptions;
use super::reference::Closure;
use super::unit_file;
use super::units::{self, Entry, UnitText, Units, Wanted};

pub use error::ClosureError;
pub use root::{Link, PathError};

use root::Root;

/// Where a system has its units, from its top.
pub(crate) const UNITS: &str = "etc/systemd/system";

/// Reads the generation that `closure` names; `label` is what the user called it.
///
/// # Errors
///
/// Fails where a link leads nowhere, what is there is no NixOS system, or a gate is not as docs/formats.md says.
pub(crate) fn read(
    closure: &Closure,
    label: &str,
    options: &ReadOptions,
) -> Result<Generation, ClosureError> {
    let root = Root::new(&options.root)?;
    let system = toplevel::find(&root, closure, options)?;
    let mut generation = Generation::new(label, Kind::Closure);
    generation.identity = Some(root.inner(&system).to_string_lossy().into_owned());
    let directory = Directory::open(&root, &system)?;
    generation.release = release(&root, &system);
    units::collect(&directory, &mut generation)?;
    if options.scripts {
        scripts::fill(&root, &mut generation);
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

/// Whether a place is a directory with a system's units.
pub(crate) fn is_system(root: &Root, place: &Path) -> bool {
    root.resolve(&place.join(UNITS)).is_ok_and(|units| units.is_dir())
}

fn release(root: &Root, system: &Path) -> Setting<crate::model::Release> {
    const LIMIT: u64 = 4096;
    let unknown = |reason: String| Setting::Unknown(Unknown { reason, at: None });
    let file = match root.resolve(&system.join("nixos-version")) {
        Ok(file) => file,
        Err(PathError::Absent { .. }) => return Setting::Unset,
        Err(error) => return unknown(error.to_string()),
    };
    match file::read(&file, LIMIT) {
        Ok(bytes) => match String::from_utf8_lossy(&bytes).parse() {
            Ok(release) => Setting::Set(release),
            Err(error) => unknown(error.to_string()),
        },
        Err(error) => unknown(error.to_string()),
    }
}

/// The directory of a system's units.
struct Directory<'r> {
    root: &'r Root,
    place: PathBuf,
    entries: BTreeMap<UnitName, Entry>,
    /// The names of `<unit>.d` directories.
    drop_ins: BTreeSet<OsString>,
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
        let io = |problem: std::io::Error| match problem.kind() {
            std::io::ErrorKind::NotADirectory => not_a_closure(),
            _ => ClosureError::Io {
                file: place.clone(),
                problem,
            },
        };
        let mut links = BTreeMap::new();
        let mut drop_ins = BTreeSet::new();
        // A server has hundreds of units: from its directory a link is read in half the time that its whole path takes.
        let system = |problem: Errno| io(problem.into());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(&place, flags, Mode::empty()).map_err(system)?;
        for entry in Dir::read_from(&directory).map_err(system)? {
            let entry = entry.map_err(system)?;
            let name = entry.file_name();
            let Ok(text) = name.to_str() else { continue };
            if text.ends_with(".service.d") {
                drop_ins.insert(OsString::from(text));
            } else if let (true, Ok(unit)) = (text.ends_with(".service"), text.parse::<UnitName>()) {
                let target = match readlinkat(&directory, name, Vec::new()) {
                    Ok(target) => Some(PathBuf::from(OsString::from_vec(target.into_bytes()))),
                    Err(Errno::INVAL) => None,
                    Err(problem) => return Err(system(problem)),
                };
                links.insert(unit, target);
            }
        }
        let entries = links.iter().map(|(unit, target)| {
            let target = target.as_deref();
            let found = target.map_or(Entry::Unit, |target| entry(root, &place, &links, unit, target));
            (unit.clone(), found)
        });
        let entries = entries.collect();
        Ok(Self {
            root,
            place,
            entries,
            drop_ins,
        })
    }

    fn read(&self, place: &Path) -> Result<UnitText, ClosureError> {
        let file = self.root.resolve(place)?;
        let bytes = match self.root.is_null(&file) {
            // Another root need not have it.
            true => Vec::new(),
            false => file::read(&file, unit_file::MAX_FILE)?,
        };
        let file = self.root.inner(&file).to_string_lossy().into_owned();
        Ok(UnitText { file, bytes })
    }
}

/// What a name in the directory of units is, by its link: NixOS links a disabled unit to `/dev/null` through a store path
/// of its own, `…-disabled`, and writes an alias as a link to a name beside it (nixos/lib/systemd-lib.nix).
fn entry(
    root: &Root,
    directory: &Path,
    links: &BTreeMap<UnitName, Option<PathBuf>>,
    unit: &UnitName,
    target: &Path,
) -> Entry {
    let other = target.to_str().filter(|&target| target != unit.as_str());
    if other.is_some_and(|other| links.contains_key(other)) {
        return Entry::Alias;
    }
    let parent = target.parent().unwrap_or(Path::new(""));
    let disabled = || {
        let place = root.resolve(&directory.join(unit.as_str()));
        place.is_ok_and(|place| root.is_null(&place))
    };
    match target == Path::new("/dev/null") || parent.to_string_lossy().ends_with("-disabled") && disabled() {
        true => Entry::Masked,
        false => Entry::Unit,
    }
}

impl Units for Directory<'_> {
    type Error = ClosureError;

    fn entries(&self) -> &BTreeMap<UnitName, Entry> {
        &self.entries
    }

    fn text(&self, unit: &UnitName) -> Result<UnitText, ClosureError> {
        self.read(&self.place.join(unit.as_str()))
    }

    fn drop_ins(&self, unit: &UnitName) -> Result<Vec<UnitText>, ClosureError> {
        let name = OsString::from(format!("{unit}.d"));
        if !self.drop_ins.contains(&name) {
            return Ok(Vec::new());
        }
        let place = self.root.resolve(&self.place.join(name))?;
        let io = |problem| ClosureError::Io {
            file: place.clone(),
            problem,
        };
        let mut files = BTreeSet::new();
        for entry in std::fs::read_dir(&place).map_err(io)? {
            let path = entry.map_err(io)?.path();
            if path.extension().is_some_and(|extension| extension == "conf") {
                files.insert(path);
            }
        }
        files.iter().map(|file| self.read(file)).collect()
    }

    fn script(&self, _: &UnitName, path: &str) -> Option<String> {
        let words = scripts::words(self.root, path).ok()?;
        words.starts_with("#!").then_some(words)
    }
}

#[cfg(test)]
mod tests;
