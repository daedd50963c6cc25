//! What the inspector remembers: the last stories, and how many beacons there were.
//!
//! It is in memory, and bounded: good stories never push out bad ones, and of each the oldest
//! go first.

use std::collections::VecDeque;

use chrono::{DateTime, SecondsFormat};
use serde::Serialize;
use serde_json::value::RawValue;

use super::filter::{Filter, Head};
use super::{Count, Ending, Told, add};
use crate::clock::Milliseconds;

/// The most stories of each kind.
const MOST_STORIES: usize = 500;

/// The most bytes of the stories of each kind.
const MOST_BYTES: usize = 8_388_608;

/// The seconds of which it is known what came in each.
const SECONDS: u64 = 60;

/// The most stories that are told at once to who looks on.
const MOST_LIVE: usize = 100;

/// What the inspector remembers.
#[derive(Debug, Default)]
pub struct Ring {
    /// When it began.
    since: Milliseconds,
    /// How many stories were told since it began.
    last: u64,
    good: Kept,
    bad: Kept,
    totals: Vec<Count>,
    /// The last seconds in which something came, and what.
    seconds: VecDeque<(u64, Vec<Count>)>,
}

/// The last stories of a kind, the oldest first.
#[derive(Debug, Default)]
struct Kept {
    stories: VecDeque<Story>,
    bytes: usize,
}

#[derive(Debug)]
struct Story {
    seq: u64,
    head: Head,
    json: Box<RawValue>,
}

/// How many beacons ended in which way.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    total: u64,
    accepted: u64,
    failed: u64,
    duplicate: u64,
    dropped: u64,
    refused: u64,
}

/// What is told to who looks on.
#[derive(Debug, Serialize)]
pub struct Live<'a> {
    now: String,
    /// When it began; all before is forgotten.
    since: String,
    last: u64,
    counts: Totals,
    seconds: Vec<Second<'a>>,
    stories: Vec<&'a RawValue>,
}

/// How many beacons ended in one way in one second.
#[derive(Debug, Serialize)]
struct Second<'a> {
    at: String,
    #[serde(flatten)]
    count: &'a Count,
}

impl Kept {
    fn push(&mut self, story: Story) {
        self.bytes = self.bytes.saturating_add(story.json.get().len());
        self.stories.push_back(story);
        while self.stories.len() > MOST_STORIES || self.bytes > MOST_BYTES {
            let Some(oldest) = self.stories.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(oldest.json.get().len());
        }
    }

    /// Those that `filter` takes, the newest first.
    fn found(&self, filter: &Filter) -> Vec<&Story> {
        let newest_first = self.stories.iter().rev();
        let taken = newest_first.filter(|it| filter.takes(it.seq, &it.head, it.json.get()));
        taken.take(filter.limit.unwrap_or(usize::MAX)).collect()
    }
}

impl Ring {
    /// One that begins at `now`.
    pub fn new(now: Milliseconds) -> Self {
        Self { since: now, ..Self::default() }
    }

    /// Takes in what is told at `now`. A story that can't be read is only counted.
    pub fn take(&mut self, told: Told, now: Milliseconds) {
        let second = now / 1_000;
        self.seconds.retain(|(at, _)| at.saturating_add(SECONDS) > second);
        if self.seconds.back().is_none_or(|(at, _)| *at != second) {
            self.seconds.push_back((second, Vec::new()));
        }
        for count in &told.counts {
            add(&mut self.totals, count);
            if let Some((_, counts)) = self.seconds.back_mut() {
                add(counts, count);
            }
        }
        for json in told.stories {
            let Ok(head) = serde_json::from_str::<Head>(json.get()) else { continue };
            let seq = self.last.saturating_add(1);
            let Some(json) = numbered(seq, &json) else { continue };
            self.last = seq;
            let kept = if head.outcome.is_good() { &mut self.good } else { &mut self.bad };
            kept.push(Story { seq, head, json });
        }
    }

    /// Forgets everything, and begins anew at `now`.
    pub fn reset(&mut self, now: Milliseconds) {
        *self = Self::new(now);
    }

    /// How many beacons ended in which way since it began.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for Count { outcome, count, .. } in &self.totals {
            let of_its_kind = match outcome {
                Ending::Accepted => &mut totals.accepted,
                Ending::Failed => &mut totals.failed,
                Ending::Duplicate => &mut totals.duplicate,
                Ending::Dropped => &mut totals.dropped,
                Ending::Refused => &mut totals.refused,
            };
            *of_its_kind = of_its_kind.saturating_add(*count);
            totals.total = totals.total.saturating_add(*count);
        }
        totals
    }

    /// Good stories, the newest first.
    pub fn good(&self, filter: &Filter) -> Vec<&RawValue> {
        self.good.found(filter).into_iter().map(|story| &*story.json).collect()
    }

    /// Bad stories, the newest first.
    pub fn bad(&self, filter: &Filter) -> Vec<&RawValue> {
        self.bad.found(filter).into_iter().map(|story| &*story.json).collect()
    }

    /// What is told at `now` to who looks on.
    pub fn live(&self, filter: &Filter, now: Milliseconds) -> Live<'_> {
        let mut stories = self.good.found(filter);
        stories.extend(self.bad.found(filter));
        stories.sort_unstable_by_key(|story| std::cmp::Reverse(story.seq));
        stories.truncate(filter.limit.unwrap_or(MOST_LIVE).min(MOST_LIVE));
        let is_recent = |at: u64| at.saturating_add(SECONDS) > now / 1_000;
        let recent = self.seconds.iter().filter(|(at, _)| is_recent(*at));
        let counts = recent.flat_map(|(at, counts)| counts.iter().map(move |count| (at, count)));
        let second = |(at, count): (&u64, _)| {
            let at = time(at.saturating_mul(1_000), SecondsFormat::Secs);
            Second { at, count }
        };
        Live {
            now: time(now, SecondsFormat::Millis),
            since: time(self.since, SecondsFormat::Millis),
            last: self.last,
            counts: self.totals(),
            seconds: counts.map(second).collect(),
            stories: stories.into_iter().map(|story| &*story.json).collect(),
        }
    }
}

/// The story with its number.
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

    const STREAM: &str = "firehose:events";

    fn told(outcome: &str, name: &str) -> Told {
        let stream = (outcome == "accepted").then_some(STREAM);
        let story = json!({ "outcome": outcome, "name": name, "tenant": "shop" });
        let told = json!({
            "counts": [{ "stream": stream, "outcome": outcome, "count": 1 }],
            "stories": [story],
        });
        serde_json::from_str(&told.to_string()).unwrap()
    }

    fn names(stories: &[&RawValue]) -> Vec<(u64, String)> {
        let name = |story: &&RawValue| {
            let story: Value = serde_json::from_str(story.get()).unwrap();
            (story["seq"].as_u64().unwrap(), story["name"].as_str().unwrap().to_owned())
        };
        stories.iter().map(name).collect()
    }

    fn ring() -> Ring {
        let mut ring = Ring::default();
        ring.take(told("accepted", "a"), 1_000);
        ring.take(told("failed", "b"), 1_500);
        ring.take(told("accepted", "c"), 2_100);
        ring.take(told("refused", "d"), 2_200);
        ring
    }

    #[test]
    fn the_good_are_told_from_the_bad_the_newest_first() {
        let all = Filter::default();
        assert_eq!(names(&ring().good(&all)), [(3, "c".to_owned()), (1, "a".to_owned())]);
        assert_eq!(names(&ring().bad(&all)), [(4, "d".to_owned()), (2, "b".to_owned())]);
        let one = Filter::parse("name=a&limit=1").unwrap();
        assert_eq!(names(&ring().good(&one)), [(1, "a".to_owned())]);
    }

    #[test]
    fn who_looks_on_is_told_what_is_new_and_each_second() {
        let ring = ring();
        let live = serde_json::to_value(ring.live(&Filter::parse("after=2").unwrap(), 2_500));
        let mut live = live.unwrap();
        let stories = live.as_object_mut().unwrap().remove("stories").unwrap();
        assert_eq!(stories.as_array().unwrap().len(), 2);
        assert_eq!(
            live,
            json!({
                "now": "1970-01-01T00:00:02.500Z", "since": "1970-01-01T00:00:00.000Z", "last": 4,
                "counts": {"total": 4, "accepted": 2, "failed": 1, "duplicate": 0, "dropped": 0, "refused": 1},
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
        let mut ring = Ring::default();
        ring.take(told("failed", "kept"), 0);
        for number in 0..=MOST_STORIES {
            ring.take(told("accepted", &number.to_string()), 0);
        }
        let good = names(&ring.good(&Filter::default()));
        assert_eq!((good.len(), good.last().unwrap().1.as_str()), (MOST_STORIES, "1"));
        assert_eq!(ring.bad(&Filter::default()).len(), 1);
        assert_eq!(ring.totals().total, 502);
    }

    #[test]
    fn long_stories_are_fewer() {
        let mut ring = Ring::default();
        let long = "x".repeat(MOST_BYTES / 4);
        for _ in 0..5 {
            ring.take(told("accepted", &long), 0);
        }
        assert_eq!(ring.good(&Filter::default()).len(), 3);
        assert!(ring.good.bytes <= MOST_BYTES);
    }

    #[test]
    fn a_reset_forgets_everything() {
        let mut ring = ring();
        ring.reset(3_000);
        assert_eq!(ring.live(&Filter::default(), 3_000).since, "1970-01-01T00:00:03.000Z");
        assert_eq!(serde_json::to_value(ring.totals()).unwrap()["total"], 0);
        assert!(ring.good(&Filter::default()).is_empty() && ring.last == 0);
    }

    #[test]
    fn what_can_not_be_read_is_only_counted() {
        let mut ring = Ring::default();
        let mut told = told("accepted", "a");
        told.stories = vec![
            RawValue::from_string("[]".to_owned()).unwrap(),
            RawValue::from_string(" {\"outcome\":\"else\"}".to_owned()).unwrap(),
        ];
        ring.take(told, 0);
        assert_eq!((ring.totals().total, ring.last), (1, 0));
    }
}
