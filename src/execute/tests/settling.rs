//! Runs that never reported their end: killed at every moment that is heard of, and settled by the next one.

use super::*;

/// How a run is killed and what comes of it: killed where so much was heard, until it is not killed any more.
fn killed_everywhere(
    make: impl Fn() -> (Machine, Generation, Generation),
    check: impl Fn(&Machine, &Generation, &Generation),
) {
    let mut deaths = 0;
    for heard in (1..).step_by(stride()) {
        let (machine, from, to) = make();
        match machine.killed(&to, heard) {
            None => deaths += stride(),
            Some(_) => break,
        }
        check(&machine, &from, &to);
    }
    assert!(deaths > 10, "{deaths}");
}

fn three_up(own: bool) -> (Machine, Generation, Generation) {
    let machine = Machine::new();
    machine.meet();
    let mut history = history_of(&[1, 2, 3, 4]);
    history.iter_mut().for_each(|entry| entry.own = own);
    let from = machine.generation(Some(&history[..1]));
    let to = machine.generation(Some(&history));
    machine.migrate(&from).unwrap();
    (machine, from, to)
}

#[test]
fn the_same_target_goes_on() {
    killed_everywhere(
        || three_up(false),
        |machine, _, to| {
            machine.migrate(to).unwrap();
            machine.is_on(&[1, 2, 3, 4]);
        },
    );
}

#[test]
fn another_target_brings_it_back() {
    killed_everywhere(
        || three_up(true),
        |machine, from, _| {
            machine.migrate(from).unwrap();
            machine.is_on(&[1]);
        },
    );
}

#[test]
fn a_failing_path_is_brought_back_whenever_it_is_killed() {
    let make = || {
        let (machine, from, to) = three_up(true);
        machine.hook("2024-01-03-up-verify", "exit 1");
        (machine, from, to)
    };
    killed_everywhere(make, |machine, from, to| {
        let error = machine.migrate(to).unwrap_err();
        assert!(
            matches!(*error.what, Problem::Failed { .. } | Problem::Blocked(_)),
            "{error}"
        );
        machine.is_on(&[1]);
        machine.migrate(from).unwrap();
        machine.is_on(&[1]);
    });
}

#[test]
fn downs_are_settled_as_ups_are() {
    let make = || {
        let (machine, from, to) = three_up(false);
        machine.migrate(&to).unwrap();
        (machine, to, from)
    };
    killed_everywhere(make, |machine, from, to| {
        machine.migrate(from).unwrap();
        machine.is_on(&[1, 2, 3, 4]);
        machine.migrate(to).unwrap();
        machine.is_on(&[1]);
    });
}

#[test]
fn three_interruptions_are_a_failure() {
    let (machine, from, to) = three_up(false);
    for _ in 0..ATTEMPTS {
        // Killed in the first script of what is left.
        assert!(machine.killed(&to, in_script(&machine, &to)).is_none());
        assert_eq!(machine.recorded().block, None);
    }
    let settled = machine.with(&Ears::new(0), |engine| engine.settle(Some(&to.toplevel)));
    assert!(matches!(settled, Ok(Settled::Failed { .. })), "{settled:?}");
    machine.is_on(&[1]);
    let error = machine.migrate(&to).unwrap_err();
    assert!(matches!(*error.what, Problem::Blocked(_)), "{error}");
    machine.migrate(&from).unwrap();
    machine.with(&Ears::new(0), |engine| engine.retry()).unwrap();
    machine.migrate(&to).unwrap();
    machine.is_on(&[1, 2, 3, 4]);
}

/// How much is heard until a script has begun: more where something has to be settled before.
fn in_script(machine: &Machine, _: &Generation) -> usize {
    let open = machine.recorded().open_run;
    let settling = open.map_or(0, |_| {
        "(settling), restore?, restore:, restored".split(", ").count()
    });
    settling + "run, backup?, backup:, script?".split(", ").count()
}

#[test]
fn a_backup_that_vanished_blocks_loudly() {
    for own in [false, true] {
        let (machine, _, to) = three_up(own);
        let heard = in_script(&machine, &to) + usize::from(own) - 1;
        assert!(machine.killed(&to, heard).is_none());
        let open = machine.recorded().open_run.unwrap();
        let backup = open.steps[0].backup.clone().unwrap();
        if open.steps[0].phase != Phase::Running {
            continue;
        }
        fs::remove_dir_all(&backup.directory).unwrap();
        let error = machine.migrate(&to).unwrap_err();
        assert!(matches!(error.left, Left::Unrestored { .. }), "{error:?}");
        assert!(matches!(machine.recorded().block, Some(Block::Unrestored { .. })));
    }
}

#[test]
fn an_unprotected_script_that_was_interrupted_is_a_failure() {
    let mut machine = Machine::new();
    machine.declares = false;
    machine.meet();
    let one = machine.generation(Some(&history_of(&[1])));
    assert!(machine.killed(&one, "run, script?".split(", ").count()).is_none());
    let error = machine.migrate(&one).unwrap_err();
    assert_eq!(error.left, Left::Unrestored { backup: None });
    machine
        .with(&Ears::new(0), |engine| engine.accept(&Accepted::On(None)))
        .unwrap();
    machine.migrate(&one).unwrap();
    machine.is_on(&[1]);
}

#[test]
fn settling_says_what_it_did() {
    let (machine, from, to) = three_up(false);
    let nothing = machine.with(&Ears::new(0), |engine| engine.settle(None)).unwrap();
    assert_eq!(nothing, Settled::Nothing);
    // In the second of three steps.
    let first = "run, backup?, backup:, script?, script:, verify?, verify:, finished"
        .split(", ")
        .count();
    assert!(machine.killed(&to, first + 4).is_none());
    let goes_on = machine
        .with(&Ears::new(0), |engine| engine.settle(Some(&to.toplevel)))
        .unwrap();
    assert!(matches!(goes_on, Settled::GoesOn(_)), "{goes_on:?}");
    assert_eq!(machine.really(), versions(&[1, 2]));
    let back = machine
        .with(&Ears::new(0), |engine| engine.settle(Some(&from.toplevel)))
        .unwrap();
    assert!(
        matches!(&back, Settled::Abandoned { kept, .. } if kept.is_empty()),
        "{back:?}"
    );
    machine.is_on(&[1]);
}

#[test]
fn steps_that_finished_without_a_backup_stay() {
    let mut machine = Machine::new();
    machine.declares = false;
    machine.meet();
    let mut history = history_of(&[1, 2, 3]);
    history[2].own = true;
    let none = machine.generation(None);
    let to = machine.generation(Some(&history));
    machine.hook("2024-01-03-up-script", "exit 1");
    let error = machine.migrate(&to).unwrap_err();
    assert_eq!(error.left, Left::Partly(versions(&[2, 1])));
    machine.is_on(&[1, 2]);
    machine.migrate(&none).unwrap();
    machine.is_on(&[]);
}

#[test]
fn an_open_run_that_is_not_settled_first_is_brought_back() {
    let (machine, from, to) = three_up(false);
    let first = "run, backup?, backup:, script?, script:, verify?, verify:, finished"
        .split(", ")
        .count();
    assert!(machine.killed(&to, first + 2).is_none());
    // Planned from what is recorded, two steps before the end.
    let plan = machine.plan(&from);
    let error = machine.with(&Ears::new(0), |engine| {
        engine.walk(&Walk {
            generation: &from.toplevel,
            target: from.known.as_ref(),
            applied: &plan.applied,
            steps: &plan.steps,
            previous_package: None,
            new_package: None,
            guarding: Guarding::not_needed(),
        })
    });
    let error = error.unwrap_err();
    assert!(matches!(*error.what, Problem::Open(_)), "{error}");
    assert_eq!(error.left, Left::Restored);
    machine.is_on(&[1]);
}

/// Is told to end once a file is there.
struct Stopping<'m>(Box<dyn Executor>, &'m Machine);

impl Executor for Stopping<'_> {
    fn account(
        &self,
        gate: &crate::generation::gate::Gate,
    ) -> Result<privileges::Account, privileges::AccountError> {
        self.0.account(gate)
    }

    fn run(&self, job: &ScriptJob<'_>, line: &mut dyn FnMut(&str)) -> Result<Ended, ExecuteError> {
        self.0.run(job, line)
    }

    fn stopped(&self) -> Option<i32> {
        self.1.at("stop").exists().then_some(15)
    }
}

/// Knows no user.
struct Nobody(Box<dyn Executor>);

impl Executor for Nobody {
    fn account(
        &self,
        _: &crate::generation::gate::Gate,
    ) -> Result<privileges::Account, privileges::AccountError> {
        Err(privileges::AccountError::Missing {
            kind: "user",
            name: "postgres".to_owned(),
        })
    }

    fn run(&self, job: &ScriptJob<'_>, line: &mut dyn FnMut(&str)) -> Result<Ended, ExecuteError> {
        self.0.run(job, line)
    }

    fn stopped(&self) -> Option<i32> {
        self.0.stopped()
    }
}

#[test]
fn what_nixmig_itself_saved_comes_back_without_the_user_of_the_scripts() {
    for own in [false, true] {
        let (machine, from, to) = three_up(own);
        machine.hook("2024-01-02-up-script", "echo half >> \"$state/applied\"");
        let heard = in_script(&machine, &to) + 2 * usize::from(own);
        assert!(machine.killed(&to, heard).is_none());
        let phase = machine.recorded().open_run.unwrap().steps[0].phase;
        assert_eq!(phase, Phase::Running, "{own}");
        let executor = Nobody(executor(machine.grace));
        let migrate = |to| machine.migrate_by(&executor, to, &Ears::new(0), &BTreeSet::new());
        if own {
            // The script that would bring it back needs the user, so somebody has to decide, and what was saved is kept.
            let error = migrate(&from).unwrap_err();
            assert!(
                matches!(&error.left, Left::Unrestored { backup: Some(_) }),
                "{error:?}"
            );
            let error = machine.with_executor(&executor, &Ears::new(0), |engine| {
                engine.restore_again().unwrap_err()
            });
            assert!(
                error
                    .to_string()
                    .contains("restore of the up of 2024-01-02 failed"),
                "{error}"
            );
            machine
                .with(&Ears::new(0), |engine| engine.restore_again())
                .unwrap();
        } else {
            migrate(&from).unwrap();
        }
        machine.is_on(&[1]);
        // Nothing is begun without it.
        let error = migrate(&to).unwrap_err();
        assert!(
            matches!(*error.what, Problem::Account(_) | Problem::Blocked(_)),
            "{error}"
        );
        assert_eq!(error.left, Left::Untouched);
    }
}

#[test]
fn a_way_back_of_two_steps_that_is_killed_goes_on_from_the_beginning() {
    for heard in (1..).step_by(stride()) {
        let (machine, _, to) = three_up(false);
        machine.hook(
            "2024-01-03-up-verify",
            &format!("touch {}", machine.at("stop").display()),
        );
        let executor = Stopping(executor(machine.grace), &machine);
        let ears = Ears::new(heard);
        let migrate = || machine.migrate_by(&executor, &to, &ears, &BTreeSet::new());
        let ended = catch_unwind(AssertUnwindSafe(migrate));
        machine.unhook("2024-01-03-up-verify");
        let _ = fs::remove_file(machine.at("stop"));
        machine.migrate(&to).unwrap();
        machine.is_on(&[1, 2, 3, 4]);
        if ended.is_ok() {
            return;
        }
    }
}
