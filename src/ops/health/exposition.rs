//! The answer of `/_/metrics`: what the answer of `/readyz` says, in the text format of Prometheus.
//!
//! A metric is a key of that answer. Only shards have counters, because each is one object. An isolate
//! counts only its own requests, and each question may find another one. The number of lines is
//! bounded by the configuration: no label has a tenant, a device or a word of AWS's.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>

use serde_json::value::RawValue;

use super::Readiness;
use super::format::Timestamp;
use crate::base::json::JsonFields;
use crate::base::json::from_json::{FromJson, fields};
use crate::shard::record_counts::RecordCounts;

/// The media type of the format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Gauges of an object, a line each: the name without its prefix, the key of the value, the value if
/// the key is absent, and the help. With `-` there is no sample of an object without the key.
type Gauges = &'static str;

const OF_VERSION: Gauges = "build_info - 1 The version of this worker";

const OF_WORKER: Gauges = "ready ready - Whether there is nothing to fix
config_warnings warnings 0 Mistakes that turn off a part
tenants tenants - Tenants of the configuration
over_quota_tenants over_quota 0 Tenants over their quotas";

const OF_SHARD: Gauges = "shard_up problem 1 Whether the shard answered
shard_buffer_bytes buffer_bytes - Records in memory
shard_devices devices - Devices in memory
shard_seen_ids seen - Event ids in the dedup window
shard_full_tenants full_tenants - Tenants with their share of the spill
shard_unreadable_rows unreadable - Rows that this version can't read";

const OF_ROOM: Gauges = "shard_spill_used_bytes used_bytes - Records in the spill
shard_spill_limit_bytes limit_bytes - HEADWATER.spill.max_bytes
shard_spill_full_timestamp_seconds full_at - When a full spill rejected records";

const OF_SPILL: Gauges = "spill_records records - Records that wait for delivery
spill_bytes bytes - Records that wait for delivery
spill_oldest_age_seconds oldest_age_s - The oldest record that waits
quarantined_records quarantined - Records that no retry can deliver";

const OF_STREAM: Gauges = "stream_failing state - Whether the last call failed
stream_needs_operator operator 0 Whether an operator has to act
stream_breaker_open paused - Whether the calls are paused
stream_failing_since_timestamp_seconds failing_since - When it began to fail
stream_last_success_timestamp_seconds last_success_at - When it accepted records";

const RECORDS: &str = "shard_records_total";

/// A label, and the key of its value.
type Label = (&'static str, &'static str);

const VERSION: &[Label] = &[("version", "headwater"), ("deployment", "id")];
const SHARD: &[Label] = &[("shard", "shard"), ("jurisdiction", "jurisdiction")];
const STREAM: &[Label] = &[("stream", "stream")];

/// Objects of the answer, each with its labels.
type Labelled<'a> = Vec<(String, JsonFields<'a>)>;

impl Readiness {
    /// Writes the metrics.
    pub fn exposition(&self) -> String {
        let answer = serde_json::to_string(self).unwrap_or_default();
        exposition(&answer).unwrap_or_default()
    }
}

/// Writes the metrics of an answer; `None` if it is none.
#[inline(never)]
fn exposition(answer: &str) -> Option<String> {
    let worker: JsonFields<'_> = serde_json::from_str(answer).ok()?;
    let [mut versions, mut shards, mut rooms, mut records, mut spills, mut streams] =
        <[Labelled<'_>; 6]>::default();
    add(&mut versions, worker.get("version"), "", VERSION);
    add(&mut shards, worker.get("shards"), "", SHARD);
    if shards.is_empty() {
        // With shards, these call the streams. The next request may find another isolate.
        add(&mut streams, worker.get("streams"), "", STREAM);
    }
    for (labels, shard) in &shards {
        for (part, key, keys) in [
            (&mut rooms, "room", &[][..]),
            (&mut records, "records", &[]),
            (&mut spills, "spill", STREAM),
            (&mut streams, "streams", STREAM),
        ] {
            add(part, shard.get(key), labels, keys);
        }
    }
    let mut text = String::new();
    for (gauges, objects) in [
        (OF_VERSION, &versions),
        (OF_WORKER, &vec![(String::new(), worker)]),
        (OF_SHARD, &shards),
        (OF_ROOM, &rooms),
        (OF_SPILL, &spills),
        (OF_STREAM, &streams),
    ] {
        for gauge in gauges.lines() {
            let mut words = gauge.splitn(4, ' ');
            let (name, key, absent) = (words.next()?, words.next()?, words.next()?);
            family(&mut text, name, "gauge", words.next()?);
            for (labels, object) in objects {
                match object.get(key).map(number) {
                    Some(value) => sample(&mut text, name, labels, &value),
                    None if absent != "-" => sample(&mut text, name, labels, absent),
                    None => {}
                }
            }
        }
    }
    family(&mut text, RECORDS, "counter", "Records by result");
    for (labels, counts) in &records {
        for result in RecordCounts::NAMES {
            let labels = [labels, ",result=\"", result, "\""].concat();
            sample(&mut text, RECORDS, &labels, counts.get(result)?.get());
        }
    }
    Some(text)
}

/// Adds an object, or those of a list, with the labels `outer` and those of their own `keys`. A name
/// of a stream, a version and a number need no escape.
#[inline(never)]
fn add<'a>(objects: &mut Labelled<'a>, json: Option<&'a RawValue>, outer: &str, keys: &[Label]) {
    let Some(json) = json else { return };
    for item in list(json).unwrap_or_else(|| vec![json]) {
        let Some(object) = fields(item) else { continue };
        let mut labels = outer.to_owned();
        for (label, key) in keys {
            let Some(value) = object.get(key) else { continue };
            let comma = if labels.is_empty() { "" } else { "," };
            write(&mut labels, &[comma, label, "=\"", &value.get().replace('"', ""), "\""]);
        }
        objects.push((labels, object));
    }
}

fn list(json: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(json.get()).ok()
}

/// The value of a key: a number, the seconds of a time, or the length of a list. A flag that is set
/// and the state of a failing stream are 1; another text is 0.
fn number(value: &RawValue) -> String {
    let text = value.get();
    let number = match text {
        "true" | "\"failing\"" => 1,
        "false" => 0,
        _ if text.starts_with('"') => Timestamp::from_json(value).map_or(0, |at| at.0 / 1_000),
        _ => match list(value) {
            None => return text.to_owned(),
            Some(items) => items.len() as u64,
        },
    };
    number.to_string()
}

/// Begins a metric, whose samples have to follow.
fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    let type_of = ".\n# TYPE headwater_";
    write(text, &["# HELP headwater_", name, " ", help, type_of, name, " ", kind, "\n"]);
}

fn sample(text: &mut String, name: &str, labels: &str, value: &str) {
    let [open, close] = if labels.is_empty() { ["", ""] } else { ["{", "}"] };
    write(text, &["headwater_", name, open, labels, close, " ", value, "\n"]);
}

fn write(text: &mut String, parts: &[&str]) {
    parts.iter().for_each(|part| text.push_str(part));
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::format::Timestamp;
    use super::super::shard::ShardView;
    use super::super::shard::tests::{depth, status, view};
    use super::super::stream::StreamState;
    use super::super::{ConfiguredParts, WorkerInfo, WorkerVersion};
    use super::*;
    use crate::config::Config;
    use crate::config::tests::settings;
    use crate::delivery::health::{DeliveryError, StreamHealth};
    use crate::model::stream::Stream;
    use crate::shard::record_counts::RecordResult;

    fn worker() -> WorkerInfo {
        WorkerInfo {
            now: Timestamp(1_795_317_969_000),
            version: WorkerVersion {
                headwater: "1.2.3",
                id: Some("7f3a".to_owned()),
                uploaded_at: None,
            },
            configured: ConfiguredParts {
                shard: true,
                metrics: false,
                assets: false,
                aws_session_token: false,
                headwater_hash_secret: false,
                headwater_operator_key: true,
                headwater_operator_keys: false,
                headwater_inspect_token: false,
            },
        }
    }

    fn failing() -> StreamState {
        let last_success_at = Some(1_795_317_000_999);
        let mut health = StreamHealth { last_success_at, ..StreamHealth::default() };
        health.record_failure(DeliveryError::TimedOut, 1_795_317_900_500);
        StreamState::of(&Stream::parse("firehose:events").unwrap(), &health)
    }

    #[test]
    fn shards_and_their_streams_are_metrics() {
        let mut of_shard = status(vec![depth(3, 250_500, 61_001)]);
        (0..7).for_each(|_| of_shard.records.add(RecordResult::Delivered));
        (0..3).for_each(|_| of_shard.records.add(RecordResult::Spilled));
        let silent = ShardView::of(1.into(), Err("no answer".to_owned()));
        let shards = vec![view(0, of_shard, vec![failing()]), silent];
        let config = Config::parse(settings()).unwrap();
        let readiness = Readiness::of(&config, vec![failing()], shards, None, worker());
        let samples: Vec<String> = readiness
            .exposition()
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(str::to_owned)
            .collect();
        assert_snapshot!(samples.join("\n"), @r#"
        headwater_build_info{version="1.2.3",deployment="7f3a"} 1
        headwater_ready 0
        headwater_config_warnings 0
        headwater_tenants 1
        headwater_over_quota_tenants 0
        headwater_shard_up{shard="0"} 1
        headwater_shard_up{shard="1"} 0
        headwater_shard_buffer_bytes{shard="0"} 0
        headwater_shard_devices{shard="0"} 1
        headwater_shard_seen_ids{shard="0"} 2
        headwater_shard_unreadable_rows{shard="0"} 0
        headwater_shard_spill_used_bytes{shard="0"} 250500
        headwater_shard_spill_limit_bytes{shard="0"} 1000000
        headwater_spill_records{shard="0",stream="firehose:events"} 3
        headwater_spill_bytes{shard="0",stream="firehose:events"} 250500
        headwater_spill_oldest_age_seconds{shard="0",stream="firehose:events"} 62
        headwater_quarantined_records{shard="0",stream="firehose:events"} 0
        headwater_stream_failing{shard="0",stream="firehose:events"} 1
        headwater_stream_needs_operator{shard="0",stream="firehose:events"} 0
        headwater_stream_breaker_open{shard="0",stream="firehose:events"} 0
        headwater_stream_failing_since_timestamp_seconds{shard="0",stream="firehose:events"} 1795317900
        headwater_stream_last_success_timestamp_seconds{shard="0",stream="firehose:events"} 1795317000
        headwater_shard_records_total{shard="0",result="delivered"} 7
        headwater_shard_records_total{shard="0",result="spilled"} 3
        headwater_shard_records_total{shard="0",result="duplicate"} 0
        headwater_shard_records_total{shard="0",result="over_quota"} 0
        headwater_shard_records_total{shard="0",result="rejected"} 0
        headwater_shard_records_total{shard="0",result="not_durable"} 0
        headwater_shard_records_total{shard="0",result="not_admitted"} 0
        "#);
    }
}
