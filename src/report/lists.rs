//! Owns what reports of a machine say besides plans: where each service is, what happened, what can be started. Values, made
//! by whoever looked.

use std::collections::BTreeSet;

use super::{Format, Machine, Options, json, text};
use crate::model::{Direction, ServiceName, UnitName, Version};
use crate::plan::{Baseline, Code, Plan, Presence, ServicePlan, Severity};

/// Where the state of every service of a machine is.
#[derive(Clone, Copy, Debug)]
pub struct Status<'a> {
    /// The machine.
    pub machine: &'a Machine,
    /// What the generation that runs is called and which release it is; none where none runs.
    pub generation: Option<&'a str>,
    /// The services, by name.
    pub services: &'a [ServiceStatus],
}

/// Where the state of one service is.
#[derive(Clone, Debug)]
pub struct ServiceStatus {
    /// What the generation that runs makes of it.
    pub plan: ServicePlan,
    /// Whether somebody works on it right now.
    pub running: bool,
    /// Units that are kept from starting.
    pub held: BTreeSet<UnitName>,
    /// The toplevel of the generation that they are kept for, where that is another than the one that is active.
    pub held_for: Option<String>,
    /// Backups that are kept.
    pub backups: Vec<KeptBackup>,
}

/// A backup that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptBackup {
    /// Of the state before which action.
    pub direction: Direction,
    /// Of which version.
    pub version: Version,
    /// Where it is.
    pub directory: String,
    /// How much space it takes on its disk, in bytes; none where that cannot be told.
    pub bytes: Option<u64>,
}

/// What a service's state comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It is where the generation wants it.
    UpToDate,
    /// It is met for the first time, and nothing has to run.
    Met,
    /// Steps are to run.
    Pending,
    /// Somebody has to decide something first.
    Refused,
    /// A run goes on.
    Running,
    /// A run never reported its end.
    Interrupted,
    /// A step failed.
    Failed,
    /// The generation does not declare it, and its state stays.
    Left,
}

impl State {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::UpToDate => "up to date",
            Self::Met => "met for the first time",
            Self::Pending => "pending",
            Self::Refused => "refused",
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
            Self::Left => "no longer declared",
        }
    }
}

impl ServiceStatus {
    /// What it comes to.
    pub fn state(&self) -> State {
        let has = |code| self.plan.findings.iter().any(|finding| finding.code == code);
        if self.running {
            State::Running
        } else if has(Code::Failed) {
            State::Failed
        } else if has(Code::Interrupted) {
            State::Interrupted
        } else if self.plan.is_refused() {
            State::Refused
        } else if !self.plan.steps.is_empty() {
            State::Pending
        } else if self.plan.presence == Presence::Lost {
            State::Left
        } else if self.plan.baseline.as_ref().is_some_and(Baseline::is_decided) {
            State::Met
        } else {
            State::UpToDate
        }
    }
}

impl Status<'_> {
    /// Whether a run of a service was interrupted or failed.
    pub fn needs_resume(&self) -> bool {
        self.services
            .iter()
            .any(|service| matches!(service.state(), State::Interrupted | State::Failed))
    }

    /// Writes it down, as text or JSON; ends in a line feed.
    pub fn write(&self, format: Format, options: Options) -> String {
        match format {
            Format::Json => json::lists::status(self),
            Format::Text | Format::Markdown => text::status(self, options),
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Happened {
    /// Its number in the record.
    pub seq: u64,
    /// When, as RFC 3339 has it.
    pub at: String,
    /// The same for people.
    pub time: String,
    /// To which service.
    pub service: Option<ServiceName>,
    /// In which run.
    pub run: Option<String>,
    /// What, as words after the service's name.
    pub words: String,
    /// Whether that is as it should be.
    pub good: bool,
    /// The last lines that a script wrote.
    pub output: String,
    /// The version of the nixmig that wrote it.
    pub nixmig: String,
    /// All of it, as docs/record.md has it.
    pub event: serde_json::Value,
}

/// What happened on a machine, oldest first.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    /// The machine.
    pub machine: &'a Machine,
    /// What happened.
    pub events: &'a [Happened],
    /// Whether the last lines of scripts are shown.
    pub output: bool,
}

impl History<'_> {
    /// Writes it down, as text or JSON; ends in a line feed.
    pub fn write(&self, format: Format, options: Options) -> String {
        match format {
            Format::Json => json::lists::history(self),
            Format::Text | Format::Markdown => text::history(self, options),
        }
    }
}

/// A generation that can be started.
#[derive(Clone, Debug)]
pub struct Startable {
    /// References that name it.
    pub names: Vec<String>,
    /// Its toplevel.
    pub toplevel: String,
    /// Its release.
    pub release: Option<String>,
    /// Whether it runs.
    pub current: bool,
    /// Whether the machine was started with it.
    pub booted: bool,
    /// Whether it starts next if nobody chooses.
    pub next: bool,
    /// What happens to the state of the machine when it starts; or why that cannot be told.
    pub plan: Result<Plan, String>,
    /// Services that it starts without a gate of its own, and whose guards are asked before.
    pub guarded: Vec<String>,
    /// Services that it would start on state that it was not made for, and that nothing keeps from it.
    pub unguarded: Vec<String>,
}

/// Whether a generation can be started as far as state goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Nothing has to be undone.
    Safe,
    /// Something has to be undone first.
    Down,
    /// Something is refused.
    Refused,
    /// It cannot be read.
    Unknown,
}

impl Verdict {
    /// The words for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Down => "down needed",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

impl Startable {
    /// What it comes to.
    pub fn verdict(&self) -> Verdict {
        let Ok(plan) = &self.plan else {
            return Verdict::Unknown;
        };
        let refused = plan
            .findings()
            .any(|finding| finding.severity == Severity::Refused);
        let mut steps = plan.steps();
        match refused {
            true => Verdict::Refused,
            false if steps.any(|(_, step)| step.direction == Direction::Down) => Verdict::Down,
            false => Verdict::Safe,
        }
    }
}

/// What a machine can start, newest first.
#[derive(Clone, Copy, Debug)]
pub struct Generations<'a> {
    /// The machine.
    pub machine: &'a Machine,
    /// What it can start.
    pub generations: &'a [Startable],
}

impl Generations<'_> {
    /// Writes it down, as text or JSON; ends in a line feed.
    pub fn write(&self, format: Format, options: Options) -> String {
        match format {
            Format::Json => json::lists::generations(self),
            Format::Text | Format::Markdown => text::generations(self, options),
        }
    }
}
