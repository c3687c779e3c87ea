//! `nixmig guard`: what a guard's unit runs. It does for a generation that has no gate of a service what that gate would do. Without
//! a service it is what guards them, where no run and no check of a switch does.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use nixmig::execute::units::Units as _;
use nixmig::generation::closure::{ClosureError, Definitions, definitions, gates};
use nixmig::generation::reference::Closure;
use nixmig::migrate::{guard, guard_anyhow};
use nixmig::model::{ServiceName, UnitName};
use nixmig::record::{self, Holder, LockError, Place, Wait, guards, lock_service};
use nixmig::report::Gated;
use nixmig::systemd::Manager;

use super::args::Guard;
use super::change::{place, program, systemd};
use super::diagnostic::{self, Failure};
use super::exit::Exit;
use super::gate::{Attempt, Slow, active};
use super::{machine, migrate as by_hand, output};

/// How long somebody who works on a service is waited for, where nobody knows what comes after.
const PATIENCE: Duration = Duration::from_secs(10);

/// What whoever switches the machine off or starts it anew has systemd start.
const DOWN: &str = "shutdown.target";

pub(super) fn run(args: &Guard) -> Result<Exit, Failure> {
    match &args.service {
        Some(service) => asked(args, service),
        None => see_to_all(args),
    }
}

/// Guards the services that need it, for generations that came to be since the last run and the last check of a switch.
fn see_to_all(args: &Guard) -> Result<Exit, Failure> {
    let place = place(&args.machine)?;
    let systemd = systemd(&args.machine.memory)?;
    let goes_down = |systemd: &Manager| {
        let down: Option<UnitName> = DOWN.parse().ok();
        let state = down.and_then(|down| systemd.state(&down).ok());
        state.is_some_and(|state| state.job || state.is_up())
    };
    let anyhow = args.leaving && !systemd.as_ref().is_some_and(goes_down);
    let host = machine::look(
        args.machine.below.options(),
        place.clone(),
        &args.machine.memory,
        None,
    )?;
    let program = program()?;
    let (mut changed, mut failure) = (false, None);
    for name in host.view().into_iter().flat_map(|view| view.services.keys()) {
        let guarded = || -> Result<bool, Failure> {
            let mut waiting = |_: Option<&Holder>| ControlFlow::Continue(());
            let wait = match anyhow {
                true => Wait::Until(PATIENCE),
                false => Wait::Not,
            };
            let _lock = match lock_service(&place, name, wait, &mut waiting) {
                // Whoever walks has seen to it for what can be booted.
                Err(LockError::Held { .. }) if !anyhow => return Ok(false),
                lock => lock.map_err(Failure::lock)?,
            };
            let view = record::look(&place).map_err(Failure::record)?;
            let Some(view) = view.filter(|view| view.services.contains_key(name)) else {
                return Ok(false);
            };
            let guard = match anyhow {
                true => guard_anyhow(&host, &view, name, &program),
                false => guard(&host, &view, name, &program),
            };
            guard.map_err(by_hand::failure)
        };
        match guarded() {
            Ok(done) => changed |= done,
            Err(error) => {
                output::complain(&diagnostic::render(&error));
                failure = Some(Exit::Error);
            }
        }
    }
    if let (true, Some(systemd)) = (changed, &systemd) {
        systemd.reload().map_err(Failure::Reload)?;
    }
    Ok(failure.unwrap_or(Exit::Fine))
}

/// Decides whether a service may start in a generation that has no gate of it.
fn asked(args: &Guard, service: &ServiceName) -> Result<Exit, Failure> {
    let place = place(&args.machine)?;
    let options = args.machine.below.options();
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
