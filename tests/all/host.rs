//! Owns a machine made by hand whose record and state directories lie below its root, for the tests that look at one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nixmig::model::{Backup, BackupBy, Definition, RunId, ServiceName, Version};
use nixmig::record::stamp::{self, Stamp};
use nixmig::record::{Event, Outcome, Place, Record, RunOutcome, StepPart, StepRecord, Way};

use crate::cli::{Machine, seen};

const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// A machine made by hand whose record and state directories lie below its root.
pub(crate) struct Host {
    pub(crate) machine: Machine,
    pub(crate) hidden: Vec<(String, &'static str)>,
}

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

fn versions(text: &str) -> Vec<Version> {
    text.split_whitespace().map(version).collect()
}

fn step(version: &str) -> String {
    let script = format!("/nix/store/{}-script", "s".repeat(32));
    format!(
        "\n[X-Migration {version}]\nUpDigest={DIGEST}\nUpScript={script}\nDownDigest={DIGEST}\nDownScript={script}\n"
    )
}

pub(crate) fn steps(versions: &str) -> String {
    versions.split_whitespace().map(step).collect()
}

pub(crate) const OLD: &str = "2023-09-14";
pub(crate) const NEW: &str = "2023-09-14 2024-10-01";

impl Host {
    /// `db` has one step in generation 1, which was booted, and two in generation 2, which runs.
    pub(crate) fn new() -> Self {
        // The record is refused where a boot would empty it.
        let machine = Machine::in_directory(Path::new("/var/tmp"));
        machine.service(1, "db", &steps(OLD));
        machine.service(2, "db", &steps(NEW));
        let root = machine.directory.path().display().to_string();
        Self {
            machine,
            hidden: vec![(root, "ROOT")],
        }
    }

    pub(crate) fn root(&self) -> String {
        self.machine.directory.path().display().to_string()
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.machine.directory.path().join(path)
    }

    pub(crate) fn place(&self) -> Place {
        Place {
            state_dir: self.path("var/lib/nixmig"),
            gc_roots: self.path("nix/var/nix/gcroots/nixmig"),
            guards: self.path("etc/systemd/system.control"),
        }
    }

    /// Gives `db` a file.
    pub(crate) fn data(&self) {
        fs::create_dir_all(self.path("var/lib/db")).unwrap();
        fs::write(self.path("var/lib/db/data"), "x").unwrap();
    }

    /// The gate of `db` in a generation.
    pub(crate) fn definition(&self, number: u32) -> Definition {
        let generation = format!("/{}", Machine::system(number));
        let unit = format!("{generation}/etc/systemd/system/migrate-db.service");
        Definition {
            text: fs::read_to_string(self.path(&unit[1..])).unwrap(),
            unit,
            generation,
        }
    }

    /// Appends events to the record, which is made.
    pub(crate) fn record(&mut self, events: &[Event]) {
        fs::create_dir_all(self.path("var/lib")).unwrap();
        fs::create_dir_all(self.path("nix/var/nix/gcroots")).unwrap();
        let mut record = Record::open(&self.place()).unwrap();
        record.append(events).unwrap();
        let id = record.view().unwrap().id.to_string();
        drop(record);
        self.at("2025-06-01T12:00");
        if self.hidden.iter().all(|(_, shown)| *shown != "RECORD") {
            self.hidden.push((id, "RECORD"));
        }
    }

    /// Has everything happened in the seconds from a minute on.
    pub(crate) fn at(&self, minute: &str) {
        let connection = rusqlite::Connection::open(self.place().record()).unwrap();
        connection
            .execute("UPDATE event SET at = printf('%s:%02dZ', ?1, seq)", [minute])
            .unwrap();
    }

    pub(crate) fn met(&self, applied: &str, generation: u32) -> Vec<Event> {
        let definition = self.definition(generation);
        vec![
            Event::Met {
                service: db(),
                applied: versions(applied),
                sources: vec!["its units not being there before".to_owned()],
                generation: definition.generation.clone(),
                sequence: 1,
                stamped: Vec::new(),
            },
            Event::Defined {
                service: db(),
                definition,
                current: true,
            },
        ]
    }

    /// nixmig on it.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.machine.nixmig(arguments)
    }

    /// What it says, with what differs from run to run taken out.
    pub(crate) fn seen(&self, arguments: &[&str]) -> String {
        let hidden: Vec<_> = self
            .hidden
            .iter()
            .map(|(text, shown)| (text.as_str(), *shown))
            .collect();
        seen(&mut self.command(arguments), &hidden)
    }
}

fn db() -> ServiceName {
    "db".parse().unwrap()
}

fn run() -> RunId {
    RunId::from_bytes([1, 35, 69, 103, 137, 171, 205, 239])
}

impl Host {
    /// A run of `db` to generation 2, whose script has begun.
    pub(crate) fn begun(&self) -> Vec<Event> {
        let definition = self.definition(2);
        let mut events = self.met(OLD, 1);
        events.extend([
            Event::Defined {
                service: db(),
                definition: definition.clone(),
                current: true,
            },
            Event::RunBegun {
                run: run(),
                service: db(),
                generation: definition.generation.clone(),
                package: None,
                applied: versions(OLD),
                steps: vec![StepRecord {
                    direction: Way::Up,
                    version: version("2024-10-01"),
                    swallowed: Vec::new(),
                    digest: Some(DIGEST.parse().unwrap()),
                    unit: definition.unit,
                }],
            },
            Event::StepBegun {
                run: run(),
                n: 0,
                backup: Some(Backup {
                    directory: self.path("var/lib/nixmig/backups/db-x").display().to_string(),
                    by: BackupBy::Nixmig,
                }),
            },
            Event::BackupMade { run: run(), n: 0 },
            Event::ScriptBegun { run: run(), n: 0 },
        ]);
        events
    }

    /// The same, failed in its script.
    pub(crate) fn failed(&self) -> Vec<Event> {
        let mut events = self.begun();
        let output = "copying\nno space left on \u{1b}[1mdevice\n".to_owned();
        events.extend([
            Event::PartEnded {
                run: run(),
                n: 0,
                part: StepPart::Script,
                outcome: Outcome::Exited(1),
                milliseconds: 61_500,
                output: output.clone(),
            },
            Event::StepFailed {
                run: run(),
                n: 0,
                part: StepPart::Script,
                outcome: Outcome::Exited(1),
                output,
            },
            Event::RestoreBegun { run: run(), n: 0 },
        ]);
        events
    }

    /// The same, brought back.
    pub(crate) fn restored(&self) -> Vec<Event> {
        let mut events = self.failed();
        events.extend([
            Event::Restored {
                run: run(),
                n: 0,
                applied: versions(OLD),
                sequence: 2,
                stamped: Vec::new(),
            },
            Event::BackupDropped { run: run(), n: 0 },
            Event::RunEnded {
                run: run(),
                outcome: RunOutcome::Restored { n: 0 },
            },
        ]);
        events
    }

    /// The same, not brought back.
    pub(crate) fn stuck(&self) -> Vec<Event> {
        let mut events = self.failed();
        events.extend([
            Event::RestoreFailed {
                run: run(),
                n: 0,
                outcome: Outcome::Error("no space left on device".to_owned()),
                output: String::new(),
            },
            Event::RunEnded {
                run: run(),
                outcome: RunOutcome::Failed { n: 0 },
            },
            Event::Held {
                service: db(),
                units: vec!["db.service".parse().unwrap()],
                generation: None,
            },
        ]);
        events
    }
}

/// Machines without a record, and with records of all kinds.
pub(crate) fn machines() -> Vec<Host> {
    let events: [fn(&Host) -> Vec<Event>; 4] =
        [|_| Vec::new(), |host| host.met(OLD, 1), Host::begun, Host::stuck];
    let machine = |events: fn(&Host) -> Vec<Event>| {
        let mut host = Host::new();
        host.data();
        let events = events(&host);
        if !events.is_empty() {
            host.record(&events);
        }
        host
    };
    events.into_iter().map(machine).collect()
}

impl Host {
    /// Steps ran on the data of `db`, which carries the record's stamp where it can.
    pub(crate) fn stamped(&mut self) {
        self.data();
        let mut events = self.begun();
        events.extend([
            Event::StepFinished {
                run: run(),
                n: 0,
                applied: versions(NEW),
                sequence: 2,
                stamped: vec!["/var/lib/db".to_owned()],
            },
            Event::BackupDropped { run: run(), n: 0 },
            Event::RunEnded {
                run: run(),
                outcome: RunOutcome::Arrived,
            },
        ]);
        self.record(&events);
        self.stamp(2);
    }

    pub(crate) fn stamp(&self, sequence: u64) -> bool {
        let record = nixmig::record::look(&self.place()).unwrap().unwrap().id;
        stamp::write(
            stamp::open(&self.path("var/lib/db")).unwrap(),
            &Stamp { record, sequence },
        )
        .unwrap()
    }
}
