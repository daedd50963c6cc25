//! The columns of a failed event, and the parts of an original that is too long for one record.

use super::line::JsonLineWriter;
use crate::model::failed_event::{OriginalPayload, Stage};
use crate::model::repairs::Repairs;
use crate::model::violation::Violations;

/// The most original bytes of one failed record; the rest goes into further parts. With it, base64
/// and a text of escaped quotes stay within [`MAX_BYTES`](super::MAX_BYTES).
const MAX_ORIGINAL_BYTES: usize = 262_144;

pub struct OriginalPart<'a> {
    bytes: &'a [u8],
    /// Its number among the parts, from 1, and their count; none if it is the whole.
    place: Option<(usize, usize)>,
}

/// Splits original bytes into as many parts as needed; at least one.
pub fn parts(bytes: &[u8]) -> impl Iterator<Item = OriginalPart<'_>> {
    let count = bytes.len().div_ceil(MAX_ORIGINAL_BYTES).max(1);
    let chunks = bytes.chunks(MAX_ORIGINAL_BYTES).chain(bytes.is_empty().then_some(bytes));
    let place = move |part| (count > 1).then_some((part, count));
    chunks.zip(1_usize..).map(move |(bytes, part)| OriginalPart { bytes, place: place(part) })
}

/// Writes the columns that say why an event failed, and those of one `part` of its original.
pub fn failure(
    line: &mut JsonLineWriter,
    stage: Stage,
    violations: &Violations,
    repairs: &Repairs,
    original: &OriginalPayload,
    part: &OriginalPart<'_>,
) {
    let OriginalPart { bytes, place } = *part;
    let text = if place.is_none() { printable(bytes) } else { None };
    line.json("stage", Some(stage));
    line.json("code", Some(violations.first.code));
    line.text("pointer", Some(&violations.first.pointer));
    line.text("message", Some(&violations.first.message));
    line.violations("violations", violations);
    line.repairs("repairs", repairs);
    line.text("original_format", Some(&original.form.name()));
    line.json("original_bytes", Some(original.bytes.len().max(original.withheld)));
    line.json("original_withheld", (original.withheld > 0).then_some(true));
    line.text("original", text.filter(|_| original.withheld == 0));
    line.text("original_base64", text.is_none().then(|| base64(bytes)).as_deref());
    line.json("part", place.map(|(part, _)| part));
    line.json("parts", place.map(|(_, parts)| parts));
}

/// Returns the original as text, if it costs less in a JSON string than base64.
fn printable(bytes: &[u8]) -> Option<&str> {
    let escaped_long =
        |character: char| character.is_control() && !matches!(character, '\n' | '\r' | '\t');
    let text = std::str::from_utf8(bytes).ok()?;
    // Each byte of most originals is a character without an escape.
    let is_plain = bytes.iter().all(|byte| matches!(byte, b' '..=b'~'));
    (is_plain || !text.contains(escaped_long)).then_some(text)
}

fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}
