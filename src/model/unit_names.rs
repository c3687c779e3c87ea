//! Owns the names of units that nobody looks into: there are hundreds in a generation, and only whether one is there is asked.

use std::collections::BTreeSet;
use std::ops::Range;

/// A set of names of units, in no order. All of them are one text: to keep each as a text of its own, or sorted, would take
/// longer than all that is done with them.
#[derive(Clone, Debug, Default)]
pub struct UnitNames {
    text: String,
    places: Vec<Range<usize>>,
}

impl UnitNames {
    /// Adds a name that is not there yet.
    pub fn push(&mut self, name: &str) {
        let begin = self.text.len();
        self.text.push_str(name);
        self.places.push(begin..self.text.len());
    }

    /// Takes a name out, if it is there.
    pub fn remove(&mut self, name: &str) {
        let index = self.iter().position(|found| found == name);
        if let Some(index) = index {
            self.places.swap_remove(index);
        }
    }

    /// Whether a name is there.
    pub fn contains(&self, name: &str) -> bool {
        self.iter().any(|found| found == name)
    }

    /// The names.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.places.iter().map(|place| &self.text[place.clone()])
    }
}

impl<'n> FromIterator<&'n str> for UnitNames {
    /// Of names each of which is there once.
    fn from_iter<I: IntoIterator<Item = &'n str>>(names: I) -> Self {
        let mut all = Self::default();
        names.into_iter().for_each(|name| all.push(name));
        all
    }
}

impl PartialEq for UnitNames {
    fn eq(&self, other: &Self) -> bool {
        self.iter().collect::<BTreeSet<_>>() == other.iter().collect()
    }
}

impl Eq for UnitNames {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_a_set() {
        let mut names: UnitNames = ["b.service", "a.service", "c.service"].into_iter().collect();
        assert_eq!(
            names,
            ["c.service", "b.service", "a.service"].into_iter().collect()
        );
        names.remove("b.service");
        names.remove("gone.service");
        assert!(!names.contains("b.service") && !names.contains("a.servicec.service"));
        assert!(names.contains("a.service") && names.contains("c.service"));
        assert_ne!(names, ["a.service"].into_iter().collect());
        names.push("b.service");
        assert_eq!(names.iter().count(), 3);
    }
}
