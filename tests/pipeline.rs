//! The recipe from a body to an answer, with deliveries that end as each test says.

use std::io::Write;
use std::net::IpAddr;

use chrono::DateTime;
use flate2::Compression;
use flate2::write::GzEncoder;
use headwater::config::{Config, RawConfig};
use headwater::delivery::health::DeliveryError;
use headwater::delivery::response::{AwsError as StreamRefusal, ErrorClass};
use headwater::delivery::stream_delivery::{DeliveryReport, RecordStatus};
use headwater::ingest;
use headwater::ingest::IngestBatch;
use headwater::ingest::error::{HttpError, IngestError};
use headwater::ingest::response::{IngestResponse, VerdictMode};
use headwater::model::consent::BrowserSignals;
use headwater::model::event::EventIdGenerator;
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

fn config() -> Config {
    config_of(table())
}

fn config_of(table: Value) -> Config {
    Config::parse(RawConfig {
        headwater: Some(table),
        region: Some("eu-west-1".to_owned()),
        access_key_id: Some("AKIDEXAMPLE".to_owned()),
        secret_access_key: Some("secret".to_owned()),
        ..RawConfig::default()
    })
    .unwrap()
}

fn context() -> RequestContext {
    RequestContext {
        received_at: DateTime::from_timestamp_millis(1_795_000_000_123).unwrap(),
        ip: Some(IpAddr::from([203, 0, 113, 77])),
        ..RequestContext::default()
    }
}

fn post<'a>(config: &'a Config, bytes: &[u8]) -> Result<IngestBatch<'a>, IngestError> {
    let body = RequestBody { content_type: None, content_encoding: None, bytes };
    let context = context();
    ingest::post(&body, &context, config, &mut EventIdGenerator::new(context.received_at, [1; 10]))
}

/// Ends every delivery of `plan` with the fate that `fate` gives each record, as the edge
/// does it; gives back what each stream took.
fn deliver(
    plan: &mut IngestBatch<'_>,
    fate: impl Fn(&str, &Value) -> RecordStatus,
) -> Result<Vec<(String, Value)>, IngestError> {
    let mut taken = Vec::new();
    for _ in 0..3 {
        for consignment in plan.take_consignments() {
            let stream = consignment.stream.to_string();
            let records: Vec<(Record, RecordStatus)> = consignment
                .records
                .into_iter()
                .map(|record| {
                    let columns = serde_json::from_slice(record.bytes()).unwrap();
                    let fate = fate(&stream, &columns);
                    if fate == RecordStatus::Delivered {
                        taken.push((stream.clone(), columns));
                    }
                    (record, fate)
                })
                .collect();
            let problem = records
                .iter()
                .any(|(_, fate)| *fate == RecordStatus::Pending)
                .then_some(DeliveryError::TimedOut);
            let report =
                DeliveryReport { records, problem, retry_after_s: 7, ..DeliveryReport::default() };
            plan.settle(&consignment.stream, &consignment.owners, report)?;
        }
    }
    assert!(plan.take_consignments().is_empty());
    Ok(taken)
}

fn all_accepted(_: &str, _: &Value) -> RecordStatus {
    RecordStatus::Delivered
}

fn poisoned() -> RecordStatus {
    let code = "InvalidArgumentException".to_owned();
    RecordStatus::Rejected(StreamRefusal {
        blame: ErrorClass::InvalidRecord,
        code,
        message: "arn:aws:secret".to_owned(),
    })
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
    let config = config();
    let body = br#"[{"name":"a","level":"low"},{"name":1},[],{"name":"b"},{"props":}]"#;
    let mut plan = post(&config, body).unwrap();
    assert_eq!(deliver(&mut plan, all_accepted).unwrap().len(), 1);
    assert_eq!(
        plan.answer(VerdictMode::OnFailure).status,
        400,
        "no item of broken JSON can be told apart"
    );
    let body =
        b"{\"name\":\"a\",\"level\":\"low\"}\n{\"name\":1}\n[]\n{\"name\":\"b\"}\n{\"props\":}";
    let mut plan = post(&config, body).unwrap();
    let taken = deliver(&mut plan, all_accepted).unwrap();
    let streams: Vec<&str> = taken.iter().map(|(stream, _)| stream.as_str()).collect();
    assert_eq!(
        streams,
        ["firehose:low", "firehose:failed", "firehose:failed", "firehose:failed", "firehose:rest"]
    );
    let answer = plan.answer(VerdictMode::OnFailure);
    assert_eq!(answer.status, 200);
    let told: Value = serde_json::from_str(&answer.body.unwrap()).unwrap();
    let outcomes: Vec<&str> = told["verdicts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|verdict| verdict["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["accepted", "failed", "failed", "accepted", "failed"]);
}

#[test]
fn answers_are_as_the_contract_says() {
    let config = config();
    let answer = |body: &[u8], telling| {
        let mut plan = post(&config, body).unwrap();
        deliver(&mut plan, all_accepted).unwrap();
        shown(&plan.answer(telling))
    };
    let accepted = br#"{"name":"a","id":"01939b70-6d2a-7c3e-8f00-000000000001"}"#;
    assert_snapshot!(answer(accepted, VerdictMode::OnFailure), @"204 None -");
    assert_snapshot!(answer(b"[]", VerdictMode::OnFailure), @"204 None -");
    assert_snapshot!(answer(accepted, VerdictMode::Always), @r#"200 None {"verdicts":[{"index":0,"event_id":"01939b70-6d2a-7c3e-8f00-000000000001","outcome":"accepted","schema":null}]}"#);
    assert_snapshot!(answer(br#"{"name":"a","seq":-1,"x":1}"#, VerdictMode::OnFailure), @r#"200 None {"verdicts":[{"index":0,"event_id":"01a1ee56-5e7b-7101-8101-010101010101","outcome":"failed","code":"out_of_range","pointer":"/seq","message":"seq must be an integer from 0 to 9007199254740991"}]}"#);
    assert_snapshot!(answer(b"{", VerdictMode::OnFailure), @r#"400 None {"code":"bad_json","pointer":"","message":"body is not JSON: EOF while parsing an object at line 1 column 1","event_id":"01a1ee56-5e7b-7101-8101-010101010101"}"#);
}

#[test]
fn what_is_not_durable_is_not_answered_as_a_success() {
    let config = config();
    for pending in ["firehose:low", "firehose:rest", "firehose:failed"] {
        let mut plan =
            post(&config, b"[{\"name\":\"a\",\"level\":\"low\"},{\"name\":\"b\"},{}]").unwrap();
        let fate = |stream: &str, _: &Value| {
            if stream == pending { RecordStatus::Pending } else { RecordStatus::Delivered }
        };
        let refusal = deliver(&mut plan, fate).unwrap_err();
        let answer = shown(&IngestResponse::of_error(&refusal, None));
        let expected = format!(
            r#"503 Some(7) {{"code":"not_durable","message":"{pending} did not take every record (timed_out); send again"}}"#
        );
        assert_eq!(answer, expected);
    }
}

#[test]
fn a_record_that_its_stream_refuses_for_itself_is_kept_as_a_failed_event() {
    let config = config();
    let mut plan = post(&config, b"[{\"name\":\"a\"},{\"name\":\"b\"}]").unwrap();
    let fate = |stream: &str, columns: &Value| match stream {
        "firehose:rest" if columns["name"] == "a" => poisoned(),
        _ => RecordStatus::Delivered,
    };
    let taken = deliver(&mut plan, fate).unwrap();
    let [(good, event), (failed, kept)] = taken.as_slice() else { panic!("{taken:?}") };
    assert_eq!((good.as_str(), event["name"].as_str()), ("firehose:rest", Some("b")));
    assert_eq!(
        (failed.as_str(), &kept["stage"], &kept["code"]),
        ("firehose:failed", &json!("delivery"), &json!("refused_by_stream"))
    );
    assert_eq!(kept["original_format"], "record");
    let record: Value = serde_json::from_str(kept["original"].as_str().unwrap()).unwrap();
    assert_eq!((record["name"].as_str(), &record["event_id"]), (Some("a"), &kept["event_id"]));
    assert!(!kept.to_string().contains("arn:"), "the service's own words may tell of the account");
    let told: Value =
        serde_json::from_str(&plan.answer(VerdictMode::OnFailure).body.unwrap()).unwrap();
    assert_eq!(told["verdicts"][0]["outcome"], "failed");
    assert_eq!(told["verdicts"][0]["event_id"], kept["event_id"]);
    assert_eq!(told["verdicts"][1]["outcome"], "accepted");
}

#[test]
fn a_record_that_its_stream_refuses_stays_without_what_was_left_out() {
    let config = config();
    let context = RequestContext {
        signals: BrowserSignals { gpc: true, dnt: false },
        user_agent: Some("Mozilla/5.0 (secretive)".to_owned()),
        ..context()
    };
    let text =
        br#"{"device_id":"secret-envelope","events":[{"name":"a","device_id":"secret-device"}]}"#;
    let body = RequestBody { content_type: None, content_encoding: None, bytes: text };
    let mut ids = EventIdGenerator::new(context.received_at, [1; 10]);
    let mut plan = ingest::post(&body, &context, &config, &mut ids).unwrap();
    let fate = |stream: &str, _: &Value| match stream {
        "firehose:failed" => RecordStatus::Delivered,
        _ => poisoned(),
    };
    let taken = deliver(&mut plan, fate).unwrap();
    let [(_, kept)] = taken.as_slice() else { panic!("{taken:?}") };
    assert_eq!((&kept["stage"], &kept["identifiers_removed"]), (&json!("delivery"), &json!("gpc")));
    let text = kept.to_string();
    assert!(!text.contains("secret") && !text.contains("203.0.113"), "{text}");
}

#[test]
fn a_members_name_is_scrubbed_in_its_violation() {
    let mut table = table();
    table["scrub"] = json!(["emails"]);
    let config = config_of(table);
    let mut plan = post(&config, br#"{"name":"a","anna@mail.example":1}"#).unwrap();
    let taken = deliver(&mut plan, all_accepted).unwrap();
    let [(_, kept)] = taken.as_slice() else { panic!("{taken:?}") };
    assert_eq!(kept["pointer"], "/[email]");
    let told = plan.answer(VerdictMode::Always).body.unwrap();
    assert!(!told.contains("anna@"), "{told}");
}

#[test]
fn a_failed_event_that_its_stream_refuses_is_not_durable() {
    let config = config();
    let mut plan = post(&config, b"{}").unwrap();
    let refusal = deliver(&mut plan, |_, _| poisoned()).unwrap_err();
    assert_eq!(refusal.status(), 503);
}

#[test]
fn what_the_limits_refuse_is_not_kept() {
    let config = config();
    let many = format!("[{}1]", "1,".repeat(10_000));
    for (body, status, message) in [
        (many.as_bytes(), 413, "body has 10001 beacons, limit 500"),
        (&[b' '; 256_001], 413, "body has more than 256000 bytes, the limit as sent"),
    ] {
        let refusal = post(&config, body).unwrap_err();
        assert_eq!((refusal.status(), refusal.to_string().as_str()), (status, message));
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Values that beacons may and may not hold.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!("high")),
        Just(json!("01939b70-6d2a-7c3e-8f00-000000000001")),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map(any::<String>(), inner, 0..4)
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
        any::<String>(),
    ];
    let fields = proptest::collection::hash_map(field, value(), 0..6);
    (fields, any::<bool>()).prop_map(|(mut fields, named)| {
        if named {
            fields.insert("name".to_owned(), json!("page_view"));
        }
        Value::Object(fields.into_iter().collect())
    })
}

proptest! {
    #[test]
    fn every_beacon_has_one_verdict_and_one_record(
        beacons in proptest::collection::vec(prop_oneof![9 => beacon(), 1 => value()], 0..20),
        form in 0..4,
    ) {
        let config = config();
        let lines: Vec<String> = beacons.iter().map(Value::to_string).collect();
        let bytes = match form {
            0 => Value::from(beacons.clone()).to_string().into_bytes(),
            1 => json!({"device_id": "d", "events": beacons}).to_string().into_bytes(),
            2 => gzip(Value::from(beacons.clone()).to_string().as_bytes()),
            _ => lines.join("\n").into_bytes(),
        };
        let body = RequestBody {
            content_type: (form == 3).then_some("application/x-ndjson"),
            content_encoding: None,
            bytes: &bytes,
        };
        let context = context();
        let mut plan =
            ingest::post(&body, &context, &config, &mut EventIdGenerator::new(context.received_at, [1; 10])).unwrap();
        let taken = deliver(&mut plan, all_accepted).unwrap();
        let answer = plan.answer(VerdictMode::Always);
        let told: Value = serde_json::from_str(&answer.body.unwrap()).unwrap();
        let verdicts = told["verdicts"].as_array().unwrap();
        prop_assert_eq!(verdicts.len(), beacons.len());
        prop_assert_eq!(taken.len(), beacons.len());
        for (index, (verdict, beacon)) in verdicts.iter().zip(&beacons).enumerate() {
            prop_assert_eq!(&verdict["index"], &json!(index));
            let mine: Vec<_> = taken.iter().filter(|(_, columns)| {
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
    fn no_bytes_panic_and_what_is_undecodable_is_kept_to_the_byte(
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            "[\\[\\]{}\",:a-c0-9 \\n]{0,60}".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..60).prop_map(|bytes| gzip(&bytes)),
        ],
        content_type in prop_oneof![Just(None), Just(Some("application/x-ndjson")), Just(Some("text/plain"))],
        content_encoding in prop_oneof![Just(None), Just(Some("gzip"))],
    ) {
        let config = config();
        let context = context();
        let body = RequestBody { content_type, content_encoding, bytes: &bytes };
        let mut plan =
            ingest::post(&body, &context, &config, &mut EventIdGenerator::new(context.received_at, [1; 10])).unwrap();
        let taken = deliver(&mut plan, all_accepted).unwrap();
        let answer = plan.answer(VerdictMode::OnFailure);
        prop_assert!([200, 204, 400].contains(&answer.status));
        if answer.status == 400 {
            let [(_, columns)] = taken.as_slice() else { panic!("kept once") };
            let kept = match (&columns["original"], &columns["original_base64"]) {
                (Value::String(text), Value::Null) => text.clone().into_bytes(),
                (_, base64) => base64_simd::STANDARD.decode_to_vec(base64.as_str().unwrap()).unwrap(),
            };
            prop_assert_eq!(kept, bytes);
        }
    }

    #[test]
    fn no_query_panics(query in any::<String>()) {
        let config = config();
        let context = context();
        let mut ids = EventIdGenerator::new(context.received_at, [1; 10]);
        let mut plan = ingest::pixel(&query, &context, &config, &mut ids).unwrap();
        prop_assert_eq!(deliver(&mut plan, all_accepted).unwrap().len(), 1);
    }
}
