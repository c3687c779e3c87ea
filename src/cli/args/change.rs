//! What can be said to the commands that change the state of this machine, or what is remembered of it.

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueHint};
use nixmig::model::{RunId, ServiceName, Version};

use super::{List, Machine};

/// `nixmig step`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Step {
    /// Whose state
    pub(in crate::cli) service: ServiceName,
    /// The run
    pub(in crate::cli) run: RunId,
    /// Which of its steps, counted from 1
    pub(in crate::cli) number: NonZeroU32,
    #[command(flatten)]
    pub(in crate::cli) machine: Machine,
}

/// `nixmig check`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Check {
    /// The generation that is to be switched to: its toplevel, built
    #[arg(
        value_name = "TOPLEVEL",
        long_help = "The generation that is to be switched to, built: its toplevel, or another reference: see below",
        value_hint = ValueHint::AnyPath
    )]
    pub(in crate::cli) generation: OsString,
    /// What is to be done with it: switch, boot, test, dry-activate or check
    #[arg(
        value_name = "ACTION",
        long_help = "What is to be done with it, as NixOS passes it to its checks: switch, boot, test, \
        dry-activate or check. What is accepted is stored for the first three alone"
    )]
    pub(in crate::cli) action: Option<Action>,
    /// Accept what this step destroys, from now on; may be given several times
    #[arg(long, value_name = "SERVICE@VERSION")]
    pub(in crate::cli) acknowledge: Vec<Accepted>,
    #[command(flatten)]
    pub(in crate::cli) machine: Machine,
}

/// What is to be done with a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Action {
    /// It starts now, and whenever the machine does.
    Switch,
    /// It starts when the machine does the next time.
    Boot,
    /// It starts now.
    Test,
    /// Nothing is done: `dry-activate`, `check`, and what later systems may think of.
    Nothing,
}

impl FromStr for Action {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "switch" => Self::Switch,
            "boot" => Self::Boot,
            "test" => Self::Test,
            _ => Self::Nothing,
        })
    }
}

/// `nixmig migrate`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Migrate {
    /// The generation that is to start, built (a reference, see --help); left out, the one that runs
    #[arg(
        value_name = "GEN",
        long_help = "The generation that is to start, built, as a reference: see below; left out, the one that runs",
        value_hint = ValueHint::AnyPath
    )]
    pub(in crate::cli) generation: Option<OsString>,
    /// Only this service; may be given several times
    #[arg(long = "service", value_name = "NAME")]
    pub(in crate::cli) services: Vec<ServiceName>,
    /// Accept what this step destroys; may be given several times
    #[arg(long, value_name = "SERVICE@VERSION")]
    pub(in crate::cli) acknowledge: Vec<Accepted>,
    /// The generation that ran last, for state that the record does not know; left out, the one that runs, or ran before it
    #[arg(long, value_name = "REF", value_hint = ValueHint::AnyPath)]
    pub(in crate::cli) from: Option<OsString>,
    /// Stop units that run, and hold them until the generation is active
    #[arg(long)]
    pub(in crate::cli) stop: bool,
    /// Accept that a generation with no gate of its own could start services on state that it was not made for, where no
    /// guard can keep it from that
    #[arg(long)]
    pub(in crate::cli) unguarded: bool,
    /// Fail where another migrates the same service, instead of waiting
    #[arg(long)]
    pub(in crate::cli) no_wait: bool,
    #[command(flatten)]
    pub(in crate::cli) machine: Machine,
    #[command(flatten)]
    pub(in crate::cli) list: List,
}

/// `nixmig gate`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Gate {
    /// The service
    #[arg(value_name = "SERVICE")]
    pub(in crate::cli) service: ServiceName,
    /// The versions of its history in the generation whose gate this is
    #[arg(value_name = "VERSION")]
    pub(in crate::cli) versions: Vec<Version>,
    #[command(flatten)]
    pub(in crate::cli) machine: Machine,
}

/// `nixmig guard`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Guard {
    /// The service that is to start; left out, all that a generation without their gates could start are guarded
    #[arg(value_name = "SERVICE")]
    pub(in crate::cli) service: Option<ServiceName>,
    /// Guard all of which something is applied: unless the machine goes down, a generation comes that has no gates
    #[arg(long, conflicts_with = "service")]
    pub(in crate::cli) leaving: bool,
    #[command(flatten)]
    pub(in crate::cli) machine: Machine,
}

/// `nixmig stamp`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Stamp {
    /// The service
    #[arg(value_name = "SERVICE")]
    pub(in crate::cli) service: ServiceName,
    /// The newest version that its state has been brought through; `none` where it was through none, `head` for the newest
    #[arg(value_name = "VERSION")]
    pub(in crate::cli) version: Stamped,
    /// A generation whose history has it (a reference); left out, the one that runs, what the record keeps, or any other
    #[arg(long, value_name = "REF", value_hint = ValueHint::AnyPath)]
    pub(in crate::cli) generation: Option<OsString>,
    #[command(flatten)]
    pub(in crate::cli) machine: Machine,
}

/// `nixmig resume`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Resume {
    /// The service
    #[arg(value_name = "SERVICE")]
    pub(in crate::cli) service: ServiceName,
    #[command(flatten)]
    pub(in crate::cli) choice: Choice,
    #[command(flatten)]
    pub(in crate::cli) machine: Machine,
}

/// How it goes on after a failure.
#[derive(Debug, Args)]
#[group(required = false, multiple = false)]
pub(in crate::cli) struct Choice {
    /// Let the path be tried again, though nothing of it changed
    #[arg(long)]
    pub(in crate::cli) retry: bool,
    /// Bring the state back from the backup that was kept
    #[arg(long)]
    pub(in crate::cli) restore: bool,
    /// The state was put right by hand, and is on this version now, or on `none`
    #[arg(long, value_name = "VERSION")]
    pub(in crate::cli) accept: Option<Stamped>,
    /// The same where a version does not tell: exactly these are applied, in the order of application
    #[arg(long, value_name = "VERSION,…", value_delimiter = ',')]
    pub(in crate::cli) applied: Vec<Version>,
}

/// `nixmig forget`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Forget {
    /// The service
    #[arg(value_name = "SERVICE")]
    pub(in crate::cli) service: ServiceName,
    #[command(flatten)]
    pub(in crate::cli) machine: Machine,
}

/// `nixmig record`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RecordCommand {
    /// Make a record that was lost or broken anew, of what can still be read
    Rebuild(Rebuild),
}

/// `nixmig record rebuild`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Rebuild {
    #[command(flatten)]
    pub(in crate::cli) machine: Machine,
}

/// A step that is accepted, with all that it destroys.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Accepted {
    /// The service.
    pub(in crate::cli) service: ServiceName,
    /// The version of the step.
    pub(in crate::cli) version: Version,
}

impl FromStr for Accepted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (service, version) = text
            .split_once('@')
            .ok_or_else(|| "must be SERVICE@VERSION".to_owned())?;
        Ok(Self {
            service: service.parse().map_err(|error| format!("{error}"))?,
            version: version.parse().map_err(|error| format!("{error}"))?,
        })
    }
}

/// What state is said to be on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Stamped {
    /// Nothing is applied.
    None,
    /// All that the history has is.
    Head,
    /// All up to this version is.
    On(Version),
}

impl FromStr for Stamped {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "head" => Ok(Self::Head),
            version => version.parse().map(Self::On).map_err(|error| format!("{error}")),
        }
    }
}
