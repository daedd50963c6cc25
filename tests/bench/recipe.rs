//! What each step of the recipe takes on this machine, natively, and the whole of it beside
//! the least that any collector does: to read the same bytes as JSON and to write them.
//!
//! `cargo bench --bench recipe` prints a table of steps, and then the ratio of the whole to
//! that floor; `cargo bench --bench recipe -- record` only the steps of that name. A time is
//! that of one request: the last sample is one of twenty beacons.

mod requests;

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

use divan::Bencher;
use headwater::config::Config;
use headwater::delivery::StreamBatch;
use headwater::ingest;
use headwater::ingest::{DestinationRecords, by_destination};
use headwater::model::beacon::Beacon;
use headwater::model::device_key::DeviceKey;
use headwater::model::event::{Event, EventIdGenerator};
use headwater::model::record::Record;
use headwater::model::record::column::ColumnChoice;
use headwater::model::repairs::Repairs;
use headwater::model::request::RequestContext;
use headwater::pipeline::decode::body::{Framing, RequestBody};
use headwater::pipeline::decode::native;
use headwater::pipeline::decode::native::BodyParts;
use headwater::pipeline::enrich::{EnrichedEvent, RequestFacts};
use headwater::pipeline::route::RouteInput;
use headwater::pipeline::{clean, decode, enrich, validate};
use requests::{batch, beacon, config, context, floor, ids, mixed};
use serde_json::{Map, Value};

fn main() {
    divan::main();
    ratios();
}

/// What a request holds.
#[derive(Clone, Copy)]
enum Sample {
    PageView,
    OrderPlaced,
    TwentyMixed,
}

const KEY: DeviceKey = DeviceKey::from_bytes([7; DeviceKey::BYTES]);

const SAMPLES: [Sample; 3] = [Sample::PageView, Sample::OrderPlaced, Sample::TwentyMixed];

impl fmt::Display for Sample {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::PageView => "page_view",
            Self::OrderPlaced => "order_placed",
            Self::TwentyMixed => "20 mixed",
        })
    }
}

impl Sample {
    /// The body of the request, as the snippet writes it.
    fn body(self) -> String {
        match self {
            Self::PageView => beacon("page_view", 0, 0, 0).to_string(),
            Self::OrderPlaced => beacon("order_placed", 1, 0, 0).to_string(),
            Self::TwentyMixed => batch(mixed(20, 0)),
        }
    }
}

/// The steps, one after the other, each from what the one before it gave.
struct Steps {
    config: Config,
    context: RequestContext,
}

impl Steps {
    fn new() -> Self {
        Self { config: config("direct"), context: context() }
    }

    fn items<'a>(&self, body: &'a str) -> BodyParts<'a> {
        native::items(body, Framing::Detect, &self.config.limits).unwrap()
    }

    fn decode(&self, body: &str) -> Vec<Beacon> {
        let texts = self.items(body).texts;
        texts.iter().map(|text| decode::beacon(text, &self.config.limits).unwrap()).collect()
    }

    fn clean(&self, beacon: Beacon) -> (Map<String, Value>, Repairs) {
        clean::beacon(beacon, &self.config.cleaning, Some("windows"), &validate::coerce)
    }

    fn validate(&self, fields: Map<String, Value>, items: &BodyParts<'_>) -> Event {
        let unknown = self.config.unknown_events;
        let mut repairs = Repairs::default();
        validate::event(fields, &items.envelope, unknown, &mut ids(), &mut repairs).unwrap()
    }

    fn facts(&self) -> RequestFacts<'_> {
        let tenant = ingest::authorize(&self.context, None, &self.config, None).tenant.unwrap();
        let (privacy, enrichment) = (&tenant.privacy, &self.config.enrichment);
        enrich::facts(&self.context, &tenant.name, privacy, enrichment, self.config.secret.as_ref())
    }

    fn enrich<'a>(&self, event: Event, facts: &'a RequestFacts<'a>) -> EnrichedEvent<'a> {
        enrich::event(event, 0, facts, Repairs::default(), None)
    }

    fn whole(&self, body: &str, ids: &mut EventIdGenerator) -> Vec<StreamBatch> {
        let body =
            RequestBody { content_type: None, content_encoding: None, bytes: body.as_bytes() };
        let request = ingest::authorize(&self.context, None, &self.config, None).request.unwrap();
        let records = by_destination(ingest::post(&body, &request, ids).unwrap().take_records());
        let batch = |DestinationRecords { to, records, .. }: DestinationRecords| StreamBatch {
            stream: to.first().clone(),
            records,
        };
        records.into_iter().map(batch).collect()
    }
}

#[divan::bench(args = SAMPLES)]
fn a_floor(bencher: Bencher<'_, '_>, sample: Sample) {
    let body = sample.body();
    bencher.bench_local(|| floor(black_box(&body)));
}

#[divan::bench(args = SAMPLES)]
fn b_decode(bencher: Bencher<'_, '_>, sample: Sample) {
    let (steps, body) = (Steps::new(), sample.body());
    bencher.bench_local(|| steps.decode(black_box(&body)));
}

#[divan::bench(args = SAMPLES)]
fn c_clean(bencher: Bencher<'_, '_>, sample: Sample) {
    let (steps, body) = (Steps::new(), sample.body());
    let clean = |beacons: Vec<Beacon>| -> Vec<_> {
        beacons.into_iter().map(|beacon| steps.clean(beacon)).collect()
    };
    bencher.with_inputs(|| steps.decode(&body)).bench_local_values(clean);
}

#[divan::bench(args = SAMPLES)]
fn d_validate(bencher: Bencher<'_, '_>, sample: Sample) {
    let (steps, body) = (Steps::new(), sample.body());
    let items = steps.items(&body);
    let clean = || -> Vec<_> {
        steps.decode(&body).into_iter().map(|beacon| steps.clean(beacon).0).collect()
    };
    let validate = |beacons: Vec<Map<String, Value>>| -> Vec<Event> {
        beacons.into_iter().map(|fields| steps.validate(fields, &items)).collect()
    };
    bencher.with_inputs(clean).bench_local_values(validate);
}

/// The events of a sample.
fn events(steps: &Steps, body: &str) -> Vec<Event> {
    let (items, beacons) = (steps.items(body), steps.decode(body).into_iter());
    beacons.map(|beacon| steps.validate(steps.clean(beacon).0, &items)).collect()
}

#[divan::bench]
fn e_facts_of_a_request(bencher: Bencher<'_, '_>) {
    let steps = Steps::new();
    bencher.bench_local(|| steps.facts());
}

#[divan::bench(args = SAMPLES)]
fn f_enrich(bencher: Bencher<'_, '_>, sample: Sample) {
    let (steps, body) = (Steps::new(), sample.body());
    let facts = steps.facts();
    let enrich = |events: Vec<Event>| -> Vec<_> {
        events.into_iter().map(|event| steps.enrich(event, &facts)).collect()
    };
    bencher.with_inputs(|| events(&steps, &body)).bench_local_values(enrich);
}

/// Runs `step` on the enriched events of a sample.
fn of_enriched<T>(
    bencher: Bencher<'_, '_>,
    sample: Sample,
    step: impl Fn(&EnrichedEvent<'_>) -> T,
) {
    let (steps, body) = (Steps::new(), sample.body());
    let facts = steps.facts();
    let enriched: Vec<_> =
        events(&steps, &body).into_iter().map(|event| steps.enrich(event, &facts)).collect();
    bencher.bench_local(|| enriched.iter().map(&step).collect::<Vec<_>>());
}

#[divan::bench(args = SAMPLES)]
fn g_route(bencher: Bencher<'_, '_>, sample: Sample) {
    let steps = Steps::new();
    let routes =
        &ingest::authorize(&steps.context, None, &steps.config, None).tenant.unwrap().routes;
    of_enriched(bencher, sample, |enriched| {
        let subject = RouteInput::of_event(&enriched.event, enriched.facts.tenant, false);
        std::ptr::from_ref(routes.route(subject))
    });
}

#[divan::bench(args = SAMPLES)]
fn h_record(bencher: Bencher<'_, '_>, sample: Sample) {
    of_enriched(bencher, sample, |enriched| {
        Record::of_event(enriched, &KEY, None, ColumnChoice::default()).unwrap()
    });
}

#[divan::bench(args = SAMPLES)]
fn i_whole(bencher: Bencher<'_, '_>, sample: Sample) {
    let (steps, body) = (Steps::new(), sample.body());
    bencher.bench_local(|| steps.whole(black_box(&body), &mut ids()));
}

/// Prints the whole recipe beside the floor, the best of many short rounds of each in turn, so
/// that what else the machine does meets both.
fn ratios() {
    const ROUNDS: usize = 400;
    const EACH: u32 = 40;
    let best = |runs: &mut dyn FnMut(), best: &mut Duration| {
        let started = Instant::now();
        (0..EACH).for_each(|_| runs());
        *best = (*best).min(started.elapsed() / EACH);
    };
    println!(
        "\n| request | bytes in | bytes out | floor | recipe | recipe / floor |\n|---|---|---|---|---|---|"
    );
    let steps = Steps::new();
    for sample in SAMPLES {
        let body = sample.body();
        let (mut least, mut whole) = (Duration::MAX, Duration::MAX);
        for _ in 0..ROUNDS {
            best(&mut || drop(black_box(floor(black_box(&body)))), &mut least);
            best(&mut || drop(black_box(steps.whole(black_box(&body), &mut ids()))), &mut whole);
        }
        let consignments = steps.whole(&body, &mut ids());
        let records = consignments.iter().flat_map(|stream_batch| &stream_batch.records);
        let out: usize = records.map(|record| record.bytes().len()).sum();
        println!(
            "| {sample} | {} | {out} | {:.2} µs | {:.2} µs | {:.2} |",
            body.len(),
            least.as_secs_f64() * 1e6,
            whole.as_secs_f64() * 1e6,
            whole.as_secs_f64() / least.as_secs_f64(),
        );
    }
}
