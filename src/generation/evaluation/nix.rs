//! Owns how Nix is asked: its command line, its data as Nix expressions, and its words when it fails. Runs nothing.
//!
//! What is used here means the same from Nix 2.8 to 2.34.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{Evaluation, Inside, What};
use crate::generation::ReadOptions;
use crate::model::known_services;
use crate::process::Request;

const PROJECTION: &str = include_str!("projection.nix");

/// A projection of large histories with all their scripts is some megabytes.
const STDOUT_LIMIT: usize = 256 << 20;

/// How many lines of Nix's error are shown.
const LINES: usize = 40;

/// The command that evaluates systems of one origin. Of their own origins only the attributes count.
pub(super) fn request(
    program: &Path,
    origin: &What,
    systems: &[&Evaluation],
    options: &ReadOptions,
    read_only: bool,
) -> Request {
    let mut arguments: Vec<OsString> = [
        "--extra-experimental-features",
        "nix-command flakes",
        "eval",
        "--json",
    ]
    .map(Into::into)
    .into();
    if read_only {
        arguments.push("--read-only".into());
    }
    let mut directory = None;
    arguments.extend(["--apply".into(), apply(systems, options.scripts).into()]);
    match origin {
        What::Flake { reference, .. } => {
            let (reference, within) = flake(reference);
            directory = within;
            arguments.push("--no-write-lock-file".into());
            // After it nothing is taken for an option.
            arguments.extend(["--".into(), format!("{reference}#nixosConfigurations").into()]);
        }
        What::File { file, attribute } => {
            arguments.extend(["--file".into(), absolute(file).into()]);
            arguments.extend(["--".into(), attribute.clone().unwrap_or_default().into()]);
        }
        What::Configuration { file } => {
            const SYSTEM: &str =
                "{ file }: { system = import <nixpkgs/nixos> { configuration = /. + file; }; }";
            arguments.extend(["--impure", "--expr", SYSTEM, "--argstr", "file"].map(Into::into));
            arguments.extend([absolute(file).into(), "--".into(), "system".into()]);
        }
    }
    Request {
        program: program.into(),
        arguments,
        directory,
        timeout: options.timeout,
        stdout_limit: STDOUT_LIMIT,
    }
}

/// The function that Nix applies to what it finds.
fn apply(systems: &[&Evaluation], scripts: bool) -> String {
    let programs = list(known_services().iter().map(|known| {
        let (instances, enable) = match known.enable.split_once(".*.") {
            Some((instances, enable)) => (path(instances), path(enable)),
            None => ("null".to_owned(), path(known.enable)),
        };
        format!(
            "{{ name = {}; instances = {instances}; enable = {enable}; package = {}; }}",
            string(known.name),
            path(known.package)
        )
    }));
    let wanted = list(systems.iter().map(|system| {
        let attribute = match &system.what {
            What::Flake { attribute, .. } => string(host(attribute)),
            What::File { .. } | What::Configuration { .. } => "null".to_owned(),
        };
        let inside = list(system.inside.iter().map(|inside| {
            let (kind, name) = match inside {
                Inside::Specialisation(name) => ("specialisation", name),
                Inside::Container(name) => ("container", name),
            };
            format!("{{ kind = {}; name = {}; }}", string(kind), string(name))
        }));
        format!("{{ attribute = {attribute}; inside = {inside}; }}")
    }));
    format!("({PROJECTION}) {{ scripts = {scripts}; programs = {programs}; wanted = {wanted}; }}")
}

/// The entry of `nixosConfigurations` that the part of a reference after `#` names: all of it, or what stands after
/// `nixosConfigurations.`, with or without quotes.
pub(super) fn host(attribute: &str) -> &str {
    let name = attribute
        .strip_prefix("nixosConfigurations.")
        .unwrap_or(attribute);
    name.strip_prefix('"')
        .and_then(|name| name.strip_suffix('"'))
        .unwrap_or(name)
}

/// A flake's reference as Nix takes it, and the directory in which it does.
///
/// A directory with a character that a reference may not have (Nix 2.8 refuses a space, and `?` and `#` end the path) is
/// named `.` in itself.
fn flake(reference: &str) -> (&str, Option<PathBuf>) {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+~".contains(&byte);
    if reference.is_empty() {
        return (".", None);
    }
    if !reference.bytes().all(plain) && Path::new(reference).is_dir() {
        return (".", Some(PathBuf::from(reference)));
    }
    (reference, None)
}

/// A file that is there is named whole, so that Nix takes it for a file and not for `<nixpkgs>` or a URL.
fn absolute(file: &Path) -> PathBuf {
    match std::path::absolute(file) {
        Ok(whole) if whole.exists() => whole,
        _ => file.to_owned(),
    }
}

/// A string as a Nix expression.
pub(super) fn string(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for character in text.chars() {
        match character {
            // `$` begins an interpolation where `{` follows.
            '"' | '\\' | '$' => literal.extend(['\\', character]),
            // Nix reads line ends of other systems as its own.
            '\r' => literal.push_str("\\r"),
            _ => literal.push(character),
        }
    }
    literal.push('"');
    literal
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.collect();
    format!("[ {} ]", items.join(" "))
}

/// The names of an option, which have no dots in them.
fn path(option: &str) -> String {
    list(option.split('.').map(string))
}

/// Whether Nix failed because it was not allowed to write to its store what the evaluation then reads.
pub(super) fn wants_to_write(words: &str) -> bool {
    words
        .lines()
        .any(|line| line.contains("path '") && line.contains("is not valid"))
}

/// The error itself of all that Nix wrote: not its warnings, and not what it was doing. Empty where it wrote nothing.
///
/// Nix up to 2.19 begins with `error: WORDS`; newer ones put what they were doing after `error:`, and the words at the end,
/// indented.
pub(super) fn words(stderr: &[u8]) -> String {
    const INDENT: &str = "       ";
    const HINTS: [&str; 2] = ["(use '--show-trace'", "(stack trace truncated"];
    let text = plain_text(stderr);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !HINTS.iter().any(|hint| line.trim_start().starts_with(hint)))
        .collect();
    let indented = format!("{INDENT}error: ");
    let inner = lines.iter().rposition(|line| line.starts_with(&indented));
    let begins = |line: &&str| line.starts_with("error:");
    let begin = match (lines.iter().position(begins), inner) {
        (Some(outer), Some(inner)) if lines[outer].trim_end() == "error:" => inner,
        (Some(outer), _) => outer,
        (None, _) => lines.len().saturating_sub(LINES),
    };
    let (before, error) = lines.split_at(begin);
    // Git says what is the matter, and Nix only that git failed.
    let git = before.iter().filter(|line| line.starts_with("fatal: "));
    let shown = error
        .iter()
        .take(LINES)
        .map(|line| line.strip_prefix(INDENT).unwrap_or(line).trim_end());
    let mut words = shown
        .chain(git.copied())
        .collect::<Vec<_>>()
        .join("\n")
        .trim()
        .to_owned();
    if error.len() > LINES {
        words.push_str("\n…");
    }
    words
}

/// Text without what steers a terminal.
fn plain_text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            // ECMA-48: a control sequence ends with a character from `@` to `~`.
            '\x1b' if characters.next_if_eq(&'[').is_some() => {
                for parameter in characters.by_ref() {
                    if ('@'..='~').contains(&parameter) {
                        break;
                    }
                }
            }
            '\n' | '\t' => plain.push(character),
            _ if character.is_control() => {}
            _ => plain.push(character),
        }
    }
    plain
}

#[cfg(test)]
mod tests;
