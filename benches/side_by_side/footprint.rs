//! Owns the figures of the program itself: its start, its size, what it is built of and how long that takes.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use crate::measure::{Job, Times, in_turns};
use crate::report::{Comparison, Line};
use crate::{Outcome, nixmig};

const ROUNDS: usize = 41;
const MOST_CRATES: usize = 150;
const MOST_BYTES: u64 = 8_000_000;
const LONGEST_BUILD: Duration = Duration::from_secs(240);

/// All of them; the build only with `COLD` in the environment.
///
/// # Errors
///
/// When cargo fails.
pub(crate) fn measure(scratch: &Path) -> Outcome<Vec<Comparison>> {
    let start = Job::new([nixmig(), "--version".as_ref()]);
    let least = Job::new(["true"]);
    let [time, floor] = in_turns(ROUNDS, [start.contender(), least.contender()])?;

    let bytes = std::fs::metadata(nixmig())?.len();
    let size = format!("{:.1} MB", bytes as f64 / 1e6);

    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = package.join("Cargo.toml").into_os_string();
    let words = [
        "tree",
        "--locked",
        "--offline",
        "-e",
        "normal,build",
        "--prefix",
        "none",
        "--manifest-path",
    ];
    let tree = [cargo.clone()]
        .into_iter()
        .chain(words.map(Into::into))
        .chain([manifest.clone()]);
    let listed = Job::new(tree).output()?;
    // The marks behind a name and version tell how a crate is met, not which one it is.
    let crates: BTreeSet<Vec<&str>> = listed
        .lines()
        .map(|line| line.split(' ').take(2).collect())
        .filter(|words: &Vec<_>| words.len() == 2)
        .collect();

    let mut lines = vec![
        Line::of("`nixmig --version`", &time).peak(start.peak(scratch)?),
        Line::of("`true`", &floor)
            .peak(least.peak(scratch)?)
            .ratio(time.ratio(&floor)),
        Line::fact("size of the program", size).target("≤ 8 MB", bytes <= MOST_BYTES),
        Line::fact("crates", crates.len().to_string())
            .target(format!("≤ {MOST_CRATES}"), crates.len() <= MOST_CRATES),
    ];
    if std::env::var_os("COLD").is_some() {
        let target = scratch.join("cold");
        if target.exists() {
            std::fs::remove_dir_all(&target)?;
        }
        let words = ["build", "--release", "--locked", "--offline", "--manifest-path"];
        let build = [cargo].into_iter().chain(words.map(Into::into)).chain([manifest]);
        let build = Job::new(build).environment([("CARGO_TARGET_DIR", &target)]);
        let mut times = Times::default();
        times.push(build.time()?);
        lines.push(Line::of("a release build from nothing", &times).time_target(&times, LONGEST_BUILD));
    }
    Ok(vec![Comparison {
        what: "the program itself".to_owned(),
        lines,
    }])
}
