//! Owns the environment of scripts: made from nothing, so that none sees what nixmig was started with (docs/execution.md).

use std::collections::BTreeMap;

use crate::generation::gate::Gate;
use crate::model::{Direction, ServiceName, Version};

/// The variable of the package that last ran the state.
pub(super) const OLD_PACKAGE: &str = "OLD_PACKAGE";

/// What a step tells its scripts.
#[derive(Clone, Debug)]
pub struct Told<'a> {
    /// Whose state.
    pub service: &'a ServiceName,
    /// The version of the step.
    pub version: Version,
    /// Its direction.
    pub direction: Direction,
    /// The directory of the step's backup, where it has one.
    pub backup: Option<&'a str>,
    /// The package that last ran the state, where that is known.
    pub old_package: Option<&'a str>,
    /// The package of the generation that starts, where it has one.
    pub new_package: Option<&'a str>,
}

/// The whole environment of a step's scripts: `PATH` of the definition's `path`, its `environment`, and what the step tells,
/// which nothing of those can take the place of.
pub fn environment(gate: &Gate, told: &Told<'_>) -> BTreeMap<String, String> {
    with(
        gate,
        [
            ("BACKUP", told.backup.map(str::to_owned)),
            ("MIGRATION_SERVICE", Some(told.service.to_string())),
            ("MIGRATION_VERSION", Some(told.version.to_string())),
            ("MIGRATION_DIRECTION", Some(told.direction.name().to_owned())),
            (OLD_PACKAGE, told.old_package.map(str::to_owned)),
            ("NEW_PACKAGE", told.new_package.map(str::to_owned)),
        ],
    )
}

/// The whole environment of a `detect` script, which belongs to no step.
pub(super) fn asking(
    gate: &Gate,
    service: &ServiceName,
    old_package: Option<&str>,
    new_package: Option<&str>,
) -> BTreeMap<String, String> {
    with(
        gate,
        [
            ("BACKUP", None),
            ("MIGRATION_SERVICE", Some(service.to_string())),
            ("MIGRATION_VERSION", None),
            ("MIGRATION_DIRECTION", None),
            (OLD_PACKAGE, old_package.map(str::to_owned)),
            ("NEW_PACKAGE", new_package.map(str::to_owned)),
        ],
    )
}

/// What a definition has for its scripts, and over it what is told: a name without a value is unset.
fn with(gate: &Gate, told: [(&str, Option<String>); 6]) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    if !gate.path.is_empty() {
        let path: Vec<_> = gate.path.iter().map(|entry| format!("{entry}/bin")).collect();
        environment.insert("PATH".to_owned(), path.join(":"));
    }
    environment.extend(gate.environment.clone());
    let directories = gate.service.state_directories.value();
    let directories = directories.map(|directories| directories.join("\n"));
    let directories = ("STATE_DIRECTORIES", Some(directories.unwrap_or_default()));
    for (name, value) in told.into_iter().chain([directories]) {
        match value {
            Some(value) => environment.insert(name.to_owned(), value),
            None => environment.remove(name),
        };
    }
    environment
}

/// Whether a shell script goes by a variable, so that it fails where that is unset. One that says what it does then, as
/// `${NAME:-…}` and its like do, does not.
pub(super) fn goes_by(script: &[u8], variable: &str) -> bool {
    let name = variable.as_bytes();
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let lines = script.split(|&byte| byte == b'\n');
    let mut code = lines.filter(|line| !line.trim_ascii_start().starts_with(b"#"));
    code.any(|line| {
        let mut after = line;
        while let Some(at) = after.iter().position(|&byte| byte == b'$') {
            after = &after[at + 1..];
            let (braced, rest) = match after.strip_prefix(b"{") {
                Some(rest) => (true, rest),
                None => (false, after),
            };
            let Some(rest) = rest.strip_prefix(name) else {
                continue;
            };
            let copes = braced
                && matches!(
                    rest.strip_prefix(b":").unwrap_or(rest).first(),
                    Some(b'-' | b'=' | b'+')
                );
            if !copes && !rest.first().is_some_and(is_name) {
                return true;
            }
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generation::gate;

    #[test]
    fn a_script_goes_by_what_it_cannot_do_without() {
        let asks = |script: &str| goes_by(script.as_bytes(), "OLD_PACKAGE");
        for script in [
            "$OLD_PACKAGE/bin/x",
            "x \"${OLD_PACKAGE}\"",
            "x $y\n  z=${OLD_PACKAGE%/}",
            "${OLD_PACKAGE:?it is needed}",
            "${OLD_PACKAGE-}; $OLD_PACKAGE",
            "$$OLD_PACKAGE",
        ] {
            assert!(asks(script), "{script}");
        }
        for script in [
            "",
            "OLD_PACKAGE",
            "# $OLD_PACKAGE",
            "x\n  # $OLD_PACKAGE\n$NEW_PACKAGE",
            "${OLD_PACKAGE:-/none} ${OLD_PACKAGE+x} ${OLD_PACKAGE=y}",
            "$OLD_PACKAGES ${OLD_PACKAGE_2}",
            "cost=5$",
        ] {
            assert!(!asks(script), "{script}");
        }
    }

    #[test]
    fn what_the_step_tells_comes_last_and_the_unknown_is_unset() {
        let service: ServiceName = "db".parse().unwrap();
        let text = "[Unit]\nX-Migration-Format=1\nX-Migration-Service=db\nX-Migration-Path=[\"/s/a\",\"/s/b\"]\n\
                    X-Migration-StateDirectories=[\"/var/lib/a b\",\"/srv/db\"]\n\
                    X-Migration-Environment={\"PGPORT\":\"5433\",\"BACKUP\":\"/etc\",\"OLD_PACKAGE\":\"x\"}\n";
        let gate = gate::read(&service, "u", text.as_bytes()).unwrap().unwrap();
        let told = Told {
            service: &service,
            version: "2024-01-01".parse().unwrap(),
            direction: Direction::Down,
            backup: Some("/b"),
            old_package: None,
            new_package: Some("/s/db-2"),
        };
        let environment = environment(&gate, &told);
        let expected = [
            ("BACKUP", "/b"),
            ("MIGRATION_DIRECTION", "down"),
            ("MIGRATION_SERVICE", "db"),
            ("MIGRATION_VERSION", "2024-01-01"),
            ("NEW_PACKAGE", "/s/db-2"),
            ("PATH", "/s/a/bin:/s/b/bin"),
            ("PGPORT", "5433"),
            ("STATE_DIRECTORIES", "/var/lib/a b\n/srv/db"),
        ];
        let found: Vec<_> = environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(found, expected);
    }
}
