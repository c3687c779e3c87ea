//! Owns what is known of well-known stateful services, whether they declare migrations or not: their units, their packages,
//! and how their data formats move with their versions.

mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::Program;

/// What is known of one stateful service of NixOS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownService {
    /// The service's name, as a key under `migrations` would have it.
    pub name: &'static str,
    /// Its units: exact names, or with one `*`. The first is an exact name: the one that an evaluation's package stands for.
    pub units: &'static [&'static str],
    /// The names (without version) of store paths that are its program: exact names, or with one `*`.
    pub programs: &'static [&'static str],
    /// The option under `config` that turns it on, dots between; a `*` stands for each name of a set: any one that is on.
    pub enable: &'static str,
    /// The option under `config` that holds its package, dots between.
    pub package: &'static str,
    /// How many leading components of the version, when they change, may change the data format: 1 for PostgreSQL, 2 for
    /// MariaDB.
    pub components: usize,
    /// What is known of its data format across versions, as one or two sentences.
    pub format: &'static str,
    /// Where to read on: its makers' own words on upgrading.
    pub link: &'static str,
}

impl KnownService {
    /// Whether a unit is one of the service's.
    pub fn has_unit(&self, unit: &str) -> bool {
        self.units.iter().any(|pattern| matches(pattern, unit))
    }

    /// Whether a program is the service's.
    pub fn runs(&self, program: &Program) -> bool {
        self.programs
            .iter()
            .any(|pattern| matches(pattern, &program.name))
    }
}

/// The table, by name.
pub fn known_services() -> &'static [KnownService] {
    table::KNOWN
}

/// The services that a unit belongs to, by its name.
///
/// Every unit of a system is held against the table, so it is asked by the first letter of their patterns.
pub fn known_by_unit(unit: &str) -> impl Iterator<Item = &'static KnownService> {
    static BY_LETTER: LazyLock<BTreeMap<u8, Vec<&'static KnownService>>> = LazyLock::new(|| {
        let mut letters: BTreeMap<u8, Vec<&'static KnownService>> = BTreeMap::new();
        for known in known_services() {
            let first = known.units.iter().filter_map(|pattern| pattern.bytes().next());
            for letter in first.collect::<BTreeSet<_>>() {
                letters.entry(letter).or_default().push(known);
            }
        }
        letters
    });
    let first = unit.as_bytes().first();
    let known = first
        .and_then(|letter| BY_LETTER.get(letter))
        .into_iter()
        .flatten();
    known.copied().filter(move |known| known.has_unit(unit))
}

/// Whether a name is a pattern's, in which one `*` stands for any text, also none.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name
            .strip_prefix(before)
            .is_some_and(|rest| rest.ends_with(after)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ServiceName, UnitName};
    use super::*;

    #[test]
    fn names_are_sorted_unique_and_could_be_keys() {
        let names: Vec<_> = known_services().iter().map(|known| known.name).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
        for name in names {
            assert!(name.parse::<ServiceName>().is_ok(), "{name}");
        }
    }

    #[test]
    fn patterns_have_one_star_at_most_and_the_first_unit_has_none() {
        for known in known_services() {
            for pattern in known.units.iter().chain(known.programs).chain([&known.enable]) {
                assert!(pattern.matches('*').count() <= 1, "{}: {pattern}", known.name);
            }
            for unit in known.units {
                assert!(
                    unit.replace('*', "x").parse::<UnitName>().is_ok(),
                    "{}: {unit}",
                    known.name
                );
                assert!(unit.ends_with(".service"), "{}: {unit}", known.name);
            }
            assert!(!known.units[0].contains('*'), "{}", known.name);
            assert!(
                known.units.iter().all(|unit| !unit.starts_with('*')),
                "{}",
                known.name
            );
            assert!(!known.programs.is_empty(), "{}", known.name);
        }
    }

    #[test]
    fn options_are_paths_below_services() {
        for known in known_services() {
            for option in [known.enable, known.package] {
                let mut parts = option.split('.');
                assert_eq!(parts.next(), Some("services"), "{}: {option}", known.name);
                assert!(parts.all(|part| !part.is_empty()), "{}: {option}", known.name);
            }
            assert!(known.enable.ends_with(".enable"), "{}", known.name);
            assert!(!known.package.contains('*'), "{}", known.name);
        }
    }

    #[test]
    fn what_is_said_are_sentences_with_a_link() {
        for known in known_services() {
            assert!(known.format.ends_with('.'), "{}", known.name);
            assert!(!known.format.contains("  "), "{}", known.name);
            assert!(
                known
                    .format
                    .starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit() || c == '`'),
                "{}",
                known.name
            );
            assert_eq!(known.format.matches('`').count() % 2, 0, "{}", known.name);
            assert!(
                known.link.starts_with("https://"),
                "{}: {}",
                known.name,
                known.link
            );
            assert!(!known.link.contains(char::is_whitespace), "{}", known.name);
            assert!((1..=2).contains(&known.components), "{}", known.name);
        }
    }

    /// Two services may share units or programs, never both: a unit with its program names one service.
    #[test]
    fn a_unit_and_its_program_name_one_service() {
        let mut seen = BTreeMap::new();
        for known in known_services() {
            for unit in known.units {
                for program in known.programs {
                    if let Some(other) = seen.insert((unit, program), known.name) {
                        assert_eq!(other, known.name, "{unit} with {program}");
                    }
                }
            }
        }
        let sharing: Vec<_> = known_services()
            .iter()
            .filter(|known| {
                known_services().iter().any(|other| {
                    other.name != known.name && other.programs.iter().any(|p| known.programs.contains(p))
                })
            })
            .map(|known| known.name)
            .collect();
        assert_eq!(sharing, ["influxdb", "influxdb2"], "store names of two services");
    }

    #[test]
    fn stars_match_any_text() {
        for (pattern, name, fits) in [
            ("redis-*.service", "redis-mastodon.service", true),
            ("redis-*.service", "redis-.service", true),
            ("redis-*.service", "redis.service", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("python3*-notebook", "python3.12-notebook", true),
            ("mysql", "mysql2", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn a_service_knows_its_units_and_programs() {
        let find = |name| known_services().iter().find(|known| known.name == name).unwrap();
        assert!(find("redis").has_unit("redis-mastodon.service"));
        assert!(!find("redis").has_unit("redis.socket"));
        assert!(find("valkey").runs(&Program::parse("valkey-8.1.1")));
        assert!(!find("redis").runs(&Program::parse("valkey-8.1.1")));
        assert!(find("postgresql").runs(&Program::parse("postgresql-and-plugins-15.10")));
        assert!(find("nextcloud").runs(&Program::parse("nextcloud-30.0.4-with-apps")));
        assert!(find("jupyter").runs(&Program::parse("python3.12-notebook-7.2.2")));
    }
}
