//! What an inspector wants to know of a request: what came, and what was sent.

use std::collections::BTreeMap;

use super::pending::PendingRecord;
use crate::model::failed_event::OriginalPayload;
use crate::model::record::Record;
use crate::model::session::SessionInfo;
use crate::model::stream::Stream;

/// The beacons of one request of which more than their outcome is remembered.
pub const MOST_TRACED: usize = 100;

/// What is remembered of a request's beacons while they are on their way.
#[derive(Debug, Default)]
pub struct RequestTrace {
    beacons: BTreeMap<usize, BeaconTrace>,
}

/// What is remembered of one beacon.
#[derive(Debug, Default)]
pub struct BeaconTrace {
    /// Its bytes, without what privacy leaves out.
    pub received: Option<OriginalPayload>,
    /// Where its record went last.
    pub stream: Option<Stream>,
    /// What was sent there.
    pub record: Option<Record>,
}

impl RequestTrace {
    /// The beacon at `index` came as `original`, without what nobody may keep.
    pub fn received(&mut self, index: usize, original: OriginalPayload) {
        if index < MOST_TRACED {
            self.beacon(index).received = Some(original);
        }
    }

    /// These records go to their streams now. What a beacon became last counts, and of a failed
    /// event in parts the first.
    pub fn sent(&mut self, items: &[PendingRecord<'_>]) {
        for item in items.chunk_by(|one, next| one.owner == next.owner).filter_map(<[_]>::first) {
            let beacon = self.beacon(item.owner);
            beacon.stream = Some(item.stream.clone());
            beacon.record = (item.owner < MOST_TRACED).then(|| item.record.clone());
        }
    }

    /// The events of `items` got these sessions, each in its place.
    pub fn in_sessions(&mut self, items: &[PendingRecord<'_>], tags: &[Option<SessionInfo>]) {
        for (item, tag) in items.iter().zip(tags) {
            let record = &mut self.beacon(item.owner).record;
            if let (Some(tag), Some(plain)) = (tag, record.take_if(|_| tag.is_some())) {
                *record = Some(plain.in_session(tag));
            }
        }
    }

    /// `stream` refused the record of a beacon for itself, with this code, and its shard has sent
    /// the failed event that it became to `failed`.
    pub fn refused(&mut self, index: usize, stream: &Stream, code: &str, failed: &Stream) {
        let BeaconTrace { record, stream: place, .. } = self.beacon(index);
        let parts = record.take().and_then(|it| Record::of_refused(&it, stream, code).ok());
        *record = parts.and_then(|parts| parts.into_iter().next());
        *place = Some(failed.clone());
    }

    fn beacon(&mut self, index: usize) -> &mut BeaconTrace {
        self.beacons.entry(index).or_default()
    }

    /// What is remembered of the beacon at `index`.
    pub fn of(&self, index: usize) -> Option<&BeaconTrace> {
        self.beacons.get(&index)
    }
}
