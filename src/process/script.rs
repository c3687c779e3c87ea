//! Owns scripts that work on state: what they write is told line by line, they are given time to end, and nothing that they
//! started goes on when their call returns.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, BufReader, PipeReader, Read};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::Mode;
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, umask, waitpid};

use super::{Children, Event, GRACE, ProcessError, Run, Stop, Supervisor, spawning, watch};

/// How long a line may be, in bytes, before it is told in pieces.
const LONGEST_LINE: usize = 4096;

/// How many lines may wait to be told.
const WAITING_LINES: usize = 64;

/// How often it is looked whether processes that were killed are gone.
const LOOK: Duration = Duration::from_millis(10);

static ADOPTS: AtomicBool = AtomicBool::new(false);

/// From now on processes that lose their parent below nixmig become its children (`PR_SET_CHILD_SUBREAPER`, prctl(2)), so
/// that a script's daemons end with the script, whatever group or session they made for themselves.
///
/// Whoever calls this starts no other process beside a script but through this room.
///
/// # Errors
///
/// Fails where the kernel knows nothing of it.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    set_child_subreaper(Some(getpid()))?;
    ADOPTS.store(true, Ordering::Relaxed);
    Ok(())
}

/// A script to run.
#[derive(Debug)]
pub(crate) struct Script<'a> {
    /// Its path, or that of the program which runs it.
    pub(crate) program: &'a OsStr,
    /// Its arguments, as they are.
    pub(crate) arguments: &'a [OsString],
    /// The whole of its environment.
    pub(crate) environment: &'a BTreeMap<String, String>,
    /// Descriptors that it keeps open under whatever number: a lock that must outlive nixmig.
    pub(crate) inherited: &'a [BorrowedFd<'a>],
    /// How long it may take to end once it was told to.
    pub(crate) grace: Duration,
    /// Whether a signal to nixmig leaves it alone: it brings state back.
    pub(crate) shielded: bool,
    /// Whether its two streams are told apart. Else they are one, so that their lines keep their order.
    pub(crate) apart: bool,
}

/// What a line was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output, and standard error where they are not told apart.
    Output,
    /// Standard error.
    Errors,
}

/// How a script ended.
#[derive(Debug)]
pub(crate) struct Followed {
    /// How it ended itself.
    pub(crate) status: ExitStatus,
    /// The signal to nixmig for which it was told to end.
    pub(crate) interrupted: Option<i32>,
    /// It wanted to read from the terminal, and was told to end.
    pub(crate) wanted_terminal: bool,
    /// How many processes it left behind. They were ended.
    pub(crate) left_behind: usize,
}

impl Supervisor {
    /// The signal that told nixmig to end, if one did.
    pub(crate) fn signal(&self) -> Option<i32> {
        match self.0.runs().stop {
            Some(Stop::Signal(signal)) => Some(signal),
            Some(Stop::Cancelled) | None => None,
        }
    }

    /// Runs a script to its end, and tells its lines. Stdin is empty, the directory is `/`, the umask 022.
    ///
    /// A signal to nixmig tells its group to end, once; what is left of the group after the grace is killed.
    ///
    /// # Errors
    ///
    /// Fails where it cannot be started ([`ProcessError::NotFound`], [`ProcessError::Io`]) or nixmig was told to end before
    /// ([`ProcessError::Interrupted`]): nothing ran then. With [`ProcessError::LeftBehind`] something that it started cannot be
    /// ended, and may still write.
    pub(crate) fn follow(
        &self,
        script: &Script<'_>,
        line: &mut dyn FnMut(Stream, &str),
    ) -> Result<Followed, ProcessError> {
        let (events, inbox) = mpsc::channel();
        if !script.shielded {
            let mut runs = self.0.runs();
            if let Some(stop) = runs.stop {
                return Err(stop.into());
            }
            runs.live.push(events.clone());
        }
        let (mut child, outputs, known) = {
            let _alone = spawning();
            let (child, outputs) = spawn(script)?;
            let known = Children::add(Pid::from_child(&child));
            (child, outputs, known)
        };
        let group = Pid::from_child(&child);
        let mut run = Run {
            group,
            inbox,
            ended: false,
            stdout: None,
            stderr: None,
        };
        let (tokens, told) = mpsc::sync_channel(WAITING_LINES);
        let streams = outputs.len();
        let listening = listen(outputs, &tokens, group, &events);
        drop(tokens);
        if let Err(error) = listening {
            run.kill(Signal::KILL);
            let _ = child.wait();
            return Err(error.into());
        }
        let mut following = Following {
            run: &mut run,
            told: &told,
            grace: script.grace,
            untold: streams,
            interrupted: None,
            wanted_terminal: false,
        };
        following.until_it_ends(line);
        let swept = sweep(group, &known, script.grace);
        following.drain(line);
        let (interrupted, wanted_terminal) = (following.interrupted, following.wanted_terminal);
        let status = child.wait()?;
        Ok(Followed {
            status,
            interrupted,
            wanted_terminal,
            left_behind: swept?,
        })
    }
}

fn spawn(script: &Script<'_>) -> io::Result<(std::process::Child, Vec<(Stream, PipeReader)>)> {
    let (output, input) = io::pipe()?;
    let mut outputs = vec![(Stream::Output, output)];
    let errors = match script.apart {
        false => input.try_clone()?,
        true => {
            let (errors, input) = io::pipe()?;
            outputs.push((Stream::Errors, errors));
            input
        }
    };
    // A copy of a descriptor does not close when another program is run. It is open only while nothing else is spawned.
    let inherited: Vec<OwnedFd> = script
        .inherited
        .iter()
        .map(rustix::io::dup)
        .collect::<Result<_, _>>()?;
    let before = umask(Mode::from_raw_mode(0o022));
    let child = Command::new(script.program)
        .args(script.arguments)
        .env_clear()
        .envs(script.environment)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(input)
        .stderr(errors)
        .process_group(0)
        .spawn();
    umask(before);
    drop(inherited);
    Ok((child?, outputs))
}

fn listen(
    outputs: Vec<(Stream, PipeReader)>,
    tokens: &SyncSender<()>,
    leader: Pid,
    events: &Sender<Event>,
) -> io::Result<()> {
    for (stream, output) in outputs {
        let (tokens, lines) = (tokens.clone(), events.clone());
        thread::Builder::new().name("output".to_owned()).spawn(move || {
            tell(stream, output, &tokens, &lines);
            // Nobody listens any more when the run is over.
            let _ = lines.send(Event::Told);
        })?;
    }
    let events = events.clone();
    thread::Builder::new().name("wait".to_owned()).spawn(move || {
        let _ = events.send(watch(leader, &events));
    })?;
    Ok(())
}

/// Tells every line, until the output ends or nobody listens.
fn tell(stream: Stream, output: PipeReader, tokens: &SyncSender<()>, events: &Sender<Event>) {
    let mut line = Vec::new();
    let send = |line: &mut Vec<u8>| {
        let text = String::from_utf8_lossy(line).into_owned();
        line.clear();
        tokens.send(()).is_ok() && events.send(Event::Line(stream, text)).is_ok()
    };
    for byte in BufReader::new(output).bytes() {
        match byte {
            Ok(b'\n') => {
                if !send(&mut line) {
                    return;
                }
            }
            Ok(byte) => {
                line.push(byte);
                if line.len() == LONGEST_LINE && !send(&mut line) {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    if !line.is_empty() {
        send(&mut line);
    }
}

struct Following<'r> {
    run: &'r mut Run,
    told: &'r Receiver<()>,
    grace: Duration,
    /// How many streams are not told to their end.
    untold: usize,
    interrupted: Option<i32>,
    wanted_terminal: bool,
}

impl Following<'_> {
    fn until_it_ends(&mut self, line: &mut dyn FnMut(Stream, &str)) {
        let mut deadline = None;
        while !self.run.ended {
            match self.run.next(deadline) {
                Some(Event::Stop(stop)) if deadline.is_none() => {
                    if let Stop::Signal(signal) = stop {
                        self.interrupted = Some(signal);
                    }
                    deadline = self.end();
                }
                Some(Event::WantsTerminal) if deadline.is_none() => {
                    self.wanted_terminal = true;
                    deadline = self.end();
                }
                Some(event) => self.take(event, line),
                None => {
                    self.run.kill(Signal::KILL);
                    deadline = Some(Instant::now() + self.grace.max(GRACE));
                }
            }
        }
    }

    /// Tells the group to end; until when it may take.
    fn end(&self) -> Option<Instant> {
        self.run.kill(Signal::TERM);
        // A stopped process takes no other signal.
        self.run.kill(Signal::CONT);
        Some(Instant::now() + self.grace)
    }

    fn take(&mut self, event: Event, line: &mut dyn FnMut(Stream, &str)) {
        match event {
            Event::Line(stream, text) => {
                // There is a token for every line.
                let _ = self.told.try_recv();
                line(stream, &text);
            }
            Event::Told => self.untold -= 1,
            // Where its end cannot be waited for, it is waited for once more when it is reaped.
            Event::Ended | Event::Broken(_) => self.run.ended = true,
            Event::Stop(_) | Event::WantsTerminal | Event::Stdout(_) | Event::Stderr(_) | Event::TooMuch => {}
        }
    }

    /// Tells what is left in the pipe. What escaped may hold it open for ever.
    fn drain(&mut self, line: &mut dyn FnMut(Stream, &str)) {
        let deadline = Some(Instant::now() + GRACE);
        while self.untold > 0 {
            match self.run.next(deadline) {
                Some(event) => self.take(event, line),
                None => return,
            }
        }
    }
}

/// Ends what a script left behind, gently first, and says how many that were.
fn sweep(group: Pid, known: &Children, grace: Duration) -> Result<usize, ProcessError> {
    let mut found = known.left(group);
    let count = found.len();
    let begun = Instant::now();
    let mut signal = Signal::TERM;
    while !found.is_empty() {
        if begun.elapsed() > GRACE + grace.max(GRACE) {
            return Err(ProcessError::LeftBehind);
        }
        if begun.elapsed() > GRACE {
            signal = Signal::KILL;
        }
        for pid in found {
            // It fails where the process is gone already.
            let _ = kill_process(pid, signal);
            let _ = kill_process(pid, Signal::CONT);
        }
        thread::sleep(LOOK);
        found = known.left(group);
    }
    Ok(count)
}

impl Children {
    /// The live processes of a group whose leader has ended, and those that nixmig inherited.
    fn left(&self, group: Pid) -> Vec<Pid> {
        let adopts = ADOPTS.load(Ordering::Relaxed);
        let mine = getpid();
        // What is being spawned is known when that is over.
        let _alone = spawning();
        let mut left = Vec::new();
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        for process in processes {
            let Some(stat) = Stat::read(&process.path()) else {
                continue;
            };
            let adopted = adopts && stat.parent == mine.as_raw_pid() && !self.knows(stat.pid);
            let dead = matches!(stat.state, b'Z' | b'X');
            if adopted && dead {
                // It may have been reaped in between.
                let _ = waitpid(Some(stat.pid), WaitOptions::NOHANG);
            } else if !dead && (adopted || stat.group == group.as_raw_pid()) {
                left.push(stat.pid);
            }
        }
        left
    }
}

/// What is wanted of `/proc/PID/stat` (proc(5)).
struct Stat {
    pid: Pid,
    state: u8,
    parent: i32,
    group: i32,
}

impl Stat {
    fn read(process: &std::path::Path) -> Option<Self> {
        let pid = process.file_name()?.to_str()?.parse().ok()?;
        // What is wanted stands at its beginning: a whole file, of whose length nothing is known, takes six calls.
        let mut stat = [0; 256];
        let length = fs::File::open(process.join("stat")).ok()?.read(&mut stat).ok()?;
        let stat = stat.get(..length)?;
        // The name of the program, in parentheses, may hold any bytes.
        let name = stat.iter().rposition(|&byte| byte == b')')?;
        let rest = std::str::from_utf8(stat.get(name + 1..)?).ok()?;
        let mut words = rest.split_ascii_whitespace();
        Some(Self {
            pid: Pid::from_raw(pid)?,
            state: *words.next()?.as_bytes().first()?,
            parent: words.next()?.parse().ok()?,
            group: words.next()?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(text: &str, inherited: &[BorrowedFd<'_>]) -> (Followed, Vec<String>) {
        let script = Script {
            program: OsStr::new("/bin/sh"),
            arguments: &["-c".into(), text.into()],
            environment: &BTreeMap::from([("A".to_owned(), "b c".to_owned())]),
            inherited,
            grace: Duration::from_secs(5),
            shielded: false,
            apart: false,
        };
        let mut lines = Vec::new();
        let followed = Supervisor::new()
            .unwrap()
            .follow(&script, &mut |_, line| lines.push(line.to_owned()));
        (followed.unwrap(), lines)
    }

    #[test]
    fn tells_both_streams_in_their_order_and_nothing_is_inherited() {
        let (followed, lines) = follow("echo one; echo two >&2; printf three; exit 3", &[]);
        assert_eq!(lines, ["one", "two", "three"]);
        assert_eq!(followed.status.code(), Some(3));
        let (_, lines) = follow("/usr/bin/env; pwd; umask; cat", &[]);
        assert!(lines.contains(&"A=b c".to_owned()));
        let foreign = |line: &&String| {
            !["A=", "PWD=", "_=", "SHLVL=", "OLDPWD="]
                .iter()
                .any(|name| line.starts_with(name))
        };
        assert_eq!(lines.iter().filter(foreign).collect::<Vec<_>>(), ["/", "0022"]);
    }

    #[test]
    fn a_flood_of_output_waits_for_its_listener() {
        let (_, lines) = follow(
            "i=0; while [ $i -lt 5000 ]; do echo $i; i=$((i+1)); done; printf '%9000d' 1",
            &[],
        );
        assert_eq!(lines.len(), 5003);
        assert!(lines[5000].len() == LONGEST_LINE && lines[5002].ends_with('1'));
    }

    #[test]
    fn what_it_left_behind_is_ended() {
        let begun = Instant::now();
        let (followed, lines) = follow("(trap '' TERM; sleep 600) & echo $!; sleep 700 &", &[]);
        assert!(followed.status.success() && followed.left_behind >= 2);
        assert!(super::super::tests::is_gone(&lines[0]));
        assert!(begun.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn a_lock_is_inherited() {
        let file = tempfile::tempfile().unwrap();
        let script = "for fd in /proc/self/fd/*; do readlink $fd; done";
        use std::os::fd::AsFd as _;
        let (_, lines) = follow(script, &[file.as_fd()]);
        assert!(lines.iter().any(|line| line.contains("(deleted)")), "{lines:?}");
        let (_, lines) = follow(script, &[]);
        assert!(!lines.iter().any(|line| line.contains("(deleted)")), "{lines:?}");
    }
}
