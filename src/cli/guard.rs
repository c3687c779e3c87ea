//! `nixmig guard`: what a guard's unit runs. It does for a generation that has no gate of a service what that gate would do.

use std::path::Path;

use nixmig::generation::closure::{ClosureError, Definitions, definitions, gates};
use nixmig::generation::reference::Closure;
use nixmig::model::ServiceName;
use nixmig::record::{self, Place, guards};
use nixmig::report::Gated;

use super::args::Guard;
use super::change::{place, program, systemd};
use super::diagnostic::Failure;
use super::exit::Exit;
use super::gate::{Attempt, Slow, active};
use super::output;

pub(super) fn run(args: &Guard) -> Result<Exit, Failure> {
    let place = place(&args.machine)?;
    let options = args.machine.below.options();
    let service = &args.service;
    let Some(found) = guards::list(&place).map_err(Failure::record)?.remove(service) else {
        // It was removed, and systemd has not read its units since.
        return Ok(Exit::Fine);
    };
    let toplevel = active()?;
    let closure = Closure::at(&toplevel);
    // A gate that cannot be read is no gate.
    if gates(&closure, service, &found.units, &options).unwrap_or(false) && active()? == toplevel {
        return Ok(Exit::Fine);
    }
    let systemd = systemd(&args.machine.memory)?;
    let asked = Slow {
        service,
        memory: &args.machine.memory,
        place: &place,
        options: &options,
        systemd: systemd.as_ref(),
    };
    let attempt = match definitions(&closure, &options) {
        Ok(definitions) => asked.ask(&definitions, &toplevel)?,
        Err(error) => unreadable(service, &error),
    };
    let mut text = attempt.gated.write();
    if !attempt.gated.passes() {
        text.push_str(&format!(
            "{service}: this generation need not have nixmig in its PATH: where `nixmig` is written here, type {}.\n",
            kept(&place)?
        ));
    }
    output::complain(&text);
    match attempt.signal {
        Some(signal) => nixmig::process::die_of(signal),
        None => Ok(attempt.exit),
    }
}

impl Slow<'_> {
    /// Does what the gate of the generation would do, which has none.
    fn ask(&self, definitions: &Definitions, toplevel: &Path) -> Result<Attempt, Failure> {
        let attempt = match self.is_known(definitions)? {
            true => self.attempt(definitions)?,
            false => lost(self.service),
        };
        // Another system was activated meanwhile, and what was done was done for the one before.
        match attempt.signal.is_none() && attempt.gated.passes() && active()? != toplevel {
            true => self.refuse(definitions),
            false => Ok(attempt),
        }
    }

    /// Whether anything tells what the state is on, and what undoes it.
    fn is_known(&self, definitions: &Definitions) -> Result<bool, Failure> {
        let view = record::look(self.place).map_err(Failure::record)?;
        let recorded = view.is_some_and(|view| view.services.contains_key(self.service));
        Ok(recorded || definitions.services.contains_key(self.service))
    }
}

/// A guard is there, and the record that it was made for is not.
fn lost(service: &ServiceName) -> Attempt {
    refused(
        service,
        "the record that knew what its state is on is lost".to_owned(),
        format!(
            "Make it anew with `nixmig record rebuild`, and say what the state is on with `nixmig stamp {service} VERSION`. Or \
             `nixmig forget {service}` where this generation's programs may have it as it is."
        ),
    )
}

/// The gates of the generation are not of this nixmig's format, or not as they should be.
fn unreadable(service: &ServiceName, error: &ClosureError) -> Attempt {
    refused(
        service,
        format!("what this generation expects of its state cannot be read: {error}"),
        "Start another generation: `nixmig generations` says which can be. Its state is as that left it which ran last."
            .to_owned(),
    )
}

fn refused(service: &ServiceName, reason: String, next: String) -> Attempt {
    Attempt {
        gated: Gated {
            service: service.to_string(),
            reasons: vec![(reason, next)],
            ..Gated::default()
        },
        exit: Exit::Refused,
        signal: None,
    }
}

/// The program that goes on being there whatever generation runs.
fn kept(place: &Place) -> Result<String, Failure> {
    let link = place.state_dir.join("bin/nixmig");
    Ok(match link.exists() {
        true => link.display().to_string(),
        false => program()?.display().to_string(),
    })
}
