//! Against the machine's Nix, in a store of its own.

use std::sync::OnceLock;

use super::*;
use crate::model::{Digester, Direction, Part, ServiceName, Setting, UnitName};

/// Nix with a store of its own, or none, aloud, on a machine without. With `CI` set nothing is skipped.
fn nix() -> Option<Program> {
    static FOUND: OnceLock<bool> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let found = std::process::Command::new("nix")
            .arg("--version")
            .output()
            .is_ok();
        assert!(
            found || std::env::var_os("CI").is_none(),
            "nix is not in PATH, and with CI set no test is skipped"
        );
        found
    });
    if !found {
        eprintln!("skipped: nix is not in PATH");
        return None;
    }
    let nix = Program::new(
        "here=$(cd \"$(dirname \"$0\")\" && pwd -P)\n\
         export NIX_REMOTE=local NIX_STORE_DIR=$here/store NIX_STATE_DIR=$here/var NIX_LOG_DIR=$here/log\n\
         export XDG_CACHE_HOME=$here/cache NIX_PATH=nixpkgs=$here/nixpkgs\n\
         export NIX_CONFIG='sandbox = false\nsubstituters =\nbuild-users-group ='\n\
         exec nix \"$@\"",
    );
    Some(nix)
}

/// A flake with hosts that are no more than what is read of them.
const FLAKE: &str = r#"
{
  outputs =
    _:
    let
      system = migrations: { system = { nixos.release = "26.05"; build = { inherit migrations; }; }; };
      service = steps: {
        requiredBy = [ "a.service" ]; requires = [ ]; stateDirectories = [ "/var/lib/a" ]; package = null; detect = null;
        oldest = null; acknowledge = [ ]; inherit steps;
      };
      action = { script = null; warn = null; backup = null; restore = null; verify = null; digest = null; };
      step = up: { program = null; cumulative = false; origin = null; up = action // up; down = action; };
    in
    {
      nixosConfigurations =
        builtins.mapAttrs (_: _: { config = system { }; }) (builtins.fromJSON (builtins.readFile ./names.json))
        // {
          plain.config = { system.build = { }; };
          module.config = { services.postgresql.enable = true; };
          throws.config = throw "line one\nline two";
          fine.config = system {
            a = service {
              "2024-01-01" = step { script = "true"; warn = "careful"; digest = "sha256:${builtins.hashString "sha256" ""}"; };
            };
            b = service { };
          };
          broken.config = system { a = service { "2024-01-01" = step { script = throw "not this"; }; }; };
          wrong.config = system { a = service { "2024-13-01" = step { }; }; };
          written.config = system (builtins.seq (builtins.readFile "${./names.json}") { });
          nested.config = system { } // {
            specialisation."s p".configuration = system { s = service { }; } // {
              containers.web.config = system { c = service { }; };
            };
          };
          programs.config = system { } // {
            services = {
              postgresql = { enable = true; package = { pname = "postgresql"; version = "17.2"; outPath = throw "built"; }; };
              grafana = { enable = throw "removed"; package = throw "removed"; };
              consul = { enable = false; package = { name = "consul-1.8"; }; };
              neo4j = { enable = true; package = { name = "neo4j-4.4.38"; }; };
              nextcloud = { enable = true; package = throw "end of life"; };
              influxdb.enable = true;
              jenkins = "no set";
              redis = {
                package = { pname = "redis"; version = "7.2.4"; };
                servers = { on.enable = true; off.enable = false; };
              };
            };
          };
        };
    };
}
"#;

const ODD: [&str; 6] = ["a.b", "a\"b", "${c}", "\\", "a\r\nb", "-x $(y)"];

fn flake(nix: &Program, name: &str) -> String {
    let directory = nix.directory.path().join(name);
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("flake.nix"), FLAKE).unwrap();
    let names: serde_json::Map<_, _> = ODD.iter().map(|&name| (name.to_owned(), true.into())).collect();
    fs::write(directory.join("names.json"), serde_json::to_vec(&names).unwrap()).unwrap();
    directory.to_str().unwrap().to_owned()
}

fn service(name: &str) -> ServiceName {
    name.parse().unwrap()
}

#[test]
fn versions_presence_warnings_and_digests_are_read() {
    let Some(nix) = nix() else { return };
    let reference = flake(&nix, "flake");
    let options = ReadOptions::default();
    let fine = host(&reference, "fine");
    let generation = nix.reader(&options).read(side(&fine, "fine")).unwrap();
    assert!(generation.services[&service("b")].history.is_empty());
    let up = |generation: &Generation| {
        let history = &generation.services[&service("a")].history;
        history.iter().next().unwrap().up.clone()
    };
    let action = up(&generation);
    assert!(action.verify.is_unset() && action.digest.is_some());
    assert_eq!(action.warn.value().unwrap().text.as_deref(), Some("careful"));
    assert_eq!(action.script.value().unwrap().text, None);
    let scripts = ReadOptions {
        scripts: true,
        ..options.clone()
    };
    let generation = nix.reader(&scripts).read(side(&fine, "fine")).unwrap();
    let script = up(&generation).script;
    assert_eq!(script.value().unwrap().text.as_deref(), Some("true"));
    // No system can be built from it.
    let broken = host(&reference, "broken");
    let error = nix.reader(&options).read(side(&broken, "broken")).unwrap_err();
    assert!(error.to_string().contains("error: not this"), "{error}");
    // Nobody imported the module.
    let plain = host(&reference, "plain");
    let generation = nix.reader(&options).read(side(&plain, "plain")).unwrap();
    assert!(generation.services.is_empty() && generation.release.is_unset());
}

#[test]
fn programs_of_well_known_services_are_read_each_for_itself() {
    let Some(nix) = nix() else { return };
    let options = ReadOptions::default();
    let evaluation = host(&flake(&nix, "flake"), "programs");
    let generation = nix.reader(&options).read(side(&evaluation, "x")).unwrap();
    let found: Vec<_> = generation
        .units
        .iter()
        .map(|(unit, program)| match program {
            Setting::Unknown(unknown) => (unit.as_str(), unknown.reason.to_string()),
            program => (unit.as_str(), program.value().unwrap().display()),
        })
        .collect();
    let unknown = |service: &str| format!("the package of the service `{service}` does not evaluate");
    assert_eq!(
        found,
        [
            ("influxdb.service", unknown("influxdb")),
            ("neo4j.service", "neo4j 4.4.38".to_owned()),
            ("nextcloud-setup.service", unknown("nextcloud")),
            ("postgresql.service", "postgresql 17.2".to_owned()),
            ("redis-on.service", "redis 7.2.4".to_owned()),
        ]
    );
}

#[test]
fn odd_names_of_hosts_and_directories_reach_nix_as_they_are() {
    let Some(nix) = nix() else { return };
    let reference = flake(&nix, "a b \"$(c)\"?d#e");
    let options = ReadOptions::default();
    for name in ODD {
        let evaluation = host(&reference, name);
        let generation = nix.reader(&options).read(side(&evaluation, name)).unwrap();
        assert_eq!(
            generation.release.value().unwrap().to_string(),
            "26.05",
            "{name:?}"
        );
    }
    let (old, new) = (host(&reference, ODD[1]), host(&reference, "fine"));
    let [old, new] = nix
        .reader(&options)
        .read_two(side(&old, "a"), side(&new, "b"))
        .unwrap();
    assert_eq!((old.services.len(), new.services.len()), (0, 2));
}

#[test]
fn systems_within_systems_are_read() {
    let Some(nix) = nix() else { return };
    let options = ReadOptions::default();
    let reference = flake(&nix, "flake");
    let within = |inside: &[Inside]| {
        let evaluation = Evaluation {
            inside: inside.to_vec(),
            ..host(&reference, "nested")
        };
        nix.reader(&options).read(side(&evaluation, "x"))
    };
    let specialisation = Inside::Specialisation("s p".to_owned());
    let container = Inside::Container("web".to_owned());
    let names = |generation: Generation| {
        generation
            .services
            .into_keys()
            .map(|name| name.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(within(std::slice::from_ref(&specialisation)).unwrap()),
        ["s"]
    );
    assert_eq!(
        names(within(&[specialisation.clone(), container.clone()]).unwrap()),
        ["c"]
    );
    let error = within(&[container]).unwrap_err();
    assert!(error.to_string().contains("no containers.\"web\""), "{error}");
    let error = within(&[specialisation, Inside::Container("db".to_owned())]).unwrap_err();
    assert_eq!(
        miette::Diagnostic::help(&error).unwrap().to_string(),
        "There is `web`."
    );
}

#[test]
fn errors_are_in_words_of_nix_and_of_the_side() {
    let Some(nix) = nix() else { return };
    let options = ReadOptions::default();
    let reference = flake(&nix, "flake");
    let (good, throws) = (host(&reference, "fine"), host(&reference, "throws"));
    let error = nix
        .reader(&options)
        .read_two(side(&good, "good"), side(&throws, "bad"))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Nix could not evaluate `bad`:\nerror: line one\nline two"
    );
    for (attribute, words) in [
        ("nobody", "the flake has no nixosConfigurations.\"nobody\""),
        ("module", "no evaluated NixOS configuration"),
        ("wrong", "`[0].services.a.steps.2024-13-01` is wrong"),
    ] {
        let evaluation = host(&reference, attribute);
        let error = nix.reader(&options).read(side(&evaluation, "x")).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    let nobody = host(&reference, "nobody");
    let error = nix
        .reader(&options)
        .read_two(side(&good, "good"), side(&nobody, "bad"))
        .unwrap_err();
    assert!(error.to_string().starts_with("`bad` is not there"), "{error}");
    let help = miette::Diagnostic::help(&error).unwrap().to_string();
    assert!(help.contains("`fine`") && help.contains("`nested`"), "{help}");
}

#[test]
fn an_evaluation_that_writes_is_done_again_and_said() {
    let Some(nix) = nix() else { return };
    let options = ReadOptions::default();
    let evaluation = host(&flake(&nix, "flake"), "written");
    let generation = nix.reader(&options).read(side(&evaluation, "x")).unwrap();
    assert_eq!(generation.notes.len(), 1);
    assert_eq!(nix.calls().len(), 2);
}

#[test]
fn warnings_of_nix_are_no_errors() {
    let Some(nix) = nix() else { return };
    let directory = flake(&nix, "flake");
    let git = |arguments: &[&str]| {
        let status = std::process::Command::new("git")
            .args(["-C", &directory])
            .args(arguments)
            .status();
        status.is_ok_and(|status| status.success())
    };
    if !(git(&["init", "-q"]) && git(&["add", "."])) {
        assert!(
            std::env::var_os("CI").is_none(),
            "git is not in PATH, and with CI set no test is skipped"
        );
        eprintln!("skipped: git is not in PATH");
        return;
    }
    // A tree without a commit is dirty, which Nix says.
    let evaluation = host(&format!("git+file://{directory}"), "fine");
    let generation = nix
        .reader(&ReadOptions::default())
        .read(side(&evaluation, "x"))
        .unwrap();
    assert_eq!((generation.services.len(), generation.notes.len()), (2, 0));
}

#[test]
fn a_configuration_is_read_with_the_nixpkgs_of_the_machine() {
    let Some(nix) = nix() else { return };
    let options = ReadOptions::default();
    let nixos = nix.directory.path().join("nixpkgs/nixos");
    fs::create_dir_all(&nixos).unwrap();
    let text = "{ configuration, system ? builtins.currentSystem }: { config = import configuration { inherit system; }; }";
    fs::write(nixos.join("default.nix"), text).unwrap();
    let file = nix.directory.path().join("a b ${c} \"d\".nix");
    fs::write(
        &file,
        "{ ... }: { system = { nixos.release = \"24.11\"; build = { }; }; }",
    )
    .unwrap();
    let evaluation = Evaluation {
        what: What::Configuration { file },
        inside: Vec::new(),
    };
    let generation = nix.reader(&options).read(side(&evaluation, "x")).unwrap();
    assert_eq!(generation.release.value().unwrap().to_string(), "24.11");
}

#[test]
fn the_release_is_that_of_the_version_where_this_is_one() {
    let Some(nix) = nix() else { return };
    let options = ReadOptions::default();
    let file = nix.directory.path().join("x.nix");
    for (version, release) in [
        ("\"25.05.20250601.abcdef\"", "25.05"),
        ("\"25.11pre-git\"", "25.11pre"),
        ("\"mine-25.05\"", "24.11"),
        ("\"25.055\"", "24.11"),
        ("throw \"none\"", "24.11"),
        ("null", "24.11"),
    ] {
        let text = format!(
            "{{ system = {{ nixos = {{ version = {version}; release = \"24.11\"; label = \"23.05\"; }}; build = {{ }}; }}; }}"
        );
        fs::write(&file, text).unwrap();
        let evaluation = Evaluation {
            what: What::File {
                file: file.clone(),
                attribute: None,
            },
            inside: Vec::new(),
        };
        let generation = nix.reader(&options).read(side(&evaluation, "x")).unwrap();
        let found = generation.release.value().unwrap().to_string();
        assert_eq!(found, release, "{version}");
    }
}

#[test]
fn a_file_may_be_a_system_its_config_a_function_or_hold_them() {
    let Some(nix) = nix() else { return };
    let options = ReadOptions::default();
    let config = "{ system = { nixos.release = \"24.11\"; build = { }; }; }";
    let file = nix.directory.path().join("a \"b\".nix");
    let read = |text: &str, attribute: Option<&str>| {
        fs::write(&file, text).unwrap();
        let evaluation = Evaluation {
            what: What::File {
                file: file.clone(),
                attribute: attribute.map(str::to_owned),
            },
            inside: Vec::new(),
        };
        nix.reader(&options)
            .read(side(&evaluation, "x"))
            .map(|generation| generation.release)
    };
    for (text, attribute) in [
        (config.to_owned(), None),
        (format!("{{ config = {config}; }}"), None),
        (format!("{{ x ? 1 }}: {{ config = {config}; }}"), None),
        (
            format!("{{ hosts.\"a.b\".config = {config}; }}"),
            Some("hosts.\"a.b\""),
        ),
        (
            format!("{{ x ? 1 }}: {{ hosts.a.config = {config}; }}"),
            Some("hosts.a.config"),
        ),
    ] {
        assert!(read(&text, attribute).unwrap().is_set(), "{text}");
    }
    let error = read(&format!("{{ ... }}: {config}"), None).unwrap_err();
    assert!(
        error.to_string().contains("no evaluated NixOS configuration"),
        "{error}"
    );
    let error = read("{ }", Some("nobody")).unwrap_err();
    assert!(error.to_string().contains("'nobody'"), "{error}");
}

/// The hosts of the fixtures, with the module itself.
#[test]
fn digests_are_those_of_the_texts() {
    let Some(nix) = nix() else { return };
    let options = ReadOptions {
        scripts: true,
        ..ReadOptions::default()
    };
    let evaluation = Evaluation {
        what: What::File {
            file: Path::new(env!("CARGO_MANIFEST_DIR")).join("test-fixtures"),
            attribute: Some("systems.atlas-3".to_owned()),
        },
        inside: Vec::new(),
    };
    let generation = nix.reader(&options).read(side(&evaluation, "atlas")).unwrap();
    let unit: UnitName = "postgresql.service".parse().unwrap();
    assert_eq!(generation.units[&unit].value().unwrap().name, "postgresql");
    let mut compared = 0;
    for migration in generation
        .services
        .values()
        .flat_map(|service| service.history.iter())
    {
        assert!(migration.origin.is_some());
        for direction in [Direction::Up, Direction::Down] {
            let action = migration.action(direction);
            let mut digester = Digester::default();
            for part in Part::ALL {
                if let Some(text) = action.part(part).value() {
                    digester.add(part, text.text.as_deref().unwrap());
                }
            }
            assert_eq!(action.digest, digester.finish(), "{}", migration.version);
            compared += usize::from(action.digest.is_some());
        }
    }
    assert!(compared > 10, "{compared}");
}
