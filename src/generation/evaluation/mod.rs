//! Owns what Nix is asked to evaluate. Reads through `nix eval` alone: never a shell, never a build of the system.

use std::path::PathBuf;

/// A system that Nix evaluates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// Where the system's configuration comes from.
    pub what: What,
    /// Which system inside it is meant, outermost first; none is the system itself.
    pub inside: Vec<Inside>,
}

/// Where a configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// An entry of a flake's `nixosConfigurations`: `.#atlas`.
    Flake {
        /// The flake, as Nix takes it: `.`, `github:owner/repository`.
        reference: String,
        /// What stands behind the `#`: the entry's name, dots and all, without quotes, or with `nixosConfigurations.` before.
        attribute: String,
    },
    /// What a file evaluates to: `-f FILE [ATTRIBUTE]`.
    File {
        /// The file, or a directory with a `default.nix`.
        file: PathBuf,
        /// An attribute path in Nix's syntax to a system or to its `config`.
        attribute: Option<String>,
    },
    /// A file with a NixOS configuration, `./configuration.nix`, read with `<nixpkgs/nixos>`.
    Configuration {
        /// The file.
        file: PathBuf,
    },
}

/// A system inside a system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inside {
    /// `specialisation.<name>`.
    Specialisation(String),
    /// `containers.<name>`.
    Container(String),
}
