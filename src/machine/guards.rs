//! Owns which generations need a guard of a service: those that this machine can start, that run its units, and whose own gate
//! does not keep them from state that they do not know.

use std::collections::BTreeSet;

use super::error::MachineError;
use super::host::Host;
use crate::model::{Generation, ServiceName, Setting, UnitName, UnitState, Version};

/// What the generations that this machine can start make of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Starting {
    /// Those that may start its units with no gate of it that this nixmig can read, by their labels.
    pub unaware: Vec<String>,
    /// Whether there are others that nobody here knows of: a container has no profile, and its generations are its host's.
    pub elsewhere: bool,
    /// The histories of the others that declare it.
    histories: Vec<BTreeSet<Version>>,
}

impl Starting {
    /// Whether none of them lacks anything of what is applied, so that none needs it to be undone; and one is there whose own
    /// definition undoes it for one that is yet to come.
    pub fn all_have(&self, applied: &[Version]) -> bool {
        let mut histories = self.histories.iter();
        self.unaware.is_empty()
            && !self.elsewhere
            && !self.histories.is_empty()
            && histories.all(|history| applied.iter().all(|version| history.contains(version)))
    }
}

impl Host<'_> {
    /// What the generations that this machine can start make of a service that has these units.
    ///
    /// # Errors
    ///
    /// Fails where the profiles cannot be listed. A generation that cannot be read may do anything.
    pub fn starting(&self, name: &ServiceName, units: &BTreeSet<UnitName>) -> Result<Starting, MachineError> {
        let mut starting = Starting {
            elsewhere: !self.bootables()?.in_profiles,
            ..Starting::default()
        };
        for (bootable, generation) in self.generations()? {
            match generation {
                Ok(generation) if keeps(generation, name, units) => {
                    let service = generation.services.get(name);
                    starting
                        .histories
                        .extend(service.map(|service| service.history.versions().collect()));
                }
                Ok(_) | Err(_) => starting.unaware.push(bootable.label().to_owned()),
            }
        }
        Ok(starting)
    }
}

/// Whether a generation starts none of these units but behind its own gate of the service.
pub fn keeps(generation: &Generation, name: &ServiceName, units: &BTreeSet<UnitName>) -> bool {
    let gated = generation.services.get(name).map(|service| &service.units);
    let behind = |unit: &UnitName| match gated {
        Some(Setting::Set(gated)) => {
            gated.contains(unit) || unit.template().is_some_and(|template| gated.contains(&template))
        }
        Some(Setting::Unset | Setting::Unknown(_)) | None => false,
    };
    let mut units = units.iter();
    units.all(|unit| behind(unit) || generation.unit(unit) == UnitState::Absent)
}
