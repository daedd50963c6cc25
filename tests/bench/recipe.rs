//! What each step of the recipe takes on this machine, natively, and the whole of it beside
//! the least that any collector does: to read the same bytes as JSON and to write them.
//!
//! `cargo bench --bench recipe` prints a table of steps, and then the ratio of the whole to
//! that floor; `cargo bench --bench recipe -- record` only the steps of that name. A time is
//! that of one request: the last sample is one of twenty beacons.

use std::hint::black_box;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use std::{fmt, fs};

use chrono::DateTime;
use divan::Bencher;
use headwater::config::{Config, RawConfig};
use headwater::delivery::StreamBatch;
use headwater::ingest;
use headwater::ingest::by_stream;
use headwater::model::beacon::Beacon;
use headwater::model::event::{Event, EventIdGenerator};
use headwater::model::geo::Geo;
use headwater::model::record::Record;
use headwater::model::repairs::Repairs;
use headwater::model::request::{ClientHints, RequestContext};
use headwater::pipeline::decode::body::{Framing, RequestBody};
use headwater::pipeline::decode::native;
use headwater::pipeline::decode::native::BodyParts;
use headwater::pipeline::enrich::{EnrichedEvent, RequestFacts};
use headwater::pipeline::route::RouteInput;
use headwater::pipeline::{clean, decode, enrich, validate};
use serde_json::{Map, Value, json};

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
            Self::PageView => beacon("page_view", 0, 0).to_string(),
            Self::OrderPlaced => beacon("order_placed", 1, 0).to_string(),
            Self::TwentyMixed => {
                let names: Vec<String> = headwater::schema::all()
                    .iter()
                    .map(|schema| schema.info.name.to_owned())
                    .collect();
                let events: Vec<Value> = (0..20)
                    .map(|seq| beacon(&names[seq % names.len()], seq / names.len(), seq))
                    .collect();
                json!({ "sent_at": 1_795_000_000_050_u64, "events": events }).to_string()
            }
        }
    }
}

/// The valid beacon of the schema `name` at `index` among its samples, with the fields that
/// every page sends.
fn beacon(name: &str, index: usize, seq: usize) -> Value {
    let path = format!("{}/tests/fixtures/schemas/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let samples: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let mut beacon = samples["valid"][index].clone();
    let own = beacon.as_object_mut().unwrap();
    let Value::Object(usual) = json!({
        "id": format!("01a1fc4f-8bd0-7166-97ae-6098939f1a{seq:02x}"),
        "device_id": "01a1e8a2-6d2a-7c3e-8f00-5f0c2a3e9b41",
        "session_id": "01a1fc4e-02b1-7d15-a377-08b1c5d2e6f4",
        "time": 1_795_000_000_000_u64 + seq as u64,
        "seq": seq,
        "url": "https://shop.example/shoes/trail-running?size=42&colour=green&utm_source=newsletter&utm_medium=email&utm_campaign=autumn",
        "title": "Trail running shoes, size 42 – Example Shop",
        "referrer": "https://www.google.com/",
        "screen": "1920x1080",
        "viewport": "1280x720",
        "language": "de-CH",
        "build": "web-4.18.2",
    }) else {
        unreachable!()
    };
    own.extend(usual);
    beacon
}

fn config() -> Config {
    Config::parse(RawConfig {
        headwater: Some(json!({
            "delivery": "direct", "origins": ["https://shop.example"], "failed_stream": "firehose:failed",
            "routes": [
                {"level": "low", "to": "firehose:low"},
                {"name": "order_*", "to": "firehose:orders"},
                {"to": "firehose:mid"},
            ],
        })),
        region: Some("eu-west-1".to_owned()),
        access_key_id: Some("AKIDBENCH".to_owned()),
        secret_access_key: Some("bench".to_owned()),
        ..RawConfig::default()
    })
    .unwrap()
}

fn context() -> RequestContext {
    let text = |text: &str| Some(text.to_owned());
    RequestContext {
        received_at: DateTime::from_timestamp_millis(1_795_000_000_123).unwrap(),
        origin: text("https://shop.example"),
        ip: Some(IpAddr::from([203, 0, 113, 77])),
        user_agent: text(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
        ),
        client_hints: ClientHints {
            ua: text(r#""Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99""#),
            mobile: text("?0"),
            platform: text("\"Windows\""),
            ..ClientHints::default()
        },
        accept_language: text("de-CH,de;q=0.9,en;q=0.8"),
        geo: Geo {
            country: text("CH"),
            region: text("Zurich"),
            city: text("Zürich"),
            continent: text("EU"),
            timezone: text("Europe/Zurich"),
            colo: text("ZRH"),
            asn: Some(3_303),
            as_organization: text("Swisscom (Schweiz) AG"),
        },
        utc_offset_minutes: Some(60),
        utc_offset_changes: Vec::new(),
        ..RequestContext::default()
    }
}

fn ids() -> EventIdGenerator {
    EventIdGenerator::new(context().received_at, [1; 10])
}

/// The steps, one after the other, each from what the one before it gave.
struct Steps {
    config: Config,
    context: RequestContext,
}

impl Steps {
    fn new() -> Self {
        Self { config: config(), context: context() }
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
        let tenant = ingest::authorize(&self.context, None, &self.config).tenant.unwrap();
        let (privacy, enrichment) = (&tenant.privacy, &self.config.enrichment);
        enrich::facts(&self.context, &tenant.name, privacy, enrichment, self.config.secret.as_ref())
    }

    fn enrich<'a>(&self, event: Event, facts: &'a RequestFacts<'a>) -> EnrichedEvent<'a> {
        enrich::event(event, 0, facts, Repairs::default(), None)
    }

    fn whole(&self, body: &str, ids: &mut EventIdGenerator) -> Vec<StreamBatch> {
        let body =
            RequestBody { content_type: None, content_encoding: None, bytes: body.as_bytes() };
        let request = ingest::authorize(&self.context, None, &self.config).request.unwrap();
        let records = by_stream(ingest::post(&body, &request, ids).unwrap().take_records());
        records.into_iter().map(|(batch, _)| batch).collect()
    }
}

fn floor(body: &str) -> Vec<u8> {
    let value: Value = serde_json::from_slice(body.as_bytes()).unwrap();
    serde_json::to_vec(&value).unwrap()
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
    let routes = &ingest::authorize(&steps.context, None, &steps.config).tenant.unwrap().routes;
    of_enriched(bencher, sample, |enriched| {
        let subject = RouteInput::of_event(&enriched.event, enriched.facts.tenant, false);
        std::ptr::from_ref(routes.route(subject))
    });
}

#[divan::bench(args = SAMPLES)]
fn h_record(bencher: Bencher<'_, '_>, sample: Sample) {
    of_enriched(bencher, sample, |enriched| Record::of_event(enriched, None).unwrap());
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
