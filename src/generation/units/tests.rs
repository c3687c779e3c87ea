//! Tests of what units make of a generation.

use super::*;
use crate::model::{Kind, UnitState};

const HASH: &str = "0123456789abcdfghijklmnpqrsvwxyz";

/// Units in memory: name, what stands there, text; a name `x.service.d` is a drop-in.
#[derive(Default)]
struct Memory {
    entries: BTreeMap<UnitName, Entry>,
    texts: BTreeMap<String, String>,
}

#[derive(Debug, thiserror::Error)]
enum MemoryError {
    #[error("gone")]
    Gone,
    #[error(transparent)]
    Gate(#[from] Box<GateError>),
}

impl Memory {
    fn with(mut self, name: &str, entry: Entry, text: &str) -> Self {
        if let Ok(unit) = name.parse() {
            self.entries.insert(unit, entry);
        }
        if !text.is_empty() {
            self.texts.insert(name.to_owned(), text.to_owned());
        }
        self
    }

    fn get(&self, name: &str) -> Option<UnitText> {
        let text = self.texts.get(name)?;
        Some(UnitText {
            file: name.to_owned(),
            bytes: text.clone().into_bytes(),
        })
    }

    fn read(&self) -> Generation {
        let mut generation = Generation::new("x", Kind::Closure);
        collect(self, &mut generation).unwrap();
        generation
    }
}

impl Units for Memory {
    type Error = MemoryError;

    fn names(&self) -> impl Iterator<Item = &UnitName> {
        self.entries.keys()
    }

    fn entry(&self, unit: &UnitName) -> Option<Entry> {
        self.entries.get(unit).copied()
    }

    fn text(&self, unit: &UnitName) -> Result<UnitText, MemoryError> {
        self.get(unit.as_str()).ok_or(MemoryError::Gone)
    }

    fn drop_ins(&self, unit: &UnitName) -> Result<Vec<UnitText>, MemoryError> {
        Ok(self.get(&format!("{unit}.d")).into_iter().collect())
    }

    fn script(&self, _: &UnitName, path: &str) -> Option<String> {
        self.texts.get(path).cloned()
    }
}

fn gate(service: &str, head: &str, versions: &[&str]) -> String {
    let sections: String = versions
        .iter()
        .map(|version| format!("[X-Migration {version}]\n"))
        .collect();
    format!("[Unit]\nX-Migration-Format=1\nX-Migration-Service={service}\n{head}{sections}")
}

fn runs(program: &str, versions: &str) -> String {
    format!("[Unit]\n{versions}[Service]\nExecStart=/nix/store/{HASH}-{program}/bin/x\n")
}

fn program(generation: &Generation, unit: &str) -> Option<String> {
    match generation.unit(&unit.parse().unwrap()) {
        UnitState::Present(program) => program.map(crate::model::Program::display),
        state => panic!("{unit}: {state:?}"),
    }
}

#[test]
fn gated_and_known_units_have_programs_and_others_are_not_looked_into() {
    let head =
        format!("X-Migration-Units=app.service a@1.service\nX-Migration-Package=/nix/store/{HASH}-app-2\n");
    let carried = "X-Migration-Versions=app 2023-01-01\n";
    let generation = Memory::default()
        .with(
            "migrate-app.service",
            Entry::Unit,
            &gate("app", &head, &["2023-01-01"]),
        )
        .with(
            "migrate-stranger.service",
            Entry::Unit,
            "[Service]\nExecStart=/x\n",
        )
        .with("app.service", Entry::Unit, &runs("app-1.9", ""))
        .with(
            "app.service.d",
            Entry::Unit,
            &format!("[Unit]\n{carried}[Service]\nExecStart=\nExecStart=/nix/store/{HASH}-app-2.1/bin/x\n"),
        )
        .with("a@.service", Entry::Unit, &runs("app-3", carried))
        .with("postgresql.service", Entry::Unit, &runs("postgresql-17.2", ""))
        .with("mysql.service", Entry::Alias, &runs("mariadb-10", ""))
        .with("redis.service", Entry::Masked, "")
        .with("sshd.service", Entry::Unit, "")
        .read();
    assert_eq!(generation.services.len(), 1);
    assert_eq!(program(&generation, "app.service").as_deref(), Some("app 2.1"));
    assert_eq!(program(&generation, "a@1.service").as_deref(), Some("app 3"));
    assert_eq!(
        program(&generation, "postgresql.service").as_deref(),
        Some("postgresql 17.2")
    );
    assert_eq!(program(&generation, "sshd.service"), None);
    assert_eq!(program(&generation, "migrate-stranger.service"), None);
    assert!(generation.units["sshd.service"].unknown().is_some());
    for absent in ["mysql.service", "redis.service", "none.service"] {
        assert_eq!(generation.unit(&absent.parse().unwrap()), UnitState::Absent);
    }
    assert_eq!(generation.notes, [""; 0]);
}

#[test]
fn scripts_are_looked_into() {
    let script = format!("/nix/store/{HASH}-unit-script-grafana-start/bin/grafana-start");
    let generation = Memory::default()
        .with(
            "grafana.service",
            Entry::Unit,
            &format!("[Service]\nExecStart={script}\n"),
        )
        .with(
            &script,
            Entry::Unit,
            &format!("exec /nix/store/{HASH}-grafana-12.0.2/bin/grafana"),
        )
        .read();
    assert_eq!(
        program(&generation, "grafana.service").as_deref(),
        Some("grafana 12.0.2")
    );
}

#[test]
fn a_unit_that_does_not_fit_its_gate_is_noted() {
    let head = "X-Migration-Units=a.service b.service gone.service\n";
    let generation = Memory::default()
        .with(
            "migrate-app.service",
            Entry::Unit,
            &gate("app", head, &["2023-01-01"]),
        )
        .with(
            "a.service",
            Entry::Unit,
            &runs("app-1", "X-Migration-Versions=app\nX-Migration-Versions=other\n"),
        )
        .with("b.service", Entry::Unit, &runs("app-1", ""))
        .read();
    assert_eq!(
        generation.notes,
        [
            "a.service carries the versions (none) of app, its gate 2023-01-01: the gate counts",
            "a.service carries versions of other, which has no gate here",
            "b.service carries no versions of app, whose gate names it: the gate counts",
        ]
    );
}

#[test]
fn a_masked_gate_leaves_versions_and_nothing_else() {
    let generation = Memory::default()
        .with("migrate-app.service", Entry::Masked, "")
        .with("migrate-stranger.service", Entry::Masked, "")
        .with(
            "app.service",
            Entry::Unit,
            &runs("app-1", "X-Migration-Versions=app 2023-01-01 2024-01-01\n"),
        )
        .with("broken.service", Entry::Unit, "[Unit\n")
        .read();
    assert_eq!(generation.services.len(), 1);
    let service = &generation.services["app"];
    assert!(service.masked);
    assert_eq!(service.units.value().unwrap().len(), 1);
    assert_eq!(service.history.len(), 2);
    let migration = service.history.iter().next().unwrap();
    assert!(migration.up.script.unknown().is_some() && !migration.up.is_empty());
    assert_eq!(service.history.unread.len(), 1);
    assert!(
        service.history.unread[0]
            .reason
            .contains("broken.service, line 1: a broken section header")
    );
}

#[test]
fn a_broken_gate_is_an_error_and_a_broken_unit_an_unknown() {
    let broken = Memory::default().with(
        "migrate-app.service",
        Entry::Unit,
        &gate("app", "X-Migration-New=1\n", &[]),
    );
    let mut generation = Generation::new("x", Kind::Closure);
    assert!(matches!(
        collect(&broken, &mut generation),
        Err(MemoryError::Gate(_))
    ));
    let generation = Memory::default()
        .with("postgresql.service", Entry::Unit, "[Service\n")
        .with("redis.service", Entry::Unit, "")
        .read();
    let reason = |unit: &str| generation.units[unit].unknown().unwrap().reason.clone();
    assert!(reason("postgresql.service").starts_with("postgresql.service, line 1: a broken section"));
    assert_eq!(reason("redis.service"), "gone");
}
