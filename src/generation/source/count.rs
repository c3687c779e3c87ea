//! Owns how much of a generation is known: the measure of a reader that does not evaluate.

use crate::model::{Direction, Generation, Part, Setting};

/// How many values of a generation are known, and how many are not.
///
/// Counted are: of each service its units, requirements, state directories, package, detection and oldest version, and whether
/// more migrations may be there; of each migration whether it is there, its program, whether it is cumulative, and of each
/// direction the five parts; and each place that may declare more services. That something is *not* set is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Known {
    /// Values that are known.
    pub known: usize,
    /// Values that cannot be told.
    pub unknown: usize,
}

impl Known {
    /// Counts the values of a generation.
    pub fn count(generation: &Generation) -> Self {
        let mut count = Self {
            known: 0,
            unknown: generation.unread.len(),
        };
        for service in generation.services.values() {
            count.setting(&service.units);
            count.setting(&service.requires);
            count.setting(&service.state_directories);
            count.setting(&service.package);
            count.setting(&service.detect);
            count.setting(&service.oldest);
            count.add(service.history.unread.is_empty());
            for migration in service.history.iter() {
                count.add(migration.conditions.is_empty());
                count.setting(&migration.program);
                count.setting(&migration.cumulative);
                for direction in [Direction::Up, Direction::Down] {
                    for part in Part::ALL {
                        count.setting(migration.action(direction).part(part));
                    }
                }
            }
        }
        count
    }

    /// What of all values is known, from 0 to 1; all of nothing is known.
    pub fn ratio(self) -> f64 {
        let all = self.known + self.unknown;
        if all == 0 {
            1.0
        } else {
            self.known as f64 / all as f64
        }
    }

    fn setting<T>(&mut self, setting: &Setting<T>) {
        self.add(setting.unknown().is_none());
    }

    fn add(&mut self, known: bool) {
        if known {
            self.known += 1;
        } else {
            self.unknown += 1;
        }
    }
}
