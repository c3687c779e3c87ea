//! Owns which reader reads a reference, and how two generations are read so that they can be compared: what one of them
//! gates is looked for in the other.

use std::path::{Path, PathBuf};
use std::thread;

use crate::model::{Generation, Kind, UnitState};

use super::closure::{self, ClosureError, PathError, root::Root};
use super::reference::{Closure, Reference};
use super::units;
use super::{PairError, ReadError, ReadOptions, Side, derivation, evaluation, source};

/// Reads one generation; `label` is what the user called it.
///
/// # Errors
///
/// Fails as the reader of its kind does.
pub fn read(reference: &Reference, label: &str, options: &ReadOptions) -> Result<Generation, ReadError> {
    Ok(match reference {
        Reference::Closure(reference) => closure::read(&root(options)?, reference, label, options)?,
        Reference::Derivation { file, inside } => {
            derivation::read(label, &resolve(file, options)?, inside, options)?
        }
        Reference::Evaluation(reference) => evaluation::read(reference, label, options)?,
        Reference::Source(reference) => source::read(reference, label, options)?,
    })
}

fn root(options: &ReadOptions) -> Result<Root, ReadError> {
    Ok(Root::new(&options.root).map_err(ClosureError::from)?)
}

/// Where a file below the root really is.
fn resolve(file: &Path, options: &ReadOptions) -> Result<PathBuf, ReadError> {
    let resolve = || -> Result<PathBuf, PathError> {
        let root = Root::new(&options.root)?;
        let place = root.locate(file)?;
        match root.resolve(&place) {
            // The reader says best what it misses.
            Err(PathError::Absent { .. }) => Ok(place),
            resolved => resolved,
        }
    };
    Ok(resolve().map_err(ClosureError::from)?)
}

/// Reads two generations, a reference and its label each.
///
/// Besides what [`read`] does, the units that one side's services gate are looked into on the other side, where that is a
/// closure or a derivation: at first contact their programs tell what the state is.
///
/// # Errors
///
/// Fails as the reader of the side's kind does.
pub fn read_pair(
    old: (&Reference, &str),
    new: (&Reference, &str),
    options: &ReadOptions,
) -> Result<(Generation, Generation), PairError> {
    let at = |side| {
        move |error| PairError {
            side: Some(side),
            error,
        }
    };
    if let (Reference::Evaluation(first), Reference::Evaluation(second)) = (old.0, new.0) {
        return read_two((first, old.1), (second, new.1), options);
    }
    let read_old = || read(old.0, old.1, options).map_err(at(Side::Old));
    let read_new = || read(new.0, new.1, options).map_err(at(Side::New));
    let (mut first, mut second) = match (old.0, new.0) {
        // What is read in a moment fails before an evaluation is waited for.
        (Reference::Evaluation(_), _) => {
            let second = read_new()?;
            (read_old()?, second)
        }
        (_, Reference::Evaluation(_)) => (read_old()?, read_new()?),
        // A thread costs more than it gains, and what was looked at for the one is known for the other.
        (Reference::Closure(first), Reference::Closure(second)) => {
            let root = root(options).map_err(at(Side::Old))?;
            let read = |closure, label, side| {
                let read = closure::read(&root, closure, label, options);
                read.map_err(ReadError::from).map_err(at(side))
            };
            (read(first, old.1, Side::Old)?, read(second, new.1, Side::New)?)
        }
        _ => thread::scope(|scope| {
            let second = scope.spawn(read_new);
            let first = read_old()?;
            match second.join() {
                Ok(second) => Ok((first, second?)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })?,
    };
    look_across(&mut first, old.0, &second, options).map_err(at(Side::Old))?;
    look_across(&mut second, new.0, &first, options).map_err(at(Side::New))?;
    Ok((first, second))
}

/// Reads the built system at a path, below the root where it is absolute; `label` is what it is called.
///
/// # Errors
///
/// Fails as [`read`] does.
pub fn read_closure(path: &Path, label: &str, options: &ReadOptions) -> Result<Generation, ReadError> {
    read(&Reference::Closure(Closure::at(path)), label, options)
}

/// Looks into the units that `other` gates and `side` has, where `side` was read from a closure and their programs were not
/// found yet; a side of another kind stays as it is.
///
/// # Errors
///
/// Fails where the closure is not any more as it was.
pub fn look_for(side: &mut Generation, other: &Generation, options: &ReadOptions) -> Result<(), ReadError> {
    match (side.kind, side.identity.clone()) {
        (Kind::Closure, Some(path)) => look_across(
            side,
            &Reference::Closure(Closure::at(Path::new(&path))),
            other,
            options,
        ),
        _ => Ok(()),
    }
}

fn read_two(
    old: (&evaluation::Evaluation, &str),
    new: (&evaluation::Evaluation, &str),
    options: &ReadOptions,
) -> Result<(Generation, Generation), PairError> {
    match evaluation::read_two(old, new, options) {
        Ok([first, second]) => Ok((first, second)),
        Err(error) => Err(PairError {
            side: match error.label() {
                Some(label) if label == old.1 && label != new.1 => Some(Side::Old),
                Some(label) if label == new.1 && label != old.1 => Some(Side::New),
                _ => None,
            },
            error: error.into(),
        }),
    }
}

/// Looks into the units that `other` gates and `side` has, where their programs were not found yet.
fn look_across(
    side: &mut Generation,
    reference: &Reference,
    other: &Generation,
    options: &ReadOptions,
) -> Result<(), ReadError> {
    let mut wanted = units::gated(other);
    wanted.retain(|unit, _| matches!(side.unit(unit), UnitState::Present(None)));
    if wanted.is_empty() {
        return Ok(());
    }
    match reference {
        Reference::Closure(reference) => closure::look_into(side, reference, &wanted, options)?,
        Reference::Derivation { file, inside } => {
            derivation::look_into(side, &resolve(file, options)?, inside, &wanted, options)?;
        }
        Reference::Evaluation(_) | Reference::Source(_) => {}
    }
    Ok(())
}
