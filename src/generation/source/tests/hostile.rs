use super::*;

#[test]
fn what_is_nested_too_deeply_is_refused() {
    for (open, close) in [
        ("[", "]"),
        ("(", ")"),
        ("{ a = ", "; }"),
        ("\"${", "}\""),
        ("{ a }: [", "]"),
    ] {
        let text = format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
        assert_eq!(bad(&text).fault, Fault::Depth, "{open}");
    }
    for link in [
        "!",
        "- ",
        "a // ",
        "f ",
        "x: ",
        "a ++ ",
        "let a = 1; in ",
        "if a then b else ",
    ] {
        for count in [3_000, 10_000, 300_000 / link.len()] {
            // Whether it is read or refused, the stack holds.
            let _ = read_text("a.nix", &format!("{}migrations", link.repeat(count)));
        }
    }
}

#[test]
fn what_has_no_end_is_given_up() {
    for text in [
        "let a = a; in { migrations = a; }",
        "let f = x: f x; in { migrations.a = f 1; }",
        "let f = x: x x; in { migrations.a = f f; }",
        "let s = { migrations = s; }; in s",
        "rec { migrations.a.steps = migrations.a.steps; }",
        "{ lib, ... }: let a = lib.mkMerge [ a a ]; in { migrations.a = a; }",
        "{ imports = [ { imports = let m = { imports = [ m m ]; }; in [ m ]; } ]; migrations = { }; }",
        "let l = [ 1 ] ++ l; in { migrations.a.steps = l; }",
        "let s = { a = 1; } // s; in { migrations.a.steps = s; }",
        "{ lib, ... }: let f = n: lib.mkMerge [ (f n) (f n) ]; in { migrations.a = f 1; }",
    ] {
        let _ = read_text("a.nix", text);
    }
    let doubling = |first: &str, next: fn(usize) -> String, last: &str| {
        let mut text = format!("{{ lib, ... }}: let a0 = {first}; ");
        for n in 1..60 {
            text.push_str(&format!("a{n} = {}; ", next(n - 1)));
        }
        format!("{text} in {{ migrations.a{last} = a59; }}")
    };
    for text in [
        doubling(
            "\"x\"",
            |n| format!("a{n} + a{n}"),
            ".steps.\"2024-01-01\".up.script",
        ),
        doubling(
            "\"x\"",
            |n| format!("\"${{a{n}}}${{a{n}}}\""),
            ".steps.\"2024-01-01\".up.script",
        ),
        doubling("[ 1 ]", |n| format!("a{n} ++ a{n}"), ".steps"),
        doubling("{ }", |n| format!("lib.mkMerge [ a{n} a{n} ]"), ""),
        doubling("x: x", |n| format!("x: a{n} (a{n} x)"), ""),
        doubling("{ }", |n| format!("if x then a{n} else a{n}"), ".steps"),
    ] {
        let _ = read_text("a.nix", &text);
    }
}

#[test]
fn chains_of_names_do_not_overflow() {
    let mut text = "let a0 = { }; ".to_owned();
    for n in 1..20_000 {
        text.push_str(&format!("a{n} = a{}; ", n - 1));
    }
    text.push_str("in { migrations.a.steps = a19999; }");
    assert!(!service(&text).history.unread.is_empty());
}
