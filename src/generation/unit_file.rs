//! Owns the syntax of systemd unit files: bytes in, sections of keys and values with their places out.
//!
//! Reads as systemd's own `config_parse()` does (systemd.syntax(7)) and knows no key's meaning. Where systemd would skip a
//! line with a warning, the line is reported in [`UnitFile::ignored`]; where it would give up on the file, so does this.
//! Works in one pass, and accepts any bytes without a panic.

use std::borrow::Cow;
use std::ops::Range;

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
        if let Some(at) = bytes.iter().position(|&byte| byte == 0) {
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
        if line.trim_start_matches(WHITE_SPACE).starts_with(['#', ';']) {
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
                self.pending = Some(Pending {
                    line: number,
                    span,
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
        let start = span.start + (line.len() - line.trim_start_matches(WHITE_SPACE).len());
        let end = match line {
            Cow::Borrowed(line) => span.start + line.trim_end_matches(WHITE_SPACE).len(),
            Cow::Owned(_) => span.end,
        };
        let place = Place {
            line: number,
            span: start.min(end)..end,
        };
        let line = trim(line);
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
        let reason = match (self.file.sections.last_mut(), line.find('=')) {
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

fn trim(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_matches(WHITE_SPACE)),
        Cow::Owned(text) => match text.trim_matches(WHITE_SPACE) {
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
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let at = if text.starts_with('\u{feff}') {
            '\u{feff}'.len_utf8()
        } else {
            0
        };
        Self { text, at, number: 0 }
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
        let end = bytes[start..]
            .iter()
            .position(|&byte| byte == b'\n' || byte == b'\r')
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn flat(text: &str) -> Vec<(String, String, String, u32)> {
        let file = UnitFile::parse(text.as_bytes()).unwrap();
        file.sections
            .iter()
            .flat_map(|section| {
                section.entries.iter().map(|entry| {
                    let place = entry.place.line;
                    (
                        section.name.to_string(),
                        entry.key.to_string(),
                        entry.value.to_string(),
                        place,
                    )
                })
            })
            .collect()
    }

    fn problem(bytes: &[u8]) -> (SyntaxProblem, u32) {
        let error = UnitFile::parse(bytes).unwrap_err();
        (error.problem, error.place.line)
    }

    fn row(section: &str, key: &str, value: &str, line: u32) -> (String, String, String, u32) {
        (section.to_owned(), key.to_owned(), value.to_owned(), line)
    }

    /// The examples of systemd.syntax(7).
    #[test]
    fn the_examples_of_the_manual() {
        let text = "[Section A]\nKeyOne=value 1\nKeyTwo=value 2\n\n# a comment\n\n[Section B]\n\
                    Setting=\"something\" \"some thing\" \"…\"\nKeyTwo=value 2 \\\n       value 2 continued\n\n[Section C]\n\
                    KeyThree=value 3\\\n# this line is ignored\n; this line is ignored too\n       value 3 continued\n";
        assert_eq!(
            flat(text),
            [
                row("Section A", "KeyOne", "value 1", 2),
                row("Section A", "KeyTwo", "value 2", 3),
                row("Section B", "Setting", "\"something\" \"some thing\" \"…\"", 8),
                row("Section B", "KeyTwo", "value 2         value 2 continued", 9),
                row("Section C", "KeyThree", "value 3        value 3 continued", 13),
            ]
        );
    }

    #[test]
    fn odd_but_right() {
        for (text, rows) in [
            ("\u{feff}[A]\nb = c \t\n", vec![row("A", "b", "c", 2)]),
            ("[A]\r\nb=c\\\r\nd\r\n", vec![row("A", "b", "c d", 2)]),
            (
                "[A]\rb=c\rd=e",
                vec![row("A", "b", "c", 2), row("A", "d", "e", 3)],
            ),
            (
                "[A]\nb=c\\\\\nd=e",
                vec![row("A", "b", "c\\\\", 2), row("A", "d", "e", 3)],
            ),
            ("[A]\nb=c\\", vec![row("A", "b", "c", 2)]),
            (
                "[A]\nb=c\\\n\nd=e",
                vec![row("A", "b", "c", 2), row("A", "d", "e", 4)],
            ),
            (
                "[A]\nb=c\\ \nd=e",
                vec![row("A", "b", "c\\", 2), row("A", "d", "e", 3)],
            ),
            ("[A]\nb==c=", vec![row("A", "b", "=c=", 2)]),
            ("[A]\nb=\n", vec![row("A", "b", "", 2)]),
            ("[A]\n  # b=c\\\nd=e", vec![row("A", "d", "e", 3)]),
            (
                "[A]\nb=c\n[A]\nd=e",
                vec![row("A", "b", "c", 2), row("A", "d", "e", 4)],
            ),
            ("", vec![]),
        ] {
            assert_eq!(flat(text), rows, "{text:?}");
        }
    }

    #[test]
    fn places_are_those_of_the_file() {
        let text = "\u{feff}[A]\n  b = c d  \ne=f\\\n  g\n";
        let file = UnitFile::parse(text.as_bytes()).unwrap();
        let span = |place: &Place| &text[place.span.clone()];
        assert_eq!(span(&file.sections[0].place), "[A]");
        assert_eq!(span(&file.sections[0].entries[0].place), "b = c d");
        assert_eq!(span(&file.sections[0].entries[1].place), "e=f\\\n  g");
    }

    #[test]
    fn what_systemd_skips_is_told() {
        let file = UnitFile::parse(b"a=b\n[A]\nno assignment\n=c\n").unwrap();
        let ignored: Vec<_> = file
            .ignored
            .iter()
            .map(|line| (line.place.line, line.reason))
            .collect();
        assert_eq!(
            ignored,
            [
                (1, IgnoredReason::NoSection),
                (3, IgnoredReason::NoAssignment),
                (4, IgnoredReason::NoKey)
            ]
        );
    }

    #[test]
    fn what_is_no_unit_file_is_refused_with_its_line() {
        assert_eq!(problem(b"[A]\r\nb=c\rd=\0"), (SyntaxProblem::Nul, 3));
        assert_eq!(problem(b"[A]\nb=\xff\n"), (SyntaxProblem::Utf8, 2));
        assert_eq!(problem(b"\x7fELF\x02\x01\x01\0\0"), (SyntaxProblem::Nul, 1));
        for header in ["[A", "[", "[A]x", "[A\"]", "[A\\b]", "[A\x01]"] {
            let text = format!("\n{header}\nb=c");
            assert_eq!(
                problem(text.as_bytes()),
                (SyntaxProblem::SectionHeader, 2),
                "{header}"
            );
        }
        let long = "x".repeat(MAX_LINE + 1);
        assert_eq!(
            problem(format!("[A]\na={long}").as_bytes()),
            (SyntaxProblem::LineTooLong, 2)
        );
        let half = "x".repeat(MAX_LINE / 2);
        let continued = format!("[A]\na={half}\\\n{half}\\\nb");
        assert_eq!(problem(continued.as_bytes()), (SyntaxProblem::LineTooLong, 3));
        assert_eq!(
            problem(&vec![b'#'; MAX_FILE as usize + 1]).0,
            SyntaxProblem::FileTooLong
        );
    }

    #[test]
    fn an_empty_assignment_drops_what_was_before() {
        let files = [
            "[Service]\nExecStart=a\nExecStart=b",
            "[Service]\nExecStart=\nExecStart=c\n",
        ];
        let files = files.map(|text| UnitFile::parse(text.as_bytes()).unwrap());
        assert_eq!(list(&files[..1], "Service", "ExecStart"), ["a", "b"]);
        assert_eq!(list(&files, "Service", "ExecStart"), ["c"]);
    }

    proptest! {
        #[test]
        fn never_panics_and_places_are_inside(bytes in proptest::collection::vec(
            prop_oneof![
                Just(b'['), Just(b']'), Just(b'='), Just(b'\\'), Just(b'\n'), Just(b'\r'), Just(b'#'), Just(b' '),
                Just(b'a'), Just(0xef), Just(0xbb), Just(0xbf), any::<u8>()
            ],
            0..64,
        )) {
            if let Ok(file) = UnitFile::parse(&bytes) {
                for entry in file.sections.iter().flat_map(|section| &section.entries) {
                    prop_assert!(bytes.get(entry.place.span.clone()).is_some());
                    prop_assert!(!entry.key.contains('='));
                }
            }
        }
    }
}
