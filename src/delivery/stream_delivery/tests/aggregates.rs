//! Aggregated records: sent and retried whole, split if one of their lines is poison.

use super::*;
use crate::delivery::aggregate::AggregateBytes;
use crate::delivery::circuit_breaker::CircuitBreaker;

fn delivery(count: usize) -> StreamDelivery {
    prepare(&stream(), records(count), DeliveryConfig::default(), 0)
}

/// Returns the groups of the next call.
fn sent_groups(delivery: &mut StreamDelivery, health: &mut StreamHealth) -> Vec<Vec<usize>> {
    match delivery.step(0, health) {
        Action::Send { records, .. } => records.iter().map(numbers).collect(),
        other => panic!("expected a call, got {other:?}"),
    }
}

/// Drives a delivery with the result that `reply` gives for each call, and returns the calls.
fn calls(
    delivery: &mut StreamDelivery,
    health: &mut StreamHealth,
    reply: impl Fn(&[Vec<usize>]) -> CallResult,
) -> Vec<Vec<Vec<usize>>> {
    let mut calls = Vec::new();
    while let Action::Send { records, .. } = delivery.step(0, health) {
        let call: Vec<Vec<usize>> = records.iter().map(numbers).collect();
        delivery.reply(reply(&call), 0, NO_WAIT, health);
        calls.push(call);
    }
    calls
}

fn assert_only_three_is_poison(delivery: StreamDelivery, health: &StreamHealth) {
    for (record, status) in delivery.finish(0, health).records {
        match number(&record) {
            3 => assert!(matches!(status, RecordStatus::Rejected(_))),
            _ => assert_eq!(status, RecordStatus::Delivered),
        }
    }
}

#[test]
fn an_aggregate_is_one_record_with_one_status_for_its_lines() {
    let (mut delivery, mut health) = (delivery(5), StreamHealth::default());
    assert_eq!(sent_groups(&mut delivery, &mut health), [[0, 1, 2, 3, 4]]);
    delivery.reply(entries(&[None]), 0, NO_WAIT, &mut health);
    assert_eq!(delivery.step(0, &mut health), Action::Done);
    let report = delivery.finish(0, &health);
    assert_eq!(report.records.len(), 5);
    assert!(report.records.iter().all(|(_, status)| *status == RecordStatus::Delivered));
}

#[test]
fn only_the_rejected_aggregate_is_sent_again_and_whole() {
    let (mut delivery, mut health) = (delivery(1_001), StreamHealth::default());
    let call = sent_groups(&mut delivery, &mut health);
    assert_eq!(call.iter().map(Vec::len).collect::<Vec<_>>(), [500, 500, 1]);
    delivery.reply(entries(&[None, THROTTLED, None]), 0, NO_WAIT, &mut health);
    assert_eq!(sent_groups(&mut delivery, &mut health), [(500..1_000).collect::<Vec<_>>()]);
    delivery.reply(entries(&[None]), 0, NO_WAIT, &mut health);
    assert_eq!(delivery.step(0, &mut health), Action::Done);
}

#[test]
fn an_aggregate_rejected_with_its_call_is_halved_to_the_poison() {
    let (mut delivery, mut health) = (delivery(5), StreamHealth::default());
    let calls = calls(&mut delivery, &mut health, |call| match call.concat().contains(&3) {
        true => answered(400, r#"{"__type":"InvalidArgumentException"}"#),
        false => entries(&vec![None; call.len()]),
    });
    let lines =
        [vec![0, 1, 2, 3, 4], vec![0, 1], vec![2, 3, 4], vec![2], vec![3, 4], vec![3], vec![4]];
    assert_eq!(calls, lines.map(|lines| vec![lines]));
    assert_only_three_is_poison(delivery, &health);
}

#[test]
fn an_aggregate_rejected_in_its_entry_is_halved_alone() {
    let (mut delivery, mut health) = (delivery(5), StreamHealth::default());
    let calls = calls(&mut delivery, &mut health, |call| {
        let poison = |group: &Vec<usize>| group.contains(&3).then_some("InvalidArgumentException");
        entries(&call.iter().map(poison).collect::<Vec<_>>())
    });
    assert_eq!(
        calls,
        [
            vec![vec![0, 1, 2, 3, 4]],
            vec![vec![0, 1], vec![2, 3, 4]],
            vec![vec![2], vec![3, 4]],
            vec![vec![3], vec![4]]
        ]
    );
    assert_only_three_is_poison(delivery, &health);
    assert_eq!(health.problem(), None);
}

#[test]
fn a_stream_that_rejects_every_aggregate_is_soon_at_fault() {
    for count in [1, 2, 500, 1_200] {
        let (mut delivery, mut health) = (delivery(count), StreamHealth::default());
        let rejected = |_: &[Vec<usize>]| answered(400, r#"{"__type":"InvalidArgumentException"}"#);
        let calls = calls(&mut delivery, &mut health, rejected).len();
        assert!(calls <= 20, "{calls} calls for {count} records");
        let report = delivery.finish(0, &health);
        assert!(report.records.iter().all(|(_, status)| *status == RecordStatus::Pending));
        assert_eq!(report.problem.unwrap().code(), "InvalidArgumentException");
    }
}

#[test]
fn poison_does_not_count_as_a_failure_of_the_stream() {
    let mut health = StreamHealth::default();
    for _ in 0..2 * CircuitBreaker::MANY_FAILURES {
        let mut delivery = delivery(1);
        sent_groups(&mut delivery, &mut health);
        delivery.reply(entries(&[Some("ValidationException")]), 0, NO_WAIT, &mut health);
    }
    assert_eq!(health.breaker.open_until(), None);
}

#[test]
fn a_probe_is_sent_without_its_aggregate() {
    let mut health = StreamHealth::default();
    open(&mut health);
    let mut probing = prepare(&stream(), records(60), DeliveryConfig::default(), 1_400);
    assert_eq!(sent(&mut probing, 1_400, &mut health), (0..25).collect::<Vec<_>>());
    probing.reply(entries(&[None]), 1_400, NO_WAIT, &mut health);
    assert_eq!(sent(&mut probing, 1_400, &mut health), (25..60).collect::<Vec<_>>());
}

#[test]
fn an_event_longer_than_an_aggregate_is_sent_alone() {
    let texts = ["a".to_owned(), "b".repeat(6_000), "c".to_owned(), "d".to_owned()];
    let records = texts.iter().map(|text| record(text)).collect();
    let aggregation = AggregateBytes::parse(5_120).map_or(Aggregation::Off, Aggregation::UpTo);
    let policy = DeliveryConfig { aggregation, ..DeliveryConfig::default() };
    let mut delivery = prepare(&stream(), records, policy, 0);
    let Action::Send { records, .. } = delivery.step(0, &mut StreamHealth::default()) else {
        panic!()
    };
    let lines: Vec<usize> = records.iter().map(|record| record.lines().count()).collect();
    assert_eq!(lines, [1, 1, 2]);
}

#[test]
fn each_event_for_kinesis_is_a_record_under_its_own_key() {
    let stream = Stream::parse("kinesis:orders").unwrap();
    let (mut delivery, mut health) =
        (prepare(&stream, records(3), DeliveryConfig::default(), 0), StreamHealth::default());
    let Action::Send { records, .. } = delivery.step(0, &mut health) else { panic!() };
    let keys: Vec<&str> = records.iter().map(|record| record.key().as_str()).collect();
    assert_eq!(keys, ["0", "1", "2"]);
    let body = r#"{"FailedRecordCount":1,"Records":[{"SequenceNumber":"1","ShardId":"s"},
        {"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"Rate exceeded"},
        {"SequenceNumber":"2","ShardId":"s"}]}"#;
    delivery.reply(answered(200, body), 0, LONGEST_WAIT, &mut health);
    assert_eq!(
        delivery.step(0, &mut health),
        Action::Wait { milliseconds: 100 },
        "a throttle in part"
    );
    assert_eq!(sent(&mut delivery, 100, &mut health), [1]);
}

#[test]
fn a_call_to_kinesis_is_closed_with_its_keys_counted() {
    let stream = Stream::parse("kinesis:orders").unwrap();
    let records = (0..500).map(|index| record(&format!("{index} {}", "\"ä".repeat(60)))).collect();
    let policy = DeliveryConfig { call_bytes: 20_000, ..DeliveryConfig::default() };
    let (mut delivery, mut health) =
        (prepare(&stream, records, policy, 0), StreamHealth::default());
    let mut sent = 0;
    while let Action::Send { records, .. } = delivery.step(0, &mut health) {
        let endpoint = http::Uri::from_static("http://h/");
        let call = stream.service.put_request(&endpoint, &stream.name, &records).unwrap();
        let bytes = call.body().len();
        assert!((15_000..=20_000).contains(&bytes) || sent + records.len() == 500, "{bytes}");
        sent += records.len();
        let accepted = vec![r#"{"SequenceNumber":"1"}"#; records.len()].join(",");
        let body = format!(r#"{{"FailedRecordCount":0,"Records":[{accepted}]}}"#);
        delivery.reply(answered(200, &body), 0, NO_WAIT, &mut health);
    }
    assert_eq!(sent, 500);
}
