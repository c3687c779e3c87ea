//! Runs whose steps are walked each by an engine of its own, as processes do; how they went is told from the record alone.

use std::os::unix::fs::symlink;

use super::*;
use crate::execute::chain::Links;

/// A step as its process runs it.
fn step_of(engine: &mut Engine<'_>, run: &crate::model::RunId, n: u32) -> Result<Option<Arrival>, WalkError> {
    let turn = engine.turn(run, n)?;
    engine.step_of(&turn)
}

impl Machine {
    /// Begins a run; its id and the steps that are to be handed over, counted from 1.
    fn begin(&self, to: &Generation) -> Result<(crate::model::RunId, Vec<usize>), WalkError> {
        let links = self.links(to)?;
        let steps = links.steps.iter().map(|step| step.number).collect();
        Ok((links.run, steps))
    }

    /// Begins a run; what is handed over of it.
    fn links(&self, to: &Generation) -> Result<Links, WalkError> {
        self.with(&Silent, |engine| {
            engine.settle(Some(&to.toplevel))?;
            let plan = self.plan(to);
            let begun = engine.begin(&Walk {
                generation: &to.toplevel,
                target: to.known.as_ref(),
                applied: &plan.applied,
                steps: &plan.steps,
                previous_package: None,
                new_package: None,
                guarding: Guarding::not_needed(),
            })?;
            let Begun::Open(opened) = begun else {
                panic!("there is nothing to do");
            };
            let links = engine.links(&opened)?;
            assert!(links.mounts.contains(&self.place.state_dir));
            Ok(links)
        })
    }

    fn step_of(&self, run: &crate::model::RunId, n: u32) -> Result<Option<Arrival>, WalkError> {
        self.with(&Silent, |engine| step_of(engine, run, n))
    }

    fn ended(&self, run: &crate::model::RunId) -> Result<Arrival, WalkError> {
        self.with(&Silent, |engine| engine.ended(run))
    }

    /// The same as `migrate`, with an engine for every step.
    fn migrate_apart(&self, to: &Generation) -> Result<Arrival, WalkError> {
        let (run, steps) = self.begin(to)?;
        for number in steps {
            if let Err(error) = self.step_of(&run, u32::try_from(number - 1).unwrap()) {
                // The steps after it are not run; were they, they would do nothing.
                let after = self.step_of(&run, u32::try_from(number).unwrap());
                assert!(matches!(
                    *after.unwrap_err().what,
                    Problem::Overtaken(_) | Problem::Turn(_)
                ));
                let ended = self.ended(&run).unwrap_err();
                assert_eq!(ended.to_string(), error.to_string());
                return Err(ended);
            }
        }
        self.ended(&run)
    }
}

#[test]
fn steps_on_their_own_arrive_where_a_walk_does() {
    let machine = Machine::new();
    machine.meet();
    let three = machine.generation(Some(&history_of(&[1, 2, 3])));
    let arrival = machine.migrate_apart(&three).unwrap();
    assert_eq!(arrival.applied, versions(&[1, 2, 3]));
    machine.is_on(&[1, 2, 3]);
    let one = machine.generation(Some(&history_of(&[1])));
    assert_eq!(machine.migrate_apart(&one).unwrap().applied, versions(&[1]));
    machine.is_on(&[1]);
}

#[test]
fn what_is_told_of_a_failure_is_what_a_walk_tells() {
    for (hook, words) in [
        ("2024-01-03-up-script", "echo words; exit 3"),
        ("2024-01-03-up-verify", "exit 4"),
        ("2024-01-03-up-backup", "exit 5"),
        ("2024-01-01-up-script", "kill -9 $$"),
    ] {
        for restores in [true, false] {
            let told: Vec<_> = [Machine::migrate_apart, Machine::migrate]
                .into_iter()
                .map(|migrate| {
                    let machine = Machine::new();
                    machine.meet();
                    let mut third = entry(3);
                    third.own = true;
                    let to = machine.generation(Some(&[entry(1), entry(2), third]));
                    machine.hook(hook, words);
                    if !restores {
                        machine.hook("2024-01-03-up-restore", "exit 9");
                    }
                    let error = migrate(&machine, &to).unwrap_err();
                    if restores {
                        machine.is_on(&[]);
                    }
                    let left = match error.left {
                        Left::Unrestored { ref backup } => format!("unrestored, {}", backup.is_some()),
                        ref left => left.to_string(),
                    };
                    (
                        error.to_string(),
                        left,
                        error.next(),
                        error.is_refusal(),
                        machine.recorded().versions(),
                    )
                })
                .collect();
            assert_eq!(told[0], told[1], "{hook}");
        }
    }
}

#[test]
fn a_step_out_of_turn_touches_nothing() {
    let machine = Machine::new();
    machine.meet();
    let two = machine.generation(Some(&history_of(&[1, 2])));
    let (run, _) = machine.begin(&two).unwrap();
    let before = machine.log().len();
    let turn = |n| {
        let error = machine.step_of(&run, n).unwrap_err();
        assert!(matches!(*error.what, Problem::Turn(_)), "{error}");
    };
    turn(1);
    assert_eq!(machine.log().len(), before);
    assert_eq!(machine.step_of(&run, 0).unwrap(), None);
    turn(0);
    assert!(machine.step_of(&run, 1).unwrap().is_some());
    machine.is_on(&[1, 2]);
    // Neither is there a turn once it is over, nor in a run that nobody began.
    for run in [run, "0123456789abcdef".parse().unwrap()] {
        let error = machine.step_of(&run, 1).unwrap_err();
        assert!(matches!(*error.what, Problem::Overtaken(_)), "{error}");
    }
    machine.is_on(&[1, 2]);
}

#[test]
fn a_step_whose_process_died_is_nobodys_but_the_settlers() {
    let machine = Machine::new();
    machine.meet();
    let two = machine.generation(Some(&history_of(&[1, 2])));
    let (run, _) = machine.begin(&two).unwrap();
    machine.step_of(&run, 0).unwrap();
    // Killed in its second step, after its script.
    let ears = Ears::new(4);
    let killed = || machine.with(&ears, |engine| step_of(engine, &run, 1));
    catch_unwind(AssertUnwindSafe(killed)).unwrap_err();
    assert_eq!(
        machine.recorded().open_run.unwrap().steps[1].phase,
        Phase::Running
    );
    // systemd may start it again; it must not run on what is half done.
    let error = machine.step_of(&run, 1).unwrap_err();
    assert!(matches!(*error.what, Problem::Turn(_)), "{error}");
    let error = machine.ended(&run).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the process of the up of 2024-01-02 was killed before it came to its end"
    );
    assert_eq!(error.left, Left::Restored);
    machine.is_on(&[]);
    // Whoever asks once more is told the same of the state.
    assert!(machine.ended(&run).is_err());
}

#[test]
fn steps_that_nobody_ran_are_given_up() {
    let machine = Machine::new();
    machine.meet();
    let two = machine.generation(Some(&history_of(&[1, 2])));
    let (run, _) = machine.begin(&two).unwrap();
    machine.step_of(&run, 0).unwrap();
    let error = machine.ended(&run).unwrap_err();
    assert!(matches!(*error.what, Problem::NotRun(_)), "{error}");
    assert_eq!(error.left, Left::Restored);
    machine.is_on(&[]);
}

#[test]
fn one_that_could_not_be_handed_over_is_closed() {
    let machine = Machine::new();
    machine.meet();
    let one = machine.generation(Some(&history_of(&[1])));
    let (run, _) = machine.begin(&one).unwrap();
    let error = machine.with(&Silent, |engine| {
        engine.not_handed_over(Problem::Units(units::UnitsError::Garbled("no".to_owned())))
    });
    assert!(matches!(*error.what, Problem::Units(_)));
    machine.is_on(&[]);
    assert!(machine.step_of(&run, 0).is_err());
    machine.is_on(&[]);
}

#[test]
fn a_step_waits_for_no_unit_that_waits_for_it() {
    let machine = Machine::new();
    machine.meet();
    let with = |history: &[Entry], units: &str| {
        let mut generation = machine.generation(Some(history));
        let mut definition = generation.known.unwrap().definition;
        let plain = "X-Migration-Units=db.service\n";
        assert!(definition.text.contains(plain));
        definition.text = definition.text.replace(plain, units);
        fs::write(&definition.unit, &definition.text).unwrap();
        generation.known = Some(Known::read(&machine.service, definition).unwrap());
        generation
    };
    let old = "X-Migration-Units=db.service\nX-Migration-Requires=x.service y@1.service z.service\n";
    machine.migrate(&with(&history_of(&[1]), old)).unwrap();
    let new = "X-Migration-Units=db.service x.service y@.service\nX-Migration-Requires=w.service\n";
    let links = machine.links(&with(&history_of(&[1, 2]), new)).unwrap();
    let after: Vec<_> = links.after.iter().map(ToString::to_string).collect();
    assert_eq!(after, ["w.service", "z.service"]);
}

#[test]
fn a_step_outlives_the_file_systems_that_its_state_is_really_on() {
    let machine = Machine::new();
    let real = machine.at("disk/state");
    fs::create_dir(machine.at("disk")).unwrap();
    fs::rename(machine.state(), &real).unwrap();
    symlink("disk/state", machine.state()).unwrap();
    machine.meet();
    let links = machine
        .links(&machine.generation(Some(&history_of(&[1]))))
        .unwrap();
    assert!(links.mounts.contains(&machine.state()) && links.mounts.contains(&real));
}
