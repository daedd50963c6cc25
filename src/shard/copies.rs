//! Where an event in memory is: in one slot, or in one for each stream of its route.
//!
//! The copies of an event end one by one, and one may be durable while another is not. Once none is in
//! memory any more, the event counts as seen if all are durable. Otherwise only the durable copies do:
//! the client can send the event again, and no stream gets it twice.

use crate::model::fan_out::FanOut;
use crate::model::stream_set::StreamSet;

/// The id of a batch, unique until the object is lost.
pub type BatchId = u64;

/// The position of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    pub batch: BatchId,
    /// Its index in the batch. The first record opens the batch, which is closed after its linger
    /// time.
    pub index: usize,
}

/// The slots of an event: one, or one for each of its copies that are in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slots {
    first: Slot,
    others: Vec<Slot>,
}

/// Where an event in memory is.
#[derive(Debug)]
pub enum EventPlace {
    Only(Slot),
    Copies(EventCopies),
}

/// The copies of an event of which at least one is in memory.
#[derive(Debug, Default)]
pub struct EventCopies(Vec<(StreamSet, CopyState)>);

/// What became of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyState {
    /// It is in memory, and nothing is known yet.
    Held(Slot),
    Durable,
    /// Its stream does not have it: it was not accepted, or became a failed event.
    Lost,
}

/// Which copies of an event, by the place of their stream in the route.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CopyFlags(u8);

// One bit for each.
const _: () = assert!(FanOut::MAX <= 8);

impl CopyFlags {
    /// Returns the flags of all copies of an event with so many.
    pub const fn all(copies: usize) -> Self {
        Self(!(u8::MAX.unbounded_shl(copies as u32)))
    }

    pub const fn with(self, index: usize) -> Self {
        Self(self.0 | 1_u8.unbounded_shl(index as u32))
    }

    pub const fn has(self, index: usize) -> bool {
        self.0 & 1_u8.unbounded_shl(index as u32) > 0
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub const fn count(self) -> usize {
        self.0.count_ones() as usize
    }
}

impl Slots {
    /// Adds a slot to those that there are.
    pub fn add(slots: &mut Option<Self>, slot: Slot) {
        match slots {
            Some(slots) => slots.others.push(slot),
            None => *slots = Some(slot.into()),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = Slot> {
        [self.first].into_iter().chain(self.others.iter().copied())
    }
}

impl From<Slot> for Slots {
    fn from(first: Slot) -> Self {
        Self { first, others: Vec::new() }
    }
}

impl EventPlace {
    /// Returns the slots of what is in memory of the event.
    pub fn slots(&self) -> Option<Slots> {
        match self {
            Self::Only(slot) => Some((*slot).into()),
            Self::Copies(copies) => {
                let mut slots = None;
                for (_, state) in &copies.0 {
                    if let CopyState::Held(slot) = state {
                        Slots::add(&mut slots, *slot);
                    }
                }
                slots
            }
        }
    }

    /// Whether the copy for `to` is in memory or durable.
    pub fn has_copy(&self, to: &StreamSet) -> bool {
        matches!(self.state_of(to), Some(CopyState::Held(_) | CopyState::Durable))
    }

    pub fn has_durable_copy(&self) -> bool {
        match self {
            Self::Only(_) => false,
            Self::Copies(copies) => copies.durable().next().is_some(),
        }
    }

    /// Returns what became of the copy for `to`; the only record of an event counts for all streams.
    pub fn state_of(&self, to: &StreamSet) -> Option<CopyState> {
        match self {
            Self::Only(slot) => Some(CopyState::Held(*slot)),
            Self::Copies(copies) => copies.state_of(to),
        }
    }
}

impl EventCopies {
    fn state_of(&self, to: &StreamSet) -> Option<CopyState> {
        self.0.iter().find(|(set, _)| set == to).map(|(_, state)| *state)
    }

    pub fn set(&mut self, to: &StreamSet, state: CopyState) {
        match self.0.iter_mut().find(|(set, _)| set == to) {
            Some((_, known)) => *known = state,
            None => self.0.push((to.clone(), state)),
        }
    }

    /// Whether no copy is in memory.
    pub fn have_ended(&self) -> bool {
        self.0.iter().all(|(_, state)| !matches!(state, CopyState::Held(_)))
    }

    pub fn are_durable(&self) -> bool {
        self.0.iter().all(|(_, state)| *state == CopyState::Durable)
    }

    /// Returns the streams and stream sets whose copies are durable.
    pub fn durable(&self) -> impl Iterator<Item = &StreamSet> {
        let durable = self.0.iter().filter(|(_, state)| *state == CopyState::Durable);
        durable.map(|(set, _)| set)
    }
}
