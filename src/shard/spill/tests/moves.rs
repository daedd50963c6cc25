//! Records queued for a stream move row by row, and are never in two places or in none.

use super::*;
use crate::shard::spill::backlog::HOLD_MS;

fn old() -> Stream {
    stream("firehose:old")
}

/// Odd numbers go to the events, multiples of four nowhere, and the rest to the failed events.
fn current_stream(record: &Record) -> Option<Stream> {
    match number(record) % 4 {
        0 => None,
        2 => Some(failed()),
        _ => Some(events()),
    }
}

fn move_oldest(spill: &mut Spill, storage: &Memory, max_bytes: usize) -> Moved {
    spill.move_oldest(storage, &old(), max_bytes, current_stream, 0).unwrap()
}

/// Returns the records queued for `stream`, in the order of delivery.
fn waiting(spill: &mut Spill, storage: &Memory, stream: &Stream) -> Vec<usize> {
    let (_, records) = spill.read_oldest(storage, stream, RetryCursor::OLDEST, &[], MIB).unwrap();
    numbers(&records)
}

/// Returns all stored numbers, with their state and stream.
fn stored(storage: &Memory) -> Vec<(u8, String, usize)> {
    let mut stored = Vec::new();
    for key in storage.keys(Table::Spill, &[], 999).unwrap() {
        let Ok(row) = SpillRow::read(&key) else { continue };
        let value = storage.get(Table::Spill, &key).unwrap().unwrap();
        let records = row.records(&value).unwrap();
        let of = |record| (row.state.version(), row.stream.to_string(), number(record));
        stored.extend(records.iter().map(of));
    }
    stored.sort_by_key(|(_, _, number)| *number);
    stored
}

#[test]
fn each_record_moves_to_its_home_with_its_age_and_in_order() {
    let storage = Memory::default();
    let mut spill = spill(&storage);
    push(&mut spill, &storage, &old(), 0..4);
    push(&mut spill, &storage, &events(), 20..22);
    push(&mut spill, &storage, &old(), 4..8);
    assert_eq!(move_oldest(&mut spill, &storage, MIB.bytes), Moved { records: 6, quarantined: 2 });
    assert_eq!(move_oldest(&mut spill, &storage, MIB.bytes), Moved::default());
    assert_eq!(waiting(&mut spill, &storage, &events()), [1, 3, 20, 21, 5, 7]);
    assert_eq!(waiting(&mut spill, &storage, &failed()), [2, 6]);
    assert_eq!((depth(&spill, &old()), spill.due(0)), ((0, 2), vec![failed()]));
    let loaded = Spill::load(&storage, SpillConfig::default(), 0).unwrap();
    for stream in [old(), events(), failed()] {
        assert_eq!(depth(&loaded, &stream), depth(&spill, &stream), "{stream}");
    }
    assert_eq!(loaded.bytes(), spill.bytes());
    let read_oldest = |spill: &Spill| -> Vec<u64> {
        let mut read_oldest: Vec<u64> =
            spill.depth(9_000).iter().map(|depth| depth.oldest_ms).collect();
        read_oldest.sort_unstable();
        read_oldest
    };
    assert_eq!(read_oldest(&loaded), read_oldest(&spill));
}

#[test]
fn a_move_has_at_least_a_row_and_at_most_its_bytes() {
    let storage = Memory::default();
    let mut spill = spill(&storage);
    for first in 0..4 {
        push(&mut spill, &storage, &old(), 10 * first..10 * first + 10);
    }
    assert_eq!(move_oldest(&mut spill, &storage, 1), Moved { records: 7, quarantined: 3 });
    assert_eq!(depth(&spill, &old()), (30, 3));
    while !move_oldest(&mut spill, &storage, 1).is_empty() {}
    assert_eq!((depth(&spill, &old()), depth(&spill, &events())), ((0, 10), (20, 0)));
}

#[test]
fn nothing_moves_during_an_attempt() {
    let storage = Memory::default();
    let mut spill = spill(&storage);
    push(&mut spill, &storage, &old(), 0..3);
    let batch = take(&mut spill, &storage, &old());
    assert_eq!(move_oldest(&mut spill, &storage, MIB.bytes), Moved::default());
    assert_eq!(spill.withdraw(&storage, &old(), 1, 0), Ok(None));
    end_attempt(&mut spill, &storage, batch, |number| {
        if number == 0 { RecordStatus::Delivered } else { RecordStatus::Pending }
    });
    assert_eq!(move_oldest(&mut spill, &storage, MIB.bytes), Moved { records: 2, quarantined: 0 });
}

#[test]
fn no_attempt_begins_while_records_are_withdrawn() {
    let storage = Memory::default();
    let mut spill = spill(&storage);
    push(&mut spill, &storage, &old(), 0..2);
    push(&mut spill, &storage, &events(), 2..4);
    let batch = take(&mut spill, &storage, &old());
    assert_eq!(spill.withdraw(&storage, &old(), 1, 0), Ok(None));
    end_attempt(&mut spill, &storage, batch, |_| RecordStatus::Pending);
    assert_eq!(spill.due(HOLD_MS - 1), [events()], "also after the wait of a failed attempt");
    assert_eq!(spill.due(HOLD_MS).len(), 2, "an operator who stops holds up nothing for long");
    assert_eq!(spill.withdraw(&storage, &old(), 1, HOLD_MS), Ok(Some((2, false))));
}

#[test]
fn a_move_that_breaks_off_at_any_write_changes_nothing() {
    let whole = |fails_at: usize| {
        let storage = Memory::default();
        let mut spill = spill(&storage);
        push(&mut spill, &storage, &old(), 0..6);
        push(&mut spill, &storage, &old(), 6..9);
        let (before, depths) = (stored(&storage), (depth(&spill, &old()), spill.bytes()));
        storage.fails_from.set(Some(storage.writes.get() + fails_at));
        let moved = spill.move_oldest(&storage, &old(), MIB.bytes, current_stream, 0);
        storage.fails_from.set(None);
        if moved.is_err() {
            assert_eq!(stored(&storage), before, "{fails_at}");
            assert_eq!((depth(&spill, &old()), spill.bytes()), depths, "{fails_at}");
            assert_eq!((depth(&spill, &events()), depth(&spill, &failed())), ((0, 0), (0, 0)));
            move_oldest(&mut spill, &storage, MIB.bytes);
        }
        let after = stored(&storage);
        assert!(after.iter().map(|(_, _, number)| *number).eq(0..9), "{fails_at}: {after:?}");
        let loaded = Spill::load(&storage, SpillConfig::default(), 0).unwrap();
        assert_eq!(depth(&loaded, &events()), depth(&spill, &events()), "{fails_at}");
        moved.is_ok()
    };
    let outcomes: Vec<bool> = (0..12).map(whole).collect();
    assert!(!outcomes[0] && !outcomes[7] && outcomes[11], "{outcomes:?}");
}

#[test]
fn two_parts_of_a_row_that_meet_again_are_both_there() {
    let storage = Memory::default();
    let mut spill = spill(&storage);
    let (left, right) = (stream("firehose:left"), stream("firehose:right"));
    push(&mut spill, &storage, &old(), 10..12);
    let part =
        |record: &Record| Some(if number(record) == 10 { left.clone() } else { right.clone() });
    spill.move_oldest(&storage, &old(), MIB.bytes, part, 0).unwrap();
    for from in [&left, &right] {
        spill.move_oldest(&storage, from, MIB.bytes, |_| Some(events()), 0).unwrap();
    }
    assert_eq!(waiting(&mut spill, &storage, &events()), [10, 11]);
    let again = Spill::load(&storage, SpillConfig::default(), 0).unwrap();
    assert_eq!((again.depth(0).len(), depth(&again, &events())), (1, (2, 0)));
}

#[test]
fn a_record_of_its_own_stream_stays() {
    let storage = Memory::default();
    let mut spill = spill(&storage);
    push(&mut spill, &storage, &old(), 0..2);
    let moved = spill.move_oldest(&storage, &old(), MIB.bytes, |_| Some(old()), 0);
    assert_eq!((moved, depth(&spill, &old())), (Ok(Moved::default()), (2, 0)));
}

#[test]
fn only_withdrawn_rows_are_quarantined_one_by_one() {
    let storage = Memory::default();
    let mut spill = spill(&storage);
    push(&mut spill, &storage, &events(), 20..22);
    for first in [0, 2, 4] {
        push(&mut spill, &storage, &old(), first..first + 2);
    }
    assert_eq!(spill.withdraw(&storage, &old(), 1, 0), Ok(Some((2, true))));
    assert_eq!((depth(&spill, &old()), depth(&spill, &events())), ((4, 2), (2, 0)));
    storage.fails_from.set(Some(storage.writes.get() + 1));
    spill.withdraw(&storage, &old(), 999, 0).unwrap_err();
    storage.fails_from.set(None);
    assert_eq!(depth(&spill, &old()), (4, 2));
    assert_eq!(spill.withdraw(&storage, &old(), 999_999, 0), Ok(Some((4, false))));
    assert_eq!(spill.withdraw(&storage, &old(), 999_999, 0), Ok(Some((0, false))));
    assert_eq!((depth(&spill, &old()), spill.due(0)), ((0, 6), vec![]));
    let quarantine_row = stored(&storage).into_iter().filter(|(state, ..)| *state == 2);
    assert!(quarantine_row.map(|(.., number)| number).eq(0..6));
}
