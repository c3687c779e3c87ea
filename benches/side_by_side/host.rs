//! Owns the comparison of `nixmig plan` where there is nothing to do: what a gate takes at every start of a service.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use nixmig::generation::ReadOptions;
use nixmig::generation::closure::{Definitions, definitions};
use nixmig::generation::gate;
use nixmig::generation::reference::{Closure, Toplevel};
use nixmig::record::stamp::{self, Stamp};
use nixmig::record::{Event, Place, Record};

use crate::fixtures::Fixtures;
use crate::measure::{Job, in_turns};
use crate::report::{Comparison, Line};
use crate::systems::Systems;
use crate::{Outcome, nixmig};

const ROUNDS: usize = 41;

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
    };
    let closure = Closure {
        toplevel: Toplevel::Path(system.clone()),
        inside: Vec::new(),
    };
    let found = definitions(&closure, &ReadOptions::default())?;
    let services = found.services.len();
    remember(&place, found)?;

    let words = |command: &str| {
        let mut words = vec![nixmig().to_owned(), command.into(), system.clone().into()];
        if command == "plan" {
            words.extend(["--state-dir".into(), place.state_dir.clone().into()]);
            words.extend(["--gc-roots".into(), place.gc_roots.clone().into()]);
        }
        Job::new(words).environment(systems.environment())
    };
    let (plan, show) = (words("plan"), words("show"));
    let [time, least] = in_turns(ROUNDS, [plan.contender(), show.contender()])?;
    Ok(vec![Comparison {
        what: format!("a plan with nothing to do, of {services} services"),
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

/// The same system, whose gates have their state below a directory.
fn copy(toplevel: &Path, system: &Path, state: &Path) -> Outcome<()> {
    const KEY: &str = "X-Migration-StateDirectories=";
    const UNITS: &str = "etc/systemd/system";
    std::fs::create_dir_all(system.join(UNITS))?;
    for name in ["etc/os-release", "nixos-version"] {
        if let Ok(file) = std::fs::canonicalize(toplevel.join(name)) {
            std::fs::copy(file, system.join(name))?;
        }
    }
    for entry in std::fs::read_dir(toplevel.join(UNITS))? {
        let name = entry?.file_name();
        let (from, to) = (toplevel.join(UNITS).join(&name), system.join(UNITS).join(&name));
        let gate = name.to_string_lossy();
        let service = gate
            .strip_prefix("migrate-")
            .and_then(|name| name.strip_suffix(".service"));
        let Some(service) = service else {
            symlink(std::fs::read_link(&from).unwrap_or(from), to)?;
            continue;
        };
        let directory = state.join(service);
        std::fs::create_dir_all(&directory)?;
        std::fs::write(directory.join("data"), "")?;
        let text = std::fs::read_to_string(from)?;
        let lines = text.lines().map(|line| match line.starts_with(KEY) {
            true => format!("{KEY}[\"{}\"]\n", directory.display()),
            false => format!("{line}\n"),
        });
        std::fs::write(to, lines.collect::<String>())?;
    }
    Ok(())
}

/// Records that every service is on its head, and stamps its state.
fn remember(place: &Place, found: Definitions) -> Outcome<()> {
    let mut record = Record::open(place)?;
    let id = record.view()?.id;
    for (service, definition) in found.services {
        let gate = gate::read(&service, &definition.unit, definition.text.as_bytes())?;
        let gate = gate.ok_or("a definition is no gate")?;
        let directories = gate
            .service
            .state_directories
            .value()
            .cloned()
            .unwrap_or_default();
        for directory in &directories {
            let stamp = Stamp {
                record: id.clone(),
                sequence: 1,
            };
            stamp::write(stamp::open(Path::new(directory))?, &stamp)?;
        }
        record.append(&[
            Event::Met {
                service: service.clone(),
                applied: gate.service.history.versions().collect(),
                sources: Vec::new(),
                generation: found.toplevel.clone(),
                sequence: 1,
                stamped: directories,
            },
            Event::Defined {
                service,
                definition,
                current: true,
            },
        ])?;
    }
    Ok(())
}
