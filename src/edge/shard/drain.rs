//! Delivers what is in the spill, each time that the alarm goes off.

use std::time::Duration;

use futures_util::future::join_all;
use worker::{Delay, console_log};

use super::Inner;
use crate::clock::Milliseconds;
use crate::config::Config;
use crate::edge::environment::{now_ms, random};
use crate::edge::log::{self, Part};
use crate::edge::storage::Sqlite;
use crate::edge::{deliver, metrics};
use crate::shard;
use crate::shard::home;
use crate::shard::spill::{Depth, Moved};
use crate::sink::Stream;
use crate::sink::delivery::Policy;
use crate::sink::record::Record;

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
        while now_ms() < until {
            if self.move_on(stream, config, storage)? {
                // Others of the object's requests come in between.
                Delay::from(Duration::ZERO).await;
                continue;
            }
            if !self.with(|shard| shard.spill().is_due(stream, now_ms()))? {
                break;
            }
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

    /// Moves some of what waits for `stream` to where it goes today, if it has to move; whether
    /// anything was moved.
    fn move_on(&self, stream: &Stream, config: &Config, storage: &Sqlite) -> Result<bool, String> {
        let moves = |shard: &mut shard::Shard| {
            let now = now_ms();
            let depths = shard.spill().depth(now);
            let mut depths = depths.iter().filter(|depth| depth.stream == *stream);
            if !depths.any(|depth| home::has_to_move(depth, config)) {
                return Ok(Moved::default());
            }
            let home = |record: &Record| home::home(record, stream, config);
            shard.spill().move_oldest(storage, stream, DRAIN_BYTES, home, now)
        };
        match self.with(moves)? {
            Ok(moved) if moved.is_empty() => Ok(false),
            Ok(Moved { records, set_aside }) => {
                console_log!(
                    "{{\"stream\":\"{stream}\",\"moved\":{records},\"set_aside\":{set_aside}}}"
                );
                Ok(true)
            }
            Err(error) => {
                log::error(
                    Part::Shard,
                    format_args!("what waits for {stream} was not moved: {error}"),
                );
                Ok(false)
            }
        }
    }
}
