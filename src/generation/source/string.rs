//! Owns the letters of string literals: escapes, and the indentation that `''` strings lose (Nix, `unescapeStr` and
//! `stripIndentation`).

use rnix::SyntaxKind::{NODE_INTERPOL, TOKEN_STRING_CONTENT};

use super::syntax::Node;

/// A stretch of a string.
pub(super) enum Piece {
    Letters(String),
    /// `${…}`.
    Hole(Node),
}

/// A stretch of an indented string.
enum Raw {
    /// As it is written: it may begin lines.
    Written(String),
    /// What an escape stands for.
    Escaped(String),
    Hole(Node),
}

/// The pieces of a string as Nix would join them; none where it is not whole.
pub(super) fn pieces(string: &Node) -> Option<Vec<Piece>> {
    let is_indented = string.text().starts_with("''");
    let mut raws = Vec::new();
    let mut pieces = Vec::new();
    let parts = string.below(|kind| matches!(kind, TOKEN_STRING_CONTENT | NODE_INTERPOL));
    for (n, part) in parts.enumerate() {
        match (part.kind(), is_indented) {
            (NODE_INTERPOL, true) => raws.push(Raw::Hole(part.expr(0)?)),
            (NODE_INTERPOL, false) => pieces.push(Piece::Hole(part.expr(0)?)),
            (_, true) => {
                let text = part.text();
                split(if n == 0 { without_first_line(text) } else { text }, &mut raws);
            }
            (_, false) => pieces.push(Piece::Letters(unescape(part.text()))),
        }
    }
    if is_indented {
        pieces = strip(raws);
    }
    Some(pieces)
}

/// What follows the opening `''` on its line belongs to it where it is blank.
fn without_first_line(text: &str) -> &str {
    match text.split_once('\n') {
        Some((first, rest)) if first.bytes().all(|byte| byte == b' ') => rest,
        _ => text,
    }
}

/// The letters of a `"…"` string.
fn unescape(text: &str) -> String {
    let mut letters = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '\r']) {
        letters.push_str(&rest[..at]);
        let mut behind = rest[at..].chars();
        if behind.next() == Some('\\') {
            letters.extend(behind.next().map(escaped));
            rest = behind.as_str();
        } else {
            // Nix reads the line ends of other systems as its own.
            letters.push('\n');
            rest = behind.as_str();
            rest = rest.strip_prefix('\n').unwrap_or(rest);
        }
    }
    letters.push_str(rest);
    letters
}

/// What a letter stands for behind a backslash.
fn escaped(letter: char) -> char {
    match letter {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        letter => letter,
    }
}

/// Takes the escapes of an indented string apart from what is written as it is.
fn split(text: &str, raws: &mut Vec<Raw>) {
    let mut rest = text;
    let mut written = String::new();
    while let Some(at) = rest.find("''") {
        written.push_str(&rest[..at]);
        let behind = &rest[at + 2..];
        let Some(letter) = behind.chars().next() else {
            break;
        };
        let mut length = letter.len_utf8();
        let letters = match letter {
            '\'' => "''".to_owned(),
            '\\' => {
                let letter = behind[length..].chars().next();
                length += letter.map_or(0, char::len_utf8);
                letter.map(escaped).into_iter().collect()
            }
            letter => letter.to_string(),
        };
        if !written.is_empty() {
            raws.push(Raw::Written(std::mem::take(&mut written)));
        }
        raws.push(Raw::Escaped(letters));
        rest = &behind[length..];
    }
    written.push_str(rest);
    if !written.is_empty() {
        raws.push(Raw::Written(written));
    }
}

/// How many spaces all lines begin with, but for blank ones.
fn indentation(raws: &[Raw]) -> usize {
    let mut least = usize::MAX;
    let mut current = 0;
    let mut is_start = true;
    for raw in raws {
        let Raw::Written(text) = raw else {
            if is_start {
                is_start = false;
                least = least.min(current);
            }
            continue;
        };
        for (n, line) in text.split('\n').enumerate() {
            if n > 0 {
                is_start = true;
                current = 0;
            }
            if is_start {
                let spaces = spaces(line);
                current += spaces;
                if spaces < line.len() {
                    is_start = false;
                    least = least.min(current);
                }
            }
        }
    }
    least
}

/// How many spaces a line begins with.
fn spaces(line: &str) -> usize {
    line.bytes().take_while(|&byte| byte == b' ').count()
}

/// Takes the indentation away. A line that an escape begins loses it too: so does Nix's.
fn strip(raws: Vec<Raw>) -> Vec<Piece> {
    let least = indentation(&raws);
    let mut pieces = Vec::with_capacity(raws.len());
    let mut is_start = true;
    // How many spaces the line has begun with so far.
    let mut seen = 0;
    let count = raws.len();
    for (n, raw) in raws.into_iter().enumerate() {
        let text = match raw {
            Raw::Hole(hole) => {
                is_start = false;
                pieces.push(Piece::Hole(hole));
                continue;
            }
            Raw::Written(text) | Raw::Escaped(text) => text,
        };
        let mut letters = String::with_capacity(text.len());
        for (n, line) in text.split('\n').enumerate() {
            if n > 0 {
                letters.push('\n');
                is_start = true;
                seen = 0;
            }
            let mut kept = line;
            if is_start {
                let spaces = spaces(line);
                kept = &line[spaces.min(least.saturating_sub(seen))..];
                seen += spaces;
                is_start = spaces == line.len();
            }
            letters.push_str(kept);
        }
        // The line of the closing `''`.
        if n + 1 == count
            && let Some(end) = letters.rfind('\n')
            && letters[end + 1..].bytes().all(|byte| byte == b' ')
        {
            letters.truncate(end + 1);
        }
        pieces.push(Piece::Letters(letters));
    }
    pieces
}
