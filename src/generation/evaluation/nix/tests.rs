use super::*;

fn arguments(what: What, options: &ReadOptions) -> (Vec<String>, Option<PathBuf>) {
    let evaluation = Evaluation {
        what,
        inside: Vec::new(),
    };
    let request = request(Path::new("nix"), &evaluation.what, &[&evaluation], options, true);
    let apply = apply(&[&evaluation], options.scripts);
    let words = request
        .arguments
        .into_iter()
        .map(|word| word.into_string().unwrap());
    let words = words.map(|word| if word == apply { "APPLY".to_owned() } else { word });
    (words.collect(), request.directory)
}

const BEGINNING: [&str; 7] = [
    "--extra-experimental-features",
    "nix-command flakes",
    "eval",
    "--json",
    "--read-only",
    "--apply",
    "APPLY",
];

fn flake_of(reference: &str, attribute: &str) -> What {
    What::Flake {
        reference: reference.to_owned(),
        attribute: attribute.to_owned(),
    }
}

#[test]
fn each_origin_has_its_command() {
    let options = ReadOptions::default();
    let (words, directory) = arguments(flake_of("github:a/b?dir=c", "atlas"), &options);
    let (beginning, rest) = words.split_at(BEGINNING.len());
    assert_eq!(beginning, BEGINNING);
    assert_eq!(
        rest,
        [
            "--no-write-lock-file",
            "--",
            "github:a/b?dir=c#nixosConfigurations"
        ]
    );
    assert_eq!(directory, None);

    let file = |file: &str, attribute: Option<&str>| What::File {
        file: file.into(),
        attribute: attribute.map(str::to_owned),
    };
    let (words, _) = arguments(file("-x.nix", Some("a.\"b c\"")), &options);
    assert_eq!(words[BEGINNING.len()..], ["--file", "-x.nix", "--", "a.\"b c\""]);
    let (words, _) = arguments(file("/", None), &options);
    assert_eq!(words[BEGINNING.len()..], ["--file", "/", "--", ""]);

    let odd = PathBuf::from("/no where/${x}\".nix");
    let (words, _) = arguments(What::Configuration { file: odd }, &options);
    let rest = &words[BEGINNING.len()..];
    assert_eq!(rest[0], "--impure");
    assert!(!rest[2].contains("where"));
    assert_eq!(
        rest[3..],
        ["--argstr", "file", "/no where/${x}\".nix", "--", "system"]
    );
}

#[test]
fn a_flake_in_a_directory_of_an_odd_name_is_named_from_within() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["a b", "a#b", "a?b", "$(x)", "a\n\"b\"", "plain"] {
        let path = directory.path().join(name);
        std::fs::create_dir(&path).unwrap();
        let reference = path.to_str().unwrap();
        let expected = match name {
            "plain" => (reference, None),
            _ => (".", Some(path.clone())),
        };
        assert_eq!(flake(reference), expected);
    }
    assert_eq!(flake(""), (".", None));
    assert_eq!(flake("git+file:///x?dir=y"), ("git+file:///x?dir=y", None));
}

#[test]
fn hosts_are_named_with_and_without_where_they_stand() {
    for (attribute, name) in [
        ("atlas", "atlas"),
        ("a.b", "a.b"),
        ("\"a.b\"", "a.b"),
        ("nixosConfigurations.atlas", "atlas"),
        ("nixosConfigurations.\"a.b\"", "a.b"),
        ("\"", "\""),
    ] {
        assert_eq!(host(attribute), name);
    }
}

#[test]
fn the_function_fits_one_argument_and_is_nix() {
    let evaluation = Evaluation {
        what: flake_of(".", "a\"${b}\\"),
        inside: vec![Inside::Container("c\r\n".to_owned())],
    };
    let apply = apply(&[&evaluation, &evaluation], true);
    // Linux takes no argument longer than 128 KiB (execve(2), MAX_ARG_STRLEN).
    assert!(apply.len() < 64 * 1024, "{}", apply.len());
    let parsed = rnix::Root::parse(&apply);
    assert!(parsed.errors().is_empty(), "{:?}", parsed.errors());
}

#[test]
fn strings_are_escaped() {
    for (text, literal) in [
        ("", r#""""#),
        ("a.b", r#""a.b""#),
        ("\"", r#""\"""#),
        ("${x}", r#""\${x}""#),
        ("\\${x}", r#""\\\${x}""#),
        ("$$", r#""\$\$""#),
        ("a\r\nb", "\"a\\r\nb\""),
    ] {
        assert_eq!(string(text), literal);
    }
}

#[test]
fn the_words_of_old_and_new_nix_are_found() {
    let old = "warning: Git tree '/x' is dirty\n\
               \x1b[31;1merror:\x1b[0m attribute 'x' missing\n\n       at /x.nix:1:2:\n\n            1| { x }\n             |   ^\n\
               (use '--show-trace' to show detailed location information)\n";
    assert_eq!(
        words(old.as_bytes()),
        "error: attribute 'x' missing\n\nat /x.nix:1:2:\n\n     1| { x }\n      |   ^"
    );
    let new = "evaluating derivation 'x'\nerror:\n       … while evaluating the attribute 'bad.config'\n\
               \x20        at /x.nix:1:99:\n            1| {\n\n       \
               … while calling the 'throw' builtin\n         at /x.nix:1:130:\n\n       \
               (stack trace truncated; use '--show-trace' to show the full, detailed trace)\n\n       \
               error: line one\n       line two\n";
    assert_eq!(words(new.as_bytes()), "error: line one\nline two");
    // A new Nix without a trace, and a text that looks like one.
    let plain = "error: two\n       error: words\n       at «string»:1:4:\n";
    assert_eq!(
        words(plain.as_bytes()),
        "error: two\nerror: words\nat «string»:1:4:"
    );
    let git = "fatal: no such repository\nerror: program 'git' failed with exit code 128\n";
    assert_eq!(
        words(git.as_bytes()),
        "error: program 'git' failed with exit code 128\nfatal: no such repository"
    );
    assert_eq!(words(b"killed"), "killed");
    assert_eq!(words(b""), "");
}

#[test]
fn words_are_cut_and_harmless() {
    let long = format!("error: a\n{}", "       more\n".repeat(100));
    assert_eq!(words(long.as_bytes()).lines().count(), LINES + 1);
    assert_eq!(
        words(b"error: \x1b[1;35mfl\xffake\x1b[0m \x07bell\r\n"),
        "error: fl\u{fffd}ake bell"
    );
}

#[test]
fn a_path_that_is_not_valid_is_told_from_a_url_that_is_not() {
    assert!(wants_to_write("error: path '/nix/store/x-x.drv' is not valid"));
    assert!(wants_to_write("error: path 'x-x.drv' is not valid\n  at x"));
    assert!(!wants_to_write("error: 'a b' is not a valid URL"));
}
