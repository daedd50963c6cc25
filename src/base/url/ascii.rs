//! Hosts in the form of the DNS: international names in Punycode.
//!
//! Browsers write `xn--bcher-kva.example`; apps and servers write `bücher.example`, also with the
//! dots of the `ü` as a character of their own. This does the part of UTS 46 that such hosts need:
//! lower case, full-width letters and digits, East Asian full stops, invisible characters, and
//! letters with combining marks, in any order. It rejects no letter.

use std::borrow::Cow;

use super::compositions::{BY_LETTER, CLASSES, PAIRS};
use crate::base::order::ascending;

/// Returns `host` in lower case and ASCII. A label that Punycode can't encode stays unchanged.
pub fn ascii(host: &str) -> Cow<'_, str> {
    if host.is_ascii() {
        return super::lower(host);
    }
    let mapped = host.chars().filter_map(mapped).flat_map(char::to_lowercase);
    let composed = composed(mapped);
    let labels = composed.split('.').map(|label| match label.is_ascii() {
        true => label.to_owned(),
        false => punycode(label).map_or_else(|| label.to_owned(), |code| format!("xn--{code}")),
    });
    Cow::Owned(labels.collect::<Vec<_>>().join("."))
}

/// Maps one character of a host; none if it is removed.
fn mapped(c: char) -> Option<char> {
    Some(match c {
        '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}' => return None,
        '\u{3002}' | '\u{ff0e}' | '\u{ff61}' => '.',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c).saturating_sub(0xfee0)).unwrap_or(c),
        'ẞ' => 'ß',
        _ => c,
    })
}

/// Composes letters and their marks, by normalization form C.
///
/// Source: <https://www.unicode.org/versions/latest/core-spec/chapter-3/#G49614>
fn composed(chars: impl Iterator<Item = char>) -> String {
    let mut parts = Vec::new();
    for next in chars {
        decompose(next, &mut parts);
    }
    for marks in parts.chunk_by_mut(|_, next| class(*next) > 0) {
        // The first is the letter, of class 0; a text may begin with a mark.
        if !marks.is_sorted_by_key(|part| class(*part)) {
            let unsorted = marks.to_vec();
            let order = ascending(&mut unsorted.iter().map(|part| u64::from(class(*part))));
            let sorted = order.iter().filter_map(|(_, at)| unsorted.get(*at));
            marks.iter_mut().zip(sorted).for_each(|(mark, next)| *mark = *next);
        }
    }
    let mut text: Vec<char> = Vec::with_capacity(parts.len());
    let (mut letter_at, mut last_class) = (None, 0);
    for next in parts {
        let class = class(next);
        // Between the letter and its mark may be marks of lower classes only.
        let is_adjacent = letter_at.is_some_and(|at: usize| at.saturating_add(1) == text.len());
        let letter = letter_at.and_then(|at| text.get_mut(at));
        let whole = letter.as_ref().and_then(|letter| {
            let may_compose = is_adjacent || last_class < class;
            may_compose.then(|| pair(**letter, next).or_else(|| syllable(**letter, next)))?
        });
        match (letter, whole) {
            (Some(letter), Some(whole)) => *letter = whole,
            _ => {
                if class == 0 {
                    letter_at = Some(text.len());
                }
                last_class = class;
                text.push(next);
            }
        }
    }
    text.into_iter().collect()
}

/// Adds the letter and the marks that `whole` is composed of.
pub fn decompose(whole: char, parts: &mut Vec<char>) {
    let pair_at = |place: &u16| PAIRS.get(usize::from(*place));
    let found = BY_LETTER
        .binary_search_by_key(&Some(whole), |place| pair_at(place).map(|(_, _, letter)| *letter));
    match found.ok().and_then(|at| BY_LETTER.get(at)).and_then(pair_at) {
        Some((first, second, _)) => {
            decompose(*first, parts);
            parts.push(*second);
        }
        None => parts.push(whole),
    }
}

/// Returns the combining class of a mark; 0 of anything else.
fn class(mark: char) -> u8 {
    let found = CLASSES.binary_search_by_key(&mark, |(mark, _)| *mark);
    found.ok().and_then(|at| CLASSES.get(at)).map_or(0, |(_, class)| *class)
}

fn pair(first: char, second: char) -> Option<char> {
    let found =
        PAIRS.binary_search_by_key(&(first, second), |(first, second, _)| (*first, *second));
    PAIRS.get(found.ok()?).map(|(_, _, letter)| *letter)
}

/// Composes a syllable of Hangul from its parts.
///
/// Source: <https://www.unicode.org/versions/latest/core-spec/chapter-3/#G59688>
fn syllable(first: char, second: char) -> Option<char> {
    const SYLLABLES: u32 = 0xac00;
    const LEADS: u32 = 0x1100;
    const VOWELS: u32 = 0x1161;
    const TAILS: u32 = 0x11a7;
    const LEAD_COUNT: u32 = 19;
    const VOWEL_COUNT: u32 = 21;
    const TAIL_COUNT: u32 = 28;
    let within = |it: char, start: u32, count: u32| {
        u32::from(it).checked_sub(start).filter(|index| *index < count)
    };
    let composed = match within(first, LEADS, LEAD_COUNT) {
        Some(lead) => {
            let vowel = within(second, VOWELS, VOWEL_COUNT)?;
            lead.checked_mul(VOWEL_COUNT)?.checked_add(vowel)?.checked_mul(TAIL_COUNT)?
        }
        None => {
            let count = LEAD_COUNT.checked_mul(VOWEL_COUNT)?.checked_mul(TAIL_COUNT)?;
            let open = within(first, SYLLABLES, count)?;
            let tail = within(second, TAILS, TAIL_COUNT).filter(|tail| *tail > 0)?;
            (open.checked_rem(TAIL_COUNT)? == 0).then(|| open.checked_add(tail))??
        }
    };
    char::from_u32(SYLLABLES.checked_add(composed)?)
}

/// Encodes `label`; none if it is too long for a host.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc3492#section-6.3>
fn punycode(label: &str) -> Option<String> {
    const MAX_CHARS: usize = 63;
    let chars: Vec<u32> = label.chars().map(u32::from).collect();
    if chars.len() > MAX_CHARS {
        return None;
    }
    let mut code: String = label.chars().filter(char::is_ascii).collect();
    let basic = u32::try_from(code.len()).ok()?;
    if basic > 0 {
        code.push('-');
    }
    let (mut n, mut delta, mut bias, mut done) = (128_u32, 0_u32, 72_u32, basic);
    while usize::try_from(done).ok()? < chars.len() {
        let next = chars.iter().copied().filter(|c| *c >= n).min()?;
        delta = delta.checked_add(next.checked_sub(n)?.checked_mul(done.checked_add(1)?)?)?;
        n = next;
        for c in &chars {
            if *c < n {
                delta = delta.checked_add(1)?;
            }
            if *c == n {
                number(&mut code, delta, bias)?;
                let damp = if done == basic { DAMP } else { 2 };
                bias = adapted(delta, done.checked_add(1)?, damp)?;
                delta = 0;
                done = done.checked_add(1)?;
            }
        }
        delta = delta.checked_add(1)?;
        n = n.checked_add(1)?;
    }
    Some(code)
}

const BASE: u32 = 36;
const T_MIN: u32 = 1;
const T_MAX: u32 = 26;
const DAMP: u32 = 700;

/// Writes `delta` as a variable-length integer.
fn number(code: &mut String, delta: u32, bias: u32) -> Option<()> {
    let mut rest = delta;
    let mut k = BASE;
    loop {
        let threshold = k.saturating_sub(bias).clamp(T_MIN, T_MAX);
        if rest < threshold {
            code.push(digit(rest)?);
            return Some(());
        }
        let span = BASE.checked_sub(threshold)?;
        let over = rest.checked_sub(threshold)?;
        code.push(digit(threshold.checked_add(over.checked_rem(span)?)?)?);
        rest = over.checked_div(span)?;
        k = k.checked_add(BASE)?;
    }
}

fn digit(value: u32) -> Option<char> {
    char::from_digit(value.checked_sub(26).unwrap_or(value), 10)
        .filter(|_| value >= 26)
        .or_else(|| char::from_u32(value.checked_add(u32::from('a'))?))
}

/// Source: <https://www.rfc-editor.org/rfc/rfc3492#section-6.1>
fn adapted(delta: u32, points: u32, damp: u32) -> Option<u32> {
    const SKEW: u32 = 38;
    let mut delta = delta.checked_div(damp)?;
    delta = delta.checked_add(delta.checked_div(points)?)?;
    let mut k = 0_u32;
    while delta > 455 {
        delta = delta.checked_div(BASE.checked_sub(T_MIN)?)?;
        k = k.checked_add(BASE)?;
    }
    let part = delta.checked_mul(BASE)?.checked_div(delta.checked_add(SKEW)?)?;
    k.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_in_unicode_and_its_punycode_are_one() {
        for (host, expected) in [
            ("shop.example", "shop.example"),
            ("SHOP.Example", "shop.example"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.example", "xn--bcher-kva.example"),
            ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
            ("www.münchen-ost.example", "www.xn--mnchen-ost-9db.example"),
            ("faß.example", "xn--fa-hia.example"),
            ("пример.испытание", "xn--e1afmkfd.xn--80akhbyknj4f"),
            ("ПРИМЕР.example", "xn--e1afmkfd.example"),
            ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
            ("ｅｘａｍｐｌｅ.com", "example.com"),
            ("παράδειγμα.example", "xn--hxajbheg2az3al.example"),
            ("उदाहरण.example", "xn--p1b6ci4b4b3a.example"),
            ("☃.example", "xn--n3h.example"),
            ("bu\u{308}cher.example", "xn--bcher-kva.example"),
            ("BU\u{308}CHER.example", "xn--bcher-kva.example"),
            ("cafe\u{301}.example", "xn--caf-dma.example"),
            ("a\u{30a}ngstro\u{308}m.example", "xn--ngstrm-hua5l.example"),
            ("tie\u{302}\u{301}ng.example", "xn--ting-hv5a.example"),
            ("vi\u{1ec7}t.example", "xn--vit-5kz.example"),
            ("vie\u{323}\u{302}t.example", "xn--vit-5kz.example"),
            ("vie\u{302}\u{323}t.example", "xn--vit-5kz.example"),
            ("vi\u{ea}\u{323}t.example", "xn--vit-5kz.example"),
            ("и\u{306}.example", "xn--i1a.example"),
            ("か\u{3099}.example", "xn--v8j.example"),
            ("\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}.example", "xn--3e0b707e.example"),
        ] {
            assert_eq!(ascii(host), expected, "{host}");
        }
        for (first, second, letter) in PAIRS {
            assert_eq!(composed([*first, *second].into_iter()), letter.to_string());
        }
        // The mark below has the lower class, and composes no letter with an x.
        assert_eq!(ascii("x\u{308}\u{323}.example"), ascii("x\u{323}\u{308}.example"));
        assert_eq!(ascii("a\u{316}\u{308}.example"), ascii("a\u{308}\u{316}.example"));
        // Of marks of one class the order counts.
        assert_ne!(ascii("a\u{308}\u{304}.example"), ascii("a\u{304}\u{308}.example"));
        let long = "ü".repeat(64);
        assert_eq!(ascii(&long), long);
    }

    proptest::proptest! {
        #[test]
        fn letters_that_are_composed_stay_so(text in "[a-eıêạơ\u{300}-\u{31b}\u{323}-\u{328}]{0,8}") {
            let once = composed(text.chars());
            let mut parts = Vec::new();
            once.chars().for_each(|letter| decompose(letter, &mut parts));
            proptest::prop_assert_eq!(&composed(once.chars()), &once);
            proptest::prop_assert_eq!(composed(parts.into_iter()), once);
        }
    }
}
