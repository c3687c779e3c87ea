//! Owns the tables: how what is remembered is read from them. `rows` writes them; what an event means is in `fold`.

use std::fmt::Display;
use std::str::FromStr;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};

use super::RecordId;
use super::view::{Unmet, View};
use crate::model::{
    Applied, Backup, BackupBy, Block, Definition, Digest, Direction, How, OpenRun, Phase, Recorded, RunStep,
    ServiceName,
};

/// The tables of this format.
pub(super) const SCHEMA: &str = include_str!("schema.sql");

/// Why tables cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum TableError {
    /// SQLite says so.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// A row holds what this program would never write.
    #[error("{0}")]
    Row(String),
}

/// A word of a table.
fn word<T>(words: &[(T, &str)], text: &str) -> Result<T, TableError>
where
    T: Copy,
{
    let found = words.iter().find(|(_, word)| *word == text);
    let unknown = || TableError::Row(format!("`{text}` is no word of its tables"));
    found.map(|(value, _)| *value).ok_or_else(unknown)
}

fn how(text: &str) -> Result<How, TableError> {
    word(
        &[How::Ran, How::Assumed, How::Stamped].map(|how| (how, how.name())),
        text,
    )
}

fn direction(text: &str) -> Result<Direction, TableError> {
    word(
        &[Direction::Up, Direction::Down].map(|direction| (direction, direction.name())),
        text,
    )
}

fn backup(directory: Option<String>, by: Option<&str>) -> Result<Option<Backup>, TableError> {
    const WORDS: [(BackupBy, &str); 2] = [(BackupBy::Script, "script"), (BackupBy::Nixmig, "nixmig")];
    match (directory, by) {
        (Some(directory), Some(by)) => Ok(Some(Backup {
            directory,
            by: word(&WORDS, by)?,
        })),
        (None, None) => Ok(None),
        _ => Err(TableError::Row("half of a backup".to_owned())),
    }
}

/// The words of a backup: where it is, and whose.
pub(super) fn backup_words(backup: Option<&Backup>) -> (Option<&str>, Option<&'static str>) {
    let by = |backup: &Backup| match backup.by {
        BackupBy::Script => "script",
        BackupBy::Nixmig => "nixmig",
    };
    (backup.map(|backup| backup.directory.as_str()), backup.map(by))
}

fn parse<T: FromStr<Err: Display>>(text: &str) -> Result<T, TableError> {
    text.parse()
        .map_err(|error: T::Err| TableError::Row(error.to_string()))
}

fn parse_optional<T: FromStr<Err: Display>>(text: Option<String>) -> Result<Option<T>, TableError> {
    text.map(|text| parse(&text)).transpose()
}

/// Reads rows and has each put where it belongs.
fn each(
    connection: &Connection,
    sql: &str,
    mut put: impl FnMut(&Row<'_>) -> Result<(), TableError>,
) -> Result<(), TableError> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        put(row)?;
    }
    Ok(())
}

/// Reads all that is remembered.
pub(super) fn load(connection: &Connection) -> Result<View, TableError> {
    let id = connection
        .query_row("SELECT id FROM record", [], |row| row.get::<_, String>(0))
        .optional()?;
    let newest = connection
        .query_row("SELECT seq, at FROM event ORDER BY seq DESC LIMIT 1", [], |row| {
            Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?))
        })
        .optional()?;
    let (Some(id), Some((events, at))) = (id, newest) else {
        return Err(TableError::Row("it has no first event".to_owned()));
    };
    let mut view = View::new(parse(&id)?, parse::<Timestamp>(&at)?);
    view.events = events;
    load_services(connection, &mut view)?;
    load_runs(connection, &mut view)?;
    each(
        connection,
        "SELECT service, version, direction, digest FROM acknowledged",
        |row| {
            let digest: String = row.get(3)?;
            view.acknowledged.insert((
                parse(&row.get::<_, String>(0)?)?,
                parse(&row.get::<_, String>(1)?)?,
                direction(&row.get::<_, String>(2)?)?,
                parse_optional(Some(digest).filter(|digest| !digest.is_empty()))?,
            ));
            Ok(())
        },
    )?;
    Ok(view)
}

fn load_services(connection: &Connection, view: &mut View) -> Result<(), TableError> {
    each(
        connection,
        "SELECT service, unit, text, generation FROM definition",
        |row| {
            let definition = Definition {
                unit: row.get(1)?,
                text: row.get(2)?,
                generation: row.get(3)?,
            };
            let kept = view
                .definitions
                .entry(parse(&row.get::<_, String>(0)?)?)
                .or_default();
            kept.insert(definition.unit.clone(), definition);
            Ok(())
        },
    )?;
    each(
        connection,
        "SELECT service, known, lost, sequence, package, definition, held_for FROM service",
        |row| {
            let service: ServiceName = parse(&row.get::<_, String>(0)?)?;
            let sequence = row.get(3)?;
            if row.get(1)? {
                let unit: Option<String> = row.get(5)?;
                let recorded = Recorded {
                    sequence,
                    package: row.get(4)?,
                    definition: unit.and_then(|unit| view.definition(&service, &unit).cloned()),
                    held_for: row.get(6)?,
                    ..Recorded::default()
                };
                view.services.insert(service, recorded);
            } else {
                let unmet = Unmet {
                    sequence,
                    lost: row.get(2)?,
                    ..Unmet::default()
                };
                view.unmet.insert(service, unmet);
            }
            Ok(())
        },
    )?;
    each(connection, "SELECT service, unit FROM held", |row| {
        let service: ServiceName = parse(&row.get::<_, String>(0)?)?;
        let unit = parse(&row.get::<_, String>(1)?)?;
        match view.services.get_mut(&service) {
            Some(recorded) => recorded.held.insert(unit),
            None => unmet(view, &service)?.held.insert(unit),
        };
        Ok(())
    })?;
    each(
        connection,
        "SELECT service, what, path FROM directory ORDER BY service, what, position",
        |row| {
            let service: ServiceName = parse(&row.get::<_, String>(0)?)?;
            let path = row.get(2)?;
            let stamped = row.get::<_, String>(1)? == "stamped";
            match view.services.get_mut(&service) {
                Some(recorded) if stamped => recorded.stamped.push(path),
                None if stamped => unmet(view, &service)?.stamped.push(path),
                _ => unmet(view, &service)?.backups.push(path),
            }
            Ok(())
        },
    )
}

fn unmet<'a>(view: &'a mut View, service: &ServiceName) -> Result<&'a mut Unmet, TableError> {
    let missing = || TableError::Row(format!("rows of {service}, which it does not know"));
    view.unmet.get_mut(service).ok_or_else(missing)
}

fn known<'a>(view: &'a mut View, service: &str) -> Result<&'a mut Recorded, TableError> {
    let missing = || TableError::Row(format!("rows of {service}, which it does not know"));
    view.services
        .get_mut(&parse::<ServiceName>(service)?)
        .ok_or_else(missing)
}

fn load_runs(connection: &Connection, view: &mut View) -> Result<(), TableError> {
    each(
        connection,
        "SELECT service, run, generation, package FROM run",
        |row| {
            known(view, &row.get::<_, String>(0)?)?.open_run = Some(OpenRun {
                id: parse(&row.get::<_, String>(1)?)?,
                before: Vec::new(),
                generation: row.get(2)?,
                package: row.get(3)?,
                steps: Vec::new(),
            });
            Ok(())
        },
    )?;
    let no_run = || TableError::Row("steps of a run that is not open".to_owned());
    let applied = "SELECT service, moment, version, how FROM applied ORDER BY service, moment, position";
    each(connection, applied, |row| {
        let known = known(view, &row.get::<_, String>(0)?)?;
        let list = match row.get::<_, String>(1)?.as_str() {
            "now" => &mut known.applied,
            _ => &mut known.open_run.as_mut().ok_or_else(no_run)?.before,
        };
        list.push(Applied {
            version: parse(&row.get::<_, String>(2)?)?,
            how: how(&row.get::<_, String>(3)?)?,
        });
        Ok(())
    })?;
    let steps = "SELECT service, direction, version, swallowed, digest, unit, phase, begun, failed, backup, backup_by \
                 FROM step ORDER BY service, n";
    each(connection, steps, |row| {
        let known = known(view, &row.get::<_, String>(0)?)?;
        let swallowed: String = row.get(3)?;
        let swallowed = swallowed.split_ascii_whitespace().map(parse);
        known.open_run.as_mut().ok_or_else(no_run)?.steps.push(RunStep {
            direction: direction(&row.get::<_, String>(1)?)?,
            version: parse(&row.get::<_, String>(2)?)?,
            swallowed: swallowed.collect::<Result<_, _>>()?,
            digest: parse_optional(row.get(4)?)?,
            unit: row.get(5)?,
            phase: word(
                &Phase::ALL.map(|phase| (phase, phase.name())),
                &row.get::<_, String>(6)?,
            )?,
            begun: row.get(7)?,
            failed: row.get(8)?,
            backup: backup(row.get(9)?, row.get::<_, Option<String>>(10)?.as_deref())?,
        });
        Ok(())
    })?;
    let blocks = "SELECT service, restored, direction, version, digest, run, backup, backup_by FROM block";
    each(connection, blocks, |row| {
        let direction = direction(&row.get::<_, String>(2)?)?;
        let version = parse(&row.get::<_, String>(3)?)?;
        let run = parse(&row.get::<_, String>(5)?)?;
        let block = if row.get(1)? {
            Block::Restored {
                direction,
                version,
                digest: parse_optional::<Digest>(row.get(4)?)?,
                run,
            }
        } else {
            Block::Unrestored {
                direction,
                version,
                run,
                backup: backup(row.get(6)?, row.get::<_, Option<String>>(7)?.as_deref())?,
            }
        };
        known(view, &row.get::<_, String>(0)?)?.block = Some(block);
        Ok(())
    })
}

/// Writes the identity of the record, not sealed yet.
pub(super) fn store_id(connection: &Connection, id: &RecordId) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO record (only, id, seal) VALUES (1, ?1, x'')",
        [id.as_str()],
    )?;
    Ok(())
}
