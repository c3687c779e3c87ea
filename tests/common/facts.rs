//! Owns the comparison of directories, by paths and std alone: nothing in it is what it checks.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what helps a test may fail as a test does"
)]

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// All that is known of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    mode: u32,
    owner: (u32, u32),
    /// Of devices.
    device: u64,
    modified: (i64, i64),
    attributes: BTreeMap<String, Vec<u8>>,
    /// Data, or what a link says.
    content: Vec<u8>,
    /// Whether it takes less than it has.
    is_sparse: bool,
    /// The first of its names.
    first: PathBuf,
}

/// What nixmig and ext4 keep at the root of a mount: no state.
const NO_STATE: [&str; 2] = [".nixmig", "lost+found"];

/// All that is in a directory, and itself.
pub(crate) fn facts(directory: &Path) -> BTreeMap<PathBuf, Fact> {
    let mut facts = BTreeMap::new();
    let mut left = vec![PathBuf::new()];
    while let Some(relative) = left.pop() {
        let path = directory.join(&relative);
        let seen = fs::symlink_metadata(&path).unwrap();
        let kind = seen.file_type();
        let mut content = Vec::new();
        if kind.is_dir() {
            for entry in fs::read_dir(&path).unwrap() {
                let name = entry.unwrap().file_name();
                if !NO_STATE.iter().any(|no_state| name == *no_state) {
                    left.push(relative.join(name));
                }
            }
        } else if kind.is_symlink() {
            content = fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec();
        } else if kind.is_file() {
            content = fs::read(&path).unwrap();
        }
        let is_device = kind.is_block_device() || kind.is_char_device();
        let fact = Fact {
            mode: seen.mode(),
            owner: (seen.uid(), seen.gid()),
            device: if is_device { seen.rdev() } else { 0 },
            modified: (seen.mtime(), seen.mtime_nsec()),
            attributes: attributes(&path),
            is_sparse: kind.is_file() && seen.blocks() * 512 + (1 << 20) < seen.len(),
            first: relative.clone(),
            content,
        };
        facts.insert(relative, fact);
    }
    // Names of one file say so in the same way.
    let mut first = HashMap::new();
    for (relative, fact) in &mut facts {
        let seen = fs::symlink_metadata(directory.join(relative)).unwrap();
        fact.first = first
            .entry((seen.dev(), seen.ino()))
            .or_insert_with(|| relative.clone())
            .clone();
    }
    facts
}

fn attributes(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut names = vec![0; 65536];
    let length = rustix::fs::llistxattr(path, &mut names).unwrap_or(0);
    let names = names[..length]
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty());
    names
        .map(|name| {
            let mut value = vec![0; 65536];
            let length = rustix::fs::lgetxattr(path, name, &mut value).unwrap();
            (
                String::from_utf8_lossy(name).into_owned(),
                value[..length].to_vec(),
            )
        })
        .collect()
}

/// Fails where two directories differ, and says in what.
pub(crate) fn assert_same(before: &BTreeMap<PathBuf, Fact>, after: &BTreeMap<PathBuf, Fact>) {
    let names = |facts: &BTreeMap<PathBuf, Fact>| facts.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(before), names(after));
    for (name, fact) in before {
        assert!(
            &after[name] == fact,
            "{}: {} and {}",
            name.display(),
            short(fact),
            short(&after[name])
        );
    }
}

fn short(fact: &Fact) -> String {
    let Fact { content, .. } = fact;
    let rest = Fact {
        content: content.iter().copied().take(20).collect(),
        ..fact.clone()
    };
    format!("{rest:?} of {} bytes", content.len())
}
