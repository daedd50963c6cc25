//! What is known of a beacon at the step that refused it.

use crate::model::event::EventId;
use crate::model::failed_event::Stage;
use crate::model::record::RecordError;
use crate::model::repairs::Repairs;
use crate::model::schema_info::SchemaInfo;
use crate::model::violation::{Code, Violation, Violations};
use crate::pipeline::enrich::Enriched;
use crate::pipeline::validate::Invalid;

/// What is known of a beacon that was refused, but for its bytes.
pub(super) struct Rejection {
    pub(super) stage: Stage,
    pub(super) event_id: Option<EventId>,
    pub(super) name: Option<String>,
    pub(super) schema: Option<&'static SchemaInfo>,
    pub(super) repairs: Repairs,
    pub(super) stripped: Option<crate::model::consent::Reason>,
    pub(super) violations: Violations,
}

impl From<Violation> for Rejection {
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

impl Rejection {
    pub(super) fn of_invalid(
        invalid: Invalid,
        repairs: Repairs,
        stripped: Option<crate::model::consent::Reason>,
    ) -> Self {
        let Invalid { event_id, name, schema, violations } = invalid;
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

    pub(super) fn of_record(error: RecordError, enriched: Enriched<'_>) -> Self {
        let Enriched { event, repairs, stripped, .. } = enriched;
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
