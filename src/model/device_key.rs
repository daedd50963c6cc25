//! Names a device for its shard by sixteen bytes that do not reveal the device's id.

use sha2::{Digest, Sha256};

use crate::model::event::{DeviceId, EventId};

/// A device of a tenant: the first half of a hash of both. An event without a device has a key of
/// its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceKey([u8; Self::BYTES]);

impl DeviceKey {
    pub const BYTES: usize = 16;

    pub fn of_device(tenant: &str, device_id: &DeviceId) -> Self {
        Self::of_parts(tenant, b"device", device_id.as_str().as_bytes())
    }

    pub fn of_event(tenant: &str, event_id: EventId) -> Self {
        Self::of_parts(tenant, b"event", event_id.as_bytes())
    }

    /// Returns the key of the visitor with this address and browser. It is the same every day, so
    /// it must never be stored or sent.
    pub fn of_visitor(tenant: &str, address: &str, user_agent: &str) -> Self {
        Self::of_parts(tenant, b"visitor", [address, user_agent].join("\n").as_bytes())
    }

    /// Returns its place among all keys, which decides its shard.
    pub fn shard_hash(&self) -> u64 {
        let [first, ..] = self.0.as_chunks().0 else { return 0 };
        u64::from_be_bytes(*first)
    }

    fn of_parts(tenant: &str, kind: &[u8], id: &[u8]) -> Self {
        let mut hash = Sha256::new();
        // No tenant's name and no kind has a zero byte.
        for part in [tenant.as_bytes(), &[0], kind, &[0], id] {
            hash.update(part);
        }
        let hash = hash.finalize();
        Self(std::array::from_fn(|index| hash.get(index).copied().unwrap_or_default()))
    }

    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_of_one_device_of_one_tenant() {
        let device = |text: &str| DeviceId::parse(text.to_owned()).unwrap();
        let event_id = EventId::parse("01939b70-6d2a-7c3e-8f00-000000000001").unwrap();
        let keys = [
            DeviceKey::of_device("a", &device("d")),
            DeviceKey::of_device("b", &device("d")),
            DeviceKey::of_device("a", &device("e")),
            DeviceKey::of_event("a", event_id),
        ];
        for (index, key) in keys.iter().enumerate() {
            assert_eq!(keys.iter().position(|other| other == key), Some(index));
            assert_eq!(DeviceKey::from_bytes(*key.as_bytes()), *key);
        }
        assert_eq!(DeviceKey::of_device("a", &device("d")), keys[0]);
    }
}
