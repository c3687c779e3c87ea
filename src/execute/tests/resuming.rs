//! What somebody decides.

use super::*;

#[test]
fn nothing_is_resumed_where_nothing_failed() {
    let machine = Machine::new();
    machine.meet();
    for error in [
        machine.with(&Ears::new(0), |engine| engine.retry()).unwrap_err(),
        machine
            .with(&Ears::new(0), |engine| engine.restore_again().map(drop))
            .unwrap_err(),
        machine
            .with(&Ears::new(0), |engine| {
                engine.accept(&Accepted::On(None)).map(drop)
            })
            .unwrap_err(),
    ] {
        assert!(matches!(*error.what, Problem::NothingToResume), "{error}");
    }
}

#[test]
fn what_is_accepted_must_be_a_state_of_the_run() {
    let machine = Machine::new();
    machine.meet();
    let mut history = history_of(&[1, 2, 3]);
    history.iter_mut().for_each(|entry| entry.own = true);
    let to = machine.generation(Some(&history));
    machine.hook("2024-01-02-up-script", "exit 1");
    machine.hook("2024-01-02-up-restore", "exit 1");
    machine.migrate(&to).unwrap_err();
    let error = machine
        .with(&Ears::new(0), |engine| {
            engine.accept(&Accepted::On(Some(version(9))))
        })
        .unwrap_err();
    assert!(matches!(*error.what, Problem::NotThere(_)), "{error}");
    let said = machine
        .with(&Ears::new(0), |engine| {
            engine.accept(&Accepted::On(Some(version(1))))
        })
        .unwrap();
    assert_eq!(said.applied, versions(&[1]));
    // The only copies of what was are not removed by a word.
    assert!(!said.backups.is_empty() && said.backups.iter().all(|backup| Path::new(backup).is_dir()));
    machine.unhook("2024-01-02-up-script");
    machine.migrate(&to).unwrap();
    assert_eq!(machine.really(), versions(&[1, 2, 3]));
}

#[test]
fn what_is_accepted_as_arrived_is_run_by_the_package_of_its_generation() {
    for (accepted, arrived) in [(1, true), (0, false)] {
        let machine = Machine::new();
        machine.meet();
        let mut first = entry(1);
        first.own = true;
        let to = machine.generation(Some(&[first]));
        machine.hook("2024-01-01-up-script", "exit 1");
        machine.hook("2024-01-01-up-restore", "exit 1");
        machine.migrate(&to).unwrap_err();
        let version = (accepted > 0).then(|| version(accepted));
        machine
            .with(&Ears::new(0), |engine| engine.accept(&Accepted::On(version)))
            .unwrap();
        let package = to.known.as_ref().unwrap().package().map(str::to_owned);
        assert_eq!(machine.recorded().package, package.filter(|_| arrived));
    }
}

#[test]
fn what_is_accepted_in_the_midst_of_a_restore_names_what_that_left_beside_the_state() {
    let machine = Machine::new();
    machine.meet();
    let to = machine.generation(Some(&history_of(&[1])));
    let heard = "run, backup?, backup:, script?, script:".split(", ").count();
    assert!(machine.killed(&to, heard).is_none());
    let [backup] = &machine.backups()[..] else {
        panic!("one backup: {:?}", machine.backups());
    };
    // As if it had been killed once more, while it was brought back.
    let area = machine.at(&format!(
        ".nixmig-{}",
        backup.file_name().unwrap().to_str().unwrap()
    ));
    fs::create_dir(&area).unwrap();
    fs::set_permissions(&area, fs::Permissions::from_mode(0o700)).unwrap();
    let said = machine
        .with(&Ears::new(0), |engine| {
            engine.accept(&Accepted::On(Some(version(1))))
        })
        .unwrap();
    assert_eq!(said.backups, [backup.display().to_string()]);
    assert_eq!(said.areas, [area]);
}

#[test]
fn a_restore_that_works_at_last_says_what_stays_for_want_of_a_backup() {
    let mut machine = Machine::new();
    machine.declares = false;
    machine.meet();
    let mut history = history_of(&[1, 2]);
    history[1].own = true;
    let to = machine.generation(Some(&history));
    machine.hook("2024-01-02-up-script", "exit 1");
    machine.hook("2024-01-02-up-restore", "exit 1");
    machine.migrate(&to).unwrap_err();
    machine.unhook("2024-01-02-up-restore");
    let back = machine
        .with(&Ears::new(0), |engine| engine.restore_again())
        .unwrap();
    assert_eq!(back.kept, versions(&[1]));
    machine.is_on(&[1]);
}

#[test]
fn a_stamp_runs_nothing_and_what_it_says_is_undone_by_its_definition() {
    let machine = Machine::new();
    let two = machine.generation(Some(&history_of(&[1, 2])));
    fs::write(machine.state().join("applied"), "2024-01-01\n2024-01-02\n").unwrap();
    let is = Assumption {
        applied: &versions(&[1, 2]),
        definition: two.known.as_ref(),
        package: None,
    };
    machine
        .with(&Ears::new(0), |engine| engine.stamp(&is, "test"))
        .unwrap();
    machine.is_on(&[1, 2]);
    machine
        .migrate(&machine.generation(Some(&history_of(&[1]))))
        .unwrap();
    machine.is_on(&[1]);
    machine.with(&Ears::new(0), |engine| engine.forget()).unwrap();
    assert!(!machine.view().services.contains_key(&machine.service));
    let error = machine.with(&Ears::new(0), |engine| engine.forget()).unwrap_err();
    assert!(matches!(*error.what, Problem::NothingToForget), "{error}");
}

#[test]
fn an_open_run_is_neither_stamped_over_nor_forgotten() {
    let machine = Machine::new();
    machine.meet();
    let to = machine.generation(Some(&history_of(&[1])));
    assert!(machine.killed(&to, 4).is_none());
    let is = Assumption {
        applied: &[],
        definition: None,
        package: None,
    };
    for error in [
        machine
            .with(&Ears::new(0), |engine| engine.stamp(&is, "test").map(drop))
            .unwrap_err(),
        machine.with(&Ears::new(0), |engine| engine.forget()).unwrap_err(),
    ] {
        assert!(matches!(*error.what, Problem::Open(_)), "{error}");
    }
}
