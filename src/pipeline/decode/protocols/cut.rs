//! Cuts a body whose items are in arrays of objects, and makes the texts of items that need something
//! of what is around them.
//!
//! An item must do without the others, so each has its own copy of what the request has once. The
//! copies of a request have a limit together; else their cost would grow with the square of its bytes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};

use crate::model::beacon::Limits;
use crate::model::violation::{Code, Violation};
use crate::pipeline::decode::ProtocolError;
use crate::pipeline::decode::native;
use crate::pipeline::decode::protocols::parts;
use crate::pipeline::decode::protocols::request::ProtocolItems;

/// The name and the JSON text of each member of an object.
pub struct Members<'a>(Vec<(String, &'a str)>);

impl<'a> Members<'a> {
    /// Reads an object, which is the value of `field`.
    #[inline(never)]
    pub fn read(text: &'a str, field: &str) -> Result<Self, ProtocolError> {
        if !text.starts_with('{') {
            return Err(wrong_type(field, "an object"));
        }
        let fields = parts::fields(text)?.reject_duplicates().map_err(Violation::from)?;
        Ok(Self(fields.into_iter().map(|(name, raw)| (name, raw.get())).collect()))
    }

    /// Returns the JSON text of a member, unless it is null.
    #[inline(never)]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.0.iter().find(|(member, _)| member == name);
        found.map(|(_, text)| *text).filter(|text| *text != "null")
    }

    /// Returns a member that is a text.
    #[inline(never)]
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).and_then(|text| serde_json::from_str(text).ok())
    }

    /// Writes all members whose names are not in `except`, each with a comma after it.
    pub fn written_without(&self, except: &[&str]) -> String {
        let mut written = String::new();
        for (name, text) in self.0.iter().filter(|(name, _)| !except.contains(&name.as_str())) {
            written.push_str(&quoted(name));
            written.push(':');
            written.push_str(text);
            written.push(',');
        }
        written
    }
}

/// Returns `text` as JSON.
#[inline(never)]
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Cuts an array, which is the value of `field`, into at most `limits.max_beacons` texts.
#[inline(never)]
pub fn array<'a>(
    text: &'a str,
    field: &str,
    limits: &Limits,
) -> Result<Vec<&'a str>, ProtocolError> {
    if !text.starts_with('[') {
        return Err(wrong_type(field, "an array"));
    }
    let items = native::array(text, limits.max_beacons)?;
    match items.count {
        count if count > limits.max_beacons => {
            Err(ProtocolError::TooManyBeacons { count, limit: limits.max_beacons })
        }
        _ => Ok(items.texts),
    }
}

/// Like [`array`], each text as an item of a request.
#[inline(never)]
pub fn items<'a>(
    text: &'a str,
    field: &str,
    limits: &Limits,
) -> Result<Vec<Cow<'a, str>>, ProtocolError> {
    array(text, field, limits).map(|texts| texts.into_iter().map(Cow::Borrowed).collect())
}

/// Like [`items`], of a body that is one object or an array.
pub fn one_or_more<'a>(text: &'a str, limits: &Limits) -> Result<Vec<Cow<'a, str>>, ProtocolError> {
    if text.starts_with('[') {
        return items(text, "body", limits);
    }
    Members::read(text, "body")?;
    Ok(vec![Cow::Borrowed(text)])
}

/// The texts of items, which together have a limit.
pub struct ItemTexts<'l> {
    texts: Vec<String>,
    heads: Vec<usize>,
    bytes: usize,
    limits: &'l Limits,
}

impl<'l> ItemTexts<'l> {
    pub const fn new(limits: &'l Limits) -> Self {
        Self { texts: Vec::new(), heads: Vec::new(), bytes: 0, limits }
    }

    pub const fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Adds a text. Its first `head` bytes are members that its neighbours may have too.
    pub fn push(&mut self, text: String, head: usize) -> Result<(), ProtocolError> {
        let Limits { max_beacons, max_record_bytes, .. } = *self.limits;
        self.bytes = self.bytes.saturating_add(text.len());
        if self.texts.len() >= max_beacons {
            let count = self.texts.len().saturating_add(1);
            return Err(ProtocolError::TooManyBeacons { count, limit: max_beacons });
        }
        if self.bytes > max_record_bytes {
            return Err(ProtocolError::RecordsTooLarge { limit: max_record_bytes });
        }
        self.texts.push(text);
        self.heads.push(head);
        Ok(())
    }

    /// Returns the items. Adds a member `repeat` to each that equals an earlier one, so that only a
    /// repeat of the request has the same items.
    pub fn numbered(self) -> ProtocolItems<'static> {
        // By their hashes: a client can make a table compare all of its texts, which may share long heads.
        // If two have the same of 2^64 hashes, one has a number that it does not need.
        let mut counts: HashMap<u64, usize> = HashMap::with_capacity(self.texts.len());
        let mut repeats = Vec::with_capacity(self.texts.len());
        for text in &self.texts {
            let mut hasher = DefaultHasher::new();
            hasher.write(text.as_bytes());
            let count = counts.entry(hasher.finish()).or_default();
            repeats.push(*count);
            *count = count.saturating_add(1);
        }
        let numbered = |(mut text, repeat): (String, usize)| {
            if repeat > 0 && text.ends_with('}') {
                text.pop();
                for part in [",\"repeat\":", &repeat.to_string(), "}"] {
                    text.push_str(part);
                }
            }
            Cow::Owned(text)
        };
        let texts = self.texts.into_iter().zip(repeats).map(numbered).collect();
        ProtocolItems { texts, heads: self.heads, ..ProtocolItems::default() }
    }
}

fn wrong_type(field: &str, wanted: &str) -> ProtocolError {
    let message = format!("{field} must be {wanted}");
    match field {
        "body" => Violation::whole(Code::WrongType, message),
        _ => Violation::of_field(Code::WrongType, field, message),
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_cut_into_its_members() {
        let members = Members::read(r#"{"a":"\u00e4","b":[1, 2],"c":null}"#, "body").unwrap();
        assert_eq!(members.text("a").as_deref(), Some("ä"));
        assert_eq!((members.get("b"), members.get("c")), (Some("[1, 2]"), None));
        assert_eq!(members.written_without(&["a"]), r#""b":[1, 2],"c":null,"#);
        for (text, message) in [
            ("[]", "body must be an object"),
            (r#"{"a":1,"a":2}"#, "a comes twice"),
            (r#"{"a":1"#, "body is not JSON: EOF while parsing an object at line 1 column 6"),
        ] {
            let error = Members::read(text, "body").err().unwrap();
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn the_copies_of_a_request_have_a_limit() {
        let limits = Limits { max_beacons: 3, max_record_bytes: 20, ..Limits::default() };
        let mut texts = ItemTexts::new(&limits);
        for text in [r#"{"a":1}"#, r#"{"a":1}"#] {
            texts.push(text.to_owned(), 0).unwrap();
        }
        let error = texts.push(r#"{"a":1}"#.to_owned(), 0).unwrap_err();
        assert_eq!(error, ProtocolError::RecordsTooLarge { limit: 20 });
        assert_eq!(texts.numbered().texts, [r#"{"a":1}"#, r#"{"a":1,"repeat":1}"#]);
        let mut texts = ItemTexts::new(&limits);
        for _ in 0..3 {
            texts.push("{}".to_owned(), 0).unwrap();
        }
        let error = texts.push("{}".to_owned(), 0).unwrap_err();
        assert_eq!(error, ProtocolError::TooManyBeacons { count: 4, limit: 3 });
        let error = array("[1,2,3,4]", "events", &limits).unwrap_err();
        assert_eq!(error, ProtocolError::TooManyBeacons { count: 4, limit: 3 });
    }
}
