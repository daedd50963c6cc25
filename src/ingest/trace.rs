//! Data of a request for the inspector: the beacons as received, and the records as sent.

use std::collections::BTreeMap;

use super::pending::PendingRecord;
use crate::model::failed_event::OriginalPayload;
use crate::model::fan_out::FanOut;
use crate::model::record::Record;
use crate::model::record::line::SharedColumns;
use crate::model::session::SessionInfo;
use crate::model::stream_set::StreamSet;

/// The most beacons of one request of which more than the outcome is kept.
pub const MAX_TRACED: usize = 100;

#[derive(Debug, Default)]
pub struct RequestTrace {
    beacons: BTreeMap<usize, BeaconTrace>,
}

#[derive(Debug, Default)]
pub struct BeaconTrace {
    /// Its bytes, without what privacy removes.
    pub received: Option<OriginalPayload>,
    /// The streams that its record was last sent to, or sets: its shard chooses the member.
    pub stream: Option<FanOut>,
    /// That record.
    pub record: Option<Record>,
}

impl RequestTrace {
    /// Records that the beacon at `index` arrived as `original`, from which privacy has removed
    /// what it must.
    pub fn received(&mut self, index: usize, original: OriginalPayload) {
        if index < MAX_TRACED {
            self.beacon(index).received = Some(original);
        }
    }

    /// Records that `records` are now sent. A later record of a beacon replaces an earlier one; of a
    /// failed event in several records the first is kept.
    pub fn sent(&mut self, records: &[PendingRecord<'_>]) {
        for record in records
            .chunk_by(|one, next| one.beacon_index == next.beacon_index)
            .filter_map(<[_]>::first)
        {
            let PendingRecord { beacon_index, item, .. } = record;
            let beacon = self.beacon(*beacon_index);
            beacon.stream = Some(item.to.as_ref().clone());
            beacon.record = (*beacon_index < MAX_TRACED).then(|| item.record.clone());
        }
    }

    /// Adds the sessions that a shard assigned to the events of `records`, in the same order.
    pub fn in_sessions(&mut self, records: &[PendingRecord<'_>], sessions: &[Option<SessionInfo>]) {
        let columns = SharedColumns::default();
        for (pending, session) in records.iter().zip(sessions) {
            let record = &mut self.beacon(pending.beacon_index).record;
            if let (Some(session), Some(plain)) = (session, record.take_if(|_| session.is_some())) {
                *record = Some(plain.in_session(session, &columns));
            }
        }
    }

    /// Records that `stream` rejected the record of a beacon with this code, and that its shard
    /// sent the failed event to `failed`.
    pub fn refused(&mut self, index: usize, stream: &FanOut, code: &str, failed: &StreamSet) {
        let BeaconTrace { record, stream: place, .. } = self.beacon(index);
        let parts =
            record.take().and_then(|it| Record::of_rejected(&it, &stream.one_of(), code).ok());
        *record = parts.and_then(|parts| parts.into_iter().next());
        *place = Some(failed.clone().into());
    }

    fn beacon(&mut self, index: usize) -> &mut BeaconTrace {
        self.beacons.entry(index).or_default()
    }

    pub fn of(&self, index: usize) -> Option<&BeaconTrace> {
        self.beacons.get(&index)
    }
}
