//! What lies between two definitions: state that moves from the directory of one to that of the other.

use super::walking::change;
use super::*;

/// The second step moves the state to another directory, which its definition declares.
fn moves() -> (Machine, Generation) {
    let machine = Machine::new();
    machine.meet();
    let one = machine.generation(Some(&history_of(&[1])));
    let mut two = machine.generation(Some(&history_of(&[1, 2])));
    let moved = format!(
        "X-Migration-StateDirectories=[\"{}\"]",
        machine.at("moved").display()
    );
    change(&machine, &mut two, "X-Migration-StateDirectories=", &moved);
    machine.migrate(&one).unwrap();
    let shell = format!(
        "mv {} {}\n",
        machine.state().display(),
        machine.at("moved").display()
    );
    machine.hook("2024-01-02-up-script", &shell);
    (machine, two)
}

#[test]
fn state_that_was_moved_away_comes_back_to_where_it_was() {
    let (machine, two) = moves();
    machine.hook("2024-01-02-up-verify", "exit 1");
    let error = machine.migrate(&two).unwrap_err();
    assert_eq!(error.left, Left::Restored, "{error}");
    machine.is_on(&[1]);
    assert!(!machine.at("moved").exists());
}

#[test]
fn a_move_that_is_killed_is_settled() {
    for heard in (1..16).step_by(stride()) {
        let (machine, two) = moves();
        if machine.killed(&two, heard).is_some() {
            return;
        }
        machine.with(&Ears::new(0), |engine| engine.settle(None)).unwrap();
        match machine.recorded().versions().len() {
            1 => machine.is_on(&[1]),
            _ => assert!(machine.at("moved/applied").exists() && machine.backups().is_empty()),
        }
    }
}
