//! Requests at the edge: a mirror of `runtime::deliver`, in which each await is an event of the world.
//!
//! A request asks the shards of its events, delivers directly what a shard did not accept, and answers 204 or 503. The
//! requests of an isolate share the health of streams, and the knowledge of shards that could not be reached. They do
//! not share calls here: with hundreds of shards few requests of an isolate meet.

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater::base::clock::Milliseconds;
use headwater::delivery::health::StreamHealth;
use headwater::ingest::PendingRecord;
use headwater::ingest::pending::ShardChoice;
use headwater::model::device_key::{DeviceHasher, DeviceKey};
use headwater::model::event::EventId;
use headwater::model::placement::ShardNumber;
use headwater::model::quota::{ItemTenant, QuotaUse};
use headwater::model::replay::Redelivery;
use headwater::model::stream::Stream;
use headwater::model::stream_set::StreamSet;
use headwater::shard::config::ShardConfig;
use headwater::shard::protocol::batch_request::{DeviceIdentity, EventIdentity, Sender, ShardItem};
use headwater::shard::protocol::batch_response::BatchResponse;
use headwater::shard::sessions::SessionEvent;

use super::Micros;
use super::chance::mix;
use super::delivery::Delivery;
use super::ledger::{Kind, Known, NO_DEVICE};
use super::line;

pub type RequestId = u64;

/// The stream set of each route.
#[derive(Debug)]
pub struct StreamSets(Vec<StreamSet>);

impl StreamSets {
    pub fn new(routes: usize, streams: usize) -> Self {
        let set = |route| {
            let name = format!("firehose:events-{route}-{{0..{}}}", streams - 1);
            StreamSet::parse(&name).unwrap()
        };
        Self((0..routes).map(set).collect())
    }

    pub fn of(&self, route: u8) -> &StreamSet {
        &self.0[usize::from(route)]
    }

    /// Returns each stream, with its number in its set.
    pub fn all(&self) -> Vec<(usize, Stream)> {
        let members = |set: &StreamSet| -> Vec<Stream> {
            set.members().map(std::borrow::Cow::into_owned).collect()
        };
        self.0.iter().flat_map(|set| members(set).into_iter().enumerate()).collect()
    }
}

/// A request of a client, until it has an answer that the client sees.
#[derive(Debug)]
pub struct Request {
    pub events: Vec<u64>,
    pub isolate: usize,
    pub attempt: u32,
    /// When this attempt began.
    pub began: Micros,
    /// Calls of shards, or deliveries, that have no end yet.
    pub open: usize,
    /// Events whose shard did not accept them.
    pub direct: Vec<u64>,
    /// Seconds until the client may send again, if anything is not durable.
    pub retry_after_s: Option<u64>,
    /// Whether its client leaves before the answer.
    pub leaves: bool,
}

/// A call of a shard.
#[derive(Debug)]
pub struct ShardCall {
    pub request: RequestId,
    pub number: ShardNumber,
    pub events: Vec<u64>,
}

/// Why a call of a shard has no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallFailure {
    Rejected,
    Unreachable,
}

pub type CallResponse = Result<BatchResponse, CallFailure>;

/// A delivery without a shard.
#[derive(Debug)]
pub struct DirectDelivery {
    pub request: RequestId,
    pub isolate: usize,
    pub delivery: Delivery,
}

/// What the requests of one isolate share.
#[derive(Debug, Default)]
pub struct Isolate {
    pub health: BTreeMap<String, StreamHealth>,
    /// Until when each shard is not called.
    pub paused: BTreeMap<ShardNumber, Milliseconds>,
}

/// Makes the pending record of an event, as `PendingRecord::of_event` does.
pub fn pending(
    number: u64,
    event: &Known,
    sharding: &ShardConfig,
    sets: &StreamSets,
    failed: &StreamSet,
) -> PendingRecord<'static> {
    let record = line::record(number, usize::from(event.bytes));
    let quota_use = QuotaUse::One;
    let tenant = Arc::new(ItemTenant { name: "tenant".to_owned(), quota: None });
    if event.kind == Kind::Failed {
        let to = std::borrow::Cow::Owned(failed.clone().into());
        let item = ShardItem { to, tenant, quota_use, record, event: None, previous_shard: None };
        return PendingRecord { beacon_index: 0, shard: ShardChoice::Any, overflow: None, item };
    }
    let event_id = event_id(number, event.at);
    let (key, device) = match event.device {
        NO_DEVICE => {
            (DeviceHasher::new(None).of_event("tenant", event_id), DeviceIdentity::Unknown)
        }
        device => (device_key(device), DeviceIdentity::Known { previous: None }),
    };
    let session_event = SessionEvent {
        at: event.at.cast_signed(),
        event_id,
        starts_session: event.kind == Kind::SessionStart,
    };
    let redelivery = Redelivery::No;
    let identity = EventIdentity {
        key,
        session_event,
        stated_time: None,
        device,
        redelivery,
        sender: Sender::default(),
    };
    let hash = identity.shard_hash(None);
    let (choice, previous_shard) = match device {
        DeviceIdentity::Known { .. } => {
            (ShardChoice::OfDevice(hash), sharding.previous_shard(hash))
        }
        DeviceIdentity::Unknown => (ShardChoice::WithRequest(hash), None),
    };
    let item = ShardItem {
        to: std::borrow::Cow::Owned(sets.of(event.route).clone().into()),
        tenant,
        quota_use,
        record,
        event: Some(identity),
        previous_shard,
    };
    PendingRecord { beacon_index: 0, shard: choice, overflow: None, item }
}

/// Returns the id of an event: a UUID of version 7 with its time.
fn event_id(number: u64, at: Milliseconds) -> EventId {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&at.to_be_bytes()[2..]);
    bytes[6] = 0x70;
    bytes[8..].copy_from_slice(&mix(number).to_be_bytes());
    bytes[8] = bytes[8] & 0x3f | 0x80;
    EventId::from_bytes(bytes).unwrap()
}

fn device_key(device: u32) -> DeviceKey {
    let mut bytes = [0; 16];
    let device = u64::from(device) + 1;
    bytes[..8].copy_from_slice(&mix(device).to_be_bytes());
    bytes[8..].copy_from_slice(&mix(!device).to_be_bytes());
    DeviceKey::from_bytes(bytes)
}
