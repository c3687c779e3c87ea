//! `nixmig history`: what happened to the state of this machine, newest last.

use std::collections::BTreeMap;

use jiff::Timestamp;
use nixmig::model::{Direction, RunId, UnitName, Version};
use nixmig::record::{self, Choice, Event, Filter, Logged, RunOutcome, StepRecord};
use nixmig::report::{Happened, History as Report};

use super::args::History;
use super::diagnostic::Failure;
use super::exit::Exit;
use super::{machine, output};

pub(super) fn run(args: &History) -> Result<Exit, Failure> {
    let read = args.machine.below.options();
    let place = args.machine.memory.place(&args.machine.below);
    let filter = Filter {
        services: args.service.iter().cloned().collect(),
        ..Filter::default()
    };
    let logged = record::history(&place, &filter).map_err(Failure::record)?;
    let host = machine::look(read, place, &args.machine.memory, None)?;
    let mut runs = Runs::default();
    let mut events: Vec<_> = logged.iter().map(|logged| happened(logged, &mut runs)).collect();
    // What a step is called is told when its run begins, so the rest is cut off last.
    let newest = args.last.unwrap_or(usize::MAX);
    events.drain(..events.len().saturating_sub(newest));
    let report = Report {
        machine: &machine::heading(&host, &[]),
        events: &events,
        output: args.output,
    };
    let text = report.write(args.list.format(), output::options());
    output::print(&text).map_err(Failure::Output)?;
    Ok(Exit::Fine)
}

/// The steps of the runs that were begun.
#[derive(Default)]
struct Runs(BTreeMap<RunId, Vec<StepRecord>>);

impl Runs {
    /// What a step is called: `up 2024-10-01`.
    fn step(&self, run: &RunId, n: u32) -> String {
        let steps = self.0.get(run);
        let step = steps.and_then(|steps| steps.get(usize::try_from(n).ok()?));
        step.map_or_else(|| format!("step {n}"), name)
    }
}

fn name(step: &StepRecord) -> String {
    format!("{} {}", Direction::from(step.direction).name(), step.version)
}

fn happened(logged: &Logged, runs: &mut Runs) -> Happened {
    if let Event::RunBegun { run, steps, .. } = &logged.event {
        runs.0.insert(run.clone(), steps.clone());
    }
    let (good, words, output) = words(&logged.event, runs);
    Happened {
        seq: logged.seq,
        at: logged.at.to_string(),
        time: time(logged.at),
        service: logged.service.clone(),
        run: logged.event.run().map(ToString::to_string),
        words,
        good,
        output,
        nixmig: logged.nixmig.clone(),
        event: fields(&logged.event),
    }
}

/// An event's fields with its kind, as docs/record.md names them. The words of a unit file stay where it is.
fn fields(event: &Event) -> serde_json::Value {
    // An event was read as JSON, so it can be written so: its kind around its fields.
    let written = serde_json::to_value(event).unwrap_or_default();
    let mut fields = match written {
        serde_json::Value::Object(mut object) => match object.remove(event.kind()) {
            Some(serde_json::Value::Object(fields)) => fields,
            _ => object,
        },
        _ => serde_json::Map::new(),
    };
    if let Some(serde_json::Value::Object(definition)) = fields.get_mut("definition") {
        definition.remove("text");
    }
    fields.insert("kind".to_owned(), event.kind().into());
    fields.into()
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// What happened, whether that is as it should be, and what a script said.
fn words(event: &Event, runs: &Runs) -> (bool, String, String) {
    let said = |words: String| (true, words, String::new());
    match event {
        Event::Made { id } => said(format!("the record was made, with the id {id}")),
        Event::Met { applied, sources, .. } => said(match sources.is_empty() {
            true => format!("met for the first time: {} taken as applied", list(applied)),
            false => format!(
                "met for the first time: {} taken as applied, judged by {}",
                list(applied),
                sources.join(" and ")
            ),
        }),
        Event::Stamped {
            applied, was, reason, ..
        } => said(match was {
            Some(was) => format!(
                "stamped: {} is applied, where the record had {} ({reason})",
                list(applied),
                list(was)
            ),
            None => format!("stamped: {} is applied ({reason})", list(applied)),
        }),
        Event::Defined {
            definition, current, ..
        } => said(match current {
            true => format!("the way back is kept as {} has it", definition.generation),
            false => format!(
                "the definition of {} is kept while it is needed",
                definition.generation
            ),
        }),
        Event::RunBegun {
            run,
            steps,
            generation,
            ..
        } => {
            let steps: Vec<_> = steps.iter().map(name).collect();
            said(format!("run {run} begins: {}; to {generation}", steps.join(", ")))
        }
        Event::StepBegun { run, n, backup } => said(match backup {
            Some(backup) => format!("{} begins, backup in {}", runs.step(run, *n), backup.directory),
            None => format!("{} begins, without a backup", runs.step(run, *n)),
        }),
        Event::BackupMade { run, n } => said(format!("{}: the backup is complete", runs.step(run, *n))),
        Event::ScriptBegun { run, n } => said(format!("{}: the script begins", runs.step(run, *n))),
        Event::StepFinished { run, n, applied, .. } => said(format!(
            "{} is done: {} applied now",
            runs.step(run, *n),
            list(applied)
        )),
        Event::StepFailed {
            run,
            n,
            part,
            outcome,
            output,
        } => (
            false,
            format!("{} failed in its {}: {outcome}", runs.step(run, *n), part.name()),
            output.clone(),
        ),
        Event::RestoreBegun { run, n } => {
            said(format!("{}: the state is being brought back", runs.step(run, *n)))
        }
        Event::Restored { run, n, applied, .. } => said(format!(
            "{}: the state was brought back, {} applied now",
            runs.step(run, *n),
            list(applied)
        )),
        Event::RestoreFailed {
            run,
            n,
            outcome,
            output,
        } => (
            false,
            format!(
                "{}: the state could not be brought back: {outcome}",
                runs.step(run, *n)
            ),
            output.clone(),
        ),
        Event::RunEnded { run, outcome } => ended(run, *outcome, runs),
        Event::BackupDropped { run, n } => said(format!("{}: the backup was removed", runs.step(run, *n))),
        Event::PartEnded {
            run,
            n,
            part,
            outcome,
            milliseconds,
            output,
        } => (
            outcome.is_good(),
            format!(
                "{}: {} ended after {}: {outcome}",
                runs.step(run, *n),
                part.name(),
                duration(*milliseconds)
            ),
            output.clone(),
        ),
        Event::Acknowledged {
            version,
            direction,
            by,
            ..
        } => said(format!(
            "the {} of {version} was acknowledged by {by}",
            Direction::from(*direction).name()
        )),
        Event::Held {
            units, generation, ..
        } => {
            let units: Vec<_> = units.iter().map(UnitName::as_str).collect();
            let units = match units.as_slice() {
                [] => "its units".to_owned(),
                units => units.join(", "),
            };
            said(match generation {
                Some(generation) => format!("kept from starting until {generation} is active: {units}"),
                None => format!("kept from starting: {units}"),
            })
        }
        Event::Released { .. } => said("its units may start again".to_owned()),
        Event::Resumed { choice, .. } => said(match choice {
            Choice::Retry => "resumed: what failed may be tried again".to_owned(),
            Choice::Restore => "resumed: the restore is tried again".to_owned(),
            Choice::Accept { applied, .. } => format!("resumed: {} is taken as applied", list(applied)),
        }),
        Event::Forgotten { .. } => said("forgotten".to_owned()),
        Event::PackageRan { package, .. } => said(format!("runs with {package}")),
        Event::Rebuilt { from, salvaged, .. } => said(match from {
            Some(from) => format!(
                "the record was rebuilt: the broken one is {from}, and {salvaged} events of it are kept"
            ),
            None => "the record was rebuilt".to_owned(),
        }),
        Event::Found {
            backups, definitions, ..
        } => said(format!(
            "rebuilding found traces of it: {} definitions, {} backups",
            definitions.len(),
            backups.len()
        )),
    }
}

fn ended(run: &RunId, outcome: RunOutcome, runs: &Runs) -> (bool, String, String) {
    let (good, how) = match outcome {
        RunOutcome::Arrived => (true, "it arrived".to_owned()),
        RunOutcome::Restored { n } => (
            false,
            format!("{} failed, and all was brought back", runs.step(run, n)),
        ),
        RunOutcome::Abandoned => (
            true,
            "it was given up, and what it did was brought back".to_owned(),
        ),
        RunOutcome::Failed { n } => (
            false,
            format!("{} failed, and the state was not brought back", runs.step(run, n)),
        ),
    };
    (good, format!("run {run} ended: {how}"), String::new())
}

/// Versions between commas, or that there is none.
fn list(versions: &[Version]) -> String {
    let texts: Vec<_> = versions.iter().map(ToString::to_string).collect();
    match texts.is_empty() {
        true => "nothing".to_owned(),
        false => texts.join(", "),
    }
}

/// A length of time in the two largest units that it has.
fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0..60 => format!("{seconds}.{:03} s", milliseconds % 1000),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        for (milliseconds, text) in [
            (7, "0.007 s"),
            (59_999, "59.999 s"),
            (60_000, "1 min 0 s"),
            (3_661_000, "1 h 1 min"),
        ] {
            assert_eq!(duration(milliseconds), text);
        }
    }
}
