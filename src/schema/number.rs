//! JSON numbers, compared digit by digit.
//!
//! A number keeps its text (`serde_json`'s `arbitrary_precision`), so `9007199254740993`, `1e400`
//! and `0.1` are exact here. Nothing is rounded and nothing is allocated; only an exponent past 64
//! bits is clamped.

use std::cmp::Ordering;

/// `±0.DIGITS × 10^point`; neither the first nor the last digit is zero. Zero has no digits.
#[derive(Debug, Clone, Copy)]
pub struct ExactNumber<'a> {
    negative: bool,
    /// The digits, in two runs, since a decimal point may be between them.
    runs: [&'a str; 2],
    point: i64,
}

impl<'a> ExactNumber<'a> {
    /// Reads `text`, which must have the form of a JSON number.
    pub fn read(text: &'a str) -> Self {
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (mantissa, exponent) = cut(text, b"eE").unwrap_or((text, ""));
        let (whole, fraction) = cut(mantissa, b".").unwrap_or((mantissa, ""));
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let (runs, point) = match (whole, fraction) {
            ("", "") => return Self { negative: false, runs: ["", ""], point: 0 },
            ("", fraction) => {
                let digits = fraction.trim_start_matches('0');
                (["", digits], length(digits).saturating_sub(length(fraction)))
            }
            (whole, "") => ([whole.trim_end_matches('0'), ""], length(whole)),
            (whole, fraction) => ([whole, fraction], length(whole)),
        };
        Self { negative, runs, point: point.saturating_add(saturated(exponent)) }
    }

    pub fn is_integer(self) -> bool {
        self.is_zero() || self.point >= self.count()
    }

    /// Whether it is a multiple of `divisor`, whose digits must fit 32 bits.
    pub fn is_multiple_of(self, divisor: Self) -> bool {
        let Some(modulus) = divisor.coefficient().filter(|digits| *digits > 0) else {
            return false;
        };
        if self.is_zero() {
            return true;
        }
        // Neither coefficient ends in a zero, so a negative shift leaves a fraction.
        let shift = self.exponent().saturating_sub(divisor.exponent());
        let Ok(shift) = u64::try_from(shift) else { return false };
        // Both factors are below 2^32, so nothing overflows.
        let step = |rest: u64, factor: u64, digit: u64| {
            rest.wrapping_mul(factor).wrapping_add(digit).checked_rem(modulus.into()).unwrap_or(0)
        };
        let mut rest = self.digits().fold(0, |rest, digit| step(rest, 10, digit.into()));
        let (mut power, mut left) = (step(10, 1, 0), shift);
        while left > 0 {
            if left & 1 == 1 {
                rest = step(rest, power, 0);
            }
            power = step(power, power, 0);
            left >>= 1;
        }
        rest == 0
    }

    /// Whether its digits, without zeros at either end, fit 32 bits.
    pub fn is_short(self) -> bool {
        self.coefficient().is_some()
    }

    pub fn is_positive(self) -> bool {
        !self.negative && !self.is_zero()
    }

    fn is_zero(self) -> bool {
        self.runs == ["", ""]
    }

    fn count(self) -> i64 {
        self.runs.into_iter().map(length).fold(0, i64::saturating_add)
    }

    fn digits(self) -> impl Iterator<Item = u8> {
        let [whole, fraction] = self.runs;
        whole.bytes().chain(fraction.bytes()).map(|byte| byte.saturating_sub(b'0'))
    }

    /// Returns the digits as an integer, to be multiplied by ten to the power of `exponent`.
    fn coefficient(self) -> Option<u32> {
        self.digits().try_fold(0_u32, |sum, digit| sum.checked_mul(10)?.checked_add(digit.into()))
    }

    fn exponent(self) -> i64 {
        self.point.saturating_sub(self.count())
    }

    fn magnitude(self, other: Self) -> Ordering {
        match (self.is_zero(), other.is_zero()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => {
                self.point.cmp(&other.point).then_with(|| self.digits().cmp(other.digits()))
            }
        }
    }
}

impl Ord for ExactNumber<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.magnitude(*other),
            (true, true) => other.magnitude(*self),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl PartialOrd for ExactNumber<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ExactNumber<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ExactNumber<'_> {}

/// Splits `text` at the first of `bytes`; on short texts this is faster than a search.
fn cut<'a>(text: &'a str, bytes: &[u8]) -> Option<(&'a str, &'a str)> {
    let at = text.bytes().position(|byte| bytes.contains(&byte))?;
    Some((text.get(..at)?, text.get(at.saturating_add(1)..)?))
}

fn length(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}

/// Parses an exponent, clamped so that adding the digits can't overflow.
fn saturated(exponent: &str) -> i64 {
    const MAX: i64 = i64::MAX / 4;
    match exponent.parse::<i64>() {
        _ if exponent.is_empty() => 0,
        Ok(exponent) => exponent.clamp(-MAX, MAX),
        Err(_) if exponent.starts_with('-') => -MAX,
        Err(_) => MAX,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_compare_by_value_and_to_the_last_digit() {
        let ascending = [
            "-1e400",
            "-9007199254740993",
            "-9007199254740992",
            "-1.5",
            "-1",
            "-1e-400",
            "0",
            "1e-400",
            "0.0999",
            "0.1",
            "0.12",
            "1",
            "1.0000000000000000000001",
            "9",
            "10",
            "99.9",
            "9007199254740992",
            "9007199254740993",
            "1e400",
            "1e99999999999999999999",
        ];
        for (i, left) in ascending.iter().enumerate() {
            for (j, right) in ascending.iter().enumerate() {
                assert_eq!(
                    ExactNumber::read(left).cmp(&ExactNumber::read(right)),
                    i.cmp(&j),
                    "{left} {right}"
                );
            }
        }
    }

    #[test]
    fn one_number_has_many_texts() {
        for same in [
            &["0", "-0", "0.0", "-0e5", "0e99999999999999999999"][..],
            &["1", "1.0", "10e-1", "0.1e1", "1E+0", "0.001e3"],
            &["-120", "-1.2e2", "-12e1", "-120.00"],
            &["0.012", "12e-3", "1.20e-2"],
        ] {
            for text in same {
                assert_eq!(ExactNumber::read(text), ExactNumber::read(same[0]), "{text}");
            }
        }
    }

    #[test]
    fn an_integer_has_no_fraction_however_it_is_written() {
        for (text, integer) in [
            ("0", true),
            ("-0.0", true),
            ("1.0", true),
            ("1.5", false),
            ("15e-1", false),
            ("1.5e1", true),
            ("120e-1", true),
            ("1e400", true),
            ("1e-400", false),
            ("0.1", false),
        ] {
            assert_eq!(ExactNumber::read(text).is_integer(), integer, "{text}");
        }
    }

    #[test]
    fn multiples_are_exact() {
        for (value, divisor, multiple) in [
            ("0", "3", true),
            ("19.90", "0.01", true),
            ("19.905", "0.01", false),
            ("0.0075", "0.0001", true),
            ("0.00751", "0.0001", false),
            ("-4", "2", true),
            ("35", "1.5", false),
            ("4.5", "1.5", true),
            ("1e308", "0.5", true),
            ("1e308", "0.123456789", false),
            ("9007199254740993", "2", false),
            ("18446744073709551615", "4294967295", true),
            ("1e9000000000000000000", "7", false),
            ("12391239123", "1e-8", true),
            ("3", "1e1", false),
            ("30", "1e1", true),
        ] {
            let found = ExactNumber::read(value).is_multiple_of(ExactNumber::read(divisor));
            assert_eq!(found, multiple, "{value} {divisor}");
        }
    }

    proptest! {
        #[test]
        fn decimals_agree_with_integers(a in -2000_i64..2000, b in -2000_i64..2000, shift in 0_u32..4) {
            let text = |n: i64| format!("{n}{}e-{shift}", "0".repeat(shift as usize));
            let (left, right) = (text(a), b.to_string());
            let (left, right) = (ExactNumber::read(&left), ExactNumber::read(&right));
            prop_assert_eq!(left.cmp(&right), a.cmp(&b));
            if b > 0 {
                prop_assert_eq!(left.is_multiple_of(right), a % b == 0);
            }
        }
    }
}
