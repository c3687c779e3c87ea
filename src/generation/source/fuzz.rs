//! What must hold of every text that may be a module.

use miette::Diagnostic;

use super::*;
use crate::fuzzing::{Target, fuzz};
use crate::model::{Direction, Location, Part, Setting, Unknown};

const SOURCE: Target = Target {
    name: "source",
    also: &[
        ("test-fixtures/services", ".nix"),
        ("test-fixtures/hosts", ".nix"),
        ("test-fixtures/module-tests/cases", ".nix"),
    ],
    words: &[
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        "{ config, lib, pkgs, ... }:",
        "a: ",
        "{ a ? b, ... }@c: ",
        ";",
        ":",
        "=",
        ".",
        "..",
        "...",
        "@",
        "?",
        " or ",
        "${",
        "\"",
        "''",
        "''${",
        "'''",
        "\\",
        "#",
        "/*",
        "*/",
        "!",
        "->",
        "//",
        "++",
        "==",
        "&&",
        "||",
        "|>",
        "<nixpkgs>",
        "./x.nix",
        "a.",
        "<a",
        "-",
        "~/",
        "https://a.b",
        "1.5e3",
        "__curPos",
        "let ",
        " in ",
        "let { body = 1; }",
        "rec ",
        "with lib; ",
        "inherit ",
        "inherit (",
        "assert ",
        "if ",
        " then ",
        " else ",
        "import ",
        "imports = [ ",
        "migrations.a = ",
        "migrations = ",
        "migrations",
        "systemd.services.a.migrations = ",
        "config = ",
        "options = ",
        "steps.\"2024-02-29\" = ",
        "steps = [ ",
        "version = \"2024-02-29.1\"; ",
        "\"2023-02-30\"",
        "up.script = \"\"; ",
        "down.warn = ''",
        "cumulative = true; ",
        "requires = [ \"b.service\" ]; ",
        "lib.mkIf ",
        "mkIf a ",
        "lib.mkMerge [ ",
        "lib.mkForce ",
        "lib.mkDefault ",
        "lib.mkOverride 10 ",
        "lib.optionals ",
        "lib.optionalAttrs ",
        "lib.mapAttrs ",
        "map (x: x) ",
        "builtins.listToAttrs ",
        "lib.nameValuePair ",
        "builtins.foldl' ",
        "(x: x x) (x: x x)",
        "null",
        "true",
        "é",
        "\u{0}",
        "\r\n",
        "\u{feff}",
    ],
    runs: 1000,
    check,
};

#[test]
fn whatever_a_module_says() {
    // One thread for all runs: to start one takes longer than to read a text.
    on_deep_stack(|| {
        fuzz!(SOURCE);
        Ok(())
    })
    .unwrap();
}

/// Each definition may be any of hundreds, and there are hundreds of definitions.
#[test]
fn choices_within_choices_have_an_end() {
    let definitions = "config = double \"x\" 20;\n".repeat(200);
    let text = format!(
        "let double = text: n: if n == 0 then none else double (text + text) (m - 1); in {{ {definitions} }} # migrations"
    );
    let generation = read_text("x.nix", &text).unwrap();
    let mut reasons = generation.unread.iter().map(|unknown| &unknown.reason);
    assert!(
        reasons.any(|reason| reason.contains("takes too long to be followed")),
        "{:?}",
        generation.unread
    );
}

fn check(bytes: &[u8]) -> bool {
    let text = &*String::from_utf8_lossy(bytes);
    match read_alone("x.nix", text) {
        Err(error) => {
            assert_error(text, &error);
            false
        }
        Ok(generation) => {
            assert_places(text, &generation);
            if bytes.len() % 4 == 1 {
                assert_shares(text, &generation);
            }
            // A blank at the end says nothing, and reading twice tells nothing new. (It may be the byte with which a text
            // becomes so long that its depth is counted.)
            if bytes.len().is_multiple_of(4) {
                match read_alone("x.nix", &format!("{text}\n")) {
                    Ok(again) => assert_eq!(again, generation),
                    Err(SourceError::Text(error)) if error.fault == Fault::Depth => {}
                    Err(error) => panic!("{error}"),
                }
            }
            true
        }
    }
}

/// Shares of the services tell together what one alone tells, unless they say that they may not.
fn assert_shares(text: &str, generation: &Generation) {
    let parsed = Parsed::new(&Nothing, Path::new("x.nix"), text).unwrap();
    let reading = Reading {
        tree: &Nothing,
        texts: &[parsed],
        label: "x.nix",
        scripts: true,
    };
    if let Some(joined) = reading.in_shares(3).unwrap() {
        assert_eq!(joined, *generation);
    }
}

/// An error is one of a text, and what it shows is in the text.
fn assert_error(text: &str, error: &SourceError) {
    let SourceError::Text(error) = error else {
        panic!("{error}");
    };
    let lines = Lines(text.split('\n').collect());
    lines.assert(&error.at);
    let shown = |diagnostic: &dyn Diagnostic| {
        let code = diagnostic.source_code().unwrap();
        for label in diagnostic.labels().unwrap() {
            let span = label.inner();
            let content = code.read_span(span, 1, 1).unwrap();
            assert!(
                text.get(span.offset()..span.offset() + span.len()).is_some(),
                "{span:?}"
            );
            assert!(!content.data().is_empty() || text.is_empty() || span.is_empty());
        }
    };
    shown(&**error);
    for other in &error.others {
        lines.assert(&other.at);
        shown(other);
    }
    assert!(!error.to_string().is_empty());
}

struct Lines<'t>(Vec<&'t str>);

impl Lines<'_> {
    /// A place is in the text.
    fn assert(&self, place: &Location) {
        assert_eq!(place.file, "x.nix");
        let line = self.0[place.line as usize - 1];
        let columns = line.chars().count() + 1;
        assert!((1..=columns).contains(&(place.column as usize)), "{place}");
    }

    fn assert_unknown(&self, unknown: &Unknown) {
        assert!(!unknown.reason.is_empty());
        self.assert(unknown.at.as_ref().unwrap());
    }

    fn assert_setting<T>(&self, setting: &Setting<T>) {
        setting
            .unknown()
            .into_iter()
            .for_each(|unknown| self.assert_unknown(unknown));
    }
}

/// Whatever is known to stand somewhere, or cannot be told, has a place in the text.
fn assert_places(text: &str, generation: &Generation) {
    let lines = Lines(text.split('\n').collect());
    generation
        .unread
        .iter()
        .for_each(|unknown| lines.assert_unknown(unknown));
    for service in generation.services.values() {
        lines.assert_setting(&service.units);
        lines.assert_setting(&service.requires);
        lines.assert_setting(&service.state_directories);
        lines.assert_setting(&service.package);
        lines.assert_setting(&service.detect);
        lines.assert_setting(&service.oldest);
        service
            .history
            .unread
            .iter()
            .for_each(|unknown| lines.assert_unknown(unknown));
        for migration in service.history.iter() {
            lines.assert(migration.origin.as_ref().unwrap());
            migration
                .conditions
                .iter()
                .for_each(|unknown| lines.assert_unknown(unknown));
            lines.assert_setting(&migration.program);
            lines.assert_setting(&migration.cumulative);
            for direction in [Direction::Up, Direction::Down] {
                for part in Part::ALL {
                    lines.assert_setting(migration.action(direction).part(part));
                }
            }
        }
    }
    let count = Known::count(generation);
    assert!(count.known + count.unknown >= generation.services.len());
}
