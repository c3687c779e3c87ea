use super::*;

fn origin(text: &str) -> String {
    only(&service(text)).origin.clone().unwrap().to_string()
}

#[test]
fn a_migration_is_where_nix_says_that_it_is() {
    assert_eq!(
        origin("{\n  migrations.a.steps.\"2024-01-01\".up.script = \"x\";\n}"),
        "a.nix:2:3"
    );
    assert_eq!(
        origin("{\n  migrations.a = {\n    steps = {\n      \"2024-01-01\" = { };\n    };\n  };\n}"),
        "a.nix:4:7"
    );
    assert_eq!(
        origin(
            "{\n  migrations.a = [\n    {\n      up = { };\n      version = \"2024-01-01\";\n    }\n  ];\n}"
        ),
        "a.nix:5:7"
    );
    assert_eq!(
        origin(
            "{ lib, ... }: lib.mkMerge [\n{ migrations.a.steps.\"2024-01-01\".down = { }; }\n{ migrations.a.steps.\"2024-01-01\".up = { }; } ]"
        ),
        "a.nix:3:3"
    );
    assert_eq!(
        origin("{ f, ... }: {\n  migrations.a.steps = f [ \"2024-01-01\" ]; }"),
        "a.nix:2:28"
    );
}

#[test]
fn what_is_unknown_has_a_place() {
    let service = service(
        "{ c, lib, ... }: {\n  migrations.a.steps = lib.mkIf\n    c.d { \"2024-01-01\".up.script = c.e; }; }",
    );
    let migration = only(&service);
    assert_eq!(
        migration.conditions[0].at.clone().unwrap().to_string(),
        "a.nix:3:5"
    );
    let script = migration.up.script.unknown().unwrap();
    assert_eq!(script.reason, "depends on `c.e`");
    assert_eq!(script.at.clone().unwrap().to_string(), "a.nix:3:36");
}

#[test]
fn files_are_read_by_what_they_import() {
    let directory = tree(&[
        ("host/default.nix", "{ imports = [ ../modules ./db.nix ]; }"),
        (
            "host/db.nix",
            "{ lib, ... }: { imports = [ ../host ]; migrations.a = import ../steps.nix { inherit lib; }; }",
        ),
        ("host/other.nix", r#"{ migrations.b.steps."2024-01-01" = { }; }"#),
        (
            "modules/default.nix",
            r#"{ migrations.c.steps."2024-01-01".up.script = builtins.readFile ./up.sh; }"#,
        ),
        ("modules/up.sh", "true\n"),
        ("steps.nix", r#"{ lib }: [ { version = "2024-01-01"; } ]"#),
    ]);
    let names = |generation: &Generation| {
        generation
            .services
            .keys()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let file = read_path(&directory.path().join("host/default.nix")).unwrap();
    assert_eq!(names(&file), ["a", "c"]);
    assert_eq!(file.unread, []);
    let migration = file
        .services
        .values()
        .next_back()
        .unwrap()
        .history
        .iter()
        .next()
        .unwrap();
    assert_eq!(up(migration), "true\n");
    // A directory is all its files, with what they import from elsewhere, each once.
    let host = read_path(&directory.path().join("host")).unwrap();
    assert_eq!(names(&host), ["a", "b", "c"]);
    let all = read_path(directory.path()).unwrap();
    assert_eq!(names(&all), ["a", "b", "c"]);
    assert_eq!(all.unread, []);
    let origin = all
        .services
        .values()
        .next()
        .unwrap()
        .history
        .iter()
        .next()
        .unwrap()
        .origin
        .clone()
        .unwrap();
    assert_eq!(PathBuf::from(origin.file), directory.path().join("steps.nix"));
}

#[test]
fn an_import_may_be_under_a_condition() {
    let directory = tree(&[
        ("a.nix", "{ c, lib, ... }: { imports = lib.optional c ./b.nix; }"),
        ("b.nix", r#"{ migrations.b.steps."2024-01-01" = { }; }"#),
    ]);
    let generation = read_path(&directory.path().join("a.nix")).unwrap();
    let migration = generation
        .services
        .values()
        .next()
        .unwrap()
        .history
        .iter()
        .next()
        .unwrap();
    assert_eq!(reasons(migration), ["depends on `c`"]);
}

#[test]
fn definitions_are_merged_over_files_in_any_order() {
    let files = [
        (
            "1.nix",
            r#"{ lib, ... }: { migrations.a.steps."2024-01-01".up.script = lib.mkForce "f"; }"#,
        ),
        (
            "2.nix",
            r#"{ migrations.a = [ { version = "2024-01-01"; up.script = "x"; up.warn = "w"; } ]; }"#,
        ),
        (
            "3.nix",
            r#"{ migrations.a.requires = [ "b.service" ]; migrations.a.steps."2024-02-02" = { }; }"#,
        ),
    ];
    let mut read = Vec::new();
    for names in [["1.nix", "2.nix", "3.nix"], ["3.nix", "2.nix", "1.nix"]] {
        let renamed: Vec<_> = files
            .iter()
            .zip(names)
            .map(|(&(_, text), name)| (name, text))
            .collect();
        let directory = tree(&renamed);
        let mut generation = read_path(directory.path()).unwrap();
        let mut service = generation.services.pop_first().unwrap().1;
        for version in service.history.versions().collect::<Vec<_>>() {
            service.history.get_mut(version).unwrap().origin = None;
        }
        read.push(service);
    }
    assert_eq!(read[0], read[1]);
    assert_eq!(up(read[0].history.iter().next().unwrap()), "f");
    assert_eq!(versions(&read[0]), ["2024-01-01", "2024-02-02"]);
}

/// Long enough that several threads parse them.
#[test]
fn many_files_are_read_in_the_order_of_their_names() {
    let module = |n: u32| {
        let padding = "# nothing\n".repeat(5_000);
        format!("{{ migrations.s{n}.steps.\"2024-01-0{n}\".up.script = \"\"; }}\n{padding}")
    };
    let names: Vec<String> = (1..9).map(|n| format!("{n}.nix")).collect();
    let texts: Vec<String> = (1..9).map(module).collect();
    let files: Vec<_> = names
        .iter()
        .zip(&texts)
        .map(|(name, text)| (&**name, &**text))
        .collect();
    let directory = tree(&files);
    let generation = read_path(directory.path()).unwrap();
    let services: Vec<_> = generation.services.keys().map(ToString::to_string).collect();
    assert_eq!(services, ["s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8"]);

    let write =
        |n: u32, text: &[u8]| std::fs::write(directory.path().join(format!("{n}.nix")), text).unwrap();
    let is_wrong_in = |name: &str| {
        let error = read_path(directory.path()).unwrap_err();
        assert!(
            error.to_string().contains(name) || format!("{error:?}").contains(name),
            "{error:?}"
        );
    };
    write(7, b"migrations \xff");
    is_wrong_in("7.nix");
    write(8, b"{ migrations");
    is_wrong_in("7.nix");
    write(6, b"{ migrations");
    is_wrong_in("6.nix");
    write(2, b"{ migrations");
    is_wrong_in("2.nix");
}
