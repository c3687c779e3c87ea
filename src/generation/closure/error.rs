//! Owns what can go wrong with a closure, and the words for it.

use std::path::PathBuf;

use crate::generation::gate::GateError;

use super::root::PathError;

/// Why a generation cannot be read from its closure.
#[derive(Debug, thiserror::Error)]
pub enum ClosureError {
    /// A path leads nowhere.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A directory that is no NixOS system.
    #[error(
        "{} is not the closure of a NixOS system: it has no directory {}",
        path.display(),
        super::UNITS
    )]
    NotAClosure {
        /// The directory.
        path: PathBuf,
    },
    /// The generation that runs is asked for where none does.
    #[error("no generation is {word}: {link} is not there{}", below(root.as_deref()))]
    NotRunning {
        /// `current` or `booted`.
        word: &'static str,
        /// The link that would tell.
        link: &'static str,
        /// The root, where it is not `/`.
        root: Option<PathBuf>,
    },
    /// A profile has no such generation.
    #[error("{} has no generation {number}{}", profile.display(), there_are(known))]
    NoGeneration {
        /// What was asked for.
        number: String,
        /// The profile.
        profile: PathBuf,
        /// The numbers that it has, ascending.
        known: Vec<String>,
    },
    /// No such system inside.
    #[error("{} has no {kind} `{name}`{}", host.display(), there_are(known))]
    NotInside {
        /// The system.
        host: PathBuf,
        /// `specialisation` or `container`.
        kind: &'static str,
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A container whose system is not the host's to say.
    #[error("{} names no system: the container `{name}` is not part of this generation", file.display())]
    ContainerWithoutSystem {
        /// Its name.
        name: String,
        /// Its configuration.
        file: PathBuf,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {problem}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// The system's words.
        problem: std::io::Error,
    },
    /// A file that is too large to be what it should be.
    #[error("{} has {size} bytes: more than {limit} are not read", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// Its size.
        size: u64,
        /// How many bytes would be read.
        limit: u64,
    },
    /// A directory, a device or the like.
    #[error("{} is not a regular file", file.display())]
    NotAFile {
        /// The file.
        file: PathBuf,
    },
    /// A gate's text cannot be read.
    #[error(transparent)]
    Gate(#[from] Box<GateError>),
}

impl ClosureError {
    /// What to do about it, where that is known.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Path(PathError::Dangling { .. }) => Some(
                "What it points to is not in the store (any more): build the generation again, or copy it with `nix copy`.",
            ),
            Self::Path(PathError::Loop { .. }) => {
                Some("Take one of these links away, or have it lead elsewhere.")
            }
            Self::NoGeneration { .. } => {
                Some("Another profile is named with `--profile`: /nix/var/nix/profiles/system-profiles/NAME.")
            }
            Self::Gate(error) => Some(error.help()),
            Self::NotAClosure { .. } => Some(
                "Name the system itself: a generation's number, a link in /nix/var/nix/profiles, or the `result` of \
                 building `config.system.build.toplevel`.",
            ),
            Self::NotRunning { .. } => Some("Name a generation by its number or its link."),
            Self::ContainerWithoutSystem { .. } => {
                Some("It has a profile of its own: name /nix/var/nix/profiles/per-container/NAME/system.")
            }
            _ => None,
        }
    }
}

fn below(root: Option<&std::path::Path>) -> String {
    root.map(|root| format!(" below {}", root.display()))
        .unwrap_or_default()
}

fn there_are(known: &[String]) -> String {
    match known {
        [] => ": it has none".to_owned(),
        known => format!(": there are {}", known.join(", ")),
    }
}
