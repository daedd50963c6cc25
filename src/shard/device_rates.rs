//! Finds the devices that send more events than one shard should carry.
//!
//! An isolate at the edge counts the events that it sends, and a shard counts those that it receives.
//! A device above the limit overflows for the rest of the minute and for the next one. Its events
//! then go to any shard, without a session, so that the other devices of its shard are not slowed
//! down. A shard names its overflowing devices in its responses, since a device may send through
//! many isolates.
//!
//! Memory is bounded: if there are too many devices to count, each count is reduced by one. So a
//! count can be too low, by at most the events of the minute divided by [`DeviceRates::MAX_DEVICES`],
//! and never too high: no device overflows by mistake. A reduction takes one event back from each
//! counted device, so those of a minute visit no more devices than it had events.
//! Source: Misra, Gries, "Finding Repeated Elements", 1982.

use std::collections::{BTreeSet, HashMap};

use crate::base::clock::Milliseconds;
use crate::base::keyed_hash::HashKey;
use crate::model::device_key::DeviceKey;

/// The events of the devices in a minute.
#[derive(Debug)]
pub struct DeviceRates {
    /// The number of the minute.
    minute: u64,
    counts: HashMap<DeviceKey, u32, HashKey>,
    /// Devices above the limit in this minute.
    over: BTreeSet<DeviceKey>,
    /// Devices above the limit in the minute before.
    over_before: BTreeSet<DeviceKey>,
}

impl DeviceRates {
    /// The most devices that are counted, and the most that overflow.
    const MAX_DEVICES: usize = 2_048;
    const MINUTE_MS: u64 = 60_000;

    pub fn new(hash_key: HashKey) -> Self {
        let (over, over_before) = (BTreeSet::new(), BTreeSet::new());
        Self { minute: 0, counts: HashMap::with_hasher(hash_key), over, over_before }
    }

    /// Counts an event of `device`. Returns whether the device overflows, at more than `limit` events
    /// a minute.
    pub fn count(&mut self, device: DeviceKey, limit: u32, now: Milliseconds) -> bool {
        self.follow_clock(now);
        let has_room = self.counts.len() < Self::MAX_DEVICES;
        if has_room || self.counts.contains_key(&device) {
            let count = self.counts.entry(device).or_default();
            *count = count.saturating_add(1);
            if *count > limit {
                self.insert(device);
            }
        } else {
            self.counts.retain(|_, count| {
                *count = count.saturating_sub(1);
                *count > 0
            });
        }
        self.over.contains(&device) || self.over_before.contains(&device)
    }

    /// Notes that a shard has found `device` to overflow.
    pub fn note(&mut self, device: DeviceKey, now: Milliseconds) {
        self.follow_clock(now);
        self.insert(device);
    }

    fn insert(&mut self, device: DeviceKey) {
        if self.over.len() < Self::MAX_DEVICES {
            self.over.insert(device);
        }
    }

    /// Begins a new minute, also if the clock was set back.
    fn follow_clock(&mut self, now: Milliseconds) {
        let minute = now / Self::MINUTE_MS;
        if minute == self.minute {
            return;
        }
        let over = std::mem::take(&mut self.over);
        let is_next = self.minute.checked_add(1) == Some(minute);
        self.over_before = if is_next { over } else { BTreeSet::new() };
        self.counts.clear();
        self.minute = minute;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::base::keyed_hash::tests::hash_key;

    const MINUTE: u64 = DeviceRates::MINUTE_MS;

    fn device(number: u32) -> DeviceKey {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        DeviceKey::from_bytes(bytes)
    }

    fn count(rates: &mut DeviceRates, number: u32, events: u32, now: u64) -> u32 {
        (0..events).map(|_| u32::from(rates.count(device(number), 10, now))).sum()
    }

    #[test]
    fn a_device_overflows_from_its_first_event_above_the_limit() {
        let mut rates = DeviceRates::new(hash_key());
        assert_eq!(count(&mut rates, 1, 15, 0), 5);
        assert_eq!(count(&mut rates, 2, 10, MINUTE - 1), 0);
        assert_eq!(count(&mut rates, 1, 1, MINUTE - 1), 1);
    }

    #[test]
    fn a_device_overflows_until_a_whole_minute_was_below_the_limit() {
        let mut rates = DeviceRates::new(hash_key());
        assert_eq!(count(&mut rates, 1, 11, 0), 1);
        assert_eq!(count(&mut rates, 1, 10, MINUTE), 10, "the minute after");
        assert_eq!(count(&mut rates, 1, 10, 2 * MINUTE), 0);
        assert_eq!(count(&mut rates, 1, 11, 3 * MINUTE), 1);
        assert_eq!(count(&mut rates, 1, 11, 4 * MINUTE), 11);
        assert_eq!(count(&mut rates, 1, 1, 5 * MINUTE), 1, "it was above the limit again");
        assert_eq!(count(&mut rates, 1, 1, 9 * MINUTE), 0);
        assert_eq!(count(&mut rates, 1, 11, 9 * MINUTE), 2);
        assert_eq!(count(&mut rates, 1, 1, 3 * MINUTE), 0, "the clock was set back");
    }

    #[test]
    fn a_device_that_a_shard_names_overflows_at_once() {
        let mut rates = DeviceRates::new(hash_key());
        rates.note(device(1), 5 * MINUTE);
        assert_eq!(count(&mut rates, 1, 1, 5 * MINUTE), 1);
        assert_eq!(count(&mut rates, 2, 1, 5 * MINUTE), 0);
        assert_eq!(count(&mut rates, 1, 1, 6 * MINUTE), 1);
        assert_eq!(count(&mut rates, 1, 1, 7 * MINUTE), 0);
    }

    #[test]
    fn a_flood_of_devices_hides_no_hot_one_and_stays_bounded() {
        let mut rates = DeviceRates::new(hash_key());
        let mut overflowed = 0;
        for number in 1..=100_000 {
            assert!(!rates.count(device(number), 10, 0), "{number} sent one event");
            overflowed += count(&mut rates, 0, 1, 0);
            assert!(rates.counts.len() <= DeviceRates::MAX_DEVICES);
        }
        let missed = 100_000 - overflowed;
        assert!(missed <= 10 + 200_000 / DeviceRates::MAX_DEVICES as u32, "{missed}");
        (0..10_000).for_each(|number| rates.note(device(number), 0));
        assert_eq!(rates.over.len(), DeviceRates::MAX_DEVICES);
    }

    proptest! {
        #[test]
        fn no_device_overflows_that_stayed_within_the_limit(
            events in proptest::collection::vec((0_u32..5, 0_u64..9_000), 0..400),
        ) {
            let (mut rates, mut now) = (DeviceRates::new(hash_key()), 0);
            let mut sent = BTreeMap::<(u32, u64), u32>::new();
            for (number, wait) in events {
                now += wait;
                let minute = now / MINUTE;
                *sent.entry((number, minute)).or_default() += 1;
                let over = |minute| sent.get(&(number, minute)).is_some_and(|count| *count > 10);
                let expected = over(minute) || minute.checked_sub(1).is_some_and(over);
                prop_assert_eq!(rates.count(device(number), 10, now), expected);
            }
        }
    }
}
