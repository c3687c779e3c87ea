//! Owns the bytes of D-Bus: numbers in this machine's order, aligned from where a message begins, and texts. Knows no types.

use super::value::Malformed;

/// How long an array may be, in bytes: the specification's limit.
const LONGEST: usize = 64 << 20;

/// Bytes that are written.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    pub(super) fn int(&mut self, int: u32) {
        self.align(4);
        self.bytes(&int.to_ne_bytes());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.int(length(text.len()));
        self.bytes(text.as_bytes());
        self.bytes(&[0]);
    }

    pub(super) fn signature(&mut self, text: &str) {
        // None that nixmig sends is longer.
        self.bytes(&[u8::try_from(text.len()).unwrap_or(u8::MAX)]);
        self.bytes(text.as_bytes());
        self.bytes(&[0]);
    }

    /// An array, whose length does not count what aligns its first element.
    pub(super) fn array(&mut self, alignment: usize, elements: impl FnOnce(&mut Self)) {
        self.int(0);
        let place = self.0.len() - 4;
        self.align(alignment);
        let begin = self.0.len();
        elements(self);
        let count = length(self.0.len() - begin).to_ne_bytes();
        self.0[place..place + 4].copy_from_slice(&count);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn done(self) -> Vec<u8> {
        self.0
    }
}

/// What nixmig sends is never that long.
fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Bytes that are read.
#[derive(Debug)]
pub(super) struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Reader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    fn take(&mut self, count: usize) -> Result<&'b [u8], Malformed> {
        let end = self.at.checked_add(count).ok_or(Malformed)?;
        let taken = self.bytes.get(self.at..end).ok_or(Malformed)?;
        self.at = end;
        Ok(taken)
    }

    pub(super) fn align(&mut self, to: usize) -> Result<(), Malformed> {
        let padding = self.take(self.at.next_multiple_of(to) - self.at)?;
        match padding.iter().all(|&byte| byte == 0) {
            true => Ok(()),
            false => Err(Malformed),
        }
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.align(N)?;
        self.take(N)?.try_into().map_err(|_| Malformed)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(u8::from_ne_bytes(self.number()?))
    }

    pub(super) fn short(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_ne_bytes(self.number()?))
    }

    pub(super) fn int(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_ne_bytes(self.number()?))
    }

    pub(super) fn long(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_ne_bytes(self.number()?))
    }

    fn terminated(&mut self, length: usize) -> Result<String, Malformed> {
        let text = self.take(length)?;
        if self.take(1)? != [0] {
            return Err(Malformed);
        }
        String::from_utf8(text.to_vec()).map_err(|_| Malformed)
    }

    pub(super) fn text(&mut self) -> Result<String, Malformed> {
        let length = self.int()?;
        self.terminated(usize::try_from(length).map_err(|_| Malformed)?)
    }

    pub(super) fn signature(&mut self) -> Result<String, Malformed> {
        let length = self.byte()?;
        self.terminated(length.into())
    }

    /// Begins an array; where it ends.
    pub(super) fn array(&mut self, alignment: usize) -> Result<usize, Malformed> {
        let length = usize::try_from(self.int()?).map_err(|_| Malformed)?;
        self.align(alignment)?;
        let end = self.at.checked_add(length).ok_or(Malformed)?;
        match length <= LONGEST && end <= self.bytes.len() {
            true => Ok(end),
            false => Err(Malformed),
        }
    }
}
