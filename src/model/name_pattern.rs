//! Patterns of event names, such as `order_*`.

use crate::model::event::EventName;

/// A name in which each `*` stands for any number of characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern(String);

impl NamePattern {
    /// Parses a pattern that could match some name.
    pub fn parse(text: &str) -> Option<Self> {
        // With each star replaced by a letter, the pattern must be a name.
        let could_be = EventName::parse(text.replace('*', "x")).is_some();
        (could_be && !text.contains("**")).then(|| Self(text.to_owned()))
    }

    pub fn matches(&self, name: &str) -> bool {
        let Some((start, rest)) = self.0.split_once('*') else {
            return self.0 == name;
        };
        let Some(mut name) = name.strip_prefix(start) else {
            return false;
        };
        let (middle, end) = rest.rsplit_once('*').map_or((None, rest), |(m, e)| (Some(m), e));
        // Matching each part at its first place leaves the most for the next parts.
        for part in middle.into_iter().flat_map(|middle| middle.split('*')) {
            match name.split_once(part) {
                Some((_, after)) => name = after,
                None => return false,
            }
        }
        name.ends_with(end)
    }

    /// Whether some name matches both.
    pub fn intersects(&self, other: &Self) -> bool {
        // `ends[i]`: whether the first `i` bytes of this pattern can match the part of `other` that
        // the loop has read.
        let (mine, theirs) = (self.0.as_bytes(), other.0.as_bytes());
        let mut ends = vec![false; mine.len().saturating_add(1)];
        if let Some(start) = ends.first_mut() {
            *start = true;
        }
        skip_stars(&mut ends, mine);
        for their in theirs {
            let mut next: Vec<bool> = match their {
                b'*' => {
                    let first = ends.iter().position(|reached| *reached).unwrap_or(ends.len());
                    (0..ends.len()).map(|end| end >= first).collect()
                }
                _ => vec![false; ends.len()],
            };
            if *their != b'*' {
                for (end, my) in mine.iter().enumerate() {
                    let reached = ends.get(end).copied().unwrap_or_default();
                    let to = if *my == b'*' { end } else { end.saturating_add(1) };
                    if let Some(slot) =
                        next.get_mut(to).filter(|_| reached && (*my == b'*' || my == their))
                    {
                        *slot = true;
                    }
                }
            }
            skip_stars(&mut next, mine);
            ends = next;
        }
        ends.last().copied().unwrap_or_default()
    }
}

/// A star may match nothing: if the end before it is reached, so is the end after it.
fn skip_stars(ends: &mut [bool], pattern: &[u8]) {
    for (end, byte) in pattern.iter().enumerate() {
        if *byte == b'*'
            && ends.get(end) == Some(&true)
            && let Some(behind) = ends.get_mut(end.saturating_add(1))
        {
            *behind = true;
        }
    }
}
