//! What the worst requests cost, in bytes that they allocate.

#[path = "harness/mod.rs"]
mod harness;
#[path = "harness/hostile.rs"]
mod hostile;

use std::sync::LazyLock;

use allocation_counter::{AllocationInfo, measure};
use harness::{config, gzip};
use headwater::config::Config;
use headwater::delivery::aggregate::{self, Aggregation, BILLED_UNIT};
use headwater::ingest::by_destination;
use headwater::ingest::error::{HttpError, IngestError};
use headwater::model::outcome::Outcome;
use headwater::model::request::RequestContext;
use headwater::model::violation::Code;
use headwater::pipeline::decode::body::RequestBody;
use hostile::HostileRequest;
use serde_json::{Value, json};

/// What a request costs.
struct Cost {
    row: HostileRequest,
    /// The bytes of its body, inflated.
    inflated: u64,
    allocated: AllocationInfo,
}

/// What each row costs.
static COSTS: LazyLock<Vec<Cost>> = LazyLock::new(|| {
    // Tables are loaded first.
    drop(verdicts(json!({}), r#"[{"name":"page_view"},{"name":7}]"#));
    hostile::all().into_iter().map(cost).collect()
});

fn configuration(row: &HostileRequest) -> Config {
    let mut table = json!({
        "delivery": "direct", "origins": ["*"], "failed_stream": "firehose:failed",
        "routes": [{"to": "firehose:events"}],
    });
    table.as_object_mut().unwrap().extend(row.config.clone());
    config(table)
}

/// Runs a request from its compressed body to its records, grouped by stream.
fn cost(row: HostileRequest) -> Cost {
    let config = configuration(&row);
    let context = RequestContext { user_agent: row.user_agent(), ..harness::context() };
    let (inflated, compressed) = (row.body().len(), gzip(row.body().as_bytes()));
    let body = RequestBody {
        content_type: row.content_type.as_deref(),
        content_encoding: Some("gzip"),
        bytes: &compressed,
    };
    let allocated = measure(|| {
        let batch = row.post(&body, &context, &config, &mut harness::ids(&context));
        drop(batch.map(|mut batch| by_destination(batch.take_records())));
    });
    Cost { inflated: inflated as u64, allocated, row }
}

/// The most bytes that a request may hold at a time, its records included, for each byte of its
/// inflated body.
const HELD: u64 = 8;

/// The most bytes that it may allocate in all, for each byte of its inflated body. A second pass
/// over a large value costs some five.
const ALLOCATED: u64 = 40;

/// What one beacon of few bytes may hold besides: `limits.max_beacon_values` of about a hundred
/// bytes each.
const OF_VALUES: u64 = 2 * 1_048_576;

/// What each beacon may hold besides: the columns of its record, a user agent of 1,024 bytes among
/// them.
const OF_RECORD: u64 = 3_072;

/// What each beacon may allocate besides: its repairs are listed, and copied, up to fifty times.
const OF_REPAIRS: u64 = 50_000;

#[test]
fn no_request_holds_more_than_eight_times_its_bytes() {
    for Cost { row, inflated, allocated } in &*COSTS {
        let limit = HELD * inflated + OF_VALUES + OF_RECORD * row.beacons as u64;
        let held = allocated.bytes_max;
        assert!(held <= limit, "{}: {held} bytes of {inflated}, limit {limit}", row.name);
    }
}

#[test]
fn no_request_allocates_more_than_a_share_of_its_bytes() {
    for Cost { row, inflated, allocated } in &*COSTS {
        let limit = ALLOCATED * inflated + 4 * OF_VALUES + OF_REPAIRS * row.beacons as u64;
        let total = allocated.bytes_total;
        assert!(total <= limit, "{}: {total} bytes of {inflated}, limit {limit}", row.name);
    }
}

#[test]
fn each_hostile_row_is_a_request_of_its_own() {
    let mut names: Vec<String> = hostile::all().into_iter().map(|row| row.name).collect();
    names.sort();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(hostile::all().iter().all(|row| row.body().len() <= 1_048_576));
}

/// Returns a beacon with an array of `items` items: so many values, and one.
fn beacon_of(items: usize) -> String {
    // Its bytes allow them all.
    format!(r#"{{"name":"a","props":{{"a":[{}]}}}}"#, vec!["0    "; items].join(","))
}

/// Posts `body`, and returns the code and the message of each beacon that failed.
fn verdicts(limits: Value, body: &str) -> Result<Vec<Option<(Code, String)>>, IngestError> {
    let config = config(json!({
        "delivery": "direct", "origins": ["*"], "failed_stream": "firehose:failed",
        "routes": [{"to": "firehose:events"}], "limits": limits,
    }));
    let batch = harness::post(&config, &harness::context(), None, body.as_bytes())?;
    let failed = |outcome: &Outcome| match outcome {
        Outcome::Failed(violation) => Some((violation.code, violation.message.clone())),
        _ => None,
    };
    Ok(batch.outcomes().iter().map(|(_, outcome)| failed(outcome)).collect())
}

fn too_complex(message: &str) -> Option<(Code, String)> {
    Some((Code::TooComplex, message.to_owned()))
}

#[test]
fn a_beacon_past_its_values_fails_alone() {
    // Each object with members counts as five values: the beacon and its props.
    let (fits, not) = (beacon_of(19_989), beacon_of(19_990));
    let small = r#"{"name":"a"}"#;
    let found = verdicts(json!({}), &format!("[{fits},{not},{small}]")).unwrap();
    assert_eq!(found, [None, too_complex("beacon has more than 20000 values"), None]);
    let found = verdicts(json!({"max_beacon_values": 30}), &beacon_of(20)).unwrap();
    assert_eq!(found, [too_complex("beacon has more than 30 values")]);
}

#[test]
fn each_beacon_past_the_values_of_its_request_fails() {
    let (large, small) = (beacon_of(19_989), r#"{"name":"a"}"#);
    let body = format!(r#"[{large},{large},{large},{small},{{"name":7}},{small}]"#);
    let found = verdicts(json!({"max_body_bytes": 1_048_576}), &body).unwrap();
    let past = too_complex("request has more than 50000 values");
    assert_eq!(found, [None, None, past.clone(), past.clone(), past.clone(), past]);
}

#[test]
fn each_beacon_past_the_values_that_its_bytes_allow_fails() {
    let dense = |items: usize, item: &str| {
        format!(r#"{{"name":"a","props":{{"a":[{}]}}}}"#, vec![item; items].join(","))
    };
    let past = too_complex("request has more values than its bytes allow");
    let of = |bodies: &[String]| verdicts(json!({}), &format!("[{}]", bodies.join(","))).unwrap();
    // Numbers have their own limit, whatever their bytes.
    assert_eq!(of(&[dense(19_000, "0"), dense(19_000, "0")]), [None, None]);
    // A text takes twice what a number takes, and one that may need a repair five times.
    let texts = || dense(15_000, r#""a""#);
    assert_eq!(of(&[texts(), texts()]), [None, past.clone()]);
    assert_eq!(of(&[dense(5_000, r#""@""#)]), [None]);
    let refused = |items, item| of(&[dense(items, item)]) == std::slice::from_ref(&past);
    assert!(refused(8_000, r#""@""#) && refused(12_000, r#""\n""#));
    // A text in an object that was encoded twice counts by its own bytes.
    let twice = |items: usize| json!({"name": "a", "props": dense(items, "0")}).to_string();
    let failed = |items| verdicts(json!({}), &twice(items)).unwrap()[0].is_some();
    assert_eq!((failed(300), failed(2_000)), (false, true));
}

/// Returns the bodies of clients with much to say.
fn dense_honest_bodies() -> Vec<(&'static str, Vec<Value>)> {
    let deltas: Vec<i64> = (0..300).map(|at| [1, 0, -1][at % 3]).collect();
    let pointer = json!({
        "name": "pointer", "id": "01a1fc4f-8bd0-7166-97ae-609800000001", "time": 1_795_000_000_000_u64,
        "session_id": "01a1fc4e-02b1-7d15-a377-08b1c5d2e6f4", "url": "https://shop.example/shoes/trail",
        "title": "Trail running shoes", "props": {"deltas": deltas, "kind": "mouse"},
    });
    let line = json!({
        "sku": "A-1", "name": "Shoe", "brand": "B", "price": 19.9, "quantity": 1, "size": "42", "color": "red",
        "tax": 0.2, "discount": 0, "gift": false, "list": "/sale", "position": 7,
    });
    let order = json!({"name": "cart", "props": {"lines": vec![line; 200]}});
    let position = json!({"x": 512, "y": 96, "id": 57, "timeOffset": -450});
    let replay = json!({
        "name": "replay", "props": {"type": 3, "data": {"source": 1, "positions": vec![position; 250]}},
    });
    let contact = json!({
        "name": "contact", "user_id": "u1", "time": "2026-11-30T12:00:00Z",
        "props": {"mail": "a@b.example", "path": "/a", "at": "12:30", "rate": "7%", "note": " a "},
    });
    let page_view = json!({
        "name": "page_view", "time": 1_795_000_000_000_u64, "url": "https://shop.example/a",
        "title": "A", "screen": "1x1", "viewport": "1x1", "seq": 1, "props": {"a": 1, "b": true},
    });
    let tags = json!({"name": "tags", "props": {"a": vec!["ab"; 60]}});
    vec![
        ("paths of a pointer", vec![pointer; 140]),
        ("orders of 200 lines", vec![order; 3]),
        ("a session replay", vec![replay; 20]),
        ("texts that look like personal data", vec![contact; 500]),
        ("page views", vec![page_view; 500]),
        ("lists of tags", vec![tags; 500]),
    ]
}

#[test]
fn no_honest_body_has_more_values_than_its_bytes_allow() {
    for (name, beacons) in dense_honest_bodies() {
        let body = Value::Array(beacons).to_string();
        let found = verdicts(json!({"max_body_bytes": 1_048_576}), &body).unwrap();
        assert!(found.iter().all(Option::is_none), "{name}: {found:?}");
    }
}

#[test]
fn records_past_the_limit_of_a_request_are_all_refused() {
    let body = format!("[{}]", [r#"{"name":"a"}"#; 10].join(","));
    assert_eq!(verdicts(json!({}), &body).unwrap(), vec![None; 10]);
    let refused = verdicts(json!({"max_record_bytes": 2_000}), &body).unwrap_err();
    assert_eq!((refused.status(), refused.code()), (413, "records_too_large"));
    assert_eq!(refused.to_string(), "beacons become records of more than 2000 bytes, the limit");
    assert_eq!(refused.retry_after_s(), None);
}

#[test]
fn a_user_agent_is_cut_by_bytes() {
    let config = config(json!({
        "delivery": "direct", "origins": ["*"], "failed_stream": "firehose:failed",
        "routes": [{"to": "firehose:events"}],
    }));
    for (agent, bytes) in [("😀".repeat(1_024), 1_024), (format!("a{}", "😀".repeat(300)), 1_021)]
    {
        let context = RequestContext { user_agent: Some(agent), ..harness::context() };
        let mut batch = harness::post(&config, &context, None, br#"{"name":"a"}"#).unwrap();
        let delivered = harness::deliver(&mut batch, harness::all_accepted).unwrap();
        let columns = harness::columns(&delivered[0].record);
        assert_eq!(columns["user_agent"].as_str().unwrap().len(), bytes);
    }
}

/// Firehose bills whole units, and each aggregated record may leave one of its ten nearly empty.
#[test]
fn no_request_is_billed_more_than_its_records() {
    let page_views: Vec<Value> = (0..500)
        .map(|index| json!({"name": "page_view", "metadata": {"tag": format!("t{index}")}}))
        .collect();
    let order = |index: usize| {
        let props = json!({"total": 1, "currency": "EUR", "order_id": format!("o{index}")});
        json!({"name": "order_placed", "props": props, "metadata": {"tag": format!("t{index}")}})
    };
    let orders: Vec<Value> = (0..500).map(order).collect();
    for body in [page_views, orders] {
        let config = config(json!({
            "delivery": "direct", "origins": ["*"], "failed_stream": "firehose:failed",
            "routes": [{"to": "firehose:events"}],
        }));
        let text = Value::Array(body).to_string();
        let body = RequestBody {
            content_type: Some("application/json"),
            content_encoding: None,
            bytes: text.as_bytes(),
        };
        let mut batch = harness::post_body(&config, &harness::context(), &body).unwrap();
        for group in by_destination(batch.take_records()) {
            let sizes: Vec<usize> =
                group.records.iter().map(|record| record.bytes().len()).collect();
            let bytes: usize = sizes.iter().sum();
            let groups = aggregate::groups(sizes.iter().copied(), Aggregation::default());
            let of_lines = |lines: &Vec<usize>| {
                let bytes: usize = lines.iter().map(|index| sizes[*index]).sum();
                bytes.next_multiple_of(BILLED_UNIT)
            };
            let billed: usize = groups.iter().map(of_lines).sum();
            assert!(billed <= bytes + bytes / 9 + BILLED_UNIT, "{}: {billed} of {bytes}", group.to);
        }
    }
}
