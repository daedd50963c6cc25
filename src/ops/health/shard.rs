//! The state of a shard: its spill, its capacity, and the streams as it sees them.
//!
//! The shard sends it as JSON, and the runtime passes it on.

use serde::Serialize;

use super::cause::{Advisor, Cause, Owner};
use super::format::{Timestamp, count};
use super::stream::StreamState;
use crate::base::clock::Milliseconds;
use crate::base::json::from_json::{self, from_json};
use crate::model::shard_address::ShardAddress;
use crate::shard::ShardStatus;
use crate::shard::quotas::leases::OverQuota;
use crate::shard::record_counts::RecordCounts;
use crate::shard::spill::{BacklogStats, FullTenant, SpillUsage};

/// The state of a shard, as it reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShardState {
    /// The bytes of all records in memory.
    pub buffer_bytes: usize,
    pub devices: usize,
    /// The number of event ids in its dedup window.
    pub seen: usize,
    pub spill: Vec<SpillState>,
    pub room: SpillCapacity,
    /// Rows of its storage that this version can't read.
    pub unreadable: u64,
    /// The streams as this shard sees them.
    pub streams: Vec<StreamState>,
    /// The first tenants of whose events it refuses some for today.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub over_quota: Vec<OverQuotaState>,
    /// The tenants that have their share of the spill. Others' records are spilled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub full_tenants: Vec<FullTenantState>,
    /// The records by result, since it began to count. They never fall.
    pub records: RecordCounts,
}

/// A tenant that has its share of the spill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FullTenantState {
    pub tenant: String,
    pub spilled_bytes: u64,
    /// When its records were last rejected.
    pub full_at: Timestamp,
}

/// A tenant that is over its daily quota.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OverQuotaState {
    pub tenant: String,
    pub events_per_day: u64,
    pub since: Timestamp,
}

/// The spill of one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpillState {
    pub stream: String,
    pub records: u64,
    pub bytes: u64,
    pub oldest_age_s: u64,
    /// Quarantined: rejected permanently even as failed events, or garbled. Kept, and not retried.
    pub quarantined: u64,
    /// Why the last attempt did not deliver all, in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The party that has to act.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// When a record was last delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_drained_at: Option<Timestamp>,
    /// The next attempt; during an attempt, when another one may start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try_at: Option<Timestamp>,
}

/// How much of the spill's capacity is used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SpillCapacity {
    /// Includes quarantined records.
    pub used_bytes: u64,
    /// `HEADWATER.spill.max_bytes`.
    pub limit_bytes: u64,
    /// `used_bytes` as a share of `limit_bytes`.
    pub used_percent: u64,
    /// Time until it is full at the current rate of growth, in seconds, if that can be estimated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_in_s: Option<u64>,
    /// When records were last rejected for lack of space, if that is still relevant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_at: Option<Timestamp>,
}

// An earlier version does not report the room, and a list without tenants is absent.
from_json!(ShardState { buffer_bytes, devices, seen, spill, unreadable, streams } or_default { room, over_quota, full_tenants, records });

from_json!(SpillState {
    stream,
    records,
    bytes,
    oldest_age_s,
    quarantined,
    problem,
    owner,
    last_drained_at,
    next_try_at
});

from_json!(FullTenantState { tenant, spilled_bytes, full_at });

from_json!(OverQuotaState { tenant, events_per_day, since });

from_json!(SpillCapacity { used_bytes, limit_bytes, used_percent, full_in_s, full_at });

impl ShardState {
    /// Builds the state of a shard from its status at `now`.
    pub fn of(status: ShardStatus, streams: Vec<StreamState>, now: Milliseconds) -> Self {
        Self {
            buffer_bytes: status.buffer_bytes,
            devices: status.devices,
            seen: status.seen,
            room: SpillCapacity::of(status.fill, &status.spill, now),
            spill: status.spill.into_iter().map(SpillState::from).collect(),
            unreadable: status.unreadable,
            streams,
            over_quota: status.over_quota.into_iter().map(OverQuotaState::from).collect(),
            full_tenants: status.full_tenants.into_iter().map(FullTenantState::from).collect(),
            records: status.records,
        }
    }

    /// The number of quarantined records.
    pub fn quarantined(&self) -> u64 {
        self.spill.iter().map(|spill| spill.quarantined).fold(0, u64::saturating_add)
    }

    /// The number of records that wait for delivery.
    pub fn waiting(&self) -> u64 {
        self.spill.iter().map(|spill| spill.records).fold(0, u64::saturating_add)
    }
}

impl From<FullTenant> for FullTenantState {
    fn from(full: FullTenant) -> Self {
        let FullTenant { tenant, bytes, since } = full;
        Self { tenant, spilled_bytes: bytes, full_at: Timestamp(since) }
    }
}

impl From<OverQuota> for OverQuotaState {
    fn from(over: OverQuota) -> Self {
        let OverQuota { tenant, events_per_day, since } = over;
        Self { tenant, events_per_day, since: Timestamp(since) }
    }
}

impl From<BacklogStats> for SpillState {
    fn from(depth: BacklogStats) -> Self {
        let problem = depth.problem.as_ref();
        Self {
            stream: depth.stream.to_string(),
            records: depth.records,
            bytes: depth.bytes,
            oldest_age_s: depth.oldest_ms.div_ceil(1_000),
            quarantined: depth.quarantined,
            problem: problem.map(|problem| problem.code().to_owned()),
            owner: problem.map(|problem| Cause::of(problem).owner()),
            last_drained_at: depth.last_drained_at.map(Timestamp),
            next_try_at: depth.next_try_at.map(Timestamp),
        }
    }
}

impl SpillCapacity {
    /// How long a "spill full" rejection is shown once no record waits, in milliseconds.
    const FULL_MS: u64 = 60_000;
    /// How long records have to have waited before growth is estimated from them, in milliseconds.
    const GROWN_MS: u64 = 60_000;

    fn of(fill: SpillUsage, depths: &[BacklogStats], now: Milliseconds) -> Self {
        let SpillUsage { bytes, max_bytes, full_since } = fill;
        let is_late = |at: &Milliseconds| now.saturating_sub(*at) < Self::FULL_MS;
        let waits = depths.iter().any(|depth| depth.records > 0);
        Self {
            used_bytes: bytes,
            limit_bytes: max_bytes,
            used_percent: percent(bytes, max_bytes),
            full_in_s: full_in_s(max_bytes.saturating_sub(bytes), depths),
            full_at: full_since.filter(|at| waits || is_late(at)).map(Timestamp),
        }
    }
}

/// `part` as a share of `whole` in whole per cent; 0 if `whole` is 0.
fn percent(part: u64, whole: u64) -> u64 {
    part.saturating_mul(100).checked_div(whole).unwrap_or_default()
}

/// Estimates the seconds until `left` more bytes are spilled. It assumes the average rate since the
/// oldest record. There is no estimate if a record was delivered meanwhile.
fn full_in_s(left: u64, depths: &[BacklogStats]) -> Option<u64> {
    let grows = depths.iter().filter(|depth| depth.records > 0);
    let mut bytes_a_second = 0.0;
    for BacklogStats { bytes, oldest_ms, last_drained_at, .. } in grows {
        if *oldest_ms < SpillCapacity::GROWN_MS || last_drained_at.is_some() {
            return None;
        }
        bytes_a_second += *bytes as f64 * 1_000.0 / *oldest_ms as f64;
    }
    (bytes_a_second > 0.0).then(|| (left as f64 / bytes_a_second) as u64)
}

/// A shard and its state.
#[derive(Debug, Serialize)]
pub struct ShardView {
    #[serde(flatten)]
    pub address: ShardAddress,
    actions: Vec<String>,
    #[serde(flatten)]
    pub answer: ShardAnswer,
}

/// The answer of a shard.
#[derive(Debug, Serialize)]
#[serde(untagged)]
#[expect(clippy::large_enum_variant, reason = "nearly all are of the large variant")]
pub enum ShardAnswer {
    /// There was no answer, or an error.
    Silent {
        /// The reason, as the runtime or the shard gives it.
        problem: String,
    },
    Answered(ShardState),
}

impl ShardView {
    /// Builds the view from the answer of a shard, or from the reason for which there is none.
    pub fn of(address: ShardAddress, answer: Result<Vec<u8>, String>) -> Self {
        let state = answer.and_then(|bytes| {
            let state = from_json::read(&String::from_utf8_lossy(&bytes));
            state.ok_or_else(|| "its answer is no status".to_owned())
        });
        Self::of_state(address, state)
    }

    /// Builds the view from the state of a shard, or from the reason for which there is none.
    pub fn of_state(address: ShardAddress, state: Result<ShardState, String>) -> Self {
        let answer = match state {
            Err(problem) => ShardAnswer::Silent { problem },
            Ok(mut state) => {
                let of_shard = |stream: StreamState| stream.from_source(format!("shard {address}"));
                state.streams = state.streams.into_iter().map(of_shard).collect();
                ShardAnswer::Answered(state)
            }
        };
        Self { address, actions: actions(&answer), answer }
    }

    /// Adds the advice about its streams.
    pub fn advised(self, advisor: &Advisor<'_>) -> Self {
        let answer = match self.answer {
            ShardAnswer::Answered(state) => {
                let streams = state.streams.into_iter().map(|stream| stream.advised(advisor));
                ShardAnswer::Answered(ShardState { streams: streams.collect(), ..state })
            }
            silent @ ShardAnswer::Silent { .. } => silent,
        };
        Self { answer, ..self }
    }

    /// The state, if the shard answered.
    pub const fn state(&self) -> Option<&ShardState> {
        match &self.answer {
            ShardAnswer::Silent { .. } => None,
            ShardAnswer::Answered(state) => Some(state),
        }
    }

    /// The advice about the shard, without that about its streams.
    pub fn actions(&self) -> impl Iterator<Item = String> + '_ {
        self.actions.iter().map(|action| format!("shard {}: {action}", self.address))
    }
}

/// The advice about a shard with this answer.
fn actions(answer: &ShardAnswer) -> Vec<String> {
    let state = match answer {
        ShardAnswer::Silent { .. } => {
            return vec![
                "its requests are delivered without it, and what is stored in it waits: look in the log for what it said, and at Cloudflare's status page for Durable Objects; where it began with a deployment, take that back with npx wrangler rollback".to_owned(),
            ];
        }
        ShardAnswer::Answered(state) => state,
    };
    let mut actions = Vec::new();
    if state.room.full_at.is_some() {
        actions.push("clients are answered 503 and keep their events: mend what keeps the stream from taking them, or make room with a larger HEADWATER.spill.max_bytes, and deploy".to_owned());
    }
    for FullTenantState { tenant, spilled_bytes, .. } in &state.full_tenants {
        actions.push(format!("the tenant {tenant} has its whole share of the spill, {spilled_bytes} bytes: its clients are answered 503, and those of others are not: fix what keeps the stream from taking records; if the tenant sends more than you expect, give it a quota or streams of its own; if not, raise HEADWATER.tenant_share_percent or HEADWATER.spill.max_bytes"));
    }
    if state.quarantined() > 0 {
        let records = count(state.quarantined(), "record");
        actions.push(format!("{records} quarantined, which the stream of failed events rejects for good or which are garbled: kept in the shard's storage and tried no more: take them out with scripts/export-quarantine; the log names the code at \"refuses a record\"; report it as a mistake of Headwater's"));
    }
    if state.unreadable > 0 {
        let rows = count(state.unreadable, "row");
        actions.push(format!("{rows} in the spill of another version, kept as they are: deploy the version that wrote them, and it delivers them"));
    }
    actions
}

#[cfg(test)]
pub(crate) mod tests {
    use insta::assert_snapshot;

    use super::super::cause::tests::refused;
    use super::*;
    use crate::model::placement::ShardNumber;
    use crate::model::stream::Stream;

    /// The spill of a stream that has failed.
    pub(crate) fn depth(records: u64, bytes: u64, oldest_ms: u64) -> BacklogStats {
        let stream = Stream::parse("firehose:events").unwrap();
        let problem = Some(refused(400, "ThrottlingException"));
        BacklogStats { records, bytes, oldest_ms, problem, ..BacklogStats::none(stream) }
    }

    /// The status of a shard with this spill, of at most a million bytes.
    pub(crate) fn status(spill: Vec<BacklogStats>) -> ShardStatus {
        let bytes = spill.iter().map(|depth| depth.bytes).sum();
        let fill = SpillUsage { bytes, max_bytes: 1_000_000, full_since: None };
        ShardStatus {
            buffer_bytes: 0,
            devices: 1,
            seen: 2,
            spill,
            fill,
            unreadable: 0,
            over_quota: Vec::new(),
            full_tenants: Vec::new(),
            records: RecordCounts::default(),
        }
    }

    pub(crate) fn view(
        shard: ShardNumber,
        status: ShardStatus,
        streams: Vec<StreamState>,
    ) -> ShardView {
        let state = ShardState::of(status, streams, 1_000_000);
        ShardView::of(shard.into(), Ok(serde_json::to_vec(&state).unwrap()))
    }

    #[test]
    fn room_lasts_for_as_long_as_it_filled_at_this_pace() {
        let drained = BacklogStats { last_drained_at: Some(1), ..depth(9, 1_000, 100_000) };
        for (depths, full_in_s) in [
            (vec![], None),
            (vec![depth(0, 0, 0)], None),
            (vec![depth(1, 1_000, 59_999)], None),
            (vec![depth(1, 1_000, 100_000)], Some(99_900)),
            (vec![depth(1, 1_000, 100_000), depth(0, 0, 0)], Some(99_900)),
            (vec![depth(5, 1_000, 100_000), depth(5, 4_000, 100_000)], Some(19_900)),
            (vec![depth(5, 999_500, 100_000)], Some(0)),
            (vec![depth(5, 1_000, 100_000), depth(1, 1, 10)], None),
            (vec![depth(5, 1_000, 100_000), drained], None),
        ] {
            let ShardStatus { fill, .. } = status(depths.clone());
            assert_eq!(SpillCapacity::of(fill, &depths, 0).full_in_s, full_in_s, "{depths:?}");
        }
    }

    #[test]
    fn a_spill_is_full_while_its_records_wait_or_for_a_minute() {
        let is_full = |depths: &[BacklogStats], now| {
            let fill = SpillUsage { bytes: 0, max_bytes: 0, full_since: Some(100_000) };
            SpillCapacity::of(fill, depths, now).full_at.is_some()
        };
        assert!(is_full(&[], 159_999) && !is_full(&[], 160_000));
        assert!(is_full(&[depth(1, 1, 1)], 160_000));
        assert!(
            !is_full(&[depth(0, 0, 0)], 160_000),
            "quarantined records stay until they are exported"
        );
    }

    #[test]
    fn a_share_is_in_whole_per_cent() {
        for (part, whole, share) in [(0, 0, 0), (0, 9, 0), (1, 3, 33), (2, 3, 66), (3, 3, 100)] {
            assert_eq!(percent(part, whole), share, "{part} of {whole}");
        }
    }

    #[test]
    fn a_shard_that_says_nothing_readable_is_silent() {
        for (answer, problem) in [
            (Err("no answer in time".to_owned()), "no answer in time"),
            (Ok(b"{}".to_vec()), "its answer is no status"),
        ] {
            let ShardAnswer::Silent { problem: found } = ShardView::of(3.into(), answer).answer
            else {
                panic!()
            };
            assert_eq!(found, problem);
        }
    }

    #[test]
    fn a_shard_of_the_previous_version_is_understood() {
        let status = r#"{"buffer_bytes":0,"devices":1,"seen":2,"spill":[{"stream":"firehose:a","records":3,
            "bytes":4,"oldest_age_s":5,"quarantined":0}],"unreadable":0,
            "streams":[{"stream":"firehose:a","paused":false}]}"#;
        let view = ShardView::of(0.into(), Ok(status.into()));
        assert_eq!(view.state().map(ShardState::waiting), Some(3));
    }

    #[test]
    fn a_shard_of_the_version_after_is_understood_too() {
        let status = r#"{"buffer_bytes":0,"devices":1,"seen":2,"new":1,"spill":[],"unreadable":0,
            "streams":[{"stream":"firehose:a","problem":"Melted","cause":"melted","later":{}}]}"#;
        let view = ShardView::of(0.into(), Ok(status.into()));
        let [stream] = view.state().unwrap().streams.as_slice() else { panic!() };
        assert_eq!(
            (stream.cause, stream.problem.as_deref()),
            (Some(Cause::OtherRefusal), Some("Melted"))
        );
    }

    #[test]
    fn a_shards_answer_is_passed_on_with_its_number() {
        let waiting = BacklogStats {
            next_try_at: Some(1_030_000),
            quarantined: 2,
            ..depth(3, 250_500, 61_001)
        };
        let mut status = status(vec![waiting]);
        status.fill.full_since = Some(900_000);
        status.unreadable = 1;
        let view = view(3, status, Vec::new());
        assert_snapshot!(serde_json::to_string_pretty(&view).unwrap(), @r#"
        {
          "shard": 3,
          "actions": [
            "clients are answered 503 and keep their events: mend what keeps the stream from taking them, or make room with a larger HEADWATER.spill.max_bytes, and deploy",
            "2 records quarantined, which the stream of failed events rejects for good or which are garbled: kept in the shard's storage and tried no more: take them out with scripts/export-quarantine; the log names the code at \"refuses a record\"; report it as a mistake of Headwater's",
            "1 row in the spill of another version, kept as they are: deploy the version that wrote them, and it delivers them"
          ],
          "buffer_bytes": 0,
          "devices": 1,
          "seen": 2,
          "spill": [
            {
              "stream": "firehose:events",
              "records": 3,
              "bytes": 250500,
              "oldest_age_s": 62,
              "quarantined": 2,
              "problem": "ThrottlingException",
              "owner": "stream",
              "next_try_at": "1970-01-01T00:17:10.000Z"
            }
          ],
          "room": {
            "used_bytes": 250500,
            "limit_bytes": 1000000,
            "used_percent": 25,
            "full_in_s": 182,
            "full_at": "1970-01-01T00:15:00.000Z"
          },
          "unreadable": 1,
          "streams": [],
          "records": {
            "delivered": 0,
            "spilled": 0,
            "duplicate": 0,
            "over_quota": 0,
            "rejected": 0,
            "not_durable": 0,
            "not_admitted": 0
          }
        }
        "#);
    }
}
