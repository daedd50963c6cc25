//! The storage of one object, in memory: what is not committed is lost with the object, and each row
//! is counted as Cloudflare bills it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use headwater::base::clock::Milliseconds;
use headwater::shard::storage::{MAX_ROW_BYTES, Storage, StorageError, Table};

use super::line::numbers_in;

type Key = (Table, Vec<u8>);

/// Rows read, and rows written or deleted.
#[derive(Debug, Clone, Copy, Default)]
pub struct RowCounts {
    pub read: u64,
    pub written: u64,
    pub deleted: u64,
}

#[derive(Debug, Default)]
pub struct Disk {
    rows: RefCell<BTreeMap<Key, Vec<u8>>>,
    /// What uncommitted writes have replaced, in their order.
    undo: RefCell<Vec<(Key, Option<Vec<u8>>)>>,
    counts: Cell<RowCounts>,
    alarm_at: Option<Milliseconds>,
    committed_alarm_at: Option<Milliseconds>,
}

/// The events whose records a commit has made durable, and those whose rows it deleted.
#[derive(Debug, Default)]
pub struct Committed {
    pub stored: Vec<u64>,
    pub removed: Vec<u64>,
}

impl Disk {
    pub const fn counts(&self) -> RowCounts {
        self.counts.get()
    }

    pub const fn alarm_at(&self) -> Option<Milliseconds> {
        self.alarm_at
    }

    pub const fn set_alarm(&mut self, at: Option<Milliseconds>) {
        self.alarm_at = at;
    }

    /// Makes all writes durable.
    pub fn commit(&mut self) -> Committed {
        let mut committed = Committed::default();
        if self.committed_alarm_at != self.alarm_at {
            self.committed_alarm_at = self.alarm_at;
            // An alarm is a row.
            self.count(|counts| counts.written += 1);
        }
        let rows = self.rows.borrow();
        // The first value that a key had before counts, and its last one now.
        let mut before: BTreeMap<Key, Option<Vec<u8>>> = BTreeMap::new();
        for (key, value) in self.undo.take() {
            if key.0 == Table::Spill {
                before.entry(key).or_insert(value);
            }
        }
        for (key, value) in before {
            if let Some(value) = value {
                committed.removed.extend(numbers_in(&value));
            }
            if let Some(value) = rows.get(&key) {
                committed.stored.extend(numbers_in(value));
            }
        }
        committed
    }

    /// Loses the object: only what was committed remains.
    pub fn crash(&mut self) {
        let mut rows = self.rows.borrow_mut();
        for (key, value) in self.undo.take().into_iter().rev() {
            match value {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
        self.alarm_at = self.committed_alarm_at;
    }

    fn replace(&self, table: Table, key: &[u8], value: Option<&[u8]>) {
        let key = (table, key.to_vec());
        let mut rows = self.rows.borrow_mut();
        let before = match value {
            Some(value) => rows.insert(key.clone(), value.to_vec()),
            None => rows.remove(&key),
        };
        self.undo.borrow_mut().push((key, before));
    }

    fn count(&self, count: impl FnOnce(&mut RowCounts)) {
        let mut counts = self.counts.get();
        count(&mut counts);
        self.counts.set(counts);
    }
}

impl Storage for Disk {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.count(|counts| counts.read += 1);
        Ok(self.rows.borrow().get(&(table, key.to_vec())).cloned())
    }

    fn put(&self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StorageError> {
        assert!(!key.is_empty() && key.len() + value.len() <= MAX_ROW_BYTES, "a row is too large");
        self.count(|counts| counts.written += 1);
        self.replace(table, key, Some(value));
        Ok(())
    }

    fn delete(&self, table: Table, key: &[u8]) -> Result<(), StorageError> {
        self.count(|counts| counts.deleted += 1);
        self.replace(table, key, None);
        Ok(())
    }

    fn change(
        &self,
        table: Table,
        changes: &[(Vec<u8>, Option<Vec<u8>>)],
    ) -> Result<(), StorageError> {
        for (key, value) in changes {
            match value {
                Some(value) => self.put(table, key, value)?,
                None => self.delete(table, key)?,
            }
        }
        Ok(())
    }

    fn keys(&self, table: Table, after: &[u8], max: usize) -> Result<Vec<Vec<u8>>, StorageError> {
        use std::ops::Bound::{Excluded, Unbounded};
        let rows = self.rows.borrow();
        let first = (Excluded((table, after.to_vec())), Unbounded);
        let of_table = rows.range(first).take_while(|((of, _), _)| *of == table);
        let keys: Vec<Vec<u8>> = of_table.map(|((_, key), _)| key.clone()).take(max).collect();
        self.count(|counts| counts.read += keys.len().max(1) as u64);
        Ok(keys)
    }
}
