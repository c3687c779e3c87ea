//! Owns a service's history: its migrations in ascending order of version, one definition each.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Migration, Unknown, Version};

/// The migrations of one service in one generation.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct History {
    // Shared, so that a plan holds a step's definition without copying its texts.
    migrations: BTreeMap<Version, Arc<Migration>>,
    /// Places that may add migrations and could not be read; the history is whole where there is none.
    pub unread: Vec<Unknown>,
}

/// A version was defined twice in one history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{version} is defined twice")]
pub struct DuplicateVersion {
    /// The version.
    pub version: Version,
}

impl History {
    /// Adds a migration.
    ///
    /// # Errors
    ///
    /// Fails, with the history left as it was, where the version is there already.
    pub fn insert(&mut self, migration: Migration) -> Result<(), DuplicateVersion> {
        let version = migration.version;
        if self.migrations.contains_key(&version) {
            return Err(DuplicateVersion { version });
        }
        self.migrations.insert(version, Arc::new(migration));
        Ok(())
    }

    /// The newest version.
    pub fn head(&self) -> Option<Version> {
        self.migrations.last_key_value().map(|(&version, _)| version)
    }

    /// Whether it has a version.
    pub fn contains(&self, version: Version) -> bool {
        self.migrations.contains_key(&version)
    }

    /// Whether it has all of these versions, so that its downs undo them.
    pub fn contains_all(&self, versions: &[Version]) -> bool {
        versions.iter().all(|&version| self.contains(version))
    }

    /// One migration.
    pub fn get(&self, version: Version) -> Option<&Migration> {
        self.migrations.get(&version).map(Arc::as_ref)
    }

    /// One migration, to be held on to.
    pub fn share(&self, version: Version) -> Option<Arc<Migration>> {
        self.migrations.get(&version).cloned()
    }

    /// One migration, to be completed.
    pub fn get_mut(&mut self, version: Version) -> Option<&mut Migration> {
        self.migrations.get_mut(&version).map(Arc::make_mut)
    }

    /// The versions, ascending.
    pub fn versions(&self) -> impl DoubleEndedIterator<Item = Version> + ExactSizeIterator + '_ {
        self.migrations.keys().copied()
    }

    /// The migrations, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Migration> + ExactSizeIterator {
        self.migrations.values().map(Arc::as_ref)
    }

    /// The part of it whose migrations pass `keep`.
    pub fn filtered(&self, mut keep: impl FnMut(&Migration) -> bool) -> Self {
        let kept = self.migrations.iter().filter(|(_, migration)| keep(migration));
        Self {
            migrations: kept
                .map(|(&version, migration)| (version, Arc::clone(migration)))
                .collect(),
            unread: self.unread.clone(),
        }
    }

    /// How many migrations it has.
    pub fn len(&self) -> usize {
        self.migrations.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.migrations.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascends_and_refuses_a_second_definition() {
        let mut history = History::default();
        for version in ["2024-01-01", "2023-01-01", "2023-01-01.1"] {
            history.insert(Migration::new(version.parse().unwrap())).unwrap();
        }
        let versions: Vec<_> = history.versions().map(|version| version.to_string()).collect();
        assert_eq!(versions, ["2023-01-01", "2023-01-01.1", "2024-01-01"]);
        assert_eq!(history.head().unwrap().to_string(), "2024-01-01");
        let again = history.insert(Migration::new("2023-01-01".parse().unwrap()));
        assert_eq!(again.unwrap_err().to_string(), "2023-01-01 is defined twice");
        assert_eq!(history.len(), 3);
    }
}
