//! Owns what nixmig ends with.

use std::process::ExitCode;

use nixmig::report::Summary;

/// The exit codes. Their numbers are an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked for was done.
    Fine,
    /// It could not be done; stderr says why.
    Error,
    /// The command line is wrong.
    Usage,
    /// `--exit-code` was given, and there are steps to run.
    Steps,
    /// `--exit-code` was given, and something is refused.
    Refused,
    /// A run was interrupted or failed, and needs somebody.
    Resume,
}

/// Every code with its meaning, for `--help`.
pub(super) const MEANINGS: [(Exit, &str); 6] = [
    (Exit::Fine, "fine"),
    (Exit::Error, "error; stderr says what failed and what to do next"),
    (Exit::Usage, "the command line is wrong"),
    (
        Exit::Steps,
        "--exit-code was given, and there are steps; nothing is refused",
    ),
    (
        Exit::Refused,
        "something is refused: `migrate`, `check`, and others where --exit-code was given",
    ),
    (
        Exit::Resume,
        "a run was interrupted or failed; `nixmig status` says what to do",
    ),
];

impl Exit {
    /// What a plan ends with; only `--exit-code` asks for more than that it was made.
    pub(super) fn of(summary: &Summary, asked: bool) -> Self {
        match (asked, summary.refusals, summary.steps()) {
            (false, ..) | (true, 0, 0) => Self::Fine,
            (true, 0, _) => Self::Steps,
            (true, ..) => Self::Refused,
        }
    }

    /// The number.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Error => 1,
            Self::Usage => 2,
            Self::Steps => 3,
            Self::Refused => 4,
            Self::Resume => 5,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.number().into()
    }
}
