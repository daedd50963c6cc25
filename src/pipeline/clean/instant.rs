//! Reads times that are nearly RFC 3339 and have only one meaning.

use chrono::{DateTime, Timelike};

/// Returns the RFC 3339 form of `text`, if it is another spelling of a time with an offset.
///
/// Accepts a blank or `t` for the `T`, and `z`, `UTC` or `GMT` for the `Z`. An offset may follow a
/// blank, lack its colon or its minutes, or have U+2212 as its minus. Its plus may be a blank, as
/// in a decoded query. The fraction may follow a comma. The seconds, or all dashes and colons, may
/// be absent. A zone's name in brackets (RFC 9557) is skipped. A leap second becomes the last
/// millisecond of its minute, if one can be there. A date alone and a time without an offset are
/// rejected.
pub fn rfc_3339(text: &str) -> Option<String> {
    /// Enough for a time with nanoseconds and the name of its zone.
    const MAX_BYTES: usize = 100;
    if text.len() > MAX_BYTES {
        return None;
    }
    let mut rest = Rest(text);
    let (year, dashed) = (rest.digits(4)?, rest.takes("-"));
    let month = rest.digits(2)?;
    if dashed && !rest.takes("-") {
        return None;
    }
    let day = rest.digits(2)?;
    if !rest.takes("T") && !rest.blanks() {
        return None;
    }
    let (hour, spaced) = (rest.digits(2)?, rest.takes(":"));
    let minute = rest.digits(2)?;
    let second = match spaced {
        true if rest.takes(":") => Some(rest.digits(2)?),
        true => None,
        false => rest.digits(2),
    };
    let fraction = match second.is_some() && (rest.takes(".") || rest.takes(",")) {
        true => Some(rest.any_digits()?),
        false => None,
    };
    let offset = rest.offset()?;
    let is_leap = second == Some("60");
    let (second, fraction) = match is_leap {
        true => ("59", Some("999")),
        false => (second.unwrap_or("00"), fraction),
    };
    let point = if fraction.is_some() { "." } else { "" };
    let fraction = fraction.unwrap_or_default();
    let read = format!("{year}-{month}-{day}T{hour}:{minute}:{second}{point}{fraction}{offset}");
    let time = DateTime::parse_from_rfc3339(&read).ok()?.to_utc();
    let fits = !is_leap || (time.hour(), time.minute()) == (23, 59);
    (fits && read != text).then_some(read)
}

/// The text that is not read yet.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    /// Skips `word`, in any case, if it is next; returns whether it was.
    fn takes(&mut self, word: &str) -> bool {
        match self.0.split_at_checked(word.len()) {
            Some((found, rest)) if found.eq_ignore_ascii_case(word) => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// Skips blanks; returns whether there were any.
    fn blanks(&mut self) -> bool {
        let rest = self.0.trim_start_matches(' ');
        let found = rest.len() < self.0.len();
        self.0 = rest;
        found
    }

    fn digits(&mut self, count: usize) -> Option<&'a str> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| self.0 = rest)?;
        Some(digits)
    }

    /// Reads at least one digit.
    fn any_digits(&mut self) -> Option<&'a str> {
        let count = self.0.bytes().take_while(u8::is_ascii_digit).count();
        self.digits(count).filter(|digits| !digits.is_empty())
    }

    /// Reads the offset, which must end the text.
    fn offset(&mut self) -> Option<String> {
        let blank = self.blanks();
        let is_utc = self.takes("UTC") || self.takes("GMT") || self.takes("Z");
        let sign = if self.takes("+") {
            Some('+')
        } else if self.takes("-") || self.takes("\u{2212}") {
            Some('-')
        } else {
            (blank && !is_utc).then_some('+')
        };
        let offset = match sign {
            None => is_utc.then(|| "Z".to_owned())?,
            Some(sign) => {
                let (hours, colon) = (self.digits(2)?, self.takes(":"));
                let minutes = match self.digits(2) {
                    None if colon => return None,
                    minutes => minutes.unwrap_or("00"),
                };
                format!("{sign}{hours}:{minutes}")
            }
        };
        self.zones();
        self.0.is_empty().then_some(offset)
    }

    /// Skips names in brackets.
    fn zones(&mut self) {
        while let Some((_, rest)) = self.0.strip_prefix('[').and_then(|it| it.split_once(']')) {
            self.0 = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn near_spellings_are_read() {
        for (text, expected) in [
            ("2026-11-28T10:00:00+0000", "2026-11-28T10:00:00+00:00"),
            ("2026-11-28T10:00:00+01", "2026-11-28T10:00:00+01:00"),
            ("2026-11-28T10:00:00.5-0330", "2026-11-28T10:00:00.5-03:30"),
            ("2026-11-28 10:00:00Z", "2026-11-28T10:00:00Z"),
            ("2026-11-28t10:00:00z", "2026-11-28T10:00:00Z"),
            ("2026-11-28T10:00:00,123Z", "2026-11-28T10:00:00.123Z"),
            ("2026-11-28 10:00:00,123456789 +0100", "2026-11-28T10:00:00.123456789+01:00"),
            ("2026-11-28 10:00:00 +01:00", "2026-11-28T10:00:00+01:00"),
            ("2026-11-28T10:00:00 01:00", "2026-11-28T10:00:00+01:00"),
            ("2026-11-28T10:00:00 0100", "2026-11-28T10:00:00+01:00"),
            ("2026-11-28 10:00:00 UTC", "2026-11-28T10:00:00Z"),
            ("2026-11-28 10:00:00 GMT+0200", "2026-11-28T10:00:00+02:00"),
            ("2026-11-28T10:00:00\u{2212}05:00", "2026-11-28T10:00:00-05:00"),
            ("2026-11-28T10:00Z", "2026-11-28T10:00:00Z"),
            ("2026-11-28 10:00+01", "2026-11-28T10:00:00+01:00"),
            ("20261128T100000Z", "2026-11-28T10:00:00Z"),
            ("20261128T1000+0100", "2026-11-28T10:00:00+01:00"),
            ("2026-11-28T10:00:00+01:00[Europe/Zurich]", "2026-11-28T10:00:00+01:00"),
            ("2026-11-28T10:00:00Z[UTC][u-ca=iso8601]", "2026-11-28T10:00:00Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999Z"),
            ("2016-12-31T23:59:60.25Z", "2016-12-31T23:59:59.999Z"),
            ("2017-01-01T00:59:60+01:00", "2017-01-01T00:59:59.999+01:00"),
            ("2016-12-31 18:29:60 -0530", "2016-12-31T18:29:59.999-05:30"),
        ] {
            assert_eq!(rfc_3339(text).as_deref(), Some(expected), "{text}");
            assert_eq!(rfc_3339(expected), None, "{text}");
        }
    }

    #[test]
    fn a_text_without_an_instant_stays() {
        for text in [
            "",
            "now",
            "2026-11-28",
            "2026-11-28T10:00:00",
            "2026-11-28 10:00",
            "2026-11-28T10Z",
            "2026-11-28T10:00:00.Z",
            "2026-11-28T10:00:Z",
            "2026-11-28T10:00:00+1",
            "2026-11-28T10:00:00+01:",
            "2026-11-28T10:00:00+24:00",
            "2026-11-28T10:00:00Zulu",
            "2026-11-28T10:00:61Z",
            "2026-11-28T10:00:60Z",
            "2016-12-31T23:59:60+01:00",
            "2026-02-30T10:00:00Z",
            "2026-11-28T25:00:00Z",
            "28.11.2026 10:00:00Z",
            "11/28/2026 10:00:00Z",
            "2026-1128T10:00:00Z",
            "20261128100000",
            "2026-11-28T10:00:00+01:00[Europe",
            "\u{a0}2026-11-28T10:00:00z",
        ] {
            assert_eq!(rfc_3339(text), None, "{text}");
        }
        assert_eq!(rfc_3339(&"9".repeat(1_000_000)), None);
    }

    proptest! {
        #[test]
        fn a_normalized_instant_stays(
            text in r"20[0-9]{2}-?1[0-2]-?[0-2][0-9][Tt ][0-2][0-9]:?[0-5][0-9](:?[0-6][0-9]([.,][0-9]{1,4})?)? ?(Z|z|UTC|[+ −-][01][0-9]:?([03]0)?)",
        ) {
            if let Some(read) = rfc_3339(&text) {
                prop_assert!(DateTime::parse_from_rfc3339(&read).is_ok());
                prop_assert_eq!(rfc_3339(&read), None);
            }
        }
    }
}
