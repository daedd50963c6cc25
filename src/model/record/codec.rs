//! Encodes and decodes records in messages to shards and in storage.

use super::Record;
use crate::base::codec::{ByteReader, ByteWriter, DecodeError};

pub trait ReadRecord {
    fn record(&mut self) -> Result<Record, DecodeError>;
}

pub trait WriteRecord {
    fn put_record(&mut self, record: &Record);
}

impl ReadRecord for ByteReader<'_> {
    fn record(&mut self) -> Result<Record, DecodeError> {
        let (key, partition, bytes) = (self.text()?, self.text()?, self.bytes()?);
        Record::restore(key, partition, bytes).ok_or(self.garbled())
    }
}

impl<W: ByteWriter> WriteRecord for W {
    fn put_record(&mut self, record: &Record) {
        self.put_bytes(record.key().as_str().as_bytes());
        self.put_bytes(record.partition().as_bytes());
        self.put_bytes(record.bytes());
    }
}

/// Returns how many bytes [`WriteRecord::put_record`] writes for `record`.
pub fn record_len(record: &Record) -> usize {
    let parts = [record.key().as_str().len(), record.partition().len(), record.bytes().len()];
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
        bytes.put_record(&record);
        assert_eq!(bytes.len(), record_len(&record));
        let mut reader = ByteReader::new(&bytes, "a test");
        assert_eq!(reader.record(), Ok(record));
        assert_eq!(reader.end(), Ok(()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_as_records_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..200)
        ) {
            let mut reader = ByteReader::new(&bytes, "a test");
            while !reader.is_at_end() {
                if reader.record().is_err() && reader.bytes().is_err() && reader.u8().is_err() {
                    break;
                }
            }
        }
    }
}
