//! Detects texts that only a program can have generated: JSON Web Tokens and long random texts.
//!
//! Such a text may grant access, so no analyst should see it. It is detected by its form alone, in
//! time that grows with the text. Similar texts that grant no access stay. These are UUIDs, ULIDs,
//! hexadecimal hashes of up to 40 digits, numbers, words joined by hyphens or capital letters,
//! article numbers, and file names.

use std::borrow::Cow;

use crate::base::text::find_three;

/// The least length of a random text, in bytes.
pub const MIN_RANDOM_BYTES: usize = 20;

/// The least length of a key in a place where keys are expected, in bytes.
pub const MIN_KEY_BYTES: usize = 16;

/// A longer hexadecimal text is no hash of Git's or MD5, nor an id of a database.
const MAX_HASH_BYTES: usize = 40;

/// The highest average length of the runs of letters and digits in a random text, in tenths.
/// `a9Fk2` has four runs; words have longer ones.
const MAX_RUN_TENTHS: usize = 30;

/// The letters that follow each of a to z in words of Western Europe's languages, without the
/// rarest pairs. Every second random pair is none of these; in words, hardly any.
#[rustfmt::skip]
const FOLLOWERS: [&str; 26] = [
    "bcdfghiklmnprstuvwxyz", "abeilorsuy", "acehiklortuy", "adegiorsuwy", "abcdefghiklmnopqrstuvwxyz",
    "aefilortuy", "aeghilnorstuy", "aeilmnortuyw", "abcdefgklmnopqrstuvxz", "aeiou", "aeiklnorstuy", "abcdefgiklmopstuvy",
    "abeimnopsuy", "acdefghiklnostuvxyz", "abcdefghiklmnoprstuvwxy", "aefhiloprstuy", "u", "abcdefghiklmnoprstuvwyz", "acefhiklmnopqstuvwyz",
    "acehilmnorstuwyz", "abcdefgiklmnoprstvxz", "aeioruy", "aehilnorsyu", "aceioptuy", "abcdelmnoprstwi", "aeilotuwyz",
];

/// Whether `text`, already percent-decoded, looks like a secret.
pub fn is_secret(text: &str) -> bool {
    text.len() >= MIN_RANDOM_BYTES && (is_jwt(text) || is_random(text))
}

/// Whether `text`, in a place where a key is expected, may be one: ids and hashes count too.
pub fn is_key(text: &str) -> bool {
    let letters = || text.bytes().filter(u8::is_ascii_alphanumeric);
    let is_hash = || {
        letters().all(|byte| byte.is_ascii_hexdigit())
            && letters().any(|byte| byte.is_ascii_digit())
            && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
    };
    text.len() >= MIN_KEY_BYTES
        && (is_secret(text)
            || is_hash()
            || is_ulid(text)
            || (text.bytes().all(is_letter_of)
                && !text.split(['-', '_']).any(is_word)
                && looks_drawn(letters())))
}

/// The least length of a JSON Web Token, in bytes: a header and two dots.
const MIN_JWT_BYTES: usize = MIN_HEADER_BYTES + 2;

/// The least length of its header.
const MIN_HEADER_BYTES: usize = 10;

/// Whether `text` is a JSON Web Token: two or more dots, and a header that begins with `{"`.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc7519#section-3>
pub fn is_jwt(text: &str) -> bool {
    let Some((header, rest)) = text.split_once('.') else { return false };
    let of_base64 = |part: &str| part.bytes().all(|byte| is_letter_of(byte) || byte == b'=');
    header.starts_with("eyJ")
        && header.len() >= MIN_HEADER_BYTES
        && rest.contains('.')
        && of_base64(header)
        && rest.split('.').all(of_base64)
}

/// Replaces each JSON Web Token in `text` with `removed`.
pub fn without_tokens<'a>(text: &'a str, removed: &str) -> Cow<'a, str> {
    let mut left = String::new();
    let mut rest = text;
    let mut found = false;
    if text.len() < MIN_JWT_BYTES {
        return Cow::Borrowed(text);
    }
    while let Some(start) = find_three(rest, b"eyJ") {
        let (before, from) = rest.split_at_checked(start).unwrap_or((rest, ""));
        let of_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=');
        let end = from.find(|c| !of_token(c)).unwrap_or(from.len());
        let (word, behind) = from.split_at_checked(end).unwrap_or((from, ""));
        let is_token = is_jwt(word);
        found |= is_token;
        left.push_str(before);
        left.push_str(if is_token { removed } else { word });
        rest = behind;
    }
    if !found {
        return Cow::Borrowed(text);
    }
    left.push_str(rest);
    Cow::Owned(left)
}

/// Whether a `text` in an alphabet of base64, or a part of it, looks random.
fn is_random(text: &str) -> bool {
    let of_text = |byte: u8| is_letter_of(byte) || matches!(byte, b'~' | b'+' | b'/' | b'=' | b'.');
    if !text.bytes().all(of_text) || is_file(text) || is_uuid(text) || is_ulid(text) {
        return false;
    }
    let parts = || text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    if parts().any(|part| part.len() >= MIN_RANDOM_BYTES && looks_drawn(part.bytes())) {
        return true;
    }
    // base64url has few `-` and `_`; a text with many, or with a word between them, is none.
    let joints = parts().count().saturating_sub(1);
    let letters = || text.bytes().filter(u8::is_ascii_alphanumeric);
    let few = joints.saturating_mul(8) <= text.len();
    // Groups of one length are an article number.
    let first = parts().next().map_or(0, str::len);
    let grouped = joints > 1 && parts().all(|part| part.len() == first);
    (1..).contains(&joints)
        && few
        && !grouped
        && !parts().any(is_word)
        && letters().count() >= MIN_RANDOM_BYTES.saturating_sub(4)
        && looks_drawn(letters())
}

fn is_letter_of(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Whether `text` is a file's name with an ending: the part before may be a hash of the file.
fn is_file(text: &str) -> bool {
    let ending = text.rsplit_once('.').map_or("", |(_, ending)| ending);
    (2..=5).contains(&ending.len())
        && ending.starts_with(|c: char| c.is_ascii_lowercase())
        && ending.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    text.len() == 36
        && lengths.eq([8, 4, 4, 4, 12])
        && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// Source: <https://github.com/ulid/spec>
fn is_ulid(text: &str) -> bool {
    text.len() == 26
        && text.starts_with(|first: char| matches!(first, '0'..='7'))
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && !text.bytes().any(|byte| matches!(byte, b'I' | b'L' | b'O' | b'U'))
}

/// Whether `part` has three letters or more of one case, or with a capital first.
fn is_word(part: &str) -> bool {
    let rest = part.get(1..).unwrap_or_default().as_bytes();
    let is_of_letters = part.len() >= 3 && part.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_of_letters
        && (rest.iter().all(u8::is_ascii_lowercase)
            || part.bytes().all(|byte| byte.is_ascii_uppercase()))
}

/// The kind of a run. A capital letter before small ones belongs to their run, as in a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CharKind {
    Digit,
    Lower,
    Upper,
}

/// Whether letters and digits follow each other at random.
fn looks_drawn(letters: impl Iterator<Item = u8>) -> bool {
    let (mut length, mut runs, mut digits) = (0_usize, 0_usize, 0_usize);
    let (mut pairs, mut odd) = (0_usize, 0_usize);
    let (mut hexadecimal, mut upper, mut lower) = (true, false, false);
    let mut before: Option<(u8, CharKind)> = None;
    let mut run = 0_usize;
    for letter in letters {
        let kind = match letter {
            b'0'..=b'9' => CharKind::Digit,
            b'a'..=b'z' => CharKind::Lower,
            _ => CharKind::Upper,
        };
        let last = before.map(|(_, kind)| kind);
        let goes_on = last == Some(kind)
            || (last == Some(CharKind::Upper) && kind == CharKind::Lower && run == 1);
        if let Some((before, last)) = before
            && kind != CharKind::Digit
            && last != CharKind::Digit
            && (last, kind) != (CharKind::Lower, CharKind::Upper)
        {
            pairs = pairs.saturating_add(1);
            odd = odd.saturating_add(usize::from(!is_pair(before, letter)));
        }
        run = if goes_on { run.saturating_add(1) } else { 1 };
        runs = runs.saturating_add(usize::from(!goes_on));
        before = Some((letter, kind));
        length = length.saturating_add(1);
        hexadecimal &= letter.is_ascii_hexdigit();
        upper |= kind == CharKind::Upper;
        lower |= kind == CharKind::Lower;
        digits = digits.saturating_add(usize::from(kind == CharKind::Digit));
    }
    if digits == length || (hexadecimal && length <= MAX_HASH_BYTES && !(upper && lower)) {
        return false;
    }
    let is_choppy = length.saturating_mul(10) <= runs.saturating_mul(MAX_RUN_TENTHS);
    let is_unspeakable = odd >= 3 && odd.saturating_mul(4) >= pairs;
    match digits {
        // Without a digit, only an unpronounceable text is no word.
        0 => is_unspeakable && odd >= 5,
        1 => is_unspeakable || (is_choppy && upper && lower),
        _ => is_unspeakable || is_choppy,
    }
}

/// Whether `second` follows `first` in words.
fn is_pair(first: u8, second: u8) -> bool {
    let place = first.to_ascii_lowercase().wrapping_sub(b'a');
    let followers = FOLLOWERS.get(usize::from(place)).copied().unwrap_or_default();
    followers.as_bytes().contains(&second.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_secrets_by_their_look() {
        for text in [
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
            "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.",
            "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.OKOawDo13gRp2ojaHV7LFpZcgV7T6DVZKTyKOMTYUmKoTCVJRgckCL9kiMT03JGe.48V1_ALb6US04U3b.5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6ji.XFBoMYUZodetZdvTiFvSkQ",
            "kX9vQ2mZp7LrT4wYb8Nc",
            "V1StGXR8_Z5jdHi6B-myT",
            "xT7pQz2Lk9-Vb4nRw8_Mc",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "c5x7z2-0a1b2c3d4e5f60718293a4b5c6d7e8f9",
            "BAh7B0kiCGdpZAY6BkVUSSIqZ2lkOi8vYXBwL1VzZXIvMQ",
            "s.Z4Vg2QxTq8Lm1Nf0Kp7Rw3Yd",
            "sk_live_51HxPq2LkVb4nRw8McXT7pQz2",
            "7b2k9x4m1q8w3z6t5r0y2p9n",
            "QxZbRtLmNpKwVyHsDgFjTcXa",
            "qxzbrtlmnpkwvhsdgfjtcx",
            "JBSWY3DPEHPK3PXPJBSWY3DP",
            "dGhpcyBpcyBhIHNlY3JldA/4kX9v+Q2mZp==",
        ] {
            assert!(is_secret(text), "{text}");
        }
    }

    #[test]
    fn nearly_all_that_is_drawn_is_a_secret() {
        let of_letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
        for (alphabet, length, at_least) in [
            (&of_letters[..62], 20, 98),
            (&of_letters[..62], 32, 99),
            (of_letters, 22, 95),
            (of_letters, 43, 98),
            (&of_letters[26..62], 24, 97),
            (&of_letters[26..62], 40, 98),
        ] {
            let mut draw = || {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                let place = usize::try_from(seed % u64::try_from(alphabet.len()).unwrap()).unwrap();
                char::from(alphabet.as_bytes()[place])
            };
            let found = (0..2_000)
                .filter(|_| is_secret(&(0..length).map(|_| draw()).collect::<String>()))
                .count();
            assert!(found >= 20 * at_least, "{found} of 2,000 of {length} of {alphabet}");
        }
    }

    #[test]
    fn a_token_is_removed_from_a_sentence() {
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.dozjgNryP4J3jVmNHl0w5N";
        for (text, left) in [
            (token.to_owned(), "[x]".to_owned()),
            (format!("Bearer {token}, or {token}"), "Bearer [x], or [x]".to_owned()),
            (format!("t={token}"), "t=[x]".to_owned()),
        ] {
            assert_eq!(without_tokens(&text, "[x]"), left);
        }
        for text in ["", "eyJ", "eyJeyJeyJ", "eyJhbGciOiJIUzI1NiJ9", "äeyJ.ö.", "keyJob.a.b"] {
            assert!(matches!(without_tokens(text, "[x]"), Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn a_meaningful_text_is_no_secret() {
        for text in [
            "",
            "kX9vQ2mZp7LrT4wYb8N",
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            "6BA7B810-9DAD-11D1-80B4-00C04FD430C8",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "507f1f77bcf86cd799439011",
            "d41d8cd98f00b204e9800998ecf8427e",
            "9fceb02d0ae598e95dc970b74767f19372d61af8",
            "12345678901234567890123",
            "how-to-make-sourdough-bread-at-home-in-2024",
            "my-page-8f3a9c2d1e4b5a6f7c8d9e0f1a2b3c4d",
            "samsung-galaxy-s24-ultra-256gb-5g-titanium",
            "samsunggalaxys24ultra512gb",
            "iphone15promax256gb2024",
            "SKU-2024-XL-RED-00123-CH",
            "AB12-CD34-EF56-GH78-IJ90-KL12",
            "ABC123-DEF456-GHI789",
            "TheQuickBrownFoxJumpsOverTheLazyDog",
            "getProductDetailsByIdAndLocale2",
            "donaudampfschifffahrtsgesellschaft",
            "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch",
            "internationalization_and_localization",
            "summer_sale_2024_newsletter_3_header",
            "main.8f3a9c2d1e4b5a6f7c8d.js",
            "kX9vQ2mZp7LrT4wYb8Nc.png",
            "2024-11-28T10:00:00.000Z",
            "2024-11-28-2024-12-24-zurich",
            "www.shop.example.co.uk",
            "ARTICLENUMBER00012345",
            "rechtsschutzversicherungsgesellschaften",
            "STRENGTHS-AND-WEAKNESSES",
            "com.example.shop.activity.MainActivity",
            "1920x1080-2560x1440-3840x2160",
        ] {
            assert!(!is_secret(text), "{text}");
        }
    }
}
