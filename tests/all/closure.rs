//! Closures that Nix built, by every name that they have.

use std::ffi::OsStr;
use std::path::Path;

use nixmig::generation::{PairError, ReadError, ReadOptions, Side, read, read_pair, understand};
use nixmig::model::{Generation, Setting};

use crate::fixtures::{Fixtures, fixtures};

fn options(fixtures: &Fixtures, host: &str) -> ReadOptions {
    ReadOptions {
        profile: fixtures.profile(host),
        ..ReadOptions::default()
    }
}

fn read_as(text: impl AsRef<OsStr>, options: &ReadOptions) -> Result<Generation, ReadError> {
    let reference = understand(text.as_ref(), None, options)?;
    read(&reference, &text.as_ref().to_string_lossy(), options)
}

fn pair(old: &Path, new: &Path, options: &ReadOptions) -> Result<(Generation, Generation), PairError> {
    let understand = |path: &Path| understand(path.as_ref(), None, options).unwrap();
    read_pair((&understand(old), "old"), (&understand(new), "new"), options)
}

#[test]
fn every_closure_is_read_whole() {
    let Some(fixtures) = fixtures() else { return };
    for made in fixtures.generations() {
        let generation = read_as(&made.toplevel, &options(fixtures, &made.host)).unwrap();
        let name = made.name();
        assert_eq!(generation.identity.as_deref(), made.toplevel.to_str(), "{name}");
        assert!(generation.release.is_set() && generation.units_complete, "{name}");
        assert!(generation.unread.is_empty(), "{name}");
        assert_eq!(generation.notes, [""; 0], "{name}");
    }
}

#[test]
fn a_closure_has_many_names() {
    let Some(fixtures) = fixtures() else { return };
    let options = options(fixtures, "hermes");
    let made = fixtures.generation("hermes", 3);
    let whole = read_as(&made.toplevel, &options).unwrap();
    let link = fixtures.link("hermes", 3);
    let number = "3".as_ref();
    let prefixed = "generation:3".as_ref();
    for name in [link.as_os_str(), number, prefixed] {
        let named = read_as(name, &options).unwrap();
        assert_eq!(named.identity, whole.identity, "{name:?}");
        assert_eq!(named.services, whole.services, "{name:?}");
    }
    let outside = ReadOptions {
        root: fixtures.root().to_owned(),
        ..options.clone()
    };
    assert!(
        read_as("3", &outside).is_err(),
        "absolute links lead below the root"
    );
    let newest = read_as(fixtures.profile("hermes"), &options).unwrap();
    assert_eq!(
        newest.identity.as_deref(),
        fixtures.generation("hermes", 6).toplevel.to_str()
    );
}

#[test]
fn systems_inside_are_read() {
    let Some(fixtures) = fixtures() else { return };
    let options = options(fixtures, "hermes");
    let host = read_as("3", &options).unwrap();
    let maintenance = read_as("3/specialisation/maintenance", &options).unwrap();
    assert!(host.services.contains_key("nextcloud") && !maintenance.services.contains_key("nextcloud"));
    let inner = read_as("3/containers/wiki", &options).unwrap();
    assert_ne!(inner.identity, host.identity);
    for (text, message) in [
        (
            "3/specialisation/none",
            "has no specialisation `none`: there are maintenance",
        ),
        ("3/containers/none", "has no container `none`: there are "),
        (
            "1/specialisation/maintenance",
            "has no specialisation `maintenance`: it has none",
        ),
        ("7", "has no generation 7: there are 1, 2, 3, 4, 5, 6"),
        ("007", "has no generation 007: there are 1, 2, 3, 4, 5, 6"),
    ] {
        let error = read_as(text, &options).unwrap_err().to_string();
        assert!(error.contains(message), "{text}: {error}");
    }
}

#[test]
fn a_masked_gate_keeps_its_versions() {
    let Some(fixtures) = fixtures() else { return };
    let options = options(fixtures, "atlas");
    let (before, masked) = (read_as("7", &options).unwrap(), read_as("8", &options).unwrap());
    let service = &masked.services["inventory"];
    assert!(service.masked.is_set() && !before.services["inventory"].masked.is_set());
    let versions = |generation: &Generation| {
        let history = &generation.services["inventory"].history;
        history.versions().collect::<Vec<_>>()
    };
    assert_eq!(versions(&before), versions(&masked));
    let migration = service.history.iter().next().unwrap();
    assert!(migration.up.script.unknown().is_some() && migration.cumulative.unknown().is_some());
}

#[test]
fn scripts_have_their_words_when_they_are_asked_for() {
    let Some(fixtures) = fixtures() else { return };
    let options = ReadOptions {
        scripts: true,
        ..options(fixtures, "atlas")
    };
    let generation = read_as("4", &options).unwrap();
    let history = &generation.services["postgresql"].history;
    let head = history.get(history.head().unwrap()).unwrap();
    let script = head.up.script.value().unwrap();
    assert!(script.text.as_deref().unwrap().starts_with("#!"), "{script:?}");
    assert_eq!(generation.notes, [""; 0]);
}

/// A generation that declares nothing gets the programs of the units that the other one gates.
#[test]
fn each_side_is_looked_into_for_the_other() {
    let Some(fixtures) = fixtures() else { return };
    let options = options(fixtures, "hermes");
    let (one, two) = (fixtures.generation("hermes", 1), fixtures.generation("hermes", 2));
    for (old, new) in [
        (&one.toplevel, &two.toplevel),
        (&one.derivation, &two.derivation),
        (&one.derivation, &two.toplevel),
    ] {
        let (old, new) = pair(old, new, &options).unwrap();
        for service in new.services.values() {
            for unit in service.units.value().into_iter().flatten() {
                if let Some(program) = old.units.get(unit) {
                    assert!(program.unknown().is_none(), "{unit}: {program:?}");
                }
                assert!(!matches!(new.units[unit], Setting::Unknown(_)), "{unit}");
            }
        }
    }
    let error = pair(&one.toplevel, Path::new("/gone.drv"), &options).unwrap_err();
    assert_eq!(error.side, Some(Side::New));
}
