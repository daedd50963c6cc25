//! What holds for any request: its items are translated, each by its text alone, and nothing panics.

use headwater::model::beacon::Limits;
use headwater::model::protocol::Protocol;
use headwater::pipeline::decode::ValueBudget;
use headwater::pipeline::decode::protocols::{self, ProtocolRequest, Translation};
use proptest::prelude::*;

const PROTOCOLS: [Protocol; 5] =
    [Protocol::Plausible, Protocol::Umami, Protocol::CloudEvents, Protocol::Ga4, Protocol::Otlp];

/// Cuts a request, and translates each item twice; returns the number of items.
fn translate(protocol: Protocol, request: &ProtocolRequest<'_>) -> Option<usize> {
    let (names, limits) = ([], Limits { max_beacons: 8, ..Limits::default() });
    let translation =
        Translation { protocol, tenant: "shop", names: &names, limits: &limits, heartbeat_s: None };
    let items = protocols::items(protocol, request, &limits).ok()?;
    let mut budget = ValueBudget::of_request(&limits, usize::MAX);
    for text in &items.texts {
        let first = protocols::beacon(text, &translation, &limits, &mut budget);
        let again = protocols::beacon(text, &translation, &limits, &mut budget);
        assert_eq!(first, again, "{text}");
        if let Ok(beacon) = first {
            assert!(beacon.fields.contains_key("name"), "{text}");
        }
    }
    Some(items.texts.len())
}

/// Any JSON, with the names that the protocols know.
fn json() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "n",
        "name",
        "p",
        "$",
        "d",
        "sd",
        "e",
        "type",
        "payload",
        "data",
        "url",
        "hostname",
        "lcp",
        "id",
        "source",
        "specversion",
        "data_base64",
        "events",
        "params",
        "client_id",
        "repeat",
        "timestamp_micros",
        "user_properties",
        "resourceLogs",
        "scopeLogs",
        "logRecords",
        "resource",
        "scope",
        "logRecord",
        "attributes",
        "key",
        "value",
        "stringValue",
        "intValue",
        "arrayValue",
        "kvlistValue",
        "values",
        "eventName",
        "timeUnixNano",
        "body",
        "",
    ]);
    let text = prop::sample::select(vec![
        "\"\"",
        "\"1.0\"",
        "\"event\"",
        "\"performance\"",
        "\"engagement\"",
        "\"a.v1\"",
        "\"/a\"",
        "\"{}\"",
        "\"e30=\"",
        "\"\\ud83d\"",
        "null",
        "true",
        "7",
        "-1.5e300",
        "1795000000123456",
    ]);
    let leaf = text.prop_map(str::to_owned);
    leaf.prop_recursive(6, 40, 5, move |inner| {
        let member = (name.clone(), inner.clone()).prop_map(|(name, value)| format!("\"{name}\":{value}"));
        prop_oneof![
            1 => prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            3 => prop::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_cut_or_refused(
        body in prop::collection::vec(any::<u8>(), 0..200),
        query in ".{0,60}",
        content_type in prop::sample::select(vec!["", "application/json", "application/x-protobuf"]),
        header in ("(ce-[a-z]{0,3}|x-forwarded-for|user-agent)", ".{0,20}"),
    ) {
        for path in ["/api/event", "/v1/logs", "/mp/collect", "/g/collect"] {
            let headers = [header.clone()];
            let request = ProtocolRequest { path, query: &query, content_type, headers: &headers, body: &body };
            for protocol in PROTOCOLS {
                translate(protocol, &request);
            }
        }
    }

    #[test]
    fn any_json_is_cut_or_refused(body in json()) {
        let request = ProtocolRequest { body: body.as_bytes(), ..ProtocolRequest::default() };
        for protocol in PROTOCOLS {
            translate(protocol, &request);
        }
    }

    #[test]
    fn what_is_in_a_protocols_place_is_always_an_item(inner in json()) {
        for (protocol, body) in [
            (Protocol::Umami, format!("[{{\"type\":\"event\",\"payload\":{inner}}},{inner}]")),
            (Protocol::CloudEvents, format!("[{inner},{inner}]")),
            (Protocol::Ga4, format!("{{\"client_id\":{inner},\"events\":[{{\"name\":\"a\",\"params\":{inner}}},{inner}]}}")),
            (Protocol::Otlp, format!(
                "{{\"resourceLogs\":[{{\"resource\":{inner},\"scopeLogs\":[{{\"scope\":{inner},\"logRecords\":[{{\"eventName\":\"a\",\"attributes\":[{{\"key\":\"k\",\"value\":{inner}}}],\"body\":{inner}}},{inner}]}}]}}]}}",
            )),
        ] {
            let request = ProtocolRequest { body: body.as_bytes(), ..ProtocolRequest::default() };
            prop_assert_eq!(translate(protocol, &request), Some(2), "{}", body);
        }
    }
}
