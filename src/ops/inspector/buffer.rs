//! The last entries of the inspector, and the counts of all beacons since the epoch began.
//!
//! The buffer is bounded: ok entries never displace failed ones, and the oldest of each kind are
//! removed first. It counts the entries that it no longer has, so an empty answer is not mistaken
//! for a proof.

use std::collections::VecDeque;

use chrono::{DateTime, SecondsFormat};
use serde::Serialize;
use serde_json::value::RawValue;

use super::filter::{EntryIndex, Filter};
use super::{Doubt, OutcomeCount, Unproven, Unreported, add};
use crate::base::clock::Milliseconds;
use crate::base::json::from_json::{FromJson, from_json};
use crate::base::order::ascending;
use crate::model::endpoint::InspectorQuery;
use crate::model::outcome::OutcomeKind;

/// The most entries of each kind.
pub(super) const MAX_ENTRIES: usize = 500;

/// The most bytes of the entries of each kind.
pub(super) const MAX_BYTES: usize = 8_388_608;

/// How many of the last seconds are counted one by one.
pub(super) const SECONDS: u64 = 60;

/// The most entries in one answer of the live view.
const MAX_LIVE: usize = 100;

/// The last entries, and the counts.
#[derive(Debug, Default)]
pub struct EntryBuffer {
    pub(super) state: BufferSnapshot,
    ok: BoundedLog,
    failed: BoundedLog,
    /// The last seconds in which beacons arrived, with their counts.
    seconds: VecDeque<(u64, Vec<OutcomeCount>)>,
}

/// The counts since the epoch began, without the entries.
#[derive(Debug, Default, Serialize)]
pub(super) struct BufferSnapshot {
    /// The name of the epoch.
    epoch: String,
    since: Milliseconds,
    /// The number of the last entry since the epoch began.
    pub(super) last: u64,
    totals: Vec<OutcomeCount>,
    /// The requests that the inspector may not know of.
    not_kept: u64,
}

from_json!(BufferSnapshot { epoch, since, last, totals, not_kept });

/// The last entries of a kind, the oldest first.
#[derive(Debug, Default)]
struct BoundedLog {
    entries: VecDeque<StoredEntry>,
    bytes: usize,
}

/// An entry with its number.
#[derive(Debug)]
pub(super) struct StoredEntry {
    head: EntryIndex,
    json: Box<RawValue>,
}

/// The number of beacons by outcome.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    total: u64,
    accepted: u64,
    failed: u64,
    duplicate: u64,
    dropped: u64,
    over_quota: u64,
    refused: u64,
}

/// The counts since the epoch began.
#[derive(Debug, Serialize)]
pub struct All<'a> {
    epoch: &'a str,
    since: String,
    #[serde(flatten)]
    totals: Totals,
    not_kept: u64,
}

/// The content of the live view.
#[derive(Debug, Serialize)]
pub struct LiveView<'a> {
    now: String,
    epoch: &'a str,
    /// When the epoch began.
    since: String,
    last: u64,
    counts: Totals,
    not_kept: u64,
    seconds: Vec<Second<'a>>,
    entries: Vec<&'a RawValue>,
}

/// The number of beacons with one outcome in one second.
#[derive(Debug, Serialize)]
struct Second<'a> {
    at: String,
    #[serde(flatten)]
    count: &'a OutcomeCount,
}

impl StoredEntry {
    /// Parses the entry `json`, and numbers it `seq` if it has no number. Returns `None` if it
    /// can't be read.
    fn parse(json: Box<RawValue>, seq: u64) -> Option<Self> {
        let mut head = EntryIndex::from_json(&json)?;
        if head.seq != 0 {
            return Some(Self { head, json });
        }
        head.seq = seq;
        Some(Self { head, json: numbered(seq, &json)? })
    }

    pub(super) const fn seq(&self) -> u64 {
        self.head.seq
    }

    pub(super) const fn is_good(&self) -> bool {
        self.head.outcome.is_good()
    }

    pub(super) fn json(&self) -> &RawValue {
        &self.json
    }
}

impl BoundedLog {
    fn push(&mut self, entry: StoredEntry) {
        self.bytes = self.bytes.saturating_add(entry.json.get().len());
        self.entries.push_back(entry);
        while self.entries.len() > MAX_ENTRIES || self.bytes > MAX_BYTES {
            let Some(oldest) = self.entries.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(oldest.json.get().len());
        }
    }

    /// Returns the entries that `filter` accepts, the newest first.
    fn found(&self, filter: &Filter) -> Vec<&StoredEntry> {
        let newest_first = self.entries.iter().rev();
        let accepted = newest_first.filter(|it| filter.takes(&it.head, it.json.get()));
        accepted.take(filter.limit.unwrap_or(usize::MAX)).collect()
    }

    fn found_json(&self, filter: &Filter) -> Vec<&RawValue> {
        self.found(filter).into_iter().map(|entry| &*entry.json).collect()
    }
}

impl EntryBuffer {
    /// Creates an empty buffer of the epoch `epoch`, which begins at `now`.
    pub fn new(epoch: String, now: Milliseconds) -> Self {
        Self::of(BufferSnapshot { epoch, since: now, ..BufferSnapshot::default() })
    }

    /// Creates a buffer with the counts of `state`, without entries.
    pub(super) fn of(state: BufferSnapshot) -> Self {
        Self { state, ..Self::default() }
    }

    /// Adds the counts of a report that arrives at `now`.
    pub(super) fn count(
        &mut self,
        counts: &[OutcomeCount],
        not_kept: Option<Unreported>,
        now: Milliseconds,
    ) {
        self.count_second(counts, now);
        for count in counts {
            add(&mut self.state.totals, count);
        }
        // Requests from before the epoch are not counted in it.
        if let Some(not_kept) = not_kept.filter(|not_kept| not_kept.last_at >= self.state.since) {
            self.state.not_kept = self.state.not_kept.saturating_add(not_kept.requests);
        }
    }

    /// Adds counts at `now`, but only to their second.
    pub(super) fn count_second(&mut self, counts: &[OutcomeCount], now: Milliseconds) {
        let second = now / 1_000;
        self.seconds.retain(|(at, _)| at.saturating_add(SECONDS) > second);
        if self.seconds.back().is_none_or(|(at, _)| *at != second) {
            self.seconds.push_back((second, Vec::new()));
        }
        if let Some((_, of_second)) = self.seconds.back_mut() {
            counts.iter().for_each(|count| add(of_second, count));
        }
    }

    /// Gives the next numbers to entries that have none. An entry that can't be read is only
    /// counted.
    pub(super) fn number(&mut self, entries: Vec<Box<RawValue>>) -> Vec<StoredEntry> {
        let mut numbered = Vec::with_capacity(entries.len());
        for json in entries {
            let next = self.state.last.saturating_add(1);
            if let Some(entry) = StoredEntry::parse(json, next) {
                self.state.last = self.state.last.max(entry.seq());
                numbered.push(entry);
            }
        }
        numbered
    }

    /// Keeps an entry, and removes the oldest of its kind if necessary.
    pub(super) fn keep(&mut self, entry: StoredEntry) {
        match entry.is_good() {
            true => self.ok.push(entry),
            false => self.failed.push(entry),
        }
    }

    /// The number of the oldest kept entry of a kind.
    pub(super) fn oldest(&self, is_good: bool) -> Option<u64> {
        let kept = if is_good { &self.ok } else { &self.failed };
        kept.entries.front().map(StoredEntry::seq)
    }

    /// The name of the current epoch.
    pub fn epoch(&self) -> &str {
        &self.state.epoch
    }

    /// Sums up the beacons since the epoch began, by outcome.
    fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for OutcomeCount { outcome, count, .. } in &self.state.totals {
            let of_its_kind = match outcome {
                OutcomeKind::Accepted => &mut totals.accepted,
                OutcomeKind::Failed => &mut totals.failed,
                OutcomeKind::Duplicate => &mut totals.duplicate,
                OutcomeKind::Dropped => &mut totals.dropped,
                OutcomeKind::OverQuota => &mut totals.over_quota,
                OutcomeKind::Refused => &mut totals.refused,
            };
            *of_its_kind = of_its_kind.saturating_add(*count);
            totals.total = totals.total.saturating_add(*count);
        }
        totals
    }

    /// How many of the entries that `api` asks for are not kept: they were displaced, exceeded the
    /// limit of a request, or never arrived.
    pub fn missing(&self, api: InspectorQuery) -> u64 {
        let of_kind = |is_good, kept: &BoundedLog| {
            let counts = self.state.totals.iter().filter(|it| it.outcome.is_good() == is_good);
            let report = counts.fold(0, |sum: u64, it| sum.saturating_add(it.count));
            report.saturating_sub(u64::try_from(kept.entries.len()).unwrap_or(u64::MAX))
        };
        let (ok, failed) = (of_kind(true, &self.ok), of_kind(false, &self.failed));
        let entries = match api {
            InspectorQuery::Ok => ok,
            InspectorQuery::Failed => failed,
            InspectorQuery::Live => ok.saturating_add(failed),
            InspectorQuery::All | InspectorQuery::Reset => 0,
        };
        entries.saturating_add(self.state.not_kept)
    }

    /// Whether the answer about the epoch that `filter` names is certain.
    pub fn prove(&self, api: InspectorQuery, filter: &Filter) -> Result<(), Unproven> {
        let Some(asked) = &filter.epoch else { return Ok(()) };
        let BufferSnapshot { epoch, since, .. } = &self.state;
        let since = time(*since, SecondsFormat::Millis);
        let unproven = |doubt, message| Err(Unproven { doubt, message });
        if asked != epoch {
            return unproven(
                Doubt::EpochGone,
                format!(
                    "the epoch that was asked about is gone: the inspector began anew at {since}, as it was reset or what it kept was lost; reset it, send everything again and ask about the new epoch"
                ),
            );
        }
        let totals = self.totals();
        let missing = self.missing(api);
        match api {
            InspectorQuery::Failed if totals.total == 0 && missing == 0 => unproven(
                Doubt::NothingCame,
                format!(
                    "no beacon came since the epoch began at {since}, so an empty answer proves nothing"
                ),
            ),
            // An entry that was found is proof; and there may be many more ok entries than are kept.
            InspectorQuery::Ok if missing == 0 || !self.ok.found(filter).is_empty() => Ok(()),
            InspectorQuery::All | InspectorQuery::Failed | InspectorQuery::Ok if missing > 0 => {
                unproven(
                    Doubt::EntriesMissing,
                    format!(
                        "{missing} of those that came since the epoch began at {since} are not kept (the inspector keeps the last {MAX_ENTRIES} ok and {MAX_ENTRIES} failed ones, and 100 of a request), so that none was found proves nothing; without epoch= it answers with what there is, and /_/inspect/all has the counts"
                    ),
                )
            }
            InspectorQuery::All
            | InspectorQuery::Ok
            | InspectorQuery::Failed
            | InspectorQuery::Live
            | InspectorQuery::Reset => Ok(()),
        }
    }

    /// The number of beacons by outcome since the epoch began.
    pub fn all(&self) -> All<'_> {
        let BufferSnapshot { epoch, since, not_kept, .. } = &self.state;
        let since = time(*since, SecondsFormat::Millis);
        All { epoch, since, totals: self.totals(), not_kept: *not_kept }
    }

    /// Returns the ok entries that `filter` accepts, the newest first.
    pub fn ok_entries(&self, filter: &Filter) -> Vec<&RawValue> {
        self.ok.found_json(filter)
    }

    /// Returns the failed entries that `filter` accepts, the newest first.
    pub fn failed_entries(&self, filter: &Filter) -> Vec<&RawValue> {
        self.failed.found_json(filter)
    }

    /// Builds the live view at `now`.
    pub fn live(&self, filter: &Filter, now: Milliseconds) -> LiveView<'_> {
        let mut entries = self.ok.found(filter);
        entries.extend(self.failed.found(filter));
        let order = ascending(&mut entries.iter().map(|entry| !entry.seq()));
        let newest = order.iter().take(filter.limit.unwrap_or(MAX_LIVE).min(MAX_LIVE));
        let entries: Vec<&StoredEntry> =
            newest.filter_map(|(_, at)| entries.get(*at).copied()).collect();
        let is_recent = |at: u64| at.saturating_add(SECONDS) > now / 1_000;
        let recent = self.seconds.iter().filter(|(at, _)| is_recent(*at));
        let counts = recent.flat_map(|(at, counts)| counts.iter().map(move |count| (at, count)));
        let second = |(at, count): (&u64, _)| {
            let at = time(at.saturating_mul(1_000), SecondsFormat::Secs);
            Second { at, count }
        };
        let All { epoch, since, totals, not_kept } = self.all();
        LiveView {
            now: time(now, SecondsFormat::Millis),
            epoch,
            since,
            last: self.state.last,
            counts: totals,
            not_kept,
            seconds: counts.map(second).collect(),
            entries: entries.into_iter().map(|entry| &*entry.json).collect(),
        }
    }
}

/// Returns the entry with its number as its first field.
fn numbered(seq: u64, json: &RawValue) -> Option<Box<RawValue>> {
    let rest = json.get().strip_prefix('{')?;
    RawValue::from_string(format!("{{\"seq\":{seq},{rest}")).ok()
}

fn time(at: Milliseconds, format: SecondsFormat) -> String {
    let at = i64::try_from(at).ok().and_then(DateTime::from_timestamp_millis);
    at.unwrap_or_default().to_rfc3339_opts(format, true)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::ops::inspector::InspectorReport;

    const STREAM: &str = "firehose:events";

    fn report(outcome: &str, name: &str) -> InspectorReport {
        let stream = (outcome == "accepted").then_some(STREAM);
        let entry = json!({ "outcome": outcome, "name": name, "tenant": "shop" });
        let report = json!({
            "counts": [{ "stream": stream, "outcome": outcome, "count": 1 }],
            "entries": [entry],
        });
        crate::base::json::from_json::read(&report.to_string()).unwrap()
    }

    impl EntryBuffer {
        /// Applies a report that arrives at `now`, as the rows do.
        fn take(&mut self, report: InspectorReport, now: Milliseconds) {
            self.count(&report.counts, report.not_kept, now);
            let entries = self.number(report.entries);
            entries.into_iter().for_each(|entry| self.keep(entry));
        }
    }

    fn names(entries: &[&RawValue]) -> Vec<(u64, String)> {
        let name = |entry: &&RawValue| {
            let entry: Value = serde_json::from_str(entry.get()).unwrap();
            (entry["seq"].as_u64().unwrap(), entry["name"].as_str().unwrap().to_owned())
        };
        entries.iter().map(name).collect()
    }

    fn empty() -> EntryBuffer {
        EntryBuffer::new("e1".to_owned(), 0)
    }

    fn buffer() -> EntryBuffer {
        let mut buffer = empty();
        buffer.take(report("accepted", "a"), 1_000);
        buffer.take(report("failed", "b"), 1_500);
        buffer.take(report("accepted", "c"), 2_100);
        buffer.take(report("refused", "d"), 2_200);
        buffer
    }

    fn filter(query: &str) -> Filter {
        Filter::parse(query).unwrap()
    }

    fn doubt(buffer: &EntryBuffer, api: InspectorQuery, query: &str) -> Option<Doubt> {
        buffer.prove(api, &filter(query)).err().map(|unproven| unproven.doubt)
    }

    #[test]
    fn ok_and_failed_entries_are_listed_newest_first() {
        let all = Filter::default();
        assert_eq!(names(&buffer().ok_entries(&all)), [(3, "c".to_owned()), (1, "a".to_owned())]);
        assert_eq!(
            names(&buffer().failed_entries(&all)),
            [(4, "d".to_owned()), (2, "b".to_owned())]
        );
        assert_eq!(names(&buffer().ok_entries(&filter("name=a&limit=1"))), [(1, "a".to_owned())]);
    }

    #[test]
    fn the_live_view_has_new_entries_and_each_second() {
        let buffer = buffer();
        let live = serde_json::to_value(buffer.live(&filter("after=2"), 2_500));
        let mut live = live.unwrap();
        let entries = live.as_object_mut().unwrap().remove("entries").unwrap();
        assert_eq!(entries.as_array().unwrap().len(), 2);
        assert_eq!(
            live,
            json!({
                "now": "1970-01-01T00:00:02.500Z", "epoch": "e1", "since": "1970-01-01T00:00:00.000Z", "last": 4,
                "counts": {"total": 4, "accepted": 2, "failed": 1, "duplicate": 0, "dropped": 0, "over_quota": 0, "refused": 1},
                "not_kept": 0,
                "seconds": [
                    {"at": "1970-01-01T00:00:01Z", "stream": STREAM, "outcome": "accepted", "count": 1},
                    {"at": "1970-01-01T00:00:01Z", "outcome": "failed", "count": 1},
                    {"at": "1970-01-01T00:00:02Z", "stream": STREAM, "outcome": "accepted", "count": 1},
                    {"at": "1970-01-01T00:00:02Z", "outcome": "refused", "count": 1},
                ],
            })
        );
    }

    #[test]
    fn a_second_is_forgotten_after_a_minute() {
        let mut buffer = buffer();
        assert_eq!(buffer.live(&Filter::default(), 61_999).seconds.len(), 2);
        assert_eq!(buffer.live(&Filter::default(), 62_000).seconds.len(), 0);
        buffer.take(report("accepted", "e"), 62_000);
        assert_eq!(buffer.seconds.len(), 1);
    }

    #[test]
    fn old_entries_leave_first_and_failed_ones_last() {
        let mut buffer = empty();
        buffer.take(report("failed", "kept"), 0);
        for number in 0..=MAX_ENTRIES {
            buffer.take(report("accepted", &number.to_string()), 0);
        }
        let ok = names(&buffer.ok_entries(&Filter::default()));
        assert_eq!((ok.len(), ok.last().unwrap().1.as_str()), (MAX_ENTRIES, "1"));
        assert_eq!(buffer.failed_entries(&Filter::default()).len(), 1);
        assert_eq!(buffer.totals().total, 502);
    }

    #[test]
    fn long_entries_are_fewer() {
        let mut buffer = empty();
        let long = "x".repeat(MAX_BYTES / 4);
        for _ in 0..5 {
            buffer.take(report("accepted", &long), 0);
        }
        assert_eq!(buffer.ok_entries(&Filter::default()).len(), 3);
        assert!(buffer.ok.bytes <= MAX_BYTES);
    }

    #[test]
    fn what_can_not_be_read_is_only_counted() {
        let mut buffer = empty();
        let mut report = report("accepted", "a");
        report.entries = vec![
            RawValue::from_string("[]".to_owned()).unwrap(),
            RawValue::from_string(" {\"outcome\":\"else\"}".to_owned()).unwrap(),
        ];
        buffer.take(report, 0);
        assert_eq!((buffer.totals().total, buffer.state.last), (1, 0));
        assert_eq!(buffer.missing(InspectorQuery::Ok), 1);
    }

    #[test]
    fn a_question_about_another_epoch_is_never_answered() {
        for api in [
            InspectorQuery::All,
            InspectorQuery::Ok,
            InspectorQuery::Failed,
            InspectorQuery::Live,
            InspectorQuery::Reset,
        ] {
            assert_eq!(doubt(&buffer(), api, "epoch=e0"), Some(Doubt::EpochGone), "{api:?}");
            assert_eq!(doubt(&buffer(), api, "epoch=e1"), None, "{api:?}");
            assert_eq!(doubt(&empty(), api, ""), None, "{api:?}");
        }
    }

    #[test]
    fn no_failed_entry_proves_nothing_before_a_beacon() {
        assert_eq!(doubt(&empty(), InspectorQuery::Failed, "epoch=e1"), Some(Doubt::NothingCame));
        assert_eq!(doubt(&empty(), InspectorQuery::Ok, "epoch=e1"), None);
        assert_eq!(doubt(&empty(), InspectorQuery::All, "epoch=e1"), None);
    }

    #[test]
    fn what_is_not_kept_proves_nothing() {
        let mut buffer = empty();
        for _ in 0..=MAX_ENTRIES {
            buffer.take(report("accepted", "ok"), 0);
        }
        assert_eq!(
            doubt(&buffer, InspectorQuery::Failed, "epoch=e1"),
            None,
            "none of the failed is missing"
        );
        assert_eq!(doubt(&buffer, InspectorQuery::Ok, "epoch=e1&name=ok"), None, "it was found");
        assert_eq!(
            doubt(&buffer, InspectorQuery::Ok, "epoch=e1&name=other"),
            Some(Doubt::EntriesMissing),
            "it may have been pushed out"
        );
        // A failed beacon of a long request, beyond those that have entries.
        let mut long = report("failed", "b");
        long.entries.clear();
        buffer.take(long, 0);
        assert_eq!(doubt(&buffer, InspectorQuery::Failed, "epoch=e1"), Some(Doubt::EntriesMissing));
        assert_eq!(doubt(&buffer, InspectorQuery::All, "epoch=e1"), None, "it is counted");
    }

    #[test]
    fn an_entry_that_was_not_reported_is_missing_in_all() {
        let not_kept = |last_at| InspectorReport {
            not_kept: Some(Unreported { requests: 2, last_at }),
            ..report("accepted", "a")
        };
        let mut buffer = EntryBuffer::new("e1".to_owned(), 5_000);
        buffer.take(not_kept(4_999), 5_000);
        assert_eq!(buffer.missing(InspectorQuery::All), 0, "it was of another epoch");
        buffer.take(not_kept(5_000), 5_001);
        for api in [InspectorQuery::All, InspectorQuery::Failed] {
            assert_eq!(doubt(&buffer, api, "epoch=e1"), Some(Doubt::EntriesMissing), "{api:?}");
        }
        assert_eq!(serde_json::to_value(buffer.all()).unwrap()["not_kept"], 2);
    }
}
