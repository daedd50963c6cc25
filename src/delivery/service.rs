//! The differences between the services of a stream, in one place.
//!
//! The rest of `delivery`, and the runtime, use these methods and name no service.

use http::header::CONTENT_TYPE;
use http::{Method, Request, Uri};

use super::aggregate::{AggregatedRecord, Aggregation};
use super::aws::{firehose, kinesis};
use super::request::RequestLimits;
use super::response::{HttpResponse, PutResult};
use crate::model::stream::{Service, StreamName};

impl Service {
    /// Returns the limits of one call, with the bytes around its records.
    pub const fn limits(self) -> RequestLimits {
        match self {
            Self::Firehose => firehose::LIMITS,
            Self::Kinesis => kinesis::LIMITS,
        }
    }

    /// Returns how events are aggregated in calls of `call_bytes`, if `aggregation` allows it. Kinesis
    /// assigns shards by record, its consumers count records, and it rounds records up less. So
    /// each event stays alone there.
    pub fn aggregation(self, aggregation: Aggregation, call_bytes: usize) -> Aggregation {
        match self {
            Self::Firehose => aggregation.within(firehose::max_bytes(call_bytes)),
            Self::Kinesis => Aggregation::Off,
        }
    }

    /// Returns the bytes of a call's body around its records.
    pub fn envelope_len(self, stream: &StreamName) -> usize {
        self.before_records(stream).len().saturating_add(AFTER_RECORDS.len())
    }

    /// Returns the bytes of `record` in a call's body, with the comma after it.
    pub fn encoded_len(self, record: &AggregatedRecord<'_>) -> usize {
        match self {
            Self::Firehose => firehose::encoded_len(record),
            Self::Kinesis => kinesis::encoded_len(record),
        }
    }

    /// Makes an unsigned request that puts `records`.
    pub fn put_request(
        self,
        endpoint: &Uri,
        stream: &StreamName,
        records: &[AggregatedRecord<'_>],
    ) -> Result<Request<Vec<u8>>, http::Error> {
        let target = match self {
            Self::Firehose => firehose::TARGET,
            Self::Kinesis => kinesis::TARGET,
        };
        Request::builder()
            .method(Method::POST)
            .uri(endpoint)
            .header(CONTENT_TYPE, "application/x-amz-json-1.1")
            .header("x-amz-target", target)
            .body(self.body(stream, records))
    }

    fn body(self, stream: &StreamName, records: &[AggregatedRecord<'_>]) -> Vec<u8> {
        let encoded = records.iter().map(|record| self.encoded_len(record));
        let mut body = Vec::with_capacity(encoded.chain([self.envelope_len(stream)]).sum());
        body.extend_from_slice(self.before_records(stream).as_bytes());
        for (index, record) in records.iter().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            match self {
                Self::Firehose => firehose::encode_append(record, &mut body),
                Self::Kinesis => kinesis::encode_append(record, &mut body),
            }
        }
        body.extend_from_slice(AFTER_RECORDS.as_bytes());
        body
    }

    fn before_records(self, stream: &StreamName) -> String {
        // A stream's name has no character that JSON escapes.
        let key = match self {
            Self::Firehose => firehose::STREAM_NAME,
            Self::Kinesis => kinesis::STREAM_NAME,
        };
        format!(r#"{{"{key}":"{}","Records":["#, stream.as_str())
    }

    /// Reads the results of the call's `count` records from `response`, in their order.
    pub fn put_result(self, response: &HttpResponse, count: usize) -> PutResult {
        match self {
            Self::Firehose => firehose::put_result(response, count),
            Self::Kinesis => kinesis::put_result(response, count),
        }
    }
}

const AFTER_RECORDS: &str = "]}";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::Record;
    use crate::model::record::tests::record;
    use crate::model::stream::Stream;

    #[test]
    fn a_call_matches_the_api_and_its_length_is_known() {
        for (text, target, name_key) in [
            ("firehose:events", "Firehose_20150804.PutRecordBatch", "DeliveryStreamName"),
            ("kinesis:events", "Kinesis_20131202.PutRecords", "StreamName"),
        ] {
            let Stream { service, name } = Stream::parse(text).unwrap();
            let texts = ["x", "", "a \"quoted\" \\ key", "ä🍵"];
            let lines: Vec<Record> = texts.iter().map(|text| record(text)).collect();
            for count in 1..=lines.len() {
                let records: Vec<AggregatedRecord<'_>> = lines
                    .iter()
                    .take(count)
                    .filter_map(|line| AggregatedRecord::new([line]))
                    .collect();
                let endpoint = Uri::from_static("https://a.example/");
                let request = service.put_request(&endpoint, &name, &records).unwrap();
                assert_eq!(request.headers().get("x-amz-target").unwrap(), target);
                assert_eq!(
                    request.headers().get(CONTENT_TYPE).unwrap(),
                    "application/x-amz-json-1.1"
                );
                let encoded: usize = records.iter().map(|record| service.encoded_len(record)).sum();
                // The last record has no comma after it.
                assert_eq!(request.body().len(), service.envelope_len(&name) + encoded - 1);
                let json: serde_json::Value = serde_json::from_slice(request.body()).unwrap();
                assert_eq!(json[name_key], "events");
                assert_eq!(json["Records"].as_array().unwrap().len(), count);
                for (index, (line, text)) in lines.iter().zip(texts).take(count).enumerate() {
                    let record = &json["Records"][index];
                    let data = record["Data"].as_str().unwrap();
                    assert_eq!(base64_simd::STANDARD.decode_to_vec(data).unwrap(), line.bytes());
                    let key = (service == Service::Kinesis).then_some(text);
                    assert_eq!(record["PartitionKey"].as_str(), key);
                }
            }
        }
    }
}
