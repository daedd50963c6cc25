//! The functions of `tests/fuzz`, each over its seeds and a number of mutations of them that are the
//! same in each run. `scripts/fuzz` looks further, with coverage guidance.

#[allow(dead_code, unreachable_pub, reason = "the fuzzer's package uses the rest")]
#[path = "fuzz/src/lib.rs"]
mod fuzz;

use std::panic;

use fuzz::{DICTIONARY, FuzzTarget, TARGETS};

/// The mutations of a target, of all its seeds together.
const MUTATIONS: usize = 300;
/// Longer inputs take too long for what they find.
const MAX_BYTES: usize = 4_096;

/// Numbers that are the same in each run (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % limit.max(1)
    }

    /// Changes an input in a few places: a bit, a byte, a word, a part of its own or of another.
    fn mutated(&mut self, seed: &[u8], other: &[u8]) -> Vec<u8> {
        let mut input = seed.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(input.len() + 1);
            let end = (at + self.below(24)).min(input.len());
            match self.below(8) {
                0 if at < input.len() => input[at] ^= 1 << self.below(8),
                1 if at < input.len() => input[at] = u8::try_from(self.below(256)).unwrap(),
                2 => drop(input.drain(at..end)),
                3 => {
                    let part = input[at..end].to_vec();
                    let to = self.below(input.len() + 1);
                    input.splice(to..to, part);
                }
                4 => {
                    let from = self.below(other.len() + 1);
                    let part = &other[from..(from + self.below(64)).min(other.len())];
                    input.splice(at..at, part.iter().copied());
                }
                5 => input.truncate(at),
                // The bytes that choose the configuration come first.
                6 => {
                    let at = self.below(3.min(input.len()));
                    input.splice(
                        at..(at + 1).min(input.len()),
                        [u8::try_from(self.below(256)).unwrap()],
                    );
                }
                _ => {
                    let word = DICTIONARY[self.below(DICTIONARY.len())].bytes();
                    let end = if self.below(2) == 0 { at } else { end };
                    input.splice(at..end, word);
                }
            }
        }
        input
    }
}

/// Runs a target over an input, and says which it was if a law is broken.
fn check(target: &FuzzTarget, input: &[u8]) {
    let broken = panic::catch_unwind(|| target.run(input)).is_err();
    assert!(!broken, "{}: {:?}", target.name, String::from_utf8_lossy(input));
}

fn run(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let seeds = target.seeds();
    assert!(seeds.len() > 5, "{name}");
    seeds.iter().for_each(|seed| check(target, seed));
    let short: Vec<&Vec<u8>> = seeds.iter().filter(|seed| seed.len() <= MAX_BYTES).collect();
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for _ in 0..MUTATIONS {
        let (seed, other) = (numbers.below(short.len()), numbers.below(short.len()));
        let input = numbers.mutated(short[seed], short[other]);
        check(target, &input);
    }
}

macro_rules! each_holds {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            run(stringify!($name));
        })*

        #[test]
        fn each_target_has_a_test_and_a_program() {
            let tested = [$(stringify!($name)),*];
            assert_eq!(TARGETS.map(|target| target.name), tested);
            let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
            let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
            let programs = std::fs::read_dir(root.join("fuzz_targets")).unwrap().count();
            assert_eq!(programs, tested.len());
            for name in tested {
                let program = format!("fuzz_targets/{name}.rs");
                let text = std::fs::read_to_string(root.join(&program)).unwrap();
                assert_eq!(text.matches(&format!("{name:?}")).count(), 2, "{program}");
                assert!(manifest.contains(&format!("path = {program:?}")), "{program}");
            }
        }
    };
}

each_holds! {
    bodies pixel recipe configuration aws_answer shard_wire replay
    segment snowplow posthog cloudevents otlp plausible umami ga4 amplitude
}
