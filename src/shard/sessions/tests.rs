//! Tests the edges of the rule, and its laws against a model that remembers everything.

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const POLICY: SessionConfig = SessionConfig { timeout_ms: 10 };

fn event_id(number: u64) -> EventId {
    EventId::parse(&format!("01939b70-6d2a-7c3e-8f00-{number:012x}")).unwrap()
}

fn event(number: u64, at: i64) -> SessionEvent {
    SessionEvent { at, event_id: event_id(number), starts_session: false }
}

fn event_of(number: u64, at: i64, starts_session: bool) -> SessionEvent {
    SessionEvent { starts_session, ..event(number, at) }
}

fn start_event(number: u64, at: i64) -> SessionEvent {
    SessionEvent { starts_session: true, ..event(number, at) }
}

/// A device whose session ids count up from its first.
#[derive(Default)]
struct Device {
    sessions: DeviceSessions,
    drawn: u64,
}

impl Device {
    fn observe(&mut self, event: &SessionEvent, policy: SessionConfig) -> SessionInfo {
        let drawn = &mut self.drawn;
        self.sessions.observe(event, policy, || {
            *drawn += 1;
            let mut random = [0; 10];
            random[2..].copy_from_slice(&drawn.to_be_bytes());
            random
        })
    }

    /// Returns the index and the trigger of the session of each event.
    fn assign(&mut self, events: &[SessionEvent]) -> Vec<(u32, SessionTrigger)> {
        let infos = events.iter().map(|event| self.observe(event, POLICY));
        infos.map(|info| (info.index, info.trigger)).collect()
    }
}

/// Returns a device with the sessions 1, 2, … at 0, 100, ….
fn with_sessions(count: u64) -> Device {
    let mut device = Device::default();
    for number in 0..count {
        device.observe(&event(number, number as i64 * 100), POLICY);
    }
    assert_eq!(u64::from(device.sessions.opened), count);
    device
}

fn restored(sessions: &DeviceSessions) -> DeviceSessions {
    let mut bytes = Vec::new();
    sessions.encode(&mut bytes);
    let mut reader = ByteReader::new(&bytes, "sessions");
    let decoded = DeviceSessions::decode(&mut reader).unwrap();
    reader.end().unwrap();
    decoded
}

#[test]
fn a_session_carries_its_start_in_an_id_of_version_7() {
    for (at, carried) in [(0, 0), (1_795_000_000_123, 1_795_000_000_123), (-5, 0)] {
        let info = Device::default().observe(&event(1, at), POLICY);
        assert_eq!(info.started_at, at);
        let uuid = Uuid::from_bytes(*info.id.as_bytes());
        assert_eq!((uuid.get_version_num(), uuid.get_variant()), (7, uuid::Variant::RFC4122));
        let (seconds, nanoseconds) = uuid.get_timestamp().unwrap().to_unix();
        assert_eq!(seconds * 1_000 + u64::from(nanoseconds) / 1_000_000, carried);
        assert_eq!(SessionId::from_bytes(*info.id.as_bytes()), info.id);
        let written = serde_json::to_value((info.id, info.trigger)).unwrap();
        assert_eq!(written, serde_json::json!([info.id.to_string(), "first"]));
    }
}

#[test]
fn the_first_matching_reason_is_the_trigger() {
    let events = [start_event(0, 0), start_event(1, 10), start_event(2, 21), event(3, 32)];
    let assigned = Device::default().assign(&events);
    let reasons = [
        SessionTrigger::First,
        SessionTrigger::StartEvent,
        SessionTrigger::Timeout,
        SessionTrigger::Timeout,
    ];
    assert_eq!(assigned, [1, 2, 3, 4].into_iter().zip(reasons).collect::<Vec<_>>());
}

#[test]
fn a_late_event_joins_the_nearest_session_within_the_timeout() {
    use SessionTrigger::{First, Late, Timeout};
    // Sessions of one moment each, at 0, 16 and 100.
    for (at, expected) in [
        (-11, (4, Late)),
        (-10, (1, First)),
        (7, (1, First)),
        (8, (2, Timeout)),
        (9, (2, Timeout)),
        (26, (2, Timeout)),
        (27, (4, Late)),
        (89, (4, Late)),
        (90, (3, Timeout)),
        (99, (3, Timeout)),
        (100, (3, Timeout)),
    ] {
        let mut device = Device::default();
        device.assign(&[event(0, 0), event(1, 16), event(2, 100)]);
        assert_eq!(device.assign(&[event(3, at)]), [expected], "{at}");
        assert_eq!(device.sessions.last_at(), Some(100), "{at}");
    }
}

#[test]
fn a_late_event_widens_the_span_but_not_the_start() {
    let mut device = with_sessions(2);
    let start = device.observe(&event(2, 92), POLICY);
    assert_eq!((start.index, start.started_at), (2, 100));
    assert_eq!(device.observe(&event(3, 83), POLICY), start, "it is near to the one before");
    assert_eq!(device.assign(&[event(4, 72)]), [(3, SessionTrigger::Late)]);
}

#[test]
fn a_late_opening_event_joins() {
    let mut device = Device::default();
    let assigned = device.assign(&[event(0, 0), event(1, 9), start_event(2, 5), event(3, 10)]);
    assert_eq!(assigned, [(1, SessionTrigger::First); 4]);
}

#[test]
fn the_first_event_finds_its_session_at_any_time() {
    for at in [i64::MIN, 0, 100, 105, 205, 1_000] {
        let mut device = with_sessions(3);
        assert_eq!(device.assign(&[start_event(1, at)]), [(2, SessionTrigger::Timeout)], "{at}");
        assert_eq!(device.sessions, with_sessions(3).sessions, "{at}");
    }
    let mut device = with_sessions(3);
    assert_eq!(device.assign(&[event(2, 250)]), [(3, SessionTrigger::Timeout)]);
    assert_eq!(
        device.assign(&[event(3, 260)]),
        [(3, SessionTrigger::Timeout)],
        "the session went on"
    );
}

#[test]
fn the_sessions_that_ended_first_are_forgotten() {
    let mut device = with_sessions(9);
    assert_eq!(device.sessions.earlier.len() + 1, DeviceSessions::MAX_REMEMBERED);
    assert_eq!(
        device.assign(&[event(20, 105)]),
        [(2, SessionTrigger::Timeout)],
        "eight are remembered"
    );
    assert_eq!(device.assign(&[event(21, 5)]), [(10, SessionTrigger::Late)], "the ninth is not");
    assert_eq!(
        device.assign(&[event(22, 6)]),
        [(10, SessionTrigger::Late)],
        "the newest always is"
    );
    assert_eq!(device.assign(&[event(23, 106)]), [(11, SessionTrigger::Late)]);
    assert_eq!(device.assign(&[event(25, 205)]), [(3, SessionTrigger::Timeout)], "opened before");
    assert_eq!(
        device.assign(&[event(26, 7)]),
        [(12, SessionTrigger::Late)],
        "the tenth ended first"
    );
    assert_eq!(device.assign(&[event(24, 810)]), [(9, SessionTrigger::Timeout)], "but the current");
    assert_eq!(device.sessions.earlier.len() + 1, DeviceSessions::MAX_REMEMBERED);
}

#[test]
fn the_ends_of_time_are_times_like_others() {
    let mut device = Device::default();
    let (least, max) = (i64::MIN, i64::MAX);
    let events = [(0, 0), (1, max), (2, least), (3, max), (4, least), (5, least + 11), (6, -1)];
    let assigned = device.assign(&events.map(|(number, at)| event(number, at)));
    let indices: Vec<_> = assigned.into_iter().map(|(index, _)| index).collect();
    assert_eq!(indices, [1, 2, 3, 2, 3, 4, 1]);
    let endless = SessionConfig { timeout_ms: u64::MAX };
    assert_eq!(device.observe(&event(7, 5_000), endless).index, 1);
    device.sessions.opened = u32::MAX;
    assert_eq!(device.assign(&[start_event(8, max)]), [(u32::MAX, SessionTrigger::StartEvent)]);
}

#[test]
fn a_device_has_the_documented_size() {
    assert_eq!(size_of::<Session>(), 64);
    #[cfg(target_pointer_width = "64")]
    assert_eq!(size_of::<DeviceSessions>(), 96);
    for count in 0..=10 {
        let device = with_sessions(count);
        let remembered = usize::try_from(count).unwrap().min(DeviceSessions::MAX_REMEMBERED);
        assert_eq!(device.sessions.is_empty(), remembered == 0);
        assert_eq!(device.sessions.earlier.capacity(), remembered.saturating_sub(1));
        let mut bytes = Vec::new();
        device.sessions.encode(&mut bytes);
        assert_eq!(bytes.len(), 6 + 61 * remembered);
    }
}

#[test]
fn bytes_that_are_not_sessions_are_refused() {
    let mut bytes = Vec::new();
    with_sessions(2).sessions.encode(&mut bytes);
    let decode = |bytes: &[u8]| DeviceSessions::decode(&mut ByteReader::new(bytes, "sessions"));
    for length in 0..bytes.len() {
        assert_eq!(decode(&bytes[..length]), Err(DecodeError("sessions")), "{length}");
    }
    assert!(decode(&bytes).is_ok());
    let (version, count, trigger, first) = (0, 5, 6 + 28, 6 + 45);
    for (index, byte) in [(version, 2), (count, 9), (trigger, 4), (first, 1)] {
        let mut bytes = [bytes.as_slice(), &[0; 600]].concat();
        bytes[index] = byte;
        assert_eq!(decode(&bytes), Err(DecodeError("sessions")), "{index}");
    }
}

/// A session of the model, with all of its events.
struct Whole {
    first_event_id: EventId,
    started_at: i64,
    trigger: SessionTrigger,
    times: Vec<i64>,
}

impl Whole {
    fn opened(event: &SessionEvent, trigger: SessionTrigger) -> Self {
        let SessionEvent { at, event_id, .. } = *event;
        Self { first_event_id: event_id, started_at: at, trigger, times: vec![at] }
    }
}

/// Sorts all events of a device, and cuts if a gap is too long or an event starts a session.
/// Returns the index, the start and the trigger of each event's session, in the order of time.
fn cut(mut events: Vec<SessionEvent>, policy: SessionConfig) -> Vec<(u32, i64, SessionTrigger)> {
    events.sort_by_key(|event| event.at);
    let mut assigned: Vec<(u32, i64, SessionTrigger)> = Vec::new();
    for (place, event) in events.iter().enumerate() {
        let before = place.checked_sub(1).map(|before| (events[before].at, assigned[before]));
        let opened = |index: u32, by| (index + 1, event.at, by);
        assigned.push(match before {
            None => opened(0, SessionTrigger::First),
            Some((at, (index, ..))) if event.at - at > policy.timeout_ms as i64 => {
                opened(index, SessionTrigger::Timeout)
            }
            Some((_, (index, ..))) if event.starts_session => {
                opened(index, SessionTrigger::StartEvent)
            }
            Some((_, session)) => session,
        });
    }
    assigned
}

/// Applies the rule literally, with every event of every session remembered.
fn place(sessions: &mut Vec<Whole>, event: &SessionEvent, policy: SessionConfig) -> usize {
    let at = event.at;
    let latest = |whole: &Whole| *whole.times.iter().max().unwrap();
    let current = (0..sessions.len()).max_by_key(|index| (latest(&sessions[*index]), *index));
    if let Some(opened) = sessions.iter().position(|whole| whole.first_event_id == event.event_id) {
        if Some(opened) == current && at > latest(&sessions[opened]) {
            sessions[opened].times.push(at);
        }
        return opened;
    }
    let trigger = match current {
        None => SessionTrigger::First,
        Some(current) if latest(&sessions[current]) <= at => {
            if at - latest(&sessions[current]) > policy.timeout_ms as i64 {
                SessionTrigger::Timeout
            } else if event.starts_session {
                SessionTrigger::StartEvent
            } else {
                sessions[current].times.push(at);
                return current;
            }
        }
        Some(_) => {
            let away = |whole: &Whole| match whole.times.iter().any(|time| *time <= at) {
                true if whole.times.iter().any(|time| *time >= at) => 0,
                _ => whole.times.iter().map(|time| (time - at).unsigned_abs()).min().unwrap(),
            };
            let within = (0..sessions.len())
                .rev()
                .filter(|index| away(&sessions[*index]) <= policy.timeout_ms);
            // Of equal ones `min_by_key` takes the first, which here is the one opened last.
            if let Some(nearest) = within.min_by_key(|index| away(&sessions[*index])) {
                sessions[nearest].times.push(at);
                return nearest;
            }
            SessionTrigger::Late
        }
    };
    sessions.push(Whole::opened(event, trigger));
    sessions.len() - 1
}

fn events(
    times: impl Strategy<Value = i64>,
    events: u64,
) -> impl Strategy<Value = Vec<SessionEvent>> {
    let described = (0..events, times, prop::bool::weighted(0.2));
    vec(described, 0..40).prop_map(|described| {
        let described = described.into_iter();
        described.map(|(number, at, starts)| event_of(number, at, starts)).collect()
    })
}

/// Events that are sent again unchanged, with their time and kind.
fn with_repeats() -> impl Strategy<Value = Vec<SessionEvent>> {
    let kinds = vec((0..12_i64, prop::bool::weighted(0.2)), 1..30);
    (kinds, vec(any::<prop::sample::Index>(), 0..60)).prop_map(|(kinds, picks)| {
        let pick = |pick: prop::sample::Index| {
            let number = pick.index(kinds.len());
            let (at, opens) = kinds[number];
            // No two events occur at once: their order would decide.
            let at = at * 30 + number as i64;
            event_of(number as u64, at, opens)
        };
        picks.into_iter().map(pick).collect()
    })
}

fn policy() -> impl Strategy<Value = SessionConfig> {
    (0_u64..40).prop_map(|timeout_ms| SessionConfig { timeout_ms })
}

proptest! {
    #[test]
    fn events_in_order_are_cut_as_if_all_were_known(
        gaps in vec((0_i64..30, prop::bool::weighted(0.2)), 0..60),
        policy in policy(),
    ) {
        let mut at = -100;
        let events: Vec<_> = gaps.iter().enumerate().map(|(number, (gap, opens))| {
            at += gap;
            event_of(number as u64, at, *opens)
        }).collect();
        let mut device = Device::default();
        let infos: Vec<_> = events.iter().map(|event| device.observe(event, policy)).collect();
        let assigned: Vec<_> =
            infos.iter().map(|info| (info.index, info.started_at, info.trigger)).collect();
        prop_assert_eq!(&assigned, &cut(events, policy));
        for (one, other) in infos.iter().zip(infos.iter().skip(1)) {
            prop_assert_eq!(one.id == other.id, one.index == other.index);
        }
        prop_assert_eq!(device.drawn, u64::from(device.sessions.opened));
    }

    #[test]
    fn events_in_any_order_follow_the_rule(
        events in events(0_i64..200, 60),
        policy in policy(),
    ) {
        let (mut device, mut wholes) = (Device::default(), Vec::new());
        for event in &events {
            let index = place(&mut wholes, event, policy);
            if wholes.len() > DeviceSessions::MAX_REMEMBERED {
                break;
            }
            let info = device.observe(event, policy);
            let whole = &wholes[index];
            prop_assert_eq!(info.index as usize, index + 1);
            prop_assert_eq!((info.started_at, info.trigger), (whole.started_at, whole.trigger));
            let latest = wholes.iter().flat_map(|whole| &whole.times).max();
            prop_assert_eq!(device.sessions.last_at(), latest.copied());
        }
    }

    #[test]
    fn a_session_is_stable_and_contains_its_events(
        events in events(prop_oneof![0_i64..2_000, any::<i64>()], u64::MAX >> 20),
        policy in policy(),
    ) {
        let (mut device, mut assigned) = (Device::default(), HashMap::new());
        for event in &events {
            let info = device.observe(event, policy);
            let (first, earliest, latest) = assigned.entry(info.id).or_insert((info, event.at, event.at));
            prop_assert_eq!(info, *first);
            let within = |from: i64, to: i64| to.saturating_sub(from) <= policy.timeout_ms as i64;
            prop_assert!(within(event.at, *earliest) && within(*latest, event.at));
            (*earliest, *latest) = (event.at.min(*earliest), event.at.max(*latest));
            prop_assert!(device.sessions.earlier.len() < DeviceSessions::MAX_REMEMBERED);
        }
        let mut indices: Vec<_> = assigned.values().map(|(info, ..)| info.index).collect();
        indices.sort_unstable();
        prop_assert!(indices.into_iter().eq(1..=assigned.len() as u32));
    }

    #[test]
    fn a_repeat_has_the_session_of_its_first(events in with_repeats(), policy in policy()) {
        let (mut device, mut assigned) = (Device::default(), HashMap::new());
        for event in &events {
            let info = device.observe(event, policy);
            prop_assert_eq!(device.observe(event, policy), info, "at once");
            if device.sessions.opened as usize > DeviceSessions::MAX_REMEMBERED {
                assigned.clear();
            }
            prop_assert_eq!(*assigned.entry(event.event_id).or_insert(info), info, "later");
        }
    }

    #[test]
    fn a_restored_device_continues_the_same(
        events in events(prop_oneof![0_i64..1_000, any::<i64>()], 60),
        policy in policy(),
    ) {
        let (mut kept, mut stored) = (Device::default(), Device::default());
        for event in &events {
            stored.sessions = restored(&stored.sessions);
            prop_assert_eq!(kept.observe(event, policy), stored.observe(event, policy));
            prop_assert_eq!(&kept.sessions, &stored.sessions);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        mut bytes in vec(any::<u8>(), 0..600),
        count in 0_u8..10,
        event in events(any::<i64>(), 60),
    ) {
        if let Some(head) = bytes.first_chunk_mut::<6>() {
            (head[0], head[5]) = (DeviceSessions::VERSION, count);
        }
        let mut reader = ByteReader::new(&bytes, "sessions");
        if let Ok(sessions) = DeviceSessions::decode(&mut reader) {
            let mut device = Device { sessions, drawn: 0 };
            event.iter().for_each(|event| {
                device.observe(event, POLICY);
            });
        }
    }
}
