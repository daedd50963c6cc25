//! A filter before a run of ids: it shows that a run cannot have an id, so that no row is read.

/// A Bloom filter in blocks of 64 bits, two ids a block. It finds each id that was added, and one
/// in some two thousand of the others.
///
/// Source: Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom Filters", 2007.
#[derive(Debug)]
pub(super) struct IdFilter(Vec<u64>);

impl IdFilter {
    const IDS_PER_BLOCK: usize = 2;

    pub(super) fn of(ids: &[u128]) -> Self {
        let mut filter = Self(vec![0; ids.len().div_ceil(Self::IDS_PER_BLOCK).max(1)]);
        for id in ids {
            let (block, bits) = filter.place(*id);
            if let Some(block) = filter.0.get_mut(block) {
                *block |= bits;
            }
        }
        filter
    }

    pub(super) const fn from_blocks(blocks: Vec<u64>) -> Self {
        Self(blocks)
    }

    pub(super) fn blocks(&self) -> &[u64] {
        &self.0
    }

    pub(super) fn may_have(&self, id: u128) -> bool {
        let (block, bits) = self.place(id);
        self.0.get(block).is_none_or(|block| block & bits == bits)
    }

    /// Returns the block of an id, and its five bits there.
    fn place(&self, id: u128) -> (usize, u64) {
        /// Odd numbers without a pattern, which spread consecutive ids.
        const SPREAD: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xd6e8_feb8_6659_fd93];
        let mixed = SPREAD.into_iter().fold((id >> 64) as u64 ^ id as u64, |mixed, spread| {
            let mixed = mixed.wrapping_mul(spread);
            mixed ^ (mixed >> 32)
        });
        let scaled = (mixed >> 32).wrapping_mul(self.0.len() as u64);
        let bits = [0, 6, 12, 18, 24]
            .into_iter()
            .fold(0, |bits, shift| bits | 1 << ((mixed >> shift) & 63));
        ((scaled >> 32) as usize, bits)
    }
}

#[cfg(test)]
mod tests {
    use super::super::DedupKey;
    use super::*;
    use crate::model::device_key::DeviceHasher;
    use crate::model::event::EventId;

    #[test]
    fn a_filter_passes_each_id_that_was_added_and_few_others() {
        let device = |index: u32| {
            let event_id = EventId::from_bytes([1; 16]).unwrap();
            DeviceHasher::new(None).of_event(&index.to_string(), event_id)
        };
        let event = |index: u32| {
            let number = 0x01a1_fc4f_8bd0_7166_97ae_6098_939f_1a36_u128 + u128::from(index);
            EventId::from_bytes(number.to_be_bytes()).unwrap()
        };
        let of_many = |index| DedupKey::of(&device(index), event(0), None).number;
        let of_one = |index| DedupKey::of(&device(0), event(index), None).number;
        for key in [&of_many as &dyn Fn(u32) -> u128, &of_one] {
            let ids: Vec<u128> = (0..8_000).map(key).collect();
            let filter = IdFilter::of(&ids);
            assert_eq!(filter.blocks().len(), 4_000);
            assert!(ids.iter().all(|id| filter.may_have(*id)));
            let passed = (8_000..58_000).filter(|index| filter.may_have(key(*index))).count();
            assert!(passed < 50, "{passed} of 50,000");
        }
    }
}
