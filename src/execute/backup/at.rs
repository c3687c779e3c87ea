//! Owns the system calls of this room, by descriptor: nothing here follows a link, waits for the other end of a FIFO or opens a
//! device. Knows nothing of backups.

use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{
    self, AtFlags, FileType, Mode, OFlags, RawDir, ResolveFlags, Statx, StatxAttributes, StatxFlags,
};
use rustix::io::Errno;

use crate::fault;

/// What opens a directory and nothing else.
const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK);

/// An entry of a directory, as the directory tells of it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: CString,
    pub(super) kind: FileType,
    pub(super) inode: u64,
}

/// What a file is known by as long as it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Identity {
    pub(super) device: (u32, u32),
    pub(super) inode: u64,
}

/// What is asked of every file.
const ASKED: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::MNT_ID);

/// What the system knows of an open file.
pub(super) fn look(file: impl AsFd) -> Result<Statx, Errno> {
    fs::statx(file, c"", AtFlags::EMPTY_PATH, ASKED)
}

/// What the system knows of an entry of a directory, which is not followed.
pub(super) fn look_at(directory: impl AsFd, name: &CStr) -> Result<Statx, Errno> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    fs::statx(directory, name, flags, ASKED)
}

/// The same, or none where there is no such entry.
pub(super) fn look_for(directory: impl AsFd, name: &CStr) -> Result<Option<Statx>, Errno> {
    match look_at(directory, name) {
        Ok(seen) => Ok(Some(seen)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Which file it is.
pub(super) fn identity(seen: &Statx) -> Identity {
    Identity {
        device: (seen.stx_dev_major, seen.stx_dev_minor),
        inode: seen.stx_ino,
    }
}

/// On which mount, and on which device or subvolume of it, a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Volume {
    pub(super) mount: u64,
    pub(super) device: (u32, u32),
}

/// Where a file is.
pub(super) fn volume(seen: &Statx) -> Volume {
    Volume {
        mount: seen.stx_mnt_id,
        device: (seen.stx_dev_major, seen.stx_dev_minor),
    }
}

/// What kind of file it is.
pub(super) fn kind(seen: &Statx) -> FileType {
    FileType::from_raw_mode(u32::from(seen.stx_mode))
}

/// Its permissions, with the set-user-ID, set-group-ID and sticky bits.
pub(super) fn mode(seen: &Statx) -> Mode {
    Mode::from_raw_mode(u32::from(seen.stx_mode) & 0o7777)
}

/// Whether a directory is the root of a mount.
pub(super) fn is_mount_root(seen: &Statx) -> bool {
    seen.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
}

/// Whether a file is nixmig's own: root's, or in a test of whoever runs it.
pub(super) fn is_own(seen: &Statx) -> bool {
    seen.stx_uid == rustix::process::geteuid().as_raw()
}

/// Opens a directory in a directory.
pub(super) fn open_directory(directory: impl AsFd, name: &CStr) -> Result<OwnedFd, Errno> {
    no_access_time(|extra| fs::openat(&directory, name, DIRECTORY | extra, Mode::empty()))
}

/// Opens a directory below a directory by a path that goes through no link and does not leave it.
pub(super) fn open_below(directory: impl AsFd, path: &std::path::Path) -> Result<OwnedFd, Errno> {
    if path.as_os_str().is_empty() {
        return open_directory(directory, c".");
    }
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    fs::openat2(directory, path, DIRECTORY, Mode::empty(), resolve)
}

/// Opens a regular file for reading; of what is not one, at most a descriptor is opened, without waiting.
pub(super) fn open_file(directory: impl AsFd, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    no_access_time(|extra| fs::openat(&directory, name, flags | extra, Mode::empty()))
}

/// Only root and the owner may leave the time of access alone.
fn no_access_time(open: impl Fn(OFlags) -> Result<OwnedFd, Errno>) -> Result<OwnedFd, Errno> {
    match open(OFlags::NOATIME) {
        Err(Errno::PERM) => open(OFlags::empty()),
        result => result,
    }
}

/// Makes a file that was not there, open for writing.
pub(super) fn make_file(directory: impl AsFd, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(directory, name, flags, Mode::RUSR | Mode::WUSR)
}

/// Makes a directory that was not there, for its owner alone, and opens it.
pub(super) fn make_directory(directory: impl AsFd, name: &CStr) -> Result<OwnedFd, Errno> {
    fs::mkdirat(&directory, name, Mode::RWXU)?;
    open_directory(directory, name)
}

/// Where an entry of an open directory is reached without following it, for the calls that know no directory.
pub(super) fn by_descriptor(directory: impl AsFd, name: &CStr) -> CString {
    use std::os::fd::AsRawFd;
    let mut path = format!("/proc/self/fd/{}/", directory.as_fd().as_raw_fd()).into_bytes();
    path.extend_from_slice(name.to_bytes());
    // A name of the file system has no NUL, and digits have none.
    CString::new(path).unwrap_or_default()
}

/// The entries of a directory, in the order of their inodes, which is the fastest to read them in; without `.` and `..`.
pub(super) fn entries(directory: impl AsFd) -> io::Result<Vec<Entry>> {
    let mut space = [MaybeUninit::uninit(); 32 * 1024];
    let mut listing = RawDir::new(directory, &mut space);
    let mut found = Vec::new();
    while let Some(entry) = listing.next() {
        let entry = entry?;
        let name = entry.file_name();
        if !matches!(name.to_bytes(), b"." | b"..") {
            found.push(Entry {
                name: name.to_owned(),
                kind: entry.file_type(),
                inode: entry.ino(),
            });
        }
    }
    found.sort_unstable_by_key(|entry| entry.inode);
    Ok(found)
}

/// Has the whole file system of a file on disk, where flushes are not taken out.
pub(super) fn flush_all(file: impl AsFd) -> Result<(), Errno> {
    match fault::flushes() {
        true => fs::syncfs(file),
        false => Ok(()),
    }
}

/// Has a file, or the names in a directory, on disk, where flushes are not taken out.
pub(super) fn flush(file: impl AsFd) -> Result<(), Errno> {
    match fault::flushes() {
        true => fs::fsync(file),
        false => Ok(()),
    }
}

/// A path's name as the system takes it.
pub(super) fn c_name(name: &std::ffi::OsStr) -> Result<CString, Errno> {
    use std::os::unix::ffi::OsStrExt;
    CString::new(name.as_bytes()).map_err(|_| Errno::INVAL)
}
