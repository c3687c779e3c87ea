//! Owns what can be wrong with source text, as diagnostics that show the place.

use std::io;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceSpan};

use super::git::GitError;
use crate::model::{Location, NameError, VersionError};

/// Why source text could not be read.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum SourceError {
    /// There is nothing of that name.
    #[error("there is no {name}")]
    #[diagnostic(code(nixmig::source::missing))]
    Missing {
        /// The file or directory, as it was asked for.
        name: String,
    },
    /// A file or directory is there and cannot be read.
    #[error("{name} cannot be read")]
    #[diagnostic(code(nixmig::source::unreadable))]
    Unreadable {
        /// The file or directory.
        name: String,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// A file's bytes are no text.
    #[error("{name} is not text: byte {byte} begins nothing that UTF-8 knows")]
    #[diagnostic(code(nixmig::source::encoding))]
    Encoding {
        /// The file.
        name: String,
        /// How many bytes before it are text.
        byte: usize,
    },
    /// git could not read the commit.
    #[error(transparent)]
    #[diagnostic(code(nixmig::source::git))]
    Git(#[from] GitError),
    /// The system has no thread to read in.
    #[error("no thread could be started to read in")]
    #[diagnostic(code(nixmig::source::thread))]
    Thread(#[source] io::Error),
    /// Something in a text is wrong.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Text(Box<TextError>),
}

/// Something that is wrong with a text, and where.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{fault}")]
#[diagnostic(code(nixmig::source::text))]
pub struct TextError {
    /// What is wrong.
    pub fault: Fault,
    /// Where.
    pub at: Location,
    #[source_code]
    code: NamedSource<Arc<str>>,
    #[label("{label}")]
    span: SourceSpan,
    label: String,
    #[label(collection)]
    more: Vec<LabeledSpan>,
    /// The places in other files that are part of it.
    #[related]
    pub others: Vec<Place>,
    #[help]
    help: Option<String>,
}

/// What can be wrong with a text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is not Nix.
    #[error("not Nix: {0}")]
    Syntax(String),
    /// Brackets or operators are nested deeper than anything that is written by hand or by a sane program.
    #[error("nested too deeply to be read")]
    Depth,
    /// A version is none.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// The name of a service or unit is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A migration in a list has no `version`.
    #[error("a migration of {service} has no `version`")]
    NoVersion {
        /// The service.
        service: String,
    },
    /// A value has a type that its option does not take.
    #[error("{option} must be {expected}, and this is {found}")]
    Type {
        /// The option.
        option: String,
        /// What it takes.
        expected: &'static str,
        /// What it got.
        found: &'static str,
    },
    /// One option is defined twice, with different values of the same priority.
    #[error("{option} is defined twice")]
    Conflict {
        /// The option.
        option: String,
    },
    /// A service is declared under `migrations` and on its unit.
    #[error(
        "`migrations.{service}` and `systemd.services.{service}.migrations` are both defined, and a service has one history"
    )]
    BothWays {
        /// The service.
        service: String,
    },
}

/// A further place of an error.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{label}, at {at}")]
#[diagnostic(severity(Advice))]
pub struct Place {
    /// Where.
    pub at: Location,
    #[source_code]
    code: NamedSource<Arc<str>>,
    #[label("{label}")]
    span: SourceSpan,
    label: String,
}

/// A place with all that a snippet needs.
pub(super) struct Spot {
    pub(super) at: Location,
    pub(super) source: NamedSource<Arc<str>>,
    pub(super) span: SourceSpan,
}

impl TextError {
    pub(super) fn new(fault: Fault, spot: Spot, label: &str) -> Self {
        let help = match &fault {
            Fault::Version(_) => {
                Some("Write the day on which the migration is merged, for instance 2023-04-07.")
            }
            Fault::NoVersion { .. } => {
                Some("Each migration of a list is a set with a `version = \"YYYY-MM-DD\";`.")
            }
            Fault::Conflict { .. } => Some(
                "Keep one of them, or give the one that shall win `lib.mkForce`. Parts of a migration may stand in \
                      different places as long as no part is defined twice.",
            ),
            Fault::BothWays { .. } => Some("Keep one of the two."),
            _ => None,
        };
        Self {
            fault,
            at: spot.at,
            code: spot.source,
            span: spot.span,
            label: label.to_owned(),
            more: Vec::new(),
            others: Vec::new(),
            help: help.map(str::to_owned),
        }
    }

    /// Adds another place that is part of it, in the same file or in another.
    pub(super) fn with(mut self, spot: Spot, label: &str) -> Self {
        if spot.at.file == self.at.file {
            self.more
                .push(LabeledSpan::new_with_span(Some(label.to_owned()), spot.span));
            return self;
        }
        let help = self.help.unwrap_or_default();
        self.help = Some(
            format!("It is {label} at {}. {help}", spot.at)
                .trim_end()
                .to_owned(),
        );
        self.others.push(Place {
            at: spot.at,
            code: spot.source,
            span: spot.span,
            label: label.to_owned(),
        });
        self
    }
}

impl From<TextError> for SourceError {
    fn from(error: TextError) -> Self {
        Self::Text(Box::new(error))
    }
}
