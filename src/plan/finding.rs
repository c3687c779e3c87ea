//! Owns the kinds of findings: their stable codes and severities. docs/findings.md has a section for each.

use std::fmt;

use crate::model::{Direction, Location, ServiceName, Version};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Note,
    /// Look at it before a switch.
    Warning,
    /// The gate will refuse, and the service stay down, until somebody decides.
    Refused,
}

impl Severity {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Refused => "refused",
        }
    }
}

/// The kind of a finding. Its text is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// A version to apply or to undo is older than one that is applied and stays.
    OutOfOrder,
    /// Both sides have versions that the other lacks.
    Diverged,
    /// One version with two definitions.
    Edited,
    /// A step needs acknowledgement in its direction.
    Destructive,
    /// A script runs with neither backup and restore nor state directories.
    Unprotected,
    /// An up has no down, and no word why.
    MissingDown,
    /// State is newer than its generation and has no way down.
    Stranded,
    /// The data disagrees with the record.
    Drift,
    /// State was met for the first time, and something was assumed of it.
    Baselined,
    /// A program's data format may have moved, and no migration goes with it.
    Unmigrated,
    /// The gate is linked to `/dev/null`.
    Masked,
    /// Steps of services that require each other run against that order, or one waits for another that is refused.
    DependencyOrder,
    /// Two services keep their state in one directory, or one in that of the other.
    SharedState,
    /// State is older than what its service still migrates from.
    TooOld,
    /// The new side no longer declares a service's migrations.
    Lost,
    /// A run never reported its end.
    Interrupted,
    /// A step ended badly, and what is left of that blocks the path.
    Failed,
    /// Something could not be told.
    Unknown,
}

impl Code {
    /// All codes.
    pub const ALL: [Self; 18] = [
        Self::OutOfOrder,
        Self::Diverged,
        Self::Edited,
        Self::Destructive,
        Self::Unprotected,
        Self::MissingDown,
        Self::Stranded,
        Self::Drift,
        Self::Baselined,
        Self::Unmigrated,
        Self::Masked,
        Self::DependencyOrder,
        Self::SharedState,
        Self::TooOld,
        Self::Lost,
        Self::Interrupted,
        Self::Failed,
        Self::Unknown,
    ];

    /// The code as it is written: `out-of-order`.
    pub fn name(self) -> &'static str {
        match self {
            Self::OutOfOrder => "out-of-order",
            Self::Diverged => "diverged",
            Self::Edited => "edited",
            Self::Destructive => "destructive",
            Self::Unprotected => "unprotected",
            Self::MissingDown => "missing-down",
            Self::Stranded => "stranded",
            Self::Drift => "drift",
            Self::Baselined => "baselined",
            Self::Unmigrated => "unmigrated",
            Self::Masked => "masked",
            Self::DependencyOrder => "dependency-order",
            Self::SharedState => "shared-state",
            Self::TooOld => "too-old",
            Self::Lost => "lost",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Something to know before a path is walked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its kind.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// The service, where it is of one.
    pub service: Option<ServiceName>,
    /// The versions it is about, ascending.
    pub versions: Vec<Version>,
    /// The direction it is about.
    pub direction: Option<Direction>,
    /// What was found, as one sentence without a full stop.
    pub message: String,
    /// What to do about it, as one or two sentences.
    pub help: String,
    /// Where to look.
    pub at: Option<Location>,
}

impl Finding {
    /// A finding about a service, with no versions, direction or place yet.
    pub(super) fn new(
        service: &ServiceName,
        code: Code,
        severity: Severity,
        message: String,
        help: String,
    ) -> Self {
        Self {
            code,
            severity,
            service: Some(service.clone()),
            versions: Vec::new(),
            direction: None,
            message,
            help,
            at: None,
        }
    }
}

/// Puts the worst first; equals stay as they were found.
pub(super) fn sort(findings: &mut [Finding]) {
    findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.code));
}
