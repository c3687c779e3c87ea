//! Owns the dangers of one service's path, each a finding: what design §2's table calls them and when they are there.

use super::Step;
use super::finding::{Code, Finding, Severity};
use super::path::{Move, Moves};
use super::service::{Protection, backed_up};
use super::words::{are, list, names};
use crate::model::{Direction, Migration, Service, ServiceName, Version};

/// Versions of both sides that are defined differently. A side whose definitions were not read cannot tell.
pub(super) fn edited(old: &Service, new: &Service, findings: &mut Vec<Finding>) {
    let mut versions = Vec::new();
    let mut edits = Edits::default();
    let mut at = None;
    for migration in new.history.iter() {
        let Some(before) = old.history.get(migration.version) else {
            continue;
        };
        let of_this = Edits::between(before, migration);
        if of_this != Edits::default() {
            versions.push(migration.version);
            at = at.or_else(|| migration.origin.clone());
        }
        edits.add(of_this);
    }
    if versions.is_empty() {
        return;
    }
    let direction = match (edits.up, edits.down) {
        (true, false) => Some(Direction::Up),
        (false, true) => Some(Direction::Down),
        _ => None,
    };
    let message = format!(
        "{} defined differently by the two generations, in {}",
        are(&versions),
        names(edits.names())
    );
    let help =
        "State that went through the old definition keeps what it did. Publish a change as a new version; \
                `nixmig show --scripts` prints what either generation has."
            .to_owned();
    findings.push(Finding {
        versions,
        direction,
        at,
        ..Finding::new(&new.name, Code::Edited, Severity::Warning, message, help)
    });
}

/// In what the definitions of a migration differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Edits {
    up: bool,
    down: bool,
    program: bool,
    cumulative: bool,
}

impl Edits {
    fn between(old: &Migration, new: &Migration) -> Self {
        Self {
            up: old.up.same(&new.up) == Some(false),
            down: old.down.same(&new.down) == Some(false),
            program: old.program.same(&new.program) == Some(false),
            cumulative: old.cumulative.same(&new.cumulative) == Some(false),
        }
    }

    fn add(&mut self, other: Self) {
        self.up |= other.up;
        self.down |= other.down;
        self.program |= other.program;
        self.cumulative |= other.cumulative;
    }

    fn names(self) -> impl Iterator<Item = &'static str> {
        let all = [
            (self.up, "the up"),
            (self.down, "the down"),
            (self.program, "the program"),
            (self.cumulative, "whether it is cumulative"),
        ];
        all.into_iter()
            .filter_map(|(edited, name)| edited.then_some(name))
    }
}

/// All that is dangerous about the path itself, of a service to a generation, as commands are told it.
pub(super) fn of_path(
    (name, generation): (&ServiceName, &str),
    applied: &[Version],
    moves: &Moves,
    steps: &[Step],
    past: Option<&Service>,
    target: Option<&Service>,
    findings: &mut Vec<Finding>,
) {
    order(name, applied, moves, steps, findings);
    stranded(name, steps, findings);
    for step in steps {
        findings.extend(destructive(name, generation, step, target));
    }
    unprotected(name, steps, past, target, findings);
    missing_down(name, steps, findings);
}

/// Diverged and out-of-order.
fn order(
    name: &ServiceName,
    applied: &[Version],
    moves: &Moves,
    steps: &[Step],
    findings: &mut Vec<Finding>,
) {
    if !moves.downs.is_empty() && !moves.ups.is_empty() {
        let run = |moves: &[Move]| moves.iter().map(|one| one.version).collect::<Vec<_>>();
        let (downs, ups) = (sorted(&run(&moves.downs)), run(&moves.ups));
        let message = format!(
            "the histories of {name} went apart: {} undone before {} run",
            are(&downs),
            are(&ups)
        );
        let help = "Two lines of changes grew side by side. See that both generations are meant, and that the downs \
                    leave what the ups expect; `nixmig show` prints either history."
            .to_owned();
        let mut versions = ups;
        versions.extend(&downs);
        findings.push(Finding {
            versions: sorted(&versions),
            ..Finding::new(name, Code::Diverged, Severity::Warning, message, help)
        });
    }
    late(name, applied, moves, steps, findings);
}

/// Steps of versions that are older than one that stays.
fn late(name: &ServiceName, applied: &[Version], moves: &Moves, steps: &[Step], findings: &mut Vec<Finding>) {
    // What the downs take away is no longer there when the ups run.
    let gone = moves.undone();
    let kept = applied
        .iter()
        .copied()
        .filter(|version| !gone.contains(version))
        .max();
    let Some(newest) = kept else { return };
    for direction in [Direction::Down, Direction::Up] {
        let late: Vec<&Step> = steps
            .iter()
            .filter(|step| step.direction == direction && step.version() < newest)
            .collect();
        if late.is_empty() {
            continue;
        }
        let versions = sorted(&late.iter().map(|step| step.version()).collect::<Vec<_>>());
        // It comes and goes with its program.
        let by_program = late.iter().all(|step| step.migration.program.is_set());
        let severity = match by_program {
            true => Severity::Note,
            false => Severity::Warning,
        };
        let (message, help) = match direction {
            Direction::Up => (
                format!("{} older than {newest}, which is applied already", are(&versions)),
                match by_program {
                    true => {
                        "Steps that name a program come with it, so the newer ones were made and run without these: see \
                         that they agree."
                    }
                    false => {
                        "It was merged late or backported. See that its script expects state that has the newer ones, or \
                         give it a newer version."
                    }
                },
            ),
            Direction::Down => (
                format!(
                    "{} undone from under {newest}, which is newer and stays",
                    are(&versions)
                ),
                match by_program {
                    true => {
                        "Steps that name a program go with it, so the newer ones stay applied without these: see that they \
                         agree."
                    }
                    false => {
                        "The new side's history lacks a version in its middle. See that this is meant, and that the newer \
                         ones can do without it."
                    }
                },
            ),
        };
        findings.push(Finding {
            versions,
            direction: Some(direction),
            at: late.first().and_then(|step| step.origin().cloned()),
            ..Finding::new(name, Code::OutOfOrder, severity, message, help.to_owned())
        });
    }
}

fn stranded(name: &ServiceName, steps: &[Step], findings: &mut Vec<Finding>) {
    let stuck: Vec<&Step> = steps
        .iter()
        .filter(|step| step.direction == Direction::Down && step.action().script.is_unset())
        .collect();
    if stuck.is_empty() {
        return;
    }
    let versions: Vec<_> = stuck.iter().map(|step| step.version()).collect();
    let versions = sorted(&versions);
    let message = format!("{name} cannot go back: no script undoes {}", list(&versions));
    let told = match stuck.iter().any(|step| step.action().warn.is_set()) {
        true => "Its author says what can be done by hand. ",
        false => "",
    };
    let help = format!(
        "{told}Stay on a generation that has {}, or bring back a backup from before and say so with `nixmig stamp {name} \
         VERSION`.",
        if versions.len() == 1 { "it" } else { "them" }
    );
    findings.push(Finding {
        versions,
        direction: Some(Direction::Down),
        at: stuck.first().and_then(|step| step.origin().cloned()),
        ..Finding::new(name, Code::Stranded, Severity::Refused, message, help)
    });
}

fn destructive(
    name: &ServiceName,
    generation: &str,
    step: &Step,
    target: Option<&Service>,
) -> Option<Finding> {
    let warned = step.action().warn.is_set();
    let version = step.version();
    let (what, help) = match step.direction {
        Direction::Down if step.action().script.is_set() && warned => (
            format!("going down from {version} loses something: its author warns"),
            format!(
                "Read the warning; then acknowledge it with `nixmig migrate {generation} --acknowledge {name}@{version}`, or \
                 stay on a generation that has it."
            ),
        ),
        Direction::Up if warned || step.undoable == Some(false) => (
            match (warned, step.undoable) {
                (true, Some(false)) => {
                    format!("{version} cannot be undone by a script, and its author warns")
                }
                (true, _) => format!("{version} loses something: its author warns"),
                (false, _) => format!("{version} cannot be undone by a script"),
            },
            format!(
                "Make a backup of your own, then accept it with `migrations.{name}.acknowledge = [ \"{version}\" ];` or \
                 `nixmig migrate {generation} --acknowledge {name}@{version}`."
            ),
        ),
        Direction::Up | Direction::Down => return None,
    };
    let (severity, message, help) = match step.needs_acknowledgement {
        true => (Severity::Warning, what, help),
        false => {
            let module = target.is_some_and(|target| target.acknowledge.contains(&version));
            let who = match step.direction {
                Direction::Up if module => "the configuration acknowledges it",
                Direction::Up | Direction::Down => "it was acknowledged on this machine",
            };
            (
                Severity::Note,
                format!("{what}; {who}"),
                "Nothing will ask again on this machine.".to_owned(),
            )
        }
    };
    Some(Finding {
        versions: vec![version],
        direction: Some(step.direction),
        at: step.origin().cloned(),
        ..Finding::new(name, Code::Destructive, severity, message, help)
    })
}

fn unprotected(
    name: &ServiceName,
    steps: &[Step],
    past: Option<&Service>,
    target: Option<&Service>,
    findings: &mut Vec<Finding>,
) {
    for (direction, service) in [(Direction::Down, past), (Direction::Up, target)] {
        let bare: Vec<_> = steps
            .iter()
            .filter(|step| step.direction == direction)
            .filter(|step| backed_up(&step.migration, direction, service) == Some(Protection::None))
            .map(Step::version)
            .collect();
        if bare.is_empty() {
            continue;
        }
        let versions = sorted(&bare);
        let verb = if versions.len() == 1 { "has" } else { "have" };
        let message = format!(
            "the {} of {} {verb} no backup: a failure leaves {name} as it then is",
            direction.name(),
            list(&versions)
        );
        let help = format!(
            "Set `migrations.{name}.stateDirectories`, and nixmig backs them up by itself; until then make a backup of your own."
        );
        findings.push(Finding {
            versions,
            direction: Some(direction),
            ..Finding::new(name, Code::Unprotected, Severity::Warning, message, help)
        });
    }
}

fn missing_down(name: &ServiceName, steps: &[Step], findings: &mut Vec<Finding>) {
    let silent: Vec<&Step> = steps
        .iter()
        .filter(|step| step.undoable == Some(false))
        .filter(|step| step.migration.down.warn.is_unset() && step.migration.up.warn.is_unset())
        .collect();
    if silent.is_empty() {
        return;
    }
    let versions: Vec<_> = silent.iter().map(|step| step.version()).collect();
    let verb = if versions.len() == 1 { "has" } else { "have" };
    let message = format!("{} {verb} no down, and no word why", list(&versions));
    let help = "Ask the module's author for `down.script`, or for `down.warn` that says why there is none; a configuration \
                of your own may add either."
        .to_owned();
    findings.push(Finding {
        versions,
        direction: Some(Direction::Up),
        at: silent.first().and_then(|step| step.origin().cloned()),
        ..Finding::new(name, Code::MissingDown, Severity::Note, message, help)
    });
}

fn sorted(versions: &[Version]) -> Vec<Version> {
    let mut versions = versions.to_vec();
    versions.sort_unstable();
    versions
}
