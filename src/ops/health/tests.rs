//! Every sentence, and the whole answer.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::cause::tests::refused;
use super::cause::{Advisor, Cause};
use super::shard::ShardView;
use super::shard::tests::{depth, status, view};
use super::*;
use crate::base::clock::Milliseconds;
use crate::config::tests::settings;
use crate::config::{Binding, RawConfig};
use crate::delivery::health::{DeliveryError, StreamHealth};
use crate::delivery::response::{AwsError, ErrorClass};
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
    ShardView::of(shard, Err("no answer in time".to_owned()))
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

/// The rejection of one record by a stream that has accepted none.
fn refuses_all() -> DeliveryError {
    match refused(400, "InvalidArgumentException") {
        DeliveryError::Rejected(error) => {
            DeliveryError::Rejected(AwsError { class: ErrorClass::Config, ..error })
        }
        other => other,
    }
}

/// Every cause, each with an error that has it.
fn problems() -> Vec<(Cause, DeliveryError)> {
    let codes = [
        "ResourceNotFoundException",
        "ResourceInUseException",
        "AccessDeniedException",
        "UnrecognizedClientException",
        "InvalidSignatureException",
        "ExpiredTokenException",
        "OptInRequired",
        "RequestExpired",
        "KMSDisabledException",
        "KMSThrottlingException",
        "ThrottlingException",
        "LimitExceededException",
        "InvalidSourceException",
        "UnknownOperationException",
        "SomethingNewException",
        "InternalFailure",
    ];
    let why = "a key, an address".to_owned();
    let others = [
        refuses_all(),
        DeliveryError::Unknown(why.clone()),
        DeliveryError::TimedOut,
        DeliveryError::Unreachable(why.clone()),
        DeliveryError::NotSent(why),
        DeliveryError::BreakerOpen,
    ];
    let problems = codes.into_iter().map(|code| refused(400, code)).chain(others);
    problems.map(|problem| (Cause::of(&problem), problem)).collect()
}

/// The advice about a stream that no setting names, if none works.
fn advice_of(cause: Cause) -> String {
    let config = config("direct");
    cause.action(&["firehose:a"], &Advisor { working: &[], config: &config })
}

#[test]
fn each_cause_has_its_sentence_and_its_advice() {
    let said = problems().into_iter().map(|(cause, problem)| {
        let readiness = direct(vec![failing("a", problem, 1)]);
        let (sentence, _) = readiness.summary.split_once(" since ").unwrap();
        let [actions] = readiness.actions.as_slice() else { panic!("{:?}", readiness.actions) };
        let actions = actions.strip_prefix("firehose:a: ").unwrap();
        assert_eq!((readiness.owner, actions), (Some(cause.owner()), advice_of(cause).as_str()));
        format!("{sentence}\n    {:?}: {actions}\n", cause.owner())
    });
    assert_snapshot!(said.collect::<String>(), @r#"
    not ready: firehose:a is not there, or not active,
        Operator: is the name right? no stream has taken a record yet; correct it in HEADWATER.routes or HEADWATER.failed_stream. If it is right, create the stream in AWS_REGION, as scripts/deploy does; one that was just created has to become active first
    not ready: firehose:a is not active
        Operator: look at the stream's status in AWS: it takes records again when it is ACTIVE
    not ready: firehose:a denies the worker's user access
        Operator: is the name right? no stream has taken a record yet; correct it in HEADWATER.routes or HEADWATER.failed_stream. If it is right, allow the worker's user firehose:PutRecordBatch on this stream: scripts/deploy does for the streams that it makes
    not ready: firehose:a refuses the worker's credentials
        Operator: AWS does not know AWS_ACCESS_KEY_ID, or AWS_SESSION_TOKEN is not of it: see in IAM whether the key is there and active, and make a new one with scripts/deploy --rotate
    not ready: firehose:a refuses the worker's signature
        Operator: AWS_SECRET_ACCESS_KEY is not the secret of AWS_ACCESS_KEY_ID: store both again with npx wrangler secret put, or make new ones with scripts/deploy --rotate
    not ready: firehose:a refuses the worker's session token
        Operator: temporary credentials are over: store AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN anew with npx wrangler secret put, or make a lasting key with scripts/deploy --rotate
    not ready: firehose:a refuses the worker's account
        Operator: the AWS account may not use this service in AWS_REGION: look for a notice of AWS's on billing, sign-up or the region
    ready, but firehose:a finds the worker's clock wrong
        Ours: compare `now` with a clock that you trust: the edge's and the service's are minutes apart, which no setting mends; look at the status pages of Cloudflare and AWS
    not ready: firehose:a can't use its KMS key
        Operator: see in KMS whether the stream's key is enabled and whether its policy lets the stream and the worker's user use it
    ready, but firehose:a is throttled by KMS
        Stream: nothing at once, it is tried again; where it goes on, ask AWS for a higher request quota of KMS
    ready, but firehose:a throttles
        Stream: nothing at once, it is tried again; where it goes on, ask AWS for a higher quota of a Firehose stream, or give a Kinesis stream more shards
    ready, but firehose:a is over a quota
        Stream: it is tried again; see in AWS's Service Quotas which one is used up, and ask for a higher one
    not ready: firehose:a takes no direct puts
        Operator: route to a Firehose stream whose source is Direct PUT, or to the Kinesis stream that this one reads from; a source can't be changed
    not ready: firehose:a is not answered for by its service
        Operator: what answers is not the service: correct AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_FIREHOSE or AWS_ENDPOINT_URL_KINESIS, or leave them out
    not ready: firehose:a refuses
        Operator: look the code up in AWS's API reference; what AWS says beside it is in the log
    ready, but firehose:a fails by itself
        Stream: nothing, it is tried again; look at AWS's Health Dashboard for AWS_REGION
    not ready: firehose:a refuses every record
        Operator: it has taken no record yet and refuses all: see in AWS whether its source is Direct PUT, and in the log what it says
    ready, but firehose:a answers what can't be understood
        Stream: it is tried again, and records may come twice; see in the log what is wrong with the answer, and where AWS_ENDPOINT_URL is set, what answers there
    ready, but firehose:a does not answer in time
        Network: nothing, it is tried again, and records may come twice; where it goes on, look at the status pages of AWS and Cloudflare, and whether HEADWATER.delivery_timeout_ms is too short
    ready, but firehose:a can't be reached
        Network: it is tried again; where it was never reached, correct AWS_REGION or AWS_ENDPOINT_URL, else look at the status pages of AWS and Cloudflare
    ready, but firehose:a is sent nothing
        Ours: the worker could not make the call: see in the log why, and report it as a mistake of Headwater's
    ready, but firehose:a is paused after failures
        Stream: nothing, it is tried again when its rest is over; what failed before is in the log
    "#);
}

#[test]
fn no_message_contains_the_account() {
    for (_, problem) in problems() {
        let direct =
            serde_json::to_string(&direct(vec![failing("a", problem.clone(), 1)])).unwrap();
        let spilled = BacklogStats { problem: Some(problem.clone()), ..depth(1, 1, 1) };
        let shards = vec![view(0, status(vec![spilled]), vec![failing("a", problem, 1)])];
        let sharded = serde_json::to_string(&sharded(vec![], shards)).unwrap();
        for secret in [
            "arn:",
            "111122223333",
            "a key, an address",
            "AKIDEXAMPLE",
            "wJalrXUtnFEMI",
            "eu-west-1",
        ] {
            assert!(!direct.contains(secret) && !sharded.contains(secret), "{secret}");
        }
    }
}

#[test]
fn advice_is_given_once_and_the_most_urgent_first() {
    let streams =
        vec![failing("a", throttled(), 9), failing("b", denied(), 1), failing("c", denied(), 2)];
    let actions = sharded(streams, vec![silent(3)]).actions;
    let heads: Vec<&str> = actions.iter().map(|it| it.split_once(": ").unwrap().0).collect();
    assert_eq!(heads, ["firehose:c, firehose:b", "firehose:a", "shard 3"]);
}

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
          ]
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

#[test]
fn advice_on_a_name_lists_those_that_work_and_one_service() {
    let denied_kinesis = {
        let mut health = StreamHealth::default();
        health.record_failure(denied(), NOW);
        StreamState::of(&Stream::parse("kinesis:a").unwrap(), &health)
    };
    let streams =
        || vec![failing("mdi", denied(), 1), denied_kinesis.clone(), good("low"), unknown("x")];
    let shard = view(0, status(vec![]), vec![good("high"), good("mdi")]);
    let readiness = sharded(streams(), vec![shard]);
    let allow = |name: &str, action: &str, how: &str| {
        format!(
            "{name}: is the name right? firehose:low, firehose:high work; correct it in HEADWATER.routes or HEADWATER.failed_stream. If it is right, allow the worker's user {action} on this stream: scripts/deploy {how}"
        )
    };
    assert_eq!(
        readiness.actions,
        [
            allow("firehose:mdi", "firehose:PutRecordBatch", "does for the streams that it makes"),
            allow("kinesis:a", "kinesis:PutRecords", "--parameter KinesisStream=NAME does"),
        ]
    );
    let value = serde_json::to_value(&readiness).unwrap();
    let actions = value["streams"][0]["action"].as_str().unwrap();
    assert_eq!(format!("firehose:mdi: {actions}"), readiness.actions[0]);
}

#[test]
fn advice_on_a_name_names_the_settings_that_have_it() {
    let config = with_tenants("direct");
    let place = |streams: Vec<StreamState>| {
        let readiness = Readiness::of(&config, streams, Vec::new(), None, worker());
        let [actions] = readiness.actions.as_slice() else { panic!("{:?}", readiness.actions) };
        let (streams, rest) = actions.split_once(": ").unwrap();
        let (_, place) = rest.split_once("correct it in ").unwrap();
        (streams.to_owned(), place.split_once(". If").unwrap().0.to_owned())
    };
    let found = |streams: &str, place: &str| (streams.to_owned(), place.to_owned());
    assert_eq!(
        place(vec![failing("of-a", denied(), 1)]),
        found(
            "firehose:of-a",
            "HEADWATER.keys.pk_a.routes[0].to, HEADWATER.keys.pk_b.routes[0].to"
        )
    );
    assert_eq!(
        place(vec![failing("events-failed", denied(), 1)]),
        found("firehose:events-failed", "HEADWATER.failed_stream")
    );
    assert_eq!(
        place(vec![
            failing("of-a", denied(), 4),
            failing("events", denied(), 3),
            failing("events-failed", denied(), 2)
        ]),
        found(
            "firehose:events, firehose:events-failed, firehose:of-a",
            "HEADWATER.routes[1].to, HEADWATER.failed_stream, HEADWATER.keys.pk_a.routes[0].to and 1 more"
        )
    );
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
        let readiness =
            Readiness::of(&with_tenants("direct"), streams, Vec::new(), tenant, worker());
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
