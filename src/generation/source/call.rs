//! Owns what the functions of [`super::library`] do that take more than a line.

use std::rc::Rc;

use super::collections::{add_rest, conditional_list};
use super::error::SourceError;
use super::eval::{Evaluator, Outcome, unknown};
use super::expr::TEXT;
use super::text::Span;
use super::value::{Conditions, Entry, Item, Key, List, Set, ThunkId, Value};
use crate::model::compare_versions;

/// One application of a known function.
pub(super) struct Call<'a, 't> {
    pub(super) evaluator: &'a Evaluator<'t>,
    pub(super) span: Span,
}

impl Call<'_, '_> {
    pub(super) fn unread(&self, reason: &str) -> Value {
        unknown(reason, self.span)
    }

    pub(super) fn list(&self, values: impl IntoIterator<Item = ThunkId>) -> Value {
        let items = values.into_iter().map(|value| Item {
            value,
            conditions: Conditions::default(),
        });
        Value::List(Rc::new(List {
            items: items.collect(),
            rest: Vec::new(),
        }))
    }

    pub(super) fn merge(&self, values: Vec<ThunkId>) -> Value {
        Value::Merge(self.evaluator.done(self.list(values), self.span))
    }

    fn text(&self, text: &Rc<str>) -> ThunkId {
        self.evaluator.done(Value::Text(Some(Rc::clone(text))), self.span)
    }

    pub(super) fn map(&self, function: ThunkId, list: ThunkId) -> Outcome<Value> {
        let list = self.evaluator.list_of(list)?;
        if let (true, Some(rest)) = (list.items.is_empty(), list.rest.first()) {
            return Ok(Value::Unknown(Rc::clone(rest)));
        }
        let items = list.items.into_iter().map(|item| Item {
            value: self.evaluator.delay_apply(function, item.value),
            ..item
        });
        Ok(self.evaluator.bounded(
            List {
                items: items.collect(),
                rest: list.rest,
            },
            self.span,
        ))
    }

    pub(super) fn concat(&self, lists: ThunkId) -> Outcome<Value> {
        let outer = self.evaluator.list_of(lists)?;
        let mut all = List {
            rest: outer.rest,
            ..List::default()
        };
        for item in outer.items {
            if !self.evaluator.burn() {
                return Ok(self.unread("takes too long to be followed"));
            }
            let inner = match self.evaluator.force(item.value)? {
                Value::Set(_) | Value::Text(_) | Value::Lambda(_) | Value::Path(_) => List {
                    items: vec![item],
                    rest: Vec::new(),
                },
                _ => conditional_list(self.evaluator.list_of(item.value)?, &item.conditions),
            };
            all.items.extend(inner.items);
            add_rest(&mut all.rest, inner.rest);
        }
        Ok(self.evaluator.bounded(all, self.span))
    }

    pub(super) fn map_attrs(&self, function: ThunkId, set: ThunkId) -> Outcome<Value> {
        let mut set = self.evaluator.set_of(set)?;
        if let (true, Some(rest)) = (set.entries.is_empty(), set.rest.first()) {
            return Ok(Value::Unknown(Rc::clone(rest)));
        }
        if !self.evaluator.burn_for(set.entries.len()) {
            return Ok(self.unread("is too large a set to be followed"));
        }
        for (name, entry) in &mut set.entries {
            let by_name = self.evaluator.delay_apply(function, self.text(name));
            entry.value = self.evaluator.delay_apply(by_name, entry.value);
        }
        Ok(Value::Set(Rc::new(set)))
    }

    pub(super) fn to_list(&self, function: ThunkId, set: ThunkId) -> Outcome<List> {
        let set = self.evaluator.set_of(set)?;
        let items = set.entries.into_iter().map(|(name, entry)| {
            let by_name = self.evaluator.delay_apply(function, self.text(&name));
            Item {
                value: self.evaluator.delay_apply(by_name, entry.value),
                conditions: entry.conditions,
            }
        });
        Ok(List {
            items: items.collect(),
            rest: set.rest,
        })
    }

    pub(super) fn gen_attrs(&self, names: ThunkId, function: ThunkId) -> Outcome<Value> {
        let list = self.evaluator.list_of(names)?;
        let mut set = Set {
            rest: list.rest,
            ..Set::default()
        };
        for item in list.items {
            let value = self.evaluator.delay_apply(function, item.value);
            self.insert(&mut set, item.value, value, item)?;
        }
        Ok(Value::Set(Rc::new(set)))
    }

    pub(super) fn list_to_attrs(&self, pairs: ThunkId) -> Outcome<Value> {
        let list = self.evaluator.list_of(pairs)?;
        if let (true, Some(rest)) = (list.items.is_empty(), list.rest.first()) {
            return Ok(Value::Unknown(Rc::clone(rest)));
        }
        let mut set = Set {
            rest: list.rest,
            ..Set::default()
        };
        for item in list.items {
            let span = self.evaluator.span(item.value);
            match self.evaluator.force(item.value)? {
                Value::Set(pair) => match (pair.entries.get("name"), pair.entries.get("value")) {
                    (Some(name), Some(value)) => self.insert(&mut set, name.value, value.value, item)?,
                    _ => set.rest.extend(pair.rest.first().cloned()),
                },
                other => set.rest.push(self.evaluator.mystery_of(&other, span)),
            }
        }
        Ok(Value::Set(Rc::new(set)))
    }

    fn insert(&self, set: &mut Set, name: ThunkId, value: ThunkId, item: Item) -> Outcome<()> {
        let span = self.evaluator.span(name);
        match self.evaluator.force(name)? {
            Value::Text(Some(name)) => {
                let entry = Entry {
                    value,
                    conditions: item.conditions,
                    keys: Rc::new([Key {
                        span,
                        path: span.start,
                    }]),
                };
                // Of two pairs of one name the first counts.
                set.entries.entry(name).or_insert(entry);
            }
            other => set.rest.push(self.evaluator.mystery_of(&other, span)),
        }
        Ok(())
    }

    pub(super) fn pair(&self, name: ThunkId, value: ThunkId) -> Value {
        let entry = |thunk| {
            let span = self.evaluator.span(thunk);
            Entry {
                value: thunk,
                conditions: Conditions::default(),
                keys: Rc::new([Key {
                    span,
                    path: span.start,
                }]),
            }
        };
        Value::Set(Rc::new(Set {
            entries: [("name".into(), entry(name)), ("value".into(), entry(value))].into(),
            rest: Vec::new(),
        }))
    }

    pub(super) fn attr_names(&self, set: ThunkId) -> Outcome<Value> {
        let set = self.evaluator.set_of(set)?;
        let items = set.entries.into_iter().map(|(name, entry)| Item {
            value: self.text(&name),
            conditions: entry.conditions,
        });
        Ok(Value::List(Rc::new(List {
            items: items.collect(),
            rest: set.rest,
        })))
    }

    pub(super) fn remove_attrs(&self, set: ThunkId, names: ThunkId) -> Outcome<Value> {
        let mut set = self.evaluator.set_of(set)?;
        let names = self.evaluator.list_of(names)?;
        for item in names.items {
            match self.evaluator.force(item.value)? {
                Value::Text(Some(name)) if item.conditions.is_empty() => {
                    set.entries.remove(&name);
                }
                _ => return Ok(self.unread("depends on `removeAttrs`")),
            }
        }
        match names.rest.first() {
            Some(rest) => Ok(Value::Unknown(Rc::clone(rest))),
            None => Ok(Value::Set(Rc::new(set))),
        }
    }

    pub(super) fn recursive_update(&self, lhs: ThunkId, rhs: ThunkId) -> Outcome<Value> {
        let left = self.evaluator.set_of(lhs)?;
        let mut right = self.evaluator.set_of(rhs)?;
        for (name, entry) in &mut right.entries {
            let Some(there) = left.entries.get(name) else {
                continue;
            };
            let both = (
                self.evaluator.force(there.value)?,
                self.evaluator.force(entry.value)?,
            );
            if let (Value::Set(_), Value::Set(_)) = both
                && self.evaluator.burn()
            {
                let value = self.recursive_update(there.value, entry.value)?;
                entry.value = self.evaluator.done(value, self.span);
            }
        }
        Ok(Value::Set(Rc::new(self.evaluator.update(left, right))))
    }

    pub(super) fn import(&self, path: ThunkId) -> Outcome<Value> {
        let path = match self.evaluator.force(path)? {
            Value::Path(path) => path,
            other => return Ok(Value::Unknown(self.evaluator.mystery_of(&other, self.span))),
        };
        let Some(file) = self.evaluator.sources.import(&path)? else {
            let name = self.evaluator.sources.tree().name(&path);
            return Ok(self.unread(&format!("depends on {name}, which is not there")));
        };
        match self.evaluator.sources.root(file) {
            Some(root) => self.evaluator.eval(&root, None),
            None => Ok(self.unread("depends on an empty file")),
        }
    }

    pub(super) fn read(&self, path: ThunkId, trimmed: bool) -> Outcome<Value> {
        let Value::Path(path) = self.evaluator.force(path)? else {
            return Ok(Value::Text(None));
        };
        match self.evaluator.sources.text(&path) {
            Ok(text) if trimmed => Ok(Value::text(text.strip_suffix('\n').unwrap_or(&text))),
            Ok(text) => Ok(Value::text(&text)),
            Err(SourceError::Unreadable { .. } | SourceError::Encoding { .. }) => Ok(Value::Text(None)),
            Err(error) => Err(error),
        }
    }

    pub(super) fn versions(&self, a: ThunkId, b: ThunkId, older: bool) -> Outcome<Value> {
        match (self.evaluator.force(a)?, self.evaluator.force(b)?) {
            (Value::Text(Some(a)), Value::Text(Some(b))) => {
                Ok(Value::Bool(compare_versions(&a, &b).is_lt() == older))
            }
            (Value::Text(Some(_)), other) | (other, _) => {
                Ok(Value::Unknown(self.evaluator.mystery_of(&other, self.span)))
            }
        }
    }

    pub(super) fn join_by(&self, separator: ThunkId, list: ThunkId) -> Outcome<Value> {
        match self.evaluator.force(separator)? {
            Value::Text(Some(separator)) => self.join(&separator, list),
            _ => Ok(Value::Text(None)),
        }
    }

    pub(super) fn join(&self, separator: &str, list: ThunkId) -> Outcome<Value> {
        let list = self.evaluator.list_of(list)?;
        let mut text = String::new();
        for (n, item) in list.items.iter().enumerate() {
            match self.evaluator.force(item.value)? {
                Value::Text(Some(part)) if item.conditions.is_empty() && text.len() <= TEXT => {
                    if n > 0 {
                        text.push_str(separator);
                    }
                    text.push_str(&part);
                }
                _ => return Ok(Value::Text(None)),
            }
        }
        Ok(Value::Text(list.rest.is_empty().then(|| text.into())))
    }
}
