//! Owns the look at the whole machine: what is read, in which order, and no more than a plan needs.

mod inquiry;
mod quick;

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::bootable::{Bootable, Bootables};
use super::error::MachineError;
use super::facts::Facts;
use super::mounts::{Expected, Mounted};
use super::runs;
use crate::execute::Answer;
use crate::generation::closure::root::Root;
use crate::generation::closure::{ClosureError, Definitions};
use crate::generation::{ReadError, ReadOptions, look_for, read_closure};
use crate::model::{Definition, Generation, Kind, Recorded, RunId, ServiceName};
use crate::plan::{self, Plan};
use crate::record::{self, Place, View};

/// How much the clock may be behind the record's last event: daylight saving that was set wrong, and no more.
const SLACK: SignedDuration = SignedDuration::from_hours(1);

/// Who asks the `detect` script of a service's definition; it is told the package that last ran the state, where that is known.
pub type Ask<'a> = dyn Fn(&ServiceName, &Definition, Option<&str>) -> Answer + 'a;

/// Who tells whether steps of a run are queued or at work, which hold no lock between one and the next.
pub type Alive<'a> = dyn Fn(&ServiceName, &RunId) -> bool + 'a;

/// How a machine is looked at.
pub struct Options<'a> {
    /// How its generations are read.
    pub read: ReadOptions,
    /// Where its record is.
    pub place: Place,
    /// The generation that ran last, where somebody says so.
    pub from: Option<Generation>,
    /// What time it is.
    pub now: Timestamp,
    /// Whether somebody says that the clock is right, whatever the record says.
    pub clock_is_right: bool,
    /// Who asks `detect` scripts.
    pub ask: &'a Ask<'a>,
    /// Who tells whether a run goes on. Asked only of runs that are open while nobody has the lock of their service.
    pub alive: &'a Alive<'a>,
}

/// A generation, or why it cannot be read.
pub type Readable = Result<Generation, ReadError>;

/// A machine that is looked at. What is looked at once is remembered; what no plan needs is not looked at.
pub struct Host<'a> {
    options: Options<'a>,
    before_switch: bool,
    root: Root,
    view: Option<View>,
    /// The services whose open runs go on.
    walked: BTreeSet<ServiceName>,
    bootables: OnceCell<Bootables>,
    others: OnceCell<Vec<(Bootable, Readable)>>,
    mounted: OnceCell<Mounted>,
    /// What `detect` scripts answered, by their paths: most generations have the same.
    answers: RefCell<BTreeMap<String, Answer>>,
}

/// What is read once of the generation that is to start.
struct Built<'t> {
    /// Its toplevel, where it is built.
    toplevel: Option<&'t Path>,
    /// The texts of its gates.
    gates: &'t BTreeMap<ServiceName, Vec<u8>>,
    /// Its definitions, once they are asked for.
    definitions: OnceCell<Result<Definitions, ClosureError>>,
    /// The mounts that it asks for.
    expected: Expected,
}

/// A plan, and what it leads to.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The generation that is to start.
    pub target: Generation,
    /// What happens to the state of the machine then.
    pub plan: Plan,
    /// The generation that ran last, where it was looked at.
    pub previous: Option<Generation>,
    /// Of services that the record has no definition of that undoes what is applied: the toplevel of the newest generation
    /// that has one.
    pub undoing: BTreeMap<ServiceName, PathBuf>,
    /// What is to be said of how the machine was looked at, as sentences.
    pub notes: Vec<String>,
}

impl Planned {
    /// The store path of the program that worked on a service's state in the generation that ran last, where that was seen.
    pub fn package_before(&self, name: &ServiceName) -> Option<&str> {
        let service = self.target.services.get(name)?;
        let program = plan::program_of(service, self.previous.as_ref()?)?;
        program.path.as_deref()
    }
}

impl<'a> Host<'a> {
    /// Reads the machine's record, and nothing else yet.
    ///
    /// # Errors
    ///
    /// Fails where the record is there and cannot be read.
    pub fn look(options: Options<'a>) -> Result<Self, MachineError> {
        let root = Root::new(&options.read.root)?;
        let (view, walked) = runs::look(&options.place, options.alive).map_err(MachineError::Record)?;
        Ok(Self {
            options,
            before_switch: false,
            root,
            view,
            walked,
            bootables: OnceCell::new(),
            others: OnceCell::new(),
            mounted: OnceCell::new(),
            answers: RefCell::default(),
        })
    }

    /// The same machine before a switch, when what a generation mounts besides those that are mounted now is not there yet: the
    /// state is where it will be moved from, and its gate looks again.
    #[must_use]
    pub fn before_switch(mut self) -> Self {
        self.before_switch = true;
        self
    }

    /// What is recorded; none where there is no record.
    pub fn view(&self) -> Option<&View> {
        self.view.as_ref()
    }

    /// Where the record is.
    pub fn place(&self) -> &Place {
        &self.options.place
    }

    /// What the machine can start.
    ///
    /// # Errors
    ///
    /// Fails where the profiles cannot be listed.
    pub fn bootables(&self) -> Result<&Bootables, MachineError> {
        if self.bootables.get().is_none() {
            let found = Bootables::find(&self.root, &self.options.read.profile)?;
            return Ok(self.bootables.get_or_init(|| found));
        }
        Ok(self.bootables.get_or_init(Bootables::default))
    }

    /// Every generation that the machine can start, read; newest first.
    ///
    /// # Errors
    ///
    /// Fails where the profiles cannot be listed. A generation that cannot be read is in the list, with the reason.
    pub fn generations(&self) -> Result<&[(Bootable, Readable)], MachineError> {
        let bootables = self.bootables()?;
        let others = self.others.get_or_init(|| {
            let read = |bootable: &Bootable| {
                let generation = read_closure(&bootable.toplevel, bootable.label(), &self.options.read);
                (bootable.clone(), generation)
            };
            bootables.generations.iter().map(read).collect()
        });
        Ok(others)
    }

    /// Plans what happens to the state of this machine when a generation starts.
    ///
    /// # Errors
    ///
    /// Fails where something of the machine that the plan rests on cannot be read.
    pub fn plan(&self, mut target: Generation) -> Result<Planned, MachineError> {
        let mut notes = Vec::new();
        let toplevel = toplevel(&target);
        let runs = self.running();
        let switches = runs.is_some() && runs != toplevel;
        let unknown = target.services.keys().any(|name| self.recorded(name).is_none());
        let mut previous = match self.previous(switches, unknown, runs.as_deref()) {
            // Of state that the record knows it tells nothing but whose programs moved.
            Err(error @ MachineError::Previous { .. }) if !unknown => {
                let why = std::error::Error::source(&error).map(|why| format!(": {why}"));
                notes.push(format!("{error}{}", why.unwrap_or_default()));
                None
            }
            previous => previous?,
        };

        let names = self.names(&target);
        let built = Built {
            toplevel: toplevel.as_deref(),
            gates: &target.gates,
            definitions: OnceCell::new(),
            expected: match names.is_empty() {
                true => Expected::default(),
                false => self.wanted_mounts(toplevel.as_deref(), runs.as_deref())?,
            },
        };
        let own = &self.options.place.state_dir;
        if let Some(mount) = built.expected.missing(&self.root, own, self.mounted()?) {
            return Err(MachineError::Unmounted {
                mount: mount.to_owned(),
                record: own.clone(),
            });
        }
        let mut facts = BTreeMap::new();
        for name in names {
            let found = self.facts(&name, target.services.get(&name), &built, &mut notes)?;
            facts.insert(name, found);
        }
        let target_error = |error| MachineError::Target(Box::new(error));
        if let Some(previous) = &mut previous {
            let label = previous.label.clone();
            look_for(previous, &target, &self.options.read).map_err(|error| MachineError::Previous {
                label,
                error: Box::new(error),
            })?;
            look_for(&mut target, previous, &self.options.read).map_err(target_error)?;
        }
        let remembered = remembered(&target, &facts);
        look_for(&mut target, &remembered, &self.options.read).map_err(target_error)?;

        let machine = plan::Machine {
            services: facts
                .iter()
                .map(|(name, facts)| (name.clone(), facts.known(self.recorded(name))))
                .collect(),
            previous: previous.as_ref(),
            switches,
            acknowledged: self
                .view
                .as_ref()
                .map(|view| view.acknowledged.clone())
                .unwrap_or_default(),
            clock: self.clock(),
        };
        let plan = plan::machine(&target, &machine);
        let undoing = facts
            .into_iter()
            .filter_map(|(name, facts)| Some((name, facts.past_in?)));
        Ok(Planned {
            target,
            plan,
            previous,
            undoing: undoing.collect(),
            notes,
        })
    }

    /// What the record says of a service.
    fn recorded(&self, name: &ServiceName) -> Option<&Recorded> {
        self.view.as_ref()?.services.get(name)
    }

    /// The services that a plan for a generation has to know.
    fn names(&self, target: &Generation) -> BTreeSet<ServiceName> {
        let recorded = self.view.iter().flat_map(|view| view.services.keys());
        target.services.keys().chain(recorded).cloned().collect()
    }

    /// Whether somebody works on a service: walks its path, be it between two steps, or has its lock.
    pub fn is_at_work(&self, name: &ServiceName) -> bool {
        self.walked.contains(name) || self.is_locked(name)
    }

    /// Whether somebody has a service's lock right now.
    fn is_locked(&self, name: &ServiceName) -> bool {
        record::is_held(&self.options.place, name)
    }

    /// The toplevel that runs; none where none does.
    pub fn running(&self) -> Option<PathBuf> {
        let place = self.root.locate(Path::new("/run/current-system")).ok()?;
        self.root
            .resolve(&place)
            .ok()
            .map(|place| self.root.inner(&place))
    }

    /// The generation that ran last: the one that runs, where another is to start; else the one before it in the profile.
    /// The latter is read only for state that the record does not know.
    fn previous(
        &self,
        switches: bool,
        unknown: bool,
        runs: Option<&Path>,
    ) -> Result<Option<Generation>, MachineError> {
        if let Some(from) = &self.options.from {
            return Ok(Some(from.clone()));
        }
        let (label, path) = match (switches, runs) {
            (true, Some(runs)) => ("current".to_owned(), runs.to_owned()),
            _ if !unknown => return Ok(None),
            _ => match self.bootables()?.before_current() {
                Some(before) => (before.label().to_owned(), before.toplevel.clone()),
                None => return Ok(None),
            },
        };
        match read_closure(&path, &label, &self.options.read) {
            Ok(generation) => Ok(Some(generation)),
            Err(error) => Err(MachineError::Previous {
                label,
                error: Box::new(error),
            }),
        }
    }

    /// The mounts that have to be there for a generation.
    fn wanted_mounts(&self, toplevel: Option<&Path>, runs: Option<&Path>) -> Result<Expected, MachineError> {
        let wanted = self.expected(toplevel)?;
        Ok(match self.before_switch && toplevel != runs {
            true => wanted.and(&self.expected(runs)?),
            false => wanted,
        })
    }

    /// The mounts that a generation asks for; of one that is not built none are known.
    fn expected(&self, toplevel: Option<&Path>) -> Result<Expected, MachineError> {
        let Some(toplevel) = toplevel else {
            return Ok(Expected::default());
        };
        let place = self.root.locate(toplevel)?;
        let system = self.root.resolve(&place)?;
        Expected::read(&self.root, &system).map_err(MachineError::Mounts)
    }

    fn mounted(&self) -> Result<&Mounted, MachineError> {
        if self.mounted.get().is_none() {
            let mounted = Mounted::read().map_err(|problem| {
                MachineError::Mounts(ClosureError::Io {
                    file: "/proc/self/mountinfo".into(),
                    problem,
                })
            })?;
            return Ok(self.mounted.get_or_init(|| mounted));
        }
        Ok(self.mounted.get_or_init(Mounted::default))
    }

    /// How far the clock is behind the record, in words.
    fn clock(&self) -> Option<String> {
        let last = self.view.as_ref()?.last_event;
        let behind = last.duration_since(self.options.now);
        (behind > SLACK && !self.options.clock_is_right).then(|| {
            let short = |time: Timestamp| time.strftime("%Y-%m-%d %H:%M UTC").to_string();
            format!(
                "it says {}, and the last event of the record is of {}",
                short(self.options.now),
                short(last)
            )
        })
    }
}

/// The toplevel of a generation that is built.
fn toplevel(generation: &Generation) -> Option<PathBuf> {
    let identity = generation.identity.as_ref();
    identity
        .filter(|_| generation.kind == Kind::Closure)
        .map(PathBuf::from)
}

/// The services that a generation does not declare, as a generation of their own: their units are looked for.
fn remembered(target: &Generation, facts: &BTreeMap<ServiceName, Facts>) -> Generation {
    let mut remembered = Generation::new("the record", Kind::Closure);
    for (name, facts) in facts {
        if let Some(past) = facts
            .past
            .as_ref()
            .filter(|_| !target.services.contains_key(name))
        {
            remembered.services.insert(name.clone(), past.clone());
        }
    }
    remembered
}
