//! Replays: of each record that another target has made, and with any header.

use std::net::Ipv4Addr;

use chrono::{DateTime, Utc};
use headwater::ingest;
use headwater::ingest::error::{HttpError, IngestError};
use headwater::model::replay::{ReplayError, ReplayHeader};
use headwater::pipeline::decode::body::RequestBody;
use serde_json::{Value, json};

use super::harness::Delivered;
use super::laws::{self, Sent, Streams};
use super::settings::{self, OPERATOR_KEY, Recipe, STATED_ADDRESS, Setting};

/// The columns that a record has again if it is sent again.
const KEPT: [&str; 16] = [
    "event_id",
    "name",
    "props",
    "metadata",
    "url",
    "title",
    "referrer",
    "device_id",
    "user_id",
    "level",
    "build",
    "language",
    "consent",
    "seq",
    "source_name",
    "source_event_id",
];

/// Sends `body` as the replay that `header` states, and returns its records.
fn replay(recipe: &Recipe, header: &str, body: &[u8]) -> Result<Vec<Delivered>, IngestError> {
    let header = ReplayHeader { fields: header.to_owned(), key: Some(OPERATOR_KEY.to_owned()) };
    let context = recipe.context(0);
    let mut request = ingest::authorize(&context, Some(&header), &recipe.config, None).request?;
    let source = request.replay.take().expect("a replay");
    let content_encoding = header.fields.contains("\"gzip_body\"").then_some("gzip");
    let body = RequestBody { content_type: None, content_encoding, bytes: body };
    let mut batch = ingest::replay(&body, source, &request)?;
    Ok(laws::check(
        &mut batch,
        &Sent {
            recipe,
            bytes: &[header.fields.as_bytes(), body.bytes].concat(),
            beacons: None,
            planted: &[],
            streams: Streams::Accept,
        },
    ))
}

/// Checks that a record says the same if it is sent again, and that a replay reveals nothing.
pub fn check_again(delivered: &Delivered, sent: &Sent<'_>) {
    let columns = laws::line(delivered.record.bytes());
    let text = std::str::from_utf8(delivered.record.bytes()).unwrap_or_default().trim_end();
    let is_failed = delivered.stream == "firehose:failed";
    let (format, body) = match (is_failed, columns["original"].as_str()) {
        (false, _) => ("record", text),
        (true, Some(original)) => {
            (columns["original_format"].as_str().unwrap_or_default(), original)
        }
        (true, None) => return,
    };
    let mut header = json!({"original_format": format});
    for column in [
        "event_id",
        "received_at",
        "sent_at",
        "device_id",
        "ip",
        "user_agent",
        "identifiers_removed",
        "verified",
    ] {
        if let Some(value) = columns.get(column) {
            header[column] = value.clone();
        }
    }
    let again = match replay(sent.recipe, &header.to_string(), body.as_bytes()) {
        Ok(again) => again,
        // A body that is too large, or of no known form, is refused again.
        Err(error) if is_failed => return laws::check_refused(&error, sent),
        Err(error) => panic!("LAW: a record is accepted again: {error}\n{text}"),
    };
    // What could not be read at first may be read now, by other names.
    let planted: Vec<&str> =
        sent.planted.iter().copied().filter(|text| *text != STATED_ADDRESS).collect();
    laws::check_texts(&again, &Sent { planted: &planted, ..*sent });
    let [only] = again.as_slice() else { return };
    let new = laws::line(only.record.bytes());
    if is_failed {
        // A body is kept without its content type and its protocol, which may be the reason.
        let is_single = !matches!(format, "record" | "body" | "gzip_body");
        // Of a body that is not UTF-8, its beginning may be kept.
        let is_as_sent = match format.ends_with("_body") {
            true => sent.bytes.ends_with(body.as_bytes()),
            false => laws::has(sent.bytes, body),
        };
        if is_single && is_as_sent && only.stream == "firehose:failed" {
            assert_eq!(
                new["code"], columns["code"],
                "LAW: it fails again for the same reason: {text}"
            );
        }
        return;
    }
    let is_stripped = columns.get("identifiers_removed").is_some();
    if is_stripped || matches!(sent.recipe.setting, Setting::Strip | Setting::Cookieless) {
        return;
    }
    assert_ne!(
        only.stream, "firehose:failed",
        "LAW: a record is accepted again: {new}\nWAS {text}"
    );
    let at = |columns: &Value| {
        columns["occurred_at"].as_str().and_then(|at| at.parse::<DateTime<Utc>>().ok())
    };
    let shift = at(&new).zip(at(&columns)).map(|(new, old)| (new - old).num_milliseconds().abs());
    // A record has the time of sending in whole milliseconds.
    assert!(
        shift.is_some_and(|shift| shift <= 1),
        "LAW: an event has the same time if it is sent again: {new}\nWAS {text}"
    );
    for column in KEPT {
        assert_eq!(
            columns.get(column),
            new.get(column),
            "LAW: {column} is the same if it is sent again: {text}"
        );
    }
}

/// Any header and body: a byte for the configuration, a line with the header, and the body.
pub fn run(data: &[u8]) {
    let [selector, data @ ..] = data else { return };
    let Some(end) = data.iter().position(|byte| *byte == b'\n') else { return };
    let (Ok(header), body) = (std::str::from_utf8(&data[..end]), &data[end + 1..]) else { return };
    let recipe = settings::recipe(*selector);
    for key in [None, Some("operator-key-0123456789abcdef0123457")] {
        let claim = ReplayHeader { fields: header.to_owned(), key: key.map(str::to_owned) };
        let context = recipe.context(0);
        let refused = ingest::authorize(&context, Some(&claim), &recipe.config, None).request.err();
        let not_allowed = Some(IngestError::Replay(ReplayError::NotAllowed));
        assert_eq!(refused, not_allowed, "LAW: no replay without its key");
    }
    match replay(recipe, header, body) {
        Err(error) => assert_ne!(error.status(), 503, "LAW: no replay makes the worker seem down"),
        Ok(records) => {
            let stated = serde_json::from_str::<Value>(header).ok();
            let address = stated
                .as_ref()
                .and_then(|fields| fields.get("ip")?.as_str()?.parse::<Ipv4Addr>().ok());
            let Some(address) = address.filter(|address| address.octets()[3] != 0) else { return };
            let address = address.to_string();
            if String::from_utf8_lossy(data).matches(&address).count() > 1 {
                return;
            }
            for record in records {
                let line = String::from_utf8_lossy(record.record.bytes()).into_owned();
                // A longer number may contain it.
                let is_whole = line.contains(&format!("\"{address}\""));
                assert!(!is_whole, "LAW: an address is reduced by the policy of today: {line}");
            }
        }
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let forms = [
        "beacon",
        "query",
        "body",
        "gzip_body",
        "record",
        "segment",
        "snowplow",
        "posthog",
        "cloudevents",
        "otlp",
        "plausible",
        "umami",
        "ga4",
        "amplitude",
    ];
    let bodies = [
        r#"{"name":"page_view","device_id":"d","url":"https://shop.example/?utm_source=news"}"#,
        "name=page_view&props.a=1",
        r#"{"device_id":"d","events":[{"name":"a"},{"name":"B"}]}"#,
        r#"{"v":3,"event_id":"01939b70-6d2a-7c3e-8f00-000000000001","name":"a","tenant":"shop","received_at":"2026-11-18T11:06:40.123Z","occurred_at":"2026-11-18T11:06:40.123Z","ip":"203.0.113.0","props":{"a":1.50}}"#,
        r#"{"type":"track","event":"a","messageId":"m","anonymousId":"d","context":{"ip":"198.51.100.7"}}"#,
        r#"{"event":"$pageview","distinct_id":"d","properties":{"$current_url":"https://shop.example/"}}"#,
    ];
    let mut seeds = Vec::new();
    for (index, form) in forms.iter().enumerate() {
        for body in bodies {
            let header = json!({
                "event_id": "01939b70-6d2a-7c3e-8f00-000000000001", "original_format": form,
                "received_at": "2026-11-18T11:06:40.123Z", "sent_at": "2026-11-18T11:06:40Z", "device_id": "d",
                "ip": "192.0.2.77", "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
                "geo": {"country": "CH", "city": "Bern"}, "utc_offset_minutes": 60, "utc_offset_changes": [[1_793_000_000_000_i64, 120]],
                "identifiers_removed": if index % 4 == 0 { json!("gpc") } else { Value::Null }, "verified": index % 3 == 0,
            });
            let selector = u8::try_from(seeds.len() % 7).unwrap();
            seeds.push(
                [&[selector], header.to_string().as_bytes(), b"\n", body.as_bytes()].concat(),
            );
        }
    }
    seeds
}
