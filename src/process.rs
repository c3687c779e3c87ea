//! Owns other programs' processes: the one room that spawns any. A process that was started here is gone when its call
//! returns, with all that it started itself in its process group: after its end, a timeout, a signal to nixmig, or the
//! failure of what runs beside it. Nothing goes through a shell. Knows nothing of what the programs say.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

mod dialogue;
mod replace;
mod script;
mod signals;

pub(crate) use dialogue::{Dialogue, Question};
pub use replace::replace;
pub(crate) use script::{Script, Stream, adopt_orphans};
pub use signals::die_of;

/// How long a process group that was told to end, or whose leader has ended, may take before it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// How much of the end of standard error is kept, in bytes.
const STDERR_KEPT: usize = 256 * 1024;

/// What to run.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The program: a name that `PATH` is searched for, or a path.
    pub(crate) program: OsString,
    /// Its arguments, as they are.
    pub(crate) arguments: Vec<OsString>,
    /// Where it runs; none is where nixmig runs.
    pub(crate) directory: Option<PathBuf>,
    /// How long it may take; none is as long as it likes.
    pub(crate) timeout: Option<Duration>,
    /// How many bytes it may write to standard output.
    pub(crate) stdout_limit: usize,
}

impl Request {
    /// The command as one would type it, for messages; `…` stands for an argument that is long.
    pub(crate) fn display(&self) -> String {
        let words = std::iter::once(&self.program).chain(&self.arguments);
        words.map(|word| quote(word)).collect::<Vec<_>>().join(" ")
    }
}

/// A word as a shell would take it; a text in place of a word is not shown.
fn quote(word: &OsStr) -> String {
    const SHOWN: usize = 200;
    let word = word.to_string_lossy();
    if word.len() > SHOWN {
        return "…".to_owned();
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-+=./:,@%#?&".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// What a process that ended by itself left behind.
#[derive(Debug)]
pub(crate) struct Output {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// All that it wrote to standard output.
    pub(crate) stdout: Vec<u8>,
    /// The end of what it wrote to standard error.
    pub(crate) stderr: Vec<u8>,
}

/// Why a process did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There is no such program.
    #[error("there is no such program")]
    NotFound,
    /// It could not be started or waited for.
    #[error("it could not be started: {0}")]
    Io(#[from] io::Error),
    /// It took longer than it may.
    #[error("it was ended after {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// nixmig received a signal.
    #[error("interrupted by signal {0}")]
    Interrupted(i32),
    /// What ran beside it failed.
    #[error("it was ended because another failed")]
    Cancelled,
    /// It wanted to talk to the terminal, which a process in the background may not.
    #[error("it wanted to ask something at the terminal, where only what you run by hand can")]
    WantedTerminal,
    /// It wrote more than it may to standard output.
    #[error("it wrote more than {0} bytes")]
    TooMuch(usize),
    /// It ended, and what it had started kept its output open.
    #[error("it ended and left a process behind that holds its output open")]
    LeftBehind,
}

/// Runs processes that belong together: one signal, or one failure, ends them all.
#[derive(Debug)]
pub(crate) struct Supervisor(Arc<Hub>);

/// Why running processes must end.
#[derive(Clone, Copy, Debug)]
enum Stop {
    Signal(i32),
    Cancelled,
}

#[derive(Debug, Default)]
struct Hub(Mutex<Runs>);

#[derive(Debug, Default)]
struct Runs {
    stop: Option<Stop>,
    live: Vec<Sender<Event>>,
}

#[derive(Debug)]
enum Event {
    Ended,
    WantsTerminal,
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
    TooMuch,
    /// A line of a script.
    Line(Stream, String),
    /// There are no more lines.
    Told,
    Broken(io::Error),
    Stop(Stop),
}

impl Hub {
    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self, stop: Stop) {
        let mut runs = self.runs();
        runs.stop.get_or_insert(stop);
        // A run that is over has dropped its receiver and is dropped here.
        runs.live.retain(|run| run.send(Event::Stop(stop)).is_ok());
    }
}

impl Supervisor {
    /// Takes over SIGINT, SIGTERM, SIGHUP and SIGQUIT for as long as it lives, but for those that nixmig was started to
    /// ignore.
    ///
    /// # Errors
    ///
    /// Fails where the system has no room for the handlers.
    pub(crate) fn new() -> io::Result<Self> {
        let hub = Arc::new(Hub::default());
        signals::subscribe(&hub)?;
        Ok(Self(hub))
    }

    /// Ends what runs; what has not begun will not.
    pub(crate) fn cancel(&self) {
        self.0.stop(Stop::Cancelled);
    }

    /// Runs a process to its end. A bad exit status is no error here.
    ///
    /// # Errors
    ///
    /// See [`ProcessError`]; the process and its group are gone then too.
    pub(crate) fn run(&self, request: &Request) -> Result<Output, ProcessError> {
        let (events, inbox) = mpsc::channel();
        {
            let mut runs = self.0.runs();
            if let Some(stop) = runs.stop {
                return Err(stop.into());
            }
            runs.live.push(events.clone());
        }
        let deadline = request.timeout.map(|timeout| Instant::now() + timeout);
        let (mut child, _known) = {
            let _alone = spawning();
            let child = spawn(request)?;
            let known = Children::add(Pid::from_child(&child));
            (child, known)
        };
        let mut run = Run {
            group: Pid::from_child(&child),
            inbox,
            ended: false,
            stdout: None,
            stderr: None,
        };
        let outcome = match listen(&mut child, run.group, request.stdout_limit, &events) {
            Ok(()) => run.finish(deadline, request),
            Err(error) => Err(error.into()),
        };
        if outcome.is_err() {
            run.terminate();
        }
        let status = child.wait()?;
        let (stdout, stderr) = outcome?;
        Ok(Output {
            status,
            stdout,
            stderr,
        })
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        signals::unsubscribe(&self.0);
    }
}

impl From<Stop> for ProcessError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Signal(signal) => Self::Interrupted(signal),
            Stop::Cancelled => Self::Cancelled,
        }
    }
}

/// Held while a process is spawned: what one is to inherit is open to all that are spawned meanwhile.
fn spawning() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The children that were started here, but for programs that answer at once. A child stands in it as long as this lives.
#[derive(Debug)]
struct Children(Pid);

static CHILDREN: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

impl Children {
    fn all() -> MutexGuard<'static, Vec<Pid>> {
        CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(child: Pid) -> Self {
        Self::all().push(child);
        Self(child)
    }

    fn knows(&self, pid: Pid) -> bool {
        Self::all().contains(&pid)
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        Self::all().retain(|&child| child != self.0);
    }
}

fn spawn(request: &Request) -> Result<Child, ProcessError> {
    let mut command = Command::new(&request.program);
    command
        .args(&request.arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if let Some(directory) = &request.directory {
        command.current_dir(directory);
    }
    command.spawn().map_err(|error| match error.kind() {
        // A directory that is not there gives the same error.
        io::ErrorKind::NotFound if request.directory.as_ref().is_none_or(|path| path.is_dir()) => {
            ProcessError::NotFound
        }
        _ => ProcessError::Io(error),
    })
}

/// Starts the threads that tell of one child. They end when it has, or, where something that left its group holds a
/// pipe, with nixmig.
fn listen(child: &mut Child, pid: Pid, stdout_limit: usize, events: &Sender<Event>) -> io::Result<()> {
    if let Some(mut pipe) = child.stdout.take() {
        let events = events.clone();
        thread::Builder::new().name("stdout".to_owned()).spawn(move || {
            let mut bytes = Vec::new();
            let limit = stdout_limit as u64 + 1;
            let event = match pipe.by_ref().take(limit).read_to_end(&mut bytes) {
                Ok(_) if bytes.len() > stdout_limit => Event::TooMuch,
                Ok(_) => Event::Stdout(bytes),
                Err(error) => Event::Broken(error),
            };
            // Nobody listens any more when the run is over.
            let _ = events.send(event);
        })?;
    }
    if let Some(pipe) = child.stderr.take() {
        let events = events.clone();
        thread::Builder::new().name("stderr".to_owned()).spawn(move || {
            let event = tail(pipe).map_or_else(Event::Broken, Event::Stderr);
            let _ = events.send(event);
        })?;
    }
    let events = events.clone();
    thread::Builder::new().name("wait".to_owned()).spawn(move || {
        let _ = events.send(watch(pid, &events));
    })?;
    Ok(())
}

/// Reads to the end and keeps the last [`STDERR_KEPT`] bytes.
fn tail(mut pipe: impl Read) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let mut chunk = [0; 8192];
    loop {
        match pipe.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => kept.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if kept.len() > 2 * STDERR_KEPT {
            kept.drain(..kept.len() - STDERR_KEPT);
        }
    }
    kept.drain(..kept.len().saturating_sub(STDERR_KEPT));
    Ok(kept)
}

/// Waits until a child has ended, and leaves it to be reaped: until then its number, which is its group's, is not used
/// again.
fn watch(pid: Pid, events: &Sender<Event>) -> Event {
    let wait = |options| waitid(WaitId::Pid(pid), options);
    loop {
        match wait(WaitIdOptions::EXITED | WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT) {
            Ok(Some(status)) if status.stopped() => {
                let asks = [Signal::TTIN, Signal::TTOU].map(|signal| Some(signal.as_raw()));
                if asks.contains(&status.stopping_signal()) {
                    let _ = events.send(Event::WantsTerminal);
                }
                // Takes the news of the stop out of the way of the next.
                let _ = wait(WaitIdOptions::STOPPED | WaitIdOptions::NOHANG);
            }
            Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Event::Ended,
            Err(error) => return Event::Broken(error.into()),
        }
    }
}

/// A process group on its way to its end.
struct Run {
    group: Pid,
    inbox: Receiver<Event>,
    ended: bool,
    stdout: Option<Vec<u8>>,
    stderr: Option<Vec<u8>>,
}

impl Run {
    fn finish(
        &mut self,
        mut deadline: Option<Instant>,
        request: &Request,
    ) -> Result<(Vec<u8>, Vec<u8>), ProcessError> {
        loop {
            if self.ended
                && let (Some(stdout), Some(stderr)) = (&mut self.stdout, &mut self.stderr)
            {
                return Ok((std::mem::take(stdout), std::mem::take(stderr)));
            }
            match self.next(deadline) {
                Some(Event::Ended) => {
                    self.ended = true;
                    deadline = Some(Instant::now() + GRACE);
                }
                Some(Event::Stdout(bytes)) => self.stdout = Some(bytes),
                Some(Event::Stderr(bytes)) => self.stderr = Some(bytes),
                Some(Event::WantsTerminal) => return Err(ProcessError::WantedTerminal),
                Some(Event::TooMuch) => return Err(ProcessError::TooMuch(request.stdout_limit)),
                Some(Event::Broken(error)) => return Err(error.into()),
                Some(Event::Stop(stop)) => return Err(stop.into()),
                Some(Event::Line(..) | Event::Told) => {}
                None if self.ended => return Err(ProcessError::LeftBehind),
                None => return Err(ProcessError::TimedOut(request.timeout.unwrap_or_default())),
            }
        }
    }

    /// Asks the group to end, and kills it where it does not, or where the user asks once more.
    fn terminate(&mut self) {
        self.kill(Signal::TERM);
        // A stopped process takes no other signal.
        self.kill(Signal::CONT);
        let deadline = Some(Instant::now() + GRACE);
        while !(self.ended && self.stdout.is_some() && self.stderr.is_some()) {
            match self.next(deadline) {
                Some(Event::Ended) => self.ended = true,
                Some(Event::Stdout(bytes)) => self.stdout = Some(bytes),
                Some(Event::Stderr(bytes)) => self.stderr = Some(bytes),
                Some(Event::TooMuch) => self.stdout = Some(Vec::new()),
                Some(Event::WantsTerminal | Event::Line(..) | Event::Told) => {}
                Some(Event::Broken(_) | Event::Stop(_)) | None => break,
            }
        }
        self.kill(Signal::KILL);
    }

    fn kill(&self, signal: Signal) {
        // It fails where nobody of the group is left, which is what is wanted.
        let _ = kill_process_group(self.group, signal);
    }

    fn next(&self, deadline: Option<Instant>) -> Option<Event> {
        match deadline {
            None => self.inbox.recv().ok(),
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                self.inbox.recv_timeout(left).ok()
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
