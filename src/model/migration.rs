//! Owns one migration: what its author set, what is known of it, and where it stands in the source.

use std::borrow::Cow;

use super::{Digest, Program, Version};

/// Which way a step goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// Back to the version before.
    Down,
    /// Forward to the version.
    Up,
}

impl Direction {
    /// `up` or `down`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// What an action consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// Does the work.
    Script,
    /// What must be acknowledged before.
    Warn,
    /// Saves the state before the script.
    Backup,
    /// Brings the saved state back when the script fails.
    Restore,
    /// Tells whether the state is good after the script.
    Verify,
}

impl Part {
    /// All parts, in the order in which they are written and shown.
    pub const ALL: [Self; 5] = [
        Self::Script,
        Self::Warn,
        Self::Backup,
        Self::Restore,
        Self::Verify,
    ];

    /// The option's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Script => "script",
            Self::Warn => "warn",
            Self::Backup => "backup",
            Self::Restore => "restore",
            Self::Verify => "verify",
        }
    }
}

/// A place in a source text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The file, as its reader names it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Something that a reader could not tell: a value of its own, never "none".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Why, as a clause: ``depends on `cfg.enable` ``.
    pub reason: Cow<'static, str>,
    /// Where, for a source text.
    pub at: Option<Location>,
}

/// What is known of something that may be set.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Setting<T> {
    /// It is not set.
    #[default]
    Unset,
    /// It is set, to this.
    Set(T),
    /// It cannot be told whether it is set, or to what.
    Unknown(Unknown),
}

impl<T> Setting<T> {
    /// The value, where it is set and known.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Unset | Self::Unknown(_) => None,
        }
    }

    /// Whether it is known to be set.
    pub fn is_set(&self) -> bool {
        matches!(self, Self::Set(_))
    }

    /// Whether it is known not to be set.
    pub fn is_unset(&self) -> bool {
        matches!(self, Self::Unset)
    }

    /// Why it is not known.
    pub fn unknown(&self) -> Option<&Unknown> {
        match self {
            Self::Unknown(unknown) => Some(unknown),
            Self::Unset | Self::Set(_) => None,
        }
    }
}

impl<T: PartialEq> Setting<T> {
    /// Whether two of them are the same; `None` where either is not known.
    pub fn same(&self, other: &Self) -> Option<bool> {
        let known = self.unknown().is_none() && other.unknown().is_none();
        known.then(|| self == other)
    }
}

impl<T> From<Option<T>> for Setting<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Unset, Self::Set)
    }
}

/// A part of an action that is there. What was not asked for, or cannot be told, is none.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Text {
    /// The words of the script or warning.
    pub text: Option<String>,
    /// The script's file in the store.
    pub path: Option<String>,
}

/// An `up` or a `down`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Action {
    /// See [`Part::Script`].
    pub script: Setting<Text>,
    /// See [`Part::Warn`].
    pub warn: Setting<Text>,
    /// See [`Part::Backup`].
    pub backup: Setting<Text>,
    /// See [`Part::Restore`].
    pub restore: Setting<Text>,
    /// See [`Part::Verify`].
    pub verify: Setting<Text>,
    /// The digest of what is set, where it was read.
    pub digest: Option<Digest>,
}

impl Action {
    /// One part.
    pub fn part(&self, part: Part) -> &Setting<Text> {
        match part {
            Part::Script => &self.script,
            Part::Warn => &self.warn,
            Part::Backup => &self.backup,
            Part::Restore => &self.restore,
            Part::Verify => &self.verify,
        }
    }

    /// One part, to be set.
    pub fn part_mut(&mut self, part: Part) -> &mut Setting<Text> {
        match part {
            Part::Script => &mut self.script,
            Part::Warn => &mut self.warn,
            Part::Backup => &mut self.backup,
            Part::Restore => &mut self.restore,
            Part::Verify => &mut self.verify,
        }
    }

    /// Whether nothing at all is set.
    pub fn is_empty(&self) -> bool {
        Part::ALL.iter().all(|&part| self.part(part).is_unset())
    }

    /// Whether two definitions of an action are the same; `None` where that was not read.
    ///
    /// Digests decide where both are known; otherwise only a difference in what is there can be told.
    pub fn same(&self, other: &Self) -> Option<bool> {
        if let (Some(ours), Some(theirs)) = (self.digest, other.digest) {
            return Some(ours == theirs);
        }
        let differs = Part::ALL
            .iter()
            .any(|&part| match (self.part(part), other.part(part)) {
                (Setting::Unset, Setting::Set(_)) | (Setting::Set(_), Setting::Unset) => true,
                (
                    Setting::Set(Text { text: Some(ours), .. }),
                    Setting::Set(Text {
                        text: Some(theirs), ..
                    }),
                ) => part == Part::Warn && ours != theirs,
                _ => false,
            });
        match differs {
            true => Some(false),
            false if self.is_empty() && other.is_empty() => Some(true),
            false => None,
        }
    }
}

/// One entry of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Its identity.
    pub version: Version,
    /// The lowest version of the service's package whose data this is: `16`.
    pub program: Setting<String>,
    /// Starts from any older version: pending older steps are not run. `Set(())` where it is cumulative.
    pub cumulative: Setting<()>,
    /// How to get there from the version before.
    pub up: Action,
    /// How to get back to the version before.
    pub down: Action,
    /// Where it is defined.
    pub origin: Option<Location>,
    /// What its being there depends on, where a reader of source text could not decide it; it counts as there.
    pub conditions: Vec<Unknown>,
}

impl Migration {
    /// A migration of which nothing is set yet.
    pub fn new(version: Version) -> Self {
        Self {
            version,
            program: Setting::Unset,
            cumulative: Setting::Unset,
            up: Action::default(),
            down: Action::default(),
            origin: None,
            conditions: Vec::new(),
        }
    }

    /// The action of a direction.
    pub fn action(&self, direction: Direction) -> &Action {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }

    /// The action of a direction, to be set.
    pub fn action_mut(&mut self, direction: Direction) -> &mut Action {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }

    /// Whether data of this migration is what `program` works on; `None` where either is not known.
    pub fn reached_by(&self, program: &Program) -> Option<bool> {
        program.reaches(self.program.value()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Setting<Text> {
        Setting::Set(Text {
            text: Some(text.to_owned()),
            path: None,
        })
    }

    fn digest(text: &str) -> Option<Digest> {
        let mut digester = super::super::Digester::default();
        digester.add(Part::Script, text);
        digester.finish()
    }

    #[test]
    fn sameness_is_by_digest_and_unknown_without() {
        let plain = Action {
            script: text("a"),
            ..Action::default()
        };
        let read = |words: &str| Action {
            digest: digest(words),
            ..plain.clone()
        };
        assert_eq!(read("a").same(&read("a")), Some(true));
        assert_eq!(read("a").same(&read("b")), Some(false));
        assert_eq!(read("a").same(&plain), None);
        assert_eq!(Action::default().same(&Action::default()), Some(true));
    }

    #[test]
    fn a_part_more_or_another_warning_is_a_difference_without_digests() {
        let plain = Action {
            script: text("a"),
            ..Action::default()
        };
        let warned = |words: &str| Action {
            warn: text(words),
            ..plain.clone()
        };
        assert_eq!(plain.same(&warned("careful")), Some(false));
        assert_eq!(warned("careful").same(&warned("beware")), Some(false));
        assert_eq!(warned("careful").same(&warned("careful")), None);
        // Two renderings of a script name different store paths: only the digest tells.
        let other = Action {
            script: text("b"),
            ..Action::default()
        };
        assert_eq!(plain.same(&other), None);
    }
}
