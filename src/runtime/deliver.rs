//! Delivers the records of a request, through shards or directly, all of them concurrently.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use worker::{Delay, Env};

use super::bindings::{now_ms, random};
use super::gate::{CallSlot, For, Gate};
use super::log::{self, Component};
use super::shard_client::{ShardCallError, ShardMethod};
use super::{aws_http, health, shard_client, stream_health};
use crate::base::clock::{Milliseconds, is_ahead};
use crate::config::Config;
use crate::delivery::health::StreamHealth;
use crate::delivery::response::CallResult;
use crate::delivery::stats::DeliveryStats;
use crate::delivery::stream_delivery::{
    Action, DeliveryConfig, DeliveryReport, RecordStatus, StreamDelivery,
};
use crate::ingest::error::IngestError;
use crate::ingest::{IngestBatch, PendingRecord, by_shard, by_stream};
use crate::model::placement::ShardNumber;
use crate::model::record::Record;
use crate::model::stream::Stream;
use crate::shard::config::ShardConfig;
use crate::shard::protocol::batch_request;
use crate::shard::protocol::batch_request::ShardItemRef;
use crate::shard::protocol::batch_response::BatchResponse;

/// How much longer than its batches a shard may take before its records are delivered directly. It
/// may have to call another shard, and its calls may have to wait for those of other streams.
const SHARD_SLACK_MS: u64 = 5_000;

/// How long a shard that could not be reached is not called, in milliseconds.
const LEFT_ALONE_MS: u64 = 5_000;

thread_local! {
    /// Until when each shard is not called, for all requests of this isolate.
    static LEFT_ALONE: RefCell<HashMap<ShardNumber, Milliseconds>> = RefCell::default();
}

/// Whether a shard could not be reached recently. It is then not called, so that not every request
/// waits for an unreachable shard.
fn is_paused(number: ShardNumber) -> bool {
    let until = LEFT_ALONE.with_borrow(|shards| shards.get(&number).copied().unwrap_or(0));
    is_ahead(until, now_ms(), LEFT_ALONE_MS)
}

fn leave_alone(number: ShardNumber) {
    let until = now_ms().saturating_add(LEFT_ALONE_MS);
    LEFT_ALONE.with_borrow_mut(|shards| shards.insert(number, until));
}

/// Delivers the records of `plan`, and adds the statistics to `sending`. A record that its stream
/// rejects becomes a failed event, which is delivered in another round.
pub async fn all(
    plan: &mut IngestBatch<'_>,
    sending: &mut DeliveryStats,
    config: &Config,
    env: &Env,
) -> Result<(), IngestError> {
    loop {
        let items = plan.take_items();
        if items.is_empty() {
            return Ok(());
        }
        let direct = match config.sharding() {
            None => items,
            Some(sharding) => in_shards(plan, sending, items, sharding, config, env).await?,
        };
        directly(plan, sending, direct, config).await?;
    }
}

/// Sends `items` to their shards. Returns those whose shard did not accept them.
async fn in_shards<'a>(
    plan: &mut IngestBatch<'_>,
    sending: &mut DeliveryStats,
    items: Vec<PendingRecord<'a>>,
    sharding: &ShardConfig,
    config: &Config,
    env: &Env,
) -> Result<Vec<PendingRecord<'a>>, IngestError> {
    let parcels = by_shard(items, sharding, u64::from_ne_bytes(random()));
    let is_paused = |(number, _): &(ShardNumber, _)| is_paused(*number);
    let (paused, parcels): (Vec<_>, Vec<_>) = parcels.into_iter().partition(is_paused);
    let marked =
        |item: PendingRecord<'a>| PendingRecord { record: item.record.past_its_shard(), ..item };
    let mut direct: Vec<PendingRecord<'a>> =
        paused.into_iter().flat_map(|(_, items)| items).map(marked).collect();
    let parcel = |items: &[PendingRecord<'_>]| {
        batch_request::encode(items.iter().map(|item| ShardItemRef {
            stream: item.stream,
            record: &item.record,
            observation: item.observed.as_ref().map(|it| &it.observation),
            former: item.observed.and_then(|it| it.former(sharding)),
        }))
    };
    let asked = parcels.iter().map(|(number, items)| (*number, parcel(items))).collect();
    // A rejected record needs a second round, for its failed event.
    let round_ms =
        config.destinations.policy.delivery_timeout_ms.saturating_add(sharding.linger_ms);
    let patience_ms = round_ms.saturating_mul(2).saturating_add(SHARD_SLACK_MS);
    let answers = shard_client::shards(asked, ShardMethod::Parcel, patience_ms, env, config).await;
    let mut at_once = DeliveryStats::default();
    let mut answered = Vec::new();
    for ((number, items), answer) in parcels.into_iter().zip(answers) {
        let answer = answer.and_then(|bytes| {
            BatchResponse::decode(&bytes, items.len())
                .map_err(|error| ShardCallError::Refused(error.to_string()))
        });
        match answer {
            Ok(answer) => {
                at_once = at_once.beside(answer.sending);
                answered.push((items, answer));
            }
            Err(why) => {
                log::error(
                    Component::Delivery,
                    format_args!("shard {number} did not take a parcel: {why}"),
                );
                if let ShardCallError::Unreachable(_) = why {
                    leave_alone(number);
                }
                health::silent(number, env);
                direct.extend(items.into_iter().map(marked));
            }
        }
    }
    *sending = sending.then(at_once);
    for (items, answer) in answered {
        plan.settle_parcel(&items, answer)?;
    }
    plan.sent(&direct);
    Ok(direct)
}

/// Delivers `items` in this request, without shards.
async fn directly(
    plan: &mut IngestBatch<'_>,
    sending: &mut DeliveryStats,
    items: Vec<PendingRecord<'_>>,
    config: &Config,
) -> Result<(), IngestError> {
    let began = now_ms();
    let gate = Rc::new(Gate::default());
    let deliveries = by_stream(items).into_iter().map(async |it| {
        let policy = config.destinations.policy_of(&it.stream);
        let slot = gate.enter(For::Caller).await;
        let report = one(&it.stream, it.records, config, policy, slot).await;
        (it.stream, it.owners, report)
    });
    let deliveries = join_all(deliveries).await;
    let retries = deliveries.iter().map(|(_, _, report)| report.retries);
    let send_ms = now_ms().saturating_sub(began);
    *sending =
        sending.then(DeliveryStats { send_ms, retries: retries.sum(), ..DeliveryStats::default() });
    for (stream, owners, report) in deliveries {
        plan.settle(&stream, &owners, report)?;
    }
    Ok(())
}

/// Delivers `records` to `stream`, and logs what goes wrong. The delivery's time starts now, and
/// stops while it waits for another `slot`.
pub async fn one(
    stream: &Stream,
    records: Vec<Record>,
    config: &Config,
    policy: DeliveryConfig,
    mut slot: CallSlot,
) -> DeliveryReport {
    let health = stream_health::of(stream);
    let mut delivery = StreamDelivery::new(stream, records, policy, now_ms());
    loop {
        // Borrowed for this line only: other requests use the health while this one waits.
        let next = next(&mut delivery, &mut health.borrow_mut(), stream, config);
        let reply = match next {
            Next::Call { call, timeout_ms } => {
                aws_http::send(*call, &config.aws, stream.service, timeout_ms).await
            }
            Next::Fail(why) => CallResult::NotSent(why),
            Next::Wait { milliseconds } => {
                let wait = async {
                    Delay::from(Duration::from_millis(milliseconds)).await;
                    now_ms()
                };
                let (next_slot, waited_until) = slot.released_for(wait).await;
                slot = next_slot;
                delivery.queued(now_ms().saturating_sub(waited_until));
                continue;
            }
            Next::Stop => break,
        };
        let jitter = u32::from_ne_bytes(random());
        delivery.reply(reply, now_ms(), jitter, &mut health.borrow_mut());
    }
    drop(slot);
    let report = delivery.finish(now_ms(), &health.borrow());
    if let Some(problem) = &report.problem {
        log::error(
            Component::Delivery,
            format_args!("{stream} did not take every record: {problem}"),
        );
    }
    for (_, fate) in &report.records {
        if let RecordStatus::Rejected(refusal) = fate {
            log::error(
                Component::Delivery,
                format_args!("{stream} refuses a record: {}", refusal.code),
            );
        }
    }
    report
}

/// An action whose records are encoded, so that it borrows nothing.
enum Next {
    Call { call: Box<http::Request<Vec<u8>>>, timeout_ms: u64 },
    Fail(String),
    Wait { milliseconds: u64 },
    Stop,
}

fn next(
    delivery: &mut StreamDelivery,
    health: &mut StreamHealth,
    stream: &Stream,
    config: &Config,
) -> Next {
    match delivery.step(now_ms(), health) {
        Action::Send { records, timeout_ms } => {
            let Stream { service, name } = stream;
            match service.call(config.aws.endpoint(*service), name, &records) {
                Ok(call) => Next::Call { call: Box::new(call), timeout_ms },
                Err(error) => Next::Fail(error.to_string()),
            }
        }
        Action::Wait { milliseconds } => Next::Wait { milliseconds },
        Action::GiveUp | Action::Done => Next::Stop,
    }
}
