//! Counts the records of a shard by what became of them, for `/_/metrics`.
//!
//! A counter that an operator has seen never falls: only stored counts are shown, and a shard that is
//! loaded again goes on from them. They are stored only if an operator has asked for them in the last
//! day, since rows are billed.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::storage::{Storage, StorageError, Table};
use crate::base::clock::{Milliseconds, is_ahead};
use crate::base::json::from_json::{self, FromJson};

/// How long the counts are stored after an operator has asked for them, in milliseconds.
const ASKED_MS: u64 = 86_400_000;

/// How much older the stored time of the last question may be, in milliseconds.
const ASKED_AGAIN_MS: u64 = 3_600_000;

/// The average time between two writes without a question, in milliseconds. An object that was
/// evicted is below it: it sleeps, and its next one begins anew.
const GAP_MS: u64 = 60_000;

/// How far the gaps of writes may reach ahead, in milliseconds.
const AHEAD_MS: u64 = 59 * GAP_MS;

/// The key of the only row.
const KEY: &[u8] = &[1];

/// What became of a record in its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordResult {
    /// Accepted by the stream at once.
    Delivered,
    /// Stored for retry.
    Spilled,
    Duplicate,
    OverQuota,
    /// Rejected by the stream for its content; its failed event is a record, too.
    Rejected,
    /// Answered 503.
    NotDurable,
    /// Given back to its request, which delivers it.
    NotAdmitted,
}

/// The number of results.
const RESULTS: usize = 7;

/// The number of records by result, since the shard began to count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecordCounts([u64; RESULTS]);

impl RecordCounts {
    /// The names of the results, in the order of [`RecordResult`].
    pub const NAMES: [&str; RESULTS] = [
        "delivered",
        "spilled",
        "duplicate",
        "over_quota",
        "rejected",
        "not_durable",
        "not_admitted",
    ];

    pub fn add(&mut self, result: RecordResult) {
        if let Some(count) = self.0.get_mut(result as usize) {
            *count = count.saturating_add(1);
        }
    }
}

impl Serialize for RecordCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Self::NAMES.iter().zip(self.0))
    }
}

impl FromJson for RecordCounts {
    fn from_json(json: &RawValue) -> Option<Self> {
        let fields = from_json::fields(json)?;
        let mut counts = Self::default();
        for (count, name) in counts.0.iter_mut().zip(Self::NAMES) {
            *count = from_json::field(&fields, name)?;
        }
        Some(counts)
    }
}

/// The counts of a shard.
#[derive(Debug, Default)]
pub struct RecordCounters {
    pub current: RecordCounts,
    stored: RecordCounts,
    /// When an operator last asked, as stored; `None` if the counts were never stored.
    asked_at: Option<Milliseconds>,
    /// When the gaps of all writes are over.
    free_at: Milliseconds,
}

impl RecordCounters {
    /// Loads the counts; zeros if there are none, or if another version wrote them.
    pub fn load(storage: &impl Storage) -> Result<Self, StorageError> {
        let row = storage.get(Table::RecordCounts, KEY)?.unwrap_or_default();
        Ok(Self::decode(&row).unwrap_or_default())
    }

    /// Decodes a row: the time of the last question, then the counts as JSON.
    fn decode(row: &[u8]) -> Option<Self> {
        let (asked_at, json) = row.split_first_chunk()?;
        let stored: RecordCounts = from_json::read(std::str::from_utf8(json).ok()?)?;
        let asked_at = Some(u64::from_be_bytes(*asked_at));
        Some(Self { current: stored, stored, asked_at, free_at: 0 })
    }

    fn write(&mut self, storage: &impl Storage) -> Result<(), StorageError> {
        let mut row = self.asked_at.unwrap_or_default().to_be_bytes().to_vec();
        // Only numbers, which JSON can always represent.
        row.extend(serde_json::to_vec(&self.current).unwrap_or_default());
        storage.put(Table::RecordCounts, KEY, &row)?;
        self.stored = self.current;
        Ok(())
    }

    /// Whether an operator has asked in the last `span_ms`.
    fn was_asked(&self, now: Milliseconds, span_ms: u64) -> bool {
        self.asked_at.is_some_and(|at| is_ahead(at.saturating_add(span_ms), now, span_ms))
    }

    /// Whether a checkpoint at `now` stores them.
    pub fn is_due(&self, now: Milliseconds) -> bool {
        self.current != self.stored
            && self.was_asked(now, ASKED_MS)
            && self.free_at.saturating_sub(now) <= AHEAD_MS
    }

    /// Stores them, if that is due.
    pub fn checkpoint(
        &mut self,
        storage: &impl Storage,
        now: Milliseconds,
    ) -> Result<(), StorageError> {
        if !self.is_due(now) {
            return Ok(());
        }
        let max = now.saturating_add(AHEAD_MS);
        self.free_at = self.free_at.clamp(now, max).saturating_add(GAP_MS);
        self.write(storage)
    }

    /// Stores them for an operator who asks at `now`, so that all of them are shown.
    pub fn asked(&mut self, storage: &impl Storage, now: Milliseconds) -> Result<(), StorageError> {
        let is_known = self.was_asked(now, ASKED_AGAIN_MS);
        if is_known && self.current == self.stored {
            return Ok(());
        }
        let before = self.asked_at;
        if !is_known {
            self.asked_at = Some(now);
        }
        let written = self.write(storage);
        if written.is_err() {
            self.asked_at = before;
        }
        written
    }

    /// Returns the stored counts, which are those that may be shown.
    pub const fn shown(&self) -> RecordCounts {
        self.stored
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::shard::storage::tests::Memory;

    const NOW: Milliseconds = 1_795_317_969_000;

    #[test]
    fn nothing_is_written_until_an_operator_asks_or_a_day_after() {
        let storage = Memory::default();
        let mut counters = RecordCounters::load(&storage).unwrap();
        counters.current.add(RecordResult::Delivered);
        counters.checkpoint(&storage, NOW).unwrap();
        assert_eq!((storage.writes.get(), counters.shown().0[0]), (0, 0));
        counters.asked(&storage, NOW).unwrap();
        assert_eq!((storage.writes.get(), counters.shown().0[0]), (1, 1));
        counters.asked(&storage, NOW + 60_000).unwrap();
        assert_eq!(storage.writes.get(), 1, "nothing has changed");
        for (at, writes) in [(NOW + ASKED_MS - 1, 2), (NOW + ASKED_MS, 2)] {
            counters.current.add(RecordResult::Delivered);
            counters.checkpoint(&storage, at).unwrap();
            assert_eq!(storage.writes.get(), writes);
        }
    }

    #[test]
    fn an_awake_shard_writes_once_a_minute_and_sixty_times_more() {
        let storage = Memory::default();
        let mut counters = RecordCounters::load(&storage).unwrap();
        counters.asked(&storage, NOW).unwrap();
        storage.writes.set(0);
        for now in (NOW..NOW + 3_600_000).step_by(1_000) {
            counters.current.add(RecordResult::Duplicate);
            counters.checkpoint(&storage, now).unwrap();
        }
        assert!((60..=121).contains(&storage.writes.get()), "{}", storage.writes.get());
    }

    #[test]
    fn each_result_has_its_name() {
        let mut counts = RecordCounts::default();
        let results = [
            RecordResult::Delivered,
            RecordResult::Spilled,
            RecordResult::Duplicate,
            RecordResult::OverQuota,
            RecordResult::Rejected,
            RecordResult::NotDurable,
            RecordResult::NotAdmitted,
        ];
        for (index, result) in results.into_iter().enumerate() {
            assert_eq!(
                RecordCounts::NAMES[index].replace('_', ""),
                format!("{result:?}").to_lowercase()
            );
            (0..=index).for_each(|_| counts.add(result));
        }
        assert_eq!(counts.0, [1, 2, 3, 4, 5, 6, 7]);
        let json = serde_json::to_string(&counts).unwrap();
        assert!(json.starts_with(r#"{"delivered":1,"spilled":2,"#), "{json}");
        assert_eq!(from_json::read::<RecordCounts>(&json), Some(counts));
    }

    #[test]
    fn a_row_that_cannot_be_read_counts_as_none() {
        let storage = Memory::default();
        for row in [&[][..], &[9; 80], &[1; 8], br#"12345678{"delivered":1}"#] {
            storage.put(Table::RecordCounts, KEY, row).unwrap();
            assert_eq!(RecordCounters::load(&storage).unwrap().shown(), RecordCounts::default());
        }
    }

    proptest! {
        /// With a crash at any write, and at any time.
        #[test]
        fn a_count_that_was_shown_never_falls_and_is_never_above_the_truth(
            steps in proptest::collection::vec((0_u8..6, 0_u64..7_200_000), 0..80),
        ) {
            let storage = Memory::default();
            let mut counters = RecordCounters::load(&storage).unwrap();
            let (mut now, mut shown, mut truth) = (NOW, 0, 0);
            for (step, wait_ms) in steps {
                now += wait_ms;
                match step {
                    0 | 1 => {
                        truth += 1;
                        counters.current.add(RecordResult::Spilled);
                    }
                    2 => { let _ = counters.checkpoint(&storage, now); }
                    3 => storage.full.set(!storage.full.get()),
                    4 => {
                        storage.crash();
                        counters = RecordCounters::load(&storage).unwrap();
                    }
                    _ => {
                        let is_stored = counters.asked(&storage, now).is_ok();
                        // No answer leaves the object before its writes are durable.
                        storage.commit();
                        let now_shown = counters.shown().0[1];
                        prop_assert!(now_shown >= shown && now_shown <= truth);
                        prop_assert!(!is_stored || counters.shown() == counters.current);
                        shown = now_shown;
                    }
                }
            }
        }
    }
}
