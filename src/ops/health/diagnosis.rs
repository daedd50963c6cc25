//! Selects what an operator has to know first.

use std::collections::BTreeSet;

use super::cause::{Advisor, Cause, Owner};
use super::format::{Timestamp, count, span};
use super::shard::{ShardState, ShardView};
use super::stream::{StreamCondition, StreamState};
use crate::config::Config;
use crate::model::shard_address::ShardAddress;
use crate::model::stream::Stream;
use crate::pipeline::route::Routes;

/// The state of all streams and shards, merged from the isolate and all shards.
#[derive(Debug)]
pub struct Diagnosis {
    pub streams: usize,
    /// How many streams have not been called yet.
    pub unknown: usize,
    /// The failing streams, those that an operator has to fix first.
    pub failing: Vec<FailingStream>,
    /// The shards that do not answer.
    pub silent: Vec<ShardAddress>,
    /// The spill of all shards, if there are shards.
    pub spilled: Option<Spilled>,
    /// The streams with spilled records that no route names any more.
    pub stranded: Vec<WaitingStream>,
    /// Whether some stream of events is not known to reject them for the operator to fix.
    any_open: bool,
    /// Advice about single shards.
    shard_actions: Vec<String>,
}

/// A failing stream, merged from all that call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailingStream {
    pub stream: String,
    /// The cause that an operator has to fix, or else the one that has lasted longest.
    pub cause: Cause,
    /// The error code of the service.
    pub code: String,
    pub since: Timestamp,
    /// When the last call failed.
    pub last_at: Timestamp,
    /// Whether an operator has to fix it.
    pub operator: bool,
    /// The tenants that alone use the stream. Empty if all use it, or if the cause is not of this
    /// stream alone.
    pub tenants: Vec<String>,
    /// Whether one of them is the tenant that the request names.
    pub is_asked_for: bool,
}

/// The spilled records of one stream, in all shards that answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingStream {
    pub stream: String,
    pub records: u64,
    /// How long the oldest record has waited, in seconds.
    pub oldest_s: u64,
}

impl WaitingStream {
    /// Sums up the spill of each stream, the oldest first.
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
        sorted_by_key(waiting, |waiting| std::cmp::Reverse(waiting.oldest_s))
    }

    /// The advice if no route names the stream any more.
    fn actions(&self) -> String {
        let Self { stream, records, oldest_s } = self;
        let (records, oldest) = (count(*records, "record"), span(*oldest_s));
        let wait = if self.records == 1 { "waits" } else { "wait" };
        format!(
            "{stream}: no route names it, and {records} {wait} for it, the oldest for {oldest}: they are routed again as soon as it refuses them for good, as a stream does that is not there; to move them within a minute, set HEADWATER.renamed_streams = {{ \"{stream}\" = \"firehose:NEW\" }} and deploy, or take them out with scripts/export-quarantine DIR --worker https://YOUR_WORKER --stream {stream}"
        )
    }
}

/// The spill of all shards that answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Spilled {
    pub records: u64,
    /// How many shards have spilled records.
    pub shards: u64,
    /// The same by stream, the oldest first.
    pub waiting: Vec<WaitingStream>,
    /// When a spilled record was last delivered.
    pub last_drained_at: Option<Timestamp>,
    /// When the first shard will be full, in seconds, if that can be estimated.
    pub full_in_s: Option<u64>,
    /// The largest used share of a shard's spill capacity, in per cent.
    pub used_percent: u64,
    /// The shards whose spill is full.
    pub full: Vec<ShardAddress>,
    /// The tenants that have their share of a shard's spill, each once.
    pub full_tenants: Vec<String>,
    /// The number of quarantined records.
    pub quarantined: u64,
    /// The number of rows that can't be read.
    pub unreadable: u64,
}

impl Diagnosis {
    /// Merges the view of one isolate with those of the shards, if there are any. `tenant` is the
    /// one that the request names, if any.
    pub fn of(
        streams: &[StreamState],
        shards: Option<&[ShardView]>,
        tenant: Option<AskedTenant<'_>>,
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
                failing.is_asked_for = tenant.is_some_and(|tenant| tenant.uses(failing));
            }
        }
        let failing = sorted_by_key(failing, |failing| {
            (!failing.operator, failing.is_of_others(), failing.since)
        });
        let refuses = |name: &str| failing.iter().any(|it| it.operator && it.stream == name);
        let is_of_failed = |stream: &&StreamState| {
            let stream = Stream::parse(&stream.stream);
            stream.is_ok_and(|stream| config.destinations.failed.contains(&stream))
        };
        let mut events = streams.iter().filter(|stream| !is_of_failed(stream));
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
            silent: shards.into_iter().flatten().filter(is_silent).map(|it| it.address).collect(),
            spilled,
            stranded,
            any_open,
            shard_actions: shards.into_iter().flatten().flat_map(ShardView::actions).collect(),
        }
    }

    /// Whether there is nothing to fix.
    pub fn is_ready(&self) -> bool {
        let full = self.spilled.as_ref().is_some_and(|spilled| !spilled.full.is_empty());
        !full
            && self.silent.is_empty()
            && self.stranded.is_empty()
            && self.any_open
            && !self.failing.iter().any(|failing| failing.operator && !failing.is_of_others())
    }

    /// The party that has to act first.
    pub fn owner(&self) -> Option<Owner> {
        match self.failing.first() {
            Some(failing) if failing.operator || self.stranded.is_empty() => {
                Some(failing.cause.owner())
            }
            _ => (!self.stranded.is_empty()).then_some(Owner::Operator),
        }
    }

    /// The advice, most urgent first, each once.
    pub fn actions(&self, advisor: &Advisor<'_>) -> Vec<String> {
        let mut actions: Vec<String> = Vec::new();
        let mut groups: Vec<Vec<&FailingStream>> = Vec::new();
        for failing in &self.failing {
            let is_alike = |group: &&mut Vec<&FailingStream>| {
                group.first().is_some_and(|first| first.has_the_advice_of(failing))
            };
            match groups.iter_mut().find(is_alike) {
                Some(group) => group.push(failing),
                None => groups.push(vec![failing]),
            }
        }
        for group in groups {
            let names: Vec<&str> = group.iter().map(|failing| failing.stream.as_str()).collect();
            let what = group.first().map(|first| first.cause.action(&names, advisor));
            actions.extend(what.map(|what| format!("{}: {what}", names.join(", "))));
        }
        actions.extend(self.stranded.iter().map(WaitingStream::actions));
        actions.extend(self.shard_actions.iter().cloned());
        actions
    }
}

/// Sorts the few `items` of an answer, equal ones in their order. The library's sort, which is fast
/// for many, is 4 kB of Wasm for each type.
fn sorted_by_key<T, K: Ord>(items: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut sorted: Vec<T> = Vec::with_capacity(items.len());
    for item in items {
        let at = sorted.partition_point(|earlier| key(earlier) <= key(&item));
        sorted.insert(at, item);
    }
    sorted
}

/// The tenant that a request asks about.
#[derive(Debug, Clone, Copy)]
pub struct AskedTenant<'a> {
    pub name: &'a str,
    /// Its routes, if it is in the tenant store.
    pub stored: Option<&'a Routes>,
}

impl AskedTenant<'_> {
    fn uses(&self, failing: &FailingStream) -> bool {
        let by_routes = |routes: &Routes| {
            let stream = Stream::parse(&failing.stream);
            stream.is_ok_and(|stream| routes.go_to(&stream))
        };
        failing.tenants.iter().any(|it| it == self.name) || self.stored.is_some_and(by_routes)
    }
}

/// The tenants that alone use this stream: neither `failed` nor a route at the top level names it.
fn owners(stream: &str, config: &Config) -> Vec<String> {
    Stream::parse(stream).map(|stream| config.owners(&stream)).unwrap_or_default()
}

impl FailingStream {
    /// Returns the failing stream of this view, if it fails.
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

    /// Whether it concerns only some tenants, none of them named by the request.
    pub const fn is_of_others(&self) -> bool {
        !self.tenants.is_empty() && !self.is_asked_for
    }

    /// Whether the advice about both is the same. If a name may be wrong, it depends on the service.
    fn has_the_advice_of(&self, other: &Self) -> bool {
        let service = |it: &Self| it.stream.split(':').next().map(str::to_owned);
        self.cause == other.cause
            && (!self.cause.is_of_the_name() || service(self) == service(other))
    }

    /// Merges another view. A failure that an operator has to fix takes precedence; then the
    /// longest one does.
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
        let states = || shards.iter().filter_map(|shard| Some((shard.address, shard.state()?)));
        let waiting = |(_, state): &(_, &ShardState)| state.waiting() > 0;
        let spills = || states().flat_map(|(_, state)| &state.spill);
        let is_full = |(_, state): &(_, &ShardState)| state.room.full_at.is_some();
        let mut full_tenants = BTreeSet::new();
        for full in states().flat_map(|(_, state)| &state.full_tenants) {
            full_tenants.insert(full.tenant.clone());
        }
        Self {
            records: states().map(|(_, state)| state.waiting()).fold(0, u64::saturating_add),
            shards: states().filter(waiting).count() as u64,
            waiting: WaitingStream::of(shards),
            last_drained_at: spills().filter_map(|spill| spill.last_drained_at).max(),
            full_in_s: states().filter_map(|(_, state)| state.room.full_in_s).min(),
            used_percent: states()
                .map(|(_, state)| state.room.used_percent)
                .max()
                .unwrap_or_default(),
            full: states().filter(is_full).map(|(address, _)| address).collect(),
            full_tenants: full_tenants.into_iter().collect(),
            quarantined: states()
                .map(|(_, state)| state.quarantined())
                .fold(0, u64::saturating_add),
            unreadable: states().map(|(_, state)| state.unreadable).fold(0, u64::saturating_add),
        }
    }
}
