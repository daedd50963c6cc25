//! The device of an event, and its person if they are identified.
//!
//! `distinct_id` is a device's id until the person is identified, and the person's id from then on.

use serde_json::{Map, Value};

use crate::pipeline::decode::protocols::translation::{ObjectFields, is_stated};

/// A visitor of a page without cookies has this `distinct_id`, like all others.
const COOKIELESS: &str = "$posthog_cookieless";

/// The libraries of servers. Newer ones also state `$is_server`.
const SERVER_LIBRARIES: [&str; 9] = [
    "posthog-node",
    "posthog-python",
    "posthog-php",
    "posthog-ruby",
    "posthog-go",
    "posthog-java",
    "posthog-dotnet",
    "posthog-elixir",
    "posthog-rs",
];

/// Sets `device_id` and `user_id`. A `distinct_id` that is neither is kept in `metadata`.
pub fn set(
    event: &str,
    properties: &mut Map<String, Value>,
    beacon: &mut Map<String, Value>,
    metadata: &mut Map<String, Value>,
) {
    let mut take = |name: &str| {
        properties.take_field(name).filter(|value| is_stated(value) && value != COOKIELESS)
    };
    let [distinct, device, user] = ["distinct_id", "$device_id", "$user_id"].map(&mut take);
    let is_identified = take("$is_identified");
    let is_server = take("$is_server") == Some(Value::Bool(true)) || is_of_server(properties);
    let is_person = properties.get("$process_person_profile") != Some(&Value::Bool(false));
    let kind = match (&distinct, &device, &user) {
        (None, _, _) => DistinctId::Known,
        (distinct, device, user) if distinct == device || distinct == user => DistinctId::Known,
        (_, _, Some(_)) => DistinctId::Unknown,
        (_, Some(_), None) if is_identified != Some(Value::Bool(false)) => DistinctId::User,
        (_, Some(_), None) => DistinctId::Unknown,
        // A server makes up the id for the event of a group, and of a person without a profile.
        (_, None, None) if is_server && is_person && event != "$groupidentify" => DistinctId::User,
        (_, None, None) if is_server => DistinctId::Unknown,
        (_, None, None) if is_identified == Some(Value::Bool(true)) => DistinctId::User,
        (_, None, None) => DistinctId::Device,
    };
    let (mut device, mut user) = (device, user);
    match kind {
        DistinctId::Known => {}
        DistinctId::Device => device = distinct,
        DistinctId::User => user = distinct,
        DistinctId::Unknown => metadata.put_some("distinct_id", distinct),
    }
    beacon.put_some("device_id", device);
    beacon.put_some("user_id", user);
}

/// Whose id a `distinct_id` is.
enum DistinctId {
    /// It is absent, or stated with its meaning too.
    Known,
    Device,
    User,
    Unknown,
}

fn is_of_server(properties: &Map<String, Value>) -> bool {
    properties.text("$lib").is_some_and(|library| SERVER_LIBRARIES.contains(&library))
}
