//! Owns the one line that a plan comes to: how many services go which way, and how much is to be looked at.

use std::fmt;

use crate::model::Direction;
use crate::plan::{Plan, ServicePlan, Severity};

/// Where a service goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Movement {
    /// Its steps go up.
    Up,
    /// Its steps go down.
    Down,
    /// First down, then up.
    Both,
    /// What is applied cannot be told: nothing runs until somebody decides.
    Undecided,
    /// Nothing runs.
    Unchanged,
}

impl Movement {
    /// Where the steps of a service lead.
    pub fn of(service: &ServicePlan) -> Self {
        let any = |direction| service.steps.iter().any(|step| step.direction == direction);
        let undecided = service
            .baseline
            .as_ref()
            .is_some_and(|baseline| !baseline.undecided.is_empty());
        match (any(Direction::Down), any(Direction::Up)) {
            (true, true) => Self::Both,
            (true, false) => Self::Down,
            (false, true) => Self::Up,
            (false, false) if undecided => Self::Undecided,
            (false, false) => Self::Unchanged,
        }
    }

    /// The word for it: `up`, `down`, `down and up`, `undecided`, `unchanged`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Both => "down and up",
            Self::Undecided => "undecided",
            Self::Unchanged => "unchanged",
        }
    }
}

/// The services of a plan by movement, with their steps, and its findings by severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Summary {
    /// Services that go up.
    pub up: Count,
    /// Services that go down.
    pub down: Count,
    /// Services that go down and up.
    pub both: Count,
    /// Services of which nothing can be told.
    pub undecided: usize,
    /// Services of which nothing runs.
    pub unchanged: usize,
    /// Findings that refuse.
    pub refused: usize,
    /// Findings that warn.
    pub warnings: usize,
    /// Findings that are good to know.
    pub notes: usize,
}

/// Services, and the steps of all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Count {
    /// How many services.
    pub services: usize,
    /// How many steps they take together.
    pub steps: usize,
}

impl Summary {
    /// Counts a plan.
    pub fn of(plan: &Plan) -> Self {
        let mut summary = Self::default();
        for service in &plan.services {
            let count = match Movement::of(service) {
                Movement::Up => &mut summary.up,
                Movement::Down => &mut summary.down,
                Movement::Both => &mut summary.both,
                Movement::Undecided => {
                    summary.undecided += 1;
                    continue;
                }
                Movement::Unchanged => {
                    summary.unchanged += 1;
                    continue;
                }
            };
            count.services += 1;
            count.steps += service.steps.len();
        }
        for finding in plan.findings() {
            match finding.severity {
                Severity::Refused => summary.refused += 1,
                Severity::Warning => summary.warnings += 1,
                Severity::Note => summary.notes += 1,
            }
        }
        summary
    }

    /// How many steps run.
    pub fn steps(&self) -> usize {
        self.up.steps + self.down.steps + self.both.steps
    }

    /// How many services the plan has.
    pub fn services(&self) -> usize {
        self.up.services + self.down.services + self.both.services + self.undecided + self.unchanged
    }
}

/// The singular or the plural with its number: `1 step`, `3 steps`.
pub(super) fn count(number: usize, singular: &str) -> String {
    match number {
        1 => format!("1 {singular}"),
        _ => format!("{number} {singular}s"),
    }
}

impl fmt::Display for Summary {
    /// ``2 services go up (3 steps), 1 goes down (1 step), 4 unchanged; 1 refused, 2 warnings``.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut moves = Vec::new();
        for (movement, number) in [("up", self.up), ("down", self.down), ("down and up", self.both)] {
            let noun = match (moves.is_empty(), number.services) {
                (_, 0) => continue,
                (true, 1) => " service",
                (true, _) => " services",
                (false, _) => "",
            };
            let verb = if number.services == 1 { "goes" } else { "go" };
            let steps = count(number.steps, "step");
            moves.push(format!("{}{noun} {verb} {movement} ({steps})", number.services));
        }
        // No steps is not nothing to do, where a finding asks for something.
        let nothing = match self.refused + self.warnings {
            0 => "Nothing to do",
            _ => "No steps",
        };
        match (moves.is_empty(), self.services()) {
            (false, _) => {}
            (true, 0) => moves.push(format!("{nothing}: neither generation declares migrations")),
            (true, _) if self.undecided > 0 => moves.push("Nothing runs".to_owned()),
            (true, 1) => moves.push(format!("{nothing}: 1 service is unchanged")),
            (true, services) => moves.push(format!("{nothing}: {services} services are unchanged")),
        }
        if self.undecided > 0 {
            moves.push(format!("{} undecided", self.undecided));
        }
        if self.unchanged > 0 && self.unchanged < self.services() {
            moves.push(format!("{} unchanged", self.unchanged));
        }
        f.write_str(&moves.join(", "))?;
        let findings: Vec<String> = [
            (self.refused > 0).then(|| format!("{} refused", self.refused)),
            (self.warnings > 0).then(|| count(self.warnings, "warning")),
            (self.notes > 0).then(|| count(self.notes, "note")),
        ]
        .into_iter()
        .flatten()
        .collect();
        match findings.is_empty() {
            true => Ok(()),
            false => write!(f, "; {}", findings.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line() {
        let number = |services, steps| Count { services, steps };
        for (summary, line) in [
            (
                Summary {
                    up: number(2, 3),
                    down: number(1, 1),
                    unchanged: 4,
                    refused: 1,
                    warnings: 2,
                    ..Summary::default()
                },
                "2 services go up (3 steps), 1 goes down (1 step), 4 unchanged; 1 refused, 2 warnings",
            ),
            (
                Summary {
                    both: number(1, 2),
                    undecided: 1,
                    notes: 1,
                    ..Summary::default()
                },
                "1 service goes down and up (2 steps), 1 undecided; 1 note",
            ),
            (
                Summary::default(),
                "Nothing to do: neither generation declares migrations",
            ),
            (
                Summary {
                    unchanged: 3,
                    warnings: 1,
                    ..Summary::default()
                },
                "No steps: 3 services are unchanged; 1 warning",
            ),
            (
                Summary {
                    unchanged: 1,
                    notes: 1,
                    ..Summary::default()
                },
                "Nothing to do: 1 service is unchanged; 1 note",
            ),
            (
                Summary {
                    undecided: 1,
                    ..Summary::default()
                },
                "Nothing runs, 1 undecided",
            ),
        ] {
            assert_eq!(summary.to_string(), line);
        }
    }
}
