//! Suggests the field that a client meant by an unknown name.
//!
//! Knows other trackers' names, other spellings of ours, and one wrong letter. A hint only names a
//! field of the protocol, so it reveals nothing that was sent.

use crate::base::text::is_one_letter_off;
use crate::model::beacon::FIELDS;

/// The fields that belong to a beacon or its envelope, besides [`FIELDS`].
const OTHERS: [&str; 4] = ["props", "metadata", "sent_at", "events"];

/// Other trackers' names for our fields, in lower case and without underscores. Sources: the
/// specifications of Segment, GA4, Amplitude, Mixpanel, PostHog and Snowplow.
const ALIASES: [(&str, &[&str]); 16] = [
    ("name", &["event", "eventname", "eventtype", "type"]),
    (
        "props",
        &[
            "properties",
            "property",
            "eventproperties",
            "params",
            "parameters",
            "attributes",
            "payload",
            "data",
            "traits",
            "customdata",
        ],
    ),
    (
        "time",
        &[
            "timestamp",
            "originaltimestamp",
            "eventtime",
            "clienttime",
            "datetime",
            "date",
            "ts",
            "occurredat",
            "createdat",
        ],
    ),
    (
        "device_id",
        &[
            "anonymousid",
            "clientid",
            "visitorid",
            "distinctid",
            "deviceuuid",
            "installid",
            "device",
        ],
    ),
    ("user_id", &["user", "uid", "customerid", "personid", "memberid", "accountid"]),
    ("id", &["messageid", "eventid", "insertid", "uuid", "eventuuid"]),
    ("events", &["batch", "beacons", "messages"]),
    ("metadata", &["context", "meta", "contexts"]),
    ("session_id", &["session", "sid"]),
    ("seq", &["sequence", "sequencenumber", "sequenceid"]),
    ("level", &["priority", "importance", "severity"]),
    ("build", &["version", "appversion", "release", "appbuild"]),
    ("url", &["page", "pageurl", "pagelocation", "href", "uri", "currenturl"]),
    ("title", &["pagetitle", "documenttitle"]),
    ("referrer", &["referer", "referrerurl", "pagereferrer", "documentreferrer"]),
    ("language", &["locale", "lang"]),
];

/// Returns the field that the unknown name `field` probably means.
pub fn meant(field: &str) -> Option<&'static str> {
    /// No name above is longer, even with underscores and one more letter.
    const MAX_BYTES: usize = 24;
    if field.len() > MAX_BYTES {
        return None;
    }
    let bare = bare(field);
    let own = || FIELDS.into_iter().chain(OTHERS);
    let alias = || ALIASES.iter().find(|(_, names)| names.contains(&bare.as_str()));
    own()
        .find(|own| self::bare(own) == bare)
        .or_else(|| alias().map(|(own, _)| *own))
        .or_else(|| own().find(|own| own.len() > 2 && is_one_letter_off(&self::bare(own), &bare)))
}

/// Returns `name` in lower case, without the characters that separate its words.
fn bare(name: &str) -> String {
    let letters = name.chars().filter(|it| !matches!(it, '_' | '-' | '.' | ' ' | '$' | ':'));
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_names_the_field_that_was_meant() {
        for (field, expected) in [
            ("event", Some("name")),
            ("eventName", Some("name")),
            ("event_name", Some("name")),
            ("type", Some("name")),
            ("Name", Some("name")),
            ("nmae", Some("name")),
            ("properties", Some("props")),
            ("prop", Some("props")),
            ("propss", Some("props")),
            ("traits", Some("props")),
            ("timestamp", Some("time")),
            ("originalTimestamp", Some("time")),
            ("tiem", Some("time")),
            ("anonymousId", Some("device_id")),
            ("anonymous_id", Some("device_id")),
            ("deviceId", Some("device_id")),
            ("DeviceID", Some("device_id")),
            ("device-id", Some("device_id")),
            ("devise_id", Some("device_id")),
            ("distinct_id", Some("device_id")),
            ("userId", Some("user_id")),
            ("userID", Some("user_id")),
            ("user_di", Some("user_id")),
            ("messageId", Some("id")),
            ("event_id", Some("id")),
            ("batch", Some("events")),
            ("context", Some("metadata")),
            ("metdata", Some("metadata")),
            ("sessionId", Some("session_id")),
            ("sentAt", Some("sent_at")),
            ("pageUrl", Some("url")),
            ("urls", Some("url")),
            ("referer", Some("referrer")),
            ("referrrer", Some("referrer")),
            ("locale", Some("language")),
            ("$current_url", Some("url")),
            ("viewPort", Some("viewport")),
            ("price", None),
            ("", None),
            ("x", None),
            ("ix", None),
            ("email", None),
            ("ä", None),
            ("total", None),
        ] {
            assert_eq!(meant(field), expected, "{field}");
        }
        assert_eq!(meant(&"time".repeat(1_000)), None);
    }

    #[test]
    fn a_field_of_ours_needs_no_alias() {
        for (own, names) in ALIASES {
            assert!(FIELDS.contains(&own) || OTHERS.contains(&own), "{own}");
            assert!(names.iter().all(|name| !FIELDS.contains(name)), "{own}");
        }
    }
}
