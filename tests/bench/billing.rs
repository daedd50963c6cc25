//! What Firehose bills for a byte that is sent, by events a batch and size of a pack; and how many
//! bytes each column of the record has.
//!
//! `cargo bench --profile dev --bench billing` prints it; it counts, and so needs no
//! optimized build. Shops' beacons go through the pipeline, so that the lines are those
//! that are really sent; a batch is one visitor's, and chance mixes both, from a fixed seed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use chrono::DateTime;
use headwater::config::{Config, RawConfig};
use headwater::delivery::aggregate;
use headwater::delivery::aggregate::{AggregateBytes, Aggregation, BILLED_UNIT};
use headwater::ingest;
use headwater::ingest::by_destination;
use headwater::model::event::EventIdGenerator;
use headwater::model::geo::Geo;
use headwater::model::request::RequestContext;
use headwater::pipeline::decode::body::RequestBody;
use serde_json::value::RawValue;
use serde_json::{Value, json};

const EVENTS_A_BATCH: [usize; 7] = [1, 5, 10, 20, 50, 100, 500];
const PACKS: [usize; 6] = [5_120, 10_240, 25_600, 51_200, 102_400, 512_000];
const BATCHES: usize = 400;
const SEED: u64 = 1;

/// Sebastiano Vigna's splitmix64.
struct Chance(u64);

impl Chance {
    /// A number from 0 to `below` - 1.
    fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % below as u64) as usize
    }

    /// From `least` to `max` letters.
    fn letters(&mut self, least: usize, max: usize) -> String {
        "abcdefghij".chars().cycle().take(least + self.below(max - least + 1)).collect()
    }
}

/// Whoever sends a batch: its events have one site, one browser and one way there.
struct Visitor {
    site: String,
    device_id: String,
    referrer: Option<String>,
    user_agent: &'static str,
}

impl Visitor {
    fn any(chance: &mut Chance) -> Self {
        const USER_AGENTS: [&str; 4] = [
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 \
             (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 \
             (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0",
            "Mozilla/5.0 (Linux; Android 14; SM-S918B Build/UP1A.231005.007; wv) AppleWebKit/537.36 \
             (KHTML, like Gecko) Version/4.0 Chrome/141.0.7390.43 Mobile Safari/537.36 \
             Instagram 401.0.0.48.79 Android (34/14; 450dpi; 1080x2106; samsung; SM-S918B)",
        ];
        let campaign = format!("?utm_source=newsletter&utm_campaign={}", chance.letters(6, 24));
        let site = format!("https://{}.example/{}", chance.letters(4, 24), chance.letters(2, 40));
        let referrer = match chance.below(3) {
            0 => None,
            1 => Some("https://www.google.com/".to_owned()),
            _ => Some(format!("{site}/{}{campaign}", chance.letters(4, 60))),
        };
        let user_agent = USER_AGENTS.get(chance.below(4)).copied().unwrap_or_default();
        let device_id = "4a1d7bb2-7c57-4a3c-9a55-6a2f0a9f6d11".to_owned();
        Self { site, device_id, referrer, user_agent }
    }
}

/// A beacon of a shop: what visitors do most comes most.
fn beacon(chance: &mut Chance, visitor: &Visitor) -> Value {
    const WEIGHTS: [usize; 10] = [22, 20, 18, 12, 8, 6, 5, 4, 3, 2];
    let mut left = chance.below(WEIGHTS.iter().sum());
    let kind = WEIGHTS.iter().position(|weight| {
        let here = left < *weight;
        left = left.saturating_sub(*weight);
        here
    });
    let page = format!("{}/{}", visitor.site, chance.letters(8, 60));
    let title = chance.letters(15, 80);
    let sku = chance.letters(8, 14);
    let items = |count: usize| -> Vec<Value> {
        (0..count)
            .map(|_| json!({"sku": sku, "title": title, "quantity": 1, "price": 24.95}))
            .collect()
    };
    let (name, level, props) = match kind {
        Some(0) => ("page_view", "mid", json!({"load_ms": 1_240, "template": "product"})),
        Some(1) => ("scroll", "low", json!({"depth": 75, "max_depth": 100, "seconds": 12.4})),
        Some(2) => (
            "click",
            "low",
            json!({"target": "grid.card", "selector": "main > div.grid > a.card:nth-child(3)", "text": title, "x": 412}),
        ),
        Some(3) => {
            ("item_view", "mid", json!({"item": items(1), "list": "related", "position": 4}))
        }
        Some(4) => (
            "search",
            "mid",
            json!({"query": chance.letters(4, 30), "results": 48, "filters": {"size": "M", "colour": "green"}}),
        ),
        Some(5) => {
            ("cart_add", "high", json!({"items": items(1), "cart_value": 64.85, "currency": "CHF"}))
        }
        Some(6) => (
            "web_vitals",
            "low",
            json!({"lcp": 1_830.4, "inp": 96, "cls": 0.021, "ttfb": 210.5, "fcp": 901.2, "navigation": "navigate"}),
        ),
        Some(7) => (
            "error",
            "low",
            json!({"message": title, "source": page, "line": 1, "column": 48_211, "stack": chance.letters(200, 700)}),
        ),
        Some(8) => (
            "checkout_start",
            "high",
            json!({"items": items(2 + chance.below(3)), "value": 128.40, "currency": "CHF", "coupon": null}),
        ),
        _ => (
            "order_sent",
            "high",
            json!({"order": sku, "items": items(2 + chance.below(4)), "value": 128.40, "tax": 9.62, "shipping": 7.90, "currency": "CHF"}),
        ),
    };
    json!({
        "name": name, "level": level, "props": props,
        "id": "01939b70-6d2a-7c3e-8f00-000000000001", "device_id": visitor.device_id,
        "session_id": "0b7f1f0e-2d62-4d2e-8d3b-4df6f9b6f0aa", "time": 1_795_000_000_000_i64, "seq": chance.below(400),
        "build": "2026.11.2", "url": page, "title": title, "referrer": visitor.referrer,
        "screen": "1920x1080", "viewport": "1512x861", "language": "de-CH",
    })
}

/// The lines that `count` beacons of a visitor become.
fn lines(count: usize, config: &Config, chance: &mut Chance) -> Vec<Vec<u8>> {
    let visitor = Visitor::any(chance);
    let beacons: Vec<Value> = (0..count).map(|_| beacon(chance, &visitor)).collect();
    let bytes = Value::from(beacons).to_string().into_bytes();
    let context = RequestContext {
        utc_offset_minutes: Some(60),
        received_at: DateTime::from_timestamp_millis(1_795_000_000_123).unwrap_or_default(),
        ip: Some(IpAddr::from([203, 0, 113, 77])),
        user_agent: Some(visitor.user_agent.to_owned()),
        geo: Geo {
            country: Some("CH".to_owned()),
            region: Some("Zürich".to_owned()),
            city: Some("Zürich".to_owned()),
            continent: Some("EU".to_owned()),
            timezone: Some("Europe/Zurich".to_owned()),
            colo: Some("ZRH".to_owned()),
            asn: Some(64_500),
            as_organization: Some("Beispiel Netz AG".to_owned()),
        },
        ..RequestContext::default()
    };
    let body = RequestBody { content_type: None, content_encoding: None, bytes: &bytes };
    let mut ids = EventIdGenerator::new(context.received_at, [1; 10]);
    let request = ingest::authorize(&context, None, config, None).request.unwrap();
    let mut batch = ingest::post(&body, &request, &mut ids).expect("beacons are good");
    let consignments = by_destination(batch.take_records());
    let [destination] = consignments.as_slice() else { panic!("every beacon goes to one stream") };
    assert_eq!(destination.records.len(), count);
    destination.records.iter().map(|record| record.bytes().to_vec()).collect()
}

/// Prints the mean bytes of each column, name and punctuation included, the longest first.
fn print_columns() {
    let mut sums: BTreeMap<String, usize> = BTreeMap::new();
    let (mut lines_of, mut chance) = (Vec::new(), Chance(SEED));
    let whole = config(json!({"derived": true}));
    for _ in 0..BATCHES {
        lines_of.extend(lines(20, &whole, &mut chance));
    }
    for line in &lines_of {
        let columns: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(line).unwrap();
        for (name, value) in columns {
            // Two quotes, a colon and a comma.
            *sums.entry(name.clone()).or_default() += name.len() + value.get().len() + 4;
        }
    }
    let (count, mut chance) = (lines_of.len(), Chance(SEED));
    let lean: usize = (0..BATCHES)
        .flat_map(|_| lines(20, &config(json!({})), &mut chance))
        .map(|line| line.len())
        .sum();
    let all: usize = lines_of.iter().map(Vec::len).sum();
    println!(
        "\nMean bytes of a line: {} with all columns, {} without those that a view derives.\n",
        all / count,
        lean / count
    );
    println!("| column | bytes an event | GB a million events |\n|---|---|---|");
    let mut sums: Vec<(String, usize)> = sums.into_iter().collect();
    sums.sort_by_key(|(_, bytes)| usize::MAX - bytes);
    for (name, bytes) in sums {
        let mean = bytes as f64 / count as f64;
        println!("| `{name}` | {mean:.0} | {:.3} |", mean / 1_000.0);
    }
}

fn lengths(lines: &[Vec<u8>]) -> Vec<usize> {
    lines.iter().map(Vec::len).collect()
}

/// What `lines` are billed for, in bytes.
fn billed(lines: &[usize], aggregation: Aggregation) -> usize {
    let aggregates = aggregate::groups(lines.iter().copied(), aggregation);
    let bytes = |group: &aggregate::Group| group.iter().map(|index| lines[*index]).sum::<usize>();
    aggregates.iter().map(|group| bytes(group).next_multiple_of(BILLED_UNIT)).sum()
}

fn config(columns: Value) -> Config {
    Config::parse(RawConfig {
        headwater: Some(json!({
            "delivery": "direct", "origins": ["*"], "failed_stream": "firehose:failed",
            "routes": [{"to": "firehose:events"}], "columns": columns, "limits": {"max_body_bytes": 8_388_608},
        })),
        region: Some("eu-west-1".to_owned()),
        access_key_id: Some("AKIDEXAMPLE".to_owned()),
        secret_access_key: Some("secret".to_owned()),
        ..RawConfig::default()
    })
    .expect("the configuration is good")
}

fn main() {
    let config = config(json!({}));
    let sizes: Vec<Aggregation> = PACKS
        .iter()
        .map(|bytes| Aggregation::UpTo(AggregateBytes::parse(*bytes).expect("whole units")))
        .collect();
    let heads: Vec<String> = PACKS.iter().map(|bytes| format!("{bytes:>8}")).collect();
    println!(
        "Bytes billed for each byte sent, {BATCHES} batches a row; packs of up to so many bytes:\n"
    );
    println!("events   bytes      alone {}   at best", heads.concat());
    let (mut shortest, mut longest) = (usize::MAX, 0);
    for count in EVENTS_A_BATCH {
        let mut chance = Chance(SEED);
        let batches: Vec<Vec<usize>> =
            (0..BATCHES).map(|_| lengths(&lines(count, &config, &mut chance))).collect();
        let sent: usize = batches.iter().flatten().sum();
        shortest = batches.iter().flatten().copied().fold(shortest, usize::min);
        longest = batches.iter().flatten().copied().fold(longest, usize::max);
        let of =
            |aggregation| batches.iter().map(|lines| billed(lines, aggregation)).sum::<usize>();
        let ratio = |billed: usize| format!("{:>8.3}", billed as f64 / sent as f64);
        let aggregated: String = sizes.iter().map(|aggregation| ratio(of(*aggregation))).collect();
        let whole = |lines: &Vec<usize>| lines.iter().sum::<usize>().next_multiple_of(BILLED_UNIT);
        let best = ratio(batches.iter().map(whole).sum());
        println!(
            "{count:>6} {:>7}   {} {aggregated}  {best}",
            sent / BATCHES,
            ratio(of(Aggregation::Off))
        );
    }
    println!(
        "\nLines have {shortest} to {longest} bytes. `at best` is a batch that is one record."
    );
    print_columns();
}
