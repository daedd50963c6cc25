//! The event and its ids: types that can't hold a value that validation would reject.
//!
//! Each newtype is made only by its `parse`, so it never needs a second check. Nothing here reads a
//! clock or draws randomness: [`EventIdGenerator`] is seeded.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::base::text::chars_above;
use crate::model::consent::Consent;
use crate::model::level::Level;
use crate::model::schema_info::SchemaInfo;

/// A beacon that passed validation.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The client's id of the event, or one stamped on receipt.
    pub id: EventId,
    pub name: EventName,
    /// The event's schema, if the catalogue has one.
    pub schema: Option<&'static SchemaInfo>,
    /// The browser or app installation that made it.
    pub device_id: Option<DeviceId>,
    /// When it happened, by the client's clock.
    pub client_time: Option<DateTime<Utc>>,
    /// How many minutes the client's wall clock is ahead of UTC, if its time has an offset.
    pub client_utc_offset_minutes: Option<i32>,
    /// When the request was sent, by the client's clock.
    pub sent_at: Option<DateTime<Utc>>,
    /// The client's sequence number.
    pub seq: Option<u64>,
    /// The client's own session id.
    pub client_session_id: Option<String>,
    /// None if the client does not state it.
    pub level: Option<Level>,
    /// The version of the site or app.
    pub build: Option<String>,
    /// The operator's id of a person.
    pub user_id: Option<String>,
    pub url: Option<String>,
    pub title: Option<String>,
    /// The URL of the previous page.
    pub referrer: Option<String>,
    pub screen: Option<Size>,
    /// The inner size of the window.
    pub viewport: Option<Size>,
    /// A BCP 47 tag.
    pub language: Option<String>,
    pub consent: Option<Consent>,
    /// The HMAC of `user_id` that the operator's server made for the page.
    pub user_hash: Option<String>,
    /// The name and the id in the SDK of another collector, if they are not those of the event.
    pub source_name: Option<String>,
    pub source_event_id: Option<String>,
    /// The event's own properties.
    pub props: Option<Map<String, Value>>,
    /// The sender's annotations.
    pub metadata: Option<Map<String, Value>>,
}

/// The id by which consumers drop duplicates: any UUID except the nil one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(Uuid);

impl EventId {
    /// Parses the 36-character hyphenated form.
    pub fn parse(text: &str) -> Option<Self> {
        let uuid = (text.len() == 36).then(|| Uuid::try_parse(text).ok())??;
        (!uuid.is_nil()).then_some(Self(uuid))
    }

    /// None for the nil UUID.
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        let uuid = Uuid::from_bytes(bytes);
        (!uuid.is_nil()).then_some(Self(uuid))
    }

    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Returns its hyphenated form in lower case, which is written to a [`Self::buffer`].
    pub fn text<'b>(&self, buffer: &'b mut [u8; 36]) -> &'b str {
        self.0.hyphenated().encode_lower(buffer)
    }

    pub const fn buffer() -> [u8; 36] {
        [0; 36]
    }

    /// Returns when it was made, in milliseconds since the epoch, if it is a UUID of version 7.
    pub fn made_at(&self) -> Option<u64> {
        (self.0.get_version_num() == 7).then_some(self.0.as_u64_pair().0 >> 16)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text(&mut Self::buffer()))
    }
}

/// Generates event ids for one request: ascending UUIDs of version 7.
///
/// The first id is as random as its seed; each next one adds one. So a request draws randomness
/// once, and its events sort in their order.
/// Source: <https://www.rfc-editor.org/rfc/rfc9562#section-6.2> (method 2).
#[derive(Debug)]
pub struct EventIdGenerator {
    milliseconds: u64,
    head: [u8; 2],
    counter: u64,
}

impl EventIdGenerator {
    /// Generates ids with the time `at`, counting from ten random bytes.
    pub fn new(at: DateTime<Utc>, seed: [u8; 10]) -> Self {
        let [h0, h1, c0, c1, c2, c3, c4, c5, c6, c7] = seed;
        // A version 7 id has 62 bits for the counter. The top one stays clear, so that no count
        // overflows.
        let counter = u64::from_be_bytes([c0, c1, c2, c3, c4, c5, c6, c7]) & (u64::MAX >> 3);
        Self {
            milliseconds: u64::try_from(at.timestamp_millis()).unwrap_or(0),
            head: [h0, h1],
            counter,
        }
    }

    /// Repeats the ids of a generator that returned `first`, from `first` on.
    pub fn from(first: EventId) -> Self {
        let (milliseconds, counter) = first.0.as_u64_pair();
        let [.., h0, h1] = milliseconds.to_be_bytes();
        Self {
            milliseconds: milliseconds >> 16,
            head: [h0, h1],
            counter: counter & (u64::MAX >> 2),
        }
    }

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
    /// Parses a text of that form.
    pub fn parse(text: String) -> Option<Self> {
        let fits = text.len() <= 64
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.'));
        fits.then_some(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A device's id: 1 to 128 characters, none of them a control character.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct DeviceId(String);

impl DeviceId {
    pub const MAX_CHARS: usize = 128;

    /// Parses a text within the limit that has no control character.
    pub fn parse(text: String) -> Option<Self> {
        let fits = !text.is_empty()
            && chars_above(&text, Self::MAX_CHARS).is_none()
            // Of bytes above ASCII, a character may be a control character.
            && !text.bytes().any(|byte| byte.is_ascii_control())
            && (text.is_ascii() || !text.chars().any(char::is_control));
        fits.then_some(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns when the id was made, if it is a UUID of version 7.
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
    pub width: u32,
    pub height: u32,
}

impl Size {
    /// Parses `WIDTHxHEIGHT`, each of one to five digits.
    pub fn parse(text: &str) -> Option<Self> {
        let pixels = |side: &[u8]| {
            let digit = |byte: &u8| byte.checked_sub(b'0').filter(|digit| *digit < 10);
            let add = |sum: u32, byte| Some(sum.wrapping_mul(10).wrapping_add(digit(byte)?.into()));
            matches!(side.len(), 1..=5).then(|| side.iter().try_fold(0, add))?
        };
        let mut sides = text.as_bytes().splitn(2, |byte| *byte == b'x');
        Some(Self { width: pixels(sides.next()?)?, height: pixels(sides.next()?)? })
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
    fn a_device_id_of_version_7_has_its_creation_time() {
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
