//! Owns what it means to run a script: which files may be run, what is told of the end, and who runs them.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path};
use std::time::Duration;

use super::privileges::{Account, AccountError};
use crate::generation::gate::Gate;
use crate::process::ProcessError;
use crate::record::Outcome;

/// How many of a script's last lines are kept.
const LINES_KEPT: usize = 64;

/// How many bytes of them.
const BYTES_KEPT: usize = 16 * 1024;

/// Runs scripts. There is one for machines without systemd, in nixmig's own process.
pub trait Executor {
    /// Whether it can run the scripts of a definition as that wants, and as whom. Asked before a run begins.
    ///
    /// # Errors
    ///
    /// Fails with every setting that it does not know, and with accounts that are not there.
    fn account(&self, gate: &Gate) -> Result<Account, AccountError>;

    /// Runs a script to its end, and all that it started. Every line is told as it comes.
    ///
    /// # Errors
    ///
    /// See [`ExecuteError`]. That a script ended badly is none.
    fn run(&self, job: &ScriptJob<'_>, line: &mut dyn FnMut(&str)) -> Result<Ended, ExecuteError>;

    /// The signal that told nixmig to end, if one did.
    fn stopped(&self) -> Option<i32>;
}

/// A script to run.
#[derive(Debug)]
pub struct ScriptJob<'a> {
    /// Its path in the store.
    pub script: &'a str,
    /// The store directory of its generation.
    pub store: &'a Path,
    /// The whole of its environment.
    pub environment: &'a BTreeMap<String, String>,
    /// As whom it runs.
    pub account: &'a Account,
    /// The descriptors of locks, which it keeps open.
    pub locks: &'a [BorrowedFd<'a>],
    /// Whether a signal to nixmig leaves it alone: it brings state back.
    pub shielded: bool,
    /// What the names of units begin with that it is run in; none where it belongs to no run.
    pub unit: Option<&'a str>,
    /// Whether only standard output is told. Both streams are kept.
    pub answers: bool,
}

/// How a script ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How. [`Outcome::Interrupted`] where it was told to end because nixmig was.
    pub outcome: Outcome,
    /// The last lines that it wrote.
    pub output: String,
    /// How long it took.
    pub elapsed: Duration,
    /// How many processes it left behind. They are gone.
    pub left_behind: usize,
}

/// Why a script was not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// It may not be run. Nothing was.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// It cannot be run as its definition wants. Nothing was.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// It could not be started, or nixmig was told to end before. Nothing was run.
    #[error("{script} could not be run: {problem}")]
    NotRun {
        /// The script.
        script: String,
        /// Why.
        problem: ProcessError,
    },
    /// Something that it started cannot be ended and may still write.
    #[error("{script} has ended, and what it started cannot be ended: it may still write to the state")]
    StillRunning {
        /// The script.
        script: String,
    },
}

/// Why a file may not be run as a script.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// Not below the store directory of its generation, by name or by a link.
    #[error("`{script}` is not in the store {}: only what the generation keeps is run", store.display())]
    OutsideTheStore {
        /// The script.
        script: String,
        /// The store directory.
        store: std::path::PathBuf,
    },
    /// Not a file that can be run.
    #[error("`{script}` cannot be run: it is no executable file")]
    NotExecutable {
        /// The script.
        script: String,
    },
    /// The system's own words.
    #[error("`{script}` cannot be looked at: {problem}")]
    Io {
        /// The script.
        script: String,
        /// The words.
        problem: io::Error,
    },
}

/// Checks that a script is an executable file in the store, by its name and by where links lead.
///
/// # Errors
///
/// Fails where it is not, or is not there.
pub fn check(script: &str, store: &Path) -> Result<(), ScriptError> {
    let outside = || ScriptError::OutsideTheStore {
        script: script.to_owned(),
        store: store.to_owned(),
    };
    let io = |problem| ScriptError::Io {
        script: script.to_owned(),
        problem,
    };
    let below = Path::new(script).strip_prefix(store).map_err(|_| outside())?;
    let mut parts = below.components();
    let named =
        matches!(parts.next(), Some(Component::Normal(name)) if is_store_name(name.as_encoded_bytes()));
    if !store.is_absolute() || !named || !parts.all(|part| matches!(part, Component::Normal(_))) {
        return Err(outside());
    }
    let real = fs::canonicalize(script).map_err(io)?;
    if !real.starts_with(fs::canonicalize(store).map_err(io)?) {
        return Err(outside());
    }
    let metadata = fs::metadata(&real).map_err(io)?;
    match metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 {
        true => Ok(()),
        false => Err(ScriptError::NotExecutable {
            script: script.to_owned(),
        }),
    }
}

/// A hash of 32 letters and digits, a dash, and a name.
fn is_store_name(name: &[u8]) -> bool {
    let hash = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() > 33 && name[..32].iter().all(hash) && name[32] == b'-'
}

/// The last lines of what is told.
#[derive(Debug, Default)]
pub(super) struct Tail {
    lines: VecDeque<String>,
    bytes: usize,
}

impl Tail {
    pub(super) fn push(&mut self, line: &str) {
        self.bytes += line.len() + 1;
        self.lines.push_back(line.to_owned());
        while self.lines.len() > LINES_KEPT || self.bytes > BYTES_KEPT {
            let Some(first) = self.lines.pop_front() else {
                return;
            };
            self.bytes -= first.len() + 1;
        }
    }

    pub(super) fn text(self) -> String {
        Vec::from(self.lines).join("\n")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const HASH: &str = "0123456789abcdfghijklmnpqrsvwxyz";

    #[test]
    fn only_executable_files_of_the_store_are_run() {
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("store");
        fs::create_dir_all(store.join(format!("{HASH}-dir"))).unwrap();
        let make = |path: &Path, mode| {
            fs::write(path, "#!/bin/sh\n").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        make(&store.join(format!("{HASH}-good")), 0o555);
        make(&store.join(format!("{HASH}-plain")), 0o444);
        make(&store.join("nameless"), 0o555);
        make(&directory.path().join("evil"), 0o555);
        symlink("../evil", store.join(format!("{HASH}-out"))).unwrap();
        symlink(format!("{HASH}-good"), store.join(format!("{HASH}-in"))).unwrap();
        symlink(store.join("../evil"), store.join(format!("{HASH}-dir/out"))).unwrap();
        let check = |name: &str| check(&format!("{}/{name}", store.display()), &store);
        for name in ["good", "in"] {
            check(&format!("{HASH}-{name}")).unwrap();
        }
        let outside = |name: String| {
            let error = check(&name).unwrap_err();
            assert!(
                matches!(error, ScriptError::OutsideTheStore { .. }),
                "{name}: {error}"
            );
        };
        outside(format!("{HASH}-out"));
        outside(format!("{HASH}-dir/out"));
        outside(format!("{HASH}-dir/../{HASH}-good"));
        outside("nameless".to_owned());
        outside("../evil".to_owned());
        assert!(matches!(
            check(&format!("{HASH}-plain")),
            Err(ScriptError::NotExecutable { .. })
        ));
        assert!(matches!(
            check(&format!("{HASH}-dir")),
            Err(ScriptError::NotExecutable { .. })
        ));
        assert!(matches!(
            check(&format!("{HASH}-gone")),
            Err(ScriptError::Io { .. })
        ));
    }

    #[test]
    fn the_last_lines_are_kept() {
        let mut tail = Tail::default();
        for line in 0..200 {
            tail.push(&line.to_string());
        }
        let text = tail.text();
        assert_eq!(text.lines().count(), LINES_KEPT);
        assert!(text.starts_with("136\n") && text.ends_with("\n199"));
        let mut tail = Tail::default();
        for _ in 0..10 {
            tail.push(&"x".repeat(4000));
        }
        assert_eq!(tail.text().lines().count(), 4);
    }
}
