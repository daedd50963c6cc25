//! Delivers what is in the spill, each time that the alarm goes off.

use futures_util::future::join_all;

use super::Inner;
use crate::clock::Milliseconds;
use crate::config::Config;
use crate::edge::environment::{now_ms, random};
use crate::edge::log::{self, Part};
use crate::edge::storage::Sqlite;
use crate::edge::{deliver, metrics};
use crate::shard;
use crate::shard::spill::Depth;
use crate::sink::Stream;
use crate::sink::delivery::Policy;

/// How long a delivery out of the spill may take, in milliseconds: nobody waits for it.
const DRAIN_DEADLINE_MS: u64 = 10_000;

/// How long one alarm goes on, in milliseconds; what is then left has the next.
const ALARM_MS: u64 = 30_000;

/// The most bytes that are read out of the spill for one delivery.
const DRAIN_BYTES: usize = 786_432;

impl Inner {
    /// Delivers what is in the spill, as far as its streams take it, counts what was there and
    /// what is left, and sets the next alarm.
    pub(super) async fn drain(&self) -> Result<(), String> {
        let (config, storage) = self.load()?;
        let before = self.with(|shard| shard.spill().depth(now_ms()))?;
        let drained = self.drain_due(&config, &storage).await;
        let after = self.with(|shard| shard.spill().depth(now_ms()))?;
        let is_left = |gone: &Depth| after.iter().any(|depth| depth.stream == gone.stream);
        let gone = before.iter().filter(|depth| !is_left(depth));
        let gone: Vec<Depth> = gone.map(|depth| Depth::none(depth.stream.clone())).collect();
        let name = self.state.id().name().unwrap_or_default();
        metrics::spill(&self.env, &name, &[gone, after].concat());
        // What failed has to be tried again too.
        match self.with(|shard| shard.spill().wake_at())? {
            Some(at) => self.wake_at(at),
            None => self.wake_never(),
        }
        drained
    }

    /// Delivers what is due, each stream by itself: a slow one holds up no other.
    async fn drain_due(&self, config: &Config, storage: &Sqlite) -> Result<(), String> {
        let until = now_ms().saturating_add(ALARM_MS);
        loop {
            let due = self.with(|shard| shard.spill().due(now_ms()))?;
            if due.is_empty() || now_ms() >= until {
                return Ok(());
            }
            let drains = due.iter().map(|stream| self.drain_stream(stream, until, config, storage));
            join_all(drains).await.into_iter().collect::<Result<(), String>>()?;
        }
    }

    /// Delivers what is there of `stream`, batch by batch, for as long as it is due.
    async fn drain_stream(
        &self,
        stream: &Stream,
        until: Milliseconds,
        config: &Config,
        storage: &Sqlite,
    ) -> Result<(), String> {
        let policy = Policy { deadline_ms: DRAIN_DEADLINE_MS, ..config.policy_of(stream) };
        while now_ms() < until && self.with(|shard| shard.spill().is_due(stream, now_ms()))? {
            let take = |shard: &mut shard::Shard| {
                shard.spill().take(storage, stream, DRAIN_BYTES, now_ms())
            };
            let batch = self.with(take)?.unwrap_or_else(|error| {
                log::error(
                    Part::Shard,
                    format_args!("the spill of {stream} can't be read: {error}"),
                );
                None
            });
            let Some(batch) = batch else { return Ok(()) };
            let report = deliver::one(stream, batch.records, config, policy).await;
            let random = u32::from_ne_bytes(random());
            let settle = |shard: &mut shard::Shard| {
                shard.spill().settle(storage, batch.taken, report, &config.failed, now_ms(), random)
            };
            // Whose turn has failed comes again later.
            if let Err(error) = self.with(settle)? {
                log::error(
                    Part::Shard,
                    format_args!("the spill of {stream} was not drained: {error}"),
                );
            }
        }
        Ok(())
    }
}
