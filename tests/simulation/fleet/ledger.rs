//! What the world knows of each event, beside Headwater: an independent record of what was promised,
//! what the streams have, and what the design allows.
//!
//! - An event that was acknowledged is in a stream, or in the committed storage of a shard.
//! - A stream has an event once. Further copies are excused, one each: by an answer of the stream that was lost after
//!   it had taken the records; by the loss of an object with calls in flight, or before the checkpoint with its ids; by
//!   a direct delivery; by a move to another shard, which takes sessions along and no ids; by the end of the window of ids.
//! - A repeat is recognized by the shard that has made its event durable, within the window, unless its id was excused.
//! - The sessions of a device are the runs of its events, split by gaps over the timeout and by session-start events. A
//!   device is excused if an event came out of order (then only: no session has a gap), if its shard was lost before a
//!   checkpoint, or if a record was delivered directly and so has no session.

use std::collections::BTreeMap;

use headwater::base::clock::Milliseconds;

use super::line::ReadLine;

/// The device of an event that has none.
pub const NO_DEVICE: u32 = u32::MAX;

/// What an event is, as its client knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Event,
    SessionStart,
    /// A failed event: it has no id that a shard knows, and so no limit of copies.
    Failed,
}

/// An event.
#[derive(Debug, Clone)]
pub struct Known {
    pub device: u32,
    pub kind: Kind,
    pub bytes: u16,
    /// The index of its route.
    pub route: u8,
    /// When it occurred.
    pub at: Milliseconds,
    acknowledged: bool,
    /// Whether a shard must recognize a repeat.
    id_is_known: bool,
    /// In streams, and rows in committed storage.
    copies: u8,
    stored: u8,
    excused: u8,
    shard: u16,
    /// When it was made durable, and how many ids its shard had inserted then.
    durable_at: Milliseconds,
    durable_count: u64,
    session: Option<u64>,
}

/// A device.
#[derive(Debug, Clone, Copy, Default)]
struct SeenDevice {
    /// The latest time of an event that a shard has seen.
    last_at: Milliseconds,
    is_excused: bool,
    /// Whether an event came out of order.
    has_late_event: bool,
}

/// The window of ids, as the design promises it.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub window_ms: u64,
    pub ids: u64,
}

#[derive(Debug)]
pub struct Ledger {
    events: Vec<Known>,
    devices: Vec<SeenDevice>,
    window: Window,
    session_timeout_ms: u64,
    /// Ids that each shard has inserted.
    inserted: BTreeMap<u16, u64>,
    violations: Vec<String>,
    pub acknowledged: u64,
    pub delivered: u64,
    pub copies: u64,
    pub repeats: u64,
}

impl Ledger {
    pub const fn new(window: Window, session_timeout_ms: u64) -> Self {
        Self {
            events: Vec::new(),
            devices: Vec::new(),
            window,
            session_timeout_ms,
            inserted: BTreeMap::new(),
            violations: Vec::new(),
            acknowledged: 0,
            delivered: 0,
            copies: 0,
            repeats: 0,
        }
    }

    pub fn new_device(&mut self) -> u32 {
        self.devices.push(SeenDevice::default());
        u32::try_from(self.devices.len() - 1).unwrap()
    }

    pub fn new_event(
        &mut self,
        device: u32,
        kind: Kind,
        route: u8,
        bytes: usize,
        at: Milliseconds,
    ) -> u64 {
        self.events.push(Known {
            device,
            kind,
            bytes: u16::try_from(bytes).unwrap(),
            route,
            at,
            acknowledged: false,
            id_is_known: false,
            copies: 0,
            stored: 0,
            excused: 0,
            shard: 0,
            durable_at: 0,
            durable_count: 0,
            session: None,
        });
        self.events.len() as u64 - 1
    }

    pub fn event(&self, number: u64) -> &Known {
        &self.events[number as usize]
    }

    fn of(&mut self, number: u64) -> &mut Known {
        &mut self.events[number as usize]
    }

    pub const fn events(&self) -> usize {
        self.events.len()
    }

    pub fn violate(&mut self, what: String) {
        if self.violations.len() < 10 {
            self.violations.push(what);
        }
    }

    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// A client gets the answer that the event is durable.
    pub fn acknowledge(&mut self, number: u64, now: Milliseconds) {
        let event = self.of(number);
        let is_safe = event.copies > 0 || event.stored > 0;
        let is_first = !std::mem::replace(&mut event.acknowledged, true);
        self.acknowledged += u64::from(is_first);
        if !is_safe {
            self.violate(format!("event {number} was acknowledged at {now} and is nowhere"));
        }
    }

    /// A shard saw the event, as a new one.
    pub fn queued(&mut self, number: u64, shard: u16, now: Milliseconds) {
        let (window, inserted) = (self.window, self.inserted.get(&shard).copied().unwrap_or(0));
        let event = self.of(number);
        if event.kind == Kind::Failed || event.durable_at == 0 {
            return;
        }
        event.excused = event.excused.saturating_add(1);
        let is_within = event.id_is_known
            && event.shard == shard
            && now.saturating_sub(event.durable_at) <= window.window_ms
            && inserted - event.durable_count < window.ids;
        if is_within {
            let age = now - event.durable_at;
            self.violate(format!(
                "event {number} was not recognized by shard {shard} after {age} ms"
            ));
        }
    }

    /// A shard saw the event, and knew it.
    pub fn repeated(&mut self) {
        self.repeats += 1;
    }

    /// A shard assigned the event of a device to a session.
    pub fn observed(&mut self, number: u64) {
        let Known { device, at, .. } = *self.event(number);
        if let Some(device) = self.devices.get_mut(device as usize) {
            device.has_late_event |= at < device.last_at;
            device.last_at = device.last_at.max(at);
        }
    }

    /// A shard has made the event durable, and remembers its id.
    pub fn durable(&mut self, number: u64, shard: u16, now: Milliseconds) {
        let inserted = self.inserted.entry(shard).or_default();
        *inserted += 1;
        let inserted = *inserted;
        let event = self.of(number);
        (event.shard, event.durable_at, event.durable_count) = (shard, now, inserted);
        event.id_is_known = true;
    }

    /// The shard was lost before it wrote the id.
    pub fn forget_id(&mut self, number: u64) {
        self.of(number).id_is_known = false;
    }

    /// The shard was lost before it wrote the device's sessions.
    pub fn forget_sessions(&mut self, device: u32) {
        if let Some(device) = self.devices.get_mut(device as usize) {
            device.is_excused = true;
        }
    }

    /// The design allows one more copy.
    pub fn excuse(&mut self, number: u64) {
        let event = self.of(number);
        event.excused = event.excused.saturating_add(1);
    }

    /// A stream took the line.
    pub fn taken(&mut self, line: ReadLine) {
        let ReadLine { number, session } = line;
        let event = self.of(number);
        let is_first = event.copies == 0;
        if is_first {
            event.session = session;
        }
        event.copies = event.copies.saturating_add(1);
        let (device, is_event) = (event.device, event.kind != Kind::Failed);
        if session.is_none() && is_event {
            self.forget_sessions(device);
        }
        match is_first {
            true => self.delivered += 1,
            false => self.copies += 1,
        }
        let event = self.event(number);
        if is_event && event.copies > event.excused.saturating_add(1) {
            let (copies, excused) = (event.copies, event.excused);
            self.violate(format!("event {number} has {copies} copies, {excused} are excused"));
        }
    }

    pub fn stored(&mut self, number: u64) {
        let event = self.of(number);
        event.stored = event.stored.saturating_add(1);
    }

    pub fn removed(&mut self, number: u64) {
        let event = self.of(number);
        event.stored = event.stored.saturating_sub(1);
        if event.stored == 0 && event.copies == 0 && event.acknowledged {
            self.violate(format!(
                "event {number} was acknowledged, and left the storage undelivered"
            ));
        }
    }

    /// Checks at the end, when nothing is under way any more.
    pub fn finish(&mut self) {
        let lost = |event: &Known| event.copies == 0;
        let lost: Vec<usize> = (0..self.events.len()).filter(|&n| lost(&self.events[n])).collect();
        if let Some(first) = lost.first() {
            self.violate(format!("{} events are in no stream, the first is {first}", lost.len()));
        }
        self.check_sessions();
    }

    fn check_sessions(&mut self) {
        let of_devices = |n: &u32| {
            let Known { device, kind, .. } = self.events[*n as usize];
            device != NO_DEVICE && kind != Kind::Failed
        };
        let mut order: Vec<u32> =
            (0..u32::try_from(self.events.len()).unwrap()).filter(of_devices).collect();
        order.sort_by_key(|n| {
            let event = &self.events[*n as usize];
            (event.device, event.at, *n)
        });
        let mut found = Vec::new();
        for of_device in order
            .chunk_by(|a, b| self.events[*a as usize].device == self.events[*b as usize].device)
        {
            let events: Vec<&Known> = of_device.iter().map(|n| &self.events[*n as usize]).collect();
            let device = self.devices[events[0].device as usize];
            if device.is_excused {
                continue;
            }
            let problem = match device.has_late_event {
                true => self.gap_inside(&events),
                false => self.other_than_runs(&events),
            };
            found.extend(problem.map(|what| format!("device {}: {what}", events[0].device)));
        }
        found.into_iter().for_each(|what| self.violate(what));
    }

    /// Whether a session of these events, which are in order, has a gap longer than the timeout.
    fn gap_inside(&self, events: &[&Known]) -> Option<String> {
        let mut ends: BTreeMap<Option<u64>, Milliseconds> = BTreeMap::new();
        events.iter().find_map(|event| {
            let before = ends.insert(event.session, event.at)?;
            let gap = event.at - before;
            (gap > self.session_timeout_ms).then(|| {
                format!("a gap of {gap} ms before the event of {} in its session", event.at)
            })
        })
    }

    /// Whether these events, which are in order, have other sessions than their runs. Events of one
    /// millisecond may have come in either order, so a pair beside such a tie is not judged.
    fn other_than_runs(&self, events: &[&Known]) -> Option<String> {
        let is_tie = |index: usize| {
            let at = |index: usize| events.get(index).map(|event| event.at);
            at(index) == at(index + 1) || (index > 0 && at(index) == at(index - 1))
        };
        (1..events.len()).find_map(|index| {
            let pair = [events[index - 1], events[index]];
            let gap = pair[1].at - pair[0].at;
            let opens = gap > self.session_timeout_ms || pair[1].kind == Kind::SessionStart;
            let has_opened = pair[0].session != pair[1].session;
            let is_judged = !is_tie(index - 1) && !is_tie(index);
            (is_judged && opens != has_opened).then(|| {
                let [a, b] = [pair[0].at, pair[1].at];
                format!("of its events of {a} and {b} the second has_opened={has_opened} a session")
            })
        })
    }

    /// Returns how many devices have sessions that are checked fully, by their gaps only, and not at all.
    pub fn checked_devices(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        for device in &self.devices {
            let kind = if device.is_excused { 2 } else { usize::from(device.has_late_event) };
            counts[kind] += 1;
        }
        counts
    }
}
