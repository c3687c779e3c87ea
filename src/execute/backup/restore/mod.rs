//! Owns the way back: everything is copied beside the state and on disk, the journal says so, then it is swapped in, then what it
//! replaced is removed. Whoever finds the journal goes on from there, whatever killed the one before.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::error::BackupError;
use super::manifest::{self, Manifest, Was};
use super::mounts;
use super::{Spot, Watch, at, point, reserve};
use area::{Areas, Copiers};
use entries::Region;
use whole::Whole;

mod area;
mod entries;
mod whole;

/// The journal's name, in the backup.
const JOURNAL: &CStr = c"restore.json";

/// The journal's format.
const FORMAT: u32 = 1;

/// What has been done, durably.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Journal {
    format: u32,
    phase: Phase,
    /// The inodes of what is swapped in as a whole, by its name beside the state.
    swapped: Vec<(String, u64)>,
}

/// How far a restore is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Phase {
    /// All copies are on disk. Directories are swapped; out of those that cannot be, their entries are moved.
    Out,
    /// That is on disk. The entries that were copied are moved in.
    In,
}

/// What is to be swapped.
#[derive(Debug)]
struct Parts {
    wholes: Vec<Whole>,
    regions: Vec<Region>,
}

/// What every part needs to know.
#[derive(Debug)]
struct Site<'a> {
    /// The backup, open.
    spot: &'a OwnedFd,
    path: &'a Path,
    /// Its name, which those of the directories beside the state are made of.
    name: String,
}

/// Brings back what a backup has.
pub(super) fn restore(spot: &Spot, watch: &Watch<'_>) -> Result<(), BackupError> {
    let opened = spot.open()?;
    let manifest = Manifest::read(&opened, spot.directory())?;
    let site = Site::new(&opened, spot)?;
    point("restore-begun", site.path)?;
    reserve::release(&opened, site.path)?;
    let parts = Parts::of(&manifest)?;
    let mut areas = Areas::new(&site);
    parts.find_areas(&mut areas)?;
    let journal = site.journal()?;
    // A journal whose copies are not all there is of no use, and the backup is whole: begin again.
    let going_on = match &journal {
        Some(journal) => parts.are_staged(journal, &mut areas)?,
        None => false,
    };
    let mut journal = match journal.filter(|_| going_on) {
        Some(journal) => journal,
        None => parts.stage(&site, &mut areas, watch)?,
    };
    if journal.phase == Phase::Out {
        for whole in &parts.wholes {
            whole.swap(&site, &mut areas, &journal)?;
            point("restore-half", site.path)?;
        }
        for region in &parts.regions {
            region.move_out(&site, &mut areas)?;
        }
        areas.flush()?;
        journal.phase = Phase::In;
        manifest::write(site.spot, site.path, JOURNAL, &journal)?;
    }
    for region in &parts.regions {
        region.move_in(&site, &mut areas)?;
    }
    areas.flush()?;
    point("restore-swapped", site.path)?;
    areas.remove()?;
    site.forget_journal()
}

/// Removes what an unfinished restore of a backup left beside the state, where nothing was swapped yet.
pub(super) fn clear(spot: &Spot) -> Result<(), BackupError> {
    // What is not a backup of nixmig's has never been restored.
    let Ok(opened) = spot.open() else { return Ok(()) };
    let Ok(manifest) = Manifest::read(&opened, spot.directory()) else {
        return Ok(());
    };
    let site = Site::new(&opened, spot)?;
    if site.journal()?.is_some() {
        return Err(BackupError::refused(
            site.path,
            "is being restored: restore again to finish that, before it is removed",
        ));
    }
    let mut areas = Areas::new(&site);
    // A state directory that leads elsewhere by now has nothing of ours.
    if let Ok(parts) = Parts::of(&manifest) {
        parts.find_areas(&mut areas)?;
    }
    areas.remove()
}

/// Where an unfinished restore of a backup left something beside the state, as far as that can be found.
pub(super) fn left(spot: &Spot) -> Vec<PathBuf> {
    let find = || -> Result<Areas, BackupError> {
        let opened = spot.open()?;
        let manifest = Manifest::read(&opened, spot.directory())?;
        let mut areas = Areas::new(&Site::new(&opened, spot)?);
        Parts::of(&manifest)?.find_areas(&mut areas)?;
        Ok(areas)
    };
    find().map(|areas| areas.paths().collect()).unwrap_or_default()
}

impl Journal {
    fn inode(&self, label: &str) -> Option<u64> {
        let found = self.swapped.iter().find(|(name, _)| name == label);
        found.map(|(_, inode)| *inode)
    }
}

impl<'a> Site<'a> {
    fn new(spot: &'a OwnedFd, of: &'a Spot) -> Result<Self, BackupError> {
        let path = of.directory();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name
            .ok_or_else(|| BackupError::refused(path, "has no name"))?
            .to_owned();
        Ok(Self { spot, path, name })
    }

    fn journal(&self) -> Result<Option<Journal>, BackupError> {
        let journal: Option<Journal> = manifest::read(self.spot, self.path, JOURNAL)?;
        match journal {
            Some(journal) if journal.format != FORMAT => Err(BackupError::Incomplete {
                path: self.path.to_owned(),
                why: "a newer nixmig began to restore it".to_owned(),
            }),
            journal => Ok(journal),
        }
    }

    fn forget_journal(&self) -> Result<(), BackupError> {
        match fs::unlinkat(self.spot, JOURNAL, AtFlags::empty()) {
            Ok(()) => at::flush(self.spot),
            Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error),
        }
        .map_err(BackupError::io("finish the restore of", self.path))
    }
}

impl Parts {
    /// Compares what was backed up with what is there now.
    fn of(manifest: &Manifest) -> Result<Self, BackupError> {
        let mounts = mounts::all()?;
        let mut parts = Self {
            wholes: Vec::new(),
            regions: Vec::new(),
        };
        for (index, stored) in manifest.directories.iter().enumerate() {
            // What lies beneath a mount that is missing is not the state.
            if mounts::above(&mounts, Path::new(&stored.path)) != Path::new(&stored.mount) {
                return Err(BackupError::refused(
                    &stored.path,
                    "is not below the mount any more that it was below",
                ));
            }
            match &stored.was {
                Was::Absent => parts.wholes.push(Whole::absent(stored, index)?),
                Was::Directory { .. } => match entries::regions(stored, index, &mounts)? {
                    Some(regions) => parts.regions.extend(regions),
                    None => parts.wholes.push(Whole::directory(stored, index)?),
                },
            }
            parts.wholes.extend(Whole::link(stored, index)?);
        }
        Ok(parts)
    }

    fn find_areas(&self, areas: &mut Areas) -> Result<(), BackupError> {
        for whole in &self.wholes {
            whole.area(areas, false)?;
        }
        for region in &self.regions {
            region.area(areas, false)?;
        }
        Ok(())
    }

    /// Whether the copies that a journal speaks of are there, or are swapped in already.
    fn are_staged(&self, journal: &Journal, areas: &mut Areas) -> Result<bool, BackupError> {
        for whole in &self.wholes {
            if !whole.is_staged(areas, journal)? {
                return Ok(false);
            }
        }
        for region in &self.regions {
            if !region.is_staged(areas, journal.phase)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Copies all that will be swapped in, has it on disk, and says so in the journal.
    fn stage(&self, site: &Site<'_>, areas: &mut Areas, watch: &Watch<'_>) -> Result<Journal, BackupError> {
        site.forget_journal()?;
        areas.remove()?;
        let seen = at::look(site.spot).map_err(BackupError::io("look at", site.path))?;
        let mut copiers = Copiers::new(watch, at::identity(&seen));
        let mut swapped = Vec::new();
        for whole in &self.wholes {
            swapped.extend(whole.stage(site, areas, &mut copiers)?);
        }
        for region in &self.regions {
            region.stage(site, areas, &mut copiers)?;
        }
        areas.flush()?;
        let journal = Journal {
            format: FORMAT,
            phase: Phase::Out,
            swapped,
        };
        manifest::write(site.spot, site.path, JOURNAL, &journal)?;
        Ok(journal)
    }
}
