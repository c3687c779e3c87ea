//! Properties that hold for all histories, however long.

use proptest::prelude::*;

use super::notation::order;
use crate::model::{Generation, History, Migration, Release, Setting, Version};
use crate::plan::testing::{generation, running, service, words};
use crate::plan::{Move, Severity, diff, path};

/// A version of some year, day of January and number.
fn versions() -> impl Strategy<Value = Version> {
    (2018..2027, 1..29, 0..4).prop_map(|(year, day, number)| {
        let number = if number == 0 {
            String::new()
        } else {
            format!(".{number}")
        };
        format!("{year}-01-{day:02}{number}").parse().unwrap()
    })
}

prop_compose! {
    fn migrations()(
        version in versions(),
        program in proptest::option::of(10..20),
        cumulative in prop::bool::weighted(0.2),
        down in prop::bool::weighted(0.8),
        warn in prop::bool::weighted(0.2),
    ) -> Migration {
        let mut migration = Migration::new(version);
        migration.program = program.map(|program: i32| program.to_string()).into();
        migration.cumulative = cumulative.then_some(()).into();
        migration.up.script = words("up");
        if down {
            migration.down.script = words("down");
        }
        if warn {
            migration.up.warn = words("careful");
        }
        migration
    }
}

fn lists() -> impl Strategy<Value = Vec<Migration>> {
    prop::collection::vec(migrations(), 0..24)
}

fn history<'a>(migrations: impl IntoIterator<Item = &'a Migration>) -> History {
    let mut history = History::default();
    for migration in migrations {
        if !history.contains(migration.version) {
            history.insert(migration.clone()).unwrap();
        }
    }
    history
}

prop_compose! {
    /// A generation of some of three services that may require each other.
    fn generations()(
        lists in prop::collection::vec(proptest::option::of(lists()), 3),
        requires in prop::collection::vec(prop::bool::ANY, 9),
        program in 9..22,
        release in 19..27,
    ) -> Generation {
        let names = ["a", "b", "c"];
        let unit = |name: &str| format!("{name}.service").parse().unwrap();
        let services = lists.iter().enumerate().filter_map(|(index, list)| {
            let mut service = service(names[index], "");
            service.history = history(list.as_ref()?);
            let required = (0..3).filter(|needed| requires[3 * index + needed]);
            service.requires = Setting::Set(required.map(|needed| unit(names[needed])).collect());
            Some(service)
        });
        let mut generation = generation("x", services);
        for name in names {
            generation = running(generation, &format!("{name}.service"), &format!("{name}-{program}.1"));
        }
        generation.release = Setting::Set(format!("{release}.05").parse::<Release>().unwrap());
        generation
    }
}

proptest! {
    #[test]
    fn there_and_back_again(a in lists(), b in lists()) {
        let (a, b) = (history(&a), history(&b));
        let from: Vec<_> = a.versions().collect();
        let there = path(&from, &a, &b).after(&from);
        let mut back = path(&there, &b, &a).after(&there);
        back.sort_unstable();
        prop_assert_eq!(back, from);
    }

    #[test]
    fn from_a_history_to_itself_is_nothing(list in lists(), seed in prop::collection::vec(any::<u16>(), 24)) {
        let history = history(&list);
        let mut applied: Vec<_> = history.versions().collect();
        prop_assert!(path(&applied, &history, &history).is_empty());
        // In whatever order it was applied.
        let keys = seed.into_iter().zip(applied.iter().copied());
        let mut keys: Vec<_> = keys.collect();
        keys.sort_unstable();
        applied = keys.into_iter().map(|(_, version)| version).collect();
        prop_assert!(path(&applied, &history, &history).is_empty());
    }

    #[test]
    fn a_path_is_total_whatever_is_applied(
        applied in prop::collection::vec(versions(), 0..40),
        past in lists(),
        target in lists(),
    ) {
        let (past, target) = (history(&past), history(&target));
        let mut after = path(&applied, &past, &target).after(&applied);
        after.sort_unstable();
        after.dedup();
        prop_assert_eq!(after, target.versions().collect::<Vec<_>>());
    }

    #[test]
    fn each_version_moves_once_and_only_the_older_are_swallowed(
        applied in lists(),
        keys in prop::collection::vec(any::<u16>(), 24),
        target in lists(),
    ) {
        let (past, target) = (history(&applied), history(&target));
        let mut order: Vec<_> = keys.into_iter().zip(past.versions()).collect();
        order.sort_unstable();
        let applied: Vec<_> = order.into_iter().map(|(_, version)| version).collect();
        let at = |version| applied.iter().position(|&other| other == version);
        let moves = path(&applied, &past, &target);
        for (moves, history) in [(&moves.downs, &past), (&moves.ups, &target)] {
            for one in moves {
                let cumulative = history.get(one.version).is_some_and(|migration| migration.cumulative.is_set());
                prop_assert!(cumulative || one.swallowed.is_empty());
                prop_assert!(one.swallowed.is_sorted());
                for &swallowed in &one.swallowed {
                    prop_assert!(swallowed < one.version);
                    prop_assert!(at(swallowed) < at(one.version) || at(one.version).is_none());
                }
            }
            let all: Vec<_> = moves.iter().flat_map(Move::versions).collect();
            let unique: std::collections::BTreeSet<_> = all.iter().copied().collect();
            prop_assert_eq!(all.len(), unique.len());
        }
        // What nothing swallows goes newest-applied first.
        prop_assert!(moves.downs.is_sorted_by_key(|down| std::cmp::Reverse(at(down.version))));
    }

    #[test]
    fn the_order_of_definition_never_matters(list in lists(), old in generations()) {
        let mut seen = std::collections::BTreeSet::new();
        let mut list = list;
        list.retain(|migration| seen.insert(migration.version));
        let forwards = history(&list);
        let backwards = history(list.iter().rev());
        prop_assert_eq!(&forwards, &backwards);
        let with = |history| {
            let mut service = service("a", "");
            service.history = history;
            generation("y", [service])
        };
        prop_assert_eq!(diff(&old, &with(forwards)), diff(&old, &with(backwards)));
    }

    #[test]
    fn a_plan_is_deterministic_and_orders_each_step_once(old in generations(), new in generations()) {
        let plan = diff(&old, &new);
        prop_assert_eq!(&plan, &diff(&old, &new));
        let steps = plan.services.iter().map(|service| service.steps.len()).sum::<usize>();
        let unique: std::collections::BTreeSet<_> = plan.order.iter().collect();
        prop_assert_eq!((plan.order.len(), unique.len()), (steps, steps));
        let text = order(&plan);
        let (downs, ups) = (text.rfind('-'), text.find('+'));
        prop_assert!(downs.is_none() || ups.is_none() || downs < ups, "{}", text);
    }

    #[test]
    fn every_finding_speaks(old in generations(), new in generations()) {
        for finding in diff(&old, &new).findings() {
            prop_assert!(!finding.message.is_empty() && !finding.message.ends_with('.'), "{:?}", finding);
            prop_assert!(finding.help.ends_with(['.', ';']) || finding.help.contains("https://"), "{:?}", finding);
            prop_assert!(!finding.message.contains("  ") && !finding.help.contains("  "), "{:?}", finding);
            prop_assert!(finding.versions.is_sorted(), "{:?}", finding);
        }
    }

    #[test]
    fn nothing_runs_of_a_state_that_cannot_be_told(old in generations(), new in generations()) {
        for service in diff(&old, &new).services {
            let undecided = service.baseline.as_ref().is_some_and(|baseline| !baseline.undecided.is_empty());
            if undecided {
                prop_assert!(service.steps.is_empty());
                prop_assert!(service.findings.iter().any(|finding| finding.severity > Severity::Note));
            }
        }
    }
}
