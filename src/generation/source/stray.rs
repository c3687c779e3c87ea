//! Owns finding declarations that no module's attributes led to: in arguments of functions that are not followed, in values
//! that nothing was found to use. What stands there is not told to be absent.

use std::rc::Rc;

use rnix::ast;
use rnix::{SyntaxNode, TextSize};
use rowan::ast::AstNode;

use super::eval::{Evaluator, span_of};
use super::sources::{File, WORD};
use super::text::{FileId, excerpt_of};
use super::value::Mystery;

/// The keys `migrations` of a file that may declare something and were not reached.
pub(super) fn strays(evaluator: &Evaluator<'_>, id: FileId) -> Vec<Rc<Mystery>> {
    let file = evaluator.sources.file(id);
    let mut strays = Vec::new();
    for (offset, _) in file.source.text.match_indices(WORD) {
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
        let node = key
            .ancestors()
            .find(|node| ast::AttrpathValue::can_cast(node.kind()));
        strays.push(Rc::new(Mystery {
            reason: "stands where it cannot be told what becomes of it".to_owned(),
            span: span_of(&key, id),
            node: node.map(|node| (node, Evaluator::file_env(id))),
        }));
    }
    strays
}

/// The attribute's name at an offset, where it is one that is given a value.
fn key_at(file: &File, offset: u32) -> Option<SyntaxNode> {
    let token = file
        .root
        .syntax()
        .token_at_offset(TextSize::new(offset))
        .right_biased()?;
    if token.text() != WORD {
        return None;
    }
    let key = token.parent()?;
    let path = key.parent().and_then(ast::Attrpath::cast)?;
    path.syntax().parent().and_then(ast::AttrpathValue::cast)?;
    Some(key)
}

/// Whether a key may declare migrations where it stands: not where its place in a module is known and is another option's.
fn may_declare(file: &File, key: &SyntaxNode) -> bool {
    let mut path: Vec<String> = Vec::new();
    for binding in key.ancestors().filter_map(ast::AttrpathValue::cast) {
        let Some(attrpath) = binding.attrpath() else {
            continue;
        };
        let end = key.text_range().end();
        let names = attrpath
            .attrs()
            .take_while(|attr| path.is_empty() && attr.syntax().text_range().end() <= end || !path.is_empty())
            .map(|attr| excerpt_of(attr.syntax()).trim_matches('"').to_owned());
        path.splice(0..0, names.collect::<Vec<_>>());
        if path.iter().any(|name| name == "options") || is_option(&binding) {
            return false;
        }
        let start = binding.syntax().text_range().start().into();
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

fn is_option(binding: &ast::AttrpathValue) -> bool {
    let Some(ast::Expr::Apply(apply)) = binding.value() else {
        return false;
    };
    // Its last word, and not its text: that may be as long as the file, and each key in it asks.
    let word = apply.lambda().and_then(|function| function.syntax().last_token());
    word.is_some_and(|word| word.text().ends_with("mkOption"))
}
