//! Names a device for its shard by sixteen bytes that do not reveal the device's id.

use std::fmt;
use std::hash::{Hash, Hasher};

use sha2::{Digest, Sha256};

use crate::base::secret::Secret;
use crate::model::event::{DeviceId, EventId};

/// A device of a tenant: the first half of a hash of both. An event without a device has a key of
/// its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceKey([u8; Self::BYTES]);

impl DeviceKey {
    pub const BYTES: usize = 16;

    /// Returns its place among all keys, which decides its shard.
    pub fn shard_hash(&self) -> u64 {
        let [first, ..] = self.0.as_chunks().0 else { return 0 };
        u64::from_be_bytes(*first)
    }

    /// Returns another key of the device, with other bits first. Who does not know this key can't choose an
    /// id that turns one into the other.
    #[must_use]
    pub const fn rotated(self, bits: u32) -> Self {
        Self(u128::from_be_bytes(self.0).rotate_left(bits).to_be_bytes())
    }

    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

/// As one number, which [`crate::base::keyed_hash`] hashes at once.
impl Hash for DeviceKey {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u128(u128::from_le_bytes(self.0));
    }
}

/// Makes device keys under a secret. Without it, anyone could choose ids that all belong to one shard,
/// or an id that counts as an event of another device.
///
/// The secret fills the first block of SHA-256, which is hashed once. So a key costs no more than without
/// a secret: one block, if tenant and id are short. Half of the hash is left out, so no longer input has a
/// hash that follows from it.
#[derive(Clone)]
pub struct DeviceHasher(Sha256);

impl DeviceHasher {
    /// The bytes that SHA-256 reads at once.
    const BLOCK_BYTES: usize = 64;

    /// Without a `secret` the keys are those of a public hash.
    pub fn new(secret: Option<&Secret>) -> Self {
        let mut hash = Sha256::new();
        if let Some(secret) = secret {
            let key = secret.derived("headwater device");
            hash.update(key);
            hash.update([0; Self::BLOCK_BYTES - Secret::DERIVED_BYTES]);
        }
        Self(hash)
    }

    pub fn of_device(&self, tenant: &str, device_id: &DeviceId) -> DeviceKey {
        self.of_parts(tenant, b"device", device_id.as_str().as_bytes())
    }

    pub fn of_event(&self, tenant: &str, event_id: EventId) -> DeviceKey {
        self.of_parts(tenant, b"event", event_id.as_bytes())
    }

    /// Returns the key of the visitor with this address and browser. It is the same every day, so
    /// it must never be stored or sent.
    pub fn of_visitor(&self, tenant: &str, address: &str, user_agent: &str) -> DeviceKey {
        self.of_parts(tenant, b"visitor", [address, user_agent].join("\n").as_bytes())
    }

    fn of_parts(&self, tenant: &str, kind: &[u8], id: &[u8]) -> DeviceKey {
        let mut hash = self.0.clone();
        // No tenant's name and no kind has a zero byte.
        for part in [tenant.as_bytes(), &[0], kind, &[0], id] {
            hash.update(part);
        }
        let hash = hash.finalize();
        DeviceKey(std::array::from_fn(|index| hash.get(index).copied().unwrap_or_default()))
    }
}

/// Shows nothing of the secret.
impl fmt::Debug for DeviceHasher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DeviceHasher")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::text::hexadecimal;
    use crate::model::placement::shard_of;

    fn device(text: &str) -> DeviceId {
        DeviceId::parse(text.to_owned()).unwrap()
    }

    fn keyed(letter: &str) -> DeviceHasher {
        DeviceHasher::new(Secret::parse(letter.repeat(32)).as_ref())
    }

    #[test]
    fn a_key_is_of_one_device_of_one_tenant() {
        for hasher in [DeviceHasher::new(None), keyed("s")] {
            let event_id = EventId::parse("01939b70-6d2a-7c3e-8f00-000000000001").unwrap();
            let keys = [
                hasher.of_device("a", &device("d")),
                hasher.of_device("b", &device("d")),
                hasher.of_device("a", &device("e")),
                hasher.of_event("a", event_id),
            ];
            for (index, key) in keys.iter().enumerate() {
                assert_eq!(keys.iter().position(|other| other == key), Some(index));
                assert_eq!(DeviceKey::from_bytes(*key.as_bytes()), *key);
            }
            assert_eq!(hasher.of_device("a", &device("d")), keys[0]);
        }
    }

    /// If a version changed the key of a device, the device would lose its session, and its events would
    /// be delivered again.
    #[test]
    fn a_key_is_the_same_in_each_version() {
        for (hasher, key) in [
            (DeviceHasher::new(None), "af95907cab5e60c068e9ffe5b63056fb"),
            (keyed("s"), "ab263041f5717675a7a3982269b466d6"),
        ] {
            assert_eq!(hexadecimal(hasher.of_device("a", &device("d")).as_bytes()), key);
        }
    }

    #[test]
    fn ids_chosen_for_one_shard_are_spread_by_a_secret() {
        const SHARDS: u32 = 8;
        let public = DeviceHasher::new(None);
        let shard = |hasher: &DeviceHasher, id: &DeviceId| {
            shard_of(hasher.of_device("a", id).shard_hash(), SHARDS)
        };
        let ids = (0..8_000_u32).map(|number| device(&number.to_string()));
        let chosen: Vec<DeviceId> = ids.filter(|id| shard(&public, id) == 0).collect();
        let mut counts = [0; SHARDS as usize];
        chosen.iter().for_each(|id| counts[shard(&keyed("s"), id) as usize] += 1);
        let even = chosen.len() / counts.len();
        assert!(counts.iter().all(|count| (even / 2..even * 2).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_hasher_shows_no_secret() {
        assert_eq!(format!("{:?}", keyed("s")), "DeviceHasher");
    }
}
