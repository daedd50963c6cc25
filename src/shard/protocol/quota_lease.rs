//! What a shard and the home of a tenant say to each other about the tenant's quota.

use crate::base::clock::Milliseconds;
use crate::base::codec::{ByteReader, ByteWriter, DecodeError};
use crate::model::placement::ShardNumber;
use crate::model::quota::{DailyQuota, UtcDay};

const VERSION: u8 = 1;

/// The question of a shard, or of a request that delivers directly, to the home of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRequest {
    pub tenant: String,
    pub day: UtcDay,
    pub quota: DailyQuota,
    /// The lease that it extends or gives back. A request without a shard has none: what it gets
    /// counts as used.
    pub lease: Option<LeaseState>,
    /// How many more events are here now.
    pub need: u64,
    /// How many more events are expected before the next question, those of `need` included.
    pub want: u64,
}

/// A lease as its shard knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseState {
    pub shard: ShardNumber,
    /// Drawn at random, so that a shard that lost its memory has another lease.
    pub id: u64,
    /// The number of the question: an older one that arrives late changes nothing.
    pub sequence: u64,
    /// How many events have used it.
    pub used: u64,
    /// How many more it keeps. The rest is given back.
    pub kept: u64,
}

/// The answer of the home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseGrant {
    /// How many more events the lease has now.
    pub extra: u64,
    /// Since when the tenant is over its quota, if it is.
    pub over_since: Option<Milliseconds>,
    /// When it is worth asking again for a tenant that is over its quota, in milliseconds from now.
    pub retry_after_ms: u64,
}

impl LeaseRequest {
    pub fn encode(&self) -> Vec<u8> {
        let Self { tenant, day, quota, lease, need, want } = self;
        let mut bytes = vec![VERSION];
        bytes.put_bytes(tenant.as_bytes());
        bytes.put_u32(day.number());
        for number in [quota.events(), *need, *want] {
            bytes.put_u64(number);
        }
        if let Some(LeaseState { shard, id, sequence, used, kept }) = lease {
            bytes.put_u32(*shard);
            for number in [id, sequence, used, kept] {
                bytes.put_u64(*number);
            }
        }
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = ByteReader::new(bytes, "a lease request of this version");
        if reader.u8()? != VERSION {
            return Err(reader.malformed());
        }
        let (tenant, day) = (reader.text()?.to_owned(), UtcDay::from_number(reader.u32()?));
        let quota = DailyQuota::new(reader.u64()?).ok_or(reader.malformed())?;
        let (need, want) = (reader.u64()?, reader.u64()?);
        let lease = match reader.is_at_end() {
            true => None,
            false => Some(LeaseState {
                shard: reader.u32()?,
                id: reader.u64()?,
                sequence: reader.u64()?,
                used: reader.u64()?,
                kept: reader.u64()?,
            }),
        };
        reader.end()?;
        Ok(Self { tenant, day, quota, lease, need, want })
    }
}

impl LeaseGrant {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.put_u64(self.extra);
        bytes.put_u64(self.over_since.unwrap_or(0));
        bytes.put_u64(self.retry_after_ms);
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = ByteReader::new(bytes, "a lease grant of this version");
        if reader.u8()? != VERSION {
            return Err(reader.malformed());
        }
        let extra = reader.u64()?;
        let over_since = Some(reader.u64()?).filter(|since| *since > 0);
        let retry_after_ms = reader.u64()?;
        reader.end()?;
        Ok(Self { extra, over_since, retry_after_ms })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let lease = LeaseState { shard: 7, id: u64::MAX, sequence: 3, used: 40, kept: 2 };
        for lease in [None, Some(lease)] {
            let request = LeaseRequest {
                tenant: "shop".to_owned(),
                day: UtcDay::from_number(20_000),
                quota: DailyQuota::new(1_000).unwrap(),
                lease,
                need: 5,
                want: 80,
            };
            assert_eq!(LeaseRequest::decode(&request.encode()), Ok(request.clone()));
            let cut = request.encode();
            assert!((0..cut.len()).all(|end| {
                LeaseRequest::decode(&cut[..end]).map_or(true, |read| read.lease != request.lease)
            }));
        }
        for over_since in [None, Some(1_795_000_000_123)] {
            let grant = LeaseGrant { extra: 9, over_since, retry_after_ms: 5_000 };
            assert_eq!(LeaseGrant::decode(&grant.encode()), Ok(grant));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = LeaseRequest::decode(&bytes);
            let _ = LeaseGrant::decode(&bytes);
            let ours = [&[VERSION][..], &bytes].concat();
            let _ = LeaseRequest::decode(&ours);
        }
    }
}
