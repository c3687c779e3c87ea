//! The fixtures hold what the other tests take for granted, and what the module promises of every closure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use crate::fixtures::{Fixtures, fixtures};

/// What a command prints, which must succeed.
fn output(fixtures: &Fixtures, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .envs(fixtures.environment())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The names of all store paths in a closure, without their hashes.
fn closure(fixtures: &Fixtures, toplevel: &Path) -> BTreeMap<String, String> {
    let paths = output(fixtures, "nix-store", &["-qR", toplevel.to_str().unwrap()]);
    let store = format!("{}/", fixtures.store().display());
    paths
        .lines()
        .map(|path| {
            let base = path.strip_prefix(&store).unwrap();
            (path.to_owned(), base[33..].to_owned())
        })
        .collect()
}

#[test]
fn every_generation_is_a_link_of_its_profile() {
    let Some(fixtures) = fixtures() else { return };
    let mut newest = BTreeMap::new();
    for generation in fixtures.generations() {
        let link = fixtures.link(&generation.host, generation.number);
        assert_eq!(std::fs::read_link(link).unwrap(), generation.toplevel);
        assert!(generation.derivation.is_file());
        newest.insert(generation.host.as_str(), generation);
    }
    assert_eq!(
        newest.keys().copied().collect::<Vec<_>>(),
        ["atlas", "hermes", "iris"]
    );
    for (host, generation) in newest {
        assert_eq!(
            std::fs::canonicalize(fixtures.profile(host)).unwrap(),
            generation.toplevel
        );
    }
}

#[test]
fn a_flake_evaluates_to_the_derivations_that_were_built() {
    let Some(fixtures) = fixtures() else { return };
    let json = output(
        fixtures,
        "nix",
        &[
            "eval",
            "--json",
            &format!("{}#nixosConfigurations", fixtures.flake()),
            "--apply",
            "builtins.mapAttrs (_: host: host.config.system.build.toplevel.drvPath)",
        ],
    );
    let evaluated: BTreeMap<String, String> = serde_json::from_str(&json).unwrap();
    for generation in fixtures.generations() {
        assert_eq!(Path::new(&evaluated[&generation.name()]), generation.derivation);
    }
    assert_eq!(evaluated["atlas"], evaluated["atlas-8"]);
}

#[test]
fn sources_and_the_repository_agree() {
    let Some(fixtures) = fixtures() else { return };
    for generation in fixtures.generations() {
        let (host, number) = (&generation.host, generation.number);
        let tag = format!("generation-{number}");
        let repository = fixtures.repository(host);
        let listed = output(
            fixtures,
            "git",
            &[
                "-C",
                repository.to_str().unwrap(),
                "ls-tree",
                "-r",
                "--name-only",
                &tag,
            ],
        );
        let source = fixtures.source(host, number);
        assert!(source.join(host).join("configuration.nix").is_file());
        assert!(listed.lines().all(|file| source.join(file).is_file()));
    }
}

#[test]
fn the_module_adds_unit_files_and_scripts_and_nothing_else() {
    let Some(fixtures) = fixtures() else { return };
    let without = closure(fixtures, &fixtures.generation("atlas", 1).toplevel);
    let with = closure(fixtures, &fixtures.generation("atlas", 2).toplevel);
    let added: BTreeSet<&str> = with
        .iter()
        .filter(|(path, _)| !without.contains_key(*path))
        .map(|(_, name)| name.as_str())
        .collect();

    // The links that lead to the unit files change with them, and those in PATH.
    let expected = |name: &str| {
        name.starts_with("migrate-")
            || (name.starts_with("unit-") && name.ends_with(".service"))
            || ["etc", "system-path", "system-units", "nixmig-0.1.0"].contains(&name)
            || name.starts_with("nixos-system-atlas-")
    };
    let unexpected: Vec<_> = added.iter().filter(|name| !expected(name)).collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
    assert!(added.contains("unit-migrate-postgresql.service"));
    assert!(added.contains("migrate-inventory-2023-11-20-up-script"));
}

#[test]
fn a_closure_holds_one_major_of_each_program() {
    let Some(fixtures) = fixtures() else { return };
    let programs = ["postgresql-", "gitlab-", "nextcloud-", "matrix-synapse-"];
    for generation in fixtures.generations() {
        let names = closure(fixtures, &generation.toplevel);
        for program in programs {
            let versions: BTreeSet<_> = names
                .values()
                .filter_map(|name| name.strip_prefix(program))
                .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
                .collect();
            assert!(
                versions.len() <= 1,
                "{}: {program}{versions:?}",
                generation.name()
            );
        }
    }
}
