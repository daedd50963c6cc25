//! Reads times that are nearly RFC 3339, or are written as scripts, mails and logs write them, and
//! have only one meaning.

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Weekday};
use percent_encoding::percent_decode_str;

/// Enough for a time with nanoseconds and the long name of its zone, percent-encoded.
const MAX_BYTES: usize = 300;

/// Returns the RFC 3339 form of `text`, if it is another spelling of a time with an offset.
///
/// Accepts these dates:
///
/// - `2026-11-28`, also with `/` or `.`, with single digits, or without any mark
/// - `Sat, 28 Nov 2026`, `28-Nov-2026`, `28/Nov/2026` (RFC 5322, RFC 9110, logs of web servers)
/// - `Sat Nov 28 2026`, `November 28, 2026` (scripts); the year may follow the zone (`date`)
///
/// A day of the week must be the date's. A year of two digits needs one. The time may follow a `T`,
/// a blank, a comma, a colon or `at`. Its fraction may follow a comma, or a colon if it has three
/// digits. The seconds may be absent, and `AM` or `PM` may follow. `24:00` is the next midnight, and
/// a leap second becomes the last millisecond of its minute, if one can be there.
///
/// The zone may be `Z`, `UTC`, `GMT` or `UT`, in any case, with or without an offset. An offset may
/// follow a blank, lack its colon, its minutes or a zero, or have U+2212 as its minus. Its plus may
/// be a blank, as in a decoded query. RFC 5322's names of American zones are read in its own form.
/// A zone's name behind an offset is skipped, also in brackets. The text may be in quotes or
/// percent-encoded. A time without an offset, and a date of digits that ends in the year, are
/// rejected.
pub fn rfc_3339(text: &str) -> Option<String> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let decoded = match text.contains('%') {
        true => percent_decode_str(text).decode_utf8().ok()?,
        false => text.into(),
    };
    let mut rest = Rest(unquoted(&decoded));
    let date = rest.date()?;
    rest.joint(&date)?;
    let time = rest.time()?;
    let zone = rest.zone(&date)?;
    let year = match date.year {
        Some(year) => year,
        None => rest.blanks().then(|| rest.digits(4))??.parse().ok()?,
    };
    rest.zone_name(&zone)?;
    let day = NaiveDate::from_ymd_opt(year, date.month, date.day)?;
    if date.weekday.is_some_and(|weekday| weekday != day.weekday()) {
        return None;
    }
    time.on(day, &zone).filter(|read| read != text)
}

/// Returns the milliseconds since the epoch of `Date(…)`, as .NET's JSON and scripts print it.
pub fn printed_milliseconds(text: &str) -> Option<u64> {
    const MAX_DIGITS: usize = 15;
    let text = unquoted(text).trim_matches(['/', '\\']);
    let inner =
        text.strip_prefix("new ").unwrap_or(text).strip_prefix("Date(")?.strip_suffix(')')?;
    // The offset only names the zone of the writer.
    let end = inner.find(['+', '-']).unwrap_or(inner.len());
    let (digits, offset) = inner.split_at_checked(end)?;
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_offset =
        offset.is_empty() || (offset.len() == 5 && offset.get(1..).is_some_and(are_digits));
    let is_count = (1..=MAX_DIGITS).contains(&digits.len()) && are_digits(digits);
    (is_offset && is_count).then(|| digits.parse().ok())?
}

/// Removes quotes, also escaped ones, and blanks around `text`.
pub fn unquoted(text: &str) -> &str {
    text.trim_matches(|it: char| {
        matches!(it, '"' | '\'' | '`' | '\\' | '“' | '”' | '‘' | '’') || it.is_whitespace()
    })
}

/// The form of a date, which decides what may follow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The year first, in digits only.
    Iso,
    /// The year first, without any mark.
    Basic,
    /// The day, then the month's name.
    Mail,
    /// The month's name, then the day.
    Script,
}

struct Date {
    form: Form,
    weekday: Option<Weekday>,
    /// None if it follows the zone.
    year: Option<i32>,
    month: u32,
    day: u32,
}

struct Time<'a> {
    hour: u32,
    minute: u32,
    second: u32,
    fraction: Option<&'a str>,
}

struct Zone {
    /// In the form of RFC 3339.
    offset: String,
    is_utc: bool,
}

impl Time<'_> {
    /// Returns the RFC 3339 form of this time on `day`.
    fn on(&self, day: NaiveDate, zone: &Zone) -> Option<String> {
        let Self { mut hour, minute, mut second, mut fraction } = *self;
        let mut day = day;
        let is_midnight = (hour, minute, second) == (24, 0, 0)
            && fraction.is_none_or(|digits| digits.bytes().all(|digit| digit == b'0'));
        if is_midnight {
            (hour, day) = (0, day.succ_opt()?);
        }
        let is_leap = second == 60;
        if is_leap {
            (second, fraction) = (59, Some("999"));
        }
        let point = if fraction.is_some() { "." } else { "" };
        let (fraction, offset) = (fraction.unwrap_or_default(), &zone.offset);
        let read = format!("{day}T{hour:02}:{minute:02}:{second:02}{point}{fraction}{offset}");
        let time = DateTime::parse_from_rfc3339(&read).ok()?.to_utc();
        (!is_leap || (time.hour(), time.minute()) == (23, 59)).then_some(read)
    }
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
        let rest = self.0.trim_start();
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

    /// Reads a number of one or two digits.
    fn number(&mut self) -> Option<u32> {
        self.any_digits().filter(|digits| digits.len() <= 2)?.parse().ok()
    }

    /// Reads a word of letters.
    fn word(&mut self) -> &'a str {
        let end = self.0.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (word, rest) = self.0.split_at_checked(end).unwrap_or(("", self.0));
        self.0 = rest;
        word
    }

    fn date(&mut self) -> Option<Date> {
        if self.0.starts_with(|first: char| first.is_ascii_alphabetic()) {
            let word = self.word();
            return match weekday(word) {
                None => self.behind_month(None, month(word)?),
                Some(weekday) => {
                    self.takes(",");
                    self.blanks();
                    match self.0.starts_with(|first: char| first.is_ascii_digit()) {
                        true => self.behind_weekday(weekday),
                        false => {
                            let word = self.word();
                            self.behind_month(Some(weekday), month(word)?)
                        }
                    }
                }
            };
        }
        // A script writes years past 9999, and often others, with a sign and six digits.
        let is_signed = self.takes("+00");
        let count = self.0.bytes().take_while(u8::is_ascii_digit).count();
        match count {
            1 | 2 if !is_signed => {
                let day = self.digits(count)?;
                self.mail(None, day)
            }
            4 => {
                let year = Some(self.digits(4)?.parse().ok()?);
                let mark = ["-", "/", "."].into_iter().find(|mark| self.takes(mark))?;
                let month = self.number()?;
                let day = self.takes(mark).then(|| self.number())??;
                Some(Date { form: Form::Iso, weekday: None, year, month, day })
            }
            // The time may follow without a mark.
            8 | 12 | 14 if !is_signed => {
                let year = Some(self.digits(4)?.parse().ok()?);
                let (month, day) = (self.digits(2)?.parse().ok()?, self.digits(2)?.parse().ok()?);
                Some(Date { form: Form::Basic, weekday: None, year, month, day })
            }
            _ => None,
        }
    }

    fn behind_weekday(&mut self, weekday: Weekday) -> Option<Date> {
        let day = self.any_digits()?;
        self.mail(Some(weekday), day)
    }

    /// Reads the month's name and the year of a date that begins with the day.
    fn mail(&mut self, weekday: Option<Weekday>, day: &str) -> Option<Date> {
        let day = Some(day).filter(|day| day.len() <= 2)?.parse().ok()?;
        let mark = ["-", "/"].into_iter().find(|mark| self.takes(mark));
        if mark.is_none() {
            self.takes(".");
            self.blanks();
        }
        let month = month(self.word())?;
        match mark {
            Some(mark) => self.takes(mark).then_some(())?,
            None => {
                let _ = self.takes(".") | self.takes(",");
                self.blanks().then_some(())?;
            }
        }
        let year = self.any_digits()?;
        let year = match (year.len(), year.parse::<i32>().ok()?) {
            (4, year) => year,
            // Source: <https://www.rfc-editor.org/rfc/rfc5322#section-4.3>
            (2, year @ 0..50) if weekday.is_some() => year.checked_add(2_000)?,
            (2, year) if weekday.is_some() => year.checked_add(1_900)?,
            _ => return None,
        };
        Some(Date { form: Form::Mail, weekday, year: Some(year), month, day })
    }

    /// Reads the day and, if it is next, the year of a date that begins with the month's name.
    fn behind_month(&mut self, weekday: Option<Weekday>, month: u32) -> Option<Date> {
        self.takes(".");
        self.blanks().then_some(())?;
        let day = self.number()?;
        let behind_day = self.0;
        let _ = ["st", "nd", "rd", "th"].iter().any(|end| self.takes(end));
        self.takes(",");
        self.blanks().then_some(())?;
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let year = match digits {
            4 => Some(self.digits(4)?.parse().ok()?),
            _ => {
                self.0 = behind_day;
                None
            }
        };
        Some(Date { form: Form::Script, weekday, year, month, day })
    }

    /// Skips what is between the date and the time.
    fn joint(&mut self, date: &Date) -> Option<()> {
        if self.takes("T") {
            return Some(());
        }
        let is_logged = date.form == Form::Mail && self.takes(":");
        let marked = self.takes(",");
        let blank = self.blanks();
        if blank && self.takes("at") {
            self.blanks();
        }
        let is_joined =
            date.form == Form::Basic && self.0.starts_with(|it: char| it.is_ascii_digit());
        (is_logged || marked || blank || is_joined).then_some(())
    }

    fn time(&mut self) -> Option<Time<'a>> {
        let hour = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (hour, spaced) = (self.digits(hour.min(2))?, self.takes(":"));
        if !spaced && hour.len() < 2 {
            return None;
        }
        let minute = self.digits(2)?;
        let second = match spaced {
            true if self.takes(":") => Some(self.digits(2)?),
            true => None,
            false => self.digits(2),
        };
        let fraction = match second.is_some() {
            true if self.takes(".") || self.takes(",") => Some(self.any_digits()?),
            true if self.takes(":") => Some(self.any_digits().filter(|digits| digits.len() == 3)?),
            _ => None,
        };
        let hour = self.half_day(hour.parse().ok()?)?;
        let number = |digits: &str| digits.parse().ok();
        let second = second.map_or(Some(0), number)?;
        Some(Time { hour, minute: number(minute)?, second, fraction })
    }

    /// Applies `AM` or `PM`, if it is next.
    fn half_day(&mut self, hour: u32) -> Option<u32> {
        let before = self.0;
        self.blanks();
        let is_am = self.takes("AM") || self.takes("a.m.");
        if !is_am && !self.takes("PM") && !self.takes("p.m.") {
            self.0 = before;
            return Some(hour);
        }
        match (hour, is_am) {
            (12, true) => Some(0),
            (1..=12, true) | (12, false) => Some(hour),
            (1..=11, false) => hour.checked_add(12),
            _ => None,
        }
    }

    /// Reads the zone: UTC, an offset or both.
    fn zone(&mut self, date: &Date) -> Option<Zone> {
        let mut blank = self.blanks();
        let is_utc = ["UTC", "GMT", "UT", "Z"].iter().any(|name| self.takes(name));
        if !is_utc && date.form == Form::Mail {
            let before = self.0;
            let name = self.word();
            if let Some((_, offset)) = AMERICAN.iter().find(|(known, _)| *known == name) {
                return Some(Zone { offset: (*offset).to_owned(), is_utc: false });
            }
            self.0 = before;
        }
        let before = self.0;
        if is_utc {
            blank = self.blanks();
        }
        let sign = if self.takes("+") {
            Some('+')
        } else if self.takes("-") || self.takes("\u{2212}") {
            Some('-')
        } else {
            // A number at the end may be the year.
            let is_offset =
                blank && date.year.is_some() && self.0.starts_with(|it: char| it.is_ascii_digit());
            is_offset.then_some('+')
        };
        let Some(sign) = sign else {
            self.0 = before;
            return is_utc.then(|| Zone { offset: "Z".to_owned(), is_utc: true });
        };
        let digits = self.any_digits()?;
        let (hours, minutes) = match digits.len() {
            1 | 2 if self.takes(":") => (digits, self.digits(2)?),
            1 | 2 => (digits, "00"),
            4 => digits.split_at_checked(2)?,
            _ => return None,
        };
        // The offset of a zone before standard time had seconds.
        if self.takes(":") && self.digits(2)? != "00" {
            return None;
        }
        Some(Zone { offset: format!("{sign}{hours:0>2}:{minutes}"), is_utc: false })
    }

    /// Skips the zone's name behind the offset, which must end the text.
    fn zone_name(&mut self, zone: &Zone) -> Option<()> {
        self.blanks();
        while let Some((_, rest)) = self.0.strip_prefix('[').and_then(|it| it.split_once(']')) {
            self.0 = rest;
        }
        if self.0.starts_with('(') && self.0.ends_with(')') {
            self.0 = "";
        }
        let name = self.0;
        self.0 = self
            .0
            .trim_start_matches(|it: char| it.is_ascii_alphabetic() || matches!(it, '/' | '_'));
        let name = name.get(..name.len().checked_sub(self.0.len())?)?;
        let is_other_zone = matches!(name, "UTC" | "GMT" | "Z")
            && !zone.is_utc
            && zone.offset.get(1..) != Some("00:00");
        // Go prints its own clock behind the zone.
        self.blanks();
        if self.takes("m=") {
            self.0 = self.0.trim_start_matches(|it: char| {
                it.is_ascii_digit() || matches!(it, '+' | '-' | '.')
            });
        }
        (self.0.is_empty() && !is_other_zone && !(zone.is_utc && !name.is_empty() && name != "UTC"))
            .then_some(())
    }
}

/// Source: <https://www.rfc-editor.org/rfc/rfc5322#section-4.3>
const AMERICAN: [(&str, &str); 8] = [
    ("EST", "-05:00"),
    ("EDT", "-04:00"),
    ("CST", "-06:00"),
    ("CDT", "-05:00"),
    ("MST", "-07:00"),
    ("MDT", "-06:00"),
    ("PST", "-08:00"),
    ("PDT", "-07:00"),
];

/// Returns the number of the month with this name, or with a name that starts with `word`.
fn month(word: &str) -> Option<u32> {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let position = MONTHS.iter().position(|month| starts(month, word))?;
    u32::try_from(position).ok()?.checked_add(1)
}

fn weekday(word: &str) -> Option<Weekday> {
    const DAYS: [(&str, Weekday); 7] = [
        ("Monday", Weekday::Mon),
        ("Tuesday", Weekday::Tue),
        ("Wednesday", Weekday::Wed),
        ("Thursday", Weekday::Thu),
        ("Friday", Weekday::Fri),
        ("Saturday", Weekday::Sat),
        ("Sunday", Weekday::Sun),
    ];
    DAYS.iter().find(|(name, _)| starts(name, word)).map(|(_, day)| *day)
}

/// Whether `word` is the start of `name`, of three letters or more, in any case.
fn starts(name: &str, word: &str) -> bool {
    word.len() >= 3 && name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
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
            ("2026-11-28T10:00:00+1", "2026-11-28T10:00:00+01:00"),
            ("2026-11-28T10:00:00+1:00", "2026-11-28T10:00:00+01:00"),
            ("2026-11-28T10:00:00-3:30", "2026-11-28T10:00:00-03:30"),
            ("2026-11-28T10:00:00+01:00:00", "2026-11-28T10:00:00+01:00"),
            ("2026-11-28T10:00:00 Z", "2026-11-28T10:00:00Z"),
            ("2026-11-28T10:00:00utc", "2026-11-28T10:00:00Z"),
            ("2026-11-28T10:00:00 UTC+1", "2026-11-28T10:00:00+01:00"),
            ("2026-11-28T10:00:00 GMT 0100", "2026-11-28T10:00:00+01:00"),
            ("2026-11-28T10:00:00:123Z", "2026-11-28T10:00:00.123Z"),
            ("2026-11-28T9:05Z", "2026-11-28T09:05:00Z"),
            ("2026-1-5T09:05:00Z", "2026-01-05T09:05:00Z"),
            ("2026/11/28 10:00:00 +0100", "2026-11-28T10:00:00+01:00"),
            ("2026.11.28 10:00:00Z", "2026-11-28T10:00:00Z"),
            ("2026-11-28, 10:00:00 a.m. UTC", "2026-11-28T10:00:00Z"),
            ("+002026-11-28T10:00:00.000Z", "2026-11-28T10:00:00.000Z"),
            ("20261128100000Z", "2026-11-28T10:00:00Z"),
            ("2026-11-28T24:00:00Z", "2026-11-29T00:00:00Z"),
            ("2026-12-31T24:00:00.000+01:00", "2027-01-01T00:00:00.000+01:00"),
            ("\"2026-11-28T10:00:00Z\"", "2026-11-28T10:00:00Z"),
            ("'2026-11-28T10:00:00.123+01:00'", "2026-11-28T10:00:00.123+01:00"),
            ("\\\"2026-11-28T10:00:00Z\\\"", "2026-11-28T10:00:00Z"),
            ("2026-11-28T10%3A00%3A00Z", "2026-11-28T10:00:00Z"),
            (
                "2026-11-28 10:00:00.123456789 +0100 CET m=+0.000012",
                "2026-11-28T10:00:00.123456789+01:00",
            ),
            ("2026-11-28 10:00:00 +0000 UTC", "2026-11-28T10:00:00+00:00"),
            ("2026-11-28T10:00:00+01:00 Europe/Zurich", "2026-11-28T10:00:00+01:00"),
            ("Sat Nov 28 2026 12:00:00 GMT+0100 (CET)", "2026-11-28T12:00:00+01:00"),
            (
                "Sat Nov 28 2026 12:00:00 GMT+0100 (Central European Standard Time)",
                "2026-11-28T12:00:00+01:00",
            ),
            (
                "Sat Nov 28 2026 12:00:00 GMT+0100 (Mitteleuropäische Normalzeit)",
                "2026-11-28T12:00:00+01:00",
            ),
            ("Sat Nov 28 2026 06:00:00 GMT-0500", "2026-11-28T06:00:00-05:00"),
            ("Sat Nov 28 12:00:00 UTC+0100 2026", "2026-11-28T12:00:00+01:00"),
            ("Sat Nov 28 11:00:00 UTC 2026", "2026-11-28T11:00:00Z"),
            ("Sat Nov 28 12:00:00 +0100 2026", "2026-11-28T12:00:00+01:00"),
            ("Sun Nov  1 11:00:00 UTC 2026", "2026-11-01T11:00:00Z"),
            ("Sat, 28 Nov 2026 11:00:00 GMT", "2026-11-28T11:00:00Z"),
            ("sat, 28 nov 2026 11:00:00 gmt", "2026-11-28T11:00:00Z"),
            ("Sat, 28 Nov 2026 12:00:00 +0100", "2026-11-28T12:00:00+01:00"),
            ("Sat, 28 Nov 2026 12:00:00 +0100 (CET)", "2026-11-28T12:00:00+01:00"),
            ("Sat, 28 Nov 2026 11:00 UT", "2026-11-28T11:00:00Z"),
            ("Sat, 28 Nov 2026 06:00:00 EST", "2026-11-28T06:00:00-05:00"),
            ("28 Nov 2026 11:00:00 +0000", "2026-11-28T11:00:00+00:00"),
            ("1 Nov 2026 11:00:00 Z", "2026-11-01T11:00:00Z"),
            ("Saturday, 28-Nov-26 11:00:00 GMT", "2026-11-28T11:00:00Z"),
            ("Sat, 28-Nov-2026 11:00:00 GMT", "2026-11-28T11:00:00Z"),
            ("28/Nov/2026:11:00:00 +0100", "2026-11-28T11:00:00+01:00"),
            ("November 28, 2026 at 11:00:00 AM UTC", "2026-11-28T11:00:00Z"),
            ("Nov 28, 2026, 12:30:00\u{202f}AM GMT+1", "2026-11-28T00:30:00+01:00"),
            ("Saturday, November 28, 2026 at 11:00:00 PM UTC", "2026-11-28T23:00:00Z"),
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
            "02/03/2026",
            "02/03/2026 10:00:00Z",
            "02-03-2026T10:00:00Z",
            "02.03.2026 10:00:00 +0100",
            "03/02/26 10:00:00Z",
            "Sat Nov 28 2026",
            "Sat Nov 28 2026 12:00:00",
            "Sat Nov 28 12:00:00 2026",
            "Sat Nov 28 12:00:00 CET 2026",
            "Fri, 27 Nov 2026 11:00:00",
            "Sun, 28 Nov 2026 11:00:00 GMT",
            "28 Nov 26 11:00:00 GMT",
            "Sat, 31 Nov 2026 11:00:00 GMT",
            "Nov 2026 11:00:00 GMT",
            "28 Foo 2026 11:00:00 GMT",
            "28 Ma 2026 11:00:00 GMT",
            "2026-11-28T13:00:00 PM UTC",
            "2026-11-28T10:00:00 CET",
            "2026-11-28T10:00:00 EST",
            "2026-11-28T10:00:00+010",
            "2026-11-28T10:00:00+01:00:30",
            "2026-11-28T10:00:00+01:00 UTC",
            "2026-11-28T24:00:01Z",
            "2026-11-28T10:00:00:12Z",
            "2026-11-28T10:00:00%zZ",
            "\"\"",
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
        ] {
            assert_eq!(rfc_3339(text), None, "{text}");
        }
        assert_eq!(rfc_3339(&"9".repeat(1_000_000)), None);
        assert_eq!(rfc_3339(&"(".repeat(MAX_BYTES)), None);
    }

    #[test]
    fn milliseconds_in_a_printed_date_are_read() {
        for (text, expected) in [
            ("/Date(1795000000123)/", Some(1_795_000_000_123)),
            ("/Date(1795000000123+0100)/", Some(1_795_000_000_123)),
            ("\\/Date(1795000000123)\\/", Some(1_795_000_000_123)),
            ("new Date(1795000000123)", Some(1_795_000_000_123)),
            ("Date(2026, 10, 28)", None),
            ("/Date()/", None),
            ("/Date(1795000000123+1)/", None),
            ("1795000000123", None),
        ] {
            assert_eq!(printed_milliseconds(text), expected, "{text}");
        }
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

        #[test]
        fn any_text_is_an_instant_or_stays(
            text in "(Sat,? )?((28[ /-])?Nov(ember)? ?|2026[-/.])([0-9]{1,2},?)? ?(2026)?[ T:][0-9]{1,2}:[0-9]{2}(:[0-9]{2})?( [AP]M)?( ?(GMT|UTC|EST|[+-][0-9]{1,4}))?( 2026| \\(CET\\))?|.{0,60}",
        ) {
            if let Some(read) = rfc_3339(&text) {
                prop_assert!(DateTime::parse_from_rfc3339(&read).is_ok());
                prop_assert_eq!(rfc_3339(&read), None);
            }
        }
    }
}
