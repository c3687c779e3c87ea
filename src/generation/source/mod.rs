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

use std::path::PathBuf;

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
