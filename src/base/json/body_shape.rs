//! Finds the beacons in a well-formed body, in one pass.
//!
//! It gives up at the first doubt, and the caller then finds the error.

use super::cursor::{Cursor, Quoted};

/// The shape of a request's body, with the texts of its parts.
#[derive(Debug, PartialEq, Eq)]
pub enum BodyShape<'a> {
    /// The body is one object that is no envelope.
    Beacon,
    /// An array, or an envelope with the fields that it may have.
    Batch { items: Items<'a>, sent_at: Option<&'a str>, device_id: Option<&'a str> },
}

/// The texts of the first items of an array, and the number of all.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Items<'a> {
    pub texts: Vec<&'a str>,
    pub count: usize,
}

impl<'a> Items<'a> {
    /// Adds an item, whose text is kept if it is one of the first `max`. So an array of too many
    /// items costs no memory.
    pub fn push(&mut self, text: &'a str, max: usize) {
        self.count = self.count.saturating_add(1);
        if self.texts.len() < max {
            self.texts.push(text);
        }
    }
}

/// The limits of a body.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Levels of each item.
    pub max_depth: usize,
    /// Items whose texts are kept.
    pub max_items: usize,
}

/// Finds the shape of `text` if it is one array or one object, and nothing more. Reads none of its
/// beacons, but checks that all are JSON within the limits.
pub fn body_shape(text: &str, limits: BodyLimits) -> Option<BodyShape<'_>> {
    let mut cursor = Cursor::new(text);
    let shape = match cursor.peek()? {
        b'{' => envelope(&mut cursor, limits)?,
        b'[' => {
            BodyShape::Batch { items: items(&mut cursor, limits)?, sent_at: None, device_id: None }
        }
        _ => return None,
    };
    cursor.peek().is_none().then_some(shape)
}

/// Reads an envelope, or steps over any other object.
fn envelope<'a>(cursor: &mut Cursor<'a>, limits: BodyLimits) -> Option<BodyShape<'a>> {
    let depth = limits.max_depth.checked_sub(1)?;
    let (mut found, mut sent_at, mut device_id) = (None, None, None);
    let mut has_others = false;
    cursor.members(|cursor, key| {
        let Quoted::Plain(key) = key else { return None };
        let place = match key {
            "events" => {
                let items = (cursor.peek()? == b'[').then(|| items(cursor, limits))??;
                return found.replace(items).is_none().then_some(());
            }
            "sent_at" => &mut sent_at,
            "device_id" => &mut device_id,
            _ => {
                has_others = true;
                return cursor.skip(depth).map(drop);
            }
        };
        place.replace(cursor.skip(depth)?).is_none().then_some(())
    })?;
    match found {
        None => Some(BodyShape::Beacon),
        Some(items) => (!has_others).then_some(BodyShape::Batch { items, sent_at, device_id }),
    }
}

fn items<'a>(cursor: &mut Cursor<'a>, limits: BodyLimits) -> Option<Items<'a>> {
    let mut items = Items::default();
    cursor.items(|cursor| {
        items.push(cursor.skip(limits.max_depth)?, limits.max_items);
        Some(())
    })?;
    Some(items)
}
