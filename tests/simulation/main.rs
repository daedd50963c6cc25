//! A fleet of shards through days with faults, from fixed seeds: the short form of `scripts/simulate`.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test program")]

mod fleet;

use headwater::delivery::aggregate::{AggregateBytes, Aggregation, BILLED_UNIT};
use headwater::delivery::call_slots::{CallPurpose, CallSlots};
use headwater::delivery::destinations::Destinations;
use headwater::delivery::stream_delivery::DeliveryConfig;
use headwater::model::stream::Stream;
use headwater::shard::batch_limits;
use headwater::shard::checkpoint_schedule::GAP_MS;
use headwater::shard::config::ShardConfig;

use fleet::Fleet;
use fleet::constants::Constants;
use fleet::ledger::{Kind, Ledger, Window};
use fleet::line::ReadLine;
use fleet::report::Report;
use fleet::settings::{Fault, FaultKind, SECOND, Settings};
use fleet::stream::Sickness;

/// A fleet of four shards and two streams a level, small enough for seconds of a debug build.
fn small() -> Settings {
    Settings {
        rate: 160.0,
        shards: 4,
        streams: 2,
        phases: 7,
        seconds: 10.0,
        leaving: 0.05,
        late: 0.03,
        ..Settings::default()
    }
}

/// Runs it, and fails with the way to run it again if a promise was broken.
fn run(settings: Settings) -> Report {
    let shown = settings.clone();
    let report = Fleet::new(settings).run();
    let text = report.text(&Constants::read());
    assert!(report.violations.is_empty(), "{:#?}\nof {shown:#?}\n{text}", report.violations);
    assert_eq!(report.delivered, report.events, "{text}");
    report
}

#[test]
fn a_day_with_every_fault_keeps_every_promise() {
    for seed in [1, 2, 3, 4] {
        let settings = Settings { seed, faults: small().all_faults(), ..small() };
        let report = run(settings);
        assert_eq!(report.recovered_s.len(), 7, "each fault has left no trace");
        let [fully, gaps, _] = report.devices;
        assert!(fully > 500 && gaps > 20, "{fully} {gaps}");
        assert!(report.counts.crashes > 8 && report.counts.exports > 0);
        assert!(report.counts.batches_spilled > 0 && report.repeats > 0 && report.copies > 0);
    }
}

#[test]
fn objects_may_be_lost_at_every_step() {
    for seed in [11, 12, 13] {
        let (begin, end) = (2 * SECOND, 18 * SECOND);
        let faults = vec![
            Fault { at: begin, ends: end, kind: FaultKind::Crashes(0.03) },
            Fault { at: begin, ends: end, kind: FaultKind::Stream(None, Sickness::Quota(0.005)) },
        ];
        let settings = Settings { seed, phases: 1, seconds: 20.0, faults, ..small() };
        let report = run(settings);
        let (crashes, alarms) = (report.counts.crashes, report.counts.alarms);
        assert!(crashes > 10 && alarms > 0, "{crashes} {alarms}");
    }
}

#[test]
fn a_part_of_the_largest_fleet_keeps_up_at_its_busiest() {
    // 350,000 events a second over 256 shards, with a stream of each level for each of them.
    let (rate, shards, streams, scale) = (350_000.0, 256, 256, 256);
    let settings =
        Settings { rate, shards, streams, scale, phases: 1, seconds: 6.0, ..Settings::default() };
    let report = run(settings);
    assert_eq!((report.counts.refused, report.counts.unreachable), (0, 0));
    assert_eq!((report.counts.batches_spilled, report.streams.throttled_calls), (0, 0));
    assert!(report.first_answers.percentile_ms(0.99) < 400.0);
}

#[test]
fn a_shard_with_too_many_requests_loses_none() {
    // A thread that takes 4,600 requests a second gets 9,000.
    let settings = Settings {
        rate: 9_000.0,
        events_per_request: 1,
        shards: 1,
        phases: 1,
        seconds: 2.5,
        recovery_s: 120.0,
        ..Settings::default()
    };
    let report = run(settings);
    assert!(report.first_answers.percentile_ms(0.99) > 1_000.0, "requests have queued");
}

#[test]
fn repeats_past_the_limit_of_ids_are_delivered_again() {
    // Far below what a configuration may say, so that a short run passes it.
    let settings = Settings { leaving: 0.3, phases: 3, max_ids: 256, ..small() };
    assert!(run(settings).copies > 0);
    let settings = Settings { leaving: 0.3, flaws: 0.0, failed: 0.0, phases: 3, ..small() };
    assert_eq!(run(settings).copies, 0);
}

#[test]
fn the_same_seed_runs_the_same() {
    let settings = || Settings { faults: small().all_faults(), phases: 3, ..small() };
    let text = |settings| Fleet::new(settings).run().text(&Constants::read());
    assert_eq!(text(settings()), text(settings()));
    assert_ne!(text(settings()), text(Settings { seed: 2, ..settings() }));
}

#[test]
fn a_stream_that_loses_records_is_noticed() {
    let settings = Settings { loses_each: Some(50), phases: 1, ..small() };
    let report = Fleet::new(settings).run();
    assert!(
        report.violations.iter().any(|it| it.contains("is nowhere")),
        "{:?}",
        report.violations
    );
}

#[test]
fn a_mistake_in_an_option_is_a_sentence() {
    let parse = |words: &[&str]| {
        Settings::parse(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
    };
    for (words, sentence) in [
        (vec!["--size", "1"], "there is no option --size; see --help"),
        (vec!["--rate"], "--rate needs a value"),
        (vec!["--rate", "much"], "--rate must be a number, not much"),
        (vec!["--faults", "some"], "--faults must be all or none, not some"),
        (vec!["--scale", "3"], "--scale 3 must divide 8 shards and 1 streams"),
    ] {
        assert_eq!(parse(&words).unwrap_err(), sentence);
    }
    let settings = parse(&["--shards", "256", "--streams", "256", "--seed", "9"]).unwrap();
    assert_eq!((settings.scale, settings.faults.len()), (64, 7));
    let words: Vec<String> = settings.command().split(' ').skip(1).map(str::to_owned).collect();
    assert_eq!(Settings::parse(&words).unwrap().command(), settings.command());
}

#[test]
fn the_constants_are_those_of_the_code() {
    let sharding = ShardConfig::default();
    let stream = Stream::parse("firehose:events").unwrap();
    let policy = DeliveryConfig::default();
    let destinations = Destinations { failed: stream.clone().into(), policy, unpacked: Vec::new() };
    let batch_bytes = batch_limits(&stream, &destinations).bytes;
    let mut slots = CallSlots::new();
    let drains = (0..99).filter(|_| slots.take(CallPurpose::Spill)).count();
    let constants = Constants::read();
    let number = |name: &str| constants.number(&format!("headwater.{name}")) as u64;
    for (name, value) in [
        ("linger_ms", sharding.linger_ms),
        ("billed_unit", BILLED_UNIT as u64),
        ("batch_bytes", batch_bytes as u64),
        ("drains", drains as u64),
        ("buffer_bytes", sharding.buffer_bytes as u64),
        ("spill_bytes", sharding.spill.max_bytes),
        ("default_shards", sharding.count.into()),
        ("ids", sharding.dedupe.max_ids as u64),
        ("closes_bytes", number("aggregate_bytes")),
        ("checkpoint_ms", GAP_MS),
    ] {
        assert_eq!(number(name), value, "{name}");
    }
    let bytes = AggregateBytes::parse(number("aggregate_bytes") as usize).unwrap();
    assert_eq!(Aggregation::default(), Aggregation::UpTo(bytes));
    let free = CallSlots::new().free_calls();
    assert_eq!(constants.number("object.connections") as usize, free);
}

/// A ledger with three events of one device, a minute apart.
fn ledger() -> (Ledger, [u64; 3]) {
    let mut ledger = Ledger::new(Window { window_ms: 1_000, ids: 10 }, 1_800_000);
    let device = ledger.new_device();
    let numbers = [0, 60_000, 120_000].map(|at| ledger.new_event(device, Kind::Event, 0, 100, at));
    numbers.iter().for_each(|number| ledger.observed(*number));
    (ledger, numbers)
}

#[test]
fn the_ledger_notices_each_broken_promise() {
    let violations = |act: &dyn Fn(&mut Ledger, [u64; 3])| {
        let (mut ledger, numbers) = ledger();
        act(&mut ledger, numbers);
        ledger.finish();
        ledger.violations().join("\n")
    };
    let deliver = |ledger: &mut Ledger, numbers: [u64; 3], sessions: [u64; 3]| {
        for (number, session) in numbers.into_iter().zip(sessions) {
            ledger.taken(ReadLine { number, session: Some(session) });
        }
    };
    let well = violations(&|ledger, numbers| deliver(ledger, numbers, [7; 3]));
    assert_eq!(well, "");
    let split = violations(&|ledger, numbers| deliver(ledger, numbers, [7, 7, 8]));
    assert!(split.contains("has_opened=true"), "{split}");
    let twice = violations(&|ledger, numbers| {
        deliver(ledger, numbers, [7; 3]);
        deliver(ledger, numbers, [7; 3]);
    });
    assert!(twice.contains("has 2 copies, 0 are excused"), "{twice}");
    let excused = violations(&|ledger, numbers| {
        numbers.iter().for_each(|number| ledger.excuse(*number));
        deliver(ledger, numbers, [7; 3]);
        deliver(ledger, numbers, [7; 3]);
    });
    assert_eq!(excused, "");
    let undelivered = violations(&|ledger, [first, ..]| {
        ledger.stored(first);
        ledger.acknowledge(first, 5);
        ledger.removed(first);
    });
    assert!(undelivered.contains("left the storage undelivered"), "{undelivered}");
    let unknown = violations(&|ledger, numbers| {
        ledger.durable(numbers[0], 1, 100);
        ledger.queued(numbers[0], 1, 200);
    });
    assert!(unknown.contains("was not recognized by shard 1 after 100 ms"), "{unknown}");
    // The second and the third are of one millisecond, and the third came first.
    let mut tie = Ledger::new(Window { window_ms: 1_000, ids: 10 }, 1_800_000);
    let device = tie.new_device();
    let kinds = [(Kind::Event, 0), (Kind::Event, 9), (Kind::SessionStart, 9), (Kind::Event, 99)];
    for ((kind, at), session) in kinds.into_iter().zip([7, 8, 8, 8]) {
        let number = tie.new_event(device, kind, 0, 100, at);
        tie.taken(ReadLine { number, session: Some(session) });
    }
    tie.finish();
    assert_eq!(tie.violations().len(), 0);
    let late = violations(&|ledger, numbers| {
        ledger.durable(numbers[0], 1, 100);
        ledger.queued(numbers[0], 1, 1_200);
        deliver(ledger, numbers, [7; 3]);
    });
    assert_eq!(late, "", "it was out of the window");
}
