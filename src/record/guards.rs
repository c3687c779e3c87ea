//! Owns the guards of services on disk: a unit that asks nixmig before a service starts, and drop-ins by which the service's units
//! wait for it. They lie in `/etc/systemd/system.control`, which systemd reads before the units of any generation, so that they
//! hold in generations that have no gate of the service, or one that this nixmig did not write.
//!
//! Each file is made under another name, flushed and renamed, the unit before the drop-ins that need it; they go the other way
//! round. No link is followed. Which service needs a guard is not decided here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, StatVfsMountFlags};
use rustix::io::Errno;

use super::handover::{self, BIN};
use super::lasting::memory;
use super::place::{StateDir, flush, in_the_way, open_directory, plain, trusted};
use super::{Place, RecordError};
use crate::fault;
use crate::model::{ServiceName, UnitName};

/// What the name of every guard's unit begins with; the service's comes after it.
pub(crate) const PREFIX: &str = "nixmig-guard-";

/// How every directory is opened.
const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// The modes of what systemd reads.
const FOR_ALL: (Mode, Mode) = (Mode::from_raw_mode(0o755), Mode::from_raw_mode(0o644));

/// A guard, as it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard<'a> {
    /// Whose.
    pub service: &'a ServiceName,
    /// The units that may not start before it was asked: those of every definition that is kept.
    pub units: BTreeSet<UnitName>,
    /// Units that are to be up while it walks.
    pub requires: BTreeSet<UnitName>,
    /// The state directories, whose file systems have to be there.
    pub directories: BTreeSet<String>,
    /// The program that asks, where none is kept in the state directory.
    pub program: &'a Path,
}

/// A guard, as it was found: perhaps not all of it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Found {
    /// Its unit, where that is there.
    pub unit: Option<PathBuf>,
    /// The units that wait for it.
    pub units: BTreeSet<UnitName>,
}

/// Puts a guard in place, with all of it on disk; what is there already stays: units that waited for it before wait for it until it
/// is removed, as a generation that was kept from them then may be started still. Whether anything was changed, so that systemd
/// has to read its units again.
///
/// # Errors
///
/// Fails where it cannot be, or would not last.
pub fn put(place: &Place, guard: &Guard<'_>) -> Result<bool, RecordError> {
    let state = StateDir::make(&place.state_dir)?;
    let _alone = state.alone()?;
    lasting(&place.guards)?;
    let top = made(&place.guards)?;
    let name = unit_name(guard.service);
    let found = list(place)?.remove(guard.service).unwrap_or_default();
    let guard = Guard {
        units: guard.units.union(&found.units).cloned().collect(),
        requires: guard.requires.clone(),
        directories: guard.directories.clone(),
        ..*guard
    };
    let mut changed = written(&top, &place.guards, &name, &unit(place, &state.path, &guard))?;
    reached("guard-unit-written", &place.guards)?;
    let drop_in = format!("# Kept by nixmig, see {name}.\n[Unit]\nRequires={name}\nAfter={name}\n");
    for unit in &guard.units {
        let directory = format!("{unit}.d");
        let path = place.guards.join(&directory);
        let inside = made_in(&top, &place.guards, &directory)?;
        changed |= written(&inside, &path, &drop_in_name(guard.service), &drop_in)?;
        reached("guard-drop-in-written", &path)?;
    }
    Ok(changed)
}

/// Takes a guard away, and directories that it leaves empty. Whether there was anything of it.
///
/// # Errors
///
/// Fails where something of it cannot be removed.
pub fn remove(place: &Place, service: &ServiceName) -> Result<bool, RecordError> {
    let Some(found) = list(place)?.remove(service) else {
        return Ok(false);
    };
    let state = StateDir::make(&place.state_dir)?;
    let _alone = state.alone()?;
    let Some(top) = opened(&place.guards)? else {
        return Ok(false);
    };
    for unit in &found.units {
        remove_drop_in(&top, &place.guards, unit, service)?;
        reached("guard-drop-in-removed", &place.guards)?;
    }
    let own = unit_name(service);
    unlink(&top, &place.guards, &temporary(&own))?;
    unlink(&top, &place.guards, &own)?;
    flush(&top, &place.guards)?;
    Ok(true)
}

/// All guards that there are something of. Makes and changes nothing.
///
/// # Errors
///
/// Fails where they cannot be looked for.
pub fn list(place: &Place) -> Result<BTreeMap<ServiceName, Found>, RecordError> {
    let mut guards: BTreeMap<ServiceName, Found> = BTreeMap::new();
    let Some(top) = opened(&place.guards)? else {
        return Ok(guards);
    };
    for (name, kind) in entries(&top, &place.guards)? {
        if let Some(service) = named(&name, PREFIX, ".service") {
            guards.entry(service).or_default().unit = Some(place.guards.join(&name));
            continue;
        }
        let unit = name
            .strip_suffix(".d")
            .and_then(|unit| unit.parse::<UnitName>().ok());
        let (Some(unit), FileType::Directory) = (unit, kind) else {
            continue;
        };
        let path = place.guards.join(&name);
        let inside = match rustix::fs::openat(&top, name.as_str(), DIRECTORY, Mode::empty()) {
            Ok(inside) => inside,
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(RecordError::io("opened", &path, error)),
        };
        for (name, _) in entries(&inside, &path)? {
            if let Some(service) = named(&name, "50-nixmig-", ".conf") {
                guards.entry(service).or_default().units.insert(unit.clone());
            }
        }
    }
    Ok(guards)
}

/// Whether guards that are made there hold after the next boot, too. Makes and changes nothing.
///
/// # Errors
///
/// Fails where they would not, and says why.
pub fn lasting(guards: &Path) -> Result<(), RecordError> {
    let mut above = guards.ancestors();
    let there = above.find(|path| path.is_dir()).unwrap_or(Path::new("/"));
    let path = || guards.to_owned();
    let directory = open_directory(there)?;
    let read = |error: Errno| RecordError::io("read", there, error);
    let stat = rustix::fs::fstatvfs(&directory).map_err(read)?;
    if stat.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Err(RecordError::ReadOnly(path()));
    }
    if let Some(filesystem) = memory(&directory).map_err(read)? {
        return Err(RecordError::Memory {
            path: path(),
            filesystem,
        });
    }
    // Where nobody tells what is mounted, there is nothing to go by.
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    match std::fs::canonicalize(there).is_ok_and(|there| is_overlaid(&there, &mounts)) {
        true => Err(RecordError::Overlaid(path())),
        false => Ok(()),
    }
}

/// Whether a path is on an overlay that is not the whole root: that of `system.etc.overlay`, say, which generations without it do not
/// mount, so that they do not see what is written there. `mounts` is proc_pid_mountinfo(5).
pub(super) fn is_overlaid(path: &Path, mounts: &str) -> bool {
    let mut nearest: Option<(&Path, bool)> = None;
    for line in mounts.lines() {
        let Some((mount, system)) = line.split_once(" - ") else {
            continue;
        };
        let point = mount.split(' ').nth(4).map(Path::new);
        let Some(point) = point.filter(|point| path.starts_with(point)) else {
            continue;
        };
        // A later mount at the same place hides the one before.
        if nearest.is_none_or(|(before, _)| point.starts_with(before)) {
            nearest = Some((point, system.starts_with("overlay ")));
        }
    }
    nearest.is_some_and(|(point, overlay)| overlay && point != Path::new("/"))
}

/// The unit that is asked before a service starts.
fn unit_name(service: &ServiceName) -> String {
    format!("{PREFIX}{service}.service")
}

/// The drop-in of a unit; another service may have one of the same unit.
fn drop_in_name(service: &ServiceName) -> String {
    format!("50-nixmig-{service}.conf")
}

/// The name of a file that is not in place yet: systemd reads none that ends so.
fn temporary(name: &str) -> String {
    format!(".{name}.new")
}

/// The service that is named between these.
fn named(name: &str, prefix: &str, suffix: &str) -> Option<ServiceName> {
    name.strip_prefix(prefix)?.strip_suffix(suffix)?.parse().ok()
}

/// The text of the unit. It ends as slowly as a gate does, since it walks as one.
fn unit(place: &Place, state_dir: &Path, guard: &Guard<'_>) -> String {
    let Guard {
        service,
        units,
        requires,
        directories,
        program,
    } = guard;
    let program = match handover::kept(place) {
        Some(_) => state_dir.join(BIN).join("nixmig"),
        None => (*program).to_owned(),
    };
    let list = |key: &str, words: Vec<String>| match words.is_empty() {
        true => String::new(),
        false => format!("{key}={}\n", words.join(" ")),
    };
    // Instances order themselves, by the drop-in of their template.
    let before = units.iter().filter(|unit| !unit.as_str().contains("@."));
    let before = list("Before", before.map(ToString::to_string).collect());
    // What waits for the guard is not waited for: one generation may require what another gates.
    let requires = requires.iter().filter(|unit| !unit.is_of(units));
    let requires: Vec<_> = requires.map(ToString::to_string).collect();
    let after = list("Wants", requires.clone()) + &list("After", requires);
    let mounts = [state_dir.to_string_lossy().into_owned()];
    let mounts = mounts.iter().chain(directories.iter()).map(|path| quoted(path));
    let mounts = list("RequiresMountsFor", mounts.collect());
    let word = |path: &Path| {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        quoted(&path.to_string_lossy()).replace('$', "$$")
    };
    let (program, state_dir, gc_roots, guards) = (
        word(&program),
        word(state_dir),
        word(&place.gc_roots),
        word(&place.guards),
    );
    format!(
        "# Kept by nixmig while this machine can start a generation that has no gate of its own for {service}.\n\
         # `nixmig generations` lists them, and `nixmig forget {service}` removes it.\n\
         [Unit]\n\
         Description=See that {service} starts only on state that its programs were made for\n\
         {before}{after}{mounts}\
         StartLimitIntervalSec=0\n\
         RefuseManualStop=yes\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         TimeoutStartSec=infinity\n\
         TimeoutStopSec=infinity\n\
         KillMode=mixed\n\
         OOMPolicy=continue\n\
         ExecStart={program} guard {service} --state-dir {state_dir} --gc-roots {gc_roots} --guards {guards}\n"
    )
}

/// A path as a word of a unit file (systemd.syntax(7)); `%` begins a specifier there.
fn quoted(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@:_./+=,~-".contains(&byte);
    match path.bytes().all(plain) {
        true => path.to_owned(),
        false => {
            let escaped = path.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
            format!("\"{escaped}\"")
        }
    }
}

/// A named point at which tests make it fail.
fn reached(point: &str, path: &Path) -> Result<(), RecordError> {
    fault::point(point).map_err(|error| RecordError::io("written", path, error))
}

/// Opens the directory of guards, where it is there.
fn opened(path: &Path) -> Result<Option<OwnedFd>, RecordError> {
    let path: PathBuf = path.components().collect();
    match rustix::fs::open(&path, DIRECTORY, Mode::empty()) {
        Ok(fd) => {
            let stat = rustix::fs::fstat(&fd).map_err(|error| RecordError::io("read", &path, error))?;
            trusted(&path, &stat)?;
            Ok(Some(fd))
        }
        Err(Errno::NOENT) => Ok(None),
        Err(Errno::LOOP | Errno::NOTDIR) => Err(in_the_way(&path)),
        Err(error) => Err(RecordError::io("opened", &path, error)),
    }
}

/// Opens the directory of guards, and makes it and those above it that are missing.
fn made(path: &Path) -> Result<OwnedFd, RecordError> {
    if let Some(fd) = opened(path)? {
        return Ok(fd);
    }
    let parent = path
        .parent()
        .ok_or_else(|| RecordError::NoParent(path.to_owned()))?;
    if !parent.is_dir() {
        made(parent)?;
    }
    match rustix::fs::mkdir(path, FOR_ALL.0) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(RecordError::io("made", path, error)),
    }
    flush(&open_directory(parent)?, parent)?;
    opened(path)?.ok_or_else(|| RecordError::NoParent(path.to_owned()))
}

/// Opens a directory in another, which is made where it is missing.
fn made_in(top: &OwnedFd, above: &Path, name: &str) -> Result<OwnedFd, RecordError> {
    let path = above.join(name);
    match rustix::fs::mkdirat(top, name, FOR_ALL.0) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(RecordError::io("made", &path, error)),
    }
    // One that is there may have been made a moment ago, by one that died before it was on disk.
    flush(top, above)?;
    let fd = match rustix::fs::openat(top, name, DIRECTORY, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::LOOP | Errno::NOTDIR) => return Err(in_the_way(&path)),
        Err(error) => return Err(RecordError::io("opened", &path, error)),
    };
    let stat = rustix::fs::fstat(&fd).map_err(|error| RecordError::io("read", &path, error))?;
    trusted(&path, &stat)?;
    Ok(fd)
}

/// Has a file say this, at once and durably. Whether it said anything else before.
fn written(directory: &OwnedFd, path: &Path, name: &str, text: &str) -> Result<bool, RecordError> {
    let file = path.join(name);
    let error = |doing, error: std::io::Error| RecordError::io(doing, &file, error);
    let there = match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => plain(&file, &stat).is_ok() && contents(directory, name).is_some_and(|is| is == text),
        Err(Errno::NOENT) => false,
        Err(errno) => return Err(error("read", errno.into())),
    };
    if !there {
        let temporary = temporary(name);
        unlink(directory, path, &temporary)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(directory, temporary.as_str(), flags, FOR_ALL.1)
            .map_err(|errno| error("made", errno.into()))?;
        // The mode that is asked for goes through the umask.
        rustix::fs::fchmod(&fd, FOR_ALL.1).map_err(|errno| error("made", errno.into()))?;
        let mut new = File::from(fd);
        new.write_all(text.as_bytes())
            .map_err(|source| error("written", source))?;
        flush(&new, &file)?;
        reached("guard-half-written", &file)?;
        rustix::fs::renameat(directory, temporary.as_str(), directory, name)
            .map_err(|errno| error("made", errno.into()))?;
    }
    flush(directory, path)?;
    Ok(!there)
}

/// What a file says; none where that cannot be read.
fn contents(directory: &OwnedFd, name: &str) -> Option<String> {
    const LARGEST: u64 = 1 << 20;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(directory, name, flags, Mode::empty()).ok()?;
    let mut text = String::new();
    File::from(fd).take(LARGEST).read_to_string(&mut text).ok()?;
    Some(text)
}

fn remove_drop_in(
    top: &OwnedFd,
    above: &Path,
    unit: &UnitName,
    service: &ServiceName,
) -> Result<bool, RecordError> {
    let name = format!("{unit}.d");
    let path = above.join(&name);
    let inside = match rustix::fs::openat(top, name.as_str(), DIRECTORY, Mode::empty()) {
        Ok(inside) => inside,
        Err(Errno::NOENT) => return Ok(false),
        Err(error) => return Err(RecordError::io("opened", &path, error)),
    };
    let own = drop_in_name(service);
    // One that died left it.
    unlink(&inside, &path, &temporary(&own))?;
    let removed = unlink(&inside, &path, &own)?;
    flush(&inside, &path)?;
    // Fails where another service's drop-in is in it, or somebody else's.
    if rustix::fs::unlinkat(top, name.as_str(), AtFlags::REMOVEDIR).is_ok() {
        flush(top, above)?;
    }
    Ok(removed)
}

/// Removes a name; whether it was there.
fn unlink(directory: &impl AsFd, path: &Path, name: &str) -> Result<bool, RecordError> {
    match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(RecordError::io("removed", &path.join(name), error)),
    }
}

/// The names in a directory, sorted, with what they are.
fn entries(directory: &OwnedFd, path: &Path) -> Result<BTreeMap<String, FileType>, RecordError> {
    let error = |error: Errno| RecordError::io("read", path, error);
    let mut names = BTreeMap::new();
    for entry in Dir::read_from(directory).map_err(error)? {
        let entry = entry.map_err(error)?;
        if let Ok(name) = entry.file_name().to_str() {
            let kind = match entry.file_type() {
                FileType::Unknown => rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode)),
                kind => kind,
            };
            names.insert(name.to_owned(), kind);
        }
    }
    Ok(names)
}
