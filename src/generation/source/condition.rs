//! Owns what a condition comes to: true, false, or the parts of it that are open.

use rnix::ast::{BinOpKind, Expr, UnaryOpKind};
use rnix::{NodeOrToken, SyntaxKind, SyntaxToken};
use rowan::ast::AstNode;

use super::eval::{Evaluator, Outcome, span_of};
use super::text::excerpt;
use super::value::{Condition, Env, Given, ThunkId, Value};

/// What a condition comes to.
pub(super) enum Decision {
    Known(bool),
    /// What must hold, all of it.
    Open(Vec<Condition>),
}

impl Evaluator<'_> {
    /// Decides a condition, or names its parts that are open.
    pub(super) fn conditions(&self, expr: &Expr, env: Env) -> Outcome<Decision> {
        self.deeper(|| self.condition(expr, env))
            .unwrap_or_else(|| self.open_text(expr, env))
    }

    fn condition(&self, expr: &Expr, env: Env) -> Outcome<Decision> {
        let value = self.eval(expr, env)?;
        let span = span_of(expr.syntax(), env.file);
        let open = |key: &str, text: &str| Decision::Open(vec![Condition::new(key, text, span)]);
        Ok(match value {
            Value::Bool(value) => Decision::Known(value),
            // The same option by whatever name.
            Value::Given(Given::Path(path)) => open(&path, &path),
            _ => match expr {
                Expr::Paren(paren) => match paren.expr() {
                    Some(inner) => self.conditions(&inner, env)?,
                    None => open("", ""),
                },
                Expr::Ident(_) => match self.definition(expr, env) {
                    Some((definition, within)) => self.conditions(&definition, within)?,
                    None => self.open_text(expr, env)?,
                },
                Expr::UnaryOp(operation) => match (operation.operator(), operation.expr()) {
                    (Some(UnaryOpKind::Invert), Some(inner)) => match self.conditions(&inner, env)? {
                        Decision::Known(value) => Decision::Known(!value),
                        Decision::Open(conditions) => {
                            Decision::Open(Condition::not(&conditions).into_iter().collect())
                        }
                    },
                    _ => self.open_text(expr, env)?,
                },
                Expr::BinOp(operation) => match (operation.operator(), operation.lhs(), operation.rhs()) {
                    (Some(BinOpKind::And), Some(lhs), Some(rhs)) => {
                        match (self.conditions(&lhs, env)?, self.conditions(&rhs, env)?) {
                            (Decision::Known(false), _) | (_, Decision::Known(false)) => {
                                Decision::Known(false)
                            }
                            (Decision::Known(true), other) | (other, Decision::Known(true)) => other,
                            (Decision::Open(mut conditions), Decision::Open(more)) => {
                                conditions.extend(more);
                                Decision::Open(conditions)
                            }
                        }
                    }
                    _ => self.open_text(expr, env)?,
                },
                _ => self.open_text(expr, env)?,
            },
        })
    }

    fn open_text(&self, expr: &Expr, env: Env) -> Outcome<Decision> {
        let mut text = String::new();
        // The same words in another file, or with other values for their names, may mean something else.
        let mut key = format!("{}:", env.file);
        let mut tokens = expr.syntax().descendants_with_tokens();
        while let Some(NodeOrToken::Token(token)) =
            tokens.by_ref().find(|element| element.as_token().is_some())
        {
            if token.kind().is_trivia() {
                text.push(' ');
                key.push(' ');
                continue;
            }
            let (shown, meant) = self.name_in_words(&token, env)?;
            text.push_str(shown.as_deref().unwrap_or(token.text()));
            key.push_str(meant.as_deref().unwrap_or(token.text()));
        }
        let span = span_of(expr.syntax(), env.file);
        Ok(Decision::Open(vec![Condition::new(&key, &excerpt(&text), span)]))
    }

    /// What a name in an expression stands for, where that is a word: to show and to tell apart from others.
    fn name_in_words(&self, token: &SyntaxToken, env: Env) -> Outcome<(Option<String>, Option<String>)> {
        let is_name = token.kind() == SyntaxKind::TOKEN_IDENT
            && token
                .parent()
                .and_then(|ident| ident.parent())
                .is_none_or(|parent| parent.kind() != SyntaxKind::NODE_ATTRPATH);
        let Some(thunk) = is_name
            .then(|| self.resolve(token.text(), env, &mut Vec::new()))
            .flatten()
        else {
            return Ok((None, None));
        };
        let words = match self.force(thunk)? {
            Value::Text(Some(text)) => format!("{text:?}"),
            Value::Number(number) => number.to_string(),
            Value::Given(Given::Path(path)) => path.to_string(),
            Value::Given(Given::Lib) => return Ok((None, None)),
            _ => return Ok((None, Some(format!("{}#{}", token.text(), thunk.0)))),
        };
        Ok((Some(words.clone()), Some(words)))
    }

    /// The expression that a name is bound to.
    fn definition(&self, expr: &Expr, env: Env) -> Option<(Expr, Env)> {
        let Expr::Ident(ident) = expr else { return None };
        let name = ident.ident_token()?;
        self.expr(self.resolve(name.text(), env, &mut Vec::new())?)
    }

    /// A condition that a function was given.
    pub(super) fn decide(&self, thunk: ThunkId) -> Outcome<Decision> {
        if let Some((expr, env)) = self.expr(thunk) {
            return self.conditions(&expr, env);
        }
        Ok(match self.force(thunk)? {
            Value::Bool(value) => Decision::Known(value),
            value => {
                let reason = self.mystery_of(&value, self.span(thunk)).reason.clone();
                let text = reason.trim_start_matches("depends on ").trim_matches('`');
                Decision::Open(vec![Condition::new(text, text, self.span(thunk))])
            }
        })
    }
}
