//! Owns the comparison of static reading with parsing alone, over a thousand modules of the fixtures under changed names.

use std::ffi::OsStr;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nixmig::generation::source::SourceReference;
use nixmig::generation::{ReadOptions, Reference};

use crate::fixtures::Fixtures;
use crate::measure::{Contender, Job, in_turns};
use crate::report::{Comparison, Line, number};
use crate::{Helper, Outcome, itself};

/// The flags by which the program reads or parses a directory once and ends, so that its memory can be measured.
pub(crate) const FLAGS: [(&str, Helper); 2] =
    [("--read-modules", read), ("--parse-modules", parse_directory)];

const FILES: usize = 1000;
const ROUNDS: usize = 21;
const TARGET: f64 = 1.3;

/// A thousand modules in one directory: one where one in twenty declares migrations, and one where most do.
///
/// # Errors
///
/// When they cannot be written, or one of the readers fails.
pub(crate) fn compare(fixtures: &Fixtures, scratch: &Path) -> Outcome<Vec<Comparison>> {
    let few = (scratch.join("few"), Some(FILES / 20));
    let most = (scratch.join("most"), None);
    let compare = |(modules, declaring): (PathBuf, Option<usize>)| {
        write_modules(fixtures, &modules, declaring)?;
        compare_in(&modules, scratch)
    };
    [few, most].into_iter().map(compare).collect()
}

fn compare_in(modules: &Path, scratch: &Path) -> Outcome<Comparison> {
    let files = nix_files(modules)?;
    let texts = files
        .iter()
        .map(std::fs::read_to_string)
        .collect::<Result<Vec<_>, _>>()?;
    let declaring = texts.iter().filter(|text| declares(text)).count();

    let [time, parsing, both] = in_turns(
        ROUNDS,
        [
            timed(|| read(modules)),
            timed(|| {
                texts.iter().for_each(|text| parse(text));
                Ok(())
            }),
            timed(|| parse_directory(modules)),
        ],
    )?;
    let peak = |(flag, _): (&str, _)| -> Outcome<u64> {
        Job::new([itself()?, flag.into(), modules.as_os_str().to_owned()]).peak(scratch)
    };
    let [ours, theirs] = FLAGS.map(peak);
    Ok(Comparison {
        what: format!(
            "static reading of {} modules, {} of which declare migrations",
            number(files.len()),
            number(declaring)
        ),
        lines: vec![
            Line::of("the source reader", &time).peak(ours?),
            Line::of("parsing their texts with rnix", &parsing).ratio_target(time.ratio(&parsing), TARGET),
            Line::of("finding, reading and parsing them", &both)
                .peak(theirs?)
                .ratio(time.ratio(&both)),
        ],
    })
}

/// Whether a module of the fixtures does.
fn declares(text: &str) -> bool {
    text.contains("migrations")
}

fn timed<'a>(work: impl Fn() -> Outcome<()> + 'a) -> Contender<'a> {
    Box::new(move || {
        let begin = Instant::now();
        work()?;
        Ok(begin.elapsed())
    })
}

fn read(directory: &Path) -> Outcome<()> {
    let reference = Reference::Source(SourceReference::Path(directory.to_owned()));
    let generation = nixmig::generation::read(&reference, "modules", &ReadOptions::default())?;
    black_box(generation);
    Ok(())
}

fn parse_directory(directory: &Path) -> Outcome<()> {
    for file in nix_files(directory)? {
        parse(&std::fs::read_to_string(file)?);
    }
    Ok(())
}

fn parse(text: &str) {
    black_box(rnix::Root::parse(text));
}

/// All files at any depth, in the order of their names.
fn nix_files(directory: &Path) -> Outcome<Vec<PathBuf>> {
    let mut entries = std::fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    let mut files = Vec::new();
    for entry in entries {
        match entry.file_type()?.is_dir() {
            true => files.extend(nix_files(&entry.path())?),
            false => files.push(entry.path()),
        }
    }
    Ok(files)
}

/// Copies the sources of two hosts until there are enough, each time with other names of services, so that no service
/// is defined twice; of those that declare migrations at most so many.
fn write_modules(fixtures: &Fixtures, directory: &Path, declaring: Option<usize>) -> Outcome<()> {
    if directory.exists() {
        std::fs::remove_dir_all(directory)?;
    }
    let sources = [fixtures.source("atlas", 6), fixtures.source("hermes", 5)];
    let mut written = 0;
    let mut declared = 0;
    for (copy, source) in sources.iter().cycle().enumerate() {
        let mut services = Vec::new();
        for entry in std::fs::read_dir(source.join("nixpkgs"))? {
            services.push(entry?.file_name().into_string().map_err(|name| not_utf8(&name))?);
        }
        for file in nix_files(source)? {
            if written == FILES {
                return Ok(());
            }
            let mut text = std::fs::read_to_string(&file)?;
            if declares(&text) {
                if Some(declared) == declaring {
                    continue;
                }
                declared += 1;
            }
            for service in &services {
                text = text.replace(service, &format!("{service}{copy}"));
            }
            let target = directory
                .join(format!("host{copy}"))
                .join(file.strip_prefix(source)?);
            std::fs::create_dir_all(target.parent().unwrap_or(directory))?;
            std::fs::write(target, text)?;
            written += 1;
        }
    }
    Ok(())
}

fn not_utf8(name: &OsStr) -> String {
    format!("{} is not UTF-8", name.display())
}
