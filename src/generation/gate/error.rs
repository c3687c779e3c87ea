//! Owns what can be wrong with a gate's unit file, and where.

use std::ops::Range;

use crate::generation::unit_file::{IgnoredReason, SyntaxError};
use crate::model::{DigestError, DuplicateVersion, NameError, ServiceName, UnitName, VersionError};

/// A gate's unit file that cannot be read: what is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}, line {line}: {problem}")]
pub struct GateError {
    /// The file, as its reader names it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The bytes in the file.
    pub span: Range<usize>,
    /// The section, where it is in one.
    pub section: Option<String>,
    /// The file's text, to show the place in; none where it is no text or its lines are too long to be shown.
    pub text: Option<String>,
    /// What is wrong.
    pub problem: GateProblem,
}

impl GateError {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self.problem {
            GateProblem::Newer(_) => {
                "Update nixmig here, or run the one of that generation: its gates name it in their `ExecStart=`."
            }
            GateProblem::DropIn => {
                "Say it in `migrations.SERVICE` of the configuration, and take the drop-in away."
            }
            _ => {
                "Gates are written by nixmig's NixOS module. Take away what else sets the text of this one, and build the generation \
                 again."
            }
        }
    }
}

/// What can be wrong with a gate's unit file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GateProblem {
    /// It is no unit file.
    #[error("{}", .0.problem)]
    Syntax(SyntaxError),
    /// A line that systemd skips.
    #[error("{0}")]
    Ignored(IgnoredReason),
    /// A key that must be there is not.
    #[error("`{0}=` is missing")]
    Missing(&'static str),
    /// A format of a later nixmig.
    #[error("format {0} was written by a newer nixmig: read this generation with that one")]
    Newer(String),
    /// The format is no number.
    #[error("`{0}` is not the number of a format")]
    Format(String),
    /// The file's name and the service's do not fit.
    #[error("`{found}` is named by the gate of `{expected}`")]
    OtherService {
        /// The service that the unit's name has.
        expected: ServiceName,
        /// What stands in the file.
        found: String,
    },
    /// A key that is not known.
    #[error("`{0}=` is not known: a key that is not understood could change what runs")]
    UnknownKey(String),
    /// A key that stands in the wrong section.
    #[error("`{0}=` belongs into `[Unit]`")]
    Misplaced(String),
    /// A key that is there twice.
    #[error("`{0}=` is there a second time")]
    Twice(String),
    /// A section that names no migration.
    #[error("`[{0}]` names no migration: it must be `[X-Migration VERSION]`")]
    Section(String),
    /// A word is not what it must be.
    #[error("{0}")]
    Version(#[from] VersionError),
    /// A version is there twice.
    #[error("{0}")]
    DuplicateVersion(#[from] DuplicateVersion),
    /// A name is not what it must be.
    #[error("{0}")]
    Name(#[from] NameError),
    /// A gated unit that is not a service.
    #[error("`{0}` is not a `.service`: nothing else can be gated")]
    NotAService(UnitName),
    /// A digest is not what it must be.
    #[error("{0}")]
    Digest(#[from] DigestError),
    /// An action without its digest.
    #[error("`{0}=` is missing, although the action is there")]
    MissingDigest(&'static str),
    /// A value is not the JSON that it must be.
    #[error("the value of `{key}=` is not {expected} in JSON: {reason}")]
    Json {
        /// The key.
        key: String,
        /// What it must be.
        expected: &'static str,
        /// What the JSON reader says.
        reason: String,
    },
    /// A switch that is neither on nor off.
    #[error("`{0}` is neither `yes` nor `no`")]
    Switch(String),
    /// A path that does not begin with a slash.
    #[error("`{0}` is not an absolute path")]
    RelativePath(String),
    /// A path without a store path in it.
    #[error("`{0}` is not a path in a store")]
    NoStorePath(String),
    /// A drop-in that speaks of migrations.
    #[error("a drop-in of a gate cannot say anything of migrations: the gate runs from its unit file alone")]
    DropIn,
    /// An empty value.
    #[error("`{0}=` is empty")]
    Empty(String),
}
