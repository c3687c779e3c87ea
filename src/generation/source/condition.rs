//! Owns what a condition comes to: true, false, or the parts of it that are open.

use rnix::SyntaxKind::{NODE_ATTRPATH, NODE_BIN_OP, NODE_IDENT, NODE_PAREN, NODE_UNARY_OP, TOKEN_IDENT};
use rnix::ast::{BinOpKind, UnaryOpKind};

use super::eval::{Evaluator, Outcome};
use super::expr::{binary_operator, unary_operator};
use super::syntax::Node;
use super::text::excerpt;
use super::value::{Condition, Conditions, Env, Given, ThunkId, Value};

/// What a condition comes to.
pub(super) enum Decision {
    Known(bool),
    /// What must hold, all of it.
    Open(Conditions),
}

impl Evaluator<'_> {
    /// Decides a condition, or names its parts that are open.
    pub(super) fn conditions(&self, expr: &Node, env: Env) -> Outcome<Decision> {
        self.deeper(|| self.condition(expr, env))
            .unwrap_or_else(|| self.open_text(expr, env))
    }

    fn condition(&self, expr: &Node, env: Env) -> Outcome<Decision> {
        let value = self.eval(expr, env)?;
        let span = expr.span();
        let open = |key: &str, text: &str| Decision::Open(vec![Condition::new(key, text, span)].into());
        Ok(match value {
            Value::Bool(value) => Decision::Known(value),
            // The same option by whatever name.
            Value::Given(Given::Path(path)) => open(&path, &path),
            _ => match expr.kind() {
                NODE_PAREN => match expr.expr(0) {
                    Some(inner) => self.conditions(&inner, env)?,
                    None => open("", ""),
                },
                NODE_IDENT => match self.definition(expr, env) {
                    Some((definition, within)) => self.conditions(&definition, within)?,
                    None => self.open_text(expr, env)?,
                },
                NODE_UNARY_OP => match (unary_operator(expr), expr.expr(0)) {
                    (Some(UnaryOpKind::Invert), Some(inner)) => match self.conditions(&inner, env)? {
                        Decision::Known(value) => Decision::Known(!value),
                        Decision::Open(conditions) => {
                            Decision::Open(Condition::not(&conditions).into_iter().collect())
                        }
                    },
                    _ => self.open_text(expr, env)?,
                },
                NODE_BIN_OP => match (binary_operator(expr), expr.expr(0), expr.expr(1)) {
                    (Some(BinOpKind::And), Some(lhs), Some(rhs)) => {
                        match (self.conditions(&lhs, env)?, self.conditions(&rhs, env)?) {
                            (Decision::Known(false), _) | (_, Decision::Known(false)) => {
                                Decision::Known(false)
                            }
                            (Decision::Known(true), other) | (other, Decision::Known(true)) => other,
                            (Decision::Open(conditions), Decision::Open(more)) => {
                                Decision::Open(conditions.and(&more))
                            }
                        }
                    }
                    _ => self.open_text(expr, env)?,
                },
                _ => self.open_text(expr, env)?,
            },
        })
    }

    fn open_text(&self, expr: &Node, env: Env) -> Outcome<Decision> {
        let mut text = String::new();
        // The same words in another file, or with other values for their names, may mean something else.
        let mut key = format!("{}:", expr.span().file);
        for token in expr.tokens() {
            if token.kind().is_trivia() {
                text.push(' ');
                key.push(' ');
                continue;
            }
            let (shown, meant) = self.name_in_words(&token, env)?;
            text.push_str(shown.as_deref().unwrap_or(token.text()));
            key.push_str(meant.as_deref().unwrap_or(token.text()));
        }
        let span = expr.span();
        Ok(Decision::Open(
            vec![Condition::new(&key, &excerpt(&text), span)].into(),
        ))
    }

    /// What a name in an expression stands for, where that is a word: to show and to tell apart from others.
    fn name_in_words(&self, token: &Node, env: Env) -> Outcome<(Option<String>, Option<String>)> {
        let is_name = token.kind() == TOKEN_IDENT
            && token
                .parent()
                .and_then(|ident| ident.parent())
                .is_none_or(|parent| parent.kind() != NODE_ATTRPATH);
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
    fn definition(&self, name: &Node, env: Env) -> Option<(Node, Env)> {
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
                Decision::Open(vec![Condition::new(text, text, self.span(thunk))].into())
            }
        })
    }
}
