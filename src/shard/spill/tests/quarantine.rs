//! Quarantined records are exported and deleted row by row.

use super::*;
use crate::shard::protocol::quarantine;

/// Returns each quarantined row.
fn rows(spill: &Spill, storage: &Memory) -> Vec<quarantine::QuarantineRow> {
    let mut after = Vec::new();
    let next = || {
        let row =
            spill.quarantined_after(storage, &after, |stream| *stream == failed()).unwrap()?;
        after.clone_from(&row.key);
        Some(row)
    };
    std::iter::from_fn(next).collect()
}

/// Returns the records in rows, as they were.
fn data(rows: &[quarantine::QuarantineRow]) -> Vec<(String, Vec<u8>)> {
    let lines = rows.iter().flat_map(|row| row.lines.split_inclusive(|byte| *byte == b'\n'));
    let data = |line| {
        let line: serde_json::Value = serde_json::from_slice(line).unwrap();
        assert_eq!(line["arrivalTimestamp"], 0);
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        let data = base64_simd::STANDARD.decode_to_vec(text("rawData")).unwrap();
        (format!("{}: {}", text("errorCode"), text("errorMessage")), data)
    };
    lines.map(data).collect()
}

/// Quarantines the records with these numbers.
fn quarantined(spill: &mut Spill, storage: &Memory, numbers: std::ops::Range<usize>) {
    push(spill, storage, &failed(), numbers.clone());
    let batch = take(spill, storage, &failed());
    let settled = end_attempt(spill, storage, batch, |_| rejected());
    assert_eq!(settled.quarantined, numbers.len());
}

#[test]
fn all_quarantined_rows_are_listed_and_no_others() {
    let storage = Memory::default();
    let mut spill = spill(&storage);
    push(&mut spill, &storage, &events(), 0..2);
    assert_eq!(rows(&spill, &storage), []);
    quarantined(&mut spill, &storage, 2..5);
    quarantined(&mut spill, &storage, 5..6);
    push(&mut spill, &storage, &failed(), 6..7);
    let reported = data(&rows(&spill, &storage));
    let of = |number| numbered(number, 0).bytes().to_vec();
    let reason = "quarantined: firehose:failed refuses it for good".to_owned();
    assert_eq!(reported, (2..6).map(|number| (reason.clone(), of(number))).collect::<Vec<_>>());
}

#[test]
fn a_garbled_row_is_listed_as_it_is() {
    let storage = Memory::default();
    push(&mut spill(&storage), &storage, &events(), 0..2);
    let key = storage.keys(Table::Spill, &[], 1).unwrap().remove(0);
    storage.put(Table::Spill, &key, b"not a row").unwrap();
    storage.put(Table::Spill, &[2, 9], b"of another version").unwrap();
    let mut spill = spill(&storage);
    assert!(spill.begin_attempt(&storage, &events(), MIB, 0).unwrap().is_none());
    let rows = rows(&spill, &storage);
    let reason = "garbled: of firehose:events: bytes are not a row of the spill".to_owned();
    assert_eq!(data(&rows), [(reason, b"not a row".to_vec())]);
    assert_eq!(spill.forget(&storage, &rows[0].key), Ok(true));
    assert_eq!((depth(&spill, &events()), spill.fill().bytes), ((0, 0), 0));
}

#[test]
fn only_quarantined_rows_are_deleted_and_make_room() {
    let storage = Memory::default();
    let mut spill = spill(&storage);
    push(&mut spill, &storage, &events(), 0..2);
    quarantined(&mut spill, &storage, 2..5);
    let before = spill.fill().bytes;
    let keys = storage.keys(Table::Spill, &[], 9).unwrap();
    let [waiting, quarantined] = keys.try_into().unwrap();
    let another = quarantined.iter().rev().copied().collect::<Vec<_>>();
    for key in [&waiting, &another, &vec![], &quarantined[1..].to_vec()] {
        assert_eq!(spill.forget(&storage, key), Ok(false));
    }
    assert_eq!((depth(&spill, &events()), depth(&spill, &failed())), ((2, 0), (0, 3)));
    storage.full.set(true);
    spill.forget(&storage, &quarantined).unwrap_err();
    storage.full.set(false);
    assert_eq!(depth(&spill, &failed()), (0, 3));
    assert_eq!(spill.forget(&storage, &quarantined), Ok(true));
    assert_eq!(spill.forget(&storage, &quarantined), Ok(false), "it is gone");
    assert_eq!((depth(&spill, &failed()), rows(&spill, &storage)), ((0, 0), vec![]));
    assert!(spill.fill().bytes < before);
    let again = Spill::load(&storage, SpillConfig::default(), 0).unwrap();
    assert_eq!((again.fill(), depth(&again, &events())), (spill.fill(), (2, 0)));
}
