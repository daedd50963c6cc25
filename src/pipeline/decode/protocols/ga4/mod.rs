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
    let are_hits = request.path.ends_with("/g/collect") || is_of_hits(request);
    match are_hits {
        true => hit::items(request, limits),
        false => measurement::items(request, limits),
    }
}

/// Whether a body is hits, wherever it was sent: a replay has no address. Each hit names its event, and
/// the Measurement Protocol is JSON.
fn is_of_hits(request: &ProtocolRequest<'_>) -> bool {
    let is_name = |pair: &str| pair.starts_with("en=");
    let are_names = |text: &str| !text.starts_with(['{', '[']) && text.split('&').any(is_name);
    request.text().is_ok_and(are_names)
}

/// Translates an item into a beacon's fields.
pub fn translate(draft: &mut Draft, translation: &Translation<'_>) -> Result<(), BoxedViolation> {
    match draft.item.contains_key("events") {
        true => measurement::translate(draft, translation),
        false => hit::translate(draft, translation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A failed body keeps no address, so its replay judges as its first request did.
    #[test]
    fn a_body_is_judged_the_same_without_its_address() {
        for (body, expected) in [
            ("_et=1&en=a", Ok(1)),
            ("a&en=", Ok(1)),
            (r#"{"events":[{"name":"a"}],"a":"?b&en=c"}"#, Ok(1)),
            ("\u{feff}{\"a\":\"?b&en=c\"}", Err("events is missing")),
            (r#"["&en=a"]"#, Err("body must be an object")),
        ] {
            for path in ["/mp/collect", ""] {
                let body = body.as_bytes();
                let request = ProtocolRequest { path, body, ..ProtocolRequest::default() };
                let found = items(&request, &Limits::default()).map(|items| items.texts.len());
                let expected = expected.map_err(str::to_owned);
                assert_eq!(found.map_err(|error| error.to_string()), expected, "{path} {body:?}");
            }
        }
    }
}
