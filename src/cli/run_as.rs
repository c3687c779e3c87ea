//! The hidden command that nixmig runs itself with: it drops privileges for good and becomes a script.

use std::ffi::{OsStr, OsString};

use nixmig::execute::privileges::{RUN_AS, become_and_run};

use super::exit::Exit;
use super::output;

/// Runs it where the words ask for it; they are nixmig's own and no interface.
pub(super) fn run(words: &[OsString]) -> Option<Exit> {
    let [_, command, uid, gid, name, dashes, program] = words else {
        return None;
    };
    if command != RUN_AS || dashes != "--" {
        return None;
    }
    let number = |word: &OsStr| word.to_str()?.parse::<u32>().ok();
    let (uid, gid) = number(uid).zip(number(gid))?;
    let name = name.to_str()?;
    let Err(error) = become_and_run(uid, gid, name, program);
    let who = if name.is_empty() {
        uid.to_string()
    } else {
        name.to_owned()
    };
    output::complain(&format!(
        "nixmig: {} cannot be run as {who}: {error}\n",
        nixmig::report::escape(&program.to_string_lossy())
    ));
    Some(Exit::Error)
}
