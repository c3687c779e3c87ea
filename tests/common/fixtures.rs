//! The hosts of `test-fixtures`, built by Nix once for all tests and all runs until they or the module change.
//!
//! Owns where they lie and how a test names them; knows nothing of what is in a generation and of what nixmig makes of
//! it. Nothing here may change what was built: tests that write copy first.

#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests and benchmarks use a part each, and a test without its fixtures can only stop, aloud"
)]

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// All fixtures, in the layout that `test-fixtures/build` describes.
#[derive(Debug)]
pub(crate) struct Fixtures {
    root: PathBuf,
    generations: Vec<Generation>,
}

/// One generation of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Generation {
    /// The host's name: `atlas`, `hermes`, `iris`.
    pub(crate) host: String,
    /// Its number, which is that of its link in the profile.
    pub(crate) number: u32,
    /// The closure, a store path.
    pub(crate) toplevel: PathBuf,
    /// The derivation of the closure.
    pub(crate) derivation: PathBuf,
}

/// The fixtures, building them first if need be; `None`, and a word on standard error, on a machine without Nix.
///
/// # Panics
///
/// When they do not build; with `CI` set also when Nix is missing, so that nothing is skipped there unseen.
pub(crate) fn fixtures() -> Option<&'static Fixtures> {
    static FIXTURES: OnceLock<Option<Fixtures>> = OnceLock::new();
    let built = FIXTURES.get_or_init(build).as_ref();
    if built.is_none() {
        eprintln!("skipped: the fixtures need nix and git in PATH");
    }
    built
}

fn build() -> Option<Fixtures> {
    for tool in ["nix", "git"] {
        if !is_in_path(tool) {
            assert!(
                std::env::var_os("CI").is_none(),
                "{tool} is not in PATH, and with CI set no test is skipped"
            );
            return None;
        }
    }

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("test-fixtures/build");
    let key = run(Command::new(&script).arg("--key"));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("cargo's directory for tests is below its target directory");
    // Nix refuses a store that is reached through a symbolic link.
    let target = fs::canonicalize(target).expect("cargo has made its target directory");
    let root = target.join(format!("test-fixtures-{}", &key.trim()[..12]));
    fs::create_dir_all(&root).expect("the target directory can be written to");

    // Test binaries run side by side. The lock ends with the file, in whatever way this process ends.
    let lock = File::create(root.join("lock")).expect("the target directory can be written to");
    lock.lock().expect("a file in the target directory can be locked");
    run(Command::new(&script).arg(&root));

    let manifest = root.join("manifest");
    let text =
        fs::read_to_string(&manifest).unwrap_or_else(|error| panic!("{}: {error}", manifest.display()));
    Some(Fixtures {
        root,
        generations: text.lines().map(Generation::parse).collect(),
    })
}

fn is_in_path(tool: &str) -> bool {
    Command::new(tool)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

fn run(command: &mut Command) -> String {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("the build script prints text")
}

impl Generation {
    fn parse(line: &str) -> Self {
        let mut words = line.split(' ');
        let mut word = || {
            words
                .next()
                .unwrap_or_else(|| panic!("a line of the manifest has four words: {line}"))
        };
        Self {
            host: word().to_owned(),
            number: word().parse().expect("generations have numbers"),
            toplevel: word().into(),
            derivation: word().into(),
        }
    }

    /// What flakes, sources and `systems` in `test-fixtures/default.nix` call it: `atlas-3`.
    pub(crate) fn name(&self) -> String {
        format!("{}-{}", self.host, self.number)
    }
}

impl Fixtures {
    /// The directory that everything is in.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The store, in place of `/nix/store`.
    pub(crate) fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    /// Nix's state, in place of `/nix/var/nix`.
    pub(crate) fn state(&self) -> PathBuf {
        self.root.join("var")
    }

    /// The profile of a host; its newest generation is the current one.
    pub(crate) fn profile(&self, host: &str) -> PathBuf {
        self.state().join("profiles").join(host)
    }

    /// Every generation, those of a host in their order.
    pub(crate) fn generations(&self) -> &[Generation] {
        &self.generations
    }

    /// One generation.
    ///
    /// # Panics
    ///
    /// When there is none of that number.
    pub(crate) fn generation(&self, host: &str, number: u32) -> &Generation {
        self.generations
            .iter()
            .find(|generation| generation.host == host && generation.number == number)
            .unwrap_or_else(|| panic!("the fixtures have no generation {number} of {host}"))
    }

    /// The link of a generation in its host's profile.
    pub(crate) fn link(&self, host: &str, number: u32) -> PathBuf {
        self.state().join(format!("profiles/{host}-{number}-link"))
    }

    /// The directory of the modules that a generation is evaluated from.
    pub(crate) fn source(&self, host: &str, number: u32) -> PathBuf {
        self.root.join(format!("source/{host}-{number}"))
    }

    /// A repository with a host's sources, a commit and a tag `generation-NUMBER` for each generation.
    pub(crate) fn repository(&self, host: &str) -> PathBuf {
        self.root.join("git").join(host)
    }

    /// A flake reference without fragment, to a clean repository; `#atlas-3` names a generation, `#atlas` the newest.
    pub(crate) fn flake(&self) -> String {
        format!(
            "git+file://{}?dir=test-fixtures",
            self.root.join("flake").display()
        )
    }

    /// The file whose attribute `systems.atlas-3` is a generation.
    pub(crate) fn file(&self) -> PathBuf {
        self.root.join("flake/test-fixtures/default.nix")
    }

    /// The environment in which Nix works on this store, without network, daemon or sandbox. The cache is the store's
    /// own, because Nix remembers where in which store a revision went, and forgets which store it was.
    pub(crate) fn environment(&self) -> Vec<(&'static str, OsString)> {
        environment(&self.root)
    }
}

/// The environment in which Nix works on a store of its own in a directory, as [`Fixtures::environment`] does.
pub(crate) fn environment(root: &Path) -> Vec<(&'static str, OsString)> {
    vec![
        ("NIX_REMOTE", "local".into()),
        ("NIX_STORE_DIR", root.join("store").into()),
        ("NIX_STATE_DIR", root.join("var").into()),
        ("NIX_LOG_DIR", root.join("log").into()),
        ("NIX_PATH", OsString::new()),
        ("XDG_CACHE_HOME", root.join("cache").into()),
        ("NIX_CONFIG", NIX_CONFIG.into()),
    ]
}

/// As in `test-fixtures/build`: without `substituters =` every path that is missing costs seconds.
const NIX_CONFIG: &str = "experimental-features = nix-command flakes
sandbox = false
substituters =
build-users-group =
warn-dirty = false";
