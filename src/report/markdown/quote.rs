//! Owns how foreign text is quoted in Markdown.

use std::fmt::Write as _;

use super::super::escape::{escape, lines};

/// A text as a code span, fit for a table's cell: nothing in it is markup, and no mention notifies anybody.
///
/// CommonMark: a code span ends at a run of as many backticks as began it, and loses one space on either side. GFM: only a
/// `|` has to be escaped in a cell, in code too; outside of cells the escape would show, so there is none.
pub(super) fn code(text: &str) -> String {
    let text = escape(text);
    let fence = "`".repeat(longest_run(&text) + 1);
    let space = match text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) || text.is_empty() {
        true => " ",
        false => "",
    };
    format!("{fence}{space}{text}{space}{fence}")
}

/// What has been quoted, fit for a cell of a table.
pub(super) fn cell(quoted: &str) -> String {
    quoted.replace('|', "\\|")
}

/// A text of one line as prose: what stands between backticks is code, every other character that may be markup is escaped,
/// `@` and `#` do not mention, and a link that is written out stays one (GFM makes it).
pub(super) fn prose(text: &str) -> String {
    let parts: Vec<_> = text.split('`').collect();
    let paired = parts.len() % 2 == 1;
    if !paired {
        return words(text);
    }
    let quote = |(index, part): (usize, &&str)| match (index % 2, part.is_empty()) {
        (0, _) => words(part),
        (_, false) => code(part),
        (_, true) => words("``"),
    };
    parts.iter().enumerate().map(quote).collect()
}

fn words(text: &str) -> String {
    let text = escape(text);
    let words: Vec<_> = text.split(' ').map(word).collect();
    words.join(" ")
}

fn word(word: &str) -> String {
    let link = word.starts_with("https://")
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b":/.-_#?=&%+,;".contains(&byte));
    if link {
        return word.to_owned();
    }
    let mut quoted = String::with_capacity(word.len());
    for char in word.chars() {
        match char {
            '<' => quoted.push_str("&lt;"),
            '>' => quoted.push_str("&gt;"),
            '&' => quoted.push_str("&amp;"),
            // A mention ends where markup begins; an escaped `@` is still one.
            '@' | '#' => {
                // Writing to a String cannot fail.
                let _ = write!(quoted, "{char}<!-- -->");
            }
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '|' | '~' | '!' | '$' | '+' => {
                quoted.push('\\');
                quoted.push(char);
            }
            _ => quoted.push(char),
        }
    }
    quoted
}

/// A text as a fenced block.
pub(super) fn block(language: &str, text: &str) -> String {
    let fence = "`".repeat(longest_run(text).max(2) + 1);
    let mut block = format!("{fence}{language}\n");
    for line in lines(text) {
        block.push_str(&line);
        block.push('\n');
    }
    block.push_str(&fence);
    block
}

/// A text as HTML.
pub(super) fn html(text: &str) -> String {
    escape(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn longest_run(text: &str) -> usize {
    let (mut longest, mut run) = (0, 0);
    for char in text.chars() {
        run = if char == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_ends_where_it_should() {
        for (text, quoted) in [
            (".#atlas", "`.#atlas`"),
            ("a`b", "``a`b``"),
            ("`", "`` ` ``"),
            ("", "`  `"),
            ("a\nb\x1b", "`a\\nb\\x1b`"),
        ] {
            assert_eq!(code(text), quoted);
        }
        assert_eq!(cell(&code("a|b")), "`a\\|b`");
    }

    #[test]
    fn prose_is_no_markup() {
        for (text, quoted) in [
            ("plain, text: 15.10 → 17.2", "plain, text: 15.10 → 17.2"),
            ("*b* _i_ [l](u)", "\\*b\\* \\_i\\_ \\[l\\]\\(u\\)"),
            ("`c|@x` and ``", "`c|@x` and \\`\\`"),
            ("one ` alone", "one \\` alone"),
            ("<script>&", "&lt;script&gt;&amp;"),
            ("@everyone fixes #1", "@<!-- -->everyone fixes #<!-- -->1"),
            ("see https://example.org/a#b_c", "see https://example.org/a#b_c"),
            ("see https://a.b/<x>", "see https://a.b/&lt;x&gt;"),
        ] {
            assert_eq!(prose(text), quoted);
        }
    }

    #[test]
    fn a_block_is_closed_by_its_own_fence_alone() {
        assert_eq!(block("text", "a\n```\nb\n"), "````text\na\n```\nb\n````");
    }
}
