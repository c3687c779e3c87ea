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
use super::syntax::{Entries, Node};
use super::text::{FileId, SourceText, Span};
use crate::model::Location;

/// The word without which a text declares nothing.
pub(super) const WORD: &str = "migrations";

pub(super) struct Sources<'t> {
    tree: &'t dyn Tree,
    files: RefCell<Vec<Rc<File>>>,
    ids: RefCell<HashMap<PathBuf, FileId>>,
    size: Cell<usize>,
}

/// A text that was parsed.
pub(super) struct File {
    pub(super) source: SourceText,
    pub(super) root: Node,
    path: PathBuf,
    /// Whether it is taken as a module already.
    pub(super) is_module: Cell<bool>,
    /// Where the keys begin that were read as declarations of migrations.
    pub(super) declared: RefCell<HashSet<u32>>,
    /// Where the sets begin whose attributes are a module's own.
    pub(super) modules: RefCell<HashSet<u32>>,
}

impl<'t> Sources<'t> {
    pub(super) fn new(tree: &'t dyn Tree) -> Self {
        Self {
            tree,
            files: RefCell::default(),
            ids: RefCell::default(),
            size: Cell::new(0),
        }
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
        let kind = |path: &Path| self.tree.kind(path).map_err(|error| self.unreadable(path, error));
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
    pub(super) fn load(&self, path: &Path) -> Result<FileId, SourceError> {
        if let Some(&id) = self.ids.borrow().get(path) {
            return Ok(id);
        }
        let text = self.text(path)?;
        self.parse(path, &text)
    }

    /// The files of a directory that may say something of migrations, parsed. Of several that are wrong the first is reported.
    pub(super) fn load_candidates(&self, paths: &[PathBuf]) -> Result<Vec<FileId>, SourceError> {
        let mut candidates = Vec::new();
        let texts = paths.iter().filter_map(|path| {
            let text = self.candidate(path).transpose()?;
            candidates.push(path);
            Some(text)
        });
        let parsed = parse_all(texts)?;
        let files = candidates.into_iter().zip(parsed);
        Ok(files
            .map(|(path, (text, tree))| self.add(path, text, tree))
            .collect())
    }

    fn candidate(&self, path: &Path) -> Result<Option<SourceText>, SourceError> {
        let bytes = self.bytes(path)?;
        if memmem::find(&bytes, WORD.as_bytes())
            .or_else(|| memmem::find(&bytes, b"imports"))
            .is_none()
        {
            return Ok(None);
        }
        let text = self.decode(path, bytes)?;
        Ok(Some(SourceText::new(self.tree.name(path), &text)))
    }

    /// The text of any file.
    pub(super) fn text(&self, path: &Path) -> Result<String, SourceError> {
        self.decode(path, self.bytes(path)?)
    }

    fn bytes(&self, path: &Path) -> Result<Vec<u8>, SourceError> {
        self.tree.read(path).map_err(|error| self.unreadable(path, error))
    }

    fn decode(&self, path: &Path, bytes: Vec<u8>) -> Result<String, SourceError> {
        String::from_utf8(bytes).map_err(|error| SourceError::Encoding {
            name: self.tree.name(path),
            byte: error.utf8_error().valid_up_to(),
        })
    }

    fn unreadable(&self, path: &Path, error: std::io::Error) -> SourceError {
        SourceError::Unreadable {
            name: self.tree.name(path),
            error,
        }
    }

    pub(super) fn parse(&self, path: &Path, text: &str) -> Result<FileId, SourceError> {
        let source = SourceText::new(self.tree.name(path), text);
        let tree = parse(&source)?;
        Ok(self.add(path, source, tree))
    }

    fn add(&self, path: &Path, source: SourceText, tree: Entries) -> FileId {
        self.size.set(self.size.get() + source.text.len());
        let mut files = self.files.borrow_mut();
        let id = files.len();
        let file = File {
            root: Node::root(id, Arc::clone(&source.text), tree),
            source,
            path: path.to_owned(),
            is_module: Cell::new(false),
            declared: RefCell::default(),
            modules: RefCell::default(),
        };
        files.push(Rc::new(file));
        self.ids.borrow_mut().insert(path.to_owned(), id);
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
