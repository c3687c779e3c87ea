//! Owns the way from what a machine knows to a plan: the same rules as `diff`, with the record, the data and the clock for
//! witnesses.

use std::collections::{BTreeMap, BTreeSet};

use super::contact::{Contact, Evidence, first_contact};
use super::finding::Finding;
use super::programs::program_of;
use super::service::{Premise, plan_service};
use super::shared::{self, Claim};
use super::trouble::{self, Trouble};
use super::{Plan, Presence, ServicePlan, blocked, finding, lost, order, unknown, unmigrated};
use crate::model::{
    Digest, Direction, Generation, How, Kind, Migration, Program, Recorded, Release, Service, ServiceName,
    Version,
};

/// What is known of a machine, besides the generation that is to start.
#[derive(Clone, Debug, Default)]
pub struct Machine<'a> {
    /// What is known of each service. Of one that is not here nothing is known.
    pub services: BTreeMap<ServiceName, Known<'a>>,
    /// The generation that ran last, for what no record knows.
    pub previous: Option<&'a Generation>,
    /// Whether `previous` is what runs, and the generation is to take its place: then programs that move without a migration
    /// are looked for between the two.
    pub switches: bool,
    /// What was acknowledged on this machine.
    pub acknowledged: Acknowledged,
    /// How far the clock is behind the record's last event, in words, where that is more than it may be.
    pub clock: Option<String>,
}

/// What was acknowledged on a machine: of which service, and which definition of which step.
pub type Acknowledged = BTreeSet<(ServiceName, Version, Direction, Option<Digest>)>;

/// What is known of one service on a machine.
#[derive(Clone, Debug, Default)]
pub struct Known<'a> {
    /// What the record says of it.
    pub recorded: Option<&'a Recorded>,
    /// The service of the newest generation whose history has all that is applied: its definitions undo it.
    pub past: Option<&'a Service>,
    /// The package that last ran its state.
    pub package: Option<Program>,
    /// The release of the generation that `past` is of.
    pub release: Option<Release>,
    /// What its `detect` script answered.
    pub detected: Option<Version>,
    /// Something that only a record that was lost leaves behind, as a clause.
    pub trace: Option<&'a str>,
    /// Whether it has no state yet; none where that cannot be told.
    pub fresh: Option<bool>,
    /// Whether somebody walks its path right now.
    pub running: bool,
    /// Where its state directories really are, by how they are declared, where that is another place.
    pub places: BTreeMap<String, String>,
    /// What is wrong with its data, or could not be found out.
    pub troubles: Vec<Trouble>,
}

/// What happens to the state of a machine when a generation starts.
///
/// A service that neither declares migrations nor has anything applied to its state is not in the plan.
pub fn machine(target: &Generation, machine: &Machine<'_>) -> Plan {
    let nothing = Known::default();
    let recorded = machine
        .services
        .iter()
        .filter(|(_, known)| known.recorded.is_some_and(matters));
    let names: BTreeSet<_> = target
        .services
        .keys()
        .chain(recorded.map(|(name, _)| name))
        .collect();
    let mut shared = shared::find(&claims(target, machine));
    let mut plan = Plan::default();
    let mut before = Vec::new();
    let mut after = Vec::new();
    for name in names {
        let known = machine.services.get(name).unwrap_or(&nothing);
        let wanted = target.services.get(name);
        before.push(known.past);
        after.push(wanted);
        let shared = shared.remove(name).unwrap_or_default();
        let service = service(name, target, wanted, known, machine, shared);
        plan.services.push(service);
    }
    match machine.previous.filter(|_| machine.switches) {
        Some(previous) => unmigrated::find(previous, target, &mut plan),
        None => moved_on(target, machine, &mut plan),
    }
    order::order(&mut plan, &before, &after);
    for service in &mut plan.services {
        finding::sort(&mut service.findings);
    }
    unknown::side(target, &mut plan);
    finding::sort(&mut plan.findings);
    plan
}

/// Whose state is where: of what the generation declares, and of what else is remembered.
fn claims<'a>(target: &'a Generation, machine: &'a Machine<'_>) -> Vec<Claim<'a>> {
    let places = |name| machine.services.get(name).map(|known: &Known<'_>| &known.places);
    let starting = target.services.values();
    let starting = starting.map(|service| Claim::new(service, true, places(&service.name)));
    let staying = machine.services.iter();
    let staying = staying
        .filter(|(name, known)| known.recorded.is_some() && !target.services.contains_key(*name))
        .filter_map(|(_, known)| Some(Claim::new(known.past?, false, Some(&known.places))));
    starting.chain(staying).collect()
}

/// A generation as commands of this machine are told it, where they can be: it has to be built.
fn named(generation: &Generation) -> &str {
    let is_word = !generation.label.contains(char::is_whitespace);
    match generation.kind == Kind::Closure && is_word {
        true => &generation.label,
        false => "GEN",
    }
}

/// Whether something of a service is left that a generation without it may have to know.
fn matters(recorded: &Recorded) -> bool {
    !recorded.applied.is_empty() || recorded.open_run.is_some() || recorded.block.is_some()
}

fn service(
    name: &ServiceName,
    target: &Generation,
    wanted: Option<&Service>,
    known: &Known<'_>,
    machine: &Machine<'_>,
    shared: Vec<Finding>,
) -> ServicePlan {
    let mut plan = match (wanted, known.recorded) {
        (Some(wanted), _) => declared(wanted, target, known, machine, shared),
        (None, recorded) => {
            let recorded = recorded.map(Recorded::versions).unwrap_or_default();
            undeclared(name, &recorded, target, known, machine)
        }
    };
    if let Some(recorded) = known.recorded {
        plan.findings.extend(blocked::path(&plan, recorded));
    }
    plan.findings.extend(wanted.and_then(|wanted| {
        let before = machine.previous.and_then(|before| program_of(wanted, before));
        let is_known = known.package.is_some() || before.is_some_and(|before| before.path.is_some());
        (!is_known).then(|| unknown::package(&plan)).flatten()
    }));
    if let Some(behind) = &machine.clock {
        plan.findings.extend(trouble::clock(&plan, behind));
    }
    plan
}

/// A service that the generation declares.
fn declared(
    wanted: &Service,
    target: &Generation,
    known: &Known<'_>,
    machine: &Machine<'_>,
    shared: Vec<Finding>,
) -> ServicePlan {
    let recorded = known.recorded.map(Recorded::versions);
    let evidence = Evidence {
        detected: known.detected,
        recorded: recorded.as_deref(),
        trace: known.trace,
        fresh: known.fresh,
        previous: machine.previous,
    };
    // State that is another's, too, is not met: what there is of it says nothing of this one's.
    let contact = match shared.is_empty() {
        true => first_contact(wanted, &evidence),
        false => Contact {
            applied: recorded.clone().unwrap_or_default(),
            ..Contact::default()
        },
    };
    let mut assumed = contact.assumed();
    assumed.extend(only_assumed(known));
    assumed.sort_unstable();
    let before = machine
        .previous
        .and_then(|previous| previous.services.get(&wanted.name));
    let mut findings = contact.findings;
    findings.extend(witnessed(&wanted.name, known));
    findings.extend(shared);
    plan_service(Premise {
        name: &wanted.name,
        generation: named(target),
        presence: match recorded {
            Some(_) => Presence::Both,
            None => Presence::Gained,
        },
        applied: contact.applied,
        baseline: contact.baseline,
        past: known.past.or(before.filter(|before| !before.masked.is_set())),
        target: Some(wanted),
        expected: &wanted.history,
        assumed,
        acknowledged: acknowledged(&wanted.name, machine),
        findings,
    })
}

/// A service that the record knows, and the generation does not declare.
fn undeclared(
    name: &ServiceName,
    recorded: &[Version],
    target: &Generation,
    known: &Known<'_>,
    machine: &Machine<'_>,
) -> ServicePlan {
    let past = of_applied(name, recorded, known.past);
    let before = lost::Before {
        package: known.package.as_ref().or_else(|| past.package.value()),
        release: known.release,
    };
    let (expected, finding) = lost::expected(&past, before, target);
    let mut findings: Vec<_> = finding.into_iter().collect();
    findings.extend(witnessed(name, known));
    plan_service(Premise {
        name,
        generation: named(target),
        presence: Presence::Lost,
        applied: recorded.to_vec(),
        baseline: None,
        past: Some(&past),
        target: None,
        expected: &expected,
        assumed: only_assumed(known),
        acknowledged: acknowledged(name, machine),
        findings,
    })
}

/// A service as it was, with what is applied of its history and nothing else.
fn of_applied(name: &ServiceName, applied: &[Version], past: Option<&Service>) -> Service {
    let mut service = past.cloned().unwrap_or_else(|| Service::new(name.clone()));
    service.history = service
        .history
        .filtered(|migration| applied.contains(&migration.version));
    for &version in applied {
        if !service.history.contains(version) {
            // It is not there yet, so it cannot be there twice.
            let _ = service.history.insert(Migration::new(version));
        }
    }
    service
}

/// What the record and the data have against a path, whatever it is.
fn witnessed(name: &ServiceName, known: &Known<'_>) -> Vec<Finding> {
    let recorded = known.recorded;
    let told = known.detected.is_some();
    let mut findings: Vec<_> = recorded
        .into_iter()
        .flat_map(|recorded| blocked::service(name, recorded, known.running))
        .collect();
    let troubles = known.troubles.iter();
    findings.extend(troubles.map(|trouble| trouble.finding(name, recorded, told, known.fresh)));
    findings
}

/// What first contact assumed once, and nothing ran since.
fn only_assumed(known: &Known<'_>) -> Vec<Version> {
    let applied = known.recorded.into_iter().flat_map(|recorded| &recorded.applied);
    let mut assumed: Vec<_> = applied
        .filter(|applied| applied.how == How::Assumed)
        .map(|applied| applied.version)
        .collect();
    assumed.sort_unstable();
    assumed
}

fn acknowledged(name: &ServiceName, machine: &Machine<'_>) -> BTreeSet<(Version, Direction, Option<Digest>)> {
    let of_this = machine
        .acknowledged
        .iter()
        .filter(|(service, ..)| service == name);
    of_this
        .map(|&(_, version, direction, digest)| (version, direction, digest))
        .collect()
}

/// Packages that moved since they last ran the state, with no step that goes along.
fn moved_on(target: &Generation, machine: &Machine<'_>, plan: &mut Plan) {
    for service in &mut plan.services {
        let known = machine.services.get(&service.name);
        let ran = known.and_then(|known| known.package.as_ref());
        let (Some(wanted), Some(ran)) = (target.services.get(&service.name), ran) else {
            continue;
        };
        let found = unmigrated::since(service, wanted, ran, target);
        service.findings.extend(found);
    }
}
