//! The advice for each cause.

use insta::assert_snapshot;

use super::*;
use crate::delivery::response::{AwsError, ErrorClass};
use crate::ops::health::cause::{Advisor, Cause};

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
        Stream: nothing at once, it is tried again; if it goes on, ask AWS for a higher request quota of KMS
    ready, but firehose:a throttles
        Stream: nothing at once, it is tried again; if it goes on, ask AWS for a higher quota of a Firehose stream, let its route name a stream set, or give a Kinesis stream more shards
    ready, but firehose:a is over a quota
        Stream: it is tried again; see in AWS's Service Quotas which one is used up, and ask for a higher one
    not ready: firehose:a takes no direct puts
        Operator: route to a Firehose stream whose source is Direct PUT, or to the Kinesis stream that this one reads from; a source can't be changed
    not ready: firehose:a is not answered for by its service
        Operator: what answers is not the service: correct AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_FIREHOSE or AWS_ENDPOINT_URL_KINESIS, or leave them out
    not ready: firehose:a refuses
        Operator: look the code up in AWS's API reference; what AWS says beside it is in the log
    ready, but firehose:a has an internal error
        Stream: nothing, it is tried again; look at AWS's Health Dashboard for AWS_REGION
    not ready: firehose:a refuses every record
        Operator: it has taken no record yet and refuses all: see in AWS whether its source is Direct PUT, and in the log what it says
    ready, but firehose:a answers what can't be understood
        Stream: it is tried again, and records may come twice; see in the log what is wrong with the answer, and if AWS_ENDPOINT_URL is set, what answers there
    ready, but firehose:a does not answer in time
        Network: nothing, it is tried again, and records may come twice; if it goes on, look at the status pages of AWS and Cloudflare, and whether HEADWATER.delivery_timeout_ms is too short
    ready, but firehose:a can't be reached
        Network: it is tried again; if it was never reached, correct AWS_REGION or AWS_ENDPOINT_URL, else look at the status pages of AWS and Cloudflare
    ready, but firehose:a is sent nothing
        Ours: the worker could not make the call: see in the log why, and report it as a mistake of Headwater's
    ready, but firehose:a is paused after failures
        Stream: nothing, it is tried again when its pause is over; what failed before is in the log
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
