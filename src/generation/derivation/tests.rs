//! On the derivations of `test-fixtures/derivations`, which Nix wrote: as they are, and as they should not be.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::model::{Part, Setting, UnitName, UnitState};

const KINDS: [&str; 3] = ["variable", "file", "structured"];

fn corpus(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("test-fixtures/derivations")
        .join(kind)
}

fn system(directory: &Path) -> PathBuf {
    let name = fs::read_to_string(directory.join("system")).unwrap();
    directory.join(name.trim())
}

/// A copy of the corpus that a test may change.
fn copy(kind: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(corpus(kind)).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    copy
}

fn file(directory: &Path, ending: &str) -> PathBuf {
    let mut found: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|file| file.to_str().unwrap().ends_with(ending))
        .collect();
    assert_eq!(found.len(), 1, "{ending}");
    found.remove(0)
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{}: {from}", file.display());
    fs::write(file, text.replace(from, to)).unwrap();
}

fn read_system(directory: &Path, inside: &[Inside], scripts: bool) -> Result<Generation, DerivationError> {
    let options = ReadOptions {
        root: directory.to_owned(),
        scripts,
        ..ReadOptions::default()
    };
    read("the host", &system(directory), inside, &options)
}

fn program(generation: &Generation, unit: &str) -> Option<String> {
    match generation.unit(&unit.parse().unwrap()) {
        UnitState::Present(program) => Some(program.map_or("-".to_owned(), crate::model::Program::display)),
        // A package may bring it.
        UnitState::Absent | UnitState::Unknown => None,
    }
}

#[test]
fn a_system_is_read_from_every_kind_of_derivations() {
    for (kind, release) in KINDS.into_iter().zip(["23.05", "25.05", "26.11"]) {
        let generation = read_system(&corpus(kind), &[], false).unwrap();
        assert_eq!(generation.release.value().unwrap().to_string(), release, "{kind}");
        assert!(
            generation
                .identity
                .as_deref()
                .unwrap()
                .contains("nixos-system-small")
        );
        let names: Vec<_> = generation
            .services
            .keys()
            .map(crate::model::ServiceName::as_str)
            .collect();
        assert_eq!(names, ["masked", "postgresql", "wiki"], "{kind}");

        let postgresql = &generation.services["postgresql"];
        let up = &postgresql.history.iter().next().unwrap().up;
        assert_eq!(
            up.warn.value().unwrap().text.as_deref(),
            Some("Takes a while.\nReally.")
        );
        assert_eq!(
            up.script.value().unwrap().text,
            None,
            "scripts were not asked for"
        );
        assert!(up.digest.is_some());

        let masked = &generation.services["masked"];
        assert!(masked.masked.is_set() && masked.history.len() == 1, "{kind}");

        for (unit, expected) in [
            ("postgresql.service", Some("postgresql 16.4")),
            ("wiki@main.service", Some("wiki 2.0")),
            ("app.service", Some("app 1.2")),
            ("redis.service", Some("redis 7.2.6")),
            ("jellyfin.service", Some("jellyfin 10.11.3")),
            ("grafana.service", Some("grafana 12.0.2")),
            ("container@inner.service", Some("-")),
            ("database.service", Some("-")),
            ("gitea.service", None),
            ("wiki-main.service", None),
            ("none.service", None),
        ] {
            assert_eq!(program(&generation, unit).as_deref(), expected, "{kind}: {unit}");
        }
        assert_eq!(generation.notes, [""; 0], "{kind}");
    }
}

#[test]
fn the_label_tells_the_release_only_where_there_is_no_os_release() {
    let copy = copy("file");
    let release = || read_system(copy.path(), &[], false).unwrap().release;
    let os_release = file(copy.path(), "-etc-os-release.drv");
    edit(&os_release, "BUILD_ID=\\\"25.05", "BUILD_ID=\\\"mine-25.05");
    edit(&os_release, "VERSION_ID=\\\"25.05", "VERSION_ID=\\\"24.11");
    assert_eq!(release().value().unwrap().to_string(), "24.11");
    fs::remove_file(os_release).unwrap();
    let reason = release().unknown().unwrap().reason.clone();
    assert!(
        reason.contains("-etc-os-release.drv, which is not in"),
        "{reason}"
    );
    for etc in fs::read_dir(copy.path())
        .unwrap()
        .map(|file| file.unwrap().path())
    {
        if etc.to_str().unwrap().ends_with("-etc.drv") {
            edit(&etc, " os-release ", " other-release ");
        }
    }
    let reason = release().unknown().unwrap().reason.clone();
    assert!(reason.starts_with("`with-25.05-tag`"), "{reason}");
    edit(&system(copy.path()), "with-25.05-tag", "25.05-tag");
    assert_eq!(release().value().unwrap().to_string(), "25.05");
}

#[test]
fn a_unit_is_absent_only_where_no_package_may_bring_it() {
    let copy = copy("file");
    let state = || {
        let generation = read_system(copy.path(), &[], false).unwrap();
        let none: UnitName = "none.service".parse().unwrap();
        generation.unit(&none) == UnitState::Absent
    };
    assert!(state(), "the unit of jellyfin's package is seen");
    for units in fs::read_dir(copy.path())
        .unwrap()
        .map(|file| file.unwrap().path())
    {
        if units.to_str().unwrap().ends_with("-system-units.drv")
            && fs::read_to_string(&units)
                .unwrap()
                .contains("-jellyfin-10.11.3; do")
        {
            edit(
                &units,
                "-jellyfin-10.11.3; do",
                "-mosquitto-2.0 /nix/store/0123456789abcdfghijklmnpqrsvwxyz-couchdb-3.4; do",
            );
        }
    }
    assert!(!state(), "couchdb's package may bring one");
}

#[test]
fn further_units_are_looked_into() {
    let directory = corpus("file");
    let mut generation = read_system(&directory, &[], false).unwrap();
    let wanted: Wanted = [("container@inner.service", "bash"), ("none.service", "x")]
        .into_iter()
        .map(|(unit, name)| (unit.parse().unwrap(), [name.to_owned()].into()))
        .collect();
    let options = ReadOptions::default();
    look_into(&mut generation, &system(&directory), &[], &wanted, &options).unwrap();
    // Its script is none of the derivations that are there.
    assert_eq!(
        generation.units["container@inner.service"],
        Setting::Unset,
        "it has a command, and nothing of what is wanted in it"
    );
    assert_eq!(program(&generation, "none.service"), None);
    assert_eq!(
        program(&generation, "app.service").as_deref(),
        Some("app 1.2"),
        "what was read stays"
    );
}

#[test]
fn scripts_have_their_words() {
    for kind in KINDS {
        let generation = read_system(&corpus(kind), &[], true).unwrap();
        let migration = generation.services["postgresql"].history.iter().next().unwrap();
        let text = |part: &Setting<crate::model::Text>| part.value().unwrap().text.clone().unwrap();
        let up = text(migration.up.part(Part::Script));
        assert!(up.starts_with("#!/nix/store/"), "{up}");
        assert!(
            up.ends_with("set -euo pipefail\necho 'up \"to\" 16'"),
            "{kind}: {up}"
        );
        assert!(text(&migration.down.script).ends_with("echo down"));
    }
}

#[test]
fn systems_inside_are_read() {
    for kind in KINDS {
        let read = |inside: Inside| read_system(&corpus(kind), &[inside], false);
        let other = read(Inside::Specialisation("other".to_owned())).unwrap();
        assert!(other.identity.unwrap().contains("nixos-system-other"));
        assert!(other.services.contains_key("postgresql"));
        let inner = read(Inside::Container("inner".to_owned())).unwrap();
        assert!(inner.identity.unwrap().contains("nixos-system-inner"));
        assert!(inner.services.is_empty());

        let error = read(Inside::Specialisation("none".to_owned())).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("has no specialisation `none`: there are other"),
            "{error}"
        );
        let error = read(Inside::Container("none".to_owned())).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("has no container `none`: there are inner"),
            "{error}"
        );
    }
}

#[test]
fn a_derivation_that_is_cut_short_is_refused_with_its_name() {
    let copy = copy("structured");
    for ending in [
        "system",
        "-unit-migrate-postgresql.service.drv",
        "-unit-wiki-main.service.drv",
    ] {
        let file = match ending {
            "system" => system(copy.path()),
            ending => file(copy.path(), ending),
        };
        let whole = fs::read(&file).unwrap();
        // The parser's own tests cut at every byte.
        for at in (0..whole.len()).step_by(97) {
            fs::write(&file, &whole[..at]).unwrap();
            let error = read_system(copy.path(), &[], false).unwrap_err();
            assert!(
                matches!(
                    &error,
                    DerivationError::Syntax { problem: AtermError::Ended { at: told, .. }, path }
                        if *told == at && file.ends_with(path.rsplit('/').next().unwrap())
                ),
                "{ending} at {at}: {error}"
            );
            assert!(error.help().unwrap().contains("cut short"));
        }
        fs::write(&file, whole).unwrap();
    }
}

#[test]
fn a_missing_input_is_named_with_who_needs_it() {
    for ending in [
        "-unit-migrate-postgresql.service.drv",
        "-unit-wiki-main.service.drv",
    ] {
        let copy = copy("file");
        let gone = file(copy.path(), ending);
        fs::remove_file(&gone).unwrap();
        let error = read_system(copy.path(), &[], false).unwrap_err();
        let DerivationError::MissingInput { input, needed_by, .. } = &error else {
            panic!("{error}");
        };
        assert!(input.starts_with("/nix/store/") && gone.ends_with(input.rsplit('/').next().unwrap()));
        assert!(needed_by.ends_with("-system-units.drv"));
        assert!(error.help().unwrap().contains("nix copy --derivation"));
    }
}

#[test]
fn inputs_are_looked_for_below_the_root_as_well() {
    let root = tempfile::tempdir().unwrap();
    let store = root.path().join("nix/store");
    fs::create_dir_all(&store).unwrap();
    for file in fs::read_dir(corpus("file")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), store.join(file.file_name())).unwrap();
    }
    let elsewhere = root.path().join("host.drv");
    fs::rename(system(&store), &elsewhere).unwrap();
    let options = ReadOptions {
        root: root.path().to_owned(),
        ..ReadOptions::default()
    };
    assert_eq!(read("x", &elsewhere, &[], &options).unwrap().services.len(), 3);
}

#[test]
fn what_is_no_system_is_refused() {
    let directory = corpus("file");
    let options = ReadOptions::default();
    for (ending, why) in [
        ("-unit-app.service.drv", "links no `$out/etc`"),
        ("-migrate-wiki-2024-01-01-up-script.drv", "links no `$out/etc`"),
    ] {
        let error = read("x", &file(&directory, ending), &[], &options).unwrap_err();
        assert!(
            matches!(error, DerivationError::NotASystem { .. }) && error.to_string().contains(why),
            "{error}"
        );
        assert!(error.help().unwrap().contains("toplevel"));
    }
    let empty = tempfile::tempdir().unwrap();
    for (text, why) in [
        ("Derive([],[],[],\"\",\"\",[],[])", "it has no build command"),
        (
            "Derive([],[],[],\"\",\"\",[],[(\"buildCommand\",\"ln -s /etc $out/etc\")])",
            "none of its input derivations makes",
        ),
        (
            "Derive([],[],[],\"\",\"\",[],[(\"buildCommand\",\"ln -s /x $out/etc\")])",
            "is not the `etc` of a derivation",
        ),
        (
            "Derive([],[],[],\"\",\"\",[],[(\"__json\",\"[]\")])",
            "are no JSON object",
        ),
        (
            "Derive([],[],[],\"\",\"\",[],[(\"__json\",\"{\\\"buildCommand\\\":[]}\")])",
            "it has no build command",
        ),
        ("not a derivation", "byte 0 is not Derive("),
        ("", "cut short"),
    ] {
        let file = empty.path().join("x.drv");
        fs::write(&file, text).unwrap();
        let error = read("x", &file, &[], &options).unwrap_err();
        assert!(error.to_string().contains(why), "{text}: {error}");
    }
}

#[test]
fn what_is_no_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let options = ReadOptions::default();
    let read = |name: &str| read("x", &directory.path().join(name), &[], &options).unwrap_err();
    assert!(matches!(read("none.drv"), DerivationError::Missing { .. }));
    fs::create_dir(directory.path().join("d.drv")).unwrap();
    assert!(matches!(read("d.drv"), DerivationError::NotAFile { .. }));
    // Sparse: it has the length and no blocks.
    let large = fs::File::create(directory.path().join("large.drv")).unwrap();
    large.set_len((64 << 20) + 1).unwrap();
    assert!(matches!(read("large.drv"), DerivationError::TooLarge { .. }));
}

#[test]
fn a_unit_that_cannot_be_had_has_an_unknown_program() {
    let reason = |copy: &Path| {
        let generation = read_system(copy, &[], false).unwrap();
        let unknown = generation.units["postgresql.service"].unknown().unwrap();
        unknown.reason.clone()
    };
    let copy = copy("file");
    let unit = file(copy.path(), "-unit-postgresql.service.drv");
    // The file is there, but it is the derivation of something else.
    edit(&unit, "Derive([(\"out\",\"/nix/", "Derive([(\"out\",\"/x/");
    let found = reason(copy.path());
    assert!(
        found.contains("which none of its input derivations makes"),
        "{found}"
    );
    fs::remove_file(unit).unwrap();
    let found = reason(copy.path());
    assert!(
        found.contains("-unit-postgresql.service.drv, which is not in"),
        "{found}"
    );
}

#[test]
fn a_gate_that_is_not_understood_is_an_error_with_its_derivation() {
    let copy = copy("variable");
    let gate = file(copy.path(), "-unit-migrate-wiki.service.drv");
    edit(&gate, "X-Migration-Units=", "X-Migration-Unity=");
    let error = read_system(copy.path(), &[], false).unwrap_err();
    assert!(matches!(error, DerivationError::Gate(_)), "{error}");
    assert!(
        error.to_string().contains("-unit-migrate-wiki.service.drv"),
        "{error}"
    );
}

#[test]
fn hostile_texts_stay_texts() {
    let copy = copy("variable");
    let unit = file(copy.path(), "-unit-app.service.drv");
    edit(
        &unit,
        "ExecStart=",
        "ExecStart=/nix/store/../../etc/x $(reboot) \\\"'`\\n[X\\0]\\nExecStart=",
    );
    let generation = read_system(copy.path(), &[], false).unwrap();
    assert_eq!(program(&generation, "app.service").as_deref(), Some("-"));
}

#[test]
fn an_input_leads_nowhere_out_of_the_store_and_the_root() {
    let outside = copy("variable");
    let directory = outside.path().join("root");
    fs::create_dir(&directory).unwrap();
    for file in fs::read_dir(corpus("variable")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), directory.join(file.file_name())).unwrap();
    }
    let unit = file(&directory, "-unit-wiki-main.service.drv");
    let name = unit.file_name().unwrap().to_str().unwrap();
    for units in fs::read_dir(&directory).unwrap().map(|file| file.unwrap().path()) {
        let text = fs::read_to_string(&units).unwrap();
        fs::write(
            &units,
            text.replace(&format!("/nix/store/{name}"), &format!("/../{name}")),
        )
        .unwrap();
    }
    assert!(read_system(&directory, &[], false).is_ok());
    fs::remove_file(&unit).unwrap();
    assert!(outside.path().join(name).exists());
    let error = read_system(&directory, &[], false).unwrap_err();
    assert!(matches!(error, DerivationError::MissingInput { .. }), "{error}");
}
