//! What is simulated: the size of the fleet, its traffic and its faults.

use headwater::model::placement::ShardNumber;
use headwater::shard::dedup::DedupConfig;

use super::Micros;
use super::stream::Sickness;

pub const SECOND: Micros = 1_000_000;

/// A fault, from its begin to its end.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    pub at: Micros,
    pub ends: Micros,
    pub kind: FaultKind,
}

#[derive(Debug, Clone, Copy)]
pub enum FaultKind {
    /// The streams of all routes whose number in their set is this one; `None` for all streams.
    Stream(Option<usize>, Sickness),
    /// Objects are lost: each turn of a shard with this chance.
    Crashes(f64),
    /// All objects are lost at once, as by a deployment; with another number of shards, if there is one.
    Deployment(Option<ShardNumber>),
}

#[derive(Debug, Clone)]
pub struct Settings {
    pub seed: u64,
    /// Events a second of the whole fleet in the busiest hour.
    pub rate: f64,
    pub events_per_request: usize,
    /// Of the whole fleet, and of each of the three sets.
    pub shards: ShardNumber,
    pub streams: usize,
    /// Shards, streams, devices and events are divided by this.
    pub scale: u32,
    /// Hours of the day that are covered, in `phases` of `seconds` each.
    pub hours: f64,
    pub phases: usize,
    pub seconds: f64,
    /// The quota of a stream of the region, in MiB a second; calls and records are in proportion.
    pub quota_mib: f64,
    pub linger_ms: u64,
    pub max_ids: usize,
    /// Shares of the requests: without a device, with events of hours ago, whose client leaves before the answer.
    pub without_device: f64,
    pub late: f64,
    pub leaving: f64,
    /// Shares of the events: failed ones, and those that start a session.
    pub failed: f64,
    pub session_starts: f64,
    /// The chance that a call of a stream fails without a fault, and half as often that its answer is lost.
    pub flaws: f64,
    pub faults: Vec<Fault>,
    /// How long after a fault's end a shard may have spilled records, in seconds.
    pub recovery_s: f64,
    /// For the checks' own test: each stream loses each so many-th record.
    pub loses_each: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            rate: 1_000.0,
            events_per_request: 5,
            shards: 8,
            streams: 1,
            scale: 1,
            hours: 24.0,
            phases: 6,
            seconds: 60.0,
            quota_mib: 5.0,
            linger_ms: 100,
            max_ids: DedupConfig::default().max_ids,
            without_device: 0.05,
            late: 0.01,
            leaving: 0.005,
            failed: 0.005,
            session_starts: 0.02,
            flaws: 0.0002,
            faults: Vec::new(),
            recovery_s: 60.0,
            loses_each: None,
        }
    }
}

/// The options of the command, which `scripts/simulate --help` explains.
const OPTIONS: [&str; 14] = [
    "seed",
    "rate",
    "events-per-request",
    "shards",
    "streams",
    "scale",
    "hours",
    "phases",
    "seconds",
    "quota",
    "linger",
    "max-ids",
    "without-device",
    "faults",
];

impl Settings {
    /// Parses the options of the command.
    pub fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut settings = Self::default();
        let (mut scale, mut faults) = (None, true);
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let name = argument.strip_prefix("--").unwrap_or_default();
            if !OPTIONS.contains(&name) {
                return Err(format!("there is no option {argument}; see --help"));
            }
            let value = arguments.next().ok_or_else(|| format!("{argument} needs a value"))?;
            let number = || -> Result<f64, String> {
                let number = value.parse().ok().filter(|number: &f64| *number >= 0.0);
                number.ok_or_else(|| format!("{argument} must be a number, not {value}"))
            };
            match name {
                "seed" => settings.seed = number()? as u64,
                "rate" => settings.rate = number()?,
                "events-per-request" => settings.events_per_request = (number()? as usize).max(1),
                "shards" => settings.shards = (number()? as u32).max(1),
                "streams" => settings.streams = (number()? as usize).max(1),
                "scale" => scale = Some((number()? as u32).max(1)),
                "hours" => settings.hours = number()?,
                "phases" => settings.phases = (number()? as usize).max(1),
                "seconds" => settings.seconds = number()?,
                "quota" => settings.quota_mib = number()?,
                "linger" => settings.linger_ms = number()? as u64,
                "max-ids" => settings.max_ids = number()? as usize,
                "without-device" => settings.without_device = number()?,
                _ => match value.as_str() {
                    "all" => faults = true,
                    "none" => faults = false,
                    _ => return Err(format!("--faults must be all or none, not {value}")),
                },
            }
        }
        settings.scale = scale.unwrap_or_else(|| settings.usual_scale());
        let (shards, streams) = (settings.shards, settings.streams as u32);
        if shards % settings.scale != 0 || streams % settings.scale != 0 {
            let scale = settings.scale;
            return Err(format!(
                "--scale {scale} must divide {shards} shards and {streams} streams"
            ));
        }
        if faults {
            settings.faults = settings.all_faults();
        }
        Ok(settings)
    }

    /// Returns the largest divisor of shards and streams that leaves 4 shards or more.
    fn usual_scale(&self) -> u32 {
        let divides = |scale: &u32| {
            self.shards.is_multiple_of(*scale) && (self.streams as u32).is_multiple_of(*scale)
        };
        (1..=self.shards / 4).rev().find(divides).unwrap_or(1)
    }

    /// Returns the command that runs the same again.
    pub fn command(&self) -> String {
        let Self { seed, rate, events_per_request, shards, streams, scale, hours, .. } = self;
        let Self { phases, seconds, quota_mib, linger_ms, max_ids, without_device, .. } = self;
        let faults = if self.faults.is_empty() { "none" } else { "all" };
        format!(
            "scripts/simulate --seed {seed} --rate {rate} --events-per-request {events_per_request} --shards {shards} \
             --streams {streams} --scale {scale} --hours {hours} --phases {phases} --seconds {seconds} --quota {quota_mib} \
             --linger {linger_ms} --max-ids {max_ids} --without-device {without_device} --faults {faults}"
        )
    }

    pub fn shards_here(&self) -> ShardNumber {
        self.shards / self.scale
    }

    pub fn streams_here(&self) -> usize {
        self.streams / self.scale as usize
    }

    /// Returns the begin and the end of a phase. The day begins at midnight.
    pub fn phase(&self, index: usize) -> (Micros, Micros) {
        let begin = super::micros(self.hours * 3_600.0 * index as f64 / self.phases as f64);
        (begin, begin + super::micros(self.seconds))
    }

    /// Returns the share of the busiest hour's rate that comes at a time: a third at 8:00, all of
    /// it at 20:00.
    pub fn shape(now: Micros) -> f64 {
        let hour = super::seconds(now) / 3_600.0;
        let turn = (hour - 20.0) / 24.0 * std::f64::consts::TAU;
        0.67 + 0.33 * turn.cos()
    }

    /// Returns one fault of each kind, spread over the phases: each begins after a fifth of its phase.
    pub fn all_faults(&self) -> Vec<Fault> {
        let more = self.shards_here() + self.shards_here().div_ceil(2);
        let kinds = [
            (FaultKind::Stream(Some(0), Sickness::Errors), 0.2),
            (FaultKind::Stream(None, Sickness::Quota(0.3)), 0.2),
            (FaultKind::Crashes(0.0005), 0.3),
            (FaultKind::Stream(Some(0), Sickness::Silent), 0.2),
            (FaultKind::Stream(None, Sickness::LostAnswers), 0.1),
            (FaultKind::Deployment(Some(more)), 0.0),
            (FaultKind::Deployment(None), 0.0),
        ];
        let in_phase = |(index, (kind, share)): (usize, (FaultKind, f64))| {
            let (begin, _) = self.phase(index % self.phases);
            // A second round comes later in its phase.
            let later = 0.2 + 0.4 * (index / self.phases) as f64;
            let at = begin + super::micros(self.seconds * later);
            Fault { at, ends: at + super::micros(self.seconds * share), kind }
        };
        kinds.into_iter().enumerate().map(in_phase).collect()
    }
}
