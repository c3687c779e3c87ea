//! Owns the live line: the last one of a terminal, drawn over again while something is being done. On stderr.

use std::io::{self, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use unicode_width::UnicodeWidthChar as _;

/// How often the line moves while nothing happens.
const TICK: Duration = Duration::from_millis(100);

/// What stands in front of the line, in turns.
const SPINNER: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/// How many columns a line has where the terminal does not say.
const COLUMNS: usize = 80;

/// The live line of a terminal.
#[derive(Default)]
pub(super) struct Live {
    shared: Arc<Shared>,
    ticker: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    line: Mutex<Line>,
    ended: Condvar,
}

#[derive(Default)]
struct Line {
    /// What is being done; none where there is no line.
    doing: Option<String>,
    /// How far it is.
    far: String,
    turn: usize,
}

impl Live {
    /// Has the line say what is being done, and move until [`Self::end`].
    pub(super) fn doing(&mut self, what: String) {
        let mut line = self.shared.line();
        line.doing = Some(what);
        line.far.clear();
        line.draw();
        drop(line);
        if self.ticker.is_none() {
            let shared = Arc::clone(&self.shared);
            // A line that does not move is no reason not to go on.
            self.ticker = thread::Builder::new().spawn(move || shared.tick()).ok();
        }
    }

    /// Has the line say how far it is, when it moves next.
    pub(super) fn far(&self, far: String) {
        self.shared.line().far = far;
    }

    /// Prints something that stays, above the line.
    pub(super) fn above(&self, print: impl FnOnce()) {
        let line = self.shared.line();
        line.erase();
        print();
        line.draw();
    }

    /// Takes the line away.
    pub(super) fn end(&mut self) {
        let mut line = self.shared.line();
        line.erase();
        *line = Line::default();
        drop(line);
        self.shared.ended.notify_all();
        // The ticker cannot panic, and if it did, what runs is not to end with it.
        drop(self.ticker.take().map(JoinHandle::join));
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self) {
        let mut line = self.line();
        while line.doing.is_some() {
            line.turn += 1;
            line.draw();
            let waited = self.ended.wait_timeout(line, TICK);
            (line, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Line {
    fn draw(&self) {
        let columns = rustix::termios::tcgetwinsize(io::stderr()).map_or(0, |size| size.ws_col);
        let columns = match usize::from(columns) {
            0 => COLUMNS,
            columns => columns,
        };
        if let Some(text) = self.text(columns) {
            show(&format!("\r\x1b[2K{text}"));
        }
    }

    fn erase(&self) {
        if self.doing.is_some() {
            show("\r\x1b[2K");
        }
    }

    /// What stands there in so many columns, of which the last stays empty: a terminal may begin a new line after it.
    fn text(&self, columns: usize) -> Option<String> {
        let doing = self.doing.as_ref()?;
        let spinner = SPINNER[self.turn % SPINNER.len()];
        let far = match self.far.as_str() {
            "" => String::new(),
            far => format!(", {far}"),
        };
        let mut column = 0;
        let fits = |char: &char| {
            column += char.width().unwrap_or(0);
            column < columns
        };
        let text = format!("{spinner} {doing}{far}");
        Some(text.chars().take_while(fits).collect())
    }
}

/// Writes to the terminal. Where that cannot be, nobody could be told.
fn show(text: &str) {
    let mut stderr = io::stderr().lock();
    drop(stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_no_wider_than_its_terminal() {
        let mut line = Line::default();
        assert_eq!(line.text(80), None);
        line.doing = Some("db 1/2 up 2024-01-01: backup".to_owned());
        assert_eq!(line.text(80).as_deref(), Some("⠋ db 1/2 up 2024-01-01: backup"));
        line.far = "1.0 KiB of 2.0 KiB".to_owned();
        line.turn = 11;
        let whole = "⠙ db 1/2 up 2024-01-01: backup, 1.0 KiB of 2.0 KiB";
        assert_eq!(line.text(51).as_deref(), Some(whole));
        assert_eq!(line.text(50).as_deref(), Some(&whole[..whole.len() - 1]));
        assert_eq!(line.text(5).as_deref(), Some("⠙ db"));
        assert_eq!(line.text(1).as_deref(), Some(""));
    }

    #[test]
    fn a_line_ends_and_begins_again() {
        let mut live = Live::default();
        for _ in 0..2 {
            live.doing("x".to_owned());
            live.far("y".to_owned());
            assert!(live.shared.line().doing.is_some());
            live.end();
            assert!(live.ticker.is_none() && live.shared.line().doing.is_none());
        }
    }
}
