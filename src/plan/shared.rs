//! Owns services that keep their state in one place: each is locked, backed up, restored and stamped by itself, so what one does to
//! a directory would be done to the other behind its back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::finding::{Code, Finding, Severity};
use crate::model::{Service, ServiceName};

/// Where the state of one service is.
#[derive(Clone, Debug)]
pub(super) struct Claim<'a> {
    /// The service.
    pub(super) name: &'a ServiceName,
    /// Whether the generation that is to start declares it.
    pub(super) starts: bool,
    directories: Vec<Directory<'a>>,
}

/// A state directory.
#[derive(Clone, Copy, Debug)]
struct Directory<'a> {
    declared: &'a str,
    /// Where links lead from there, as far as somebody looked.
    real: &'a str,
}

impl<'a> Claim<'a> {
    /// What a service declares. `places` says where links lead, by what is declared.
    pub(super) fn new(
        service: &'a Service,
        starts: bool,
        places: Option<&'a BTreeMap<String, String>>,
    ) -> Self {
        let directory = |declared: &'a String| Directory {
            declared,
            real: places
                .and_then(|places| places.get(declared))
                .map_or(declared, String::as_str),
        };
        let directories = service.state_directories.value().into_iter().flatten();
        Self {
            name: &service.name,
            starts,
            directories: directories.map(directory).collect(),
        }
    }
}

/// What is to be said of services that start on state which another has, too; of each pair once to either that starts.
pub(super) fn find(claims: &[Claim<'_>]) -> BTreeMap<ServiceName, Vec<Finding>> {
    let mut all: Vec<_> = claims
        .iter()
        .flat_map(|claim| claim.directories.iter().map(move |&directory| (directory, claim)))
        .collect();
    // By components, so that what lies in a directory comes right after it.
    all.sort_by(|(a, of_a), (b, of_b)| (Path::new(a.real), of_a.name).cmp(&(Path::new(b.real), of_b.name)));
    let mut found: BTreeMap<ServiceName, Vec<Finding>> = BTreeMap::new();
    let mut told = BTreeSet::new();
    let mut around: Vec<(Directory<'_>, &Claim<'_>)> = Vec::new();
    for (directory, claim) in all {
        while around
            .pop_if(|(outer, _)| !Path::new(directory.real).starts_with(outer.real))
            .is_some()
        {}
        for &(outer, other) in &around {
            let is_pair = other.name != claim.name && (other.starts || claim.starts);
            if !is_pair || !told.insert((other.name.min(claim.name), other.name.max(claim.name))) {
                continue;
            }
            let message = message((outer, other), (directory, claim));
            for (claim, other) in [(other, claim), (claim, other)] {
                if claim.starts {
                    let finding = Finding::new(
                        claim.name,
                        Code::SharedState,
                        Severity::Refused,
                        message.clone(),
                        help(claim, other),
                    );
                    found.entry(claim.name.clone()).or_default().push(finding);
                }
            }
        }
        around.push((directory, claim));
    }
    found
}

fn message((outer, a): (Directory<'_>, &Claim<'_>), (inner, b): (Directory<'_>, &Claim<'_>)) -> String {
    let shown = |directory: Directory<'_>| match directory.declared == directory.real {
        true => directory.declared.to_owned(),
        false => format!("{} (which is {})", directory.declared, directory.real),
    };
    let (a, b) = (a.name, b.name);
    if outer.declared == inner.declared {
        format!("{a} and {b} keep their state in one directory, {}", shown(outer))
    } else if Path::new(outer.real) == Path::new(inner.real) {
        format!(
            "{a} and {b} keep their state in one directory, {} and {}",
            shown(outer),
            shown(inner)
        )
    } else {
        format!(
            "the state of {b} in {} lies in that of {a} in {}",
            shown(inner),
            shown(outer)
        )
    }
}

fn help(claim: &Claim<'_>, other: &Claim<'_>) -> String {
    let (name, other_name) = (claim.name, other.name);
    match other.starts {
        true => "Each is backed up, brought back and stamped by itself. Give each a directory that holds nothing of the other, or \
                 declare one service in place of the two, with the units of both."
            .to_owned(),
        false => format!(
            "{other_name} is not declared any more, but its state is remembered. If {name} takes it over, forget {other_name} with \
             `nixmig forget {other_name}`, which gives up its way back, and say what the state is on with `nixmig stamp {name} \
             VERSION`. Else give {name} a directory of its own."
        ),
    }
}
