//! What a shard stores, as tables of bytes under keys of bytes.
//!
//! All writes between two awaits are made durable together or not at all, and no answer
//! leaves the object before they are.

/// The most bytes of one row, its key and its value together.
/// Source: <https://developers.cloudflare.com/durable-objects/platform/limits/>
pub const MAX_ROW_BYTES: usize = 2_000_000;

/// What is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// What the inspector was told, in an object of its own: a row a request, as a rule.
    Stories,
    /// The sessions of devices that are quiet: a row a device.
    Devices,
    /// What changed in the sessions of devices that are not: a row a checkpoint.
    Journal,
    /// The ids of events that were seen.
    Seen,
    /// Records that their stream did not take.
    Spill,
    /// What shards have reported of their trouble, and whether this one has.
    Reports,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 5] =
        [Self::Devices, Self::Journal, Self::Seen, Self::Spill, Self::Reports];

    /// What it is called in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stories => "stories",
            Self::Devices => "devices",
            Self::Journal => "journal",
            Self::Seen => "seen",
            Self::Spill => "spill",
            Self::Reports => "reports",
        }
    }
}

/// The storage's: it did not do what it was asked; says how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("storage: {0}")]
pub struct StorageError(pub String);

/// A shard's own storage. Keys are in the order of their bytes.
pub trait Storage {
    /// The value at `key`.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// Writes the row at `key`, in place of what was there.
    fn put(&self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StorageError>;

    /// Takes the row at `key` away, if there is one.
    fn delete(&self, table: Table, key: &[u8]) -> Result<(), StorageError>;

    /// Makes all of these changes together, or none: a value is written in place of what was at its
    /// key, and where there is none the row is taken away.
    fn change(
        &self,
        table: Table,
        changes: &[(Vec<u8>, Option<Vec<u8>>)],
    ) -> Result<(), StorageError>;

    /// The keys that come after `after`, the first `most` of them. Every key comes after the
    /// empty one.
    fn keys(&self, table: Table, after: &[u8], most: usize) -> Result<Vec<Vec<u8>>, StorageError>;
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeMap;

    use super::*;

    type Rows = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

    /// A storage in memory that can be told to fail, to forget what was not committed, and
    /// that counts its writes.
    #[derive(Debug, Default)]
    pub(crate) struct Memory {
        rows: RefCell<Rows>,
        committed: RefCell<Rows>,
        /// While it is set, no write succeeds.
        pub(crate) full: Cell<bool>,
        /// From that many writes on, none succeeds.
        pub(crate) fails_from: Cell<Option<usize>>,
        /// Rows written or deleted so far.
        pub(crate) writes: Cell<usize>,
    }

    impl Memory {
        /// Makes durable what was written.
        pub(crate) fn commit(&self) {
            self.committed.borrow_mut().clone_from(&self.rows.borrow());
        }

        /// What is there after the object was lost: only what was committed.
        pub(crate) fn crash(&self) {
            self.rows.borrow_mut().clone_from(&self.committed.borrow());
        }

        /// The rows of a table.
        pub(crate) fn count(&self, table: Table) -> usize {
            self.rows.borrow().keys().filter(|(of, _)| *of == table).count()
        }

        fn write(&self) -> Result<(), StorageError> {
            self.writes.set(self.writes.get() + 1);
            let is_past = self.fails_from.get().is_some_and(|most| self.writes.get() > most);
            match self.full.get() || is_past {
                true => Err(StorageError("full".to_owned())),
                false => Ok(()),
            }
        }
    }

    impl Storage for Memory {
        fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
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
            most: usize,
        ) -> Result<Vec<Vec<u8>>, StorageError> {
            let rows = self.rows.borrow();
            let keys = rows.keys().filter(|(of, key)| *of == table && key.as_slice() > after);
            Ok(keys.map(|(_, key)| key.clone()).take(most).collect())
        }
    }

    #[test]
    fn what_was_not_committed_is_lost_in_a_crash() {
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
