//! Which sessions a shard fetches from a device's previous shard.

#![allow(missing_docs, clippy::unwrap_used)]

use std::borrow::Cow;
use std::sync::Arc;

use headwater::base::keyed_hash::HashKey;
use headwater::model::device_key::DeviceKey;
use headwater::model::event::EventId;
use headwater::model::fan_out::FanOut;
use headwater::model::quota::{ItemTenant, QuotaUse};
use headwater::model::record::Record;
use headwater::model::replay::Redelivery;
use headwater::shard::ShardCore;
use headwater::shard::config::ShardConfig;
use headwater::shard::protocol::batch_request::{DeviceIdentity, EventIdentity, Sender, ShardItem};
use headwater::shard::sessions::SessionEvent;
use headwater::shard::storage::{Storage, StorageError, Table};

/// A storage in which nothing is.
struct Nothing;

impl Storage for Nothing {
    fn get(&self, _: Table, _: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(None)
    }

    fn put(&self, _: Table, _: &[u8], _: &[u8]) -> Result<(), StorageError> {
        Ok(())
    }

    fn delete(&self, _: Table, _: &[u8]) -> Result<(), StorageError> {
        Ok(())
    }

    fn change(&self, _: Table, _: &[(Vec<u8>, Option<Vec<u8>>)]) -> Result<(), StorageError> {
        Ok(())
    }

    fn keys(&self, _: Table, _: &[u8], _: usize) -> Result<Vec<Vec<u8>>, StorageError> {
        Ok(Vec::new())
    }
}

fn key(byte: u8) -> DeviceKey {
    DeviceKey::from_bytes([byte; 16])
}

/// An event of the device `of`, which had the id `before` on the day before.
fn item(of: u8, before: Option<u8>, previous_shard: Option<u32>) -> ShardItem<'static> {
    let event_id = EventId::parse("01939b70-6d2a-7c3e-8f00-000000000001").unwrap();
    ShardItem {
        to: Cow::Owned(FanOut::parse("firehose:events").unwrap()),
        tenant: Arc::new(ItemTenant { name: "a".to_owned(), quota: None }),
        quota_use: QuotaUse::One,
        record: Record::restore("key", b"{}\n").unwrap(),
        event: Some(EventIdentity {
            key: key(of),
            session_event: SessionEvent { at: 0, event_id, starts_session: false },
            stated_time: None,
            device: DeviceIdentity::Known { previous: before.map(key) },
            redelivery: Redelivery::No,
            sender: Sender::default(),
        }),
        previous_shard,
    }
}

#[test]
fn a_moved_device_is_requested_by_both_ids_at_midnight() {
    let shard =
        ShardCore::load(&Nothing, &ShardConfig::default(), HashKey::new([7; HashKey::BYTES]), 0)
            .unwrap();
    let items = [
        item(1, None, Some(0)),
        item(2, Some(3), Some(0)),
        item(2, Some(3), Some(0)),
        item(4, Some(5), Some(1)),
        item(6, Some(7), None),
    ];
    let unknown_devices = shard.unknown_devices(&items, &Nothing).unwrap();
    assert_eq!(unknown_devices, [(0, vec![key(1), key(2), key(3)]), (1, vec![key(4), key(5)])]);
}
