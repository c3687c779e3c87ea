//! Owns snapshots of btrfs: made and removed by its own program where that is there, since the calls for it are beyond safe Rust.
//! What cannot be done so is done otherwise.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use super::error::BackupError;
use super::{OWN, at, place};
use crate::process::{ProcessError, Request, Supervisor};

/// It only writes a few blocks, but may wait for those of others.
const LONG_ENOUGH: Duration = Duration::from_secs(300);

/// Makes a snapshot of a subvolume without others in it. Says whether there is one now.
pub(super) fn make(of: &OwnedFd, into: &OwnedFd, name: &CStr, path: &Path) -> Result<bool, BackupError> {
    let seen = at::look(of).map_err(BackupError::io("look at", path))?;
    let is_possible = place::is_subvolume(of, &seen).map_err(BackupError::io("look at", path))?
        && place::shares_data(of, into)
        && has_none_below(of)?;
    if !is_possible {
        return Ok(false);
    }
    let target = format!("{}/{}", by_descriptor(into), name.to_string_lossy());
    if btrfs(&["snapshot", &by_descriptor(of), &target])?.is_none() {
        super::remove::remove(into, name, path)?;
        return Ok(false);
    }
    let made = at::open_directory(into, name).and_then(|made| {
        let seen = at::look(&made)?;
        place::is_subvolume(&made, &seen)
    });
    made.map_err(BackupError::io("make a snapshot of", path))
}

/// Removes a subvolume and all that is in it at once, where that can be done.
pub(super) fn remove(directory: &OwnedFd, name: &CStr) -> Result<(), BackupError> {
    let is_one = at::open_directory(directory, name).and_then(|opened| {
        let seen = at::look(&opened)?;
        place::is_subvolume(&opened, &seen)
    });
    if is_one == Ok(true) {
        btrfs(&[
            "delete",
            &format!("{}/{}", by_descriptor(directory), name.to_string_lossy()),
        ])?;
    }
    Ok(())
}

/// Whether no subvolume is in another, of which a snapshot would have an empty directory; but for nixmig's own snapshots.
fn has_none_below(subvolume: &OwnedFd) -> Result<bool, BackupError> {
    let Some(list) = btrfs(&["list", "-o", &by_descriptor(subvolume)])? else {
        return Ok(false);
    };
    let own = format!("/{OWN}/");
    let others = String::from_utf8_lossy(&list)
        .lines()
        .filter(|line| !line.contains(&own))
        .count();
    Ok(others == 0)
}

/// Asks the program; none where it is not there or does not do it.
fn btrfs(arguments: &[&str]) -> Result<Option<Vec<u8>>, BackupError> {
    let request = Request {
        program: "btrfs".into(),
        arguments: ["subvolume"].iter().chain(arguments).map(Into::into).collect(),
        directory: None,
        timeout: Some(LONG_ENOUGH),
        stdout_limit: 1 << 20,
    };
    let ran = Supervisor::new()
        .map_err(ProcessError::from)
        .and_then(|supervisor| supervisor.run(&request));
    match ran {
        Ok(output) if output.status.success() => Ok(Some(output.stdout)),
        Err(ProcessError::Interrupted(_)) => Err(BackupError::Stopped),
        Ok(_) | Err(_) => Ok(None),
    }
}

/// How another process finds a directory that is open here, whatever it is called by then.
fn by_descriptor(directory: &OwnedFd) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), directory.as_raw_fd())
}
