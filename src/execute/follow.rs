//! Owns how the progress of steps that are processes of their own reaches those who wait: a file a run, a line an event. It is a
//! courtesy: that it cannot be written or read is never a reason for anything.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::progress::{Happening, Progress, ProgressEvent, StepAt};
use crate::model::{Direction, RunId, ServiceName};
use crate::record::StepPart;

/// Where the files are: gone with the next boot, as the runs' processes are.
pub const DIRECTORY: &str = "/run/nixmig";

/// From how many bytes on what scripts write is left out; the journal has it all.
const NO_MORE_LINES: u64 = 1 << 20;

/// From how many bytes on nothing is written any more.
const NO_MORE: u64 = 2 << 20;

/// How often it is told how much is copied, at most.
const COPIED_EVERY: Duration = Duration::from_millis(100);

/// One event, as a line has it.
#[derive(Debug, Serialize, Deserialize)]
struct Line<'a> {
    step: Option<At>,
    #[serde(borrow)]
    what: What<'a>,
}

#[derive(Debug, Serialize, Deserialize)]
struct At {
    number: usize,
    of: usize,
    up: bool,
    version: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum What<'a> {
    #[serde(borrow)]
    Begun(Cow<'a, str>),
    Copied {
        bytes: u64,
        of: Option<u64>,
    },
    #[serde(borrow)]
    Line(Cow<'a, str>),
    Ended {
        #[serde(borrow)]
        part: Cow<'a, str>,
        #[serde(borrow)]
        outcome: Cow<'a, str>,
        good: bool,
        milliseconds: u64,
    },
    Finished,
    Restored,
    #[serde(borrow)]
    Note(Cow<'a, str>),
}

impl<'a> Line<'a> {
    /// None where only whoever begins a run tells it.
    fn of(event: &ProgressEvent<'a>) -> Option<Self> {
        let what = match &event.happening {
            Happening::Run { .. } => return None,
            Happening::Begun { part } => What::Begun(Cow::Borrowed(part)),
            Happening::Copied { bytes, of } => What::Copied {
                bytes: *bytes,
                of: *of,
            },
            Happening::Line { text } => What::Line(Cow::Borrowed(text)),
            Happening::Ended {
                part,
                outcome,
                good,
                elapsed,
            } => What::Ended {
                part: Cow::Borrowed(part),
                outcome: Cow::Borrowed(outcome),
                good: *good,
                milliseconds: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            },
            Happening::Finished => What::Finished,
            Happening::Restored => What::Restored,
            Happening::Note { text } => What::Note(Cow::Borrowed(text)),
        };
        let step = event.step.map(|step| At {
            number: step.number,
            of: step.of,
            up: step.direction == Direction::Up,
            version: step.version.to_string(),
        });
        Some(Self { step, what })
    }

    /// Tells it on. A line that makes no sense tells nothing.
    fn tell(&self, service: &ServiceName, progress: &dyn Progress) -> Option<()> {
        let happening = match &self.what {
            What::Begun(name) => Happening::Begun { part: part(name)? },
            What::Copied { bytes, of } => Happening::Copied {
                bytes: *bytes,
                of: *of,
            },
            What::Line(text) => Happening::Line { text },
            What::Ended {
                part: name,
                outcome,
                good,
                milliseconds,
            } => Happening::Ended {
                part: part(name)?,
                outcome,
                good: *good,
                elapsed: Duration::from_millis(*milliseconds),
            },
            What::Finished => Happening::Finished,
            What::Restored => Happening::Restored,
            What::Note(text) => Happening::Note { text },
        };
        let step = match &self.step {
            None => None,
            Some(at) => Some(StepAt {
                number: at.number,
                of: at.of,
                direction: if at.up { Direction::Up } else { Direction::Down },
                version: at.version.parse().ok()?,
            }),
        };
        progress.event(&ProgressEvent {
            service,
            step,
            happening,
        });
        Some(())
    }
}

fn part(name: &str) -> Option<&'static str> {
    let parts = [
        StepPart::Prepare,
        StepPart::Backup,
        StepPart::Script,
        StepPart::Verify,
        StepPart::Flush,
        StepPart::Restore,
    ];
    parts.map(StepPart::name).into_iter().find(|part| *part == name)
}

/// Tells what happens to whoever waits for a run, and to another.
pub struct Told<'p> {
    file: Mutex<Option<Sheet>>,
    other: &'p dyn Progress,
}

#[derive(Debug)]
struct Sheet {
    file: File,
    length: u64,
    copied: Option<Instant>,
}

impl<'p> Told<'p> {
    /// Writes to the file of a run below a directory, which is made where it is not there.
    pub fn new(directory: &Path, run: &RunId, other: &'p dyn Progress) -> Self {
        let open = || -> Result<Sheet, Errno> {
            let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let directory = private(directory)?;
            let file = rustix::fs::openat(&directory, name(run), flags, Mode::from_raw_mode(0o600))?;
            let length = rustix::fs::fstat(&file)?.st_size;
            Ok(Sheet {
                file: file.into(),
                length: u64::try_from(length).unwrap_or_default(),
                copied: None,
            })
        };
        Self {
            file: Mutex::new(open().ok()),
            other,
        }
    }
}

impl Progress for Told<'_> {
    fn event(&self, event: &ProgressEvent<'_>) {
        self.other.event(event);
        let mut sheet = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sheet) = sheet.as_mut() {
            sheet.add(event);
        }
    }
}

impl Sheet {
    fn add(&mut self, event: &ProgressEvent<'_>) {
        let limit = match event.happening {
            Happening::Line { .. } => NO_MORE_LINES,
            _ => NO_MORE,
        };
        if let Happening::Copied { .. } = event.happening {
            if self.copied.is_some_and(|last| last.elapsed() < COPIED_EVERY) {
                return;
            }
            self.copied = Some(Instant::now());
        }
        let line = Line::of(event).and_then(|line| serde_json::to_string(&line).ok());
        let Some(mut line) = line else { return };
        line.push('\n');
        if self.length.saturating_add(line.len() as u64) <= limit
            && self.file.write_all(line.as_bytes()).is_ok()
        {
            self.length += line.len() as u64;
        }
    }
}

/// Follows the file of a run. It may come later than who follows it, or never.
#[derive(Debug)]
pub struct Follow<'f> {
    directory: &'f Path,
    run: &'f RunId,
    file: Option<File>,
    rest: Vec<u8>,
}

impl<'f> Follow<'f> {
    /// Follows it from its beginning.
    pub fn new(directory: &'f Path, run: &'f RunId) -> Self {
        Self {
            directory,
            run,
            file: None,
            rest: Vec::new(),
        }
    }

    /// Tells what was written since the last time.
    pub fn tell(&mut self, service: &ServiceName, progress: &dyn Progress) {
        if self.file.is_none() {
            self.file = open(self.directory, self.run);
        }
        let Some(file) = &mut self.file else { return };
        if file.take(NO_MORE).read_to_end(&mut self.rest).is_err() {
            return;
        }
        let whole = self.rest.iter().rposition(|&byte| byte == b'\n');
        let Some(whole) = whole else { return };
        for line in self.rest[..whole].split(|&byte| byte == b'\n') {
            if let Ok(line) = serde_json::from_slice::<Line<'_>>(line) {
                line.tell(service, progress);
            }
        }
        self.rest.drain(..=whole);
    }
}

/// Removes the file of a run that is over. Who follows it reads on.
pub fn over(directory: &Path, run: &RunId) {
    if let Ok(directory) = private(directory) {
        // It may never have been there, or have been removed by another.
        let _ = rustix::fs::unlinkat(&directory, name(run), AtFlags::empty());
    }
}

fn name(run: &RunId) -> String {
    format!("{run}.progress")
}

fn open(directory: &Path, run: &RunId) -> Option<File> {
    let directory = private(directory).ok()?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = rustix::fs::openat(&directory, name(run), flags, Mode::empty()).ok()?;
    Some(file.into())
}

/// The directory, made where it is not there; only where it is this user's alone.
fn private(directory: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::mkdir(directory, Mode::from_raw_mode(0o700)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error),
    }
    let open = rustix::fs::open(directory, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&open)?;
    let own = stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_mode & 0o077 == 0;
    match own {
        true => Ok(open),
        false => Err(Errno::PERM),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Progress for Heard {
        fn event(&self, event: &ProgressEvent<'_>) {
            self.0
                .lock()
                .unwrap()
                .push(format!("{:?} {:?}", event.step, event.happening));
        }
    }

    fn run() -> RunId {
        "0123456789abcdef".parse().unwrap()
    }

    fn event<'a>(service: &'a ServiceName, happening: Happening<'a>) -> ProgressEvent<'a> {
        ProgressEvent {
            service,
            step: Some(StepAt {
                number: 1,
                of: 2,
                direction: Direction::Down,
                version: "2024-01-01.1".parse().unwrap(),
            }),
            happening,
        }
    }

    #[test]
    fn what_is_told_is_heard() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("nixmig");
        let service: ServiceName = "db".parse().unwrap();
        let (said, heard) = (Heard::default(), Heard::default());
        let run = run();
        let mut follow = Follow::new(&directory, &run);
        follow.tell(&service, &heard);
        for _ in 0..2 {
            // Each step is a process of its own.
            let told = Told::new(&directory, &run, &said);
            for happening in [
                Happening::Begun { part: "script" },
                Happening::Line {
                    text: "a\u{1b}[31m \"b\"",
                },
                Happening::Ended {
                    part: "script",
                    outcome: "exit code 3",
                    good: false,
                    elapsed: Duration::from_millis(1500),
                },
                Happening::Note { text: "Well." },
                Happening::Restored,
                Happening::Finished,
            ] {
                told.event(&event(&service, happening));
                follow.tell(&service, &heard);
            }
        }
        follow.tell(&service, &heard);
        let said = said.0.into_inner().unwrap();
        assert_eq!(said.len(), 12);
        assert_eq!(heard.0.into_inner().unwrap(), said);
        let mode = std::fs::metadata(directory.join("0123456789abcdef.progress")).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
        over(&directory, &run);
        assert!(std::fs::read_dir(&directory).unwrap().next().is_none());
    }

    #[test]
    fn a_flood_is_cut_off_and_its_end_is_told() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("nixmig");
        let service: ServiceName = "db".parse().unwrap();
        let run = run();
        let told = Told::new(&directory, &run, &super::super::Silent);
        let text = "x".repeat(4000);
        for _ in 0..1000 {
            told.event(&event(&service, Happening::Line { text: &text }));
        }
        told.event(&event(&service, Happening::Finished));
        let heard = Heard::default();
        let mut follow = Follow::new(&directory, &run);
        follow.tell(&service, &heard);
        let heard = heard.0.into_inner().unwrap();
        assert!(heard.len() < 300 && heard.last().unwrap().ends_with("Finished"));
    }

    #[test]
    fn no_link_is_followed_and_no_directory_of_others_is_used() {
        let root = tempfile::tempdir().unwrap();
        let run = run();
        let service: ServiceName = "db".parse().unwrap();
        let directory = root.path().join("nixmig");
        let target = root.path().join("target");
        std::fs::write(&target, "").unwrap();
        let tell = |directory: &Path| {
            let told = Told::new(directory, &run, &super::super::Silent);
            told.event(&event(&service, Happening::Finished));
        };
        std::fs::create_dir(&directory).unwrap();
        std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700)).unwrap();
        symlink(&target, directory.join(name(&run))).unwrap();
        tell(&directory);
        assert_eq!(std::fs::read(&target).unwrap(), b"");
        let open = root.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
        tell(&open);
        assert!(std::fs::read_dir(&open).unwrap().next().is_none());
    }
}
