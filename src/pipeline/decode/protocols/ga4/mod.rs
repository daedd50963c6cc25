//! Google Analytics 4: the Measurement Protocol of servers, and the hits of gtag.
//!
//! Sources: <https://developers.google.com/analytics/devguides/collection/protocol/ga4/reference>;
//! for gtag there is none, only what its requests show.

mod hit;
mod measurement;

use super::request::{ProtocolItems, ProtocolRequest};
use super::translation::{BoxedViolation, Draft, Translation};
use crate::model::beacon::Limits;
use crate::pipeline::decode::ProtocolError;

/// The members of an item by which a repeat is known, and that no metadata needs.
const REPEAT: &str = "repeat";

/// Cuts a request into its items.
pub fn items<'a>(
    request: &ProtocolRequest<'a>,
    limits: &Limits,
) -> Result<ProtocolItems<'a>, ProtocolError> {
    let are_hits = match request.path {
        // Each hit names its event, and the Measurement Protocol is JSON.
        "" => request.body.split(|byte| *byte == b'&').any(|pair| pair.starts_with(b"en=")),
        path => path.ends_with("/g/collect"),
    };
    match are_hits {
        true => hit::items(request, limits),
        false => measurement::items(request, limits),
    }
}

/// Translates an item into a beacon's fields.
pub fn translate(draft: &mut Draft, translation: &Translation<'_>) -> Result<(), BoxedViolation> {
    match draft.item.contains_key("events") {
        true => measurement::translate(draft, translation),
        false => hit::translate(draft, translation),
    }
}
