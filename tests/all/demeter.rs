//! A host whose PostgreSQL is real, in three generations: `test-fixtures/postgresql/build`.
//!
//! Owns where it lies, and how a test looks at its clusters and lets nixmig walk between its generations. Each test names a
//! host of its own, which begins without a cluster and without a record.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nixmig::model::Recorded;
use nixmig::record::{self, Place};

use crate::cli;

/// A host.
#[derive(Debug)]
pub(crate) struct Demeter {
    directory: PathBuf,
    generations: Vec<Generation>,
    // Held for as long as the host is used.
    _lock: File,
}

/// One of its generations.
#[derive(Debug)]
pub(crate) struct Generation {
    number: u32,
    /// The closure.
    pub(crate) toplevel: PathBuf,
    /// Its PostgreSQL.
    pub(crate) package: PathBuf,
}

impl Generation {
    /// 13, 15 or 17.
    pub(crate) fn major(&self) -> u32 {
        let name = self.package.file_name().unwrap().to_str().unwrap();
        let (_, version) = name.rsplit_once('-').unwrap();
        version.split('.').next().unwrap().parse().unwrap()
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("test-fixtures/postgresql")
        .join(name)
}

fn succeed(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", told(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// All that a command printed, and how it ended.
pub(crate) fn told(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

impl Demeter {
    /// A host of its own for one test; `None`, and a word, where it cannot be: without Nix, apt or root.
    ///
    /// # Panics
    ///
    /// When it cannot be made; with `CI` set also where it cannot be, so that nothing is skipped there unseen.
    pub(crate) fn new(name: &str) -> Option<Self> {
        let has = |tool: &str| {
            let mut command = Command::new(tool);
            command
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            command.status().is_ok()
        };
        let lacking = ["nix", "apt-get", "setpriv"].into_iter().find(|tool| !has(tool));
        let lacking = match lacking {
            None if !rustix::process::geteuid().is_root() => Some("root"),
            lacking => lacking,
        };
        if let Some(lacking) = lacking {
            assert!(
                std::env::var_os("CI").is_none(),
                "there is no {lacking}, and with CI set no test is skipped"
            );
            println!("skipped: real PostgreSQL servers need {lacking}");
            return None;
        }

        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let target = fs::canonicalize(target).unwrap();
        let directory = target.join("postgresql").join(name);
        fs::create_dir_all(&directory).unwrap();
        let lock = File::create(directory.join("lock")).unwrap();
        lock.lock().unwrap();
        succeed(Command::new(fixture("build")).arg(&target).arg(name));
        let manifest = fs::read_to_string(directory.join("manifest")).unwrap();
        let generation = |line: &str| {
            let mut words = line.split(' ');
            let mut word = || words.next().unwrap();
            Generation {
                number: word().parse().unwrap(),
                toplevel: word().into(),
                package: word().into(),
            }
        };
        let demeter = Self {
            directory,
            generations: manifest.lines().map(generation).collect(),
            _lock: lock,
        };
        demeter.clear();
        Some(demeter)
    }

    /// Takes away its clusters and its record.
    pub(crate) fn clear(&self) {
        for entry in fs::read_dir(self.directory.join("state")).unwrap() {
            fs::remove_dir_all(entry.unwrap().path()).unwrap();
        }
        for record in ["record", "gcroots"] {
            let directory = self.directory.join(record);
            if directory.exists() {
                fs::remove_dir_all(directory).unwrap();
            }
        }
    }

    /// The generation with a major version of PostgreSQL.
    pub(crate) fn with(&self, major: u32) -> &Generation {
        let mut all = self.generations.iter();
        all.find(|generation| generation.major() == major).unwrap()
    }

    /// What `test-fixtures/postgresql/cluster` prints that does something to the cluster of a major version.
    pub(crate) fn cluster(&self, major: u32, words: &[&str]) -> String {
        let mut command = Command::new(fixture("cluster"));
        command.arg(self.directory.join("state"));
        succeed(command.arg(&self.with(major).package).args(words))
    }

    /// The major versions of the clusters that are there.
    pub(crate) fn clusters(&self) -> Vec<u32> {
        let entries = fs::read_dir(self.directory.join("state")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut majors: Vec<u32> = names.map(|name| name.parse().unwrap()).collect();
        majors.sort_unstable();
        majors
    }

    /// `nixmig migrate` to the generation with a major version of PostgreSQL.
    pub(crate) fn migrate(&self, major: u32) -> Command {
        let mut command = self.nixmig("migrate");
        command.arg(self.with(major).number.to_string());
        command
    }

    /// The same, to its end.
    ///
    /// # Panics
    ///
    /// When that is not where it should end.
    pub(crate) fn arrive(&self, major: u32) {
        succeed(&mut self.migrate(major));
        assert_eq!(self.clusters(), [major]);
    }

    /// A command of nixmig about this host.
    pub(crate) fn nixmig(&self, command: &str) -> Command {
        let mut nixmig = cli::nixmig(&[command]);
        nixmig
            .arg("--profile")
            .arg(self.profile())
            .arg("--state-dir")
            .arg(self.directory.join("record"))
            .arg("--gc-roots")
            .arg(self.directory.join("gcroots"))
            .arg("--guards")
            .arg(self.directory.join("guards"));
        nixmig
    }

    /// What is recorded of the service.
    pub(crate) fn recorded(&self) -> Recorded {
        let place = Place {
            state_dir: self.directory.join("record"),
            gc_roots: self.directory.join("gcroots"),
            guards: self.directory.join("guards"),
        };
        let view = record::look(&place).unwrap().unwrap();
        view.services.into_values().next().unwrap()
    }

    fn profile(&self) -> PathBuf {
        fs::read_link(self.directory.join("profile")).unwrap()
    }

    /// All store paths that a generation needs.
    pub(crate) fn closure(&self, generation: &Generation) -> Vec<PathBuf> {
        let shared = self.directory.parent().unwrap();
        let paths = succeed(
            Command::new("nix-store")
                .arg("-qR")
                .arg(&generation.toplevel)
                .envs(crate::fixtures::environment(shared)),
        );
        paths.lines().map(PathBuf::from).collect()
    }
}
