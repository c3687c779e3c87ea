//! Owns the least work that reading can be: a program that opens the same files, reads them, and looks at nothing.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::hint::black_box;
use std::path::{Path, PathBuf};

use crate::measure::Job;
use crate::{Outcome, itself};

/// The flag by which this program is that program; behind it a file with a path a line.
pub(crate) const FLAG: &str = "--read";

/// Reads all files that a list names.
///
/// # Errors
///
/// When one of them cannot be read.
pub(crate) fn read(list: &Path) -> Outcome<()> {
    for file in std::fs::read_to_string(list)?.lines() {
        black_box(std::fs::read(file)?);
    }
    Ok(())
}

/// The job that reads what `job` opens below a directory, and how many files those are.
///
/// # Errors
///
/// When strace is not there, or the job fails.
pub(crate) fn reader_of(job: &Job, below: &Path, scratch: &Path) -> Outcome<(Job, usize)> {
    let trace = scratch.join("trace");
    let words: [OsString; 7] = [
        "strace".into(),
        "-f".into(),
        "-y".into(),
        "-e".into(),
        "trace=open,openat,openat2".into(),
        "-o".into(),
        trace.clone().into(),
    ];
    job.behind(words).output()?;
    let text = std::fs::read_to_string(&trace)?;
    let files: BTreeSet<_> = text
        .lines()
        .filter_map(opened)
        .filter(|file| file.starts_with(below) && file.is_file())
        .collect();
    let lines: String = files.iter().map(|file| format!("{}\n", file.display())).collect();
    let list = scratch.join("files");
    std::fs::write(&list, lines)?;
    let reader = Job::new([itself()?, FLAG.into(), list.into()]);
    Ok((reader, files.len()))
}

/// The file of a line such as `12 openat(3</etc>, "passwd", O_RDONLY) = 4</etc/passwd>`.
fn opened(line: &str) -> Option<PathBuf> {
    let (_, result) = line.rsplit_once(" = ")?;
    let (_, path) = result.split_once('<')?;
    Some(path.strip_suffix('>')?.into())
}
