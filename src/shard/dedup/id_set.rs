//! A set of ids in 16 to 18 bytes each, whatever ids a client chooses.

/// Ids in two sorted arrays. New ones enter the small one, which is merged into the other once it
/// has more than an eighth of its ids. So an insertion moves few bytes, and no array has much room
/// to spare.
#[derive(Debug, Default)]
pub(super) struct IdSet {
    sorted: Vec<u128>,
    young: Vec<u128>,
}

impl IdSet {
    /// Ids in `young` that are never merged.
    const MIN_YOUNG: usize = 64;

    pub(super) fn contains(&self, id: u128) -> bool {
        self.young.binary_search(&id).is_ok() || self.sorted.binary_search(&id).is_ok()
    }

    /// Returns whether it is new.
    pub(super) fn insert(&mut self, id: u128) -> bool {
        if self.sorted.binary_search(&id).is_ok() {
            return false;
        }
        let Err(position) = self.young.binary_search(&id) else { return false };
        self.young.insert(position, id);
        if self.young.len() > Self::MIN_YOUNG.saturating_add(self.sorted.len() / 8) {
            self.sorted = merge(&self.sorted, &std::mem::take(&mut self.young));
        }
        true
    }

    pub(super) fn len(&self) -> usize {
        self.sorted.len().saturating_add(self.young.len())
    }

    /// Returns all ids in their order.
    pub(super) fn to_sorted(&self) -> Vec<u128> {
        merge(&self.sorted, &self.young)
    }
}

/// Merges two sorted arrays into one.
pub(super) fn merge(left: &[u128], right: &[u128]) -> Vec<u128> {
    let mut merged = Vec::with_capacity(left.len().saturating_add(right.len()));
    let mut right = right.iter().peekable();
    for id in left {
        while let Some(before) = right.next_if(|other| *other < id) {
            merged.push(*before);
        }
        merged.push(*id);
    }
    merged.extend(right);
    merged
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_holds_what_was_inserted(ids in proptest::collection::vec(0_u128..2_000, 0..2_000)) {
            let (mut set, mut model) = (IdSet::default(), BTreeSet::new());
            for id in ids {
                prop_assert_eq!(set.contains(id), model.contains(&id));
                prop_assert_eq!(set.insert(id), model.insert(id));
            }
            prop_assert_eq!(set.len(), model.len());
            prop_assert_eq!(set.to_sorted(), model.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_small_array_stays_small() {
        let mut set = IdSet::default();
        for id in 0..50_000 {
            set.insert(id);
            assert!(set.young.len() <= 64 + set.sorted.len() / 8);
            assert_eq!(set.sorted.capacity(), set.sorted.len());
        }
    }
}
