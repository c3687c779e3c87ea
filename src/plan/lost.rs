//! Owns what becomes of a service that the new side no longer declares: left where it is, or walked down for a generation
//! that never knew its migrations.

use std::cmp::Ordering;

use super::contact::judge;
use super::finding::{Code, Finding, Severity};
use super::programs::{program_of, runs};
use super::words::{READ_OTHERWISE, list};
use crate::model::{Generation, History, Program, Release, Service, compare_versions};

/// What is known of the generation that ran last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Before<'a> {
    /// The package whose data the state is.
    pub(super) package: Option<&'a Program>,
    /// Its release.
    pub(super) release: Option<Release>,
}

/// What the new side's programs expect of the state: that much of the old history, or all of it where nothing is to be
/// walked; and why.
///
/// A program that is older than a step's own asks for that step to be undone (rule e of first contact); a step without a
/// program that is later than the release cannot be told (rule g), unless the new side is of a later release and its
/// program did not go back: then it only stopped declaring what it has.
pub(super) fn expected(
    service: &Service,
    before: Before<'_>,
    new: &Generation,
) -> (History, Option<Finding>) {
    let name = &service.name;
    let stays = |finding| (service.history.clone(), finding);
    let find = |code, severity, message: String, help: &str| {
        Some(Finding::new(name, code, severity, message, help.to_owned()))
    };
    if service.masked.is_set() {
        return stays(None);
    }
    if !new.unread.is_empty() {
        let message = format!(
            "whether `{}` still declares {name} cannot be told, so nothing is walked",
            new.label
        );
        return stays(find(Code::Unknown, Severity::Warning, message, READ_OTHERWISE));
    }
    let head = match service.history.head() {
        Some(head) => format!("at {head}"),
        None => "with nothing applied".to_owned(),
    };
    match runs(new, &service.units) {
        Some(true) => {}
        Some(false) => {
            let message = format!("`{}` no longer runs {name}: its state stays, {head}", new.label);
            let help =
                "Nothing touches it; a later generation that declares the service again goes on from there.";
            return stays(find(Code::Lost, Severity::Note, message, help));
        }
        None => {
            let message = format!(
                "whether `{}` still runs {name} cannot be told, so nothing is walked",
                new.label
            );
            return stays(find(Code::Unknown, Severity::Warning, message, READ_OTHERWISE));
        }
    }
    let program = program_of(service, new);
    let release = new.release.value().copied();
    let verdict = judge(&service.history, program, release);
    let stands_for = stands_for(program, release);
    let went_back = before
        .package
        .zip(program)
        .is_some_and(|(before, now)| before.name == now.name && went_back(before, now));
    let is_later = |(before, now)| now > before;
    let as_new = !went_back && before.release.zip(release).is_some_and(is_later);
    if verdict.lacks.is_empty() && (verdict.undecided.is_empty() || as_new) {
        let message = format!(
            "`{}` still runs {name} and no longer declares its migrations: its state stays, {head}",
            new.label
        );
        let help = format!(
            "From here on nothing keeps it in step with its programs ({stands_for}). Declare `migrations.{name}` again, or \
             `nixmig forget {name}` once no generation needs the way back."
        );
        return stays(find(Code::Lost, Severity::Warning, message, &help));
    }
    if !verdict.undecided.is_empty() {
        let message = format!(
            "`{}` runs {name} without declaring migrations ({stands_for}), and whether it expects {} cannot be told",
            new.label,
            list(&verdict.undecided)
        );
        let help = format!(
            "The guard keeps the service down rather than guess. Stay on a generation that declares it, or say what the state \
             is to be taken for with `nixmig stamp {name} VERSION`."
        );
        let finding = Finding {
            versions: verdict.undecided,
            ..Finding::new(name, Code::Unknown, Severity::Refused, message, help)
        };
        return stays(Some(finding));
    }
    let message = format!(
        "`{}` knows nothing of {name}'s migrations and runs {stands_for}: {} undone for it",
        new.label,
        super::words::are(&verdict.lacks)
    );
    let help =
        "The guard walks this before the service starts. `nixmig migrate` does it by hand before the switch.";
    let finding = Finding {
        versions: verdict.lacks.clone(),
        ..Finding::new(name, Code::Lost, Severity::Warning, message, help.to_owned())
    };
    let kept = service
        .history
        .filtered(|migration| verdict.lacks.binary_search(&migration.version).is_err());
    (kept, Some(finding))
}

/// Whether a program is known to be older than the one before.
fn went_back(before: &Program, now: &Program) -> bool {
    let versions = before.version.as_deref().zip(now.version.as_deref());
    versions.is_some_and(|(before, now)| compare_versions(now, before) == Ordering::Less)
}

fn stands_for(program: Option<&Program>, release: Option<Release>) -> String {
    match (program, release) {
        (Some(program), Some(release)) => format!("{} of NixOS {release}", program.display()),
        (Some(program), None) => program.display(),
        (None, Some(release)) => format!("a program of NixOS {release}"),
        (None, None) => "a program that could not be told".to_owned(),
    }
}
