//! Owns the identity of a migration: a date, optionally with a number for several on a day.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;

/// The version of a migration: `YYYY-MM-DD` or `YYYY-MM-DD.N`, `N` from 1 to 9.
///
/// The order of the values is that of their texts, which is that of the dates (RFC 0155, "Version Information").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version {
    date: Date,
    // 0 where the text has no number, so that the derived order is that of the texts.
    number: u8,
}

impl Version {
    /// The day on which the migration was merged.
    pub fn date(self) -> Date {
        self.date
    }
}

/// Why a text is not a version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// The text does not look like `YYYY-MM-DD` or `YYYY-MM-DD.N`.
    #[error("`{0}` is not a version: it must be a date `YYYY-MM-DD`, or `YYYY-MM-DD.N` with N from 1 to 9")]
    Form(String),
    /// The text has the form of a date that the calendar does not have.
    #[error("`{0}` is not a version: the calendar has no such day")]
    Calendar(String),
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let form = || VersionError::Form(text.to_owned());
        let bytes = text.as_bytes();
        let (date, number) = match bytes.len() {
            10 => (bytes, 0),
            12 if bytes[10] == b'.' && (b'1'..=b'9').contains(&bytes[11]) => (&bytes[..10], bytes[11] - b'0'),
            _ => return Err(form()),
        };
        let digits = |from: usize, to: usize| {
            date[from..to].iter().try_fold(0_i16, |value, byte| {
                byte.is_ascii_digit()
                    .then(|| value * 10 + i16::from(byte - b'0'))
                    .ok_or_else(form)
            })
        };
        if date[4] != b'-' || date[7] != b'-' {
            return Err(form());
        }
        let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
        // Two digits fit an i8.
        let date =
            Date::new(year, month as i8, day as i8).map_err(|_| VersionError::Calendar(text.to_owned()))?;
        Ok(Self { date, number })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = (self.date.year(), self.date.month(), self.date.day());
        let text = match self.number {
            0 => format!("{year:04}-{month:02}-{day:02}"),
            number => format!("{year:04}-{month:02}-{day:02}.{number}"),
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn accepts_dates_and_numbered_dates() {
        for text in [
            "2023-04-07",
            "2024-02-29",
            "0000-01-01",
            "9999-12-31.9",
            "2023-04-07.1",
        ] {
            assert_eq!(text.parse::<Version>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "20230407",
            "2023-4-7",
            "2023-04-07.0",
            "2023-04-07.10",
            "2023-04-07.",
            "2023-04-07 ",
            "+023-04-07",
            "-023-04-07",
            "2023/04/07",
            "２023-04-0",
            "2023-04-07.é",
        ] {
            assert_eq!(
                text.parse::<Version>(),
                Err(VersionError::Form(text.to_owned())),
                "{text:?}"
            );
        }
        for text in [
            "2023-02-29",
            "2023-02-30",
            "1900-02-29",
            "2023-13-01",
            "2023-00-01",
            "2023-01-00",
        ] {
            assert_eq!(
                text.parse::<Version>(),
                Err(VersionError::Calendar(text.to_owned())),
                "{text:?}"
            );
        }
    }

    prop_compose! {
        fn texts()(year in 0..10_000, month in 1..13, day in 1..29, number in 0..10) -> String {
            let number = if number == 0 { String::new() } else { format!(".{number}") };
            format!("{year:04}-{month:02}-{day:02}{number}")
        }
    }

    proptest! {
        #[test]
        fn order_is_that_of_the_texts(a in texts(), b in texts()) {
            let versions: (Version, Version) = (a.parse().unwrap(), b.parse().unwrap());
            prop_assert_eq!(versions.0.cmp(&versions.1), a.cmp(&b));
        }

        #[test]
        fn never_panics(text in ".{0,14}") {
            let _ = text.parse::<Version>();
        }
    }
}
