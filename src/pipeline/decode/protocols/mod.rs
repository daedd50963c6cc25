//! Decodes the requests of other collectors' SDKs. Each item of a request becomes a beacon of the
//! native protocol, which then takes the usual way.
//!
//! A protocol has two functions here. `items` cuts a request into JSON texts, each of which can be
//! translated without the others; `beacon` translates one. So a failed item is kept with its own
//! bytes, and a replay translates it again. [`crate::ingest::dialects`] writes the answers.

pub mod amplitude;
pub mod cloudevents;
pub mod cut;
pub mod ga4;
pub mod otlp;
pub mod parts;
pub mod plausible;
pub mod posthog;
pub mod request;
pub mod segment;
pub mod snowplow;
pub mod translation;
pub mod umami;

use serde_json::{Map, Value};

use super::{Beacon, ProtocolError, ValueBudget, beacon_within};
use crate::model::beacon::Limits;
use crate::model::protocol::Protocol;
use crate::model::violation::Violation;
pub use request::{ProtocolItems, ProtocolRequest};
pub use translation::Translation;

/// Cuts a request into at most `limits.max_beacons` items.
pub fn items<'a>(
    protocol: Protocol,
    request: &ProtocolRequest<'a>,
    limits: &Limits,
) -> Result<ProtocolItems<'a>, ProtocolError> {
    let items = match protocol {
        Protocol::Segment => segment::items(request, limits),
        Protocol::Snowplow => snowplow::items(request, limits),
        Protocol::Posthog => posthog::items(request, limits),
        Protocol::CloudEvents => cloudevents::items(request, limits),
        Protocol::Otlp => otlp::items(request, limits),
        Protocol::Plausible => plausible::items(request, limits),
        Protocol::Umami => umami::items(request, limits),
        Protocol::Ga4 => ga4::items(request, limits),
        Protocol::Amplitude => amplitude::items(request, limits),
    }?;
    match items.texts.len() {
        count if count > limits.max_beacons => {
            Err(ProtocolError::TooManyBeacons { count, limit: limits.max_beacons })
        }
        _ => Ok(items),
    }
}

/// Reads one item, and translates it into a beacon. Its values are taken from `budget`.
pub fn beacon(
    text: &str,
    translation: &Translation<'_>,
    limits: &Limits,
    budget: &mut ValueBudget,
) -> Result<Beacon, Violation> {
    let item = beacon_within(text, limits, budget)?;
    Ok(Beacon { fields: translated(item.fields, translation)?, ..item })
}

fn translated(
    item: Map<String, Value>,
    translation: &Translation<'_>,
) -> Result<Map<String, Value>, Violation> {
    match translation.protocol {
        Protocol::Segment => segment::beacon(item, translation),
        Protocol::Snowplow => snowplow::beacon(item, translation),
        Protocol::Posthog => posthog::beacon(item, translation),
        Protocol::CloudEvents => cloudevents::beacon(item, translation),
        Protocol::Otlp => otlp::beacon(item, translation),
        Protocol::Plausible => plausible::beacon(item, translation),
        Protocol::Umami => umami::beacon(item, translation),
        Protocol::Ga4 => ga4::beacon(item, translation),
        Protocol::Amplitude => amplitude::beacon(item, translation),
    }
}
