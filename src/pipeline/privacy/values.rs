//! Removes secrets and sensitive parameters from values in an event's objects.

use std::borrow::Cow;

use serde_json::Value;

use super::sensitive_params::{Secrets, SensitiveParams};
use super::token::without_tokens;
use super::url_params::{REMOVED, without_sensitive};
use crate::base::text::find_three;

/// No URL of the protocol is longer; a longer path is data of another kind.
const MAX_ADDRESS_BYTES: usize = 8_192;

/// The kinds of data that were removed from a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SensitiveValues {
    /// Values of parameters with sensitive names.
    pub parameters: bool,
    /// Secrets, found by form or place.
    pub secrets: bool,
}

/// Removes sensitive parameters and secrets from every text in `value`.
pub fn without_in(value: &mut Value, names: &SensitiveParams) -> SensitiveValues {
    let mut found = SensitiveValues::default();
    walk(value, names, &mut found);
    found
}

fn walk(value: &mut Value, names: &SensitiveParams, found: &mut SensitiveValues) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(rid) = without_in_text(text, names, found) {
                *text = rid;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, names, found)),
        Value::Object(fields) => fields.values_mut().for_each(|field| walk(field, names, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether `text` is too short for a card's number and for a token, and has no character that each URL,
/// parameter and e-mail has, but for the colon of a scheme. Most values of a dense beacon are such texts.
pub fn is_short_without_marks(text: &str) -> bool {
    /// One less than the bytes of the shortest token; the shortest card's number has 14.
    const MAX_BYTES: usize = 11;
    let is_mark = |byte: u8| matches!(byte, b'=' | b'/' | b'?' | b'#' | b'&' | b';' | b'@' | b'%');
    text.len() <= MAX_BYTES && !text.bytes().any(is_mark)
}

/// Removes sensitive parameters and secrets from `text`, and adds to `found` what they were.
pub fn without_in_text<'a>(
    text: &'a str,
    names: &SensitiveParams,
    found: &mut SensitiveValues,
) -> Cow<'a, str> {
    let mut left = Cow::Borrowed(text);
    if is_address(text) {
        let stripped = without_sensitive(text, names);
        found.parameters |= stripped.removed.len() > stripped.secrets;
        found.secrets |= stripped.secrets > 0;
        left = stripped.url;
    }
    if names.secrets == Secrets::Remove
        && let Cow::Owned(rid) = without_tokens(&left, REMOVED)
    {
        found.secrets = true;
        left = Cow::Owned(rid);
    }
    left
}

/// Whether `text` may be, or contain, a URL: an absolute one, a path, a query, or a file with one.
/// The bytes of a picture (`data:`, or base64 of a JPEG, which starts with `/9j/`) are none.
fn is_address(text: &str) -> bool {
    // Most texts have none of the marks of which each of the forms below has one.
    if !text.bytes().any(|byte| matches!(byte, b'/' | b'?' | b'#' | b'&' | b'=')) {
        return false;
    }
    let text = text.trim();
    if find_three(text, b"://").is_some() {
        return true;
    }
    let is_picture = text.starts_with("/9j/")
        || text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("data:"));
    !is_picture
        && (text.starts_with(['/', '?', '#', '&']) && text.len() <= MAX_ADDRESS_BYTES
            || text.starts_with("./")
            || text.starts_with("../")
            || (text.contains('=')
                && text.contains(['?', '#', '&', ';'])
                && !text.contains(char::is_whitespace)))
}
