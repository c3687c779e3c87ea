//! Owns the locks: one that all runs share and that a change of the record's format or its rebuilding takes alone, and one a
//! service. A lock is held as long as any process holds its descriptor open, so a script that inherits it keeps it.

use std::fs::{File, TryLockError};
use std::io::{Seek, Write};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::place::{StateDir, plain};
use super::{Place, RecordError};
use crate::model::{RunId, ServiceName};

/// The lock that all runs share. No service's can have its name.
const RECORD: &str = "record";

/// How often whoever waits is told for whom.
const PAUSE: Duration = Duration::from_millis(100);

/// How often a lock is tried before it counts as held, and how long is slept in between: whoever only looks whether it is
/// ([`is_held`]) has it for a moment.
const GLANCES: u32 = 10;
const GLANCE: Duration = Duration::from_millis(1);

/// How long a lock is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all.
    Not,
    /// At most so long.
    Until(Duration),
    /// As long as it takes.
    Forever,
}

/// Who holds a lock, as far as it said so. For messages only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process that took it. A script of it may have outlived it.
    pub pid: u32,
    /// The run that it is taken for.
    pub run: Option<RunId>,
}

/// A lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another holds it.
    #[error("another run of {what} goes on{}", held_by(.holder.as_ref()))]
    Held {
        /// Of what: a service, or `the record`.
        what: String,
        /// Who, as far as it said so.
        holder: Option<Holder>,
    },
    /// The caller did not want to wait any longer.
    #[error("the wait for the lock of {0} was broken off")]
    Stopped(String),
    /// There is no lock to be had.
    #[error(transparent)]
    Record(#[from] RecordError),
}

fn held_by(holder: Option<&Holder>) -> String {
    match holder {
        None => String::new(),
        Some(Holder { pid, run: None }) => format!(" (process {pid})"),
        Some(Holder { pid, run: Some(run) }) => format!(" (process {pid}, run {run})"),
    }
}

/// The right to run a service's path. Ends when the last descriptor is closed, whoever holds it.
#[derive(Debug)]
pub struct ServiceLock {
    record: File,
    service: File,
}

/// The right to replace the record. No run goes on meanwhile.
#[derive(Debug)]
pub struct RecordLock(File);

impl ServiceLock {
    /// The descriptors that a script inherits, so that it keeps the lock where it outlives nixmig.
    pub fn as_fds(&self) -> [BorrowedFd<'_>; 2] {
        [self.record.as_fd(), self.service.as_fd()]
    }

    /// Says for which run the lock is held, to those who wait for it.
    ///
    /// # Errors
    ///
    /// Fails where the lock's file cannot be written.
    pub fn name_run(&mut self, run: &RunId) -> std::io::Result<()> {
        sign(&mut self.service, Some(run))
    }
}

impl AsFd for RecordLock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Takes the lock of a service, and a share in that of the record. Makes the state directory where there is none.
///
/// `waiting` hears ten times a second who holds it, and may break off.
///
/// # Errors
///
/// Fails where another holds it for longer than is waited, and where there cannot be one.
pub fn lock_service(
    place: &Place,
    service: &ServiceName,
    wait: Wait,
    waiting: &mut dyn FnMut(Option<&Holder>) -> ControlFlow<()>,
) -> Result<ServiceLock, LockError> {
    let dir = StateDir::make(&place.state_dir)?;
    let wait = (wait, Instant::now());
    let record = open(&dir, RECORD)?;
    take(&record, Kind::Shared, "the record", wait, waiting)?;
    let mut lock = ServiceLock {
        record,
        service: open(&dir, &format!("{service}.lock"))?,
    };
    take(&lock.service, Kind::Alone, service.as_str(), wait, waiting)?;
    sign(&mut lock.service, None).map_err(|error| dir.io("written", "locks", error))?;
    Ok(lock)
}

/// Takes the lock of the record, alone. Makes the state directory where there is none.
///
/// # Errors
///
/// Fails where a run goes on for longer than is waited, and where there cannot be a lock.
pub fn lock_record(
    place: &Place,
    wait: Wait,
    waiting: &mut dyn FnMut(Option<&Holder>) -> ControlFlow<()>,
) -> Result<RecordLock, LockError> {
    let dir = StateDir::make(&place.state_dir)?;
    let record = open(&dir, RECORD)?;
    take(
        &record,
        Kind::Alone,
        "the record",
        (wait, Instant::now()),
        waiting,
    )?;
    Ok(RecordLock(record))
}

/// Whether somebody holds the lock of a service; where that cannot be told, nobody does. Makes nothing.
///
/// It is had for a moment, together with whoever else looks. The kernel's list, proc_locks(5), would tell as well, but whoever reads
/// that waits until no processor of the machine is at any lock: some ten milliseconds, in front of every start of a service.
pub fn is_held(place: &Place, service: &ServiceName) -> bool {
    let path = place.state_dir.join("locks").join(format!("{service}.lock"));
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let Ok(file) = rustix::fs::open(path, flags, Mode::empty()) else {
        return false;
    };
    matches!(File::from(file).try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Opens a lock's file, which no link leads to.
fn open(dir: &StateDir, name: &str) -> Result<File, RecordError> {
    let locks = dir.locks()?;
    let path = dir.path.join("locks").join(name);
    let flags = OFlags::RDWR
        | OFlags::CREATE
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::CLOEXEC
        | OFlags::NOCTTY;
    let file = match rustix::fs::openat(&locks, name, flags, Mode::from_raw_mode(0o600)) {
        Ok(file) => file,
        Err(Errno::LOOP) => return Err(RecordError::Symlink(path)),
        Err(error) => return Err(RecordError::io("opened", &path, error)),
    };
    let stat = rustix::fs::fstat(&file).map_err(|error| RecordError::io("read", &path, error))?;
    plain(&path, &stat)?;
    Ok(File::from(file))
}

/// How much of a lock is wanted.
#[derive(Clone, Copy)]
enum Kind {
    Shared,
    Alone,
}

impl Kind {
    fn try_lock(self, file: &File) -> Result<(), TryLockError> {
        match self {
            Self::Shared => file.try_lock_shared(),
            Self::Alone => file.try_lock(),
        }
    }

    /// Waits for as long as it takes.
    fn lock(self, file: &File) -> std::io::Result<()> {
        loop {
            let locked = match self {
                Self::Shared => file.lock_shared(),
                Self::Alone => file.lock(),
            };
            match locked {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                locked => return locked,
            }
        }
    }
}

fn take(
    file: &File,
    kind: Kind,
    what: &str,
    (wait, begun): (Wait, Instant),
    waiting: &mut dyn FnMut(Option<&Holder>) -> ControlFlow<()>,
) -> Result<(), LockError> {
    let failed = |error| RecordError::io("locked", what.as_ref(), error);
    let glances = if wait == Wait::Forever { 0 } else { GLANCES };
    for glance in 0..=glances {
        match kind.try_lock(file) {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if glance == glances => {}
            Err(TryLockError::WouldBlock) => thread::sleep(GLANCE),
            Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(TryLockError::Error(error)) => return Err(failed(error).into()),
        }
    }
    let queued = match wait {
        Wait::Not => None,
        Wait::Until(_) | Wait::Forever => Some(Queued::begin(file, kind).map_err(failed)?),
    };
    // It may be somebody who only looks.
    if let (Wait::Forever, Some(queued)) = (wait, &queued)
        && queued.sleep(GLANCE * GLANCES).map_err(failed)?.is_some()
    {
        return Ok(());
    }
    loop {
        let holder = holder(file.as_fd());
        let queued = match (wait, &queued) {
            (Wait::Until(limit), Some(queued)) if begun.elapsed() < limit => queued,
            (Wait::Forever, Some(queued)) => queued,
            _ => {
                let what = what.to_owned();
                return Err(LockError::Held { what, holder });
            }
        };
        if waiting(holder.as_ref()).is_break() {
            return Err(LockError::Stopped(what.to_owned()));
        }
        if queued.sleep(PAUSE).map_err(failed)?.is_some() {
            return Ok(());
        }
    }
}

/// A place in the kernel's queue for a lock. It is a thread that sleeps there, for that can neither be ended after a while nor hear
/// that nixmig is told to end. Where nobody waits for it any more, the lock is let go as soon as it is had.
struct Queued(Receiver<std::io::Result<()>>);

impl Queued {
    fn begin(file: &File, kind: Kind) -> std::io::Result<Self> {
        let file = file.try_clone()?;
        let (tell, had) = sync_channel(1);
        thread::Builder::new().spawn(move || {
            let locked = kind.lock(&file);
            // Before it is told: whoever lets go of the lock then has let go of all of it.
            drop(file);
            let _ = tell.send(locked);
        })?;
        Ok(Self(had))
    }

    /// Sleeps until the lock is had, and no longer than that: none then.
    fn sleep(&self, longest: Duration) -> std::io::Result<Option<()>> {
        match self.0.recv_timeout(longest) {
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Ok(locked) => locked.map(Some),
            Err(RecvTimeoutError::Disconnected) => Err(std::io::Error::other("its thread has ended")),
        }
    }
}

/// Writes who holds a lock into its file.
fn sign(file: &mut File, run: Option<&RunId>) -> std::io::Result<()> {
    let run = run.map(|run| format!(" {run}")).unwrap_or_default();
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}{run}", std::process::id())
}

/// Who wrote into a lock's file, if anything sensible is in it.
fn holder(file: BorrowedFd<'_>) -> Option<Holder> {
    let mut bytes = [0; 64];
    let length = rustix::io::pread(file, &mut bytes, 0).ok()?;
    let text = std::str::from_utf8(bytes.get(..length)?).ok()?;
    let mut words = text.split_ascii_whitespace();
    Some(Holder {
        pid: words.next()?.parse().ok()?,
        run: words.next().and_then(|run| run.parse().ok()),
    })
}
