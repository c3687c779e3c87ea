//! Owns the functions of the language and of nixpkgs' `lib` that modules are written with, as far as they matter here.
//! All others are unknown.

use std::rc::Rc;

use super::call::Call;
use super::collections::{conditional_list, conditional_set};
use super::condition::Decision;
use super::eval::{Evaluator, Outcome};
use super::text::Span;
use super::value::{Function, Given, Item, List, ThunkId, Value};

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
            Decision::Open(conditions) => Value::If(conditions, last),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_sorted_so_that_they_are_found() {
        assert!(FUNCTIONS.is_sorted_by(|a, b| a.name < b.name));
        assert!(GLOBAL.iter().all(|name| named(name).is_some()));
    }
}
