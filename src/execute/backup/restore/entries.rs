//! Owns the swap of a directory that must stay the one it is, because it is the root of a mount or subvolume or leads to one: its
//! entries are moved out, then those of the copy are moved in, then it gets the attributes that it had.

use std::collections::BTreeSet;
use std::ffi::{CString, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::super::attributes::{Attributes, unsealing};
use super::super::error::BackupError;
use super::super::manifest::{Root, Stored, Was};
use super::super::mounts::Mount;
use super::super::state::{self, LOST};
use super::super::tree::Tree;
use super::super::{OWN, at, place, point};
use super::area::{Areas, Copiers, Index, rename_new};
use super::whole::at_its_place;
use super::{Phase, Site};

/// A directory that stays.
#[derive(Debug)]
pub(super) struct Region {
    directory: OwnedFd,
    path: PathBuf,
    /// Where it is in the backup.
    stored: PathBuf,
    /// Names in it that are not touched, each of them a directory that stays or no state.
    kept: BTreeSet<PathBuf>,
    /// Where its area is.
    home: Home,
    /// Its name there.
    label: String,
}

/// Where there is room for an area on the same mount and subvolume.
#[derive(Debug)]
enum Home {
    /// In a root, which stays.
    Within(OwnedFd, PathBuf),
    /// Beside the state directory.
    Beside(OwnedFd, PathBuf),
}

/// The directories of a state directory that must stay; none where it can be swapped as a whole.
pub(super) fn regions(
    stored: &Stored,
    index: usize,
    mounts: &[Mount],
) -> Result<Option<Vec<Region>>, BackupError> {
    let Was::Directory {
        stored: name,
        root: before,
        mounts: recorded,
        subvolumes,
        ..
    } = &stored.was
    else {
        return Ok(None);
    };
    let found = at_its_place(stored)?;
    let path = found.path.clone();
    let failed = || BackupError::io("look at", &path);
    let is_there = found.seen.as_ref().is_some_and(|seen| at::kind(seen).is_dir());
    let directory = if is_there { Some(found.open()?) } else { None };
    let now = match &directory {
        Some(directory) => {
            let seen = at::look(directory).map_err(failed())?;
            state::root(directory, &seen).map_err(failed())?
        }
        None => Root::No,
    };
    match (before, now) {
        (Root::Mount, Root::No | Root::Subvolume) => {
            return Err(BackupError::refused(
                path,
                "is not mounted, and was when it was backed up",
            ));
        }
        (Root::No | Root::Subvolume, Root::Mount) => {
            return Err(BackupError::refused(
                path,
                "was mounted since the backup was made",
            ));
        }
        _ => {}
    }
    let volumes = state::volumes(mounts, &path);
    let recorded: BTreeSet<PathBuf> = recorded.iter().map(PathBuf::from).collect();
    if let Some(missing) = recorded.difference(&volumes.mounts).next() {
        let missing = path.join(missing);
        return Err(BackupError::refused(
            missing,
            "is not mounted, and was when it was backed up",
        ));
    }
    if let Some(new) = volumes.mounts.difference(&recorded).next() {
        return Err(BackupError::refused(
            path.join(new),
            "was mounted since the backup was made",
        ));
    }
    let Some(directory) = directory else {
        return Ok(None);
    };

    let mut roots = volumes.mounts.clone();
    for subvolume in subvolumes.iter().map(PathBuf::from) {
        let opened = at::open_below(&directory, &subvolume);
        // One that is gone comes back as a directory.
        if let Ok(opened) = opened
            && at::look(&opened)
                .and_then(|seen| place::is_subvolume(&opened, &seen))
                .map_err(failed())?
        {
            roots.insert(subvolume);
        }
    }
    let stay: BTreeSet<&PathBuf> = roots.union(&volumes.left_out).collect();
    if stay.is_empty() && now == Root::No {
        return Ok(None);
    }
    let above = stay
        .iter()
        .flat_map(|path| path.ancestors().skip(1))
        .map(Path::to_owned);
    let mut all: BTreeSet<PathBuf> = above.chain(roots.iter().cloned()).collect();
    all.insert(PathBuf::new());
    if now != Root::No {
        roots.insert(PathBuf::new());
    }

    let mut regions = Vec::new();
    for relative in &all {
        let full = path.join(relative);
        let open = |relative: &Path| {
            at::open_below(&directory, relative).map_err(BackupError::io("open", path.join(relative)))
        };
        let in_it = all
            .iter()
            .chain(&volumes.left_out)
            .filter(|other| other.parent() == Some(relative));
        let mut kept: BTreeSet<PathBuf> = in_it
            .filter_map(|other| other.file_name())
            .map(PathBuf::from)
            .collect();
        if roots.contains(relative) || relative.as_os_str().is_empty() {
            kept.insert(PathBuf::from(OWN));
        }
        if volumes.mounts.contains(relative) || relative.as_os_str().is_empty() && now == Root::Mount {
            kept.insert(PathBuf::from(LOST));
        }
        let root = relative.ancestors().find(|above| roots.contains(*above));
        let home = match (root, &found.parent) {
            (Some(root), _) => Home::Within(open(root)?, path.join(root)),
            (None, Some(parent)) => {
                let parent = at::open_directory(parent, c".").map_err(failed())?;
                Home::Beside(parent, path.parent().unwrap_or(Path::new("/")).to_owned())
            }
            (None, None) => return Err(failed()(Errno::NOENT)),
        };
        regions.push(Region {
            directory: open(relative)?,
            path: full,
            stored: Path::new(name).join(relative),
            kept,
            home,
            label: format!("{index}-{}", label(relative)),
        });
    }
    Ok(Some(regions))
}

impl Region {
    /// The area for it.
    pub(super) fn area(&self, areas: &mut Areas, make: bool) -> Result<Option<Index>, BackupError> {
        match &self.home {
            Home::Within(root, path) => areas.within(root, path, make),
            Home::Beside(parent, path) => areas.beside(parent, path, make),
        }
    }

    /// Copies what will be moved in, and makes room for what will be moved out.
    pub(super) fn stage(
        &self,
        site: &Site<'_>,
        areas: &mut Areas,
        copiers: &mut Copiers<'_>,
    ) -> Result<(), BackupError> {
        let Some(index) = self.area(areas, true)? else {
            return Ok(());
        };
        let area = areas.get(index);
        let path = site.path.join(&self.stored);
        let from = self.open_stored(site)?;
        let label = self.label("");
        let tree = Tree {
            without: &self.kept,
            ..Tree::all(&from, &path, &area.directory, &label)
        };
        copiers.of(area)?.copy(&tree)?;
        at::make_directory(&area.directory, &self.label("-old"))
            .map(drop)
            .map_err(BackupError::io("make", &area.path))
    }

    /// Whether what a journal speaks of is there.
    pub(super) fn is_staged(&self, areas: &mut Areas, phase: Phase) -> Result<bool, BackupError> {
        let Some(index) = self.area(areas, false)? else {
            return Ok(phase == Phase::In);
        };
        let area = areas.get(index);
        let is_there = |end| at::look_for(&area.directory, &self.label(end)).map(|seen| seen.is_some());
        let both = is_there("").and_then(|new| Ok(new && is_there("-old")?));
        // Areas are removed when all is in.
        Ok(phase == Phase::In || both.map_err(BackupError::io("look at", &area.path))?)
    }

    /// Moves what is in it to the area. Whoever goes on after a kill moves the rest.
    pub(super) fn move_out(&self, site: &Site<'_>, areas: &mut Areas) -> Result<(), BackupError> {
        let Some(index) = self.area(areas, false)? else {
            return Ok(());
        };
        let area = areas.get(index);
        let old = self.open(&area.directory, "-old")?;
        let Some(old) = old else { return Ok(()) };
        self.move_all(site, (&self.directory, &self.path), &old)
    }

    /// Moves the copy's entries into it, and gives it the attributes that it had.
    pub(super) fn move_in(&self, site: &Site<'_>, areas: &mut Areas) -> Result<(), BackupError> {
        // Areas are removed when all is in and on disk.
        let Some(index) = self.area(areas, false)? else {
            return Ok(());
        };
        let area = areas.get(index);
        let Some(new) = self.open(&area.directory, "")? else {
            return Ok(());
        };
        self.move_all(site, (&new, &area.path), &self.directory)?;
        let stored = self.open_stored(site)?;
        let mut attributes = Attributes::new();
        at::look(&stored)
            .and_then(|seen| {
                attributes.remove_others(&stored, &self.directory)?;
                attributes.copy(&stored, &seen, &self.directory)
            })
            .map_err(BackupError::io("give its attributes to", &self.path))
    }

    fn move_all(
        &self,
        site: &Site<'_>,
        (from, path): (&OwnedFd, &Path),
        to: &OwnedFd,
    ) -> Result<(), BackupError> {
        // A descriptor is read once.
        let fresh = at::open_directory(from, c".").map_err(BackupError::io("open", path))?;
        for entry in at::entries(fresh).map_err(BackupError::io("read", path))? {
            let name = OsStr::from_bytes(entry.name.to_bytes());
            if self.kept.contains(Path::new(name)) {
                continue;
            }
            match unsealing(from, &entry.name, || {
                rename_new(from, &entry.name, to, &entry.name)
            }) {
                Err(Errno::EXIST) => {
                    return Err(BackupError::Changed {
                        path: self.path.join(name),
                    });
                }
                result => result.map_err(BackupError::io("move", path.join(name)))?,
            }
            point("restore-half", site.path)?;
        }
        Ok(())
    }

    fn open_stored(&self, site: &Site<'_>) -> Result<OwnedFd, BackupError> {
        let path = site.path.join(&self.stored);
        match at::open_below(site.spot, &self.stored) {
            Err(Errno::NOENT | Errno::NOTDIR) => Err(BackupError::refused(
                &self.path,
                "leads to a mount that was not there when it was backed up",
            )),
            opened => opened.map_err(BackupError::io("open", path)),
        }
    }

    fn open(&self, area: &OwnedFd, end: &str) -> Result<Option<OwnedFd>, BackupError> {
        match at::open_directory(area, &self.label(end)) {
            Err(Errno::NOENT) => Ok(None),
            opened => opened.map(Some).map_err(BackupError::io("open", &self.path)),
        }
    }

    fn label(&self, end: &str) -> CString {
        // Digits, letters and `-`.
        CString::new(format!("{}{end}", self.label)).unwrap_or_default()
    }
}

/// A name for a path that has no length.
fn label(relative: &Path) -> String {
    let digest = Sha256::digest(relative.as_os_str().as_bytes());
    digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
