//! Tests on closures that no Nix would build.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use super::*;
use crate::generation::evaluation::Inside;
use crate::generation::reference::Toplevel;
use crate::model::{Program, UnitState};

const HASH: &str = "0123456789abcdfghijklmnpqrsvwxyz";

/// A root directory with a store, a profile of one generation, and its system, laid out as NixOS does.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(machine.at("nix/var/nix/profiles")).unwrap();
        fs::create_dir_all(machine.at("run")).unwrap();
        fs::create_dir_all(machine.units()).unwrap();
        let (system, etc) = (machine.store("nixos-system-x"), machine.store("etc"));
        symlink(format!("{etc}/etc"), machine.at(&system).join("etc")).unwrap();
        fs::write(machine.at(&system).join("nixos-version"), "24.11-with-xen").unwrap();
        let release = "ID=nixos\nBUILD_ID=\"25.05.20250601.abcdef\"\nVERSION_ID=\"25.05\"\n";
        fs::write(machine.at(&etc).join("etc/os-release"), release).unwrap();
        symlink(&system, machine.at("nix/var/nix/profiles/system-3-link")).unwrap();
        symlink("system-3-link", machine.at("nix/var/nix/profiles/system")).unwrap();
        machine
    }

    /// A store path, and its place below the root with a directory there.
    fn store(&self, name: &str) -> String {
        let path = format!("/nix/store/{HASH}-{name}");
        fs::create_dir_all(self.at(&path)).unwrap();
        path
    }

    fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.0.path().join(path.strip_prefix("/").unwrap_or(path))
    }

    fn units(&self) -> PathBuf {
        let units = self.at(self.store("etc")).join("etc/systemd/system");
        fs::create_dir_all(&units).unwrap();
        units
    }

    /// Adds a unit as NixOS does: a file in a store path of its own, and a link to it.
    fn unit(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.store(&format!("unit-{name}"));
        fs::write(self.at(&path).join(name), text).unwrap();
        symlink(format!("{path}/{name}"), self.units().join(name)).unwrap();
    }

    fn options(&self) -> ReadOptions {
        ReadOptions {
            root: self.0.path().to_owned(),
            ..ReadOptions::default()
        }
    }

    fn read_as(&self, toplevel: Toplevel, inside: &[Inside]) -> Result<Generation, ClosureError> {
        let inside = inside.to_vec();
        let root = Root::new(self.0.path())?;
        read(&root, &Closure { toplevel, inside }, "x", &self.options())
    }

    fn read(&self) -> Result<Generation, ClosureError> {
        self.read_as(Toplevel::Generation("3".to_owned()), &[])
    }

    /// The words of the error, the root written `ROOT`.
    fn words(&self, result: Result<Generation, ClosureError>) -> String {
        let root = fs::canonicalize(self.0.path()).unwrap();
        result
            .unwrap_err()
            .to_string()
            .replace(root.to_str().unwrap(), "ROOT")
    }
}

fn gate(rest: &str) -> String {
    format!("[Unit]\nX-Migration-Format=1\nX-Migration-Service=app\n{rest}")
}

fn program(generation: &Generation, unit: &str) -> Option<String> {
    match generation.unit(&unit.parse().unwrap()) {
        UnitState::Present(program) => program.map(Program::display),
        state => panic!("{unit}: {state:?}"),
    }
}

#[test]
fn a_system_is_read_below_another_root() {
    let machine = Machine::new();
    machine.unit(
        "migrate-app.service",
        gate("X-Migration-Units=app.service\n[X-Migration 2023-01-01]\n"),
    );
    let starts =
        |version: &str| format!("[Service]\nExecStart=\nExecStart=/nix/store/{HASH}-app-{version}/bin/app\n");
    machine.unit(
        "app.service",
        format!("[Unit]\nX-Migration-Versions=app 2023-01-01\n{}", starts("1")),
    );
    machine.unit(
        "postgresql.service",
        format!("[Service]\nExecStart=/nix/store/{HASH}-postgresql-15.10/bin/x\n"),
    );
    symlink("app.service", machine.units().join("alias.service")).unwrap();
    symlink("/dev/null", machine.units().join("plain.service")).unwrap();
    let off = machine.store("unit-redis.service-disabled");
    symlink("/dev/null", machine.at(&off).join("redis.service")).unwrap();
    symlink(
        format!("{off}/redis.service"),
        machine.units().join("redis.service"),
    )
    .unwrap();
    let drop_ins = machine.units().join("app.service.d");
    fs::create_dir(&drop_ins).unwrap();
    fs::write(drop_ins.join("b.conf"), starts("3")).unwrap();
    fs::write(drop_ins.join("a.conf"), starts("2")).unwrap();
    fs::write(drop_ins.join("c.txt"), starts("9")).unwrap();
    symlink("/dev/null", drop_ins.join("d.conf")).unwrap();

    for toplevel in [
        Toplevel::Generation("3".to_owned()),
        Toplevel::Path("/nix/var/nix/profiles/system".into()),
        Toplevel::Path(format!("/nix/store/{HASH}-nixos-system-x").into()),
    ] {
        let generation = machine.read_as(toplevel, &[]).unwrap();
        assert_eq!(
            generation.identity,
            Some(format!("/nix/store/{HASH}-nixos-system-x"))
        );
        assert_eq!(generation.release.value().unwrap().to_string(), "25.05");
        assert_eq!(generation.services["app"].history.len(), 1);
        assert_eq!(program(&generation, "app.service").as_deref(), Some("app 3"));
        assert_eq!(
            program(&generation, "postgresql.service").as_deref(),
            Some("postgresql 15.10")
        );
        for absent in ["redis.service", "none.service"] {
            assert_eq!(
                generation.unit(&absent.parse().unwrap()),
                UnitState::Absent,
                "{absent}"
            );
        }
        for not_read in ["alias.service", "plain.service"] {
            assert_eq!(program(&generation, not_read), None, "{not_read}");
        }
        assert_eq!(generation.notes, [""; 0]);
    }
}

#[test]
fn a_further_unit_is_looked_into_through_its_alias_and_is_absent_where_it_is_masked() {
    let machine = Machine::new();
    let text = format!("[Service]\nExecStart=/nix/store/{HASH}-app-3/bin/app\n");
    machine.unit("app.service", text);
    symlink("app.service", machine.units().join("alias.service")).unwrap();
    symlink("/dev/null", machine.units().join("plain.service")).unwrap();
    let mut generation = machine.read().unwrap();
    let names = ["alias.service", "plain.service"];
    let wanted: Wanted = names
        .map(|unit| (unit.parse().unwrap(), ["app".to_owned()].into()))
        .into();
    let closure = Closure {
        toplevel: Toplevel::Generation("3".to_owned()),
        inside: Vec::new(),
    };
    look_into(&mut generation, &closure, &wanted, &machine.options()).unwrap();
    assert_eq!(program(&generation, "alias.service").as_deref(), Some("app 3"));
    let plain = "plain.service".parse().unwrap();
    assert_eq!(generation.unit(&plain), UnitState::Absent);
}

#[test]
fn an_instance_may_be_no_more_than_drop_ins_of_a_template() {
    let machine = Machine::new();
    machine.unit("app@.service", "[Service]\nExecStart=/x\n");
    let head = "X-Migration-Units=app@a.service\n[X-Migration 2023-01-01]\n";
    machine.unit("migrate-app.service", gate(head));
    for instance in ["app@a.service.d", "gone@a.service.d"] {
        let directory = machine.units().join(instance);
        fs::create_dir(&directory).unwrap();
        let text = format!(
            "[Unit]\nX-Migration-Versions=app 2023-01-01\n[Service]\nExecStart=\nExecStart=/nix/store/{HASH}-app-2/x\n"
        );
        fs::write(directory.join("overrides.conf"), text).unwrap();
    }
    let generation = machine.read().unwrap();
    assert_eq!(program(&generation, "app@a.service").as_deref(), Some("app 2"));
    assert_eq!(
        generation.unit(&"gone@a.service".parse().unwrap()),
        UnitState::Absent
    );
    assert_eq!(generation.notes, [""; 0]);
}

#[test]
fn the_label_tells_the_release_only_where_there_is_no_os_release() {
    let machine = Machine::new();
    let system = machine.at(format!("/nix/store/{HASH}-nixos-system-x"));
    let file = system.join("nixos-version");
    let release = || machine.read().unwrap().release;
    let os_release = machine.at(machine.store("etc")).join("etc/os-release");
    fs::write(&os_release, "BUILD_ID=mine\n").unwrap();
    assert!(release().unknown().unwrap().reason.contains("BUILD_ID"));
    fs::remove_file(&os_release).unwrap();
    assert_eq!(release().value().unwrap().to_string(), "24.11");
    fs::write(&file, "with-xen-24.11").unwrap();
    assert!(release().unknown().unwrap().reason.contains("with-xen-24.11"));
    fs::remove_file(&file).unwrap();
    assert!(release().is_unset());
    symlink("/nix/gone", &os_release).unwrap();
    assert!(release().unknown().unwrap().reason.contains("dangling"));
}

#[test]
fn what_is_no_system_says_what_was_looked_for() {
    let machine = Machine::new();
    fs::create_dir(machine.at("empty")).unwrap();
    fs::write(machine.at("file"), "").unwrap();
    symlink("/nix/gone", machine.at("dangling")).unwrap();
    symlink("/loop", machine.at("loop")).unwrap();
    let path = |path: &str| machine.words(machine.read_as(Toplevel::Path(path.into()), &[]));
    let not = "is not the closure of a NixOS system: it has no directory etc/systemd/system";
    assert_eq!(path("/empty"), format!("/empty {not}"));
    assert_eq!(path("/file"), format!("/file {not}"));
    assert_eq!(path("/none"), "ROOT/none is not there");
    assert_eq!(
        path("/dangling"),
        "ROOT/dangling is a dangling link: ROOT/dangling -> /nix/gone, and ROOT/nix/gone is not there"
    );
    assert_eq!(
        path("/loop"),
        "ROOT/loop leads in a circle of links: ROOT/loop -> /loop"
    );
    let words = |toplevel| machine.words(machine.read_as(toplevel, &[]));
    let current = words(Toplevel::Current);
    assert!(
        current.starts_with("no generation is current: /run/current-system is not there below "),
        "{current}"
    );
    assert_eq!(
        words(Toplevel::Generation("4".to_owned())),
        "/nix/var/nix/profiles/system has no generation 4: there are 3"
    );
    fs::remove_dir(machine.units()).unwrap();
    let generation = words(Toplevel::Generation("3".to_owned()));
    assert!(generation.ends_with(not), "{generation}");
}

#[test]
fn a_gate_that_cannot_be_read_is_an_error() {
    for (text, message) in [
        (
            gate("[X-Migration 2023-02-30]\n"),
            "line 4: `2023-02-30` is not a version: the calendar has no such day",
        ),
        (
            gate("[X-Migration 2023-01-01\n"),
            "line 4: a broken section header",
        ),
        (
            gate("X-Migration-Format=1\n"),
            "line 4: `X-Migration-Format=` is there a second time",
        ),
        ("\x7fELF\x02\0".to_owned(), "line 1: a NUL byte"),
    ] {
        let machine = Machine::new();
        machine.unit("migrate-app.service", text);
        let words = machine.words(machine.read());
        let file = format!("/nix/store/{HASH}-unit-migrate-app.service/migrate-app.service, ");
        assert!(words.starts_with(&file) && words.contains(message), "{words}");
    }
    let machine = Machine::new();
    symlink("/nix/store/gone", machine.units().join("migrate-app.service")).unwrap();
    let words = machine.words(machine.read());
    assert!(
        words.contains("migrate-app.service is a dangling link: ") && words.contains("gone"),
        "{words}"
    );

    let machine = Machine::new();
    fs::create_dir(machine.units().join("migrate-app.service")).unwrap();
    assert!(machine.words(machine.read()).ends_with("is not a regular file"));
}

#[test]
fn a_unit_of_fifty_megabytes_is_refused_unread() {
    let machine = Machine::new();
    machine.unit("migrate-app.service", "");
    let file = machine
        .at(machine.store("unit-migrate-app.service"))
        .join("migrate-app.service");
    fs::File::options()
        .write(true)
        .open(file)
        .unwrap()
        .set_len(50_000_000)
        .unwrap();
    let began = Instant::now();
    let words = machine.words(machine.read());
    assert!(
        began.elapsed() < Duration::from_millis(500),
        "{:?}",
        began.elapsed()
    );
    assert!(
        words.ends_with("has 50000000 bytes: more than 4194304 are not read"),
        "{words}"
    );
}

/// Opening a pipe for reading waits for a writer.
#[test]
fn a_pipe_is_not_waited_for() {
    let machine = Machine::new();
    let pipe = machine.units().join("postgresql.service");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        0o644.into(),
        0,
    )
    .unwrap();
    let generation = machine.read().unwrap();
    let reason = &generation.units["postgresql.service"].unknown().unwrap().reason;
    assert!(reason.ends_with("is not a regular file"), "{reason}");
}

#[test]
fn a_masked_gate_is_one_whose_versions_a_unit_carries() {
    for masked in ["link", "empty"] {
        let machine = Machine::new();
        machine.unit("app.service", "[Unit]\nX-Migration-Versions=app 2023-01-01\n");
        let gate = machine.units().join("migrate-app.service");
        match masked {
            "link" => symlink("/dev/null", gate).unwrap(),
            _ => fs::write(gate, "").unwrap(),
        }
        let generation = machine.read().unwrap();
        assert!(generation.services["app"].masked.is_set(), "{masked}");
        assert_eq!(generation.services["app"].history.len(), 1, "{masked}");
    }
}

#[test]
fn the_words_of_scripts_are_read_in_the_store_only() {
    let machine = Machine::new();
    let script = machine.store("migrate-app-up");
    fs::remove_dir(machine.at(&script)).unwrap();
    fs::write(machine.at(&script), "#!/bin/sh\ntrue\n").unwrap();
    let link = machine.store("migrate-app-link");
    fs::remove_dir(machine.at(&link)).unwrap();
    symlink("/secret", machine.at(&link)).unwrap();
    fs::write(machine.at("secret"), "secret").unwrap();
    let digest = format!("sha256:{}", "0".repeat(64));
    machine.unit(
        "migrate-app.service",
        gate(&format!(
            "[X-Migration 2023-01-01]\nUpDigest={digest}\nUpScript={script}\nUpBackup={link}\nUpRestore={script}/../../../secret\n\
             UpVerify=/nix/store/{HASH}-gone\n"
        )),
    );
    let reference = Closure {
        toplevel: Toplevel::Generation("3".to_owned()),
        inside: Vec::new(),
    };
    let options = ReadOptions {
        scripts: true,
        ..machine.options()
    };
    let root = Root::new(&options.root).unwrap();
    let generation = read(&root, &reference, "x", &options).unwrap();
    let up = &generation.services["app"].history.iter().next().unwrap().up;
    assert_eq!(
        up.script.value().unwrap().text.as_deref(),
        Some("#!/bin/sh\ntrue\n")
    );
    for part in [&up.backup, &up.restore, &up.verify] {
        assert_eq!(part.value().unwrap().text, None);
    }
    assert_eq!(generation.notes.len(), 3, "{:?}", generation.notes);
    assert!(generation.notes[0].ends_with("-migrate-app-link are not shown: it is not in a store"));
    assert_eq!(
        machine.read().unwrap().services["app"]
            .history
            .iter()
            .next()
            .unwrap()
            .up
            .script
            .value()
            .unwrap()
            .text,
        None
    );
}

#[test]
fn containers_are_named_by_their_hosts() {
    let machine = Machine::new();
    let inner = machine.store("nixos-system-inner");
    fs::create_dir_all(machine.at(&inner).join("etc/systemd/system")).unwrap();
    for (directory, name, text) in [
        (
            "nixos-containers",
            "web",
            format!("PRIVATE_NETWORK=1\nSYSTEM_PATH={inner}\n"),
        ),
        ("containers", "old", format!("SYSTEM_PATH=\"{inner}\"\n")),
        ("nixos-containers", "own", "PRIVATE_NETWORK=1\n".to_owned()),
    ] {
        let directory = machine.at(machine.store("etc")).join("etc").join(directory);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(format!("{name}.conf")), text).unwrap();
    }
    let container = |name: &str| {
        let inside = Inside::Container(name.to_owned());
        machine.read_as(Toplevel::Generation("3".to_owned()), &[inside])
    };
    for name in ["web", "old"] {
        assert_eq!(container(name).unwrap().identity, Some(inner.clone()), "{name}");
    }
    assert!(
        machine
            .words(container("none"))
            .ends_with("has no container `none`: there are old, own, web")
    );
    assert!(
        machine
            .words(container("own"))
            .ends_with("the container `own` is not part of this generation")
    );
}

#[test]
fn names_are_bytes() {
    let machine = Machine::new();
    let odd = "a b\n\"$(touch x)'\\";
    symlink(format!("/nix/store/{HASH}-nixos-system-x"), machine.at(odd)).unwrap();
    fs::write(machine.units().join("a b.service"), "x").unwrap();
    let generation = machine
        .read_as(Toplevel::Path(Path::new("/").join(odd)), &[])
        .unwrap();
    assert_eq!(generation.units.len(), 0);
}

#[test]
fn definitions_are_the_gates_unit_files_as_they_stand() {
    let machine = Machine::new();
    let text = "[Unit]\nX-Migration-Format=1\nX-Migration-Service=db\n\n[Service]\nType=oneshot\n";
    machine.unit("migrate-db.service", text);
    machine.unit("migrate-other.service", "[Unit]\nDescription=somebody else's\n");
    machine.unit("migrate-empty.service", "");
    symlink("/dev/null", machine.units().join("migrate-off.service")).unwrap();
    let closure = Closure {
        toplevel: Toplevel::Generation("3".to_owned()),
        inside: Vec::new(),
    };
    let found = definitions(&closure, &machine.options()).unwrap();
    let toplevel = format!("/nix/store/{HASH}-nixos-system-x");
    let expected = crate::model::Definition {
        unit: format!("/nix/store/{HASH}-unit-migrate-db.service/migrate-db.service"),
        text: text.to_owned(),
        generation: toplevel.clone(),
    };
    assert_eq!(found.toplevel, toplevel);
    assert_eq!(
        found.services,
        BTreeMap::from([("db".parse().unwrap(), expected)])
    );
    machine.unit("migrate-bad.service", "[Unit]\nX-Migration-Format=1\n");
    assert!(matches!(
        definitions(&closure, &machine.options()),
        Err(ClosureError::Gate(_))
    ));
}
