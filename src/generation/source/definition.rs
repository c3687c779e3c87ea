//! Owns what the module system makes of the definitions of one option: conditions, merging, priorities (nixpkgs,
//! lib/modules.nix, `mergeDefinitions`). A condition that is open leaves a definition in, with the condition.

use std::rc::Rc;

use super::eval::{Evaluator, Outcome, unknown};
use super::value::{Condition, Conditions, Key, ThunkId, Value};

/// The priority of what stands by itself.
const PLAIN: i64 = 100;

/// One definition of an option, as it is written.
#[derive(Clone)]
pub(super) struct Raw {
    pub(super) value: ThunkId,
    pub(super) conditions: Conditions,
    pub(super) keys: Rc<[Key]>,
}

/// One definition without its properties.
#[derive(Clone)]
pub(super) struct Definition {
    pub(super) value: Value,
    pub(super) thunk: ThunkId,
    pub(super) conditions: Conditions,
    pub(super) priority: i64,
    pub(super) keys: Rc<[Key]>,
}

impl Evaluator<'_> {
    /// The definitions that count, of all that are written.
    pub(super) fn definitions(&self, raws: &[Raw]) -> Outcome<Vec<Definition>> {
        Ok(prioritized(self.discharged(raws)?))
    }

    /// All definitions, with the priority of each.
    pub(super) fn discharged(&self, raws: &[Raw]) -> Outcome<Vec<Definition>> {
        let mut definitions = Vec::new();
        for raw in raws {
            self.discharge(raw.value, &raw.conditions, PLAIN, &raw.keys, &mut definitions)?;
        }
        Ok(definitions)
    }

    fn discharge(
        &self,
        thunk: ThunkId,
        conditions: &Conditions,
        priority: i64,
        keys: &Rc<[Key]>,
        definitions: &mut Vec<Definition>,
    ) -> Outcome<()> {
        let discharged = self.deeper(|| self.discharge_value(thunk, conditions, priority, keys, definitions));
        discharged.unwrap_or_else(|| {
            let value = unknown(
                "has properties within properties without an end",
                self.span(thunk),
            );
            definitions.push(Definition {
                value,
                thunk,
                conditions: distinct(conditions),
                priority,
                keys: Rc::clone(keys),
            });
            Ok(())
        })
    }

    fn discharge_value(
        &self,
        thunk: ThunkId,
        conditions: &Conditions,
        priority: i64,
        keys: &Rc<[Key]>,
        definitions: &mut Vec<Definition>,
    ) -> Outcome<()> {
        if contradicts(conditions) {
            return Ok(());
        }
        let definition = |value| Definition {
            value,
            thunk,
            conditions: distinct(conditions),
            priority,
            keys: Rc::clone(keys),
        };
        let value = self.force(thunk)?;
        let is_wrapped = matches!(
            value,
            Value::If(..) | Value::Either(..) | Value::Override(..) | Value::Merge(_)
        );
        // Conditions are held against each other: it is their number that costs.
        let value = if is_wrapped && !self.burn_for(1 + conditions.len()) {
            unknown("takes too long to be followed", self.span(thunk))
        } else {
            value
        };
        match value {
            Value::If(more, content) => {
                self.discharge(content, &conditions.and(&more), priority, keys, definitions)
            }
            Value::Either(more, then, otherwise) => {
                self.discharge(then, &conditions.and(&more), priority, keys, definitions)?;
                let negation = Condition::not(&more).into_iter().collect();
                self.discharge(otherwise, &conditions.and(&negation), priority, keys, definitions)
            }
            Value::Override(priority, content) => {
                self.discharge(content, conditions, priority, keys, definitions)
            }
            Value::Merge(parts) => {
                let parts = self.list_of(parts)?;
                for item in parts.items {
                    let conditions = conditions.and(&item.conditions);
                    self.discharge(item.value, &conditions, priority, keys, definitions)?;
                }
                let rest = parts.rest.into_iter().map(Value::Unknown);
                definitions.extend(rest.map(definition));
                Ok(())
            }
            value => {
                definitions.push(definition(value));
                Ok(())
            }
        }
    }
}

/// Drops what a definition of a stronger priority surely replaces, and makes the rest depend on that it does not.
pub(super) fn prioritized(mut definitions: Vec<Definition>) -> Vec<Definition> {
    if definitions.len() <= 1 {
        definitions.retain(|definition| !contradicts(&definition.conditions));
        return definitions;
    }
    let mut ranks: Vec<(i64, Conditions)> = Vec::new();
    for definition in &definitions {
        let is_new = |(priority, conditions): &(i64, Conditions)| {
            *priority != definition.priority || *conditions != definition.conditions
        };
        if ranks.iter().all(is_new) {
            ranks.push((definition.priority, definition.conditions.clone()));
        }
    }
    let weaker = |definition: Definition| {
        let mut kept = definition;
        for (priority, conditions) in &ranks {
            if *priority >= kept.priority {
                continue;
            }
            let negation = Condition::not(&without(conditions, &kept.conditions))?;
            if !kept.conditions.contains(&negation) {
                kept.conditions = kept.conditions.iter().cloned().chain([negation]).collect();
            }
        }
        (!contradicts(&kept.conditions)).then_some(kept)
    };
    definitions.into_iter().filter_map(weaker).collect()
}

/// What must hold for any of several alternatives to hold; nothing where one of them always does.
pub(super) fn any_of<'a>(alternatives: impl IntoIterator<Item = &'a [Condition]>) -> Vec<Condition> {
    let mut distinct: Vec<&[Condition]> = Vec::new();
    for alternative in alternatives {
        if !distinct.contains(&alternative) {
            distinct.push(alternative);
        }
    }
    let alternatives = distinct;
    if let [only] = alternatives[..] {
        return only.to_vec();
    }
    let Some(&shortest) = alternatives.iter().min_by_key(|conditions| conditions.len()) else {
        return Vec::new();
    };
    let common: Vec<Condition> = shortest
        .iter()
        .filter(|condition| alternatives.iter().all(|other| other.contains(condition)))
        .cloned()
        .collect();
    let rests: Vec<Vec<Condition>> = alternatives
        .iter()
        .map(|conditions| without(conditions, &common))
        .collect();
    if rests.iter().any(Vec::is_empty) {
        return common;
    }
    let covered = rests.iter().any(|one| {
        rests
            .iter()
            .any(|other| matches!((&one[..], &other[..]), ([a], [b]) if a.excludes(b)))
    });
    if covered {
        return common;
    }
    let mut all = common;
    for condition in rests.into_iter().flatten() {
        if !all.contains(&condition) {
            all.push(condition);
        }
    }
    all
}

/// What is left of some conditions where others hold.
pub(super) fn without(conditions: &[Condition], others: &[Condition]) -> Vec<Condition> {
    let left = conditions.iter().filter(|condition| !others.contains(condition));
    left.cloned().collect()
}

/// Whether some conditions cannot hold together.
pub(super) fn contradicts(conditions: &[Condition]) -> bool {
    conditions
        .iter()
        .enumerate()
        .any(|(n, one)| conditions[..n].iter().any(|other| one.excludes(other)))
}

/// Whether some conditions cannot hold where others do, or not even by themselves.
pub(super) fn contradict(base: &[Condition], conditions: &[Condition]) -> bool {
    let excluded = |one: &Condition| conditions.iter().any(|other| one.excludes(other));
    contradicts(base) || contradicts(conditions) || base.iter().any(excluded)
}

fn distinct(conditions: &Conditions) -> Conditions {
    let is_new = |&(n, condition): &(usize, &Condition)| !conditions[..n].contains(condition);
    if conditions.iter().enumerate().all(|each| is_new(&each)) {
        return conditions.clone();
    }
    let distinct = conditions.iter().enumerate().filter(is_new);
    distinct.map(|(_, condition)| condition.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::text::Span;
    use super::*;

    const SPAN: Span = Span {
        file: 0,
        start: 0,
        end: 0,
    };

    fn holds(text: &str) -> Condition {
        Condition::new(text, text, SPAN)
    }

    fn fails(text: &str) -> Condition {
        Condition::not(&[holds(text)]).unwrap()
    }

    fn definition(priority: i64, conditions: &[Condition]) -> Definition {
        Definition {
            value: Value::Null,
            thunk: ThunkId(0),
            conditions: conditions.to_vec().into(),
            priority,
            keys: Rc::default(),
        }
    }

    fn texts(conditions: &[Condition]) -> Vec<String> {
        conditions.iter().map(Condition::text).collect()
    }

    #[test]
    fn a_stronger_definition_replaces_what_it_surely_meets() {
        let kept = prioritized(vec![definition(100, &[]), definition(50, &[])]);
        assert_eq!(kept.len(), 1);
        let kept = prioritized(vec![
            definition(100, &[holds("a"), holds("b")]),
            definition(50, &[holds("a")]),
        ]);
        assert_eq!(kept.len(), 1);
        let kept = prioritized(vec![definition(100, &[]), definition(50, &[holds("a")])]);
        assert_eq!(texts(&kept[0].conditions), ["!a"]);
        assert_eq!(texts(&kept[1].conditions), ["a"]);
    }

    #[test]
    fn alternatives_that_cover_each_other_leave_nothing_open() {
        let any = |alternatives: &[&[Condition]]| texts(&any_of(alternatives.iter().copied()));
        assert_eq!(any(&[&[holds("a")], &[]]), [""; 0]);
        assert_eq!(any(&[&[holds("a")], &[fails("a")]]), [""; 0]);
        assert_eq!(
            any(&[&[holds("c"), holds("a")], &[fails("a"), holds("c")]]),
            ["c"]
        );
        assert_eq!(any(&[&[holds("a"), holds("b")], &[holds("a")]]), ["a"]);
        assert_eq!(any(&[&[holds("a")], &[holds("b")]]), ["a", "b"]);
    }

    #[test]
    fn a_negation_of_several_reads_as_one() {
        let not = Condition::not(&[holds("a"), fails("b c")]).unwrap();
        assert_eq!(not.text(), "!(a && !(b c))");
        assert!(Condition::not(&[]).is_none());
        assert!(contradicts(&[holds("a"), fails("a")]));
        assert!(!contradicts(&[holds("a"), holds("b")]));
    }
}
