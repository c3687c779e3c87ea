//! `nixmig diff`: what lies between two generations.

use std::mem::ManuallyDrop;

use nixmig::plan;
use nixmig::report::{Diff as Report, Origin, names, only_plan};

use super::args::Diff;
use super::diagnostic::Failure;
use super::exit::Exit;
use super::{output, read};

pub(super) fn run(args: &Diff) -> Result<Exit, Failure> {
    let options = args.read.options(&args.report);
    // The process ends with this command: to free what they are made of piece by piece would be wasted.
    let pair = ManuallyDrop::new(read::two(&args.read, &args.old, args.new.as_deref(), &options)?);
    let (old, new) = &*pair;
    let mut plan = plan::diff(old, new);
    if let Some(chosen) = read::chosen(&args.report, || names([old, new]))? {
        plan = only_plan(&plan, &chosen);
    }
    let report = Report {
        old: Origin::Generation(old),
        new,
        plan: &plan,
    };
    let options = args.report.options();
    output::print(&report.write(args.report.format(), options)).map_err(Failure::Output)?;
    Ok(Exit::of(&report.summary(options), args.exit_code))
}
