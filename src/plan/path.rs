//! Owns the core rule: from what is applied and what is wanted to the moves between (design §5.1). Knows versions only:
//! nothing of definitions, dangers or other services.

use std::collections::BTreeSet;

use crate::model::{History, Version};

/// What lies between what is applied and a history.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Moves {
    /// The versions to undo, in the order in which they are undone: the newest applied first.
    pub downs: Vec<Move>,
    /// The versions to do, oldest first, after all downs.
    pub ups: Vec<Move>,
}

/// One version to do or to undo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The version whose action runs.
    pub version: Version,
    /// Older versions that count as done or undone with it, ascending: it is cumulative.
    pub swallowed: Vec<Version>,
}

impl Move {
    /// All that it does or undoes: what it swallows, ascending, and itself.
    pub fn versions(&self) -> impl Iterator<Item = Version> + '_ {
        self.swallowed.iter().copied().chain([self.version])
    }
}

impl Moves {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.downs.is_empty() && self.ups.is_empty()
    }

    /// All versions that the downs take away, also without a run of their own.
    pub fn undone(&self) -> BTreeSet<Version> {
        self.downs.iter().flat_map(Move::versions).collect()
    }

    /// What is applied after the moves, in the order of application.
    pub fn after(&self, applied: &[Version]) -> Vec<Version> {
        let gone = self.undone();
        let kept = applied.iter().filter(|version| !gone.contains(version)).copied();
        kept.chain(self.ups.iter().flat_map(Move::versions)).collect()
    }
}

/// The moves from `applied`, in the order of application, to `target`; `past` has the definitions that undo.
///
/// Downs are what is applied and not wanted, newest-applied first; ups what is wanted and not applied, oldest first; downs
/// before ups. A cumulative migration starts from any older version and goes back to any: the newest pending cumulative up
/// swallows all pending ups before it, and a cumulative down swallows the downs of older versions that come after it.
/// Whether a step is cumulative that could not be read counts as no. A version that is there twice counts from its last
/// application.
pub fn path(applied: &[Version], past: &History, target: &History) -> Moves {
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
    let ups = own.into_iter().map(|version| Move {
        version,
        swallowed: std::mem::take(&mut swallowed),
    });
    let ups = ups.collect();

    let downs = if common == sorted.len() {
        Vec::new()
    } else {
        let mut seen = BTreeSet::new();
        let newest_first = applied.iter().rev().copied();
        undo(
            newest_first.filter(|&version| !target.contains(version) && seen.insert(version)),
            past,
        )
    };
    Moves { downs, ups }
}

/// The downs of these versions, each in turn or with the first cumulative one before it that is newer.
fn undo(versions: impl Iterator<Item = Version>, past: &History) -> Vec<Move> {
    let mut downs: Vec<Move> = Vec::new();
    // The cumulative ones of `downs`. Their versions ascend: an older one would have been swallowed.
    let mut cumulative: Vec<usize> = Vec::new();
    for version in versions {
        let newer = cumulative.partition_point(|&at| downs[at].version < version);
        if let Some(&at) = cumulative.get(newer) {
            downs[at].swallowed.push(version);
            continue;
        }
        let migration = past.get(version);
        if migration.is_some_and(|migration| migration.cumulative.is_set()) {
            cumulative.push(downs.len());
        }
        downs.push(Move {
            version,
            swallowed: Vec::new(),
        });
    }
    for at in cumulative {
        downs[at].swallowed.sort_unstable();
    }
    downs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::{history, versions};

    fn day(version: Version) -> String {
        version.date().day().to_string()
    }

    fn days(moves: &[Move]) -> String {
        let moves = moves
            .iter()
            .map(|of| of.versions().map(day).collect::<Vec<_>>().join(","));
        moves.collect::<Vec<_>>().join(" ")
    }

    /// `applied` in the order of application, with what is cumulative of it.
    fn moves(applied: &str, target: &str) -> (String, String) {
        let past: BTreeSet<_> = applied.split_whitespace().collect();
        let past = past.into_iter().collect::<Vec<_>>().join(" ");
        let moves = path(
            &versions(&applied.replace('*', "")),
            &history(&past),
            &history(target),
        );
        (days(&moves.downs), days(&moves.ups))
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
            // What comes after a cumulative down goes with it, and what comes before it does not.
            ("1 2 3* 4", "1", "4 2,3", ""),
            ("1* 2* 3*", "", "1,2,3", ""),
            // Whether a wanted one is in between does not matter, as for an up.
            ("1 2 3*", "2", "1,3", ""),
            // The flag is that of the definition that undoes it.
            ("1 2 3", "1*", "3 2", ""),
            // A newer one that was applied before runs by itself, and takes with it what is left and older.
            ("1 3 2*", "", "1,2 3", ""),
            ("1 5 2 4* 3*", "", "1,2,3 4 5", ""),
            ("1 4* 3 2*", "", "1,2 3 4", ""),
            ("1 4 3* 5*", "1 2", "3,4,5", "2"),
        ] {
            let expected = (downs.to_owned(), ups.to_owned());
            assert_eq!(moves(applied, target), expected, "{applied} → {target}");
        }
    }
}
