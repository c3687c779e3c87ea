//! Owns the comparison of an evaluation's diff with the very calls of Nix that it makes.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::fixtures::Fixtures;
use crate::measure::{Job, in_turns};
use crate::report::{Comparison, Line};
use crate::{Outcome, nixmig};

const ROUNDS: usize = 15;
const TARGET: f64 = 1.15;

/// Two systems of one flake, and of two.
///
/// # Errors
///
/// When Nix fails.
pub(crate) fn compare(fixtures: &Fixtures, scratch: &Path) -> Outcome<Vec<Comparison>> {
    let flake = fixtures.flake();
    // The same commit by another name, so that Nix is asked twice.
    let other = format!("{flake}&ref=main");
    let pairs = [
        (
            "evaluation diff, two hosts of one flake",
            [format!("{flake}#atlas-4"), format!("{flake}#hermes-3")],
        ),
        (
            "evaluation diff, two generations of one host",
            [format!("{flake}#hermes-2"), format!("{flake}#hermes-3")],
        ),
        (
            "evaluation diff, of two references",
            [format!("{flake}#hermes-2"), format!("{other}#hermes-3")],
        ),
    ];
    let mut comparisons = Vec::new();
    for (what, [old, new]) in pairs {
        let ours = Job::new([nixmig(), "diff".as_ref(), old.as_ref(), new.as_ref()])
            .environment(fixtures.environment());
        let calls = calls_of(&ours, scratch)?;
        let name = match calls.len() {
            1 => "its call of `nix eval`".to_owned(),
            calls => format!("its {calls} calls of `nix eval`, at once"),
        };
        let theirs = Job::all(calls).environment(fixtures.environment());
        let [time, least] = in_turns(ROUNDS, [ours.contender(), theirs.contender()])?;
        comparisons.push(Comparison {
            what: what.to_owned(),
            lines: vec![
                Line::of("`nixmig diff`", &time).peak(ours.peak(scratch)?),
                Line::of(name, &least)
                    .peak(theirs.peak(scratch)?)
                    .ratio_target(time.ratio(&least), TARGET),
            ],
        });
    }
    Ok(comparisons)
}

/// The commands by which a job calls Nix: it is run once with a `nix` in its PATH that writes them down.
fn calls_of(job: &Job, scratch: &Path) -> Outcome<Vec<Vec<OsString>>> {
    let calls = scratch.join("calls");
    if calls.exists() {
        std::fs::remove_dir_all(&calls)?;
    }
    std::fs::create_dir_all(&calls)?;
    let path = std::env::var_os("PATH").ok_or("there is no PATH")?;
    let nix = std::env::split_paths(&path)
        .map(|directory| directory.join("nix"))
        .find(|nix| nix.is_file())
        .ok_or("nix is not in PATH")?;
    let bin = scratch.join("bin");
    std::fs::create_dir_all(&bin)?;
    let wrapper = bin.join("nix");
    std::fs::write(
        &wrapper,
        "#!/bin/sh\nprintf '%s\\0' \"$NIX_BEHIND\" \"$@\" > \"$NIX_CALLS/$$\"\nexec \"$NIX_BEHIND\" \"$@\"\n",
    )?;
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755))?;

    let directories = std::iter::once(bin).chain(std::env::split_paths(&path));
    let variables: [(&str, OsString); 3] = [
        ("PATH", std::env::join_paths(directories)?),
        ("NIX_BEHIND", nix.into()),
        ("NIX_CALLS", calls.clone().into()),
    ];
    job.clone().environment(variables).output()?;

    let mut commands = Vec::new();
    for entry in std::fs::read_dir(calls)? {
        let text = std::fs::read(entry?.path())?;
        let words = text.strip_suffix(b"\0").unwrap_or(&text).split(|&byte| byte == 0);
        commands.push(words.map(|word| OsString::from_vec(word.to_vec())).collect());
    }
    if commands.is_empty() {
        return Err("it called no nix".into());
    }
    Ok(commands)
}
