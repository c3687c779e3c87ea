use super::*;

/// Where the labels of an error are, as the words they stand under.
fn labelled(error: &TextError, text: &str) -> Vec<String> {
    let labels = error.labels().into_iter().flatten();
    labels
        .map(|label| text[label.offset()..label.offset() + label.len()].to_owned())
        .collect()
}

#[test]
fn a_version_that_is_none_is_shown_where_it_stands() {
    for version in ["2023-02-30", "20230407", "", "2024-01-01.0"] {
        for text in [
            format!("{{ migrations.a.steps.\"{version}\".up.script = \"x\"; }}"),
            format!("{{ migrations.a = [ {{ version = \"{version}\"; }} ]; }}"),
            format!("{{ c, lib, ... }}: {{ migrations.a = lib.mkIf c [ {{ version = \"{version}\"; }} ]; }}"),
            format!("{{ migrations.a.oldest = \"{version}\"; }}"),
            format!("{{ migrations.a.acknowledge = [ \"{version}\" ]; }}"),
        ] {
            let error = bad(&text);
            assert!(matches!(error.fault, Fault::Version(_)), "{text}\n{error}");
            assert_eq!(labelled(&error, &text), [format!("\"{version}\"")], "{text}");
            assert_eq!(error.at.line, 1);
        }
    }
}

#[test]
fn one_part_defined_twice_is_shown_at_both_places() {
    for text in [
        r#"{ migrations.a.steps = [ { version = "2024-01-01"; up.script = "x"; } { version = "2024-01-01"; up.script = "y"; } ]; }"#,
        r#"{ migrations.a.steps."2024-01-01".up.script = "x"; migrations.a.steps."2024-01-01".up.script = "y"; }"#,
        r#"{ lib, ... }: lib.mkMerge [ { migrations.a.steps."2024-01-01".up.script = "x"; } { migrations.a.steps."2024-01-01".up.script = "y"; } ]"#,
        r#"{ c, lib, ... }: lib.mkIf c { migrations.a.steps = lib.mkMerge [ { "2024-01-01".up.script = "x"; } { "2024-01-01".up.script = "y"; } ]; }"#,
    ] {
        let error = bad(text);
        assert!(matches!(error.fault, Fault::Conflict { .. }), "{text}\n{error}");
        assert_eq!(labelled(&error, text), [r#""y""#, r#""x""#]);
        assert!(
            error
                .to_string()
                .contains(r#"`migrations.a.steps."2024-01-01".up.script`"#),
            "{error}"
        );
    }
    // The same words twice, or words that are not known, are no conflict.
    for second in [r#""x""#, r#""${f}""#] {
        let text = format!(
            r#"{{ f, lib, ... }}: lib.mkMerge [ {{ migrations.a.steps."2024-01-01".up.script = "x"; }} {{ migrations.a.steps."2024-01-01".up.script = {second}; }} ]"#
        );
        known(&text);
    }
}

#[test]
fn a_conflict_over_two_files_names_both() {
    let step = |script: &str| format!("{{ migrations.a.steps.\"2024-01-01\".up.script = \"{script}\"; }}");
    let directory = tree(&[("1.nix", &step("x")), ("2.nix", &step("y"))]);
    let Err(SourceError::Text(error)) = read_path(directory.path()) else {
        panic!("two scripts are one too many")
    };
    let name = |file: &str, column: u32| format!("{}:1:{column}", directory.path().join(file).display());
    assert_eq!(error.at.to_string(), name("2.nix", 47));
    assert_eq!(error.others[0].at.to_string(), name("1.nix", 47));
    let help = error.help().unwrap().to_string();
    assert!(
        help.starts_with(&format!("It is first defined at {}.", name("1.nix", 47))),
        "{help}"
    );
}

#[test]
fn a_service_has_one_history() {
    let text = r#"{ migrations.a.steps = { }; systemd.services.a.migrations = [ ]; }"#;
    let error = bad(text);
    assert_eq!(
        error.fault,
        Fault::BothWays {
            service: "a".to_owned()
        }
    );
    assert_eq!(labelled(&error, text), ["migrations", "a"]);
}

#[test]
fn literals_of_a_wrong_type_are_refused() {
    for (text, words) in [
        (
            "{ migrations.a = 5; }",
            "`migrations.a` must be a set or a list, and this is a number",
        ),
        (
            "{ migrations.a.steps = true; }",
            "`migrations.a.steps` must be a set or a list, and this is a boolean",
        ),
        (
            r#"{ migrations.a.steps."2024-01-01" = "x"; }"#,
            "must be a set, and this is a string",
        ),
        (
            r#"{ migrations.a.steps."2024-01-01".up = [ ]; }"#,
            "must be a set, and this is a list",
        ),
        (
            r#"{ migrations.a.steps."2024-01-01".up.script = 5; }"#,
            "must be a string or null, and this is a number",
        ),
        (
            r#"{ migrations.a.steps."2024-01-01".up.script = ./up.sh; }"#,
            "must be a string or null, and this is a path",
        ),
        (
            r#"{ migrations.a.steps."2024-01-01".cumulative = "yes"; }"#,
            "must be a boolean, and this is a string",
        ),
        (
            "{ migrations.a.requires = \"b.service\"; }",
            "`migrations.a.requires` must be a list, and this is a string",
        ),
        (
            "{ migrations.a.requires = [ \"b\" ]; }",
            "`b` is not the name of a systemd unit",
        ),
        (
            "{ migrations.\"a b\".steps = { }; }",
            "`a b` is not the name of a service",
        ),
        (
            "{ migrations.a = [ { up.script = \"x\"; } ]; }",
            "a migration of a has no `version`",
        ),
        ("{ migrations.a = [ 5 ]; }", "must be a set, and this is a number"),
        (
            "{ migrations.a.package = true; }",
            "must be a package or null, and this is a boolean",
        ),
    ] {
        let message = bad(text).to_string();
        assert!(message.contains(words), "{text}\n{message}");
    }
}

#[test]
fn what_is_not_nix_is_shown_where_it_begins() {
    let text = "{\n  migrations.a = {;\n}";
    let error = bad(text);
    assert!(matches!(error.fault, Fault::Syntax(_)), "{error}");
    assert_eq!(error.at.to_string(), "a.nix:2:19");
    for text in [
        "",
        "{",
        "\"",
        "''",
        "/* migrations",
        "a: a: ",
        "é",
        "let",
        "<",
        "1 2 }",
    ] {
        assert!(read_text("a.nix", text).is_err(), "{text}");
    }
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let directory = tree(&[("a.nix", "{ imports = [ ./b.nix ]; }")]);
    std::fs::write(directory.path().join("b.nix"), b"{ a = \"migrations \xff\"; }").unwrap();
    for name in ["a.nix", "b.nix", ""] {
        let error = read_path(&directory.path().join(name)).unwrap_err();
        assert!(
            matches!(&error, SourceError::Encoding { name, byte: 18 } if name.ends_with("b.nix")),
            "{error}"
        );
    }
    let error = read_path(Path::new("/nowhere/a.nix")).unwrap_err();
    assert_eq!(error.to_string(), "there is no /nowhere/a.nix");
    assert!(matches!(
        read_path(Path::new("/dev/null")),
        Err(SourceError::Unreadable { .. })
    ));
    assert!(read_path(tree(&[]).path()).unwrap().services.is_empty());
}
