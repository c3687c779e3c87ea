//! Owns asking a `detect` script what the data of its service is on. It is run as the scripts of steps are, and must not write.

use super::definition::Known;
use super::environment::asking;
use super::script::{Executor, ScriptJob};
use crate::model::{Definition, ServiceName};

/// What became of asking a `detect` script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The last line that it printed on standard output; empty where there was none.
    Said(String),
    /// It failed: how, as words after "its detect script".
    Failed(String),
    /// It was not run: why not.
    Unasked(String),
}

/// Asks the `detect` script of a definition. `old_package` is the package that last ran the state, where that is known.
pub fn detect(
    executor: &dyn Executor,
    service: &ServiceName,
    definition: &Definition,
    old_package: Option<&str>,
) -> Answer {
    let known = match Known::read(service, definition.clone()) {
        Ok(known) => known,
        Err(error) => return Answer::Unasked(error.to_string()),
    };
    let detect = known.gate.service.detect.value();
    let (Some(script), Some(store)) = (detect.and_then(|text| text.path.as_deref()), known.store()) else {
        return Answer::Unasked("where it is cannot be told".to_owned());
    };
    let account = match executor.account(&known.gate) {
        Ok(account) => account,
        Err(error) => return Answer::Unasked(error.to_string()),
    };
    let job = ScriptJob {
        script,
        store,
        environment: &asking(&known.gate, service, old_package, known.package()),
        account: &account,
        locks: &[],
        shielded: false,
        unit: None,
        answers: true,
    };
    let mut last = String::new();
    let ended = match executor.run(&job, &mut |line| {
        let line = line.trim();
        if !line.is_empty() {
            line.clone_into(&mut last);
        }
    }) {
        Ok(ended) => ended,
        Err(error) => return Answer::Failed(format!("could not be run: {error}")),
    };
    if ended.outcome.is_good() {
        return Answer::Said(last);
    }
    let words = ended.output.lines().rev().find(|line| !line.trim().is_empty());
    Answer::Failed(match words {
        None => format!("ended badly: {}", ended.outcome),
        Some(words) => format!("ended badly: {}, after `{}`", ended.outcome, words.trim()),
    })
}
