//! Owns looking for versions in expressions that are not followed: what is written there is known, if not what becomes of it.

use std::collections::{BTreeMap, HashSet};

use rnix::SyntaxKind::{NODE_ATTRPATH, NODE_ATTRPATH_VALUE, NODE_IDENT, NODE_STRING};

use super::eval::Evaluator;
use super::string::{Piece, pieces};
use super::syntax::Node;
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

    fn search(&self, mut rest: Vec<(Node, Env)>) -> BTreeMap<Version, Span> {
        let mut versions = BTreeMap::new();
        let mut seen = HashSet::new();
        while let Some((node, env)) = rest.pop() {
            let span = node.span();
            if seen.len() >= MOST || !seen.insert((span.file, span.start, span.end)) {
                continue;
            }
            for node in node.descendants(is_other) {
                if node.kind() == NODE_STRING {
                    if let Some([Piece::Letters(text)]) = pieces(&node).as_deref()
                        && let Ok(version) = text.parse()
                    {
                        versions.entry(version).or_insert(node.span());
                    }
                } else if node.kind() == NODE_IDENT
                    && let Some(thunk) = self.resolve(node.text(), env, &mut Vec::new())
                {
                    rest.extend(self.origins(thunk));
                }
            }
        }
        versions
    }
}

fn is_other(node: &Node) -> bool {
    let path = match node.kind() {
        NODE_ATTRPATH_VALUE => node.child(NODE_ATTRPATH),
        _ => None,
    };
    let last = path.and_then(|path| path.attrs().last());
    last.is_some_and(|attr| OTHERS.contains(&attr.text().trim_matches('"')))
}
