//! Owns the database: making it, opening it for reading without leaving a trace, appending to it durably.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use rustix::fs::{AtFlags, Mode, OFlags, Stat};

use super::RecordId;
use super::copy::copy;
use super::event::Event;
use super::fold;
use super::log::{self, Filter, Logged};
use super::making::{self, APPLICATION, FORMAT, NIXMIG};
use super::place::{JOURNAL, RECORD, StateDir};
use super::rows;
use super::seal;
use super::tables::{self, TableError};
use super::view::View;
use super::{Place, RecordError, handover, random};
use crate::model::RunId;

/// How long another process may write before this one gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Says what is remembered, without making or changing anything; none where there is no record. The log is not read: this takes
/// as long for an old record as for a young one.
///
/// # Errors
///
/// Fails where what is there cannot be read or trusted.
pub fn look(place: &Place) -> Result<Option<View>, RecordError> {
    look_at(place, sealed)
}

/// The same, where the whole log says so too.
///
/// # Errors
///
/// Fails where what is there cannot be read or trusted, and where any of the log cannot.
pub(super) fn verify(place: &Place) -> Result<Option<View>, RecordError> {
    look_at(place, verified)
}

fn look_at(
    place: &Place,
    load: impl Fn(&Connection) -> Result<View, TableError>,
) -> Result<Option<View>, RecordError> {
    let read = read(place, load)?;
    Ok(read.map(|(mut view, note)| {
        view.notes.extend(note);
        view
    }))
}

/// What is remembered, if the tables are what was written.
fn sealed(connection: &Connection) -> Result<View, TableError> {
    let view = tables::load(connection)?;
    seal::check(connection)?;
    Ok(view)
}

/// What is remembered, if besides the whole database is sound and the events say the same as the tables.
fn verified(connection: &Connection) -> Result<View, TableError> {
    sound(connection)?;
    let view = sealed(connection)?;
    match log::replay(connection)? == view {
        true => Ok(view),
        false => Err(TableError::Row(
            "its tables are not what its events come to".to_owned(),
        )),
    }
}

/// The events that happened, oldest first; none at all where there is no record. Makes and changes nothing.
///
/// # Errors
///
/// Fails where what is there cannot be read or trusted.
pub fn history(place: &Place, filter: &Filter) -> Result<Vec<Logged>, RecordError> {
    let read = read(place, |connection| {
        sound(connection)?;
        log::filtered(connection, filter)
    })?;
    Ok(read.map(|(events, _)| events).unwrap_or_default())
}

/// Reads from the database, or from a copy of it where a writer died; says so then.
fn read<T>(
    place: &Place,
    of: impl Fn(&Connection) -> Result<T, TableError>,
) -> Result<Option<(T, Option<String>)>, RecordError> {
    let Some(dir) = StateDir::look(&place.state_dir)? else {
        return Ok(None);
    };
    let path = dir.path.join(RECORD);
    let Some(stat) = dir.file(RECORD)? else {
        return Ok(None);
    };
    readable(&dir, &stat)?;
    match read_at(place, &path, OpenFlags::SQLITE_OPEN_READ_ONLY, &of) {
        Err(Reading::HotJournal) => {}
        Err(Reading::Error(error)) => return Err(error),
        Ok(value) => return Ok(Some((value, None))),
    }
    let copy = copy(&dir)?;
    let read = read_at(place, &copy.record(), OpenFlags::SQLITE_OPEN_READ_WRITE, &of);
    match read {
        Ok(value) => {
            let note = "The last nixmig that wrote to the record was cut off; what it had not finished writing is left out.";
            Ok(Some((value, Some(note.to_owned()))))
        }
        // What is wrong with the copy is wrong with the original.
        Err(Reading::Error(RecordError::Corrupt { why, .. })) => Err(RecordError::Corrupt { path, why }),
        Err(Reading::Error(error)) => Err(error),
        Err(Reading::HotJournal) => Err(RecordError::Busy(path)),
    }
}

/// Why nothing was read.
enum Reading {
    /// A writer died in the middle, and only a writer may clean up.
    HotJournal,
    Error(RecordError),
}

fn read_at<T>(
    place: &Place,
    path: &Path,
    flags: OpenFlags,
    of: impl Fn(&Connection) -> Result<T, TableError>,
) -> Result<T, Reading> {
    let error = |error: TableError| match error {
        TableError::Sqlite(rusqlite::Error::SqliteFailure(failure, _))
            if failure.extended_code == rusqlite::ffi::SQLITE_READONLY_ROLLBACK =>
        {
            Reading::HotJournal
        }
        error => Reading::Error(RecordError::table(path, error)),
    };
    let connection = connect(path, flags).map_err(|sqlite| error(sqlite.into()))?;
    // One transaction, so that all is of one moment.
    connection
        .execute_batch("BEGIN")
        .map_err(|sqlite| error(sqlite.into()))?;
    check(place, &connection, path).map_err(|wrong| match wrong {
        Wrong::Table(wrong) => error(wrong),
        Wrong::Record(wrong) => Reading::Error(wrong),
    })?;
    of(&connection).map_err(error)
}

/// Whether SQLite will find a file that it can read without leaving anything behind.
fn readable(dir: &StateDir, stat: &Stat) -> Result<(), RecordError> {
    let corrupt = |why: &str| RecordError::Corrupt {
        path: dir.path.join(RECORD),
        why: why.to_owned(),
    };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = rustix::fs::openat(dir, RECORD, flags, Mode::empty())
        .map_err(|error| dir.io("opened", RECORD, error))?;
    let mut header = [0; 20];
    let size = rustix::io::pread(&file, &mut header, 0).map_err(|error| dir.io("read", RECORD, error))?;
    match size {
        0 => Err(corrupt("it is empty")),
        20 if header.starts_with(b"SQLite format 3\0") && stat.st_size >= 512 => match header[18..] {
            [1, 1] => Ok(()),
            // Even to read it, SQLite would make files beside it.
            _ => Err(corrupt(
                "something other than nixmig gave it another kind of journal",
            )),
        },
        _ => Err(corrupt("it is no database")),
    }
}

/// Opens a connection with the settings that every one has.
pub(super) fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    let synchronous = if crate::fault::flushes() { "EXTRA" } else { "OFF" };
    for (name, value) in [
        ("trusted_schema", "OFF"),
        ("cell_size_check", "ON"),
        ("foreign_keys", "ON"),
        ("synchronous", synchronous),
    ] {
        connection.pragma_update(None, name, value)?;
    }
    Ok(connection)
}

/// What is wrong with a database.
enum Wrong {
    Table(TableError),
    Record(RecordError),
}

impl From<rusqlite::Error> for Wrong {
    fn from(error: rusqlite::Error) -> Self {
        Self::Table(error.into())
    }
}

/// That it is nixmig's, of a format that is known, and as long as it should be. To be asked within a transaction.
fn check(place: &Place, connection: &Connection, path: &Path) -> Result<(), Wrong> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    if number("application_id")? != APPLICATION {
        return Err(Wrong::Record(RecordError::Foreign(path.to_owned())));
    }
    let format = number("user_version")?;
    if format > FORMAT {
        return Err(Wrong::Record(RecordError::Newer {
            path: path.to_owned(),
            format,
            known: FORMAT,
            program: handover::kept(place),
        }));
    }
    // SQLite takes what is missing of the last page for zeros.
    let size = number("page_count")?.checked_mul(number("page_size")?);
    let is = fs::metadata(path).map_err(|error| Wrong::Record(RecordError::io("read", path, error)))?;
    if size.and_then(|size| u64::try_from(size).ok()) != Some(is.len()) {
        return Err(Wrong::Table(TableError::Row(
            "it is not as long as it should be".to_owned(),
        )));
    }
    match format {
        FORMAT => Ok(()),
        _ => Err(Wrong::Table(TableError::Row(format!(
            "there is no format {format}"
        )))),
    }
}

/// That every page of a database is what it should be, of the log too.
fn sound(connection: &Connection) -> Result<(), TableError> {
    let found: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
    match found.as_str() {
        "ok" => Ok(()),
        _ => Err(TableError::Row(found)),
    }
}

/// What was remembered when it was last looked at, and the change by others that it was after. None where that may not be what is
/// on disk.
type Seen = RefCell<Option<(i64, Arc<View>)>>;

/// The record, open for writing.
#[derive(Debug)]
pub struct Record {
    dir: StateDir,
    connection: Connection,
    path: PathBuf,
    /// What is to be written with what is appended next, and when it was.
    noted: Vec<(Event, Timestamp)>,
    seen: Seen,
}

impl Record {
    /// Opens the record, and makes it where there is none, with all that it needs. A writer that died is cleaned up after. The
    /// tables are held to the whole log, page by page.
    ///
    /// # Errors
    ///
    /// Fails where what is there cannot be trusted, and where nothing can be made or written.
    pub fn open(place: &Place) -> Result<Self, RecordError> {
        Self::opened(place, verified)
    }

    /// Opens the record in the middle of a run, which whoever began it held to its log: the tables' seal is enough, and the log,
    /// which every step makes longer, is not read.
    ///
    /// # Errors
    ///
    /// Fails as [`open`](Self::open) does.
    pub fn open_again(place: &Place) -> Result<Self, RecordError> {
        Self::opened(place, sealed)
    }

    fn opened(place: &Place, load: fn(&Connection) -> Result<View, TableError>) -> Result<Self, RecordError> {
        let dir = StateDir::make(&place.state_dir)?;
        let stat = match dir.file(RECORD)? {
            Some(stat) => stat,
            None => {
                let id = random().map_err(|error| dir.io("made", RECORD, error))?;
                let id = RecordId::from_bytes(id);
                making::make(&dir, &[(Event::Made { id }, Timestamp::now(), NIXMIG.to_owned())])?;
                let missing = || RecordError::Absent(dir.path.join(RECORD));
                dir.file(RECORD)?.ok_or_else(missing)?
            }
        };
        readable(&dir, &stat)?;
        if stat.st_mode & 0o077 != 0 {
            rustix::fs::chmodat(&dir, RECORD, Mode::from_raw_mode(0o600), AtFlags::empty())
                .map_err(|error| dir.io("closed to others", RECORD, error))?;
        }
        let path = dir.path.join(RECORD);
        let sqlite = |error| RecordError::sqlite(&path, error);
        let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(sqlite)?;
        // A journal that stays has its header taken back: no directory changes, and its flushes are of a few pages alone.
        connection
            .pragma_update(None, "journal_mode", "PERSIST")
            .map_err(sqlite)?;
        connection.execute_batch("BEGIN").map_err(sqlite)?;
        check(place, &connection, &path).map_err(|wrong| match wrong {
            Wrong::Table(error) => RecordError::table(&path, error),
            Wrong::Record(error) => error,
        })?;
        let view = load(&connection).map_err(|error| RecordError::table(&path, error))?;
        let seen = (change(&connection).map_err(sqlite)?, Arc::new(view));
        connection.execute_batch("COMMIT").map_err(sqlite)?;
        Ok(Self {
            dir,
            connection,
            path,
            noted: Vec::new(),
            seen: RefCell::new(Some(seen)),
        })
    }

    /// What is remembered.
    ///
    /// # Errors
    ///
    /// Fails where the tables cannot be read.
    pub fn view(&self) -> Result<Arc<View>, RecordError> {
        self.connection
            .execute_batch("BEGIN")
            .map_err(|error| RecordError::sqlite(&self.path, error))?;
        let view = current(&self.connection, &self.seen);
        let view = view.map_err(|error| RecordError::table(&self.path, error));
        let ended = self.connection.execute_batch("COMMIT");
        let (_, view) = view?;
        ended.map_err(|error| RecordError::sqlite(&self.path, error))?;
        Ok(view)
    }

    /// What happened in a run, oldest first.
    ///
    /// # Errors
    ///
    /// Fails where the log cannot be read.
    pub fn of_run(&self, run: &RunId) -> Result<Vec<Event>, RecordError> {
        log::of_run(&self.connection, run).map_err(|error| RecordError::table(&self.path, error))
    }

    /// Remembers an event that changes nothing, once anything else is: it is told in the log with its own time, and lost if
    /// this process ends before. Nothing may be decided by it alone.
    pub fn note(&mut self, event: Event) {
        self.noted.push((event, Timestamp::now()));
    }

    /// Remembers that something happened, and what was noted before: all of it or, after an error, nothing. It is on disk when
    /// this returns.
    ///
    /// # Errors
    ///
    /// Fails where an event makes no sense after those before it, and where the database cannot be written.
    pub fn append(&mut self, events: &[Event]) -> Result<(), RecordError> {
        if events.is_empty() && self.noted.is_empty() {
            return Ok(());
        }
        let path = self.path.clone();
        let sqlite = |error| RecordError::sqlite(&path, error);
        let table = |error| RecordError::table(&path, error);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(sqlite)?;
        let (change, before) = current(&transaction, &self.seen).map_err(table)?;
        // Whatever fails from here on, it is read again.
        self.seen.take();
        // SQLite would flush the directory with every commit, since it does not know that its journal stays.
        self.dir.keep(JOURNAL)?;
        let mut view = (*before).clone();
        let add = |view: &mut View, event, service: Option<_>, at| {
            view.events += 1;
            view.last_event = at;
            log::add(&transaction, event, service.as_ref(), at, NIXMIG).map_err(table)
        };
        for (event, at) in &self.noted {
            // One that makes no sense any more must not keep others from being remembered.
            if let Ok(service) = fold::apply(&mut view, event) {
                add(&mut view, event, service, *at)?;
            }
        }
        let at = Timestamp::now();
        for event in events {
            let service = fold::apply(&mut view, event)?;
            add(&mut view, event, service, at)?;
        }
        rows::store(&transaction, &before, &view).map_err(sqlite)?;
        seal::set(&transaction).map_err(table)?;
        crate::fault::point("record-written").map_err(|error| RecordError::io("written", &path, error))?;
        transaction.commit().map_err(sqlite)?;
        self.noted.clear();
        // SQLite does not count one's own changes.
        self.seen = RefCell::new(Some((change, Arc::new(view))));
        Ok(())
    }
}

/// What is remembered, read anew where others wrote since it was seen. To be asked within a transaction.
fn current(connection: &Connection, seen: &Seen) -> Result<(i64, Arc<View>), TableError> {
    let change = change(connection)?;
    let mut seen = seen.borrow_mut();
    match &*seen {
        Some((after, view)) if *after == change => {
            debug_assert_eq!(**view, tables::load(connection)?);
            Ok((change, Arc::clone(view)))
        }
        _ => Ok(seen.insert((change, Arc::new(tables::load(connection)?))).clone()),
    }
}

/// A number that is another one after others wrote (`PRAGMA data_version`).
fn change(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "data_version", |row| row.get(0))
}
