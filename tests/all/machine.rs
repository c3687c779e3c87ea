//! What nixmig says of the machine that it runs on: with no record, with one, and where the data disagrees with it.

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
    machine: Machine,
    hidden: Vec<(String, &'static str)>,
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

fn steps(versions: &str) -> String {
    versions.split_whitespace().map(step).collect()
}

const OLD: &str = "2023-09-14";
const NEW: &str = "2023-09-14 2024-10-01";

impl Host {
    /// `db` has one step in generation 1, which was booted, and two in generation 2, which runs.
    fn new() -> Self {
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

    fn path(&self, path: &str) -> PathBuf {
        self.machine.directory.path().join(path)
    }

    fn place(&self) -> Place {
        Place {
            state_dir: self.path("var/lib/nixmig"),
            gc_roots: self.path("nix/var/nix/gcroots/nixmig"),
        }
    }

    /// Gives `db` a file.
    fn data(&self) {
        fs::create_dir_all(self.path("var/lib/db")).unwrap();
        fs::write(self.path("var/lib/db/data"), "x").unwrap();
    }

    /// The gate of `db` in a generation.
    fn definition(&self, number: u32) -> Definition {
        let generation = format!("/{}", Machine::system(number));
        let unit = format!("{generation}/etc/systemd/system/migrate-db.service");
        Definition {
            text: fs::read_to_string(self.path(&unit[1..])).unwrap(),
            unit,
            generation,
        }
    }

    /// Appends events to the record, which is made.
    fn record(&mut self, events: &[Event]) {
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
    fn at(&self, minute: &str) {
        let connection = rusqlite::Connection::open(self.place().record()).unwrap();
        connection
            .execute("UPDATE event SET at = printf('%s:%02dZ', ?1, seq)", [minute])
            .unwrap();
    }

    fn met(&self, applied: &str, generation: u32) -> Vec<Event> {
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
    fn seen(&self, arguments: &[&str]) -> String {
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
    fn begun(&self) -> Vec<Event> {
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
    fn failed(&self) -> Vec<Event> {
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
    fn restored(&self) -> Vec<Event> {
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
    fn stuck(&self) -> Vec<Event> {
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

/// All reports of one machine.
fn all(host: &Host) -> String {
    let commands = [
        &["plan", "--exit-code"][..],
        &["status"],
        &["generations"],
        &["history", "--output"],
    ];
    commands
        .iter()
        .map(|arguments| format!("# nixmig {}\n{}\n", arguments.join(" "), host.seen(arguments)))
        .collect()
}

#[test]
fn nothing_is_recorded_yet() {
    let host = Host::new();
    insta::assert_snapshot!("nothing_recorded", all(&host));
}

#[test]
fn up_to_date() {
    let mut host = Host::new();
    host.data();
    host.record(&host.met(NEW, 2));
    insta::assert_snapshot!("up_to_date", all(&host));
}

#[test]
fn pending() {
    let mut host = Host::new();
    host.data();
    host.record(&host.met(OLD, 1));
    insta::assert_snapshot!("pending", all(&host));
}

#[test]
fn interrupted() {
    let mut host = Host::new();
    host.data();
    host.record(&host.begun());
    fs::create_dir_all(host.path("var/lib/nixmig/backups/db-x")).unwrap();
    insta::assert_snapshot!("interrupted", all(&host));
    // Whoever works on it has not been interrupted.
    let lock = fs::File::create(host.path("var/lib/nixmig/locks/db.lock")).unwrap();
    lock.lock().unwrap();
    insta::assert_snapshot!("running", host.seen(&["status"]));
}

#[test]
fn failed_and_brought_back() {
    let mut host = Host::new();
    host.data();
    host.record(&host.restored());
    insta::assert_snapshot!("restored", all(&host));
}

#[test]
fn failed_and_not_brought_back() {
    let mut host = Host::new();
    host.data();
    host.record(&host.stuck());
    insta::assert_snapshot!("stuck", all(&host));
}

#[test]
fn documents_are_as_their_schemas_have_it() {
    let schemas = [
        (&["plan"][..], include_str!("../../docs/schema/plan.schema.json")),
        (&["status"], include_str!("../../docs/schema/status.schema.json")),
        (
            &["history"],
            include_str!("../../docs/schema/history.schema.json"),
        ),
        (
            &["generations"],
            include_str!("../../docs/schema/generations.schema.json"),
        ),
    ];
    let events: [fn(&Host) -> Vec<Event>; 5] = [
        |_| Vec::new(),
        |host| host.met(OLD, 1),
        Host::begun,
        Host::restored,
        Host::stuck,
    ];
    for (number, events) in events.iter().enumerate() {
        let mut host = Host::new();
        host.data();
        let events = events(&host);
        if !events.is_empty() {
            host.record(&events);
        }
        for (arguments, schema) in schemas {
            let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
            jsonschema::draft202012::meta::validate(&schema).unwrap();
            let schema = jsonschema::draft202012::new(&schema).unwrap();
            let mut command = host.machine.nixmig(arguments);
            let output = command.args(["--format", "json"]).output().unwrap();
            let document = serde_json::from_slice(&output.stdout).unwrap();
            if let Err(error) = schema.validate(&document) {
                panic!("{number} {arguments:?}: {}: {error}", error.instance_path());
            }
            if number == 3 {
                let name = format!("json_{}", arguments[0]);
                insta::assert_snapshot!(name, host.seen(&[arguments[0], "--format", "json"]));
            }
        }
    }
}

impl Host {
    /// Steps ran on the data of `db`, which carries the record's stamp where it can.
    fn stamped(&mut self) {
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

    fn stamp(&self, sequence: u64) -> bool {
        let record = nixmig::record::look(&self.place()).unwrap().unwrap().id;
        stamp::write_to(&self.path("var/lib/db"), &Stamp { record, sequence }).unwrap()
    }
}

/// A text without the date and time of its making, as long as it was.
fn undated(text: &str) -> String {
    let now = jiff::Timestamp::now();
    let [today, yesterday] =
        [now, now - jiff::SignedDuration::from_hours(24)].map(|time| time.strftime("%Y-%m-%d").to_string());
    let is_time = |word: &str| word.len() == 5 && word.as_bytes()[2] == b':' && word != "12:00";
    let words = text
        .replace(&today, "YYYY-MM-DD")
        .replace(&yesterday, "YYYY-MM-DD");
    let words = words.split(' ').map(|word| match is_time(word) {
        true => "HH:MM",
        false => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Each in its own words, each with a way out.
#[test]
fn drift() {
    let mut host = Host::new();
    host.stamped();
    if !host.stamp(2) {
        assert!(std::env::var_os("CI").is_none(), "stamps need root and a disk");
        return println!("skipped: no extended attributes can be here");
    }
    let data = host.path("var/lib/db");
    let mut report = String::new();
    let mut say = |host: &Host, what: &str, arguments: &[&str]| {
        report.push_str(&format!("# {what}\n{}\n", host.seen(arguments)));
    };
    say(&host, "as it was left", &["plan"]);
    host.stamp(1);
    say(&host, "an older snapshot was restored", &["plan"]);
    host.stamp(3);
    say(&host, "an older record was restored", &["plan"]);
    let other = Stamp {
        record: nixmig::record::RecordId::from_bytes([0xab; 16]),
        sequence: 2,
    };
    stamp::write_to(&data, &other).unwrap();
    say(&host, "the data of another host", &["plan"]);
    stamp::remove(stamp::open(&data).unwrap()).unwrap();
    say(&host, "the data was replaced", &["plan"]);
    fs::remove_file(data.join("data")).unwrap();
    say(&host, "something empty is in its place", &["plan"]);
    fs::remove_dir(&data).unwrap();
    say(&host, "the data is gone", &["plan"]);
    host.data();
    host.stamp(2);
    host.machine
        .write(2, "etc/fstab", "/dev/x /var/lib/db ext4 defaults 0 2\n");
    say(&host, "it is not mounted", &["plan"]);
    host.machine.write(2, "etc/fstab", "");
    host.machine
        .service(2, "db", &steps("2023-09-14 2024-10-01 2024-12-01"));
    host.at("2099-06-01T12:00");
    let plan = undated(&host.seen(&["plan"]));
    report.push_str(&format!("# the clock is behind\n{plan}\n"));
    report.push_str(&format!(
        "# and somebody says that it is right\n{}\n",
        host.seen(&["plan", "--clock-is-right"])
    ));
    insta::assert_snapshot!("drift", report);
}

/// A record that was lost leaves traces, and nothing is assumed in spite of them.
#[test]
fn a_record_that_was_lost() {
    let mut host = Host::new();
    host.stamped();
    fs::remove_dir_all(host.path("var/lib/nixmig")).unwrap();
    insta::assert_snapshot!("lost_record", host.seen(&["plan"]));
}

/// The record is for root alone, and who is not root is told so.
#[test]
fn somebody_else() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;

    if !rustix::process::geteuid().is_root() {
        return println!("skipped: only root can be somebody else");
    }
    let mut host = Host::new();
    host.data();
    let program = host.path("nixmig");
    fs::copy(env!("CARGO_BIN_EXE_nixmig"), &program).unwrap();
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(host.machine.directory.path(), open).unwrap();
    let mut report = String::new();
    for arguments in [&["plan"][..], &["status"], &["history"], &["generations"]] {
        if arguments == ["status"] {
            host.record(&host.met(OLD, 1));
        }
        let mut command = std::process::Command::new(&program);
        command
            .args(arguments)
            .arg("--root")
            .arg(host.machine.directory.path())
            .env_clear()
            .env("COLUMNS", "100")
            .uid(65534)
            .gid(65534);
        let hidden: Vec<_> = host
            .hidden
            .iter()
            .map(|(text, shown)| (text.as_str(), *shown))
            .collect();
        report.push_str(&format!(
            "# nixmig {}\n{}\n",
            arguments.join(" "),
            seen(&mut command, &hidden)
        ));
    }
    insta::assert_snapshot!("somebody_else", report);
}

/// What a service was on before it left the configuration stays on the record.
#[test]
fn a_service_that_left() {
    let mut host = Host::new();
    host.data();
    host.record(&host.met(NEW, 2));
    for file in ["migrate-db.service", "db.service"] {
        let unit = format!("{}/etc/systemd/system/{file}", Machine::system(2));
        fs::remove_file(host.path(&unit)).unwrap();
    }
    insta::assert_snapshot!("left", all(&host));
}

#[test]
fn a_machine_without_a_generation_that_runs() {
    let mut host = Host::new();
    host.data();
    host.record(&host.met(NEW, 2));
    fs::remove_file(host.path("run/current-system")).unwrap();
    insta::assert_snapshot!("nothing_runs", all(&host));
}

#[test]
fn history_of_some() {
    let mut host = Host::new();
    host.data();
    host.record(&host.restored());
    let output = |arguments: &[&str]| host.seen(arguments);
    insta::assert_snapshot!("history_last", output(&["history", "db", "--last", "2"]));
    insta::assert_snapshot!("history_other", output(&["history", "web"]));
}

/// Whatever its record says, the data is asked what it is on: by a script of the generation, on a machine whose root is `/`.
#[test]
fn the_data_is_asked() {
    use std::os::unix::fs::PermissionsExt as _;

    let host = Host::new();
    host.data();
    let root = host.machine.directory.path().display().to_string();
    let script = format!("nix/store/{}-detect", "d".repeat(32));
    let gate = format!(
        "[Unit]\nX-Migration-Format=1\nX-Migration-Service=db\nX-Migration-Units=db.service\n\
         X-Migration-StateDirectories=[\"{root}/var/lib/db\"]\nX-Migration-Detect={root}/{script}\n{}\n[Service]\nType=oneshot\n",
        steps(NEW)
    );
    let file = "etc/systemd/system/migrate-db.service";
    host.machine.write(2, file, &gate);
    let generation = format!("{root}/{}", Machine::system(2));
    let place = host.place();
    let mut report = String::new();
    for (what, words) in [
        (
            "it answers, after a complaint",
            "echo cannot read the locale >&2; echo 2023-09-14",
        ),
        (
            "it knows its place",
            "test -z \"$BACKUP$MIGRATION_VERSION\" && test \"$MIGRATION_SERVICE\" = db && echo 2024-10-01",
        ),
        ("it answers what no history has", "echo 2020-01-01"),
        ("it says nothing", "true"),
        ("it says something else", "echo 17"),
        ("it fails", "echo no such file >&2; exit 3"),
    ] {
        host.machine.file(&script, &format!("#!/bin/sh\n{words}\n"));
        fs::set_permissions(host.path(&script), fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = crate::cli::nixmig(&["plan", &generation]);
        command
            .arg("--state-dir")
            .arg(&place.state_dir)
            .arg("--gc-roots")
            .arg(&place.gc_roots);
        report.push_str(&format!("# {what}\n{}\n", seen(&mut command, &[(&root, "ROOT")])));
    }
    insta::assert_snapshot!("detect", report);
}

/// Somebody may know better which generation ran last.
#[test]
fn another_generation_ran_last() {
    let host = Host::new();
    host.data();
    insta::assert_snapshot!("from", host.seen(&["plan", "--from", "2"]));
}
