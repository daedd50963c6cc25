//! Encodes events and failed events as records.

pub mod columns;

use crate::model::device_key::DeviceKey;
use crate::model::event::{DeviceId, EventId};
use crate::model::failed_event::FailedEvent;
use crate::model::record::column::{Column, ColumnChoice};
use crate::model::record::failed::{failure, parts};
use crate::model::record::line::JsonLineWriter;
use crate::model::record::{LATER_BYTES, MAX_BYTES, PartitionKey, Record, RecordError, VERSION};
use crate::model::sampling::SampleRate;
use crate::pipeline::enrich::{EnrichedEvent, RequestFacts};
use columns::ColumnWriter;

impl Record {
    /// Encodes an event with the columns in `choice`. `key` is that of its device, or its own, and
    /// `sample` is the share of devices that its route keeps.
    pub fn of_event(
        enriched: &EnrichedEvent<'_>,
        key: &DeviceKey,
        sample: Option<SampleRate>,
        choice: ColumnChoice,
    ) -> Result<Self, RecordError> {
        let line = columns::of_event(enriched, sample, choice);
        let record = Self::of_line(PartitionKey::of_device(key), line)?;
        match record.bytes().len().saturating_add(LATER_BYTES) {
            0..=MAX_BYTES => Ok(record),
            bytes => Err(RecordError::TooLarge { bytes }),
        }
    }

    /// Encodes a failed event: as one record, or as many as its original bytes need. `key` is that of
    /// its id.
    pub fn of_failed_event(
        failed: &FailedEvent,
        key: &DeviceKey,
        facts: &RequestFacts<'_>,
    ) -> Result<Vec<Self>, RecordError> {
        let of_part = |part| {
            let mut line = failed_columns(failed, facts);
            let FailedEvent { stage, violations, repairs, original, .. } = failed;
            failure(&mut line, *stage, violations, repairs, original, &part);
            Self::of_line(PartitionKey::of_device(key), line)
        };
        parts(&failed.original.bytes).map(of_part).collect()
    }
}

/// Writes the columns that failed events share with events.
fn failed_columns(failed: &FailedEvent, facts: &RequestFacts<'_>) -> JsonLineWriter {
    let FailedEvent { envelope, stripped, schema, .. } = failed;
    let device_id = envelope.device_id.as_ref().filter(|_| stripped.is_none());
    let mut line = ColumnWriter::new(ColumnChoice::default());
    line.json(Column::Version, Some(VERSION));
    line.text(Column::EventId, Some(failed.event_id.text(&mut EventId::buffer())));
    line.text(Column::Tenant, Some(&failed.tenant));
    line.text(Column::Name, failed.name.as_deref());
    line.of_request(&facts.failed_columns, *stripped, &|line| {
        columns::received(line, facts, *stripped);
    });
    line.time(Column::SentAt, envelope.sent_at);
    line.text(Column::DeviceId, device_id.map(DeviceId::as_str));
    line.json(Column::IdentifiersRemoved, *stripped);
    line.json(Column::Verified, facts.verified.then_some(true));
    let mut line = line.into_line();
    line.text("schema_id", schema.map(|schema| schema.id));
    line.text("schema_version", schema.map(|schema| schema.version));
    line
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use chrono::DateTime;
    use insta::assert_snapshot;
    use serde_json::{Value, json};

    use super::*;
    use crate::base::text::hexadecimal;
    use crate::config::Config;
    use crate::model::beacon::Envelope;
    use crate::model::device_key::DeviceHasher;
    use crate::model::event::{EventId, EventIdGenerator};
    use crate::model::failed_event::{OriginalPayload, PayloadFormat, Stage};
    use crate::model::geo::Geo;
    use crate::model::repairs::Repairs;
    use crate::model::request::RequestContext;
    use crate::model::violation::{Code, Violation};
    use crate::pipeline::decode::timestamp;
    use crate::pipeline::{enrich, validate};

    const KEY: DeviceKey = DeviceKey::from_bytes([7; DeviceKey::BYTES]);

    pub(crate) fn context() -> RequestContext {
        RequestContext {
            received_at: DateTime::from_timestamp_millis(1_795_000_000_123).unwrap(),
            ip: Some(IpAddr::from([203, 0, 113, 77])),
            user_agent: Some("Mozilla/5.0".to_owned()),
            geo: Geo { country: Some("CH".to_owned()), asn: Some(64_500), ..Geo::default() },
            ..RequestContext::default()
        }
    }

    fn config() -> Config {
        Config::parse(crate::config::tests::settings()).unwrap()
    }

    fn facts(config: &Config) -> RequestFacts<'_> {
        let tenant = config.tenants.find(None).unwrap();
        enrich::facts(&context(), &tenant.name, &tenant.privacy, &config.enrichment, None)
    }

    fn text(record: &Record) -> &str {
        std::str::from_utf8(record.bytes()).unwrap()
    }

    #[test]
    fn an_event_is_one_flat_line() {
        let config = config();
        let facts = facts(&config);
        let fields = json!({
            "name": "order_sent", "id": "01939b70-6d2a-7c3e-8f00-000000000001", "device_id": "d-1",
            "time": 1_795_000_000_000_i64, "level": "high", "title": "a\nb",
            "props": {"price": 19.90, "lines": [{"sku": "x"}]}, "metadata": {"tag": "t"},
        });
        let Value::Object(fields) = fields else { panic!("not an object") };
        let envelope = Envelope {
            sent_at: timestamp(&json!(1_795_000_000_100_i64)).ok(),
            ..Envelope::default()
        };
        let mut ids = EventIdGenerator::new(DateTime::UNIX_EPOCH, [0; 10]);
        let (unknown, repairs) = (Default::default(), &mut Repairs::default());
        let event = validate::event(fields, &envelope, unknown, &mut ids, repairs).unwrap();
        let enriched = enrich::event(event, 0, &facts, Repairs::default(), None);
        let record = Record::of_event(&enriched, &KEY, None, ColumnChoice::default()).unwrap();
        assert!(text(&record).ends_with("}\n") && text(&record).lines().count() == 1);
        assert_snapshot!(text(&record).trim_end(), @r#"{"v":3,"event_id":"01939b70-6d2a-7c3e-8f00-000000000001","tenant":"default","name":"order_sent","level":"high","occurred_at":"2026-11-18T11:06:40.000Z","received_at":"2026-11-18T11:06:40.123Z","ip":"203.0.113.0","user_agent":"Mozilla/5.0","country":"CH","asn":64500,"sent_at":"2026-11-18T11:06:40.100Z","event_index":0,"device_id":"d-1","title":"a\nb","props":{"lines":[{"sku":"x"}],"price":19.9},"metadata":{"tag":"t"}}"#);
    }

    /// Returns the names of the columns of a page view, with those of `choice`.
    fn columns_of_page_view(choice: ColumnChoice) -> Vec<String> {
        let config = config();
        let mut facts = facts(&config);
        facts.utc_offset_minutes = Some(60);
        let Value::Object(fields) = json!({
            "name": "a", "time": 1_795_000_000_000_i64, "url": "https://shop.example/tea",
            "referrer": "https://www.google.com/",
        }) else {
            panic!("not an object")
        };
        let mut ids = EventIdGenerator::new(DateTime::UNIX_EPOCH, [0; 10]);
        let (envelope, repairs) = (Envelope::default(), &mut Repairs::default());
        let event =
            validate::event(fields, &envelope, Default::default(), &mut ids, repairs).unwrap();
        let enriched = enrich::event(event, 0, &facts, Repairs::default(), None);
        let record = Record::of_event(&enriched, &KEY, None, choice).unwrap();
        let line: serde_json::Map<String, Value> = serde_json::from_str(text(&record)).unwrap();
        line.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn what_queries_need_is_not_left_out() {
        let mut whole = ColumnChoice::default();
        whole.with_derived = true;
        let lean = columns_of_page_view(ColumnChoice::default());
        let mut derived = columns_of_page_view(whole);
        derived.retain(|name| !lean.contains(name));
        let found: Vec<Column> = derived.iter().filter_map(|name| Column::find(name)).collect();
        assert!(found.iter().all(|column| column.need().is_none()), "{found:?}");
        derived.sort_unstable();
        assert_eq!(
            derived,
            [
                "client_time",
                "date",
                "day_part",
                "hour",
                "local_hour",
                "referrer_host",
                "url_host",
                "url_path"
            ]
        );
    }

    #[test]
    fn a_record_goes_under_its_device_or_else_its_event() {
        let config = config();
        let (facts, hasher) = (facts(&config), DeviceHasher::new(None));
        let id = "01939b70-6d2a-7c3e-8f00-000000000001";
        let longest = "ä".repeat(DeviceId::MAX_CHARS);
        let of_device =
            |id: &str| hasher.of_device("default", &DeviceId::parse(id.to_owned()).unwrap());
        for (device_id, key) in [
            (json!("d \"1\""), of_device("d \"1\"")),
            (Value::Null, hasher.of_event("default", EventId::parse(id).unwrap())),
            (json!(longest), of_device(&longest)),
        ] {
            let Value::Object(fields) = json!({"name": "a", "id": id, "device_id": device_id})
            else {
                panic!()
            };
            let mut ids = EventIdGenerator::new(DateTime::UNIX_EPOCH, [0; 10]);
            let (envelope, repairs) = (Envelope::default(), &mut Repairs::default());
            let unknown = Default::default();
            let event = validate::event(fields, &envelope, unknown, &mut ids, repairs).unwrap();
            let enriched = enrich::event(event, 0, &facts, Repairs::default(), None);
            let found = enriched.device_key(&hasher);
            let record = Record::of_event(&enriched, &found, None, ColumnChoice::default());
            assert_eq!(record.unwrap().key().as_str(), hexadecimal(key.as_bytes()));
        }
        let failed = records(b"{");
        assert_eq!(failed.first().unwrap().key().as_str(), "07".repeat(DeviceKey::BYTES));
    }

    fn failed(bytes: &[u8]) -> FailedEvent {
        let mut ids = EventIdGenerator::new(DateTime::UNIX_EPOCH, [0; 10]);
        FailedEvent {
            event_id: ids.next_id(),
            tenant: "default".to_owned(),
            name: None,
            schema: None,
            stage: Stage::Protocol,
            violations: Violation::whole(Code::BadJson, "beacon is not JSON").into(),
            envelope: Envelope::default(),
            stripped: None,
            repairs: Repairs::default(),
            original: OriginalPayload::new(bytes, PayloadFormat::Beacon),
        }
    }

    fn records(bytes: &[u8]) -> Vec<Record> {
        Record::of_failed_event(&failed(bytes), &KEY, &facts(&config())).unwrap()
    }

    #[test]
    fn a_failed_event_keeps_its_reason_and_its_text() {
        let records = records(b"{\"name\":\"a\",\n}");
        assert_eq!(records.len(), 1);
        assert_snapshot!(text(records.first().unwrap()).trim_end(), @r#"{"v":3,"event_id":"00000000-0000-7000-8000-000000000000","tenant":"default","received_at":"2026-11-18T11:06:40.123Z","ip":"203.0.113.0","user_agent":"Mozilla/5.0","country":"CH","asn":64500,"stage":"protocol","code":"bad_json","pointer":"","message":"beacon is not JSON","violations":[{"code":"bad_json","pointer":"","message":"beacon is not JSON"}],"original_format":"beacon","original_bytes":14,"original":"{\"name\":\"a\",\n}"}"#);
    }

    #[test]
    fn any_original_bytes_are_restored() {
        let cases: [Vec<u8>; 6] = [
            Vec::new(),
            b"{\"broken\"".to_vec(),
            vec![0xff, 0xfe, 0],
            vec![1; 262_144],
            vec![b'"'; 262_144],
            (0..1_048_576_u32).map(|index| (index % 251) as u8).collect(),
        ];
        for bytes in cases {
            let mut restored = Vec::new();
            let records = records(&bytes);
            for (index, record) in records.iter().enumerate() {
                let columns: Value = serde_json::from_slice(record.bytes()).unwrap();
                match (columns["original"].as_str(), columns["original_base64"].as_str()) {
                    (Some(text), None) => restored.extend_from_slice(text.as_bytes()),
                    (None, Some(text)) => {
                        restored.extend(base64_simd::STANDARD.decode_to_vec(text).unwrap())
                    }
                    other => panic!("{other:?}"),
                }
                if records.len() > 1 {
                    assert_eq!(
                        (&columns["part"], &columns["parts"]),
                        (&json!(index + 1), &json!(records.len()))
                    );
                }
                assert_eq!(columns["original_bytes"], json!(bytes.len()));
            }
            assert!(restored == bytes, "{} bytes", bytes.len());
        }
    }
}
