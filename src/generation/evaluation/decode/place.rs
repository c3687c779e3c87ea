//! Owns values of JSON that know where they stand, so that an error can name the place.

use std::fmt;
use std::rc::Rc;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::DecodeError;

/// A value and where it is.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    /// The value.
    pub(super) value: &'a Value,
    at: Option<Rc<Step<'a>>>,
}

#[derive(Debug)]
struct Step<'a> {
    above: Option<Rc<Step<'a>>>,
    key: Key<'a>,
}

#[derive(Debug)]
enum Key<'a> {
    Name(&'a str),
    Index(usize),
}

impl<'a> Place<'a> {
    /// The whole.
    pub(super) fn root(value: &'a Value) -> Self {
        Self { value, at: None }
    }

    fn below(&self, key: Key<'a>, value: &'a Value) -> Self {
        let above = self.at.clone();
        let at = Some(Rc::new(Step { above, key }));
        Self { value, at }
    }

    /// What is the matter here.
    pub(super) fn error(&self, problem: &str) -> DecodeError {
        DecodeError::Value {
            place: self.to_string(),
            problem: problem.to_owned(),
        }
    }

    fn expected(&self, what: &str) -> DecodeError {
        let found = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an attribute set",
        };
        self.error(&format!("must be {what} and is {found}"))
    }

    pub(super) fn string(&self) -> Result<&'a str, DecodeError> {
        self.value.as_str().ok_or_else(|| self.expected("a string"))
    }

    pub(super) fn boolean(&self) -> Result<bool, DecodeError> {
        self.value.as_bool().ok_or_else(|| self.expected("a boolean"))
    }

    /// A string that has a form of its own.
    pub(super) fn parse<T: FromStr<Err: fmt::Display>>(&self) -> Result<T, DecodeError> {
        self.parse_key(self.string()?)
    }

    /// The name under which this stands, which has a form of its own.
    pub(super) fn parse_key<T: FromStr<Err: fmt::Display>>(&self, key: &str) -> Result<T, DecodeError> {
        key.parse()
            .map_err(|error: T::Err| self.error(&format!("is wrong: {error}")))
    }

    /// Reads each entry of a list.
    pub(super) fn each<T>(
        &self,
        mut read: impl FnMut(&Place<'a>) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let list = self.value.as_array().ok_or_else(|| self.expected("a list"))?;
        let entries = list.iter().enumerate();
        entries
            .map(|(index, value)| read(&self.below(Key::Index(index), value)))
            .collect()
    }

    fn map(&self) -> Result<&'a Map<String, Value>, DecodeError> {
        self.value
            .as_object()
            .ok_or_else(|| self.expected("an attribute set"))
    }

    /// The entries of a set whose names are not fixed.
    pub(super) fn entries(&self) -> Result<impl Iterator<Item = (&'a str, Place<'a>)>, DecodeError> {
        let entries = self.map()?.iter();
        Ok(entries.map(|(name, value)| (name.as_str(), self.below(Key::Name(name), value))))
    }

    /// The entries of a set whose names are fixed.
    pub(super) fn fields(&self) -> Result<Fields<'a>, DecodeError> {
        Ok(Fields {
            map: self.map()?,
            place: self.clone(),
            known: Vec::new(),
        })
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut steps = Vec::new();
        let mut at = self.at.as_deref();
        while let Some(step) = at {
            steps.push(&step.key);
            at = step.above.as_deref();
        }
        if steps.is_empty() {
            return f.write_str("the whole");
        }
        for (index, key) in steps.iter().rev().enumerate() {
            match key {
                Key::Index(number) => write!(f, "[{number}]")?,
                Key::Name(name) => {
                    let dot = if index == 0 { "" } else { "." };
                    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
                    if !name.is_empty() && name.chars().all(plain) {
                        write!(f, "{dot}{name}")?;
                    } else {
                        write!(f, "{dot}{name:?}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A set whose names are fixed. What was not asked for is an error.
pub(super) struct Fields<'a> {
    map: &'a Map<String, Value>,
    place: Place<'a>,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// An entry that may be null or not there.
    pub(super) fn optional(&mut self, name: &'static str) -> Option<Place<'a>> {
        self.known.push(name);
        let value = self.map.get(name).filter(|value| !value.is_null())?;
        Some(self.place.below(Key::Name(name), value))
    }

    /// An entry that must be there.
    pub(super) fn required(&mut self, name: &'static str) -> Result<Place<'a>, DecodeError> {
        self.known.push(name);
        let value = self.map.get(name);
        value
            .map(|value| self.place.below(Key::Name(name), value))
            .ok_or_else(|| self.place.error(&format!("has no `{name}`")))
    }

    /// Fails where there is an entry that nobody asked for.
    pub(super) fn end(self) -> Result<(), DecodeError> {
        let odd = |name: &&String| !self.known.contains(&name.as_str());
        match self.map.keys().find(odd) {
            Some(name) => Err(self
                .place
                .error(&format!("has `{name}`, which is not known here"))),
            None => Ok(()),
        }
    }
}
