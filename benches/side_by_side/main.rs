//! Compares nixmig with what one would use instead, or with the least work that could do: side by side, in one run.
//!
//! `ONLY=closure,planning` runs a part, `BLESS=1` keeps the figures in docs/benchmarks.md, `COLD=1` also times a release
//! build from nothing. A target that is missed is said, and fails nothing.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark shows its figures"
)]

mod backup;
mod built;
mod evaluation;
mod files;
#[path = "../../tests/common/fixtures.rs"]
mod fixtures;
mod footprint;
mod guests;
mod host;
#[path = "../../tests/common/images.rs"]
mod images;
mod machine;
mod measure;
mod planning;
mod report;
mod source;
mod steps;
mod systems;

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use report::Comparison;

/// What a benchmark can fail with: its surroundings only.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// What this program can be asked to do alone, by a flag.
pub(crate) type Helper = fn(&Path) -> Outcome<()>;

/// A part of the run, by how it is called; it may use a directory of its own.
type Part = (&'static str, fn(&Path) -> Outcome<Vec<Comparison>>);

const PARTS: [Part; 10] = [
    ("closure", |scratch| built::closures(fixtures()?, scratch)),
    ("derivation", |scratch| built::derivations(fixtures()?, scratch)),
    ("evaluation", |scratch| evaluation::compare(fixtures()?, scratch)),
    ("source", |scratch| source::compare(fixtures()?, scratch)),
    ("planning", planning::compare),
    ("machine", |scratch| host::plans(fixtures()?, scratch)),
    ("backup", backup::compare),
    ("chain", guests::chains),
    ("gate", guests::gates),
    ("footprint", footprint::measure),
];

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    match helper(&arguments).unwrap_or_else(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What this program does as a child of itself, which measures that child's time or memory.
fn helper(arguments: &[OsString]) -> Option<Outcome<()>> {
    let [flag, argument] = arguments else { return None };
    let flag = flag.to_str()?;
    let helpers = [
        (files::FLAG, files::read as Helper),
        (planning::FLAG, planning::once),
        (backup::FLAG, backup::apart),
    ];
    let mut helpers = helpers.into_iter().chain(source::FLAGS);
    let (_, help) = helpers.find(|(name, _)| *name == flag)?;
    Some(help(argument.as_ref()))
}

fn run() -> Outcome<()> {
    let only = std::env::var("ONLY").unwrap_or_default();
    let wanted = |part: &str| only.is_empty() || only.split([',', ' ']).any(|word| word == part);
    let bless = std::env::var_os("BLESS").is_some();
    if bless && !only.is_empty() {
        return Err("only a whole run can be kept: BLESS and ONLY exclude each other".into());
    }

    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("side-by-side");
    let machine = machine::description();
    println!("{machine}\n");
    let mut comparisons = Vec::new();
    let mut failed = Vec::new();
    for (name, part) in PARTS.into_iter().filter(|(name, _)| wanted(name)) {
        let scratch = scratch.join(name);
        std::fs::create_dir_all(&scratch)?;
        match part(&scratch) {
            Ok(found) => {
                for comparison in &found {
                    println!("{}", comparison.text());
                }
                comparisons.extend(found);
            }
            Err(error) => failed.push(format!("{name} could not be measured: {error}")),
        }
    }

    let table = report::markdown(&comparisons);
    println!("{table}");
    if !failed.is_empty() {
        return Err(failed.join("\n").into());
    }
    if bless {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/benchmarks.md");
        report::keep(&kept, &machine, &table)?;
    }
    Ok(())
}

fn fixtures() -> Outcome<&'static fixtures::Fixtures> {
    fixtures::fixtures().ok_or_else(|| "the fixtures need nix and git".into())
}

/// The path of the program that is measured, of the same build.
pub(crate) fn nixmig() -> &'static OsStr {
    OsStr::new(env!("CARGO_BIN_EXE_nixmig"))
}

/// The path of this program.
///
/// # Errors
///
/// When the system does not say.
pub(crate) fn itself() -> Outcome<OsString> {
    Ok(std::env::current_exe()?.into())
}
