//! What of all that is known an operator has to know first.

use super::cause::Cause;
use super::shard::{ShardState, ShardView};
use super::stream::{State, StreamState};
use super::wording::Moment;
use crate::shard::placement::ShardNumber;

/// What the views of the isolate and of all shards come to.
#[derive(Debug)]
pub struct Findings {
    /// How many streams there are.
    pub streams: usize,
    /// How many of them nobody has called yet.
    pub unknown: usize,
    /// What fails; what an operator has to mend comes first.
    pub failing: Vec<Failing>,
    /// The shards that say nothing.
    pub silent: Vec<ShardNumber>,
    /// What is spilled, where there are shards.
    pub spilled: Option<Spilled>,
    /// What to do about single shards.
    shards_advice: Vec<String>,
}

/// A stream that fails, as all that call it see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// Which stream.
    pub stream: String,
    /// Why, as who fails for the longest sees it.
    pub cause: Cause,
    /// The same in the service's word.
    pub code: String,
    /// Since when.
    pub since: Moment,
    /// When somebody last tried.
    pub last_at: Moment,
    /// Whether an operator has to mend it.
    pub operator: bool,
}

/// What is spilled, in all shards that say so.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Spilled {
    /// The records that wait.
    pub records: u64,
    /// The shards in which some do.
    pub shards: u64,
    /// How long the oldest has.
    pub oldest_s: u64,
    /// When some of them last went out.
    pub last_drained_at: Option<Moment>,
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

impl Findings {
    /// What there is to know of `streams`, as one isolate finds them, and of the shards, if
    /// there are any.
    pub fn of(streams: &[StreamState], shards: Option<&[ShardView]>) -> Self {
        let states = || shards.into_iter().flatten().filter_map(ShardView::state);
        let views = || states().flat_map(|state| &state.streams).chain(streams);
        let is_unknown = |stream: &&StreamState| {
            let mut of_it = views().filter(|view| view.stream == stream.stream);
            of_it.all(|view| view.state == State::Unknown)
        };
        let mut failing: Vec<Failing> = Vec::new();
        for found in views().filter_map(Failing::of) {
            match failing.iter_mut().find(|known| known.stream == found.stream) {
                Some(known) => known.join(found),
                None => failing.push(found),
            }
        }
        failing.sort_unstable_by_key(|failing| (!failing.operator, failing.since));
        let is_silent = |shard: &&ShardView| shard.state().is_none();
        Self {
            streams: streams.len(),
            unknown: streams.iter().filter(is_unknown).count(),
            failing,
            silent: shards.into_iter().flatten().filter(is_silent).map(|it| it.shard).collect(),
            spilled: shards.map(Spilled::of),
            shards_advice: shards.into_iter().flatten().flat_map(ShardView::advice).collect(),
        }
    }

    /// Whether there is nothing that somebody has to mend.
    pub fn is_ready(&self) -> bool {
        let full = self.spilled.as_ref().is_some_and(|spilled| !spilled.full.is_empty());
        !full && self.silent.is_empty() && !self.failing.iter().any(|failing| failing.operator)
    }

    /// What to do now, the most urgent first, each thing once.
    pub fn advice(&self) -> Vec<String> {
        let mut advice: Vec<String> = Vec::new();
        for (index, Failing { cause, .. }) in self.failing.iter().enumerate() {
            let of_cause = |failing: &&Failing| failing.cause == *cause;
            if self.failing.iter().take(index).any(|failing| failing.cause == *cause) {
                continue;
            }
            let names: Vec<&str> =
                self.failing.iter().filter(of_cause).map(|it| it.stream.as_str()).collect();
            advice.push(format!("{}: {}", names.join(", "), cause.advice()));
        }
        advice.extend(self.shards_advice.iter().cloned());
        advice
    }
}

impl Failing {
    /// A stream that fails by this view.
    fn of(view: &StreamState) -> Option<Self> {
        Some(Self {
            stream: view.stream.clone(),
            cause: view.cause?,
            code: view.problem.clone()?,
            since: view.failing_since?,
            last_at: view.last_failed_at?,
            operator: view.operator,
        })
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
            oldest_s: spills().map(|spill| spill.oldest_age_s).max().unwrap_or_default(),
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
