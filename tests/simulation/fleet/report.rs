//! What a run has counted, and what it would cost.

use std::fmt::Write;

use super::constants::Constants;
use super::settings::Settings;
use super::storage::RowCounts;
use super::stream::StreamCounts;

/// A histogram of times in microseconds, whose classes are 5 % apart.
#[derive(Debug, Clone, Default)]
pub struct Times {
    classes: Vec<u64>,
    count: u64,
    sum_micros: u64,
}

impl Times {
    pub fn add(&mut self, micros: u64) {
        let class = ((micros.max(1) as f64).ln() / 0.05_f64.ln_1p()) as usize;
        if self.classes.len() <= class {
            self.classes.resize(class + 1, 0);
        }
        self.classes[class] += 1;
        self.count += 1;
        self.sum_micros += micros;
    }

    pub fn mean_ms(&self) -> f64 {
        self.sum_micros as f64 / 1_000.0 / self.count.max(1) as f64
    }

    /// Returns the time in milliseconds below which this share of the times is.
    pub fn percentile_ms(&self, share: f64) -> f64 {
        let mut left = (self.count as f64 * share) as u64;
        for (class, count) in self.classes.iter().enumerate() {
            if left < *count {
                return 1.05_f64.powi(class as i32 + 1) / 1_000.0;
            }
            left -= count;
        }
        0.0
    }
}

#[derive(Debug, Clone, Default)]
pub struct Counts {
    pub attempts: u64,
    pub refused: u64,
    pub shard_calls: u64,
    pub unreachable: u64,
    pub direct_events: u64,
    pub exports: u64,
    pub alarms: u64,
    pub crashes: u64,
    pub edge_cpu_us: f64,
    pub awake_us: u64,
    pub busy_us: u64,
    pub batches_spilled: u64,
    pub most_buffer_bytes: usize,
    pub most_devices: usize,
    pub most_ids: usize,
    pub most_spilled: u64,
}

/// The result of a run.
#[derive(Debug, Clone)]
pub struct Report {
    pub settings: Settings,
    pub counts: Counts,
    pub streams: StreamCounts,
    pub rows: RowCounts,
    pub first_answers: Times,
    /// Events that were made, were acknowledged, are in streams, and came more than once.
    pub events: u64,
    pub acknowledged: u64,
    pub delivered: u64,
    pub copies: u64,
    pub repeats: u64,
    /// Devices whose sessions were checked fully, by their gaps, and not at all.
    pub devices: [usize; 3],
    pub recovered_s: Vec<(String, f64)>,
    pub traffic_s: f64,
    pub shards: u32,
    pub violations: Vec<String>,
}

/// Dollars for a million events.
#[derive(Debug, Clone, Default)]
pub struct Dollars(pub Vec<(&'static str, f64)>);

impl Dollars {
    pub fn sum(&self) -> f64 {
        self.0.iter().map(|(_, dollars)| dollars).sum()
    }
}

impl Report {
    pub fn dollars(&self, constants: &Constants) -> Dollars {
        let price = |key: &str| constants.number(&format!("prices.{key}"));
        let Self { counts, rows, .. } = self;
        let object_requests = (counts.shard_calls + counts.exports + counts.alarms) as f64;
        let invocations = counts.attempts as f64 + object_requests;
        let gb_s = counts.awake_us as f64 / 1e6 * constants.number("object.billed_gb");
        let log_gb = invocations * price("logged_share") * price("log_bytes") / 1e9;
        let million = |count: f64, key: &str| count / 1e6 * price(key);
        let gib = self.streams.bytes_billed as f64 / (1_u64 << 30) as f64;
        // As if each second of the month were an average one of the simulated ones.
        let month_gib = gib * f64::from(self.settings.scale) / self.traffic_s * 30.0 * 86_400.0;
        let firehose = gib * tiered(month_gib, &constants.firehose_tiers()) / month_gib.max(1e-9);
        let events = self.delivered as f64 / 1e6;
        let parts = [
            ("worker requests", million(counts.attempts as f64, "worker_million_requests")),
            ("worker CPU", million(counts.edge_cpu_us / 1_000.0, "worker_million_cpu_ms")),
            ("object requests", million(object_requests, "object_million_requests")),
            ("object duration", million(gb_s, "object_million_gb_s")),
            (
                "rows written",
                million((rows.written + rows.deleted) as f64, "object_million_rows_written"),
            ),
            ("rows read", million(rows.read as f64, "object_million_rows_read")),
            ("Firehose", firehose),
            ("logs", log_gb * price("logs_gb")),
        ];
        Dollars(parts.into_iter().map(|(name, dollars)| (name, dollars / events)).collect())
    }

    /// Returns the report as lines of a name and a value.
    pub fn text(&self, constants: &Constants) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: String| writeln!(text, "{name:<32}{value}").unwrap();
        let Self { counts, streams, rows, settings, .. } = self;
        let (seconds, scale) = (self.traffic_s, settings.scale);
        let a_second = |count: u64| format!("{:.1}", count as f64 / seconds);
        let an_event = |count: u64| format!("{:.4}", count as f64 / self.delivered as f64);
        line(
            "fleet",
            format!(
                "{} events/s at its busiest, {} shards, {} streams a level; 1/{scale} of it is simulated",
                settings.rate, settings.shards, settings.streams,
            ),
        );
        line(
            "simulated",
            format!("{} events in {seconds:.0} s of traffic, {} shards", self.events, self.shards),
        );
        line("requests/s", a_second(counts.attempts));
        line("events/s in", a_second(self.events));
        line("events acknowledged", self.acknowledged.to_string());
        line("events delivered", self.delivered.to_string());
        line("copies in streams", self.copies.to_string());
        line("repeats recognized", self.repeats.to_string());
        line("answers with 503", counts.refused.to_string());
        line("events delivered directly", counts.direct_events.to_string());
        line("calls of shards without answer", counts.unreachable.to_string());
        line(
            "objects asked by a request",
            format!("{:.3}", counts.shard_calls as f64 / counts.attempts as f64),
        );
        line("first answer, mean ms", format!("{:.0}", self.first_answers.mean_ms()));
        line("first answer, p50 ms", format!("{:.0}", self.first_answers.percentile_ms(0.5)));
        line("first answer, p99 ms", format!("{:.0}", self.first_answers.percentile_ms(0.99)));
        line(
            "busy share of a shard's thread",
            format!("{:.2}", counts.busy_us as f64 / 1e6 / seconds / f64::from(self.shards)),
        );
        line(
            "calls/s of a shard",
            format!("{:.1}", streams.calls as f64 / seconds / f64::from(self.shards)),
        );
        line("lines a call", format!("{:.1}", streams.lines as f64 / streams.calls as f64));
        line("records a call", format!("{:.2}", streams.records as f64 / streams.calls as f64));
        line("bytes sent", streams.bytes_sent.to_string());
        line(
            "bytes billed / sent",
            format!("{:.3}", streams.bytes_billed as f64 / streams.bytes_sent as f64),
        );
        line("calls throttled", streams.throttled_calls.to_string());
        line("records refused", streams.refused_records.to_string());
        line("quotas raised", streams.raises.to_string());
        line("rows read an event", an_event(rows.read));
        line("rows written an event", an_event(rows.written));
        line("rows deleted an event", an_event(rows.deleted));
        line("batches spilled", counts.batches_spilled.to_string());
        line("most records in a spill", counts.most_spilled.to_string());
        line("most bytes held by a shard", counts.most_buffer_bytes.to_string());
        line("most devices in memory", counts.most_devices.to_string());
        line("most ids of a shard", counts.most_ids.to_string());
        line("objects lost", counts.crashes.to_string());
        line("alarms", counts.alarms.to_string());
        line("sessions asked of other shards", counts.exports.to_string());
        let [fully, gaps, not] = self.devices;
        line(
            "sessions checked",
            format!("of {fully} devices; of {gaps} by gaps only, of {not} not"),
        );
        for (fault, seconds) in &self.recovered_s {
            line("recovered", format!("{seconds:.1} s after {fault}"));
        }
        let dollars = self.dollars(constants);
        for (name, value) in &dollars.0 {
            line("$ a million events", format!("{value:.4}  {name}"));
        }
        line("$ a million events", format!("{:.3}  in all", dollars.sum()));
        text
    }
}

/// Returns the price of so many GiB a month, by steps.
fn tiered(gib: f64, tiers: &[(f64, f64)]) -> f64 {
    let (mut left, mut price) = (gib, 0.0);
    for (step, dollars) in tiers {
        let part = if *step > 0.0 { left.min(*step) } else { left };
        price += part * dollars;
        left -= part;
    }
    price
}
