//! A hash under a random key, for tables of ids that clients choose.
//!
//! A client that does not know the key cannot choose ids that collide: under a random key, two ids have the
//! same hash with a probability of 2^-32.

use std::fmt;
use std::hash::{BuildHasher, Hasher};

/// The key of a hash. The runtime draws it, since the standard library's own is fixed in Wasm.
#[derive(Clone, Copy)]
pub struct HashKey([u64; 5]);

impl HashKey {
    pub const BYTES: usize = 40;

    pub fn new(random: [u8; Self::BYTES]) -> Self {
        let mut words = random.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word));
        Self(std::array::from_fn(|_| words.next().unwrap_or_default()))
    }

    /// Returns the hash of an id.
    ///
    /// Source: Thorup, "High Speed Hashing for Integers and Strings", 2015, pair-multiply-shift. Wasm
    /// multiplies 64 bits at once, so this is faster than a folded product of 128.
    pub const fn hash(&self, id: u128) -> u32 {
        /// Odd, without a pattern.
        const SPREAD: u32 = 0x9e37_79b1;
        let [first, second, third, fourth, last] = self.0;
        let high = product(first, second, (id >> 64) as u64);
        let low = product(third, fourth, id as u64);
        let hash = (high.wrapping_add(low).wrapping_add(last) >> 32) as u32;
        // Ids in even steps have hashes in even steps so far. This is one-to-one, so no more collide.
        let hash = (hash ^ (hash >> 15)).wrapping_mul(SPREAD);
        hash ^ (hash >> 16)
    }
}

/// Returns the product of the halves of `word`, each with a part of the key.
const fn product(first: u64, second: u64, word: u64) -> u64 {
    first.wrapping_add(word >> 32).wrapping_mul(second.wrapping_add(word & 0xffff_ffff))
}

/// Shows nothing of the key.
impl fmt::Debug for HashKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HashKey")
    }
}

/// Hashes one id of 128 bits at once, and other values by 16 bytes.
#[derive(Debug)]
pub struct KeyedHasher {
    key: HashKey,
    hash: u32,
}

impl BuildHasher for HashKey {
    type Hasher = KeyedHasher;

    fn build_hasher(&self) -> KeyedHasher {
        KeyedHasher { key: *self, hash: 0 }
    }
}

impl Hasher for KeyedHasher {
    fn write_u128(&mut self, id: u128) {
        self.hash = self.key.hash(id ^ u128::from(self.hash));
    }

    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(16) {
            let mut id = [0; 16];
            id.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
            self.write_u128(u128::from_le_bytes(id));
        }
    }

    /// A table uses the first bits or the last ones.
    fn finish(&self) -> u64 {
        u64::from(self.hash) << 32 | u64::from(self.hash)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::{BTreeSet, HashMap};

    use super::*;
    use crate::base::sha256::sha256;

    /// A key for tests: one is as good as another.
    pub(crate) fn hash_key() -> HashKey {
        numbered_key(0)
    }

    fn numbered_key(number: u8) -> HashKey {
        let random = [sha256(&[number, 0]), sha256(&[number, 1])].concat();
        HashKey::new(std::array::from_fn(|index| random[index]))
    }

    /// Ids that a client may choose, each by its number.
    type Pattern = (&'static str, fn(u128) -> u128);

    const PATTERNS: [Pattern; 9] = [
        ("one after the other", |number| CHOSEN + number),
        ("in steps", |number| CHOSEN + number * 12_288),
        ("in steps of 32 bits", |number| CHOSEN + (number << 32)),
        ("the same last 64 bits", |number| CHOSEN + (number << 64)),
        ("the same last 112 bits", |number| number << 112),
        ("the same in both halves", |number| number << 64 | number),
        ("halves that cancel each other out", |number| {
            (number << 64) | (u64::MAX as u128 - number)
        }),
        ("changed by a constant", |number| number ^ CHOSEN),
        ("in the order of their bits", |number| u128::from((number as u32).reverse_bits()) << 48),
    ];

    const CHOSEN: u128 = 0x0193_9b70_6d2a_7c3e_8f00_5a17_c0de_0001;

    #[test]
    fn chosen_ids_spread_under_any_key() {
        const IDS: usize = 4_096;
        const BUCKETS: usize = 512;
        for (name, id) in PATTERNS {
            for key in (0..100).map(numbered_key) {
                let hashes: Vec<u32> =
                    (0..IDS as u128).map(|number| key.hash(id(number))).collect();
                let parts: [fn(u32) -> u32; 2] = [|hash| hash >> 23, |hash| hash & 511];
                for part in parts {
                    let mut counts = [0; BUCKETS];
                    hashes.iter().for_each(|hash| counts[part(*hash) as usize] += 1);
                    let most = counts.iter().max().unwrap();
                    assert!((9..=32).contains(most), "{name}: {most} of {IDS} in one of {BUCKETS}");
                }
                let distinct: BTreeSet<u32> = hashes.iter().copied().collect();
                assert!(distinct.len() >= IDS - 2, "{name}: {} of {IDS}", distinct.len());
            }
        }
    }

    #[test]
    fn another_key_makes_another_order() {
        let order = |key: HashKey| {
            let mut ids: Vec<u128> = (0..100).collect();
            ids.sort_by_key(|id| key.hash(*id));
            ids
        };
        let orders: BTreeSet<Vec<u128>> = (0..100).map(numbered_key).map(order).collect();
        assert_eq!(orders.len(), 100);
    }

    #[test]
    fn any_value_has_a_hash() {
        let mut table = HashMap::with_hasher(hash_key());
        let texts = ["", "a", "b", "sixteen bytes or", "sixteen bytes or more", "more or less"];
        table.extend(texts.into_iter().zip(0..));
        assert!(texts.iter().zip(0..).all(|(text, number)| table[text] == number));
        let hashes: BTreeSet<u64> = texts.iter().map(|text| hash_key().hash_one(text)).collect();
        assert_eq!(hashes.len(), texts.len());
    }

    #[test]
    fn a_key_is_not_shown() {
        assert_eq!(format!("{:?}", hash_key()), "HashKey");
    }
}
