//! Owns what can go wrong with an evaluation, and the words for it.

use std::time::Duration;

use miette::Diagnostic;

use super::decode::{DecodeError, Missing, MissingKind};
use super::nix::string;
use crate::process::ProcessError;

/// How many names of what is there are shown.
const SHOWN: usize = 20;

/// Why a system could not be read from an evaluation.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum EvaluationError {
    /// There is no Nix.
    #[error("`{label}` must be evaluated, and there is no `nix` in PATH")]
    #[diagnostic(
        code(nixmig::evaluation::no_nix),
        help(
            "Install Nix (https://nixos.org/download, or the package nix-bin of Debian), or name a closure, a derivation \
             or a source file instead: those are read without it."
        )
    )]
    NoNix {
        /// What the user called the generation.
        label: String,
    },
    /// Nix ended with an error.
    #[error("Nix could not evaluate `{label}`:\n{words}")]
    #[diagnostic(code(nixmig::evaluation::failed), help("The command was: {command}"))]
    Failed {
        /// What the user called the generation.
        label: String,
        /// The command.
        command: String,
        /// The error in Nix's own words.
        words: String,
    },
    /// The system is not there.
    #[error("`{label}` is not there: {}", describe(missing))]
    #[diagnostic(code(nixmig::evaluation::missing), help("{}", alternatives(missing)))]
    Missing {
        /// What the user called the generation.
        label: String,
        /// What is missing, and what is there.
        missing: Missing,
    },
    /// Nix was ended.
    #[error("Nix was ended after {} s while it evaluated `{label}`", .after.as_secs_f64())]
    #[diagnostic(
        code(nixmig::evaluation::timed_out),
        help("Allow it more time with `--timeout`. The command was: {command}")
    )]
    TimedOut {
        /// What the user called the generation.
        label: String,
        /// The command.
        command: String,
        /// How long it was given.
        after: Duration,
    },
    /// nixmig received a signal; Nix is gone.
    #[error("interrupted by signal {signal}")]
    #[diagnostic(code(nixmig::evaluation::interrupted))]
    Interrupted {
        /// The signal's number; see [`die_of`](crate::process::die_of).
        signal: i32,
    },
    /// Nix could not be run to its end.
    #[error("Nix could not be run to evaluate `{label}`: {problem}")]
    #[diagnostic(code(nixmig::evaluation::process), help("The command was: {command}"))]
    Process {
        /// What the user called the generation.
        label: String,
        /// The command.
        command: String,
        /// What went wrong.
        #[source]
        problem: ProcessError,
    },
    /// What Nix gave is not what was asked for.
    #[error("what `{label}` declares cannot be read: {problem}")]
    #[diagnostic(code(nixmig::evaluation::decode), help("The command was: {command}"))]
    Decode {
        /// What the user called the generation.
        label: String,
        /// The command.
        command: String,
        /// What is the matter, and where.
        #[source]
        problem: DecodeError,
    },
}

impl EvaluationError {
    /// The signal that ended it, if one did.
    pub fn signal(&self) -> Option<i32> {
        match self {
            Self::Interrupted { signal } => Some(*signal),
            _ => None,
        }
    }

    /// What the user called the generation, or the two that one process evaluates.
    pub fn label(&self) -> Option<&str> {
        match self {
            Self::NoNix { label }
            | Self::Failed { label, .. }
            | Self::Missing { label, .. }
            | Self::TimedOut { label, .. }
            | Self::Process { label, .. }
            | Self::Decode { label, .. } => Some(label),
            Self::Interrupted { .. } => None,
        }
    }

    /// Whether this is no failure of its own, but the end of what ran beside a failure.
    pub(super) fn is_cancelled(&self) -> bool {
        let Self::Process { problem, .. } = self else {
            return false;
        };
        matches!(problem, ProcessError::Cancelled)
    }
}

fn describe(missing: &Missing) -> String {
    let name = string(&missing.name);
    match missing.kind {
        MissingKind::Host => format!("the flake has no nixosConfigurations.{name}"),
        MissingKind::Specialisation => format!("the system has no specialisation.{name}"),
        MissingKind::Container => format!("the system has no containers.{name}"),
        MissingKind::Configuration => "what is there is no evaluated NixOS configuration".to_owned(),
    }
}

fn alternatives(missing: &Missing) -> String {
    let there = &missing.there;
    let names: Vec<_> = there.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let more = match there.len() - names.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    match missing.kind {
        MissingKind::Configuration => {
            "Name what nixosSystem, or <nixpkgs/nixos>, gives, or its `config`; a module is read \
                                       as ./configuration.nix or as source."
                .to_owned()
        }
        _ if there.is_empty() => "There is none at all.".to_owned(),
        _ => format!("There is {}{more}.", names.join(", ")),
    }
}
