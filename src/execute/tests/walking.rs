//! Paths that arrive, and what is refused before anything runs.

use super::*;

#[test]
fn up_and_down_by_one_and_by_three() {
    let machine = Machine::new();
    machine.meet();
    let one = machine.generation(Some(&history_of(&[1])));
    let four = machine.generation(Some(&history_of(&[1, 2, 3, 4])));
    let none = machine.generation(None);
    for (to, days) in [
        (&one, &[1][..]),
        (&four, &[1, 2, 3, 4]),
        (&four, &[1, 2, 3, 4]),
        (&one, &[1]),
        (&four, &[1, 2, 3, 4]),
        (&none, &[]),
    ] {
        let arrival = machine.migrate(to).unwrap();
        assert_eq!(arrival.applied, versions(days));
        machine.is_on(days);
    }
}

#[test]
fn a_path_down_and_up_keeps_what_undoes_it_at_every_moment() {
    let machine = Machine::new();
    machine.meet();
    let left = machine.generation(Some(&history_of(&[1, 2, 3])));
    let right = machine.generation(Some(&history_of(&[1, 4, 5])));
    machine.migrate(&left).unwrap();
    machine.migrate(&right).unwrap();
    machine.is_on(&[1, 4, 5]);
    machine.migrate(&left).unwrap();
    machine.is_on(&[1, 2, 3]);
}

#[test]
fn what_is_heard_of_a_step() {
    let machine = Machine::new();
    machine.meet();
    machine.hook(
        "2024-01-01-up-script",
        "echo out; echo err >&2; printf '\\033[2J'",
    );
    let (heard, result) = machine.heard(&machine.generation(Some(&history_of(&[1]))));
    result.unwrap();
    let expected = [
        "run",
        "backup?",
        "backup: done",
        "script?",
        "| out",
        "| err",
        "| \u{1b}[2J",
        "script: exit code 0",
        "verify?",
        "verify: exit code 0",
        "finished",
    ];
    assert_eq!(heard, expected);
}

#[test]
fn the_environment_of_scripts() {
    let machine = Machine::new();
    machine.meet();
    let one = machine.generation(Some(&history_of(&[1])));
    let mut second = entry(2);
    second.own = true;
    let two = machine.generation(Some(&[entry(1), second]));
    machine.migrate(&one).unwrap();
    machine.hook(
        "2024-01-02-up-script",
        "env; id -u; [ -O \"$BACKUP\" ]; stat -c %a \"$BACKUP\"",
    );
    let (heard, result) = machine.heard(&two);
    result.unwrap();
    let package = |generation: &Generation| generation.known.as_ref().unwrap().package().unwrap().to_owned();
    let state = machine.state();
    for line in [
        "PATH=/usr/bin".to_owned(),
        "MIGRATION_SERVICE=db".to_owned(),
        "MIGRATION_VERSION=2024-01-02".to_owned(),
        "MIGRATION_DIRECTION=up".to_owned(),
        format!("STATE_DIRECTORIES={}", state.display()),
        format!("OLD_PACKAGE={}", package(&one)),
        format!("NEW_PACKAGE={}", package(&two)),
        "700".to_owned(),
    ] {
        assert!(heard.contains(&format!("| {line}")), "{line} {heard:#?}");
    }
    assert!(
        !heard
            .iter()
            .any(|line| line.contains("CARGO") || line.contains("HOME="))
    );
    assert_eq!(machine.recorded().package, Some(package(&two)));
    // The way back: what ran last is the newer one.
    machine.hook("2024-01-02-down-script", "echo $OLD_PACKAGE; echo $NEW_PACKAGE");
    let (heard, result) = machine.heard(&one);
    result.unwrap();
    let lines: Vec<_> = heard.iter().filter_map(|line| line.strip_prefix("| ")).collect();
    assert_eq!(lines, [package(&two), package(&one)]);
}

#[test]
fn a_generation_that_declares_nothing_may_still_tell_its_package() {
    for killed in [false, true] {
        let machine = Machine::new();
        machine.meet();
        machine
            .migrate(&machine.generation(Some(&history_of(&[1]))))
            .unwrap();
        let none = machine.generation(None);
        let package = machine.store("db-0");
        fs::create_dir(&package).unwrap();
        machine.hook("2024-01-01-down-script", "echo $NEW_PACKAGE");
        let ears = Ears::new(if killed { 10 } else { 0 });
        let plan = machine.plan(&none);
        let walk = || {
            machine.with(&ears, |engine| {
                engine.walk(&Walk {
                    generation: &none.toplevel,
                    target: None,
                    applied: &plan.applied,
                    steps: &plan.steps,
                    previous_package: None,
                    new_package: Some(&package),
                    guarding: Guarding::not_needed(),
                })
            })
        };
        match catch_unwind(AssertUnwindSafe(walk)) {
            Ok(walked) => drop(walked.unwrap()),
            // Done, and not said yet.
            Err(_) => {
                let settled = machine.with(&Ears::new(0), |engine| engine.settle(None));
                assert!(matches!(settled, Ok(Settled::Arrived(_))), "{settled:?}");
            }
        }
        let heard = ears.heard.into_inner().unwrap();
        assert!(heard.contains(&format!("| {package}")), "{heard:#?}");
        machine.is_on(&[]);
        assert_eq!(machine.recorded().package, Some(package));
    }
}

#[test]
fn a_cumulative_step_takes_older_ones_with_it() {
    let machine = Machine::new();
    machine.meet();
    let mut third = entry(3);
    third.cumulative = true;
    let target = machine.generation(Some(&[entry(1), entry(2), third]));
    machine.hook(
        "2024-01-03-up-script",
        "printf '2024-01-01\\n2024-01-02\\n2024-01-03\\n' > $state/applied",
    );
    machine.hook("2024-01-03-down-script", ": > $state/applied");
    machine.migrate(&target).unwrap();
    machine.is_on(&[1, 2, 3]);
    let begun = machine
        .log()
        .iter()
        .filter(|logged| logged.event.kind() == "script-begun")
        .count();
    assert_eq!(begun, 1);
    machine.migrate(&machine.generation(None)).unwrap();
    machine.is_on(&[]);
}

#[test]
fn a_step_without_a_script_changes_the_record_alone() {
    let machine = Machine::new();
    machine.meet();
    let mut second = entry(2);
    second.scripts = false;
    let target = machine.generation(Some(&[entry(1), second, entry(3)]));
    let accepted = BTreeSet::from([version(2)]);
    machine.migrate_with(&target, &Ears::new(0), &accepted).unwrap();
    assert_eq!(machine.recorded().versions(), versions(&[1, 2, 3]));
    assert_eq!(machine.really(), versions(&[1, 3]));
}

#[test]
fn destructive_steps_wait_for_their_acknowledgement() {
    let machine = Machine::new();
    machine.meet();
    let mut second = entry(2);
    second.warn = true;
    let two = machine.generation(Some(&[entry(1), second.clone()]));
    let error = machine.migrate(&two).unwrap_err();
    assert!(matches!(&*error.what, Problem::Unacknowledged { steps, .. } if steps.len() == 1));
    assert_eq!(error.left, Left::Untouched);
    assert!(
        error.next().contains("--acknowledge db@2024-01-02"),
        "{}",
        error.next()
    );
    machine.is_on(&[]);
    let accepted = BTreeSet::from([version(2)]);
    machine.migrate_with(&two, &Ears::new(0), &accepted).unwrap();
    // It is kept for the up alone.
    let error = machine.migrate(&machine.generation(None)).unwrap_err();
    assert!(matches!(*error.what, Problem::Unacknowledged { .. }), "{error}");
    machine
        .migrate_with(&machine.generation(None), &Ears::new(0), &accepted)
        .unwrap();
    machine.migrate(&two).unwrap();
    // Another text is another action.
    machine.migrate(&machine.generation(None)).unwrap();
    second.words = "other".to_owned();
    let edited = machine.generation(Some(&[entry(1), second]));
    let error = machine.migrate(&edited).unwrap_err();
    assert!(matches!(*error.what, Problem::Unacknowledged { .. }), "{error}");
}

#[test]
fn nothing_runs_beside_the_service() {
    let machine = Machine::new();
    machine.meet();
    let unit = machine.at("cgroup/system.slice/db.service");
    fs::create_dir_all(&unit).unwrap();
    fs::write(machine.at("cgroup/cgroup.controllers"), "").unwrap();
    fs::write(unit.join("cgroup.procs"), "4711\n").unwrap();
    let one = machine.generation(Some(&history_of(&[1])));
    let error = machine.migrate(&one).unwrap_err();
    assert_eq!(
        error.to_string(),
        "db.service (process 4711) is still running: no script may touch the state meanwhile"
    );
    assert_eq!(
        error.next(),
        "Stop them with `systemctl stop db.service`, and run it again."
    );
    machine.is_on(&[]);
    fs::write(unit.join("cgroup.procs"), "").unwrap();
    machine.migrate(&one).unwrap();
    machine.is_on(&[1]);
}

#[test]
fn nothing_is_brought_back_beneath_a_unit_that_came_up_in_between() {
    let machine = Machine::new();
    machine.meet();
    let unit = machine.at("cgroup/system.slice/db.service");
    fs::create_dir_all(&unit).unwrap();
    fs::write(machine.at("cgroup/cgroup.controllers"), "").unwrap();
    let processes = unit.join("cgroup.procs");
    let two = machine.generation(Some(&history_of(&[1, 2])));
    machine.hook(
        "2024-01-01-up-verify",
        &format!("echo 4711 > {}", processes.display()),
    );
    let error = machine.migrate(&two).unwrap_err();
    assert!(matches!(*error.what, Problem::Occupied(_)), "{error}");
    assert_eq!(error.left, Left::Open);
    assert_eq!(
        (machine.really(), machine.recorded().versions()),
        (versions(&[1]), versions(&[1]))
    );
    let error = machine.migrate(&two).unwrap_err();
    assert!(matches!(*error.what, Problem::Occupied(_)), "{error}");
    fs::write(processes, "").unwrap();
    machine.migrate(&two).unwrap();
    machine.is_on(&[1, 2]);
}

#[test]
fn a_stamp_follows_no_link_of_others() {
    let machine = Machine::new();
    machine.meet();
    let other = machine.at("other");
    fs::create_dir(&other).unwrap();
    let (state, kept) = (machine.state(), machine.at("kept"));
    // What is declared becomes a link of the service's user, when it was backed up already.
    let plant = format!(
        "mv {0} {1}; ln -s {2} {0}; chown -h nobody {0}",
        state.display(),
        kept.display(),
        other.display()
    );
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root can give files away");
        assert!(std::env::var_os("CI").is_none(), "CI runs as root");
        return;
    }
    machine.hook("2024-01-01-up-verify", &plant);
    machine
        .migrate(&machine.generation(Some(&history_of(&[1]))))
        .unwrap_err();
    assert_eq!(stamp::read(stamp::open(&other).unwrap()).unwrap(), None);
}

/// Puts another line in the place of one of a generation's unit file.
pub(super) fn change(machine: &Machine, generation: &mut Generation, from: &str, to: &str) {
    let known = generation.known.as_mut().unwrap();
    let mut definition = known.definition.clone();
    let at = definition.text.find(from).unwrap();
    let end = definition.text[at..].find('\n').unwrap() + at;
    definition.text.replace_range(at..end, to);
    *known = Known::read(&machine.service, definition).unwrap();
}

#[test]
fn what_detects_answers_on_its_standard_output() {
    let machine = Machine::new();
    let mut generation = machine.generation(Some(&history_of(&[1])));
    let detect = |machine: &Machine, generation: &Generation| {
        super::detect(
            &*executor(machine.grace),
            &machine.service,
            &generation.known.as_ref().unwrap().definition,
            None,
        )
    };
    assert!(matches!(detect(&machine, &generation), Answer::Unasked(_)));
    let body = "[ -z \"${MIGRATION_VERSION-}\" ]\nMIGRATION_VERSION= MIGRATION_DIRECTION=\necho noise >&2\ntail -n 1 \"$STATE_DIRECTORIES/applied\"";
    let script = machine.script("detect", "detect", body);
    change(
        &machine,
        &mut generation,
        "X-Migration-Units=",
        &format!("X-Migration-Detect={script}"),
    );
    fs::write(machine.state().join("applied"), "2024-01-01\n").unwrap();
    assert_eq!(
        detect(&machine, &generation),
        Answer::Said("2024-01-01".to_owned())
    );
    machine.hook("--detect", "echo reason >&2; exit 7");
    assert!(matches!(detect(&machine, &generation), Answer::Failed(words) if words.contains("exit code 7")));
}

#[test]
fn what_cannot_be_run_is_refused_before_anything_is() {
    let machine = Machine::new();
    machine.meet();
    let evil = machine.at("evil");
    fs::write(&evil, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&evil, fs::Permissions::from_mode(0o755)).unwrap();
    let mut outside = machine.generation(Some(&history_of(&[1])));
    change(
        &machine,
        &mut outside,
        "UpScript=",
        &format!("UpScript={}", evil.display()),
    );
    let error = machine.migrate(&outside).unwrap_err();
    assert!(
        matches!(*error.what, Problem::Script(ScriptError::OutsideTheStore { .. })),
        "{error}"
    );
    let mut settings = machine.generation(Some(&history_of(&[1])));
    change(
        &machine,
        &mut settings,
        "X-Migration-ServiceConfig=",
        "X-Migration-ServiceConfig={\"DynamicUser\":true}",
    );
    let error = machine.migrate(&settings).unwrap_err();
    assert!(error.to_string().starts_with("`DynamicUser` "), "{error}");
    assert_eq!(
        error.to_string().contains("needs systemd"),
        !by_systemd(),
        "{error}"
    );
    let kinds: Vec<_> = machine.log().iter().map(|logged| logged.event.kind()).collect();
    assert_eq!(kinds, ["made", "met"]);
}

#[test]
fn a_plan_from_something_else_is_not_walked() {
    let machine = Machine::new();
    machine.meet();
    let one = machine.generation(Some(&history_of(&[1])));
    let plan = machine.plan(&one);
    machine.migrate(&one).unwrap();
    let late = machine.with(&Ears::new(0), |engine| {
        engine.walk(&Walk {
            generation: &one.toplevel,
            target: one.known.as_ref(),
            applied: &plan.applied,
            steps: &plan.steps,
            previous_package: None,
            new_package: None,
            guarding: Guarding::not_needed(),
        })
    });
    assert!(matches!(*late.unwrap_err().what, Problem::Changed));
    machine.is_on(&[1]);
}
