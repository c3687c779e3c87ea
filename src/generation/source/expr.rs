//! Owns what each kind of expression comes to.

use std::path::Path;
use std::rc::Rc;

use rnix::ast::{self, AstToken, BinOpKind, Expr, InterpolPart, LiteralKind, UnaryOpKind};
use rowan::ast::AstNode;

use super::collections::add_rest;
use super::condition::Decision;
use super::eval::{Evaluator, Outcome, span_of};
use super::files::resolve;
use super::string::{Piece, pieces};
use super::text::excerpt_of;
use super::value::{Env, Item, List, Mystery, Names, Value};

/// The longest string that is put together of shorter ones, in bytes.
pub(super) const TEXT: usize = 1 << 20;

impl Evaluator<'_> {
    pub(super) fn eval(&self, expr: &Expr, env: Env) -> Outcome<Value> {
        match self.deeper(|| self.eval_expr(expr, env)) {
            Some(value) => value,
            None => Ok(self.mystery(expr, env, "is nested too deeply to be followed".to_owned())),
        }
    }

    fn eval_expr(&self, expr: &Expr, env: Env) -> Outcome<Value> {
        Ok(match expr {
            Expr::Ident(ident) => {
                let Some(name) = ident.ident_token() else {
                    return Ok(self.unread(expr, env));
                };
                let span = span_of(expr.syntax(), env.file);
                self.lookup(name.text(), env, span)?
            }
            Expr::Literal(literal) => match literal.kind() {
                LiteralKind::Integer(number) => Value::Number(number.syntax().text().into()),
                LiteralKind::Float(number) => Value::Number(number.syntax().text().into()),
                LiteralKind::Uri(uri) => Value::text(uri.syntax().text()),
            },
            Expr::Str(string) => Value::Text(self.string(string, env)?),
            Expr::Paren(paren) => self.eval_child(paren.expr(), expr, env)?,
            Expr::Root(root) => self.eval_child(root.expr(), expr, env)?,
            Expr::Assert(assert) => self.eval_child(assert.body(), expr, env)?,
            Expr::AttrSet(set) => self.set(set, set.rec_token().is_some(), env)?,
            Expr::List(list) => {
                let items = list.items().map(|item| Item {
                    value: self.delay(item, env),
                    conditions: Vec::new(),
                });
                Value::List(Rc::new(List {
                    items: items.collect(),
                    rest: Vec::new(),
                }))
            }
            Expr::Lambda(lambda) => Value::Lambda(Rc::new((lambda.clone(), env))),
            Expr::LetIn(let_in) => {
                let inner = self.recursive(let_in, env)?.0;
                self.eval_child(let_in.body(), expr, inner)?
            }
            Expr::LegacyLet(legacy) => {
                let set = Value::Set(Rc::new(self.recursive(legacy, env)?.1));
                self.select(&set, "body", span_of(expr.syntax(), env.file))?
            }
            Expr::With(with) => {
                let Some(namespace) = with.namespace() else {
                    return Ok(self.unread(expr, env));
                };
                let namespace = self.delay(namespace, env);
                let scope = self.scope(env.scope, Names::All(namespace));
                let inner = Env {
                    scope: Some(scope),
                    ..env
                };
                self.eval_child(with.body(), expr, inner)?
            }
            Expr::Select(select) => self.eval_select(select, expr, env)?,
            Expr::HasAttr(has) => {
                let (Some(of), Some(path)) = (has.expr(), has.attrpath()) else {
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
            Expr::IfElse(choice) => {
                let (Some(condition), Some(then), Some(otherwise)) =
                    (choice.condition(), choice.body(), choice.else_body())
                else {
                    return Ok(self.unread(expr, env));
                };
                match self.conditions(&condition, env)? {
                    Decision::Known(true) => self.eval(&then, env)?,
                    Decision::Known(false) => self.eval(&otherwise, env)?,
                    Decision::Open(conditions) => Value::Either(
                        Rc::new(conditions),
                        self.delay(then, env),
                        self.delay(otherwise, env),
                    ),
                }
            }
            Expr::Apply(apply) => {
                let (Some(function), Some(argument)) = (apply.lambda(), apply.argument()) else {
                    return Ok(self.unread(expr, env));
                };
                let function = self.eval(&function, env)?;
                let argument = self.delay(argument, env);
                let span = span_of(expr.syntax(), env.file);
                match self.apply(&function, argument, span)? {
                    // The whole application is where literals are looked for.
                    Value::Unknown(mystery) => self.mystery(expr, env, mystery.reason.clone()),
                    value => value,
                }
            }
            Expr::UnaryOp(operation) => match (operation.operator(), operation.expr()) {
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
            Expr::BinOp(operation) => self.eval_operation(operation, expr, env)?,
            Expr::PathRel(path) => self.eval_path(&path.parts(), expr, env)?,
            Expr::PathAbs(path) => self.eval_path(&path.parts(), expr, env)?,
            Expr::PathHome(_) | Expr::PathSearch(_) | Expr::CurPos(_) | Expr::Error(_) => {
                self.unread(expr, env)
            }
        })
    }

    fn eval_child(&self, child: Option<Expr>, parent: &Expr, env: Env) -> Outcome<Value> {
        match child {
            Some(child) => self.eval(&child, env),
            None => Ok(self.unread(parent, env)),
        }
    }

    /// What an expression is that only an evaluation can tell.
    pub(super) fn unread(&self, expr: &Expr, env: Env) -> Value {
        let reason = format!("depends on `{}`", excerpt_of(expr.syntax()));
        self.mystery(expr, env, reason)
    }

    pub(super) fn mystery(&self, expr: &Expr, env: Env, reason: String) -> Value {
        Value::Unknown(Rc::new(Mystery {
            reason,
            span: span_of(expr.syntax(), env.file),
            node: Some((expr.syntax().clone(), env)),
        }))
    }

    fn eval_path(&self, parts: &[InterpolPart<ast::PathContent>], expr: &Expr, env: Env) -> Outcome<Value> {
        let [InterpolPart::Literal(path)] = parts else {
            return Ok(self.unread(expr, env));
        };
        let directory = self.sources.directory(env.file);
        Ok(Value::Path(Rc::new(resolve(&directory, path.syntax().text()))))
    }

    fn eval_select(&self, select: &ast::Select, expr: &Expr, env: Env) -> Outcome<Value> {
        let (Some(of), Some(path)) = (select.expr(), select.attrpath()) else {
            return Ok(self.unread(expr, env));
        };
        let span = span_of(expr.syntax(), env.file);
        let mut value = self.eval(&of, env)?;
        for attr in path.attrs() {
            let Some(Some(name)) = self.attr_name(&attr, env)? else {
                return Ok(self.unread(expr, env));
            };
            if let (Value::Set(set), Some(default)) = (&value, select.default_expr())
                && set.rest.is_empty()
                && !set.entries.contains_key(&name)
            {
                return self.eval(&default, env);
            }
            value = self.select(&value, &name, span)?;
        }
        Ok(match value {
            Value::Given(_) | Value::Unknown(_) if select.default_expr().is_some() => self.unread(expr, env),
            value => value,
        })
    }

    /// The letters of a string; none where they are not all known.
    pub(super) fn string(&self, string: &ast::Str, env: Env) -> Outcome<Option<Rc<str>>> {
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

    fn eval_operation(&self, operation: &ast::BinOp, expr: &Expr, env: Env) -> Outcome<Value> {
        let (Some(operator), Some(lhs), Some(rhs)) = (operation.operator(), operation.lhs(), operation.rhs())
        else {
            return Ok(self.unread(expr, env));
        };
        let span = span_of(expr.syntax(), env.file);
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
