//! Owns in which rows what is remembered stands, and brings the tables from one view to the next: rows that stay as they are are
//! not written. `tables` reads them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Statement, params_from_iter};

use super::tables::backup_words;
use super::view::View;
use crate::model::{Applied, Block, Recorded, RunStep, ServiceName};

/// A table of the schema, in the order in which rows are written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Table {
    Service,
    Definition,
    Applied,
    Run,
    Step,
    Block,
    Held,
    Directory,
    Acknowledged,
}

impl Table {
    fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Definition => "definition",
            Self::Applied => "applied",
            Self::Run => "run",
            Self::Step => "step",
            Self::Block => "block",
            Self::Held => "held",
            Self::Directory => "directory",
            Self::Acknowledged => "acknowledged",
        }
    }

    /// Its columns, those of its key first.
    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Service => &[
                "service",
                "known",
                "lost",
                "sequence",
                "package",
                "definition",
                "held_for",
            ],
            Self::Definition => &["service", "unit", "text", "generation"],
            Self::Applied => &["service", "moment", "position", "version", "how"],
            Self::Run => &["service", "run", "generation", "package"],
            Self::Step => &[
                "service",
                "n",
                "direction",
                "version",
                "swallowed",
                "digest",
                "unit",
                "phase",
                "begun",
                "failed",
                "backup",
                "backup_by",
            ],
            Self::Block => &[
                "service",
                "restored",
                "direction",
                "version",
                "digest",
                "run",
                "backup",
                "backup_by",
            ],
            Self::Held => &["service", "unit"],
            Self::Directory => &["service", "what", "position", "path"],
            Self::Acknowledged => &["service", "version", "direction", "digest"],
        }
    }

    /// How many columns its key has.
    fn key(self) -> usize {
        match self {
            Self::Service | Self::Run | Self::Block => 1,
            Self::Definition | Self::Step | Self::Held => 2,
            Self::Applied | Self::Directory => 3,
            Self::Acknowledged => 4,
        }
    }
}

/// A value of a row.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Cell<'a> {
    Null,
    Number(u64),
    Text(Cow<'a, str>),
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Null => Ok(ToSqlOutput::Owned(Value::Null)),
            Self::Number(number) => number.to_sql(),
            Self::Text(text) => Ok(ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes()))),
        }
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Cell<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<u64> for Cell<'_> {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Cell<'_> {
    fn from(is: bool) -> Self {
        Self::Number(u64::from(is))
    }
}

impl<'a, T: Into<Self>> From<Option<T>> for Cell<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row: its table, and a value for each of its columns.
type Row<'a> = (Table, Vec<Cell<'a>>);

/// Brings the tables from what was remembered to what is now.
pub(super) fn store(connection: &Connection, before: &View, now: &View) -> rusqlite::Result<()> {
    let changed = changed(before, now);
    let rows = |view, other| -> BTreeSet<_> {
        let rows = changed.iter().flat_map(|service| rows(view, other, service));
        rows.collect()
    };
    let (was, is) = (rows(before, now), rows(now, before));
    remove(connection, was.difference(&is))?;
    insert(connection, is.difference(&was))
}

fn remove<'r>(connection: &Connection, rows: impl Iterator<Item = &'r Row<'r>>) -> rusqlite::Result<()> {
    let sql = |table: Table| {
        let key = &table.columns()[..table.key()];
        let is: Vec<_> = key.iter().map(|column| format!("{column} = ?")).collect();
        format!("DELETE FROM {} WHERE {}", table.name(), is.join(" AND "))
    };
    execute(
        connection,
        rows.map(|(table, cells)| (*table, &cells[..table.key()])),
        sql,
    )
}

fn insert<'r>(connection: &Connection, rows: impl Iterator<Item = &'r Row<'r>>) -> rusqlite::Result<()> {
    let sql = |table: Table| {
        let columns = table.columns();
        let places = vec!["?"; columns.len()].join(", ");
        format!(
            "INSERT INTO {} ({}) VALUES ({places})",
            table.name(),
            columns.join(", ")
        )
    };
    execute(
        connection,
        rows.map(|(table, cells)| (*table, cells.as_slice())),
        sql,
    )
}

/// Executes a statement of its table for each row; the rows of a table stand together.
fn execute<'r>(
    connection: &Connection,
    rows: impl Iterator<Item = (Table, &'r [Cell<'r>])>,
    sql: impl Fn(Table) -> String,
) -> rusqlite::Result<()> {
    let mut prepared: Option<(Table, Statement<'_>)> = None;
    for (table, cells) in rows {
        let statement = match prepared.take() {
            Some((of, statement)) if of == table => statement,
            _ => connection.prepare(&sql(table))?,
        };
        let (_, statement) = prepared.insert((table, statement));
        statement.execute(params_from_iter(cells))?;
    }
    Ok(())
}

/// The services of which something else is remembered than before.
fn changed<'v>(before: &'v View, now: &'v View) -> BTreeSet<&'v ServiceName> {
    let services = |view: &'v View| {
        let accepted = view.acknowledged.iter().map(|(service, ..)| service);
        let known = view.services.keys().chain(view.unmet.keys());
        known.chain(view.definitions.keys()).chain(accepted)
    };
    let mut all: BTreeSet<_> = services(before).chain(services(now)).collect();
    let same = before.acknowledged == now.acknowledged;
    all.retain(|service| {
        !same
            || before.services.get(*service) != now.services.get(*service)
            || before.unmet.get(*service) != now.unmet.get(*service)
            || before.definitions.get(*service) != now.definitions.get(*service)
    });
    all
}

/// All rows of a service but some of those that it has in another view, too: what a long path has most of is not even written out.
fn rows<'v>(view: &'v View, other: &View, service: &'v ServiceName) -> Vec<Row<'v>> {
    let name = service.as_str();
    let mut rows = Vec::new();
    for (_, version, direction, digest) in view.acknowledged.iter().filter(|(of, ..)| of == service) {
        // Part of the key, where NULL is equal to nothing.
        let digest = digest.map(|digest| digest.to_string()).unwrap_or_default();
        rows.push((
            Table::Acknowledged,
            vec![
                name.into(),
                version.to_string().into(),
                direction.name().into(),
                digest.into(),
            ],
        ));
    }
    for definition in view
        .definitions
        .get(service)
        .into_iter()
        .flat_map(BTreeMap::values)
    {
        rows.push((
            Table::Definition,
            vec![
                name.into(),
                definition.unit.as_str().into(),
                definition.text.as_str().into(),
                definition.generation.as_str().into(),
            ],
        ));
    }
    let (head, held, stamped, backups) = match (view.services.get(service), view.unmet.get(service)) {
        (Some(recorded), _) => {
            known(&mut rows, name, recorded, other.services.get(service));
            let definition = recorded.definition.as_ref();
            let head = vec![
                name.into(),
                true.into(),
                false.into(),
                recorded.sequence.into(),
                recorded.package.as_deref().into(),
                definition.map(|definition| definition.unit.as_str()).into(),
                recorded.held_for.as_deref().into(),
            ];
            (head, &recorded.held, &recorded.stamped, [].as_slice())
        }
        (None, Some(unmet)) => {
            let head = vec![
                name.into(),
                false.into(),
                unmet.lost.into(),
                unmet.sequence.into(),
                Cell::Null,
                Cell::Null,
                Cell::Null,
            ];
            (head, &unmet.held, &unmet.stamped, unmet.backups.as_slice())
        }
        (None, None) => return rows,
    };
    rows.push((Table::Service, head));
    for unit in held {
        rows.push((Table::Held, vec![name.into(), unit.as_str().into()]));
    }
    for (what, paths) in [("stamped", stamped.as_slice()), ("backup", backups)] {
        for (position, path) in (0_u64..).zip(paths) {
            let row = vec![name.into(), what.into(), position.into(), path.as_str().into()];
            rows.push((Table::Directory, row));
        }
    }
    rows
}

/// The rows that only a service has that the record knows, but for what is applied and steps that another has in the same place.
fn known<'v>(rows: &mut Vec<Row<'v>>, name: &'v str, recorded: &'v Recorded, other: Option<&Recorded>) {
    fn before(recorded: &Recorded) -> &[Applied] {
        let open = recorded.open_run.as_ref();
        open.map(|open| open.before.as_slice()).unwrap_or_default()
    }
    let others = other.map(|other| [other.applied.as_slice(), before(other)]);
    let [others_now, others_before] = others.unwrap_or_default();
    for (moment, applied, others) in [
        ("now", recorded.applied.as_slice(), others_now),
        ("before", before(recorded), others_before),
    ] {
        for (position, applied) in applied.iter().enumerate() {
            if others.get(position) == Some(applied) {
                continue;
            }
            rows.push((
                Table::Applied,
                vec![
                    name.into(),
                    moment.into(),
                    (position as u64).into(),
                    applied.version.to_string().into(),
                    applied.how.name().into(),
                ],
            ));
        }
    }
    if let Some(open) = &recorded.open_run {
        rows.push((
            Table::Run,
            vec![
                name.into(),
                open.id.as_str().into(),
                open.generation.as_str().into(),
                open.package.as_deref().into(),
            ],
        ));
        let others = other.and_then(|other| other.open_run.as_ref());
        let others = others.map(|open| open.steps.as_slice()).unwrap_or_default();
        let steps = open.steps.iter().enumerate();
        let steps = steps.filter(|(n, step)| others.get(*n) != Some(step));
        rows.extend(steps.map(|(n, step)| (Table::Step, cells_of(name, n as u64, step))));
    }
    let (restored, direction, version, digest, run, backup) = match &recorded.block {
        None => return,
        Some(Block::Restored {
            direction,
            version,
            digest,
            run,
        }) => (true, direction, version, digest.as_ref(), run, None),
        Some(Block::Unrestored {
            direction,
            version,
            run,
            backup,
        }) => (false, direction, version, None, run, backup.as_ref()),
    };
    let (backup, backup_by) = backup_words(backup);
    rows.push((
        Table::Block,
        vec![
            name.into(),
            restored.into(),
            direction.name().into(),
            version.to_string().into(),
            digest.map(ToString::to_string).into(),
            run.as_str().into(),
            backup.into(),
            backup_by.into(),
        ],
    ));
}

fn cells_of<'v>(name: &'v str, n: u64, step: &'v RunStep) -> Vec<Cell<'v>> {
    let swallowed: Vec<_> = step.swallowed.iter().map(ToString::to_string).collect();
    let (backup, backup_by) = backup_words(step.backup.as_ref());
    vec![
        name.into(),
        n.into(),
        step.direction.name().into(),
        step.version.to_string().into(),
        swallowed.join(" ").into(),
        step.digest.map(|digest| digest.to_string()).into(),
        step.unit.as_str().into(),
        step.phase.name().into(),
        u64::from(step.begun).into(),
        step.failed.into(),
        backup.into(),
        backup_by.into(),
    ]
}
