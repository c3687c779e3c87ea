//! `nixmig plan`: what happens to the state of this machine when a generation starts.

use std::collections::BTreeSet;
use std::ffi::OsStr;

use nixmig::machine::Planned;
use nixmig::model::ServiceName;
use nixmig::report::{Diff as Report, Origin, names, only_plan};

use super::args::Plan;
use super::diagnostic::Failure;
use super::exit::Exit;
use super::{machine, output, read};

pub(super) fn run(args: &Plan) -> Result<Exit, Failure> {
    let options = args.read.options(&args.report);
    let word = match (&args.generation, args.read.file.is_some()) {
        (Some(word), _) => Some(word.as_os_str()),
        (None, true) => None,
        (None, false) => Some(OsStr::new("current")),
    };
    let target = read::one(&args.read, word, &options)?;
    let from = args.from.as_deref();
    let from = from
        .map(|from| read::one(&args.read, Some(from), &options))
        .transpose()?;
    let place = args.memory.place(args.read.below());
    let host = machine::look(options, place, &args.memory, from)?;
    let Planned {
        target,
        mut plan,
        notes,
        ..
    } = host.plan(target).map_err(Failure::machine)?;
    let there = || -> BTreeSet<ServiceName> {
        let planned = plan.services.iter().map(|service| service.name.clone());
        names([&target]).into_iter().chain(planned).collect()
    };
    if let Some(chosen) = read::chosen(&args.report, there)? {
        plan = only_plan(&plan, &chosen);
    }
    let report = Report {
        old: Origin::Machine(&machine::heading(&host, &notes)),
        new: &target,
        plan: &plan,
    };
    let options = args.report.options();
    output::print(&report.write(args.report.format(), options)).map_err(Failure::Output)?;
    Ok(Exit::of(&report.summary(options), args.exit_code))
}
