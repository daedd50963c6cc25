//! What an isolate knows of the entries of the key-value store, and when it reads one.
//!
//! A value is read anew once it is a minute old. If that fails, or if the new value is invalid, the
//! old one holds on. An entry that does not exist is known for some seconds. An entry of which
//! nothing is known is unavailable, and never unknown, if it can't be read; and invalid if its value
//! is.
//!
//! A flood of invented keys costs few reads and no value: entries that do not exist are kept apart
//! from those that do, and a reserve limits the reads of entries of which nothing is known.

use std::collections::HashMap;
use std::rc::Rc;

use crate::base::clock::{Milliseconds, is_ahead};

/// How long a value holds, in milliseconds.
pub const FOUND_MS: u64 = 60_000;

/// How long an entry counts as one that does not exist, in milliseconds.
pub const UNKNOWN_MS: u64 = 10_000;

/// How long an old value holds after a read that failed, in milliseconds.
pub const RETRY_MS: u64 = 10_000;

/// How long an entry that can't be read or used and has no old value is not read again, in milliseconds.
pub const UNAVAILABLE_MS: u64 = 2_000;

/// After how long a read counts as lost, in milliseconds. A request whose client has left may never end
/// its own.
pub const LOST_READ_MS: u64 = 3_000;

/// The most values of a generation; there are two. So as many tenants never push each other out.
pub const MAX_VALUES: usize = 10_000;

/// The most bytes of the values of a generation.
pub const MAX_GENERATION_BYTES: usize = 12_582_912;

/// The most entries of a generation that do not exist or can't be read.
pub const MAX_UNKNOWN: usize = 1_000;

/// The most reads at a time of entries of which nothing is known.
pub const MAX_READS: usize = 100;

/// The most reads of entries of which nothing is known, if there were none for a while. One that
/// finds a value takes nothing from the reserve.
pub const RESERVE: u64 = 200;

/// How many reads the reserve gains a second.
pub const RESERVE_PER_S: u64 = 10;

/// How often failed reads are logged, in milliseconds.
const LOG_MS: u64 = 60_000;

/// The answer about an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantEntry<V> {
    Found(V),
    /// It does not exist.
    Unknown,
    /// Nothing is known of it, and it can't be read now.
    Unavailable,
    /// It has a value that can't be used, and no older one is known.
    Invalid,
}

/// What a request for an entry does.
#[derive(Debug)]
pub enum EntryLookup<V, L> {
    Known(TenantEntry<V>),
    /// It reads the entry, calls [`TenantCache::complete`], and releases the latch.
    Read(Rc<L>),
    /// It waits for the latch of another one that reads the entry, and looks again.
    Wait(Rc<L>),
}

/// The end of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryRead<V> {
    Found {
        value: V,
        /// The memory of the value.
        bytes: usize,
    },
    Missing,
    Failed,
    /// The operator has to correct the value.
    Invalid,
}

/// The entries that an isolate knows. `L` is the latch of requests that wait for a read.
#[derive(Debug)]
pub struct TenantCache<V, L> {
    values: Generations<V>,
    /// Those that do not exist, can't be read or are invalid, without a value.
    unknown: Generations<V>,
    reads: Vec<RunningRead<L>>,
    reserve: Reserve,
    failures: Failures,
}

/// What is known of an entry.
#[derive(Debug)]
struct KnownEntry<V> {
    entry: TenantEntry<V>,
    /// The memory of its value.
    bytes: usize,
    /// When it has to be read again, at most `longest_ms` after it was read.
    until: Milliseconds,
    longest_ms: u64,
}

#[derive(Debug)]
struct RunningRead<L> {
    entry: String,
    since: Milliseconds,
    latch: Rc<L>,
}

impl<V: Clone, L: Default> Default for TenantCache<V, L> {
    fn default() -> Self {
        Self {
            values: Generations::new(MAX_VALUES, MAX_GENERATION_BYTES),
            unknown: Generations::new(MAX_UNKNOWN, usize::MAX),
            reads: Vec::new(),
            reserve: Reserve { milli_reads: RESERVE.saturating_mul(1_000), at: 0 },
            failures: Failures::default(),
        }
    }
}

impl<V: Clone, L: Default> TenantCache<V, L> {
    /// Whether nothing is known of `entry`, so that its read needs some of the reserve.
    pub fn is_new(&mut self, entry: &str, now: Milliseconds) -> bool {
        self.values.get(entry).is_none()
            && self.unknown.get(entry).is_none_or(|known| !known.holds(now))
    }

    /// Returns what is known of `entry`, or who reads it.
    pub fn look_up(&mut self, entry: &str, now: Milliseconds) -> EntryLookup<V, L> {
        let running = self.reads.iter().find(|read| read.is_running(now) && read.entry == entry);
        let value = self.values.get(entry);
        let has_value = value.is_some();
        if let Some(known) = value.filter(|known| known.holds(now) || running.is_some()) {
            return EntryLookup::Known(known.entry.clone());
        }
        if let Some(read) = running {
            return EntryLookup::Wait(Rc::clone(&read.latch));
        }
        if !has_value {
            if let Some(known) = self.unknown.get(entry).filter(|known| known.holds(now)) {
                return EntryLookup::Known(known.entry.clone());
            }
            self.reads.retain(|read| read.is_running(now));
            if self.reads.len() >= MAX_READS || !self.reserve.take(now) {
                return EntryLookup::Known(TenantEntry::Unavailable);
            }
        }
        let latch = Rc::new(L::default());
        let read = RunningRead { entry: entry.to_owned(), since: now, latch: Rc::clone(&latch) };
        self.end_read(entry);
        self.reads.push(read);
        EntryLookup::Read(latch)
    }

    fn end_read(&mut self, entry: &str) {
        self.reads.retain(|read| read.entry != entry);
    }

    /// Applies the end of a read of `entry`, and returns what is known now.
    pub fn complete(
        &mut self,
        entry: &str,
        read: EntryRead<V>,
        now: Milliseconds,
    ) -> TenantEntry<V> {
        self.end_read(entry);
        let known = match read {
            EntryRead::Found { value, bytes } => {
                self.reserve.give_back();
                KnownEntry::new(TenantEntry::Found(value), bytes, now, FOUND_MS)
            }
            EntryRead::Missing => KnownEntry::new(TenantEntry::Unknown, 0, now, UNKNOWN_MS),
            EntryRead::Failed | EntryRead::Invalid => {
                self.failures.count = self.failures.count.saturating_add(1);
                if let Some(known) = self.values.get(entry) {
                    (known.until, known.longest_ms) = (now.saturating_add(RETRY_MS), RETRY_MS);
                    return known.entry.clone();
                }
                let entry = match read {
                    EntryRead::Invalid => TenantEntry::Invalid,
                    _ => TenantEntry::Unavailable,
                };
                KnownEntry::new(entry, 0, now, UNAVAILABLE_MS)
            }
        };
        let entry_is = known.entry.clone();
        self.values.remove(entry);
        self.unknown.remove(entry);
        match entry_is {
            TenantEntry::Found(_) => self.values.add(entry.to_owned(), known),
            TenantEntry::Unknown | TenantEntry::Unavailable | TenantEntry::Invalid => {
                self.unknown.add(entry.to_owned(), known);
            }
        }
        entry_is
    }

    /// Returns the number of failed reads since the last call that returned one, once a minute.
    pub fn failures_to_log(&mut self, now: Milliseconds) -> Option<u64> {
        let Failures { count, logged_at } = &mut self.failures;
        let is_soon = logged_at.is_some_and(|at| is_ahead(at.saturating_add(LOG_MS), now, LOG_MS));
        if *count == 0 || is_soon {
            return None;
        }
        *logged_at = Some(now);
        Some(std::mem::take(count))
    }
}

impl<V> KnownEntry<V> {
    const fn new(entry: TenantEntry<V>, bytes: usize, now: Milliseconds, longest_ms: u64) -> Self {
        Self { entry, bytes, until: now.saturating_add(longest_ms), longest_ms }
    }

    const fn holds(&self, now: Milliseconds) -> bool {
        is_ahead(self.until, now, self.longest_ms)
    }
}

impl<L> RunningRead<L> {
    const fn is_running(&self, now: Milliseconds) -> bool {
        is_ahead(self.since.saturating_add(LOST_READ_MS), now, LOST_READ_MS)
    }
}

#[derive(Debug, Default)]
struct Failures {
    count: u64,
    logged_at: Option<Milliseconds>,
}

/// The reads of entries of which nothing is known that may begin.
#[derive(Debug)]
struct Reserve {
    /// In thousandths of a read.
    milli_reads: u64,
    at: Milliseconds,
}

impl Reserve {
    const MAX: u64 = RESERVE.saturating_mul(1_000);

    fn take(&mut self, now: Milliseconds) -> bool {
        // A second gains thousand times as many thousandths as reads.
        let gained = now.saturating_sub(self.at).saturating_mul(RESERVE_PER_S);
        self.at = now;
        self.milli_reads = self.milli_reads.saturating_add(gained).min(Self::MAX);
        let left = self.milli_reads.checked_sub(1_000);
        self.milli_reads = left.unwrap_or(self.milli_reads);
        left.is_some()
    }

    fn give_back(&mut self) {
        self.milli_reads = self.milli_reads.saturating_add(1_000).min(Self::MAX);
    }
}

/// A bounded map. What was not asked for since the map was last full is dropped once it is full
/// again, so that no call costs more than its own entry.
#[derive(Debug)]
struct Generations<V> {
    young: HashMap<String, KnownEntry<V>>,
    /// The bytes of `young`.
    bytes: usize,
    old: HashMap<String, KnownEntry<V>>,
    max_entries: usize,
    max_bytes: usize,
}

impl<V> Generations<V> {
    fn new(max_entries: usize, max_bytes: usize) -> Self {
        Self { young: HashMap::new(), bytes: 0, old: HashMap::new(), max_entries, max_bytes }
    }

    fn get(&mut self, entry: &str) -> Option<&mut KnownEntry<V>> {
        if !self.young.contains_key(entry) {
            let (entry, known) = self.old.remove_entry(entry)?;
            self.add(entry, known);
        }
        self.young.get_mut(entry)
    }

    fn remove(&mut self, entry: &str) {
        self.old.remove(entry);
        if let Some(known) = self.young.remove(entry) {
            self.bytes = self.bytes.saturating_sub(memory(entry, &known));
        }
    }

    /// Adds an entry that is in neither generation. One that alone is too large is kept, too.
    fn add(&mut self, entry: String, known: KnownEntry<V>) {
        let bytes = memory(&entry, &known);
        if self.young.len() >= self.max_entries || self.bytes.saturating_add(bytes) > self.max_bytes
        {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.young.insert(entry, known);
    }
}

fn memory<V>(entry: &str, known: &KnownEntry<V>) -> usize {
    known.bytes.saturating_add(entry.len())
}

#[cfg(test)]
mod tests;
