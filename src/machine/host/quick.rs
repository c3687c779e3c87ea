//! Owns the quick look of a gate, which comes before every start of a service and mostly finds nothing to do: it reads the record,
//! one unit file and the stamps, and no other part of the generation.

use std::collections::BTreeSet;

use super::Host;
use super::inquiry::sees_stamps;
use crate::generation::closure::{UNITS, file};
use crate::generation::{gate, unit_file};
use crate::machine::error::MachineError;
use crate::machine::facts;
use crate::machine::witness::Eyes;
use crate::model::{ServiceName, Version};

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
        let eyes = Eyes {
            root: &self.root,
            expected: &expected,
            mounted,
            privileged: true,
        };
        let troubles = eyes.recorded(&directories, recorded, &view.id);
        Ok(facts::vouched(&directories, recorded, &troubles))
    }
}
