//! Owns the runs of a target: which there are, how long one may take, and what is kept of one that failed.

use std::ffi::OsStr;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Target;
use super::mutation::{Mutator, Random};

/// How long one text may take.
const LONGEST: Duration = Duration::from_secs(20);

/// How long the texts of one word over and over are, in bytes: in a plain `cargo test`, and where a number of runs is asked
/// for. A reader that takes time by the square of a text's length, or nests without an end, does not get through.
const REPEATED: [usize; 2] = [2 << 10, 1 << 20];

/// Tries a target on its whole corpus, on long texts of one word each, and then on what is made of the corpus.
pub(crate) fn run(target: &Target) {
    let asked = setting("NIXMIG_FUZZ_RUNS");
    let texts = corpus(target);
    for (file, text) in &texts {
        attempt(target, text, &file.display().to_string());
    }
    let length = REPEATED[usize::from(asked.is_some())];
    for word in target.words {
        let text = word.repeat(length / word.len());
        attempt(target, text.as_bytes(), &format!("{word:?} over and over"));
    }
    let mutator = Mutator {
        texts: texts.into_iter().map(|(_, text)| text).collect(),
        words: target.words,
    };
    let runs = asked.unwrap_or(target.runs);
    let seed = setting("NIXMIG_FUZZ_SEED").unwrap_or(0);
    let first = setting("NIXMIG_FUZZ_FIRST").unwrap_or(0);
    let mut text = Vec::new();
    let (mut bytes, mut valid, mut slowest) = (0, 0, (Duration::ZERO, 0));
    let begun = Instant::now();
    for run in first..first + runs {
        mutator.make(&mut Random::of(seed, run), &mut text);
        bytes += text.len() as u64;
        let (took, fine) = attempt(target, &text, &format!("run {run} of seed {seed}"));
        valid += u64::from(fine);
        slowest = slowest.max((took, run));
        if (run + 1).is_multiple_of(1_000_000) {
            eprintln!(
                "{}: {} runs in {:.0?}",
                target.name,
                run + 1 - first,
                begun.elapsed()
            );
        }
    }
    eprintln!(
        "{}: {runs} runs from {} texts in {:.1?}, {} bytes each, {} % valid, the slowest {:.1?} (run {})",
        target.name,
        mutator.texts.len(),
        begun.elapsed(),
        bytes / runs.max(1),
        100 * valid / runs.max(1),
        slowest.0,
        slowest.1,
    );
}

/// Checks one text; keeps it where that fails.
fn attempt(target: &Target, text: &[u8], what: &str) -> (Duration, bool) {
    let timed = || {
        let begun = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| (target.check)(text)));
        (begun.elapsed(), result)
    };
    let (mut took, mut result) = timed();
    if result.is_ok() && took > LONGEST {
        // The machine may have been asleep: what is slow is slow again.
        (took, result) = timed();
    }
    if result.is_err() || took > LONGEST {
        let directory = top().join("target/fuzz");
        let digest = <sha2::Sha256 as sha2::Digest>::digest(text);
        let file = directory.join(format!(
            "{}-{:02x}{:02x}{:02x}{:02x}",
            target.name, digest[0], digest[1], digest[2], digest[3]
        ));
        let kept = fs::create_dir_all(&directory).and_then(|()| fs::write(&file, text));
        eprintln!(
            "{}: {what} failed after {took:.1?}; its text is in {} ({kept:?})",
            target.name,
            file.display()
        );
    }
    match result {
        Err(panic) => resume_unwind(panic),
        Ok(valid) => {
            assert!(took <= LONGEST, "a text of {} bytes took {took:.1?}", text.len());
            (took, valid)
        }
    }
}

fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name}={value} is not a number")),
    )
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The texts of a target, in an order that depends on their names alone.
fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let own = format!("fuzz/corpus/{}", target.name);
    let mut files = Vec::new();
    let own = top().join(own);
    if own.is_dir() {
        collect(&own, "", &mut files);
    }
    for (directory, ending) in target.also {
        collect(&top().join(directory), ending, &mut files);
    }
    files.sort();
    let texts: Vec<_> = files
        .into_iter()
        .map(|file| {
            let text = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            (file, text)
        })
        .filter(|(_, text)| !text.is_empty())
        .collect();
    assert!(texts.len() > 5, "the corpus of {} is not there", target.name);
    texts
}

fn collect(directory: &Path, ending: &str, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    for entry in entries {
        let path = entry.unwrap().path();
        let hidden = path
            .file_name()
            .and_then(OsStr::to_str)
            .is_none_or(|name| name.starts_with('.'));
        if path.is_dir() && !hidden {
            collect(&path, ending, files);
        } else if !hidden && path.to_string_lossy().ends_with(ending) {
            files.push(path);
        }
    }
}
