//! Owns the one line that a plan comes to: how many services go which way, and how much is to be looked at.

use std::fmt;

use crate::model::Direction;
use crate::plan::{Code, Plan, ServicePlan, Severity};

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
    /// There is no path, for a reason that refuses one.
    Refused,
    /// There is nothing to run.
    Unchanged,
}

impl Movement {
    /// Where the steps of a service lead, whether or not they are refused.
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
            (false, false) if service.is_refused() => Self::Refused,
            (false, false) => Self::Unchanged,
        }
    }

    /// The word for it: `up`, `down`, `down and up`, `undecided`, `refused`, `unchanged`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Both => "down and up",
            Self::Undecided => "undecided",
            Self::Refused => "refused",
            Self::Unchanged => "unchanged",
        }
    }
}

/// What a plan comes to: each service counted once, by what becomes of it, and the findings by severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Summary {
    /// Services that go up.
    pub up: Count,
    /// Services that go down.
    pub down: Count,
    /// Services that go down and up.
    pub both: Count,
    /// Services that are refused, with the steps that do not run for it.
    pub refused: Count,
    /// Services of which nothing can be told, and that are not refused for it.
    pub undecided: usize,
    /// Services that have nothing to run.
    pub unchanged: usize,
    /// Programs whose data format may have moved with no migration that goes with it.
    pub unmigrated: usize,
    /// Findings that refuse.
    pub refusals: usize,
    /// Findings that warn.
    pub warnings: usize,
    /// Findings that are good to know.
    pub notes: usize,
    /// Whether places that may declare services could not be read.
    pub unread: bool,
    /// Whether these are only the services that somebody chose.
    pub chosen: bool,
    /// Whether the plan starts from a machine, and not from another generation.
    pub machine: bool,
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
    /// Counts a plan; `chosen` says that it was cut down to some services.
    pub fn of(plan: &Plan, chosen: bool) -> Self {
        let mut summary = Self {
            chosen,
            ..Self::default()
        };
        for service in &plan.services {
            let count = match Movement::of(service) {
                _ if service.is_refused() => &mut summary.refused,
                Movement::Up => &mut summary.up,
                Movement::Down => &mut summary.down,
                Movement::Both => &mut summary.both,
                Movement::Refused => &mut summary.refused,
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
                Severity::Refused => summary.refusals += 1,
                Severity::Warning => summary.warnings += 1,
                Severity::Note => summary.notes += 1,
            }
            summary.unmigrated += usize::from(finding.code == Code::Unmigrated);
        }
        summary.unread = plan
            .findings
            .iter()
            .any(|finding| finding.code == Code::Unknown && finding.severity > Severity::Note);
        summary
    }

    /// How many steps run: those of the services that are not refused.
    pub fn steps(&self) -> usize {
        self.up.steps + self.down.steps + self.both.steps
    }

    /// How many services the plan has.
    fn services(&self) -> usize {
        let moving = self.up.services + self.down.services + self.both.services;
        moving + self.refused.services + self.undecided + self.unchanged
    }

    /// Why no service is counted.
    fn nobody(&self) -> &'static str {
        match (self.unread, self.chosen) {
            (true, _) => "no migrations were found",
            (false, true) => "no chosen service declares migrations",
            (false, false) if self.machine => "the generation declares no migrations, and nothing is applied",
            (false, false) => "neither generation declares migrations",
        }
    }

    /// What a line without steps begins with. No steps is not nothing to do, where a finding asks for something.
    fn lead(&self) -> &'static str {
        match self.steps() {
            0 if self.refused.services + self.undecided > 0 => "Nothing runs: ",
            0 if self.refusals + self.warnings + self.unmigrated > 0 => "No steps: ",
            0 => "Nothing to do: ",
            _ => "",
        }
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
    /// ``2 services go up (3 steps), 1 goes down (1 step), 1 is refused (2 steps do not run), 4 are unchanged; 1 refusal``.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut items = Vec::new();
        let mut add = |services: usize, (one, many): (&str, &str), more: String| {
            let noun = match (items.is_empty(), services) {
                (_, 0) => return,
                (true, 1) => " service",
                (true, _) => " services",
                (false, _) => "",
            };
            let verb = if services == 1 { one } else { many };
            items.push(format!("{services}{noun} {verb}{more}"));
        };
        for (way, number) in [("up", self.up), ("down", self.down), ("down and up", self.both)] {
            let more = format!(" {way} ({})", count(number.steps, "step"));
            add(number.services, ("goes", "go"), more);
        }
        let waiting = match self.refused.steps {
            0 => " refused".to_owned(),
            1 => " refused (1 step does not run)".to_owned(),
            steps => format!(" refused ({steps} steps do not run)"),
        };
        add(self.refused.services, ("is", "are"), waiting);
        add(self.undecided, ("is", "are"), " undecided".to_owned());
        add(self.unchanged, ("is", "are"), " unchanged".to_owned());
        let nobody = self.services() == 0;
        if nobody {
            items.push(self.nobody().to_owned());
        }
        if self.unmigrated > 0 {
            let programs = count(self.unmigrated, "program");
            items.push(match nobody {
                true => format!("and {programs} moved without one"),
                false => format!("{programs} moved without a migration"),
            });
        }
        write!(f, "{}{}", self.lead(), items.join(", "))?;
        let findings = [
            (self.refusals, "refusal"),
            (self.warnings, "warning"),
            (self.notes, "note"),
        ];
        let findings: Vec<_> = findings
            .into_iter()
            .filter(|&(number, _)| number > 0)
            .map(|(number, noun)| count(number, noun))
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
        let nothing = Summary::default;
        for (summary, line) in [
            (
                Summary {
                    up: number(2, 3),
                    down: number(1, 1),
                    refused: number(1, 2),
                    unchanged: 4,
                    refusals: 1,
                    warnings: 2,
                    ..nothing()
                },
                "2 services go up (3 steps), 1 goes down (1 step), 1 is refused (2 steps do not run), 4 are unchanged; \
                 1 refusal, 2 warnings",
            ),
            (
                Summary {
                    both: number(1, 2),
                    undecided: 1,
                    notes: 1,
                    ..nothing()
                },
                "1 service goes down and up (2 steps), 1 is undecided; 1 note",
            ),
            (nothing(), "Nothing to do: neither generation declares migrations"),
            (
                Summary {
                    chosen: true,
                    ..nothing()
                },
                "Nothing to do: no chosen service declares migrations",
            ),
            (
                Summary {
                    unmigrated: 2,
                    warnings: 2,
                    ..nothing()
                },
                "No steps: neither generation declares migrations, and 2 programs moved without one; 2 warnings",
            ),
            (
                Summary {
                    unread: true,
                    warnings: 1,
                    ..nothing()
                },
                "No steps: no migrations were found; 1 warning",
            ),
            (
                Summary {
                    unchanged: 3,
                    unmigrated: 1,
                    warnings: 1,
                    ..nothing()
                },
                "No steps: 3 services are unchanged, 1 program moved without a migration; 1 warning",
            ),
            (
                Summary {
                    unchanged: 1,
                    notes: 1,
                    ..nothing()
                },
                "Nothing to do: 1 service is unchanged; 1 note",
            ),
            (
                Summary {
                    refused: number(1, 0),
                    unchanged: 1,
                    refusals: 1,
                    ..nothing()
                },
                "Nothing runs: 1 service is refused, 1 is unchanged; 1 refusal",
            ),
            (
                Summary {
                    undecided: 1,
                    warnings: 1,
                    ..nothing()
                },
                "Nothing runs: 1 service is undecided; 1 warning",
            ),
            (
                Summary {
                    refusals: 1,
                    ..nothing()
                },
                "No steps: neither generation declares migrations; 1 refusal",
            ),
        ] {
            assert_eq!(summary.to_string(), line);
        }
    }
}
