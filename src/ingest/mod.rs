//! From a request to its records, and from their statuses to its answer.
//!
//! Read `process_beacon` first: it is the path of one beacon. A request becomes an [`IngestBatch`]:
//! the outcome that each beacon has once its record is durable, and the records to deliver. The
//! runtime delivers them and passes each report back; only then is there an answer.

pub mod authorize;
pub mod batch;
pub mod context;
pub mod error;
pub mod pending;
pub mod rate_limit;
pub mod rejection;
pub mod reroute;
pub mod response;
pub mod summary;
pub mod trace;

use crate::ingest::error::IngestError;
use crate::model::beacon::Beacon;
use crate::model::consent::PrivacySignal;
use crate::model::event::{EventId, EventIdGenerator};
use crate::model::failed_event::{OriginalPayload, PayloadFormat};
use crate::model::outcome::{Catalogued, DropReason};
use crate::model::replay::ReplaySource;
use crate::pipeline::decode::body::RequestBody;
use crate::pipeline::decode::{ProtocolError, ValueBudget, native, pixel, record};
use crate::pipeline::{decode, enrich};
pub use authorize::{AuthorizedRequest, authorize};
pub use batch::{IngestBatch, SettledBatch};
use context::PipelineContext;
pub use pending::{PendingRecord, by_shard, by_stream};
use rejection::RejectedBeacon;

/// Processes the beacon at `index`. Each line adds to it, or returns why it stops there.
fn process_beacon<'a>(
    mut beacon: Beacon,
    index: usize,
    context: &PipelineContext<'a>,
    ids: &mut EventIdGenerator,
) -> Result<AcceptedBeacon<'a>, BeaconStop> {
    let stripped = context.apply_privacy(&mut beacon.fields, ids)?;
    let (mut fields, mut repairs) = context.clean(beacon);
    // A rule may have revealed the person's consent.
    let stripped = context.apply_privacy(&mut fields, ids)?.or(stripped);
    context.scrub(&mut fields, &mut repairs);
    let (mut event, mut repairs) = context.validate(fields, repairs, stripped, ids)?;
    context.clean_event(&mut event, &mut repairs);
    let enriched = enrich::event(event, index, &context.facts, repairs, stripped);
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
    let limits = &request.config.limits;
    let mut batch = IngestBatch::new(request, &replay.context(request.context));
    let text = String::from_utf8_lossy(body.bytes);
    let beacon = match format {
        PayloadFormat::Beacon => decode::beacon(&text, limits),
        PayloadFormat::Query => pixel::beacon(&text),
        PayloadFormat::Record => record::beacon(&text, limits),
        PayloadFormat::Body | PayloadFormat::GzipBody => return decode_body(batch, body, &mut ids),
    };
    batch.push(beacon, || OriginalPayload::new(body.bytes, format), &mut ids)?;
    Ok(batch)
}

/// Processes a pixel request, whose beacon is its query.
pub fn pixel<'c>(
    query: &str,
    request: &AuthorizedRequest<'_, 'c>,
    ids: &mut EventIdGenerator,
) -> Result<IngestBatch<'c>, IngestError> {
    let mut batch = IngestBatch::new(request, request.context);
    let original = || OriginalPayload::new(query, PayloadFormat::Query);
    batch.push(pixel::beacon(query), original, ids)?;
    Ok(batch)
}

/// Decodes a body, and processes each of its beacons.
fn decode_body<'c>(
    mut batch: IngestBatch<'c>,
    body: &RequestBody<'_>,
    ids: &mut EventIdGenerator,
) -> Result<IngestBatch<'c>, IngestError> {
    let limits = &batch.context.config.limits;
    let framing = body.framing()?;
    let format = body.form()?;
    let text = match body.text(format, limits) {
        Err(ProtocolError::Undecodable(violation)) => {
            return batch.undecodable(violation, body.bytes, format, ids);
        }
        text => text?,
    };
    let parts = match native::items(&text, framing, limits) {
        Err(ProtocolError::Undecodable(violation)) => {
            return batch.undecodable(violation, body.bytes, format, ids);
        }
        parts => parts?,
    };
    batch.context.envelope = parts.envelope.or(&batch.context.envelope);
    let mut values = ValueBudget::of_request(limits);
    for text in parts.texts {
        let original = || OriginalPayload::new(text, PayloadFormat::Beacon);
        batch.push(decode::beacon_within(text, limits, &mut values), original, ids)?;
        // Nothing is sent yet, so the client still has all of it, and can send it in parts.
        if batch.pending_bytes() > limits.max_record_bytes {
            let limit = limits.max_record_bytes;
            return Err(ProtocolError::RecordsTooLarge { limit }.into());
        }
    }
    Ok(batch)
}
