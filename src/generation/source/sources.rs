//! Owns the texts of one reading: each file is read and parsed once, when it is first needed.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use memchr::memmem;
use miette::SourceSpan;

use super::error::{SourceError, Spot};
use super::files::{Kind, Tree};
use super::parse::{parse, parse_all};
use super::syntax::{Entries, Node, Scratch};
use super::text::{FileId, SourceText, Span};
use crate::model::Location;

/// The word without which a text declares nothing.
pub(super) const WORD: &str = "migrations";

pub(super) struct Sources<'t> {
    tree: &'t dyn Tree,
    files: RefCell<Vec<Rc<File>>>,
    ids: RefCell<HashMap<Arc<Path>, FileId>>,
    size: Cell<usize>,
}

/// A text that was parsed, for whoever evaluates it.
#[derive(Clone)]
pub(super) struct Parsed {
    path: Arc<Path>,
    source: Arc<SourceText>,
    entries: Entries,
}

/// A text that is evaluated.
pub(super) struct File {
    pub(super) source: Arc<SourceText>,
    pub(super) root: Node,
    path: Arc<Path>,
    /// Whether it is taken as a module already.
    pub(super) is_module: Cell<bool>,
    /// Where the keys begin that were read as declarations of migrations.
    pub(super) declared: RefCell<HashSet<u32>>,
    /// Where the sets begin whose attributes are a module's own.
    pub(super) modules: RefCell<HashSet<u32>>,
}

impl Parsed {
    /// # Errors
    ///
    /// Fails where the text is not Nix.
    pub(super) fn new(tree: &dyn Tree, path: &Path, text: &str) -> Result<Self, SourceError> {
        let source = SourceText::new(tree.name(path), text);
        let entries = parse(&source, &mut Scratch::default())?;
        Ok(Self::of(path, source, entries))
    }

    /// # Errors
    ///
    /// Fails where the file cannot be read, and where its text is not Nix.
    pub(super) fn load(tree: &dyn Tree, path: &Path) -> Result<Self, SourceError> {
        Self::new(tree, path, &text(tree, path)?)
    }

    fn of(path: &Path, source: SourceText, entries: Entries) -> Self {
        Self {
            path: path.into(),
            source: source.into(),
            entries,
        }
    }

    /// How many bytes it has.
    pub(super) fn size(&self) -> usize {
        self.source.text.len()
    }
}

/// The files of a directory that may say something of migrations. Of several that are wrong the first is reported.
///
/// # Errors
///
/// Fails where one of them cannot be read or is not Nix.
pub(super) fn candidates(tree: &dyn Tree, paths: &[PathBuf]) -> Result<Vec<Parsed>, SourceError> {
    let mut candidates = Vec::new();
    let texts = paths.iter().filter_map(|path| {
        let text = candidate(tree, path).transpose()?;
        candidates.push(path);
        Some(text)
    });
    let parsed = parse_all(texts)?;
    let files = candidates.into_iter().zip(parsed);
    Ok(files
        .map(|(path, (source, entries))| Parsed::of(path, source, entries))
        .collect())
}

fn candidate(tree: &dyn Tree, path: &Path) -> Result<Option<SourceText>, SourceError> {
    let bytes = bytes(tree, path)?;
    let has = |word: &str| memmem::find(&bytes, word.as_bytes()).is_some();
    if !has(WORD) && !has("imports") {
        return Ok(None);
    }
    let text = decode(tree, path, bytes)?;
    Ok(Some(SourceText::new(tree.name(path), &text)))
}

fn text(tree: &dyn Tree, path: &Path) -> Result<String, SourceError> {
    decode(tree, path, bytes(tree, path)?)
}

fn bytes(tree: &dyn Tree, path: &Path) -> Result<Vec<u8>, SourceError> {
    tree.read(path).map_err(|error| unreadable(tree, path, error))
}

fn decode(tree: &dyn Tree, path: &Path, bytes: Vec<u8>) -> Result<String, SourceError> {
    String::from_utf8(bytes).map_err(|error| SourceError::Encoding {
        name: tree.name(path),
        byte: error.utf8_error().valid_up_to(),
    })
}

fn unreadable(tree: &dyn Tree, path: &Path, error: std::io::Error) -> SourceError {
    SourceError::Unreadable {
        name: tree.name(path),
        error,
    }
}

impl File {
    pub(super) fn path(&self) -> Arc<Path> {
        Arc::clone(&self.path)
    }
}

impl<'t> Sources<'t> {
    /// Texts, numbered in their order, and the tree that others are loaded from.
    pub(super) fn new(tree: &'t dyn Tree, texts: &[Parsed]) -> Self {
        let sources = Self {
            tree,
            files: RefCell::default(),
            ids: RefCell::default(),
            size: Cell::new(0),
        };
        for text in texts {
            sources.add(text);
        }
        sources
    }

    pub(super) fn tree(&self) -> &'t dyn Tree {
        self.tree
    }

    pub(super) fn file(&self, id: FileId) -> Rc<File> {
        Rc::clone(&self.files.borrow()[id])
    }

    /// How many bytes were parsed.
    pub(super) fn size(&self) -> usize {
        self.size.get()
    }

    pub(super) fn count(&self) -> usize {
        self.files.borrow().len()
    }

    /// The directory that relative paths in a file start from.
    pub(super) fn directory(&self, id: FileId) -> PathBuf {
        let file = self.file(id);
        file.path.parent().map(Path::to_owned).unwrap_or_default()
    }

    /// The file that `import` means by a path; none where there is none.
    pub(super) fn import(&self, path: &Path) -> Result<Option<FileId>, SourceError> {
        let kind = |path: &Path| {
            let kind = self.tree.kind(path);
            kind.map_err(|error| unreadable(self.tree, path, error))
        };
        match kind(path)? {
            Some(Kind::File) => self.load(path).map(Some),
            Some(Kind::Directory) => {
                let default = path.join("default.nix");
                match kind(&default)? {
                    Some(Kind::File) => self.load(&default).map(Some),
                    _ => Ok(None),
                }
            }
            None => Ok(None),
        }
    }

    /// A file, parsed.
    fn load(&self, path: &Path) -> Result<FileId, SourceError> {
        if let Some(&id) = self.ids.borrow().get(path) {
            return Ok(id);
        }
        Ok(self.add(&Parsed::load(self.tree, path)?))
    }

    /// The text of any file.
    pub(super) fn text(&self, path: &Path) -> Result<String, SourceError> {
        text(self.tree, path)
    }

    fn add(&self, parsed: &Parsed) -> FileId {
        let Parsed {
            path,
            source,
            entries,
        } = parsed.clone();
        self.size.set(self.size.get() + parsed.size());
        let mut files = self.files.borrow_mut();
        let id = files.len();
        self.ids.borrow_mut().insert(Arc::clone(&path), id);
        let file = File {
            root: Node::root(id, Arc::clone(&source.text), entries),
            source,
            path,
            is_module: Cell::new(false),
            declared: RefCell::default(),
            modules: RefCell::default(),
        };
        files.push(Rc::new(file));
        id
    }

    /// The expression that a file is.
    pub(super) fn root(&self, id: FileId) -> Option<Node> {
        self.file(id).root.expr(0)
    }

    pub(super) fn location(&self, span: Span) -> Location {
        self.file(span.file).source.location(span.start)
    }

    pub(super) fn spot(&self, span: Span) -> Spot {
        let file = self.file(span.file);
        Spot {
            at: file.source.location(span.start),
            source: file.source.named(),
            span: SourceSpan::from(span.start as usize..span.end as usize),
        }
    }
}
