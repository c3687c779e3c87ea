//! `nixmig diff`: what lies between two generations.

use nixmig::plan;
use nixmig::report::{Diff as Report, names, only_plan};

use super::args::Diff;
use super::diagnostic::Failure;
use super::exit::Exit;
use super::{output, read};

pub(super) fn run(args: &Diff) -> Result<Exit, Failure> {
    let options = args.read.options(&args.report);
    let (old, new) = read::two(&args.read, &args.old, args.new.as_deref(), &options)?;
    let mut plan = plan::diff(&old, &new);
    if let Some(chosen) = read::chosen(&args.report, || names([&old, &new]))? {
        plan = only_plan(&plan, &chosen);
    }
    let report = Report {
        old: &old,
        new: &new,
        plan: &plan,
    };
    let steps = plan.services.iter().any(|service| !service.steps.is_empty());
    output::print(&report.write(args.report.format(), args.report.options())).map_err(Failure::Output)?;
    match steps && args.exit_code {
        true => Ok(Exit::Steps),
        false => Ok(Exit::Fine),
    }
}
