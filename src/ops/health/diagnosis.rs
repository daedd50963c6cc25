//! What of all that is known an operator has to know first.

use super::cause::{Cause, Owner};
use super::format::{Timestamp, count, span};
use super::shard::{ShardState, ShardView};
use super::stream::{StreamCondition, StreamState};
use crate::config::Config;
use crate::model::placement::ShardNumber;
use crate::model::stream::Stream;

/// What the views of the isolate and of all shards come to.
#[derive(Debug)]
pub struct Diagnosis {
    /// How many streams there are.
    pub streams: usize,
    /// How many of them nobody has called yet.
    pub unknown: usize,
    /// What fails; what an operator has to mend comes first.
    pub failing: Vec<FailingStream>,
    /// The shards that say nothing.
    pub silent: Vec<ShardNumber>,
    /// What is spilled, where there are shards.
    pub spilled: Option<Spilled>,
    /// The streams for which records wait and which no route names any more.
    pub stranded: Vec<WaitingStream>,
    /// Whether there is a stream that events go to and that is not known to refuse them.
    any_open: bool,
    /// What to do about single shards.
    shards_advice: Vec<String>,
}

/// A stream that fails, as all that call it see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailingStream {
    /// Which stream.
    pub stream: String,
    /// Why, as who fails for the longest sees it.
    pub cause: Cause,
    /// The same in the service's word.
    pub code: String,
    /// Since when.
    pub since: Timestamp,
    /// When somebody last tried.
    pub last_at: Timestamp,
    /// Whether an operator has to mend it.
    pub operator: bool,
    /// The tenants whose it is alone; none if it is everybody's, or if what is wrong is not of this
    /// stream alone.
    pub tenants: Vec<String>,
    /// Whether one of them is the one whose streams are asked for.
    pub is_asked_for: bool,
}

/// What waits for one stream, in all shards that say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingStream {
    /// Which stream.
    pub stream: String,
    /// How many records.
    pub records: u64,
    /// How long the oldest has waited.
    pub oldest_s: u64,
}

impl WaitingStream {
    /// What waits for each stream, the oldest first.
    fn of(shards: &[ShardView]) -> Vec<Self> {
        let mut waiting: Vec<Self> = Vec::new();
        let spills = shards.iter().filter_map(ShardView::state).flat_map(|state| &state.spill);
        for spill in spills.filter(|spill| spill.records > 0) {
            match waiting.iter_mut().find(|known| known.stream == spill.stream) {
                Some(known) => {
                    known.records = known.records.saturating_add(spill.records);
                    known.oldest_s = known.oldest_s.max(spill.oldest_age_s);
                }
                None => waiting.push(Self {
                    stream: spill.stream.clone(),
                    records: spill.records,
                    oldest_s: spill.oldest_age_s,
                }),
            }
        }
        waiting.sort_by_key(|waiting| std::cmp::Reverse(waiting.oldest_s));
        waiting
    }

    /// What to do if no route names the stream any more.
    fn advice(&self) -> String {
        let Self { stream, records, oldest_s } = self;
        let (records, oldest) = (count(*records, "record"), span(*oldest_s));
        let wait = if self.records == 1 { "waits" } else { "wait" };
        format!(
            "{stream}: no route names it, and {records} {wait} for it, the oldest for {oldest}: they are routed again as soon as it refuses them for good, as a stream does that is not there; to move them at once, set HEADWATER.renamed_streams = {{ \"{stream}\" = \"firehose:NEW\" }} and deploy, or take them out with scripts/rescue DIR --worker https://YOUR_WORKER --stream {stream}"
        )
    }
}

/// What is spilled, in all shards that say so.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Spilled {
    /// The records that wait.
    pub records: u64,
    /// The shards in which some do.
    pub shards: u64,
    /// The same by stream, those that have waited for the longest first.
    pub waiting: Vec<WaitingStream>,
    /// When some of them last went out.
    pub last_drained_at: Option<Timestamp>,
    /// When the first of the shards will be full, if it can be told.
    pub full_in_s: Option<u64>,
    /// The largest share of its room that a shard uses, in per cent.
    pub used_percent: u64,
    /// The shards in which there is no room.
    pub full: Vec<ShardNumber>,
    /// The records that are not tried again.
    pub set_aside: u64,
    /// The rows that can't be read.
    pub unreadable: u64,
}

impl Diagnosis {
    /// What there is to know of `streams`, as one isolate finds them, and of the shards, if
    /// there are any.
    pub fn of(
        streams: &[StreamState],
        shards: Option<&[ShardView]>,
        tenant: Option<&str>,
        config: &Config,
    ) -> Self {
        let states = || shards.into_iter().flatten().filter_map(ShardView::state);
        let views = || states().flat_map(|state| &state.streams).chain(streams);
        let is_unknown = |stream: &&StreamState| {
            let mut of_it = views().filter(|view| view.stream == stream.stream);
            of_it.all(|view| view.state == StreamCondition::Unknown)
        };
        let mut failing: Vec<FailingStream> = Vec::new();
        for found in views().filter_map(FailingStream::of) {
            match failing.iter_mut().find(|known| known.stream == found.stream) {
                Some(known) => known.join(found),
                None => failing.push(found),
            }
        }
        for failing in &mut failing {
            if !failing.cause.is_of_the_account() {
                failing.tenants = owners(&failing.stream, config);
                failing.is_asked_for =
                    tenant.is_some_and(|name| failing.tenants.iter().any(|it| it == name));
            }
        }
        failing.sort_unstable_by_key(|failing| {
            (!failing.operator, failing.is_of_others(), failing.since)
        });
        let refuses = |name: &str| failing.iter().any(|it| it.operator && it.stream == name);
        let failed = config.destinations.failed.to_string();
        let mut events = streams.iter().filter(|stream| stream.stream != failed);
        let any_open = events.any(|stream| !refuses(&stream.stream));
        let is_silent = |shard: &&ShardView| shard.state().is_none();
        let spilled = shards.map(Spilled::of);
        let is_named = |waiting: &&WaitingStream| {
            Stream::parse(&waiting.stream).is_ok_and(|stream| config.names(&stream))
        };
        let waiting = spilled.iter().flat_map(|spilled| &spilled.waiting);
        let stranded = waiting.filter(|waiting| !is_named(waiting)).cloned().collect();
        Self {
            streams: streams.len(),
            unknown: streams.iter().filter(is_unknown).count(),
            failing,
            silent: shards.into_iter().flatten().filter(is_silent).map(|it| it.shard).collect(),
            spilled,
            stranded,
            any_open,
            shards_advice: shards.into_iter().flatten().flat_map(ShardView::advice).collect(),
        }
    }

    /// Whether there is nothing that somebody has to mend.
    pub fn is_ready(&self) -> bool {
        let full = self.spilled.as_ref().is_some_and(|spilled| !spilled.full.is_empty());
        !full
            && self.silent.is_empty()
            && self.stranded.is_empty()
            && self.any_open
            && !self.failing.iter().any(|failing| failing.operator && !failing.is_of_others())
    }

    /// Who has to act first.
    pub fn blame(&self) -> Option<Owner> {
        match self.failing.first() {
            Some(failing) if failing.operator || self.stranded.is_empty() => {
                Some(failing.cause.blame())
            }
            _ => (!self.stranded.is_empty()).then_some(Owner::Operator),
        }
    }

    /// What to do now, the most urgent first, each thing once, if `working` are the streams that
    /// take records.
    pub fn advice(&self, working: &[&str]) -> Vec<String> {
        let mut advice: Vec<String> = Vec::new();
        let advised: Vec<(&str, String)> = self
            .failing
            .iter()
            .map(|FailingStream { stream, cause, .. }| {
                (stream.as_str(), cause.advice(stream, working))
            })
            .collect();
        for (index, (_, what)) in advised.iter().enumerate() {
            if advised.iter().take(index).any(|(_, before)| before == what) {
                continue;
            }
            let alike = advised.iter().filter(|(_, other)| other == what);
            let names: Vec<&str> = alike.map(|(stream, _)| *stream).collect();
            advice.push(format!("{}: {what}", names.join(", ")));
        }
        advice.extend(self.stranded.iter().map(WaitingStream::advice));
        advice.extend(self.shards_advice.iter().cloned());
        advice
    }
}

/// The tenants whose stream this is alone: neither `failed` nor a route at the top names it.
fn owners(stream: &str, config: &Config) -> Vec<String> {
    Stream::parse(stream).map(|stream| config.owners(&stream)).unwrap_or_default()
}

impl FailingStream {
    /// A stream that fails by this view.
    fn of(view: &StreamState) -> Option<Self> {
        Some(Self {
            stream: view.stream.clone(),
            cause: view.cause?,
            code: view.problem.clone()?,
            since: view.failing_since?,
            last_at: view.last_failed_at?,
            operator: view.operator,
            tenants: Vec::new(),
            is_asked_for: false,
        })
    }

    /// Whether it is no trouble of the worker's as a whole, but of some tenants'.
    pub const fn is_of_others(&self) -> bool {
        !self.tenants.is_empty() && !self.is_asked_for
    }

    /// Takes in how somebody else sees it: what an operator has to mend outdoes what passes by
    /// itself, and what has gone on for longer outdoes the rest.
    fn join(&mut self, other: Self) {
        let last_at = self.last_at.max(other.last_at);
        if (!other.operator, other.since) < (!self.operator, self.since) {
            *self = other;
        }
        self.last_at = last_at;
    }
}

impl Spilled {
    fn of(shards: &[ShardView]) -> Self {
        let told = || shards.iter().filter_map(|shard| Some((shard.shard, shard.state()?)));
        let waiting = |(_, state): &(_, &ShardState)| state.waiting() > 0;
        let spills = || told().flat_map(|(_, state)| &state.spill);
        let is_full = |(_, state): &(_, &ShardState)| state.room.full_at.is_some();
        Self {
            records: told().map(|(_, state)| state.waiting()).fold(0, u64::saturating_add),
            shards: told().filter(waiting).count() as u64,
            waiting: WaitingStream::of(shards),
            last_drained_at: spills().filter_map(|spill| spill.last_drained_at).max(),
            full_in_s: told().filter_map(|(_, state)| state.room.full_in_s).min(),
            used_percent: told()
                .map(|(_, state)| state.room.used_percent)
                .max()
                .unwrap_or_default(),
            full: told().filter(is_full).map(|(number, _)| number).collect(),
            set_aside: told().map(|(_, state)| state.set_aside()).fold(0, u64::saturating_add),
            unreadable: told().map(|(_, state)| state.unreadable).fold(0, u64::saturating_add),
        }
    }
}
