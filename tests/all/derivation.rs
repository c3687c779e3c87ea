//! A system that is not built yet is read as it is when it is built.

use nixmig::generation::{ReadOptions, understand};
use nixmig::model::{Generation, Setting, UnitName};

use crate::fixtures::fixtures;

fn read(reference: &std::path::Path, inside: &str, options: &ReadOptions) -> Generation {
    let mut name = reference.as_os_str().to_owned();
    name.push(inside);
    let reference =
        understand(&name, None, options).unwrap_or_else(|error| panic!("{}: {error}", name.display()));
    nixmig::generation::read(&reference, "the host", options)
        .unwrap_or_else(|error| panic!("{}: {error}", name.display()))
}

/// All but what the two have in common with no other source: where they were read from, and units that nobody looks into,
/// of which a package may bring some that no derivation shows.
fn assert_alike(name: &str, closure: &Generation, derivation: &Generation) {
    assert_eq!(closure.release, derivation.release, "{name}");
    assert_eq!(closure.notes, derivation.notes, "{name}");
    assert_eq!(closure.unread, derivation.unread, "{name}");
    assert_eq!(
        closure.services.keys().collect::<Vec<_>>(),
        derivation.services.keys().collect::<Vec<_>>(),
        "{name}"
    );
    for (service, built) in &closure.services {
        assert_eq!(built, &derivation.services[service], "{name}: {service}");
    }
    for (unit, program) in &closure.units {
        match derivation.units.get(unit) {
            Some(found) if program.unknown().is_some() => {
                assert!(found.unknown().is_some(), "{name}: {unit}: {found:?}");
            }
            Some(found) => assert_eq!(found, program, "{name}: {unit}"),
            None => assert!(program.unknown().is_some(), "{name}: {unit}: {program:?}"),
        }
    }
    let seen = derivation.units.keys().map(UnitName::as_str);
    for unit in seen.chain(derivation.others.iter()) {
        let there = closure.units.contains_key(unit) || closure.others.contains(unit);
        assert!(there, "{name}: {unit}");
    }
}

#[test]
fn a_derivation_says_what_its_closure_says() {
    let Some(fixtures) = fixtures() else { return };
    let options = ReadOptions {
        scripts: true,
        ..ReadOptions::default()
    };
    let mut programs = 0;
    for generation in fixtures.generations() {
        let closure = read(&generation.toplevel, "", &options);
        let derivation = read(&generation.derivation, "", &options);
        assert_alike(&generation.name(), &closure, &derivation);
        programs += derivation
            .units
            .values()
            .filter(|unit| matches!(unit, Setting::Set(_)))
            .count();
    }
    assert!(programs > 100, "{programs} units with a program were compared");
}

#[test]
fn so_do_the_systems_inside() {
    let Some(fixtures) = fixtures() else { return };
    let options = ReadOptions::default();
    let generation = fixtures.generation("hermes", 3);
    for inside in [
        "/specialisation/maintenance",
        "/containers/registry",
        "/containers/wiki",
    ] {
        let closure = read(&generation.toplevel, inside, &options);
        let derivation = read(&generation.derivation, inside, &options);
        assert_alike(inside, &closure, &derivation);
    }
}
