//! Owns messages: a call and its bytes, and what comes back (D-Bus specification 0.43, "Message Format"). Knows no socket.

use super::value::{Malformed, Value, read};
use super::wire::{Reader, Writer};

/// The letter of this machine's order of bytes.
const ORDER: u8 = if cfg!(target_endian = "little") {
    b'l'
} else {
    b'B'
};

/// The version of the protocol.
const PROTOCOL: u8 = 1;

/// How many bytes of a message tell how long it is.
pub(super) const HEAD: usize = 16;

/// How long a message may be: a machine with 10,000 units answers with 5 MB.
const LONGEST: usize = 64 << 20;

const CALL: u8 = 1;
const RETURN: u8 = 2;
const ERROR: u8 = 3;
const SIGNAL: u8 = 4;

const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    /// Whom, on a bus; none where there is only one to ask.
    pub(super) destination: Option<&'a str>,
    pub(super) path: &'a str,
    pub(super) interface: &'a str,
    pub(super) member: &'a str,
    pub(super) arguments: &'a [Value],
}

impl Call<'_> {
    /// Its bytes.
    pub(super) fn bytes(&self, serial: u32) -> Vec<u8> {
        let mut body = Writer::default();
        for argument in self.arguments {
            argument.write(&mut body);
        }
        let signature: String = self.arguments.iter().map(Value::signature).collect();
        let mut fields = vec![
            field(PATH, Value::Path(self.path.to_owned())),
            field(INTERFACE, Value::Text(self.interface.to_owned())),
            field(MEMBER, Value::Text(self.member.to_owned())),
        ];
        if let Some(destination) = self.destination {
            fields.push(field(DESTINATION, Value::Text(destination.to_owned())));
        }
        if !signature.is_empty() {
            fields.push(field(SIGNATURE, Value::Signature(signature)));
        }
        let mut out = Writer::default();
        out.bytes(&[ORDER, CALL, 0, PROTOCOL]);
        // None that nixmig makes is longer.
        out.int(u32::try_from(body.len()).unwrap_or(u32::MAX));
        out.int(serial);
        Value::Array("(yv)".to_owned(), fields).write(&mut out);
        out.align(8);
        out.bytes(&body.done());
        out.done()
    }
}

fn field(code: u8, value: Value) -> Value {
    Value::Struct(vec![Value::Byte(code), Value::Variant(Box::new(value))])
}

/// What came.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Message {
    /// An answer to the call of that number.
    Return { to: u32, values: Vec<Value> },
    /// A refusal of the call of that number.
    Error { to: u32, name: String, message: String },
    /// Something that happened.
    Signal { member: String, values: Vec<Value> },
    /// What nobody here asked for.
    Other,
}

/// How long a message is as a whole, by its first [`HEAD`] bytes.
///
/// # Errors
///
/// Fails where it is in another order of bytes, of another protocol, or longer than any should be.
pub(super) fn length(head: &[u8]) -> Result<usize, Malformed> {
    let mut bytes = Reader::new(head);
    let order = bytes.byte()?;
    let (_, _, protocol) = (bytes.byte()?, bytes.byte()?, bytes.byte()?);
    let body = usize::try_from(bytes.int()?).map_err(|_| Malformed)?;
    bytes.int()?;
    let fields = usize::try_from(bytes.int()?).map_err(|_| Malformed)?;
    let header = HEAD.saturating_add(fields).checked_next_multiple_of(8);
    let whole = header.ok_or(Malformed)?.saturating_add(body);
    match order == ORDER && protocol == PROTOCOL && whole <= LONGEST {
        true => Ok(whole),
        false => Err(Malformed),
    }
}

impl Message {
    /// Reads a whole message.
    ///
    /// # Errors
    ///
    /// Fails where it is none.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut header = Reader::new(bytes);
        header.byte()?;
        let kind = header.byte()?;
        header.short()?;
        header.int()?;
        header.int()?;
        let fields = read("a(yv)", &mut header)?;
        header.align(8)?;
        let mut member = None;
        let mut name = None;
        let mut to = None;
        let mut signature = String::new();
        for one in fields.iter().flat_map(Value::parts) {
            let [Value::Byte(code), value] = one.parts() else {
                return Err(Malformed);
            };
            match (*code, value.inner()) {
                (MEMBER, Value::Text(text)) => member = Some(text.clone()),
                (ERROR_NAME, Value::Text(text)) => name = Some(text.clone()),
                (REPLY_SERIAL, Value::Int(serial)) => to = Some(*serial),
                (SIGNATURE, Value::Signature(text)) => signature.clone_from(text),
                _ => {}
            }
        }
        let values = read(&signature, &mut Reader::new(&bytes[header.at()..]))?;
        Ok(match kind {
            RETURN => Self::Return {
                to: to.ok_or(Malformed)?,
                values,
            },
            ERROR => Self::Error {
                to: to.ok_or(Malformed)?,
                name: name.ok_or(Malformed)?,
                message: values
                    .first()
                    .and_then(Value::as_text)
                    .unwrap_or_default()
                    .to_owned(),
            },
            SIGNAL => Self::Signal {
                member: member.ok_or(Malformed)?,
                values,
            },
            _ => Self::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_the_bytes_that_the_specification_has() {
        let call = Call {
            destination: Some("a.b"),
            path: "/c",
            interface: "d.e",
            member: "F",
            arguments: &[Value::Text("x".to_owned()), Value::Int(7)],
        };
        let bytes = call.bytes(9);
        assert_eq!(length(&bytes[..HEAD]), Ok(bytes.len()));
        assert_eq!(bytes[..4], [ORDER, CALL, 0, 1]);
        assert_eq!(Message::read(&bytes), Ok(Message::Other));
        // The body begins at a multiple of 8: a text of one letter, aligned, and a number.
        let body = &bytes[bytes.len() - 12..];
        assert_eq!(body[4..6], *b"x\0");
        assert_eq!(body[8..], 7_u32.to_ne_bytes());
    }

    #[test]
    fn answers_and_signals_are_told_apart() {
        let message = |kind, fields: Vec<Value>, values: &[Value]| {
            let mut body = Writer::default();
            for value in values {
                value.write(&mut body);
            }
            let signature: String = values.iter().map(Value::signature).collect();
            let mut fields = fields;
            fields.push(field(SIGNATURE, Value::Signature(signature)));
            let mut out = Writer::default();
            out.bytes(&[ORDER, kind, 0, PROTOCOL]);
            out.int(u32::try_from(body.len()).unwrap());
            out.int(3);
            Value::Array("(yv)".to_owned(), fields).write(&mut out);
            out.align(8);
            out.bytes(&body.done());
            Message::read(&out.done())
        };
        let text = Value::Text("why".to_owned());
        assert_eq!(
            message(RETURN, vec![field(REPLY_SERIAL, Value::Int(4))], &[]),
            Ok(Message::Return {
                to: 4,
                values: vec![]
            })
        );
        let fields = vec![
            field(REPLY_SERIAL, Value::Int(4)),
            field(ERROR_NAME, Value::Text("a.B".to_owned())),
        ];
        assert_eq!(
            message(ERROR, fields, std::slice::from_ref(&text)),
            Ok(Message::Error {
                to: 4,
                name: "a.B".to_owned(),
                message: "why".to_owned(),
            })
        );
        assert_eq!(
            message(
                SIGNAL,
                vec![field(MEMBER, Value::Text("Gone".to_owned()))],
                std::slice::from_ref(&text)
            ),
            Ok(Message::Signal {
                member: "Gone".to_owned(),
                values: vec![text],
            })
        );
        assert_eq!(message(RETURN, vec![], &[]), Err(Malformed));
        assert_eq!(length(&[b'?'; HEAD]), Err(Malformed));
        assert_eq!(
            length(&[ORDER, 2, 0, 1, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0]),
            Err(Malformed)
        );
    }
}
