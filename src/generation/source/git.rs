//! Owns reading source text from a commit: a handful of git's plumbing commands, called by argument vector. The work tree,
//! the index and the network are left alone.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{self, BufRead, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::process::{Dialogue, Question};

use super::files::{Kind, Tree, check_length, is_nix, is_skipped};

/// The files of a commit.
pub(super) struct Commit {
    repository: PathBuf,
    revision: String,
    /// Its hash.
    pub(super) id: String,
    reader: Mutex<Reader>,
    // What the files of a listing are, so that they need not be looked up by path.
    listed: Mutex<HashMap<PathBuf, String>>,
    // What was last looked at: it is what is read next.
    last: Mutex<Option<(PathBuf, Vec<u8>)>>,
}

/// Why a commit cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// git could not be run.
    #[error("git could not be run in {}", repository.display())]
    Start {
        /// Where.
        repository: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// git ran and refused.
    #[error("git cannot read `{what}` in {}: {message}", repository.display())]
    Refused {
        /// Where.
        repository: PathBuf,
        /// What it was asked for.
        what: String,
        /// Its own words.
        message: String,
    },
}

impl Commit {
    /// Finds a commit.
    ///
    /// # Errors
    ///
    /// Fails where git is not in `PATH`, where there is no repository, and where the revision names no commit.
    pub(super) fn open(repository: &Path, revision: &str) -> Result<Self, GitError> {
        let commit = format!("{revision}^{{commit}}");
        let question = git(
            repository,
            &["rev-parse", "--verify", "--end-of-options", &commit],
        );
        let id = run(repository, &question, revision)?;
        // git prints 40 or 64 hexadecimal digits.
        let id = String::from_utf8_lossy(&id).trim().to_owned();
        let reader = Reader::start(repository).map_err(|error| GitError::Start {
            repository: repository.to_owned(),
            error,
        })?;
        Ok(Self {
            repository: repository.to_owned(),
            revision: revision.to_owned(),
            id,
            reader: Mutex::new(reader),
            listed: Mutex::default(),
            last: Mutex::default(),
        })
    }

    fn object(&self, path: &Path) -> io::Result<Option<Object>> {
        let name = match locked(&self.listed).get(path) {
            Some(id) => id.as_bytes().to_owned(),
            None => [self.id.as_bytes(), b":", path.as_os_str().as_bytes()].concat(),
        };
        if name.contains(&b'\n') {
            let message = "its name has a line break, which git takes for the end of the name";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let mut reader = locked(&self.reader);
        if reader.has_ended() {
            *reader = Reader::start(&self.repository)?;
        }
        reader.object(&name)
    }
}

impl Tree for Commit {
    fn kind(&self, path: &Path) -> io::Result<Option<Kind>> {
        Ok(match self.object(path)? {
            Some(Object::Blob(content)) => {
                *locked(&self.last) = Some((path.to_owned(), content));
                Some(Kind::File)
            }
            Some(Object::Tree) => Some(Kind::Directory),
            None => None,
        })
    }

    fn nix_files(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let what = OsStr::from_bytes(&[self.id.as_bytes(), b":", directory.as_os_str().as_bytes()].concat())
            .to_owned();
        let question = git(&self.repository, &["ls-tree", "-r", "-z", "--full-tree"]).argument(&what);
        let listing =
            run(&self.repository, &question, &directory.display().to_string()).map_err(io::Error::other)?;
        let mut listed = locked(&self.listed);
        let mut files = Vec::new();
        for entry in listing.split(|&byte| byte == 0) {
            // <mode> SP <type> SP <object> TAB <file>, git-ls-tree(1).
            let mut halves = entry.splitn(2, |&byte| byte == b'\t');
            let (Some(head), Some(name)) = (halves.next(), halves.next()) else {
                continue;
            };
            let head = String::from_utf8_lossy(head);
            let mut words = head.split(' ');
            let (mode, id) = (words.next(), words.nth(1));
            let name = Path::new(OsStr::from_bytes(name));
            if !is_nix(name) || name.iter().any(is_skipped) {
                continue;
            }
            let path = directory.join(name);
            match (mode, id) {
                (Some("100644" | "100755" | "100664"), Some(id)) => {
                    listed.insert(path.clone(), id.to_owned());
                    files.push(path);
                }
                // A link is followed by its path, and left out where it leads nowhere.
                (Some("120000"), _) => files.push(path),
                _ => {}
            }
        }
        drop(listed);
        files.sort();
        files.retain(|path| {
            let is_listed = locked(&self.listed).contains_key(path);
            is_listed || matches!(self.kind(path), Ok(Some(Kind::File)))
        });
        Ok(files)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let last = locked(&self.last).take();
        if let Some((_, content)) = last.filter(|(last, _)| last == path) {
            return Ok(content);
        }
        match self.object(path)? {
            Some(Object::Blob(content)) => Ok(content),
            Some(Object::Tree) => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file")),
            None => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the commit has no such file",
            )),
        }
    }

    fn name(&self, path: &Path) -> String {
        format!("{}:{}", self.revision, path.display())
    }
}

/// What several threads may ask for. A thread that panics ends the whole reading.
fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// git with the one repository, kept from fetching what a partial clone lacks and from asking for passwords.
fn git<'a>(repository: &Path, arguments: &[&str]) -> Question<'a> {
    let before = [OsStr::new("-C"), repository.as_os_str()];
    let arguments = before.into_iter().chain(arguments.iter().map(OsStr::new));
    Question {
        program: "git",
        arguments: arguments.map(OsStr::to_owned).collect(),
        environment: &[
            ("GIT_NO_LAZY_FETCH", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("LC_ALL", "C"),
        ],
    }
}

fn run(repository: &Path, question: &Question<'_>, what: &str) -> Result<Vec<u8>, GitError> {
    let output = question.answer().map_err(|error| GitError::Start {
        repository: repository.to_owned(),
        error,
    })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let last = words.lines().rev().find(|line| !line.trim().is_empty());
    Err(GitError::Refused {
        repository: repository.to_owned(),
        what: what.to_owned(),
        message: last.unwrap_or("it gave no reason").to_owned(),
    })
}

enum Object {
    Blob(Vec<u8>),
    Tree,
}

/// One `git cat-file --batch` for all files of a reading.
struct Reader(Dialogue);

impl Reader {
    fn start(repository: &Path) -> io::Result<Self> {
        git(repository, &["cat-file", "--batch", "--follow-symlinks"])
            .ask()
            .map(Self)
    }

    /// Whether nothing more can be asked.
    fn has_ended(&self) -> bool {
        self.0.input.is_none()
    }

    /// Asks for one object by its hash or `HASH:path`, without line breaks.
    fn object(&mut self, name: &[u8]) -> io::Result<Option<Object>> {
        let input = self
            .0
            .input
            .as_mut()
            .ok_or_else(|| io::Error::other("git has ended"))?;
        input.write_all(&[name, b"\n"].concat())?;
        input.flush()?;
        let mut head = Vec::new();
        self.0.output.read_until(b'\n', &mut head)?;
        if head.pop() != Some(b'\n') {
            return Err(io::Error::other("git ended early"));
        }
        // `<object> <type> <size>`, or `<name> missing`; for links that are not followed, `<word> <size>` and a line of so
        // many bytes: git-cat-file(1). A name may have blanks.
        let head = String::from_utf8_lossy(&head).into_owned();
        if head.ends_with(" missing") || head.ends_with(" ambiguous") {
            return Ok(None);
        }
        let words: Vec<&str> = head.split(' ').collect();
        let (kind, size) = match words[..] {
            [_, kind, size] => (kind, size),
            [word, size] => (word, size),
            _ => return Err(io::Error::other(format!("git answered `{head}`"))),
        };
        let size = size
            .parse()
            .map_err(|_| io::Error::other(format!("git answered `{head}`")))?;
        if kind == "blob"
            && let Err(error) = check_length(size)
        {
            // What it goes on to write is not read, so this one is asked nothing more.
            self.0.input = None;
            return Err(error);
        }
        let mut content = Vec::new();
        self.0.output.by_ref().take(size + 1).read_to_end(&mut content)?;
        if content.pop() != Some(b'\n') {
            return Err(io::Error::other("git ended early"));
        }
        Ok(match kind {
            "blob" => Some(Object::Blob(content)),
            "tree" => Some(Object::Tree),
            _ => None,
        })
    }
}
