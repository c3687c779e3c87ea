//! What must hold of all that Nix may write.

use serde_json::json;

use super::*;
use crate::fuzzing::{Target, fuzz};
use crate::model::{Kind, KnownService};

const JSON: Target = Target {
    name: "json",
    also: &[],
    words: &[
        "[",
        "]",
        "{",
        "}",
        "[[",
        "{\"\":",
        ",",
        ":",
        "\"",
        "\\",
        "\\u0000",
        "\\ud800",
        "\\ud83d\\ude00",
        "\"\"",
        "[]",
        "{}",
        "null",
        "true",
        "false",
        "0",
        "-1",
        "1e999",
        "18446744073709551616",
        "1.5",
        "\"2024-02-29.1\"",
        "\"2023-02-30\"",
        "\"a@b.service\"",
        "\"25.05pre\"",
        "\"x:1:1\"",
        "\"x:4294967296:0\"",
        "{\"text\":\"a\"}",
        "{\"name\":\"a\",\"version\":\"\"}",
        "\"instances\":[\"\",\"a b\",\"c\"],",
        "\"redis\":{\"instances\":[\"\",\"x\"],\"name\":\"redis\",\"version\":\"7\"},",
        "\"format\":2,",
        "\"oldest\":\"2023-01-01\",",
        "\"program\":\"16\",",
        "\"cumulative\":true,",
        "\"detect\":{\"text\":\"\"},",
        "\"masked\":true,",
        "\"unknown\":true,",
        "\"units\":null,",
        "\"missing\":\"configuration\",",
        "\"there\":[],",
        "\"new\":1,",
        "\"digest\":\"sha256:0000000000000000000000000000000000000000000000000000000000000000\",",
        "\n",
        "é",
    ],
    runs: 2000,
    check,
};

#[test]
fn whatever_nix_writes() {
    fuzz!(JSON);
}

fn check(text: &[u8]) -> bool {
    let answers = match decode(text) {
        Err(error) => {
            assert_error(text, &error);
            return false;
        }
        Ok(answers) => answers,
    };
    let written = Value::Array(answers.iter().map(written).collect());
    let again = decode(written.to_string().as_bytes()).unwrap();
    for (again, answer) in again.into_iter().zip(&answers) {
        match (again, answer) {
            (Answer::System(mut again), Answer::System(projection)) => {
                // Of a release that is none, only why is kept.
                if projection.release.unknown().is_some() {
                    again.release.clone_from(&projection.release);
                }
                assert_eq!(&again, projection, "{written}");
            }
            (again, answer) => assert_eq!(&again, answer),
        }
    }
    for answer in answers {
        if let Answer::System(projection) = answer {
            let count = projection.services.len();
            let mut generation = Generation::new("x", Kind::Evaluation);
            projection.fill(&mut generation);
            assert_eq!(generation.services.len(), count);
        }
    }
    true
}

/// An error names a place that is there.
fn assert_error(text: &[u8], error: &DecodeError) {
    match error {
        DecodeError::Json(error) => {
            let lines: Vec<_> = text.split(|&byte| byte == b'\n').collect();
            // The end of a text may be the beginning of a line.
            let line = lines
                .get(error.line().saturating_sub(1))
                .copied()
                .unwrap_or_default();
            assert!(
                error.line() <= lines.len() && error.column() <= line.len() + 1,
                "{error}"
            );
            assert!(serde_json::from_slice::<Value>(text).is_err());
        }
        DecodeError::Format { place, .. } => assert!(place.ends_with(".format")),
        DecodeError::Count { .. } => panic!("nobody asked for a number of systems"),
        DecodeError::Value { place, .. } => {
            let whole: Value = serde_json::from_slice(text).unwrap();
            assert!(
                place == "the whole" || whole.is_array() && place.starts_with('['),
                "{place}"
            );
        }
    }
    assert!(!error.to_string().is_empty());
}

/// An answer as docs/formats.md has it.
fn written(answer: &Answer) -> Value {
    match answer {
        Answer::Missing(missing) => {
            let kind = match missing.kind {
                MissingKind::Host => "host",
                MissingKind::Specialisation => "specialisation",
                MissingKind::Container => "container",
                MissingKind::Configuration => "configuration",
            };
            json!({ "missing": kind, "name": missing.name, "there": missing.there })
        }
        Answer::System(projection) => json!({
            "format": FORMAT,
            "release": projection.release.value().map(Release::to_string),
            "services": projection.services.values().map(written_service).collect::<serde_json::Map<_, _>>(),
            "units": projection.units.as_ref().map(names),
            "programs": written_programs(&projection.programs),
        }),
    }
}

fn names(units: &BTreeSet<UnitName>) -> Vec<&str> {
    units.iter().map(UnitName::as_str).collect()
}

fn written_service(service: &Service) -> (String, Value) {
    let steps: serde_json::Map<_, _> = service
        .history
        .iter()
        .map(|migration| (migration.version.to_string(), written_step(migration)))
        .collect();
    let value = json!({
        "masked": service.masked.is_set(),
        "units": service.units.value().map(names),
        "requires": service.requires.value().map(names),
        "package": service.package.value().map(written_program),
        "stateDirectories": service.state_directories.value(),
        "detect": service.detect.value().map(written_text),
        "oldest": service.oldest.value().map(Version::to_string),
        "acknowledge": service.acknowledge.iter().map(Version::to_string).collect::<Vec<_>>(),
        "steps": steps,
    });
    (service.name.to_string(), value)
}

fn written_step(migration: &Migration) -> Value {
    json!({
        "program": migration.program.value(),
        "cumulative": migration.cumulative.is_set(),
        "origin": migration.origin.as_ref().map(Location::to_string),
        "up": written_action(&migration.up),
        "down": written_action(&migration.down),
    })
}

fn written_action(action: &Action) -> Value {
    let mut value = json!({ "digest": action.digest.map(|digest| digest.to_string()) });
    for part in Part::ALL {
        let text = action.part(part).value();
        value[part.name()] = match part {
            Part::Warn => json!(text.and_then(|text| text.text.as_ref())),
            _ => json!(text.map(written_text)),
        };
    }
    value
}

fn written_text(text: &Text) -> Value {
    match &text.text {
        Some(words) => json!({ "text": words }),
        None => json!(true),
    }
}

fn written_program(program: &Program) -> Value {
    json!({ "name": program.name, "version": program.version.as_deref().unwrap_or_default() })
}

/// Each unit's program, by a well-known service that has the unit and no other program yet: some share their units.
fn written_programs(programs: &BTreeMap<UnitName, Setting<Program>>) -> Value {
    let mut written = BTreeMap::<&str, (&Setting<Program>, Vec<&str>)>::new();
    for (unit, program) in programs {
        let fits = |known: &&KnownService| {
            let named = |unknown: &Unknown| unknown.reason.contains(&format!("`{}`", known.name));
            let others = written.get(known.name);
            known.has_unit(unit.as_str())
                && program.unknown().is_none_or(named)
                && others.is_none_or(|(other, _)| *other == program)
        };
        let known = known_services().iter().find(fits).unwrap();
        let instance = match known.units.first() == Some(&unit.as_str()) {
            true => Some(""),
            false => known.units.iter().find_map(|pattern| {
                let (before, after) = pattern.split_once('*')?;
                unit.as_str().strip_prefix(before)?.strip_suffix(after)
            }),
        };
        let (_, instances) = written.entry(known.name).or_insert((program, Vec::new()));
        instances.extend(instance);
    }
    let entry = |(name, (program, instances)): (&str, (&Setting<Program>, Vec<&str>))| {
        let mut entry = program
            .value()
            .map_or_else(|| json!({ "unknown": true }), written_program);
        entry["instances"] = json!(instances);
        (name.to_owned(), entry)
    };
    Value::Object(written.into_iter().map(entry).collect())
}
