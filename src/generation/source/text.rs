//! Owns source texts and places in them: what an offset is called, and what of a text is shown.

use std::sync::{Arc, OnceLock};

use memchr::memchr_iter;
use miette::NamedSource;

use super::syntax::Node;
use crate::model::Location;

/// Which text of a reading.
pub(super) type FileId = usize;

/// A stretch of a text, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) file: FileId,
    pub(super) start: u32,
    pub(super) end: u32,
}

/// A text and its name.
pub(super) struct SourceText {
    pub(super) name: String,
    pub(super) text: Arc<str>,
    // Where its lines begin. Most texts are never asked.
    lines: OnceLock<Vec<u32>>,
}

impl SourceText {
    pub(super) fn new(name: String, text: &str) -> Self {
        Self {
            name,
            text: text.into(),
            lines: OnceLock::new(),
        }
    }

    /// The place of a byte: line and column, both from 1, the column in characters.
    pub(super) fn location(&self, offset: u32) -> Location {
        let lines = self.lines.get_or_init(|| {
            let ends = memchr_iter(b'\n', self.text.as_bytes());
            std::iter::once(0).chain(ends.map(|end| end as u32 + 1)).collect()
        });
        let line = lines.partition_point(|&begin| begin <= offset);
        let begin = lines[line - 1] as usize;
        let column = self.text[begin..offset as usize].chars().count() + 1;
        Location {
            file: self.name.clone(),
            line: line as u32,
            column: column as u32,
        }
    }

    /// The text as a snippet is cut from it.
    pub(super) fn named(&self) -> NamedSource<Arc<str>> {
        NamedSource::new(&self.name, Arc::clone(&self.text)).with_language("Nix")
    }
}

/// How many characters of a piece of source fit into a sentence.
const LONGEST: usize = 60;

/// The words of a node on one line, cut to what fits into a sentence.
///
/// No more of the node is looked at than that takes: nodes are within each other, and each of them may be shown.
pub(super) fn excerpt_of(node: &Node) -> String {
    const ENOUGH: usize = 16 * LONGEST;
    let mut text = String::new();
    for token in node.tokens() {
        let chunk = token.text();
        match chunk.trim().is_empty() {
            true => text.push(' '),
            false => text.push_str(chunk),
        }
        if text.len() > ENOUGH {
            break;
        }
    }
    excerpt(&text)
}

/// The words of a piece of source on one line, cut to what fits into a sentence.
pub(super) fn excerpt(text: &str) -> String {
    let mut words = String::new();
    for word in text.split_whitespace() {
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
        if words.len() > 4 * LONGEST {
            break;
        }
    }
    match words.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &words[..cut]),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::super::syntax::{Entries, Scratch};
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let text = SourceText::new("a.nix".to_owned(), "a\n  é = 1;\n\n");
        for (offset, place) in [(0, "1:1"), (1, "1:2"), (2, "2:1"), (6, "2:4"), (13, "4:1")] {
            assert_eq!(text.location(offset).to_string(), format!("a.nix:{place}"));
        }
    }

    #[test]
    fn an_excerpt_is_one_short_line() {
        assert_eq!(excerpt("a\n   b  c"), "a b c");
        assert_eq!(excerpt(&"é".repeat(70)), format!("{}…", "é".repeat(60)));
    }

    #[test]
    fn an_excerpt_of_a_node_is_that_of_its_text() {
        let long = "a ".repeat(2000);
        for text in [
            "{ a = 1;\n\n  b = 2; }",
            &format!("[ {} x ]", " ".repeat(2000)),
            &format!("[ {long} ]"),
        ] {
            let entries = Entries::new(&rnix::Root::parse(text), &mut Scratch::default());
            let node = Node::root(0, text.into(), entries);
            assert_eq!(excerpt_of(&node), excerpt(text));
        }
    }
}
