//! Owns what a unit's text says of the program that it runs: store names in `ExecStart=` and in `PATH`.
//!
//! Works on texts alone: closures and derivations are read the same way, and the store need not be `/nix/store`.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::model::{KnownService, Program, Setting, UnitName, Unknown, known_by_unit};

use super::unit_file::{self, UnitFile};

/// A path in a store: `/nix/store/` + 32 characters + `-` + name, and what goes on below it cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorePath<'a> {
    /// The whole path.
    pub path: &'a str,
    /// The name after the hash: `postgresql-15.10`.
    pub name: &'a str,
}

impl StorePath<'_> {
    /// The program that its name tells.
    pub fn program(self) -> Program {
        Program {
            path: Some(self.path.to_owned()),
            ..Program::parse(self.name)
        }
    }
}

/// What is looked for in a unit: programs of the well-known services that it belongs to, and of the services that gate it.
#[derive(Clone, Debug, Default)]
pub struct Sought {
    known: Vec<&'static KnownService>,
    names: BTreeSet<String>,
}

impl Sought {
    /// What is looked for in a unit of these `units`' names, whose gates have packages of these `names`, without versions.
    pub fn new<'u>(units: impl IntoIterator<Item = &'u UnitName>, names: BTreeSet<String>) -> Self {
        let known = units
            .into_iter()
            .flat_map(|unit| known_by_unit(unit.as_str()))
            .collect();
        Self { known, names }
    }

    /// Whether nothing tells what to look for.
    fn is_empty(&self) -> bool {
        self.known.is_empty() && self.names.is_empty()
    }

    /// Whether a program is looked for.
    pub fn has(&self, program: &Program) -> bool {
        self.known.iter().any(|known| known.runs(program)) || self.names.contains(&program.name)
    }

    /// Whether two programs stand for the same: of one name, or of one well-known service.
    fn are_one(&self, a: &Program, b: &Program) -> bool {
        a.name == b.name || self.known.iter().any(|known| known.runs(a) && known.runs(b))
    }

    /// The first program of a text that is looked for; not known where the same is there in another version.
    fn in_texts<'t>(&self, texts: impl IntoIterator<Item = &'t str>, what: &str) -> Setting<Program> {
        let mut found = texts
            .into_iter()
            .flat_map(store_paths)
            .map(StorePath::program)
            .filter(|program| self.has(program));
        let Some(first) = found.next() else {
            return Setting::Unset;
        };
        let differs = |other: &Program| {
            other.version.is_some()
                && first.version.is_some()
                && other.version != first.version
                && self.are_one(&first, other)
        };
        match found.find(differs) {
            Some(other) => unknown(format!(
                "{what} names {} and {}",
                first.display(),
                other.display()
            )),
            None => Setting::Set(first),
        }
    }
}

/// The package that a unit's file is part of, where it is one that is looked for: a unit that a package brings may start it
/// by a path that tells nothing, as `/run/current-system/sw/bin/…`.
pub fn package_of(file: &str, sought: &Sought) -> Option<Program> {
    let package = store_paths(file).next()?.program();
    sought.has(&package).then_some(package)
}

/// The program of a unit, of those that are `sought`.
///
/// It is looked for in the unit's command, then in its `PATH`, for `ExecStart=` may be a script, and then in that script,
/// whose words `script` has by its path. What is only in the `PATH` does not count against another program of a version
/// that the unit starts; and where a command or script names several versions, nothing tells which of them runs. A unit of
/// which nothing tells what to look for runs what `ExecStart=` names, unless that has no version, as scripts have none.
/// `files` are the unit and then its drop-ins.
pub fn program_of(
    files: &[UnitFile<'_>],
    sought: &Sought,
    script: impl Fn(&str) -> Option<String>,
) -> Setting<Program> {
    let commands = unit_file::list(files, "Service", "ExecStart");
    let started = |command: &&str| {
        let executable = executable(command)?;
        let program = store_paths(&executable).next()?.program();
        program.version.is_some().then_some(program)
    };
    if sought.is_empty() {
        return commands.first().and_then(started).into();
    }
    let in_commands = sought.in_texts(commands.iter().copied(), "its command");
    if !in_commands.is_unset() {
        return in_commands;
    }
    // The shell takes the first that its PATH has.
    let path = search_path(files).and_then(|path| {
        let mut programs = store_paths(&path).map(StorePath::program);
        programs.find(|program| sought.has(program))
    });
    let other = commands.first().and_then(started);
    if let (Some(program), None) = (&path, &other) {
        return Setting::Set(program.clone());
    }
    let scripts: Vec<_> = commands
        .iter()
        .filter_map(|command| script(&executable(command)?))
        .collect();
    let in_scripts = sought.in_texts(scripts.iter().map(String::as_str), "its script");
    match (in_scripts, path, other) {
        (Setting::Unset, Some(path), Some(other)) => unknown(format!(
            "it starts {}, and {} is only in its PATH",
            other.display(),
            path.display()
        )),
        (found, _, _) => found,
    }
}

fn unknown(reason: String) -> Setting<Program> {
    Setting::Unknown(Unknown {
        reason: reason.into(),
        at: None,
    })
}

/// The file that a command starts, without the prefixes `@ - : + ! |` (systemd.service(5)) and its quotes.
fn executable(command: &str) -> Option<Cow<'_, str>> {
    Words(command.trim_start_matches(['@', '-', ':', '+', '!', '|']))
        .next()
        .map(|word| match word {
            Cow::Borrowed(word) => Cow::Borrowed(strip_prefixes(word)),
            Cow::Owned(word) => Cow::Owned(strip_prefixes(&word).to_owned()),
        })
}

/// Prefixes may stand inside the quotes as well.
fn strip_prefixes(word: &str) -> &str {
    word.trim_start_matches(['@', '-', ':', '+', '!', '|'])
}

/// The unit's `PATH`: the last that `Environment=` sets.
fn search_path(files: &[UnitFile<'_>]) -> Option<String> {
    unit_file::list(files, "Service", "Environment")
        .into_iter()
        .flat_map(Words)
        .filter_map(|word| word.strip_prefix("PATH=").map(str::to_owned))
        .last()
}

/// Every store path in a text, in order.
pub fn store_paths(text: &str) -> impl Iterator<Item = StorePath<'_>> {
    const STORE: &str = "store/";
    const HASH: usize = 32;
    let bytes = text.as_bytes();
    let mut from = 0;
    std::iter::from_fn(move || {
        while let Some(at) = text[from..].find(STORE).map(|at| at + from) {
            let hash = at + STORE.len();
            let dash = hash + HASH;
            let fine = at > 0
                && bytes[at - 1] == b'/'
                && bytes.get(dash) == Some(&b'-')
                && bytes[hash..dash]
                    .iter()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
            let end = bytes[(dash + 1).min(bytes.len())..]
                .iter()
                .position(|&byte| !in_name(byte))
                .map_or(bytes.len(), |length| dash + 1 + length);
            if !fine || end == dash + 1 {
                from = hash;
                continue;
            }
            let before = bytes[from..at]
                .iter()
                .rposition(|&byte| !in_name(byte) && byte != b'/')
                .map_or(from, |at| from + at + 1);
            // Flags as in `-I/nix/store/…`: the path begins at the first slash.
            let start = text[before..at].find('/').map_or(at - 1, |slash| before + slash);
            from = end;
            return Some(StorePath {
                path: &text[start..end],
                name: &text[dash + 1..end],
            });
        }
        None
    })
}

/// The characters of a store path's name (Nix manual, "Store Path").
fn in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+-._?=".contains(&byte)
}

/// The words of a value, as systemd splits and unquotes them (systemd.syntax(7), "Quoting"). Escapes of characters by
/// number stay as they are: nothing that is looked for is written so.
struct Words<'a>(&'a str);

impl<'a> Iterator for Words<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.0.trim_start();
        if text.is_empty() {
            return None;
        }
        let plain = text
            .find(|c: char| c.is_whitespace() || "\"'\\".contains(c))
            .unwrap_or(text.len());
        if text[plain..].chars().next().is_none_or(char::is_whitespace) {
            self.0 = &text[plain..];
            return Some(Cow::Borrowed(&text[..plain]));
        }
        let mut word = String::new();
        let mut quote = None;
        let mut chars = text.char_indices();
        while let Some((at, c)) = chars.next() {
            match (c, quote) {
                ('\\', _) => match chars.next() {
                    Some((_, escaped @ ('\\' | '"' | '\'' | ' '))) => word.push(escaped),
                    Some((_, other)) => word.extend(['\\', other]),
                    None => {}
                },
                (c, Some(open)) if c == open => quote = None,
                (c, Some(_)) => word.push(c),
                ('"' | '\'', None) => quote = Some(c),
                (c, None) if c.is_whitespace() => {
                    self.0 = &text[at..];
                    return Some(Cow::Owned(word));
                }
                (c, None) => word.push(c),
            }
        }
        self.0 = "";
        Some(Cow::Owned(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "0123456789abcdfghijklmnpqrsvwxyz";

    fn program(unit: &str, texts: &[String], wanted: &[&str]) -> Option<String> {
        let files: Vec<_> = texts
            .iter()
            .map(|text| UnitFile::parse(text.as_bytes()).unwrap())
            .collect();
        shown(program_of(&files, &sought(unit, wanted), |_| None))
    }

    fn sought(unit: &str, names: &[&str]) -> Sought {
        let unit = unit.parse().unwrap();
        Sought::new([&unit], names.iter().map(|&name| name.to_owned()).collect())
    }

    /// The program, or why it is not known.
    fn shown(program: Setting<Program>) -> Option<String> {
        match program {
            Setting::Set(program) => Some(program.display()),
            Setting::Unset => None,
            Setting::Unknown(unknown) => Some(unknown.reason.to_string()),
        }
    }

    #[test]
    fn the_command_names_the_program_whatever_its_prefixes_and_quotes() {
        let path = format!("/nix/store/{HASH}-postgresql-15.10/bin/postgres");
        for command in [
            path.clone(),
            format!("@{path} postgres"),
            format!("-{path} -D /x"),
            format!(":{path}"),
            format!("+{path}"),
            format!("!!{path}"),
            format!("@-+{path} a"),
            format!("\"{path}\" a"),
            format!("'{path}'"),
            format!("\"-{path}\""),
            format!("/nix/store/{HASH}-bash-5.2/bin/sh -c 'exec {path}'"),
            format!("/tmp/d/store/{HASH}-postgresql-15.10/bin/postgres"),
        ] {
            for unit in ["postgresql.service", "other.service"] {
                let text = format!("[Service]\nExecStart={command}\n");
                let expected = match (unit, command.contains("bash")) {
                    ("other.service", true) => "bash 5.2",
                    _ => "postgresql 15.10",
                };
                assert_eq!(
                    program(unit, &[text], &[]).as_deref(),
                    Some(expected),
                    "{command}"
                );
            }
        }
    }

    #[test]
    fn a_scripts_program_is_in_the_path() {
        let text = format!(
            "[Service]\nEnvironment=\"LOCALE_ARCHIVE=/nix/store/{HASH}-glibc-locales-2.40/lib\"\n\
             Environment=\"PATH=/nix/store/{HASH}-postgresql-and-plugins-17.2/bin:/nix/store/{HASH}-coreutils-9.5/bin\"\n\
             ExecStart=/nix/store/{HASH}-unit-script-postgresql-start/bin/postgresql-start\n"
        );
        let found = |unit: &str, wanted: &[&str]| program(unit, std::slice::from_ref(&text), wanted);
        assert_eq!(
            found("postgresql.service", &[]).as_deref(),
            Some("postgresql-and-plugins 17.2")
        );
        assert_eq!(
            found("other.service", &["coreutils"]).as_deref(),
            Some("coreutils 9.5")
        );
        assert_eq!(found("other.service", &["nothing"]), None);
        assert_eq!(found("other.service", &[]), None);
    }

    #[test]
    fn a_scripts_program_is_in_its_words() {
        let path = format!("/nix/store/{HASH}-unit-script-grafana-start/bin/grafana-start");
        let text = format!("[Service]\nExecStart=-{path} --now\n");
        let files = [UnitFile::parse(text.as_bytes()).unwrap()];
        let script = |asked: &str| {
            let words = format!("#!/bin/sh\nexec /nix/store/{HASH}-grafana-12.0.2/bin/grafana server\n");
            (asked == path).then_some(words)
        };
        let found = |unit: &str, wanted: &[&str]| shown(program_of(&files, &sought(unit, wanted), script));
        assert_eq!(found("grafana.service", &[]).as_deref(), Some("grafana 12.0.2"));
        assert_eq!(
            found("other.service", &["grafana"]).as_deref(),
            Some("grafana 12.0.2")
        );
        assert_eq!(found("postgresql.service", &[]), None);
        assert_eq!(found("other.service", &[]), None);
    }

    #[test]
    fn several_versions_are_none_that_is_known() {
        let path = |program: &str| format!("/nix/store/{HASH}-{program}/bin/x");
        let (old, new) = (path("postgresql-15.10"), path("postgresql-and-plugins-17.2"));
        let found = |commands: &str| program("postgresql.service", &[format!("[Service]\n{commands}")], &[]);
        let both = "its command names postgresql 15.10 and postgresql-and-plugins 17.2";
        assert_eq!(
            found(&format!("ExecStart={new} {new} {}", path("redis-7.0"))).as_deref(),
            Some("postgresql-and-plugins 17.2")
        );
        assert_eq!(
            found(&format!("ExecStart={old} -b {new}\n")).as_deref(),
            Some(both)
        );
        assert_eq!(
            found(&format!("ExecStart={old}\nExecStart={new}\n")).as_deref(),
            Some(both)
        );

        let starts = path("unit-script-postgresql-start");
        let text = format!("[Service]\nExecStart={starts}\n");
        let files = [UnitFile::parse(text.as_bytes()).unwrap()];
        let script = |_: &str| Some(format!("#!/bin/sh\n{old}\n{new}\n"));
        let found = shown(program_of(&files, &sought("postgresql.service", &[]), script));
        assert_eq!(found, Some(both.replace("command", "script")));
        // Two services that gate one unit have a program each.
        let two = format!("[Service]\nExecStart={old} {}\n", path("redis-7.0"));
        assert_eq!(
            program("other.service", &[two], &["postgresql", "redis"]).as_deref(),
            Some("postgresql 15.10")
        );
    }

    #[test]
    fn what_is_started_is_not_outvoted_by_the_path() {
        let path = |program: &str| format!("/nix/store/{HASH}-{program}/bin");
        let text = |command: &str| {
            format!(
                "[Service]\nEnvironment=\"PATH={}:{}\"\nExecStart={command}\n",
                path("mariadb-10.11.2"),
                path("coreutils-9.5")
            )
        };
        let found = |command: &str| program("mysql.service", &[text(command)], &[]);
        assert_eq!(
            found(&format!("{}/mysqld", path("mysqlish-8.0.36"))).as_deref(),
            Some("it starts mysqlish 8.0.36, and mariadb 10.11.2 is only in its PATH")
        );
        for command in [
            "mysqld".to_owned(),
            format!("{}/start", path("unit-script-start")),
        ] {
            assert_eq!(found(&command).as_deref(), Some("mariadb 10.11.2"), "{command}");
        }
        let none = format!("[Service]\nExecStart={}/mysqld\n", path("mysqlish-8.0.36"));
        assert_eq!(program("mysql.service", &[none], &[]), None);
    }

    #[test]
    fn drop_ins_override() {
        let unit = format!("[Service]\nExecStart=/nix/store/{HASH}-postgresql-15.10/bin/postgres\n");
        let drop_in =
            format!("[Service]\nExecStart=\nExecStart=/nix/store/{HASH}-postgresql-17.2/bin/postgres\n");
        let found = program("postgresql.service", &[unit.clone(), drop_in], &[]);
        assert_eq!(found.as_deref(), Some("postgresql 17.2"));
        let gone = program(
            "postgresql.service",
            &[unit, "[Service]\nExecStart=\n".to_owned()],
            &[],
        );
        assert_eq!(gone, None);
    }

    #[test]
    fn store_paths_are_cut_out() {
        let text = format!(
            "-I/nix/store/{HASH}-a-1/x:/tmp/d e/store/{HASH}-b?=+2 x=/s/store/{HASH}-c, store/{HASH}-d /store/{HASH} \
             /nix/store/{HASH}- /store/{HASH}-e"
        );
        let found: Vec<_> = store_paths(&text).map(|found| (found.path, found.name)).collect();
        let expected = [
            (format!("/nix/store/{HASH}-a-1"), "a-1"),
            (format!("/store/{HASH}-b?=+2"), "b?=+2"),
            (format!("/s/store/{HASH}-c"), "c"),
            (format!("/store/{HASH}-e"), "e"),
        ];
        assert_eq!(
            found,
            expected.each_ref().map(|(path, name)| (path.as_str(), *name))
        );
    }

    #[test]
    fn words() {
        let words = |text: &'static str| Words(text).map(Cow::into_owned).collect::<Vec<_>>();
        assert_eq!(words("a  b\tc"), ["a", "b", "c"]);
        assert_eq!(
            words(r#""a b" 'c "d' e\ f "\"g\\" \x20"#),
            ["a b", "c \"d", "e f", "\"g\\", "\\x20"]
        );
        assert_eq!(words("\"open"), ["open"]);
        assert_eq!(words(""), [""; 0]);
        assert_eq!(words("end\\"), ["end"]);
    }
}
