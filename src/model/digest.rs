//! Owns the digest of an action: what *edited* compares. docs/formats.md states it; the NixOS module computes the same in Nix.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use memchr::memmem;
use sha2::{Digest as _, Sha256};

use super::Part;

/// The sha256 of what the author of an action wrote, store hashes masked. Written `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// A text is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest: it must be `sha256:` and 64 lower-case hexadecimal digits")]
pub struct DigestError(String);

/// Computes the digest of an action from its texts.
#[derive(Default)]
pub struct Digester(BTreeMap<&'static str, String>);

impl Digester {
    /// Adds the text of one part. Parts that are not set are not added.
    pub fn add(&mut self, part: Part, text: &str) {
        self.0.insert(part.name(), mask(text));
    }

    /// The digest of the parts added, or `None` where there were none.
    pub fn finish(self) -> Option<Digest> {
        if self.0.is_empty() {
            return None;
        }
        // serde_json's text of an ordered map is that of Nix's toJSON as long as the texts have no control characters besides
        // line ends and tabs (Nix itself changed how it writes some of those). Of strings it can always be made.
        let json = serde_json::to_vec(&self.0).ok()?;
        Some(Digest(Sha256::digest(&json).into()))
    }
}

/// Replaces each store directory and hash (`/nix/store/` + 32 characters + `-`) by `/-`.
fn mask(text: &str) -> String {
    const STORE: &str = "store/";
    const HASH: usize = 32;
    let in_path = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'/';
    let in_hash = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let mut masked = String::with_capacity(text.len());
    let mut copied = 0;
    let mut from = 0;
    while let Some(at) = memmem::find(&bytes[from..], STORE.as_bytes()).map(|at| at + from) {
        let hash = at + STORE.len();
        let end = hash + HASH;
        let hashed = bytes.len() > end && bytes[end] == b'-' && bytes[hash..end].iter().all(in_hash);
        // The regular expression that Nix matches is `/[a-z0-9/]*store/…`, greedy and leftmost.
        let start = (copied..at)
            .rev()
            .take_while(|&i| in_path(bytes[i]))
            .filter(|&i| bytes[i] == b'/')
            .last();
        match (hashed, start) {
            (true, Some(start)) => {
                masked.push_str(&text[copied..start]);
                masked.push_str("/-");
                copied = end + 1;
                from = copied;
            }
            _ => from = hash,
        }
    }
    masked.push_str(&text[copied..]);
    masked
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let error = || DigestError(text.chars().take(100).collect());
        let hex = text
            .strip_prefix("sha256:")
            .filter(|hex| hex.len() == 64)
            .ok_or_else(error)?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let digit = |c: u8| match c {
                b'0'..=b'9' => Ok(c - b'0'),
                b'a'..=b'f' => Ok(c - b'a' + 10),
                _ => Err(error()),
            };
            *byte = digit(pair[0])? * 16 + digit(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_store_paths_of_any_store() {
        let hash = "0123456789abcdfghijklmnpqrsvwxyz";
        for (text, masked) in [
            (
                format!("exec /nix/store/{hash}-postgresql-17.2/bin/x"),
                "exec /-postgresql-17.2/bin/x",
            ),
            (
                format!("a=/tmp/d/store/{hash}-a:/tmp/d/store/{hash}-b"),
                "a=/-a:/-b",
            ),
            ("/nix/store/short-x".to_owned(), "/nix/store/short-x"),
            (format!("store/{hash}-x"), &format!("store/{hash}-x")),
            (format!("/nix/store/{hash}"), &format!("/nix/store/{hash}")),
            (String::new(), ""),
        ] {
            assert_eq!(mask(&text), masked, "{text}");
        }
    }

    #[test]
    fn parses_what_it_prints() {
        let mut digester = Digester::default();
        digester.add(Part::Script, "true\n");
        let digest = digester.finish().unwrap();
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(Digester::default().finish(), None);
        for text in [
            "",
            "sha256:",
            "sha256:00",
            &digest.to_string().to_uppercase(),
            &digest.to_string()[1..],
        ] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }
}
