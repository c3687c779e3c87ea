//! Owns the way from words to generations, for every command that takes references.

use std::collections::BTreeSet;
use std::ffi::OsStr;

use nixmig::generation::reference::Closure;
use nixmig::generation::{self, PairError, ReadError, ReadOptions, Reference, Side};
use nixmig::model::{Generation, ServiceName};

use super::args::{Read, Report};
use super::diagnostic::Failure;

/// A generation as it was named, understood.
struct Named {
    reference: Reference,
    label: String,
}

/// Reads the generation that a word names, or the whole of `--file` where there is no word.
///
/// # Errors
///
/// Fails where the word names none, or it cannot be read.
pub(super) fn one(args: &Read, word: Option<&OsStr>, options: &ReadOptions) -> Result<Generation, Failure> {
    let Named { reference, label } = understand(args, word, options, "")?;
    generation::read(&reference, &label, options).map_err(|error| failure("", &label, error))
}

/// Reads two generations; see [`one`].
///
/// # Errors
///
/// Fails where either cannot be read, and says which.
pub(super) fn two(
    args: &Read,
    old: &OsStr,
    new: Option<&OsStr>,
    options: &ReadOptions,
) -> Result<(Generation, Generation), Failure> {
    let old = understand(args, Some(old), options, Side::Old.name())?;
    let new = understand(args, new, options, Side::New.name())?;
    generation::read_pair(
        (&old.reference, &old.label),
        (&new.reference, &new.label),
        options,
    )
    .map_err(|PairError { side, error }| match side {
        Some(Side::Old) => failure(Side::Old.name(), &old.label, error),
        Some(Side::New) => failure(Side::New.name(), &new.label, error),
        None => Failure::Read {
            subject: format!("the generations, `{}` and `{}`,", old.label, new.label),
            error: Box::new(error),
        },
    })
}

/// `side` is the word for one of two, or empty.
fn understand(
    args: &Read,
    word: Option<&OsStr>,
    options: &ReadOptions,
    side: &str,
) -> Result<Named, Failure> {
    let file = args.file.as_deref();
    match (word, file) {
        (None, Some(file)) => Ok(Named {
            reference: Reference::whole_file(file),
            label: file.display().to_string(),
        }),
        (word, file) => {
            let word = word.unwrap_or_default();
            let label = word.display().to_string();
            match generation::understand(word, file, options) {
                Ok(reference) => Ok(Named { reference, label }),
                Err(error) => Err(failure(side, &label, error)),
            }
        }
    }
}

fn failure(side: &str, label: &str, error: ReadError) -> Failure {
    let side = if side.is_empty() { "" } else { &format!("{side} ") };
    Failure::Read {
        subject: format!("the {side}generation, `{label}`,"),
        error: Box::new(error),
    }
}

/// The built generation that a word names: only that can be migrated to.
///
/// # Errors
///
/// Fails where the word names none, or one that is not built.
pub(super) fn built(word: &OsStr, options: &ReadOptions) -> Result<Closure, Failure> {
    let label = word.display().to_string();
    match generation::understand(word, None, options) {
        Ok(Reference::Closure(closure)) => Ok(closure),
        Ok(_) => Err(Failure::NotBuilt(label)),
        Err(error) => Err(failure("", &label, error)),
    }
}

/// Reads the generation of a reference that was understood.
///
/// # Errors
///
/// Fails where it cannot be read.
pub(super) fn known(
    reference: &Reference,
    word: &OsStr,
    options: &ReadOptions,
) -> Result<Generation, Failure> {
    let label = word.display().to_string();
    generation::read(reference, &label, options).map_err(|error| failure("", &label, error))
}

/// The services that `--service` names; none where all are wanted.
///
/// # Errors
///
/// Fails where one is not there.
pub(super) fn chosen(
    report: &Report,
    there: impl FnOnce() -> BTreeSet<ServiceName>,
) -> Result<Option<BTreeSet<ServiceName>>, Failure> {
    match report.services.is_empty() {
        true => Ok(None),
        false => among(&report.services, there()),
    }
}

/// Services that were named, as a choice.
///
/// # Errors
///
/// Fails where one is not there.
pub(super) fn among(
    named: &[ServiceName],
    there: BTreeSet<ServiceName>,
) -> Result<Option<BTreeSet<ServiceName>>, Failure> {
    match named.iter().find(|name| !there.contains(*name)) {
        Some(name) => Err(Failure::UnknownService {
            name: name.clone(),
            there: there.into_iter().collect(),
        }),
        None => Ok(Some(named.iter().cloned().collect())),
    }
}
