//! Tests of state that is older than the oldest that a generation takes.

use super::notation::{one, only, steps};
use crate::model::{Service, Setting};
use crate::plan::Code;
use crate::plan::testing::{generation, service, version};

#[test]
fn state_older_than_the_oldest_is_refused() {
    for (old, new, oldest, refused) in [
        ("1", "1 2 3", "2", true),
        ("1 2", "1 2 3", "2", false),
        ("", "1 2", "1", true),
        // Where nothing is to be done, nothing is refused.
        ("1", "1", "2", false),
    ] {
        let target = Service {
            oldest: Setting::Set(version(oldest)),
            ..service("db", new)
        };
        let plan = one(&generation("1", [service("db", old)]), &generation("2", [target]));
        assert_eq!(plan.is_refused(), refused, "{old} → {new} from {oldest}");
        if refused {
            assert_eq!(steps(&plan), "");
            let finding = only(&plan.findings, Code::TooOld);
            assert!(
                finding.help.contains("whose history still has it"),
                "{}",
                finding.help
            );
            assert!(!finding.help.contains("NixOS"), "{}", finding.help);
        }
    }
}

#[test]
fn a_release_to_go_through_is_named_for_well_known_services() {
    let target = Service {
        oldest: Setting::Set(version("2")),
        ..service("postgresql", "1 2 3")
    };
    let plan = one(
        &generation("1", [service("postgresql", "1")]),
        &generation("2", [target]),
    );
    let finding = only(&plan.findings, Code::TooOld);
    let help = "Go through a generation whose history still has it, such as one of NixOS 24.05: switch to it, then to this one.";
    assert_eq!(finding.help, help);
}
