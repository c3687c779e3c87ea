use super::*;

#[test]
fn everything_that_a_service_may_set() {
    let service = known(
        r#"{ pkgs, lib, ... }: { migrations.postgresql = {
            requiredBy = [ "postgresql.service" "b.service" ];
            requires = lib.mkMerge [ [ "redis.service" ] [ "redis.service" "c.socket" ] ];
            stateDirectories = lib.singleton "/var/lib/postgresql";
            package = pkgs.postgresql_17;
            detect = "echo 2024-01-01";
            oldest = "2021-01-01";
            path = [ pkgs.jq ];
            environment.A = "b";
            serviceConfig.User = "postgres";
            acknowledge = [ "2024-01-01" ];
            steps."2024-01-01" = {
                program = "16";
                cumulative = true;
                up = { script = "s"; warn = "w"; backup = "b"; restore = "r"; verify = "v"; };
                down.script = "d";
            };
        }; }"#,
    );
    let words = |setting: &Setting<std::collections::BTreeSet<crate::model::UnitName>>| {
        setting
            .value()
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(words(&service.units), ["b.service", "postgresql.service"]);
    assert_eq!(words(&service.requires), ["c.socket", "redis.service"]);
    assert_eq!(
        service.state_directories.value().unwrap(),
        &["/var/lib/postgresql"]
    );
    assert_eq!(service.package.value().unwrap().display(), "postgresql 17");
    assert_eq!(
        service.detect.value().unwrap().text.as_deref(),
        Some("echo 2024-01-01")
    );
    assert_eq!(service.oldest.value().unwrap().to_string(), "2021-01-01");
    assert_eq!(service.acknowledge.len(), 1);
    let migration = only(&service);
    assert_eq!(migration.program.value().map(String::as_str), Some("16"));
    assert!(migration.cumulative.is_set());
    let parts: String = Part::ALL
        .iter()
        .map(|&one| part(migration, Direction::Up, one))
        .collect();
    assert_eq!(parts, "swbrv");
    assert_eq!(part(migration, Direction::Down, Part::Script), "d");
    assert!(migration.up.digest.is_some() && migration.down.digest.is_some());
}

#[test]
fn a_service_waits_for_its_gate_by_default() {
    let service = known("{ migrations.a.steps = { }; }");
    assert_eq!(
        service.units.value().unwrap().iter().next().unwrap().as_str(),
        "a.service"
    );
    assert!(service.history.is_empty() && service.requires.is_unset());
}

#[test]
fn parts_of_lists_that_are_not_known_leave_the_list_unknown() {
    for list in [
        "f",
        "[ f ]",
        r#"[ "/a" ] ++ f"#,
        r#"[ "/${f}" ]"#,
        r#"lib.optional f "/a""#,
        r#"if f then [ ] else [ "/a" ]"#,
    ] {
        let service = service(&format!(
            "{{ f, lib, ... }}: {{ migrations.a.stateDirectories = {list}; }}"
        ));
        assert!(service.state_directories.unknown().is_some(), "{list}");
    }
}

#[test]
fn what_is_misspelt_is_said() {
    let generation =
        good(r#"{ migrations.a = { stepz = { }; steps."2024-01-01" = { upp = 1; up.scirpt = "x"; }; }; }"#);
    assert_eq!(generation.notes.len(), 3, "{:?}", generation.notes);
    assert!(generation.notes[0].contains("`migrations.a.stepz`"));
}
