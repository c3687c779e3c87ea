//! Tests of the grammar of references.

use std::collections::BTreeMap;

use std::os::unix::ffi::OsStringExt;

use super::*;

/// A file system of the paths that are told.
#[derive(Default)]
struct Disk(BTreeMap<OsString, Found>);

const SYSTEM: Found = directory(true, false, false);
const FLAKE: Found = directory(false, true, true);
const MODULES: Found = directory(false, false, true);
const BARE: Found = directory(false, false, false);

const fn directory(system: bool, flake: bool, modules: bool) -> Found {
    Found::Directory {
        system,
        flake,
        modules,
    }
}

impl Look for Disk {
    fn look(&self, path: &Path) -> Found {
        let bytes = path.as_os_str().as_bytes();
        let name = bytes.strip_prefix(b"./").unwrap_or(bytes);
        self.0
            .get(OsStr::from_bytes(name))
            .copied()
            .unwrap_or(Found::Nothing)
    }
}

fn disk(entries: &[(&str, Found)]) -> Disk {
    Disk(
        entries
            .iter()
            .map(|&(path, found)| (path.into(), found))
            .collect(),
    )
}

fn life() -> Disk {
    disk(&[
        ("result", SYSTEM),
        ("/nix/store/x-nixos-system", SYSTEM),
        ("result/specialisation/work", SYSTEM),
        ("broken", Found::Broken),
        ("configuration.nix", Found::File),
        ("notes.txt", Found::File),
        ("modules", MODULES),
        (".", FLAKE),
        ("empty", BARE),
        ("both", directory(true, false, true)),
        ("a b\n'$(x)", SYSTEM),
    ])
}

fn parse(text: &str, disk: &Disk) -> Result<Reference, ReferenceError> {
    Reference::parse(OsStr::new(text), None, disk)
}

fn system(toplevel: Toplevel, inside: &[Inside]) -> Reference {
    Reference::Closure(Closure {
        toplevel,
        inside: inside.to_vec(),
    })
}

fn path(path: &str) -> Toplevel {
    Toplevel::Path(path.into())
}

fn evaluation(what: What, inside: &[Inside]) -> Reference {
    Reference::Evaluation(Evaluation {
        what,
        inside: inside.to_vec(),
    })
}

fn flake_host(reference: &str, attribute: &str) -> What {
    What::Flake {
        reference: reference.to_owned(),
        attribute: attribute.to_owned(),
    }
}

fn nix_file(file: &str) -> What {
    What::Configuration { file: file.into() }
}

fn derivation(file: &str, inside: &[Inside]) -> Reference {
    Reference::Derivation {
        file: file.into(),
        inside: inside.to_vec(),
    }
}

fn git_source(revision: &str, path: &str) -> Reference {
    Reference::Source(SourceReference::Git {
        repository: ".".into(),
        revision: revision.to_owned(),
        path: path.into(),
    })
}

fn source(path: &str) -> Reference {
    Reference::Source(SourceReference::Path(path.into()))
}

fn generation(number: &str) -> Toplevel {
    Toplevel::Generation(number.to_owned())
}

#[test]
fn each_row_of_the_table() {
    let work = Inside::Specialisation("work".to_owned());
    let web = Inside::Container("web".to_owned());
    let life = life();
    for (text, reference) in [
        ("current", system(Toplevel::Current, &[])),
        ("booted", system(Toplevel::Booted, &[])),
        ("42", system(generation("42"), &[])),
        (
            "99999999999999999999999",
            system(generation("99999999999999999999999"), &[]),
        ),
        (
            "current/specialisation/work",
            system(Toplevel::Current, std::slice::from_ref(&work)),
        ),
        (
            "12/specialisation/work/containers/web",
            system(generation("12"), &[work.clone(), web.clone()]),
        ),
        ("result", system(path("result"), &[])),
        ("./result", system(path("./result"), &[])),
        (
            "result/specialisation/work",
            system(path("result/specialisation/work"), &[]),
        ),
        (
            "result/containers/web",
            system(path("result"), std::slice::from_ref(&web)),
        ),
        (
            "/nix/store/x-nixos-system",
            system(path("/nix/store/x-nixos-system"), &[]),
        ),
        ("a b\n'$(x)", system(path("a b\n'$(x)"), &[])),
        ("broken", system(path("broken"), &[])),
        ("/nix/store/x.drv", derivation("/nix/store/x.drv", &[])),
        (
            "/nix/store/x.drv/containers/web",
            derivation("/nix/store/x.drv", std::slice::from_ref(&web)),
        ),
        (".#atlas", evaluation(flake_host(".", "atlas"), &[])),
        ("#atlas", evaluation(flake_host(".", "atlas"), &[])),
        (
            "github:o/r?ref=x#nixosConfigurations.\"a.b\"",
            evaluation(flake_host("github:o/r?ref=x", "nixosConfigurations.\"a.b\""), &[]),
        ),
        (
            ".#atlas/containers/web",
            evaluation(flake_host(".", "atlas"), std::slice::from_ref(&web)),
        ),
        (
            "./configuration.nix",
            evaluation(nix_file("./configuration.nix"), &[]),
        ),
        (
            "configuration.nix/specialisation/work",
            evaluation(nix_file("configuration.nix"), std::slice::from_ref(&work)),
        ),
        ("modules", source("modules")),
        ("HEAD~1:nixos/modules", git_source("HEAD~1", "nixos/modules")),
        ("v1.0:", git_source("v1.0", "")),
        ("generation:current", system(Toplevel::Current, &[])),
        ("generation:7/containers/web", system(generation("7"), &[web])),
        ("closure:current", system(path("current"), &[])),
        ("drv:x", derivation("x", &[])),
        ("eval:.#atlas", evaluation(flake_host(".", "atlas"), &[])),
        ("eval:./a#b.nix", evaluation(nix_file("./a#b.nix"), &[])),
        ("source:modules/postgresql.nix", source("modules/postgresql.nix")),
        ("source:HEAD:x", git_source("HEAD", "x")),
        ("source:./HEAD:x", source("./HEAD:x")),
        ("source:.", source(".")),
    ] {
        assert_eq!(parse(text, &life).as_ref(), Ok(&reference), "{text}");
    }
}

#[test]
fn with_a_file_a_word_is_its_attribute() {
    let life = life();
    let file = Path::new("hosts.nix");
    let attribute = |attribute: &str| {
        let attribute = Some(attribute.to_owned());
        evaluation(
            What::File {
                file: file.into(),
                attribute,
            },
            &[],
        )
    };
    let parse = |text: &str| Reference::parse(OsStr::new(text), Some(file), &life);
    for text in ["atlas", "nixosConfigurations.atlas", "a.\"b.c \\\"d\"", "_x'-1"] {
        assert_eq!(parse(text), Ok(attribute(text)), "{text}");
        assert_eq!(parse(&format!("eval:{text}")), Ok(attribute(text)), "{text}");
    }
    assert_eq!(parse("current"), Ok(system(Toplevel::Current, &[])));
    assert_eq!(parse("eval:current"), Ok(attribute("current")));
    assert_eq!(parse("./result"), Ok(system(path("./result"), &[])));
    assert_eq!(parse(".#atlas"), Ok(evaluation(flake_host(".", "atlas"), &[])));
    assert!(matches!(parse("result"), Err(ReferenceError::Ambiguous { .. })));
    for text in ["a..b", "a.", ".a", "1a", "a b", "\"a", "a.\"b\"c"] {
        assert!(!is_attribute(OsStr::new(text)), "{text}");
    }
    let whole = What::File {
        file: file.into(),
        attribute: None,
    };
    assert_eq!(Reference::whole_file(file), evaluation(whole, &[]));
}

fn spellings(error: &ReferenceError) -> Vec<String> {
    match error {
        ReferenceError::Ambiguous { readings, .. } => readings
            .iter()
            .map(|reading| reading.spelling.clone().into_string().unwrap())
            .collect(),
        error => panic!("{error}"),
    }
}

#[test]
fn several_readings_are_listed_and_each_spelling_chooses_its_own() {
    for (text, entries, expected) in [
        (
            "current",
            vec![("current", SYSTEM)],
            vec!["generation:current", "./current"],
        ),
        (
            "current",
            vec![("current", Found::File)],
            vec!["generation:current", "./current"],
        ),
        ("12", vec![("12", MODULES)], vec!["generation:12", "./12"]),
        (".", vec![(".", FLAKE)], vec!["source:.", ".#HOST"]),
        ("dir", vec![("dir", FLAKE)], vec!["source:./dir", "./dir#HOST"]),
        (
            "both",
            vec![("both", directory(true, false, true))],
            vec!["closure:./both", "source:./both"],
        ),
        ("a#b", vec![("a#b", SYSTEM)], vec!["eval:a#b", "closure:./a#b"]),
        (
            "./a#b",
            vec![("a#b", SYSTEM)],
            vec!["eval:./a#b", "closure:./a#b"],
        ),
        ("a:b", vec![("a:b", MODULES)], vec!["./a:b", "source:a:b"]),
        (
            "a:b.drv",
            vec![("a:b.drv", Found::File)],
            vec!["./a:b.drv", "source:a:b.drv"],
        ),
    ] {
        let disk = disk(&entries);
        let error = parse(text, &disk).unwrap_err();
        assert_eq!(spellings(&error), expected, "{text}");
        let ReferenceError::Ambiguous { readings, .. } = error else {
            unreachable!()
        };
        for reading in readings.iter().filter(|reading| reading.reference.is_some()) {
            let chosen = Reference::parse(&reading.spelling, None, &disk).unwrap();
            let path = |reference: &Reference| format!("{reference:?}").replace("\"./", "\"");
            assert_eq!(path(&chosen), path(reading.reference.as_ref().unwrap()), "{text}");
        }
    }
    let error = parse("current", &disk(&[("current", SYSTEM)])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`current` can be read in 2 ways:\n  generation:current  the generation that runs\n  ./current  the closure in that \
         directory"
    );
}

#[test]
fn what_names_nothing_says_why() {
    let life = life();
    for (text, message) in [
        ("", "an empty word"),
        ("nonsense", "`nonsense` names nothing"),
        ("./missing.nix", "`./missing.nix` names nothing"),
        ("/gone", "`/gone` names nothing"),
        ("empty", "the directory `empty` has neither"),
        ("notes.txt", "the file `notes.txt` ends neither in"),
        (
            "github:o/r",
            "`github:o/r` names a flake and no host in it: write `github:o/r#HOST`",
        ),
        ("git+file:///x", "names a flake and no host"),
        (".#", "`.` names a flake and no host in it: write `.#HOST`"),
        (
            "generation:x",
            "`generation:x` is not `current`, `booted` or a number",
        ),
        ("generation:", "something must follow"),
        ("eval:github:o/r", "names a flake and no host"),
        ("eval:x", "`eval:x` is not `FLAKE#HOST`"),
        ("source:-x:y", "a revision has no dash in front"),
        ("-x:y", "`-x:y` names nothing"),
        ("current/specialisation/..", "names nothing"),
    ] {
        let error = parse(text, &life).unwrap_err();
        assert!(error.to_string().contains(message), "{text}: {error}");
    }
    let latin = OsStr::from_bytes(b".#\xe4");
    let error = Reference::parse(latin, None, &life).unwrap_err();
    assert!(matches!(error, ReferenceError::NotUtf8(_)), "{error}");
}

proptest::proptest! {
    #[test]
    fn never_panics(bytes in proptest::collection::vec(
        proptest::prop_oneof![
            proptest::prelude::Just(b'/'), proptest::prelude::Just(b':'), proptest::prelude::Just(b'#'),
            proptest::prelude::Just(b'.'), proptest::prelude::Just(b'"'), proptest::prelude::any::<u8>()
        ],
        0..24,
    )) {
        let text = OsString::from_vec(bytes);
        let _ = Reference::parse(&text, Some(Path::new("f")), &life());
    }
}
