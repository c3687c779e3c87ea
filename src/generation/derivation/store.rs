//! Owns how derivations are found and read: files of a store's directory, taken apart, and the one among a derivation's
//! inputs that makes a path. Opens only what is asked for, and checks what it found by its output.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::generation::file::{self, FileError};

use super::DerivationError;
use super::aterm::{Aterm, Raw};

/// The largest derivation that is read, in bytes: those of whole systems have some hundred thousand.
const MAX_FILE: u64 = 64 << 20;

/// The length of a store path's hash.
const HASH: usize = 32;

/// Where derivations are looked for.
pub(super) struct Store {
    /// The directory that the first derivation is in.
    pub(super) directory: PathBuf,
    /// Where else: below this, at the path that a derivation's input is named by.
    pub(super) root: PathBuf,
}

/// The text of a derivation.
pub(super) struct Source {
    /// Its path, as the derivation that needs it has it, or as the user gave it.
    pub(super) path: String,
    /// Its bytes.
    pub(super) text: Vec<u8>,
}

impl Store {
    /// The store of a derivation, and its text. `file` is where it really is, symlinks resolved; `root` is where stores'
    /// paths begin.
    pub(super) fn of(file: &Path, root: &Path) -> Result<(Self, Source), DerivationError> {
        let path = file.to_string_lossy().into_owned();
        let text = text(file)?.ok_or_else(|| DerivationError::Missing { path: path.clone() })?;
        let store = Self {
            directory: file.parent().unwrap_or(Path::new("")).to_owned(),
            root: root.to_owned(),
        };
        Ok((store, Source { path, text }))
    }

    /// The text of an input derivation.
    fn input(&self, path: &str, needed_by: &str) -> Result<Source, DerivationError> {
        let name = path.rsplit('/').next().unwrap_or_default();
        let beside = self.directory.join(name);
        let mut file = text(&beside)?;
        // A path that climbs would leave the root.
        if file.is_none() && path.split('/').all(|component| component != "..") {
            file = text(&self.root.join(path.trim_start_matches('/')))?;
        }
        if let Some(text) = file {
            let path = path.to_owned();
            return Ok(Source { path, text });
        }
        Err(DerivationError::MissingInput {
            input: path.to_owned(),
            needed_by: needed_by.to_owned(),
            directory: self.directory.clone(),
        })
    }
}

/// The text of a file; none where there is no such file.
fn text(file: &Path) -> Result<Option<Vec<u8>>, DerivationError> {
    let failed = |error| {
        let file = file.to_owned();
        match error {
            FileError::Io(source) => DerivationError::Read { file, source },
            FileError::NotAFile => DerivationError::NotAFile { file },
            FileError::TooLarge { .. } => DerivationError::TooLarge {
                file,
                limit: MAX_FILE,
            },
        }
    };
    match file::read(file, MAX_FILE) {
        Err(FileError::Io(error)) if error.kind() == ErrorKind::NotFound => Ok(None),
        text => text.map(Some).map_err(failed),
    }
}

/// A derivation, taken apart.
pub(super) struct Derivation<'a> {
    path: &'a str,
    parts: Aterm<'a>,
    /// Its attributes, where they are structured (Nix manual, "Advanced Attributes", `__structuredAttrs`).
    structured: Option<serde_json::Map<String, serde_json::Value>>,
    /// The input derivations by their names: a directory of units has hundreds of them, and is asked for many.
    inputs: OnceCell<HashMap<&'a str, Vec<&'a str>>>,
}

impl Source {
    /// Takes it apart.
    pub(super) fn derivation(&self) -> Result<Derivation<'_>, DerivationError> {
        let parts = Aterm::parse(&self.text).map_err(|problem| DerivationError::Syntax {
            path: self.path.clone(),
            problem,
        })?;
        let structured = parts
            .variable("__json")
            .map(|json| serde_json::from_slice(&json.bytes()))
            .transpose()
            .map_err(|problem| DerivationError::Attributes {
                path: self.path.clone(),
                problem,
            })?;
        Ok(Derivation {
            path: &self.path,
            parts,
            structured,
            inputs: OnceCell::new(),
        })
    }

    fn makes(&self, path: &str) -> Result<bool, DerivationError> {
        let outputs = Aterm::outputs(&self.text).map_err(|problem| DerivationError::Syntax {
            path: self.path.clone(),
            problem,
        })?;
        Ok(outputs.iter().any(|output| output.plain() == Some(path)))
    }
}

impl Derivation<'_> {
    /// Its path.
    pub(super) fn path(&self) -> &str {
        self.path
    }

    /// An attribute that is a string, from wherever its attributes are.
    pub(super) fn attribute(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        match &self.structured {
            Some(attributes) => attributes
                .get(name)?
                .as_str()
                .map(|text| Cow::Borrowed(text.as_bytes())),
            None => self.parts.variable(name).map(Raw::bytes),
        }
    }

    /// An attribute that is text; what is no UTF-8 in it is replaced, as it is in no name that is looked for.
    pub(super) fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.attribute(name).map(|bytes| match bytes {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(
                String::from_utf8(bytes)
                    .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
            ),
        })
    }

    /// The input derivation that makes a store path; none where no input of a fitting name does.
    ///
    /// An output's name is its derivation's, with `-` and the output's own name behind it for all but `out`, so only
    /// derivations with such a name are opened.
    pub(super) fn input_making(&self, store: &Store, path: &str) -> Result<Option<Source>, DerivationError> {
        let Some(name) = object_name(path) else {
            return Ok(None);
        };
        let prefixes = name.match_indices('-').map(|(dash, _)| &name[..dash]);
        for input in std::iter::once(name)
            .chain(prefixes)
            .filter_map(|name| self.inputs().get(name))
            .flatten()
        {
            let source = store.input(input, self.path)?;
            if source.makes(path)? {
                return Ok(Some(source));
            }
        }
        Ok(None)
    }

    fn inputs(&self) -> &HashMap<&str, Vec<&str>> {
        self.inputs.get_or_init(|| {
            let mut inputs: HashMap<_, Vec<_>> = HashMap::new();
            for path in self.parts.inputs.iter().filter_map(|input| input.plain()) {
                if let Some(name) = object_name(path).and_then(|name| name.strip_suffix(".drv")) {
                    inputs.entry(name).or_default().push(path);
                }
            }
            inputs
        })
    }

    /// The input derivation that makes a store path, which must be there.
    pub(super) fn needs(&self, store: &Store, path: &str) -> Result<Source, DerivationError> {
        self.input_making(store, path)?
            .ok_or_else(|| DerivationError::NoInput {
                derivation: self.path.to_owned(),
                path: path.to_owned(),
            })
    }
}

/// The name of a store object: what follows the hash and its dash in the last component of its path.
pub(super) fn object_name(path: &str) -> Option<&str> {
    let last = path.rsplit('/').next()?;
    let (hash, name) = last.split_at_checked(HASH)?;
    let fine = hash
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    name.strip_prefix('-').filter(|_| fine)
}
