use super::*;

#[test]
fn a_condition_is_recorded_and_its_content_is_there() {
    let service = service(
        r#"{ config, lib, ... }: let cfg = config.services.a; in {
            migrations.a = lib.mkIf cfg.enable {
                requires = [ "b.service" ];
                steps."2024-01-01" = lib.mkIf (cfg.x > 1 && !cfg.old) { up.script = "x"; };
                steps."2024-02-02".up.script = "y";
            };
        }"#,
    );
    let all: Vec<_> = service.history.iter().collect();
    assert_eq!(
        reasons(all[0]),
        [
            "depends on `config.services.a.enable`",
            "depends on `config.services.a.x > 1`",
            "depends on `!config.services.a.old`"
        ]
    );
    assert_eq!(reasons(all[1]), ["depends on `config.services.a.enable`"]);
    assert_eq!(up(all[0]), "x");
    // What all steps depend on is no news for the settings.
    assert!(service.requires.is_set());
    assert!(service.history.unread.is_empty());
}

#[test]
fn a_condition_is_told_apart_by_what_its_names_stand_for() {
    let service = service(
        r#"{ config, lib, ... }: let since = v: lib.mkIf (lib.versionAtLeast config.a.version v); in {
            migrations.a.steps = { "2024-01-01" = since "1" { }; "2024-02-02" = since "2" { }; };
            migrations.a.requires = since "2" [ "b.service" ];
        }"#,
    );
    let all: Vec<_> = service.history.iter().collect();
    assert_eq!(
        reasons(all[0]),
        [r#"depends on `lib.versionAtLeast config.a.version "1"`"#]
    );
    assert_eq!(
        reasons(all[1]),
        [r#"depends on `lib.versionAtLeast config.a.version "2"`"#]
    );
    assert!(service.requires.unknown().is_some());
}

#[test]
fn alternatives_of_one_part() {
    let first = |value: &str| {
        let text = format!("{{ c, lib, ... }}: {{ migrations.a.steps.\"2024-01-01\".up.script = {value}; }}");
        part(only(&service(&text)), Direction::Up, Part::Script)
    };
    assert_eq!(first(r#"if c then "x" else "y""#), "…");
    assert_eq!(first(r#"if c then "x" else null"#), "?");
    assert_eq!(first(r#"lib.mkIf c "x""#), "?");
    assert_eq!(
        first(r#"lib.mkMerge [ (lib.mkIf c "x") (lib.mkIf (!c) "y") ]"#),
        "…"
    );
    assert_eq!(first(r#"lib.mkMerge [ (lib.mkIf c "x") (lib.mkIf c "x") ]"#), "?");
    assert_eq!(first(r#""x" + lib.optionalString c "y""#), "…");
    assert_eq!(first(r#""${c}""#), "…");
    assert_eq!(first("c.script"), "?");
    assert_eq!(first("lib.concatStringsSep c [ ]"), "…");
    assert_eq!(first("lib.strings.replaceStrings [ ] [ ] c"), "…");
    assert_eq!(first(r#"lib.mkIf false "x""#), "-");
    assert_eq!(first("null"), "-");
}

#[test]
fn literal_versions_are_found_in_what_is_not_followed() {
    for steps in [
        r#"map f [ "2024-01-01" { version = "2024-02-02"; } ]"#,
        r#"f { "2024-01-01" = 1; x."2024-02-02" = 2; }"#,
        r#"let l = [ "2024-01-01" "2024-02-02" ]; in f l"#,
        r#"f (import ./nowhere.nix { a = "2024-01-01"; b = [ "2024-02-02" ]; })"#,
        r#"[ { version = "2024-01-01"; } (f "2024-02-02") ]"#,
        r#"{ "2024-01-01" = { }; } // f "2024-02-02""#,
        r#"{ "2024-01-01" = { }; ${f "2024-02-02"} = { }; }"#,
        r#"lib.mkMerge [ (f { "2024-01-01" = 1; }) { "2024-02-02" = { }; } ]"#,
        r#"lib.foldl' (a: b: a // b) { } [ { "2024-01-01" = { }; } { "2024-02-02" = { }; } ]"#,
    ] {
        let service = service(&format!("{{ f, lib, ... }}: {{ migrations.a.steps = {steps}; }}"));
        assert_eq!(versions(&service), ["2024-01-01", "2024-02-02"], "{steps}");
        assert!(!service.history.unread.is_empty(), "{steps}");
    }
    let service =
        service(r#"{ f, ... }: { migrations.a = f { oldest = "2020-01-01"; steps."2024-01-01" = 1; }; }"#);
    assert_eq!(versions(&service), ["2024-01-01"]);
    assert!(service.requires.unknown().is_some());
    assert!(!only(&service).conditions.is_empty());
}

#[test]
fn what_may_declare_is_never_silent() {
    for (text, versions) in [
        (
            r#"{ config, lib, ... }: { migrations = lib.mapAttrs' (n: i: lib.nameValuePair "m-${n}" { steps."2024-01-01" = { }; }) config.i; }"#,
            true,
        ),
        (
            r#"{ n, ... }: { migrations.${n}.steps."2024-01-01".up.script = "x"; }"#,
            true,
        ),
        (
            r#"{ f, ... }: { systemd.services = f (n: { migrations = [ { version = "2024-01-01"; } ]; }); }"#,
            true,
        ),
        (
            r#"{ f, ... }: { systemd.services.${f} = { migrations = [ { version = "2024-01-01"; } ]; }; }"#,
            true,
        ),
        (
            r#"{ f, ... }: f { migrations.a.steps."2024-01-01" = { }; }"#,
            true,
        ),
        (
            r#"{ f, ... }: { config = f { migrations.a.steps."2024-01-01" = { }; }; }"#,
            true,
        ),
        (
            r#"{ outputs = i: { nixosConfigurations.a = i.f { modules = [ { migrations.a.steps."2024-01-01" = { }; } ]; }; }; }"#,
            true,
        ),
        (r#"{ imports = [ ./nowhere.nix ]; }"#, false),
        (
            r#"{ modulesPath, ... }: { imports = [ (modulesPath + "/x.nix") ]; }"#,
            false,
        ),
        (
            r#"{ inputs, ... }: { imports = [ inputs.a.nixosModules.b ]; }"#,
            false,
        ),
        (r#"{ imports = [ <nixpkgs/nixos/x.nix> ]; }"#, false),
        (r#"{ f, ... }: { imports = f ./.; }"#, false),
        (r#"{ migrations = ./migrations; }"#, false),
    ] {
        let generation = good(text);
        assert!(generation.services.is_empty(), "{text}");
        assert!(!generation.unread.is_empty(), "{text}");
        let named = generation
            .unread
            .iter()
            .any(|unread| unread.reason.contains("2024-01-01"));
        assert_eq!(named, versions, "{text}\n{:?}", generation.unread);
        assert!(generation.unread.iter().all(|unread| unread.at.is_some()));
    }
}

#[test]
fn other_meanings_of_the_word_are_left_alone() {
    for text in [
        r#"{ lib, ... }: { options.services.a.migrations = lib.mkOption { default = 1; }; }"#,
        r#"{ services.a.settings.migrations = true; }"#,
        r#"{ config, lib, ... }: { services.a = lib.mkIf config.x { migrations = true; }; }"#,
        r#"{ config.systemd.services.a.environment.migrations = "x"; }"#,
        r#"{ config, ... }: { environment.x = config.migrations.a.steps; }"#,
        r#"{ containers.a.config.migrations.b.steps = { }; }"#,
        r#"{ specialisation.a.configuration = { migrations.b.steps = { }; }; }"#,
        r#"{ x = ''migrations = 1;''; } # migrations.a = 1;"#,
        r#"let o = { options = { migrations = 1; }; }; in { y = o; }"#,
        r#"{ systemd.services.a = { script = "migrations"; }; }"#,
    ] {
        let generation = good(text);
        assert!(generation.services.is_empty(), "{text}");
        assert_eq!(generation.unread, [], "{text}");
    }
}

#[test]
fn a_history_ends_at_a_known_program() {
    let with = |package: &str| {
        service(&format!(
            r#"{{ pkgs, config, lib, ... }}: {{ migrations.a = {{ {package}
                steps."2023-01-01" = {{ program = "15"; }};
                steps."2024-01-01" = {{ program = "16"; }};
                steps."2025-01-01" = {{ program = "16.2"; }}; }}; }}"#
        ))
    };
    assert_eq!(versions(&with("package = pkgs.postgresql_15;")), ["2023-01-01"]);
    let sixteen = with("package = pkgs.postgresql_16;");
    assert_eq!(versions(&sixteen), ["2023-01-01", "2024-01-01", "2025-01-01"]);
    let all: Vec<_> = sixteen.history.iter().collect();
    assert_eq!(reasons(all[1]), [""; 0]);
    assert_eq!(
        reasons(all[2]),
        ["depends on whether the package reaches 16.2, of which no more is known than postgresql 16"]
    );
    let open = with("package = config.a;");
    assert_eq!(open.package.unknown().unwrap().reason, "depends on `config.a`");
    assert!(
        open.history
            .iter()
            .all(|migration| migration.conditions.len() == 1)
    );
    assert_eq!(
        reasons(with("").history.iter().next().unwrap()),
        ["depends on whether the package reaches 15, which is not set"]
    );
}

#[test]
fn a_service_on_its_unit_may_take_turns_with_one_of_its_own() {
    let text = r#"{ c, lib, ... }: lib.mkMerge [
        (lib.mkIf c { migrations.a.steps."2024-01-01" = { }; })
        (lib.mkIf (!c) { systemd.services.a.migrations = [ { version = "2024-02-02"; } ]; })
    ]"#;
    assert_eq!(versions(&service(text)), ["2024-01-01", "2024-02-02"]);
    assert!(
        good("{ systemd.services.a.migrations = null; }")
            .services
            .is_empty()
    );
}
