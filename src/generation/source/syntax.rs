//! Owns the trees of texts as the reader walks them. rnix parses; its tree is copied into one list, since each step of a walk
//! over rnix's own allocates, and since a list is handed from thread to thread and freed at once. Knows no value.

use std::iter::successors;
use std::rc::Rc;
use std::sync::Arc;

use rnix::{NixLanguage, Parse, Root, SyntaxKind, ast};
use rowan::ast::AstNode;
use rowan::{GreenNodeData, Language, NodeOrToken};

use super::text::{FileId, Span};

/// The tree of a text: its nodes and tokens in the order in which they begin, each before those within it.
#[derive(Clone)]
pub(super) struct Entries(Arc<[Entry]>);

#[derive(Clone, Copy)]
struct Entry {
    kind: SyntaxKind,
    /// Where it begins in the text, in bytes. It ends where the first entry begins that is not within it.
    start: u32,
    /// The entry that it is right below; the root is its own.
    parent: u32,
    /// The first entry that is not within it.
    next: u32,
}

impl Entries {
    pub(super) fn new(parse: &Parse<Root>, scratch: &mut Scratch) -> Self {
        scratch.0.clear();
        scratch.copy(parse.syntax().green(), 0, 0);
        Self(scratch.0[..].into())
    }
}

/// Room in which trees are copied, one after the other.
#[derive(Default)]
pub(super) struct Scratch(Vec<Entry>);

impl Scratch {
    /// Copies a node that begins somewhere; where it ends.
    fn copy(&mut self, node: &GreenNodeData, parent: u32, start: u32) -> u32 {
        let at = self.push(node.kind(), parent, start);
        let mut end = start;
        for child in node.children() {
            end = match child {
                NodeOrToken::Node(node) => self.copy(node, at, end),
                NodeOrToken::Token(token) => {
                    self.push(token.kind(), at, end);
                    end + u32::from(token.text_len())
                }
            };
        }
        self.0[at as usize].next = self.0.len() as u32;
        end
    }

    fn push(&mut self, kind: rowan::SyntaxKind, parent: u32, start: u32) -> u32 {
        // Files are far shorter than 4 GiB, and so are the lists of what is in them.
        let at = self.0.len() as u32;
        self.0.push(Entry {
            kind: NixLanguage::kind_from_raw(kind),
            start,
            parent,
            next: at + 1,
        });
        at
    }
}

/// A tree with its text.
struct Tree {
    file: FileId,
    text: Arc<str>,
    entries: Entries,
}

/// A node or a token of a tree.
#[derive(Clone)]
pub(super) struct Node {
    tree: Rc<Tree>,
    at: u32,
}

impl Node {
    /// The root of a text's tree.
    pub(super) fn root(file: FileId, text: Arc<str>, entries: Entries) -> Self {
        Self {
            tree: Rc::new(Tree { file, text, entries }),
            at: 0,
        }
    }

    fn entry(&self) -> &Entry {
        &self.tree.entries.0[self.at as usize]
    }

    fn other(&self, at: u32) -> Self {
        Self {
            tree: Rc::clone(&self.tree),
            at,
        }
    }

    pub(super) fn kind(&self) -> SyntaxKind {
        self.entry().kind
    }

    pub(super) fn span(&self) -> Span {
        let &Entry { start, next, .. } = self.entry();
        let tree = &self.tree;
        let behind = tree.entries.0.get(next as usize);
        Span {
            file: tree.file,
            start,
            end: behind.map_or(tree.text.len() as u32, |behind| behind.start),
        }
    }

    pub(super) fn text(&self) -> &str {
        let Span { start, end, .. } = self.span();
        &self.tree.text[start as usize..end as usize]
    }

    pub(super) fn parent(&self) -> Option<Self> {
        (self.at != 0).then(|| self.other(self.entry().parent))
    }

    /// The node itself and what it is within, from the inside.
    pub(super) fn ancestors(&self) -> impl Iterator<Item = Self> {
        successors(Some(self.clone()), Self::parent)
    }

    /// The nodes and tokens right below.
    pub(super) fn children(&self) -> impl Iterator<Item = Self> {
        self.below(|_| true)
    }

    /// Those right below whose kind is wanted.
    pub(super) fn below(&self, wanted: impl Fn(SyntaxKind) -> bool) -> impl Iterator<Item = Self> {
        self.row(self.at + 1, self.entry().next, wanted)
    }

    /// The name behind this one in an attribute path.
    pub(super) fn next_attr(&self) -> Option<Self> {
        let end = self.parent()?.entry().next;
        self.row(self.entry().next, end, ast::Attr::can_cast).next()
    }

    /// Nodes and tokens beside each other.
    fn row(&self, first: u32, end: u32, wanted: impl Fn(SyntaxKind) -> bool) -> impl Iterator<Item = Self> {
        let entries = &self.tree.entries.0;
        let before_end = move |at: &u32| *at < end;
        let all = successors(Some(first).filter(before_end), move |&at| {
            Some(entries[at as usize].next).filter(before_end)
        });
        all.filter(move |&at| wanted(entries[at as usize].kind))
            .map(|at| self.other(at))
    }

    /// The first of a kind right below.
    pub(super) fn child(&self, kind: SyntaxKind) -> Option<Self> {
        self.below(|other| other == kind).next()
    }

    /// An expression right below, counted from 0.
    pub(super) fn expr(&self, n: usize) -> Option<Self> {
        self.exprs().nth(n)
    }

    /// The expressions right below.
    pub(super) fn exprs(&self) -> impl Iterator<Item = Self> {
        self.below(ast::Expr::can_cast)
    }

    /// The names right below: of an attribute path, or of `inherit`.
    pub(super) fn attrs(&self) -> impl Iterator<Item = Self> {
        self.below(ast::Attr::can_cast)
    }

    /// The tokens at any depth.
    pub(super) fn tokens(&self) -> impl Iterator<Item = Self> {
        self.descendants(|_| false).filter(Self::is_token)
    }

    /// The node itself and all that is within it, each before what is within it, but for what is skipped and what is in that.
    pub(super) fn descendants(&self, skipped: impl Fn(&Self) -> bool) -> impl Iterator<Item = Self> {
        let end = self.entry().next;
        let mut at = self.at;
        std::iter::from_fn(move || {
            while at < end {
                let node = self.other(at);
                if !skipped(&node) {
                    at += 1;
                    return Some(node);
                }
                at = node.entry().next;
            }
            None
        })
    }

    /// A node of a text that is Nix has tokens within it.
    fn is_token(&self) -> bool {
        self.entry().next == self.at + 1
    }

    /// The last token within a node, and a token itself.
    pub(super) fn last_token(&self) -> Self {
        self.other(self.entry().next - 1)
    }

    /// The token that a byte of the text is in: of those that begin with the same byte it is the last.
    pub(super) fn token_at(&self, offset: u32) -> Option<Self> {
        let entries = &self.tree.entries.0;
        let behind = entries.partition_point(|entry| entry.start <= offset);
        behind.checked_sub(1).map(|at| self.other(at as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(text: &str) -> Node {
        Node::root(
            0,
            text.into(),
            Entries::new(&Root::parse(text), &mut Scratch::default()),
        )
    }

    #[test]
    fn a_copy_is_the_tree_that_rnix_made() {
        for text in [
            "1",
            " # a\n{ a.b.\"c\" = ''\n  é${d}\n''; inherit (e) f; } /* g */\n",
            "{ a, b ? 1, ... }@c: let d = [ ./e.nix <f> -1 ]; in if a then b or c else x: !d // { }",
        ] {
            let theirs = Root::parse(text).syntax();
            let theirs = theirs.descendants_with_tokens().map(|one| {
                let parent = one.parent().map(|parent| parent.text_range());
                (one.kind(), one.text_range(), parent, one.to_string())
            });
            let range = |node: &Node| {
                let Span { start, end, .. } = node.span();
                rnix::TextRange::new(start.into(), end.into())
            };
            let root = root(text);
            let ours = root.descendants(|_| false).map(|one| {
                let parent = one.parent().map(|parent| range(&parent));
                (one.kind(), range(&one), parent, one.text().to_owned())
            });
            assert!(ours.eq(theirs), "{text}");
        }
    }

    #[test]
    fn a_walk_leaves_out_what_is_skipped() {
        let root = root("[ a (b c) d ]");
        let walk = root.descendants(|node| node.kind() == SyntaxKind::NODE_PAREN);
        let names = walk.filter(|node| node.kind() == SyntaxKind::NODE_IDENT);
        assert_eq!(
            names.map(|name| name.text().to_owned()).collect::<Vec<_>>(),
            ["a", "d"]
        );
    }

    #[test]
    fn names_and_tokens_are_found() {
        let root = root("{ a.\"b\".${c} = d; }");
        let token = |offset| root.token_at(offset).unwrap();
        assert_eq!(token(2).text(), "a");
        assert_eq!(token(5).text(), "b");
        let attr = token(2).parent().unwrap();
        let path = successors(Some(attr), Node::next_attr);
        assert_eq!(
            path.map(|attr| attr.text().to_owned()).collect::<Vec<_>>(),
            ["a", "\"b\"", "${c}"]
        );
        assert_eq!(root.last_token().text(), "}");
    }
}
