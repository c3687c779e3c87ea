//! Owns how a directory of a closure is listed and its links are looked at: by its descriptor, for a directory of units has
//! hundreds of names far down in the store.

use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// Opens a directory.
///
/// # Errors
///
/// Fails where there is none.
pub(super) fn open(place: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(place, flags, Mode::empty())?)
}

/// Hands over each name in an open directory that is UTF-8, in no order. None is copied.
///
/// # Errors
///
/// Fails where the directory cannot be read.
#[cfg(target_os = "linux")]
pub(super) fn names(open: &OwnedFd, _place: &Path, mut each: impl FnMut(&str)) -> io::Result<()> {
    // As much as the C library reads at once.
    let mut buffer = Vec::with_capacity(1 << 15);
    let mut entries = rustix::fs::RawDir::new(open, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        if let Ok(name) = entry?.file_name().to_str() {
            each(name);
        }
    }
    Ok(())
}

/// Hands over each name in a directory that is UTF-8, in no order.
///
/// # Errors
///
/// Fails where the directory cannot be read.
#[cfg(not(target_os = "linux"))]
pub(super) fn names(_open: &OwnedFd, place: &Path, mut each: impl FnMut(&str)) -> io::Result<()> {
    for entry in std::fs::read_dir(place)? {
        if let Some(name) = entry?.file_name().to_str() {
            each(name);
        }
    }
    Ok(())
}

/// The target of a link in an open directory, as it stands there; none of what is there and no link.
///
/// # Errors
///
/// Fails where nothing is there, or it cannot be looked at.
pub(super) fn target(open: &OwnedFd, name: &str) -> io::Result<Option<PathBuf>> {
    // No link's target is longer than Linux's PATH_MAX, which counts a NUL.
    let mut buffer = [MaybeUninit::uninit(); 4096];
    match rustix::fs::readlinkat_raw(open, name, &mut buffer) {
        Ok((target, _)) => Ok(Some(OsStr::from_bytes(target).into())),
        Err(rustix::io::Errno::INVAL) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
