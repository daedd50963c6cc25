//! The home of a tenant: the shard that counts the tenant's events of a day, for all shards.
//!
//! It grants leases. A lease counts as used from the moment it is granted, and its row is in the
//! storage before the answer leaves: so no crash and no lost message can make more events of a quota.
//! Each question has the whole state of its lease, so a lost answer costs nothing once the shard asks
//! again. A lease of a shard that lost its memory stays used.
//!
//! The homes are eight shards, whatever the number of shards: if that number decided, a tenant would
//! have a second quota on the day on which it changes. If the jurisdiction changes, each home takes over
//! the counts of the home before, tenant by tenant. That one grants nothing from then on.

use sha2::{Digest, Sha256};

use super::LEASE_MS;
use crate::base::clock::Milliseconds;
use crate::base::codec::{ByteReader, ByteWriter, DecodeError};
use crate::model::placement::{ShardNumber, shard_of};
use crate::model::quota::UtcDay;
use crate::model::shard_address::{Jurisdiction, ShardAddress};
use crate::shard::protocol::quota_lease::{LeaseGrant, LeaseRequest, LeaseState};
use crate::shard::storage::{Storage, StorageError, Table};

/// The number of homes. It must never change: see above.
pub const HOMES: ShardNumber = 8;

/// Beyond its need, a lease gets at most the remainder divided by this and the number of shards.
const SHARES_PER_SHARD: u64 = 4;

/// When to ask again while other shards may give something back, in milliseconds.
const RETRY_SOON_MS: u64 = 2_000;

/// When to ask again otherwise, in milliseconds: a record may turn out not to be durable, and give its
/// event back.
pub const RETRY_LATE_MS: u64 = 30_000;

/// Rows of past days that one question deletes at most.
const DELETED_ROWS: usize = 100;

const VERSION: u8 = 1;

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The counts of such a day may be deleted already.
    #[error("day {asked} is not near day {today}")]
    Day { asked: u32, today: u32 },
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("the count of a tenant can't be read: {0}")]
    Unreadable(#[from] DecodeError),
    #[error("the count of a tenant has moved to another jurisdiction")]
    Moved,
}

/// Returns the home of the tenant called `name`.
pub fn home_of(name: &str, jurisdiction: Jurisdiction) -> ShardAddress {
    let hash: [u8; 32] = Sha256::digest(name.as_bytes()).into();
    let first = hash.as_chunks().0.first().copied().unwrap_or_default();
    ShardAddress { number: shard_of(u64::from_be_bytes(first), HOMES), jurisdiction }
}

/// Whether the count of a request's tenant and day is here, and not in the home before.
pub fn is_counted_here(
    storage: &impl Storage,
    request: &LeaseRequest,
) -> Result<bool, StorageError> {
    let key = key(request);
    Ok(match moves(storage, &key)? {
        0 => storage.get(Table::Quotas, &key)?.is_some(),
        moves => moves & 1 == 0,
    })
}

/// Returns the row of `key` for another home, and notes that the count is there from now on. The answer
/// may be lost: a repeat is answered alike.
pub fn hand_over(storage: &impl Storage, key: &[u8]) -> Result<Vec<u8>, StorageError> {
    let moves = [moves(storage, key)? | 1];
    storage.put(Table::Quotas, &moves_key(key), &moves)?;
    let row = storage.get(Table::Quotas, key)?.unwrap_or_default();
    Ok([&moves, row.as_slice()].concat())
}

/// Takes over what another home has handed over, unless another request has done so meanwhile. If that
/// one never got what was handed over here, the row here is the newer one.
pub fn take_over(
    storage: &impl Storage,
    request: &LeaseRequest,
    handed_over: &[u8],
) -> Result<(), StorageError> {
    if is_counted_here(storage, request)? {
        return Ok(());
    }
    let key = key(request);
    let (other, row) = handed_over.split_first().unwrap_or((&0, &[]));
    let own = moves(storage, &key)?;
    let moves = (own.max(*other) | 1).saturating_add(1);
    let mut changes = vec![(moves_key(&key), Some(vec![moves]))];
    if own < *other && !row.is_empty() {
        changes.push((key, Some(row.to_vec())));
    }
    storage.change(Table::Quotas, &changes)
}

/// Returns how often a row was handed over or taken over: an odd number if it was handed over last. Of
/// two homes, that with the higher number had the count last.
fn moves(storage: &impl Storage, key: &[u8]) -> Result<u8, StorageError> {
    let row = storage.get(Table::Quotas, &moves_key(key))?.unwrap_or_default();
    Ok(row.first().copied().unwrap_or(0))
}

/// Answers a question. `shards` is the number of shards, which share what is left.
#[inline(never)]
pub fn grant(
    storage: &impl Storage,
    request: &LeaseRequest,
    shards: ShardNumber,
    now: Milliseconds,
) -> Result<LeaseGrant, LedgerError> {
    let today = UtcDay::of(now);
    if !request.day.is_near(today) {
        return Err(LedgerError::Day { asked: request.day.number(), today: today.number() });
    }
    delete_past(storage, today)?;
    let key = key(request);
    if moves(storage, &key)? & 1 == 1 {
        return Err(LedgerError::Moved);
    }
    let mut ledger = match storage.get(Table::Quotas, &key)? {
        Some(row) => Ledger::decode(&row)?,
        None => Ledger::default(),
    };
    let Some(lease) = ledger.update(request.lease, now) else {
        return Ok(LeaseGrant { extra: 0, over_since: ledger.over_since, retry_after_ms: 0 });
    };
    let left = request.quota.events().saturating_sub(ledger.charged());
    let share = left.checked_div(SHARES_PER_SHARD.saturating_mul(shards.into())).unwrap_or(0);
    let extra = request.need.max(request.want.min(share)).min(left);
    let is_short = extra < request.need;
    ledger.over_since = match (is_short, request.need) {
        (true, _) => ledger.over_since.or(Some(now)),
        (false, 0) => ledger.over_since,
        (false, _) => None,
    };
    match lease.and_then(|index| ledger.leases.get_mut(index)) {
        Some(lease) => lease.granted = lease.granted.saturating_add(extra),
        None => ledger.closed = ledger.closed.saturating_add(extra),
    }
    storage.put(Table::Quotas, &key, &ledger.encode())?;
    let may_return = ledger.leases.iter().enumerate().any(|(index, other)| {
        Some(index) != lease && other.granted > other.used && other.is_live(now)
    });
    Ok(LeaseGrant {
        extra,
        over_since: ledger.over_since,
        retry_after_ms: if may_return { RETRY_SOON_MS } else { RETRY_LATE_MS },
    })
}

/// The key of the row. The days are in their order, so that the oldest come first.
pub fn key(request: &LeaseRequest) -> Vec<u8> {
    [&request.day.number().to_be_bytes(), request.tenant.as_bytes()].concat()
}

/// The key of the number of [`moves`]. No name of a tenant ends with this byte.
fn moves_key(key: &[u8]) -> Vec<u8> {
    [key, &[0xff]].concat()
}

/// Deletes rows of days before yesterday.
fn delete_past(storage: &impl Storage, today: UtcDay) -> Result<(), StorageError> {
    let is_past = |key: &Vec<u8>| {
        let day = key.first_chunk().map(|day| UtcDay::from_number(u32::from_be_bytes(*day)));
        day.is_none_or(|day| day < today && !day.is_near(today))
    };
    if !storage.keys(Table::Quotas, &[], 1)?.iter().any(is_past) {
        return Ok(());
    }
    let oldest = storage.keys(Table::Quotas, &[], DELETED_ROWS)?;
    let past: Vec<(Vec<u8>, Option<Vec<u8>>)> =
        oldest.into_iter().filter(is_past).map(|key| (key, None)).collect();
    storage.change(Table::Quotas, &past)
}

/// The count of one tenant and day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Ledger {
    /// The events of leases that have ended, and of requests without a shard.
    closed: u64,
    over_since: Option<Milliseconds>,
    /// At most one for each shard.
    leases: Vec<GrantedLease>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct GrantedLease {
    shard: ShardNumber,
    id: u64,
    sequence: u64,
    /// All that it got and did not give back; counts as used.
    granted: u64,
    used: u64,
    asked_at: Milliseconds,
}

impl GrantedLease {
    /// Whether its shard may still give something back.
    const fn is_live(&self, now: Milliseconds) -> bool {
        now < self.asked_at.saturating_add(LEASE_MS.saturating_mul(2))
    }
}

impl Ledger {
    /// The events that are used, or may be.
    fn charged(&self) -> u64 {
        self.leases.iter().map(|lease| lease.granted).fold(self.closed, u64::saturating_add)
    }

    /// Applies the state of a lease, and takes back what it does not keep. Returns its index, if
    /// there is a lease; `None` if the question is an old one.
    fn update(&mut self, state: Option<LeaseState>, now: Milliseconds) -> Option<Option<usize>> {
        let Some(LeaseState { shard, id, sequence, used, kept }) = state else {
            return Some(None);
        };
        let new = GrantedLease { shard, id, sequence, granted: 0, used: 0, asked_at: now };
        let Some(index) = self.leases.iter().position(|lease| lease.shard == shard) else {
            self.leases.push(new);
            return Some(Some(self.leases.len().saturating_sub(1)));
        };
        let lease = self.leases.get_mut(index)?;
        if lease.id != id {
            self.closed = self.closed.saturating_add(lease.granted);
            *lease = new;
            return Some(Some(index));
        }
        if sequence <= lease.sequence {
            return None;
        }
        lease.granted = lease.granted.min(used.saturating_add(kept));
        (lease.used, lease.sequence, lease.asked_at) = (used, sequence, now);
        Some(Some(index))
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.put_u64(self.closed);
        bytes.put_u64(self.over_since.unwrap_or(0));
        for lease in &self.leases {
            let GrantedLease { shard, id, sequence, granted, used, asked_at } = lease;
            bytes.put_u32(*shard);
            for number in [id, sequence, granted, used, asked_at] {
                bytes.put_u64(*number);
            }
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = ByteReader::new(bytes, "a ledger of this version");
        if reader.u8()? != VERSION {
            return Err(reader.malformed());
        }
        let closed = reader.u64()?;
        let over_since = Some(reader.u64()?).filter(|since| *since > 0);
        let mut leases = Vec::new();
        while !reader.is_at_end() {
            leases.push(GrantedLease {
                shard: reader.u32()?,
                id: reader.u64()?,
                sequence: reader.u64()?,
                granted: reader.u64()?,
                used: reader.u64()?,
                asked_at: reader.u64()?,
            });
        }
        Ok(Self { closed, over_since, leases })
    }
}
