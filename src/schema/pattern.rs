//! Searches a text for a pattern with one table look-up a byte.
//!
//! The table comes with the catalogue; no regular expression is parsed at run time.

use super::rule::Pattern;

impl Pattern {
    /// Whether the pattern matches anywhere in `text`.
    pub fn matches(&self, text: &str) -> bool {
        let mut state = self.start;
        for byte in text.bytes() {
            if state == Self::ACCEPT || state == Self::REJECT {
                break;
            }
            let class = self.classes.get(usize::from(byte)).copied().unwrap_or(0);
            let cell = usize::from(state).saturating_mul(self.stride).saturating_add(class.into());
            state = self.next.get(cell).copied().unwrap_or(Self::REJECT);
        }
        state == Self::ACCEPT || self.ends.get(usize::from(state)).copied().unwrap_or(false)
    }
}
