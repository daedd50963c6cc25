//! Finds payment card numbers, with or without gaps between their groups.
//!
//! A number counts if its issuer's prefix, its length and its check digit fit. It must not be a part
//! of a longer run, a word (`order_4111…`, a hash) or a decimal fraction (`0.4111…`). Times in
//! milliseconds (13 digits), microseconds and nanoseconds begin with a 1, as no card here does.
//! Visa's old form of 13 digits is absent: no bank issues it any more, and every tenth German bar
//! code would match.
//!
//! Issuers' prefixes: <https://en.wikipedia.org/wiki/Payment_card_number>; check digit:
//! ISO/IEC 7812-1, annex B.

use std::ops::Range;

use super::escape;

/// The number of digits of a card number.
const DIGITS: std::ops::RangeInclusive<usize> = 14..=19;

/// The groups of numbers; longer lists come before their own beginnings.
const GROUPS: &[&[usize]] = &[&[4, 4, 4, 4, 3], &[6, 13], &[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4]];

/// Whether a JSON number is a card's.
pub fn is_card(number: &str) -> bool {
    DIGITS.contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && is_number(number.as_bytes())
}

/// Returns where the numbers are, in order and without overlap.
pub fn find(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(run) = next_run(bytes, from) {
        from = run.end;
        let number = match DIGITS.contains(&run.len()) {
            true => bytes.get(run.clone()).is_some_and(is_number).then(|| run.clone()),
            false => grouped(bytes, &run),
        };
        if let Some(number) = number.filter(|number| stands_for_itself(bytes, number)) {
            from = number.end;
            found.push(number);
        }
    }
    found
}

/// Finds the next run of digits, except those of percent-encodings.
fn next_run(bytes: &[u8], mut from: usize) -> Option<Range<usize>> {
    loop {
        let rest = bytes.get(from..)?;
        let offset = rest.iter().position(|byte| byte.is_ascii_digit() || *byte == b'%')?;
        let start = from.saturating_add(offset);
        if escape(bytes, start).is_some() {
            from = start.saturating_add(3);
        } else {
            let length = digits_at(bytes, start);
            if length > 0 {
                return Some(start..start.saturating_add(length));
            }
            from = start.saturating_add(1);
        }
    }
}

fn digits_at(bytes: &[u8], start: usize) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Finds the number in groups that begins with the group `first`.
fn grouped(bytes: &[u8], first: &Range<usize>) -> Option<Range<usize>> {
    let gap = gap_at(bytes, first.end)?;
    GROUPS.iter().filter(|groups| groups.first() == Some(&first.len())).find_map(|groups| {
        let mut digits = bytes.get(first.clone())?.to_vec();
        let mut end = first.end;
        for length in groups.iter().skip(1) {
            let after = bytes.get(end..)?.strip_prefix(gap)?;
            let group = after.get(..*length)?;
            digits.extend_from_slice(group);
            end = end.saturating_add(gap.len()).saturating_add(*length);
        }
        let is_whole = digits_at(bytes, end) == 0;
        (is_whole && is_number(&digits)).then_some(first.start..end)
    })
}

/// Returns the gap between two groups: a blank, also as URLs encode it, or a dash.
fn gap_at(bytes: &[u8], position: usize) -> Option<&'static [u8]> {
    let rest = bytes.get(position..)?;
    [b" ".as_slice(), b"-", b"+", b"%20", b"\xc2\xa0"].into_iter().find(|gap| rest.starts_with(gap))
}

/// Whether the neighbours of `number` do not make it a part of something longer.
fn stands_for_itself(bytes: &[u8], number: &Range<usize>) -> bool {
    let of_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let at = |position: Option<usize>| position.and_then(|position| bytes.get(position).copied());
    let digit = |position| at(position).is_some_and(|byte| byte.is_ascii_digit());

    let before = number.start.checked_sub(1);
    // The last digit of an encoding, as in `%3D4111…`, is no letter of a word.
    let after_escape =
        number.start.checked_sub(3).is_some_and(|start| escape(bytes, start).is_some());
    let word_before = !after_escape && at(before).is_some_and(of_word);
    let fraction = at(before) == Some(b'.') && digit(before.and_then(|dot| dot.checked_sub(1)));
    let word_after = at(Some(number.end)).is_some_and(of_word);
    let amount = at(Some(number.end)) == Some(b'.') && digit(number.end.checked_add(1));
    !(word_before || fraction || word_after || amount)
}

/// Whether `digits` have an issuer's prefix and length, and the right check digit.
fn is_number(digits: &[u8]) -> bool {
    issued(digits) && luhn(digits)
}

fn issued(digits: &[u8]) -> bool {
    if !DIGITS.contains(&digits.len()) {
        return false;
    }
    let prefix = digits.iter().take(6).fold(0_u32, |prefix, digit| {
        prefix.saturating_mul(10).saturating_add(u32::from(digit.saturating_sub(b'0')))
    });
    match (digits.len(), prefix) {
        // Visa.
        (16 | 19, 400_000..=499_999) => true,
        // Mastercard.
        (16, 510_000..=559_999 | 222_100..=272_099) => true,
        // American Express.
        (15, 340_000..=349_999 | 370_000..=379_999) => true,
        // Diners Club.
        (14, 300_000..=305_999 | 309_500..=309_599 | 360_000..=369_999 | 380_000..=399_999) => true,
        // JCB.
        (16, 352_800..=358_999) => true,
        // Discover.
        (16 | 19, 601_100..=601_199 | 644_000..=659_999) => true,
        // UnionPay.
        (16..=19, 620_000..=629_999) => true,
        // Maestro.
        (16..=19, 630_400..=630_499 | 675_900..=675_999 | 676_100..=676_399) => true,
        _ => false,
    }
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| {
            let digit = u32::from(digit.saturating_sub(b'0'));
            // Every second digit counts twice, and then by the sum of its digits.
            match (index % 2, digit.saturating_mul(2)) {
                (0, _) => digit,
                (_, twice @ 0..=9) => twice,
                (_, twice) => twice.saturating_sub(9),
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrubbed(text: &str) -> String {
        crate::pipeline::privacy::scrub::text(
            text,
            crate::pipeline::privacy::scrub::ScrubConfig { emails: false, cards: true },
        )
        .text
        .into_owned()
    }

    /// Numbers that payment services publish for tests, one or two of each issuer.
    const CARDS: &[&str] = &[
        "4111111111111111",
        "4242424242424242",
        "4000056655665556",
        "5555555555554444",
        "5105105105105100",
        "2223003122003222",
        "2720992593319364",
        "378282246310005",
        "371449635398431",
        "30569309025904",
        "36227206271667",
        "3566002020360505",
        "6011111111111117",
        "6011000990139424",
        "6205500000000000004",
        "6200000000000005",
        "6759649826438453",
        "6304000000000000",
    ];

    #[test]
    fn the_test_numbers_of_the_issuers_are_found() {
        for card in CARDS {
            assert_eq!(scrubbed(card), "[card]", "{card}");
            assert_eq!(scrubbed(&format!("no. {card}.")), "no. [card].", "{card}");
            assert!(is_card(card), "{card}");
        }
    }

    #[test]
    fn numbers_in_groups_are_found() {
        let cases = [
            ("4111 1111 1111 1111", "[card]"),
            ("4111-1111-1111-1111", "[card]"),
            ("4111\u{a0}1111\u{a0}1111\u{a0}1111", "[card]"),
            ("/pay?card=4111+1111+1111+1111&x=1", "/pay?card=[card]&x=1"),
            ("/pay?card=4111%201111%201111%201111", "/pay?card=[card]"),
            ("%3D4111111111111111%20", "%3D[card]%20"),
            ("3782 822463 10005", "[card]"),
            ("3622 720627 1667", "[card]"),
            ("6205 5000 0000 0000 004", "[card]"),
            ("4111 1111 1111 1111 12/27 123", "[card] 12/27 123"),
            ("2 4111 1111 1111 1111", "2 [card]"),
            ("1234 4111 1111 1111 1111", "1234 [card]"),
            ("4111111111111111,5555555555554444", "[card],[card]"),
            ("card:4111111111111111.", "card:[card]."),
            ("order-4111111111111111", "order-[card]"),
        ];
        for (text, expected) in cases {
            assert_eq!(scrubbed(text), expected, "{text}");
        }
    }

    #[test]
    fn numbers_that_are_no_card_stay() {
        for text in [
            "",
            "4111111111111112",        // wrong check digit
            "41111111111111111",       // 17 digits
            "411111111111111",         // 15 digits
            "94111111111111111",       // part of a longer run
            "4222222222222",           // 13 digits, as bar codes have
            "4006381333931",           // a bar code
            "1795000000123",           // milliseconds
            "1795000000123456",        // microseconds
            "1795000000123456783",     // nanoseconds
            "20241231235959",          // a time
            "0000000000000000",        // no issuer
            "9999999999999995",        // no issuer
            "0.4111111111111111",      // a fraction
            "4111111111111111.5",      // an amount
            "order_4111111111111111",  // part of a word
            "4111111111111111a",       // part of a hash
            "4111 1111 1111 111",      // too short
            "4111 1111-1111 1111",     // mixed gaps
            "4111  1111  1111  1111",  // two blanks
            "41 11 11 11 11 11 11 11", // no card's groups
            "411111 1111111111",       // no card's groups
            "+41 44 668 18 00",
            "2026-11-21T06:00:10.123Z",
            "5f0c2a3e-4111-4111-8111-111111111111",
            "%411111111111111",
        ] {
            assert_eq!(scrubbed(text), text);
        }
    }

    #[test]
    fn one_in_ten_numbers_of_an_issuer_passes_the_check_digit() {
        let passed = (0..1_000_u64)
            .filter(|end| is_card(&(4_111_111_111_110_000 + end).to_string()))
            .count();
        assert_eq!(passed, 100);
    }

    #[test]
    fn a_long_text_stays_bounded() {
        for unit in ["4", "4111 ", "%", "%41", "4111%20", "1 "] {
            let text = unit.repeat(200_000);
            assert!(scrubbed(&text).len() <= text.len());
        }
    }
}
