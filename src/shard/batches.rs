//! Batches: the records that wait in memory, those that linger and those that are under way.
//!
//! One batch a stream is open and takes records; closed ones are with their stream. What is
//! here is promised to nobody yet: it rests on memory alone.

use std::collections::HashMap;

use crate::dedupe::SeenKey;
use crate::sink::Stream;
use crate::sink::record::Record;

/// Names a batch of a shard, until the object is gone.
pub type BatchId = u64;

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its batch.
    pub batch: BatchId,
    /// Its index there.
    pub index: usize,
}

/// What a batch holds at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of records at which it is full.
    pub bytes: usize,
    /// Records at which it is full.
    pub records: usize,
}

/// Whether a batch still takes records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// It was opened by this record, and has to be sent when it has lingered.
    Opened,
    /// It takes more.
    Left,
    /// It is to be sent now.
    Full,
}

/// A batch that takes records.
#[derive(Debug)]
struct Open {
    id: BatchId,
    stream: Stream,
    records: Vec<Record>,
    seen_keys: Vec<Option<SeenKey>>,
    bytes: usize,
    bounds: Bounds,
}

/// A batch that takes no more.
#[derive(Debug)]
pub struct Closed {
    /// Where to.
    pub stream: Stream,
    /// What.
    pub records: Vec<Record>,
}

/// What is known of a batch that is under way.
#[derive(Debug)]
pub struct UnderWay {
    /// The events of its records, where they are events.
    pub seen_keys: Vec<Option<SeenKey>>,
    bytes: usize,
}

/// The records in memory.
#[derive(Debug, Default)]
pub struct Batches {
    next: BatchId,
    open: Vec<Open>,
    under_way: HashMap<BatchId, UnderWay>,
    /// Where the events are that are not durable yet.
    places: HashMap<SeenKey, Place>,
    held_bytes: usize,
}

impl Batches {
    /// Where the event is, when it is in memory.
    pub fn find(&self, seen_key: &SeenKey) -> Option<Place> {
        self.places.get(seen_key).copied()
    }

    /// The bytes of all records in memory.
    pub const fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Puts a record into its stream's open batch.
    pub fn add(
        &mut self,
        stream: &Stream,
        record: Record,
        seen_key: Option<SeenKey>,
        bounds: impl FnOnce() -> Bounds,
    ) -> (Place, Room) {
        let position = self.open.iter().position(|open| open.stream == *stream);
        let mut room = Room::Left;
        let position = position.unwrap_or_else(|| {
            room = Room::Opened;
            self.next = self.next.wrapping_add(1);
            self.open.push(Open {
                id: self.next,
                stream: stream.clone(),
                records: Vec::new(),
                seen_keys: Vec::new(),
                bytes: 0,
                bounds: bounds(),
            });
            self.open.len().saturating_sub(1)
        });
        let Some(open) = self.open.get_mut(position) else {
            // Not reached: the position was found, or made, just now.
            return (Place { batch: 0, index: 0 }, Room::Left);
        };
        let place = Place { batch: open.id, index: open.records.len() };
        let bytes = record.bytes().len();
        open.bytes = open.bytes.saturating_add(bytes);
        open.records.push(record);
        open.seen_keys.push(seen_key);
        self.held_bytes = self.held_bytes.saturating_add(bytes);
        if let Some(seen_key) = seen_key {
            self.places.insert(seen_key, place);
        }
        let is_full = open.bytes >= open.bounds.bytes || open.records.len() >= open.bounds.records;
        // A batch that its first record fills lingers all the same: whoever has to close it hears
        // of it once, and as opened.
        if is_full && room == Room::Left {
            room = Room::Full;
        }
        (place, room)
    }

    /// Closes a batch; none if it was closed before.
    pub fn close(&mut self, id: BatchId) -> Option<Closed> {
        let position = self.open.iter().position(|open| open.id == id)?;
        let Open { stream, records, seen_keys, bytes, .. } = self.open.swap_remove(position);
        self.under_way.insert(id, UnderWay { seen_keys, bytes });
        Some(Closed { stream, records })
    }

    /// Lets go of a batch that has come to its end.
    pub fn end(&mut self, id: BatchId) -> Option<UnderWay> {
        let ended = self.under_way.remove(&id)?;
        self.held_bytes = self.held_bytes.saturating_sub(ended.bytes);
        for seen_key in ended.seen_keys.iter().flatten() {
            self.places.remove(seen_key);
        }
        Some(ended)
    }
}
