//! Owns the text of a `.drv`: ATerm in, its parts out (Nix manual, "Derivation: ATerm format").
//!
//! One pass, nothing copied: every part is a slice of the text, and a string is unescaped only when it is asked for. Knows
//! nothing of files and of what a derivation is for.

use std::borrow::Cow;

/// Why a text is not a derivation, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AtermError {
    /// The text ends too early.
    #[error("it is cut short: it ends at byte {at}, where {expected} should follow")]
    Ended {
        /// The length of the text.
        at: usize,
        /// What should follow.
        expected: &'static str,
    },
    /// Something else stands there.
    #[error("byte {at} is not {expected}")]
    Unexpected {
        /// The offset, from 0.
        at: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// More follows after the end.
    #[error("the derivation ends at byte {at}, and more follows")]
    Trailing {
        /// The offset, from 0.
        at: usize,
    },
    /// A derivation of an experimental format.
    #[error("it is of a format with a version (dynamic derivations), which is not read")]
    Versioned,
}

/// A string as it stands between its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'a> {
    between: &'a [u8],
    escaped: bool,
}

impl<'a> Raw<'a> {
    /// The bytes that it stands for: a backslash and `n`, `r` or `t` are control characters, any other byte after a
    /// backslash is itself.
    pub fn bytes(self) -> Cow<'a, [u8]> {
        if !self.escaped {
            return Cow::Borrowed(self.between);
        }
        let mut bytes = Vec::with_capacity(self.between.len());
        let mut rest = self.between;
        while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
            bytes.extend(&rest[..at]);
            // The parser let no backslash through that nothing follows.
            bytes.extend(rest.get(at + 1).map(|byte| match byte {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                &other => other,
            }));
            rest = rest.get(at + 2..).unwrap_or_default();
        }
        bytes.extend(rest);
        Cow::Owned(bytes)
    }

    /// The string, where it is a plain one of UTF-8 without escapes, as store paths are.
    pub fn plain(self) -> Option<&'a str> {
        (!self.escaped)
            .then(|| std::str::from_utf8(self.between).ok())
            .flatten()
    }
}

/// What is read of a derivation: what it makes, of what, and its variables. Sources, system, builder and arguments are
/// passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aterm<'a> {
    /// The paths of its outputs; empty ones where they depend on their content.
    pub outputs: Vec<Raw<'a>>,
    /// The `.drv` paths of its input derivations.
    pub inputs: Vec<Raw<'a>>,
    /// The variables of its builder.
    pub environment: Vec<(Raw<'a>, Raw<'a>)>,
}

impl<'a> Aterm<'a> {
    /// Takes a derivation apart.
    ///
    /// # Errors
    ///
    /// Fails at the first byte that is not as Nix writes it.
    pub fn parse(text: &'a [u8]) -> Result<Self, AtermError> {
        let mut parser = Parser { text, at: 0 };
        let outputs = parser.outputs()?;
        parser.word(",")?;
        let mut inputs = Vec::new();
        parser.list(|parser| {
            parser.word("(")?;
            inputs.push(parser.string()?);
            parser.word(",")?;
            parser.list(|parser| parser.string().map(drop))?;
            parser.word(")")
        })?;
        parser.word(",")?;
        parser.list(|parser| parser.string().map(drop))?;
        for _ in ["system", "builder"] {
            parser.word(",")?;
            parser.string()?;
        }
        parser.word(",")?;
        parser.list(|parser| parser.string().map(drop))?;
        parser.word(",")?;
        let mut environment = Vec::new();
        parser.list(|parser| {
            parser.word("(")?;
            let name = parser.string()?;
            parser.word(",")?;
            environment.push((name, parser.string()?));
            parser.word(")")
        })?;
        parser.word(")")?;
        match parser.at == text.len() {
            true => Ok(Self {
                outputs,
                inputs,
                environment,
            }),
            false => Err(AtermError::Trailing { at: parser.at }),
        }
    }

    /// The outputs alone, which stand first.
    ///
    /// # Errors
    ///
    /// Fails at the first byte that is not as Nix writes it, up to where the outputs end.
    pub fn outputs(text: &'a [u8]) -> Result<Vec<Raw<'a>>, AtermError> {
        Parser { text, at: 0 }.outputs()
    }

    /// A variable of the builder.
    pub fn variable(&self, name: &str) -> Option<Raw<'a>> {
        self.environment
            .iter()
            .find(|(key, _)| key.plain() == Some(name))
            .map(|&(_, value)| value)
    }
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Parser<'a> {
    /// The paths of the outputs, from the very beginning.
    fn outputs(&mut self) -> Result<Vec<Raw<'a>>, AtermError> {
        if self.text.starts_with(b"DrvWithVersion(") {
            return Err(AtermError::Versioned);
        }
        self.word("Derive(")?;
        let mut outputs = Vec::new();
        self.list(|parser| {
            parser.word("(")?;
            parser.string()?;
            parser.word(",")?;
            outputs.push(parser.string()?);
            for _ in ["algorithm", "hash"] {
                parser.word(",")?;
                parser.string()?;
            }
            parser.word(")")
        })?;
        Ok(outputs)
    }

    fn word(&mut self, expected: &'static str) -> Result<(), AtermError> {
        for &wanted in expected.as_bytes() {
            match self.text.get(self.at) {
                Some(&byte) if byte == wanted => self.at += 1,
                Some(_) => {
                    return Err(AtermError::Unexpected {
                        at: self.at,
                        expected,
                    });
                }
                None => {
                    return Err(AtermError::Ended {
                        at: self.at,
                        expected,
                    });
                }
            }
        }
        Ok(())
    }

    fn string(&mut self) -> Result<Raw<'a>, AtermError> {
        self.word("\"")?;
        let start = self.at;
        let mut escaped = false;
        loop {
            match self.text.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.at += 2;
                }
                Some(_) => self.at += 1,
                None => {
                    return Err(AtermError::Ended {
                        at: self.text.len(),
                        expected: "the end of a string",
                    });
                }
            }
        }
        let between = &self.text[start..self.at];
        self.at += 1;
        Ok(Raw { between, escaped })
    }

    fn list(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), AtermError>) -> Result<(), AtermError> {
        self.word("[")?;
        if self.text.get(self.at) == Some(&b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            item(self)?;
            match self.text.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(_) => {
                    return Err(AtermError::Unexpected {
                        at: self.at,
                        expected: "`,` or `]`",
                    });
                }
                None => {
                    return Err(AtermError::Ended {
                        at: self.at,
                        expected: "`,` or `]`",
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SMALL: &[u8] = br#"Derive([("out","/s/o","",""),("dev","/s/d","","")],[("/s/a.drv",["out","dev"]),("/s/b.drv",["out"])],["/s/src"],"x","/bin/sh",["-e","a\"b"],[("name","n"),("text","a\n\tb\\\"c\r"),("","")])"#;

    fn texts(parts: &[Raw<'_>]) -> Vec<String> {
        parts
            .iter()
            .map(|part| String::from_utf8(part.bytes().into_owned()).unwrap())
            .collect()
    }

    #[test]
    fn the_parts_are_found() {
        let parsed = Aterm::parse(SMALL).unwrap();
        assert_eq!(texts(&parsed.outputs), ["/s/o", "/s/d"]);
        assert_eq!(texts(&parsed.inputs), ["/s/a.drv", "/s/b.drv"]);
        assert_eq!(parsed.environment.len(), 3);
        assert_eq!(parsed.variable("name").unwrap().plain(), Some("n"));
        assert_eq!(parsed.variable("none"), None);
    }

    #[test]
    fn strings_are_unescaped_as_nix_does() {
        let parsed = Aterm::parse(SMALL).unwrap();
        let text = parsed.variable("text").unwrap();
        assert_eq!(&*text.bytes(), b"a\n\tb\\\"c\r");
        assert_eq!(text.plain(), None);
        assert!(matches!(
            parsed.variable("name").unwrap().bytes(),
            Cow::Borrowed(_)
        ));
        // Nix passes any other escaped byte through, and bytes that are no UTF-8.
        let odd = b"Derive([],[],[],\"\",\"\",[],[(\"a\",\"\\x\\0\xff\")])";
        assert_eq!(
            &*Aterm::parse(odd).unwrap().variable("a").unwrap().bytes(),
            b"x0\xff"
        );
    }

    #[test]
    fn cut_short_at_every_byte_it_says_so() {
        for at in 0..SMALL.len() {
            match Aterm::parse(&SMALL[..at]) {
                Err(AtermError::Ended { at: told, .. }) => assert_eq!(told, at),
                other => panic!("cut at {at}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_byte() {
        let unexpected = |at, expected| AtermError::Unexpected { at, expected };
        for (text, error) in [
            (&b"derive("[..], unexpected(0, "Derive(")),
            (b"Derive([(\"out\";", unexpected(14, ",")),
            (b"Derive([\"out\"", unexpected(8, "(")),
            (b"Derive([],[],[\"a\" ", unexpected(17, "`,` or `]`")),
            (b"\x7fELF", unexpected(0, "Derive(")),
            (
                b"Derive([],[],[],\"\",\"\",[],[])\n",
                AtermError::Trailing { at: 28 },
            ),
            (b"DrvWithVersion(\"xp-dyn-drv\",", AtermError::Versioned),
        ] {
            assert_eq!(Aterm::parse(text), Err(error), "{}", text.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn any_byte_changed_never_panics(at in 0..SMALL.len(), byte: u8) {
            let mut text = SMALL.to_vec();
            text[at] = byte;
            if let Ok(parsed) = Aterm::parse(&text) {
                for raw in parsed.outputs.iter().chain(&parsed.inputs) {
                    let _ = (raw.bytes(), raw.plain());
                }
            }
        }

        #[test]
        fn any_text_comes_through(value: Vec<u8>) {
            let mut text = b"Derive([],[],[],\"\",\"\",[],[(\"k\",\"".to_vec();
            for &byte in &value {
                match byte {
                    b'"' | b'\\' => text.extend([b'\\', byte]),
                    b'\n' => text.extend(b"\\n"),
                    b'\r' => text.extend(b"\\r"),
                    b'\t' => text.extend(b"\\t"),
                    _ => text.push(byte),
                }
            }
            text.extend(b"\")])");
            let parsed = Aterm::parse(&text).unwrap();
            prop_assert_eq!(&*parsed.variable("k").unwrap().bytes(), &value[..]);
        }
    }
}
