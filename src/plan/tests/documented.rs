//! Checks that docs/findings.md has a section for every kind of finding, and none for others.

use crate::plan::Code;

#[test]
fn every_kind_has_its_section() {
    let page = include_str!("../../../docs/findings.md");
    let sections: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(sections, Code::ALL.map(Code::name));
    for section in page.split("\n## ").skip(1) {
        let name = section.lines().next().unwrap_or_default();
        for part in ["**Example.**", "**What to do.**"] {
            assert!(section.contains(part), "{name} lacks {part}");
        }
    }
}
