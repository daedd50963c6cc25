//! What all protocols do alike when an item becomes a beacon: its id and its name.

use std::rc::Rc;

use serde_json::{Map, Value};
use uuid::fmt::Hyphenated;

use crate::base::sha256::sha256;
use crate::base::text::escape_json_pointer;
use crate::base::url::ascii::decompose;
use crate::model::beacon::Limits;
use crate::model::event::EventId;
use crate::model::protocol::Protocol;
use crate::model::violation::Violation;
use crate::pipeline::decode::{ValueBudget, beacon_within};

/// The settings of a translation.
#[derive(Debug, Clone, Copy)]
pub struct Translation<'a> {
    pub protocol: Protocol,
    pub tenant: &'a str,
    /// The tenant's own names, sorted: the name as sent, and the event's name.
    pub names: &'a [(String, String)],
    pub limits: &'a Limits,
    /// What a page ping of Snowplow stands for, in seconds, if it becomes a `page_leave`.
    pub heartbeat_s: Option<u64>,
}

/// The violation that fails an item. In a box, a result with it is one word, and a `?` copies nothing.
pub type BoxedViolation = Box<Violation>;

/// An item while it becomes a beacon.
#[derive(Debug, Default)]
pub struct Draft {
    /// What is left of the item.
    pub item: Map<String, Value>,
    /// The beacon's fields, but for `props` and `metadata` that are objects.
    pub beacon: Map<String, Value>,
    pub props: Map<String, Value>,
    pub metadata: Map<String, Value>,
    /// What the item shares with its neighbours, if that is read already and so not in `item`.
    pub head: Option<Rc<ItemHead>>,
}

/// What items of a request begin with, and share.
#[derive(Debug)]
pub struct ItemHead {
    pub source: ItemSource,
    /// Its members in JSON, as an object.
    pub json: String,
}

/// What describes the sender of items.
#[derive(Debug, Clone)]
pub struct ItemSource {
    /// The attributes of the resource that are fields of a beacon.
    pub fields: Map<String, Value>,
    /// Its others.
    pub resource: Map<String, Value>,
    pub scope: Map<String, Value>,
}

impl Translation<'_> {
    /// Reads an object that an item has as a text in its field `field`. Its limits are those of a
    /// beacon, and its values may not be many more than its bytes allow.
    pub fn object(&self, text: &str, field: &str) -> Result<Map<String, Value>, BoxedViolation> {
        match beacon_within(text, self.limits, &mut ValueBudget::of_text(text.len())) {
            Ok(it) => Ok(it.fields),
            Err(violation) => Err(within(&escape_json_pointer(field), Box::new(violation))),
        }
    }

    /// Sets `id` from an id of the SDK. One that is no UUID is kept as `source_event_id`, and
    /// hashed with the tenant, the protocol and its `scope`, so that a repeat has the same id.
    pub fn set_id(&self, beacon: &mut Map<String, Value>, sent: &str, scope: &str) {
        if sent.is_empty() {
            return;
        }
        if EventId::parse(sent).is_some() {
            beacon.put_text("id", sent);
            return;
        }
        self.set_hashed_id(beacon, &[scope, sent]);
        beacon.put_text("source_event_id", sent);
    }

    /// Sets `id` to a hash of `parts`, for a protocol without ids.
    pub fn set_hashed_id(&self, beacon: &mut Map<String, Value>, parts: &[&str]) {
        // Most ids fit, so it does not grow.
        let mut hashed = Vec::with_capacity(256);
        for part in [self.tenant, self.protocol.name()].iter().chain(parts) {
            hashed.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hashed.extend_from_slice(part.as_bytes());
        }
        let bytes = *sha256(&hashed).first_chunk::<16>().unwrap_or(&[0; 16]);
        let id = uuid::Builder::from_custom_bytes(bytes).into_uuid();
        beacon.put_text("id", id.hyphenated().encode_lower(&mut [0; Hyphenated::LENGTH]));
    }

    /// Sets `name` from the name that the SDK sent: the tenant's own name for it, else `built_in`,
    /// else its letters in lower case. A name that changes is kept as `source_name`.
    pub fn set_name(&self, beacon: &mut Map<String, Value>, sent: &str, built_in: Option<&str>) {
        let place = self.names.binary_search_by(|(named, _)| named.as_str().cmp(sent));
        let own = place.ok().and_then(|place| self.names.get(place)).map(|(_, own)| own.as_str());
        let name = own.or(built_in).map_or_else(|| event_name(sent), str::to_owned);
        if name != sent && !sent.is_empty() {
            beacon.put_text("source_name", sent);
        }
        beacon.put_text("name", &name);
    }
}

/// Puts `pointer` before the place of a violation.
#[inline(never)]
pub fn within(pointer: &str, mut violation: BoxedViolation) -> BoxedViolation {
    violation.pointer.insert_str(0, pointer);
    violation
}

/// Returns the event name for any text: in lower case and without marks, other characters as `_`,
/// and at most 64 of them.
pub fn event_name(sent: &str) -> String {
    const MAX: usize = 64;
    // Most names of servers are one already.
    let is_of_name = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
    if sent.len() <= MAX
        && sent.starts_with(|first: char| first.is_ascii_lowercase())
        && sent.bytes().all(is_of_name)
    {
        return sent.to_owned();
    }
    let mut parts = Vec::new();
    // A character can become several; the rest could not be seen in the name.
    for character in sent.chars().take(MAX.saturating_mul(4)) {
        for lower in character.to_lowercase() {
            decompose(lower, &mut parts);
        }
    }
    let mut name = String::new();
    for character in parts {
        match character {
            'a'..='z' | '0'..='9' | '.' => name.push(character),
            '\u{300}'..='\u{36f}' => {}
            _ if name.ends_with('_') => {}
            _ => name.push('_'),
        }
    }
    let name = name.trim_start_matches(|first: char| !first.is_ascii_lowercase());
    let name = name.get(..name.len().min(MAX)).unwrap_or_default().trim_end_matches(['_', '.']);
    match name {
        "" => "unnamed".to_owned(),
        name => name.to_owned(),
    }
}

/// Ways to change an object that are compiled once. In each of some hundred callers they would be
/// 30 kB of Wasm.
pub trait ObjectFields {
    fn put(&mut self, field: &str, value: Value);

    fn put_text(&mut self, field: &str, text: &str);

    /// Sets a field, if there is a value for it.
    fn put_some(&mut self, field: &str, value: Option<Value>);

    /// Sets a field that the object does not have.
    fn put_absent(&mut self, field: &str, value: Value);

    /// Sets all fields of `others`.
    fn put_all(&mut self, others: Self);

    /// Sets the fields of `others` that the object does not have.
    fn put_all_absent(&mut self, others: Self);

    /// Sets a field to `object`, unless that is empty.
    fn put_object(&mut self, field: &str, object: Map<String, Value>);

    fn take_field(&mut self, field: &str) -> Option<Value>;

    /// Removes `fields`.
    fn leave_out(&mut self, fields: &[&str]);

    /// Returns a field that is a text.
    fn text(&self, field: &str) -> Option<&str>;

    /// Returns a field that is an object.
    fn object(&mut self, field: &str) -> Option<&mut Map<String, Value>>;

    /// Removes the fields that `is_kept` refuses, by their name and value.
    fn keep_fields(&mut self, is_kept: &dyn Fn(&str, &Value) -> bool);
}

impl ObjectFields for Map<String, Value> {
    #[inline(never)]
    fn put(&mut self, field: &str, value: Value) {
        self.insert(field.to_owned(), value);
    }

    #[inline(never)]
    fn put_text(&mut self, field: &str, text: &str) {
        self.put(field, Value::String(text.to_owned()));
    }

    #[inline(never)]
    fn put_some(&mut self, field: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.put(field, value);
        }
    }

    #[inline(never)]
    fn put_absent(&mut self, field: &str, value: Value) {
        self.entry(field).or_insert(value);
    }

    #[inline(never)]
    fn put_all(&mut self, others: Self) {
        for (field, value) in others {
            self.put(&field, value);
        }
    }

    #[inline(never)]
    fn put_all_absent(&mut self, others: Self) {
        for (field, value) in others {
            self.put_absent(&field, value);
        }
    }

    #[inline(never)]
    fn put_object(&mut self, field: &str, object: Map<String, Value>) {
        if !object.is_empty() {
            self.put(field, Value::Object(object));
        }
    }

    #[inline(never)]
    fn take_field(&mut self, field: &str) -> Option<Value> {
        self.remove(field)
    }

    #[inline(never)]
    fn leave_out(&mut self, fields: &[&str]) {
        for field in fields {
            self.take_field(field);
        }
    }

    #[inline(never)]
    fn text(&self, field: &str) -> Option<&str> {
        self.get(field)?.as_str()
    }

    #[inline(never)]
    fn object(&mut self, field: &str) -> Option<&mut Map<String, Value>> {
        self.get_mut(field)?.as_object_mut()
    }

    #[inline(never)]
    fn keep_fields(&mut self, is_kept: &dyn Fn(&str, &Value) -> bool) {
        let refused = self.iter().filter(|(field, value)| !is_kept(field, value));
        let refused: Vec<String> = refused.map(|(field, _)| field.clone()).collect();
        for field in refused {
            self.remove(&field);
        }
    }
}

/// Returns the object of `fields`. Of equal names the last counts. As `collect` it would be compiled
/// for each iterator, and each time with a sort.
#[inline(never)]
pub fn object_of(fields: &mut dyn Iterator<Item = (String, Value)>) -> Map<String, Value> {
    let mut object = Map::new();
    for (field, value) in fields {
        object.insert(field, value);
    }
    object
}

/// Whether a value says something: it is neither null nor an empty text.
pub fn is_stated(value: &Value) -> bool {
    !value.is_null() && value != ""
}

/// Moves a value of `from` to the field `to` of a beacon, unless it is absent, null or empty, or the
/// beacon has the field.
#[inline(never)]
pub fn move_field(
    from: &mut Map<String, Value>,
    name: &str,
    beacon: &mut Map<String, Value>,
    to: &str,
) {
    if let Some(value) = from.take_field(name).filter(is_stated) {
        beacon.put_absent(to, value);
    }
}

/// Moves values by `fields`: each name in `from` and the name in the beacon, as `u: url, r: referrer`. A
/// text takes a third of the space of a list of pairs.
#[inline(never)]
pub fn move_fields(from: &mut Map<String, Value>, beacon: &mut Map<String, Value>, fields: &str) {
    let mut rest = fields;
    while !rest.is_empty() && !from.is_empty() {
        let (name, after) = split(rest, b':');
        let (to, others) = split(after, b',');
        move_field(from, name.trim_ascii_start(), beacon, to.trim_ascii_start());
        rest = others;
    }
}

/// Splits `text` at the first `separator`. The library's own search costs several times as much for
/// a few bytes.
fn split(text: &str, separator: u8) -> (&str, &str) {
    let at = text.bytes().position(|byte| byte == separator).unwrap_or(text.len());
    let after = text.get(at.saturating_add(1)..).unwrap_or_default();
    (text.get(..at).unwrap_or_default(), after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_has_an_event_name() {
        for (sent, name) in [
            ("Order Completed", "order_completed"),
            ("$pageview", "pageview"),
            ("com.shop.order_placed", "com.shop.order_placed"),
            ("  Größe geändert!  ", "gro_e_geandert"),
            ("1st Visit", "st_visit"),
            ("", "unnamed"),
            ("購入", "unnamed"),
            ("a\u{0}b", "a_b"),
            ("..A..", "a"),
        ] {
            assert_eq!(event_name(sent), name, "{sent}");
        }
        assert_eq!(event_name(&"Long name ".repeat(1_000)).len(), 64);
    }

    #[test]
    fn a_foreign_id_becomes_the_same_uuid_each_time() {
        let (names, limits) = ([], Limits::default());
        let of = |tenant, protocol, scope, sent| {
            let mut beacon = Map::new();
            Translation { protocol, tenant, names: &names, limits: &limits, heartbeat_s: None }
                .set_id(&mut beacon, sent, scope);
            beacon
        };
        let first = of("shop", Protocol::Segment, "", "ajs-next-1");
        assert_eq!(first, of("shop", Protocol::Segment, "", "ajs-next-1"));
        assert_eq!(first.get("source_event_id"), Some(&Value::from("ajs-next-1")));
        assert!(EventId::parse(first["id"].as_str().unwrap()).is_some());
        for other in [
            of("blog", Protocol::Segment, "", "ajs-next-1"),
            of("shop", Protocol::Snowplow, "", "ajs-next-1"),
            of("shop", Protocol::Segment, "a", "js-next-1"),
            of("shop", Protocol::Segment, "", "ajs-next-2"),
        ] {
            assert_ne!(first.get("id"), other.get("id"));
        }
        let uuid = of("shop", Protocol::Segment, "", "26BB0215-7b98-48bb-b44c-ad9bd25f036b");
        assert_eq!(uuid.len(), 1);
        assert!(of("shop", Protocol::Segment, "", "").is_empty());
    }
}
