//! Owns the copy of one directory with all that is in it, of any depth and size, by descriptors: what is renamed, replaced or
//! planted while it runs leads nowhere else. It keeps a bounded number of descriptors open and does not recurse.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::vec;

use rustix::fs::{self, AtFlags, FileType, Mode, Statx, StatxAttributes};
use rustix::io::Errno;

use super::at::{self, Entry, Identity};
use super::attributes::{Attributes, copy_flags_before_data};
use super::data::{Data, Fault};
use super::error::BackupError;
use super::walk::{HELD, Side, errno};
use super::{Done, Watch};
use crate::fault;

/// A directory where files with several names are found by inode while they are copied.
pub(super) const LINKS: &CStr = c"links";

/// Copies directories, one after the other. Files with several names keep them, across all that one of these copies.
#[derive(Debug)]
pub(super) struct Copier<'a> {
    watch: &'a Watch<'a>,
    attributes: Attributes,
    data: Data,
    /// How many names of a file are still to come, by where it was first found.
    linked: HashMap<Identity, u64>,
    /// Where those files are, by inode.
    pool: OwnedFd,
    /// What must not be met: the backup itself.
    never: Identity,
    /// How many names the longest of the paths has that are not copied: deeper down, none is looked for.
    deepest: usize,
    done: Done,
}

/// What to copy, and what not.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    /// The directory, and its path for messages.
    pub(super) from: &'a OwnedFd,
    pub(super) path: &'a Path,
    /// Where to: a directory that is made.
    pub(super) into: &'a OwnedFd,
    pub(super) name: &'a CStr,
    /// Relative paths that are not copied.
    pub(super) without: &'a BTreeSet<PathBuf>,
    /// Relative paths where another mount may begin.
    pub(super) mounts: &'a BTreeSet<PathBuf>,
}

impl<'a> Tree<'a> {
    /// All of a directory in which nothing is mounted.
    pub(super) fn all(from: &'a OwnedFd, path: &'a Path, into: &'a OwnedFd, name: &'a CStr) -> Self {
        static NONE: BTreeSet<PathBuf> = BTreeSet::new();
        Self {
            from,
            path,
            into,
            name,
            without: &NONE,
            mounts: &NONE,
        }
    }
}

/// What was met on the way.
#[derive(Debug, Default)]
pub(super) struct Met {
    /// Directories where a subvolume begins, relative.
    pub(super) subvolumes: Vec<PathBuf>,
}

/// A directory on the way down.
#[derive(Debug)]
struct Level {
    name: CString,
    from: Side,
    to: Side,
    seen: Statx,
    left: vec::IntoIter<Entry>,
}

impl<'a> Copier<'a> {
    /// One that keeps files with several names in `pool`, a directory on the file system of the copies.
    pub(super) fn new(watch: &'a Watch<'a>, pool: OwnedFd, never: Identity) -> Self {
        Self {
            watch,
            attributes: Attributes::new(),
            data: Data::new(),
            linked: HashMap::new(),
            pool,
            never,
            deepest: 0,
            done: Done::default(),
        }
    }

    /// What was copied so far.
    pub(super) fn done(&self) -> Done {
        self.done
    }

    /// Whether any data were copied.
    pub(super) fn has_copied(&self) -> bool {
        self.data.copied > 0
    }

    /// Whether any data were shared.
    pub(super) fn has_shared(&self) -> bool {
        self.data.shared > 0
    }

    /// Copies a directory.
    pub(super) fn copy(&mut self, tree: &Tree<'_>) -> Result<Met, BackupError> {
        let mut levels = Vec::new();
        let mut met = Met::default();
        let result = self.walk(tree, &mut levels, &mut met);
        result.map(|()| met).map_err(|(name, fault)| {
            let mut path = tree.path.to_owned();
            path.extend(
                levels
                    .iter()
                    .skip(1)
                    .map(|level| OsStr::from_bytes(level.name.to_bytes())),
            );
            path.extend(name.as_deref().map(|name| OsStr::from_bytes(name.to_bytes())));
            explain(fault, path)
        })
    }

    fn walk(
        &mut self,
        tree: &Tree<'_>,
        levels: &mut Vec<Level>,
        met: &mut Met,
    ) -> Result<(), (Option<CString>, Trouble)> {
        self.deepest = depth(tree.without);
        let from = at::open_directory(tree.from, c".").map_err(|error| (None, error.into()))?;
        let root = self
            .descend(from, tree.into, tree.name)
            .map_err(|trouble| (None, trouble))?;
        levels.push(root);
        while let Some(level) = levels.last_mut() {
            let Some(entry) = level.left.next() else {
                self.finish(level).map_err(|trouble| (None, trouble))?;
                let Some(done) = levels.pop() else { break };
                if let Some(above) = levels.last_mut() {
                    let regained = above
                        .from
                        .regain(&done.from)
                        .and_then(|()| above.to.regain(&done.to));
                    regained.map_err(|fault| (None, fault.into()))?;
                }
                continue;
            };
            let depth = levels.len();
            let below = self.entry(tree, levels, &entry, met);
            if let Some(below) = below.map_err(|trouble| (Some(entry.name), trouble))? {
                levels.push(below);
                if let Some(far) = (depth + 1).checked_sub(HELD).and_then(|far| levels.get_mut(far)) {
                    far.from.held = None;
                    far.to.held = None;
                }
            }
        }
        Ok(())
    }

    /// Copies one entry; a directory is only begun.
    fn entry(
        &mut self,
        tree: &Tree<'_>,
        levels: &[Level],
        entry: &Entry,
        met: &mut Met,
    ) -> Result<Option<Level>, Trouble> {
        let Some(level) = levels.last() else {
            return Ok(None);
        };
        let name = entry.name.as_c_str();
        let from = level.from.get()?;
        // Few trees have mounts in them: a path is made only for these.
        let relative = || {
            let above = levels.iter().skip(1).map(|level| level.name.as_c_str());
            above
                .chain([name])
                .map(|name| OsStr::from_bytes(name.to_bytes()))
                .collect::<PathBuf>()
        };
        if levels.len() <= self.deepest && tree.without.contains(&relative()) {
            return Ok(None);
        }
        let kind = match entry.kind {
            FileType::Unknown => at::kind(&at::look_at(from, name)?),
            kind => kind,
        };
        match kind {
            FileType::Directory => {
                let opened = at::open_directory(from, name)?;
                let below = self.descend(opened, level.to.get()?, name)?;
                let (above, here) = (at::volume(&level.seen), at::volume(&below.seen));
                if above.mount != here.mount && !tree.mounts.contains(&relative()) {
                    return Err(Trouble::Refused("was mounted while the backup was made"));
                }
                if above.mount == here.mount && above.device != here.device {
                    met.subvolumes.push(relative());
                }
                Ok(Some(below))
            }
            FileType::RegularFile => self.file(level, name).map(|()| None),
            _ => self.special(level, name).map(|()| None),
        }
    }

    fn descend(&mut self, from: OwnedFd, into: impl AsFd, name: &CStr) -> Result<Level, Trouble> {
        let seen = at::look(&from)?;
        let identity = at::identity(&seen);
        if identity == self.never {
            return Err(Trouble::Refused("is the backup itself"));
        }
        guard(&seen).map_err(Trouble::Refused)?;
        let left = at::entries(&from).map_err(|error| errno(&error))?;
        let to = at::make_directory(into, name)?;
        if is_btrfs_like(&seen) {
            copy_flags_before_data(&from, &to)?;
        }
        let made = at::look(&to)?;
        Ok(Level {
            name: name.to_owned(),
            from: Side::new(from, &seen),
            to: Side::new(to, &made),
            seen,
            left: left.into_iter(),
        })
    }

    /// Gives a directory whose entries are all there its attributes.
    fn finish(&mut self, level: &Level) -> Result<(), Trouble> {
        let from = level.from.get()?;
        unchanged(&level.seen, &at::look(from)?)?;
        self.attributes.copy(from, &level.seen, level.to.get()?)?;
        self.done.files += 1;
        self.tick()
    }

    fn file(&mut self, level: &Level, name: &CStr) -> Result<(), Trouble> {
        let file = at::open_file(level.from.get()?, name)?;
        let seen = at::look(&file)?;
        if at::kind(&seen) != FileType::RegularFile {
            return Err(Fault::Changed.into());
        }
        guard(&seen).map_err(Trouble::Refused)?;
        same_mount(level, &seen)?;
        let target = level.to.get()?;
        if self.is_linked(&seen, target, name)? {
            return self.count();
        }
        let copy = at::make_file(target, name)?;
        if is_btrfs_like(&seen) {
            copy_flags_before_data(&file, &copy)?;
        }
        let (watch, done) = (self.watch, &mut self.done);
        self.data.copy(&file, &seen, &copy, &mut |bytes| {
            done.bytes += bytes;
            (watch.progress)(*done);
            !(watch.stop)()
        })?;
        self.attributes.copy(&file, &seen, &copy)?;
        unchanged(&seen, &at::look(&file)?)?;
        self.remember(&seen, target, name)?;
        self.count()
    }

    /// A link, FIFO, socket or device, which is made anew and never opened.
    fn special(&mut self, level: &Level, name: &CStr) -> Result<(), Trouble> {
        let from = level.from.get()?;
        let seen = at::look_at(from, name)?;
        guard(&seen).map_err(Trouble::Refused)?;
        same_mount(level, &seen)?;
        let target = level.to.get()?;
        if self.is_linked(&seen, target, name)? {
            return self.count();
        }
        match at::kind(&seen) {
            FileType::Symlink => {
                let text = fs::readlinkat(from, name, Vec::new())?;
                fs::symlinkat(text, target, name)?;
            }
            kind
            @ (FileType::Fifo | FileType::Socket | FileType::CharacterDevice | FileType::BlockDevice) => {
                let device = fs::makedev(seen.stx_rdev_major, seen.stx_rdev_minor);
                fs::mknodat(target, name, kind, Mode::RUSR | Mode::WUSR, device)?;
            }
            _ => return Err(Fault::Changed.into()),
        }
        self.attributes.copy_named((from, name), &seen, (target, name))?;
        unchanged(&seen, &at::look_at(from, name)?)?;
        self.remember(&seen, target, name)?;
        self.count()
    }

    /// Gives a file that was copied under another name this one too, and says whether it was.
    fn is_linked(&mut self, seen: &Statx, target: &OwnedFd, name: &CStr) -> Result<bool, Errno> {
        if seen.stx_nlink < 2 {
            return Ok(false);
        }
        let identity = at::identity(seen);
        let Some(left) = self.linked.get_mut(&identity) else {
            return Ok(false);
        };
        let pooled = pooled(identity);
        match *left {
            // The last name takes the place of the one in the pool.
            1 => {
                fs::renameat(&self.pool, &pooled, target, name)?;
                self.linked.remove(&identity);
            }
            _ => {
                fs::linkat(&self.pool, &pooled, target, name, AtFlags::empty())?;
                *left -= 1;
            }
        }
        Ok(true)
    }

    /// Keeps a file that has more names than the one under which it was copied.
    fn remember(&mut self, seen: &Statx, target: &OwnedFd, name: &CStr) -> Result<(), Errno> {
        if seen.stx_nlink > 1 {
            let identity = at::identity(seen);
            fs::linkat(target, name, &self.pool, pooled(identity), AtFlags::empty())?;
            self.linked.insert(identity, u64::from(seen.stx_nlink) - 1);
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), Trouble> {
        self.done.files += 1;
        fault::point("backup-half").map_err(|error| errno(&error))?;
        self.tick()
    }

    fn tick(&self) -> Result<(), Trouble> {
        (self.watch.progress)(self.done);
        match (self.watch.stop)() {
            true => Err(Fault::Stopped.into()),
            false => Ok(()),
        }
    }

    /// Lets go of the files of which not all names were met: the others are outside.
    pub(super) fn forget_links(&mut self) -> Result<(), Errno> {
        for (identity, _) in self.linked.drain() {
            fs::unlinkat(&self.pool, pooled(identity), AtFlags::empty())?;
        }
        Ok(())
    }
}

/// What stops a copy.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Fault(Fault),
    Refused(&'static str),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Errno> for Trouble {
    fn from(error: Errno) -> Self {
        Self::Fault(Fault::Call(error))
    }
}

fn explain(trouble: Trouble, path: PathBuf) -> BackupError {
    match trouble {
        Trouble::Refused(why) => BackupError::refused(path, why),
        Trouble::Fault(Fault::Stopped) => BackupError::Stopped,
        // It was there, and of this kind, when its directory was read.
        Trouble::Fault(
            Fault::Changed
            | Fault::Call(Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::NXIO | Errno::NODATA),
        ) => BackupError::Changed { path },
        Trouble::Fault(Fault::Call(error)) => BackupError::io("copy", path)(error),
    }
}

fn pooled(identity: Identity) -> String {
    let Identity { device, inode } = identity;
    format!("{:x}-{:x}-{inode:x}", device.0, device.1)
}

/// How many names the longest of some paths has.
pub(super) fn depth(paths: &BTreeSet<PathBuf>) -> usize {
    paths
        .iter()
        .map(|path| path.components().count())
        .max()
        .unwrap_or(0)
}

/// Says why a file could not be brought back.
pub(super) fn guard(seen: &Statx) -> Result<(), &'static str> {
    match seen.stx_attributes {
        flags if flags.contains(StatxAttributes::IMMUTABLE) => {
            Err("is immutable (chattr +i): it could not be brought back")
        }
        flags if flags.contains(StatxAttributes::APPEND) => {
            Err("can only be appended to (chattr +a): it could not be brought back")
        }
        flags if flags.contains(StatxAttributes::VERITY) => {
            Err("is sealed by fs-verity: it could not be brought back")
        }
        _ => Ok(()),
    }
}

/// A single file may be a mount, too: swapping its directory would take it away.
fn same_mount(level: &Level, seen: &Statx) -> Result<(), Trouble> {
    match at::volume(&level.seen).mount == at::volume(seen).mount {
        true => Ok(()),
        false => Err(Trouble::Refused(
            "is a file that is mounted there: it could not be brought back",
        )),
    }
}

fn unchanged(before: &Statx, after: &Statx) -> Result<(), Fault> {
    let time = |time: fs::StatxTimestamp| (time.tv_sec, time.tv_nsec);
    let facts = |seen: &Statx| (seen.stx_size, time(seen.stx_mtime), time(seen.stx_ctime));
    match facts(before) == facts(after) {
        true => Ok(()),
        false => Err(Fault::Changed),
    }
}

/// Whether files may have flags that decide how their data are stored: only btrfs has both subvolume numbers and those.
fn is_btrfs_like(seen: &Statx) -> bool {
    // Devices without a number of their own: btrfs, and some that have no such flags, where asking does no harm.
    seen.stx_dev_major == 0
}
