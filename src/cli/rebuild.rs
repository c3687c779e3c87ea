//! `nixmig record rebuild`: makes a record that was lost or broken anew.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::PathBuf;

use nixmig::execute::Known;
use nixmig::generation::closure::definitions;
use nixmig::generation::reference::Closure;
use nixmig::machine::Bootables;
use nixmig::model::ServiceName;
use nixmig::record::{self, Rebuilding, RecordError, Wait, lock_record, roots};

use super::args::Rebuild;
use super::change::place;
use super::diagnostic::Failure;
use super::exit::Exit;
use super::output;

pub(super) fn run(args: &Rebuild) -> Result<Exit, Failure> {
    let place = place(&args.machine)?;
    let options = args.machine.below.options();
    let mut directories: BTreeMap<ServiceName, BTreeSet<PathBuf>> = BTreeMap::new();
    let mut found = roots::definitions(&place).map_err(Failure::record)?;
    let bootables = Bootables::look(&options).map_err(Failure::machine)?;
    for bootable in &bootables.generations {
        // A generation that cannot be read has nothing to tell; the others may.
        let Ok(read) = definitions(&Closure::at(&bootable.toplevel), &options) else {
            continue;
        };
        for (service, definition) in read.services {
            found.entry(service).or_default().push(definition);
        }
    }
    for (service, definitions) in found {
        for definition in definitions {
            let Ok(known) = Known::read(&service, definition) else {
                continue;
            };
            let of = directories.entry(service.clone()).or_default();
            of.extend(known.directories().iter().map(PathBuf::from));
        }
    }
    let lock = lock_record(&place, Wait::Not, &mut |_| ControlFlow::Continue(())).map_err(Failure::lock)?;
    let rebuilt = match record::rebuild(&place, &lock, &directories) {
        Ok(rebuilt) => rebuilt,
        Err(RecordError::Sound(path)) => {
            let text = format!("The record is sound, and stays as it is: {}\n", path.display());
            output::print(&text).map_err(Failure::Output)?;
            return Ok(Exit::Fine);
        }
        Err(error) => return Err(Failure::record(error)),
    };
    output::print(&words(&rebuilt)).map_err(Failure::Output)?;
    Ok(match rebuilt.lost.is_empty() {
        true => Exit::Fine,
        false => Exit::Resume,
    })
}

fn words(rebuilt: &Rebuilding) -> String {
    let names = |names: &[ServiceName]| {
        names
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut text = "The record was made anew.\n".to_owned();
    if let Some(kept) = &rebuilt.kept_aside {
        text.push_str(&format!("The broken one is kept as {}.\n", kept.display()));
    }
    if rebuilt.salvaged > 0 {
        text.push_str(&format!("{} events of it were taken over.\n", rebuilt.salvaged));
    }
    if !rebuilt.known.is_empty() {
        text.push_str(&format!("Known as before: {}.\n", names(&rebuilt.known)));
    }
    for service in &rebuilt.lost {
        text.push_str(&format!(
            "What {service} is on is not known any more: its `detect` script tells, or `nixmig stamp {service} VERSION`.\n"
        ));
    }
    for backup in &rebuilt.backups {
        text.push_str(&format!(
            "A backup is there that nobody knows of: {}.\n",
            backup.display()
        ));
    }
    text
}
