//! Owns why a generation cannot be read, whatever its kind.

use std::fmt::Display;

use miette::{Diagnostic, LabeledSpan, SourceCode};

use super::ReferenceError;
use super::closure::ClosureError;
use super::derivation::DerivationError;
use super::evaluation::EvaluationError;
use super::gate::GateError;
use super::source::SourceError;

/// Why a generation cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// What the user wrote names no generation.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// Its closure cannot be read.
    #[error(transparent)]
    Closure(#[from] ClosureError),
    /// Its derivation cannot be read.
    #[error(transparent)]
    Derivation(#[from] DerivationError),
    /// Nix could not evaluate it.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// The text of its modules cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl ReadError {
    /// The gate that is at fault.
    pub fn gate(&self) -> Option<&GateError> {
        match self {
            Self::Closure(ClosureError::Gate(error)) | Self::Derivation(DerivationError::Gate(error)) => {
                Some(error)
            }
            _ => None,
        }
    }
}

impl Diagnostic for ReadError {
    fn code<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        match self {
            Self::Evaluation(error) => error.code(),
            _ if self.gate().is_some() => Some(Box::new("nixmig::gate")),
            Self::Reference(_) => Some(Box::new("nixmig::reference")),
            Self::Closure(_) => Some(Box::new("nixmig::closure")),
            Self::Derivation(_) => Some(Box::new("nixmig::derivation")),
            Self::Source(error) => error.code(),
        }
    }

    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        fn boxed<'a>(help: impl Display + 'a) -> Box<dyn Display + 'a> {
            Box::new(help)
        }
        match self {
            Self::Reference(error) => error.help().map(boxed),
            Self::Closure(error) => error.help().map(boxed),
            Self::Derivation(error) => error.help().map(boxed),
            Self::Evaluation(error) => error.help(),
            Self::Source(error) => error.help(),
        }
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        match self {
            Self::Evaluation(error) => error.source_code(),
            Self::Source(error) => error.source_code(),
            _ => self.gate()?.text.as_ref().map(|text| text as &dyn SourceCode),
        }
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        match self {
            Self::Evaluation(error) => return error.labels(),
            Self::Source(error) => return error.labels(),
            _ => {}
        }
        let gate = self.gate()?;
        gate.text.as_ref()?;
        let label = LabeledSpan::new_primary_with_span(Some("here".to_owned()), gate.span.clone());
        Some(Box::new(std::iter::once(label)))
    }
}

/// One of two generations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The first.
    Old,
    /// The second.
    New,
}

impl Side {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }
}

/// Why one of two generations cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the {} generation cannot be read", side.map_or("old or new", Side::name))]
pub struct PairError {
    /// Which; none where both were evaluated by one process.
    pub side: Option<Side>,
    /// Why.
    #[source]
    pub error: ReadError,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generation::gate;

    #[test]
    fn a_broken_gate_is_shown_where_it_is_broken() {
        let text = "[Unit]\nX-Migration-Format=1\nX-Migration-Service=b\n";
        let error = gate::read(&"a".parse().unwrap(), "migrate-a.service", text.as_bytes()).unwrap_err();
        let error = ReadError::from(ClosureError::from(error));
        let label = error.labels().unwrap().next().unwrap();
        assert_eq!(&text[label.offset()..][..label.len()], "X-Migration-Service=b");
        let shown = error
            .source_code()
            .unwrap()
            .read_span(label.inner(), 0, 0)
            .unwrap();
        assert_eq!(
            (shown.line(), shown.data()),
            (2, b"X-Migration-Service=b".as_slice())
        );
        assert_eq!(error.code().unwrap().to_string(), "nixmig::gate");
    }
}
