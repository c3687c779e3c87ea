//! Owns first contact: what is applied to state that no record of this machine's knows (design §5.4, rules a to g).
//!
//! "The generation declares nothing, so nothing is applied" is never one of the rules.

use super::finding::{Code, Finding, Severity};
use super::programs::{known_of, moved, program_of, runs};
use super::{Baseline, BaselineSource};
use crate::model::{Direction, Generation, History, Program, Release, Service, Setting, Version};

/// What can be known of a service's state before its first path. Two generations alone tell only `previous`; the machine
/// fills in all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    /// What the service's `detect` script printed; none where there is no such script or it printed nothing.
    pub detected: Option<Version>,
    /// What the record says is applied, in the order of application; none where it does not know the service.
    pub recorded: Option<&'a [Version]>,
    /// Something that only a record that was lost leaves behind, as a clause: `the GC root /nix/var/…`.
    pub trace: Option<&'a str>,
    /// Whether there is no state: no state directory holds a file, nothing of nixmig's knows the service, and no other
    /// generation of the profile runs its units. None where nobody looked.
    pub fresh: Option<bool>,
    /// The generation that ran last.
    pub previous: Option<&'a Generation>,
}

/// What first contact came to.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Contact {
    /// What is taken as applied, in the order of application.
    pub applied: Vec<Version>,
    /// What that rests on; none where the record knew it, or where there was nothing to ask.
    pub baseline: Option<Baseline>,
    /// What was assumed, or why nothing could be.
    pub findings: Vec<Finding>,
}

/// Tells what is applied to the state of a service, by the first of the rules that has an answer.
///
/// With programs and releases each step is judged on its own: one with a `program` by the program, one without by the
/// release. A step that cannot be told but is older than a cumulative one that is known to be pending needs no answer:
/// the path is the same either way.
pub fn first_contact(service: &Service, evidence: &Evidence<'_>) -> Contact {
    let mut contact = told(service, evidence);
    let looked = evidence.detected.is_some() || evidence.fresh.is_some();
    if contact.baseline.is_some() && service.detect.is_set() && !looked {
        for finding in &mut contact.findings {
            finding.help = format!(
                "{} All this is provisional: the machine first asks the data, by the `detect` script of {}.",
                finding.help, service.name
            );
        }
    }
    contact
}

/// The first of the rules that has an answer.
fn told(service: &Service, evidence: &Evidence<'_>) -> Contact {
    if let Some(version) = evidence.detected {
        return detected(service, version, evidence);
    }
    if let Some(recorded) = evidence.recorded {
        return Contact {
            applied: recorded.to_vec(),
            ..Contact::default()
        };
    }
    let all = || service.history.versions().collect::<Vec<_>>();
    if let Some(trace) = evidence.trace {
        let reason = format!("the record does not know it, but there is {trace}: a record was lost");
        return Contact::refused(service, all(), &reason);
    }
    if evidence.fresh == Some(true) {
        let message = format!("there is no state of {} yet, so nothing runs", service.name);
        let help = "The head is recorded as applied, and the service starts on an empty state.".to_owned();
        return Contact::taken(service, BaselineSource::Fresh, all(), message, help);
    }
    let Some(previous) = evidence.previous else {
        return Contact::refused(service, all(), "no generation is known that ran before");
    };
    if let Some(before) = previous.services.get(&service.name) {
        if before.masked.is_set() {
            let reason = format!("its gate is masked in `{}`", previous.label);
            return Contact::refused(service, all(), &reason);
        }
        let message = format!(
            "what `{}` declares for {} is taken as applied",
            previous.label, service.name
        );
        let source = BaselineSource::History(previous.label.clone());
        let versions = before.history.versions().collect();
        return Contact::taken(service, source, versions, message, stamp(service));
    }
    if service.history.is_empty() {
        return Contact::default();
    }
    let ran = runs(previous, &service.units);
    if ran == Some(false) {
        if evidence.fresh == Some(false) {
            let reason = format!("there is state, but `{}` runs none of its units", previous.label);
            return Contact::refused(service, all(), &reason);
        }
        let message = format!(
            "`{}` runs nothing of {}, so its state is taken as fresh and nothing runs",
            previous.label, service.name
        );
        let help = format!(
            "Two generations cannot tell more. The machine looks at the state directories before it believes it; where they \
             hold files, `nixmig stamp {} VERSION` says what they are on.",
            service.name
        );
        return Contact::taken(service, BaselineSource::Absent, all(), message, help);
    }
    if !previous.unread.is_empty() {
        return Contact::unread(service, all(), previous);
    }
    judged(service, previous)
}

/// Rules e, f and g.
fn judged(service: &Service, previous: &Generation) -> Contact {
    let program = program_of(service, previous);
    if let Some(contact) = beyond(service, program, previous) {
        return contact;
    }
    let release = previous.release.value().copied();
    let mut verdict = judge(&service.history, program, release);
    let is_cumulative = |&version: &Version| {
        let migration = service.history.get(version);
        migration.is_some_and(|migration| migration.cumulative.is_set())
    };
    let pending = verdict.lacks.iter().copied().rev().find(is_cumulative);
    let mut undecided = std::mem::take(&mut verdict.undecided);
    undecided.retain(|&version| pending.is_none_or(|pending| version > pending));
    let mut sources = Vec::new();
    let mut words = Vec::new();
    if let Some(program) = program.filter(|_| verdict.by_program) {
        sources.push(BaselineSource::Program(program.display()));
        words.push(program.display());
    }
    if let Some(release) = release.filter(|_| verdict.by_release) {
        sources.push(BaselineSource::Release(release.to_string()));
        words.push(format!("NixOS {release}"));
    }
    if !undecided.is_empty() {
        let reason = reason(service, &undecided, previous);
        let mut contact = Contact::refused(service, undecided, &reason);
        if let Some(baseline) = &mut contact.baseline {
            baseline.sources = sources;
            baseline.assumed.append(&mut verdict.has);
            contact.applied.clone_from(&baseline.assumed);
        }
        return contact;
    }
    let told = match verdict.has.as_slice() {
        [] => "nothing is applied yet".to_owned(),
        versions => format!("{} applied already", super::words::are(versions)),
    };
    let message = format!(
        "`{}` declares no migrations of {}: going by {}, {told}",
        previous.label,
        service.name,
        words.join(" and ")
    );
    let finding = Finding {
        versions: verdict.has.clone(),
        ..Finding::new(
            &service.name,
            Code::Baselined,
            Severity::Warning,
            message,
            stamp(service),
        )
    };
    Contact {
        applied: verdict.has.clone(),
        baseline: Some(Baseline {
            sources,
            assumed: verdict.has,
            undecided: Vec::new(),
        }),
        findings: vec![finding],
    }
}

/// State of a program that is newer than the service's package: its history ends at that package, so that it has no step
/// that could tell, and none that leads back.
fn beyond(service: &Service, program: Option<&Program>, previous: &Generation) -> Option<Contact> {
    let (program, package) = (program?, service.package.value()?);
    let known = known_of(service);
    let kindred =
        program.name == package.name || known.is_some_and(|known| known.runs(program) && known.runs(package));
    let components = known.map_or(1, |known| known.components);
    if !kindred || moved(program, package, components) != Some(Direction::Down) {
        return None;
    }
    let name = &service.name;
    let message = format!(
        "`{}` ran {name} on {}, and this generation has {}: its state is newer than any step of its history",
        previous.label,
        program.display(),
        package.display()
    );
    let help = format!(
        "Stay on {} or later, or bring back data from before and say what it is on with `nixmig stamp {name} VERSION`.",
        program.display()
    );
    let finding = Finding {
        direction: Some(Direction::Down),
        ..Finding::new(name, Code::Stranded, Severity::Refused, message, help)
    };
    let mut contact = Contact::undecided(service.history.versions().collect(), finding);
    if let Some(baseline) = &mut contact.baseline {
        baseline.sources.push(BaselineSource::Program(program.display()));
    }
    Some(contact)
}

/// Why neither program nor release tell of some versions.
fn reason(service: &Service, undecided: &[Version], previous: &Generation) -> String {
    let (mut unnamed, mut named, mut unread) = (0, 0, Vec::new());
    for &version in undecided {
        match service.history.get(version).map(|migration| &migration.program) {
            Some(Setting::Set(_)) => named += 1,
            Some(Setting::Unknown(_)) => unread.push(version),
            Some(Setting::Unset) | None => unnamed += 1,
        }
    }
    let label = &previous.label;
    let mut reasons = Vec::new();
    if named > 0 {
        reasons.push(format!("`{label}` shows no version of its program"));
    }
    if unnamed > 0 {
        let them = if unnamed == 1 { "it" } else { "them" };
        reasons.push(match previous.release.value() {
            Some(release) => format!("`{label}` is NixOS {release}, which may be from before {them}"),
            None => format!("`{label}` does not show its release"),
        });
    }
    if !unread.is_empty() {
        reasons.push(format!(
            "the program that {} made for could not be read",
            super::words::are(&unread)
        ));
    }
    reasons.join(", and ")
}

/// Rule a: the data has the last word, and the record tells the order.
fn detected(service: &Service, version: Version, evidence: &Evidence<'_>) -> Contact {
    let name = &service.name;
    let before = evidence.previous.and_then(|previous| previous.services.get(name));
    let histories = [Some(&service.history), before.map(|before| &before.history)];
    let known = histories
        .into_iter()
        .flatten()
        .find(|history| history.contains(version));
    let by_history = || {
        let versions = known.into_iter().flat_map(History::versions);
        versions
            .take_while(|&applied| applied <= version)
            .collect::<Vec<_>>()
    };
    let mut contact = match evidence.recorded {
        // Applied out of order, the newest and the last are two.
        Some(recorded) if [recorded.last(), recorded.iter().max()].contains(&Some(&version)) => {
            return Contact {
                applied: recorded.to_vec(),
                ..Contact::default()
            };
        }
        Some(recorded) => {
            let applied = match recorded.iter().rposition(|&applied| applied == version) {
                Some(at) => recorded[..=at].to_vec(),
                None => by_history(),
            };
            let record = match recorded.last() {
                Some(last) => format!("the record says {last}"),
                None => "the record says that nothing is applied".to_owned(),
            };
            let message = format!("the data of {name} is on {version}, and {record}");
            let help = format!(
                "The path begins where the data is. If another snapshot was restored on purpose, accept it with `nixmig stamp \
                 {name} {version}`."
            );
            let finding = Finding {
                versions: vec![version],
                ..Finding::new(&service.name, Code::Drift, Severity::Warning, message, help)
            };
            Contact {
                applied,
                baseline: None,
                findings: vec![finding],
            }
        }
        None => {
            let message = format!("the data of {name} says that it is on {version}");
            Contact::taken(
                service,
                BaselineSource::Detect,
                by_history(),
                message,
                stamp(service),
            )
        }
    };
    if !contact.applied.contains(&version) {
        let reason = format!("its data says {version}, which no known history has");
        contact = Contact::refused(service, service.history.versions().collect(), &reason);
        if let Some(baseline) = &mut contact.baseline {
            baseline.sources.push(BaselineSource::Detect);
        }
    }
    contact
}

impl Contact {
    /// The versions of `applied` that nothing ran, ascending.
    pub fn assumed(&self) -> Vec<Version> {
        self.baseline
            .as_ref()
            .map_or_else(Vec::new, |baseline| baseline.assumed.clone())
    }

    fn taken(
        service: &Service,
        source: BaselineSource,
        versions: Vec<Version>,
        message: String,
        help: String,
    ) -> Self {
        let finding = Finding {
            versions: versions.clone(),
            ..Finding::new(&service.name, Code::Baselined, Severity::Note, message, help)
        };
        Self {
            applied: versions.clone(),
            baseline: Some(Baseline {
                sources: vec![source],
                assumed: versions,
                undecided: Vec::new(),
            }),
            findings: vec![finding],
        }
    }

    fn undecided(versions: Vec<Version>, finding: Finding) -> Self {
        Self {
            applied: Vec::new(),
            findings: vec![Finding {
                versions: versions.clone(),
                ..finding
            }],
            baseline: Some(Baseline {
                sources: Vec::new(),
                assumed: Vec::new(),
                undecided: versions,
            }),
        }
    }

    fn refused(service: &Service, versions: Vec<Version>, reason: &str) -> Self {
        let what = match versions.as_slice() {
            [] => "what".to_owned(),
            versions => format!("whether {}", super::words::list(versions)),
        };
        let verb = if versions.len() > 1 { "are" } else { "is" };
        let message = format!(
            "{what} {verb} applied to {} cannot be told: {reason}",
            service.name
        );
        let help = format!(
            "Find out what the state is on and say so with `nixmig stamp {} VERSION`; until then the gate refuses.",
            service.name
        );
        Self::undecided(
            versions,
            Finding::new(&service.name, Code::Unknown, Severity::Refused, message, help),
        )
    }

    fn unread(service: &Service, versions: Vec<Version>, previous: &Generation) -> Self {
        let message = format!(
            "what is applied to {} cannot be told: `{}` may declare its migrations where it could not be read",
            service.name, previous.label
        );
        let help = super::words::READ_OTHERWISE.to_owned();
        Self::undecided(
            versions,
            Finding::new(&service.name, Code::Unknown, Severity::Warning, message, help),
        )
    }
}

fn stamp(service: &Service) -> String {
    format!(
        "If the state is on something else, say so with `nixmig stamp {} VERSION` before the switch.",
        service.name
    )
}

/// What a generation that declares no migrations says of each step of a history.
pub(super) struct Verdict {
    /// Its programs work on state that has these, ascending.
    pub(super) has: Vec<Version>,
    /// Its programs work on state that lacks these, ascending.
    pub(super) lacks: Vec<Version>,
    /// It does not say, ascending.
    pub(super) undecided: Vec<Version>,
    /// Whether the program told something.
    pub(super) by_program: bool,
    /// Whether the release told something.
    pub(super) by_release: bool,
}

/// Judges each step with a `program` by the program of a generation (rule e), each without by its release (rule f).
pub(super) fn judge(history: &History, program: Option<&Program>, release: Option<Release>) -> Verdict {
    let reached = |version| {
        let migration = history.get(version)?;
        migration.reached_by(program?)
    };
    let newest_reached = history
        .versions()
        .rev()
        .find(|&version| reached(version) == Some(true));
    let first_day = release.and_then(Release::first_day).map(Version::date);
    let mut verdict = Verdict {
        has: Vec::new(),
        lacks: Vec::new(),
        undecided: Vec::new(),
        by_program: false,
        by_release: false,
    };
    for migration in history.iter() {
        let version = migration.version;
        let has = match migration.program {
            Setting::Set(_) if newest_reached.is_some_and(|newest| version <= newest) => Some(true),
            Setting::Set(_) => reached(version),
            Setting::Unset => first_day
                .filter(|&first_day| version.date() <= first_day)
                .map(|_| true),
            Setting::Unknown(_) => None,
        };
        match has {
            Some(true) => verdict.has.push(version),
            Some(false) => verdict.lacks.push(version),
            None => verdict.undecided.push(version),
        }
        match migration.program {
            _ if has.is_none() => {}
            Setting::Set(_) => verdict.by_program = true,
            Setting::Unset | Setting::Unknown(_) => verdict.by_release = true,
        }
    }
    verdict
}
