//! Drains the spill each time that the alarm goes off.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;

use futures_util::StreamExt;
use futures_util::future::{Either, LocalBoxFuture, select};
use futures_util::stream::FuturesUnordered;
use worker::console_log;

use super::ShardObject;
use crate::config::Config;
use crate::config::stored_tenant::StoredTenant;
use crate::delivery::call_slots::CallPurpose;
use crate::delivery::stream_delivery::DeliveryConfig;
use crate::ingest::reroute;
use crate::ingest::tenant_cache::TenantEntry;
use crate::model::record::Record;
use crate::model::stream::Stream;
use crate::model::stream_set::StreamSet;
use crate::runtime::bindings::{now_ms, random};
use crate::runtime::gate::CallSlot;
use crate::runtime::log::Component;
use crate::runtime::storage::Sqlite;
use crate::runtime::{deliver, io, log, metrics, tenants};
use crate::shard;
use crate::shard::protocol::error::ShardError;
use crate::shard::spill::{BacklogStats, Moved, SpilledBatch};

/// How long a delivery of spilled records may take, in milliseconds. No client waits for it.
pub const DRAIN_DEADLINE_MS: u64 = 10_000;

/// How long one alarm runs, in milliseconds. The rest is left to the next one.
pub const ALARM_MS: u64 = 30_000;

/// The most bytes that are moved at once.
const MOVED_BYTES: usize = 786_432;

/// After so many tenants about which the store does not answer, the others are left to a later alarm.
const MOST_UNAVAILABLE: usize = 3;

/// How soon a stream that has become due is noticed while deliveries run, in milliseconds.
pub const LOOK_AGAIN_MS: u64 = 500;

impl ShardObject {
    /// Drains the spill, records the metrics of the spill before and after, and sets the next
    /// alarm.
    pub(super) async fn drain(&self) -> Result<(), ShardError> {
        let (config, storage) = self.load()?;
        let before = self.with(|shard| shard.spill().depth(now_ms()))?;
        let drained = self.drain_due(&config, &storage).await;
        let after = self.with(|shard| shard.spill().depth(now_ms()))?;
        let is_left = |gone: &BacklogStats| after.iter().any(|depth| depth.stream == gone.stream);
        let gone = before.iter().filter(|depth| !is_left(depth));
        let gone: Vec<BacklogStats> =
            gone.map(|depth| BacklogStats::none(depth.stream.clone())).collect();
        metrics::spill(&self.env, &self.name, &[gone, after].concat());
        let report_at = self.report().await;
        // Streams whose delivery failed have to be retried too.
        let attempt_at = self.with(|shard| shard.spill().wake_at())?;
        match attempt_at.into_iter().chain(report_at).min() {
            Some(at) => self.wake_at(at),
            None => self.wake_never(),
        }
        drained
    }

    /// Delivers the due streams, several batches concurrently: a slow stream delays no other.
    async fn drain_due(&self, config: &Rc<Config>, storage: &Sqlite) -> Result<(), ShardError> {
        let until = now_ms().saturating_add(ALARM_MS);
        let mut under_way = FuturesUnordered::new();
        let mut ended = Ok(());
        loop {
            let mut have_moved = false;
            if now_ms() < until {
                for stream in self.with(|shard| shard.spill().due(now_ms()))? {
                    if self.move_on(&stream, config, storage).await? {
                        have_moved = true;
                        continue;
                    }
                    while let Some((batch, slot)) = self.take(&stream, config, storage)? {
                        under_way.push(self.deliver(batch, slot, config, storage));
                    }
                }
            }
            // Lets other requests of the object run.
            let look_again_ms = if have_moved { 0 } else { LOOK_AGAIN_MS };
            let again = pin!(io::wait(look_again_ms));
            if !under_way.is_empty() {
                if let Either::Left((Some(Err(why)), _)) = select(under_way.next(), again).await {
                    ended = Err(why);
                }
                continue;
            }
            if have_moved {
                again.await;
                continue;
            }
            let is_due = self.with(|shard| !shard.spill().due(now_ms()).is_empty())?;
            if !is_due || now_ms() >= until {
                return ended;
            }
            // Streams are due, but there is no slot for a call.
            drop(self.gate.enter(CallPurpose::Spill).await);
        }
    }

    /// Takes the next batch of `stream` and a slot for its call. Returns `None` if nothing is due
    /// or no slot is free.
    fn take(
        &self,
        stream: &Stream,
        config: &Config,
        storage: &Sqlite,
    ) -> Result<Option<(SpilledBatch, CallSlot)>, ShardError> {
        if !self.with(|shard| shard.spill().is_due(stream, now_ms()))? {
            return Ok(None);
        }
        let Some(slot) = self.gate.try_enter(CallPurpose::Spill) else { return Ok(None) };
        let max = shard::batch_limits(stream, &config.destinations);
        let take = |shard: &mut shard::ShardCore| {
            shard.spill().begin_attempt(storage, stream, max, now_ms())
        };
        let batch = self.with(take)?.unwrap_or_else(|error| {
            log::error(
                Component::Shard,
                format_args!("the spill of {stream} can't be read: {error}"),
            );
            None
        });
        Ok(batch.map(|batch| (batch, slot)))
    }

    /// Returns the shard's member of `set`.
    fn member_of(&self, set: &StreamSet) -> Stream {
        deliver::member_for(self.own_number(), set)
    }

    /// Delivers a batch, and applies its report.
    async fn deliver(
        &self,
        spilled: SpilledBatch,
        slot: CallSlot,
        config: &Config,
        storage: &Sqlite,
    ) -> Result<(), ShardError> {
        let SpilledBatch { batch, token } = spilled;
        let stream = batch.stream.clone();
        let policy = DeliveryConfig {
            delivery_timeout_ms: DRAIN_DEADLINE_MS,
            ..config.destinations.policy_of(&stream)
        };
        let report = deliver::deliver_batch(batch, config, policy, slot).await;
        let random = u32::from_ne_bytes(random());
        // The failed events of a failed-events stream stay there, whatever its set.
        let failed = match config.destinations.failed.contains(&stream) {
            true => stream.clone(),
            false => self.member_of(&config.destinations.failed),
        };
        let end_attempt = |shard: &mut shard::ShardCore| {
            shard.spill().end_attempt(storage, token, report, &failed, now_ms(), random)
        };
        // A stream whose drain failed is retried later.
        if let Err(error) = self.with(end_attempt)? {
            log::error(
                Component::Shard,
                format_args!("the spill of {stream} was not drained: {error}"),
            );
        }
        // Records that were rejected permanently move at once, not at the next retry.
        while self.move_on(&stream, config, storage).await? {
            io::wait(0).await;
        }
        Ok(())
    }

    /// Moves some of the records stored for `stream` to where they go today, if they have to move.
    /// Returns whether any were moved. Records of a tenant whose routes are in the key-value store stay
    /// until the store answers. If its value is invalid, they go by the routes at the top level.
    fn move_on<'a>(
        &'a self,
        stream: &'a Stream,
        config: &'a Config,
        storage: &'a Sqlite,
    ) -> LocalBoxFuture<'a, Result<bool, ShardError>> {
        Box::pin(self.move_due(stream, config, storage))
    }

    async fn move_due(
        &self,
        stream: &Stream,
        config: &Config,
        storage: &Sqlite,
    ) -> Result<bool, ShardError> {
        let (has_moved, wanted) = self.move_known(stream, config, storage, &[])?;
        if has_moved || wanted.is_empty() {
            return Ok(has_moved);
        }
        let mut known = Vec::new();
        let mut unavailable = 0_usize;
        for name in wanted {
            match tenants::named(&name, &self.env).await {
                TenantEntry::Unavailable => unavailable = unavailable.saturating_add(1),
                // Nothing corrects an invalid value but the operator, and records behind this one wait.
                TenantEntry::Unknown | TenantEntry::Invalid => known.push((name, None)),
                TenantEntry::Found(tenant) => known.push((name, Some(tenant))),
            }
            if unavailable == MOST_UNAVAILABLE {
                break;
            }
        }
        Ok(self.move_known(stream, config, storage, &known)?.0)
    }

    /// Moves records, except those of tenants of the key-value store that are not `known`, whose names
    /// it returns.
    fn move_known(
        &self,
        stream: &Stream,
        config: &Config,
        storage: &Sqlite,
        known: &[(String, Option<Rc<StoredTenant>>)],
    ) -> Result<(bool, Vec<String>), ShardError> {
        let wanted = RefCell::new(Vec::new());
        let moves = |shard: &mut shard::ShardCore| {
            let now = now_ms();
            let depths = shard.spill().depth(now);
            let mut depths = depths.iter().filter(|depth| depth.stream == *stream);
            if !depths.any(|depth| reroute::has_to_move(depth, config)) {
                return Ok(Moved::default());
            }
            let current_stream = |record: &Record| {
                let stored = match reroute::stored_tenant_of(record, stream, config) {
                    None => None,
                    Some(name) => match known.iter().find(|(known, _)| *known == name) {
                        Some((_, tenant)) => tenant.as_ref(),
                        None => {
                            let mut wanted = wanted.borrow_mut();
                            if !wanted.contains(&name) {
                                wanted.push(name);
                            }
                            return Some(stream.clone());
                        }
                    },
                };
                let routes = stored.map(|stored| stored.tenant.routes.as_ref());
                Some(self.member_of(reroute::current_set(record, stream, config, routes)?))
            };
            shard.spill().move_oldest(storage, stream, MOVED_BYTES, current_stream, now)
        };
        let has_moved = match self.with(moves)? {
            Ok(moved) if moved.is_empty() => false,
            Ok(Moved { records, quarantined }) => {
                console_log!(
                    "{{\"stream\":\"{stream}\",\"moved\":{records},\"quarantined\":{quarantined}}}"
                );
                true
            }
            Err(error) => {
                log::error(
                    Component::Shard,
                    format_args!("what waits for {stream} was not moved: {error}"),
                );
                false
            }
        };
        Ok((has_moved, wanted.into_inner()))
    }
}
