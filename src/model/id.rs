//! Owns identities that nobody chooses: random bytes, and how they are written.

use std::fmt;
use std::str::FromStr;

/// An identity of so many random bytes, written as lower-case hexadecimal digits, two a byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id<const BYTES: usize>(String);

/// The identity of one walk of a path: 16 digits, so that it may stand in the name of a unit.
pub type RunId = Id<8>;

/// The identity of a record, which the stamps on state directories carry: 32 digits.
pub type RecordId = Id<16>;

/// A text is not such an identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id: it must be {digits} of the digits 0-9 and a-f")]
pub struct IdError {
    /// How it begins.
    text: String,
    /// How long it should be.
    digits: usize,
}

impl<const BYTES: usize> Id<BYTES> {
    /// The id of random bytes.
    pub fn from_bytes(bytes: [u8; BYTES]) -> Self {
        Self(bytes.map(|byte| format!("{byte:02x}")).concat())
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const BYTES: usize> FromStr for Id<BYTES> {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let digits = 2 * BYTES;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        match text.len() == digits && text.bytes().all(is_digit) {
            true => Ok(Self(text.to_owned())),
            false => Err(IdError {
                text: text.chars().take(60).collect(),
                digits,
            }),
        }
    }
}

impl<const BYTES: usize> fmt::Display for Id<BYTES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_the_same() {
        let id = RunId::from_bytes([0, 1, 0x2a, 3, 4, 5, 6, 0xff]);
        assert_eq!(id.as_str(), "00012a03040506ff");
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in [
            "",
            "00012a03040506f",
            "00012A03040506FF",
            "00012a03040506ff0",
            "00012a03040506fg",
        ] {
            let error = text.parse::<RunId>().unwrap_err().to_string();
            assert!(error.contains("16 of the digits"), "{error}");
        }
        assert!("0".repeat(32).parse::<RecordId>().is_ok());
    }
}
