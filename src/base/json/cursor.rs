//! Steps through the tokens of a JSON text, once.
//!
//! A step that returns `None` found something that is not JSON.

use std::borrow::Cow;

use super::scan::unescaped_prefix_len;
use super::strings::{escape_len, unescaped};

/// A string as written.
#[derive(Clone, Copy)]
pub enum Quoted<'a> {
    /// Its content, which has no escape.
    Plain(&'a str),
    /// Its content, whose escapes are valid; half of a surrogate pair may be one of them.
    Escaped(&'a str),
}

impl<'a> Quoted<'a> {
    /// Returns its text, with U+FFFD for each lone surrogate.
    pub fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Plain(content) => Some(Cow::Borrowed(content)),
            Self::Escaped(content) => unescaped(content).map(|(text, _)| Cow::Owned(text)),
        }
    }
}

/// A place in a text.
pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The place after `at` bytes of the text.
    pub const fn after(text: &'a str, at: usize) -> Self {
        Self { text, at }
    }

    /// Returns how many bytes of the text are before this place.
    pub const fn position(&self) -> usize {
        self.at
    }

    /// Skips white space and returns the next byte.
    pub fn peek(&mut self) -> Option<u8> {
        loop {
            match *self.rest().first()? {
                b' ' | b'\n' | b'\r' | b'\t' => self.step(),
                byte => return Some(byte),
            }
        }
    }

    /// Steps over `byte` if it is next.
    pub fn takes(&mut self, byte: u8) -> bool {
        // Most texts have no white space.
        let is_next = self.rest().first() == Some(&byte) || self.peek() == Some(byte);
        if is_next {
            self.step();
        }
        is_next
    }

    /// Steps over one byte.
    pub const fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// Steps over a string, which begins here.
    pub fn quoted(&mut self) -> Option<Quoted<'a>> {
        self.step();
        let start = self.at;
        let mut is_escaped = false;
        loop {
            self.at = self.at.saturating_add(unescaped_prefix_len(self.rest()));
            match self.rest().first()? {
                b'"' => break,
                b'\\' => {
                    is_escaped = true;
                    self.at = self.at.saturating_add(escape_len(self.rest())?);
                }
                _ => return None,
            }
        }
        let content = self.text.get(start..self.at)?;
        self.step();
        Some(if is_escaped { Quoted::Escaped(content) } else { Quoted::Plain(content) })
    }

    /// Steps over a number, and returns its text.
    pub fn number(&mut self) -> Option<&'a str> {
        let (rest, start) = (self.rest(), self.at);
        // Dense arrays have many numbers of one digit.
        if let [b'0'..=b'9', b',' | b']' | b'}', ..] = rest {
            self.step();
            return self.text.get(start..self.at);
        }
        let digits = digits_len(rest, 0);
        // Most numbers are integers without a sign.
        let is_integer = (digits == 1 || digits > 1 && rest.first() != Some(&b'0'))
            && !matches!(rest.get(digits), Some(b'.' | b'e' | b'E'));
        let length = if is_integer { digits } else { number_len(rest)? };
        self.at = start.saturating_add(length);
        self.text.get(start..self.at)
    }

    /// Steps over `word` if it is next.
    pub fn word(&mut self, word: &str) -> Option<()> {
        let found = self.rest().starts_with(word.as_bytes());
        self.at = self.at.saturating_add(word.len());
        found.then_some(())
    }

    /// Steps over a value, and returns its text if it is JSON of at most `depth` levels.
    pub fn skip(&mut self, depth: usize) -> Option<&'a str> {
        let first = self.peek()?;
        let start = self.at;
        match first {
            b'"' => drop(self.quoted()?),
            b'{' => {
                let depth = depth.checked_sub(1)?;
                self.members(|cursor, _| cursor.skip(depth).map(drop))?;
            }
            b'[' => {
                let depth = depth.checked_sub(1)?;
                self.items(|cursor| cursor.skip(depth).map(drop))?;
            }
            b't' => self.word("true")?,
            b'f' => self.word("false")?,
            b'n' => self.word("null")?,
            _ => drop(self.number()?),
        }
        self.text.get(start..self.at)
    }

    /// Steps over the keys of an object; `member` is called at each value, and steps over it.
    pub fn members(
        &mut self,
        mut member: impl FnMut(&mut Self, Quoted<'a>) -> Option<()>,
    ) -> Option<()> {
        self.step();
        if self.takes(b'}') {
            return Some(());
        }
        loop {
            let key = (self.peek()? == b'"').then(|| self.quoted())??;
            self.takes(b':').then(|| member(self, key))??;
            if !self.takes(b',') {
                return self.takes(b'}').then_some(());
            }
        }
    }

    /// Steps through an array; `item` is called at each item, and steps over it.
    pub fn items(&mut self, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.step();
        if self.takes(b']') {
            return Some(());
        }
        loop {
            item(self)?;
            if !self.takes(b',') {
                return self.takes(b']').then_some(());
            }
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }
}

/// Returns the length of the number that `text` begins with.
/// Source: <https://www.rfc-editor.org/rfc/rfc8259#section-6>
fn number_len(text: &[u8]) -> Option<usize> {
    let sign = usize::from(text.first() == Some(&b'-'));
    let whole = digits_len(text, sign);
    let mut end = match text.get(sign)? {
        // No digit may follow, so the number ends here.
        b'0' => sign.saturating_add(1),
        _ if whole == 0 => return None,
        _ => sign.saturating_add(whole),
    };
    let fraction_or_exponent = |end: usize| matches!(text.get(end), Some(b'.' | b'e' | b'E'));
    if !fraction_or_exponent(end) {
        return Some(end);
    }
    if text.get(end) == Some(&b'.') {
        let start = end.saturating_add(1);
        end = start.saturating_add(digits_len(text, start));
        (end > start).then_some(())?;
    }
    if let Some(b'e' | b'E') = text.get(end) {
        let sign = end.saturating_add(1);
        let has_sign = matches!(text.get(sign), Some(b'+' | b'-'));
        let start = sign.saturating_add(usize::from(has_sign));
        end = start.saturating_add(digits_len(text, start));
        (end > start).then_some(())?;
    }
    Some(end)
}

/// Returns how many digits there are from `start` on.
fn digits_len(text: &[u8], start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len())
}
