//! Owns services whose gates are linked to `/dev/null`: what the units that they gate still tell of them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Units, find, parse, parsed, texts};
use crate::generation::gate;
use crate::model::{Action, Migration, Part, Service, ServiceName, Setting, UnitName, Unknown, Version};

/// Services whose gates are linked to `/dev/null`: their versions are in the units that they gate. A masked unit whose
/// service no unit names was no gate.
pub(super) fn services<U: Units>(
    units: &U,
    masked: &BTreeSet<ServiceName>,
) -> BTreeMap<ServiceName, Service> {
    let mut services = BTreeMap::<ServiceName, Service>::new();
    let mut unread = Vec::new();
    let names: BTreeSet<UnitName> = parsed(units.names()).collect();
    for unit in &names {
        // An alias is met under its own name.
        let Some(found) = find(units, unit).filter(|found| found.unit == *unit) else {
            continue;
        };
        let carried = texts(units, &found)
            .map_err(|error| error.to_string())
            .and_then(|texts| {
                let files = parse(&texts)?;
                gate::versions(&files).map_err(|problem| format!("{unit}: {problem}"))
            });
        match carried {
            Ok(carried) => {
                for (name, versions) in carried.into_iter().filter(|(name, _)| masked.contains(name)) {
                    let service = services.entry(name.clone()).or_insert_with(|| service(name));
                    if let Setting::Set(units) = &mut service.units {
                        units.insert(unit.clone());
                    }
                    for version in versions {
                        // Two units of a service carry the same versions.
                        let _ = service.history.insert(migration(version));
                    }
                }
            }
            Err(reason) => unread.push(Unknown {
                reason: reason.into(),
                at: None,
            }),
        }
    }
    for service in services.values_mut() {
        service.history.unread.clone_from(&unread);
    }
    services
}

fn because_masked() -> Unknown {
    Unknown {
        reason: "its gate is linked to /dev/null".into(),
        at: None,
    }
}

fn service(name: ServiceName) -> Service {
    Service {
        units: Setting::Set(BTreeSet::new()),
        requires: Setting::Unknown(because_masked()),
        state_directories: Setting::Unknown(because_masked()),
        package: Setting::Unknown(because_masked()),
        detect: Setting::Unknown(because_masked()),
        oldest: Setting::Unknown(because_masked()),
        masked: Setting::Set(()),
        ..Service::new(name)
    }
}

fn migration(version: Version) -> Migration {
    let action = || {
        let mut action = Action::default();
        for part in Part::ALL {
            *action.part_mut(part) = Setting::Unknown(because_masked());
        }
        action
    };
    Migration {
        program: Setting::Unknown(because_masked()),
        cumulative: Setting::Unknown(because_masked()),
        up: action(),
        down: action(),
        ..Migration::new(version)
    }
}
