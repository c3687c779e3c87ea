//! Owns the quick look of a gate, which comes before every start of a service and mostly finds nothing to do: it reads the record,
//! one unit file and the stamps, and no other part of the generation.

use std::collections::BTreeSet;
use std::path::Path;

use super::Host;
use super::inquiry::sees_stamps;
use crate::generation::closure::{UNITS, file};
use crate::generation::{gate, unit_file};
use crate::machine::error::MachineError;
use crate::machine::witness::Eyes;
use crate::machine::{facts, state};
use crate::model::{ServiceName, Version};
use crate::record::View;

impl Host<'_> {
    /// Whether the state of a service is plainly what the generation that is active expects, where that has these versions: no
    /// steps, nothing in the way, nothing to record, nobody at it. Where this says no, only [a plan](Self::plan) tells.
    ///
    /// It says yes only where the definition that undoes what is applied is the very text of the gate, so what a plan would find
    /// out from the one holds for the other.
    pub fn is_plainly_there(&self, name: &ServiceName, versions: &BTreeSet<Version>) -> bool {
        // What cannot be looked at is not plain: the plan says why.
        self.quick_look(name, versions).unwrap_or(false)
    }

    fn quick_look(&self, name: &ServiceName, versions: &BTreeSet<Version>) -> Result<bool, MachineError> {
        let (Some(recorded), Some(view), Some(toplevel)) = (self.recorded(name), self.view(), self.running())
        else {
            return Ok(false);
        };
        let calm = recorded.open_run.is_none()
            && recorded.block.is_none()
            && recorded.held.is_empty()
            && recorded.held_for.is_none();
        let applied: BTreeSet<_> = recorded.versions().into_iter().collect();
        let (true, Some(definition)) = (calm && applied == *versions, &recorded.definition) else {
            return Ok(false);
        };
        if !sees_stamps() || self.clock().is_some() || self.is_locked(name) {
            return Ok(false);
        }
        let system = self.root.resolve(&self.root.locate(&toplevel)?)?;
        let units = self.root.resolve(&system.join(UNITS))?;
        let unit = name.gate();
        let mut drop_ins = unit.drop_in_names().into_iter();
        if drop_ins.any(|name| units.join(format!("{name}.d")).symlink_metadata().is_ok()) {
            return Ok(false);
        }
        let file = self.root.resolve(&units.join(unit.as_str()))?;
        let Ok(text) = file::read(&file, unit_file::MAX_FILE) else {
            return Ok(false);
        };
        if text != definition.text.as_bytes() {
            return Ok(false);
        }
        let Ok(Some(gate)) = gate::read(name, &definition.unit, &text) else {
            return Ok(false);
        };
        if !gate.service.history.versions().eq(versions.iter().copied()) {
            return Ok(false);
        }
        let expected = self.expected(Some(&toplevel))?;
        let mounted = self.mounted()?;
        if expected
            .missing(&self.root, &self.options.place.state_dir, mounted)
            .is_some()
        {
            return Ok(false);
        }
        let directories = gate.service.state_directories.value().cloned();
        let directories = directories.unwrap_or_default();
        if directories.is_empty() {
            return Ok(!gate.service.detect.is_set());
        }
        if self.may_share(name, &directories, view)? {
            return Ok(false);
        }
        let eyes = Eyes {
            root: &self.root,
            expected: &expected,
            mounted,
            privileged: true,
        };
        let troubles = eyes.recorded(&directories, recorded, &view.id);
        Ok(facts::vouched(&directories, recorded, &troubles))
    }

    /// Whether the state of another service that is remembered may be in that of this one, or around it. One that the record does
    /// not know, or that moves there, is refused by its own gate, and its programs stay away.
    fn may_share(
        &self,
        name: &ServiceName,
        directories: &[String],
        view: &View,
    ) -> Result<bool, MachineError> {
        let real = |directory: &String| state::whereabouts(&self.root, Path::new(directory));
        let own: Vec<_> = directories.iter().map(real).collect::<Result<_, _>>()?;
        for (_, other) in view.services.iter().filter(|(other, _)| *other != name) {
            let text = other
                .definition
                .as_ref()
                .map(|definition| definition.text.as_str());
            let Some(declared) = text.map_or(Some(Vec::new()), gate::state_directories) else {
                return Ok(true);
            };
            for directory in declared.iter().chain(&other.stamped) {
                let place = real(directory)?;
                if own
                    .iter()
                    .any(|own| own.starts_with(&place) || place.starts_with(own))
                {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}
