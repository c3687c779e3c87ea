//! Owns the grammar of references: what the user may call a generation, and how a word is understood.
//!
//! | written | names |
//! |---|---|
//! | `current`, `booted` | the generation that runs, or that the machine was started with |
//! | `42` | a generation of the profile, by its number |
//! | `/nix/var/nix/profiles/system-42-link`, `/nix/store/…`, `./result` | the closure there: a directory with `etc/systemd/system` |
//! | `/nix/store/….drv` | a derivation, not built |
//! | `.#HOST`, `github:OWNER/REPOSITORY#HOST` | the evaluation of a flake's `nixosConfigurations.HOST` |
//! | `./configuration.nix` | the evaluation of a file with a NixOS configuration |
//! | `ATTRIBUTE`, with `--file FILE` | the evaluation of an attribute of a file; the whole file without it |
//! | `./modules` | the text of the `.nix` files in a directory, not evaluated |
//! | `REVISION:PATH` | the text of a file or directory in a revision of the git repository here |
//! | `…/specialisation/NAME`, `…/containers/NAME` | the system of that name inside any but the last two |
//! | `generation:`, `closure:`, `drv:`, `eval:`, `source:` before any of these | exactly that kind |
//!
//! A word with more than one reading is never decided by rank: the error lists the readings, each as it is to be written.

mod words;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::evaluation::{Evaluation, Inside, What};
use super::source::SourceReference;
use words::{
    NoRevision, contains, ends_in, git, is_attribute, is_flake_scheme, joined, numbered, path_like,
    split_inside,
};

/// What a generation is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A built closure.
    Closure(Closure),
    /// A derivation, not built.
    Derivation {
        /// Its file.
        file: PathBuf,
        /// Which system inside it is meant, outermost first.
        inside: Vec<Inside>,
    },
    /// A configuration that Nix evaluates.
    Evaluation(Evaluation),
    /// The text of modules.
    Source(SourceReference),
}

/// A built system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closure {
    /// The system.
    pub toplevel: Toplevel,
    /// Which system inside it is meant, outermost first; none is the system itself.
    pub inside: Vec<Inside>,
}

impl Closure {
    /// The system at a path.
    pub fn at(path: &Path) -> Self {
        Self {
            toplevel: Toplevel::Path(path.to_owned()),
            inside: Vec::new(),
        }
    }
}

/// What names a built system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Toplevel {
    /// The one that runs.
    Current,
    /// The one that the machine was started with.
    Booted,
    /// The generation of a number, as it was written, in the profile.
    Generation(String),
    /// The one at a path.
    Path(PathBuf),
}

/// What is found at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A link that leads nowhere.
    Broken,
    /// A file.
    File,
    /// A directory.
    Directory {
        /// It has `etc/systemd/system`.
        system: bool,
        /// It has a `flake.nix`.
        flake: bool,
        /// It has files that end in `.nix`.
        modules: bool,
    },
}

/// The one question that reading a reference asks of the file system.
pub trait Look {
    /// What is at a path.
    fn look(&self, path: &Path) -> Found;
}

/// One way to understand a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What would have to be written for it, in bytes that a terminal may not be able to show.
    pub spelling: OsString,
    /// What it would name.
    pub meaning: &'static str,
    reference: Option<Reference>,
}

/// Why a word names nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The word is empty.
    #[error("an empty word names no generation")]
    Empty,
    /// The word has several readings.
    #[error("`{}` can be read in {} ways:{}", text.display(), readings.len(), list(readings))]
    Ambiguous {
        /// The word.
        text: OsString,
        /// Its readings.
        readings: Vec<Reading>,
    },
    /// Nothing is there.
    #[error("`{}` names nothing: it is no keyword, number, flake reference (there is no `#` in it) or file", .0.display())]
    Nothing(OsString),
    /// A directory that holds nothing to read.
    #[error("the directory `{}` has neither `etc/systemd/system` nor a file that ends in `.nix`", .0.display())]
    BareDirectory(OsString),
    /// A file that is neither Nix nor a derivation.
    #[error("the file `{}` ends neither in `.nix` nor in `.drv`", .0.display())]
    OtherFile(OsString),
    /// A flake reference without a host.
    #[error("`{}` names a flake and no host in it: write `{}#HOST`", .0.display(), .0.display())]
    NoHost(OsString),
    /// What follows a prefix is not of its kind.
    #[error("`{}` is not {expected}", text.display())]
    NotOfKind {
        /// The word.
        text: OsString,
        /// What must follow the prefix.
        expected: &'static str,
    },
    /// A flake reference or attribute that is not UTF-8.
    #[error("`{}` is not UTF-8, and Nix takes nothing else", .0.display())]
    NotUtf8(OsString),
}

impl ReferenceError {
    /// What to do about it, where that is known.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::BareDirectory(text) => Some(format!(
                "To read the `.nix` files further down write `source:{}`.",
                text.display()
            )),
            Self::OtherFile(text) => Some(format!(
                "To read it as the text of a module write `source:{}`.",
                text.display()
            )),
            Self::Nothing(_) | Self::Empty => Some(
                "A generation is `current`, `booted`, a number, a closure's path, `FLAKE#HOST`, FILE.nix, FILE.drv, a directory of \
                 modules, or REVISION:PATH."
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

fn list(readings: &[Reading]) -> String {
    readings
        .iter()
        .map(|reading| format!("\n  {}  {}", reading.spelling.display(), reading.meaning))
        .collect()
}

impl Reference {
    /// Understands a word; `file` is that of `--file`.
    ///
    /// # Errors
    ///
    /// Fails where the word has no reading, or more than one.
    pub fn parse(text: &OsStr, file: Option<&Path>, look: &dyn Look) -> Result<Self, ReferenceError> {
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if let Some((kind, rest)) = prefixed(text) {
            return explicit(kind, rest, text, file);
        }
        let mut readings = readings(text, file, look)?;
        match (readings.len(), readings.pop()) {
            (
                1,
                Some(Reading {
                    reference: Some(reference),
                    ..
                }),
            ) => Ok(reference),
            (_, None) => Err(nothing(text, look)),
            (_, Some(last)) => {
                readings.push(last);
                Err(ReferenceError::Ambiguous {
                    text: text.to_owned(),
                    readings,
                })
            }
        }
    }

    /// The whole of the file of `--file`.
    pub fn whole_file(file: &Path) -> Self {
        Self::Evaluation(Evaluation {
            what: What::File {
                file: file.to_owned(),
                attribute: None,
            },
            inside: Vec::new(),
        })
    }
}

/// The prefixes that choose a kind.
#[derive(Clone, Copy)]
enum Prefix {
    Generation,
    Closure,
    Derivation,
    Evaluation,
    Source,
}

fn prefixed(text: &OsStr) -> Option<(Prefix, &OsStr)> {
    [
        ("generation:", Prefix::Generation),
        ("closure:", Prefix::Closure),
        ("drv:", Prefix::Derivation),
        ("eval:", Prefix::Evaluation),
        ("source:", Prefix::Source),
    ]
    .into_iter()
    .find_map(|(prefix, kind)| {
        let rest = text.as_bytes().strip_prefix(prefix.as_bytes())?;
        Some((kind, OsStr::from_bytes(rest)))
    })
}

fn explicit(
    kind: Prefix,
    rest: &OsStr,
    text: &OsStr,
    file: Option<&Path>,
) -> Result<Reference, ReferenceError> {
    let not = |expected| ReferenceError::NotOfKind {
        text: text.to_owned(),
        expected,
    };
    let (outer, inside) = split_inside(rest);
    match kind {
        _ if rest.is_empty() => Err(not("complete: something must follow the prefix")),
        Prefix::Generation => {
            let toplevel = numbered(outer).ok_or_else(|| not("`current`, `booted` or a number"))?;
            Ok(Reference::Closure(Closure { toplevel, inside }))
        }
        Prefix::Closure => Ok(closure(outer, inside)),
        Prefix::Derivation => Ok(Reference::Derivation {
            file: outer.into(),
            inside,
        }),
        Prefix::Source => match git(rest) {
            Some(Err(NoRevision)) => Err(not(
                "`source:REVISION:PATH`: both are UTF-8, and a revision has no dash in front",
            )),
            Some(Ok(source)) => Ok(Reference::Source(source)),
            None => Ok(Reference::Source(SourceReference::Path(rest.into()))),
        },
        Prefix::Evaluation if ends_in(outer, ".nix") => Ok(configuration(outer, inside)),
        Prefix::Evaluation if contains(rest, b'#') => flake(rest),
        Prefix::Evaluation if is_flake_scheme(rest) => Err(ReferenceError::NoHost(rest.to_owned())),
        Prefix::Evaluation => match file {
            Some(file) if is_attribute(outer) => attribute(file, outer, inside),
            _ => Err(not(
                "`FLAKE#HOST`, a file that ends in `.nix` or, with `--file`, an attribute",
            )),
        },
    }
}

/// Every way to understand a word without a prefix.
///
/// What a reading is spelled like is read by [`explicit`], or as a path, and nothing else: the tests hold both together.
fn readings(text: &OsStr, file: Option<&Path>, look: &dyn Look) -> Result<Vec<Reading>, ReferenceError> {
    let mut readings = Vec::new();
    let (outer, inside) = split_inside(text);
    let number = numbered(outer);
    let keyword = number.is_some();
    if let Some(toplevel) = number {
        readings.push(Reading {
            spelling: joined("generation:", text),
            meaning: match toplevel {
                Toplevel::Current => "the generation that runs",
                Toplevel::Booted => "the generation that the machine was started with",
                Toplevel::Generation(_) | Toplevel::Path(_) => "the generation of that number in the profile",
            },
            reference: Some(Reference::Closure(Closure {
                toplevel,
                inside: inside.clone(),
            })),
        });
    }
    let is_nix_file = ends_in(outer, ".nix");
    if let Some(file) = file.filter(|_| !keyword && !is_nix_file && is_attribute(outer)) {
        readings.push(Reading {
            spelling: joined("eval:", text),
            meaning: "the attribute of the file",
            reference: Some(attribute(file, outer, inside)?),
        });
    }
    let is_flake = contains(text, b'#') && !is_nix_file;
    if is_flake {
        readings.push(Reading {
            spelling: joined("eval:", text),
            meaning: "the evaluation of a flake's host",
            reference: Some(flake(text)?),
        });
    }
    let paths = path_readings(text, look);
    if paths.is_empty() && keyword && look.look(Path::new(text)) != Found::Nothing {
        // Whatever the file holds: a word with a meaning of its own that is also a name is not decided here.
        readings.push(Reading {
            spelling: path_like(text),
            meaning: "the file of that name",
            reference: None,
        });
    }
    readings.extend(paths);
    if let (Some(Ok(source)), false) = (git(text), is_flake || is_flake_scheme(text)) {
        readings.push(Reading {
            spelling: joined("source:", text),
            meaning: "the text of modules in a revision of the git repository here",
            reference: Some(Reference::Source(source)),
        });
    }
    Ok(readings)
}

/// The ways to understand a word as a path.
fn path_readings(text: &OsStr, look: &dyn Look) -> Vec<Reading> {
    let (outer, inside) = split_inside(text);
    // A system inside another need not be there as a path; where it is, the path names it whole.
    let (path, inside, found) = match (look.look(Path::new(text)), inside.is_empty()) {
        (Found::Nothing, false) => (outer, inside, look.look(Path::new(outer))),
        (found, _) => (text, Vec::new(), found),
    };
    let mut readings = Vec::new();
    let mut add = |kind: &str, meaning, reference| {
        readings.push(Reading {
            spelling: joined(kind, &path_like(text)),
            meaning,
            reference: Some(reference),
        });
    };
    match found {
        _ if ends_in(path, ".drv") && !matches!(found, Found::Directory { .. } | Found::Broken) => {
            let file = path.into();
            add("drv:", "the derivation", Reference::Derivation { file, inside });
        }
        Found::File if ends_in(path, ".nix") => {
            let meaning = "the evaluation of the configuration in that file";
            add("eval:", meaning, configuration(path, inside));
        }
        Found::Nothing | Found::File => {}
        Found::Broken => add("closure:", "the link of that name", closure(path, inside)),
        Found::Directory {
            system,
            flake,
            modules,
        } => {
            if system {
                add(
                    "closure:",
                    "the closure in that directory",
                    closure(path, inside.clone()),
                );
            }
            if (modules || flake) && inside.is_empty() {
                let source = Reference::Source(SourceReference::Path(path.into()));
                add("source:", "the text of the modules in that directory", source);
            }
            if flake {
                let mut spelling = path_like(path);
                spelling.push("#HOST");
                readings.push(Reading {
                    spelling,
                    meaning: "the evaluation of a host of the flake in that directory",
                    reference: None,
                });
            }
        }
    }
    // One reading as a path is chosen by writing a path, unless a `#` makes that a flake as well.
    if let ([reading], false) = (&mut readings[..], contains(text, b'#')) {
        reading.spelling = path_like(text);
    }
    readings
}

/// Why a word has no reading.
fn nothing(text: &OsStr, look: &dyn Look) -> ReferenceError {
    let text = text.to_owned();
    match look.look(Path::new(&text)) {
        Found::Directory { .. } => ReferenceError::BareDirectory(text),
        Found::File => ReferenceError::OtherFile(text),
        Found::Nothing | Found::Broken if is_flake_scheme(&text) => ReferenceError::NoHost(text),
        Found::Nothing | Found::Broken => ReferenceError::Nothing(text),
    }
}

fn closure(path: &OsStr, inside: Vec<Inside>) -> Reference {
    Reference::Closure(Closure {
        toplevel: Toplevel::Path(path.into()),
        inside,
    })
}

fn configuration(path: &OsStr, inside: Vec<Inside>) -> Reference {
    Reference::Evaluation(Evaluation {
        what: What::Configuration { file: path.into() },
        inside,
    })
}

fn attribute(file: &Path, attribute: &OsStr, inside: Vec<Inside>) -> Result<Reference, ReferenceError> {
    Ok(Reference::Evaluation(Evaluation {
        what: What::File {
            file: file.to_owned(),
            attribute: Some(utf8(attribute)?),
        },
        inside,
    }))
}

/// Takes `FLAKE#HOST` apart, at the first `#` as a URL is.
fn flake(text: &OsStr) -> Result<Reference, ReferenceError> {
    let (outer, inside) = split_inside(text);
    let bytes = outer.as_bytes();
    let at = bytes.iter().position(|&byte| byte == b'#').unwrap_or(bytes.len());
    let (reference, attribute) = bytes.split_at(at);
    let attribute = attribute.strip_prefix(b"#").unwrap_or(attribute);
    if attribute.is_empty() {
        return Err(ReferenceError::NoHost(OsStr::from_bytes(reference).to_owned()));
    }
    Ok(Reference::Evaluation(Evaluation {
        what: What::Flake {
            // As for Nix, `#HOST` is a host of the flake here.
            reference: match reference {
                b"" => ".".to_owned(),
                reference => utf8(OsStr::from_bytes(reference))?,
            },
            attribute: utf8(OsStr::from_bytes(attribute))?,
        },
        inside,
    }))
}

fn utf8(text: &OsStr) -> Result<String, ReferenceError> {
    let text = text
        .to_str()
        .ok_or_else(|| ReferenceError::NotUtf8(text.to_owned()))?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
