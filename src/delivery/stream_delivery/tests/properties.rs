//! Tests the delivery against a model of the service that fails in every possible way.

use proptest::prelude::*;

use super::*;

/// One way in which a call can end.
#[derive(Debug, Clone)]
enum CallFault {
    None,
    /// Records whose number has this remainder by this divisor are rejected.
    Partial {
        divisor: usize,
        remainder: usize,
        code: &'static str,
    },
    Whole {
        status: u16,
        code: &'static str,
    },
    NotJson(CallEffect),
    WrongLength(CallEffect),
    TimedOut(CallEffect),
    Cut(CallEffect),
    NotSent,
}

/// Whether the service stored the records before the call failed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum CallEffect {
    Taken,
    NotAccepted,
}

fn fault() -> impl Strategy<Value = CallFault> {
    let effect = || prop_oneof![Just(CallEffect::Taken), Just(CallEffect::NotAccepted)];
    prop_oneof![
        3 => Just(CallFault::None),
        4 => (1_usize..4, 0_usize..4, prop_oneof![Just("ServiceUnavailableException"), Just("InternalFailure"), Just("ProvisionedThroughputExceededException")])
            .prop_map(|(divisor, remainder, code)| CallFault::Partial { divisor, remainder, code }),
        2 => prop_oneof![
            Just((500, "InternalFailure")), Just((503, "ServiceUnavailableException")), Just((429, "")),
            Just((400, "ThrottlingException")), Just((502, "")),
        ].prop_map(|(status, code)| CallFault::Whole { status, code }),
        1 => prop_oneof![
            Just((400, "ResourceNotFoundException")), Just((403, "RequestExpired")), Just((404, "")),
        ].prop_map(|(status, code)| CallFault::Whole { status, code }),
        1 => effect().prop_map(CallFault::NotJson),
        1 => effect().prop_map(CallFault::WrongLength),
        1 => effect().prop_map(CallFault::TimedOut),
        1 => effect().prop_map(CallFault::Cut),
        1 => Just(CallFault::NotSent),
    ]
}

/// Streams of both services.
fn streams() -> impl Strategy<Value = Stream> {
    prop_oneof![Just("firehose:events"), Just("kinesis:events")]
        .prop_map(|text| Stream::parse(text).unwrap())
}

/// Returns a response of the service with one entry for each record.
fn entries_of(service: Service, errors: &[Option<&str>]) -> CallResult {
    match service {
        Service::Firehose => entries(errors),
        Service::Kinesis => {
            let entry = |error: &Option<&str>| match error {
                None => r#"{"SequenceNumber":"1","ShardId":"s"}"#.to_owned(),
                Some(code) => format!(r#"{{"ErrorCode":"{code}","ErrorMessage":"no"}}"#),
            };
            let entries: Vec<String> = errors.iter().map(entry).collect();
            let (entries, failed) = (entries.join(","), errors.iter().flatten().count());
            answered(200, &format!(r#"{{"FailedRecordCount":{failed},"Records":[{entries}]}}"#))
        }
    }
}

/// A service that remembers the records that it accepted.
struct DeliveryModel {
    stream: Stream,
    accepted: Vec<u32>,
    /// How often each record was accepted without a response to the caller.
    unreported: Vec<u32>,
    /// Records that the caller knows to be accepted, and so must not send again.
    reported: Vec<bool>,
    poison: fn(usize) -> bool,
    refuses: CallRefusal,
}

/// The part that a service rejects if one event in it is poison.
#[derive(Debug, Clone, Copy)]
enum CallRefusal {
    Call,
    Entry,
}

impl DeliveryModel {
    fn new(stream: Stream, count: usize, poison: fn(usize) -> bool, refuses: CallRefusal) -> Self {
        let (accepted, unreported, reported) = (vec![0; count], vec![0; count], vec![false; count]);
        Self { stream, accepted, unreported, reported, poison, refuses }
    }

    fn poisoned(&self, numbers: &[usize]) -> bool {
        numbers.iter().any(|number| (self.poison)(*number))
    }

    fn call(&mut self, groups: &[Vec<usize>], fault: &CallFault) -> CallResult {
        let numbers = &groups.concat();
        match (fault.clone(), self.refuses) {
            (CallFault::None | CallFault::Partial { .. }, CallRefusal::Call)
                if self.poisoned(numbers) =>
            {
                if let [number] = **numbers {
                    self.reported[number] = true;
                }
                answered(400, r#"{"__type":"ValidationException"}"#)
            }
            (fault, _) => self.end(groups, numbers, &fault),
        }
    }

    fn end(&mut self, groups: &[Vec<usize>], numbers: &[usize], fault: &CallFault) -> CallResult {
        match *fault {
            CallFault::None => self.partial(groups, |_| None),
            CallFault::Partial { divisor, remainder, code } => {
                self.partial(groups, |number| (number % divisor == remainder).then_some(code))
            }
            CallFault::Whole { status, code } => {
                answered(status, &format!(r#"{{"__type":"{code}"}}"#))
            }
            CallFault::NotJson(effect) => {
                self.unreported(numbers, effect, answered(200, "{\"Failed"))
            }
            CallFault::WrongLength(effect) => {
                self.unreported(numbers, effect, answered(200, r#"{"RequestResponses":[]}"#))
            }
            CallFault::TimedOut(effect) => self.unreported(numbers, effect, CallResult::TimedOut),
            CallFault::Cut(effect) => {
                self.unreported(numbers, effect, CallResult::Unreachable("reset".to_owned()))
            }
            CallFault::NotSent => CallResult::NotSent("no signature".to_owned()),
        }
    }

    /// Rejects the groups whose first number is `rejected`, and those with poison.
    fn partial(
        &mut self,
        groups: &[Vec<usize>],
        rejected: impl Fn(usize) -> Option<&'static str>,
    ) -> CallResult {
        let mut errors = Vec::new();
        for group in groups {
            let poison = self.poisoned(group).then_some("ValidationException");
            let error = poison.or_else(|| rejected(group[0]));
            if error.is_none() || (poison.is_some() && group.len() == 1) {
                group.iter().for_each(|number| self.reported[*number] = true);
            }
            if error.is_none() {
                group.iter().for_each(|number| self.accepted[*number] += 1);
            }
            errors.push(error);
        }
        entries_of(self.stream.service, &errors)
    }

    fn unreported(
        &mut self,
        numbers: &[usize],
        effect: CallEffect,
        reply: CallResult,
    ) -> CallResult {
        if effect == CallEffect::Taken && !self.poisoned(numbers) {
            for number in numbers {
                self.accepted[*number] += 1;
                self.unreported[*number] += 1;
            }
        }
        reply
    }
}

/// Drives a delivery to its end as the runtime does, and checks each call.
fn drive(
    delivery: &mut StreamDelivery,
    service: &mut DeliveryModel,
    faults: &[(CallFault, u64, u32)],
    policy: DeliveryConfig,
) -> Result<(Milliseconds, StreamHealth), TestCaseError> {
    let (mut now, mut health) = (0, StreamHealth::default());
    let mut faults = faults.iter();
    for _ in 0..100_000 {
        let groups: Vec<Vec<usize>> = match delivery.step(now, &mut health) {
            Action::Send { records, timeout_ms } => {
                prop_assert!(timeout_ms > 0 && now + timeout_ms <= policy.delivery_timeout_ms);
                let Stream { service, name } = &service.stream;
                prop_assert!((1..=service.limits().records).contains(&records.len()));
                let endpoint = http::Uri::from_static("http://h/");
                let request = service.put_request(&endpoint, name, &records).unwrap();
                prop_assert!(request.body().len() <= policy.call_bytes);
                records.iter().map(numbers).collect()
            }
            Action::Wait { milliseconds } => {
                prop_assert!(milliseconds > 0 && milliseconds <= DeliveryConfig::CAP_MS);
                now += milliseconds;
                continue;
            }
            Action::GiveUp | Action::Done => return Ok((now, health)),
        };
        let sent = groups.concat();
        prop_assert!(sent.is_sorted_by(|before, after| before < after), "in order, each once");
        prop_assert!(
            !sent.iter().any(|number| service.reported[*number]),
            "what is settled is not sent again"
        );
        let (fault, took_ms, random) = faults.next().cloned().unwrap_or((CallFault::None, 1, 0));
        now += took_ms;
        let reply = service.call(&groups, &fault);
        delivery.reply(reply, now, random, &mut health);
    }
    Err(TestCaseError::fail("does not end"))
}

proptest! {
    #[test]
    fn nothing_is_lost_and_only_unanswered_calls_are_doubled(
        count in 0_usize..1_200,
        faults in proptest::collection::vec((fault(), 0_u64..300, any::<u32>()), 0..40),
        call_bytes in prop_oneof![300_usize..20_000, Just(1_048_576)],
        stream in streams(),
        aggregation in prop_oneof![Just(Aggregation::Off), Just(Aggregation::default())],
        refuses in prop_oneof![Just(CallRefusal::Call), Just(CallRefusal::Entry)],
        poison in prop_oneof![Just((|_| false) as fn(usize) -> bool), Just((|number| number % 97 == 5) as fn(usize) -> bool)],
    ) {
        let policy = DeliveryConfig { call_bytes, aggregation, ..DeliveryConfig::default() };
        let mut delivery = prepare(&stream, records(count), policy, 0);
        let mut service = DeliveryModel::new(stream, count, poison, refuses);
        let (now, health) = drive(&mut delivery, &mut service, &faults, policy)?;
        let report = delivery.finish(now, &health);
        prop_assert_eq!(report.records.len(), count);
        let mut pending = 0;
        for (record, status) in report.records {
            let number = number(&record);
            let (accepted, unreported) = (service.accepted[number], service.unreported[number]);
            match status {
                RecordStatus::Delivered => prop_assert_eq!(accepted, 1 + unreported),
                RecordStatus::Pending => {
                    pending += 1;
                    prop_assert_eq!(accepted, unreported);
                }
                RecordStatus::Rejected(_) => prop_assert!(poison(number) && accepted == 0),
            }
        }
        prop_assert_eq!(pending > 0, report.problem.is_some());
    }

    #[test]
    fn once_the_faults_are_over_everything_is_delivered(
        count in 1_usize..1_200,
        faults in proptest::collection::vec((fault(), 0_u64..300, any::<u32>()), 0..4),
        stream in streams(),
        aggregation in prop_oneof![Just(Aggregation::Off), Just(Aggregation::default())],
    ) {
        let lasting = |fault: &CallFault| matches!(fault, CallFault::NotSent | CallFault::Whole { status: 403 | 404, .. })
            || matches!(fault, CallFault::Whole { code: "ResourceNotFoundException", .. });
        prop_assume!(!faults.iter().any(|(fault, ..)| lasting(fault)));
        let policy = DeliveryConfig { delivery_timeout_ms: 60_000, aggregation, ..DeliveryConfig::default() };
        let mut delivery = prepare(&stream, records(count), policy, 0);
        let mut service = DeliveryModel::new(stream, count, |_| false, CallRefusal::Call);
        let (now, health) = drive(&mut delivery, &mut service, &faults, policy)?;
        let report = delivery.finish(now, &health);
        prop_assert_eq!(report.problem, None);
        prop_assert!(report.records.iter().all(|(_, status)| *status == RecordStatus::Delivered));
    }
}
