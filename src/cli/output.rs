//! Owns the way to stdout and stderr: whether in colour, how wide, and what becomes of a reader that went away.

use std::borrow::Cow;
use std::io::{self, Write as _};

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};
use nixmig::report;

/// The width of text where there is no terminal, in columns, and the most that is used of a terminal.
const WIDEST: usize = 100;

/// The least that text can be drawn in.
const NARROWEST: usize = 40;

/// Writes to stdout, all at once; colours are stripped where they are not wanted.
///
/// # Errors
///
/// Fails where stdout cannot be written to. A reader that went away, as `head` does, is no error.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let text = match AutoStream::choice(&stdout) {
        ColorChoice::Never => Cow::Owned(strip_str(text).to_string()),
        _ => Cow::Borrowed(text),
    };
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes to stderr. Where that cannot be, nobody could be told.
pub(super) fn complain(text: &str) {
    let stderr = io::stderr().lock();
    let choice = AutoStream::choice(&stderr);
    let mut stderr = AutoStream::new(stderr, choice);
    drop(stderr.write_all(text.as_bytes()));
}

/// Turns colours off for all that is written from here on, clap's help included.
pub(super) fn without_colours() {
    ColorChoice::Never.write_global();
}

/// How a list is drawn.
pub(super) fn options() -> report::Options {
    report::Options {
        width: width(),
        scripts: false,
        chosen: false,
    }
}

/// How many columns a report may take: `COLUMNS`, else the terminal's.
pub(super) fn width() -> usize {
    let said = std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok());
    let seen = || {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        Some(usize::from(size.ws_col)).filter(|&columns| columns > 0)
    };
    said.or_else(seen).unwrap_or(WIDEST).clamp(NARROWEST, WIDEST)
}
