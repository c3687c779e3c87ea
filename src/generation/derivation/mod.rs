//! Reads a NixOS system from its derivation, not built: a `.drv` in, a [`Generation`] out (design §4).
//!
//! Starts no process and never builds. Goes from the system's build command to `etc`, from there to the directory of units,
//! and from there to the units that matter, each time to the one input derivation that makes what the command names; what
//! is only in a package is not seen. The store need not be `/nix/store`.

pub mod aterm;
mod shell;
mod store;
mod system;
mod units;

use std::path::{Path, PathBuf};

use crate::model::Generation;

use super::ReadOptions;
use super::evaluation::Inside;
use super::gate::GateError;
use super::units::Wanted;
use store::{Source, Store};

pub use aterm::AtermError;

/// Why a generation cannot be read from a derivation.
#[derive(Debug, thiserror::Error)]
pub enum DerivationError {
    /// The file is not there.
    #[error("there is no derivation {path}")]
    Missing {
        /// The file.
        path: String,
    },
    /// A file cannot be read.
    #[error("cannot read {}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A directory, a device or the like.
    #[error("{} is not a regular file", file.display())]
    NotAFile {
        /// The file.
        file: PathBuf,
    },
    /// A file that no derivation of a system is as large as.
    #[error("{} has more than {limit} bytes: that is no derivation of a system", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// How many bytes are read at most.
        limit: u64,
    },
    /// Not a derivation.
    #[error("{path} is not a derivation: {problem}")]
    Syntax {
        /// The derivation.
        path: String,
        /// What is wrong with it, and at which byte.
        problem: AtermError,
    },
    /// The structured attributes are no JSON object.
    #[error("the structured attributes of {path} are no JSON object: {problem}")]
    Attributes {
        /// The derivation.
        path: String,
        /// What the JSON reader says.
        problem: serde_json::Error,
    },
    /// A derivation's input is not in the store.
    #[error("{needed_by} is made from {input}, which is not in {}", directory.display())]
    MissingInput {
        /// The derivation that is missing.
        input: String,
        /// The derivation that needs it.
        needed_by: String,
        /// Where it was looked for first.
        directory: PathBuf,
    },
    /// A build command names a path that none of its inputs makes.
    #[error("{derivation} names {path}, which none of its input derivations makes")]
    NoInput {
        /// The derivation.
        derivation: String,
        /// The path.
        path: String,
    },
    /// The derivation is not a system's.
    #[error("{path} is not the derivation of a NixOS system: {why}")]
    NotASystem {
        /// The derivation.
        path: String,
        /// What a system's has and this one has not.
        why: &'static str,
    },
    /// No such system inside.
    #[error("{path} has no {kind} `{name}`{}", there_are(known))]
    NotInside {
        /// The derivation.
        path: String,
        /// `specialisation` or `container`.
        kind: &'static str,
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A gate's text cannot be read.
    #[error(transparent)]
    Gate(#[from] Box<GateError>),
}

impl DerivationError {
    /// What to do about it, where that is known.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Missing { .. } | Self::MissingInput { .. } => Some(
                "Evaluate the system again (`nix-instantiate`, `nix eval …toplevel.drvPath`), or copy the derivation \
                 with all it is made from: `nix copy --derivation`.",
            ),
            Self::Syntax {
                problem: AtermError::Ended { .. },
                ..
            } => Some("The file was cut short: `nix-store --verify` tells, evaluating again writes it anew."),
            Self::Gate(error) => Some(error.help()),
            Self::NotASystem { .. } => Some(
                "It must be that of `config.system.build.toplevel`: its name begins with `nixos-system-`.",
            ),
            _ => None,
        }
    }
}

fn there_are(known: &[String]) -> String {
    match known {
        [] => ": it has none".to_owned(),
        known => format!(": there are {}", known.join(", ")),
    }
}

/// Reads the system that `file` is the derivation of, or one `inside` it; `label` is what the user called it.
///
/// `file` is where it really is, symlinks resolved. Input derivations are looked for beside it, and then below the root
/// of `options`.
///
/// # Errors
///
/// Fails where a derivation that matters is missing or not as nixpkgs writes it, and where a gate is not as
/// docs/formats.md says.
pub fn read(
    label: &str,
    file: &Path,
    inside: &[Inside],
    options: &ReadOptions,
) -> Result<Generation, DerivationError> {
    let (store, source) = find(file, inside, options)?;
    system::read(label, &store, &source.derivation()?, options.scripts)
}

/// Reads the programs of further units into a generation that [`read`] gave for the same `file` and `inside`.
///
/// # Errors
///
/// Fails where the derivations are not any more as they were.
pub fn look_into(
    generation: &mut Generation,
    file: &Path,
    inside: &[Inside],
    wanted: &Wanted,
    options: &ReadOptions,
) -> Result<(), DerivationError> {
    let (store, source) = find(file, inside, options)?;
    system::look_into(&store, &source.derivation()?, wanted, generation)
}

fn find(file: &Path, inside: &[Inside], options: &ReadOptions) -> Result<(Store, Source), DerivationError> {
    let (store, mut source) = Store::of(file, &options.root)?;
    for inner in inside {
        source = system::inside(&store, &source.derivation()?, inner)?;
    }
    Ok((store, source))
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
