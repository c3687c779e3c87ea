//! Owns the core rule: from what is applied and what is wanted to the moves between (design §5.1). Knows versions only:
//! nothing of definitions, dangers or other services.

use std::collections::BTreeSet;

use crate::model::{History, Version};

/// What lies between what is applied and a history.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Moves {
    /// The versions to undo, in the order in which they are undone: the newest applied first.
    pub downs: Vec<Version>,
    /// The versions to do, oldest first, after all downs.
    pub ups: Vec<Up>,
}

/// One version to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Up {
    /// The version whose up runs.
    pub version: Version,
    /// Pending older versions that count as applied with it, ascending: it is cumulative.
    pub swallowed: Vec<Version>,
}

impl Moves {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.downs.is_empty() && self.ups.is_empty()
    }

    /// What is applied after the moves, in the order of application.
    pub fn after(&self, applied: &[Version]) -> Vec<Version> {
        let gone: BTreeSet<_> = self.downs.iter().collect();
        let kept = applied.iter().filter(|version| !gone.contains(version)).copied();
        let done = self
            .ups
            .iter()
            .flat_map(|up| up.swallowed.iter().copied().chain([up.version]));
        kept.chain(done).collect()
    }
}

/// The moves from `applied`, in the order of application, to `target`.
///
/// Downs are what is applied and not wanted, newest-applied first; ups what is wanted and not applied, oldest first; downs
/// before ups. The newest pending cumulative up swallows all pending ups before it. Whether a step is cumulative that could
/// not be read counts as no. A version that is there twice counts from its last application.
pub fn path(applied: &[Version], target: &History) -> Moves {
    let mut sorted = applied.to_vec();
    sorted.sort_unstable();
    sorted.dedup();

    let mut rest = sorted.as_slice();
    let mut pending = Vec::new();
    // How many of `pending` go with the newest cumulative one of them.
    let mut covered = 0;
    let mut common = 0;
    for migration in target.iter() {
        let version = migration.version;
        let passed = rest.iter().take_while(|&&applied| applied < version).count();
        rest = &rest[passed..];
        if rest.first() == Some(&version) {
            common += 1;
            continue;
        }
        if migration.cumulative.is_set() {
            covered = pending.len();
        }
        pending.push(version);
    }
    let own = pending.split_off(covered);
    let mut swallowed = pending;
    let ups = own.into_iter().map(|version| Up {
        version,
        swallowed: std::mem::take(&mut swallowed),
    });
    let ups = ups.collect();

    let downs = if common == sorted.len() {
        Vec::new()
    } else {
        let mut seen = BTreeSet::new();
        let newest_first = applied.iter().rev().copied();
        newest_first
            .filter(|&version| !target.contains(version) && seen.insert(version))
            .collect()
    };
    Moves { downs, ups }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::{history, versions};

    fn day(version: Version) -> String {
        version.date().day().to_string()
    }

    fn moves(applied: &str, target: &str) -> (String, String) {
        let moves = path(&versions(applied), &history(target));
        let ups = moves.ups.into_iter().map(|up| {
            let all = up.swallowed.into_iter().chain([up.version]);
            all.map(day).collect::<Vec<_>>().join(",")
        });
        let downs: Vec<_> = moves.downs.into_iter().map(day).collect();
        (downs.join(" "), ups.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn downs_come_newest_applied_first_and_ups_oldest_first() {
        for (applied, target, downs, ups) in [
            ("", "", "", ""),
            ("1 2 3", "1 2 3", "", ""),
            ("1", "1 2 3", "", "2 3"),
            ("1 2 3", "1", "3 2", ""),
            // The order of application decides, not that of the dates.
            ("1 3 2", "1", "2 3", ""),
            ("1 2 4", "1 3 5", "4 2", "3 5"),
            // Out of order: 2 comes after 3 was applied.
            ("1 3", "1 2 3", "", "2"),
            ("", "1 2 3*", "", "1,2,3"),
            ("1", "1 2* 3 4* 5", "", "2,3,4 5"),
            // A cumulative that is applied swallows nothing.
            ("3", "1 2 3* 4", "", "1 2 4"),
            ("1 9", "1 2 3*", "9", "2,3"),
            // Twice applied is undone once.
            ("1 2 1", "", "1 2", ""),
        ] {
            let expected = (downs.to_owned(), ups.to_owned());
            assert_eq!(moves(applied, target), expected, "{applied} → {target}");
        }
    }
}
