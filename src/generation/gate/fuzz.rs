//! What must hold of every unit file, whatever is in it.

use std::cell::Cell;
use std::ops::Range;

use serde_json::json;

use super::*;
use crate::fuzzing::{Target, fuzz};
use crate::generation::programs::{Sought, program_of};
use crate::generation::unit_file::SyntaxProblem;
use crate::generation::units::{self, UnitText, Units};
use crate::model::{Generation, Kind};

const UNIT: Target = Target {
    name: "unit",
    also: &[],
    words: &[
        "[Unit]\n",
        "\n[Service]\n",
        "[X-Migration 2024-02-29.1]\n",
        "[X-Migration",
        "]",
        "=",
        "\\\n",
        "\\",
        "\n",
        "\r\n",
        "\r",
        " ",
        "\t",
        "#",
        ";",
        "\u{feff}",
        "\"",
        "'",
        "\"\\ud800\"",
        "[\"/\"]",
        "{\"a\":[{}]}",
        "[",
        "{\"\":",
        "null",
        "X-Migration-Versions=postgresql 2024-01-01\n",
        "X-Migration-Format=2\n",
        "X-Migration-Oldest=2023-01-01\n",
        "X-Migration-Detect=/nix/store/x\n",
        "X-Migration-Acknowledge=2023-01-01 2023-01-01.9\n",
        "X-Migration-Requires=a@b.service\n",
        "X-Migration-Path=[]\n",
        "X-Migration-Environment={}\n",
        "Cumulative=yes\n",
        "Cumulative=no\n",
        "Program=16\n",
        "UpWarn=\"careful\"\n",
        "DownVerify=/x\n",
        "DownDigest=sha256:0000000000000000000000000000000000000000000000000000000000000000\n",
        "ExecStart=",
        "ExecStart=@-+!!:",
        "Environment=\"PATH=",
        "/nix/store/",
        "store/0123456789abcdfghijklmnpqrsvwxyz-a-1",
        "2023-02-30",
        "2023-01-01.0",
        "4294967296",
        "\u{c}",
        "é",
    ],
    runs: 2000,
    check,
};

#[test]
fn whatever_a_unit_file_says() {
    fuzz!(UNIT);
}

/// Reads a unit file as what it may be: a gate, and the unit and drop-in of a service.
fn check(bytes: &[u8]) -> bool {
    let file = match UnitFile::parse(bytes) {
        Ok(file) => file,
        Err(error) => {
            Lines::of(bytes).assert(&error.place);
            let refused = std::str::from_utf8(bytes).is_err() || bytes.contains(&0);
            let named = matches!(error.problem, SyntaxProblem::Utf8 | SyntaxProblem::Nul);
            assert_eq!(named, refused);
            return false;
        }
    };
    assert_syntax(bytes, &file);
    let name = file.entries("Unit", "X-Migration-Service").next();
    let name = name.and_then(|entry| entry.value.parse().ok());
    let service: ServiceName = name.unwrap_or_else(|| "app".parse().unwrap());
    assert_programs(bytes, std::slice::from_ref(&file));
    if bytes.len().is_multiple_of(4) {
        assert_units(&service, bytes);
    }
    if let Err(error) = hindrance("x", bytes) {
        assert_error(bytes, &error);
    }
    match read(&service, "x", bytes) {
        Err(error) => {
            assert_error(bytes, &error);
            false
        }
        Ok(None) => false,
        Ok(Some(gate)) => {
            let text = written(&gate);
            let again = read(&service, "x", text.as_bytes());
            assert_eq!(again, Ok(Some(gate)), "{text}");
            true
        }
    }
}

fn assert_error(bytes: &[u8], error: &GateError) {
    let place = Place {
        line: error.line,
        span: error.span.clone(),
    };
    Lines::of(bytes).assert_in_text(&place);
    assert!(!error.to_string().is_empty());
}

/// Where the lines of a text begin.
struct Lines<'b> {
    bytes: &'b [u8],
    begin: Vec<usize>,
}

impl<'b> Lines<'b> {
    fn of(bytes: &'b [u8]) -> Self {
        let is_end =
            |at: usize| bytes[at] == b'\n' || bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n');
        let ends = (0..bytes.len()).filter(|&at| is_end(at));
        let begin = std::iter::once(0).chain(ends.map(|at| at + 1)).collect();
        Self { bytes, begin }
    }

    /// A place is in the text, and its line is that of its first byte.
    fn assert(&self, place: &Place) {
        let Range { start, end } = place.span;
        assert!(start <= end && end <= self.bytes.len(), "{place:?}");
        let line = self.begin.partition_point(|&begin| begin <= start);
        assert_eq!(place.line as usize, line, "{place:?}");
    }

    /// In what is a text, a place begins and ends with a character.
    fn assert_in_text(&self, place: &Place) {
        self.assert(place);
        let within = |at: usize| matches!(self.bytes.get(at), Some(0x80..0xc0));
        assert!(!within(place.span.start) && !within(place.span.end), "{place:?}");
    }
}

/// Everything has its place, in order, and reads the same when it is written anew.
fn assert_syntax(bytes: &[u8], file: &UnitFile<'_>) {
    let lines = Lines::of(bytes);
    let mut after = 0;
    let mut anew = String::new();
    for section in &file.sections {
        anew += &format!("[{}]\n", section.name);
        let entries = section.entries.iter().map(|entry| &entry.place);
        for place in std::iter::once(&section.place).chain(entries) {
            lines.assert_in_text(place);
            assert!(place.span.start >= after, "{place:?} begins before {after}");
            after = place.span.end;
        }
        for entry in &section.entries {
            // The blank keeps a backslash at its end from being a continuation.
            anew += &format!("{}={} \n", entry.key, entry.value);
        }
    }
    for line in &file.ignored {
        lines.assert_in_text(&line.place);
    }
    let again = UnitFile::parse(anew.as_bytes()).unwrap();
    let flat = |file: &UnitFile<'_>| -> Vec<(String, Vec<(String, String)>)> {
        let entries = |section: &Section<'_>| {
            let entries = section.entries.iter();
            entries
                .map(|entry| (entry.key.to_string(), entry.value.to_string()))
                .collect()
        };
        file.sections
            .iter()
            .map(|section| (section.name.to_string(), entries(section)))
            .collect()
    };
    assert_eq!(flat(&again), flat(file));
    assert!(again.ignored.is_empty());
}

fn assert_programs(bytes: &[u8], files: &[UnitFile<'_>]) {
    let text = std::str::from_utf8(bytes).unwrap();
    for found in store_paths(text) {
        assert!(
            found.path.starts_with('/') && found.path.ends_with(found.name),
            "{found:?}"
        );
        assert!(text.contains(found.path));
    }
    for unit in ["postgresql.service", "redis-x.service", "other.service"] {
        let unit = unit.parse().unwrap();
        for names in [
            BTreeSet::new(),
            ["postgresql".to_owned(), "bash".to_owned()].into(),
        ] {
            let sought = Sought::new([&unit], names);
            let scripts = Scripts::default();
            if let Setting::Set(program) = program_of(files, &sought, |_| scripts.words(bytes)) {
                let path = program.path.unwrap();
                assert!(path.contains(&format!("-{}", program.name)), "{path}");
            }
        }
    }
}

/// Scripts, of which the first that is asked for has the words of the text. As many as the text names, each as long as the
/// text, take as long as that in life, too.
#[derive(Default)]
struct Scripts(Cell<bool>);

impl Scripts {
    fn words(&self, text: &[u8]) -> Option<String> {
        let first = !self.0.replace(true);
        first.then(|| String::from_utf8_lossy(text).into_owned())
    }
}

/// One text as a gate, as a service with the same text for a drop-in, and as a service behind a masked gate.
struct Same<'b> {
    entries: BTreeMap<UnitName, units::Entry>,
    bytes: &'b [u8],
    scripts: Scripts,
}

impl Units for Same<'_> {
    type Error = Box<GateError>;

    fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(UnitName::as_str)
    }

    fn entry(&self, unit: &UnitName) -> Option<units::Entry> {
        self.entries.get(unit).cloned()
    }

    fn text(&self, unit: &UnitName) -> Result<UnitText, Self::Error> {
        Ok(UnitText {
            file: unit.to_string(),
            bytes: self.bytes.to_vec(),
        })
    }

    fn drop_ins(&self, name: &str) -> Result<BTreeMap<String, UnitText>, Self::Error> {
        let text = |unit: UnitName| Some(("x.conf".to_owned(), self.text(&unit).ok()?));
        let unit = (name == "postgresql.service")
            .then(|| name.parse().ok())
            .flatten();
        Ok(unit.and_then(text).into_iter().collect())
    }

    fn program_elsewhere(&self, _: &Sought) -> Setting<Program> {
        Setting::Unset
    }

    fn script(&self, _: &UnitName, _: &str) -> Option<String> {
        self.scripts.words(self.bytes)
    }
}

fn assert_units(service: &ServiceName, bytes: &[u8]) {
    let unit = |name: &str, entry| (name.parse().unwrap(), entry);
    let units = Same {
        entries: [
            unit("postgresql.service", units::Entry::Unit),
            unit("migrate-other.service", units::Entry::Masked),
            unit(
                "alias.service",
                units::Entry::Alias("postgresql.service".parse().unwrap()),
            ),
            (service.gate(), units::Entry::Unit),
        ]
        .into(),
        bytes,
        scripts: Scripts::default(),
    };
    let mut generation = Generation::new("x", Kind::Closure);
    let read = units::collect(&units, &mut generation);
    assert_eq!(read.is_ok(), super::read(service, "x", bytes).is_ok());
}

/// A gate as docs/formats.md has it. The blank at the end of a line keeps a backslash before it from being a continuation.
fn written(gate: &Gate) -> String {
    let service = &gate.service;
    let words = |units: &Setting<BTreeSet<UnitName>>| {
        let units = units.value()?;
        Some(units.iter().map(UnitName::as_str).collect::<Vec<_>>().join(" "))
    };
    let path = |text: &Setting<Text>| text.value()?.path.clone();
    let acknowledge: Vec<_> = service.acknowledge.iter().map(Version::to_string).collect();
    let mut text = String::new();
    let mut put = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            text += &format!("{key}{value} \n");
        }
    };
    put("[Unit]", Some(String::new()));
    put("X-Migration-Format=", Some("1".to_owned()));
    put("X-Migration-Service=", Some(service.name.to_string()));
    put("X-Migration-Units=", words(&service.units));
    put("X-Migration-Requires=", words(&service.requires));
    put(
        "X-Migration-Package=",
        service.package.value().and_then(|package| package.path.clone()),
    );
    put(
        "X-Migration-StateDirectories=",
        service
            .state_directories
            .value()
            .map(|value| json!(value).to_string()),
    );
    put("X-Migration-Detect=", path(&service.detect));
    put(
        "X-Migration-Oldest=",
        service.oldest.value().map(Version::to_string),
    );
    put(
        "X-Migration-Acknowledge=",
        (!acknowledge.is_empty()).then(|| acknowledge.join(" ")),
    );
    put("X-Migration-Path=", Some(json!(gate.path).to_string()));
    put(
        "X-Migration-Environment=",
        Some(json!(gate.environment).to_string()),
    );
    put(
        "X-Migration-ServiceConfig=",
        Some(json!(gate.service_config).to_string()),
    );
    for migration in service.history.iter() {
        put("[X-Migration ", Some(format!("{}]", migration.version)));
        put("Program=", migration.program.value().cloned());
        put(
            "Cumulative=",
            migration.cumulative.is_set().then(|| "yes".to_owned()),
        );
        for (name, action) in [("Up", &migration.up), ("Down", &migration.down)] {
            put(
                &format!("{name}Digest="),
                action.digest.map(|digest| digest.to_string()),
            );
            let warn = action.warn.value().and_then(|warn| warn.text.as_ref());
            put(&format!("{name}Warn="), warn.map(|warn| json!(warn).to_string()));
            put(&format!("{name}Script="), path(&action.script));
            put(&format!("{name}Backup="), path(&action.backup));
            put(&format!("{name}Restore="), path(&action.restore));
            put(&format!("{name}Verify="), path(&action.verify));
        }
    }
    text
}
