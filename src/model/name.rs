//! Owns the names that are checked once and trusted afterwards: services and units.

use std::borrow::Borrow;
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
    /// The unit that walks this service's path before it may start.
    pub fn gate(&self) -> UnitName {
        UnitName(format!("migrate-{}.service", self.0))
    }
}

impl UnitName {
    /// The service whose gate this unit is by its name, if it is one.
    pub fn gated_service(&self) -> Option<ServiceName> {
        self.0
            .strip_prefix("migrate-")?
            .strip_suffix(".service")?
            .parse()
            .ok()
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
        let fine = text.len() <= 255
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte))
            && text
                .rsplit_once('.')
                .is_some_and(|(stem, suffix)| !stem.is_empty() && SUFFIXES.contains(&suffix));
        if fine {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Unit(text.to_owned()))
        }
    }
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
}
