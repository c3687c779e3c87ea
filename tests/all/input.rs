//! Bad input that no Nix is needed for: what is said of it, on which side, and the exit code. Nothing of it is a panic, and
//! no word of it reaches a shell.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::cli::{self, Machine, nixmig, nixmig_in};
use crate::fixtures::fixtures;

/// Names that a shell, a careless parser or a terminal would trip over.
const ODD: [&str; 5] = [
    "a b",
    "a\nb",
    "a\"b'c",
    "$(touch pwned)`touch pwned`",
    "-x; touch pwned",
];

/// All that can be seen of a command, without the line breaks in its words: how long the paths are that `hidden` hides must
/// not decide where they are.
pub(crate) fn seen(command: &mut Command, hidden: &[(&str, &str)]) -> String {
    let mut words: Vec<String> = Vec::new();
    for line in cli::seen(command, hidden).lines() {
        let goes_on = |last: &&mut String| last.starts_with("  ") && line.starts_with("      ");
        match words.last_mut().filter(goes_on) {
            Some(last) => *last = format!("{last} {}", line.trim_start()),
            None => words.push(line.to_owned()),
        }
    }
    words.join("\n")
}

fn seen_on(machine: &Machine, arguments: &[&str]) -> String {
    let root = machine.directory.path().to_str().unwrap();
    seen(&mut machine.nixmig(arguments), &[(root, "ROOT")])
}

/// What is said when a gate of the second system has this text.
fn of_gate(name: &str, text: impl AsRef<[u8]>) {
    let machine = Machine::new();
    machine.service(1, "db", "");
    let gate = format!("{}/etc/systemd/system/migrate-db.service", Machine::system(2));
    machine.file(&gate, "");
    fs::write(machine.directory.path().join(gate), text).unwrap();
    insta::assert_snapshot!(name, seen_on(&machine, &["diff", "1", "2"]));
}

/// The start of a gate, and a section of it.
fn gate(section: &str) -> String {
    format!(
        "[Unit]\nX-Migration-Format=1\nX-Migration-Service=db\nX-Migration-Units=db.service\n\n{section}\n\n[Service]\nType=oneshot\n"
    )
}

#[test]
fn gates_that_cannot_be_read() {
    of_gate("gate_no_day", gate("[X-Migration 2023-02-30]"));
    of_gate("gate_no_dashes", gate("[X-Migration 20230407]"));
    of_gate("gate_no_version", gate("[X-Migration ]"));
    of_gate(
        "gate_twice",
        gate("[X-Migration 2023-04-07]\nProgram=1\n[X-Migration 2023-04-07]\nProgram=2"),
    );
    of_gate("gate_unclosed", gate("[X-Migration 2023-04-07"));
    of_gate("gate_unknown_key", gate("[X-Migration 2023-04-07]\nUpSript=/x"));
    of_gate(
        "gate_no_digest",
        gate("[X-Migration 2023-04-07]\nUpScript=/nix/store/x"),
    );
    of_gate(
        "gate_binary",
        b"\x7fELF\x02\x01\x01\0\0\0\xff\xfe[Unit]\n".as_slice(),
    );
}

/// Neither a gate nor another unit of that size is a unit file; systemd refuses it as well.
#[test]
fn a_unit_file_of_fifty_megabytes() {
    let size = 50 << 20;
    let mut text = gate("[X-Migration 2023-04-07]");
    text.push_str(&"# x\n".repeat((size - text.len()) / 4 + 1));
    of_gate("gate_huge", text);
}

#[test]
fn references_that_lead_nowhere() {
    let machine = Machine::new();
    let at = |name: &str| machine.directory.path().join(name);
    symlink("nowhere", at("dangling")).unwrap();
    symlink("there", at("here")).unwrap();
    symlink("here", at("there")).unwrap();
    fs::create_dir(at("empty")).unwrap();
    fs::write(at("file"), "text").unwrap();
    let root = machine.directory.path().to_str().unwrap();
    for (name, reference) in [
        ("reference_dangling", "closure:/dangling"),
        ("reference_loop", "closure:/here"),
        ("reference_empty", "closure:/empty"),
        ("reference_file", "closure:/file"),
        ("reference_missing", "closure:/missing"),
    ] {
        insta::assert_snapshot!(name, seen_on(&machine, &["diff", reference, "2"]));
    }
    // A word alone is looked for from where one stands.
    for (name, reference) in [
        ("word_dangling", "./dangling"),
        ("word_empty", "./empty"),
        ("word_number", "00"),
    ] {
        let mut command = nixmig(&["show", reference]);
        command
            .current_dir(machine.directory.path())
            .arg("--profile")
            .arg(at("none"));
        insta::assert_snapshot!(name, seen(&mut command, &[(root, "ROOT")]));
    }
}

#[test]
fn a_link_of_a_unit_that_leads_nowhere() {
    let machine = Machine::new();
    machine.service(1, "db", "");
    let units = machine
        .directory
        .path()
        .join(Machine::system(2))
        .join("etc/systemd/system");
    fs::create_dir_all(&units).unwrap();
    let link = units.join("migrate-db.service");
    for (name, target) in [
        ("unit_dangling", "/nix/store/nowhere"),
        ("unit_loop", "migrate-db.service"),
    ] {
        drop(fs::remove_file(&link));
        symlink(target, &link).unwrap();
        insta::assert_snapshot!(name, seen_on(&machine, &["diff", "1", "2"]));
    }
}

#[test]
fn derivations_that_are_cut_short() {
    let Some(fixtures) = fixtures() else { return };
    let derivation = &fixtures.generation("iris", 1).derivation;
    let whole = fs::read(derivation).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_str().unwrap();
    let file = directory.path().join("cut.drv");
    for (name, length) in [
        ("derivation_empty", 0),
        ("derivation_first_byte", 1),
        ("derivation_half", whole.len() / 2),
        ("derivation_last_byte", whole.len() - 1),
    ] {
        fs::write(&file, &whole[..length]).unwrap();
        let output = nixmig(&["show", file.to_str().unwrap()]).output().unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}: {words}");
        assert!(words.contains("cut.drv"), "{name}: {words}");
        // What stands where it was cut off, and how far that is, depends on where the fixtures are.
        if length != whole.len() / 2 {
            let mut command = nixmig(&["show", file.to_str().unwrap()]);
            let end = format!("byte {length},");
            insta::assert_snapshot!(name, seen(&mut command, &[(root, "DIR"), (&end, "byte LENGTH,")]));
        }
    }
}

#[test]
fn source_text_that_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_str().unwrap();
    let file = directory.path().join("module.nix");
    let step =
        |version: &str| format!("{{ migrations.db.steps.{version} = {{ up.script = \"true\"; }}; }}\n");
    for (name, text) in [
        ("source_no_day", step("\"2023-02-30\"")),
        ("source_no_dashes", step("\"20230407\"")),
        ("source_no_version", step("\"\"")),
        (
            "source_twice",
            "{\n  migrations.db = [\n    { version = \"2023-04-07\"; up.script = \"a\"; }\n    { version = \"2023-04-07\"; up.script = \"b\"; }\n  ];\n}\n"
                .to_owned(),
        ),
        (
            "source_wrong_script",
            "{ migrations.db.steps.\"2023-04-07\".up.script = 5; }\n".to_owned(),
        ),
        (
            "source_wrong_steps",
            "{ migrations.db.steps = \"2023-04-07\"; }\n".to_owned(),
        ),
        (
            "source_wrong_service",
            "{ migrations.db = true; }\n".to_owned(),
        ),
        ("source_no_nix", "{ migrations = \n".to_owned()),
    ] {
        fs::write(&file, text).unwrap();
        let mut command = nixmig(&["show", "source:module.nix"]);
        command.current_dir(directory.path());
        insta::assert_snapshot!(name, seen(&mut command, &[(root, "DIR")]));
    }
}

/// A source file and a closure of each name are read as they are, and nothing is run.
#[test]
fn odd_names_are_names() {
    let machine = Machine::new();
    machine.service(2, "db", "[X-Migration 2023-04-07]");
    let root = machine.directory.path();
    let stand = tempfile::tempdir().unwrap();
    for name in ODD {
        fs::create_dir(stand.path().join(name)).unwrap();
        let module = stand.path().join(name).join("module.nix");
        fs::write(module, "{ migrations.db.steps.\"2023-04-07\" = { }; }").unwrap();
        symlink(format!("/{}", Machine::system(2)), root.join(name)).unwrap();
        for reference in [format!("source:./{name}"), format!("closure:/{name}")] {
            let output = machine
                .nixmig(&["show", "--format", "json"])
                .arg(&reference)
                .current_dir(stand.path())
                .output()
                .unwrap();
            let words = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{reference:?}: {words}");
            let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(shown["services"]["db"]["head"], "2023-04-07", "{reference:?}");
            assert_eq!(shown["generation"]["label"], reference.as_str());
        }
    }
    assert!(!stand.path().join("pwned").exists() && !root.join("pwned").exists());
}

/// Closures, derivations and source text are read where there is no Nix; only what Nix alone can tell asks for it.
#[test]
fn without_nix() {
    let Some(fixtures) = fixtures() else { return };
    let (old, new) = (fixtures.generation("atlas", 3), fixtures.generation("atlas", 4));
    let source = |number: u32| format!("source:{}", fixtures.source("atlas", number).display());
    let path = |path: &Path| path.display().to_string();
    for (old, new) in [
        (path(&old.toplevel), path(&new.toplevel)),
        (path(&old.derivation), path(&new.derivation)),
        (source(3), source(4)),
        (path(&old.toplevel), source(4)),
    ] {
        let mut command = nixmig_in(fixtures, &["diff", &old, &new]);
        let output = command.env("PATH", "/nowhere").output().unwrap();
        assert!(output.status.success(), "{old} {new}: {output:?}");
    }
    let (old, new) = (path(&old.toplevel), "./flake#atlas-4");
    let mut command = nixmig_in(fixtures, &["diff", &old, new]);
    command.env("PATH", "/nowhere");
    let root = fixtures.root().to_str().unwrap();
    insta::assert_snapshot!("without_nix", seen(&mut command, &[(root, "")]));
}
