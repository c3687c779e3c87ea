//! Owns how a real text becomes one that nobody wrote: a few changes at random, of bytes, of words and of whole pieces.

use std::ops::Range;

/// The longest text that is made, in bytes.
const LONGEST: usize = 16 << 10;

/// How often a piece may be repeated in a row, at most: as deep as brackets are nested thereby.
const REPEATS: u32 = 11;

/// Bytes that mean something in one format or another.
const BYTES: &[u8] = b"\0\n\r\t \"\\'=[](){}<>;:,.#$@!?+-*/|&09aZ_\x7f\x80\xc3\xe2\xff";

/// Numbers that follow from a seed (SplitMix64).
pub(super) struct Random(u64);

impl Random {
    /// Those of one run: runs do not depend on each other.
    pub(super) fn of(seed: u64, run: u64) -> Self {
        let mut random = Self(seed);
        Self(random.next() ^ run.wrapping_mul(0xd134_2543_de82_ef95))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `bound`, or 0 where that is 0.
    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    fn pick<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.below(of.len())]
    }

    /// A length of any magnitude up to `2^bits`: short ones as likely as long ones.
    fn length(&mut self, bits: u32) -> usize {
        let most = 1 << self.below(bits as usize + 1);
        1 + self.below(most)
    }
}

/// What texts are made of.
pub(super) struct Mutator {
    /// Real texts, none of them empty.
    pub(super) texts: Vec<Vec<u8>>,
    /// Words of the format.
    pub(super) words: &'static [&'static str],
}

impl Mutator {
    /// Makes a text.
    pub(super) fn make(&self, random: &mut Random, text: &mut Vec<u8>) {
        text.clear();
        text.extend_from_slice(random.pick::<Vec<u8>>(&self.texts));
        // One change in half of all texts, two in a quarter of them.
        let changes = 1 + random.next().trailing_zeros().min(15);
        for _ in 0..changes {
            self.change(random, text);
            text.truncate(LONGEST);
        }
    }

    fn change(&self, random: &mut Random, text: &mut Vec<u8>) {
        let at = random.below(text.len() + 1);
        match random.below(14) {
            0 => {
                if let Some(byte) = text.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            1 => {
                if let Some(byte) = text.get_mut(at) {
                    *byte = *random.pick(BYTES);
                }
            }
            2 => replace(text, at..at, random.pick(self.words).as_bytes()),
            3 => replace(text, word(text, at), random.pick(self.words).as_bytes()),
            4 => replace(text, word(text, at), self.other(random, word)),
            5 => {
                let range = self.range(random, text);
                replace(text, range, b"");
            }
            6 => {
                let range = self.range(random, text);
                let copy = text[range].to_vec();
                replace(text, at..at, &copy);
            }
            7 => {
                let range = self.range(random, text);
                let other = random.pick(&self.texts);
                let piece = self.range(random, other);
                replace(text, range, &other[piece]);
            }
            8 => {
                let other = random.pick(&self.texts);
                let from = random.below(other.len());
                replace(text, at..text.len(), &other[from..]);
            }
            9 => text.truncate(at),
            10 => {
                let range = match random.below(2) {
                    0 => self.range(random, text),
                    _ => at..at,
                };
                let piece = match range.is_empty() {
                    true => random.pick(self.words).as_bytes(),
                    false => &text[range],
                };
                let times = random.length(REPEATS).min(LONGEST / piece.len().max(1));
                let piece = piece.repeat(times);
                replace(text, at..at, &piece);
            }
            11 => replace(text, line(text, at), self.other(random, line)),
            12 => replace(text, bracketed(text, at), self.other(random, bracketed)),
            _ => {
                let from = bracketed(text, at);
                let copy = text[from].to_vec();
                let at = random.below(text.len() + 1);
                replace(text, bracketed(text, at), &copy);
            }
        }
    }

    /// A piece of some text, of one kind.
    fn other(&self, random: &mut Random, kind: fn(&[u8], usize) -> Range<usize>) -> &[u8] {
        let other = random.pick(&self.texts);
        &other[kind(other, random.below(other.len()))]
    }

    /// A piece of a text, of any kind.
    fn range(&self, random: &mut Random, text: &[u8]) -> Range<usize> {
        let at = random.below(text.len() + 1);
        match random.below(4) {
            0 => word(text, at),
            1 => line(text, at),
            2 => bracketed(text, at),
            _ => at..text.len().min(at + random.length(10)),
        }
    }
}

fn replace(text: &mut Vec<u8>, range: Range<usize>, with: &[u8]) {
    text.splice(range, with.iter().copied());
}

/// The word around a byte, or the byte.
fn word(text: &[u8], at: usize) -> Range<usize> {
    let inside = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte) || !byte.is_ascii();
    let start = text[..at]
        .iter()
        .rposition(|byte| !inside(byte))
        .map_or(0, |before| before + 1);
    let end = text[at..]
        .iter()
        .position(|byte| !inside(byte))
        .map_or(text.len(), |length| at + length);
    match start == end {
        true => at..text.len().min(at + 1),
        false => start..end,
    }
}

/// The line around a byte, with its end.
fn line(text: &[u8], at: usize) -> Range<usize> {
    let is_end = |&byte: &u8| byte == b'\n';
    let start = text[..at].iter().rposition(is_end).map_or(0, |before| before + 1);
    let end = text[at..]
        .iter()
        .position(is_end)
        .map_or(text.len(), |length| at + length + 1);
    start..end
}

/// What the next bracket or quote after a byte encloses, with both; nothing where none is closed.
fn bracketed(text: &[u8], at: usize) -> Range<usize> {
    let Some(start) = text[at..].iter().position(|byte| b"([{\"".contains(byte)) else {
        return at..at;
    };
    let start = at + start;
    let mut depth = 0_usize;
    for (end, &byte) in text.iter().enumerate().skip(start + 1) {
        match (text[start], byte) {
            (b'"', b'"') => return start..end + 1,
            (b'"', _) => {}
            (_, b'(' | b'[' | b'{') => depth += 1,
            (_, b')' | b']' | b'}') if depth == 0 => return start..end + 1,
            (_, b')' | b']' | b'}') => depth -= 1,
            _ => {}
        }
    }
    at..at
}

#[test]
fn pieces_are_cut_where_they_end() {
    let text = b"a-1 = [ (x) ];\nb = \"c\"";
    let cut = |range: Range<usize>| std::str::from_utf8(&text[range]).unwrap();
    assert_eq!(cut(word(text, 1)), "a-1");
    assert_eq!(cut(word(text, 4)), "=");
    assert_eq!(cut(word(text, text.len())), "");
    assert_eq!(cut(line(text, 3)), "a-1 = [ (x) ];\n");
    assert_eq!(cut(line(text, text.len())), "b = \"c\"");
    assert_eq!(cut(bracketed(text, 0)), "[ (x) ]");
    assert_eq!(cut(bracketed(text, 7)), "(x)");
    assert_eq!(cut(bracketed(text, 12)), "\"c\"");
    assert_eq!(cut(bracketed(text, text.len())), "");
}

#[test]
fn texts_follow_from_seed_and_run() {
    let mutator = Mutator {
        texts: vec![b"[Unit]\nA=b\n".to_vec(), b"{ \"a\": [1, 2] }".to_vec()],
        words: &["X-", "["],
    };
    let made = |seed, run| {
        let mut text = Vec::new();
        mutator.make(&mut Random::of(seed, run), &mut text);
        assert!(text.len() <= LONGEST);
        text
    };
    let texts: std::collections::BTreeSet<_> = (0..1000).map(|run| made(1, run)).collect();
    assert!(texts.len() > 500, "{}", texts.len());
    assert_eq!(made(1, 7), made(1, 7));
    assert_ne!(
        (0..9).map(|run| made(1, run)).collect::<Vec<_>>(),
        (0..9).map(|run| made(2, run)).collect::<Vec<_>>()
    );
}
