//! The storage of a shard: tables of bytes under keys of bytes.
//!
//! All writes between two awaits are made durable together or not at all, and before any answer
//! leaves the object.

/// The most bytes of one row, key and value together.
/// Source: <https://developers.cloudflare.com/durable-objects/platform/limits/>
pub const MAX_ROW_BYTES: usize = 2_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Entries of the inspector, in an object of its own: usually one row for each request.
    Entries,
    /// Sessions of quiet devices, many in a row.
    DevicePages,
    /// Changed sessions of active devices: one row is written at each checkpoint.
    Journal,
    /// Ids of seen events that are only in memory otherwise: one row is written at each checkpoint.
    SeenJournal,
    /// Runs of older ids: one row for each, which is in memory too.
    SeenRuns,
    /// The ids of these runs.
    Seen,
    /// Spilled and quarantined records.
    Spill,
    /// Failures that shards have reported, and whether this shard has.
    Reports,
    /// The counts of the tenants whose home this shard is: one row for each tenant and day.
    Quotas,
    /// What tenants have added in the last day, for their shares.
    TenantCounts,
    /// The number of records by result, in one row.
    RecordCounts,
}

impl Table {
    /// The tables of a shard's object.
    pub const ALL: [Self; 10] = [
        Self::DevicePages,
        Self::Journal,
        Self::SeenJournal,
        Self::SeenRuns,
        Self::Seen,
        Self::Spill,
        Self::Reports,
        Self::Quotas,
        Self::TenantCounts,
        Self::RecordCounts,
    ];

    /// Returns its name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Entries => "entry_rows",
            Self::DevicePages => "device_pages",
            Self::Journal => "journal_rows",
            Self::SeenJournal => "seen_journal",
            Self::SeenRuns => "seen_runs",
            Self::Seen => "seen_rows",
            Self::Spill => "spill",
            Self::Reports => "reports",
            Self::Quotas => "quotas",
            Self::TenantCounts => "tenant_counts",
            Self::RecordCounts => "record_counts",
        }
    }
}

impl Table {
    /// Whether its keys are numbers of eight bytes, the highest first, below 2^53. SQLite finds such
    /// rows faster: with other keys a row is its own index, of which it reads whole rows to compare.
    pub const fn is_numbered(self) -> bool {
        match self {
            Self::Entries
            | Self::DevicePages
            | Self::Journal
            | Self::SeenJournal
            | Self::SeenRuns
            | Self::Seen => true,
            Self::Spill
            | Self::Reports
            | Self::Quotas
            | Self::TenantCounts
            | Self::RecordCounts => false,
        }
    }
}

/// The storage failed, with its own message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("storage: {0}")]
pub struct StorageError(pub String);

/// A shard's own storage. Keys are in the order of their bytes.
pub trait Storage {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// Writes the row at `key`, and replaces an existing one.
    fn put(&self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StorageError>;

    /// Deletes the row at `key`, if there is one.
    fn delete(&self, table: Table, key: &[u8]) -> Result<(), StorageError>;

    /// Makes all of these changes, or none: writes each value at its key, and deletes the row if
    /// there is no value.
    fn change(
        &self,
        table: Table,
        changes: &[(Vec<u8>, Option<Vec<u8>>)],
    ) -> Result<(), StorageError>;

    /// Returns the first `max` keys after `after`. Every key comes after the empty one.
    fn keys(&self, table: Table, after: &[u8], max: usize) -> Result<Vec<Vec<u8>>, StorageError>;
}

/// Calls `each` for the keys of a table after `after`, in their order.
pub fn for_each_key(
    storage: &(impl Storage + ?Sized),
    table: Table,
    after: &[u8],
    mut each: impl FnMut(Vec<u8>) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    /// Keys that are read at once.
    const PAGE: usize = 1_000;
    let mut after = after.to_vec();
    loop {
        let keys = storage.keys(table, &after, PAGE)?;
        let Some(last) = keys.last() else { return Ok(()) };
        after.clone_from(last);
        keys.into_iter().try_for_each(&mut each)?;
    }
}

/// Calls `each` for the keys and values of a table, in their order.
pub fn for_each_row(
    storage: &(impl Storage + ?Sized),
    table: Table,
    mut each: impl FnMut(Vec<u8>, Vec<u8>),
) -> Result<(), StorageError> {
    for_each_key(storage, table, &[], |key| {
        let value = storage.get(table, &key)?.unwrap_or_default();
        each(key, value);
        Ok(())
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeMap;

    use super::*;

    type Rows = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

    /// A storage in memory that can fail, can lose uncommitted writes, and counts its writes.
    #[derive(Debug, Default)]
    pub(crate) struct Memory {
        rows: RefCell<Rows>,
        committed: RefCell<Rows>,
        /// If set, every write fails.
        pub(crate) full: Cell<bool>,
        /// The number of writes after which all fail.
        pub(crate) fails_from: Cell<Option<usize>>,
        /// Number of rows written or deleted.
        pub(crate) writes: Cell<usize>,
        /// Number of values read.
        pub(crate) reads: Cell<usize>,
        /// If set, every read of a value fails.
        pub(crate) unreadable: Cell<bool>,
    }

    impl Memory {
        /// Makes all writes durable.
        pub(crate) fn commit(&self) {
            self.committed.borrow_mut().clone_from(&self.rows.borrow());
        }

        /// Loses the object: only committed rows remain.
        pub(crate) fn crash(&self) {
            self.rows.borrow_mut().clone_from(&self.committed.borrow());
        }

        /// Returns the number of rows of a table.
        pub(crate) fn count(&self, table: Table) -> usize {
            self.rows.borrow().keys().filter(|(of, _)| *of == table).count()
        }

        fn write(&self) -> Result<(), StorageError> {
            self.writes.set(self.writes.get() + 1);
            let is_past = self.fails_from.get().is_some_and(|max| self.writes.get() > max);
            match self.full.get() || is_past {
                true => Err(StorageError("full".to_owned())),
                false => Ok(()),
            }
        }
    }

    impl Storage for Memory {
        fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
            self.reads.set(self.reads.get() + 1);
            if self.unreadable.get() {
                return Err(StorageError("unreadable".to_owned()));
            }
            Ok(self.rows.borrow().get(&(table, key.to_vec())).cloned())
        }

        fn put(&self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StorageError> {
            assert!(!key.is_empty() && key.len() + value.len() <= MAX_ROW_BYTES);
            self.write()?;
            self.rows.borrow_mut().insert((table, key.to_vec()), value.to_vec());
            Ok(())
        }

        fn delete(&self, table: Table, key: &[u8]) -> Result<(), StorageError> {
            self.write()?;
            self.rows.borrow_mut().remove(&(table, key.to_vec()));
            Ok(())
        }

        fn change(
            &self,
            table: Table,
            changes: &[(Vec<u8>, Option<Vec<u8>>)],
        ) -> Result<(), StorageError> {
            let before = self.rows.borrow().clone();
            let change = |(key, value): &(Vec<u8>, Option<Vec<u8>>)| match value {
                Some(value) => self.put(table, key, value),
                None => self.delete(table, key),
            };
            let changed = changes.iter().try_for_each(change);
            if changed.is_err() {
                *self.rows.borrow_mut() = before;
            }
            changed
        }

        fn keys(
            &self,
            table: Table,
            after: &[u8],
            max: usize,
        ) -> Result<Vec<Vec<u8>>, StorageError> {
            let rows = self.rows.borrow();
            let keys = rows.keys().filter(|(of, key)| *of == table && key.as_slice() > after);
            Ok(keys.map(|(_, key)| key.clone()).take(max).collect())
        }
    }

    #[test]
    fn a_crash_loses_uncommitted_writes() {
        let storage = Memory::default();
        storage.put(Table::Spill, &[1], b"a").unwrap();
        storage.commit();
        storage.put(Table::Spill, &[2], b"b").unwrap();
        storage.put(Table::Seen, &[3], b"c").unwrap();
        assert_eq!(storage.keys(Table::Spill, &[], 9).unwrap(), [[1], [2]]);
        assert_eq!(storage.keys(Table::Spill, &[1], 9).unwrap(), [[2]]);
        storage.crash();
        assert_eq!(storage.keys(Table::Spill, &[], 9).unwrap(), [[1]]);
        assert_eq!(storage.get(Table::Spill, &[1]).unwrap().unwrap(), b"a");
        assert_eq!(storage.count(Table::Seen), 0);
    }
}
