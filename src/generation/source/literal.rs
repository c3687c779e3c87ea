//! Owns looking for versions in expressions that are not followed: what is written there is known, if not what becomes of it.

use std::collections::{BTreeMap, HashSet};

use rnix::ast;
use rnix::{SyntaxNode, WalkEvent};
use rowan::ast::AstNode;

use super::eval::{Evaluator, span_of};
use super::string::{Piece, pieces};
use super::text::Span;
use super::value::{Env, Mystery, ThunkId};
use crate::model::Version;

/// How many expressions are looked through.
const MOST: usize = 10_000;

/// Attributes whose versions are no migrations.
const OTHERS: [&str; 2] = ["acknowledge", "oldest"];

impl Evaluator<'_> {
    /// The versions that are written in what could not be told.
    pub(super) fn versions_in(&self, mystery: &Mystery) -> BTreeMap<Version, Span> {
        self.search(mystery.node.clone().into_iter().collect())
    }

    /// The versions that are written in an expression.
    pub(super) fn versions_of(&self, thunk: ThunkId) -> BTreeMap<Version, Span> {
        self.search(self.origins(thunk))
    }

    fn search(&self, mut rest: Vec<(SyntaxNode, Env)>) -> BTreeMap<Version, Span> {
        let mut versions = BTreeMap::new();
        let mut seen = HashSet::new();
        while let Some((node, env)) = rest.pop() {
            let span = span_of(&node, env.file);
            if seen.len() >= MOST || !seen.insert((span.file, span.start, span.end)) {
                continue;
            }
            let mut walk = node.preorder();
            while let Some(event) = walk.next() {
                let WalkEvent::Enter(node) = event else { continue };
                if is_other(&node) {
                    walk.skip_subtree();
                } else if let Some(string) = ast::Str::cast(node.clone()) {
                    if let Some([Piece::Letters(text)]) = pieces(&string).as_deref()
                        && let Ok(version) = text.parse()
                    {
                        versions.entry(version).or_insert(span_of(&node, env.file));
                    }
                } else if let Some(name) = ast::Ident::cast(node).and_then(|ident| ident.ident_token())
                    && let Some(thunk) = self.resolve(name.text(), env, &mut Vec::new())
                {
                    rest.extend(self.origins(thunk));
                }
            }
        }
        versions
    }
}

fn is_other(node: &SyntaxNode) -> bool {
    let Some(binding) = ast::AttrpathValue::cast(node.clone()) else {
        return false;
    };
    let last = binding.attrpath().and_then(|path| path.attrs().last());
    last.is_some_and(|attr| OTHERS.contains(&attr.syntax().text().to_string().trim_matches('"')))
}
