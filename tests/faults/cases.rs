//! Owns the matrix: which faults there are, how one is brought about, and what must be true after it. Knows nothing of how
//! nixmig goes about it.

use std::fmt;

use crate::world::{Ended, VERSIONS, World};

/// The points that every step passes, in their order.
pub(crate) const STEP_POINTS: [&str; 11] = [
    "step-begun",
    "backup-dir-made",
    "backup-half",
    "backup-written",
    "backup-made",
    "script-begun",
    "script-ended",
    "verified",
    "stamp-written",
    "state-flushed",
    "step-finished",
];

/// The points that a run passes once.
pub(crate) const RUN_POINTS: [&str; 7] = [
    "guard-half-written",
    "guard-unit-written",
    "guard-drop-in-written",
    "guarded",
    "run-begun",
    "run-ended",
    "backup-dropped",
];

/// The points that a step passes whose script failed.
pub(crate) const RESTORE_POINTS: [&str; 4] = ["step-failed", "restore-begun", "restore-swapped", "restored"];

/// Places in a script.
const PLACES: [&str; 4] = ["script-begin", "script-middle", "script-torn", "script-end"];

/// What goes wrong, once.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// nixmig gets a signal, or finds no space, at a point.
    Point(String),
    /// The same, after a script failed.
    Failing { place: String, point: String },
    /// A script ends itself, ends nixmig, or finds no space.
    Script { place: String, what: &'static str },
    /// nixmig is killed while a script runs, which goes on.
    Orphan { place: String },
    /// The power goes at a point.
    PowerLoss(String),
    /// The power goes at a point after a script failed.
    PowerLossFailing { place: String, point: String },
    /// The power goes while a script runs.
    PowerLossInScript { place: String },
}

/// One fault on one path.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// What the state is on.
    pub(crate) from: usize,
    /// Where it is to go.
    pub(crate) to: usize,
    /// What goes wrong.
    pub(crate) fault: Fault,
    /// Whether the generation that is started after it is the old one.
    pub(crate) back: bool,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let then = if self.back { "back" } else { "again" };
        write!(f, "{} → {}, {:?}, then {then}", self.from, self.to, self.fault)
    }
}

/// The paths: up and down, of one step and of three.
const PATHS: [(usize, usize); 4] = [(1, 2), (2, 1), (1, 4), (4, 1)];

/// All faults by signals, scripts and want of space.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for (from, to) in PATHS {
        let steps = from.abs_diff(to);
        let mut faults = Vec::new();
        for nth in (1..=steps).filter(|nth| steps == 1 || *nth > 1) {
            for point in STEP_POINTS {
                // Passed only where nixmig makes the backup, and not in the step whose scripts do.
                let nth = if point == "backup-written" && steps > 1 {
                    nth - 1
                } else {
                    nth
                };
                for action in ["kill", "term", "full"] {
                    faults.push(Fault::Point(format!("{point}#{nth}:{action}")));
                }
            }
        }
        for point in RUN_POINTS {
            for action in ["kill", "term", "full"] {
                faults.push(Fault::Point(format!("{point}:{action}")));
            }
        }
        let last = place_of(from, to, steps);
        for point in RESTORE_POINTS {
            for action in ["kill", "term"] {
                let place = format!("{last}-script-torn");
                let point = format!("{point}:{action}");
                faults.push(Fault::Failing { place, point });
            }
        }
        for step in [1, steps] {
            let place = place_of(from, to, step);
            for within in PLACES {
                for what in ["exit", "kill", "full", "term"] {
                    let place = format!("{place}-{within}");
                    faults.push(Fault::Script { place, what });
                }
            }
            for what in ["exit", "kill"] {
                let place = format!("{place}-verify-begin");
                faults.push(Fault::Script { place, what });
            }
            for within in ["script-begin", "script-torn", "verify-begin"] {
                let place = format!("{place}-{within}");
                faults.push(Fault::Orphan { place });
            }
        }
        for (index, fault) in faults.into_iter().enumerate() {
            let back = index % 2 == 1;
            cases.push(Case {
                from,
                to,
                fault,
                back,
            });
        }
    }
    cases
}

/// All faults by loss of power.
pub(crate) fn power_losses() -> Vec<Case> {
    let mut cases = Vec::new();
    for (from, to) in PATHS {
        let steps = from.abs_diff(to);
        let nth = steps.div_ceil(2);
        let mut faults: Vec<_> = STEP_POINTS
            .iter()
            .map(|point| Fault::PowerLoss(format!("{point}#{nth}:wait")))
            .collect();
        faults.extend(RUN_POINTS.map(|point| Fault::PowerLoss(format!("{point}:wait"))));
        let last = place_of(from, to, steps);
        faults.extend(RESTORE_POINTS.map(|point| Fault::PowerLossFailing {
            place: format!("{last}-script-torn"),
            point: format!("{point}:wait"),
        }));
        faults.extend(
            ["script-begin", "script-torn", "script-end"].map(|within| Fault::PowerLossInScript {
                place: format!("{last}-{within}"),
            }),
        );
        for (index, fault) in faults.into_iter().enumerate() {
            let back = index % 2 == 1;
            cases.push(Case {
                from,
                to,
                fault,
                back,
            });
        }
    }
    cases
}

/// The name by which the scripts of a step know it: `up-2024-02-01`.
fn place_of(from: usize, to: usize, step: usize) -> String {
    match from < to {
        true => format!("up-{}", VERSIONS[from + step - 1]),
        false => format!("down-{}", VERSIONS[from - step]),
    }
}

/// Brings the fault about. The power is lost by `cut`, while nixmig and whatever it started wait.
///
/// # Errors
///
/// Fails where the fault did not happen: a case that tests nothing.
pub(crate) fn inject(world: &World, case: &Case, cut: &dyn Fn(&World)) -> Result<(), String> {
    let words = world.migrate(case.to);
    match &case.fault {
        Fault::Point(fault) => {
            let ended = world.nixmig(&words, Some(fault));
            happened(fault, &ended)?;
        }
        Fault::Failing { place, point } => {
            world.script_fault(place, "exit");
            let ended = world.nixmig(&words, Some(point));
            happened(point, &ended)?;
        }
        Fault::Script { place, what } => {
            world.script_fault(place, what);
            let ended = world.nixmig(&words, None);
            if ended.code == Some(0) {
                return Err(format!("the script did not fail:\n{}", ended.said));
            }
        }
        Fault::Orphan { place } => {
            world.script_fault(place, "hang");
            let mut child = world.command(&words, None).spawn().unwrap();
            world.wait_at(&mut child)?;
            child.kill().unwrap();
            child.wait().unwrap();
            // The next one must wait for the script, so it is started before the script goes on.
            let second = world.command(&words, None).spawn().unwrap();
            std::thread::sleep(std::time::Duration::from_millis(30));
            world.go();
            let ended = Ended::from(second.wait_with_output().unwrap());
            if ended.code != Some(0) {
                return Err(format!(
                    "the next call ended with {:?}:\n{}",
                    ended.code, ended.said
                ));
            }
        }
        Fault::PowerLoss(point) => lose_power(world, &words, Some(point), cut)?,
        Fault::PowerLossFailing { place, point } => {
            world.script_fault(place, "exit");
            lose_power(world, &words, Some(point), cut)?;
        }
        Fault::PowerLossInScript { place } => {
            world.script_fault(place, "hang");
            lose_power(world, &words, None, cut)?;
        }
    }
    Ok(())
}

fn lose_power(
    world: &World,
    words: &[&str],
    point: Option<&str>,
    cut: &dyn Fn(&World),
) -> Result<(), String> {
    let mut child = world.command(words, point).spawn().unwrap();
    world.wait_at(&mut child)?;
    cut(world);
    child.kill().unwrap();
    child.wait().unwrap();
    // What the script still does is done to what nobody will see.
    world.go();
    std::thread::sleep(std::time::Duration::from_millis(20));
    Ok(())
}

/// Whether nixmig ended as the action of a fault would have it: not well.
fn happened(fault: &str, ended: &Ended) -> Result<(), String> {
    // After the last step all may still end well. When nixmig hears of a signal that it got is a matter of luck.
    let late = ["run-ended", "backup-dropped"]
        .iter()
        .any(|point| fault.starts_with(point));
    let fine = match ended.code {
        _ if fault.ends_with(":term") => true,
        None => fault.ends_with(":kill"),
        Some(0) => late && fault.ends_with(":full"),
        Some(_) => fault.ends_with(":full"),
    };
    match fine {
        true => Ok(()),
        false => Err(format!(
            "it ended with {:?}, as if {fault} was not passed:\n{}",
            ended.code, ended.said
        )),
    }
}

/// Whether all is well after a fault: the state is whole and on what the record says, and the next call finishes or does
/// nothing, from where every way out works.
///
/// # Errors
///
/// Says what is wrong.
pub(crate) fn check(world: &World, case: &Case) -> Result<(), String> {
    world.calm();
    // One that brought the state where it was may have run before.
    if world.runs() > usize::from(case.from > 1) && !world.is_guarded() {
        return Err("a run was begun, and the guard is not whole".to_owned());
    }
    let goal = if case.back { case.from } else { case.to };
    let first = world.migrates(goal);
    agree(world, &first)?;
    let on = world.applied();
    match first.code {
        Some(0) if on == goal => {}
        // A path that failed is not walked again unasked.
        Some(4 | 5) if on == case.from && !case.back => {
            let back = world.migrates(case.from);
            if back.code != Some(0) {
                return Err(format!(
                    "the old generation does not start ({:?}):\n{}",
                    back.code, back.said
                ));
            }
            agree(world, &back)?;
            let resumed = world.nixmig(&["resume", "app", "--retry"], None);
            if resumed.code != Some(0) {
                return Err(format!("resume ended with {:?}:\n{}", resumed.code, resumed.said));
            }
            let again = world.migrates(goal);
            agree(world, &again)?;
            if again.code != Some(0) || world.applied() != goal {
                return Err(format!("after resume: {:?}\n{}", again.code, again.said));
            }
        }
        code => {
            return Err(format!(
                "the next call ended with {code:?}, on {on} instead of {goal}:\n{}",
                first.said
            ));
        }
    }
    if !world.backups().is_empty() || !world.cruft().is_empty() {
        return Err(format!(
            "left behind: {:?} {:?}\n{}",
            world.backups(),
            world.cruft(),
            first.said
        ));
    }
    let before = world.record_bytes();
    let last = world.migrates(goal);
    match last.code {
        Some(0) if world.record_bytes() == before => Ok(()),
        code => Err(format!(
            "with nothing to do it ended with {code:?}, or wrote something:\n{}",
            last.said
        )),
    }
}

fn agree(world: &World, ended: &Ended) -> Result<(), String> {
    let state = world
        .state_is_on()
        .map_err(|error| format!("{error}\n{}", ended.said))?;
    let record = world.applied();
    match state == record {
        true => Ok(()),
        false => Err(format!(
            "the state is on {state}, the record says {record}:\n{}",
            ended.said
        )),
    }
}
