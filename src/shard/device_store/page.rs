//! A page: the sessions of quiet devices with neighbouring keys, in one row.
//!
//! A page's key is the last place of its devices, so all devices after the page before it are in it.
//! A page that becomes too long is split. Its parts are written together, or none of them.

use std::collections::BTreeMap;

use super::DeviceStore;
use crate::base::clock::Milliseconds;
use crate::base::codec::{ByteReader, ByteWriter, DecodeError};
use crate::model::device_key::DeviceKey;

/// The place of a device among all: the first 53 bits of its key.
pub(super) type DevicePlace = u64;

/// The bits of a key's first eight bytes that are no part of its place.
const UNPLACED_BITS: u32 = 11;

pub(super) const LAST_PLACE: DevicePlace = u64::MAX >> UNPLACED_BITS;

pub(super) fn place(key: &DeviceKey) -> DevicePlace {
    key.shard_hash() >> UNPLACED_BITS
}

/// Returns the first key of a place.
pub(super) fn first_key(place: DevicePlace) -> DeviceKey {
    let mut key = [0; DeviceKey::BYTES];
    let first: [u8; 8] = (place << UNPLACED_BITS).to_be_bytes();
    key.iter_mut().zip(first).for_each(|(byte, first)| *byte = first);
    DeviceKey::from_bytes(key)
}

/// A device in a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PagedDevice {
    pub(super) last_seen: Milliseconds,
    /// As encoded, in any version.
    pub(super) sessions: Box<[u8]>,
}

#[derive(Debug, Default)]
pub(super) struct DevicePage {
    pub(super) devices: BTreeMap<DeviceKey, PagedDevice>,
}

impl DevicePage {
    /// The version of a page, its first byte. In every version the time follows when the last of its
    /// devices was seen; the rest may differ.
    const VERSION: u8 = 1;
    const HEAD_BYTES: usize = 9;
    /// The bytes of a device besides its sessions.
    const DEVICE_BYTES: usize = 28;

    /// Reads a page. A page of another version is empty. Of one that is not valid, the devices before
    /// the invalid one count.
    pub(super) fn decode(row: &[u8]) -> Self {
        let mut page = Self::default();
        // What could be read counts.
        let _ = each_device(row, |key, last_seen, sessions| {
            page.devices.insert(key, PagedDevice { last_seen, sessions: sessions.into() });
            false
        });
        page
    }

    /// Splits the page into parts of at most `max_bytes`, each with its key. The last one keeps `key`.
    pub(super) fn encode(&self, key: DevicePlace, max_bytes: usize) -> Vec<(DevicePlace, Vec<u8>)> {
        let len = |device: &PagedDevice| device.sessions.len().saturating_add(Self::DEVICE_BYTES);
        let bytes = self.devices.values().map(len).fold(Self::HEAD_BYTES, usize::saturating_add);
        let parts = bytes.checked_div(max_bytes).unwrap_or_default().saturating_add(1);
        let part_bytes = bytes.div_ceil(parts);
        let (mut pages, mut part, mut newest, mut last) = (Vec::new(), Vec::new(), 0, None);
        for (device_key, device) in &self.devices {
            let place = place(device_key);
            match last {
                Some(last) if part.len() >= part_bytes && last != place => {
                    pages.push((last, page(newest, &std::mem::take(&mut part))));
                    newest = 0;
                }
                Some(_) | None => {}
            }
            newest = newest.max(device.last_seen);
            part.put(device_key.as_bytes());
            part.put_u64(device.last_seen);
            part.put_bytes(&device.sessions);
            last = Some(place);
        }
        if !part.is_empty() {
            pages.push((key, page(newest, &part)));
        }
        pages
    }
}

fn page(newest: Milliseconds, devices: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(devices.len().saturating_add(DevicePage::HEAD_BYTES));
    bytes.put_u8(DevicePage::VERSION);
    bytes.put_u64(newest);
    bytes.put(devices);
    bytes
}

/// Returns the sessions of a device in a page, as encoded.
pub(super) fn find(row: &[u8], key: &DeviceKey) -> Option<Vec<u8>> {
    let mut found = None;
    // What could be read counts. Devices are in the order of their keys.
    let _ = each_device(row, |of, _, sessions| {
        found = (of == *key).then(|| sessions.to_vec());
        of >= *key
    });
    found
}

/// Whether a device in a page, or the page itself if it cannot be read, has not been seen for too long.
pub(super) fn has_expired(row: &[u8], now: Milliseconds) -> bool {
    let mut has_expired = false;
    let read = each_device(row, |_, last_seen, _| {
        has_expired = DeviceStore::is_expired(last_seen, now);
        has_expired
    });
    let mut reader = ByteReader::new(row, "a page of devices");
    let newest = reader.u8().and_then(|_| reader.u64()).unwrap_or_default();
    has_expired || (read.is_err() && DeviceStore::is_expired(newest, now))
}

/// Calls `each` for the devices of a page, until it returns true.
fn each_device(
    row: &[u8],
    mut each: impl FnMut(DeviceKey, Milliseconds, &[u8]) -> bool,
) -> Result<(), DecodeError> {
    let mut reader = ByteReader::new(row, "a page of devices");
    if reader.u8()? != DevicePage::VERSION {
        return Err(reader.malformed());
    }
    reader.u64()?;
    while !reader.is_at_end() {
        let key = DeviceKey::from_bytes(reader.array()?);
        if each(key, reader.u64()?, reader.bytes()?) {
            break;
        }
    }
    Ok(())
}
