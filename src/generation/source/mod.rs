//! Reads the text of NixOS modules, without evaluating it, into a [`Generation`](crate::model::Generation).
//!
//! What is literal is known, with its place; what is not is *unknown*, never absent. The reader knows the language (scopes,
//! functions of its own, `import` of files in reach), the handful of `lib` functions that modules are written with, and the
//! module system's `imports`, conditions and priorities. It knows nothing of `config`, `pkgs` or the arguments of modules: what
//! hangs on them is unknown. Options that other modules set are not looked up: which modules a system is made of is not in
//! their text.
//!
//! - A **file** is a module: its literal `imports` are followed.
//! - A **directory** stands for every `.nix` file in it, at any depth, besides hidden ones, those under `result*` and linked
//!   directories, each taken as a module; literal `imports` that lead out of it are followed. A file with neither the word
//!   `migrations` nor the word `imports` in it is not parsed: it can declare nothing.
//! - **`REV:path`** is one of them in a commit of a git repository, whose work tree is not looked at.
//!
//! `import ./x.nix` is followed wherever it stands, and `builtins.readFile ./x.sh` is read.

mod binding;
mod call;
mod collections;
mod condition;
mod count;
mod definition;
mod depth;
mod error;
mod eval;
mod expr;
mod files;
mod git;
mod library;
mod literal;
mod module;
mod parse;
mod service;
mod setting;
mod share;
mod sources;
mod step;
mod stray;
mod string;
mod syntax;
mod text;
mod thread;
mod value;

use std::path::{Path, PathBuf};

pub use self::count::Known;
pub use self::error::{Fault, Place, SourceError, TextError};
pub use self::git::GitError;

use self::files::{Disk, Kind, Nothing, Tree, resolve};
use self::git::Commit;
use self::share::Reading;
use self::sources::{Parsed, candidates};
use super::ReadOptions;
use crate::model::{Direction, Generation, Part, Setting, Text};

/// The text of modules: where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceReference {
    /// A file or a directory.
    Path(PathBuf),
    /// A file or a directory in a commit of a git repository: `REV:path`.
    Git {
        /// A directory in the repository.
        repository: PathBuf,
        /// The commit, as git names it: `HEAD~1`, a branch, a hash.
        revision: String,
        /// From the repository's top; empty is the top.
        path: String,
    },
}

impl SourceReference {
    /// What it is called in messages: the path, or `REV:path`.
    pub fn name(&self) -> String {
        match self {
            Self::Path(path) => path.display().to_string(),
            Self::Git { revision, path, .. } => format!("{revision}:{path}"),
        }
    }
}

/// Reads the text of modules. `label` is what the user called them.
///
/// # Errors
///
/// Fails where there is nothing of that name, where a file cannot be read, where a text is not Nix, and where a declaration is
/// wrong whatever the unknown may be: a version that is none, a part defined twice, a wrong type.
pub fn read(
    reference: &SourceReference,
    label: &str,
    options: &ReadOptions,
) -> Result<Generation, SourceError> {
    let name = &reference.name();
    let scripts = options.scripts;
    on_deep_stack(|| match reference {
        SourceReference::Path(path) => {
            let mut generation = read_tree(&Disk, path, name, label, scripts)?;
            generation.identity = Some(path.display().to_string());
            Ok(generation)
        }
        SourceReference::Git {
            repository,
            revision,
            path,
        } => {
            let commit = Commit::open(repository, revision)?;
            let resolved = resolve(Path::new(""), path.trim_start_matches('/'));
            let mut generation = read_tree(&commit, &resolved, name, label, scripts)?;
            generation.identity = Some(format!("{}:{}", commit.id, resolved.display()));
            Ok(generation)
        }
    })
}

/// Leaves out the words of scripts, as every reader does that was not asked for them. Warnings stay.
fn forget_scripts(generation: &mut Generation) {
    let forget = |setting: &mut Setting<Text>| {
        if let Setting::Set(text) = setting {
            text.text = None;
        }
    };
    for service in generation.services.values_mut() {
        forget(&mut service.detect);
        for version in service.history.versions().collect::<Vec<_>>() {
            let Some(migration) = service.history.get_mut(version) else {
                continue;
            };
            for direction in [Direction::Up, Direction::Down] {
                for part in Part::ALL.into_iter().filter(|&part| part != Part::Warn) {
                    forget(migration.action_mut(direction).part_mut(part));
                }
            }
        }
    }
}

/// Reads one text as a module, with no files beside it: what it imports is not there.
///
/// # Errors
///
/// As [`read`], but for files.
pub fn read_text(name: &str, text: &str) -> Result<Generation, SourceError> {
    on_deep_stack(|| read_alone(name, text))
}

fn read_alone(name: &str, text: &str) -> Result<Generation, SourceError> {
    let text = Parsed::new(&Nothing, Path::new(name), text)?;
    let reading = Reading {
        tree: &Nothing,
        texts: &[text],
        label: name,
        scripts: true,
    };
    reading.generation()
}

fn read_tree(
    tree: &dyn Tree,
    path: &Path,
    name: &str,
    label: &str,
    scripts: bool,
) -> Result<Generation, SourceError> {
    let unreadable = |error| SourceError::Unreadable {
        name: name.to_owned(),
        error,
    };
    let texts = match tree.kind(path).map_err(unreadable)? {
        None => {
            return Err(SourceError::Missing {
                name: name.to_owned(),
            });
        }
        Some(Kind::File) => vec![Parsed::load(tree, path)?],
        Some(Kind::Directory) => candidates(tree, &tree.nix_files(path).map_err(unreadable)?)?,
    };
    let reading = Reading {
        tree,
        texts: &texts,
        label,
        scripts,
    };
    reading.generation()
}

/// Runs where what is nested fits: see [`depth`].
fn on_deep_stack<T: Send>(read: impl FnOnce() -> Result<T, SourceError> + Send) -> Result<T, SourceError> {
    std::thread::scope(|scope| {
        thread::spawn(scope, read)?
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
