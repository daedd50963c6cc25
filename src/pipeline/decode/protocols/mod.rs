//! Decodes the requests of other collectors' SDKs. Each item of a request becomes a beacon of the
//! native protocol, which then takes the usual way.
//!
//! A protocol has two functions here. `items` cuts a request into JSON texts, each of which can be
//! translated without the others; `translate` makes a beacon of one. So a failed item is kept with its own
//! bytes, and a replay translates it again. [`crate::ingest::dialects`] writes the answers.

pub mod amplitude;
pub mod cloudevents;
pub mod cut;
pub mod ga4;
pub mod item_reader;
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
use crate::model::event::EventId;
use crate::model::protocol::Protocol;
use crate::model::violation::Violation;
pub use item_reader::ItemReader;
pub use request::{ProtocolItems, ProtocolRequest};
pub use translation::Translation;
use translation::{Draft, ObjectFields};

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

/// Reads one item, and translates it into a beacon. Its values are taken from `budget`. An
/// [`ItemReader`] does the same for all items of a request.
pub fn beacon(
    text: &str,
    translation: &Translation<'_>,
    limits: &Limits,
    budget: &mut ValueBudget,
) -> Result<Beacon, Violation> {
    let item = beacon_within(text, limits, budget)?;
    Ok(Beacon { fields: translated(item.fields, translation)?, ..item })
}

/// Returns the id that the sender of an item knows it by, if the item can't be translated and the
/// protocol's answer names each event by its id.
pub fn stated_id(protocol: Protocol, text: &str) -> Option<EventId> {
    match protocol {
        Protocol::Posthog => posthog::stated_id(text),
        _ => None,
    }
}

fn translated(
    item: Map<String, Value>,
    translation: &Translation<'_>,
) -> Result<Map<String, Value>, Violation> {
    fields_of(Draft { item, ..Draft::default() }, translation)
}

/// Translates the item of a draft that has just begun.
#[inline(never)]
fn fields_of(
    mut draft: Draft,
    translation: &Translation<'_>,
) -> Result<Map<String, Value>, Violation> {
    let translate = match translation.protocol {
        Protocol::Segment => segment::translate,
        Protocol::Snowplow => snowplow::translate,
        Protocol::Posthog => posthog::translate,
        Protocol::CloudEvents => cloudevents::translate,
        Protocol::Otlp => otlp::translate,
        Protocol::Plausible => plausible::translate,
        Protocol::Umami => umami::translate,
        Protocol::Ga4 => ga4::translate,
        Protocol::Amplitude => amplitude::translate,
    };
    translate(&mut draft, translation).map_err(|violation| *violation)?;
    let Draft { mut beacon, props, metadata, .. } = draft;
    beacon.put_object("props", props);
    beacon.put_object("metadata", metadata);
    Ok(beacon)
}
