//! Owns what keeps foreign text harmless: no script, label or message can move the cursor, recolour, hide or reorder what is
//! printed around it.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Writes every character that a terminal or a browser would act on instead of showing as its escape: `\x1b`, `\u{202e}`.
///
/// Line feeds are such characters too; split texts of several lines before.
pub fn escape(text: &str) -> Cow<'_, str> {
    let plain = |byte: u8| (b' '..=b'~').contains(&byte);
    if text.bytes().all(plain) || !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        match char {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            _ if !acts(char) => escaped.push(char),
            // Writing to a String cannot fail.
            _ if u32::from(char) < 0x80 => drop(write!(escaped, "\\x{:02x}", u32::from(char))),
            _ => escaped.extend(char.escape_unicode()),
        }
    }
    Cow::Owned(escaped)
}

/// Escapes a text of several lines, line by line: tabs go to the next stop of eight, the line feed of the last line is not
/// a line of its own.
pub fn lines(text: &str) -> impl Iterator<Item = String> + '_ {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.split('\n')
        .map(|line| escape(&expand_tabs(line.strip_suffix('\r').unwrap_or(line))).into_owned())
}

fn expand_tabs(line: &str) -> String {
    let mut expanded = String::with_capacity(line.len());
    let mut column = 0;
    for char in line.chars() {
        if char == '\t' {
            let stop = 8 - column % 8;
            expanded.extend(std::iter::repeat_n(' ', stop));
            column += stop;
        } else {
            expanded.push(char);
            column += 1;
        }
    }
    expanded
}

/// Controls (C0, DEL, C1), line and paragraph separators, and the format characters of Unicode that are invisible or
/// reorder text (category Cf, which std cannot name).
fn acts(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_written_out() {
        for (text, escaped) in [
            ("plain → text é 漢", "plain → text é 漢"),
            ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
            ("a\rb\nc\td\x07\x7f", "a\\rb\\nc\\td\\x07\\x7f"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("safe\u{202e}evil", "safe\\u{202e}evil"),
            ("zero\u{200b}width", "zero\\u{200b}width"),
        ] {
            assert_eq!(escape(text), escaped);
        }
    }

    #[test]
    fn lines_keep_their_shape() {
        let shown: Vec<_> = lines("if x\n\tthen\r\n\n  \ty\x1b]0;t\x07\n").collect();
        assert_eq!(shown, ["if x", "        then", "", "        y\\x1b]0;t\\x07"]);
    }
}
