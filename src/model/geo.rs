//! The place of a client.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::base::text::truncate_to_bytes;

/// The UTC offsets of a time zone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ZoneOffsets {
    /// On receipt, in minutes; none if there is no such zone.
    pub utc_offset_minutes: Option<i32>,
    /// The changes in the year before, ascending.
    pub utc_offset_changes: Vec<OffsetChange>,
}

/// A change of a time zone's offset, from `[milliseconds, minutes]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(from = "(i64, i32)")]
pub struct OffsetChange {
    pub at: DateTime<Utc>,
    /// Minutes ahead of UTC before the change.
    pub minutes_before: i32,
}

impl From<(i64, i32)> for OffsetChange {
    fn from((milliseconds, minutes_before): (i64, i32)) -> Self {
        let at = DateTime::from_timestamp_millis(milliseconds).unwrap_or(DateTime::<Utc>::MIN_UTC);
        Self { at, minutes_before }
    }
}

impl ZoneOffsets {
    /// Parses the offset in minutes, and after each comma a change: its milliseconds since the epoch and
    /// the minutes before it, such as `60,1729990800000 120`.
    pub fn parse(text: &str) -> Self {
        let mut parts = text.split(',');
        let utc_offset_minutes = parts.next().and_then(|minutes| minutes.parse().ok());
        let change = |text: &str| {
            let (at, minutes_before) = text.split_once(' ')?;
            Some((at.parse().ok()?, minutes_before.parse().ok()?).into())
        };
        Self { utc_offset_minutes, utc_offset_changes: parts.filter_map(change).collect() }
    }
}

/// The CDN's facts about a client; each is absent if the CDN does not know it.
///
/// Source: <https://developers.cloudflare.com/workers/runtime-apis/request/#incomingrequestcfproperties>
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Geo {
    /// ISO 3166-1 alpha-2 code.
    pub country: Option<String>,
    /// First-level division, by name.
    pub region: Option<String>,
    pub city: Option<String>,
    /// Two-letter continent code.
    pub continent: Option<String>,
    /// IANA time zone.
    pub timezone: Option<String>,
    /// IATA code of the data centre that received the request.
    pub colo: Option<String>,
    /// Number of the client's autonomous system.
    pub asn: Option<u32>,
    /// Name of the organization that runs the autonomous system.
    pub as_organization: Option<String>,
}

impl Geo {
    /// No name of the CDN is longer.
    const MAX_BYTES: usize = 256;

    /// Returns these facts with their texts cut to [`Self::MAX_BYTES`], since each event of a
    /// request carries them.
    #[must_use]
    pub fn cut(&self) -> Self {
        let cut = |text: &Option<String>| {
            Some(truncate_to_bytes(text.as_deref()?, Self::MAX_BYTES).to_owned())
        };
        Self {
            country: cut(&self.country),
            region: cut(&self.region),
            city: cut(&self.city),
            continent: cut(&self.continent),
            timezone: cut(&self.timezone),
            colo: cut(&self.colo),
            asn: self.asn,
            as_organization: cut(&self.as_organization),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_minutes_and_changes() {
        let offsets = ZoneOffsets::parse("60,1711846800000 60,1729990800000 120");
        let minutes = offsets
            .utc_offset_changes
            .iter()
            .map(|it| (it.at.timestamp_millis(), it.minutes_before));
        assert_eq!(offsets.utc_offset_minutes, Some(60));
        assert_eq!(
            minutes.collect::<Vec<_>>(),
            [(1_711_846_800_000, 60), (1_729_990_800_000, 120)]
        );
        assert_eq!(ZoneOffsets::parse("-210").utc_offset_minutes, Some(-210));
        assert_eq!(ZoneOffsets::parse(""), ZoneOffsets::default());
    }
}
