//! Tests the laws of a shard while its streams and its storage fail and the object is lost.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;

use super::fake_streams::{Effect, Fault, NO_EVENT, Refuses, TO_FAILED, is_poison};
use super::simulation::{Kept, ShardAct, ShardWorld, route};
use super::*;

fn acts() -> impl Strategy<Value = Vec<ShardAct>> {
    let fault = prop_oneof![
        6 => Just(Fault::None),
        3 => (0_u64..3).prop_map(|remainder| Fault::Some { remainder }),
        2 => prop_oneof![
            Just((500, "InternalFailure")), Just((400, "ThrottlingException")),
            Just((400, "ResourceNotFoundException")), Just((403, "ExpiredTokenException")),
        ].prop_map(|(status, code)| Fault::Whole { status, code }),
        1 => Just(Fault::Unreported(Effect::Accepted)),
        1 => Just(Fault::Unreported(Effect::NotAccepted)),
        1 => Just(Fault::NotSent),
    ];
    let kept = || prop_oneof![30 => Just(Kept::Yes), 1 => Just(Kept::No)];
    let number = prop_oneof![5 => 0_u64..80, 4 => 0_u64..20, 1 => NO_EVENT..NO_EVENT + 10];
    let act = prop_oneof![
        8 => proptest::collection::vec(number, 1..6).prop_map(ShardAct::Post),
        2 => Just(ShardAct::Retry),
        6 => (any::<usize>(), kept()).prop_map(|(which, kept)| ShardAct::Close { which, kept }),
        16 => (any::<usize>(), fault, kept())
            .prop_map(|(which, fault, kept)| ShardAct::Drive { which, fault, kept }),
        4 => Just(ShardAct::Drain),
        2 => (0_usize..3, any::<bool>())
            .prop_map(|(stream, is_down)| ShardAct::Outage { stream, is_down }),
        2 => Just(ShardAct::Sleep),
        3 => Just(ShardAct::Checkpoint),
        1 => prop_oneof![1 => Just(true), 2 => Just(false)].prop_map(ShardAct::StorageIsFull),
    ];
    let act = prop_oneof![60 => act, 1 => Just(ShardAct::Crash)];
    proptest::collection::vec(act, 0..120)
}

/// The columns of a session.
const SESSION: [&str; 4] = ["session_id", "session_index", "session_started_at", "session_trigger"];

fn session(event: &Value) -> [&Value; 4] {
    SESSION.map(|column| &event[column])
}

proptest! {
    #[test]
    fn nothing_durable_is_lost_or_doubled_without_a_reason(
        acts in acts(),
        max_bytes in prop_oneof![3 => Just(1 << 30), 1 => Just(2_500)],
        buffer_bytes in prop_oneof![3 => Just(8_388_608), 1 => Just(1_500)],
        call_bytes in prop_oneof![Just(1_048_576), Just(1_200), Just(400)],
        refuses in prop_oneof![Just(Refuses::Call), Just(Refuses::Entry)],
    ) {
        let spill = spill::SpillConfig { max_bytes };
        let sharding = ShardConfig { spill, buffer_bytes, ..ShardConfig::default() };
        let mut world = ShardWorld::new(sharding, call_bytes, refuses);
        for act in &acts {
            world.act(act)?;
        }
        world.recover()?;

        for number in &world.durable {
            let streams = if is_poison(*number) { &[TO_FAILED] } else { route(*number) };
            for stream in streams {
                let copies = world.service.copies(&(*stream, *number));
                prop_assert!(copies > 0, "{number} is lost in {stream}");
            }
        }
        for (slot, copies) in &world.service.accepted {
            let (stream, number) = slot;
            let of = |counts: &BTreeMap<u64, usize>| counts.get(number).copied().unwrap_or(0);
            let once = match *stream {
                TO_FAILED if *number >= NO_EVENT => of(&world.admitted),
                TO_FAILED => of(&world.refused),
                _ => 1,
            };
            let excused = world.excused.get(slot).copied().unwrap_or(0);
            prop_assert!(copies.len() <= once + excused, "{slot:?}: {copies:?}, not {once} + {excused}");
            prop_assert!(*stream == TO_FAILED || !is_poison(*number));
        }

        let events = || world.service.accepted.values().flatten();
        let (mut sessions, mut by_index) = (BTreeMap::new(), BTreeMap::new());
        for event in events() {
            let number = fake_streams::number(event);
            let [id, index, ..] = session(event);
            let has_session = number < NO_EVENT && number / 16 != 4;
            prop_assert!(session(event).iter().all(|column| column.is_null() != has_session));
            let reported = sessions.entry(id.to_string()).or_insert_with(|| session(event));
            prop_assert_eq!(*reported, session(event), "a session is always described alike");
            if has_session && world.crashes == 0 {
                let device = (number / 16, index.to_string());
                let reported = by_index.entry(device).or_insert(id);
                prop_assert_eq!(*reported, id, "a session of a device has an index of its own");
            }
        }
        for number in world.admitted.iter().filter(|(_, count)| **count == 1).map(|(it, _)| it) {
            let in_stream = |stream| world.service.accepted.get(&(stream, *number));
            let copies: Vec<&Value> = (0..3).filter_map(in_stream).flatten().collect();
            prop_assert!(copies.iter().all(|copy| session(copy) == session(copies[0])));
        }

        let status = world.shard.status(world.now);
        prop_assert_eq!(status.buffer_bytes, 0);
        prop_assert!(status.spill.iter().all(|depth| depth.records + depth.quarantined == 0));
        prop_assert!(world.seen_keys().all(|key| world.shard.batches.find(&key).is_none()));
        prop_assert!(!world.shard.has_changed());
    }
}

/// Poison is known only beside records that the stream accepts.
#[test]
fn a_full_spill_still_delivers_its_only_record() {
    let spill = spill::SpillConfig { max_bytes: 300 };
    let mut world =
        ShardWorld::new(ShardConfig { spill, ..ShardConfig::default() }, 1_048_576, Refuses::Call);
    let poison = 18;
    let close = ShardAct::Close { which: 0, kept: Kept::Yes };
    // The call, and its result.
    let drive = || ShardAct::Drive { which: 0, fault: Fault::NotSent, kept: Kept::Yes };
    for act in [ShardAct::Post(vec![poison]), close, drive(), drive()] {
        world.act(&act).unwrap();
    }
    assert_eq!(world.shard.status(world.now).spill.len(), 1);
    world.recover().unwrap();
    assert_eq!(world.service.copies(&(TO_FAILED, poison)), 1);
}
