//! The response of a shard to a request: the status of each item, and the delivery statistics.

use super::batch_request::VERSION;
use crate::base::codec::{ByteReader, ByteWriter, DecodeError};
use crate::delivery::stats::DeliveryStats;
use crate::delivery::stream_delivery::DeliveryReport;
use crate::model::device_key::DeviceKey;
use crate::model::session::SessionInfo;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchResponse {
    /// The status of each item, in their order.
    pub statuses: Vec<ItemStatus>,
    pub sending: DeliveryStats,
    /// The session of each item that is an event of a device, in their order; empty if not
    /// requested.
    pub sessions: Vec<Option<SessionInfo>>,
    /// The devices that overflow: their next events should go to any shard.
    pub overflowing: Vec<DeviceKey>,
}

/// The result of one item of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemStatus {
    /// Its stream accepted it, or the shard's storage has it.
    Durable,
    /// Its event was seen before, and is durable.
    Duplicate,
    /// Its stream rejects its content, with this code; its failed event is durable.
    Rejected(String),
    /// Its tenant is over its quota: it is stored nowhere, and must not be sent again.
    OverQuota,
    /// Its tenant has its share of the shard's memory: the runtime delivers it directly.
    NotAdmitted,
    /// It is not stored anywhere; the client must keep it.
    NotDurable {
        /// The reason, in one word.
        code: String,
        /// When to try again, in seconds.
        retry_after_s: u64,
    },
}

impl ItemStatus {
    /// The status of an event of which one record has this status and another one `other`: the worse.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let badness = |status: &Self| match status {
            Self::Durable => 0,
            Self::Duplicate => 1,
            Self::Rejected(_) => 2,
            Self::OverQuota | Self::NotAdmitted => 3,
            Self::NotDurable { .. } => 4,
        };
        if badness(&other) > badness(&self) { other } else { self }
    }

    /// The status of a record whose failed event has the status `failed`.
    #[must_use]
    pub fn with_failed_event(self, failed: &Self) -> Self {
        match *failed {
            Self::NotDurable { retry_after_s, .. } => {
                Self::NotDurable { code: "failed_event_not_durable".to_owned(), retry_after_s }
            }
            _ => self,
        }
    }

    /// The status of an item of a tenant that has its share of the spill.
    pub fn tenant_share_full() -> Self {
        Self::NotDurable {
            code: TENANT_SHARE_FULL.to_owned(),
            retry_after_s: DeliveryReport::RETRY_AFTER_S,
        }
    }

    /// The status of an item of a tenant whose home can't be asked about its quota.
    pub fn quota_unknown() -> Self {
        Self::NotDurable {
            code: QUOTA_UNKNOWN.to_owned(),
            retry_after_s: DeliveryReport::RETRY_AFTER_S,
        }
    }
}

/// The code of an event that is not durable since its tenant has its share of the spill.
pub const TENANT_SHARE_FULL: &str = "tenant_share_full";

/// The code of an event of which it is not known whether its tenant is over its quota.
pub const QUOTA_UNKNOWN: &str = "quota_unknown";

/// The bits of a duration in milliseconds that is part of a number. Two of them fit into the 53
/// bits of JavaScript's integers.
const MS_BITS: u32 = 26;
const MAX_MS: u64 = (1 << MS_BITS) - 1;

impl BatchResponse {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        for status in &self.statuses {
            match status {
                ItemStatus::Durable => bytes.put_u8(0),
                ItemStatus::Duplicate => bytes.put_u8(1),
                ItemStatus::Rejected(code) => {
                    bytes.put_u8(2);
                    bytes.put_bytes(code.as_bytes());
                }
                ItemStatus::OverQuota => bytes.put_u8(4),
                ItemStatus::NotAdmitted => bytes.put_u8(5),
                ItemStatus::NotDurable { code, retry_after_s } => {
                    bytes.put_u8(3);
                    bytes.put_bytes(code.as_bytes());
                    bytes.put_u64(*retry_after_s);
                }
            }
        }
        let DeliveryStats { wait_ms, send_ms, retries, spill_depth } = self.sending;
        bytes.put_u64(wait_ms);
        bytes.put_u64(send_ms);
        bytes.put_u32(retries);
        bytes.put_u64(spill_depth);
        let count = u32::try_from(self.overflowing.len()).unwrap_or(u32::MAX);
        bytes.put_u32(count);
        for device in self.overflowing.iter().take(count as usize) {
            bytes.put(device.as_bytes());
        }
        for session in &self.sessions {
            match session {
                None => bytes.put_u8(0),
                Some(session) => {
                    bytes.put_u8(1);
                    session.encode(&mut bytes);
                }
            }
        }
        bytes
    }

    /// Splits the response to several requests that were joined, of `counts` items each.
    pub fn split(self, counts: &[usize]) -> Vec<Self> {
        let Self { statuses, sending, sessions, overflowing } = self;
        let (mut statuses, mut sessions) = (statuses.into_iter(), sessions.into_iter());
        let part = |count: &usize| Self {
            statuses: statuses.by_ref().take(*count).collect(),
            sending,
            sessions: sessions.by_ref().take(*count).collect(),
            overflowing: overflowing.clone(),
        };
        counts.iter().map(part).collect()
    }

    /// Returns the response as a number, if all items are durable and there is nothing else to say
    /// but how long it took.
    pub fn number(&self) -> Option<f64> {
        let DeliveryStats { wait_ms, send_ms, retries, spill_depth } = self.sending;
        let is_usual = self.statuses.iter().all(|status| *status == ItemStatus::Durable)
            && self.sessions.is_empty()
            && self.overflowing.is_empty()
            && (retries, spill_depth) == (0, 0);
        let fits = wait_ms <= MAX_MS && send_ms <= MAX_MS;
        (is_usual && fits).then_some(((wait_ms << MS_BITS) | send_ms) as f64)
    }

    /// Reads the number that [`Self::number`] returned for a request of `count` items.
    pub fn of_number(number: f64, count: usize) -> Self {
        let number = number as u64;
        let (wait_ms, send_ms) = (number >> MS_BITS, number & MAX_MS);
        Self {
            statuses: vec![ItemStatus::Durable; count],
            sending: DeliveryStats { wait_ms, send_ms, ..DeliveryStats::default() },
            ..Self::default()
        }
    }

    /// Reads the response to a request of `count` items.
    pub fn decode(bytes: &[u8], count: usize) -> Result<Self, DecodeError> {
        let mut reader = ByteReader::new(bytes, "an answer to a batch request");
        if reader.u8()? != VERSION {
            return Err(reader.malformed());
        }
        let mut answer = Self { statuses: Vec::with_capacity(count), ..Self::default() };
        for _ in 0..count {
            answer.statuses.push(status(&mut reader)?);
        }
        answer.sending = DeliveryStats {
            wait_ms: reader.u64()?,
            send_ms: reader.u64()?,
            retries: reader.u32()?,
            spill_depth: reader.u64()?,
        };
        for _ in 0..reader.u32()? {
            answer.overflowing.push(DeviceKey::from_bytes(reader.array()?));
        }
        if reader.is_at_end() {
            return Ok(answer);
        }
        for _ in 0..count {
            answer.sessions.push(match reader.u8()? {
                0 => None,
                1 => Some(SessionInfo::decode(&mut reader)?),
                _ => return Err(reader.malformed()),
            });
        }
        reader.end()?;
        Ok(answer)
    }
}

fn status(reader: &mut ByteReader<'_>) -> Result<ItemStatus, DecodeError> {
    match reader.u8()? {
        0 => Ok(ItemStatus::Durable),
        1 => Ok(ItemStatus::Duplicate),
        2 => Ok(ItemStatus::Rejected(reader.text()?.to_owned())),
        3 => {
            let code = reader.text()?.to_owned();
            Ok(ItemStatus::NotDurable { code, retry_after_s: reader.u64()? })
        }
        4 => Ok(ItemStatus::OverQuota),
        5 => Ok(ItemStatus::NotAdmitted),
        _ => Err(reader.malformed()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::session::{SessionId, SessionTrigger};

    fn response() -> BatchResponse {
        let code = "spill_full".to_owned();
        let session = SessionInfo {
            id: SessionId::from_bytes([9; 16]),
            index: 3,
            started_at: -4,
            trigger: SessionTrigger::Late,
        };
        BatchResponse {
            statuses: vec![
                ItemStatus::Durable,
                ItemStatus::Duplicate,
                ItemStatus::Rejected("InvalidArgumentException".to_owned()),
                ItemStatus::OverQuota,
                ItemStatus::NotAdmitted,
                ItemStatus::NotDurable { code, retry_after_s: 5 },
            ],
            sending: DeliveryStats { wait_ms: 1, send_ms: 2, retries: 3, spill_depth: 5 },
            sessions: vec![Some(session), None, None, Some(session), None, None],
            overflowing: vec![DeviceKey::from_bytes([1; 16]), DeviceKey::from_bytes([2; 16])],
        }
    }

    #[test]
    fn an_answer_comes_as_it_was_sent() {
        let without_sessions = BatchResponse { sessions: Vec::new(), ..response() };
        for answer in [response(), without_sessions] {
            let bytes = answer.encode();
            assert_eq!(BatchResponse::decode(&bytes, 6), Ok(answer));
            assert!(BatchResponse::decode(&bytes, 5).is_err(), "a status too many");
            assert!(BatchResponse::decode(&bytes, 7).is_err(), "a status too few");
        }
    }

    #[test]
    fn the_usual_response_is_a_number() {
        let usual = |wait_ms, send_ms| BatchResponse {
            statuses: vec![ItemStatus::Durable; 2],
            sending: DeliveryStats { wait_ms, send_ms, ..DeliveryStats::default() },
            ..BatchResponse::default()
        };
        for (wait_ms, send_ms) in [(0, 0), (0, MAX_MS), (MAX_MS, 0), (MAX_MS, MAX_MS), (100, 7)] {
            let number = usual(wait_ms, send_ms).number().unwrap();
            assert_eq!(BatchResponse::of_number(number, 2), usual(wait_ms, send_ms));
        }
        for (wait_ms, send_ms) in [(MAX_MS + 1, 0), (0, MAX_MS + 1)] {
            assert_eq!(usual(wait_ms, send_ms).number(), None);
        }
        let with = |change: fn(&mut BatchResponse)| {
            let mut response = usual(1, 2);
            change(&mut response);
            response.number()
        };
        assert_eq!(with(|it| it.statuses[1] = ItemStatus::Duplicate), None);
        assert_eq!(with(|it| it.sending.retries = 1), None);
        assert_eq!(with(|it| it.sending.spill_depth = 1), None);
        assert_eq!(with(|it| it.sessions = vec![None, None]), None);
        assert_eq!(with(|it| it.overflowing = vec![DeviceKey::from_bytes([1; 16])]), None);
    }

    #[test]
    fn a_joined_response_is_split_in_its_order() {
        let whole = response();
        let parts = response().split(&[1, 0, 5]);
        assert_eq!(parts.iter().map(|part| part.statuses.len()).collect::<Vec<_>>(), [1, 0, 5]);
        assert!(parts.iter().all(|part| part.sending == whole.sending));
        assert!(parts.iter().all(|part| part.overflowing == whole.overflowing));
        let joined = |of: fn(&BatchResponse) -> Vec<String>| {
            let parts: Vec<String> = parts.iter().flat_map(of).collect();
            assert_eq!(parts, of(&whole));
        };
        joined(|part| part.statuses.iter().map(|status| format!("{status:?}")).collect());
        joined(|part| part.sessions.iter().map(|session| format!("{session:?}")).collect());
        let without = BatchResponse { sessions: Vec::new(), ..response() };
        assert!(without.split(&[2, 4]).iter().all(|part| part.sessions.is_empty()));
    }

    #[test]
    fn a_truncated_message_or_another_version_is_refused() {
        let whole = response().encode();
        let without_sessions = BatchResponse { sessions: Vec::new(), ..response() }.encode().len();
        let read = (0..whole.len()).filter(|end| BatchResponse::decode(&whole[..*end], 6).is_ok());
        assert_eq!(read.collect::<Vec<_>>(), [without_sessions]);
        let mut newer = whole;
        newer[0] = VERSION + 1;
        let error = BatchResponse::decode(&newer, 6).unwrap_err();
        assert_eq!(error.to_string(), "bytes are not an answer to a batch request");
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = BatchResponse::decode(&bytes, 3);
        }
    }
}
