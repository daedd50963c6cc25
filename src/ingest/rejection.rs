//! A rejected beacon, as the stage that rejected it knows it.

use serde_json::{Map, Value};

use crate::model::consent::PrivacySignal;
use crate::model::event::{EventId, EventName};
use crate::model::failed_event::Stage;
use crate::model::record::RecordError;
use crate::model::repairs::Repairs;
use crate::model::schema_info::SchemaInfo;
use crate::model::violation::{Code, Violation, Violations};
use crate::pipeline::enrich::EnrichedEvent;
use crate::pipeline::validate::ValidationFailure;

/// A rejected beacon without its original bytes.
pub(super) struct RejectedBeacon {
    pub(super) stage: Stage,
    pub(super) event_id: Option<EventId>,
    pub(super) name: Option<String>,
    pub(super) schema: Option<&'static SchemaInfo>,
    pub(super) repairs: Repairs,
    pub(super) stripped: Option<PrivacySignal>,
    pub(super) violations: Violations,
}

impl From<Violation> for RejectedBeacon {
    fn from(violation: Violation) -> Self {
        Self {
            stage: Stage::Protocol,
            event_id: None,
            name: None,
            schema: None,
            repairs: Repairs::default(),
            stripped: None,
            violations: violation.into(),
        }
    }
}

impl RejectedBeacon {
    pub(super) fn of_invalid(
        invalid: ValidationFailure,
        repairs: Repairs,
        stripped: Option<PrivacySignal>,
    ) -> Self {
        let ValidationFailure { event_id, name, schema, violations } = invalid;
        Self {
            stage: Stage::Validate,
            event_id: Some(event_id),
            name: name.map(|name| name.as_str().to_owned()),
            schema,
            repairs,
            stripped,
            violations,
        }
    }

    /// A beacon with a wrong value in a field that only servers may set.
    pub(super) fn of_field(violation: Violation, fields: &Map<String, Value>) -> Self {
        let text = |field| fields.get(field).and_then(Value::as_str);
        let name = text("name").and_then(|name| EventName::parse(name.to_owned()));
        Self {
            stage: Stage::Validate,
            event_id: text("id").and_then(EventId::parse),
            name: name.map(|name| name.as_str().to_owned()),
            ..violation.into()
        }
    }

    pub(super) fn of_record(error: RecordError, enriched: EnrichedEvent<'_>) -> Self {
        let EnrichedEvent { event, repairs, stripped, .. } = enriched;
        Self {
            stage: Stage::Delivery,
            event_id: Some(event.id),
            name: Some(event.name.as_str().to_owned()),
            schema: event.schema,
            repairs,
            stripped,
            violations: Violation::whole(Code::TooLarge, error.to_string()).into(),
        }
    }
}
