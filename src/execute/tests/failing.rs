//! Steps that end badly, each in its own way, and how they leave state, record and backups.

use super::*;

/// Migrates and expects it to fail.
#[track_caller]
fn fails(machine: &Machine, to: &Generation) -> WalkError {
    machine.migrate(to).unwrap_err()
}

#[test]
fn a_script_that_fails_is_brought_back_and_not_tried_again() {
    for own in [false, true] {
        let machine = Machine::new();
        machine.meet();
        let mut second = entry(2);
        second.own = own;
        let one = machine.generation(Some(&history_of(&[1])));
        let two = machine.generation(Some(&[entry(1), second.clone()]));
        machine.migrate(&one).unwrap();
        machine.hook("2024-01-02-up-script", "echo words; exit 3");
        let error = fails(&machine, &two);
        assert_eq!(
            error.to_string(),
            "the script of the up of 2024-01-02 failed: exit code 3"
        );
        assert_eq!(error.left, Left::Restored);
        assert!(error.needs_resume() && error.next().contains("nixmig resume db --retry"));
        assert!(matches!(&*error.what, Problem::Failed { output, .. } if output == "words"));
        machine.is_on(&[1]);
        // Also where the reason is gone.
        machine.unhook("2024-01-02-up-script");
        let error = fails(&machine, &two);
        assert!(matches!(*error.what, Problem::Blocked(_)), "{error}");
        assert_eq!(error.left, Left::Untouched);
        // What is applied passes, and so does another definition.
        machine.migrate(&one).unwrap();
        second.words = "edited".to_owned();
        machine
            .migrate(&machine.generation(Some(&[entry(1), second])))
            .unwrap();
        machine.is_on(&[1, 2]);
    }
}

#[test]
fn a_path_whose_later_step_fails_is_undone_as_a_whole() {
    let machine = Machine::new();
    machine.meet();
    let mut second = entry(2);
    second.down = false;
    let three = machine.generation(Some(&[entry(1), second, entry(3)]));
    machine.hook("2024-01-03-up-verify", "exit 1");
    let accepted = BTreeSet::from([version(2)]);
    let error = machine
        .migrate_with(&three, &Ears::new(0), &accepted)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the verify of the up of 2024-01-03 failed: exit code 1"
    );
    assert_eq!(error.left, Left::Restored);
    machine.is_on(&[]);
}

#[test]
fn downs_fail_as_ups_do() {
    let machine = Machine::new();
    machine.meet();
    machine
        .migrate(&machine.generation(Some(&history_of(&[1, 2, 3]))))
        .unwrap();
    machine.hook("2024-01-02-down-script", "kill -9 $$");
    let error = fails(&machine, &machine.generation(None));
    assert_eq!(
        error.to_string(),
        "the script of the down of 2024-01-02 failed: ended by signal 9"
    );
    machine.is_on(&[1, 2, 3]);
    machine.unhook("2024-01-02-down-script");
    machine.with(&Ears::new(0), |engine| engine.retry()).unwrap();
    machine.migrate(&machine.generation(None)).unwrap();
    machine.is_on(&[]);
}

#[test]
fn a_backup_that_fails_leaves_the_state_untouched_and_blocks_nothing() {
    let machine = Machine::new();
    machine.meet();
    let mut second = entry(2);
    second.own = true;
    let two = machine.generation(Some(&[entry(1), second]));
    machine.hook("2024-01-02-up-backup", "exit 1");
    let error = fails(&machine, &two);
    assert_eq!(
        error.to_string(),
        "the backup of the up of 2024-01-02 failed: exit code 1"
    );
    // The step before it was done, and is not any more.
    assert_eq!(error.left, Left::Restored);
    assert!(!error.needs_resume());
    machine.is_on(&[]);
    machine.unhook("2024-01-02-up-backup");
    machine.migrate(&two).unwrap();
    machine.is_on(&[1, 2]);
}

#[test]
fn a_restore_that_fails_keeps_the_backup_and_touches_nothing_more() {
    let machine = Machine::new();
    machine.meet();
    let mut second = entry(2);
    second.own = true;
    let two = machine.generation(Some(&[entry(1), second]));
    machine.hook("2024-01-02-up-script", "exit 1");
    machine.hook("2024-01-02-up-restore", "echo no way; exit 9");
    let error = fails(&machine, &two);
    let Left::Unrestored { backup: Some(backup) } = &error.left else {
        panic!("{error:?}");
    };
    assert!(Path::new(backup).join("applied").is_file());
    assert!(
        error.next().contains("nixmig resume db --restore"),
        "{}",
        error.next()
    );
    assert!(matches!(&*error.what, Problem::Failed { restore: Some((_, words)), .. } if words == "no way"));
    // Nothing runs any more, whatever is wanted.
    let none = machine.generation(None);
    for to in [&two, &none] {
        let error = fails(&machine, to);
        assert!(matches!(*error.what, Problem::Unrestored(_)), "{error}");
        assert!(error.next().contains("--restore"), "{}", error.next());
    }
    // Both backups are kept: that of the step before it, too.
    assert_eq!(machine.backups().len(), 2);
    let error = machine
        .with(&Ears::new(0), |engine| engine.restore_again())
        .unwrap_err();
    assert!(matches!(error.left, Left::Unrestored { .. }));
    machine.unhook("2024-01-02-up-restore");
    machine
        .with(&Ears::new(0), |engine| engine.restore_again())
        .unwrap();
    machine.is_on(&[]);
    let error = fails(&machine, &two);
    assert!(matches!(*error.what, Problem::Blocked(_)), "{error}");
}

#[test]
fn without_protection_nothing_can_be_brought_back() {
    let mut machine = Machine::new();
    machine.declares = false;
    machine.meet();
    let three = machine.generation(Some(&history_of(&[1, 2, 3])));
    machine.hook("2024-01-02-up-script", "exit 1");
    let error = fails(&machine, &three);
    assert_eq!(error.left, Left::Unrestored { backup: None });
    assert_eq!(machine.recorded().versions(), versions(&[1]));
    let error = machine
        .with(&Ears::new(0), |engine| engine.restore_again())
        .unwrap_err();
    assert!(matches!(*error.what, Problem::NoBackup(_)), "{error}");
    let said = machine
        .with(&Ears::new(0), |engine| {
            engine.accept(&Accepted::On(Some(version(2))))
        })
        .unwrap();
    assert_eq!(said.applied, versions(&[1, 2]));
    machine.unhook("2024-01-02-up-script");
    machine.migrate(&three).unwrap();
    machine.is_on(&[1, 2, 3]);
}

#[test]
fn what_a_script_leaves_behind_writes_nothing_later() {
    let machine = Machine::new();
    machine.meet();
    let one = machine.generation(Some(&history_of(&[1])));
    machine.hook(
        "2024-01-01-up-script",
        "(trap '' TERM; while :; do echo x >> $state/late; sleep 0.05; done) &\nsleep 0.2\nexit 1",
    );
    let error = fails(&machine, &one);
    assert_eq!(error.left, Left::Restored);
    std::thread::sleep(Duration::from_millis(200));
    assert!(!machine.state().join("late").exists());
    machine.is_on(&[]);
}
