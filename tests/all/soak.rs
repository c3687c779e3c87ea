//! PostgreSQL goes up and down, over and over, and is killed at a moment that nobody chose: nixmig, its script, or both with
//! all that they started. After each kill nixmig settles what was left, on the way or back, and not a row may differ.
//!
//! `make test` has a few rounds of it, `make soak N=500` as many as one likes: `NIXMIG_SOAK_ROUNDS`. `NIXMIG_SOAK_SEED` is for
//! other choices; the moments are never quite the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::{Child, Stdio};
use std::str::FromStr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nixmig::model::Phase;
use rustix::process::{Pid, Signal, kill_process};

use crate::demeter::{Demeter, told};

/// Choices that look like chance: Marsaglia's xorshift64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Victim {
    Nixmig,
    Script,
    Both,
}

/// A number from the environment.
fn setting<T: FromStr>(name: &str, default: T) -> T {
    let Ok(text) = std::env::var(name) else {
        return default;
    };
    match text.parse() {
        Ok(number) => number,
        Err(_) => panic!("{name}={text} is no number"),
    }
}

/// The processes below one, itself not among them, parents first.
fn descendants(ancestor: u32) -> Vec<u32> {
    let mut parents = BTreeMap::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        // One that has just ended has no file any more.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        // The name is in brackets and may hold anything (proc(5)); the state and the parent follow.
        let rest = stat.rsplit_once(") ").unwrap().1;
        let parent: u32 = rest.split(' ').nth(1).unwrap().parse().unwrap();
        parents.insert(pid, parent);
    }
    let mut found = vec![ancestor];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(
            parents
                .iter()
                .filter(|(_, of)| **of == parent)
                .map(|(pid, _)| *pid),
        );
        next += 1;
    }
    found.remove(0);
    found
}

fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    // It may have ended meanwhile.
    let _ = kill_process(pid, signal);
}

fn kill(pid: u32) {
    send(pid, Signal::KILL);
}

/// Stops a process and all below it, so that none starts another while they are killed: a daemon that escapes would keep the lock
/// for good. What loses its parent meanwhile falls to nixmig, which is among them.
fn frozen(nixmig: u32) -> Vec<u32> {
    let mut stopped = vec![nixmig];
    send(nixmig, Signal::STOP);
    loop {
        let mut more = descendants(nixmig);
        more.retain(|process| !stopped.contains(process));
        if more.is_empty() {
            return stopped;
        }
        more.iter().for_each(|process| send(*process, Signal::STOP));
        stopped.extend(more);
    }
}

/// Kills, and says what there was to be killed; nothing where it was too late.
fn strike(nixmig: &mut Child, wanted: Victim) -> Option<Victim> {
    if nixmig.try_wait().unwrap().is_some() {
        return None;
    }
    let below = descendants(nixmig.id());
    match (wanted, below.first()) {
        (Victim::Script, Some(&script)) => {
            kill(script);
            Some(Victim::Script)
        }
        (Victim::Both, Some(_)) => {
            // nixmig first, or it would take note of its script's end.
            frozen(nixmig.id()).into_iter().for_each(kill);
            Some(Victim::Both)
        }
        (Victim::Nixmig, _) | (_, None) => {
            kill(nixmig.id());
            Some(Victim::Nixmig)
        }
    }
}

/// How far the run that is open came, as far as the record knows.
fn phase(demeter: &Demeter) -> &'static str {
    let Some(run) = demeter.recorded().open_run else {
        return "no run";
    };
    let begun = run.steps.iter().rfind(|step| step.phase != Phase::Planned);
    begun.map_or("planned", |step| step.phase.name())
}

/// Lets nixmig end what was begun, at a version. A step that failed, by the death of its script or by having been killed three
/// times, waits for somebody to say that it may be tried again: how often that was said.
fn settle(demeter: &Demeter, goal: u32) -> u32 {
    let mut resumed = 0;
    loop {
        let output = demeter.migrate(goal).output().unwrap();
        let blocked = demeter.recorded().block.is_some();
        if blocked {
            let resume = demeter
                .nixmig("resume")
                .args(["postgresql", "--retry"])
                .output()
                .unwrap();
            assert!(resume.status.success(), "{}{}", told(&output), told(&resume));
            resumed += 1;
        }
        if output.status.success() {
            return resumed;
        }
        assert!(blocked && resumed < 3, "{}", told(&output));
    }
}

#[test]
fn whatever_is_killed_whenever_no_row_is_lost() {
    let rounds: u32 = setting("NIXMIG_SOAK_ROUNDS", 5);
    let mut dice = Dice(setting("NIXMIG_SOAK_SEED", 0x9e37_79b9_7f4a_7c15));
    let Some(demeter) = Demeter::new("soak") else {
        return;
    };
    demeter.cluster(15, &["make"]);
    demeter.cluster(15, &["bench", "1"]);
    demeter.arrive(15);

    let mut tally: BTreeMap<(Victim, &str), u32> = BTreeMap::new();
    let (mut at, mut spared, mut resumed) = (15, 0, 0);
    // How long the way to a version takes, of those that were not killed.
    let mut lasts = BTreeMap::from([(15, Duration::from_secs(8)), (17, Duration::from_secs(8))]);
    let begun = Instant::now();
    for round in 1..=rounds {
        demeter.cluster(at, &["work", "20"]);
        let content = demeter.cluster(at, &["content"]);

        let target = if at == 15 { 17 } else { 15 };
        let began = Instant::now();
        let mut nixmig = demeter
            .migrate(target)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let moment =
            Duration::from_millis(dice.below(u64::try_from(lasts[&target].as_millis()).unwrap().max(1)));
        while began.elapsed() < moment && nixmig.try_wait().unwrap().is_none() {
            sleep(Duration::from_millis(2));
        }
        let wanted = [Victim::Nixmig, Victim::Script, Victim::Both][usize::try_from(dice.below(3)).unwrap()];
        let phase = phase(&demeter);
        let struck = strike(&mut nixmig, wanted);
        let status = nixmig.wait().unwrap();
        if let Some(victim) = struck {
            *tally.entry((victim, phase)).or_default() += 1;
        } else {
            assert!(status.success(), "round {round}: {status}");
            spared += 1;
            lasts.insert(target, began.elapsed());
        }

        let goal = if dice.below(2) == 0 { target } else { at };
        let settling = Instant::now();
        resumed += settle(&demeter, goal);
        assert_eq!(demeter.clusters(), [goal], "round {round}");
        assert_eq!(demeter.cluster(goal, &["content"]), content, "round {round}");
        println!(
            "{round:4}  {at} -> {target}  {:8}  after {:5.2} s  {phase:16}  settled at {goal} in {:5.2} s",
            struck.map_or("spared".to_owned(), |victim| format!("{victim:?}").to_lowercase()),
            moment.as_secs_f64(),
            settling.elapsed().as_secs_f64(),
        );
        at = goal;
    }

    let mut summary = String::new();
    for ((victim, phase), count) in &tally {
        writeln!(
            summary,
            "  {count:5}  {} in {phase}",
            format!("{victim:?}").to_lowercase()
        )
        .unwrap();
    }
    let kills: u32 = tally.values().sum();
    println!(
        "{rounds} rounds in {:.0} s: {kills} kills, {spared} too late, {resumed} steps tried again, no row lost\n{summary}",
        begun.elapsed().as_secs_f64(),
    );
}
