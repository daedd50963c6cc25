//! Makes the failed event of a record that its stream rejects for its content, and always will.
//!
//! It uses only the record's own line, since the beacon may be gone by then. Fields that the
//! privacy rules removed from the line stay out. A field that cannot be read is left out; the line
//! itself is kept whole.

use std::fmt::Display;

use crate::base::json::JsonFields;
use crate::model::failed_event::{OriginalPayload, PayloadFormat, Stage};
use crate::model::record::failed::{failure, parts};
use crate::model::record::line::JsonLineWriter;
use crate::model::record::{Record, RecordError, VERSION};
use crate::model::repairs::Repairs;
use crate::model::violation::{Code, Violation};
use crate::schema;

/// The columns that are copied from the record's line, in the order of a failed event's columns.
const COLUMNS: [&str; 19] = [
    "event_id",
    "tenant",
    "name",
    "received_at",
    "replayed_at",
    "ip",
    "user_agent",
    "country",
    "region",
    "city",
    "continent",
    "timezone",
    "colo",
    "asn",
    "as_organization",
    "sent_at",
    "device_id",
    "identifiers_removed",
    "verified",
];

impl Record {
    /// Returns the failed event of `record`, which the stream (or a member of the set) `stream`
    /// rejected for its content with `code`: one record, or as many as its bytes need. A failed
    /// event is returned unchanged; its stream may have been the stream of failed events before.
    pub fn of_rejected(
        record: &Self,
        stream: &dyn Display,
        code: &str,
    ) -> Result<Vec<Self>, RecordError> {
        let line = std::str::from_utf8(record.bytes()).unwrap_or_default();
        let columns: JsonFields<'_> = serde_json::from_str(line).unwrap_or_default();
        if is_of_failed_event(&columns) {
            return Ok(vec![record.clone()]);
        }
        let text = |column| serde_json::from_str::<String>(columns.get(column)?.get()).ok();
        let schema = text("name").and_then(|name| schema::find(&name));
        let schema = schema.filter(|_| columns.get("schema_version").is_some());
        let original = OriginalPayload::new(record.bytes(), PayloadFormat::Record);
        let violations = violation(stream, code).into();
        let of_part = |part| {
            let mut line = JsonLineWriter::new();
            line.json("v", Some(VERSION));
            for column in COLUMNS {
                line.json(column, columns.get(column));
            }
            line.text("schema_id", schema.map(|schema| schema.info.id));
            line.json("schema_version", columns.get("schema_version"));
            let repairs = Repairs::default();
            failure(&mut line, Stage::Delivery, &violations, &repairs, &original, &part);
            Self::of_line(record.key().clone(), line)
        };
        parts(&original.bytes).map(of_part).collect()
    }
}

/// Whether these columns are those of a failed event: it has both of these, and an event has
/// neither.
pub fn is_of_failed_event(columns: &JsonFields<'_>) -> bool {
    columns.get("stage").is_some() && columns.get("violations").is_some()
}

/// Returns the violation of a record that `stream` rejected for its content with `code`. It leaves
/// out the service's message, which may describe the account.
pub fn violation(stream: &dyn Display, code: &str) -> Violation {
    Violation::whole(Code::RefusedByStream, format!("{stream} refuses the record: {code}"))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use serde_json::Value;

    use super::*;
    use crate::model::record::MAX_BYTES;
    use crate::model::stream::Stream;

    fn rejected_by_stream(line: &[u8]) -> Vec<Record> {
        let record = Record::restore("a key", line).unwrap();
        let stream = Stream::parse("kinesis:events").unwrap();
        Record::of_rejected(&record, &stream, "ValidationException").unwrap()
    }

    fn one(line: &str) -> (String, String) {
        let records = rejected_by_stream(line.as_bytes());
        let [record] = records.as_slice() else { panic!("{} records", records.len()) };
        let text = std::str::from_utf8(record.bytes()).unwrap();
        (record.key().as_str().to_owned(), text.trim_end().to_owned())
    }

    #[test]
    fn shared_columns_are_copied_from_the_line() {
        let (key, line) = one(concat!(
            r#"{"v":2,"event_id":"01939b70-6d2a-7c3e-8f00-000000000001","tenant":"a","#,
            r#""name":"page_view","level":"low","schema_version":"0.9.0","#,
            r#""received_at":"2026-11-18T11:06:40.123Z","date":"2026-11-18","hour":11,"#,
            r#""country":"CH","sent_at":"2026-11-18T11:06:40.100Z","device_id":"d \"1\"","#,
            r#""identifiers_removed":"gpc","props":{"$serde_json::private::Number":"x"},"metadata_a":1}"#,
            "\n"
        ));
        assert_eq!(key, "a key");
        assert_snapshot!(line, @r#"{"v":3,"event_id":"01939b70-6d2a-7c3e-8f00-000000000001","tenant":"a","name":"page_view","received_at":"2026-11-18T11:06:40.123Z","country":"CH","sent_at":"2026-11-18T11:06:40.100Z","device_id":"d \"1\"","identifiers_removed":"gpc","schema_id":"/schemas/page_view.json","schema_version":"0.9.0","stage":"delivery","code":"refused_by_stream","pointer":"","message":"kinesis:events refuses the record: ValidationException","violations":[{"code":"refused_by_stream","pointer":"","message":"kinesis:events refuses the record: ValidationException"}],"original_format":"record","original_bytes":362,"original":"{\"v\":2,\"event_id\":\"01939b70-6d2a-7c3e-8f00-000000000001\",\"tenant\":\"a\",\"name\":\"page_view\",\"level\":\"low\",\"schema_version\":\"0.9.0\",\"received_at\":\"2026-11-18T11:06:40.123Z\",\"date\":\"2026-11-18\",\"hour\":11,\"country\":\"CH\",\"sent_at\":\"2026-11-18T11:06:40.100Z\",\"device_id\":\"d \\\"1\\\"\",\"identifiers_removed\":\"gpc\",\"props\":{\"$serde_json::private::Number\":\"x\"},\"metadata_a\":1}\n"}"#);
    }

    #[test]
    fn a_failed_event_that_is_refused_stays_as_it_is() {
        let [failed] =
            rejected_by_stream(b"{\"event_id\":\"x\",\"name\":\"a\"}\n").try_into().unwrap();
        let [again] = rejected_by_stream(failed.bytes()).try_into().unwrap();
        assert_eq!(again.bytes(), failed.bytes());
    }

    #[test]
    fn a_line_that_cannot_be_read_is_kept_whole() {
        for line in ["{\"v\":2,\"event_id\":", "[]\n", "", "{\"event_id\":7}\n"] {
            let (key, text) = one(line);
            let columns: Value = serde_json::from_str(&text).unwrap();
            assert_eq!((key.as_str(), columns["original"].as_str()), ("a key", Some(line)));
            assert_eq!(columns["code"], "refused_by_stream");
        }
        let [record] = rejected_by_stream(&[0xff]).try_into().unwrap();
        let columns: Value = serde_json::from_slice(record.bytes()).unwrap();
        assert_eq!(columns["original_base64"], "/w==");
    }

    #[test]
    fn the_longest_line_comes_back_from_its_parts() {
        let line: Vec<u8> = (0..MAX_BYTES).map(|index| (index % 251) as u8).collect();
        let mut restored = Vec::new();
        for record in rejected_by_stream(&line) {
            let columns: Value = serde_json::from_slice(record.bytes()).unwrap();
            let part = columns["original_base64"].as_str().unwrap();
            restored.extend(base64_simd::STANDARD.decode_to_vec(part).unwrap());
        }
        assert!(restored == line);
    }
}
