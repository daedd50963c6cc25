//! The quarantine, which an operator exports.

use serde::Serialize;

use super::row::{RowState, SpillRow};
use super::{Spill, StorageError};
use crate::model::record::Record;
use crate::model::stream::Stream;
use crate::shard::protocol::quarantine;
use crate::shard::storage::{Storage, Table};

/// A record in the format in which Firehose writes undelivered records, so that one reader serves
/// for both.
/// Source: <https://docs.aws.amazon.com/firehose/latest/dev/retry.html#dd-s3-error>
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct QuarantinedLine {
    error_code: &'static str,
    error_message: String,
    /// When it was quarantined or, if it was moved or is invalid, spilled; ms since the epoch.
    arrival_timestamp: u64,
    /// In base64.
    raw_data: String,
}

impl Spill {
    /// Returns the prefix of the keys of quarantined rows of `stream`.
    pub fn quarantine_prefix(stream: &Stream) -> Vec<u8> {
        SpillRow::prefix(RowState::Quarantined, stream)
    }

    /// Returns the first quarantined row after the key `after`. Its lines give the reason, which
    /// depends on `is_named`: whether the configuration names the row's stream.
    pub fn quarantined_after(
        &self,
        storage: &dyn Storage,
        after: &[u8],
        is_named: impl Fn(&Stream) -> bool,
    ) -> Result<Option<quarantine::QuarantineRow>, StorageError> {
        let first = [RowState::Quarantined.version()];
        let mut after = after.max(&first).to_vec();
        loop {
            let keys = storage.keys(Table::Spill, &after, 1)?;
            let Some(key) = keys.into_iter().next().filter(|key| key.starts_with(&first)) else {
                return Ok(None);
            };
            if let Ok(row) = SpillRow::read(&key)
                && let Some(value) = storage.get(Table::Spill, &key)?
            {
                return Ok(Some(quarantine::QuarantineRow {
                    lines: lines(&row, &value, is_named(&row.stream)),
                    key,
                }));
            }
            after = key;
        }
    }

    /// Deletes the quarantined row with `key`. Returns whether there was one.
    pub fn forget(&mut self, storage: &dyn Storage, key: &[u8]) -> Result<bool, StorageError> {
        let row = SpillRow::read(key).ok().filter(|row| row.state == RowState::Quarantined);
        match row {
            Some(row) if storage.get(Table::Spill, key)?.is_some() => {
                self.delete(storage, &row).map(|()| true)
            }
            _ => Ok(false),
        }
    }
}

/// Returns the records of a row, one line each. An invalid row is one line.
fn lines(row: &SpillRow, value: &[u8], is_named: bool) -> Vec<u8> {
    let SpillRow { stream, spilled_at, .. } = row;
    let (error_code, error_message, datas) = match row.records(value) {
        Ok(records) => {
            let datas = records.iter().map(Record::bytes).map(<[u8]>::to_vec).collect();
            let why =
                if is_named { "refuses it for good" } else { "is named by no route any more" };
            ("quarantined", format!("{stream} {why}"), datas)
        }
        Err(malformed) => ("garbled", format!("of {stream}: {malformed}"), vec![value.to_vec()]),
    };
    let line = |data: &Vec<u8>| QuarantinedLine {
        error_code,
        error_message: error_message.clone(),
        arrival_timestamp: *spilled_at,
        raw_data: base64_simd::STANDARD.encode_to_string(data),
    };
    let mut lines = Vec::new();
    for data in &datas {
        // Only texts and numbers, which always serialize.
        lines.extend(serde_json::to_vec(&line(data)).unwrap_or_default());
        lines.push(b'\n');
    }
    lines
}
