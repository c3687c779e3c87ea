//! Owns the look at how much there is to copy, and at how much room there is for it.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{self, FileType};
use rustix::io::Errno;

use super::data::Fault;
use super::error::BackupError;
use super::state::{self, State};
use super::walk::{Step, Walk};
use super::{Done, Spot, Watch, at, place};

/// What a file takes besides its data: an inode, its name, a part of the tables.
const PER_FILE: u64 = 4096;

/// What a file takes where data are shared: its inode and its list of extents.
const PER_SHARED_FILE: u64 = 2048;

/// What is left free in any case.
const MARGIN: u64 = 16 << 20;

/// How much there is to back up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Need {
    /// Files of every kind, directories too.
    pub files: u64,
    /// Bytes that their data take on the disk: holes take none, a file with several names counts once.
    pub bytes: u64,
    /// Whether their data will be shared with the backup and not copied.
    pub shared: bool,
}

/// What one file system must have room for.
#[derive(Debug)]
struct Room<'a> {
    device: (u32, u32),
    directory: &'a OwnedFd,
    path: &'a Path,
    bytes: u64,
    files: u64,
}

/// What a copy takes that shares its data, or does not.
pub(super) fn of_copy(done: Done, copied: bool) -> u64 {
    let (data, per_file) = match copied {
        true => (done.bytes, PER_FILE),
        false => (0, PER_SHARED_FILE),
    };
    let bytes = data.saturating_add(done.files.saturating_mul(per_file));
    bytes.saturating_add(bytes / 64)
}

/// Looks through state directories and at the room for their backup and its restore.
pub(super) fn space(spot: &Spot, directories: &[PathBuf], watch: &Watch<'_>) -> Result<Need, BackupError> {
    let into = spot.open()?;
    let states = state::look(directories)?;
    let mut total = Need {
        shared: true,
        ..Need::default()
    };
    let mut rooms = Vec::new();
    let mut linked = HashSet::new();
    for state in &states {
        let Some(directory) = &state.directory else {
            continue;
        };
        let need = survey(state, directory, total, &mut linked, watch)?;
        let shared = place::shares_data(directory, &into);
        let per_file = if shared { PER_SHARED_FILE } else { PER_FILE };
        let data = if shared { 0 } else { need.bytes };
        let bytes = data.saturating_add(need.files.saturating_mul(per_file));
        // Once for the backup, and once more for its copy beside the state that a restore swaps in.
        add(&mut rooms, &into, spot.directory(), bytes, need.files)?;
        add(&mut rooms, directory, &state.found.path, bytes, need.files)?;
        total.files += need.files;
        total.bytes += need.bytes;
        total.shared &= shared;
    }
    for room in rooms {
        room.check()?;
    }
    Ok(total)
}

fn add<'a>(
    rooms: &mut Vec<Room<'a>>,
    directory: &'a OwnedFd,
    path: &'a Path,
    bytes: u64,
    files: u64,
) -> Result<(), BackupError> {
    let seen = at::look(directory).map_err(BackupError::io("look at", path))?;
    let device = at::identity(&seen).device;
    match rooms.iter_mut().find(|room| room.device == device) {
        Some(room) => {
            room.bytes = room.bytes.saturating_add(bytes);
            room.files = room.files.saturating_add(files);
        }
        None => rooms.push(Room {
            device,
            directory,
            path,
            bytes,
            files,
        }),
    }
    Ok(())
}

impl Room<'_> {
    fn check(&self) -> Result<(), BackupError> {
        let free = fs::fstatvfs(self.directory).map_err(BackupError::io("look at", self.path))?;
        let have = free.f_bavail.saturating_mul(free.f_frsize);
        let need = self.bytes.saturating_add(self.bytes / 64).saturating_add(MARGIN);
        // Some file systems make inodes as they need them and count none.
        let have_files = if free.f_files == 0 {
            u64::MAX
        } else {
            free.f_favail
        };
        match need <= have && self.files <= have_files {
            true => Ok(()),
            false => Err(BackupError::Space {
                at: self.path.to_owned(),
                need,
                have,
                need_files: self.files,
                have_files,
            }),
        }
    }
}

/// Counts what is in a state directory.
fn survey(
    state: &State,
    directory: &OwnedFd,
    before: Need,
    linked: &mut HashSet<at::Identity>,
    watch: &Watch<'_>,
) -> Result<Need, BackupError> {
    let path = &state.found.path;
    let without = state::without(state.root(), &state.volumes());
    let deepest = super::tree::depth(&without);
    let opened = at::open_directory(directory, c".").map_err(BackupError::io("open", path))?;
    let mut walk = Walk::new(opened).map_err(BackupError::io("read", path))?;
    let mut need = Need {
        files: 1,
        ..Need::default()
    };
    loop {
        let changed = |walk: &Walk| BackupError::Changed {
            path: path.join(walk.path()),
        };
        let entry = match walk.next() {
            Ok(None) => return Ok(need),
            Ok(Some(Step::Back(_))) => continue,
            Ok(Some(Step::Entry(entry))) => entry,
            Err(Fault::Call(error)) => return Err(BackupError::io("read", path.join(walk.path()))(error)),
            Err(Fault::Changed | Fault::Stopped) => return Err(changed(&walk)),
        };
        let name = OsStr::from_bytes(entry.name.to_bytes());
        if walk.depth() <= deepest && without.contains(&walk.path().join(name)) {
            continue;
        }
        let seen = walk
            .here()
            .and_then(|here| at::look_at(here, &entry.name))
            .and_then(|seen| {
                if at::kind(&seen) == FileType::Directory {
                    let opened = at::open_directory(walk.here()?, &entry.name)?;
                    let seen = at::look(&opened)?;
                    walk.enter(&entry.name, opened, &seen)?;
                    return Ok(seen);
                }
                Ok(seen)
            });
        let full = || path.join(walk.path()).join(name);
        let seen = match seen {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                return Err(BackupError::Changed { path: full() });
            }
            seen => seen.map_err(BackupError::io("look at", full()))?,
        };
        super::tree::guard(&seen).map_err(|why| BackupError::refused(full(), why))?;
        need.files += 1;
        if at::kind(&seen).is_dir() || seen.stx_nlink < 2 || linked.insert(at::identity(&seen)) {
            need.bytes = need.bytes.saturating_add(seen.stx_blocks.saturating_mul(512));
        }
        (watch.progress)(Done {
            files: before.files + need.files,
            bytes: before.bytes + need.bytes,
        });
        if (watch.stop)() {
            return Err(BackupError::Stopped);
        }
    }
}
