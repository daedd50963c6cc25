//! The shard: the object that owns a slice of the devices, as far as it is a function of its
//! arguments.
//!
//! `key` names a device, `wire` writes what crosses between the edge and a shard and what a
//! shard stores, `storage` is what it stores that in, `devices` are the sessions that it keeps.

pub mod devices;
pub mod key;
pub mod storage;
pub mod wire;
