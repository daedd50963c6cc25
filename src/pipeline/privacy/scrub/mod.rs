//! Scrubs e-mail addresses and card numbers from texts that should hold none.
//!
//! A hand-written scanner, in time that grows with the text and nothing else. It matches by form,
//! so it sometimes removes something else; each rule documents its limits. It never reads names of
//! fields: an operator should not send a field that is known to hold an address.

pub mod card;
pub mod email;

use std::borrow::Cow;
use std::ops::Range;

use serde_json::Value;

use crate::base::text::pointer_step;
use crate::model::repairs::{LazyPointer, Repairs};
use crate::pipeline::privacy::values::is_short_without_marks;

/// The kinds of personal data to remove.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScrubConfig {
    pub emails: bool,
    pub cards: bool,
}

/// A kind of personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PiiKind {
    Email,
    Card,
}

impl PiiKind {
    /// Returns the text that replaces it.
    pub fn placeholder(self) -> &'static str {
        match self {
            Self::Email => "[email]",
            Self::Card => "[card]",
        }
    }

    /// Returns the name of the repair that removes it.
    pub fn repair(self) -> &'static str {
        match self {
            Self::Email => "scrub_email",
            Self::Card => "scrub_card",
        }
    }
}

/// A text, and how much was removed from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scrubbed<'a> {
    /// Borrowed if nothing was removed.
    pub text: Cow<'a, str>,
    /// How many e-mail addresses were removed.
    pub emails: usize,
    /// How many card numbers were removed.
    pub cards: usize,
}

/// Removes the kinds in `what` from `text`. Idempotent.
pub fn text(text: &str, what: ScrubConfig) -> Scrubbed<'_> {
    if what == ScrubConfig::default() || is_short_without_marks(text) {
        return Scrubbed { text: Cow::Borrowed(text), emails: 0, cards: 0 };
    }
    let emails = match what.emails {
        true => email::find(text),
        false => Vec::new(),
    };
    let text = replaced(Cow::Borrowed(text), &emails, PiiKind::Email);
    let cards = match what.cards {
        true => card::find(&text),
        false => Vec::new(),
    };
    let text = replaced(text, &cards, PiiKind::Card);
    Scrubbed { text, emails: emails.len(), cards: cards.len() }
}

/// Scrubs every text in `value`, and replaces a number that is a card's with the text `[card]`. The
/// keys of objects stay. Calls `scrubbed` with the JSON Pointer (RFC 6901) of each value that
/// changes, once for each kind.
pub fn value(
    value: &mut Value,
    what: ScrubConfig,
    scrubbed: &mut dyn FnMut(LazyPointer<'_>, PiiKind),
) {
    walk(value, what, &ScrubPlace { above: None, step: ScrubStep::Root }, scrubbed);
}

fn walk(
    value: &mut Value,
    what: ScrubConfig,
    place: &ScrubPlace<'_>,
    scrubbed: &mut dyn FnMut(LazyPointer<'_>, PiiKind),
) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => {
            if what.cards && card::is_card(number.as_str()) {
                *value = Value::String(PiiKind::Card.placeholder().to_owned());
                scrubbed(&|| place.pointer(), PiiKind::Card);
            }
        }
        Value::String(content) => {
            let Scrubbed { text, emails, cards } = text(content, what);
            let Cow::Owned(text) = text else {
                return;
            };
            *content = text;
            for (count, kind) in [(emails, PiiKind::Email), (cards, PiiKind::Card)] {
                if count > 0 {
                    scrubbed(&|| place.pointer(), kind);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                let place = ScrubPlace { above: Some(place), step: ScrubStep::Index(index) };
                walk(item, what, &place, scrubbed);
            }
        }
        Value::Object(fields) => {
            for (key, field) in fields.iter_mut() {
                let place = ScrubPlace { above: Some(place), step: ScrubStep::Key(key) };
                walk(field, what, &place, scrubbed);
            }
        }
    }
}

/// The location of a value; its pointer is written only if needed.
struct ScrubPlace<'a> {
    above: Option<&'a ScrubPlace<'a>>,
    step: ScrubStep<'a>,
}

enum ScrubStep<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

impl ScrubPlace<'_> {
    fn pointer(&self) -> String {
        let mut pointer = self.above.map(ScrubPlace::pointer).unwrap_or_default();
        match self.step {
            ScrubStep::Root => {}
            ScrubStep::Key(key) => {
                pointer.push('/');
                pointer.push_str(&pointer_step(key));
            }
            ScrubStep::Index(index) => {
                pointer.push('/');
                pointer.push_str(&index.to_string());
            }
        }
        pointer
    }
}

fn replaced<'a>(text: Cow<'a, str>, found: &[Range<usize>], kind: PiiKind) -> Cow<'a, str> {
    if found.is_empty() {
        return text;
    }
    let mut scrubbed = String::with_capacity(text.len());
    let mut from = 0;
    for range in found {
        scrubbed.push_str(text.get(from..range.start).unwrap_or_default());
        scrubbed.push_str(kind.placeholder());
        from = range.end;
    }
    scrubbed.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(scrubbed)
}

/// Decodes the percent-encoding at `position`.
fn escape(bytes: &[u8], position: usize) -> Option<u8> {
    let [b'%', high, low] = bytes.get(position..position.saturating_add(3))? else {
        return None;
    };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(*high)? << 4 | digit(*low)?)
}

impl Repairs {
    /// Scrubs the pointers: a key may be personal.
    pub fn scrub(&mut self, what: ScrubConfig) {
        if what == ScrubConfig::default() {
            return;
        }
        for pointer in self.pointers_mut() {
            if let Cow::Owned(scrubbed) = text(pointer, what).text {
                *pointer = scrubbed;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const ALL: ScrubConfig = ScrubConfig { emails: true, cards: true };

    #[test]
    fn both_kinds_are_removed_from_one_text_and_counted() {
        let Scrubbed { text, emails, cards } =
            text("bob@mail.example paid with 4111 1111 1111 1111, ann@mail.example not", ALL);
        assert_eq!(text, "[email] paid with [card], [email] not");
        assert_eq!((emails, cards), (2, 1));
    }

    #[test]
    fn only_configured_kinds_are_removed() {
        let both = "bob@mail.example 4111111111111111";
        let cases = [
            (ScrubConfig { emails: true, cards: false }, "[email] 4111111111111111"),
            (ScrubConfig { emails: false, cards: true }, "bob@mail.example [card]"),
            (ScrubConfig { emails: false, cards: false }, both),
        ];
        for (what, expected) in cases {
            assert_eq!(text(both, what).text, expected);
        }
        assert!(matches!(text("nothing in here", ALL).text, Cow::Borrowed(_)));
    }

    #[test]
    fn a_value_is_scrubbed_at_every_depth_with_its_pointers() {
        let mut props = json!({
            "a/b~c": [{"to": "bob@mail.example and 4111111111111111"}, true, null],
            "card": 4_111_111_111_111_111_u64,
            "time": 1_795_000_000_123_u64,
            "price": 41111111.11111111,
            "bob@mail.example": "kept",
        });
        let mut reported = Vec::new();
        value(&mut props, ALL, &mut |pointer, kind| reported.push((pointer(), kind)));
        let expected = json!({
            "a/b~c": [{"to": "[email] and [card]"}, true, null],
            "card": "[card]",
            "time": 1_795_000_000_123_u64,
            "price": 41111111.11111111,
            "bob@mail.example": "kept",
        });
        assert_eq!(props, expected);
        let expected = [
            ("/a~1b~0c/0/to".to_owned(), PiiKind::Email),
            ("/a~1b~0c/0/to".to_owned(), PiiKind::Card),
            ("/card".to_owned(), PiiKind::Card),
        ];
        assert_eq!(reported, expected);
        value(&mut props, ALL, &mut |pointer, _| panic!("{} is found again", pointer()));
    }

    #[test]
    fn a_bare_text_has_the_root_pointer() {
        let mut reported = Vec::new();
        let mut bare = json!("bob@mail.example");
        value(&mut bare, ALL, &mut |pointer, _| reported.push(pointer()));
        assert_eq!((bare, reported), (json!("[email]"), vec![String::new()]));
    }

    proptest! {
        #[test]
        fn twice_is_once(
            content in "([a-zA-Z0-9@. %+_-]|%40|@|mail\\.example|bob|4111|1111|3782 822463 10005|\\[card\\]|ä){0,24}|.{0,60}"
        ) {
            let once = text(&content, ALL).text.into_owned();
            let twice = text(&once, ALL);
            prop_assert_eq!(&twice.text, &once);
            prop_assert_eq!((twice.emails, twice.cards), (0, 0));
        }

        #[test]
        fn a_plain_address_and_a_plain_card_never_survive(before in ".{0,20}", after in ".{0,20}") {
            let content = format!("{before} bob@mail.example 5500005555555559 {after}");
            let scrubbed = text(&content, ALL).text.into_owned();
            prop_assert!(!scrubbed.contains("bob@mail"), "{}", scrubbed);
            prop_assert!(!scrubbed.contains("5500005555555559"), "{}", scrubbed);
        }
    }
}
