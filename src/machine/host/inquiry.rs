//! Owns finding out what is known of one service: what the record, its data and other generations tell of it, and who is asked.

use std::path::{Path, PathBuf};

use super::{Built, Host};
use crate::execute::Answer;
use crate::generation::closure::definitions;
use crate::generation::reference::Closure;
use crate::machine::error::MachineError;
use crate::machine::facts::{self, Facts};
use crate::machine::witness::Eyes;
use crate::model::{Recorded, Service, ServiceName};
use crate::plan::Trouble;
use crate::record;

impl Host<'_> {
    /// Finds out what is known of one service.
    pub(super) fn facts(
        &self,
        name: &ServiceName,
        wanted: Option<&Service>,
        built: &Built<'_>,
        notes: &mut Vec<String>,
    ) -> Result<Facts, MachineError> {
        let mut facts = Facts::default();
        let eyes = Eyes {
            root: &self.root,
            expected: &built.expected,
            mounted: self.mounted()?,
            privileged: sees_stamps(),
        };
        let mut asks = wanted.is_some_and(|wanted| wanted.detect.is_set());
        match self.recorded(name) {
            Some(recorded) => {
                let read = wanted.zip(built.gates.get(name).map(Vec::as_slice));
                facts.recall(&self.root, name, recorded, read);
                facts.running = self.walked.contains(name);
                if facts::goes_down(recorded, wanted)
                    && (!facts::undoes(facts.past.as_ref(), recorded) || facts::is_gone(&self.root, recorded))
                    && let Some((past, toplevel)) = self.elsewhere(name, recorded)?
                {
                    facts.past = Some(past);
                    facts.past_in = Some(toplevel);
                }
                let own = self.view.as_ref().map(|view| &view.id);
                let directories = |service: &'_ Service| service.state_directories.value().cloned();
                let past = facts.past.as_ref().and_then(directories);
                let directories = past.or_else(|| wanted.and_then(directories)).unwrap_or_default();
                if let Some(own) = own {
                    facts.troubles.extend(eyes.recorded(&directories, recorded, own));
                }
                let vouched = eyes.privileged && facts::vouched(&directories, recorded, &facts.troubles);
                let moves = wanted.is_none_or(|wanted| facts::moves(recorded, wanted));
                asks &= facts::is_settled(recorded) && (moves || !vouched);
            }
            None => {
                if let Some(wanted) = wanted {
                    self.meet(name, wanted, built, &eyes, &mut facts, notes)?;
                }
            }
        }
        facts.follow(&self.root, wanted);
        asks &= facts.troubles.iter().all(Trouble::leaves_data);
        if let Some(wanted) = wanted.filter(|_| asks) {
            facts.answer(self.ask(wanted, built));
        }
        Ok(facts)
    }

    /// Finds out what can be known of state that the record does not know.
    fn meet(
        &self,
        name: &ServiceName,
        wanted: &Service,
        built: &Built<'_>,
        eyes: &Eyes<'_>,
        facts: &mut Facts,
        notes: &mut Vec<String>,
    ) -> Result<(), MachineError> {
        let view = self.view.as_ref();
        let unmet = view.and_then(|view| view.unmet.get(name));
        let seen = eyes.unrecorded(wanted, view.map(|view| &view.id), unmet);
        let roots = record::roots::traces(&self.options.place).map_err(MachineError::Record)?;
        let of_this = roots.get(name).map_or(&[][..], Vec::as_slice);
        let guards = record::guards::list(&self.options.place).map_err(MachineError::Record)?;
        facts.trace = seen
            .stamp
            .or_else(|| facts::trace(of_this, guards.get(name), unmet));
        facts.troubles = seen.troubles;
        let backups = unmet.into_iter().flat_map(|unmet| &unmet.backups);
        facts.troubles.extend(backups.map(|backup| Trouble::HalfDone {
            backup: backup.clone(),
        }));
        facts.fresh = match (seen.files, seen.empty) {
            (true, _) => Some(false),
            (false, true) => {
                let elsewhere = self.run_elsewhere(wanted, built.toplevel, notes)?;
                (!elsewhere).then_some(true)
            }
            (false, false) => None,
        };
        Ok(())
    }

    /// Whether another generation of the machine runs a service's units, or might.
    fn run_elsewhere(
        &self,
        wanted: &Service,
        toplevel: Option<&Path>,
        notes: &mut Vec<String>,
    ) -> Result<bool, MachineError> {
        let mut found = false;
        for (bootable, generation) in self.generations()? {
            if Some(bootable.toplevel.as_path()) == toplevel {
                continue;
            }
            match generation {
                Ok(generation) => found |= facts::runs(generation, wanted),
                Err(error) => {
                    found = true;
                    let note = format!(
                        "the generation `{}` cannot be read, and may run {}: {error}",
                        bootable.label(),
                        wanted.name
                    );
                    notes.push(note);
                }
            }
        }
        Ok(found)
    }

    /// The service of the newest generation that has all that is applied, and that generation's toplevel.
    fn elsewhere(
        &self,
        name: &ServiceName,
        recorded: &Recorded,
    ) -> Result<Option<(Service, PathBuf)>, MachineError> {
        let generations = self.generations()?.iter();
        let mut services = generations.filter_map(|(bootable, generation)| {
            let service = generation.as_ref().ok()?.services.get(name)?;
            (!service.masked.is_set()).then_some((service, bootable))
        });
        let found = services.find(|(service, _)| facts::undoes(Some(service), recorded));
        Ok(found.map(|(service, bootable)| (service.clone(), bootable.toplevel.clone())))
    }

    /// Asks the `detect` script of a service, once.
    fn ask(&self, wanted: &Service, built: &Built<'_>) -> Answer {
        let script = wanted.detect.value().and_then(|text| text.path.as_ref());
        let known = script.and_then(|script| self.answers.borrow().get(script).cloned());
        known.unwrap_or_else(|| {
            let answer = self.ask_now(wanted, built);
            if let Some(script) = script {
                self.answers.borrow_mut().insert(script.clone(), answer.clone());
            }
            answer
        })
    }

    fn ask_now(&self, wanted: &Service, built: &Built<'_>) -> Answer {
        let Some(toplevel) = built.toplevel else {
            return Answer::Unasked("its generation is not built".to_owned());
        };
        let read = || {
            let closure = Closure::at(toplevel);
            definitions(&closure, &self.options.read)
        };
        match built.definitions.get_or_init(read) {
            Ok(definitions) => match definitions.services.get(&wanted.name) {
                Some(definition) => {
                    let recorded = self.recorded(&wanted.name);
                    let package = recorded.and_then(|recorded| recorded.package.as_deref());
                    (self.options.ask)(&wanted.name, definition, package)
                }
                None => Answer::Unasked("its gate is not there any more".to_owned()),
            },
            Err(error) => Answer::Unasked(error.to_string()),
        }
    }
}

/// Whether this process sees the stamps on state directories: to others than those with CAP_SYS_ADMIN there are none (xattr(7)).
pub(super) fn sees_stamps() -> bool {
    let sets = rustix::thread::capabilities(None);
    sets.is_ok_and(|sets| sets.effective.contains(rustix::thread::CapabilitySet::SYS_ADMIN))
}
