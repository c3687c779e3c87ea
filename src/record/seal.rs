//! Owns the seal: a digest of all tables and of how many events there are, which stands beside the record's id. By it, those who
//! only read know the tables whole without replaying a log that grows for ever; those who write hold them to the log as well.

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use sha2::{Digest as _, Sha256};

use super::tables::TableError;

/// All that a view is read from, each in the order of its key.
const SEALED: [&str; 11] = [
    "SELECT id FROM record",
    "SELECT max(seq) FROM event",
    "SELECT * FROM service ORDER BY service",
    "SELECT * FROM definition ORDER BY service, unit",
    "SELECT * FROM applied ORDER BY service, moment, position",
    "SELECT * FROM run ORDER BY service",
    "SELECT * FROM step ORDER BY service, n",
    "SELECT * FROM block ORDER BY service",
    "SELECT * FROM held ORDER BY service, unit",
    "SELECT * FROM directory ORDER BY service, what, position",
    "SELECT * FROM acknowledged ORDER BY service, version, direction, digest",
];

/// Seals what was written. To be called in the same transaction, as its last.
pub(super) fn set(connection: &Connection) -> Result<(), TableError> {
    connection.execute("UPDATE record SET seal = ?1", [of(connection)?.as_slice()])?;
    Ok(())
}

/// That nothing changed since.
pub(super) fn check(connection: &Connection) -> Result<(), TableError> {
    let seal: Vec<u8> = connection.query_row("SELECT seal FROM record", [], |row| row.get(0))?;
    match seal == of(connection)? {
        true => Ok(()),
        false => Err(TableError::Row("its tables are not what was written".to_owned())),
    }
}

fn of(connection: &Connection) -> Result<[u8; 32], TableError> {
    let mut digest = Sha256::new();
    for sql in SEALED {
        let mut statement = connection.prepare(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                add(&mut digest, row.get_ref(column)?);
            }
        }
        // No value begins with this: no row can pass into another table.
        digest.update([u8::MAX]);
    }
    Ok(digest.finalize().into())
}

/// Adds a value so that no two sequences of values are the same bytes.
fn add(digest: &mut Sha256, value: ValueRef<'_>) {
    let mut bytes = |kind: u8, bytes: &[u8]| {
        digest.update([kind]);
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    };
    match value {
        ValueRef::Null => bytes(0, &[]),
        ValueRef::Integer(number) => bytes(1, &number.to_be_bytes()),
        ValueRef::Real(number) => bytes(2, &number.to_be_bytes()),
        ValueRef::Text(text) => bytes(3, text),
        ValueRef::Blob(blob) => bytes(4, blob),
    }
}
