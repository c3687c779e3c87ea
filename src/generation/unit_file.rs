//! Owns the syntax of systemd unit files: bytes in, sections of keys and values with their places out.
//!
//! Reads as systemd's own `config_parse()` does (systemd.syntax(7)) and knows no key's meaning. Where systemd would skip a
//! line with a warning, the line is reported in [`UnitFile::ignored`]; where it would give up on the file, so does this.
//! Works in one pass, and accepts any bytes without a panic. Bytes are looked for in the way that works on any processor: unit
//! files are short, and to ask what this one can do takes longer than reading several.

use std::borrow::Cow;
use std::ops::Range;

use memchr::arch::all::memchr::{One, Two};

/// The largest unit file that is read, in bytes. Nobody writes one near it; whoever reads files asks for the size first.
pub const MAX_FILE: u64 = 4 << 20;

/// The longest line, continuations joined, in bytes: systemd's `LONG_LINE_MAX`.
pub const MAX_LINE: usize = 1 << 20;

/// A unit file, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct UnitFile<'a> {
    /// The sections in the order of the file; one that is opened twice is there twice.
    pub sections: Vec<Section<'a>>,
    /// The lines that systemd skips with a warning.
    pub ignored: Vec<Ignored>,
}

/// A section of a unit file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section<'a> {
    /// What stands between the brackets.
    pub name: Cow<'a, str>,
    /// Where the header stands.
    pub place: Place,
    /// Its assignments, in the order of the file.
    pub entries: Vec<Entry<'a>>,
}

/// An assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What stands before the first `=`, without white space around it.
    pub key: Cow<'a, str>,
    /// What stands after it, without white space around it, each continuation replaced by a space.
    pub value: Cow<'a, str>,
    /// Where the assignment stands, all of its lines.
    pub place: Place,
}

/// A place in a unit file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: u32,
    /// The bytes.
    pub span: Range<usize>,
}

/// A line that systemd skips with a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// Where it stands.
    pub place: Place,
    /// Why.
    pub reason: IgnoredReason,
}

/// Why systemd skips a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IgnoredReason {
    /// It stands before the first section.
    #[error("this line stands before the first section")]
    NoSection,
    /// It has no `=`.
    #[error("this line is neither a section, an assignment nor a comment")]
    NoAssignment,
    /// Nothing stands before its `=`.
    #[error("nothing stands before the `=`")]
    NoKey,
}

/// Why bytes are not a unit file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {}: {problem}", place.line)]
pub struct SyntaxError {
    /// What is wrong.
    pub problem: SyntaxProblem,
    /// Where.
    pub place: Place,
}

/// What can be wrong with a unit file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxProblem {
    /// Longer than [`MAX_FILE`].
    #[error("a unit file of more than 4 MiB is not read")]
    FileTooLong,
    /// A line longer than [`MAX_LINE`].
    #[error("a line of more than 1 MiB, which systemd refuses")]
    LineTooLong,
    /// A NUL byte.
    #[error("a NUL byte: this is no text, and so no unit file")]
    Nul,
    /// Not UTF-8.
    #[error("bytes that are not UTF-8: this is no unit file")]
    Utf8,
    /// A section header without its `]`, or with characters that systemd refuses in it.
    #[error(
        "a broken section header: it must be `[NAME]`, without quotes, backslashes and control characters"
    )]
    SectionHeader,
}

impl<'a> UnitFile<'a> {
    /// Takes a unit file apart.
    ///
    /// # Errors
    ///
    /// Fails where systemd would give up on the file, where it is longer than [`MAX_FILE`], and on NUL bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, SyntaxError> {
        if bytes.len() as u64 > MAX_FILE {
            return Err(error(SyntaxProblem::FileTooLong, 1, 0..0));
        }
        if let Some(at) = One::new(0).find(bytes) {
            return Err(error(SyntaxProblem::Nul, line_of(bytes, at), at..at + 1));
        }
        let text = std::str::from_utf8(bytes).map_err(|utf8| {
            let at = utf8.valid_up_to();
            error(SyntaxProblem::Utf8, line_of(bytes, at), at..at + 1)
        })?;
        let mut reader = Reader::default();
        for (number, span) in Lines::new(text) {
            reader.line(text, number, span)?;
        }
        reader.end()?;
        Ok(reader.file)
    }

    /// The assignments of a key in every section of a name, in the order of the file.
    pub fn entries<'s>(&'s self, section: &'s str, key: &'s str) -> impl Iterator<Item = &'s Entry<'a>> {
        self.sections
            .iter()
            .filter(move |found| found.name == section)
            .flat_map(|found| &found.entries)
            .filter(move |entry| entry.key == key)
    }
}

/// The values of a key that collects them over a unit and its drop-ins, in order; an empty assignment drops those before it.
pub fn list<'s>(files: &'s [UnitFile<'_>], section: &'s str, key: &'s str) -> Vec<&'s str> {
    let mut values = Vec::new();
    for entry in files.iter().flat_map(|file| file.entries(section, key)) {
        if entry.value.is_empty() {
            values.clear();
        } else {
            values.push(&*entry.value);
        }
    }
    values
}

/// An assignment or header whose end has not been seen: its lines end in a backslash.
struct Pending {
    line: u32,
    span: Range<usize>,
    joined: String,
}

#[derive(Default)]
struct Reader<'a> {
    file: UnitFile<'a>,
    pending: Option<Pending>,
}

impl<'a> Reader<'a> {
    fn line(&mut self, text: &'a str, number: u32, span: Range<usize>) -> Result<(), SyntaxError> {
        let line = &text[span.clone()];
        let too_long = |span| error(SyntaxProblem::LineTooLong, number, span);
        if line.len() > MAX_LINE {
            return Err(too_long(span));
        }
        // Comments are skipped before continuations are looked at, so they may stand between them.
        if line[trimmed(line)].starts_with(['#', ';']) {
            return Ok(());
        }
        let backslashes = line.bytes().rev().take_while(|&byte| byte == b'\\').count();
        let body = match backslashes % 2 {
            1 => &line[..line.len() - 1],
            _ => line,
        };
        match (self.pending.take(), backslashes % 2) {
            (None, 0) => self.logical(Cow::Borrowed(body), number, span),
            (None, _) => {
                // Blanks of later lines are no part of this: only the first one's stand before the place.
                let blank = trimmed(line).start;
                self.pending = Some(Pending {
                    line: number,
                    span: span.start + blank..span.end,
                    joined: format!("{body} "),
                });
                Ok(())
            }
            (Some(mut pending), continues) => {
                if pending.joined.len() + line.len() > MAX_LINE {
                    return Err(too_long(span));
                }
                pending.joined.push_str(body);
                pending.span.end = span.end;
                if continues == 1 {
                    pending.joined.push(' ');
                    self.pending = Some(pending);
                    return Ok(());
                }
                self.logical(Cow::Owned(pending.joined), pending.line, pending.span)
            }
        }
    }

    /// A file may end in a backslash; what was begun counts.
    fn end(&mut self) -> Result<(), SyntaxError> {
        match self.pending.take() {
            Some(pending) => self.logical(Cow::Owned(pending.joined), pending.line, pending.span),
            None => Ok(()),
        }
    }

    fn logical(&mut self, line: Cow<'a, str>, number: u32, span: Range<usize>) -> Result<(), SyntaxError> {
        let (line, span) = match line {
            Cow::Borrowed(line) => {
                let within = trimmed(line);
                let span = span.start + within.start..span.start + within.end;
                (Cow::Borrowed(&line[within]), span)
            }
            Cow::Owned(_) => (trim(line), span),
        };
        let place = Place { line: number, span };
        if line.is_empty() {
            return Ok(());
        }
        if line.starts_with('[') {
            let name = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            if !name.is_some_and(|name| {
                name.chars()
                    .all(|c| !c.is_ascii_control() && !"\"'\\".contains(c))
            }) {
                return Err(SyntaxError {
                    problem: SyntaxProblem::SectionHeader,
                    place,
                });
            }
            let name = slice(&line, 1..line.len() - 1);
            self.file.sections.push(Section {
                name,
                place,
                entries: Vec::new(),
            });
            return Ok(());
        }
        let reason = match (
            self.file.sections.last_mut(),
            line.bytes().position(|byte| byte == b'='),
        ) {
            (None, _) => IgnoredReason::NoSection,
            (_, None) => IgnoredReason::NoAssignment,
            (_, Some(0)) => IgnoredReason::NoKey,
            (Some(section), Some(equals)) => {
                section.entries.push(Entry {
                    key: trim(slice(&line, 0..equals)),
                    value: trim(slice(&line, equals + 1..line.len())),
                    place,
                });
                return Ok(());
            }
        };
        self.file.ignored.push(Ignored { place, reason });
        Ok(())
    }
}

/// systemd's `WHITESPACE`.
const WHITE_SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// Where a text is without the blanks around it.
fn trimmed(text: &str) -> Range<usize> {
    // Each is one byte, which is no part of any other character.
    let blank = |&&byte: &&u8| WHITE_SPACE.contains(&char::from(byte));
    let bytes = text.as_bytes();
    let end = bytes.len() - bytes.iter().rev().take_while(blank).count();
    bytes[..end].iter().take_while(blank).count()..end
}

fn trim(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[trimmed(text)]),
        Cow::Owned(text) => match &text[trimmed(&text)] {
            trimmed if trimmed.len() == text.len() => Cow::Owned(text),
            trimmed => Cow::Owned(trimmed.to_owned()),
        },
    }
}

fn slice<'a>(text: &Cow<'a, str>, range: Range<usize>) -> Cow<'a, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[range]),
        Cow::Owned(text) => Cow::Owned(text[range].to_owned()),
    }
}

fn error(problem: SyntaxProblem, line: u32, span: Range<usize>) -> SyntaxError {
    SyntaxError {
        problem,
        place: Place { line, span },
    }
}

/// The line of a byte, counted as [`Lines`] does.
fn line_of(bytes: &[u8], at: usize) -> u32 {
    let before = &bytes[..at];
    let ends = before.iter().filter(|&&byte| byte == b'\n').count();
    let lone_returns = before
        .iter()
        .zip(bytes[1..].iter())
        .filter(|&(&byte, &next)| byte == b'\r' && next != b'\n')
        .count();
    // A file is at most MAX_FILE long.
    (ends + lone_returns + 1) as u32
}

/// The lines of a text with their numbers; they end at `\n`, `\r` or `\r\n`. A byte order mark is no part of the first.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    number: u32,
    ends: Two,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let at = if text.starts_with('\u{feff}') {
            '\u{feff}'.len_utf8()
        } else {
            0
        };
        Self {
            text,
            at,
            number: 0,
            ends: Two::new(b'\n', b'\r'),
        }
    }
}

impl Iterator for Lines<'_> {
    type Item = (u32, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        if start == bytes.len() {
            return None;
        }
        let end = self
            .ends
            .find(&bytes[start..])
            .map_or(bytes.len(), |at| start + at);
        self.at = match &bytes[end..] {
            [b'\r', b'\n', ..] => end + 2,
            [] => end,
            _ => end + 1,
        };
        self.number += 1;
        Some((self.number, start..end))
    }
}

#[cfg(test)]
mod tests;
