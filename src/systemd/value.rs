//! Owns values as D-Bus has them, and their bytes (D-Bus specification 0.43, "Type system" and "Marshaling"). Knows no message.

use super::wire::{Reader, Writer};

/// How deep values may be nested, of all kinds together: the specification's limit.
const DEEPEST: usize = 64;

/// A value. Dictionaries are arrays of structures of two, as their bytes are.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// `y`
    Byte(u8),
    /// `b`
    Bool(bool),
    /// `q`, and `n` by its bits
    Short(u16),
    /// `u`, and `i` and `h` by their bits
    Int(u32),
    /// `t`, and `x` and `d` by their bits
    Long(u64),
    /// `s`
    Text(String),
    /// `o`
    Path(String),
    /// `g`
    Signature(String),
    /// `a` with the type of its elements
    Array(String, Vec<Value>),
    /// `(…)`, and `{…}` in an array
    Struct(Vec<Value>),
    /// `v`
    Variant(Box<Value>),
}

/// Bytes are no value of that type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl Value {
    /// A list of texts.
    pub(super) fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        let texts = texts.into_iter().map(|text| Self::Text(text.into()));
        Self::Array("s".to_owned(), texts.collect())
    }

    /// The text of a text, a path or a signature.
    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Path(text) | Self::Signature(text) => Some(text),
            _ => None,
        }
    }

    /// The parts of an array or a structure.
    pub(super) fn parts(&self) -> &[Self] {
        match self {
            Self::Array(_, parts) | Self::Struct(parts) => parts,
            _ => &[],
        }
    }

    /// What is in a variant; the value itself where it is none.
    pub(super) fn inner(&self) -> &Self {
        match self {
            Self::Variant(inner) => inner,
            other => other,
        }
    }

    /// Its type.
    pub(super) fn signature(&self) -> String {
        match self {
            Self::Byte(_) => "y".to_owned(),
            Self::Bool(_) => "b".to_owned(),
            Self::Short(_) => "q".to_owned(),
            Self::Int(_) => "u".to_owned(),
            Self::Long(_) => "t".to_owned(),
            Self::Text(_) => "s".to_owned(),
            Self::Path(_) => "o".to_owned(),
            Self::Signature(_) => "g".to_owned(),
            Self::Variant(_) => "v".to_owned(),
            Self::Array(element, _) => format!("a{element}"),
            Self::Struct(parts) => {
                let parts: String = parts.iter().map(Self::signature).collect();
                format!("({parts})")
            }
        }
    }

    /// Adds its bytes.
    pub(super) fn write(&self, out: &mut Writer) {
        match self {
            Self::Byte(byte) => out.bytes(&[*byte]),
            Self::Bool(bool) => out.int(u32::from(*bool)),
            Self::Short(short) => {
                out.align(2);
                out.bytes(&short.to_ne_bytes());
            }
            Self::Int(int) => out.int(*int),
            Self::Long(long) => {
                out.align(8);
                out.bytes(&long.to_ne_bytes());
            }
            Self::Text(text) | Self::Path(text) => out.text(text),
            Self::Signature(text) => out.signature(text),
            Self::Array(element, parts) => out.array(alignment(element), |out| {
                for part in parts {
                    part.write(out);
                }
            }),
            Self::Struct(parts) => {
                out.align(8);
                for part in parts {
                    part.write(out);
                }
            }
            Self::Variant(inner) => {
                out.signature(&inner.signature());
                inner.write(out);
            }
        }
    }
}

/// Reads values of these types, one after the other.
///
/// # Errors
///
/// Fails where the bytes are others, and where the types are none.
pub(super) fn read(signature: &str, bytes: &mut Reader<'_>) -> Result<Vec<Value>, Malformed> {
    let mut values = Vec::new();
    let mut rest = signature;
    while !rest.is_empty() {
        let (first, others) = split(rest)?;
        values.push(read_one(first, bytes, 0)?);
        rest = others;
    }
    Ok(values)
}

fn read_one(signature: &str, bytes: &mut Reader<'_>, depth: usize) -> Result<Value, Malformed> {
    if depth > DEEPEST {
        return Err(Malformed);
    }
    let first = signature.bytes().next().ok_or(Malformed)?;
    Ok(match first {
        b'y' => Value::Byte(bytes.byte()?),
        b'b' => match bytes.int()? {
            0 => Value::Bool(false),
            1 => Value::Bool(true),
            _ => return Err(Malformed),
        },
        b'n' | b'q' => Value::Short(bytes.short()?),
        b'i' | b'u' | b'h' => Value::Int(bytes.int()?),
        b'x' | b't' | b'd' => Value::Long(bytes.long()?),
        b's' => Value::Text(bytes.text()?),
        b'o' => Value::Path(bytes.text()?),
        b'g' => Value::Signature(bytes.signature()?),
        b'v' => {
            let signature = bytes.signature()?;
            let (first, rest) = split(&signature)?;
            if !rest.is_empty() {
                return Err(Malformed);
            }
            Value::Variant(Box::new(read_one(first, bytes, depth + 1)?))
        }
        b'a' => {
            let element = signature.get(1..).ok_or(Malformed)?;
            let end = bytes.array(alignment(element))?;
            let mut parts = Vec::new();
            while bytes.at() < end {
                let before = bytes.at();
                parts.push(read_one(element, bytes, depth + 1)?);
                // An element of no bytes would never come to the end.
                if bytes.at() == before {
                    return Err(Malformed);
                }
            }
            if bytes.at() != end {
                return Err(Malformed);
            }
            Value::Array(element.to_owned(), parts)
        }
        b'(' | b'{' => {
            bytes.align(8)?;
            let mut rest = signature.get(1..signature.len() - 1).ok_or(Malformed)?;
            let mut parts = Vec::new();
            while !rest.is_empty() {
                let (first, others) = split(rest)?;
                parts.push(read_one(first, bytes, depth + 1)?);
                rest = others;
            }
            if parts.is_empty() {
                return Err(Malformed);
            }
            Value::Struct(parts)
        }
        _ => return Err(Malformed),
    })
}

/// The first complete type of a signature, and the rest.
fn split(signature: &str) -> Result<(&str, &str), Malformed> {
    let bytes = signature.as_bytes();
    let mut open = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'a' => continue,
            b'(' | b'{' => open.push(*byte),
            b')' if open.pop() != Some(b'(') => return Err(Malformed),
            b'}' if open.pop() != Some(b'{') => return Err(Malformed),
            b')' | b'}' => {}
            _ if byte.is_ascii_lowercase() => {}
            _ => return Err(Malformed),
        }
        if open.len() > DEEPEST {
            return Err(Malformed);
        }
        if open.is_empty() {
            return signature.split_at_checked(at + 1).ok_or(Malformed);
        }
    }
    Err(Malformed)
}

/// To which multiple of bytes values of a type are aligned.
fn alignment(signature: &str) -> usize {
    match signature.bytes().next() {
        Some(b'y' | b'g' | b'v') => 1,
        Some(b'n' | b'q') => 2,
        Some(b'x' | b't' | b'd' | b'(' | b'{') => 8,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<u8>().prop_map(Value::Byte),
            any::<bool>().prop_map(Value::Bool),
            any::<u16>().prop_map(Value::Short),
            any::<u32>().prop_map(Value::Int),
            any::<u64>().prop_map(Value::Long),
            "[a-zä/]{0,9}".prop_map(Value::Text),
            "[a-z/]{1,9}".prop_map(Value::Path),
            "[sub]{0,3}".prop_map(Value::Signature),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..5).prop_map(Value::Struct),
                inner.clone().prop_map(|value| Value::Variant(Box::new(value))),
                (inner, 0_usize..4)
                    .prop_map(|(value, count)| { Value::Array(value.signature(), vec![value; count]) }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(values in prop::collection::vec(values(), 0..4), shift in 0_usize..9) {
            let mut out = Writer::default();
            out.bytes(&vec![0; shift]);
            let signature: String = values.iter().map(Value::signature).collect();
            for value in &values {
                value.write(&mut out);
            }
            let bytes = out.done();
            let mut reader = Reader::new(&bytes);
            for _ in 0..shift {
                reader.byte().unwrap();
            }
            prop_assert_eq!(read(&signature, &mut reader), Ok(values));
            prop_assert_eq!(reader.at(), bytes.len());
        }

        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            signature in "[ysubtvaog(){}]{0,12}",
        ) {
            let _ = read(&signature, &mut Reader::new(&bytes));
        }
    }

    #[test]
    fn types_end_where_they_do() {
        assert_eq!(split("a(sv)u"), Ok(("a(sv)", "u")));
        assert_eq!(split("aay"), Ok(("aay", "")));
        assert_eq!(split("a{s(bb)}"), Ok(("a{s(bb)}", "")));
        for signature in ["", "a", "(s", "s)", "(s}", "A", "ä"] {
            assert!(
                split(signature).is_err() || split(signature) == Ok(("s", ")")),
                "{signature}"
            );
        }
        let deep = "(".repeat(100);
        assert_eq!(split(&deep), Err(Malformed));
    }
}
