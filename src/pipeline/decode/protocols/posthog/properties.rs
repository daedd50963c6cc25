//! The properties of an event: which are fields of a beacon, which describe the SDK, and which are
//! the event's own.
//!
//! posthog-js adds about sixty to each event. Those that the edge knows better are left out.

use serde_json::{Map, Value};

use crate::pipeline::decode::protocols::parts;
use crate::pipeline::decode::protocols::translation::{
    BoxedViolation, Draft, ObjectFields, move_field, move_fields,
};

/// The properties of a person, and their places in `metadata`. An item may have them beside its
/// properties.
pub const PERSON: [(&str, &str); 3] =
    [("$set", "set"), ("$set_once", "set_once"), ("$unset", "unset")];

/// The fields beside `properties`, and the properties that they are.
const HOISTED: [(&str, &str); 8] = [
    ("distinct_id", "distinct_id"),
    ("$distinct_id", "distinct_id"),
    ("session_id", "$session_id"),
    ("window_id", "$window_id"),
    ("$set", "$set"),
    ("$set_once", "$set_once"),
    ("$unset", "$unset"),
    ("$groups", "$groups"),
];

/// The properties that are fields of a beacon or of a server.
const FIELDS: &str = "$session_id: session_id, $current_url: url, $referrer: referrer, \
    $browser_language: language, $locale: language, $app_version: build, $ip: ip, \
    $raw_user_agent: user_agent, $timezone: timezone";

const METADATA: &str = "$window_id: window_id, $pageview_id: page_view_id, $groups: groups, \
    $process_person_profile: process_person_profile, $cookieless_mode: cookieless_mode, \
    $geoip_disable: geoip_disable";

/// The fields of an item that its request has too, or that say nothing.
const ITEM_DROPPED: [&str; 8] =
    ["api_key", "token", "$token", "sent_at", "type", "library", "library_version", "messageId"];

const DROPPED: [&str; 16] = [
    "token",
    "$token",
    "$time",
    "$host",
    "$pathname",
    "$search_engine",
    "$referring_domain",
    "$timezone_offset",
    "$browser_language_prefix",
    "$sdk_dist_channel",
    "$initialization_time",
    "$configured_session_timeout_ms",
    "$config_defaults",
    "$recording_status",
    "$lib_custom_api_host",
    "$lib_rate_limit_remaining_tokens",
];

/// What the SDK runs in. A browser's headers have it too.
const ENVIRONMENT: [&str; 6] = ["$os", "$browser", "$device", "$app_", "$network_", "$python_"];

/// The parameters of a campaign that posthog-js copies from the URL, besides `utm_`.
const CAMPAIGN: [&str; 21] = [
    "li_fat_id",
    "gad_source",
    "mc_cid",
    "gclid",
    "gclsrc",
    "dclid",
    "gbraid",
    "wbraid",
    "fbclid",
    "msclkid",
    "twclid",
    "igshid",
    "ttclid",
    "rdt_cid",
    "epik",
    "qclid",
    "sccid",
    "oppref",
    "bfcid",
    "irclid",
    "_kx",
];

/// Removes the properties of an item, with what its SDK writes beside them. Of two values, that
/// beside them counts.
pub fn take(item: &mut Map<String, Value>) -> Result<Map<String, Value>, BoxedViolation> {
    let mut properties = parts::take_object(item, "properties")?;
    for (option, value) in parts::take_object(item, "options")? {
        properties.put_absent(&format!("${option}"), value);
    }
    for (field, property) in HOISTED {
        match (item.take_field(field), properties.get_mut(property)) {
            (None | Some(Value::Null), _) => {}
            (Some(Value::Object(beside)), Some(Value::Object(within))) => within.put_all(beside),
            (Some(value), _) => properties.put(property, value),
        }
    }
    properties.keep_fields(&|_, value| !value.is_null());
    Ok(properties)
}

/// Moves each property to its place in a beacon: a field, `metadata` or `props`. What the item had
/// besides is kept in `metadata`.
pub fn place(event: &str, mut properties: Map<String, Value>, draft: &mut Draft) {
    let Draft { item, beacon, props, metadata, .. } = draft;
    let is_web = properties.get("$lib").is_some_and(|library| library == "web");
    // The SDK's word for a page that was opened without one.
    properties.keep_fields(&|name, value| name != "$referrer" || value != "$direct");
    move_fields(&mut properties, beacon, FIELDS);
    if event == "$pageview" {
        move_field(&mut properties, "title", beacon, "title");
    }
    for field in ["screen", "viewport"] {
        set_size(&mut properties, field, beacon);
    }
    move_fields(&mut properties, metadata, METADATA);
    set_person(&mut properties, is_web, metadata);
    item.keep_fields(&|field, value| !value.is_null() && !ITEM_DROPPED.contains(&field));
    let mut environment = std::mem::take(item);
    // Nearly all are props, so the others are taken out of them.
    let is_other = |(name, value): &(&String, &Value)| {
        !matches!(place_of(name, value, is_web), PropertyPlace::Props)
    };
    let others: Vec<String> =
        properties.iter().filter(is_other).map(|(name, _)| name.clone()).collect();
    for name in others {
        let Some(value) = properties.take_field(&name) else { continue };
        if matches!(place_of(&name, &value, is_web), PropertyPlace::Environment) {
            environment.put(name.trim_start_matches('$'), value);
        }
    }
    *props = properties;
    metadata.put_object("posthog", environment);
}

/// Sets a size from its two numbers.
fn set_size(properties: &mut Map<String, Value>, field: &str, beacon: &mut Map<String, Value>) {
    let (width_name, height_name) = (format!("${field}_width"), format!("${field}_height"));
    let (Some(Value::Number(width)), Some(Value::Number(height))) =
        (properties.get(&width_name), properties.get(&height_name))
    else {
        return;
    };
    beacon.put_text(field, &format!("{width}x{height}"));
    properties.leave_out(&[&width_name, &height_name]);
}

/// Moves what is set for the person. A browser sets the page and the campaign too, which the event
/// has.
fn set_person(
    properties: &mut Map<String, Value>,
    is_web: bool,
    metadata: &mut Map<String, Value>,
) {
    for (property, name) in PERSON {
        let Some(mut value) = properties.take_field(property) else { continue };
        if let Value::Object(set) = &mut value {
            set.keep_fields(&|name, value| {
                !value.is_null() && !(is_web && (name.starts_with('$') || is_campaign(name)))
            });
            if set.is_empty() {
                continue;
            }
        }
        metadata.put(name, value);
    }
}

fn is_campaign(name: &str) -> bool {
    name.starts_with("utm_") || CAMPAIGN.contains(&name)
}

/// The place of a property that is no field.
enum PropertyPlace {
    None,
    Environment,
    Props,
}

fn place_of(name: &str, value: &Value, is_web: bool) -> PropertyPlace {
    let is_empty = || match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    };
    let is_noise = DROPPED.contains(&name)
        || ["$sdk_debug_", "$session_entry_"].iter().any(|start| name.starts_with(start))
        || name.ends_with("abled_server_side");
    match name {
        _ if is_noise => PropertyPlace::None,
        "$active_feature_flags" | "$feature_flag_payloads" if is_empty() => PropertyPlace::None,
        "$lib" | "$lib_version" => PropertyPlace::Environment,
        _ if ENVIRONMENT.iter().any(|start| name.starts_with(start)) => match is_web {
            true => PropertyPlace::None,
            false => PropertyPlace::Environment,
        },
        _ if is_web && is_campaign(name) => PropertyPlace::None,
        _ => PropertyPlace::Props,
    }
}
