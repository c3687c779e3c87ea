use super::*;

/// Ways to write one and the same service.
#[test]
fn one_history_in_many_forms() {
    let plain = r#"{ migrations.a.steps."2024-01-01".up.script = "x"; }"#;
    let expected = known(plain);
    let forms = [
        r#"{ migrations = { a = { steps = { "2024-01-01" = { up = { script = "x"; }; }; }; }; }; }"#,
        r#"{ config.migrations.a.steps."2024-01-01".up.script = "x"; }"#,
        r#"{ config = { migrations.a = { steps."2024-01-01" = { up.script = "x"; }; }; }; options = { }; }"#,
        r#"{ "migrations"."a"."steps"."2024-01-01"."up"."script" = "x"; }"#,
        r#"{ migrations.${"a"}.steps.${"2024" + "-01-01"}.up.script = "x"; }"#,
        r#"{ migrations."${"a"}".steps."2024-${"01"}-01".up.script = "x"; }"#,
        r#"let name = "a"; v = "2024-01-01"; in { migrations.${name}.steps.${v}.up.script = "x"; }"#,
        r#"{ config, lib, pkgs, ... }: { migrations.a.steps."2024-01-01".up.script = "x"; }"#,
        r#"args@{ lib, ... }: { migrations.a.steps."2024-01-01".up.script = args.lib.id "x"; }"#,
        r#"args: { migrations.a.steps."2024-01-01".up.script = args.lib.mkForce "x"; }"#,
        r#"{ migrations.a.steps = [ { version = "2024-01-01"; up.script = "x"; } ]; }"#,
        r#"{ migrations.a = [ { version = "2024-01-01"; up.script = "x"; } ]; }"#,
        r#"{ systemd.services.a.migrations = [ { version = "2024-01-01"; up.script = "x"; } ]; }"#,
        r#"{ systemd.services = { a = { migrations = { steps."2024-01-01".up.script = "x"; }; }; b = { }; }; }"#,
        r#"{ systemd.services.a = { name, ... }: { migrations = [ { version = "2024-01-01"; up.script = "x"; } ]; }; }"#,
        r#"{ migrations.a = { name, ... }: { steps."2024-01-01".up.script = if name == "a" then "x" else "y"; }; }"#,
        r#"let step = { up.script = "x"; }; in { migrations.a.steps."2024-01-01" = step; }"#,
        r#"let up.script = "x"; in { migrations.a.steps."2024-01-01" = { inherit up; }; }"#,
        r#"let p = { up = { script = "x"; }; }; in { migrations.a.steps."2024-01-01" = { inherit (p) up; }; }"#,
        r#"let p.q.up.script = "x"; in { migrations.a.steps."2024-01-01".up = p.q.up; }"#,
        r#"let p = { }; in { migrations.a.steps."2024-01-01".up.script = p.q or "x"; }"#,
        r#"with { s = "x"; }; { migrations.a.steps."2024-01-01".up.script = s; }"#,
        r#"{ lib, ... }: with lib; { migrations.a = mkMerge [ { steps."2024-01-01".up.script = "x"; } ]; }"#,
        r#"{ migrations.a.steps = removeAttrs (rec { "2024-01-01" = { up.script = s; }; s' = 1; s = "x"; }) [ "s" "s'" ]; }"#,
        r#"rec { s = "x"; migrations.a.steps."2024-01-01".up.script = s; }"#,
        r#"{ migrations.a.steps = { } // { "2024-01-01".up.script = "x"; }; }"#,
        r#"{ migrations.a.steps."2024-01-01" = { up.script = "y"; } // { up.script = "x"; }; }"#,
        r#"{ lib, ... }: { migrations = lib.mkMerge [ { a.steps = { }; } { a.steps."2024-01-01".up.script = "x"; } ]; }"#,
        r#"{ lib, ... }: { config = lib.mkMerge [ { migrations.a.steps."2024-01-01".up.script = "x"; } { } ]; }"#,
        r#"{ lib, ... }: lib.mkMerge [ { migrations.a.steps."2024-01-01".up.script = "x"; } ]"#,
        r#"{ lib, ... }: { migrations.a = lib.mkIf true { steps."2024-01-01".up.script = lib.mkIf (1 == 1) "x"; }; }"#,
        r#"{ lib, ... }: { migrations.a.steps."2024-01-01".up = { script = "x"; } // lib.optionalAttrs false { warn = "w"; }; }"#,
        r#"{ lib, ... }: let inherit (lib) mkIf; when = mkIf true; in { migrations.a = when { steps."2024-01-01".up.script = "x"; }; }"#,
        r#"{ migrations.a.steps = [ { version = "2024-01-01"; } ] ++ [ { version = "2024-01-01"; up.script = "x"; } ]; }"#,
        r#"let mk = version: script: { inherit version; up = { inherit script; }; }; in { migrations.a.steps = [ (mk "2024-01-01" "x") ]; }"#,
        r#"let mk = { version, script ? "x" }: { inherit version; up.script = script; }; in { migrations.a.steps = map mk [ { version = "2024-01-01"; } ]; }"#,
        r#"let mk = s: { up.script = s; }; in { migrations.a.steps = builtins.mapAttrs (_: mk) { "2024-01-01" = "x"; }; }"#,
        r#"{ lib, ... }: { migrations = lib.genAttrs [ "a" ] (_: { steps."2024-01-01".up.script = "x"; }); }"#,
        r#"{ lib, ... }: { migrations = lib.mapAttrs' (n: v: lib.nameValuePair "a" v) { b.steps."2024-01-01".up.script = "x"; }; }"#,
        r#"{ lib, ... }: { migrations = lib.listToAttrs (map (name: { inherit name; value.steps."2024-01-01".up.script = "x"; }) [ "a" ]); }"#,
        r#"{ imports = [ { migrations.a.steps."2024-01-01".up.script = "x"; } ]; }"#,
        r#"{ imports = [ ({ lib, ... }: { config.migrations.a.steps."2024-01-01".up.script = "x"; }) ]; options.a = 1; }"#,
        r#"assert true; if true then { migrations.a.steps."2024-01-01".up.script = "x"; } else { }"#,
        r#"let body = { migrations.a.steps."2024-01-01".up.script = "x"; }; in body"#,
        r#"let { body = { migrations.a.steps."2024-01-01".up.script = "x"; }; }"#,
        r#"{ lib, ... }: { migrations.a.steps = lib.mkBefore [ { version = "2024-01-01"; up.script = "x"; } ]; }"#,
        r#"{ migrations.a.steps."2024-01-01".${null} = 1; migrations.a.steps."2024-01-01".up.script = "x"; }"#,
        r#"{ migrations.a.steps = { "2024-01-01" = { }; }; migrations.a.steps."2024-01-01".up.script = "x"; }"#,
        r#"{ migrations.a.steps."2024-01-01".up.script = [ "x" ] |> builtins.concatStringsSep ","; }"#,
        r#"{ options.migrations = lib.mkOption { default = { }; }; config.migrations.a.steps."2024-01-01".up.script = "x"; }"#,
    ];
    for form in forms {
        let mut service = known(form);
        let migration = service.history.get_mut("2024-01-01".parse().unwrap()).unwrap();
        migration.origin = only(&expected).origin.clone();
        assert_eq!(service, expected, "{form}");
    }
}

#[test]
fn a_part_more_in_another_place_is_merged() {
    let service = known(
        r#"{ lib, ... }: { migrations.a.steps = lib.mkMerge [
            [ { version = "2024-01-01"; up.script = "x"; } { version = "2024-02-02"; up.script = "y"; } ]
            { "2024-01-01".down.script = "z"; }
        ]; }"#,
    );
    assert_eq!(versions(&service), ["2024-01-01", "2024-02-02"]);
    let first = service.history.iter().next().unwrap();
    assert_eq!(up(first), "x");
    assert_eq!(part(first, Direction::Down, Part::Script), "z");
}

#[test]
fn indented_strings_lose_their_indentation_as_in_nix() {
    let text = |string: &str| {
        let text = format!("{{ migrations.a.steps.\"2024-01-01\".up.script = {string}; }}");
        up(only(&known(&text)))
    };
    assert_eq!(text("''\n    a\n      b\n\n    c\n  ''"), "a\n  b\n\nc\n");
    assert_eq!(text("''  a\n  b''"), "a\nb");
    assert_eq!(text("''a ''${b} ''' ''\\n $c''"), "a ${b} '' \n $c");
    assert_eq!(text(r#""a\n\"\${b}\t\\ $c""#), "a\n\"${b}\t\\ $c");
    assert_eq!(text("''\n  a ${\"b\\nc\"}\n    d\n''"), "a b\nc\n  d\n");
    assert_eq!(text("\"\""), "");
}

#[test]
fn digests_are_those_of_literal_actions() {
    let digest = |action: &str| {
        let text = format!("{{ migrations.a.steps.\"2024-01-01\".up = {action}; }}");
        only(&known(&text)).up.digest
    };
    // `nix eval --expr 'builtins.hashString "sha256" (builtins.toJSON { script = "true\n"; })'`
    assert_eq!(
        digest(r#"{ script = "true\n"; }"#).unwrap().to_string(),
        "sha256:7a109443d463e843c6daf950de9bddf0440daf515ec13dd7986e318115540823"
    );
    assert_eq!(
        digest("{ script = ''\n  true\n''; }"),
        digest(r#"{ script = "true\n"; warn = null; }"#)
    );
    assert_eq!(digest("{ }"), None);
    assert_eq!(digest(r#"{ script = "${pkgs.a}"; }"#), None);
}
