//! Owns a machine made by hand that can be migrated for real: a store, a profile, a record, and services whose state says in
//! its `log` which steps ran on it. Whatever a script is to do besides stands in a file that it reads when it comes there.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The versions that steps have.
pub(crate) const V: [&str; 4] = ["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"];

/// Which parts an action has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A script up and one down, backed up by nixmig.
    Plain,
    /// The same, with a `backup` and a `restore` of their own.
    Own,
    /// No way down, and a warning.
    Lossy,
}

/// A service in a generation.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    name: String,
    steps: Vec<(&'static str, Kind)>,
    keys: String,
    edited: bool,
    program: PathBuf,
}

impl Service {
    /// One with the first steps of [`V`].
    pub(crate) fn new(name: &str, steps: usize) -> Self {
        Self::with(name, &vec![Kind::Plain; steps])
    }

    /// One with steps of these kinds.
    pub(crate) fn with(name: &str, kinds: &[Kind]) -> Self {
        Self {
            name: name.to_owned(),
            steps: V.into_iter().zip(kinds.iter().copied()).collect(),
            keys: String::new(),
            edited: false,
            program: "/bin/true".into(),
        }
    }

    /// The same, with more lines in its gate.
    pub(crate) fn key(mut self, line: &str) -> Self {
        writeln!(self.keys, "{line}").unwrap();
        self
    }

    /// The same, run by the program of a package.
    pub(crate) fn runs(mut self, package: &Path) -> Self {
        self.program = package.join("bin").join(&self.name);
        self
    }

    /// The same, with all steps defined otherwise.
    pub(crate) fn edited(mut self) -> Self {
        self.edited = true;
        self
    }
}

/// A machine.
#[derive(Debug)]
pub(crate) struct World {
    pub(super) directory: tempfile::TempDir,
    /// Where state directories are.
    pub(crate) state: PathBuf,
    /// nixmig's directory.
    pub(crate) state_dir: PathBuf,
}

impl World {
    /// One without a generation.
    pub(crate) fn new() -> Self {
        let mut world = Self::on(Path::new(""), Path::new(""));
        (world.state, world.state_dir) = (world.path("lib"), world.path("lib/nixmig"));
        fs::create_dir(&world.state).unwrap();
        world
    }

    /// One whose state directories and whose record are below these directories.
    pub(crate) fn on(state: &Path, record: &Path) -> Self {
        // The record is refused where a boot would empty it.
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let base = directory.path();
        fs::set_permissions(base, fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["control", "profiles", "gcroots", "store"] {
            fs::create_dir(base.join(name)).unwrap();
        }
        Self {
            state: state.to_owned(),
            state_dir: record.join("nixmig"),
            directory,
        }
    }

    /// The usual one: `db` has no step in generation 1, one in 2 and two in 3, and its state is on the first.
    pub(crate) fn usual() -> Self {
        let world = Self::of(&[Kind::Plain, Kind::Plain]);
        world.arrive(2, "1");
        world
    }

    /// The generations 1, 2, 3 … whose `db` has none, the first, the first two … of these steps; its state is on none, and
    /// not met yet.
    pub(crate) fn of(kinds: &[Kind]) -> Self {
        let world = Self::new();
        world.generations(kinds);
        world.data("db");
        world
    }

    /// Makes the generations of [`World::of`].
    pub(crate) fn generations(&self, kinds: &[Kind]) {
        for head in 0..=kinds.len() {
            self.generation(head + 1, &[Service::with("db", &kinds[..head])]);
        }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    /// Gives a service state on which no step ran.
    pub(crate) fn data(&self, service: &str) {
        let directory = self.state.join(service);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("log"), "data\n").unwrap();
    }

    /// What ran on the state of a service.
    pub(crate) fn log(&self, service: &str) -> String {
        fs::read_to_string(self.state.join(service).join("log"))
            .unwrap_or_else(|error| format!("{error}"))
            .replace('\n', " ")
    }

    /// Has a script do something when it comes to a place: `up-2024-01-01-script`, `…-restore`, `…-script-end`.
    pub(crate) fn at(&self, place: &str, words: &str) {
        fs::write(self.path("control").join(place), words).unwrap();
    }

    /// Has no script do anything besides.
    pub(crate) fn calm(&self) {
        for entry in fs::read_dir(self.path("control")).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }

    fn store(&self, number: usize, name: &str) -> PathBuf {
        let hash = format!("{number:x}123456789abcdfghijklmnpqrsvwxyz");
        self.path("store").join(format!("{hash}-{name}"))
    }

    /// Puts a package into the store.
    pub(crate) fn package(&self, name: &str) -> PathBuf {
        let package = self.store(0, name);
        fs::create_dir_all(package.join("bin")).unwrap();
        package
    }

    /// The toplevel of a generation.
    pub(crate) fn toplevel(&self, number: usize) -> PathBuf {
        self.store(number, "nixos-system-atlas")
    }

    /// Puts a generation into the store and the profile.
    pub(crate) fn generation(&self, number: usize, services: &[Service]) {
        let (toplevel, etc) = (self.toplevel(number), self.store(number, "etc"));
        let units = etc.join("etc/systemd/system");
        fs::create_dir_all(&units).unwrap();
        fs::create_dir_all(&toplevel).unwrap();
        symlink(etc.join("etc"), toplevel.join("etc")).unwrap();
        fs::write(etc.join("etc/os-release"), "ID=nixos\nVERSION_ID=\"25.05\"\n").unwrap();
        for service in services {
            let name = &service.name;
            let versions: Vec<_> = service.steps.iter().map(|(version, _)| *version).collect();
            let mut app = format!(
                "[Unit]\nRequires=migrate-{name}.service\nAfter=migrate-{name}.service\n[Service]\nExecStart={}\n",
                service.program.display()
            );
            if !versions.is_empty() {
                let line = format!("[Unit]\nX-Migration-Versions={name} {}\n", versions.join(" "));
                app = app.replacen("[Unit]\n", &line, 1);
            }
            let gate = self.gate(number, service);
            for (file, text) in [
                (format!("migrate-{name}.service"), gate),
                (format!("{name}.service"), app),
            ] {
                let unit = self.store(number, &format!("unit-{file}"));
                fs::create_dir_all(&unit).unwrap();
                fs::write(unit.join(&file), text).unwrap();
                symlink(unit.join(&file), units.join(&file)).unwrap();
            }
        }
        symlink(
            &toplevel,
            self.path("profiles").join(format!("system-{number}-link")),
        )
        .unwrap();
    }

    /// Gives a generation one more unit, or another in its place.
    pub(crate) fn unit(&self, number: usize, file: &str, text: &str) {
        let unit = self.store(number, &format!("unit-{file}"));
        fs::create_dir_all(&unit).unwrap();
        fs::write(unit.join(file), text).unwrap();
        let link = self.store(number, "etc").join("etc/systemd/system").join(file);
        if !link.exists() {
            symlink(unit.join(file), link).unwrap();
        }
    }

    /// The same command where a generation is active. As root: it gets a /run of its own.
    pub(crate) fn active(&self, number: usize, command: &mut Command) -> Command {
        let mut inside = Command::new("unshare");
        let script = "mount -t tmpfs none /run && ln -s \"$0\" /run/current-system && exec \"$@\"";
        inside
            .args(["--mount", "sh", "-c", script])
            .arg(self.toplevel(number))
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear()
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
            .env("COLUMNS", "100")
            .stdin(Stdio::null());
        inside
    }

    /// Puts a generation into the store and the profile that knows nothing of migrations, and runs these units with these programs,
    /// as in `db-1.0`.
    pub(crate) fn unaware(&self, number: usize, units: &[(&str, &str)]) {
        self.generation(number, &[]);
        for (unit, program) in units {
            let name = program.split('-').next().unwrap();
            let program = self.store(number, program).join("bin").join(name);
            fs::create_dir_all(program.parent().unwrap()).unwrap();
            let text = format!("[Service]\nExecStart={}\n", program.display());
            self.unit(number, unit, &text);
        }
    }

    /// Has every step of `db` in a generation say from which version of `db` on its data is.
    pub(crate) fn programs(&self, number: usize, programs: &[&str]) {
        let package = self.store(number, &format!("db-{}", programs.last().unwrap()));
        fs::create_dir_all(&package).unwrap();
        let line = format!("X-Migration-Package={}\nX-Migration-Units=", package.display());
        self.rewrite(number, "db", "X-Migration-Units=", &line);
        for (version, program) in V.iter().zip(programs) {
            let header = format!("[X-Migration {version}]\n");
            self.rewrite(number, "db", &header, &format!("{header}Program={program}\n"));
        }
    }

    /// The files of guards, relative to their directory.
    pub(crate) fn guards(&self) -> Vec<String> {
        let top = self.path("guards");
        let mut found = Vec::new();
        let mut open = vec![top.clone()];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => open.push(path),
                    false => found.push(path.strip_prefix(&top).unwrap().display().to_string()),
                }
            }
        }
        found.sort();
        found
    }

    /// Has a generation ask for a mount.
    pub(crate) fn mounts(&self, number: usize, point: &Path) {
        let line = format!("/dev/disk/by-label/x {} ext4 defaults 0 2\n", point.display());
        fs::write(self.store(number, "etc").join("etc/fstab"), line).unwrap();
    }

    /// Takes a generation out of the profile, and all of it out of the store but the unit files that a root keeps and scripts.
    pub(crate) fn delete(&self, number: usize) {
        let link = self.path("profiles").join(format!("system-{number}-link"));
        fs::remove_file(link).unwrap();
        let roots = self.roots();
        for entry in fs::read_dir(self.path("store")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let kept = roots.iter().any(|root| root.starts_with(&path));
            if path.is_dir() && name.starts_with(&format!("{number:x}")) && !kept {
                fs::remove_dir_all(&path).unwrap();
            }
        }
    }

    /// Has the unit file of a gate say something else.
    pub(crate) fn rewrite(&self, number: usize, service: &str, from: &str, to: &str) {
        let unit = self.store(number, &format!("unit-migrate-{service}.service"));
        let unit = unit.join(format!("migrate-{service}.service"));
        let text = fs::read_to_string(&unit).unwrap();
        assert!(text.contains(from), "no {from} in {text}");
        fs::write(unit, text.replace(from, to)).unwrap();
    }

    /// A script of `db`.
    pub(crate) fn script_of(&self, number: usize, place: &str) -> PathBuf {
        self.store(number, &format!("migrate-db-{place}"))
    }

    /// Where the GC roots of services lead.
    pub(crate) fn roots(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let services = fs::read_dir(self.path("gcroots/nixmig")).into_iter().flatten();
        for service in services
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
        {
            for link in fs::read_dir(service).unwrap() {
                found.push(fs::read_link(link.unwrap().path()).unwrap());
            }
        }
        found
    }

    fn gate(&self, number: usize, service: &Service) -> String {
        let name = &service.name;
        let state = self.state.join(name);
        let mut gate = format!(
            "[Unit]\nBefore={name}.service\nX-Migration-Format=1\nX-Migration-Service={name}\n\
             X-Migration-Units={name}.service\nX-Migration-StateDirectories=[\"{}\"]\n{}",
            state.display(),
            service.keys
        );
        for &(version, kind) in &service.steps {
            writeln!(gate, "\n[X-Migration {version}]").unwrap();
            for (direction, word) in [("up", "Up"), ("down", "Down")] {
                if kind == Kind::Lossy && word == "Down" {
                    continue;
                }
                let mut digest = DefaultHasher::new();
                (version, kind, direction, service.edited).hash(&mut digest);
                writeln!(gate, "{word}Digest=sha256:{:064x}", digest.finish()).unwrap();
                let all = [
                    ("script", "Script"),
                    ("backup", "Backup"),
                    ("restore", "Restore"),
                    ("verify", "Verify"),
                ];
                for (part, key) in all {
                    if kind != Kind::Own && ["backup", "restore"].contains(&part) {
                        continue;
                    }
                    let place = format!("{direction}-{version}-{part}");
                    let script = self.store(number, &format!("migrate-{name}-{place}"));
                    fs::write(&script, self.script(&state, part, direction, version)).unwrap();
                    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
                    writeln!(gate, "{word}{key}={}", script.display()).unwrap();
                    if kind == Kind::Lossy && part == "script" {
                        writeln!(gate, "UpWarn=\"Old rows are lost.\"").unwrap();
                    }
                }
            }
        }
        gate.push_str("\n[Service]\nType=oneshot\nExecStart=/bin/true\n");
        gate
    }

    fn script(&self, state: &Path, part: &str, direction: &str, version: &str) -> String {
        let (control, state) = (self.path("control"), state.display());
        let body = match (part, direction) {
            ("script", "up") => format!("echo {version} >> {state}/log"),
            ("script", _) => format!("[ \"$(tail -n 1 {state}/log)\" = {version} ]; sed -i '$d' {state}/log"),
            ("verify", "up") => format!("grep -q {version} {state}/log"),
            ("verify", _) => format!("! grep -q {version} {state}/log"),
            ("backup", _) => format!("cp -a {state}/log \"$BACKUP/log\""),
            _ => format!("cp -a \"$BACKUP/log\" {state}/log"),
        };
        format!(
            "#!/bin/sh\nset -eu\nPATH=/usr/bin:/bin\nat() {{ [ ! -e {0}/$1 ] || . {0}/$1; }}\n\
             at {direction}-{version}-{part}\n{body}\nat {direction}-{version}-{part}-end\n",
            control.display()
        )
    }

    /// The backups that are there.
    pub(crate) fn backups(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.state_dir.join("backups")).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// Every byte of the record.
    pub(crate) fn record(&self) -> Vec<u8> {
        fs::read(self.state_dir.join("record.sqlite")).unwrap()
    }
}
