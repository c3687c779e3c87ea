//! Owns programs that answer at once, or question by question, and hold nothing that could be left half done: git's plumbing.
//! They stay in nixmig's own process group, so that what ends it ends them.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufReader};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

/// What to run.
pub(crate) struct Question<'a> {
    /// The program: a name that `PATH` is searched for.
    pub(crate) program: &'a str,
    /// Its arguments, as they are.
    pub(crate) arguments: Vec<OsString>,
    /// What is set for it besides what nixmig was given.
    pub(crate) environment: &'a [(&'a str, &'a str)],
}

/// A program that runs until its input ends.
pub(crate) struct Dialogue {
    child: Child,
    /// None once nothing more is to be asked.
    pub(crate) input: Option<ChildStdin>,
    pub(crate) output: BufReader<ChildStdout>,
}

impl Question<'_> {
    fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|&(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Adds an argument.
    pub(crate) fn argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Runs to the end.
    ///
    /// # Errors
    ///
    /// Fails where the program cannot be started; a bad exit status is no error here.
    pub(crate) fn answer(&self) -> io::Result<Output> {
        self.command().output()
    }

    /// Starts to ask.
    ///
    /// # Errors
    ///
    /// Fails where the program cannot be started.
    pub(crate) fn ask(&self) -> io::Result<Dialogue> {
        let mut child = self
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("there are no pipes to it"));
        };
        Ok(Dialogue {
            child,
            input: Some(input),
            output: BufReader::new(output),
        })
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        self.input = None;
        // It may still be writing what nobody reads. One that has ended is only waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
