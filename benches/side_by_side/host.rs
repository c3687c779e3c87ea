//! Owns the comparison of `nixmig plan` where there is nothing to do: what a gate takes at every start of a service.

use std::path::Path;
use std::time::Duration;

use nixmig::generation::ReadOptions;
use nixmig::generation::closure::{Definitions, definitions};
use nixmig::generation::gate;
use nixmig::generation::reference::{Closure, Toplevel};
use nixmig::record::{Event, Place, Record};

use crate::fixtures::Fixtures;
use crate::measure::{Job, in_turns};
use crate::report::{Comparison, Line};
use crate::systems::Systems;
use crate::{Outcome, nixmig};

const ROUNDS: usize = 41;

/// A system of a server's size whose services are all on their heads, by the record.
///
/// # Errors
///
/// When one of the programs fails.
pub(crate) fn plans(fixtures: &Fixtures, scratch: &Path) -> Outcome<Vec<Comparison>> {
    let systems = Systems::build(fixtures)?;
    let toplevel = &systems.new.toplevel;
    let place = Place {
        state_dir: scratch.join("state"),
        gc_roots: scratch.join("gcroots"),
    };
    if place.state_dir.exists() {
        std::fs::remove_dir_all(&place.state_dir)?;
    }
    let closure = Closure {
        toplevel: Toplevel::Path(toplevel.into()),
        inside: Vec::new(),
    };
    let found = definitions(&closure, &ReadOptions::default())?;
    let services = found.services.len();
    Record::open(&place)?.append(&events(found)?)?;

    let words = |command: &str| {
        let state = place.state_dir.as_os_str().to_owned();
        let roots = place.gc_roots.as_os_str().to_owned();
        let mut words = vec![nixmig().to_owned(), command.into(), toplevel.into()];
        if command == "plan" {
            words.extend(["--state-dir".into(), state, "--gc-roots".into(), roots]);
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

/// What brings every service to its head without a step.
fn events(found: Definitions) -> Outcome<Vec<Event>> {
    let mut events = Vec::new();
    for (service, definition) in found.services {
        let gate = gate::read(&service, &definition.unit, definition.text.as_bytes())?;
        let history = gate.map(|gate| gate.service.history).unwrap_or_default();
        events.push(Event::Met {
            service: service.clone(),
            applied: history.versions().collect(),
            sources: Vec::new(),
            generation: found.toplevel.clone(),
            sequence: 1,
            stamped: Vec::new(),
        });
        events.push(Event::Defined {
            service,
            definition,
            current: true,
        });
    }
    Ok(events)
}
