//! The sessions of a shard's devices, in bounded memory and in storage.
//!
//! An active device is in memory, and in the journal since the last checkpoint. Quiet devices, or the
//! less recently seen half of too many, wait there until several of them belong to one page
//! ([`page`]). The pages for most of them are written first. Then these devices leave memory and
//! journal, and are read from their page when they return. So a checkpoint writes one row of the
//! journal, and few pages. If the object is lost, so are changes since the last checkpoint, whose
//! events may then get other sessions.
//!
//! New devices of a tenant that has its share are not stored: the last ones are in memory, until others of
//! them come.
//!
//! If a device is in memory, that state counts, and never its page. A page that cannot be read (of
//! another version, or invalid) has no devices, and is replaced when devices are added to it. It is
//! never an error. Sessions that cannot be read count as those of a device that was never seen.

pub mod journal;
mod page;

use std::collections::BTreeMap;

use self::journal::{Journal, JournalEntry};
use self::page::{DevicePage, DevicePlace, LAST_PLACE, PagedDevice, place};
use super::storage::{Storage, StorageError, Table, for_each_key};
use crate::base::clock::Milliseconds;
use crate::base::codec::{ByteReader, DecodeError};
use crate::base::order::ascending;
use crate::model::device_key::DeviceKey;
use crate::model::session::SessionInfo;
use crate::shard::sessions;
use crate::shard::sessions::{DeviceSessions, SessionEvent};

/// The most devices in memory after a checkpoint; in between there may be a quarter more. A device
/// with one session takes about 170 bytes there, so all take 7 to 9 MB, and 96 bytes in the journal.
/// The journal has at most 4 MiB of stale entries.
pub const MAX_DEVICES: usize = 40_000;

/// The most devices that are not stored, in each of two maps: some 0.7 MB in all.
const MAX_PASSING: usize = 2_048;

/// Days after which the sessions of a device that was not seen are deleted.
pub const RETENTION_DAYS: u64 = 395;

/// The limits of a device store, and the interval of its checks.
#[derive(Debug, Clone, Copy)]
struct StoreLimits {
    /// Devices in memory after a checkpoint.
    devices: usize,
    /// Interval between two searches for quiet devices and old rows, in milliseconds.
    round_ms: u64,
    /// Quiet devices that wait in memory for each page, and the least and the most of all.
    quiet_per_page: usize,
    min_quiet: usize,
    max_quiet: usize,
    /// Pages that one checkpoint writes for quiet devices.
    pages: usize,
    /// The bytes of a page before it is split, while there are few pages.
    page_bytes: usize,
    journal: journal::JournalLimits,
}

impl StoreLimits {
    const DEFAULT: Self = Self {
        devices: MAX_DEVICES,
        round_ms: 60_000,
        quiet_per_page: 32,
        min_quiet: 1_024,
        max_quiet: 16_384,
        pages: 64,
        page_bytes: 32_768,
        journal: journal::JournalLimits::DEFAULT,
    };

    /// Returns the bytes of a page before it is split. With many pages they are larger, since else
    /// fewer devices would wait for each.
    fn max_page_bytes(self, pages: usize) -> usize {
        self.page_bytes.saturating_mul((pages / 512).clamp(1, 16))
    }

    const fn max_devices(self) -> usize {
        self.devices.saturating_add(self.devices / 4)
    }
}

#[derive(Debug)]
pub struct DeviceStore {
    policy: sessions::SessionConfig,
    limits: StoreLimits,
    /// The devices in memory.
    active: BTreeMap<DeviceKey, StoredDevice>,
    /// Devices whose journal entry is outdated; some may have left since.
    dirty: Vec<DeviceKey>,
    journal: Journal,
    /// The keys of all pages, in their order.
    pages: Vec<DevicePlace>,
    /// The last round that was completed.
    round: Option<u64>,
    /// The last new devices of tenants that have their share, the newer ones first. These are never stored.
    passing: [BTreeMap<DeviceKey, Box<[u8]>>; 2],
}

/// An event of a device.
#[derive(Debug, Clone, Copy)]
pub struct DeviceEvent<'a> {
    pub key: DeviceKey,
    /// The device's id of the day before, if ids change daily.
    pub previous: Option<DeviceKey>,
    pub event: &'a SessionEvent,
}

#[derive(Debug, Default)]
struct StoredDevice {
    /// As encoded: half of the bytes.
    sessions: Box<[u8]>,
    /// The shard's clock when it was last observed.
    last_seen: Milliseconds,
    state: DeviceState,
}

/// Whether the journal has its current sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum DeviceState {
    #[default]
    Journaled,
    Dirty,
}

/// Why sessions of another shard were not imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// They are of another version, or truncated.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// The storage could not be searched for the device.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl DeviceStore {
    /// Loads the devices of the last checkpoint.
    pub fn load(
        storage: &impl Storage,
        policy: sessions::SessionConfig,
        now: Milliseconds,
    ) -> Result<Self, StorageError> {
        Self::load_within(storage, policy, StoreLimits::DEFAULT, now)
    }

    fn load_within(
        storage: &impl Storage,
        policy: sessions::SessionConfig,
        limits: StoreLimits,
        now: Milliseconds,
    ) -> Result<Self, StorageError> {
        let mut active = BTreeMap::new();
        let mut journal = Journal::load(storage, limits.journal, |entry| match entry {
            JournalEntry::Active { key, last_seen, sessions } => {
                if decode(sessions).is_ok() {
                    let sessions = sessions.into();
                    let (last_seen, state) = (last_seen.min(now), DeviceState::Journaled);
                    active.insert(key, StoredDevice { sessions, last_seen, state });
                }
            }
            JournalEntry::Left { key } => {
                active.remove(&key);
            }
        })?;
        let lengths = active.iter().map(|(key, device)| device.entry(*key).len());
        journal.set_snapshot_bytes(lengths.fold(0, usize::saturating_add));
        let pages = page_keys(storage)?;
        let (dirty, passing) = (Vec::new(), Default::default());
        Ok(Self { policy, limits, active, dirty, journal, pages, round: None, passing })
    }

    /// Assigns an event to its session. The result is durable after the next checkpoint.
    ///
    /// A device that is not known continues with a copy of the sessions of `previous`, unless they had
    /// ended before this event. It is stored if it `may_be_stored`, which is asked only then. Otherwise it
    /// is remembered until some thousand others come.
    pub fn assign_session(
        &mut self,
        storage: &impl Storage,
        of: DeviceEvent<'_>,
        may_be_stored: impl FnOnce() -> bool,
        random: impl FnOnce() -> [u8; 10],
        now: Milliseconds,
    ) -> Result<SessionInfo, StorageError> {
        let DeviceEvent { key, previous, event } = of;
        if !self.active.contains_key(&key) {
            let passing = self.passing.iter().find_map(|devices| decode(devices.get(&key)?).ok());
            let stored = match passing {
                None => self.read_page(storage, &key)?,
                Some(_) => None,
            };
            let is_stored = stored.is_some() || may_be_stored();
            let sessions = match (passing.or(stored), previous) {
                (Some(sessions), _) => sessions,
                (None, None) => DeviceSessions::default(),
                (None, Some(previous)) => self.ongoing(storage, &previous, event)?,
            };
            self.passing.iter_mut().for_each(|devices| drop(devices.remove(&key)));
            if !is_stored {
                return Ok(self.assign_passing(key, sessions, event, random));
            }
            self.insert(storage, key, &sessions, now)?;
        }
        let device = self.active.entry(key).or_default();
        if device.state == DeviceState::Journaled {
            device.state = DeviceState::Dirty;
            self.dirty.push(key);
        }
        device.last_seen = now;
        let mut sessions = decode(&device.sessions).unwrap_or_default();
        let info = sessions.observe(event, self.policy, random);
        // Mostly they have as many bytes as before, and keep their place.
        let mut bytes = std::mem::take(&mut device.sessions).into_vec();
        bytes.clear();
        sessions.encode(&mut bytes);
        device.sessions = bytes.into();
        Ok(info)
    }

    /// Assigns an event of a device that is not stored, and displaces only other such devices.
    fn assign_passing(
        &mut self,
        key: DeviceKey,
        mut sessions: DeviceSessions,
        event: &SessionEvent,
        random: impl FnOnce() -> [u8; 10],
    ) -> SessionInfo {
        let info = sessions.observe(event, self.policy, random);
        let [newer, older] = &mut self.passing;
        if newer.len() >= MAX_PASSING {
            *older = std::mem::take(newer);
        }
        newer.insert(key, encode(&sessions).into());
        info
    }

    /// Returns the sessions of `key` that had not ended before `event`.
    fn ongoing(
        &self,
        storage: &impl Storage,
        key: &DeviceKey,
        event: &SessionEvent,
    ) -> Result<DeviceSessions, StorageError> {
        let sessions = match self.in_memory(key) {
            Some(sessions) => decode(sessions).ok(),
            None => self.read_page(storage, key)?,
        };
        let timeout_ms = self.policy.timeout_ms;
        let goes_on = |sessions: &DeviceSessions| {
            let last_at = sessions.last_at();
            last_at.is_some_and(|last| last >= event.at.saturating_sub_unsigned(timeout_ms))
        };
        Ok(sessions.filter(goes_on).unwrap_or_default())
    }

    pub fn contains(&self, storage: &impl Storage, key: &DeviceKey) -> Result<bool, StorageError> {
        Ok(self.in_memory(key).is_some() || self.read_page(storage, key)?.is_some())
    }

    /// Returns the encoded sessions of a device in memory, whether it is stored or not.
    fn in_memory(&self, key: &DeviceKey) -> Option<&[u8]> {
        let passing = || self.passing.iter().find_map(|devices| devices.get(key));
        let active = self.active.get(key).map(|device| &device.sessions);
        active.or_else(passing).map(AsRef::as_ref)
    }

    /// Returns the encoded sessions of `key`, if there are any, for [`Self::import_sessions`] in another
    /// shard.
    pub fn export_sessions(
        &self,
        storage: &impl Storage,
        key: &DeviceKey,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        if let Some(sessions) = self.in_memory(key) {
            return Ok(Some(sessions.to_vec()));
        }
        Ok(self.read_page(storage, key)?.as_ref().map(encode))
    }

    /// Imports the sessions that `key` had at another shard, unless this shard knows it already.
    pub fn import_sessions(
        &mut self,
        storage: &impl Storage,
        key: DeviceKey,
        bytes: &[u8],
        now: Milliseconds,
    ) -> Result<(), ImportError> {
        let sessions = decode(bytes)?;
        if !self.contains(storage, &key)? {
            self.insert(storage, key, &sessions, now)?;
        }
        Ok(())
    }

    /// Adds a device to memory, after a checkpoint if memory is full.
    fn insert(
        &mut self,
        storage: &impl Storage,
        key: DeviceKey,
        sessions: &DeviceSessions,
        now: Milliseconds,
    ) -> Result<(), StorageError> {
        if self.active.len() >= self.limits.max_devices() {
            self.checkpoint(storage, now)?;
        }
        let (sessions, state) = (encode(sessions).into(), DeviceState::Dirty);
        self.active.insert(key, StoredDevice { sessions, last_seen: now, state });
        self.dirty.push(key);
        Ok(())
    }

    /// Makes changes durable, moves quiet devices out of memory, and deletes old rows. If it fails,
    /// the next checkpoint does the rest.
    pub fn checkpoint(
        &mut self,
        storage: &impl Storage,
        now: Milliseconds,
    ) -> Result<(), StorageError> {
        let round = now.checked_div(self.limits.round_ms);
        if round != self.round || self.active.len() > self.limits.devices {
            let waiting = self.evict_idle(storage, now)?;
            if round != self.round && waiting == 0 {
                self.delete_expired(storage, round.unwrap_or_default(), now)?;
                self.round = round;
            }
        }
        let Self { active, dirty, journal, .. } = self;
        while let Some(key) = dirty.last() {
            let device = active.get_mut(key);
            if let Some(device) = device.filter(|device| device.state == DeviceState::Dirty) {
                journal.append(storage, device.entry(*key))?;
                device.state = DeviceState::Journaled;
            }
            dirty.pop();
        }
        journal.flush(storage)?;
        if journal.is_stale() {
            journal.rewrite(storage, |journal| {
                let mut devices = active.iter();
                devices.try_for_each(|(key, device)| journal.append(storage, device.entry(*key)))
            })?;
        }
        Ok(())
    }

    /// Writes pages for quiet devices if too many wait, and for the less recently seen half if there
    /// are too many devices. The pages for most of them are first. Returns how many quiet ones are
    /// still too many.
    fn evict_idle(
        &mut self,
        storage: &impl Storage,
        now: Milliseconds,
    ) -> Result<usize, StorageError> {
        let limits = self.limits;
        let mut quiet_before = now.saturating_sub(self.policy.timeout_ms);
        let (mut times, mut quiet) = (Vec::with_capacity(self.active.len()), 0_usize);
        for device in self.active.values_mut() {
            // If the clock was set back, a device would otherwise stay until the clock caught up.
            device.last_seen = device.last_seen.min(now);
            quiet = quiet.saturating_add(usize::from(device.last_seen < quiet_before));
            times.push(device.last_seen);
        }
        let may_wait = self.pages.len().saturating_mul(limits.quiet_per_page);
        let mut too_quiet =
            quiet.saturating_sub(may_wait.clamp(limits.min_quiet, limits.max_quiet));
        let mut too_many = self.active.len().saturating_sub(limits.devices);
        if too_many > 0 {
            let middle = times.len() / 2;
            let (_, median, _) = times.select_nth_unstable(middle);
            quiet_before = quiet_before.max(median.saturating_add(1));
        }
        if too_many == 0 && too_quiet == 0 {
            return Ok(0);
        }
        for (number, (page, _)) in self.leaving_by_page(quiet_before).into_iter().enumerate() {
            if too_many == 0 && (too_quiet == 0 || number >= limits.pages) {
                break;
            }
            let left = self.write_page(storage, page, quiet_before, now)?;
            too_many = too_many.saturating_sub(left);
            too_quiet = too_quiet.saturating_sub(left);
        }
        Ok(too_quiet)
    }

    /// Returns the pages of the devices that were last seen before `before`, with their number, the
    /// largest first.
    fn leaving_by_page(&self, before: Milliseconds) -> Vec<(DevicePlace, usize)> {
        let mut counts: Vec<(DevicePlace, usize)> = Vec::new();
        let leaving = self.active.iter().filter(|(_, device)| device.last_seen < before);
        for (key, _) in leaving {
            match counts.last_mut() {
                Some((page, count)) if place(key) <= *page => *count = count.saturating_add(1),
                Some(_) | None => counts.push((self.page_of(key), 1)),
            }
        }
        let order = ascending(&mut counts.iter().map(|(_, count)| !(*count as u64)));
        order.iter().filter_map(|(_, at)| counts.get(*at).copied()).collect()
    }

    /// Returns the key of the page of a device, which may not exist yet.
    fn page_of(&self, key: &DeviceKey) -> DevicePlace {
        let index = self.pages.partition_point(|last| *last < place(key));
        self.pages.get(index).copied().unwrap_or(LAST_PLACE)
    }

    /// Returns the sessions of a device in its page.
    fn read_page(
        &self,
        storage: &impl Storage,
        key: &DeviceKey,
    ) -> Result<Option<DeviceSessions>, StorageError> {
        let row = storage.get(Table::DevicePages, &self.page_of(key).to_be_bytes())?;
        Ok(row.and_then(|row| decode(&page::find(&row, key)?).ok()))
    }

    /// Adds the devices of a page that were last seen before `before` to it, removes them from memory,
    /// and deletes those that were not seen for too long. Returns how many left memory.
    fn write_page(
        &mut self,
        storage: &impl Storage,
        key: DevicePlace,
        before: Milliseconds,
        now: Milliseconds,
    ) -> Result<usize, StorageError> {
        let row = storage.get(Table::DevicePages, &key.to_be_bytes())?.unwrap_or_default();
        let mut page = DevicePage::decode(&row);
        let index = self.pages.partition_point(|last| *last < key);
        let page_before = index.checked_sub(1).and_then(|index| self.pages.get(index));
        let first = page_before.map_or(0, |last| last.saturating_add(1));
        let mut leaving = Vec::new();
        let devices = self.active.range(page::first_key(first)..);
        for (device_key, device) in devices.take_while(|(device, _)| place(device) <= key) {
            if device.last_seen < before {
                let (last_seen, sessions) = (device.last_seen, device.sessions.clone());
                page.devices.insert(*device_key, PagedDevice { last_seen, sessions });
                leaving.push(*device_key);
            }
        }
        page.devices.retain(|_, device| !Self::is_expired(device.last_seen, now));
        let parts = page.encode(key, self.limits.max_page_bytes(self.pages.len()));
        let keys: Vec<DevicePlace> = parts.iter().map(|(key, _)| *key).collect();
        let change = |(key, part): (DevicePlace, _)| (key.to_be_bytes().to_vec(), Some(part));
        let mut changes: Vec<_> = parts.into_iter().map(change).collect();
        if changes.is_empty() {
            changes.push((key.to_be_bytes().to_vec(), None));
        }
        storage.change(Table::DevicePages, &changes)?;
        let is_old = self.pages.get(index) == Some(&key);
        self.pages.splice(index..index.saturating_add(usize::from(is_old)), keys);
        let left = leaving.len();
        for key in leaving {
            self.journal.append(storage, JournalEntry::Left { key })?;
            self.active.remove(&key);
        }
        Ok(left)
    }

    /// Checks a page, and deletes its devices that were not seen for too long. The pages of the rounds
    /// are a golden section apart. So any run of rounds covers the pages evenly, and the last position
    /// need not be stored.
    fn delete_expired(
        &mut self,
        storage: &impl Storage,
        round: u64,
        now: Milliseconds,
    ) -> Result<(), StorageError> {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let position = u128::from(round.wrapping_mul(GOLDEN));
        let index = position.saturating_mul(self.pages.len() as u128) >> 64;
        let Some(key) = self.pages.get(index as usize).copied() else { return Ok(()) };
        let row = storage.get(Table::DevicePages, &key.to_be_bytes())?.unwrap_or_default();
        if page::has_expired(&row, now) {
            self.write_page(storage, key, 0, now)?;
        }
        Ok(())
    }

    const fn is_expired(last_seen: Milliseconds, now: Milliseconds) -> bool {
        const RETENTION_MS: u64 = RETENTION_DAYS * 86_400_000;
        now.saturating_sub(last_seen) > RETENTION_MS
    }

    pub fn has_changed(&self) -> bool {
        !self.dirty.is_empty() || self.journal.is_behind()
    }

    /// Returns the number of devices in memory.
    pub fn len(&self) -> usize {
        self.active.len()
    }

    /// Whether no device is in memory.
    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }
}

impl StoredDevice {
    fn entry(&self, key: DeviceKey) -> JournalEntry<'_> {
        JournalEntry::Active { key, last_seen: self.last_seen, sessions: &self.sessions }
    }
}

/// Returns the keys of all pages, in their order.
fn page_keys(storage: &impl Storage) -> Result<Vec<DevicePlace>, StorageError> {
    let mut pages = Vec::new();
    for_each_key(storage, Table::DevicePages, &[], |key| {
        pages.extend(ByteReader::new(&key, "the key of a page").u64());
        Ok(())
    })?;
    Ok(pages)
}

fn encode(sessions: &DeviceSessions) -> Vec<u8> {
    let mut bytes = Vec::new();
    sessions.encode(&mut bytes);
    bytes
}

fn decode(bytes: &[u8]) -> Result<DeviceSessions, DecodeError> {
    let mut reader = ByteReader::new(bytes, "the sessions of a device");
    let sessions = DeviceSessions::decode(&mut reader)?;
    reader.end()?;
    Ok(sessions)
}

#[cfg(test)]
mod tests;
