//! What the tests of the engine share: a machine with a store, a state directory, and generations whose scripts are real.

#![allow(
    clippy::redundant_closure_for_method_calls,
    reason = "the method is not for every lifetime of an engine, the closure is"
)]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::execute::chain::Chain as _;
use crate::model::{
    Block, Definition, Digester, History, Part, Phase, Recorded, ServiceName, UnitName, Version,
};
use crate::plan::{Premise, Presence, ServicePlan, plan_service};
use crate::record::stamp;
use crate::record::{Event, Filter, Logged, Place, Record, ServiceLock, View, Wait, history, lock_service};
use crate::systemd::{Manager, SystemdExecutor};

mod apart;
mod dying;
mod failing;
mod moving;
mod properties;
mod resuming;
mod settling;
mod walking;

/// One entry of a history.
#[derive(Clone, Debug)]
struct Entry {
    version: Version,
    cumulative: bool,
    /// Its `backup` and `restore`, in place of nixmig's.
    own: bool,
    /// Whether it has scripts at all.
    scripts: bool,
    down: bool,
    warn: bool,
    /// Further words of its scripts: another definition.
    words: String,
}

fn entry(day: u8) -> Entry {
    Entry {
        version: version(day),
        cumulative: false,
        own: false,
        scripts: true,
        down: true,
        warn: false,
        words: String::new(),
    }
}

fn version(day: u8) -> Version {
    format!("2024-01-{day:02}").parse().unwrap()
}

fn versions(days: &[u8]) -> Vec<Version> {
    days.iter().map(|&day| version(day)).collect()
}

/// The scripts: what is applied is what a file of the state says, a line each.
const UP: &str = "echo \"$MIGRATION_VERSION\" >> \"$state/applied\"\n";
const DOWN: &str = "grep -vx \"$MIGRATION_VERSION\" \"$state/applied\" > \"$state/new\" || true\nmv \"$state/new\" \"$state/applied\"\n";
const BACKUP: &str = "cp -a \"$state/applied\" \"$BACKUP/\"\n";
const RESTORE: &str =
    "cp -a \"$BACKUP/applied\" \"$state/applied.back\"\nmv \"$state/applied.back\" \"$state/applied\"\n";

struct Machine {
    root: PathBuf,
    _guard: Option<tempfile::TempDir>,
    place: Place,
    service: ServiceName,
    stored: AtomicUsize,
    /// Whether the service declares its state directories, and nixmig can back them up.
    declares: bool,
    grace: Duration,
}

/// A generation, as far as the engine sees it.
struct Generation {
    toplevel: String,
    known: Option<Known>,
}

/// Hears everything, and dies where it is told to.
struct Ears {
    heard: Mutex<Vec<String>>,
    dies_at: usize,
}

impl Ears {
    fn new(dies_at: usize) -> Self {
        Self {
            heard: Mutex::default(),
            dies_at,
        }
    }
}

impl Progress for Ears {
    fn event(&self, event: &ProgressEvent<'_>) {
        let heard = match &event.happening {
            Happening::Run { again, .. } => format!("run{}", if *again { " again" } else { "" }),
            Happening::Begun { part } => format!("{part}?"),
            Happening::Copied { .. } => return,
            Happening::Line { text } => format!("| {text}"),
            Happening::Ended { part, outcome, .. } => format!("{part}: {outcome}"),
            Happening::Finished => "finished".to_owned(),
            Happening::Restored => "restored".to_owned(),
            Happening::Note { text } if text.starts_with("Whether units") => return,
            Happening::Note { text } => format!("({text})"),
        };
        let mut all = self.heard.lock().unwrap();
        all.push(heard);
        if all.len() == self.dies_at {
            drop(all);
            // As if nixmig had been killed: nothing after this is done.
            std::panic::resume_unwind(Box::new("killed"));
        }
    }
}

impl Machine {
    fn new() -> Self {
        let root = tempfile::Builder::new()
            .prefix("nixmig-execute-")
            .tempdir_in("/var/tmp")
            .unwrap();
        for directory in ["store", "state", "control", "gcroots"] {
            fs::create_dir(root.path().join(directory)).unwrap();
        }
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(root.path().join("state/applied"), "").unwrap();
        let root_path = root.path().to_owned();
        Self {
            _guard: Some(root),
            ..Self::there(root_path)
        }
    }

    /// The one that another process made.
    fn there(root: PathBuf) -> Self {
        Self {
            place: Place {
                state_dir: root.join("nixmig"),
                gc_roots: root.join("gcroots/nixmig"),
                guards: root.join("guards"),
            },
            root,
            _guard: None,
            service: "db".parse().unwrap(),
            stored: AtomicUsize::new(0),
            declares: true,
            grace: Duration::from_secs(5),
        }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn state(&self) -> PathBuf {
        self.at("state")
    }

    /// What the state is really on.
    fn really(&self) -> Vec<Version> {
        let text = fs::read_to_string(self.state().join("applied")).unwrap_or_default();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }

    /// Makes a script do something at its end.
    fn hook(&self, what: &str, shell: &str) {
        fs::write(self.at("control").join(what), shell).unwrap();
    }

    fn unhook(&self, what: &str) {
        fs::remove_file(self.at("control").join(what)).unwrap();
    }

    fn store(&self, name: &str) -> String {
        let number = self.stored.fetch_add(1, Ordering::Relaxed);
        format!("{}/{number:032}-{name}", self.at("store").display())
    }

    fn script(&self, name: &str, part: &str, body: &str) -> String {
        let path = self.store(name);
        let control = self.at("control");
        let text = format!(
            "#!/bin/sh\nset -eu\nstate={}\n{body}\nhook={}/$MIGRATION_VERSION-$MIGRATION_DIRECTION-{part}\n\
             if [ -e \"$hook\" ]; then . \"$hook\"; fi\n",
            self.state().display(),
            control.display(),
        );
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o555)).unwrap();
        path
    }

    /// A generation with this history; none is one that does not know the service.
    fn generation(&self, history: Option<&[Entry]>) -> Generation {
        let toplevel = self.store("nixos-system");
        let known = history.map(|history| {
            let unit = format!("{}/migrate-db.service", self.store("unit-migrate-db.service"));
            let text = self.unit(history);
            let definition = Definition {
                unit: unit.clone(),
                text,
                generation: toplevel.clone(),
            };
            fs::create_dir_all(Path::new(&unit).parent().unwrap()).unwrap();
            fs::write(&unit, &definition.text).unwrap();
            fs::create_dir_all(&toplevel).unwrap();
            Known::read(&self.service, definition).unwrap()
        });
        Generation { toplevel, known }
    }

    fn unit(&self, history: &[Entry]) -> String {
        let package = self.store("db-1");
        fs::create_dir_all(&package).unwrap();
        let mut text = format!(
            "[Unit]\nX-Migration-Format=1\nX-Migration-Service=db\nX-Migration-Units=db.service\n\
             X-Migration-Package={package}\nX-Migration-Path=[\"/usr\"]\n"
        );
        // Without any settings, systemd has no part in it.
        let settings = if by_systemd() {
            "\"OOMScoreAdjust\":100"
        } else {
            ""
        };
        text += &format!("X-Migration-ServiceConfig={{{settings}}}\n");
        if self.declares {
            text += &format!("X-Migration-StateDirectories=[\"{}\"]\n", self.state().display());
        }
        for entry in history {
            text += &format!("\n[X-Migration {}]\n", entry.version);
            if entry.cumulative {
                text += "Cumulative=yes\n";
            }
            for (direction, body) in [("Up", UP), ("Down", DOWN)] {
                if !entry.scripts || direction == "Down" && !entry.down {
                    if direction == "Up" {
                        text += &format!("UpDigest={}\n", digest(&entry.words));
                        text += "UpWarn=\"nothing\"\n";
                    }
                    continue;
                }
                text += &format!("{direction}Digest={}\n", digest(&entry.words));
                let mut part = |part: &str, body: &str| {
                    let script = self.script(part, part, body);
                    let (first, rest) = part.split_at(1);
                    text += &format!("{direction}{}{rest}={script}\n", first.to_uppercase());
                };
                part("script", body);
                part("verify", "");
                if entry.own {
                    part("backup", BACKUP);
                    part("restore", RESTORE);
                }
                if entry.warn {
                    text += &format!("{direction}Warn=\"it loses something\"\n");
                }
            }
        }
        text
    }

    fn lock(&self) -> ServiceLock {
        let wait = Wait::Until(Duration::from_secs(30));
        lock_service(&self.place, &self.service, wait, &mut |_| {
            std::ops::ControlFlow::Continue(())
        })
        .unwrap()
    }

    /// Does something with an engine of its own, as one call of nixmig would.
    fn with<T>(&self, ears: &dyn Progress, work: impl FnOnce(&mut Engine<'_>) -> T) -> T {
        self.with_executor(&*executor(self.grace), ears, work)
    }

    fn with_executor<T>(
        &self,
        executor: &dyn Executor,
        ears: &dyn Progress,
        work: impl FnOnce(&mut Engine<'_>) -> T,
    ) -> T {
        let mut lock = self.lock();
        let mut record = Record::open(&self.place).unwrap();
        self.wait_for_scripts();
        work(&mut Engine {
            place: &self.place,
            record: &mut record,
            lock: &mut lock,
            service: &self.service,
            executor,
            progress: ears,
            cgroups: &self.at("cgroup"),
        })
    }

    /// Waits as whoever gets the lock does: units of the open run may still be at work, which no lock tells.
    fn wait_for_scripts(&self) {
        let view = by_systemd()
            .then(|| crate::record::look(&self.place).unwrap())
            .flatten();
        let recorded = view.and_then(|view| view.services.get(&self.service).cloned());
        let Some(run) = recorded.and_then(|recorded| recorded.open_run) else {
            return;
        };
        let systemd = Manager::new(Path::new("/bin/false")).unwrap();
        while systemd.lives(&self.service, &run.id).unwrap() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The record knows the service, and nothing is applied.
    fn meet(&self) {
        let nothing = Assumption {
            applied: &[],
            definition: None,
            package: None,
        };
        let met = self.with(&Ears::new(0), |engine| {
            engine.meet(&nothing, &["test".to_owned()], "")
        });
        met.unwrap();
    }

    fn view(&self) -> View {
        crate::record::look(&self.place).unwrap().unwrap()
    }

    fn recorded(&self) -> Recorded {
        self.view().services[&self.service].clone()
    }

    fn log(&self) -> Vec<Logged> {
        history(&self.place, &Filter::default()).unwrap()
    }

    fn plan(&self, to: &Generation) -> ServicePlan {
        let view = self.view();
        let recorded = &view.services[&self.service];
        let past = recorded.definition.clone();
        let past = past.map(|past| Known::read(&self.service, past).unwrap().gate.service);
        let target = to.known.as_ref().map(|known| &known.gate.service);
        let nothing = History::default();
        plan_service(Premise {
            generation: "2",
            name: &self.service,
            presence: Presence::Both,
            applied: recorded.versions(),
            baseline: None,
            past: past.as_ref(),
            target,
            expected: target.map_or(&nothing, |target| &target.history),
            assumed: Vec::new(),
            acknowledged: BTreeSet::new(),
            findings: Vec::new(),
        })
    }

    /// What one `nixmig migrate` does: settle, plan, walk.
    fn migrate(&self, to: &Generation) -> Result<Arrival, WalkError> {
        self.migrate_with(to, &Ears::new(0), &BTreeSet::new())
    }

    fn migrate_with(
        &self,
        to: &Generation,
        ears: &dyn Progress,
        acknowledge: &BTreeSet<Version>,
    ) -> Result<Arrival, WalkError> {
        self.migrate_by(&*executor(self.grace), to, ears, acknowledge)
    }

    fn migrate_by(
        &self,
        executor: &dyn Executor,
        to: &Generation,
        ears: &dyn Progress,
        acknowledge: &BTreeSet<Version>,
    ) -> Result<Arrival, WalkError> {
        self.with_executor(executor, ears, |engine| {
            engine.settle(Some(&to.toplevel))?;
            let plan = self.plan(to);
            let accepted = plan
                .steps
                .iter()
                .filter(|step| acknowledge.contains(&step.version()));
            let accepted = accepted.map(|step| Event::Acknowledged {
                service: self.service.clone(),
                version: step.version(),
                direction: step.direction.into(),
                digest: step.action().digest,
                by: "test".to_owned(),
            });
            engine.record.append(&accepted.collect::<Vec<_>>()).unwrap();
            engine.walk(&Walk {
                generation: &to.toplevel,
                target: to.known.as_ref(),
                applied: &plan.applied,
                steps: &plan.steps,
                previous_package: None,
                new_package: None,
                guarding: Guarding::not_needed(),
            })
        })
    }

    /// The same, killed where so much was heard; none where it came to its end before.
    fn killed(&self, to: &Generation, heard: usize) -> Option<Result<Arrival, WalkError>> {
        let ears = Ears::new(heard);
        let migrate = || self.migrate_with(to, &ears, &BTreeSet::new());
        catch_unwind(AssertUnwindSafe(migrate)).ok()
    }

    /// What was heard of a migration, and how it ended.
    fn heard(&self, to: &Generation) -> (Vec<String>, Result<Arrival, WalkError>) {
        let ears = Ears::new(0);
        let result = self.migrate_with(to, &ears, &BTreeSet::new());
        (ears.heard.into_inner().unwrap(), result)
    }

    /// State and record agree, nothing is open, and no backup is left.
    #[track_caller]
    fn is_on(&self, days: &[u8]) {
        let recorded = self.recorded();
        assert_eq!(recorded.versions(), versions(days), "recorded");
        assert_eq!(self.really(), versions(days), "really");
        assert_eq!(recorded.open_run, None);
        assert_eq!(self.backups(), Vec::<PathBuf>::new());
        for directory in &recorded.stamped {
            let stamp = stamp::read(stamp::open(Path::new(directory)).unwrap())
                .unwrap()
                .unwrap();
            assert_eq!(
                (stamp.record, stamp.sequence),
                (self.view().id, recorded.sequence)
            );
        }
        let undone = recorded.definition.is_some_and(|definition| {
            Known::read(&self.service, definition)
                .unwrap()
                .has_all(&versions(days))
        });
        assert!(undone || days.is_empty(), "its downs are known");
    }

    fn backups(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.place.backups()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

/// Whether systemd is to run the scripts, which needs one that runs: the scenario `executor` has the whole suite run so.
fn by_systemd() -> bool {
    std::env::var("NIXMIG_TEST_EXECUTOR").is_ok_and(|word| word == "systemd")
}

/// Of how many moments at which something may go wrong one is tried: a unit takes ten times as long as a process.
fn stride() -> usize {
    if by_systemd() { 23 } else { 1 }
}

/// Whoever runs the scripts here, as one nixmig has it.
fn executor(grace: Duration) -> Box<dyn Executor> {
    executor_by(DirectExecutor::new().unwrap().with_grace(grace), None)
}

/// The same, of the nixmig that is the process of a unit.
fn executor_by(direct: DirectExecutor, unit: Option<UnitName>) -> Box<dyn Executor> {
    if by_systemd() {
        // No test has it start a step.
        let systemd = Manager::new(Path::new("/bin/false")).unwrap();
        Box::new(SystemdExecutor::new(direct, Some(systemd)).bound_to(unit))
    } else {
        Box::new(direct)
    }
}

fn digest(words: &str) -> String {
    let mut digester = Digester::default();
    digester.add(Part::Script, words);
    digester.finish().unwrap().to_string()
}

fn history_of(days: &[u8]) -> Vec<Entry> {
    days.iter().map(|&day| entry(day)).collect()
}
