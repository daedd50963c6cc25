//! From a request to its records, and from their statuses to its answer.
//!
//! Read `process_beacon` first: it is the path of one beacon. A request becomes an [`IngestBatch`]:
//! the outcome that each beacon has once its record is durable, and the records to deliver. The
//! runtime delivers them and passes each report back; only then is there an answer.

pub mod authorize;
pub mod batch;
pub mod context;
pub mod dialects;
pub mod error;
pub mod network_cookie;
pub mod pending;
pub mod rate_limit;
pub mod rejection;
pub mod reroute;
pub mod response;
pub mod summary;
pub mod tenant_cache;
pub mod trace;

use std::borrow::Cow;

use crate::ingest::error::IngestError;
use crate::model::beacon::Beacon;
use crate::model::consent::PrivacySignal;
use crate::model::event::{EventId, EventIdGenerator};
use crate::model::failed_event::PayloadFormat;
use crate::model::outcome::{Catalogued, DropReason};
use crate::model::protocol::Protocol;
use crate::model::replay::ReplaySource;
use crate::model::request::RequestContext;
use crate::pipeline::decode::body::RequestBody;
use crate::pipeline::decode::protocols::{ItemReader, ProtocolItems, ProtocolRequest};
use crate::pipeline::decode::{ProtocolError, ValueBudget, native, pixel, protocols, record};
use crate::pipeline::{decode, enrich};
pub use authorize::{AuthorizedRequest, authorize};
pub use batch::{IngestBatch, SettledBatch};
use context::PipelineContext;
pub use pending::{DestinationRecords, PendingRecord, by_destination, by_shard, divert_overflow};
use rejection::RejectedBeacon;

/// Processes the beacon at `index`. Each line adds to it, or returns why it stops there.
fn process_beacon<'a>(
    mut beacon: Beacon,
    index: usize,
    context: &PipelineContext<'a>,
    ids: &mut EventIdGenerator,
) -> Result<AcceptedBeacon<'a>, BeaconStop> {
    let own_facts = context.take_server_fields(&mut beacon.fields)?;
    let facts = own_facts.as_ref().unwrap_or(&context.facts);
    let mut stripped = context.apply_privacy(&mut beacon.fields, ids)?;
    let (fields, repairs) = context.clean(beacon, &mut stripped, facts, ids)?;
    let (mut event, mut repairs) = context.validate(fields, repairs, stripped, ids)?;
    context.clean_event(&mut event, &mut repairs, facts);
    let enriched = enrich::event(event, index, facts, repairs, stripped);
    let route = context.route(&enriched)?;
    context.encode(enriched, route)
}

/// A beacon that became an event's record.
struct AcceptedBeacon<'a> {
    event_id: EventId,
    catalogued: Catalogued,
    /// The signal for which identifiers were removed, if they were.
    stripped: Option<PrivacySignal>,
    pending: PendingRecord<'a>,
}

/// Why a beacon did not become an event's record.
enum BeaconStop {
    /// Kept as a failed event.
    Rejected(Box<RejectedBeacon>),
    /// Not kept.
    Dropped(EventId, DropReason),
}

impl<T: Into<RejectedBeacon>> From<T> for BeaconStop {
    fn from(rejection: T) -> Self {
        Self::Rejected(Box::new(rejection.into()))
    }
}

/// Processes a request with a body.
pub fn post<'c>(
    body: &RequestBody<'_>,
    request: &AuthorizedRequest<'_, 'c>,
    ids: &mut EventIdGenerator,
) -> Result<IngestBatch<'c>, IngestError> {
    decode_body(IngestBatch::new(request, request.context), body, ids)
}

/// Processes a replay: `body` is the original payload of a failed event, in the context of its
/// first request. `request` is the replay request.
pub fn replay<'c>(
    body: &RequestBody<'_>,
    replay: ReplaySource,
    request: &AuthorizedRequest<'_, 'c>,
) -> Result<IngestBatch<'c>, IngestError> {
    let (mut ids, format) = (replay.ids(), replay.form);
    let context = replay.context(request.context);
    let mut batch = IngestBatch::new(request, &context);
    let limits = batch.context.limits;
    let text = String::from_utf8_lossy(body.bytes);
    match format {
        PayloadFormat::Item(protocol) | PayloadFormat::ProtocolBody(protocol) => {
            batch.context.in_protocol(protocol);
        }
        // A record has what its server stated.
        PayloadFormat::Record => batch.context.allow_server_fields(&context),
        _ => {}
    }
    let beacon = match format {
        PayloadFormat::Beacon => decode::beacon(&text, limits),
        PayloadFormat::Query => pixel::beacon(&text),
        PayloadFormat::Record => record::beacon(&text, limits),
        PayloadFormat::Item(protocol) => {
            let limits = batch.context.limits;
            let mut values = ValueBudget::of_request(limits, text.len());
            protocols::beacon(&text, &batch.context.translation(protocol), limits, &mut values)
        }
        PayloadFormat::Body | PayloadFormat::GzipBody => return decode_body(batch, body, &mut ids),
        PayloadFormat::ProtocolBody(protocol) => {
            // The address is not kept: the body decides.
            let request = ProtocolRequest { body: body.bytes, ..ProtocolRequest::default() };
            let items = protocols::items(protocol, &request, batch.context.limits);
            return push_items(batch, items, protocol, (body.bytes, format), &mut ids);
        }
    };
    batch.push(beacon.map_err(BeaconStop::from), (body.bytes, format), &mut ids)?;
    Ok(batch)
}

/// Processes a pixel request, whose beacon is its query.
pub fn pixel<'c>(
    query: &str,
    request: &AuthorizedRequest<'_, 'c>,
    ids: &mut EventIdGenerator,
) -> Result<IngestBatch<'c>, IngestError> {
    let mut batch = IngestBatch::new(request, request.context);
    let beacon = pixel::beacon(query).map_err(BeaconStop::from);
    batch.push(beacon, (query.as_bytes(), PayloadFormat::Query), ids)?;
    Ok(batch)
}

/// Returns the keys that a request of another collector's SDK names in its `query`, and what is before
/// the colon of Jitsu's keys.
pub fn other_keys(context: &RequestContext, query: &str) -> Vec<String> {
    const NAMES: [&str; 5] = ["writeKey", "api_key", "token", "api_secret", "access_token"];
    let mut keys = Vec::new();
    for (name, key) in form_urlencoded::parse(query.as_bytes()) {
        if NAMES.contains(&name.as_ref()) && !key.is_empty() {
            keys.push(key.into_owned());
        }
    }
    for key in context.keys() {
        if let Some((before_colon, _)) = key.split_once(':') {
            keys.push(before_colon.to_owned());
        }
    }
    keys
}

/// Processes a request of another collector's SDK, cut into `items`. If it can't be cut, `inflated` is
/// kept, or `body` as it was sent if that can't be inflated.
pub fn items<'c>(
    items: Result<ProtocolItems<'_>, ProtocolError>,
    protocol: Protocol,
    body: &RequestBody<'_>,
    inflated: Option<&[u8]>,
    request: &AuthorizedRequest<'_, 'c>,
    ids: &mut EventIdGenerator,
) -> Result<IngestBatch<'c>, IngestError> {
    let mut batch = IngestBatch::new(request, request.context);
    batch.context.in_protocol(protocol);
    let kept = match inflated {
        Some(inflated) => (inflated, PayloadFormat::ProtocolBody(protocol)),
        None => (body.bytes, body.form().unwrap_or(PayloadFormat::Body)),
    };
    push_items(batch, items, protocol, kept, ids)
}

/// Processes the items of a request, or keeps the bytes `kept` if it can't be cut into items.
fn push_items<'c>(
    mut batch: IngestBatch<'c>,
    items: Result<ProtocolItems<'_>, ProtocolError>,
    protocol: Protocol,
    kept: (&[u8], PayloadFormat),
    ids: &mut EventIdGenerator,
) -> Result<IngestBatch<'c>, IngestError> {
    let items = match items {
        Err(ProtocolError::Undecodable(violation)) => {
            let (bytes, format) = kept;
            return batch.undecodable(*violation, bytes, format, ids);
        }
        items => items?,
    };
    let sent_at = items.sent_at.and_then(native::time_of_sending);
    batch.context.envelope.sent_at = sent_at.or(batch.context.envelope.sent_at);
    let translation = batch.context.translation(protocol);
    let bytes = items.texts.iter().map(|text| text.len()).sum();
    let mut reader = ItemReader::new(translation, bytes, items.heads);
    let decode = |text: &str| {
        reader.beacon(text).map_err(|violation| {
            let event_id = protocols::stated_id(protocol, text);
            RejectedBeacon { event_id, ..violation.into() }.into()
        })
    };
    let texts = items.texts.iter().map(Cow::as_ref);
    batch.push_all(texts, PayloadFormat::Item(protocol), decode, ids)?;
    Ok(batch)
}

/// Decodes a body, and processes each of its beacons.
fn decode_body<'c>(
    mut batch: IngestBatch<'c>,
    body: &RequestBody<'_>,
    ids: &mut EventIdGenerator,
) -> Result<IngestBatch<'c>, IngestError> {
    let limits = batch.context.limits;
    let framing = body.framing()?;
    let format = body.form()?;
    let text = match body.text(format, limits) {
        Err(ProtocolError::Undecodable(violation)) => {
            return batch.undecodable(*violation, body.bytes, format, ids);
        }
        text => text?,
    };
    let (parts, mut lone) = match native::lone_beacon(&text, framing, limits) {
        Some((text, beacon)) => (native::BodyParts::of_one(text), Some(beacon)),
        None => match native::items(&text, framing, limits) {
            Err(ProtocolError::Undecodable(violation)) => {
                return batch.undecodable(*violation, body.bytes, format, ids);
            }
            parts => (parts?, None),
        },
    };
    batch.context.envelope = parts.envelope.or(&batch.context.envelope);
    let mut values = ValueBudget::of_request(limits, text.len());
    let decode = |text: &str| match lone.take() {
        Some(beacon) => Ok(beacon),
        None => decode::beacon_within(text, limits, &mut values).map_err(BeaconStop::from),
    };
    batch.push_all(parts.texts.into_iter(), PayloadFormat::Beacon, decode, ids)?;
    Ok(batch)
}
