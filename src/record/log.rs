//! Owns the event log: how events are added to it, read from it, and replayed.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::RecordId;
use super::event::Event;
use super::fold;
use super::tables::TableError;
use super::view::View;
use crate::model::{RunId, ServiceName};

/// An event as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Its number, from 1 on.
    pub seq: u64,
    /// When it was.
    pub at: Timestamp,
    /// The service that it belongs to.
    pub service: Option<ServiceName>,
    /// What happened.
    pub event: Event,
    /// The version of the nixmig that wrote it.
    pub nixmig: String,
}

/// Which events are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Filter {
    /// Those of these services; of all where there is none.
    pub services: Vec<ServiceName>,
    /// Those of this run.
    pub run: Option<RunId>,
    /// The newest so many.
    pub last: Option<usize>,
}

impl Filter {
    fn takes(&self, logged: &Logged) -> bool {
        let service = |service: &ServiceName| self.services.contains(service);
        let of_service = self.services.is_empty() || logged.service.as_ref().is_some_and(service);
        let of_run = self.run.is_none() || self.run.as_ref() == logged.event.run();
        of_service && of_run
    }
}

/// Adds an event that was folded already.
pub(super) fn add(
    connection: &Connection,
    event: &Event,
    service: Option<&ServiceName>,
    at: Timestamp,
    nixmig: &str,
) -> Result<(), TableError> {
    let body = serde_json::to_string(event).map_err(|error| TableError::Row(error.to_string()))?;
    connection.execute(
        "INSERT INTO event (at, service, run, kind, body, nixmig) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            at.to_string(),
            service.map(ServiceName::as_str),
            event.run().map(RunId::as_str),
            event.kind(),
            body,
            nixmig,
        ],
    )?;
    Ok(())
}

/// Hands all events over, oldest first, until one is not taken.
pub(super) fn each(
    connection: &Connection,
    mut take: impl FnMut(Logged) -> Result<(), TableError>,
) -> Result<(), TableError> {
    let mut statement =
        connection.prepare("SELECT seq, at, service, run, kind, body, nixmig FROM event ORDER BY seq")?;
    let mut rows = statement.query([])?;
    let mut next = 1;
    while let Some(row) = rows.next()? {
        let seq: u64 = row.get(0)?;
        let wrong = |why: &dyn std::fmt::Display| TableError::Row(format!("event {seq}: {why}"));
        if seq != next {
            return Err(TableError::Row(format!("event {next} is missing")));
        }
        next += 1;
        let event: Event = serde_json::from_str(row.get_ref(5)?.as_str().map_err(rusqlite::Error::from)?)
            .map_err(|error| wrong(&error))?;
        let service: Option<String> = row.get(2)?;
        let run: Option<String> = row.get(3)?;
        let kind: String = row.get(4)?;
        if kind != event.kind() || run.as_deref() != event.run().map(RunId::as_str) {
            return Err(wrong(&"its columns are those of another"));
        }
        take(Logged {
            seq,
            at: row.get::<_, String>(1)?.parse().map_err(|error| wrong(&error))?,
            service: service
                .map(|service| service.parse())
                .transpose()
                .map_err(|error| wrong(&error))?,
            event,
            nixmig: row.get(6)?,
        })?;
    }
    Ok(())
}

/// The events of one run, oldest first.
pub(super) fn of_run(connection: &Connection, run: &RunId) -> Result<Vec<Event>, TableError> {
    let mut statement = connection.prepare("SELECT seq, body FROM event WHERE run = ?1 ORDER BY seq")?;
    let mut rows = statement.query([run.as_str()])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let body = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        let seq: u64 = row.get(0)?;
        let event = serde_json::from_str(body);
        events.push(event.map_err(|error| TableError::Row(format!("event {seq}: {error}")))?);
    }
    Ok(events)
}

/// The events that a filter takes, oldest first.
pub(super) fn filtered(connection: &Connection, filter: &Filter) -> Result<Vec<Logged>, TableError> {
    let mut events = Vec::new();
    each(connection, |logged| {
        if filter.takes(&logged) {
            events.push(logged);
        }
        Ok(())
    })?;
    let newest = filter.last.unwrap_or(usize::MAX);
    events.drain(..events.len().saturating_sub(newest));
    Ok(events)
}

/// What a log comes to, from its first event on.
#[derive(Debug, Default)]
pub(super) struct Replay(Option<View>);

impl Replay {
    /// Takes the next event.
    pub(super) fn take(&mut self, logged: &Logged) -> Result<(), TableError> {
        let wrong = |why: &dyn std::fmt::Display| TableError::Row(format!("event {}: {why}", logged.seq));
        let service = match (&mut self.0, &logged.event) {
            (None, Event::Made { id }) => {
                self.0 = Some(View::new(RecordId::clone(id), logged.at));
                None
            }
            (None, _) => return Err(wrong(&"a record begins with its making")),
            (Some(view), event) => fold::apply(view, event).map_err(|error| wrong(&error))?,
        };
        if service != logged.service {
            return Err(wrong(&"it is said to be of another service"));
        }
        if let Some(view) = &mut self.0 {
            view.events = logged.seq;
            view.last_event = logged.at;
        }
        Ok(())
    }

    /// What it came to; none where there was no event.
    pub(super) fn into_view(self) -> Option<View> {
        self.0
    }
}

/// Replays the log from its beginning.
pub(super) fn replay(connection: &Connection) -> Result<View, TableError> {
    let mut replay = Replay::default();
    each(connection, |logged| replay.take(&logged))?;
    let empty = || TableError::Row("it has no first event".to_owned());
    replay.into_view().ok_or_else(empty)
}
