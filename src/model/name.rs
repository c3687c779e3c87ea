//! Owns the names that are checked once and trusted afterwards: services and units.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// The key under `migrations`: `[A-Za-z0-9_][A-Za-z0-9_.-]*`, at most 177 bytes: the store takes names of 211, and
/// `migrate-<service>-2023-09-14.1-down-restore` is 34 longer than its service. systemd never needs to quote it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceName(String);

/// The name of a systemd unit, with its suffix, as systemd.unit(5) has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnitName(String);

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not the name of a service.
    #[error(
        "`{0}` is not the name of a service: letters, digits, `_`, `.` and `-`, not beginning with `.` or `-`, at most 177"
    )]
    Service(String),
    /// Not the name of a unit.
    #[error("`{0}` is not the name of a systemd unit")]
    Unit(String),
}

impl ServiceName {
    /// The service whose gate a unit is by its name, if it is one.
    pub fn of_gate(unit: &str) -> Option<Self> {
        unit.strip_prefix("migrate-")?
            .strip_suffix(".service")?
            .parse()
            .ok()
    }

    /// The unit that walks this service's path before it may start.
    pub fn gate(&self) -> UnitName {
        UnitName(format!("migrate-{}.service", self.0))
    }
}

impl UnitName {
    /// The service whose gate this unit is by its name, if it is one.
    pub fn gated_service(&self) -> Option<ServiceName> {
        ServiceName::of_gate(&self.0)
    }

    /// The template of an instance: `wiki@.service` of `wiki@main.service`; none where it is no instance.
    pub fn template(&self) -> Option<Self> {
        let (prefix, instance, suffix) = self.parts();
        instance
            .filter(|instance| !instance.is_empty())
            .map(|_| Self(format!("{prefix}@.{suffix}")))
    }

    /// Whether it is one of these units, or an instance of one.
    pub fn is_of(&self, units: &BTreeSet<Self>) -> bool {
        units.contains(self) || self.template().is_some_and(|template| units.contains(&template))
    }

    /// Whether it is a template, of which only instances start.
    pub fn is_template(&self) -> bool {
        self.parts().1 == Some("")
    }

    /// The instance of this template that has the instance name of another unit; none where this is no template or the
    /// other no instance.
    pub fn instance_like(&self, other: &Self) -> Option<Self> {
        let (prefix, instance, suffix) = self.parts();
        let (_, other, _) = other.parts();
        match (instance, other) {
            (Some(""), Some(name)) if !name.is_empty() => Some(Self(format!("{prefix}@{name}.{suffix}"))),
            _ => None,
        }
    }

    /// The names whose `.d` directories hold drop-ins of this unit, the nearest first: its own, its template's, those that
    /// end at a dash, and its kind's (systemd.unit(5)).
    pub fn drop_in_names(&self) -> Vec<String> {
        let (prefix, instance, suffix) = self.parts();
        let mut names = vec![self.0.clone()];
        names.extend(self.template().map(|template| template.0));
        let dashes = prefix.rmatch_indices('-').map(|(dash, _)| &prefix[..=dash]);
        let shorter = dashes.filter(|&short| instance.is_some() || short != prefix);
        names.extend(shorter.map(|short| format!("{short}.{suffix}")));
        names.push(suffix.to_owned());
        names
    }

    /// What is before the `@`, the instance behind it, and the suffix.
    fn parts(&self) -> (&str, Option<&str>, &str) {
        let (stem, suffix) = self.0.rsplit_once('.').unwrap_or((&self.0, ""));
        match stem.split_once('@') {
            Some((prefix, instance)) => (prefix, Some(instance), suffix),
            None => (stem, None, suffix),
        }
    }
}

impl FromStr for ServiceName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let fine = text.len() <= 177
            && text.bytes().next().is_some_and(word)
            && text
                .bytes()
                .all(|byte| word(byte) || byte == b'.' || byte == b'-');
        if fine {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Service(text.to_owned()))
        }
    }
}

impl FromStr for UnitName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        text.to_owned().try_into()
    }
}

impl TryFrom<String> for UnitName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        const SUFFIXES: [&str; 11] = [
            "service",
            "socket",
            "target",
            "device",
            "mount",
            "automount",
            "timer",
            "swap",
            "path",
            "slice",
            "scope",
        ];
        let stem = |suffix: &&str| text.strip_suffix(*suffix)?.strip_suffix('.');
        let fine = text.len() <= 255
            && text.bytes().all(in_unit_name)
            && SUFFIXES
                .iter()
                .find_map(stem)
                .is_some_and(|stem| !stem.is_empty());
        if fine {
            Ok(Self(text))
        } else {
            Err(NameError::Unit(text))
        }
    }
}

/// The characters of a unit's name (systemd.unit(5)).
fn in_unit_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'-' | b'_' | b'.' | b'\\' | b'@')
}

macro_rules! text {
    ($($name:ident),*) => {$(
        impl $name {
            /// The name as it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}

text!(ServiceName, UnitName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services() {
        for text in ["postgresql", "matrix-prod", "_x", "9", "a.b", "__functor"] {
            assert_eq!(text.parse::<ServiceName>().unwrap().as_str(), text);
        }
        for text in [
            "",
            "-a",
            ".a",
            "a b",
            "a/b",
            "a@b",
            "ä",
            "$(x)",
            "a\n",
            &"x".repeat(178),
        ] {
            assert!(text.parse::<ServiceName>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn units() {
        for text in [
            "a.service",
            "container@web.service",
            "dev-disk\\x2dby.device",
            "-.mount",
        ] {
            assert_eq!(text.parse::<UnitName>().unwrap().as_str(), text);
        }
        for text in ["", ".service", "a", "a.conf", "a b.service", "a/b.service"] {
            assert!(text.parse::<UnitName>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_gate_names_its_service() {
        let service: ServiceName = "matrix-prod".parse().unwrap();
        assert_eq!(service.gate().as_str(), "migrate-matrix-prod.service");
        assert_eq!(service.gate().gated_service(), Some(service));
        assert_eq!(
            "postgresql.service".parse::<UnitName>().unwrap().gated_service(),
            None
        );
    }

    #[test]
    fn instances_have_templates_and_units_places_for_drop_ins() {
        let unit = |text: &str| text.parse::<UnitName>().unwrap();
        assert_eq!(unit("a-b@c.d.service").template(), Some(unit("a-b@.service")));
        assert_eq!(unit("a@.service").template(), None);
        let names = ["a@.service", "a@b.service", "a.service"];
        assert_eq!(names.map(|name| unit(name).is_template()), [true, false, false]);
        assert_eq!(unit("a.service").template(), None);
        let (template, instance) = (unit("a@.service"), unit("b@c.service"));
        assert_eq!(template.instance_like(&instance), Some(unit("a@c.service")));
        assert_eq!(instance.instance_like(&instance), None);
        assert_eq!(template.instance_like(&template), None);
        for (name, names) in [
            ("a.service", "a.service service"),
            ("a-b.service", "a-b.service a-.service service"),
            ("a-.service", "a-.service service"),
            (
                "a-b-c@d-e.service",
                "a-b-c@d-e.service a-b-c@.service a-b-.service a-.service service",
            ),
        ] {
            assert_eq!(unit(name).drop_in_names().join(" "), names);
        }
    }
}
