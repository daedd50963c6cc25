//! The object's one alarm: whether it has to be set, and for which time.
//!
//! Setting it costs a row, so it is not set twice for the same time. An alarm whose time has passed
//! is set again. It may be lost, for example if its object cannot start, and spilled records must
//! not depend on it for ever.

use crate::base::clock::{Milliseconds, is_ahead};

/// The state of the alarm.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alarm {
    at: Option<Milliseconds>,
}

impl Alarm {
    /// Delay after which an alarm counts as lost, in milliseconds.
    pub const LATE_MS: u64 = 10_000;
    /// Longest time that an alarm is set ahead, in milliseconds.
    const FURTHEST_MS: u64 = 3_600_000;

    /// Requests an alarm at `at` or earlier. Returns the time to set it for, or `None` if the alarm
    /// that is set is early enough.
    pub fn by(&mut self, at: Milliseconds, now: Milliseconds) -> Option<Milliseconds> {
        let stays = self.at.is_some_and(|set| set <= at.max(now) && Self::is_to_come(set, now));
        if stays { None } else { self.set(at, now) }
    }

    /// Requests an alarm at `at` in place of any other. Returns the time to set it for, or `None`
    /// if it is set for that time.
    pub fn at(&mut self, at: Milliseconds, now: Milliseconds) -> Option<Milliseconds> {
        let is_set = self.at == Some(at) && Self::is_to_come(at, now);
        if is_set { None } else { self.set(at, now) }
    }

    /// Records that no alarm is set: it fired, was cancelled, or could not be set.
    pub const fn forget(&mut self) {
        self.at = None;
    }

    const fn set(&mut self, at: Milliseconds, now: Milliseconds) -> Option<Milliseconds> {
        let at = if at < now { now } else { at };
        self.at = Some(at);
        self.at
    }

    /// Whether an alarm for `at` may still fire.
    const fn is_to_come(at: Milliseconds, now: Milliseconds) -> bool {
        is_ahead(at.saturating_add(Self::LATE_MS), now, Self::FURTHEST_MS)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::delivery::health::DeliveryError;
    use crate::delivery::response::{AwsError, ErrorClass};
    use crate::delivery::stream_delivery::{DeliveryReport, RecordStatus};
    use crate::model::record::Record;
    use crate::model::record::tests::record;
    use crate::model::stream::Stream;
    use crate::shard::batcher::BatchLimits;
    use crate::shard::spill::row::TenantRecord;
    use crate::shard::spill::{LONGEST_MS, Spill, SpillConfig};
    use crate::shard::storage::tests::Memory;

    #[test]
    fn an_alarm_is_set_again_when_it_is_sooner_or_was_lost() {
        let mut alarm = Alarm::default();
        for (at, now, set) in [
            (500, 0, Some(500)),
            (500, 0, None),
            (900, 0, None),
            (400, 0, Some(400)),
            (100, 450, None),
            (100, 10_399, None),
            (100, 10_400, Some(10_400)),
            (100, 10_401, None),
        ] {
            assert_eq!(alarm.by(at, now), set, "by {at} at {now}");
        }
        assert_eq!(alarm.at(10_400, 10_402), None);
        assert_eq!(alarm.at(30_000, 10_402), Some(30_000), "later, too");
        alarm.forget();
        assert_eq!(alarm.by(30_000, 10_403), Some(30_000));
    }

    #[test]
    fn a_clock_that_was_set_back_is_no_alarm() {
        let mut alarm = Alarm::default();
        alarm.at(7_200_000, 7_100_000);
        assert_eq!(alarm.by(60_000, 0), Some(60_000));
    }

    /// How an attempt ends.
    #[derive(Debug, Clone, Copy)]
    enum Ends {
        Accepted,
        Half,
        Rejected,
        BreakerOpen {
            cooldown_ms: u64,
        },
        Denied,
        Asked {
            cooldown_ms: u64,
        },
        /// The object is lost before the end.
        Lost,
    }

    #[derive(Debug, Clone)]
    enum AlarmAct {
        /// A delivery of new records gives up, and this many are spilled.
        Spill { records: usize, token: bool },
        /// Time passes, and the alarm fires if it is set for that time.
        Wait(u64),
        /// The next attempt ends so, after some time.
        End { ends: Ends, took_ms: u64, random: u32 },
        /// A request arrives.
        Parcel,
        /// The alarm is lost, however it was set.
        LoseAlarm,
    }

    fn ends() -> impl Strategy<Value = Ends> {
        prop_oneof![
            Just(Ends::Accepted),
            Just(Ends::Half),
            Just(Ends::Rejected),
            (0_u64..=10_000).prop_map(|cooldown_ms| Ends::BreakerOpen { cooldown_ms }),
            Just(Ends::Denied),
            (0_u64..=600_000).prop_map(|cooldown_ms| Ends::Asked { cooldown_ms }),
            Just(Ends::Lost),
        ]
    }

    fn act() -> impl Strategy<Value = AlarmAct> {
        let records = (1_usize..20, any::<bool>());
        prop_oneof![
            records.prop_map(|(records, token)| AlarmAct::Spill { records, token }),
            (1_u64..70_000).prop_map(AlarmAct::Wait),
            (ends(), 0_u64..10_000, any::<u32>())
                .prop_map(|(ends, took_ms, random)| AlarmAct::End { ends, took_ms, random }),
            Just(AlarmAct::Parcel),
            Just(AlarmAct::LoseAlarm),
        ]
    }

    /// An object and its alarm, which the test drives as the runtime does.
    struct ObjectWithAlarm {
        storage: Memory,
        spill: Spill,
        alarm: Alarm,
        /// The alarm that the runtime has set.
        rings_at: Option<Milliseconds>,
        now: Milliseconds,
        tries: Vec<(Ends, u64, u32)>,
        stream: Stream,
    }

    impl ObjectWithAlarm {
        fn wake_by(&mut self, at: Option<Milliseconds>) {
            if let Some(set) = at.and_then(|at| self.alarm.by(at, self.now)) {
                self.rings_at = Some(set);
            }
        }

        fn load(&mut self) {
            self.spill = Spill::load(&self.storage, SpillConfig::default(), self.now).unwrap();
            self.alarm = Alarm::default();
            self.wake_by(self.spill.wake_at());
        }

        /// Advances to `until`, and fires every alarm on the way.
        fn wait_until(&mut self, until: Milliseconds) {
            while let Some(at) = self.rings_at.filter(|at| *at <= until) {
                self.now = self.now.max(at);
                self.rings_at = None;
                self.ring();
            }
            self.now = self.now.max(until);
        }

        fn ring(&mut self) {
            self.alarm.forget();
            self.rings_at = self.alarm.at(self.now + 15_000, self.now);
            // First the drawn ends, then the one that takes longest.
            while self.spill.is_due(&self.stream, self.now) {
                let max = BatchLimits { bytes: 40, records: 500 };
                let Some(batch) =
                    self.spill.begin_attempt(&self.storage, &self.stream, max, self.now).unwrap()
                else {
                    break;
                };
                let (ends, took_ms, random) =
                    self.tries.pop().unwrap_or((Ends::Denied, 0, u32::MAX));
                self.now += took_ms;
                if let Ends::Lost = ends {
                    return self.load();
                }
                let report = report(batch.batch.records, ends);
                let failed = Stream::parse("firehose:failed").unwrap();
                let settled = self.spill.end_attempt(
                    &self.storage,
                    batch.token,
                    report,
                    &failed,
                    self.now,
                    random,
                );
                settled.unwrap();
            }
            match self.spill.wake_at() {
                Some(at) => {
                    if let Some(set) = self.alarm.at(at, self.now) {
                        self.rings_at = Some(set);
                    }
                }
                None => {
                    self.alarm.forget();
                    self.rings_at = None;
                }
            }
        }
    }

    fn report(records: Vec<Record>, ends: Ends) -> DeliveryReport {
        let refused = |class| {
            let (code, message) = ("ThrottlingException".to_owned(), String::new());
            Some(DeliveryError::Rejected(AwsError { class, code, message }))
        };
        let (token, problem, cooldown_ms) = match ends {
            Ends::Accepted => (records.len(), None, 0),
            Ends::Half => (records.len().div_ceil(2), refused(ErrorClass::Throttled), 0),
            Ends::Rejected | Ends::Lost => (0, refused(ErrorClass::Throttled), 0),
            Ends::BreakerOpen { cooldown_ms } => (0, Some(DeliveryError::BreakerOpen), cooldown_ms),
            Ends::Denied => (0, refused(ErrorClass::Config), 0),
            Ends::Asked { cooldown_ms } => (0, refused(ErrorClass::Throttled), cooldown_ms),
        };
        let status =
            |index| if index < token { RecordStatus::Delivered } else { RecordStatus::Pending };
        let records = records.into_iter().enumerate();
        let records = records.map(|(index, record)| (record, status(index))).collect();
        DeliveryReport { records, problem, cooldown_ms, ..DeliveryReport::default() }
    }

    proptest! {
        #[test]
        fn the_next_try_is_never_further_away_than_the_longest_wait(
            acts in proptest::collection::vec(act(), 1..60),
        ) {
            let storage = Memory::default();
            let stream = Stream::parse("firehose:events").unwrap();
            let now = 1_000_000;
            let spill = Spill::load(&storage, SpillConfig::default(), now).unwrap();
            let (alarm, rings_at, tries) = (Alarm::default(), None, Vec::new());
            let mut object = ObjectWithAlarm { storage, spill, alarm, rings_at, now, tries, stream };
            let mut is_redelivered_since = None;
            for act in acts {
                match act {
                    AlarmAct::Spill { records, token } => {
                        let records: Vec<Record> = (0..records).map(|n| record(&n.to_string())).collect();
                        let refs: Vec<TenantRecord<'_>> =
                            records.iter().map(|record| TenantRecord { tenant: "a", record }).collect();
                        let ObjectWithAlarm { spill, storage, stream, now, .. } = &mut object;
                        spill.push(storage, stream, &refs, *now).unwrap();
                        match token {
                            true => spill.stream_accepts(stream, *now),
                            false => spill.stream_fails(stream, *now),
                        }
                        object.wake_by(object.spill.wake_at());
                    }
                    AlarmAct::Wait(milliseconds) => object.wait_until(object.now + milliseconds),
                    AlarmAct::End { ends, took_ms, random } => object.tries.push((ends, took_ms, random)),
                    AlarmAct::Parcel => object.wake_by(object.spill.wake_at()),
                    AlarmAct::LoseAlarm => {
                        object.rings_at = None;
                        is_redelivered_since.get_or_insert(object.now);
                    }
                }
                let Some(at) = object.spill.wake_at() else { continue };
                prop_assert!(at <= object.now + LONGEST_MS, "due in {}", at - object.now);
                match object.rings_at {
                    Some(rings_at) => {
                        prop_assert!(rings_at <= object.now + LONGEST_MS);
                        is_redelivered_since = None;
                    }
                    // The next request sets the alarm again, once it is so late that it was lost.
                    None => prop_assert!(is_redelivered_since.is_some()),
                }
            }
            if object.spill.wake_at().is_some() {
                object.now += LONGEST_MS + Alarm::LATE_MS;
                object.wake_by(object.spill.wake_at());
                prop_assert!(object.rings_at.is_some_and(|at| at <= object.now));
            }
        }
    }
}
