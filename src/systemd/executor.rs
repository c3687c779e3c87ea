//! Owns running scripts as units of systemd, where their definition has settings that only systemd follows (systemd.exec(5)); the
//! others are children of nixmig, as everywhere.
//!
//! A script's unit is bound to the unit of its step and ends with it; one that brings state back is not, and comes to its end
//! whatever becomes of nixmig. Its name begins as those of its run do: who waits for the run waits for it, too.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::manager::{Manager, SCRIPT};
use super::transient::BUS;
use crate::execute::privileges::{Account, AccountError};
use crate::execute::units::{UnitState, Units as _, UnitsError};
use crate::execute::{DirectExecutor, Ended, ExecuteError, Executor, ScriptJob, check};
use crate::generation::gate::Gate;
use crate::model::UnitName;
use crate::process::ProcessError;
use crate::record::Outcome;

/// How long nixmig may not yet have heard that it is told to end, when systemd has ended its script for that.
const RUMOUR: Duration = Duration::from_secs(5);

/// How long is slept between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// The settings after which a script may not reach what it has to write to.
const FENCES: [&str; 4] = [
    "ProtectSystem",
    "ReadOnlyPaths",
    "InaccessiblePaths",
    "ProtectHome",
];

/// Runs scripts as their definition wants: as children of nixmig, or as units.
#[derive(Debug)]
pub struct SystemdExecutor {
    direct: DirectExecutor,
    systemd: Option<Manager>,
    step: Option<UnitName>,
    runs: AtomicU32,
}

impl SystemdExecutor {
    /// With no systemd, it knows what the direct one does.
    pub fn new(direct: DirectExecutor, systemd: Option<Manager>) -> Self {
        Self {
            direct,
            systemd,
            step: None,
            runs: AtomicU32::new(0),
        }
    }

    /// The same for a nixmig that is the process of this unit, a step's: scripts end with it.
    pub fn bound_to(self, step: Option<UnitName>) -> Self {
        Self { step, ..self }
    }

    /// Has systemd stop the unit that this is the process of, and waits until it is told to end: a unit that has nothing to do does
    /// not fail for that, and those that wait for it are called off. Whether that came about.
    ///
    /// # Errors
    ///
    /// Fails where systemd does not do it.
    pub fn withdraw(&self) -> Result<bool, UnitsError> {
        // systemd.exec(5): which process systemd started, for who may have its environment only.
        let started = std::env::var("SYSTEMD_EXEC_PID").ok();
        let is_own = started.and_then(|pid| pid.parse().ok()) == Some(std::process::id());
        let (Some(systemd), Some(step), true) = (&self.systemd, &self.step, is_own) else {
            return Ok(false);
        };
        systemd.call_off(step)?;
        let begun = Instant::now();
        while self.stopped().is_none() && begun.elapsed() < RUMOUR {
            thread::sleep(PAUSE);
        }
        Ok(self.stopped().is_some())
    }

    /// Whether systemd is ending the unit that this is the process of.
    fn is_being_stopped(&self, systemd: &Manager) -> bool {
        let state = self.step.as_ref().and_then(|step| systemd.state(step).ok());
        state.is_some_and(|state| state.active == "deactivating")
    }

    /// Waits until the unit of a script is not up any more, and has systemd forget it; how it was then. One that brings state back
    /// comes to its end by itself; another is ended where nixmig is told to end.
    fn outlive(
        &self,
        systemd: &Manager,
        job: &ScriptJob<'_>,
        unit: &UnitName,
    ) -> Result<UnitState, UnitsError> {
        let mut state = systemd.state(unit)?;
        while state.is_up() || state.job {
            if !job.shielded && (self.stopped().is_some() || self.is_being_stopped(systemd)) {
                systemd.stop(&BTreeSet::from([unit.clone()]))?;
            } else {
                thread::sleep(PAUSE);
            }
            state = systemd.state(unit)?;
        }
        if state.active == "failed" {
            systemd.reset_failed(unit.as_str())?;
        }
        Ok(state)
    }

    /// Follows systemd-run to its end, and has systemd end the unit where nixmig is told to end: whoever signalled systemd-run would
    /// end that alone, and nobody would hear the script's last words. Whether it was ended.
    fn follow(
        &self,
        systemd: &Manager,
        job: &ScriptJob<'_>,
        unit: &UnitName,
        program: &OsStr,
        line: &mut dyn FnMut(&str),
    ) -> (Result<Ended, ExecuteError>, bool) {
        if job.shielded || self.stopped().is_some() {
            let arguments = self.arguments(job, unit);
            let ended = self
                .direct
                .follow(job, program, &arguments, &BTreeMap::new(), line);
            return (ended, false);
        }
        let (over, told) = (AtomicBool::new(false), AtomicBool::new(false));
        let ended = thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    thread::sleep(PAUSE);
                    // It may not be there yet, or not any more.
                    let is_up = || systemd.state(unit).is_ok_and(|state| state.is_up());
                    if self.stopped().is_some() && is_up() {
                        told.store(true, Ordering::Relaxed);
                        // What cannot be stopped now is looked at again.
                        let _ = systemd.stop(&BTreeSet::from([unit.clone()]));
                    }
                }
            });
            let apart = ScriptJob {
                shielded: true,
                ..*job
            };
            let arguments = self.arguments(job, unit);
            let ended = self
                .direct
                .follow(&apart, program, &arguments, &BTreeMap::new(), line);
            over.store(true, Ordering::Relaxed);
            ended
        });
        (ended, told.into_inner())
    }

    fn arguments(&self, job: &ScriptJob<'_>, unit: &UnitName) -> Vec<OsString> {
        // For a oneshot only exit 0 is success: systemd takes other services that TERM, HUP, INT or PIPE ended for ended well. It
        // is not collected: systemd-run says 0 when the bus goes away while it runs, and then its unit alone tells that it failed.
        let mut words: Vec<String> = ["--quiet", "--pipe", "--wait", "--service-type=oneshot"]
            .map(str::to_owned)
            .to_vec();
        words.push(format!("--unit={unit}"));
        words.push(format!("--description=Script of a migration: {}", job.script));
        let mut set = |name: &str, value: &str| words.push(format!("--property={name}={value}"));
        set("WorkingDirectory", "/");
        set("UMask", "0022");
        set("IgnoreSIGPIPE", "no");
        set("TimeoutStartSec", "infinity");
        // What it leaves behind is killed when it has ended; else one that ignores its end would hold it up, and fail it.
        set("KillMode", "mixed");
        // A shutdown ends the step, which ends its script or waits for it.
        set("DefaultDependencies", "no");
        // systemd-run asks there how it ended.
        set("After", &BUS.join(" "));
        match (&self.step, job.shielded) {
            (Some(step), false) => set("BindsTo", step.as_str()),
            (_, true) => set("IgnoreOnIsolate", "yes"),
            (None, false) => {}
        }
        for (name, value) in job.account.settings() {
            set(name, value);
        }
        let fenced = job
            .account
            .settings()
            .iter()
            .any(|(name, _)| FENCES.contains(&name.as_str()));
        if fenced {
            let own = ["BACKUP", "STATE_DIRECTORIES"].map(|name| job.environment.get(name));
            for path in own.into_iter().flatten().flat_map(|text| text.lines()) {
                set("ReadWritePaths", &format!("-{path}"));
            }
        }
        if !job.environment.contains_key("PATH") {
            set("UnsetEnvironment", "PATH");
        }
        for (name, value) in job.environment {
            words.push(format!("--setenv={name}={value}"));
        }
        words.extend(["--".to_owned(), job.script.to_owned()]);
        words.into_iter().map(OsString::from).collect()
    }
}

impl Executor for SystemdExecutor {
    fn account(&self, gate: &Gate) -> Result<Account, AccountError> {
        match &self.systemd {
            Some(_) => Account::by_systemd(&gate.service_config),
            None => self.direct.account(gate),
        }
    }

    fn run(&self, job: &ScriptJob<'_>, line: &mut dyn FnMut(&str)) -> Result<Ended, ExecuteError> {
        let Some(systemd) = self
            .systemd
            .as_ref()
            .filter(|_| !job.account.settings().is_empty())
        else {
            return self.direct.run(job, line);
        };
        check(job.script, job.store)?;
        let not_run = |problem| ExecuteError::NotRun {
            script: job.script.to_owned(),
            problem,
        };
        let program = program().map_err(|error| not_run(ProcessError::Io(error)))?;
        let number = self.runs.fetch_add(1, Ordering::Relaxed);
        let own = format!("migrate-detect-{}-{number}.service", std::process::id());
        let unit = match job.unit {
            Some(run) => format!("{run}{SCRIPT}{}-{number}.service", std::process::id()),
            None => own,
        };
        let unit: UnitName = unit
            .parse()
            .map_err(|error| not_run(ProcessError::Io(std::io::Error::other(error))))?;
        if let Some(step) = job.unit {
            // It costs nothing where it stays.
            let _ = systemd.forget_scripts(step);
        }
        let (ended, told) = self.follow(systemd, job, &unit, program.as_os_str(), line);
        // The program that waited for it may be gone while it is not.
        let Ok(state) = self.outlive(systemd, job, &unit) else {
            return Err(ExecuteError::StillRunning {
                script: job.script.to_owned(),
            });
        };
        let mut ended = ended?;
        if told {
            ended.outcome = Outcome::Interrupted;
        } else if let (Outcome::Exited(_), Some(signal)) = (&ended.outcome, state.signal) {
            // systemd-run has one number for all signals.
            ended.outcome = Outcome::Signalled(signal);
        } else if ended.outcome.is_good() && state.active == "failed" {
            ended.outcome = Outcome::Error(format!("its unit failed: {}", state.result));
        }
        if !ended.outcome.is_good() && !job.shielded && self.is_being_stopped(systemd) {
            let begun = Instant::now();
            while self.stopped().is_none() && begun.elapsed() < RUMOUR {
                thread::sleep(PAUSE);
            }
            ended.outcome = Outcome::Interrupted;
        }
        Ok(ended)
    }

    fn stopped(&self) -> Option<i32> {
        self.direct.stopped()
    }
}

/// `systemd-run` of the systemd that runs: `PREFIX/bin` beside `PREFIX/lib/systemd/systemd`.
fn program() -> std::io::Result<PathBuf> {
    let systemd = std::fs::read_link("/proc/1/exe")?;
    let prefix = systemd.ancestors().nth(3);
    let program = prefix.map(|prefix| prefix.join("bin").join(OsStr::new("systemd-run")));
    match program.filter(|program| program.is_file()) {
        Some(program) => Ok(program),
        None => Err(std::io::Error::other(format!(
            "there is no systemd-run beside {}",
            systemd.display()
        ))),
    }
}
