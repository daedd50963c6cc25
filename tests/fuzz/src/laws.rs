//! What holds for every request, whatever it has sent.

use headwater::delivery::stream_delivery::RecordStatus;
use headwater::ingest::IngestBatch;
use headwater::ingest::error::{HttpError, IngestError};
use headwater::ingest::response::{IngestResponse, VerdictMode};
use headwater::model::beacon::Limits;
use headwater::model::outcome::OutcomeKind;
use headwater::model::record::{MAX_BYTES, MAX_KEY_BYTES};
use headwater::pipeline::decode::{self, body};
use serde_json::Value;

use super::harness::{self, Delivered};
use super::settings::{Recipe, SECRETS, Setting};

/// A request as it was sent.
pub struct Sent<'a> {
    pub recipe: &'a Recipe,
    /// All bytes that the client chose.
    pub bytes: &'a [u8],
    /// The number of beacons, if it is beyond doubt.
    pub beacons: Option<usize>,
    /// Texts in it that must be in no record.
    pub planted: &'a [&'a str],
    pub streams: Streams,
}

/// Whether the streams of the routes accept their records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    Accept,
    Reject,
}

impl Streams {
    pub const fn of_flags(flags: u8) -> Self {
        if flags & 4 == 0 { Self::Accept } else { Self::Reject }
    }
}

/// Whether `text` is somewhere in `bytes`.
pub fn has(bytes: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(bytes).contains(text)
}

/// Whether the client has sent `text`, maybe with other characters between its own: cleaning removes
/// some. Its first letters and digits decide.
fn is_sent(bytes: &[u8], text: &str) -> bool {
    let plain = |bytes: &[u8]| -> String {
        let bytes = bytes.iter().filter(|byte| byte.is_ascii_alphanumeric());
        bytes.map(|byte| char::from(byte.to_ascii_lowercase())).collect()
    };
    let start: String = plain(text.as_bytes()).chars().take(10).collect();
    plain(bytes).contains(&start)
}

/// Returns the columns of a record: one line of JSON in which no key comes twice.
pub fn line(bytes: &[u8]) -> Value {
    assert!(bytes.len() <= MAX_BYTES, "LAW: a record has at most {MAX_BYTES} bytes");
    let text = std::str::from_utf8(bytes).expect("LAW: a record is UTF-8");
    let line = text.strip_suffix('\n').expect("LAW: a record ends its line");
    assert!(!line.contains(['\n', '\r']), "LAW: a record is one line");
    let limits = Limits {
        max_beacon_bytes: usize::MAX,
        max_depth: 126,
        max_beacon_values: usize::MAX,
        ..Limits::default()
    };
    if let Err(violation) = decode::beacon(line, &limits) {
        panic!("LAW: a record is an object with each key once: {violation:?}\n{line}");
    }
    serde_json::from_str(line).expect("LAW: a record is JSON")
}

/// Checks a request that was accepted, and returns its records.
pub fn check(batch: &mut IngestBatch<'_>, sent: &Sent<'_>) -> Vec<Delivered> {
    let status = |stream: &str, _: &_| match sent.streams {
        Streams::Reject if stream != "firehose:failed" => harness::rejected(),
        _ => RecordStatus::Delivered,
    };
    let delivered = harness::deliver(batch, status).expect("LAW: a rejected record is kept");
    let outcomes = batch.outcomes();
    let settled = batch.settled().expect("LAW: all have a status");
    let is_whole = settled.outcomes().is_err();
    if let Some(beacons) = if is_whole { Some(1) } else { sent.beacons } {
        assert_eq!(outcomes.len(), beacons, "LAW: each beacon has one outcome");
    }
    for (index, (event_id, outcome)) in outcomes.iter().enumerate() {
        let its: Vec<_> = delivered.iter().filter(|record| record.beacon == index).collect();
        let failed = its.iter().filter(|record| record.stream == "firehose:failed").count();
        match outcome.kind() {
            OutcomeKind::Accepted => {
                assert_eq!((its.len(), failed), (1, 0), "LAW: an accepted event has one record");
            }
            OutcomeKind::Failed => {
                assert!(failed > 0 && failed == its.len(), "LAW: a failed event is kept");
            }
            OutcomeKind::Dropped => assert!(its.is_empty(), "LAW: a dropped beacon has no record"),
            other => panic!("LAW: no beacon is {other:?}"),
        }
        for record in its {
            let columns = line(record.record.bytes());
            let id = event_id.to_string();
            assert_eq!(columns["event_id"].as_str(), Some(id.as_str()), "LAW: one id");
        }
    }
    if sent.recipe.setting == Setting::Drop {
        assert!(delivered.is_empty(), "LAW: no record is made of what is dropped");
    }
    check_texts(&delivered, sent);
    let answered = check_answer(&settled.response(VerdictMode::Always), sent);
    if !is_whole {
        let verdicts = answered["verdicts"].as_array().map_or(0, Vec::len);
        assert_eq!(verdicts, outcomes.len(), "LAW: each beacon has one verdict");
    }
    delivered
}

/// Checks that no record has a text that the configuration removes, or a secret.
pub fn check_texts(delivered: &[Delivered], sent: &Sent<'_>) {
    let hidden = sent.recipe.hidden();
    let unsent: Vec<&str> = hidden.into_iter().chain(SECRETS).collect();
    for Delivered { stream, record, .. } in delivered {
        let (key, line) = (record.key().as_str(), String::from_utf8_lossy(record.bytes()));
        assert!((1..=MAX_KEY_BYTES).contains(&key.len()), "LAW: a key fits Kinesis");
        let packed = packed_original(&line);
        let is_shown = |text: &str| [key, &line, &packed].iter().any(|shown| shown.contains(text));
        let found = sent.planted.iter().copied().find(|text| is_shown(text)).or_else(|| {
            let unsent = unsent.iter().copied();
            unsent.filter(|text| is_shown(text)).find(|text| !is_sent(sent.bytes, text))
        });
        assert!(
            found.is_none(),
            "LAW: no record has {found:?} under {:?}: {stream} {key} {line} {packed}",
            sent.recipe.setting
        );
    }
}

/// Returns what a failed event keeps in base64, inflated if it is gzip.
fn packed_original(line: &str) -> String {
    if !line.contains("\"original_base64\"") {
        return String::new();
    }
    let columns: Value = serde_json::from_str(line).expect("LAW: a record is JSON");
    let Some(packed) = columns["original_base64"].as_str() else { return String::new() };
    let bytes = base64_simd::STANDARD.decode_to_vec(packed).expect("LAW: base64 can be decoded");
    let inflated = match columns["original_format"].as_str() {
        Some("gzip_body") => body::inflated_part(&bytes, MAX_BYTES),
        _ => Vec::new(),
    };
    String::from_utf8_lossy(if inflated.is_empty() { &bytes } else { &inflated }).into_owned()
}

fn check_answer(answer: &IngestResponse, sent: &Sent<'_>) -> Value {
    let Some(body) = &answer.body else { return Value::Null };
    let shown =
        SECRETS.iter().find(|secret| body.contains(*secret) && !is_sent(sent.bytes, secret));
    assert_eq!(shown, None, "LAW: no answer has a secret");
    serde_json::from_str(body).expect("LAW: an answer is JSON")
}

/// Checks the answer to a request that was refused.
pub fn check_refused(error: &IngestError, sent: &Sent<'_>) {
    assert_ne!(error.status(), 503, "LAW: no client makes the worker seem down: {error}");
    check_answer(&IngestResponse::of_error(error, None), sent);
}
