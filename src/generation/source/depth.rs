//! Owns the measure of how deeply a text is nested: parser, tree and reader use the stack by it, and must not overflow.

use rnix::SyntaxKind;

/// The stack that a reading runs on, in bytes: address space, of which only what is used becomes memory.
///
/// A byte of source needs less than 600 bytes of it in the parser, without optimisation (`[`; 180 with).
pub(super) const STACK: usize = 256 << 20;

/// Texts up to this length, in bytes, fit on the stack whatever is in them, several times over.
const SAFE: usize = 64 << 10;

/// How many bytes of a text may be without the `;` that ends most chains before they are counted.
const STRETCH: usize = 16 << 10;

/// The deepest brackets that are read. The parser itself gives up at 512 nested expressions.
const BRACKETS: usize = 500;

/// The deepest tree that is read: brackets and, within each, operators, arguments and prefixes in a row. Each node may be asked
/// for all that it is within, which takes time that grows with the square of the depth.
const NODES: usize = 5_000;

/// How long a run of bytes without a blank may be before what the tokenizer does with it is counted: at each token it looks
/// ahead to the end of the run.
const RUN: usize = 1024;

/// How many bytes may be looked ahead over for each byte of a text. In a list of attributes on lines of their own it is ten.
const LOOKS: usize = 64;

/// Where a text is nested too deeply, as the offset of the byte from which it is; none where it may be parsed.
///
/// A look at the bytes is enough for most texts. Those in strings and comments count for it too, so before a text is refused
/// it is taken apart by the parser's own rules.
pub(super) fn too_deep(text: &str) -> Option<usize> {
    if text.len() <= SAFE && is_shallow(text) {
        return None;
    }
    let mut at = 0;
    let mut levels = vec![Level::default()];
    let mut total = 0;
    let mut looked = 0;
    let mut run_end = 0;
    for (kind, token) in rnix::tokenize(text) {
        if at >= run_end {
            let run = text.as_bytes()[at..].iter().take_while(|&&byte| in_run(byte));
            run_end = at + run.count();
        }
        looked += run_end - at;
        if !kind.is_trivia() {
            total += step(kind, &mut levels);
            total = total.saturating_sub(settle(kind, &mut levels));
        }
        if levels.len() > BRACKETS + 1 || total > NODES || looked > LOOKS * (SAFE + text.len()) {
            return Some(at);
        }
        at += token.len();
    }
    None
}

/// A bracket that is open, or the text itself.
#[derive(Default)]
struct Level {
    // What may be nested within the bracket without a bracket of its own.
    chain: usize,
    // The elements of a list are not nested in each other, up to a function without brackets around it.
    flat: bool,
    closes: Option<SyntaxKind>,
}

/// Takes a token in; how much deeper it may lead.
fn step(kind: SyntaxKind, levels: &mut Vec<Level>) -> usize {
    use SyntaxKind::{
        TOKEN_COLON, TOKEN_INTERPOL_END, TOKEN_INTERPOL_START, TOKEN_L_BRACE, TOKEN_L_BRACK, TOKEN_L_PAREN,
        TOKEN_OR, TOKEN_R_BRACE, TOKEN_R_BRACK, TOKEN_R_PAREN,
    };
    let mut deeper = 0;
    if let Some(level) = levels.last_mut() {
        if level.flat && kind == TOKEN_COLON {
            level.flat = false;
        }
        if !level.flat || kind == TOKEN_OR {
            level.chain += 1;
            deeper = 1;
        }
    }
    let closes = match kind {
        TOKEN_L_BRACE => TOKEN_R_BRACE,
        TOKEN_L_BRACK => TOKEN_R_BRACK,
        TOKEN_L_PAREN => TOKEN_R_PAREN,
        TOKEN_INTERPOL_START => TOKEN_INTERPOL_END,
        _ => return deeper,
    };
    levels.push(Level {
        chain: 0,
        flat: kind == TOKEN_L_BRACK,
        closes: Some(closes),
    });
    deeper
}

/// How much of the depth a token ends.
fn settle(kind: SyntaxKind, levels: &mut Vec<Level>) -> usize {
    let Some(level) = levels.last_mut() else { return 0 };
    if matches!(kind, SyntaxKind::TOKEN_SEMICOLON | SyntaxKind::TOKEN_COMMA) {
        return std::mem::take(&mut level.chain);
    }
    if level.closes == Some(kind) {
        return levels.pop().map_or(0, |level| level.chain);
    }
    0
}

/// Whether nothing hints at brackets that are too deep, or at chains or runs of tokens that are too long.
fn is_shallow(text: &str) -> bool {
    let mut depth = 0_usize;
    let mut run = 0;
    let mut stretch = 0;
    for (at, &byte) in text.as_bytes().iter().enumerate() {
        if IN_RUN[byte as usize] {
            continue;
        }
        if at - run > RUN {
            return false;
        }
        run = at + 1;
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b';' if at - stretch > STRETCH => return false,
            b';' => stretch = at + 1,
            _ => {}
        }
        if depth > BRACKETS {
            return false;
        }
    }
    text.len() - run <= RUN && text.len() - stretch <= STRETCH
}

/// [`in_run`] of every byte.
const IN_RUN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = in_run(byte as u8);
        byte += 1;
    }
    table
};

/// Whether a byte may be in a path, with or without brackets, and so is looked ahead over.
const fn in_run(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'.' | b'+' | b'-' | b'<')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_measured_where_they_nest() {
        assert_eq!(too_deep(&format!("[ {} ]", "[ ] ".repeat(100_000))), None);
        assert_eq!(too_deep(&format!("[ {} ]", "a ".repeat(200_000))), None);
        assert_eq!(
            too_deep(&format!("{{ {} }}", "a = { b = c; }; ".repeat(50_000))),
            None
        );
        assert_eq!(too_deep(&format!("\"{}\"", "(".repeat(200_000))), None);
        assert_eq!(too_deep(&format!("# {}\n1", "(".repeat(1000))), None);
        for open in ["[", "(", "{ a = ", "\"${", "a: [", "[{a=["] {
            assert!(too_deep(&open.repeat(10_000)).is_some(), "{open}");
        }
    }

    #[test]
    fn long_texts_are_measured_by_their_chains() {
        for link in [
            "a // ",
            "!",
            "f ",
            "x: ",
            "a ++ ",
            "a.b or ",
            "- ",
            "if a then b else ",
        ] {
            assert!(too_deep(&link.repeat(20_000)).is_some(), "{link}");
        }
        assert!(too_deep(&format!("[ {}", "a.b or ".repeat(20_000))).is_some());
        assert!(too_deep(&"a.".repeat(20_000)).is_some());
        assert!(too_deep(&"<a".repeat(20_000)).is_some());
        // A word may be as long as it likes.
        assert_eq!(too_deep(&format!("./{}", "a-b/".repeat(100_000))), None);
        assert_eq!(too_deep(&format!("[ {} ]", "a.b.c.d.e\n".repeat(100_000))), None);
        assert_eq!(too_deep(&"let a = b ++ c; in ".repeat(400)), None);
    }
}
