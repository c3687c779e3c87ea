//! Owns when a service is guarded: before a run of it begins, where a generation that can be booted would start its units on state
//! that it knows nothing of. The guard itself is [`record::guards`](crate::record::guards)'.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use super::definition::Known;
use super::engine::{Engine, Walk};
use super::error::Problem;
use super::progress::Happening;
use super::units::Units;
use crate::generation::gate::GateError;
use crate::model::{Direction, ServiceName, UnitName};
use crate::record::guards::{self, Guard};
use crate::record::{RecordError, View};

/// How a service is guarded while its state is migrated.
#[derive(Clone, Copy)]
pub struct Guarding<'a> {
    /// The generations that may start its units and have no gate of it that this nixmig can read; where there are none, no guard
    /// is needed.
    pub unaware: &'a [String],
    /// Whether somebody accepts that no guard can be where it is so.
    pub anyhow: bool,
    /// The program that the guard runs, where none is kept.
    pub program: &'a Path,
    /// Reads the guard's unit; none where no systemd runs, and the next that does reads it by itself.
    pub units: Option<&'a dyn Units>,
}

impl Guarding<'_> {
    /// No guard is needed.
    pub fn not_needed() -> Self {
        Self {
            unaware: &[],
            anyhow: false,
            program: Path::new(""),
            units: None,
        }
    }
}

impl fmt::Debug for Guarding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarding")
            .field("unaware", &self.unaware)
            .field("anyhow", &self.anyhow)
            .finish_non_exhaustive()
    }
}

/// All that the definitions of a service speak of that are kept, and one more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spoken {
    /// Units that wait for a gate of it.
    pub units: BTreeSet<UnitName>,
    /// Units that have to be up while it migrates.
    pub requires: BTreeSet<UnitName>,
    /// State directories.
    pub directories: BTreeSet<String>,
}

impl Spoken {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// Fails where one is no definition.
    pub fn of(
        view: Option<&View>,
        service: &ServiceName,
        more: Option<&Known>,
    ) -> Result<Self, Box<GateError>> {
        let kept = view.and_then(|view| view.definitions.get(service));
        let kept = kept.into_iter().flatten();
        let kept = kept.map(|(_, definition)| Known::read(service, definition.clone()));
        let kept: Vec<_> = kept.collect::<Result<_, _>>()?;
        let mut spoken = Self::default();
        for known in kept.iter().chain(more) {
            spoken.units.extend(known.units().cloned());
            let requires = known.gate.service.requires.value().into_iter().flatten();
            spoken.requires.extend(requires.cloned());
            spoken.directories.extend(known.directories().iter().cloned());
        }
        Ok(spoken)
    }

    /// The guard of the service that they are of.
    pub fn guard<'a>(self, service: &'a ServiceName, program: &'a Path) -> Guard<'a> {
        Guard {
            service,
            units: self.units,
            requires: self.requires,
            directories: self.directories,
            program,
        }
    }
}

impl Engine<'_> {
    /// Guards the service where that is needed, before its run is recorded: state that no guard keeps from an unaware generation is
    /// not migrated, unless somebody accepts that.
    pub(super) fn guard(&self, walk: &Walk<'_>, view: &View) -> Result<(), Problem> {
        let guarding = walk.guarding;
        if guarding.unaware.is_empty() {
            return Ok(());
        }
        let guard = Spoken::of(Some(view), self.service, walk.target)?.guard(self.service, guarding.program);
        let mut steps = walk.steps.iter();
        let descends = steps.all(|step| step.direction == Direction::Down);
        match guards::put(self.place, &guard) {
            // What one wrote that died before systemd had read it counts as well.
            Ok(_) => guarding
                .units
                .map_or(Ok(()), Units::reload)
                .map_err(Problem::Units),
            // Where none can be, the way down is open: the state comes nearer to what they know.
            Err(why) if guarding.anyhow || descends && is_impossible(&why) => {
                let text = format!(
                    "No guard keeps {} from starting it on state that it does not know: {why}.",
                    named(guarding.unaware)
                );
                self.tell(None, Happening::Note { text: &text });
                Ok(())
            }
            Err(why) => Err(Problem::Unguarded {
                generations: guarding.unaware.to_vec(),
                why,
            }),
        }
    }
}

/// Whether it is not for now that no guard can be.
fn is_impossible(why: &RecordError) -> bool {
    matches!(
        why,
        RecordError::ReadOnly(_) | RecordError::Memory { .. } | RecordError::Overlaid(_)
    )
}

/// Generations by their labels, as the subject or object of a sentence: `generation 41`.
pub fn named(generations: &[String]) -> String {
    const LISTED: usize = 5;
    let listed: Vec<_> = generations.iter().take(LISTED).map(String::as_str).collect();
    let more = generations.len().saturating_sub(LISTED);
    let noun = if generations.len() == 1 {
        "generation"
    } else {
        "generations"
    };
    match more {
        0 => format!("{noun} {}", listed.join(", ")),
        more => format!("{noun} {} and {more} more", listed.join(", ")),
    }
}
