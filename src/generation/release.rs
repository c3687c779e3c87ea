//! Owns what a system's own files say of its NixOS release: `etc/os-release`, which `system.nixos.version` writes.
//!
//! `nixos-version` and a system's label are the user's words (`system.nixos.label`, nixos/modules/misc/label.nix), and count
//! only where there is no `os-release`.

use crate::model::{Release, Setting, Unknown};

/// The release that an `os-release` tells: `BUILD_ID`, which is the whole version, or, where that was set to something else or
/// is not there, as before 21.11, `VERSION_ID` (nixos/modules/misc/version.nix).
pub(super) fn of_os_release(text: &str) -> Setting<Release> {
    let mut reason = None;
    for key in ["BUILD_ID", "VERSION_ID"] {
        match value(text, key).map(|value| value.parse()) {
            Some(Ok(release)) => return Setting::Set(release),
            Some(Err(error)) => {
                let error: crate::model::ReleaseError = error;
                reason.get_or_insert(format!("{key} of etc/os-release: {error}"));
            }
            None => {}
        }
    }
    match reason {
        Some(reason) => unknown(reason),
        None => unknown("etc/os-release has neither BUILD_ID nor VERSION_ID".to_owned()),
    }
}

/// The release that a label begins with, where there is nothing better.
pub(super) fn of_label(label: &str) -> Setting<Release> {
    match label.parse::<Release>() {
        Ok(release) => Setting::Set(release),
        Err(error) => unknown(error.to_string()),
    }
}

/// A release that cannot be told.
pub(super) fn unknown(reason: String) -> Setting<Release> {
    Setting::Unknown(Unknown {
        reason: reason.into(),
        at: None,
    })
}

/// The value of a key: the last assignment counts, and quotes and escapes are a shell's (os-release(5)).
fn value(text: &str, key: &str) -> Option<String> {
    let assigned = text
        .lines()
        .rev()
        .find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='))?;
    let quote = assigned.chars().next().filter(|c| matches!(c, '"' | '\''));
    let Some(quote) = quote else {
        return Some(assigned.to_owned());
    };
    let mut value = String::new();
    let mut chars = assigned.chars().skip(1);
    while let Some(c) = chars.next() {
        match c {
            c if c == quote => break,
            '\\' if quote == '"' => value.extend(chars.next()),
            c => value.push(c),
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_build_says_more_than_the_version_and_counts_first() {
        for (text, release) in [
            (
                "NAME=NixOS\nVERSION_ID=\"25.05\"\nBUILD_ID=\"25.11.20250610.abcdef\"\n",
                Some("25.11pre"),
            ),
            ("BUILD_ID=\"25.11pre-git\"\n", Some("25.11pre")),
            ("BUILD_ID='25.11'\nBUILD_ID=25.05 \n", Some("25.05")),
            ("BUILD_ID=\"mine\"\nVERSION_ID=\"24.11\"\n", Some("24.11")),
            ("VERSION_ID=\"20.09\"\n", Some("20.09")),
            ("  VERSION_ID=\"\\2\\0.09\"\n", Some("20.09")),
            ("BUILD_ID=\"mine-25.05\"\n", None),
            ("# BUILD_ID=25.05\nMY_BUILD_ID=25.05\n", None),
            ("BUILD_ID=\n", None),
            ("BUILD_ID=\"\\", None),
            ("", None),
        ] {
            let expected = release.map(|release| release.parse::<Release>().unwrap());
            assert_eq!(of_os_release(text).value().copied(), expected, "{text:?}");
            assert_eq!(
                of_os_release(text).unknown().is_some(),
                expected.is_none(),
                "{text:?}"
            );
        }
        let reason = |text| of_os_release(text).unknown().unwrap().reason.clone();
        assert!(
            reason("BUILD_ID=mine\nVERSION_ID=mine too\n")
                .starts_with("BUILD_ID of etc/os-release: `mine` is not")
        );
        assert!(reason("ID=nixos\n").contains("neither"));
    }

    #[test]
    fn a_label_counts_only_from_its_beginning() {
        assert!(of_label("25.05.20250601.abcdef\n").is_set());
        assert!(of_label("with-xen-25.05.20250601.abcdef").unknown().is_some());
    }
}
