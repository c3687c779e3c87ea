//! `nixmig stamp`: says what the state of a service is on, without running anything.

use std::ffi::OsStr;

use nixmig::execute::{Assumption, Known};
use nixmig::generation::closure::definitions;
use nixmig::generation::reference::Closure;
use nixmig::machine::Host;
use nixmig::model::{Definition, Version};

use super::args::{Stamp, Stamped};
use super::change::{place, tell, with_engine};
use super::diagnostic::Failure;
use super::exit::Exit;
use super::{machine, read};

pub(super) fn run(args: &Stamp) -> Result<Exit, Failure> {
    let (definition, applied) = find(args)?;
    let package = definition.as_ref().and_then(Known::package).map(str::to_owned);
    let is = Assumption {
        applied: &applied,
        definition: definition.as_ref(),
        package: package.as_deref(),
    };
    let said = with_engine(&args.machine, &args.service, "stamped", |engine| {
        engine.stamp(&is, "nixmig stamp")
    })?;
    tell(&args.service, &said)?;
    Ok(Exit::Fine)
}

/// A definition whose history has what is said, and all that is applied then.
fn find(args: &Stamp) -> Result<(Option<Known>, Vec<Version>), Failure> {
    let place = place(&args.machine)?;
    let options = args.machine.below.options();
    let host = machine::look(options.clone(), place, &args.machine.memory, None)?;
    let mut histories = Vec::new();
    for definition in candidates(args, &host)? {
        let Ok(known) = Known::read(&args.service, definition) else {
            continue;
        };
        let history = &known.gate.service.history;
        let wanted = match args.version {
            Stamped::None => None,
            Stamped::Head => history.head(),
            Stamped::On(version) if history.contains(version) => Some(version),
            Stamped::On(_) => {
                histories.extend(history.versions());
                continue;
            }
        };
        let applied = history
            .versions()
            .filter(|&version| wanted.is_some_and(|wanted| version <= wanted));
        let applied = applied.collect();
        return Ok((Some(known), applied));
    }
    histories.sort_unstable();
    histories.dedup();
    match args.version {
        Stamped::None if args.generation.is_none() => Ok((None, Vec::new())),
        _ => Err(Failure::NoSuchVersion {
            service: args.service.clone(),
            there: histories,
        }),
    }
}

/// The definitions of the service, the likeliest first: of the generation that is named, else of the one that runs, the
/// record's, and those of all that the machine can start.
fn candidates(args: &Stamp, host: &Host<'_>) -> Result<Vec<Definition>, Failure> {
    let options = args.machine.below.options();
    let of = |closure: &Closure| {
        let definitions = definitions(closure, &options);
        definitions.map(|mut definitions| definitions.services.remove(&args.service))
    };
    if let Some(word) = &args.generation {
        let closure = closure(word, args)?;
        let found = of(&closure).map_err(|error| Failure::closure(word, error))?;
        return Ok(found.into_iter().collect());
    }
    let mut found = Vec::new();
    if let Some(running) = host.running() {
        found.extend(of(&Closure::at(&running)).ok().flatten());
    }
    let recorded = host.view().and_then(|view| view.services.get(&args.service));
    found.extend(recorded.and_then(|recorded| recorded.definition.clone()));
    let bootables = host.bootables().map_err(Failure::machine)?;
    for bootable in &bootables.generations {
        found.extend(of(&Closure::at(&bootable.toplevel)).ok().flatten());
    }
    Ok(found)
}

/// The built generation that a word names.
fn closure(word: &OsStr, args: &Stamp) -> Result<Closure, Failure> {
    read::built(word, &args.machine.below.options())
}
