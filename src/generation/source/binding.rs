//! Owns sets and `let`s as they are written: attribute paths, `inherit`, `rec`.

use std::rc::Rc;

use rnix::SyntaxKind::{
    NODE_ATTRPATH, NODE_ATTRPATH_VALUE, NODE_IDENT, NODE_INHERIT, NODE_INHERIT_FROM, NODE_STRING,
};

use super::eval::{Evaluator, Outcome, Source, State};
use super::syntax::Node;
use super::text::{Span, excerpt_of};
use super::value::{Conditions, Entry, Env, Item, Key, List, Mystery, Names, Set, ThunkId, Value};

/// An attribute path from one of its names on, and its value.
#[derive(Clone)]
pub(super) struct Binding {
    /// None where nothing is left of the path.
    attr: Option<Node>,
    pub(super) value: Node,
}

/// A binding by the first name of its path, and what follows the name.
type Named = (Rc<str>, Key, Binding);

impl Evaluator<'_> {
    pub(super) fn recursive(&self, entries: &Node, env: Env) -> Outcome<(Env, Set)> {
        let scope = self.scope(env, Names::Bound(Vec::new()));
        let inner = Some(scope);
        let set = self.entries(entries, inner, env)?;
        let names = set
            .entries
            .iter()
            .map(|(name, entry)| (Rc::clone(name), entry.value))
            .collect();
        self.bind(scope, names);
        Ok((inner, set))
    }

    pub(super) fn set(&self, set: &Node, recursive: bool, env: Env) -> Outcome<Value> {
        Ok(Value::Set(Rc::new(if recursive {
            self.recursive(set, env)?.1
        } else {
            self.entries(set, env, env)?
        })))
    }

    /// The entries of a set or a `let`: values see `inner`, what is inherited sees `outer`.
    fn entries(&self, entries: &Node, inner: Env, outer: Env) -> Outcome<Set> {
        let mut bindings = Vec::new();
        let mut set = Set::default();
        for entry in entries.below(|kind| matches!(kind, NODE_ATTRPATH_VALUE | NODE_INHERIT)) {
            if entry.kind() == NODE_INHERIT {
                self.inherit(&entry, inner, outer, &mut set)?;
            } else if let (Some(path), Some(value)) = (entry.child(NODE_ATTRPATH), entry.expr(0)) {
                let attr = path.attrs().next();
                bindings.push(Binding { attr, value });
            }
        }
        self.group(bindings, inner, &mut set)?;
        Ok(set)
    }

    fn inherit(&self, inherit: &Node, inner: Env, outer: Env, set: &mut Set) -> Outcome<()> {
        let from = inherit
            .child(NODE_INHERIT_FROM)
            .and_then(|from| from.expr(0))
            .map(|from| self.delay(from, inner));
        for attr in inherit.attrs() {
            let span = attr.span();
            let Some(Some(name)) = self.attr_name(&attr, outer)? else {
                continue;
            };
            let value = match from {
                Some(from) => self.delay_select(from, &name, span),
                None => match self.resolve(&name, outer, &mut Vec::new()) {
                    Some(thunk) => thunk,
                    None => {
                        let value = self.lookup(&name, outer, span)?;
                        self.done(value, span)
                    }
                },
            };
            set.entries.insert(
                name,
                Entry {
                    value,
                    conditions: Conditions::default(),
                    keys: Rc::new([Key {
                        span,
                        path: span.start,
                    }]),
                },
            );
        }
        Ok(())
    }

    pub(super) fn nested(&self, bindings: &[Binding], env: Env) -> Outcome<Value> {
        let mut set = Set::default();
        self.group(bindings.iter().cloned(), env, &mut set)?;
        Ok(Value::Set(Rc::new(set)))
    }

    /// The value of a name that stands at the beginning of one or several attribute paths.
    fn joined(&self, bindings: &[Named], env: Env, span: Span) -> ThunkId {
        let whole = bindings.iter().filter(|(.., binding)| binding.attr.is_none());
        let mut values: Vec<ThunkId> = whole
            .map(|(.., binding)| self.delay(binding.value.clone(), env))
            .collect();
        if values.len() < bindings.len() {
            let nested = bindings.iter().map(|(.., binding)| binding);
            let nested = nested.filter(|binding| binding.attr.is_some()).cloned();
            values.push(self.add(Source::Bindings(nested.collect(), env), State::Waiting, span));
        }
        if let [value] = values[..] {
            return value;
        }
        // `a = { … }` beside `a.b = …`: Nix joins them, and refuses one attribute twice.
        let items = values.into_iter().map(|value| Item {
            value,
            conditions: Conditions::default(),
        });
        let parts = List {
            items: items.collect(),
            rest: Vec::new(),
        };
        let parts = self.done(Value::List(Rc::new(parts)), span);
        self.done(Value::Merge(parts), span)
    }

    /// Puts attribute paths into a set by their first names.
    fn group(&self, bindings: impl IntoIterator<Item = Binding>, env: Env, set: &mut Set) -> Outcome<()> {
        let mut named: Vec<Named> = Vec::new();
        for binding in bindings {
            let Some(attr) = binding.attr else { continue };
            let span = attr.span();
            match self.attr_name(&attr, env)? {
                Some(Some(name)) => {
                    let path = attr.parent().map_or(span.start, |path| path.span().start);
                    let next = Binding {
                        attr: attr.next_attr(),
                        ..binding
                    };
                    named.push((name, Key { span, path }, next));
                }
                // `${null}` leaves the attribute out.
                Some(None) => {}
                None => {
                    let node = attr.ancestors().find(|node| node.kind() == NODE_ATTRPATH_VALUE);
                    set.rest.push(Rc::new(Mystery {
                        reason: format!("depends on `{}`", excerpt_of(&attr)),
                        span,
                        node: node.map(|node| (node, env)),
                    }));
                }
            }
        }
        // Paths with the same first name stay in their order.
        named.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        for same in named.chunk_by(|(one, ..), (other, ..)| one == other) {
            let (name, first, _) = &same[0];
            let entry = Entry {
                value: self.joined(same, env, first.span),
                conditions: Conditions::default(),
                keys: same.iter().map(|&(_, key, _)| key).collect(),
            };
            set.entries.insert(Rc::clone(name), entry);
        }
        Ok(())
    }

    /// The name that an attribute has: `None` where it is not known, `Some(None)` where the attribute is left out.
    pub(super) fn attr_name(&self, attr: &Node, env: Env) -> Outcome<Option<Option<Rc<str>>>> {
        let value = match attr.kind() {
            NODE_IDENT => return Ok(Some(Some(attr.text().into()))),
            NODE_STRING => Value::Text(self.string(attr, env)?),
            _ => match attr.expr(0) {
                Some(expr) => self.eval(&expr, env)?,
                None => return Ok(None),
            },
        };
        Ok(match value {
            Value::Text(Some(name)) => Some(Some(name)),
            Value::Null => Some(None),
            _ => None,
        })
    }
}
