//! `nixmig show`: what one generation declares.

use nixmig::report::{names, only_generation, show};

use super::args::Show;
use super::diagnostic::Failure;
use super::exit::Exit;
use super::{output, read};

pub(super) fn run(args: &Show) -> Result<Exit, Failure> {
    let options = args.read.options(&args.report);
    let mut generation = read::one(&args.read, args.generation.as_deref(), &options)?;
    if let Some(chosen) = read::chosen(&args.report, || names([&generation]))? {
        generation = only_generation(&generation, &chosen);
    }
    let text = show(&generation, args.report.format(), args.report.options());
    output::print(&text).map_err(Failure::Output)?;
    Ok(Exit::Fine)
}
