//! Delivers the records of a request, through shards or directly, all of them concurrently.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use futures_util::future::join_all;
use worker::Env;

use super::bindings::{now_ms, random};
use super::gate::{CallSlot, Gate};
use super::gather::{Gathering, gather};
use super::log::{self, Component};
use super::shard_client::ShardCallError;
use super::{aws_http, health, io, shard_client, stream_health};
use crate::base::clock::{Milliseconds, is_ahead};
use crate::base::keyed_hash::HashKey;
use crate::config::Config;
use crate::delivery::StreamBatch;
use crate::delivery::call_slots::CallPurpose;
use crate::delivery::response::CallResult;
use crate::delivery::stats::DeliveryStats;
use crate::delivery::stream_delivery::{
    Action, DeliveryConfig, DeliveryReport, RecordStatus, StreamDelivery,
};
use crate::ingest::error::IngestError;
use crate::ingest::{
    DestinationRecords, IngestBatch, PendingRecord, by_destination, by_shard, divert_overflow,
};
use crate::model::placement::ShardNumber;
use crate::model::quota::UtcDay;
use crate::model::record::Record;
use crate::model::stream::Stream;
use crate::model::stream_set::StreamSet;
use crate::shard::config::ShardConfig;
use crate::shard::device_rates::DeviceRates;
use crate::shard::protocol::batch_request;
use crate::shard::protocol::batch_response::{BatchResponse, QUOTA_UNKNOWN};
use crate::shard::protocol::quota_lease::LeaseRequest;
use crate::shard::quotas;

/// How much longer than its batches a shard may take before its records are delivered directly. It
/// may have to call another shard, and its calls may have to wait for those of other streams.
pub const SHARD_SLACK_MS: u64 = 5_000;

/// How long a shard that could not be reached is not called, in milliseconds.
pub const PAUSE_MS: u64 = 5_000;

type ShardResult = Result<BatchResponse, ShardCallError>;

/// How much longer than the call a request waits for one that another request makes for it. A call
/// may have to wait for a slot.
const GATHER_SLACK_MS: u64 = 10_000;

thread_local! {
    /// The batch requests that are about to be sent to each shard, with their numbers of items.
    static BATCH_REQUESTS: RefCell<Gathering<ShardNumber, (Vec<u8>, usize), ShardResult>> =
        RefCell::default();
    /// The records that are about to be delivered directly to each stream or stream set; and the
    /// stream that was called.
    static RECORDS: RefCell<Gathering<StreamSet, Vec<Record>, (Stream, DeliveryReport)>> =
        RefCell::default();
    /// The events of each device, for all requests of this isolate.
    static DEVICE_RATES: RefCell<DeviceRates> =
        RefCell::new(DeviceRates::new(HashKey::new(random())));
    /// Until when each shard is not called, for all requests of this isolate.
    static PAUSED: RefCell<HashMap<ShardNumber, Milliseconds>> = RefCell::default();
}

/// Whether a shard could not be reached recently. It is then not called, so that not every request
/// waits for an unreachable shard.
fn is_paused(number: ShardNumber) -> bool {
    let until = PAUSED.with_borrow(|shards| shards.get(&number).copied().unwrap_or(0));
    is_ahead(until, now_ms(), PAUSE_MS)
}

fn pause(number: ShardNumber) {
    let until = now_ms().saturating_add(PAUSE_MS);
    PAUSED.with_borrow_mut(|shards| shards.insert(number, until));
}

/// Delivers the records of `batch`, and adds the statistics to `stats`. A record that its stream
/// rejects becomes a failed event, which is delivered in another round.
pub async fn deliver_all(
    batch: &mut IngestBatch<'_>,
    stats: &mut DeliveryStats,
    config: &Config,
    env: &Env,
) -> Result<(), IngestError> {
    loop {
        let records = batch.take_records();
        if records.is_empty() {
            return Ok(());
        }
        let direct = match config.sharding() {
            None => records,
            Some(sharding) => {
                let left = deliver_via_shards(batch, stats, records, sharding, config, env).await?;
                if left.is_empty() {
                    continue;
                }
                take_quota(batch, left, config, env).await?
            }
        };
        deliver_direct(batch, stats, direct, config).await?;
    }
}

/// Sends `records` to their shards. Returns those whose shard did not accept them.
async fn deliver_via_shards<'a>(
    batch: &mut IngestBatch<'_>,
    stats: &mut DeliveryStats,
    records: Vec<PendingRecord<'a>>,
    sharding: &ShardConfig,
    config: &Config,
    env: &Env,
) -> Result<Vec<PendingRecord<'a>>, IngestError> {
    let divert = |rates: &mut DeviceRates| divert_overflow(records, rates, sharding, now_ms());
    let records = DEVICE_RATES.with_borrow_mut(divert);
    batch.trace_sent(&records);
    let shards = by_shard(records, sharding, u64::from_ne_bytes(random()));
    let (paused, called): (Vec<_>, Vec<_>) =
        shards.into_iter().partition(|(number, _)| is_paused(*number));
    let mut direct: Vec<PendingRecord<'a>> =
        paused.into_iter().flat_map(|(_, records)| records).map(PendingRecord::direct).collect();
    // A rejected record needs a second round, for its failed event.
    let round_ms =
        config.destinations.policy.delivery_timeout_ms.saturating_add(sharding.linger_ms);
    let timeout_ms = round_ms.saturating_mul(2).saturating_add(SHARD_SLACK_MS);
    let responses = join_all(called.iter().map(async |(number, records)| {
        call_shard(*number, records, timeout_ms, env, config).await
    }))
    .await;
    let mut parallel = DeliveryStats::default();
    let mut answered = Vec::new();
    for ((number, records), response) in called.into_iter().zip(responses) {
        match response {
            Ok(response) => {
                parallel = parallel.beside(response.sending);
                let now = now_ms();
                DEVICE_RATES.with_borrow_mut(|rates| {
                    response.overflowing.iter().for_each(|device| rates.note(*device, now));
                });
                answered.push((records, response));
            }
            Err(why) => {
                log::error(
                    Component::Delivery,
                    format_args!("shard {number} rejected a batch: {why}"),
                );
                if let ShardCallError::Unreachable(_) = why {
                    pause(number);
                }
                health::silent(number, env);
                direct.extend(records.into_iter().map(PendingRecord::direct));
            }
        }
    }
    *stats = stats.then(parallel);
    for (records, response) in answered {
        let not_admitted = batch.apply_shard_response(records, response)?;
        direct.extend(not_admitted.into_iter().map(PendingRecord::direct));
    }
    batch.trace_sent(&direct);
    Ok(direct)
}

/// Takes what `records`, which no shard has admitted, need of the quota of their tenant: from its home,
/// at once. A shard whose answer was lost may have counted them, too: the count is never too low.
/// Returns those that are within it. If the home can't be asked, all are refused, since it
/// must never be exceeded; their client sends them again.
async fn take_quota<'a>(
    batch: &mut IngestBatch<'a>,
    records: Vec<PendingRecord<'a>>,
    config: &Config,
    env: &Env,
) -> Result<Vec<PendingRecord<'a>>, IngestError> {
    let items = records.iter().map(|pending| &pending.item);
    // The records of a request have one tenant.
    let Some((tenant, need)) = quotas::reserve::needs(items).pop() else { return Ok(records) };
    let Some(quota) = tenant.quota else { return Ok(records) };
    let request = LeaseRequest {
        tenant: tenant.name.clone(),
        day: UtcDay::of(now_ms()),
        quota,
        lease: None,
        need,
        want: need,
    };
    match shard_client::lease_quota(&request, env, config).await {
        Ok(grant) => Ok(batch.keep_within_quota(records, grant.extra)),
        Err(why) => {
            log::error(Component::Delivery, format_args!("a quota is not known: {why}"));
            let stream = records.first().map(|pending| pending.item.to.one_of());
            Err(IngestError::NotDurable {
                stream: stream.unwrap_or_default(),
                code: QUOTA_UNKNOWN.to_owned(),
                retry_after_s: DeliveryReport::RETRY_AFTER_S,
            })
        }
    }
}

/// Sends `records` to a shard, together with those of other requests that are sent to it now.
async fn call_shard(
    number: ShardNumber,
    records: &[PendingRecord<'_>],
    timeout_ms: u64,
    env: &Env,
    config: &Config,
) -> Result<BatchResponse, ShardCallError> {
    let body = batch_request::encode(records.iter().map(|pending| &pending.item));
    let bytes = body.len();
    let call = async |requests: Vec<(Vec<u8>, usize)>| {
        let (bodies, counts): (Vec<Vec<u8>>, Vec<usize>) = requests.into_iter().unzip();
        let body = batch_request::join(bodies);
        let count = counts.iter().sum();
        match shard_client::batch(number, body, count, timeout_ms, env, config).await {
            Ok(response) => response.split(&counts).into_iter().map(Ok).collect(),
            Err(why) => counts.iter().map(|_| Err(why.clone())).collect(),
        }
    };
    let patience_ms = timeout_ms.saturating_add(GATHER_SLACK_MS);
    let response = gather(
        &BATCH_REQUESTS,
        number,
        ((body, records.len()), bytes),
        now_ms(),
        patience_ms,
        call,
    );
    let lost = || ShardCallError::Unreachable("the request that called it has ended".to_owned());
    response.await.unwrap_or_else(|| Err(lost()))
}

/// Delivers `records` in this request, without shards, together with those of other requests.
async fn deliver_direct(
    batch: &mut IngestBatch<'_>,
    stats: &mut DeliveryStats,
    records: Vec<PendingRecord<'_>>,
    config: &Config,
) -> Result<(), IngestError> {
    let began = now_ms();
    let gate = Rc::new(Gate::of_request());
    let deliveries = by_destination(records).into_iter().map(async |destination| {
        let DestinationRecords { to, records, beacons } = destination;
        let bytes = records.iter().map(|record| record.bytes().len()).sum();
        let deliver = async |requests: Vec<Vec<Record>>| {
            let counts: Vec<usize> = requests.iter().map(Vec::len).collect();
            let slot = gate.enter(CallPurpose::Caller).await;
            // Chosen for the call, not for each request: requests that share a call share its
            // member.
            let stream = member_for(u32::from_ne_bytes(random()), &to);
            let records = requests.into_iter().flatten().collect();
            let batch = StreamBatch { stream: stream.clone(), records };
            let policy = config.destinations.policy_of(&stream);
            let reports = deliver_batch(batch, config, policy, slot).await.split(&counts);
            reports.into_iter().map(|report| (stream.clone(), report)).collect()
        };
        let policy = config.destinations.policy;
        let patience_ms = policy.delivery_timeout_ms.saturating_add(GATHER_SLACK_MS);
        let called =
            gather(&RECORDS, to.clone(), (records, bytes), now_ms(), patience_ms, deliver).await;
        let (stream, report) =
            called.unwrap_or_else(|| (to.first().clone(), DeliveryReport::lost()));
        (stream, beacons, report)
    });
    let deliveries = join_all(deliveries).await;
    let retries = deliveries.iter().map(|(_, _, report)| report.retries);
    let send_ms = now_ms().saturating_sub(began);
    *stats =
        stats.then(DeliveryStats { send_ms, retries: retries.sum(), ..DeliveryStats::default() });
    for (stream, beacons, report) in deliveries {
        batch.apply_direct_report(&stream, &beacons, report)?;
    }
    Ok(())
}

/// Returns the member of `set` for the shard `number`, by the health that this isolate knows.
pub fn member_for(number: ShardNumber, set: &StreamSet) -> Stream {
    let now = now_ms();
    set.member_for(number, |stream| stream_health::is_avoided(stream, now)).into_owned()
}

/// Delivers `batch`, and logs what goes wrong. The delivery's time starts now, and stops while it
/// waits for another `slot`.
pub async fn deliver_batch(
    batch: StreamBatch,
    config: &Config,
    policy: DeliveryConfig,
    mut slot: CallSlot,
) -> DeliveryReport {
    let stream = batch.stream.clone();
    let health = stream_health::of(&stream);
    let Stream { service, name } = &stream;
    let mut delivery = StreamDelivery::new(batch, policy, now_ms());
    loop {
        // Borrowed for this line only: other requests use the health while this one waits.
        let action = delivery.step(now_ms(), &mut health.borrow_mut());
        let result = match action {
            Action::Send { records, timeout_ms } => {
                let call = service.put_request(config.aws.endpoint(*service), name, &records);
                // The call has their bytes.
                drop(records);
                match call {
                    Ok(call) => {
                        let aborts = slot.is_of_object();
                        aws_http::send(call, &config.aws, *service, timeout_ms, aborts).await
                    }
                    Err(error) => CallResult::NotSent(error.to_string()),
                }
            }
            Action::Wait { milliseconds } => {
                slot = wait_without_slot(&mut delivery, milliseconds, slot).await;
                continue;
            }
            Action::GiveUp | Action::Done => break,
        };
        let jitter = u32::from_ne_bytes(random());
        delivery.reply(result, now_ms(), jitter, &mut health.borrow_mut());
    }
    drop(slot);
    let report = delivery.finish(now_ms(), &health.borrow());
    log_failures(&stream, &report);
    report
}

/// Waits without the call's slot. Returns another one; the wait for it does not count as the
/// delivery's time.
async fn wait_without_slot(
    delivery: &mut StreamDelivery,
    milliseconds: u64,
    slot: CallSlot,
) -> CallSlot {
    let wait = async {
        io::wait(milliseconds).await;
        now_ms()
    };
    let (slot, waited_until) = slot.released_for(wait).await;
    delivery.extend_deadline(now_ms().saturating_sub(waited_until));
    slot
}

fn log_failures(stream: &Stream, report: &DeliveryReport) {
    if let Some(problem) = &report.problem {
        log::error(
            Component::Delivery,
            format_args!("{stream} did not take every record: {problem}"),
        );
    }
    for (_, status) in &report.records {
        if let RecordStatus::Rejected(error) = status {
            log::error(
                Component::Delivery,
                format_args!("{stream} refuses a record: {}", error.code),
            );
        }
    }
}
