//! The request of the runtime to a shard: records, and the identity of each event.
//!
//! The two may have different versions during a deployment. A shard that does not know a request's
//! version rejects it, and the runtime then delivers directly.

use std::borrow::Cow;
use std::sync::Arc;

use crate::base::clock::Milliseconds;
use crate::base::codec::{ByteReader, ByteWriter, DecodeError};
use crate::model::device_key::DeviceKey;
use crate::model::event::EventId;
use crate::model::fan_out::FanOut;
use crate::model::placement::ShardNumber;
use crate::model::quota::{DailyQuota, ItemTenant, QuotaUse};
use crate::model::record::codec::{put_record, read_record, record_len};
use crate::model::record::{LATER_BYTES, Record};
use crate::model::replay::Redelivery;
use crate::model::stream_set::StreamSet;
use crate::shard::dedup::DedupKey;
use crate::shard::sessions::SessionEvent;

/// The version of a request and its response. If the runtime could not read the response, the shard
/// has to reject the request; otherwise the runtime would deliver it once more.
pub(super) const VERSION: u8 = 4;

/// Set in the kind of an event that is sent again because it was lost.
const LOST: u8 = 4;

/// Set in the kind of an event whose id has no time, if its client states one.
const TIMED: u8 = 8;

/// Set in the kind of an event that a server sent with its key.
const VERIFIED: u8 = 128;

/// Set in the kind of an item if its tenant follows. Others have the tenant of the item before.
const TENANT: u8 = 16;

/// Set in the kind of an item that takes nothing of its tenant's quota.
const UNCOUNTED: u8 = 32;

/// Set beside it if the item shares the fate of the item before.
const WITH_PREVIOUS: u8 = 64;

/// The properties of an event that a shard needs besides its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventIdentity {
    /// The key of the device, or of the event itself if it has no device.
    pub key: DeviceKey,
    pub session_event: SessionEvent,
    /// The client's own time of the event, in milliseconds since the epoch: a repeat states the same.
    /// It counts if the id has none.
    pub stated_time: Option<Milliseconds>,
    pub device: DeviceIdentity,
    pub redelivery: Redelivery,
    pub sender: Sender,
}

/// Who sent an event. Anyone can send with an id that is no secret: that must not make the event of a
/// server a duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sender {
    #[default]
    Anyone,
    /// A server with its key.
    Server,
}

/// Whether an event has a device, and so a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceIdentity {
    Unknown,
    /// It has one; just after midnight also the key of the day before.
    Known {
        previous: Option<DeviceKey>,
    },
}

impl EventIdentity {
    /// Returns the position of its device, which decides its shard. `visitor` is the key of a
    /// cookieless visitor, which stays the same from day to day.
    pub fn shard_hash(&self, visitor: Option<DeviceKey>) -> u64 {
        match (visitor, self.device) {
            (Some(visitor), DeviceIdentity::Known { .. }) => visitor.shard_hash(),
            _ => self.key.shard_hash(),
        }
    }

    /// Returns the key that identifies duplicates of the event.
    pub fn seen_key(&self) -> DedupKey {
        // Rotations far apart, so that no two kinds of one event share a key.
        let bits = match (self.redelivery, self.sender) {
            (Redelivery::No, Sender::Anyone) => 0,
            (Redelivery::Lost, Sender::Anyone) => 41,
            (Redelivery::No, Sender::Server) => 82,
            (Redelivery::Lost, Sender::Server) => 123,
        };
        let key = self.key.rotated(bits);
        DedupKey::of(&key, self.session_event.event_id, self.stated_time)
    }
}

/// A record for a shard, with the properties of its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardItem<'a> {
    /// Its streams. Of a stream set, the shard chooses a member for each batch.
    pub to: Cow<'a, FanOut>,
    /// Shared by the items of a request.
    pub tenant: Arc<ItemTenant>,
    pub quota_use: QuotaUse,
    pub record: Record,
    /// Its event; a failed event has no session, and may be sent again.
    pub event: Option<EventIdentity>,
    /// The previous shard of its device, if the number of shards or their jurisdiction has changed it.
    pub previous_shard: Option<ShardNumber>,
}

/// The most bytes of an item besides its record, its tenant and the names of its streams.
const MAX_ITEM_BYTES: usize = 136;

/// The most bytes of a further stream besides its name: its service and its range.
const MAX_STREAM_BYTES: usize = 40;

/// The most bytes of a tenant, and the version before it. Requests of several tenants are rare.
const MAX_TENANT_BYTES: usize = 80;

pub fn encode<'a>(items: impl Iterator<Item = &'a ShardItem<'a>> + Clone) -> Vec<u8> {
    let length = |item: &ShardItem<'_>| {
        let name = |set: &StreamSet| set.first().name.as_str().len();
        let others = item.to.others().iter().map(|set| name(set).saturating_add(MAX_STREAM_BYTES));
        let streams = others.fold(name(item.to.first()), usize::saturating_add);
        record_len(&item.record).saturating_add(streams).saturating_add(MAX_ITEM_BYTES)
    };
    let capacity = items.clone().map(length).fold(MAX_TENANT_BYTES, usize::saturating_add);
    let mut bytes = Vec::with_capacity(capacity);
    bytes.put_u8(VERSION);
    let mut tenant_before = None;
    // Most items of a request have the same streams.
    let (mut to_before, mut streams) = (None, String::new());
    for ShardItem { to, tenant, quota_use, record, event, previous_shard } in items {
        if to_before != Some(to) {
            (to_before, streams) = (Some(to), to.to_string());
        }
        bytes.put_bytes(streams.as_bytes());
        put_record(&mut bytes, record);
        bytes.put_u32(previous_shard.unwrap_or(ShardNumber::MAX));
        let new_tenant = Some(tenant).filter(|tenant| tenant_before != Some(*tenant));
        tenant_before = Some(tenant);
        let of_quota = match quota_use {
            QuotaUse::One => 0,
            QuotaUse::Nothing => UNCOUNTED,
            QuotaUse::WithPrevious => UNCOUNTED | WITH_PREVIOUS,
        };
        let of_tenant = new_tenant.map_or(0, |_| TENANT) | of_quota;
        let Some(event) = event else {
            bytes.put_u8(of_tenant);
            put_tenant(&mut bytes, new_tenant);
            continue;
        };
        let EventIdentity { key, session_event, stated_time, device, redelivery, sender } = event;
        let (kind, previous) = match *device {
            DeviceIdentity::Unknown => (1, None),
            DeviceIdentity::Known { previous: None } => (2, None),
            DeviceIdentity::Known { previous: Some(previous) } => (3, Some(previous)),
        };
        let stated_time = stated_time.filter(|_| session_event.event_id.made_at().is_none());
        let kind = stated_time.map_or(kind, |_| kind | TIMED);
        let kind = match sender {
            Sender::Anyone => kind,
            Sender::Server => kind | VERIFIED,
        };
        let kind = kind | of_tenant;
        bytes.put_u8(match redelivery {
            Redelivery::No => kind,
            Redelivery::Lost => kind | LOST,
        });
        put_tenant(&mut bytes, new_tenant);
        if let Some(stated_time) = stated_time {
            bytes.put_u64(stated_time);
        }
        bytes.put(key.as_bytes());
        if let Some(previous) = previous {
            bytes.put(previous.as_bytes());
        }
        bytes.put_i64(session_event.at);
        bytes.put(session_event.event_id.as_bytes());
        bytes.put_u8(session_event.starts_session.into());
    }
    bytes
}

fn put_tenant(bytes: &mut Vec<u8>, tenant: Option<&Arc<ItemTenant>>) {
    let Some(ItemTenant { name, quota }) = tenant.map(Arc::as_ref) else { return };
    bytes.put_bytes(name.as_bytes());
    bytes.put_u64(quota.map_or(0, DailyQuota::events));
}

/// Joins several requests into one, with the items of all of them in their order. The first item of
/// each has its tenant.
pub fn join(mut requests: Vec<Vec<u8>>) -> Vec<u8> {
    if let [_] = requests.as_slice() {
        return requests.pop().unwrap_or_default();
    }
    let capacity = requests.iter().map(Vec::len).fold(1, usize::saturating_add);
    let mut bytes = Vec::with_capacity(capacity);
    bytes.put_u8(VERSION);
    requests.iter().filter_map(|request| request.split_first()).for_each(|(_, items)| {
        bytes.put(items);
    });
    bytes
}

pub fn decode(bytes: &[u8]) -> Result<Vec<ShardItem<'static>>, DecodeError> {
    let mut reader = ByteReader::new(bytes, "a batch request of this version");
    if reader.u8()? != VERSION {
        return Err(reader.malformed());
    }
    let mut items: Vec<ShardItem<'static>> = Vec::new();
    let mut streams_before = "";
    while !reader.is_at_end() {
        let (streams, before) = (reader.text()?, items.last());
        let to = match before.filter(|_| streams == streams_before) {
            Some(before) => before.to.clone(),
            None => Cow::Owned(FanOut::parse(streams).map_err(|_| reader.malformed())?),
        };
        items.push(item(&mut reader, to, before.map(|item| &item.tenant))?);
        streams_before = streams;
    }
    Ok(items)
}

fn item(
    reader: &mut ByteReader<'_>,
    to: Cow<'static, FanOut>,
    tenant_before: Option<&Arc<ItemTenant>>,
) -> Result<ShardItem<'static>, DecodeError> {
    let malformed = reader.malformed();
    let record = read_record(reader, LATER_BYTES)?;
    let previous_shard = Some(reader.u32()?).filter(|shard| *shard != ShardNumber::MAX);
    let kind = reader.u8()?;
    let tenant = match kind & TENANT {
        0 => Arc::clone(tenant_before.ok_or(malformed)?),
        _ => Arc::new(ItemTenant {
            name: reader.text()?.to_owned(),
            quota: match reader.u64()? {
                0 => None,
                events => Some(DailyQuota::new(events).ok_or(malformed)?),
            },
        }),
    };
    let quota_use = match kind & (UNCOUNTED | WITH_PREVIOUS) {
        0 => QuotaUse::One,
        UNCOUNTED => QuotaUse::Nothing,
        WITH_PREVIOUS => return Err(malformed),
        _ => QuotaUse::WithPrevious,
    };
    let kind = kind & !(TENANT | UNCOUNTED | WITH_PREVIOUS);
    if kind == 0 {
        return Ok(ShardItem { to, tenant, quota_use, record, event: None, previous_shard });
    }
    let stated_time = if kind & TIMED == 0 { None } else { Some(reader.u64()?) };
    let key = DeviceKey::from_bytes(reader.array()?);
    let redelivery = if kind & LOST == 0 { Redelivery::No } else { Redelivery::Lost };
    let sender = if kind & VERIFIED == 0 { Sender::Anyone } else { Sender::Server };
    let device = match kind & !(LOST | TIMED | VERIFIED) {
        1 => DeviceIdentity::Unknown,
        2 => DeviceIdentity::Known { previous: None },
        3 => DeviceIdentity::Known { previous: Some(DeviceKey::from_bytes(reader.array()?)) },
        _ => return Err(malformed),
    };
    let session_event = SessionEvent {
        at: reader.i64()?,
        event_id: EventId::from_bytes(reader.array()?).ok_or(malformed)?,
        starts_session: match reader.u8()? {
            0 => false,
            1 => true,
            _ => return Err(malformed),
        },
    };
    let stated_time = stated_time.filter(|_| session_event.event_id.made_at().is_none());
    let event = Some(EventIdentity { key, session_event, stated_time, device, redelivery, sender });
    Ok(ShardItem { to, tenant, quota_use, record, event, previous_shard })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::device_key::DeviceHasher;
    use crate::model::record;

    fn tenant(name: &str) -> Arc<ItemTenant> {
        let quota = DailyQuota::new(u64::from(name == "a") * 1_000);
        Arc::new(ItemTenant { name: name.to_owned(), quota })
    }

    fn items() -> Vec<ShardItem<'static>> {
        let timed = EventId::parse("01939b70-6d2a-7c3e-8f00-000000000001").unwrap();
        let event_id = EventId::parse("01939b70-6d2a-4c3e-8f00-000000000001").unwrap();
        let key = DeviceHasher::new(None).of_event("a", event_id);
        let tenants = ["a", "a", "b", "b"].map(tenant);
        let mut tenants = tenants.iter();
        let uses = [QuotaUse::One, QuotaUse::WithPrevious, QuotaUse::Nothing, QuotaUse::One];
        let mut uses = uses.into_iter();
        let mut item = |to, text: &str, event, previous_shard| ShardItem {
            quota_use: uses.next().unwrap(),
            to: Cow::Owned(FanOut::parse(to).unwrap()),
            tenant: Arc::clone(tenants.next().unwrap()),
            record: record::tests::record(text),
            event,
            previous_shard,
        };
        let event = |device, starts_session, redelivery| {
            let (event_id, stated_time, sender) = match starts_session {
                true => (event_id, Some(1_795_000_000_123), Sender::Server),
                false => (timed, None, Sender::Anyone),
            };
            let session_event = SessionEvent { at: -5, event_id, starts_session };
            Some(EventIdentity { key, session_event, stated_time, device, redelivery, sender })
        };
        let previous = Some(DeviceKey::from_bytes([7; 16]));
        vec![
            item("firehose:failed-{08..15}", "failed", None, None),
            item(
                "kinesis:orders",
                "a",
                event(DeviceIdentity::Unknown, false, Redelivery::No),
                Some(0),
            ),
            item(
                "kinesis:orders",
                "b",
                event(DeviceIdentity::Known { previous: None }, true, Redelivery::Lost),
                None,
            ),
            item(
                "firehose:events-{0..255}, kinesis:orders",
                "c",
                event(DeviceIdentity::Known { previous }, false, Redelivery::No),
                Some(7),
            ),
        ]
    }

    fn bytes() -> Vec<u8> {
        encode(items().iter())
    }

    #[test]
    fn a_batch_request_arrives_as_sent() {
        assert_eq!(decode(&bytes()), Ok(items()));
    }

    #[test]
    fn a_stated_time_of_an_id_with_a_time_does_not_count() {
        let id = items()[2].event.unwrap().session_event.event_id;
        let mut bytes = bytes();
        let at = bytes.windows(16).position(|found| found == id.as_bytes()).unwrap();
        // The version of the UUID.
        bytes[at + 6] = 0x70 | (bytes[at + 6] & 0xf);
        let read = decode(&bytes).unwrap();
        assert_eq!(read[2].event.unwrap().stated_time, None);
        assert_eq!(decode(&encode(read.iter())), Ok(read));
    }

    #[test]
    fn an_event_is_a_duplicate_of_its_own_kind_only() {
        let mut events = Vec::new();
        let event_id = EventId::parse("01939b70-6d2a-7c3e-8f00-000000000001").unwrap();
        for redelivery in [Redelivery::No, Redelivery::Lost] {
            for sender in [Sender::Anyone, Sender::Server] {
                let key = DeviceHasher::new(None).of_event("a", event_id);
                let session_event = SessionEvent { at: 0, event_id, starts_session: false };
                let device = DeviceIdentity::Unknown;
                let stated_time = None;
                events.push(
                    EventIdentity { key, session_event, stated_time, device, redelivery, sender }
                        .seen_key(),
                );
            }
        }
        for (index, key) in events.iter().enumerate() {
            assert_eq!(events.iter().position(|other| other == key), Some(index));
        }
    }

    #[test]
    fn joined_requests_arrive_as_one_and_name_each_tenant_once() {
        let of = |name: &str| {
            let items = items().into_iter();
            items.map(|item| ShardItem { tenant: tenant(name), ..item }).collect::<Vec<_>>()
        };
        let (of_a, of_long) = (of("a"), of(&"n".repeat(64)));
        let requests = [&of_a, &of_long].map(|items| encode(items.iter()));
        // Its length and its quota have twelve bytes.
        assert_eq!(requests[1].len() - requests[0].len(), 63);
        assert_eq!(decode(&join(requests.to_vec())), Ok([of_a, of_long].concat()));
    }

    #[test]
    fn a_truncated_message_or_another_version_is_refused() {
        let whole = bytes();
        // If it is cut between two items, it has fewer items, and then too few statuses.
        let read: Vec<usize> =
            (0..whole.len()).filter_map(|end| Some(decode(&whole[..end]).ok()?.len())).collect();
        assert_eq!(read, [0, 1, 2, 3]);
        let mut newer = whole;
        newer[0] = VERSION + 1;
        assert_eq!(
            decode(&newer).unwrap_err().to_string(),
            "bytes are not a batch request of this version"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0_usize..400, byte: u8) {
            let _ = decode(&bytes);
            let mut changed = super::tests::bytes();
            let at = at % changed.len();
            changed[at] = byte;
            let _ = decode(&changed);
        }
    }
}
