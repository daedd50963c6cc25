//! The recipe from a body to an answer, with deliveries that end as each test says.

mod harness;

use harness::{all_accepted, columns, config, context, gzip, rejected};
use headwater::config::{Binding, Config, RawConfig};
use headwater::delivery::stream_delivery::{DeliveryReport, RecordStatus};
use headwater::ingest::error::{HttpError, IngestError};
use headwater::ingest::response::{IngestResponse, VerdictMode};
use headwater::ingest::{DestinationRecords, IngestBatch, PendingRecord, by_destination};
use headwater::model::consent::BrowserSignals;
use headwater::model::quota::QuotaUse;
use headwater::model::record::Record;
use headwater::model::request::RequestContext;
use headwater::pipeline::decode::body::RequestBody;
use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};

fn table() -> Value {
    json!({
        "delivery": "direct", "origins": ["*"], "failed_stream": "firehose:failed",
        "routes": [{"level": "low", "to": "firehose:low"}, {"to": "firehose:rest"}],
        "limits": {"max_beacons": 500, "max_beacon_bytes": 20_000},
    })
}

fn post<'a>(config: &'a Config, bytes: &[u8]) -> Result<IngestBatch<'a>, IngestError> {
    harness::post(config, &context(), None, bytes)
}

/// Ends each delivery, and returns the streams and the columns of the delivered records.
fn deliver(
    batch: &mut IngestBatch<'_>,
    status: impl Fn(&str, &Record) -> RecordStatus,
) -> Result<Vec<(String, Value)>, IngestError> {
    let delivered = harness::deliver(batch, status)?;
    Ok(delivered.into_iter().map(|each| (each.stream, columns(&each.record))).collect())
}

fn shown(answer: &IngestResponse) -> String {
    format!(
        "{} {:?} {}",
        answer.status,
        answer.retry_after_s,
        answer.body.as_deref().unwrap_or("-")
    )
}

#[test]
fn one_bad_beacon_never_hurts_its_neighbours() {
    let config = config(table());
    let body = br#"[{"name":"a","level":"low"},{"name":1},[],{"name":"b"},{"props":}]"#;
    let mut batch = post(&config, body).unwrap();
    assert_eq!(deliver(&mut batch, all_accepted).unwrap().len(), 1);
    assert_eq!(
        batch.settled().unwrap().response(VerdictMode::OnFailure).status,
        400,
        "no item of broken JSON can be told apart"
    );
    let body =
        b"{\"name\":\"a\",\"level\":\"low\"}\n{\"name\":1}\n[]\n{\"name\":\"b\"}\n{\"props\":}";
    let mut batch = post(&config, body).unwrap();
    let delivered = deliver(&mut batch, all_accepted).unwrap();
    let streams: Vec<&str> = delivered.iter().map(|(stream, _)| stream.as_str()).collect();
    assert_eq!(
        streams,
        ["firehose:low", "firehose:failed", "firehose:failed", "firehose:failed", "firehose:rest"]
    );
    let answer = batch.settled().unwrap().response(VerdictMode::OnFailure);
    assert_eq!(answer.status, 200);
    let reported: Value = serde_json::from_str(&answer.body.unwrap()).unwrap();
    let outcomes: Vec<&str> = reported["verdicts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|verdict| verdict["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["accepted", "failed", "failed", "accepted", "failed"]);
}

#[test]
fn a_batch_has_no_answer_before_each_record_has_a_status() {
    let config = config(table());
    let body = br#"[{"name":"a","level":"low"},{"name":"b"}]"#;
    let mut batch = post(&config, body).unwrap();
    let is_pending = |batch: &IngestBatch<'_>| {
        let unsettled = |code: &str| code == "pending";
        matches!(batch.settled(), Err(IngestError::NotDurable { code, .. }) if unsettled(&code))
    };
    assert!(is_pending(&batch), "nothing was sent");
    let mut batches = by_destination(batch.take_records());
    assert!(is_pending(&batch), "two records are being sent");
    while let Some(DestinationRecords { to, records, beacons }) = batches.pop() {
        assert!(is_pending(&batch), "{} are left", batches.len() + 1);
        let delivered = records.into_iter().map(|record| (record, RecordStatus::Delivered));
        let report = DeliveryReport { records: delivered.collect(), ..DeliveryReport::default() };
        batch.apply_direct_report(to.first(), &beacons, report).unwrap();
    }
    assert_eq!(batch.settled().unwrap().response(VerdictMode::OnFailure).status, 204);
}

/// The configuration of a route to two streams.
fn with_two_streams() -> Config {
    let mut table = table();
    table["routes"] = json!([{"to": ["firehose:rest", "kinesis:orders"]}]);
    config(table)
}

#[test]
fn an_event_for_two_streams_is_accepted_once_both_have_it() {
    let config = with_two_streams();
    let mut batch = post(&config, br#"[{"name":"a"},{"name":"b"}]"#).unwrap();
    let records = batch.take_records();
    assert_eq!(records.len(), 2, "each is encoded once");
    let mut groups = by_destination(records);
    assert_eq!(groups.len(), 2);
    assert_eq!(groups[0].records, groups[1].records);
    let bytes = |group: &DestinationRecords| group.records[0].bytes().as_ptr();
    assert_eq!(bytes(&groups[0]), bytes(&groups[1]));
    while let Some(DestinationRecords { to, records, beacons }) = groups.pop() {
        assert!(batch.settled().is_err(), "{to} does not have it");
        let records = records.into_iter().map(|record| (record, RecordStatus::Delivered)).collect();
        let report = DeliveryReport { records, ..DeliveryReport::default() };
        batch.apply_direct_report(to.first(), &beacons, report).unwrap();
    }
    assert_eq!(batch.settled().unwrap().counts().accepted, 2, "not four");
}

#[test]
fn an_event_that_one_of_two_streams_rejects_has_one_outcome_and_a_failed_event() {
    let config = with_two_streams();
    for rejecting in [&["kinesis:orders"][..], &["kinesis:orders", "firehose:rest"]] {
        let mut batch = post(&config, br#"{"name":"a"}"#).unwrap();
        let status = |stream: &str, _: &Record| match rejecting.contains(&stream) {
            true => rejected(),
            false => RecordStatus::Delivered,
        };
        let delivered = deliver(&mut batch, status).unwrap();
        let failed = delivered.iter().filter(|(stream, _)| stream == "firehose:failed").count();
        assert_eq!(failed, rejecting.len(), "one for each stream, which it names");
        let counts = batch.settled().unwrap().counts();
        assert_eq!((counts.accepted, counts.failed), (0, 1));
    }
}

#[test]
fn an_event_that_one_of_two_streams_does_not_take_is_no_success() {
    let config = with_two_streams();
    for pending in ["kinesis:orders", "firehose:rest"] {
        let mut batch = post(&config, br#"{"name":"a"}"#).unwrap();
        let status = |stream: &str, _: &Record| match stream == pending {
            true => RecordStatus::Pending,
            false => RecordStatus::Delivered,
        };
        let error = deliver(&mut batch, status).unwrap_err();
        assert!(error.to_string().starts_with(pending), "{error}");
    }
}

#[test]
fn answers_are_as_the_contract_says() {
    let config = config(table());
    let answer = |body: &[u8], telling| {
        let mut batch = post(&config, body).unwrap();
        deliver(&mut batch, all_accepted).unwrap();
        shown(&batch.settled().unwrap().response(telling))
    };
    let accepted = br#"{"name":"a","id":"01939b70-6d2a-7c3e-8f00-000000000001"}"#;
    assert_snapshot!(answer(accepted, VerdictMode::OnFailure), @"204 None -");
    assert_snapshot!(answer(b"[]", VerdictMode::OnFailure), @"204 None -");
    assert_snapshot!(answer(accepted, VerdictMode::Always), @r#"200 None {"verdicts":[{"index":0,"event_id":"01939b70-6d2a-7c3e-8f00-000000000001","outcome":"accepted","schema":null}]}"#);
    assert_snapshot!(answer(br#"{"name":"a","seq":-1,"x":1}"#, VerdictMode::OnFailure), @r#"200 None {"verdicts":[{"index":0,"event_id":"01a1ee56-5e7b-7101-8101-010101010101","outcome":"failed","code":"out_of_range","pointer":"/seq","message":"seq must be an integer from 0 to 9007199254740991"}]}"#);
    assert_snapshot!(answer(b"{", VerdictMode::OnFailure), @r#"400 None {"code":"bad_json","pointer":"","message":"body is not JSON: EOF while parsing an object at line 1 column 1","event_id":"01a1ee56-5e7b-7101-8101-010101010101"}"#);
}

#[test]
fn an_event_that_is_not_durable_is_no_success() {
    let config = config(table());
    for pending in ["firehose:low", "firehose:rest", "firehose:failed"] {
        let mut batch =
            post(&config, b"[{\"name\":\"a\",\"level\":\"low\"},{\"name\":\"b\"},{}]").unwrap();
        let fate = |stream: &str, _: &Record| {
            if stream == pending { RecordStatus::Pending } else { RecordStatus::Delivered }
        };
        let error = deliver(&mut batch, fate).unwrap_err();
        let answer = shown(&IngestResponse::of_error(&error, None));
        let expected = format!(
            r#"503 Some(7) {{"code":"not_durable","message":"{pending} did not take every record (timed_out); send again"}}"#
        );
        assert_eq!(answer, expected);
    }
}

#[test]
fn a_rejected_record_becomes_a_failed_event() {
    let config = config(table());
    let mut batch = post(&config, b"[{\"name\":\"a\"},{\"name\":\"b\"}]").unwrap();
    let fate = |stream: &str, record: &Record| match stream {
        "firehose:rest" if columns(record)["name"] == "a" => rejected(),
        _ => RecordStatus::Delivered,
    };
    let delivered = deliver(&mut batch, fate).unwrap();
    let [(good, event), (failed, kept)] = delivered.as_slice() else { panic!("{delivered:?}") };
    assert_eq!((good.as_str(), event["name"].as_str()), ("firehose:rest", Some("b")));
    assert_eq!(
        (failed.as_str(), &kept["stage"], &kept["code"]),
        ("firehose:failed", &json!("delivery"), &json!("refused_by_stream"))
    );
    assert_eq!(kept["original_format"], "record");
    let record: Value = serde_json::from_str(kept["original"].as_str().unwrap()).unwrap();
    assert_eq!((record["name"].as_str(), &record["event_id"]), (Some("a"), &kept["event_id"]));
    assert!(!kept.to_string().contains("arn:"), "the service's own words may tell of the account");
    let reported: Value = serde_json::from_str(
        &batch.settled().unwrap().response(VerdictMode::OnFailure).body.unwrap(),
    )
    .unwrap();
    assert_eq!(reported["verdicts"][0]["outcome"], "failed");
    assert_eq!(reported["verdicts"][0]["event_id"], kept["event_id"]);
    assert_eq!(reported["verdicts"][1]["outcome"], "accepted");
}

#[test]
fn a_rejected_record_stays_without_its_identifiers() {
    let config = config(table());
    let context = RequestContext {
        signals: BrowserSignals { gpc: true, dnt: false },
        user_agent: Some("Mozilla/5.0 (secretive)".to_owned()),
        ..context()
    };
    let text =
        br#"{"device_id":"secret-envelope","events":[{"name":"a","device_id":"secret-device"}]}"#;
    let mut batch = harness::post(&config, &context, None, text).unwrap();
    let fate = |stream: &str, _: &Record| match stream {
        "firehose:failed" => RecordStatus::Delivered,
        _ => rejected(),
    };
    let delivered = deliver(&mut batch, fate).unwrap();
    let [(_, kept)] = delivered.as_slice() else { panic!("{delivered:?}") };
    assert_eq!((&kept["stage"], &kept["identifiers_removed"]), (&json!("delivery"), &json!("gpc")));
    let text = kept.to_string();
    assert!(!text.contains("secret") && !text.contains("203.0.113"), "{text}");
}

#[test]
fn a_members_name_is_scrubbed_in_its_violation() {
    let mut table = table();
    table["scrub"] = json!(["emails"]);
    let config = config(table);
    let mut batch = post(&config, br#"{"name":"a","anna@mail.example":1}"#).unwrap();
    let delivered = deliver(&mut batch, all_accepted).unwrap();
    let [(_, kept)] = delivered.as_slice() else { panic!("{delivered:?}") };
    assert_eq!(kept["pointer"], "/[email]");
    let reported = batch.settled().unwrap().response(VerdictMode::Always).body.unwrap();
    assert!(!reported.contains("anna@"), "{reported}");
}

#[test]
fn a_rejected_failed_event_is_not_durable() {
    let config = config(table());
    let mut batch = post(&config, b"{}").unwrap();
    let error = deliver(&mut batch, |_, _| rejected()).unwrap_err();
    assert_eq!(error.status(), 503);
}

#[test]
fn a_body_over_the_limits_is_not_stored() {
    let config = config(table());
    let many = format!("[{}1]", "1,".repeat(10_000));
    for (body, status, message) in [
        (many.as_bytes(), 413, "body has 10001 beacons, limit 500"),
        (&[b' '; 256_001], 413, "body has more than 256000 bytes, the limit as sent"),
    ] {
        let error = post(&config, body).unwrap_err();
        assert_eq!((error.status(), error.to_string().as_str()), (status, message));
    }
}

/// Without `@`, no text is a URL with a password, and what failed is stored as it was sent.
fn text() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| text.replace('@', ""))
}

/// Values that beacons may and may not hold.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
        Just(json!("high")),
        Just(json!("01939b70-6d2a-7c3e-8f00-000000000001")),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map(text(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn beacon() -> impl Strategy<Value = Value> {
    let field = prop_oneof![
        Just("name".to_owned()),
        Just("id".to_owned()),
        Just("device_id".to_owned()),
        Just("time".to_owned()),
        Just("seq".to_owned()),
        Just("level".to_owned()),
        Just("props".to_owned()),
        Just("metadata".to_owned()),
        Just("url".to_owned()),
        Just("screen".to_owned()),
        text(),
    ];
    let fields = proptest::collection::hash_map(field, value(), 0..6);
    (fields, any::<bool>()).prop_map(|(mut fields, named)| {
        if named {
            fields.insert("name".to_owned(), json!("page_view"));
        }
        Value::Object(fields.into_iter().collect())
    })
}

/// A beacon with an id of its own, and much that other beacons of its request may have, too.
fn page_view() -> impl Strategy<Value = Value> {
    let pages =
        ["https://a.example/x?utm_source=s", "https://b.example/?email=a@b.example", "/x", ""];
    let pick = |texts: &'static [&'static str]| prop::option::of(prop::sample::select(texts));
    let name = prop::sample::select(vec!["page_view", "order_placed", "x", ""]);
    let of_page = (
        prop::option::of(prop::sample::select(pages.to_vec())),
        pick(&["https://s.example/", "?"]),
    );
    let consent = pick(&["granted", "denied", "?"]);
    (1..u128::MAX, name, of_page, pick(&["d", "e"]), consent).prop_map(
        |(id, name, (url, referrer), device, consent)| {
            json!({
                "id": uuid::Uuid::from_u128(id).to_string(), "name": name, "url": url, "referrer": referrer,
                "device_id": device, "user_id": device, "consent": consent,
            })
        },
    )
}

proptest! {
    #[test]
    fn every_beacon_has_one_verdict_and_one_record(
        beacons in proptest::collection::vec(prop_oneof![9 => beacon(), 1 => value()], 0..20),
        form in 0..4,
    ) {
        let config = config(table());
        let lines: Vec<String> = beacons.iter().map(Value::to_string).collect();
        let bytes = match form {
            0 => Value::from(beacons.clone()).to_string().into_bytes(),
            1 => json!({"device_id": "d", "events": beacons}).to_string().into_bytes(),
            2 => gzip(Value::from(beacons.clone()).to_string().as_bytes()),
            _ => lines.join("\n").into_bytes(),
        };
        let content_type = (form == 3).then_some("application/x-ndjson");
        let mut batch = harness::post(&config, &context(), content_type, &bytes).unwrap();
        let delivered = deliver(&mut batch, all_accepted).unwrap();
        let answer = batch.settled().unwrap().response(VerdictMode::Always);
        let reported: Value = serde_json::from_str(&answer.body.unwrap()).unwrap();
        let verdicts = reported["verdicts"].as_array().unwrap();
        prop_assert_eq!(verdicts.len(), beacons.len());
        prop_assert_eq!(delivered.len(), beacons.len());
        for (index, (verdict, beacon)) in verdicts.iter().zip(&beacons).enumerate() {
            prop_assert_eq!(&verdict["index"], &json!(index));
            let mine: Vec<_> = delivered.iter().filter(|(_, columns)| {
                columns["event_id"] == verdict["event_id"]
                    && (columns.get("stage").is_some() == (verdict["outcome"] == "failed"))
            }).collect();
            prop_assert!(!mine.is_empty());
            if verdict["outcome"] == "failed" {
                let original = |columns: &Value| serde_json::from_str::<Value>(columns["original"].as_str().unwrap()).unwrap();
                prop_assert!(mine.iter().any(|(_, columns)| original(columns) == *beacon));
                prop_assert!(verdict["message"].as_str().is_some_and(|message| !message.is_empty()));
            }
        }
    }

    #[test]
    fn an_event_has_the_same_columns_in_a_batch_as_alone(
        beacons in proptest::collection::vec(page_view(), 1..12),
    ) {
        let config = config(table());
        let columns = |beacons: &[Value]| -> Vec<Value> {
            let body = Value::from(beacons).to_string();
            let mut batch = post(&config, body.as_bytes()).unwrap();
            let mut delivered = harness::deliver(&mut batch, all_accepted).unwrap();
            delivered.sort_by_key(|delivered| delivered.beacon);
            delivered.iter().map(|delivered| harness::columns(&delivered.record)).collect()
        };
        let alone = beacons.iter().flat_map(|beacon| columns(std::slice::from_ref(beacon)));
        let at_its_place = |(index, mut columns): (usize, Value)| {
            if let Some(at) = columns.get_mut("event_index") {
                *at = json!(index);
            }
            columns
        };
        let expected: Vec<Value> = alone.enumerate().map(at_its_place).collect();
        prop_assert_eq!(columns(&beacons), expected);
    }

    #[test]
    fn no_bytes_panic_and_undecodable_bytes_are_stored(
        bytes in prop_oneof![
            // Without `@`, no text is a URL with a password.
            proptest::collection::vec(any::<u8>().prop_filter("no @", |it| *it != b'@'), 0..200),
            "[\\[\\]{}\",:a-c0-9 \\n]{0,60}".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>().prop_filter("no @", |it| *it != b'@'), 0..60)
                .prop_map(|bytes| gzip(&bytes)),
        ],
        content_type in prop_oneof![Just(None), Just(Some("application/x-ndjson")), Just(Some("text/plain"))],
        content_encoding in prop_oneof![Just(None), Just(Some("gzip"))],
    ) {
        let config = config(table());
        let context = context();
        let body = RequestBody { content_type, content_encoding, bytes: &bytes };
        let mut batch = harness::post_body(&config, &context, &body).unwrap();
        let delivered = deliver(&mut batch, all_accepted).unwrap();
        let answer = batch.settled().unwrap().response(VerdictMode::OnFailure);
        prop_assert!([200, 204, 400].contains(&answer.status));
        if answer.status == 400 {
            let [(_, columns)] = delivered.as_slice() else { panic!("kept once") };
            let kept = match (&columns["original"], &columns["original_base64"]) {
                (Value::String(text), Value::Null) => text.clone().into_bytes(),
                (_, base64) => base64_simd::STANDARD.decode_to_vec(base64.as_str().unwrap()).unwrap(),
            };
            prop_assert_eq!(kept, bytes);
        }
    }

    #[test]
    fn no_query_panics(query in any::<String>()) {
        let config = config(table());
        let context = context();
        let mut batch = harness::pixel(&config, &context, &query).unwrap();
        prop_assert_eq!(deliver(&mut batch, all_accepted).unwrap().len(), 1);
    }
}

/// The configuration of a tenant with a quota, and requests with its key.
fn with_quota() -> (Config, RequestContext) {
    let mut table = table();
    table["delivery"] = json!("sharded");
    table["keys"] = json!({"pk_a": {"tenant": "a", "quota": {"events_per_day": 5}}});
    let settings = RawConfig { shard: Binding::Present, ..harness::settings(table) };
    let context = RequestContext { write_key: Some("pk_a".to_owned()), ..context() };
    (Config::parse(settings).unwrap(), context)
}

#[test]
fn a_direct_delivery_keeps_the_first_events_within_the_quota() {
    let (config, context) = with_quota();
    let body = br#"[{"name":"a"},{"name":1},{"name":"b"},{"name":"c","level":"low"},{"name":"d"}]"#;
    for granted in 0..=5 {
        let mut batch = harness::post(&config, &context, None, body).unwrap();
        let records = batch.take_records();
        let within = batch.keep_within_quota(records, granted);
        assert_eq!(within.len() as u64, granted);
        for DestinationRecords { to, records, beacons } in by_destination(within) {
            let records = records.into_iter().map(|it| (it, RecordStatus::Delivered)).collect();
            let report = DeliveryReport { records, ..DeliveryReport::default() };
            batch.apply_direct_report(to.first(), &beacons, report).unwrap();
        }
        let settled = batch.settled().unwrap();
        assert_eq!(settled.counts().over_quota as u64, 5 - granted);
        let answer = settled.response(VerdictMode::OnFailure);
        assert_eq!(answer.status, 200);
        let verdicts = answer.body.unwrap();
        assert_eq!(verdicts.matches("\"outcome\":\"over_quota\"").count() as u64, 5 - granted);
    }
}

/// A failed event counts once, however many records it has, and a rejected record not again.
#[test]
fn each_beacon_takes_one_event_of_the_quota() {
    let (mut config, context) = with_quota();
    config.limits.max_beacon_bytes = 2_000_000;
    config.limits.max_body_bytes = 4_000_000;
    config.limits.max_inflated_bytes = 4_000_000;
    let body = format!(r#"[{{"name":1,"title":"{}"}},{{"name":"a"}}]"#, "x".repeat(1_500_000));
    let mut batch = harness::post(&config, &context, None, body.as_bytes()).unwrap();
    let records = batch.take_records();
    let uses = |records: &[PendingRecord<'_>]| {
        records.iter().map(|it| (it.beacon_index, it.item.quota_use)).collect::<Vec<_>>()
    };
    let all = uses(&records);
    let (first, last) = all.split_at(1);
    assert_eq!(first, [(0, QuotaUse::One)]);
    let (event, more) = last.split_last().unwrap();
    assert_eq!(*event, (1, QuotaUse::One));
    assert!(!more.is_empty() && more.iter().all(|it| *it == (0, QuotaUse::WithPrevious)));
    for DestinationRecords { to, records, beacons } in by_destination(records) {
        let status = |beacon| if beacon == 1 { rejected() } else { RecordStatus::Delivered };
        let records = records.into_iter().zip(&beacons).map(|(it, beacon)| (it, status(*beacon)));
        let report = DeliveryReport { records: records.collect(), ..DeliveryReport::default() };
        batch.apply_direct_report(to.first(), &beacons, report).unwrap();
    }
    assert_eq!(uses(&batch.take_records()), [(1, QuotaUse::Nothing)]);
}
