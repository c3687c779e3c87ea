//! Owns what each kind of expression comes to.

use std::path::Path;
use std::rc::Rc;

use rnix::SyntaxKind::{
    NODE_APPLY, NODE_ASSERT, NODE_ATTR_SET, NODE_ATTRPATH, NODE_BIN_OP, NODE_HAS_ATTR, NODE_IDENT,
    NODE_IF_ELSE, NODE_LAMBDA, NODE_LEGACY_LET, NODE_LET_IN, NODE_LIST, NODE_LITERAL, NODE_PAREN,
    NODE_PATH_ABS, NODE_PATH_REL, NODE_ROOT, NODE_SELECT, NODE_STRING, NODE_UNARY_OP, NODE_WITH, TOKEN_REC,
    TOKEN_URI,
};
use rnix::ast::{BinOpKind, UnaryOpKind};

use super::collections::add_rest;
use super::condition::Decision;
use super::eval::{Evaluator, Outcome};
use super::files::resolve;
use super::string::{Piece, pieces};
use super::syntax::Node;
use super::text::excerpt_of;
use super::value::{Conditions, Env, Item, List, Mystery, Names, Value};

/// The longest string that is put together of shorter ones, in bytes.
pub(super) const TEXT: usize = 1 << 20;

impl Evaluator<'_> {
    pub(super) fn eval(&self, expr: &Node, env: Env) -> Outcome<Value> {
        match self.deeper(|| self.eval_expr(expr, env)) {
            Some(value) => value,
            None => Ok(self.mystery(expr, env, "is nested too deeply to be followed".to_owned())),
        }
    }

    fn eval_expr(&self, expr: &Node, env: Env) -> Outcome<Value> {
        Ok(match expr.kind() {
            NODE_IDENT => self.lookup(expr.text(), env, expr.span())?,
            NODE_LITERAL if expr.child(TOKEN_URI).is_some() => Value::text(expr.text()),
            NODE_LITERAL => Value::Number(expr.text().into()),
            NODE_STRING => Value::Text(self.string(expr, env)?),
            NODE_PAREN | NODE_ROOT => self.eval_child(expr.expr(0), expr, env)?,
            NODE_ASSERT => self.eval_child(expr.expr(1), expr, env)?,
            NODE_ATTR_SET => self.set(expr, expr.child(TOKEN_REC).is_some(), env)?,
            NODE_LIST => {
                let items = expr.exprs().map(|item| Item {
                    value: self.delay(item, env),
                    conditions: Conditions::default(),
                });
                Value::List(Rc::new(List {
                    items: items.collect(),
                    rest: Vec::new(),
                }))
            }
            NODE_LAMBDA => Value::Lambda(Rc::new((expr.clone(), env))),
            NODE_LET_IN => {
                let inner = self.recursive(expr, env)?.0;
                self.eval_child(expr.expr(0), expr, inner)?
            }
            NODE_LEGACY_LET => {
                let set = Value::Set(Rc::new(self.recursive(expr, env)?.1));
                self.select(&set, "body", expr.span())?
            }
            NODE_WITH => {
                let Some(namespace) = expr.expr(0) else {
                    return Ok(self.unread(expr, env));
                };
                let namespace = self.delay(namespace, env);
                let scope = self.scope(env, Names::All(namespace));
                let inner = Some(scope);
                self.eval_child(expr.expr(1), expr, inner)?
            }
            NODE_SELECT => self.eval_select(expr, env)?,
            NODE_HAS_ATTR => {
                let (Some(of), Some(path)) = (expr.expr(0), expr.child(NODE_ATTRPATH)) else {
                    return Ok(self.unread(expr, env));
                };
                let mut attrs = path.attrs();
                let name = match (attrs.next(), attrs.next()) {
                    (Some(attr), None) => self.attr_name(&attr, env)?,
                    _ => None,
                };
                match (self.eval(&of, env)?, name) {
                    (Value::Set(set), Some(Some(name))) if set.rest.is_empty() => {
                        match set.entries.get(&name) {
                            None => Value::Bool(false),
                            Some(entry) if entry.conditions.is_empty() => Value::Bool(true),
                            Some(_) => self.unread(expr, env),
                        }
                    }
                    _ => self.unread(expr, env),
                }
            }
            NODE_IF_ELSE => {
                let mut parts = expr.exprs();
                let (Some(condition), Some(then), Some(otherwise)) =
                    (parts.next(), parts.next(), parts.next())
                else {
                    return Ok(self.unread(expr, env));
                };
                match self.conditions(&condition, env)? {
                    Decision::Known(true) => self.eval(&then, env)?,
                    Decision::Known(false) => self.eval(&otherwise, env)?,
                    Decision::Open(conditions) => {
                        Value::Either(conditions, self.delay(then, env), self.delay(otherwise, env))
                    }
                }
            }
            NODE_APPLY => {
                let (Some(function), Some(argument)) = (expr.expr(0), expr.expr(1)) else {
                    return Ok(self.unread(expr, env));
                };
                let function = self.eval(&function, env)?;
                let argument = self.delay(argument, env);
                match self.apply(&function, argument, expr.span())? {
                    // The whole application is where literals are looked for.
                    Value::Unknown(mystery) => self.mystery(expr, env, mystery.reason.clone()),
                    value => value,
                }
            }
            NODE_UNARY_OP => match (unary_operator(expr), expr.expr(0)) {
                (Some(UnaryOpKind::Invert), Some(of)) => match self.eval(&of, env)? {
                    Value::Bool(value) => Value::Bool(!value),
                    _ => self.unread(expr, env),
                },
                (Some(UnaryOpKind::Negate), Some(of)) => match self.eval(&of, env)? {
                    Value::Number(number) => Value::Number(format!("-{number}").into()),
                    _ => self.unread(expr, env),
                },
                _ => self.unread(expr, env),
            },
            NODE_BIN_OP => self.eval_operation(expr, env)?,
            NODE_PATH_REL | NODE_PATH_ABS => self.eval_path(expr, env)?,
            _ => self.unread(expr, env),
        })
    }

    fn eval_child(&self, child: Option<Node>, parent: &Node, env: Env) -> Outcome<Value> {
        match child {
            Some(child) => self.eval(&child, env),
            None => Ok(self.unread(parent, env)),
        }
    }

    /// What an expression is that only an evaluation can tell.
    pub(super) fn unread(&self, expr: &Node, env: Env) -> Value {
        let reason = format!("depends on `{}`", excerpt_of(expr));
        self.mystery(expr, env, reason)
    }

    pub(super) fn mystery(&self, expr: &Node, env: Env, reason: String) -> Value {
        Value::Unknown(Rc::new(Mystery {
            reason,
            span: expr.span(),
            node: Some((expr.clone(), env)),
        }))
    }

    fn eval_path(&self, expr: &Node, env: Env) -> Outcome<Value> {
        // More than its letters are parts that are put in.
        if expr.children().nth(1).is_some() {
            return Ok(self.unread(expr, env));
        }
        let directory = self.sources.directory(expr.span().file);
        Ok(Value::Path(Rc::new(resolve(&directory, expr.text()))))
    }

    fn eval_select(&self, expr: &Node, env: Env) -> Outcome<Value> {
        let (Some(of), Some(path)) = (expr.expr(0), expr.child(NODE_ATTRPATH)) else {
            return Ok(self.unread(expr, env));
        };
        let default = expr.expr(1);
        let span = expr.span();
        let mut value = self.eval(&of, env)?;
        for attr in path.attrs() {
            let Some(Some(name)) = self.attr_name(&attr, env)? else {
                return Ok(self.unread(expr, env));
            };
            if let (Value::Set(set), Some(default)) = (&value, &default)
                && set.rest.is_empty()
                && !set.entries.contains_key(&name)
            {
                return self.eval(default, env);
            }
            value = self.select(&value, &name, span)?;
        }
        Ok(match value {
            Value::Given(_) | Value::Unknown(_) if default.is_some() => self.unread(expr, env),
            value => value,
        })
    }

    /// The letters of a string; none where they are not all known.
    pub(super) fn string(&self, string: &Node, env: Env) -> Outcome<Option<Rc<str>>> {
        let Some(pieces) = pieces(string) else {
            return Ok(None);
        };
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Letters(letters) => text.push_str(&letters),
                Piece::Hole(expr) => {
                    let Value::Text(Some(letters)) = self.eval(&expr, env)? else {
                        return Ok(None);
                    };
                    text.push_str(&letters);
                    if text.len() > TEXT {
                        return Ok(None);
                    }
                }
            }
        }
        Ok(Some(text.into()))
    }

    fn eval_operation(&self, expr: &Node, env: Env) -> Outcome<Value> {
        let (Some(operator), Some(lhs), Some(rhs)) = (binary_operator(expr), expr.expr(0), expr.expr(1))
        else {
            return Ok(self.unread(expr, env));
        };
        let span = expr.span();
        match operator {
            BinOpKind::Update => {
                let (lhs, rhs) = (self.delay(lhs, env), self.delay(rhs, env));
                let (lhs, rhs) = (self.set_of(lhs)?, self.set_of(rhs)?);
                return Ok(Value::Set(Rc::new(self.update(lhs, rhs))));
            }
            BinOpKind::Concat => {
                let (lhs, rhs) = (self.delay(lhs, env), self.delay(rhs, env));
                let mut list = self.list_of(lhs)?;
                let more = self.list_of(rhs)?;
                list.items.extend(more.items);
                add_rest(&mut list.rest, more.rest);
                return Ok(self.bounded(list, span));
            }
            BinOpKind::PipeRight | BinOpKind::PipeLeft => {
                let (function, argument) = match operator {
                    BinOpKind::PipeRight => (rhs, lhs),
                    _ => (lhs, rhs),
                };
                let function = self.eval(&function, env)?;
                let argument = self.delay(argument, env);
                return self.apply(&function, argument, span);
            }
            _ => {}
        }
        let (a, b) = (self.eval(&lhs, env)?, self.eval(&rhs, env)?);
        Ok(match (operator, &a, &b) {
            (BinOpKind::Add, Value::Text(Some(a)), Value::Text(Some(b))) if a.len() + b.len() <= TEXT => {
                Value::Text(Some(format!("{a}{b}").into()))
            }
            (BinOpKind::Add, Value::Path(path), Value::Text(Some(text))) => Value::Path(Rc::new(resolve(
                Path::new(""),
                &format!("{}{text}", path.display()),
            ))),
            (BinOpKind::Add, Value::Text(_), _) => Value::Text(None),
            (BinOpKind::Add, Value::Given(_) | Value::Unknown(_) | Value::Either(..), Value::Text(_)) => {
                Value::Text(None)
            }
            (BinOpKind::And, Value::Bool(false), _) | (BinOpKind::And, _, Value::Bool(false)) => {
                Value::Bool(false)
            }
            (BinOpKind::And, Value::Bool(true), Value::Bool(true)) => Value::Bool(true),
            (BinOpKind::Or, Value::Bool(true), _) | (BinOpKind::Or, _, Value::Bool(true)) => {
                Value::Bool(true)
            }
            (BinOpKind::Or, Value::Bool(a), Value::Bool(b)) => Value::Bool(*a || *b),
            (BinOpKind::Implication, Value::Bool(false), _) => Value::Bool(true),
            (BinOpKind::Implication, Value::Bool(true), Value::Bool(b)) => Value::Bool(*b),
            (BinOpKind::Equal, a, b) => match equal(a, b) {
                Some(equal) => Value::Bool(equal),
                None => self.unread(expr, env),
            },
            (BinOpKind::NotEqual, a, b) => match equal(a, b) {
                Some(equal) => Value::Bool(!equal),
                None => self.unread(expr, env),
            },
            _ => self.unread(expr, env),
        })
    }
}

pub(super) fn unary_operator(expr: &Node) -> Option<UnaryOpKind> {
    expr.children()
        .find_map(|token| UnaryOpKind::from_kind(token.kind()))
}

pub(super) fn binary_operator(expr: &Node) -> Option<BinOpKind> {
    expr.children()
        .find_map(|token| BinOpKind::from_kind(token.kind()))
}

/// Whether two values are equal; none where it cannot be told.
fn equal(a: &Value, b: &Value) -> Option<bool> {
    Some(match (a, b) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Number(a), Value::Number(b)) if a == b => true,
        (Value::Text(Some(a)), Value::Text(Some(b))) => a == b,
        (Value::Bool(_) | Value::Text(_) | Value::Set(_) | Value::List(_), Value::Null)
        | (Value::Null, Value::Bool(_) | Value::Text(_) | Value::Set(_) | Value::List(_)) => false,
        _ => return None,
    })
}
