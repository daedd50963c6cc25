//! Encodes and decodes numbers, texts and bytes for shards: big-endian, lengths first.
//!
//! Encoded bytes outlive the version that wrote them, in storage and during a rollout. So each
//! message and each stored value begins with a version of its own. Decoding never trusts its input:
//! truncated or overlong bytes are an error, never a panic.

/// Bytes of another format or version, or truncated bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("bytes are not {0}")]
pub struct DecodeError(pub &'static str);

/// Reads from the front of some bytes.
#[derive(Debug, Clone, Copy)]
pub struct ByteReader<'a> {
    bytes: &'a [u8],
    /// The expected content, for errors.
    what: &'static str,
}

impl<'a> ByteReader<'a> {
    /// Reads `bytes`, which should hold `what`.
    pub const fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { bytes, what }
    }

    /// Returns the error for bytes that do not hold the expected content.
    pub const fn malformed(&self) -> DecodeError {
        DecodeError(self.what)
    }

    pub const fn is_at_end(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns an error if any bytes are left.
    pub fn end(self) -> Result<(), DecodeError> {
        if self.is_at_end() { Ok(()) } else { Err(self.malformed()) }
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (array, rest) = self.bytes.split_first_chunk().ok_or(self.malformed())?;
        self.bytes = rest;
        Ok(*array)
    }

    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array().map(u8::from_be_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }

    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        self.array().map(i64::from_be_bytes)
    }

    /// Reads a four-byte length and that many bytes.
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(self.u32()?).map_err(|_| self.malformed())?;
        let (bytes, rest) = self.bytes.split_at_checked(length).ok_or(self.malformed())?;
        self.bytes = rest;
        Ok(bytes)
    }

    pub fn text(&mut self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| self.malformed())
    }
}

/// Writes at the end of some bytes.
pub trait ByteWriter {
    fn put(&mut self, bytes: &[u8]);

    fn put_u8(&mut self, number: u8) {
        self.put(&[number]);
    }

    fn put_u32(&mut self, number: u32) {
        self.put(&number.to_be_bytes());
    }

    fn put_u64(&mut self, number: u64) {
        self.put(&number.to_be_bytes());
    }

    fn put_i64(&mut self, number: i64) {
        self.put(&number.to_be_bytes());
    }

    /// Writes a four-byte length, then `bytes`. Our values are far shorter than `u32::MAX`.
    fn put_bytes(&mut self, bytes: &[u8]) {
        self.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.put(bytes);
    }
}

impl ByteWriter for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn written_values_are_read_back() {
        let mut bytes = Vec::new();
        bytes.put_u8(7);
        bytes.put_u32(70_000);
        bytes.put_u64(u64::MAX);
        bytes.put_i64(-1);
        bytes.put_bytes("ä".as_bytes());
        let mut reader = ByteReader::new(&bytes, "a test");
        assert_eq!(reader.u8(), Ok(7));
        assert_eq!(reader.u32(), Ok(70_000));
        assert_eq!(reader.u64(), Ok(u64::MAX));
        assert_eq!(reader.i64(), Ok(-1));
        assert_eq!(reader.text(), Ok("ä"));
        assert_eq!(reader.end(), Ok(()));
        assert_eq!(
            ByteReader::new(&bytes, "a test").end().unwrap_err().to_string(),
            "bytes are not a test"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = ByteReader::new(&bytes, "a test");
            while !reader.is_at_end() {
                if reader.bytes().is_err() && reader.u8().is_err() {
                    break;
                }
            }
        }
    }
}
