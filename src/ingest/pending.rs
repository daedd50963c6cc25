//! A record that is still to be delivered, and the grouping of such records by shard or stream.

use std::borrow::Cow;

use crate::config::Config;
use crate::delivery::StreamBatch;
use crate::model::device_key::DeviceKey;
use crate::model::placement::{ShardNumber, shard_of};
use crate::model::record::Record;
use crate::model::stream::Stream;
use crate::pipeline::enrich::EnrichedEvent;
use crate::pipeline::privacy::visitor::Visitor;
use crate::shard::config::ShardConfig;
use crate::shard::protocol::batch_request::{DeviceIdentity, EventIdentity, ShardItem};
use crate::shard::sessions::SessionEvent;

/// A record that is still to be delivered.
#[derive(Debug)]
pub struct PendingRecord<'a> {
    /// The index of its beacon in the request.
    pub beacon_index: usize,
    /// The hash from which its shard is computed. `None` in direct delivery and for failed events,
    /// which any shard accepts.
    pub shard_hash: Option<u64>,
    pub item: ShardItem<'a>,
}

impl<'a> PendingRecord<'a> {
    /// Builds the pending record of the event `enriched`.
    pub(super) fn of_event(
        enriched: &EnrichedEvent<'_>,
        stream: &'a Stream,
        record: Record,
        config: &Config,
    ) -> Self {
        let (beacon_index, stream) = (enriched.event_index, Cow::Borrowed(stream));
        let Some(sharding) = config.sharding() else {
            let item = ShardItem { stream, record, event: None, previous_shard: None };
            return Self { beacon_index, shard_hash: None, item };
        };
        let event = event_identity(enriched, &sharding.session_start_events);
        let hash = event.shard_hash(enriched.facts.visitor.as_ref().map(Visitor::key));
        let previous_shard = sharding.previous_count.map(|count| shard_of(hash, count));
        let previous_shard =
            previous_shard.filter(|previous| *previous != shard_of(hash, sharding.count));
        let item = ShardItem { stream, record, event: Some(event), previous_shard };
        Self { beacon_index, shard_hash: Some(hash), item }
    }

    /// Builds a pending record of a failed event, for the stream of failed events.
    pub(super) const fn of_failed_event(
        beacon_index: usize,
        stream: &'a Stream,
        record: Record,
    ) -> Self {
        let stream = Cow::Borrowed(stream);
        let item = ShardItem { stream, record, event: None, previous_shard: None };
        Self { beacon_index, shard_hash: None, item }
    }

    /// Marks the record as delivered without its shard.
    #[must_use]
    pub fn direct(self) -> Self {
        let item = ShardItem { record: self.item.record.past_its_shard(), ..self.item };
        Self { item, ..self }
    }
}

/// Builds the identity of `enriched`. One of the `session_start_events` starts a session.
fn event_identity(enriched: &EnrichedEvent<'_>, session_start_events: &[String]) -> EventIdentity {
    let (event, facts) = (&enriched.event, enriched.facts);
    let tenant = facts.tenant;
    let named = || session_start_events.iter().any(|name| name == event.name.as_str());
    let opens = event.schema.is_some_and(|schema| schema.opens_session) || named();
    let of_device = |device_id| DeviceKey::of_device(tenant, device_id);
    let previous = enriched.previous_device_id.as_ref().map(of_device);
    // An event of long ago must not end a session of today.
    let (key, device) = match event.device_id.as_ref().filter(|_| !facts.historical) {
        Some(device_id) => (of_device(device_id), DeviceIdentity::Known { previous }),
        None => (DeviceKey::of_event(tenant, event.id), DeviceIdentity::Unknown),
    };
    EventIdentity {
        key,
        device,
        redelivery: facts.redelivery,
        session_event: SessionEvent {
            at: enriched.occurred.at.timestamp_millis(),
            event_id: event.id,
            starts_session: opens,
        },
    }
}

/// Groups `records` by shard. Records without a device go to the shard of another record of the
/// request, or to one chosen by `random`.
pub fn by_shard<'a>(
    records: Vec<PendingRecord<'a>>,
    sharding: &ShardConfig,
    random: u64,
) -> Vec<(ShardNumber, Vec<PendingRecord<'a>>)> {
    let own_shard = |record: &PendingRecord<'_>| Some(shard_of(record.shard_hash?, sharding.count));
    let any =
        records.iter().find_map(own_shard).unwrap_or_else(|| shard_of(random, sharding.count));
    let mut shards: Vec<(ShardNumber, Vec<PendingRecord<'a>>)> = Vec::new();
    for record in records {
        let shard = own_shard(&record).unwrap_or(any);
        match shards.iter_mut().find(|(number, _)| *number == shard) {
            Some((_, records)) => records.push(record),
            None => shards.push((shard, vec![record])),
        }
    }
    shards
}

/// Groups `records` by stream, each batch with the index of the beacon of each record.
pub fn by_stream(records: Vec<PendingRecord<'_>>) -> Vec<(StreamBatch, Vec<usize>)> {
    let mut batches: Vec<(StreamBatch, Vec<usize>)> = Vec::new();
    for PendingRecord { beacon_index, item: ShardItem { stream, record, .. }, .. } in records {
        match batches.iter_mut().find(|(batch, _)| batch.stream == *stream) {
            Some((batch, beacons)) => {
                batch.records.push(record);
                beacons.push(beacon_index);
            }
            None => {
                let batch = StreamBatch { stream: stream.into_owned(), records: vec![record] };
                batches.push((batch, vec![beacon_index]));
            }
        }
    }
    batches
}
