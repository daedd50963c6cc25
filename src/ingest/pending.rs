//! A record that is still to be delivered, and the grouping of such records by shard or
//! destination.

use std::borrow::Cow;
use std::sync::Arc;

use crate::base::clock::Milliseconds;
use crate::config::Config;
use crate::config::tenant::Tenant;
use crate::model::device_key::{DeviceHasher, DeviceKey};
use crate::model::fan_out::FanOut;
use crate::model::placement::{ShardNumber, shard_of};
use crate::model::quota::QuotaUse;
use crate::model::record::Record;
use crate::model::stream_set::StreamSet;
use crate::pipeline::enrich::EnrichedEvent;
use crate::shard::config::ShardConfig;
use crate::shard::device_rates::DeviceRates;
use crate::shard::protocol::batch_request::{DeviceIdentity, EventIdentity, Sender, ShardItem};
use crate::shard::sessions::SessionEvent;

/// A record that is still to be delivered.
#[derive(Debug)]
pub struct PendingRecord<'a> {
    /// The index of its beacon in the request.
    pub beacon_index: usize,
    pub shard: ShardChoice,
    /// The streams that take it if its device overflows; none for a failed event.
    pub overflow: Option<&'a FanOut>,
    pub item: ShardItem<'a>,
}

/// What decides the shard of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardChoice {
    /// The hash of its device, whose sessions only this shard has.
    OfDevice(u64),
    /// Its request, since the event has no device; with the hash of the event's id.
    WithRequest(u64),
    /// The same, since its device overflows, as its record says.
    Overflow(u64),
    /// The hash of its device, or else of its id: it is historical. Another import may have it in
    /// another request, and only this shard knows its id.
    OfImport(u64),
    /// Any shard: it is a failed event, or there are no shards.
    Any,
}

impl<'a> PendingRecord<'a> {
    /// Builds the pending record of the event `enriched`, whose key is `key`.
    pub(super) fn of_event(
        enriched: &EnrichedEvent<'_>,
        key: DeviceKey,
        to: &'a FanOut,
        (tenant, quota_use): (&'a Tenant, QuotaUse),
        record: Record,
        config: &Config,
    ) -> Self {
        let (beacon_index, to) = (enriched.event_index, Cow::Borrowed(to));
        let of_items = Arc::clone(&tenant.of_items);
        let item = ShardItem {
            to,
            tenant: of_items,
            quota_use,
            record,
            event: None,
            previous_shard: None,
        };
        let Some(sharding) = config.sharding() else {
            return Self { beacon_index, shard: ShardChoice::Any, overflow: None, item };
        };
        let hasher = &config.device_hasher;
        let event = event_identity(enriched, key, hasher, &sharding.session_start_events);
        let visitor = enriched.facts.visitor.as_ref().map(|visitor| visitor.key(hasher));
        let hash = event.shard_hash(visitor);
        let (shard, previous_shard) = match event.device {
            DeviceIdentity::Known { .. } => {
                (ShardChoice::OfDevice(hash), sharding.previous_shard(hash))
            }
            // No shard has sessions of it.
            DeviceIdentity::Unknown if enriched.facts.historical => {
                (ShardChoice::OfImport(hash), None)
            }
            DeviceIdentity::Unknown => (ShardChoice::WithRequest(hash), None),
        };
        let item = ShardItem { event: Some(event), previous_shard, ..item };
        Self { beacon_index, shard, overflow: Some(&tenant.routes.of_overflow().to), item }
    }

    /// Builds a pending record of a failed event, for the stream of failed events, or its set.
    pub(super) fn of_failed_event(
        beacon_index: usize,
        to: &StreamSet,
        (tenant, quota_use): (&Tenant, QuotaUse),
        record: Record,
    ) -> Self {
        let (to, tenant) = (Cow::Owned(to.clone().into()), Arc::clone(&tenant.of_items));
        let item = ShardItem { to, tenant, quota_use, record, event: None, previous_shard: None };
        Self { beacon_index, shard: ShardChoice::Any, overflow: None, item }
    }

    /// Sends the record of an overflowing device to any shard, without a session.
    #[must_use]
    fn overflowing(self) -> Self {
        let (Some(to), Some(event)) = (self.overflow, self.item.event) else { return self };
        let shard = ShardChoice::Overflow(event_hash(&event));
        let event = EventIdentity { device: DeviceIdentity::Unknown, ..event };
        let item = ShardItem {
            to: Cow::Borrowed(to),
            tenant: self.item.tenant,
            quota_use: self.item.quota_use,
            record: self.item.record.of_overflow(),
            event: Some(event),
            previous_shard: None,
        };
        Self { shard, item, ..self }
    }

    /// Marks the record as delivered without its shard, unless it has left that before.
    #[must_use]
    pub fn direct(self) -> Self {
        if let ShardChoice::Overflow(_) = self.shard {
            return self;
        }
        let item = ShardItem { record: self.item.record.past_its_shard(), ..self.item };
        Self { item, ..self }
    }
}

/// Builds the identity of `enriched`, whose key is `key`. One of the `session_start_events` starts a
/// session.
fn event_identity(
    enriched: &EnrichedEvent<'_>,
    key: DeviceKey,
    hasher: &DeviceHasher,
    session_start_events: &[String],
) -> EventIdentity {
    let (event, facts) = (&enriched.event, enriched.facts);
    let named = || session_start_events.iter().any(|name| name == event.name.as_str());
    let opens = event.schema.is_some_and(|schema| schema.opens_session) || named();
    let previous = enriched.previous_device_id.as_ref();
    let device = match &event.device_id {
        // An event of long ago must not end a session of today. It is a duplicate of one that its
        // device has sent.
        Some(_) if facts.historical => DeviceIdentity::Unknown,
        Some(_) => DeviceIdentity::Known {
            previous: previous.map(|device_id| hasher.of_device(facts.tenant, device_id)),
        },
        None => DeviceIdentity::Unknown,
    };
    EventIdentity {
        key,
        device,
        redelivery: facts.redelivery,
        // An import is a duplicate of an event that its device has sent.
        sender: match facts.verified && !facts.historical {
            true => Sender::Server,
            false => Sender::Anyone,
        },
        stated_time: event.client_time.and_then(|time| time.timestamp_millis().try_into().ok()),
        session_event: SessionEvent {
            at: enriched.occurred.at.timestamp_millis(),
            event_id: event.id,
            starts_session: opens,
        },
    }
}

/// Returns a hash of its device and its id, which spreads the events of one device.
fn event_hash(event: &EventIdentity) -> u64 {
    let id = u128::from_be_bytes(*event.session_event.event_id.as_bytes());
    event.key.shard_hash() ^ id as u64
}

/// Counts the events of each device, and takes those of overflowing devices away from their shard.
pub fn divert_overflow<'a>(
    records: Vec<PendingRecord<'a>>,
    rates: &mut DeviceRates,
    sharding: &ShardConfig,
    now: Milliseconds,
) -> Vec<PendingRecord<'a>> {
    let limit = sharding.device_events_per_minute;
    let mut overflows = |pending: &PendingRecord<'_>| match (pending.shard, pending.item.event) {
        (ShardChoice::OfDevice(_), Some(event)) => rates.count(event.key, limit, now),
        _ => false,
    };
    let divert = |pending| if overflows(&pending) { pending.overflowing() } else { pending };
    records.into_iter().map(divert).collect()
}

/// Groups `records` by shard. Those without a device stay together, except historical ones, so that a
/// request asks few shards: with the first device of the request, or else where their smallest event id belongs, which
/// a client that sends the request again does not change. A request of failed events only goes to a
/// shard chosen by `random`.
pub fn by_shard<'a>(
    records: Vec<PendingRecord<'a>>,
    sharding: &ShardConfig,
    random: u64,
) -> Vec<(ShardNumber, Vec<PendingRecord<'a>>)> {
    let own = |record: &PendingRecord<'_>| match record.shard {
        ShardChoice::OfDevice(hash) | ShardChoice::OfImport(hash) => Some(hash),
        ShardChoice::WithRequest(_) | ShardChoice::Overflow(_) | ShardChoice::Any => None,
    };
    let smallest_id = records.iter().filter_map(|record| match record.shard {
        ShardChoice::WithRequest(hash) | ShardChoice::Overflow(hash) => {
            Some((record.item.event?.session_event.event_id, hash))
        }
        ShardChoice::OfDevice(_) | ShardChoice::OfImport(_) | ShardChoice::Any => None,
    });
    let of_request = records
        .iter()
        .find_map(own)
        .or_else(|| smallest_id.min().map(|(_, hash)| hash))
        .unwrap_or(random);
    let mut shards: Vec<(ShardNumber, Vec<PendingRecord<'a>>)> = Vec::new();
    for record in records {
        let hash = own(&record).unwrap_or(of_request);
        let shard = shard_of(hash, sharding.count);
        match shards.iter_mut().find(|(number, _)| *number == shard) {
            Some((_, records)) => records.push(record),
            None => shards.push((shard, vec![record])),
        }
    }
    shards
}

/// The records of one request for one destination.
#[derive(Debug)]
pub struct DestinationRecords {
    /// The stream, or the set of which one member is to have them all.
    pub to: StreamSet,
    pub records: Vec<Record>,
    /// The index of the beacon of each record.
    pub beacons: Vec<usize>,
}

/// Groups `records` by stream or stream set. A record for several is in the group of each.
pub fn by_destination(records: Vec<PendingRecord<'_>>) -> Vec<DestinationRecords> {
    let mut groups: Vec<DestinationRecords> = Vec::new();
    for PendingRecord { beacon_index, item: ShardItem { to, record, .. }, .. } in records {
        let record = if to.others().is_empty() { record } else { record.shared() };
        for other in to.others() {
            add_to_group(&mut groups, other, record.clone(), beacon_index);
        }
        add_to_group(&mut groups, to.first(), record, beacon_index);
    }
    groups
}

fn add_to_group(
    groups: &mut Vec<DestinationRecords>,
    to: &StreamSet,
    record: Record,
    beacon_index: usize,
) {
    match groups.iter_mut().find(|group| group.to == *to) {
        Some(group) => {
            group.records.push(record);
            group.beacons.push(beacon_index);
        }
        None => groups.push(DestinationRecords {
            to: to.clone(),
            records: vec![record],
            beacons: vec![beacon_index],
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::keyed_hash::tests::hash_key;
    use crate::model::event::{DeviceId, EventId};
    use crate::model::quota::ItemTenant;
    use crate::model::record;
    use crate::model::replay::Redelivery;

    const SHARDS: ShardNumber = 256;

    fn pending(event: Option<(DeviceIdentity, DeviceKey, EventId)>) -> PendingRecord<'static> {
        let to = Cow::Owned(FanOut::parse("firehose:events").unwrap());
        let tenant = Arc::new(ItemTenant { name: "a".to_owned(), quota: None });
        let (record, quota_use) = (record::tests::record("a"), QuotaUse::One);
        let Some((device, key, event_id)) = event else {
            let item =
                ShardItem { to, tenant, quota_use, record, event: None, previous_shard: None };
            return PendingRecord {
                beacon_index: 0,
                shard: ShardChoice::Any,
                overflow: None,
                item,
            };
        };
        let session_event = SessionEvent { at: 0, event_id, starts_session: false };
        let redelivery = Redelivery::No;
        let event = EventIdentity {
            key,
            device,
            redelivery,
            session_event,
            stated_time: None,
            sender: Sender::default(),
        };
        let shard = match device {
            DeviceIdentity::Known { .. } => ShardChoice::OfDevice(key.shard_hash()),
            DeviceIdentity::Unknown => ShardChoice::WithRequest(key.shard_hash()),
        };
        let item =
            ShardItem { to, tenant, quota_use, record, event: Some(event), previous_shard: None };
        PendingRecord { beacon_index: 0, shard, overflow: None, item }
    }

    fn event_id(index: u8) -> EventId {
        EventId::parse(&format!("01939b70-6d2a-7c3e-8f00-0000000000{index:02x}")).unwrap()
    }

    fn without_device(index: u8) -> PendingRecord<'static> {
        let event_id = event_id(index);
        pending(Some((
            DeviceIdentity::Unknown,
            DeviceHasher::new(None).of_event("a", event_id),
            event_id,
        )))
    }

    fn of_device(device: u8, index: u8) -> PendingRecord<'static> {
        let device_id = DeviceId::parse(format!("device-{device}")).unwrap();
        let key = DeviceHasher::new(None).of_device("a", &device_id);
        pending(Some((DeviceIdentity::Known { previous: None }, key, event_id(index))))
    }

    fn grouped(
        records: Vec<PendingRecord<'static>>,
        random: u64,
    ) -> Vec<(ShardNumber, Vec<PendingRecord<'static>>)> {
        by_shard(records, &ShardConfig { count: SHARDS, ..ShardConfig::default() }, random)
    }

    fn shards(records: Vec<PendingRecord<'static>>, random: u64) -> Vec<ShardNumber> {
        grouped(records, random).into_iter().map(|(shard, _)| shard).collect()
    }

    #[test]
    fn events_without_a_device_ask_one_shard() {
        let request = || (0..20).map(without_device).collect::<Vec<_>>();
        let asked = shards(request(), 1);
        assert_eq!(asked.len(), 1);
        assert_eq!(shards(request(), 2), asked, "the same when it is sent again");
        let reversed = request().into_iter().rev().collect();
        assert_eq!(shards(reversed, 3), asked, "in any order");
        let others = (100..200).map(|index| shards(vec![without_device(index)], 1));
        let others: std::collections::BTreeSet<_> = others.flatten().collect();
        assert!(others.len() > 60, "requests spread: {}", others.len());
    }

    #[test]
    fn an_imported_event_goes_to_its_own_shard_whatever_its_request_has() {
        let imported = |index| {
            let record = without_device(index);
            let ShardChoice::WithRequest(hash) = record.shard else { panic!("{index}") };
            PendingRecord { shard: ShardChoice::OfImport(hash), ..record }
        };
        let place = |record: &PendingRecord<'_>| record.item.event.unwrap().session_event.event_id;
        let places = |records: Vec<PendingRecord<'static>>| {
            let grouped = grouped(records, 1).into_iter();
            let each = grouped.flat_map(|(shard, records)| {
                records.into_iter().map(move |record| (place(&record), shard))
            });
            each.collect::<std::collections::BTreeMap<_, _>>()
        };
        let whole = places((0..60).map(imported).collect());
        let spread: std::collections::BTreeSet<_> = whole.values().collect();
        assert!(spread.len() > 40, "{}", spread.len());
        for (id, shard) in places((20..40).map(imported).collect()) {
            assert_eq!(whole[&id], shard);
        }
    }

    #[test]
    fn events_without_a_device_go_with_the_first_device() {
        let own = shards(vec![of_device(1, 1)], 1);
        let request = vec![pending(None), without_device(0), of_device(1, 1), without_device(2)];
        assert_eq!(shards(request, 1), own);
        let request = vec![of_device(1, 1), of_device(2, 2), without_device(0)];
        assert_eq!(shards(request, 1), [own, shards(vec![of_device(2, 2)], 1)].concat());
    }

    #[test]
    fn an_overflowing_device_leaves_its_shard_and_no_other_does() {
        let low: &'static FanOut = Box::leak(Box::new(FanOut::parse("firehose:low").unwrap()));
        let sharding = ShardConfig { device_events_per_minute: 3, ..ShardConfig::default() };
        let mut rates = DeviceRates::new(hash_key());
        let mut send = |pending: PendingRecord<'static>| {
            let pending = PendingRecord { overflow: Some(low), ..pending };
            divert_overflow(vec![pending], &mut rates, &sharding, 0).remove(0)
        };
        for index in 0..3 {
            let sent = send(of_device(1, index));
            assert!(matches!(sent.shard, ShardChoice::OfDevice(_)), "{index}");
            assert_eq!(sent.item.to.to_string(), "firehose:events");
        }
        let mut shards = std::collections::BTreeSet::new();
        for index in 3..60 {
            let sent = send(of_device(1, index));
            let event = sent.item.event.unwrap();
            assert_eq!(event.device, DeviceIdentity::Unknown, "it has no session");
            assert_eq!(event.seen_key(), of_device(1, index).item.event.unwrap().seen_key());
            assert_eq!(*sent.item.to, *low);
            let line = String::from_utf8(sent.item.record.bytes().to_vec()).unwrap();
            assert!(line.ends_with("\"delivered_via\":\"overflow\"}\n"), "{line}");
            shards.extend(grouped(vec![sent], 0).into_iter().map(|(shard, _)| shard));
        }
        assert!(shards.len() > 40, "its events spread: {}", shards.len());
        let direct = send(of_device(1, 60)).direct().item.record;
        let line = String::from_utf8(direct.bytes().to_vec()).unwrap();
        assert_eq!(line.matches("delivered_via").count(), 1, "{line}");
        assert!(matches!(send(of_device(2, 0)).shard, ShardChoice::OfDevice(_)));
        assert!(matches!(send(without_device(0)).shard, ShardChoice::WithRequest(_)));
    }

    proptest! {
        #[test]
        fn each_record_goes_to_one_shard_and_a_device_to_its_own(
            kinds in proptest::collection::vec((0_u8..3, any::<u8>()), 0..60), random: u64,
        ) {
            let record = |index: usize, (kind, device): &(u8, u8)| match kind {
                0 => of_device(*device, index as u8),
                1 => without_device(index as u8),
                _ => pending(None),
            };
            let records: Vec<_> = kinds.iter().enumerate().map(|(index, kind)| record(index, kind)).collect();
            let devices: std::collections::BTreeSet<u8> =
                kinds.iter().filter(|(kind, _)| *kind == 0).map(|(_, device)| *device).collect();
            let count = records.len();
            let grouped = grouped(records, random);
            prop_assert_eq!(grouped.iter().map(|(_, records)| records.len()).sum::<usize>(), count);
            prop_assert!(grouped.len() <= devices.len().max(1));
            for (shard, records) in grouped {
                for record in records {
                    if let ShardChoice::OfDevice(hash) = record.shard {
                        prop_assert_eq!(shard, shard_of(hash, SHARDS));
                    }
                }
            }
        }
    }
}
