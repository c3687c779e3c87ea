//! Owns why a machine cannot be looked at.

use std::path::PathBuf;

use crate::generation::ReadError;
use crate::generation::closure::{ClosureError, PathError};
use crate::record::RecordError;

/// A machine cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// Its record cannot be read.
    #[error("the record cannot be read")]
    Record(#[source] RecordError),
    /// Its root, or what its links lead to, cannot be found.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A generation of it cannot be read.
    #[error("the generation that ran before, `{label}`, cannot be read")]
    Previous {
        /// What it is called.
        label: String,
        /// Why.
        #[source]
        error: Box<ReadError>,
    },
    /// The generation that is asked for is not any more as it was.
    #[error(transparent)]
    Target(Box<ReadError>),
    /// Its record is below a mount that is not there: what lies beneath is not the record.
    #[error("{} is not mounted, and the record is below it, in {}", mount.display(), record.display())]
    Unmounted {
        /// The mount point.
        mount: PathBuf,
        /// Where the record is.
        record: PathBuf,
    },
    /// Its mounts cannot be told.
    #[error("what is mounted cannot be told")]
    Mounts(#[source] ClosureError),
}
