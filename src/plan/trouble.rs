//! Owns what the data itself has against a path: it disagrees with the record, is not there, or could not be looked at.
//! Each kind has words of its own, and a way out.

use super::ServicePlan;
use super::finding::{Code, Finding, Severity};
use crate::model::{Recorded, ServiceName};

/// What is wrong with the data of a service, or could not be found out. Directories are as they are declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A state directory has the stamp of another record.
    OtherRecord {
        /// The directory.
        directory: String,
        /// The record that its stamp names.
        found: String,
    },
    /// Its stamp is older than what the record says.
    Older {
        /// The directory.
        directory: String,
        /// The number of the stamp.
        found: u64,
    },
    /// Its stamp is newer than what the record says.
    Newer {
        /// The directory.
        directory: String,
        /// The number of the stamp.
        found: u64,
    },
    /// The record put a stamp on it, and there is none.
    Unstamped {
        /// The directory.
        directory: String,
    },
    /// It is not there.
    Gone {
        /// The directory.
        directory: String,
    },
    /// It holds no file.
    Empty {
        /// The directory.
        directory: String,
    },
    /// It is below a mount point of the generation where nothing is mounted.
    Unmounted {
        /// The directory.
        directory: String,
        /// The mount point.
        mount: String,
    },
    /// The record was lost, and a backup is there that only a run leaves which had not ended.
    HalfDone {
        /// The backup.
        backup: String,
    },
    /// It could not be looked at, so nobody knows whose data it is, or whether it is there.
    Unread {
        /// The directory.
        directory: String,
        /// Why.
        reason: String,
    },
    /// The definition that the record keeps to undo what is applied is not understood.
    Misread {
        /// Its unit file.
        unit: String,
        /// Why.
        reason: String,
    },
    /// The `detect` script failed, or said what is no version.
    Undetected {
        /// How.
        reason: String,
    },
    /// Nobody asked the `detect` script.
    Unasked {
        /// Why not.
        reason: String,
    },
}

impl Trouble {
    /// Whether data is there that its `detect` script may be asked about, and it is this machine's.
    pub fn leaves_data(&self) -> bool {
        match self {
            Self::OtherRecord { .. }
            | Self::Gone { .. }
            | Self::Empty { .. }
            | Self::Unmounted { .. }
            | Self::HalfDone { .. }
            | Self::Unread { .. } => false,
            Self::Older { .. }
            | Self::Newer { .. }
            | Self::Unstamped { .. }
            | Self::Misread { .. }
            | Self::Undetected { .. }
            | Self::Unasked { .. } => true,
        }
    }

    /// Says it. `told` is whether the data itself said what it is on, which then has the last word.
    pub(super) fn finding(
        &self,
        name: &ServiceName,
        recorded: Option<&Recorded>,
        told: bool,
        fresh: Option<bool>,
    ) -> Finding {
        let sequence = recorded.map_or(0, |recorded| recorded.sequence);
        let unless_told = match told {
            true => Severity::Warning,
            false => Severity::Refused,
        };
        let stamp = format!("`nixmig stamp {name} VERSION`");
        let (code, severity, message, help) = match self {
            Self::OtherRecord { directory, found } => (
                Code::Drift,
                Severity::Refused,
                format!(
                    "the data of {name} in {directory} is of another host, or of a record that was lost: its stamp names record \
                     {found}"
                ),
                format!(
                    "Find out whose data it is before anything runs on it. If it was brought here on purpose, take it over with \
                     {stamp}: the version that it is on."
                ),
            ),
            Self::HalfDone { backup } => (
                Code::Drift,
                Severity::Refused,
                format!(
                    "a run of {name} had not ended when the record was lost, so its data may be half done: the backup {backup} is \
                     there"
                ),
                format!(
                    "Look at the data and at the backup, which is of before. Put the right one in place, and say what it is on with \
                     {stamp}; then remove the backup."
                ),
            ),
            Self::Older { directory, found } => (
                Code::Drift,
                unless_told,
                format!(
                    "the data of {name} in {directory} is older than the record: an earlier backup or snapshot was restored (its \
                     stamp says {found}, the record {sequence})"
                ),
                format!(
                    "Find out what the restored data is on and say so with {stamp}; `nixmig history {name}` shows what was done \
                     to it. Or bring the newer data back."
                ),
            ),
            Self::Newer { directory, found } => (
                Code::Drift,
                unless_told,
                format!(
                    "the data of {name} in {directory} is newer than the record: an earlier record was restored (its stamp says \
                     {found}, the record {sequence})"
                ),
                format!(
                    "Bring the newer record back, or find out what the data is on and say so with {stamp}."
                ),
            ),
            Self::Unstamped { directory } => (
                Code::Drift,
                unless_told,
                format!(
                    "the data of {name} in {directory} was replaced: the record put a stamp on it, and it has none"
                ),
                format!("Find out what the data is on, and say so with {stamp}."),
            ),
            Self::Gone { directory } => (
                Code::Drift,
                Severity::Refused,
                format!("the state of {name} is gone, or not mounted: {directory} is not there"),
                gone(name),
            ),
            Self::Empty { directory } => (
                Code::Drift,
                Severity::Refused,
                format!("the state of {name} is gone, or not mounted: {directory} holds no file"),
                gone(name),
            ),
            Self::Unmounted { directory, mount } => (
                Code::Drift,
                Severity::Refused,
                format!("{mount} is not mounted, and the state of {name} is below it, in {directory}"),
                format!(
                    "Mount it, with `mount {mount}` or by starting its unit. What lies beneath is not the state, and nothing \
                     touches it."
                ),
            ),
            Self::Unread { directory, reason } => (
                Code::Unknown,
                Severity::Refused,
                format!("the state of {name} in {directory} could not be looked at: {reason}"),
                "Run it as root, and see that the directory can be read.".to_owned(),
            ),
            // Whether anything has to be undone is another matter, and then refused for want of a script.
            Self::Misread { unit, reason } => (
                Code::Unknown,
                Severity::Warning,
                format!("the record's definition of {name}, {unit}, is not understood: {reason}"),
                format!("Have another kept in its place: say what the state is on with {stamp}."),
            ),
            Self::Undetected { reason } => (
                Code::Unknown,
                match (recorded, fresh) {
                    (None, None | Some(false)) => Severity::Refused,
                    _ => Severity::Warning,
                },
                format!("the data of {name} could not be asked what it is on: its detect script {reason}"),
                format!("Put that right, or find out what the data is on and say so with {stamp}."),
            ),
            Self::Unasked { reason } => (
                Code::Unknown,
                Severity::Note,
                format!("the detect script of {name} was not asked what its data is on: {reason}"),
                "The gate asks it before anything runs, and so does `nixmig migrate`.".to_owned(),
            ),
        };
        Finding::new(name, code, severity, message, help)
    }
}

fn gone(name: &ServiceName) -> String {
    format!(
        "Mount it or bring it back. If it is gone for good, `nixmig stamp {name} head --generation GEN` lets GEN start on an empty \
         state."
    )
}

/// A clock that is behind the record: nothing is written by it, so no path is walked.
pub(super) fn clock(plan: &ServicePlan, behind: &str) -> Option<Finding> {
    if plan.steps.is_empty() && plan.baseline.is_none() || plan.is_refused() {
        return None;
    }
    let message = format!(
        "the clock is wrong, or the record is of another time: {behind}, so {} is not touched",
        plan.name
    );
    let help = "Set the clock. If it is right, say so with `--clock-is-right`.".to_owned();
    Some(Finding::new(
        &plan.name,
        Code::Drift,
        Severity::Refused,
        message,
        help,
    ))
}
