//! Owns sets and lists of which a part may be unknown: joining, updating, and what a value is as one of them.

use std::rc::Rc;

use super::definition::without;
use super::eval::{Evaluator, Outcome, unknown};
use super::text::Span;
use super::value::{Condition, Conditions, Entry, Key, List, Mystery, Set, ThunkId, Value};

impl Evaluator<'_> {
    /// A value as a set.
    pub(super) fn set_of(&self, thunk: ThunkId) -> Outcome<Set> {
        let span = self.span(thunk);
        let value = self.force(thunk)?;
        self.set_in(value, span)
    }

    pub(super) fn set_in(&self, value: Value, span: Span) -> Outcome<Set> {
        self.deeper(|| self.whole_set(value, span)).unwrap_or_else(|| {
            Ok(Set {
                rest: vec![endless(span)],
                ..Set::default()
            })
        })
    }

    fn whole_set(&self, value: Value, span: Span) -> Outcome<Set> {
        Ok(match value {
            Value::Set(set) => Set {
                entries: set.entries.clone(),
                rest: set.rest.clone(),
            },
            Value::If(conditions, content) => conditional_set(self.set_of(content)?, &conditions),
            Value::Either(conditions, then, otherwise) if self.burn() => {
                let then = self.set_of(then)?;
                let otherwise = self.set_of(otherwise)?;
                let negation: Conditions = Condition::not(&conditions).into_iter().collect();
                let mut set = conditional_set(otherwise, &negation);
                for (name, entry) in then.entries {
                    match set.entries.get_mut(&name) {
                        Some(there) => {
                            let both = Value::Either(conditions.clone(), entry.value, there.value);
                            there.value = self.done(both, span);
                            there.conditions = without(&there.conditions, &negation).into();
                            there.keys = joined(&there.keys, &entry.keys);
                        }
                        None => {
                            let conditions = entry.conditions.and(&conditions);
                            set.entries.insert(name, Entry { conditions, ..entry });
                        }
                    }
                }
                add_rest(&mut set.rest, then.rest);
                set
            }
            Value::Merge(parts) => {
                let mut set = Set::default();
                for item in self.list_of(parts)?.items {
                    let part = conditional_set(self.set_of(item.value)?, &item.conditions);
                    for (name, entry) in part.entries {
                        set.entries.entry(name).or_insert(entry);
                    }
                    add_rest(&mut set.rest, part.rest);
                }
                set
            }
            Value::Override(_, content) => self.set_of(content)?,
            other => Set {
                rest: vec![self.mystery_of(&other, span)],
                ..Set::default()
            },
        })
    }

    /// A value as a list.
    pub(super) fn list_of(&self, thunk: ThunkId) -> Outcome<List> {
        self.deeper(|| self.whole_list(thunk)).unwrap_or_else(|| {
            Ok(List {
                rest: vec![endless(self.span(thunk))],
                ..List::default()
            })
        })
    }

    fn whole_list(&self, thunk: ThunkId) -> Outcome<List> {
        let span = self.span(thunk);
        Ok(match self.force(thunk)? {
            Value::List(list) => List {
                items: list.items.clone(),
                rest: list.rest.clone(),
            },
            Value::If(conditions, content) => conditional_list(self.list_of(content)?, &conditions),
            Value::Either(conditions, then, otherwise) if self.burn() => {
                let mut list = conditional_list(self.list_of(then)?, &conditions);
                let negation: Conditions = Condition::not(&conditions).into_iter().collect();
                let other = conditional_list(self.list_of(otherwise)?, &negation);
                list.items.extend(other.items);
                add_rest(&mut list.rest, other.rest);
                list
            }
            other => List {
                rest: vec![self.mystery_of(&other, span)],
                ..List::default()
            },
        })
    }

    /// `lhs // rhs`.
    pub(super) fn update(&self, lhs: Set, rhs: Set) -> Set {
        let mut set = lhs;
        // Whatever the right side may hold besides what is known takes the place of what is on the left.
        for mystery in &rhs.rest {
            for entry in set.entries.values_mut() {
                let span = self.span(entry.value);
                entry.value = self.overridden(mystery, entry.value, span);
            }
        }
        for (name, entry) in rhs.entries {
            let entry = match set.entries.remove(&name) {
                Some(there) if !entry.conditions.is_empty() => {
                    let span = self.span(entry.value);
                    let either = Value::Either(entry.conditions, entry.value, there.value);
                    let value = self.done(either, span);
                    Entry {
                        value,
                        conditions: there.conditions,
                        keys: joined(&entry.keys, &there.keys),
                    }
                }
                Some(there) => Entry {
                    // Both names were read, whichever holds.
                    keys: joined(&entry.keys, &there.keys),
                    ..entry
                },
                None => entry,
            };
            set.entries.insert(name, entry);
        }
        add_rest(&mut set.rest, rhs.rest);
        set
    }

    fn overridden(&self, mystery: &Rc<Mystery>, value: ThunkId, span: Span) -> ThunkId {
        let text = mystery.reason.trim_start_matches("depends on ").trim_matches('`');
        let text = format!("{text} sets it");
        let condition = Condition::new(&text, &text, mystery.span);
        let other = self.done(Value::Unknown(Rc::clone(mystery)), mystery.span);
        self.done(Value::Either(vec![condition].into(), other, value), span)
    }

    /// A list that was put together, unless it has grown out of all proportion.
    pub(super) fn bounded(&self, list: List, span: Span) -> Value {
        if !self.burn_for(list.items.len()) {
            return unknown("is too long a list to be followed", span);
        }
        Value::List(Rc::new(list))
    }
}

fn joined(keys: &[Key], more: &[Key]) -> Rc<[Key]> {
    keys.iter().chain(more).copied().collect()
}

/// Adds what may add more, each once.
pub(super) fn add_rest(rest: &mut Vec<Rc<Mystery>>, more: Vec<Rc<Mystery>>) {
    for mystery in more {
        if !rest.iter().any(|there| Rc::ptr_eq(there, &mystery)) {
            rest.push(mystery);
        }
    }
}

fn endless(span: Span) -> Rc<Mystery> {
    Rc::new(Mystery {
        reason: "depends on too long a chain of others".to_owned(),
        span,
        node: None,
    })
}

pub(super) fn conditional_set(mut set: Set, conditions: &Conditions) -> Set {
    for entry in set.entries.values_mut() {
        entry.conditions = entry.conditions.and(conditions);
    }
    set
}

pub(super) fn conditional_list(mut list: List, conditions: &Conditions) -> List {
    for item in &mut list.items {
        item.conditions = item.conditions.and(conditions);
    }
    list
}
