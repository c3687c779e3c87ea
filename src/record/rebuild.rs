//! Owns making a record anew in the place of one that was lost or is broken: what of its log can still be read, and what GC
//! roots, stamps and backups tell. What is not known for certain is not made up.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::OpenFlags;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::RecordId;
use super::copy::{contents, copy};
use super::database::{connect, verify};
use super::event::Event;
use super::log::{self, Replay};
use super::making::{self, Entry, NIXMIG};
use super::place::{JOURNAL, RECORD, StateDir, flush};
use super::tables::TableError;
use super::view::View;
use super::{Place, RecordError, RecordLock, guards, random, roots, stamp};
use crate::model::{RunId, ServiceName};

/// What rebuilding came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilding {
    /// Where the broken file is now; none where there was none.
    pub kept_aside: Option<PathBuf>,
    /// What was wrong with it, or where its log could not be read on.
    pub why: Option<String>,
    /// How many events of it were taken over.
    pub salvaged: u64,
    /// The services that are known, as the whole log was there.
    pub known: Vec<ServiceName>,
    /// The services of which there are traces, but nobody knows what they are on: `detect` or `stamp` has to say.
    pub lost: Vec<ServiceName>,
    /// Backups that belong to no service that is known of.
    pub backups: Vec<PathBuf>,
}

/// Makes the record anew. The broken file is copied aside, `record.sqlite.broken-N`, before anything.
///
/// `directories` are the state directories in which stamps are looked for: those that generations declare, and the kept
/// definitions (`roots::definitions`).
///
/// # Errors
///
/// Fails where the record is sound, or newer than this program; where nothing of one is there; and where nothing can be
/// written.
pub fn rebuild(
    place: &Place,
    _lock: &RecordLock,
    directories: &BTreeMap<ServiceName, BTreeSet<PathBuf>>,
) -> Result<Rebuilding, RecordError> {
    let (lost, mut why) = match verify(place) {
        Ok(Some(_)) => return Err(RecordError::Sound(place.record())),
        Ok(None) => (true, None),
        Err(RecordError::Corrupt { why, .. }) => (false, Some(why)),
        Err(error @ RecordError::Foreign(_)) => (false, Some(error.to_string())),
        Err(error) => return Err(error),
    };
    let dir = StateDir::make(&place.state_dir)?;
    let salvage = match lost {
        true => Salvage::default(),
        false => salvage(&dir)?,
    };
    why = salvage.why.or(why);
    let stamps = stamps(directories);
    let id = match &salvage.view {
        Some(view) => Some(view.id.clone()),
        None => stamps.only_record(),
    };
    let id = match id {
        Some(id) => id,
        None => RecordId::from_bytes(random().map_err(|error| dir.io("made", RECORD, error))?),
    };
    let mut found = stamps.of(&id);
    for (service, definitions) in roots::definitions(place)? {
        found.entry(service).or_default().definitions = definitions;
    }
    let traces = roots::traces(place)?.into_keys();
    for service in traces.chain(guards::list(place)?.into_keys()) {
        found.entry(service).or_default();
    }
    let mut strays = Vec::new();
    for (run, backup) in backups(place, directories) {
        match run.and_then(|run| salvage.runs.get(&run)) {
            Some(service) => {
                let found: &mut Found = found.entry(service.clone()).or_default();
                found.backups.extend(backup.to_str().map(str::to_owned));
            }
            None => strays.push(backup),
        }
    }
    if lost && found.is_empty() && strays.is_empty() {
        return Err(RecordError::Absent(place.record()));
    }
    let known: BTreeSet<_> = match &salvage.view {
        Some(view) if salvage.complete => view.services.keys().cloned().collect(),
        _ => BTreeSet::new(),
    };

    let _alone = dir.alone()?;
    let from = match lost {
        true => None,
        false => Some(set_aside(&dir)?),
    };
    let salvaged = u64::try_from(salvage.events.len()).unwrap_or(u64::MAX);
    let mut events = salvage.events;
    let now = |event| (event, Timestamp::now(), NIXMIG.to_owned());
    if events.is_empty() {
        events.push(now(Event::Made { id }));
    }
    events.push(now(Event::Rebuilt {
        from: from.clone(),
        salvaged,
        complete: salvage.complete,
    }));
    found.retain(|service, _| !known.contains(service));
    for (service, found) in &found {
        events.push(now(Event::Found {
            service: service.clone(),
            definitions: found.definitions.clone(),
            sequence: found.sequence,
            stamped: found.stamped.clone(),
            backups: found.backups.clone(),
        }));
    }
    making::replace(&dir, &events)?;
    let view = verify(place)?.ok_or_else(|| RecordError::Absent(place.record()))?;
    let lost = view.unmet.iter().filter(|(_, unmet)| unmet.lost);
    Ok(Rebuilding {
        kept_aside: from.map(|from| dir.path.join(from)),
        why,
        salvaged,
        known: known.into_iter().collect(),
        lost: lost.map(|(service, _)| service.clone()).collect(),
        backups: strays,
    })
}

/// What was found of one service.
#[derive(Default)]
struct Found {
    definitions: Vec<crate::model::Definition>,
    sequence: u64,
    stamped: Vec<String>,
    backups: Vec<String>,
}

/// What of a broken record's log could be read and makes sense.
#[derive(Default)]
struct Salvage {
    events: Vec<Entry>,
    view: Option<View>,
    complete: bool,
    runs: BTreeMap<RunId, ServiceName>,
    why: Option<String>,
}

/// Reads events from a copy of a broken record until one cannot be read or makes no sense.
fn salvage(dir: &StateDir) -> Result<Salvage, RecordError> {
    let copy = copy(dir)?;
    let path = copy.record();
    let mut salvage = Salvage::default();
    let mut replay = Replay::default();
    let mut read = || -> Result<bool, TableError> {
        let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        log::each(&connection, |logged| {
            replay.take(&logged)?;
            if let (Some(run), Some(service)) = (logged.event.run(), &logged.service) {
                salvage.runs.insert(run.clone(), service.clone());
            }
            salvage.events.push((logged.event, logged.at, logged.nixmig));
            Ok(())
        })?;
        // SQLite remembers the highest number that there was.
        let last = connection.query_row(
            "SELECT seq FROM sqlite_sequence WHERE name = 'event'",
            [],
            |row| row.get::<_, u64>(0),
        )?;
        Ok(u64::try_from(salvage.events.len()) == Ok(last))
    };
    match read() {
        Ok(complete) => salvage.complete = complete,
        Err(error) => salvage.why = Some(error.to_string()),
    }
    salvage.view = replay.into_view();
    Ok(salvage)
}

/// Copies a broken record aside, with its journal: the name of the copy.
fn set_aside(dir: &StateDir) -> Result<String, RecordError> {
    for n in 1_u32.. {
        let name = format!("{RECORD}.broken-{n}");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = |name: &str| rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o600));
        let file = match open(&name) {
            Ok(file) => file,
            Err(Errno::EXIST) => continue,
            Err(error) => return Err(dir.io("made", &name, error)),
        };
        write(dir, file, &name, &contents(dir, RECORD)?.unwrap_or_default())?;
        if let Some(journal) = contents(dir, JOURNAL)? {
            let name = format!("{name}-journal");
            let file = open(&name).map_err(|error| dir.io("made", &name, error))?;
            write(dir, file, &name, &journal)?;
        }
        flush(dir, &dir.path)?;
        return Ok(name);
    }
    Err(RecordError::Full(dir.path.clone()))
}

fn write(dir: &StateDir, file: rustix::fd::OwnedFd, name: &str, bytes: &[u8]) -> Result<(), RecordError> {
    let mut file = fs::File::from(file);
    std::io::Write::write_all(&mut file, bytes).map_err(|error| dir.io("written", name, error))?;
    flush(&file, &dir.path.join(name))
}

/// The stamps on state directories.
struct Stamps(Vec<(ServiceName, PathBuf, stamp::Stamp)>);

/// Reads the stamps on state directories. Those that cannot be read tell nothing.
fn stamps(directories: &BTreeMap<ServiceName, BTreeSet<PathBuf>>) -> Stamps {
    let mut stamps = Vec::new();
    for (service, directories) in directories {
        for directory in directories {
            let stamp = stamp::open(directory).map_err(Into::into).and_then(stamp::read);
            if let Ok(Some(stamp)) = stamp {
                stamps.push((service.clone(), directory.clone(), stamp));
            }
        }
    }
    Stamps(stamps)
}

impl Stamps {
    /// The record that all of them are of.
    fn only_record(&self) -> Option<RecordId> {
        let (_, _, first) = self.0.first()?;
        let same = self.0.iter().all(|(_, _, stamp)| stamp.record == first.record);
        same.then(|| first.record.clone())
    }

    /// Those of one record.
    fn of(&self, id: &RecordId) -> BTreeMap<ServiceName, Found> {
        let mut found: BTreeMap<_, Found> = BTreeMap::new();
        for (service, directory, stamp) in &self.0 {
            if stamp.record == *id {
                let found = found.entry(service.clone()).or_default();
                found.sequence = found.sequence.max(stamp.sequence);
                found.stamped.extend(directory.to_str().map(str::to_owned));
            }
        }
        found
    }
}

/// The backups in the state directory and beside state, with the run that the name of each begins with.
fn backups(
    place: &Place,
    directories: &BTreeMap<ServiceName, BTreeSet<PathBuf>>,
) -> BTreeSet<(Option<RunId>, PathBuf)> {
    let above = directories
        .values()
        .flatten()
        .flat_map(|directory| directory.ancestors());
    let beside: BTreeSet<_> = above
        .flat_map(|above| [".nixmig", ".nixmig/backups"].map(|own| above.join(own)))
        .collect();
    let entries = |home: &Path| fs::read_dir(home).into_iter().flatten().flatten();
    let named = |entry: fs::DirEntry| (run_of(&entry.path()), entry.path());
    let beside = beside
        .iter()
        .flat_map(|home| entries(home))
        .map(named)
        .filter(|(run, _)| run.is_some());
    entries(&place.backups()).map(named).chain(beside).collect()
}

/// The run that a backup was made in: its name is `RUN-STEP`.
fn run_of(backup: &Path) -> Option<RunId> {
    let (run, _) = backup.file_name()?.to_str()?.split_once('-')?;
    run.parse().ok()
}
