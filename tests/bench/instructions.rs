//! The native recipe in instructions, which valgrind counts: time, memory and other programs of
//! the machine do not matter.
//!
//! `scripts/bench instructions` runs it, each case in a process of its own, and prints a table;
//! `tests/bench/test_instructions.py` compares the counts with those of `instructions.json`. With
//! `list` as its argument it names its cases; with one of those it runs it. With `hostile` it names
//! the requests of `tests/fixtures/hostile.json`, and with `hostile NAME` it runs one of those. With
//! `costly SECONDS SEED` it searches for worse ones.

mod costly;
#[path = "../harness/hostile.rs"]
mod hostile;
mod requests;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hint::black_box;

use chrono::{DateTime, Utc};
use headwater::base::clock::Milliseconds;
use headwater::base::keyed_hash::HashKey;
use headwater::config::Config;
use headwater::delivery::StreamBatch;
use headwater::delivery::aws::sigv4;
use headwater::delivery::aws::sigv4::CredentialScope;
use headwater::delivery::health::StreamHealth;
use headwater::delivery::response::{CallResult, HttpResponse};
use headwater::delivery::stream_delivery::{Action, StreamDelivery};
use headwater::ingest;
use headwater::ingest::{DestinationRecords, PendingRecord, by_destination};
use headwater::model::device_key::DeviceHasher;
use headwater::model::request::RequestContext;
use headwater::model::stream::Stream;
use headwater::pipeline::decode::body::RequestBody;
use headwater::shard::dedup::{DedupKey, DedupWindow};
use headwater::shard::protocol::batch_request;
use headwater::shard::storage::{Storage, StorageError, Table};
use headwater::shard::{BatchAction, ShardCore};
use hostile::HostileRequest;
use http::Request;
use requests::{batch, beacon, config, config_with, context, floor, ids, mixed};
use serde_json::{Value, json};

/// Runs `measured`. Valgrind counts what happens in here, and nothing else.
#[inline(never)]
fn counted<T>(measured: impl FnOnce() -> T) -> T {
    black_box(measured())
}

/// What is counted, for the same requests.
#[derive(Clone, Copy, PartialEq)]
enum Step {
    /// To read the bytes as JSON and to write them.
    Floor,
    /// From the bytes to the records of each stream.
    Records,
    /// From the bytes to signed calls to AWS.
    Call,
    /// From the items that a request has for a shard to calls, not signed, and to seen events.
    Shard,
}

const STEPS: [(&str, Step); 4] = [
    ("floor", Step::Floor),
    ("records", Step::Records),
    ("call", Step::Call),
    ("shard", Step::Shard),
];

/// The requests of a case.
#[derive(Clone, Copy)]
struct Sample {
    name: &'static str,
    events: fn(visitor: usize) -> Vec<Value>,
}

const SAMPLES: [Sample; 7] = [
    // What any event takes, whatever few bytes it has.
    Sample { name: "minimal", events: |visitor| vec![minimal(visitor)] },
    Sample { name: "page_view", events: |visitor| vec![beacon("page_view", 0, visitor, 0)] },
    Sample { name: "order_placed", events: |visitor| vec![beacon("order_placed", 1, visitor, 0)] },
    Sample { name: "50-minimal", events: |visitor| vec![minimal(visitor); 50] },
    Sample { name: "50-page_view", events: |visitor| fifty("page_view", 0, visitor) },
    Sample { name: "50-order_placed", events: |visitor| fifty("order_placed", 1, visitor) },
    Sample { name: "50-mixed", events: |visitor| mixed(50, visitor) },
];

/// Returns the shortest beacon of a device: its events differ in their devices only.
fn minimal(visitor: usize) -> Value {
    let device_id = char::from(b'b' + u8::try_from(visitor).unwrap());
    json!({ "name": "a", "device_id": device_id })
}

fn fifty(name: &str, index: usize, visitor: usize) -> Vec<Value> {
    (0..50).map(|seq| beacon(name, index, visitor, seq)).collect()
}

impl Sample {
    /// Returns the body of a request.
    fn body(self, visitor: usize) -> String {
        let mut events = (self.events)(visitor);
        match events.len() {
            1 => events.remove(0).to_string(),
            _ => batch(events),
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let case = arguments.first().map(String::as_str).unwrap_or_default();
    let cases = STEPS
        .iter()
        .flat_map(|(step, _)| SAMPLES.iter().map(move |sample| format!("{step} {}", sample.name)));
    let parts = case.split_once(' ').and_then(|(step, sample)| {
        let step = STEPS.iter().find(|(name, _)| *name == step)?.1;
        Some((step, *SAMPLES.iter().find(|it| it.name == sample)?))
    });
    match parts {
        Some((step, sample)) => println!("{}", run(step, sample)),
        None if case == "hostile" => hostile::all().iter().for_each(|row| println!("{}", row.name)),
        None if case.starts_with("hostile ") => run_hostile(case.trim_start_matches("hostile ")),
        None if case == "costly" => costly::search(&arguments),
        None if case == "list" => cases.for_each(|case| println!("{case}")),
        None => println!("scripts/bench instructions runs this under valgrind"),
    }
}

/// Requests that run first and are not counted, so that tables are loaded and memory is there.
const WARM_UP: usize = 2;

/// Runs `step` for requests of `sample`. Returns the number of events that are counted.
fn run(step: Step, sample: Sample) -> usize {
    let bodies: Vec<String> = (0..WARM_UP + 10).map(|visitor| sample.body(visitor)).collect();
    let (warm_up, bodies) = bodies.split_at(WARM_UP);
    let recipe = Recipe::new(if step == Step::Shard { "sharded" } else { "direct" });
    let each = |run: fn(&Recipe, &str)| {
        warm_up.iter().for_each(|body| run(&recipe, body));
        bodies.iter().for_each(|body| counted(|| run(&recipe, body)));
    };
    match step {
        Step::Floor => each(|_, body| drop(black_box(floor(body)))),
        Step::Records => each(|recipe, body| drop(black_box(by_destination(recipe.records(body))))),
        Step::Call => each(|recipe, body| drop(black_box(recipe.calls(body)))),
        Step::Shard => Shard::new(&recipe).run(bodies),
    }
    bodies.len() * (sample.events)(0).len()
}

/// Runs a hostile request, and prints the bytes of its body and the number of its beacons.
fn run_hostile(name: &str) {
    let row = hostile::all().into_iter().find(|row| row.name == name).unwrap();
    let recipe = Recipe::of_hostile(&row);
    let body = row.body();
    let request =
        RequestBody { content_type: row.content_type.as_deref(), ..body_of(body.as_bytes()) };
    // Tables are loaded first.
    drop(recipe.records(r#"[{"name":"page_view"},{"name":7}]"#));
    counted(|| {
        let batch = row.post(&request, &recipe.context, &recipe.config, &mut ids());
        drop(batch.map(|mut batch| by_destination(batch.take_records())));
    });
    println!("{} {}", body.len(), row.beacons);
}

const fn body_of(bytes: &[u8]) -> RequestBody<'_> {
    RequestBody { content_type: None, content_encoding: None, bytes }
}

const NOW: Milliseconds = 1_795_000_000_200;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(NOW as i64).unwrap()
}

/// A configuration and the facts of a request.
struct Recipe {
    config: Config,
    context: RequestContext,
}

impl Recipe {
    fn new(delivery: &str) -> Self {
        Self { config: config(delivery), context: context() }
    }

    fn of_hostile(row: &HostileRequest) -> Self {
        let mut recipe = Self::new("direct");
        // The body is not compressed here: to inflate it costs as much whatever is in it.
        recipe.config = config_with("direct", &row.config);
        for limits in [&mut recipe.config.limits, &mut recipe.config.larger_limits] {
            limits.max_body_bytes = limits.max_inflated_bytes;
        }
        recipe.context.user_agent = row.user_agent().or(recipe.context.user_agent);
        recipe
    }

    fn records(&self, body: &str) -> Vec<PendingRecord<'_>> {
        let request = ingest::authorize(&self.context, None, &self.config, None).request.unwrap();
        ingest::post(&body_of(body.as_bytes()), &request, &mut ids()).unwrap().take_records()
    }

    /// Returns the signed calls of a request that delivers its own records.
    fn calls(&self, body: &str) -> Vec<Request<Vec<u8>>> {
        let call = |DestinationRecords { to, records, .. }: DestinationRecords| {
            let batch = StreamBatch { stream: to.first().clone(), records };
            let scope = CredentialScope { region: &self.config.aws.region, service: "firehose" };
            let call = Sending::new(batch, &self.config).call(&self.config).unwrap();
            sigv4::sign(call, &self.config.aws.credentials, scope, now()).unwrap()
        };
        by_destination(self.records(body)).into_iter().map(call).collect()
    }
}

/// The delivery of one batch.
struct Sending {
    stream: Stream,
    delivery: StreamDelivery,
    health: StreamHealth,
}

impl Sending {
    fn new(batch: StreamBatch, config: &Config) -> Self {
        let (stream, policy) = (batch.stream.clone(), config.destinations.policy_of(&batch.stream));
        let delivery = StreamDelivery::new(batch, policy, NOW);
        Self { stream, delivery, health: StreamHealth::default() }
    }

    /// Returns the next call, not signed.
    fn call(&mut self, config: &Config) -> Option<Request<Vec<u8>>> {
        let Stream { service, name } = &self.stream;
        match self.delivery.step(NOW, &mut self.health) {
            Action::Send { records, .. } => {
                service.put_request(config.aws.endpoint(*service), name, &records).ok()
            }
            _ => None,
        }
    }

    /// Answers the call as a stream does that accepts all of it.
    fn answer(&mut self, call: &Request<Vec<u8>>) {
        let body: Value = serde_json::from_slice(call.body()).unwrap();
        let records = body["Records"].as_array().unwrap().len();
        let results = vec![r#"{"RecordId":"r"}"#; records].join(",");
        let body = format!(r#"{{"FailedPutCount":0,"RequestResponses":[{results}]}}"#);
        let answer = HttpResponse { status: 200, retry_after_ms: None, body: body.into_bytes() };
        self.delivery.reply(CallResult::Answered(answer), NOW, 0, &mut self.health);
    }
}

/// A shard that has seen some hours of events.
struct Shard<'a> {
    recipe: &'a Recipe,
    core: ShardCore,
    rows: Rows,
}

impl<'a> Shard<'a> {
    /// Two minutes of ids at 500 a second, all of them in memory.
    const SEEN: u64 = 61_440;

    fn new(recipe: &'a Recipe) -> Self {
        let rows = Rows::default();
        let sharding = recipe.config.sharding().unwrap();
        let hash_key = HashKey::new([7; HashKey::BYTES]);
        let mut seen = DedupWindow::load(&rows, sharding.dedupe, hash_key, NOW).unwrap();
        let mut ids = ids();
        for _ in 0..Self::SEEN {
            let event_id = ids.next_id();
            let device = DeviceHasher::new(None).of_event("default", event_id);
            seen.insert(DedupKey::of(&device, event_id, None), NOW);
        }
        seen.checkpoint(&rows, NOW).unwrap();
        Self { recipe, core: ShardCore::load(&rows, sharding, hash_key, NOW).unwrap(), rows }
    }

    /// Admits the records of requests that arrive while a batch lingers, and delivers them.
    fn run(&mut self, bodies: &[String]) {
        let linger_ms = self.recipe.config.shard_config().linger_ms;
        for body in bodies {
            let records = self.recipe.records(body);
            counted(|| self.admit(&records));
            self.deliver(linger_ms);
        }
        self.deliver(0);
    }

    fn admit(&mut self, records: &[PendingRecord<'_>]) {
        let destinations = &self.recipe.config.destinations;
        let request = batch_request::encode(records.iter().map(|pending| &pending.item));
        let items = batch_request::decode(&request).unwrap();
        assert_eq!(self.core.quota_needs(&items, &self.rows, NOW), []);
        let admitted =
            self.core.admit(items.into(), &self.rows, destinations, NOW, || [7; 10], |_| false);
        drop(black_box(admitted.unwrap()));
    }

    /// Sends the batches that are full or have lingered for `linger_ms`, to a stream that accepts
    /// all of them.
    fn deliver(&mut self, linger_ms: u64) {
        let config = &self.recipe.config;
        let next = || self.core.next_actions(NOW, linger_ms, usize::MAX, |_| Some(NOW), |_| false);
        let due = counted(next);
        for (id, action) in due.start {
            let BatchAction::Deliver(batch) = action else { panic!("a batch is spilled") };
            let stream = batch.stream.clone();
            let mut sending = counted(|| Sending::new(batch, config));
            while let Some(call) = counted(|| sending.call(config)) {
                sending.answer(&call);
            }
            let report = sending.delivery.finish(NOW, &sending.health);
            let Self { core, rows, .. } = self;
            let apply = || core.end_batch(id, &stream, report, rows, &config.destinations, NOW);
            drop(counted(apply));
        }
    }
}

type RowKey = (Table, Vec<u8>);

/// A storage in memory.
#[derive(Default)]
struct Rows(RefCell<BTreeMap<RowKey, Vec<u8>>>);

impl Storage for Rows {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.0.borrow().get(&(table, key.to_vec())).cloned())
    }

    fn put(&self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StorageError> {
        self.0.borrow_mut().insert((table, key.to_vec()), value.to_vec());
        Ok(())
    }

    fn delete(&self, table: Table, key: &[u8]) -> Result<(), StorageError> {
        self.0.borrow_mut().remove(&(table, key.to_vec()));
        Ok(())
    }

    fn change(
        &self,
        table: Table,
        changes: &[(Vec<u8>, Option<Vec<u8>>)],
    ) -> Result<(), StorageError> {
        for (key, value) in changes {
            match value {
                Some(value) => self.put(table, key, value)?,
                None => self.delete(table, key)?,
            }
        }
        Ok(())
    }

    fn keys(&self, table: Table, after: &[u8], max: usize) -> Result<Vec<Vec<u8>>, StorageError> {
        let rows = self.0.borrow();
        let keys = rows.keys().filter(|(its, key)| *its == table && key.as_slice() > after);
        Ok(keys.take(max).map(|(_, key)| key.clone()).collect())
    }
}
