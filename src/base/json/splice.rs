//! Copies a text, except for the parts of it that are replaced.

use std::ops::Range;

/// A text of which parts are replaced, in their order.
pub struct Splice<'a> {
    text: &'a str,
    /// The copy of the text up to `copied`; none before the first replacement.
    copy: Option<String>,
    copied: usize,
}

impl<'a> Splice<'a> {
    pub const fn new(text: &'a str) -> Self {
        Self { text, copy: None, copied: 0 }
    }

    /// Replaces the bytes in `range`, which come after all that were replaced before.
    pub fn replace(&mut self, range: Range<usize>, with: &str) {
        let capacity = self.text.len();
        let copy = self.copy.get_or_insert_with(|| String::with_capacity(capacity));
        copy.push_str(self.text.get(self.copied..range.start).unwrap_or_default());
        copy.push_str(with);
        self.copied = range.end;
    }

    /// Returns the copy; none if nothing was replaced.
    pub fn finish(self) -> Option<String> {
        let mut copy = self.copy?;
        copy.push_str(self.text.get(self.copied..).unwrap_or_default());
        Some(copy)
    }
}
