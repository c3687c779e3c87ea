//! Owns the shape of a plan: what will be done, in which order, and what was assumed. No rules.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::{Finding, Severity};
use crate::model::{Action, Direction, Location, Migration, ServiceName, UnitName, Version};

/// What lies between two generations, or between a machine and a generation.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Plan {
    /// Every service of either side, by name.
    pub services: Vec<ServicePlan>,
    /// Every step of every service in the order in which they run: downs against `requires`, then ups along it.
    pub order: Vec<StepId>,
    /// Findings that belong to no service that declares migrations: unmigrated programs, unread places.
    pub findings: Vec<Finding>,
}

impl Plan {
    /// All findings: those of the services by name, then the others.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.services
            .iter()
            .flat_map(|service| &service.findings)
            .chain(&self.findings)
    }

    /// The steps in the order in which they run.
    pub fn steps(&self) -> impl Iterator<Item = (&ServicePlan, &Step)> {
        self.order.iter().filter_map(|id| {
            let service = self.services.get(id.service)?;
            Some((service, service.steps.get(id.step)?))
        })
    }
}

/// Points to one step of a [`Plan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StepId {
    /// The index into [`Plan::services`].
    pub service: usize,
    /// The index into [`ServicePlan::steps`].
    pub step: usize,
}

/// On which sides a service declares migrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Presence {
    /// On both.
    Both,
    /// Only on the old side.
    Lost,
    /// Only on the new side.
    Gained,
}

/// The path of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePlan {
    /// The service.
    pub name: ServiceName,
    /// On which sides it declares migrations.
    pub presence: Presence,
    /// The units that its gate holds back, of both sides.
    pub units: BTreeSet<UnitName>,
    /// What is applied before the path, in the order of application.
    pub applied: Vec<Version>,
    /// The head of the target's history; none where that is empty or where the target declares none.
    pub target: Option<Version>,
    /// What was assumed of state that is met for the first time.
    pub baseline: Option<Baseline>,
    /// What runs, in order.
    pub steps: Vec<Step>,
    /// The dangers of this path.
    pub findings: Vec<Finding>,
}

impl ServicePlan {
    /// The newest version applied before the path. Where only older versions come or go, it is also the newest after it.
    pub fn from(&self) -> Option<Version> {
        self.applied.iter().copied().max()
    }

    /// The newest version applied after the path.
    pub fn to(&self) -> Option<Version> {
        let downs: BTreeSet<_> = self
            .steps
            .iter()
            .filter(|step| step.direction == Direction::Down)
            .flat_map(Step::versions)
            .collect();
        let ups = self
            .steps
            .iter()
            .filter(|step| step.direction == Direction::Up)
            .map(Step::version);
        let kept = self
            .applied
            .iter()
            .copied()
            .filter(|version| !downs.contains(version));
        kept.chain(ups).max()
    }

    /// Whether the gate will refuse to walk this path until somebody decides.
    pub fn is_refused(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.severity == Severity::Refused)
    }
}

/// What first contact assumed of a service's state (design §5.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    /// What told it, in the order in which it is asked; empty where nothing could tell. A program and a release may each
    /// decide their share of the steps.
    pub sources: Vec<BaselineSource>,
    /// The versions that are taken as applied, ascending.
    pub assumed: Vec<Version>,
    /// The versions of which nothing can be told, ascending; where there are any, nothing runs until a `stamp` decides.
    pub undecided: Vec<Version>,
}

impl Baseline {
    /// Whether nothing is left to be said by somebody.
    pub fn is_decided(&self) -> bool {
        self.undecided.is_empty()
    }
}

/// What told a baseline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaselineSource {
    /// The service's `detect` script.
    Detect,
    /// The machine was looked at and there is no state yet: the head is stamped and nothing runs.
    Fresh,
    /// The history of the generation that ran last, by its label.
    History(String),
    /// The generation that ran last has none of the service's units: fresh, as far as that tells.
    Absent,
    /// The program of the generation that ran last, as one reads it: `postgresql 15.10`.
    Program(String),
    /// The release of the generation that ran last: `25.05`.
    Release(String),
}

impl fmt::Display for BaselineSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Detect => f.write_str("its detect script"),
            Self::Fresh => f.write_str("there being no state yet"),
            Self::History(label) => write!(f, "the history of {label}"),
            Self::Absent => f.write_str("its units not being there before"),
            Self::Program(program) => write!(f, "the program before, {program}"),
            Self::Release(release) => write!(f, "the release before, NixOS {release}"),
        }
    }
}

/// One action to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which way.
    pub direction: Direction,
    /// The migration: the target's definition for an up, that of the generation that has all that is applied for a down.
    pub migration: Arc<Migration>,
    /// Older versions that a cumulative step takes with it, ascending: pending ups that are recorded as applied with it, or
    /// downs that are taken off the record with it. They are never run.
    pub swallowed: Vec<Version>,
    /// For an up: whether there is a script that undoes it. `None` where that cannot be told, and for a down.
    pub undoable: Option<bool>,
    /// Whether it has to be acknowledged before it runs, and is not yet by the module.
    pub needs_acknowledgement: bool,
    /// Whether nixmig itself backs the state directories up, for want of a `backup` and `restore`.
    /// `None` where that cannot be told.
    pub built_in_backup: Option<bool>,
}

impl Step {
    /// The version that it brings the state to, or back from.
    pub fn version(&self) -> Version {
        self.migration.version
    }

    /// All versions that it brings the state to, or back from: what it swallows, ascending, and its own.
    pub fn versions(&self) -> impl Iterator<Item = Version> + '_ {
        self.swallowed.iter().copied().chain([self.version()])
    }

    /// What runs.
    pub fn action(&self) -> &Action {
        self.migration.action(self.direction)
    }

    /// Where its migration is defined.
    pub fn origin(&self) -> Option<&Location> {
        self.migration.origin.as_ref()
    }
}
