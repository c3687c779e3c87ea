//! Owns what nixmig asks of systemd, in the words of [`Units`] and [`Chain`]. What systemd says is a hint: who asks decides by the
//! record, by locks and by control groups.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::connection::{CallError, Connection};
use super::transient;
use super::value::Value;
use crate::execute::chain::{Chain, Links, prefix};
use crate::execute::follow;
use crate::execute::units::{UnitState, Units, UnitsError};
use crate::model::{RunId, ServiceName, UnitName};

/// What is there where systemd runs the machine: sd_booted(3).
const BOOTED: &str = "/run/systemd/system";

/// What stands in the name of a script's unit between its step's and the numbers of the process and the script.
pub(super) const SCRIPT: &str = "-script-";

/// How long systemd may be away: it closes its socket while it executes itself again.
const AWAY: Duration = Duration::from_secs(30);

/// How long is slept between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// What a unit has those units as that an ordinary stop of it stops: by `Requires=` on it, `BindsTo=`, `PartOf=` and
/// `StopPropagatedFrom=`.
const STOPPED_ALONG: [&str; 4] = ["RequiredBy", "BoundBy", "ConsistsOf", "PropagatesStopTo"];

/// How a process ended that a signal ended, without and with a core dump (CLD_KILLED and CLD_DUMPED of waitid(2)).
const KILLED: i32 = 2;
const DUMPED: i32 = 3;

const NO_SUCH_UNIT: &str = "org.freedesktop.systemd1.NoSuchUnit";
const UNIT_EXISTS: &str = "org.freedesktop.systemd1.UnitExists";

/// Whether systemd runs this machine.
pub fn booted() -> bool {
    std::fs::symlink_metadata(BOOTED).is_ok_and(|metadata| metadata.is_dir())
}

/// systemd, as PID 1 of this machine.
#[derive(Debug)]
pub struct Manager {
    connection: Mutex<Option<Connection>>,
    program: PathBuf,
    /// The last unit of the chain that was handed over here.
    last: Mutex<Option<String>>,
}

impl Manager {
    /// systemd of this machine; `program` runs steps. None where the machine has no systemd. Nobody is asked yet.
    pub fn new(program: &Path) -> Option<Self> {
        booted().then(|| Self {
            connection: Mutex::default(),
            program: program.to_owned(),
            last: Mutex::default(),
        })
    }

    fn connection(&self) -> MutexGuard<'_, Option<Connection>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks once, by the connection there is or a new one.
    fn once<T>(&self, ask: impl FnOnce(&mut Connection) -> Result<T, CallError>) -> Result<T, CallError> {
        let mut connection = self.connection();
        let open = match connection.as_mut() {
            Some(open) => open,
            None => connection.insert(Connection::open()?),
        };
        let answer = ask(open);
        if matches!(answer, Err(CallError::Lost(_))) {
            *connection = None;
        }
        answer
    }

    /// Asks what may be asked any number of times, until there is an answer or systemd has been away for too long.
    fn ask<T>(
        &self,
        doing: &str,
        ask: impl Fn(&mut Connection) -> Result<T, CallError>,
    ) -> Result<T, UnitsError> {
        let begun = Instant::now();
        loop {
            match self.once(&ask) {
                Ok(answer) => return Ok(answer),
                Err(CallError::Refused { name, message }) => return Err(refused(doing, name, message)),
                Err(CallError::Lost(error)) if is_final(&error) || begun.elapsed() > AWAY => {
                    return Err(UnitsError::Silent(error));
                }
                Err(CallError::Lost(_)) => thread::sleep(PAUSE),
            }
        }
    }

    fn call(&self, doing: &str, member: &str, arguments: &[Value]) -> Result<Vec<Value>, UnitsError> {
        self.ask(doing, |connection| connection.manager(member, arguments))
    }

    /// The units that are loaded and have such names: each with its state and whether it has a job.
    fn list(&self, pattern: &str) -> Result<Vec<Listed>, UnitsError> {
        // In a pattern a backslash makes plain what comes after it.
        let pattern = pattern.replace('\\', "\\\\");
        let arguments = [Value::texts(None::<String>), Value::texts([pattern])];
        let answer = self.call("list units", "ListUnitsByPatterns", &arguments)?;
        let units = answer.first().map(Value::parts).unwrap_or_default();
        // a(ssssssouso): name, description, load, active, sub, following, path, job's id, its type, its path.
        let listed = |unit: &Value| match unit.parts() {
            [
                Value::Text(name),
                _,
                _,
                Value::Text(active),
                _,
                _,
                _,
                Value::Int(job),
                ..,
            ] => Some(Listed {
                name: name.clone(),
                active: active.clone(),
                job: *job != 0,
            }),
            _ => None,
        };
        let listed: Option<_> = units.iter().map(listed).collect();
        listed.ok_or_else(|| UnitsError::Garbled("a list of units".to_owned()))
    }

    /// Forgets that a unit failed. One that is not loaded has nothing to forget.
    pub(super) fn reset_failed(&self, unit: &str) -> Result<(), UnitsError> {
        let doing = format!("reset {unit}");
        match self.call(&doing, "ResetFailedUnit", &[text(unit)]) {
            Err(UnitsError::Refused { name, .. }) if name == NO_SUCH_UNIT => Ok(()),
            answer => answer.map(drop),
        }
    }

    fn start_one(&self, unit: &UnitName) -> Result<(), UnitsError> {
        self.reset_failed(unit.as_str())?;
        let doing = format!("start {unit}");
        self.call(&doing, "StartUnit", &[text(unit.as_str()), text("replace")])
            .map(drop)
    }

    /// Stops a unit and all that need it, without waiting for that.
    pub(super) fn call_off(&self, unit: &UnitName) -> Result<(), UnitsError> {
        let doing = format!("stop {unit}");
        self.call(&doing, "StopUnit", &[text(unit.as_str()), text("replace")])
            .map(drop)
    }

    /// Forgets the scripts of a step that failed when nobody was there any more to see that.
    pub(super) fn forget_scripts(&self, step: &str) -> Result<(), UnitsError> {
        for unit in self.list(&format!("{step}{SCRIPT}*.service"))? {
            if unit.active == "failed" {
                self.reset_failed(&unit.name)?;
            }
        }
        Ok(())
    }

    /// Waits until something ends that systemd works on, and no longer than that.
    fn pause(&self, longest: Duration) -> Vec<super::connection::JobEnded> {
        let heard = self.once(|connection| Ok(connection.jobs_ended(longest)?));
        heard.unwrap_or_else(|_| {
            // Whoever asks next connects again.
            thread::sleep(longest.min(PAUSE));
            Vec::new()
        })
    }
}

/// A unit of a list.
struct Listed {
    name: String,
    active: String,
    job: bool,
}

impl Units for Manager {
    fn state(&self, unit: &UnitName) -> Result<UnitState, UnitsError> {
        let doing = format!("load {unit}");
        let path = self.call(&doing, "LoadUnit", &[text(unit.as_str())])?;
        let path = path.first().and_then(Value::as_text);
        let path = path.ok_or_else(|| UnitsError::Garbled(format!("the path of {unit}")))?;
        let general = self.ask(&doing, |connection| {
            connection.properties(path, "org.freedesktop.systemd1.Unit")
        })?;
        let general = dictionary(&general);
        let own = match interface(unit) {
            Some(interface) => self.ask(&doing, |connection| connection.properties(path, &interface))?,
            None => Vec::new(),
        };
        let own = dictionary(&own);
        let word = |name: &str| general.get(name).and_then(|value| value.as_text());
        let words = |name: &str| word(name).unwrap_or_default().to_owned();
        let number = |name: &str| match own.get(name) {
            Some(Value::Int(number)) => i32::try_from(*number).ok(),
            _ => None,
        };
        let job = general.get("Job").is_some_and(|job| {
            // (uo): 0 is none.
            !matches!(job.parts().first(), Some(Value::Int(0)) | None)
        });
        // a(sasbttttuii): the program, and all of its words.
        let command = own.get("ExecStart").and_then(|list| list.parts().first());
        let command = command.and_then(|command| command.parts().get(1));
        let command = command.map(Value::parts).unwrap_or_default().iter();
        let names = |property: &str| -> BTreeSet<UnitName> {
            let list = general.get(property).map(|list| list.parts());
            let names = list.unwrap_or_default().iter().filter_map(Value::as_text);
            names.filter_map(|name| name.parse().ok()).collect()
        };
        Ok(UnitState {
            load: words("LoadState"),
            active: words("ActiveState"),
            sub: words("SubState"),
            result: own
                .get("Result")
                .and_then(|value| value.as_text())
                .unwrap_or_default()
                .to_owned(),
            signal: number("ExecMainStatus")
                .filter(|_| matches!(number("ExecMainCode"), Some(KILLED | DUMPED))),
            job,
            fragment: word("FragmentPath")
                .filter(|path| !path.is_empty())
                .map(PathBuf::from),
            command: command.filter_map(Value::as_text).map(str::to_owned).collect(),
            triggered_by: names("TriggeredBy"),
            needed_by: STOPPED_ALONG.into_iter().flat_map(names).collect(),
        })
    }

    fn instances(&self, template: &UnitName) -> Result<Vec<UnitName>, UnitsError> {
        let Some((stem, suffix)) = template.as_str().split_once("@.") else {
            return Ok(Vec::new());
        };
        let units = self.list(&format!("{stem}@*.{suffix}"))?;
        let units = units.iter().filter_map(|unit| unit.name.parse::<UnitName>().ok());
        let mut instances: Vec<_> = units
            .filter(|unit| unit.template().as_ref() == Some(template))
            .collect();
        instances.sort();
        Ok(instances)
    }

    fn stop(&self, units: &BTreeSet<UnitName>) -> Result<(), UnitsError> {
        let mut waiting = Vec::new();
        for unit in units {
            let state = self.state(unit)?;
            // A start that is queued is called off.
            if state.is_up() || state.job {
                let arguments = [text(unit.as_str()), text("ignore-dependencies")];
                self.call(&format!("stop {unit}"), "StopUnit", &arguments)?;
                waiting.push(unit);
            }
        }
        while let Some(unit) = waiting.last() {
            let state = self.state(unit)?;
            if !state.is_up() {
                waiting.pop();
            } else if state.job || state.active == "deactivating" {
                self.pause(PAUSE);
            } else {
                return Err(UnitsError::StillUp {
                    unit: (*unit).clone(),
                    active: state.active,
                    sub: state.sub,
                });
            }
        }
        Ok(())
    }

    fn start(&self, units: &BTreeSet<UnitName>) -> Result<(), UnitsError> {
        for unit in units {
            let mut failed = Vec::new();
            for trigger in self.state(unit)?.triggered_by {
                if self.state(&trigger)?.active == "failed" {
                    failed.push(trigger);
                }
            }
            self.start_one(unit)?;
            for trigger in failed {
                self.start_one(&trigger)?;
            }
        }
        Ok(())
    }

    fn reload(&self) -> Result<(), UnitsError> {
        self.call("read its units again", "Reload", &[]).map(drop)
    }
}

impl Chain for Manager {
    fn submit(&self, links: &Links) -> Result<(), UnitsError> {
        let arguments = transient::chain(&self.program, links)?;
        let all = format!("migrate-{}-*.service", links.service);
        // Of a run before this one, or of this one before it was interrupted.
        for unit in self.list(&all)? {
            if unit.active == "failed" && is_own(&unit.name, &links.service) {
                self.reset_failed(&unit.name)?;
            }
        }
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) =
            links.steps.last().map(|last| links.unit(last));
        let begun = Instant::now();
        loop {
            let answer = self.once(|connection| connection.manager("StartTransientUnit", &arguments));
            let error = match answer {
                Ok(_) => return Ok(()),
                // Another handed the same steps over, or this one did and the answer was lost.
                Err(CallError::Refused { name, .. }) if name == UNIT_EXISTS => {
                    match self.lives(&links.service, &links.run)? {
                        true => return Ok(()),
                        false => UnitsError::Garbled("steps of the run are there and do not run".to_owned()),
                    }
                }
                Err(CallError::Refused { name, message }) => {
                    refused("take the steps of the run", name, message)
                }
                Err(CallError::Lost(error)) => UnitsError::Silent(error),
            };
            let again = matches!(&error, UnitsError::Silent(error) if !is_final(error));
            if !again || begun.elapsed() > AWAY {
                return Err(error);
            }
            thread::sleep(PAUSE);
        }
    }

    fn lives(&self, service: &ServiceName, run: &RunId) -> Result<bool, UnitsError> {
        let units = self.list(&format!("{}*.service", prefix(service, run)))?;
        let lives = |unit: &Listed| unit.job || !matches!(unit.active.as_str(), "inactive" | "failed");
        Ok(units.iter().any(lives))
    }

    fn sleep(&self, service: &ServiceName, run: &RunId, longest: Duration) -> bool {
        let prefix = prefix(service, run);
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let deadline = Instant::now() + longest;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let ended = self.pause(left);
            // A step that is followed by another changes nothing.
            let counts = ended.iter().any(|job| {
                job.unit.starts_with(&prefix) && (job.result != "done" || Some(&job.unit) == last.as_ref())
            });
            if counts {
                return true;
            }
        }
    }

    fn told_in(&self) -> &Path {
        Path::new(follow::DIRECTORY)
    }
}

/// Whether a unit is a step of some run of a service or a script of one, and of no service whose name begins like that.
fn is_own(unit: &str, service: &ServiceName) -> bool {
    let rest = unit
        .strip_prefix("migrate-")
        .and_then(|rest| rest.strip_prefix(service.as_str()));
    let rest = rest.and_then(|rest| rest.strip_prefix('-')?.strip_suffix(".service"));
    let Some((run, number)) = rest.and_then(|rest| rest.split_once('-')) else {
        return false;
    };
    let (number, of) = number.split_once(SCRIPT).unwrap_or((number, "0-0"));
    let numbers = || of.split('-').chain([number]);
    run.parse::<RunId>().is_ok() && numbers().count() == 3 && numbers().all(|one| one.parse::<u32>().is_ok())
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn refused(doing: &str, name: String, message: String) -> UnitsError {
    UnitsError::Refused {
        doing: doing.to_owned(),
        name,
        message,
    }
}

/// Whether it will not be otherwise in a moment.
fn is_final(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::InvalidData
            | io::ErrorKind::WouldBlock
            | io::ErrorKind::TimedOut
    )
}

/// The interface of what only units of its type have, where those have a `Result`.
fn interface(unit: &UnitName) -> Option<String> {
    let (_, suffix) = unit.as_str().rsplit_once('.')?;
    let known = [
        "service",
        "socket",
        "timer",
        "path",
        "mount",
        "automount",
        "swap",
        "scope",
    ];
    let mut letters = known.into_iter().find(|known| *known == suffix)?.chars();
    let first = letters.next()?.to_ascii_uppercase();
    Some(format!("org.freedesktop.systemd1.{first}{}", letters.as_str()))
}

/// `a{sv}` as a map.
fn dictionary(answer: &[Value]) -> BTreeMap<&str, &Value> {
    let entries = answer.first().map(Value::parts).unwrap_or_default();
    entries
        .iter()
        .filter_map(|one| match one.parts() {
            [Value::Text(name), value] => Some((name.as_str(), value.inner())),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_told_from_units_of_services_with_longer_names() {
        let service: ServiceName = "a".parse().unwrap();
        for own in ["12", "1-script-4711-0"] {
            assert!(is_own(
                &format!("migrate-a-0123456789abcdef-{own}.service"),
                &service
            ));
        }
        for other in [
            "migrate-a.service",
            "migrate-ab-0123456789abcdef-1.service",
            "migrate-a-b-0123456789abcdef-1.service",
            "migrate-a-0123456789abcdef-x.service",
            "migrate-a-0123456789abcdef-1.timer",
            "migrate-a-0123456789abcdef-1-script-1.service",
            "migrate-a-0123456789abcdef-1-script-x-0.service",
        ] {
            assert!(!is_own(other, &service), "{other}");
        }
    }

    #[test]
    fn units_have_interfaces_of_their_types() {
        let interface = |unit: &str| interface(&unit.parse().unwrap());
        assert_eq!(
            interface("a.b@c.service").as_deref(),
            Some("org.freedesktop.systemd1.Service")
        );
        assert_eq!(interface("a.target"), None);
    }
}
