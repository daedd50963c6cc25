//! The classic cases of sessions, as a table: `tests/fixtures/sessions.txt`.
//!
//! A case fails with the table as it would have to read.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, SecondsFormat};
use headwater::model::event::EventId;
use headwater::model::session::{SessionId, SessionInfo};
use headwater::shard::sessions::{DeviceSessions, SessionConfig, SessionEvent};

const TABLE: &str = include_str!("fixtures/sessions.txt");

/// The cases with their lines, without what is remarked.
fn cases() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut cases = BTreeMap::<_, Vec<_>>::new();
    let mut case = None;
    for line in TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        match line.strip_prefix("== ") {
            Some(name) => {
                assert!(cases.insert(name, Vec::new()).is_none(), "{name} is there twice");
                case = Some(name);
            }
            None => cases.get_mut(case.unwrap()).unwrap().push(line),
        }
    }
    cases
}

/// The devices of one case, and the names of what came up in it.
#[derive(Default)]
struct Case<'a> {
    devices: HashMap<&'a str, DeviceSessions>,
    events: Vec<(&'a str, &'a str)>,
    sessions: Vec<SessionId>,
}

impl<'a> Case<'a> {
    /// The line as the sessions would have it.
    fn line(&mut self, line: &'a str) -> String {
        let mut columns = line.split_whitespace();
        let mut next = || columns.next().unwrap();
        let (time, device, event) = (next(), next(), next());
        let session_event = SessionEvent {
            at: DateTime::parse_from_rfc3339(time).unwrap().timestamp_millis(),
            event_id: self.event_id(device, event),
            starts_session: event.starts_with("app_open"),
        };
        let random = || [u8::try_from(self.sessions.len()).unwrap(); 10];
        let sessions = self.devices.entry(device).or_default();
        let session = sessions.observe(&session_event, SessionConfig::default(), random);
        let SessionInfo { id, index, started_at, trigger } = session;
        let session = self.letter(id);
        let started_at = DateTime::from_timestamp_millis(started_at).unwrap();
        let started_at = started_at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let trigger = serde_json::to_value(trigger).unwrap();
        let trigger = trigger.as_str().unwrap();
        format!(
            "  {time}  {device:<6}  {event:<11}  {session:<7}  {index:<5}  {started_at}  {trigger}"
        )
    }

    /// The same for an event of the same name.
    fn event_id(&mut self, device: &'a str, event: &'a str) -> EventId {
        let known = self.events.iter().position(|known| *known == (device, event));
        let number = known.unwrap_or_else(|| {
            self.events.push((device, event));
            self.events.len() - 1
        });
        EventId::parse(&format!("01939b70-6d2a-7c3e-8f00-{number:012x}")).unwrap()
    }

    fn letter(&mut self, id: SessionId) -> char {
        let known = self.sessions.iter().position(|known| *known == id);
        let number = known.unwrap_or_else(|| {
            self.sessions.push(id);
            self.sessions.len() - 1
        });
        char::from(b'A' + u8::try_from(number).unwrap())
    }
}

#[test]
fn every_event_has_the_session_of_the_table() {
    let cases = cases();
    assert!(cases.len() >= 17, "{}", cases.len());
    let wrong: Vec<String> = cases
        .into_iter()
        .filter_map(|(name, lines)| {
            assert!(lines.len() >= 3, "{name} is cut short");
            let mut case = Case::default();
            let reported: Vec<_> = lines.iter().map(|line| case.line(line)).collect();
            (reported != lines).then(|| format!("== {name}\n{}\n", reported.join("\n")))
        })
        .collect();
    assert!(wrong.is_empty(), "the sessions would have it so:\n\n{}", wrong.join("\n"));
}
