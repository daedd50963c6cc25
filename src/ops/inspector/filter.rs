//! The filter of the inspector's entries, parsed from a request's query.

use crate::base::json::from_json::from_json;
use crate::base::text::truncate_for_display;
use crate::model::fan_out::FanOut;
use crate::model::outcome::OutcomeKind;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The epoch that the client asks about; the answer has to be certain about it.
    pub epoch: Option<String>,
    /// Selects only entries with a larger number.
    pub after: u64,
    /// The most entries, of which the newest are selected.
    pub limit: Option<usize>,
    outcome: Option<String>,
    code: Option<String>,
    tenant: Option<String>,
    name: Option<String>,
    stream: Option<String>,
    event_id: Option<String>,
    /// In lower case.
    text: Option<String>,
}

/// An invalid query parameter; the client has to fix it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    #[error(
        "{0} is no filter; there are outcome, code, tenant, name, stream, event_id, text, epoch, after, limit"
    )]
    Unknown(String),
    #[error("epoch is empty; name the one that POST /_/inspect/reset has answered")]
    NoEpoch,
    #[error("{key} must be a whole number, not {value:?}")]
    NotANumber {
        key: String,
        /// Truncated for display.
        value: String,
    },
}

/// The fields by which an entry can be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryIndex {
    /// 0 if the entry has no number yet.
    pub seq: u64,
    pub outcome: OutcomeKind,
    code: Option<String>,
    tenant: Option<String>,
    name: Option<String>,
    stream: Option<String>,
    event_id: Option<String>,
}

from_json!(EntryIndex { outcome, code, tenant, name, stream, event_id } or_default { seq });

impl Filter {
    /// Parses `query`, which has no question mark. A parameter without a value is ignored.
    pub fn parse(query: &str) -> Result<Self, FilterError> {
        let mut filter = Self::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            let number = || {
                let wrong = |_| FilterError::NotANumber {
                    key: truncate_for_display(&key),
                    value: truncate_for_display(&value),
                };
                value.parse::<u64>().map_err(wrong)
            };
            let slot = match key.as_ref() {
                "outcome" => &mut filter.outcome,
                "code" => &mut filter.code,
                "tenant" => &mut filter.tenant,
                "name" => &mut filter.name,
                "stream" => &mut filter.stream,
                "event_id" => &mut filter.event_id,
                "text" => &mut filter.text,
                // If it were ignored, a check would pass that was never made.
                "epoch" if value.is_empty() => return Err(FilterError::NoEpoch),
                "epoch" => &mut filter.epoch,
                "after" => {
                    filter.after = number()?;
                    continue;
                }
                "limit" => {
                    filter.limit = Some(usize::try_from(number()?).unwrap_or(usize::MAX));
                    continue;
                }
                _ => return Err(FilterError::Unknown(truncate_for_display(&key))),
            };
            *slot = Some(value.into_owned()).filter(|value| !value.is_empty());
        }
        filter.text = filter.text.map(|text| text.to_lowercase());
        Ok(filter)
    }

    /// Whether the filter accepts the entry `json`, whose indexed fields are `head`.
    pub fn takes(&self, head: &EntryIndex, json: &str) -> bool {
        let is = |wanted: &Option<String>, value: Option<&str>| {
            wanted.as_ref().is_none_or(|wanted| value == Some(wanted))
        };
        head.seq > self.after
            && is(&self.outcome, Some(head.outcome.as_str()))
            && is(&self.code, head.code.as_deref())
            && is(&self.tenant, head.tenant.as_deref())
            && is(&self.name, head.name.as_deref())
            && self.stream.as_ref().is_none_or(|wanted| {
                let streams = head.stream.as_deref().unwrap_or_default();
                streams == wanted || streams.split(FanOut::SEPARATOR).any(|stream| stream == wanted)
            })
            && is(&self.event_id, head.event_id.as_deref())
            && self.text.as_ref().is_none_or(|text| json.to_lowercase().contains(text.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::json::from_json;

    const ENTRY: &str = r#"{"seq":7,"outcome":"failed","code":"wrong_type","tenant":"shop","name":"order_placed","stream":"firehose:f","event_id":"e1","record":{"title":"Große Hüte"}}"#;

    fn takes(query: &str) -> bool {
        let head: EntryIndex = from_json::read(ENTRY).unwrap();
        Filter::parse(query).unwrap().takes(&head, ENTRY)
    }

    #[test]
    fn an_entry_is_found_by_its_fields() {
        for query in [
            "",
            "outcome=failed&code=wrong_type",
            "tenant=shop&name=order_placed&event_id=e1",
            "stream=firehose%3Af",
            "text=GRO%C3%9FE+h%C3%BCte",
            "after=6",
            "name=&limit=3",
        ] {
            assert!(takes(query), "{query}");
        }
        for query in [
            "outcome=accepted",
            "code=too_long",
            "name=order",
            "tenant=shop&event_id=e2",
            "text=small",
            "after=7",
        ] {
            assert!(!takes(query), "{query}");
        }
    }

    #[test]
    fn an_entry_of_several_streams_is_found_by_each() {
        let entry = ENTRY.replace("firehose:f", "firehose:f, kinesis:k");
        let head: EntryIndex = from_json::read(&entry).unwrap();
        for (stream, takes) in [
            ("firehose%3Af", true),
            ("kinesis%3Ak", true),
            ("firehose%3Af%2C+kinesis%3Ak", true),
            ("kinesis%3A", false),
        ] {
            let filter = Filter::parse(&format!("stream={stream}")).unwrap();
            assert_eq!(filter.takes(&head, &entry), takes, "{stream}");
        }
    }

    #[test]
    fn a_mistake_is_named() {
        let mistake = |query| Filter::parse(query).unwrap_err().to_string();
        assert_eq!(
            mistake("user=1"),
            "user is no filter; there are outcome, code, tenant, name, stream, event_id, text, epoch, after, limit"
        );
        assert_eq!(
            mistake("name=a&epoch="),
            "epoch is empty; name the one that POST /_/inspect/reset has answered"
        );
        assert_eq!(mistake("limit=-1"), "limit must be a whole number, not \"-1\"");
    }
}
