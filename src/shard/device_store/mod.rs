//! The sessions of a shard's devices, in bounded memory and in storage.
//!
//! An active device is in memory, and in the journal since the last checkpoint. A quiet device, or
//! the least recently seen of too many, gets a row of its own and leaves both. It is read from its
//! row when it returns. So a checkpoint writes one row of the journal, and one for each device that
//! leaves. If the object is lost, so are changes since the last checkpoint, whose events may then
//! get other sessions.
//!
//! If a device is in memory, that state counts, and never its row. A row that cannot be read (of
//! another version, or invalid) counts as a device that was never seen, and is never an error.

pub mod journal;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use self::journal::{Journal, JournalEntry};
use super::storage::{Storage, StorageError, Table};
use crate::base::clock::Milliseconds;
use crate::base::codec::{ByteReader, ByteWriter, DecodeError};
use crate::model::device_key::DeviceKey;
use crate::model::session::SessionInfo;
use crate::shard::sessions;
use crate::shard::sessions::{DeviceSessions, SessionEvent};

/// The most devices in memory after a checkpoint; in between there may be a quarter more. A device
/// with one session takes about 270 bytes there, so all take 5 to 7 MB, and 96 bytes in the
/// journal. The journal has at most 4 MiB of stale entries.
pub const MAX_DEVICES: usize = 20_000;

/// Days after which the sessions of a device that was not seen are deleted.
pub const RETENTION_DAYS: u64 = 395;

/// The limits of a device store, and the interval of its checks.
#[derive(Debug, Clone, Copy)]
struct StoreLimits {
    /// Devices in memory after a checkpoint.
    devices: usize,
    /// Interval between two searches for quiet devices and old rows, in milliseconds.
    round_ms: u64,
    /// Quiet devices that leave in one checkpoint.
    leaving: usize,
    /// Rows that are checked in one round.
    swept: usize,
    journal: journal::JournalLimits,
}

impl StoreLimits {
    const DEFAULT: Self = Self {
        devices: MAX_DEVICES,
        round_ms: 60_000,
        leaving: 1_000,
        swept: 32,
        journal: journal::JournalLimits::DEFAULT,
    };

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
    /// The last round that was completed.
    round: Option<u64>,
}

#[derive(Debug, Default)]
struct StoredDevice {
    sessions: DeviceSessions,
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
                if let Ok(sessions) = decode(sessions) {
                    let (last_seen, state) = (last_seen.min(now), DeviceState::Journaled);
                    active.insert(key, StoredDevice { sessions, last_seen, state });
                }
            }
            JournalEntry::Left { key } => {
                active.remove(&key);
            }
        })?;
        let lengths = active.iter().map(|(key, device)| device.entry(*key, &mut Vec::new()).len());
        journal.set_snapshot_bytes(lengths.fold(0, usize::saturating_add));
        Ok(Self { policy, limits, active, dirty: Vec::new(), journal, round: None })
    }

    /// Assigns an event of `key` to its session. The result is durable after the next checkpoint.
    ///
    /// `previous` is the device's id of the day before, if ids change daily. A device that is not
    /// known continues with a copy of the sessions of `previous`, unless they had ended before this
    /// event.
    pub fn observe(
        &mut self,
        storage: &impl Storage,
        key: DeviceKey,
        previous: Option<DeviceKey>,
        event: &SessionEvent,
        random: impl FnOnce() -> [u8; 10],
        now: Milliseconds,
    ) -> Result<SessionInfo, StorageError> {
        if !self.active.contains_key(&key) {
            let sessions = match (read_row(storage, &key)?, previous) {
                (Some(sessions), _) => sessions,
                (None, None) => DeviceSessions::default(),
                (None, Some(previous)) => self.ongoing(storage, &previous, event)?,
            };
            self.insert(storage, key, sessions, now)?;
        }
        let device = self.active.entry(key).or_default();
        if device.state == DeviceState::Journaled {
            device.state = DeviceState::Dirty;
            self.dirty.push(key);
        }
        device.last_seen = now;
        Ok(device.sessions.observe(event, self.policy, random))
    }

    /// Returns the sessions of `key` that had not ended before `event`.
    fn ongoing(
        &self,
        storage: &impl Storage,
        key: &DeviceKey,
        event: &SessionEvent,
    ) -> Result<DeviceSessions, StorageError> {
        let sessions = match self.active.get(key) {
            Some(device) => Some(device.sessions.clone()),
            None => read_row(storage, key)?,
        };
        let timeout_ms = self.policy.timeout_ms;
        let goes_on = |sessions: &DeviceSessions| {
            let last_at = sessions.last_at();
            last_at.is_some_and(|last| last >= event.at.saturating_sub_unsigned(timeout_ms))
        };
        Ok(sessions.filter(goes_on).unwrap_or_default())
    }

    pub fn contains(&self, storage: &impl Storage, key: &DeviceKey) -> Result<bool, StorageError> {
        Ok(self.active.contains_key(key) || read_row(storage, key)?.is_some())
    }

    /// Returns the encoded sessions of `key`, if there are any, for [`Self::import_sessions`] in another
    /// shard.
    pub fn export_sessions(
        &self,
        storage: &impl Storage,
        key: &DeviceKey,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        if let Some(device) = self.active.get(key) {
            return Ok(Some(encode(&device.sessions)));
        }
        Ok(read_row(storage, key)?.as_ref().map(encode))
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
            self.insert(storage, key, sessions, now)?;
        }
        Ok(())
    }

    /// Adds a device to memory, after a checkpoint if memory is full.
    fn insert(
        &mut self,
        storage: &impl Storage,
        key: DeviceKey,
        sessions: DeviceSessions,
        now: Milliseconds,
    ) -> Result<(), StorageError> {
        if self.active.len() >= self.limits.max_devices() {
            self.checkpoint(storage, now)?;
        }
        self.active
            .insert(key, StoredDevice { sessions, last_seen: now, state: DeviceState::Dirty });
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
            let quiet_left = self.evict_idle(storage, now)?;
            if round != self.round && quiet_left == 0 {
                delete_expired(storage, self.limits.swept, round.unwrap_or_default(), now)?;
                self.round = round;
            }
        }
        let Self { active, dirty, journal, .. } = self;
        while let Some(key) = dirty.last() {
            let device = active.get_mut(key);
            if let Some(device) = device.filter(|device| device.state == DeviceState::Dirty) {
                journal.append(storage, device.entry(*key, &mut Vec::new()))?;
                device.state = DeviceState::Journaled;
            }
            dirty.pop();
        }
        journal.flush(storage)?;
        if journal.is_stale() {
            journal.rewrite(storage, |journal| {
                let mut devices = active.iter();
                devices.try_for_each(|(key, device)| {
                    journal.append(storage, device.entry(*key, &mut Vec::new()))
                })
            })?;
        }
        Ok(())
    }

    /// Writes rows for quiet devices, up to a limit, and for those above the limit of devices, the
    /// least recently seen first. Returns how many quiet ones remain.
    fn evict_idle(
        &mut self,
        storage: &impl Storage,
        now: Milliseconds,
    ) -> Result<usize, StorageError> {
        let mut by_age = BinaryHeap::with_capacity(self.active.len());
        let mut quiet = 0_usize;
        for (key, device) in &mut self.active {
            // If the clock was set back, a device would otherwise stay until the clock caught up.
            device.last_seen = device.last_seen.min(now);
            let is_quiet = now.saturating_sub(device.last_seen) > self.policy.timeout_ms;
            quiet = quiet.saturating_add(usize::from(is_quiet));
            by_age.push(Reverse((device.last_seen, *key)));
        }
        let too_many = self.active.len().saturating_sub(self.limits.devices);
        let leaving = quiet.min(self.limits.leaving).max(too_many);
        for _ in 0..leaving {
            let Some(Reverse((_, key))) = by_age.pop() else { break };
            let Some(device) = self.active.get(&key) else { continue };
            storage.put(Table::Devices, key.as_bytes(), &device.row())?;
            self.journal.append(storage, JournalEntry::Left { key })?;
            self.active.remove(&key);
        }
        Ok(quiet.saturating_sub(leaving))
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
    fn entry<'a>(&self, key: DeviceKey, sessions: &'a mut Vec<u8>) -> JournalEntry<'a> {
        self.sessions.encode(sessions);
        JournalEntry::Active { key, last_seen: self.last_seen, sessions }
    }

    fn row(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.put_u8(ROW_VERSION);
        bytes.put_u64(self.last_seen);
        self.sessions.encode(&mut bytes);
        bytes
    }
}

/// The version of a device's row, its first byte. In every version the time when the device was
/// last seen follows; the rest may differ.
const ROW_VERSION: u8 = 1;

/// Reads the sessions in the row of `key`; `None` if there is no row, or it cannot be read.
fn read_row(
    storage: &impl Storage,
    key: &DeviceKey,
) -> Result<Option<DeviceSessions>, StorageError> {
    let row = storage.get(Table::Devices, key.as_bytes())?;
    Ok(row.and_then(|row| match row.split_first_chunk() {
        Some(([ROW_VERSION, _, _, _, _, _, _, _, _], sessions)) => decode(sessions).ok(),
        _ => None,
    }))
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

/// Checks some rows after a position in the keys, and deletes those of devices that were not seen
/// for too long. The positions of the rounds are a golden section apart. So any run of rounds
/// covers the keys evenly, and the last position need not be stored.
fn delete_expired(
    storage: &impl Storage,
    rows: usize,
    round: u64,
    now: Milliseconds,
) -> Result<(), StorageError> {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    const RETENTION_MS: u64 = RETENTION_DAYS * 86_400_000;
    let place = round.wrapping_mul(GOLDEN).to_be_bytes();
    for key in storage.keys(Table::Devices, &place, rows)? {
        let row = storage.get(Table::Devices, &key)?.unwrap_or_default();
        let mut reader = ByteReader::new(&row, "the row of a device");
        let last_seen = reader.u8().and_then(|_| reader.u64()).unwrap_or_default();
        if now.saturating_sub(last_seen) > RETENTION_MS {
            storage.delete(Table::Devices, &key)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
