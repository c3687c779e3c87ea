//! Owns becoming another program.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Becomes another program, with these arguments and one more variable in its environment. Comes back only with why not.
pub fn replace(
    program: &Path,
    arguments: impl IntoIterator<Item = OsString>,
    (variable, value): (&str, &OsStr),
) -> io::Error {
    Command::new(program).args(arguments).env(variable, value).exec()
}
