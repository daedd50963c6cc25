//! Determines when an event happened, from two clocks of which one may be wrong.
//!
//! The client's clock states when the event happened and when it was sent; the worker's, when it
//! arrived. A difference above the threshold is an error of the client's clock and is subtracted. A
//! smaller one is the network's, and the client's time counts. An event that waited on the device
//! for days is not corrected: both of its times moved together. The time of redelivery replaces a
//! result that is after it by more than the threshold, or before it by more than [`LONGEST_WAIT`].

use chrono::{DateTime, TimeDelta, Utc};

/// The longest that an event may have waited on its device.
const LONGEST_WAIT: TimeDelta = TimeDelta::days(366);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventTime {
    /// The client's time, corrected if its clock was wrong; after the receipt by no more than the
    /// threshold.
    pub at: DateTime<Utc>,
    /// By how many milliseconds the client's clock was ahead (or, negative, behind), if that was
    /// corrected.
    pub clock_skew_ms: Option<i64>,
}

/// Compares the clocks. Without a client's time, the event happened when it arrived.
pub fn occurred(
    received_at: DateTime<Utc>,
    client_time: Option<DateTime<Utc>>,
    sent_at: Option<DateTime<Utc>>,
    threshold: TimeDelta,
) -> EventTime {
    let Some(client_time) = client_time else {
        return EventTime { at: received_at, clock_skew_ms: None };
    };
    // Nothing is sent before it happens; without a time of sending, only a future time is wrong.
    let said_now = sent_at.unwrap_or(client_time).max(client_time);
    let skew = said_now.signed_duration_since(received_at);
    let wrong = skew > threshold || (sent_at.is_some() && skew.abs() > threshold);
    let (at, skew) = match client_time.checked_sub_signed(skew).filter(|_| wrong) {
        Some(at) => (at, Some(skew)),
        None => (client_time, None),
    };
    let waited = received_at.signed_duration_since(at);
    if waited > LONGEST_WAIT || (waited < TimeDelta::zero() && waited.abs() > threshold) {
        let skew = client_time.signed_duration_since(received_at);
        return EventTime { at: received_at, clock_skew_ms: Some(skew.num_milliseconds()) };
    }
    EventTime { at, clock_skew_ms: skew.map(|skew| skew.num_milliseconds()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn a_clock_is_corrected_only_over_the_threshold() {
        let (minute, day, year) = (60, 86_400, 31_536_000);
        let cases = [
            ("no clock", None, None, 0, None),
            ("a right clock", Some(-3), Some(-1), -3, None),
            ("within the threshold", Some(55), Some(58), 55, None),
            ("an hour ahead", Some(3_600 - 10), Some(3_600), -10, Some(3_600_000)),
            ("a day behind", Some(-day - 10), Some(-day), -10, Some(-day * 1_000)),
            ("two days offline", Some(-2 * day), Some(-1), -2 * day, None),
            ("old, sending unknown", Some(-2 * day), None, -2 * day, None),
            ("in the future, sending unknown", Some(2 * minute), None, 0, Some(120_000)),
            ("happened after it was sent", Some(year), Some(0), 0, Some(year * 1_000)),
            ("since the page was opened", Some(-1_795_000_000), None, 0, Some(-1_795_000_000_000)),
            ("the same, sent now", Some(-1_795_000_000), Some(0), 0, Some(-1_795_000_000_000)),
            ("sent in a far future", Some(-5), Some(250 * year), 0, Some(-5_000)),
            ("years behind", Some(-30 * year), Some(-30 * year), 0, Some(-30 * year * 1_000)),
        ];
        for (case, client, sent, occurred_at, skew) in cases {
            let found = occurred(at(0), client.map(at), sent.map(at), TimeDelta::seconds(minute));
            let expected = EventTime { at: at(occurred_at), clock_skew_ms: skew };
            assert_eq!(found, expected, "{case}");
        }
    }

    #[test]
    fn the_ends_of_time_do_not_panic() {
        let (first, last) = (DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC);
        for received in [first, at(0), last] {
            for client in [first, last] {
                for sent in [None, Some(first), Some(last)] {
                    occurred(received, Some(client), sent, TimeDelta::seconds(60));
                }
            }
        }
    }
}
