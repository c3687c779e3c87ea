//! What nixmig says of the machine that it runs on: with no record, with one, and where the data disagrees with it.

use std::fs;

use nixmig::record::Event;
use nixmig::record::stamp::{self, Stamp};

use crate::cli::{Machine, seen};
use crate::host::{Host, NEW, OLD, steps};

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
    stamp::write(stamp::open(&data).unwrap(), &other).unwrap();
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

/// A machine whose root is `/` and whose `db` has a `detect` script, which counts its runs.
struct Asked {
    host: Host,
    generation: String,
}

impl Asked {
    fn new() -> Self {
        let host = Host::new();
        host.data();
        let asked = Self {
            generation: format!("{}/{}", host.root(), Machine::system(2)),
            host,
        };
        asked.declare(NEW);
        asked
    }

    fn script(&self) -> String {
        format!("nix/store/{}-detect", "d".repeat(32))
    }

    fn declare(&self, versions: &str) {
        let root = self.host.root();
        let gate = format!(
            "[Unit]\nX-Migration-Format=1\nX-Migration-Service=db\nX-Migration-Units=db.service\n\
             X-Migration-StateDirectories=[\"{root}/var/lib/db\"]\nX-Migration-Detect={root}/{}\n{}\n[Service]\n\
             Type=oneshot\n",
            self.script(),
            steps(versions)
        );
        let file = "etc/systemd/system/migrate-db.service";
        self.host.machine.write(2, file, &gate);
    }

    fn answers(&self, words: &str) {
        use std::os::unix::fs::PermissionsExt as _;

        let script = self.script();
        let count = self.host.path("asked").display().to_string();
        let text = format!("#!/bin/sh\necho asked >> {count}\n{words}\n");
        self.host.machine.file(&script, &text);
        fs::set_permissions(self.host.path(&script), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn plan(&self) -> String {
        let place = self.host.place();
        let mut command = crate::cli::nixmig(&["plan", &self.generation]);
        command.arg("--state-dir").arg(&place.state_dir);
        command.arg("--gc-roots").arg(&place.gc_roots);
        command.arg("--guards").arg(&place.guards);
        seen(&mut command, &[(&self.host.root(), "ROOT")])
    }

    /// How often it was asked.
    fn times(&self) -> usize {
        let count = fs::read_to_string(self.host.path("asked"));
        count.map_or(0, |count| count.lines().count())
    }
}

/// At first contact the data is asked what it is on, by a script of the generation.
#[test]
fn the_data_is_asked() {
    let asked = Asked::new();
    let mut report = String::new();
    let own = r#"test -z "$BACKUP$MIGRATION_VERSION" && test "$MIGRATION_SERVICE" = db && echo 2024-10-01"#;
    for (what, words) in [
        (
            "it answers, after a complaint",
            "echo cannot read the locale >&2; echo 2023-09-14",
        ),
        ("it knows its place", own),
        ("it answers what no history has", "echo 2020-01-01"),
        ("it says nothing", "true"),
        ("it says something else", "echo 17"),
        ("it fails", "echo no such file >&2; exit 3"),
    ] {
        asked.answers(words);
        report.push_str(&format!("# {what}\n{}\n", asked.plan()));
    }
    insta::assert_snapshot!("detect", report);
}

/// Where a stamp vouches for the data and nothing would run, no process is started; else the data has the last word.
#[test]
fn the_data_is_asked_again_where_it_matters() {
    let mut asked = Asked::new();
    asked.answers("echo 2023-09-14");
    let directory = format!("{}/var/lib/db", asked.host.root());
    let mut events = asked.host.met(NEW, 2);
    if let Some(Event::Met { stamped, .. }) = events.first_mut() {
        stamped.push(directory);
    }
    asked.host.record(&events);
    if !asked.host.stamp(1) {
        assert!(std::env::var_os("CI").is_none(), "stamps need root and a disk");
        return println!("skipped: no extended attributes can be here");
    }
    let plan = asked.plan();
    assert!(asked.times() == 0 && plan.contains("unchanged: db"), "{plan}");
    // Something would run.
    asked.declare("2023-09-14 2024-10-01 2024-12-01");
    let plan = asked.plan();
    assert!(asked.times() == 1 && plan.contains("warning[drift]"), "{plan}");
    // The stamp is not right; what the data says counts for more.
    asked.declare(NEW);
    asked.host.stamp(0);
    let plan = asked.plan();
    assert!(asked.times() == 2 && !plan.contains("refused"), "{plan}");
    // Another host's data is not asked.
    fs::remove_dir_all(asked.host.path("var/lib/db")).unwrap();
    let plan = asked.plan();
    assert!(asked.times() == 2 && plan.contains("refused[drift]"), "{plan}");
}

/// Somebody may know better which generation ran last.
#[test]
fn another_generation_ran_last() {
    let host = Host::new();
    host.data();
    insta::assert_snapshot!("from", host.seen(&["plan", "--from", "2"]));
}
