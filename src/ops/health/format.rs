//! The format of numbers and times in sentences, and of times in JSON.

use chrono::{DateTime, SecondsFormat, Timelike, Utc};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::base::clock::Milliseconds;
use crate::base::json::from_json::FromJson;

/// A point in time; in JSON an RFC 3339 text in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub Milliseconds);

impl Timestamp {
    fn date_time(self) -> DateTime<Utc> {
        let milliseconds = i64::try_from(self.0).ok();
        milliseconds.and_then(DateTime::from_timestamp_millis).unwrap_or(DateTime::UNIX_EPOCH)
    }

    /// Formats the time of day in UTC, with the date if it is not that of `now`.
    pub fn shown(self, now: Self) -> String {
        let (at, now) = (self.date_time(), now.date_time());
        let time = format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second());
        match at.date_naive() == now.date_naive() {
            true => time,
            false => format!("{} {time}", at.date_naive()),
        }
    }

    /// Seconds until `later`.
    pub const fn seconds_to(self, later: Self) -> u64 {
        later.0.saturating_sub(self.0) / 1_000
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.date_time().to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl FromJson for Timestamp {
    fn from_json(json: &RawValue) -> Option<Self> {
        let at = DateTime::parse_from_rfc3339(&String::from_json(json)?).ok()?;
        Some(Self(u64::try_from(at.timestamp_millis()).unwrap_or_default()))
    }
}

/// Formats a number of things: `12,408 records`, `1 record`.
pub fn count(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", grouped(number))
}

/// Formats a number with its digits in groups of three.
fn grouped(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", grouped(number / 1_000), number % 1_000),
    }
}

/// Formats a duration in the largest unit of which there are at least two, rounded down.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} hours", seconds / 3_600),
        _ => count(seconds / 86_400, "day"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::json::from_json::read;

    #[test]
    fn numbers_and_spans_are_read_at_a_glance() {
        for (number, text) in [
            (0, "0 records"),
            (1, "1 record"),
            (999, "999 records"),
            (1_000, "1,000 records"),
            (12_408, "12,408 records"),
            (1_000_007, "1,000,007 records"),
        ] {
            assert_eq!(count(number, "record"), text);
        }
        for (seconds, text) in [
            (0, "0 s"),
            (119, "119 s"),
            (120, "2 min"),
            (7_199, "119 min"),
            (7_200, "2 hours"),
            (34_000, "9 hours"),
            (172_800, "2 days"),
            (950_400_000, "11,000 days"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn a_moment_of_another_day_has_its_day() {
        let now = Timestamp(1_795_318_329_123);
        assert_eq!(serde_json::to_string(&now).unwrap(), r#""2026-11-22T03:32:09.123Z""#);
        assert_eq!(read::<Timestamp>(r#""2026-11-22T03:32:09.123Z""#).unwrap(), now);
        assert!(read::<Timestamp>(r#""03:32""#).is_none());
        assert_eq!(now.shown(now), "03:32:09");
        assert_eq!(Timestamp(now.0 - 14_400_000).shown(now), "2026-11-21 23:32:09");
        assert_eq!(
            (Timestamp(0).seconds_to(now), now.seconds_to(Timestamp(0))),
            (1_795_318_329, 0)
        );
    }
}
