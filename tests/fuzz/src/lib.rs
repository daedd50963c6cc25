//! The functions that are fuzzed, the laws that they check, and their first inputs.
//!
//! `scripts/fuzz` runs them with coverage guidance. `tests/fuzz_targets.rs` includes this file, and
//! runs each over its seeds and a fixed number of mutations of them. A function panics if a law is
//! broken; the message says which.

mod aws_answer;
mod configuration;
#[path = "../../harness/mod.rs"]
mod harness;
mod laws;
mod native;
mod protocols;
mod replay;
mod seeds;
mod settings;
mod shard_wire;

use headwater::model::protocol::Protocol;

pub use seeds::DICTIONARY;

/// A function that is fuzzed.
pub struct FuzzTarget {
    pub name: &'static str,
    run: fn(&[u8]),
    seeds: fn() -> Vec<Vec<u8>>,
}

impl FuzzTarget {
    /// Checks one input.
    pub fn run(&self, data: &[u8]) {
        (self.run)(data);
    }

    /// Returns the inputs to begin with.
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        (self.seeds)()
    }
}

pub const TARGETS: [FuzzTarget; 16] = [
    FuzzTarget { name: "bodies", run: native::bodies, seeds: seeds::bodies },
    FuzzTarget { name: "pixel", run: native::pixel, seeds: seeds::queries },
    FuzzTarget { name: "recipe", run: native::whole_recipe, seeds: seeds::recipes },
    FuzzTarget { name: "configuration", run: configuration::run, seeds: seeds::configurations },
    FuzzTarget { name: "aws_answer", run: aws_answer::run, seeds: seeds::aws_answers },
    FuzzTarget { name: "shard_wire", run: shard_wire::run, seeds: shard_wire::seeds },
    FuzzTarget { name: "replay", run: replay::run, seeds: replay::seeds },
    of_protocol(
        "segment",
        |data| protocols::run(Protocol::Segment, data),
        || seeds::captures(Protocol::Segment),
    ),
    of_protocol(
        "snowplow",
        |data| protocols::run(Protocol::Snowplow, data),
        || seeds::captures(Protocol::Snowplow),
    ),
    of_protocol(
        "posthog",
        |data| protocols::run(Protocol::Posthog, data),
        || seeds::captures(Protocol::Posthog),
    ),
    of_protocol(
        "cloudevents",
        |data| protocols::run(Protocol::CloudEvents, data),
        || seeds::captures(Protocol::CloudEvents),
    ),
    of_protocol(
        "otlp",
        |data| protocols::run(Protocol::Otlp, data),
        || seeds::captures(Protocol::Otlp),
    ),
    of_protocol(
        "plausible",
        |data| protocols::run(Protocol::Plausible, data),
        || seeds::captures(Protocol::Plausible),
    ),
    of_protocol(
        "umami",
        |data| protocols::run(Protocol::Umami, data),
        || seeds::captures(Protocol::Umami),
    ),
    of_protocol(
        "ga4",
        |data| protocols::run(Protocol::Ga4, data),
        || seeds::captures(Protocol::Ga4),
    ),
    of_protocol(
        "amplitude",
        |data| protocols::run(Protocol::Amplitude, data),
        || seeds::captures(Protocol::Amplitude),
    ),
];

const fn of_protocol(
    name: &'static str,
    run: fn(&[u8]),
    seeds: fn() -> Vec<Vec<u8>>,
) -> FuzzTarget {
    FuzzTarget { name, run, seeds }
}

fn target(name: &str) -> &'static FuzzTarget {
    TARGETS.iter().find(|target| target.name == name).expect("a target of this name")
}

/// Checks one input of the target `name`.
pub fn run(name: &str, data: &[u8]) {
    target(name).run(data);
}

/// Writes the seeds of the target `name`, and the dictionary beside them, if `HEADWATER_FUZZ_SEEDS`
/// names a folder for them.
pub fn write_seeds(name: &str) {
    let Some(folder) = std::env::var_os("HEADWATER_FUZZ_SEEDS") else { return };
    let folder = std::path::PathBuf::from(folder);
    let seeds = folder.join("seeds");
    std::fs::create_dir_all(&seeds).expect("a folder for the seeds");
    for (index, seed) in target(name).seeds().iter().enumerate() {
        std::fs::write(seeds.join(format!("{index:04}")), seed).expect("a seed is written");
    }
    let of_word = |word: &&str| {
        let quoted: String = word.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
        format!("\"{quoted}\"\n")
    };
    let dictionary: String = DICTIONARY.iter().map(of_word).collect();
    std::fs::write(folder.join("dictionary"), dictionary).expect("the dictionary is written");
}
