//! Owns as whom scripts run: what `serviceConfig` says of it, and how privileges are dropped. nixmig runs itself once more for
//! that (a hidden command), since a process can only drop its own.

use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::unistd::{Gid, Group, Uid, User, geteuid, initgroups, setgid, setgroups, setuid};
use serde_json::{Map, Value};

/// The hidden command of [`become_and_run`].
pub const RUN_AS: &str = "run-as";

/// As whom a script runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// None is as nixmig itself.
    other: Option<Other>,
    /// All settings, where systemd has to follow them; empty where they are `User` and `Group` at most.
    settings: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Other {
    uid: u32,
    gid: u32,
    /// The name in the database of users; without one there are no further groups.
    name: Option<String>,
}

/// Why scripts cannot be run as their definition wants.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Settings that only systemd knows what to do with.
    #[error(
        "{}: scripts that are run without systemd know `User` and `Group` of `serviceConfig` and nothing else",
        unknown(.0)
    )]
    Settings(Vec<String>),
    /// Settings that would take a script out of nixmig's hands.
    #[error(
        "{}: how scripts are started, told of and ended is nixmig's, their user has to be there, and they see the machine's own files",
        unfit(.0)
    )]
    Unfit(Vec<String>),
    /// A setting whose value is neither a text nor a number nor a list of those.
    #[error("`{key} = {value}` of `serviceConfig` is no value that a unit can have")]
    Setting {
        /// The setting.
        key: String,
        /// Its value, as JSON.
        value: String,
    },
    /// A setting that is no name.
    #[error("`{key} = {value}` of `serviceConfig` is no name and no number")]
    Value {
        /// The setting.
        key: &'static str,
        /// Its value, as JSON.
        value: String,
    },
    /// No such user or group.
    #[error("there is no {kind} `{name}` on this machine")]
    Missing {
        /// `user` or `group`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// The database could not be asked.
    #[error("the {kind} `{name}` could not be looked up: {problem}")]
    Lookup {
        /// `user` or `group`.
        kind: &'static str,
        /// The name.
        name: String,
        /// Why.
        problem: io::Error,
    },
    /// Only root can become another.
    #[error("only root can run scripts as {0}")]
    NotRoot(String),
}

fn unknown(settings: &[String]) -> String {
    let settings: Vec<_> = settings.iter().map(|setting| format!("`{setting}`")).collect();
    let (verb, them) = match settings.len() {
        1 => ("needs", settings.join("")),
        _ => ("need", settings.join(", ")),
    };
    format!("{them} {verb} systemd")
}

fn unfit(settings: &[String]) -> String {
    let settings: Vec<_> = settings.iter().map(|setting| format!("`{setting}`")).collect();
    format!("{} of `serviceConfig` cannot be followed", settings.join(", "))
}

impl Account {
    /// As nixmig itself.
    pub const OWN: Self = Self {
        other: None,
        settings: Vec::new(),
    };

    /// Understands `serviceConfig` for scripts that systemd runs.
    ///
    /// # Errors
    ///
    /// Fails with settings that would take a script out of nixmig's hands, with values that no setting has, and with names that
    /// nobody has.
    pub fn by_systemd(config: &Map<String, Value>) -> Result<Self, AccountError> {
        let named = |key: &&String| ["User", "Group"].contains(&key.as_str());
        let names: Map<_, _> = config
            .iter()
            .filter(|(key, _)| named(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let account = Self::of(&names)?;
        if config.keys().all(|key| named(&key)) {
            return Ok(account);
        }
        let unfit: Vec<_> = config.keys().filter(|key| is_unfit(key)).cloned().collect();
        if !unfit.is_empty() {
            return Err(AccountError::Unfit(unfit));
        }
        let mut settings = Vec::new();
        for (key, value) in config {
            let values = match value {
                Value::Array(values) => values.as_slice(),
                Value::Null => &[],
                value => std::slice::from_ref(value),
            };
            for value in values {
                let text = match value {
                    Value::String(text) => text.clone(),
                    Value::Number(number) => number.to_string(),
                    Value::Bool(bool) => bool.to_string(),
                    Value::Null | Value::Array(_) | Value::Object(_) => {
                        return Err(AccountError::Setting {
                            key: key.clone(),
                            value: value.to_string(),
                        });
                    }
                };
                settings.push((key.clone(), text));
            }
        }
        Ok(Self { settings, ..account })
    }

    /// All settings that systemd has to follow; none where nixmig does by itself.
    pub fn settings(&self) -> &[(String, String)] {
        &self.settings
    }

    /// Understands `serviceConfig`.
    ///
    /// # Errors
    ///
    /// Fails with all settings but `User` and `Group`, with names that nobody has, and, for anyone but root, with those of
    /// others.
    pub fn of(config: &Map<String, Value>) -> Result<Self, AccountError> {
        let others = config
            .keys()
            .filter(|key| !["User", "Group"].contains(&key.as_str()));
        let others: Vec<_> = others.cloned().collect();
        if !others.is_empty() {
            return Err(AccountError::Settings(others));
        }
        let user = name(config, "User")?.map(user).transpose()?;
        let group = name(config, "Group")?.map(group).transpose()?;
        let own = geteuid();
        let other = match (user, group) {
            (None, None) => return Ok(Self::OWN),
            (Some(other), None) => other,
            (Some(other), Some(gid)) => Other { gid, ..other },
            (None, Some(gid)) => Other {
                uid: own.as_raw(),
                gid,
                name: None,
            },
        };
        if !own.is_root() && (other.uid != own.as_raw() || other.gid != nix::unistd::getegid().as_raw()) {
            let name = other.name.unwrap_or_else(|| other.uid.to_string());
            return Err(AccountError::NotRoot(name));
        }
        Ok(Self {
            other: own.is_root().then_some(other),
            settings: Vec::new(),
        })
    }

    /// Whose a directory must be that its scripts write to: user and group. None is nixmig's own.
    pub fn owner(&self) -> Option<(u32, u32)> {
        self.other.as_ref().map(|other| (other.uid, other.gid))
    }

    /// The arguments of nixmig that run `program` as this account; none where nixmig runs it itself.
    pub(super) fn arguments(&self, program: &OsStr) -> Option<Vec<OsString>> {
        let other = self.other.as_ref()?;
        let name = other.name.clone().unwrap_or_default();
        let words = [
            RUN_AS.to_owned(),
            other.uid.to_string(),
            other.gid.to_string(),
            name,
        ];
        let words = words.into_iter().map(OsString::from);
        Some(words.chain([OsString::from("--"), program.to_owned()]).collect())
    }
}

/// Whether a setting decides how a script is started, told of or ended, or what counts as ended well; makes a user that is nobody's
/// before and after; or puts files over the machine's own, so that a backup may not be where it is looked for.
fn is_unfit(key: &str) -> bool {
    let kinds = [
        "Exec", "Restart", "Standard", "Timeout", "Watchdog", "Kill", "SendSIG",
    ];
    let words = [
        "DynamicUser",
        "IgnoreSIGPIPE",
        "NotifyAccess",
        "PIDFile",
        "RemainAfterExit",
        "RootDirectory",
        "RootEphemeral",
        "RootImage",
        "RuntimeMaxSec",
        "SuccessExitStatus",
        "TemporaryFileSystem",
        "Type",
    ];
    kinds.iter().any(|kind| key.starts_with(kind)) || words.contains(&key)
}

fn name(config: &Map<String, Value>, key: &'static str) -> Result<Option<String>, AccountError> {
    match config.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name)) if !name.is_empty() => Ok(Some(name.clone())),
        Some(Value::Number(number)) if number.is_u64() => Ok(Some(number.to_string())),
        Some(value) => Err(AccountError::Value {
            key,
            value: value.to_string(),
        }),
    }
}

/// A user by name, else by number: systemd.exec(5).
fn user(name: String) -> Result<Other, AccountError> {
    let number: Option<u32> = name.parse().ok();
    let found = match number {
        Some(number) => User::from_uid(Uid::from_raw(number)),
        None => User::from_name(&name),
    };
    match found {
        Ok(Some(user)) => Ok(Other {
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
            name: Some(user.name),
        }),
        Ok(None) => match number {
            Some(number) => Ok(Other {
                uid: number,
                gid: number,
                name: None,
            }),
            None => Err(AccountError::Missing { kind: "user", name }),
        },
        Err(error) => Err(AccountError::Lookup {
            kind: "user",
            name,
            problem: error.into(),
        }),
    }
}

fn group(name: String) -> Result<u32, AccountError> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    match Group::from_name(&name) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => Err(AccountError::Missing { kind: "group", name }),
        Err(error) => Err(AccountError::Lookup {
            kind: "group",
            name,
            problem: error.into(),
        }),
    }
}

/// Becomes a user for good and runs a program in the place of this one.
///
/// # Errors
///
/// Returns only where that failed.
pub fn become_and_run(uid: u32, gid: u32, name: &str, program: &OsStr) -> io::Result<Infallible> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    match name {
        "" => setgroups(&[gid])?,
        name => initgroups(&CString::new(name)?, gid)?,
    }
    setgid(gid)?;
    setuid(uid)?;
    Err(Command::new(program).exec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(config: &str) -> Result<Account, AccountError> {
        Account::of(&serde_json::from_str(config).unwrap())
    }

    #[test]
    fn systemd_follows_what_does_not_take_scripts_out_of_our_hands() {
        let account = |config: &str| Account::by_systemd(&serde_json::from_str(config).unwrap());
        assert_eq!(account("{}").unwrap(), Account::OWN);
        let settings =
            account(r#"{"LoadCredential":["a:/b","c:/d"],"PrivateTmp":true,"Nice":5,"IOWeight":null}"#);
        let settings = settings.unwrap();
        let settings: Vec<_> = settings
            .settings()
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        assert_eq!(
            settings,
            [
                "LoadCredential=a:/b",
                "LoadCredential=c:/d",
                "Nice=5",
                "PrivateTmp=true"
            ]
        );
        let words = |config: &str| account(config).unwrap_err().to_string();
        assert!(
            words(r#"{"DynamicUser":true,"ExecStartPre":"/x"}"#)
                .starts_with("`DynamicUser`, `ExecStartPre` of")
        );
        for unfit in [
            "SuccessExitStatus",
            "ExecStartPost",
            "TemporaryFileSystem",
            "RootDirectory",
            "RootImage",
        ] {
            let config = Map::from_iter([(unfit.to_owned(), Value::from("/x"))]);
            let refused = Account::by_systemd(&config).unwrap_err();
            assert!(
                matches!(refused, AccountError::Unfit(found) if found == [unfit]),
                "{unfit}"
            );
        }
        assert!(words(r#"{"Nice":{}}"#).contains("no value"));
        assert!(words(r#"{"User":"no-such-user-here","Nice":1}"#).contains("no user"));
    }

    #[test]
    fn only_users_and_groups_are_known() {
        assert_eq!(account("{}").unwrap(), Account::OWN);
        let words = |config: &str| account(config).unwrap_err().to_string();
        assert_eq!(
            words(r#"{"DynamicUser":true,"User":"root","LoadCredential":["a:/b"]}"#),
            "`DynamicUser`, `LoadCredential` need systemd: scripts that are run without systemd know `User` and `Group` of \
             `serviceConfig` and nothing else"
        );
        assert_eq!(
            words(r#"{"User":"no-such-user-here"}"#),
            "there is no user `no-such-user-here` on this machine"
        );
        assert_eq!(
            words(r#"{"Group":"no-such-group-here"}"#),
            "there is no group `no-such-group-here` on this machine"
        );
        assert_eq!(
            words(r#"{"User":["a"]}"#),
            "`User = [\"a\"]` of `serviceConfig` is no name and no number"
        );
    }

    #[test]
    fn a_user_by_name_or_number() {
        if !geteuid().is_root() {
            assert!(matches!(
                account(r#"{"User":"root"}"#),
                Err(AccountError::NotRoot(_))
            ));
            return;
        }
        let root = account(r#"{"User":"root"}"#).unwrap();
        assert_eq!(root.owner(), Some((0, 0)));
        let numbered = account(r#"{"User":4000000000,"Group":"root"}"#).unwrap();
        assert_eq!(numbered.owner(), Some((4_000_000_000, 0)));
        let words = numbered.arguments(OsStr::new("/s")).unwrap();
        assert_eq!(words, ["run-as", "4000000000", "0", "", "--", "/s"]);
    }
}
