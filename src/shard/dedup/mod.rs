//! The events that a shard has seen: a window of their ids.
//!
//! Most ids say when they were made: UUIDs of version 7, and those of events whose client states a
//! time. A repeat says the same time, so it is looked up only among ids of that time. Such an id is
//! *timed* if it arrives within some minutes of its time.
//!
//! - Timed ids of the last minutes are in memory ([`id_set`]), and in a journal ([`id_journal`]) from
//!   the next checkpoint on. Older ones are written once, as a run of sorted rows ([`id_run`]), and
//!   leave memory and journal. The runs share no time, so an id is looked up in one row.
//! - All other ids (late, or without a time) are in memory until there are enough for a run. These
//!   runs have a filter in memory ([`id_filter`]), which mostly shows that no row must be read.
//!
//! So a new id costs no read if it is timed, and one if it is late. With chosen ids a lookup reads
//! at most [`MAX_READS`] rows of 32 kB, and a request each row at most once. Chosen ids cannot make
//! others count as seen, since rows have whole ids. Ids that are not timed displace only each other.
//!
//! An id counts as seen for the whole window after its last insertion, plus at most an eighth of it
//! and 15 minutes. Two limits take precedence: the ids of a shard, and a part of them for ids that are
//! not timed. Above a limit the oldest run is removed. A duplicate of a removed id is delivered
//! again. So is one whose row cannot be read: that is better than to refuse an event. If the object
//! is lost, so are ids since the last checkpoint, with the same effect. An id that was not inserted
//! must never count as seen: that event would be lost.
//!
//! The ids of a tenant that has its share of the window are remembered for some minutes, and in memory only.
//! So it never displaces the ids of another one.
//!
//! If the clock was set back, times ahead of it are set to it. Meanwhile two runs may share a time;
//! then a lookup reads both.

mod config;
mod id_filter;
mod id_journal;
mod id_run;
mod id_set;
mod key;

use std::collections::BTreeMap;

pub use self::config::DedupConfig;
use self::id_filter::IdFilter;
use self::id_journal::IdJournal;
use self::id_run::{IdRun, IdScope, IndexRow, row_has};
use self::id_set::IdSet;
pub use self::key::DedupKey;
use crate::base::clock::Milliseconds;
use crate::base::codec::{ByteReader, DecodeError};
use crate::base::keyed_hash::HashKey;
use crate::base::order::ascending;
use crate::shard::storage::{Storage, StorageError, Table, for_each_key, for_each_row};

/// The most rows that are read for one id.
const MAX_READS: usize = 4;

#[derive(Debug)]
pub struct DedupWindow {
    policy: DedupConfig,
    hash_key: HashKey,
    /// The timed ids in memory, by the tick in which they were made.
    recent: BTreeMap<u64, InsertedIds>,
    recent_len: usize,
    /// Other ids in memory.
    untimed: InsertedIds,
    /// The last ids of tenants that have their share, the newer ones first. These are never stored.
    passing: [InsertedIds; 2],
    journal: IdJournal,
    /// The first row of the journal that may have ids of `untimed`.
    untimed_from: u64,
    /// Runs of timed ids, and of others, in the order of their numbers.
    timed_runs: Vec<IdRun>,
    untimed_runs: Vec<IdRun>,
    /// Timed ids that were made before this are in runs. A new id that was made before it is not timed.
    cut: Milliseconds,
    /// The number of ids in all runs.
    run_len: usize,
    next_run: u64,
    /// Rows that were written of the next run, before its index could not be.
    unfinished_rows: usize,
    /// Rows to delete, last first.
    gone: Vec<(Table, Vec<u8>)>,
}

/// Ids and when the first and the last one was inserted.
#[derive(Debug)]
struct InsertedIds {
    ids: IdSet,
    oldest: Milliseconds,
    newest: Milliseconds,
}

impl InsertedIds {
    const fn new(hash_key: HashKey) -> Self {
        Self { ids: IdSet::new(hash_key), oldest: 0, newest: 0 }
    }

    /// Returns whether it is new.
    fn insert(&mut self, key: &DedupKey, now: Milliseconds) -> bool {
        self.oldest = if self.ids.len() == 0 { now } else { self.oldest.min(now) };
        self.newest = self.newest.max(now);
        self.ids.insert(key.number)
    }

    fn has(&self, key: &DedupKey, window_ms: u64, now: Milliseconds) -> bool {
        self.is_within(window_ms, now) && self.ids.contains(key.number)
    }

    const fn is_within(&self, window_ms: u64, now: Milliseconds) -> bool {
        now.saturating_sub(self.newest) <= window_ms
    }

    /// Moves times ahead of `now` back.
    fn follow_clock(&mut self, now: Milliseconds) {
        self.newest = self.newest.min(now);
        self.oldest = self.oldest.min(now);
    }
}

impl DedupWindow {
    /// The most rows that a checkpoint deletes at once. The next ones delete the others.
    const MAX_DELETES: usize = 512;

    /// Loads the window of the last checkpoint. Rows that cannot be read are left out, and deleted
    /// by the next checkpoints.
    pub fn load(
        storage: &impl Storage,
        policy: DedupConfig,
        hash_key: HashKey,
        now: Milliseconds,
    ) -> Result<Self, StorageError> {
        let mut window = Self {
            policy,
            hash_key,
            recent: BTreeMap::new(),
            recent_len: 0,
            untimed: InsertedIds::new(hash_key),
            passing: [InsertedIds::new(hash_key), InsertedIds::new(hash_key)],
            journal: IdJournal::load(storage)?,
            untimed_from: 0,
            timed_runs: Vec::new(),
            untimed_runs: Vec::new(),
            cut: 0,
            run_len: 0,
            next_run: 0,
            unfinished_rows: 0,
            gone: Vec::new(),
        };
        window.load_runs(storage)?;
        window.load_journal(storage, now)?;
        window.make_room(0);
        window.follow_clock(now);
        Ok(window)
    }

    fn load_runs(&mut self, storage: &impl Storage) -> Result<(), StorageError> {
        let mut unreadable = Vec::new();
        for_each_row(storage, Table::SeenRuns, |key, value| {
            let Ok(number) = number(&key) else { return self.gone.push((Table::SeenRuns, key)) };
            self.next_run = number.saturating_add(1);
            match IdRun::decode(number, &value) {
                Ok(run) => {
                    self.run_len = self.run_len.saturating_add(run.len);
                    // They come in their order, so those of the last run stay.
                    match &run.scope {
                        IdScope::Made { to, .. } => self.cut = *to,
                        IdScope::Filtered { journal_from, .. } => self.untimed_from = *journal_from,
                    }
                    self.runs_for(&run.scope).push(run);
                }
                Err(DecodeError(_)) => {
                    self.gone.push((Table::SeenRuns, key));
                    unreadable.push(number);
                }
            }
        })?;
        self.find_orphans(storage, &unreadable)
    }

    /// Marks the rows of runs for deletion whose index could not be read, which are `unreadable`. Notes
    /// how many rows the next run has, if it was begun and not finished.
    fn find_orphans(
        &mut self,
        storage: &impl Storage,
        unreadable: &[u64],
    ) -> Result<(), StorageError> {
        let Self { next_run, unfinished_rows, gone, .. } = self;
        let first = unreadable.first().unwrap_or(next_run);
        let before = IdRun::first_row(*first).checked_sub(1);
        let before = before.map(|key| key.to_be_bytes().to_vec()).unwrap_or_default();
        for_each_key(storage, Table::Seen, &before, |key| {
            match number(&key).map(|row| (row, IdRun::of_row(row))) {
                Ok((row, run)) if run == *next_run => {
                    let rows = row.saturating_sub(IdRun::first_row(run)).saturating_add(1);
                    *unfinished_rows = usize::try_from(rows).unwrap_or_default();
                }
                Ok((_, run)) if run < *next_run && unreadable.binary_search(&run).is_err() => {}
                Ok(_) | Err(_) => gone.push((Table::Seen, key)),
            }
            Ok(())
        })
    }

    fn runs_for(&mut self, scope: &IdScope) -> &mut Vec<IdRun> {
        match scope {
            IdScope::Made { .. } => &mut self.timed_runs,
            IdScope::Filtered { .. } => &mut self.untimed_runs,
        }
    }

    fn load_journal(
        &mut self,
        storage: &impl Storage,
        now: Milliseconds,
    ) -> Result<(), StorageError> {
        let mut journal = std::mem::take(&mut self.journal);
        if let Some(last) = journal.rows.last() {
            let value = storage.get(Table::SeenJournal, &last.number.to_be_bytes())?;
            let last_run = self.timed_runs.last().map(|run| run.number);
            // If no run moved it since, this is the cut, also if the clock was set back.
            match value.and_then(|value| id_journal::read_head(&value)) {
                Some(head) if last_run.is_none_or(|run| run < head.next_run) => self.cut = head.cut,
                Some(_) | None => {}
            }
        }
        let (policy, hash_key) = (self.policy, self.hash_key);
        let new_ids = || InsertedIds::new(hash_key);
        for index in 0..journal.rows.len() {
            journal.replay(index, storage, |head, row, key| {
                let inserted_at = head.newest.min(now);
                let inserted = match key.made_at {
                    0 if row < self.untimed_from => return,
                    made_at if made_at != 0 && made_at < self.cut => return,
                    _ if now.saturating_sub(inserted_at) > policy.window_ms => return,
                    0 => &mut self.untimed,
                    made_at => self.recent.entry(policy.tick_of(made_at)).or_insert_with(new_ids),
                };
                if inserted.insert(&key, inserted_at) && key.made_at != 0 {
                    self.recent_len = self.recent_len.saturating_add(1);
                }
            })?;
        }
        journal.skip_to(self.untimed_from);
        self.journal = journal;
        Ok(())
    }

    /// Whether each of `keys` counts as seen at `now`. An id whose row cannot be read does not.
    pub fn contains(
        &self,
        storage: &impl Storage,
        keys: &[DedupKey],
        now: Milliseconds,
    ) -> Vec<bool> {
        let mut reads = Vec::new();
        let mut seen = Vec::with_capacity(keys.len());
        for (index, key) in keys.iter().enumerate() {
            let is_seen = self.is_in_memory(key, now);
            seen.push(is_seen);
            if !is_seen {
                let rows = self.rows_of(key, now);
                reads.extend(rows.map(|(order, row)| (order, row, index)));
            }
        }
        // No row has a number of 64 bits.
        let place = |(order, row, _): &(u8, u64, usize)| (u64::from(*order) << 63) | row;
        let in_order = ascending(&mut reads.iter().map(place));
        let mut last_read = (None, None);
        for (_, row, index) in in_order.iter().filter_map(|(_, at)| reads.get(*at)) {
            let (Some(key), Some(is_seen @ false)) = (keys.get(*index), seen.get_mut(*index))
            else {
                continue;
            };
            if last_read.0 != Some(row) {
                let value = storage.get(Table::Seen, &row.to_be_bytes()).ok().flatten();
                last_read = (Some(row), value);
            }
            *is_seen = last_read.1.as_ref().is_some_and(|row| row_has(row, key.number));
        }
        seen
    }

    fn is_in_memory(&self, key: &DedupKey, now: Milliseconds) -> bool {
        let window_ms = self.policy.window_ms;
        let of_tick = self.recent.get(&self.policy.tick_of(key.made_at));
        of_tick.is_some_and(|ids| ids.has(key, window_ms, now))
            || self.untimed.has(key, window_ms, now)
            || self.passing.iter().any(|ids| ids.has(key, window_ms, now))
    }

    /// Returns the numbers of the rows that may have an id, newest first, and the order in which to
    /// read them: first of runs whose filter has it.
    fn rows_of(&self, key: &DedupKey, now: Milliseconds) -> impl Iterator<Item = (u8, u64)> {
        let window_ms = self.policy.window_ms;
        let may_have = move |run: &&IdRun| run.is_within(window_ms, now) && run.scope.may_have(key);
        let runs = [(0, &self.untimed_runs), (1, &self.timed_runs)].into_iter();
        runs.flat_map(move |(order, runs)| {
            let rows = runs.iter().rev().filter(may_have);
            let rows = rows.filter_map(move |run| Some((order, run.row_of(key.number)?)));
            // More than one run has an id only if it, or the clock, was chosen for that.
            rows.take(MAX_READS / 2)
        })
    }

    /// Marks `key` as seen at `now` for some minutes, and displaces only other such keys. They are lost with
    /// the object.
    pub fn insert_passing(&mut self, key: DedupKey, now: Milliseconds) {
        let [newer, older] = &mut self.passing;
        let is_full = newer.ids.len() >= self.policy.max_passing();
        let has_waited = now.saturating_sub(newer.oldest) > self.policy.grace_ms();
        if newer.ids.len() > 0 && (is_full || has_waited) {
            *older = std::mem::replace(newer, InsertedIds::new(self.hash_key));
        }
        newer.insert(&key, now);
    }

    /// Whether a new id would be timed at `now`.
    pub fn is_timed(&self, key: &DedupKey, now: Milliseconds) -> bool {
        // Memory has a bounded number of ticks, whatever times a client states.
        let kept_ms = self.policy.grace_ms().saturating_add(self.policy.span_ms());
        let earliest = self.cut.max(now.saturating_sub(kept_ms)).max(1);
        (earliest..=self.latest_timed(now)).contains(&key.made_at)
    }

    /// Marks `key` as seen at `now`. It is durable after the next checkpoint.
    pub fn insert(&mut self, key: DedupKey, now: Milliseconds) {
        self.make_room(1);
        let policy = self.policy;
        let DedupKey { made_at, .. } = key;
        if self.is_timed(&key, now) {
            let new_ids = || InsertedIds::new(self.hash_key);
            let of_tick = self.recent.entry(policy.tick_of(made_at)).or_insert_with(new_ids);
            if of_tick.insert(&key, now) {
                self.recent_len = self.recent_len.saturating_add(1);
                self.journal.append(&key, policy.span_ms(), now);
            }
        } else {
            let key = DedupKey { made_at: 0, ..key };
            if self.untimed.insert(&key, now) {
                self.journal.append(&key, policy.span_ms(), now);
            }
        }
    }

    /// Makes new ids durable, moves older ones from memory to a run, and deletes removed rows. If it
    /// fails, the next checkpoint does the rest.
    pub fn checkpoint(
        &mut self,
        storage: &impl Storage,
        now: Milliseconds,
    ) -> Result<(), StorageError> {
        self.follow_clock(now);
        self.flush_journal(storage)?;
        self.delete_gone(storage)?;
        let has_untimed_run = self.write_untimed_run(storage, now)?;
        let has_timed_run = self.write_timed_run(storage, now)?;
        let has_run = has_untimed_run || has_timed_run;
        let has_stale_rows = has_run || self.journal.has_stale_rows(self.policy.window_ms, now);
        for run in self.timed_runs.iter_mut().chain(&mut self.untimed_runs) {
            if run.index_row == IndexRow::Behind {
                run.write_index(storage)?;
            }
        }
        if has_stale_rows {
            self.make_room(0);
            self.drop_journal_rows(storage, now)?;
            self.flush_journal(storage)?;
        }
        self.delete_gone(storage)
    }

    fn delete_gone(&mut self, storage: &impl Storage) -> Result<(), StorageError> {
        for _ in 0..Self::MAX_DELETES {
            let Some((table, key)) = self.gone.last() else { break };
            storage.delete(*table, key)?;
            self.gone.pop();
        }
        Ok(())
    }

    fn flush_journal(&mut self, storage: &impl Storage) -> Result<(), StorageError> {
        self.journal.flush(storage, self.cut, self.next_run)
    }

    /// Writes a run of the timed ids in memory that were made first, if there are enough or if they
    /// have waited long enough. Returns whether it did.
    fn write_timed_run(
        &mut self,
        storage: &impl Storage,
        now: Milliseconds,
    ) -> Result<bool, StorageError> {
        let policy = self.policy;
        let due_tick = policy.tick_of(now.saturating_sub(policy.grace_ms()));
        let waits_since = now.saturating_sub(policy.grace_ms()).saturating_sub(policy.span_ms());
        let due = || self.recent.range(..due_tick).map(|(_, ids)| ids);
        let due_len = due().map(|ids| ids.ids.len()).fold(0, usize::saturating_add);
        let is_crowded = self.recent_len > policy.max_recent();
        let is_due = due_len >= policy.run_ids() || due().any(|ids| ids.oldest < waits_since);
        if !is_due && !is_crowded {
            return Ok(false);
        }
        let (least, end) = match is_crowded {
            true => (policy.run_ids().max(self.recent_len / 4), u64::MAX),
            false => (policy.run_ids(), due_tick),
        };
        let (mut ids, mut ticks, mut newest) = (Vec::new(), Vec::new(), 0);
        for (tick, of_tick) in self.recent.range(..end) {
            if ids.len() >= least {
                break;
            }
            ids.reserve(of_tick.ids.len());
            ids.extend(of_tick.ids.iter());
            newest = newest.max(of_tick.newest);
            ticks.push(*tick);
        }
        let (Some(first), Some(last)) = (ticks.first(), ticks.last()) else { return Ok(false) };
        ids.sort_unstable();
        let from = first.saturating_mul(policy.tick_ms());
        let to = last.saturating_add(1).saturating_mul(policy.tick_ms());
        self.write_run(storage, &ids, newest, IdScope::Made { from, to })?;
        for tick in ticks {
            self.recent.remove(&tick);
        }
        self.recent_len = self.recent_len.saturating_sub(ids.len());
        self.cut = self.cut.max(to);
        Ok(true)
    }

    /// Writes a run of the other ids in memory, if there are enough or if they have waited long
    /// enough. Returns whether it did.
    fn write_untimed_run(
        &mut self,
        storage: &impl Storage,
        now: Milliseconds,
    ) -> Result<bool, StorageError> {
        let InsertedIds { ids, oldest, newest } = &self.untimed;
        let has_waited = now.saturating_sub(*oldest) > self.policy.span_ms();
        if ids.len() == 0 || (ids.len() < self.policy.run_ids() && !has_waited) {
            return Ok(false);
        }
        let (ids, newest) = (ids.to_sorted(), *newest);
        let (filter, journal_from) = (IdFilter::of(&ids), self.journal.begin_row());
        self.write_run(storage, &ids, newest, IdScope::Filtered { filter, journal_from })?;
        self.untimed = InsertedIds::new(self.hash_key);
        self.untimed_from = journal_from;
        Ok(true)
    }

    fn write_run(
        &mut self,
        storage: &impl Storage,
        ids: &[u128],
        newest: Milliseconds,
        scope: IdScope,
    ) -> Result<(), StorageError> {
        let (number, unfinished) = (self.next_run, self.unfinished_rows);
        let mut run = IdRun::write(storage, number, ids, newest, scope, unfinished)?;
        self.unfinished_rows = run.row_keys().count();
        run.write_index(storage)?;
        self.unfinished_rows = 0;
        self.next_run = self.next_run.saturating_add(1);
        self.run_len = self.run_len.saturating_add(run.len);
        self.runs_for(&run.scope).push(run);
        Ok(())
    }

    /// Marks the rows of the journal for deletion whose timed ids are in runs. Those of their ids that
    /// are only in memory are appended again.
    fn drop_journal_rows(
        &mut self,
        storage: &impl Storage,
        now: Milliseconds,
    ) -> Result<(), StorageError> {
        let policy = self.policy;
        let mut index = 0_usize;
        while index.saturating_add(1) < self.journal.rows.len() {
            let Some(row) = self.journal.rows.get(index) else { break };
            let has_timed = row.latest != 0 && row.latest >= self.cut;
            if has_timed && !row.is_ahead && !row.is_expired(policy.window_ms, now) {
                index = index.saturating_add(1);
                continue;
            }
            let key = row.number.to_be_bytes().to_vec();
            if row.is_ahead || (row.has_untimed && row.number >= self.untimed_from) {
                let value = storage.get(Table::SeenJournal, &key)?.unwrap_or_default();
                let Self { journal, untimed, recent, .. } = self;
                // Of a row that cannot be read, the entries before the invalid one count.
                let _ = id_journal::read(&value, |_, key| {
                    let is_in_memory = match key.made_at {
                        0 => untimed.ids.contains(key.number),
                        made_at => recent
                            .get(&policy.tick_of(made_at))
                            .is_some_and(|of_tick| of_tick.ids.contains(key.number)),
                    };
                    if is_in_memory {
                        journal.append(&key, policy.span_ms(), now);
                    }
                });
            }
            self.journal.rows.remove(index);
            self.gone.push((Table::SeenJournal, key));
        }
        Ok(())
    }

    pub fn has_changed(&self) -> bool {
        let mut runs = self.timed_runs.iter().chain(&self.untimed_runs);
        !self.gone.is_empty()
            || self.journal.is_behind()
            || runs.any(|run| run.index_row == IndexRow::Behind)
    }

    /// Returns the number of ids.
    pub fn len(&self) -> usize {
        let in_memory = self.recent_len.saturating_add(self.untimed.ids.len());
        in_memory.saturating_add(self.run_len)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes the oldest ids until `ids` more fit.
    fn make_room(&mut self, ids: usize) {
        let policy = self.policy;
        while self.len().saturating_add(ids) > policy.max_ids {
            let number = |runs: &[IdRun]| runs.first().map_or(u64::MAX, |run| run.number);
            let is_timed = number(&self.timed_runs) < number(&self.untimed_runs);
            let runs = if is_timed { &mut self.timed_runs } else { &mut self.untimed_runs };
            if !runs.is_empty() {
                let oldest = runs.remove(0);
                self.forget_run(&oldest);
            } else if !self.forget_first_tick() {
                self.forget_untimed();
                break;
            }
        }
        // These are above their limits only while the storage fails.
        let more_than = |limit: usize| limit.saturating_add(limit / 4);
        while self.recent_len > more_than(policy.max_recent()) && self.forget_first_tick() {}
        if self.untimed.ids.len() > more_than(policy.max_recent()) {
            self.forget_untimed();
        }
        let untimed_len =
            |runs: &[IdRun]| runs.iter().map(|run| run.len).fold(0, usize::saturating_add);
        while !self.untimed_runs.is_empty()
            && untimed_len(&self.untimed_runs).saturating_add(policy.run_ids())
                > policy.max_untimed()
        {
            let oldest = self.untimed_runs.remove(0);
            self.forget_run(&oldest);
        }
    }

    /// Forgets a run that is in no list any more. Its index is deleted last.
    fn forget_run(&mut self, run: &IdRun) {
        self.run_len = self.run_len.saturating_sub(run.len);
        self.gone.push((Table::SeenRuns, run.number.to_be_bytes().to_vec()));
        self.gone.extend(run.row_keys().map(|key| (Table::Seen, key)));
    }

    /// Forgets the timed ids in memory that were made first. Returns whether there were any.
    fn forget_first_tick(&mut self) -> bool {
        let Some((tick, forgotten)) = self.recent.pop_first() else { return false };
        self.recent_len = self.recent_len.saturating_sub(forgotten.ids.len());
        let end = tick.saturating_add(1).saturating_mul(self.policy.tick_ms());
        self.cut = self.cut.max(end);
        true
    }

    /// Returns the latest time of an id that is timed at `now`.
    fn latest_timed(&self, now: Milliseconds) -> Milliseconds {
        now.saturating_add(self.policy.ahead_ms())
    }

    fn forget_untimed(&mut self) {
        self.untimed = InsertedIds::new(self.hash_key);
        self.untimed_from = self.journal.begin_row();
    }

    /// Removes ids that are out of the window at `now`, and moves times ahead of it back.
    fn follow_clock(&mut self, now: Milliseconds) {
        let policy = self.policy;
        while let Some((_, first)) = self.recent.first_key_value() {
            if first.is_within(policy.window_ms, now) {
                break;
            }
            self.forget_first_tick();
        }
        self.recent.values_mut().for_each(|ids| ids.follow_clock(now));
        if self.untimed.ids.len() > 0 && !self.untimed.is_within(policy.window_ms, now) {
            self.forget_untimed();
        }
        self.untimed.follow_clock(now);
        self.passing.iter_mut().for_each(|ids| ids.follow_clock(now));
        self.journal.follow_clock(now);
        if self.cut > self.latest_timed(now).saturating_add(policy.tick_ms()) {
            self.cut = now;
        }
        // These were timed before the clock was set back.
        let first_ahead = policy.tick_of(self.latest_timed(now)).saturating_add(1);
        for (_, ahead) in self.recent.split_off(&first_ahead) {
            self.recent_len = self.recent_len.saturating_sub(ahead.ids.len());
            for number in ahead.ids.to_sorted() {
                let key = DedupKey { number, made_at: 0 };
                if self.untimed.insert(&key, ahead.newest) {
                    self.journal.append(&key, policy.span_ms(), now);
                }
            }
        }
        let mut expired = Vec::new();
        for runs in [&mut self.timed_runs, &mut self.untimed_runs] {
            for run in runs.iter_mut().filter(|run| run.newest > now) {
                run.newest = now;
                run.index_row = IndexRow::Behind;
            }
            let is_expired = |run: &mut IdRun| !run.is_within(policy.window_ms, now);
            expired.extend(runs.extract_if(.., is_expired));
        }
        expired.iter().for_each(|run| self.forget_run(run));
    }
}

/// Reads the key of a numbered row.
fn number(key: &[u8]) -> Result<u64, DecodeError> {
    ByteReader::new(key, "the number of a row").u64()
}

#[cfg(test)]
mod tests;
