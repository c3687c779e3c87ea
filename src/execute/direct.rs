//! Owns running scripts in nixmig's own process: in containers, in tests, wherever there is no systemd.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use super::privileges::{Account, AccountError};
use super::script::{Ended, ExecuteError, Executor, ScriptJob, Tail, check};
use crate::generation::gate::Gate;
use crate::process::{ProcessError, Script, Stream, Supervisor, adopt_orphans};
use crate::record::Outcome;

/// How long a script may take to end once it was told to.
const GRACE: Duration = Duration::from_secs(90);

/// Runs scripts as children of nixmig, each in a process group of its own.
#[derive(Debug)]
pub struct DirectExecutor {
    supervisor: Supervisor,
    nixmig: OsString,
    grace: Duration,
}

impl DirectExecutor {
    /// Takes over the signals that would end nixmig, for as long as it lives.
    ///
    /// # Errors
    ///
    /// Fails where the system has no room for the handlers.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            supervisor: Supervisor::new()?,
            // The program that runs, even where its file is not there any more.
            nixmig: "/proc/self/exe".into(),
            grace: GRACE,
        })
    }

    /// The same, to which every process falls that a script leaves behind in a group or session of its own: it ends with the
    /// script, too. For the whole of this process, which starts others only through here.
    ///
    /// # Errors
    ///
    /// Fails where the kernel knows nothing of it.
    pub fn adopting(self) -> io::Result<Self> {
        adopt_orphans()?;
        Ok(self)
    }

    /// The same with another nixmig to drop privileges.
    pub fn with_nixmig(self, nixmig: impl Into<OsString>) -> Self {
        Self {
            nixmig: nixmig.into(),
            ..self
        }
    }

    /// Runs a program that runs the script of a job, or is it.
    pub(crate) fn follow(
        &self,
        job: &ScriptJob<'_>,
        program: &OsStr,
        arguments: &[OsString],
        environment: &BTreeMap<String, String>,
        line: &mut dyn FnMut(&str),
    ) -> Result<Ended, ExecuteError> {
        let request = Script {
            program,
            arguments,
            environment,
            inherited: job.locks,
            grace: self.grace,
            shielded: job.shielded,
            apart: job.answers,
        };
        let mut tail = Tail::default();
        let begun = Instant::now();
        let followed = self.supervisor.follow(&request, &mut |stream, text| {
            tail.push(text);
            if stream == Stream::Output {
                line(text);
            }
        });
        let script = || job.script.to_owned();
        let followed = followed.map_err(|problem| match problem {
            ProcessError::LeftBehind => ExecuteError::StillRunning { script: script() },
            problem => ExecuteError::NotRun {
                script: script(),
                problem,
            },
        })?;
        let outcome = if followed.interrupted.is_some() {
            Outcome::Interrupted
        } else if followed.wanted_terminal {
            Outcome::Error("it wanted to ask something at a terminal, and there is none".to_owned())
        } else {
            outcome(followed.status)
        };
        Ok(Ended {
            outcome,
            output: tail.text(),
            elapsed: begun.elapsed(),
            left_behind: followed.left_behind,
        })
    }

    /// The same with another time that a script may take to end once it was told to.
    pub fn with_grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }
}

impl Executor for DirectExecutor {
    fn account(&self, gate: &Gate) -> Result<Account, AccountError> {
        Account::of(&gate.service_config)
    }

    fn run(&self, job: &ScriptJob<'_>, line: &mut dyn FnMut(&str)) -> Result<Ended, ExecuteError> {
        check(job.script, job.store)?;
        let script = OsStr::new(job.script);
        let other = job.account.arguments(script);
        let program = if other.is_some() { &self.nixmig } else { script };
        self.follow(
            job,
            program,
            other.as_deref().unwrap_or_default(),
            job.environment,
            line,
        )
    }

    fn stopped(&self) -> Option<i32> {
        self.supervisor.signal()
    }
}

fn outcome(status: ExitStatus) -> Outcome {
    match (status.code(), status.signal()) {
        (Some(code), _) => Outcome::Exited(code),
        (None, Some(signal)) => Outcome::Signalled(signal),
        (None, None) => Outcome::Error("nobody knows how it ended".to_owned()),
    }
}
