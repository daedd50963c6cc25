//! The first inputs, from the fixtures of the other tests, and the words that mutations use.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use headwater::model::protocol::Protocol;
use serde_json::{Map, Value, json};

use super::settings::{self, SETTINGS};

/// Words that the code looks for.
pub const DICTIONARY: [&str; 96] = [
    "\"name\":\"page_view\"",
    "\"name\"",
    "\"props\":{",
    "\"metadata\":{",
    "\"device_id\"",
    "\"user_id\"",
    "\"session_id\"",
    "\"url\"",
    "\"referrer\"",
    "\"consent\"",
    "\"denied\"",
    "\"granted\"",
    "\"time\"",
    "\"sent_at\"",
    "\"events\":[",
    "\"seq\":-1",
    "\"level\":\"low\"",
    "\"title\"",
    "\"viewport\":\"1x1\"",
    "\"id\"",
    "\"build\":\"1.4.2\"",
    "\"language\"",
    "\"historical\":true",
    "\"ip\"",
    "\"user_agent\"",
    "\"timezone\"",
    "\"type\":\"event\"",
    "\"type\":\"identify\"",
    "\"payload\":{",
    "\"data\":[",
    "\"batch\":[",
    "\"context\":{",
    "\"traits\":{",
    "\"properties\":{",
    "\"attributes\":[",
    "\"stringValue\"",
    "\"arrayValue\":{\"values\":[",
    "\"kvlistValue\"",
    "\"resourceLogs\":[",
    "\"logRecords\":[",
    "\"params\":{",
    "\"ue_px\":\"",
    "\"cx\":\"",
    "\"ue_pr\":\"{",
    "e30=",
    "iglu:com.acme/a/jsonschema/1-0-0",
    "\"data_base64\"",
    "\"specversion\":\"1.0\"",
    "order_placed",
    "\"currency\":\"CHF\"",
    "1e308",
    "1e999",
    "-0",
    "0.10",
    "1E+400",
    "9007199254740993",
    "1795000000123",
    "2026-11-18T11:06:40+14:00",
    "\\ud83d",
    "\\u0000",
    "\\u0040",
    "\\x22",
    "\\/",
    "\u{feff}",
    "\u{2028}",
    "aa@bb.com",
    "a%40b.example",
    "4111111111111111",
    "4111 1111 1111 1111",
    "utm_source=",
    "token=",
    "?token=abc",
    "gclid=",
    "#gclid=",
    "https://",
    "http://user:pw@a.example/",
    "data:text/csv,a",
    "javascript:",
    "//xn--",
    "%00",
    "%25",
    "\0",
    "{\"$serde_json::private::Number\":\"1\"}",
    "\"$serde_json::private::RawValue\"",
    "[[[[[[[[",
    "]]]]",
    "}}",
    "}]}",
    "{\"a\":",
    "\n",
    "\n\n",
    "&props.a=",
    "&consent=denied",
    "\"\"",
    "null",
    "\u{1f}\u{8b}",
];

/// Returns the folder of the repository, of which the fuzzer's package is a part.
fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().find(|folder| folder.join("wrangler.toml").exists()).unwrap().to_owned()
}

/// Returns the JSON files of a folder, by their names.
fn json_files(folder: &str) -> Vec<(String, Value)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            files.push((path.file_stem().unwrap().to_string_lossy().into_owned(), value));
        }
    }
    files.sort_by(|one, other| one.0.cmp(&other.0));
    files
}

/// Puts a byte for the configuration, each in turn, and `more` before each text.
fn in_turn(texts: impl IntoIterator<Item = Vec<u8>>, more: &[u8]) -> Vec<Vec<u8>> {
    let selector = |index: usize| u8::try_from(index % SETTINGS.len()).unwrap();
    let texts = texts.into_iter().enumerate();
    texts.map(|(index, text)| [&[selector(index)], more, &text].concat()).collect()
}

/// Returns the requests of the fixtures, and the texts of their bodies.
fn fixtures() -> (Vec<Value>, Vec<Vec<u8>>) {
    let files = json_files("tests/fixtures/beacons");
    let requests: Vec<Value> =
        files.into_iter().flat_map(|(_, requests)| requests.as_array().unwrap().clone()).collect();
    let text = |request: &Value| match (&request["body"], &request["text"]) {
        (_, Value::String(text)) => Some(text.clone().into_bytes()),
        (Value::Null, _) => None,
        (body, _) => Some(body.to_string().into_bytes()),
    };
    let bodies = requests.iter().filter_map(text).collect();
    (requests, bodies)
}

pub fn bodies() -> Vec<Vec<u8>> {
    let (_, bodies) = fixtures();
    let mut seeds = in_turn(bodies.clone(), &[0, 0]);
    let some: Vec<Vec<u8>> = bodies.into_iter().step_by(9).collect();
    for (flags, form) in
        [(8, 1), (16, 2), (24, 0), (0, 3), (4, 3), (0x48, 2), (0, 4), (0, 6), (1, 7)]
    {
        seeds.extend(in_turn(some.clone(), &[flags, form]));
    }
    let wide = |text: &Vec<u8>| -> Vec<u8> {
        String::from_utf8_lossy(text).encode_utf16().flat_map(u16::to_le_bytes).collect()
    };
    seeds.extend(in_turn(some.iter().map(wide), &[0, 5]));
    seeds
}

pub fn queries() -> Vec<Vec<u8>> {
    let (requests, bodies) = fixtures();
    let mut queries: Vec<Vec<u8>> = requests
        .iter()
        .filter_map(|request| request["query"].as_str())
        .map(|query| query.as_bytes().to_vec())
        .collect();
    for body in bodies {
        let Ok(Value::Object(fields)) = serde_json::from_slice::<Value>(&body) else { continue };
        queries.push(query(&fields).into_bytes());
    }
    let planted: Vec<Vec<u8>> = queries.iter().step_by(6).cloned().collect();
    [in_turn(queries, &[0]), in_turn(planted, &[8])].concat()
}

fn query(fields: &Map<String, Value>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (key, value) in fields {
        match value {
            Value::Object(members) => members.iter().for_each(|(inner, value)| {
                query.append_pair(&format!("{key}.{inner}"), &value.to_string());
            }),
            Value::String(text) => drop(query.append_pair(key, text)),
            other => drop(query.append_pair(key, &other.to_string())),
        }
    }
    query.finish()
}

/// Returns the ends of bodies whose starts have planted texts.
pub fn recipes() -> Vec<Vec<u8>> {
    let ends = [
        "\"seq\":1}",
        "\"seq\":1}}",
        "\"seq\":-1}",
        "\"seq\":1}]",
        "\"seq\":1},{\"name\":\"a\"}]",
        "\"a\":1,\"a\":2}}",
        "}",
        "",
        "\"props\":{\"a\":[1,2,{\"b\":\"c\"}]},\"consent\":\"denied\"}",
        "\"device_id\":\"d\"}",
        "\"seq\":1e999}",
        "\"x\":\"\\ud83d\"}}",
        "\"events\":[{\"name\":\"a\"},{\"name\":7}]}",
        "\"url\":\"https://shop.example/#/a?b=c\"}",
        "\"c\":1},\"title\":\"t\",\"metadata\":\"{\\\"tag\\\":1}\"}",
    ];
    let mut seeds = Vec::new();
    for setting in 0..u8::try_from(SETTINGS.len()).unwrap() {
        for flags in [0, 8, 16, 32, 64, 4] {
            seeds.extend(ends.iter().map(|end| [&[setting, flags], end.as_bytes()].concat()));
        }
    }
    seeds
}

pub fn configurations() -> Vec<Vec<u8>> {
    let (requests, _) = fixtures();
    let tables = SETTINGS.map(settings::table);
    let mut texts: Vec<String> = tables.iter().map(Value::to_string).collect();
    for request in &requests {
        let Some(own) = request["config"].as_object() else { continue };
        let mut table = tables[5].clone();
        own.iter().for_each(|(key, value)| table[key] = value.clone());
        texts.push(table.to_string());
    }
    texts.push(json!({
        "delivery": "sharded", "shards": 4, "previous_shards": 2, "jurisdiction": "eu", "previous_jurisdiction": "none", "linger_ms": 20, "origins": ["https://*.shop.example"],
        "failed_stream": "firehose:failed", "routes": [{"level": "low", "to": "firehose:a-{08..11}"}, {"to": "firehose:a", "sample": 0.5}],
        "session": {"timeout_s": 1800}, "dedupe": {"events": 1000}, "spill": {"bytes": 1_000_000}, "log": {"success_rate": 0.1},
        "limits": {"max_body_bytes": 2000, "max_beacons": 5, "max_depth": 4}, "protocol_paths": {"/shop": "segment"}, "protocols": ["segment"],
        "tee": {"segment": "https://old.example"}, "renamed_streams": {"firehose:b": "firehose:a"}, "columns": {"derived": false},
        "sensitive_params": ["token"], "sensitive_paths": ["/reset/*"], "secrets": "keep", "bots": "drop", "max_clock_skew_s": 60,
    }).to_string());
    let mut seeds: Vec<Vec<u8>> =
        texts.iter().map(|text| [b"\x00", text.as_bytes()].concat()).collect();
    seeds.extend(texts.iter().take(3).map(|text| [b"\x02", text.as_bytes()].concat()));
    let shipped = fs::read(root().join("wrangler.toml")).unwrap();
    seeds.push([b"\x03", shipped.as_slice()].concat());
    seeds
}

pub fn aws_answers() -> Vec<Vec<u8>> {
    let bodies = [
        (
            0,
            0,
            3,
            r#"{"FailedPutCount":1,"Encrypted":false,"RequestResponses":[{"RecordId":"a"},{"ErrorCode":"ServiceUnavailableException","ErrorMessage":"Slow down."},{"RecordId":"c"}]}"#,
        ),
        (0, 0, 1, r#"{"FailedPutCount":0,"RequestResponses":[{"RecordId":"a"}]}"#),
        (
            1,
            0,
            2,
            r#"{"FailedRecordCount":1,"EncryptionType":"KMS","Records":[{"SequenceNumber":"1","ShardId":"shardId-0"},{"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"Rate"}]}"#,
        ),
        (
            0,
            4,
            1,
            r#"{"__type":"com.amazonaws#InvalidArgumentException:http://a","message":"Record is too large"}"#,
        ),
        (
            1,
            5,
            1,
            r#"{"__type":"InvalidSignatureException","message":"Signature expired: 20261118T110640Z is now earlier"}"#,
        ),
        (
            0,
            8,
            1,
            "<ErrorResponse><Error><Code>ServiceUnavailable</Code><Message>down</Message></Error></ErrorResponse>",
        ),
        (0, 7, 1, "<html>"),
        (1, 9, 1, ""),
    ];
    let seed = |(service, status, count, body): &(u8, u8, u8, &str)| {
        [&[*service, *status, *count][..], body.as_bytes()].concat()
    };
    bodies.iter().map(seed).collect()
}

/// Returns the captured requests of a protocol's SDKs, and the ends of requests with planted texts.
pub fn captures(protocol: Protocol) -> Vec<Vec<u8>> {
    let sdks: &[&str] = match protocol {
        Protocol::Segment => &["segment", "rudder", "jitsu"],
        Protocol::Snowplow => &["snowplow"],
        Protocol::Posthog => &["posthog"],
        Protocol::CloudEvents => &["cloudevents"],
        Protocol::Otlp => &["otel"],
        Protocol::Plausible => &["plausible"],
        Protocol::Umami => &["umami"],
        Protocol::Ga4 => &["minimal-analytics-ga4"],
        Protocol::Amplitude => &["amplitude"],
    };
    let mut texts = Vec::new();
    for (name, capture) in json_files("tests/fixtures/captures") {
        if sdks.iter().any(|sdk| name.starts_with(sdk)) {
            texts.extend(capture["requests"].as_array().unwrap().iter().map(request));
        }
    }
    assert!(!texts.is_empty(), "captures of {protocol}");
    if protocol == Protocol::Segment {
        // Without a batch, where one is expected.
        let bodies = [
            r#"{"a":1,"type":"track","type":"x"}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"type":"x"}"#,
            r#"{"type":"track","event":"a","event":"b"}"#,
            r#"{"batch":{},"type":5}"#,
            r#"{"batch":7,"type":"page"}"#,
            r#"{"anonymousId":"d","type":"page"}"#,
        ];
        for address in ["/v1/batch", "/v1/import"] {
            let text = |body| format!("POST {address}\n\n{body}").into_bytes();
            texts.extend(bodies.iter().map(text));
        }
    }
    if protocol == Protocol::Ga4 {
        texts.push(b"POST /mp/collect\n\na&en=".to_vec());
        texts.push(b"POST /mp/collect?api_secret=s&measurement_id=G-1\ncontent-type: application/json\n\n{\"client_id\":\"c\",\"timestamp_micros\":\"1795000000123456\",\"events\":[{\"name\":\"page_view\",\"params\":{\"session_id\":\"7\",\"page_location\":\"https://shop.example/\"}},{\"name\":\"purchase\",\"params\":{\"items\":[{\"item_id\":\"a\"}]}}]}".to_vec());
    }
    let few: Vec<Vec<u8>> = texts.iter().take(4).cloned().collect();
    let mut seeds = in_turn(texts, &[0]);
    for flags in [4, 16] {
        seeds.extend(in_turn(few.clone(), &[flags]));
    }
    let ends = [
        "\"z\":1}",
        "\"z\":1}}",
        "\"z\":1}]}",
        "\"z\":1}}]}",
        "\"z\":1}]}]}]}",
        "",
        "}",
        "\"z\":1,\"z\":2}]}",
        "\"time\":{}}",
    ];
    for setting in 0..u8::try_from(SETTINGS.len()).unwrap() {
        seeds.extend(ends.iter().map(|end| [&[setting, 8], end.as_bytes()].concat()));
    }
    seeds
}

/// Returns a captured request in the form of an input.
fn request(request: &Value) -> Vec<u8> {
    let text = |part: &str| request[part].as_str().unwrap_or_default();
    let question = if text("query").is_empty() { "" } else { "?" };
    let mut head = format!("{} {}{question}{}\n", text("method"), text("path"), text("query"));
    for (name, value) in request["headers"].as_object().unwrap() {
        writeln!(head, "{name}: {}", value.as_str().unwrap_or_default()).unwrap();
    }
    let body = match text("body_base64") {
        "" => text("body").as_bytes().to_vec(),
        encoded => base64_simd::STANDARD.decode_to_vec(encoded).unwrap(),
    };
    [head.as_bytes(), b"\n", &body].concat()
}
