//! The operator's secret, and ids that last a day. Such an id is a keyed hash under a salt. The
//! salt is derived from the secret and the date, so every isolate has it and nothing is stored.
//!
//! Without the secret, an id can't be traced back, and the ids of two days can't be joined. With
//! it, both are possible until it is replaced.

use std::fmt;

use chrono::NaiveDate;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::base::text::{bytes_of_hexadecimal, hexadecimal};

/// The operator's secret, which never leaves this module.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A shorter secret could be guessed.
    pub const MIN_CHARS: usize = 32;

    /// Accepts a text of at least [`Self::MIN_CHARS`] characters.
    pub fn parse(text: String) -> Option<Self> {
        (text.chars().count() >= Self::MIN_CHARS).then_some(Self(text))
    }

    /// Whether `text` is this secret. The time of the comparison reveals nothing about it.
    pub fn is(&self, text: &str) -> bool {
        let of = |text: &str| keyed(self.0.as_bytes(), &["headwater key", text]);
        of(text) == of(&self.0)
    }

    /// Whether `signature`, in hexadecimal digits, is the HMAC-SHA256 of `parts` in a row with this
    /// key. The time of the comparison reveals nothing about the right one.
    pub fn signs(&self, parts: &[&[u8]], signature: &str) -> bool {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()) else { return false };
        parts.iter().for_each(|part| mac.update(part));
        let Some(signature) = bytes_of_hexadecimal(signature) else { return false };
        mac.verify_slice(&signature).is_ok()
    }

    /// Returns a digest by which the key is found without a comparison of its text.
    pub fn digest(text: &str) -> [u8; 32] {
        Sha256::digest(text).into()
    }

    /// The bytes of [`Self::derived`].
    pub const DERIVED_BYTES: usize = 32;

    /// Returns a key for the purpose `label`. It says nothing about the secret, or about a key with another
    /// label.
    pub fn derived(&self, label: &str) -> [u8; Self::DERIVED_BYTES] {
        keyed(self.0.as_bytes(), &["headwater derived key", label])
    }

    /// Returns the salt of the UTC day `date`.
    pub fn salt_of(&self, date: NaiveDate) -> Salt {
        Salt(keyed(self.0.as_bytes(), &["headwater salt", &date.to_string()]))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

pub struct Salt([u8; 32]);

impl Salt {
    /// Returns the id of `parts` together: 128 bits in 32 hexadecimal digits.
    pub fn id(&self, parts: &[&str]) -> String {
        let bytes = keyed(&self.0, parts);
        hexadecimal(bytes.first_chunk::<16>().unwrap_or(&[0; 16]))
    }
}

/// Returns the HMAC-SHA256 of `parts`, each after its length, so that no two lists have the same
/// input.
fn keyed(key: &[u8], parts: &[&str]) -> [u8; 32] {
    // HMAC accepts a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    for part in parts {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part.as_bytes());
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::parse(text.repeat(32)).unwrap()
    }

    #[test]
    fn an_id_lasts_a_day_and_needs_the_secret() {
        let monday: NaiveDate = "2026-11-16".parse().unwrap();
        let tuesday: NaiveDate = "2026-11-17".parse().unwrap();
        let id = secret("a").salt_of(monday).id(&["shop", "203.0.113.77"]);
        assert_eq!(id, secret("a").salt_of(monday).id(&["shop", "203.0.113.77"]));
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
        for other in [
            secret("a").salt_of(tuesday).id(&["shop", "203.0.113.77"]),
            secret("b").salt_of(monday).id(&["shop", "203.0.113.77"]),
            secret("a").salt_of(monday).id(&["shop2", "03.0.113.77"]),
            secret("a").salt_of(monday).id(&["shop203.0.113.77"]),
        ] {
            assert_ne!(id, other);
        }
    }

    #[test]
    fn a_derived_key_is_of_one_secret_and_one_label() {
        let keys = [
            secret("a").derived("x"),
            secret("a").derived("y"),
            secret("b").derived("x"),
            secret("a").salt_of("2026-11-16".parse().unwrap()).0,
        ];
        for (index, key) in keys.iter().enumerate() {
            assert_eq!(keys.iter().position(|other| other == key), Some(index));
        }
        assert_eq!(secret("a").derived("x"), keys[0]);
    }

    #[test]
    fn the_hash_is_hmac_sha256() {
        // RFC 4231, test case 2.
        let mut mac = Hmac::<Sha256>::new_from_slice(b"Jefe").unwrap();
        mac.update(b"what do ya want for nothing?");
        let bytes = mac.finalize().into_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn a_secret_is_itself_only() {
        assert!(secret("a").is(&"a".repeat(32)));
        assert!(!secret("a").is(&"a".repeat(33)) && !secret("a").is(""));
    }

    #[test]
    fn a_short_secret_is_none_and_a_secret_is_not_shown() {
        assert_eq!(Secret::parse("x".repeat(31)), None);
        assert_eq!(format!("{:?}", secret("a")), "Secret");
    }
}
