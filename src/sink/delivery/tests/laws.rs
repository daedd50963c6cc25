//! The delivery against a model of the service that fails in every way that it can.

use proptest::prelude::*;

use super::*;

/// One way in which a call can end.
#[derive(Debug, Clone)]
enum Fault {
    None,
    /// Records whose number has this remainder by this divisor are refused.
    Partial {
        divisor: usize,
        remainder: usize,
        code: &'static str,
    },
    Whole {
        status: u16,
        code: &'static str,
    },
    NotJson(Effect),
    WrongLength(Effect),
    TimedOut(Effect),
    Cut(Effect),
    NotSent,
}

/// Whether the service took the records before the call failed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Effect {
    Taken,
    NotTaken,
}

fn fault() -> impl Strategy<Value = Fault> {
    let effect = || prop_oneof![Just(Effect::Taken), Just(Effect::NotTaken)];
    prop_oneof![
        3 => Just(Fault::None),
        4 => (1_usize..4, 0_usize..4, prop_oneof![Just("ServiceUnavailableException"), Just("InternalFailure")])
            .prop_map(|(divisor, remainder, code)| Fault::Partial { divisor, remainder, code }),
        2 => prop_oneof![
            Just((500, "InternalFailure")), Just((503, "ServiceUnavailableException")), Just((429, "")),
            Just((400, "ThrottlingException")), Just((502, "")),
        ].prop_map(|(status, code)| Fault::Whole { status, code }),
        1 => prop_oneof![
            Just((400, "ResourceNotFoundException")), Just((403, "RequestExpired")), Just((404, "")),
        ].prop_map(|(status, code)| Fault::Whole { status, code }),
        1 => effect().prop_map(Fault::NotJson),
        1 => effect().prop_map(Fault::WrongLength),
        1 => effect().prop_map(Fault::TimedOut),
        1 => effect().prop_map(Fault::Cut),
        1 => Just(Fault::NotSent),
    ]
}

/// A service that remembers what it took.
struct Service {
    taken: Vec<u32>,
    /// How often a record was taken without the caller being told.
    untold: Vec<u32>,
    /// What the caller was told of, and so must not send again.
    told: Vec<bool>,
    poison: fn(usize) -> bool,
}

impl Service {
    fn new(count: usize, poison: fn(usize) -> bool) -> Self {
        Self { taken: vec![0; count], untold: vec![0; count], told: vec![false; count], poison }
    }

    fn call(&mut self, numbers: &[usize], fault: &Fault) -> Reply {
        let poisoned = numbers.iter().any(|number| (self.poison)(*number));
        match *fault {
            Fault::None | Fault::Partial { .. } if poisoned => {
                if let [number] = *numbers {
                    self.told[number] = true;
                }
                answered(400, r#"{"__type":"ValidationException"}"#)
            }
            Fault::None => self.partial(numbers, |_| None),
            Fault::Partial { divisor, remainder, code } => {
                self.partial(numbers, |number| (number % divisor == remainder).then_some(code))
            }
            Fault::Whole { status, code } => answered(status, &format!(r#"{{"__type":"{code}"}}"#)),
            Fault::NotJson(effect) => self.untold(numbers, effect, answered(200, "{\"Failed")),
            Fault::WrongLength(effect) => {
                self.untold(numbers, effect, answered(200, r#"{"RequestResponses":[]}"#))
            }
            Fault::TimedOut(effect) => self.untold(numbers, effect, Reply::TimedOut),
            Fault::Cut(effect) => {
                self.untold(numbers, effect, Reply::Unreachable("reset".to_owned()))
            }
            Fault::NotSent => Reply::NotSent("no signature".to_owned()),
        }
    }

    fn partial(
        &mut self,
        numbers: &[usize],
        refused: impl Fn(usize) -> Option<&'static str>,
    ) -> Reply {
        let errors: Vec<Option<&str>> = numbers.iter().map(|number| refused(*number)).collect();
        for (number, error) in numbers.iter().zip(&errors) {
            if error.is_none() {
                self.taken[*number] += 1;
                self.told[*number] = true;
            }
        }
        entries(&errors)
    }

    fn untold(&mut self, numbers: &[usize], effect: Effect, reply: Reply) -> Reply {
        if effect == Effect::Taken && !numbers.iter().any(|number| (self.poison)(*number)) {
            for number in numbers {
                self.taken[*number] += 1;
                self.untold[*number] += 1;
            }
        }
        reply
    }
}

/// Drives a delivery to its end as the edge does, and checks each call on the way.
fn drive(
    delivery: &mut Delivery,
    service: &mut Service,
    faults: &[(Fault, u64, u32)],
    policy: Policy,
) -> Result<(Milliseconds, Health), TestCaseError> {
    let (mut now, mut health) = (0, Health::default());
    let mut faults = faults.iter();
    for _ in 0..100_000 {
        let numbers: Vec<usize> = match delivery.step(now, &mut health) {
            Step::Send { records, timeout_ms } => {
                prop_assert!(timeout_ms > 0 && now + timeout_ms <= policy.deadline_ms);
                prop_assert!((1..=firehose::MAX_RECORDS).contains(&records.len()));
                let Stream::Firehose(name) = &stream();
                let request = firehose::put_record_batch(
                    &http::Uri::from_static("http://h/"),
                    name,
                    &records,
                );
                prop_assert!(request.unwrap().body().len() <= policy.call_bytes);
                records.iter().map(|record| number(record)).collect()
            }
            Step::Wait { milliseconds } => {
                prop_assert!(milliseconds > 0 && milliseconds <= Policy::CAP_MS);
                now += milliseconds;
                continue;
            }
            Step::Spill | Step::Done => return Ok((now, health)),
        };
        prop_assert!(numbers.is_sorted_by(|before, after| before < after), "in order, each once");
        prop_assert!(
            !numbers.iter().any(|number| service.told[*number]),
            "what is settled is not sent again"
        );
        let (fault, took_ms, random) = faults.next().cloned().unwrap_or((Fault::None, 1, 0));
        now += took_ms;
        let reply = service.call(&numbers, &fault);
        delivery.reply(reply, now, random, &mut health);
    }
    Err(TestCaseError::fail("does not end"))
}

proptest! {
    #[test]
    fn nothing_is_lost_and_nothing_doubled_but_what_was_taken_untold(
        count in 0_usize..1_200,
        faults in proptest::collection::vec((fault(), 0_u64..300, any::<u32>()), 0..40),
        call_bytes in 300_usize..20_000,
        poison in prop_oneof![Just((|_| false) as fn(usize) -> bool), Just((|number| number % 97 == 5) as fn(usize) -> bool)],
    ) {
        let policy = Policy { call_bytes, ..Policy::default() };
        let records = (0..count).map(|index| record(&index.to_string())).collect();
        let mut delivery = Delivery::new(&stream(), records, policy, 0);
        let mut service = Service::new(count, poison);
        let (now, health) = drive(&mut delivery, &mut service, &faults, policy)?;
        let report = delivery.finish(now, &health);
        prop_assert_eq!(report.records.len(), count);
        let mut pending = 0;
        for (record, fate) in report.records {
            let number = number(&record);
            let (taken, untold) = (service.taken[number], service.untold[number]);
            match fate {
                Fate::Accepted => prop_assert_eq!(taken, 1 + untold),
                Fate::Pending => {
                    pending += 1;
                    prop_assert_eq!(taken, untold);
                }
                Fate::Poisoned(_) => prop_assert!(poison(number) && taken == 0),
            }
        }
        prop_assert_eq!(pending > 0, report.problem.is_some());
    }

    #[test]
    fn once_the_faults_are_over_everything_is_delivered(
        count in 1_usize..1_200,
        faults in proptest::collection::vec((fault(), 0_u64..300, any::<u32>()), 0..4),
    ) {
        let lasting = |fault: &Fault| matches!(fault, Fault::NotSent | Fault::Whole { status: 403 | 404, .. })
            || matches!(fault, Fault::Whole { code: "ResourceNotFoundException", .. });
        prop_assume!(!faults.iter().any(|(fault, ..)| lasting(fault)));
        let policy = Policy { deadline_ms: 60_000, ..Policy::default() };
        let records = (0..count).map(|index| record(&index.to_string())).collect();
        let mut delivery = Delivery::new(&stream(), records, policy, 0);
        let mut service = Service::new(count, |_| false);
        let (now, health) = drive(&mut delivery, &mut service, &faults, policy)?;
        let report = delivery.finish(now, &health);
        prop_assert_eq!(report.problem, None);
        prop_assert!(report.records.iter().all(|(_, fate)| *fate == Fate::Accepted));
    }
}
