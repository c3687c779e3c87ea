//! Owns who is asked whether what a path destroys is accepted, and what is recorded of the answer.

use std::collections::BTreeSet;

use super::need::wants_acceptance;
use crate::model::{ServiceName, Version};
use crate::plan::{Plan, ServicePlan, Step};
use crate::record::Event;

/// Who is asked.
pub struct Asked<'a> {
    /// Of which services.
    pub of: &'a dyn Fn(&ServiceName) -> bool,
    /// The steps that were accepted with the command.
    pub acknowledge: &'a BTreeSet<(ServiceName, Version)>,
    /// Asks somebody whether the steps of a service that need it are accepted.
    pub confirm: &'a dyn Fn(&ServicePlan, &[&Step]) -> bool,
}

impl Asked<'_> {
    /// What is accepted now of what stands in the way of a plan, to be recorded.
    pub fn accepted(&self, plan: &Plan) -> Vec<Event> {
        let mut events = Vec::new();
        let services = plan.services.iter().filter(|service| wants_acceptance(service));
        for service in services.filter(|service| (self.of)(&service.name)) {
            let name = &service.name;
            let steps = service.steps.iter().filter(|step| step.needs_acknowledgement);
            let steps: Vec<_> = steps.collect();
            let given = |step: &&Step| self.acknowledge.contains(&(name.clone(), step.version()));
            let by = if steps.iter().all(given) {
                "--acknowledge"
            } else if (self.confirm)(service, &steps) {
                "typed at the terminal"
            } else {
                continue;
            };
            events.extend(steps.iter().map(|step| Event::Acknowledged {
                service: name.clone(),
                version: step.version(),
                direction: step.direction.into(),
                digest: step.action().digest,
                by: by.to_owned(),
            }));
        }
        events
    }
}
