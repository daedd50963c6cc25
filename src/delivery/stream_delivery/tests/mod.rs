//! Tests the delivery against scripted responses; `properties` tests it against a model of the service.

pub mod aggregates;
pub mod properties;

use super::*;
use crate::delivery::response::HttpResponse;
use crate::model::record::tests::record;

const NO_WAIT: u32 = 0;
const LONGEST_WAIT: u32 = u32::MAX;

fn stream() -> Stream {
    Stream::parse("firehose:events").unwrap()
}

fn unpacked() -> DeliveryConfig {
    DeliveryConfig { aggregation: Aggregation::Off, ..DeliveryConfig::default() }
}

fn prepare(
    stream: &Stream,
    records: Vec<Record>,
    policy: DeliveryConfig,
    now: Milliseconds,
) -> StreamDelivery {
    StreamDelivery::new(StreamBatch { stream: stream.clone(), records }, policy, now)
}

fn delivery(count: usize) -> StreamDelivery {
    prepare(&stream(), records(count), unpacked(), 0)
}

/// Returns records with consecutive numbers.
fn records(count: usize) -> Vec<Record> {
    (0..count).map(|index| record(&index.to_string())).collect()
}

/// Returns the numbers of the records of the call that is made at `now`.
fn sent(delivery: &mut StreamDelivery, now: Milliseconds, health: &mut StreamHealth) -> Vec<usize> {
    match delivery.step(now, health) {
        Action::Send { records, .. } => records.iter().flat_map(numbers).collect(),
        other => panic!("expected a call, got {other:?}"),
    }
}

fn numbers(record: &AggregatedRecord<'_>) -> Vec<usize> {
    record.lines().map(number).collect()
}

fn number(record: &Record) -> usize {
    serde_json::from_slice::<String>(record.bytes()).unwrap().parse().unwrap()
}

fn answered(status: u16, body: &str) -> CallResult {
    CallResult::Answered(HttpResponse {
        status,
        retry_after_ms: None,
        body: body.as_bytes().to_vec(),
    })
}

/// Returns a response with one entry for each record: an id, or this error.
fn entries(errors: &[Option<&str>]) -> CallResult {
    let entries: Vec<String> = errors
        .iter()
        .map(|error| match error {
            None => r#"{"RecordId":"r"}"#.to_owned(),
            Some(code) => format!(r#"{{"ErrorCode":"{code}","ErrorMessage":"no"}}"#),
        })
        .collect();
    let failed = errors.iter().flatten().count();
    let entries = entries.join(",");
    answered(200, &format!(r#"{{"FailedPutCount":{failed},"RequestResponses":[{entries}]}}"#))
}

const THROTTLED: Option<&str> = Some("ServiceUnavailableException");

#[test]
fn retries_only_the_records_the_stream_refused() {
    let (mut delivery, mut health) = (delivery(4), StreamHealth::default());
    assert_eq!(sent(&mut delivery, 0, &mut health), [0, 1, 2, 3]);
    let reply = entries(&[None, THROTTLED, None, Some("InternalFailure")]);
    delivery.reply(reply, 0, NO_WAIT, &mut health);
    assert_eq!(sent(&mut delivery, 0, &mut health), [1, 3]);
    delivery.reply(entries(&[None, THROTTLED]), 0, NO_WAIT, &mut health);
    assert_eq!(sent(&mut delivery, 0, &mut health), [3]);
    delivery.reply(entries(&[None]), 0, NO_WAIT, &mut health);
    assert_eq!(delivery.step(0, &mut health), Action::Done);
    let report = delivery.finish(0, &health);
    assert_eq!(report.problem, None);
    assert!(report.records.iter().all(|(_, status)| *status == RecordStatus::Delivered));
    assert_eq!(health.problem(), None);
}

#[test]
fn the_start_of_a_failure_and_the_last_success_are_remembered() {
    let (mut delivery, mut health) = (delivery(3), StreamHealth::default());
    let throttled = |health: &StreamHealth| {
        let ongoing = health.ongoing.clone().unwrap();
        (ongoing.problem.code().to_owned(), ongoing.since, ongoing.last_at)
    };
    let code = || THROTTLED.unwrap().to_owned();
    sent(&mut delivery, 10, &mut health);
    delivery.reply(entries(&[THROTTLED; 3]), 20, NO_WAIT, &mut health);
    assert_eq!((throttled(&health), health.last_success_at), ((code(), 20, 20), None));
    sent(&mut delivery, 30, &mut health);
    delivery.reply(entries(&[None, None, THROTTLED]), 40, NO_WAIT, &mut health);
    assert_eq!((throttled(&health), health.last_success_at), ((code(), 20, 40), Some(40)));
    sent(&mut delivery, 50, &mut health);
    delivery.reply(entries(&[None]), 60, NO_WAIT, &mut health);
    assert_eq!((health.ongoing, health.last_success_at), (None, Some(60)));
}

#[test]
fn an_inconclusive_call_is_sent_again_whole() {
    let unknown = [
        CallResult::TimedOut,
        CallResult::Unreachable("connection reset".to_owned()),
        answered(200, "<html>"),
        answered(200, r#"{"FailedPutCount":0,"RequestResponses":[{"RecordId":"a"}]}"#),
        answered(500, r#"{"__type":"InternalFailure"}"#),
        answered(503, ""),
        answered(429, ""),
        answered(400, r#"{"__type":"ThrottlingException"}"#),
    ];
    for reply in unknown {
        let (mut delivery, mut health) = (delivery(3), StreamHealth::default());
        assert_eq!(sent(&mut delivery, 0, &mut health), [0, 1, 2]);
        delivery.reply(reply.clone(), 0, NO_WAIT, &mut health);
        assert_eq!(sent(&mut delivery, 0, &mut health), [0, 1, 2], "{reply:?}");
    }
}

#[test]
fn an_operators_mistake_is_not_retried() {
    for code in
        ["ResourceNotFoundException", "AccessDeniedException", "UnrecognizedClientException"]
    {
        let (mut delivery, mut health) = (delivery(2), StreamHealth::default());
        sent(&mut delivery, 0, &mut health);
        let reply = answered(400, &format!(r#"{{"__type":"{code}"}}"#));
        delivery.reply(reply, 0, NO_WAIT, &mut health);
        assert_eq!(delivery.step(0, &mut health), Action::GiveUp);
        let report = delivery.finish(0, &health);
        assert_eq!(report.problem.unwrap().code(), code);
        assert!(report.records.iter().all(|(_, status)| *status == RecordStatus::Pending));
        assert_eq!(health.problem().unwrap().code(), code);
    }
}

#[test]
fn a_signature_refused_for_its_time_is_made_again_once() {
    let expired =
        || answered(400, r#"{"__type":"InvalidSignatureException","message":"Signature expired"}"#);
    let (mut delivery, mut health) = (delivery(1), StreamHealth::default());
    sent(&mut delivery, 0, &mut health);
    delivery.reply(expired(), 0, LONGEST_WAIT, &mut health);
    assert_eq!(sent(&mut delivery, 0, &mut health), [0], "again, and at once");
    delivery.reply(expired(), 0, NO_WAIT, &mut health);
    assert_eq!(delivery.step(0, &mut health), Action::GiveUp);
}

#[test]
fn a_call_rejected_for_its_content_is_halved_to_the_poison() {
    let (mut delivery, mut health) = (delivery(5), StreamHealth::default());
    let mut calls = Vec::new();
    while let Action::Send { records, .. } = delivery.step(0, &mut health) {
        let call: Vec<usize> = records.iter().flat_map(numbers).collect();
        let reply = match call.contains(&3) {
            true => answered(400, r#"{"__type":"InvalidArgumentException","message":"3"}"#),
            false => entries(&vec![None; call.len()]),
        };
        delivery.reply(reply, 0, NO_WAIT, &mut health);
        calls.push(call);
    }
    assert_eq!(
        calls,
        [vec![0, 1, 2, 3, 4], vec![0, 1], vec![2, 3, 4], vec![2], vec![3, 4], vec![3], vec![4]]
    );
    let report = delivery.finish(0, &health);
    assert_eq!(report.problem, None);
    for (record, status) in report.records {
        match number(&record) {
            3 => assert!(matches!(status, RecordStatus::Rejected(error) if error.message == "3")),
            _ => assert_eq!(status, RecordStatus::Delivered),
        }
    }
}

#[test]
fn a_record_rejected_in_a_successful_call_is_poison() {
    let (mut delivery, mut health) = (delivery(2), StreamHealth::default());
    sent(&mut delivery, 0, &mut health);
    delivery.reply(entries(&[Some("InvalidArgumentException"), None]), 0, NO_WAIT, &mut health);
    assert_eq!(delivery.step(0, &mut health), Action::Done);
    let statuses: Vec<RecordStatus> =
        delivery.finish(0, &health).records.into_iter().map(|(_, status)| status).collect();
    assert!(matches!(statuses.as_slice(), [RecordStatus::Rejected(_), RecordStatus::Delivered]));
}

#[test]
fn a_stream_that_rejects_everything_is_at_fault() {
    for count in [1, 2, 500] {
        let (mut delivery, mut health) = (delivery(count), StreamHealth::default());
        let mut calls = 0;
        while let Action::Send { .. } = delivery.step(0, &mut health) {
            calls += 1;
            let reply =
                answered(400, r#"{"__type":"InvalidArgumentException","message":"no puts"}"#);
            delivery.reply(reply, 0, NO_WAIT, &mut health);
        }
        assert!(calls <= 20, "{calls} calls for {count} records");
        let report = delivery.finish(0, &health);
        assert!(report.records.iter().all(|(_, status)| *status == RecordStatus::Pending));
        assert_eq!(report.problem.unwrap().code(), "InvalidArgumentException");
        assert!(matches!(
            health.problem(),
            Some(DeliveryError::Rejected(AwsError { class: ErrorClass::Config, .. }))
        ));
    }
}

#[test]
fn a_record_rejected_alone_is_poison_after_a_success() {
    let (mut delivery, mut health) =
        (delivery(1), StreamHealth { last_success_at: Some(0), ..StreamHealth::default() });
    sent(&mut delivery, 0, &mut health);
    delivery.reply(answered(400, r#"{"__type":"ValidationException"}"#), 0, NO_WAIT, &mut health);
    assert_eq!(delivery.step(0, &mut health), Action::Done);
    assert!(matches!(
        delivery.finish(0, &health).records.as_slice(),
        [(_, RecordStatus::Rejected(_))]
    ));
}

#[test]
fn the_wait_is_full_jitter_from_the_documented_bases() {
    let longest = |cost, failures| backoff_ms(cost, failures, LONGEST_WAIT, 2_000);
    let failure: Vec<u64> = (0..7).map(|failures| longest(RetryCost::Failure, failures)).collect();
    assert_eq!(failure, [50, 100, 200, 400, 800, 1_000, 1_000]);
    let throttle: Vec<u64> =
        (0..3).map(|failures| longest(RetryCost::Throttle, failures)).collect();
    assert_eq!(throttle, [500, 1_000, 1_000]);
    assert_eq!(longest(RetryCost::Partial, 0), 100);
    assert_eq!(backoff_ms(RetryCost::Failure, 3, NO_WAIT, 2_000), 0);
    assert_eq!(backoff_ms(RetryCost::Failure, 3, u32::MAX / 2, 2_000), 200);
    assert_eq!(backoff_ms(RetryCost::Throttle, 3, LONGEST_WAIT, 300), 300, "of what is left");
    assert_eq!(longest(RetryCost::Failure, u32::MAX), 1_000);
}

#[test]
fn progress_starts_the_waits_from_the_base_again() {
    let (mut delivery, mut health) = (delivery(2), StreamHealth::default());
    let mut now = 0;
    for (reply, wait) in [
        (CallResult::Unreachable("refused".to_owned()), 50),
        (CallResult::Unreachable("refused".to_owned()), 100),
        (entries(&[None, Some("InternalFailure")]), 50),
        (entries(&[Some("InternalFailure")]), 100),
    ] {
        sent(&mut delivery, now, &mut health);
        delivery.reply(reply, now, LONGEST_WAIT, &mut health);
        assert_eq!(delivery.step(now, &mut health), Action::Wait { milliseconds: wait });
        now += wait;
    }
}

#[test]
fn a_requested_wait_never_exceeds_the_deadline() {
    for (asked, step) in [(700, Action::Wait { milliseconds: 700 }), (2_000, Action::GiveUp)] {
        let (mut delivery, mut health) = (delivery(1), StreamHealth::default());
        sent(&mut delivery, 0, &mut health);
        let reply = CallResult::Answered(HttpResponse {
            status: 503,
            retry_after_ms: Some(asked),
            body: Vec::new(),
        });
        delivery.reply(reply, 0, NO_WAIT, &mut health);
        assert_eq!(delivery.step(0, &mut health), step);
    }
    let (mut delivery, mut health) = (delivery(1), StreamHealth::default());
    sent(&mut delivery, 0, &mut health);
    let reply = CallResult::Answered(HttpResponse {
        status: 503,
        retry_after_ms: Some(29_500),
        body: Vec::new(),
    });
    delivery.reply(reply, 100, NO_WAIT, &mut health);
    assert_eq!(delivery.finish(100, &health).retry_after_s, 30, "the client gets it");
    let (mut delivery, mut health) = (super::tests::delivery(1), StreamHealth::default());
    sent(&mut delivery, 0, &mut health);
    let reply = CallResult::Answered(HttpResponse {
        status: 503,
        retry_after_ms: Some(u64::MAX),
        body: Vec::new(),
    });
    delivery.reply(reply, 0, NO_WAIT, &mut health);
    assert_eq!(delivery.finish(0, &health).retry_after_s, 60, "but at most a minute");
}

#[test]
fn an_answer_at_the_deadline_counts_and_no_call_follows() {
    let (mut delivery, mut health) = (delivery(1_000), StreamHealth::default());
    match delivery.step(1_999, &mut health) {
        Action::Send { timeout_ms, .. } => assert_eq!(timeout_ms, 1),
        other => panic!("{other:?}"),
    }
    delivery.reply(entries(&[None; 500]), 2_000, NO_WAIT, &mut health);
    assert_eq!(delivery.step(2_000, &mut health), Action::GiveUp);
    let report = delivery.finish(2_000, &health);
    let accepted =
        report.records.iter().filter(|(_, status)| *status == RecordStatus::Delivered).count();
    assert_eq!((accepted, report.problem), (500, Some(DeliveryError::TimedOut)));
}

/// Opens the breaker at 1,000, for 400 ms.
pub(super) fn open(health: &mut StreamHealth) {
    for now in [0, 0, 0, 0, 1_000] {
        let mut delivery = prepare(&stream(), records(1), unpacked(), now);
        sent(&mut delivery, now, health);
        delivery.reply(CallResult::TimedOut, now, LONGEST_WAIT, health);
    }
    assert_eq!(health.breaker.open_until(), Some(1_400));
}

#[test]
fn a_failing_stream_is_paused_then_probed_with_a_small_call() {
    let mut health = StreamHealth::default();
    open(&mut health);
    let hasty = DeliveryConfig { delivery_timeout_ms: 400, ..unpacked() };
    let mut early = prepare(&stream(), records(1), hasty, 1_050);
    assert_eq!(early.step(1_050, &mut health), Action::GiveUp);
    let report = early.finish(1_050, &health);
    assert_eq!((report.problem, report.retry_after_s), (Some(DeliveryError::BreakerOpen), 1));
    let mut probing = prepare(&stream(), records(100), unpacked(), 1_050);
    assert_eq!(probing.step(1_050, &mut health), Action::Wait { milliseconds: 350 });
    assert_eq!(sent(&mut probing, 1_400, &mut health).len(), 25);
    let mut other = prepare(&stream(), records(1), unpacked(), 1_400);
    assert_eq!(other.step(1_400, &mut health), Action::Wait { milliseconds: 50 }, "for its end");
    probing.reply(entries(&[None; 25]), 1_420, NO_WAIT, &mut health);
    assert_eq!(sent(&mut probing, 1_420, &mut health).len(), 75);
    assert_eq!(sent(&mut other, 1_450, &mut health), [0]);
}

#[test]
fn a_probe_refused_for_its_time_is_signed_again() {
    let mut health = StreamHealth::default();
    open(&mut health);
    let mut probing = prepare(&stream(), records(1), unpacked(), 1_400);
    sent(&mut probing, 1_400, &mut health);
    probing.reply(answered(403, r#"{"__type":"RequestExpired"}"#), 1_400, NO_WAIT, &mut health);
    assert_eq!(sent(&mut probing, 1_400, &mut health), [0]);
    probing.reply(entries(&[None]), 1_400, NO_WAIT, &mut health);
    assert_eq!(health.breaker.open_until(), None);
}

#[test]
fn a_timer_of_ours_that_was_late_is_not_the_streams_failure() {
    let mut health = StreamHealth::default();
    for now in (0..60_000).step_by(1_000) {
        let mut delivery = prepare(&stream(), records(2), unpacked(), now);
        sent(&mut delivery, now, &mut health);
        delivery.reply(CallResult::Starved, now + 1_900, NO_WAIT, &mut health);
        assert_eq!(sent(&mut delivery, now + 1_900, &mut health), [0, 1], "it is sent again");
        delivery.reply(CallResult::Starved, now + 9_000, NO_WAIT, &mut health);
        assert_eq!(delivery.step(now + 9_000, &mut health), Action::GiveUp);
        let report = delivery.finish(now + 9_000, &health);
        assert_eq!(report.problem, Some(DeliveryError::Starved));
    }
    assert_eq!((health.problem(), health.breaker.open_until()), (None, None));
    assert!(health.budget.spend(RetryCost::Failure));
}

#[test]
fn waiting_for_a_connection_does_not_shorten_a_call() {
    let mut health = StreamHealth::default();
    let mut delivery = delivery(1);
    sent(&mut delivery, 0, &mut health);
    delivery.reply(CallResult::Unreachable(String::new()), 0, LONGEST_WAIT, &mut health);
    delivery.extend_deadline(1_500);
    match delivery.step(1_550, &mut health) {
        Action::Send { timeout_ms, .. } => assert_eq!(timeout_ms, 1_950),
        other => panic!("{other:?}"),
    }
    delivery.extend_deadline(60_000);
    match delivery.step(1_550, &mut health) {
        Action::Send { timeout_ms, .. } => assert_eq!(timeout_ms, 2_450, "and no more"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn deliveries_that_end_in_rejection_limit_the_calls_at_once() {
    let mut health = StreamHealth::default();
    let mut running: Vec<StreamDelivery> = (0..8).map(|_| delivery(1)).collect();
    for delivery in &mut running {
        sent(delivery, 0, &mut health);
    }
    for delivery in &mut running {
        delivery.reply(entries(&[THROTTLED]), 1_950, NO_WAIT, &mut health);
        assert_eq!(delivery.step(1_950, &mut health), Action::GiveUp);
    }
    let mut next: Vec<StreamDelivery> =
        (0..9).map(|_| prepare(&stream(), records(1), unpacked(), 2_000)).collect();
    let steps: Vec<bool> = next
        .iter_mut()
        .map(|delivery| matches!(delivery.step(2_000, &mut health), Action::Send { .. }))
        .collect();
    assert_eq!(steps.iter().filter(|sends| **sends).count(), 4, "half of the eight");
    next[0].reply(entries(&[None]), 2_010, NO_WAIT, &mut health);
    assert_eq!(sent(&mut next[8], 2_020, &mut health), [0], "in its place");
}

/// Drives one request after the other as the runtime does, and returns how many were delivered.
fn served(requests: usize, mut reply: impl FnMut(usize, u32) -> CallResult) -> usize {
    let (mut health, mut now, mut seed) = (StreamHealth::default(), 0, 1_u64);
    let mut random = move || {
        // Source: <https://en.wikipedia.org/wiki/Linear_congruential_generator>
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 32) as u32
    };
    let mut accepted = 0;
    for _ in 0..requests {
        let mut delivery = prepare(&stream(), records(3), unpacked(), now);
        loop {
            match delivery.step(now, &mut health) {
                Action::Send { records, .. } => {
                    let count = records.len();
                    let reply = reply(count, random());
                    now += 20;
                    delivery.reply(reply, now, random(), &mut health);
                }
                Action::Wait { milliseconds } => now += milliseconds,
                Action::GiveUp => break,
                Action::Done => {
                    accepted += 1;
                    break;
                }
            }
        }
    }
    accepted
}

#[test]
fn a_stream_that_refuses_three_records_of_ten_is_served_on() {
    let accepted = served(3_000, |count, random| {
        let rejected = |index: usize| random.rotate_left(index as u32 * 9) % 10 < 3;
        let errors: Vec<_> =
            (0..count).map(|index| THROTTLED.filter(|_| rejected(index))).collect();
        entries(&errors)
    });
    assert!(accepted >= 2_970, "{accepted} of 3,000");
}

#[test]
fn a_stream_that_fails_three_calls_of_ten_is_served_on() {
    let accepted = served(3_000, |count, random| match random % 10 {
        0 => answered(500, r#"{"__type":"InternalFailure"}"#),
        1 => answered(400, r#"{"__type":"ThrottlingException"}"#),
        2 => CallResult::Unreachable("cut".to_owned()),
        _ => entries(&vec![None; count]),
    });
    assert!(accepted >= 2_970, "{accepted} of 3,000");
}

#[test]
fn a_clock_that_is_set_back_lengthens_no_wait() {
    const HOUR: Milliseconds = 3_600_000;
    let mut health = StreamHealth::default();
    let mut delivery = prepare(&stream(), records(1), unpacked(), HOUR);
    sent(&mut delivery, HOUR, &mut health);
    delivery.reply(CallResult::TimedOut, HOUR + 500, LONGEST_WAIT, &mut health);
    assert_eq!(delivery.step(7, &mut health), Action::Wait { milliseconds: 50 });
    match delivery.step(57, &mut health) {
        Action::Send { timeout_ms, .. } => assert_eq!(timeout_ms, 1_450),
        other => panic!("{other:?}"),
    }
}

#[test]
fn retries_stop_when_the_budget_is_spent() {
    let mut health = StreamHealth::default();
    while health.budget.spend(RetryCost::Throttle) {}
    let mut delivery = delivery(1);
    sent(&mut delivery, 0, &mut health);
    delivery.reply(entries(&[THROTTLED]), 0, NO_WAIT, &mut health);
    assert_eq!(delivery.step(0, &mut health), Action::GiveUp);
}

#[test]
fn a_call_that_brings_records_pays_for_a_retry() {
    let mut health = StreamHealth::default();
    while health.budget.spend(RetryCost::Throttle) {}
    health.budget.earn();
    for _ in 0..3 {
        let mut delivery = delivery(1);
        sent(&mut delivery, 0, &mut health);
        delivery.reply(entries(&[THROTTLED]), 0, NO_WAIT, &mut health);
        assert_eq!(sent(&mut delivery, 0, &mut health), [0], "there is enough for one retry");
        delivery.reply(entries(&[None]), 0, NO_WAIT, &mut health);
    }
}

#[test]
fn rejected_records_are_sent_before_unsent_ones() {
    let (mut delivery, mut health) = (delivery(502), StreamHealth::default());
    assert_eq!(sent(&mut delivery, 0, &mut health).len(), 500);
    let mut errors = [None; 500];
    errors[7] = THROTTLED;
    delivery.reply(entries(&errors), 0, NO_WAIT, &mut health);
    assert_eq!(sent(&mut delivery, 0, &mut health), [7]);
    delivery.reply(entries(&[None]), 0, NO_WAIT, &mut health);
    assert_eq!(sent(&mut delivery, 0, &mut health), [500, 501]);
}

#[test]
fn a_call_whose_reply_is_never_handed_in_is_sent_again() {
    let (mut delivery, mut health) = (delivery(2), StreamHealth::default());
    assert_eq!(sent(&mut delivery, 0, &mut health), [0, 1]);
    assert_eq!(sent(&mut delivery, 0, &mut health), [0, 1]);
}

#[test]
fn nothing_to_deliver_is_done() {
    assert_eq!(delivery(0).step(0, &mut StreamHealth::default()), Action::Done);
}
