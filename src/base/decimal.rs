//! Exact decimal arithmetic on numbers as people write them, so that `19.90 * 0.01` is `0.199`.
//!
//! Nothing is ever rounded: a result that does not fit is `None`.

/// The most digits of a number that is written out.
const MAX_DIGITS: usize = 60;
/// The largest absolute exponent that is parsed.
const MAX_EXPONENT: i32 = 400;

/// A decimal number of up to 38 significant digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    /// The last digit is not zero, unless the number is zero.
    digits: u128,
    /// The power of ten that multiplies the digits.
    exponent: i32,
}

impl Decimal {
    /// Parses a JSON number, and also `+5`, `.5`, `5.` and `05`.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, power) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, power.parse::<i32>().ok()?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if (whole.is_empty() && fraction.is_empty()) || power.saturating_abs() > MAX_EXPONENT {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        let mut digits = 0_u128;
        for byte in whole.bytes().chain(fraction.bytes()) {
            let digit = byte.is_ascii_digit().then(|| byte.saturating_sub(b'0'))?;
            digits = digits.checked_mul(10)?.checked_add(u128::from(digit))?;
        }
        let exponent = power.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        Some(Self { negative: negative && digits != 0, digits, exponent }.shortest())
    }

    /// Returns the product, if its digits fit.
    pub fn times(self, other: Self) -> Option<Self> {
        let digits = self.digits.checked_mul(other.digits)?;
        let exponent = self.exponent.checked_add(other.exponent)?;
        let negative = digits != 0 && self.negative != other.negative;
        Some(Self { negative, digits, exponent }.shortest())
    }

    /// Multiplies by ten to the power of `exponent`.
    pub fn shifted(self, exponent: i32) -> Self {
        Self { exponent: self.exponent.saturating_add(exponent), ..self }
    }

    /// Returns the whole part of a number from 0 to below 2^64.
    pub fn whole_part(self) -> Option<u64> {
        let ten = |power: u32| 10_u128.checked_pow(power);
        let whole = match u32::try_from(self.exponent) {
            Ok(power) => self.digits.checked_mul(ten(power)?)?,
            // A divisor past 10^38 leaves no digit.
            Err(_) => ten(self.exponent.unsigned_abs())
                .map_or(Some(0), |divisor| self.digits.checked_div(divisor))?,
        };
        u64::try_from(whole).ok().filter(|_| !self.negative)
    }

    pub fn is_integer(self) -> bool {
        self.exponent >= 0
    }

    pub fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// Returns the digits without an exponent, at most 60 of them; valid JSON.
    pub fn to_plain(self) -> Option<String> {
        let mut text = self.digits.to_string();
        let places = usize::try_from(self.exponent.unsigned_abs()).ok()?;
        if text.len().saturating_add(places) > MAX_DIGITS {
            return None;
        }
        if self.exponent >= 0 {
            text.push_str(&"0".repeat(places));
        } else {
            let missing = places.saturating_add(1).saturating_sub(text.len());
            text.insert_str(0, &"0".repeat(missing));
            text.insert(text.len().saturating_sub(places), '.');
        }
        if self.negative {
            text.insert(0, '-');
        }
        Some(text)
    }

    fn shortest(mut self) -> Self {
        if self.digits == 0 {
            return Self { negative: false, digits: 0, exponent: 0 };
        }
        while self.digits.is_multiple_of(10) {
            self.digits /= 10;
            self.exponent = self.exponent.saturating_add(1);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn product(a: &str, b: &str) -> Option<String> {
        Decimal::parse(a)?.times(Decimal::parse(b)?)?.to_plain()
    }

    #[test]
    fn a_product_is_exact_or_there_is_none() {
        for (a, b, expected) in [
            ("19.90", "0.01", Some("0.199")),
            ("0.1", "3", Some("0.3")),
            ("1990", "0.01", Some("19.9")),
            ("100", "10", Some("1000")),
            ("-5", "0.2", Some("-1")),
            ("-0", "7", Some("0")),
            ("1e3", "1E-3", Some("1")),
            ("12345678901234567890", "0.001", Some("12345678901234567.89")),
            ("123456789012345678901234567891", "1.0000000001", None),
            ("1e59", "10", None),
            ("1e401", "1", None),
            ("1e-70", "1", None),
            ("", "1", None),
            (".", "1", None),
            ("1,5", "1", None),
            ("1.5.5", "1", None),
            ("0x10", "1", None),
            ("--1", "1", None),
            ("1e", "1", None),
        ] {
            assert_eq!(product(a, b).as_deref(), expected, "{a} * {b}");
        }
    }

    #[test]
    fn a_whole_part_is_cut_and_never_rounded() {
        for (text, expected) in [
            ("1.999", Some(1)),
            ("0.001", Some(0)),
            ("1e-300", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("1e300", None),
            ("-1", None),
        ] {
            assert_eq!(Decimal::parse(text).unwrap().whole_part(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_written_number_reads_as_the_same_number(text in "-?[0-9]{1,20}(\\.[0-9]{1,12})?(e-?[0-9])?") {
            let number = Decimal::parse(&text).unwrap();
            let plain = number.to_plain().unwrap();
            prop_assert_eq!(Decimal::parse(&plain), Some(number));
            prop_assert!(plain.parse::<serde_json::Number>().is_ok());
        }
    }
}
