//! Owns the look at runs that never reported their end: which of them go on, and which were left.

use std::collections::BTreeSet;

use super::host::Alive;

use crate::model::{OpenRun, ServiceName};
use crate::record::{self, Place, RecordError, View};

/// The record, and those of its services whose open runs go on. None of the others' ended between the one look and the other.
pub(super) fn look(
    place: &Place,
    alive: &Alive<'_>,
) -> Result<(Option<View>, BTreeSet<ServiceName>), RecordError> {
    let mut view = record::look(place)?;
    loop {
        let (walked, left) = sort(view.as_ref(), place, alive);
        if left.is_empty() {
            return Ok((view, walked));
        }
        let again = record::look(place)?;
        let is_same = |name: &ServiceName| open(view.as_ref(), name) == open(again.as_ref(), name);
        if left.iter().all(is_same) {
            return Ok((view, walked));
        }
        view = again;
    }
}

/// The services with an open run: those where it goes on, and the others.
fn sort(
    view: Option<&View>,
    place: &Place,
    alive: &Alive<'_>,
) -> (BTreeSet<ServiceName>, BTreeSet<ServiceName>) {
    let services = view.into_iter().flat_map(|view| view.services.keys());
    let open = services.filter_map(|name| Some((name, open(view, name)?)));
    let (walked, left): (Vec<_>, Vec<_>) =
        open.partition(|(name, run)| record::is_held(place, name) || alive(name, &run.id));
    let names = |runs: Vec<(&ServiceName, _)>| runs.into_iter().map(|(name, _)| name.clone()).collect();
    (names(walked), names(left))
}

fn open<'v>(view: Option<&'v View>, name: &ServiceName) -> Option<&'v OpenRun> {
    view?.services.get(name)?.open_run.as_ref()
}
