//! The messages between the worker and its shards: any bytes are refused, or mean the same on both
//! sides.

use headwater::base::codec::ByteReader;
use headwater::delivery::stats::DeliveryStats;
use headwater::model::device_key::DeviceKey;
use headwater::model::record::codec::{put_record, read_record, record_len};
use headwater::model::session::{SessionId, SessionInfo, SessionTrigger};
use headwater::shard::protocol::batch_response::{BatchResponse, ItemStatus};
use headwater::shard::protocol::error::ShardError;
use headwater::shard::protocol::quarantine::{QuarantineId, QuarantineRow};
use headwater::shard::protocol::{batch_request, session_transfer};
use headwater::shard::spill::row::{RowState, RowTenant, SpillRow};

use super::harness;
use super::settings::{self, SETTINGS, Setting};

/// A byte for the kind, one for the number of items, and the message.
pub fn run(data: &[u8]) {
    let [kind, count, bytes @ ..] = data else { return };
    let count = usize::from(*count) % 9;
    match kind % 8 {
        0 => request(bytes),
        1 => response(bytes, count),
        2 => record(bytes),
        3 => question(bytes),
        4 => transfer(bytes, count),
        5 => row(bytes),
        6 => error(bytes),
        _ => names(bytes),
    }
}

fn request(bytes: &[u8]) {
    let Ok(items) = batch_request::decode(bytes) else { return };
    let encoded = batch_request::encode(items.iter());
    let again = batch_request::decode(&encoded);
    assert_eq!(again.as_ref(), Ok(&items), "LAW: a request means the same on both sides");
    let both = batch_request::decode(&batch_request::join(vec![encoded.clone(), encoded]));
    assert_eq!(
        both.map(|both| both.len()),
        Ok(items.len() * 2),
        "LAW: joined requests have all items"
    );
    for item in items {
        let before = item.record.bytes().len();
        let key = item.record.key().clone();
        let after = item.record.past_its_shard();
        assert!(after.bytes().len() > before.saturating_sub(2) && *after.key() == key);
        if let Some(event) = item.event {
            let _ = (event.shard_hash(None), event.seen_key());
        }
    }
}

fn response(bytes: &[u8], count: usize) {
    let Ok(response) = BatchResponse::decode(bytes, count) else { return };
    assert_eq!(response.statuses.len(), count, "LAW: each item has one status");
    let again = BatchResponse::decode(&response.encode(), count);
    assert_eq!(again.as_ref(), Ok(&response), "LAW: a response means the same on both sides");
    if let Some(number) = response.number() {
        assert_eq!(
            BatchResponse::of_number(number, count),
            response,
            "LAW: a number means the same"
        );
    }
    let parts = response.clone().split(&[count / 2, count - count / 2]);
    let statuses: Vec<ItemStatus> = parts.into_iter().flat_map(|part| part.statuses).collect();
    assert_eq!(statuses, response.statuses, "LAW: the parts have all statuses in their order");
}

fn record(bytes: &[u8]) {
    let mut reader = ByteReader::new(bytes, "a record");
    while let Ok(record) = read_record(&mut reader, 16) {
        let mut written = Vec::new();
        put_record(&mut written, &record);
        assert_eq!(written.len(), record_len(&record), "LAW: the length of a record is known");
        let again = read_record(&mut ByteReader::new(&written, "a record"), 0);
        assert_eq!(again, Ok(record), "LAW: a record is read as it was written");
    }
}

fn question(bytes: &[u8]) {
    if let Ok(keys) = session_transfer::decode_question(bytes) {
        assert_eq!(session_transfer::encode_question(&keys), bytes, "LAW: a question is the same");
    }
}

fn transfer(bytes: &[u8], count: usize) {
    if let Ok(sessions) = session_transfer::decode_answer(bytes, count) {
        assert_eq!(sessions.len(), count, "LAW: each device has an answer");
        assert_eq!(session_transfer::encode_answer(&sessions), bytes, "LAW: an answer is the same");
    }
}

fn row(bytes: &[u8]) {
    if let Ok(row) = QuarantineRow::decode(bytes) {
        let again = QuarantineRow::decode(&QuarantineRow::encode(row.clone()));
        assert_eq!(again, Ok(row), "LAW: a row is read as it was written");
    }
    if let Ok(row) = SpillRow::read(bytes) {
        assert_eq!(row.key(), bytes, "LAW: a key is written as it was read");
        drop(row.records(bytes));
    }
}

fn error(bytes: &[u8]) {
    let error = ShardError::decode(bytes);
    assert_eq!(
        ShardError::decode(&error.encode()),
        error,
        "LAW: an error is the same on both sides"
    );
}

fn names(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(Some(id)) = QuarantineId::of_query(text, "row") {
        let again = QuarantineId::of_query(&format!("row={id}"), "row");
        assert_eq!(again, Ok(Some(id)), "LAW: an id is read as it was written");
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let scrub = SETTINGS.iter().position(|setting| *setting == Setting::Scrub).unwrap();
    let recipe = settings::recipe(u8::try_from(scrub).unwrap());
    let body = br#"[{"name":"page_view","device_id":"d"},{"name":"app_start","device_id":"d"},{"name":"a"},{"name":"Broken"}]"#;
    let mut batch = harness::post(&recipe.config, &recipe.context(0), None, body).unwrap();
    let records = batch.take_records();
    for count in 0..=records.len() {
        let items = records.iter().take(count).map(|pending| &pending.item);
        seeds.push([&[0, 0][..], &batch_request::encode(items)].concat());
    }
    for pending in &records {
        let mut bytes = vec![2, 0];
        put_record(&mut bytes, &pending.item.record);
        seeds.push(bytes);
    }
    let session = |trigger| SessionInfo {
        id: SessionId::new(1_795_000_000_123, [7; 10]),
        index: 3,
        started_at: 1_795_000_000_123,
        trigger,
    };
    let statuses = vec![
        ItemStatus::Durable,
        ItemStatus::Duplicate,
        ItemStatus::Rejected("InvalidArgumentException".to_owned()),
        ItemStatus::NotDurable { code: "spill_full".to_owned(), retry_after_s: 7 },
    ];
    let sending = DeliveryStats { wait_ms: 3, send_ms: 25, retries: 1, spill_depth: 9 };
    let sessions =
        vec![None, Some(session(SessionTrigger::First)), Some(session(SessionTrigger::Late)), None];
    let usual = BatchResponse::of_number(1_000_000.0, 3);
    let overflowing = vec![DeviceKey::from_bytes([7; DeviceKey::BYTES])];
    let unusual = BatchResponse { statuses, sending, sessions, overflowing };
    for (count, response) in [(4, unusual), (3, usual)] {
        seeds.push([&[1, count][..], &response.encode()].concat());
    }
    let keys: Vec<_> = records.iter().filter_map(|pending| Some(pending.item.event?.key)).collect();
    seeds.push([&[3, 0][..], &session_transfer::encode_question(&keys)].concat());
    seeds.push([&[4, 2][..], &session_transfer::encode_answer(&[None, Some(vec![7, 8])])].concat());
    let row = QuarantineRow { key: vec![2, 7], lines: b"{}\n{}\n".to_vec() };
    seeds.push([&[5, 0][..], &QuarantineRow::encode(Some(row))].concat());
    let spilled = SpillRow {
        state: RowState::Queued,
        stream: records[0].item.to.first().first().clone(),
        sequence: 7,
        spilled_at: 1_795_000_000_123,
        records: 1,
        bytes: 99,
        tenants: vec![RowTenant { name: "shop".to_owned(), records: 1, bytes: 99 }],
    };
    seeds.push([&[5, 0][..], &spilled.key()].concat());
    seeds.push([&[6, 0][..], &ShardError::BufferFull { held: 7, limit: 9 }.encode()].concat());
    seeds.push([&[6, 0][..], &ShardError::InDelivery("firehose:a".to_owned()).encode()].concat());
    seeds.push(b"\x07\x00after=1.&row=3.0200ff3e".to_vec());
    seeds
}
