//! Owns how texts become trees, on all processors, and what is said of a text that is not Nix.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread;

use miette::SourceSpan;
use rnix::{ParseError, Root};

use super::depth::{STACK, too_deep};
use super::error::{Fault, SourceError, Spot, TextError};
use super::syntax::Entries;
use super::text::SourceText;

/// How many bytes of text are worth a thread of their own.
const SHARE: usize = 64 << 10;

/// The trees of several texts, in the order of these. Of several texts that are wrong the first is reported.
pub(super) fn parse_all(texts: &[SourceText]) -> Result<Vec<Entries>, SourceError> {
    let bytes: usize = texts.iter().map(|source| source.text.len()).sum();
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let stretch = texts.len().div_ceil(processors.min(1 + bytes / SHARE)).max(1);
    let parse_each = |texts: &[SourceText]| texts.iter().map(parse).collect::<Result<Vec<_>, _>>();
    thread::scope(|scope| {
        let mut stretches = texts.chunks(stretch);
        let own = stretches.next().unwrap_or_default();
        let others = stretches.map(|stretch| {
            let thread = thread::Builder::new().stack_size(STACK);
            thread.spawn_scoped(scope, move || parse_each(stretch))
        });
        let others = others
            .collect::<Result<Vec<_>, _>>()
            .map_err(SourceError::Thread)?;
        let mut trees = parse_each(own)?;
        for thread in others {
            trees.extend(thread.join().unwrap_or_else(|panic| resume_unwind(panic))?);
        }
        Ok(trees)
    })
}

/// The tree of a text.
pub(super) fn parse(source: &SourceText) -> Result<Entries, SourceError> {
    if let Some(offset) = too_deep(&source.text) {
        return Err(fault(source, Fault::Depth, offset..offset + 1, "from here on"));
    }
    let parse = Root::parse(&source.text);
    match parse.errors().first() {
        Some(error) => Err(syntax(source, error)),
        None => Ok(Entries::new(&parse)),
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
