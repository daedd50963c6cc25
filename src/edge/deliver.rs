//! Drives the deliveries of a request, all streams at once, to their end.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use worker::{Delay, console_error, console_log};

use super::environment::{now_ms, random};
use super::transport;
use crate::config::Config;
use crate::outcome::{Answer, Refusal, Telling};
use crate::pipeline::{Consignment, Plan};
use crate::sink::Stream;
use crate::sink::answer::Reply;
use crate::sink::delivery::{Delivery, Fate, Report, Step};
use crate::sink::health::Health;

thread_local! {
    /// How each stream has been, for all requests of this isolate.
    static HEALTH: RefCell<HashMap<Stream, Rc<RefCell<Health>>>> = RefCell::default();
}

/// The health of `stream`. It is borrowed only between awaits.
pub fn health(stream: &Stream) -> Rc<RefCell<Health>> {
    HEALTH.with_borrow_mut(|streams| Rc::clone(streams.entry(stream.clone()).or_default()))
}

/// Delivers what `plan` asks for. What a stream refuses for itself comes back as a failed
/// event and goes out in a second round.
pub async fn all(mut plan: Plan<'_>, config: &Config, telling: Telling) -> Result<Answer, Refusal> {
    loop {
        let consignments = plan.take_consignments();
        if consignments.is_empty() {
            if let Some(dropped) = plan.dropped().and_then(|it| serde_json::to_string(&it).ok()) {
                console_log!("{{\"tenant\":\"{}\",\"dropped\":{dropped}}}", plan.tenant());
            }
            return Ok(plan.answer(telling));
        }
        let delivered =
            join_all(consignments.into_iter().map(|consignment| one(consignment, config))).await;
        for (stream, owners, report) in delivered {
            if let Some(problem) = &report.problem {
                console_error!("delivery: {stream} did not take every record: {problem}");
            }
            for (_, fate) in &report.records {
                if let Fate::Poisoned(refusal) = fate {
                    console_error!("delivery: {stream} refuses a record: {}", refusal.code);
                }
            }
            plan.settle(&stream, &owners, report)?;
        }
    }
}

async fn one(consignment: Consignment, config: &Config) -> (Stream, Vec<usize>, Report) {
    let Consignment { stream, records, owners } = consignment;
    let health = health(&stream);
    let mut delivery = Delivery::new(&stream, records, config.policy_of(&stream), now_ms());
    loop {
        // Borrowed for this line only: other requests share the health while this one waits.
        let next = next(&mut delivery, &mut health.borrow_mut(), &stream, config);
        let reply = match next {
            Next::Call { call, timeout_ms } => {
                transport::send(*call, &config.aws, stream.service, timeout_ms).await
            }
            Next::Fail(why) => Reply::NotSent(why),
            Next::Wait { milliseconds } => {
                Delay::from(Duration::from_millis(milliseconds)).await;
                continue;
            }
            Next::Stop => break,
        };
        let jitter = u32::from_ne_bytes(random());
        delivery.reply(reply, now_ms(), jitter, &mut health.borrow_mut());
    }
    let report = delivery.finish(now_ms(), &health.borrow());
    (stream, owners, report)
}

/// A step with its records encoded, so that it borrows nothing.
enum Next {
    Call { call: Box<http::Request<Vec<u8>>>, timeout_ms: u64 },
    Fail(String),
    Wait { milliseconds: u64 },
    Stop,
}

fn next(delivery: &mut Delivery, health: &mut Health, stream: &Stream, config: &Config) -> Next {
    match delivery.step(now_ms(), health) {
        Step::Send { records, timeout_ms } => {
            let Stream { service, name } = stream;
            match service.call(config.aws.endpoint(*service), name, &records) {
                Ok(call) => Next::Call { call: Box::new(call), timeout_ms },
                Err(error) => Next::Fail(error.to_string()),
            }
        }
        Step::Wait { milliseconds } => Next::Wait { milliseconds },
        Step::Spill | Step::Done => Next::Stop,
    }
}
