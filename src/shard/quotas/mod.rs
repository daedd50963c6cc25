//! Daily quotas of tenants, counted exactly by all shards together.
//!
//! Each tenant with a quota has a home, one of the shards, whose [`ledger`] counts the tenant's events
//! of a day. Every shard has [`leases`] of it, so that it asks the home seldom. A request has a
//! [`reserve`] before it is admitted.
//!
//! Never are more events accepted than the quota has, whatever crashes or gets lost: what was leased
//! counts as used until its shard gives it back. So if the home cannot be reached and the lease is used
//! up, an event is refused with 503, and its client sends it again. To accept it would be kinder to a
//! tenant far below its quota, but then an outage would have no limit, and a quota is a promise about
//! money. A shard with traffic does not notice an outage that is shorter than its lease.
//!
//! A failed event counts, since it costs as much as another. Anyone with the public key of a tenant can
//! use up its quota either way.

pub mod leases;
pub mod ledger;
pub mod reserve;

#[cfg(test)]
mod tests;

/// After how long a shard gives back what it has not used, in milliseconds. An object without requests
/// may be evicted after ten seconds, and a lease would be lost with it.
/// Source: <https://developers.cloudflare.com/durable-objects/concepts/durable-object-lifecycle/>
pub const LEASE_MS: u64 = 8_000;
