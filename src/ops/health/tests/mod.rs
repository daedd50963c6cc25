//! Every sentence; [`advice`] and [`answer`] test the rest.

mod advice;
mod answer;

use serde_json::json;

use super::cause::tests::refused;
use super::shard::ShardView;
use super::shard::tests::{depth, status, view};
use super::*;
use crate::base::clock::Milliseconds;
use crate::config::tests::settings;
use crate::config::{Binding, RawConfig};
use crate::delivery::health::{DeliveryError, StreamHealth};
use crate::model::stream::Stream;
use crate::shard::spill::BacklogStats;

/// 2026-11-22T03:26:09Z.
const NOW: Milliseconds = 1_795_317_969_000;
const MINUTE: Milliseconds = 60_000;

fn stream(name: &str) -> Stream {
    Stream::parse(&format!("firehose:{name}")).unwrap()
}

/// A stream that was not called yet.
fn unknown(name: &str) -> StreamState {
    StreamState::of(&stream(name), &StreamHealth::default())
}

/// A stream that accepts records.
fn good(name: &str) -> StreamState {
    let health = StreamHealth { last_success_at: Some(NOW), ..StreamHealth::default() };
    StreamState::of(&stream(name), &health)
}

/// A stream that has failed for that many minutes, up to now.
fn failing(name: &str, problem: DeliveryError, minutes: u64) -> StreamState {
    let mut health = StreamHealth::default();
    health.record_failure(problem.clone(), NOW - minutes * MINUTE);
    health.record_failure(problem, NOW);
    StreamState::of(&stream(name), &health)
}

fn worker() -> WorkerInfo {
    WorkerInfo {
        now: Timestamp(NOW),
        version: WorkerVersion::of(Some("7f3a".to_owned()), None),
        configured: ConfiguredParts {
            shard: true,
            metrics: false,
            assets: true,
            aws_session_token: false,
            headwater_hash_secret: true,
            headwater_operator_key: false,
            headwater_operator_keys: false,
            headwater_inspect_token: false,
        },
    }
}

fn config(delivery: &str) -> Config {
    let mut settings = RawConfig { shard: Binding::Present, ..settings() };
    settings.headwater.as_mut().unwrap()["delivery"] = json!(delivery);
    Config::parse(settings).unwrap()
}

fn direct(streams: Vec<StreamState>) -> Readiness {
    Readiness::of(&config("direct"), streams, Vec::new(), None, worker())
}

fn sharded(streams: Vec<StreamState>, shards: Vec<ShardView>) -> Readiness {
    Readiness::of(&config("sharded"), streams, shards, None, worker())
}

/// Shards with these spills, whose isolates have called no stream.
fn shards(spills: Vec<Vec<BacklogStats>>) -> Vec<ShardView> {
    let shards = spills.into_iter().zip(0..);
    shards.map(|(spill, number)| view(number, status(spill), Vec::new())).collect()
}

fn silent(shard: u32) -> ShardView {
    ShardView::of(shard.into(), Err("no answer in time".to_owned()))
}

fn denied() -> DeliveryError {
    refused(400, "AccessDeniedException")
}

fn throttled() -> DeliveryError {
    refused(400, "ThrottlingException")
}

#[test]
fn one_sentence_says_it_all() {
    let minutes = |minutes: u64| minutes * MINUTE;
    let quarantined =
        BacklogStats { quarantined: 2, ..BacklogStats::none(stream("events-failed")) };
    let draining =
        BacklogStats { last_drained_at: Some(NOW - 2_000), ..depth(300, 900, minutes(14)) };
    let full = || {
        let mut full = status(vec![depth(9, 999_999, minutes(30))]);
        full.fill.full_since = Some(NOW - 1_000);
        view(0, full, Vec::new())
    };
    let unreadable = || {
        let mut status = status(Vec::new());
        status.unreadable = 1;
        view(0, status, Vec::new())
    };
    let cases = [
        (direct(vec![good("a"), good("b")]), 200, "ready: 2 streams"),
        (direct(vec![unknown("a"), good("b")]), 200, "ready: 2 streams, 1 of them not tried yet"),
        (
            direct(vec![failing("a", throttled(), 2), good("b")]),
            200,
            "ready, but firehose:a throttles since 03:24:09 (ThrottlingException); what it does not take is answered 503, and clients keep it",
        ),
        (
            direct(vec![failing("a", denied(), 2), good("b")]),
            503,
            "not ready: firehose:a denies the worker's user access since 03:24:09 (AccessDeniedException); what it does not take is answered 503, and clients keep it",
        ),
        (
            sharded(vec![unknown("a"), unknown("b")], shards(vec![vec![], vec![]])),
            200,
            "ready: 2 streams, none tried yet, nothing waits",
        ),
        (
            sharded(vec![unknown("a")], vec![view(0, status(vec![]), vec![good("a")])]),
            200,
            "ready: 1 stream, nothing waits",
        ),
        (
            sharded(
                vec![failing("a", refused(403, "UnrecognizedClientException"), 14), good("b")],
                shards(vec![
                    vec![depth(12_000, 24_000, minutes(14))],
                    vec![],
                    vec![depth(408, 800, minutes(2))],
                ]),
            ),
            503,
            "not ready: firehose:a refuses the worker's credentials since 03:12:09 (UnrecognizedClientException); 12,408 records wait in 2 shards for firehose:events, the oldest for 14 min; room for about 9 hours more",
        ),
        (
            sharded(
                vec![failing("a", DeliveryError::TimedOut, 300)],
                shards(vec![vec![depth(1, 600_000, 10)]]),
            ),
            200,
            "ready, but firehose:a does not answer in time since 2026-11-21 22:26:09 (timed_out); 1 record waits in 1 shard for firehose:events, the oldest for 1 s; the fullest spill is 60 % full",
        ),
        (
            sharded(
                vec![
                    failing("a", throttled(), 9),
                    failing("b", denied(), 1),
                    failing("c", denied(), 2),
                ],
                shards(vec![vec![]]),
            ),
            503,
            "not ready: firehose:c denies the worker's user access since 03:24:09 (AccessDeniedException), the same with 1 more stream; other trouble with 1 more stream; nothing waits",
        ),
        (
            sharded(vec![good("a")], shards(vec![vec![draining]])),
            200,
            "ready: 1 stream; 300 records wait in 1 shard for firehose:events, the oldest for 14 min; the last left at 03:26:07",
        ),
        (
            sharded(
                vec![good("a")],
                vec![silent(0), view(1, status(vec![depth(2, 9, 9)]), vec![])],
            ),
            503,
            "not ready: shard 0 does not answer, so that what waits there is not known; 2 records wait in 1 shard for firehose:events, the oldest for 1 s",
        ),
        (
            sharded(vec![good("a")], vec![silent(0), silent(1)]),
            503,
            "not ready: shards 0 and 1 do not answer, so that what waits there is not known",
        ),
        (
            sharded(vec![good("a")], vec![silent(0), silent(1), silent(2)]),
            503,
            "not ready: 3 shards do not answer, so that what waits there is not known",
        ),
        (
            sharded(vec![failing("a", throttled(), 30)], vec![full()]),
            503,
            "not ready: firehose:a throttles since 02:56:09 (ThrottlingException); there is no room in the spill of shard 0; 9 records wait in 1 shard for firehose:events, the oldest for 30 min; the fullest spill is 99 % full",
        ),
        (
            sharded(vec![good("a")], shards(vec![vec![quarantined]])),
            200,
            "ready: 1 stream, nothing waits; 2 records quarantined",
        ),
        (
            sharded(vec![good("a")], vec![unreadable()]),
            200,
            "ready: 1 stream, nothing waits; 1 row unreadable to this version",
        ),
        (
            Readiness::misconfigured(vec!["AWS_REGION is missing".to_owned()], worker()),
            503,
            "not ready: AWS_REGION is missing",
        ),
        (
            Readiness::misconfigured(
                vec!["A is missing".to_owned(), "B".to_owned(), "C".to_owned()],
                worker(),
            ),
            503,
            "not ready: A is missing; and 2 more mistakes in the configuration",
        ),
    ];
    for (readiness, status, summary) in cases {
        assert_eq!((readiness.summary.as_str(), readiness.status()), (summary, status));
    }
}

#[test]
fn an_old_view_says_how_old_it_is() {
    let mut health = StreamHealth::default();
    health.record_failure(denied(), NOW - 61 * MINUTE);
    let stale = StreamState::of(&stream("a"), &health);
    assert!(
        direct(vec![stale])
            .summary
            .contains("since 02:25:09 (AccessDeniedException), last tried 61 min ago;")
    );
}

#[test]
fn the_worst_and_oldest_view_of_a_stream_is_reported() {
    let seen = |problem: DeliveryError, minutes| vec![failing("a", problem, minutes)];
    for (isolate, shard, said) in [
        (unknown("a"), seen(throttled(), 2), "throttles since 03:24:09"),
        (good("a"), seen(throttled(), 2), "throttles since 03:24:09"),
        (failing("a", throttled(), 5), seen(throttled(), 2), "throttles since 03:21:09"),
        (failing("a", throttled(), 2), seen(throttled(), 5), "throttles since 03:21:09"),
        (failing("a", throttled(), 5), seen(denied(), 2), "access since 03:24:09"),
        (failing("a", denied(), 2), seen(throttled(), 5), "access since 03:24:09"),
    ] {
        let Readiness { summary, .. } =
            sharded(vec![isolate], vec![view(0, status(vec![]), shard)]);
        assert!(summary.contains(said), "{summary}");
    }
}

#[test]
fn records_of_a_stream_that_no_route_names_make_it_not_ready() {
    let lost = |name, records, minutes| BacklogStats {
        stream: stream(name),
        problem: None,
        ..depth(records, 900, minutes * MINUTE)
    };
    let one = sharded(
        vec![good("events")],
        shards(vec![vec![lost("mdi", 3, 21)], vec![lost("mdi", 1, 2)]]),
    );
    assert_eq!(
        one.summary,
        "not ready: 4 records wait for firehose:mdi, which no route names; 4 records wait in 2 shards for firehose:mdi, the oldest for 21 min; room for about 37 hours more"
    );
    assert_eq!((one.status(), one.owner), (503, Some(Owner::Operator)));
    let [actions] = one.actions.as_slice() else { panic!("{:?}", one.actions) };
    for part in [
        "firehose:mdi: no route names it, and 4 records wait for it, the oldest for 21 min: ",
        "HEADWATER.renamed_streams = { \"firehose:mdi\" = \"firehose:NEW\" }",
        "scripts/export-quarantine DIR --worker https://YOUR_WORKER --stream firehose:mdi",
    ] {
        assert!(actions.contains(part), "{actions}");
    }
    let several = sharded(
        vec![failing("events", throttled(), 3)],
        shards(vec![vec![
            lost("a", 1, 1),
            lost("b", 2, 2),
            depth(5, 900, 3 * MINUTE),
            lost("c", 1, 1),
        ]]),
    );
    assert_eq!(
        several.summary,
        "not ready: firehose:events throttles since 03:23:09 (ThrottlingException); 2 records wait for firehose:b, which no route names, and there are records for 2 more such streams; 9 records wait in 1 shard (5 records for firehose:events, the oldest for 3 min; 2 records for firehose:b, the oldest for 2 min; the rest for 2 more streams); room for about 6 hours more"
    );
    assert_eq!((several.owner, several.actions.len()), (Some(Owner::Operator), 4));
    let quarantined = BacklogStats { quarantined: 2, ..BacklogStats::none(stream("mdi")) };
    assert!(sharded(vec![good("a")], shards(vec![vec![quarantined]])).ready, "nothing of it waits");
}

#[test]
fn a_full_spill_far_off_is_not_mentioned() {
    for (bytes, mentioned) in [(10_000, true), (1, false)] {
        let summary =
            sharded(vec![good("a")], shards(vec![vec![depth(1, bytes, 15 * MINUTE)]])).summary;
        assert_eq!(summary.contains("room for about"), mentioned, "{summary}");
    }
}

/// Tenants a and b with streams of their own, and c with those of the top level.
fn with_tenants(delivery: &str) -> Config {
    let mut settings = RawConfig { shard: Binding::Present, ..settings() };
    let table = settings.headwater.as_mut().unwrap();
    table["delivery"] = json!(delivery);
    table["keys"] = json!({
        "pk_a": {"tenant": "a", "routes": [{"to": "firehose:of-a"}]},
        "pk_b": {"tenant": "b", "routes": [{"to": "firehose:of-a"}]},
        "pk_c": {"tenant": "c"},
    });
    Config::parse(settings).unwrap()
}

#[test]
fn a_stream_of_tenants_alone_does_not_make_all_not_ready() {
    let key = || refused(403, "UnrecognizedClientException");
    for (streams, tenant, ready, start) in [
        (
            vec![failing("of-a", denied(), 1), good("events")],
            None,
            true,
            "ready, but firehose:of-a of 2 tenants denies",
        ),
        (
            vec![failing("of-a", denied(), 1), good("events")],
            Some("c"),
            true,
            "ready, but firehose:of-a of 2 tenants",
        ),
        (
            vec![failing("of-a", denied(), 1), good("events")],
            Some("b"),
            false,
            "not ready: firehose:of-a of 2 tenants",
        ),
        (
            vec![
                failing("of-a", denied(), 9),
                failing("events", denied(), 1),
                unknown("events-low"),
            ],
            None,
            false,
            "not ready: firehose:events denies",
        ),
        (
            vec![good("of-a"), good("events"), failing("events-failed", denied(), 1)],
            None,
            false,
            "not ready: firehose:events-failed",
        ),
        (
            vec![failing("of-a", key(), 1), good("events")],
            None,
            false,
            "not ready: firehose:of-a refuses",
        ),
        (
            vec![failing("of-a", denied(), 1), unknown("events-failed")],
            None,
            false,
            "not ready: firehose:of-a of 2 tenants",
        ),
        (
            vec![failing("of-a", throttled(), 1), unknown("events-failed")],
            None,
            true,
            "ready, but firehose:of-a of 2 tenants throttles",
        ),
    ] {
        let asked = tenant.map(|name| AskedTenant { name, stored: None });
        let readiness =
            Readiness::of(&with_tenants("direct"), streams, Vec::new(), asked, worker());
        assert_eq!(readiness.ready, ready, "{}", readiness.summary);
        assert!(readiness.summary.starts_with(start), "{}", readiness.summary);
    }
    let streams = vec![good("of-a"), good("events")];
    let readiness = Readiness::of(&with_tenants("direct"), streams, Vec::new(), None, worker());
    let body = serde_json::to_value(&readiness).unwrap();
    assert_eq!(body["streams"][0]["tenants"], json!(["a", "b"]));
    assert_eq!(body["streams"][1].get("tenants"), None);
}

#[test]
fn the_tenants_of_the_store_are_no_tenant_of_its_name() {
    for (keys, said) in [
        (json!({}), "ready, but firehose:of-a of tenants in TENANTS denies"),
        (
            json!({"pk_a": {"tenant": "a", "routes": [{"to": "firehose:of-a"}]}}),
            "ready, but firehose:of-a of 1 tenant and of those in TENANTS denies",
        ),
    ] {
        let mut settings = RawConfig { tenants: Binding::Present, ..settings() };
        let table = settings.headwater.as_mut().unwrap();
        (table["delivery"], table["keys"]) = (json!("direct"), keys);
        table["tenant_streams"] = json!(["firehose:of-a"]);
        let config = Config::parse(settings).unwrap();
        let streams = vec![failing("of-a", denied(), 1), good("events")];
        let readiness = Readiness::of(&config, streams, Vec::new(), None, worker());
        assert!(readiness.summary.starts_with(said), "{}", readiness.summary);
    }
}
