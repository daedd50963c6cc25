//! Properties of any beacon under any configuration and any result of the deliveries: stripped
//! identifiers are nowhere, nothing is lost, the first route wins.
//!
//! The place of an identifier in bytes that are no beacon is unknown:
//! where identifiers are stripped, only their number is kept.

mod harness;

use std::collections::BTreeMap;

use harness::{Delivered, columns, gzip, rejected};
use headwater::config::{Config, RawConfig};
use headwater::delivery::stream_delivery::RecordStatus;
use headwater::ingest::IngestBatch;
use headwater::ingest::response::VerdictMode;
use headwater::model::consent::BrowserSignals;
use headwater::model::record::Record;
use headwater::model::request::RequestContext;
use proptest::collection::{hash_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";

/// Stands in every identifier that a beacon brings along.
const MARK: &str = "whosoever";

/// Stands in those that are numbers.
const DIGITS: u64 = 4_815_162_342;

fn config(table: &Value) -> Config {
    let settings = RawConfig {
        secret: Some("a secret of the operator's, long enough".to_owned()),
        ..harness::settings(table.clone())
    };
    Config::parse(settings).unwrap_or_else(|errors| panic!("{table}: {errors:?}"))
}

/// Tables with every setting that affects a beacon, except the privacy signals.
fn table() -> impl Strategy<Value = Value> {
    let rules = vec![
        json!({"id": "named", "field": "name", "map": {"Page View": "page_view"}}),
        json!({"id": "moved", "field": "user_id", "rename": "props.who"}),
        json!({"id": "away", "field": "props.gone", "drop": true}),
        json!({"id": "cast", "field": "props.total", "cast": "number"}),
        json!({"id": "tag", "stage": "after", "field": "metadata.tag", "set": "t"}),
        json!({"id": "low", "stage": "after", "field": "props.colour", "lower": true}),
    ];
    let switches = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let ip = select(vec!["truncate", "drop", "hash", "full"]);
    let scrub = subsequence(vec!["emails", "cards"], 0..=2);
    let sample = option::of(0.1..0.9_f64);
    (switches, ip, scrub, sample, subsequence(rules, 0..=6)).prop_map(
        |((cookieless, originals, unknown, bots), ip, scrub, sample, clean)| {
            let mut low = json!({"level": "low", "to": "firehose:low"});
            if let Some(sample) = sample {
                low["sample"] = json!(sample);
            }
            json!({
                "delivery": "direct", "origins": ["*"], "failed_stream": "firehose:failed",
                "routes": [low, {"to": "firehose:rest"}],
                "cookieless": cookieless, "repairs_include_original": originals, "ip": ip, "scrub": scrub,
                "unknown_events": if unknown { "fail" } else { "accept" },
                "bots": if bots { "drop" } else { "label" }, "clean": clean,
            })
        },
    )
}

/// Adds to a table what each wish does.
fn with_privacy(mut table: Value, [gpc, dnt, denied, unknown]: [&str; 4]) -> Value {
    table["gpc"] = json!(gpc);
    table["dnt"] = json!(dnt);
    table["consent"] = json!({"denied": denied, "unknown": unknown});
    table
}

fn identifier() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => "[a-z]{0,3}".prop_map(|end| json!(format!("{MARK}{end}"))),
        1 => Just(json!(format!(" {MARK}\u{0}"))),
        1 => Just(json!(DIGITS)),
        1 => Just(json!([MARK])),
        1 => Just(json!({"id": MARK})),
    ]
}

fn address() -> impl Strategy<Value = Value> {
    let click = |form: &str| json!(form.replace('$', MARK));
    let forms = [
        "https://shop.example/a?utm_source=news&gclid=$",
        "HTTPS://Shop.example:443/?GCLID=$&b=1#top",
        "https://shop.example/#gclid=$",
        "https://shop.example/a#/route?fbclid=$",
        " https://shop.example/?msclkid=$\u{7}",
        "/only/a/path?ttclid=$",
        "https://shop.example/?next=https%3A%2F%2Fa.example%2F%3Fgclid%3D$",
        "https://shop.example/?a=\\x22&fbclid=$",
    ];
    let mut forms: Vec<Value> = forms.into_iter().map(click).collect();
    forms.push(json!("https://shop.example/tea"));
    forms.push(json!(7));
    select(forms)
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!(" trimmed ")),
        Just(json!("{\"encoded\": \"twice\"}")),
        Just(json!("granted")),
        Just(json!("denied")),
        Just(json!("low")),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            hash_map("[a-z ]{0,5}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Beacons, valid and not, with identifiers where the protocol has a place for them.
fn beacon() -> impl Strategy<Value = Value> {
    let names = ["page_view", "order_placed", "scroll", "tea_tasted", "Page View", " page_view "];
    let fields = select(vec![
        "id", "time", "seq", "level", "build", "title", "screen", "viewport", "language",
        "consent", "props", "metadata", "price", "a/b",
    ]);
    let ids = hash_map(select(vec!["device_id", "session_id", "user_id"]), identifier(), 0..3);
    let addresses = hash_map(select(vec!["url", "referrer"]), address(), 0..2);
    let others = hash_map(fields, value(), 0..4);
    (select(names.to_vec()), ids, addresses, others).prop_map(|(name, ids, addresses, others)| {
        let fields = ids.into_iter().chain(addresses).chain(others);
        let mut fields: BTreeMap<&str, Value> = fields.collect();
        fields.insert("name", json!(name));
        json!(fields)
    })
}

/// How beacons are put into a body.
#[derive(Debug, Clone, Copy)]
enum Form {
    Array,
    Envelope,
    Lines,
    Gzip,
}

fn form() -> impl Strategy<Value = Form> {
    select(vec![Form::Array, Form::Envelope, Form::Lines, Form::Gzip])
}

impl Form {
    fn body(self, beacons: &[Value]) -> Vec<u8> {
        match self {
            Self::Array => Value::from(beacons).to_string().into_bytes(),
            Self::Envelope => {
                let device = format!("{MARK}-outer");
                json!({"device_id": device, "events": beacons}).to_string().into_bytes()
            }
            Self::Lines => {
                let lines: Vec<String> = beacons.iter().map(Value::to_string).collect();
                lines.join("\n").into_bytes()
            }
            Self::Gzip => gzip(&Self::Array.body(beacons)),
        }
    }
}

fn context(signals: BrowserSignals) -> RequestContext {
    RequestContext { user_agent: Some(AGENT.to_owned()), signals, ..harness::context() }
}

/// Whether the streams of the routes take their records.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Streams {
    Take,
    Refuse,
}

fn deliver(batch: &mut IngestBatch<'_>, streams: Streams) -> Vec<Delivered> {
    let status =
        |stream: &str, _: &Record| match streams == Streams::Take || stream == "firehose:failed" {
            true => RecordStatus::Delivered,
            false => rejected(),
        };
    harness::deliver(batch, status).unwrap()
}

/// Sends a body: the status, the verdicts and what was delivered.
fn send(
    bytes: &[u8],
    form: Form,
    signals: BrowserSignals,
    config: &Config,
    streams: Streams,
) -> (u16, Vec<Value>, Vec<Delivered>) {
    let content_type = matches!(form, Form::Lines).then_some("application/x-ndjson");
    let mut batch = harness::post(config, &context(signals), content_type, bytes).unwrap();
    let delivered = deliver(&mut batch, streams);
    let answer = batch.settled().unwrap().response(VerdictMode::Always);
    let reported: Value =
        serde_json::from_str(&answer.body.unwrap_or_default()).unwrap_or_default();
    let verdicts = reported["verdicts"].as_array().cloned().unwrap_or_default();
    (answer.status, verdicts, delivered)
}

fn column(record: &Record, name: &str) -> Value {
    columns(record)[name].clone()
}

fn streams() -> impl Strategy<Value = Streams> {
    select(vec![Streams::Take, Streams::Refuse])
}

fn keep_or_strip() -> impl Strategy<Value = &'static str> {
    select(vec!["keep", "strip"])
}

fn any_action() -> impl Strategy<Value = &'static str> {
    select(vec!["keep", "strip", "drop"])
}

/// Whatever a browser may send as a query.
fn query(beacon: &Value) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (key, value) in beacon.as_object().unwrap() {
        match value {
            Value::Object(members) if matches!(key.as_str(), "props" | "metadata") => {
                for (inner, value) in members {
                    query.append_pair(&format!("{key}.{inner}"), &value.to_string());
                }
            }
            Value::String(text) => drop(query.append_pair(key, text)),
            other => drop(query.append_pair(key, &other.to_string())),
        }
    }
    query.finish()
}

/// The identifiers that `delivered` contains.
fn leaks(delivered: &[Delivered]) -> Vec<String> {
    let secrets = [MARK.to_owned(), DIGITS.to_string(), "203.0.113.".to_owned(), AGENT.to_owned()];
    let reported = delivered.iter().map(|Delivered { stream, record, .. }| {
        let line = String::from_utf8_lossy(record.bytes());
        format!("{stream} {} {line}", record.key().as_str())
    });
    reported
        .filter(|reported| secrets.iter().any(|secret| reported.contains(secret.as_str())))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_identifier_is_stored_if_signals_strip_it(
        beacons in vec(beacon(), 1..5), table in table(), form in form(), streams in streams(),
        others in [keep_or_strip(), keep_or_strip(), keep_or_strip()],
    ) {
        let [dnt, denied, unknown] = others;
        let config = config(&with_privacy(table, ["strip", dnt, denied, unknown]));
        let signals = BrowserSignals { gpc: true, dnt: true };
        let (_, verdicts, delivered) = send(&form.body(&beacons), form, signals, &config, streams);
        prop_assert_eq!(verdicts.len(), beacons.len());
        prop_assert_eq!(leaks(&delivered), Vec::<String>::new());
        for Delivered { record, .. } in &delivered {
            prop_assert!(column(record, "identifiers_removed").is_string());
        }
    }

    #[test]
    fn no_identifier_of_a_pixel_is_stored_if_stripped(
        beacon in beacon(), table in table(), streams in streams(),
    ) {
        let config = config(&with_privacy(table, ["strip", "keep", "keep", "keep"]));
        let context = context(BrowserSignals { gpc: true, dnt: false });
        let mut batch =
            harness::pixel(&config, &context, &query(&beacon)).unwrap();
        prop_assert_eq!(leaks(&deliver(&mut batch, streams)), Vec::<String>::new());
    }

    #[test]
    fn no_identifier_of_unreadable_bytes_is_stored(
        beacons in vec(beacon(), 1..5), table in table(), form in form(), cut in 1..60_usize,
    ) {
        let config = config(&with_privacy(table, ["strip", "keep", "keep", "keep"]));
        let signals = BrowserSignals { gpc: true, dnt: false };
        let body = form.body(&beacons);
        let cut = cut.min(body.len());
        for part in [&body[cut..], &body[..body.len() - cut]] {
            let (_, _, delivered) = send(part, form, signals, &config, Streams::Take);
            prop_assert_eq!(leaks(&delivered), Vec::<String>::new());
        }
    }

    #[test]
    fn no_record_is_made_if_signals_drop_the_beacon(
        beacons in vec(prop_oneof![9 => beacon(), 1 => value()], 0..5), table in table(),
        form in form(), cut in 0..40_usize,
        others in [any_action(), any_action(), any_action()],
    ) {
        let [dnt, denied, unknown] = others;
        let config = config(&with_privacy(table, ["drop", dnt, denied, unknown]));
        let signals = BrowserSignals { gpc: true, dnt: false };
        let body = form.body(&beacons);
        let (_, verdicts, delivered) = send(&body, form, signals, &config, Streams::Take);
        prop_assert!(delivered.is_empty());
        prop_assert_eq!(verdicts.len(), beacons.len());
        prop_assert!(verdicts.iter().all(|verdict| verdict["outcome"] == "dropped"));
        let rest = &body[cut.min(body.len())..];
        let (_, verdicts, delivered) = send(rest, form, signals, &config, Streams::Take);
        prop_assert!(delivered.is_empty());
        prop_assert!(verdicts.iter().all(|verdict| verdict["outcome"] == "dropped"));
    }

    #[test]
    fn every_beacon_has_one_outcome_and_the_records_are_as_it_says(
        beacons in vec(prop_oneof![9 => beacon(), 1 => value()], 0..8), table in table(),
        form in form(), streams in streams(),
        wishes in [any_action(), any_action(), any_action(), any_action()],
        (gpc, dnt) in any::<(bool, bool)>(),
    ) {
        let config = config(&with_privacy(table, wishes));
        let body = form.body(&beacons);
        let (status, verdicts, delivered) = send(&body, form, BrowserSignals { gpc, dnt }, &config, streams);
        prop_assert_eq!((status, verdicts.len()), (200, beacons.len()));
        for (index, verdict) in verdicts.iter().enumerate() {
            prop_assert_eq!(&verdict["index"], &json!(index));
            let mine: Vec<_> = delivered.iter().filter(|each| each.beacon == index).collect();
            let to = mine.iter().map(|each| each.stream.as_str());
            let failed: Vec<bool> = to.map(|stream| stream == "firehose:failed").collect();
            match verdict["outcome"].as_str() {
                Some("accepted") => prop_assert_eq!(failed, [false]),
                Some("failed") => prop_assert_eq!(failed, [true]),
                Some("dropped") => prop_assert!(failed.is_empty()),
                other => prop_assert!(false, "{:?}", other),
            }
            for Delivered { record, .. } in mine {
                prop_assert_eq!(&column(record, "event_id"), &verdict["event_id"]);
            }
        }
    }

    #[test]
    fn an_absent_signal_changes_nothing(
        beacons in vec(beacon(), 1..4), table in table(), wishes in [any_action(), any_action()],
    ) {
        let [gpc, dnt] = wishes;
        let silent = BrowserSignals::default();
        let body = Form::Array.body(&beacons);
        let reported = |gpc, dnt| {
            let config = config(&with_privacy(table.clone(), [gpc, dnt, "keep", "keep"]));
            let (_, verdicts, delivered) = send(&body, Form::Array, silent, &config, Streams::Take);
            let lines: Vec<_> = delivered.iter().map(|each| each.record.bytes().to_vec()).collect();
            (verdicts, lines)
        };
        prop_assert_eq!(reported(gpc, dnt), reported("keep", "keep"));
    }
}

#[test]
fn no_secret_is_kept_of_bytes_that_cannot_be_read() {
    const SECRET: &str = "opensesame";
    let url = format!("https://shop.example/?a=1&token={SECRET}&b=2");
    let deep = format!(r#"{{"url":"{url}","props":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
    let bodies = [
        format!(r#"{{"name":"a","url":"{url}","seq":}}"#),
        format!(
            r#"{{"name":"a","url":"{}","seq":}}"#,
            url.replace('/', "\\/").replace('&', "\\u0026")
        ),
        format!(r#"{{"name":"a","seq":1,"seq":2,"url":"{url}"}}"#),
        format!(r#"{{"name":"a","props":{{"path":"/reset?token={SECRET}"}},"url":"}}"#),
        format!(r#"{{"name":"a","props":{{"href":"data:text/csv,{SECRET}"}},}}"#),
        format!("{{'name':'a','url':'{url}'}}"),
        format!(r#"{{"name":"a","url":["{url}"]}}"#),
        format!(r#"{{"name":"a","link":"{url}"}}"#),
        format!("see {url}"),
        deep,
    ];
    let privacy = json!({
        "delivery": "direct", "origins": ["*"], "failed_stream": "firehose:failed",
        "routes": [{"to": "firehose:rest"}],
    });
    let kept = |bytes: &[u8], form, table: &Value| {
        let config = config(table);
        let (_, _, delivered) =
            send(bytes, form, BrowserSignals::default(), &config, Streams::Take);
        let records: Vec<_> = delivered.into_iter().map(|it| (it.stream, it.record)).collect();
        assert!(
            !records.is_empty() && records.iter().all(|(stream, _)| stream == "firehose:failed")
        );
        let line =
            |(_, record): &(String, Record)| String::from_utf8_lossy(record.bytes()).into_owned();
        (records.iter().map(line).collect::<String>(), column(&records[0].1, "original"))
    };
    for body in &bodies {
        let zipped = gzip(body.as_bytes());
        let cut = &zipped[..zipped.len() - 5];
        let wide: Vec<u8> = body.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in [body.as_bytes(), &zipped, cut, &wide] {
            for form in [Form::Array, Form::Lines] {
                let (line, original) = kept(bytes, form, &privacy);
                assert!(!line.contains(SECRET), "{body}: {line}");
                let original = original.as_str().unwrap();
                let marks = ["[removed]", "data:text/csv"];
                assert!(marks.iter().any(|mark| original.contains(mark)), "{body}: {line}");
            }
        }
        let mut cookieless = privacy.clone();
        cookieless["cookieless"] = json!(true);
        assert!(!kept(body.as_bytes(), Form::Array, &cookieless).0.contains(SECRET));
    }
    let harmless = br#"{"name":"a","url":"https://shop.example/?a=1","device_id":"d","seq":}"#;
    let text = std::str::from_utf8(harmless).unwrap();
    assert_eq!(kept(harmless, Form::Array, &privacy).1, json!(text));
    let mut cookieless = privacy.clone();
    cookieless["cookieless"] = json!(true);
    let (line, original) = kept(harmless, Form::Array, &cookieless);
    assert_eq!(original, Value::Null);
    assert!(line.contains("\"original_withheld\":true"));
}

/// Names of few letters, so that patterns match now and then.
fn name() -> impl Strategy<Value = String> {
    "[ab][ab_]{0,4}"
}

fn pattern() -> impl Strategy<Value = String> {
    "[ab][ab_]{0,2}(\\*[ab_]{0,2})?|\\*[ab_]{1,2}\\*[ab]"
}

fn condition() -> impl Strategy<Value = Value> {
    let parts = (
        option::of(select(vec!["low", "mid", "high"])),
        option::of(pattern()),
        option::of(select(vec!["default", "other"])),
        option::of(any::<bool>()),
        option::of(select(vec![json!({"tag": "t"}), json!({"tag": 1, "dry": true})])),
    );
    parts.prop_filter_map("a route needs a condition", |(level, name, tenant, bot, metadata)| {
        let parts = [
            ("level", json!(level)),
            ("name", json!(name)),
            ("tenant", json!(tenant)),
            ("bot", json!(bot)),
            ("metadata", json!(metadata)),
        ];
        let parts = parts.into_iter().filter(|(_, part)| !part.is_null());
        let condition: BTreeMap<&str, Value> = parts.collect();
        (!condition.is_empty()).then(|| json!(condition))
    })
}

/// Whether `pattern` matches, letter by letter.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) if matches(rest, name) => true,
        ([b'*', ..], [_, after @ ..]) => matches(pattern, after),
        ([letter, rest @ ..], [first, after @ ..]) => letter == first && matches(rest, after),
        _ => false,
    }
}

/// Whether a condition holds for the event of a record, read from the record alone.
fn holds(condition: &Value, columns: &Value) -> bool {
    condition.as_object().unwrap().iter().all(|(part, wanted)| match part.as_str() {
        "name" => {
            let texts = [wanted, &columns["name"]].map(|it| it.as_str().unwrap().as_bytes());
            matches(texts[0], texts[1])
        }
        "bot" => columns["bot"].as_bool().unwrap_or(false) == *wanted,
        "metadata" => {
            let wanted = wanted.as_object().unwrap();
            wanted.iter().all(|(key, value)| columns["metadata"][key] == *value)
        }
        other => columns[other] == *wanted,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_first_route_that_matches_wins(
        conditions in vec(condition(), 0..6), is_bot in any::<bool>(),
        events in vec((name(), option::of(select(vec!["low", "mid", "high"])), option::of(select(
            vec![json!({"tag": "t"}), json!({"tag": 1, "dry": true}), json!({"tag": 1})],
        ))), 1..6),
    ) {
        let mut routes: Vec<Value> = conditions.clone();
        routes.push(json!({}));
        for (index, route) in routes.iter_mut().enumerate() {
            route["to"] = json!(format!("firehose:s{index}"));
        }
        let config = config(&json!({
            "delivery": "direct", "origins": ["*"], "failed_stream": "firehose:failed", "routes": routes,
            "keys": {"pk_default": {"tenant": "default"}, "pk_other": {"tenant": "other"}},
        }));
        let beacon = |(name, level, metadata)| json!({"name": name, "level": level, "metadata": metadata});
        let beacons: Vec<Value> = events.into_iter().map(beacon).collect();
        let mut context = context(BrowserSignals::default());
        context.write_key = Some("pk_default".to_owned());
        if is_bot {
            context.user_agent = Some("curl/8.5.0".to_owned());
        }
        let bytes = Form::Array.body(&beacons);
        let mut batch = harness::post(&config, &context, None, &bytes).unwrap();
        let delivered = deliver(&mut batch, Streams::Take);
        prop_assert_eq!(delivered.len(), beacons.len());
        for Delivered { stream, record, .. } in &delivered {
            let columns = columns(record);
            let first = conditions.iter().position(|condition| holds(condition, &columns));
            let expected = format!("firehose:s{}", first.unwrap_or(conditions.len()));
            prop_assert_eq!(stream, &expected, "{}", columns);
        }
    }

    #[test]
    fn a_device_is_in_a_sample_for_good_and_in_every_larger_one(
        devices in vec("[a-z0-9-]{1,36}", 1..20), share in 0.05..0.9_f64, more in 0.0..0.09_f64,
        names in (name(), name()),
    ) {
        let delivered = |share: f64, name: &str| -> Vec<bool> {
            let config = config(&json!({
                "delivery": "direct", "origins": ["*"], "failed_stream": "firehose:failed",
                "routes": [{"to": "firehose:all", "sample": share}],
            }));
            let beacons: Vec<Value> =
                devices.iter().map(|id| json!({"name": name, "device_id": id})).collect();
            let (body, quiet) = (Form::Array.body(&beacons), BrowserSignals::default());
            let (_, verdicts, delivered) = send(&body, Form::Array, quiet, &config, Streams::Take);
            let reported = delivered.iter().all(|each| column(&each.record, "sample_rate") == json!(share));
            assert!(reported, "each record tells the share");
            verdicts.iter().map(|verdict| verdict["outcome"] == "accepted").collect()
        };
        let some = delivered(share, &names.0);
        prop_assert_eq!(&some, &delivered(share, &names.1));
        let larger = delivered(share + more, &names.0);
        prop_assert!(some.iter().zip(larger).all(|(in_some, in_larger)| !in_some || in_larger));
    }
}
