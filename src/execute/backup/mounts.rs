//! Owns what is mounted where, as this process sees it.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::error::BackupError;
use crate::record::lasting::unescaped;

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// Its number, which `statx` gives too.
    pub(super) id: u64,
    /// Where it is.
    pub(super) at: PathBuf,
    /// The type of its file system.
    pub(super) kind: String,
    /// Whether nothing can be written through it.
    pub(super) read_only: bool,
}

/// File systems in which nothing is kept, or which are not files.
const NOT_STATE: [&str; 22] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nsfs",
    "proc",
    "pstore",
    "ramfs",
    "rpc_pipefs",
    "securityfs",
    "sysfs",
    "tmpfs",
    "tracefs",
];

impl Mount {
    /// Whether what is in it is state: it outlives a reboot and can be written.
    pub(super) fn is_state(&self) -> bool {
        !self.read_only && !NOT_STATE.contains(&self.kind.as_str())
    }
}

/// All mounts, in the order in which they were made.
pub(super) fn all() -> Result<Vec<Mount>, BackupError> {
    let path = "/proc/self/mountinfo";
    let text = std::fs::read(path).map_err(BackupError::io("read", path))?;
    let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| parse(line).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData)))
        .collect::<Result<_, _>>()
        .map_err(BackupError::io("understand", path))
}

/// The mounts below a directory, topmost only where several are at one place.
pub(super) fn below(mounts: &[Mount], directory: &Path) -> Vec<Mount> {
    let mut found: Vec<Mount> = Vec::new();
    for mount in mounts {
        if mount.at != directory && mount.at.starts_with(directory) {
            found.retain(|earlier| earlier.at != mount.at);
            found.push(mount.clone());
        }
    }
    found
}

/// Where that is mounted which a directory's name is in.
pub(super) fn above<'m>(mounts: &'m [Mount], directory: &Path) -> &'m Path {
    let points = mounts.iter().map(|mount| mount.at.as_path());
    let above = points.filter(|point| *point != directory && directory.starts_with(point));
    above
        .max_by_key(|point| point.components().count())
        .unwrap_or(Path::new("/"))
}

/// proc(5): `36 35 98:0 /root /mount/point options fields… - type source superoptions`.
fn parse(line: &[u8]) -> Option<Mount> {
    let mut words = line.split(|&byte| byte == b' ');
    let id = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    let at = PathBuf::from(OsString::from_vec(unescaped(words.nth(3)?)));
    let options = words.next()?;
    let kind = words.skip_while(|&word| word != b"-").nth(1)?;
    Some(Mount {
        id,
        at,
        kind: String::from_utf8_lossy(kind).into_owned(),
        read_only: options.split(|&byte| byte == b',').any(|option| option == b"ro"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line() {
        let line = br"40 27 7:1 / /var/lib/a\040b\134c ro,relatime shared:2 - ext4 /dev/loop1 rw";
        let mount = parse(line).unwrap();
        let expected = Mount {
            id: 40,
            at: PathBuf::from(r"/var/lib/a b\c"),
            kind: "ext4".to_owned(),
            read_only: true,
        };
        assert_eq!(mount, expected);
        assert_eq!(parse(b"40 27 7:1 / /var"), None);
    }

    #[test]
    fn what_a_name_is_in() {
        let mount = |at: &str| Mount {
            id: 1,
            at: at.into(),
            kind: "ext4".to_owned(),
            read_only: false,
        };
        let mounts = [mount("/"), mount("/srv/db"), mount("/srv")];
        let above = |path: &str| above(&mounts, Path::new(path)).to_str().unwrap();
        assert_eq!(above("/srv/db/data"), "/srv/db");
        // The mount's own name is in the directory above it.
        assert_eq!(above("/srv/db"), "/srv");
        assert_eq!(above("/srv"), "/");
        assert_eq!(above("/srv2"), "/");
    }

    #[test]
    fn this_machine() {
        let mounts = all().unwrap();
        assert!(mounts.iter().any(|mount| mount.at == Path::new("/")));
        assert!(
            below(&mounts, Path::new("/"))
                .iter()
                .all(|mount| mount.at != Path::new("/"))
        );
    }
}
