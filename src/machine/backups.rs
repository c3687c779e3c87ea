//! Owns the look at backups that are kept: how much space they take.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// How much space a file or directory takes with all that is below it, in bytes on its disk; links are not followed, and what
/// goes away meanwhile takes none. None where a part cannot be looked at.
pub fn size(path: &Path) -> Option<u64> {
    // stat(2) counts blocks in units of 512 bytes, whatever the file system's are.
    const BLOCK: u64 = 512;
    let mut bytes = 0u64;
    let mut open = vec![path.to_owned()];
    let mut first = true;
    while let Some(path) = open.pop() {
        let about = match std::fs::symlink_metadata(&path) {
            Ok(about) => about,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !first => continue,
            Err(_) => return None,
        };
        first = false;
        bytes = bytes.saturating_add(about.blocks().saturating_mul(BLOCK));
        if about.is_dir() {
            for entry in std::fs::read_dir(&path).ok()? {
                open.push(entry.ok()?.path());
            }
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn all_below_counts_and_links_are_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |path: &str| directory.path().join(path);
        fs::create_dir_all(at("backup/a")).unwrap();
        fs::write(at("large"), vec![1; 1 << 20]).unwrap();
        fs::write(at("backup/a/b"), vec![1; 1 << 16]).unwrap();
        symlink(at("large"), at("backup/link")).unwrap();
        let size = size(&at("backup")).unwrap();
        assert!((1 << 16..1 << 18).contains(&size), "{size}");
        assert_eq!(super::size(&at("gone")), None);
    }
}
