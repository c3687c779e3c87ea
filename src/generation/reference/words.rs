//! Owns what the parts of a reference look like: which words are numbers, attributes, revisions, paths.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::generation::evaluation::Inside;
use crate::generation::source::SourceReference;

use super::Toplevel;

/// Cuts `/specialisation/NAME` and `/containers/NAME` off the end, as often as they are there.
pub(super) fn split_inside(text: &OsStr) -> (&OsStr, Vec<Inside>) {
    let mut outer = text.as_bytes();
    let mut inside = Vec::new();
    while let Some(slash) = outer.iter().rposition(|&byte| byte == b'/') {
        let (host, name) = (&outer[..slash], &outer[slash + 1..]);
        let Some(name) = std::str::from_utf8(name)
            .ok()
            .filter(|name| !["", ".", ".."].contains(name))
        else {
            break;
        };
        let cut = [
            (
                &b"/specialisation"[..],
                Inside::Specialisation as fn(String) -> Inside,
            ),
            (b"/containers", Inside::Container),
        ]
        .into_iter()
        .find_map(|(word, make)| Some((host.strip_suffix(word)?, make)))
        .filter(|(host, _)| !host.is_empty());
        let Some((host, make)) = cut else { break };
        inside.push(make(name.to_owned()));
        outer = host;
    }
    inside.reverse();
    (OsStr::from_bytes(outer), inside)
}

/// A keyword or a number.
pub(super) fn numbered(text: &OsStr) -> Option<Toplevel> {
    match text.to_str()? {
        "current" => Some(Toplevel::Current),
        "booted" => Some(Toplevel::Booted),
        "" => None,
        number => number
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| Toplevel::Generation(number.to_owned())),
    }
}

/// A path in Nix's syntax for attributes: words, or strings in quotes, with dots between.
pub(super) fn is_attribute(text: &OsStr) -> bool {
    let mut rest = text.as_bytes();
    loop {
        let length = match rest {
            [b'"', string @ ..] => {
                let mut escaped = false;
                let end = string.iter().position(|&byte| {
                    let end = byte == b'"' && !escaped;
                    escaped = byte == b'\\' && !escaped;
                    end
                });
                end.map_or(0, |end| end + 2)
            }
            [b'a'..=b'z' | b'A'..=b'Z' | b'_', ..] => rest
                .iter()
                .position(|&byte| !(byte.is_ascii_alphanumeric() || b"_'-".contains(&byte)))
                .unwrap_or(rest.len()),
            _ => 0,
        };
        match (length, &rest[length..]) {
            (0, _) => return false,
            (_, []) => return true,
            (_, [b'.', more @ ..]) => rest = more,
            _ => return false,
        }
    }
}

/// Whether a word begins as a flake's URL does (Nix manual, `nix flake`, "Flake references"); `X:` with another `X` is a
/// git revision.
pub(super) fn is_flake_scheme(text: &OsStr) -> bool {
    const SCHEMES: [&str; 12] = [
        "github",
        "gitlab",
        "sourcehut",
        "flake",
        "path",
        "git",
        "hg",
        "tarball",
        "file",
        "http",
        "https",
        "ssh",
    ];
    let bytes = text.as_bytes();
    bytes.iter().position(|&byte| byte == b':').is_some_and(|colon| {
        let scheme = &bytes[..colon];
        let scheme = scheme.split(|&byte| byte == b'+').next().unwrap_or_default();
        SCHEMES.iter().any(|known| known.as_bytes() == scheme)
    })
}

/// What stands before the `:` is no revision.
pub(super) struct NoRevision;

/// `REVISION:PATH`; a word that is a path to the eye is none.
pub(super) fn git(text: &OsStr) -> Option<Result<SourceReference, NoRevision>> {
    if is_path(text) {
        return None;
    }
    let bytes = text.as_bytes();
    let colon = bytes
        .iter()
        .position(|&byte| byte == b':')
        .filter(|&colon| colon > 0)?;
    let words = std::str::from_utf8(bytes).ok().map(|text| text.split_at(colon));
    Some(match words {
        // git would take it for an option.
        Some((revision, path)) if !revision.starts_with('-') => Ok(SourceReference::Git {
            repository: PathBuf::from("."),
            revision: revision.to_owned(),
            path: path[1..].to_owned(),
        }),
        _ => Err(NoRevision),
    })
}

/// Whether a word can be nothing but a path.
pub(super) fn is_path(text: &OsStr) -> bool {
    let bytes = text.as_bytes();
    bytes == b"."
        || bytes == b".."
        || [&b"/"[..], b"./", b"../"]
            .iter()
            .any(|start| bytes.starts_with(start))
}

/// The path as nothing but a path.
pub(super) fn path_like(text: &OsStr) -> OsString {
    match is_path(text) {
        true => text.to_owned(),
        false => joined("./", text),
    }
}

pub(super) fn joined(before: &str, text: &OsStr) -> OsString {
    let mut joined = OsString::from(before);
    joined.push(text);
    joined
}

pub(super) fn contains(text: &OsStr, byte: u8) -> bool {
    text.as_bytes().contains(&byte)
}

pub(super) fn ends_in(text: &OsStr, suffix: &str) -> bool {
    text.as_bytes().ends_with(suffix.as_bytes())
}
