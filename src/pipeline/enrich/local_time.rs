//! Derives the time of day at the place of an event.

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use serde::Serialize;

/// A quarter of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DayPart {
    /// From 0:00.
    Night,
    /// From 6:00.
    Morning,
    /// From 12:00.
    Afternoon,
    /// From 18:00.
    Evening,
}

/// The wall clock at the place of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    /// Minutes ahead of UTC.
    pub utc_offset_minutes: i32,
    /// From 0 to 23.
    pub hour: u32,
    pub day_part: DayPart,
}

/// Returns the wall clock at `at`, `utc_offset_minutes` ahead of UTC; none for an offset that no
/// place has.
pub fn local(at: DateTime<Utc>, utc_offset_minutes: i32) -> Option<LocalTime> {
    if !(-12 * 60..=14 * 60).contains(&utc_offset_minutes) {
        return None;
    }
    let offset = TimeDelta::minutes(i64::from(utc_offset_minutes));
    let hour = at.checked_add_signed(offset)?.hour();
    let day_part = match hour {
        0..=5 => DayPart::Night,
        6..=11 => DayPart::Morning,
        12..=17 => DayPart::Afternoon,
        _ => DayPart::Evening,
    };
    Some(LocalTime { utc_offset_minutes, hour, day_part })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_part_is_that_of_the_wall_clock() {
        let at: DateTime<Utc> = "2026-11-18T11:30:00Z".parse().unwrap();
        let cases = [
            (0, 11, DayPart::Morning),
            (60, 12, DayPart::Afternoon),
            (30, 12, DayPart::Afternoon),
            (-8 * 60, 3, DayPart::Night),
            (14 * 60, 1, DayPart::Night),
            (7 * 60, 18, DayPart::Evening),
        ];
        for (utc_offset_minutes, hour, day_part) in cases {
            let expected = LocalTime { utc_offset_minutes, hour, day_part };
            assert_eq!(local(at, utc_offset_minutes), Some(expected));
        }
        assert_eq!(local(at, 15 * 60), None);
        assert_eq!(local(DateTime::<Utc>::MAX_UTC, 60), None);
    }
}
