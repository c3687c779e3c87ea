//! Snapshots of every format over plans made by hand, and what holds for all of them.

mod samples;

use std::collections::BTreeSet;

use super::*;
use crate::plan;
use samples::Sample;

/// A sample's name, and what makes it.
type Named = (&'static str, fn() -> Sample);

const SAMPLES: [Named; 7] = [
    ("everyday", samples::everyday),
    ("both_ways", samples::both_ways),
    ("first_contact", samples::first_contact),
    ("refused", samples::refused),
    ("hostile", samples::hostile),
    ("unknown", samples::unknown),
    ("empty", samples::empty),
];

fn write(sample: &Sample, format: Format, options: Options) -> String {
    let Sample { old, new, plan } = sample;
    Diff {
        old: Origin::Generation(old),
        new,
        plan,
    }
    .write(format, options)
}

/// What remains where colours are not wanted.
fn bare(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

const WITH_SCRIPTS: Options = Options {
    width: 90,
    scripts: true,
    chosen: false,
};

fn options(name: &str) -> Options {
    Options {
        scripts: name == "hostile",
        ..WITH_SCRIPTS
    }
}

#[test]
fn diffs() {
    for (name, sample) in SAMPLES {
        let sample = sample();
        let write = |format| write(&sample, format, options(name));
        insta::assert_snapshot!(format!("{name}.text"), bare(&write(Format::Text)));
        insta::assert_snapshot!(format!("{name}.json"), write(Format::Json));
        insta::assert_snapshot!(format!("{name}.markdown"), write(Format::Markdown));
    }
}

#[test]
fn shows() {
    let generation = samples::generation();
    let write = |format| show(&generation, format, WITH_SCRIPTS);
    insta::assert_snapshot!("show.text", bare(&write(Format::Text)));
    insta::assert_snapshot!("show.json", write(Format::Json));
    insta::assert_snapshot!("show.markdown", write(Format::Markdown));
}

#[test]
fn a_narrow_page_and_its_colours() {
    let options = Options {
        width: 40,
        scripts: false,
        chosen: false,
    };
    let text = write(&samples::everyday(), Format::Text, options);
    insta::assert_snapshot!("narrow.text", text.replace('\x1b', "␛"));
}

#[test]
fn nothing_breakable_is_wider_than_the_page() {
    for (name, sample) in SAMPLES {
        for width in [40, 60, 80, 100] {
            let text = bare(&write(
                &sample(),
                Format::Text,
                Options {
                    width,
                    scripts: false,
                    chosen: false,
                },
            ));
            for line in text.lines().filter(|line| line.chars().count() > width) {
                let rest = line.trim_start();
                let breakable =
                    rest.contains(' ') && !(rest.starts_with('`') && rest.matches('`').count() == 2);
                assert!(
                    !breakable,
                    "{name} at {width}: a line could have been broken: {line:?}"
                );
            }
        }
    }
}

/// Whatever the texts hold, nothing but the colours and line feeds of the report acts on a terminal.
#[test]
fn foreign_texts_cannot_act() {
    let hostile = samples::hostile();
    for format in [Format::Text, Format::Markdown] {
        let text = write(&hostile, format, WITH_SCRIPTS);
        let text = text
            .split("\x1b[")
            .enumerate()
            .map(|(index, rest)| match index {
                0 => rest,
                _ => {
                    let (colour, rest) = rest.split_once('m').expect("a colour ends in m");
                    assert!(
                        colour.bytes().all(|byte| byte.is_ascii_digit() || byte == b';'),
                        "{colour:?}"
                    );
                    rest
                }
            })
            .collect::<String>();
        let acting = text
            .chars()
            .find(|&char| char != '\n' && (char.is_control() || char == '\u{202e}'));
        assert_eq!(acting, None);
        assert!(text.contains("\\x1b[2J"), "{text}");
    }
    let json = write(&hostile, Format::Json, WITH_SCRIPTS);
    assert!(!json.contains('\x1b'));
}

const DIFF_SCHEMA: &str = include_str!("../../../docs/schema/diff.schema.json");
const SHOW_SCHEMA: &str = include_str!("../../../docs/schema/show.schema.json");

fn validator(schema: &str) -> jsonschema::Validator {
    let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

fn assert_valid(schema: &jsonschema::Validator, document: &str) {
    let document: serde_json::Value = serde_json::from_str(document).unwrap();
    let errors: Vec<_> = schema
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn documents_are_as_their_schemas_have_it() {
    let diff = validator(DIFF_SCHEMA);
    for (_, sample) in SAMPLES {
        for scripts in [false, true] {
            assert_valid(
                &diff,
                &write(
                    &sample(),
                    Format::Json,
                    Options {
                        scripts,
                        ..WITH_SCRIPTS
                    },
                ),
            );
        }
    }
    let one = validator(SHOW_SCHEMA);
    for generation in [samples::generation(), samples::empty().new] {
        assert_valid(&one, &show(&generation, Format::Json, WITH_SCRIPTS));
    }
}

/// Every object of a schema lists all of its members: what is not there, or not known, is a mistake.
#[test]
fn schemas_are_strict() {
    fn check(value: &serde_json::Value, at: &str) {
        let Some(object) = value.as_object() else { return };
        if object.get("type").is_some_and(|kind| kind == "object") {
            if let Some(properties) = object.get("properties") {
                assert_eq!(object.get("additionalProperties"), Some(&false.into()), "{at}");
                let all: BTreeSet<_> = properties.as_object().unwrap().keys().cloned().collect();
                let required: BTreeSet<_> = object["required"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|name| name.as_str().unwrap().to_owned())
                    .collect();
                assert_eq!(all, required, "{at}");
            } else {
                assert!(object.contains_key("propertyNames"), "{at}");
            }
        }
        for (key, value) in object {
            check(value, &format!("{at}/{key}"));
        }
        for (key, values) in object {
            for value in values.as_array().into_iter().flatten() {
                check(value, &format!("{at}/{key}[]"));
            }
        }
    }
    for (name, schema) in [("diff", DIFF_SCHEMA), ("show", SHOW_SCHEMA)] {
        check(&serde_json::from_str(schema).unwrap(), name);
    }
}

#[test]
fn a_choice_keeps_the_order_and_what_is_of_no_service() {
    let sample = samples::everyday();
    let plan = only_plan(&sample.plan, &BTreeSet::from(["postgresql".parse().unwrap()]));
    let order: Vec<_> = plan
        .steps()
        .map(|(service, step)| format!("{} {}", service.name, step.version()))
        .collect();
    assert_eq!(order, ["postgresql 2024-10-01", "postgresql 2025-04-01"]);
    assert!(plan.findings.is_empty());
    let plan = only_plan(&samples::unknown().plan, &BTreeSet::new());
    assert_eq!(
        plan.findings.len(),
        1,
        "a place that could not be read may be of any service"
    );
}

#[test]
fn a_choice_of_a_generation_keeps_the_programs_of_its_services() {
    let generation = samples::generation();
    let all: Vec<_> = names([&generation])
        .into_iter()
        .map(|name| name.to_string())
        .collect();
    assert_eq!(
        all,
        ["bare", "mariadb", "mysql", "postgresql", "redis", "valkey"],
        "where no program is known, each that the unit may be"
    );
    let only = only_generation(&generation, &BTreeSet::from(["mysql".parse().unwrap()]));
    assert!(only.services.is_empty());
    let units: Vec<_> = only.units.keys().map(ToString::to_string).collect();
    assert_eq!(units, ["mysql.service"]);
}

#[test]
fn what_several_services_have_in_common_is_said_once() {
    let mut sample = samples::everyday();
    let common = &samples::both_ways().plan.services[0].findings[0];
    for service in &mut sample.plan.services[..2] {
        service.findings.push(plan::Finding {
            service: Some(service.name.clone()),
            message: "nextcloud and postgresql are alike".to_owned(),
            ..common.clone()
        });
    }
    let text = bare(&write(&sample, Format::Text, WITH_SCRIPTS));
    assert_eq!(text.matches("are alike").count(), 1, "{text}");
}
