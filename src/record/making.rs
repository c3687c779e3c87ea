//! Owns making a database whole: all of it under another name first, and then at once under its own.

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::RecordError;
use super::database::connect;
use super::event::Event;
use super::fold;
use super::log;
use super::place::{JOURNAL, RECORD, StateDir, flush};
use super::rows;
use super::seal;
use super::tables::{self, TableError};
use super::view::View;

/// The format of the database: its `user_version`.
pub(super) const FORMAT: i64 = 1;

/// Whose database it is: its `application_id`, `nxmg` in ASCII.
pub(super) const APPLICATION: i64 = 0x6e78_6d67;

/// What stands in the log as the writer.
pub(super) const NIXMIG: &str = env!("CARGO_PKG_VERSION");

/// What a new database is called until it is whole.
const NEW: &str = "record.sqlite.new";

/// An event with when it was, and the nixmig that wrote it.
pub(super) type Entry = (Event, Timestamp, String);

/// Makes a record of these events, whole or not at all. Whoever else makes one at the same time may be first.
pub(super) fn make(dir: &StateDir, events: &[Entry]) -> Result<(), RecordError> {
    let _alone = dir.alone()?;
    match dir.file(RECORD)? {
        Some(_) => Ok(()),
        None => replace(dir, events),
    }
}

/// Puts a record of these events in the place of what is there. Nobody else may make one at the same time.
pub(super) fn replace(dir: &StateDir, events: &[Entry]) -> Result<(), RecordError> {
    for left in [NEW.to_owned(), format!("{NEW}-journal")] {
        remove(dir, &left)?;
    }
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, NEW, flags, Mode::from_raw_mode(0o600));
    drop(file.map_err(|error| dir.io("made", NEW, error))?);
    let path = dir.path.join(NEW);
    let sqlite = |error| RecordError::sqlite(&path, error);
    let mut connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(sqlite)?;
    fill(&mut connection, events).map_err(|error| RecordError::table(&path, error))?;
    connection.close().map_err(|(_, error)| sqlite(error))?;
    // SQLite would undo the new by the journal of the old.
    remove(dir, JOURNAL)?;
    flush(dir, &dir.path)?;
    rustix::fs::renameat(dir, NEW, dir, RECORD).map_err(|error| dir.io("named", NEW, error))?;
    flush(dir, &dir.path)
}

fn remove(dir: &StateDir, name: &str) -> Result<(), RecordError> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(dir.io("removed", name, error)),
    }
}

/// Fills an empty database.
fn fill(connection: &mut Connection, events: &[Entry]) -> Result<(), TableError> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(tables::SCHEMA)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    let mut view: Option<View> = None;
    for (event, at, nixmig) in events {
        match (&mut view, event) {
            (None, Event::Made { id }) => {
                tables::store_id(&transaction, id)?;
                log::add(&transaction, event, None, *at, nixmig)?;
                view = Some(View::new(id.clone(), *at));
            }
            (None, _) => return Err(TableError::Row("a record begins with its making".to_owned())),
            (Some(view), event) => {
                let service = fold::apply(view, event).map_err(|error| TableError::Row(error.to_string()))?;
                log::add(&transaction, event, service.as_ref(), *at, nixmig)?;
            }
        }
    }
    if let Some(view) = view {
        rows::store(&transaction, &View::new(view.id.clone(), view.last_event), &view)?;
    }
    seal::set(&transaction)?;
    Ok(transaction.commit()?)
}
