//! Owns how texts become trees, on all processors, and what is said of a text that is not Nix.

use std::iter;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, PoisonError};
use std::thread;

use miette::SourceSpan;
use rnix::{ParseError, Root};

use super::depth::too_deep;
use super::error::{Fault, SourceError, Spot, TextError};
use super::syntax::{Entries, Scratch};
use super::text::SourceText;
use super::thread::spawn;

/// How many bytes of text are worth a thread of their own.
const SHARE: usize = 64 << 10;

/// Parses texts on all processors while they are handed in, up to the first that could not be read. The trees are in the order
/// of the texts; of several texts that are wrong the first is reported.
pub(super) fn parse_all(
    texts: impl Iterator<Item = Result<SourceText, SourceError>>,
) -> Result<Vec<(SourceText, Entries)>, SourceError> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let (sender, receiver) = mpsc::channel();
    let queue = Mutex::new(receiver);
    thread::scope(|scope| {
        // Ends the queue, and with it all threads, however this returns.
        let sender = sender;
        let mut threads = Vec::new();
        let mut bytes = 0;
        let mut parsed = Vec::new();
        for (n, text) in texts.enumerate() {
            let text = match text {
                Ok(text) => text,
                Err(error) => {
                    parsed.push((n, Err(error)));
                    break;
                }
            };
            bytes += text.text.len();
            // The queue outlives all that send to it.
            let _ = sender.send((n, text));
            if bytes > SHARE * (threads.len() + 1) && threads.len() + 1 < processors {
                threads.push(spawn(scope, || parse_each(&queue))?);
            }
        }
        drop(sender);
        parsed.extend(parse_each(&queue));
        for thread in threads {
            parsed.extend(thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        parsed.sort_unstable_by_key(|&(n, _)| n);
        parsed.into_iter().map(|(_, parsed)| parsed).collect()
    })
}

/// A text by its number, with its tree.
type Parsed = (usize, Result<(SourceText, Entries), SourceError>);

/// Parses what it gets of a queue, until that ends.
fn parse_each(queue: &Mutex<Receiver<(usize, SourceText)>>) -> Vec<Parsed> {
    let mut scratch = Scratch::default();
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok();
    let parsed = iter::from_fn(next).map(|(n, text)| {
        let tree = parse(&text, &mut scratch);
        (n, tree.map(|tree| (text, tree)))
    });
    parsed.collect()
}

/// The tree of a text.
pub(super) fn parse(source: &SourceText, scratch: &mut Scratch) -> Result<Entries, SourceError> {
    if let Some(offset) = too_deep(&source.text) {
        return Err(fault(source, Fault::Depth, offset..offset + 1, "from here on"));
    }
    let parse = Root::parse(&source.text);
    match parse.errors().first() {
        Some(error) => Err(syntax(source, error)),
        None => Ok(Entries::new(&parse, scratch)),
    }
}

fn fault(source: &SourceText, fault: Fault, range: std::ops::Range<usize>, label: &str) -> SourceError {
    let length = source.text.len();
    // What is shown begins and ends with a character.
    let boundary = |at: &usize| source.text.is_char_boundary(*at);
    let start = (0..=range.start.min(length)).rfind(boundary).unwrap_or(0);
    let end = (range.end.clamp(start, length)..=length)
        .find(boundary)
        .unwrap_or(length);
    let spot = Spot {
        // Files are far shorter than 4 GiB.
        at: source.location(start as u32),
        source: source.named(),
        span: SourceSpan::from(start..end),
    };
    TextError::new(fault, spot, label).into()
}

fn syntax(source: &SourceText, error: &ParseError) -> SourceError {
    let end = source.text.len()..source.text.len();
    let (message, range) = match error {
        ParseError::Unexpected(range) | ParseError::UnexpectedExtra(range) => {
            ("this does not belong here".to_owned(), (*range).into())
        }
        ParseError::UnexpectedWanted(_, range, _) => {
            ("this does not belong here".to_owned(), (*range).into())
        }
        ParseError::UnexpectedDoubleBind(range) => ("this name is bound twice".to_owned(), (*range).into()),
        ParseError::DuplicatedArgs(range, name) => {
            (format!("the argument `{name}` is there twice"), (*range).into())
        }
        ParseError::UnexpectedEOF | ParseError::UnexpectedEOFWanted(_) => {
            ("the text ends too early".to_owned(), end)
        }
        ParseError::RecursionLimitExceeded => {
            return fault(source, Fault::Depth, end, "the parser gave up in this text");
        }
        other => (other.to_string(), end),
    };
    fault(source, Fault::Syntax(message), range, "here")
}
