//! What must hold of every derivation, whatever is in it.

use std::path::Path;

use super::aterm::{Aterm, AtermError, Raw};
use super::store::{Source, Store};
use super::units::SystemUnits;
use super::{DerivationError, shell, system};
use crate::fuzzing::{Target, fuzz};
use crate::generation::units;
use crate::model::{Generation, Kind};

const DERIVATION: Target = Target {
    name: "derivation",
    also: &[("test-fixtures/derivations", ".drv")],
    words: &[
        "Derive(",
        "DrvWithVersion(\"xp-dyn-drv\",",
        "[",
        "]",
        "(",
        ")",
        ",",
        "\"",
        "\\\"",
        "\\\\",
        "\\",
        "\\n",
        "\\t",
        "(\"out\",\"/nix/store/0123456789abcdfghijklmnpqrsvwxyz-a\",\"\",\"\")",
        "(\"__json\",\"{\\\"buildCommand\\\":\\\"\\\"}\")",
        "(\"__json\",\"{\\\"a\\\":[[[\")",
        "(\"buildCommand\",\"ln -s /a $out/etc\\n\")",
        "(\"text\",\"\")",
        "\\nln -s ",
        "\\nln -sfn '",
        "' $out/'",
        "../",
        "\\nmakeEtcEntry ",
        "\\n'makeEtcEntry' ",
        "for i in ",
        "; do\\n",
        "$(basename $i/*)",
        "[ -e $out/$fn ]",
        "/example/systemd/system/$i",
        "name=",
        "unit-",
        "-disabled",
        ".service",
        "SYSTEM_PATH=",
        "'",
        " ",
        "$",
        "\n",
        "é",
        "\u{85}",
    ],
    runs: 2000,
    check,
};

#[test]
fn whatever_a_derivation_says() {
    fuzz!(DERIVATION);
}

fn check(text: &[u8]) -> bool {
    let source = Source {
        path: "/nix/store/x.drv".to_owned(),
        text: text.to_vec(),
    };
    let outputs = Aterm::outputs(text);
    let parsed = match Aterm::parse(text) {
        Err(error) => {
            assert_error(text, error);
            assert!(source.derivation().is_err());
            // A build command need not survive in a derivation to be read.
            assert_command(&String::from_utf8_lossy(text));
            return false;
        }
        Ok(parsed) => parsed,
    };
    assert_eq!(outputs.as_ref(), Ok(&parsed.outputs));
    assert_same(&parsed);
    // Wherever it is cut short, that is what is said.
    let cut = text.len() * usize::from(text[text.len() / 2]) / 256;
    let error = Aterm::parse(&text[..cut]);
    assert!(
        matches!(error, Err(AtermError::Ended { at, .. }) if at == cut),
        "{cut}: {error:?}"
    );

    let Ok(derivation) = source.derivation() else {
        return false;
    };
    if let Some(command) = derivation.text("buildCommand") {
        assert_command(&command);
    }
    // What it is made from is on disk, where it is one of the very same system.
    let store = store(text.len());
    match system::read("x", &store, &derivation, true) {
        Err(DerivationError::NotASystem { .. }) => {}
        result => return result.is_ok(),
    }
    if let Some(command) = derivation.text("buildCommand")
        && let Ok(units) = SystemUnits::new(&store, &derivation, &command)
    {
        let mut generation = Generation::new("x", Kind::Derivation);
        let _ = units::collect(&units, &mut generation);
    }
    true
}

/// One of the stores that there are.
fn store(number: usize) -> Store {
    let directories = ["file", "structured", "variable"];
    let directory = format!(
        "test-fixtures/derivations/{}",
        directories[number % directories.len()]
    );
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    Store {
        directory,
        root: "/nowhere".into(),
    }
}

fn assert_error(text: &[u8], error: AtermError) {
    match error {
        AtermError::Ended { at, .. } => assert_eq!(at, text.len()),
        AtermError::Unexpected { at, .. } | AtermError::Trailing { at } => assert!(at < text.len()),
        AtermError::Versioned => assert!(text.starts_with(b"DrvWithVersion(")),
    }
    assert!(!error.to_string().is_empty());
}

/// What is kept of a derivation reads the same when it is written anew.
fn assert_same(parsed: &Aterm<'_>) {
    fn string(bytes: &[u8], text: &mut Vec<u8>) {
        text.push(b'"');
        for &byte in bytes {
            match byte {
                b'"' | b'\\' => text.extend([b'\\', byte]),
                b'\n' => text.extend(b"\\n"),
                b'\r' => text.extend(b"\\r"),
                b'\t' => text.extend(b"\\t"),
                _ => text.push(byte),
            }
        }
        text.push(b'"');
    }
    fn list<T>(items: &[T], text: &mut Vec<u8>, mut put: impl FnMut(&T, &mut Vec<u8>)) {
        text.push(b'[');
        for (index, item) in items.iter().enumerate() {
            text.extend_from_slice(if index == 0 { b"(" } else { b",(" });
            put(item, text);
            text.push(b')');
        }
        text.push(b']');
    }
    let mut text = b"Derive(".to_vec();
    list(&parsed.outputs, &mut text, |path, text| {
        text.extend(b"\"\",");
        string(&path.bytes(), text);
        text.extend(b",\"\",\"\"");
    });
    text.push(b',');
    list(&parsed.inputs, &mut text, |path, text| {
        string(&path.bytes(), text);
        text.extend(b",[\"out\"]");
    });
    text.extend(b",[],\"\",\"\",[],");
    list(&parsed.environment, &mut text, |(name, value), text| {
        string(&name.bytes(), text);
        text.push(b',');
        string(&value.bytes(), text);
    });
    text.push(b')');
    let again = Aterm::parse(&text).unwrap();
    let bytes =
        |parts: &[Raw<'_>]| -> Vec<Vec<u8>> { parts.iter().map(|part| part.bytes().into_owned()).collect() };
    let pairs = |parts: &[(Raw<'_>, Raw<'_>)]| -> Vec<(Vec<u8>, Vec<u8>)> {
        parts
            .iter()
            .map(|(a, b)| (a.bytes().into_owned(), b.bytes().into_owned()))
            .collect()
    };
    assert_eq!(bytes(&again.outputs), bytes(&parsed.outputs));
    assert_eq!(bytes(&again.inputs), bytes(&parsed.inputs));
    assert_eq!(pairs(&again.environment), pairs(&parsed.environment));
}

fn assert_command(command: &str) {
    for line in command.lines() {
        if let Some(words) = shell::words(line) {
            let quoted: Vec<_> = words
                .iter()
                .map(|word| format!("'{}'", word.replace('\'', "'\\''")))
                .collect();
            assert_eq!(shell::words(&quoted.join(" ")), Some(words));
        }
    }
    for (source, target) in shell::links(command) {
        let first = shell::linked(command, &target);
        assert!(first.is_some(), "{source} → {target}");
    }
    for (_, target) in shell::etc_entries(command) {
        assert!(shell::etc_entry(command, &target).is_some());
    }
    for (unit, alias) in shell::linked_units(command) {
        assert!(command.contains(unit) && alias.is_none_or(|alias| command.contains(alias)));
    }
    for (path, _) in shell::units(command) {
        assert!(command.contains(path) && !path.contains(|c: char| c.is_ascii_whitespace()));
    }
    for unit in shell::upstream_units(command) {
        assert!(command.contains(unit));
    }
    let name = shell::unit_name(command);
    assert!(name.is_none_or(|name| !name.contains('\n')));
}
