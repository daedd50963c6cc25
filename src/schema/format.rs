//! The supported `format`s of JSON Schema, each by the grammar of its RFC.
//!
//! Source: <https://json-schema.org/draft/2020-12/json-schema-validation#section-7.3>.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::rule::Format;

impl Format {
    pub fn fits(self, text: &str) -> bool {
        match self {
            Self::Date => is_date(text.as_bytes()),
            Self::Time => is_time(text.as_bytes()),
            Self::DateTime => is_date_time(text.as_bytes()),
            Self::Uuid => is_uuid(text),
            Self::Uri => is_uri(text),
            Self::Email => is_email(text),
            Self::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
            Self::Ipv6 => text.parse::<Ipv6Addr>().is_ok(),
        }
    }

    /// Describes the format, with an article and an example.
    pub fn description(self) -> &'static str {
        match self {
            Self::Date => "a date such as 2026-11-21",
            Self::Time => "a time such as 18:30:00Z",
            Self::DateTime => "a time such as 2026-11-21T18:30:00Z",
            Self::Uuid => "a UUID of 36 characters",
            Self::Uri => "an absolute URI",
            Self::Email => "an email address",
            Self::Ipv4 => "an IPv4 address",
            Self::Ipv6 => "an IPv6 address",
        }
    }
}

fn two_digits(tens: u8, ones: u8) -> Option<u32> {
    let digit = |byte: u8| char::from(byte).to_digit(10);
    Some(digit(tens)?.saturating_mul(10).saturating_add(digit(ones)?))
}

/// `YYYY-MM-DD`, <https://www.rfc-editor.org/rfc/rfc3339#section-5.6>.
fn is_date(text: &[u8]) -> bool {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else { return false };
    let (Some(century), Some(year), Some(month), Some(day)) =
        (two_digits(y1, y2), two_digits(y3, y4), two_digits(m1, m2), two_digits(d1, d2))
    else {
        return false;
    };
    let leap = if year == 0 { century.is_multiple_of(4) } else { year.is_multiple_of(4) };
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day)
}

fn is_date_time(text: &[u8]) -> bool {
    match text.split_at_checked(10) {
        Some((date, [b'T' | b't', time @ ..])) => is_date(date) && is_time(time),
        _ => false,
    }
}

/// `HH:MM:SS[.FRACTION](Z|±HH:MM)`; a leap second only at 23:59:60 UTC, where one can be.
fn is_time(text: &[u8]) -> bool {
    const DAY: u32 = 24 * 60;
    let [h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = text else { return false };
    let zone = match rest {
        [b'.', digits @ ..] => {
            let end = digits.iter().position(|byte| !byte.is_ascii_digit());
            match end.and_then(|end| digits.split_at_checked(end)) {
                Some((fraction, zone)) if !fraction.is_empty() => zone,
                _ => return false,
            }
        }
        zone => zone,
    };
    let ahead = match zone {
        [b'Z' | b'z'] => Some(0),
        [b'+', h1, h2, b':', m1, m2] => minutes(*h1, *h2, *m1, *m2),
        [b'-', h1, h2, b':', m1, m2] => {
            minutes(*h1, *h2, *m1, *m2).map(|behind| DAY.saturating_sub(behind))
        }
        _ => None,
    };
    match (minutes(*h1, *h2, *m1, *m2), two_digits(*s1, *s2), ahead) {
        (Some(_), Some(0..60), Some(_)) => true,
        (Some(local), Some(60), Some(ahead)) => {
            let utc = local.saturating_add(DAY).saturating_sub(ahead);
            utc.checked_rem(DAY) == Some(DAY - 1)
        }
        _ => false,
    }
}

/// Returns the minutes since midnight of `HH:MM`.
fn minutes(h1: u8, h2: u8, m1: u8, m2: u8) -> Option<u32> {
    let hours = two_digits(h1, h2).filter(|hours| *hours < 24)?;
    let minutes = two_digits(m1, m2).filter(|minutes| *minutes < 60)?;
    Some(hours.saturating_mul(60).saturating_add(minutes))
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// A URI with its scheme, <https://www.rfc-editor.org/rfc/rfc3986#appendix-A>.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = match rest.strip_prefix("//") {
        None => (None, rest),
        Some(rest) => match rest.find('/').and_then(|slash| rest.split_at_checked(slash)) {
            Some((authority, path)) => (Some(authority), path),
            None => (Some(rest), ""),
        },
    };
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        && authority.is_none_or(is_authority)
        && is_made_of(path, b":@/")
        && is_made_of(query, b":@/?")
        && is_made_of(fragment, b":@/?")
}

fn is_authority(text: &str) -> bool {
    let (user, place) = text.split_once('@').unwrap_or(("", text));
    let (host_fits, port) = match place.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((address, rest))) => (is_ip_literal(address), rest),
        Some(None) => return false,
        None => match place.find(':').and_then(|colon| place.split_at_checked(colon)) {
            Some((host, port)) => (is_made_of(host, b""), port),
            None => (is_made_of(place, b""), ""),
        },
    };
    let port_fits = match port.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_digit()),
        None => port.is_empty(),
    };
    is_made_of(user, b":") && host_fits && port_fits
}

/// The text between brackets: an IPv6 address, or one of a later version.
fn is_ip_literal(text: &str) -> bool {
    match text.strip_prefix(['v', 'V']).map(|rest| rest.split_once('.')) {
        Some(Some((version, address))) => {
            !version.is_empty()
                && version.bytes().all(|byte| byte.is_ascii_hexdigit())
                && !address.is_empty()
                && !address.contains('%')
                && is_made_of(address, b":")
        }
        Some(None) => false,
        None => text.parse::<Ipv6Addr>().is_ok(),
    }
}

/// Whether `text` has only unreserved characters, sub-delimiters, percent-encoded bytes and the
/// bytes of `also`.
fn is_made_of(text: &str, also: &[u8]) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'%' => [bytes.next(), bytes.next()]
                .iter()
                .all(|digit| digit.is_some_and(|digit| digit.is_ascii_hexdigit())),
            _ => {
                byte.is_ascii_alphanumeric()
                    || b"-._~!$&'()*+,;=".contains(&byte)
                    || also.contains(&byte)
            }
        };
        if !fits {
            return false;
        }
    }
    true
}

/// `LOCAL@DOMAIN`, <https://www.rfc-editor.org/rfc/rfc5321#section-4.1.2>.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let local_fits = match local.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').is_some_and(is_quoted),
        None => local.split('.').all(is_atom),
    };
    let domain_fits = match domain.strip_prefix('[') {
        Some(rest) => {
            rest.strip_suffix(']').is_some_and(|address| match address.strip_prefix("IPv6:") {
                Some(address) => address.parse::<Ipv6Addr>().is_ok(),
                None => address.parse::<Ipv4Addr>().is_ok(),
            })
        }
        None => domain.len() <= 255 && domain.split('.').all(is_label),
    };
    local.len() <= 64 && local_fits && domain_fits
}

fn is_atom(text: &str) -> bool {
    let is_atext =
        |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_atext)
}

fn is_quoted(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'\\' => bytes.next().is_some_and(|byte| matches!(byte, b' '..=b'~')),
            b'"' => false,
            byte => matches!(byte, b' '..=b'~'),
        };
        if !fits {
            return false;
        }
    }
    true
}

/// Whether `text` is a label of a domain: letters, digits and, inside, hyphens.
pub fn is_label(text: &str) -> bool {
    matches!(text.len(), 1..=63)
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_its_rfcs() {
        use Format::*;
        for (format, text, fits) in [
            (Date, "2026-02-28", true),
            (Date, "2026-02-29", false),
            (Date, "2000-02-29", true),
            (Date, "1900-02-29", false),
            (Date, "2026-2-28", false),
            (Date, "2026-02-28-", false),
            (Date, "２026-02-28", false),
            (DateTime, "2026-11-21T18:30:00.123+05:30", true),
            (DateTime, "2026-11-21 18:30:00Z", false),
            (DateTime, "2026-11-21T18:30:00", false),
            (DateTime, "1998-12-31T23:59:60Z", true),
            (DateTime, "1998-12-31T15:59:60.5-08:00", true),
            (DateTime, "1998-12-31T22:59:60Z", false),
            (Time, "00:29:60+00:30", true),
            (Time, "24:00:00Z", false),
            (Time, "12:00:00.Z", false),
            (Time, "12:00:00é", false),
            (Uuid, "01939b70-6d2a-7c3e-8f00-000000000001", true),
            (Uuid, "01939b706d2a7c3e8f00000000000001", false),
            (Uri, "https://shop.example/a?b=c#d", true),
            (Uri, "//shop.example/a", false),
            (Uri, "https://shop.example/a b", false),
            (Uri, "https://[::1]:80/", true),
            (Uri, "https://[::1/", false),
            (Uri, "mailto:a@b.example", true),
            (Uri, "https://shop.example/%zz", false),
            (Uri, "https://münchen.example/", false),
            (Email, "a.b@shop.example", true),
            (Email, "a..b@shop.example", false),
            (Email, "\"a b\"@shop.example", true),
            (Email, "a@[127.0.0.1]", true),
            (Email, "a@-shop.example", false),
            (Email, "shop.example", false),
            (Ipv4, "127.0.0.1", true),
            (Ipv4, "127.0.0.01", false),
            (Ipv6, "::ffff:127.0.0.1", true),
            (Ipv6, "fe80::1%eth0", false),
        ] {
            assert_eq!(format.fits(text), fits, "{format:?} {text}");
        }
    }
}
