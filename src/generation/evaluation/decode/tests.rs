use proptest::prelude::*;
use serde_json::json;

use super::*;

/// The example of docs/formats.md, which states the format.
fn example() -> Value {
    const FORMATS: &str = include_str!("../../../../docs/formats.md");
    let (_, rest) = FORMATS.split_once("```json\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    serde_json::from_str(example).unwrap()
}

fn decode_value(value: &Value) -> Result<Vec<Answer>, DecodeError> {
    decode(value.to_string().as_bytes())
}

fn system(value: &Value) -> Projection {
    match decode_value(&json!([value])).unwrap().remove(0) {
        Answer::System(projection) => projection,
        Answer::Missing(missing) => panic!("{missing:?}"),
    }
}

#[test]
fn the_example_of_the_format_is_read() {
    let mut generation = Generation::new("x", crate::model::Kind::Evaluation);
    system(&example()).fill(&mut generation);
    assert_eq!(generation.release.value().unwrap().to_string(), "26.05");
    let unit: UnitName = "postgresql.service".parse().unwrap();
    assert_eq!(
        generation.units[&unit].value().unwrap().display(),
        "postgresql 17.2"
    );
    let service = &generation.services["postgresql"];
    assert_eq!(service.package.value().unwrap().display(), "postgresql 17.2");
    assert!(service.detect.is_set() && service.oldest.is_unset());
    assert!(service.units.value().unwrap().contains(&unit));
    assert_eq!(service.requires.value().unwrap().len(), 1);
    assert_eq!(service.acknowledge.len(), 1);
    assert_eq!(
        service.state_directories.value().unwrap(),
        &["/var/lib/postgresql"]
    );
    let step = service.history.iter().next().unwrap();
    assert_eq!(step.version.to_string(), "2023-09-14");
    assert_eq!(step.program.value().unwrap(), "16");
    assert!(step.cumulative.is_set());
    assert_eq!(
        step.origin.as_ref().unwrap().to_string(),
        "/etc/nixos/db.nix:12:7"
    );
    assert!(Part::ALL.iter().all(|&part| step.up.part(part).is_set()));
    assert_eq!(step.up.warn.value().unwrap().text.as_deref(), Some("…"));
    assert!(step.down.script.is_set() && step.down.backup.is_unset());
}

#[test]
fn texts_are_there_when_asked_for_and_digests_always() {
    let digest = format!("sha256:{}", "0a".repeat(32));
    let mut example = example();
    example["services"]["postgresql"]["steps"]["2023-09-14"]["down"] =
        json!({ "script": { "text": "true\n" }, "digest": digest });
    let services = system(&example).services;
    let step = services["postgresql"].history.iter().next().unwrap();
    assert_eq!(step.down.script.value().unwrap().text.as_deref(), Some("true\n"));
    assert_eq!(step.down.digest.unwrap().to_string(), digest);
}

#[test]
fn units_without_a_known_program_are_not_looked_into() {
    let mut example = example();
    let gated = json!(["a.service", "postgresql.service"]);
    example["services"]["postgresql"]["units"] = gated.clone();
    for (units, complete) in [(json!(null), false), (gated, true)] {
        example["units"] = units;
        let mut generation = Generation::new("x", crate::model::Kind::Evaluation);
        system(&example).fill(&mut generation);
        assert!(generation.units["a.service"].unknown().is_some());
        assert!(generation.units["postgresql.service"].is_set());
        assert_eq!(generation.units_complete, complete);
    }
}

#[test]
fn a_unit_that_is_switched_off_is_not_there() {
    let mut example = example();
    example["services"]["postgresql"]["masked"] = json!(true);
    example["units"] = json!(["sshd.service", "no unit"]);
    let mut generation = Generation::new("x", crate::model::Kind::Evaluation);
    system(&example).fill(&mut generation);
    assert!(generation.services["postgresql"].masked.is_set());
    let units: Vec<_> = generation.units.keys().map(UnitName::as_str).collect();
    assert_eq!(units, ["sshd.service"]);
}

#[test]
fn instances_have_units_of_their_own() {
    let mut example = example();
    example["programs"] = json!({ "redis": { "name": "redis", "version": "7.2.4", "instances": ["", "gitlab", "not a unit"] } });
    let units: Vec<_> = system(&example)
        .programs
        .into_keys()
        .map(|unit| unit.to_string())
        .collect();
    assert_eq!(units, ["redis-gitlab.service", "redis.service"]);
}

#[test]
fn releases_of_others_are_unknown_and_none_is_none() {
    let mut example = example();
    example["release"] = json!("rolling");
    assert!(system(&example).release.unknown().is_some());
    example["release"] = json!(null);
    assert!(system(&example).release.is_unset());
}

#[test]
fn what_is_missing_is_told() {
    let answer = json!([{ "missing": "host", "name": "x", "there": ["a", "b"] }]);
    let Answer::Missing(missing) = decode_value(&answer).unwrap().remove(0) else {
        panic!("it is missing");
    };
    assert_eq!(missing.kind, MissingKind::Host);
    assert_eq!(missing.there, ["a", "b"]);
}

#[test]
fn errors_name_the_place() {
    let steps = "/services/postgresql/steps";
    let step = "/services/postgresql/steps/2023-09-14";
    for (pointer, value, error) in [
        (
            "/format",
            json!(2),
            "`[0].format` is format 2, and this nixmig reads format 1: a newer one is needed",
        ),
        (
            "/format",
            json!("1"),
            "`[0].format` is not the number of a format",
        ),
        (
            "/services",
            json!([]),
            "`[0].services` must be an attribute set and is a list",
        ),
        (
            "/services/postgresql/oldest",
            json!("2023-02-30"),
            "`[0].services.postgresql.oldest` is wrong: `2023-02-30` is not a version: the calendar has no such day",
        ),
        (
            "/services/postgresql/units",
            json!(["postgresql.service", 5]),
            "`[0].services.postgresql.units[1]` must be a string and is a number",
        ),
        (
            "/services/postgresql/stateDirectories",
            json!(null),
            "must be a list and is null",
        ),
        (
            "/services/postgresql/package",
            json!("/nix/store/x"),
            "must be an attribute set and is a string",
        ),
        (
            "/services/postgresql/extra",
            json!(1),
            "`[0].services.postgresql` has `extra`, which is not known here",
        ),
        (
            steps,
            json!({ "20230407": {} }),
            "`[0].services.postgresql.steps.20230407` is wrong: `20230407` is not",
        ),
        (step, json!({}), "steps.2023-09-14` has no `cumulative`"),
        (
            "/services/postgresql/steps/2023-09-14/cumulative",
            json!("yes"),
            "must be a boolean and is a string",
        ),
        (
            "/services/postgresql/steps/2023-09-14/up/script",
            json!(false),
            "up.script` must be an attribute set",
        ),
        (
            "/services/postgresql/steps/2023-09-14/up/warn",
            json!(true),
            "up.warn` must be a string and is a boolean",
        ),
        (
            "/services/postgresql/steps/2023-09-14/up/digest",
            json!("md5:x"),
            "`md5:x` is not a digest",
        ),
        (
            "/programs",
            json!({ "nobody": { "name": "x", "version": "1" } }),
            "is not a well-known service",
        ),
    ] {
        let mut example = example();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        example.pointer_mut(parent).unwrap()[name] = value;
        let text = decode_value(&json!([example])).unwrap_err().to_string();
        assert!(text.contains(error), "{pointer}: {text}");
    }
    let mut odd = example();
    odd["services"]["a \"b"] = json!({});
    let text = decode_value(&json!([odd])).unwrap_err().to_string();
    assert!(text.starts_with(r#"`[0].services."a \"b"` is wrong"#), "{text}");
    assert_eq!(
        decode(b"{}").unwrap_err().to_string(),
        "`the whole` must be a list and is an attribute set"
    );
    assert!(matches!(decode(b"[{\"x\":}"), Err(DecodeError::Json(_))));
    assert!(matches!(
        decode("[".repeat(100_000).as_bytes()),
        Err(DecodeError::Json(_))
    ));
}

#[test]
fn places_have_a_line_and_a_column() {
    let at = |text| location(text).map(|location| location.to_string());
    assert_eq!(at("/a b:c.nix:3:4").as_deref(), Some("/a b:c.nix:3:4"));
    for text in ["", "x", "a.nix:3", "a.nix:x:y", "<unknown-file>"] {
        assert_eq!(at(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn never_panics(bytes in any::<Vec<u8>>()) {
        let _ = decode(&bytes);
    }

    #[test]
    fn never_panics_on_what_is_nearly_right(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = json!([example()]).to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = decode(&bytes);
    }
}

#[test]
fn a_program_may_be_unknown() {
    let mut example = example();
    example["units"] = json!(["postgresql.service", "redis-a.service", "redis-b.service"]);
    example["programs"] =
        json!({ "postgresql": { "unknown": true }, "redis": { "unknown": true, "instances": ["a"] } });
    let mut generation = Generation::new("x", crate::model::Kind::Evaluation);
    system(&example).fill(&mut generation);
    let reason = |unit: &str| generation.units[unit].unknown().unwrap().reason.clone();
    assert_eq!(
        reason("postgresql.service"),
        "the package of the service `postgresql` does not evaluate"
    );
    assert!(reason("redis-a.service").contains("`redis`"));
    assert!(reason("redis-b.service").contains("does not look into units"));
    for program in [
        json!({ "unknown": false }),
        json!({ "unknown": true, "name": "postgresql" }),
    ] {
        example["programs"] = json!({ "postgresql": program });
        assert!(decode_value(&json!([example])).is_err(), "{program}");
    }
}
