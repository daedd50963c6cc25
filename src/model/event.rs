//! The event and its ids: types that can't hold what validation would refuse.
//!
//! Each newtype is made only by its `parse`; whoever holds one need not check it
//! again. Nothing here reads a clock or draws randomness: [`EventIdGenerator`] is seeded.

use crate::model::level::Level;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::model::consent::Consent;
use crate::model::schema_info::SchemaInfo;

/// A beacon that passed validation.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The client's id for it, or one stamped on receipt.
    pub id: EventId,
    /// What happened.
    pub name: EventName,
    /// The schema that it was held to, where the catalogue has one.
    pub schema: Option<&'static SchemaInfo>,
    /// The browser or machine that made it.
    pub device_id: Option<DeviceId>,
    /// The client's clock when it happened.
    pub client_time: Option<DateTime<Utc>>,
    /// How far the client's wall clock is ahead of UTC, in minutes, where its time says so.
    pub client_utc_offset_minutes: Option<i32>,
    /// The client's clock when the request was sent.
    pub sent_at: Option<DateTime<Utc>>,
    /// The client's running number.
    pub seq: Option<u64>,
    /// The client's own view of its session.
    pub client_session_id: Option<String>,
    /// How much it matters; absent when the client does not say.
    pub level: Option<Level>,
    /// Version of the site or app.
    pub build: Option<String>,
    /// The operator's id of a person.
    pub user_id: Option<String>,
    /// Address of the page.
    pub url: Option<String>,
    /// Title of the page.
    pub title: Option<String>,
    /// Address of the page before.
    pub referrer: Option<String>,
    /// The device's screen.
    pub screen: Option<Size>,
    /// The window's inside.
    pub viewport: Option<Size>,
    /// BCP 47 tag.
    pub language: Option<String>,
    /// What the person consented to.
    pub consent: Option<Consent>,
    /// What the event says of itself.
    pub props: Option<Map<String, Value>>,
    /// What the operator says of it.
    pub metadata: Option<Map<String, Value>>,
}

/// The id by which readers drop repeats: any UUID but the nil one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventId(Uuid);

impl EventId {
    /// Takes the 36-character hyphenated form.
    pub fn parse(text: &str) -> Option<Self> {
        let uuid = (text.len() == 36).then(|| Uuid::try_parse(text).ok())??;
        (!uuid.is_nil()).then_some(Self(uuid))
    }

    /// The id that has these bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        let uuid = Uuid::from_bytes(bytes);
        (!uuid.is_nil()).then_some(Self(uuid))
    }

    /// Its sixteen bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
    }
}

/// The source of new event ids for one request: UUIDs of version 7 that ascend.
///
/// The first is as random as its seed; each next one counts on from it, so that a
/// request needs one draw of randomness and its events sort in their order.
/// Source: <https://www.rfc-editor.org/rfc/rfc9562#section-6.2> (method 2).
#[derive(Debug)]
pub struct EventIdGenerator {
    milliseconds: u64,
    head: [u8; 2],
    counter: u64,
}

impl EventIdGenerator {
    /// Ids that carry `at`, counting from ten random bytes.
    pub fn new(at: DateTime<Utc>, seed: [u8; 10]) -> Self {
        let [h0, h1, c0, c1, c2, c3, c4, c5, c6, c7] = seed;
        // The version 7 tail keeps 62 bits; the top one stays clear, so that no count overflows it.
        let counter = u64::from_be_bytes([c0, c1, c2, c3, c4, c5, c6, c7]) & (u64::MAX >> 3);
        Self {
            milliseconds: u64::try_from(at.timestamp_millis()).unwrap_or(0),
            head: [h0, h1],
            counter,
        }
    }

    /// The ids that begin with `first` and count on from it, where such ids gave it.
    pub fn from(first: EventId) -> Self {
        let (milliseconds, counter) = first.0.as_u64_pair();
        let [.., h0, h1] = milliseconds.to_be_bytes();
        Self {
            milliseconds: milliseconds >> 16,
            head: [h0, h1],
            counter: counter & (u64::MAX >> 2),
        }
    }

    /// The next id.
    pub fn next_id(&mut self) -> EventId {
        let mut bytes = [0; 10];
        let (head, tail) = bytes.split_at_mut(2);
        head.copy_from_slice(&self.head);
        tail.copy_from_slice(&self.counter.to_be_bytes());
        self.counter = self.counter.wrapping_add(1);
        EventId(uuid::Builder::from_unix_timestamp_millis(self.milliseconds, &bytes).into_uuid())
    }
}

/// `[a-z][a-z0-9_.]{0,63}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventName(String);

impl EventName {
    /// Takes `text` when it has the form of a name.
    pub fn parse(text: String) -> Option<Self> {
        let fits = text.len() <= 64
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.'));
        fits.then_some(Self(text))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A device's id: 1 to 128 characters, none of them a control character.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct DeviceId(String);

impl DeviceId {
    /// The most characters that an id may have.
    pub const MAX_CHARS: usize = 128;

    /// Takes `text` when it is within the limit and printable.
    pub fn parse(text: String) -> Option<Self> {
        let fits = !text.is_empty()
            && text.chars().count() <= Self::MAX_CHARS
            && !text.chars().any(char::is_control);
        fits.then_some(Self(text))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// When the id was made, for one that says so: a UUID of version 7.
    pub fn made_at(&self) -> Option<DateTime<Utc>> {
        let uuid = (self.0.len() == 36).then(|| Uuid::try_parse(&self.0).ok())??;
        let (seconds, nanoseconds) =
            uuid.get_timestamp().filter(|_| uuid.get_version_num() == 7)?.to_unix();
        DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)
    }
}

/// A size in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

impl Size {
    /// Takes `WIDTHxHEIGHT`, each of one to five digits.
    pub fn parse(text: &str) -> Option<Self> {
        let pixels = |part: &str| {
            let digits =
                matches!(part.len(), 1..=5) && part.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| part.parse().ok())?
        };
        let (width, height) = text.split_once('x')?;
        Some(Self { width: pixels(width)?, height: pixels(height)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamped_ids_are_version_7_carry_the_time_and_ascend() {
        for seed in [[0; 10], [0xff; 10], [7; 10]] {
            let at = DateTime::from_timestamp_millis(1_795_000_000_123).unwrap();
            let mut ids = EventIdGenerator::new(at, seed);
            let made: Vec<Uuid> = (0..1_000).map(|_| ids.next_id().0).collect();
            assert!(made.is_sorted_by(|before, after| before < after));
            for uuid in made {
                assert_eq!(uuid.get_version_num(), 7);
                assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
                assert_eq!(uuid.get_timestamp().unwrap().to_unix(), (1_795_000_000, 123_000_000));
            }
        }
    }

    #[test]
    fn ids_count_on_from_any_of_them() {
        let at = DateTime::from_timestamp_millis(1_795_000_000_123).unwrap();
        let mut ids = EventIdGenerator::new(at, [0xff; 10]);
        for _ in 0..3 {
            let first = ids.next_id();
            let second = ids.next_id();
            let mut again = EventIdGenerator::from(first);
            assert_eq!([again.next_id(), again.next_id()], [first, second]);
        }
    }

    #[test]
    fn an_id_is_a_hyphenated_uuid_and_not_nil() {
        assert!(EventId::parse("01939b70-6d2a-7c3e-8f00-000000000001").is_some());
        assert!(EventId::parse("01939B70-6D2A-7C3E-8F00-000000000001").is_some());
        for refused in [
            "",
            "01939b706d2a7c3e8f00000000000001",
            "{01939b70-6d2a-7c3e-8f00-000000000001}",
            "01939b70-6d2a-7c3e-8f00-00000000000g",
            "00000000-0000-0000-0000-000000000000",
        ] {
            assert_eq!(EventId::parse(refused), None, "{refused}");
        }
    }

    #[test]
    fn a_name_has_the_documented_form() {
        for good in ["a", "page_view", "order.placed2", &"a".repeat(64)] {
            assert!(EventName::parse(good.to_owned()).is_some(), "{good}");
        }
        for bad in ["", "A", "1a", "_a", ".a", "a b", "ä", "a-b", &"a".repeat(65)] {
            assert!(EventName::parse(bad.to_owned()).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_device_id_of_version_7_tells_when_it_was_made() {
        let made_at = |text: &str| DeviceId::parse(text.to_owned()).unwrap().made_at();
        assert_eq!(
            made_at("01a1fc4f-8bd0-7166-97ae-6098939f1a36").unwrap().to_rfc3339(),
            "2026-11-21T04:13:54+00:00"
        );
        for silent in
            ["5f0c2a3e", "0f1e2d3c-4b5a-4678-9abc-def012345678", "01a1fc4f8bd0716697ae6098939f1a36"]
        {
            assert_eq!(made_at(silent), None, "{silent}");
        }
    }

    #[test]
    fn a_device_id_counts_characters_not_bytes() {
        assert!(DeviceId::parse("ä".repeat(128)).is_some());
        assert!(DeviceId::parse("a".repeat(129)).is_none());
        assert!(DeviceId::parse(String::new()).is_none());
        assert!(DeviceId::parse("a\u{0}".to_owned()).is_none());
    }
}
