//! A set of ids in 20 to 30 bytes each, whatever ids a client chooses.

use crate::base::keyed_hash::HashKey;

/// Ids in a table with open addressing: each is at the place of its hash, or in the first free slot
/// after it. At most four fifths of the slots are taken, so a lookup reads some five slots side by side,
/// and some thirteen before the table grows.
///
/// The table grows by half. Meanwhile it takes 50 bytes for each id that it has.
#[derive(Debug)]
pub(super) struct IdSet {
    key: HashKey,
    /// Each has an id, or [`FREE`].
    slots: Vec<u128>,
    /// The slots that have an id.
    taken: usize,
    /// Whether it has the id that looks like a free slot.
    has_zero: bool,
}

const FREE: u128 = 0;

impl IdSet {
    /// Slots by which it grows, besides the half.
    const MORE_SLOTS: usize = 4;

    pub(super) const fn new(key: HashKey) -> Self {
        Self { key, slots: Vec::new(), taken: 0, has_zero: false }
    }

    pub(super) fn contains(&self, id: u128) -> bool {
        match id {
            FREE => self.has_zero,
            _ => self.slot_of(id).and_then(|slot| self.slots.get(slot)) == Some(&id),
        }
    }

    /// Returns whether it is new.
    pub(super) fn insert(&mut self, id: u128) -> bool {
        if id == FREE {
            return !std::mem::replace(&mut self.has_zero, true);
        }
        if self.taken >= self.slots.len().saturating_mul(4) / 5 {
            self.grow();
        }
        let is_new = self.put(id);
        self.taken = self.taken.saturating_add(usize::from(is_new));
        is_new
    }

    fn grow(&mut self) {
        let slots = self.slots.len().saturating_add(self.slots.len() / 2);
        let slots = vec![FREE; slots.saturating_add(Self::MORE_SLOTS)];
        let before = std::mem::replace(&mut self.slots, slots);
        for id in before.into_iter().filter(|id| *id != FREE) {
            self.put(id);
        }
    }

    /// Puts an id into its slot. Returns whether it is new.
    fn put(&mut self, id: u128) -> bool {
        let slot = self.slot_of(id).and_then(|slot| self.slots.get_mut(slot));
        slot.is_some_and(|slot| std::mem::replace(slot, id) == FREE)
    }

    /// Returns the slot that has an id, or else the free one for it.
    fn slot_of(&self, id: u128) -> Option<usize> {
        let place = self.place_of(id);
        let is_its =
            |slot: &usize| self.slots.get(*slot).is_some_and(|it| *it == id || *it == FREE);
        (place..self.slots.len()).chain(0..place).find(is_its)
    }

    /// Returns the slot at which the search for an id begins.
    fn place_of(&self, id: u128) -> usize {
        let scaled = u64::from(self.key.hash(id)).wrapping_mul(self.slots.len() as u64);
        (scaled >> 32) as usize
    }

    pub(super) fn len(&self) -> usize {
        self.taken.saturating_add(usize::from(self.has_zero))
    }

    /// Returns all ids, in the order of their hashes. So they must not go into another set: they would fill a
    /// smaller one from its start on, and each insertion would read all that came before.
    pub(super) fn iter(&self) -> impl Iterator<Item = u128> {
        let zero = self.has_zero.then_some(FREE);
        self.slots.iter().copied().filter(|id| *id != FREE).chain(zero)
    }

    /// Returns all ids, sorted.
    pub(super) fn to_sorted(&self) -> Vec<u128> {
        let mut ids: Vec<u128> = self.iter().collect();
        ids.sort_unstable();
        ids
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::base::keyed_hash::tests::hash_key;

    proptest! {
        #[test]
        fn a_set_holds_what_was_inserted(
            ids in proptest::collection::vec(0_u128..2_000, 0..2_000), steps in 0_u32..120,
        ) {
            let (mut set, mut model) = (IdSet::new(hash_key()), BTreeSet::new());
            for id in ids.into_iter().map(|id| id << steps) {
                prop_assert_eq!(set.contains(id), model.contains(&id));
                prop_assert_eq!(set.insert(id), model.insert(id));
                prop_assert!(set.contains(id));
            }
            prop_assert_eq!(set.len(), model.len());
            prop_assert_eq!(set.to_sorted(), Vec::from_iter(model));
        }
    }

    #[test]
    fn an_id_takes_20_to_30_bytes_and_few_more_in_a_small_set() {
        let mut set = IdSet::new(hash_key());
        assert_eq!(set.slots.capacity(), 0);
        for id in 1..200_000_usize {
            set.insert(id as u128);
            let bytes = set.slots.capacity() * 16;
            assert!((id * 20..=id * 30 + 16 * 10).contains(&bytes), "{bytes} for {id}");
        }
    }

    /// Inserts new ids, and returns how many slots the search for each has read on average.
    fn read_by_insertions(set: &mut IdSet, ids: &[u128]) -> usize {
        let mut read = 0;
        for id in ids {
            let free = set.slot_of(*id).unwrap_or_default();
            let count = set.slots.len().max(1);
            let slots = (free + count - set.place_of(*id)) % count + 1;
            assert!(slots <= 400, "{slots} of {id}");
            read += slots;
            set.insert(*id);
        }
        read / ids.len()
    }

    #[test]
    fn a_lookup_reads_few_slots_at_any_size() {
        let ids: Vec<u128> = (1..50_000).collect();
        assert!(read_by_insertions(&mut IdSet::new(hash_key()), &ids) <= 7);
    }

    #[test]
    fn the_ids_of_a_set_move_to_another_in_few_steps() {
        let mut set = IdSet::new(hash_key());
        (1..20_000).for_each(|id| {
            set.insert(id);
        });
        assert!(read_by_insertions(&mut IdSet::new(hash_key()), &set.to_sorted()) <= 7);
    }
}
