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

    fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(UnitName::as_str)
    }

    fn entry(&self, unit: &UnitName) -> Option<Entry> {
        self.entries.get(unit).cloned()
    }

    fn text(&self, unit: &UnitName) -> Result<UnitText, MemoryError> {
        self.get(unit.as_str()).ok_or(MemoryError::Gone)
    }

    fn drop_ins(&self, name: &str) -> Result<BTreeMap<String, UnitText>, MemoryError> {
        let directory = format!("{name}.d");
        let one = self
            .get(&directory)
            .map(|text| ("overrides.conf".to_owned(), text));
        let prefix = format!("{directory}/");
        let more = self.texts.keys().filter_map(|name| {
            let file = name.strip_prefix(&prefix)?;
            Some((file.to_owned(), self.get(name)?))
        });
        Ok(one.into_iter().chain(more).collect())
    }

    fn program_elsewhere(&self, _: &Sought) -> Setting<Program> {
        Setting::Unset
    }

    fn script(&self, _: &UnitName, path: &str) -> Option<String> {
        self.texts.get(path).cloned()
    }
}

fn alias(unit: &str) -> Entry {
    Entry::Alias(unit.parse().unwrap())
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
        .with("mysql.service", alias("mariadb.service"), "")
        .with("mariadb.service", Entry::Unit, &runs("mariadb-10.11", ""))
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
    assert!(generation.others.contains("sshd.service") && !generation.units.contains_key("sshd.service"));
    for unit in ["mysql.service", "mariadb.service"] {
        assert_eq!(program(&generation, unit).as_deref(), Some("mariadb 10.11"));
    }
    for absent in ["redis.service", "none.service"] {
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
    assert!(service.masked.is_set());
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

#[test]
fn aliases_are_units_with_the_programs_of_theirs() {
    let head = format!(
        "X-Migration-Units=old.service wiki@1.service\nX-Migration-Package=/nix/store/{HASH}-app-2\n"
    );
    let units = Memory::default()
        .with(
            "migrate-app.service",
            Entry::Unit,
            &gate("app", &head, &["2023-01-01"]),
        )
        .with("older.service", alias("old.service"), "")
        .with("old.service", alias("app.service"), "")
        .with(
            "app.service",
            Entry::Unit,
            &runs("app-2", "X-Migration-Versions=app 2023-01-01\n"),
        )
        .with("wiki@.service", alias("book@.service"), "")
        .with(
            "book@.service",
            Entry::Unit,
            &runs("app-3", "X-Migration-Versions=app 2023-01-01\n"),
        )
        .with("a.service", alias("b.service"), "")
        .with("b.service", alias("a.service"), "")
        .with("off.service", alias("masked.service"), "")
        .with("masked.service", Entry::Masked, "");
    let mut generation = units.read();
    for unit in ["old.service", "app.service"] {
        assert_eq!(program(&generation, unit).as_deref(), Some("app 2"), "{unit}");
    }
    for unit in ["wiki@1.service", "book@1.service"] {
        assert_eq!(program(&generation, unit).as_deref(), Some("app 3"), "{unit}");
    }
    assert_eq!(generation.notes, [""; 0]);
    let wanted: Wanted = ["older.service", "off.service", "a.service"]
        .map(|unit| (unit.parse().unwrap(), ["app".to_owned()].into()))
        .into();
    look_into(&units, &wanted, &mut generation);
    assert_eq!(program(&generation, "older.service").as_deref(), Some("app 2"));
    for absent in ["off.service", "a.service"] {
        assert_eq!(generation.unit(&absent.parse().unwrap()), UnitState::Absent);
    }
}

#[test]
fn drop_ins_of_instances_and_templates_are_read_by_their_names() {
    let starts =
        |version: &str| format!("[Service]\nExecStart=\nExecStart=/nix/store/{HASH}-app-{version}/x\n");
    let head = format!("X-Migration-Units=app@a.service\nX-Migration-Package=/nix/store/{HASH}-app-2\n");
    let versions = "[Unit]\nX-Migration-Versions=app 2023-01-01\n".to_owned();
    let read = |drop_ins: &[(&str, String)]| {
        let mut units = Memory::default()
            .with(
                "migrate-app.service",
                Entry::Unit,
                &gate("app", &head, &["2023-01-01"]),
            )
            .with("app@.service", Entry::Unit, &starts("1"))
            .with("app@a.service", Entry::Instance, "")
            .with("app@a.service.d/z.conf", Entry::Unit, &versions);
        for (name, text) in drop_ins {
            units = units.with(name, Entry::Unit, text);
        }
        let generation = units.read();
        assert_eq!(generation.notes, [""; 0]);
        program(&generation, "app@a.service").unwrap()
    };
    let (template, instance) = ("app@.service.d", "app@a.service.d");
    assert_eq!(read(&[]), "app 1");
    assert_eq!(read(&[(template, starts("2"))]), "app 2");
    // Of one name, the nearest; of several, the last by name, wherever it is.
    assert_eq!(read(&[(template, starts("2")), (instance, starts("3"))]), "app 3");
    let far = format!("{template}/p.conf");
    assert_eq!(read(&[(&far, starts("2")), (instance, starts("3"))]), "app 2");
}

#[test]
fn a_masked_gate_has_instances_that_are_drop_ins() {
    let generation = Memory::default()
        .with("migrate-app.service", Entry::Masked, "")
        .with("app@.service", Entry::Unit, &runs("app-1", ""))
        .with("app@a.service", Entry::Instance, "")
        .with(
            "app@a.service.d",
            Entry::Unit,
            "[Unit]\nX-Migration-Versions=app 2023-01-01\n",
        )
        .read();
    let service = &generation.services["app"];
    let units: Vec<_> = service
        .units
        .value()
        .unwrap()
        .iter()
        .map(UnitName::as_str)
        .collect();
    assert_eq!(units, ["app@a.service"]);
    assert_eq!(service.history.len(), 1);
}

#[test]
fn drop_ins_of_a_gate_are_said_and_refused_where_they_speak_of_migrations() {
    let read = |name: &str, text: &str| {
        let units = Memory::default()
            .with(
                "migrate-app.service",
                Entry::Unit,
                &gate("app", "", &["2023-01-01"]),
            )
            .with(name, Entry::Unit, text);
        let mut generation = Generation::new("x", Kind::Closure);
        collect(&units, &mut generation).map(|()| generation)
    };
    let directory = "migrate-app.service.d";
    let harmless = read(directory, "[Service]\nNice=5\n").unwrap();
    assert_eq!(
        harmless.notes,
        ["migrate-app.service is changed by migrate-app.service.d/overrides.conf"]
    );
    assert!(harmless.services["app"].history.unread.is_empty());
    for (name, text, key) in [
        (directory, "[Service]\nExecStart=\n", "`ExecStart=`"),
        (
            directory,
            "[Unit]\nConditionPathExists=/x\n",
            "`ConditionPathExists=`",
        ),
        ("migrate-.service.d", "[Unit]\nAssertUser=x\n", "`AssertUser=`"),
        (directory, "[Unit", "what is no text of a unit"),
    ] {
        let generation = read(name, text).unwrap();
        let said = format!(
            "{name}/overrides.conf has {key}, so migrate-app.service may not run as it reads, and guard nothing"
        );
        assert_eq!(generation.notes, [said.as_str()]);
        assert_eq!(generation.services["app"].history.unread[0].reason, said);
    }
    for text in ["[Unit]\nX-Migration-Format=1\n", "[X-Migration 2024-01-01]\n"] {
        let error = read(directory, text).unwrap_err().to_string();
        assert!(error.contains("a drop-in of a gate"), "{error}");
    }
}
