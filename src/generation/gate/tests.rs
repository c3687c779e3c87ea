//! Tests of the gate reader.

use super::*;

const HASH: &str = "0123456789abcdfghijklmnpqrsvwxyz";

fn digest(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

fn whole() -> String {
    let (up, down) = (digest('a'), digest('b'));
    format!(
        r#"[Unit]
Description=Bring the state of postgresql to what this generation expects
Before=postgresql.service
Requires=redis.service
X-RestartIfChanged=false
X-Migration-Format=1
X-Migration-Service=postgresql
X-Migration-Units=postgresql.service postgresql-setup.service
X-Migration-Requires=redis.service
X-Migration-Package=/nix/store/{HASH}-postgresql-17.2
X-Migration-StateDirectories=["/var/lib/postgresql","/srv/a \"b\"\n"]
X-Migration-Detect=/nix/store/{HASH}-migrate-postgresql-detect
X-Migration-Oldest=2021-01-01
X-Migration-Acknowledge=2023-09-14 2024-10-01
X-Migration-Path=["/nix/store/{HASH}-coreutils-9.5"]
X-Migration-Environment={{"PGPORT":"5433"}}
X-Migration-ServiceConfig={{"User":"postgres","Nice":5}}

[X-Migration 2023-09-14]
Program=16
Cumulative=yes
UpDigest={up}
UpScript=/nix/store/{HASH}-up-script
UpWarn="Indexes on text are rebuilt.\nThis takes a while."
UpBackup=/nix/store/{HASH}-up-backup
UpRestore=/nix/store/{HASH}-up-restore
UpVerify=/nix/store/{HASH}-up-verify
DownDigest={down}
DownScript=/nix/store/{HASH}-down-script

[X-Migration 2024-10-01]

[Service]
Type=oneshot
"#
    )
}

fn parse(text: &str) -> Result<Option<Gate>, Box<GateError>> {
    read(
        &"postgresql".parse().unwrap(),
        "migrate-postgresql.service",
        text.as_bytes(),
    )
}

#[test]
fn every_key_is_read() {
    let gate = parse(&whole()).unwrap().unwrap();
    let service = &gate.service;
    let units: Vec<_> = service
        .units
        .value()
        .unwrap()
        .iter()
        .map(UnitName::as_str)
        .collect();
    assert_eq!(units, ["postgresql-setup.service", "postgresql.service"]);
    assert_eq!(
        service.requires.value().unwrap().first().unwrap().as_str(),
        "redis.service"
    );
    assert_eq!(service.package.value().unwrap().display(), "postgresql 17.2");
    assert_eq!(service.state_directories.value().unwrap()[1], "/srv/a \"b\"\n");
    assert!(
        service
            .detect
            .value()
            .unwrap()
            .path
            .as_ref()
            .unwrap()
            .ends_with("-migrate-postgresql-detect")
    );
    assert_eq!(service.oldest.value().unwrap().to_string(), "2021-01-01");
    assert_eq!(service.acknowledge.len(), 2);
    assert!(!service.masked.is_set());
    assert_eq!(gate.path.len(), 1);
    assert_eq!(gate.environment["PGPORT"], "5433");
    assert_eq!(gate.service_config["Nice"], 5);
    let versions: Vec<_> = service
        .history
        .versions()
        .map(|version| version.to_string())
        .collect();
    assert_eq!(versions, ["2023-09-14", "2024-10-01"]);
    let first = service.history.get("2023-09-14".parse().unwrap()).unwrap();
    assert_eq!(first.program.value().unwrap(), "16");
    assert!(first.cumulative.is_set());
    assert_eq!(first.up.digest.unwrap().to_string(), digest('a'));
    for part in Part::ALL {
        assert!(first.up.part(part).is_set(), "{part:?}");
        assert_eq!(first.down.part(part).is_set(), part == Part::Script, "{part:?}");
    }
    let warning = first.up.warn.value().unwrap().text.as_deref();
    assert_eq!(warning, Some("Indexes on text are rebuilt.\nThis takes a while."));
    let second = service.history.get("2024-10-01".parse().unwrap()).unwrap();
    assert!(second.up.is_empty() && second.down.is_empty() && second.cumulative.is_unset());
}

#[test]
fn an_empty_history_is_a_gate_and_a_strangers_unit_is_none() {
    let head = "[Unit]\nX-Migration-Format=1\nX-Migration-Service=postgresql\n";
    let gate = parse(head).unwrap().unwrap();
    assert!(gate.service.history.is_empty());
    assert_eq!(
        parse("[Unit]\nDescription=x\nno assignment\n[Service]\nExecStart=/bin/x\n"),
        Ok(None)
    );
}

/// Each fault: what of the whole gate is replaced by what, the line it is told on, and the words.
#[test]
fn each_fault_has_its_words_and_place() {
    let whole = whole();
    let (a, short) = (digest('a'), "sha256:00");
    for (from, to, line, section, message) in [
        (
            "X-Migration-Format=1\n",
            "",
            1,
            "Unit",
            "`X-Migration-Format=` is missing",
        ),
        (
            "Format=1",
            "Format=2",
            6,
            "Unit",
            "format 2 was written by a newer nixmig",
        ),
        (
            "Format=1\n",
            "Format=2\nX-Migration-New=1\n",
            6,
            "Unit",
            "format 2 was written by a newer nixmig",
        ),
        (
            "Units=postgresql.service postgresql-setup.service",
            "Units=\u{c}",
            8,
            "Unit",
            "is not the name of a systemd unit",
        ),
        (
            "Format=1",
            "Format=one",
            6,
            "Unit",
            "`one` is not the number of a format",
        ),
        (
            "Format=1",
            "Format=0",
            6,
            "Unit",
            "`0` is not the number of a format",
        ),
        (
            "Format=1\n",
            "Format=1\nX-Migration-New=1\n",
            7,
            "Unit",
            "`X-Migration-New=` is not known",
        ),
        (
            "Service=postgresql",
            "Service=mysql",
            7,
            "Unit",
            "`mysql` is named by the gate of `postgresql`",
        ),
        (
            "X-Migration-Service=postgresql\n",
            "",
            1,
            "Unit",
            "`X-Migration-Service=` is missing",
        ),
        (
            "=postgresql.service p",
            "=postgresql.socket p",
            8,
            "Unit",
            "`postgresql.socket` is not a `.service`",
        ),
        (
            "=postgresql.service p",
            "=../x p",
            8,
            "Unit",
            "`../x` is not the name of a systemd unit",
        ),
        ("-postgresql-17.2", "", 10, "Unit", "is not a path in a store"),
        (
            "[\"/var/lib/postgresql\"",
            "[\"var\"",
            11,
            "Unit",
            "`var` is not an absolute path",
        ),
        (
            "[\"/var/lib/postgresql\"",
            "[1",
            11,
            "Unit",
            "is not a list of strings in JSON: invalid type",
        ),
        (
            "[\"/var/lib/postgresql\"",
            "[",
            11,
            "Unit",
            "is not a list of strings in JSON: expected value",
        ),
        (
            "2021-01-01",
            "2021-02-30",
            13,
            "Unit",
            "the calendar has no such day",
        ),
        (
            "2023-09-14 2024-10-01",
            "20240101",
            14,
            "Unit",
            "`20240101` is not a version",
        ),
        (
            "{\"PGPORT\":\"5433\"}",
            "{\"PGPORT\":5433}",
            16,
            "Unit",
            "is not an object of strings in JSON",
        ),
        ("{\"User\"", "[\"User\"", 17, "Unit", "is not an object in JSON"),
        (
            "[X-Migration 2023-09-14]",
            "[X-Migration 2023-02-30]",
            19,
            "X-Migration 2023-02-30",
            "no such day",
        ),
        (
            "[X-Migration 2023-09-14]",
            "[X-Migration]",
            19,
            "X-Migration",
            "`[X-Migration]` names no migration",
        ),
        (
            "[X-Migration 2023-09-14]",
            "[X-Migration ]",
            19,
            "X-Migration ",
            "`` is not a version",
        ),
        (
            "[X-Migration 2023-09-14]",
            "[X-Migration 2023",
            19,
            "",
            "a broken section header",
        ),
        (
            "[X-Migration 2024-10-01]",
            "[X-Migration 2023-09-14]",
            31,
            "X-Migration 2023-09-14",
            "is defined twice",
        ),
        (
            "Cumulative=yes",
            "Cumulative=maybe",
            21,
            "X-Migration 2023-09-14",
            "`maybe` is neither `yes` nor `no`",
        ),
        (
            "Cumulative=yes",
            "Program=17",
            21,
            "X-Migration 2023-09-14",
            "`Program=` is there a second time",
        ),
        (
            "Cumulative=yes",
            "UpHook=x",
            21,
            "X-Migration 2023-09-14",
            "`UpHook=` is not known",
        ),
        (
            "Cumulative=yes",
            "cumulative",
            21,
            "X-Migration 2023-09-14",
            "neither a section, an assignment nor a comment",
        ),
        (&a, short, 22, "X-Migration 2023-09-14", "is not a digest"),
        (
            "DownDigest=",
            "#",
            19,
            "X-Migration 2023-09-14",
            "`DownDigest=` is missing",
        ),
        (
            "UpWarn=\"",
            "UpWarn=",
            24,
            "X-Migration 2023-09-14",
            "`UpWarn=` is not a string in JSON",
        ),
        (
            "UpScript=/nix",
            "UpScript=nix",
            23,
            "X-Migration 2023-09-14",
            "is not an absolute path",
        ),
        (
            "Type=oneshot",
            "X-Migration-Format=1",
            34,
            "Service",
            "belongs into `[Unit]`",
        ),
        (
            "Program=16",
            "Program=",
            20,
            "X-Migration 2023-09-14",
            "`Program=` is empty",
        ),
    ] {
        assert!(whole.contains(from), "{from}");
        let broken = whole.replacen(from, to, 1);
        let error = parse(&broken).unwrap_err();
        assert!(
            error.problem.to_string().contains(message),
            "{from} -> {to}: {error}"
        );
        assert_eq!(error.line, line, "{from} -> {to}: {error}");
        assert_eq!(
            error.section.as_deref().unwrap_or_default(),
            section,
            "{from} -> {to}"
        );
        assert!(
            broken.get(error.span.clone()).is_some() && error.text == Some(broken),
            "{from}"
        );
        assert!(
            error.to_string().starts_with("migrate-postgresql.service, line "),
            "{error}"
        );
    }
}

#[test]
fn a_gate_that_is_no_text_says_so() {
    let read = |bytes: &[u8]| read(&"x".parse().unwrap(), "f", bytes).unwrap_err();
    let error = read(b"\x7fELF\0\0");
    assert_eq!(
        (error.to_string().as_str(), error.text),
        (
            "f, line 1: a NUL byte: this is no text, and so no unit file",
            None
        )
    );
    let long = format!("[Unit]\nX-Migration-Format={}", "9".repeat(3000));
    assert_eq!(read(long.as_bytes()).text, None);
}

#[test]
fn gated_units_carry_their_versions() {
    let file =
        UnitFile::parse(b"[Unit]\nX-Migration-Versions=a 2023-01-01 2024-01-01\nX-Migration-Versions=b\n")
            .unwrap();
    let found = versions(&[file]).unwrap();
    let count: Vec<_> = found
        .iter()
        .map(|(service, versions)| (service.as_str(), versions.len()))
        .collect();
    assert_eq!(count, [("a", 2), ("b", 0)]);
    let broken = UnitFile::parse(b"[Unit]\nX-Migration-Versions=a 2023\n").unwrap();
    assert!(versions(&[broken]).is_err());
}

#[test]
fn state_directories_are_told_without_the_rest_or_not_at_all() {
    let text = |unit: &str, rest: &str| {
        format!(
            "[Unit]\nX-Migration-Format=1\n{unit}\n[X-Migration 2024-01-01]\n{rest}\n[Service]\nType=oneshot\n"
        )
    };
    let line = r#"X-Migration-StateDirectories=["/var/lib/a","/b"]"#;
    let whole = whole();
    let read = parse(&whole).unwrap().unwrap().service.state_directories;
    assert_eq!(state_directories(&whole).as_ref(), read.value());
    assert_eq!(
        state_directories(&text(line, "UpScript=/x")),
        Some(vec!["/var/lib/a".to_owned(), "/b".to_owned()])
    );
    assert_eq!(state_directories(&text("", "UpScript=/x")), Some(Vec::new()));
    for odd in [
        text("", line),
        text(&format!("{line}\n{line}"), ""),
        text("X-Migration-StateDirectories=", ""),
        text(r#"X-Migration-StateDirectories=["a"]"#, ""),
        text("\0", ""),
    ] {
        assert_eq!(state_directories(&odd), None, "{odd}");
    }
}
