//! The journal: changes to the sessions of active devices.
//!
//! Entries are appended to the last row, which each checkpoint writes again until it is large
//! enough. So a checkpoint writes one row, and the journal has few rows. Entries are replayed in
//! order, and the later entry of a device wins. Once most of the journal is stale, the current
//! entries are appended again, and then the older rows are deleted, oldest first. So no failure
//! leaves an old entry of a device without its current one.

use crate::base::clock::Milliseconds;
use crate::base::codec::{ByteReader, ByteWriter, DecodeError};
use crate::model::device_key::DeviceKey;
use crate::shard::storage::{MAX_ROW_BYTES, Storage, StorageError, Table, for_each_row};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JournalEntry<'a> {
    /// It was last seen at `last_seen`, and these are its encoded sessions.
    Active { key: DeviceKey, last_seen: Milliseconds, sessions: &'a [u8] },
    /// It is in a page, which replaces its entries here.
    Left { key: DeviceKey },
}

impl JournalEntry<'_> {
    const ACTIVE: u8 = 1;
    const LEFT: u8 = 2;

    fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Active { key, last_seen, sessions } => {
                bytes.put_u8(Self::ACTIVE);
                bytes.put(key.as_bytes());
                bytes.put_u64(*last_seen);
                bytes.put_bytes(sessions);
            }
            Self::Left { key } => {
                bytes.put_u8(Self::LEFT);
                bytes.put(key.as_bytes());
            }
        }
    }

    fn read<'a>(reader: &mut ByteReader<'a>) -> Result<JournalEntry<'a>, DecodeError> {
        let (kind, key) = (reader.u8()?, DeviceKey::from_bytes(reader.array()?));
        match kind {
            Self::ACTIVE => Ok(JournalEntry::Active {
                key,
                last_seen: reader.u64()?,
                sessions: reader.bytes()?,
            }),
            Self::LEFT => Ok(JournalEntry::Left { key }),
            _ => Err(reader.malformed()),
        }
    }

    /// Returns its length in bytes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Active { sessions, .. } => sessions.len().saturating_add(29),
            Self::Left { .. } => 17,
        }
    }
}

/// How large the journal may grow.
#[derive(Debug, Clone, Copy)]
pub(super) struct JournalLimits {
    /// Bytes at which a row is complete and the next begins.
    pub(super) row_bytes: usize,
    /// The most bytes of a row.
    pub(super) max_row_bytes: usize,
    /// The most bytes of stale entries in the journal.
    pub(super) stale_bytes: usize,
}

impl JournalLimits {
    const KEY_BYTES: usize = 8;

    pub(super) const DEFAULT: Self = Self {
        row_bytes: 65_536,
        max_row_bytes: MAX_ROW_BYTES - Self::KEY_BYTES,
        stale_bytes: 4_194_304,
    };
}

#[derive(Debug)]
pub(super) struct Journal {
    limits: JournalLimits,
    /// The rows before the last, in their order.
    before: Vec<JournalRow>,
    /// The number of the last row; `last` has its bytes.
    number: u64,
    last: Vec<u8>,
    /// Whether the last row is stored as it is here.
    state: JournalState,
    /// The bytes of all current entries when they were last counted.
    snapshot_bytes: usize,
}

#[derive(Debug, Clone, Copy)]
struct JournalRow {
    number: u64,
    bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum JournalState {
    Stored,
    Dirty,
}

impl Journal {
    /// The version of a row, its first byte.
    const VERSION: u8 = 1;

    /// Replays the stored rows. If a row cannot be read, the entries before the invalid one count.
    pub(super) fn load(
        storage: &impl Storage,
        limits: JournalLimits,
        mut replay: impl FnMut(JournalEntry<'_>),
    ) -> Result<Self, StorageError> {
        let mut journal = Self {
            limits,
            before: Vec::new(),
            number: 0,
            last: vec![Self::VERSION],
            state: JournalState::Stored,
            snapshot_bytes: 0,
        };
        let mut last = None;
        for_each_row(storage, Table::Journal, |key, value| {
            let Ok(number) = ByteReader::new(&key, "the key of a journal's row").u64() else {
                return;
            };
            let is_whole = replay_row(&value, &mut replay).is_ok();
            journal.before.push(JournalRow { number, bytes: value.len() });
            journal.number = number.saturating_add(1);
            last = (is_whole && value.len() < limits.row_bytes).then_some((number, value));
        })?;
        if let Some((number, value)) = last {
            journal.before.pop();
            journal.number = number;
            journal.last = value;
        }
        Ok(journal)
    }

    /// Appends an entry, which is durable after the next flush. If the row would become too long,
    /// it is written before.
    pub(super) fn append(
        &mut self,
        storage: &impl Storage,
        entry: JournalEntry<'_>,
    ) -> Result<(), StorageError> {
        if self.last.len().saturating_add(entry.len()) > self.limits.max_row_bytes {
            self.flush(storage)?;
            self.begin_row();
        }
        entry.write(&mut self.last);
        self.state = JournalState::Dirty;
        Ok(())
    }

    pub(super) fn flush(&mut self, storage: &impl Storage) -> Result<(), StorageError> {
        if self.state == JournalState::Dirty {
            storage.put(Table::Journal, &self.number.to_be_bytes(), &self.last)?;
            self.state = JournalState::Stored;
        }
        if self.last.len() >= self.limits.row_bytes {
            self.begin_row();
        }
        Ok(())
    }

    /// Begins a new row, unless the last one is empty.
    fn begin_row(&mut self) {
        if self.last == [Self::VERSION] {
            return;
        }
        self.before.push(JournalRow { number: self.number, bytes: self.last.len() });
        self.number = self.number.saturating_add(1);
        self.last = vec![Self::VERSION];
    }

    pub(super) fn is_behind(&self) -> bool {
        self.state == JournalState::Dirty
    }

    /// Whether too much of it is stale.
    pub(super) fn is_stale(&self) -> bool {
        let fresh = self.snapshot_bytes.saturating_add(self.limits.stale_bytes);
        self.bytes() > fresh
    }

    fn bytes(&self) -> usize {
        let before = self.before.iter().map(|row| row.bytes);
        before.fold(self.last.len(), usize::saturating_add)
    }

    /// Sets the bytes of all current entries.
    pub(super) fn set_snapshot_bytes(&mut self, bytes: usize) {
        self.snapshot_bytes = bytes;
    }

    /// Writes all current entries again, which `say` appends in new rows, and deletes the older
    /// rows. Call it only after a flush.
    pub(super) fn rewrite<S: Storage>(
        &mut self,
        storage: &S,
        say: impl FnOnce(&mut Self) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        self.begin_row();
        let (rows, bytes) = (self.before.len(), self.bytes());
        say(self)?;
        self.flush(storage)?;
        self.snapshot_bytes = self.bytes().saturating_sub(bytes);
        for _ in 0..rows {
            if let Some(row) = self.before.first() {
                storage.delete(Table::Journal, &row.number.to_be_bytes())?;
                self.before.remove(0);
            }
        }
        Ok(())
    }
}

fn replay_row(value: &[u8], replay: &mut impl FnMut(JournalEntry<'_>)) -> Result<(), DecodeError> {
    let mut reader = ByteReader::new(value, "a row of the journal");
    if reader.u8()? != Journal::VERSION {
        return Err(reader.malformed());
    }
    while !reader.is_at_end() {
        replay(JournalEntry::read(&mut reader)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::storage::tests::Memory;

    const BOUNDS: JournalLimits =
        JournalLimits { row_bytes: 100, max_row_bytes: 200, stale_bytes: 500 };

    fn active(number: u8, sessions: &[u8]) -> JournalEntry<'_> {
        JournalEntry::Active { key: DeviceKey::from_bytes([number; 16]), last_seen: 7, sessions }
    }

    /// Returns the replayed entries, as bytes.
    fn replayed(storage: &Memory) -> (Journal, Vec<Vec<u8>>) {
        let mut entries = Vec::new();
        let journal = Journal::load(storage, BOUNDS, |entry| {
            let mut bytes = Vec::new();
            entry.write(&mut bytes);
            assert_eq!(bytes.len(), entry.len());
            entries.push(bytes);
        });
        (journal.unwrap(), entries)
    }

    fn bytes_of(entries: &[JournalEntry<'_>]) -> Vec<Vec<u8>> {
        let write = |entry: &JournalEntry<'_>| {
            let mut bytes = Vec::new();
            entry.write(&mut bytes);
            bytes
        };
        entries.iter().map(write).collect()
    }

    #[test]
    fn flushed_entries_replay_in_order_in_bounded_rows() {
        let storage = Memory::default();
        let sessions = [0; 60];
        let left = JournalEntry::Left { key: DeviceKey::from_bytes([1; 16]) };
        let entries = [active(1, &sessions), left, active(1, b"a"), active(2, &sessions)];
        let (mut journal, mut expected) = replayed(&storage);
        for round in 1..=10 {
            for entry in entries {
                journal.append(&storage, entry).unwrap();
            }
            assert!(journal.is_behind());
            journal.flush(&storage).unwrap();
            assert!(!journal.is_behind());
            expected.extend(bytes_of(&entries));
            let (reloaded, entries) = replayed(&storage);
            assert_eq!(entries, expected);
            assert_eq!((reloaded.number, reloaded.bytes()), (journal.number, journal.bytes()));
            assert!(storage.count(Table::Journal) <= 2 * round);
            journal = reloaded;
        }
        assert!(journal.before.iter().all(|row| (100..=200).contains(&row.bytes)));
    }

    #[test]
    fn a_small_row_is_gone_on_with_after_a_restart() {
        let storage = Memory::default();
        for _ in 0..4 {
            let (mut journal, _) = replayed(&storage);
            journal
                .append(&storage, JournalEntry::Left { key: DeviceKey::from_bytes([0; 16]) })
                .unwrap();
            journal.flush(&storage).unwrap();
        }
        assert_eq!((storage.count(Table::Journal), replayed(&storage).1.len()), (1, 4));
    }

    #[test]
    fn a_rewritten_journal_has_its_new_entries_and_stays_fresh() {
        let storage = Memory::default();
        let (mut journal, _) = replayed(&storage);
        let mut rewritten = 0;
        for number in 0..100 {
            journal.append(&storage, active(number, &[0; 60])).unwrap();
            journal.flush(&storage).unwrap();
            if journal.is_stale() {
                rewritten += 1;
                let said = [active(number, &[1; 60]), active(number, &[2; 60])];
                let say = |journal: &mut Journal| {
                    said.into_iter().try_for_each(|entry| journal.append(&storage, entry))
                };
                journal.rewrite(&storage, say).unwrap();
                assert_eq!(replayed(&storage).1, bytes_of(&said));
                assert_eq!(storage.count(Table::Journal), 1);
            }
        }
        assert!((15..=20).contains(&rewritten), "{rewritten}");
    }

    #[test]
    fn garbled_rows_count_if_readable_and_get_no_new_entries() {
        let storage = Memory::default();
        let [good] = &bytes_of(&[active(1, b"a")])[..] else { panic!() };
        let rows = [
            [&[1], &good[..]].concat(),
            [&[2], &good[..]].concat(),
            vec![],
            [&[1], &good[..], &[9; 40]].concat(),
            [&[1], &good[..], &good[..20]].concat(),
        ];
        for (number, row) in (0_u64..).zip(&rows) {
            storage.put(Table::Journal, &number.to_be_bytes(), row).unwrap();
        }
        let (mut journal, entries) = replayed(&storage);
        assert_eq!(entries, [good.as_slice(); 3]);
        journal.append(&storage, active(2, b"b")).unwrap();
        journal.flush(&storage).unwrap();
        assert_eq!(storage.count(Table::Journal), 6);
        assert_eq!(replayed(&storage).1.last(), bytes_of(&[active(2, b"b")]).last());
    }
}
