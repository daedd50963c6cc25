//! Reports of shards in trouble to the one object that the summary is read from.
//!
//! A shard reports when its trouble begins, changes or ends, and every [`AGAIN_MS`] while it lasts.
//! A shard that is well, and was well at its last report, sends nothing. The object stores the
//! reports. Each shard stores that it has reported trouble, so that it can report the end even
//! after an eviction.
//!
//! Each jurisdiction has an object for reports of its own, so shards of the same number in two of
//! them do not replace each other's reports.

use serde::Serialize;
use serde_json::value::RawValue;

use super::shard::{ShardState, ShardView, SpillState};
use crate::base::clock::Milliseconds;
use crate::base::json::from_json::{self, FromJson, from_json};
use crate::model::placement::ShardNumber;
use crate::model::shard_address::{Jurisdiction, ShardAddress};
use crate::shard::record_counts::RecordCounts;

/// How long until lasting trouble is reported again, in milliseconds.
pub const AGAIN_MS: u64 = 30_000;

/// How long a report that a shard did not answer is valid, in milliseconds. Each further attempt
/// without an answer renews it.
const SILENT_MS: u64 = 90_000;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShardReport {
    pub shard: ShardNumber,
    /// When the report was made.
    pub at: Milliseconds,
    pub how: ShardCondition,
}

/// The state of a shard in a report.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum ShardCondition {
    /// There is no trouble to report.
    Well,
    Troubled(ShardState),
    /// It did not answer.
    Silent,
}

from_json!(ShardReport { shard, at, how });

impl FromJson for ShardCondition {
    fn from_json(json: &RawValue) -> Option<Self> {
        match json.get() {
            "\"well\"" => Some(Self::Well),
            "\"silent\"" => Some(Self::Silent),
            _ => from_json::field(&from_json::fields(json)?, "troubled").map(Self::Troubled),
        }
    }
}

impl ShardReport {
    /// Encodes the report for sending and storage.
    pub fn encode(&self) -> Vec<u8> {
        // Only texts and numbers, which JSON can always represent.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Inverse of [`Self::encode`].
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        from_json::read(std::str::from_utf8(bytes).ok()?)
    }

    /// The key under which the report is stored. It replaces an earlier one.
    pub fn key(&self) -> Vec<u8> {
        let kind = if matches!(self.how, ShardCondition::Silent) { 2 } else { 1 };
        [&[kind][..], &self.shard.to_be_bytes()].concat()
    }

    /// Whether the report only ends an earlier one.
    pub fn is_of_the_end(&self) -> bool {
        matches!(self.how, ShardCondition::Well)
    }

    /// Joins encoded reports into the answer of the object.
    pub fn list(reports: &[Vec<u8>]) -> Vec<u8> {
        [b"[".as_slice(), &reports.join(b",".as_slice()), b"]"].concat()
    }

    /// Inverse of [`Self::list`]. A report that can't be read, such as one of a later version, is
    /// left out.
    pub fn decode_list(bytes: &[u8]) -> Option<Vec<Self>> {
        let reports: Vec<&RawValue> =
            serde_json::from_str(std::str::from_utf8(bytes).ok()?).ok()?;
        Some(reports.into_iter().filter_map(Self::from_json).collect())
    }
}

/// Returns the shards in trouble at `now`, of the jurisdiction whose object has these reports.
pub fn views(
    jurisdiction: Jurisdiction,
    reports: Vec<ShardReport>,
    now: Milliseconds,
) -> Vec<ShardView> {
    let mut views: Vec<ShardView> = Vec::new();
    for ShardReport { shard: number, at, how } in reports {
        let address = ShardAddress { number, jurisdiction };
        let age_ms = now.saturating_sub(at);
        let view = match how {
            ShardCondition::Well => continue,
            ShardCondition::Silent if age_ms >= SILENT_MS => continue,
            ShardCondition::Silent => ShardView::of_state(address, Err("no answer".to_owned())),
            ShardCondition::Troubled(state) => {
                let older = |spill: SpillState| SpillState {
                    oldest_age_s: match spill.records {
                        0 => 0,
                        _ => spill.oldest_age_s.saturating_add(age_ms / 1_000),
                    },
                    ..spill
                };
                let spill = state.spill.into_iter().map(older).collect();
                // Counts of a report are older than what the shard may have answered, and a counter
                // that falls to anything but 0 is read as new records.
                let records = RecordCounts::default();
                ShardView::of_state(address, Ok(ShardState { spill, records, ..state }))
            }
        };
        match views.iter_mut().find(|known| known.address == address) {
            // The earlier report is outdated if the shard does not answer now.
            Some(known) if view.state().is_none() => *known = view,
            Some(_) => {}
            None => views.push(view),
        }
    }
    views
}

/// Decides when a shard reports.
#[derive(Debug, Default)]
pub struct Reporter {
    /// The trouble last reported, and when; `None` if the shard was well then.
    last: Option<(ReportedTrouble, Milliseconds)>,
}

/// The parts of a state whose change is new trouble. The number of spilled records is none of them.
type ReportedTrouble = Vec<String>;

impl Reporter {
    /// The reporter of a shard that was loaded again. `was_troubled`: whether its last report was
    /// of trouble.
    pub fn resumed(was_troubled: bool) -> Self {
        Self { last: was_troubled.then(Default::default) }
    }

    /// Returns the report about `state` that is due at `now`, if any.
    pub fn due(&self, state: &ShardState, now: Milliseconds) -> Option<ShardCondition> {
        let ongoing = ongoing(state);
        match &self.last {
            None if ongoing.is_empty() => None,
            Some(_) if ongoing.is_empty() => Some(ShardCondition::Well),
            Some((known, at)) if *known == ongoing && now.saturating_sub(*at) < AGAIN_MS => None,
            _ => {
                let spill = state.spill.clone();
                // Only failing streams are reported.
                let failing = state.streams.iter().filter(|stream| stream.cause.is_some());
                let streams = failing.cloned().collect();
                Some(ShardCondition::Troubled(ShardState { spill, streams, ..state.clone() }))
            }
        }
    }

    /// Records that the due report about `state` is stored.
    pub fn reported(&mut self, state: &ShardState, now: Milliseconds) {
        let ongoing = ongoing(state);
        self.last = (!ongoing.is_empty()).then_some((ongoing, now));
    }
}

fn ongoing(state: &ShardState) -> ReportedTrouble {
    let of = |spill: &SpillState| {
        let SpillState { stream, records, quarantined, owner, .. } = spill;
        format!("{stream} {} {} {owner:?}", *records > 0, *quarantined > 0)
    };
    let mut ongoing: ReportedTrouble = state.spill.iter().map(of).collect();
    ongoing.extend(state.room.full_at.map(|_| "full".to_owned()));
    ongoing.extend(state.full_tenants.iter().map(|full| format!("full {}", full.tenant)));
    ongoing.extend((state.unreadable > 0).then(|| "unreadable".to_owned()));
    ongoing
}

#[cfg(test)]
mod tests {
    use super::super::cause::Owner;
    use super::super::shard::tests::{depth, status};
    use super::super::stream::StreamState;
    use super::*;
    use crate::delivery::health::{DeliveryError, StreamHealth};
    use crate::model::stream::Stream;
    use crate::shard::record_counts::RecordResult;
    use crate::shard::spill::BacklogStats;

    fn state(spill: Vec<BacklogStats>) -> ShardState {
        let stream = |name: &str, health: &StreamHealth| {
            StreamState::of(&Stream::parse(name).unwrap(), health)
        };
        let mut failing = StreamHealth::default();
        failing.record_failure(DeliveryError::TimedOut, 7);
        let streams = vec![
            stream("firehose:good", &StreamHealth::default()),
            stream("firehose:events", &failing),
        ];
        ShardState::of(status(spill), streams, 0)
    }

    /// Returns the report that is due for a shard with this spill, and records it as stored.
    fn report(
        reporter: &mut Reporter,
        spill: Vec<BacklogStats>,
        now: Milliseconds,
    ) -> Option<ShardCondition> {
        let state = state(spill);
        let due = reporter.due(&state, now);
        if due.is_some() {
            reporter.reported(&state, now);
        }
        due
    }

    #[test]
    fn trouble_is_reported_when_it_begins_changes_lasts_or_ends() {
        let mut reporter = Reporter::default();
        let quarantined = || BacklogStats { quarantined: 1, ..depth(9, 9, 9) };
        for (spill, now, due) in [
            (vec![], 0, "nothing"),
            (vec![depth(1, 1, 1)], 1_000, "trouble"),
            (vec![depth(500, 900, 9_000)], 30_999, "nothing"),
            (vec![depth(500, 900, 9_000)], 31_000, "trouble"),
            (vec![quarantined()], 31_001, "trouble"),
            (vec![BacklogStats { problem: None, ..quarantined() }], 31_002, "trouble"),
            (vec![BacklogStats { records: 0, problem: None, ..quarantined() }], 31_003, "trouble"),
            (vec![], 31_004, "end"),
            (vec![], 900_000, "nothing"),
        ] {
            let found = match report(&mut reporter, spill, now) {
                None => "nothing",
                Some(ShardCondition::Troubled(_)) => "trouble",
                Some(ShardCondition::Well) => "end",
                Some(ShardCondition::Silent) => "silent",
            };
            assert_eq!(found, due, "at {now}");
        }
    }

    #[test]
    fn a_shard_that_restarts_reports_the_end_of_its_reports() {
        assert_eq!(report(&mut Reporter::resumed(true), vec![], 0), Some(ShardCondition::Well));
        assert_eq!(report(&mut Reporter::resumed(false), vec![], 0), None);
        let unstored = Reporter::resumed(true);
        for now in [0, 1] {
            assert_eq!(unstored.due(&state(vec![]), now), Some(ShardCondition::Well));
        }
    }

    #[test]
    fn a_full_or_unreadable_spill_is_trouble() {
        let mut full = state(vec![]);
        full.room.full_at = Some(super::super::Timestamp(1));
        let unreadable = ShardState { unreadable: 1, ..state(vec![]) };
        for state in [full, unreadable] {
            assert!(matches!(
                Reporter::default().due(&state, 0),
                Some(ShardCondition::Troubled(_))
            ));
        }
    }

    #[test]
    fn a_stored_report_is_older_and_has_no_healthy_streams() {
        let mut state = state(vec![depth(3, 9, 5_000)]);
        state.records.add(RecordResult::Spilled);
        let how = Reporter::default().due(&state, 0).unwrap();
        let stored = ShardReport { shard: 3, at: 10_000, how }.encode();
        let other = ShardReport { shard: 4, at: 10_000, how: ShardCondition::Silent };
        let list =
            ShardReport::list(&[stored, br#"{"shard":5,"how":"later"}"#.to_vec(), other.encode()]);
        let reports = ShardReport::decode_list(&list).unwrap();
        assert_eq!(ShardReport::decode_list(b"{"), None);
        let views = views(Jurisdiction::Eu, reports, 71_000);
        let [troubled, silent] = views.as_slice() else { panic!("{views:?}") };
        let state = troubled.state().unwrap();
        assert_eq!((troubled.address.number, state.spill[0].oldest_age_s), (3, 66));
        assert_eq!(troubled.address.jurisdiction, Jurisdiction::Eu);
        assert_eq!(state.records, RecordCounts::default());
        assert_eq!(state.spill[0].owner, Some(Owner::Stream));
        let streams: Vec<&str> = state.streams.iter().map(|it| it.stream.as_str()).collect();
        assert_eq!(streams, ["firehose:events"]);
        assert!(silent.address.number == 4 && silent.state().is_none());
    }

    #[test]
    fn silence_lasts_and_replaces_earlier_reports() {
        let report = |how, at| ShardReport { shard: 1, at, how };
        let troubled = || ShardCondition::Troubled(state(vec![depth(1, 1, 1)]));
        assert_ne!(report(ShardCondition::Silent, 0).key(), report(troubled(), 0).key());
        assert_eq!(report(ShardCondition::Well, 0).key(), report(troubled(), 0).key());
        for (silent_at, is_silent) in [(10_000, true), (9_999, false)] {
            let reports = vec![report(troubled(), 0), report(ShardCondition::Silent, silent_at)];
            let views = views(Jurisdiction::None, reports, 99_999);
            let [view] = views.as_slice() else { panic!("{views:?}") };
            assert_eq!(view.state().is_none(), is_silent, "{silent_at}");
        }
    }
}
