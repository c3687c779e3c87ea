use super::*;

#[test]
fn the_strongest_definition_wins_at_each_level() {
    let script = |definitions: &str| {
        let service = known(&format!("{{ lib, ... }}: lib.mkMerge [ {definitions} ]"));
        up(only(&service))
    };
    let step = |step: &str| format!("{{ migrations.a.steps.\"2024-01-01\" = {step}; }}");
    let plain = step(r#"{ up.script = "plain"; }"#);
    assert_eq!(
        script(&format!(
            "{plain} {}",
            step(r#"{ up.script = lib.mkForce "forced"; }"#)
        )),
        "forced"
    );
    assert_eq!(
        script(&format!(
            "{plain} {}",
            step(r#"{ up = lib.mkForce { script = "forced"; }; }"#)
        )),
        "forced"
    );
    assert_eq!(
        script(&format!(
            "{plain} {}",
            step(r#"lib.mkForce { up.script = "forced"; }"#)
        )),
        "forced"
    );
    assert_eq!(
        script(&format!(
            "{plain} {}",
            step(r#"{ up.script = lib.mkDefault "default"; }"#)
        )),
        "plain"
    );
    assert_eq!(
        script(&format!(
            "{plain} {}",
            step(r#"{ up.script = lib.mkOverride 99 "other"; }"#)
        )),
        "other"
    );
    assert_eq!(
        script(&format!(
            "{plain} {}",
            step(r#"{ up.script = lib.mkForce (lib.mkIf false "x"); }"#)
        )),
        "plain"
    );
    assert_eq!(
        script(
            r#"{ migrations.a.steps."2023-01-01" = { }; } { migrations.a = lib.mkForce { steps."2024-01-01".up.script = "forced"; }; }"#
        ),
        "forced"
    );
    assert_eq!(
        script(
            r#"{ migrations.a = [ (lib.mkForce { version = "2024-01-01"; up.script = "forced"; }) { version = "2024-01-01"; up.script = "plain"; } ]; }"#
        ),
        "forced"
    );
    assert!(
        good(
            r#"{ lib, ... }: lib.mkMerge [ { migrations.a.steps = { }; } { migrations = lib.mkForce { }; } ]"#
        )
        .services
        .is_empty()
    );
}

#[test]
fn a_forced_definition_under_a_condition_leaves_both_open() {
    let service = service(
        r#"{ c, lib, ... }: lib.mkMerge [
            { migrations.a.steps."2024-01-01".up.script = "plain"; }
            (lib.mkIf c { migrations.a.steps."2024-01-01".up.script = lib.mkForce "forced"; })
        ]"#,
    );
    assert_eq!(up(only(&service)), "…");
    assert_eq!(reasons(only(&service)), [""; 0]);
}
