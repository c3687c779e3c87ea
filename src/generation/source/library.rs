//! Owns the functions of the language and of nixpkgs' `lib` that modules are written with, as far as they matter here.
//! All others are unknown.

use std::rc::Rc;

use super::collections::{add_rest, conditional_list, conditional_set};
use super::condition::Decision;
use super::error::SourceError;
use super::eval::{Evaluator, Outcome, unknown};
use super::text::Span;
use super::value::{Entry, Function, Given, Item, Key, List, Set, ThunkId, Value};
use crate::model::compare_versions;

const fn function(name: &'static str, arity: usize) -> Function {
    Function { name, arity }
}

/// Sorted by name.
const FUNCTIONS: &[Function] = &[
    function("attrNames", 1),
    function("attrValues", 1),
    function("concatLines", 1),
    function("concatLists", 1),
    function("concatMap", 2),
    function("concatMapStrings", 2),
    function("concatMapStringsSep", 3),
    function("concatStrings", 1),
    function("concatStringsSep", 2),
    function("deepSeq", 2),
    function("escapeShellArg", 1),
    function("escapeShellArgs", 1),
    function("fileContents", 1),
    function("flatten", 1),
    function("forEach", 2),
    function("genAttrs", 2),
    function("getExe", 1),
    function("getExe'", 2),
    function("id", 1),
    function("import", 1),
    function("listToAttrs", 1),
    function("map", 2),
    function("mapAttrs", 2),
    function("mapAttrs'", 2),
    function("mapAttrsToList", 2),
    function("mkAfter", 1),
    function("mkAliasOptionModule", 2),
    function("mkBefore", 1),
    function("mkChangedOptionModule", 3),
    function("mkDefault", 1),
    function("mkForce", 1),
    function("mkIf", 2),
    function("mkImageMediaOverride", 1),
    function("mkMerge", 1),
    function("mkMergedOptionModule", 3),
    function("mkOptionDefault", 1),
    function("mkOrder", 2),
    function("mkOverride", 2),
    function("mkRemovedOptionModule", 2),
    function("mkRenamedOptionModule", 2),
    function("mkRenamedOptionModuleWith", 1),
    function("mkVMOverride", 1),
    function("nameValuePair", 2),
    function("optional", 2),
    function("optionalAttrs", 2),
    function("optionalString", 2),
    function("optionals", 2),
    function("readFile", 1),
    function("recursiveUpdate", 2),
    function("removeAttrs", 2),
    function("replaceStrings", 3),
    function("seq", 2),
    function("singleton", 1),
    function("toJSON", 1),
    function("toList", 1),
    function("toString", 1),
    function("trace", 2),
    function("versionAtLeast", 2),
    function("versionOlder", 2),
    function("warn", 2),
    function("warnIf", 3),
];

/// Functions that are there without `lib` or `builtins`.
const GLOBAL: &[&str] = &["import", "map", "removeAttrs", "toString"];

/// Sets in `lib` that hold the same functions again.
const SETS: &[&str] = &[
    "attrsets", "lists", "meta", "modules", "strings", "trivial", "versions",
];

fn named(name: &str) -> Option<Value> {
    let at = FUNCTIONS
        .binary_search_by(|function| function.name.cmp(name))
        .ok()?;
    Some(Value::Function(&FUNCTIONS[at], Rc::new([])))
}

/// What a name means where nothing binds it.
pub(super) fn global(name: &str) -> Option<Value> {
    Some(match name {
        "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "builtins" => Value::Given(Given::Builtins),
        _ if GLOBAL.contains(&name) => named(name)?,
        _ => return None,
    })
}

/// Whether `lib` has it, and it means something here.
pub(super) fn is_known(name: &str) -> bool {
    SETS.contains(&name) || named(name).is_some()
}

/// An attribute of what a module is given.
pub(super) fn select(given: &Given, name: &str) -> Value {
    match given {
        Given::Lib if SETS.contains(&name) => Value::Given(Given::Lib),
        Given::Lib | Given::Builtins => named(name)
            .or_else(|| global(name))
            .unwrap_or_else(|| Value::Given(Given::Path(format!("lib.{name}").into()))),
        Given::Arguments(own) => match (name, own) {
            ("lib", _) => Value::Given(Given::Lib),
            ("name", Some(own)) => Value::Text(Some(Rc::clone(own))),
            _ => Value::Given(Given::Path(name.into())),
        },
        Given::Path(path) if &**path == "pkgs" && name == "lib" => Value::Given(Given::Lib),
        Given::Path(path) => Value::Given(Given::Path(format!("{path}.{name}").into())),
    }
}

/// A function with all its arguments.
pub(super) fn call(
    evaluator: &Evaluator<'_>,
    function: &'static Function,
    arguments: &[ThunkId],
    span: Span,
) -> Outcome<Value> {
    let last = arguments[arguments.len() - 1];
    let first = arguments[0];
    let call = Call { evaluator, span };
    Ok(match function.name {
        "id" | "seq" | "deepSeq" | "trace" | "warn" | "warnIf" | "mkBefore" | "mkAfter" | "mkOrder" => {
            evaluator.force(last)?
        }
        "mkIf" => match evaluator.decide(first)? {
            Decision::Known(true) => evaluator.force(last)?,
            Decision::Known(false) => call.merge(Vec::new()),
            Decision::Open(conditions) => Value::If(Rc::new(conditions), last),
        },
        "mkMerge" => Value::Merge(last),
        "mkForce" => Value::Override(50, last),
        "mkDefault" => Value::Override(1000, last),
        "mkOptionDefault" => Value::Override(1500, last),
        "mkImageMediaOverride" => Value::Override(60, last),
        "mkVMOverride" => Value::Override(10, last),
        "mkOverride" => match evaluator.force(first)? {
            Value::Number(number) => match number.parse() {
                Ok(priority) => Value::Override(priority, last),
                Err(_) => call.unread(&format!("has the priority {number}")),
            },
            _ => call.unread("has a priority that is not known"),
        },
        "optionalAttrs" => match evaluator.decide(first)? {
            Decision::Known(true) => evaluator.force(last)?,
            Decision::Known(false) => Value::Set(Rc::default()),
            Decision::Open(conditions) => {
                Value::Set(Rc::new(conditional_set(evaluator.set_of(last)?, &conditions)))
            }
        },
        "optionals" => match evaluator.decide(first)? {
            Decision::Known(true) => evaluator.force(last)?,
            Decision::Known(false) => Value::List(Rc::default()),
            Decision::Open(conditions) => {
                Value::List(Rc::new(conditional_list(evaluator.list_of(last)?, &conditions)))
            }
        },
        "optional" => match evaluator.decide(first)? {
            Decision::Known(true) => call.list([last]),
            Decision::Known(false) => Value::List(Rc::default()),
            Decision::Open(conditions) => Value::List(Rc::new(List {
                items: vec![Item {
                    value: last,
                    conditions,
                }],
                rest: Vec::new(),
            })),
        },
        "optionalString" => match evaluator.decide(first)? {
            Decision::Known(true) => evaluator.force(last)?,
            Decision::Known(false) => Value::text(""),
            Decision::Open(_) => Value::Text(None),
        },
        "singleton" => call.list([last]),
        "toList" => match evaluator.force(last)? {
            list @ Value::List(_) => list,
            Value::Unknown(mystery) => Value::Unknown(mystery),
            _ => call.list([last]),
        },
        "map" => call.map(first, last)?,
        "forEach" => call.map(last, first)?,
        "concatMap" => {
            let lists = call.map(first, last)?;
            let lists = evaluator.done(lists, span);
            call.concat(lists)?
        }
        "concatLists" | "flatten" => call.concat(last)?,
        "mapAttrs" => call.map_attrs(first, last)?,
        "mapAttrs'" => {
            let pairs = call.to_list(first, last)?;
            let pairs = evaluator.done(Value::List(Rc::new(pairs)), span);
            call.list_to_attrs(pairs)?
        }
        "mapAttrsToList" => Value::List(Rc::new(call.to_list(first, last)?)),
        "genAttrs" => call.gen_attrs(first, last)?,
        "listToAttrs" => call.list_to_attrs(last)?,
        "nameValuePair" => call.pair(first, last),
        "attrNames" => call.attr_names(last)?,
        "attrValues" => {
            let set = evaluator.set_of(last)?;
            let items = set.entries.into_values().map(|entry| Item {
                value: entry.value,
                conditions: entry.conditions,
            });
            Value::List(Rc::new(List {
                items: items.collect(),
                rest: set.rest,
            }))
        }
        "removeAttrs" => call.remove_attrs(first, last)?,
        "recursiveUpdate" => call.recursive_update(first, last)?,
        "import" => call.import(last)?,
        "readFile" | "fileContents" => call.read(last, function.name == "fileContents")?,
        "versionAtLeast" => call.versions(first, last, false)?,
        "versionOlder" => call.versions(first, last, true)?,
        "toString" => match evaluator.force(last)? {
            text @ Value::Text(_) => text,
            Value::Number(number) => Value::Text(Some(number)),
            Value::Bool(true) => Value::text("1"),
            Value::Bool(false) | Value::Null => Value::text(""),
            _ => Value::Text(None),
        },
        "concatStrings" => call.join("", last)?,
        "concatLines" => match call.join("\n", last)? {
            Value::Text(Some(text)) if !text.is_empty() => Value::text(&format!("{text}\n")),
            _ => Value::Text(None),
        },
        "concatStringsSep" => call.join_by(first, last)?,
        "concatMapStrings" => {
            let parts = call.map(first, last)?;
            call.join("", evaluator.done(parts, span))?
        }
        "concatMapStringsSep" => {
            let parts = call.map(arguments[1], last)?;
            call.join_by(first, evaluator.done(parts, span))?
        }
        "escapeShellArg" | "escapeShellArgs" | "getExe" | "getExe'" | "replaceStrings" | "toJSON" => {
            Value::Text(None)
        }
        // Modules that move or remove an option, which is none of ours.
        name if name.ends_with("OptionModule") || name.ends_with("OptionModuleWith") => {
            Value::Set(Rc::default())
        }
        name => call.unread(&format!("depends on `{name}`")),
    })
}

/// One application of a known function.
struct Call<'a, 't> {
    evaluator: &'a Evaluator<'t>,
    span: Span,
}

impl Call<'_, '_> {
    fn unread(&self, reason: &str) -> Value {
        unknown(reason, self.span)
    }

    fn list(&self, values: impl IntoIterator<Item = ThunkId>) -> Value {
        let items = values.into_iter().map(|value| Item {
            value,
            conditions: Vec::new(),
        });
        Value::List(Rc::new(List {
            items: items.collect(),
            rest: Vec::new(),
        }))
    }

    fn merge(&self, values: Vec<ThunkId>) -> Value {
        Value::Merge(self.evaluator.done(self.list(values), self.span))
    }

    fn text(&self, text: &Rc<str>) -> ThunkId {
        self.evaluator.done(Value::Text(Some(Rc::clone(text))), self.span)
    }

    fn map(&self, function: ThunkId, list: ThunkId) -> Outcome<Value> {
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

    fn concat(&self, lists: ThunkId) -> Outcome<Value> {
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

    fn map_attrs(&self, function: ThunkId, set: ThunkId) -> Outcome<Value> {
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

    fn to_list(&self, function: ThunkId, set: ThunkId) -> Outcome<List> {
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

    fn gen_attrs(&self, names: ThunkId, function: ThunkId) -> Outcome<Value> {
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

    fn list_to_attrs(&self, pairs: ThunkId) -> Outcome<Value> {
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
                    keys: vec![Key {
                        span,
                        path: span.start,
                    }],
                };
                // Of two pairs of one name the first counts.
                set.entries.entry(name).or_insert(entry);
            }
            other => set.rest.push(self.evaluator.mystery_of(&other, span)),
        }
        Ok(())
    }

    fn pair(&self, name: ThunkId, value: ThunkId) -> Value {
        let entry = |thunk| {
            let span = self.evaluator.span(thunk);
            Entry {
                value: thunk,
                conditions: Vec::new(),
                keys: vec![Key {
                    span,
                    path: span.start,
                }],
            }
        };
        Value::Set(Rc::new(Set {
            entries: [("name".into(), entry(name)), ("value".into(), entry(value))].into(),
            rest: Vec::new(),
        }))
    }

    fn attr_names(&self, set: ThunkId) -> Outcome<Value> {
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

    fn remove_attrs(&self, set: ThunkId, names: ThunkId) -> Outcome<Value> {
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

    fn recursive_update(&self, lhs: ThunkId, rhs: ThunkId) -> Outcome<Value> {
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

    fn import(&self, path: ThunkId) -> Outcome<Value> {
        let path = match self.evaluator.force(path)? {
            Value::Path(path) => path,
            other => return Ok(Value::Unknown(self.evaluator.mystery_of(&other, self.span))),
        };
        let Some(file) = self.evaluator.sources.import(&path)? else {
            let name = self.evaluator.sources.tree().name(&path);
            return Ok(self.unread(&format!("depends on {name}, which is not there")));
        };
        match self.evaluator.sources.root(file) {
            Some(root) => self.evaluator.eval(&root, Evaluator::file_env(file)),
            None => Ok(self.unread("depends on an empty file")),
        }
    }

    fn read(&self, path: ThunkId, trimmed: bool) -> Outcome<Value> {
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

    fn versions(&self, a: ThunkId, b: ThunkId, older: bool) -> Outcome<Value> {
        match (self.evaluator.force(a)?, self.evaluator.force(b)?) {
            (Value::Text(Some(a)), Value::Text(Some(b))) => {
                Ok(Value::Bool(compare_versions(&a, &b).is_lt() == older))
            }
            (Value::Text(Some(_)), other) | (other, _) => {
                Ok(Value::Unknown(self.evaluator.mystery_of(&other, self.span)))
            }
        }
    }

    fn join_by(&self, separator: ThunkId, list: ThunkId) -> Outcome<Value> {
        match self.evaluator.force(separator)? {
            Value::Text(Some(separator)) => self.join(&separator, list),
            _ => Ok(Value::Text(None)),
        }
    }

    fn join(&self, separator: &str, list: ThunkId) -> Outcome<Value> {
        let list = self.evaluator.list_of(list)?;
        let mut text = String::new();
        for (n, item) in list.items.iter().enumerate() {
            match self.evaluator.force(item.value)? {
                Value::Text(Some(part)) if item.conditions.is_empty() && text.len() < 1 << 20 => {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_sorted_so_that_they_are_found() {
        assert!(FUNCTIONS.is_sorted_by(|a, b| a.name < b.name));
        assert!(GLOBAL.iter().all(|name| named(name).is_some()));
    }
}
