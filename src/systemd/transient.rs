//! Owns what a step is as a unit of systemd: its properties, each with its reason. Sends nothing.

use std::path::{Component, Path};

use super::value::Value;
use crate::execute::chain::Links;
use crate::execute::{StepAt, units::UnitsError};

/// What systemd-run asks how a script ended: it outlives the steps at a shutdown, and is there before they begin.
pub(super) const BUS: [&str; 2] = ["dbus.service", "dbus.socket"];

/// What units without default dependencies outlive otherwise: the file systems that nobody declared, and what they are on.
const SYSTEM: [&str; 2] = ["sysinit.target", "local-fs.target"];

/// The command line of a step.
fn line(program: &Path, links: &Links, step: &StepAt) -> Result<Vec<String>, UnitsError> {
    let line = [
        program.to_string_lossy().into_owned(),
        "step".to_owned(),
        links.service.to_string(),
        links.run.to_string(),
        step.number.to_string(),
    ];
    match line.iter().find(|word| !is_plain(word)) {
        None => Ok(line.to_vec()),
        Some(word) => Err(UnitsError::Garbled(format!(
            "`{word}` cannot stand in the command line of a unit that systemd reads again"
        ))),
    }
}

/// Whether systemd keeps a word as it is when it writes a unit down and reads it again in the middle of a chain (`daemon-reload`).
fn is_plain(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@._/-".contains(&byte);
    !word.is_empty() && word.bytes().all(plain)
}

/// The arguments of `StartTransientUnit` (org.freedesktop.systemd1(5)): the last step, and those before it as auxiliary units, so
/// that all are queued or none is.
pub(super) fn chain(program: &Path, links: &Links) -> Result<Vec<Value>, UnitsError> {
    let mut units = Vec::new();
    let mut before: Option<String> = None;
    for step in &links.steps {
        let name = links.unit(step);
        let properties = properties(program, links, step, before.as_deref())?;
        units.push((name.clone(), properties));
        before = Some(name);
    }
    let Some((last, properties)) = units.pop() else {
        return Err(UnitsError::Garbled("a chain without steps".to_owned()));
    };
    let others = units
        .into_iter()
        .map(|(name, properties)| Value::Struct(vec![Value::Text(name), properties]));
    Ok(vec![
        Value::Text(last),
        // A shutdown that is under way is not to be called off.
        Value::Text("fail".to_owned()),
        properties,
        Value::Array("(sa(sv))".to_owned(), others.collect()),
    ])
}

fn properties(
    program: &Path,
    links: &Links,
    step: &StepAt,
    before: Option<&str>,
) -> Result<Value, UnitsError> {
    let line = line(program, links, step)?;
    let text = |text: &str| Value::Text(text.to_owned());
    let start = Value::Struct(vec![
        Value::Text(line[0].clone()),
        Value::texts(line),
        Value::Bool(false),
    ]);
    let mut after: Vec<String> = links.after.iter().map(ToString::to_string).collect();
    after.extend(BUS.into_iter().chain(SYSTEM).map(str::to_owned));
    after.extend(before.map(str::to_owned));
    let mounts = links.mounts.iter().filter(|mount| is_normal(mount));
    let mounts = mounts.filter_map(|mount| mount.to_str());
    let description = format!(
        "Migration of {}: step {}/{}, {} {}",
        links.service,
        step.number,
        step.of,
        step.direction.name(),
        step.version
    );
    // The next one starts when this one says that its turn has come, and waits for its own. Nobody is told that a run is over before
    // it is.
    let is_last = links.steps.last() == Some(step);
    let mut properties = vec![
        ("Description", Value::Text(description)),
        ("Type", text(if is_last { "oneshot" } else { "notify" })),
        ("ExecStart", Value::Array("(sasb)".to_owned(), vec![start])),
        ("TimeoutStartUSec", Value::Long(u64::MAX)),
        // nixmig is told to end and ends its script; else one that ignores that would hang the stop.
        ("KillMode", text("mixed")),
        // A restore takes as long as it takes.
        ("TimeoutStopUSec", Value::Long(u64::MAX)),
        // nixmig has to survive its script, to bring back what that did.
        ("OOMPolicy", text("continue")),
        (
            "SyslogIdentifier",
            Value::Text(format!("migrate-{}", links.service)),
        ),
        // At shutdown a step is told to end, too, and what it needs outlives it: its mounts, its required units, the step before.
        ("DefaultDependencies", Value::Bool(false)),
        ("Conflicts", Value::texts(["shutdown.target"])),
        ("Before", Value::texts(["shutdown.target"])),
        ("RequiresMountsFor", Value::texts(mounts)),
        ("After", Value::texts(after)),
    ];
    if let Some(before) = before {
        properties.push(("Requires", Value::texts([before])));
    }
    let properties = properties
        .into_iter()
        .map(|(name, value)| Value::Struct(vec![text(name), Value::Variant(Box::new(value))]));
    Ok(Value::Array("(sv)".to_owned(), properties.collect()))
}

/// Whether systemd takes it for a path of its own file system.
fn is_normal(path: &Path) -> bool {
    let mut parts = path.components();
    parts.next() == Some(Component::RootDir) && parts.all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Direction;

    fn links(count: usize) -> Links {
        let step = |number| StepAt {
            number,
            of: count,
            direction: Direction::Up,
            version: "2024-01-01".parse().unwrap(),
        };
        Links {
            service: "db".parse().unwrap(),
            run: "0123456789abcdef".parse().unwrap(),
            steps: (1..=count).map(step).collect(),
            after: vec!["pg.service".parse().unwrap()],
            mounts: ["/var/lib/db", "relative", "/a/../b"].map(Into::into).to_vec(),
        }
    }

    const PROGRAM: &str = "/nix/store/x-nixmig/bin/nixmig";

    fn property<'v>(properties: &'v Value, name: &str) -> Option<&'v Value> {
        let named = |one: &&Value| one.parts()[0].as_text() == Some(name);
        Some(properties.parts().iter().find(named)?.parts()[1].inner())
    }

    #[test]
    fn each_step_requires_the_one_before() {
        let arguments = chain(Path::new(PROGRAM), &links(3)).unwrap();
        let signature: String = arguments.iter().map(Value::signature).collect();
        assert_eq!(signature, "ssa(sv)a(sa(sv))");
        let name = |n| format!("migrate-db-0123456789abcdef-{n}.service");
        assert_eq!(arguments[0].as_text(), Some(name(3).as_str()));
        let others = arguments[3].parts();
        let names: Vec<_> = others
            .iter()
            .map(|other| other.parts()[0].as_text().unwrap())
            .collect();
        assert_eq!(names, [name(1), name(2)]);
        assert_eq!(
            property(&arguments[2], "Requires"),
            Some(&Value::texts([name(2)]))
        );
        let after = [
            "pg.service",
            "dbus.service",
            "dbus.socket",
            "sysinit.target",
            "local-fs.target",
            &name(2),
        ];
        assert_eq!(property(&arguments[2], "After"), Some(&Value::texts(after)));
        assert_eq!(property(&others[0].parts()[1], "Requires"), None);
        for (properties, is) in [
            (&arguments[2], "oneshot"),
            (&others[0].parts()[1], "notify"),
            (&others[1].parts()[1], "notify"),
        ] {
            assert_eq!(property(properties, "Type"), Some(&Value::Text(is.to_owned())));
        }
        assert_eq!(
            property(&arguments[2], "RequiresMountsFor"),
            Some(&Value::texts(["/var/lib/db"]))
        );
        let start = &property(&arguments[2], "ExecStart").unwrap().parts()[0];
        let words: Vec<_> = start.parts()[1]
            .parts()
            .iter()
            .filter_map(Value::as_text)
            .collect();
        assert_eq!(words, [PROGRAM, "step", "db", "0123456789abcdef", "3"]);
    }

    #[test]
    fn words_that_systemd_would_change_are_refused() {
        for word in ["", "a b", "50%", "$HOME", "a\"b", "a\\x20b", "a+b"] {
            assert!(!is_plain(word), "{word:?}");
            assert!(chain(Path::new(word), &links(1)).is_err());
        }
        assert!(chain(Path::new(PROGRAM), &links(0)).is_err());
    }
}
