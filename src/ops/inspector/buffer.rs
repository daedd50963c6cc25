//! The last entries of the inspector, and the counts of all beacons since the epoch began.
//!
//! The buffer is bounded: ok entries never displace failed ones, and the oldest of each kind are
//! removed first. It counts the entries that it no longer has, so an empty answer is not mistaken
//! for a proof.

use std::collections::VecDeque;

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::filter::{EntryIndex, Filter};
use super::{Doubt, OutcomeCount, OutcomeKind, Unproven, Untold, add};
use crate::base::clock::Milliseconds;
use crate::model::endpoint::InspectorQuery;

/// The most entries of each kind.
pub(super) const MOST_STORIES: usize = 500;

/// The most bytes of the entries of each kind.
pub(super) const MOST_BYTES: usize = 8_388_608;

/// How many of the last seconds are counted one by one.
pub(super) const SECONDS: u64 = 60;

/// The most entries in one answer of the live view.
const MOST_LIVE: usize = 100;

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
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct BufferSnapshot {
    /// The name of the epoch.
    epoch: String,
    since: Milliseconds,
    /// The number of the last entry since the epoch began.
    pub(super) last: u64,
    totals: Vec<OutcomeCount>,
    /// The requests that the inspector may not know of.
    untold: u64,
}

/// The last entries of a kind, the oldest first.
#[derive(Debug, Default)]
struct BoundedLog {
    stories: VecDeque<StoredEntry>,
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
    refused: u64,
}

/// The counts since the epoch began.
#[derive(Debug, Serialize)]
pub struct All<'a> {
    epoch: &'a str,
    since: String,
    #[serde(flatten)]
    totals: Totals,
    untold: u64,
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
    untold: u64,
    seconds: Vec<Second<'a>>,
    stories: Vec<&'a RawValue>,
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
        let mut head: EntryIndex = serde_json::from_str(json.get()).ok()?;
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
    fn push(&mut self, story: StoredEntry) {
        self.bytes = self.bytes.saturating_add(story.json.get().len());
        self.stories.push_back(story);
        while self.stories.len() > MOST_STORIES || self.bytes > MOST_BYTES {
            let Some(oldest) = self.stories.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(oldest.json.get().len());
        }
    }

    /// Returns the entries that `filter` accepts, the newest first.
    fn found(&self, filter: &Filter) -> Vec<&StoredEntry> {
        let newest_first = self.stories.iter().rev();
        let taken = newest_first.filter(|it| filter.takes(&it.head, it.json.get()));
        taken.take(filter.limit.unwrap_or(usize::MAX)).collect()
    }

    fn found_json(&self, filter: &Filter) -> Vec<&RawValue> {
        self.found(filter).into_iter().map(|story| &*story.json).collect()
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
        untold: Option<Untold>,
        now: Milliseconds,
    ) {
        self.count_second(counts, now);
        for count in counts {
            add(&mut self.state.totals, count);
        }
        // Requests from before the epoch are not counted in it.
        if let Some(untold) = untold.filter(|untold| untold.last_at >= self.state.since) {
            self.state.untold = self.state.untold.saturating_add(untold.requests);
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
    pub(super) fn number(&mut self, stories: Vec<Box<RawValue>>) -> Vec<StoredEntry> {
        let mut numbered = Vec::with_capacity(stories.len());
        for json in stories {
            let next = self.state.last.saturating_add(1);
            if let Some(story) = StoredEntry::parse(json, next) {
                self.state.last = self.state.last.max(story.seq());
                numbered.push(story);
            }
        }
        numbered
    }

    /// Keeps an entry, and removes the oldest of its kind if necessary.
    pub(super) fn keep(&mut self, story: StoredEntry) {
        match story.is_good() {
            true => self.ok.push(story),
            false => self.failed.push(story),
        }
    }

    /// The number of the oldest kept entry of a kind.
    pub(super) fn oldest(&self, is_good: bool) -> Option<u64> {
        let kept = if is_good { &self.ok } else { &self.failed };
        kept.stories.front().map(StoredEntry::seq)
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
            let told = counts.fold(0, |sum: u64, it| sum.saturating_add(it.count));
            told.saturating_sub(u64::try_from(kept.stories.len()).unwrap_or(u64::MAX))
        };
        let (ok, failed) = (of_kind(true, &self.ok), of_kind(false, &self.failed));
        let stories = match api {
            InspectorQuery::Ok => ok,
            InspectorQuery::Failed => failed,
            InspectorQuery::Live => ok.saturating_add(failed),
            InspectorQuery::All | InspectorQuery::Reset => 0,
        };
        stories.saturating_add(self.state.untold)
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
                    Doubt::StoriesMissing,
                    format!(
                        "{missing} of those that came since the epoch began at {since} are not kept (the inspector keeps the last {MOST_STORIES} ok and {MOST_STORIES} failed ones, and 100 of a request), so that none was found proves nothing; without epoch= it answers with what there is, and /_/inspect/all has the counts"
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
        let BufferSnapshot { epoch, since, untold, .. } = &self.state;
        let since = time(*since, SecondsFormat::Millis);
        All { epoch, since, totals: self.totals(), untold: *untold }
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
        let mut stories = self.ok.found(filter);
        stories.extend(self.failed.found(filter));
        stories.sort_unstable_by_key(|story| std::cmp::Reverse(story.seq()));
        stories.truncate(filter.limit.unwrap_or(MOST_LIVE).min(MOST_LIVE));
        let is_recent = |at: u64| at.saturating_add(SECONDS) > now / 1_000;
        let recent = self.seconds.iter().filter(|(at, _)| is_recent(*at));
        let counts = recent.flat_map(|(at, counts)| counts.iter().map(move |count| (at, count)));
        let second = |(at, count): (&u64, _)| {
            let at = time(at.saturating_mul(1_000), SecondsFormat::Secs);
            Second { at, count }
        };
        let All { epoch, since, totals, untold } = self.all();
        LiveView {
            now: time(now, SecondsFormat::Millis),
            epoch,
            since,
            last: self.state.last,
            counts: totals,
            untold,
            seconds: counts.map(second).collect(),
            stories: stories.into_iter().map(|story| &*story.json).collect(),
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

    fn told(outcome: &str, name: &str) -> InspectorReport {
        let stream = (outcome == "accepted").then_some(STREAM);
        let story = json!({ "outcome": outcome, "name": name, "tenant": "shop" });
        let told = json!({
            "counts": [{ "stream": stream, "outcome": outcome, "count": 1 }],
            "stories": [story],
        });
        serde_json::from_str(&told.to_string()).unwrap()
    }

    impl EntryBuffer {
        /// Applies a report that arrives at `now`, as the rows do.
        fn take(&mut self, told: InspectorReport, now: Milliseconds) {
            self.count(&told.counts, told.untold, now);
            let stories = self.number(told.stories);
            stories.into_iter().for_each(|story| self.keep(story));
        }
    }

    fn names(stories: &[&RawValue]) -> Vec<(u64, String)> {
        let name = |story: &&RawValue| {
            let story: Value = serde_json::from_str(story.get()).unwrap();
            (story["seq"].as_u64().unwrap(), story["name"].as_str().unwrap().to_owned())
        };
        stories.iter().map(name).collect()
    }

    fn empty() -> EntryBuffer {
        EntryBuffer::new("e1".to_owned(), 0)
    }

    fn ring() -> EntryBuffer {
        let mut ring = empty();
        ring.take(told("accepted", "a"), 1_000);
        ring.take(told("failed", "b"), 1_500);
        ring.take(told("accepted", "c"), 2_100);
        ring.take(told("refused", "d"), 2_200);
        ring
    }

    fn filter(query: &str) -> Filter {
        Filter::parse(query).unwrap()
    }

    fn doubt(ring: &EntryBuffer, api: InspectorQuery, query: &str) -> Option<Doubt> {
        ring.prove(api, &filter(query)).err().map(|unproven| unproven.doubt)
    }

    #[test]
    fn the_good_are_told_from_the_bad_the_newest_first() {
        let all = Filter::default();
        assert_eq!(names(&ring().ok_entries(&all)), [(3, "c".to_owned()), (1, "a".to_owned())]);
        assert_eq!(names(&ring().failed_entries(&all)), [(4, "d".to_owned()), (2, "b".to_owned())]);
        assert_eq!(names(&ring().ok_entries(&filter("name=a&limit=1"))), [(1, "a".to_owned())]);
    }

    #[test]
    fn who_looks_on_is_told_what_is_new_and_each_second() {
        let ring = ring();
        let live = serde_json::to_value(ring.live(&filter("after=2"), 2_500));
        let mut live = live.unwrap();
        let stories = live.as_object_mut().unwrap().remove("stories").unwrap();
        assert_eq!(stories.as_array().unwrap().len(), 2);
        assert_eq!(
            live,
            json!({
                "now": "1970-01-01T00:00:02.500Z", "epoch": "e1", "since": "1970-01-01T00:00:00.000Z", "last": 4,
                "counts": {"total": 4, "accepted": 2, "failed": 1, "duplicate": 0, "dropped": 0, "refused": 1},
                "untold": 0,
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
        let mut ring = ring();
        assert_eq!(ring.live(&Filter::default(), 61_999).seconds.len(), 2);
        assert_eq!(ring.live(&Filter::default(), 62_000).seconds.len(), 0);
        ring.take(told("accepted", "e"), 62_000);
        assert_eq!(ring.seconds.len(), 1);
    }

    #[test]
    fn the_oldest_go_first_and_never_the_bad_for_the_good() {
        let mut ring = empty();
        ring.take(told("failed", "kept"), 0);
        for number in 0..=MOST_STORIES {
            ring.take(told("accepted", &number.to_string()), 0);
        }
        let ok = names(&ring.ok_entries(&Filter::default()));
        assert_eq!((ok.len(), ok.last().unwrap().1.as_str()), (MOST_STORIES, "1"));
        assert_eq!(ring.failed_entries(&Filter::default()).len(), 1);
        assert_eq!(ring.totals().total, 502);
    }

    #[test]
    fn long_stories_are_fewer() {
        let mut ring = empty();
        let long = "x".repeat(MOST_BYTES / 4);
        for _ in 0..5 {
            ring.take(told("accepted", &long), 0);
        }
        assert_eq!(ring.ok_entries(&Filter::default()).len(), 3);
        assert!(ring.ok.bytes <= MOST_BYTES);
    }

    #[test]
    fn what_can_not_be_read_is_only_counted() {
        let mut ring = empty();
        let mut told = told("accepted", "a");
        told.stories = vec![
            RawValue::from_string("[]".to_owned()).unwrap(),
            RawValue::from_string(" {\"outcome\":\"else\"}".to_owned()).unwrap(),
        ];
        ring.take(told, 0);
        assert_eq!((ring.totals().total, ring.state.last), (1, 0));
        assert_eq!(ring.missing(InspectorQuery::Ok), 1);
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
            assert_eq!(doubt(&ring(), api, "epoch=e0"), Some(Doubt::EpochGone), "{api:?}");
            assert_eq!(doubt(&ring(), api, "epoch=e1"), None, "{api:?}");
            assert_eq!(doubt(&empty(), api, ""), None, "{api:?}");
        }
    }

    #[test]
    fn no_bad_story_of_no_beacon_proves_nothing() {
        assert_eq!(doubt(&empty(), InspectorQuery::Failed, "epoch=e1"), Some(Doubt::NothingCame));
        assert_eq!(doubt(&empty(), InspectorQuery::Ok, "epoch=e1"), None);
        assert_eq!(doubt(&empty(), InspectorQuery::All, "epoch=e1"), None);
    }

    #[test]
    fn what_is_not_kept_proves_nothing() {
        let mut ring = empty();
        for _ in 0..=MOST_STORIES {
            ring.take(told("accepted", "ok"), 0);
        }
        assert_eq!(
            doubt(&ring, InspectorQuery::Failed, "epoch=e1"),
            None,
            "none of the failed is missing"
        );
        assert_eq!(doubt(&ring, InspectorQuery::Ok, "epoch=e1&name=ok"), None, "it was found");
        assert_eq!(
            doubt(&ring, InspectorQuery::Ok, "epoch=e1&name=other"),
            Some(Doubt::StoriesMissing),
            "it may have been pushed out"
        );
        // A failed beacon of a long request, beyond those that have entries.
        let mut long = told("failed", "b");
        long.stories.clear();
        ring.take(long, 0);
        assert_eq!(doubt(&ring, InspectorQuery::Failed, "epoch=e1"), Some(Doubt::StoriesMissing));
        assert_eq!(doubt(&ring, InspectorQuery::All, "epoch=e1"), None, "it is counted");
    }

    #[test]
    fn what_was_never_told_is_missing_in_all() {
        let untold = |last_at| InspectorReport {
            untold: Some(Untold { requests: 2, last_at }),
            ..told("accepted", "a")
        };
        let mut ring = EntryBuffer::new("e1".to_owned(), 5_000);
        ring.take(untold(4_999), 5_000);
        assert_eq!(ring.missing(InspectorQuery::All), 0, "it was of another epoch");
        ring.take(untold(5_000), 5_001);
        for api in [InspectorQuery::All, InspectorQuery::Failed] {
            assert_eq!(doubt(&ring, api, "epoch=e1"), Some(Doubt::StoriesMissing), "{api:?}");
        }
        assert_eq!(serde_json::to_value(ring.all()).unwrap()["untold"], 2);
    }
}
