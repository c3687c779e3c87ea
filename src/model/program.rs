//! Owns the names and versions of programs, as Nix has them: how a store name is taken apart and how versions compare.

use std::cmp::Ordering;

/// A program that a unit runs or a service's package: whose data the state is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The name without the version: `postgresql`.
    pub name: String,
    /// The version: `15.10`; none where the name carries none.
    pub version: Option<String>,
    /// The store path, where it was seen.
    pub path: Option<String>,
}

impl Program {
    /// Takes a derivation's name apart as `builtins.parseDrvName` does: the version begins after the first dash that is
    /// not followed by a letter.
    pub fn parse(name: &str) -> Self {
        let bytes = name.as_bytes();
        let dash = (0..bytes.len())
            .find(|&i| bytes[i] == b'-' && bytes.get(i + 1).is_some_and(|next| !next.is_ascii_alphabetic()));
        let (name, version) = match dash {
            Some(dash) => (&name[..dash], Some(name[dash + 1..].to_owned())),
            None => (name, None),
        };
        Self {
            name: name.to_owned(),
            version,
            path: None,
        }
    }

    /// Whether this program is at `wanted` or later; `None` where its version is not known or does not begin with a digit.
    ///
    /// Only as many components count as `wanted` names: `16` is reached by `16.3` and `17.1`, and by `16beta1`. The NixOS
    /// module decides by the same rule which steps a history has (`isReached` in its `history.nix`).
    pub fn reaches(&self, wanted: &str) -> Option<bool> {
        let version = self.version.as_deref()?;
        if !version.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let leading: Vec<_> = components(version).take(components(wanted).count()).collect();
        Some(compare_versions(&leading.join("."), wanted) != Ordering::Less)
    }

    /// The name and version as one reads them: `postgresql 15.10`.
    pub fn display(&self) -> String {
        match &self.version {
            Some(version) => format!("{} {version}", self.name),
            None => self.name.clone(),
        }
    }
}

/// Compares versions as `builtins.compareVersions` does (Nix manual): components split at dots, dashes and between digits
/// and letters; numbers compare as numbers, `pre` is before all else, letters are before numbers.
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    while !(a.is_empty() && b.is_empty()) {
        let order = compare_components(component(&mut a), component(&mut b));
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// The components of a version as `builtins.splitVersion` has them: `17`, `beta` and `1` of `17beta1`.
fn components(mut rest: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || Some(component(&mut rest)).filter(|component| !component.is_empty()))
}

fn component<'a>(rest: &mut &'a str) -> &'a str {
    let text = rest.trim_start_matches(['.', '-']);
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text
        .find(|c: char| c == '.' || c == '-' || c.is_ascii_digit() != digits)
        .unwrap_or(text.len());
    *rest = &text[end..];
    &text[..end]
}

fn compare_components(a: &str, b: &str) -> Ordering {
    let number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    match (number(a), number(b)) {
        (true, true) => {
            let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
            a.len().cmp(&b.len()).then_with(|| a.cmp(b))
        }
        _ if a == b => Ordering::Equal,
        // Nix: an empty component is before a number, `pre` before everything, letters before numbers.
        _ if a.is_empty() && number(b) => Ordering::Less,
        _ if b.is_empty() && number(a) => Ordering::Greater,
        _ if a == "pre" => Ordering::Less,
        _ if b == "pre" => Ordering::Greater,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn store_names_are_taken_apart_as_nix_does() {
        for (text, name, version) in [
            ("postgresql-15.10", "postgresql", Some("15.10")),
            (
                "postgresql-and-plugins-15.10",
                "postgresql-and-plugins",
                Some("15.10"),
            ),
            (
                "nextcloud-30.0.4-with-apps",
                "nextcloud",
                Some("30.0.4-with-apps"),
            ),
            (
                "unit-script-postgresql-start",
                "unit-script-postgresql-start",
                None,
            ),
            ("x-", "x-", None),
            ("", "", None),
        ] {
            let program = Program::parse(text);
            assert_eq!(
                (program.name.as_str(), program.version.as_deref()),
                (name, version),
                "{text}"
            );
        }
    }

    /// The examples of the Nix manual and of its own tests.
    #[test]
    fn versions_compare_as_in_nix() {
        for (a, order, b) in [
            ("1.0", Ordering::Less, "2.3"),
            ("2.1", Ordering::Less, "2.3"),
            ("2.3", Ordering::Equal, "2.3"),
            ("2.5", Ordering::Greater, "2.3"),
            ("3.1", Ordering::Greater, "2.3"),
            ("2.3.1", Ordering::Greater, "2.3"),
            ("2.3.1", Ordering::Greater, "2.3a"),
            ("2.3pre1", Ordering::Less, "2.3"),
            ("2.3pre3", Ordering::Less, "2.3pre12"),
            ("2.3a", Ordering::Less, "2.3c"),
            ("2.3pre1", Ordering::Less, "2.3c"),
            ("2.3pre1", Ordering::Less, "2.3q"),
            ("", Ordering::Less, "2.3"),
            ("010", Ordering::Equal, "10"),
        ] {
            assert_eq!(compare_versions(a, b), order, "{a} {b}");
            assert_eq!(compare_versions(b, a), order.reverse(), "{b} {a}");
        }
    }

    /// The table that the NixOS module's own tests read, too.
    #[test]
    fn a_program_reaches_what_the_module_says_it_does() {
        let table = include_str!("../../test-fixtures/programs.json");
        let table: Vec<serde_json::Value> = serde_json::from_str(table).unwrap();
        assert!(table.len() > 10);
        for row in table {
            let (version, wanted) = (row["version"].as_str().unwrap(), row["program"].as_str().unwrap());
            let program = Program {
                version: Some(version.to_owned()),
                ..Program::parse("postgresql")
            };
            assert_eq!(
                program.reaches(wanted),
                row["reaches"].as_bool(),
                "{version} {wanted}"
            );
        }
        assert_eq!(Program::parse("postgresql").reaches("16"), None);
    }
}
