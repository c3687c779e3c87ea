//! Owns what the definitions of a single option come to: unset, set, or unknown. Refuses what the module system would refuse.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Arguments;
use std::rc::Rc;

use super::definition::{Definition, Raw, any_of, contradict, without};
use super::error::{Fault, TextError};
use super::eval::{Evaluator, Outcome};
use super::text::Span;
use super::value::{Condition, Given, Mystery, Value};
use crate::model::{Program, Setting, Text, UnitName, Unknown, Version, known_services};

/// Where an option is read: what holds there anyway, and what may set the option unseen.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    /// What the option's owner being there means already.
    pub(super) base: &'a [Condition],
    /// What may set any option here.
    pub(super) rest: &'a [Rc<Mystery>],
}

/// What counts of an option's definitions.
enum Leaf {
    Unset,
    /// All that is set, each certain.
    Values(Vec<(Value, Span)>),
    /// Some of these, and surely one.
    OneOf(Vec<(Value, Span)>),
    Unknown(Unknown),
}

impl Evaluator<'_> {
    fn leaf(&self, raws: &[Raw], context: Context<'_>) -> Outcome<Leaf> {
        let mut definitions = self.definitions(raws)?;
        definitions.retain(|definition| !contradict(context.base, &definition.conditions));
        if definitions.is_empty() {
            return Ok(match context.rest.first() {
                Some(rest) => Leaf::Unknown(self.unknown(rest)),
                None => Leaf::Unset,
            });
        }
        let is_certain = |definition: &Definition| {
            let mut conditions = definition.conditions.iter();
            conditions.all(|condition| context.base.contains(condition))
        };
        let certain = definitions.iter().all(is_certain);
        if !certain {
            let open = any_of(definitions.iter().map(|definition| &definition.conditions[..]));
            let open = without(&open, context.base);
            if !open.is_empty() {
                return Ok(Leaf::Unknown(self.open(&open)));
            }
        }
        let values = definitions
            .into_iter()
            .map(|definition| (definition.value, self.span(definition.thunk)))
            .collect();
        Ok(if certain {
            Leaf::Values(values)
        } else {
            Leaf::OneOf(values)
        })
    }

    /// A text: a script, a warning.
    pub(super) fn text(
        &self,
        option: Arguments<'_>,
        raws: &[Raw],
        context: Context<'_>,
    ) -> Outcome<Setting<Text>> {
        let (values, certain) = match self.leaf(raws, context)? {
            Leaf::Unset => return Ok(Setting::Unset),
            Leaf::Unknown(unknown) => return Ok(Setting::Unknown(unknown)),
            Leaf::Values(values) => (values, true),
            Leaf::OneOf(values) => (values, false),
        };
        if let Some(unknown) = self.first_unknown(&values) {
            return Ok(Setting::Unknown(unknown));
        }
        let mut letters: Option<Option<Rc<str>>> = None;
        let mut is_null = false;
        for (value, span) in &values {
            match value {
                Value::Null => is_null = true,
                Value::Text(text) => {
                    let same = letters.as_ref().is_none_or(|there| there == text);
                    let both_known = letters.as_ref().is_none_or(Option::is_some) && text.is_some();
                    if !same && both_known && certain {
                        return Err(self.conflict(option, values[0].1, *span).into());
                    }
                    letters = Some(if same { text.clone() } else { None });
                }
                other => return Err(self.wrong(option, "a string or null", other, *span).into()),
            }
        }
        Ok(match letters {
            None => Setting::Unset,
            Some(_) if is_null && certain => {
                return Err(self.conflict(option, values[0].1, values[1].1).into());
            }
            Some(_) if is_null => Setting::Unknown(Unknown {
                reason: "is null in one case, and a string in another".into(),
                at: Some(self.sources.location(values[0].1)),
            }),
            Some(letters) => Setting::Set(Text {
                text: letters.map(|letters| letters.to_string()),
                path: None,
            }),
        })
    }

    /// A word, of which all letters must be known.
    pub(super) fn word(
        &self,
        option: Arguments<'_>,
        raws: &[Raw],
        context: Context<'_>,
    ) -> Outcome<(Setting<String>, Option<Span>)> {
        let span = raws.first().map(|raw| self.span(raw.value));
        let setting = match self.text(option, raws, context)? {
            Setting::Unset => Setting::Unset,
            Setting::Set(Text { text: Some(text), .. }) => Setting::Set(text),
            Setting::Set(_) => Setting::Unknown(Unknown {
                reason: "depends on what is put into the string".into(),
                at: span.map(|span| self.sources.location(span)),
            }),
            Setting::Unknown(unknown) => Setting::Unknown(unknown),
        };
        Ok((setting, span))
    }

    /// A flag that is off unless it is set to true.
    pub(super) fn flag(
        &self,
        option: Arguments<'_>,
        raws: &[Raw],
        context: Context<'_>,
    ) -> Outcome<Setting<()>> {
        let values = match self.leaf(raws, context)? {
            Leaf::Unset => return Ok(Setting::Unset),
            Leaf::Unknown(unknown) => return Ok(Setting::Unknown(unknown)),
            Leaf::Values(values) | Leaf::OneOf(values) => values,
        };
        if let Some(unknown) = self.first_unknown(&values) {
            return Ok(Setting::Unknown(unknown));
        }
        let mut on = None;
        for (value, span) in &values {
            let Value::Bool(value) = value else {
                return Err(self.wrong(option, "a boolean", value, *span).into());
            };
            if on.is_some_and(|on| on != *value) {
                return Err(self.conflict(option, values[0].1, *span).into());
            }
            on = Some(*value);
        }
        Ok(if on == Some(true) {
            Setting::Set(())
        } else {
            Setting::Unset
        })
    }

    /// The strings of a list, in the order of their definitions, each once, with their places.
    pub(super) fn words(
        &self,
        option: Arguments<'_>,
        raws: &[Raw],
        context: Context<'_>,
    ) -> Outcome<Setting<Vec<(String, Span)>>> {
        let values = match self.leaf(raws, context)? {
            Leaf::Unset => return Ok(Setting::Unset),
            Leaf::Unknown(unknown) => return Ok(Setting::Unknown(unknown)),
            Leaf::Values(values) => values,
            Leaf::OneOf(values) => {
                return Ok(Setting::Unknown(Unknown {
                    reason: "is another list in another case".into(),
                    at: values.first().map(|(_, span)| self.sources.location(*span)),
                }));
            }
        };
        if let Some(unknown) = self.first_unknown(&values) {
            return Ok(Setting::Unknown(unknown));
        }
        let mut words: Vec<(String, Span)> = Vec::new();
        for (value, span) in values {
            let Value::List(list) = value else {
                return Err(self.wrong(option, "a list", &value, span).into());
            };
            if let Some(rest) = list.rest.first() {
                return Ok(Setting::Unknown(self.unknown(rest)));
            }
            for item in &list.items {
                let raw = Raw {
                    value: item.value,
                    conditions: item.conditions.clone(),
                    keys: Rc::default(),
                };
                match self.word(option, &[raw], Context { rest: &[], ..context })? {
                    (Setting::Set(word), Some(span)) => {
                        if !words.iter().any(|(there, _)| *there == word) {
                            words.push((word, span));
                        }
                    }
                    (Setting::Unknown(unknown), _) => return Ok(Setting::Unknown(unknown)),
                    (Setting::Set(_) | Setting::Unset, _) => {}
                }
            }
        }
        Ok(Setting::Set(words))
    }

    pub(super) fn units(
        &self,
        option: Arguments<'_>,
        raws: &[Raw],
        context: Context<'_>,
    ) -> Outcome<Setting<BTreeSet<UnitName>>> {
        Ok(match self.words(option, raws, context)? {
            Setting::Unset => Setting::Unset,
            Setting::Unknown(unknown) => Setting::Unknown(unknown),
            Setting::Set(words) => {
                let mut units = BTreeSet::new();
                for (word, span) in words {
                    let name = word.parse().map_err(|error| {
                        TextError::new(Fault::Name(error), self.sources.spot(span), "here")
                    })?;
                    units.insert(name);
                }
                Setting::Set(units)
            }
        })
    }

    pub(super) fn version(&self, text: &str, span: Span) -> Outcome<Version> {
        text.parse()
            .map_err(|error| TextError::new(Fault::Version(error), self.sources.spot(span), "here").into())
    }

    /// The package whose data it is: known only where its attribute in `pkgs` says it.
    pub(super) fn package(
        &self,
        option: Arguments<'_>,
        raws: &[Raw],
        context: Context<'_>,
    ) -> Outcome<Setting<Program>> {
        let values = match self.leaf(raws, context)? {
            Leaf::Unset => return Ok(Setting::Unset),
            Leaf::Unknown(unknown) => return Ok(Setting::Unknown(unknown)),
            Leaf::Values(values) | Leaf::OneOf(values) => values,
        };
        if let [(Value::Given(Given::Path(path)), _)] = &values[..]
            && let Some(program) = path.strip_prefix("pkgs.").and_then(program)
        {
            return Ok(Setting::Set(program));
        }
        if let Some(unknown) = self.first_unknown(&values) {
            return Ok(Setting::Unknown(unknown));
        }
        match values.iter().find(|(value, _)| !matches!(value, Value::Null)) {
            None => Ok(Setting::Unset),
            Some((Value::Set(_), span)) => Ok(Setting::Unknown(Unknown {
                reason: "is a set, and whether it is a package is not followed".into(),
                at: Some(self.sources.location(*span)),
            })),
            Some((other, span)) => Err(self.wrong(option, "a package or null", other, *span).into()),
        }
    }

    fn first_unknown(&self, values: &[(Value, Span)]) -> Option<Unknown> {
        let found = values
            .iter()
            .find(|(value, _)| matches!(value, Value::Unknown(_) | Value::Given(_)));
        found.map(|(value, span)| {
            let mystery = self.mystery_of(value, *span);
            Unknown {
                reason: mystery.reason.clone().into(),
                at: Some(self.sources.location(*span)),
            }
        })
    }

    pub(super) fn unknown(&self, mystery: &Mystery) -> Unknown {
        Unknown {
            reason: mystery.reason.clone().into(),
            at: Some(self.sources.location(mystery.span)),
        }
    }

    /// What may declare services, with the versions that are written in it.
    pub(super) fn unread_with(&self, mystery: &Mystery, versions: &BTreeMap<Version, Span>) -> Unknown {
        let mut unknown = self.unknown(mystery);
        if !versions.is_empty() {
            let versions: Vec<String> = versions.keys().map(ToString::to_string).collect();
            unknown.reason = format!("{} (in it: {})", unknown.reason, versions.join(", ")).into();
        }
        unknown
    }

    /// That something depends on conditions, of which there is at least one.
    pub(super) fn open(&self, conditions: &[Condition]) -> Unknown {
        let texts: Vec<String> = conditions.iter().map(Condition::text).collect();
        Unknown {
            reason: format!("depends on `{}`", texts.join("` and `")).into(),
            at: conditions.first().map(|first| self.sources.location(first.span)),
        }
    }

    pub(super) fn wrong(
        &self,
        option: Arguments<'_>,
        expected: &'static str,
        value: &Value,
        span: Span,
    ) -> TextError {
        let fault = Fault::Type {
            option: option.to_string(),
            expected,
            found: value.kind(),
        };
        TextError::new(fault, self.sources.spot(span), "here")
    }

    pub(super) fn conflict(&self, option: Arguments<'_>, first: Span, second: Span) -> TextError {
        let fault = Fault::Conflict {
            option: option.to_string(),
        };
        TextError::new(fault, self.sources.spot(second), "defined again")
            .with(self.sources.spot(first), "first defined")
    }
}

/// The program of an attribute of `pkgs` that tells its major version: `postgresql_17`, `nextcloud30`.
///
/// Certain only for well-known services whose data format goes by the first component: `mariadb_114` may be 11.4, or 1.14.
fn program(attribute: &str) -> Option<Program> {
    let name = attribute.trim_end_matches(|c: char| c.is_ascii_digit());
    let version = &attribute[name.len()..];
    let name = name.strip_suffix('_').unwrap_or(name);
    let known = known_services()
        .iter()
        .any(|service| service.components == 1 && service.programs.contains(&name));
    (known && (1..=2).contains(&version.len())).then(|| Program {
        name: name.to_owned(),
        version: Some(version.to_owned()),
        path: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_known_by_an_attribute_that_tells_its_major() {
        let display = |attribute| program(attribute).map(|program| program.display());
        assert_eq!(display("postgresql_17").as_deref(), Some("postgresql 17"));
        for attribute in [
            "postgresql",
            "mariadb_114",
            "hello_2",
            "postgresql_17.pkgs",
            "17",
            "postgresql_170",
        ] {
            assert_eq!(display(attribute), None, "{attribute}");
        }
    }
}
