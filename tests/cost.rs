//! What the worst requests cost, in bytes that they allocate.

#[path = "harness/mod.rs"]
mod harness;
#[path = "harness/hostile.rs"]
mod hostile;

use allocation_counter::{AllocationInfo, measure};
use harness::{config, gzip};
use headwater::config::Config;
use headwater::ingest::by_stream;
use headwater::model::request::RequestContext;
use headwater::pipeline::decode::body::RequestBody;
use hostile::HostileRequest;
use serde_json::json;

/// What a request costs.
struct Cost {
    /// The bytes of its body, inflated.
    inflated: usize,
    allocated: AllocationInfo,
}

fn configuration(row: &HostileRequest) -> Config {
    let mut table = json!({
        "delivery": "direct", "origins": ["*"], "failed_stream": "firehose:failed",
        "routes": [{"to": "firehose:events"}],
    });
    table.as_object_mut().unwrap().extend(row.config.clone());
    config(table)
}

/// Runs a request from its compressed body to its records, grouped by stream.
fn cost(row: &HostileRequest) -> Cost {
    let config = configuration(row);
    let context = RequestContext { user_agent: row.user_agent(), ..harness::context() };
    let (inflated, compressed) = (row.body().len(), gzip(row.body().as_bytes()));
    let body = RequestBody {
        content_type: row.content_type.as_deref(),
        content_encoding: Some("gzip"),
        bytes: &compressed,
    };
    let run = || {
        let batch = harness::post_body(&config, &context, &body);
        drop(batch.map(|mut batch| by_stream(batch.take_records())));
    };
    // Tables are loaded first.
    run();
    Cost { inflated, allocated: measure(run) }
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

/// Checks that `allocated` is at most `each` for each byte of the body, and `besides` for what the
/// limits allow to few bytes.
fn assert_within(row: &HostileRequest, inflated: usize, allocated: u64, each: u64, besides: u64) {
    let limit = inflated as u64 * each + besides;
    assert!(allocated <= limit, "{}: {allocated} bytes of {inflated}, limit {limit}", row.name);
}

#[test]
fn no_request_holds_more_than_eight_times_its_bytes() {
    for row in hostile::all() {
        let Cost { inflated, allocated } = cost(&row);
        let besides = OF_VALUES + OF_RECORD * row.beacons as u64;
        assert_within(&row, inflated, allocated.bytes_max, HELD, besides);
    }
}

#[test]
fn no_request_allocates_more_than_a_share_of_its_bytes() {
    for row in hostile::all() {
        let Cost { inflated, allocated } = cost(&row);
        let besides = 4 * OF_VALUES + OF_REPAIRS * row.beacons as u64;
        assert_within(&row, inflated, allocated.bytes_total, ALLOCATED, besides);
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
