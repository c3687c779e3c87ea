//! A nixmig that really dies: by a signal in the middle of a script, and, in builds with faults, at every named point. It is this
//! test binary, run once more; as a unit where systemd runs the scripts, which then end with it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::*;

/// What the other process is told.
const ROOT: &str = "NIXMIG_TEST_ROOT";
const UNIT: &str = "NIXMIG_TEST_UNIT";
const GENERATION: &str = "NIXMIG_TEST_GENERATION";
const ADOPTS: &str = "NIXMIG_TEST_ADOPTS";
const OWN_UNIT: &str = "NIXMIG_TEST_OWN_UNIT";

#[test]
#[ignore = "is a part of others"]
fn migrates_in_a_process_of_its_own() {
    let Some(root) = std::env::var_os(ROOT) else {
        return;
    };
    let machine = Machine::there(PathBuf::from(root));
    let generation = std::env::var(GENERATION).unwrap();
    let known = std::env::var(UNIT).ok().map(|unit| {
        let definition = Definition {
            text: fs::read_to_string(&unit).unwrap(),
            unit,
            generation: generation.clone(),
        };
        Known::read(&machine.service, definition).unwrap()
    });
    let to = Generation {
        toplevel: generation,
        known,
    };
    let executor = DirectExecutor::new().unwrap().with_grace(machine.grace);
    let executor = match std::env::var_os(ADOPTS) {
        Some(_) => executor.adopting().unwrap(),
        None => executor,
    };
    let unit = std::env::var(OWN_UNIT).ok().map(|unit| unit.parse().unwrap());
    let ended = machine.migrate_by(&*executor_by(executor, unit), &to, &Aloud, &BTreeSet::new());
    println!("ended: {ended:?}");
}

/// Says everything on stdout.
struct Aloud;

impl Progress for Aloud {
    fn event(&self, event: &ProgressEvent<'_>) {
        println!("heard: {:?}", event.happening);
    }
}

/// A nixmig in a process of its own.
struct Other {
    child: Child,
    /// The unit whose process it is, where systemd runs its scripts.
    unit: Option<String>,
    lines: BufReader<std::process::ChildStdout>,
    seen: String,
}

impl Other {
    fn migrates(machine: &Machine, to: &Generation, settings: &[(&str, &str)]) -> Self {
        let mut environment = vec![(ROOT, machine.root.to_str().unwrap()), (GENERATION, &to.toplevel)];
        environment.extend(settings);
        if let Some(known) = &to.known {
            environment.push((UNIT, &known.definition.unit));
        }
        let own = std::env::current_exe().unwrap();
        let unit = by_systemd().then(|| {
            static STARTED: AtomicUsize = AtomicUsize::new(0);
            let number = STARTED.fetch_add(1, Ordering::Relaxed);
            format!("nixmig-test-{}-{number}.service", std::process::id())
        });
        let mut command = match &unit {
            None => {
                let mut command = Command::new(own);
                command.envs(environment);
                command
            }
            Some(unit) => {
                environment.extend([(OWN_UNIT, unit.as_str()), ("NIXMIG_TEST_EXECUTOR", "systemd")]);
                let mut command = Command::new("systemd-run");
                command
                    .args([
                        "--quiet",
                        "--pipe",
                        "--wait",
                        "--collect",
                        "--property=KillMode=mixed",
                    ])
                    .args(["--service-type=exec", &format!("--unit={unit}")])
                    .args(
                        environment
                            .iter()
                            .map(|(name, value)| format!("--setenv={name}={value}")),
                    )
                    .arg(own);
                command
            }
        };
        command
            .args(["--ignored", "--exact", "--nocapture"])
            .arg("execute::tests::dying::migrates_in_a_process_of_its_own")
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            unit,
            lines,
            seen: String::new(),
        }
    }

    /// Reads until something is said.
    fn until(&mut self, words: &str) {
        while !self.seen.contains(words) {
            let more = self.lines.read_line(&mut self.seen).unwrap();
            assert!(more > 0, "{words} in {}", self.seen);
        }
    }

    fn signal(&self, signal: Signal) {
        let Some(unit) = &self.unit else {
            return kill_process(Pid::from_child(&self.child), signal).unwrap();
        };
        // It may have ended before; a process can be signalled until somebody waited for it, a unit cannot.
        let status = Command::new("systemctl")
            .args([
                "kill",
                "--kill-whom=main",
                &format!("--signal={}", signal.as_raw()),
            ])
            .arg(unit)
            .stderr(Stdio::null())
            .status();
        assert!(status.is_ok());
    }

    /// Waits for its end; what it said of it, which is nothing where it was killed.
    fn ended(mut self) -> Option<String> {
        // A script that outlives it holds no end of this pipe.
        while self.lines.read_line(&mut self.seen).unwrap() > 0 {}
        self.child.wait().unwrap();
        let ended = self.seen.lines().find_map(|line| line.split_once("ended: "));
        ended.map(|(_, ended)| ended.to_owned())
    }
}

fn one_step() -> (Machine, Generation, Generation) {
    let machine = Machine::new();
    machine.meet();
    let from = machine.generation(Some(&history_of(&[1])));
    let to = machine.generation(Some(&history_of(&[1, 2])));
    machine.migrate(&from).unwrap();
    (machine, from, to)
}

#[test]
fn a_signal_ends_the_script_and_the_state_is_brought_back() {
    for (signal, number) in [(Signal::TERM, 15), (Signal::INT, 2), (Signal::HUP, 1)] {
        let (machine, _, to) = one_step();
        machine.hook(
            "2024-01-02-up-script",
            "trap 'echo ending; exit 0' TERM\necho begun\nsleep 600 & wait",
        );
        let mut other = Other::migrates(&machine, &to, &[]);
        other.until("begun");
        other.signal(signal);
        // A second one does not take the way back away.
        other.until("ending");
        other.signal(signal);
        let ended = other.ended().unwrap();
        assert!(ended.contains(&format!("Interrupted({number})")), "{ended}");
        assert!(ended.contains("left: Restored"), "{ended}");
        machine.is_on(&[1]);
        machine.unhook("2024-01-02-up-script");
        machine.migrate(&to).unwrap();
        machine.is_on(&[1, 2]);
    }
}

#[test]
fn a_script_that_outlives_its_nixmig_is_waited_for() {
    if by_systemd() {
        println!("skipped: a script of a unit ends with it");
        return;
    }
    let (machine, from, to) = one_step();
    let control = machine.at("control");
    let wait = format!(
        "echo $$ > {0}/pid.new; mv {0}/pid.new {0}/pid\nwhile ! [ -e {0}/go ]; do sleep 0.05; done\necho late >> $state/applied",
        control.display()
    );
    machine.hook("2024-01-02-up-script", &wait);
    let mut other = Other::migrates(&machine, &to, &[]);
    other.until("script");
    while !control.join("pid").exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    other.signal(Signal::KILL);
    assert_eq!(other.ended(), None);
    let pid = fs::read_to_string(control.join("pid")).unwrap();
    let ears = Ears::new(0);
    let lock = |wait| lock(&machine.place, &machine.service, wait, &ears, &|| false);
    assert!(lock(Wait::Until(Duration::from_millis(300))).is_err());
    let heard = ears.heard.lock().unwrap().clone();
    assert_eq!(heard.len(), 1);
    assert!(
        heard[0].contains("outlived its nixmig") && heard[0].contains(pid.trim()),
        "{heard:?}"
    );
    fs::write(control.join("go"), "").unwrap();
    machine.migrate(&from).unwrap();
    machine.is_on(&[1]);
}

#[test]
fn daemons_end_with_their_script() {
    let (machine, _, to) = one_step();
    // In a session of its own, with an environment and descriptors of its own, as postgres is.
    let daemon = "env -i setsid sh -c 'while :; do echo late >> \"$1\"; sleep 0.05; done' x \"$state/applied\" < /dev/null > /dev/null 2>&1 &\nsleep 0.3\nexit 1";
    machine.hook("2024-01-02-up-script", daemon);
    let ended = Other::migrates(&machine, &to, &[(ADOPTS, "1")]).ended().unwrap();
    assert!(ended.contains("left: Restored"), "{ended}");
    std::thread::sleep(Duration::from_millis(200));
    machine.is_on(&[1]);
}

#[test]
fn two_at_once_take_turns() {
    let (machine, _, to) = one_step();
    machine.hook("2024-01-02-up-script", "sleep 0.3");
    let others = [0, 1].map(|_| Other::migrates(&machine, &to, &[]));
    for ended in others.map(|other| other.ended().unwrap()) {
        assert!(ended.starts_with("Ok("), "{ended}");
    }
    machine.is_on(&[1, 2]);
}

/// The points that a step passes which arrives, and those of one that fails.
#[cfg(feature = "faults")]
const ARRIVING: [&str; 13] = [
    "run-begun",
    "step-begun",
    "backup-dir-made",
    "backup-written",
    "backup-made",
    "script-begun",
    "script-ended",
    "verified",
    "stamp-written",
    "state-flushed",
    "step-finished",
    "backup-dropped",
    "run-ended",
];
#[cfg(feature = "faults")]
const FAILING: [&str; 8] = [
    "step-failed",
    "restore-begun",
    "restore-half",
    "restore-swapped",
    "stamp-written",
    "state-flushed",
    "restored",
    "run-ended",
];

#[cfg(feature = "faults")]
#[test]
fn killed_at_every_point_and_with_a_full_disk() {
    let mut cases = Vec::new();
    for (points, fails) in [(&ARRIVING[..], false), (&FAILING, true)] {
        for point in points {
            for action in ["kill", "full"] {
                cases.extend([false, true].map(|down| (format!("{point}:{action}"), fails, down)));
            }
        }
    }
    for (fault, fails, down) in cases.iter().step_by(stride()) {
        dies_at(fault, &[2], *fails, *down);
    }
}

#[cfg(feature = "faults")]
#[test]
fn killed_in_the_second_and_third_of_three_steps() {
    let mut cases = Vec::new();
    for (points, fails) in [(&ARRIVING[..], false), (&FAILING, true)] {
        for (point, down) in points.iter().zip([false, true].into_iter().cycle()) {
            cases.extend([2, 3].map(|nth| (format!("{point}#{nth}:kill"), fails, down)));
        }
    }
    for (fault, fails, down) in cases.iter().step_by(stride()) {
        dies_at(fault, &[2, 3, 4], *fails, *down);
    }
}

#[cfg(feature = "faults")]
#[test]
fn every_write_of_the_record_may_be_the_last() {
    for nth in (1..=9).step_by(stride()) {
        for action in ["kill", "full"] {
            let fails = nth % 2 == 0;
            dies_at(&format!("record-written#{nth}:{action}"), &[2], fails, false);
        }
    }
}

/// A migration of the first version and these, up or down, with a fault; where it fails besides, it does so in the last script.
#[cfg(feature = "faults")]
fn dies_at(fault: &str, days: &[u8], fails: bool, down: bool) {
    let machine = Machine::new();
    machine.meet();
    let all: Vec<_> = [1].iter().chain(days).copied().collect();
    let (short, long) = (&[1][..], &all[..]);
    let (one, more) = (
        machine.generation(Some(&history_of(short))),
        machine.generation(Some(&history_of(long))),
    );
    let (from, to, old, new) = match down {
        true => (&more, &one, long, short),
        false => (&one, &more, short, long),
    };
    machine.migrate(from).unwrap();
    if fails {
        let last = if down { days[0] } else { days[days.len() - 1] };
        let direction = if down { "down" } else { "up" };
        machine.hook(&format!("{}-{direction}-verify", version(last)), "exit 1");
    }
    let ended = Other::migrates(&machine, to, &[("NIXMIG_FAULT", fault)]).ended();
    let what = format!("{fault} of {days:?} fails {fails} down {down}: {ended:?}");
    if !fault.contains('#') {
        assert_eq!(ended.is_none(), fault.ends_with("kill"), "{what}");
    }
    let mut arrived = machine.migrate(to);
    if matches!(&arrived, Err(error) if matches!(*error.what, Problem::Unrestored(_))) {
        // The disk was full when the state was to be brought back.
        machine
            .with(&Ears::new(0), |engine| engine.restore_again())
            .unwrap();
        arrived = machine.migrate(to);
    }
    let on = match arrived {
        Ok(_) if !fails => new,
        // Where the disk was full in the middle of a step, that was a failure of it.
        Err(error) if fails || fault.ends_with("full") => {
            assert!(
                matches!(*error.what, Problem::Failed { .. } | Problem::Blocked(_)),
                "{what}: {error}"
            );
            old
        }
        other => panic!("{what}: {other:?}"),
    };
    assert_eq!(machine.really(), versions(on), "{what}");
    assert_eq!(machine.recorded().versions(), versions(on), "{what}");
    assert_eq!(machine.recorded().open_run, None, "{what}");
    assert_eq!(machine.backups(), Vec::<PathBuf>::new(), "{what}");
    machine.migrate(from).unwrap();
    machine.is_on(old);
}
