//! Owns how text gets onto a page: colours, wrapping, hanging indents. The one place where text becomes output, so that
//! nothing gets there unescaped.

use std::fmt::{Display, Write as _};

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr as _;

use super::super::escape::{escape, lines};

/// What a piece of text is, which decides its colour.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Strong,
    Faint,
    Up,
    Down,
    Note,
    Warning,
    Refused,
}

impl Tone {
    fn style(self) -> Style {
        let colour = |colour: AnsiColor| colour.on_default().bold();
        match self {
            Self::Plain => Style::new(),
            Self::Strong => Style::new().bold(),
            Self::Faint => Style::new().dimmed(),
            Self::Up => colour(AnsiColor::Green),
            Self::Down => colour(AnsiColor::Magenta),
            Self::Note => colour(AnsiColor::Cyan),
            Self::Warning => colour(AnsiColor::Yellow),
            Self::Refused => colour(AnsiColor::Red),
        }
    }
}

/// A piece of a line. Lines break at its spaces only.
pub(super) struct Span {
    tone: Tone,
    text: String,
    whole: bool,
}

/// A piece of a line in a tone.
pub(super) fn span(tone: Tone, text: impl Display) -> Span {
    Span {
        tone,
        text: escape(&text.to_string()).into_owned(),
        whole: false,
    }
}

/// A piece of a line in no tone, at whose spaces no line breaks.
pub(super) fn whole(text: impl Display) -> Span {
    Span {
        whole: true,
        ..plain(text)
    }
}

/// A piece of a line in no tone.
pub(super) fn plain(text: impl Display) -> Span {
    span(Tone::Plain, text)
}

/// Text in the making.
pub(super) struct Page {
    width: usize,
    text: String,
}

impl Page {
    /// An empty page; nothing on it is wider than `width` columns that can be broken at a space.
    pub(super) fn new(width: usize) -> Self {
        Self {
            width,
            text: String::new(),
        }
    }

    /// What is on the page.
    pub(super) fn finish(self) -> String {
        self.text
    }

    /// An empty line, unless the page is empty or ends in one.
    pub(super) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// One line, continued `hang` columns in where it is too long.
    pub(super) fn line(&mut self, indent: usize, hang: usize, spans: &[Span]) {
        self.draw(self.width, indent, hang, spans);
    }

    /// One line, however long.
    pub(super) fn long_line(&mut self, indent: usize, spans: &[Span]) {
        self.draw(usize::MAX, indent, indent, spans);
    }

    fn draw(&mut self, limit: usize, indent: usize, hang: usize, spans: &[Span]) {
        let mut column = indent;
        let mut tone = Tone::Plain;
        let mut begun = false;
        let mut spaces = 0;
        self.pad(indent);
        let pieces = pieces(spans);
        for word in pieces.chunk_by(|_, next| !next.begins) {
            let mut word = word.iter().filter(|piece| !piece.text.is_empty()).peekable();
            let width: usize = word.clone().map(|piece| width(piece.text)).sum();
            if width == 0 {
                spaces += 1;
                continue;
            }
            if begun && column + spaces + width > limit {
                self.turn(&mut tone, Tone::Plain);
                self.text.push('\n');
                self.pad(hang);
                column = hang;
            } else {
                if word.peek().is_none_or(|piece| piece.tone != tone) {
                    self.turn(&mut tone, Tone::Plain);
                }
                self.pad(spaces);
                column += spaces;
            }
            for piece in word {
                self.turn(&mut tone, piece.tone);
                self.text.push_str(piece.text);
            }
            column += width;
            spaces = 1;
            begun = true;
        }
        self.turn(&mut tone, Tone::Plain);
        self.text.push('\n');
    }

    /// Switches from one tone to another.
    fn turn(&mut self, from: &mut Tone, to: Tone) {
        if *from != to {
            // Writing to a String cannot fail.
            let _ = write!(self.text, "{:#}{}", from.style(), to.style());
            *from = to;
        }
    }

    /// A text of several lines by somebody else, wrapped behind a lead: its lines begin where the lead ends, unless that is
    /// far in.
    pub(super) fn prose(&mut self, indent: usize, lead: Span, text: &str) {
        const WIDE: usize = 10;
        let hang = match lead.text.width() {
            wide if wide > WIDE => indent + 2,
            narrow => indent + narrow + 1,
        };
        let mut lead = Some(lead);
        for line in lines(text.trim_end()) {
            let inner = line.len() - line.trim_start().len();
            match lead.take() {
                Some(lead) => self.line(indent, hang, &[lead, plain(" "), plain(line.trim_start())]),
                None if line.is_empty() => self.text.push('\n'),
                None => self.line(hang + inner, hang + inner, &[plain(line.trim_start())]),
            }
        }
    }

    /// A text of several lines by somebody else, as it is, behind a bar.
    pub(super) fn verbatim(&mut self, indent: usize, text: &str) {
        let bar = Tone::Faint.style();
        for line in lines(text) {
            self.pad(indent);
            let space = if line.is_empty() { "" } else { " " };
            // Writing to a String cannot fail.
            let _ = writeln!(self.text, "{bar}│{bar:#}{space}{line}");
        }
    }

    fn pad(&mut self, columns: usize) {
        self.text.extend(std::iter::repeat_n(' ', columns));
    }
}

/// How many columns a text takes that has no control characters.
fn width(text: &str) -> usize {
    match text.is_ascii() {
        true => text.len(),
        false => text.width(),
    }
}

/// A piece of a word, or all of it.
struct Piece<'a> {
    tone: Tone,
    text: &'a str,
    /// Whether a word begins with it: a break between spans is none between words.
    begins: bool,
}

/// The words of a line, piece by piece. A second space in a row gives an empty word.
fn pieces(spans: &[Span]) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    for span in spans {
        let mut add = |begins, text| {
            pieces.push(Piece {
                tone: span.tone,
                text,
                begins,
            });
        };
        match span.whole {
            true => add(false, &*span.text),
            false => split(&span.text)
                .enumerate()
                .for_each(|(index, text)| add(index > 0, text)),
        }
    }
    pieces
}

/// Splits at spaces, but not between backticks: what stands there is to be copied. Where that is too long, or the backticks
/// do not pair, they are characters like others.
fn split(text: &str) -> impl Iterator<Item = &str> {
    const LONG: usize = 60;
    let parts = || text.split('`');
    let keeps = parts().count() % 2 == 1 && parts().skip(1).step_by(2).all(|text| text.len() <= LONG);
    let mut inside = false;
    text.split(move |char: char| {
        inside ^= keeps && char == '`';
        char == ' ' && !inside
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(width: usize, draw: impl FnOnce(&mut Page)) -> String {
        let mut page = Page::new(width);
        draw(&mut page);
        page.finish()
    }

    #[test]
    fn lines_break_at_spaces_and_hang() {
        let text = page(20, |page| {
            page.line(2, 4, &[plain("one two"), plain("three  four five six")]);
        });
        assert_eq!(text, "  one twothree  four\n    five six\n");
        let text = page(10, |page| {
            page.line(0, 2, &[plain("a-very-long-word and b")]);
        });
        assert_eq!(text, "a-very-long-word\n  and b\n");
    }

    #[test]
    fn what_is_to_be_copied_is_not_broken() {
        let draw = |text: &str| page(12, |page| page.line(0, 0, &[plain(text)]));
        assert_eq!(draw("now run `a b c` there"), "now run\n`a b c`\nthere\n");
        assert_eq!(draw("now ` run a b c there"), "now ` run a\nb c there\n");
    }

    #[test]
    fn prose_and_verbatim_are_escaped() {
        let text = page(24, |page| {
            page.prose(2, plain("warning"), "one two three four\n\n  indented \x1b[2J\n");
            page.verbatim(2, "echo \x1b]0;x\x07\n\n\texit\n");
        });
        assert_eq!(
            anstream::adapter::strip_str(&text).to_string(),
            "  warning one two three\n          four\n\n            indented\n            \\x1b[2J\n  │ echo \\x1b]0;x\\x07\n  │\n  │         exit\n"
        );
    }

    #[test]
    fn a_tone_is_switched_off_where_it_ends() {
        let text = page(80, |page| {
            page.line(0, 0, &[span(Tone::Refused, "no"), plain(": x")]);
        });
        assert_eq!(text, "\u{1b}[1m\u{1b}[31mno\u{1b}[0m: x\n");
    }
}
