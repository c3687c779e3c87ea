//! Owns what somebody decides: how it goes on after a failure, what the state is on, that it is to be forgotten. Each is one
//! change of the record, and none runs a script but the restore that failed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::backup::{self, Spot};
use super::definition::Known;
use super::engine::Engine;
use super::error::{Left, Named, Problem, WalkError};
use super::progress::Happening;
use super::run::Run;
use super::step::stamp_all;
use crate::model::{Block, OpenRun, Recorded, RunId, Version};
use crate::record::stamp::{self, Stamp};
use crate::record::{Choice, Event, RunOutcome, guards, roots};

/// What was said of a state without running anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// What is applied now, in the order of application.
    pub applied: Vec<Version>,
    /// Backups that the record does not know any more. They are somebody's to remove.
    pub backups: Vec<String>,
    /// Directories beside the state in which a restore of theirs that did not end left parts of it. So are they.
    pub areas: Vec<PathBuf>,
}

/// What became of a restore that was tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BroughtBack {
    /// The run that was brought back.
    pub run: RunId,
    /// Its steps that stay, newest first: the newest of them has no backup.
    pub kept: Vec<Version>,
}

/// What state is accepted to be on after a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// The state of the run that ends with this version; on none, nothing is applied.
    On(Option<Version>),
    /// The state in which exactly these are applied, in this order.
    Exactly(Vec<Version>),
}

/// What is said to be applied, and where that is from.
#[derive(Clone, Debug)]
pub struct Assumption<'a> {
    /// The versions, in the order of application.
    pub applied: &'a [Version],
    /// The definition that undoes them, where there is one; its state directories are stamped.
    pub definition: Option<&'a Known>,
    /// The package that last ran the state, where that is known.
    pub package: Option<&'a str>,
}

impl Engine<'_> {
    /// Lets a path be tried again that failed and was brought back.
    ///
    /// # Errors
    ///
    /// Fails where nothing is blocked that way.
    pub fn retry(&mut self) -> Result<(), WalkError> {
        let decide = |engine: &mut Self| match engine.recorded()?.block {
            Some(Block::Restored { .. }) => engine.resumed(Choice::Retry),
            Some(Block::Unrestored {
                direction, version, ..
            }) => Err(Problem::Unrestored(Named { direction, version })),
            None => Err(Problem::NothingToResume),
        };
        decide(self).map_err(|problem| self.error(problem, Left::Untouched))
    }

    /// Tries a restore again that failed, from the backup that was kept, and brings the rest of the run back.
    ///
    /// # Errors
    ///
    /// Fails where there is no such backup, or the restore fails again: it is kept then, too.
    pub fn restore_again(&mut self) -> Result<BroughtBack, WalkError> {
        let run = self
            .begin_restore()
            .map_err(|problem| self.error(problem, Left::Untouched))?;
        let failed = || -> Result<RunOutcome, Problem> {
            for step in &run.steps {
                if self.recorded_step(&run.id, step.n)?.failed {
                    return Ok(RunOutcome::Restored { n: step.n });
                }
            }
            Ok(RunOutcome::Abandoned)
        };
        let outcome = failed().map_err(|problem| self.error(problem, Left::Untouched))?;
        let back = self.bring_back(&run).and_then(|kept| {
            self.close(&run, outcome)?;
            Ok(kept)
        });
        match back {
            Ok(kept) => Ok(BroughtBack { run: run.id, kept }),
            Err(stuck) => Err(self.stuck(&run, stuck, None)),
        }
    }

    fn begin_restore(&mut self) -> Result<Run, Problem> {
        let recorded = self.recorded()?;
        let Some(Block::Unrestored {
            direction,
            version,
            backup,
            ..
        }) = recorded.block
        else {
            return Err(Problem::NothingToResume);
        };
        if backup.is_none() {
            return Err(Problem::NoBackup(Named { direction, version }));
        }
        let run = self.open_run()?.ok_or(Problem::NothingToResume)?;
        self.vacant(run.known.values().map(|known| &**known))?;
        self.resumed(Choice::Restore)?;
        Ok(run)
    }

    /// Takes it that the state is as is said, whatever the open run did. Its backups are left where they are.
    ///
    /// # Errors
    ///
    /// Fails where nothing is to be decided, where the run never went through such a state, and where it went through several.
    pub fn accept(&mut self, accepted: &Accepted) -> Result<Said, WalkError> {
        let decide = |engine: &mut Self| {
            let recorded = engine.recorded()?;
            let (applied, backups) = match &recorded.open_run {
                None if recorded.block.is_none() => return Err(Problem::NothingToResume),
                None => (state_on(&[recorded.versions()], accepted)?, Vec::new()),
                Some(open) => {
                    let kept = open.steps.iter().filter_map(|step| step.backup.as_ref());
                    let kept = kept.map(|backup| backup.directory.clone());
                    (state_on(&states(open), accepted)?, kept.collect())
                }
            };
            let mut events: Vec<_> = engine.undoing(&recorded, &applied)?.into_iter().collect();
            let (sequence, stamped) = engine.say(&recorded.stamped)?;
            events.push(Event::Resumed {
                service: engine.service.clone(),
                choice: Choice::Accept {
                    applied: applied.clone(),
                    sequence,
                    stamped,
                },
            });
            let arrived = recorded.open_run.as_ref();
            let arrived = arrived.filter(|open| states(open).last() == Some(&applied));
            // Whoever put it right by hand put it where the run was going. What cannot be kept must not be in the way.
            if let Some(package) = arrived.and_then(|open| open.package.as_ref())
                && roots::keep_package(engine.place, engine.service, package).is_ok()
            {
                events.push(Event::PackageRan {
                    service: engine.service.clone(),
                    package: package.clone(),
                });
            }
            engine.record.append(&events)?;
            let left = |directory: &String| backup::left_by_restore(&Spot::at(directory));
            let areas = backups.iter().flat_map(left).collect();
            Ok(Said {
                applied,
                backups,
                areas,
            })
        };
        let said = decide(self).map_err(|problem| self.error(problem, Left::Untouched))?;
        self.prune();
        Ok(said)
    }

    /// Says what is applied, and runs nothing. Lifts a block; a run that is open has to be settled or resumed before.
    ///
    /// # Errors
    ///
    /// Fails where a run is open and where the record cannot be written.
    pub fn stamp(&mut self, is: &Assumption<'_>, reason: &str) -> Result<Said, WalkError> {
        let was = |engine: &mut Self| -> Result<_, Problem> {
            let view = engine.record.view()?;
            let recorded = view.services.get(engine.service);
            if let Some(open) = recorded.and_then(|recorded| recorded.open_run.as_ref()) {
                return Err(Problem::Open(open.id.clone()));
            }
            Ok(recorded.map(Recorded::versions))
        };
        let was = was(self).map_err(|problem| self.error(problem, Left::Untouched))?;
        self.assume(is, |service, sequence, stamped| Event::Stamped {
            service,
            applied: is.applied.to_vec(),
            was,
            reason: reason.to_owned(),
            sequence,
            stamped,
        })
    }

    /// Records what first contact assumed of state that the record did not know; `sources` are what told it, in words.
    ///
    /// # Errors
    ///
    /// Fails where the record knows the service already, and where it cannot be written.
    pub fn meet(
        &mut self,
        is: &Assumption<'_>,
        sources: &[String],
        generation: &str,
    ) -> Result<Said, WalkError> {
        self.assume(is, |service, sequence, stamped| Event::Met {
            service,
            applied: is.applied.to_vec(),
            sources: sources.to_vec(),
            generation: generation.to_owned(),
            sequence,
            stamped,
        })
    }

    fn assume(
        &mut self,
        is: &Assumption<'_>,
        event: impl FnOnce(crate::model::ServiceName, u64, Vec<String>) -> Event,
    ) -> Result<Said, WalkError> {
        let assume = |engine: &mut Self| -> Result<(), Problem> {
            if let Some(known) = is.definition {
                roots::keep(engine.place, engine.service, &known.definition)?;
            }
            if let Some(package) = is.package {
                roots::keep_package(engine.place, engine.service, package)?;
            }
            let directories = is.definition.map_or(&[][..], Known::directories);
            let (sequence, stamped) = engine.say(directories)?;
            let service = engine.service.clone();
            let mut events = vec![event(service.clone(), sequence, stamped)];
            events.extend(is.definition.map(|known| Event::Defined {
                service: service.clone(),
                definition: known.definition.clone(),
                current: known.has_all(is.applied),
            }));
            events.extend(is.package.map(|package| Event::PackageRan {
                service,
                package: package.to_owned(),
            }));
            Ok(engine.record.append(&events)?)
        };
        assume(self).map_err(|problem| self.error(problem, Left::Untouched))?;
        self.prune();
        Ok(Said {
            applied: is.applied.to_vec(),
            backups: Vec::new(),
            areas: Vec::new(),
        })
    }

    /// Forgets all that is remembered of the service, but for the log, also where that is only that a lost record knew it. The
    /// state itself is left as it is, and so are backups that were all that was known of a run: these.
    ///
    /// # Errors
    ///
    /// Fails where the record neither knows it nor lost it, and where a run of it is open.
    pub fn forget(&mut self) -> Result<Vec<String>, WalkError> {
        let decide = |engine: &mut Self| -> Result<_, Problem> {
            let view = engine.record.view()?;
            let lost = view.unmet.get(engine.service).filter(|unmet| unmet.lost);
            let (stamped, backups) = match (view.services.get(engine.service), lost) {
                (Some(recorded), _) => {
                    if let Some(open) = &recorded.open_run {
                        return Err(Problem::Open(open.id.clone()));
                    }
                    (recorded.stamped.clone(), Vec::new())
                }
                (None, Some(lost)) => (lost.stamped.clone(), lost.backups.clone()),
                // Its guard is all that a lost record left.
                (None, None) if guards::list(engine.place)?.contains_key(engine.service) => {
                    return Ok((Vec::new(), Vec::new()));
                }
                (None, None) => return Err(Problem::NothingToForget),
            };
            engine.record.append(&[Event::Forgotten {
                service: engine.service.clone(),
            }])?;
            Ok((stamped, backups))
        };
        let (stamped, backups) = decide(self).map_err(|problem| self.error(problem, Left::Untouched))?;
        for directory in stamped {
            if let Err(error) = unstamp(&directory) {
                let text = format!("{directory} still carries a stamp: {error}.");
                self.tell(None, Happening::Note { text: &text });
            }
        }
        self.prune();
        // Where systemd has not read that yet, its unit sees that nothing is to be guarded any more.
        if let Err(error) = guards::remove(self.place, self.service) {
            return Err(self.error(error.into(), Left::Untouched));
        }
        Ok(backups)
    }

    fn recorded(&self) -> Result<Recorded, Problem> {
        let view = self.record.view()?;
        view.services.get(self.service).cloned().ok_or(Problem::NotMet)
    }

    /// That another definition than now undoes what is applied, where one of those that are kept does.
    fn undoing(&self, recorded: &Recorded, applied: &[Version]) -> Result<Option<Event>, Problem> {
        let now = recorded.definition.as_ref();
        let view = self.record.view()?;
        let kept = view.definitions.get(self.service).into_iter().flatten();
        let kept = now.into_iter().chain(kept.map(|(_, definition)| definition));
        for definition in kept {
            if Known::read(self.service, definition.clone())?.has_all(applied) {
                return Ok((now != Some(definition)).then(|| Event::Defined {
                    service: self.service.clone(),
                    definition: definition.clone(),
                    current: true,
                }));
            }
        }
        Ok(None)
    }

    fn resumed(&mut self, choice: Choice) -> Result<(), Problem> {
        Ok(self.record.append(&[Event::Resumed {
            service: self.service.clone(),
            choice,
        }])?)
    }

    /// Stamps state directories with the next number, which nothing but words stand behind, and has that on disk.
    fn say(&self, directories: &[String]) -> Result<(u64, Vec<String>), Problem> {
        let view = self.record.view()?;
        let sequence = view.next_sequence(self.service);
        let stamp = Stamp {
            record: view.id.clone(),
            sequence,
        };
        let stamped = stamp_all(directories, &stamp, &|text: &str| {
            self.tell(None, Happening::Note { text });
        });
        if !stamped.is_empty() {
            let paths: Vec<_> = stamped.iter().map(PathBuf::from).collect();
            self.flush(&paths)?;
        }
        Ok((sequence, stamped))
    }
}

/// Takes the stamp off a state directory that is still there.
fn unstamp(directory: &str) -> Result<(), Box<dyn std::error::Error>> {
    match backup::open(Path::new(directory))? {
        Some(directory) => Ok(stamp::remove(directory)?),
        None => Ok(()),
    }
}

/// What was or would have been applied before and after each step of a run.
fn states(open: &OpenRun) -> Vec<Vec<Version>> {
    let mut applied: Vec<Version> = open.before.iter().map(|applied| applied.version).collect();
    let mut states = vec![applied.clone()];
    for step in &open.steps {
        applied.retain(|version| *version != step.version && !step.swallowed.contains(version));
        if step.direction == crate::model::Direction::Up {
            applied.extend(step.swallowed.iter().copied().chain([step.version]));
        }
        states.push(applied.clone());
    }
    states
}

/// The state that is meant: by a version that it ends with, or else has as its newest.
fn state_on(states: &[Vec<Version>], accepted: &Accepted) -> Result<Vec<Version>, Problem> {
    let version = match accepted {
        Accepted::On(None) => return Ok(Vec::new()),
        Accepted::On(Some(version)) => version,
        Accepted::Exactly(applied) => {
            let there = states.contains(applied);
            return match there {
                true => Ok(applied.clone()),
                false => Err(Problem::NotThere(applied.last().copied())),
            };
        }
    };
    let fits = |by: fn(&Vec<Version>) -> Option<&Version>| -> BTreeSet<&Vec<Version>> {
        states.iter().filter(|state| by(state) == Some(version)).collect()
    };
    let mut fitting = fits(|state| state.last());
    if fitting.is_empty() {
        fitting = fits(|state| state.iter().max());
    }
    match fitting.len() {
        0 => Err(Problem::NotThere(Some(*version))),
        1 => Ok(fitting.into_iter().flatten().copied().collect()),
        _ => Err(Problem::Ambiguous(fitting.into_iter().cloned().collect())),
    }
}
