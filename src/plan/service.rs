//! Owns how the path of one service is put together: moves, definitions, and which dangers are looked for. `diff` and the
//! machine both come through here, each with its own premise.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::finding::{self, Code, Finding, Severity};
use super::path::{Moves, path};
use super::programs::known_of;
use super::{Baseline, Presence, ServicePlan, Step, dangers, unknown};
use crate::model::{Digest, Direction, History, Migration, Part, Service, ServiceName, Setting, Version};

/// What the path of one service is planned from.
#[derive(Clone, Debug)]
pub struct Premise<'a> {
    /// The service.
    pub name: &'a ServiceName,
    /// The generation that is to start, as commands are told it: `GEN` where that depends on who types them.
    pub generation: &'a str,
    /// On which sides it declares migrations.
    pub presence: Presence,
    /// What is applied, in the order of application.
    pub applied: Vec<Version>,
    /// What first contact assumed, where this is one.
    pub baseline: Option<Baseline>,
    /// The service of the newest generation whose history contains all that is applied: its definitions undo it.
    pub past: Option<&'a Service>,
    /// The service as the starting generation declares it.
    pub target: Option<&'a Service>,
    /// What the starting generation's programs expect of the state: the target's history, or what can be told of a
    /// generation that declares none.
    pub expected: &'a History,
    /// Versions of `applied` that first contact assumed and nothing ran, ascending: they are never undone unasked.
    pub assumed: Vec<Version>,
    /// What somebody acknowledged on this machine, by version, direction and digest, besides what the module does.
    pub acknowledged: BTreeSet<(Version, Direction, Option<Digest>)>,
    /// What was found before the path was planned.
    pub findings: Vec<Finding>,
}

/// Plans the path of one service.
///
/// There are no steps where nothing may run: what was refused before there is a path, a gate that is masked, a baseline that
/// is undecided, state that is too old, or baselined versions that would have to be undone.
pub fn plan_service(premise: Premise<'_>) -> ServicePlan {
    let Premise {
        name,
        generation,
        presence,
        applied,
        baseline,
        past,
        target,
        expected,
        assumed,
        acknowledged,
        mut findings,
    } = premise;

    let undecided = baseline
        .as_ref()
        .is_some_and(|baseline| !baseline.undecided.is_empty());
    let refused = findings
        .iter()
        .any(|finding| finding.severity == Severity::Refused);
    let nothing = History::default();
    let undoing = past.map_or(&nothing, |past| &past.history);
    let mut moves = path(&applied, undoing, expected);
    let held = masked(name, past, target).or_else(|| {
        if undecided || refused || moves.is_empty() {
            return None;
        }
        too_old(name, &applied, past, target).or_else(|| never_run(name, &moves, &assumed))
    });
    if undecided || refused || held.is_some() {
        moves = Moves::default();
    }
    findings.extend(held);
    let steps = steps(&moves, past, target, expected, &acknowledged);
    unknown::service(name, past, target, &steps, &mut findings);
    if let (Some(past), Some(target)) = (past, target) {
        dangers::edited(past, target, &mut findings);
    }
    let of = (name, generation);
    dangers::of_path(of, &applied, &moves, &steps, past, target, &mut findings);
    finding::sort(&mut findings);

    let units = [past, target].into_iter().flatten();
    ServicePlan {
        name: name.clone(),
        presence,
        units: units
            .filter_map(|service| service.units.value())
            .flatten()
            .cloned()
            .collect(),
        applied,
        target: target.and_then(|target| target.history.head()),
        baseline,
        steps,
        findings,
    }
}

/// A gate that never runs, and of which it is not known what it would run.
fn masked(name: &ServiceName, past: Option<&Service>, target: Option<&Service>) -> Option<Finding> {
    let masked = |service: Option<&Service>| service.is_some_and(|service| service.masked.is_set());
    let (severity, message, help) = if masked(target) {
        (
            Severity::Refused,
            format!("the gate of {name} is masked, so its units cannot start"),
            format!(
                "Find what links `{}` to /dev/null, and unmask it or drop it from the configuration.",
                name.gate()
            ),
        )
    } else if masked(past) {
        (
            Severity::Warning,
            format!(
                "the gate of {name} is masked in the old generation, so what is applied cannot be told from it"
            ),
            "The record knows it: run `nixmig plan` on the machine.".to_owned(),
        )
    } else {
        return None;
    };
    Some(Finding::new(name, Code::Masked, severity, message, help))
}

/// State that is older than what the service still migrates from.
fn too_old(
    name: &ServiceName,
    applied: &[Version],
    past: Option<&Service>,
    target: Option<&Service>,
) -> Option<Finding> {
    let &oldest = target?.oldest.value()?;
    let newest = applied.iter().copied().max();
    // A history that was not read in full may have something newer.
    let whole = past.is_none_or(|past| past.history.unread.is_empty());
    if !whole || newest.is_some_and(|newest| newest >= oldest) {
        return None;
    }
    let is_on = match newest {
        Some(newest) => format!("is on {newest}"),
        None => "has nothing applied".to_owned(),
    };
    let message = format!("the state of {name} {is_on}, and can be migrated only from {oldest} on");
    // Whose module is nixpkgs' own goes with its releases; nobody knows that of another.
    let release = target.and_then(known_of).and_then(|_| release_with(oldest));
    let such_as = release.map_or_else(String::new, |release| format!(", such as one of NixOS {release}"));
    let help = format!(
        "Go through a generation whose history still has it{such_as}: switch to it, then to this one."
    );
    Some(Finding {
        versions: vec![oldest],
        ..Finding::new(name, Code::TooOld, Severity::Refused, message, help)
    })
}

/// Versions that would have to be undone and that were only assumed.
fn never_run(name: &ServiceName, moves: &Moves, assumed: &[Version]) -> Option<Finding> {
    let assumed = |version: &Version| assumed.binary_search(version).is_ok();
    let versions: Vec<_> = moves.undone().into_iter().filter(assumed).collect();
    if versions.is_empty() {
        return None;
    }
    let them = if versions.len() == 1 { "it" } else { "them" };
    let message = format!(
        "{} assumed of {name}, not run, and this generation lacks {them}",
        super::words::were(&versions)
    );
    let help = format!(
        "What was only assumed is never undone unasked. Say with `nixmig stamp {name} VERSION` what the state is on: what is \
         newer than this generation is then undone, and what is right for it stays."
    );
    Some(Finding {
        versions,
        direction: Some(Direction::Down),
        ..Finding::new(name, Code::Baselined, Severity::Refused, message, help)
    })
}

/// The first release whose month begins on or after a version's day: a release of May or November, `21.11`.
fn release_with(version: Version) -> Option<String> {
    let date = version.date();
    let year = date
        .year()
        .checked_sub(2000)
        .filter(|year| (0..99).contains(year))?;
    Some(match (date.month(), date.day()) {
        (..5, _) | (5, 1) => format!("{year:02}.05"),
        (5..11, _) | (11, 1) => format!("{year:02}.11"),
        _ => format!("{:02}.05", year + 1),
    })
}

fn steps(
    moves: &Moves,
    past: Option<&Service>,
    target: Option<&Service>,
    expected: &History,
    acknowledged: &BTreeSet<(Version, Direction, Option<Digest>)>,
) -> Vec<Step> {
    let is_acknowledged = |migration: &Migration, direction| {
        let digest = migration.action(direction).digest;
        acknowledged.contains(&(migration.version, direction, digest))
    };
    let downs = moves.downs.iter().map(|down| {
        let known = past.and_then(|past| past.history.share(down.version));
        // Without a definition there is nothing to run: the step is stranded.
        let migration = known.unwrap_or_else(|| Arc::new(Migration::new(down.version)));
        let runs = migration.down.script.is_set();
        Step {
            direction: Direction::Down,
            swallowed: down.swallowed.clone(),
            undoable: None,
            needs_acknowledgement: runs
                && migration.down.warn.is_set()
                && !is_acknowledged(&migration, Direction::Down),
            built_in_backup: is_built_in(&migration, Direction::Down, past),
            migration,
        }
    });
    let ups = moves.ups.iter().filter_map(|up| {
        let migration = expected.share(up.version)?;
        let undoable = match migration.down.script {
            Setting::Set(_) => Some(true),
            Setting::Unset => Some(false),
            Setting::Unknown(_) => None,
        };
        let acknowledged = target.is_some_and(|target| target.acknowledge.contains(&up.version))
            || is_acknowledged(&migration, Direction::Up);
        Some(Step {
            direction: Direction::Up,
            swallowed: up.swallowed.clone(),
            undoable,
            needs_acknowledgement: !acknowledged && (migration.up.warn.is_set() || undoable == Some(false)),
            built_in_backup: is_built_in(&migration, Direction::Up, target),
            migration,
        })
    });
    downs.chain(ups).collect()
}

/// What brings the state back when a step's script fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protection {
    /// Its own `backup` and `restore`.
    Own,
    /// nixmig's copy of the state directories.
    BuiltIn,
    /// Nothing.
    None,
}

/// Whether nixmig itself backs the state up for an action; `None` where that cannot be told.
fn is_built_in(migration: &Migration, direction: Direction, service: Option<&Service>) -> Option<bool> {
    match backed_up(migration, direction, service) {
        Some(protection) => Some(protection == Protection::BuiltIn),
        None => migration.action(direction).script.is_unset().then_some(false),
    }
}

/// What protects an action with a script; `None` where it has no script, or where that cannot be told.
pub(super) fn backed_up(
    migration: &Migration,
    direction: Direction,
    service: Option<&Service>,
) -> Option<Protection> {
    let action = migration.action(direction);
    if !action.script.is_set() {
        return None;
    }
    let parts = [action.part(Part::Backup), action.part(Part::Restore)];
    if parts.iter().all(|part| part.is_set()) {
        return Some(Protection::Own);
    }
    if parts.iter().any(|part| part.unknown().is_some()) && !parts.iter().any(|part| part.is_unset()) {
        return None;
    }
    match service.map(|service| &service.state_directories) {
        Some(Setting::Unknown(_)) => None,
        Some(Setting::Set(directories)) if !directories.is_empty() => Some(Protection::BuiltIn),
        Some(Setting::Set(_) | Setting::Unset) | None => Some(Protection::None),
    }
}
