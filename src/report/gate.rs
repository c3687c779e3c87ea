//! Owns what a gate says at its end, and a step that failed: whoever reads the journal learns what happened, how the state was left,
//! which units stay down, and last what to type, on one line that can be copied. Values, made by whoever ran it.

use super::escape;

/// How a gate ended.
#[derive(Clone, Debug, Default)]
pub struct Gated {
    /// The service.
    pub service: String,
    /// The newest version of what is applied now, where something was done.
    pub arrived: Option<Option<String>>,
    /// Why its units may not start, each with what to do: sentences.
    pub reasons: Vec<(String, String)>,
    /// How the state was left, as a sentence, where something had begun.
    pub left: Option<String>,
    /// Units that are kept from starting.
    pub held: Vec<String>,
    /// Units that were held and are started.
    pub started: Vec<String>,
    /// Units that were held and cannot be started, and why.
    pub stay: Option<(Vec<String>, String)>,
}

impl Gated {
    /// Whether its units may start.
    pub fn passes(&self) -> bool {
        self.reasons.is_empty()
    }

    /// The same for those who ask one of the units that are held, in one line.
    pub fn held_back(&self) -> String {
        let name = &self.service;
        let reasons: Vec<_> = self.reasons.iter().map(|(reason, _)| reason.as_str()).collect();
        let reasons = reasons.join("; ");
        format!(
            "Kept from starting: {name}: {reasons}. `nixmig status` and `journalctl -u migrate-{name}` say what to do."
        )
    }

    /// Writes it, a line a thought; nothing where nothing happened.
    pub fn write(&self) -> String {
        let name = &self.service;
        let mut text = String::new();
        let mut line = |words: String| {
            text.push_str(&escape(&words));
            text.push('\n');
        };
        match &self.arrived {
            Some(Some(version)) => line(format!("{name}: its state is on {version}.")),
            Some(None) => line(format!("{name}: nothing is applied to its state.")),
            None => {}
        }
        for (reason, _) in &self.reasons {
            line(format!("{name} may not start: {reason}."));
        }
        if let Some(left) = &self.left {
            line(format!("{name}: {left}"));
        }
        if !self.started.is_empty() {
            let word = if self.started.len() == 1 {
                "starts"
            } else {
                "start"
            };
            line(format!("{name}: {} {word} again.", self.started.join(", ")));
        }
        if let Some((units, why)) = &self.stay {
            let units = units.join(" ");
            line(format!(
                "{name}: `systemctl start {units}` starts what was held: {why}."
            ));
        }
        if !self.reasons.is_empty() {
            match self.held.as_slice() {
                [] => line(format!("{name}: its units stay down until that is put right.")),
                held => line(format!(
                    "{name}: held back: {}. What puts that right starts them, or else `nixmig resume {name}` after it.",
                    held.join(", ")
                )),
            }
        }
        for (_, help) in self.reasons.iter().filter(|(_, help)| !help.is_empty()) {
            line(format!("{name}: next: {help}"));
        }
        text
    }
}

/// How a step failed: why, how the state was left, and what to type.
#[derive(Clone, Debug)]
pub struct StepFailed {
    /// The service.
    pub service: String,
    /// Why, as the rest of a sentence.
    pub reason: String,
    /// How the state was left, in sentences.
    pub left: String,
    /// What to do, in sentences; empty where there is nothing.
    pub help: String,
}

impl StepFailed {
    /// Writes it, a line a thought.
    pub fn write(&self) -> String {
        let name = &self.service;
        let mut lines = vec![
            format!("{name} was not migrated: {}.", self.reason),
            format!("{name}: {}", self.left),
        ];
        if !self.help.is_empty() {
            lines.push(format!("{name}: next: {}", self.help));
        }
        lines.iter().map(|line| format!("{}\n", escape(line))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_type_after_a_step_is_on_one_line() {
        let help = "`nixmig history db --output` has its last words. Try it again as it is with `nixmig resume db --retry`.";
        let failed = StepFailed {
            service: "db".to_owned(),
            reason: "the script of the up of 2024-01-01 failed: exit code 1".to_owned(),
            left: "The state was brought back to what it was before.".to_owned(),
            help: help.to_owned(),
        };
        let text = failed.write();
        assert_eq!(text.lines().count(), 3, "{text}");
        assert_eq!(text.lines().last(), Some(format!("db: next: {help}").as_str()));
    }

    #[test]
    fn the_last_line_is_what_to_type() {
        let refused = Gated {
            service: "db".to_owned(),
            reasons: vec![(
                "it is\u{1b} unknown".to_owned(),
                "`nixmig stamp db VERSION`".to_owned(),
            )],
            left: Some("Nothing of the state was touched.".to_owned()),
            held: vec!["db.service".to_owned()],
            ..Gated::default()
        };
        let text = refused.write();
        assert_eq!(text.lines().last(), Some("db: next: `nixmig stamp db VERSION`"));
        assert!(
            text.contains(
                "held back: db.service. What puts that right starts them, or else `nixmig resume db`"
            )
        );
        assert!(!text.contains('\u{1b}'));
        assert!(!refused.passes());
        assert!(refused.held_back().contains("`nixmig status`"));
    }

    #[test]
    fn nothing_is_said_where_nothing_happened() {
        let passed = Gated {
            service: "db".to_owned(),
            ..Gated::default()
        };
        assert!(passed.passes());
        assert_eq!(passed.write(), "");
    }
}
