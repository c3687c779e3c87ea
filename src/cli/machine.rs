//! Owns how commands look at the machine that they run on.

use jiff::Timestamp;
use nixmig::generation::ReadOptions;
use nixmig::machine::{Answer, Ask, Host, Options};
use nixmig::model::{Definition, Generation, ServiceName};
use nixmig::record::{Place, View};
use nixmig::report;

use super::args::Memory;
use super::diagnostic::Failure;

/// Looks at the machine.
///
/// # Errors
///
/// Fails where its record cannot be read.
pub(super) fn look<'a>(
    read: ReadOptions,
    place: Place,
    memory: &Memory,
    from: Option<Generation>,
    ask: &'a Ask<'a>,
) -> Result<Host<'a>, Failure> {
    Host::look(Options {
        read,
        place,
        from,
        now: Timestamp::now(),
        clock_is_right: memory.clock_is_right,
        ask,
    })
    .map_err(Failure::machine)
}

/// Asks nobody.
pub(super) fn unasked(_: &ServiceName, _: &Definition) -> Answer {
    Answer::Unasked("this command runs no scripts".to_owned())
}

/// The machine for a report, with what else is to be said of it.
pub(super) fn heading(host: &Host<'_>, notes: &[String]) -> report::Machine {
    let view = host.view();
    report::Machine {
        state_dir: host.place().state_dir.display().to_string(),
        record: view.map(record),
        notes: view
            .into_iter()
            .flat_map(|view| &view.notes)
            .chain(notes)
            .cloned()
            .collect(),
    }
}

fn record(view: &View) -> report::Record {
    report::Record {
        id: view.id.to_string(),
        events: view.events,
        last_event: view.last_event.to_string(),
    }
}
