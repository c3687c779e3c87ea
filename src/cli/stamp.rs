//! `nixmig stamp`: says what the state of a service is on, without running anything.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::ops::ControlFlow;

use nixmig::execute::{Assumption, Known};
use nixmig::generation::closure::definitions;
use nixmig::generation::reference::Closure;
use nixmig::machine::Host;
use nixmig::model::{Definition, Version};
use nixmig::record::{Holder, Wait, lock_service};

use super::args::{Stamp, Stamped};
use super::change::{guard, place, start_held, tell, with_engine};
use super::diagnostic::Failure;
use super::exit::Exit;
use super::{machine, read};

pub(super) fn run(args: &Stamp) -> Result<Exit, Failure> {
    let found = find(args)?;
    let is = Assumption {
        applied: &found.applied,
        definition: found.definition.as_ref(),
        package: found.package.as_deref(),
    };
    let said = with_engine(&args.machine, &args.service, "stamped", |engine| {
        engine.stamp(&is, "nixmig stamp")
    })?;
    tell(&args.service, &said)?;
    guarded(args)?;
    start_held(&args.machine, &args.service)?;
    Ok(Exit::Fine)
}

/// Sees to the guard of what is stamped, as no run does.
fn guarded(args: &Stamp) -> Result<(), Failure> {
    let place = place(&args.machine)?;
    let mut waiting = |_: Option<&Holder>| ControlFlow::Continue(());
    let _lock = lock_service(&place, &args.service, Wait::Forever, &mut waiting).map_err(Failure::lock)?;
    let host = machine::look(args.machine.below.options(), place, &args.machine.memory, None)?;
    match host.view() {
        Some(view) => guard(&args.machine.memory, &host, view, &args.service),
        None => Ok(()),
    }
}

/// What is said, and what that rests on.
#[derive(Debug, Default)]
struct Found {
    /// A definition whose history has it.
    definition: Option<Known>,
    /// All that is applied then.
    applied: Vec<Version>,
    /// The package of a generation whose history ends there: whose data it is.
    package: Option<String>,
}

fn find(args: &Stamp) -> Result<Found, Failure> {
    let place = place(&args.machine)?;
    let options = args.machine.below.options();
    let host = machine::look(options.clone(), place, &args.machine.memory, None)?;
    let known = candidates(args, &host)?;
    let known = known
        .into_iter()
        .filter_map(|definition| Known::read(&args.service, definition).ok());
    said(&known.collect::<Vec<_>>(), args.version).or_else(|there| match args.version {
        Stamped::None if args.generation.is_none() => Ok(Found::default()),
        _ => Err(Failure::NoSuchVersion {
            service: args.service.clone(),
            there,
        }),
    })
}

/// What is said of definitions, the likeliest first; else all versions that they have.
fn said(known: &[Known], version: Stamped) -> Result<Found, Vec<Version>> {
    let has = |known: &&Known| match version {
        Stamped::None | Stamped::Head => true,
        Stamped::On(version) => known.gate.service.history.contains(version),
    };
    let Some(definition) = known.iter().find(has) else {
        let histories = known
            .iter()
            .flat_map(|known| known.gate.service.history.versions());
        let versions: BTreeSet<_> = histories.collect();
        return Err(versions.into_iter().collect());
    };
    let history = &definition.gate.service.history;
    let on = match version {
        Stamped::None => None,
        Stamped::Head => history.head(),
        Stamped::On(version) => Some(version),
    };
    let applied = history
        .versions()
        .filter(|&version| on.is_some_and(|on| version <= on));
    let made_for_it = |known: &&Known| known.gate.service.history.head() == on;
    Ok(Found {
        applied: applied.collect(),
        package: known
            .iter()
            .filter(made_for_it)
            .find_map(|known| known.package().map(str::to_owned)),
        definition: Some(definition.clone()),
    })
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

#[cfg(test)]
mod tests {
    use nixmig::model::ServiceName;

    use super::*;

    /// A definition with the steps of these days, of a package.
    fn known(days: &[u8], package: &str) -> Known {
        let service: ServiceName = "db".parse().unwrap();
        let mut text = format!(
            "[Unit]\nX-Migration-Format=1\nX-Migration-Service=db\nX-Migration-Package=/nix/store/{}-{package}\n",
            "0".repeat(32)
        );
        for day in days {
            text += &format!("\n[X-Migration 2024-01-{day:02}]\n");
        }
        let definition = Definition {
            unit: format!("/nix/store/{package}/migrate-db.service"),
            text,
            generation: String::new(),
        };
        Known::read(&service, definition).unwrap()
    }

    #[test]
    fn the_package_is_that_of_a_generation_whose_history_ends_there() {
        let version = |day: u8| format!("2024-01-{day:02}").parse::<Version>().unwrap();
        let all = || vec![known(&[1, 2], "db-17"), known(&[1], "db-15")];
        let package = |stamped| said(&all(), stamped).unwrap().package;
        let ends =
            |package: Option<String>, with: &str| package.is_some_and(|package| package.ends_with(with));
        assert!(ends(package(Stamped::Head), "db-17"));
        assert!(ends(package(Stamped::On(version(2))), "db-17"));
        assert!(ends(package(Stamped::On(version(1))), "db-15"));
        assert_eq!(package(Stamped::None), None);
        let found = said(&all(), Stamped::On(version(1))).unwrap();
        assert_eq!(found.applied, [version(1)]);
        assert!(found.definition.unwrap().has_all(&[version(2)]));
        assert_eq!(
            said(&all(), Stamped::On(version(3))).unwrap_err(),
            [version(1), version(2)]
        );
    }
}
