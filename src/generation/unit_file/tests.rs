//! Tests of the unit file reader.

use proptest::prelude::*;

use super::*;

fn flat(text: &str) -> Vec<(String, String, String, u32)> {
    let file = UnitFile::parse(text.as_bytes()).unwrap();
    file.sections
        .iter()
        .flat_map(|section| {
            section.entries.iter().map(|entry| {
                let place = entry.place.line;
                (
                    section.name.to_string(),
                    entry.key.to_string(),
                    entry.value.to_string(),
                    place,
                )
            })
        })
        .collect()
}

fn problem(bytes: &[u8]) -> (SyntaxProblem, u32) {
    let error = UnitFile::parse(bytes).unwrap_err();
    (error.problem, error.place.line)
}

fn row(section: &str, key: &str, value: &str, line: u32) -> (String, String, String, u32) {
    (section.to_owned(), key.to_owned(), value.to_owned(), line)
}

#[test]
fn a_place_begins_on_its_first_line_whatever_is_blank() {
    let text = "[A]\n  \\\n\\\n   é = b\n  c = d  \n";
    let file = UnitFile::parse(text.as_bytes()).unwrap();
    let places = file.sections[0].entries.iter().map(|entry| &entry.place);
    let places: Vec<_> = places
        .map(|place| (place.line, &text[place.span.clone()]))
        .collect();
    assert_eq!(places, [(2, "\\\n\\\n   é = b"), (5, "c = d")]);
}

/// The examples of systemd.syntax(7).
#[test]
fn the_examples_of_the_manual() {
    let text = "[Section A]\nKeyOne=value 1\nKeyTwo=value 2\n\n# a comment\n\n[Section B]\n\
                Setting=\"something\" \"some thing\" \"…\"\nKeyTwo=value 2 \\\n       value 2 continued\n\n[Section C]\n\
                KeyThree=value 3\\\n# this line is ignored\n; this line is ignored too\n       value 3 continued\n";
    assert_eq!(
        flat(text),
        [
            row("Section A", "KeyOne", "value 1", 2),
            row("Section A", "KeyTwo", "value 2", 3),
            row("Section B", "Setting", "\"something\" \"some thing\" \"…\"", 8),
            row("Section B", "KeyTwo", "value 2         value 2 continued", 9),
            row("Section C", "KeyThree", "value 3        value 3 continued", 13),
        ]
    );
}

#[test]
fn odd_but_right() {
    for (text, rows) in [
        ("\u{feff}[A]\nb = c \t\n", vec![row("A", "b", "c", 2)]),
        ("[A]\r\nb=c\\\r\nd\r\n", vec![row("A", "b", "c d", 2)]),
        (
            "[A]\rb=c\rd=e",
            vec![row("A", "b", "c", 2), row("A", "d", "e", 3)],
        ),
        (
            "[A]\nb=c\\\\\nd=e",
            vec![row("A", "b", "c\\\\", 2), row("A", "d", "e", 3)],
        ),
        ("[A]\nb=c\\", vec![row("A", "b", "c", 2)]),
        (
            "[A]\nb=c\\\n\nd=e",
            vec![row("A", "b", "c", 2), row("A", "d", "e", 4)],
        ),
        (
            "[A]\nb=c\\ \nd=e",
            vec![row("A", "b", "c\\", 2), row("A", "d", "e", 3)],
        ),
        ("[A]\nb==c=", vec![row("A", "b", "=c=", 2)]),
        ("[A]\nb=\n", vec![row("A", "b", "", 2)]),
        ("[A]\n  # b=c\\\nd=e", vec![row("A", "d", "e", 3)]),
        (
            "[A]\nb=c\n[A]\nd=e",
            vec![row("A", "b", "c", 2), row("A", "d", "e", 4)],
        ),
        ("", vec![]),
    ] {
        assert_eq!(flat(text), rows, "{text:?}");
    }
}

#[test]
fn places_are_those_of_the_file() {
    let text = "\u{feff}[A]\n  b = c d  \ne=f\\\n  g\n";
    let file = UnitFile::parse(text.as_bytes()).unwrap();
    let span = |place: &Place| &text[place.span.clone()];
    assert_eq!(span(&file.sections[0].place), "[A]");
    assert_eq!(span(&file.sections[0].entries[0].place), "b = c d");
    assert_eq!(span(&file.sections[0].entries[1].place), "e=f\\\n  g");
}

#[test]
fn what_systemd_skips_is_told() {
    let file = UnitFile::parse(b"a=b\n[A]\nno assignment\n=c\n").unwrap();
    let ignored: Vec<_> = file
        .ignored
        .iter()
        .map(|line| (line.place.line, line.reason))
        .collect();
    assert_eq!(
        ignored,
        [
            (1, IgnoredReason::NoSection),
            (3, IgnoredReason::NoAssignment),
            (4, IgnoredReason::NoKey)
        ]
    );
}

#[test]
fn what_is_no_unit_file_is_refused_with_its_line() {
    assert_eq!(problem(b"[A]\r\nb=c\rd=\0"), (SyntaxProblem::Nul, 3));
    assert_eq!(problem(b"[A]\nb=\xff\n"), (SyntaxProblem::Utf8, 2));
    assert_eq!(problem(b"\x7fELF\x02\x01\x01\0\0"), (SyntaxProblem::Nul, 1));
    for header in ["[A", "[", "[A]x", "[A\"]", "[A\\b]", "[A\x01]"] {
        let text = format!("\n{header}\nb=c");
        assert_eq!(
            problem(text.as_bytes()),
            (SyntaxProblem::SectionHeader, 2),
            "{header}"
        );
    }
    let long = "x".repeat(MAX_LINE + 1);
    assert_eq!(
        problem(format!("[A]\na={long}").as_bytes()),
        (SyntaxProblem::LineTooLong, 2)
    );
    let half = "x".repeat(MAX_LINE / 2);
    let continued = format!("[A]\na={half}\\\n{half}\\\nb");
    assert_eq!(problem(continued.as_bytes()), (SyntaxProblem::LineTooLong, 3));
    assert_eq!(
        problem(&vec![b'#'; MAX_FILE as usize + 1]).0,
        SyntaxProblem::FileTooLong
    );
}

#[test]
fn an_empty_assignment_drops_what_was_before() {
    let files = [
        "[Service]\nExecStart=a\nExecStart=b",
        "[Service]\nExecStart=\nExecStart=c\n",
    ];
    let files = files.map(|text| UnitFile::parse(text.as_bytes()).unwrap());
    assert_eq!(list(&files[..1], "Service", "ExecStart"), ["a", "b"]);
    assert_eq!(list(&files, "Service", "ExecStart"), ["c"]);
}

proptest! {
    #[test]
    fn never_panics_and_places_are_inside(bytes in proptest::collection::vec(
        prop_oneof![
            Just(b'['), Just(b']'), Just(b'='), Just(b'\\'), Just(b'\n'), Just(b'\r'), Just(b'#'), Just(b' '),
            Just(b'a'), Just(0xef), Just(0xbb), Just(0xbf), any::<u8>()
        ],
        0..64,
    )) {
        if let Ok(file) = UnitFile::parse(&bytes) {
            for entry in file.sections.iter().flat_map(|section| &section.entries) {
                prop_assert!(bytes.get(entry.place.span.clone()).is_some());
                prop_assert!(!entry.key.contains('='));
            }
        }
    }
}
