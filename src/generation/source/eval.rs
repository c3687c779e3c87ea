//! Owns how values are computed as far as the text says: laziness, scopes, application, and an end to what has none. Knows no
//! option and no module.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use rnix::SyntaxKind::{NODE_IDENT, NODE_IDENT_PARAM, NODE_PAT_BIND, NODE_PAT_ENTRY, NODE_PATTERN};

use super::binding::Binding;
use super::error::SourceError;
use super::library;
use super::sources::Sources;
use super::syntax::Node;
use super::text::Span;
use super::value::{Condition, Env, Given, Mystery, Names, Scope, ScopeId, ThunkId, Value};

/// How deeply values may wait for each other.
const DEPTH: u32 = 500;

/// How often functions may be applied and properties be taken off, besides once for each byte of source: enough for any
/// module, and an end to what has none.
pub(super) const FUEL: usize = 100_000;

pub(super) struct Evaluator<'t> {
    pub(super) sources: Sources<'t>,
    thunks: RefCell<Vec<Thunk>>,
    scopes: RefCell<Vec<Scope>>,
    depth: Cell<u32>,
    burnt: Cell<usize>,
    is_limited: Cell<bool>,
}

struct Thunk {
    state: State,
    source: Source,
    span: Span,
}

pub(super) enum State {
    Waiting,
    Busy,
    Done(Value),
}

/// How a thunk is computed.
#[derive(Clone)]
pub(super) enum Source {
    Expr(Node, Env),
    /// The set of several attribute paths with the same beginning.
    Bindings(Rc<[Binding]>, Env),
    /// An attribute of another value.
    Select(ThunkId, Rc<str>),
    /// A function applied to one more argument.
    Apply(ThunkId, ThunkId),
    None,
}

pub(super) type Outcome<T> = Result<T, SourceError>;

impl<'t> Evaluator<'t> {
    pub(super) fn new(sources: Sources<'t>) -> Self {
        Self {
            sources,
            thunks: RefCell::default(),
            scopes: RefCell::default(),
            depth: Cell::new(0),
            burnt: Cell::new(0),
            is_limited: Cell::new(false),
        }
    }

    pub(super) fn add(&self, source: Source, state: State, span: Span) -> ThunkId {
        let mut thunks = self.thunks.borrow_mut();
        // As many as bytes of source and units of fuel: far from 2^32.
        let id = ThunkId(thunks.len() as u32);
        thunks.push(Thunk { state, source, span });
        id
    }

    /// An expression to be computed when it is asked for.
    pub(super) fn delay(&self, expr: Node, env: Env) -> ThunkId {
        let span = expr.span();
        self.add(Source::Expr(expr, env), State::Waiting, span)
    }

    pub(super) fn done(&self, value: Value, span: Span) -> ThunkId {
        self.add(Source::None, State::Done(value), span)
    }

    pub(super) fn delay_apply(&self, function: ThunkId, argument: ThunkId) -> ThunkId {
        let span = self.span(argument);
        self.add(Source::Apply(function, argument), State::Waiting, span)
    }

    pub(super) fn delay_select(&self, of: ThunkId, name: &Rc<str>, span: Span) -> ThunkId {
        self.add(Source::Select(of, Rc::clone(name)), State::Waiting, span)
    }

    /// Where a value is written.
    pub(super) fn span(&self, thunk: ThunkId) -> Span {
        self.thunks.borrow()[thunk.0 as usize].span
    }

    /// The expression of a value, where it has one.
    pub(super) fn expr(&self, thunk: ThunkId) -> Option<(Node, Env)> {
        match &self.thunks.borrow()[thunk.0 as usize].source {
            Source::Expr(expr, env) => Some((expr.clone(), *env)),
            _ => None,
        }
    }

    /// The expressions that a value is made of.
    pub(super) fn origins(&self, thunk: ThunkId) -> Vec<(Node, Env)> {
        let thunks = self.thunks.borrow();
        let mut found = Vec::new();
        let mut rest = vec![thunk];
        while let Some(ThunkId(id)) = rest.pop() {
            match &thunks[id as usize].source {
                Source::Expr(expr, env) => found.push((expr.clone(), *env)),
                Source::Bindings(bindings, env) => {
                    let paths = bindings.iter().filter_map(|binding| binding.value.parent());
                    found.extend(paths.map(|path| (path, *env)));
                }
                Source::Select(of, _) => rest.push(*of),
                Source::Apply(function, argument) => rest.extend([*function, *argument]),
                Source::None => {}
            }
        }
        found
    }

    pub(super) fn scope(&self, parent: Env, names: Names) -> ScopeId {
        let mut scopes = self.scopes.borrow_mut();
        let id = ScopeId(scopes.len() as u32);
        scopes.push(Scope { parent, names });
        id
    }

    /// Takes one unit of the work that may be done; false where there is none left.
    pub(super) fn burn(&self) -> bool {
        self.burn_for(1)
    }

    /// The same for as many units as something has elements.
    pub(super) fn burn_for(&self, units: usize) -> bool {
        let burnt = self.burnt.get().saturating_add(units);
        self.burnt.set(burnt);
        let is_left = burnt <= FUEL + self.sources.size();
        if !is_left {
            self.is_limited.set(true);
        }
        is_left
    }

    /// How many units of work were taken.
    pub(super) fn burnt(&self) -> usize {
        self.burnt.get()
    }

    /// Whether something was given up, or needed itself: what comes of it depends on what was asked for first.
    pub(super) fn is_limited(&self) -> bool {
        self.is_limited.get()
    }

    /// The value, with nothing left to compute on its outside.
    pub(super) fn force(&self, id: ThunkId) -> Outcome<Value> {
        let (source, span) = {
            let mut thunks = self.thunks.borrow_mut();
            let thunk = &mut thunks[id.0 as usize];
            match &thunk.state {
                State::Done(value) => return Ok(value.clone()),
                State::Busy => {
                    self.is_limited.set(true);
                    return Ok(unknown("refers to itself", thunk.span));
                }
                State::Waiting => {}
            }
            thunk.state = State::Busy;
            (thunk.source.clone(), thunk.span)
        };
        let value = match self.deeper(|| self.compute(source, span)) {
            Some(value) => value?,
            None => unknown("depends on itself, or on too long a chain of others", span),
        };
        self.thunks.borrow_mut()[id.0 as usize].state = State::Done(value.clone());
        Ok(value)
    }

    /// Does something that may lead here again, unless it has done so too often.
    pub(super) fn deeper<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let depth = self.depth.get();
        if depth >= DEPTH {
            self.is_limited.set(true);
            return None;
        }
        self.depth.set(depth + 1);
        let result = work();
        self.depth.set(depth);
        Some(result)
    }

    /// Binds the names of a scope that was made before its values.
    pub(super) fn bind(&self, scope: ScopeId, names: Vec<(Rc<str>, ThunkId)>) {
        self.scopes.borrow_mut()[scope.0 as usize].names = Names::bound(names);
    }

    fn compute(&self, source: Source, span: Span) -> Outcome<Value> {
        match source {
            Source::Expr(expr, env) => self.eval(&expr, env),
            Source::Bindings(bindings, env) => self.nested(&bindings, env),
            Source::Select(of, name) => {
                let value = self.force(of)?;
                self.select(&value, &name, span)
            }
            Source::Apply(function, argument) => {
                let function = self.force(function)?;
                self.apply(&function, argument, span)
            }
            // Made as it is, never waiting.
            Source::None => Ok(Value::Null),
        }
    }

    /// An attribute of a value.
    pub(super) fn select(&self, value: &Value, name: &str, span: Span) -> Outcome<Value> {
        Ok(match value {
            Value::Set(set) => match set.entries.get(name) {
                Some(entry) => match Condition::not(&entry.conditions) {
                    None => self.force(entry.value)?,
                    Some(_) => {
                        let missing = unknown(&format!("may have no `{name}`"), span);
                        let missing = self.done(missing, span);
                        Value::Either(entry.conditions.clone(), entry.value, missing)
                    }
                },
                None => match set.rest.first() {
                    Some(rest) => Value::Unknown(Rc::clone(rest)),
                    None => unknown(&format!("depends on `{name}`, which is not there"), span),
                },
            },
            Value::Given(given) => library::select(given, name),
            Value::Unknown(mystery) => Value::Unknown(Rc::clone(mystery)),
            Value::Either(conditions, then, otherwise) => {
                let name: Rc<str> = name.into();
                Value::Either(
                    conditions.clone(),
                    self.delay_select(*then, &name, span),
                    self.delay_select(*otherwise, &name, span),
                )
            }
            Value::Merge(_) => {
                let set = self.set_in(value.clone(), span)?;
                self.select(&Value::Set(Rc::new(set)), name, span)?
            }
            other => unknown(&format!("depends on `{name}` of {}", other.kind()), span),
        })
    }

    /// A function applied to an argument.
    pub(super) fn apply(&self, function: &Value, argument: ThunkId, span: Span) -> Outcome<Value> {
        if !self.burn() {
            return Ok(unknown("takes too long to be followed", span));
        }
        Ok(match function {
            Value::Lambda(lambda) => {
                let (lambda, env) = &**lambda;
                let inner = match (lambda.child(NODE_IDENT_PARAM), lambda.child(NODE_PATTERN)) {
                    (Some(param), _) => {
                        let ident = param.child(NODE_IDENT);
                        self.bound(*env, ident.map(|ident| (ident.text().into(), argument)))
                    }
                    (None, Some(pattern)) => self.pattern(&pattern, argument, *env)?,
                    (None, None) => *env,
                };
                match lambda.expr(0) {
                    Some(body) => self.eval(&body, inner)?,
                    None => unknown("is no function", span),
                }
            }
            Value::Function(function, arguments) => {
                let arguments: Rc<[_]> = arguments.iter().copied().chain([argument]).collect();
                if arguments.len() < function.arity {
                    Value::Function(function, arguments)
                } else {
                    library::call(self, function, &arguments, span)?
                }
            }
            Value::Set(set) if set.entries.contains_key("__functor") => {
                unknown("depends on `__functor`", span)
            }
            Value::Given(Given::Path(path)) => unknown(&format!("depends on `{path}`"), span),
            Value::Unknown(mystery) => unknown(&mystery.reason, span),
            _ => unknown("depends on what is no function", span),
        })
    }

    fn bound(&self, env: Env, names: impl IntoIterator<Item = (Rc<str>, ThunkId)>) -> Env {
        let names = Names::bound(names.into_iter().collect());
        Some(self.scope(env, names))
    }

    /// `{ a, b ? 1, ... } @ all` bound to an argument.
    fn pattern(&self, pattern: &Node, argument: ThunkId, env: Env) -> Outcome<Env> {
        let scope = self.scope(env, Names::Bound(Vec::new()));
        let inner = Some(scope);
        let value = self.force(argument)?;
        let mut names = Vec::new();
        if let Some(all) = pattern
            .child(NODE_PAT_BIND)
            .and_then(|bind| bind.child(NODE_IDENT))
        {
            names.push((all.text().into(), argument));
        }
        for entry in pattern.below(|kind| kind == NODE_PAT_ENTRY) {
            let Some(ident) = entry.child(NODE_IDENT) else {
                continue;
            };
            let name: Rc<str> = ident.text().into();
            let default = match &value {
                Value::Set(set) if !set.entries.contains_key(&name) && set.rest.is_empty() => entry.expr(1),
                _ => None,
            };
            let thunk = match default {
                Some(default) => self.delay(default, inner),
                None => self.delay_select(argument, &name, entry.span()),
            };
            names.push((name, thunk));
        }
        self.bind(scope, names);
        Ok(inner)
    }

    /// What a name stands for.
    pub(super) fn lookup(&self, name: &str, env: Env, span: Span) -> Outcome<Value> {
        let mut namespaces = Vec::new();
        if let Some(thunk) = self.resolve(name, env, &mut namespaces) {
            return self.force(thunk);
        }
        if let Some(value) = library::global(name) {
            return Ok(value);
        }
        // The innermost `with` that has the name. What has a name that the library knows is the library.
        let mut first = None;
        for namespace in namespaces {
            match self.force(namespace)? {
                Value::Set(set) if set.entries.contains_key(name) => {
                    return self.select(&Value::Set(set), name, span);
                }
                Value::Set(set) if set.rest.is_empty() => {}
                Value::Given(Given::Lib) if library::is_known(name) => {
                    return Ok(library::select(&Given::Lib, name));
                }
                value => first = first.or(Some(value)),
            }
        }
        match first {
            Some(value @ Value::Given(Given::Path(_))) => self.select(&value, name, span),
            _ => Ok(unknown(&format!("depends on `{name}`"), span)),
        }
    }

    /// The value of a name that is bound in the text itself; the `with`s around it on the way, innermost first.
    pub(super) fn resolve(&self, name: &str, env: Env, namespaces: &mut Vec<ThunkId>) -> Option<ThunkId> {
        let scopes = self.scopes.borrow();
        let mut at = env;
        while let Some(ScopeId(id)) = at {
            let scope = &scopes[id as usize];
            match &scope.names {
                Names::Bound(names) => {
                    let behind = names.partition_point(|(bound, _)| &**bound <= name);
                    if let Some((last, thunk)) = names[..behind].last()
                        && &**last == name
                    {
                        return Some(*thunk);
                    }
                }
                Names::All(namespace) => namespaces.push(*namespace),
            }
            at = scope.parent;
        }
        None
    }

    /// Why a value is not known.
    pub(super) fn mystery_of(&self, value: &Value, span: Span) -> Rc<Mystery> {
        let reason = match value {
            Value::Unknown(mystery) => return Rc::clone(mystery),
            Value::Given(Given::Path(path)) => format!("depends on `{path}`"),
            Value::Given(Given::Lib) => "depends on `lib`".to_owned(),
            Value::Given(_) => "depends on what the module is given".to_owned(),
            Value::Text(None) => "depends on what is put into the string".to_owned(),
            Value::Either(conditions, ..) | Value::If(conditions, _) => {
                let parts: Vec<_> = conditions.iter().map(Condition::text).collect();
                format!("depends on `{}`", parts.join(" && "))
            }
            other => format!("is {}, which is not followed", other.kind()),
        };
        Rc::new(Mystery {
            reason,
            span,
            node: None,
        })
    }
}

pub(super) fn unknown(reason: &str, span: Span) -> Value {
    Value::Unknown(Rc::new(Mystery {
        reason: reason.to_owned(),
        span,
        node: None,
    }))
}
