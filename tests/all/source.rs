//! Source text says what its evaluation says, or that it cannot tell.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nixmig::generation::source::{Known, SourceError, SourceReference, read, read_text};
use nixmig::generation::{ReadOptions, understand};
use nixmig::model::{Direction, Generation, Migration, Part, Service, Setting, Text};

use crate::fixtures::fixtures;

fn options() -> ReadOptions {
    ReadOptions {
        scripts: true,
        ..ReadOptions::default()
    }
}

fn source(path: &Path) -> Generation {
    read(&SourceReference::Path(path.to_owned()), "the source", &options())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The share of values that must be known of what the fixtures declare.
const WANTED: f64 = 0.9;

#[test]
fn of_the_modules_of_services_nearly_all_is_known() {
    let mut shown = String::new();
    let mut total = Known::default();
    for path in modules() {
        let generation = source(&path);
        let name = path.strip_prefix(services()).unwrap();
        if generation.services.is_empty() && generation.unread.is_empty() {
            continue;
        }
        let known = Known::count(&generation);
        writeln!(
            shown,
            "{}: {} known, {} unknown",
            name.display(),
            known.known,
            known.unknown
        )
        .unwrap();
        describe(&mut shown, &generation);
        total.known += known.known;
        total.unknown += known.unknown;
        assert_every_version_is_known(&path, &generation);
    }
    assert!(total.ratio() >= WANTED, "{total:?}");
    insta::assert_snapshot!(shown);
}

fn services() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("test-fixtures/services")
}

fn modules() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for service in std::fs::read_dir(services()).unwrap() {
        for module in std::fs::read_dir(service.unwrap().path()).unwrap() {
            found.push(module.unwrap().path());
        }
    }
    found.sort();
    found
}

/// A date in quotes is a version, in these files: it is there as one, or named in what could not be read.
fn assert_every_version_is_known(path: &Path, generation: &Generation) {
    let text = std::fs::read_to_string(path).unwrap();
    for word in text
        .split('"')
        .filter(|word| word.len() == 10 && word.parse::<nixmig::model::Version>().is_ok())
    {
        let version = word.parse().unwrap();
        let known = generation
            .services
            .values()
            .any(|service| service.history.contains(version) || service.oldest.value() == Some(&version));
        let named = generation
            .unread
            .iter()
            .any(|unread| unread.reason.contains(word));
        assert!(known || named, "{}: {word}\n{generation:#?}", path.display());
    }
}

fn describe(shown: &mut String, generation: &Generation) {
    for unread in &generation.unread {
        writeln!(shown, "  unread: {}", unread.reason).unwrap();
    }
    for service in generation.services.values() {
        writeln!(shown, "  {}", service.name).unwrap();
        for unread in &service.history.unread {
            writeln!(shown, "    unread: {}", unread.reason).unwrap();
        }
        let settings = [
            ("units", word(&service.units)),
            ("requires", word(&service.requires)),
            ("directories", word(&service.state_directories)),
            ("package", word(&service.package)),
            ("detect", word(&service.detect).to_owned()),
            ("oldest", word(&service.oldest)),
        ];
        for (name, setting) in settings.iter().filter(|(_, setting)| setting != "-") {
            writeln!(shown, "    {name} {setting}").unwrap();
        }
        for migration in service.history.iter() {
            describe_migration(shown, migration);
        }
    }
}

fn describe_migration(shown: &mut String, migration: &Migration) {
    let place = migration
        .origin
        .as_ref()
        .map(|at| format!("{}:{}", at.line, at.column));
    write!(shown, "    {} at {}", migration.version, place.unwrap()).unwrap();
    for (name, setting) in [
        ("program", word(&migration.program)),
        ("cumulative", word(&migration.cumulative)),
    ] {
        if setting != "-" {
            write!(shown, ", {name} {setting}").unwrap();
        }
    }
    for direction in [Direction::Up, Direction::Down] {
        let action = migration.action(direction);
        let parts: Vec<String> = Part::ALL
            .into_iter()
            .filter_map(|part| {
                Some(match action.part(part) {
                    Setting::Unset => return None,
                    Setting::Unknown(_) => format!("{}?", part.name()),
                    Setting::Set(Text { text: Some(_), .. }) => part.name().to_owned(),
                    Setting::Set(_) => format!("{}…", part.name()),
                })
            })
            .collect();
        if !parts.is_empty() {
            let digest = if action.digest.is_some() { " (digest)" } else { "" };
            write!(shown, ", {} {}{digest}", direction.name(), parts.join(" ")).unwrap();
        }
    }
    writeln!(shown).unwrap();
    for condition in &migration.conditions {
        writeln!(shown, "      {}", condition.reason).unwrap();
    }
}

fn word<T: std::fmt::Debug>(setting: &Setting<T>) -> String {
    match setting {
        Setting::Unset => "-".to_owned(),
        Setting::Unknown(unknown) => format!("? {}", unknown.reason),
        Setting::Set(value) => format!("{value:?}"),
    }
}

#[test]
fn a_source_says_what_its_closure_says_or_that_it_cannot_tell() {
    let Some(fixtures) = fixtures() else { return };
    let (mut compared, mut digests, mut total) = (0, 0, Known::default());
    for generation in fixtures.generations() {
        let name = generation.toplevel.as_os_str();
        let closure = understand(name, None, &options()).unwrap();
        let closure = nixmig::generation::read(&closure, "the closure", &options()).unwrap();
        let source = source(&fixtures.source(&generation.host, generation.number));
        let known = Known::count(&source);
        assert!(known.ratio() >= WANTED, "{}: {known:?}", generation.name());
        total.known += known.known;
        total.unknown += known.unknown;
        for (name, built) in &closure.services {
            let Some(read) = source.services.get(name) else {
                assert!(!source.unread.is_empty(), "{}: {name}", generation.name());
                continue;
            };
            compared += 1;
            // Only a build tells. A gate that is linked to `/dev/null` has nothing to compare.
            assert!(read.masked.unknown().is_some());
            if !built.masked.is_set() {
                digests += assert_alike(&generation.name(), built, read);
            }
        }
        for (name, read) in &source.services {
            // What the closure has not, the source has under a condition only.
            if !closure.services.contains_key(name) {
                let open = read
                    .history
                    .iter()
                    .all(|migration| !migration.conditions.is_empty());
                assert!(
                    open || closure.services.is_empty(),
                    "{}: {name}",
                    generation.name()
                );
            }
        }
    }
    assert!(compared > 20, "{compared}");
    assert!(digests > 20, "{digests}");
    assert!(total.ratio() >= WANTED, "{total:?}");
}

/// How many digests were compared.
fn assert_alike(name: &str, built: &Service, read: &Service) -> usize {
    let name = format!("{name}: {}", built.name);
    let mut digests = 0;
    assert!(
        read.units.unknown().is_some() || read.units == built.units,
        "{name}: {:?} {:?}",
        read.units,
        built.units
    );
    assert!(
        read.requires.unknown().is_some() || read.requires == built.requires,
        "{name}"
    );
    assert!(
        read.state_directories.unknown().is_some() || read.state_directories == built.state_directories,
        "{name}"
    );
    assert!(
        read.oldest.unknown().is_some() || read.oldest == built.oldest,
        "{name}"
    );
    assert_eq!(read.acknowledge, built.acknowledge, "{name}");
    for migration in built.history.iter() {
        let version = migration.version;
        let found = read
            .history
            .get(version)
            .unwrap_or_else(|| panic!("{name}: {version}"));
        assert!(
            found.program.unknown().is_some() || found.program == migration.program,
            "{name}: {version}"
        );
        assert!(
            found.cumulative.unknown().is_some() || found.cumulative == migration.cumulative,
            "{name}: {version}"
        );
        for direction in [Direction::Up, Direction::Down] {
            let (read, built) = (found.action(direction), migration.action(direction));
            for part in Part::ALL {
                let (read, built) = (read.part(part), built.part(part));
                let same = read.is_set() == built.is_set();
                assert!(
                    read.unknown().is_some() || same,
                    "{name}: {version} {part:?}: {read:?} {built:?}"
                );
            }
            if read.digest.is_some() {
                assert_eq!(read.digest, built.digest, "{name}: {version} {direction:?}");
                digests += 1;
            }
        }
    }
    for migration in read.history.iter() {
        let there = built.history.contains(migration.version);
        assert!(
            there || !migration.conditions.is_empty(),
            "{name}: {}",
            migration.version
        );
    }
    digests
}

#[test]
fn a_commit_is_read_as_its_files_are() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .arg("-C")
            .arg(directory.path())
            .args([
                "-c",
                "user.name=x",
                "-c",
                "user.email=x@example.org",
                "-c",
                "commit.gpgsign=false",
            ])
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    let step =
        |service: &str, version: &str| format!("{{ migrations.{service}.steps.\"{version}\" = {{ }}; }}");
    git(&["init", "--quiet"]);
    std::fs::create_dir_all(at("a b/$(c)")).unwrap();
    std::fs::create_dir_all(at(".hidden")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(at(name), text).unwrap();
    write("a b/d'e\"f.nix", &step("one", "2024-01-01"));
    write("a b/$(c)/g\nh.nix", &step("two", "2024-01-01"));
    write(
        "a b/in.nix",
        "{ imports = [ ../lib.nix ]; migrations.four = import ./steps.nix; }",
    );
    write("a b/steps.nix", "[ { version = \"2024-01-01\"; } ]");
    write("lib.nix", &step("three", "2024-01-01"));
    write(".hidden/x.nix", &step("hidden", "2024-01-01"));
    write("other.nix", &step("other", "2024-01-01"));
    std::fs::create_dir(at(".apart")).unwrap();
    write(
        ".apart/long.nix",
        "{ migrations.five.detect = builtins.readFile ./text; migrations.six = import ./steps.nix; }",
    );
    write(".apart/steps.nix", "[ { version = \"2024-01-01\"; } ]");
    let text = std::fs::File::create(at(".apart/text")).unwrap();
    text.set_len((32 << 20) + 1).unwrap();
    std::os::unix::fs::symlink("lib.nix", at("link.nix")).unwrap();
    std::os::unix::fs::symlink("nowhere.nix", at("dangling.nix")).unwrap();
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "-m", "1"]);
    write("other.nix", &step("other", "2024-02-02"));
    git(&["commit", "--quiet", "--all", "-m", "2"]);
    write("other.nix", "not Nix");

    let read = |revision: &str, path: &str| {
        let reference = SourceReference::Git {
            repository: directory.path().to_owned(),
            revision: revision.to_owned(),
            path: path.to_owned(),
        };
        read(&reference, "x", &options())
    };
    let names = |revision: &str, path: &str| {
        let generation = read(revision, path).unwrap_or_else(|error| panic!("{revision}:{path}: {error}"));
        assert_eq!(generation.unread, [], "{path}");
        generation
            .services
            .keys()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(names("HEAD", "a b"), ["four", "one", "three", "two"]);
    assert_eq!(names("HEAD", "a b/in.nix"), ["four", "three"]);
    assert_eq!(names("HEAD", "./a b/../link.nix"), ["three"]);
    // What is too long is not known, and what is asked for next is.
    assert_eq!(names("HEAD", ".apart/long.nix"), ["five", "six"]);
    assert_eq!(names("HEAD~1", ""), ["four", "one", "other", "three", "two"]);
    let head = |revision: &str| {
        let generation = read(revision, "other.nix").unwrap();
        let (_, service) = generation.services.first_key_value().unwrap();
        let origin = service.history.iter().next().unwrap().origin.clone().unwrap();
        (service.history.head().unwrap().to_string(), origin.file)
    };
    assert_eq!(
        head("HEAD~1"),
        ("2024-01-01".to_owned(), "HEAD~1:other.nix".to_owned())
    );
    assert_eq!(
        head("HEAD"),
        ("2024-02-02".to_owned(), "HEAD:other.nix".to_owned())
    );

    assert!(matches!(
        read("HEAD", "nowhere"),
        Err(SourceError::Missing { .. })
    ));
    for revision in ["nowhere", "--help", "", "HEAD\n", "$(true)"] {
        assert!(
            matches!(read(revision, ""), Err(SourceError::Git(_))),
            "{revision:?}"
        );
    }
    let nowhere = SourceReference::Git {
        repository: at("nowhere"),
        revision: "HEAD".to_owned(),
        path: String::new(),
    };
    let error = nixmig::generation::source::read(&nowhere, "x", &options()).unwrap_err();
    assert!(
        error.to_string().starts_with("git cannot read `HEAD` in "),
        "{error}"
    );
}

/// Strings are the one thing that must be read to the letter: digests are made of them.
#[test]
fn strings_are_read_as_nix_reads_them() {
    let strings = [
        r#""a\nb\t\"c\" \${d} $e $${f} \\ \x é""#,
        "\"two\nlines\"",
        "''one''",
        "''\n  a\n    b\n  ''",
        "''\n    a\n  b\n\n   \n  c''",
        "''  a\n  b\n''",
        "''a\n   ''",
        "''\n\ta\n\tb\n''",
        "''\n  ''${a} ''' ''\\n ''\\t ''\\\\ $b $${c} ' '' + \"d\"",
        "''\n  ${\"x\"}\n    y\n''",
        "''\n    ${\"x\n y\"} z\n  ${\"w\"}''",
        "''\n\n\n  a\n\n\n''",
        "''   \n  a''",
        "''\n  a ''\\\n  b\n''",
        "''''",
        "''\n''",
        "''é\n  ü''",
        "\"a\" + ''\n  b\n'' + \"c\"",
        "let x = \"1\"; in ''\n  ${x}${x}\n ${x}''",
        "\"a\r\nb\rc\\r\"",
        "''\n  a ''\\n  b\n    ''\\n\n  ''",
        "builtins.concatStringsSep \", \" [ \"a\" \"b\" ]",
        "toString 5 + toString true + toString null",
    ];
    let expression = format!("[ {} ]", strings.map(|string| format!("({string})")).join(" "));
    let output = Command::new("nix-instantiate")
        .args(["--eval", "--strict", "--json", "-E", &expression])
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "nix-instantiate: {error}");
            println!("skipped: nix-instantiate: {error}");
            return;
        }
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let evaluated: Vec<String> = serde_json::from_slice(&output.stdout).unwrap();
    for (string, evaluated) in strings.iter().zip(evaluated) {
        let text = format!("{{ migrations.a.steps.\"2024-01-01\".up.script = {string}; }}");
        let generation = read_text("a.nix", &text).unwrap();
        let (_, service) = generation.services.first_key_value().unwrap();
        let migration = service.history.iter().next().unwrap();
        let script = migration.up.script.value().unwrap();
        assert_eq!(script.text.as_deref(), Some(evaluated.as_str()), "{string}");
    }
}
