//! One host, read in four ways: the same plan, but where a way must say that it cannot tell.
//!
//! What differs from the closures' plan is a snapshot, a line a place. Two rules hold besides, whatever the snapshot says:
//! nothing that closures know is *absent* elsewhere, and the path of a service is the same unless a finding says that it
//! could not be told.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use crate::cli::nixmig_in;
use crate::fixtures::{Fixtures, Generation, fixtures};

/// The ways to read a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Closure,
    Derivation,
    Evaluation,
    Source,
}

impl Way {
    const ALL: [Self; 4] = [Self::Closure, Self::Derivation, Self::Evaluation, Self::Source];

    fn name(self) -> &'static str {
        match self {
            Self::Closure => "closure",
            Self::Derivation => "derivation",
            Self::Evaluation => "evaluation",
            Self::Source => "source",
        }
    }

    fn reference(self, fixtures: &Fixtures, generation: &Generation) -> String {
        match self {
            Self::Closure => generation.toplevel.display().to_string(),
            Self::Derivation => generation.derivation.display().to_string(),
            Self::Evaluation => format!("{}#{}", fixtures.flake(), generation.name()),
            Self::Source => {
                let directory = fixtures.source(&generation.host, generation.number);
                format!("source:{}", directory.display())
            }
        }
    }
}

fn json(fixtures: &Fixtures, arguments: &[&str]) -> Value {
    let output = nixmig_in(fixtures, arguments)
        .args(["--format", "json"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The plan of two references, in which they are called OLD and NEW.
fn plan_of(fixtures: &Fixtures, old: &str, new: &str) -> Value {
    let mut plan = json(fixtures, &["diff", old, new]);
    rename(&mut plan, &[(old, "OLD"), (new, "NEW")]);
    plan
}

fn plan(fixtures: &Fixtures, old: (Way, &Generation), new: (Way, &Generation)) -> Value {
    let reference = |(way, generation): (Way, &Generation)| way.reference(fixtures, generation);
    plan_of(fixtures, &reference(old), &reference(new))
}

fn rename(value: &mut Value, names: &[(&str, &str)]) {
    match value {
        Value::String(text) => {
            for (from, to) in names {
                *text = text.replace(&format!("`{from}`"), &format!("`{to}`"));
                if text == from {
                    (*to).clone_into(text);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| rename(value, names)),
        Value::Object(fields) => fields.values_mut().for_each(|value| rename(value, names)),
        _ => {}
    }
}

/// Where two plans differ. The places in source texts and scripts in the store are left to [`knows`].
fn differences(place: &str, closure: &Value, other: &Value, found: &mut Vec<String>) {
    if closure == other {
        return;
    }
    if place.ends_with("/findings") {
        return findings(place, closure, other, found);
    }
    match (closure, other) {
        (Value::Array(services), Value::Array(others)) if place == "/services" => {
            let named = |name: &Value, among: &[Value]| {
                let mut among = among.iter();
                among.find(|service| service["name"] == *name).cloned()
            };
            for service in services {
                let name = &service["name"];
                match named(name, others) {
                    Some(other) => differences(name.as_str().unwrap(), service, &other, found),
                    None => found.push(format!("{}: not there", name.as_str().unwrap())),
                }
            }
            let mut more = others.iter().map(|service| &service["name"]);
            found.extend(
                more.by_ref()
                    .filter(|name| named(name, services).is_none())
                    .map(|name| format!("{}: also there", name.as_str().unwrap())),
            );
        }
        (Value::Object(fields), Value::Object(others)) if !is_unknown(closure) && !is_unknown(other) => {
            let keys: BTreeSet<_> = fields.keys().chain(others.keys()).collect();
            for key in keys {
                if !["origin", "path"].contains(&key.as_str()) {
                    differences(&format!("{place}/{key}"), &closure[key], &other[key], found);
                }
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            for (index, (item, other)) in items.iter().zip(others).enumerate() {
                differences(&format!("{place}/{index}"), item, other, found);
            }
        }
        _ => found.push(format!("{place}: {} → {}", brief(closure), brief(other))),
    }
}

/// Services by their names, and steps by what they are called.
fn brief(value: &Value) -> String {
    let words = |value: &Value| {
        let called = ["service", "direction", "version", "name"];
        let words: Vec<_> = called.iter().filter_map(|key| value.get(key)?.as_str()).collect();
        (!words.is_empty()).then(|| words.join(" "))
    };
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(brief).collect::<Vec<_>>().join(", ")),
        Value::String(text) if text.starts_with("sha256:") => "a digest".to_owned(),
        Value::String(text) => text.clone(),
        value => words(value).unwrap_or_else(|| value.to_string()),
    }
}

/// Findings by what they say; where each points to is a matter of the source.
fn findings(place: &str, closure: &Value, other: &Value, found: &mut Vec<String>) {
    let say = |findings: &Value| -> Vec<String> {
        let findings = findings.as_array().unwrap().iter();
        findings
            .map(|finding| {
                let word = |key: &str| finding[key].as_str().unwrap().to_owned();
                format!("{}[{}] {}", word("severity"), word("code"), word("message"))
            })
            .collect()
    };
    let (ours, theirs) = (say(closure), say(other));
    for (sign, these, those) in [('-', &ours, &theirs), ('+', &theirs, &ours)] {
        let lines = these.iter().filter(|line| !those.contains(line));
        found.extend(lines.map(|line| format!("{place} {sign} {line}")));
    }
}

fn is_unknown(value: &Value) -> bool {
    value.get("unknown").is_some()
}

/// What every plan must keep of that of the closures, however it was read.
fn assert_sound(name: &str, closure: &Value, other: &Value) {
    let services = |plan: &Value| plan["services"].as_array().unwrap().clone();
    let names = |plan: &Value| {
        services(plan)
            .iter()
            .map(|service| service["name"].clone())
            .collect::<Vec<_>>()
    };
    let says_unknown = |service: &Value| {
        let mut findings = service["findings"].as_array().unwrap().iter();
        findings.any(|finding| finding["code"] == "unknown")
    };
    let unread = |side: &str| {
        other[side]["unread"]
            .as_array()
            .is_some_and(|unread| !unread.is_empty())
    };
    // Source text shows what is under a condition, or in a container; and says so where names could not be read.
    for service in services(other) {
        let name_of = &service["name"];
        assert!(
            says_unknown(&service) || names(closure).contains(name_of),
            "{name}: {name_of} out of nowhere"
        );
    }
    for service in services(closure) {
        let name_of = service["name"].clone();
        let Some(read) = services(other).into_iter().find(|read| read["name"] == name_of) else {
            assert!(
                unread("old") || unread("new"),
                "{name}: {name_of} is lost without a word"
            );
            continue;
        };
        let says_unknown = says_unknown(&service) || says_unknown(&read);
        let versions = |service: &Value| {
            let steps = service["steps"].as_array().unwrap();
            let step = |step: &Value| (step["direction"].clone(), step["version"].clone());
            steps.iter().map(step).collect::<Vec<_>>()
        };
        assert!(
            says_unknown || versions(&service) == versions(&read),
            "{name}: another path for {}, without a word: {:?} and {:?}",
            service["name"],
            versions(&service),
            versions(&read)
        );
        let steps = |service: &Value| service["steps"].as_array().unwrap().clone();
        for step in steps(&service) {
            let same =
                |read: &&Value| read["version"] == step["version"] && read["direction"] == step["direction"];
            let reads = steps(&read);
            let Some(read) = reads.iter().find(same) else {
                continue;
            };
            for part in ["script", "warn", "backup", "restore", "verify"] {
                let (known, read) = (&step["action"][part], &read["action"][part]);
                assert!(
                    is_unknown(known) || is_unknown(read) || known.is_null() == read.is_null(),
                    "{name}: {part} of {}: {known} and {read}",
                    step["version"]
                );
            }
        }
    }
}

/// The pairs of neighbours, both ways.
fn neighbours<'a>(fixtures: &'a Fixtures, host: &str) -> Vec<(&'a Generation, &'a Generation)> {
    let of_host: Vec<_> = fixtures
        .generations()
        .iter()
        .filter(|generation| generation.host == host)
        .collect();
    let up = of_host.windows(2).map(|pair| (pair[0], pair[1]));
    let down = of_host.windows(2).map(|pair| (pair[1], pair[0]));
    up.chain(down).collect()
}

fn differences_of(host: &str) -> Option<String> {
    let fixtures = fixtures()?;
    let mut page = String::new();
    for (old, new) in neighbours(fixtures, host) {
        let closures = plan(fixtures, (Way::Closure, old), (Way::Closure, new));
        for way in Way::ALL.into_iter().skip(1) {
            let name = format!("{} → {} by {}", old.name(), new.number, way.name());
            let other = plan(fixtures, (way, old), (way, new));
            assert_sound(&name, &closures, &other);
            write_differences(&mut page, &name, &closures, &other);
        }
    }
    Some(page)
}

fn write_differences(page: &mut String, name: &str, closures: &Value, other: &Value) {
    let mut lines = Vec::new();
    for part in ["services", "order", "findings"] {
        differences(&format!("/{part}"), &closures[part], &other[part], &mut lines);
    }
    if lines.is_empty() {
        assert_eq!(closures["summary"], other["summary"], "{name}");
        writeln!(page, "{name}: the same").unwrap();
    } else {
        writeln!(page, "{name}:").unwrap();
    }
    for line in lines {
        writeln!(page, "    {line}").unwrap();
    }
}

#[test]
fn atlas_is_the_same_however_it_is_read() {
    let Some(differences) = differences_of("atlas") else {
        return;
    };
    insta::assert_snapshot!("atlas", differences);
}

#[test]
fn hermes_is_the_same_however_it_is_read() {
    let Some(differences) = differences_of("hermes") else {
        return;
    };
    insta::assert_snapshot!("hermes", differences);
}

#[test]
fn iris_is_the_same_however_it_is_read() {
    let Some(differences) = differences_of("iris") else {
        return;
    };
    insta::assert_snapshot!("iris", differences);
}

/// Every way on either side.
#[test]
fn the_two_sides_may_be_read_in_different_ways() {
    let Some(fixtures) = fixtures() else { return };
    let (old, new) = (fixtures.generation("atlas", 5), fixtures.generation("atlas", 6));
    let closures = plan(fixtures, (Way::Closure, old), (Way::Closure, new));
    let mut page = String::new();
    for before in Way::ALL {
        for after in Way::ALL {
            let name = format!("{} → {}", before.name(), after.name());
            let other = plan(fixtures, (before, old), (after, new));
            assert_sound(&name, &closures, &other);
            write_differences(&mut page, &name, &closures, &other);
        }
    }
    insta::assert_snapshot!("mixed", page);
}

/// A commit of the repository says what a directory with the same files says.
#[test]
fn source_text_may_be_that_of_a_commit() {
    let Some(fixtures) = fixtures() else { return };
    for (host, pairs) in [("atlas", [(3, 4), (6, 5)]), ("hermes", [(2, 3), (4, 3)])] {
        for (old, new) in pairs {
            let (before, after) = (fixtures.generation(host, old), fixtures.generation(host, new));
            let directories = plan(fixtures, (Way::Source, before), (Way::Source, after));
            let revision = |number: u32| format!("source:generation-{number}:.");
            let output = nixmig_in(
                fixtures,
                &["diff", &revision(old), &revision(new), "--format", "json"],
            )
            .current_dir(fixtures.repository(host))
            .output()
            .unwrap();
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            let mut commits: Value = serde_json::from_slice(&output.stdout).unwrap();
            rename(&mut commits, &[(&revision(old), "OLD"), (&revision(new), "NEW")]);
            let mut lines = Vec::new();
            for part in ["summary", "services", "order", "findings"] {
                differences(
                    &format!("/{part}"),
                    &directories[part],
                    &commits[part],
                    &mut lines,
                );
            }
            assert_eq!(lines, [""; 0], "{host} {old} → {new}");
        }
    }
}
