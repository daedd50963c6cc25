//! A record that is still to be delivered, and the grouping of such records by shard or stream.

use crate::model::device_key::DeviceKey;
use crate::model::placement::{ShardNumber, shard_of};
use crate::model::record::Record;
use crate::model::stream::Stream;
use crate::pipeline::enrich::EnrichedEvent;
use crate::pipeline::privacy::visitor::Visitor;
use crate::shard::config::ShardConfig;
use crate::shard::protocol::batch_request::{DeviceIdentity, EventIdentity};
use crate::shard::sessions::{Opening, SessionEvent};

/// A record that is still to be delivered.
#[derive(Debug)]
pub struct PendingRecord<'a> {
    /// The index of its beacon in the request.
    pub owner: usize,
    pub stream: &'a Stream,
    pub record: Record,
    /// The data that a shard needs of its event. `None` in direct delivery and for failed events,
    /// which have no session.
    pub observed: Option<ShardHint>,
}

/// Which shard an event goes to, and what that shard needs to know of it.
#[derive(Debug, Clone, Copy)]
pub struct ShardHint {
    /// A hash from which the shard is computed.
    place: u64,
    pub observation: EventIdentity,
}

impl ShardHint {
    /// Builds the hint of `enriched`. One of the `session_start_events` starts a session.
    pub(super) fn of(enriched: &EnrichedEvent<'_>, session_start_events: &[String]) -> Self {
        let observation = observation(enriched, session_start_events);
        Self {
            place: observation.place(enriched.facts.visitor.as_ref().map(Visitor::key)),
            observation,
        }
    }

    /// The shard that had its device before the number of shards changed, if it was another.
    pub fn former(&self, sharding: &ShardConfig) -> Option<ShardNumber> {
        let former = shard_of(self.place, sharding.previous_count?);
        (former != shard_of(self.place, sharding.count)).then_some(former)
    }
}

/// Builds the identity of `enriched`. One of the `session_start_events` starts a session.
fn observation(enriched: &EnrichedEvent<'_>, session_start_events: &[String]) -> EventIdentity {
    let (event, facts) = (&enriched.event, enriched.facts);
    let tenant = facts.tenant;
    let named = || session_start_events.iter().any(|name| name == event.name.as_str());
    let opens = event.schema.is_some_and(|schema| schema.opens_session) || named();
    let of_device = |device_id| DeviceKey::of_device(tenant, device_id);
    let previous = enriched.previous_device_id.as_ref().map(of_device);
    let (key, device) = match &event.device_id {
        Some(device_id) => (of_device(device_id), DeviceIdentity::Known { previous }),
        None => (DeviceKey::of_event(tenant, event.id), DeviceIdentity::Unknown),
    };
    EventIdentity {
        key,
        device,
        arrival: facts.arrival,
        sighting: SessionEvent {
            at: enriched.occurred.at.timestamp_millis(),
            event_id: event.id,
            opening: if opens { Opening::Yes } else { Opening::No },
        },
    }
}

/// Groups `items` by shard. Records without a device go to the shard of another record of the
/// request, or to one chosen by `random`.
pub fn by_shard<'a>(
    items: Vec<PendingRecord<'a>>,
    sharding: &ShardConfig,
    random: u64,
) -> Vec<(ShardNumber, Vec<PendingRecord<'a>>)> {
    let of_item = |item: &PendingRecord<'_>| Some(shard_of(item.observed?.place, sharding.count));
    let any = items.iter().find_map(of_item).unwrap_or_else(|| shard_of(random, sharding.count));
    let mut shards: Vec<(ShardNumber, Vec<PendingRecord<'a>>)> = Vec::new();
    for item in items {
        let shard = of_item(&item).unwrap_or(any);
        match shards.iter_mut().find(|(number, _)| *number == shard) {
            Some((_, items)) => items.push(item),
            None => shards.push((shard, vec![item])),
        }
    }
    shards
}

/// Records of one stream, each with the index of its beacon.
#[derive(Debug)]
pub struct StreamBatch {
    pub stream: Stream,
    pub records: Vec<Record>,
    /// The index of the beacon of each record.
    pub owners: Vec<usize>,
}

pub fn by_stream(items: Vec<PendingRecord<'_>>) -> Vec<StreamBatch> {
    let mut consignments: Vec<StreamBatch> = Vec::new();
    for PendingRecord { owner, stream, record, .. } in items {
        match consignments.iter_mut().find(|consignment| consignment.stream == *stream) {
            Some(consignment) => {
                consignment.records.push(record);
                consignment.owners.push(owner);
            }
            None => consignments.push(StreamBatch {
                stream: stream.clone(),
                records: vec![record],
                owners: vec![owner],
            }),
        }
    }
    consignments
}
