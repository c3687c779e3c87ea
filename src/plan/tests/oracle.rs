//! Checks every small case against an oracle that shares no rule with the implementation. It knows what a single move does
//! and when it is allowed, and searches; and for first contact it thinks of every state that the evidence allows, and asks
//! whether they all lead to the same.

use std::collections::{BTreeSet, VecDeque};

use crate::model::{Direction, History, Migration, Program, Release, Setting, Version};
use crate::plan::testing::{generation, running, service, version, words};
use crate::plan::{Evidence, diff, first_contact, path};

const DAYS: usize = 6;

/// A set of days, a bit each.
type Set = u8;

fn has(set: Set, day: usize) -> bool {
    set & (1 << day) != 0
}

fn days(set: Set) -> impl Iterator<Item = usize> {
    (0..DAYS).filter(move |&day| has(set, day))
}

fn subsets(of: Set) -> impl Iterator<Item = Set> {
    (0..=of).filter(move |set| set & !of == 0)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    Undo(usize),
    Do(usize),
}

/// The only shortest run of allowed moves from `applied`, in the order of application, to `target`, by searching breadth
/// first. A migration is undone only if it is unwanted and no unwanted one was applied after it, and a cumulative one may
/// take all older unwanted ones with it; done only if it is wanted, nothing unwanted is left, and no older one is missing,
/// which a cumulative one does not mind: it brings them.
fn search(applied: &[usize], target: Set, cumulative: Set) -> Vec<Move> {
    let mut queue = VecDeque::from([(applied.to_vec(), Vec::new())]);
    let mut seen = BTreeSet::new();
    while let Some((state, moves)) = queue.pop_front() {
        let there = state.iter().fold(0, |set: Set, day| set | 1 << day);
        if there == target {
            return moves;
        }
        if !seen.insert(there) {
            continue;
        }
        let mut go = |state: Vec<usize>, one: Move| {
            let moves = moves.iter().copied().chain([one]).collect();
            queue.push_back((state, moves));
        };
        if let Some(last) = state.iter().rposition(|&day| !has(target, day)) {
            let day = state[last];
            let goes_along = |other: usize| has(cumulative, day) && other < day && !has(target, other);
            let left = state.iter().copied().filter(|&other| other != day);
            go(
                left.clone().filter(|&other| !goes_along(other)).collect(),
                Move::Undo(day),
            );
            go(left.collect(), Move::Undo(day));
            continue;
        }
        for day in days(target & !there) {
            let older = target & !there & ((1 << day) - 1);
            if older == 0 || has(cumulative, day) {
                let state = state.iter().copied().chain(days(older)).chain([day]).collect();
                go(state, Move::Do(day));
            }
        }
    }
    panic!("{applied:?} does not lead to {target:b}");
}

fn on(day: usize) -> Version {
    version(&format!("{}", day + 1))
}

fn history(target: Set, cumulative: Set) -> History {
    let mut history = History::default();
    for day in days(target) {
        let mut migration = Migration::new(on(day));
        migration.up.script = words("up");
        migration.down.script = words("down");
        if has(cumulative, day) {
            migration.cumulative = Setting::Set(());
        }
        history.insert(migration).unwrap();
    }
    history
}

fn implemented(applied: &[Version], past: &History, target: &History) -> Vec<Move> {
    let day = |version: Version| version.date().day() as usize - 1;
    let moves = path(applied, past, target);
    let downs = moves.downs.iter().map(|down| Move::Undo(day(down.version)));
    let ups = moves.ups.iter().map(|up| Move::Do(day(up.version)));
    downs.chain(ups).collect()
}

fn check(applied: &[usize], target: Set, cumulative: Set) {
    let set = applied.iter().fold(0, |set: Set, day| set | 1 << day);
    let (past, history) = (history(set, cumulative), history(target, cumulative));
    let versions: Vec<_> = applied.iter().map(|&day| on(day)).collect();
    let expected = search(applied, target, cumulative);
    assert_eq!(
        implemented(&versions, &past, &history),
        expected,
        "{applied:?} → {target:06b}, cumulative {cumulative:06b}"
    );
    let after: BTreeSet<_> = path(&versions, &past, &history)
        .after(&versions)
        .into_iter()
        .collect();
    assert_eq!(after, history.versions().collect());
}

/// Every order in which a set may have been applied.
fn orders(set: Set) -> Vec<Vec<usize>> {
    if set == 0 {
        return vec![vec![]];
    }
    let last = days(set);
    last.flat_map(|day| {
        orders(set & !(1 << day)).into_iter().map(move |mut order| {
            order.push(day);
            order
        })
    })
    .collect()
}

#[test]
fn every_pair_with_every_choice_of_cumulative_steps() {
    let all = (1 << DAYS) - 1;
    for target in subsets(all) {
        for applied in subsets(all) {
            // What stays does not move.
            for cumulative in subsets(target ^ applied) {
                check(&days(applied).collect::<Vec<_>>(), target, cumulative);
            }
        }
    }
}

#[test]
fn every_order_of_application() {
    let all = (1 << DAYS) - 1;
    for target in subsets(all) {
        for applied in subsets(all).flat_map(orders) {
            check(&applied, target, 0);
        }
    }
}

#[test]
fn every_order_of_application_with_every_choice_of_cumulative_steps() {
    let some = 0b1111;
    for target in subsets(some) {
        for applied in subsets(some).flat_map(orders) {
            for cumulative in subsets(some) {
                check(&applied, target, cumulative);
            }
        }
    }
}

/// How much of a history something has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Nobody knows.
    Unknown,
    /// Nothing.
    None,
    /// Up to this day.
    To(usize),
}

impl Reach {
    /// All that make a difference to some days.
    fn all(of: Set) -> impl Iterator<Item = Self> {
        [Self::Unknown, Self::None]
            .into_iter()
            .chain(days(of).map(Self::To))
    }

    fn has(self, day: usize) -> Option<bool> {
        match self {
            Self::Unknown => None,
            Self::None => Some(false),
            Self::To(last) => Some(day <= last),
        }
    }
}

/// A service that the old side does not declare: a history whose steps name programs or not, the program that ran, and the
/// days before its release.
#[derive(Clone, Copy, Debug)]
struct Contact {
    target: Set,
    cumulative: Set,
    with_program: Set,
    program: Reach,
    release: Reach,
}

impl Contact {
    /// Whether the evidence allows that just these are applied. A program opens no other state than that of its day; a
    /// release has all that came before it, and may have what came later.
    fn allows(self, world: Set) -> bool {
        days(self.target).all(|day| {
            let applied = has(world, day);
            match has(self.with_program, day) {
                true => self.program.has(day).is_none_or(|expected| applied == expected),
                false => applied || self.release.has(day) != Some(true),
            }
        })
    }

    /// The path, if all that may be applied agree on it. `paths` has that of each.
    fn expected(self, paths: &[(Set, Vec<Move>)]) -> Option<Vec<Move>> {
        let mut allowed = paths.iter().filter(|(world, _)| self.allows(*world));
        let (_, first) = allowed.next()?;
        allowed.all(|(_, other)| other == first).then(|| first.clone())
    }

    /// Days are months here, so that each may be a release's.
    fn month(day: usize) -> Version {
        version(&format!("2024-{:02}-01", day + 1))
    }

    fn history(self) -> History {
        let mut history = History::default();
        for day in days(self.target) {
            let mut migration = Migration::new(Self::month(day));
            migration.up.script = words("up");
            migration.down.script = words("down");
            if has(self.cumulative, day) {
                migration.cumulative = Setting::Set(());
            }
            if has(self.with_program, day) {
                migration.program = Setting::Set((day + 1).to_string());
            }
            history.insert(migration).unwrap();
        }
        history
    }

    fn implemented(self) -> Option<Vec<Move>> {
        let mut target = service("db", "");
        target.history = self.history();
        let program = match self.program {
            Reach::Unknown => "db".to_owned(),
            Reach::None => "db-0.9".to_owned(),
            Reach::To(day) => format!("db-{}.1", day + 1),
        };
        let mut old = running(generation("1", []), "db.service", &program);
        let release = match self.release {
            Reach::Unknown => None,
            Reach::None => Some("23.12".to_owned()),
            Reach::To(day) => Some(format!("24.{:02}", day + 1)),
        };
        old.release = release.map(|release| release.parse::<Release>().unwrap()).into();
        target.package = Setting::Set(Program::parse("db-9"));
        let evidence = Evidence {
            previous: Some(&old),
            ..Evidence::default()
        };
        let contact = first_contact(&target, &evidence);
        if contact
            .baseline
            .is_some_and(|baseline| !baseline.undecided.is_empty())
        {
            return None;
        }
        let month = |version: Version| version.date().month() as usize - 1;
        let moves = path(&contact.applied, &target.history, &target.history);
        assert_eq!(moves.downs, [], "{self:?}");
        Some(moves.ups.iter().map(|up| Move::Do(month(up.version))).collect())
    }
}

#[test]
fn every_first_contact() {
    let all = (1 << DAYS) - 1;
    for target in subsets(all) {
        for cumulative in subsets(target) {
            let path = |world| {
                (
                    world,
                    search(&days(world).collect::<Vec<_>>(), target, cumulative),
                )
            };
            let paths: Vec<_> = subsets(target).map(path).collect();
            for with_program in subsets(target) {
                for program in Reach::all(with_program) {
                    for release in Reach::all(target & !with_program) {
                        let contact = Contact {
                            target,
                            cumulative,
                            with_program,
                            program,
                            release,
                        };
                        assert_eq!(contact.implemented(), contact.expected(&paths), "{contact:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_diff_takes_the_same_paths() {
    let all = (1 << DAYS) - 1;
    let side = |set| {
        let mut service = service("db", "");
        service.history = history(set, 0);
        generation("x", [service])
    };
    let sides: Vec<_> = subsets(all).map(side).collect();
    for (old, from) in sides.iter().zip(subsets(all)) {
        for (new, to) in sides.iter().zip(subsets(all)) {
            let plan = diff(old, new);
            let steps = plan.steps().map(|(_, step)| {
                let day = step.version().date().day() as usize - 1;
                match step.direction {
                    Direction::Down => Move::Undo(day),
                    Direction::Up => Move::Do(day),
                }
            });
            let applied: Vec<_> = days(from).collect();
            assert_eq!(
                steps.collect::<Vec<_>>(),
                search(&applied, to, 0),
                "{from:b} → {to:b}"
            );
        }
    }
}
