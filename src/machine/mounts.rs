//! Owns which mounts a generation asks for, and which there are: a state directory below a mount point where nothing is
//! mounted is not the state.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use crate::generation::closure::root::Root;
use crate::generation::closure::{ClosureError, UNITS, file};
use crate::generation::unit_file::{self, UnitFile};

/// The mount points of a generation: what `RequiresMountsFor=` of a gate would bring up, `noauto` or not (systemd.unit(5)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Expected(BTreeSet<PathBuf>);

impl Expected {
    /// Reads `etc/fstab` and the `.mount` units of the system at a place.
    ///
    /// # Errors
    ///
    /// Fails where one of them is there and cannot be read.
    pub(super) fn read(root: &Root, system: &Path) -> Result<Self, ClosureError> {
        const LIMIT: u64 = 1 << 20;
        let mut points = BTreeSet::new();
        if let Ok(fstab) = root.resolve(&system.join("etc/fstab")) {
            points.extend(fstab_points(&file::read(&fstab, LIMIT)?));
        }
        let units = root.resolve(&system.join(UNITS))?;
        let io = |problem| ClosureError::Io {
            file: units.clone(),
            problem,
        };
        for entry in std::fs::read_dir(&units).map_err(io)? {
            let name = entry.map_err(io)?.file_name();
            if !name.to_string_lossy().ends_with(".mount") {
                continue;
            }
            let unit = root.resolve(&units.join(name))?;
            if root.is_null(&unit) || unit.is_dir() {
                continue;
            }
            let bytes = file::read(&unit, unit_file::MAX_FILE)?;
            // What systemd cannot read mounts nothing.
            let Ok(unit) = UnitFile::parse(&bytes) else {
                continue;
            };
            points.extend(
                unit.entries("Mount", "Where")
                    .last()
                    .map(|at| PathBuf::from(&*at.value)),
            );
        }
        points.remove(Path::new("/"));
        Ok(Self(points))
    }

    /// The mount points that another generation asks for as well.
    pub(super) fn and(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// The outermost mount point above `path`, or there, where nothing is mounted.
    pub(super) fn missing(&self, root: &Root, path: &Path, mounted: &Mounted) -> Option<&Path> {
        let mut above = self.0.iter().filter(|point| path.starts_with(point));
        above
            .find(|point| {
                let place = root.locate(point).and_then(|place| root.resolve(&place));
                !place.is_ok_and(|place| mounted.has(&place))
            })
            .map(PathBuf::as_path)
    }
}

/// The mount points of a table of file systems.
fn fstab_points(bytes: &[u8]) -> impl Iterator<Item = PathBuf> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let points: Vec<_> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| line.split_whitespace().nth(1).map(unescape))
        .filter(|point| point.is_absolute())
        .collect();
    points.into_iter()
}

/// What is mounted, as this process sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mounted(BTreeSet<PathBuf>);

impl Mounted {
    /// Reads `/proc/self/mountinfo`.
    ///
    /// # Errors
    ///
    /// Fails where that is not there.
    pub(super) fn read() -> std::io::Result<Self> {
        Ok(Self::parse(&std::fs::read_to_string("/proc/self/mountinfo")?))
    }

    /// The mount points of proc_pid_mountinfo(5); an automount that nobody has touched yet is none.
    fn parse(text: &str) -> Self {
        let points = text.lines().filter_map(|line| {
            let (mount, system) = line.split_once(" - ")?;
            let point = mount.split(' ').nth(4)?;
            (!system.starts_with("autofs ")).then(|| unescape(point))
        });
        Self(points.collect())
    }

    fn has(&self, place: &Path) -> bool {
        self.0.contains(place)
    }
}

/// Reads `\040` and its like, as both tables write spaces, tabs, line feeds and backslashes.
fn unescape(text: &str) -> PathBuf {
    let bytes = text.as_bytes();
    let mut path = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 4).filter(|_| byte == b'\\');
        let code = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        path.push(code.unwrap_or(byte));
        at += if code.is_some() { 4 } else { 1 };
    }
    PathBuf::from(std::ffi::OsString::from_vec(path))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_mount_points_of_a_generation() {
        let directory = tempfile::tempdir().unwrap();
        let system = directory.path().join("system");
        fs::create_dir_all(system.join(UNITS)).unwrap();
        fs::write(
            system.join("etc/fstab"),
            "# a comment\n/dev/a / ext4 defaults 0 1\nUUID=1 /var/lib ext4 noauto 0 2\n\nx /my\\040data btrfs subvol=a\n/swap none swap\n",
        )
        .unwrap();
        let unit = "[Mount]\nWhat=/dev/b\nWhere=/srv/db\n";
        fs::write(system.join(UNITS).join("srv-db.mount"), unit).unwrap();
        let root = Root::new(directory.path()).unwrap();
        let expected = Expected::read(&root, &system).unwrap();
        let points: Vec<_> = expected.0.iter().map(|point| point.to_str().unwrap()).collect();
        assert_eq!(points, ["/my data", "/srv/db", "/var/lib"]);

        for point in ["my data", "srv/db", "var/lib/x"] {
            fs::create_dir_all(directory.path().join(point)).unwrap();
        }
        let own = root.locate(Path::new("/")).unwrap();
        let mounted = Mounted([own.join("var/lib")].into());
        let missing = |path: &str| expected.missing(&root, Path::new(path), &mounted);
        assert_eq!(missing("/var/lib/x"), None);
        assert_eq!(missing("/var"), None);
        assert_eq!(missing("/srv/db/x"), Some(Path::new("/srv/db")));
        assert_eq!(missing("/srv/dbs"), None);
        assert_eq!(missing("/my data"), Some(Path::new("/my data")));
    }

    #[test]
    fn what_is_mounted() {
        let mounted = Mounted::parse(
            "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/a rw\n\
             23 22 8:2 / /my\\040data rw - btrfs /dev/b rw\n\
             24 22 0:9 / /auto rw - autofs systemd-1 rw\n\
             25 22 0:10 /x /deep\\134n rw master:1 - nfs4 server:/x rw\n",
        );
        let points: Vec<_> = mounted.0.iter().map(|point| point.to_str().unwrap()).collect();
        assert_eq!(points, ["/", "/deep\\n", "/my data"]);
    }

    #[test]
    fn this_machine_has_a_root() {
        assert!(Mounted::read().unwrap().has(Path::new("/")));
    }
}
