//! From a request to its records, and from their statuses to its answer.
//!
//! Read `process_beacon` first: it is the path of one beacon. A request becomes an [`IngestBatch`]:
//! the outcome that each beacon has once its record is durable, and the records to deliver. The
//! runtime delivers them and passes each report back; only then is there an answer.

pub mod batch;
pub mod context;
pub mod error;
pub mod pending;
pub mod rejection;
pub mod reroute;
pub mod response;
pub mod summary;
pub mod trace;

use crate::base::text::shown;
use crate::config::Config;
use crate::config::tenant::Tenant;
use crate::ingest::error::IngestError;
use crate::model::beacon::Beacon;
use crate::model::consent::PrivacySignal;
use crate::model::event::{EventId, EventIdGenerator};
use crate::model::failed_event::{OriginalPayload, PayloadFormat};
use crate::model::outcome::{Catalogued, DropReason};
use crate::model::record::Record;
use crate::model::replay::ReplaySource;
use crate::model::request::RequestContext;
use crate::model::stream::Stream;
use crate::pipeline::decode::body::RequestBody;
use crate::pipeline::decode::{ProtocolError, native, pixel, record};
use crate::pipeline::{clean, decode, enrich, validate};
pub use batch::IngestBatch;
use context::PipelineContext;
pub use pending::{PendingRecord, ShardHint, StreamBatch, by_shard, by_stream};
use rejection::RejectedBeacon;

/// Processes the beacon at `index`. Each line adds to it, or returns why it stops there.
fn process_beacon<'a>(
    mut beacon: Beacon,
    index: usize,
    intake: &PipelineContext<'a>,
    ids: &mut EventIdGenerator,
) -> Result<AcceptedEvent<'a>, BeaconStop> {
    let (cleaning, platform) = (&intake.config.cleaning, intake.facts.platform.as_deref());
    let stripped = intake.heed(&mut beacon.fields, ids)?;
    let (mut fields, mut repairs) = clean::beacon(beacon, cleaning, platform, &validate::coerce);
    // A rule may have revealed the person's consent.
    let stripped = intake.heed(&mut fields, ids)?.or(stripped);
    clean::absent::note(&mut fields, &intake.envelope, &mut repairs);
    repairs.scrub(intake.tenant.privacy.scrub);
    let (envelope, unknown_events) = (&intake.envelope, intake.config.unknown_events);
    let mut event = match validate::event(fields, envelope, unknown_events, ids, &mut repairs) {
        Ok(event) => event,
        Err(invalid) => return Err(RejectedBeacon::of_invalid(*invalid, repairs, stripped).into()),
    };
    clean::after(&mut event, cleaning, platform, &mut repairs);
    let enriched = enrich::event(event, index, &intake.facts, repairs, stripped);
    let route = intake.route(&enriched)?;
    match Record::of_event(&enriched, route.sample) {
        Ok(record) => {
            let sharding = intake.config.sharding();
            let observed = sharding.map(|it| ShardHint::of(&enriched, &it.session_start_events));
            let (event_id, stripped) = (enriched.event.id, enriched.stripped);
            let catalogued = match enriched.event.schema {
                Some(_) => Catalogued::Yes,
                None => Catalogued::No,
            };
            Ok(AcceptedEvent {
                event_id,
                catalogued,
                stream: &route.to,
                record,
                observed,
                stripped,
            })
        }
        Err(error) => Err(RejectedBeacon::of_record(error, enriched).into()),
    }
}

struct AcceptedEvent<'a> {
    event_id: EventId,
    catalogued: Catalogued,
    stream: &'a Stream,
    record: Record,
    observed: Option<ShardHint>,
    /// The signal for which identifiers were removed, if they were.
    stripped: Option<PrivacySignal>,
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

/// Returns the tenant of the request's write key, if the request's origin may send to it.
pub fn admit<'a>(context: &RequestContext, config: &'a Config) -> Result<&'a Tenant, IngestError> {
    let key = context.write_key.as_deref();
    let tenant = config
        .tenants
        .find(key)
        .ok_or_else(|| IngestError::UnknownKey(shown(key.unwrap_or_default())))?;
    match tenant.origins.allow(context.origin.as_deref()) {
        true => Ok(tenant),
        false => {
            let origin = context.origin.as_deref().unwrap_or_default();
            Err(IngestError::OriginNotAllowed(shown(origin)))
        }
    }
}

/// Processes a request with a body.
pub fn post<'a>(
    body: &RequestBody<'_>,
    context: &RequestContext,
    config: &'a Config,
    ids: &mut EventIdGenerator,
) -> Result<IngestBatch<'a>, IngestError> {
    let tenant = admit(context, config)?;
    let framing = body.framing()?;
    let form = body.form()?;
    let mut plan = IngestBatch::new(context, config, tenant);
    let text = match body.text(&config.limits) {
        Err(ProtocolError::Undecodable(violation)) => {
            return plan.undecodable(violation, body.bytes, form, ids);
        }
        text => text?,
    };
    let items = match native::items(&text, framing, &config.limits) {
        Err(ProtocolError::Undecodable(violation)) => {
            return plan.undecodable(violation, body.bytes, form, ids);
        }
        items => items?,
    };
    plan.intake.envelope = items.envelope.or(&plan.intake.envelope);
    for text in items.texts {
        let original = || OriginalPayload::new(text, PayloadFormat::Beacon);
        plan.take(decode::beacon(text, &config.limits), original, ids)?;
    }
    Ok(plan)
}

/// Processes a replay: `body` is the original payload of a failed event, in the context of its
/// first request. `context` is that of the replay request.
pub fn replay<'a>(
    body: &RequestBody<'_>,
    replay: ReplaySource,
    context: &RequestContext,
    config: &'a Config,
) -> Result<IngestBatch<'a>, IngestError> {
    let (mut ids, form) = (replay.ids(), replay.form);
    let context = &replay.context(context);
    let text = String::from_utf8_lossy(body.bytes);
    let beacon = match form {
        PayloadFormat::Beacon => decode::beacon(&text, &config.limits),
        PayloadFormat::Query => pixel::beacon(&text),
        PayloadFormat::Record => record::beacon(&text, &config.limits),
        PayloadFormat::Body | PayloadFormat::GzipBody => {
            return post(body, context, config, &mut ids);
        }
    };
    let mut plan = IngestBatch::new(context, config, admit(context, config)?);
    plan.take(beacon, || OriginalPayload::new(body.bytes, form), &mut ids)?;
    Ok(plan)
}

/// Processes a pixel request, whose beacon is its query.
pub fn pixel<'a>(
    query: &str,
    context: &RequestContext,
    config: &'a Config,
    ids: &mut EventIdGenerator,
) -> Result<IngestBatch<'a>, IngestError> {
    let tenant = admit(context, config)?;
    let mut plan = IngestBatch::new(context, config, tenant);
    let original = || OriginalPayload::new(query, PayloadFormat::Query);
    plan.take(pixel::beacon(query), original, ids)?;
    Ok(plan)
}
