//! Owns what keeps the garbage collector off what may be needed yet: links to store paths below `--gc-roots`. Each is made
//! before it can be needed, and durable.
//!
//! `<service>/definition-<16 hex>`: a gate's unit file, and through it all its scripts. `<service>/package`: what last ran the
//! state. `.nixmig`: the newest nixmig; no service has such a name. The plain link `bin` in the state directory leads to its
//! programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::handover::{self, BIN, store_object};
use super::place::{StateDir, flush, open_directory};
use super::view::View;
use super::{Place, RecordError};
use crate::model::{Definition, ServiceName, compare_versions};

/// The link to the newest nixmig.
const PROGRAM: &str = ".nixmig";

/// The link to the package that last ran the state.
const PACKAGE: &str = "package";

/// What the names of links to definitions begin with.
const DEFINITION: &str = "definition-";

/// The name of a link that is not in place yet.
const TEMPORARY: &str = ".new";

/// The largest unit file that is taken over.
const LARGEST: u64 = 16 << 20;

/// Keeps a definition: the unit file, its scripts, their `path` and the package.
///
/// # Errors
///
/// Fails where there is no Nix, where the unit file is not there, and where the link cannot be made.
pub fn keep(place: &Place, service: &ServiceName, definition: &Definition) -> Result<(), RecordError> {
    keep_as(
        place,
        service,
        &definition_name(&definition.unit),
        &definition.unit,
    )
}

/// Keeps the package that last ran the state, in place of the one before.
///
/// # Errors
///
/// Fails where there is no Nix, where the package is not there, and where the link cannot be made.
pub fn keep_package(place: &Place, service: &ServiceName, package: &str) -> Result<(), RecordError> {
    keep_as(place, service, PACKAGE, package)
}

/// Keeps a nixmig that is in a store, unless a newer one is kept already: by a GC root, and by the link `bin` in the state
/// directory. One that is in no store is nobody's to collect.
///
/// # Errors
///
/// Fails where there is no Nix though the program is in a store, and where a link cannot be made.
pub fn keep_program(place: &Place, program: &Path) -> Result<(), RecordError> {
    let program = fs::canonicalize(program).map_err(|error| RecordError::io("found", program, error))?;
    let (Some(object), Some(directory)) = (store_object(&program), program.parent()) else {
        return Ok(());
    };
    let dir = StateDir::make(&place.state_dir)?;
    let _alone = dir.alone()?;
    if let Some(kept) = handover::kept(place).and_then(|kept| store_object(&kept))
        && compare_versions(version(&kept), version(&object)).is_gt()
    {
        return Ok(());
    }
    let roots = Roots::make(&place.gc_roots)?;
    link(&roots.fd, &roots.path, PROGRAM, &object)?;
    link(&dir, &dir.path, BIN, directory)
}

/// The version in the name of a store object: `1.2` of `HASH-nixmig-1.2`.
fn version(object: &Path) -> &str {
    let name = object
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    name.split_once("-nixmig-").map_or("", |(_, version)| version)
}

/// Drops what nothing needs any more of a service that the record knows, or was told to forget: definitions that it does not
/// keep, packages that do not run the state. What is there of one that it does not know is the trace of a record that was lost.
///
/// Whoever calls this holds the lock of the service: what is kept is recorded a moment later, and nobody else may take it for
/// needless in between.
///
/// # Errors
///
/// Fails where a link cannot be removed.
pub fn prune(place: &Place, view: &View, service: &ServiceName) -> Result<(), RecordError> {
    remove(place, |root| {
        if root.service != *service {
            return false;
        }
        let Some(recorded) = view.services.get(&root.service) else {
            let unmet = view.unmet.get(&root.service);
            return unmet.is_some_and(|unmet| unmet.sequence > 0 && !unmet.lost);
        };
        let is = |target: Option<&str>| target == root.target.to_str();
        match root.kind {
            RootKind::Definition => !view
                .definitions
                .get(&root.service)
                .is_some_and(|kept| kept.keys().any(|unit| is(Some(unit)))),
            RootKind::Package => !is(recorded.package.as_deref()),
        }
    })
}

/// Drops the definitions of a service whose downs no generation that can be booted may need: none lacks anything that is
/// applied.
///
/// # Errors
///
/// Fails where a link cannot be removed.
pub fn let_go(place: &Place, service: &ServiceName) -> Result<(), RecordError> {
    remove(place, |root| {
        root.service == *service && root.kind == RootKind::Definition
    })
}

/// A link that keeps something of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Of which service.
    pub service: ServiceName,
    /// What it keeps.
    pub kind: RootKind,
    /// The link.
    pub link: PathBuf,
    /// The store path that it leads to.
    pub target: PathBuf,
}

/// What a link keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootKind {
    /// A definition, by its unit file.
    Definition,
    /// The package that last ran the state.
    Package,
}

/// All links that keep something of services. Makes and changes nothing; where there are none, there may be no directory.
///
/// # Errors
///
/// Fails where they cannot be read.
pub fn list(place: &Place) -> Result<Vec<Root>, RecordError> {
    match Roots::look(&place.gc_roots)? {
        Some(roots) => Ok(roots.list()?.into_iter().flat_map(|(_, links)| links).collect()),
        None => Ok(Vec::new()),
    }
}

/// The links of each service: where the record does not know it, they are traces of one that was lost.
///
/// # Errors
///
/// Fails where they cannot be read.
pub fn traces(place: &Place) -> Result<BTreeMap<ServiceName, Vec<Root>>, RecordError> {
    let mut traces: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for root in list(place)? {
        traces.entry(root.service.clone()).or_default().push(root);
    }
    Ok(traces)
}

/// The definitions that are kept, of each service. The generation that each is of is not known: it is empty.
///
/// A definition that cannot be read is left out; its link stays.
///
/// # Errors
///
/// Fails where the links cannot be read.
pub fn definitions(place: &Place) -> Result<BTreeMap<ServiceName, Vec<Definition>>, RecordError> {
    let mut definitions: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for root in list(place)? {
        let text = || {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let file = File::from(rustix::fs::open(&root.target, flags, Mode::empty()).ok()?);
            let metadata = file.metadata().ok()?;
            let mut text = String::new();
            let fits = metadata.is_file() && metadata.len() <= LARGEST;
            fits.then(|| file.take(LARGEST).read_to_string(&mut text).ok())??;
            Some(text)
        };
        if root.kind == RootKind::Definition
            && let (Some(text), Some(unit)) = (text(), root.target.to_str())
        {
            let definition = Definition {
                unit: unit.to_owned(),
                text,
                generation: String::new(),
            };
            definitions.entry(root.service).or_default().push(definition);
        }
    }
    Ok(definitions)
}

/// The name of the link to a definition.
fn definition_name(unit: &str) -> String {
    let digest = Sha256::digest(unit.as_bytes());
    let hex = digest.iter().take(8).map(|byte| format!("{byte:02x}"));
    format!("{DEFINITION}{}", hex.collect::<String>())
}

fn keep_as(place: &Place, service: &ServiceName, name: &str, target: &str) -> Result<(), RecordError> {
    let path = Path::new(target);
    if store_object(path).is_none() || fs::symlink_metadata(path).is_err() {
        return Err(RecordError::NotInStore(target.to_owned()));
    }
    let dir = StateDir::make(&place.state_dir)?;
    let _alone = dir.alone()?;
    let roots = Roots::make(&place.gc_roots)?;
    let directory = roots.service(service)?;
    link(&directory, &roots.path.join(service.as_str()), name, path)
}

/// Has a link in a directory lead to a target, at once and durably. Nobody else may do so at the same time.
fn link(directory: &impl AsFd, path: &Path, name: &str, target: &Path) -> Result<(), RecordError> {
    let error = |error: std::io::Error| RecordError::io("made", &path.join(name), error);
    if rustix::fs::readlinkat(directory, name, Vec::new())
        .is_ok_and(|is| is.as_bytes() == target.as_os_str().as_encoded_bytes())
    {
        // It may have been made a moment ago by one that died before it was on disk.
        return flush(directory, path);
    }
    // One that died left it.
    match rustix::fs::unlinkat(directory, TEMPORARY, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(error(errno.into())),
    }
    rustix::fs::symlinkat(target, directory, TEMPORARY).map_err(|errno| error(errno.into()))?;
    rustix::fs::renameat(directory, TEMPORARY, directory, name).map_err(|errno| error(errno.into()))?;
    flush(directory, path)
}

/// Removes the links that are not needed, and directories that they leave empty.
fn remove(place: &Place, needless: impl Fn(&Root) -> bool) -> Result<(), RecordError> {
    let Some(roots) = Roots::look(&place.gc_roots)? else {
        return Ok(());
    };
    let dir = StateDir::make(&place.state_dir)?;
    let _alone = dir.alone()?;
    for (directory, links) in roots.list()? {
        let mut removed = 0;
        for root in links.iter().filter(|root| needless(root)) {
            let name = root.link.file_name().unwrap_or_default();
            match rustix::fs::unlinkat(&directory, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => removed += 1,
                Err(error) => return Err(RecordError::io("removed", &root.link, error)),
            }
        }
        if let Some(root) = links.first()
            && removed == links.len()
        {
            // Fails where something else is in it, which is left alone.
            let _ = rustix::fs::unlinkat(&directory, TEMPORARY, AtFlags::empty());
            let _ = rustix::fs::unlinkat(&roots.fd, root.service.as_str(), AtFlags::REMOVEDIR);
        }
    }
    Ok(())
}

/// The directory of the links.
struct Roots {
    fd: OwnedFd,
    path: PathBuf,
}

impl Roots {
    fn look(path: &Path) -> Result<Option<Self>, RecordError> {
        let path: PathBuf = path.components().collect();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(Self { fd, path })),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::LOOP | Errno::NOTDIR) => Err(RecordError::Kind {
                path,
                what: "directory",
            }),
            Err(error) => Err(RecordError::io("opened", &path, error)),
        }
    }

    fn make(path: &Path) -> Result<Self, RecordError> {
        if let Some(roots) = Self::look(path)? {
            return Ok(roots);
        }
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        if !parent.is_dir() {
            return Err(RecordError::NoGcRoots(parent.to_owned()));
        }
        match rustix::fs::mkdir(path, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(RecordError::io("made", path, error)),
        }
        flush(&open_directory(parent)?, parent)?;
        Self::look(path)?.ok_or_else(|| RecordError::NoGcRoots(path.to_owned()))
    }

    /// The directory of a service's links, made where it is missing.
    fn service(&self, service: &ServiceName) -> Result<OwnedFd, RecordError> {
        let path = self.path.join(service.as_str());
        let error = |doing, error: Errno| RecordError::io(doing, &path, error);
        match rustix::fs::mkdirat(&self.fd, service.as_str(), Mode::from_raw_mode(0o755)) {
            Ok(()) => flush(&self.fd, &self.path)?,
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(error("made", errno)),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.fd, service.as_str(), flags, Mode::empty())
            .map_err(|errno| error("opened", errno))
    }

    /// The directory of each service, with its links in the order of their names.
    fn list(&self) -> Result<Vec<(OwnedFd, Vec<Root>)>, RecordError> {
        let mut all = Vec::new();
        for service in names(&self.fd, &self.path)? {
            let Ok(service) = service.parse::<ServiceName>() else {
                continue;
            };
            let path = self.path.join(service.as_str());
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let directory = match rustix::fs::openat(&self.fd, service.as_str(), flags, Mode::empty()) {
                Ok(directory) => directory,
                // Nothing that was made here.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => continue,
                Err(error) => return Err(RecordError::io("opened", &path, error)),
            };
            let mut links = Vec::new();
            for name in names(&directory, &path)? {
                let kind = match name.as_str() {
                    PACKAGE => RootKind::Package,
                    name if name.starts_with(DEFINITION) => RootKind::Definition,
                    _ => continue,
                };
                let Ok(target) = rustix::fs::readlinkat(&directory, name.as_str(), Vec::new()) else {
                    continue;
                };
                links.push(Root {
                    service: service.clone(),
                    kind,
                    link: path.join(&name),
                    target: PathBuf::from(target.to_string_lossy().into_owned()),
                });
            }
            all.push((directory, links));
        }
        Ok(all)
    }
}

/// The names in a directory that could have been made here, sorted.
fn names(directory: &OwnedFd, path: &Path) -> Result<BTreeSet<String>, RecordError> {
    let error = |error: Errno| RecordError::io("read", path, error);
    let mut names = BTreeSet::new();
    for entry in Dir::read_from(directory).map_err(error)? {
        let entry = entry.map_err(error)?;
        let kinds = [FileType::Directory, FileType::Symlink, FileType::Unknown];
        if let (Ok(name), true) = (entry.file_name().to_str(), kinds.contains(&entry.file_type())) {
            names.insert(name.to_owned());
        }
    }
    names.remove(".");
    names.remove("..");
    Ok(names)
}
