//! Reads the fields of a Protobuf message.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>

use crate::model::violation::{Code, Violation};
use crate::pipeline::decode::ProtocolError;

/// The value of a field, by how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireValue<'a> {
    Varint(u64),
    Fixed64(u64),
    /// A text, bytes or a message.
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// The fields of a message, in the order of its bytes. The first error is the last item.
#[derive(Debug, Clone, Copy)]
pub struct WireFields<'a>(&'a [u8]);

impl<'a> WireFields<'a> {
    pub const fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    /// Reads a field's number and its value.
    fn field(&mut self) -> Option<(u64, WireValue<'a>)> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => WireValue::Varint(self.varint()?),
            1 => WireValue::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                WireValue::Bytes(bytes)
            }
            5 => WireValue::Fixed32(u32::from_le_bytes(self.array()?)),
            // Groups, which no message here has.
            _ => return None,
        };
        (tag >> 3 != 0).then_some((tag >> 3, value))
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    /// Reads a number of at most ten bytes, seven bits in each, the lowest first.
    fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has one bit.
            number |= bits.checked_shl(shift).filter(|it| it >> shift == bits)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

impl<'a> Iterator for WireFields<'a> {
    type Item = Result<(u64, WireValue<'a>), ProtocolError>;

    // Compiled once, not in each of its eight loops.
    #[inline(never)]
    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or_else(malformed))
    }
}

/// The error for bytes that are no message.
pub fn malformed() -> ProtocolError {
    let message = "body is not a Protobuf message of logs";
    ProtocolError::from(Violation::whole(Code::BadFormat, message))
}

/// Reads a text.
pub fn text(bytes: &[u8]) -> Result<&str, ProtocolError> {
    std::str::from_utf8(bytes).map_err(|_| {
        let message = "a text of the body is not UTF-8";
        ProtocolError::from(Violation::whole(Code::BadUtf8, message))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Vec<Result<(u64, WireValue<'_>), ProtocolError>> {
        WireFields::of(bytes).collect()
    }

    #[test]
    fn each_kind_of_field_is_read() {
        let bytes = [
            &[0x08, 0xac, 0x02][..],
            &[0x11, 1, 0, 0, 0, 0, 0, 0, 0x80],
            &[0x1a, 2, b'h', b'i'],
            &[0x25, 7, 0, 0, 0],
            &[0xfa, 0x01, 0],
        ]
        .concat();
        let fields: Vec<_> = read(&bytes).into_iter().map(Result::unwrap).collect();
        let expected = [
            (1, WireValue::Varint(300)),
            (2, WireValue::Fixed64(1 << 63 | 1)),
            (3, WireValue::Bytes(b"hi")),
            (4, WireValue::Fixed32(7)),
            (31, WireValue::Bytes(b"")),
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn a_number_has_64_bits() {
        let of = |last| [&[0x08][..], &[0xff; 9], &[last]].concat();
        assert_eq!(read(&of(1)), [Ok((1, WireValue::Varint(u64::MAX)))]);
        for bytes in [of(2), of(0x81), [&[0x08][..], &[0x80; 11]].concat()] {
            assert_eq!(read(&bytes), [Err(malformed())]);
        }
    }

    #[test]
    fn bytes_that_are_no_message_end_with_an_error() {
        for bytes in [&[0x80][..], &[0x00, 1], &[0x0a, 5, 1], &[0x09, 1], &[0x0b], &[0x0d, 1]] {
            assert_eq!(read(bytes), [Err(malformed())], "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_their_end(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let fields = read(&bytes);
            prop_assert!(fields.len() <= bytes.len());
            prop_assert!(fields.iter().rev().skip(1).all(Result::is_ok));
        }
    }
}
