//! Owns finding declarations that no module's attributes led to: in arguments of functions that are not followed, in values
//! that nothing was found to use. What stands there is not told to be absent.

use std::rc::Rc;

use memchr::memmem;
use rnix::SyntaxKind::{NODE_APPLY, NODE_ATTRPATH, NODE_ATTRPATH_VALUE};

use super::eval::Evaluator;
use super::sources::{File, WORD};
use super::syntax::Node;
use super::text::{FileId, excerpt_of};
use super::value::Mystery;

/// The keys `migrations` of a file that may declare something and were not reached.
pub(super) fn strays(evaluator: &Evaluator<'_>, id: FileId) -> Vec<Rc<Mystery>> {
    let file = evaluator.sources.file(id);
    let mut strays = Vec::new();
    for offset in memmem::find_iter(file.source.text.as_bytes(), WORD) {
        // Files are far shorter than 4 GiB.
        let offset = offset as u32;
        let is_declared = |start| file.declared.borrow().contains(&start);
        // `migrations`, and with its quotes.
        if is_declared(offset) || offset > 0 && is_declared(offset - 1) {
            continue;
        }
        let Some(key) = key_at(&file, offset) else {
            continue;
        };
        if !may_declare(&file, &key) {
            continue;
        }
        let node = key.ancestors().find(is_binding);
        strays.push(Rc::new(Mystery {
            reason: "stands where it cannot be told what becomes of it".to_owned(),
            span: key.span(),
            node: node.map(|node| (node, None)),
        }));
    }
    strays
}

/// The attribute's name at an offset, where it is one that is given a value.
fn key_at(file: &File, offset: u32) -> Option<Node> {
    let token = file.root.token_at(offset)?;
    if token.text() != WORD {
        return None;
    }
    let key = token.parent()?;
    let path = key.parent().filter(|path| path.kind() == NODE_ATTRPATH)?;
    path.parent().filter(is_binding)?;
    Some(key)
}

fn is_binding(node: &Node) -> bool {
    node.kind() == NODE_ATTRPATH_VALUE
}

/// Whether a key may declare migrations where it stands: not where its place in a module is known and is another option's.
fn may_declare(file: &File, key: &Node) -> bool {
    let mut path: Vec<String> = Vec::new();
    for binding in key.ancestors().filter(is_binding) {
        let Some(attrpath) = binding.child(NODE_ATTRPATH) else {
            continue;
        };
        let end = key.span().end;
        let names = attrpath
            .attrs()
            .take_while(|attr| path.is_empty() && attr.span().end <= end || !path.is_empty())
            .map(|attr| excerpt_of(&attr).trim_matches('"').to_owned());
        path.splice(0..0, names.collect::<Vec<_>>());
        if path.iter().any(|name| name == "options") || is_option(&binding) {
            return false;
        }
        let start = binding.span().start;
        if file.modules.borrow().contains(&start) {
            return is_ours(&path);
        }
    }
    true
}

/// Whether `migrations`, at the end of an attribute path from a module's top, may declare something.
fn is_ours(path: &[String]) -> bool {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    match names[..] {
        ["config", ref rest @ ..] if rest.len() < names.len() && !rest.is_empty() => is_ours(&path[1..]),
        [WORD] | ["systemd", "services", WORD] | ["systemd", "services", _, WORD] => true,
        ["imports" | "outputs", ..] => true,
        _ => false,
    }
}

fn is_option(binding: &Node) -> bool {
    let value = binding.expr(0).filter(|value| value.kind() == NODE_APPLY);
    // Its last word, and not its text: that may be as long as the file, and each key in it asks.
    let word = value.and_then(|apply| Some(apply.expr(0)?.last_token()));
    word.is_some_and(|word| word.text().ends_with("mkOption"))
}
