//! Owns what an expression may come to without being evaluated. Values and scopes live as long as the reading they belong to:
//! they name each other by number, so that what refers to itself is freed with the rest.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::PathBuf;
use std::rc::Rc;

use super::syntax::Node;
use super::text::Span;

/// A value that is computed when it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ThunkId(pub(super) u32);

/// Names that are bound, within those around them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScopeId(pub(super) u32);

/// Where an expression's names are looked up: none outside of all scopes of its file.
pub(super) type Env = Option<ScopeId>;

pub(super) struct Scope {
    pub(super) parent: Env,
    pub(super) names: Names,
}

pub(super) enum Names {
    /// In their order; of those that are the same the last counts.
    Bound(Vec<(Rc<str>, ThunkId)>),
    /// `with`.
    All(ThunkId),
}

impl Names {
    pub(super) fn bound(mut names: Vec<(Rc<str>, ThunkId)>) -> Self {
        names.sort_by(|(one, _), (other, _)| one.cmp(other));
        Self::Bound(names)
    }
}

#[derive(Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// As it is written.
    Number(Rc<str>),
    /// A string; none where its letters are not known.
    Text(Option<Rc<str>>),
    Path(Rc<PathBuf>),
    Set(Rc<Set>),
    List(Rc<List>),
    Lambda(Rc<(Node, Env)>),
    /// A function of the language or of `lib`, with the arguments that it has so far.
    Function(&'static Function, Rc<[ThunkId]>),
    Given(Given),
    /// `mkIf`.
    If(Conditions, ThunkId),
    /// `mkMerge`.
    Merge(ThunkId),
    /// `mkOverride`, and what is short for it.
    Override(i64, ThunkId),
    /// `if … then … else …`, undecided.
    Either(Conditions, ThunkId, ThunkId),
    Unknown(Rc<Mystery>),
}

/// What a module is given, of which only the names are known.
#[derive(Clone)]
pub(super) enum Given {
    /// `lib`, or one of the sets in it.
    Lib,
    Builtins,
    /// A module's arguments; a submodule's know its name.
    Arguments(Option<Rc<str>>),
    /// `pkgs`, `config` or another argument, and the attributes taken of it: `config.services.postgresql`.
    Path(Rc<str>),
}

/// A function that is known by name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) arity: usize,
}

#[derive(Default)]
pub(super) struct Set {
    pub(super) entries: BTreeMap<Rc<str>, Entry>,
    /// What may add more entries, or other values for them.
    pub(super) rest: Vec<Rc<Mystery>>,
}

#[derive(Clone)]
pub(super) struct Entry {
    pub(super) value: ThunkId,
    /// What must hold for the entry to be there.
    pub(super) conditions: Conditions,
    /// Where its name is written: in several places for `a.b = 1; a.c = 2;`.
    pub(super) keys: Rc<[Key]>,
}

/// Where an attribute's name is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) span: Span,
    /// Where its attribute path begins: that is what Nix calls the attribute's place.
    pub(super) path: u32,
}

#[derive(Default)]
pub(super) struct List {
    pub(super) items: Vec<Item>,
    /// What may add more items.
    pub(super) rest: Vec<Rc<Mystery>>,
}

#[derive(Clone)]
pub(super) struct Item {
    pub(super) value: ThunkId,
    pub(super) conditions: Conditions,
}

/// Something that could not be decided.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    /// Equal for what is decided together.
    key: Rc<str>,
    /// As it is shown.
    text: Rc<str>,
    pub(super) negated: bool,
    pub(super) span: Span,
}

impl Condition {
    pub(super) fn new(key: &str, text: &str, span: Span) -> Self {
        Self {
            key: key.into(),
            text: text.into(),
            negated: false,
            span,
        }
    }

    /// That not all of them hold.
    pub(super) fn not(all: &[Self]) -> Option<Self> {
        let mut parts = all.iter();
        let mut one = parts.next()?.clone();
        for part in parts {
            let (sign, other) = (
                if one.negated { "!" } else { "" },
                if part.negated { "!" } else { "" },
            );
            one = Self {
                key: format!("{sign}({}) && {other}({})", one.key, part.key).into(),
                text: format!("{} && {}", one.text(), part.text()).into(),
                negated: false,
                span: one.span,
            };
        }
        one.negated = !one.negated;
        Some(one)
    }

    /// The expression that must be true.
    pub(super) fn text(&self) -> String {
        match (self.negated, self.text.contains(' ')) {
            (false, _) => self.text.to_string(),
            (true, false) => format!("!{}", self.text),
            (true, true) => format!("!({})", self.text),
        }
    }

    pub(super) fn excludes(&self, other: &Self) -> bool {
        self.key == other.key && self.negated != other.negated
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.negated == other.negated
    }
}

/// What must hold, all of it. Most values hand theirs on as they are, so they are shared.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Conditions(
    // None where there are none: those take no memory.
    Option<Rc<[Condition]>>,
);

impl Conditions {
    /// These, and then others.
    pub(super) fn and(&self, others: &Self) -> Self {
        match (self.is_empty(), others.is_empty()) {
            (_, true) => self.clone(),
            (true, false) => others.clone(),
            (false, false) => self.iter().chain(&**others).cloned().collect(),
        }
    }
}

impl Deref for Conditions {
    type Target = [Condition];

    fn deref(&self) -> &[Condition] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl From<Vec<Condition>> for Conditions {
    fn from(conditions: Vec<Condition>) -> Self {
        Self((!conditions.is_empty()).then(|| conditions.into()))
    }
}

impl FromIterator<Condition> for Conditions {
    fn from_iter<I: IntoIterator<Item = Condition>>(conditions: I) -> Self {
        Vec::from_iter(conditions).into()
    }
}

/// What could not be told.
pub(super) struct Mystery {
    /// Why, as a clause.
    pub(super) reason: String,
    pub(super) span: Span,
    /// The expression, to look for literals in.
    pub(super) node: Option<(Node, Env)>,
}

impl Value {
    /// What it is, for a message.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::Path(_) => "a path",
            Self::Set(_) => "a set",
            Self::List(_) => "a list",
            Self::Lambda(_) | Self::Function(..) => "a function",
            Self::Given(_) | Self::Unknown(_) => "unknown",
            Self::If(..) | Self::Merge(_) | Self::Override(..) => "a definition with properties",
            Self::Either(..) => "one of two values",
        }
    }

    pub(super) fn text(text: &str) -> Self {
        Self::Text(Some(text.into()))
    }
}
