//! Owns the ways to call nixmig on a machine, and what it said.

use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::text::{commands, steady};
use crate::cli::{nixmig, seen};

use super::world::World;

impl World {
    /// A call of nixmig on it.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = nixmig(arguments);
        self.name_places(&mut command);
        command
    }

    fn name_places(&self, command: &mut Command) {
        command
            .arg("--state-dir")
            .arg(&self.state_dir)
            .arg("--gc-roots")
            .arg(self.path("gcroots/nixmig"))
            .arg("--guards")
            .arg(self.path("guards"));
        command.arg("--profile").arg(self.path("profiles/system"));
    }

    /// Calls nixmig at a time that the clock does not say, as `2 years ago`.
    pub(crate) fn at_time(&self, when: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("faketime");
        command
            .arg(when)
            .arg(env!("CARGO_BIN_EXE_nixmig"))
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("COLUMNS", "100")
            .stdin(Stdio::null());
        self.name_places(&mut command);
        command
    }

    /// Calls nixmig; all that can be seen of it, without what differs from run to run.
    pub(crate) fn seen(&self, arguments: &[&str]) -> String {
        self.seen_of(&mut self.command(arguments))
    }

    /// The same of a command.
    pub(crate) fn seen_of(&self, command: &mut Command) -> String {
        let base = self.directory.path().to_str().unwrap();
        steady(&seen(command, &[(base, "BASE")]))
    }

    /// Calls nixmig, which has to end so; all that it said.
    pub(crate) fn ends(&self, code: i32, arguments: &[&str]) -> String {
        ended(&mut self.command(arguments), code)
    }

    /// Migrates to a generation, which has to end well.
    pub(crate) fn arrive(&self, number: usize, from: &str) {
        self.ends(0, &["migrate", &number.to_string(), "--from", from]);
    }

    /// Begins a call of nixmig.
    pub(crate) fn begin(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Types the first of the commands in a text that begins with these words, as a person would; placeholders are filled in.
    pub(crate) fn types(&self, text: &str, begins: &str, fill: &[(&str, &str)]) -> Output {
        let words = commands(text);
        let found = words.iter().find(|command| command.starts_with(begins));
        let mut line = found
            .unwrap_or_else(|| panic!("no `{begins}` in {words:?} of\n{text}"))
            .clone();
        for (placeholder, word) in fill {
            line = line.replace(placeholder, word);
        }
        let arguments: Vec<_> = line.split_whitespace().skip(1).collect();
        self.command(&arguments).output().unwrap()
    }

    /// What is applied to a service, as `status` has it; `unknown` where it does not know.
    pub(crate) fn applied(&self, service: &str) -> String {
        let output = self.command(&["status", "--format", "json"]).output().unwrap();
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let services = status["services"].as_array().unwrap();
        let found = services.iter().find(|found| found["name"] == service);
        found.map_or("unknown".to_owned(), |found| {
            let versions = found["applied"].as_array().unwrap().iter();
            versions
                .map(|version| version.as_str().unwrap())
                .collect::<Vec<_>>()
                .join(" ")
        })
    }
}

/// Runs a command that has to end so; all that it said.
pub(crate) fn ended(command: &mut Command, code: i32) -> String {
    let output = command.output().unwrap();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(code), "{command:?}\n{said}");
    said
}

/// Both streams.
pub(crate) fn said(output: &Output) -> String {
    let both = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(both).unwrap()
}

/// Waits until something is so.
pub(crate) fn wait(what: &str, is: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is() {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether tests run as root, which some need. They say so where they do not, and fail with `CI` set.
pub(crate) fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        assert!(
            std::env::var_os("CI").is_none(),
            "with CI set no test is skipped: run it as root"
        );
        println!("skipped: it needs root");
    }
    root
}
