//! Owns what is read of one generation: its services with their histories, and the programs of its units.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use super::{History, Program, ServiceName, Setting, Text, UnitName, Unknown, Version};

/// Where a generation was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Nix evaluated its configuration.
    Evaluation,
    /// Its built closure.
    Closure,
    /// Its derivation, not built.
    Derivation,
    /// The text of its modules, not evaluated.
    Source,
}

impl Kind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Evaluation => "evaluation",
            Self::Closure => "closure",
            Self::Derivation => "derivation",
            Self::Source => "source",
        }
    }
}

/// A NixOS release: `25.05`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    year: u8,
    month: u8,
}

/// A text is not a NixOS release.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a NixOS release: it must begin with `YY.MM`")]
pub struct ReleaseError(String);

impl Release {
    /// The first day of the release's month, as a version: steps up to it are assumed applied at first contact (a commit's
    /// date proves nothing on a stable branch).
    ///
    /// `None` never comes of a parsed release: its month is checked.
    pub fn first_day(self) -> Option<Version> {
        format!("20{:02}-{:02}-01", self.year, self.month).parse().ok()
    }
}

impl FromStr for Release {
    type Err = ReleaseError;

    /// Reads `25.05` and everything that begins with it and goes on after a dot or dash, as `nixos-version` does:
    /// `25.05.20250601.abcdef`, `25.05pre-git`.
    fn from_str(text: &str) -> Result<Self, ReleaseError> {
        let bytes = text.trim().as_bytes();
        let digit = |at: usize| {
            bytes
                .get(at)
                .filter(|byte| byte.is_ascii_digit())
                .map(|byte| byte - b'0')
        };
        let pair = |at: usize| Some(digit(at)? * 10 + digit(at + 1)?);
        let parse = || {
            let (year, month) = (pair(0)?, pair(3)?);
            let fine = bytes[2] == b'.' && (1..=12).contains(&month) && digit(5).is_none();
            fine.then_some(Self { year, month })
        };
        parse().ok_or_else(|| ReleaseError(text.chars().take(60).collect()))
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}.{:02}", self.year, self.month)
    }
}

/// One service of one generation: a key under `migrations`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The key.
    pub name: ServiceName,
    /// Its migrations.
    pub history: History,
    /// The units that must wait for its gate.
    pub units: Setting<BTreeSet<UnitName>>,
    /// The units that must be up while it migrates.
    pub requires: Setting<BTreeSet<UnitName>>,
    /// Where its state is.
    pub state_directories: Setting<Vec<String>>,
    /// Whose data the state is.
    pub package: Setting<Program>,
    /// The script that prints the version that the data is really on.
    pub detect: Setting<Text>,
    /// Older state is refused.
    pub oldest: Setting<Version>,
    /// Versions whose destructive ups are accepted on this machine.
    pub acknowledge: BTreeSet<Version>,
    /// The gate is linked to `/dev/null`: it never runs, and what it would run is not known.
    pub masked: bool,
}

impl Service {
    /// A service of which nothing is set yet.
    pub fn new(name: ServiceName) -> Self {
        Self {
            name,
            history: History::default(),
            units: Setting::Unset,
            requires: Setting::Unset,
            state_directories: Setting::Unset,
            package: Setting::Unset,
            detect: Setting::Unset,
            oldest: Setting::Unset,
            acknowledge: BTreeSet::new(),
            masked: false,
        }
    }
}

/// What a generation says of one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitState<'a> {
    /// It has no such unit.
    Absent,
    /// It has the unit; the program where one was found.
    Present(Option<&'a Program>),
    /// It cannot be told.
    Unknown,
}

/// What was read of one system generation, whichever way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// What the user called it: `current`, `.#atlas`.
    pub label: String,
    /// Where it was read from.
    pub kind: Kind,
    /// What the reference came to: a store path, a derivation, a flake's reference, a file.
    pub identity: Option<String>,
    /// The NixOS release.
    pub release: Setting<Release>,
    /// The services that declare migrations.
    pub services: BTreeMap<ServiceName, Service>,
    /// Units that it runs, with their programs: gated ones and those of well-known services. `Unset`: the unit is there and
    /// no program was found in it; `Unknown`: the unit is there and was not looked into, so that it may turn out to be another
    /// name of one, or masked.
    pub units: BTreeMap<UnitName, Setting<Program>>,
    /// Whether a unit that is not in `units` is not in the generation.
    pub units_complete: bool,
    /// Places that may declare services and could not be read.
    pub unread: Vec<Unknown>,
    /// What the reader did besides what it was asked, as sentences: what it fell back to, what it retried.
    pub notes: Vec<String>,
}

impl Generation {
    /// A generation of which nothing has been read yet.
    pub fn new(label: &str, kind: Kind) -> Self {
        Self {
            label: label.to_owned(),
            kind,
            identity: None,
            release: Setting::Unset,
            services: BTreeMap::new(),
            units: BTreeMap::new(),
            units_complete: false,
            unread: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// What it says of one unit; an instance is there where its template is.
    pub fn unit(&self, unit: &UnitName) -> UnitState<'_> {
        let template = || self.units.get(&unit.template()?);
        match self.units.get(unit).or_else(template) {
            Some(program) => UnitState::Present(program.value()),
            None if self.units_complete => UnitState::Absent,
            None => UnitState::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases() {
        for (text, release) in [
            ("25.05", "25.05"),
            ("26.11pre-git", "26.11"),
            ("25.05.20250601.abcdef\n", "25.05"),
        ] {
            let parsed: Release = text.parse().unwrap();
            assert_eq!(parsed.to_string(), release);
        }
        let day = "25.05".parse::<Release>().unwrap().first_day().unwrap();
        assert_eq!(day.to_string(), "2025-05-01");
        for text in [
            "", "25", "25.5", "25.13", "25.00", "25.055", "2025.05", "ab.cd", "25-05",
        ] {
            assert!(text.parse::<Release>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_unit_is_absent_only_where_all_were_listed() {
        let unit: UnitName = "a.service".parse().unwrap();
        let mut generation = Generation::new("x", Kind::Closure);
        assert_eq!(generation.unit(&unit), UnitState::Unknown);
        generation.units_complete = true;
        assert_eq!(generation.unit(&unit), UnitState::Absent);
        generation.units.insert(unit.clone(), Setting::Unset);
        assert_eq!(generation.unit(&unit), UnitState::Present(None));
        let instance: UnitName = "b@1.service".parse().unwrap();
        assert_eq!(generation.unit(&instance), UnitState::Absent);
        generation
            .units
            .insert("b@.service".parse().unwrap(), Setting::Unset);
        assert_eq!(generation.unit(&instance), UnitState::Present(None));
    }
}
