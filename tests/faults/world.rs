//! Owns a small world to break: a service whose state tells by every byte which version it is on, generations that
//! migrate it, a record, and ways to make a script end badly at a named place. Knows nothing of file systems.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The versions of the service's history. State "on n" has the first n of them applied.
pub(crate) const VERSIONS: [&str; 4] = ["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"];

/// The step with a `backup` and `restore` of its own; nixmig backs up for the others.
const SCRIPTED: usize = 3;

/// How many files the state has besides its markers.
const FILES: usize = 12;

/// A service, its generations, its record.
#[derive(Debug)]
pub(crate) struct World {
    /// Where closures and the control files are.
    base: PathBuf,
    /// Where the state directory's file system is.
    pub(crate) state: PathBuf,
    /// Where the record's file system is.
    pub(crate) record: PathBuf,
    /// The toplevels, by what their histories end on.
    toplevels: Vec<PathBuf>,
    /// That of a generation without gates.
    unaware: PathBuf,
    flushes: Cell<bool>,
}

/// How a call of nixmig ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit code; none where a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it said on both streams.
    pub(crate) said: String,
}

impl World {
    /// Lays out the closures below `base`; state and record have a directory, each on a file system of its own.
    pub(crate) fn new(base: &Path, state: &Path, record: &Path) -> Self {
        let mut world = Self {
            base: base.to_owned(),
            state: state.to_owned(),
            record: record.to_owned(),
            toplevels: Vec::new(),
            unaware: base.join("store/u123456789abcdfghijklmnpqrsvwxyz-nixos-system"),
            flushes: Cell::new(true),
        };
        fs::create_dir_all(world.control("")).unwrap();
        fs::create_dir_all(world.record.join("gcroots")).unwrap();
        fs::create_dir_all(base.join("profiles")).unwrap();
        let units = world.unaware.join("etc/systemd/system");
        fs::create_dir_all(&units).unwrap();
        fs::write(units.join("app.service"), "[Service]\nExecStart=/bin/true\n").unwrap();
        for head in 0..=VERSIONS.len() {
            let toplevel = world.generation(head);
            world.toplevels.push(toplevel);
        }
        world
    }

    /// The state directory.
    pub(crate) fn app(&self) -> PathBuf {
        self.state.join("app")
    }

    /// nixmig's directory.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.record.join("nixmig")
    }

    /// The directory of guards.
    fn guards(&self) -> PathBuf {
        self.record.join("guards")
    }

    /// Whether a generation can be booted that starts the service and knows nothing of migrations.
    pub(crate) fn has_unaware(&self, has: bool) {
        let link = self.base.join("profiles/system-1-link");
        match has {
            false => drop(fs::remove_file(link)),
            true => symlink(&self.unaware, link).unwrap(),
        }
    }

    /// How many runs were begun.
    pub(crate) fn runs(&self) -> usize {
        let ended = self.nixmig(&["history", "--format", "json"], None);
        ended.said.matches("\"run-begun\"").count()
    }

    /// Whether systemd would ask the guard before the service starts.
    pub(crate) fn is_guarded(&self) -> bool {
        let read = |name: &str| fs::read_to_string(self.guards().join(name)).unwrap_or_default();
        let unit = read("nixmig-guard-app.service");
        let drop_in = read("app.service.d/50-nixmig-app.conf");
        unit.contains("\nExecStart=")
            && unit.ends_with(&format!(" --guards {}\n", self.guards().display()))
            && drop_in.contains("\nRequires=nixmig-guard-app.service\n")
            && drop_in.ends_with("\nAfter=nixmig-guard-app.service\n")
    }

    fn control(&self, name: &str) -> PathBuf {
        self.base.join("control").join(name)
    }

    /// Has a script do something when it comes to a place: `up-2024-02-01-script-middle exit`.
    pub(crate) fn script_fault(&self, place: &str, what: &str) {
        fs::write(self.control("fault"), format!("{place} {what}\n")).unwrap();
    }

    /// Takes back what the last test wished for.
    pub(crate) fn calm(&self) {
        for name in ["fault", "at", "go"] {
            let _ = fs::remove_file(self.control(name));
        }
    }

    /// Waits until something has come to the place where it waits.
    ///
    /// # Errors
    ///
    /// Fails where it ended before it came there.
    pub(crate) fn wait_at(&self, child: &mut Child) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.control("at").exists() {
            if Instant::now() > deadline {
                return Err("nothing came to where it was to wait".to_owned());
            }
            if let Some(status) = child.try_wait().unwrap() {
                let mut said = String::new();
                if let Some(mut pipe) = child.stderr.take() {
                    let _ = io::Read::read_to_string(&mut pipe, &mut said);
                }
                return Err(format!(
                    "it ended ({status}) before it came to where it was to wait:\n{said}"
                ));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Lets a script that waits go on.
    pub(crate) fn go(&self) {
        fs::write(self.control("go"), "").unwrap();
    }

    /// Whether nixmig is to leave out every flush from here on.
    pub(crate) fn without_flushes(&self, without: bool) {
        self.flushes.set(!without);
    }

    /// A call of nixmig, with a fault of its own.
    pub(crate) fn command(&self, words: &[&str], fault: Option<&str>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nixmig"));
        command
            .args(words)
            .arg("--state-dir")
            .arg(self.state_dir())
            .arg("--gc-roots")
            .arg(self.record.join("gcroots/nixmig"))
            .arg("--guards")
            .arg(self.guards())
            .arg("--profile")
            .arg(self.base.join("profiles/system"))
            .env("NO_COLOR", "1")
            .env_remove("NIXMIG_FAULT")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if !self.flushes.get() {
            command.env("NIXMIG_FAULT_NO_FLUSH", "1");
        }
        if let Some(fault) = fault {
            command
                .env("NIXMIG_FAULT", fault)
                .env("NIXMIG_FAULT_AT", self.control("at"));
        }
        command
    }

    /// Calls nixmig and waits for its end.
    pub(crate) fn nixmig(&self, words: &[&str], fault: Option<&str>) -> Ended {
        Ended::from(self.command(words, fault).output().unwrap())
    }

    /// The words by which one migrates to the generation with a head.
    pub(crate) fn migrate(&self, head: usize) -> [&str; 4] {
        let toplevel = self.toplevels[head].to_str().unwrap();
        ["migrate", toplevel, "--service", "app"]
    }

    /// Migrates to the generation with a head.
    pub(crate) fn migrates(&self, head: usize) -> Ended {
        self.nixmig(&self.migrate(head), None)
    }

    /// What the record says is applied, as "on n".
    pub(crate) fn applied(&self) -> usize {
        let ended = self.nixmig(&["status", "--format", "json"], None);
        let status: serde_json::Value = serde_json::from_str(ended.said.trim())
            .unwrap_or_else(|error| panic!("status is no JSON: {error}\n{}", ended.said));
        let services = status["services"].as_array().expect("services");
        let app = services
            .iter()
            .find(|service| service["name"] == "app")
            .unwrap_or_else(|| panic!("no service in {status}"));
        let applied: Vec<_> = app["applied"].as_array().expect("applied").iter().collect();
        let versions: Vec<_> = applied
            .iter()
            .map(|applied| applied.as_str().expect("a version"))
            .collect();
        assert_eq!(versions, VERSIONS[..versions.len()], "{status}");
        versions.len()
    }

    /// What the state is on; a word for what is wrong where it is on nothing.
    pub(crate) fn state_is_on(&self) -> Result<usize, String> {
        let marker =
            fs::read_to_string(self.app().join("version")).map_err(|error| format!("version: {error}"))?;
        let on: usize = marker
            .trim()
            .parse()
            .map_err(|_| format!("version says {marker:?}"))?;
        let (expected, found) = (tree(on), found(&self.app(), Path::new("")));
        let mut names: Vec<_> = expected.keys().chain(found.keys()).collect();
        names.retain(|name| expected.get(*name) != found.get(*name));
        match names.is_empty() {
            true => Ok(on),
            false => Err(format!(
                "the state says that it is on {on} and is torn at {names:?}"
            )),
        }
    }

    /// Makes the state as a service would have, on a version.
    pub(crate) fn write_state(&self, on: usize) {
        let app = self.app();
        let _ = fs::remove_dir_all(app.join("data"));
        fs::create_dir_all(app.join("data")).unwrap();
        for file in (0..FILES).map(|file| format!("data/f{file}")) {
            fs::write(app.join(&file), content(&file, on)).unwrap();
        }
        fs::write(app.join(format!("data/only-{on}")), content("", on)).unwrap();
        symlink(format!("f{on}"), app.join("data/link")).unwrap();
        fs::write(app.join("version"), format!("{on}\n")).unwrap();
    }

    /// All bytes of the record, to see whether anything was written.
    pub(crate) fn record_bytes(&self) -> Vec<u8> {
        fs::read(self.state_dir().join("record.sqlite")).unwrap()
    }

    /// Whether a backup is left anywhere.
    pub(crate) fn backups(&self) -> Vec<PathBuf> {
        let places = [
            self.state_dir().join("backups"),
            self.state.join(".nixmig/backups"),
        ];
        let mut found = Vec::new();
        for place in places {
            for entry in fs::read_dir(place).into_iter().flatten() {
                found.push(entry.unwrap().path());
            }
        }
        found
    }

    /// What lies beside the state directory and should not.
    pub(crate) fn cruft(&self) -> Vec<String> {
        let beside = fs::read_dir(&self.state).unwrap();
        let names = beside.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        names
            .filter(|name| !["app", "lost+found", ".nixmig"].contains(&name.as_str()))
            .collect()
    }

    /// The generation whose history has the first `head` versions.
    fn generation(&self, head: usize) -> PathBuf {
        let store = self.base.join("store");
        let place = |name: &str| {
            // Any 32 of the store's digits.
            store.join(format!("{head}123456789abcdfghijklmnpqrsvwxyz-{name}"))
        };
        let (toplevel, etc) = (place("nixos-system"), place("etc"));
        let units = etc.join("etc/systemd/system");
        fs::create_dir_all(&units).unwrap();
        fs::create_dir_all(&toplevel).unwrap();
        symlink(etc.join("etc"), toplevel.join("etc")).unwrap();
        fs::write(etc.join("etc/os-release"), "ID=nixos\nVERSION_ID=\"25.05\"\n").unwrap();
        let mut gate = format!(
            "[Unit]\nBefore=app.service\nX-Migration-Format=1\nX-Migration-Service=app\n\
             X-Migration-Units=app.service\nX-Migration-StateDirectories=[\"{}\"]\n\
             X-Migration-Environment={{\"CONTROL\":\"{}\",\"APP\":\"{}\"}}\n",
            self.app().display(),
            self.control("").display(),
            self.app().display(),
        );
        for (index, version) in VERSIONS.iter().enumerate().take(head) {
            let on = index + 1;
            writeln!(gate, "\n[X-Migration {version}]").unwrap();
            for (direction, word, from, to) in [("up", "Up", on - 1, on), ("down", "Down", on, on - 1)] {
                writeln!(
                    gate,
                    "{word}Digest=sha256:{:064x}",
                    on * 2 + usize::from(word == "Up")
                )
                .unwrap();
                for (part, key) in [
                    ("script", "Script"),
                    ("backup", "Backup"),
                    ("restore", "Restore"),
                    ("verify", "Verify"),
                ] {
                    if on != SCRIPTED && ["backup", "restore"].contains(&part) {
                        continue;
                    }
                    let script = place(&format!("migrate-app-{version}-{direction}-{part}"));
                    let place = format!("{direction}-{version}-{part}");
                    fs::write(&script, words_of(part, &place, from, to)).unwrap();
                    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
                    writeln!(gate, "{word}{key}={}", script.display()).unwrap();
                }
            }
        }
        gate.push_str("\n[Service]\nType=oneshot\nExecStart=/bin/true\n");
        let app = format!(
            "[Unit]\nRequires=migrate-app.service\nAfter=migrate-app.service\nX-Migration-Versions=app {}\n\
             [Service]\nExecStart=/bin/true\n",
            VERSIONS[..head].join(" ")
        );
        for (name, text) in [("migrate-app.service", gate), ("app.service", app)] {
            let unit = place(&format!("unit-{name}"));
            fs::create_dir_all(&unit).unwrap();
            fs::write(unit.join(name), text).unwrap();
            symlink(unit.join(name), units.join(name)).unwrap();
        }
        toplevel
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let said = [output.stdout, output.stderr].concat();
        Self {
            code: output.status.code(),
            said: String::from_utf8_lossy(&said).into_owned(),
        }
    }
}

/// A script. It does things in place and bit by bit, as careless people write them, and dawdles where it is told to.
fn words_of(part: &str, place: &str, from: usize, to: usize) -> String {
    let head = format!(
        r#"#!/bin/sh
set -eu
PATH=/usr/bin:/bin
fault() {{
  [ -e "$CONTROL/fault" ] || return 0
  read -r where what < "$CONTROL/fault"
  [ "$where" = "{place}-$1" ] || return 0
  case "$what" in
    exit) echo "as it was told to" >&2; exit 1 ;;
    kill) kill -KILL $$ ;;
    term) kill -TERM $PPID; sleep 20; exit 1 ;;
    hang) : > "$CONTROL/at"; while ! [ -e "$CONTROL/go" ]; do sleep 0.01; done ;;
    full) echo "no space left on device" >&2; exit 28 ;;
  esac
}}
fault begin
"#
    );
    let body = match part {
        "script" => format!(
            r#"[ "$(cat "$APP/version")" = {from} ]
i=0
while [ $i -lt {FILES} ]; do
  n=0
  while [ $n -lt 64 ]; do echo "data/f$i on {to}"; n=$((n + 1)); done > "$APP/data/f$i"
  if [ $i = 5 ]; then fault middle; fi
  i=$((i + 1))
done
rm "$APP/data/only-{from}"
fault torn
n=0
while [ $n -lt 64 ]; do echo " on {to}"; n=$((n + 1)); done > "$APP/data/only-{to}"
ln -sfn f{to} "$APP/data/link"
echo {to} > "$APP/version"
"#
        ),
        "verify" => format!(r#"[ "$(cat "$APP/version")" = {to} ] && [ -e "$APP/data/only-{to}" ]"#) + "\n",
        "backup" => "cp -a \"$APP/.\" \"$BACKUP/\"\nfault middle\n".to_owned(),
        "restore" => {
            "find \"$APP\" -mindepth 1 -delete\nfault middle\ncp -a \"$BACKUP/.\" \"$APP/\"\n".to_owned()
        }
        other => unreachable!("there is no part `{other}`"),
    };
    format!("{head}{body}fault end\n")
}

/// What a file has in it.
fn content(path: &str, on: usize) -> String {
    format!("{path} on {on}\n").repeat(64)
}

/// All of a state: every path with what is there.
fn tree(on: usize) -> BTreeMap<PathBuf, String> {
    let mut tree = BTreeMap::from([
        ("version".into(), format!("{on}\n")),
        ("data".into(), "a directory".to_owned()),
        ("data/link".into(), format!("to f{on}")),
        (format!("data/only-{on}").into(), content("", on)),
    ]);
    for file in (0..FILES).map(|file| format!("data/f{file}")) {
        let words = content(&file, on);
        tree.insert(file.into(), words);
    }
    tree
}

/// What there is below a directory, as [`tree`] has it.
fn found(directory: &Path, below: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    let Ok(entries) = fs::read_dir(directory.join(below)) else {
        return all;
    };
    for entry in entries {
        let path = below.join(entry.unwrap().file_name());
        let place = directory.join(&path);
        let meta = fs::symlink_metadata(&place).unwrap();
        let what = if meta.is_symlink() {
            format!("to {}", fs::read_link(&place).unwrap().display())
        } else if meta.is_dir() {
            all.append(&mut found(directory, &path));
            "a directory".to_owned()
        } else {
            String::from_utf8_lossy(&fs::read(&place).unwrap()).into_owned()
        };
        all.insert(path, what);
    }
    all
}
