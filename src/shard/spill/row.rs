//! The rows of the spill: some records of one stream each, described by their keys.
//!
//! The records of a tenant are together in a row, and the key names the tenants. So the totals by tenant
//! are known from the keys, and no record has to name its tenant.
//!
//! A key begins with the version of its row, so a row of an unknown version is never read as
//! another. Then follow the stream and the sequence. So the rows of a stream are together, oldest
//! first, whatever the length of other backlogs.

use std::collections::BTreeMap;

use crate::base::clock::Milliseconds;
use crate::base::codec::{ByteReader, ByteWriter, DecodeError};
use crate::model::record::Record;
use crate::model::record::codec::{put_record, read_record, record_len};
use crate::model::stream::Stream;

/// The most records of a row.
pub const MAX_RECORDS: usize = 500;

/// The most tenants of a row. Its key names them.
const MAX_TENANTS: usize = 16;

/// The most bytes of a row with more than one record. A single record of any length is far below
/// the limit of a row.
const MAX_BYTES: usize = 1_048_576;

/// The state of a row. Its number comes first in the key, and is the row's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowState {
    /// Retried until its stream accepts it.
    Queued,
    /// Kept until an operator exports it.
    Quarantined,
}

impl RowState {
    /// Returns the first byte of its keys.
    pub const fn version(self) -> u8 {
        match self {
            Self::Queued => 1,
            Self::Quarantined => 2,
        }
    }
}

/// A record, and the name of its tenant. The name is empty if 0.1 has stored the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantRecord<'a> {
    pub tenant: &'a str,
    pub record: &'a Record,
}

/// The records of a tenant in a row, which are next to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowTenant {
    pub name: String,
    pub records: u32,
    /// Their part of the row's value.
    pub bytes: u32,
}

/// The properties of a row that its key has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpillRow {
    pub state: RowState,
    pub stream: Stream,
    /// Its position in the order of all rows.
    pub sequence: u64,
    /// When its records were spilled.
    pub spilled_at: Milliseconds,
    pub records: u32,
    /// The bytes of its value.
    pub bytes: u32,
    /// Its tenants, in the order of their records. A row of 0.1 has none.
    pub tenants: Vec<RowTenant>,
}

impl SpillRow {
    /// Returns a row without records.
    pub const fn new(
        state: RowState,
        stream: Stream,
        sequence: u64,
        spilled_at: Milliseconds,
    ) -> Self {
        Self { state, stream, sequence, spilled_at, records: 0, bytes: 0, tenants: Vec::new() }
    }

    /// Returns the prefix of the keys of the rows of `stream` in the state `state`.
    pub fn prefix(state: RowState, stream: &Stream) -> Vec<u8> {
        let mut key = Vec::new();
        key.put_u8(state.version());
        key.put_bytes(stream.to_string().as_bytes());
        key
    }

    /// Returns a key before those of the rows of `stream` in the state `state` from `sequence` on,
    /// and after those of earlier rows.
    pub fn cursor(state: RowState, stream: &Stream, sequence: u64) -> Vec<u8> {
        let mut key = Self::prefix(state, stream);
        key.put_u64(sequence);
        key
    }

    pub fn key(&self) -> Vec<u8> {
        let mut key = Self::cursor(self.state, &self.stream, self.sequence);
        key.put_u64(self.spilled_at);
        key.put_u32(self.records);
        key.put_u32(self.bytes);
        for RowTenant { name, records, bytes } in &self.tenants {
            key.put_bytes(name.as_bytes());
            key.put_u32(*records);
            key.put_u32(*bytes);
        }
        key
    }

    /// Returns the row with these records instead. Those of a tenant must be next to each other.
    #[must_use]
    pub fn with_records(self, records: &[TenantRecord<'_>]) -> Self {
        let mut tenants: Vec<RowTenant> = Vec::new();
        for TenantRecord { tenant, record } in records {
            let bytes = count(record_len(record));
            match tenants.last_mut().filter(|last| last.name == *tenant) {
                Some(last) => {
                    last.records = last.records.saturating_add(1);
                    last.bytes = last.bytes.saturating_add(bytes);
                }
                None => tenants.push(RowTenant { name: (*tenant).to_owned(), records: 1, bytes }),
            }
        }
        let bytes = tenants.iter().map(|tenant| tenant.bytes).fold(0, u32::saturating_add);
        Self { records: count(records.len()), bytes, tenants, ..self }
    }

    /// Returns the name of the tenant of each of its records.
    pub fn tenant_names(&self) -> impl Iterator<Item = &str> {
        let named = self
            .tenants
            .iter()
            .flat_map(|tenant| std::iter::repeat_n(tenant.name.as_str(), tenant.records as usize));
        named.chain(std::iter::repeat("")).take(self.records as usize)
    }

    pub fn read(key: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = ByteReader::new(key, "the key of a row of the spill");
        let version = reader.u8()?;
        let mut shelves = [RowState::Queued, RowState::Quarantined].into_iter();
        let state = shelves.find(|state| state.version() == version);
        let mut row = Self {
            state: state.ok_or(reader.malformed())?,
            stream: Stream::parse(reader.text()?).map_err(|_| reader.malformed())?,
            sequence: reader.u64()?,
            spilled_at: reader.u64()?,
            records: reader.u32()?,
            bytes: reader.u32()?,
            tenants: Vec::new(),
        };
        while !reader.is_at_end() {
            let name = reader.text()?.to_owned();
            row.tenants.push(RowTenant { name, records: reader.u32()?, bytes: reader.u32()? });
        }
        let sum =
            |of: fn(&RowTenant) -> u32| row.tenants.iter().map(of).fold(0, u32::saturating_add);
        let is_whole = (sum(|it| it.records), sum(|it| it.bytes)) == (row.records, row.bytes);
        match row.tenants.is_empty() || is_whole {
            true => Ok(row),
            false => Err(reader.malformed()),
        }
    }

    /// Reads the records in its `value`.
    pub fn records(&self, value: &[u8]) -> Result<Vec<Record>, DecodeError> {
        let mut reader = ByteReader::new(value, "a row of the spill");
        let mut records = Vec::new();
        while !reader.is_at_end() {
            records.push(read_record(&mut reader, 0)?);
        }
        if count(records.len()) == self.records { Ok(records) } else { Err(reader.malformed()) }
    }
}

/// Returns the value of a row with `records`.
pub fn value(records: &[TenantRecord<'_>]) -> Vec<u8> {
    let lengths = records.iter().map(|it| record_len(it.record));
    let mut value = Vec::with_capacity(lengths.fold(0, usize::saturating_add));
    records.iter().for_each(|it| put_record(&mut value, it.record));
    value
}

/// Puts the records of each tenant next to each other, in their order.
pub fn by_tenant<'a>(records: &[TenantRecord<'a>]) -> Vec<TenantRecord<'a>> {
    let mut tenants: BTreeMap<&str, Vec<TenantRecord<'a>>> = BTreeMap::new();
    for record in records {
        tenants.entry(record.tenant).or_default().push(*record);
    }
    tenants.into_values().flatten().collect()
}

/// Splits `records` into those of one row each, in their order. Those of a tenant must be next to
/// each other.
pub fn cut<'a, 'r>(
    mut records: &'a [TenantRecord<'r>],
) -> impl Iterator<Item = &'a [TenantRecord<'r>]> {
    std::iter::from_fn(move || {
        let (mut bytes, mut tenants, mut last) = (0_usize, 0_usize, None);
        let mut fits = |it: &TenantRecord<'r>| {
            bytes = bytes.saturating_add(record_len(it.record));
            tenants = tenants.saturating_add(usize::from(last != Some(it.tenant)));
            last = Some(it.tenant);
            bytes <= MAX_BYTES && tenants <= MAX_TENANTS
        };
        let fitting = records.iter().take(MAX_RECORDS).take_while(|record| fits(record)).count();
        let (row, rest) = records.split_at_checked(fitting.max(1))?;
        records = rest;
        Some(row)
    })
}

/// Converts a number of records or bytes of one row, which is far below the limit of four bytes.
pub fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
