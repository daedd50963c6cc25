//! Tests the spill with real deliveries while services fail and the object is lost.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy)]
enum DrainFault {
    None,
    /// Records whose number has this remainder by 3 are rejected for now.
    Some {
        remainder: usize,
    },
    Whole {
        status: u16,
        code: &'static str,
    },
    /// The call has no answer.
    Unreported(DrainEffect),
    NotSent,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum DrainEffect {
    Accepted,
    NotAccepted,
}

/// How poison is rejected.
#[derive(Debug, Clone, Copy)]
enum DrainRefusal {
    Call,
    Entry,
}

#[derive(Debug, Clone)]
enum Deed {
    /// Spills records; those that are not `kept` were never acknowledged.
    Push { stream: usize, count: usize, padding: usize, kept: StorageKept },
    /// Delivers the records that are due.
    Drain { faults: Vec<DrainFault>, pushed: usize, kept: StorageKept },
    /// Moves the records of the stream that is named no more, unless a write `record_failure`.
    Move { max_bytes: usize, record_failure: Option<usize>, kept: StorageKept },
    /// Time passes until the next alarm.
    Sleep,
    /// The object is lost.
    Crash,
}

/// Whether the object's writes were durable before it was lost.
#[derive(Debug, Clone, Copy, PartialEq)]
enum StorageKept {
    Yes,
    No,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let effect = prop_oneof![Just(DrainEffect::Accepted), Just(DrainEffect::NotAccepted)];
    let fault = prop_oneof![
        3 => Just(DrainFault::None),
        4 => (0_usize..3).prop_map(|remainder| DrainFault::Some { remainder }),
        2 => prop_oneof![
            Just((500, "InternalFailure")), Just((400, "ThrottlingException")),
            Just((400, "ResourceNotFoundException")), Just((403, "ExpiredTokenException")),
        ].prop_map(|(status, code)| DrainFault::Whole { status, code }),
        2 => effect.prop_map(DrainFault::Unreported),
        1 => Just(DrainFault::NotSent),
    ];
    let kept = || prop_oneof![5 => Just(StorageKept::Yes), 1 => Just(StorageKept::No)];
    let padding = prop_oneof![6 => Just(0_usize), 3 => 0_usize..9_000, 1 => Just(60_000)];
    let deed = prop_oneof![
        4 => (0_usize..4, 1_usize..40, padding, kept())
            .prop_map(|(stream, count, padding, kept)| Deed::Push { stream, count, padding, kept }),
        4 => (proptest::collection::vec(fault, 0..8), 0_usize..4, kept())
            .prop_map(|(faults, pushed, kept)| Deed::Drain { faults, pushed, kept }),
        3 => (1_usize..200_000, proptest::option::weighted(0.3, 0_usize..6), kept())
            .prop_map(|(max_bytes, record_failure, kept)| Deed::Move { max_bytes, record_failure, kept }),
        2 => Just(Deed::Sleep),
        1 => Just(Deed::Crash),
    ];
    proptest::collection::vec(deed, 0..25)
}

/// The expected queue of each stream, the expected quarantine, and the results of attempts.
#[derive(Debug, Clone, Default)]
struct Waiting {
    queues: [VecDeque<usize>; 4],
    quarantined: Vec<usize>,
    /// Whether a stream's last attempts delivered nothing, and one was rejected for its content.
    in_vain: [bool; 4],
}

struct SpillWorld {
    storage: Memory,
    spill: Spill,
    health: [StreamHealth; 4],
    now: Milliseconds,
    waiting: Waiting,
    /// The durable part of `waiting`.
    committed: Waiting,
    refuses: DrainRefusal,
    /// How often a stream accepted a record.
    token: BTreeMap<(usize, usize), u32>,
    /// How often it did so without an answer, or with one that was lost.
    untold: BTreeMap<(usize, usize), u32>,
    /// Records whose callers got the answer that they are kept.
    reported: Vec<(usize, usize)>,
    made: usize,
}

const STREAMS: [&str; 4] = ["firehose:events", "kinesis:orders", "firehose:failed", "firehose:old"];
const FAILED: usize = 2;
/// The stream that is named no more.
const OLD: usize = 3;

/// Returns the stream that a record of that one is routed to today.
const fn current_stream(number: usize) -> usize {
    number % 2
}

fn is_poison(stream: usize, number: usize) -> bool {
    number % 13 == 5 && (stream != FAILED || number.is_multiple_of(2))
}

impl SpillWorld {
    fn new(refuses: DrainRefusal) -> Self {
        let storage = Memory::default();
        Self {
            spill: super::spill(&storage),
            storage,
            health: Default::default(),
            now: 1_795_000_000_000,
            waiting: Waiting::default(),
            committed: Waiting::default(),
            refuses,
            token: BTreeMap::new(),
            untold: BTreeMap::new(),
            reported: Vec::new(),
            made: 0,
        }
    }

    fn commit(&mut self) {
        self.storage.commit();
        self.committed = self.waiting.clone();
    }

    fn crash(&mut self) {
        self.storage.crash();
        self.waiting = self.committed.clone();
        self.health = Default::default();
        self.spill = Spill::load(&self.storage, SpillConfig::default(), self.now).unwrap();
    }

    fn push(&mut self, index: usize, count: usize, padding: usize) -> Vec<usize> {
        let numbers: Vec<usize> = (self.made..self.made + count).collect();
        self.made += count;
        let records: Vec<Record> = numbers.iter().map(|it| numbered(*it, padding)).collect();
        let stream = stream(STREAMS[index]);
        self.spill.push(&self.storage, &stream, &refs(&records), self.now).unwrap();
        self.waiting.queues[index].extend(&numbers);
        numbers
    }

    fn act(&mut self, deed: &Deed) -> Result<(), TestCaseError> {
        match deed {
            Deed::Push { stream, count, padding, kept } => {
                let numbers = self.push(*stream, *count, *padding);
                match kept {
                    StorageKept::Yes => {
                        self.reported.extend(numbers.iter().map(|number| (*stream, *number)));
                        self.commit();
                    }
                    StorageKept::No => self.crash(),
                }
            }
            Deed::Drain { faults, pushed, kept } => self.drain(faults, *pushed, *kept)?,
            Deed::Move { max_bytes, record_failure, kept } => {
                self.move_oldest(*max_bytes, *record_failure, *kept)?
            }
            Deed::Sleep => self.now = self.spill.wake_at().unwrap_or(self.now).max(self.now),
            Deed::Crash => self.crash(),
        }
        self.check()
    }

    /// Moves the records queued for the stream that is named no more.
    fn move_oldest(
        &mut self,
        max_bytes: usize,
        record_failure: Option<usize>,
        kept: StorageKept,
    ) -> Result<(), TestCaseError> {
        let from = stream(STREAMS[OLD]);
        let to = |record: &Record| Some(stream(STREAMS[current_stream(number(record))]));
        self.storage.fails_from.set(record_failure.map(|max| self.storage.writes.get() + max));
        let moved = self.spill.move_oldest(&self.storage, &from, max_bytes, to, self.now);
        self.storage.fails_from.set(None);
        if let Ok(moved) = moved {
            prop_assert_eq!(moved.records == 0, self.waiting.queues[OLD].is_empty());
            for _ in 0..moved.records {
                let number = self.waiting.queues[OLD].pop_front().unwrap();
                let queue = &mut self.waiting.queues[current_stream(number)];
                let cursor = queue.iter().position(|later| *later > number).unwrap_or(queue.len());
                queue.insert(cursor, number);
            }
        }
        match kept {
            StorageKept::Yes => self.commit(),
            StorageKept::No => self.crash(),
        }
        Ok(())
    }

    /// Makes one attempt for each stream that is due. Meanwhile `pushed` more records arrive.
    fn drain(
        &mut self,
        faults: &[DrainFault],
        pushed: usize,
        kept: StorageKept,
    ) -> Result<(), TestCaseError> {
        let mut faults = faults.iter();
        for due in self.spill.due(self.now) {
            let index = STREAMS.iter().position(|name| *name == due.to_string()).unwrap();
            let batch = self.spill.begin_attempt(&self.storage, &due, MIB, self.now).unwrap();
            let batch = batch.ok_or_else(|| TestCaseError::fail("due, and nothing to take"))?;
            let mut came = numbers(&batch.batch.records);
            let rotated = batch.token.rotation;
            came.rotate_right(rotated);
            let queue = &self.waiting.queues[index];
            let before = queue.iter().position(|waiting| came.first() == Some(waiting)).unwrap();
            let read_oldest = queue.iter().skip(before).take(came.len());
            prop_assert!(came.iter().eq(read_oldest), "in order");
            prop_assert!(
                before == 0 || self.waiting.in_vain[index],
                "the oldest, as long as it helps"
            );
            let (report, accepted) = self.deliver(index, batch.batch.records, &mut faults);
            if pushed > 0 {
                let numbers = self.push(index, pushed, 0);
                self.reported.extend(numbers.iter().map(|number| (index, *number)));
                self.commit();
            }
            let statuses: BTreeMap<usize, RecordStatus> = report
                .records
                .iter()
                .map(|(record, status)| (number(record), status.clone()))
                .collect();
            let failed = stream(STREAMS[FAILED]);
            let for_bytes =
                report.problem.as_ref().is_some_and(|it| it.code() == "ValidationException");
            let progress = self
                .spill
                .end_attempt(&self.storage, batch.token, report, &failed, self.now, 1 << 30)
                .unwrap();
            self.waiting.in_vain[index] =
                progress.left == came.len() && (for_bytes || self.waiting.in_vain[index]);
            self.take_off(index, &came, &statuses);
            match kept {
                StorageKept::Yes => self.commit(),
                StorageKept::No => {
                    for number in accepted {
                        *self.untold.entry((index, number)).or_default() += 1;
                    }
                    self.crash();
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn take_off(&mut self, index: usize, came: &[usize], statuses: &BTreeMap<usize, RecordStatus>) {
        for number in came {
            match (&statuses[number], index) {
                (RecordStatus::Pending, _) => continue,
                (RecordStatus::Delivered, _) => {}
                (RecordStatus::Rejected(_), FAILED) => self.waiting.quarantined.push(*number),
                (RecordStatus::Rejected(_), _) => self.waiting.queues[FAILED].push_back(*number),
            }
            self.waiting.queues[index].retain(|waiting| waiting != number);
        }
    }

    /// Drives a delivery. Returns its report, and the records that the stream accepted with an
    /// answer.
    fn deliver(
        &mut self,
        index: usize,
        records: Vec<Record>,
        faults: &mut std::slice::Iter<'_, DrainFault>,
    ) -> (DeliveryReport, Vec<usize>) {
        let stream = stream(STREAMS[index]);
        let policy = stream_delivery::DeliveryConfig::default();
        let mut delivery = StreamDelivery::new(StreamBatch { stream, records }, policy, self.now);
        let mut reported = Vec::new();
        loop {
            let mut health = std::mem::take(&mut self.health[index]);
            let aggregates: Option<Vec<Vec<usize>>> = match delivery.step(self.now, &mut health) {
                Action::Send { records, .. } => {
                    Some(records.iter().map(|group| group.lines().map(number).collect()).collect())
                }
                Action::Wait { milliseconds } => {
                    self.now += milliseconds;
                    None
                }
                Action::GiveUp | Action::Done => {
                    let report = delivery.finish(self.now, &health);
                    self.health[index] = health;
                    return (report, reported);
                }
            };
            if let Some(aggregates) = aggregates {
                let fault = faults.next().copied().unwrap_or(DrainFault::None);
                let reply = self.reply(index, &aggregates, fault, &mut reported);
                self.now += 5;
                delivery.reply(reply, self.now, 1 << 31, &mut health);
            }
            self.health[index] = health;
        }
    }

    fn reply(
        &mut self,
        index: usize,
        aggregates: &[Vec<usize>],
        fault: DrainFault,
        reported: &mut Vec<usize>,
    ) -> CallResult {
        let rejected = |numbers: &[usize]| numbers.iter().any(|it| is_poison(index, *it));
        let answered = |status, body: String| {
            let body = body.into_bytes();
            CallResult::Answered(HttpResponse { status, retry_after_ms: None, body })
        };
        let of_code = |status, code| answered(status, format!(r#"{{"__type":"{code}"}}"#));
        match (fault, self.refuses) {
            (DrainFault::Whole { status, code }, _) => of_code(status, code),
            (DrainFault::NotSent, _) => CallResult::NotSent("no key".to_owned()),
            (DrainFault::Unreported(effect), _) => {
                if effect == DrainEffect::Accepted && !rejected(&aggregates.concat()) {
                    for number in aggregates.concat() {
                        *self.token.entry((index, number)).or_default() += 1;
                        *self.untold.entry((index, number)).or_default() += 1;
                    }
                }
                CallResult::TimedOut
            }
            (_, DrainRefusal::Call) if rejected(&aggregates.concat()) => {
                of_code(400, "ValidationException")
            }
            (DrainFault::None | DrainFault::Some { .. }, _) => {
                let refused = |group: &[usize]| match fault {
                    _ if rejected(group) => Some("ValidationException"),
                    DrainFault::Some { remainder } if group[0] % 3 == remainder => {
                        Some("InternalFailure")
                    }
                    _ => None,
                };
                let (mut entries, mut errors) = (Vec::new(), 0);
                for group in aggregates {
                    match refused(group) {
                        Some(code) => {
                            errors += 1;
                            entries.push(format!(r#"{{"ErrorCode":"{code}"}}"#));
                        }
                        None => {
                            entries.push(r#"{"RecordId":"r","SequenceNumber":"1"}"#.to_owned());
                            reported.extend(group);
                            for number in group {
                                *self.token.entry((index, *number)).or_default() += 1;
                            }
                        }
                    }
                }
                let entries = entries.join(",");
                let (count, list) = match index {
                    1 => ("FailedRecordCount", "Records"),
                    _ => ("FailedPutCount", "RequestResponses"),
                };
                answered(200, format!(r#"{{"{count}":{errors},"{list}":[{entries}]}}"#))
            }
        }
    }

    /// Checks that the counts match the storage, also after a new load.
    fn check(&self) -> Result<(), TestCaseError> {
        let sums = |spill: &Spill| {
            let of = |depth: BacklogStats| {
                let BacklogStats { stream, records, bytes, oldest_ms, quarantined, .. } = depth;
                (stream.to_string(), (records, bytes, oldest_ms, quarantined))
            };
            spill.depth(self.now).into_iter().map(of).collect::<BTreeMap<_, _>>()
        };
        let anew = Spill::load(&self.storage, SpillConfig::default(), self.now).unwrap();
        prop_assert_eq!(sums(&self.spill), sums(&anew));
        let depths = sums(&self.spill);
        for (index, name) in STREAMS.iter().enumerate() {
            let (records, bytes, _, quarantined) = depths.get(*name).copied().unwrap_or_default();
            prop_assert_eq!(records, self.waiting.queues[index].len() as u64);
            prop_assert_eq!(records > 0, bytes > 0);
            prop_assert_eq!(records > 0, self.spill.must_queue(&stream(name), None));
            let quarantine_row =
                if index == FAILED { self.waiting.quarantined.len() as u64 } else { 0 };
            prop_assert_eq!(quarantined, quarantine_row);
        }
        let stored: u64 = depths.values().map(|(_, bytes, ..)| bytes).sum();
        prop_assert!(stored <= self.spill.bytes());
        prop_assert_eq!(
            self.spill.wake_at().is_some(),
            self.waiting.queues.iter().any(|it| !it.is_empty())
        );
        Ok(())
    }

    /// Checks that all queued records are delivered once nothing fails any more.
    fn recover(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..2_000 {
            let Some(at) = self.spill.wake_at() else { return Ok(()) };
            self.now = self.now.max(at);
            self.drain(&[], 0, StorageKept::Yes)?;
            self.check()?;
        }
        Err(TestCaseError::fail(format!("does not end: {:?}", self.spill)))
    }
}

proptest! {
    #[test]
    fn every_spilled_record_reaches_its_stream_or_the_failed_one(
        deeds in deeds(),
        refuses in prop_oneof![Just(DrainRefusal::Call), Just(DrainRefusal::Entry)],
    ) {
        let mut world = SpillWorld::new(refuses);
        for deed in &deeds {
            world.act(deed)?;
        }
        // A record is known to be poison only beside one that its stream accepts.
        for index in 0..STREAMS.len() {
            while is_poison(index, world.made) || is_poison(FAILED, world.made) {
                world.made += 1;
            }
            let numbers = world.push(index, 1, 0);
            world.reported.push((index, numbers[0]));
        }
        world.commit();
        world.recover()?;
        for (index, number) in &world.reported {
            let cursor = if is_poison(*index, *number) { FAILED } else { *index };
            if is_poison(cursor, *number) {
                prop_assert!(world.waiting.quarantined.contains(number));
            } else {
                let mut places = vec![cursor];
                places.extend((cursor == OLD).then(|| current_stream(*number)));
                let sum = |of: &BTreeMap<(usize, usize), u32>| -> u32 {
                    places.iter().filter_map(|cursor| of.get(&(*cursor, *number))).sum()
                };
                let (token, untold) = (sum(&world.token), sum(&world.untold));
                prop_assert_eq!(token, 1 + untold, "{} of {}", number, index);
            }
        }
        let known = |(index, number): &(usize, usize)| {
            let may_come = |from: usize| {
                from == *index || *index == FAILED || (from == OLD && *index == current_stream(*number))
            };
            world.reported.iter().any(|(from, reported)| reported == number && may_come(*from))
        };
        prop_assert!(world.token.keys().all(known), "nothing comes that was not kept");
    }
}
