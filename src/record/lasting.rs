//! Owns the question whether a file system outlives the next boot. Changes nothing.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, StatxFlags};
use rustix::io::Errno;

/// An overlay's number (statfs(2)).
const OVERLAY: u64 = 0x794c_7630;

/// The file system that a directory is on, where a boot empties that.
///
/// An overlay lasts as its upper directory does. That may be out of sight: a container's is its host's. Only where it can be
/// found is it judged, so that a container keeps what it writes, as on any disk that nobody can look beneath.
pub(super) fn memory(directory: &impl AsFd) -> Result<Option<&'static str>, Errno> {
    let kind = rustix::fs::fstatfs(directory)?.f_type as u64;
    if number(kind) != OVERLAY {
        return Ok(emptied(kind));
    }
    let about = rustix::fs::statx(directory, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?;
    let mounts = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    let Some(upper) = upper(&mounts, about.stx_mnt_id) else {
        return Ok(None);
    };
    // What the first stage of a boot mounts has the names that it had there.
    let later = upper
        .strip_prefix("/sysroot")
        .map(|path| Path::new("/").join(path));
    let places = [Some(upper), later.ok()];
    let mut found = places
        .iter()
        .flatten()
        .filter_map(|path| rustix::fs::statfs(path).ok());
    Ok(found.next().and_then(|statfs| emptied(statfs.f_type as u64)))
}

/// The kernel's numbers have 32 bits; the C library's type may be wider and signed.
fn number(kind: u64) -> u64 {
    kind & 0xffff_ffff
}

/// The name of a file system that a boot empties, by its number (statfs(2)).
fn emptied(kind: u64) -> Option<&'static str> {
    match number(kind) {
        0x0102_1994 => Some("tmpfs"),
        0x8584_58f6 => Some("ramfs"),
        _ => None,
    }
}

/// The upper directory of an overlay, by the number of its mount: proc_pid_mountinfo(5).
fn upper(mounts: &[u8], id: u64) -> Option<PathBuf> {
    let of_mount = |line: &&[u8]| {
        let number = line.split(|&byte| byte == b' ').next().map(<[u8]>::to_vec);
        number == Some(id.to_string().into_bytes())
    };
    let line = mounts.split(|&byte| byte == b'\n').find(of_mount)?;
    let options = line.rsplit(|&byte| byte == b' ').next()?;
    let mut options = options.split(|&byte| byte == b',');
    let upper = options.find_map(|option| option.strip_prefix(b"upperdir="))?;
    Some(PathBuf::from(OsString::from_vec(unescaped(upper))))
}

/// Blanks, commas and the like are written as three octal digits.
pub(crate) fn unescaped(word: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((&byte, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| byte == b'\\');
        let value = octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match value {
            Some(value) => {
                text.push(value);
                rest = &after[3..];
            }
            None => {
                text.push(byte);
                rest = after;
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn an_overlay_has_the_upper_directory_of_its_mount() {
        let mounts = b"22 1 0:1 / / rw - ext4 /dev/a rw\n\
            24 22 0:2 / /etc rw - overlay overlay rw,lowerdir=/l,upperdir=/sysroot/.rw\\054\\040etc/upper,workdir=/w\n\
            25 22 0:3 / /usr ro - overlay overlay ro,lowerdir=/a:/b\n";
        let upper = |id| upper(mounts, id);
        assert_eq!(upper(24), Some("/sysroot/.rw, etc/upper".into()));
        for id in [2, 22, 25, 26] {
            assert_eq!(upper(id), None, "{id}");
        }
    }

    /// What the test below has looked at in a mount namespace of its own.
    const LOOK: &str = "NIXMIG_LASTING_LOOK";

    #[test]
    fn an_overlay_lasts_as_its_upper_directory_does() {
        if let Some(directory) = std::env::var_os(LOOK) {
            let directory = crate::record::place::open_directory(Path::new(&directory)).unwrap();
            println!("{:?}", memory(&directory).unwrap());
            return;
        }
        if !rustix::process::geteuid().is_root() {
            assert!(std::env::var_os("CI").is_none(), "needs root");
            eprintln!("skipped: needs root");
            return;
        }
        let root = tempfile::tempdir_in("/var/tmp").unwrap();
        let shell = "set -e\ncd \"$ROOT\"\nmkdir disk memory lower on-disk on-memory hidden\n\
             mount -t tmpfs tmpfs memory\nmkdir disk/u disk/w disk/v disk/x memory/u memory/w\n\
             mount -t overlay overlay -o \"lowerdir=$ROOT/lower,upperdir=$ROOT/disk/u,workdir=$ROOT/disk/w\" on-disk\n\
             mount -t overlay overlay -o \"lowerdir=$ROOT/lower,upperdir=$ROOT/memory/u,workdir=$ROOT/memory/w\" on-memory\n\
             for at in on-disk on-memory memory; do\n\
             NIXMIG_LASTING_LOOK=$ROOT/$at \"$SELF\" --exact --nocapture \"$NAME\" | sed -n \"s/.*\\(None\\|Some.*)\\).*/$at \\1/p\"\n\
             done\n\
             umount memory 2> /dev/null || umount --lazy memory\n\
             NIXMIG_LASTING_LOOK=$ROOT/on-memory \"$SELF\" --exact --nocapture \"$NAME\" | sed -n 's/.*\\(None\\|Some.*)\\).*/gone \\1/p'\n";
        let output = Command::new("unshare")
            .args(["--mount", "--propagation=private", "sh", "-c", shell])
            .env("ROOT", root.path())
            .env("SELF", std::env::current_exe().unwrap())
            .env(
                "NAME",
                "record::lasting::tests::an_overlay_lasts_as_its_upper_directory_does",
            )
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{output:?}");
        let wanted = "on-disk None\non-memory Some(\"tmpfs\")\nmemory Some(\"tmpfs\")\ngone None\n";
        assert_eq!(told, wanted, "{output:?}");
    }
}
