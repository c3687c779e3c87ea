//! Owns what a file has besides its data: owner, group, permissions, access control lists, extended attributes, times, flags.

use std::ffi::{CStr, CString};
use std::os::fd::AsFd;

use rustix::fs::{self, AtFlags, Gid, IFlags, Mode, Statx, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::at;

/// The largest list of names, and the largest value, of extended attributes (Linux, limits.h).
const LARGEST: usize = 64 * 1024;

/// Flags of btrfs that a file must have before it has data.
const BEFORE_DATA: IFlags = IFlags::NOCOW.union(IFlags::COMPRESSED);

/// Hints to one file system, which another cannot keep and which change no content.
const HINTS: &[u8] = b"btrfs.";

/// Signatures over the inode's number, which another file cannot have.
const SIGNATURE: &[u8] = b"security.evm";

/// Reads and writes the attributes of many files.
#[derive(Debug)]
pub(super) struct Attributes {
    names: Vec<u8>,
    value: Vec<u8>,
}

/// A file and how to reach its attributes: through its descriptor, or by name in its directory where it must not be opened.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reach<'a, F: AsFd> {
    Open(F),
    Named(&'a CStr),
}

impl<F: AsFd> Reach<'_, F> {
    fn list(&self, names: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Self::Open(file) => fs::flistxattr(file, names),
            Self::Named(path) => fs::llistxattr(*path, names),
        }
    }

    fn get(&self, name: &CStr, value: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Self::Open(file) => fs::fgetxattr(file, name, value),
            Self::Named(path) => fs::lgetxattr(*path, name, value),
        }
    }

    fn set(&self, name: &CStr, value: &[u8]) -> Result<(), Errno> {
        match self {
            Self::Open(file) => fs::fsetxattr(file, name, value, XattrFlags::empty()),
            Self::Named(path) => fs::lsetxattr(*path, name, value, XattrFlags::empty()),
        }
    }

    fn remove(&self, name: &CStr) -> Result<(), Errno> {
        match self {
            Self::Open(file) => fs::fremovexattr(file, name),
            Self::Named(path) => fs::lremovexattr(*path, name),
        }
    }
}

impl Attributes {
    pub(super) fn new() -> Self {
        Self {
            names: vec![0; LARGEST],
            value: vec![0; LARGEST],
        }
    }

    /// Gives an open file or directory all that another has. Its data and entries come before this: it ends with the times.
    pub(super) fn copy(&mut self, from: impl AsFd, seen: &Statx, to: impl AsFd) -> Result<(), Errno> {
        // A change of owner takes the set-user-ID bit and capabilities away, so it is first.
        fs::fchown(
            &to,
            Some(Uid::from_raw(seen.stx_uid)),
            Some(Gid::from_raw(seen.stx_gid)),
        )?;
        fs::fchmod(&to, at::mode(seen))?;
        self.copy_extended(&Reach::Open(from), &Reach::Open(to.as_fd()))?;
        fs::futimens(&to, &times(seen))
    }

    /// The same for what is not opened: links, FIFOs, sockets and devices. Their directories are named by descriptors; that of
    /// the copy is nobody else's.
    pub(super) fn copy_named(
        &mut self,
        (from, from_name): (impl AsFd, &CStr),
        seen: &Statx,
        (to, to_name): (impl AsFd, &CStr),
    ) -> Result<(), Errno> {
        let owner = Some(Uid::from_raw(seen.stx_uid));
        let group = Some(Gid::from_raw(seen.stx_gid));
        fs::chownat(&to, to_name, owner, group, AtFlags::SYMLINK_NOFOLLOW)?;
        if !at::kind(seen).is_symlink() {
            fs::chmodat(&to, to_name, at::mode(seen), AtFlags::empty())?;
        }
        let (from, target) = (
            at::by_descriptor(from, from_name),
            at::by_descriptor(&to, to_name),
        );
        self.copy_extended::<std::os::fd::BorrowedFd<'_>, std::os::fd::BorrowedFd<'_>>(
            &Reach::Named(&from),
            &Reach::Named(&target),
        )?;
        fs::utimensat(&to, to_name, &times(seen), AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Takes from an open directory the extended attributes that another has not.
    pub(super) fn remove_others(&mut self, like: impl AsFd, from: impl AsFd) -> Result<(), Errno> {
        let wanted = self.list(&Reach::Open(like))?;
        for name in self.list(&Reach::Open(from.as_fd()))? {
            let is_kept = [HINTS, SIGNATURE]
                .iter()
                .any(|kept| name.to_bytes().starts_with(kept));
            if !wanted.contains(&name) && !is_kept {
                Reach::Open(from.as_fd()).remove(&name)?;
            }
        }
        Ok(())
    }

    fn list<F: AsFd>(&mut self, of: &Reach<'_, F>) -> Result<Vec<CString>, Errno> {
        let length = match of.list(&mut self.names) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => 0,
            listed => listed?,
        };
        let names = self.names[..length].split(|&byte| byte == 0);
        let names = names.filter(|name| !name.is_empty());
        // Split at every NUL, a name has none.
        Ok(names.filter_map(|name| CString::new(name).ok()).collect())
    }

    fn copy_extended<F: AsFd, T: AsFd>(
        &mut self,
        from: &Reach<'_, F>,
        to: &Reach<'_, T>,
    ) -> Result<(), Errno> {
        for name in self.list(from)? {
            if name.to_bytes() == SIGNATURE {
                continue;
            }
            let length = from.get(&name, &mut self.value)?;
            match to.set(&name, &self.value[..length]) {
                Err(Errno::OPNOTSUPP) if name.to_bytes().starts_with(HINTS) => {}
                result => result?,
            }
        }
        Ok(())
    }
}

/// Gives a directory that was just made permissions alone: none of the access control lists that it had from the one above,
/// and would hand on.
pub(super) fn bare(directory: impl AsFd, permissions: Mode) -> Result<(), Errno> {
    for list in [c"system.posix_acl_default", c"system.posix_acl_access"] {
        match fs::fremovexattr(&directory, list) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error),
        }
    }
    fs::fchmod(directory, permissions)
}

/// Takes from what an entry of a directory stands for the flags with which nobody, root included, moves or removes it.
pub(super) fn unseal(directory: impl AsFd, name: &CStr) -> Result<(), Errno> {
    let opened = match at::open_directory(&directory, name) {
        Err(Errno::NOTDIR) => at::open_file(&directory, name)?,
        opened => opened?,
    };
    let flags = match fs::ioctl_getflags(&opened) {
        Err(Errno::NOTTY | Errno::OPNOTSUPP) => return Ok(()),
        flags => flags?,
    };
    let sealed = IFlags::IMMUTABLE | IFlags::APPEND;
    match flags.intersects(sealed) {
        true => fs::ioctl_setflags(opened, flags - sealed),
        false => Ok(()),
    }
}

/// Does something to an entry of a directory, and once more without those flags where they may be what keeps it.
pub(super) fn unsealing(
    directory: impl AsFd,
    name: &CStr,
    change: impl Fn() -> Result<(), Errno>,
) -> Result<(), Errno> {
    match change() {
        Err(Errno::PERM) => {
            unseal(directory, name).map_err(|_| Errno::PERM)?;
            change()
        }
        result => result,
    }
}

/// Gives an empty file or directory those flags of another that decide how its data are stored.
pub(super) fn copy_flags_before_data(from: impl AsFd, to: impl AsFd) -> Result<(), Errno> {
    let wanted = match fs::ioctl_getflags(from) {
        Err(Errno::NOTTY | Errno::OPNOTSUPP) => return Ok(()),
        flags => flags? & BEFORE_DATA,
    };
    let own = match fs::ioctl_getflags(&to) {
        // Another file system, which has no such flags.
        Err(Errno::NOTTY | Errno::OPNOTSUPP) => return Ok(()),
        flags => flags?,
    };
    if own & BEFORE_DATA == wanted {
        return Ok(());
    }
    match fs::ioctl_setflags(to, (own - BEFORE_DATA) | wanted) {
        Err(Errno::OPNOTSUPP | Errno::INVAL) => Ok(()),
        result => result,
    }
}

/// The times of access and modification.
pub(super) fn times(seen: &Statx) -> Timestamps {
    let time = |time: fs::StatxTimestamp| Timespec {
        tv_sec: time.tv_sec,
        tv_nsec: time.tv_nsec.into(),
    };
    Timestamps {
        last_access: time(seen.stx_atime),
        last_modification: time(seen.stx_mtime),
    }
}
