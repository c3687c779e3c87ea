//! Owns why a run did not arrive: what went wrong, how the state was left, and what to do next.

use std::collections::BTreeSet;
use std::fmt;
use std::io;

use super::backup::BackupError;
use super::occupancy::Occupied;
use super::privileges::AccountError;
use super::script::{ExecuteError, ScriptError};
use super::units::UnitsError;
use crate::generation::gate::GateError;
use crate::model::{Direction, RunId, ServiceName, UnitName, Version};
use crate::record::{Outcome, RecordError, StepPart};

/// How the state of a service was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// As it was: nothing of it was touched.
    Untouched,
    /// As it was before the run: what had been done was brought back.
    Restored,
    /// Brought back to here and no further, for these steps have no backup, newest first. They stay applied.
    Partly(Vec<Version>),
    /// The failed step was not brought back. Nothing more is touched.
    Unrestored {
        /// Its backup, where there is one.
        backup: Option<String>,
    },
    /// In the middle of a run, which is settled before anything else is done.
    Open,
    /// In the middle of a run that goes on.
    Running,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untouched => f.write_str("Nothing of the state was touched."),
            Self::Restored => f.write_str("The state was brought back to what it was before."),
            Self::Partly(versions) => {
                let versions: Vec<_> = versions.iter().map(Version::to_string).collect();
                write!(
                    f,
                    "The state was brought back as far as there are backups: {} stays done.",
                    versions.join(", ")
                )
            }
            Self::Unrestored { backup: Some(backup) } => write!(
                f,
                "The state was not brought back. Its backup is kept in {backup}, and nothing more is touched."
            ),
            Self::Unrestored { backup: None } => f.write_str(
                "The state was not brought back: there is no backup of it. Nothing more is touched.",
            ),
            Self::Open => {
                f.write_str("The run is open: what it did is settled before anything else is done.")
            }
            Self::Running => f.write_str("Its steps run to their end, or bring back what they did."),
        }
    }
}

/// A step, as errors name it: `the up of 2024-01-01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// Which way.
    pub direction: Direction,
    /// The version that it brings the state to, or back from.
    pub version: Version,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.direction.name(), self.version)
    }
}

/// Why a run was not begun, did not arrive, or could not be settled.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct WalkError {
    /// Whose path it is.
    pub service: ServiceName,
    /// What went wrong.
    #[source]
    pub what: Box<Problem>,
    /// How the state was left.
    pub left: Left,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The record does not know the service.
    #[error("the record does not know what is applied")]
    NotMet,
    /// The plan was made from something else.
    #[error("what is applied changed after the path was planned")]
    Changed,
    /// Another run is open.
    #[error("run {0} is open and goes elsewhere")]
    Open(RunId),
    /// The run is not open any more.
    #[error("run {0} is not open any more: another has ended it")]
    Overtaken(RunId),
    /// A step is not the next one of the run.
    #[error("it is not the turn of the {0}: the run is elsewhere")]
    Turn(Named),
    /// The process of a step is gone, and did not report an end.
    #[error("the process of the {0} was killed before it came to its end")]
    Died(Named),
    /// A step was handed over, and did not begin.
    #[error(
        "the {0} was never begun: somebody took its unit out of systemd's queue, or what it needs did not start"
    )]
    NotRun(Named),
    /// The steps could not be handed over.
    #[error("the steps cannot be handed over: {0}")]
    Units(#[from] UnitsError),
    /// Whoever waited for the run was told to end. The run goes on.
    #[error("run {0} goes on by itself")]
    Detached(RunId),
    /// What another process said of it.
    #[error("{0}")]
    Told(String),
    /// The step failed before, just as it is, and was brought back.
    #[error("the {0} failed before, just as it is defined now")]
    Blocked(Named),
    /// A step failed before and was not brought back.
    #[error("the {0} failed, and its state was not brought back")]
    Unrestored(Named),
    /// There is nothing to resume.
    #[error("there is nothing to resume that way")]
    NothingToResume,
    /// There is nothing to forget.
    #[error("the record knows nothing of it")]
    NothingToForget,
    /// There is no backup to bring back.
    #[error("the {0} has no backup that could be brought back")]
    NoBackup(Named),
    /// A version that the state cannot be on.
    #[error("the state cannot be on {}", .0.map_or("no version".to_owned(), |version| version.to_string()))]
    NotThere(Option<Version>),
    /// A version that does not tell which of these states is meant.
    #[error("the run went through several states on that version")]
    Ambiguous(Vec<Vec<Version>>),
    /// Steps that nobody acknowledged.
    #[error("{} not been acknowledged: what {} cannot be undone", unacknowledged(steps), if steps.len() == 1 { "it does" } else { "they do" })]
    Unacknowledged {
        /// These.
        steps: Vec<Named>,
        /// The toplevel of the generation that they lead to.
        generation: String,
    },
    /// A down without a script.
    #[error("no script undoes {0}")]
    NoWay(Version),
    /// The definition of a step is not kept.
    #[error("the definition of the {step} is not kept: {unit}")]
    NoDefinition {
        /// The step.
        step: Named,
        /// The unit file that it was in.
        unit: String,
    },
    /// A definition is no gate's.
    #[error(transparent)]
    Gate(#[from] Box<GateError>),
    /// The scripts cannot be run as they want.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// A script may not be run.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// Units run, or are about to, and nobody said that they may be stopped.
    #[error("{} up: no script may touch the state meanwhile", listed(.0))]
    Up(BTreeSet<UnitName>),
    /// Units run that nobody but an administrator stops.
    #[error("{} up, and only an administrator stops what a switch leaves running (restartIfChanged = false)", listed(.units))]
    NeverStopped {
        /// The units.
        units: BTreeSet<UnitName>,
        /// Whether the generation that is asked for is the one that is active.
        active: bool,
    },
    /// Units could not be looked at, or did not stop.
    #[error("its units cannot be stopped: {0}")]
    Stop(#[source] UnitsError),
    /// The state was brought to a generation ahead of its start, and another is active.
    #[error("its state was brought to {0} by `nixmig migrate --stop`, and another generation is active")]
    HeldFor(String),
    /// A unit that is required while state is migrated is held.
    #[error("it requires {unit}, which is kept from starting until {generation} is active")]
    RequiredHeld {
        /// The unit.
        unit: UnitName,
        /// The toplevel of the generation.
        generation: String,
    },
    /// Gates start along `requires`, and this way down goes against it.
    #[error("{service} has to come down first: it requires {unit} as it was")]
    DownFirst {
        /// Who has to.
        service: ServiceName,
        /// What it requires.
        unit: UnitName,
        /// The toplevel of the generation whose programs its way down needs.
        from: String,
        /// The toplevel of the generation that is to start.
        to: String,
    },
    /// systemd runs the gate of another generation than the one that is active.
    #[error("systemd still has the units of another generation than the one that is active")]
    OtherGeneration,
    /// A script goes by the package that last ran the state, and nobody knows that.
    #[error("the {0} goes by `OLD_PACKAGE`, and nobody knows which package last ran the state")]
    NoOldPackage(Named),
    /// Units have processes.
    #[error("{} still running: no script may touch the state meanwhile", occupied(.0))]
    Occupied(Vec<Occupied>),
    /// A generation that can be booted would start units on state that it knows nothing of, and nothing keeps it from that.
    #[error(
        "{} could start it on state that it was not made for, and no guard can keep it from that: {why}",
        super::guard::named(generations)
    )]
    Unguarded {
        /// The generations, by their labels.
        generations: Vec<String>,
        /// Why there can be no guard.
        why: RecordError,
    },
    /// No script could change the state.
    #[error("{0} is on a file system that is mounted read-only")]
    ReadOnly(String),
    /// Whether they have cannot be looked at.
    #[error("it cannot be seen which units run: {0}")]
    Occupancy(#[source] io::Error),
    /// The record cannot be written, or read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// There is no place or no room for a backup.
    #[error("the {step} cannot be begun: {problem}")]
    Backup {
        /// The step.
        step: Named,
        /// Why.
        problem: BackupError,
    },
    /// The system's own words.
    #[error("{doing}: {problem}")]
    Io {
        /// What was tried, as a clause.
        doing: String,
        /// The words.
        problem: io::Error,
    },
    /// A step ended badly.
    #[error("the {} of the {step} failed: {outcome}", part.name())]
    Failed {
        /// The step.
        step: Named,
        /// What of it.
        part: StepPart,
        /// How.
        outcome: Outcome,
        /// The last lines that it wrote; they may hold any character.
        output: String,
        /// Why its state could not be brought back, where it could not: how that ended and its last lines.
        restore: Option<(Outcome, String)>,
    },
    /// nixmig was told to end.
    #[error("it was interrupted by signal {0}")]
    Interrupted(i32),
    /// Something of a script goes on.
    #[error(transparent)]
    StillRunning(ExecuteError),
}

fn unacknowledged(steps: &[Named]) -> String {
    let names: Vec<_> = steps.iter().map(|step| format!("the {step}")).collect();
    let verb = if steps.len() == 1 { "has" } else { "have" };
    format!("{} {verb}", names.join(", "))
}

fn listed(units: &BTreeSet<UnitName>) -> String {
    let names: Vec<_> = units.iter().map(UnitName::as_str).collect();
    let verb = if units.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", names.join(", "))
}

fn words(units: &BTreeSet<UnitName>) -> String {
    let names: Vec<_> = units.iter().map(UnitName::as_str).collect();
    names.join(" ")
}

fn occupied(units: &[Occupied]) -> String {
    let names: Vec<_> = units
        .iter()
        .map(|unit| {
            let processes: Vec<_> = unit.processes.iter().map(u32::to_string).collect();
            format!("{} (process {})", unit.unit, processes.join(", "))
        })
        .collect();
    let verb = if units.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", names.join(", "))
}

impl WalkError {
    /// What to do next, with the exact command where there is one.
    pub fn next(&self) -> String {
        let service = &self.service;
        if let Left::Unrestored { backup } = &self.left {
            let accept = format!(
                "say what it is on with `nixmig resume {service} --accept VERSION`, or `none` where nothing is applied"
            );
            return match backup {
                Some(_) => format!(
                    "Bring it back with `nixmig resume {service} --restore`, or put the state right by hand and {accept}."
                ),
                None => format!("Put the state right by hand and {accept}."),
            };
        }
        match &*self.what {
            Problem::NotMet => format!(
                "Say what the state is on with `nixmig stamp {service} VERSION`, or `none` where nothing is applied."
            ),
            Problem::Detached(run) => format!(
                "Follow it with `journalctl -fu 'migrate-{service}-{run}-*'`; `nixmig status` says how it went."
            ),
            Problem::Changed
            | Problem::Open(_)
            | Problem::Overtaken(_)
            | Problem::Turn(_)
            | Problem::Died(_) | Problem::NotRun(_) => "Run it again: it will be planned afresh.".to_owned(),
            Problem::Blocked(_) | Problem::Failed { .. } if self.is_block() => format!(
                "`nixmig history {service} --output` has its last words. Try it again as it is with `nixmig resume {service} --retry`, or \
                 start a generation that defines it otherwise or does without it."
            ),
            Problem::Unrestored(_) | Problem::NoBackup(_) => format!(
                "Put the state right by hand and say what it is on with `nixmig resume {service} --accept VERSION`, or `none` \
                 where nothing is applied."
            ),
            Problem::NothingToResume => "`nixmig status` says how it is.".to_owned(),
            Problem::NothingToForget => "`nixmig status` says of which services it does.".to_owned(),
            Problem::NotThere(_) => format!("`nixmig history {service}` shows what it went through."),
            Problem::Ambiguous(states) => {
                let ways = states.iter().map(|state| {
                    let versions: Vec<_> = state.iter().map(Version::to_string).collect();
                    format!("`nixmig resume {service} --applied {}`", versions.join(","))
                });
                let ways: Vec<_> = ways.collect();
                format!(
                    "Say all that is applied, in the order of application: {}.",
                    ways.join(", or ")
                )
            }
            Problem::Unacknowledged { steps, generation } => {
                let given: Vec<_> = steps
                    .iter()
                    .map(|step| format!("--acknowledge {service}@{}", step.version))
                    .collect();
                format!(
                    "`nixmig plan {generation}` shows what it loses. Accept that with `nixmig migrate {generation} {}`, or stay on \
                     the generation that runs.",
                    given.join(" ")
                )
            }
            Problem::NoWay(version) => format!("Stay on a generation that has {version}."),
            Problem::NoDefinition { .. } => {
                format!(
                    "Start a generation that has it, or say what the state is on with `nixmig stamp {service} VERSION`."
                )
            }
            Problem::Gate(_) | Problem::Account(_) | Problem::Script(_) => {
                "Build a generation that defines it otherwise.".to_owned()
            }
            Problem::NoOldPackage(_) => format!(
                "Name a generation that ran it, or any that has that package, with `nixmig migrate GEN --service {service} --from \
                 OLD`."
            ),
            Problem::Occupied(units) => {
                let units: Vec<_> = units.iter().map(|unit| unit.unit.as_str()).collect();
                format!(
                    "Stop them with `systemctl stop {}`, and run it again.",
                    units.join(" ")
                )
            }
            Problem::Up(units) => format!(
                "Run it again with `--stop`, which stops them and holds them until the generation is active; or stop them with \
                 `systemctl stop {}`.",
                words(units)
            ),
            Problem::NeverStopped { units, active: true } => format!(
                "When it may be down: `systemctl restart {}`. The state is then migrated before it starts.",
                words(units)
            ),
            Problem::NeverStopped { units, .. } => format!(
                "When it may be down, stop it with `systemctl stop {}`, and run it again.",
                words(units)
            ),
            Problem::HeldFor(generation) => format!(
                "Start that generation with `{generation}/bin/switch-to-configuration switch`; or bring the state back to the \
                 one that is active with `nixmig migrate`."
            ),
            Problem::RequiredHeld { generation, .. } => format!(
                "Start that generation with `{generation}/bin/switch-to-configuration switch`: the gate of {service} does the \
                 rest."
            ),
            Problem::DownFirst { from, to, .. } => format!(
                "Go back with `{from}/bin/switch-to-configuration switch`, walk down in the right order with `nixmig migrate {to} \
                 --stop`, and then switch with `{to}/bin/switch-to-configuration switch`."
            ),
            Problem::OtherGeneration => {
                "A switch that goes on reads them again and starts what waits. Where none does: `systemctl daemon-reload`, then \
                 `nixmig migrate`."
                    .to_owned()
            }
            Problem::Unguarded { .. } => "Make it possible to write there, or remove these generations (`nix-env --profile \
                 /nix/var/nix/profiles/system --delete-generations`, and the boot menu's entries with them). To accept the danger: \
                 `nixmig migrate --unguarded`."
                .to_owned(),
            Problem::ReadOnly(directory) => {
                format!("See why, mount it so that `{directory}` can be written to, and run it again.")
            }
            Problem::StillRunning(_) => {
                "Find out what it waits for and end it; then run it again, and the state is brought back."
                    .to_owned()
            }
            Problem::Occupancy(_)
            | Problem::Record(_)
            | Problem::Backup { .. }
            | Problem::Io { .. }
            | Problem::Blocked(_)
            | Problem::Failed { .. }
            | Problem::Units(_)
            | Problem::Stop(_)
            | Problem::Told(_)
            | Problem::Interrupted(_) => "Put that right, and run it again.".to_owned(),
        }
    }

    /// Whether that path is not tried again with that definition.
    fn is_block(&self) -> bool {
        match &*self.what {
            Problem::Blocked(_) => true,
            Problem::Failed { part, .. } => !part.before_script(),
            _ => false,
        }
    }

    /// Whether nothing was begun, since somebody has to see to something first. All else is a failure.
    pub fn is_refusal(&self) -> bool {
        let refuses = matches!(
            *self.what,
            Problem::Blocked(_)
                | Problem::Unacknowledged { .. }
                | Problem::NoWay(_)
                | Problem::NoDefinition { .. }
                | Problem::Gate(_)
                | Problem::Account(_)
                | Problem::Script(_)
                | Problem::NoOldPackage(_)
                | Problem::Occupied(_)
                | Problem::Up(_)
                | Problem::NeverStopped { .. }
                | Problem::Stop(_)
                | Problem::HeldFor(_)
                | Problem::RequiredHeld { .. }
                | Problem::DownFirst { .. }
                | Problem::OtherGeneration
                | Problem::ReadOnly(_)
                | Problem::Unguarded { .. }
                | Problem::NotMet
        );
        refuses && self.left == Left::Untouched
    }

    /// Whether nothing but a decision of somebody lets it go on.
    pub fn needs_resume(&self) -> bool {
        self.is_block() || matches!(self.left, Left::Unrestored { .. })
    }
}
