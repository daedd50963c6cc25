//! Encodes and decodes records in messages to shards and in storage.
//!
//! Stored rows of 0.1 have a text between the key and the line, which is read and ignored. It is
//! written empty, so that such rows still arrive.

use super::Record;
use crate::base::codec::{ByteReader, ByteWriter, DecodeError};

/// Reads a record, and reserves `room` bytes for columns that are added later.
pub fn read_record(reader: &mut ByteReader<'_>, room: usize) -> Result<Record, DecodeError> {
    let (key, _, bytes) = (reader.text()?, reader.text()?, reader.bytes()?);
    Record::restore_with_room(key, bytes, room).ok_or(reader.malformed())
}

pub fn put_record(writer: &mut impl ByteWriter, record: &Record) {
    writer.put_bytes(record.key().as_str().as_bytes());
    writer.put_bytes(&[]);
    writer.put_bytes(record.bytes());
}

/// Returns how many bytes [`put_record`] writes for `record`.
pub fn record_len(record: &Record) -> usize {
    let parts = [record.key().as_str().len(), 0, record.bytes().len()];
    parts.into_iter().fold(0_usize, |sum, part| sum.saturating_add(part).saturating_add(4))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::record;
    use super::*;

    #[test]
    fn a_record_that_is_written_is_read_again() {
        let record = record("a \"key\" ä");
        let mut bytes = Vec::new();
        put_record(&mut bytes, &record);
        assert_eq!(bytes.len(), record_len(&record));
        let mut reader = ByteReader::new(&bytes, "a test");
        assert_eq!(read_record(&mut reader, 0), Ok(record));
        assert_eq!(reader.end(), Ok(()));
    }

    #[test]
    fn a_stored_record_of_0_1_is_read_without_its_partition() {
        let mut bytes = Vec::new();
        [&b"key"[..], b"tag=a\n", b"{}\n"].iter().for_each(|part| bytes.put_bytes(part));
        let mut reader = ByteReader::new(&bytes, "a test");
        assert_eq!(read_record(&mut reader, 0).ok(), Record::restore("key", b"{}\n"));
        assert_eq!(reader.end(), Ok(()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_as_records_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..200)
        ) {
            let mut reader = ByteReader::new(&bytes, "a test");
            while !reader.is_at_end() {
                if read_record(&mut reader, 0).is_err() && reader.bytes().is_err() && reader.u8().is_err() {
                    break;
                }
            }
        }
    }
}
