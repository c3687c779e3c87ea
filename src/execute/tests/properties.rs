//! Whatever generations are visited and whatever fails or is killed on the way: in the end the state is that of the last target,
//! or blocked in a way that somebody can resume.

use proptest::prelude::*;

use super::*;

/// One visit of a generation.
#[derive(Clone, Debug)]
struct Visit {
    /// Its history, as bits.
    history: u8,
    /// Which script fails: of a version, in a part.
    fails: Option<(u8, &'static str)>,
    /// After how much that is heard it is killed.
    killed: Option<usize>,
}

fn visit() -> impl Strategy<Value = Visit> {
    let part = prop_oneof![
        Just("up-script"),
        Just("up-verify"),
        Just("up-backup"),
        Just("up-restore"),
        Just("down-script"),
        Just("down-verify"),
    ];
    let fails = prop_oneof![1 => Just(None), 1 => (1_u8..5, part).prop_map(Some)];
    let killed = prop_oneof![1 => Just(None), 1 => (1_usize..40).prop_map(Some)];
    (0_u8..16, fails, killed).prop_map(|(history, fails, killed)| Visit {
        history,
        fails,
        killed,
    })
}

fn days(history: u8) -> Vec<u8> {
    (0..4)
        .filter(|bit| history >> bit & 1 == 1)
        .map(|bit| bit + 1)
        .collect()
}

/// Gets out of whatever blocks, as somebody would.
fn resume(machine: &Machine) {
    match machine.recorded().block {
        None => {}
        Some(Block::Restored { .. }) => machine.with(&Ears::new(0), |engine| engine.retry()).unwrap(),
        Some(Block::Unrestored { backup: Some(_), .. }) => {
            machine
                .with(&Ears::new(0), |engine| engine.restore_again())
                .unwrap();
            resume(machine);
        }
        Some(Block::Unrestored { backup: None, .. }) => {
            let really = machine.really();
            machine
                .with(&Ears::new(0), |engine| {
                    engine.accept(&Accepted::Exactly(really.clone()))
                })
                .unwrap();
        }
    }
}

fn visits(own: bool, declares: bool, visits: &[Visit]) {
    let mut machine = Machine::new();
    machine.declares = declares;
    machine.meet();
    let mut last = None;
    for visit in visits {
        let mut history = history_of(&days(visit.history));
        history.iter_mut().for_each(|entry| entry.own = own);
        let to = machine.generation(Some(&history));
        let hook = visit.fails.map(|(day, part)| format!("{}-{part}", version(day)));
        if let Some(hook) = &hook {
            machine.hook(hook, "exit 1");
        }
        let ended = machine.killed(&to, visit.killed.unwrap_or(0));
        if let Some(hook) = &hook {
            machine.unhook(hook);
        }
        if let Some(ended) = ended {
            let recorded = machine.recorded();
            match ended {
                Ok(arrival) => {
                    // Versions are applied in the order of the path, whatever that was.
                    let mut applied = arrival.applied.clone();
                    applied.sort_unstable();
                    assert_eq!(applied, versions(&days(visit.history)));
                    assert_eq!(machine.really(), arrival.applied);
                    assert_eq!(recorded.open_run, None);
                }
                Err(error) if matches!(error.left, Left::Unrestored { .. }) => {
                    assert!(
                        matches!(recorded.block, Some(Block::Unrestored { .. })),
                        "{error:?}"
                    );
                }
                Err(error) => {
                    assert_eq!(machine.really(), recorded.versions(), "{error:?}");
                    assert_eq!(recorded.open_run, None, "{error:?}");
                }
            }
        }
        last = Some((to, days(visit.history)));
    }
    // Whatever was left, there is a way out.
    if let Some((to, days)) = last {
        for _ in 0..4 {
            let arrived = machine.migrate(&to);
            if arrived.is_ok() {
                break;
            }
            resume(&machine);
        }
        let recorded = machine.recorded();
        assert_eq!(recorded.open_run, None);
        // A path that is not walked may stay blocked.
        assert!(!matches!(recorded.block, Some(Block::Unrestored { .. })));
        assert_eq!(machine.really(), recorded.versions());
        let mut applied = machine.really();
        applied.sort_unstable();
        assert_eq!(applied, versions(&days));
        assert_eq!(machine.backups(), Vec::<PathBuf>::new());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_way_ends_where_it_should_or_can_be_left(
        own in any::<bool>(),
        declares in any::<bool>(),
        path in proptest::collection::vec(visit(), 1..6),
    ) {
        visits(own, declares, &path);
    }
}
