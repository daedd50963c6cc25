//! Searches for requests that cost more CPU time than their bytes should.
//!
//! `scripts/bench costly [SECONDS [SEED]]` runs it. It starts with the rows of `tests/fixtures/hostile.json`
//! and changes their parts: how often a part comes, which text it is, and what is put into it. For each
//! address it keeps the requests that cost most for each started 100 kB of their inflated body, and
//! changes those again. It prints the worst as rows of that file, beside the worst of the rows as they
//! are: a search that finds nothing worse has the factor 1. What a minimal event costs is not counted
//! for any event: otherwise requests of many such events would be all that it finds.
//!
//! It runs natively, and measures CPU time: take the cost of a row in the built worker from
//! `scripts/bench hostile`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use headwater::ingest::by_destination;
use headwater::pipeline::decode::body::RequestBody;
use rustix::time::{ClockId, clock_gettime};

use super::hostile::HostileRequest;
use super::requests::ids;
use super::{Recipe, body_of, hostile};

/// The largest inflated body, and the longest query of a pixel.
const MAX_BYTES: usize = 1_048_576;
const MAX_QUERY_BYTES: usize = 16_384;
/// What a request may cost is in proportion to its started units of so many bytes.
const UNIT_BYTES: usize = 100_000;
/// How many requests of an address are kept to change them again.
const KEPT: usize = 12;
/// How often a request is measured: another program can only make it slower.
const TIMES: usize = 3;
/// The row of minimal events.
const MINIMAL: &str = "minimal, an agent of emoji";
/// The most beacons of a request.
const MAX_BEACONS: usize = 1_000;

/// Texts that some code treats in a way of its own.
const FRAGMENTS: [&str; 56] = [
    "a",
    "0",
    "-0.5",
    "1e5",
    "true",
    "null",
    "\\n",
    "\\u0001",
    "\\ud83d",
    "\\\"",
    "\\\\",
    "é",
    "ß",
    "Å\u{301}",
    "ﬁ",
    "\u{202e}",
    "\u{200b}",
    "😀",
    " ",
    "  ",
    "\t",
    "%",
    "%25",
    "%2525",
    "%C3%A9",
    "&",
    "&amp;",
    "=",
    "?a=b",
    "#a",
    "//",
    "/../",
    ":",
    "@",
    "a@b.co ",
    "@1.1",
    ".",
    ",",
    "[",
    "]",
    "{",
    "}",
    "[]",
    "{}",
    "\"\"",
    "\"§\":0",
    ",\"§\":\"\"",
    ",\"\\u00e9\":\" \"",
    "https://a.example/",
    "data:,a",
    "eyJhIjoxfQ.",
    "4111 1111 1111 1111 ",
    "token=",
    "utm_source=",
    "2026-11-30T00:00:00Z",
    "::1",
];

/// Searches for as many seconds as the second argument says, with the seed that is the third.
pub fn search(arguments: &[String]) {
    let number = |place: usize| arguments.get(place).map_or(1, |text| text.parse().unwrap());
    let (seconds, seed) = (number(1), number(2));
    let mut search = Search::new(hostile::all(), seed);
    let before = search.worst();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(seconds) {
        search.step();
    }
    println!("{} requests, seed {seed}\n", search.tried);
    println!(
        "| address | worst row, µs a started 100 kB | worst found | factor |\n|---|---|---|---|"
    );
    let after = search.worst();
    for (address, found) in &after {
        let known = before.get(address).map_or(f64::NAN, |row| row.microseconds);
        let factor = found.microseconds / known;
        println!("| `{address}` | {known:.0} | {:.0} | {factor:.2} |", found.microseconds);
    }
    println!();
    for found in after.values().filter(|found| found.generation > 0) {
        println!("{}", serde_json::to_string(&found.row).unwrap());
    }
}

/// A request and what it costs.
#[derive(Clone)]
struct Measured {
    row: HostileRequest,
    /// CPU time for each started unit of its inflated body.
    microseconds: f64,
    /// How many changes led to it.
    generation: usize,
}

struct Search {
    rows: Vec<HostileRequest>,
    /// The requests of each address that cost most, the worst first.
    kept: BTreeMap<String, Vec<Measured>>,
    random: Random,
    tried: usize,
    /// The CPU time of a minimal event, in microseconds.
    of_event: f64,
}

impl Search {
    fn new(rows: Vec<HostileRequest>, seed: u64) -> Self {
        let random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let (kept, tried, of_event) = (BTreeMap::new(), 0, 0.0);
        let mut search = Self { rows: rows.clone(), kept, random, tried, of_event };
        // Tables are loaded first.
        for row in rows.iter().take(3) {
            search.measure(row);
        }
        let minimal = rows.iter().find(|row| row.name == MINIMAL).unwrap();
        let cost = (0..TIMES).filter_map(|_| search.measure(minimal)).fold(f64::MAX, f64::min);
        search.of_event = cost / minimal.beacons as f64;
        for row in rows {
            search.keep(row, 0);
        }
        search
    }

    fn worst(&self) -> BTreeMap<String, Measured> {
        let worst = |(address, rows): (&String, &Vec<Measured>)| {
            Some((address.clone(), rows.first()?.clone()))
        };
        self.kept.iter().filter_map(worst).collect()
    }

    /// Measures a request, and keeps it if it costs more than those that are kept.
    fn keep(&mut self, row: HostileRequest, generation: usize) {
        let address = row.address.clone().unwrap_or_else(|| "/v1/events".to_owned());
        self.tried += 1;
        let least = match self.kept.get(&address) {
            Some(kept) if kept.len() >= KEPT => kept.last().map_or(0.0, |it| it.microseconds),
            _ => 0.0,
        };
        let Some(first) = self.measure(&row).filter(|first| *first > least) else { return };
        let again = (1..TIMES).filter_map(|_| self.measure(&row));
        let microseconds = again.fold(first, f64::min);
        let kept = self.kept.entry(address).or_default();
        if microseconds > least {
            kept.push(Measured { row, microseconds, generation });
            kept.sort_by(|one, other| other.microseconds.total_cmp(&one.microseconds));
            kept.truncate(KEPT);
        }
    }

    /// Returns the CPU time of a request for each started unit of its inflated body, in microseconds,
    /// without that of minimal events; none if it has no body, or one that is too large.
    fn measure(&self, row: &HostileRequest) -> Option<f64> {
        let length: usize =
            row.beacon.iter().map(|(text, count)| text.len().saturating_mul(*count)).sum();
        if length == 0 || length.saturating_mul(row.beacons) > MAX_BYTES {
            return None;
        }
        let body = row.body();
        let limit = if row.is_pixel() { MAX_QUERY_BYTES } else { MAX_BYTES };
        if body.len() > limit {
            return None;
        }
        let recipe = Recipe::of_hostile(row);
        let request =
            RequestBody { content_type: row.content_type.as_deref(), ..body_of(body.as_bytes()) };
        let before = cpu_time();
        let batch = row.post(&request, &recipe.context, &recipe.config, &mut ids());
        drop(batch.map(|mut batch| by_destination(batch.take_records())));
        let used = cpu_time() - before;
        let besides = used.as_secs_f64() * 1e6 - self.of_event * row.beacons as f64;
        Some(besides / body.len().div_ceil(UNIT_BYTES) as f64)
    }

    /// Changes one of the kept requests, and measures it.
    fn step(&mut self) {
        let random = &mut self.random;
        let addresses: Vec<&Vec<Measured>> =
            self.kept.values().filter(|kept| !kept.is_empty()).collect();
        let kept = *random.of(&addresses);
        let Measured { mut row, generation, .. } = random.of(kept).clone();
        for _ in 0..=random.below(3) {
            change(&mut row, &self.rows, random);
        }
        self.keep(row, generation + 1);
    }
}

/// Makes one change to a row.
fn change(row: &mut HostileRequest, rows: &[HostileRequest], random: &mut Random) {
    let other = random.of(rows);
    let place = random.below(row.beacon.len().max(1));
    match random.below(9) {
        0 => row.beacons = random.scaled(row.beacons).min(MAX_BEACONS),
        1 => row.config = other.config.clone(),
        2 if row.beacon.len() > 1 => drop(row.beacon.remove(place)),
        3 => row.beacon.insert(place, (random.text(), random.scaled(8))),
        4 if !other.beacon.is_empty() => row.beacon.insert(place, random.of(&other.beacon).clone()),
        5 => {
            if let Some(part) = row.beacon.get_mut(place) {
                part.0 = random.text();
            }
        }
        6 => {
            if let Some((text, _)) = row.beacon.get_mut(place) {
                let at = text.floor_char_boundary(random.below(text.len() + 1));
                text.insert_str(at, &random.text());
            }
        }
        _ => {
            if let Some((_, count)) = row.beacon.get_mut(place) {
                *count = random.scaled(*count);
            }
        }
    }
}

/// Returns the CPU time of this thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Numbers that look random, the same for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// Returns up to four fragments.
    fn text(&mut self) -> String {
        (0..=self.below(4)).map(|_| *self.of(&FRAGMENTS)).collect()
    }

    /// Returns a count that is up to eight times as large or small.
    fn scaled(&mut self, count: usize) -> usize {
        let factor = 2_f64.powf(self.below(61) as f64 / 10.0 - 3.0);
        ((count as f64 * factor) as usize).max(1)
    }
}
