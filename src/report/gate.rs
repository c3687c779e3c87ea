//! Owns what a gate says at its end: whoever reads the journal learns what happened, how the state was left, which units stay
//! down, and last what to type. Values, made by whoever ran it.

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
            line(format!("{name}: {} start again.", self.started.join(", ")));
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
                    "{name}: held back: {}. Once that is put right, `nixmig resume {name}` starts what is held.",
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

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(text.contains("held back: db.service. Once that is put right, `nixmig resume db` starts"));
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
