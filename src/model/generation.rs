//! Owns what is read of one generation: its services with their histories, and the programs of its units.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use super::{History, Program, ServiceName, Setting, Text, UnitName, UnitNames, Unknown, Version};

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

/// A NixOS release, or an unstable system on the way to it: `25.05`, `25.05pre`. The latter comes before the former.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    year: u8,
    month: u8,
    // Last, so that the derived order has what is unstable before the release.
    stable: bool,
}

/// A text is not a NixOS release.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a NixOS release: it must begin with `YY.MM`")]
pub struct ReleaseError(String);

impl Release {
    /// The first day of the release's month, as a version: steps up to it are assumed applied at first contact (a commit's
    /// date proves nothing on a stable branch). Of an unstable system it is that of the release before, since it lies
    /// somewhere between the two.
    ///
    /// `None` where no release is known to be before.
    pub fn first_day(self) -> Option<Version> {
        let (year, month) = match self.stable {
            true => (self.year, self.month),
            false => self.before()?,
        };
        format!("20{year:02}-{month:02}-01").parse().ok()
    }

    /// The year and month of the release before. NixOS is released in May and November, and was until 20.09 in March and
    /// September.
    fn before(self) -> Option<(u8, u8)> {
        let was_released = |&(year, month): &(u8, u8)| match (year, month) >= (21, 5) {
            true => matches!(month, 5 | 11),
            false => matches!(month, 3 | 9) && year < 21,
        };
        let month_before = |&(year, month): &(u8, u8)| match month {
            1 => Some((year.checked_sub(1)?, 12)),
            month => Some((year, month - 1)),
        };
        std::iter::successors(month_before(&(self.year, self.month)), month_before).find(was_released)
    }
}

impl FromStr for Release {
    type Err = ReleaseError;

    /// Reads `25.05` and everything that begins with it, as `nixos-version` does: `25.05.20250601.abcdef`, `25.05pre-git`.
    ///
    /// It is unstable where `pre` or `beta` follows, as nixpkgs' channels write it, or a day before the release's month, as
    /// its flake does (`lib.trivial.versionSuffix`).
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
            fine.then_some((year, month))
        };
        let (year, month) = parse().ok_or_else(|| ReleaseError(text.chars().take(60).collect()))?;
        let first_day = format!("20{year:02}{month:02}01");
        // Its first five characters are ASCII.
        let mut parts = text.trim()[5..].split(|c: char| !c.is_ascii_alphanumeric());
        let is_day = |part: &str| part.len() == 8 && part.bytes().all(|byte| byte.is_ascii_digit());
        let unstable = parts
            .clone()
            .find(|part| !part.is_empty())
            .is_some_and(|part| ["pre", "beta"].iter().any(|word| part.starts_with(word)))
            || parts.any(|part| is_day(part) && part < first_day.as_str());
        Ok(Self {
            year,
            month,
            stable: !unstable,
        })
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = if self.stable { "" } else { "pre" };
        write!(f, "{:02}.{:02}{suffix}", self.year, self.month)
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
    /// Whether the gate is linked to `/dev/null`: it never runs then, and what it would run is not known.
    pub masked: Setting<()>,
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
            masked: Setting::Unset,
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
    /// The text of each service's gate, where it was read from one: two of the same text say the same.
    pub gates: BTreeMap<ServiceName, Vec<u8>>,
    /// Units that it runs, with their programs: gated ones and those of well-known services. `Unset`: the unit is there and
    /// no program was found in it; `Unknown`: the unit is there and was not looked into, so that it may turn out to be another
    /// name of one, or masked.
    pub units: BTreeMap<UnitName, Setting<Program>>,
    /// Further units that it runs, none of them gated or well-known, and that were not looked into either.
    pub others: UnitNames,
    /// Whether a unit that is in neither `units` nor `others` is not in the generation.
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
            gates: BTreeMap::new(),
            units: BTreeMap::new(),
            others: UnitNames::default(),
            units_complete: false,
            unread: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// What it says of one unit; an instance is there where its template is.
    pub fn unit(&self, unit: &UnitName) -> UnitState<'_> {
        let named = |unit: &UnitName| match self.units.get(unit) {
            Some(program) => Some(program.value()),
            None => self.others.contains(unit.as_str()).then_some(None),
        };
        match named(unit).or_else(|| named(&unit.template()?)) {
            Some(program) => UnitState::Present(program),
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
        for (text, release, first_day) in [
            ("25.05", "25.05", "2025-05-01"),
            ("25.05.20250601.abcdef\n", "25.05", "2025-05-01"),
            ("25.05.20250501.abcdef", "25.05", "2025-05-01"),
            ("25.05.802491.7c43f080a7f2", "25.05", "2025-05-01"),
            // What is unstable lies after the release before, and that is all that one can tell.
            ("25.05.20250430.abcdef", "25.05pre", "2024-11-01"),
            ("25.11.20250610.dirty", "25.11pre", "2025-05-01"),
            ("26.11pre-git", "26.11pre", "2026-05-01"),
            ("25.11pre813814.1f08a4df998e", "25.11pre", "2025-05-01"),
            ("25.11beta12.abcdef", "25.11pre", "2025-05-01"),
            ("21.05pre-git", "21.05pre", "2020-09-01"),
            ("20.09pre-git", "20.09pre", "2020-03-01"),
            ("21.11pre-git", "21.11pre", "2021-05-01"),
        ] {
            let parsed: Release = text.parse().unwrap();
            assert_eq!(parsed.to_string(), release, "{text}");
            assert_eq!(parsed.first_day(), first_day.parse().ok(), "{text}");
            assert_eq!(release.parse(), Ok(parsed), "{text}");
        }
        assert_eq!("00.03pre".parse::<Release>().unwrap().first_day(), None);
        let sorted = ["25.05pre", "25.05", "25.11pre", "25.11"].map(|text| text.parse::<Release>().unwrap());
        assert!(sorted.is_sorted());
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
        let other: UnitName = "c@1.service".parse().unwrap();
        assert_eq!(generation.unit(&other), UnitState::Absent);
        generation.others.push("c@.service");
        assert_eq!(generation.unit(&other), UnitState::Present(None));
    }
}
