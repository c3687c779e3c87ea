//! Owns the comparisons of what Nix has built, or could: closures and derivations of a server's size.

use std::path::Path;
use std::time::Duration;

use crate::Outcome;
use crate::files::reader_of;
use crate::fixtures::Fixtures;
use crate::measure::{Job, in_turns};
use crate::report::{Comparison, Line, number};
use crate::systems::Systems;

const ROUNDS: usize = 41;
/// Of what takes much longer.
const FEW_ROUNDS: usize = 11;

/// The closures of a pair of generations.
///
/// # Errors
///
/// When one of the programs fails.
pub(crate) fn closures(fixtures: &Fixtures, scratch: &Path) -> Outcome<Vec<Comparison>> {
    let systems = Systems::build(fixtures)?;
    let (old, new) = (&systems.old.toplevel, &systems.new.toplevel);
    let ours = systems.diff(old, new);
    let (reader, files) = reader_of(&ours, systems.root(), scratch)?;
    let nix = Job::new(["nix", "store", "diff-closures", old, new]).environment(systems.environment());

    let [time, least] = in_turns(ROUNDS, [ours.contender(), reader.contender()])?;
    let [beside, theirs] = in_turns(FEW_ROUNDS, [ours.contender(), nix.contender()])?;
    Ok(vec![Comparison {
        what: format!("closure diff, {}", systems.size()),
        lines: vec![
            Line::of("`nixmig diff`", &time)
                .peak(ours.peak(scratch)?)
                .time_target(&time, Duration::from_millis(5)),
            Line::of(format!("reading its {} files", number(files)), &least)
                .peak(reader.peak(scratch)?)
                .ratio_target(time.ratio(&least), 2.0),
            Line::of("`nix store diff-closures`", &theirs)
                .peak(nix.peak(scratch)?)
                .ratio(beside.ratio(&theirs)),
        ],
    }])
}

/// Their derivations.
///
/// # Errors
///
/// When one of the programs fails.
pub(crate) fn derivations(fixtures: &Fixtures, scratch: &Path) -> Outcome<Vec<Comparison>> {
    let systems = Systems::build(fixtures)?;
    let (old, new) = (&systems.old.derivation, &systems.new.derivation);
    let ours = systems.diff(old, new);
    let (reader, files) = reader_of(&ours, systems.root(), scratch)?;
    let nix =
        Job::new(["nix", "show-derivation", "--recursive", old, new]).environment(systems.environment());

    let [time, least] = in_turns(ROUNDS, [ours.contender(), reader.contender()])?;
    let [beside, theirs] = in_turns(FEW_ROUNDS, [ours.contender(), nix.contender()])?;
    Ok(vec![Comparison {
        what: format!("derivation diff, of {}", systems.size()),
        lines: vec![
            Line::of("`nixmig diff`", &time)
                .peak(ours.peak(scratch)?)
                .time_target(&time, Duration::from_millis(10)),
            Line::of(format!("reading its {} files", number(files)), &least)
                .peak(reader.peak(scratch)?)
                .ratio(time.ratio(&least)),
            Line::of("`nix show-derivation --recursive`", &theirs)
                .peak(nix.peak(scratch)?)
                .ratio(beside.ratio(&theirs)),
        ],
    }])
}
