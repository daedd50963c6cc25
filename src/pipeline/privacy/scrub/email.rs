//! Finds e-mail addresses, with a plain or a percent-encoded `@`.
//!
//! Matches the usual form, not all that RFC 5321 allows. Before the `@` are letters (also accented
//! ones), digits and `._+'-`; then a domain with a dot and a top level of letters. Names of files
//! (`logo@2x.png`), versions (`react@18.2.0`) and handles (`@bob`) do not match.

use std::ops::Range;

use super::escape;

/// The longest local part and domain, in bytes:
/// <https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1>.
const MAX_LOCAL_BYTES: usize = 64;
const MAX_DOMAIN_BYTES: usize = 255;

/// Endings of image and script files whose names have an `@`.
const FILES: &[&str] = &[
    "png", "jpg", "jpeg", "gif", "webp", "svg", "avif", "ico", "bmp", "css", "js", "mjs", "json",
    "html", "htm", "woff", "ttf", "map", "min", "mp4", "webm", "pdf", "wasm", "gz",
];

/// Returns where the addresses are, in order and without overlap.
pub fn find(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut from = 0;
    while let Some(at) = next_mark(bytes, from) {
        let floor = found.last().map_or(0, |last| last.end);
        let address = local(text, floor, at.start)
            .and_then(|start| domain(text, at.end).map(|end| start..end));
        from = match address {
            Some(address) => {
                let end = address.end;
                found.push(address);
                end
            }
            None => at.end,
        };
    }
    found
}

/// Finds the next `@`, `%40` or, encoded twice, `%2540`.
fn next_mark(bytes: &[u8], mut from: usize) -> Option<Range<usize>> {
    loop {
        let rest = bytes.get(from..)?;
        let offset = rest.iter().position(|byte| matches!(byte, b'@' | b'%'))?;
        let mark = rest.get(offset..)?;
        let start = from.saturating_add(offset);
        for form in [b"@".as_slice(), b"%40", b"%2540"] {
            if mark.starts_with(form) {
                return Some(start..start.saturating_add(form.len()));
            }
        }
        from = start.saturating_add(1);
    }
}

/// Returns the start of the local part that ends at `end`, not before `floor`.
fn local(text: &str, floor: usize, end: usize) -> Option<usize> {
    let before = text.get(floor..end)?;
    let bytes = before.as_bytes();
    let mut start = before.len();
    for (position, letter) in before.char_indices().rev() {
        if before.len().saturating_sub(position) > MAX_LOCAL_BYTES {
            break;
        }
        // Inside a percent-encoding, which is checked as a whole.
        let escaped = (1..=2).find_map(|back| {
            let percent = position.checked_sub(back)?;
            escape(bytes, percent).map(|byte| (percent, byte))
        });
        match escaped {
            Some((_, byte)) if is_escaped_local(byte) => {}
            Some(_) => break,
            None if letter == '%' && escape(bytes, position).is_some_and(is_escaped_local) => {}
            None if is_local(letter) => {}
            None => break,
        }
        // An encoding is included whole or not at all.
        if escaped.is_none() {
            start = position;
        }
    }
    let dots = before.get(start..)?.bytes().take_while(|byte| *byte == b'.').count();
    let start = start.saturating_add(dots);
    (start < before.len()).then(|| floor.saturating_add(start))
}

fn is_local(letter: char) -> bool {
    match letter {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '+' | '\'' | '-' => true,
        // Latin letters with accents; scripts that are written without blanks would lose words.
        '\u{c0}'..='\u{24f}' => letter.is_alphabetic(),
        _ => false,
    }
}

fn is_escaped_local(byte: u8) -> bool {
    matches!(byte, b'+' | b'.' | b'_' | b'-' | b'\'') || byte >= 0x80
}

/// Returns the end of the domain that starts at `start`.
fn domain(text: &str, start: usize) -> Option<usize> {
    let rest = text.get(start..)?;
    let of_domain = |letter: &char| {
        letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-') || is_accented(*letter)
    };
    let mut length = 0_usize;
    for letter in rest.chars().take_while(of_domain) {
        length = length.saturating_add(letter.len_utf8());
        if length > MAX_DOMAIN_BYTES {
            return None;
        }
    }
    // What comes after two dots is no part of it, nor is what comes after the last top level:
    // `bob@mail.example.` or `…example.1`.
    let whole = rest.get(..length)?;
    if whole.starts_with('.') || !whole.contains('.') {
        return None;
    }
    let whole = whole.split_once("..").map_or(whole, |(before, _)| before);
    let mut domain = whole;
    while let Some((above, top)) = domain.rsplit_once('.') {
        if is_top_level(top) {
            let is_file = FILES.iter().any(|file| top.eq_ignore_ascii_case(file));
            return (!is_file).then(|| start.saturating_add(domain.len()));
        }
        domain = above;
    }
    None
}

fn is_accented(letter: char) -> bool {
    letter > '\u{7f}' && is_local(letter)
}

fn is_top_level(label: &str) -> bool {
    let punycode = label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--"));
    label.len() >= 2 && (punycode || label.bytes().all(|byte| byte.is_ascii_alphabetic()))
}

#[cfg(test)]
mod tests {
    fn scrubbed(text: &str) -> String {
        crate::pipeline::privacy::scrub::text(
            text,
            crate::pipeline::privacy::scrub::ScrubConfig { emails: true, cards: false },
        )
        .text
        .into_owned()
    }

    #[test]
    fn addresses_are_found() {
        let cases = [
            ("bob@mail.example", "[email]"),
            ("Bob.O'Neil+shop_1-x@sub.mail.example", "[email]"),
            ("mail <bob@mail.example>, please", "mail <[email]>, please"),
            ("Write to bob@mail.example.", "Write to [email]."),
            ("mailto:bob@mail.example?subject=x", "mailto:[email]?subject=x"),
            ("a@b.co;c@d.co", "[email];[email]"),
            ("/u?email=bob%40mail.example&x=1", "/u?email=[email]&x=1"),
            ("/u?email=bob%2Bshop%40mail.example", "/u?email=[email]"),
            ("/u?next=%2Fu%3Femail%3Dbob%2540mail.example", "/u?next=%2Fu%3Femail%3D[email]"),
            ("q=%20bob%40mail.example", "q=%20[email]"),
            ("müller@müller.example", "[email]"),
            ("m%C3%BCller%40mail.example", "[email]"),
            ("bob@xn--mller-kva.xn--p1ai", "[email]"),
            ("..bob@mail.example", "..[email]"),
            ("bob@mail.example.1", "[email].1"),
            ("bob@mail.example..", "[email].."),
            ("@bob@mastodon.example", "@[email]"),
            ("私はbob@mail.exampleです", "私は[email]です"),
            ("{\"to\":\"bob@mail.example\"}", "{\"to\":\"[email]\"}"),
        ];
        for (text, expected) in cases {
            assert_eq!(scrubbed(text), expected, "{text}");
        }
    }

    #[test]
    fn texts_that_are_no_email_stay() {
        for text in [
            "",
            "@",
            "@@",
            "a@",
            "@a.example",
            "a@b",
            "bob@localhost",
            "bob at mail.example",
            "follow @bob",
            "https://social.example/@bob/1",
            "logo@2x.png",
            "icon@3X.PNG",
            "react@18.2.0",
            "lodash@4.17.21/lodash.min.js",
            "lib@1.2.min.js",
            "/maps/@47.3769,8.5417,14z",
            "12345@N00",
            "a@.example",
            "a@b..",
            "bob@-",
            "50%40",
            "100%40off",
            "%",
            "%4",
            "%40",
            "%2540mail.example",
            "x%20%40mail.example",
            "a@b.c",
            "a @mail.example",
            "a@ mail.example",
        ] {
            assert_eq!(scrubbed(text), text);
        }
    }

    #[test]
    fn a_long_text_stays_bounded() {
        for unit in ["a", "@", "a@", "a.", "%40", "a@b.", "%25", "ä"] {
            let text = unit.repeat(200_000);
            assert!(scrubbed(&text).len() <= text.len().saturating_mul(2));
        }
    }
}
