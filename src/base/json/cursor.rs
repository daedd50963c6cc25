//! Steps through the tokens of a JSON text, once.
//!
//! A step that returns `None` found something that is not JSON. It never judges what a string's
//! escapes or a number's digits mean: the caller does, with serde_json.

use serde_json::value::RawValue;

use super::scan::unescaped_prefix_len;

/// A string as written.
#[derive(Clone, Copy)]
pub enum Quoted<'a> {
    /// Its content, which has no escape.
    Plain(&'a str),
    /// With its quotes.
    Escaped(&'a str),
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
        let is_next = self.peek() == Some(byte);
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
        let opening = self.at;
        self.step();
        let start = self.at;
        let mut is_escaped = false;
        loop {
            self.at = self.at.saturating_add(unescaped_prefix_len(self.rest()));
            match self.rest().first()? {
                b'"' => break,
                b'\\' => {
                    is_escaped = true;
                    self.at = self.at.saturating_add(2);
                }
                _ => return None,
            }
        }
        let end = self.at;
        self.step();
        match is_escaped {
            false => self.text.get(start..end).map(Quoted::Plain),
            true => self.text.get(opening..self.at).map(Quoted::Escaped),
        }
    }

    /// Returns the text of what may be a number.
    pub fn digits(&mut self) -> Option<&'a str> {
        let of_number =
            |byte: &&u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
        let length = self.rest().iter().take_while(of_number).count();
        let start = self.at;
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
            b'"' => drop(self.checked_string()?),
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
            _ => {
                let digits = self.digits()?;
                (is_plain(digits) || is_json(digits)).then_some(())?;
            }
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
            let key = (self.peek()? == b'"').then(|| self.checked_string())??;
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

    /// Steps over a string whose escapes are valid.
    fn checked_string(&mut self) -> Option<Quoted<'a>> {
        let string = self.quoted()?;
        match string {
            Quoted::Plain(_) => Some(string),
            Quoted::Escaped(quoted) => is_json(quoted).then_some(string),
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }
}

/// Whether `digits` are an integer below 10^19, without a sign.
pub fn is_plain(digits: &str) -> bool {
    matches!(digits.as_bytes(), [b'0'] | [b'1'..=b'9', ..])
        && digits.len() < 20
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}
