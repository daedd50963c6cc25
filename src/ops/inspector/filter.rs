//! Which stories are wanted, as the query of a request says.

use serde::Deserialize;

use super::OutcomeKind;
use crate::base::text::shown;

/// Which stories are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The epoch that the asker knows: the answer is to prove something about it.
    pub epoch: Option<String>,
    /// Only those told after this one.
    pub after: u64,
    /// The most of them, the newest.
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

/// The client's: a parameter that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// There is no such parameter.
    #[error(
        "{0} is no filter; there are outcome, code, tenant, name, stream, event_id, text, epoch, after, limit"
    )]
    Unknown(String),
    /// It names no epoch.
    #[error("epoch is empty; name the one that POST /_/inspect/reset has answered")]
    NoEpoch,
    /// Its value is no number.
    #[error("{key} must be a whole number, not {value:?}")]
    NotANumber {
        /// The parameter.
        key: String,
        /// What it was.
        value: String,
    },
}

/// What of a story it can be found by.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EntryIndex {
    /// Its number, once it has one.
    #[serde(default)]
    pub seq: u64,
    /// How it ended.
    pub outcome: OutcomeKind,
    code: Option<String>,
    tenant: Option<String>,
    name: Option<String>,
    stream: Option<String>,
    event_id: Option<String>,
}

impl Filter {
    /// What `query` asks for, without its question mark. What is empty is not asked.
    pub fn parse(query: &str) -> Result<Self, FilterError> {
        let mut filter = Self::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            let number = || {
                let wrong = |_| FilterError::NotANumber { key: shown(&key), value: shown(&value) };
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
                // Were it left out, a check would pass that was never made.
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
                _ => return Err(FilterError::Unknown(shown(&key))),
            };
            *slot = Some(value.into_owned()).filter(|value| !value.is_empty());
        }
        filter.text = filter.text.map(|text| text.to_lowercase());
        Ok(filter)
    }

    /// Whether the story `json` is wanted, which begins with `head`.
    pub fn takes(&self, head: &EntryIndex, json: &str) -> bool {
        let is = |wanted: &Option<String>, value: Option<&str>| {
            wanted.as_ref().is_none_or(|wanted| value == Some(wanted))
        };
        head.seq > self.after
            && is(&self.outcome, Some(head.outcome.as_str()))
            && is(&self.code, head.code.as_deref())
            && is(&self.tenant, head.tenant.as_deref())
            && is(&self.name, head.name.as_deref())
            && is(&self.stream, head.stream.as_deref())
            && is(&self.event_id, head.event_id.as_deref())
            && self.text.as_ref().is_none_or(|text| json.to_lowercase().contains(text.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORY: &str = r#"{"seq":7,"outcome":"failed","code":"wrong_type","tenant":"shop","name":"order_placed","stream":"firehose:f","event_id":"e1","record":{"title":"Große Hüte"}}"#;

    fn takes(query: &str) -> bool {
        let head: EntryIndex = serde_json::from_str(STORY).unwrap();
        Filter::parse(query).unwrap().takes(&head, STORY)
    }

    #[test]
    fn a_story_is_found_by_what_it_is() {
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
