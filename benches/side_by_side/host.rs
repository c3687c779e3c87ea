//! Owns the comparison of `nixmig plan` where there is nothing to do: what a gate takes at every start of a service. The record
//! is that of a machine that has been migrated for years.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use nixmig::generation::ReadOptions;
use nixmig::generation::closure::{Definitions, definitions};
use nixmig::generation::gate;
use nixmig::generation::reference::{Closure, Toplevel};
use nixmig::model::{Definition, ServiceName, Version};
use nixmig::record::stamp::{self, Stamp};
use nixmig::record::{
    Event, Outcome as Ended, Place, Record, RunOutcome, StepPart, StepRecord, Way, new_run,
};

use crate::fixtures::Fixtures;
use crate::measure::{Job, in_turns};
use crate::report::{Comparison, Line, number};
use crate::systems::Systems;
use crate::{Outcome, nixmig};

const ROUNDS: usize = 41;

/// How many services there are of each of the fixture's.
const EACH: usize = 4;

/// How often each service has gone down and up again.
const TIMES: usize = 5;

/// A system of a server's size whose services are all on their heads, by the record and by the stamps on their state.
///
/// # Errors
///
/// When one of the programs fails.
pub(crate) fn plans(fixtures: &Fixtures, scratch: &Path) -> Outcome<Vec<Comparison>> {
    let systems = Systems::build(fixtures)?;
    if scratch.exists() {
        std::fs::remove_dir_all(scratch)?;
    }
    let (system, state) = (scratch.join("system"), scratch.join("services"));
    copy(Path::new(&systems.new.toplevel), &system, &state)?;
    let place = Place {
        state_dir: scratch.join("state"),
        gc_roots: scratch.join("gcroots"),
        guards: scratch.join("guards"),
    };
    let closure = Closure {
        toplevel: Toplevel::Path(system.clone()),
        inside: Vec::new(),
    };
    let found = definitions(&closure, &ReadOptions::default())?;
    let services = found.services.len();
    let events = remember(&place, found)?;

    let words = |command: &str| {
        let mut words = vec![nixmig().to_owned(), command.into(), system.clone().into()];
        if command == "plan" {
            words.extend(["--state-dir".into(), place.state_dir.clone().into()]);
            words.extend(["--gc-roots".into(), place.gc_roots.clone().into()]);
            words.extend(["--guards".into(), place.guards.clone().into()]);
        }
        Job::new(words).environment(systems.environment())
    };
    let (plan, show) = (words("plan"), words("show"));
    let [time, least] = in_turns(ROUNDS, [plan.contender(), show.contender()])?;
    Ok(vec![Comparison {
        what: format!(
            "a plan with nothing to do, of {services} services, with a record of {} events",
            number(usize::try_from(events)?)
        ),
        lines: vec![
            Line::of("`nixmig plan`", &time)
                .peak(plan.peak(scratch)?)
                .time_target(&time, Duration::from_millis(5)),
            Line::of("`nixmig show` of the same generation", &least)
                .peak(show.peak(scratch)?)
                .ratio(time.ratio(&least)),
        ],
    }])
}

/// The same system, with more gates, which have their state below a directory.
fn copy(toplevel: &Path, system: &Path, state: &Path) -> Outcome<()> {
    const UNITS: &str = "etc/systemd/system";
    let units = system.join(UNITS);
    std::fs::create_dir_all(&units)?;
    for name in ["etc/os-release", "nixos-version"] {
        if let Ok(file) = std::fs::canonicalize(toplevel.join(name)) {
            std::fs::copy(file, system.join(name))?;
        }
    }
    for entry in std::fs::read_dir(toplevel.join(UNITS))? {
        let name = entry?.file_name();
        let (from, to) = (toplevel.join(UNITS).join(&name), units.join(&name));
        let gate = name.to_string_lossy();
        let service = gate
            .strip_prefix("migrate-")
            .and_then(|name| name.strip_suffix(".service"));
        let Some(service) = service else {
            symlink(std::fs::read_link(&from).unwrap_or(from), to)?;
            continue;
        };
        let text = std::fs::read_to_string(from)?;
        for copy in 0..EACH {
            let name = match copy {
                0 => service.to_owned(),
                copy => format!("{service}-{copy}"),
            };
            let directory = state.join(&name);
            std::fs::create_dir_all(&directory)?;
            std::fs::write(directory.join("data"), "")?;
            let line = |line: &str| match line.split_once('=') {
                Some(("X-Migration-StateDirectories", _)) => {
                    format!("X-Migration-StateDirectories=[\"{}\"]\n", directory.display())
                }
                Some(("X-Migration-Service", _)) => format!("X-Migration-Service={name}\n"),
                Some((key @ ("X-Migration-Units" | "Before"), _)) if copy > 0 => {
                    format!("{key}={name}.service\n")
                }
                _ => format!("{line}\n"),
            };
            let gate = format!("migrate-{name}.service");
            std::fs::write(units.join(&gate), text.lines().map(line).collect::<String>())?;
            if copy > 0 {
                let versions = text.lines().filter_map(|line| line.strip_prefix("[X-Migration "));
                let versions: String = versions.map(|version| version.replace(']', " ")).collect();
                let unit = format!(
                    "[Unit]\nRequires={gate}\nAfter={gate}\nX-Migration-Versions={name} {versions}\n"
                );
                std::fs::write(units.join(format!("{name}.service")), unit)?;
            }
        }
    }
    Ok(())
}

/// Records that every service came to its head and has gone down and up again since, stamps its state, and says how many
/// events that are.
fn remember(place: &Place, found: Definitions) -> Outcome<u64> {
    let mut record = Record::open(place)?;
    let id = record.view()?.id.clone();
    for (service, definition) in found.services {
        let gate = gate::read(&service, &definition.unit, definition.text.as_bytes())?;
        let gate = gate.ok_or("a definition is no gate")?;
        let past = Past {
            directories: gate
                .service
                .state_directories
                .value()
                .cloned()
                .unwrap_or_default(),
            applied: gate.service.history.versions().collect(),
            generation: found.toplevel.clone(),
            service,
            definition,
        };
        let (events, sequence) = past.events()?;
        record.append(&events)?;
        for directory in &past.directories {
            let stamp = Stamp {
                record: id.clone(),
                sequence,
            };
            stamp::write(stamp::open(Path::new(directory))?, &stamp)?;
        }
    }
    Ok(record.view()?.events)
}

/// What happened to a service.
struct Past {
    service: ServiceName,
    definition: Definition,
    directories: Vec<String>,
    applied: Vec<Version>,
    generation: String,
}

impl Past {
    /// Its events, and the number that its stamps carry after them.
    fn events(&self) -> Outcome<(Vec<Event>, u64)> {
        let mut sequence = 1;
        let mut events = vec![
            Event::Met {
                service: self.service.clone(),
                applied: self.applied.clone(),
                sources: Vec::new(),
                generation: self.generation.clone(),
                sequence,
                stamped: self.directories.clone(),
            },
            Event::Defined {
                service: self.service.clone(),
                definition: self.definition.clone(),
                current: true,
            },
        ];
        let (&head, before) = self.applied.split_last().ok_or("a gate without migrations")?;
        for _ in 0..TIMES {
            for (direction, from, to) in [
                (Way::Down, self.applied.as_slice(), before),
                (Way::Up, before, self.applied.as_slice()),
            ] {
                sequence += 1;
                events.extend(self.run(direction, head, [from, to], sequence)?);
            }
        }
        Ok((events, sequence))
    }

    /// The events of a run of one step, with as much output as a script has that says what it does.
    fn run(
        &self,
        direction: Way,
        version: Version,
        [from, to]: [&[Version]; 2],
        sequence: u64,
    ) -> Outcome<[Event; 7]> {
        let (run, n) = (new_run()?, 0);
        let step = StepRecord {
            direction,
            version,
            swallowed: Vec::new(),
            digest: None,
            unit: self.definition.unit.clone(),
        };
        Ok([
            Event::RunBegun {
                run: run.clone(),
                service: self.service.clone(),
                generation: self.generation.clone(),
                applied: from.to_vec(),
                steps: vec![step],
                package: None,
            },
            Event::StepBegun {
                run: run.clone(),
                n,
                backup: None,
            },
            Event::ScriptBegun { run: run.clone(), n },
            Event::PartEnded {
                run: run.clone(),
                n,
                part: StepPart::Script,
                outcome: Ended::Exited(0),
                milliseconds: 1000,
                output: "one table of many is brought forward\n".repeat(30),
            },
            Event::PartEnded {
                run: run.clone(),
                n,
                part: StepPart::Verify,
                outcome: Ended::Exited(0),
                milliseconds: 100,
                output: String::new(),
            },
            Event::StepFinished {
                run: run.clone(),
                n,
                applied: to.to_vec(),
                sequence,
                stamped: self.directories.clone(),
            },
            Event::RunEnded {
                run,
                outcome: RunOutcome::Arrived,
            },
        ])
    }
}
