//! The whole answer: its keys, and what anyone gets of it.

use insta::assert_snapshot;
use serde_json::Value;

use super::*;
use crate::shard::ShardStatus;
use crate::shard::quotas::leases::OverQuota;

#[test]
fn the_keys_stand_in_the_order_in_which_they_are_read() {
    let streams = vec![failing("a", denied(), 14)];
    let shards = vec![view(0, status(vec![depth(3, 500, 61_000)]), vec![good("a")]), silent(1)];
    assert_snapshot!(serde_json::to_string_pretty(&sharded(streams, shards)).unwrap(), @r#"
    {
      "summary": "not ready: firehose:a denies the worker's user access since 03:12:09 (AccessDeniedException); shard 1 does not answer, so that what waits there is not known; 3 records wait in 1 shard for firehose:events, the oldest for 61 s; room for about 33 hours more",
      "ready": false,
      "owner": "operator",
      "actions": [
        "firehose:a: is the name right? no stream has taken a record yet; correct it in HEADWATER.routes or HEADWATER.failed_stream. If it is right, allow the worker's user firehose:PutRecordBatch on this stream: scripts/deploy does for the streams that it makes",
        "shard 1: its requests are delivered without it, and what is stored in it waits: look in the log for what it said, and at Cloudflare's status page for Durable Objects; where it began with a deployment, take that back with npx wrangler rollback"
      ],
      "now": "2026-11-22T03:26:09.000Z",
      "version": {
        "headwater": "0.2.0",
        "id": "7f3a"
      },
      "configured": {
        "SHARD": true,
        "METRICS": false,
        "ASSETS": true,
        "AWS_SESSION_TOKEN": false,
        "HEADWATER_HASH_SECRET": true,
        "HEADWATER_OPERATOR_KEY": false,
        "HEADWATER_OPERATOR_KEYS": false,
        "HEADWATER_INSPECT_TOKEN": false
      },
      "delivery": "sharded",
      "tenants": 1,
      "streams": [
        {
          "stream": "firehose:a",
          "source": "this isolate",
          "state": "failing",
          "problem": "AccessDeniedException",
          "cause": "access_denied",
          "owner": "operator",
          "operator": true,
          "failing_since": "2026-11-22T03:12:09.000Z",
          "last_failed_at": "2026-11-22T03:26:09.000Z",
          "paused": false,
          "action": "is the name right? no stream has taken a record yet; correct it in HEADWATER.routes or HEADWATER.failed_stream. If it is right, allow the worker's user firehose:PutRecordBatch on this stream: scripts/deploy does for the streams that it makes"
        }
      ],
      "spill": {
        "records": 3,
        "bytes": 500,
        "oldest_age_s": 61
      },
      "shards": [
        {
          "shard": 0,
          "actions": [],
          "buffer_bytes": 0,
          "devices": 1,
          "seen": 2,
          "spill": [
            {
              "stream": "firehose:events",
              "records": 3,
              "bytes": 500,
              "oldest_age_s": 61,
              "quarantined": 0,
              "problem": "ThrottlingException",
              "owner": "stream"
            }
          ],
          "room": {
            "used_bytes": 500,
            "limit_bytes": 1000000,
            "used_percent": 0,
            "full_in_s": 121939
          },
          "unreadable": 0,
          "streams": [
            {
              "stream": "firehose:a",
              "source": "shard 0",
              "state": "ok",
              "last_success_at": "2026-11-22T03:26:09.000Z",
              "paused": false
            }
          ],
          "records": {
            "delivered": 0,
            "spilled": 0,
            "duplicate": 0,
            "over_quota": 0,
            "rejected": 0,
            "not_durable": 0,
            "not_admitted": 0
          }
        },
        {
          "shard": 1,
          "actions": [
            "its requests are delivered without it, and what is stored in it waits: look in the log for what it said, and at Cloudflare's status page for Durable Objects; where it began with a deployment, take that back with npx wrangler rollback"
          ],
          "problem": "no answer in time"
        }
      ]
    }
    "#);
}

#[test]
fn the_fields_of_the_contract_keep_their_places() {
    let body = |readiness: &Readiness| -> Value { serde_json::to_value(readiness).unwrap() };
    let misconfigured = body(&Readiness::misconfigured(vec!["A".to_owned()], worker()));
    assert_eq!(
        (&misconfigured["ready"], &misconfigured["problems"]),
        (&json!(false), &json!(["A"]))
    );
    let direct = body(&direct(vec![failing("a", denied(), 1)]));
    assert_eq!(direct["delivery"], "direct");
    let stream = &direct["streams"][0];
    assert_eq!(
        (&stream["stream"], &stream["problem"], &stream["operator"], &stream["paused"]),
        (&json!("firehose:a"), &json!("AccessDeniedException"), &json!(true), &json!(false))
    );
    let sharded = body(&sharded(vec![good("a")], shards(vec![vec![depth(3, 500, 61_000)]])));
    assert_eq!(sharded["delivery"], "sharded");
    assert_eq!(sharded["spill"], json!({"records": 3, "bytes": 500, "oldest_age_s": 61}));
    assert_eq!(sharded["shards"][0]["shard"], 0);
    assert!(sharded["streams"][0].get("problem").is_none());
    assert!(sharded["streams"][0].get("operator").is_none());
}

#[test]
fn anyone_is_answered_without_a_name() {
    let shards = || {
        vec![
            view(
                0,
                status(vec![
                    depth(2, 9, 9_000),
                    BacklogStats { stream: stream("gone"), ..depth(1, 9, 9) },
                ]),
                vec![failing("events", denied(), 2)],
            ),
            silent(1),
        ]
    };
    let readiness = Readiness::of(
        &with_tenants("sharded"),
        vec![failing("of-a", throttled(), 1)],
        shards(),
        None,
        worker(),
    );
    assert!(readiness.summary.contains("firehose:"));
    let anyone = serde_json::to_value(readiness.for_anyone()).unwrap();
    assert_eq!(
        anyone,
        json!({
            "summary": "not ready: a stream denies the worker's user access since 03:24:09 (AccessDeniedException); other trouble with 1 more stream; 1 record waits for a stream, which no route names; a shard does not answer, so that what waits there is not known; 3 records wait for 2 streams",
            "ready": false,
            "owner": "operator",
            "details": HOW_TO_SET_THE_KEY,
        })
    );
    let mut with_key = worker();
    with_key.configured.headwater_operator_key = true;
    let readiness = Readiness::misconfigured(Vec::new(), with_key);
    assert_eq!(readiness.for_anyone().details, HOW_TO_READ_MORE);
    for (streams, spill, summary) in [
        (vec![good("events")], vec![], "ready: 1 stream, nothing waits"),
        (
            vec![failing("of-a", denied(), 1), good("events")],
            vec![],
            "ready, but a tenant's stream denies the worker's user access since 03:25:09 (AccessDeniedException); nothing waits",
        ),
        (
            vec![good("events")],
            vec![depth(2, 9, 90_000)],
            "ready: 1 stream; 2 records wait, the oldest for 90 s",
        ),
    ] {
        let shards = vec![view(0, status(spill), vec![])];
        let readiness = Readiness::of(&with_tenants("sharded"), streams, shards, None, worker());
        assert_eq!(readiness.for_anyone().summary, summary);
    }
    let misconfigured = Readiness::misconfigured(vec!["A is missing".to_owned()], worker());
    assert_eq!(misconfigured.for_anyone().summary, "not ready: A is missing");
}

#[test]
fn records_in_shards_are_shown_in_direct_delivery() {
    let shards = vec![view(0, status(vec![depth(2, 9, 9_000)]), vec![])];
    let readiness = Readiness::of(&config("direct"), vec![good("events")], shards, None, worker());
    let body = serde_json::to_value(&readiness).unwrap();
    assert_eq!((&body["delivery"], &body["spill"]["records"]), (&json!("direct"), &json!(2)));
    assert!(readiness.summary.contains("2 records wait in 1 shard"), "{}", readiness.summary);
}

#[test]
fn a_tenant_over_its_quota_is_named_once_and_is_no_trouble() {
    let over =
        |tenant: &str, since| OverQuota { tenant: tenant.to_owned(), events_per_day: 1_000, since };
    let of = |number, over_quota| {
        let status = ShardStatus { over_quota, ..status(Vec::new()) };
        view(number, status, Vec::new())
    };
    let shards = vec![
        of(0, vec![over("shop", NOW), over("blog", NOW)]),
        of(1, Vec::new()),
        of(2, vec![over("shop", NOW - MINUTE)]),
    ];
    let readiness = sharded(vec![good("events")], shards);
    assert!(readiness.ready);
    let json = serde_json::to_value(&readiness).unwrap();
    assert_eq!(
        json["over_quota"],
        json!([
            {"tenant": "blog", "events_per_day": 1_000, "since": "2026-11-22T03:26:09.000Z"},
            {"tenant": "shop", "events_per_day": 1_000, "since": "2026-11-22T03:25:09.000Z"},
        ])
    );
    let anyone = serde_json::to_string(&readiness.for_anyone()).unwrap();
    assert!(!anyone.contains("shop"), "{anyone}");
    let none = serde_json::to_value(sharded(Vec::new(), vec![of(0, Vec::new())])).unwrap();
    assert!(none.get("over_quota").is_none());
}
