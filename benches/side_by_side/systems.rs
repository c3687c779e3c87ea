//! Owns the pair of generations of a server's size: built by Nix, once, until what they are made of changes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::fixtures::{self, Fixtures};
use crate::measure::Job;
use crate::{Outcome, nixmig};

/// Two generations of one host, and the store that they are in.
#[derive(Clone, Debug)]
pub(crate) struct Systems {
    root: PathBuf,
    /// The earlier one.
    pub(crate) old: System,
    /// The later one.
    pub(crate) new: System,
}

/// One generation.
#[derive(Clone, Debug)]
pub(crate) struct System {
    /// The closure's top, a store path.
    pub(crate) toplevel: String,
    /// What it was built from.
    pub(crate) derivation: String,
    /// How many store paths its closure has.
    pub(crate) paths: usize,
}

impl Systems {
    /// Builds them, where they are not there yet.
    ///
    /// # Errors
    ///
    /// When Nix fails.
    pub(crate) fn build(fixtures: &Fixtures) -> Outcome<Self> {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("side-by-side-systems");
        std::fs::create_dir_all(&root)?;
        // Nix refuses a store that is reached through a symbolic link.
        let root = std::fs::canonicalize(root)?;
        let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/side_by_side/systems.nix");
        let made_of = format!(
            "{}\n{}",
            fixtures.root().display(),
            std::fs::read_to_string(&recipe)?
        );
        let stamp = root.join("made-of");
        if std::fs::read_to_string(&stamp).ok().as_ref() != Some(&made_of) {
            println!("Building two generations of 2,000 store paths …\n");
            for attribute in ["old", "new"] {
                let words: [OsString; 6] = [
                    "nix-build".into(),
                    recipe.clone().into(),
                    "-A".into(),
                    attribute.into(),
                    "--out-link".into(),
                    root.join(attribute).into(),
                ];
                Job::new(words).environment(environment(&root)).output()?;
            }
            std::fs::write(stamp, made_of)?;
        }
        Ok(Self {
            old: System::at(&root, "old")?,
            new: System::at(&root, "new")?,
            root,
        })
    }

    /// The environment in which Nix works on their store.
    pub(crate) fn environment(&self) -> Vec<(OsString, OsString)> {
        environment(&self.root)
    }

    /// The directory that all their files are in.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// `nixmig diff` of two words.
    pub(crate) fn diff(&self, old: &str, new: &str) -> Job {
        Job::new([nixmig(), "diff".as_ref(), old.as_ref(), new.as_ref()]).environment(self.environment())
    }

    /// How large they are: `2,013 and 2,025 store paths`.
    pub(crate) fn size(&self) -> String {
        use crate::report::number;
        format!(
            "{} and {} store paths",
            number(self.old.paths),
            number(self.new.paths)
        )
    }
}

impl System {
    fn at(root: &Path, attribute: &str) -> Outcome<Self> {
        let toplevel = std::fs::read_link(root.join(attribute))?
            .into_os_string()
            .into_string()
            .map_err(|_| "a store path is not UTF-8")?;
        let query = |what: &str| {
            Job::new(["nix-store", "--query", what, &toplevel])
                .environment(environment(root))
                .output()
        };
        Ok(Self {
            derivation: query("--deriver")?.trim().to_owned(),
            paths: query("--requisites")?.lines().count(),
            toplevel,
        })
    }
}

fn environment(root: &Path) -> Vec<(OsString, OsString)> {
    let variables = fixtures::environment(root).into_iter();
    variables.map(|(name, value)| (name.into(), value)).collect()
}
