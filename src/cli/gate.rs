//! `nixmig gate`: what a gate's unit runs. It brings the state of one service to what the generation that is active expects, or
//! keeps the service's units from starting.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nixmig::execute::units::Units as _;
use nixmig::execute::{Executor as _, Known, Left, Problem, WalkError, detect, occupancy};
use nixmig::generation::closure::{ClosureError, Definitions, definitions};
use nixmig::generation::reference::Closure;
use nixmig::generation::{ReadOptions, read_closure};
use nixmig::machine::Host;
use nixmig::migrate::{Behalf, Ended, Fate, MigrateError, Outcome, Request, keep_back, migrate};
use nixmig::model::{ServiceName, UnitName, Version};
use nixmig::plan::Severity;
use nixmig::record::{Place, Wait};
use nixmig::report::Gated;
use nixmig::systemd::Manager;

use super::args::{Below, Gate, Memory};
use super::change::{as_chain, as_units, executor, place, program, systemd};
use super::diagnostic::Failure;
use super::exit::Exit;
use super::progress::Follower;
use super::{journal, machine, migrate as by_hand, output};

/// How long systemd may take to read its units again after another system was activated: a switch tells it to, a moment later.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long is slept between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Whether there is nothing to do, where the words are those of a gate's unit: nearly every start of a service ends here, before
/// a command line is so much as described. None where they are not, or the machine cannot be looked at.
pub(super) fn is_plain(words: &[OsString]) -> Option<bool> {
    let [_, command, service, versions @ ..] = words else {
        return None;
    };
    let parsed = || -> Option<(ServiceName, BTreeSet<Version>)> {
        let versions = versions.iter().map(|word| word.to_str()?.parse().ok());
        Some((service.to_str()?.parse().ok()?, versions.collect::<Option<_>>()?))
    };
    let (service, versions) = (command == "gate").then(parsed).flatten()?;
    let (memory, below) = (Memory::own(), Below::own());
    // What cannot be looked at is said by the command itself.
    let host = machine::look(below.options(), memory.place(&below), &memory, None);
    Some(passes(&host.ok()?, &service, &versions))
}

/// Whether nothing is to be done, and the generation that is active was so from the beginning to the end of the look: who activates
/// another one asks the gate again.
fn passes(host: &Host<'_>, service: &ServiceName, versions: &BTreeSet<Version>) -> bool {
    let active = host.running();
    host.is_plainly_there(service, versions) && host.running() == active
}

/// Runs a gate; `looked` says that [`is_plain`] found something to do.
pub(super) fn run(args: &Gate, looked: bool) -> Result<Exit, Failure> {
    let place = place(&args.machine)?;
    let options = args.machine.below.options();
    let service = &args.service;
    let versions: BTreeSet<_> = args.versions.iter().copied().collect();
    if !looked {
        let host = machine::look(options.clone(), place.clone(), &args.machine.memory, None)?;
        if passes(&host, service, &versions) {
            return Ok(Exit::Fine);
        }
    }
    let systemd = systemd(&args.machine.memory)?;
    let gate = Slow {
        service,
        memory: &args.machine.memory,
        place: &place,
        options: &options,
        systemd: systemd.as_ref(),
    };
    gate.run(versions)
}

/// What a gate does where there is something to do, or in its way.
pub(super) struct Slow<'a> {
    pub(super) service: &'a ServiceName,
    pub(super) memory: &'a Memory,
    pub(super) place: &'a Place,
    pub(super) options: &'a ReadOptions,
    pub(super) systemd: Option<&'a Manager>,
}

/// How one attempt ended.
pub(super) struct Attempt {
    pub(super) gated: Gated,
    pub(super) exit: Exit,
    /// What told nixmig to end, if something did.
    pub(super) signal: Option<i32>,
}

impl Slow<'_> {
    fn run(&self, versions: BTreeSet<Version>) -> Result<Exit, Failure> {
        let mut versions = versions;
        let attempt = loop {
            let toplevel = active()?;
            let definitions = definitions(&Closure::at(&toplevel), self.options)
                .map_err(|error| Failure::closure(toplevel.as_os_str(), error))?;
            let attempt = match is_of(&definitions, self.service, &versions) {
                true => self.attempt(&definitions)?,
                false => self.refuse(&definitions)?,
            };
            if attempt.signal.is_some() || active()? == toplevel {
                break attempt;
            }
            // Another system was activated meanwhile, and what was done was done for the one before.
            match self.read_again()? {
                Some(now) => versions = now,
                None => break self.refuse(&definitions)?,
            }
        };
        output::complain(&attempt.gated.write());
        journal::about(&attempt.gated.held, &attempt.gated.held_back());
        match attempt.signal {
            Some(signal) => nixmig::process::die_of(signal),
            None => Ok(attempt.exit),
        }
    }

    /// Waits until systemd has read the units of the generation that is active now: what waits for this gate starts as systemd has
    /// read it. The versions that the gate has there; none where it does not come to that.
    fn read_again(&self) -> Result<Option<BTreeSet<Version>>, Failure> {
        let Some(units) = self.systemd else {
            return Ok(None);
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let toplevel = active()?;
            let definitions = definitions(&Closure::at(&toplevel), self.options)
                .map_err(|error| Failure::closure(toplevel.as_os_str(), error))?;
            let Some(wanted) = versions_of(&definitions, self.service) else {
                return Ok(None);
            };
            let read = units.state(&self.service.gate()).ok();
            let read = read.and_then(|state| said_by(&state.command, self.service));
            if read.as_ref() == Some(&wanted) {
                return Ok(Some(wanted));
            }
            if Instant::now() > deadline {
                return Ok(None);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Brings the state to what the generation expects.
    pub(super) fn attempt(&self, definitions: &Definitions) -> Result<Attempt, Failure> {
        let service = self.service;
        let target =
            read_closure(Path::new(&definitions.toplevel), "current", self.options).map_err(|error| {
                Failure::Read {
                    subject: "the generation that is active".to_owned(),
                    error: Box::new(error),
                }
            })?;
        let executor = executor(self.memory)?;
        let progress = Follower::new();
        let ask = |service: &ServiceName, definition: &_, package: Option<&str>| {
            detect(&executor, service, definition, package)
        };
        let look = || {
            Host::look(machine::options(
                self.options.clone(),
                self.place.clone(),
                self.memory,
                None,
                &ask,
            ))
        };
        let program = program()?;
        let request = Request {
            look: &look,
            target: &target,
            definitions,
            read: self.options,
            services: Some(&[service.clone()].into()),
            program: &program,
            executor: &executor,
            progress: &progress,
            cgroups: Path::new(occupancy::CGROUPS),
            chain: as_chain(self.systemd),
            units: as_units(self.systemd),
            behalf: Behalf::Gate,
            unguarded: false,
            wait: Wait::Forever,
            acknowledge: &BTreeSet::new(),
            confirm: &|_, _| false,
            show: &|_, _| {},
        };
        let outcome = match migrate(&request) {
            Err(MigrateError::Overtaken) => return self.refuse(definitions),
            outcome => outcome.map_err(by_hand::failure)?,
        };
        let (gated, exit) = ended(service, &outcome);
        Ok(Attempt {
            gated,
            exit,
            signal: executor.stopped(),
        })
    }

    /// Keeps the units back, and changes nothing else: systemd runs a gate that is not of the generation that is active.
    pub(super) fn refuse(&self, definitions: &Definitions) -> Result<Attempt, Failure> {
        let service = self.service;
        let error = WalkError {
            service: service.clone(),
            what: Box::new(Problem::OtherGeneration),
            left: Left::Untouched,
        };
        let held =
            keep_back(self.place, service, definitions, as_units(self.systemd)).map_err(by_hand::failure)?;
        Ok(Attempt {
            gated: Gated {
                service: service.to_string(),
                reasons: vec![(error.to_string(), error.next())],
                left: Some(error.left.to_string()),
                held: names(&held),
                ..Gated::default()
            },
            exit: Exit::Refused,
            signal: None,
        })
    }
}

/// How one service went, in words, and what the gate ends with.
fn ended(service: &ServiceName, outcome: &Outcome) -> (Gated, Exit) {
    let mut gated = Gated {
        service: service.to_string(),
        ..Gated::default()
    };
    for (_, fate) in outcome.units.iter().filter(|(name, _)| name == service) {
        match fate {
            Fate::Held(units) => gated.held = names(units),
            Fate::Started(units) => gated.started = names(units),
            Fate::Stay(units, why) => gated.stay = Some((names(units), why.clone())),
        }
    }
    let ended = outcome.services.iter().find(|(name, _)| name == service);
    let Some((_, ended)) = ended else {
        return (gated, Exit::Fine);
    };
    let exit = match ended {
        Ended::Arrived(arrival) => {
            gated.arrived = Some(arrival.applied.last().map(Version::to_string));
            return (gated, Exit::Fine);
        }
        Ended::Refused => {
            let plans = outcome.planned.plan.services.iter();
            let findings = plans
                .filter(|plan| plan.name == *service)
                .flat_map(|plan| &plan.findings);
            let refusals = findings.filter(|finding| finding.severity == Severity::Refused);
            gated.reasons = refusals
                .map(|finding| (finding.message.clone(), finding.help.clone()))
                .collect();
            gated.left = Some(Left::Untouched.to_string());
            Exit::Refused
        }
        Ended::Waits(first) => {
            gated.reasons = vec![(
                format!("it goes with {first}, which did not arrive"),
                format!("`nixmig status` says what keeps {first}."),
            )];
            Exit::Refused
        }
        Ended::Failed(error) => {
            gated.reasons = vec![(error.what.to_string(), error.next())];
            gated.left = Some(error.left.to_string());
            match error.is_refusal() {
                true => Exit::Refused,
                false => Exit::Resume,
            }
        }
    };
    (gated, exit)
}

/// Whether a gate that was started for these versions is the one of a generation.
fn is_of(definitions: &Definitions, service: &ServiceName, versions: &BTreeSet<Version>) -> bool {
    versions_of(definitions, service).as_ref() == Some(versions)
}

/// The versions that a service has in a generation; none where it has no gate there.
fn versions_of(definitions: &Definitions, service: &ServiceName) -> Option<BTreeSet<Version>> {
    let definition = definitions.services.get(service)?;
    let known = Known::read(service, definition.clone()).ok()?;
    Some(known.gate.service.history.versions().collect())
}

/// The versions of the command of a gate.
fn said_by(command: &[String], service: &ServiceName) -> Option<BTreeSet<Version>> {
    match command {
        [_, gate, name, versions @ ..] if gate == "gate" && name == service.as_str() => {
            versions.iter().map(|version| version.parse().ok()).collect()
        }
        _ => None,
    }
}

/// The toplevel of the generation that is active.
pub(super) fn active() -> Result<PathBuf, Failure> {
    const LINK: &str = "/run/current-system";
    std::fs::canonicalize(LINK).map_err(|_| {
        let error = ClosureError::NotRunning {
            word: "current",
            link: LINK,
            root: None,
        };
        Failure::closure(OsStr::new("current"), error)
    })
}

fn names(units: &BTreeSet<UnitName>) -> Vec<String> {
    units.iter().map(UnitName::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_of_a_command() {
        let service = "db".parse().unwrap();
        let said = |command: &str| {
            let words: Vec<_> = command.split(' ').map(str::to_owned).collect();
            said_by(&words, &service).map(|versions| versions.len())
        };
        assert_eq!(said("/nixmig gate db"), Some(0));
        assert_eq!(said("/nixmig gate db 2024-01-01 2024-01-01.1"), Some(2));
        for other in ["/nixmig gate web", "/nixmig gate db today", "/bin/true", ""] {
            assert_eq!(said(other), None, "{other}");
        }
    }
}
