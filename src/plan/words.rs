//! Owns how findings list versions and what several of them say alike.

use crate::model::Version;

/// What to do where a side could not be read in full.
pub(super) const READ_OTHERWISE: &str = "Look at that place, or read the side another way: an evaluation (`.#host`) or a \
                                         closure tells more than a source text.";

/// `a`, `a and b`, `a, b and c`, `a, b, c and 9 more`.
pub(super) fn list(versions: &[Version]) -> String {
    join(versions.iter().map(Version::to_string).collect())
}

/// The same of names.
pub(super) fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    join(names.map(str::to_owned).collect())
}

fn join(mut words: Vec<String>) -> String {
    const SHOWN: usize = 4;
    if words.len() > SHOWN {
        let more = words.len() - (SHOWN - 1);
        words.truncate(SHOWN - 1);
        words.push(format!("{more} more"));
    }
    match words.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, first)) => format!("{} and {last}", first.join(", ")),
    }
}

/// The same, with its verb: `a is`, `a and b are`.
pub(super) fn are(versions: &[Version]) -> String {
    let verb = if versions.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", list(versions))
}

/// The same, in the past: `a was`, `a and b were`.
pub(super) fn were(versions: &[Version]) -> String {
    let verb = if versions.len() == 1 { "was" } else { "were" };
    format!("{} {verb}", list(versions))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::versions;

    #[test]
    fn lists_stay_short() {
        assert_eq!(are(&versions("1")), "2024-01-01 is");
        assert_eq!(are(&versions("1 2")), "2024-01-01 and 2024-01-02 are");
        assert_eq!(
            list(&versions("1 2 3 4")),
            "2024-01-01, 2024-01-02, 2024-01-03 and 2024-01-04"
        );
        assert_eq!(
            list(&versions("1 2 3 4 5")),
            "2024-01-01, 2024-01-02, 2024-01-03 and 2 more"
        );
    }
}
