//! Owns what there is to do for one service before it may start, besides what may refuse it. Values only.

use crate::model::Recorded;
use crate::plan::ServicePlan;

/// What there is to do for a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: its state is what the generation expects, and the record knows it.
    Nothing,
    /// Its state was never met: what first contact assumed is to be recorded, and the rest of the path walked.
    Meet,
    /// The record is to be brought to what the data says, and the rest of the path walked.
    Correct,
    /// The path is to be walked.
    Walk,
}

/// What there is to do, as the plan has it, for a service that the record knows so.
pub fn need(plan: &ServicePlan, recorded: Option<&Recorded>) -> Need {
    match recorded {
        None => Need::Meet,
        Some(recorded) if recorded.versions() != plan.applied => Need::Correct,
        Some(recorded) if !plan.steps.is_empty() || recorded.open_run.is_some() => Need::Walk,
        Some(_) => Need::Nothing,
    }
}

/// Whether all that stands in the way of a path is that nobody has accepted what it destroys.
pub(super) fn wants_acceptance(plan: &ServicePlan) -> bool {
    !plan.is_refused() && plan.steps.iter().any(|step| step.needs_acknowledgement)
}
